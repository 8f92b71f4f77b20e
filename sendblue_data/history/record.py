"""Recording a pull: who is who, and what changed since the snapshot before."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from sendblue_data.errors import SnapshotRefusedError
from sendblue_data.history.layout import (
    ADDED,
    CHANGE,
    CHANGED,
    CONTACT,
    COPIED,
    IDENTITY,
    LOOK,
    NUMBER,
    REMOVED,
    ROW_COLUMNS,
    SEEN,
    STATE,
    STATE_FIELDS,
    rows,
    table_frame,
)
from sendblue_data.history.refusals import Evidence, Limits, check_account, check_columns, check_size
from sendblue_data.history.state import ORDERS, epoch_of, identities, in_order, looks, state_at
from sendblue_data.history.table import HistoryTable
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
    check_account(seen, before, frame, evidence, limits)
    check_columns(frame, table.schema)

    fields = [*STATE_FIELDS, *dict.fromkeys([*table.extra_columns, *extra])]
    before = before.with_columns(
        pl.lit(None, frame.schema[name]).alias(name) for name in fields if name not in before.columns
    )
    known = identities(table, number)
    after, order = _numbered(frame, known, before["h_contact"], fields, before.schema)
    difference = _difference(before, after, fields)
    same = not any(map(len, (difference.added, difference.removed, difference.changed)))
    same = same and order == latest["h_order"] and extra == (latest["h_extra"] or [])
    snapshot = Snapshot(
        number=number + (not same),
        taken_at=taken_at,
        contacts=frame.height,
        added=len(difference.added),
        removed=len(difference.removed),
        changed=len(difference.changed),
        new=not same,
    )
    if taken_at <= latest["h_taken_at"]:
        if same and taken_at == latest["h_taken_at"]:
            return snapshot
        raise SnapshotRefusedError(
            f"The pull is of {taken_at.isoformat()}, but the history already reaches to "
            f"{latest['h_taken_at'].isoformat()}. Snapshots are recorded in the order in which they were taken; if the "
            "last one was dated wrongly, take it back: history.drop_last().",
            reason="out of order",
        )
    check_size(before.height, frame.height, limits)
    parts = [_look(snapshot, evidence, latest["h_account"], order, extra)]
    if not same:
        parts += _change_rows(table, snapshot.number, before, after, known, difference, fields)
    table.append(table_frame(parts))
    return snapshot


def _first(
    table: HistoryTable, frame: pl.DataFrame, taken_at: datetime, evidence: Evidence | None, extra: list[str]
) -> Snapshot:
    after = frame.with_row_index("h_contact").with_columns(pl.col("h_contact").cast(NUMBER))
    fields = [*STATE_FIELDS, *extra]
    snapshot = Snapshot(
        number=0, taken_at=taken_at, contacts=frame.height, added=frame.height, removed=0, changed=0, new=True
    )
    parts = [
        _look(snapshot, evidence, None, ORDERS[0], extra),
        rows(after, IDENTITY, part=CONTACT, epoch=0, kind=ADDED, snapshot=0),
        rows(after, fields, part=STATE, epoch=0, kind=ADDED, snapshot=0),
    ]
    table.append(table_frame(parts))
    return snapshot


def _numbered(
    frame: pl.DataFrame, known: pl.DataFrame, present: pl.Series, fields: Sequence[str], schema: pl.Schema
) -> tuple[pl.DataFrame, str]:
    """Return the new frame by ascending `h_contact`, and the row order that it had."""
    numbers = _recognised(frame, known, present)
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


def _recognised(frame: pl.DataFrame, known: pl.DataFrame, present: pl.Series) -> pl.Series:
    """Return the number that each contact has already, null for one that was never seen.

    The phone comes first since people opt out by phone, and a contact that is deleted and created again gets
    another id. Only of several contacts with one phone the id tells which is which, as far as it is still there;
    of the rest, those that the snapshot before has come first.
    """
    now, then = _who(frame).with_row_index("row"), _who(known).with_columns(known["h_contact"])
    if not ((now["nth"] > 0).any() or (then["nth"] > 0).any()):
        joined = now.join(then, on=["who", "nth"], how="left", nulls_equal=True, maintain_order="left")
        return joined["h_contact"]
    same = now.join(then, on=["who", "contact_id", "nth_of_id"], nulls_equal=True).select("row", "h_contact")
    rest = now.join(same, on="row", how="anti", maintain_order="left")
    left = then.join(same, on="h_contact", how="anti", maintain_order="left")
    left = left.sort(~pl.col("h_contact").is_in(present.implode()), maintain_order=True)
    others = _nth(rest).join(_nth(left), on=["who", "nth"], how="left", nulls_equal=True)
    return pl.concat([same, others.select("row", "h_contact")]).sort("row")["h_contact"]


def _who(frame: pl.DataFrame) -> pl.DataFrame:
    """Name each row's contact: its phone, else its id, and which of several rows with that name it is."""
    named = frame.select(pl.coalesce("phone", "contact_id").alias("who"), "contact_id")
    of_id = pl.int_range(pl.len(), dtype=pl.Int32).over("who", "contact_id")
    return _nth(named.with_columns(nth_of_id=of_id))


def _nth(named: pl.DataFrame) -> pl.DataFrame:
    return named.with_columns(nth=pl.int_range(pl.len(), dtype=pl.Int32).over("who"))


@dataclass(frozen=True)
class _Difference:
    """Contact numbers, ascending."""

    added: pl.Series
    removed: pl.Series
    changed: pl.Series
    renamed: pl.Series


def _difference(before: pl.DataFrame, after: pl.DataFrame, fields: Sequence[str]) -> _Difference:
    left = before.filter(before["h_contact"].is_in(after["h_contact"].implode()))
    right = after.filter(after["h_contact"].is_in(before["h_contact"].implode()))
    renamed = _differs(left, right, IDENTITY)
    changed = renamed | _differs(left, right, fields)
    return _Difference(
        added=after["h_contact"].filter(~after["h_contact"].is_in(before["h_contact"].implode())),
        removed=before["h_contact"].filter(~before["h_contact"].is_in(after["h_contact"].implode())),
        changed=right["h_contact"].filter(changed),
        renamed=right["h_contact"].filter(renamed),
    )


def _differs(left: pl.DataFrame, right: pl.DataFrame, columns: Sequence[str]) -> pl.Series:
    """Mark the rows, of two frames that lie beside each other, with another value in any of `columns`."""
    marks = pl.repeat(False, left.height, eager=True)
    for name in columns:
        marks = marks | _plain(left[name]).ne_missing(_plain(right[name]))
    return marks


def _plain(values: pl.Series) -> pl.Series:
    # A map equals another whatever the order of its entries; a snapshot must give back the order too.
    return values.map.entries() if isinstance(values.dtype, pl.Map) else values


def _look(
    snapshot: Snapshot, evidence: Evidence | None, account: str | None, order: str, extra: list[str]
) -> pl.DataFrame:
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
        "h_extra": extra or None,
    }
    return pl.DataFrame([row], schema={name: ROW_COLUMNS[name] for name in row})


def _change_rows(
    table: HistoryTable,
    number: int,
    before: pl.DataFrame,
    after: pl.DataFrame,
    known: pl.DataFrame,
    difference: _Difference,
    fields: Sequence[str],
) -> list[pl.DataFrame]:
    epoch, _ = epoch_of(table, number)

    def some(frame: pl.DataFrame, numbers: pl.Series) -> pl.DataFrame:
        return frame.filter(frame["h_contact"].is_in(numbers.implode()))

    def change(frame: pl.DataFrame, columns: Sequence[str], kind: str) -> pl.DataFrame:
        return rows(frame, columns, part=CHANGE, epoch=epoch, kind=kind, snapshot=number)

    added = some(after, difference.added)
    parts = [
        change(added, fields, ADDED),
        change(some(after, difference.changed), fields, CHANGED),
        change(some(before, difference.removed), [], REMOVED),
    ]
    # A contact that came back has a row of its identity already; it needs another only if that changed.
    back = some(known, difference.added)
    back_now = some(after, back["h_contact"])
    renamed_back = back_now["h_contact"].filter(_differs(back, back_now, IDENTITY))
    first_seen = added.filter(~added["h_contact"].is_in(known["h_contact"].implode()))
    renamed = some(after, pl.concat([difference.renamed, renamed_back]))
    for frame, kind in ((first_seen, ADDED), (renamed, CHANGED)):
        # The first snapshot's contacts lie alone in partition 0, which no compaction has to write again.
        parts.append(rows(frame, IDENTITY, part=CONTACT, epoch=epoch + 1, kind=kind, snapshot=number))
    if _epoch_ends(table, epoch, sum(part.height for part in parts[:3]), after.height):
        parts.append(rows(after, fields, part=STATE, epoch=epoch + 1, kind=COPIED, snapshot=number))
    return parts


def _epoch_ends(table: HistoryTable, epoch: int, new_changes: int, contacts: int) -> bool:
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
