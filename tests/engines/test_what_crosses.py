"""What comes from an engine to this machine is small tables, whatever is asked: rows are counted as they cross."""

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import sendblue_data as sd
from sendblue_data._frames import warehouses
from sendblue_data.errors import FrameError
from tests.engines.counting import counted
from tests.engines.questions import ASKED, in_duckdb, people
from tests.engines.table import kept, on_the_page
from tests.warehouses import FRAMES

CROSS = 500
"""The most rows that may cross: groups, days, tags, and not contacts."""
WAREHOUSES = {False: ("snowflake", "databricks"), True: ("bigquery", "postgres")}
"""Those that keep custom variables as a map, and those that keep them as JSON."""


ENGINES = {
    "duckdb": in_duckdb,
    **{name: FRAMES[name] for name in ("ibis_duckdb", "postgres", "postgres_json")},
}
MARKED = [
    "duckdb",
    *(
        pytest.param(n, marks=pytest.mark.slow)
        for n in ("pyspark", "ibis_duckdb", "postgres", "postgres_json")
    ),
]


@pytest.fixture(params=MARKED, scope="module")
def elsewhere(request):
    """The people in an engine."""
    if request.param == "pyspark":
        return request.getfixturevalue("in_spark")(people())
    return ENGINES[request.param](people())


@pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")
@pytest.mark.parametrize("name", ASKED)
def test_only_small_tables_cross_and_they_are_those_of_polars(elsewhere, name):
    with counted() as seen:
        found = ASKED[name](elsewhere)
    assert 0 < seen.rows <= CROSS
    assert seen.rows == kept(elsewhere, name).rows
    assert_frame_equal(found, ASKED[name](people()), rel_tol=1e-9, abs_tol=1e-12)


def test_the_page_on_scale_has_every_question_on_every_engine():
    assert list(on_the_page()) == list(ASKED)
    assert all(cell is not None for cells in on_the_page().values() for cell in cells.values())


@pytest.mark.slow
@pytest.mark.parametrize("in_json", [False, True])
@pytest.mark.parametrize("name", ASKED)
def test_each_question_is_written_in_every_warehouse_s_own_sql(name, in_json, monkeypatch):
    table, fetched, written = (
        FRAMES["ibis_duckdb_json" if in_json else "ibis_duckdb"](people(70)),
        warehouses.fetched,
        [],
    )
    import ibis

    def write(asked):
        written.extend(ibis.to_sql(asked.unbind(), dialect=one) for one in WAREHOUSES[in_json])
        return fetched(asked)

    monkeypatch.setattr(warehouses, "fetched", write)
    monkeypatch.setattr(warehouses, "_is_duckdb", lambda _: False)
    ASKED[name](table)
    assert written
    assert all("SELECT" in sql for sql in written)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["ibis_duckdb", "dask"])
def test_what_an_engine_cannot_count_is_brought_here_up_to_a_bound_and_refused_beyond_it(engine):
    frame = FRAMES[engine](people(300))
    by = pl.col("company_name").str.len_chars().alias("length")
    with (
        sd.max_rows_to_client(299),
        pytest.raises(FrameError, match=r"has 300 rows.*max_rows_to_client\(300\)"),
    ):
        sd.opt_out_rate(frame, by=by)
    assert_frame_equal(sd.opt_out_rate(frame, by=by), sd.opt_out_rate(people(300), by=by))
