"""Who entered a segment and who left it, between which looks, and why; and how many, by period."""

from __future__ import annotations

import polars as pl

from sendblue_data._frames.grouping import created_period
from sendblue_data._shared.validation import shown
from sendblue_data.errors import FrameError, SegmentError
from sendblue_data.history.layout import ADDED, REMOVED
from sendblue_data.history.spells import identities_at, look_times, versions
from sendblue_data.history.table import HistoryTable
from sendblue_data.history.trend import calendar_of
from sendblue_data.schema import CONTACT_SCHEMA

_MOVES = ("phone", "contact_id", "move", "why", "after", "before")
_FLOW = ("period", "days", "start", "entered", "left", "end")


def segment_moves(table: HistoryTable, segment: pl.Expr) -> pl.DataFrame:
    """Return a row a move; see `ContactHistory.segment_moves`."""
    moves, _ = _moves(table, segment)
    times = look_times(table)
    (who,) = identities_at(table, moves, ("h_snapshot",))
    return (
        moves.with_columns(
            who["phone"],
            who["contact_id"],
            after=times["seen_until"].gather(moves["h_snapshot"] - 1),
            before=times["seen_from"].gather(moves["h_snapshot"]),
            move=pl.when("inside").then(pl.lit("entered")).otherwise(pl.lit("left")),
        )
        .sort("h_snapshot", "h_contact")
        .select(_MOVES)
    )


def segment_flow(table: HistoryTable, segment: pl.Expr, every: str, time_zone: str) -> pl.DataFrame:
    """Count moves by period; see `ContactHistory.segment_flow`."""
    calendar = calendar_of(table, created_period(every).every, time_zone)
    moves, at_first = _moves(table, segment)
    inside = pl.col("inside")
    sums = moves.group_by(n=calendar.of_snapshot(pl.col("h_snapshot"))).agg(
        entered=inside.sum().cast(pl.Int64), left=(~inside).sum().cast(pl.Int64)
    )
    rows = calendar.periods.join(sums, on="n", how="left").sort("n")
    rows = rows.with_columns(pl.col("entered", "left").fill_null(0))
    net = pl.col("entered") - pl.col("left")
    end = pl.lit(at_first, pl.Int64) + net.cum_sum()
    return rows.with_columns(end=end, start=end - net).select(_FLOW)


def _moves(table: HistoryTable, segment: pl.Expr) -> tuple[pl.DataFrame, int]:
    """Return every change of membership after the first snapshot, and how many were in the segment then."""
    reads = _reads(segment)
    changing, steady = versions(table, reads)
    inside = segment.fill_null(value=False)
    same = pl.col("h_contact") == pl.col("h_contact").shift(1)
    kind = pl.col("h_kind")
    states = changing.with_columns(inside=inside & (kind != REMOVED)).with_columns(
        was=pl.when(same).then(pl.col("inside").shift(1)).fill_null(value=False),
        why=pl.when(kind == REMOVED)
        .then(pl.lit("removed"))
        .when(kind != ADDED)
        .then(pl.lit("changed"))
        .otherwise(pl.when(same).then(pl.lit("came_back")).otherwise(pl.lit("added"))),
    )
    first = states.filter(pl.col("h_snapshot") == 0)["inside"].sum() + steady.select(inside.sum()).item()
    moved = (pl.col("h_snapshot") > 0) & (pl.col("was") != pl.col("inside"))
    return states.filter(moved).select("h_contact", "h_snapshot", "inside", "why"), int(first)


def _reads(segment: pl.Expr) -> list[str]:
    if not isinstance(segment, pl.Expr):
        raise SegmentError(f"segment is {shown(segment)}: expected a segment, such as has_tag('VIP').")
    reads = list(dict.fromkeys(segment.meta.root_names()))
    if unknown := [name for name in reads if name not in CONTACT_SCHEMA]:
        raise FrameError(
            f"segment names {shown(unknown[0])}, which is no contact field. Choose from: {', '.join(CONTACT_SCHEMA)}."
        )
    kind = CONTACT_SCHEMA.to_frame().select(segment.alias("segment")).schema["segment"]
    if kind != pl.Boolean:
        raise SegmentError(
            f"segment is of type {kind}: expected one that is true or false, such as has_tag('VIP')."
        )
    return reads
