"""When a read is tried again, and how long all workers wait before it is.

Only reads come here: a write whose answer was lost may have happened, so it is never repeated blindly.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from random import Random
from typing import TypeVar

import tenacity

from sendblue_data.errors import ApiError, ConnectionFailedError, RateLimitedError, ServerFaultError

FIRST_WAIT = 0.1
"""Seconds before the first retry, at most; each further one may wait twice as long."""
LONGEST_WAIT = 20.0
"""Seconds between two tries, at most, where the server names no time."""
LONGEST_RETRY_AFTER = 120.0
"""Seconds of `Retry-After` that are waited for; a server that asks for more gets an error raised."""

Answer = TypeVar("Answer")


class Cancelled(Exception):  # noqa: N818 -- not an error: the caller asked for it
    """The pull that this request belongs to was stopped."""


class Pace:
    """What all threads of a client share: a pause after a 429, and a limit of requests per second."""

    def __init__(self, requests_per_second: float | None = None) -> None:
        self._gap = 1.0 / requests_per_second if requests_per_second else 0.0
        self._next = 0.0
        self._lock = threading.Lock()

    def pause(self, seconds: float) -> None:
        """Let no request of any thread start for this long."""
        with self._lock:
            self._next = max(self._next, time.monotonic() + seconds)

    def wait(self, cancelled: threading.Event) -> None:
        """Wait for this thread's turn.

        Raises:
            Cancelled: the wait was broken off.
        """
        while True:
            with self._lock:
                now = time.monotonic()
                if now >= self._next:
                    # Turns are given out evenly and don't pile up while nobody asks.
                    self._next = max(now, self._next) + self._gap
                    return
                left = self._next - now
            if cancelled.wait(left):
                raise Cancelled


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
    """Call `attempt` until it answers, at most `retries` times more than once.

    Tried again: 429 (after `Retry-After`, which holds up every thread), 5xx, a connection that failed or
    was reset, a body cut short. Anything else is raised at once, and so is the last failure.
    """
    retrying = tenacity.Retrying(
        stop=tenacity.stop_after_attempt(retries + 1),
        retry=tenacity.retry_if_exception(_is_passing),
        wait=lambda state: _seconds_before_next(state, pace, jitter),
        sleep=lambda seconds: _sleep(seconds, cancelled),
        reraise=True,
    )
    return retrying(attempt)


def _is_passing(error: BaseException) -> bool:
    if isinstance(error, RateLimitedError):
        return (error.retry_after or 0.0) <= LONGEST_RETRY_AFTER
    return isinstance(error, ServerFaultError | ConnectionFailedError) or (
        isinstance(error, ApiError) and error.cut_short
    )


def _seconds_before_next(state: tenacity.RetryCallState, pace: Pace, jitter: Random) -> float:
    most = min(FIRST_WAIT * 2 ** (state.attempt_number - 1), LONGEST_WAIT)
    seconds = jitter.uniform(most / 2, most)
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, RateLimitedError):
        if error.retry_after is not None:
            # A little apart, so that the workers don't all come back in the same instant.
            seconds = error.retry_after + jitter.uniform(0, FIRST_WAIT)
            pace.pause(error.retry_after)
        else:
            pace.pause(seconds)
    return seconds


def _sleep(seconds: float, cancelled: threading.Event) -> None:
    if cancelled.wait(seconds):
        raise Cancelled
