"""Reading an account in other orders than `created_at`: what no window reaches may be there."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import polars as pl

from sendblue_data.errors import InvalidRequestError
from sendblue_data.pull.joining import PLACED
from sendblue_data.pull.spans import Span, leave_no_gap, phone_spans
from sendblue_data.pull.waiting import result
from sendblue_data.pull.windows import Reader

OTHER_ORDERS = [(name, way) for name in ("phone", "firstName", "lastName") for way in ("asc", "desc")]
"""What to sort by where `created_at` can't reach all. Source: the vendor's API guide, which names no others."""
LOOKS = 3
"""How often both ends of the order by phone are read, at most, until no gap is left between the pages."""


class OtherOrders:
    """Reads what offsets reach in other orders.

    Attributes:
        undated_seen: a contact without a moment came.
        ends_meet: both ends of the order by phone showed everybody who stayed.
        refused: orders that the server refuses, in words.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self.undated_seen = False
        self.ends_meet = False
        self.refused: list[str] = []

    def pages(
        self, cursor: datetime | None, order_by: str, direction: str, overlap: int
    ) -> list[pl.DataFrame]:
        """Read what offsets reach in one order; nothing where the server refuses it."""
        reader = self._reader
        under_way = [
            reader.ask(cursor, offset, order_by=order_by, direction=direction)
            for offset in reader.caps.offsets(overlap)
        ]
        try:
            pages = [result(page) for page in under_way]
        except InvalidRequestError:
            refused = f"The server refuses to sort by {order_by}."
            if refused not in self.refused:
                self.refused.append(refused)
            return []
        self.undated_seen |= any(page[PLACED].null_count() for page in pages)
        return pages

    def both_ends_by_phone(self, counted: int) -> Iterator[pl.DataFrame]:
        """Yield what both ends of the order by phone show: all of 22,000 contacts, and of more a sample.

        Args:
            counted: the contacts that the account counts.
        """
        caps = self._reader.caps
        spans: list[Span] = []
        for _ in range(LOOKS):
            is_by_phone = True
            for direction in ("asc", "desc"):
                pages = self.pages(None, "phone", direction, caps.tie_overlap)
                yield from pages
                found = phone_spans(pages, descending=direction == "desc", full=caps.page)
                is_by_phone &= bool(found)
                spans += found or []
            self.ends_meet = is_by_phone and leave_no_gap(spans)
            if self.ends_meet or not is_by_phone or counted > 2 * caps.reach:
                return
