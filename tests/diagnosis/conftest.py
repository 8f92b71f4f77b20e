import pytest

from sendblue_data import SendblueClient, doctor
from sendblue_data.diagnosis import probe
from tests.diagnosis.model import Account

KEY, SECRET = "key-made-up-for-tests", "secret-made-up-for-tests"


@pytest.fixture(autouse=True)
def no_long_waits(no_settings_from_outside, monkeypatch):
    """No wait is a real one's length."""
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
