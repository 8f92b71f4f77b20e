"""How the list of subscribed contacts moved: who came onto it and who went from it, by period."""

from __future__ import annotations

import polars as pl

from sendblue_data._frames.grouping import created_period
from sendblue_data.history.arrivals import arrivals
from sendblue_data.history.layout import REMOVED
from sendblue_data.history.spells import ended, recreated, spells, versions
from sendblue_data.history.table import HistoryTable
from sendblue_data.history.trend import calendar_of

_ON, _OUT, _UNKNOWN, _GONE, _NEW = "subscribed", "opted out", "unknown", "gone", "new"
_INTO = {_NEW: "added", _GONE: "came_back", _OUT: "resubscribed", _UNKNOWN: "became_known"}
_FROM = {_OUT: "opted_out", _GONE: "removed", _UNKNOWN: "became_unknown"}
_COLUMNS = (
    "period", "days", "start", "added", "came_back", "resubscribed", "lost_opt_outs", "became_known", "opted_out",
    "removed", "became_unknown", "end", "opted_out_high", "unknown", "arrived_opted_out",
)  # fmt: skip


def list_flow(table: HistoryTable, every: str, time_zone: str) -> pl.DataFrame:
    """Count moves by period; see `ContactHistory.list_flow`."""
    calendar = calendar_of(table, created_period(every).every, time_zone)
    changing, steady = versions(table, [])
    states = changing.select(
        "h_contact",
        "h_snapshot",
        now=pl.when(pl.col("h_kind") == REMOVED).then(pl.lit(_GONE)).otherwise(_state()),
    )
    same = pl.col("h_contact") == pl.col("h_contact").shift(1)
    moves = states.with_columns(was=pl.when(same).then(pl.col("now").shift(1)).otherwise(pl.lit(_NEW)))
    first = pl.concat([steady.select(now=_state()), states.filter(pl.col("h_snapshot") == 0).select("now")])
    moves = moves.filter(pl.col("h_snapshot") > 0, pl.col("was") != pl.col("now"))
    moves = moves.with_columns(n=calendar.of_snapshot(pl.col("h_snapshot"))).join(
        _lost(table, changing), on=["h_contact", "h_snapshot"], how="left", maintain_order="left"
    )
    was, now = pl.col("was"), pl.col("now")
    lost = pl.col("lost").fill_null(value=False)
    counts = {
        **{name: (now == _ON) & (was == state) for state, name in _INTO.items()},
        **{name: (was == _ON) & (now == state) for state, name in _FROM.items()},
    }
    counts["lost_opt_outs"] = counts["resubscribed"] & lost
    counts["resubscribed"] &= ~lost
    counts["arrived_opted_out"] = (
        (was == _NEW) & (now == _OUT) & pl.col("h_contact").is_in(arrivals(table)["h_contact"].implode())
    )
    unknown = (now == _UNKNOWN).cast(pl.Int64) - (was == _UNKNOWN).cast(pl.Int64)
    sums = moves.group_by("n").agg(
        *(kept.sum().cast(pl.Int64).alias(name) for name, kept in counts.items()), net_unknown=unknown.sum()
    )
    rows = (
        calendar.periods.join(sums, on="n", how="left")
        .sort("n")
        .with_columns(pl.col(*counts, "net_unknown").fill_null(0))
    )
    into = pl.sum_horizontal("added", "came_back", "resubscribed", "lost_opt_outs", "became_known")
    out = pl.sum_horizontal(*_FROM.values())
    end = pl.lit(first.filter(pl.col("now") == _ON).height, pl.Int64) + (into - out).cum_sum()
    return rows.with_columns(
        end=end,
        start=end - into + out,
        opted_out_high=out,
        unknown=pl.lit(first.filter(pl.col("now") == _UNKNOWN).height, pl.Int64)
        + pl.col("net_unknown").cum_sum(),
    ).select(_COLUMNS)


def _state() -> pl.Expr:
    out = pl.col("opt_out")
    return pl.when(out).then(pl.lit(_OUT)).when(out.is_null()).then(pl.lit(_UNKNOWN)).otherwise(pl.lit(_ON))


def _lost(table: HistoryTable, changing: pl.DataFrame) -> pl.DataFrame:
    """Return the versions, by contact and snapshot, that lost an opt-out since the version before was known."""
    known = spells(ended(changing))
    turned = known.filter(pl.col("opt_out"), ~pl.col("next_opt_out"))
    return turned.select("h_contact", h_snapshot="next_first", lost=recreated(table, turned))
