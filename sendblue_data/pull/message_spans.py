"""Spans of time in which messages were created, and how they are halved."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

SEAM = timedelta(seconds=1)
"""How far neighbouring windows overlap: the coarsest precision of a filter that is reckoned with."""
_TICK = timedelta(microseconds=1)


@dataclass(frozen=True)
class Span:
    """A span of time, by creation.

    Attributes:
        start: created at or after; None for no bound.
        end: created at or before; None for no bound.
        low: where its messages begin, as far as is known: for halving it alone.
        high: where they end.
        expected: about so many there are; None if unknown.
    """

    start: datetime | None
    end: datetime | None
    low: datetime
    high: datetime
    expected: int | None = None

    def narrower_than(self, least: timedelta) -> bool:
        """Whether it is too narrow to be halved."""
        return self.high - self.low < least

    def halves(self, part: float = 0.5) -> tuple[Span, Span]:
        """Return two spans that overlap and are this one together."""
        width = self.high - self.low
        middle = self.low + width * part
        overlap = SEAM if width >= 4 * SEAM else 2 * _TICK  # a crowd in the overlap would be in both
        later = max(middle - overlap, self.low)
        return Span(self.start, middle, self.low, middle), Span(later, self.end, later, self.high)
