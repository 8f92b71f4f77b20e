"""Sums over a contacts frame of any engine: one pass, in the engine's own batches, next to nothing in memory.

A predicate looks at tags lists, variable maps and phone patterns, for which engines have no common words. So
each engine hands over Arrow batches and the same Polars expressions count in all of them: the answer can't
depend on the engine. Polars does it lazily and streaming, DuckDB batch by batch in this process, Spark in its
executors (which need this package installed, as for any Python code that Spark runs).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

import narwhals as nw
import polars as pl
from narwhals import dependencies as engines

from sendblue_data.errors import FrameError, SegmentError
from sendblue_data.schema import CONTACT_SCHEMA
from sendblue_data.segments.predicates import Segment

_BATCH_ROWS = 100_000


def count(contacts: Any, masks: Mapping[str, pl.Expr], sums: Mapping[str, pl.Expr]) -> dict[str, int]:
    """Sums over all contacts, of expressions that may use each mask as a column.

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
    tally = _Tally(
        [mask.fill_null(value=False).alias(name) for name, mask in masks.items()],
        [expr.alias(name) for name, expr in sums.items()],
    )
    if isinstance(contacts, (pl.DataFrame, pl.LazyFrame)):
        frame = contacts.lazy()
        tally.needed(frame.collect_schema().names())
        kinds = frame.with_columns(tally.masks).collect_schema()
        for name in masks:
            if kinds[name] != pl.Boolean:
                raise SegmentError(
                    f"segment {str(masks[name])!r} gives {kinds[name]}, where true or false is needed."
                )
        return tally.total([tally.lazily(frame).collect(engine="streaming")])
    if not all(isinstance(mask, Segment) for mask in masks.values()):
        raise SegmentError(
            f"on a {type(contacts).__name__}, segments are made of predicates (has_tag, variable, ...); "
            "for plain expressions bring a Polars frame."
        )
    try:
        known = nw.from_native(contacts).columns
    except TypeError as unknown:
        raise FrameError(
            f"a {type(contacts).__name__} is not a frame: bring Polars, DuckDB, PySpark or another that "
            "Narwhals knows."
        ) from unknown
    needed = tally.needed(known)
    if engines.is_pyspark_dataframe(contacts):
        return tally.total(_on_spark(contacts, needed, tally))
    return tally.total(tally.of(batch) for batch in _batches(contacts, needed))


@dataclass(frozen=True)
class _Tally:
    masks: list[pl.Expr]
    sums: list[pl.Expr]

    def needed(self, known: list[str]) -> list[str]:
        """The frame's columns that have to be read."""
        made = {mask.meta.output_name() for mask in self.masks}
        asked = dict.fromkeys(name for expr in (*self.masks, *self.sums) for name in expr.meta.root_names())
        needed = [name for name in asked if name not in made]
        lacking = [name for name in needed if name not in known]
        if lacking:
            raise FrameError(
                f"the frame has no column {', '.join(map(repr, lacking))}: it has {', '.join(known)}. "
                "Pass the frame that pull_contacts gives, or one with its columns."
            )
        return needed

    def lazily(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        return frame.with_columns(self.masks).select(self.sums).cast(pl.Int64)

    def of(self, batch: pl.DataFrame) -> pl.DataFrame:
        return self.lazily(batch.lazy()).collect()

    def total(self, parts: Iterable[pl.DataFrame]) -> dict[str, int]:
        totals = dict.fromkeys((expr.meta.output_name() for expr in self.sums), 0)
        for part in parts:
            for name, value in part.row(0, named=True).items():
                totals[name] += value or 0
        return totals


def _batches(contacts: Any, needed: list[str]) -> Iterator[pl.DataFrame]:
    if engines.is_duckdb_relation(contacts):
        quoted = ", ".join('"' + name.replace('"', '""') + '"' for name in needed)
        for batch in contacts.project(quoted).to_arrow_reader(_BATCH_ROWS):
            yield _polars(batch)
        return
    columns = nw.from_native(contacts).lazy().select(needed).collect("pyarrow")
    yield _polars(columns.to_native())


def _polars(batch: Any) -> pl.DataFrame:
    """An Arrow batch with a contacts frame's types: engines have their own time zones and precisions."""
    frame = cast("pl.DataFrame", pl.from_arrow(batch))
    return frame.cast({name: CONTACT_SCHEMA[name] for name in frame.columns if name in CONTACT_SCHEMA})


def _on_spark(contacts: Any, needed: list[str], tally: _Tally) -> list[pl.DataFrame]:
    names = [expr.meta.output_name() for expr in tally.sums]

    def counted(batches: Iterator[Any]) -> Iterator[Any]:
        for batch in batches:
            if batch.num_rows:
                yield from tally.of(_polars(batch)).to_arrow().to_batches()

    schema = ", ".join(f"`{name}` long" for name in names)
    rows = contacts.select(*needed).mapInArrow(counted, schema).groupBy().sum(*names).collect()
    return [pl.DataFrame({name: [value] for name, value in zip(names, rows[0], strict=True)})]
