"""Servers that limit the rate, and clients of eight threads, on a clock of their own: a minute takes milliseconds."""

import heapq
import math
from collections import deque
from itertools import count


class LimitedServer:
    """Takes so many requests in so many seconds: in a window that slides, or in fixed ones, from the first request on."""

    def __init__(self, requests, seconds, *, slides=True, says=None):
        self._requests, self._seconds, self._slides = requests, seconds, slides
        self._says = says or (lambda _: None)
        self._taken = deque()

    def refusal(self, now):
        """Give what a refused request is told, as a tuple; None for one that is taken."""
        if self._slides:
            while self._taken and self._taken[0] <= now - self._seconds:
                self._taken.popleft()
        elif self._taken and self._taken[0] <= now - self._seconds:
            self._taken.clear()
        if len(self._taken) >= self._requests:
            return (self._says(self._taken[0] + self._seconds - now),)
        self._taken.append(now)
        return None


SAYS = {"nothing": None, "whole seconds": math.ceil, "seconds": lambda left: left}


def run(limit, server, wanted, *, latency, random, threads=8):
    """Send requests until so many are taken; give the seconds and the refusals."""
    now, under_way, order, refusals, taken = 1_000.0, [], count(), 0, 0
    while taken < wanted:
        if len(under_way) < min(threads, wanted - taken) and limit.seconds_left(now) <= 0:
            arrives = now + latency / 2 * random.uniform(0.8, 1.2)
            heapq.heappush(under_way, (arrives, next(order), limit.start(now), "arrives"))
            continue
        waits = len(under_way) < min(threads, wanted - taken)
        next_start = now + max(1e-3, limit.seconds_left(now)) if waits else math.inf
        if not under_way or next_start < under_way[0][0]:
            now = next_start
            continue
        now, _, turn, what = heapq.heappop(under_way)
        if what == "arrives":
            told = server.refusal(now)
            heapq.heappush(under_way, (now + latency / 2, next(order), turn, told or "taken"))
        elif what == "taken":
            limit.accepted(turn, now)
            taken += 1
        else:
            limit.refused(turn, now, *what)
            refusals += 1
    return now - 1_000.0, refusals
