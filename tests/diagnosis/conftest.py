import pytest

from sendblue_data import SendblueClient, doctor
from sendblue_data.diagnosis import probe
from tests.diagnosis.model import Account

KEY, SECRET = "key-made-up-for-tests", "secret-made-up-for-tests"


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch):
    """Neither credentials nor proxies of the machine reach a test, and no wait is a real one's length."""
    for name in ("API_KEY", "API_SECRET", "BASE_URL"):
        monkeypatch.delenv(f"SENDBLUE_API_{name}", raising=False)
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setattr(probe, "UNTOLD_WAIT", 0.3)


@pytest.fixture
def examine():
    """Examine a model account with these traits, and give the diagnosis; the account is in `examine.account`."""

    def run(contacts=(), **traits):
        with Account(contacts, **traits) as account, SendblueClient(KEY, SECRET, account.url) as client:
            run.account = account
            return doctor(client)

    return run


def named(diagnosis, name):
    """The one finding of this name."""
    found = [finding for finding in diagnosis.findings if finding.name == name]
    assert len(found) == 1
    return found[0]
