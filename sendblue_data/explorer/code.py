"""Code to paste, and code read back without running it."""

from __future__ import annotations

import re

from sendblue_data.errors import SegmentError
from sendblue_data.segments.parsing import parse_segment
from sendblue_data.segments.predicates import Segment

EVERYONE = "pl.lit(True)"
"""The code of no filter at all."""

_CALLED = re.compile(r"\b([a-z_]+)\(")
_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"')


def parse_code(code: str) -> Segment | None:
    """Return a predicate from code such as `.code` gives; None for no filter at all.

    It is read, never run: see `parse_segment`.

    Raises:
        SegmentError: the text is not such code, with what was found in it.

    Example:
        >>> parse_code('has_tag("VIP") & ~field_is("company_name", None)')
        has_tag("VIP") & ~field_is("company_name", None)
        >>> parse_code("pl.lit(True)") is None
        True
    """
    text = code.strip()
    if text in ("", EVERYONE):
        return None
    try:
        return parse_segment(text)
    except SegmentError:
        if not re.search(r"\bexpression\b", _TEXT.sub('""', text)):
            raise
        raise SegmentError(
            "`expression` stands for a Polars expression that was set as .predicate: it has no code, so "
            "set it there again."
        ) from None


def snippet(code: str, frame: str = "contacts") -> str:
    """Return what to paste into a cell: the imports that the code needs, and the filter.

    Example:
        >>> print(snippet('has_tag("VIP") & mentions("ada")'))
        from sendblue_data import has_tag, mentions
        <BLANKLINE>
        selection = contacts.filter(has_tag("VIP") & mentions("ada"))
    """
    called = sorted(
        set(_CALLED.findall(_TEXT.sub('""', code))) - {"lit", "is_in", "contains", "is_null", "is_not_null"}
    )
    lines = [f"from sendblue_data import {', '.join(called)}"] * bool(called)
    if code == EVERYONE:
        lines = ["import polars as pl"]
    return "\n".join([*lines, "", f"selection = {frame}.filter({code})"])
