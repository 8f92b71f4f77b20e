"""Counts over a contacts frame of any engine, of contacts who are in segments.

What a segment asks of plain columns, an engine is asked in its own words, in one query. A predicate on phone patterns
or on a text anywhere has no common words: there the same Polars expressions count in all engines, batch by batch
(`sum_batches`). Either way the answer can't depend on the engine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from operator import and_
from typing import Any

import narwhals as nw
import polars as pl

from sendblue_data._frames.conversion import column_names
from sendblue_data._frames.engines import (
    Condition,
    PortableExpr,
    Recipe,
    collect,
    project,
    require_columns,
    sum_batches,
)
from sendblue_data._frames.grouping import how_many
from sendblue_data._frames.parquet_files import opened
from sendblue_data._frames.repeats import warn_of_repeats
from sendblue_data.errors import SegmentError


@dataclass(frozen=True)
class Tally:
    """Contacts to count: those in every one of some segments, and of them those with a column that is true, or known.

    Attributes:
        masks: names of segments.
        column: a column of contacts; None counts all of them.
        known: count those whose column is not null, instead of those whose column is true.
    """

    masks: tuple[str, ...] = ()
    column: str | None = None
    known: bool = False

    def in_polars(self) -> pl.Expr:
        """Return the sum as a Polars expression over columns of the masks' names."""
        parts = [pl.col(mask) for mask in self.masks]
        if self.column is not None:
            parts.append(pl.col(self.column).is_not_null() if self.known else pl.col(self.column))
        return reduce(and_, parts).sum() if parts else pl.len()

    def in_narwhals(self) -> nw.Expr:
        """Return the sum as a Narwhals expression over the same columns."""
        parts = [nw.col(mask) for mask in self.masks]
        if self.column is not None:
            parts.append(~nw.col(self.column).is_null() if self.known else nw.col(self.column))
        return how_many(reduce(and_, parts)) if parts else nw.len()


def count(contacts: Any, masks: Mapping[str, pl.Expr], tallies: Mapping[str, Tally]) -> dict[str, int]:
    """Count contacts, in one pass.

    Args:
        contacts: a Polars frame, eager or lazy, a DuckDB relation, a PySpark frame, or any other that
            Narwhals knows.
        masks: the segments, by a name for the column that each becomes; nulls become False.
        tallies: what is counted, by name.

    Returns:
        Name to number; 0 for a frame without rows.

    Raises:
        FrameError: a column that is needed is not in the frame, or it is no frame.
        SegmentError: a mask is not Boolean; or the frame is not Polars' own and a mask is a plain expression,
            which might look beyond a batch.
    """
    contacts = opened(contacts)
    is_polars = isinstance(contacts, pl.DataFrame | pl.LazyFrame)
    if not is_polars:
        _require_portable(contacts, masks)
    asked = [name for mask in masks.values() for name in mask.meta.root_names()]
    asked += [tally.column for tally in tallies.values() if tally.column is not None]
    needed = list(dict.fromkeys(asked))
    require_columns(column_names(contacts), needed)
    conditions = {name: mask.condition for name, mask in masks.items() if isinstance(mask, PortableExpr)}
    native = {name: one for name, one in conditions.items() if one is not None}
    if not is_polars and len(native) == len(masks):
        return _in_the_engine(contacts, native, tallies)
    warn_of_repeats(contacts)
    if is_polars:
        _require_boolean(contacts.lazy(), masks)
    columns = [mask.fill_null(value=False).alias(name) for name, mask in masks.items()]
    made = [tally.in_polars().alias(name) for name, tally in tallies.items()]

    def tally_up(batch: pl.LazyFrame) -> pl.LazyFrame:
        return batch.with_columns(columns).select(made).cast(pl.Int64)

    totals = dict.fromkeys(tallies, 0)
    for part in sum_batches(contacts, needed, list(tallies), tally_up):
        for name, value in part.row(0, named=True).items():
            totals[name] += value or 0
    return totals


def _in_the_engine(
    contacts: Any, conditions: Mapping[str, Condition], tallies: Mapping[str, Tally]
) -> dict[str, int]:
    """Count by one query in the engine's own words."""
    columns: dict[str, Recipe] = {
        tally.column: tally.column for tally in tallies.values() if tally.column is not None
    }
    for condition in conditions.values():
        columns |= condition.columns
    frame = project(contacts, columns).with_columns(
        condition.expr.fill_null(value=False).alias(name) for name, condition in conditions.items()
    )
    sums = collect(frame.select(tally.in_narwhals().alias(name) for name, tally in tallies.items()))
    return {name: int(value or 0) for name, value in sums.row(0, named=True).items()}


def _require_portable(contacts: Any, masks: Mapping[str, pl.Expr]) -> None:
    if not all(isinstance(mask, PortableExpr) and mask.variable is None for mask in masks.values()):
        raise SegmentError(
            f"on a {type(contacts).__name__}, segments are made of predicates (has_tag, variable, ...); "
            "for plain expressions bring a Polars frame."
        )


def _require_boolean(frame: pl.LazyFrame, masks: Mapping[str, pl.Expr]) -> None:
    kinds = frame.select(mask.alias(name) for name, mask in masks.items()).collect_schema()
    for name, kind in kinds.items():
        if kind != pl.Boolean:
            raise SegmentError(f"segment {str(masks[name])!r} gives {kind}, where true or false is needed.")
