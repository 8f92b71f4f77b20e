"""A row of a run as SQLite keeps it."""

from __future__ import annotations

from typing import Any

import msgspec

from sendblue_data.writeback.rows import Row

ROWS_TABLE = """
CREATE TABLE rows (
    pos INTEGER PRIMARY KEY, phone TEXT, action TEXT NOT NULL, wanted TEXT NOT NULL, before TEXT,
    detail TEXT NOT NULL, opted_out INTEGER, done INTEGER NOT NULL, sent INTEGER NOT NULL,
    answered INTEGER NOT NULL, tries INTEGER NOT NULL, conflicts INTEGER NOT NULL, alone INTEGER NOT NULL,
    made INTEGER NOT NULL, last_error TEXT NOT NULL, status TEXT, request_id TEXT, left TEXT,
    sent_at REAL, unanswered INTEGER NOT NULL DEFAULT 0, add_tags TEXT NOT NULL DEFAULT '[]',
    remove_tags TEXT NOT NULL DEFAULT '[]'
);
"""
_COLUMNS = (
    "pos", "phone", "action", "wanted", "before", "detail", "opted_out", "done", "sent", "answered", "tries",
    "conflicts", "alone", "made", "last_error", "status", "request_id", "left",
    "sent_at", "unanswered", "add_tags", "remove_tags",
)  # fmt: skip
_FLAGS = ("done", "sent", "answered", "alone", "made")
SAVE = f"INSERT OR REPLACE INTO rows VALUES ({', '.join('?' * len(_COLUMNS))})"  # noqa: S608 -- marks only
LOAD = f"SELECT {', '.join(_COLUMNS)} FROM rows ORDER BY pos"  # noqa: S608 -- names of ours
_encode = msgspec.json.encode
_decode = msgspec.json.decode


def record(row: Row) -> tuple[Any, ...]:
    """Return the values of a row, in the order of the table."""
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
        row.sent_at,
        row.unanswered,
        _encode(row.add_tags).decode(),
        _encode(row.remove_tags).decode(),
    )


def row_of(values_kept: tuple[Any, ...]) -> Row:
    """Return the row of what was kept."""
    values = dict(zip(_COLUMNS, values_kept, strict=True))
    for name in ("wanted", "before", "left"):
        values[name] = None if values[name] is None else _decode(values[name])
    for name in _FLAGS:
        values[name] = bool(values[name])
    for name in ("add_tags", "remove_tags"):
        values[name] = tuple(_decode(values[name]))
    if values["opted_out"] is not None:
        values["opted_out"] = bool(values["opted_out"])
    return Row(**values)
