"""How a history lies in its Delta table: which rows, in which partition, under which names.

One table holds four parts (partition column `h_part`):

* `look`: a row each time somebody looked at the account, also when nothing had changed;
* `contact`: who a contact is (`contact_id`, `phone`, `created_at`), a row at first sight, and again if that changes;
* `state`: every other field of every contact, at the start of an epoch;
* `change`: every other field of the contacts that came, changed or went since, a row each.

An epoch (partition column `h_epoch`) is a full copy of the state and the changes after it, so that any day
is one copy and the changes up to that day. The fields that never change and don't compress (a UUID, a phone,
a moment) are half of a snapshot's bytes: kept once, they pay for the copies.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from sendblue_data.schema import CONTACT_SCHEMA

PARTS = LOOK, CONTACT, STATE, CHANGE = "look", "contact", "state", "change"
"""The values of `h_part`."""

ADDED, CHANGED, REMOVED, COPIED, SEEN = "added", "changed", "removed", "copied", "seen"
"""The values of `h_kind`: what happened to the contact; `copied` opens an epoch, `seen` marks a look."""

PREFIX = "h_"
"""Begins the name of every column that the history adds to the contact's own."""

IDENTITY = ("contact_id", "phone", "created_at")
STATE_FIELDS = tuple(name for name in CONTACT_SCHEMA if name not in IDENTITY)

NUMBER = pl.Int32
"""Type of snapshot numbers and of a contact's number in the history."""

ROW_COLUMNS = pl.Schema(
    {
        "h_part": pl.String(),
        "h_epoch": NUMBER(),
        "h_kind": pl.String(),
        "h_snapshot": NUMBER(),
        "h_contact": NUMBER(),
        "h_taken_at": pl.Datetime("us", "UTC"),
        "h_account": pl.String(),
        "h_complete": pl.Boolean(),
        "h_evidence": pl.String(),
        "h_contacts": pl.Int64(),
        "h_added": pl.Int64(),
        "h_removed": pl.Int64(),
        "h_changed": pl.Int64(),
        "h_order": pl.String(),
        "h_extra": pl.List(pl.String),
    }
)
LOOK_COLUMNS = tuple(name for name in ROW_COLUMNS if name not in {"h_part", "h_epoch", "h_kind", "h_contact"})

TABLE_SCHEMA = pl.Schema({**ROW_COLUMNS, **CONTACT_SCHEMA})

CONFIGURATION = {
    # Statistics lie as plain text in the log, which no erasure rewrites: only on the snapshot number, never on phones.
    "delta.dataSkippingStatsColumns": "h_snapshot",
    # A checkpoint names every file there ever was: one every 20 commits took 6 % of a year's disk.
    "delta.checkpointInterval": "40",
    # Older commits go when a checkpoint is written, or the log of hourly snapshots grows as long as the history. Who
    # reads a version has it in memory; a writer whose commit takes longer than this could be given another's number.
    "delta.logRetentionDuration": "interval 2 days",
    # Replaced files are deleted by this package's own rule, which must still find their names years later.
    "delta.deletedFileRetentionDuration": "interval 36500 days",
}


def rows(
    frame: pl.DataFrame, columns: Sequence[str], *, part: str, epoch: int, kind: str, snapshot: int
) -> pl.DataFrame:
    """Return the rows of one part: `h_contact` and `columns` of `frame`, with the part's own columns before them."""
    return frame.select(
        pl.lit(part).alias("h_part"),
        pl.lit(epoch, NUMBER).alias("h_epoch"),
        pl.lit(kind).alias("h_kind"),
        pl.lit(snapshot, NUMBER).alias("h_snapshot"),
        "h_contact",
        *columns,
    )


def table_frame(parts: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Put parts under one another in the table's columns; what a part does not have is null."""
    return pl.concat([TABLE_SCHEMA.to_frame(), *parts], how="diagonal")
