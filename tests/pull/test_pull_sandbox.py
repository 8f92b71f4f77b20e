"""The pull over HTTP against the sandbox: faults, switches, churn and Ctrl-C, with the sandbox's rows as truth."""

import os
import signal
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from sendblue_data import iter_contacts, pull_contacts
from sendblue_data._api import retries
from sendblue_data.errors import IncompletePullError, RateLimitedError, UnexpectedAnswerError
from sendblue_data.pull import sweeps
from sendblue_data.sandbox import Sandbox

FAULTS = {"every_429": 10, "every_500": 15, "every_reset": 20, "every_cut": 25}
MOMENT = datetime(2026, 1, 1, tzinfo=UTC)


def phones(sandbox):
    return sorted(row["phone"] for row in sandbox.rows())


def made(number, **fields):
    """A contact of ours: there are 7,920,000 fictional numbers, by area, exchange and line."""
    area, rest = divmod(number, 79_200)
    exchange, line = divmod(rest, 100)
    return {"phone": f"+1{201 + area}{201 + exchange}01{line:02d}", "created_at": MOMENT, **fields}


def sandbox_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("sendblue-pull")]


@pytest.mark.parametrize("contacts", [12_500, pytest.param(60_000, marks=pytest.mark.slow)])
def test_every_contact_arrives_once_through_faults(contacts):
    with Sandbox(contacts, **FAULTS) as sandbox, sandbox.client() as client:
        frame, evidence = pull_contacts(client, progress=False, with_evidence=True)

        assert frame.height == contacts
        assert sorted(frame["phone"]) == phones(sandbox)
        assert {"429", "500", "reset", "cut"} <= {line.fault for line in sandbox.request_log} | (
            {"reset", "cut"} if contacts < 60_000 else set()
        )
        assert 1 < sandbox.max_in_flight <= 8
        assert evidence.requests == len(sandbox.request_log) > evidence.pages
        assert max(int(line.query.get("offset", 0)) for line in sandbox.request_log) <= 10_000


def test_the_frame_is_what_the_account_holds():
    with Sandbox(3_000, null_created_at=0.01) as sandbox, sandbox.client() as client:
        frame = pull_contacts(client, progress=False)
        rows = {row["contact_id"]: row for row in sandbox.rows()}

    assert frame.height == len(rows) == 3_000
    for row in frame.iter_rows(named=True):
        stamp = row["created_at"] and row["created_at"].strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        assert {**row, "created_at": stamp} == rows[row["contact_id"]]
    dated = frame["created_at"].drop_nulls()
    assert 2_900 < dated.len() < 3_000
    assert dated.is_sorted()


@pytest.mark.slow
@pytest.mark.parametrize(
    "switches",
    [
        {"timestamps": "ms", "ties": "shuffled"},
        {"timestamps": "s", "offset_past_cap": "refuse"},
        {"list_contact_id": False, "ties": "shuffled", "sort_nulls": "last"},
        {"default_order": "inserted", "sort_nulls": "last"},
    ],
    ids=str,
)
def test_switches_change_nothing(switches):
    with Sandbox(11_500, null_created_at=0.001, **switches) as sandbox, sandbox.client() as client:
        frame = pull_contacts(client, progress=False)

        assert frame.height == 11_500
        assert sorted(frame["phone"]) == phones(sandbox)
        assert not [line for line in sandbox.request_log if line.status == 400]


@pytest.mark.parametrize("contacts", [1_500, 12_000])
def test_an_order_that_is_ignored_is_not_trusted(contacts):
    newest_first = (made(number, created_at=MOMENT - timedelta(minutes=number)) for number in range(contacts))
    with Sandbox(newest_first, honour_order=False) as sandbox, sandbox.client() as client:
        frame, evidence = pull_contacts(client, progress=False, with_evidence=True, allow_incomplete=True)
        whole = sorted(frame["phone"]) == phones(sandbox)

    assert evidence.complete is whole is (contacts < 11_000)
    assert [note for note in evidence.notes if "does not sort" in note]


@pytest.mark.parametrize(
    "contacts", [12_000, *(pytest.param(size, marks=pytest.mark.slow) for size in (25_000, 30_000))]
)
def test_a_bulk_import_larger_than_a_listing_is_gathered_or_counted(contacts):
    with Sandbox(made(number) for number in range(contacts)) as sandbox, sandbox.client() as client:
        try:
            frame, missing = pull_contacts(client, progress=False), 0
        except IncompletePullError as error:
            frame, missing = error.frame, error.missing
        never_came = set(phones(sandbox)) - set(frame["phone"])

    assert frame["phone"].n_unique() == frame.height == contacts - missing
    assert len(never_came) == missing
    # Of the orders that are documented one has no ties, that by number: it shows 22,000 of them, from either end.
    assert missing == 0 if contacts < 22_000 else 0 < missing <= contacts - 22_000


def test_nobody_has_a_moment():
    people = [made(number, created_at=None) for number in range(2_500)]
    with Sandbox(people) as sandbox, sandbox.client() as client:
        frame = pull_contacts(client, progress=False)

        assert frame.height == 2_500
        assert sorted(frame["phone"]) == phones(sandbox)


def test_a_contact_that_stays_is_not_missed_while_others_come_and_go():
    with (
        Sandbox(12_000, churn=3, null_created_at=0.001, ties="shuffled") as sandbox,
        sandbox.client() as client,
    ):
        before = set(phones(sandbox))
        frame, evidence = pull_contacts(client, progress=False, with_evidence=True)
        stayed = before - set(sandbox.churned_out)

        assert len(sandbox.churned_in) > 30
        assert frame["phone"].n_unique() == frame.height
        assert stayed <= set(frame["phone"]) <= before | set(sandbox.churned_in)
        assert evidence.complete
        assert evidence.requests < 60


def test_an_error_with_status_200_raises():
    with Sandbox(2_000, at={3: "error_200"}) as sandbox, sandbox.client() as client:
        with pytest.raises(UnexpectedAnswerError, match="Something went wrong"):
            pull_contacts(client, progress=False)

        assert not sandbox_threads()
        assert pull_contacts(client, progress=False).height == 2_000


def test_fewer_listed_than_counted_raises_and_says_which(monkeypatch):
    monkeypatch.setattr(sweeps, "LAG_PAUSES", (0.0, 0.0))

    def recount(method, path, body):
        return b'{"count": 5000}' if path.endswith("/count") else body

    with Sandbox(4_990, rewrite=recount) as sandbox, sandbox.client() as client:
        with pytest.raises(
            IncompletePullError, match="counts 5,000 contacts and listed 4,990: 10 missing"
        ) as caught:
            pull_contacts(client, progress=False)

        assert (caught.value.expected, caught.value.missing) == (5_000, 10)
        assert sorted(caught.value.frame["phone"]) == phones(sandbox)
        frame, evidence = pull_contacts(client, progress=False, allow_incomplete=True, with_evidence=True)
        assert frame.height == 4_990
        assert not evidence.complete


def test_more_listed_than_counted_is_noted():
    def recount(method, path, body):
        return b'{"count": 1495}' if path.endswith("/count") else body

    with Sandbox(1_500, rewrite=recount) as sandbox, sandbox.client() as client:
        frame, evidence = pull_contacts(client, progress=False, with_evidence=True)

    assert frame.height == 1_500
    assert evidence.notes == ("The account counts 1,495 contacts and listed 1,500.",)


def test_a_rate_limit_far_below_the_connections_is_waited_out():
    with Sandbox(9_000, rate_limit=6, retry_after=False) as sandbox, sandbox.client(retries=2) as client:
        frame = pull_contacts(client, progress=False)

        assert frame.height == 9_000
        assert [line.status for line in sandbox.request_log].count(429) > 3


def test_a_server_that_lets_nobody_through_raises(monkeypatch):
    monkeypatch.setattr(retries, "PATIENCE", 0.2)
    with Sandbox(1_000, every_429=1) as sandbox, sandbox.client(retries=1) as client:
        with pytest.raises(RateLimitedError):
            pull_contacts(client, progress=False)

        assert len(sandbox.request_log) <= 12  # each of the threads has seen it for itself
        assert not sandbox_threads()


def test_since_gives_a_part_and_refuses_to_trust_the_order():
    people = [made(number, created_at=MOMENT + timedelta(minutes=number)) for number in range(1_200)]
    with Sandbox(people) as sandbox, sandbox.client() as client:
        frame, evidence = pull_contacts(
            client, since=MOMENT + timedelta(minutes=200), progress=False, with_evidence=True
        )
        sandbox.set(honour_order=False)
        _, unordered = pull_contacts(client, since=MOMENT, progress=False, with_evidence=True)

    assert sorted(frame["phone"]) == sorted(person["phone"] for person in people[200:])
    assert evidence.complete
    assert evidence.since == MOMENT + timedelta(minutes=200)
    assert [note for note in unordered.notes if "does not sort" in note]


@pytest.mark.slow
def test_windows_stream_and_can_be_left():
    with Sandbox(12_500) as sandbox, sandbox.client() as client:
        windows = list(iter_contacts(client, progress=False))
        left = iter_contacts(client, progress=False)
        next(left)
        left.close()

        assert len(windows) == 2
        assert max(frame.height for frame in windows) <= 11_000
        assert sorted(phone for frame in windows for phone in frame["phone"]) == phones(sandbox)
        assert not sandbox_threads()
        assert client.count_contacts() == 12_500


def from_outside():
    os.kill(os.getpid(), signal.SIGINT)


def from_a_thread():
    signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("interrupt", [from_outside, from_a_thread])
def test_ctrl_c_stops_within_a_second_and_leaves_the_client_usable(interrupt):
    """Against a server that takes half a minute to answer."""
    with Sandbox(8_000) as sandbox, sandbox.client() as client:
        pull_contacts(client, progress=False)
        sandbox.set(latency=30.0)
        threading.Timer(0.5, interrupt).start()
        started = time.monotonic()

        with pytest.raises(KeyboardInterrupt):
            pull_contacts(client, progress=False)

        assert time.monotonic() - started < 15  # a busy machine may be slow to start the timer
        assert not sandbox_threads()
        sandbox.set(latency=0.0)
        assert pull_contacts(client, progress=False).height == 8_000
