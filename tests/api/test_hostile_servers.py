"""Answers that no honest API gives, and those that a proxy or a captive portal gives in its name."""

import gzip
import threading
import time
import zlib

import pytest

from sendblue_data import CONTACT_SCHEMA
from sendblue_data._api import transport
from sendblue_data.errors import ConnectionFailedError, RepairedFieldWarning, UnexpectedAnswerError
from tests.api.conftest import KEY, SECRET
from tests.api.servers import Server, answer

ROOT = "/api/v2/contacts"
PHONE = "+12125550100"


@pytest.mark.parametrize(
    "status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"]
)
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_a_redirect_is_not_followed(serve, status, method):
    with Server(answer(b'{"count": 1, "status": "OK"}')) as other:
        server, client = serve(answer(status=status, headers=[f"Location: {other.url}{ROOT}"]))
        with pytest.raises(
            UnexpectedAnswerError, match="redirects to 127.0.0.1; keys are not sent along"
        ) as caught:
            client.count_contacts() if method == "GET" else client.delete_contact(PHONE)
        assert (len(server.requests), other.requests) == (1, [])
    assert caught.value.status == int(status[:3])
    assert caught.value.may_have_applied is (method != "GET")
    assert "base_url" in caught.value.remedy


@pytest.mark.parametrize(
    ("location", "named"),
    [
        ("/elsewhere", "another path"),
        ("http://[bad", "an address that can't be read"),
        ("https://me:hidden@portal.example.com/x", "portal.example.com;"),
        ("ftp://portal.example.com/", "portal.example.com"),
    ],
)
def test_a_redirect_to_any_address_is_our_error(serve, location, named):
    server, client = serve(answer(status="302 Found", headers=[f"Location: {location}"]))
    with pytest.raises(UnexpectedAnswerError, match="redirects to") as caught:
        client.count_contacts()
    assert named in str(caught.value)
    assert "hidden" not in str(caught.value)
    assert len(server.requests) == 1


def test_a_redirect_with_an_endless_body_ends(serve, monkeypatch):
    monkeypatch.setattr(transport, "LARGEST_BODY", 1 << 20)

    def endless(connection):
        connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n")
        while True:
            connection.sendall(b"x" * 65_536)

    _, client = serve(endless)
    with pytest.raises(UnexpectedAnswerError, match="larger than"):
        client.count_contacts()


def dripping(start, each):
    def drip(connection):
        connection.sendall(start)
        while True:
            connection.sendall(each)
            time.sleep(0.02)

    return drip


@pytest.mark.parametrize(
    "slow",
    [
        dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n[", b" "),
        dripping(b"HTTP/1.1 200 OK\r\n\r\n[", b" "),
        dripping(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
        dripping(b"HTTP/1.1 200 OK\r\nX-Slow: ", b"x"),
        dripping(b"HTTP/1.1 200 OK\r\n", b"X-Slow: x\r\n"),
        dripping(b"", b"H"),
        dripping(b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 1000000\r\n\r\n", b" "),
        lambda _: threading.Event().wait(20),
    ],
    ids=["body", "no length", "chunks", "one header", "headers", "status line", "redirect", "silence"],
)
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_a_server_that_drips_ends_within_the_timeout(serve, slow, method):
    """Each byte comes well before the time limit of one read; together they never end."""
    _, client = serve(slow, timeout=0.2, retries=0)
    outcome = []

    def call():
        try:
            client.count_contacts() if method == "GET" else client.delete_contact(PHONE)
        except ConnectionFailedError as error:
            outcome.append(error)

    caller = threading.Thread(target=call, daemon=True)
    caller.start()
    caller.join(15)  # for ever, as it was; a busy machine gets its time
    assert not caller.is_alive()
    assert len(outcome) == 1
    assert "in time" in outcome[0].message
    assert outcome[0].may_have_applied is (method != "GET")


def test_a_connection_is_good_for_the_next_request_after_a_slow_answer(serve):
    """The time that one answer had left does not become the limit of the next."""

    def two(connection):
        time.sleep(0.2)
        connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n{"count": 1}')
        connection.recv(65_536)
        time.sleep(0.3)
        connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n{"count": 2}')

    server, client = serve(two, timeout=30, retries=0)
    assert [client.count_contacts(), client.count_contacts()] == [1, 2]
    assert len(server.requests) == 1  # one connection for both


def bomb(megabytes):
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    packed = b"".join(packer.compress(b" " * (1 << 20)) for _ in range(megabytes))
    return packed + packer.flush()


def test_a_gzip_bomb_is_refused(serve):
    packed = bomb(70)
    assert len(packed) < 80_000
    server, client = serve(answer(packed, headers=["Content-Encoding: gzip"]))
    with pytest.raises(UnexpectedAnswerError, match="larger than 67,108,864 bytes") as caught:
        client.list_contacts()
    assert len(server.requests) == 1
    assert caught.value.cut_short is False


def test_a_page_of_over_64_megabytes_is_refused(serve):
    def large(connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n[")
        for _ in range(66):
            connection.sendall(b" " * (1 << 20))
        connection.sendall(b"]")

    server, client = serve(large)
    with pytest.raises(UnexpectedAnswerError, match="larger than 67,108,864 bytes"):
        client.list_contacts()
    assert len(server.requests) == 1


def test_a_packed_page_is_unpacked(serve):
    packed = gzip.compress(b'[{"phone": "+12125550100"}]')
    _, client = serve(answer(packed, headers=["Content-Encoding: gzip"]))
    assert client.list_contacts()["phone"].to_list() == [PHONE]


def test_a_page_that_is_not_packed_as_it_says(serve):
    _, client = serve(answer(b"[]", headers=["Content-Encoding: gzip"]), retries=0)
    with pytest.raises(ConnectionFailedError, match="decompressing"):
        client.list_contacts()


READS = {
    "list_contacts": lambda client: client.list_contacts(),
    "count_contacts": lambda client: client.count_contacts(),
    "get_contact": lambda client: client.get_contact(PHONE),
}
WRITES = {
    "create_contact": lambda client: client.create_contact(PHONE),
    "update_contact": lambda client: client.update_contact(PHONE),
    "delete_contact": lambda client: client.delete_contact(PHONE),
    "opt_out_contact": lambda client: client.opt_out_contact(PHONE),
    "verify_contact": lambda client: client.verify_contact(PHONE),
    "bulk_create_contacts": lambda client: client.bulk_create_contacts([{"phone": PHONE}]),
    "bulk_delete_contacts": lambda client: client.bulk_delete_contacts([PHONE]),
}
CALLS = {**READS, **WRITES}


@pytest.mark.parametrize(
    "body",
    [
        b"<!DOCTYPE html><html><body>Sign in to the hotel's network</body></html>",
        b'{"status": "ERROR", "message": "Something went wrong"}',
        b'{"status": "error"}',
        b'{"error": "Something went wrong"}',
        b'{"error_message": "Something went wrong", "status": "OK"}',
        b'{"error": {"code": 500, "message": "Something went wrong"}}',
        b'{"errors": [{"message": "Something went wrong"}]}',
        b'"OK"',
        b"OK",
        b"\xff\xfe",
        b"[" * 100_000,
        b"[1]",
    ],
    ids=lambda body: body[:20],
)
@pytest.mark.parametrize("name", CALLS)
def test_a_good_status_does_not_make_a_good_answer(serve, name, body):
    server, client = serve(answer(body))
    with pytest.raises(UnexpectedAnswerError) as caught:
        CALLS[name](client)
    assert caught.value.status == 200
    assert caught.value.may_have_applied is (name in WRITES)
    assert len(server.requests) == 1 or (name in READS and caught.value.cut_short)


@pytest.mark.parametrize(
    ("name", "body", "field"),
    [
        ("count_contacts", b"{}", "count"),
        ("count_contacts", b'{"count": "5"}', "count"),
        ("count_contacts", b'{"count": -1}', "count"),
        ("count_contacts", b'{"count": 1.5}', "count"),
        ("count_contacts", b'{"count": true}', "count"),
        ("get_contact", b'{"status": "OK"}', "contact"),
        ("get_contact", b'{"contact": null, "status": "OK"}', "contact"),
        ("get_contact", b'{"contact": []}', "contact"),
    ],
)
def test_a_field_of_another_type_is_named(serve, name, body, field):
    _, client = serve(answer(body))
    with pytest.raises(UnexpectedAnswerError) as caught:
        CALLS[name](client)
    assert caught.value.field == field
    assert caught.value.may_have_applied is (name in WRITES)


@pytest.mark.parametrize("body", [b"", b"\r\n"])
@pytest.mark.parametrize("name", READS)
def test_an_empty_answer_to_a_read_is_one_cut_short(serve, name, body):
    server, client = serve(answer(body), retries=1)
    with pytest.raises(UnexpectedAnswerError, match="the answer is empty") as caught:
        READS[name](client)
    assert caught.value.cut_short
    assert len(server.requests) == 2


NO_CONTACT = dict.fromkeys(CONTACT_SCHEMA)
NOTHING_SAID = {
    "create_contact": NO_CONTACT,
    "update_contact": NO_CONTACT,
    "delete_contact": None,
    "opt_out_contact": {"phone": None, "opted_out": None},
    "verify_contact": None,
    "bulk_create_contacts": [],
    "bulk_delete_contacts": None,
}


def said(name, client):
    """Make a call, its frame as rows. Warnings are errors in these tests: a write that is done gives none."""
    result = CALLS[name](client)
    return result.to_dicts() if name == "bulk_create_contacts" else result


@pytest.mark.parametrize(
    ("status", "body"),
    [
        ("204 No Content", b""),
        ("200 OK", b""),
        ("200 OK", b" \n"),
        ("201 Created", b"null"),
        ("200 OK", b"{}"),
        ("200 OK", b'{"status": "OK"}'),
        ("200 OK", b'{"contact": null, "contacts": null, "amount": null, "number": null, "opted_out": null}'),
        ("200 OK", b'{"contact": "x", "contacts": {}, "amount": "1", "number": 5, "opted_out": "maybe"}'),
        ("200 OK", b'{"contact": [1], "contacts": [5], "amount": true, "number": [], "opted_out": {}}'),
        ("200 OK", b'{"contact": {"mood": 1}, "contacts": [{"mood": 1}], "amount": 1.5, "error": null}'),
    ],
)
@pytest.mark.parametrize("name", WRITES)
def test_a_write_that_was_answered_well_is_done_whatever_its_answer_lacks(serve, name, status, body):
    server, client = serve(answer(body, status=status))
    assert said(name, client) == NOTHING_SAID[name]
    assert len(server.requests) == 1


CAMEL = b'{"phone": "+12125550100", "firstName": "Ann", "first_name": "Ann", "optOut": "true", "tags": "VIP", "new": 1, "customVariables": {"n": 1.50}}'
AS_READ = {
    **NO_CONTACT,
    "phone": PHONE,
    "first_name": "Ann",
    "opt_out": True,
    "custom_variables": {"n": "1.50"},
}


@pytest.mark.parametrize(
    ("name", "body", "read"),
    [
        ("create_contact", b'{"contact": ' + CAMEL + b"}", AS_READ),
        ("update_contact", b'{"contact": ' + CAMEL + b"}", AS_READ),
        ("bulk_create_contacts", b'{"contacts": [' + CAMEL + b", {}]}", [AS_READ, NO_CONTACT]),
        (
            "opt_out_contact",
            b'{"number": "+12125550100", "optedOut": 1}',
            {"phone": PHONE, "opted_out": True},
        ),
        (
            "opt_out_contact",
            b'{"opted_out": null, "optedOut": false, "number": ' + b"[" * 900 + b"]" * 900 + b"}",
            {"phone": None, "opted_out": False},
        ),
    ],
)
def test_answers_to_writes_are_read_in_any_spelling_and_without_a_warning(serve, name, body, read):
    _, client = serve(answer(body))
    assert said(name, client) == read


def test_what_can_not_be_read_is_told_once_a_client_and_refused_where_that_is_asked_for(serve):
    page = b'[{"phone": "+12125550100"}, {"phone": 5, "tags": "VIP"}, {"tags": 5}]'
    _, client = serve(answer(page))
    with pytest.warns(RepairedFieldWarning) as caught:
        assert client.list_contacts()["phone"].to_list() == [PHONE, None, None]
    assert [str(told.message) for told in caught] == [
        "The API sent fields that can't be read, and are null in the frame: phone (not text), tags (not a list)."
    ]
    assert client.list_contacts().height == 3  # warnings are errors in these tests
    with pytest.raises(UnexpectedAnswerError, match="row 1, field phone: expected text") as refused:
        client.list_contacts(strict=True)
    assert (refused.value.field, refused.value.row) == ("phone", 1)


def test_one_contact_is_read_as_a_list_is(serve):
    _, client = serve(answer(b'{"contact": ' + CAMEL + b"}"))
    with pytest.warns(RepairedFieldWarning, match=r"tags \(not a list\)") as caught:
        assert client.get_contact(PHONE) == AS_READ
    assert len(caught) == 1


def test_a_whole_number_may_be_written_with_a_point(serve):
    _, client = serve(answer(b'{"count": 3.0}'), answer(b'{"amount": 2.0}'))
    assert (client.count_contacts(), client.bulk_delete_contacts([PHONE])) == (3, 2)


def test_half_a_character_in_one_contact_is_mended_as_in_a_list(serve):
    half = rb'{"contact": {"phone": "+12125550100", "first_name": "\ud83d!"}, "status": "OK"}'
    _, client = serve(answer(half), answer(rb'[{"first_name": "\ud83d!"}]'))
    assert client.get_contact(PHONE)["first_name"] == "\ufffd!"
    assert client.list_contacts()["first_name"].to_list() == ["\ufffd!"]


@pytest.mark.parametrize("length", [True, False])
def test_an_http_1_0_server(serve, length):
    body = b'{"count": 4}'
    start = b"HTTP/1.0 200 OK\r\n" + (b"Content-Length: 12\r\n" if length else b"") + b"\r\n"
    server, client = serve(start + body)
    assert [client.count_contacts() for _ in range(3)] == [4, 4, 4]
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    "noise", [b"SSH-2.0-OpenSSH_9.6\r\n", b"\x00" * 100, b"HTTP/1.1 abc OK\r\n\r\n", b""]
)
def test_a_server_of_another_kind(serve, noise):
    _, client = serve(noise, retries=0)
    with pytest.raises(ConnectionFailedError) as caught:
        client.bulk_delete_contacts([PHONE])
    assert caught.value.may_have_applied is True


def test_a_cookie_does_not_change_who_we_are(serve):
    server, client = serve(answer(b'{"count": 1}', headers=["Set-Cookie: session=other; Path=/"]))
    assert [client.count_contacts() for _ in range(2)] == [1, 1]
    assert len(server.requests) == 2
    for request in server.requests:
        assert request.count(KEY.encode()) == request.count(SECRET.encode()) == 1
