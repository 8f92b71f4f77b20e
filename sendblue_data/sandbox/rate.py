"""The account's rate limit."""

from __future__ import annotations

import math
from collections import deque
from time import monotonic

from sendblue_data.sandbox.switches import Switches


class RequestQuota:
    """Counts requests in a window, sliding or fixed, and says how long those above the limit have to wait."""

    def __init__(self) -> None:
        self._started = monotonic()
        self._recent: deque[float] = deque()

    def wait(self, switches: Switches) -> float | None:
        """Return the seconds until the limit lets a request through; None when it does now."""
        limit = switches.rate_limit
        if limit is None:
            return None
        now = monotonic()
        window = switches.rate_window * max(1.0, 1 / limit)
        allowed = max(1, math.floor(limit))
        fixed = switches.rate_kind == "fixed"
        begun = self._started + (now - self._started) // window * window if fixed else now - window
        while self._recent and (self._recent[0] < begun if fixed else self._recent[0] <= begun):
            self._recent.popleft()
        refused = len(self._recent) >= allowed
        # In a sliding window a place is free once all but `allowed - 1` of the requests have left it.
        free = (begun if fixed else self._recent[-allowed]) + window if refused else now
        if switches.refused_count or not refused:
            self._recent.append(now)
        return free - now if refused else None
