"""The journal: whole or not there, for its owner alone, without keys, and never trusted when damaged."""

import os
import sqlite3
import stat
import subprocess
import sys
import time

import polars as pl
import pytest

from sendblue_data import bulk_create, bulk_delete, list_runs, resume_run, undo_run
from sendblue_data.contacts import contacts_frame
from sendblue_data.errors import ConfigurationError, JournalError, WriteInterruptedError, WrongAccountError
from sendblue_data.writeback.catalogue import new_run_id
from sendblue_data.writeback.journal import Journal
from sendblue_data.writeback.rows import Row
from sendblue_data.writeback.sending import Attempt, Outcome
from tests.writeback.people import people, phone, state, statuses

MINE = [{"phone": phone(n), "first_name": "Ann", "opt_out": n % 2 == 0} for n in range(10, 16)]


def crash_at(monkeypatch, step, *, method="answered"):
    """Let the process die at the n-th call of a journal method, before it is written down."""
    real, calls = getattr(Journal, method), []

    def stopping(journal, *args, **options):
        calls.append(method)
        if len(calls) == step:
            raise KeyboardInterrupt
        return real(journal, *args, **options)

    monkeypatch.setattr(Journal, method, stopping)
    return lambda: monkeypatch.setattr(Journal, method, real)


def begun_run(open_account, monkeypatch, **switches):
    sandbox, client = open_account(people(4), **switches)
    mend = crash_at(monkeypatch, 2)
    with pytest.raises(KeyboardInterrupt) as caught:
        bulk_create(client, contacts_frame(MINE), chunk_size=2, progress=False)
    mend()
    run_id = list_runs()["run_id"][0]
    assert any(run_id in note for note in caught.value.__notes__)
    return sandbox, client, run_id


def test_an_interrupted_run_is_listed_and_resumed(open_account, monkeypatch):
    sandbox, client, run_id = begun_run(open_account, monkeypatch, on_duplicate="reject")
    listed = list_runs()
    assert listed.height == 1
    assert listed["state"][0] == "open"
    assert listed["open"][0] == 6
    result = resume_run(client, run_id, progress=False)
    assert statuses(result) == ["created"] * 6
    assert [state(sandbox.rows())[row["phone"]]["opt_out"] for row in MINE] == [
        row["opt_out"] for row in MINE
    ]
    assert list_runs()["state"].to_list() == ["finished"]
    sandbox.reset_log()
    assert resume_run(client, run_id, progress=False).frame.equals(result.frame)
    assert all(line.method == "GET" for line in sandbox.request_log)


def test_files_are_for_the_owner_alone_and_hold_no_keys(open_account, journals, monkeypatch):
    old = os.umask(0)
    try:
        sandbox, _client, run_id = begun_run(open_account, monkeypatch)
        with Journal(journals / f"{run_id}.sqlite3") as journal:
            journal.save(journal.rows())
            names = sorted(path.name.removeprefix(run_id) for path in journals.iterdir())
            assert [name for name in names if not name.startswith("opt-outs")] == [
                ".lock",
                ".sqlite3",
                ".sqlite3-shm",
                ".sqlite3-wal",
            ]
            modes = {stat.S_IMODE(path.stat().st_mode) for path in journals.iterdir()}
            held = b"".join(path.read_bytes() for path in journals.iterdir())
    finally:
        os.umask(old)
    assert modes == {0o600}
    assert stat.S_IMODE(journals.stat().st_mode) == 0o700
    assert phone(10).encode() in held
    assert sandbox.api_key.encode() not in held
    assert sandbox.api_secret.encode() not in held


def test_it_is_synchronous_and_marked(open_account, journals):
    _, client = open_account(people(4))
    run_id = bulk_create(client, contacts_frame(MINE), progress=False).run_id
    with Journal(journals / f"{run_id}.sqlite3") as journal:
        base = journal._base
        assert base.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert base.execute("PRAGMA synchronous").fetchone() == (2,)
        states = {one for (one,) in base.execute("SELECT state FROM requests")}
    assert states == {"confirmed"}


def test_one_process_at_a_time(open_account, journals, monkeypatch):
    _, client, run_id = begun_run(open_account, monkeypatch)
    with Journal(journals / f"{run_id}.sqlite3"):
        with pytest.raises(JournalError, match="in use by another process"):
            resume_run(client, run_id, progress=False)
        assert list_runs()["state"].to_list() == ["open"]
    assert resume_run(client, run_id, progress=False).counts == {"created": 6}


def test_a_refused_second_open_does_not_let_go_of_the_run(open_account, journals, monkeypatch):
    _, client, run_id = begun_run(open_account, monkeypatch)
    path = journals / f"{run_id}.sqlite3"
    take_up = f"from pathlib import Path; from sendblue_data.writeback.journal import Journal; Journal(Path({str(path)!r}))"
    with Journal(path):
        for _ in range(2):
            with pytest.raises(JournalError, match="in use by another process"):
                resume_run(client, run_id, progress=False)
        path.with_suffix(".lock").read_bytes()
        path.read_bytes()
        child = os.fork()
        if not child:
            os._exit(0)  # what it inherited is not its own to let go of
        assert os.waitpid(child, 0)[1] == 0
        ended = subprocess.run([sys.executable, "-c", take_up], capture_output=True, text=True, check=False)
        assert "in use by another process" in ended.stderr
    assert subprocess.run([sys.executable, "-c", take_up], check=False).returncode == 0


def test_what_was_sent_and_not_answered_may_still_take_effect(tmp_path, monkeypatch):
    monkeypatch.setattr(time, "time", lambda: clock[0])
    clock, rows = [1000.0], [Row(pos=n, phone=phone(n), action="create") for n in range(5)]
    meta = {
        "kind": "create",
        "account": "x/1",
        "started": "2026-01-01T00:00:00+00:00",
        "options": {},
        "timeout": 30,
    }
    with Journal.create(tmp_path, "a", meta, rows) as journal:
        Attempt(journal, "create", rows[:2])
        lost, answered = (Attempt(journal, "create", rows[n : n + 1]) for n in (2, 3))
        clock[0] += 20
        lost.end([Outcome("lost", "no answer in time")])
        answered.end([Outcome("answered")])
        Attempt(journal, "create", rows[2:3]).end([Outcome("answered")])
        for row in rows:
            row.finish("created")
        journal.save(rows)
        left = {}
        for moment in (1020, 1030, 1050, 0):
            clock[0] = moment
            left[moment] = {row.phone: seconds for row, seconds in journal.in_flight()}
        assert left[1020] == {phone(0): 10, phone(1): 10, phone(2): 30}
        assert left[1030] == {phone(2): 20}
        assert left[1050] == {}
        assert left[0] == dict.fromkeys([phone(0), phone(1), phone(2)], 30)


@pytest.mark.parametrize("kind", ["create", "opt_out", "a longer kind"])
def test_the_name_of_a_run_is_shown_whole(kind):
    run_id = new_run_id(kind)
    assert run_id in str(pl.DataFrame({"run_id": [run_id]}))


@pytest.mark.parametrize("damage", ["text", "foreign", "torn", "version", "empty"])
def test_a_damaged_or_foreign_file_is_refused_and_left_alone(open_account, journals, monkeypatch, damage):
    sandbox, client, run_id = begun_run(open_account, monkeypatch)
    path = journals / f"{run_id}.sqlite3"
    if damage in ("text", "empty"):
        path.write_bytes(b"This is no database, but a long enough text. " * 50 if damage == "text" else b"")
    elif damage == "torn":
        whole = path.read_bytes()
        path.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))
    else:
        base = sqlite3.connect(path)
        base.execute("PRAGMA application_id = 7" if damage == "foreign" else "PRAGMA user_version = 99")
        base.commit()
        base.close()
    held = path.read_bytes()
    sandbox.reset_log()
    for take_up in (resume_run, undo_run):
        with pytest.raises(JournalError, match=r"no journal|not a journal|damaged|version 99"):
            take_up(client, run_id, progress=False)
    assert path.read_bytes() == held
    assert sandbox.request_log == []
    assert list_runs()["state"].to_list() == ["unreadable"]


def test_a_run_that_is_not_there(open_account, journals):
    _, client = open_account(people(1))
    with pytest.raises(JournalError, match="There is no run 'nothing'"):
        resume_run(client, "nothing")
    for name in ("../somewhere", None, 5):
        with pytest.raises(ConfigurationError, match="not the name of a run"):
            resume_run(client, name)
    assert list_runs().height == 0


def test_a_run_of_another_account_is_refused(open_account, monkeypatch):
    _, _client, run_id = begun_run(open_account, monkeypatch)
    other, other_client = open_account(people(4))
    for take_up in (resume_run, undo_run):
        with pytest.raises(WrongAccountError, match="is of the account"):
            take_up(other_client, run_id, progress=False)
    assert other.request_log == []


def test_another_key_of_the_same_host_is_taken_when_told_to(open_account, monkeypatch):
    sandbox, _client, run_id = begun_run(open_account, monkeypatch)
    sandbox.api_key = "another-key"
    with sandbox.client() as renewed:
        with pytest.raises(WrongAccountError, match="allow_other_key"):
            resume_run(renewed, run_id, progress=False)
        assert resume_run(renewed, run_id, allow_other_key=True, progress=False).counts == {"created": 6}


def test_a_full_disk_in_the_middle_stops_the_run_and_it_can_be_resumed(open_account, monkeypatch):
    sandbox, client = open_account(people(4))
    real, calls = Journal.sending, []

    def full(journal, *args, **options):
        calls.append(1)
        if len(calls) == 2:
            with journal._guarded():
                raise sqlite3.OperationalError("database or disk is full")
        return real(journal, *args, **options)

    monkeypatch.setattr(Journal, "sending", full)
    with pytest.raises(JournalError, match="disk is full"):
        bulk_create(client, contacts_frame(MINE), chunk_size=2, progress=False)
    assert sum(line[:2] == ("POST", "/api/v2/contacts/bulk") for line in sandbox.request_log) < 3
    monkeypatch.setattr(Journal, "sending", real)
    assert resume_run(client, list_runs()["run_id"][0], progress=False).counts == {"created": 6}


def test_a_server_that_fails_on_and_on_interrupts_the_run(open_account):
    sandbox, client = open_account(people(4))
    sandbox.set(every_500=1, only="writes")
    with pytest.raises(WriteInterruptedError, match="resume") as caught:
        bulk_create(client, contacts_frame(MINE), progress=False)
    assert statuses(caught.value.result) == ["unknown"] * 6
    sandbox.set(every_500=0)
    assert resume_run(client, caught.value.run_id, progress=False).counts == {"created": 6}


def test_bad_credentials_in_the_middle_interrupt_the_run(open_account, monkeypatch):
    sandbox, client = open_account(people(4))
    send = client.bulk_create_contacts

    def revoked(rows):
        answer = send(rows)
        sandbox.api_key, revoked.key = "revoked", sandbox.api_key
        return answer

    monkeypatch.setattr(client, "bulk_create_contacts", revoked)
    with pytest.raises(WriteInterruptedError, match="401"):
        bulk_create(client, contacts_frame(MINE), progress=False)
    sandbox.api_key = revoked.key
    monkeypatch.setattr(client, "bulk_create_contacts", send)
    assert resume_run(client, list_runs()["run_id"][0], progress=False).counts == {"created": 6}


def test_a_poisonous_row_does_not_hold_up_the_others(open_account, monkeypatch):
    """The server fails (500) on whatever chunk holds one row: that row is told, the others are created."""
    sandbox, client = open_account(people(4))
    poison = phone(13)
    send = client.bulk_create_contacts

    def failing(rows):
        if any(row["phone"] == poison for row in rows):
            sandbox.set(every_500=1, only="writes")
        try:
            return send(rows)
        finally:
            sandbox.set(every_500=0)

    monkeypatch.setattr(client, "bulk_create_contacts", failing)
    monkeypatch.setattr(client, "max_connections", 1)
    mine = contacts_frame([{"phone": phone(n)} for n in range(10, 40)])
    result = bulk_create(client, mine, chunk_size=16, progress=False)
    assert result.counts == {"created": 29, "rejected": 1}
    assert result.problems["phone"].to_list() == [poison]
    assert "500" in result.problems["detail"][0]


def test_deletes_in_the_middle_keep_what_undo_needs(open_account, monkeypatch):
    sandbox, client = open_account(people(6, tags=["VIP"], opt_out=True))
    mend = crash_at(monkeypatch, 1)
    start = state(sandbox.rows())
    with pytest.raises(KeyboardInterrupt):
        bulk_delete(client, contacts_frame(people(6)).head(3), chunk_size=2, progress=False)
    mend()
    gone = 6 - sandbox.count()  # of two requests at once, the other may have landed before the crash or not
    assert gone >= 1
    assert undo_run(client, list_runs()["run_id"][0], progress=False).counts["created"] == gone
    assert state(sandbox.rows()) == start
    with pytest.raises(JournalError, match="was undone by"):
        resume_run(client, list_runs().filter(kind="delete")["run_id"][0], progress=False)
