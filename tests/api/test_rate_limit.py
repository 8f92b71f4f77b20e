"""The limit that refusals teach: seldom refused, and not much slower than the server allows."""

import math
import random

import pytest
from hypothesis import assume, given, settings, strategies as st

from sendblue_data._api import rate_limit
from sendblue_data._api.rate_limit import DOCUMENTED, RateLimit
from tests.api.limited import SAYS, LimitedServer, run

LATENCY = st.sampled_from([0.005, 0.02, 0.05])


@pytest.mark.parametrize("slides", [True, False])
@pytest.mark.parametrize("says", SAYS.values(), ids=SAYS)
@pytest.mark.parametrize("wanted", [155, 505])
@settings(max_examples=4, deadline=None)
@given(latency=LATENCY, seed=st.integers(0, 99))
def test_the_documented_limit_is_found_by_two_refusals(slides, says, wanted, latency, seed):
    server = LimitedServer(*DOCUMENTED, slides=slides, says=says)
    limit = RateLimit(DOCUMENTED, is_tentative=True)
    seconds, refusals = run(limit, server, wanted, latency=latency, random=random.Random(seed))
    allowed = (wanted - 1) // DOCUMENTED.requests * DOCUMENTED.seconds
    assert refusals <= 0.02 * wanted
    assert seconds <= 1.1 * allowed + (says is math.ceil)  # it may ask for up to a second too much


@pytest.mark.parametrize("slides", [True, False])
@settings(max_examples=4, deadline=None)
@given(latency=LATENCY, seed=st.integers(0, 99))
def test_a_limit_that_is_kept_from_the_start_is_never_met(slides, latency, seed):
    server = LimitedServer(*DOCUMENTED, slides=slides)
    seconds, refusals = run(RateLimit(DOCUMENTED), server, 950, latency=latency, random=random.Random(seed))
    assert refusals == 0
    assert seconds <= 1.05 * 90


@settings(max_examples=20, deadline=None)
@given(
    requests=st.integers(5, 150),
    window=st.sampled_from([1, 2, 5, 10, 30, 60]),
    slides=st.booleans(),
    says=st.sampled_from(list(SAYS.values())),
    latency=LATENCY,
    seed=st.integers(0, 99),
)
def test_any_limit_is_learnt(requests, window, slides, says, latency, seed):
    """Eight windows' worth: most of them at the limit's own speed, and few refusals once it is known."""
    assume(requests >= window)  # a slower server is taken for one that takes nobody's requests at first
    assume(requests != DOCUMENTED.requests or window in (1, 10))  # and this one for the documented one
    limit = RateLimit(DOCUMENTED, is_tentative=True)
    server = LimitedServer(requests, window, slides=slides, says=says)
    wanted = 8 * requests
    seconds, refusals = run(limit, server, wanted, latency=latency, random=random.Random(seed))
    unlimited = wanted * latency / 8
    assert seconds <= 1.2 * max(7 * window, unlimited) + 12
    assert refusals <= 24 + 0.02 * wanted


def test_a_server_without_a_limit_is_not_slowed():
    class Unlimited:
        refusal = staticmethod(lambda _: None)

    seconds, refusals = run(
        RateLimit(DOCUMENTED, is_tentative=True), Unlimited, 2_000, latency=0.05, random=random.Random(1)
    )
    assert refusals == 0
    assert seconds < 1.05 * 2_000 * 0.05 / 8


def test_turns_do_not_pile_up_while_nobody_asks():
    limit, now, turns = RateLimit(None, gap=0.25), 100.0, []
    for idle in (0, 0, 10, 0, 0):
        now += idle
        now += limit.seconds_left(now)
        limit.ended(limit.start(now), now)
        turns.append(now)
    assert turns == [100.0, 100.25, 110.25, 110.5, 110.75]


def test_a_refusal_now_and_then_teaches_nothing():
    """Such as comes from a fault: one request later all is well, so nobody is slowed."""
    limit, now = RateLimit(None), 100.0
    for number in range(300):
        now += limit.seconds_left(now) + 0.001
        turn = limit.start(now)
        if number % 7:
            limit.accepted(turn, now)
        else:
            limit.refused(turn, now, None)
    assert limit.limit is None
    assert now < 100 + 300 / 7 * 0.2


class RefusesEach:
    """Refuses every so-manieth request, whenever it comes, and says how long to wait."""

    def __init__(self, nth, says):
        self._nth, self._says, self._number = nth, says, 0

    def refusal(self, _now):
        self._number += 1
        return (self._says,) if self._number % self._nth == 0 else None


@pytest.mark.parametrize("threads", [1, 8])
@pytest.mark.parametrize("is_tentative", [True, False])
@pytest.mark.parametrize("says", [None, 0.01, 1.0])
@pytest.mark.parametrize("nth", [2, 3, 5, 7])
def test_refusals_that_follow_no_limit_are_waited_out_and_no_more(nth, says, is_tentative, threads):
    """The wait for each refusal, a try at some limits, and the limit that was given: it never grows without end."""
    limit = RateLimit(DOCUMENTED, is_tentative=is_tentative)
    seconds, refusals = run(
        limit, RefusesEach(nth, says), 300, latency=0.01, random=random.Random(1), threads=threads
    )
    assert refusals == 300 // (nth - 1) - (300 % (nth - 1) == 0)
    most_for_one = 0.6 if says is None else says + 0.05
    assert seconds <= refusals * most_for_one + 30 + 60 * (not is_tentative)


def test_after_a_refusal_one_request_looks_whether_it_passes():
    limit = RateLimit(None)
    refused, under_way = limit.start(100.0), limit.start(100.0)
    limit.refused(refused, 100.1, 2.0)
    assert limit.seconds_left(100.1) == pytest.approx(4.9)  # until the other one is answered
    limit.refused(under_way, 100.2, 2.0)
    assert limit.seconds_left(100.2) == pytest.approx(2.0)
    probe = limit.start(102.2)
    assert limit.seconds_left(102.2) > 0
    limit.accepted(probe, 102.3)
    assert limit.seconds_left(102.3) == 0


def test_a_limit_that_was_raised_is_found_out():
    limit = RateLimit(DOCUMENTED, is_tentative=True)
    run(limit, LimitedServer(20, 2), 60, latency=0.02, random=random.Random(1))
    assert limit.limit.requests == 20
    seconds, refusals = run(limit, LimitedServer(60, 2), 1_500, latency=0.02, random=random.Random(1))
    assert refusals < 30
    assert seconds < 0.8 * 1_500 / 20 * 2


def test_a_server_that_takes_nobodys_requests_for_a_while_has_no_limit():
    limit, now = RateLimit(DOCUMENTED, is_tentative=True), 100.0
    for _ in range(90):
        now += limit.seconds_left(now) + 0.01
        turn = limit.start(now)
        if 100.1 < now < 120:
            limit.refused(turn, now, None)
        else:
            limit.accepted(turn, now)
    assert limit.limit is None


def test_who_comes_after_others_gave_up_looks_soon():
    limit, now = RateLimit(DOCUMENTED, is_tentative=True), 100.0
    for _ in range(10):
        now += limit.seconds_left(now)
        limit.refused(limit.start(now), now, None)
    assert limit.seconds_left(now) > 10 * rate_limit.FIRST_PROBE
    limit.probe_soon(now)
    assert limit.seconds_left(now) == pytest.approx(rate_limit.FIRST_PROBE)
