"""Recording a pull: who is who, and what changed since the snapshot before."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from sendblue_data.errors import SnapshotRefusedError
from sendblue_data.history.difference import change_rows, difference
from sendblue_data.history.layout import (
    ADDED,
    CHANGE,
    CONTACT,
    COPIED,
    IDENTITY,
    LOOK,
    NUMBER,
    ROW_COLUMNS,
    SEEN,
    STATE,
    STATE_FIELDS,
    rows,
    table_frame,
)
from sendblue_data.history.refusals import (
    Evidence,
    Limits,
    check_columns,
    check_label,
    check_shared,
    check_size,
    shared,
)
from sendblue_data.history.state import ORDERS, epoch_of, identities, in_order, looks, state_at
from sendblue_data.history.table import HistoryTable
from sendblue_data.history.who import recognised
from sendblue_data.schema import CONTACT_SCHEMA

_FULL_EPOCH = 1.0
_EARLY_EPOCH = 0.4
"""An epoch ends after this many changes per contact: always, or when the copies are still cheap on disk."""


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """What recording a pull did.

    Attributes:
        number: the snapshot's number, from 0.
        taken_at: when the account was looked at, in UTC.
        contacts: contacts in the account.
        added: contacts that were not there at the snapshot before.
        removed: contacts that are not there any more.
        changed: contacts with another value in a field.
        new: False when the account was just as the snapshot before has it: no new number, only a later look.
    """

    number: int
    taken_at: datetime
    contacts: int
    added: int
    removed: int
    changed: int
    new: bool

    def _repr_html_(self) -> str:
        from sendblue_data.display.cards import card_html  # noqa: PLC0415 -- a cron job shows nothing

        rows = [
            (name, f"{value:,}")
            for name, value in (
                ("contacts", self.contacts),
                ("added", self.added),
                ("removed", self.removed),
                ("changed", self.changed),
            )
        ]
        verdict = "recorded" if self.new else "as the snapshot before: only the last look is later"
        return card_html(f"Snapshot {self.number}, {self.taken_at:%Y-%m-%d %H:%M} UTC", rows, verdict)


def record(
    table: HistoryTable, frame: pl.DataFrame, taken_at: datetime, evidence: Evidence | None, limits: Limits
) -> Snapshot:
    """Compare with the snapshot before and commit the difference, all of it or nothing."""
    extra = [name for name in frame.columns if name not in CONTACT_SCHEMA]
    if not table.refresh():
        return _first(table, frame, taken_at, evidence, extra)
    seen = looks(table)
    latest = seen.row(-1, named=True)
    number: int = latest["h_snapshot"]
    before = state_at(table, number)
    if not check_label(seen, evidence, limits):
        check_shared(shared(before, frame), min(before.height, frame.height))
    check_columns(frame.schema, table.schema)

    fields = [*STATE_FIELDS, *dict.fromkeys([*table.extra_columns, *extra])]
    before = before.with_columns(
        pl.lit(None, frame.schema[name]).alias(name) for name in fields if name not in before.columns
    )
    known = identities(table, number)
    after, order = _numbered(frame, known, before["h_contact"], fields, before.schema)
    found = difference(before, after, fields)
    snapshot = concluded(latest, taken_at, frame.height, found.counts, order, extra)
    if is_recorded(snapshot, latest):
        return snapshot
    check_size(before.height, frame.height, limits)
    parts = [look_row(snapshot, evidence, latest["h_account"], order, extra)]
    if snapshot.new:
        epoch, _ = epoch_of(table, number)
        changed = change_rows(found, before, after, known, fields, epoch=epoch, snapshot=snapshot.number)
        parts += changed
        if epoch_ends(table, epoch, sum(part.height for part in changed[:3]), after.height):
            parts.append(
                rows(after, fields, part=STATE, epoch=epoch + 1, kind=COPIED, snapshot=snapshot.number)
            )
    table.append(table_frame(parts))
    return snapshot


def concluded(
    latest: Mapping[str, Any],
    taken_at: datetime,
    contacts: int,
    counts: tuple[int, int, int],
    order: str,
    extra: Sequence[str],
) -> Snapshot:
    """Return what a pull is after the look before it: a new snapshot, or a later look at the same one.

    Raises:
        SnapshotRefusedError: it is older than that look, or as old and another.
    """
    added, removed, changed = counts
    same = not any(counts) and order == latest["h_order"] and list(extra) == (latest["h_extra"] or [])
    if taken_at < latest["h_taken_at"] or (taken_at == latest["h_taken_at"] and not same):
        raise SnapshotRefusedError(
            f"The pull is of {taken_at.isoformat()}, but the history already reaches to "
            f"{latest['h_taken_at'].isoformat()}. Snapshots are recorded in the order in which they were taken; if the "
            "last one was dated wrongly, take it back: history.drop_last().",
            reason="out of order",
        )
    return Snapshot(
        number=latest["h_snapshot"] + (not same),
        taken_at=taken_at,
        contacts=contacts,
        added=added,
        removed=removed,
        changed=changed,
        new=not same,
    )


def is_recorded(snapshot: Snapshot, latest: Mapping[str, Any]) -> bool:
    """Whether this very look is the last one recorded."""
    return not snapshot.new and snapshot.taken_at == latest["h_taken_at"]


def _first(
    table: HistoryTable, frame: pl.DataFrame, taken_at: datetime, evidence: Evidence | None, extra: list[str]
) -> Snapshot:
    after = frame.with_row_index("h_contact").with_columns(pl.col("h_contact").cast(NUMBER))
    snapshot = first_snapshot(taken_at, frame.height)
    parts = [look_row(snapshot, evidence, None, ORDERS[0], extra), *first_rows(after, extra)]
    table.append(table_frame(parts))
    return snapshot


def first_snapshot(taken_at: datetime, contacts: int) -> Snapshot:
    """Return what the first pull of a history is: all of its contacts are new."""
    return Snapshot(
        number=0, taken_at=taken_at, contacts=contacts, added=contacts, removed=0, changed=0, new=True
    )


def first_rows(after: pl.DataFrame, extra: Sequence[str]) -> list[pl.DataFrame]:
    """Return the rows of contacts of the first snapshot: who they are, and their state."""
    return [
        rows(after, IDENTITY, part=CONTACT, epoch=0, kind=ADDED, snapshot=0),
        rows(after, [*STATE_FIELDS, *extra], part=STATE, epoch=0, kind=ADDED, snapshot=0),
    ]


def _numbered(
    frame: pl.DataFrame, known: pl.DataFrame, present: pl.Series, fields: Sequence[str], schema: pl.Schema
) -> tuple[pl.DataFrame, str]:
    """Return the new frame by ascending `h_contact`, and the row order that it had."""
    numbers = recognised(frame, known, present)
    highest = known["h_contact"].max()
    first_new = 0 if highest is None else int(highest) + 1  # type: ignore[arg-type]
    new = numbers.is_null()
    numbers = numbers.fill_null(strategy="zero").zip_with(
        ~new, (new.cast(NUMBER).cum_sum() + (first_new - 1)).cast(NUMBER)
    )
    after = frame.with_columns(
        numbers.alias("h_contact"),
        *(pl.lit(None, schema[name]).alias(name) for name in fields if name not in frame.columns),
    ).select("h_contact", *IDENTITY, *fields)
    ordered = after.sort("h_contact")
    keys = ordered.select("h_contact", "created_at")
    order = next((name for name in ORDERS if in_order(keys, name)["h_contact"].equals(numbers)), ORDERS[0])
    return ordered, order


def look_row(
    snapshot: Snapshot, evidence: Evidence | None, account: str | None, order: str, extra: Sequence[str]
) -> pl.DataFrame:
    """Return the row of a look at the account; `account` is the label of the look before."""
    row = {
        "h_part": LOOK,
        "h_epoch": 0,
        "h_kind": SEEN,
        "h_snapshot": snapshot.number,
        "h_taken_at": snapshot.taken_at,
        "h_account": account if evidence is None else evidence.account,
        "h_complete": None if evidence is None else evidence.complete and evidence.since is None,
        "h_evidence": None if evidence is None else json.dumps(evidence.as_dict()),
        "h_contacts": snapshot.contacts,
        "h_added": snapshot.added,
        "h_removed": snapshot.removed,
        "h_changed": snapshot.changed,
        "h_order": order,
        "h_extra": list(extra) or None,
    }
    return pl.DataFrame([row], schema={name: ROW_COLUMNS[name] for name in row})


def epoch_ends(table: HistoryTable, epoch: int, new_changes: int, contacts: int) -> bool:
    """Whether to copy the whole state now, so that later days are read from here.

    Copies must not outgrow what they speed up: beyond a whole snapshot's bytes and half the bytes of all
    changes they are made only when an epoch has a change per contact.
    """
    of = {part: table.files.filter(pl.col("part") == part) for part in (CONTACT, STATE, CHANGE)}
    changes = int(of[CHANGE].filter(pl.col("epoch") == epoch)["rows"].sum()) + new_changes
    if not contacts or changes < _EARLY_EPOCH * contacts:
        return False
    if changes >= _FULL_EPOCH * contacts:
        return True
    size = {part: int(files["bytes"].sum()) for part, files in of.items()}
    one_copy = size[STATE] / max(of[STATE]["epoch"].n_unique(), 1)
    copies = size[STATE]  # the next one in, the first one (which is no copy) out
    return copies <= size[CHANGE] / 2 + size[CONTACT] + one_copy
