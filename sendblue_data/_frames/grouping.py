"""Counts by group: what `by` may be, one query that counts on any engine, and the groups of rows in Polars."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, TypeAlias

import narwhals as nw
import polars as pl

from sendblue_data._frames.conversion import column_names
from sendblue_data._frames.engines import (
    Days,
    Recipe,
    collect,
    each_tag,
    output_name,
    polars_expr,
    project,
    roots,
)
from sendblue_data._frames.warehouses import is_ibis
from sendblue_data._shared.validation import did_you_mean, shown
from sendblue_data.errors import ConfigurationError, FrameError
from sendblue_data.schema import CONTACT_SCHEMA

TAG, TAGS = "tag", "tags"
_PERIODS = {"1d": "day", "1w": "week", "1mo": "month", "1q": "quarter", "1y": "year"}
_EPOCH_DAY = date(1970, 1, 1)


@dataclass(frozen=True)
class CreatedPeriod:
    """The period in which a contact was created, to group by; `created_period` makes one."""

    every: str

    def __post_init__(self) -> None:
        if not (isinstance(self.every, str) and re.fullmatch(r"[1-9]\d*(d|w|mo|q|y)", self.every)):
            raise ConfigurationError(
                f"every is {shown(self.every)}: give whole days or longer, such as "
                "'1d', '1w' (from Monday), '1mo', '1q' or '1y'."
            )

    @property
    def name(self) -> str:
        """Name of the group's column: `created_month`, or `created_2w` for an unusual period."""
        return f"created_{_PERIODS.get(self.every, self.every)}"


By: TypeAlias = str | CreatedPeriod | pl.Expr | nw.Expr
"""One thing to group by: a column, `"tags"` (each tag is a group, in a column `tag`), a period, or an expression."""


def created_period(every: str = "1mo") -> CreatedPeriod:
    """Return the period of creation in UTC, to group by on any engine: `by=created_period("1q")`.

    Args:
        every: `"1d"`, `"1w"` (from Monday), `"1mo"`, `"1q"`, `"1y"`, or a multiple such as `"2w"`.

    Returns:
        A value for `by`. The table's column is `created_month` (`created_week`, ...), a Date, the first day
        of the period; null where `created_at` is.

    Raises:
        ConfigurationError: `every` is not such a period.

    Example:
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
    """Return what `by` asks for, column by column.

    Args:
        contacts: the frame, for the names that an expression gives.
        by: one thing to group by, or several, or None.
        taken: names that the table uses itself.

    Raises:
        ConfigurationError: it is nothing to group by, or asks for a column twice.
        FrameError: an expression needs a column that is missing, or gives several.
    """
    if by is None:
        return []
    several = by if isinstance(by, Sequence) and not isinstance(by, str) else [by]
    keys = [_key(contacts, one) for one in several]
    names = [key.name for key in keys]
    for name in names:
        if names.count(name) > 1 or name in taken:
            raise ConfigurationError(
                f"by: the table would have two columns {name!r}; rename one with .alias(...)."
            )
    return keys


def _key(contacts: Any, by: Any) -> Key:
    if isinstance(by, str):
        if by == "custom_variables":
            raise ConfigurationError("by: name one custom variable: by=variable('Plan').")
        is_tags = by == TAGS or (by == TAG and TAG not in column_names(contacts))
        return Key(TAG, TAGS) if is_tags else Key(by, by)
    if isinstance(by, CreatedPeriod):
        return Key(by.name, Days(), by.every)
    if isinstance(by, (pl.Expr, nw.Expr)):
        return Key(output_name(contacts, by), by)
    raise ConfigurationError(
        f"by is {shown(by)}: give a column's name, 'tags', created_period(), variable(name), "
        "an expression, or a list of these."
    )


@dataclass(frozen=True)
class Measure:
    """A count by group: an expression over the query's columns, and how groups are put together."""

    expr: nw.Expr
    fold: str = "sum"


def counted(name: str) -> nw.Expr:
    """Count how many of a Boolean column are true; nulls are not."""
    return how_many(nw.col(name))


def how_many(condition: nw.Expr) -> nw.Expr:
    """Count for how many rows a condition holds; one that is null does not. Postgres can't add up Booleans."""
    return nw.when(condition).then(nw.lit(1, nw.Int64)).otherwise(nw.lit(0, nw.Int64)).sum()


def grouped(
    contacts: Any,
    keys: Sequence[Key],
    columns: Mapping[str, Recipe],
    measures: Mapping[str, Measure],
    only: nw.Expr | None = None,
) -> pl.DataFrame:
    """Count by group, in the engine, and return the small table.

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
        check_keys(frame, keys, wanted, exploded)
        # Contacts share their lists of tags: counted by list first, few lists are left to take apart. With
        # more keys they share too little for that, and BigQuery groups by no list.
        by_list_first = bool(exploded) and len(keys) == 1 and not is_ibis(frame.to_native())
        if exploded and not by_list_first:
            frame = each_tag(frame, *exploded)
        query = frame.group_by(*wanted).agg(*made)
        if by_list_first:
            query = each_tag(query, *exploded).group_by(*wanted).agg(*folds)
        table = collect(query)
    table = table.rename({name: key.name for name, key in zip(wanted, keys, strict=True)})
    return gathered(table, keys, {name: measure.fold for name, measure in measures.items()})


def check_keys(frame: Any, keys: Sequence[Key], names: Iterable[str], exploded: list[str]) -> None:
    """Raise `FrameError` where a key is a list or a map, but for those that are taken apart."""
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
    periods = [_period(pl.col(key.name), key.every).alias(key.name) for key in keys if key.every]
    if not periods:
        return table
    made = [getattr(pl.col(name), fold)() for name, fold in folds.items()]
    return table.with_columns(periods).group_by([key.name for key in keys]).agg(made)


def in_order(table: pl.DataFrame, keys: Sequence[Key], size: str = "contacts") -> pl.DataFrame:
    """Sort rows in the order that every table has: by time where a key is one, else the largest first, then by name."""
    names = [key.name for key in keys]
    if not names:
        return table
    if any(table.schema[name].is_temporal() for name in names):
        names.sort(key=lambda name: not table.schema[name].is_temporal())
        return table.sort(names, nulls_last=True)
    return table.sort([size, *names], descending=[True] + [False] * len(names), nulls_last=True)


class RowGroups:
    """The groups that `by` makes of rows in Polars, a history's, which has several of each contact.

    Args:
        by: as in `keys_of`, over the columns of `CONTACT_SCHEMA`.
        taken: names that the table uses itself.

    Attributes:
        reads: columns of contacts that the groups are made of.
        names: the group columns while counting; they can't clash with a count's name.

    Raises:
        ConfigurationError: `by` is nothing to group by.
        FrameError: it names no contact field.
    """

    def __init__(self, by: By | Sequence[By] | None, taken: Sequence[str]) -> None:
        self._keys = keys_of(CONTACT_SCHEMA.to_frame(), by, taken)
        if any(isinstance(key.recipe, nw.Expr) for key in self._keys):
            raise ConfigurationError("by is a Narwhals expression: give a Polars expression here.")
        self.reads = list(dict.fromkeys(name for key in self._keys for name in roots(key.recipe)))
        if unknown := [name for name in self.reads if name not in CONTACT_SCHEMA]:
            raise FrameError(
                f"by names {shown(unknown[0])}, which is no contact field. Choose from: {', '.join(CONTACT_SCHEMA)}."
                f"{did_you_mean(unknown[0], CONTACT_SCHEMA)}"
            )
        self.names = [f"by_{place}" for place in range(len(self._keys))]

    def apply(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Add the group columns; a contact with several tags gets a row for each, one without any gets none."""
        made = [polars_expr(key.recipe) for key in self._keys]
        made = [
            _period(expr, key.every) if key.every else expr
            for expr, key in zip(made, self._keys, strict=True)
        ]
        frame = frame.with_columns(expr.alias(name) for expr, name in zip(made, self.names, strict=True))
        exploded = [name for name, key in zip(self.names, self._keys, strict=True) if key.is_tags]
        check_keys(nw.from_native(frame), self._keys, self.names, exploded)
        for name in exploded:
            frame = frame.with_columns(pl.col(name).list.unique()).explode(name).drop_nulls(name)
        return frame.drop(name for name in self.reads if name != "opt_out")

    def named(self, table: pl.DataFrame) -> pl.DataFrame:
        """Return the table with the names that the caller knows."""
        return table.rename({name: key.name for name, key in zip(self.names, self._keys, strict=True)})


def _period(days: pl.Expr, every: str) -> pl.Expr:
    """Return the first day of the period that a day, counted since 1970, lies in."""
    return (pl.lit(_EPOCH_DAY) + pl.duration(days=days)).dt.truncate(every)
