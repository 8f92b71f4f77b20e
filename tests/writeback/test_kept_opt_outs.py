"""An opt-out that was asked for or seen is never forgotten, whatever became of the request that should write it."""

import json
import threading
import time

import pytest

from sendblue_data import (
    bulk_create,
    bulk_delete,
    bulk_opt_out,
    bulk_update,
    list_runs,
    plan_create,
    resume_run,
    undo_run,
)
from sendblue_data.contacts import contacts_frame
from sendblue_data.errors import (
    ConfigurationError,
    InvalidRequestError,
    JournalWarning,
    RateLimitedError,
    WriteInterruptedError,
    WriteRefusedError,
)
from sendblue_data.writeback import engine, plan, requests
from tests.writeback.people import people, phone


def imported_again(sandbox, client, number):
    """Bring a number back by an import that says nothing of opt-outs, and give what the account says then."""
    if number in {row["phone"] for row in sandbox.rows()}:
        sandbox.remove([number])
    bulk_create(client, contacts_frame([{"phone": number, "tags": ["Bought list"]}]), progress=False)
    return next(row["opt_out"] for row in sandbox.rows() if row["phone"] == number)


def refusing(*_args, **_options):
    raise InvalidRequestError("no", method="PUT", path="/api/v2/contacts/x", status=400)


def test_one_that_the_account_refused(open_account, monkeypatch):
    sandbox, client = open_account([], remember_opt_outs=False)
    with monkeypatch.context() as patch:
        patch.setattr(client, "update_contact", refusing)
        patch.setattr(client, "opt_out_contact", refusing)
        result = bulk_create(client, contacts_frame([{"phone": phone(1), "opt_out": True}]), progress=False)
        assert result.frame["status"].to_list() == ["unknown"]
    assert imported_again(sandbox, client, phone(1)) is True


def test_one_of_a_contact_that_went_before_it_was_written(open_account, monkeypatch):
    sandbox, client = open_account(people(2), remember_opt_outs=False)

    def gone(*args, **options):
        sandbox.remove([phone(0)])
        refusing(*args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(client, "opt_out_contact", gone)
        patch.setattr(client, "update_contact", gone)
        result = bulk_opt_out(client, contacts_frame([{"phone": phone(0)}]), progress=False)
        assert result.frame["status"].to_list() == ["absent"]
    assert imported_again(sandbox, client, phone(0)) is True


def test_one_that_came_between_two_tries_of_a_delete(open_account, monkeypatch):
    sandbox, client = open_account([{"phone": phone(0), "opt_out": False}], remember_opt_outs=False)
    real, tries = client.bulk_delete_contacts, []

    def fails_once(phones):
        tries.append(phones)
        if len(tries) == 1:
            sandbox.set(every_500=1, only="writes")
            try:
                return real(phones)
            finally:
                sandbox.set(every_500=0)
                sandbox.edit(phone(0), opt_out=True)
        return real(phones)

    with monkeypatch.context() as patch:
        patch.setattr(client, "bulk_delete_contacts", fails_once)
        patch.setattr(engine, "FAILED_ROUNDS", 5)
        result = bulk_delete(client, contacts_frame([{"phone": phone(0)}]), allow_most=True, progress=False)
        assert result.counts == {"deleted": 1}
    undo_run(client, result.run_id, progress=False)
    assert [row["opt_out"] for row in sandbox.rows()] == [True]


def test_a_null_among_tags_does_not_keep_a_contact_from_coming_back(open_account):
    def with_a_null(method, path, body):
        if method == "GET" and path == "/api/v2/contacts":
            rows = json.loads(body)
            for row in rows:
                row["tags"] = ["VIP", None]
            return json.dumps(rows).encode()
        return body

    sandbox, client = open_account([{"phone": phone(0), "tags": ["VIP"]}], rewrite=with_a_null)
    result = bulk_delete(client, contacts_frame([{"phone": phone(0)}]), allow_most=True, progress=False)
    assert sandbox.rows() == []
    sandbox.set(rewrite=None)
    undo_run(client, result.run_id, progress=False)
    assert [row["tags"] for row in sandbox.rows()] == [["VIP"]]


def test_one_that_was_not_known_is_told_when_the_contact_comes_back(open_account):
    _sandbox, client = open_account([{"phone": phone(0), "opt_out": None}])
    result = bulk_delete(client, contacts_frame([{"phone": phone(0)}]), allow_most=True, progress=False)
    back = undo_run(client, result.run_id, progress=False)
    assert "opt_out was not known before" in back.frame["detail"][0]


def test_what_to_do_on_a_conflict_is_checked_by_every_call(open_account):
    sandbox, client = open_account(people(1))
    sandbox.reset_log()
    with pytest.raises(ConfigurationError, match="on_conflict is 'ignore'"):
        bulk_create(client, contacts_frame([{"phone": phone(0)}]), on_conflict="ignore", progress=False)
    assert sandbox.request_log == []


@pytest.mark.parametrize("end", [KeyboardInterrupt, "turned away"], ids=["Ctrl-C", "429 for an hour"])
def test_a_run_that_ends_still_opts_out_whom_it_has_just_created(open_account, monkeypatch, end):
    """A create that is on its way lands after the run was stopped: nobody may be left who can be texted."""
    sandbox, client = open_account([], remember_opt_outs=False)
    real, both = client.bulk_create_contacts, threading.Barrier(2, timeout=20)
    created = threading.Event()

    def create(rows):
        both.wait()
        if rows[0]["phone"] == phone(1):
            created.wait(20)
            raise RateLimitedError("wait", method="POST", path="/bulk", retry_after=3600.0)
        answer = real(rows)
        created.set()
        time.sleep(0.4)  # the run is being ended by now
        return answer

    monkeypatch.setattr(client, "bulk_create_contacts", create)
    if end is KeyboardInterrupt:
        real_all = requests.Requests.wait_for

        def interrupted(self, futures):
            if threading.current_thread() is threading.main_thread():
                assert len(list(futures)) == 2  # they are on their way
                created.wait(20)
                raise KeyboardInterrupt
            return real_all(self, futures)

        monkeypatch.setattr(requests.Requests, "wait_for", interrupted)
    mine = contacts_frame([{"phone": phone(n), "opt_out": n == 0} for n in range(2)])
    with pytest.raises((WriteInterruptedError, KeyboardInterrupt)):
        bulk_create(client, mine, chunk_size=1, progress=False)
    assert [(row["phone"], row["opt_out"]) for row in sandbox.rows()] == [(phone(0), True)]


def turned_away(*_args, **_options):
    raise RateLimitedError("wait", method="PUT", path="/api/v2/contacts/x", status=429)


def test_one_seen_by_a_run_that_was_resumed_after_another_had_begun(open_account, monkeypatch):
    sandbox, client = open_account([{"phone": phone(0), "opt_out": False}], remember_opt_outs=False)
    with monkeypatch.context() as patch:
        patch.setattr(client, "update_contact", turned_away)
        patch.setattr("sendblue_data._api.retries.LONG_PATIENCE", -1)
        with pytest.raises(WriteInterruptedError) as cut:
            bulk_create(client, contacts_frame([{"phone": phone(0), "company_name": "A"}]), progress=False)
    bulk_update(client, contacts_frame([{"phone": phone(0), "last_name": "B"}]), progress=False)
    sandbox.edit(phone(0), opt_out=True)
    resume_run(client, cut.value.run_id, progress=False)
    assert imported_again(sandbox, client, phone(0)) is True


def test_an_opt_out_that_a_later_run_saw_cleared_is_not_kept(open_account):
    sandbox, client = open_account([{"phone": phone(0), "opt_out": True}], remember_opt_outs=False)
    frame = contacts_frame([{"phone": phone(0)}])
    bulk_opt_out(client, frame, progress=False)
    bulk_opt_out(client, frame, opted_out=False, opt_back_in=True, progress=False)
    assert imported_again(sandbox, client, phone(0)) is False


@pytest.fixture
def changed_key(open_account):
    """An account that forgets opt-outs, whose old key deleted somebody who had opted out; and a client as of a new key."""
    sandbox, client = open_account(
        [{"phone": phone(n), "opt_out": n == 0} for n in range(4)], remember_opt_outs=False
    )
    bulk_delete(client, contacts_frame([{"phone": phone(0)}]), progress=False)
    client.account = f"{client.account.rpartition('/')[0]}/0ddba11a"
    return sandbox, client


def test_one_seen_under_an_old_key_is_told_and_kept_once_the_keys_are_linked(changed_key):
    sandbox, client = changed_key
    again = contacts_frame([{"phone": phone(0)}])
    with pytest.raises(WriteRefusedError, match=r"1 numbers .* allow_other_key=True") as told:
        bulk_create(client, again, progress=False)
    assert sandbox.count() == 3
    assert told.value is not None
    run_id = list_runs()["run_id"][0]
    assert undo_run(client, run_id, dry_run=True, allow_other_key=True, progress=False).counts == {
        "created": 1
    }
    assert sandbox.count() == 3
    assert imported_again(sandbox, client, phone(0)) is True


def test_a_plan_says_what_can_not_be_run(changed_key):
    sandbox, client = changed_key
    again, account = contacts_frame([{"phone": phone(0)}]), contacts_frame(sandbox.rows()).clear()
    bulk_update(
        client, again, columns=[], progress=False
    )  # the new key's runs know the number, and saw nobody
    with pytest.warns(JournalWarning, match="can't be run"):
        plan = plan_create(client, again)
    assert plan.frame["detail"].to_list() == ["was opted out in a run of another key of this host"]
    assert "Can&#x27;t be run" in plan._repr_html_()
    with pytest.warns(JournalWarning, match="can't be run"):
        bulk_create(client, again, dry_run=True)
    for made in (plan, plan_create(account, again)):
        with pytest.raises(WriteRefusedError, match="another key"):
            made.run(client, progress=False)
    assert sandbox.count() == 3


@pytest.mark.parametrize("ours", ["opted out in the frame", "opted back in", "another folder"])
def test_what_another_key_saw_is_no_matter_where(changed_key, tmp_path, ours):
    _, client = changed_key
    fields = {"opted out in the frame": {"opt_out": True}, "opted back in": {"opt_out": False}}.get(ours, {})
    options = {"opted back in": {"opt_back_in": True}, "another folder": {"journal_dir": tmp_path / "b"}}.get(
        ours, {}
    )
    mine = contacts_frame([{"phone": phone(0), **fields}])
    assert bulk_create(client, mine, progress=False, **options).counts == {"created": 1}


def test_one_that_comes_between_the_look_and_the_begin_of_another_run(open_account, monkeypatch):
    """B looks; the person opts out; A, begun since, sees it and deletes; B begins, with what it saw before."""
    sandbox, client = open_account(
        [{"phone": phone(n), "opt_out": False} for n in range(4)], remember_opt_outs=False
    )
    frame = contacts_frame([{"phone": phone(0)}])
    real = plan.begin

    def later(*args, **options):
        monkeypatch.setattr(plan, "begin", real)
        sandbox.edit(phone(0), opt_out=True)
        bulk_delete(client, frame, progress=False)
        return real(*args, **options)

    monkeypatch.setattr(plan, "begin", later)
    bulk_create(client, contacts_frame([{"phone": phone(0)}, {"phone": phone(9)}]), progress=False)
    assert imported_again(sandbox, client, phone(0)) is True
