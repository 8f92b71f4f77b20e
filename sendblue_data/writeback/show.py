"""Plans and results as a person reads them, in a terminal and in a notebook: what will happen to whom, in words.

Phones are masked; in HTML everything is escaped, and long text wraps.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

import polars as pl

from sendblue_data._shared.masking import mask_phone

SHOWN = 4
"""Rows of each kind that are shown."""
_CELL = "text-align:left;padding:2px 10px;vertical-align:top;white-space:pre-wrap;overflow-wrap:anywhere"
_NUMBER = re.compile(r"\+[1-9][0-9]{6,14}")
_LOST = re.compile(r"can't come back: ([a-z_, ]+)")
_NAMES = {
    "first_name": "first name",
    "last_name": "last name",
    "company_name": "company",
    "assigned_to_email": "owner",
    "sendblue_number": "line",
    "custom_variables": "variables",
}

_SILENT = {
    "verified_already": "verified already",
    "texted_never": "opted out",
    "held_silent": "held as opted out",
    "out_in_frame": "opted out in your frame",
    "not_known": "not known whether opted out",
}
"""Why contacts get no verification message."""


def counted(number: int, one: str, many: str) -> str:
    """Return a number with the words for it.

    Example:
        >>> counted(1, "gains a tag", "gain a tag"), counted(1_200, "gains a tag", "gain a tag")
        ('1 gains a tag', '1,200 gain a tag')
    """
    return f"{number:,} {one if number == 1 else many}"


def plan_headline(table: pl.DataFrame, reasons: Mapping[str, int]) -> str:
    """Return what a plan comes to, counted by consequence.

    Args:
        table: the plan's table.
        reasons: its invalid rows by what is the matter.
    """
    actions = dict(table["action"].cast(pl.String).value_counts().iter_rows())
    parts = []
    for action, words in (("create", "to create"), ("delete", "to delete"), ("verify", "to verify")):
        if action in actions:
            out = int(table.select((pl.col("out") & (pl.col("action") == action)).sum()).item())
            also = f" ({out:,} of them opted out)" if out else ""
            parts.append(f"{actions[action]:,} {words}{also}")
    there = actions.get("update", 0) + actions.get("unchanged", 0)
    if there:
        parts.append(f"{counted(there, 'is', 'are')} there: {', '.join(_consequences(table, actions))}")
    if "absent" in actions:
        parts.append(_absent(table, actions["absent"]))
    if "invalid" in actions:
        why = ", ".join(f"{number:,} {word}" for word, number in reasons.items())
        parts.append(f"{actions['invalid']:,} invalid: {why}")
    return "; ".join(parts) or "no rows"


def _absent(table: pl.DataFrame, number: int) -> str:
    another = int(table["another"].sum()) if "another" in table.columns else 0
    gone = number - another
    words = [f"{gone:,} not in the account"] if gone else []
    return "; ".join([*words, *([f"{another:,} replaced by another contact since"] if another else [])])


def _consequences(table: pl.DataFrame, actions: Mapping[str, int]) -> list[str]:
    updates = table.filter(pl.col("action") == "update")
    words = {
        "gains_tag": ("gains a tag", "gain a tag"),
        "loses_tag": ("loses a tag", "lose a tag"),
        **{f"set_{name}": (f"changes {word}", f"change {word}") for name, word in _NAMES.items()},
        **{f"clears_{name}": (f"loses {word}", f"lose {word}") for name, word in _NAMES.items()},
    }
    found = []
    for flag, (one, many) in words.items():
        if flag in updates.columns:
            number = int(updates[flag].sum())
            cleared = flag.replace("set_", "clears_")
            if flag.startswith("set_") and cleared in updates.columns:
                number -= int(updates[cleared].sum())
            if number:
                found.append(counted(number, one, many))
    if "set_opt_out" in updates.columns:
        for is_out, one, many in ((True, "opts out", "opt out"), (False, "opts back in", "opt back in")):
            number = int(updates.select((pl.col("set_opt_out") & (pl.col("out") == is_out)).sum()).item())
            if number:
                found.append(counted(number, one, many))
    stay = table.filter(pl.col("action") == "unchanged")
    conflicts = [name for name in stay.columns if name.startswith("other_")]
    left = int(stay.select(pl.any_horizontal(conflicts)).to_series().sum()) if conflicts else 0
    if left:
        found.append(f"{left:,} left as somebody else has it")
    for flag, why in _SILENT.items():
        if flag in stay.columns and (number := int(stay[flag].sum())):
            left += number
            found.append(f"{number:,} {why}")
    if actions.get("unchanged", 0) - left:
        found.append(f"{actions['unchanged'] - left:,} unchanged")
    return found


def lost_by_undo(result: pl.DataFrame) -> str:
    """Return what the contacts of an undo did not get back, counted.

    Example:
        >>> rows = {"status": ["created", "created"], "detail": ["can't come back: verified, created_at", ""]}
        >>> lost_by_undo(pl.DataFrame(rows))
        '1 of 2 lost `verified`, 1 of 2 lost `created_at`'
    """
    back = result.filter(pl.col("status") == "created")
    lost: dict[str, int] = {}
    for detail in back["detail"]:
        found = _LOST.search(detail or "")
        for name in found[1].split(", ") if found else ():
            lost[name.strip()] = lost.get(name.strip(), 0) + 1
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
        parts.append(f"<p>and {more:,} more rows in <code>.frame</code></p>")
    return "".join(parts)


def as_text(title: str, notes: Sequence[str], rows: pl.DataFrame, more: int) -> str:
    """Return the same as plain text, a line a row."""
    lines = [_without_phones(title), *(_without_phones(note) for note in notes)]
    lines += ["  " + "  ".join(filter(None, _cells(row))) for row in rows.to_dicts()]
    return "\n".join([*lines, *([f"  and {more:,} more rows in .frame"] if more else [])])


def _cells(row: dict[str, Any]) -> list[str]:
    phone = row.get("phone")
    shown = []
    for name, value in row.items():
        text = "" if value is None else mask_phone(value) if name == "phone" else str(value)
        shown.append(_without_phones(text.replace(phone, mask_phone(phone)) if phone else text))
    return shown


def _without_phones(text: str) -> str:
    return _NUMBER.sub(lambda found: mask_phone(found[0]), text)
