"""The terminal of a command: lines for errors and warnings, streams that may be closed, and signals."""

from __future__ import annotations

import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from pathlib import Path
from types import FrameType
from typing import NoReturn

from sendblue_data._shared.text import one_line

_SIGNALLED = 128
"""What shells add to the number of the signal that ended a process."""


def say(words: str) -> None:
    """Write a line to stderr."""
    sys.stderr.write(f"sendblue-data: {words}\n")


def say_error(error: BaseException) -> None:
    """Write an error to stderr, as one line."""
    say(one_line(str(error)) or type(error).__name__)


@contextmanager
def tolerant_streams() -> Iterator[None]:
    """Discard output to a stream that the shell closed, and replace what an ASCII terminal can't show.

    Streams are line-buffered, into a pipe too: a pull takes minutes, and a closed pipe is noticed.
    """
    changed: list[tuple[TextIOWrapper, str | None, bool]] = []
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 -- till the end
        elif isinstance(stream, TextIOWrapper):
            with suppress(ValueError):  # detached from what is below it
                changed.append((stream, stream.errors, stream.line_buffering))
                stream.reconfigure(errors="replace", line_buffering=True)
    try:
        yield
    finally:
        for stream, errors, line_buffering in changed:
            with suppress(ValueError):
                stream.reconfigure(errors=errors, line_buffering=line_buffering)


@contextmanager
def short_warnings() -> Iterator[None]:
    """Write a warning as a line of its own, without the path and source line that mean nothing to a user."""

    def write(message: Warning | str, *_where: object) -> None:
        say(f"warning: {one_line(str(message))}")

    with warnings.catch_warnings():
        warnings.showwarning = write  # type: ignore[assignment]
        yield


@contextmanager
def exit_on_signals() -> Iterator[None]:
    """Turn SIGTERM (cron's, a container's) and SIGHUP (a terminal that is closed) into an exit that cleans up.

    No temporary file stays behind. Where SIGHUP is ignored, as by nohup, it stays so.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    polite = [signal.SIGTERM]
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        polite.append(signal.SIGHUP)
    before = {number: signal.signal(number, _leave) for number in polite}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _leave(number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(_SIGNALLED + number)
