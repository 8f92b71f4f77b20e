"""The results are true whichever undocumented behaviour holds."""

import itertools
from contextlib import suppress

import polars as pl
import pytest

from sendblue_data import (
    bulk_create,
    bulk_delete,
    bulk_opt_out,
    bulk_update,
    bulk_verify,
    resume_run,
    undo_run,
)
from sendblue_data.contacts import contacts_frame
from sendblue_data.errors import (
    ConflictError,
    ConnectionFailedError,
    InvalidRequestError,
    WriteInterruptedError,
)
from sendblue_data.writeback import chunks, inputs
from sendblue_data.writeback.journal import Journal
from tests.writeback.people import people, person, phone, state, statuses


def posts(sandbox, path="/api/v2/contacts/bulk"):
    return [line.status for line in sandbox.request_log if line[:2] == ("POST", path)]


@pytest.mark.parametrize("on_duplicate", ["skip", "update", "reject"])
@pytest.mark.parametrize("bulk_answer", ["all", "new"])
def test_duplicates(open_account, on_duplicate, bulk_answer):
    sandbox, client = open_account(people(4), on_duplicate=on_duplicate, bulk_answer=bulk_answer)
    mine = contacts_frame([person(n, contact_id=None, tags=["VIP"]) for n in range(2, 6)])
    assert statuses(bulk_create(client, mine, on_conflict="skip", progress=False)) == [
        "unchanged",
        "unchanged",
        "created",
        "created",
    ]
    assert [sorted(one["tags"]) for one in state(sandbox.rows()).values()] == [
        [],
        [],
        [],
        [],
        ["VIP"],
        ["VIP"],
    ]
    assert statuses(bulk_create(client, mine, progress=False)) == [
        "updated",
        "updated",
        "unchanged",
        "unchanged",
    ]


@pytest.mark.parametrize("on_duplicate", ["skip", "update", "reject"])
@pytest.mark.parametrize("bulk_answer", ["all", "new"])
def test_a_contact_that_someone_else_creates_meanwhile_is_left_as_it_is(
    open_account, monkeypatch, on_duplicate, bulk_answer
):
    """Known once the server says 409; where it says nothing, the result says that it can't be told."""
    sandbox, client = open_account(people(2), on_duplicate=on_duplicate, bulk_answer=bulk_answer)
    send = client.bulk_create_contacts

    def late(rows):
        if phone(11) not in state(sandbox.rows()):
            sandbox.add([person(11, first_name="Theirs", opt_out=False), person(12, first_name="Theirs")])
        return send(rows)

    monkeypatch.setattr(client, "bulk_create_contacts", late)
    mine = contacts_frame(
        [
            {"phone": phone(10), "first_name": "Mine"},
            {"phone": phone(11), "first_name": "Mine"},
            {"phone": phone(12), "first_name": "Mine", "opt_out": True},
        ]
    )
    result = bulk_create(client, mine, progress=False)
    there = state(sandbox.rows())
    assert there[phone(10)]["first_name"] == "Mine"
    assert there[phone(12)]["opt_out"] is True
    if on_duplicate == "update":  # no call of the API can tell these from ours
        assert statuses(result) == ["created", "created", "created"]
        return
    assert there[phone(11)]["first_name"] == there[phone(12)]["first_name"] == "Theirs"
    assert statuses(result) == (
        ["created", "unchanged", "updated"] if on_duplicate == "reject" else ["created", "unknown", "unknown"]
    )


@pytest.mark.parametrize("invalid_row", ["reject", "skip"])
@pytest.mark.parametrize("chunk_size", [500, 3])
def test_one_bad_row_does_not_lose_the_others(open_account, monkeypatch, invalid_row, chunk_size):
    sandbox, client = open_account(people(2), invalid_row=invalid_row)
    monkeypatch.setattr(inputs, "_phone_problem", lambda *_: None)  # a row that only the server refuses
    bad = "+12"
    numbers = [phone(n) for n in range(10, 19)]
    numbers[4] = bad
    result = bulk_create(
        client, contacts_frame([{"phone": n} for n in numbers]), chunk_size=chunk_size, progress=False
    )
    told = "rejected" if invalid_row == "reject" else "unknown"  # an OK that left it out refused nothing
    assert statuses(result) == ["created"] * 4 + [told] + ["created"] * 4
    assert sandbox.count() == 10
    if invalid_row == "reject":
        assert "is not in E.164 format" in result.frame["detail"][4]


@pytest.mark.slow
@pytest.mark.parametrize("status", [413, 400])
@pytest.mark.parametrize("most", [1, 7, 64])
def test_a_size_that_is_refused_is_halved_and_remembered(open_account, status, most):
    sandbox, client = open_account(people(2), max_bulk=most, max_bulk_status=status)
    mine = contacts_frame([{"phone": phone(n)} for n in range(10, 410)])
    assert bulk_create(client, mine, progress=False).counts == {"created": 400}
    refused = sum(answer != 200 for answer in posts(sandbox))
    assert refused <= 64
    assert sandbox.count() == 402
    sandbox.reset_log()
    assert bulk_delete(client, mine, confirm=True, allow_most=True, progress=False).counts == {"deleted": 400}
    assert sum(line.status not in (200, 404) for line in sandbox.request_log) <= 64


@pytest.mark.parametrize("amount", ["existing", "all"])
def test_amount_is_not_believed(open_account, amount):
    sandbox, client = open_account(people(6), delete_amount=amount)
    mine = contacts_frame([{"phone": phone(n)} for n in (0, 30, 1, 31)])
    result = bulk_delete(client, mine, progress=False)
    assert statuses(result) == ["deleted", "absent", "deleted", "absent"]
    assert sandbox.count() == 4


@pytest.mark.parametrize("remembers", [True, False])
def test_opt_outs_survive_delete_and_create(open_account, remembers):
    sandbox, client = open_account(
        [person(0, opt_out=True), person(1), person(2), person(3)], remember_opt_outs=remembers
    )
    gone = contacts_frame([{"phone": phone(0)}, {"phone": phone(1)}])
    bulk_delete(client, gone, progress=False)
    result = bulk_create(client, gone, progress=False)  # a frame that says nothing of opt-outs
    assert statuses(result) == ["created", "created"]
    there = state(sandbox.rows())
    assert there[phone(0)]["opt_out"] is True
    assert there[phone(1)]["opt_out"] is False


def test_an_opt_out_that_the_api_remembers_is_told(open_account, tmp_path):
    sandbox, client = open_account([person(0, opt_out=True), person(1)], remember_opt_outs=True)
    sandbox.remove([phone(0)])
    mine = contacts_frame([{"phone": phone(0), "opt_out": False}])
    result = bulk_create(client, mine, progress=False)
    assert statuses(result) == ["created"]
    assert "opted out" in result.frame["detail"][0]
    assert state(sandbox.rows())[phone(0)]["opt_out"] is True


def test_opt_back_in_clears_what_the_api_remembers(open_account):
    sandbox, client = open_account([person(0, opt_out=True), person(1)], remember_opt_outs=True)
    sandbox.remove([phone(0)])
    mine = contacts_frame([{"phone": phone(0), "opt_out": False}])
    assert statuses(bulk_create(client, mine, opt_back_in=True, progress=False)) == ["created"]
    assert state(sandbox.rows())[phone(0)]["opt_out"] is False


def test_a_number_opted_out_before_it_is_a_contact_is_created_opted_out(open_account):
    sandbox, client = open_account(people(2))
    assert statuses(bulk_opt_out(client, contacts_frame([{"phone": phone(9)}]), progress=False)) == ["absent"]
    bulk_create(client, contacts_frame([{"phone": phone(9), "first_name": "Ann"}]), progress=False)
    assert state(sandbox.rows())[phone(9)]["opt_out"] is True


def test_a_row_is_not_created_before_its_opt_out_is_written(open_account, monkeypatch):
    """A server that says yes to an opt-out and forgets it: the row is not called created."""
    _sandbox, client = open_account(people(2))
    monkeypatch.setattr(client, "update_contact", lambda number, **_: {"phone": number})
    monkeypatch.setattr(client, "opt_out_contact", lambda number, **_: {"number": number})
    result = bulk_create(client, contacts_frame([person(5, opt_out=True, contact_id=None)]), progress=False)
    assert statuses(result) == ["unknown"]
    assert "NOT SHOWN AS OPTED OUT" in result.frame["detail"][0]


def test_the_other_way_to_opt_out_is_tried_where_one_has_no_effect(open_account, monkeypatch):
    sandbox, client = open_account(people(2))
    monkeypatch.setattr(client, "update_contact", lambda number, **_: {"phone": number})
    result = bulk_create(client, contacts_frame([person(5, opt_out=True, contact_id=None)]), progress=False)
    assert statuses(result) == ["created"]
    assert state(sandbox.rows())[phone(5)]["opt_out"] is True


def test_opt_outs_are_written_before_owners_and_lines(open_account):
    sandbox, client = open_account(people(2))
    mine = contacts_frame(
        [
            {
                "phone": phone(n),
                "opt_out": n == 12,
                "assigned_to_email": "ana@example.com",
                "sendblue_number": phone(99),
            }
            for n in range(10, 14)
        ]
    )
    assert bulk_create(client, mine, progress=False).counts == {"created": 4}
    calls = [line.path for line in sandbox.request_log if line.method != "GET"]
    assert calls[0] == "/api/v2/contacts/bulk"
    assert calls[1].endswith(phone(12)[1:])
    assert len(calls) == 6
    there = state(sandbox.rows())
    assert [there[phone(n)]["opt_out"] for n in range(10, 14)] == [False, False, True, False]
    assert {there[phone(n)]["assigned_to_email"] for n in range(10, 14)} == {"ana@example.com"}


def test_a_lost_answer_is_asked_for_and_not_repeated(open_account):
    sandbox, client = open_account(people(300), on_duplicate="reject")
    mine = contacts_frame([{"phone": phone(n)} for n in range(400, 420)])
    sandbox.set(at={1: "reset_after"}, only="writes")
    assert bulk_create(client, mine, progress=False).counts == {"created": 20}
    assert posts(sandbox) == [0]
    sandbox.set(at={2: "500_after"})
    assert bulk_delete(client, mine, progress=False).counts == {"deleted": 20}
    assert [line.status for line in sandbox.request_log if line[:2] == ("DELETE", "/api/v2/contacts")] == [
        500
    ]


def test_a_write_that_was_turned_away_is_sent_again(open_account):
    sandbox, client = open_account(people(3))
    sandbox.set(every_429=2, only="writes")
    mine = contacts_frame([{"phone": phone(n), "opt_out": True} for n in range(10, 30)])
    assert bulk_create(client, mine, chunk_size=5, progress=False).counts == {"created": 20}
    assert [row["opt_out"] for row in sandbox.rows()] == [False] * 3 + [True] * 20


@pytest.mark.parametrize("fault", ["reset_after", "500_after", "cut", "reset", "500", "error_200"])
def test_a_verification_is_never_sent_twice(open_account, fault):
    sandbox, client = open_account([*people(9), person(9, verified=True), person(10, opt_out=True)])
    sandbox.set(at={2: fault, 5: fault}, only="writes")
    mine = contacts_frame([{"phone": phone(n)} for n in range(12)])
    result = bulk_verify(client, mine, progress=False)
    assert len(sandbox.verifications) == len(set(sandbox.verifications))
    assert result.counts == {"updated": 7, "unchanged": 2, "absent": 1, "unknown": 2}
    told = dict(zip(result.frame["phone"], result.frame["status"], strict=True))
    assert {number for number, status in told.items() if status == "updated"} <= set(sandbox.verifications)
    assert set(sandbox.verifications) <= {n for n, status in told.items() if status in ("updated", "unknown")}
    again = resume_run(client, result.run_id, progress=False)
    assert statuses(again) == statuses(result)
    assert len(sandbox.verifications) == len(set(sandbox.verifications))


def test_no_message_goes_to_who_may_have_opted_out(open_account):
    sandbox, client = open_account([person(0), person(1, opt_out=None), person(2, opt_out=True)])
    mine = contacts_frame([{"phone": phone(n)} for n in range(3)])
    assert statuses(bulk_verify(client, mine, progress=False)) == ["updated", "unchanged", "unchanged"]
    assert sandbox.verifications == [phone(0)]
    bulk_verify(client, mine[1:], allow_unknown=True, progress=False)
    assert sandbox.verifications == [phone(0), phone(1)]


def test_updates_go_to_those_that_differ(open_account):
    sandbox, client = open_account(people(4, tags=["VIP"], custom_variables={"City": "Rome"}))
    mine = contacts_frame(
        [
            {"phone": phone(0), "tags": ["VIP"], "first_name": "not written"},
            {"phone": phone(1), "tags": ["Lead"], "first_name": "not written"},
            {"phone": phone(8), "tags": ["Lead"]},
        ]
    )
    result = bulk_update(client, mine, ["tags"], replace=True, progress=False)
    assert statuses(result) == ["unchanged", "updated", "absent"]
    there = state(sandbox.rows())
    assert there[phone(1)]["tags"] == {"Lead"}
    assert there[phone(1)]["first_name"] == "Name 1"
    assert [line.method for line in sandbox.request_log if line.method != "GET"] == ["PUT"]


@pytest.mark.slow
def test_all_switches_at_once_end_in_the_same_account(open_account):
    mine = contacts_frame(
        [person(n, contact_id=None, created_at=None, opt_out=n % 3 == 0, tags=["A"]) for n in range(2, 30)]
    )
    expected = None
    for on_duplicate, answer, remembers, most in itertools.product(
        ["skip", "update", "reject"], ["all", "new"], [True, False], [None, 5]
    ):
        sandbox, client = open_account(
            people(4),
            on_duplicate=on_duplicate,
            bulk_answer=answer,
            remember_opt_outs=remembers,
            max_bulk=most,
        )
        start = state(sandbox.rows())
        sandbox.set(every_reset_after=5, every_500=7, only="writes")
        result = bulk_create(client, mine, chunk_size=10, progress=False)
        assert result.counts == {"created": 26, "updated": 2}
        there = state(sandbox.rows())
        expected = expected or there
        assert there == expected
        undone = undo_run(client, result.run_id, progress=False)
        assert undone.counts == {"deleted": 26, "updated": 2}
        back = state(sandbox.rows())
        back[phone(3)]["opt_out"] = start[phone(3)]["opt_out"]  # an opt-out stays
        assert back == start


def test_a_server_that_refuses_every_row_is_not_asked_for_each(open_account, monkeypatch):
    sandbox, client = open_account(people(2))
    monkeypatch.setattr(inputs, "_phone_problem", lambda *_: None)
    mine = contacts_frame([{"phone": f"+{n}"} for n in range(2_000)])
    result = bulk_create(client, mine, progress=False)
    assert result.counts == {"rejected": 2_000}
    assert sandbox.count() == 2
    assert len(posts(sandbox)) < 250


def test_a_list_that_leaves_contacts_out_is_not_believed(open_account):
    sandbox, client = open_account(people(20))
    sandbox.set(
        rewrite=lambda method, path, body: b"[]" if path == "/api/v2/contacts" and method == "GET" else body
    )
    mine = contacts_frame([{"phone": phone(n)} for n in (0, 1, 40)])
    assert statuses(bulk_delete(client, mine, progress=False)) == ["deleted", "deleted", "absent"]
    assert sandbox.count() == 18


def test_a_few_contacts_of_a_large_account_take_few_requests(open_account):
    sandbox, client = open_account(30_000)
    mine = contacts_frame([{"phone": phone(n)} for n in range(3)])
    sandbox.remove(mine["phone"])
    assert bulk_create(client, mine, progress=False).counts == {"created": 3}
    assert len(sandbox.request_log) <= 11


def test_many_bad_rows_do_not_condemn_the_good_ones_after_them(open_account, monkeypatch):
    """The first chunk is bad as a whole; each of the others holds one bad row."""
    sandbox, client = open_account(people(2))
    monkeypatch.setattr(inputs, "_phone_problem", lambda *_: None)
    monkeypatch.setattr(chunks, "CHUNKS_AT_ONCE", 1)
    bad = set(range(1_000, 1_050)) | {1_077, 1_123}
    numbers = [f"+{n}" if n in bad else phone(n) for n in range(1_000, 1_150)]
    result = bulk_create(
        client, contacts_frame([{"phone": n} for n in numbers]), chunk_size=50, progress=False
    )
    assert result.counts == {"created": 98, "rejected": 52}
    assert sandbox.count() == 100


def test_one_conflict_rejects_no_other_row(open_account, monkeypatch):
    """The account says of one number that it exists, and shows no such contact."""
    _, client = open_account(people(2))
    real = client.bulk_create_contacts

    def conflicting(rows):
        if any(row["phone"] == phone(77) for row in rows):
            raise ConflictError("exists", method="POST", path="/api/v2/contacts/bulk", status=409)
        return real(rows)

    monkeypatch.setattr(client, "bulk_create_contacts", conflicting)
    mine = contacts_frame([{"phone": phone(n)} for n in range(10, 510)])
    result = bulk_create(client, mine, progress=False)
    assert result.counts == {"created": 499, "rejected": 1}
    assert result.problems["phone"].to_list() == [phone(77)]


def test_null_tags_of_a_pulled_frame_are_no_reason_to_refuse_a_row(open_account):
    sandbox, client = open_account([])
    mine = contacts_frame([{"phone": phone(0)}]).with_columns(tags=pl.Series([["VIP", None]]))
    assert bulk_create(client, mine, progress=False).counts == {"created": 1}
    assert [row["tags"] for row in sandbox.rows()] == [["VIP"]]


@pytest.mark.parametrize(("ends", "state"), [((0, 1), "lost"), ((1, 2), "answered"), ((2, 2), "refused")])
def test_the_journal_says_how_calls_that_were_sent_together_ended(open_account, monkeypatch, ends, state):
    """Of a call that is lost, of one that is answered, of one that is refused: the worst, for whoever reads it."""
    _, client = open_account(people(2))
    told = []
    real_answered, real_update = Journal.answered, client.update_contact

    def noted(journal, request_id, how, note, rows):
        told.append((how, note))
        return real_answered(journal, request_id, how, note, rows)

    def ending(number, **fields):
        how = ends[number == phone(1)]
        if how == 1:
            return real_update(number, **fields)
        kind = ConnectionFailedError if how == 0 else InvalidRequestError
        raise kind("no", method="PUT", path="/", status=None, may_have_applied=how == 0)

    monkeypatch.setattr(Journal, "answered", noted)
    monkeypatch.setattr(client, "update_contact", ending)
    mine = contacts_frame([{"phone": phone(n), "company_name": "B"} for n in range(2)])
    with suppress(WriteInterruptedError):
        bulk_update(client, mine, progress=False)
    assert told[0][0] == state
    assert ("no" in told[0][1]) == (state != "answered")


@pytest.mark.slow
@pytest.mark.parametrize("size", [21, 26, 31, 32, 33, 40])
@pytest.mark.parametrize("kind", ["create", "delete"])
def test_no_request_is_of_nobody(open_account, monkeypatch, size, kind):
    """What an empty list would delete, nobody says."""
    _, client = open_account(people(64))
    sent = []

    def refusing(listed):
        sent.append(len(listed))
        raise InvalidRequestError("no", method="POST", path="/", status=400)

    monkeypatch.setattr(client, f"bulk_{kind}_contacts", refusing)
    mine = contacts_frame([{"phone": phone(n + 100 * (kind == "create"))} for n in range(size)])
    options = {"allow_most": True} if kind == "delete" else {}
    write = bulk_create if kind == "create" else bulk_delete
    assert write(client, mine, progress=False, **options).counts == {"rejected": size}
    assert min(sent) == 1
    assert sent.count(1) <= 40
