"""What drivers are made of: contacts counted by each factor, and by what is held besides, in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import narwhals as nw
import polars as pl

from sendblue_data._frames.engines import Days, Recipe, project
from sendblue_data._frames.grouping import TAGS, Key, check_keys, gathered
from sendblue_data._frames.grouping_sets import grouped_by_each
from sendblue_data._shared.time import Moment, as_of as moment_of
from sendblue_data.analytics.opt_outs import OF_EACH

_WEEK, _MONTH = 7, 28
_DAILY, _WEEKLY = 7, 56
"""Ages in days up to which contacts are alike who are of one day, or of one week; from there, of four weeks."""
LINE = "sendblue_number"
_SUMS = dict.fromkeys(OF_EACH, "sum")


@dataclass(frozen=True)
class Cells:
    """Counts of contacts.

    Attributes:
        everyone: `contacts`, `known`, `opt_outs`, in one row.
        levels: the same by `level`, of each factor; tags are taken apart.
        alike: of each factor, contacts by all that makes them alike: `level` (of tags the whole list, `tags`), `age`
            (the first day of its band, null where nobody knows it), `line`, `tags`, then `known` and `opt_outs`; those
            of whom nobody knows whether they opted out are left out. Empty where nothing is held.
    """

    everyone: pl.DataFrame
    levels: list[pl.DataFrame]
    alike: list[pl.DataFrame]


def held_beside(key: Key, adjust: Sequence[str]) -> list[str]:
    """Return what is held beside a factor, but for tags: a line is not held against itself."""
    is_line = isinstance(key.recipe, str) and key.recipe == LINE
    return [name for name in adjust if name != "tags" and not (name == "line" and is_line)]


def count_cells(contacts: Any, keys: Sequence[Key], adjust: Sequence[str], *, as_of: Moment | None) -> Cells:
    """Count contacts by each factor, and by what is to be held, where they are and in one pass over them.

    Args:
        contacts: a contacts frame of any engine.
        keys: what makes the sets of each factor.
        adjust: what is held, some of `"age"`, `"line"` and `"tags"`; none: only the factors are counted.
        as_of: the moment that ages are counted to.
    """
    names = [TAGS if key.is_tags else f"level_{n}" for n, key in enumerate(keys)]
    wanted: dict[str, Recipe] = {"opt_out": "opt_out"}
    wanted |= {name: key.recipe for name, key in zip(names, keys, strict=True)}
    if "age" in adjust:
        # From just after `as_of`, so that ages are whole days: see `verification_backlog`.
        wanted["age"] = Days(moment_of(as_of) + timedelta(microseconds=1))
    if "line" in adjust:
        wanted["line"] = LINE
    if "tags" in adjust:
        wanted[TAGS] = TAGS
    frame = project(contacts, wanted)
    check_keys(frame, keys, names, [TAGS])
    if "age" in adjust:
        frame = frame.with_columns(age=_band(-nw.col("age") - 1))
    in_memory = isinstance(contacts, pl.DataFrame)
    if not adjust:
        *levels, everyone = grouped_by_each(
            frame, [*([name] for name in names), []], OF_EACH, each_of=TAGS, in_memory=in_memory
        )
        tables = [_named(table, name, key) for table, name, key in zip(levels, names, keys, strict=True)]
        return Cells(everyone, tables, [])
    sets = [
        list(dict.fromkeys([name, *held_beside(key, adjust), *([TAGS] if TAGS in adjust else [])]))
        for name, key in zip(names, keys, strict=True)
    ]
    cells = grouped_by_each(frame, sets, OF_EACH, in_memory=in_memory)
    cells = [
        table if key.is_tags else _named(table, name, key)
        for table, name, key in zip(cells, names, keys, strict=True)
    ]
    sums = pl.col(list(OF_EACH)).sum()
    return Cells(
        cells[0].select(sums),
        [
            _taken_apart(table, key).group_by("level").agg(sums)
            for table, key in zip(cells, keys, strict=True)
        ],
        [table.filter(pl.col("known") > 0).drop("contacts") for table in cells],
    )


def _named(table: pl.DataFrame, name: str, key: Key) -> pl.DataFrame:
    """Name the factor's column `level`, with days gathered in the periods asked for, as text."""
    table = table.rename({name: "level"})
    if key.every:
        others = [one for one in table.columns if one not in ("level", *OF_EACH)]
        keys = [Key("level", key.recipe, key.every), *(Key(one, one) for one in others)]
        table = gathered(table, keys, _SUMS)
    return table.with_columns(pl.col("level").cast(pl.String))


def _taken_apart(table: pl.DataFrame, key: Key) -> pl.DataFrame:
    if not key.is_tags:
        return table
    tags = table.with_columns(level=pl.col(TAGS).list.unique())
    return tags.explode("level", empty_as_null=True)


def _band(days: nw.Expr) -> nw.Expr:
    """Return the first day of an age's band: days at first, then weeks, then four weeks."""
    weeks, months = days - days % _WEEK, days - days % _MONTH
    return (
        nw.when(days < 0)
        .then(nw.lit(0))
        .otherwise(
            nw.when(days < _DAILY).then(days).otherwise(nw.when(days < _WEEKLY).then(weeks).otherwise(months))
        )
    )
