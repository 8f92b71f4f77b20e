"""The journal as a file: what is in it at each moment, who may hold it, and how what is wrong with it is told."""

import sqlite3
import stat
import threading
from contextlib import closing

import pytest

from sendblue_data.errors import JournalError
from sendblue_data.writeback import journal as module, rows as rows_module
from sendblue_data.writeback.journal import Journal, UnavailableJournalError, reading, remove_leftovers
from sendblue_data.writeback.ledger import Ledger
from sendblue_data.writeback.ledger_file import open_runs
from sendblue_data.writeback.rows import Row
from tests.writeback.people import phone

META = {"kind": "create", "account": "x/1", "started": "2026-01-01T00:00:00+00:00", "options": {}}


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 1_000.0

        def time(self):
            return self.now

        monotonic = time

    clock = Clock()
    for one in (module, rows_module):
        monkeypatch.setattr(one, "time", clock)
    return clock


def row_of(number, **fields):
    return Row(pos=number, phone=phone(number), action="create", **fields)


@pytest.fixture
def journal(tmp_path, clock):
    with Journal.create(tmp_path / "runs", "a", META, [row_of(n) for n in range(3)]) as journal:
        yield journal


def stored(journal, sql):
    """What another process reads."""
    with reading(journal.path) as base:
        return base.execute(sql).fetchall()


# How it begins


def test_it_is_marked_as_ours_and_holds_what_it_was_given(journal, tmp_path):
    header = journal.path.read_bytes()
    assert int.from_bytes(header[68:72]) == 0x53424A31  # where SQLite's format has the application's id
    assert int.from_bytes(header[60:64]) == 3  # the version that the application gives
    assert (journal.path, journal.run_id) == (tmp_path / "runs" / "a.sqlite3", "a")
    assert journal.meta() == {**META, "has_ledger": False}
    assert journal.rows() == [row_of(n) for n in range(3)]
    assert journal.phones() == [(n, phone(n)) for n in range(3)]
    assert journal.timeout() == 60.0


def test_it_is_for_its_owner_alone_whatever_the_mask(tmp_path, open_umask):
    with Journal.create(tmp_path / "runs", "a", META, []):
        modes = {path.suffix: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "runs").iterdir()}
    assert modes == dict.fromkeys((".sqlite3", ".sqlite3-wal", ".sqlite3-shm", ".lock"), 0o600)
    assert stat.S_IMODE((tmp_path / "runs").stat().st_mode) == 0o700


def test_the_folder_is_synced_once_it_is_in_its_place(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(
        module, "sync_folder", lambda folder: synced.append((folder, (folder / "a.sqlite3").exists()))
    )
    Journal.create(tmp_path, "a", META, []).close()
    assert synced == [(tmp_path, True)]


def test_a_write_is_on_the_disk_before_it_is_believed_and_what_is_erased_is_overwritten(journal):
    asked = {
        name: journal._base.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("journal_mode", "secure_delete")
    }
    assert asked == {"journal_mode": "wal", "secure_delete": 1}


def test_beside_a_ledger_it_says_so_and_the_ledger_knows_that_it_is_open_until_it_is_done(tmp_path):
    Ledger.open(tmp_path, "x/1")
    with Journal.create(tmp_path, "a", META, []) as journal:
        assert journal.meta()["has_ledger"] is True
        assert open_runs(tmp_path) == ["a"]
        journal.save([], undo_begun=True)
        journal.save([])
        assert open_runs(tmp_path) == ["a"]
        journal.save([], finished="2026-01-02T00:00:00+00:00")
        assert open_runs(tmp_path) == []
    with Journal.create(tmp_path, "b", META, []) as journal:
        journal.save([], undone_by="c")
    assert open_runs(tmp_path) == []


def test_one_that_can_not_be_written_is_not_there(tmp_path):
    def broken():
        yield row_of(0)
        raise sqlite3.OperationalError("database or disk is full")

    with pytest.raises(
        JournalError, match=r"can't be written to .* \(database or disk is full\); nothing was sent"
    ):
        Journal.create(tmp_path, "a", META, broken())
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".lock"] == []
    Journal.create(tmp_path, "a", META, [row_of(0)]).close()


def test_what_a_killed_process_left_half_written_is_removed_unless_it_still_writes(tmp_path):
    for name in ("dead.partial", "dead.partial-journal", "alive.partial"):
        (tmp_path / name).write_bytes(b"half")
    holder = module._hold(tmp_path / "alive.sqlite3")
    Journal.create(tmp_path, "new", META, []).close()
    assert {path.name for path in tmp_path.iterdir()} == {
        "alive.partial",
        "alive.lock",
        "new.sqlite3",
        "new.lock",
    }
    holder.release()
    remove_leftovers(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"new.sqlite3", "new.lock"}


def test_a_leftover_that_can_not_be_removed_stops_nothing(tmp_path):
    (tmp_path / "dead.partial").mkdir()
    (tmp_path / "dead.partial-journal").write_bytes(b"half")
    Journal.create(tmp_path, "a", META, []).close()
    assert not (tmp_path / "dead.partial-journal").exists()


# What it knows at each moment


def test_a_request_is_written_down_before_and_after(journal, clock):
    rows = journal.rows()
    rows[0].unanswered = rows[1].unanswered = 1
    assert journal.sending("create", rows[:2]) == "a-00001"
    assert stored(journal, "SELECT * FROM requests") == [
        ("a-00001", "create", 2, "sent", "", 1_000.0, None, "[0,1]")
    ]
    assert stored(journal, "SELECT request_id, unanswered FROM rows ORDER BY pos") == [
        ("a-00001", 1),
        ("a-00001", 1),
        (None, 0),
    ]
    rows[0].answered, rows[0].unanswered, clock.now = True, 0, 1_005.0
    journal.answered("a-00001", "lost", "no answer", rows[:2])
    assert stored(journal, "SELECT state, note, at, ended_at FROM requests") == [
        ("lost", "no answer", 1_000.0, 1_005.0)
    ]
    assert [(row.answered, row.unanswered) for row in journal.rows()] == [(True, 0), (False, 1), (False, 0)]


def test_a_request_that_is_not_the_rows_own_names_those_alone_that_have_none(journal):
    rows = journal.rows()
    assert journal.sending("create", rows[:1]) == "a-00001"
    assert journal.sending("opt_out", rows[:2], is_main=False) == "a-00002"
    assert journal.sending("update", rows[1:]) == "a-00003"
    assert [row.request_id for row in journal.rows()] == ["a-00001", "a-00003", "a-00003"]


def test_requests_are_counted_on_when_it_is_opened_again(journal):
    journal.sending("create", journal.rows())
    journal.close()
    with Journal(journal.path) as again:
        assert again.sending("create", again.rows()) == "a-00002"


def test_what_was_answered_is_confirmed_once_none_of_its_rows_is_open(journal):
    rows = journal.rows()
    for row, state in zip(rows, ("answered", "answered", "lost"), strict=True):
        journal.answered(journal.sending("create", [row]), state, "", [row])
    rows[0].finish("created")
    rows[2].finish("unknown")
    journal.save(rows, finished="then")
    journal.save([], finished="now", more=1)
    assert stored(journal, "SELECT state FROM requests ORDER BY id") == [
        ("confirmed",),
        ("answered",),
        ("lost",),
    ]
    assert {"finished": "now", "more": 1}.items() <= journal.meta().items()
    assert [row.status for row in journal.rows()] == ["created", None, "unknown"]


def test_what_may_still_take_effect_is_told_with_the_seconds_left(journal, clock):
    rows = journal.rows()
    for row, at in zip(rows, (1_000.0, 999.0, 960.0), strict=True):
        row.unanswered, row.sent_at = 1, at
    rows[1].unanswered = 0
    journal.save(rows, timeout=40)
    assert journal.in_flight() == [(rows[0], 40.0)]
    clock.now += 39.5
    assert journal.in_flight() == [(rows[0], 0.5)]
    clock.now += 0.5
    assert journal.in_flight() == []


def test_of_who_is_erased_nothing_is_left_but_the_outcome(journal):
    rows = journal.rows()
    for row in rows:
        row.wanted, row.before, row.left = {"first_name": "Ann"}, {"tags": ["A"]}, {"tags": ["B"]}
        row.opted_out, row.last_error = True, "said of nobody"
        row.finish("created", "said of nobody", row.left)
    rows[1].last_error, rows[2].detail = "Zoe is bad", "Zoe is kept"
    first = journal.sending("create", rows[:1])
    journal.answered(first, "answered", "nothing of them", rows[:1])
    second = journal.sending("create", rows[1:])
    journal.answered(second, "answered", "Zoe was here", rows[1:])
    third = journal.sending("update", rows[1:])
    journal.answered(third, "answered", "of nobody", rows[1:])
    asked = []

    def is_theirs(text):
        asked.append(text)
        return "Zoe" in text

    journal.erase([0], is_theirs)
    assert "" not in asked
    one, two, three = journal.rows()
    assert one == Row(
        pos=0, phone=None, action="create", detail="erased", done=True, status="created", request_id=first
    )
    assert (two.phone, two.detail, two.last_error) == (phone(1), "said of nobody", "")
    assert (three.detail, three.last_error) == ("erased", "said of nobody")
    assert stored(journal, "SELECT note FROM requests ORDER BY id") == [("",), ("",), ("of nobody",)]
    kept = b"".join(path.read_bytes() for path in journal.path.parent.iterdir())
    assert b"Zoe" not in kept
    assert phone(0).encode() not in kept


def test_nor_is_what_an_sqlite_that_overwrites_nothing_left_of_them(journal):
    journal.close()
    with closing(sqlite3.connect(journal.path, isolation_level=None)) as base:
        base.execute("PRAGMA secure_delete = OFF")
        for detail in ("Zoe was here " * 20, ""):
            base.execute("UPDATE rows SET detail = ? WHERE pos = 0", (detail,))
    assert b"Zoe was here" in journal.path.read_bytes()
    with Journal(journal.path) as again:
        again.erase([0], lambda _: False)
    assert b"Zoe was here" not in journal.path.read_bytes()


# Who holds it


def test_one_at_a_time_holds_it_and_threads_share_it(journal):
    with pytest.raises(UnavailableJournalError, match="in use by another process"):
        Journal(journal.path)
    found = []
    thread = threading.Thread(target=lambda: found.append(len(journal.rows())))
    thread.start()
    thread.join()
    assert found == [3]
    journal.close()
    with Journal(journal.path) as again:
        pass
    with Journal(again.path):
        assert again is not None  # what let go of it is still there


def test_whoever_fails_to_open_it_lets_go_of_it(journal):
    journal.close()
    with closing(sqlite3.connect(journal.path)) as base:
        base.execute("DROP TABLE requests")
    with pytest.raises(JournalError, match="no such table") as told:
        Journal(journal.path)
    assert told.value is not None  # and with it, what stood in the call
    module._hold(journal.path).release()


# What is wrong with it


@pytest.mark.parametrize(
    ("pragma", "words"),
    [
        ("application_id = 7", "is not a journal of sendblue_data"),
        ("user_version = 4", "is of version 4, 3 is read here"),
    ],
)
def test_a_foreign_or_newer_file_is_left_alone(journal, pragma, words):
    journal.close()
    with closing(sqlite3.connect(journal.path)) as base:
        base.execute(f"PRAGMA {pragma}")
    with pytest.raises(JournalError, match=words):
        Journal(journal.path)
    with pytest.raises(JournalError, match=words), reading(journal.path):
        pass


def test_one_that_is_damaged_where_nobody_looks_at_first_is_not_opened(tmp_path):
    Journal.create(tmp_path, "a", META, [row_of(n, detail="x" * 500) for n in range(99)]).close()
    path = tmp_path / "a.sqlite3"
    whole = bytearray(path.read_bytes())
    whole[-4096:-3000] = b"\xff" * 1096
    path.write_bytes(whole)
    with pytest.raises(
        JournalError, match=r"(?s)is damaged \(.*it was left as it is. Nothing was sent"
    ) as told:
        Journal(path)
    assert not isinstance(told.value, UnavailableJournalError)


@pytest.mark.parametrize("name", sorted(META))
def test_one_that_does_not_say_what_it_is_of_is_damaged(tmp_path, name):
    with (
        Journal.create(
            tmp_path, "a", {key: value for key, value in META.items() if key != name}, []
        ) as journal,
        pytest.raises(JournalError, match=f"it does not say {name}"),
    ):
        journal.meta()


def test_what_failed_is_taken_back_and_the_next_is_written(journal):
    """A value that SQLite can't keep, in the middle of a save."""
    good, bad = row_of(0, tries=5), row_of(1, detail=None)
    with pytest.raises(JournalError, match="NOT NULL"):
        journal.save([good, bad])
    assert [row.tries for row in journal.rows()] == [0, 0, 0]
    with pytest.raises(JournalError), journal._guarded():
        raise ValueError
    journal.save([good])
    assert [row.tries for row in journal.rows()] == [5, 0, 0]


@pytest.mark.parametrize(
    ("error", "words", "is_whole"),
    [
        (OSError("no permission"), "can't be used (no permission)", True),
        (
            sqlite3.OperationalError("database is locked"),
            "in use by another process; wait for it to end.",
            True,
        ),
        (
            sqlite3.OperationalError("database is busy"),
            "in use by another process; wait for it to end.",
            True,
        ),
        (sqlite3.OperationalError("database or disk is full"), "free the disk, then resume the run.", True),
        (sqlite3.OperationalError("no such table: rows"), "is damaged or no journal", False),
        (sqlite3.DatabaseError("malformed"), "(malformed); it was left as it is.", False),
        (MemoryError(), "(MemoryError); it was left as it is.", False),
    ],
)
def test_what_is_wrong_is_told_with_what_to_do(tmp_path, error, words, is_whole):
    told = module._explained(error, tmp_path / "a.sqlite3")
    assert isinstance(told, JournalError)
    assert words in str(told)
    assert isinstance(told, UnavailableJournalError) == is_whole


def test_what_is_no_fault_of_the_file_stays_what_it_is(tmp_path):
    error = JournalError("known")
    assert module._explained(error, tmp_path) is error


def test_one_that_is_not_there_is_told_from_one_that_this_user_may_not_read(tmp_path, monkeypatch):
    with pytest.raises(JournalError, match="There is no run 'a'") as told:
        Journal(tmp_path / "a.sqlite3")
    assert not isinstance(told.value, UnavailableJournalError)
    Journal.create(tmp_path, "a", META, []).close()

    def forbidden(*_args, **_options):
        raise sqlite3.OperationalError("unable to open database file")

    monkeypatch.setattr(sqlite3, "connect", forbidden)
    for opening in (Journal, lambda path: reading(path).__enter__()):
        with pytest.raises(UnavailableJournalError, match="unable to open"):
            opening(tmp_path / "a.sqlite3")
