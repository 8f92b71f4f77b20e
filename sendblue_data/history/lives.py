"""What a history knows of each contact's time as a subscriber: from which age it was watched, when it left."""

from __future__ import annotations

import polars as pl

from sendblue_data._frames.grouping import RowGroups
from sendblue_data.history.arrivals import arrivals
from sendblue_data.history.layout import CONTACT
from sendblue_data.history.opt_out_times import closer
from sendblue_data.history.spells import ended, identities_at, look_times, spells, versions
from sendblue_data.history.table import HistoryTable

_DAY = 86_400e6


def observed_lives(
    table: HistoryTable, groups: RowGroups, *, count_arrived: bool, times: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Return a row per contact and group: the group columns, then ages in days since creation.

    `entry`: from which age the contact was watched: that of the first look that shows it not opted out, or 0 for one
    that arrived (see `arrivals`), which would have been seen in any state. `after`: that of the last look that shows
    it not opted out before it left, or at all (0 for one that arrived opted out). `before`: that of the first look
    that shows it opted out, null for one that was never seen to leave. `arrived`: whether it was opted out on arrival.
    One that was opted out when it was first known, and did not arrive, never was at risk; one without `created_at`
    has no age; one that was watched for no time says nothing; none of these has a row. `times`, as `checked_times`
    gives them, bring `after` and `before` closer together.
    """
    changing, steady = versions(table, groups.reads)
    known = spells(ended(changing), groups.reads)
    read = [name for name in groups.reads if name != "opt_out"]
    never_changed = steady.filter(pl.col("opt_out").is_not_null()).select(
        "h_contact", pl.col("h_snapshot").alias("first"), "opt_out", *read
    )
    newest = look_times(table).height - 1
    leaves = ~pl.col("opt_out") & pl.col("next_opt_out")
    people = (
        pl.concat([known, never_changed], how="diagonal")
        .sort("h_contact", "first")
        .group_by("h_contact", maintain_order=True)
        .agg(
            pl.col("first", "opt_out").first(),
            pl.col(read).first(),
            left=pl.col("next_first").filter(leaves).first(),
            stayed=(pl.col("end") - 1).filter(leaves).first(),
            last=(pl.col("end") - 1).fill_null(newest).max(),
        )
        .join(_born(table), on="h_contact")
        .with_columns(pl.col("arrived") & pl.lit(count_arrived))
        .filter(~pl.col("opt_out") | pl.col("arrived"))
    )
    if times is not None:
        (who,) = identities_at(table, people, ("first",))
        people = people.with_columns(who["phone"])
    people = people.with_columns(left=pl.when("opt_out").then("first").otherwise("left"))
    people = people.with_columns(_ages(table, people))
    lives = people.with_columns(
        entry=pl.when("arrived").then(0.0).otherwise("entry"),
        after=pl.when("opt_out").then(0.0).otherwise("after"),
        arrived=pl.col("arrived") & pl.col("opt_out"),
    )
    if times is not None:
        lives = closer(lives, times)
    ages = groups.apply(lives.drop("opt_out" if "opt_out" not in groups.reads else []))
    return ages.select(*groups.names, "entry", "after", "before", "arrived").filter(
        pl.coalesce("before", "after") > pl.col("entry")
    )


def _born(table: HistoryTable) -> pl.DataFrame:
    first = table.scan(CONTACT, ["h_contact", "h_snapshot", "created_at"]).collect()
    first = first.sort("h_snapshot").unique("h_contact", keep="first").drop_nulls("created_at")
    return first.select(
        "h_contact",
        born="created_at",
        arrived=pl.col("h_contact").is_in(arrivals(table)["h_contact"].implode()),
    )


def _ages(table: HistoryTable, people: pl.DataFrame) -> list[pl.Series]:
    """Return the ages at first sight, at the last look before leaving (else the last of all), and at leaving."""
    times = look_times(table)
    moments = {
        "entry": times["seen_from"].gather(people["first"]),
        "after": times["seen_until"].gather(people.select(pl.coalesce("stayed", "last")).to_series()),
        "before": times["seen_from"].gather(people["left"]),
    }
    return [
        ((at - people["born"]).dt.total_microseconds() / _DAY).clip(lower_bound=0.0).alias(name)
        for name, at in moments.items()
    ]
