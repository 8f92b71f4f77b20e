import tempfile
from pathlib import Path

import pytest

from sendblue_data._api import rate_limit, retries
from sendblue_data.writeback import engine

MEMORY = "/dev/shm"


@pytest.fixture(autouse=True)
def no_long_waits(no_settings_from_outside, monkeypatch):
    """No retry waits long."""
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
