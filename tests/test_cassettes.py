"""Recorded HTTP: the client against answers that don't change, with no server anywhere.

`make cassettes` records them again, against the sandbox. By default nothing is recorded, and a request that
no cassette holds fails the test.
"""

import re
import socket
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
import vcr
import yaml
from vcr.errors import CannotOverwriteExistingCassetteException
from vcr.persisters.filesystem import CassetteNotFoundError
from vcr.serialize import deserialize, serialize

from sendblue_data import CONTACT_SCHEMA, MESSAGE_SCHEMA, Sandbox, SendblueClient, pull_contacts
from sendblue_data.errors import ConflictError, InvalidRequestError, NotFoundError
from sendblue_data.sandbox import people, store

FOLDER = Path(__file__).parent.parent / "cassettes"
NOTE = (
    "# Recorded against the sandbox of sendblue_data by `make cassettes`, never against Sendblue:\n"
    "# the people are made up, and so were the keys, which are not kept.\n"
)
HOST = "https://sandbox.invalid"
SCRUBBED = "scrubbed"
CREDENTIALS = ("sb-api-key-id", "sb-api-secret-key")
NEW = [
    {
        "phone": "+12125550101",
        "first_name": "Zoë",
        "tags": ["VIP", "日本"],
        "custom_variables": {"city": "Lyon"},
    },
    {"phone": "+12125550102", "last_name": "Ohm", "company_name": "Acme"},
]
PEOPLE = [
    {
        "contact_id": "a1",
        "phone": "+12125550100",
        "first_name": "Ann 😀",
        "created_at": "2025-01-02T03:04:05.000006Z",
        "opt_out": True,
        "tags": ["VIP"],
    },
    {"contact_id": "b2", "phone": "+12125550103", "created_at": "2025-01-03T03:04:05Z"},
]
MESSAGES = [
    {
        "message_handle": "m1",
        "number": "+12125550100",
        "is_outbound": True,
        "status": "DELIVERED",
        "service": "SMS",
        "content": "Hello 😀",
        "date_sent": "2025-02-01T09:00:00Z",
    },
    {
        "message_handle": "m2",
        "number": "+12125550100",
        "is_outbound": False,
        "status": "RECEIVED",
        "content": " Stop. ",
        "date_sent": "2025-02-01T09:05:00Z",
    },
]


# What each cassette holds: a call of the client, and what has to come of it -----------------------------


def pull(client, account):
    contacts = pull_contacts(client, progress=False)
    assert contacts.schema == CONTACT_SCHEMA
    assert contacts.height == 40
    expected = {row["phone"]: row for row in account}
    assert len(expected) == 40
    for row in contacts.iter_rows(named=True):
        truth = expected[row["phone"]]
        assert row == {**truth, "created_at": datetime.fromisoformat(truth["created_at"]).replace(tzinfo=UTC)}


def reads(client, account):
    assert client.count_contacts() == 2
    page = client.list_contacts(limit=1, offset=1, order_by="created_at", order_direction="asc")
    assert page["phone"].to_list() == ["+12125550103"]
    assert client.list_contacts(phone="+12125550100")["contact_id"].to_list() == ["a1"]
    since = datetime(2025, 1, 3, tzinfo=UTC)
    assert client.list_contacts(created_at_gte=since)["phone"].to_list() == ["+12125550103"]
    one = client.get_contact("+12125550100")
    assert {name: value for name, value in one.items() if value is not None} == {
        "phone": "+12125550100",
        "first_name": "Ann 😀",
        "created_at": datetime(2025, 1, 2, 3, 4, 5, 6, tzinfo=UTC),
        "opt_out": True,
        "tags": ["VIP"],
    }


def single_writes(client, account):
    created = client.create_contact("+12125550101", first_name="Zoë", tags=["new"])
    assert (created["phone"], created["first_name"], created["tags"]) == ("+12125550101", "Zoë", ["new"])
    changed = client.update_contact("+12125550101", company_name="Acme", custom_variables={"city": "Lyon"})
    assert (changed["company_name"], changed["custom_variables"]) == ("Acme", {"city": "Lyon"})
    assert client.opt_out_contact("+12125550101") == {"phone": "+12125550101", "opted_out": True}
    client.verify_contact("+12125550101")
    client.delete_contact("+12125550101")


def bulk_requests(client, account):
    created = client.bulk_create_contacts(NEW)
    assert created["phone"].to_list() == ["+12125550101", "+12125550102"]
    assert created["tags"].to_list() == [["VIP", "日本"], None]
    assert client.bulk_delete_contacts(["+12125550101", "+12125550102", "+12125550109"]) == 2
    assert client.count_contacts() == 2


def errors(client, account):
    with pytest.raises(NotFoundError, match="No contact with the number"):
        client.get_contact("+12125550109")
    with pytest.raises(ConflictError, match="already exists"):
        client.create_contact("+12125550100")
    with pytest.raises(InvalidRequestError, match="limit is '0'"):
        client.list_contacts(limit=0)


def messages(client, account):
    page = client.list_messages(order_by="createdAt", order_direction="asc", limit=10)
    assert page.schema == MESSAGE_SCHEMA
    expected = [("m1", True, None, 7, None), ("m2", False, "stop", 7, None)]
    columns = ("message_handle", "is_outbound", "keyword", "content_length", "content")
    assert page.select(columns).rows() == expected
    inbound = client.list_messages(is_outbound=False, content=True)
    assert inbound.select("phone", "content").rows() == [("+12125550100", " Stop. ")]


CASSETTES = {
    "pull": (pull, list(people.contacts(40, seed=9))),
    "reads": (reads, PEOPLE),
    "single_writes": (single_writes, PEOPLE),
    "bulk_requests": (bulk_requests, PEOPLE),
    "errors": (errors, PEOPLE),
    "messages": (messages, PEOPLE),
}


# Recording and replaying ------------------------------------------------------------------------------


class Noted:
    """Keeps cassettes as files that say where they come from, in an order that does not depend on threads."""

    @staticmethod
    def load_cassette(path, serializer):
        if not Path(path).exists():
            raise CassetteNotFoundError  # which vcr takes for a new one, where it may record
        return deserialize(Path(path).read_text("utf-8"), serializer)

    @staticmethod
    def save_cassette(path, content, serializer):
        pairs = zip(content["requests"], content["responses"], strict=True)
        # Equal requests stay in the order they were made.
        ordered = sorted(pairs, key=lambda pair: (pair[0].method, pair[0].uri))
        requests, responses = zip(*ordered, strict=True)
        text = serialize({"requests": requests, "responses": responses}, serializer)
        path = Path(path)
        path.parent.mkdir(exist_ok=True)
        path.write_text(NOTE + text, "utf-8")


def without_address(request):
    """Let a request go to a host that exists nowhere, in place of a port that is another each time."""
    request.uri = re.sub(r"^http://127\.0\.0\.1:\d+", HOST, request.uri)
    # What these say depends on the packages that are installed.
    for name in ("Accept-Encoding", "Connection"):
        request.headers.pop(name, None)
    return request


@contextmanager
def cassette(path, *, recording):
    recorder = vcr.VCR(
        record_mode=vcr.mode.ALL if recording else vcr.mode.NONE,
        match_on=["method", "scheme", "host", "path", "query", "body"],
        filter_headers=[(name, SCRUBBED) for name in CREDENTIALS],
        before_record_request=without_address,
    )
    recorder.register_persister(Noted)
    with recorder.use_cassette(str(path)) as tape:
        yield tape


@contextmanager
def recorded(path, account):
    """Give a client of a sandbox whose clock stands still, and write down all that passes between them."""
    path.unlink(missing_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "time", SimpleNamespace(time_ns=lambda: 1_767_225_600_000_000_000))
        # Made within the cassette: a client takes the connections that it finds when it is made.
        with (
            Sandbox(account, messages=MESSAGES) as sandbox,
            cassette(path, recording=True),
            sandbox.client() as client,
        ):
            yield client


@contextmanager
def replayed(path):
    """Give a client that is answered from a cassette, where no socket can be opened."""

    def refuse(*_):
        raise AssertionError("a connection to a real server")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", refuse)
        patch.setattr(socket, "getaddrinfo", refuse)
        with cassette(path, recording=False) as tape, SendblueClient("key", "secret", HOST) as client:
            yield client, tape


@pytest.fixture(params=CASSETTES)
def scene(request):
    """Give what happens on a cassette, its account and its path; recorded anew where that is asked for."""
    play, account = CASSETTES[request.param]
    path = FOLDER / f"{request.param}.yaml"
    if request.config.getoption("--record"):
        with recorded(path, account) as client:
            play(client, account)
    return play, account, path


def test_replay(scene):
    play, account, path = scene
    with replayed(path) as (client, tape):
        play(client, account)
        assert tape.play_count == client_requests(path)
        assert tape.all_played


def client_requests(path):
    return len(yaml.safe_load(path.read_text("utf-8"))["interactions"])


def test_recording_again_changes_nothing(scene, tmp_path):
    play, account, path = scene
    again = tmp_path / path.name
    with recorded(again, account) as client:
        play(client, account)
    assert again.read_text("utf-8") == path.read_text("utf-8")


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.count_contacts(),
        lambda client: client.list_contacts(limit=2),
        lambda client: client.get_contact("+12125550100"),
        lambda client: client.create_contact("+12125550100", first_name="Other"),
        lambda client: client.bulk_delete_contacts(["+12125550100"]),
    ],
)
def test_a_request_that_no_cassette_holds_fails(call):
    with replayed(FOLDER / "errors.yaml") as (client, tape):
        with pytest.raises(CannotOverwriteExistingCassetteException):
            call(client)
        assert tape.play_count == 0
    assert client.requests == 1


# What is in the files ---------------------------------------------------------------------------------


def test_every_cassette_is_played_and_says_where_it_comes_from():
    assert {path.name for path in FOLDER.iterdir()} == {f"{name}.yaml" for name in CASSETTES}
    for name in CASSETTES:
        assert (FOLDER / f"{name}.yaml").read_text("utf-8").startswith(NOTE)


@pytest.mark.parametrize("name", CASSETTES)
def test_no_cassette_holds_a_credential_or_an_address(name):
    text = (FOLDER / f"{name}.yaml").read_text("utf-8")
    interactions = yaml.safe_load(text)["interactions"]
    assert interactions
    for interaction in interactions:
        request = interaction["request"]
        assert request["uri"].startswith((f"{HOST}/api/v2/contacts", f"{HOST}/api/v2/messages"))
        headers = request["headers"]
        assert {header for header in headers if is_credential(header)} == set(CREDENTIALS)
        assert all(headers[header] == [SCRUBBED] for header in CREDENTIALS)
        assert not any(is_credential(header) for header in interaction["response"]["headers"])
    assert not re.search(r"sandbox-[0-9a-f]{16}|\b[0-9a-f]{32}\b", text)
    assert not re.search(r"127\.0\.0\.1|localhost|sendblue\.co", text)


def is_credential(header):
    return re.search(r"key|secret|token|auth|cookie|session|password", header, re.IGNORECASE) is not None
