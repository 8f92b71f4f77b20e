"""Reading an account window by window, so that no contact is skipped whatever comes and goes meanwhile.

The API lists at most 1,000 contacts a page and refuses (or clamps) an offset over 10,000. A window is what
can be read from one `created_at_gte` cursor, sorted by `created_at`: 11 pages at offsets 0, 990, ... 9,900.
Neighbouring pages overlap by 10 rows, and are joined at a moment (see `joining`). Where they can't be, the
account moved by more than that, and the rest of the window is read again page after page, each from a cursor
of its own, at offset 0, where nothing can shift.

The last page of a window tells where the next one begins, so it is asked for first. A window gives the
contacts created before that moment; those of the moment itself come whole with the next window.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import polars as pl

from sendblue_data._api.client import SendblueClient
from sendblue_data._shared.logging import log
from sendblue_data.pull.joining import (
    PLACED,
    before,
    fit_together,
    grain,
    join_by_moment,
    key_at,
    keys,
    merge_answers,
    placed,
)
from sendblue_data.pull.pages import Caps, Pages
from sendblue_data.pull.waiting import AWAKE_EVERY, result
from sendblue_data.schema import CONTACT_SCHEMA

UNORDERED = "phone"
"""What to ask for where `created_at` is ignored; it need not be honoured either."""
TIE_TRIES = 5
NEWEST = 100
"""Contacts that a look at the newest end asks for."""
WINDOWS_AHEAD = 3
"""Windows under way at once; more would only hold more pages in memory."""
EARLIEST = datetime(1, 1, 1, tzinfo=UTC)
_TICK = timedelta(microseconds=1)


class Reader(Pages):
    """Reads an account by windows on `created_at`, and counts what it did."""

    def __init__(self, client: SendblueClient, pool: ThreadPoolExecutor, caps: Caps, *, strict: bool) -> None:
        super().__init__(client, pool, caps, strict=strict)
        self.windows = 0
        self.retaken = 0
        self.repeats = 0
        self.crowded: list[datetime | None] = []
        """Moments that more contacts share than an offset reaches; None for contacts without a moment."""
        self.unproven = 0
        """Moments whose pages never fitted together, however often they were read."""
        self.undated_shown = False
        """Whether the contacts without a moment were within reach of a walk, if there are any."""

    @property
    def is_proven(self) -> bool:
        """Whether nothing that stayed can be missing between the pages."""
        return not self.crowded and not self.unproven

    def begin_sweep(self) -> None:
        """Forget the moments that were in doubt: they are read again."""
        self.unproven = 0

    def open_window(
        self, start: datetime | None, expected: int | None, first: Future[pl.DataFrame] | None = None
    ) -> Window:
        """Ask for the pages of the first window.

        Args:
            start: its cursor; None for the whole account.
            expected: how many contacts there are, to ask for as many pages at once; None if unknown.
            first: the first page, where it was asked for before the account was counted.
        """
        return Window(self, start, expected, first)

    def walk(self, window: Window, expected: int | None) -> Iterator[pl.DataFrame]:
        """Yield the contacts from a window's start on, window by window, pages of a window in parallel.

        Args:
            window: the first.
            expected: how many contacts there are; None if unknown.

        Raises:
            OrderIgnored: the server does not sort as asked.
            AccountNeverStill: it changes faster than it can be read.
        """
        under_way = deque([window])
        while under_way:
            oldest, newest = under_way[0], under_way[-1]
            has_room = len(under_way) < WINDOWS_AHEAD
            if has_room and newest.reach_end() and newest.next_start is not None:
                expected = None if expected is None else expected - self.caps.most_in_window
                under_way.append(Window(self, newest.next_start, expected))
                continue
            if oldest.is_read():
                rows, resume_at = self._finish(oldest)
                under_way.popleft()
                yield rows
                if resume_at is not None:
                    under_way.append(Window(self, resume_at, None))
                continue
            awaited = oldest.pending()
            if has_room:
                awaited |= newest.pending_end()
            wait(awaited, timeout=AWAKE_EVERY, return_when=FIRST_COMPLETED)

    def _finish(self, window: Window) -> tuple[pl.DataFrame, datetime | None]:
        """Join a window's pages as far as they fit, and read the rest page after page, past a crowded end.

        Returns:
            The window's contacts, and the next window's cursor where no window is under way there.
        """
        self.windows += 1
        log.debug("pull: window %d, %d pages", self.windows, len(window.futures()))
        pages = [future.result() for future in window.futures()]
        if window.start is None and pages[0].height and pages[0][PLACED][0] is None:
            self.undated_shown = True
        elif window.early and window.next_start is not None and self._has_moved(pages[: window.early + 1]):
            self.repeats += sum(page.height for page in pages[: window.early])
            pages[: window.early] = [result(page) for page in window.ask_early_again()]
        if window.is_crowded:
            rows, following = self._one_moment(window.start)
            self.repeats += sum(page.height for page in pages)
            return rows, following
        joined = join_by_moment(pages, full=self.caps.page, overlap=self.caps.overlap)
        rows, read_on_from = joined.rows, joined.broke_at
        if keys(rows).n_unique() < rows.height:
            # Equal moments come in another order each time, so what was joined within one is in doubt.
            read_on_from = None
        elif joined.is_whole:
            self.undated_shown |= window.start is None and window.next_start is None
            rows = before(rows, window.next_start)
            self.repeats += sum(page.height for page in pages) - rows.height
            return rows.rechunk(), None
        self.retaken += 1
        if read_on_from is None or (window.start is not None and read_on_from <= window.start):
            return self.one_by_one(window.start, window.next_start), None
        rest = self.one_by_one(read_on_from, window.next_start)
        return pl.concat([before(rows, window.next_start), rest], rechunk=True), None

    def _has_moved(self, pages: list[pl.DataFrame]) -> bool:
        """Whether contacts of these pages may have gone before the last of them was read.

        That one was asked for after the account was counted, the others perhaps before. Whoever went before the
        count must not stand in for somebody who was counted.
        """
        caps = self.caps
        joined = (join_by_moment(two, full=caps.page, overlap=caps.overlap) for two in pairwise(pages))
        return any(
            both.rows.height != caps.step + page.height for both, page in zip(joined, pages[1:], strict=True)
        )

    def one_by_one(self, start: datetime | None, end: datetime | None = None) -> pl.DataFrame:
        """Read the contacts created from `start` on and before `end`, page after page: the fallback.

        A page at offset 0 from a cursor is one consistent answer, so going on from its last `created_at`
        can't skip a contact that stays, whatever else comes and goes.
        """
        found = [placed(CONTACT_SCHEMA.to_frame())]
        cursor = start
        while True:
            page = self.page(cursor)
            last = page[PLACED][-1] if page.height else None
            if page.height < self.caps.page:
                self.undated_shown |= cursor is None
                found.append(page)
                break
            if last is None or (cursor is not None and last <= cursor):
                rows, following = self._one_moment(cursor)
                found.append(rows)
            else:
                found.append(before(page, last))
                following = last
            if following is None or (end is not None and following >= end):
                break
            cursor = following
        return self._distinct([before(rows, end) for rows in found])

    def newest(self, start: datetime | None) -> Future[pl.DataFrame]:
        """Ask for what a server lists first when it sorts downwards.

        For the whole account a few contacts are enough: the newest, or some without a moment. For a part of it a
        page: no count betrays a server there that ignores the order it is asked for, but this page does.
        """
        few = min(NEWEST, self.caps.page)
        return self.ask(start, limit=few if start is None else None, direction="desc")

    def undated(self, newest: pl.DataFrame) -> pl.DataFrame:
        """Return the contacts without `created_at` that a server lists before the newest when it sorts downwards.

        Such contacts lie behind all others when it sorts upwards, out of a large account's reach.

        Args:
            newest: the first contacts, sorted downwards.
        """
        if not newest[PLACED][:1].null_count():
            return newest[:0]
        rows, _, is_whole = self._by_offset(None, direction="desc")
        if not is_whole:
            self.crowded.append(None)
        return rows

    def give_up_order(self) -> None:
        """Forget what was found by `created_at`: the server does not sort by it."""
        self.crowded.clear()
        self.unproven = 0

    def unordered(self, cursor: datetime | None) -> list[pl.DataFrame]:
        """Read the pages that offsets reach, in the server's own order."""
        pages: list[pl.DataFrame] = []
        for offset in self.caps.offsets(self.caps.overlap):
            pages.append(self.page(cursor, offset, order_by=UNORDERED))
            if pages[-1].height < self.caps.page:
                break
        return pages

    def all_unordered(self, start: datetime | None) -> tuple[list[pl.DataFrame], bool]:
        """Read as `unordered` does, and find out whether the pages show that nothing is missing between them.

        Returns:
            The pages, and whether the last of them ends the list.
        """
        pages = self.unordered(start)
        is_end = pages[-1].height < self.caps.page
        joined = fit_together(pages, full=self.caps.page, overlap=self.caps.overlap) if is_end else None
        self.unproven = int(joined is None)
        return pages, is_end

    def _one_moment(self, cursor: datetime | None) -> tuple[pl.DataFrame, datetime | None]:
        """Read the contacts that share the moment at the cursor, a page or more of them.

        Returns:
            The contacts, and the next cursor: a later moment, or None where nothing comes after.
        """
        found: list[pl.DataFrame] = []
        while True:
            rows, following, is_whole = self._by_offset(cursor)
            found.append(rows)
            if is_whole:
                return self._distinct(found), following
            moment = rows[PLACED][0]
            finer = None if moment is None else self._finer_cursor(cursor or moment, rows)
            if finer is None:
                self.crowded.append(moment)
                later = EARLIEST if moment is None else max(moment, cursor or moment) + _TICK
                return self._distinct(found), later
            cursor = finer

    def _by_offset(
        self, cursor: datetime | None, *, direction: str = "asc"
    ) -> tuple[pl.DataFrame, datetime | None, bool]:
        """Read the moment at the cursor by offset, again where the account moved meanwhile.

        Returns:
            The contacts; the moment that follows, None where none or only contacts without one follow; and
            whether the offset reached all of them.
        """
        gathered: list[pl.DataFrame] = []
        for _ in range(TIE_TRIES):
            pages: list[pl.DataFrame] = []
            for offset in self.caps.offsets(self.caps.tie_overlap):
                page = self.page(cursor, offset, direction=direction)
                pages.append(page)
                moment = pages[0][PLACED][0] if pages[0].height else None
                later = page.filter(pl.col(PLACED).ne_missing(moment))[PLACED]
                following = later[0] if later.len() else None
                is_whole = page.height < self.caps.page or later.len() > 0
                if is_whole:
                    break
            is_of_moment = pl.col(PLACED).eq_missing(moment)
            joined = fit_together(pages, full=self.caps.page, overlap=self.caps.tie_overlap)
            if joined is not None:
                gathered.append(joined.filter(is_of_moment))
                break
            gathered += [page.filter(is_of_moment) for page in pages]
        else:
            self.unproven += 1
        return self._distinct(gathered), following, is_whole

    def _finer_cursor(self, cursor: datetime, rows: pl.DataFrame) -> datetime | None:
        """Find a later cursor within the moment that leaves no gap: its first contact has been seen.

        Timestamps may be shown truncated, so contacts that look simultaneous may still be told apart.
        """
        known, created = set(keys(rows)), rows[PLACED]

        def leaves_no_gap(ticks: int) -> bool:
            first = self.page(cursor + ticks * _TICK, limit=1)
            return first.height == 1 and key_at(first, 0) in known

        low, high = 1, (created[0] + grain(created) - cursor) // _TICK
        if not leaves_no_gap(1):
            return None
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if leaves_no_gap(middle) else (low, middle)
        return cursor + low * _TICK

    def _distinct(self, answers: list[pl.DataFrame]) -> pl.DataFrame:
        rows = merge_answers(answers)
        self.repeats += sum(answer.height for answer in answers) - rows.height
        return rows


class Window:
    """The pages of one window that are under way.

    Attributes:
        start: the cursor; None for the whole account.
        next_start: the next window's cursor, once the end is known; None where there is none.
        is_crowded: the window is full of contacts that share one moment.
        early: so many of its first pages may be older than the account's count.
    """

    def __init__(
        self,
        reader: Reader,
        start: datetime | None,
        expected: int | None,
        first: Future[pl.DataFrame] | None = None,
    ) -> None:
        self.start = start
        self.next_start: datetime | None = None
        self.is_crowded = False
        self.early = int(first is not None)
        self._reader = reader
        self._ended = False
        self._is_guess_good = expected is not None
        self._by_offset: dict[int, Future[pl.DataFrame]] = {} if first is None else {0: first}
        self._ask(1 if expected is None else reader.caps.pages_for(expected))

    def _ask(self, pages: int) -> None:
        """Ask for the first so many pages, the last of them first."""
        step = self._reader.caps.step
        for offset in [(pages - 1) * step, *range(0, (pages - 1) * step, step)]:
            if offset not in self._by_offset:
                self._by_offset[offset] = self._reader.ask(self.start, offset)

    def reach_end(self) -> bool:
        """Find where this window ends, asking for more pages as needed. True once it is known."""
        caps = self._reader.caps
        while not self._ended:
            end = self._by_offset[max(self._by_offset)]
            if not end.done():
                return False
            page = end.result()
            if page.height == caps.page and len(self._by_offset) < caps.pages_a_window:
                # The guess may be a little short: equal moments at a window's end come again with the next.
                self._ask(len(self._by_offset) + 1 if self._is_guess_good else caps.pages_a_window)
                self._is_guess_good = False
                continue
            self._ended = True
            if page.height == caps.page:
                last = page[PLACED][-1]
                self.is_crowded = last is None or (self.start is not None and last <= self.start)
                self.next_start = None if self.is_crowded else last
        return True

    def renew_end(self) -> None:
        """Ask for the last page again, now that the account was counted: it can show that the others still hold."""
        end = max(self._by_offset)
        self.early = len(self._by_offset) - 1
        self._by_offset[end] = self._reader.ask(self.start, end)

    def ask_early_again(self) -> list[Future[pl.DataFrame]]:
        """Ask again for the pages that may be older than the count."""
        return [self._reader.ask(self.start, offset) for offset in sorted(self._by_offset)[: self.early]]

    def is_read(self) -> bool:
        """Whether the end is known and every page is here."""
        return self._ended and not self.pending()

    def pending(self) -> set[Future[pl.DataFrame]]:
        """Return the pages that are still on their way."""
        return {future for future in self._by_offset.values() if not future.done()}

    def pending_end(self) -> set[Future[pl.DataFrame]]:
        """Return the page that tells where the window ends, while it is on its way."""
        end = self._by_offset[max(self._by_offset)]
        return set() if end.done() else {end}

    def futures(self) -> list[Future[pl.DataFrame]]:
        """Return the pages in the order of their offsets."""
        return [self._by_offset[offset] for offset in sorted(self._by_offset)]
