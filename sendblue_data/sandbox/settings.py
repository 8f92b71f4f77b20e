"""What a sandbox can be told: switches for what the API leaves unsaid, and faults to live through."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin, get_type_hints

from sendblue_data.errors import ConfigurationError

if TYPE_CHECKING:
    from sendblue_data.sandbox.sandbox import Sandbox

FaultName = Literal["429", "500", "reset", "reset_after", "500_after", "cut", "error_200"]
"""Kinds of fault, under the names that `Faults.at` takes."""


@dataclass(kw_only=True)
class Switches:
    """Each thing that the API's description leaves unsaid, as a choice. The first value is the default.

    Attributes:
        on_duplicate: what a bulk create does with a phone that exists: `"skip"` it, `"update"` the contact
            with the fields given, or `"reject"` the whole request with 409.
        invalid_row: one invalid row of a bulk create: `"reject"` fails the request with 400, `"skip"` leaves
            the row out.
        bulk_answer: a bulk create answers with `"all"` contacts of the request, or only the `"new"` ones.
        max_bulk: most rows that a bulk create or delete takes; None for any number.
        max_bulk_status: the status that refuses a larger request, 413 or 400.
        delete_amount: `amount` of a bulk delete counts the phones that were `"existing"`, or `"all"` of the
            request.
        offset_past_cap: an offset above 10,000 is `"clamp"`ed to 10,000 or `"refuse"`d with 400.
        timestamps: digits of `created_at` in answers, `"us"`, `"ms"` or `"s"`, cut off, not rounded. The
            store keeps, sorts and filters by microseconds.
        remember_opt_outs: a deleted contact's opt-out lives on, and holds when the contact is created again.
        rate_limit: requests a second, above which the answer is 429; None for no limit.
        retry_after: a 429 of the rate limit carries `Retry-After`.
        honour_order: False ignores `order_by` and `order_direction` and lists in order of insertion.
        sort_nulls: contacts without a value in the field sorted by come `"first"` or `"last"`, in either
            direction.
        ties: contacts equal in the field sorted by keep their order of insertion (`"stable"`), or come in
            another order at each request (`"shuffled"`), as a database without a tie-breaker may answer.
        default_order: a list without `order_by` has the `"newest"` first, or the order they were
            `"inserted"` in.
        list_contact_id: lists carry `contact_id`.
        opt_out_unknown: an opt-out for a number that no contact has is kept (`"accept"`) or `"refuse"`d, 404.
        verify_marks: a verification marks its contact verified at once, as if the person had answered.
        rewrite: called with method, path and the body of each 2xx answer; returns the body to send. For
            answers that break the API's promises.
    """

    on_duplicate: Literal["skip", "update", "reject"] = "skip"
    invalid_row: Literal["reject", "skip"] = "reject"
    bulk_answer: Literal["all", "new"] = "all"
    max_bulk: int | None = None
    max_bulk_status: Literal[413, 400] = 413
    delete_amount: Literal["existing", "all"] = "existing"
    offset_past_cap: Literal["clamp", "refuse"] = "clamp"
    timestamps: Literal["us", "ms", "s"] = "us"
    remember_opt_outs: bool = True
    rate_limit: float | None = None
    retry_after: bool = True
    honour_order: bool = True
    sort_nulls: Literal["first", "last"] = "first"
    ties: Literal["stable", "shuffled"] = "stable"
    default_order: Literal["newest", "inserted"] = "newest"
    list_contact_id: bool = True
    opt_out_unknown: Literal["accept", "refuse"] = "accept"
    verify_marks: bool = False
    rewrite: Callable[[str, str, bytes], bytes] | None = None

    def __post_init__(self) -> None:
        _check_choices(self)
        if self.max_bulk is not None and self.max_bulk < 1:
            raise ConfigurationError(f"max_bulk is {self.max_bulk}; expected None or at least 1.")
        if self.rate_limit is not None and not (self.rate_limit > 0 and math.isfinite(self.rate_limit)):
            raise ConfigurationError(f"rate_limit is {self.rate_limit}; expected None or more than 0.")


@dataclass(kw_only=True)
class Faults:
    """Faults to live through, the same in each run: requests are counted, and every N-th one is hit.

    Counted are the requests with good credentials that `only` names. Where two faults fall on one request,
    the rarer one happens, so that each kind has its turn.

    Attributes:
        latency: seconds from a request's arrival to its answer; requests in flight wait side by side.
        every_429: every N-th answer is 429, and nothing happens; 0 for never, as below.
        retry_after: seconds that such a 429 asks to wait, or None to say nothing. The standard has whole
            seconds; a fraction is sent as it is.
        every_500: every N-th answer is 500, and nothing happens.
        every_reset: the connection is reset before anything happens.
        every_reset_after: the request takes effect, then the connection is reset.
        every_500_after: the request takes effect, then the answer is 500.
        every_cut: the request takes effect, and half of the answer's body arrives.
        every_error_200: the answer is `{"status": "ERROR", ...}` with status 200, and nothing happens.
        only: which requests are counted and hit: `"all"`, `"reads"` (GET) or `"writes"`.
        at: faults by number of the request, counted from 1 in the same way, such as `{3: "reset_after"}`.
        churn: contacts created and deleted at each list request: a number of each (a fraction gathers: 0.1 is
            one at every tenth list), or a function that is called with the sandbox.
    """

    latency: float = 0.0
    every_429: int = 0
    retry_after: float | None = None
    every_500: int = 0
    every_reset: int = 0
    every_reset_after: int = 0
    every_500_after: int = 0
    every_cut: int = 0
    every_error_200: int = 0
    only: Literal["all", "reads", "writes"] = "all"
    at: Mapping[int, FaultName] = field(default_factory=dict)
    churn: float | Callable[[Sandbox], object] = 0.0

    def __post_init__(self) -> None:
        _check_choices(self)
        for name, value in self._periods().items():
            if value < 0:
                raise ConfigurationError(f"every_{name} is {value}; expected 0 (never) or more.")
        if not 0 <= self.latency < math.inf:
            raise ConfigurationError(f"latency is {self.latency}; expected seconds, 0 or more.")
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


def changed(switches: Switches, faults: Faults, changes: Mapping[str, Any]) -> tuple[Switches, Faults]:
    """Give switches and faults with some of them changed, each under its own name.

    `retry_after` belongs to both: a boolean is the switch, a number or None the fault.

    Raises:
        ConfigurationError: a name is neither a switch nor a fault, or a value is not one it takes.
    """
    ours = {item.name: getattr(switches, item.name) for item in fields(Switches)}
    theirs = {item.name: getattr(faults, item.name) for item in fields(Faults)}
    for name, value in changes.items():
        if name in ours and not (name == "retry_after" and not isinstance(value, bool)):
            ours[name] = value
        elif name in theirs:
            theirs[name] = value
        else:
            known = sorted({*ours, *theirs})
            close = get_close_matches(name, known, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else f" Known: {', '.join(known)}."
            raise ConfigurationError(f"A sandbox has no switch {name!r}.{hint}")
    return Switches(**ours), Faults(**theirs)


def _check_choices(settings: Switches | Faults) -> None:
    """Refuse a value that is not among those its field names, since a misspelt switch would test nothing."""
    hints = get_type_hints(type(settings), localns={"Sandbox": object})
    for name, hint in hints.items():
        value = getattr(settings, name)
        if get_origin(hint) is Literal and value not in get_args(hint):
            choices = ", ".join(repr(choice) for choice in get_args(hint))
            raise ConfigurationError(f"{name} is {value!r}; expected one of {choices}.")
        if hint is bool and not isinstance(value, bool):
            raise ConfigurationError(f"{name} is {value!r}; expected True or False.")
