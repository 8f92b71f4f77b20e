"""A last question before a request leaves: is what it was decided on still true?

A write may wait for its turn (a pace, a 429, a laptop that slept). `leave_only_if` lets whoever sends it have the
last word after that wait, in the thread that sends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_check: ContextVar[Callable[[], None] | None] = ContextVar("sendblue_data_leaving", default=None)


@contextmanager
def leave_only_if(check: Callable[[], None]) -> Iterator[None]:
    """Call `check` before each write that this thread sends within; what it raises keeps the request back."""
    token = _check.set(check)
    try:
        yield
    finally:
        _check.reset(token)


def may_leave() -> None:
    """Ask the check of whoever sends, if there is one; called when the request's turn has come."""
    check = _check.get()
    if check is not None:
        check()
