"""Spells: for how long a contact's opt-out was known to be what it was, and what it was known to be next.

A spell is one recorded version of a contact with a known opt-out. It begins with the snapshot that first shows
it and ends before the contact's next row of any kind. An unknown opt-out, or an absence from the account, ends a
spell without an event: if the contact is known again later with another opt-out, the event lies somewhere between
the two spells, and says so.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from sendblue_data.history.layout import CHANGE, CONTACT, IDENTITY, REMOVED, STATE
from sendblue_data.history.state import looks
from sendblue_data.history.table import HistoryTable

SPELL_COLUMNS = ("h_contact", "first", "opt_out", "end", "gone", "next_first", "next_opt_out")
"""`first` snapshot; `end`, the snapshot that no longer shows it (null: it lasts); `gone`, whether the contact
was removed then; `next_first`, `next_opt_out`: the next known spell's snapshot and value (null: there is none)."""


def versions(table: HistoryTable, columns: Sequence[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return every version of the contacts that ever changed, and the only version of those that never did.

    Both have `h_contact, h_snapshot, h_kind, opt_out` and `columns`; the first is sorted by contact and snapshot.
    """
    state = [name for name in columns if name not in IDENTITY and name != "opt_out"]
    names = ["h_contact", "h_snapshot", "h_kind", "opt_out", *state]
    start, changes = pl.collect_all([table.scan(STATE, names, epoch=0), table.scan(CHANGE, names)])
    moved = start["h_contact"].is_in(changes["h_contact"].unique().implode())
    changing = pl.concat([start.filter(moved), changes]).sort("h_contact", "h_snapshot")
    frames = (changing, start.filter(~moved))
    who = [name for name in columns if name in IDENTITY]
    if not who:
        return frames
    identity = table.scan(CONTACT, ["h_contact", "h_snapshot", *who]).sort("h_snapshot").collect()
    joined = [
        frame.sort("h_snapshot")
        .join_asof(identity, on="h_snapshot", by="h_contact", check_sortedness=False)
        .sort("h_contact", "h_snapshot")
        for frame in frames
    ]
    return joined[0], joined[1]


def ended(changing: pl.DataFrame) -> pl.DataFrame:
    """Add `end` and `gone` (see `SPELL_COLUMNS`) to versions that are sorted by contact and snapshot."""
    follows = pl.col("h_contact") == pl.col("h_contact").shift(-1)
    return changing.with_columns(
        end=pl.when(follows).then(pl.col("h_snapshot").shift(-1)),
        gone=(follows & (pl.col("h_kind").shift(-1) == REMOVED)).fill_null(value=False),
    )


def spells(versions_ended: pl.DataFrame, columns: Sequence[str] = ()) -> pl.DataFrame:
    """Turn the versions that `ended` gives into spells: `SPELL_COLUMNS`, then `columns`."""
    follows = pl.col("h_contact") == pl.col("h_contact").shift(-1)
    return (
        versions_ended.filter(pl.col("h_kind") != REMOVED, pl.col("opt_out").is_not_null())
        .with_columns(
            first=pl.col("h_snapshot"),
            next_first=pl.when(follows).then(pl.col("h_snapshot").shift(-1)),
            next_opt_out=pl.when(follows).then(pl.col("opt_out").shift(-1)),
        )
        .select(*SPELL_COLUMNS, *(name for name in columns if name not in SPELL_COLUMNS))
    )


def look_times(table: HistoryTable) -> pl.DataFrame:
    """Return each snapshot's `number` (ascending), the moments of its first and last look, and their positions."""
    return (
        looks(table)
        .with_row_index("look")
        .group_by(pl.col("h_snapshot").alias("number"))
        .agg(
            pl.col("h_taken_at").min().alias("seen_from"),
            pl.col("h_taken_at").max().alias("seen_until"),
            pl.col("look").min().cast(pl.Int32).alias("first_look"),
            pl.col("look").max().cast(pl.Int32).alias("last_look"),
        )
        .sort("number")
    )


def recreated(table: HistoryTable, turned: pl.DataFrame) -> pl.Series:
    """Tell of each spell whether the contact was created again between its end and the next known spell."""
    sides = turned.select("h_contact", "next_first", last=pl.col("end") - 1)
    old, new = identities_at(table, sides, ("last", "next_first"))
    return differ(old, new)


def differ(old: pl.DataFrame, new: pl.DataFrame) -> pl.Series:
    """Tell of each contact whether it was created again, from who it was at two snapshots."""
    moved = [old[name].ne_missing(new[name]) for name in ("contact_id", "created_at")]
    return moved[0] | moved[1]


def identities_at(table: HistoryTable, rows: pl.DataFrame, snapshots: Sequence[str]) -> list[pl.DataFrame]:
    """Return who each row's contact was at the snapshots that these columns hold, in the order of `rows`."""
    identity = table.scan(CONTACT, ["h_contact", "h_snapshot", *IDENTITY]).sort("h_snapshot").collect()
    return [
        rows.select("h_contact", side)
        .with_row_index("row")
        .sort(side)
        .join_asof(identity, left_on=side, right_on="h_snapshot", by="h_contact", check_sortedness=False)
        .sort("row")
        for side in snapshots
    ]
