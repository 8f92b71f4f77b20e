"""A read replica of the account, which lags behind writes."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from time import monotonic

from sendblue_data.sandbox.store import Change, Store


class Replica(Store):
    """A copy of a store that shows what the API wrote only when it is old enough.

    What is changed behind the API's back shows at once, with all that the API wrote of that contact before.
    """

    def __init__(self, origin: Store, *, seed: int) -> None:
        super().__init__((), seed=seed)
        self._origin = origin
        self._waiting: deque[tuple[float, int, list[Change]]] = deque()
        self._number = 0
        self._overtaken: dict[str | None, int] = {}
        self.copy()

    def copy(self) -> None:
        """Start again as the origin is now, and follow it."""
        with self._origin.lock, self.lock:
            self._origin.copy_to(self)
            self._waiting.clear()
            self._origin.on_commit = self._follow

    def caught_up(self, lag: float) -> Store:
        """Return this store with all that is older than so many seconds."""
        with self.lock:
            until = monotonic() - lag
            if self._waiting and self._waiting[0][0] <= until:
                with self.transaction():
                    while self._waiting and self._waiting[0][0] <= until:
                        _, number, changes = self._waiting.popleft()
                        self._apply(
                            change for change in changes if self._overtaken.get(change.phone, 0) < number
                        )
            return self

    def seconds_behind(self, lag: float) -> float:
        """Return the seconds until reads show all that was written so far."""
        with self.lock:
            return self._waiting[-1][0] + lag - monotonic() if self._waiting else 0.0

    def _follow(self, changes: list[Change], lagging: bool) -> None:
        with self.lock:
            self._number += 1
            if lagging:
                self._waiting.append((monotonic(), self._number, changes))
                return
            self._apply(changes)
            if not self._waiting:
                self._overtaken.clear()
                return
            for phone, record in changes:
                self._overtaken[phone] = self._number
                if record is not None:
                    self._overtaken[record[2]] = self._number

    def _apply(self, changes: Iterable[Change]) -> None:
        with self.transaction():
            for change in changes:
                self.put(change)
