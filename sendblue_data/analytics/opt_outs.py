"""Who opted out: the opt-out rate of groups of contacts, and of cohorts by creation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import narwhals as nw
import polars as pl

from sendblue_data._frames.grouping import By, Key, Measure, counted, grouped, in_order, keys_of
from sendblue_data.analytics.rates import rate_of, with_interval

COUNTS = {
    "contacts": Measure(nw.len()),
    "known": Measure(nw.col("opt_out").count()),
    "opt_outs": Measure(counted("opt_out")),
}
_RATES = ("contacts", "unknown", "opt_outs", "rate", "low", "high")


def opt_out_rate(
    contacts: Any,
    by: By | Sequence[By] | None = None,
    *,
    confidence: float = 0.95,
    min_contacts: int = 0,
) -> pl.DataFrame:
    """The share of contacts that have opted out, of all contacts or of each group.

    This is a prevalence: opted out / known, a contact counted once, as of the pull. It is not the
    unsubscribe rate per message that messaging vendors publish, and not to be compared with one.

    Args:
        contacts: a contacts frame of any engine: Polars (eager, lazy), DuckDB, PySpark, or another that
            Narwhals knows. It counts where the data lives.
        by: a column's name, several, `"tags"`, `created_period("1mo")`, `variable("Plan")`,
            `phone_region_code()`, any Polars expression (on Polars and DuckDB) or Narwhals expression.
        confidence: of the intervals.
        min_contacts: groups with fewer contacts are left out, and counted.

    Returns:
        A row a group, or one row: the group's columns, then `contacts`; `unknown`, those whose `opt_out` the
        API did not say, who count in no rate; `opt_outs`; `rate` = opt_outs / (contacts - unknown), with
        Wilson's interval `low` to `high`, null when nobody is known. With `by` and `min_contacts`, a last
        column `left_out`: how many groups were too small, the same in each row. Largest group first; by time
        where a group is one. Contacts whose value is null form a group. By `"tags"`, a contact counts in
        each of its tags, once; those without a tag form no row.

    Raises:
        FrameError: a column is missing, of another type, or can't be grouped by.
        ConfigurationError: the confidence isn't between 0 and 1.

    Examples:
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
    """
    keys = keys_of(contacts, by, taken=[*_RATES, "left_out"])
    table = grouped(contacts, keys, {"opt_out": "opt_out"}, COUNTS)
    return finish_rates(table, keys, "opt_outs", confidence=confidence, min_contacts=min_contacts)


def finish_rates(
    table: pl.DataFrame, keys: Sequence[Key], hits: str, *, confidence: float, min_contacts: int
) -> pl.DataFrame:
    """From `contacts`, `known` and a count of hits to the columns of a table of rates, in order."""
    table = rate_columns(table, hits, confidence)
    if keys:
        table = without_small(table, min_contacts)
    columns = [*(key.name for key in keys), "contacts", "unknown", hits, "rate", "low", "high"]
    return in_order(table, keys).select(*columns, *(["left_out"] if "left_out" in table.columns else []))


def rate_columns(table: pl.DataFrame, hits: str, confidence: float) -> pl.DataFrame:
    """Add `unknown`, `rate`, `low` and `high` to `contacts`, `known` and a count of hits."""
    return with_interval(table, hits, "known", confidence=confidence).with_columns(
        unknown=pl.col("contacts") - pl.col("known"),
        rate=rate_of(hits, "known"),
    )


def without_small(table: pl.DataFrame, min_contacts: int) -> pl.DataFrame:
    """Leave out rows of fewer contacts, and say in `left_out` how many they were; 0 leaves none out."""
    if min_contacts <= 0:
        return table
    large = table.filter(pl.col("contacts") >= min_contacts)
    return large.with_columns(left_out=pl.lit(table.height - large.height, pl.Int64))
