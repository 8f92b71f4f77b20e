"""What is refused before anything is sent."""

import polars as pl
import pytest

from sendblue_data import (
    bulk_create,
    bulk_delete,
    bulk_opt_out,
    bulk_update,
    bulk_verify,
    list_runs,
    plan_create,
    plan_delete,
    pull_contacts,
)
from sendblue_data.contacts import contacts_frame
from sendblue_data.errors import (
    AccountMovedError,
    FrameError,
    JournalError,
    WriteIncompleteError,
    WriteRefusedError,
    WrongAccountError,
)
from tests.writeback.people import people, person, phone, state, statuses


def writes(sandbox):
    return [line for line in sandbox.request_log if line.method != "GET"]


def pulled(client):
    return pull_contacts(client, progress=False)


@pytest.mark.parametrize("confirm", [None, False, 102, 0])
def test_more_than_a_hundred_deletes_are_to_be_confirmed(open_account, confirm):
    sandbox, client = open_account(people(300))
    with pytest.raises(WriteRefusedError, match="confirm=101"):
        bulk_delete(client, pulled(client).head(101), confirm=confirm, progress=False)
    assert writes(sandbox) == []
    assert sandbox.count() == 300


@pytest.mark.parametrize(("number", "confirm"), [(100, None), (101, 101), (101, True)])
def test_confirmed_deletes_go_through(open_account, number, confirm):
    sandbox, client = open_account(people(300))
    result = bulk_delete(client, pulled(client).head(number), confirm=confirm, progress=False)
    assert result.counts == {"deleted": number}
    assert sandbox.count() == 300 - number


def test_a_wrong_number_is_refused_for_few_too(open_account):
    sandbox, client = open_account(people(10))
    with pytest.raises(WriteRefusedError, match="2 contacts would be deleted"):
        bulk_delete(client, pulled(client).head(2), confirm=3, progress=False)
    assert sandbox.count() == 10


def test_most_of_the_account_is_refused(open_account):
    sandbox, client = open_account(people(10))
    with pytest.raises(WriteRefusedError, match="6 of the account's 10 contacts"):
        bulk_delete(client, pulled(client).head(6), progress=False)
    assert sandbox.count() == 10
    assert bulk_delete(client, pulled(client).head(5), progress=False).counts == {"deleted": 5}
    assert bulk_delete(client, pulled(client), allow_most=True, progress=False).counts == {"deleted": 5}


def test_a_frame_without_phones_is_refused(open_account):
    sandbox, client = open_account(people(2))
    for write in (bulk_create, bulk_delete, bulk_opt_out, bulk_verify, bulk_update):
        with pytest.raises(FrameError, match="no column 'phone'"):
            write(client, pl.DataFrame({"number": [phone(0)]}))
        with pytest.raises(FrameError, match="'phone' is Int64"):
            write(client, pl.DataFrame({"phone": [12125550100]}))
    assert writes(sandbox) == []


def test_a_frame_of_another_account_with_the_same_numbers_is_refused(open_account):
    sandbox, client = open_account(people(20))
    other = contacts_frame(person(n, contact_id=f"other-{n}") for n in range(20))
    for write in (bulk_create, bulk_delete):
        with pytest.raises(WrongAccountError, match="from another account"):
            write(client, other.tail(5), progress=False)
    assert writes(sandbox) == []


def test_a_frame_of_another_account_with_other_numbers_is_not_deleted(open_account):
    _, client = open_account(people(20))
    other = contacts_frame(person(n, contact_id=f"other-{n}") for n in range(30, 40))
    with pytest.raises(WrongAccountError, match="none of its 10 contact_id"):
        bulk_delete(client, other, progress=False)


def test_a_repeated_delete_is_absent_and_not_foreign(open_account):
    _, client = open_account(people(20, opt_out=None))
    frame = pulled(client).head(4)
    assert bulk_delete(client, frame, progress=False).counts == {"deleted": 4}
    assert bulk_delete(client, frame, progress=False).counts == {"absent": 4}


def test_a_contact_made_anew_since_the_pull_is_left_alone(open_account):
    sandbox, client = open_account(people(20))
    frame = pulled(client).head(4)
    sandbox.remove([phone(1)])
    sandbox.add([person(1, contact_id="new", created_at="2026-01-01T00:00:00Z")])
    result = bulk_delete(client, frame, progress=False)
    assert statuses(result) == ["deleted", "absent", "deleted", "deleted"]
    assert phone(1) in state(sandbox.rows())


def test_a_contact_that_was_made_anew_from_here_is_deleted_again(open_account):
    sandbox, client = open_account(people(20))
    frame = pulled(client).head(4)
    for _ in range(2):
        assert bulk_delete(client, frame, progress=False).counts == {"deleted": 4}
        assert bulk_create(client, frame, progress=False).counts == {"created": 4}
    plan = plan_delete(pulled(client), frame)  # made without the journals: it says what it will do
    assert plan.counts == {"absent": 4}
    assert plan.run(client, progress=False).counts == {"absent": 4}
    assert sandbox.count() == 20


def test_clearing_opt_outs_is_to_be_said_twice(open_account):
    sandbox, client = open_account(people(3, opt_out=True))
    with pytest.raises(WriteRefusedError, match="opt_back_in=True"):
        bulk_opt_out(client, pulled(client), opted_out=False)
    cleared = contacts_frame([{"phone": phone(0), "opt_out": False}])
    for write in (bulk_create, bulk_update):
        result = write(client, cleared, progress=False)
        assert statuses(result) == ["unchanged"]
        assert "opt_back_in=True" in result.frame["detail"][0]
    assert [row["opt_out"] for row in sandbox.rows()] == [True] * 3
    assert bulk_update(client, cleared, ["opt_out"], opt_back_in=True, progress=False).counts == {
        "updated": 1
    }
    result = bulk_opt_out(client, pulled(client), opted_out=False, opt_back_in=True, progress=False)
    assert statuses(result) == ["unchanged", "updated", "updated"]
    assert [row["opt_out"] for row in sandbox.rows()] == [False] * 3


@pytest.mark.parametrize("write", [bulk_create, bulk_delete, bulk_update, bulk_opt_out, bulk_verify])
def test_a_dry_run_touches_nothing(open_account, journals, write):
    sandbox, client = open_account(people(300))
    frame = pulled(client).with_columns(first_name=pl.lit("New"))
    if write is bulk_update:
        result = write(client, frame, ["first_name"], dry_run=True)
    else:
        result = write(client, frame, dry_run=True)
    assert result.run_id is None
    assert result.dry_run
    assert result.frame.columns == ["row", "phone", "status", "detail", "request_id"]
    assert result.frame["phone"].equals(frame["phone"])
    assert set(result.frame["status"]) == {"deleted" if write is bulk_delete else "updated"}
    assert writes(sandbox) == []
    assert list_runs(journals).is_empty()


def test_a_plan_refuses_an_account_that_moved(open_account):
    sandbox, client = open_account(people(10))
    plan = plan_delete(pulled(client), pulled(client).head(3))
    sandbox.edit(phone(1), tags=["VIP"])
    with pytest.raises(AccountMovedError, match=r"1 of the plan's contacts.*another tags"):
        plan.run(client, progress=False)
    assert writes(sandbox) == []
    assert plan.run(client, allow_moved=True, progress=False).counts == {"deleted": 3}


def test_a_create_plan_refuses_an_account_that_moved(open_account):
    sandbox, client = open_account(people(10))
    mine = contacts_frame([{"phone": phone(20), "first_name": "Mine"}])
    plan = plan_create(pulled(client), mine)
    sandbox.add([person(20, first_name="Theirs")])
    with pytest.raises(AccountMovedError, match="in the account now"):
        plan.run(client, progress=False)
    assert state(sandbox.rows())[phone(20)]["first_name"] == "Theirs"
    assert plan.run(client, allow_moved=True, progress=False).counts == {"updated": 1}


def test_a_plan_runs_where_it_was_made_for(open_account):
    _, client = open_account(people(10))
    _, other = open_account(people(10))
    plan = plan_create(client, contacts_frame([{"phone": phone(20)}]))
    with pytest.raises(WrongAccountError, match="was made for the account"):
        plan.run(other)
    assert plan.run(client, progress=False).counts == {"created": 1}


def test_a_plan_is_guarded_as_bulk_delete_is(open_account):
    sandbox, client = open_account(people(300))
    plan = plan_delete(client, pulled(client).head(120))
    with pytest.raises(WriteRefusedError, match="confirm=120"):
        plan.run(client, progress=False)
    assert plan.run(client, confirm=120, progress=False).counts == {"deleted": 120}
    assert sandbox.count() == 180


def test_a_journal_that_cant_be_written_stops_the_run_before_it_begins(open_account, tmp_path):
    sandbox, client = open_account(people(4))
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with pytest.raises(JournalError, match="can't be written"):
        bulk_delete(client, pulled(client).head(1), journal_dir=blocked, progress=False)
    assert writes(sandbox) == []


def test_raise_on_errors_raises_after_all_was_done(open_account):
    sandbox, client = open_account(people(2))
    mine = contacts_frame([{"phone": "bad"}, {"phone": phone(5)}])
    with pytest.raises(WriteIncompleteError) as caught:
        bulk_create(client, mine, raise_on_errors=True, progress=False)
    assert statuses(caught.value.result) == ["invalid", "created"]
    assert sandbox.count() == 3
    assert list_runs()["state"].to_list() == ["finished"]
