"""Every operation against every fault and every switch, in small accounts: nothing lost, nothing doubled.

Each case does one operation while the sandbox misbehaves. It ends well, or with an error of the family; then the
fault is over, and the operation is done again or taken up by `resume_run`. Either way the account must end as it
would have without the fault. `docs/reliability.md` is made of these results.
"""

from itertools import product

import pytest

from sendblue_data import (
    ContactHistory,
    bulk_create,
    bulk_delete,
    bulk_opt_out,
    bulk_update,
    bulk_verify,
    iter_contacts,
    list_runs,
    pull_contacts,
    resume_run,
    undo_run,
)
from sendblue_data.contacts import contacts_frame
from sendblue_data.errors import SendblueError, WriteInterruptedError
from sendblue_data.export import write_contacts
from sendblue_data.writeback import engine
from tests.trust.readers import read_file
from tests.writeback.people import person, phone, state

QUIET = {"progress": False}
PEOPLE = 24
SEVERAL_PAGES = 1_300
START = [
    person(n, opt_out=n % 3 == 0, tags=["Old"], custom_variables={"City": "Rome"}) for n in range(PEOPLE)
]
NEW = contacts_frame(
    [{"phone": phone(n), "first_name": "Ann", "opt_out": n % 2 == 0, "tags": ["New"]} for n in range(40, 50)]
)
OLD = contacts_frame([person(n, tags=["Changed"], contact_id=None, created_at=None) for n in range(6, 12)])
MORE = [person(n) for n in range(PEOPLE, SEVERAL_PAGES)]
"""For reads: others, so many that there is more than a page."""
OLD_PHONES = set(OLD["phone"])


def started():
    return state(START)


def created():
    return {**started(), **state(NEW.to_dicts())}


def changed(**fields):
    there = started()
    return {number: {**row, **(fields if number in OLD_PHONES else {})} for number, row in there.items()}


def without_old():
    return {number: row for number, row in started().items() if number not in OLD_PHONES}


class Case:
    """An account, the operation's own memory, and how it ended."""

    def __init__(self, sandbox, client, folder, misbehaviour):
        self.sandbox, self.client, self.folder = sandbox, client, folder
        self.misbehaviour = misbehaviour
        self.outcome = "goes through"

    def misbehave(self):
        self.sandbox.set(**self.misbehaviour)

    def behave(self):
        changes = dict.fromkeys((*self.misbehaviour,), 0)
        self.sandbox.set(**{name: FAULTLESS.get(name, value) for name, value in changes.items()})

    def moved(self):
        return {*self.sandbox.churned_in, *self.sandbox.churned_out}

    def account(self):
        """The account without those that others created or deleted meanwhile."""
        return self.apart_from_others(self.as_kept(state(self.sandbox.rows())))

    def as_kept(self, contacts):
        """The same without what the server makes of it: a company filled in, tags in lower case."""
        switches = self.sandbox.switches
        filled = {switches.default_company, None}
        return {
            number: {
                **row,
                "company_name": None if row["company_name"] in filled else row["company_name"],
                "tags": frozenset(tag.lower() for tag in row["tags"])
                if switches.tidy_tags == "all"
                else row["tags"],
            }
            for number, row in contacts.items()
        }

    def apart_from_others(self, contacts):
        return {number: row for number, row in contacts.items() if number not in self.moved()}

    def write(self, call, expected, account):
        """Do a write through the misbehaviour; check each row's outcome and the whole account."""
        result = None
        try:
            result = call()
        except WriteInterruptedError as error:
            self.outcome = "says so; resume finishes it"
            assert error.run_id in str(error)
            run_id = error.run_id
            self.behave()
            result = resume_run(self.client, run_id, **QUIET)
        except SendblueError:
            # Nothing was begun: no run is open, and no write went out.
            self.outcome = "says so before anything is sent; done again"
            assert (list_runs()["state"] != "open").all()
            self.behave()
            result = call()
        self.check(result, expected)
        self.sandbox.settle()
        assert self.account() == self.apart_from_others(self.as_kept(account))

    def check(self, result, expected):
        told = dict(zip(result.frame["phone"], result.frame["status"], strict=True))
        assert len(told) == result.frame.height
        assert self.apart_from_others(told) == dict.fromkeys(
            number for number in told if number not in self.moved()
        ) | {number: expected for number in told if number not in self.moved()}

    def read(self, call):
        """Do a read through the misbehaviour; it gives every contact that stayed, once, or says that it can't."""
        try:
            found = call()
        except SendblueError:
            self.outcome = "says so; done again"
            self.behave()
            found = call()
        there = self.account()
        assert len(there) > 5
        assert self.apart_from_others(self.as_kept(state(found))) == there
        assert {row["phone"] for row in found} <= set(there) | self.moved()


def do_pull(case):
    case.misbehave()
    case.read(lambda: pull_contacts(case.client, **QUIET).to_dicts())


def do_iter(case):
    case.misbehave()
    case.read(lambda: [row for frame in iter_contacts(case.client, **QUIET) for row in frame.to_dicts()])


def do_export(case):
    path = case.folder / "contacts.parquet"

    def export():
        try:
            write_contacts(iter_contacts(case.client, **QUIET), path)
        except SendblueError:
            assert list(case.folder.glob("*contacts*")) == []  # whole, or not there
            raise
        return read_file(path)

    case.misbehave()
    case.read(export)


def do_snapshot(case):
    history = ContactHistory(case.folder / "history")

    def snapshot():
        contacts, evidence = pull_contacts(case.client, with_evidence=True, **QUIET)
        history.snapshot(contacts, evidence=evidence)
        return history.at(evidence.finished).to_dicts()

    case.misbehave()
    case.read(snapshot)


def do_create(case):
    case.misbehave()
    case.write(lambda: bulk_create(case.client, NEW, chunk_size=4, **QUIET), "created", created())


def do_delete(case):
    case.misbehave()
    case.write(lambda: bulk_delete(case.client, OLD, chunk_size=4, **QUIET), "deleted", without_old())


def do_update(case):
    case.misbehave()
    case.write(
        lambda: bulk_update(case.client, OLD, ["tags"], replace=True, **QUIET),
        "updated",
        changed(tags=frozenset(["Changed"])),
    )


def do_opt_out(case):
    case.misbehave()
    out = changed(opt_out=True)
    mine = contacts_frame([person(n) for n in (7, 8, 10, 11)])  # those who did not opt out yet
    case.write(lambda: bulk_opt_out(case.client, mine, **QUIET), "updated", out)


def do_verify(case):
    """A message can't be asked for afterwards: one whose answer was lost is told as unknown, and never sent twice."""
    case.misbehave()
    mine = contacts_frame([person(n) for n in (1, 2, 4, 5, 7, 8)])
    try:
        result = bulk_verify(case.client, mine, **QUIET)
    except WriteInterruptedError as error:
        case.outcome = "says so; resume finishes it"
        run_id = error.run_id
        case.behave()
        result = resume_run(case.client, run_id, **QUIET)
    except SendblueError:
        case.outcome = "says so before anything is sent; done again"
        assert case.sandbox.verifications == []
        case.behave()
        result = bulk_verify(case.client, mine, **QUIET)
    told = case.apart_from_others(dict(zip(result.frame["phone"], result.frame["status"], strict=True)))
    sent = case.sandbox.verifications
    assert len(sent) == len(set(sent))
    assert set(told.values()) <= {"updated", "unknown"}
    assert {number for number, status in told.items() if status == "updated"} <= set(sent)
    assert set(sent) <= set(result.frame["phone"])
    if "unknown" in told.values():
        case.outcome = "says which messages may have gone out"


def interrupted(case, call):
    """Begin a run that its first write already interrupts, and give its name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "FAILED_ROUNDS", 1)
        case.sandbox.set(at={2: "reset_after"}, every_500=1, only="writes")
        with pytest.raises(WriteInterruptedError) as caught:
            call()
    case.sandbox.set(at={}, every_500=0, only="all")
    return caught.value.run_id


def do_resume(case):
    run_id = interrupted(case, lambda: bulk_create(case.client, NEW, chunk_size=4, **QUIET))
    case.misbehave()

    def again():
        try:
            return resume_run(case.client, run_id, **QUIET)
        except SendblueError:
            case.outcome = "says so; resume finishes it"
            case.behave()
            return resume_run(case.client, run_id, **QUIET)

    case.write(again, "created", created())


def undone(case, run_id, expected):
    def again():
        try:
            return undo_run(case.client, run_id, **QUIET)
        except SendblueError:
            case.outcome = "says so; undo finishes it"
            case.behave()
            return undo_run(case.client, run_id, **QUIET)

    case.misbehave()
    case.write(again, expected, started())


def do_undo_delete(case):
    """With a server that forgets opt-outs with their contact, or not: they come back."""
    run_id = bulk_delete(case.client, OLD, **QUIET).run_id
    undone(case, run_id, "created")


def do_undo_create(case):
    run_id = bulk_create(case.client, NEW, **QUIET).run_id
    undone(case, run_id, "deleted")


OPERATIONS = {
    "pull": do_pull,
    "iter": do_iter,
    "export": do_export,
    "snapshot": do_snapshot,
    "bulk_create": do_create,
    "bulk_delete": do_delete,
    "update": do_update,
    "opt_out": do_opt_out,
    "verify": do_verify,
    "resume": do_resume,
    "undo a delete": do_undo_delete,
    "undo a create": do_undo_create,
}
FAULTS = {
    "429": {"every_429": 3},
    "429 with Retry-After": {"every_429": 3, "retry_after": 0.01},
    "500": {"every_500": 3},
    "500_after": {"every_500_after": 3},
    "reset": {"every_reset": 3},
    "reset_after": {"every_reset_after": 3},
    "cut": {"every_cut": 3},
    "error_200": {"every_error_200": 3},
    "latency": {"latency": 0.01},
    "churn": {"churn": 1.0},
    "503": {"every_503": 3, "retry_after": 0.01},
    "cdn": {"every_cdn": 3, "cdn_status": 520},
    "odd_status": {"every_odd_status": 3, "odd_status": 103, "only": "writes"},
    "empty_200": {"every_empty_200": 3, "only": "reads"},
    "late": {"every_late": 3, "late_by": 0.1, "only": "writes"},
}
FAULTLESS = {
    "churn": 0.0,
    "latency": 0.0,
    "retry_after": None,
    "only": "all",
    "at": {},
    "cdn_status": 520,
    "odd_status": 103,
    "late_by": 0.1,
}
OFTEN = ("429", "reset_after", "churn")
"""Faults now and then that the quick tests live through; the rest takes a minute or two."""
PATIENT = ("undo a delete", "churn")
"""Waits for an account that never rests, for a minute."""
READS = ("pull", "iter", "export", "snapshot")
WRITES = [name for name in OPERATIONS if name not in READS]
LASTING = {
    "429": {"every_429": 1},
    "500": {"every_500": 1},
    "500_after": {"every_500_after": 1},
    "reset": {"every_reset": 1},
    "reset_after": {"every_reset_after": 1},
    "cut": {"every_cut": 1},
    "error_200": {"every_error_200": 1},
}
SWITCHES = {
    "on_duplicate=update": {"on_duplicate": "update"},
    "on_duplicate=reject": {"on_duplicate": "reject"},
    "invalid_row=skip": {"invalid_row": "skip"},
    "bulk_answer=new": {"bulk_answer": "new"},
    "max_bulk=3, 413": {"max_bulk": 3},
    "max_bulk=3, 400": {"max_bulk": 3, "max_bulk_status": 400},
    "delete_amount=all": {"delete_amount": "all"},
    "offset_past_cap=refuse": {"offset_past_cap": "refuse"},
    "timestamps=ms": {"timestamps": "ms"},
    "timestamps=s": {"timestamps": "s"},
    "remember_opt_outs=False": {"remember_opt_outs": False},
    "rate_limit=150": {"rate_limit": 150.0},
    "rate_limit, no Retry-After": {"rate_limit": 150.0, "retry_after": False},
    "honour_order=False": {"honour_order": False},
    "sort_nulls=last": {"sort_nulls": "last"},
    "ties=shuffled": {"ties": "shuffled"},
    "default_order=inserted": {"default_order": "inserted"},
    "list_contact_id=False": {"list_contact_id": False},
    "opt_out_unknown=refuse": {"opt_out_unknown": "refuse"},
    "verify_marks=True": {"verify_marks": True},
    "on_duplicate=partial": {"on_duplicate": "partial"},
    "camelCase lists, both in writes": {"list_spelling": "camel", "write_spelling": "both"},
    "older names": {"list_spelling": "older", "write_spelling": "older"},
    "create_answer=partial": {"create_answer": "partial", "write_created_at": "day"},
    "timestamps=day": {"timestamps": "day"},
    "default_company": {"default_company": "owner@example.com"},
    "tidy_tags=all": {"tidy_tags": "all", "tidy_text": True},
    "read_lag=0.3": {"read_lag": 0.3},
    "lag_of=lists": {"read_lag": 0.3, "lag_of": "lists"},
    "100 requests a fixed second": {"rate_limit": 100, "rate_kind": "fixed", "retry_after": False},
    "errors observed, nested": {"errors": "observed", "error_shape": "nested"},
    "delete_status=204": {"delete_status": 204},
    "empty_writes=True": {"empty_writes": True},
    "nulls=null": {"nulls": "null"},
    "paid plan": {"plan": "paid"},
    "order_names=documented": {"order_names": "documented"},
}


@pytest.fixture
def case(open_account, tmp_path, monkeypatch):
    """Open the account of a case; a server that fails on and on is given up after fewer tries than in earnest."""
    monkeypatch.setattr("sendblue_data._api.retries.PATIENCE", 0.1)
    monkeypatch.setattr("sendblue_data._api.retries.LONG_PATIENCE", 0.1)
    monkeypatch.setattr(engine, "FAILED_ROUNDS", 3)

    def opened(operation, misbehaviour, **switches):
        sandbox, client = open_account([*START, *(MORE if operation in READS else ())], **switches)
        return Case(sandbox, client, tmp_path, misbehaviour)

    return opened


@pytest.mark.parametrize(
    ("operation", "fault"),
    [
        pytest.param(*one, marks=() if one[1] in OFTEN and one != PATIENT else pytest.mark.slow)
        for one in product(OPERATIONS, FAULTS)
    ],
)
def test_fault_now_and_then(case, record_property, operation, fault):
    """Every third request is hit, whatever it is."""
    one = case(operation, FAULTS[fault], remember_opt_outs=False)
    OPERATIONS[operation](one)
    record_property("outcome", one.outcome)
    only = FAULTS[fault].get("only", "all")
    hit = [
        line.fault
        for line in one.sandbox.request_log
        if only == "all" or (only == "reads") == (line.method == "GET")
    ]
    assert any(hit) or fault in ("latency", "churn") or len(hit) < 3


@pytest.mark.slow
@pytest.mark.parametrize("fault", LASTING)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_fault_at_every_request(case, monkeypatch, record_property, operation, fault):
    """No request is answered any more, until the fault is over."""
    monkeypatch.setattr("sendblue_data._api.retries.LONGEST_WAIT", 0.01)
    one = case(operation, LASTING[fault], remember_opt_outs=False)
    OPERATIONS[operation](one)
    record_property("outcome", one.outcome)
    assert one.outcome.startswith("says")


@pytest.mark.slow
@pytest.mark.parametrize("fault", LASTING)
@pytest.mark.parametrize("operation", WRITES)
def test_fault_at_every_write(case, record_property, operation, fault):
    """The account can be read, and every write is hit, until the fault is over."""
    one = case(operation, {**LASTING[fault], "only": "writes"}, remember_opt_outs=False)
    OPERATIONS[operation](one)
    record_property("outcome", one.outcome)
    assert any(line.fault for line in one.sandbox.request_log)


@pytest.mark.slow
@pytest.mark.parametrize("switch", SWITCHES)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_switch(case, record_property, operation, switch):
    """What the API leaves unsaid, either way, with a lost answer at every fifth write on top."""
    one = case(operation, {"every_reset_after": 5, "only": "writes"}, **SWITCHES[switch])
    OPERATIONS[operation](one)
    record_property("outcome", one.outcome)
