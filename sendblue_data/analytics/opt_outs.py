"""Who opted out: the rate of groups of contacts, and of cohorts by when contacts were created."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import narwhals as nw
import polars as pl
import polars.selectors as cs

from sendblue_data._frames.engines import Days
from sendblue_data._frames.grouping import (
    By,
    Key,
    Measure,
    counted,
    created_period,
    gathered,
    grouped,
    in_order,
    keys_of,
)
from sendblue_data._frames.grouping_sets import EACH, one_where
from sendblue_data._shared.time import Moment, as_of as moment_of
from sendblue_data._shared.validation import check_number
from sendblue_data.analytics.rates import with_rate
from sendblue_data.analytics.shrinkage import FROM_ALL, with_shrunken_rate
from sendblue_data.errors import ConfigurationError

COUNTS = {
    "contacts": Measure(nw.len()),
    "known": Measure(nw.col("opt_out").count()),
    "opt_outs": Measure(counted("opt_out")),
}
OF_EACH = {
    "contacts": EACH,
    "known": one_where(~nw.col("opt_out").is_null()),
    "opt_outs": one_where(nw.col("opt_out")),
}
"""The same, as what one contact adds to them."""
UNKNOWN = (pl.col("contacts") - pl.col("known")).alias("unknown")
"""Contacts of whom the API did not say it, who count in no rate."""
COMPARABLE = 0.9
"""A cohort with less than this share of the longest mean exposure is flagged."""
_DAY = 86_400
_LEFT_OUT = cs.by_name("left_out", require_all=False)
_OPTIONAL = cs.by_name("shrunken_rate", FROM_ALL, "left_out", require_all=False)


def opt_out_rate(
    contacts: Any,
    by: By | Sequence[By] | None = None,
    *,
    confidence: float = 0.95,
    min_contacts: int = 0,
    shrink: bool = False,
) -> pl.DataFrame:
    """Return the share of contacts that have opted out, of all contacts or of each group.

    This is a prevalence: opted out / known, a contact counted once, as of the pull. It is not the
    unsubscribe rate per message that messaging vendors publish, and not to be compared with one.

    Args:
        contacts: a contacts frame of any engine: Polars (eager, lazy), DuckDB, PySpark, or another that
            Narwhals knows. It counts where the data lives.
        by: a column's name, several, `"tags"`, `created_period("1mo")`, `variable("Plan")`,
            `phone_region_code()`, any Polars expression (on Polars and DuckDB) or Narwhals expression.
        confidence: of the intervals.
        min_contacts: groups with fewer contacts are left out, and counted.
        shrink: also give each group's rate drawn towards what all groups have in common (empirical Bayes): to rank
            groups by, where the highest and lowest crude rates are those of a few contacts.

    Returns:
        A row a group, or one row: the group's columns, then `contacts`; `unknown`, those whose `opt_out` the
        API did not say, who count in no rate; `opt_outs`; `rate` = opt_outs / (contacts - unknown), with
        Wilson's interval `low` to `high`, null when nobody is known. With `by` and `min_contacts`, a last
        column `left_out`: how many groups were too small, the same in each row. With `shrink`,
        `shrunken_rate` and `from_all`, the share of it that comes from all groups and not from this one's
        contacts; null with fewer than 3 groups. Largest group first; by time where a group is one. Contacts
        whose value is null form a group. By `"tags"`, a contact counts in each of its tags, once; those without
        a tag form no row.

    Raises:
        FrameError: a column is missing, of another type, or can't be grouped by.
        ConfigurationError: the confidence isn't between 0 and 1, `min_contacts` is no number from 0, or `shrink` is
            asked for without groups.

    Example:
        >>> people = pl.DataFrame(
        ...     {"tags": [["VIP", "Lead"], ["VIP"], None, ["Lead"]], "opt_out": [False, None, False, True]}
        ... )
        >>> opt_out_rate(people, by="tags").select("tag", "contacts", "unknown", "opt_outs", "rate")
        shape: (2, 5)
        ┌──────┬──────────┬─────────┬──────────┬──────┐
        │ tag  ┆ contacts ┆ unknown ┆ opt_outs ┆ rate │
        │ ---  ┆ ---      ┆ ---     ┆ ---      ┆ ---  │
        │ str  ┆ i64      ┆ i64     ┆ i64      ┆ f64  │
        ╞══════╪══════════╪═════════╪══════════╪══════╡
        │ Lead ┆ 2        ┆ 0       ┆ 1        ┆ 0.5  │
        │ VIP  ┆ 2        ┆ 1       ┆ 0        ┆ 0.0  │
        └──────┴──────────┴─────────┴──────────┴──────┘

        Of line a's two contacts one opted out, which says little; line d's 10 of 40 are the worst:

        >>> outs = {"a": [True, False], "b": [True] + [False] * 39, "c": [True] * 3 + [False] * 37,
        ...         "d": [True] * 10 + [False] * 30}
        >>> people = pl.concat(
        ...     pl.DataFrame({"opt_out": flags}).with_columns(sendblue_number=pl.lit(line))
        ...     for line, flags in outs.items()
        ... )
        >>> rates = opt_out_rate(people, by="sendblue_number", shrink=True).sort("shrunken_rate", descending=True)
        >>> rates.select("sendblue_number", "rate", pl.col("shrunken_rate", "from_all").round(2)).rows()
        [('d', 0.25, 0.22, 0.24), ('a', 0.5, 0.19, 0.86), ('c', 0.075, 0.09, 0.24), ('b', 0.025, 0.05, 0.24)]
    """
    if shrink and by is None:
        raise ConfigurationError("shrink: there are no groups to draw together; say which with by=.")
    return rate_by_group(
        contacts, by, "opt_out", "opt_outs", confidence=confidence, min_contacts=min_contacts, shrink=shrink
    )


def rate_by_group(
    contacts: Any,
    by: By | Sequence[By] | None,
    flag: str,
    hits: str,
    *,
    confidence: float,
    min_contacts: int,
    shrink: bool = False,
) -> pl.DataFrame:
    """Count by group the contacts whose `flag` is true as `hits`, with their rate; see `opt_out_rate`."""
    check_min_contacts(min_contacts)
    columns = ["contacts", "unknown", hits, "rate", "low", "high"]
    keys = keys_of(contacts, by, taken=[*columns, "shrunken_rate", FROM_ALL, "left_out"])
    measures = {
        "contacts": COUNTS["contacts"],
        "known": Measure(nw.col(flag).count()),
        # Named apart from the column that it counts, which some engines would take first.
        "hits": Measure(counted(flag)),
    }
    table = grouped(contacts, keys, {flag: flag}, measures).rename({"hits": hits})
    table = with_rate(table, hits, "known", confidence=confidence).with_columns(UNKNOWN)
    if shrink:
        # Before small groups are left out: they say how rates are spread, too.
        table = with_shrunken_rate(table, hits, "known", "shrunken_rate")
    if keys:
        table = _without_small(table, min_contacts)
    return in_order(table, keys).select(*(key.name for key in keys), *columns, _OPTIONAL)


def check_min_contacts(given: float) -> None:
    """Refuse a `min_contacts` that is no number from 0."""
    check_number("min_contacts", given, lambda count: count >= 0, "a number of contacts, 0 or more")


def _without_small(table: pl.DataFrame, min_contacts: int) -> pl.DataFrame:
    """Leave out rows of fewer contacts, and count them in `left_out`; 0 leaves none out."""
    if not min_contacts:
        return table
    large = table.filter(pl.col("contacts") >= min_contacts)
    return large.with_columns(left_out=pl.lit(table.height - large.height, pl.Int64))


def opt_out_cohorts(
    contacts: Any,
    every: str = "1mo",
    by: By | Sequence[By] | None = None,
    *,
    as_of: Moment | None = None,
    confidence: float = 0.95,
    min_contacts: int = 0,
) -> pl.DataFrame:
    """Return the share of contacts that have opted out, by the period in which they were created.

    Read it with care: a younger cohort had less time to opt out, and the API keeps no time of opting out. So
    a rate that falls towards the present does not show that fewer people opt out: compare cohorts that are
    not flagged, or use `ContactHistory.opt_out_trend` and `.survival`. The rate is a prevalence (see
    `opt_out_rate`), not the unsubscribe rate per message that messaging vendors publish.

    Args:
        contacts: a contacts frame of any engine that Narwhals knows; it counts where the data lives.
        every: `"1d"`, `"1w"` (from Monday), `"1mo"`, `"1q"`, `"1y"`, or a multiple such as `"2w"`; in UTC.
        by: groups within each cohort, as for `opt_out_rate`.
        as_of: the moment of the pull, to which exposure is counted: a datetime, a date (its first moment) or
            either as ISO 8601; without a zone it is UTC. None: the present.
        confidence: of the intervals.
        min_contacts: cohorts with fewer contacts are left out, and counted.

    Returns:
        By time, then by group: the columns of `by`; `cohort`, a Date, the period's first day, null for
        contacts whose `created_at` is unknown (last); `contacts`, `unknown`, `opt_outs`, `rate`, `low`,
        `high` as in `opt_out_rate`; `exposure_days`: mean days from creation to `as_of`, null where unknown;
        `unequal_exposure`: true where that is less than 90% of the longest in the table, or unknown; with
        `min_contacts`, `left_out`: how many cohorts were too small, the same in each row.

    Raises:
        FrameError: a column is missing or of another type, or `every` is no such period.
        ConfigurationError: the confidence isn't between 0 and 1, `min_contacts` is no number from 0, or
            `as_of` is no moment.

    Example:
        >>> from datetime import datetime, UTC
        >>> people = pl.DataFrame({
        ...     "created_at": [datetime(2025, 1, 11, tzinfo=UTC)] * 2 + [datetime(2026, 2, 19, tzinfo=UTC)],
        ...     "opt_out": [True, False, False],
        ... })
        >>> cohorts = opt_out_cohorts(people, as_of="2026-03-01")
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
    check_min_contacts(min_contacts)
    own = ["cohort", "contacts", "unknown", "opt_outs", "rate", "low", "high", "exposure_days"]
    keys = keys_of(contacts, by, taken=[*own, "unequal_exposure", "left_out"])
    cohort = Key("cohort", Days(), created_period(every).every)
    # By day first: a day's contacts all count as created at its noon, so exposure is right to half a day. In
    # whole seconds, so that the sum doesn't depend on the order of rows.
    days = grouped(contacts, [*keys, Key("cohort", Days())], {"opt_out": "opt_out"}, COUNTS)
    noon = int(moment_of(as_of).timestamp()) - _DAY // 2
    exposure = (noon - pl.col("cohort") * _DAY).clip(lower_bound=0) * pl.col("contacts")
    sums = dict.fromkeys([*COUNTS, "exposure"], "sum")
    table = gathered(days.with_columns(exposure=exposure), [*keys, cohort], sums)
    mean = pl.col("exposure") / pl.col("contacts") / _DAY
    table = with_rate(table, "opt_outs", "known", confidence=confidence).with_columns(
        UNKNOWN, exposure_days=pl.when(pl.col("cohort").is_not_null()).then(mean)
    )
    names = [key.name for key in keys]
    days_had, longest = pl.col("exposure_days"), pl.col("exposure_days").max()
    return (
        _without_small(table, min_contacts)
        .with_columns(unequal_exposure=(days_had < COMPARABLE * longest).fill_null(value=True))
        .sort("cohort", *names, nulls_last=True)
        .select(*names, *own, "unequal_exposure", _LEFT_OUT)
    )
