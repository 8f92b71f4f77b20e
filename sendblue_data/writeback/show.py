"""Plans and results as a person reads them, in a terminal and in a notebook: what will happen to whom, in words.

Phones are masked; in HTML everything is escaped, and long text wraps.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

import polars as pl

from sendblue_data._shared.masking import mask_phone
from sendblue_data._shared.text import plural

SHOWN = 4
"""Rows of each kind that are shown."""
_CELL = "text-align:left;padding:2px 10px;vertical-align:top;white-space:pre-wrap;overflow-wrap:break-word"
_NUMBER = re.compile(r"\+[1-9][0-9]{6,14}")
_LOST = re.compile(r"can't come back: ([a-z_, ]+)")


def lost_by_undo(result: pl.DataFrame) -> str:
    """Return what the contacts of an undo did not get back, counted.

    Example:
        >>> rows = {"status": ["created", "created"], "detail": ["can't come back: verified, created_at", ""]}
        >>> lost_by_undo(pl.DataFrame(rows))
        '1 of 2 lost `verified`, 1 of 2 lost `created_at`'
    """
    back = result.filter(pl.col("status") == "created")
    lost: Counter[str] = Counter()
    for detail in back["detail"]:
        found = _LOST.search(detail or "")
        lost.update(map(str.strip, found[1].split(", ") if found else ()))
    return ", ".join(f"{number:,} of {back.height:,} lost `{name}`" for name, number in lost.items())


def some_of_each(kinds: pl.Series, order: Iterable[str], most: int = SHOWN) -> pl.Series:
    """Return the positions of the first rows of each kind, kinds in this order."""
    rows = pl.DataFrame({"kind": kinds.cast(pl.String)}).with_row_index("row")
    found = [rows.filter(pl.col("kind") == kind)["row"].head(most) for kind in order]
    return pl.concat([pl.Series("row", [], dtype=pl.UInt32), *found])


def as_html(title: str, notes: Sequence[str], rows: pl.DataFrame, more: int) -> str:
    """Return a title, notes and a table of rows as HTML."""
    parts = [f"<p><b>{escape(_without_phones(title))}</b></p>"]
    parts += [f"<p>{escape(_without_phones(note))}</p>" for note in notes]
    if rows.height:
        head = "".join(f'<th style="{_CELL}">{escape(name)}</th>' for name in rows.columns)
        lines = [
            "<tr>" + "".join(f'<td style="{_CELL}">{escape(text)}</td>' for text in _cells(row)) + "</tr>"
            for row in rows.to_dicts()
        ]
        parts.append(f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>")
    if more:
        parts.append(f"<p>and {plural(more, 'more row')} in <code>.frame</code></p>")
    return "".join(parts)


def as_text(title: str, notes: Sequence[str], rows: pl.DataFrame, more: int) -> str:
    """Return the same as plain text, a line a row."""
    lines = [_without_phones(title), *(_without_phones(note) for note in notes)]
    lines += ["  " + "  ".join(filter(None, _cells(row))) for row in rows.to_dicts()]
    return "\n".join([*lines, *([f"  and {plural(more, 'more row')} in .frame"] if more else [])])


def _cells(row: dict[str, Any]) -> list[str]:
    phone = row.get("phone")
    shown = []
    for name, value in row.items():
        text = "" if value is None else mask_phone(value) if name == "phone" else str(value)
        shown.append(_without_phones(text.replace(phone, mask_phone(phone)) if phone else text))
    return shown


def _without_phones(text: str) -> str:
    return _NUMBER.sub(lambda found: mask_phone(found[0]), text)
