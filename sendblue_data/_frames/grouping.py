"""Counts by group: what `by` may be, and one query that counts on any engine."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, TypeAlias

import narwhals as nw
import polars as pl

from sendblue_data._frames.engines import Days, Recipe, collect, each_tag, output_name, project
from sendblue_data._shared.validation import shown
from sendblue_data.errors import FrameError

TAGS = "tags"
_PERIODS = {"1d": "day", "1w": "week", "1mo": "month", "1q": "quarter", "1y": "year"}
_EPOCH_DAY = date(1970, 1, 1)


@dataclass(frozen=True)
class CreatedPeriod:
    """The period in which a contact was created, to group by; `created_period` makes one."""

    every: str

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[1-9]\d*(d|w|mo|q|y)", self.every):
            raise FrameError(
                f"every is {shown(self.every)}: give whole days or longer, such as "
                "'1d', '1w' (from Monday), '1mo', '1q' or '1y'."
            )

    @property
    def name(self) -> str:
        """Name of the group's column: `created_month`, or `created_2w` for an unusual period."""
        return f"created_{_PERIODS.get(self.every, self.every)}"


By: TypeAlias = str | CreatedPeriod | pl.Expr | nw.Expr
"""One thing to group by: a column, `"tags"`, a period, or an expression."""


def created_period(every: str = "1mo") -> CreatedPeriod:
    """The period of creation in UTC, to group by on any engine: `by=created_period("1q")`.

    Args:
        every: `"1d"`, `"1w"` (from Monday), `"1mo"`, `"1q"`, `"1y"`, or a multiple such as `"2w"`.

    Returns:
        A value for `by`. The table's column is `created_month` (`created_week`, ...), a Date, the first day
        of the period; null where `created_at` is.

    Raises:
        FrameError: `every` is not such a period.

    Examples:
        >>> created_period("1q").name
        'created_quarter'
    """
    return CreatedPeriod(every)


@dataclass(frozen=True)
class Key:
    """A group's column: its name in the table, how it is made, and the period that days are gathered in."""

    name: str
    recipe: Recipe
    every: str | None = None

    @property
    def is_tags(self) -> bool:
        """Whether each tag is a group, instead of each list."""
        return isinstance(self.recipe, str) and self.recipe == TAGS


def keys_of(contacts: Any, by: By | Sequence[By] | None, taken: Sequence[str] = ()) -> list[Key]:
    """What `by` asks for, column by column.

    Args:
        contacts: the frame, for the names that an expression gives.
        by: one thing to group by, or several, or None.
        taken: names that the table uses itself.

    Raises:
        FrameError: it asks for a column twice, or for one that can't be grouped by.
    """
    if by is None:
        return []
    several = by if isinstance(by, Sequence) and not isinstance(by, str) else [by]
    keys = [_key(contacts, one) for one in several]
    names = [key.name for key in keys]
    for name in names:
        if names.count(name) > 1 or name in taken:
            raise FrameError(f"by: the table would have two columns {name!r}; rename one with .alias(...).")
    return keys


def _key(contacts: Any, by: Any) -> Key:
    if isinstance(by, str):
        if by == "custom_variables":
            raise FrameError("by: name one custom variable: by=variable('Plan').")
        return Key(by, by)
    if isinstance(by, CreatedPeriod):
        return Key(by.name, Days(), by.every)
    if isinstance(by, (pl.Expr, nw.Expr)):
        return Key(output_name(contacts, by), by)
    raise FrameError(
        f"by is a {type(by).__name__}: give a column's name, 'tags', created_period(), variable(name), "
        "an expression, or a list of these."
    )


@dataclass(frozen=True)
class Measure:
    """A count by group: an expression over the query's columns, and how groups are put together."""

    expr: nw.Expr
    fold: str = "sum"


def counted(name: str) -> nw.Expr:
    """How many of a Boolean column are true; nulls are not."""
    return nw.col(name).cast(nw.Int64).sum()


def grouped(
    contacts: Any,
    keys: Sequence[Key],
    columns: Mapping[str, Recipe],
    measures: Mapping[str, Measure],
    only: nw.Expr | None = None,
) -> pl.DataFrame:
    """Count by group, in the engine, and give the small table.

    A contact counts once for each of its different tags; null tags, and contacts without a tag, form no
    group.

    Args:
        contacts: any frame that Narwhals knows.
        keys: the groups; none counts all contacts in one row.
        columns: what the measures are made of.
        measures: name to measure; sums are Int64, without nulls.
        only: leaves out the contacts for which it is not true, before anything is counted.

    Returns:
        The groups' columns, then the measures; rows in no order.

    Raises:
        FrameError: a column is missing or can't be grouped by.
    """
    wanted = {f"key_{place}": key.recipe for place, key in enumerate(keys)}
    frame = project(contacts, {**wanted, **columns})
    if only is not None:
        frame = frame.filter(only)
    made = [measure.expr.alias(name) for name, measure in measures.items()]
    folds = [getattr(nw.col(name), measure.fold)().alias(name) for name, measure in measures.items()]
    if not keys:
        table = collect(frame.select(*made))
    else:
        exploded = [name for name, key in zip(wanted, keys, strict=True) if key.is_tags]
        _check_keys(frame, keys, wanted, exploded)
        # Contacts share their lists of tags: counted by list first, few lists are left to take apart. With
        # more keys they share too little for that.
        by_list_first = bool(exploded) and len(keys) == 1
        if exploded and not by_list_first:
            frame = each_tag(frame, *exploded)
        query = frame.group_by(*wanted).agg(*made)
        if by_list_first:
            query = each_tag(query, *exploded).group_by(*wanted).agg(*folds)
        table = collect(query)
    table = table.rename({name: key.name for name, key in zip(wanted, keys, strict=True)})
    return gathered(table, keys, {name: measure.fold for name, measure in measures.items()})


def _check_keys(frame: Any, keys: Sequence[Key], names: Mapping[str, Recipe], exploded: list[str]) -> None:
    schema = frame.select(*names).collect_schema()
    for name, key in zip(names, keys, strict=True):
        if name not in exploded and (schema[name].is_nested() or isinstance(schema[name], nw.Unknown)):
            raise FrameError(f"by: {key.name!r} is {schema[name]}, which can't be grouped by.")


def gathered(table: pl.DataFrame, keys: Sequence[Key], folds: Mapping[str, str]) -> pl.DataFrame:
    """Put days, counted since 1970, together to the periods that keys ask for.

    Args:
        table: columns of the keys, and of what was counted.
        keys: of the table; those without a period stay as they are.
        folds: name of each count to how two of them become one: `"sum"`, `"min"`, `"max"`.
    """
    periods = [
        (pl.lit(_EPOCH_DAY) + pl.duration(days=pl.col(key.name))).dt.truncate(key.every).alias(key.name)
        for key in keys
        if key.every
    ]
    if not periods:
        return table
    made = [getattr(pl.col(name), fold)() for name, fold in folds.items()]
    return table.with_columns(periods).group_by([key.name for key in keys]).agg(made)


def in_order(table: pl.DataFrame, keys: Sequence[Key], size: str = "contacts") -> pl.DataFrame:
    """Rows in the order every table has: by time where a key is one, else the largest first, then by name."""
    names = [key.name for key in keys]
    if not names:
        return table
    if any(table.schema[name].is_temporal() for name in names):
        names.sort(key=lambda name: not table.schema[name].is_temporal())
        return table.sort(names, nulls_last=True)
    return table.sort([size, *names], descending=[True] + [False] * len(names), nulls_last=True)
