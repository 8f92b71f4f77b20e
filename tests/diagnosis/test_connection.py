"""Hosts and keys: what keeps a user from an account, and where the keys go."""

import itertools
import socket
import threading
from contextlib import suppress

import pytest

from sendblue_data import Sandbox, SendblueClient, doctor
from sendblue_data.diagnosis import connection
from sendblue_data.errors import ConfigurationError
from tests.api.servers import Server, answer
from tests.diagnosis.conftest import KEY, SECRET, named
from tests.diagnosis.model import Account, error, people

NO_INPUTS = answer(b'{"message": "Did not get inputs for authorization"}', status="403 Forbidden")
CDN = answer(
    b"<!DOCTYPE html><title>Attention Required! | Cloudflare</title>",
    status="403 Forbidden",
    headers=["CF-RAY: 1-LAX"],
)


@pytest.mark.parametrize("thing", [None, "https://api.sendblue.co", 5, SendblueClient])
def test_what_is_no_client_is_refused(thing):
    with pytest.raises(ConfigurationError, match="doctor takes a SendblueClient, got"):
        doctor(thing)


@pytest.mark.parametrize(
    ("reply", "outcome", "said", "remedy"),
    [
        (
            answer(b'{"status":"ERROR","message":"Invalid Credentials"}', status="401 Unauthorized"),
            "refused",
            "status 401 with 'Invalid Credentials'",
            "SENDBLUE_API_API_SECRET",
        ),
        (NO_INPUTS, "refused", "status 403 with 'Did not get inputs for authorization'", "sb-api-secret-key"),
        (
            answer(b"", status="401 Unauthorized"),
            "refused",
            "status 401 with an empty body",
            "copy both again",
        ),
        (CDN, "unreachable", "status 403 with a web page of Cloudflare", "in front of the service"),
        (answer(b"<html>Sign in</html>"), "unreachable", "status 200 with a web page", "no proxy answers"),
        (
            answer(b"", status="302 Found", headers=["Location: https://x.example"]),
            "unreachable",
            "302",
            "base_url",
        ),
        (
            answer(b'{"message": "Not Found"}', status="404 Not Found"),
            "unreachable",
            "404 with 'Not Found'",
            "path",
        ),
        (answer(b"oops", status="500 Oops"), "unreachable", "status 500 with no JSON", "some minutes"),
        (
            answer(b"<html>", status="522 Gone"),
            "unreachable",
            "status 522 with a web page",
            "another network",
        ),
        (answer(b""), "unreachable", "status 200 with an empty body", "base_url"),
        (answer(b'{"status": "ERROR"}'), "unreachable", "status 200 with an object", "base_url"),
        (answer(b"[" * 100_000), "unreachable", "status 200 with no JSON", "base_url"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n[", "unreachable", "cut short", "network"),
        (b"nothing like HTTP\r\n\r\n", "unreachable", "connection failed", "network"),
    ],
)
def test_what_keeps_a_user_out_is_told_and_never_raised(reply, outcome, said, remedy):
    with Server(reply) as server, SendblueClient(KEY, SECRET, server.url) as client:
        found = doctor(client)
    assert found.outcome == outcome
    assert found.verdict.startswith("Can't connect: this machine ")
    assert said in found.verdict
    blamed = named(found, "keys" if outcome == "refused" else "host")
    assert blamed.verdict == "problem"
    assert remedy in blamed.remedy
    assert len(found.findings) == 20
    assert named(found, "columns").verdict == named(found, "count").verdict == "unseen"
    assert len(server.requests) <= 5


def test_a_port_that_nobody_listens_at_is_told():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with SendblueClient(KEY, SECRET, f"http://127.0.0.1:{taken.getsockname()[1]}") as client:
            found = doctor(client)
    assert found.outcome == "unreachable"
    assert "ConnectionRefusedError" in named(found, "host").found


def test_a_count_alone_that_fails_does_not_hide_the_list(examine):
    found = examine(
        people(20), answer=lambda path, _query: error(404, "x") if path.endswith("count") else None
    )
    assert named(found, "keys").verdict == named(found, "order").verdict == "ok"
    assert named(found, "count").verdict == "problem"
    assert found.outcome == "care"


@pytest.fixture
def vendor(monkeypatch):
    """Stand two servers in the places of the vendor's hosts; gives a function that examines the first."""

    def examine(own, other):
        monkeypatch.setattr(connection, "VENDOR_HOSTS", (own, other))
        with SendblueClient(KEY, SECRET, own) as client:
            return doctor(client)

    return examine


def test_both_hosts_of_the_vendor_are_asked(vendor):
    with Account(people(20)) as own, Account(people(20)) as other:
        found = vendor(own.url, other.url)
    assert (named(found, "other_host").found, named(found, "other_host").verdict) == (
        "takes the keys too",
        "ok",
    )
    assert len(other.asked) == 1
    assert other.asked[0][3]["sb-api-secret-key"] == SECRET
    assert found.ready
    assert found.requests == len(own.asked) + 1 <= 20


def test_where_the_other_host_alone_takes_the_keys_it_is_named_and_looked_at(vendor):
    with Server(NO_INPUTS) as own, Account(people(20)) as other:
        found = vendor(own.url, other.url)
    assert found.outcome == "refused"
    assert f"set SENDBLUE_API_BASE_URL={other.url}" in found.verdict
    assert named(found, "keys").verdict == "problem"
    assert f"SENDBLUE_API_BASE_URL={other.url}" in named(found, "keys").remedy
    assert named(found, "order").verdict == "ok"
    assert found.requests == len(other.asked) + len(own.requests) <= 20


def test_an_other_host_that_refuses_is_a_note(vendor):
    with Account(people(20)) as own, Server(CDN) as other:
        found = vendor(own.url, other.url)
    assert (named(found, "other_host").verdict, found.ready) == ("note", True)


def test_keys_of_any_other_client_go_to_its_host_alone(monkeypatch):
    connected = []
    real = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda *args, **more: connected.append(args[0]) or real(*args, **more)
    )
    with Sandbox(20) as sandbox, sandbox.client() as client:
        found = doctor(client)
    assert set(connected) == {"127.0.0.1"}
    assert named(found, "other_host").verdict == "unseen"


@pytest.mark.parametrize("base_url", ["https://api.sendblue.co", "https://API.sendblue.com:443/"])
def test_of_the_vendors_hosts_no_third_is_spoken_to(monkeypatch, base_url):
    """A proxy that opens no way sees every host that a connection is asked for."""
    asked = []
    proxy = socket.create_server(("127.0.0.1", 0))

    def refuse():
        with suppress(OSError):
            while True:
                taken, _ = proxy.accept()
                asked.append(taken.recv(4096).split(b"\r\n")[0])
                taken.sendall(b"HTTP/1.1 502 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                taken.close()

    threading.Thread(target=refuse, daemon=True).start()
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.getsockname()[1]}")
    with SendblueClient(KEY, SECRET, base_url) as client:
        found = doctor(client)
    proxy.shutdown(socket.SHUT_RDWR)
    proxy.close()
    assert {line.split()[1] for line in asked} == {b"api.sendblue.co:443", b"api.sendblue.com:443"}
    assert found.outcome == "unreachable"
    assert found.requests <= 4


def test_a_host_that_is_not_the_vendors_is_not_named():
    with SendblueClient(KEY, SECRET, "https://gateway.invalid/a-secret-path") as client:
        found = doctor(client)
    assert "gateway" not in str(found.as_dict())
    assert named(found, "host").looked_at == "Host, the client's host"


def test_a_service_that_comes_to_after_one_fault_is_ready(examine):
    number = itertools.count(1)
    found = examine(people(20), answer=lambda *_: error(502, "x") if next(number) in {1, 5} else None)
    assert found.ready
    assert named(found, "steadiness").facts["sent_again"] == 2
    assert named(found, "steadiness").verdict == "note"
