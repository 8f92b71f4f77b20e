"""Opt-outs over time: events by calendar period, over the contacts that could have had one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from sendblue_data._frames.grouping import By, RowGroups, created_period
from sendblue_data._shared.time import zone_of
from sendblue_data.analytics.rates import with_rate
from sendblue_data.history.arrivals import mark_arrivals
from sendblue_data.history.layout import ADDED, REMOVED
from sendblue_data.history.opt_out_times import checked_times
from sendblue_data.history.process_limits import LEAST_PERIODS, joint_quantile, limits, process
from sendblue_data.history.spells import ended, identities_at, look_times, recreated, spells, versions
from sendblue_data.history.state import looks
from sendblue_data.history.table import HistoryTable

_COUNTS = (
    "at_risk", "opt_outs", "arrived_opted_out", "opt_out_events", "resubscribes", "lost_opt_outs", "added", "removed",
)  # fmt: skip
_COLUMNS = (
    "period", "days", "unequal_days", "missed_periods", "looks", "at_risk", "opt_outs", "rate", "low", "high",
    "per_30_days", "per_30_days_low", "per_30_days_high", "limit_low", "limit_high", "signal",
    "arrived_opted_out", "opt_out_events", "resubscribes", "lost_opt_outs", "added", "removed", "net_growth",
)  # fmt: skip
_DAY = 86_400e6
_EQUAL = 0.1
"""A period that was watched for this share more or fewer days than it has is marked."""


@dataclass(frozen=True)
class Calendar:
    """Periods with a look in them (`n, period, looks, days, ...`), and where looks and snapshots fall among them."""

    periods: pl.DataFrame
    period_of_look: pl.Series
    times: pl.DataFrame
    every: str | None
    time_zone: str

    def of_moment(self, moment: pl.Series) -> pl.Series:
        """Period that each moment lies in; null where no look lies in it, or each look is a period."""
        if self.every is None:
            return pl.Series(moment.name, [None] * len(moment), pl.Int32)
        local = moment.dt.convert_time_zone(self.time_zone).dt.truncate(self.every).dt.date()
        placed = (
            local.alias("period")
            .to_frame()
            .join(self.periods.select("period", "n"), on="period", how="left", maintain_order="left")
        )
        return placed["n"]

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
    table: HistoryTable,
    every: str,
    by: By | Sequence[By] | None,
    confidence: float,
    *,
    time_zone: str,
    count_arrived: bool,
    times: Any | None = None,
) -> pl.DataFrame:
    """Count by period and group; see `ContactHistory.opt_out_trend`."""
    told = None if times is None else checked_times(times)
    groups = RowGroups(by, taken=_COLUMNS)
    calendar = calendar_of(table, created_period(every).every, time_zone)
    keys = groups.names
    rows = counts(table, groups, calendar, count_arrived=count_arrived, times=told)
    rows = _how_watched(rows, calendar.periods, every)
    rated = with_rate(rows, "opt_outs", "at_risk", confidence=confidence)
    for rate, name in (("rate", "per_30_days"), ("low", "per_30_days_low"), ("high", "per_30_days_high")):
        rated = rated.with_columns(per_30_days(pl.col(rate)).alias(name))
    judged = _judged(rated, keys, confidence)
    return groups.named(
        judged.with_columns(net_growth=pl.col("added") - pl.col("removed")).select(*keys, *_COLUMNS)
    )


def per_30_days(rate: pl.Expr) -> pl.Expr:
    """Turn a rate over `days` into that of 30 days at the same hazard; a period without a length has no rate."""
    return 1 - (1 - rate) ** (30 / pl.col("days"))


def counts(
    table: HistoryTable,
    groups: RowGroups,
    calendar: Calendar,
    *,
    count_arrived: bool,
    times: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Return a row a group and period: its group columns, the calendar's, and the counts of both.

    An opt-out of which `times` tell when counts in that period, if there is a look in it, else in that of the look that
    shows it.
    """
    changing, steady = versions(table, groups.reads)
    changing = ended(changing)
    grouped = groups.apply(changing)
    # Spells are made before tags are spread over rows: a spell ends with the contact's next row, whatever its tags.
    all_spells = mark_arrivals(table, spells(changing, groups.reads))
    all_spells = all_spells.with_columns(arrived=pl.col("arrived") & pl.lit(count_arrived))
    all_spells = all_spells.with_columns(shown=calendar.of_snapshot(pl.col("next_first")))
    if times is not None:
        all_spells = _by_time(table, all_spells, calendar, times)
    known = groups.apply(all_spells)
    keys = groups.names
    counted = [
        _steady_at_risk(groups.apply(steady), calendar, keys),
        _at_risk(known, calendar, keys),
        _events(table, known, calendar, keys),
        _comings(grouped, calendar, keys),
    ]
    sums = pl.concat(counted, how="diagonal").group_by(*keys, "n").agg(pl.col(*_COUNTS).sum())
    grid = calendar.periods
    if keys:
        grid = sums.select(keys).unique().join(grid, how="cross")
    rows = grid.join(sums, on=[*keys, "n"], how="left", nulls_equal=True).sort(*keys, "n", nulls_last=True)
    return rows.with_columns(pl.col(_COUNTS).fill_null(0).cast(pl.Int64))


def _by_time(
    table: HistoryTable, spells_: pl.DataFrame, calendar: Calendar, times: pl.DataFrame
) -> pl.DataFrame:
    """Put into `shown` the period in which an opt-out happened, where its time lies between the looks around it."""
    rows = spells_.with_row_index("row")
    left = rows.filter(~pl.col("opt_out") & pl.col("next_opt_out"))
    (who,) = identities_at(table, left, ("first",))
    seen = look_times(table)
    left = left.select(
        "row",
        who["phone"],
        after=seen["seen_until"].gather(left["end"] - 1),
        before=seen["seen_from"].gather(left["next_first"]),
    )
    told = left.join(times.select("phone", "opted_out_at"), on="phone").filter(
        pl.col("opted_out_at") > pl.col("after"), pl.col("opted_out_at") <= pl.col("before")
    )
    first = told.sort("opted_out_at").unique("row", keep="first")
    dated = first.select("row", calendar.of_moment(first["opted_out_at"]).alias("told"))
    joined = rows.join(dated, on="row", how="left", maintain_order="left")
    return joined.with_columns(shown=pl.coalesce("told", "shown")).drop("row", "told")


def calendar_of(table: HistoryTable, every: str | None, time_zone: str) -> Calendar:
    """Return the periods that have a look in them, as clocks in a time zone count them; each look is one if None.

    Each has `n`, `period` (its first day, or the look's), `after` and `before` (the last look before it, and its last),
    `days` between these, and `looks`.
    """
    zone_of(time_zone)
    local = pl.col("h_taken_at").dt.convert_time_zone(time_zone)
    seen = (
        looks(table)
        .select(
            at="h_taken_at",
            previous=pl.col("h_taken_at").shift(1),
            period=(local if every is None else local.dt.truncate(every)).dt.date(),
        )
        .with_row_index("look")
    )
    key = "look" if every is None else "period"
    periods = (
        seen.group_by(key)
        .agg(
            *([pl.col("period").first()] if every is None else []),
            after=pl.coalesce(pl.col("previous").min(), pl.col("at").min()),
            before=pl.col("at").max(),
            looks=pl.len().cast(pl.Int64),
        )
        .sort(key)
        .with_row_index("n")
        .with_columns(
            pl.col("n").cast(pl.Int32),
            days=(pl.col("before") - pl.col("after")).dt.total_microseconds() / _DAY,
        )
    )
    n = seen.join(periods, on=key, how="left", maintain_order="left")["n"]
    return Calendar(periods, n, look_times(table), every, time_zone)


def _how_watched(rows: pl.DataFrame, periods: pl.DataFrame, every: str) -> pl.DataFrame:
    """Add `unequal_days` and `missed_periods`: how a period compares with the calendar's, and what lacks before it."""
    ends = pl.date_range(pl.col("period").min(), pl.col("period").max(), every)
    places = periods.select(ends).with_row_index("place")
    length = (pl.col("period").dt.offset_by(every) - pl.col("period")).dt.total_days()
    known = periods.join(places, on="period", how="left", maintain_order="left").select(
        "n",
        unequal_days=(pl.col("days") - length).abs() > _EQUAL * length,
        missed_periods=(pl.col("place").cast(pl.Int64).diff() - 1).fill_null(0),
    )
    return rows.join(known, on="n", how="left", maintain_order="left")


def _judged(rated: pl.DataFrame, keys: list[str], confidence: float) -> pl.DataFrame:
    """Add the limits within which all periods of all groups lie together if nothing changed, per 30 days."""
    rated = rated.with_row_index("row")
    # Nobody is at risk at the first look, so these periods have a length.
    parts = rated.filter(pl.col("at_risk") > 0).sort("row")
    groups = parts.partition_by(keys) if keys else [parts]
    groups = [group for group in groups if group.height >= LEAST_PERIODS]
    z = joint_quantile(confidence, sum(group.height for group in groups))
    found = [pl.DataFrame(schema={"row": rated.schema["row"], "lowest": pl.Float64, "highest": pl.Float64})]
    for group in groups:
        out, risk, days = (
            group[name].cast(pl.Float64).to_numpy() for name in ("opt_outs", "at_risk", "days")
        )
        low, high = limits(process(out, risk, days), risk, z)
        found.append(group.select("row", lowest=pl.Series(low), highest=pl.Series(high)))
    rate = pl.col("rate")
    return rated.join(pl.concat(found), on="row", how="left", maintain_order="left").with_columns(
        limit_low=per_30_days(pl.col("lowest")),
        limit_high=per_30_days(pl.col("highest")),
        signal=pl.when(rate > pl.col("highest"))
        .then(pl.lit("above"))
        .when(rate < pl.col("lowest"))
        .then(pl.lit("below")),
    )


def _steady_at_risk(steady: pl.DataFrame, calendar: Calendar, keys: list[str]) -> pl.DataFrame:
    """Count contacts that never changed: at risk at every look but the first."""
    periods = calendar.period_of_look[1:].unique().alias("n").to_frame()
    there = steady.filter(~pl.col("opt_out"))
    count = pl.len().cast(pl.Int64).alias("at_risk")
    groups = there.group_by(keys).agg(count) if keys else there.select(count)
    return groups.join(periods, how="cross")


def _at_risk(known: pl.DataFrame, calendar: Calendar, keys: list[str]) -> pl.DataFrame:
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
    shown = subscribed.drop_nulls("next_first").select(*keys, "h_contact", start="shown", stop="shown")
    # Whoever arrived was at risk since its creation, in whatever state the first look shows it.
    arrival = calendar.of_snapshot(pl.col("first"))
    arrived = known.filter("arrived").select(*keys, "h_contact", start=arrival, stop=arrival)
    same = pl.all_horizontal(pl.col(name).eq_missing(pl.col(name).shift(1)) for name in (*keys, "h_contact"))
    stretches = (
        pl.concat([lasting, shown, arrived])
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


def _events(table: HistoryTable, known: pl.DataFrame, calendar: Calendar, keys: list[str]) -> pl.DataFrame:
    """Count opt-outs and opt-ins in the period of the first look that shows them, in the group that they left from."""
    turned = known.filter(pl.col("opt_out") != pl.col("next_opt_out"))
    turned = turned.select(
        *keys,
        "h_contact",
        n="shown",
        out="next_opt_out",
        arrived=pl.lit(value=False),
        # Whoever was deleted and created again did not ask for texts: the account forgot the opt-out.
        lost=~pl.col("next_opt_out") & recreated(table, turned),
    )
    came = known.filter(pl.col("arrived"), pl.col("opt_out")).select(
        *keys,
        "h_contact",
        n=calendar.of_snapshot(pl.col("first")),
        out="opt_out",
        arrived="arrived",
        lost=pl.lit(value=False),
    )
    out = pl.col("out")
    return (
        pl.concat([turned, came])
        .group_by(*keys, "n")
        .agg(
            opt_outs=pl.col("h_contact").filter(out).n_unique().cast(pl.Int64),
            arrived_opted_out=pl.col("arrived").sum().cast(pl.Int64),
            opt_out_events=out.sum().cast(pl.Int64),
            resubscribes=(~out & ~pl.col("lost")).sum().cast(pl.Int64),
            lost_opt_outs=pl.col("lost").sum().cast(pl.Int64),
        )
    )


def _comings(grouped: pl.DataFrame, calendar: Calendar, keys: list[str]) -> pl.DataFrame:
    """Count contacts that came after the first snapshot, and that went, in the group they came with or had last."""
    came = grouped.filter(pl.col("h_kind") == ADDED, pl.col("h_snapshot") > 0).select(
        *keys, n=calendar.of_snapshot(pl.col("h_snapshot")), added=pl.lit(1, pl.Int64)
    )
    went = grouped.filter(pl.col("gone"), pl.col("h_kind") != REMOVED).select(
        *keys, n=calendar.of_snapshot(pl.col("end")), removed=pl.lit(1, pl.Int64)
    )
    return pl.concat([came, went], how="diagonal")
