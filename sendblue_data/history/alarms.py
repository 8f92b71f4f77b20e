"""Spikes: looks between which more opted out than those before lead one to expect, in all contacts or in one group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import polars as pl

from sendblue_data._frames.grouping import By, RowGroups, created_period
from sendblue_data._shared.validation import check_number
from sendblue_data.history.opt_out_times import checked_times
from sendblue_data.history.process_limits import LEAST_PERIODS, Numbers
from sendblue_data.history.table import HistoryTable
from sendblue_data.history.trend import Calendar, calendar_of, counts

_FACTORS = {"tags": "tag", "sendblue_number": "line"}
_MOST_PERIODS = 60
"""Periods that one is held against, the latest before it: what was usual two years ago is not usual now."""
_MEDIAN_RANGE_TO_SIGMA = 0.954
"""Median absolute difference of two normal values, in standard deviations: a spike of the past does not move it."""
_DAYS_A_YEAR = 365.25
_COLUMNS = (
    "period", "after", "before", "factor", "level", "at_risk", "opt_outs", "arrived_opted_out", "expected", "times",
    "p", "false_alarms_per_year",
)  # fmt: skip


@dataclass(frozen=True)
class Judged:
    """What each period of a group was expected to show from those before it: null (NaN) where these are too few."""

    expected: Numbers
    p: Numbers


def judge(opt_outs: Numbers, exposure: Numbers, first: int = 0) -> Judged:
    """Hold each period, from the one at `first` on, against the periods before it.

    `p` is the chance of as many opt-outs or more, given those before: two Poisson rates compared through the cube roots
    of their gamma distributions (Wilson and Hilferty 1931), whose counts are divided by the variance that the periods
    before have beyond chance, from the median of their moving ranges (as Laney's p' chart, 2002, from the mean).

    Args:
        opt_outs: by period, in the order of time.
        exposure: contacts at risk times days, of the same periods.
        first: periods before this one are not judged.

    Example:
        >>> usual = np.array([4.0, 6, 5, 5, 4, 6, 5])
        >>> found = judge(np.append(usual, 20), np.full(8, 1000.0), first=7)
        >>> float(found.expected[-1]), bool(found.p[-1] < 1e-4)
        (5.0, True)
    """
    size = len(opt_outs)
    expected, p = np.full(size, np.nan), np.full(size, np.nan)
    for place in range(max(first, LEAST_PERIODS), size):
        before = slice(max(0, place - _MOST_PERIODS), place)
        seen, watched = float(opt_outs[before].sum()), float(exposure[before].sum())
        usual = seen / watched * exposure[before]
        variance = 1.0
        if seen:
            ranges = np.abs(np.diff((opt_outs[before] - usual) / np.sqrt(usual)))
            variance = max(1.0, float(np.median(ranges)) / _MEDIAN_RANGE_TO_SIGMA) ** 2
        expected[place] = seen / watched * exposure[place]
        now = float(opt_outs[place])
        p[place] = _chance(now / variance, float(exposure[place]), seen / variance, watched)
    return Judged(expected, p)


def _chance(now: float, exposure: float, seen: float, watched: float) -> float:
    """Return the chance of a rate of `now` events or more over `exposure`, given `seen` events over `watched`."""
    if now <= 0:
        return 1.0
    here, there = (now / exposure) ** (1 / 3), ((seen + 1) / watched) ** (1 / 3)
    error = (here**2 / (9 * now) + there**2 / (9 * (seen + 1))) ** 0.5
    gap = here * (1 - 1 / (9 * now)) - there * (1 - 1 / (9 * (seen + 1)))
    return NormalDist().cdf(-gap / error)


def opt_out_alarms(
    table: HistoryTable,
    by: Sequence[By],
    every: str | None,
    *,
    false_alarms_per_year: float,
    time_zone: str,
    count_arrived: bool,
    latest: bool,
    times: Any | None = None,
) -> pl.DataFrame:
    """Find the spikes; see `ContactHistory.opt_out_alarms`."""
    expected = "a number above 0, such as 1"
    check_number("false_alarms_per_year", false_alarms_per_year, lambda given: given > 0, expected)
    told = None if times is None else checked_times(times)
    calendar = calendar_of(table, None if every is None else created_period(every).every, time_zone)
    judged = pl.concat(
        [
            _factor(table, one, calendar, count_arrived=count_arrived, latest=latest, times=told)
            for one in (None, *([by] if isinstance(by, str) else by))
        ]
    )
    periods = calendar.periods
    years = max(float(periods["days"].sum()), 1.0) / _DAYS_A_YEAR
    # As many tests a year as there are periods, times the groups that each of them is judged in.
    tests = pl.len().over("period", "before") * (periods.height / years)
    return (
        judged.filter(pl.col("p") <= false_alarms_per_year / tests)
        .with_columns(false_alarms_per_year=pl.lit(float(false_alarms_per_year)))
        .sort("before", "p", "factor", "level")
        .select(_COLUMNS)
    )


def _factor(
    table: HistoryTable,
    by: By | None,
    calendar: Calendar,
    *,
    count_arrived: bool,
    latest: bool,
    times: pl.DataFrame | None,
) -> pl.DataFrame:
    """Judge every period of each group of one factor."""
    groups = RowGroups(by, taken=_COLUMNS)
    keys = groups.names
    rows = counts(table, groups, calendar, count_arrived=count_arrived, times=times)
    # Nobody is at risk at the first look, so these periods have a length.
    rows = rows.filter(pl.col("at_risk") > 0)
    # Who left was at risk for half of the time, on average (the actuarial estimate).
    rows = rows.with_columns(exposure=(pl.col("at_risk") - pl.col("opt_outs") / 2) * pl.col("days"))
    newest = calendar.periods.height - 1
    parts = [rows.clear().with_columns(expected=pl.lit(None, pl.Float64), p=pl.lit(None, pl.Float64))]
    for group in rows.partition_by(keys) if keys else [rows]:
        part = group.sort("n")
        if latest and (not part.height or part["n"][-1] != newest):
            continue
        first = part.height - 1 if latest else 0
        found = judge(part["opt_outs"].cast(pl.Float64).to_numpy(), part["exposure"].to_numpy(), first)
        parts.append(part.with_columns(expected=pl.Series(found.expected), p=pl.Series(found.p)))
    judged = pl.concat(parts).with_columns(pl.col("expected", "p").fill_nan(None)).drop_nulls("p")
    # Contacts without a value are no group that one could look into.
    named = groups.named(judged.drop_nulls(keys) if keys else judged)
    name = "all" if by is None else next(column for column in named.columns if column not in judged.columns)
    level = pl.lit("all") if by is None else pl.col(name).cast(pl.String)
    return named.select(
        "period",
        "after",
        "before",
        factor=pl.lit(_FACTORS.get(name, name)),
        level=level,
        at_risk="at_risk",
        opt_outs="opt_outs",
        arrived_opted_out="arrived_opted_out",
        expected="expected",
        times=pl.when(pl.col("expected") > 0).then(pl.col("opt_outs") / pl.col("expected")),
        p="p",
    )
