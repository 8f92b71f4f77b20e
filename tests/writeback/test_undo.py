"""Taking a run back, and saying what can't be."""

import pytest

from sendblue_data import (
    bulk_create,
    bulk_delete,
    bulk_opt_out,
    bulk_update,
    bulk_verify,
    list_runs,
    pull_contacts,
    resume_run,
    undo_run,
)
from sendblue_data.contacts import contacts_frame
from sendblue_data.writeback.journal import Journal
from tests.writeback.people import people, person, phone, state, statuses

FULL = {
    "tags": ["VIP", "Lead"],
    "custom_variables": {"Plan": "Pro"},
    "company_name": "Acme",
    "assigned_to_email": "ana@example.com",
    "sendblue_number": "+13105550191",
}


def pulled(client):
    return pull_contacts(client, progress=False)


@pytest.mark.parametrize("remembers", [True, False])
def test_deleted_contacts_come_back_with_all_that_can_be_written(open_account, remembers):
    sandbox, client = open_account(
        [person(n, **FULL, opt_out=n % 2 == 0) for n in range(20)] + [person(20, verified=True)],
        remember_opt_outs=remembers,
    )
    start = state(sandbox.rows())
    gone = bulk_delete(client, pulled(client).tail(10), progress=False)
    result = undo_run(client, gone.run_id, progress=False)
    assert statuses(result) == ["created"] * 10
    assert state(sandbox.rows()) == start
    assert result.frame["detail"].to_list() == ["can't come back: created_at, contact_id"] * 9 + [
        "can't come back: verified, created_at, contact_id"
    ]
    assert list_runs().filter(kind="undo")["undo_of"].to_list() == [gone.run_id]
    assert statuses(undo_run(client, gone.run_id, progress=False)) == ["unchanged"] * 10


def test_created_contacts_go_unless_changed_since(open_account):
    sandbox, client = open_account(people(3))
    mine = contacts_frame([person(n, **FULL, contact_id=None) for n in range(10, 15)])
    run_id = bulk_create(client, mine, progress=False).run_id
    sandbox.edit(phone(10), tags=["Kept"])
    sandbox.edit(phone(11), opt_out=True)
    sandbox.edit(phone(12), verified=True)
    sandbox.remove([phone(13)])
    result = undo_run(client, run_id, progress=False)
    assert statuses(result) == ["unchanged", "unchanged", "unchanged", "absent", "deleted"]
    assert result.frame["detail"][0] == "changed since the run: left alone"
    assert set(state(sandbox.rows())) == {phone(n) for n in (0, 1, 2, 10, 11, 12)}


def test_updates_are_put_back_unless_changed_since(open_account):
    sandbox, client = open_account(people(4, tags=["VIP"], custom_variables={"Plan": "Pro"}))
    start = state(sandbox.rows())
    mine = contacts_frame(
        [
            {
                "phone": phone(n),
                "tags": ["Lead"],
                "company_name": "Acme",
                "custom_variables": {"Plan": "Free", "City": "Rome"},
            }
            for n in range(3)
        ]
    )
    run_id = bulk_create(client, mine, tags="replace", progress=False).run_id
    sandbox.edit(phone(1), first_name="Changed")
    result = undo_run(client, run_id, progress=False)
    assert statuses(result) == ["updated", "unchanged", "updated"]
    assert "custom variables can't be removed: City" in result.frame["detail"][0]
    there = state(sandbox.rows())
    assert there[phone(1)]["first_name"] == "Changed"
    assert there[phone(1)]["tags"] == {"Lead"}
    assert "company_name was empty before, which can't be written: it stays" in result.frame["detail"][0]
    start[phone(0)]["company_name"] = "Acme"
    start[phone(0)]["custom_variables"]["City"] = "Rome"
    assert there[phone(0)] == start[phone(0)]


def test_an_opt_out_stays_unless_told_otherwise(open_account):
    sandbox, client = open_account(people(3))
    run_id = bulk_opt_out(client, pulled(client), progress=False).run_id
    result = undo_run(client, run_id, progress=False)
    assert statuses(result) == ["unchanged"] * 3
    assert "opt_back_in=True" in result.frame["detail"][0]
    assert [row["opt_out"] for row in sandbox.rows()] == [True] * 3
    assert statuses(undo_run(client, run_id, opt_back_in=True, progress=False)) == ["updated"] * 3
    assert [row["opt_out"] for row in sandbox.rows()] == [False] * 3


def test_opting_back_in_is_undone(open_account):
    sandbox, client = open_account(people(2, opt_out=True))
    run_id = bulk_opt_out(client, pulled(client), opted_out=False, opt_back_in=True, progress=False).run_id
    assert [row["opt_out"] for row in sandbox.rows()] == [False] * 2
    assert statuses(undo_run(client, run_id, progress=False)) == ["updated"] * 2
    assert [row["opt_out"] for row in sandbox.rows()] == [True] * 2


def test_a_deleted_contact_that_is_there_again_is_left_alone(open_account):
    sandbox, client = open_account(people(6))
    run_id = bulk_delete(client, pulled(client).head(2), progress=False).run_id
    sandbox.add([person(0, contact_id="new", first_name="New")])
    assert statuses(undo_run(client, run_id, progress=False)) == ["unchanged", "created"]
    assert state(sandbox.rows())[phone(0)]["first_name"] == "New"


def test_a_message_cant_be_unsent(open_account):
    _, client = open_account(people(2))
    result = undo_run(client, bulk_verify(client, pulled(client), progress=False).run_id, progress=False)
    assert statuses(result) == ["unchanged"] * 2
    assert result.frame["detail"][0] == "a verification message can't be unsent"


def test_an_undo_can_be_undone(open_account):
    sandbox, client = open_account(people(6, **FULL))
    run_id = bulk_delete(client, pulled(client).head(3), progress=False).run_id
    back = undo_run(client, run_id, progress=False)
    assert sandbox.count() == 6
    assert statuses(undo_run(client, back.run_id, progress=False)) == ["deleted"] * 3
    assert sandbox.count() == 3


def test_a_dry_undo_touches_nothing(open_account):
    sandbox, client = open_account(people(6))
    run_id = bulk_delete(client, pulled(client).head(3), progress=False).run_id
    sandbox.reset_log()
    assert statuses(undo_run(client, run_id, dry_run=True)) == ["created"] * 3
    assert {line.method for line in sandbox.request_log} == {"GET"}
    assert list_runs().height == 1


def test_an_undo_that_was_cut_off_is_taken_up_by_the_next(open_account, monkeypatch):
    """Its contacts are there again without their opt-outs: a second undo must not leave them so."""
    sandbox, client = open_account(people(6, opt_out=True), remember_opt_outs=False)
    start = state(sandbox.rows())
    run_id = bulk_delete(client, pulled(client).head(3), progress=False).run_id
    sent = client.update_contact

    def dies(*args, **fields):
        raise KeyboardInterrupt

    monkeypatch.setattr(client, "update_contact", dies)
    with pytest.raises(KeyboardInterrupt):
        undo_run(client, run_id, progress=False)
    monkeypatch.setattr(client, "update_contact", sent)
    assert state(sandbox.rows()) != start
    assert statuses(undo_run(client, run_id, progress=False)) == ["created"] * 3
    assert state(sandbox.rows()) == start


def test_resume_leaves_alone_what_others_did_meanwhile(open_account, monkeypatch):
    sandbox, client = open_account(people(8))
    real = Journal.sending

    def dies(journal, *args, **options):
        raise KeyboardInterrupt

    mine = contacts_frame(
        [{"phone": phone(n), "first_name": "Mine"} for n in (0, 1, 20, 21)]
        + [{"phone": phone(22), "opt_out": True}]
    )
    monkeypatch.setattr(Journal, "sending", dies)
    with pytest.raises(KeyboardInterrupt):
        bulk_create(client, mine, progress=False)
    monkeypatch.setattr(Journal, "sending", real)
    sandbox.edit(phone(0), first_name="Theirs")
    sandbox.add([person(20, first_name="Theirs"), person(22, first_name="Theirs")])
    result = resume_run(client, list_runs()["run_id"][0], progress=False)
    assert statuses(result) == ["unchanged", "updated", "unchanged", "created", "updated"]
    there = state(sandbox.rows())
    assert [there[phone(n)]["first_name"] for n in (0, 1, 20, 21, 22)] == [
        "Theirs",
        "Mine",
        "Theirs",
        "Mine",
        "Theirs",
    ]
    assert there[phone(22)]["opt_out"] is True


def test_updates_of_single_columns_are_put_back(open_account):
    sandbox, client = open_account(people(3, tags=["VIP"]))
    start = state(sandbox.rows())
    mine = contacts_frame([{"phone": phone(n), "tags": []} for n in range(3)])
    run_id = bulk_update(client, mine, ["tags"], replace=True, progress=False).run_id
    assert {len(one["tags"]) for one in state(sandbox.rows()).values()} == {0}
    assert undo_run(client, run_id, progress=False).counts == {"updated": 3}
    assert state(sandbox.rows()) == start


def test_a_resumed_delete_keeps_contacts_as_they_are_now(open_account, monkeypatch):
    """Opted out since: deleted, and restored so. Edited, or deleted and made anew since: left alone."""
    sandbox, client = open_account(people(8))
    real = Journal.sending

    def dies(*_args, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr(Journal, "sending", dies)
    with pytest.raises(KeyboardInterrupt):
        bulk_delete(client, pulled(client).head(3), progress=False)
    monkeypatch.setattr(Journal, "sending", real)
    sandbox.edit(phone(0), opt_out=True)
    sandbox.edit(phone(2), first_name="Edited")
    sandbox.remove([phone(1)])
    sandbox.add([person(1, contact_id="new", created_at="2026-01-01T00:00:00Z", first_name="New")])
    run_id = list_runs()["run_id"][0]
    assert statuses(resume_run(client, run_id, progress=False)) == ["deleted", "absent", "unchanged"]
    assert phone(1) in state(sandbox.rows())
    undo_run(client, run_id, progress=False)
    there = state(sandbox.rows())
    assert there[phone(0)]["opt_out"] is True
    assert there[phone(2)]["first_name"] == "Edited"
    assert there[phone(1)]["first_name"] == "New"


def test_an_update_that_was_cut_off_after_one_of_its_fields_is_put_back(open_account, monkeypatch):
    sandbox, client = open_account(people(1, company_name="Old"))
    start = state(sandbox.rows())
    real = client.update_contact

    def dies_after_one_field(number, **_fields):
        real(number, company_name="New")
        raise KeyboardInterrupt

    mine = contacts_frame([{"phone": phone(0), "company_name": "New", "last_name": "New"}])
    with monkeypatch.context() as patch:
        patch.setattr(client, "update_contact", dies_after_one_field)
        with pytest.raises(KeyboardInterrupt):
            bulk_update(client, mine, progress=False)
    assert state(sandbox.rows()) != start
    assert undo_run(client, list_runs()["run_id"][0], progress=False).counts == {"updated": 1}
    assert state(sandbox.rows()) == start
