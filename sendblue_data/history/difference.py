"""What differs between the contacts of two snapshots, as rows of the table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from sendblue_data.history.layout import ADDED, CHANGE, CHANGED, CONTACT, IDENTITY, REMOVED, rows


@dataclass(frozen=True)
class Difference:
    """Contact numbers, ascending."""

    added: pl.Series
    removed: pl.Series
    changed: pl.Series
    renamed: pl.Series

    @property
    def counts(self) -> tuple[int, int, int]:
        """How many were added, removed and changed."""
        return len(self.added), len(self.removed), len(self.changed)


def difference(before: pl.DataFrame, after: pl.DataFrame, fields: Sequence[str]) -> Difference:
    """Compare two frames that `state_at` gives, in their identities and in `fields`."""
    left = before.filter(before["h_contact"].is_in(after["h_contact"].implode()))
    right = after.filter(after["h_contact"].is_in(before["h_contact"].implode()))
    renamed = _differs(left, right, IDENTITY)
    changed = renamed | _differs(left, right, fields)
    return Difference(
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


def change_rows(
    found: Difference,
    before: pl.DataFrame,
    after: pl.DataFrame,
    known: pl.DataFrame,
    fields: Sequence[str],
    *,
    epoch: int,
    snapshot: int,
) -> list[pl.DataFrame]:
    """Return the rows that tell of a difference: three frames of changes, then two of identities.

    Args:
        found: the difference between `before` and `after`.
        before: as `state_at` gives it.
        after: the same of the new pull.
        known: who each contact ever seen was, as `identities` gives it.
        fields: the state's columns.
        epoch: in which the changes lie.
        snapshot: the new one's number.
    """

    def some(frame: pl.DataFrame, numbers: pl.Series) -> pl.DataFrame:
        return frame.filter(frame["h_contact"].is_in(numbers.implode()))

    def change(frame: pl.DataFrame, columns: Sequence[str], kind: str) -> pl.DataFrame:
        return rows(frame, columns, part=CHANGE, epoch=epoch, kind=kind, snapshot=snapshot)

    added = some(after, found.added)
    parts = [
        change(added, fields, ADDED),
        change(some(after, found.changed), fields, CHANGED),
        change(some(before, found.removed), [], REMOVED),
    ]
    # A contact that came back has a row of its identity already; it needs another only if that changed.
    back = some(known, found.added)
    back_now = some(after, back["h_contact"])
    renamed_back = back_now["h_contact"].filter(_differs(back, back_now, IDENTITY))
    first_seen = added.filter(~added["h_contact"].is_in(known["h_contact"].implode()))
    renamed = some(after, pl.concat([found.renamed, renamed_back]))
    for frame, kind in ((first_seen, ADDED), (renamed, CHANGED)):
        # The first snapshot's contacts lie alone in partition 0, which no compaction has to write again.
        parts.append(rows(frame, IDENTITY, part=CONTACT, epoch=epoch + 1, kind=kind, snapshot=snapshot))
    return parts
