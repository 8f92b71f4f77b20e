"""Opt-outs over time: events by calendar period, over the contacts that could have had one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from sendblue_data._frames.grouping import By, RowGroups, created_period
from sendblue_data.analytics.rates import with_rate
from sendblue_data.history.layout import ADDED, REMOVED
from sendblue_data.history.spells import ended, look_times, spells, versions
from sendblue_data.history.state import looks
from sendblue_data.history.table import HistoryTable

_COUNTS = ("at_risk", "opt_outs", "opt_out_events", "resubscribes", "added", "removed")
_COLUMNS = (
    "period", "days", "looks", "at_risk", "opt_outs", "rate", "low", "high", "opt_out_events", "resubscribes",
    "added", "removed", "net_growth",
)  # fmt: skip
_DAY = 86_400e6


@dataclass(frozen=True)
class _Calendar:
    """Periods with a look in them (`n, period, looks, days`), and where looks and snapshots fall among them."""

    periods: pl.DataFrame
    period_of_look: pl.Series
    times: pl.DataFrame

    def of_look(self, position: pl.Expr) -> pl.Expr:
        """Period of a look, given its position among all looks."""
        return position.map_batches(self.period_of_look.gather, return_dtype=pl.Int32)

    def of_snapshot(self, number: pl.Expr) -> pl.Expr:
        """Period of a snapshot's first look."""
        return self.of_look(self.look(number, "first_look"))

    def look(self, number: pl.Expr, column: str) -> pl.Expr:
        """Position of a snapshot's `first_look` or `last_look`."""
        return number.map_batches(self.times[column].gather, return_dtype=pl.Int32)


def opt_out_trend(
    table: HistoryTable, every: str, by: By | Sequence[By] | None, confidence: float
) -> pl.DataFrame:
    """Count by period and group; see `ContactHistory.opt_out_trend`."""
    groups = RowGroups(by, taken=_COLUMNS)
    calendar = _calendar(table, created_period(every).every)
    changing, steady = versions(table, groups.reads)
    changing = ended(changing)
    grouped = groups.apply(changing)
    # Spells are made before tags are spread over rows: a spell ends with the contact's next row, whatever its tags.
    known = groups.apply(spells(changing, groups.reads))
    keys = groups.names
    counted = [
        _steady_at_risk(groups.apply(steady), calendar, keys),
        _at_risk(known, calendar, keys),
        _events(known, calendar, keys),
        _comings(grouped, calendar, keys),
    ]
    counts = pl.concat(counted, how="diagonal").group_by(*keys, "n").agg(pl.col(*_COUNTS).sum())
    grid = calendar.periods
    if keys:
        grid = counts.select(keys).unique().join(grid, how="cross")
    rows = grid.join(counts, on=[*keys, "n"], how="left", nulls_equal=True).sort(*keys, "n", nulls_last=True)
    rows = rows.with_columns(pl.col(_COUNTS).fill_null(0).cast(pl.Int64))
    rated = with_rate(rows, "opt_outs", "at_risk", confidence=confidence)
    rated = rated.with_columns(net_growth=pl.col("added") - pl.col("removed"))
    return groups.named(rated.select(*keys, *_COLUMNS))


def _calendar(table: HistoryTable, every: str) -> _Calendar:
    seen = looks(table).select(
        at="h_taken_at",
        before=pl.col("h_taken_at").shift(1),
        period=pl.col("h_taken_at").dt.truncate(every).dt.date(),
    )
    since = pl.coalesce(pl.col("before").min(), pl.col("at").min())
    periods = (
        seen.group_by("period")
        .agg(
            days=(pl.col("at").max() - since).dt.total_microseconds() / _DAY,
            looks=pl.len().cast(pl.Int64),
        )
        .sort("period")
        .with_row_index("n")
        .with_columns(pl.col("n").cast(pl.Int32))
    )
    n = seen.join(periods, on="period", how="left", maintain_order="left")["n"]
    return _Calendar(periods, n, look_times(table))


def _steady_at_risk(steady: pl.DataFrame, calendar: _Calendar, keys: list[str]) -> pl.DataFrame:
    """Count contacts that never changed: at risk at every look but the first."""
    periods = calendar.period_of_look[1:].unique().alias("n").to_frame()
    there = steady.filter(~pl.col("opt_out"))
    count = pl.len().cast(pl.Int64).alias("at_risk")
    groups = there.group_by(keys).agg(count) if keys else there.select(count)
    return groups.join(periods, how="cross")


def _at_risk(known: pl.DataFrame, calendar: _Calendar, keys: list[str]) -> pl.DataFrame:
    """Count contacts with a look in the period that shows their state, last known as not opted out before it."""
    subscribed = known.filter(~pl.col("opt_out")).with_columns(
        first_look=calendar.look(pl.col("first"), "first_look") + 1,
        last_look=calendar.look(pl.col("end") - 1, "last_look").fill_null(len(calendar.period_of_look) - 1),
    )
    lasting = subscribed.filter(pl.col("first_look") <= pl.col("last_look")).select(
        *keys,
        "h_contact",
        start=calendar.of_look(pl.col("first_look")),
        stop=calendar.of_look(pl.col("last_look")),
    )
    outcome = calendar.of_snapshot(pl.col("next_first"))
    shown = subscribed.drop_nulls("next_first").select(*keys, "h_contact", start=outcome, stop=outcome)
    same = pl.all_horizontal(pl.col(name).eq_missing(pl.col(name).shift(1)) for name in (*keys, "h_contact"))
    stretches = (
        pl.concat([lasting, shown])
        .sort(*keys, "h_contact", "start", "stop")
        # Periods that an earlier stretch of the same contact has counted are not counted again.
        .with_columns(counted=pl.col("stop").cum_max().over(*keys, "h_contact").shift(1))
        .with_columns(
            start=pl.when(same).then(pl.max_horizontal("start", pl.col("counted") + 1)).otherwise("start")
        )
        .filter(pl.col("start") <= pl.col("stop"))
    )
    steps = pl.concat(
        [
            stretches.select(*keys, n="start", step=pl.lit(1, pl.Int64)),
            stretches.select(*keys, n=pl.col("stop") + 1, step=pl.lit(-1, pl.Int64)),
        ]
    )
    steps = steps.group_by(*keys, "n").agg(pl.col("step").sum())
    grid = calendar.periods.select("n")
    if keys:
        grid = steps.select(keys).unique().join(grid, how="cross")
    level = pl.col("step").fill_null(0).cum_sum()
    return (
        grid.join(steps, on=[*keys, "n"], how="left", nulls_equal=True)
        .sort(*keys, "n")
        .select(*keys, "n", at_risk=level.over(keys) if keys else level)
    )


def _events(known: pl.DataFrame, calendar: _Calendar, keys: list[str]) -> pl.DataFrame:
    """Count opt-outs and opt-ins in the period of the first look that shows them, in the group that they left from."""
    turned = known.filter(pl.col("opt_out") != pl.col("next_opt_out")).with_columns(
        n=calendar.of_snapshot(pl.col("next_first"))
    )
    out = pl.col("next_opt_out")
    return turned.group_by(*keys, "n").agg(
        opt_outs=pl.col("h_contact").filter(out).n_unique().cast(pl.Int64),
        opt_out_events=out.sum().cast(pl.Int64),
        resubscribes=(~out).sum().cast(pl.Int64),
    )


def _comings(grouped: pl.DataFrame, calendar: _Calendar, keys: list[str]) -> pl.DataFrame:
    """Count contacts that came after the first snapshot, and that went, in the group they came with or had last."""
    came = grouped.filter(pl.col("h_kind") == ADDED, pl.col("h_snapshot") > 0).select(
        *keys, n=calendar.of_snapshot(pl.col("h_snapshot")), added=pl.lit(1, pl.Int64)
    )
    went = grouped.filter(pl.col("gone"), pl.col("h_kind") != REMOVED).select(
        *keys, n=calendar.of_snapshot(pl.col("end")), removed=pl.lit(1, pl.Int64)
    )
    return pl.concat([came, went], how="diagonal")
