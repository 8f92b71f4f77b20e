"""Rates of messages, whose intervals know that messages to one person are alike.

A person whose phone takes no texts fails every one of them. Counted as independent, a hundred messages to ten people
would give an interval of a hundred. The rate is a ratio of sums over people; its variance (W. G. Cochran, "Sampling
Techniques", 3rd ed., section 9A; L. Kish 1965, "Survey Sampling", section 5.4) over that of as many independent
messages is the design effect, by which the number of messages is divided before Wilson's interval is taken (E. L. Korn
and B. I. Graubard 1998, Survey Methodology 24:193).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import narwhals as nw
import polars as pl

from sendblue_data._frames.engines import collect, each_tag, project
from sendblue_data._frames.grouping import Key, gathered
from sendblue_data.analytics.rates import rate_of, wilson_bounds

PERSON = "m_person"


class Share(NamedTuple):
    """A rate: the counts of what it is of."""

    hits: str
    trials: str


def counted_by_person(
    native: Any,
    keys: Sequence[Key],
    read: Sequence[str],
    flags: Mapping[str, nw.Expr],
    shares: Sequence[Share],
) -> pl.DataFrame:
    """Count messages by group, and how their rates vary among people.

    Args:
        native: messages of any engine, with their moment.
        keys: the groups.
        read: columns that the flags are made of, and `m_person`.
        flags: by name, whether a message counts.
        shares: the rates that will be asked for.

    Returns:
        The groups' columns, the flags' counts, and of each share `people_<hits>`, `xx_<hits>`, `xn_<hits>` and
        `nn_<hits>`: people with trials, and the sums over people of the products of their hits and trials.
    """
    wanted = {f"key_{place}": key.recipe for place, key in enumerate(keys)}
    frame = project(native, {**wanted, **{name: name for name in read}})
    # Of people, a list of tags belongs to one: counted by list, each list is taken apart afterwards.
    ones = frame.select(*wanted, PERSON, *(flag.cast(nw.Int64).alias(name) for name, flag in flags.items()))
    people = ones.group_by(*wanted, PERSON).agg(*(nw.col(name).sum() for name in flags))
    sums = [nw.col(name).sum() for name in flags]
    for hits, trials in shares:
        x, n = nw.col(hits), nw.col(trials)
        sums += [
            (n > 0).cast(nw.Int64).sum().alias(f"people_{hits}"),
            (x * x).sum().alias(f"xx_{hits}"),
            (x * n).sum().alias(f"xn_{hits}"),
            (n * n).sum().alias(f"nn_{hits}"),
        ]
    names = [*flags, *(f"{kind}_{hits}" for hits, _ in shares for kind in ("people", "xx", "xn", "nn"))]
    tags = [name for name, key in zip(wanted, keys, strict=True) if key.is_tags]
    if not keys:
        table = collect(people.select(*sums))
    else:
        query = people.group_by(*wanted).agg(*sums)
        if tags:
            query = each_tag(query, *tags).group_by(*wanted).agg(*(nw.col(name).sum() for name in names))
        table = collect(query)
    table = table.rename({name: key.name for name, key in zip(wanted, keys, strict=True)})
    table = table.with_columns(pl.col(names).fill_null(0))
    return gathered(table, keys, dict.fromkeys(names, "sum"))


def with_clustered_rate(table: pl.DataFrame, share: Share, name: str, confidence: float) -> pl.DataFrame:
    """Add a rate with its bounds, from what `counted_by_person` counted.

    Where every message or none has it, people do not seem to vary, which says little of a few people: then each person
    counts once. One person alone counts as one message.
    """
    hits, trials = share
    x, n = pl.col(hits).cast(pl.Float64), pl.col(trials).cast(pl.Float64)
    people = pl.col(f"people_{hits}").cast(pl.Float64)
    rate = x / n
    spread = pl.col(f"xx_{hits}") - 2 * rate * pl.col(f"xn_{hits}") + rate**2 * pl.col(f"nn_{hits}")
    effect = (spread * people / (people - 1) / (n * rate * (1 - rate))).clip(lower_bound=1.0)
    alike = (x == 0) | (x == n) | (people <= 1)
    size = pl.when(alike).then(people).otherwise(n / effect)
    sized = table.with_columns(m_size=size).with_columns(
        m_hits=pl.when(x == n).then(pl.col("m_size")).otherwise(pl.col("m_size") * rate)
    )
    low, high = wilson_bounds(pl.col("m_hits"), pl.col("m_size"), confidence)
    prefix = "" if name == "rate" else f"{name}_"
    return sized.with_columns(
        rate_of(hits, trials).alias(name), low.alias(f"{prefix}low"), high.alias(f"{prefix}high")
    ).drop("m_size", "m_hits")


def person() -> nw.Expr:
    """Return who a message is with: by phone, by group, else by itself."""
    return nw.coalesce("phone", "group_id", "message_handle").alias(PERSON)


def weighted_median(table: pl.DataFrame, names: Sequence[str], value: str, number: str) -> pl.DataFrame:
    """Return the median of `value`, of which there are `number` each, and its maximum, by group.

    Example:
        >>> table = pl.DataFrame({"line": ["a", "a", "b"], "minutes": [1, 9, 4], "texts": [1, 3, 2]})
        >>> weighted_median(table, ["line"], "minutes", "texts").sort("line").rows()
        [('a', 9.0, 9), ('b', 4.0, 4)]
    """
    one = pl.lit(0).alias("m_all")
    rows = table.filter(pl.col(number) > 0).with_columns(one).sort(value)
    by = [*names, "m_all"]
    until = pl.col(number).cum_sum().over(by)
    total = pl.col(number).sum().over(by)
    # Of an even number the median lies between the two in the middle.
    lower = pl.col(value).filter(pl.col("m_until") * 2 >= pl.col("m_total")).first()
    upper = pl.col(value).filter(pl.col("m_until") * 2 > pl.col("m_total")).first()
    ranked = rows.with_columns(until.alias("m_until"), total.alias("m_total"))
    found = ranked.group_by(by).agg(median=(lower + upper) / 2, largest=pl.col(value).max())
    return found.drop("m_all")
