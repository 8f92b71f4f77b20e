"""Tags: how many contacts have each, which go together, and how they grow.

A tag is its exact text; `similar_tags` finds spellings that are likely one. A contact with the same tag twice
counts once. A null inside a list is no tag; an empty or blank text is one, as the account stores it.
"""

from __future__ import annotations

from typing import Any

import narwhals as nw
import polars as pl
import polars.selectors as cs

from sendblue_data._frames.engines import Days, collect, each_tag, project, sorted_tags
from sendblue_data._frames.grouping import Key, created_period, gathered, grouped
from sendblue_data._frames.grouping_sets import Addend, grouped_by_each, one_where
from sendblue_data._frames.warehouses import SEPARATOR, is_ibis
from sendblue_data._shared.validation import check_number, is_whole_from
from sendblue_data.analytics.opt_outs import COUNTS, OF_EACH, UNKNOWN
from sendblue_data.analytics.rates import rate_of, with_rate, with_share
from sendblue_data.analytics.shrinkage import FROM_ALL, with_shrunken_rate
from sendblue_data.errors import ConfigurationError

_TAG = Key("tag", "tags")
_MOST_ROWS = 5_000_000
"""Of a table that has a row for every tag and period: some 200 MiB."""
_RATE = ("opt_outs", "opt_out_rate", "opt_out_rate_low", "opt_out_rate_high")


def tag_summary(contacts: Any, *, confidence: float = 0.95, shrink: bool = False) -> pl.DataFrame:
    """Return a row a tag: how many contacts have it, how many of them opted out, and how many are verified.

    The opt-out rate is a prevalence: opted out / known, as of the pull; not the unsubscribe rate per message
    that messaging vendors publish.

    Args:
        contacts: a contacts frame of any engine that Narwhals knows; it counts where the data lives.
        confidence: of the intervals.
        shrink: also give each tag's opt-out rate drawn towards what all tags have in common, to rank by: see
            `opt_out_rate`.

    Returns:
        Largest tag first, then by name: `tag`; `contacts`; `share` of all contacts, tagged or not;
        `opt_outs`; `opt_out_rate` = opt_outs / (contacts - unknown), with Wilson's interval
        `opt_out_rate_low` to `opt_out_rate_high`; `verified`; `verification_rate` = verified / (contacts -
        verified_unknown);
        `first_created`, `last_created`, in UTC; `unknown` and `verified_unknown`, the contacts of whom the
        API did not say `opt_out` or `verified`. With `shrink`, `shrunken_opt_out_rate` and `from_all` as in
        `opt_out_rate`. Rates are null where nobody is known. A contact with several tags counts in each.

    Raises:
        FrameError: a column is missing or of another type.
        ConfigurationError: the confidence isn't between 0 and 1.

    Example:
        >>> from datetime import UTC, datetime
        >>> people = pl.DataFrame({
        ...     "tags": [["VIP", "Lead"], ["VIP"], None, ["Lead", "VIP"]],
        ...     "opt_out": [False, None, False, True],
        ...     "verified": [True, True, False, False],
        ...     "created_at": [datetime(2026, 1, day, tzinfo=UTC) for day in (1, 2, 3, 4)],
        ... })
        >>> tag_summary(people).select("tag", "contacts", "share", "opt_outs", "opt_out_rate").rows()
        [('VIP', 3, 0.75, 1, 0.5), ('Lead', 2, 0.5, 1, 0.5)]
    """
    addends = {
        **OF_EACH,
        "verified_known": one_where(~nw.col("verified").is_null()),
        "hits": one_where(nw.col("verified")),
        "first_created": Addend(nw.col("created_at"), "min"),
        "last_created": Addend(nw.col("created_at"), "max"),
    }
    frame = project(
        contacts, {"tag": "tags"} | {name: name for name in ("opt_out", "verified", "created_at")}
    )
    table, everyone = grouped_by_each(
        frame, [["tag"], []], addends, each_of="tag", in_memory=isinstance(contacts, pl.DataFrame)
    )
    table = with_share(table, "contacts", everyone["contacts"].item())
    if shrink:
        table = with_shrunken_rate(table, "opt_outs", "known", "shrunken_opt_out_rate")
    return (
        with_rate(table, "opt_outs", "known", "opt_out_rate", confidence=confidence)
        .select(
            *("tag", "contacts", "share", *_RATE),
            pl.col("hits").alias("verified"),
            rate_of("hits", "verified_known").alias("verification_rate"),
            *("first_created", "last_created", UNKNOWN),
            (pl.col("contacts") - pl.col("verified_known")).alias("verified_unknown"),
            cs.by_name("shrunken_opt_out_rate", FROM_ALL, require_all=False),
        )
        .sort("contacts", "tag", descending=[True, False])
    )


def tag_pairs(contacts: Any, *, top: int | None = None) -> pl.DataFrame:
    """Return a row for each two tags that go together: how many contacts have both, and how far that is from chance.

    Args:
        contacts: a contacts frame of any engine that Narwhals knows; it counts where the data lives.
        top: only so many pairs, those that most contacts have, picked where the data lives: many thousands of tags
            make millions of pairs. Of pairs that as many contacts have, the first by name, in the engine's order.

    Returns:
        Most contacts first, then by name: `tag_a`, `tag_b`, in code point order; `contacts` with both;
        `jaccard`: these / contacts with either (Jaccard, 1912); `lift`: the share with both / the product of
        the two tags' shares of all contacts, tagged or not: 1 when they are independent, more when they go
        together.

    Raises:
        FrameError: the column `tags` is missing or is no list.
        ConfigurationError: `top` is no whole number from 1.

    Example:
        >>> people = pl.DataFrame({"tags": [["VIP", "Lead"], ["Lead", "VIP"], ["Lead"], None]})
        >>> tag_pairs(people).rows()
        [('Lead', 'VIP', 2, 0.666..., 1.333...)]
    """
    _check_top(top)
    lists = project(contacts, {"tags": "tags"})
    if is_ibis(lists.to_native()):  # BigQuery groups by no list
        lists = lists.with_columns(contacts=nw.lit(1, nw.Int64))
    else:
        lists = lists.group_by("tags").agg(contacts=nw.len())
    # A tag with itself is kept: it gives the tag's own count in the same pass.
    pairs = (
        each_tag(lists.select("contacts", tag_a=nw.col("tags"), tag_b=nw.col("tags")), "tag_a", "tag_b")
        .filter(nw.col("tag_a") <= nw.col("tag_b"))
        .group_by("tag_a", "tag_b")
        .agg(nw.col("contacts").sum())
    )
    table = collect(pairs) if top is None else _top_pairs(pairs, top)
    same = pl.col("tag_a") == pl.col("tag_b")
    single = table.filter(same)
    of_a = single.select("tag_a", contacts_a="contacts")
    of_b = single.select("tag_b", contacts_b="contacts")
    both, a, b = pl.col("contacts"), pl.col("contacts_a"), pl.col("contacts_b")
    return (
        table.filter(~same)
        .join(of_a, on="tag_a")
        .join(of_b, on="tag_b")
        .select(
            "tag_a",
            "tag_b",
            "contacts",
            jaccard=both / (a + b - both),
            # In floats: counts of large accounts multiplied exceed 64 bits.
            lift=(both / a) * (count_all(contacts) / b),
        )
        .sort("contacts", "tag_a", "tag_b", descending=[True, False, False])
    )


def _top_pairs(pairs: nw.LazyFrame[Any], top: int) -> pl.DataFrame:
    """Return the largest pairs, and each of their tags with itself."""
    tag_a, tag_b = nw.col("tag_a"), nw.col("tag_b")
    largest = pairs.filter(tag_a < tag_b).sort("contacts", "tag_a", "tag_b", descending=[True, False, False])
    found = collect(largest.head(top))
    tags = pl.concat([found["tag_a"], found["tag_b"].alias("tag_a")]).unique().to_list()
    return pl.concat([found, collect(pairs.filter(tag_a == tag_b, tag_a.is_in(tags)))]) if tags else found


def _check_top(top: int | None) -> None:
    if top is not None:
        check_number("top", top, is_whole_from(1), "a whole number, 1 or more, or None")


def tag_combinations(contacts: Any, *, top: int | None = None, confidence: float = 0.95) -> pl.DataFrame:
    """Return a row for each exact combination of tags: contacts with these tags and no other. For an UpSet plot.

    Args:
        contacts: a contacts frame of any engine that Narwhals knows; it counts where the data lives.
        top: only so many combinations, those that most contacts have, picked where the data lives. Of those that as
            many have, the first by tags, in the engine's order.
        confidence: of the intervals.

    Returns:
        Most contacts first, then by tags: `tags`, a list in code point order, empty for contacts without a
        tag; `contacts`; `share` of all; `unknown`, `opt_outs`, `opt_out_rate`, `opt_out_rate_low`,
        `opt_out_rate_high` as in `tag_summary`. Each contact is in one row: without `top`, `contacts` add up
        to all of them.

    Raises:
        FrameError: a column is missing or of another type.
        ConfigurationError: the confidence isn't between 0 and 1, or `top` is no whole number from 1.

    Example:
        >>> tags = [["VIP", "Lead"], ["Lead", "VIP"], ["Lead"], None, []]
        >>> people = pl.DataFrame({"tags": tags, "opt_out": [True] + [False] * 4})
        >>> tag_combinations(people).select("tags", "contacts", "share", "opt_outs").rows()
        [([], 2, 0.4, 0), (['Lead', 'VIP'], 2, 0.4, 1), (['Lead'], 1, 0.2, 0)]
    """
    _check_top(top)
    frame = project(contacts, {"tags": "tags", "opt_out": "opt_out"})
    if top is None or isinstance(
        frame.to_native(), pl.LazyFrame
    ):  # where the largest few are found in no time
        table = _combinations(frame)
        everyone = int(table["contacts"].sum())
    else:
        table, everyone = _combinations(sorted_tags(frame), top), count_all(contacts)
    table = with_share(table, "contacts", everyone)
    return (
        with_rate(table, "opt_outs", "known", "opt_out_rate", confidence=confidence)
        .select("tags", "contacts", "share", UNKNOWN, *_RATE)
        # The number of tags tells [] from [""], which are the same text when joined.
        .sort(
            pl.col("contacts"),
            pl.col("tags").list.join("\x00"),
            pl.col("tags").list.len(),
            descending=[True, False, False],
        )
        .head(table.height if top is None else top)
    )


def _combinations(frame: nw.LazyFrame[Any], top: int | None = None) -> pl.DataFrame:
    """Count by list of tags, where the data lives; `top` is for lists that `sorted_tags` made."""
    if is_ibis(frame.to_native()) and top is None:  # BigQuery groups by no list
        frame = sorted_tags(frame)
    keys = [name for name in ("tags", "has_empty") if name in frame.collect_schema().names()]
    counts = frame.group_by(*keys).agg(*(measure.expr.alias(name) for name, measure in COUNTS.items()))
    if top is not None:
        counts = counts.sort("contacts", *keys, descending=[True] + [False] * len(keys)).head(top)
    table = collect(counts)
    if "has_empty" in keys:
        lists = (
            pl.when(pl.col("tags").str.len_bytes() > 0)
            .then(pl.col("tags").str.split(SEPARATOR))
            .when("has_empty")
            .then(pl.lit([""]))
            .otherwise(pl.lit([], pl.List(pl.String)))
        )
        table = table.with_columns(tags=lists)
    exact = pl.col("tags").cast(pl.List(pl.String)).list.drop_nulls().list.unique().list.sort()
    return table.group_by(exact.fill_null(pl.lit([], pl.List(pl.String)))).agg(
        pl.col(list(COUNTS)).fill_null(0).sum()
    )


def tag_growth(
    contacts: Any, every: str = "1mo", *, top: int | None = None, sparse: bool = False
) -> pl.DataFrame:
    """Count contacts by tag and the period in which they were created, with no period left out.

    The API keeps no time of tagging: this is when today's holders of a tag were created, not when they got
    it.

    Args:
        contacts: a contacts frame of any engine that Narwhals knows; it counts where the data lives.
        every: `"1d"`, `"1w"` (from Monday), `"1mo"`, `"1q"`, `"1y"`, or a multiple such as `"2w"`; in UTC.
        top: only so many tags, those that most contacts have, picked where the data lives; of equals, the first by
            name in the engine's order. 78,000 tags by day for two years are 57 million rows, and ten are 7,300.
        sparse: leave out the periods in which nobody with the tag was created; its `cumulative` stays as it was.

    Returns:
        Largest tag first, then by name, then by time: `tag`; `period`, a Date, its first day; `contacts`
        created in it; `cumulative`, created up to its end. Every tag has every period from the account's
        first tagged contact to its last, unless `sparse`. Contacts without `created_at` are in a row with a
        null `period`, the tag's last, where there are any; they are in no other `cumulative`, so that the
        tag's last row gives all its contacts.

    Raises:
        FrameError: a column is missing or of another type.
        ConfigurationError: `every` is no such period, or `top` no whole number from 1; or the table would have
            over 5,000,000 rows, most of them without a contact: `sparse` leaves those out.

    Example:
        >>> from datetime import UTC, datetime
        >>> people = pl.DataFrame({
        ...     "tags": [["VIP"], ["VIP"], ["VIP", "Lead"]],
        ...     "created_at": [datetime(2026, month, 5, tzinfo=UTC) for month in (1, 3, 3)],
        ... })
        >>> tag_growth(people).filter(pl.col("tag") == "VIP")
        shape: (3, 4)
        ┌─────┬────────────┬──────────┬────────────┐
        │ tag ┆ period     ┆ contacts ┆ cumulative │
        │ --- ┆ ---        ┆ ---      ┆ ---        │
        │ str ┆ date       ┆ i64      ┆ i64        │
        ╞═════╪════════════╪══════════╪════════════╡
        │ VIP ┆ 2026-01-01 ┆ 1        ┆ 1          │
        │ VIP ┆ 2026-02-01 ┆ 0        ┆ 1          │
        │ VIP ┆ 2026-03-01 ┆ 2        ┆ 3          │
        └─────┴────────────┴──────────┴────────────┘
        >>> tag_growth(people, sparse=True).select("tag", "contacts", "cumulative").rows()
        [('VIP', 1, 1), ('VIP', 2, 3), ('Lead', 1, 1)]
    """
    _check_top(top)
    period = Key("period", Days(), created_period(every).every)
    if top is None:
        counts = grouped(contacts, [_TAG, period], {}, {"contacts": COUNTS["contacts"]})
    else:
        tags = each_tag(project(contacts, {"tag": "tags", "period": Days()}), "tag")
        all_sizes = tags.group_by("tag").agg(contacts=nw.len())
        largest = collect(all_sizes.sort("contacts", "tag", descending=[True, False]).head(top))[
            "tag"
        ].to_list()
        days = collect(
            tags.filter(nw.col("tag").is_in(largest)).group_by("tag", "period").agg(contacts=nw.len())
        )
        counts = gathered(days, [_TAG, period], {"contacts": "sum"})
    sizes = counts.group_by("tag").agg(size=pl.col("contacts").sum())
    return (
        (counts if sparse else _every_period(counts, sizes, every))
        .join(sizes, on="tag")
        .sort("size", "tag", "period", descending=[True, False, False], nulls_last=True)
        .select("tag", "period", "contacts", cumulative=pl.col("contacts").cum_sum().over("tag"))
    )


def _every_period(counts: pl.DataFrame, sizes: pl.DataFrame, every: str) -> pl.DataFrame:
    """Give every tag a row for every period."""
    dated = counts["period"].drop_nulls()
    every_period = pl.date_range(pl.col("period").min(), pl.col("period").max(), every)
    periods = dated.to_frame().select(every_period if dated.len() else "period")
    if (rows := periods.height * sizes.height) > _MOST_ROWS:
        raise ConfigurationError(
            f"{sizes.height:,} tags in {periods.height:,} periods of every={every!r} are {rows:,} rows, most of them "
            "without a contact. Leave those out with sparse=True, ask for the largest tags with top=50, or for longer "
            "periods."
        )
    filled = sizes.select("tag").join(periods, how="cross")
    undated = counts.filter(pl.col("period").is_null()).select("tag", "period")
    return (
        pl.concat([filled, undated])
        .join(counts, on=["tag", "period"], how="left", nulls_equal=True)
        .with_columns(pl.col("contacts").fill_null(0))
    )


def count_all(contacts: Any) -> int:
    """Return how many contacts there are."""
    return int(collect(project(contacts, {"tags": "tags"}).select(contacts=nw.len())).item())
