import pytest

from sendblue_data import Sandbox, SendblueClient
from sendblue_data._api import rate_limit, retries
from tests.api.servers import Server

KEY, SECRET = "key-made-up-for-tests", "secret-made-up-for-tests"


@pytest.fixture(autouse=True)
def no_long_waits(no_settings_from_outside, monkeypatch):
    """No retry waits long."""
    monkeypatch.setattr(retries, "FIRST_WAIT", 0.002)
    monkeypatch.setattr(rate_limit, "FIRST_PROBE", 0.002)
    monkeypatch.setattr(retries, "PATIENCE", 2)


@pytest.fixture
def open_account():
    """Open sandboxes with a client each; all are closed after the test."""
    opened = []

    def opener(contacts=(), *, client=None, **options):
        sandbox = Sandbox(contacts, **options)
        opened.append(sandbox)
        opened.append(sandbox.client(**(client or {})))
        return opened[-2:]

    yield opener
    for thing in reversed(opened):
        thing.close()


@pytest.fixture
def serve():
    """Start servers that give these answers, and a client of each; all are closed after the test."""
    opened = []

    def opener(*answers, host="127.0.0.1", **options):
        server = Server(*answers, host=host).__enter__()
        client = SendblueClient(KEY, SECRET, server.url, **options)
        opened.append((server, client))
        return server, client

    yield opener
    for server, client in opened:
        client.close()
        server.__exit__()
