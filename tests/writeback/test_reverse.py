"""What takes each row of a run back, and how an undo goes about it."""

import pytest

from sendblue_data import undo_run
from sendblue_data.errors import JournalError, WrongAccountError
from sendblue_data.writeback import engine, lookup, rows as rows_module, undo as module
from sendblue_data.writeback.journal import Journal
from sendblue_data.writeback.ledger import Ledger
from sendblue_data.writeback.rows import Options, Row
from sendblue_data.writeback.run import begin
from tests.writeback.doubles import Clock, Store
from tests.writeback.people import person, phone

CHANGED = "changed since the run: left alone"
KEPT_OUT = "is known to be opted out, and will stay so"
STAYS_OUT = "stays opted out: clearing an opt-out takes opt_back_in=True"
NOT_KNOWN = "opt_out was not known before: where the account says false now, nobody agreed to that"
NO_AGAIN = "opt_out was not known before, and can't be again"


def row_of(number, action, **fields):
    return Row(pos=number, phone=phone(number), action=action, **fields)


def reversed_(done, there, out=(), *, opt_back_in=False):
    row = module._reverse(done, there, set(out), opt_back_in=opt_back_in)
    assert (row.pos, row.phone, row.before) == (done.pos, done.phone, there)
    return row


def told(row):
    return row.action, row.wanted, row.detail


# What was deleted


@pytest.mark.parametrize(
    ("before", "out", "wanted", "detail"),
    [
        ({"opt_out": True}, (), {"opt_out": True}, ""),
        ({"opt_out": False}, (), {}, ""),
        ({"opt_out": None}, (), {}, NOT_KNOWN),
        ({}, (), {}, NOT_KNOWN),
        ({"opt_out": False}, [phone(0)], {"opt_out": True}, KEPT_OUT),
        ({"opt_out": None}, [phone(0)], {"opt_out": True}, KEPT_OUT),
        ({"opt_out": True}, [phone(0)], {"opt_out": True}, ""),
        ({"opt_out": False}, [phone(1)], {}, ""),
    ],
)
def test_who_was_deleted_comes_back_as_opted_out_as_is_known(before, out, wanted, detail):
    row = reversed_(row_of(0, "delete", status="deleted", before={**before, "first_name": "Ann"}), None, out)
    assert told(row) == ("create", {"first_name": "Ann", **wanted}, detail)
    assert row.opted_out is wanted.get("opt_out")


def test_what_does_not_come_back_is_told():
    done = row_of(
        0, "delete", status="deleted", before={"opt_out": False, "verified": True, "contact_id": "1"}
    )
    assert reversed_(done, None).detail == "can't come back: verified, contact_id"


def test_who_is_there_again_is_left_alone():
    there = {"opt_out": True}
    row = reversed_(row_of(0, "delete", status="deleted", before={"opt_out": False}), there)
    assert told(row) == ("unchanged", {}, "a contact with this number is there again: left alone")
    assert row.opted_out is True


# What was created


@pytest.mark.parametrize(
    ("there", "action", "detail"),
    [
        (None, "absent", "gone already"),
        (person(0), "delete", ""),
        (person(0, tags=["Theirs"]), "unchanged", CHANGED),
        (person(0, verified=True), "unchanged", CHANGED),
    ],
)
def test_who_was_created_goes_unless_changed_since(there, action, detail):
    row = reversed_(row_of(0, "create", status="created", left=person(0)), there)
    assert told(row) == (action, {}, detail)


# What was updated


def updated(wanted, before, left=None, **fields):
    """A row that wrote `wanted` over `before`, and left that or what is given."""
    known = {"status": "updated", "sent": True, **fields}
    return row_of(
        0,
        "update",
        wanted=wanted,
        before=before,
        left={**before, **wanted} if left is None else left,
        **known,
    )


@pytest.mark.parametrize(
    ("wanted", "before", "expected", "detail"),
    [
        ({"first_name": "New"}, {"first_name": "Old"}, {"first_name": "Old"}, ""),
        ({"first_name": "New"}, {}, {}, "first_name was empty before, which can't be written: it stays"),
        ({"tags": ["New"]}, {"tags": ["Old"]}, {"tags": ["Old"]}, ""),
        ({"tags": ["New"]}, {"tags": None}, {"tags": []}, ""),
        ({"opt_out": True}, {"opt_out": False}, {}, STAYS_OUT),
        ({"opt_out": True}, {"opt_out": None}, {}, NO_AGAIN),
        ({"opt_out": False}, {"opt_out": True}, {"opt_out": True}, ""),
        (
            {"custom_variables": {"Plan": "Pro", "City": "Rome", "Age": "9"}},
            {"custom_variables": {"Plan": "Free"}},
            {"custom_variables": {"Plan": "Free"}},
            "custom variables can't be removed: Age, City",
        ),
        (
            {"custom_variables": {"Plan": "Pro"}},
            {"custom_variables": {"Plan": "Free"}},
            {"custom_variables": {"Plan": "Free"}},
            "",
        ),
        ({"custom_variables": {"Plan": "Pro"}}, {}, {}, "custom variables can't be removed: Plan"),
        (
            {"first_name": "New", "last_name": "Lee"},
            {"first_name": "Old", "last_name": "Lee"},
            {"first_name": "Old"},
            "",
        ),
    ],
)
def test_fields_get_their_old_values_as_far_as_they_can_be_written(wanted, before, expected, detail):
    done = updated(wanted, before)
    assert told(reversed_(done, done.left)) == ("update" if expected else "unchanged", expected, detail)


def test_an_opt_out_is_taken_back_only_when_that_is_said():
    for old, wanted in ((False, {"opt_out": False}), (None, {})):
        done = updated({"opt_out": True}, {"opt_out": old})
        assert reversed_(done, done.left, opt_back_in=True).wanted == wanted
    opted_in = updated({"opt_out": False}, {"opt_out": True})
    assert reversed_(opted_in, opted_in.left, opt_back_in=True).wanted == {"opt_out": True}


def test_what_the_run_did_not_write_in_the_end_is_not_put_back():
    """A row that was cut off: one field was written, another was not, a third is what somebody else made of it."""
    left = {"first_name": "New", "last_name": "Old", "company_name": "Theirs"}
    done = updated(
        {"first_name": "New", "last_name": "New", "company_name": "New"},
        {"first_name": "Old", "last_name": "Old", "company_name": "Old"},
        left,
    )
    assert reversed_(done, left).wanted == {"first_name": "Old"}


@pytest.mark.parametrize(
    ("there", "action", "detail"),
    [(None, "absent", "gone since the run"), ({"first_name": "Theirs"}, "unchanged", CHANGED)],
)
def test_who_is_gone_or_was_changed_since_is_left_alone(there, action, detail):
    assert told(reversed_(updated({"first_name": "New"}, {"first_name": "Old"}), there)) == (
        action,
        {},
        detail,
    )


def test_of_a_contact_of_which_nothing_was_known_before_nothing_is_put_back():
    done = updated({"first_name": "New"}, {}, {"first_name": "New"})
    done.before = None
    assert (
        reversed_(done, done.left).detail == "first_name was empty before, which can't be written: it stays"
    )


# What has nothing to undo


@pytest.mark.parametrize(
    ("done", "detail"),
    [
        (row_of(0, "verify", status="updated", sent=True), "a verification message can't be unsent"),
        (row_of(0, "verify", status="unchanged"), "nothing to undo"),
        (
            row_of(0, "create", status="unknown", detail="why"),
            "left alone, since its outcome is not known: why",
        ),
        (row_of(0, "delete", status="absent", before=person(0)), "nothing to undo"),
        (row_of(0, "delete", status="deleted"), "nothing to undo"),
        (row_of(0, "create", status="created"), "nothing to undo"),
        (row_of(0, "create", status="unchanged", left=person(0)), "nothing to undo"),
        (row_of(0, "update", status="updated", sent=True), "nothing to undo"),
        (
            row_of(0, "update", status="unchanged", left=person(0), wanted={"first_name": "x"}),
            "nothing to undo",
        ),
        (
            row_of(0, "unchanged", status="unchanged", sent=True, left=person(0), wanted={"first_name": "x"}),
            "nothing to undo",
        ),
    ],
)
def test_what_had_no_effect_or_none_that_is_known_is_left_alone(done, detail):
    assert told(reversed_(done, person(0))) == ("unchanged", {}, detail)
    assert reversed_(done, person(0, opt_out=True)).opted_out is True
    assert reversed_(done, None).opted_out is None


# Rows that were open, or may have had an effect since


def test_what_became_of_rows_that_were_cut_off_is_found_out(monkeypatch):
    class Still:
        time = monotonic = staticmethod(lambda: 1_000.0)

    monkeypatch.setattr(rows_module, "time", Still)
    under_way = {"sent": True, "unanswered": 1, "sent_at": 970.5}
    rows = [
        row_of(0, "create", wanted={"first_name": "Ann"}, sent=True),
        row_of(1, "create", **under_way),
        row_of(2, "create", sent=True, unanswered=1, sent_at=970.0),
        row_of(3, "update", done=True, status="unknown", wanted={"first_name": "Ann"}, sent=True),
        row_of(4, "create", done=True, status="created", left=person(4)),
        Row(pos=5, phone=None, action="invalid", done=True, status="invalid"),
        Row(pos=6, phone=None, action="create"),
    ]
    seen = {phone(0): {"first_name": "Ann"}, phone(3): {"first_name": "Ann"}}
    module._close_open_rows(rows, seen, 30.0)
    undone = "the run was cut off and undone"
    assert [(row.status, row.detail) for row in rows] == [
        ("created", ""),
        ("unchanged", f"a request for it may be under way still: an undo waits for it; {undone}"),
        ("unchanged", undone),
        ("updated", ""),
        ("created", ""),
        ("invalid", ""),
        ("unchanged", undone),
    ]


# The undo itself


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    for one in (engine, lookup, rows_module):
        monkeypatch.setattr(one, "time", clock)
    return clock


@pytest.fixture
def store(monkeypatch):
    store = Store(*(person(n) for n in (1, 2)))
    for one in (lookup, module):
        monkeypatch.setattr(one, "fetch_current", store.fetch)
    return store


@pytest.fixture
def begun(store, tmp_path):
    def beginner(rows, kind="delete", **meta):
        with begin(store.client, kind, rows, Options(), tmp_path) as journal:
            if meta:
                journal.save([], **meta)
            return journal.run_id

    return beginner


@pytest.fixture
def undo(store, tmp_path, clock):
    def undoing(run_id, **options):
        return undo_run(store.client, run_id, journal_dir=tmp_path, progress=False, cancel=clock, **options)

    return undoing


def gone(number, **fields):
    return row_of(number, "delete", before=person(number), done=True, status="deleted", sent=True, **fields)


def meta_of(tmp_path, run_id):
    with Journal(tmp_path / f"{run_id}.sqlite3") as journal:
        return journal.meta()


def test_an_undo_restores_and_both_journals_say_so(store, begun, undo, tmp_path):
    run_id = begun([gone(0), Row(pos=1, phone=None, action="invalid", done=True, status="invalid")])
    result = undo(run_id)
    assert result.frame["status"].to_list() == ["created", "unchanged"]
    assert store.contacts[phone(0)]["first_name"] == "Name 0"
    told = meta_of(tmp_path, run_id)
    assert (told["undone_by"], told["undo_begun"]) == (result.run_id, True)
    assert meta_of(tmp_path, result.run_id)["undo_of"] == run_id


def test_a_dry_undo_writes_nothing_and_waits_for_nothing(store, begun, undo, tmp_path, clock):
    run_id = begun([gone(0), row_of(9, "create", sent=True, unanswered=1, sent_at=clock.now)])
    result = undo(run_id, dry_run=True)
    assert (result.dry_run, result.run_id) == (True, None)
    assert result.frame["status"].to_list() == ["created", "unchanged"]
    assert (store.client.calls, clock.pauses) == ([], [])
    assert not {"undo_begun", "undone_by"}.intersection(meta_of(tmp_path, run_id))


def test_what_may_still_take_effect_is_waited_for_and_undone(store, begun, undo, clock):
    """Also by the journal of another process: its create lands while the undo waits."""
    run_id = begun(
        [row_of(9, "create", wanted={"first_name": "Ann"}, sent=True, unanswered=1, sent_at=clock.now)],
        "create",
    )
    clock.then[6] = lambda: store.contacts.setdefault(phone(9), {"phone": phone(9), "first_name": "Ann"})
    assert undo(run_id).counts == {"deleted": 1}
    assert phone(9) not in store.contacts
    assert len(clock.pauses) >= 6


def test_what_came_of_rows_that_were_given_up_or_never_sent_is_found_out_and_kept(
    store, begun, undo, tmp_path
):
    store.contacts[phone(9)] = {"phone": phone(9), "first_name": "Ann"}
    ann = {"wanted": {"first_name": "Ann"}, "sent": True}
    run_id = begun([row_of(9, "create", done=True, status="unknown", **ann), row_of(8, "create")], "create")
    assert undo(run_id).frame["status"].to_list() == ["unchanged", "deleted"]
    with Journal(tmp_path / f"{run_id}.sqlite3") as journal:
        assert [row.status for row in journal.rows()] == ["unchanged", "created"]


def test_what_the_account_shows_goes_into_the_ledger_first(store, begun, undo, tmp_path):
    """Rows of which nothing was sent are not asked for."""
    store.contacts[phone(1)]["opt_out"] = True
    store.contacts[phone(2)]["opt_out"] = True
    rows = [
        gone(0),
        row_of(1, "update", done=True, status="unchanged"),
        row_of(2, "absent", done=True, status="absent"),
    ]
    run_id = begun(rows)
    store.looks.clear()
    undo(run_id, dry_run=True)
    assert [sorted(look) for look in store.looks] == [[phone(0), phone(1)]]
    assert Ledger.open(tmp_path, "x/1").opted_out([phone(n) for n in range(3)]) == {phone(1)}


def test_whom_the_ledger_holds_comes_back_opted_out(store, begun, undo, tmp_path):
    run_id = begun([gone(0)])
    Ledger.open(tmp_path, "x/1").record_out([phone(0)], by="a colleague")
    told = undo(run_id, dry_run=True).frame["detail"][0]
    assert told == f"{KEPT_OUT}; can't come back: created_at, contact_id"
    assert undo(run_id).counts == {"created": 1}
    assert store.contacts[phone(0)]["opt_out"] is True


def test_an_opt_out_stays_unless_the_undo_is_told_otherwise(store, begun, undo):
    before, left = person(1), person(1, opt_out=True)
    store.contacts[phone(1)] = left
    row = row_of(
        1,
        "update",
        wanted={"opt_out": True},
        before=before,
        left=left,
        done=True,
        status="updated",
        sent=True,
    )
    run_id = begun([row], "opt_out")
    assert undo(run_id).counts == {"unchanged": 1}
    assert undo(run_id, opt_back_in=True).counts == {"updated": 1}
    assert store.contacts[phone(1)]["opt_out"] is False


def test_an_undo_that_was_cut_off_is_gone_on_with_and_one_that_was_not_is_begun_anew(store, begun, undo):
    first = begun([row_of(5, "create", wanted={"first_name": "Ann"})], "undo")
    run_id = begun([gone(0)], undone_by=first)
    assert undo(run_id, dry_run=True).counts == {"created": 1}
    assert undo(run_id).run_id == first
    assert phone(5) in store.contacts
    assert phone(0) not in store.contacts
    assert undo(run_id).counts == {"created": 1}  # the first is done: what else there is to undo is undone
    assert phone(0) in store.contacts


def test_an_undo_whose_journal_is_gone_is_begun_anew(begun, undo):
    assert undo(begun([gone(0)], undone_by="pruned")).counts == {"created": 1}


def test_another_key_undoes_only_when_that_is_allowed(store, begun, undo):
    first = begun([row_of(5, "create")], "undo")
    run_id = begun([gone(0)], undone_by=first)
    store.client.account = "x/2"
    with pytest.raises(WrongAccountError):
        undo(run_id)
    assert undo(run_id, allow_other_key=True).run_id == first
    assert undo(run_id).counts == {"created": 1}


def test_an_undone_run_is_not_resumed(begun, undo, store, tmp_path):
    run_id = begun([gone(0)])
    undo(run_id)
    with pytest.raises(JournalError, match="was undone by"):
        module.resume_run(store.client, run_id, journal_dir=tmp_path, progress=False)
