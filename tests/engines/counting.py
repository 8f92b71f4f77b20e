"""Counts what crosses from an engine to this machine, and how often the contacts are read for it."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import duckdb
import narwhals as nw
import polars as pl
import pytest
from polars.io.plugins import register_io_source

from sendblue_data._frames import warehouses

_SPARK_LEAF = re.compile(r"^[\s:+*()\d-]*(?:LocalTableScan|FileScan|Scan |BatchScan )", re.MULTILINE)


@dataclass
class Counted:
    """Rows that came to Polars, and reads of the source."""

    rows: int = 0
    reads: int = 0


@contextmanager
def counted() -> Iterator[Counted]:
    """Count rows by Narwhals' door and by Arrow's, which are all there are, and reads in the plans of queries."""
    seen = Counted()
    collect, from_arrow, fetched = nw.LazyFrame.collect, pl.from_arrow, warehouses.fetched

    def arrived(table):
        seen.rows += len(table)
        return table

    def collected(self, *args, **options):
        seen.reads += reads_in(self.to_native())
        with pytest.MonkeyPatch.context() as inside:
            inside.setattr(pl, "from_arrow", from_arrow)  # the same rows: counted once
            return arrived(collect(self, *args, **options))

    def asked(table):
        seen.reads += reads_in(table)
        return fetched(table)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nw.LazyFrame, "collect", collected)
        patch.setattr(pl, "from_arrow", lambda *args, **options: arrived(from_arrow(*args, **options)))
        patch.setattr(warehouses, "fetched", asked)
        yield seen


def reads_in(native) -> int:
    """Count the reads of the source in a query's plan; those of Polars are counted as they happen."""
    if isinstance(native, duckdb.DuckDBPyRelation):
        return len(re.findall(r"(?<!Function: )ARROW_SCAN\b", native.explain()))  # 1.5.0 names it twice
    if warehouses.is_ibis(native):
        import ibis

        return ibis.to_sql(native).count('"contacts_')
    if nw.dependencies.is_pyspark_connect_dataframe(native):  # asked first: to Narwhals it is both
        return len(_SPARK_LEAF.findall(native._explain_string()))
    if nw.dependencies.is_pyspark_dataframe(native):
        return native._jdf.queryExecution().optimizedPlan().collectLeaves().size()
    return 0


def telling(frame: pl.DataFrame, seen: Counted) -> pl.LazyFrame:
    """Return a lazy frame that says when it is read."""

    def read(with_columns, predicate, _n_rows, _batch_size):
        seen.reads += 1
        found = frame if with_columns is None else frame.select(with_columns)
        yield found if predicate is None else found.filter(predicate)

    return register_io_source(read, schema=frame.schema)
