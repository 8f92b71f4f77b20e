"""One write on its way: waiting out rate limits, and telling what its end means for the rows it carried."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any, Literal

from sendblue_data.errors import (
    ApiError,
    AuthenticationError,
    ConflictError,
    InvalidRequestError,
    NotFoundError,
    RateLimitedError,
)
from sendblue_data.retries import FIRST_WAIT, LONGEST_RETRY_AFTER, LONGEST_WAIT

TURNED_AWAY = 40
"""429s in a row, for one request, after which the run is interrupted; waits grow to 20 s each."""
LAST_TURNS = 4
"""The same, for what is still sent while a run ends."""

End = Literal["answered", "lost", "failed", "refused", "conflict", "gone", "too large"]
"""How a write ended: answered well; may have happened (`lost`); did not (`failed`: worth another try;
`refused`: not as it is; `conflict`: 409; `gone`: 404; `too large`: 413)."""

_TOO_LARGE = 413
_FAULT = 500


class Stopped(Exception):  # noqa: N818 -- not an error: the run is being ended
    """The run ends; this write was not sent."""


@dataclass(frozen=True)
class Outcome:
    """How one write ended, with the error's text and the answer's status."""

    end: End
    note: str = ""
    status: int | None = None

    @property
    def may_have_applied(self) -> bool:
        """Whether the account may have changed."""
        return self.end in ("answered", "lost")

    @property
    def may_still_apply(self) -> bool:
        """Whether it may take effect later: nobody answered who had done with it."""
        is_over = self.status is not None and (self.status == _FAULT or self.status // 100 == 2)  # noqa: PLR2004
        return self.end == "lost" and not is_over


class Sender:
    """Sends writes, once each, for all threads of a run: a 429 to one of them holds up all."""

    def __init__(self) -> None:
        self.stopped = threading.Event()
        self._free_at = 0.0
        self._lock = threading.Lock()
        self._jitter = Random()  # noqa: S311 -- spreads retries, keeps no secret

    def send(self, write: Callable[[], Any], *, protects: bool = False) -> Outcome:
        """Send one write, again only after 429, which says that nothing happened.

        Args:
            write: the call.
            protects: it opts out someone whom this run has just created: it is sent although the run ends.

        Raises:
            Stopped: the run ends.
            AuthenticationError: nothing can be written with these credentials.
            RateLimitedError: the server turned it away for too long.
        """
        for turn in range(1, TURNED_AWAY + 1):
            self._wait(protects=protects)
            try:
                write()
            except RateLimitedError as error:
                asked = getattr(error, "retry_after", None)
                most = LAST_TURNS if protects and self.stopped.is_set() else TURNED_AWAY
                if turn >= most or (asked or 0.0) > LONGEST_RETRY_AFTER:
                    raise
                self._hold(asked, turn)
            except AuthenticationError:
                raise
            except ApiError as error:
                return Outcome(_end(error), _note(error), error.status)
            else:
                return Outcome("answered")
        raise AssertionError("unreachable")  # pragma: no cover

    def _wait(self, *, protects: bool) -> None:
        while True:
            if self.stopped.is_set() and not protects:
                raise Stopped
            with self._lock:
                left = self._free_at - time.monotonic()
            if left <= 0:
                return
            if protects:
                time.sleep(left)
            else:
                self.stopped.wait(left)

    def _hold(self, asked: float | None, turn: int) -> None:
        longest = min(FIRST_WAIT * 2.0**turn, LONGEST_WAIT)
        seconds = self._jitter.uniform(longest / 2, longest) if asked is None else asked
        with self._lock:
            self._free_at = max(self._free_at, time.monotonic() + seconds)


def _end(error: ApiError) -> End:
    if error.may_have_applied:
        return "lost"
    if isinstance(error, ConflictError):
        return "conflict"
    if isinstance(error, NotFoundError):
        return "gone"
    if error.status == _TOO_LARGE:
        return "too large"
    return "refused" if isinstance(error, InvalidRequestError) else "failed"


def _note(error: ApiError) -> str:
    status = "no answer" if error.status is None else str(error.status)
    return f"{status}: {error.message}"
