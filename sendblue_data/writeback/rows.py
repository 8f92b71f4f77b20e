"""One row of a run: what is to happen to one contact, and what has."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, Literal, get_args

import msgspec

from sendblue_data.writeback.fields import Contact, retagged, same

Action = Literal["create", "update", "delete", "verify", "unchanged", "absent", "invalid"]
Kind = Literal["create", "delete", "update", "opt_out", "verify", "undo"]
Status = Literal["created", "updated", "unchanged", "deleted", "absent", "invalid", "rejected", "unknown"]
STATUSES: tuple[Status, ...] = get_args(Status)
OUTCOME: dict[Action, Status] = {
    "create": "created",
    "update": "updated",
    "delete": "deleted",
    "verify": "updated",
    "unchanged": "unchanged",
    "absent": "absent",
    "invalid": "invalid",
}
"""The status that a row ends with when all goes well."""
WRONG_CLOCK = 86_400.0
"""Seconds by which the clock of a machine may be wrong."""
WRITES = ("create", "update", "delete", "verify")
"""Actions that send something."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """How a plan is made and run; kept in the journal, so that a resumed run goes on in the same way."""

    chunk_size: int = 500
    on_conflict: Literal["update", "skip", "refuse", "ours", "theirs"] = "update"
    opt_back_in: bool = False
    opted_out: bool = True
    columns: tuple[str, ...] = ()
    longest_variable: int = 1_000
    allow_unknown: bool = False
    tags: Literal["add", "replace", "keep"] = "add"
    replace: bool = False
    clear: tuple[str, ...] = ()


@dataclass(slots=True, kw_only=True)
class Row:
    """One row of a plan, and of its run.

    Attributes:
        pos: position in the caller's frame, or the row's number in an imported list.
        phone: as the caller gave it.
        action: what is to happen.
        wanted: the fields to write.
        add_tags: tags to add to those that the contact has when it is written; `wanted` holds the sum (see `retag`).
        remove_tags: tags to take from those that it has then.
        before: the contact as it was in the account before, None where it wasn't.
        detail: why, or what the caller should know.
        opted_out: what is known of the number's opt-out; later runs keep to it.
        done: the outcome is known, or never will be.
        sent: a request that may have taken effect went out for this row.
        answered: the last such request was answered well.
        tries: requests that failed or had no effect.
        conflicts: requests that were refused since some contact exists.
        alone: it is to be sent in a request of its own, and its fields one by one.
        created_by_run: this run created it; what a bulk create can't carry may still be missing.
        sent_at: when the last request for it was sent, or given up without an answer; epoch seconds.
        unanswered: requests that were sent for it and not answered: they may still take effect.
        last_error: what went wrong last.
        status: the outcome.
        request_id: the last request that went out for it.
        left: the contact as the run left it.
        left_at: `sent_at` by the monotonic clock, which nobody sets; kept in no journal, as are the next two.
        asked: the fields that its last request carried.
        echo: the contact as the answer to that request showed it.
    """

    pos: int
    phone: str | None
    action: Action
    wanted: Contact = field(default_factory=dict)
    add_tags: tuple[str, ...] = ()
    remove_tags: tuple[str, ...] = ()
    before: Contact | None = None
    detail: str = ""
    opted_out: bool | None = None
    done: bool = False
    sent: bool = False
    answered: bool = False
    tries: int = 0
    conflicts: int = 0
    alone: bool = False
    created_by_run: bool = False
    sent_at: float | None = None
    unanswered: int = 0
    last_error: str = ""
    status: Status | None = None
    request_id: str | None = None
    left: Contact | None = None
    left_at: float | None = None
    asked: tuple[str, ...] = ()
    echo: Contact | None = None

    @property
    def number(self) -> str:
        """The phone of a row that is not invalid, as the account spells it."""
        if self.phone is None:
            raise ValueError("A row without a phone is never sent.")
        return str((self.before or {}).get("phone") or self.phone)

    def note_sent(self) -> None:
        """Note that a request for it leaves, or is given up without an answer, just now."""
        self.sent_at, self.left_at = time.time(), time.monotonic()

    def take_over(self) -> None:
        """Find out when the last request of another process left, by a clock that may have been set since.

        A machine's clock may be hours wrong until something sets it: of a request of less than a day ago it is not
        believed that its time is over.
        """
        age = time.time() - (self.sent_at or 0.0)
        self.left_at = time.monotonic() - (age if age > WRONG_CLOCK else 0.0)

    def in_flight_for(self, timeout: float) -> float:
        """Return the seconds until nothing that was sent for it can take effect any more."""
        if not self.unanswered:
            return 0.0
        left_for = (
            time.time() - (self.sent_at or 0.0) if self.left_at is None else time.monotonic() - self.left_at
        )
        # A clock that was set back since makes nothing last longer than it can.
        return min(max(timeout - left_for, 0.0), timeout)

    def finish(self, status: Status, detail: str = "", left: Contact | None = None) -> None:
        """Set the outcome; what was said before is kept."""
        self.done = True
        self.status = status
        self.left = left
        self.note(detail)
        wanted = self.wanted.get("opt_out")
        if wanted is True or (self.opted_out and wanted is None):
            self.opted_out = True  # whether or not the account took it, or shows it: nobody may forget it
        elif left is not None and left.get("opt_out") is not None:
            self.opted_out = left["opt_out"]

    def retag(self, there: Contact) -> None:
        """Work out the tags to write from those that the contact has now, where they are added to or taken from.

        Nobody else's tags are touched so, and an undo brings back what was there when they were written.
        """
        if self.before is None or not (self.add_tags or self.remove_tags):
            return
        held = there.get("tags")
        wanted = retagged(held, self.add_tags, self.remove_tags)
        if not same("tags", wanted, held):
            self.before = {**self.before, "tags": held}
        self.wanted["tags"] = wanted

    def note(self, detail: str) -> None:
        """Add to the detail, once."""
        if detail and detail not in self.detail:
            self.detail = f"{self.detail}; {detail}" if self.detail else detail


def pieces_of(rows: list[Row], size: int) -> list[list[Row]]:
    """Cut rows into pieces of a size, the last one smaller."""
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def without(rows: list[Row], others: list[Row]) -> list[Row]:
    """Return the rows that are not among others."""
    positions = {row.pos for row in others}
    return [row for row in rows if row.pos not in positions]


ROWS_TABLE = """
CREATE TABLE rows (
    pos INTEGER PRIMARY KEY, phone TEXT, action TEXT NOT NULL, wanted TEXT NOT NULL, before TEXT,
    detail TEXT NOT NULL, opted_out INTEGER, done INTEGER NOT NULL, sent INTEGER NOT NULL,
    answered INTEGER NOT NULL, tries INTEGER NOT NULL, conflicts INTEGER NOT NULL, alone INTEGER NOT NULL,
    created_by_run INTEGER NOT NULL, last_error TEXT NOT NULL, status TEXT, request_id TEXT, left TEXT,
    sent_at REAL, unanswered INTEGER NOT NULL DEFAULT 0, add_tags TEXT NOT NULL DEFAULT '[]',
    remove_tags TEXT NOT NULL DEFAULT '[]'
);
"""
_COLUMNS = (
    "pos", "phone", "action", "wanted", "before", "detail", "opted_out", "done", "sent", "answered", "tries",
    "conflicts", "alone", "created_by_run", "last_error", "status", "request_id", "left",
    "sent_at", "unanswered", "add_tags", "remove_tags",
)  # fmt: skip
_JSON = ("wanted", "before", "left", "add_tags", "remove_tags")
_JSON_PLACES = [_COLUMNS.index(name) for name in _JSON]
_FLAGS = ("done", "sent", "answered", "alone", "created_by_run", "opted_out")
SAVE = f"INSERT OR REPLACE INTO rows VALUES ({', '.join('?' * len(_COLUMNS))})"  # noqa: S608 -- marks only
LOAD = f"SELECT {', '.join(_COLUMNS)} FROM rows"  # noqa: S608 -- names of ours
_values_of = attrgetter(*_COLUMNS)
_encode = msgspec.json.encode


def record(row: Row) -> list[Any]:
    """Return the values of a row, in the order of the table."""
    values = list(_values_of(row))
    for place in _JSON_PLACES:
        if values[place] is not None:
            values[place] = _encode(values[place]).decode()
    return values


def row_of(kept: tuple[Any, ...]) -> Row:
    """Return the row of what was kept."""
    values = dict(zip(_COLUMNS, kept, strict=True))
    for name in _JSON:
        values[name] = None if values[name] is None else msgspec.json.decode(values[name])
    for name in _FLAGS:
        values[name] = None if values[name] is None else bool(values[name])
    values["add_tags"], values["remove_tags"] = tuple(values["add_tags"]), tuple(values["remove_tags"])
    return Row(**values)
