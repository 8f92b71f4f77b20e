"""One test body for all engines: `constructor` makes a frame of each from a Polars contacts frame."""

import warnings

import duckdb
import polars as pl
import pytest


def _duckdb(frame):
    connection = duckdb.connect()
    # Not UTC, so that a month or a day that is cut in the session's zone is found out.
    connection.execute("SET TimeZone = 'Pacific/Honolulu'")
    return connection.from_arrow(frame.to_arrow())


@pytest.fixture(scope="session")
def spark():
    """A local Spark of one core, with a time zone that isn't UTC."""
    pytest.importorskip("pyspark")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pyspark.sql import SparkSession

        session = (
            SparkSession.builder.master("local[1]")
            .config("spark.ui.enabled", "false")
            .config("spark.ui.showConsoleProgress", "false")
            .config("spark.sql.shuffle.partitions", "1")
            .config("spark.sql.session.timeZone", "Pacific/Honolulu")
            .config("spark.driver.bindAddress", "127.0.0.1")
            .config("spark.driver.host", "127.0.0.1")
            .getOrCreate()
        )
        session.sparkContext.setLogLevel("ERROR")
        yield session
        session.stop()


@pytest.fixture(
    params=["polars", "polars_lazy", "duckdb", "pyarrow", pytest.param("pyspark", marks=pytest.mark.slow)]
)
def constructor(request):
    """A function from a Polars contacts frame to a frame of one engine, with the same contacts."""
    if request.param == "pyspark":
        session = request.getfixturevalue("spark")
        return lambda frame: session.createDataFrame(frame.to_arrow())
    return {
        "polars": lambda frame: frame,
        "polars_lazy": pl.DataFrame.lazy,
        "duckdb": _duckdb,
        "pyarrow": pl.DataFrame.to_arrow,
    }[request.param]
