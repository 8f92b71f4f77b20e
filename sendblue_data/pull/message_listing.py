"""Listings of messages: pages one after the other, each beginning with what the one before it ended with."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple, TypeGuard

import polars as pl

from sendblue_data._api.client import SendblueClient
from sendblue_data._api.message_decoding import MessagePage
from sendblue_data._shared.keywords import Language
from sendblue_data._shared.logging import log
from sendblue_data._shared.time import to_iso
from sendblue_data.errors import InvalidRequestError
from sendblue_data.pull.message_spans import Span
from sendblue_data.pull.pages import API_CAPS, Caps
from sendblue_data.pull.repaired import Oddities

SMALLER = (1, 2, 4, 10, 20)
"""What the limit is divided by until the server takes it."""
_LEAST_REACH = 2


class Walk(NamedTuple):
    """One reading of a span's pages, in one order.

    Attributes:
        rows: its messages, each once, in ascending order.
        holds: each page began with what the one before it ended with.
        ended: the last page was the last of all.
        told: messages that the API told of at the end; None where it didn't.
        is_still: it told of as many all the while.
    """

    rows: pl.DataFrame
    holds: bool
    ended: bool
    told: int | None
    is_still: bool


def message_keys(frame: pl.DataFrame) -> pl.Series:
    """Return a key for each message: its handle, or, where the API gives none, what does not change of it.

    Example:
        >>> from sendblue_data import MESSAGE_SCHEMA
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


class MessageListing:
    """Lists messages of one account; safe to share between threads.

    Attributes:
        caps: how far a listing reaches, as far as is known.
        pages: pages asked for.
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
        self.pages = self.repeats = 0
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

    def reads_totals(self, told: int | None) -> TypeGuard[int]:
        """Whether it is known how many messages there are."""
        return told is not None and self.totals_hold

    def hold_against(self, told: int | None, rows: pl.DataFrame) -> None:
        """Notice where the API tells of fewer messages than there are."""
        if told is not None and rows.height > told:
            self.totals_hold = False

    def walk(
        self,
        span: Span,
        first: MessagePage | None = None,
        *,
        way: str = "asc",
        order: str = "createdAt",
        to_reach: bool = False,
    ) -> Walk:
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
        before: list[str] = []
        came: set[str] = set()
        offset, holds = 0, True
        overlap = shared = 0
        ended = False
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
            keys = message_keys(page.frame).to_list()
            if pages and keys:
                shared = _shared(before, keys, max((overlap + 1) // 2, 1))
                if (not shared or len(keys) >= self.caps.page) and came.issuperset(keys):
                    again = self.page(span, offset, order=(order, way))  # by chance, where moments are equal?
                    if came.issuperset(message_keys(again.frame).to_list()):
                        self._reach_less(offset)  # the server gives an earlier page again
                        break
                    shared = 0  # two answers to one question: neither shows where it stands
                holds &= shared > 0
            # A server that gives an earlier page than was asked for shows that by what the page begins with; where
            # nothing fits, nobody knows where the page stands.
            place = offset - max(shared - overlap, 0) if shared else 0
            if page.total is not None and page.frame.height and place + page.frame.height > page.total:
                self.totals_hold = False
            pages.append(page.frame)
            before = keys
            came.update(keys)
            ended = self._is_end(page, offset)
            if ended or offset >= self.caps.last_offset or (self._is_too_large(page) and not to_reach):
                break
            overlap = min(self.caps.overlap, page.frame.height // 2)
            offset = min(offset + page.frame.height - overlap, self.caps.last_offset)
        rows = self.distinct(pages)
        told = [total for total in totals if total is not None]
        is_still = len(set(totals)) == 1
        self.hold_against(max(told, default=None) if holds or is_still else None, rows)
        if way == "desc":
            # Not by `reverse`, which makes of a list column without a list (Polars 2.1) one that fits no other.
            rows = rows[pl.int_range(rows.height - 1, -1, -1, eager=True)]
        return Walk(rows, holds, ended, totals[-1], is_still)

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

    def distinct(self, frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
        """Put frames together, each message once, and count those that came again."""
        rows = each_once(frames)
        self.repeats += sum(frame.height for frame in frames) - rows.height
        return rows


def each_once(frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Put frames together, each message once."""
    rows = pl.concat(frames)
    is_first = message_keys(rows).is_first_distinct()
    return rows if is_first.all() else rows.filter(is_first)


def _shared(earlier: Sequence[str], later: Sequence[str], least: int) -> int:
    """Count the keys that a page begins with and the one before it ended with; 0 where these are less than `least`.

    Messages may have gone meanwhile, but a server that sorts equal moments anew each time hardly gives so many in the
    same order twice.
    """
    for shared, key in enumerate(later[: len(earlier)], start=1):
        if key == earlier[-1] and shared >= least and earlier[-shared:] == later[:shared]:
            return shared
    return 0
