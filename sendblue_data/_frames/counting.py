"""Sums over a contacts frame of any engine, of expressions that may use segments as columns.

A predicate looks at tags lists, variable maps and phone patterns, for which engines have no common words. So
the same Polars expressions count in all of them (`sum_batches`): the answer can't depend on the engine.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from sendblue_data._frames.conversion import column_names
from sendblue_data._frames.engines import PortableExpr, require_columns, sum_batches
from sendblue_data._frames.repeats import warn_of_repeats
from sendblue_data.errors import SegmentError


def count(contacts: Any, masks: Mapping[str, pl.Expr], sums: Mapping[str, pl.Expr]) -> dict[str, int]:
    """Return sums over all contacts, of expressions that may use each mask as a column.

    Args:
        contacts: a Polars frame, eager or lazy, a DuckDB relation, a PySpark frame, or any other that
            Narwhals knows.
        masks: the segments, by a name for the column that each becomes; nulls become False.
        sums: expressions that end in a sum, by name.

    Returns:
        Name to sum; 0 for a frame without rows.

    Raises:
        FrameError: a column that is needed is not in the frame, or it is no frame.
        SegmentError: a mask is not Boolean; or the frame is not Polars' own and a mask is a plain expression,
            which might look beyond a batch.
    """
    if not isinstance(contacts, (pl.DataFrame, pl.LazyFrame)):
        _require_portable(contacts, masks)
    roots = [name for expr in (*masks.values(), *sums.values()) for name in expr.meta.root_names()]
    needed = [name for name in dict.fromkeys(roots) if name not in masks]
    require_columns(column_names(contacts), needed)
    warn_of_repeats(contacts)
    if isinstance(contacts, (pl.DataFrame, pl.LazyFrame)):
        _require_boolean(contacts.lazy(), masks)
    columns = [mask.fill_null(value=False).alias(name) for name, mask in masks.items()]
    made = [expr.alias(name) for name, expr in sums.items()]

    def tally(batch: pl.LazyFrame) -> pl.LazyFrame:
        return batch.with_columns(columns).select(made).cast(pl.Int64)

    totals = dict.fromkeys(sums, 0)
    for part in sum_batches(contacts, needed, list(sums), tally):
        for name, value in part.row(0, named=True).items():
            totals[name] += value or 0
    return totals


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
