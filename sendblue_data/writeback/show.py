"""Plans and results in a notebook: counts first, then a few rows; phones masked, everything escaped."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

import polars as pl

from sendblue_data.writeback.fields import masked

SHOWN = 10
"""Rows that a table shows."""
_LONGEST = 160
"""Characters of a cell that are shown."""
_STYLE = "text-align:left;padding:2px 10px;vertical-align:top"


def counts_table(
    title: str, counts: Mapping[str, int], rows: pl.DataFrame, label: str, notes: tuple[str, ...] = ()
) -> str:
    """Give a compact HTML table: a title, the counts, notes, and the first rows."""
    head = "".join(f'<th style="{_STYLE}">{escape(name)}</th>' for name in counts)
    body = "".join(f'<td style="{_STYLE}">{number:,}</td>' for number in counts.values())
    parts = [f"<p><b>{escape(title)}</b></p>"]
    if counts:
        parts.append(f"<table><thead><tr>{head}</tr></thead><tbody><tr>{body}</tr></tbody></table>")
    else:
        parts.append("<p>No rows.</p>")
    parts += [f"<p>{escape(note)}</p>" for note in notes]
    if rows.height:
        columns = ["phone", label, *(name for name in ("detail", "before", "after") if name in rows.columns)]
        head = "".join(f'<th style="{_STYLE}">{escape(name)}</th>' for name in columns)
        lines = [
            "<tr>"
            + "".join(
                f'<td style="{_STYLE}">{escape(_cell(name, row[name], row["phone"]))}</td>'
                for name in columns
            )
            + "</tr>"
            for row in rows.head(SHOWN).select(columns).to_dicts()
        ]
        parts.append(f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>")
        if rows.height > SHOWN:
            parts.append(f"<p>and {rows.height - SHOWN:,} more rows in <code>.frame</code></p>")
    return "".join(parts)


def _cell(name: str, value: object, phone: str | None) -> str:
    if value is None:
        return ""
    text = masked(value) if name == "phone" else str(value)
    if name in ("before", "after") and phone:
        text = text.replace(phone, masked(phone))  # a deleted contact is there whole, its number too
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
