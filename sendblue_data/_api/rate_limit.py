"""When a request may start: by the documented limit, or the one learnt from refusals. Has no threads and no clock.

A limit is a number of starts in any window of some seconds, which obeys a server that counts in fixed windows too.
`RateLimit` is asked before each request and told of each answer; `retries.Pace` does the waiting.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

FIRST_PROBE = 0.1
"""Seconds after a refusal without `Retry-After` until one request is sent as a probe."""
LONGEST_PROBE = 20.0
"""Seconds between two probes, once the longest of `WINDOWS` has passed."""
WINDOWS = (0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 15.0, 20.0, 30.0, 60.0)
"""Seconds that servers count in, most often."""
_ALONE = 5.0
"""Seconds for which the others wait for the answer to one request, at most."""
_ON_ITS_WAY = 0.05
"""Share of a window that a request may take to reach the server; its answer tells when it was there at the latest."""
_FEW = 5
"""Fewer requests before a refusal say nothing about a limit, nor do fewer than one a second: then it is likely that the
server takes nobody's for a while. Unless the refusal before it came as soon."""
_MANY = 50
"""Requests taken in a row, after which such a refusal is forgotten."""
_WIDER = 1.05
_IN_VAIN = 6
"""Times in a row that a limit was changed and refused again before `_MANY` requests passed: the server counts nothing
that could be kept to, so each of its refusals is waited out and no more."""
_FIRST_TRY = 200
"""Requests that are accepted, at least, before one beyond a limit that was learnt is tried."""


class Limit(NamedTuple):
    """At most this many requests in any window of this many seconds."""

    requests: int
    seconds: float


DOCUMENTED = Limit(100, 10.0)
"""Source: the vendor's SDK 1.33.0, of `messages.list`; of contacts nobody says anything."""


_CROSSED_WITH_CARE = (10, 20, 50, DOCUMENTED.requests)
"""Requests within the documented window after which others wait for the next one's answer, where no limit is known:
many servers refuse there, and would refuse all that are under way."""


@dataclass(slots=True, eq=False)
class Turn:
    """One request: when it started and ended, and whether the server took it."""

    start: float
    end: float | None = None
    is_accepted: bool = False


class _Refusal:
    """What is known of a limit between a refusal and the first request that passes."""

    def __init__(
        self, at: float, first: Turn, retry_after: float | None, *, teaches: bool, is_expected: bool
    ) -> None:
        self.at = at
        self.window_start = first.start
        self.opened = first.start if first.end is None else first.end  # for the server, at the latest
        self.retry_after = retry_after
        self.teaches = teaches
        self.is_expected = is_expected
        self.probes = 0
        self.last_probe = at


class RateLimit:
    """The limit that is kept.

    Args:
        limit: what is known; None for no limit until told otherwise.
        is_tentative: the limit is a guess: others wait for the answer to the first request beyond it, and if it passes,
            there is none.
        gap: seconds between two starts, at least.
    """

    def __init__(self, limit: Limit | None, *, is_tentative: bool = False, gap: float = 0.0) -> None:
        self.limit = limit
        self._given = None if is_tentative else limit
        if limit and is_tentative:
            self.limit = limit._replace(requests=_CROSSED_WITH_CARE[0])
        self._is_tentative = is_tentative
        self._is_crossing = False
        self._is_learnt = False
        self._gap = gap
        self._not_before = float("-inf")
        self._log: deque[Turn] = deque()
        self._under_way: set[Turn] = set()
        self._alone: Turn | None = None
        self._refusal: _Refusal | None = None
        self._window_began = float("-inf")
        self._had_few = False
        self._in_a_row = 0
        self._in_vain = 0
        self._accepted = 0
        self._next_try = _FIRST_TRY
        self._step = 1
        self._base: Limit | None = None  # without what the last try has added to it

    def seconds_left(self, now: float) -> float:
        """Return how long the next request has to wait from now on: 0 if it may start."""
        free_in = 0.0 if self._refusal else self._free_at() - now
        if self._refusal or (free_in > 0 and self._may_try()):
            # It goes alone, so that of many refusals there is one, and one that tells how many were taken before it.
            waits = [turn.start + _ALONE - now for turn in self._under_way]
        elif self._is_crossing:
            waits = [turn.start + _ALONE - now for turn in self._under_way]
        elif self._is_tentative:
            waits = []
        else:
            waits = [free_in, self._alone.start + _ALONE - now] if self._alone else [free_in]
        return max(0.0, self._not_before - now, *waits)

    def start(self, now: float) -> Turn:
        """Note that a request starts."""
        turn = Turn(now)
        if not self._refusal and self._is_tentative:
            self._is_crossing |= self._free_at() > now
        elif self._refusal or self._free_at() > now:
            self._alone = turn
        memory = 2 * max(WINDOWS[-1], self.limit.seconds if self.limit else 0.0)
        while self._log and self._log[0].start < now - memory:
            self._log.popleft()
        self._log.append(turn)
        self._under_way.add(turn)
        self._not_before = max(self._not_before, now + self._gap)
        return turn

    def accepted(self, turn: Turn, now: float) -> None:
        """Note that the server took a request, whatever came of it."""
        was_alone = self.ended(turn, now)
        turn.is_accepted = True
        self._accepted += 1
        self._in_a_row += 1
        if self._in_a_row >= _MANY:
            self._had_few, self._in_vain = False, 0
        if self._refusal and was_alone:
            refusal, self._refusal = self._refusal, None
            if refusal.teaches:
                self._learn(refusal, turn)
        elif self._is_crossing and self.limit and not self._under_way:
            # Not before: those that were sent just before it may get there after it.
            self._is_crossing = False
            more = [number for number in _CROSSED_WITH_CARE if number > self.limit.requests]
            self.limit = self.limit._replace(requests=more[0]) if more else None
            self._is_tentative = bool(more)
        elif was_alone and self.limit:
            # It may be more, then: that is found out quickly, or not soon again.
            self._base = self.limit
            self.limit = self.limit._replace(requests=self.limit.requests + self._step)
            self._accepted, self._next_try, self._step = 0, self.limit.requests, 2 * self._step

    def refused(self, turn: Turn, now: float, retry_after: float | None, *, teaches: bool = True) -> None:
        """Note that the server turned a request away: for its rate, if that teaches anything."""
        was_alone = self.ended(turn, now)
        if retry_after:
            self._not_before = max(self._not_before, now + retry_after)
        if self._refusal:
            # Those that were under way with the first one say no more than it did, but that fewer were taken.
            self._refusal.is_expected &= was_alone
            if was_alone:
                self._probe_later(self._refusal, now)
        elif was_alone and self._is_learnt and teaches:
            # One beyond the limit was tried, and the limit is right.
            self._accepted, self._next_try, self._step = 0, max(self._next_try, _FIRST_TRY) * 2, 1
        else:
            is_expected = self._is_crossing and self.limit is not None and self.limit >= DOCUMENTED
            self._is_crossing = False
            self._begin_refusal(now, retry_after, teaches=teaches, is_expected=is_expected)

    def ended(self, turn: Turn, now: float) -> bool:
        """Note that a request ended, and return whether it went alone."""
        turn.end = now
        self._under_way.discard(turn)
        was_alone = turn is self._alone
        if was_alone:
            self._alone = None
        return was_alone

    def probe_soon(self, now: float) -> None:
        """Let the next request be a probe soon: those that waited have given up."""
        if self._refusal and not self._refusal.retry_after:
            self._refusal.probes = 0
            self._not_before = min(self._not_before, now + FIRST_PROBE)

    def forget_under_way(self) -> None:
        """Wait for no answer to what was sent so far: another process gets it."""
        self._under_way.clear()
        self._alone, self._is_crossing = None, False

    # ------------------------------------------------------------------------------------------------------

    def _may_try(self) -> bool:
        return self._is_learnt and self._accepted >= self._next_try

    def _free_at(self) -> float:
        """Return when the limit lets the next request start."""
        if self.limit is None or len(self._log) < self.limit.requests:
            return float("-inf")
        requests, seconds = self.limit
        # Answers don't come in the order of requests: of those around the edge, the last one counts.
        edge = [self._log[-n] for n in range(requests, min(requests + 8, len(self._log) + 1))]
        latest = [turn.start + _ON_ITS_WAY * seconds for turn in edge]
        there = [
            late if turn.end is None else min(turn.end, late) for turn, late in zip(edge, latest, strict=True)
        ]
        return max(there) + seconds

    def _begin_refusal(
        self, now: float, retry_after: float | None, *, teaches: bool, is_expected: bool
    ) -> None:
        is_kept = self.limit is not None and not self._is_tentative
        horizon = self.limit.seconds if self.limit and is_kept else DOCUMENTED.seconds
        since = max(self._window_began, now - horizon * (1 + _ON_ITS_WAY))
        first = next((turn for turn in self._log if turn.is_accepted and turn.start >= since), Turn(now))
        self._refusal = _Refusal(now, first, retry_after, teaches=teaches, is_expected=is_expected)
        if not retry_after:
            # As many as documented, and then a refusal: that is the limit, or that many a second.
            soonest = self._refusal.opened + 1.0 if is_expected else now
            self._not_before = max(
                self._not_before, soonest, now + max(FIRST_PROBE, _ON_ITS_WAY * horizon * is_kept)
            )
        if teaches and not is_kept:
            self.limit, self._is_tentative = None, False

    def _probe_later(self, refusal: _Refusal, now: float) -> None:
        refusal.probes += 1
        refusal.last_probe = now
        soonest = now + min(FIRST_PROBE * 2**refusal.probes, LONGEST_PROBE)
        windows = [seconds for seconds in WINDOWS if not refusal.is_expected or seconds >= DOCUMENTED.seconds]
        ends = (refusal.opened + seconds for seconds in windows)
        at = next((end for end in ends if end >= soonest), now + LONGEST_PROBE)
        self._not_before = max(self._not_before, at + FIRST_PROBE / 10)

    def _learn(self, refusal: _Refusal, passed: Turn) -> None:
        """Learn from a request that passed after others had not."""
        count = sum(
            turn.is_accepted for turn in self._log if refusal.window_start <= turn.start <= refusal.at
        )
        was_quick = refusal.probes == 0 and not refusal.retry_after
        if not was_quick:
            self._window_began = passed.start
        self._in_a_row = 0
        self._in_vain += not was_quick or self._is_learnt
        if self._in_vain > _IN_VAIN:
            self.limit, self._base, self._is_learnt = self._given, None, False
        elif self.limit is not None and self._base is not None and self.limit != self._base:
            # What the last try added was too much.
            self._keep(self._base, tries_after=8 * _FIRST_TRY)
        elif self.limit is not None:
            self._adapt(self.limit, refusal, count, _window(refusal, passed), was_quick=was_quick)
        elif refusal.is_expected or not was_quick:
            seconds = _window(refusal, passed)
            is_likely = count >= _FEW and count >= seconds
            if is_likely or self._had_few:
                self._keep(Limit(max(1, count), seconds))
            self._had_few = not is_likely

    def _adapt(self, limit: Limit, refusal: _Refusal, count: int, seconds: float, *, was_quick: bool) -> None:
        """Change a limit that was kept to and yet was not enough."""
        if count < limit.requests:
            # Somebody else uses the account too, or two windows had been taken for one.
            if not was_quick:
                self._keep(Limit(max(count, limit.requests // 2, 1), limit.seconds))
        elif refusal.probes > 1 or (refusal.retry_after or 0.0) > limit.seconds * _WIDER:
            self._keep(Limit(max(1, count), max(seconds, limit.seconds * _WIDER)))
        else:
            self._keep(Limit(limit.requests, limit.seconds * _WIDER))

    def _keep(self, limit: Limit, tries_after: int = _FIRST_TRY) -> None:
        self.limit, self._base, self._is_learnt = limit, limit, True
        self._accepted, self._step = 0, 1
        self._next_try = max(tries_after, 10 * limit.requests)


def _window(refusal: _Refusal, passed: Turn) -> float:
    """Return the seconds in which the server counts, as far as a refusal and its end tell."""
    if refusal.retry_after and refusal.probes == 0:
        longest = refusal.at + refusal.retry_after - refusal.window_start
        shortest = longest - 1.0  # whole seconds are rounded up, most often
    else:
        longest, shortest = passed.start - refusal.window_start, refusal.last_probe - refusal.window_start
    return max(
        (seconds for seconds in WINDOWS if shortest <= seconds <= longest + FIRST_PROBE), default=longest
    )
