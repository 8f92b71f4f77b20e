"""Opt-outs by when contacts were created: cohorts, and how long each was exposed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import polars as pl

from sendblue_data._frames.engines import Days
from sendblue_data._frames.grouping import By, Key, created_period, gathered, grouped, keys_of
from sendblue_data._shared.time import as_of
from sendblue_data.analytics.opt_outs import COUNTS, rate_columns, without_small

COMPARABLE = 0.9
"""A cohort with less than this share of the longest mean exposure is flagged."""
_DAY = 86_400


def opt_out_cohorts(
    contacts: Any,
    every: str = "1mo",
    by: By | Sequence[By] | None = None,
    *,
    now: datetime | None = None,
    confidence: float = 0.95,
    min_contacts: int = 0,
) -> pl.DataFrame:
    """The share of contacts that have opted out, by the period in which they were created.

    Read it with care: a younger cohort had less time to opt out, and the API keeps no time of opting out. So
    a rate that falls towards the present does not show that fewer people opt out: compare cohorts that are
    not flagged, or use `ContactHistory.opt_out_trend` and `.survival`. The rate is a prevalence (see
    `opt_out_rate`), not the unsubscribe rate per message that messaging vendors publish.

    Args:
        contacts: a contacts frame of any engine that Narwhals knows; it counts where the data lives.
        every: `"1d"`, `"1w"` (from Monday), `"1mo"`, `"1q"`, `"1y"`, or a multiple such as `"2w"`; in UTC.
        by: groups within each cohort, as for `opt_out_rate`.
        now: the moment of the pull, to which exposure is counted; without a zone it is UTC. None: the
            present.
        confidence: of the intervals.
        min_contacts: cohorts with fewer contacts are left out, and counted.

    Returns:
        By time, then by group: the columns of `by`; `cohort`, a Date, the period's first day, null for
        contacts whose `created_at` is unknown (last); `contacts`, `unknown`, `opt_outs`, `rate`, `low`,
        `high` as in `opt_out_rate`; `exposure_days`: mean days from creation to `now`, null where unknown;
        `unequal_exposure`: true where that is less than 90% of the longest in the table, or unknown; with
        `min_contacts`, `left_out`: how many cohorts were too small, the same in each row.

    Raises:
        FrameError: a column is missing or of another type, or `every` is no such period.
        ConfigurationError: the confidence isn't between 0 and 1.

    Examples:
        >>> from datetime import UTC
        >>> people = pl.DataFrame({
        ...     "created_at": [datetime(2025, 1, 11, tzinfo=UTC)] * 2 + [datetime(2026, 2, 19, tzinfo=UTC)],
        ...     "opt_out": [True, False, False],
        ... })
        >>> cohorts = opt_out_cohorts(people, now=datetime(2026, 3, 1))
        >>> cohorts.select("cohort", "contacts", "rate", "exposure_days", "unequal_exposure")
        shape: (2, 5)
        ┌────────────┬──────────┬──────┬───────────────┬──────────────────┐
        │ cohort     ┆ contacts ┆ rate ┆ exposure_days ┆ unequal_exposure │
        │ ---        ┆ ---      ┆ ---  ┆ ---           ┆ ---              │
        │ date       ┆ i64      ┆ f64  ┆ f64           ┆ bool             │
        ╞════════════╪══════════╪══════╪═══════════════╪══════════════════╡
        │ 2025-01-01 ┆ 2        ┆ 0.5  ┆ 413.5         ┆ false            │
        │ 2026-02-01 ┆ 1        ┆ 0.0  ┆ 9.5           ┆ true             │
        └────────────┴──────────┴──────┴───────────────┴──────────────────┘
    """
    own = ["cohort", "contacts", "unknown", "opt_outs", "rate", "low", "high", "exposure_days"]
    keys = keys_of(contacts, by, taken=[*own, "unequal_exposure", "left_out"])
    cohort = Key("cohort", Days(), created_period(every).every)
    # By day first: a day's contacts all count as created at its noon, so exposure is right to half a day. In
    # whole seconds, so that the sum doesn't depend on the order of rows.
    days = grouped(contacts, [*keys, Key("cohort", Days())], {"opt_out": "opt_out"}, COUNTS)
    today = int(as_of(now).timestamp()) - _DAY // 2
    exposure = (today - pl.col("cohort") * _DAY).clip(lower_bound=0) * pl.col("contacts")
    days = days.with_columns(exposure=exposure)
    names = [key.name for key in keys]
    table = gathered(days, [*keys, cohort], dict.fromkeys([*COUNTS, "exposure"], "sum"))
    longest = pl.col("exposure_days").max()
    table = rate_columns(table, "opt_outs", confidence).with_columns(
        exposure_days=pl.when(pl.col("cohort").is_not_null()).then(
            pl.col("exposure") / pl.col("contacts") / _DAY
        )
    )
    table = without_small(table, min_contacts)
    flag = (pl.col("exposure_days") < COMPARABLE * longest).fill_null(value=True)
    left_out = ["left_out"] if min_contacts > 0 else []
    return (
        table.with_columns(unequal_exposure=flag)
        .sort("cohort", *names, nulls_last=True)
        .select(*names, *own, "unequal_exposure", *left_out)
    )
