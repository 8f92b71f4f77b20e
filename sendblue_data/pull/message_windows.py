"""Reading the messages of a span of time, page by page, and showing that none of them is missing.

A message's moment of creation is what the API filters by, and what no answer shows. So a window is known by its bounds
alone: it is read from offset 0 on, each page beginning with what the one before it ended with, until a page is not
full. One that offsets can't read to its end is halved; the halves overlap by a second, so that neither the precision
of the server's filters nor whether they are inclusive matters. That nothing is missing is shown by the number of
messages that the API tells of (`pagination.total`), whatever their order, or by the seams between the pages.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import polars as pl

from sendblue_data._api.client import SendblueClient
from sendblue_data._api.message_decoding import MessagePage
from sendblue_data._shared.keywords import Language
from sendblue_data._shared.logging import log
from sendblue_data._shared.time import to_iso
from sendblue_data.errors import InvalidRequestError
from sendblue_data.pull.pages import API_CAPS, Caps
from sendblue_data.pull.repaired import Oddities
from sendblue_data.schema import MESSAGE_SCHEMA

SEAM = timedelta(seconds=1)
"""How far neighbouring windows overlap: the coarsest precision of a filter that is reckoned with."""
NARROWEST = timedelta(microseconds=8)
NARROWEST_UNTOLD = timedelta(seconds=4)
"""Width of a window that is not halved, where no total tells whether a half holds less than the whole."""
WALKS = 25
"""How often a window is read, at most, while each time brings messages that did not come before."""
IDLE_WALKS = 6
"""The same while none does."""
SMALLER = (1, 2, 4, 10, 20)
"""What the limit is divided by until the server takes it."""
ORDERS = [(name, way) for name in ("createdAt", "sentAt", "updatedAt") for way in ("asc", "desc")]
_TICK = timedelta(microseconds=1)
_LEAST_REACH = 2


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


class _Walk(NamedTuple):
    """One reading of a window's pages, in one order."""

    rows: pl.DataFrame
    holds: bool
    ended: bool
    told: int | None
    is_still: bool


def message_keys(frame: pl.DataFrame) -> pl.Series:
    """Return a key for each message: its handle, or, where the API gives none, what does not change of it.

    Example:
        >>> rows = [{"message_handle": "m1"}, {"phone": "+12125550100", "is_outbound": False}]
        >>> message_keys(pl.DataFrame(rows, MESSAGE_SCHEMA)).to_list()[0]
        'm1'
    """
    handles = frame["message_handle"]
    if not handles.null_count():
        return handles
    lasting = ("phone", "from_number", "to_number", "is_outbound", "date_sent", "group_id", "content_length")
    parts = [pl.col(name).cast(pl.String).fill_null("-") for name in lasting]
    return frame.select(pl.coalesce("message_handle", pl.concat_str(parts, separator=" "))).to_series()


class MessageReader:
    """Reads windows of one account's messages; safe to share between threads.

    Attributes:
        pages: pages asked for.
        retaken: windows read again.
        repeats: rows that came more than once within a window.
        totals_hold: what the API tells of the number of messages was never less than what it listed.
        oddities: what could not be read.
    """

    def __init__(
        self,
        client: SendblueClient,
        caps: Caps = API_CAPS,
        *,
        content: bool = False,
        languages: Sequence[Language] = (),
        strict: bool = False,
    ) -> None:
        self._client = client
        self._options: dict[str, Any] = {"content": content, "languages": languages, "strict": strict}
        self._lock = threading.Lock()
        self.caps = caps
        self.pages = self.retaken = self.repeats = 0
        self.totals_hold = True
        self.oddities = Oddities()

    def page(
        self,
        span: Span,
        offset: int = 0,
        *,
        limit: int | None = None,
        order: tuple[str, str] = ("createdAt", "asc"),
    ) -> MessagePage:
        """Read one page of a span."""
        with self._lock:
            self.pages += 1
        page = self._client._messages_page(  # noqa: SLF001 -- its other half: oddities come with it
            limit=limit or self.caps.page,
            offset=offset,
            created_at_gte=None if span.start is None else to_iso(span.start),
            created_at_lte=None if span.end is None else to_iso(span.end),
            order_by=order[0],
            order_direction=order[1],
            **self._options,
        )
        if page.oddities:
            self.oddities.add(page.oddities, message_keys(page.frame), page.frame["message_handle"])
        return page

    def first_page(self, span: Span) -> MessagePage:
        """Read the first page of all, and find out how large the server's pages are.

        Raises:
            InvalidRequestError: it takes no limit that was tried.
        """
        largest = self.caps.page
        for divisor in SMALLER:
            self._ask_for(max(largest // divisor, 1))
            try:
                page = self.page(span)
                break
            except InvalidRequestError:
                if divisor == SMALLER[-1]:
                    raise
        size = page.frame.height
        # Whatever follows: where equal moments are sorted anew each time, it may be what came before.
        if 0 < size < self.caps.page and self.page(span, size).frame.height:
            self._ask_for(size)
        return page

    def _ask_for(self, size: int) -> None:
        """Ask for pages of so many messages from now on; one row in common would be chance."""
        self.caps = replace(self.caps, page=size, overlap=min(self.caps.overlap, size // 2))

    def told(self, span: Span) -> int | None:
        """Ask how many messages a span has; None where the API does not say, or what it says does not hold."""
        total = self.page(span, limit=1).total
        return total if self.totals_hold else None

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
        if self._reads_totals(found.told) and all(self.told(half) == found.told for half in halves):
            if self._are_in_both(halves):
                inner = replace(halves[0], start=halves[1].start, low=halves[1].low)
                return self.read(inner) if self.told(inner) == found.told else self._crowded(span, found)
            self.totals_hold = (
                False  # what it tells ends somewhere, as at 10,000: two halves hold more than one
            )
        parts = [self.read(half) for half in halves]
        rows = self._distinct([part.rows for part in parts])
        fits = self._reads_totals(found.told) or self._is_bridged(halves, parts[0].rows, parts[1].rows)
        return Read(rows, all(part.is_proven for part in parts) and fits, sum(part.missing for part in parts))

    def leaves(self, span: Span, told: int | None, part: float = 0.5) -> Iterator[Span]:
        """Divide a span into such as offsets reach, by the number of messages that the API tells of.

        Args:
            span: the span.
            told: messages in it.
            part: where to divide: elsewhere than before, after windows between which something may have been lost.
        """
        narrowest = self._narrowest(told)
        if told is None or told <= self.caps.most_in_window or span.narrower_than(narrowest):
            yield replace(span, expected=told)
            return
        left, right = span.halves(part)
        before = self.told(left)
        if before is None:
            yield replace(span, expected=told)  # reading it shows whether it can be divided
            return
        yield from self.leaves(left, before, part)
        yield from self.leaves(right, max(told - before, 0), part)

    def _narrowest(self, told: int | None) -> timedelta:
        return NARROWEST if self._reads_totals(told) else NARROWEST_UNTOLD

    def _hold_against(self, told: int | None, rows: pl.DataFrame) -> None:
        """Notice where the API tells of fewer messages than there are."""
        if told is not None and rows.height > told:
            self.totals_hold = False

    def _reads_totals(self, told: int | None) -> bool:
        return told is not None and self.totals_hold

    def _window(self, span: Span, first: MessagePage | None) -> Read:
        """Read a window until it is shown that nothing is missing, or nothing new comes."""
        rows = counted = (
            MESSAGE_SCHEMA.to_frame()
        )  # what came before the total changed may be gone: not counted
        told, idle = None, 0
        for walk_number in range(WALKS):
            walk = self._walk(
                span, first if walk_number == 0 else None, way="desc" if walk_number % 2 else "asc"
            )
            if not walk.ended:
                return Read(walk.rows, is_proven=False, is_full=True, told=walk.told)
            before = counted.height
            rows = self._distinct([rows, walk.rows]) if walk_number else walk.rows
            is_still = walk.is_still and (walk_number == 0 or told == walk.told)
            told = walk.told
            counted = (_each_once([counted, walk.rows]) if before else walk.rows) if is_still else rows[:0]
            self._hold_against(told if is_still else None, counted)
            if self._shows_all(span, walk, counted, is_still=is_still):
                return Read(rows, is_proven=True, told=told)
            self.retaken += 1
            idle = 0 if counted.height > before else idle + 1
            if idle >= (IDLE_WALKS if self._reads_totals(told) else 1):
                break
        missing = max(told - rows.height, 0) if told is not None and self.totals_hold else 0
        return Read(rows, is_proven=False, missing=missing, told=told)

    def _shows_all(self, span: Span, walk: _Walk, rows: pl.DataFrame, *, is_still: bool) -> bool:
        """Whether nothing can be missing: as many came as there are, or the pages fit and no total says more."""
        if self._reads_totals(walk.told):
            told = walk.told or 0
            if walk.holds and walk.rows.height >= told:
                return True
            return is_still and rows.height == told and self._ends_with(span, rows)
        return walk.holds

    def _ends_with(self, span: Span, rows: pl.DataFrame) -> bool:
        """Whether no other message stands where these, as many as are told of, should have ended."""
        told = rows.height
        if told > API_CAPS.last_offset:
            return True
        try:
            page = self.page(span, told, limit=1)
        except InvalidRequestError:
            return True
        if page.total is not None and page.total != told:
            return (
                page.total > told
            )  # one that came meanwhile is nothing to these; one that went may be of them
        if not page.frame.height:
            return True
        if _all_in(
            page.frame, [rows]
        ):  # from elsewhere than was asked for, or in another order: that tells nothing
            return told > self.caps.last_offset
        self.totals_hold = False
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
            listed = message_keys(self.page(both).frame)
            in_first, in_second = (listed.is_in(half.implode()) for half in keys)
            if not (in_first | in_second).all():
                return False
            if not is_whole and not (listed.len() and in_first[0]):
                late = start
            elif in_second.any() or listed.len() < self.caps.page:
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
        walk = self._walk(span, to_reach=True)
        in_first, in_second = (message_keys(walk.rows).is_in(half.implode()) for half in keys)
        return walk.holds and bool((in_first | in_second).all()) and (walk.ended or bool(in_second.any()))

    def _are_in_both(self, halves: tuple[Span, Span]) -> bool:
        """Whether what either half begins with, from its own end, is in the other too: all are where they overlap."""
        for way, (half, other) in (("asc", halves), ("desc", halves[::-1])):
            begins = message_keys(self.page(half, order=("createdAt", way)).frame)
            there = message_keys(self._walk(other, way=way, to_reach=True).rows)
            if not begins.is_in(there.implode()).any():
                return False
        return True

    def _walk(
        self,
        span: Span,
        first: MessagePage | None = None,
        *,
        way: str = "asc",
        order: str = "createdAt",
        to_reach: bool = False,
    ) -> _Walk:
        """Read a window's pages in one order, each beginning with what the one before it ended with.

        Args:
            span: the window.
            first: its first page, where that was read just now.
            way: which way to sort.
            order: by what.
            to_reach: go on to the last page that an offset reaches, although more are told of.
        """
        pages: list[pl.DataFrame] = []
        totals: list[int | None] = []
        offset, overlap, holds, ended, shared = 0, 0, True, False, 0
        while True:
            try:
                page = (
                    first if first is not None and not offset else self.page(span, offset, order=(order, way))
                )
            except InvalidRequestError:
                if not offset:
                    raise
                self._reach_less(offset)  # the server refuses what it calls too far
                break
            totals.append(page.total)
            if pages and page.frame.height:
                shared = _shared(pages[-1], page.frame, max((overlap + 1) // 2, 1))
                if (not shared or page.frame.height >= self.caps.page) and _all_in(page.frame, pages):
                    again = self.page(span, offset, order=(order, way))  # by chance, where moments are equal?
                    if _all_in(again.frame, pages):
                        self._reach_less(offset)  # the server gives an earlier page again
                        break
                holds &= shared > 0
            # A server that gives an earlier page than was asked for shows that by what the page begins with; where
            # nothing fits, nobody knows where the page stands.
            place = offset - max(shared - overlap, 0) if shared or not offset else 0
            if page.total is not None and page.frame.height and place + page.frame.height > page.total:
                self.totals_hold = False
            pages.append(page.frame)
            ended = self._is_end(page, offset)
            if ended or offset >= self.caps.last_offset or (self._is_too_large(page) and not to_reach):
                break
            overlap = min(self.caps.overlap, page.frame.height // 2)
            offset = min(offset + page.frame.height - overlap, self.caps.last_offset)
        rows = self._distinct(pages)
        told = [total for total in totals if total is not None]
        is_still = len(set(totals)) == 1
        self._hold_against(max(told, default=None) if holds or is_still else None, rows)
        if way == "desc":
            # Not by `reverse`, which makes of a list column without a list (Polars 2.1) one that fits no other.
            rows = rows[pl.int_range(rows.height - 1, -1, -1, eager=True)]
        return _Walk(rows, holds, ended, totals[-1], is_still)

    def _is_too_large(self, page: MessagePage) -> bool:
        """Whether the API tells of more messages than a window can show, so that to read on is no use."""
        return self.totals_hold and page.total is not None and page.total > self.caps.most_in_window

    def _is_end(self, page: MessagePage, offset: int) -> bool:
        """Whether no message follows a page."""
        size = page.frame.height
        return size < self.caps.page or (page.has_more is False and page.total == offset + size)

    def _reach_less(self, offset: int) -> None:
        """Note that an offset is beyond what the server takes."""
        with self._lock:
            less = max(offset - self.caps.step, _LEAST_REACH)
            self.caps = replace(self.caps, last_offset=min(self.caps.last_offset, less))
        log.info("messages: offsets from %d on are out of reach", offset)

    def _crowded(self, span: Span, found: Read) -> Read:
        """Read what offsets reach in every order: a window that can't be halved holds more than one listing shows."""
        rows = found.rows[:0]
        for order, way in ORDERS:
            rows = self._distinct([rows, self._walk(span, way=way, order=order, to_reach=True).rows])
            self._hold_against(found.told, rows)
            if self._reads_totals(found.told) and rows.height == found.told and self._ends_with(span, rows):
                return Read(rows, is_proven=True, told=found.told)
        missing = max((found.told or 0) - rows.height, 0) if self._reads_totals(found.told) else 0
        return Read(rows, is_proven=False, missing=missing, told=found.told)

    def _distinct(self, frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
        rows = _each_once(frames)
        self.repeats += sum(frame.height for frame in frames) - rows.height
        return rows


def _each_once(frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    rows = pl.concat(frames)
    is_first = message_keys(rows).is_first_distinct()
    return rows if is_first.all() else rows.filter(is_first)


def _shared(earlier: pl.DataFrame, later: pl.DataFrame, least: int) -> int:
    """Count the rows that a page begins with and the one before it ended with; 0 where these are less than `least`.

    Messages may have gone meanwhile, but a server that sorts equal moments anew each time hardly gives so many in the
    same order twice.
    """
    here, there = message_keys(earlier), message_keys(later)
    for place in (there == here[-1]).arg_true().to_list():
        shared = place + 1
        if least <= shared <= here.len() and (here[-shared:] == there[:shared]).all():
            return int(shared)
    return 0


def _all_in(page: pl.DataFrame, pages: Sequence[pl.DataFrame]) -> bool:
    """Whether every message of a page came before."""
    came = pl.concat([message_keys(one) for one in pages])
    return bool(message_keys(page).is_in(came.implode()).all())
