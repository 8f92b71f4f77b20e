"""Who arrived: contacts created since the look before the one that first shows them.

Whatever an arrival's state is when it is first seen, it would have been seen: so it is watched from its creation on.
One that is opted out by then opted out between the two, or was created as one that had opted out before (an import).
"""

from __future__ import annotations

import polars as pl

from sendblue_data.history.layout import ADDED, CONTACT
from sendblue_data.history.spells import look_times
from sendblue_data.history.table import HistoryTable


def arrivals(table: HistoryTable) -> pl.DataFrame:
    """Return `h_contact`, `seen` (the first snapshot that shows it) and `born` of each arrival.

    A contact of the first snapshot is none, nor is one without `created_at`, nor one that says it was created before
    the last look that did not show it.
    """
    first = table.scan(CONTACT, ["h_contact", "h_snapshot", "h_kind", "created_at"], after=0).collect()
    first = first.filter(pl.col("h_kind") == ADDED, pl.col("created_at").is_not_null())
    before = look_times(table)["seen_until"].gather(first["h_snapshot"] - 1)
    return first.filter(first["created_at"] > before).select(
        "h_contact", seen="h_snapshot", born="created_at"
    )


def mark_arrivals(table: HistoryTable, known: pl.DataFrame) -> pl.DataFrame:
    """Add `arrived` to spells sorted by contact: whether it is the first known spell of an arrival."""
    starts = (pl.col("h_contact") != pl.col("h_contact").shift(1)).fill_null(value=True)
    return known.with_columns(
        arrived=starts & pl.col("h_contact").is_in(arrivals(table)["h_contact"].implode())
    )
