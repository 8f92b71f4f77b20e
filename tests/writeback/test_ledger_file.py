"""The file that a ledger is kept in: begun once and whole, checked at each use, and never guessed."""

import os
import shutil
import sqlite3
import stat
from contextlib import closing

import pytest
from filelock import FileLock

from sendblue_data.errors import LedgerError
from sendblue_data.writeback import ledger_file as module
from sendblue_data.writeback.ledger_file import (
    FILE,
    KEY_FILE,
    connected,
    folder_lock,
    ledger_key,
    make_ledger,
    note_run,
    open_runs,
)


@pytest.fixture
def folder(tmp_path):
    make_ledger(tmp_path / "runs", lambda _: None)
    return tmp_path / "runs"


def names(folder):
    return {path.name for path in folder.iterdir()}


def other(folder):
    """Another ledger, with its key."""
    made = folder.with_name("other")
    make_ledger(made, lambda _: None)
    return made


# How it begins


def test_it_is_marked_as_ours_and_for_its_owner_alone(tmp_path, open_umask):
    made = other(tmp_path)
    header = (made / FILE).read_bytes()
    assert int.from_bytes(header[68:72]) == 0x53424C31  # where SQLite's format has the application's id
    assert int.from_bytes(header[60:64]) == 1
    assert len((made / KEY_FILE).read_bytes()) == len(ledger_key(made)) == 32
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in made.iterdir()} == dict.fromkeys(
        (FILE, KEY_FILE, "opt-outs.lock"), 0o600
    )
    assert stat.S_IMODE(made.stat().st_mode) == 0o700


def test_it_is_filled_before_it_takes_its_place_and_only_once(tmp_path, monkeypatch):
    seen, synced = [], []
    monkeypatch.setattr(module, "sync_folder", lambda folder: synced.append(names(folder)))

    def fill(place):
        seen.append((place.parent, names(place), names(place.parent), stat.S_IMODE(place.stat().st_mode)))
        with connected(place, ledger_key(place), "IMMEDIATE") as base:
            base.execute("INSERT INTO runs VALUES ('a')")

    for _ in range(2):
        make_ledger(tmp_path, fill)
    assert seen == [(tmp_path, {FILE, KEY_FILE}, {"opt-outs.begun", "opt-outs.lock"}, 0o700)]
    assert open_runs(tmp_path) == ["a"]
    assert synced == [names(tmp_path)] == [{FILE, KEY_FILE, "opt-outs.lock"}]


def test_key_and_file_are_on_the_disk_before_they_are_believed(tmp_path, monkeypatch):
    sizes, real = [], os.fsync

    def sync(descriptor):
        sizes.append(os.fstat(descriptor).st_size)
        real(descriptor)

    monkeypatch.setattr(module.os, "fsync", sync)
    module._create(tmp_path)
    assert sizes == [32, 0]


def test_one_that_could_not_be_filled_is_not_there(tmp_path):
    def fails(place):
        (place / "inner").mkdir()
        raise KeyboardInterrupt

    def fails_and_is_gone(place):
        shutil.rmtree(place)
        raise KeyboardInterrupt

    for fill in (fails, fails_and_is_gone):
        with pytest.raises(KeyboardInterrupt):
            make_ledger(tmp_path, fill)
        assert names(tmp_path) == {"opt-outs.lock"}
    for error in (OSError("no room"), sqlite3.OperationalError("disk is full")):
        with pytest.raises(LedgerError, match=r"can't be written \((no room|disk is full)\).*Free the disk"):
            make_ledger(tmp_path, lambda _, error=error: (_ for _ in ()).throw(error))


def test_what_a_killed_process_left_is_begun_anew(tmp_path, folder):
    """It was killed before its key was in its place, between key and file, or while it filled them."""
    for left in ({KEY_FILE, FILE}, {FILE}, {KEY_FILE}, set()):
        place = tmp_path / f"killed {len(left)} {KEY_FILE in left}"
        (place / "opt-outs.begun").mkdir(parents=True)
        for name in left:
            shutil.copy(folder / name, place / "opt-outs.begun" / name)
        if left == {FILE}:
            shutil.copy(folder / KEY_FILE, place / KEY_FILE)
        make_ledger(place, lambda _: None)
        assert names(place) == {FILE, KEY_FILE, "opt-outs.lock"}
        assert open_runs(place) == []
        assert (place / KEY_FILE).read_bytes() != (folder / KEY_FILE).read_bytes()


@pytest.mark.parametrize("name", [FILE, KEY_FILE])
def test_half_of_one_is_a_loss_and_no_beginning(folder, name):
    (folder / name).unlink()
    with pytest.raises(LedgerError, match=rf"{name} is gone\..*from a backup"):
        make_ledger(folder, lambda _: None)
    (folder / name).mkdir()
    with pytest.raises(LedgerError, match=rf"{name} is gone"):
        make_ledger(folder, lambda _: None)


def test_a_folder_is_held_by_one_at_a_time_and_let_go_of(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "BUSY", 0.01)
    locks = []  # what lets go of itself as it is collected lets go by chance
    monkeypatch.setattr(
        module, "FileLock", lambda *given, **how: locks.append(FileLock(*given, **how)) or locks[-1]
    )

    def holds_and_fails():
        with folder_lock(tmp_path / "new"):
            with pytest.raises(LedgerError, match="in use by another process; wait"):
                folder_lock(tmp_path / "new").__enter__()
            raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        holds_and_fails()
    with FileLock(tmp_path / "new" / "opt-outs.lock", timeout=0):
        pass


def test_a_folder_that_can_not_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with (
        pytest.raises(LedgerError, match=r"The folder .*file can't be written"),
        folder_lock(tmp_path / "file"),
    ):
        pass


# Each use


def test_a_use_is_one_transaction_which_stays_or_goes_as_a_whole(folder):
    def use(run_id, then=lambda _: None):
        with connected(folder, ledger_key(folder), "IMMEDIATE") as base:
            assert base.in_transaction
            assert base.execute("PRAGMA secure_delete").fetchone() == (1,)
            base.execute("INSERT INTO runs VALUES (?)", (run_id,))
            then(base)

    use("kept")
    with pytest.raises(ZeroDivisionError):
        use("lost", lambda _: 1 // 0)
    with pytest.raises(LedgerError, match="is damaged"):
        use("lost", lambda base: base.execute("no SQL"))
    assert open_runs(folder) == ["kept"]


def test_a_name_with_any_sign_in_it_is_a_file(tmp_path):
    make_ledger(tmp_path / "a?b #c%41", lambda _: None)
    assert open_runs(tmp_path / "a?b #c%41") == []


def test_a_run_is_missed_while_it_is_open(folder):
    for run_id in ("a", "b", "a"):
        note_run(folder, run_id, is_open=True)
    note_run(folder, "b", is_open=False)
    assert open_runs(folder) == ["a"]
    (folder / FILE).unlink()
    note_run(folder, "a", is_open=False)  # what may not go on without the ledger says so


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("PRAGMA application_id = 7", "is damaged, or no ledger of sendblue_data"),
        ("PRAGMA user_version = 2", "is of version 2, 1 is read here"),
        ("DELETE FROM meta", "opt-outs.key is not the key of opt-outs.ledger"),
        ("UPDATE meta SET value = x'00'", "opt-outs.key is not the key of opt-outs.ledger"),
    ],
)
def test_what_is_not_the_ledger_of_the_key_is_refused(folder, change, words):
    with closing(sqlite3.connect(folder / FILE)) as base:
        base.execute(change)
        base.commit()
    with pytest.raises(LedgerError, match=words):
        open_runs(folder)


def test_the_key_of_another_ledger_is_not_taken(folder):
    shutil.copy(other(folder) / KEY_FILE, folder / KEY_FILE)
    with pytest.raises(LedgerError, match="is not the key of"):
        open_runs(folder)


@pytest.mark.parametrize(
    ("content", "words"), [(b"x" * 31, "31 bytes, 32 expected"), (b"", "0 bytes"), (None, "can't be read")]
)
def test_a_key_that_is_none_is_refused(folder, content, words):
    (folder / KEY_FILE).unlink()
    if content is not None:
        (folder / KEY_FILE).write_bytes(content)
    with pytest.raises(LedgerError, match=rf"{words}.*from a backup"):
        ledger_key(folder)


def test_a_ledger_that_is_gone_is_not_begun_by_a_look(folder):
    key = ledger_key(folder)
    (folder / FILE).unlink()
    with pytest.raises(LedgerError, match="if it is gone, restore"), connected(folder, key, "DEFERRED"):
        pass
    assert FILE not in names(folder)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("database is locked", "in use by another process; wait for it to end"),
        ("database is busy", "in use by another process; wait for it to end"),
        ("unable to open database file", "Free the disk"),
        ("attempt to write a readonly database", "Free the disk"),
        ("database or disk is full", "Free the disk"),
        ("disk I/O error", "Free the disk"),
        ("malformed", "is damaged (malformed)"),
    ],
)
def test_what_is_wrong_is_told_with_what_to_do(tmp_path, said, words):
    told = str(module._explained(sqlite3.OperationalError(said), tmp_path))
    assert words in told
    assert ("rebuild_ledger" in told) == (said == "malformed")
    assert "nobody is created or texted" in told
