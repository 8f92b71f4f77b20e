"""The ten endpoints, with every parameter that the reference documents, against the sandbox."""

import json
from datetime import UTC, date, datetime, timedelta, timezone
from string import ascii_letters, digits
from urllib.parse import unquote

import polars as pl
import pytest

from sendblue_data import CONTACT_SCHEMA
from sendblue_data.errors import ConfigurationError
from tests.api.servers import answer

ROOT = "/api/v2/contacts"
ANN, BOB, NEW = "+12125550100", "+12125550101", "+12125550102"
PEOPLE = [
    {
        "contact_id": "a1",
        "phone": ANN,
        "first_name": "Ann",
        "last_name": "Ohm",
        "company_name": "Acme",
        "created_at": "2025-01-01T10:00:00.000001Z",
        "custom_variables": {"city": "Lyon"},
        "opt_out": False,
        "verified": True,
        "sendblue_number": "+12125550190",
        "tags": ["VIP", "日本"],
        "assigned_to_email": "owner@example.com",
    },
    {"contact_id": "b2", "phone": BOB, "first_name": "Bob", "created_at": "2025-01-02T10:00:00Z"},
]


@pytest.fixture
def account(open_account):
    return open_account(PEOPLE)


def sent(server):
    """Give the request line and the decoded body of a server's only request."""
    (request,) = server.requests
    head, _, body = request.partition(b"\r\n\r\n")
    return head.split(b"\r\n")[0].decode(), json.loads(body) if body else None


def test_list_contacts(account):
    _, client = account
    page = client.list_contacts(order_by="created_at", order_direction="asc")
    assert page.height == 2
    assert page.schema == CONTACT_SCHEMA
    assert list(page.schema) == list(CONTACT_SCHEMA)
    first, second = page.rows(named=True)
    assert first == {**PEOPLE[0], "created_at": datetime(2025, 1, 1, 10, 0, 0, 1, tzinfo=UTC)}
    known = {"contact_id", "phone", "first_name", "created_at"}
    assert {name for name, value in second.items() if value is not None} == known


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"limit": 1, "order_by": "created_at", "order_direction": "asc"}, [ANN]),
        ({"limit": 1, "order_by": "created_at", "order_direction": "desc"}, [BOB]),
        ({"offset": 1, "order_by": "created_at", "order_direction": "asc"}, [BOB]),
        ({"offset": 0, "order_by": "first_name", "order_direction": "desc"}, [BOB, ANN]),
        ({"created_at_gte": "2025-01-02T10:00:00Z"}, [BOB]),
        ({"created_at_gte": datetime(2025, 1, 2, 10, 0, 0, 1, tzinfo=UTC)}, []),
        ({"created_at_gte": datetime(2025, 1, 2, 10, tzinfo=UTC)}, [BOB]),
        ({"created_at_gte": datetime(2025, 1, 2, 12, tzinfo=timezone(timedelta(hours=2)))}, [BOB]),
        ({"created_at_gte": datetime(2025, 1, 2, 10)}, [BOB]),
        ({"created_at_gte": date(2025, 1, 2)}, [BOB]),
        ({"created_at_gte": datetime(1, 1, 1, tzinfo=UTC), "order_by": "phone"}, [ANN, BOB]),
        ({"phone": BOB}, [BOB]),
        ({"contact_id": "a1"}, [ANN]),
    ],
)
def test_list_parameters(account, asked, found):
    sandbox, client = account
    assert client.list_contacts(**asked)["phone"].to_list() == found
    (request,) = sandbox.request_log
    assert request == ("GET", ROOT, 200)
    on_the_wire = {"phone": "phone_number", "contact_id": "cid"}
    assert set(request.query) == {on_the_wire.get(name, name) for name in asked}


def test_a_cursor_that_is_no_moment_is_refused(account):
    sandbox, client = account
    with pytest.raises(ConfigurationError, match="created_at_gte is 'soon': expected a moment"):
        client.list_contacts(created_at_gte="soon")
    assert sandbox.request_log == []


def test_an_empty_list_is_an_empty_contacts_frame(open_account):
    _, client = open_account()
    assert client.list_contacts().schema == CONTACT_SCHEMA
    assert client.list_contacts().height == 0


def test_count_contacts(account):
    sandbox, client = account
    assert client.count_contacts() == 2
    assert sandbox.request_log == [("GET", f"{ROOT}/count", 200)]


def test_get_contact(account):
    sandbox, client = account
    contact = client.get_contact(ANN)
    expected = {**PEOPLE[0], "contact_id": None, "created_at": datetime(2025, 1, 1, 10, 0, 0, 1, tzinfo=UTC)}
    assert contact == expected
    assert list(contact) == list(CONTACT_SCHEMA)
    assert sandbox.request_log == [("GET", f"{ROOT}/{ANN}", 200)]


def test_create_contact(account):
    sandbox, client = account
    fields = {
        "first_name": "Zoë",
        "last_name": "de l'Île",
        "assigned_to_email": "me@example.com",
        "sendblue_number": "+12125550191",
        "tags": ["new"],
        "custom_variables": {"plan": "pro"},
    }
    contact = client.create_contact(NEW, **fields)
    assert {name: contact[name] for name in fields} == fields
    stored = sandbox.rows()[-1]
    assert (stored["phone"], sandbox.count()) == (NEW, 3)
    assert {name: stored[name] for name in fields} == fields
    assert sandbox.request_log == [("POST", ROOT, 200)]


def test_create_contact_may_update(account):
    sandbox, client = account
    contact = client.create_contact(
        ANN, last_name="Volt", custom_variables={"plan": "pro"}, update_if_exists=True
    )
    assert (contact["first_name"], contact["last_name"]) == ("Ann", "Volt")
    assert contact["custom_variables"] == {"city": "Lyon", "plan": "pro"}
    assert sandbox.count() == 2


def test_update_contact(account):
    sandbox, client = account
    fields = {
        "first_name": "Robert",
        "last_name": "Hertz",
        "company_name": "Bolt & Co",
        "assigned_to_email": "me@example.com",
        "sendblue_number": "+12125550191",
        "tags": [],
        "custom_variables": {"plan": "pro"},
        "opt_out": True,
    }
    contact = client.update_contact(BOB, **fields)
    assert {name: contact[name] for name in fields} == fields
    assert {name: sandbox.rows()[1][name] for name in fields} == fields
    assert sandbox.request_log == [("PUT", f"{ROOT}/{BOB}", 200)]


def test_fields_that_are_none_are_not_sent(serve):
    server, client = serve(answer(b'{"contact": {"phone": "+12125550100"}, "status": "OK"}'))
    client.update_contact(ANN, tags=[], opt_out=False)
    assert sent(server) == (f"PUT {ROOT}/%2B12125550100 HTTP/1.1", {"tags": [], "opt_out": False})


def test_delete_contact(account):
    sandbox, client = account
    assert client.delete_contact(ANN) is None
    assert [row["phone"] for row in sandbox.rows()] == [BOB]
    assert sandbox.request_log == [("DELETE", f"{ROOT}/{ANN}", 200)]


def test_opt_out_contact(account):
    sandbox, client = account
    assert client.opt_out_contact(BOB) == {"phone": BOB, "opted_out": True}
    assert sandbox.rows()[1]["opt_out"] is True
    assert client.opt_out_contact(BOB, opted_out=False) == {"phone": BOB, "opted_out": False}
    assert sandbox.rows()[1]["opt_out"] is False
    assert sandbox.request_log == [("POST", f"{ROOT}/opt-out", 200)] * 2


def test_verify_contact(account):
    sandbox, client = account
    assert client.verify_contact(BOB) is None
    assert sandbox.verifications == [BOB]
    assert sandbox.request_log == [("POST", f"{ROOT}/verify", 200)]


def test_bulk_create_contacts(account):
    sandbox, client = account
    row = {
        "phone": NEW,
        "first_name": "Zoë",
        "last_name": "Île",
        "company_name": "Acme",
        "tags": ["new"],
        "custom_variables": {"plan": "pro"},
    }
    created = client.bulk_create_contacts([row, {"phone": BOB}])
    assert created.schema == CONTACT_SCHEMA
    assert created["phone"].to_list() == [NEW, BOB]
    stored = sandbox.rows()[-1]
    assert {name: stored[name] for name in row} == row
    assert sandbox.request_log == [("POST", f"{ROOT}/bulk", 200)]


def test_bulk_delete_contacts(account):
    sandbox, client = account
    assert client.bulk_delete_contacts([ANN, NEW]) == 1
    assert [row["phone"] for row in sandbox.rows()] == [BOB]
    assert sandbox.request_log == [("DELETE", ROOT, 200)]


def test_bulk_delete_sends_numbers_in_the_body(serve):
    server, client = serve(answer(b'{"amount": 2, "status": "OK"}'))
    assert client.bulk_delete_contacts(iter([ANN, BOB])) == 2
    assert sent(server) == (f"DELETE {ROOT} HTTP/1.1", {"contact_ids": [ANN, BOB]})


@pytest.mark.parametrize("given", ["+1/2", "a?b=c", "50%25", "#x", "+1 (212) 555", "日本", "a;b&c"])
def test_a_number_stays_one_part_of_the_path(serve, given):
    server, client = serve(answer(b'{"status": "OK"}'))
    client.delete_contact(given)
    line, body = sent(server)
    prefix, _, rest = line.partition(f"{ROOT}/")
    part, _, version = rest.partition(" ")
    assert (prefix, version) == ("DELETE ", "HTTP/1.1")
    assert set(part) <= set("-._~%" + ascii_letters + digits)
    assert unquote(part) == given
    assert body is None


def test_a_number_in_a_query_is_encoded(serve):
    server, client = serve(answer(b"[]"))
    client.list_contacts(phone=ANN)
    assert sent(server)[0] == f"GET {ROOT}?phone_number=%2B12125550100 HTTP/1.1"


@pytest.mark.parametrize("call", ["get_contact", "update_contact", "delete_contact"])
@pytest.mark.parametrize("number", ["", ".", ".."])
def test_a_number_that_would_reach_the_whole_account_is_refused(account, call, number):
    sandbox, client = account
    with pytest.raises(ConfigurationError, match="expected a number in E.164 form"):
        getattr(client, call)(number)
    assert (sandbox.request_log, sandbox.count()) == ([], 2)


def test_requests_are_counted(account):
    _, client = account
    client.count_contacts()
    client.verify_contact(ANN)
    assert client.requests == 2


def test_frames_go_on_to_polars(account):
    _, client = account
    assert client.list_contacts().filter(pl.col("tags").list.contains("日本"))["phone"].to_list() == [ANN]
