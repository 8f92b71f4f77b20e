import os
from itertools import count

import pytest

from sendblue_data import Sandbox
from tests.spark_frames import local_spark, spark_frame


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--record", action="store_true", help="record the cassettes again, against a sandbox (make cassettes)"
    )


@pytest.hookimpl(tryfirst=True)  # xdist reads the marks in a hook of the same name
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """With `--dist loadgroup`, tests of what is slow to make go to one worker: a JVM, a JupyterLab, the wheel installed.

    The longest come first, so that no worker is left with one of them when the other has nothing more to do.
    """
    for item in items:
        if {"spark", "in_spark"} & set(getattr(item, "fixturenames", ())) or "pyspark" in item.nodeid:
            item.add_marker(pytest.mark.xdist_group("spark"))
        elif "/browser/" in item.nodeid:
            item.add_marker(pytest.mark.xdist_group("browser"))
        elif "test_wheel" in item.nodeid:
            item.add_marker(pytest.mark.xdist_group("wheel"))
    items.sort(key=_may_take_minutes, reverse=True)


def _may_take_minutes(item: pytest.Item) -> bool:
    allowed = item.get_closest_marker("timeout")
    return allowed is not None and bool(allowed.args) and allowed.args[0] >= 600


@pytest.fixture
def open_umask():
    """Let the process make files that everybody may read and write: what is private may not owe it to the mask."""
    mask = os.umask(0)
    yield
    os.umask(mask)


@pytest.fixture
def no_settings_from_outside(monkeypatch):
    """Neither credentials nor proxies of the machine reach a test."""
    for name in ("API_KEY", "API_SECRET", "BASE_URL"):
        monkeypatch.delenv(f"SENDBLUE_API_{name}", raising=False)
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def open_account():
    """Open sandboxes with a client each; all are closed after the test."""
    opened = []

    def opener(*args, client=None, **options):
        sandbox = Sandbox(*args, **options)
        opened.append(sandbox)
        opened.append(sandbox.client(**(client or {})))
        opened[-1].timeout = 0.2  # for which an undo waits, where an answer was lost
        return opened[-2:]

    yield opener
    for thing in reversed(opened):
        thing.close()


@pytest.fixture(scope="session")
def spark():
    """A local Spark of one core, with a time zone that isn't UTC."""
    pytest.importorskip("pyspark")
    session = local_spark()
    yield session
    session.stop()


@pytest.fixture(scope="session")
def in_spark(spark, tmp_path_factory):
    """A function from a Polars frame to a Spark frame with the same rows."""
    folder, numbers = tmp_path_factory.mktemp("spark"), count()
    return lambda frame: spark_frame(spark, frame, folder / f"{next(numbers)}.parquet")
