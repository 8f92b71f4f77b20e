import pytest

from sendblue_data._api import rate_limit
from sendblue_data.writeback import engine, lookup, plan
from sendblue_data.writeback.lookup import as_frame
from tests.writeback.doubles import Store
from tests.writeback.people import people


@pytest.fixture(autouse=True)
def no_long_waits(monkeypatch):
    """The pauses are there for a real server; here they would only take time."""
    monkeypatch.setattr(rate_limit, "FIRST_PROBE", 0.002)
    monkeypatch.setattr(engine, "_FIRST_PAUSE", 0.002)
    monkeypatch.setattr(engine, "_FIRST_POLL", 0.01)
    monkeypatch.setattr(engine, "PATIENCE", 0.3)


@pytest.fixture(autouse=True)
def journals(tmp_path, monkeypatch):
    folder = tmp_path / "runs"
    monkeypatch.setenv("SENDBLUE_DATA_JOURNAL", str(folder))
    return folder


@pytest.fixture
def store(monkeypatch):
    """An account of four, of which looks and pulls show all."""
    store = Store(*people(4))
    monkeypatch.setattr(lookup, "fetch_current", store.fetch)
    monkeypatch.setattr(
        plan,
        "fetch_account",
        lambda _client, _phones: (as_frame(store.contacts.values()), len(store.contacts)),
    )
    return store
