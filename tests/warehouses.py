"""Contacts in engines that are no dependency of ours: Ibis on DuckDB and on PostgreSQL, Dask. `make engines` has them.

PostgreSQL is the one that `SENDBLUE_TEST_POSTGRES` names, as libpq writes it.
"""

import json
import os
import warnings
from functools import cache
from itertools import count

import pytest

_NUMBERS = count()
POSTGRES = "SENDBLUE_TEST_POSTGRES"


@cache
def _duckdb():
    ibis = pytest.importorskip("ibis", reason="make engines")
    connection = ibis.duckdb.connect()
    connection.raw_sql("SET TimeZone = 'Pacific/Honolulu'")
    return connection


@cache
def _postgres():
    ibis = pytest.importorskip("ibis", reason="make engines")
    if not (url := os.environ.get(POSTGRES)):
        pytest.skip(f"{POSTGRES} names no PostgreSQL: make engines")
    connection = ibis.connect(url)
    connection.raw_sql("SET TIME ZONE 'Pacific/Honolulu'")
    return connection


def ibis_duckdb(frame):
    warnings.filterwarnings("ignore", "fetch_arrow_table", DeprecationWarning)  # Ibis's own, of DuckDB 2.0
    connection, name = _duckdb(), f"contacts_{next(_NUMBERS)}"
    connection.con.register("given", frame.to_arrow())
    connection.raw_sql(f"CREATE TABLE {name} AS FROM given")  # its own create_table fails on DuckDB 2.0
    return connection.table(name)


def ibis_duckdb_json(frame):
    table = ibis_duckdb(frame)
    name = f"{table.get_name()}_json"
    _duckdb().raw_sql(
        f"CREATE TABLE {name} AS SELECT * REPLACE (to_json(custom_variables) AS custom_variables) FROM {table.get_name()}"
    )
    return _duckdb().table(name)


TYPES = {
    "opt_out": "boolean",
    "verified": "boolean",
    "created_at": "timestamptz",
    "tags": "text[]",
    "custom_variables": "jsonb",
}


def postgres(frame, types=TYPES):
    """Make a table of PostgreSQL, custom variables as JSON, tags as an array or as JSON."""
    connection, name = _postgres(), f"contacts_{next(_NUMBERS)}"
    columns = ", ".join(f'"{column}" {types.get(column, "text")}' for column in frame.columns)
    marks = ", ".join(["%s"] * frame.width)
    rows = [
        tuple(_cell(value, types.get(column)) for column, value in zip(frame.columns, row, strict=True))
        for row in frame.iter_rows()
    ]
    with connection.con.cursor() as cursor:
        cursor.execute(f"CREATE TEMP TABLE {name} ({columns})")
        cursor.executemany(f"INSERT INTO {name} VALUES ({marks})", rows)
    return connection.table(name)


def _cell(value, kind):
    return json.dumps(value) if kind == "jsonb" and value is not None else value


def postgres_json(frame):
    return postgres(frame, {**TYPES, "tags": "jsonb"})


def dask(frame):
    dask_dataframe = pytest.importorskip("dask.dataframe", reason="make engines")
    warnings.filterwarnings("ignore", "Dask support is moving", FutureWarning)  # Narwhals' own
    return dask_dataframe.from_pandas(frame.to_pandas(use_pyarrow_extension_array=True), npartitions=2)


FRAMES = {
    "ibis_duckdb": ibis_duckdb,
    "ibis_duckdb_json": ibis_duckdb_json,
    "postgres": postgres,
    "postgres_json": postgres_json,
    "dask": dask,
}
