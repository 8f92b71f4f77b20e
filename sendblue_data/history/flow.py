"""How the list of subscribed contacts moved: who came onto it and who went from it, by period."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from sendblue_data._frames.grouping import By, RowGroups, created_period
from sendblue_data.history.arrivals import arrivals
from sendblue_data.history.layout import REMOVED
from sendblue_data.history.spells import ended, recreated, spells, versions
from sendblue_data.history.table import HistoryTable
from sendblue_data.history.trend import Calendar, calendar_of

_ON, _OUT, _UNKNOWN, _GONE, _NEW = "subscribed", "opted out", "unknown", "gone", "new"
_INTO = {_NEW: "added", _GONE: "came_back", _OUT: "resubscribed", _UNKNOWN: "became_known"}
_FROM = {_OUT: "opted_out", _GONE: "removed", _UNKNOWN: "became_unknown"}
_FIRST = {_ON: "first_on", _UNKNOWN: "first_unknown"}
_BETWEEN = ("joined_group", "left_group")
"""Moves between groups, of contacts who stay on the list."""
_COLUMNS = (
    "period", "days", "start", "added", "came_back", "resubscribed", "lost_opt_outs", "became_known", "opted_out",
    "removed", "became_unknown", "end", "opted_out_high", "unknown", "arrived_opted_out",
)  # fmt: skip


def list_flow(table: HistoryTable, every: str, by: By | Sequence[By] | None, time_zone: str) -> pl.DataFrame:
    """Count moves by period and group; see `ContactHistory.list_flow`."""
    groups = RowGroups(by, taken=(*_COLUMNS, *_BETWEEN))
    calendar = calendar_of(table, created_period(every).every, time_zone)
    changing, steady = versions(table, groups.reads)
    changing, steady = (frame.with_columns(now=_state()) for frame in (changing, steady))
    at_first = pl.concat([steady, changing.filter(pl.col("h_snapshot") == 0)])
    moves = _moves(table, changing, calendar)
    if groups.names:
        counted = _by_group(moves, changing, groups)
        start = groups.apply(at_first)
    else:
        # Everyone is in one group, before and after.
        one = pl.lit(value=True)
        counted, start = moves.with_columns(before=one, after=one), at_first
    return groups.named(_table(counted, start, calendar, groups.names))


def _moves(table: HistoryTable, changing: pl.DataFrame, calendar: Calendar) -> pl.DataFrame:
    """Return each version after the first look with what the contact was (`was`) and is (`now`), and its period `n`."""
    same = pl.col("h_contact") == pl.col("h_contact").shift(1)
    arrived = pl.col("h_contact").is_in(arrivals(table)["h_contact"].implode())
    return (
        changing.select("h_contact", "h_snapshot", "now")
        .with_row_index("version")
        .with_columns(was=pl.when(same).then(pl.col("now").shift(1)).otherwise(pl.lit(_NEW)))
        .filter(pl.col("h_snapshot") > 0)
        .with_columns(n=calendar.of_snapshot(pl.col("h_snapshot")), arrived=arrived)
        .join(_lost(table, changing), on=["h_contact", "h_snapshot"], how="left", maintain_order="left")
        .with_columns(pl.col("lost").fill_null(value=False))
    )


def _by_group(moves: pl.DataFrame, changing: pl.DataFrame, groups: RowGroups) -> pl.DataFrame:
    """Give each move a row for each group that the contact was in `before`, or is in `after`."""
    members = groups.apply(changing.with_row_index("version")).select("version", *groups.names)
    yes = pl.lit(value=True)
    before = members.with_columns(pl.col("version") + 1, before=yes)
    both = before.join(
        members.with_columns(after=yes),
        on=["version", *groups.names],
        how="full",
        coalesce=True,
        nulls_equal=True,
    )
    rows = moves.join(both, on="version", how="inner")
    # Of a contact that was not seen before, the version before is another contact's.
    is_first = pl.col("was") == _NEW
    return rows.with_columns(
        before=pl.col("before").fill_null(value=False) & ~is_first,
        after=pl.col("after").fill_null(value=False),
    )


def _table(moves: pl.DataFrame, start: pl.DataFrame, calendar: Calendar, keys: list[str]) -> pl.DataFrame:
    was, now, before, after = (pl.col(name) for name in ("was", "now", "before", "after"))
    counts = {
        **{name: (now == _ON) & (was == state) & after for state, name in _INTO.items()},
        **{name: (was == _ON) & (now == state) & before for state, name in _FROM.items()},
    }
    counts["lost_opt_outs"] = counts["resubscribed"] & pl.col("lost")
    counts["resubscribed"] &= ~pl.col("lost")
    counts["arrived_opted_out"] = (was == _NEW) & (now == _OUT) & after & pl.col("arrived")
    stayed = (was == _ON) & (now == _ON)
    counts["joined_group"] = stayed & after & ~before
    counts["left_group"] = stayed & before & ~after
    unknown = ((now == _UNKNOWN) & after).cast(pl.Int64) - ((was == _UNKNOWN) & before).cast(pl.Int64)
    sums = moves.group_by("n", *keys).agg(
        *(kept.sum().cast(pl.Int64).alias(name) for name, kept in counts.items()), net_unknown=unknown.sum()
    )
    firsts = [(pl.col("now") == state).sum().cast(pl.Int64).alias(name) for state, name in _FIRST.items()]
    if keys:
        begun = start.group_by(keys).agg(firsts)
        everyone = pl.concat([begun.select(keys), sums.select(keys)]).unique().sort(keys, nulls_last=True)
        frame = everyone.join(begun, on=keys, how="left", nulls_equal=True, maintain_order="left")
        rows = frame.join(calendar.periods.sort("n"), how="cross")
    else:
        rows = calendar.periods.sort("n").join(start.select(firsts), how="cross")
    rows = rows.join(sums, on=["n", *keys], how="left", nulls_equal=True, maintain_order="left").with_columns(
        pl.col(*counts, "net_unknown", *_FIRST.values()).fill_null(0)
    )
    into = pl.sum_horizontal(
        "added", "came_back", "resubscribed", "lost_opt_outs", "became_known", "joined_group"
    )
    out = pl.sum_horizontal(*_FROM.values())
    moved, hidden = (into - out - pl.col("left_group")).cum_sum(), pl.col("net_unknown").cum_sum()
    if keys:
        moved, hidden = moved.over(keys), hidden.over(keys)
    end = pl.col("first_on") + moved
    columns = list(_COLUMNS)
    if keys:
        columns[columns.index("end") : columns.index("end")] = _BETWEEN
    return rows.with_columns(
        end=end,
        start=end - (into - out - pl.col("left_group")),
        opted_out_high=out,
        unknown=pl.col("first_unknown") + hidden,
    ).select(*keys, *columns)


def _state() -> pl.Expr:
    out = pl.col("opt_out")
    removed = pl.when(pl.col("h_kind") == REMOVED).then(pl.lit(_GONE))
    return (
        removed.when(out).then(pl.lit(_OUT)).when(out.is_null()).then(pl.lit(_UNKNOWN)).otherwise(pl.lit(_ON))
    )


def _lost(table: HistoryTable, changing: pl.DataFrame) -> pl.DataFrame:
    """Return the versions, by contact and snapshot, that lost an opt-out since the version before was known."""
    known = spells(ended(changing))
    turned = known.filter(pl.col("opt_out"), ~pl.col("next_opt_out"))
    return turned.select("h_contact", h_snapshot="next_first", lost=recreated(table, turned))
