"""One write: sent at the client's pace, written down before and after, and what its end means for its rows."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sendblue_data._api.retries import Cancelled, Pace, Refusals, cancel_on
from sendblue_data.errors import (
    ApiError,
    AuthenticationError,
    ConflictError,
    InvalidRequestError,
    NotFoundError,
    RateLimitedError,
)
from sendblue_data.writeback.journal import Journal
from sendblue_data.writeback.lookup import StaleError
from sendblue_data.writeback.rows import Row

End = Literal["answered", "lost", "failed", "refused", "conflict", "gone", "too large"]
"""How a write ended: answered well; may have happened (`lost`); did not (`failed`: worth another try;
`refused`: not as it is; `conflict`: 409; `gone`: 404; `too large`: 413)."""
MAX_KEPT_BACK = 40
"""Times in a row that a request is turned away, or waits until what it is based on is old, before the run ends."""
TURNED_AWAY = "the server turns every request away."
"""Why a run can't go on of which each request is kept back."""

_TOO_LARGE = 413
_FAULT = 500


class StillFailingError(Exception):
    """Nothing gets through, or nothing more is to be sent; says what came last."""


class StoppedError(StillFailingError):
    """The run is being ended; this write was not sent."""

    def __init__(self) -> None:
        super().__init__("it was stopped, as asked.")


NOT_SENT = (StoppedError, StaleError, AuthenticationError, RateLimitedError)
"""What is raised in place of a request that had no effect: it was not sent, or was turned away."""


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


KEPT_BACK = Outcome("failed")
"""Of a request that was not sent, since what it was decided on had grown old."""


def send(write: Callable[[], Any], pace: Pace, *stop: threading.Event) -> Outcome:
    """Send one write, again only after 429, which says that nothing happened.

    Args:
        write: the call.
        pace: of its client.
        stop: when one of these is set, it is not sent.

    Raises:
        StoppedError: one of them is.
        AuthenticationError: nothing can be written with these credentials.
        RateLimitedError: the server turned it away for too long.
    """
    refusals = Refusals(pace)
    while True:
        if any(event.is_set() for event in stop):
            raise StoppedError
        try:
            with cancel_on(*stop):
                write()
        except Cancelled:
            if any(event.is_set() for event in stop):
                raise StoppedError from None
            raise
        except RateLimitedError as error:
            refusals.accept(error)
        except AuthenticationError:
            raise
        except ApiError as error:
            status = "no answer" if error.status is None else error.status
            return Outcome(_end(error), f"{status}: {error.message}", error.status)
        else:
            return Outcome("answered")


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


class Attempt:
    """Writes down that a request, or one for each of some rows, is about to leave, and what its end means for them."""

    def __init__(self, journal: Journal, kind: str, rows: list[Row], *, is_main: bool = True) -> None:
        self._journal = journal
        self._rows = rows
        self._before = [(row.sent, row.sent_at, row.left_at) for row in rows]
        for row in rows:
            row.sent, row.answered, row.asked, row.echo = True, False, (), None
            row.note_sent()
            row.unanswered += 1
        self._request_id = journal.sending(kind, rows, is_main=is_main)

    def end(
        self, outcomes: Sequence[Outcome], after: Callable[[Row, Outcome], None] = lambda _row, _outcome: None
    ) -> None:
        """Write down how it ended, one outcome a row; `after` draws more from it before that."""
        for row, (was_sent, *were_sent), outcome in zip(self._rows, self._before, outcomes, strict=True):
            row.sent = was_sent or outcome.may_have_applied
            row.answered = outcome.end == "answered"
            if outcome.may_still_apply:
                row.note_sent()  # the silence begins when it was given up
            else:
                row.unanswered -= 1
                row.sent_at, row.left_at = were_sent
            if outcome.note:
                row.last_error = outcome.note
            after(row, outcome)
        self._journal.answered(self._request_id, *worst_of(outcomes), self._rows)


def not_sent(error: BaseException | None) -> Outcome:
    """Return the outcome of a request that was not sent."""
    if isinstance(error, StaleError):
        return KEPT_BACK
    return Outcome("failed", str(error or "") or "not sent: the run was stopped")


def worst_of(outcomes: Sequence[Outcome]) -> tuple[str, str]:
    """Return one state, and one note, of calls that were written down together: the worst, for whoever reads it."""
    for state in ("lost", "answered"):
        for outcome in outcomes:
            if outcome.end == state:
                return state, outcome.note
    return "refused", outcomes[0].note if outcomes else "not sent"
