"""The journal of one run: a SQLite file that knows, at any moment, what may have been sent.

Every request is written down before it is sent, and its answer before the next step. A run that is killed
at any point can so be taken up: rows that were never sent are sent, rows that may have been are asked for.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import msgspec
from filelock import FileLock, Timeout

from sendblue_data._shared.files import OWNER_ONLY, make_folder, sync_folder
from sendblue_data.errors import JournalError
from sendblue_data.writeback.ledger_file import FILE, note_run
from sendblue_data.writeback.rows import LOAD, ROWS_TABLE, SAVE, Row, record, row_of

APPLICATION_ID = 0x53424A31
"""Marks the file as ours ("SBJ1"), in SQLite's header."""
VERSION = 3
SUFFIX = ".sqlite3"
QUIET = 60.0
"""Seconds for which a request that was not answered may still take effect, where the run does not say."""
HAS_LEDGER = "has_ledger"
"""What a journal says of itself that was written beside a ledger: without that, its folder has lost one."""
_PARTIAL = ".partial"

_TABLES = f"""
{ROWS_TABLE}CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE requests (
    id TEXT PRIMARY KEY, kind TEXT NOT NULL, contacts INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('sent', 'answered', 'refused', 'lost', 'confirmed')),
    note TEXT NOT NULL, at REAL NOT NULL, ended_at REAL, rows TEXT
);
"""
ERASED = "erased"
"""The detail of a row whose person was erased."""
SAID = "SELECT note FROM requests UNION SELECT detail FROM rows UNION SELECT last_error FROM rows"
"""What a server said, wherever it is kept."""
_THEIR_REQUESTS = """
SELECT id FROM requests WHERE EXISTS (SELECT 1 FROM json_each(requests.rows) WHERE value = :pos)
OR id = (SELECT request_id FROM rows WHERE pos = :pos)
"""
_FORGET_NOTES = f"UPDATE requests SET note = '' WHERE id IN ({_THEIR_REQUESTS})"  # noqa: S608 -- of ours
_FORGET_ROW = f"""
UPDATE rows SET phone = NULL, wanted = '{{}}', before = NULL, left = NULL, detail = '{ERASED}', last_error = '',
opted_out = NULL WHERE pos = :pos
"""  # noqa: S608 -- of ours
_NEEDED = {"kind", "account", "started", "options"}
_DAMAGE = (
    *(sqlite3.Error, msgspec.MsgspecError, LookupError, TypeError, ValueError),
    *(MemoryError, RecursionError),  # a length or a nesting that no journal of ours has
)
"""What reading a journal raises whose texts were damaged in a way that SQLite does not notice."""
_encode = msgspec.json.encode
_decode = msgspec.json.decode


class UnavailableJournalError(JournalError):
    """The file seems whole and can't be used just now: a full disk, no permission, another process."""


class Journal:
    """The open journal of a run. One process at a time may hold it; threads may share it.

    Opened by its path, or made by `create`; close it, or use it as a context manager.

    Attributes:
        path: the file.
        run_id: the run, which is the file's name.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.run_id = path.name.removesuffix(SUFFIX)
        self._lock = threading.Lock()
        self._base = _connect(path)
        self._holder: FileLock | None = None
        try:
            _check_ours(self._base, path)
            _check_whole(self._base, path)
            self._holder = _hold(path)
            self._base.execute("PRAGMA journal_mode = WAL")
            self._base.execute("PRAGMA synchronous = FULL")
            self._base.execute("PRAGMA secure_delete = ON")
            self._requests = self._base.execute("SELECT count(*) FROM requests").fetchone()[0]
        except (JournalError, OSError, *_DAMAGE) as error:
            self.close()
            raise _explained(error, path) from None

    @classmethod
    def create(cls, folder: Path, run_id: str, meta: Mapping[str, Any], rows: Iterable[Row]) -> Self:
        """Write a new run down, whole or not at all, and open it."""
        path = folder / f"{run_id}{SUFFIX}"
        partial = folder / f"{run_id}{_PARTIAL}"
        try:
            make_folder(folder)
            remove_leftovers(folder)
            holder = _hold(path)  # so that nobody takes what is half written for a leftover
            # Made here, for the owner alone; SQLite gives its side files the same permissions.
            os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_RDWR, OWNER_ONLY))
            with closing(sqlite3.connect(partial, isolation_level=None)) as base:
                base.execute("PRAGMA synchronous = FULL")
                base.executescript(
                    f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION};"
                    f"BEGIN; {_TABLES}"
                )
                base.executemany(SAVE, (record(row) for row in rows))
                base.executemany(
                    "INSERT INTO meta VALUES (?, ?)",
                    (
                        (name, _encode(value).decode())
                        for name, value in (*meta.items(), (HAS_LEDGER, (folder / FILE).exists()))
                    ),
                )
                base.execute("COMMIT")
            partial.replace(path)
            holder.release()
            sync_folder(folder)
            note_run(folder, run_id, is_open=True)
        except (OSError, sqlite3.Error) as error:
            _discard(partial)
            raise JournalError(
                f"The journal can't be written to {folder} ({error}); nothing was sent. Free the disk "
                "or pass journal_dir= with a folder that can be written."
            ) from None
        return cls(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file, so that another process may take the run up."""
        with self._lock:
            self._base.close()
            if self._holder is not None:
                self._holder.release()

    # What it holds

    def meta(self) -> dict[str, Any]:
        """Return what is known of the run: kind, account, options, moments."""
        with self._guarded() as base:
            return read_meta(base)

    def rows(self) -> list[Row]:
        """Return every row, in the order of the caller's frame."""
        with self._guarded() as base:
            return [row_of(kept) for kept in base.execute(f"{LOAD} ORDER BY pos")]

    def phones(self) -> list[tuple[int, str]]:
        """Return each row's position and phone, of those that have one."""
        with self._guarded() as base:
            return base.execute("SELECT pos, phone FROM rows WHERE phone IS NOT NULL").fetchall()

    def timeout(self) -> float:
        """Return the seconds for which a request of the run that was not answered may still take effect."""
        with self._guarded() as base:
            return float(read_meta(base).get("timeout", QUIET))

    def in_flight(self) -> list[tuple[Row, float]]:
        """Return the rows whose request may still take effect, with the seconds until it no longer can."""
        timeout = self.timeout()
        with self._guarded() as base:
            unanswered = [row_of(kept) for kept in base.execute(f"{LOAD} WHERE unanswered > 0")]
        left = [(row, row.in_flight_for(timeout)) for row in unanswered]
        return [(row, seconds) for row, seconds in left if seconds > 0]

    # What happens

    def sending(self, kind: str, rows: list[Row], *, is_main: bool = True) -> str:
        """Write down that a request, or one for each of the rows, is about to be sent.

        Args:
            kind: what is sent.
            rows: what it is sent for.
            is_main: the rows get its id.

        Returns:
            Its id.
        """
        with self._guarded() as base:
            self._requests += 1
            request_id = f"{self.run_id}-{self._requests:05}"
            for row in rows:
                if is_main or row.request_id is None:
                    row.request_id = request_id
            base.execute("BEGIN")
            base.execute(
                "INSERT INTO requests VALUES (?, ?, ?, 'sent', '', ?, NULL, ?)",
                (request_id, kind, len(rows), time.time(), _encode([row.pos for row in rows]).decode()),
            )
            base.executemany(SAVE, [record(row) for row in rows])
            base.execute("COMMIT")
            return request_id

    def answered(self, request_id: str, state: str, note: str, rows: list[Row]) -> None:
        """Write down how it ended: `answered`, `refused` or `lost`."""
        with self._guarded() as base:
            base.execute("BEGIN")
            base.execute(
                "UPDATE requests SET state = ?, note = ?, ended_at = ? WHERE id = ?",
                (state, note, time.time(), request_id),
            )
            base.executemany(SAVE, [record(row) for row in rows])
            base.execute("COMMIT")

    def save(self, rows: list[Row], **meta: Any) -> None:
        """Write rows down as they are now; requests that were answered and have no open row become `confirmed`.

        One that was not answered stays as it is: it may take effect yet.
        """
        with self._guarded() as base:
            base.execute("BEGIN")
            base.executemany(SAVE, [record(row) for row in rows])
            base.executemany(
                "INSERT OR REPLACE INTO meta VALUES (?, ?)",
                [(name, _encode(value).decode()) for name, value in meta.items()],
            )
            base.execute(
                "UPDATE requests SET state = 'confirmed' WHERE state = 'answered' AND id NOT IN "
                " (SELECT request_id FROM rows WHERE done = 0 AND request_id IS NOT NULL)"
            )
            base.execute("COMMIT")
        if meta.keys() & {"finished", "undone_by"}:
            note_run(self.path.parent, self.run_id, is_open=False)

    def erase(self, rows: Iterable[int], is_theirs: Callable[[str], bool]) -> None:
        """Leave nothing of some rows but their outcome, nor what was said of them elsewhere; no byte of it stays.

        Args:
            rows: their positions.
            is_theirs: tells of a text, such as a server's message, whether it speaks of them.
        """
        with self._guarded() as base:
            base.execute("BEGIN")
            base.create_function("is_theirs", 1, lambda text: bool(text) and is_theirs(text))
            # What a server said of a request may name anybody in it.
            for pos in rows:
                base.execute(_FORGET_NOTES, {"pos": pos})
                base.execute(_FORGET_ROW, {"pos": pos})
            base.execute("UPDATE requests SET note = '' WHERE is_theirs(note)")
            base.execute("UPDATE rows SET last_error = '' WHERE is_theirs(last_error)")
            base.execute("UPDATE rows SET detail = ? WHERE is_theirs(detail)", (ERASED,))
            base.execute("COMMIT")
            base.execute("VACUUM")
            base.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    @contextmanager
    def _guarded(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                yield self._base
            except _DAMAGE as error:
                if self._base.in_transaction:
                    self._base.execute("ROLLBACK")
                raise _explained(error, self.path) from None


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a journal to read it only, beside whoever holds it."""
    with closing(_connect(path)) as base:
        try:
            _check_ours(base, path)
            yield base
        except _DAMAGE as error:
            raise _explained(error, path) from None


def read_meta(base: sqlite3.Connection) -> dict[str, Any]:
    """Return what a journal says of its run; raises LookupError where it lacks something."""
    found = {name: _decode(value) for name, value in base.execute("SELECT name, value FROM meta")}
    if missing := _NEEDED - found.keys():
        raise LookupError(f"it does not say {min(missing)}")
    return found


def _hold(path: Path) -> FileLock:
    """Hold the run until the process ends, however it ends: one process at a time takes a run up.

    On a file beside the journal, since what SQLite locks a journal by is lost as soon as anything in the process
    that opened the file again closes it.
    """
    lock = FileLock(path.with_suffix(".lock"), timeout=0, mode=OWNER_ONLY)
    try:
        lock.acquire()
    except Timeout:
        raise UnavailableJournalError(
            f"The run {path.name.removesuffix(SUFFIX)!r} is in use by another process, or elsewhere in this one; "
            "wait for it to end."
        ) from None
    return lock


def _connect(path: Path) -> sqlite3.Connection:
    try:
        if path.is_file():
            return sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=0.5)
    except (OSError, sqlite3.Error) as error:
        raise _explained(error, path) from None
    raise JournalError(
        f"There is no run {path.name.removesuffix(SUFFIX)!r} in {path.parent}: see list_runs()."
    )


def _check_ours(base: sqlite3.Connection, path: Path) -> None:
    if base.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise JournalError(f"{path} is not a journal of sendblue_data; it was left as it is.")
    version = base.execute("PRAGMA user_version").fetchone()[0]
    if version != VERSION:
        raise JournalError(
            f"{path} is of version {version}, {VERSION} is read here: use the sendblue_data that wrote it."
        )


def _check_whole(base: sqlite3.Connection, path: Path) -> None:
    found = base.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise JournalError(f"{path} is damaged ({found}); it was left as it is. Nothing was sent.")


def _explained(error: BaseException, path: Path) -> BaseException:
    if isinstance(error, OSError):
        return UnavailableJournalError(f"The journal {path} can't be used ({error}).")
    if not isinstance(error, _DAMAGE):
        return error
    if "locked" in str(error) or "busy" in str(error):
        return UnavailableJournalError(
            f"The run {path.name.removesuffix(SUFFIX)!r} is in use by another process; wait for it to end."
        )
    # Of a table that is gone SQLite tells by the same error.
    if isinstance(error, sqlite3.OperationalError) and "no such" not in str(error):
        return UnavailableJournalError(
            f"The journal {path} can't be written or read ({error}). What was sent is in it; "
            "free the disk, then resume the run."
        )
    why = str(error) or type(error).__name__
    return JournalError(f"{path} is damaged or no journal of sendblue_data ({why}); it was left as it is.")


def remove_leftovers(folder: Path) -> None:
    """Remove journals that never became one, since their process was killed; one that is being written stays."""
    for path in folder.glob(f"*{_PARTIAL}"):
        with suppress(JournalError):
            lock = _hold(path.with_suffix(SUFFIX))
            _discard(path)
            lock.release()
            _remove(path.with_suffix(".lock"))


def _discard(partial: Path) -> None:
    _remove(partial, partial.with_name(f"{partial.name}-journal"))


def _remove(*paths: Path) -> None:
    for path in paths:
        with suppress(OSError):  # the next run tries again
            path.unlink()
