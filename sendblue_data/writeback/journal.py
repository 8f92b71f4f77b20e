"""The journal of one run: a SQLite file that knows, at any moment, what may have been sent.

Every request is written down before it is sent, and its answer before the next step. A run that is killed
at any point can so be taken up: rows that were never sent are sent, rows that may have been are asked for.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import msgspec

from sendblue_data.errors import JournalError
from sendblue_data.files import OWNER_ONLY, OWNER_ONLY_FOLDER
from sendblue_data.writeback.rows import Row

APPLICATION_ID = 0x53424A31
"""Marks the file as ours ("SBJ1"), in SQLite's header."""
VERSION = 1
SUFFIX = ".sqlite3"
_PARTIAL = ".partial"
_STALE = 3600.0
"""Seconds after which a journal that never became one (its process was killed) is removed."""

_TABLES = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE rows (
    pos INTEGER PRIMARY KEY, phone TEXT, action TEXT NOT NULL, wanted TEXT NOT NULL, before TEXT,
    detail TEXT NOT NULL, opted_out INTEGER, done INTEGER NOT NULL, sent INTEGER NOT NULL,
    answered INTEGER NOT NULL, tries INTEGER NOT NULL, conflicts INTEGER NOT NULL, alone INTEGER NOT NULL,
    made INTEGER NOT NULL, last_error TEXT NOT NULL, status TEXT, request_id TEXT, left TEXT,
    add_tags TEXT NOT NULL DEFAULT '[]', remove_tags TEXT NOT NULL DEFAULT '[]'
);
CREATE TABLE requests (
    id TEXT PRIMARY KEY, kind TEXT NOT NULL, contacts INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('sent', 'answered', 'refused', 'lost', 'confirmed')),
    note TEXT NOT NULL, at REAL NOT NULL
);
"""
_COLUMNS = (
    "pos", "phone", "action", "wanted", "before", "detail", "opted_out", "done", "sent", "answered", "tries",
    "conflicts", "alone", "made", "last_error", "status", "request_id", "left", "add_tags",
    "remove_tags",
)  # fmt: skip
_FLAGS = ("done", "sent", "answered", "alone", "made")
_SAVE = f"INSERT OR REPLACE INTO rows VALUES ({', '.join('?' * len(_COLUMNS))})"  # noqa: S608 -- marks only
_LOAD = f"SELECT {', '.join(_COLUMNS)} FROM rows ORDER BY pos"  # noqa: S608 -- names of ours
_NEEDED = {"kind", "account", "started", "options"}
_DAMAGE = (
    *(sqlite3.Error, msgspec.MsgspecError, LookupError, TypeError, ValueError),
    *(MemoryError, RecursionError),  # a length or a nesting that no journal of ours has
)
"""What reading a journal raises whose texts were damaged in a way that SQLite does not notice."""
_encode = msgspec.json.encode
_decode = msgspec.json.decode


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
        self._holder: sqlite3.Connection | None = None
        try:
            _check_ours(self._base, path)
            _check_whole(self._base, path)
            self._holder = _hold(path)
            self._base.execute("PRAGMA journal_mode = WAL")
            self._base.execute("PRAGMA synchronous = FULL")
            self._requests = self._base.execute("SELECT count(*) FROM requests").fetchone()[0]
        except (JournalError, OSError, *_DAMAGE) as error:
            self.close()
            raise _explained(error, path) from None

    @classmethod
    def create(cls, folder: Path, run_id: str, meta: Mapping[str, Any], rows: Iterable[Row]) -> Self:
        """Write a new run down, whole or not at all, and open it.

        Raises:
            JournalError: the folder or the disk can't take it.
        """
        path = folder / f"{run_id}{SUFFIX}"
        partial = folder / f"{run_id}{_PARTIAL}"
        try:
            make_folder(folder)
            _remove_stale(folder)
            # Made here, for the owner alone; SQLite gives its side files the same permissions.
            os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_RDWR, OWNER_ONLY))
            base = sqlite3.connect(partial, isolation_level=None)
            try:
                base.execute("PRAGMA synchronous = FULL")
                base.executescript(
                    f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION};"
                    f"BEGIN; {_TABLES}"
                )
                base.executemany(_SAVE, (_record(row) for row in rows))
                base.executemany(
                    "INSERT INTO meta VALUES (?, ?)",
                    ((name, _encode(value).decode()) for name, value in meta.items()),
                )
                base.execute("COMMIT")
            finally:
                base.close()
            partial.replace(path)
            sync_folder(folder)
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
                self._holder.close()

    # What it holds

    def meta(self) -> dict[str, Any]:
        """Give what is known of the run: kind, account, options, moments."""
        with self._guarded() as base:
            found = {name: _decode(value) for name, value in base.execute("SELECT name, value FROM meta")}
            if missing := _NEEDED - found.keys():
                raise LookupError(f"it does not say {min(missing)}")
            return found

    def rows(self) -> list[Row]:
        """Give every row, in the order of the caller's frame."""
        with self._guarded() as base:
            return [_row(record) for record in base.execute(_LOAD)]

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
                "INSERT INTO requests VALUES (?, ?, ?, 'sent', '', ?)",
                (request_id, kind, len(rows), time.time()),
            )
            base.executemany(_SAVE, [_record(row) for row in rows])
            base.execute("COMMIT")
            return request_id

    def answered(self, request_id: str, state: str, note: str, rows: list[Row]) -> None:
        """Write down how it ended: `answered`, `refused` or `lost`."""
        with self._guarded() as base:
            base.execute("BEGIN")
            base.execute("UPDATE requests SET state = ?, note = ? WHERE id = ?", (state, note, request_id))
            base.executemany(_SAVE, [_record(row) for row in rows])
            base.execute("COMMIT")

    def save(self, rows: list[Row], **meta: Any) -> None:
        """Write rows down as they are now; requests of which no row is open become `confirmed`."""
        with self._guarded() as base:
            base.execute("BEGIN")
            base.executemany(_SAVE, [_record(row) for row in rows])
            base.executemany(
                "INSERT OR REPLACE INTO meta VALUES (?, ?)",
                [(name, _encode(value).decode()) for name, value in meta.items()],
            )
            base.execute(
                "UPDATE requests SET state = 'confirmed' WHERE state IN ('answered', 'lost', 'sent') AND id "
                "NOT IN (SELECT request_id FROM rows WHERE done = 0 AND request_id IS NOT NULL)"
            )
            base.execute("COMMIT")

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
    """Open a journal to read it only, beside whoever holds it.

    Raises:
        JournalError: it is no journal, or is damaged.
    """
    base = _connect(path)
    try:
        _check_ours(base, path)
        yield base
    except _DAMAGE as error:
        raise _explained(error, path) from None
    finally:
        base.close()


def make_folder(folder: Path) -> None:
    """Make the folder of journals, for its owner alone; one that is there keeps its permissions."""
    if not folder.is_dir():
        folder.mkdir(mode=OWNER_ONLY_FOLDER, parents=True, exist_ok=True)
        folder.chmod(OWNER_ONLY_FOLDER)


def _hold(path: Path) -> sqlite3.Connection:
    """Hold the run until the process ends, however it ends: one process at a time takes a run up.

    The lock is SQLite's, on an empty file beside the journal: on the journal itself it would keep others
    from reading what is known of opt-outs.
    """
    lock = path.with_suffix(".lock")
    os.close(os.open(lock, os.O_CREAT | os.O_RDWR, OWNER_ONLY))
    holder = sqlite3.connect(lock, isolation_level=None, check_same_thread=False, timeout=0)
    try:
        holder.execute("PRAGMA journal_mode = OFF")
        holder.execute("BEGIN EXCLUSIVE")
    except sqlite3.Error:
        holder.close()
        raise
    return holder


def _connect(path: Path) -> sqlite3.Connection:
    if not path.is_file():
        raise JournalError(
            f"There is no run {path.name.removesuffix(SUFFIX)!r} in {path.parent}: see list_runs()."
        )
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=0.5)


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
        return JournalError(f"The journal {path} can't be used ({error}).")
    if not isinstance(error, _DAMAGE):
        return error
    if "locked" in str(error) or "busy" in str(error):
        return JournalError(
            f"The run {path.name.removesuffix(SUFFIX)!r} is in use by another process; wait for it to end."
        )
    if isinstance(error, sqlite3.OperationalError):
        return JournalError(
            f"The journal {path} can't be written or read ({error}). What was sent is in it; free the "
            "disk, then resume the run."
        )
    why = str(error) or type(error).__name__
    return JournalError(f"{path} is damaged or no journal of sendblue_data ({why}); it was left as it is.")


def _record(row: Row) -> tuple[Any, ...]:
    return (
        row.pos,
        row.phone,
        row.action,
        _encode(row.wanted).decode(),
        None if row.before is None else _encode(row.before).decode(),
        row.detail,
        row.opted_out,
        row.done,
        row.sent,
        row.answered,
        row.tries,
        row.conflicts,
        row.alone,
        row.made,
        row.last_error,
        row.status,
        row.request_id,
        None if row.left is None else _encode(row.left).decode(),
        _encode(row.add_tags).decode(),
        _encode(row.remove_tags).decode(),
    )


def _row(record: tuple[Any, ...]) -> Row:
    values = dict(zip(_COLUMNS, record, strict=True))
    for name in ("wanted", "before", "left"):
        values[name] = None if values[name] is None else _decode(values[name])
    for name in ("add_tags", "remove_tags"):
        values[name] = tuple(_decode(values[name]))
    for name in _FLAGS:
        values[name] = bool(values[name])
    if values["opted_out"] is not None:
        values["opted_out"] = bool(values["opted_out"])
    return Row(**values)


def _remove_stale(folder: Path) -> None:
    for path in folder.glob(f"*{_PARTIAL}*"):
        with suppress(FileNotFoundError):  # another run began meanwhile, and made its journal of it
            if time.time() - path.stat().st_mtime > _STALE:
                _discard(path)


def _discard(path: Path) -> None:
    for one in (path, path.with_name(f"{path.name}-journal")):
        try:
            one.unlink(missing_ok=True)
        except OSError:
            continue  # the next run tries again


def sync_folder(folder: Path) -> None:
    """Make the new file's name last, as SQLite makes its contents last."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
