"""The table: one page of the selection as HTML, everything escaped, people masked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from html import escape

import polars as pl

from sendblue_data._shared.masking import mask_email, mask_name, mask_phone, mask_text
from sendblue_data.explorer.selection import Account

PAGE = 25
"""Rows of a page."""
LONGEST = 120
"""Characters of a cell that are shown; the rest is in `.selection`."""
COLUMNS = {
    "phone": "Phone",
    "first_name": "First name",
    "last_name": "Last name",
    "company_name": "Company",
    "tags": "Tags",
    "opt_out": "Opted out",
    "verified": "Verified",
    "created_at": "Created (UTC)",
    "assigned_to_email": "Owner",
    "sendblue_number": "Line",
    "custom_variables": "Variables",
}
_WHOLE = ("phone", "created_at", "sendblue_number")
"""Columns that are not broken into lines."""
SORTABLE = tuple(name for name in COLUMNS if name not in ("tags", "custom_variables"))


@dataclass(frozen=True)
class Page:
    """One page of a selection.

    Attributes:
        rows: a tuple of texts a contact, in the order of COLUMNS: for people, not yet escaped.
        number: which page, from 1.
        pages: how many there are, at least 1.
        first: position of its first row in the selection, from 1; 0 when there is none.
        total: contacts in the selection.
    """

    rows: list[tuple[str, ...]]
    number: int
    pages: int
    first: int
    total: int

    @property
    def words(self) -> str:
        """Which rows these are."""
        if not self.total:
            return "No contact is selected."
        last = self.first + len(self.rows) - 1
        if self.pages == 1:
            return f"All {self.total:,} selected contacts."
        return (
            f"Rows {self.first:,} to {last:,} of {self.total:,} selected contacts: "
            f"page {self.number:,} of {self.pages:,}."
        )


def page_of(
    account: Account,
    members: pl.Series,
    *,
    number: int = 1,
    by: str | None = None,
    descending: bool = False,
    mask: bool = True,
    size: int = PAGE,
) -> Page:
    """Return one page of some contacts; a number past the end gives the last page."""
    order = account.ordered(members, by, descending=descending)
    pages = max(1, -(-order.len() // size))
    number = min(max(1, number), pages)
    first = (number - 1) * size
    shown = account.frame[order.slice(first, size)].select(*COLUMNS)
    rows = [
        tuple(_text(name, value, mask=mask) for name, value in zip(COLUMNS, row, strict=True))
        for row in shown.iter_rows()
    ]
    return Page(rows, number, pages, first + 1 if rows else 0, order.len())


def page_html(page: Page) -> str:
    """Return the page as an HTML table; text of contacts is text and nothing else, whatever it says."""
    head = "".join(f'<th scope="col">{escape(title)}</th>' for title in COLUMNS.values())
    opened = ['<td class="sb-whole">' if name in _WHOLE else "<td>" for name in COLUMNS]
    body = "".join(
        "<tr>"
        + "".join(f"{td}<bdi>{escape(cell)}</bdi></td>" for td, cell in zip(opened, row, strict=True))
        + "</tr>"
        for row in page.rows
    )
    words = escape(page.words)
    return (
        f'<div class="sb-scroll" tabindex="0" role="region" aria-label="Contacts"><table class="sb-table">'
        f"<caption>{words}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


_MASKS = {
    "phone": mask_phone,
    "first_name": mask_name,
    "last_name": mask_name,
    "assigned_to_email": mask_email,
}


def _text(name: str, value: object, *, mask: bool) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    if isinstance(value, list):
        text = ", ".join("" if tag is None else str(tag) for tag in value)
    elif isinstance(value, dict):
        text = "; ".join(f"{key}: {'' if held is None else held}" for key, held in value.items())
    else:
        text = str(value)
    if mask and name != "sendblue_number":  # a line of the account is no person
        text = _MASKS.get(name, mask_text)(text)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
