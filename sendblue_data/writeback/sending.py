"""One write on its way: at the client's pace, and telling what its end means for the rows it carried."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from sendblue_data._api.client import SendblueClient
from sendblue_data._api.retries import Cancelled, Refusals, until
from sendblue_data.errors import (
    ApiError,
    AuthenticationError,
    ConflictError,
    InvalidRequestError,
    NotFoundError,
    RateLimitedError,
)

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
    """Sends writes, once each, for all threads of a run, at the pace of the client."""

    def __init__(self, client: SendblueClient) -> None:
        self.stopped = threading.Event()
        self._pace = client._pace  # noqa: SLF001 -- its other half

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
        refusals = Refusals(self._pace)
        while True:
            if self.stopped.is_set() and not protects:
                raise Stopped
            try:
                with until(None if protects else self.stopped):
                    write()
            except Cancelled:
                if protects or not self.stopped.is_set():
                    raise
                raise Stopped from None
            except RateLimitedError as error:
                refusals.accept(error)
            except AuthenticationError:
                raise
            except ApiError as error:
                return Outcome(_end(error), _note(error), error.status)
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


def _note(error: ApiError) -> str:
    status = "no answer" if error.status is None else str(error.status)
    return f"{status}: {error.message}"
