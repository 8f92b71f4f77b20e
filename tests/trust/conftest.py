import tempfile
from pathlib import Path

import pytest

from sendblue_data._api import rate_limit, retries
from sendblue_data.sandbox import Sandbox
from sendblue_data.writeback import engine

MEMORY = "/dev/shm"


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch):
    """Neither credentials nor proxies of the machine reach a test, and no retry waits long."""
    for name in ("API_KEY", "API_SECRET", "BASE_URL"):
        monkeypatch.delenv(f"SENDBLUE_API_{name}", raising=False)
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setattr(retries, "FIRST_WAIT", 0.002)
    monkeypatch.setattr(rate_limit, "FIRST_PROBE", 0.002)
    monkeypatch.setattr(engine, "_FIRST_PAUSE", 0.002)
    monkeypatch.setattr(engine, "_FIRST_POLL", 0.01)


@pytest.fixture(autouse=True)
def journals(monkeypatch):
    """A folder of journals, in memory where there is one: hundreds of runs that wait for a disk take minutes."""
    with tempfile.TemporaryDirectory(dir=MEMORY if Path(MEMORY).is_dir() else None) as folder:
        monkeypatch.setenv("SENDBLUE_DATA_JOURNAL", f"{folder}/runs")
        yield Path(folder, "runs")


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
