"""Reading the messages of a span of time, and showing that none of them is missing.

A message's moment of creation is what the API filters by, and what no answer shows. So a window is known by its bounds
alone: it is read from offset 0 on, each page beginning with what the one before it ended with, until a page is not
full. One that offsets can't read to its end is halved; the halves overlap by a second, so that neither the precision
of the server's filters nor whether they are inclusive matters. That nothing is missing is shown by the number of
messages that the API tells of (`pagination.total`), whatever their order, or by the seams between the pages.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import NamedTuple

import polars as pl

from sendblue_data._api.message_decoding import MessagePage
from sendblue_data.errors import InvalidRequestError
from sendblue_data.pull.message_listing import MessageListing, Walk, each_once, message_keys
from sendblue_data.pull.message_spans import SEAM, Span
from sendblue_data.pull.pages import API_CAPS
from sendblue_data.schema import MESSAGE_SCHEMA

NARROWEST = timedelta(microseconds=8)
NARROWEST_UNTOLD = timedelta(seconds=4)
"""Width of a window that is not halved, where no total tells whether a half holds less than the whole."""
WALKS = 25
"""How often a window is read, at most, while each time brings messages that did not come before."""
IDLE_WALKS = 6
"""The same while none does."""
ORDERS = [(name, way) for name in ("createdAt", "sentAt", "updatedAt") for way in ("asc", "desc")]


class Read(NamedTuple):
    """What was read of a window.

    Attributes:
        rows: its messages, each once.
        is_proven: it is shown that none is missing.
        missing: messages that the API tells of and never listed.
        is_full: offsets don't reach its end.
        told: messages that the API tells of; None where it doesn't.
    """

    rows: pl.DataFrame
    is_proven: bool
    missing: int = 0
    is_full: bool = False
    told: int | None = None


class MessageReader:
    """Reads windows of one account's messages; safe to share between threads.

    Attributes:
        listing: what lists them, and what it has found out.
        retaken: windows read again.
    """

    def __init__(self, listing: MessageListing) -> None:
        self.listing = listing
        self.retaken = 0

    def read(self, span: Span, first: MessagePage | None = None) -> Read:
        """Read a span, halves of it where offsets don't reach its end.

        Args:
            span: the span.
            first: its first page, where that was read just now.
        """
        found = self._window(span, first)
        if not found.is_full:
            return found
        if span.narrower_than(self._narrowest(found.told)):
            return self._crowded(span, found)
        halves = span.halves()
        if self.listing.reads_totals(found.told) and all(
            self.listing.told(half) == found.told for half in halves
        ):
            if self._are_in_both(halves):
                inner = replace(halves[0], start=halves[1].start, low=halves[1].low)
                return (
                    self.read(inner) if self.listing.told(inner) == found.told else self._crowded(span, found)
                )
            # What it tells ends somewhere, as at 10,000: two halves hold more than one.
            self.listing.totals_hold = False
        parts = [self.read(half) for half in halves]
        rows = self.listing.distinct([part.rows for part in parts])
        fits = self.listing.reads_totals(found.told) or self._is_bridged(halves, parts[0].rows, parts[1].rows)
        return Read(rows, all(part.is_proven for part in parts) and fits, sum(part.missing for part in parts))

    def leaves(self, span: Span, told: int | None, part: float) -> Iterator[Span]:
        """Divide a span into such as offsets reach, by the number of messages that the API tells of.

        Args:
            span: the span.
            told: messages in it.
            part: where to divide: elsewhere than before, after windows between which something may have been lost.
        """
        narrowest = self._narrowest(told)
        if told is None or told <= self.listing.caps.most_in_window or span.narrower_than(narrowest):
            yield replace(span, expected=told)
            return
        left, right = span.halves(part)
        before = self.listing.told(left)
        if before is None:
            yield replace(span, expected=told)  # reading it shows whether it can be divided
            return
        yield from self.leaves(left, before, part)
        yield from self.leaves(right, max(told - before, 0), part)

    def _narrowest(self, told: int | None) -> timedelta:
        return NARROWEST if self.listing.reads_totals(told) else NARROWEST_UNTOLD

    def _window(self, span: Span, first: MessagePage | None) -> Read:
        """Read a window until it is shown that nothing is missing, or nothing new comes."""
        # What came before the total changed may be gone: it is kept, and not counted.
        rows = counted = MESSAGE_SCHEMA.to_frame()
        told, idle = None, 0
        for walk_number in range(WALKS):
            walk = self.listing.walk(
                span, first if walk_number == 0 else None, way="desc" if walk_number % 2 else "asc"
            )
            if not walk.ended:
                return Read(walk.rows, is_proven=False, is_full=True, told=walk.told)
            before = counted.height
            rows = self.listing.distinct([rows, walk.rows]) if walk_number else walk.rows
            is_still = walk.is_still and (walk_number == 0 or told == walk.told)
            told = walk.told
            counted = (each_once([counted, walk.rows]) if before else walk.rows) if is_still else rows[:0]
            self.listing.hold_against(told if is_still else None, counted)
            if self._shows_all(span, walk, counted, is_still=is_still):
                return Read(rows, is_proven=True, told=told)
            self.retaken += 1
            idle = 0 if counted.height > before else idle + 1
            if idle >= (IDLE_WALKS if self.listing.reads_totals(told) else 1):
                break
        return Read(rows, is_proven=False, missing=self._missing(told, rows), told=told)

    def _shows_all(self, span: Span, walk: Walk, rows: pl.DataFrame, *, is_still: bool) -> bool:
        """Whether nothing can be missing: as many came as there are, or the pages fit and no total says more."""
        told = walk.told
        if not self.listing.reads_totals(told):
            return walk.holds
        if walk.holds and walk.rows.height >= told:
            return True
        return is_still and rows.height == told and self._ends_with(span, rows)

    def _ends_with(self, span: Span, rows: pl.DataFrame) -> bool:
        """Whether no other message stands where these, as many as are told of, should have ended."""
        told = rows.height
        if told > API_CAPS.last_offset:
            return True
        try:
            page = self.listing.page(span, told, limit=1)
        except InvalidRequestError:
            return True
        # One that came meanwhile is nothing to these; one that went may be of them.
        if page.total is not None and page.total > told:
            return True
        if page.total is not None and page.total < told:
            return False
        if not page.frame.height:
            return True
        if message_keys(page.frame).is_in(message_keys(rows).implode()).all():
            # From elsewhere than was asked for, or in another order: that tells nothing.
            return told > self.listing.caps.last_offset
        self.listing.totals_hold = False
        return False

    def _is_bridged(self, halves: tuple[Span, Span], earlier: pl.DataFrame, later: pl.DataFrame) -> bool:
        """Whether a listing without an end, from within the first half on, goes on into the second and has no other.

        Where no total tells how many there are, this shows that nothing lies between two windows.
        """
        first, second = halves
        keys = [message_keys(rows) for rows in (earlier, later)]
        late, early, start = second.low, None, second.low - (first.high - second.low)
        while True:
            is_whole = start <= first.low
            both = replace(second, start=first.start if is_whole else start)
            listed = message_keys(self.listing.page(both).frame)
            in_first, in_second = (listed.is_in(half.implode()) for half in keys)
            if not (in_first | in_second).all():
                return False
            if not is_whole and not (listed.len() and in_first[0]):
                late = start
            elif in_second.any() or listed.len() < self.listing.caps.page:
                return True
            else:
                early = start
            if early is None:
                start = max(second.low - 4 * (second.low - start), first.low)
            elif late - early > SEAM:
                start = early + (late - early) / 2
            else:
                return self._goes_on(replace(second, start=early), keys)

    def _goes_on(self, span: Span, keys: Sequence[pl.Series]) -> bool:
        """Whether a listing that begins in the first of two windows goes on to the second, or to an end, alone."""
        walk = self.listing.walk(span)
        in_first, in_second = (message_keys(walk.rows).is_in(half.implode()) for half in keys)
        return walk.holds and bool((in_first | in_second).all()) and (walk.ended or bool(in_second.any()))

    def _are_in_both(self, halves: tuple[Span, Span]) -> bool:
        """Whether what either half begins with, from its own end, is in the other too: all are where they overlap."""
        for way, (half, other) in (("asc", halves), ("desc", halves[::-1])):
            begins = message_keys(self.listing.page(half, order=("createdAt", way)).frame)
            there = message_keys(self.listing.walk(other, way=way, to_reach=True).rows)
            if not begins.is_in(there.implode()).any():
                return False
        return True

    def _crowded(self, span: Span, found: Read) -> Read:
        """Read what offsets reach in every order: a window that can't be halved holds more than one listing shows."""
        rows = found.rows[:0]
        for order, way in ORDERS:
            rows = self.listing.distinct(
                [rows, self.listing.walk(span, way=way, order=order, to_reach=True).rows]
            )
            self.listing.hold_against(found.told, rows)
            if (
                self.listing.reads_totals(found.told)
                and rows.height == found.told
                and self._ends_with(span, rows)
            ):
                return Read(rows, is_proven=True, told=found.told)
        return Read(rows, is_proven=False, missing=self._missing(found.told, rows), told=found.told)

    def _missing(self, told: int | None, rows: pl.DataFrame) -> int:
        return max(told - rows.height, 0) if self.listing.reads_totals(told) else 0
