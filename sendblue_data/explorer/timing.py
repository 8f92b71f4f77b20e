"""When things happen: typing that settles down first, and work beside the kernel's own thread."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
_POLL_SECONDS = 0.02
"""Between two checks for something handed over."""


class Debounced:
    """Calls a function once after the last of several requests. Without an event loop, at once.

    Args:
        call: what to do in the end.
        seconds: how long to wait for another request.
    """

    def __init__(self, call: Callable[[], object], seconds: float) -> None:
        self._call = call
        self._seconds = seconds
        self._waiting: asyncio.TimerHandle | None = None

    def __call__(self) -> None:
        """Ask for the call."""
        self.cancel()
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # a script or a test: nothing would ever wake us
            self._call()
            return
        self._waiting = loop.call_later(self._seconds, self._call)

    def cancel(self) -> None:
        """Take back what was asked for and has not been done."""
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None


class Background:
    """Runs one thing at a time in a thread, so that the kernel goes on hearing clicks.

    Results are handed over in the kernel's own thread where it runs an event loop, and otherwise in the
    background thread.
    """

    def __init__(self) -> None:
        self._over = threading.Event()
        self._over.set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._handed: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()

    def start(
        self, work: Callable[[], T], done: Callable[[T], object], failed: Callable[[Exception], object]
    ) -> None:
        """Begin; `done` or `failed` is called at the end."""
        try:
            self._loop = asyncio.get_running_loop()
        except RuntimeError:
            self._loop = None
        self._over.clear()

        def run() -> None:
            try:
                answer = work()
            except Exception as error:  # noqa: BLE001 -- whatever it is, the person is to see it
                self.post(self._finishing(failed, error))
            else:
                self.post(self._finishing(done, answer))

        threading.Thread(target=run, name="sendblue-explorer", daemon=True).start()

    def post(self, call: Callable[[], object]) -> None:
        """Do something in the kernel's own thread."""
        if self._loop is None:
            call()
            return
        self._handed.put(call)
        self._loop.call_soon_threadsafe(self._take)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until what was begun is over and handed over; False when that takes longer than `timeout`.

        A notebook's cell that waits keeps the event loop from handing anything over, so this does it.
        """
        until = time.monotonic() + (float("inf") if timeout is None else timeout)
        while not self._over.wait(_POLL_SECONDS) and time.monotonic() < until:
            self._take()
        self._take()
        return self._over.is_set()

    def _take(self) -> None:
        while not self._handed.empty():
            self._handed.get_nowait()()

    def _finishing(self, call: Callable[[T], object], value: T) -> Callable[[], None]:
        def finish() -> None:
            try:
                call(value)
            finally:
                self._over.set()

        return finish
