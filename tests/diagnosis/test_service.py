"""What all answers tell together, and that the doctor asks little and not for long."""

import itertools
import time
from email.utils import formatdate

import pytest

from sendblue_data import Sandbox, SendblueClient, doctor
from sendblue_data.diagnosis import probe
from tests.api.servers import Server
from tests.diagnosis.conftest import KEY, SECRET, named
from tests.diagnosis.model import Account, error, people


@pytest.mark.parametrize(
    ("ahead", "found", "verdict"),
    [(0, "in step", "ok"), (200, "ahead of", "note"), (-200, "behind", "note"), (10**9, "ahead of", "note")],
)
def test_a_clock_is_held_against_the_date_of_the_answers(examine, ahead, found, verdict):
    finding = named(
        examine(people(9), headers=lambda: {"Date": formatdate(time.time() + ahead, usegmt=True)}), "clock"
    )
    assert found in finding.found
    assert finding.verdict == verdict
    assert finding.facts["ahead_s"] == pytest.approx(ahead, abs=2)


@pytest.mark.parametrize("date", ["", "yesterday", "Mon, 99 Foo 2026 99:99:99 GMT"])
def test_a_date_that_cannot_be_read_is_not_seen(examine, date):
    assert named(examine(people(9), headers=lambda: {"Date": date}), "clock").verdict == "unseen"


def test_headers_of_a_rate_limit_are_named_and_others_counted(examine):
    sent = {"X-RateLimit-Remaining": "7", "RateLimit-Policy": "q", "X-RateLimit-Of-Ann": "1", "Server": "x"}
    finding = named(examine(people(9), headers=lambda: sent), "rate_limit")
    assert finding.facts["headers"] == ["ratelimit-policy", "x-ratelimit-remaining"]
    assert finding.facts["other_headers"] == 1
    assert "ann" not in str(finding).lower()


@pytest.mark.parametrize("told", [True, False])
def test_a_service_that_asks_to_wait_is_waited_for(told):
    times = []

    def respond(_path, _query):
        times.append(time.monotonic())
        if len(times) == 4:
            return error(429, "slow down", **({"Retry-After": "1"} if told else {}))
        return None

    with Account(people(20), answer=respond) as account, SendblueClient(KEY, SECRET, account.url) as client:
        found = doctor(client)
    assert found.ready
    assert named(found, "rate_limit").facts["refused"] == 1
    assert times[4] - times[3] >= (1 if told else 0.3)
    gaps = [later - sooner for sooner, later in itertools.pairwise(times[4:])]
    assert len(gaps) == 8
    assert min(gaps) >= 0.08  # what was refused at once is not asked for at once again


def test_a_service_that_is_never_ready_is_left_alone(examine):
    found = examine(answer=lambda *_: error(429, "no", **{"Retry-After": "3600"}))
    assert (found.outcome, found.requests, len(examine.account.asked)) == ("unreachable", 1, 1)
    found = examine(
        people(3), answer=lambda _path, query: error(503, "no", **{"Retry-After": "90"}) if query else None
    )
    assert found.outcome == "care"
    assert found.requests == 2
    assert named(found, "order").verdict == "unseen"


@pytest.mark.parametrize("limit", [5, 20])
def test_a_rate_limit_costs_few_refusals(limit):
    with Sandbox(1_200, rate_limit=limit) as sandbox, sandbox.client() as client:
        found = doctor(client)
    assert found.ready
    assert len(sandbox.request_log) <= 20
    assert sum(line.status == 429 for line in sandbox.request_log) <= 2


@pytest.mark.parametrize("fault", ["every_500", "every_429", "every_reset", "every_cut", "every_error_200"])
@pytest.mark.parametrize("every", [1, 2, 3])
def test_faults_are_findings_within_the_budget(fault, every, monkeypatch):
    monkeypatch.setattr(probe, "UNTOLD_WAIT", 0.01)
    with Sandbox(30, **{fault: every}) as sandbox, sandbox.client() as client:
        found = doctor(client)
    assert len(found.findings) == 20
    assert found.requests == len(sandbox.request_log) <= 20
    assert named(found, "steadiness").verdict == "note"
    assert (found.outcome == "unreachable") == (every == 1)


def test_an_answer_that_never_ends_costs_its_time_and_no_more(monkeypatch):
    monkeypatch.setattr(probe, "LONGEST_ANSWER", 0.2)

    def drip(connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n[")
        while True:
            connection.sendall(b" ")
            time.sleep(0.02)

    with Server(drip) as server, SendblueClient(KEY, SECRET, server.url) as client:
        began = time.monotonic()
        found = doctor(client)
    assert time.monotonic() - began < 3
    assert named(found, "host").found == "no answer to use: no answer in time"
    assert len(server.requests) == 2


def test_a_slow_service_is_left_when_the_time_is_up(monkeypatch):
    monkeypatch.setattr(probe, "LONGEST", 0.8)
    with Sandbox(30, latency=0.15) as sandbox, sandbox.client() as client:
        began = time.monotonic()
        found = doctor(client)
    assert time.monotonic() - began < 2.5
    assert 1 <= found.requests <= 6
    assert named(found, "lag").found == probe.UNASKED
    assert found.outcome == "care"


def test_a_client_can_be_used_again_after_it():
    with Sandbox(30) as sandbox, sandbox.client(max_connections=1) as client:
        doctor(client)
        assert client.count_contacts() == 30


def test_it_keeps_the_clients_pace():
    with Sandbox(3) as sandbox, sandbox.client(requests_per_second=20) as client:
        assert doctor(client).seconds > 0.5
