"""Reads are tried again, writes are sent once, and all threads keep one pace."""

import random
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from sendblue_data import pull_contacts
from sendblue_data._api import retries
from sendblue_data._api.retries import Cancelled, Pace, cancel_on, read_with_retries, retry_after_seconds
from sendblue_data.errors import (
    ApiError,
    ConfigurationError,
    ConnectionFailedError,
    RateLimitedError,
    ServerFaultError,
    UnexpectedAnswerError,
)
from tests.api.servers import answer

ROOT = "/api/v2/contacts"
PHONE, NEW = "+12125550100", "+12125550101"
READS = {
    "list_contacts": lambda client: client.list_contacts(),
    "count_contacts": lambda client: client.count_contacts(),
    "get_contact": lambda client: client.get_contact(PHONE),
}
WRITES = {
    "create_contact": lambda client: client.create_contact(NEW),
    "update_contact": lambda client: client.update_contact(PHONE, first_name="A"),
    "delete_contact": lambda client: client.delete_contact(PHONE),
    "opt_out_contact": lambda client: client.opt_out_contact(PHONE),
    "verify_contact": lambda client: client.verify_contact(PHONE),
    "bulk_create_contacts": lambda client: client.bulk_create_contacts([{"phone": NEW}]),
    "bulk_delete_contacts": lambda client: client.bulk_delete_contacts([PHONE]),
}


@pytest.mark.parametrize("read", READS.values(), ids=READS)
@pytest.mark.parametrize("fault", ["429", "500", "reset", "reset_after", "500_after", "cut"])
def test_a_read_lives_through(open_account, read, fault):
    sandbox, client = open_account([{"phone": PHONE}], at={1: fault, 2: fault})
    expected = read(client)
    assert [line.fault for line in sandbox.request_log] == [fault, fault, None]
    sandbox.set(at={})
    again = read(client)
    assert again.equals(expected) if hasattr(again, "equals") else again == expected


def test_429_with_retry_after_is_waited_for(open_account):
    sandbox, client = open_account(at={1: "429"}, retry_after=0.2)
    started = time.monotonic()
    assert client.count_contacts() == 0
    assert time.monotonic() - started >= 0.2
    assert len(sandbox.request_log) == 2


def test_waits_grow_are_spread_and_end(monkeypatch):
    waits = []
    monkeypatch.setattr(retries, "_sleep", lambda seconds, _: waits.append(seconds))
    monkeypatch.setattr(retries, "FIRST_WAIT", 0.1)

    def fail():
        raise ServerFaultError("oops", method="GET", path="/", status=500)

    with pytest.raises(ServerFaultError):
        read_with_retries(fail, retries=12, pace=Pace(), cancelled=threading.Event(), jitter=random.Random(1))
    assert len(waits) == 12
    longest = [min(0.1 * 2**number, retries.LONGEST_WAIT) for number in range(12)]
    assert all(most / 2 <= wait <= most for wait, most in zip(waits, longest, strict=True))
    assert longest[-1] == retries.LONGEST_WAIT
    # Two workers that fail at once must not come back at once.
    assert len({round(wait / most, 6) for wait, most in zip(waits, longest, strict=True)}) == 12


@pytest.mark.parametrize(
    ("fault", "kind", "status"),
    [
        ("every_500", ServerFaultError, 500),
        ("every_reset", ConnectionFailedError, None),
        ("every_cut", ConnectionFailedError, None),
    ],
)
@pytest.mark.parametrize("tries", [0, 3])
def test_the_last_failure_is_raised(open_account, fault, kind, status, tries):
    sandbox, client = open_account([{"phone": PHONE}], client={"retries": tries}, **{fault: 1})
    with pytest.raises(kind) as caught:
        client.list_contacts()
    assert caught.value.status == status
    assert caught.value.may_have_applied is False
    assert len(sandbox.request_log) == client.requests == tries + 1


@pytest.mark.parametrize("tries", [0, 3])
def test_refusals_are_not_counted_but_waited_out_for_as_long_as_there_is_hope(
    open_account, monkeypatch, tries
):
    monkeypatch.setattr(retries, "PATIENCE", 0.2)
    sandbox, client = open_account(client={"retries": tries}, every_429=1)
    started = time.monotonic()
    with pytest.raises(RateLimitedError):
        client.list_contacts()
    assert time.monotonic() - started > 0.2
    assert len(sandbox.request_log) == client.requests < 20


@pytest.mark.parametrize(
    ("call", "status"),
    [
        (lambda client: client.get_contact(NEW), 404),
        (lambda client: client.list_contacts(order_by="nothing"), 400),
    ],
)
def test_what_a_retry_can_not_mend_is_asked_once(open_account, call, status):
    sandbox, client = open_account()
    with pytest.raises(ApiError):
        call(client)
    assert [line.status for line in sandbox.request_log] == [status]


def test_an_error_with_status_200_is_asked_once(open_account):
    sandbox, client = open_account(every_error_200=1)
    with pytest.raises(UnexpectedAnswerError):
        client.count_contacts()
    assert len(sandbox.request_log) == 1


def test_a_body_that_ends_early_without_a_length_is_asked_again(serve):
    early = b'HTTP/1.0 200 OK\r\n\r\n[{"phone": "+1212'
    server, client = serve(early, answer(b'[{"phone": "+12125550100"}]'))
    assert client.list_contacts()["phone"].to_list() == [PHONE]
    assert len(server.requests) == 2


def test_a_chunked_body_that_ends_early_is_asked_again(serve):
    early = b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n[{"ph\r\n'
    server, client = serve(early, answer(b'[{"phone": "+12125550100"}]'))
    assert client.list_contacts()["phone"].to_list() == [PHONE]
    assert len(server.requests) == 2


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
@pytest.mark.parametrize(
    ("fault", "kind", "may_have_applied"),
    [
        ("429", RateLimitedError, False),
        ("500", ServerFaultError, True),
        ("500_after", ServerFaultError, True),
        ("reset", ConnectionFailedError, True),
        ("reset_after", ConnectionFailedError, True),
        ("cut", ConnectionFailedError, True),
        ("error_200", UnexpectedAnswerError, True),
    ],
)
def test_a_write_is_sent_once_and_says_whether_it_may_have_happened(
    open_account, write, fault, kind, may_have_applied
):
    sandbox, client = open_account([{"phone": PHONE}], at={1: fault})
    with pytest.raises(kind) as caught:
        write(client)
    assert [line.fault for line in sandbox.request_log] == [fault]
    assert caught.value.may_have_applied is may_have_applied
    assert ("may have happened" in str(caught.value)) is may_have_applied
    assert client.requests == 1


@pytest.mark.parametrize(
    "status", ["400 Bad Request", "401 Unauthorized", "404 Not Found", "409 Conflict", "413 Large"]
)
@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_a_refused_write_did_not_happen(serve, write, status):
    server, client = serve(answer(b'{"message": "no"}', status=status))
    with pytest.raises(ApiError) as caught:
        write(client)
    assert caught.value.may_have_applied is False
    assert len(server.requests) == 1


def test_a_write_to_nobody_did_not_happen(serve):
    server, client = serve(b"")
    server.__exit__()
    with pytest.raises(ConnectionFailedError) as caught:
        client.delete_contact(PHONE)
    assert caught.value.may_have_applied is False


def test_a_write_in_the_handler_of_an_earlier_failure_is_judged_by_itself(serve, open_account):
    """The earlier request was never sent; this one was, whatever error it is raised in."""
    server, nobody = serve(b"", retries=0)
    server.__exit__()
    _, client = open_account([{"phone": PHONE}], at={1: "reset_after"})
    try:
        nobody.count_contacts()
    except ConnectionFailedError:
        with pytest.raises(ConnectionFailedError) as caught:
            client.delete_contact(PHONE)
    assert caught.value.may_have_applied is True


def test_one_429_slows_all_workers(open_account):
    """After the 429 nobody's request arrives before its time is over, though seven workers had no error."""
    moments = []

    def note(method, path, body):
        moments.append(time.monotonic())
        return body

    sandbox, client = open_account(at={1: "429"}, retry_after=0.4, rewrite=note)
    refused_at = []
    refused = client._pace.refused

    def noted(*args, **options):
        refused_at.append(time.monotonic())
        refused(*args, **options)

    client._pace.refused = noted
    first = threading.Thread(target=client.count_contacts)
    first.start()
    while not refused_at:
        time.sleep(0.001)
    twin = client.stoppable()  # such as a pull makes: of the same account, so of the same pace
    with ThreadPoolExecutor(7) as pool:
        asked = [pool.submit((client, twin)[number % 2].count_contacts) for number in range(7)]
        assert [one.result() for one in asked] == [0] * 7
    first.join()
    assert [line.status for line in sandbox.request_log] == [429, *[200] * 8]
    assert len(moments) == 8
    assert min(moments) >= refused_at[0] + 0.4


@pytest.mark.parametrize("longer", [121, 10**9, "inf"])
def test_a_server_that_asks_for_too_long_a_wait_gets_an_error_raised(serve, longer):
    server, client = serve(answer(status="429 Too Many Requests", headers=[f"Retry-After: {longer}"]))
    with pytest.raises(RateLimitedError) as caught:
        client.count_contacts()
    assert len(server.requests) == 1
    assert caught.value.retry_after == float(longer)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("3", 3.0),
        ("0", 0.0),
        ("-5", 0.0),
        (" 2 ", 2.0),
        ("nan", None),
        ("", None),
        (None, None),
        ("soon", None),
    ],
)
def test_retry_after(header, seconds):
    assert retry_after_seconds(header) == seconds


def test_retry_after_as_a_date():
    def header(seconds):
        return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)

    assert 3_500 < retry_after_seconds(header(3_600)) <= 3_600
    assert retry_after_seconds(header(-3_600)) == 0.0


def test_requests_per_second_are_kept_over_all_threads(open_account):
    """The gaps are what the limit promises; a busy machine makes them longer, never shorter."""
    moments = []

    def note(method, path, body):
        moments.append(time.monotonic())
        return body

    sandbox, client = open_account(rewrite=note, client={"requests_per_second": 50})
    started = time.monotonic()
    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(lambda _: client.count_contacts(), range(20))) == [0] * 20
    assert len(sandbox.request_log) == len(moments) == 20
    # The n-th turn comes n / 50 seconds after the first, at the soonest.
    assert all(moment - started >= number / 50 for number, moment in enumerate(sorted(moments)))


def test_a_wait_can_be_broken_off():
    pace, cancelled, stopped = Pace(), threading.Event(), threading.Event()
    pace.refused(pace.wait(cancelled), 100.0)
    stopped.set()
    with cancel_on(stopped), pytest.raises(Cancelled):
        pace.wait(cancelled)
    cancelled.set()
    with pytest.raises(Cancelled):
        pace.wait(cancelled)


def test_503_with_retry_after_holds_up_all_and_says_nothing_about_the_pace(serve):
    down = answer(b"", status="503 Service Unavailable", headers=["Retry-After: 1"])
    server, client = serve(down, answer(b'{"count": 7}'), retries=0)
    started = time.monotonic()
    assert [client.count_contacts() for _ in range(30)] == [7] * 30
    assert 1 <= time.monotonic() - started < 5
    assert len(server.requests) == 31


def test_max_connections_bounds_what_is_under_way(open_account):
    sandbox, client = open_account(latency=0.02, client={"max_connections": 3})
    twin = client.stoppable()
    with ThreadPoolExecutor(10) as pool:
        asked = [pool.submit((client, twin)[number % 2].count_contacts) for number in range(20)]
        assert [one.result() for one in asked] == [0] * 20
    assert 2 <= sandbox.max_in_flight <= 3


OPTIONS = ("timeout", "max_connections", "requests_per_second", "retries")


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("timeout", 0),
        ("timeout", -1),
        ("timeout", float("inf")),
        ("timeout", float("nan")),
        ("max_connections", 0),
        ("requests_per_second", 0),
        ("requests_per_second", -1),
        ("requests_per_second", float("nan")),
        ("retries", -1),
        ("retries", 1.5),
        *((option, value) for option in OPTIONS for value in ("x", True, [1])),
    ],
)
def test_options_that_can_not_be_used_are_named(serve, option, value):
    said = "list of 1" if value == [1] else repr(value)  # a list may be of contacts
    with pytest.raises(ConfigurationError, match=re.escape(f"{option} is {said}")):
        serve(b"", **{option: value})


def test_a_pull_does_not_hammer_a_server_that_asks_for_an_hour(open_account):
    sandbox, client = open_account(3_000)
    sandbox.set(at=dict.fromkeys(range(3, 5_000), "429"), retry_after=3600.0)
    with pytest.raises(RateLimitedError):
        pull_contacts(client, progress=False)
    assert len(sandbox.request_log) < 30
