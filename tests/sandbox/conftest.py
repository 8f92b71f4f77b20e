"""A raw caller of the sandbox: plain requests, none of our client."""

import pytest
import requests

from sendblue_data.sandbox import Sandbox

ROOT = "/api/v2/contacts"
PHONE = "+12125550100"


class Raw:
    """Sends requests with the sandbox's credentials, and no retries."""

    def __init__(self, sandbox):
        self.sandbox = sandbox
        self.session = requests.Session()
        self.session.headers["sb-api-key-id"] = sandbox.api_key
        self.session.headers["sb-api-secret-key"] = sandbox.api_secret

    def __call__(self, method, path="", **options):
        return self.session.request(method, f"{self.sandbox.url}{ROOT}{path}", timeout=10, **options)

    def list(self, **query):
        answer = self("GET", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def phones(self, **query):
        return [contact["phone"] for contact in self.list(**query)]


@pytest.fixture
def open_raw():
    """Open sandboxes and raw callers of them; all are closed after the test."""
    opened = []

    def opener(*args, **options):
        raw = Raw(Sandbox(*args, **options))
        opened.append(raw)
        return raw

    yield opener
    for raw in opened:
        raw.session.close()
        raw.sandbox.close()


def numbered(count, **fields):
    """Give that many contacts with phones in order and moments a second apart."""
    return [
        {
            "phone": f"+1212555{number:04}",
            "created_at": f"2025-01-01T{number // 3600:02}:{number // 60 % 60:02}:{number % 60:02}.123456Z",
            **fields,
        }
        for number in range(count)
    ]


@pytest.fixture(name="numbered")
def numbered_fixture():
    return numbered
