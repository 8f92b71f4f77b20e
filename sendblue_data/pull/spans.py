"""What pages in the order of phones show together: whether a contact that stayed could be on none of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import polars as pl


class Span(NamedTuple):
    """The phones that one page shows all contacts of, but for contacts with the very phone at an end.

    Attributes:
        low: where it begins; None where the list does.
        high: where it ends; None where the list does.
    """

    low: str | None
    high: str | None


def phone_spans(pages: Sequence[pl.DataFrame], *, descending: bool, full: int) -> list[Span] | None:
    """Return what each page spans. A page is one consistent answer, whatever comes and goes between two of them.

    Args:
        pages: in the order of their offsets, the first from offset 0.
        descending: they were asked for from the last phone down.
        full: contacts of a page that others may follow.

    Returns:
        A span a page with contacts; None where a phone is unknown, or the pages are not in the order of their texts.

    Example:
        >>> pages = [pl.DataFrame({"phone": ["+1", "+3"]}), pl.DataFrame({"phone": ["+3"]})]
        >>> phone_spans(pages, descending=False, full=2)
        [Span(low=None, high='+3'), Span(low='+3', high=None)]
    """
    spans = []
    for nth, page in enumerate(pages):
        phones = page["phone"]
        if phones.null_count() or not phones.is_sorted(descending=descending):
            return None
        if page.height:
            begins = phones[0] if nth else None
            ends = phones[-1] if page.height >= full else None
            spans.append(Span(ends, begins) if descending else Span(begins, ends))
    return spans


def leave_no_gap(spans: Iterable[Span]) -> bool:
    """Whether spans reach from the first phone to the last, each beginning before those below it ended.

    Example:
        >>> leave_no_gap([Span(None, "+4"), Span("+3", None)]), leave_no_gap([Span(None, "+3"), Span("+3", None)])
        (True, False)
    """
    reached: str | None = None
    for low, high in sorted(spans, key=lambda span: span.low or ""):
        if low is not None and (reached is None or low >= reached):
            return False
        if high is None:
            return True
        reached = high if reached is None else max(reached, high)
    return False
