"""Waiting for what other threads read."""

from __future__ import annotations

from concurrent.futures import Future, wait
from typing import TypeVar

AWAKE_EVERY = 0.2
"""Seconds after which a waiting thread checks again."""
Answer = TypeVar("Answer")


def result(future: Future[Answer]) -> Answer:
    """Wait for an answer, and notice Ctrl-C where the system would not wake a waiting thread for it."""
    while not future.done():
        wait([future], timeout=AWAKE_EVERY)
    return future.result()
