"""The folder of journals over the years: what is listed, what may go, what begins anew."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from sendblue_data import list_runs, prune_runs, rebuild_ledger
from sendblue_data.errors import ConfigurationError, LedgerError
from sendblue_data.writeback import catalogue as module, rows as rows_module
from sendblue_data.writeback.catalogue import is_known_here, journal_folder
from sendblue_data.writeback.journal import Journal
from sendblue_data.writeback.ledger import Ledger
from sendblue_data.writeback.ledger_file import FILE, KEY_FILE, note_run, open_runs
from sendblue_data.writeback.rows import Row
from tests.writeback.people import phone

ACCOUNT = "x/1"
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    class Still(datetime):
        @classmethod
        def now(cls, tz=None):
            return NOW.astimezone(tz)

    class Clock:
        time = monotonic = staticmethod(lambda: 1_000.0)

    monkeypatch.setattr(module, "datetime", Still)
    monkeypatch.setattr(rows_module, "time", Clock)


def row_of(number, **fields):
    return Row(pos=number, phone=phone(number), action="create", **fields)


def journal_of(folder, run_id, *rows, days=0, **meta):
    """Write a run down that was begun so many days ago, and finished an hour later if it says `finished`."""
    began = NOW - timedelta(days=days)
    if meta.pop("finished", False):
        meta["finished"] = (began + timedelta(hours=1)).isoformat()
    told = {"kind": "create", "account": ACCOUNT, "started": began.isoformat(), "options": {}, **meta}
    with Journal.create(folder, run_id, told, rows) as journal:
        if meta.keys() & {"finished", "undone_by"}:
            journal.save([], **meta)


# The folder


def test_the_folder_is_the_one_that_is_named_else_the_settings_else_the_users(monkeypatch, tmp_path):
    assert journal_folder(str(tmp_path)) == tmp_path
    monkeypatch.setenv("SENDBLUE_DATA_JOURNAL", str(tmp_path / "set"))
    assert journal_folder() == tmp_path / "set"
    assert journal_folder(tmp_path) == tmp_path
    monkeypatch.setenv("SENDBLUE_DATA_JOURNAL", "")
    monkeypatch.setattr(module.platformdirs, "user_data_path", lambda name: tmp_path / name)
    assert journal_folder() == Path(tmp_path / "sendblue-data" / "runs")


# What is listed


def test_runs_are_listed_with_the_newest_first_and_the_unreadable_last(tmp_path):
    done = row_of(0, done=True, status="created")
    journal_of(tmp_path, "a", done, row_of(1), days=3)
    journal_of(tmp_path, "b", done, days=2, finished=True, undo_of="z")
    journal_of(tmp_path, "c", days=2, finished=True, undone_by="y")
    journal_of(tmp_path, "d", days=1, undone_by="y", kind="undo", account="x/2")
    (tmp_path / "e.sqlite3").write_bytes(b"no journal " * 99)
    listed = list_runs(tmp_path)
    assert listed.select("run_id", "kind", "account", "rows", "open", "state", "undo_of").rows() == [
        ("d", "undo", "x/2", 0, 0, "undone", None),
        ("c", "create", ACCOUNT, 0, 0, "undone", None),
        ("b", "create", ACCOUNT, 1, 0, "finished", "z"),
        ("a", "create", ACCOUNT, 2, 1, "open", None),
        ("e", None, None, None, None, "unreadable", None),
    ]
    assert listed["started"].to_list()[:2] == [NOW - timedelta(days=1), NOW - timedelta(days=2)]
    assert listed["finished"].to_list() == [
        None,
        *[NOW - timedelta(days=2) + timedelta(hours=1)] * 2,
        None,
        None,
    ]
    assert list_runs(tmp_path / "none").is_empty()


# What may go


def names(folder):
    return {path.name for path in folder.iterdir()}


def test_runs_go_that_finished_long_ago_with_all_their_files(tmp_path):
    done, old = row_of(0, done=True, status="created"), {"days": 366, "finished": True}
    journal_of(tmp_path, "gone", done, **old)
    journal_of(tmp_path, "undone", done, days=366, undone_by="x")
    journal_of(tmp_path, "young", done, days=364, finished=True)
    journal_of(tmp_path, "open", row_of(0), days=999)
    journal_of(tmp_path, "half open", done, row_of(1), **old)
    journal_of(
        tmp_path, "under way", row_of(0, done=True, status="unknown", unanswered=1, sent_at=999.0), **old
    )
    journal_of(tmp_path, "held", done, **old)
    (tmp_path / "damaged.sqlite3").write_bytes(b"no journal " * 99)
    (tmp_path / "damaged.sqlite3").rename(tmp_path / "aside")
    Ledger.open(tmp_path, ACCOUNT)
    (tmp_path / "aside").rename(tmp_path / "damaged.sqlite3")
    (tmp_path / "gone.sqlite3-wal").write_bytes(b"")
    (tmp_path / "gone.sqlite3-shm").write_bytes(b"")
    with Journal(tmp_path / "held.sqlite3"):
        pruned = prune_runs(tmp_path)
    assert sorted(pruned["run_id"]) == ["gone", "undone"]
    kept = {"young", "open", "half open", "under way", "held", "damaged"}
    assert {name.removesuffix(".sqlite3") for name in names(tmp_path) if name.endswith(".sqlite3")} == kept
    assert not any(name.startswith(("gone", "undone")) for name in names(tmp_path))
    assert prune_runs(tmp_path)["run_id"].to_list() == ["held"]
    # What was begun 364 days ago finished an hour later.
    assert prune_runs(tmp_path, older_than=timedelta(days=364, hours=-1, microseconds=1)).is_empty()
    assert prune_runs(tmp_path, older_than=timedelta(days=364, hours=-1))["run_id"].to_list() == ["young"]


def test_a_year_is_kept_unless_another_time_is_named(tmp_path):
    journal_of(tmp_path, "a", days=365.5, finished=True)
    journal_of(tmp_path, "b", days=364.5, finished=True)
    assert prune_runs(tmp_path)["run_id"].to_list() == ["a"]
    assert prune_runs(tmp_path, older_than=timedelta(0))["run_id"].to_list() == ["b"]


@pytest.mark.parametrize("older_than", [5, None, timedelta(days=-1)])
def test_an_age_is_a_span_of_time(tmp_path, older_than):
    with pytest.raises(ConfigurationError, match="expected a timedelta"):
        prune_runs(tmp_path, older_than=older_than)


def test_what_runs_knew_is_in_the_ledger_before_they_go(tmp_path):
    journal_of(tmp_path, "a", row_of(0, done=True, status="created", opted_out=True), days=999, finished=True)
    assert prune_runs(tmp_path)["run_id"].to_list() == ["a"]
    assert Ledger.open(tmp_path, ACCOUNT).opted_out([phone(0)]) == {phone(0)}


def test_an_open_run_whose_journal_is_gone_is_given_up(tmp_path):
    Ledger.open(tmp_path, ACCOUNT)
    journal_of(tmp_path, "here", row_of(0))
    note_run(tmp_path, "gone", is_open=True)
    with pytest.raises(LedgerError, match="'gone' is gone"):
        Ledger.open(tmp_path, ACCOUNT)
    assert prune_runs(tmp_path).is_empty()
    assert open_runs(tmp_path) == ["here"]
    (tmp_path / "here.sqlite3").unlink()
    assert prune_runs(tmp_path).is_empty()  # also where there is no journal any more
    assert open_runs(tmp_path) == []
    Ledger.open(tmp_path, ACCOUNT)


def test_where_nothing_is_kept_nothing_is_made(tmp_path):
    assert prune_runs(tmp_path / "none").is_empty()
    assert not (tmp_path / "none").exists()


# What begins anew


@pytest.mark.parametrize("lost", [(FILE,), (KEY_FILE,), (FILE, KEY_FILE), ()])
def test_a_ledger_begins_anew_with_what_the_journals_know(tmp_path, lost):
    ledger = Ledger.open(tmp_path, ACCOUNT)
    journal_of(tmp_path, "a", row_of(0, opted_out=True))
    ledger.record_out([phone(1)], by="a plan")
    for name in lost:
        (tmp_path / name).unlink()
    rebuild_ledger(tmp_path)
    assert Ledger.open(tmp_path, ACCOUNT).opted_out([phone(0), phone(1)]) == {phone(0)}
    assert {name for name in names(tmp_path) if name.endswith(".lost")} == {
        f"{name}.lost" for name in (FILE, KEY_FILE) if name not in lost
    }


# Whose frame it is


def test_a_number_is_known_here_that_a_run_of_the_account_wrote_to(tmp_path):
    assert not is_known_here(tmp_path / "none", ACCOUNT, pl.Series([phone(0)]))
    journal_of(tmp_path, "b", row_of(0))
    journal_of(tmp_path, "c", row_of(1), account="x/2")
    (tmp_path / "a.sqlite3").write_bytes(b"no journal " * 99)
    for number, account, known in (
        (0, ACCOUNT, True),
        (0, "X:443/1", True),
        (1, ACCOUNT, False),
        (1, "x/2", True),
        (2, ACCOUNT, False),
    ):
        assert is_known_here(tmp_path, account, pl.Series([None, phone(9), phone(number)])) is known


@pytest.mark.parametrize(("place", "known"), [(49, True), (50, False)])
def test_fifty_numbers_tell_whose_a_frame_is(tmp_path, place, known):
    journal_of(tmp_path, "a", row_of(0))
    numbers = [phone(100 + n) for n in range(60)]
    numbers[place] = phone(0)
    assert is_known_here(tmp_path, ACCOUNT, pl.Series(numbers)) is known
