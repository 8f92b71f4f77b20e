"""What comes from an engine to this machine is small tables, whatever is asked: rows are counted as they cross."""

from datetime import UTC, datetime, timedelta

import duckdb
import narwhals as nw
import polars as pl
import pytest
from polars.testing import assert_frame_equal

import sendblue_data as sd
from sendblue_data._frames import warehouses
from sendblue_data.errors import FrameError
from sendblue_data.schema import CONTACT_SCHEMA
from tests.warehouses import FRAMES

ROWS, CROSS = 4_000, 500
"""Contacts, and the most rows that may cross: groups, days, tags, and not contacts."""
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
WAREHOUSES = {False: ("snowflake", "databricks"), True: ("bigquery", "postgres")}
"""Those that keep custom variables as a map, and those that keep them as JSON."""


def people(rows=ROWS):
    tags = [["VIP", "Lead"], ["Lead"], ["VIP"], [], None, ["vip ", "VIP", "VIP"], [""]]
    return pl.DataFrame(
        {
            "contact_id": [f"c{n}" for n in range(rows)],
            "phone": [f"+1212555{n:04d}" if n % 7 else None for n in range(rows)],
            "company_name": [("Acme", "Globex", None)[n % 3] for n in range(rows)],
            "sendblue_number": [f"+1305555010{n % 2}" for n in range(rows)],
            "assigned_to_email": [(None, "ada@example.com")[n % 2] for n in range(rows)],
            "created_at": [NOW - timedelta(days=n % 40, microseconds=n * 777_777) for n in range(rows)],
            "opt_out": [(True, False, None, False, False)[n % 5] for n in range(rows)],
            "verified": [(True, True, False, None)[n % 4] for n in range(rows)],
            "tags": [tags[n % len(tags)] for n in range(rows)],
            "custom_variables": [{"Plan": ("Gold", "Free")[n % 2]} if n % 3 else None for n in range(rows)],
        },
        schema_overrides=CONTACT_SCHEMA,
    )


SEGMENTS = {
    "VIPs": sd.has_tag("VIP") & ~sd.opted_out(),
    "some": sd.has_any_tag("Lead", "none") | sd.verified(),
    "may": sd.reachable(verified=True),
    "new": sd.created_between(NOW - timedelta(days=9, microseconds=1), NOW - timedelta(hours=1)),
    "gold": (sd.variable("Plan") == "Gold") & sd.variable("Plan").is_in(["Gold", "é"]),
    "plan": sd.variable("Plan").contains("r") | sd.variable("A `dotted`.name").is_null(),
    "acme": sd.field_is("company_name", "Acme", None) & ~sd.field_is("opt_out", True),
}
ASKED = {
    "opt_out_rate": sd.opt_out_rate,
    "by company and plan": lambda c: sd.opt_out_rate(c, by=["company_name", sd.variable("Plan")]),
    "by tag": lambda c: sd.opt_out_rate(c, by="tag"),
    "by month": lambda c: sd.opt_out_rate(c, by=sd.created_period("1mo")),
    "cohorts": lambda c: sd.opt_out_cohorts(c, "1w", as_of=NOW),
    "by age": lambda c: sd.opt_out_by_age(c, as_of=NOW),
    "drivers": lambda c: sd.opt_out_drivers(c, min_contacts=5),
    "adjusted drivers": lambda c: sd.opt_out_drivers(c, adjust=("age", "line"), as_of=NOW, min_contacts=5),
    "tag_summary": sd.tag_summary,
    "tag_pairs": sd.tag_pairs,
    "tag_combinations": sd.tag_combinations,
    "top pairs": lambda c: sd.tag_pairs(c, top=1),
    "top combinations": lambda c: sd.tag_combinations(c, top=2),
    "tag_growth": sd.tag_growth,
    "growth of the top": lambda c: sd.tag_growth(c, "1d", top=2),
    "verification_rate": lambda c: sd.verification_rate(c, by="company_name"),
    "verification_funnel": sd.verification_funnel,
    "verification_backlog": lambda c: sd.verification_backlog(c, as_of=NOW),
    "compare_segments": lambda c: sd.compare_segments(c, SEGMENTS),
    "segment_overlap": lambda c: sd.segment_overlap(c, SEGMENTS),
    "similar_tags": sd.similar_tags,
}
ENGINES = {
    "duckdb": lambda frame: duckdb.connect().from_arrow(frame.to_arrow()),
    **{name: FRAMES[name] for name in ("ibis_duckdb", "postgres", "postgres_json")},
}
MARKED = [
    "duckdb",
    *(
        pytest.param(n, marks=pytest.mark.slow)
        for n in ("pyspark", "ibis_duckdb", "postgres", "postgres_json")
    ),
]


@pytest.fixture
def crossed(monkeypatch):
    """Count the rows that come to Polars, by Narwhals' door or by Arrow's; other doors of ours are closed."""
    rows = []
    collect, from_arrow = nw.LazyFrame.collect, pl.from_arrow

    def counted(table):
        rows.append(len(table.to_native() if isinstance(table, nw.DataFrame) else table))
        return table

    monkeypatch.setattr(
        nw.LazyFrame, "collect", lambda self, *args, **kw: counted(collect(self, *args, **kw))
    )
    monkeypatch.setattr(pl, "from_arrow", lambda *args, **kw: counted(from_arrow(*args, **kw)))
    return rows


@pytest.fixture(params=MARKED, scope="module")
def elsewhere(request):
    """The people in an engine."""
    if request.param == "pyspark":
        return request.getfixturevalue("spark").createDataFrame(people().to_arrow())
    return ENGINES[request.param](people())


@pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")
@pytest.mark.parametrize("name", ASKED)
def test_only_small_tables_cross_and_they_are_those_of_polars(elsewhere, name, crossed):
    found = ASKED[name](elsewhere)
    assert crossed
    assert sum(crossed) <= CROSS
    assert_frame_equal(found, ASKED[name](people()), rel_tol=1e-9, abs_tol=1e-12)


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
