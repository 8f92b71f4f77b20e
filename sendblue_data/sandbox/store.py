"""The sandbox's account: contacts in SQLite, each kept as the JSON that lists answer with."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from sendblue_data.errors import ConfigurationError
from sendblue_data.sandbox.fields import FIELDS, Contact, whole

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 -- moments are kept as UTC without an offset
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode

_TABLES = """
CREATE TABLE contacts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    contact_id TEXT NOT NULL,
    phone TEXT,
    created_at TEXT,
    body TEXT NOT NULL
);
CREATE TABLE opt_outs (phone TEXT PRIMARY KEY, opted_out INTEGER NOT NULL);
"""
# Made after the first contacts are in: a million rows take half the time.
_INDEXES = (
    "CREATE UNIQUE INDEX by_contact_id ON contacts (contact_id)",
    "CREATE UNIQUE INDEX by_phone ON contacts (phone)",
    "CREATE INDEX by_created_at ON contacts (created_at, id)",
)
_COLUMNS = {"contact_id", "phone", "created_at"}
_UNKNOWN_LEFT_OUT = ("custom_variables", "tags")
_ENDS = {
    "ms": ('.123456Z"}', 4, 'Z"}'),
    "s": ('.123456Z"}', 0, 'Z"}'),
    "day": ('T08:30:00.123456Z"}', 0, 'T00:00:00.000Z"}'),
}
"""For each precision of `created_at` how the JSON ends, how much of that is kept, and what comes after it."""


class Change(NamedTuple):
    """What a transaction did to one contact: the phone that it had before, and what the table holds of it now."""

    phone: str | None
    record: tuple[Any, ...] | None


def moment(value: str | datetime | None) -> str | None:
    """Return a moment as the store keeps it: UTC, microseconds, fixed width, so that text sorts as time.

    Args:
        value: ISO 8601 with any offset or `Z`, a datetime, or None. Without an offset it is UTC.

    Raises:
        ValueError: the text is not ISO 8601, or outside the years 1 to 9999 in UTC.

    Example:
        >>> moment("2025-03-01T09:30:00.25+01:00")
        '2025-03-01T08:30:00.250000'
    """
    if value is None:
        return None
    try:
        when = datetime.fromisoformat(value) if isinstance(value, str) else value
        if when.tzinfo is not None:
            when = when.astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):
        raise ValueError(f"{value!r} is not an ISO 8601 date and time.") from None
    return when.isoformat(timespec="microseconds")


class Store:
    """Contacts and opt-out records, shared by the server's thread and the test's.

    A private SQLite file, which the system removes by itself (memory first, disk when it grows).
    """

    def __init__(self, rows: Iterable[Mapping[str, Any]], *, seed: int) -> None:
        self.lock = threading.RLock()
        self._random = Random(f"store {seed}")  # noqa: S311 -- reproducible, not secret
        self._last_moment = 0
        self._indexed: set[str] = set()
        self.on_commit: Callable[[list[Change], bool], None] | None = None
        self._touched: list[tuple[str | None, int | None]] = []
        self._base = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        try:
            self._base.executescript(
                "PRAGMA journal_mode=MEMORY; PRAGMA synchronous=OFF; PRAGMA cache_size=-200000; "
                "PRAGMA temp_store=MEMORY;" + _TABLES
            )
            self.add(rows)
            with self.transaction():
                for statement in _INDEXES:
                    self._base.execute(statement)
        except BaseException:  # contacts that are refused
            self._base.close()
            raise

    def close(self) -> None:
        """Let go of the database."""
        with self.lock:
            self._base.close()

    def replace(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Forget everything, opt-out records too, and start from these contacts."""
        with self.transaction():
            for table in ("contacts", "opt_outs", "sqlite_sequence"):
                self._base.execute(f"DELETE FROM {table}")  # noqa: S608 -- names of ours
            self.add(rows)

    # Whole accounts, behind the API's back

    def add(self, rows: Iterable[Mapping[str, Any]]) -> int:
        """Insert contacts as they are given, fields that are missing null, and count them.

        Raises:
            ConfigurationError: a field is unknown, or a phone or contact_id is there already.
        """
        with self.transaction():
            before = self.count()
            (last,) = self._base.execute("SELECT coalesce(max(id), 0) FROM contacts").fetchone()
            self._base.executemany(
                "INSERT INTO contacts (contact_id, phone, created_at, body) VALUES (?, ?, ?, ?)",
                (self._record(self._whole(row, number)) for number, row in enumerate(rows)),
            )
            if self.on_commit is not None:
                self._touched += self._base.execute("SELECT phone, id FROM contacts WHERE id > ?", (last,))
            return self.count() - before

    def rows(self) -> list[Contact]:
        """Every contact in order of insertion, with every field; `created_at` ISO 8601 with `Z`."""
        with self.lock:
            return [
                whole(_decode(body))
                for (body,) in self._base.execute("SELECT body FROM contacts ORDER BY id")
            ]

    def contact_ids(self) -> list[str]:
        """Every contact's id."""
        with self.lock:
            return [contact_id for (contact_id,) in self._base.execute("SELECT contact_id FROM contacts")]

    def count(self) -> int:
        """Count the contacts."""
        with self.lock:
            return int(self._base.execute("SELECT count(*) FROM contacts").fetchone()[0])

    def some_phones(self, number: int) -> list[str]:
        """Pick phones of that many contacts, seeded, spread over the account."""
        with self.lock:
            first, last = self._base.execute(
                "SELECT coalesce(min(id), 1), coalesce(max(id), 0) FROM contacts"
            ).fetchone()
            picked: set[str] = set()
            for _ in range(number if last >= first else 0):
                start = self._random.randint(first, last)
                found = self._base.execute(
                    "SELECT phone FROM contacts WHERE id >= ? AND phone IS NOT NULL ORDER BY id LIMIT 1",
                    (start,),
                ).fetchone()
                picked.update(found or ())
            return sorted(picked)

    def opt_out_records(self) -> dict[str, bool]:
        """Opt-outs kept by number, whether or not a contact has it."""
        with self.lock:
            return {
                phone: bool(out) for phone, out in self._base.execute("SELECT phone, opted_out FROM opt_outs")
            }

    def copy_to(self, other: Store) -> None:
        """Make another store the same as this one."""
        with self.lock:
            self._base.backup(other._base)
            other._indexed = set(self._indexed)

    def put(self, change: Change) -> None:
        """Do what a transaction on the origin of this copy did to one contact."""
        if change.record is None:
            self._base.execute("DELETE FROM contacts WHERE phone = ?", (change.phone,))
        else:
            self._base.execute("INSERT OR REPLACE INTO contacts VALUES (?, ?, ?, ?, ?)", change.record)

    # One contact

    def get(self, phone: str) -> Contact | None:
        """Return the contact with this phone."""
        with self.lock:
            found = self._base.execute("SELECT body FROM contacts WHERE phone = ?", (phone,)).fetchone()
            return whole(_decode(found[0])) if found else None

    def insert(self, contact: Mapping[str, Any], *, created_at: str) -> Contact:
        """Create a contact, with a fresh id, not verified, and opted out if its number is known to be."""
        with self.transaction():
            known = self._base.execute(
                "SELECT opted_out FROM opt_outs WHERE phone = ?", (contact["phone"],)
            ).fetchone()
            fresh = {
                "opt_out": bool(known and known[0]),
                "verified": False,
                **contact,
                "created_at": created_at,
            }
            contact = self._whole(fresh, 0)
            done = self._base.execute(
                "INSERT INTO contacts (contact_id, phone, created_at, body) VALUES (?, ?, ?, ?)",
                self._record(contact),
            )
            self._touched.append((contact["phone"], done.lastrowid))
            return contact

    def change(self, phone: str, fields: Mapping[str, Any]) -> Contact:
        """Set fields of a contact that exists, any of them, and give it whole."""
        with self.transaction():
            contact = self.get(phone)
            if contact is None:
                raise ConfigurationError(f"The sandbox has no contact {phone!r} to change.")
            contact = self._whole({**contact, **fields}, 0)
            ((row_id,),) = self._base.execute(
                "UPDATE contacts SET contact_id = ?, phone = ?, created_at = ?, body = ? WHERE phone = ? RETURNING id",
                (*self._record(contact), phone),
            ).fetchall()
            self._touched.append((phone, row_id))
            return contact

    def remove(self, phones: Iterable[str], *, remember_opt_outs: bool) -> int:
        """Delete contacts by phone and count those that were there."""
        removed = 0
        with self.transaction():
            for phone in phones:
                contact = self.get(phone)
                if contact is None:
                    continue
                removed += 1
                self._base.execute("DELETE FROM contacts WHERE phone = ?", (phone,))
                self._touched.append((phone, None))
                if not remember_opt_outs:
                    self._base.execute("DELETE FROM opt_outs WHERE phone = ?", (phone,))
                elif contact["opt_out"] is not None:
                    self.record_opt_out(phone, opted_out=contact["opt_out"])
        return removed

    def record_opt_out(self, phone: str, *, opted_out: bool) -> None:
        """Keep a number's opt-out, for its contact now (if there is one) and for those to come."""
        with self.lock:
            self._base.execute("INSERT OR REPLACE INTO opt_outs VALUES (?, ?)", (phone, opted_out))

    # Lists

    def page(
        self,
        *,
        limit: int,
        offset: int,
        order_by: str | None,
        descending: bool,
        nulls: str,
        shuffled: bool,
        created_from: str | None = None,
        phone: str | None = None,
        contact_id: str | None = None,
        digits: str = "us",
        with_id: bool = True,
    ) -> bytes:
        """Return one page of contacts as the JSON array that the API answers with."""
        filters: dict[str, str] = {}
        if created_from is not None:
            filters["created_at >= ?"] = created_from
        if phone is not None:
            filters["phone = ?"] = phone
        if contact_id is not None:
            filters["contact_id = ?"] = contact_id
        where = f"WHERE {' AND '.join(filters)}" if filters else ""
        with self.lock:
            order = self._order(order_by, descending=descending, nulls=nulls, shuffled=shuffled)
            # Every piece of this statement is one of ours; what the caller sent goes in as parameters.
            statement = (
                f"SELECT CAST({_body(digits, with_id=with_id)} AS BLOB) FROM contacts "  # noqa: S608
                f"{where} ORDER BY {order} LIMIT ? OFFSET ?"
            )
            found = self._base.execute(statement, (*filters.values(), limit, offset))
            return b"[" + b",".join([body for (body,) in found]) + b"]"

    def _order(self, order_by: str | None, *, descending: bool, nulls: str, shuffled: bool) -> str:
        way = "DESC" if descending else "ASC"
        tie = f"(id * {self._random.randrange(1, 1_000_003)}) % 1000003" if shuffled else f"id {way}"
        if order_by is None:
            return f"id {way}"
        key = order_by if order_by in _COLUMNS else f"json_extract(body, '$.{order_by}')"
        if order_by not in _COLUMNS | self._indexed:
            # Made when first asked for: an order over a large account would sort all of it for each page.
            self._base.execute(f"CREATE INDEX by_{order_by} ON contacts ({key}, id)")
            self._indexed.add(order_by)
        return f"{key} {way} NULLS {nulls.upper()}, {tie}"

    # Parts

    def now(self) -> str:
        """Return the moment, later than every one given before."""
        with self.lock:
            self._last_moment = max(time.time_ns() // 1000, self._last_moment + 1)
            return (_EPOCH + timedelta(microseconds=self._last_moment)).isoformat(timespec="microseconds")

    def _whole(self, row: Mapping[str, Any], number: int) -> Contact:
        if unknown := sorted(set(row).difference(FIELDS)):
            raise ConfigurationError(
                f"Row {number} has the field {unknown[0]!r}, which no contact has. "
                f"Fields are: {', '.join(FIELDS)}."
            )
        contact = {name: row.get(name) for name in FIELDS}
        try:
            created_at = moment(contact["created_at"])
        except ValueError as error:
            raise ConfigurationError(f"Row {number}, field created_at: {error}") from None
        contact["created_at"] = None if created_at is None else f"{created_at}Z"
        if contact["contact_id"] is None:
            contact["contact_id"] = str(UUID(int=self._random.getrandbits(128), version=4))
        return contact

    @staticmethod
    def _record(contact: Contact) -> tuple[Any, ...]:
        stamp = contact["created_at"]
        said = {
            name: value
            for name, value in contact.items()
            if value is not None or name not in _UNKNOWN_LEFT_OUT
        }
        return contact["contact_id"], contact["phone"], stamp and stamp[:-1], _encode(said).decode()

    @contextmanager
    def transaction(self, *, lagging: bool = False) -> Iterator[None]:
        """Do all of it or nothing; a transaction inside another is part of it.

        Args:
            lagging: a replica shows what is done here only after a while.

        Raises:
            ConfigurationError: two contacts would share a phone or a contact_id.
        """
        with self.lock:
            outermost = not self._base.in_transaction
            if outermost:
                self._base.execute("BEGIN")
                self._touched.clear()
            try:
                yield
            except BaseException as error:
                if outermost:
                    self._base.execute("ROLLBACK")
                if isinstance(error, sqlite3.IntegrityError):
                    raise ConfigurationError(
                        f"Two contacts of one account share a phone or contact_id: {error}."
                    ) from None
                raise
            if outermost:
                self._base.execute("COMMIT")
                if self.on_commit is not None:
                    self.on_commit(self._changes(), lagging)

    def _changes(self) -> list[Change]:
        """Say what the transaction did, each contact as it is now."""
        held = "SELECT * FROM contacts WHERE id = ?"  # and none has null for an id
        return [
            Change(phone, self._base.execute(held, (row_id,)).fetchone()) for phone, row_id in self._touched
        ]


def _body(digits: str, *, with_id: bool) -> str:
    """Return the SQL for a contact's JSON with so many digits of a second, with or without its id."""
    body = "body"
    if digits != "us":
        end, kept, then = _ENDS[digits]
        cut = f"substr(body, 1, length(body) - {len(end) - kept}) || '{then}'"
        body = f"CASE WHEN created_at IS NULL THEN body ELSE {cut} END"
    if not with_id:
        # It begins with {"contact_id":"...", and json_quote gives the id as it is written there.
        body = f"'{{' || substr({body}, length(json_quote(contact_id)) + 16)"
    return body
