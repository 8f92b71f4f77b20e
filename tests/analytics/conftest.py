"""One test body for all engines: `constructor` makes a frame of each from a Polars contacts frame."""

import duckdb
import polars as pl
import pytest

from tests.warehouses import FRAMES


def _duckdb(frame):
    connection = duckdb.connect()
    # Not UTC, so that a month or a day that is cut in the session's zone is found out.
    connection.execute("SET TimeZone = 'Pacific/Honolulu'")
    return connection.from_arrow(frame.to_arrow())


@pytest.fixture(
    params=[
        *("polars", "polars_lazy", "duckdb", "pyarrow"),
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("pyspark", *FRAMES)),
    ]
)
def constructor(request):
    """A function from a Polars contacts frame to a frame of one engine, with the same contacts."""
    if request.param in FRAMES:
        return FRAMES[request.param]
    if request.param == "pyspark":
        return request.getfixturevalue("in_spark")
    return {
        "polars": lambda frame: frame,
        "polars_lazy": pl.DataFrame.lazy,
        "duckdb": _duckdb,
        "pyarrow": pl.DataFrame.to_arrow,
    }[request.param]
