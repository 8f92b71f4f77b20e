"""Faults that hit requests by their number, so that a run can be repeated."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, get_args

from sendblue_data.errors import ConfigurationError
from sendblue_data.sandbox.switches import check_choices, check_seconds

FaultName = Literal[
    "429",
    "500",
    "503",
    "cdn",
    "reset",
    "late",
    "reset_after",
    "500_after",
    "odd_status",
    "empty_200",
    "cut",
    "error_200",
]
"""Kinds of fault, under the names that `Faults.at` takes."""

_ODD_STATUSES = range(101, 400)


class _Line(NamedTuple):
    method: str
    path: str
    status: int


class LoggedRequest(_Line):
    """One request of `Sandbox.request_log`: `method, path, status`, where status 0 means no answer.

    Attributes:
        query: the query's parameters.
        fault: the fault that hit it, or None.
        body: its body, where `Faults.meddle` is called with it; the log keeps none.
    """

    query: Mapping[str, str]
    fault: str | None = None
    body: bytes = b""


@dataclass(kw_only=True)
class Faults:
    """Faults, the same in each run: requests are counted, and every N-th one is hit.

    Counted are the requests with good credentials that `only` names. Where two faults fall on one request,
    the rarer one happens, so that each kind has its turn.

    Attributes:
        latency: seconds from a request's arrival to its answer; requests in flight wait side by side.
        every_429: every N-th answer is 429, and nothing happens; 0 for never, as below.
        retry_after: seconds that such a 429 (or 503) asks to wait, or None to say nothing. The standard has
            whole seconds; a fraction is sent as it is.
        every_500: every N-th answer is 500, and nothing happens.
        every_503: every N-th answer is 503 with `Retry-After` (1 second where `retry_after` is None), and
            nothing happens.
        every_cdn: every N-th answer is a CDN's HTML page with `cdn_status`, and nothing happens.
        cdn_status: 403, 429, 502, or 520 to 526.
        every_reset: the connection is reset before anything happens.
        every_late: the connection is reset at once, and the request takes effect `late_by` seconds later.
            `Sandbox.settle` waits for it; what has not landed when the sandbox closes is lost.
        late_by: seconds.
        every_reset_after: the request takes effect, then the connection is reset.
        every_500_after: the request takes effect, then the answer is 500.
        every_odd_status: the request takes effect, and the answer is `odd_status` without a body.
        odd_status: a status that is no answer, 101 to 399, such as 103 or 302.
        every_empty_200: the request takes effect, and the answer is 200 without a body.
        every_cut: the request takes effect, and half of the answer's body arrives.
        every_error_200: the answer is `{"status": "ERROR", ...}` with status 200, and nothing happens.
        only: which requests are counted and hit: `"all"`, `"reads"` (GET) or `"writes"`.
        at: faults by number of the request, counted from 1 in the same way, such as `{3: "reset_after"}`.
        churn: contacts created and deleted at each list request: a number of each (a fraction gathers: 0.1 is
            one at every tenth list), or a function that is called with the sandbox.
        message_churn: messages that arrive at each list of messages; as many of the newest change their status. A
            fraction gathers.
        meddle: called with the sandbox and the request before each request is served, as others who work in
            the account meanwhile. The request has `method`, `path`, `query` and `body`; its `status` is 0. It
            runs in the server's thread, so it uses the sandbox's own methods (`edit`, `opt_out`, ...): a
            client would wait for an answer that can't come.
    """

    latency: float = 0.0
    every_429: int = 0
    retry_after: float | None = None
    every_500: int = 0
    every_503: int = 0
    every_cdn: int = 0
    cdn_status: Literal[403, 429, 502, 520, 521, 522, 523, 524, 525, 526] = 403
    every_reset: int = 0
    every_late: int = 0
    late_by: float = 1.0
    every_reset_after: int = 0
    every_500_after: int = 0
    every_odd_status: int = 0
    odd_status: int = 103
    every_empty_200: int = 0
    every_cut: int = 0
    every_error_200: int = 0
    only: Literal["all", "reads", "writes"] = "all"
    at: Mapping[int, FaultName] = field(default_factory=dict)
    churn: float | Callable[[Any], object] = 0.0
    message_churn: float = 0.0
    meddle: Callable[[Any, LoggedRequest], object] | None = None

    def __post_init__(self) -> None:
        check_choices(self)
        check_seconds(self, "latency", "late_by", "message_churn")
        for name, value in self._periods().items():
            if value < 0:
                raise ConfigurationError(f"every_{name} is {value}; expected 0 (never) or more.")
        if self.odd_status not in _ODD_STATUSES:
            raise ConfigurationError(f"odd_status is {self.odd_status}; expected 101 to 399.")
        kinds = get_args(FaultName)
        if wrong := [kind for kind in self.at.values() if kind not in kinds]:
            raise ConfigurationError(f"at names the fault {wrong[0]!r}; expected one of {', '.join(kinds)}.")

    def _periods(self) -> dict[FaultName, int]:
        return {kind: getattr(self, f"every_{kind}") for kind in get_args(FaultName)}

    def hit(self, number: int) -> FaultName | None:
        """Name the fault that falls on the request of this number, counted from 1; None for none.

        Example:
            >>> faults = Faults(every_429=2, every_reset=4)
            >>> [faults.hit(number) for number in range(1, 6)]
            [None, '429', None, 'reset', None]
        """
        if number in self.at:
            return self.at[number]
        periods = self._periods()
        due = [kind for kind, every in periods.items() if every and number % every == 0]
        return max(due, key=periods.__getitem__, default=None)
