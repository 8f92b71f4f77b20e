"""One request, or one for each of some rows, as the journal knows it: before it leaves and after it ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from sendblue_data.errors import AuthenticationError, RateLimitedError
from sendblue_data.writeback.journal import Journal
from sendblue_data.writeback.lookout import StaleError
from sendblue_data.writeback.rows import Row
from sendblue_data.writeback.sending import Outcome, Stopped

NOT_SENT = (Stopped, StaleError, AuthenticationError, RateLimitedError)
"""What is raised in place of a request that had no effect: it was not sent, or was turned away."""
KEPT_BACK = Outcome("failed")
"""Of a request that was not sent, since the look that it was decided on had grown old."""


MOST_TURNS = 40
"""Times in a row that a request is turned away, or waits until its look is old, before the run is interrupted."""
TURNED_AWAY = "the server turns every request away."
"""Why a run can't go on of which each request is kept back."""


class StillFailingError(Exception):
    """Nothing gets through, or nothing more is to be sent; says what came last."""


class Attempt:
    """Writes down that a request is about to leave for rows, and what its end means for them."""

    def __init__(self, journal: Journal, kind: str, rows: list[Row], *, is_main: bool = True) -> None:
        self._journal = journal
        self._rows = rows
        self._before = [(row.sent, row.sent_at) for row in rows]
        for row in rows:
            row.sent, row.answered, row.asked, row.echo = True, False, (), None
            row.sent_at = time.time()
            row.unanswered += 1
        self._request_id = journal.sending(kind, rows, is_main=is_main)

    def ended(
        self, outcomes: Sequence[Outcome], after: Callable[[Row, Outcome], None] = lambda _row, _outcome: None
    ) -> None:
        """Write down how it ended, one outcome a row; `after` draws more from it before that."""
        for row, (was_sent, sent_at), outcome in zip(self._rows, self._before, outcomes, strict=True):
            row.sent = was_sent or outcome.may_have_applied
            row.answered = outcome.end == "answered"
            if outcome.may_still_apply:
                row.sent_at = time.time()  # the silence begins when it was given up
            else:
                row.unanswered -= 1
                row.sent_at = sent_at
            if outcome.note:
                row.last_error = outcome.note
            after(row, outcome)
        self._journal.answered(self._request_id, *ended(outcomes), self._rows)


def not_sent(error: BaseException | None) -> Outcome:
    """Return the outcome of a request that was not sent."""
    if isinstance(error, StaleError):
        return KEPT_BACK
    return Outcome("failed", str(error or "") or "not sent: the run was stopped")


def ended(outcomes: Sequence[Outcome]) -> tuple[str, str]:
    """Return one state, and one note, of calls that were written down together: the worst, for whoever reads it."""
    for state in ("lost", "answered"):
        for outcome in outcomes:
            if outcome.end == state:
                return state, outcome.note
    return "refused", outcomes[0].note if outcomes else "not sent"
