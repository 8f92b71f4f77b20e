"""Each fault, as a client meets it on the wire."""

import gc
import socket
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from sendblue_data.sandbox import Faults, Sandbox

ROOT = "/api/v2/contacts"
PHONE, NEW = "+12125550100", "+12125550101"


def outcome(raw, method="GET", path="/count", **options):
    try:
        return raw(method, path, **options).status_code
    except requests.RequestException as error:
        return "cut" if "IncompleteRead" in str(error) else "reset" if "reset" in str(error) else repr(error)


def test_every_nth_answer(open_raw):
    raw = open_raw([], faults=Faults(every_429=10, every_500=15, every_reset=20, every_cut=25))
    got = [outcome(raw) for _ in range(300)]
    due = Faults(every_429=10, every_500=15, every_reset=20, every_cut=25)
    names = {"429": 429, "500": 500, "reset": "reset", "cut": "cut", None: 200}
    assert got == [names[due.hit(number)] for number in range(1, 301)]
    # Where several fall together the rarer one happens, so that each kind has its turn: counted by hand.
    assert Counter(got) == {200: 256, 429: 8, 500: 12, "reset": 12, "cut": 12}


@pytest.mark.parametrize(("retry_after", "header"), [(None, None), (2, "2"), (0.05, "0.05")])
def test_429(open_raw, retry_after, header):
    raw = open_raw([], every_429=1, retry_after=retry_after)
    answer = raw("POST", json={"number": NEW})
    assert (answer.status_code, answer.headers.get("retry-after")) == (429, header)
    assert answer.json()["status"] == "ERROR"
    assert raw.sandbox.count() == 0


@pytest.mark.parametrize(
    ("fault", "got", "applied"),
    [
        ("every_500", 500, False),
        ("every_reset", "reset", False),
        ("every_error_200", 200, False),
        ("every_reset_after", "reset", True),
        ("every_500_after", 500, True),
        ("every_cut", "cut", True),
    ],
)
def test_whether_a_write_took_effect(open_raw, fault, got, applied):
    raw = open_raw([], **{fault: 1})
    assert outcome(raw, "POST", "", json={"number": NEW}) == got
    assert raw.sandbox.count() == applied
    (line,) = raw.sandbox.request_log
    assert line == ("POST", ROOT, 0 if got == "reset" else 200 if got == "cut" else got)
    assert line.fault == fault.removeprefix("every_")


def test_a_reset_waits_for_the_whole_request(open_raw):
    """Else the client would fail at sending rather than at reading, now and then."""
    raw = open_raw([], every_reset=1)
    rows = [{"phone": NEW, "first_name": "x" * 1_000}] * 3_000
    assert outcome(raw, "POST", "/bulk", json={"contacts": rows}) == "reset"


def test_error_200(open_raw):
    raw = open_raw([{"phone": PHONE}], every_error_200=1)
    answer = raw("GET")
    assert (answer.status_code, answer.json()["status"]) == (200, "ERROR")


@pytest.mark.parametrize("fault", ["every_reset", "every_reset_after"])
def test_a_reset_is_a_tcp_reset(open_raw, fault):
    raw = open_raw([], **{fault: 1})
    with by_hand(raw, "/count") as connection, pytest.raises(ConnectionResetError):
        connection.recv(65_536)


def test_a_cut_answer_promises_more_than_it_sends(open_raw, numbered):
    raw = open_raw(numbered(1_000), every_cut=1)
    with by_hand(raw, "?limit=1000") as connection:
        received = b""
        while chunk := connection.recv(65_536):
            received += chunk
    head, _, body = received.partition(b"\r\n\r\n")
    promised = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    assert len(body) == promised // 2 > 50_000


def by_hand(raw, path):
    host, port = raw.sandbox.url.removeprefix("http://").split(":")
    connection = socket.create_connection((host, int(port)), timeout=10)
    connection.sendall(
        f"GET {ROOT}{path} HTTP/1.1\r\nhost: x\r\nsb-api-key-id: {raw.sandbox.api_key}\r\n"
        f"sb-api-secret-key: {raw.sandbox.api_secret}\r\n\r\n".encode()
    )
    return connection


@pytest.mark.parametrize(
    ("only", "got"), [("reads", [500, 200]), ("writes", [200, 500]), ("all", [500, 500])]
)
def test_only(open_raw, only, got):
    raw = open_raw([], every_500=1, only=only)
    assert [outcome(raw), outcome(raw, "POST", "", json={"number": NEW})] == got


def test_only_counts_what_it_names(open_raw):
    raw = open_raw([], every_500=2, only="writes")
    writes = []
    for _ in range(4):
        outcome(raw)
        writes.append(outcome(raw, "POST", "/opt-out", json={"number": NEW}))
    assert writes == [200, 500, 200, 500]


def test_faults_by_number_and_bad_credentials_are_not_counted(open_raw):
    raw = open_raw([], at={2: "reset", 3: "500_after"})
    assert outcome(raw, headers={"sb-api-secret-key": "no"}) == 401
    assert [outcome(raw) for _ in range(4)] == [200, "reset", 500, 200]
    raw.sandbox.set(at={6: "429"})
    assert [outcome(raw) for _ in range(2)] == [200, 429]


def test_latency_overlaps(open_raw):
    raw = open_raw(2_000, latency=0.2)
    connected = threading.Barrier(8)

    def ask(_):
        connected.wait()
        return len(raw.list(limit=1_000))

    start = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(8))) == [1_000] * 8
    took = time.monotonic() - start
    # One after the other they would take 1.6 s.
    assert 0.2 <= took < 1.0
    assert raw.sandbox.max_in_flight == 8
    raw.sandbox.reset_log()
    assert (raw.sandbox.max_in_flight, raw.sandbox.request_log) == (0, [])


def test_churn_by_number(open_raw, numbered):
    raw = open_raw(numbered(100), churn=2)
    before = {row["phone"] for row in raw.sandbox.rows()}
    for _ in range(5):
        raw.list()
    raw("GET", "/count")
    after = {row["phone"] for row in raw.sandbox.rows()}
    sandbox = raw.sandbox
    assert len(sandbox.churned_in) == len(set(sandbox.churned_in)) == 10
    assert 5 <= len(sandbox.churned_out) <= 10
    assert after == (before | set(sandbox.churned_in)) - set(sandbox.churned_out)


def test_churn_by_fraction(open_raw):
    raw = open_raw([], churn=0.5)
    for _ in range(5):
        raw.list()
    assert len(raw.sandbox.churned_in) == 2


def test_churn_by_function(open_raw):
    def churn(sandbox):
        sandbox.add([{"phone": f"+1212555{sandbox.count():04}"}])

    raw = open_raw([], churn=churn)
    assert [len(raw.list()) for _ in range(3)] == [1, 2, 3]


def test_the_log(open_raw):
    raw = open_raw([{"phone": PHONE}])
    raw("GET", params={"limit": 1, "phone_number": PHONE})
    raw("GET", f"/%2B{PHONE[1:]}")
    raw("DELETE", f"/{NEW}")
    assert raw.sandbox.request_log == [
        ("GET", ROOT, 200),
        ("GET", f"{ROOT}/{PHONE}", 200),
        ("DELETE", f"{ROOT}/{NEW}", 404),
    ]
    assert raw.sandbox.request_log[0].query == {"limit": "1", "phone_number": PHONE}


def test_closing_while_requests_are_in_flight(open_raw):
    raw = open_raw([], latency=30)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(outcome, raw)
        while raw.sandbox.max_in_flight == 0:
            time.sleep(0.01)
        start = time.monotonic()
        raw.sandbox.close()
        assert waiting.result() != 200
    assert time.monotonic() - start < 5


@pytest.mark.parametrize("sends", [False, True], ids=["silent", "asking"])
def test_closing_as_clients_connect_leaves_no_socket_open(sends, capfd):
    """What the server has just accepted is closed too: a socket left to the collector is an error here."""
    for _ in range(20):
        sandbox = Sandbox([])
        port = int(sandbox.url.rpartition(":")[2])
        clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(3)]
        if sends:
            for client in clients:
                client.sendall(b"GET /api/v2/contacts/count HTTP/1.1\r\nHost: sandbox\r\n\r\n")
        sandbox.close()
        for client in clients:
            client.close()
    gc.collect()
    assert capfd.readouterr().err == ""
