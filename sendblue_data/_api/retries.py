"""The only place that waits: the pace that all requests of a client keep, and the retries of reads.

A request that was turned away for its rate did not happen, so reads and writes alike are sent again. After any other
fault only reads are: a write whose answer was lost may have happened, so it is never repeated blindly.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from email.utils import parsedate_to_datetime
from random import Random
from typing import TypeVar

from sendblue_data._api.rate_limit import DOCUMENTED, RateLimit, Turn
from sendblue_data._shared.logging import log
from sendblue_data.errors import ApiError, ConnectionFailedError, RateLimitedError, ServerFaultError

FIRST_WAIT = 0.1
"""Seconds before the first retry, at most; each further one may wait twice as long."""
LONGEST_WAIT = 20.0
"""Seconds between two tries, at most, where the server names no time."""
LONGEST_RETRY_AFTER = 120.0
"""Seconds of `Retry-After` that are waited for; a server that asks for more gets an error raised."""
PATIENCE = 20.0
"""Seconds of nothing but refusals after which a request gives up: twice the documented window."""
LONG_PATIENCE = 75.0
"""The same where the server has answered before, so that the keys are right and a minute's limit is likely."""
LONG_WAIT = 1.0
"""Seconds of a wait that is worth a line in the log."""
AWAKE_EVERY = 0.1
"""Seconds after which a waiting thread checks whether it should stop."""

Answer = TypeVar("Answer")

_CANCEL_ON: ContextVar[tuple[threading.Event, ...]] = ContextVar("_CANCEL_ON", default=())
_BEFORE_SENDING: ContextVar[Callable[[], None]] = ContextVar("_BEFORE_SENDING", default=lambda: None)


class Cancelled(Exception):  # noqa: N818 -- not an error: the caller asked for it
    """The pull or the run that this request belongs to was stopped; it was not sent."""


@contextmanager
def cancel_on(*events: threading.Event) -> Iterator[None]:
    """Let this thread's requests wait for their turn only until one of these is set: then they raise `Cancelled`."""
    token = _CANCEL_ON.set(events)
    try:
        yield
    finally:
        _CANCEL_ON.reset(token)


@contextmanager
def before_sending(check: Callable[[], None]) -> Iterator[None]:
    """Call `check` before each write that this thread sends within; what it raises keeps the request back.

    A write may wait for its turn (a pace, a 429, a laptop that slept): what it was decided on may be old by then.
    """
    token = _BEFORE_SENDING.set(check)
    try:
        yield
    finally:
        _BEFORE_SENDING.reset(token)


def check_before_sending() -> None:
    """Call the check of whoever sends, if there is one; called when the request's turn has come."""
    _BEFORE_SENDING.get()()


class Pace:
    """What all threads of a client share, for reads and writes: when the next request may start.

    Args:
        requests_per_second: a limit that the caller asks for, instead of the documented one.
        is_local: the server is on this machine: there is no limit until it says so.
        clock: what tells the time, in seconds.
    """

    def __init__(
        self,
        requests_per_second: float | None = None,
        *,
        is_local: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._limit = RateLimit(
            None if requests_per_second else DOCUMENTED,
            is_tentative=is_local and not requests_per_second,
            gap=1.0 / requests_per_second if requests_per_second else 0.0,
        )
        self._changed = threading.Condition()
        self._answered_at: float | None = None
        self._held_until = float("-inf")

    def _seconds_left(self) -> float:
        now = self._clock()
        return max(self._limit.seconds_left(now), self._held_until - now)

    def hold(self, seconds: float) -> None:
        """Let no request start for so many seconds."""
        with self._changed:
            self._held_until = max(self._held_until, self._clock() + seconds)

    def free_within(self, seconds: float) -> bool:
        """Wait until a request may start; False at once where that takes so many seconds or longer."""
        with self._changed:
            ends = self._clock() + seconds
            while True:
                left = self._seconds_left()
                if self._clock() + left >= ends:
                    return False
                if left <= 0:
                    return True
                self._changed.wait(min(left, AWAKE_EVERY))

    def wait(self, cancelled: threading.Event) -> Turn:
        """Wait for this thread's turn; each one has to end in `accepted`, `refused` or `ended`.

        Raises:
            Cancelled: the wait was broken off.
        """
        events = _CANCEL_ON.get()
        with self._changed:
            if (left := self._seconds_left()) >= LONG_WAIT:
                log.info("a request waits up to %.3g s for its turn", left)
            while True:
                if cancelled.is_set():
                    raise Cancelled
                left = self._seconds_left()
                if left <= 0:
                    return self._limit.start(self._clock())
                if any(event.is_set() for event in events):
                    raise Cancelled
                self._changed.wait(min(left, AWAKE_EVERY))

    def accepted(self, turn: Turn) -> None:
        """Note that the server took a request, whatever came of it."""
        with self._changed:
            self._answered_at = self._clock()
            self._limit.accepted(turn, self._answered_at)
            self._changed.notify_all()

    def refused(self, turn: Turn, retry_after: float | None, *, teaches: bool = True) -> None:
        """Note that the server turned a request away, for its rate or (which teaches nothing) for its own state."""
        log.info("a request was turned away, Retry-After: %s", retry_after)
        with self._changed:
            if (retry_after or 0.0) > LONGEST_RETRY_AFTER:  # nobody waits so long: an error is raised
                self._limit.ended(turn, self._clock())
            else:
                self._limit.refused(turn, self._clock(), retry_after, teaches=teaches)
            self._changed.notify_all()

    def ended(self, turn: Turn) -> None:
        """Note that a request ended without an answer."""
        with self._changed:
            self._limit.ended(turn, self._clock())
            self._changed.notify_all()

    def reset_after_fork(self) -> None:
        """Forget the requests of the process that this one was forked from, and whoever holds the lock there."""
        self._changed = threading.Condition()
        self._limit.forget_under_way()

    def is_hopeless(self, refused_since: float) -> bool:
        """Whether the server has taken no request of any thread for so long that to go on asking is no use."""
        answered_at = self._answered_at
        patience = PATIENCE if answered_at is None else LONG_PATIENCE
        return self._clock() - max(refused_since, answered_at or refused_since) > patience

    def give_up(self) -> None:
        """Note that a request is not sent again: the next one need not wait as long as it would have."""
        with self._changed:
            self._limit.probe_soon(self._clock())

    def now(self) -> float:
        """Return the time by the pace's clock."""
        return self._clock()


class Refusals:
    """The refusals of one request, which is sent again after each until that is hopeless."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._since: float | None = None

    def accept(self, error: ApiError) -> None:
        """Note one more refusal, or raise it where it is hopeless to go on.

        Raises:
            ApiError: the server asks for too long a wait, or nobody gets through.
        """
        now = self._pace.now()
        self._since = now if self._since is None else self._since
        if (error.retry_after or 0.0) > LONGEST_RETRY_AFTER or self._pace.is_hopeless(self._since):
            self._pace.give_up()
            raise error


def retry_after_seconds(header: str | None) -> float | None:
    """Read a `Retry-After` header: seconds, or an HTTP date; None where it is missing or unreadable.

    Example:
        >>> retry_after_seconds("1.5"), retry_after_seconds("soon"), retry_after_seconds(None)
        (1.5, None, None)
    """
    if not header:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(header).timestamp() - time.time()
        except (ValueError, OverflowError, TypeError):
            return None
    return max(seconds, 0.0) if seconds == seconds else None  # noqa: PLR0124 -- NaN is no time


def read_with_retries(
    attempt: Callable[[], Answer], *, retries: int, pace: Pace, cancelled: threading.Event, jitter: Random
) -> Answer:
    """Call `attempt` until it answers.

    After 5xx, a connection that failed or was reset, or a body cut short: at most `retries` times more. After 429,
    and 503 with `Retry-After`, whenever the pace lets it, until that is hopeless. Anything else is raised at once, and
    so is the last failure.
    """
    refusals = Refusals(pace)
    faults = 0
    while True:
        try:
            return attempt()
        except ApiError as error:
            if isinstance(error, RateLimitedError) or error.retry_after is not None:
                refusals.accept(error)
                continue
            if not _is_transient(error) or faults >= retries:
                raise
        most = min(FIRST_WAIT * 2**faults, LONGEST_WAIT)
        faults += 1
        _sleep(jitter.uniform(most / 2, most), cancelled)


def _is_transient(error: ApiError) -> bool:
    return isinstance(error, ServerFaultError | ConnectionFailedError) or error.cut_short


def _sleep(seconds: float, cancelled: threading.Event) -> None:
    log.info("read failed, to be sent again in %.3g s", seconds)
    if cancelled.wait(seconds):
        raise Cancelled
