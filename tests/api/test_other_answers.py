"""Answers that are not the API's JSON: empty ones, a CDN's pages, announcements; and who is asked after a fork."""

import multiprocessing
import os

import pytest

from sendblue_data import SendblueClient
from sendblue_data._api.transport import account_label
from sendblue_data.errors import (
    ApiError,
    AuthenticationError,
    BlockedError,
    RateLimitedError,
    ServerFaultError,
    UnexpectedAnswerError,
)
from sendblue_data.writeback.sending import send
from tests.api.conftest import KEY, SECRET
from tests.api.servers import answer
from tests.api.test_retries import PHONE, READS, WRITES

RAY = "8f2b4c6d7e8f9a0b-FRA"
PAGE = (
    b"<!DOCTYPE html><html><head><title>Attention Required! | Cloudflare</title></head><body>no</body></html>"
)


@pytest.mark.parametrize("said", [answer(status="204 No Content"), answer(), answer(b"\n")])
@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_a_write_that_is_answered_without_a_word_is_done(serve, write, said):
    server, client = serve(said)
    write(client)
    assert len(server.requests) == 1


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_a_read_that_is_answered_without_a_word_is_not(serve, read):
    _, client = serve(answer(), retries=0)
    with pytest.raises(UnexpectedAnswerError):
        read(client)


@pytest.mark.parametrize(
    ("base_url", "other"),
    [
        ("https://api.sendblue.co", "base_url=https://api.sendblue.com,"),
        ("https://api.sendblue.com", "base_url=https://api.sendblue.co,"),
        (None, "https://api.sendblue.co or https://api.sendblue.com,"),
    ],
)
def test_keys_that_did_not_get_there_are_told_from_wrong_ones(serve, base_url, other):
    said = answer(b'{"message": "Did not get inputs for authorization"}', status="403 Forbidden")
    _, client = serve(said)
    client._transport._base_url = base_url or client.base_url
    with pytest.raises(AuthenticationError) as caught:
        client.count_contacts()
    assert "sb-api-key-id and sb-api-secret-key were sent" in caught.value.remedy
    assert other in caught.value.remedy
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "kind", "may_have_applied"),
    [
        ("403 Forbidden", BlockedError, False),
        ("404 Not Found", BlockedError, False),
        ("429 Too Many Requests", RateLimitedError, False),
        ("503 Service Unavailable", ServerFaultError, True),
        *((f"{status} Odd", ServerFaultError, True) for status in range(520, 527)),
    ],
)
@pytest.mark.parametrize(
    ("headers", "body", "ray"),
    [
        ([f"CF-RAY: {RAY}", "Server: cloudflare"], PAGE, RAY),
        (
            ["Server: cloudflare"],
            PAGE.replace(b"no<", b"Cloudflare Ray ID: <strong>8f2b4c6d7e8f9a0b<"),
            RAY[:16],
        ),
        ([f"CF-RAY: {RAY}"], b"error code: 1015", RAY),
        ([], PAGE, "no ray id"),
    ],
)
def test_a_page_of_the_cdn_is_named_as_that(serve, status, kind, may_have_applied, headers, body, ray):
    _, client = serve(answer(body, status=status, headers=headers))
    with pytest.raises(ApiError) as caught:
        client.delete_contact(PHONE)
    assert type(caught.value) is kind
    assert caught.value.may_have_applied is may_have_applied
    assert "CDN" in caught.value.message
    assert ray in caught.value.message
    assert "<" not in str(caught.value)
    assert "SENDBLUE_API" not in str(caught.value)


def test_the_apis_own_answer_by_a_cdn_is_the_apis(serve):
    said = answer(
        b'{"status": "ERROR", "message": "Invalid Credentials"}',
        status="403 Forbidden",
        headers=[f"CF-RAY: {RAY}", "Server: cloudflare"],
    )
    _, client = serve(said)
    with pytest.raises(AuthenticationError, match="Invalid Credentials"):
        client.count_contacts()


def test_a_firewall_that_stops_one_write_does_not_end_a_run(serve):
    _, client = serve(answer(PAGE, status="403 Forbidden"))
    assert send(lambda: client.delete_contact(PHONE), client._pace).end == "failed"


@pytest.mark.parametrize("status", ["103 Early Hints", "199 Odd", "302 Found"])
@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_a_write_that_was_not_answered_may_have_happened(serve, write, status):
    _, client = serve(f"HTTP/1.1 {status}\r\n\r\n".encode())
    with pytest.raises(UnexpectedAnswerError) as caught:
        write(client)
    assert caught.value.may_have_applied is True


def test_the_answer_after_an_announcement_is_nobody_elses(serve):
    both = b"HTTP/1.1 103 Early Hints\r\n\r\n" + answer(b'{"count": 666}').replace(
        b"Connection: close\r\n", b""
    )
    server, client = serve(both, answer(b'{"count": 7}'))
    assert client.count_contacts() == 7
    assert len(server.requests) == 2


@pytest.mark.parametrize("end", ["", "/", "/api/v2", "/api/v2/", "/api/v2/contacts", "//api/v2//contacts//"])
def test_the_apis_own_path_at_the_end_of_base_url_is_dropped(end):
    client = SendblueClient(KEY, SECRET, f"https://api.sendblue.co{end}")
    assert client.base_url == "https://api.sendblue.co"
    assert SendblueClient(KEY, SECRET, f"https://example.com/x{end}").base_url == "https://example.com/x"


@pytest.mark.parametrize(
    "urls",
    [
        ("https://api.sendblue.co", "https://API.SendBlue.com.:443/", "https://api.sendblue.com"),
        ("http://127.0.0.1:80", "http://localhost", "http://[::1]"),
        ("http://127.0.0.1:8000", "http://LOCALHOST:8000", "http://[::1]:8000/x"),
    ],
)
def test_one_service_has_one_label(urls):
    assert len({account_label(url, KEY) for url in urls}) == 1


def test_other_services_have_other_labels():
    urls = ["https://api.sendblue.co", "https://example.com", "http://localhost:1", "http://localhost:2"]
    assert len({account_label(url, KEY) for url in urls}) == 4
    assert account_label(urls[2], KEY) != account_label(urls[2], SECRET)


def asked_for(client, number):
    """Give whether the answer is the contact's that was asked for."""
    phone = f"+121255501{number:02d}"
    return client.get_contact(phone)["phone"] == phone


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system forks no process")
def test_a_client_taken_across_fork_opens_connections_of_its_own(open_account):
    _, client = open_account([{"phone": f"+121255501{number:02d}"} for number in range(40)])
    twin = client.stoppable()
    assert client.list_contacts().height == 40  # by Polars, whose threads no child has
    assert asked_for(client, 0)
    assert asked_for(twin, 0)
    fork = multiprocessing.get_context("fork")
    results = fork.SimpleQueue()

    def ask(numbers):
        results.put([asked_for(one, number) for number in numbers for one in (client, twin)])

    children = [fork.Process(target=ask, args=(range(start, 40, 4),)) for start in range(1, 4)]
    with client._pace._changed, client._transport._counting:  # as by a thread that a child has not
        for child in children:
            child.start()
    assert all(asked_for(one, number) for number in range(40) for one in (client, twin))
    for child in children:
        child.join(30)
        assert child.exitcode == 0
        assert results.get() == [True] * 20
