"""Waiting for what other threads read, and breaking it off."""

from __future__ import annotations

from collections.abc import Callable, Collection
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar

AWAKE_EVERY = 0.2
"""Seconds after which a waiting thread checks again."""
Answer = TypeVar("Answer")


def result(future: Future[Answer]) -> Answer:
    """Wait for an answer, and notice Ctrl-C where the system would not wake a waiting thread for it."""
    while not future.done():
        wait([future], timeout=AWAKE_EVERY)
    return future.result()


def break_off(
    pool: ThreadPoolExecutor, under_way: Collection[Future[Any]], abort: Callable[[], None]
) -> None:
    """Begin nothing more, abort what is under way, and wait until no thread works on any of it.

    Args:
        pool: is shut down.
        under_way: shrinks while threads end.
        abort: breaks off every connection that is open.
    """
    pool.shutdown(wait=False, cancel_futures=True)
    # A connection that was being opened can be broken only once it is open, so: again until all are done.
    while True:
        abort()
        if not wait(set(under_way), timeout=AWAKE_EVERY).not_done:
            break
