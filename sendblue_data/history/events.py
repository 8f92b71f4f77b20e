"""Opt-outs and opt-ins, each between two moments."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from sendblue_data.history.arrivals import arrivals, mark_arrivals
from sendblue_data.history.spells import differ, ended, identities_at, look_times, spells, versions
from sendblue_data.history.table import HistoryTable

_COLUMNS = (
    "phone", "contact_id", "event", "after", "before", "after_snapshot", "before_snapshot", "recreated", "arrived",
)  # fmt: skip


_WHO = ("first_name", "last_name", "company_name", "tags")


def opt_out_events(
    table: HistoryTable,
    since: datetime | None = None,
    until: datetime | None = None,
    *,
    with_contacts: bool = False,
    count_arrived: bool,
) -> pl.DataFrame:
    """Return every opt-out and opt-in; see `ContactHistory.opt_out_events`."""
    changing, _ = versions(table, [])
    known = spells(ended(changing))
    events = _turned(table, known)
    if count_arrived:
        events = pl.concat([events, _arrived(table, known)])
    if since is not None:
        events = events.filter(pl.col("before") >= since)
    if until is not None:
        events = events.filter(pl.col("before") < until)
    events = events.sort("before_snapshot", "h_contact")
    if not with_contacts:
        return events.select(_COLUMNS)
    then = pl.concat(frame.select("h_contact", "h_snapshot", *_WHO) for frame in versions(table, _WHO))
    return (
        events.with_row_index("row")
        .sort("before_snapshot")
        .join_asof(
            then.sort("h_snapshot"),
            left_on="before_snapshot",
            right_on="h_snapshot",
            by="h_contact",
            check_sortedness=False,
        )
        .sort("row")
        .select(*_COLUMNS, *_WHO)
    )


def _turned(table: HistoryTable, known: pl.DataFrame) -> pl.DataFrame:
    """Those between two looks that show different values."""
    times = look_times(table)
    turned = known.filter(pl.col("opt_out") != pl.col("next_opt_out"))
    last_known = turned["end"] - 1
    events = turned.select(
        "h_contact",
        pl.when("next_opt_out").then(pl.lit("opt_out")).otherwise(pl.lit("opt_in")).alias("event"),
        times["seen_until"].gather(last_known).alias("after"),
        times["seen_from"].gather(turned["next_first"]).alias("before"),
        last_known.alias("after_snapshot"),
        pl.col("next_first").alias("before_snapshot"),
    )
    old, new = identities_at(table, events, ("after_snapshot", "before_snapshot"))
    return events.with_columns(
        new["phone"], new["contact_id"], recreated=differ(old, new), arrived=pl.lit(value=False)
    )


def _arrived(table: HistoryTable, known: pl.DataFrame) -> pl.DataFrame:
    """Those between the creation of a contact and the first look that shows its state."""
    out = mark_arrivals(table, known).filter("arrived", "opt_out").join(arrivals(table), on="h_contact")
    (who,) = identities_at(table, out, ("first",))
    return out.select(
        "h_contact",
        event=pl.lit("opt_out"),
        after="born",
        before=look_times(table)["seen_from"].gather(out["first"]),
        after_snapshot=pl.lit(None, out.schema["first"]),
        before_snapshot="first",
        phone=who["phone"],
        contact_id=who["contact_id"],
        recreated=pl.lit(value=False),
        arrived=pl.lit(value=True),
    )
