"""Counts by several groupings in one pass over the contacts, on any engine.

A pass over a lake or a warehouse is what a question costs there. DuckDB has grouping sets; Spark and Ibis get a row for
each contact and grouping, which they add up before anything moves; a lazy Polars frame comes through batch by batch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import polars as pl
from narwhals import dependencies

from sendblue_data._frames import warehouses
from sendblue_data._frames.engines import BATCH_ROWS, canonical, collect, quoted

_SET = "grouping"
_FOLD_ABOVE = 200_000
"""Rows of counts by batch that are put together before more are gathered."""

Sets = Sequence[Sequence[str]]


@dataclass(frozen=True)
class Addend:
    """What one contact adds to a count, over the frame's columns, and how such are put together."""

    expr: nw.Expr
    fold: str = "sum"


def one_where(condition: nw.Expr) -> Addend:
    """Count the contacts for which a condition holds; one that is null does not."""
    return Addend(nw.when(condition).then(nw.lit(1, nw.Int64)).otherwise(nw.lit(0, nw.Int64)))


EACH = Addend(nw.lit(1, nw.Int64))
"""Counts contacts."""


def grouped_by_each(
    frame: nw.LazyFrame[Any],
    sets: Sets,
    addends: Mapping[str, Addend],
    *,
    each_of: str | None = None,
    in_memory: bool = False,
) -> list[pl.DataFrame]:
    """Count by each of several groupings, in one pass over the frame.

    Args:
        frame: what `project` gives: the columns to group by, and those that are counted.
        sets: the groupings, each the names of its columns; one without columns counts everyone, in one row.
        addends: name of each count to what a contact adds to it.
        each_of: a column of lists, of which each different text is a group, wherever it is in a grouping; null ones,
            and contacts without any, form no group.
        in_memory: that the frame's data is, so that to go over it again costs nothing.

    Returns:
        A table a grouping: its columns, then the counts; rows in no order.
    """
    if len(different := list(dict.fromkeys(map(tuple, sets)))) < len(sets):
        tables = grouped_by_each(frame, different, addends, each_of=each_of, in_memory=in_memory)
        return [tables[different.index(tuple(one))] for one in sets]
    columns = list(dict.fromkeys(name for one in sets for name in one))
    frame = frame.select(
        *map(nw.col, columns), *(addend.expr.alias(name) for name, addend in addends.items())
    )
    folds = {name: addend.fold for name, addend in addends.items()}
    native = frame.to_native()
    if isinstance(native, pl.LazyFrame):
        tables = _in_polars(native, sets, folds, each_of, in_memory=in_memory)
    else:
        tagged = [n for n, one in enumerate(sets) if each_of in one]
        count = _in_duckdb if dependencies.is_duckdb_relation(native) else _row_by_row
        table = collect(count(frame, sets, columns, folds, each_of, tagged))
        tables = [table.filter(pl.col(_SET) == n).select(*one, *folds) for n, one in enumerate(sets)]
    return [_whole(table, folds) if not one else table for one, table in zip(sets, tables, strict=True)]


def _whole(table: pl.DataFrame, folds: Mapping[str, str]) -> pl.DataFrame:
    """Return the one row of everyone, of a frame without rows too."""
    one = table if table.height else pl.DataFrame({name: [None] for name in folds}, schema=table.schema)
    return one.with_columns(pl.col(name).fill_null(0) for name, fold in folds.items() if fold == "sum")


def _in_polars(
    frame: pl.LazyFrame, sets: Sets, folds: Mapping[str, str], each_of: str | None, *, in_memory: bool
) -> list[pl.DataFrame]:
    made = [getattr(pl.col(name), fold)() for name, fold in folds.items()]

    def count(rows: pl.LazyFrame, one: Sequence[str]) -> pl.LazyFrame:
        return rows.group_by(one).agg(made) if one else rows.select(made)

    if in_memory or len(sets) == 1:
        tables = pl.collect_all([count(frame, one) for one in sets], engine="streaming")
    else:
        tables = _by_batches(frame, sets, count)
    return [
        canonical(count(_each(table.lazy(), each_of), one).collect() if each_of in one else table)
        for one, table in zip(sets, tables, strict=True)
    ]


def _each(table: pl.LazyFrame, column: str | None) -> pl.LazyFrame:
    return table.with_columns(pl.col(str(column)).list.unique()).explode(str(column)).drop_nulls(str(column))


def _by_batches(frame: pl.LazyFrame, sets: Sets, count: Any) -> list[pl.DataFrame]:
    """Count batch by batch: a query a grouping would read the frame as often, and a cache would hold it whole."""
    parts: list[list[pl.DataFrame]] = [[] for _ in sets]
    limits = [_FOLD_ABOVE] * len(sets)

    def fold(n: int) -> pl.DataFrame:
        table: pl.DataFrame = count(pl.concat(parts[n]).lazy(), sets[n]).collect()
        return table

    batches = frame.collect_batches(chunk_size=BATCH_ROWS, maintain_order=False, engine="streaming")
    for batch in batches:
        for n, table in enumerate(pl.collect_all([count(batch.lazy(), one) for one in sets])):
            parts[n].append(table)
            if sum(part.height for part in parts[n]) > limits[n]:
                parts[n] = [fold(n)]
                limits[n] = 2 * parts[n][0].height + _FOLD_ABOVE
    if not parts[0]:
        none = frame.collect_schema().to_frame().lazy()
        return pl.collect_all([count(none, one) for one in sets])
    return [fold(n) for n in range(len(sets))]


def _in_duckdb(
    frame: nw.LazyFrame[Any],
    sets: Sets,
    columns: Sequence[str],
    folds: Mapping[str, str],
    each_of: str | None,
    tagged: Sequence[int],
) -> nw.LazyFrame[Any]:
    """DuckDB's grouping sets, for which it reads its source once; tags are taken apart after lists are counted."""
    names = [quoted(name) for name in columns]
    counts = ", ".join(f"{fold}({quoted(name)}) AS {quoted(name)}" for name, fold in folds.items())
    lists = ", ".join(f"({', '.join(map(quoted, one))})" for one in sets)
    # A bit for each column by which a row is not grouped, the first column's the highest.
    ids = [sum(1 << place for place, name in enumerate(reversed(columns)) if name not in one) for one in sets]
    number = " ".join(f"WHEN {one} THEN {n}" for n, one in enumerate(ids))
    made = (
        frame.to_native()
        .aggregate(
            f"{', '.join(names)}, {counts}, grouping_id({', '.join(names)}) AS id", f"GROUPING SETS ({lists})"
        )
        .project(f"* EXCLUDE (id), CASE id {number} END AS {_SET}")
    )
    if tagged:
        column = quoted(str(each_of))
        which = ", ".join(map(str, tagged))
        tags = (
            f"unnest(CASE WHEN {_SET} IN ({which}) THEN list_distinct({column}) ELSE [NULL] END) AS {column}"
        )
        made = made.project(f"* EXCLUDE ({column}), {tags}").aggregate(
            f"{_SET}, {', '.join(names)}, {counts}"
        )
    counted: nw.LazyFrame[Any] = nw.from_native(made).lazy()
    return counted


def _row_by_row(
    frame: nw.LazyFrame[Any],
    sets: Sets,
    columns: Sequence[str],
    folds: Mapping[str, str],
    each_of: str | None,
    tagged: Sequence[int],
) -> nw.LazyFrame[Any]:
    """Make a row for each contact and grouping, null in the columns that are not of it, and group by them all."""
    native = frame.to_native()
    is_ibis = warehouses.is_ibis(native)
    tag = str(each_of)
    expanded = warehouses.expanded if is_ibis else _expanded_in_spark
    each = warehouses.each_text if is_ibis else _each_text_in_spark
    rows: nw.LazyFrame[Any] = nw.from_native(expanded(native, _SET, len(sets))).lazy()
    if tagged and is_ibis:  # BigQuery groups by no list
        rows = nw.from_native(each(rows.to_native(), tag, _SET, tagged)).lazy()
    rows = rows.with_columns(_only_in(name, sets) for name in columns)
    made = [getattr(nw.col(name), fold)().alias(name) for name, fold in folds.items()]
    counts = rows.group_by(_SET, *columns).agg(*made)
    if tagged and not is_ibis:  # contacts share their lists: few are left to take apart
        counts = nw.from_native(each(counts.to_native(), tag, _SET, tagged)).lazy()
        counts = counts.group_by(_SET, *columns).agg(*made)
    if tagged:
        counts = counts.filter(~nw.col(_SET).is_in(tagged) | ~nw.col(tag).is_null())
    return counts


def _only_in(name: str, sets: Sets) -> nw.Expr:
    having = [n for n, one in enumerate(sets) if name in one]
    if len(having) == len(sets):
        return nw.col(name)
    return nw.when(nw.col(_SET).is_in(having)).then(nw.col(name)).alias(name)


def _expanded_in_spark(frame: Any, column: str, count: int) -> Any:
    from pyspark.sql import functions as F  # noqa: N812, PLC0415 -- its usual name; Spark is an extra

    return frame.withColumn(column, F.explode(F.array(*map(F.lit, range(count)))))


def _each_text_in_spark(frame: Any, column: str, which: str, tagged: Sequence[int]) -> Any:
    """Take a column of lists apart in some of the rows; it is null in the rest."""
    from pyspark.sql import functions as F  # noqa: N812, PLC0415 -- as above

    texts = F.when(F.col(which).isin(*tagged), F.array_distinct(column))
    return frame.withColumn(column, F.explode_outer(texts))
