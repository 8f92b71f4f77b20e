import warnings

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--record", action="store_true", help="record the cassettes again, against a sandbox (make cassettes)"
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep together, with `--dist loadgroup`, what shares something that is slow to start: a JVM, a JupyterLab."""
    for item in items:
        if "spark" in getattr(item, "fixturenames", ()) or "pyspark" in item.nodeid:
            item.add_marker(pytest.mark.xdist_group("spark"))
        elif "/browser/" in item.nodeid:
            item.add_marker(pytest.mark.xdist_group("browser"))


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
