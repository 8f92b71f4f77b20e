"""The table: any rows of the selection, in any order, as texts; people masked."""

from __future__ import annotations

import polars as pl

from sendblue_data._shared.masking import mask_email, mask_name, mask_phone, mask_text
from sendblue_data.explorer.part import Message, TablePart
from sendblue_data.explorer.selection import Account

LONGEST = 400
"""Characters of a cell that are sent; it is cut to its column, and these are in its tooltip."""
COLUMNS = {
    "phone": ("Phone", 118),
    "first_name": ("First name", 92),
    "last_name": ("Last name", 92),
    "company_name": ("Company", 104),
    "tags": ("Tags", 140),
    "opt_out": ("Opted out", 92),
    "verified": ("Verified", 74),
    "created_at": ("Created", 92),
    "custom_variables": ("Variables", 122),
    "assigned_to_email": ("Owner", 120),
    "sendblue_number": ("Line", 116),
}
"""Each column's heading, and its width in pixels, where there is no more room."""
SHOWN = {"created_at": 10}
"""Characters of a cell that are seen, where that is not all: of a moment its day; the rest is in its tooltip."""
SORTABLE = tuple(name for name in COLUMNS if name not in ("tags", "custom_variables"))
_FIRST = 60
"""Rows of a new selection: three screens; more come as they are scrolled to."""
_MOST = 1_000
"""Rows that one message may ask for."""


def rows_of(
    account: Account,
    members: pl.Series,
    first: int = 0,
    count: int = _FIRST,
    *,
    by: str | None = None,
    descending: bool = False,
    mask: bool = True,
) -> tuple[list[tuple[str, ...]], int]:
    """Return some rows of a selection as texts for people, in the order of COLUMNS, and how many it has in all."""
    order = account.ordered(members, by, descending=descending)
    shown = account.frame[order.slice(first, count)].select(*COLUMNS)
    texts = [_texts(name, shown[name], mask=mask) for name in COLUMNS]
    return list(zip(*texts, strict=True)), order.len()


class TableView:
    """The contacts, all of them to be scrolled through; rows go to the browser as they come into sight.

    Args:
        mask: mask phones, names and e-mail addresses from the start.

    Attributes:
        widget: the table.
        by, descending: the order; None for the account's own.
        whole: whether people are shown unmasked.
    """

    def __init__(self, *, mask: bool) -> None:
        self._drawn: tuple[Account, pl.Series] | None = None
        self._generation = 0
        self.by: str | None = None
        self.descending = False
        self.whole = not mask
        self.widget = TablePart(self.hear)

    def draw(self, account: Account, members: pl.Series) -> None:
        """Show a selection from its first row."""
        self._drawn = account, members
        self._generation += 1
        self._tell(0, _FIRST)

    def forget(self) -> None:
        """Let go of the contacts."""
        self._drawn = None
        self.widget.shown = {}

    def hear(self, message: Message) -> None:
        """Scroll, sort, or show people whole, as the browser asks."""
        kind, by = message.get("type"), message.get("by")
        if kind == "rows":
            self._tell(max(0, int(message.get("first", 0))), min(_MOST, int(message.get("count", _FIRST))))
            return
        if kind == "whole":
            self.whole = bool(message.get("value"))
        elif kind == "sort" and by in SORTABLE:
            # Up, down, and the account's own order again.
            self.by, self.descending = (
                (by, False) if self.by != by else (None, False) if self.descending else (by, True)
            )
        else:
            return
        self._generation += 1
        self._tell(0, _FIRST)

    def _tell(self, first: int, count: int) -> None:
        if self._drawn is None:
            return
        rows, total = rows_of(
            *self._drawn, first, count, by=self.by, descending=self.descending, mask=not self.whole
        )
        self.widget.tell(
            columns=[
                {
                    "name": name,
                    "label": label,
                    "width": width,
                    "sortable": name in SORTABLE,
                    "shown": SHOWN.get(name),
                }
                for name, (label, width) in COLUMNS.items()
            ],
            rows=rows,
            first=first,
            total=total,
            by=self.by,
            descending=self.descending,
            whole=self.whole,
            generation=self._generation,
        )


_MASKS = {
    "phone": mask_phone,
    "first_name": mask_name,
    "last_name": mask_name,
    "assigned_to_email": mask_email,
}


def _texts(name: str, values: pl.Series, *, mask: bool) -> list[str]:
    """Write a column's values out."""
    kind = values.dtype
    if kind == pl.Boolean:
        return ["" if value is None else "yes" if value else "no" for value in values]
    if isinstance(kind, pl.Datetime):
        return values.dt.strftime("%Y-%m-%d %H:%M UTC").fill_null("").to_list()
    write = _tags if isinstance(kind, pl.List) else _variables if isinstance(kind, pl.Map) else str
    # A line of the account is no person.
    hide = _MASKS.get(name, mask_text) if mask and name != "sendblue_number" else str
    return ["" if value is None else _cut(hide(write(value))) for value in values.to_list()]


def _tags(tags: list[str | None]) -> str:
    return ", ".join(tag or "" for tag in tags)


def _variables(variables: dict[str, str | None]) -> str:
    return "; ".join(f"{key}: {held or ''}" for key, held in variables.items())


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
