"""The family of errors: everything this package raises on purpose is a `SendblueError`.

Leaves also subclass the builtin that a caller would reach for (`ValueError`, `LookupError`, ...), and each
message says what was found, what was expected, and what to do about it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sendblue_data._tracebacks import short_traceback

if TYPE_CHECKING:
    import polars as pl


class SendblueError(Exception):
    """Root of every error that `sendblue_data` raises on purpose. All are picklable.

    Example:
        >>> from sendblue_data import SendblueClient
        >>> try:
        ...     SendblueClient(api_key=" ", api_secret="made-up")
        ... except SendblueError as error:
        ...     print(error)
        No api_key: pass api_key=, or set SENDBLUE_API_API_KEY in the environment.
    """

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle with all attributes, whatever the keyword arguments were."""
        return (_rebuilt, (type(self), self.args, self.__dict__.copy()))

    _render_traceback_ = short_traceback
    """Asked by IPython, if it is there."""


def full_tracebacks(on: bool = True) -> None:
    """Show the whole traceback of this package's errors in a notebook, for a bug report; or one line of your own again.

    Args:
        on: False for the short form, which is what a notebook shows until this is called.

    Example:
        >>> full_tracebacks()
        >>> full_tracebacks(False)
    """
    if on and hasattr(SendblueError, "_render_traceback_"):
        del SendblueError._render_traceback_
    elif not on:
        SendblueError._render_traceback_ = short_traceback


def _rebuilt(cls: type[SendblueError], args: tuple[object, ...], state: dict[str, object]) -> SendblueError:
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class ConfigurationError(SendblueError, ValueError):
    """A client, sandbox or command was set up in a way that can't work (no key, plain http, a bad option)."""


class FrameError(SendblueError, ValueError):
    """A frame that the caller brought lacks a column, or holds a value that can't be used.

    The message names the column, the row (counted from 0) and the remedy.
    """


class SegmentError(SendblueError, ValueError):
    """A segment that can't be built, described, saved or read: the message names the value and the remedy."""


class UnknownSegmentError(SegmentError, KeyError):
    """A segments file has no segment of this name: the message names those that it has."""

    __str__ = Exception.__str__  # KeyError's would put the message in quotes


class MissingExtraError(SendblueError, ImportError):
    """A part of the package that needs an optional dependency, which is not installed."""


class ApiError(SendblueError):
    """A request that did not end well.

    Attributes:
        method: HTTP method, such as `"GET"`.
        path: path on the server, without host, query or key.
        status: HTTP status, or None when no answer came.
        message: what the server said, or what happened to the connection.
        remedy: what to do next, in one sentence.
        may_have_applied: True when this was a write whose answer was lost, so that the account may or may
            not have changed. Ask the account before repeating it.
        cut_short: True when the answer began well and ended too early.
        retry_after: seconds that the server asks to wait, or None when it did not say.
    """

    retry_after: float | None = None
    remedy = "Read the server's message; it names what it refused."

    def __init__(
        self,
        message: str,
        *,
        method: str,
        path: str,
        status: int | None = None,
        remedy: str | None = None,
        may_have_applied: bool = False,
        cut_short: bool = False,
    ) -> None:
        self.method = method
        self.path = path
        self.status = status
        self.message = message
        self.remedy = remedy or type(self).remedy
        self.may_have_applied = may_have_applied
        self.cut_short = cut_short
        super().__init__(message)

    def __str__(self) -> str:
        answer = "no answer" if self.status is None else f"status {self.status}"
        said = self.message if self.message.endswith((".", "!", "?")) else f"{self.message}."
        text = f"{self.method} {self.path}: {answer}: {said} {self.remedy}"
        if self.may_have_applied:
            text += " The write may have happened all the same: ask the account before repeating it."
        return text


class AuthenticationError(ApiError, PermissionError):
    """401 or 403: the key or the secret is wrong, or not allowed to do this."""

    remedy = "Check SENDBLUE_API_API_KEY and SENDBLUE_API_API_SECRET (or api_key= and api_secret=)."
    # PermissionError's own __str__ prints errno; ours comes first in the MRO.


class BlockedError(ApiError, PermissionError):
    """A CDN or firewall before the service stopped the request; the API has not seen it, nor judged the key."""

    remedy = "Try again later or from another network, and give the ray id to Sendblue's support."


class NotFoundError(ApiError, LookupError):
    """404: no such contact, or no such path on this server."""

    remedy = "Check that the number is in E.164 form (+15551234567) and in this account."


class ConflictError(ApiError, ValueError):
    """409: the contact exists already."""

    remedy = "Update the contact instead, or pass update_if_exists=True."


class InvalidRequestError(ApiError, ValueError):
    """400, 413 or 422: a field is missing or a value is not accepted."""

    remedy = "Correct the field that the message names and send the request again."


class RateLimitedError(ApiError):
    """429, and nothing else for so long that it was given up. Nothing happened: the request was turned away."""

    remedy = "Wait, or lower requests_per_second= on the client."

    def __init__(
        self, message: str, *, status: int | None = 429, retry_after: float | None = None, **details: Any
    ) -> None:
        super().__init__(message, status=status, **details)
        self.retry_after = retry_after


class ServerFaultError(ApiError):
    """5xx, still after the retries that are allowed."""

    remedy = "The service is at fault; try again later."


class ConnectionFailedError(ApiError, ConnectionError):
    """No connection, no answer in time, or an answer that was cut short."""

    remedy = "Check the network and base_url, then try again."


class UnexpectedAnswerError(ApiError, ValueError):
    """An answer that is not what the API promises: HTML, an error with status 200, a number for a phone.

    Attributes:
        field: the contact's field that is wrong, or None when the whole answer is.
        row: position of the contact in the answer, counted from 0, or None.
    """

    remedy = "Check that base_url is Sendblue's (or a sandbox's) and that no proxy rewrites answers."

    def __init__(
        self, message: str, *, field: str | None = None, row: int | None = None, **details: Any
    ) -> None:
        super().__init__(message, **details)
        self.field = field
        self.row = row


class IncompletePullError(SendblueError, RuntimeError):
    """A pull that can't show that every contact, or every message, is in its frame.

    Attributes:
        frame: the contacts or messages that did arrive, each once.
        expected: how many the account counts.
        missing: how many of them are not in `frame`, at least.
    """

    def __init__(self, message: str, *, frame: pl.DataFrame, expected: int, missing: int) -> None:
        self.frame = frame
        self.expected = expected
        self.missing = missing
        super().__init__(message)


class WriteRefusedError(SendblueError, ValueError):
    """A write that was not begun, since a guard stands before it: nothing was sent."""


class AccountMovedError(SendblueError, RuntimeError):
    """The account is not as it was when the plan was made. Nothing was sent: plan again."""


class JournalError(SendblueError, RuntimeError):
    """A run's journal can't be used: missing, damaged, foreign, of another account, or in use."""


class WrongAccountError(SendblueError, ValueError):
    """A run, a journal, a ledger or a history of another account."""


class LedgerError(JournalError):
    """The record of opt-outs can't be read or written: nobody is created or texted without it."""


class WriteInterruptedError(SendblueError, RuntimeError):
    """A run that could not go on. What was done is kept; `resume_run(client, run_id)` goes on from there.

    Of an undo that was cut off while it waited for the run's own requests, `undo_run(client, run_id)` does.

    Attributes:
        run_id: the run to go on with.
        result: the `WriteResult` as far as it is known.
    """

    def __init__(self, message: str, *, run_id: str, result: Any) -> None:
        self.run_id = run_id
        self.result = result
        super().__init__(message)


class WriteIncompleteError(SendblueError, RuntimeError):
    """A run that ended with rows invalid, rejected or unknown, where `raise_on_errors=True` was asked for.

    Attributes:
        result: the `WriteResult`, with the outcome of every row.
    """

    def __init__(self, message: str, *, result: Any) -> None:
        self.result = result
        super().__init__(message)


class FileNotWrittenError(SendblueError, OSError):
    """An export or a history can't be written: a full disk, most often. What was there before is still there."""


class HistoryConflictError(SendblueError, RuntimeError):
    """Another writer recorded to the same history at the same time, and won; this write changed nothing."""


class HistoryRangeError(SendblueError, LookupError):
    """The history holds nothing that old, or nothing at all."""


class HistoryUnreadableError(SendblueError, OSError):
    """A history that is there and can't be read: a file of it is damaged or missing, or its place is out of reach."""


class SnapshotRefusedError(SendblueError, ValueError):
    """A pull that would make the history say something that did not happen.

    Attributes:
        reason: `"incomplete"`, `"shrunk"` or `"out of order"`.
    """

    def __init__(self, message: str, *, reason: str) -> None:
        self.reason = reason
        super().__init__(message)


class UnknownNameWarning(UserWarning):
    """A segment asks for a tag or a custom variable that no contact of the frame has: misspelt, most often."""


class NewFieldWarning(UserWarning):
    """The API sent a contact field that this version does not know; it is ignored."""


class UnprovenPullWarning(UserWarning):
    """Nothing is known to be missing from a pull, but what hides from every list can't be ruled out."""


class RepairedFieldWarning(UserWarning):
    """The API sent a contact's field that can't be read; it is null in the frame."""


class RepeatedContactWarning(UserWarning):
    """A frame has a contact twice, and what is made of the frame counts it twice: the message names the rows."""


class JournalWarning(UserWarning):
    """Opt-outs are not known here: a journal could not be read, or may be of this account under another key."""
