"""The file that a ledger is kept in, and the key of its hashes: begun once, checked at each use, never guessed."""

from __future__ import annotations

import hmac
import os
import secrets
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from filelock import FileLock, Timeout

from sendblue_data._shared.files import OWNER_ONLY, OWNER_ONLY_FOLDER, make_folder, sync_folder
from sendblue_data.errors import LedgerError

FILE = "opt-outs.ledger"
KEY_FILE = "opt-outs.key"
_LOCK_FILE = "opt-outs.lock"
_BEGUN = "opt-outs.begun"
APPLICATION_ID = 0x53424C31
"""Marks the file as ours ("SBL1"), in SQLite's header."""
VERSION = 1
BUSY = 10.0
"""Seconds to wait for whoever holds the ledger, or the folder."""
_KEY_BYTES = 32
_RESTORE = (
    f"Restore {FILE} and {KEY_FILE} from a backup; where there is none, rebuild_ledger(journal_dir) begins anew from "
    "what the journals know"
)
_CLOSED = "Without them it is not known who opted out, so that nobody is created or texted."

_TABLES = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE accounts (label TEXT PRIMARY KEY, part INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE people (
    part INTEGER NOT NULL, person BLOB NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('out', 'in', 'cleared')), since REAL NOT NULL, by TEXT NOT NULL,
    PRIMARY KEY (part, person)
) WITHOUT ROWID;
CREATE TABLE sightings (
    part INTEGER NOT NULL, person BLOB NOT NULL, spelling BLOB NOT NULL, contact_id BLOB, created_at BLOB, since REAL,
    PRIMARY KEY (part, person, spelling)
) WITHOUT ROWID;
CREATE TABLE runs (run_id TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE created (
    part INTEGER NOT NULL, person BLOB NOT NULL, contact_id TEXT, created_at TEXT, PRIMARY KEY (part, person)
) WITHOUT ROWID;
"""


def make_ledger(folder: Path, fill: Callable[[Path], None]) -> None:
    """Begin the ledger of a folder where there never was one.

    Args:
        folder: the folder of journals.
        fill: writes to the ledger in the folder that it is given, before that takes its place.
    """
    if (folder / FILE).is_file() and (folder / KEY_FILE).is_file():
        return
    with folder_lock(folder):
        partial = folder / _BEGUN
        if (partial / FILE).exists():  # a process that began it was killed before it was in its place
            (folder / KEY_FILE).unlink(missing_ok=True)
        there = [name for name in (FILE, KEY_FILE) if (folder / name).is_file()]
        if len(there) == 1:
            gone = FILE if there == [KEY_FILE] else KEY_FILE
            raise LedgerError(f"{folder / gone} is gone. {_CLOSED} {_RESTORE}.")
        if not there:
            try:
                shutil.rmtree(partial, ignore_errors=True)
                partial.mkdir(mode=OWNER_ONLY_FOLDER)
                try:
                    _create(partial)
                    fill(partial)
                except BaseException:
                    shutil.rmtree(partial, ignore_errors=True)
                    raise
                for name in (KEY_FILE, FILE):
                    (partial / name).replace(folder / name)
                partial.rmdir()
                sync_folder(folder)
            except (OSError, sqlite3.Error) as error:
                raise LedgerError(
                    f"{folder / FILE} can't be written ({error}). {_CLOSED} Free the disk."
                ) from None


def _create(folder: Path) -> None:
    key = secrets.token_bytes(_KEY_BYTES)
    for name, content in ((KEY_FILE, key), (FILE, b"")):
        with os.fdopen(
            os.open(folder / name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, OWNER_ONLY), "wb"
        ) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    with closing(sqlite3.connect(folder / FILE, isolation_level=None)) as base:
        base.executescript(
            f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION}; BEGIN; {_TABLES} COMMIT;"
        )
        base.execute("INSERT INTO meta VALUES ('key', ?)", (_proof(key),))


@contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Do alone what concerns a whole folder of journals."""
    try:
        make_folder(folder)
        lock = FileLock(folder / _LOCK_FILE, timeout=BUSY, mode=OWNER_ONLY)
        lock.acquire()
    except Timeout:
        raise LedgerError(f"The folder {folder} is in use by another process; wait for it to end.") from None
    except OSError as error:
        raise LedgerError(f"The folder {folder} can't be written ({error}). {_CLOSED}") from None
    try:
        yield
    finally:
        lock.release()


def ledger_key(folder: Path) -> bytes:
    """Read the key under which the folder's phones are hashed."""
    path = folder / KEY_FILE
    try:
        key = path.read_bytes()
    except OSError as error:
        raise LedgerError(f"{path} can't be read ({error}). {_CLOSED} {_RESTORE}.") from None
    if len(key) != _KEY_BYTES:
        raise LedgerError(
            f"{path} is damaged: {len(key)} bytes, {_KEY_BYTES} expected. {_CLOSED} {_RESTORE}."
        )
    return key


@contextmanager
def connected(folder: Path, key: bytes, how: str) -> Iterator[sqlite3.Connection]:
    """Open the ledger for one transaction, `DEFERRED` or `IMMEDIATE`, and end it.

    Each use opens the file anew: what was put in its place, taken away or zeroed is seen, and neither threads nor
    forked processes share a connection.

    Raises:
        LedgerError: it can't be read or written, or is not the one of the key.
    """
    path = folder / FILE
    try:
        where = f"file:{quote(str(path.absolute()))}?mode=rw"
        with closing(sqlite3.connect(where, uri=True, isolation_level=None, timeout=BUSY)) as base:
            base.execute("PRAGMA secure_delete = ON")
            base.execute("PRAGMA synchronous = FULL")
            base.execute(f"BEGIN {how}")
            _check(base, path, key)
            yield base
            base.execute("COMMIT")
    except sqlite3.Error as error:
        raise _explained(error, path) from None


def note_run(folder: Path, run_id: str, *, is_open: bool) -> None:
    """Keep of a run whether it is open: it is missed then, should its journal go.

    A ledger that can't be written is told by what may not go on without it.
    """
    sql = "INSERT OR IGNORE INTO runs VALUES (?)" if is_open else "DELETE FROM runs WHERE run_id = ?"
    with suppress(LedgerError), connected(folder, ledger_key(folder), "IMMEDIATE") as base:
        base.execute(sql, (run_id,))


def open_runs(folder: Path) -> list[str]:
    """Return the runs that are open, as far as the ledger knows."""
    with connected(folder, ledger_key(folder), "DEFERRED") as base:
        return [run_id for (run_id,) in base.execute("SELECT run_id FROM runs")]


def _check(base: sqlite3.Connection, path: Path, key: bytes) -> None:
    if base.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise LedgerError(f"{path} is damaged, or no ledger of sendblue_data. {_CLOSED} {_RESTORE}.")
    version = base.execute("PRAGMA user_version").fetchone()[0]
    if version != VERSION:
        raise LedgerError(
            f"{path} is of version {version}, {VERSION} is read here: use the sendblue_data that wrote it. {_CLOSED}"
        )
    found = base.execute("SELECT value FROM meta WHERE name = 'key'").fetchone()
    if found is None or not hmac.compare_digest(found[0], _proof(key)):
        raise LedgerError(f"{path.with_name(KEY_FILE)} is not the key of {FILE}. {_CLOSED} {_RESTORE}.")


def _proof(key: bytes) -> bytes:
    return hmac.digest(key, b"the key of this ledger", "sha256")


def _explained(error: sqlite3.Error, path: Path) -> LedgerError:
    if "locked" in str(error) or "busy" in str(error):
        return LedgerError(f"{path} is in use by another process; wait for it to end. {_CLOSED}")
    if any(words in str(error) for words in ("unable to open", "readonly", "full", "disk I/O")):
        return LedgerError(
            f"{path} can't be read or written ({error}). {_CLOSED} Free the disk, or let this user read and write it; "
            f"if it is gone, restore {FILE} and {KEY_FILE} from a backup."
        )
    return LedgerError(f"{path} is damaged ({error}). {_CLOSED} {_RESTORE}.")
