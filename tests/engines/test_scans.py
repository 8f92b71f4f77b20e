"""How often a question reads the contacts: once, however many factors, tags and adjustments it has."""

import re

import duckdb
import narwhals as nw
import pytest
from polars.io.plugins import register_io_source

from sendblue_data._frames import warehouses
from tests.engines.test_what_crosses import ASKED, people
from tests.warehouses import FRAMES

ONCE = 1
MORE = {"tag_pairs": 2, "top pairs": 3, "top combinations": 2, "growth of the top": 2}
"""A top is found first, and what belongs to it is asked for then; pairs are held against everyone."""


def counting(frame, scans):
    """A lazy frame that says when it is read."""

    def read(with_columns, predicate, n_rows, _batch_size):
        scans.append(with_columns)
        found = frame if with_columns is None else frame.select(with_columns)
        yield found if predicate is None else found.filter(predicate)

    return register_io_source(read, schema=frame.schema)


def scans_in(native):
    """Count the reads of the source in a query's plan."""
    if isinstance(native, duckdb.DuckDBPyRelation):
        return len(re.findall(r"(?<!Function: )ARROW_SCAN\b", native.explain()))  # 1.5.0 names it twice
    if warehouses.is_ibis(native):
        import ibis

        return ibis.to_sql(native).count('"contacts_')
    return native._jdf.queryExecution().optimizedPlan().collectLeaves().size()


@pytest.fixture
def scans(monkeypatch):
    """What was read, by any engine."""
    counted = []
    collect, fetched = nw.LazyFrame.collect, warehouses.fetched

    def collected(self, *args, **options):
        counted.extend([None] * scans_in(self.to_native()))
        return collect(self, *args, **options)

    def asked(table):
        counted.extend([None] * scans_in(table))
        return fetched(table)

    monkeypatch.setattr(nw.LazyFrame, "collect", collected)
    monkeypatch.setattr(warehouses, "fetched", asked)
    return counted


@pytest.fixture(
    params=[
        "polars",
        "duckdb",
        *(pytest.param(n, marks=pytest.mark.slow) for n in ("pyspark", "ibis_duckdb")),
    ]
)
def elsewhere(request, scans):
    few = people(700)
    if request.param == "polars":
        return counting(few, scans)
    if request.param == "duckdb":
        return duckdb.connect().from_arrow(few.to_arrow())
    if request.param == "pyspark":
        return request.getfixturevalue("spark").createDataFrame(few.to_arrow())
    return FRAMES[request.param](few)


@pytest.mark.parametrize("name", ASKED)
def test_a_question_reads_the_contacts_once(elsewhere, name, scans):
    ASKED[name](elsewhere)
    assert 0 < len(scans) <= MORE.get(name, ONCE)
