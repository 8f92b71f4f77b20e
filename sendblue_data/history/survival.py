"""How long contacts stay subscribed: Kaplan and Meier's estimator with entry at first sight."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from sendblue_data._frames.grouping import By, RowGroups
from sendblue_data.analytics.rates import normal_quantile
from sendblue_data.history.layout import CONTACT
from sendblue_data.history.spells import ended, look_times, spells, versions
from sendblue_data.history.table import HistoryTable

_DAY = 86_400e6
_COLUMNS = ("day", "at_risk", "opt_outs", "censored", "survival", "low", "high")


def survival(table: HistoryTable, by: By | Sequence[By] | None, confidence: float) -> pl.DataFrame:
    """Estimate by group; see `ContactHistory.survival`."""
    groups = RowGroups(by, taken=_COLUMNS)
    lives = observed_lives(table, groups)
    keys = groups.names
    curves = [] if keys else [kaplan_meier(lives, confidence)]
    if keys:
        parts = lives.sort(keys, nulls_last=True).partition_by(keys, maintain_order=True)
        for part in parts or [lives]:  # nobody's life: the columns are those of any curve
            curve = kaplan_meier(part, confidence)
            group = part.select(keys).head(1) if parts else part.select(keys)
            curves.append(group.join(curve, how="cross"))
    return groups.named(pl.concat(curves))


def observed_lives(table: HistoryTable, groups: RowGroups) -> pl.DataFrame:
    """Return `entry` and `exit` in days since creation, `event`, and the group columns, a row per contact and group.

    A contact enters with the first look that shows it as not opted out. It leaves with the first look that shows
    it opted out (an event), or with the last look that showed its state (censored). One that was opted out when
    it was first known never was at risk; one without `created_at` has no age; neither has a row.
    """
    changing, steady = versions(table, groups.reads)
    times = look_times(table)
    known = spells(ended(changing), groups.reads)
    read = [name for name in groups.reads if name != "opt_out"]
    never_changed = steady.filter(pl.col("opt_out").is_not_null()).select(
        "h_contact", pl.col("h_snapshot").alias("first"), "opt_out", *read
    )
    newest = times.height - 1
    lives = (
        pl.concat([known, never_changed], how="diagonal")
        .sort("h_contact", "first")
        .group_by("h_contact", maintain_order=True)
        .agg(
            pl.col("first", "opt_out").first(),
            pl.col(read).first(),
            event=pl.col("next_first").filter(pl.col("next_opt_out")).min(),
            last=(pl.col("end") - 1).fill_null(newest).max(),
        )
        .filter(~pl.col("opt_out"))
    )
    born = table.scan(CONTACT, ["h_contact", "h_snapshot", "created_at"]).collect()
    born = born.sort("h_snapshot").unique("h_contact", keep="first").select("h_contact", born="created_at")
    ages = groups.apply(lives).join(born, on="h_contact").drop_nulls("born")
    left = pl.coalesce(times["seen_from"].gather(ages["event"]), times["seen_until"].gather(ages["last"]))
    days = [
        ((moment - pl.col("born")).dt.total_microseconds() / _DAY).clip(lower_bound=0.0)
        for moment in (pl.lit(times["seen_from"].gather(ages["first"])), left)
    ]
    return ages.select(
        *groups.names, entry=days[0], exit=days[1], event=pl.col("event").is_not_null()
    ).filter(pl.col("exit") > pl.col("entry"))


def kaplan_meier(lives: pl.DataFrame, confidence: float) -> pl.DataFrame:
    """Estimate the share still subscribed by age from `entry`, `exit` (same unit) and `event`.

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
        # Before the first event the log-log scale has no width, and by convention both bounds are 1.
        low=pl.Series(np.where(share < 1, low, 1.0), dtype=pl.Float64),
        high=pl.Series(np.where(share < 1, high, 1.0), dtype=pl.Float64),
        censored=pl.col("censored").cum_sum(),
    ).with_columns(pl.when(pl.col("survival") > 0).then(pl.col("low", "high")))
    # Every contact is censored at an age of its own: only the ages at which the curve steps, and its end, are kept.
    curve = curve.filter((pl.col("opt_outs") > 0) | (pl.col("day") == pl.col("day").max()))
    curve = curve.with_columns(pl.col("censored") - pl.col("censored").shift(1, fill_value=0))
    # Of nobody's life is anything known: not even that the curve starts at 1.
    whole = 1.0 if lives.height else None
    start = {"day": 0.0, "at_risk": int(np.sum(entry <= 0.0)), "opt_outs": 0, "censored": 0}
    first = pl.DataFrame([start | dict.fromkeys(("survival", "low", "high"), whole)], schema=curve.schema)
    return pl.concat([first.select(_COLUMNS), curve.select(_COLUMNS)])
