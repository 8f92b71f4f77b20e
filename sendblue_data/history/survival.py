"""How long contacts stay subscribed, by age: three estimators of one curve, and their intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import polars as pl

from sendblue_data._frames.grouping import By, RowGroups
from sendblue_data._shared.validation import shown
from sendblue_data.analytics.rates import normal_quantile
from sendblue_data.errors import ConfigurationError
from sendblue_data.history.grouped_time import grouped_time
from sendblue_data.history.lives import observed_lives
from sendblue_data.history.opt_out_times import checked_times
from sendblue_data.history.state import looks
from sendblue_data.history.table import HistoryTable
from sendblue_data.history.turnbull import Lives, Numbers, bootstrap, cells_of, hazards, survival_at

SurvivalMethod: TypeAlias = Literal["turnbull", "cloglog", "kaplan-meier"]

_COLUMNS = ("day", "at_risk", "opt_outs", "arrived_opted_out", "censored", "survival", "low", "high")
_CONFIDENCE = "confidence"
_STEPS = ("day", "at_risk", "opt_outs", "censored", "survival", "low", "high")
_REPEATS = 200
"""Draws of the bootstrap: 5 of them lie beyond each end of a 95% interval."""
_REGULAR = 0.25
"""Looks are regular if no gap is this share longer or shorter than the one in the middle."""
_DAY = 86_400e6


def survival(
    table: HistoryTable,
    by: By | Sequence[By] | None,
    confidence: float,
    *,
    method: SurvivalMethod,
    count_arrived: bool,
    times: Any | None = None,
) -> pl.DataFrame:
    """Estimate by group; see `ContactHistory.survival`."""
    normal_quantile(confidence)  # refuses what is no share
    known = None if times is None else checked_times(times)
    if known is not None and method == "cloglog":
        raise ConfigurationError(
            "method='cloglog' knows opt-outs by looks alone, and times were given: use method='turnbull'."
        )
    estimate = _estimator(table, method)
    groups = RowGroups(by, taken=[*_COLUMNS, _CONFIDENCE])
    told = pl.lit(confidence).alias(_CONFIDENCE)
    lives = observed_lives(table, groups, count_arrived=count_arrived, times=known)
    keys = groups.names
    if not keys:
        return estimate(lives, confidence).with_columns(told)
    parts = lives.sort(keys, nulls_last=True).partition_by(keys, maintain_order=True)
    curves = [
        part.select(keys).head(1).join(estimate(part, confidence), how="cross")
        for part in parts
        # Nobody's life: the columns are those of any curve.
    ] or [lives.select(keys).join(estimate(lives, confidence), how="cross")]
    return groups.named(pl.concat(curves).with_columns(told))


def _estimator(table: HistoryTable, method: SurvivalMethod) -> Callable[[pl.DataFrame, float], pl.DataFrame]:
    if method == "turnbull":
        return turnbull_curve
    if method == "kaplan-meier":
        return _right_endpoints
    if method == "cloglog":
        gap = _regular_gap(table)
        return lambda lives, confidence: cloglog_curve(lives, gap, confidence)
    known = ", ".join(map(repr, get_args(SurvivalMethod)))
    raise ConfigurationError(f"method is {shown(method)}: expected one of {known}.")


def _regular_gap(table: HistoryTable) -> float:
    """Return the days between two looks, which must be much the same throughout."""
    gaps = (looks(table)["h_taken_at"].diff().drop_nulls().dt.total_microseconds() / _DAY).to_numpy()
    if not len(gaps):
        raise ConfigurationError("method='cloglog' needs two looks, and there is one: use method='turnbull'.")
    usual = float(np.median(gaps))
    if np.max(np.abs(gaps - usual)) > _REGULAR * usual:
        raise ConfigurationError(
            f"method='cloglog' needs looks at regular intervals, and these lie {gaps.min():.1f} to {gaps.max():.1f} "
            "days apart: use method='turnbull', which takes any."
        )
    return usual


def turnbull_curve(lives: pl.DataFrame, confidence: float) -> pl.DataFrame:
    """Estimate by Turnbull's method from `entry`, `after`, `before` (null: not seen to leave) and `arrived`, in days.

    Example:
        >>> lives = pl.DataFrame({"entry": [0.0] * 40, "after": [0.0] * 20 + [9.0] * 20,
        ...     "before": [9.0] * 20 + [None] * 20, "arrived": [False] * 40})
        >>> turnbull_curve(lives, 0.95).select("day", "at_risk", "opt_outs", pl.col("survival").round(6)).rows()[-1]
        (9.0, 40, 20, 0.5)
    """
    whole = in_whole_days(lives)
    table, distinct = _counted(whole), _distinct(whole)
    if not whole.height:
        return _with_curve(table, None)
    days = table["day"].to_numpy()
    cells = cells_of(distinct)
    hazard = hazards(distinct, cells)
    share = survival_at(cells, hazard, days)
    tail = (1 - confidence) / 2
    curves = bootstrap(distinct, cells, hazard, days, _REPEATS)
    low, high = np.quantile(curves, [tail, 1 - tail], axis=0)
    # As long as nobody left, no draw has anybody who did: there the bound is that of 0 events among the fewest watched.
    low = np.where(share >= 1, np.minimum(low, _without_events(distinct, days, tail)), low)
    return _with_curve(table, (share, np.minimum(low, share), np.maximum(high, share)))


def _without_events(lives: Lives, days: Numbers, tail: float) -> Numbers:
    """Return the lowest share that may survive each day, if nobody among those watched through it has left."""
    entry, after = (
        np.sort(np.repeat(ages, lives.number.astype(np.int64))) for ages in (lives.entry, lives.after)
    )
    through = np.searchsorted(entry, days[1:], side="left") - np.searchsorted(after, days[1:], side="left")
    fewest = np.concatenate([[np.inf], np.minimum.accumulate(through)])
    return np.where(fewest > 0, tail ** (1 / np.maximum(fewest, 1)), 0.0)


def cloglog_curve(lives: pl.DataFrame, gap: float, confidence: float) -> pl.DataFrame:
    """Estimate by the discrete-time model, for looks that are `gap` days apart; lives as in `turnbull_curve`."""
    table = _counted(in_whole_days(lives))
    if not lives.height:
        return _with_curve(table, None)
    entry, after, before = (
        lives[name].cast(pl.Float64).fill_null(np.inf).to_numpy() for name in ("entry", "after", "before")
    )
    found = grouped_time(Lives(entry, after, before, np.ones(lives.height)), gap)
    gone, error = found.cumulative(table["day"].to_numpy())
    with np.errstate(divide="ignore", invalid="ignore"):
        reach = np.where(gone > 0, np.exp(normal_quantile(confidence) * error / gone), 1.0)
    return _with_curve(table, (np.exp(-gone), np.exp(-gone * reach), np.exp(-gone / reach)))


def _right_endpoints(lives: pl.DataFrame, confidence: float) -> pl.DataFrame:
    ended = lives.select(
        "entry", exit=pl.coalesce("before", "after"), event=pl.col("before").is_not_null(), arrived="arrived"
    )
    curve = kaplan_meier(ended, confidence)
    came = ended.filter("arrived").group_by(day="exit").agg(arrived_opted_out=pl.len().cast(pl.Int64))
    joined = curve.join(came, on="day", how="left", maintain_order="left")
    return joined.with_columns(pl.col("arrived_opted_out").fill_null(0)).select(_COLUMNS)


def in_whole_days(lives: pl.DataFrame) -> pl.DataFrame:
    """Round ages to whole days, which leaves few that differ; an event keeps at least the day that it fell on.

    Example:
        >>> lives = pl.DataFrame({"entry": [0.6], "after": [3.4], "before": [3.9], "arrived": [False]})
        >>> in_whole_days(lives).rows()
        [(1.0, 3.0, 4.0, False)]
    """
    whole = {name: (pl.col(name) + 0.5).floor() for name in ("entry", "after", "before")}
    within_a_day = pl.col("before") - pl.col("after") < 1
    day = ((pl.col("after") + pl.col("before")) / 2).floor()
    rounded = lives.with_columns(
        whole["entry"],
        after=pl.when(within_a_day).then(day).otherwise(whole["after"]),
        before=pl.when(within_a_day).then(day + 1).otherwise(whole["before"]),
    )
    rounded = rounded.with_columns(entry=pl.min_horizontal("entry", "after"))
    return rounded.filter(pl.coalesce("before", "after") > pl.col("entry"))


def _distinct(whole: pl.DataFrame) -> Lives:
    same = whole.group_by("entry", "after", "before").agg(number=pl.len()).sort("entry", "after", "before")
    return Lives(
        same["entry"].to_numpy(),
        same["after"].to_numpy(),
        same["before"].fill_null(np.inf).to_numpy(),
        same["number"].cast(pl.Float64).to_numpy(),
    )


def _counted(whole: pl.DataFrame) -> pl.DataFrame:
    """Count by whole day of age, from 0 to the last that anything is known of."""
    until = pl.coalesce("before", "after")
    ends = whole.select("entry", until.alias("until"), "arrived", left=pl.col("before").is_not_null())
    last = int(ends["until"].max() or 0)  # type: ignore[arg-type]
    days = np.arange(last + 1, dtype=np.float64)
    entry, done = np.sort(ends["entry"].to_numpy()), np.sort(ends["until"].to_numpy())
    at_risk = np.searchsorted(entry, days, side="left") - np.searchsorted(done, days, side="left")
    at_risk[0] = np.sum(entry <= 0)
    counts = ends.group_by(pl.col("until").alias("day")).agg(
        opt_outs=pl.col("left").sum(),
        arrived_opted_out=pl.col("arrived").sum(),
        censored=(~pl.col("left")).sum(),
    )
    counted = ("opt_outs", "arrived_opted_out", "censored")
    table = pl.DataFrame({"day": days, "at_risk": at_risk}, schema={"day": pl.Float64, "at_risk": pl.Int64})
    joined = table.join(counts, on="day", how="left", maintain_order="left")
    return joined.with_columns(pl.col(counted).fill_null(0).cast(pl.Int64))


def _with_curve(table: pl.DataFrame, curve: tuple[Numbers, Numbers, Numbers] | None) -> pl.DataFrame:
    """Add the curve and its bounds; of nobody's life nothing is known, and nobody left has no interval."""
    if curve is None:
        nothing = pl.lit(None, pl.Float64)
        return table.with_columns(survival=nothing, low=nothing, high=nothing).select(_COLUMNS)
    share, low, high = curve
    some = share > 0
    return table.with_columns(
        survival=pl.Series(share),
        low=pl.Series(np.where(some, low, np.nan)).fill_nan(None),
        high=pl.Series(np.where(some, high, np.nan)).fill_nan(None),
    ).select(_COLUMNS)


def kaplan_meier(lives: pl.DataFrame, confidence: float) -> pl.DataFrame:
    """Estimate the share still subscribed by age from `entry`, `exit` (same unit) and `event`.

    An event is dated to the look that shows it, which is late by up to the time between two looks.

    A contact is at risk at age t when entry < t <= exit. The interval is Greenwood's on the log-log scale
    (Kalbfleisch and Prentice, "The Statistical Analysis of Failure Time Data", 2nd ed., section 1.4).

    Example:
        >>> import polars as pl
        >>> lives = pl.DataFrame({"entry": [0.0, 0.0, 1.0], "exit": [2.0, 3.0, 4.0], "event": [True, False, True]})
        >>> kaplan_meier(lives, 0.95).select("day", "at_risk", "opt_outs", "survival").rows()
        [(0.0, 2, 0, 1.0), (2.0, 3, 1, 0.666...), (4.0, 1, 1, 0.0)]
    """
    z = normal_quantile(confidence)
    entry, leaving = np.sort(lives["entry"].to_numpy()), np.sort(lives["exit"].to_numpy())
    steps = (
        lives.group_by(pl.col("exit").alias("day"))
        .agg(opt_outs=pl.col("event").sum().cast(pl.Int64), censored=(~pl.col("event")).sum().cast(pl.Int64))
        .sort("day")
    )
    day = steps["day"].to_numpy()
    at_risk = np.searchsorted(entry, day, side="left") - np.searchsorted(leaving, day, side="left")
    died = steps["opt_outs"].to_numpy()
    share = np.cumprod(1 - died / at_risk)
    with np.errstate(divide="ignore", invalid="ignore"):
        greenwood = np.cumsum(died / (at_risk * (at_risk - died)))
        spread = z * np.sqrt(greenwood) / np.abs(np.log(share))
        low, high = share ** np.exp(spread), share ** np.exp(-spread)
    curve = steps.with_columns(
        at_risk=pl.Series(at_risk, dtype=pl.Int64),
        survival=pl.Series(share, dtype=pl.Float64),
        # Before the first event the log-log scale has no width, and both bounds are 1, which it is to any power.
        low=pl.Series(low, dtype=pl.Float64),
        high=pl.Series(high, dtype=pl.Float64),
        censored=pl.col("censored").cum_sum(),
    ).with_columns(pl.when(pl.col("survival") > 0).then(pl.col("low", "high")))
    # Every contact is censored at an age of its own: only the ages at which the curve steps, and its end, are kept.
    curve = curve.filter((pl.col("opt_outs") > 0) | (pl.col("day") == pl.col("day").max()))
    curve = curve.with_columns(pl.col("censored") - pl.col("censored").shift(1, fill_value=0))
    # Of nobody's life is anything known: not even that the curve starts at 1.
    whole = 1.0 if lives.height else None
    start = {"day": 0.0, "at_risk": int(np.sum(entry <= 0.0)), "opt_outs": 0, "censored": 0}
    first = pl.DataFrame([start | dict.fromkeys(("survival", "low", "high"), whole)], schema=curve.schema)
    return pl.concat([first.select(_STEPS), curve.select(_STEPS)])
