"""Pages of contacts: how far a listing reaches, and reading its pages over a pool of threads."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeVar

import polars as pl

from sendblue_data._api.call import LIST
from sendblue_data._api.client import SendblueClient
from sendblue_data.pull.joining import is_ordered, keys, placed
from sendblue_data.pull.repaired import Oddities
from sendblue_data.pull.waiting import break_off, result

_LOOKS = 3
"""How often a page that is too short is asked for again, to see whether it stays so."""
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Caps:
    """How far one listing reaches.

    Attributes:
        page: contacts a page, the API's cap on `limit`.
        last_offset: the API's cap on `offset`.
        overlap: rows that neighbouring pages share; so many contacts may go between two answers and the pages
            still fit together.
    """

    page: int
    last_offset: int
    overlap: int

    @property
    def step(self) -> int:
        """Distance of a window's offsets."""
        return self.page - self.overlap

    @property
    def pages_a_window(self) -> int:
        """Pages that a window has at most."""
        return self.last_offset // self.step + 1

    @property
    def tie_overlap(self) -> int:
        """Rows that pages share where a moment is read page after page: a tenth may vanish between two."""
        return max(self.page // 10, self.overlap)

    @property
    def reach(self) -> int:
        """Contacts that offsets reach."""
        return self.last_offset + self.page

    @property
    def most_in_window(self) -> int:
        """Contacts that a window shows to the end, so that its last page is not full."""
        return (self.pages_a_window - 1) * self.step + self.page - 1

    def pages_for(self, contacts: int) -> int:
        """Pages of a window with so many contacts, so that the last one is not full."""
        return min(1 + max(0, -(-(contacts + 1 - self.page) // self.step)), self.pages_a_window)

    def offsets(self, overlap: int) -> list[int]:
        """Offsets of pages that overlap by so many rows at least, up to the cap."""
        return [*range(0, self.last_offset, self.page - overlap), self.last_offset]


API_CAPS = Caps(page=1_000, last_offset=10_000, overlap=10)
"""Source: the vendor's SDK 1.33.0, `ContactListParams`."""


class OrderIgnored(Exception):  # noqa: N818 -- a finding that the pull acts on
    """The server does not sort or filter by `created_at` as asked, so its windows prove nothing."""


class AccountNeverStill(Exception):  # noqa: N818 -- a finding that the pull acts on
    """Far more pages were needed than the account has contacts: it changes faster than it can be read."""


class Pages:
    """Reads pages of one account over a pool of threads, and gives up after far too many."""

    def __init__(self, client: SendblueClient, pool: ThreadPoolExecutor, caps: Caps, *, strict: bool) -> None:
        self._client = client
        self._strict = strict
        self._pool = pool
        self.caps = caps
        self._lock = threading.Lock()
        self._under_way: set[Future[Any]] = set()
        self._walked = 0
        self._most_walked: float = math.inf
        self.pages = 0
        self.oddities = Oddities()

    def limit_walks(self, contacts: int, sweeps: int) -> None:
        """Limit the pages read by `created_at` to what so many sweeps over so many contacts may need."""
        self._most_walked = 400 + sweeps * (contacts // self.caps.step + 1)

    def adopt_page_size(
        self, first: pl.DataFrame, start: datetime | None, counted: int, order_by: str = "created_at"
    ) -> bool:
        """Find out whether the server's pages are smaller than the API says, and ask for such pages then.

        Args:
            first: the first page from `start` on.
            start: None for the whole account.
            counted: the contacts that the account counts.
            order_by: the order in which the page was asked for.

        Raises:
            UnexpectedAnswerError: they are too small to be joined.
        """
        caps, size = self.caps, first.height
        is_end = start is None and size >= counted
        can_be_joined = size >= 2 * caps.overlap
        # Of the whole account the count tells; of a part nothing does, so one more page is asked for.
        if is_end or not 0 < size < caps.page or not (can_be_joined or start):
            return False
        if not self.page(start, size, order_by=order_by).height:
            return False
        if not can_be_joined:
            # A page that is cut off stays as long; one that was followed by a new contact holds it by now.
            if any(self.page(start, order_by=order_by).height != size for _ in range(_LOOKS)):
                return False
            raise LIST.unexpected(
                f"a page holds {size} of the {caps.page:,} contacts asked for, and more follow: such pages are too "
                "small to be joined."
            )
        self.caps = replace(caps, page=size)
        return True

    def page(self, cursor: datetime | None, offset: int = 0, **asked: Any) -> pl.DataFrame:
        """Read one page of the contacts created at or after `cursor`, as `ask` does, and wait for it.

        Raises:
            OrderIgnored: it was to be sorted by `created_at` from the cursor on, and is not.
            AccountNeverStill: too many pages were needed.
            ApiError: the request failed for good.
        """
        return result(self.ask(cursor, offset, **asked))

    def ask(
        self,
        cursor: datetime | None,
        offset: int = 0,
        *,
        limit: int | None = None,
        order_by: str | None = "created_at",
        direction: str = "asc",
    ) -> Future[pl.DataFrame]:
        """Read a page in another thread."""

        def read() -> pl.DataFrame:
            with self._lock:
                self.pages += 1
                self._walked += order_by == "created_at"
                if self._walked > self._most_walked:
                    raise AccountNeverStill(f"{self._most_walked:,} pages were read")
            page, oddities = self._client._list_page(  # noqa: SLF001 -- its other half: oddities come with it
                limit=limit or self.caps.page,
                offset=offset,
                created_at_gte=cursor,
                order_by=order_by,
                order_direction=None if order_by is None else direction,
                strict=self._strict,
            )
            if oddities:
                self.oddities.add(oddities, keys(page), page["contact_id"])
            page = placed(page, [odd.row for odd in oddities if odd.field == "created_at"])
            if order_by == "created_at" and not is_ordered(page, cursor, descending=direction == "desc"):
                raise OrderIgnored
            return page

        return self._submit(read)

    def count(self) -> Future[int]:
        """Count the account's contacts in another thread."""
        return self._submit(self._client.count_contacts)

    def _submit(self, work: Callable[[], Answer]) -> Future[Answer]:
        future = self._pool.submit(work)
        self._under_way.add(future)
        future.add_done_callback(self._under_way.discard)
        return future

    def stop(self) -> None:
        """Abort every page under way, and wait until no thread works on one."""
        break_off(self._pool, self._under_way, self._client.abort)
