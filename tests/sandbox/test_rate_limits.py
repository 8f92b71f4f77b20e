"""The account's rate limit, on a clock that the test turns."""

from collections import Counter

import pytest

from sendblue_data.sandbox import Sandbox, rate


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 1_000.0

    monkeypatch.setattr(rate, "monotonic", lambda: Clock.now)
    return Clock


def statuses(raw, number):
    return [raw("GET", "/count").status_code for _ in range(number)]


@pytest.mark.parametrize("kind", ["sliding", "fixed"])
def test_requests_a_second_by_default(open_raw, clock, kind):
    raw = open_raw([], rate_limit=3, rate_kind=kind)
    assert statuses(raw, 5) == [200, 200, 200, 429, 429]
    answer = raw("GET")
    assert (answer.status_code, answer.headers["retry-after"], answer.json()["status"]) == (429, "1", "ERROR")
    clock.now += 1.01
    assert statuses(raw, 4) == [200, 200, 200, 429]
    raw.sandbox.set(retry_after=False)
    assert "retry-after" not in raw("GET").headers
    raw.sandbox.set(rate_limit=None)
    assert statuses(raw, 9) == [200] * 9


def test_a_sliding_window_frees_each_place_in_its_turn(open_raw, clock):
    raw = open_raw([], rate_limit=2, rate_window=10)
    statuses(raw, 1)
    clock.now += 4
    assert statuses(raw, 2) == [200, 429]
    assert raw("GET").headers["retry-after"] == "6"
    clock.now += 6.5
    assert statuses(raw, 2) == [200, 429]
    assert raw("GET").headers["retry-after"] == "4"


def test_fixed_windows_begin_with_the_sandbox(open_raw, clock):
    raw = open_raw([], rate_limit=2, rate_window=10, rate_kind="fixed")
    clock.now += 9
    assert statuses(raw, 3) == [200, 200, 429]
    assert raw("GET").headers["retry-after"] == "1"
    clock.now += 1.5
    assert statuses(raw, 3) == [200, 200, 429]
    assert raw("GET").headers["retry-after"] == "10"


@pytest.mark.parametrize("kind", ["sliding", "fixed"])
def test_less_than_one_is_one_in_a_longer_window(open_raw, clock, kind):
    raw = open_raw([], rate_limit=0.5, rate_kind=kind)
    assert statuses(raw, 2) == [200, 429]
    assert raw("GET").headers["retry-after"] == "2"
    clock.now += 1.5
    assert statuses(raw, 1) == [429]
    clock.now += 0.6
    assert statuses(raw, 1) == [200]


@pytest.mark.parametrize(("counts", "status"), [(False, 200), (True, 429)])
def test_whether_refused_requests_count(open_raw, clock, counts, status):
    raw = open_raw([], rate_limit=2, rate_window=10, refused_count=counts)
    statuses(raw, 2)
    clock.now += 6
    assert statuses(raw, 2) == [429, 429]
    clock.now += 6
    answer = raw("GET")
    assert answer.status_code == status
    assert counts is False or answer.headers["retry-after"] == "4"


def test_where_refused_requests_count_the_wait_is_until_enough_of_all_have_left_the_window(open_raw, clock):
    raw = open_raw([], rate_limit=2, rate_window=10, refused_count=True)
    for _ in range(3):
        statuses(raw, 1)
        clock.now += 3
    # Requests at 0, 3 and 6 s: at 9 s the limit's two are those of 3 and 6, and one has to leave.
    assert raw("GET").headers["retry-after"] == "4"
    clock.now += 6.5  # at 15.5 s those of 6 and 9 are left
    assert raw("GET").headers["retry-after"] == "1"


def test_refused_requests_change_nothing_and_no_fault_falls_on_them(open_raw, clock):
    raw = open_raw([], rate_limit=1, every_500=2)
    assert statuses(raw, 2) == [200, 429]
    assert raw("POST", json={"number": "+12125550100"}).status_code == 429
    clock.now += 1.1
    assert statuses(raw, 1) == [500]
    assert raw.sandbox.count() == 0
    assert Counter(line.fault for line in raw.sandbox.request_log) == {None: 3, "500": 1}


@pytest.mark.parametrize(
    "wrong", [{"rate_limit": 0}, {"rate_window": 0}, {"rate_window": float("inf")}, {"rate_kind": "x"}]
)
def test_a_limit_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Sandbox(0, **wrong)
