"""One write: when it is sent again, and what its end means for its rows."""

import threading

import pytest

from sendblue_data._api import retries
from sendblue_data._api.retries import Cancelled, Pace
from sendblue_data.errors import AuthenticationError, RateLimitedError
from sendblue_data.writeback import rows as module
from sendblue_data.writeback.lookup import StaleError
from sendblue_data.writeback.rows import Row
from sendblue_data.writeback.sending import (
    KEPT_BACK,
    Attempt,
    Outcome,
    StoppedError,
    not_sent,
    send,
    worst_of,
)
from tests.writeback.doubles import Journal, fault
from tests.writeback.people import phone


def sent(error=None, *stop):
    """Send a write that ends so, and return its outcome."""

    def write():
        if error is not None:
            raise error

    return send(write, Pace(is_local=True), *stop)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (None, Outcome("answered")),
        (fault(None), Outcome("lost", "no answer: no")),
        (fault(500, may_have_applied=True), Outcome("lost", "500: no", 500)),
        (fault(409), Outcome("conflict", "409: no", 409)),
        (fault(404), Outcome("gone", "404: no", 404)),
        (fault(413), Outcome("too large", "413: no", 413)),
        (fault(400), Outcome("refused", "400: no", 400)),
        (fault(422), Outcome("refused", "422: no", 422)),
        (fault(500), Outcome("failed", "500: no", 500)),
        (fault("blocked"), Outcome("failed", "403: no", 403)),
    ],
)
def test_each_end_of_a_write_is_told_apart(error, expected):
    assert sent(error) == expected


def test_credentials_that_are_refused_end_the_run():
    with pytest.raises(AuthenticationError):
        sent(fault(401))


def test_a_write_is_sent_again_only_after_a_refusal_for_its_rate(monkeypatch):
    answers = [fault(429), fault(429), None]

    def write():
        if (error := answers.pop(0)) is not None:
            raise error

    assert send(write, Pace(is_local=True)) == Outcome("answered")
    assert answers == []
    with pytest.raises(RateLimitedError):
        sent(fault(429, retry_after=3_600.0))
    monkeypatch.setattr(retries, "PATIENCE", -1.0)
    with pytest.raises(RateLimitedError):
        sent(fault(429))


@pytest.mark.parametrize("which", [0, 1])
def test_a_write_that_was_stopped_is_not_sent(which):
    events = [threading.Event(), threading.Event()]
    events[which].set()
    with pytest.raises(StoppedError, match="it was stopped, as asked"):
        sent(AssertionError("it was sent"), *events)


def test_one_that_is_stopped_while_it_waits_for_its_turn_is_not_sent():
    events = [threading.Event(), threading.Event()]

    def waits():
        events[0].set()
        raise Cancelled

    with pytest.raises(StoppedError):
        send(waits, Pace(is_local=True), *events)
    with pytest.raises(Cancelled):  # by the client's own end
        sent(Cancelled(), threading.Event())


@pytest.mark.parametrize(
    ("outcome", "may_have", "may_still"),
    [
        (Outcome("answered"), True, False),
        (Outcome("lost"), True, True),
        (Outcome("lost", status=500), True, False),
        (Outcome("lost", status=200), True, False),
        (Outcome("lost", status=201), True, False),
        (Outcome("lost", status=502), True, True),
        (Outcome("lost", status=302), True, True),
        (Outcome("refused", status=400), False, False),
        (Outcome("failed"), False, False),
    ],
)
def test_a_request_that_nobody_has_done_with_may_still_take_effect(outcome, may_have, may_still):
    assert (outcome.may_have_applied, outcome.may_still_apply) == (may_have, may_still)


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 100.0

        def time(self):
            return self.now

        monotonic = time

    monkeypatch.setattr(module, "time", clock := Clock())
    return clock


def row(number, **fields):
    return Row(pos=number, phone=phone(number), action="update", **fields)


def test_before_a_request_leaves_it_is_written_down_as_one_that_may_have_had_an_effect(clock):
    rows, journal = [row(0, answered=True, asked=("tags",), echo={}, unanswered=1), row(1)], Journal()
    Attempt(journal, "update", rows)
    assert journal.entries == [("update", [0, 1], True)]
    Attempt(journal, "opt_out", rows[1:], is_main=False)
    assert journal.entries[1] == ("opt_out", [1], False)
    assert [(one.sent, one.answered, one.asked, one.echo) for one in rows] == [(True, False, (), None)] * 2
    assert [(one.unanswered, one.sent_at, one.left_at) for one in rows] == [(2, 100.0, 100.0)] * 2


@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize(
    ("outcome", "is_sent", "unanswered", "at"),
    [
        (Outcome("answered"), True, 1, 50.0),
        (Outcome("lost", "no answer"), True, 2, 130.0),
        (Outcome("lost", "500", 500), True, 1, 50.0),
        (Outcome("refused", "400", 400), False, 1, 50.0),
        (KEPT_BACK, False, 1, 50.0),
    ],
)
def test_its_end_says_what_it_may_have_done(clock, before, outcome, is_sent, unanswered, at):
    one = row(0, sent=before, sent_at=50.0, left_at=50.0, unanswered=1, last_error="earlier")
    attempt = Attempt(Journal(), "update", [one])
    clock.now = 130.0
    attempt.end([outcome])
    assert one.sent == (before or is_sent)
    assert one.answered == (outcome.end == "answered")
    assert (one.unanswered, one.sent_at, one.left_at) == (unanswered, at, at)
    assert one.last_error == (outcome.note or "earlier")


def test_what_is_drawn_from_an_end_is_written_down_with_it():
    told, journal, rows = [], Journal(), [row(0), row(1)]
    ends = [Outcome("refused", "400: no"), Outcome("answered")]
    attempt = Attempt(journal, "update", rows)
    attempt.end(ends, lambda one, outcome: told.append((one.pos, outcome, len(journal.entries))))
    assert told == [(0, ends[0], 1), (1, ends[1], 1)]
    assert journal.entries[1:] == [("answered", "")]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (StaleError(), KEPT_BACK),
        (StoppedError(), Outcome("failed", "it was stopped, as asked.")),
        (ValueError(), Outcome("failed", "not sent: the run was stopped")),
        (None, Outcome("failed", "not sent: the run was stopped")),
    ],
)
def test_of_a_request_that_was_not_sent_it_is_said_why(error, expected):
    assert not_sent(error) == expected


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        (["answered", "lost", "refused"], ("lost", "note 1")),
        (["refused", "answered"], ("answered", "note 1")),
        (["refused", "gone"], ("refused", "note 0")),
        ([], ("refused", "not sent")),
    ],
)
def test_of_requests_that_were_written_down_together_the_worst_end_is_told(ends, expected):
    assert worst_of([Outcome(end, f"note {n}") for n, end in enumerate(ends)]) == expected
