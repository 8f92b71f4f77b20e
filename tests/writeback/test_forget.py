"""Somebody who is to be erased is in no file afterwards, and is still held as opted out."""

import json
import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from sendblue_data import (
    MESSAGE_SCHEMA,
    ContactHistory,
    bulk_create,
    bulk_delete,
    bulk_update,
    forget,
    list_runs,
    prune_runs,
    pull_contacts,
    rebuild_ledger,
    resume_run,
    undo_run,
)
from sendblue_data.contacts import contacts_frame
from sendblue_data.errors import ConfigurationError, FrameError, JournalError, LedgerError
from sendblue_data.sandbox import Sandbox
from sendblue_data.writeback import catalogue, ledger
from sendblue_data.writeback.journal import SUFFIX, Journal
from sendblue_data.writeback.ledger import Ledger
from sendblue_data.writeback.ledger_file import FILE, KEY_FILE, open_runs
from sendblue_data.writeback.rows import Options
from sendblue_data.writeback.run import begin
from tests.writeback.people import people, person, phone, statuses
from tests.writeback.test_journal import begun_run

ADA = {
    "phone": phone(10),
    "first_name": "Adalgisa",
    "last_name": "Quintavalle",
    "assigned_to_email": "adalgisa@example.com",
    "custom_variables": {"Nickname": "Gisella"},
}
TRACES = [b"5550110", b"555-0110", b"Adalgisa", b"Quintavalle", b"adalgisa@example.com", b"Gisella"]


def bytes_of(folder):
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def traces(folder):
    held = bytes_of(folder)
    return [trace for trace in TRACES if trace in held]


@pytest.fixture
def with_ada(open_account, journals):
    sandbox, client = open_account(people(4))
    Ledger.open(journals, client.account)
    bulk_create(client, contacts_frame([ADA, {"phone": phone(11), "first_name": "Bruno"}]), progress=False)
    bulk_update(client, contacts_frame([{**ADA, "last_name": "Quintavalle-Rossi"}]), progress=False)
    deleted = bulk_delete(client, contacts_frame([ADA]), progress=False).run_id
    with Journal(journals / f"{deleted}.sqlite3") as journal:
        rows = journal.rows()
        told = f"Adalgisa (+1 212-555-0110) is refused: {json.dumps(ADA)}"
        journal.answered(journal.sending("delete", rows), "refused", told, rows)
    return sandbox, client, deleted


@pytest.mark.parametrize("spelling", [phone(10), "+1 (212) 555-0110", "2125550110"])
def test_no_byte_of_them_is_left_in_any_file_of_the_folder(with_ada, journals, spelling):
    _sandbox, client, deleted = with_ada
    assert len(traces(journals)) == len(TRACES)
    Ledger.open(journals, client.account).record_out([phone(10)], by="a run")
    assert forget(client, [spelling]).rows() == [(spelling, 3)]
    assert traces(journals) == []
    assert b"Bruno" in bytes_of(journals)
    assert Ledger.open(journals, client.account).opted_out([phone(10)]) == {phone(10)}
    assert forget(journals, [spelling]).rows() == [(spelling, 0)]
    assert list_runs()["state"].to_list() == ["finished"] * 3
    assert resume_run(client, deleted, progress=False).frame["phone"].to_list() == [None]
    assert statuses(undo_run(client, deleted, progress=False)) == ["unchanged"]


def test_whoever_is_in_an_open_run_or_in_flight_is_not_erased_yet(open_account, journals, monkeypatch):
    _sandbox, client, run_id = begun_run(open_account, monkeypatch)
    before = bytes_of(journals)
    with pytest.raises(JournalError, match=f"{run_id}.* is open and holds"):
        forget(journals, [phone(15), phone(0)])
    resume_run(client, run_id, progress=False)
    with closing(sqlite3.connect(journals / f"{run_id}{SUFFIX}")) as base, base:
        base.execute("UPDATE rows SET unanswered = 1, sent_at = ?", (time.time() + 60,))
    with Journal(journals / f"{run_id}.sqlite3") as journal:
        late = min(row.phone for row, _ in journal.in_flight())
    with pytest.raises(JournalError, match="may still take effect: forget again in"):
        forget(journals, [late])
    assert late.encode() in before
    monkeypatch.setattr(time, "time", lambda: time.time_ns() / 1e9 + 100)
    assert forget(journals, [late])["rows_erased"].to_list() == [1]


def test_a_draft_of_a_killed_run_goes_and_one_that_is_being_written_stays(with_ada, journals):
    (journals / "killed.partial").write_text("Adalgisa")
    with Journal(journals / f"{with_ada[2]}.sqlite3"):
        (journals / f"{with_ada[2]}.partial").write_text("draft")
        with pytest.raises(JournalError, match="in use"):
            forget(journals, [phone(10)])
        forget(journals, [phone(11)])
        assert [path.name for path in journals.glob("*.partial")] == [f"{with_ada[2]}.partial"]
    forget(journals, [phone(10)])
    assert traces(journals) == []


def test_a_history_is_told_to_forget_every_spelling(tmp_path, journals):
    with Sandbox([person(1, phone="+5215512345678"), person(2)]) as sandbox, sandbox.client() as client:
        history = ContactHistory(tmp_path / "history")
        history.snapshot(pull_contacts(client, progress=False))
        forget(client, ["+52 55 1234 5678"], history=history)
        assert history.at(datetime.now(UTC))["phone"].to_list() == [phone(2)]


@pytest.mark.parametrize("wrong", [phone(1), None, [1]])
def test_phones_are_a_list_of_texts(wrong, journals):
    with pytest.raises(FrameError, match="list of phone numbers"):
        forget(journals, wrong)


def test_old_runs_go_and_what_they_knew_stays(open_account, journals, monkeypatch):
    _sandbox, client, run_id = begun_run(open_account, monkeypatch)
    done = bulk_create(client, contacts_frame([{"phone": phone(3)}]), progress=False).run_id
    Ledger.open(journals, client.account).record_out([phone(3)], by=done)
    assert prune_runs().height == 0
    pruned = prune_runs(older_than=timedelta(0))
    assert pruned["run_id"].to_list() == [done]
    assert list_runs()["run_id"].to_list() == [run_id]
    assert not list(journals.glob(f"{done}*"))
    assert Ledger.open(journals, client.account).opted_out([phone(3)]) == {phone(3)}
    resume_run(client, run_id, progress=False)
    with closing(sqlite3.connect(journals / f"{run_id}{SUFFIX}")) as base, base:
        base.execute("UPDATE rows SET unanswered = 1, sent_at = ?", (time.time() + 60,))
    assert prune_runs(older_than=timedelta(0)).height == 0  # a request was lost just now
    assert list_runs().height == 1


@pytest.mark.parametrize("damage", ["zeroed", "gone", "newer", "finished"])
def test_a_journal_that_is_gone_or_can_not_be_read_closes_the_ledger(
    open_account, journals, monkeypatch, damage
):
    _, client = open_account(people(1))
    Ledger.open(journals, client.account)
    _sandbox, client, run_id = begun_run(open_account, monkeypatch)
    path = journals / f"{run_id}.sqlite3"
    if damage == "finished":
        resume_run(client, run_id, progress=False)
        path.unlink()
        Ledger.open(journals, client.account)
        return
    whole = path.read_bytes()
    if damage == "zeroed":
        path.write_bytes(bytes(len(whole)))
    elif damage == "newer":
        base = sqlite3.connect(path)
        base.execute("PRAGMA user_version = 99")
        base.close()
    else:
        path.unlink()
    with pytest.raises(LedgerError, match="restore it from a backup"):
        Ledger.open(journals, client.account)
    if damage == "gone":
        prune_runs()
    else:
        path.unlink()
        path.write_bytes(whole)
    Ledger.open(journals, client.account)


@pytest.mark.parametrize("wrong", [30, timedelta(-1), None])
def test_an_age_is_a_span_of_time(wrong):
    with pytest.raises(ConfigurationError, match="older_than"):
        prune_runs(older_than=wrong)


@pytest.mark.parametrize("gone", [[FILE], [KEY_FILE], [FILE, KEY_FILE]])
def test_a_lost_ledger_is_refused_until_it_is_rebuilt_from_the_journals(open_account, journals, gone):
    _sandbox, client = open_account(people(2))
    Ledger.open(journals, client.account)
    bulk_create(client, contacts_frame([{"phone": phone(9), "opt_out": True}]), progress=False)
    for name in gone:
        (journals / name).unlink()
    for _ in range(2):
        with pytest.raises(LedgerError, match="rebuild_ledger"):
            Ledger.open(journals, client.account)
    rebuild_ledger()
    assert Ledger.open(journals, client.account).opted_out([phone(8), phone(9)]) == {phone(9)}


def test_a_run_from_long_ago_is_pruned_by_default(open_account, journals):
    _sandbox, client = open_account(people(2))
    run_id = bulk_create(client, contacts_frame([{"phone": phone(1)}]), progress=False).run_id
    with Journal(journals / f"{run_id}.sqlite3") as journal:
        journal.save([], finished=datetime(2020, 1, 1, tzinfo=UTC).isoformat())
    assert prune_runs()["run_id"].to_list() == [run_id]


def message(**fields):
    return {"message_handle": "m", "from_number": None, "participants": None} | fields


def test_files_of_messages_hold_them_no_longer(tmp_path):
    line, ada, bob = "+13055550199", phone(10), phone(11)
    rows = [
        message(phone=ada, from_number=line, to_number=ada),
        message(phone=bob, from_number=bob, to_number=line),
        message(phone=None, from_number=line, message_type="group", participants=[ada, bob]),
        message(phone=None, from_number=ada, message_type="group", participants=[bob]),
    ]
    files = [tmp_path / "one.parquet", tmp_path / "two.parquet"]
    for path in files:
        pl.DataFrame(rows, schema=MESSAGE_SCHEMA).write_parquet(path)
    forget(tmp_path / "journals", ["+1 (212) 555-0110"], messages=files)
    for path in files:
        assert path.stat().st_mode & 0o777 == 0o600
        kept = pl.read_parquet(path)
        assert kept.schema == MESSAGE_SCHEMA
        assert kept.select("phone", "participants").rows() == [(bob, None), (None, [bob])]
        assert ada not in str(kept.to_dicts())


@pytest.mark.parametrize("content", [b"no parquet", None])
def test_what_is_no_file_of_messages_is_refused_before_anything_is_erased(tmp_path, content):
    good, wrong = tmp_path / "good.parquet", tmp_path / "wrong.parquet"
    pl.DataFrame([message(phone=phone(10))], schema=MESSAGE_SCHEMA).write_parquet(good)
    if content is None:
        pl.DataFrame({"phone": [phone(10)]}).write_parquet(wrong)
    else:
        wrong.write_bytes(content)
    before = good.read_bytes()
    with pytest.raises(FrameError, match=r"wrong\.parquet"):
        forget(tmp_path / "journals", [phone(10)], messages=[good, wrong])
    assert good.read_bytes() == before


@pytest.mark.parametrize("meanwhile", ["begins", "is pruned"])
def test_a_run_of_another_process_that_begins_or_is_pruned_meanwhile_is_not_missed(
    open_account, journals, monkeypatch, meanwhile
):
    """Between two looks of whoever opens the ledger; it took the first for an open run whose journal is gone."""
    _, client = open_account(people(1))
    Ledger.open(journals, client.account)
    done = bulk_create(client, contacts_frame([{"phone": phone(3)}]), progress=False).run_id
    real_open_runs, real_reading = ledger.open_runs, ledger.reading
    begun = []

    def begin_first(folder):
        monkeypatch.setattr(ledger, "open_runs", real_open_runs)
        begun.append(begin(client, "create", [], Options(), None))
        return real_open_runs(folder)

    def prune_first(path):
        for file in journals.glob(f"{done}*"):
            file.unlink()
        return real_reading(path)

    with monkeypatch.context() as patch:
        if meanwhile == "begins":
            patch.setattr(ledger, "open_runs", begin_first)
        else:
            patch.setattr(ledger, "reading", prune_first)
        Ledger.open(journals, client.account)
    for journal in begun:
        journal.close()


def test_a_run_that_begins_while_others_are_pruned_is_still_known_to_be_open(
    open_account, journals, monkeypatch
):
    _, client = open_account(people(1))
    Ledger.open(journals, client.account)
    listed = list_runs(journals)
    with begin(client, "create", [], Options(), None) as begun:
        monkeypatch.setattr(catalogue, "list_runs", lambda _: listed)  # as it was before
        prune_runs(journals)
        assert open_runs(journals) == [begun.run_id]
