"""A frame as a table for people: percentages with their intervals, short dates, small groups greyed, what it means.

The frame stays what it is, a Polars frame; this only shows it. A display formatter shows it so in a notebook, rather
than a frame of our own with a `.frame` inside: what an analyst does next is Polars' `filter`, `sort` and `join`.
Great Tables would take a second to load and bring its own colours into a dark notebook; a table needs neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from textwrap import fill
from typing import Any

import polars as pl

from sendblue_data._shared.text import without_controls
from sendblue_data.display.cells import MISSING, SMALL, Column, columns_of, is_contacts
from sendblue_data.errors import FrameError
from sendblue_data.plots.labels import clean, number, shorten, width_of

ROWS = 200
"""Rows of a table that are shown; of contacts, CONTACTS."""
CONTACTS = 25
_WIDTH = 79
_NAME = 26
_LINE = "border-bottom:1px solid var(--jp-border-color2,#8884)"
_CELL = f"padding:3px 10px;{_LINE};vertical-align:top"
_CHIP = (
    "display:inline-block;margin:1px 4px 1px 0;padding:0 6px;border-radius:8px;"
    "border:1px solid var(--jp-border-color2,#8886);white-space:nowrap"
)
_CUT = "max-width:18em;overflow:hidden;text-overflow:ellipsis;white-space:nowrap"
_CHIPS_SHOWN = 3
_GREY = "opacity:.55"


class ReadableTable:
    """A frame as people read it: in a notebook as HTML, by `print` as text of at most 79 columns.

    Attributes:
        frame: the Polars frame that it shows.
    """

    def __init__(self, frame: pl.DataFrame) -> None:
        self.frame = frame
        self._most = CONTACTS if is_contacts(frame.columns) else ROWS
        self._rows = frame.head(self._most)
        self._columns = [one for one in columns_of(self._rows) if one.sources != ("finding",)]

    def __repr__(self) -> str:
        return str(self)

    def __str__(self) -> str:
        shown, left = _fitting(self._columns)
        lines = [fill(words, _WIDTH) for words in self._verdicts()]
        lines += _laid(shown)
        notes = self._notes()
        if left:
            notes.append(f"Columns not shown here: {', '.join(map(without_controls, left))}.")
        return "\n".join([*lines, *(fill(note, _WIDTH) for note in notes)])

    def _repr_html_(self) -> str:
        verdicts = "".join(f"<p style='margin:4px 0'>{escape(words)}</p>" for words in self._verdicts())
        names = "".join(
            f"<th scope='col' style='{_CELL};text-align:{_side(one)}'>{escape(one.heading)}</th>"
            for one in self._columns
        )
        small = self._small()
        rows = "".join(
            f"<tr style='{_GREY if small[row] else ''}'>"
            f"{''.join(_html_cell(one, row) for one in self._columns)}</tr>"
            for row in range(self._rows.height)
        )
        notes = "".join(
            f"<p style='margin:4px 0;font-size:smaller;opacity:.8;max-width:60em'>{escape(note)}</p>"
            for note in self._notes()
        )
        return (
            f"<div class='sendblue-table'>{verdicts}"
            "<div style='overflow:auto;max-height:32em' tabindex='0' role='region' aria-label='table'>"
            "<table style='border-collapse:collapse;font-variant-numeric:tabular-nums'>"
            f"<thead><tr>{names}</tr></thead><tbody>{rows}</tbody></table></div>{notes}</div>"
        )

    def _verdicts(self) -> list[str]:
        """Say first what a comparison found."""
        if "finding" not in self._rows.columns:
            return []
        return [words for words in self._rows["finding"].drop_nulls() if words != "The baseline."]

    def _small(self) -> list[bool]:
        is_rate = any(one.kind == "rate" for one in self._columns)
        if not is_rate or not self._rows.schema.get("contacts", pl.String()).is_integer():
            return [False] * self._rows.height
        return [value is not None and value < SMALL for value in self._rows["contacts"]]

    def _notes(self) -> list[str]:
        names = self._rows.columns
        notes = []
        if self.frame.height > self._rows.height:
            what = "contacts" if is_contacts(names) else "rows"
            notes.append(
                f"The first {self._rows.height} of {number(self.frame.height)} {what}; the frame holds them all."
            )
        elif not self.frame.height:
            notes.append("No rows.")
        meanings = OF_TEXTS if "delivered" in names else MEANINGS
        notes += [words for names_of, words in meanings if any(name in names for name in names_of)]
        if "left_out" in names and any(self._rows["left_out"]):
            notes.append(f"Left out, of too few contacts: {self._rows['left_out'][0]:,}.")
        if any(self._small()):
            notes.append(f"Of fewer than {SMALL} contacts (grey in a notebook) a rate says little.")
        return notes


MEANINGS: Sequence[tuple[Sequence[str], str]] = (
    (
        ("opt_out_rate", "opt_outs"),
        "An opt-out rate is opted out / known, as of the pull: a prevalence, not a rate per message. Those of whom the "  # noqa: ISC004
        "API did not say are unknown, and in no rate.",
    ),
    (
        ("low", "opt_out_rate_low"),
        "Intervals are Wilson's, of the confidence that was asked for (95% unless told otherwise).",
    ),
    (("relative_risk",), "Relative risk: the rate of these contacts / the rate of all others."),
    (
        ("q",),
        "q: the share of false finds to expect among all rows with this q or less.",
    ),
)
"""What is said below a table that has one of these columns."""
OF_TEXTS: Sequence[tuple[Sequence[str], str]] = (
    (
        ("opt_outs",),
        "Opt-outs per delivered text: stop keywords, each laid to the last text before it. No share of contacts.",
    ),
    (
        ("opt_outs",),
        "Intervals are Wilson's, of the confidence that was asked for (95% unless told otherwise).",
    ),
    (
        ("replied", "delivery_rate"),
        "Intervals are of the confidence that was asked for (95% unless told otherwise); messages to one person are "  # noqa: ISC004
        "alike, and they know it.",
    ),
)
"""The same below a table of texts: its rates are of messages, and the prevalence is another figure."""


def readable(frame: pl.DataFrame) -> ReadableTable:
    """Return a table as people read it: `print` it in a terminal, show it in a notebook of any host.

    In IPython and Jupyter, frames of this package show themselves so; see `readable_in_notebooks`.

    Raises:
        FrameError: it is no Polars frame; collect a lazy one first.

    Example:
        >>> from sendblue_data import opt_out_rate
        >>> people = pl.DataFrame({"tags": [["VIP"]] * 30 + [["Lead"]] * 5, "opt_out": [True] * 3 + [False] * 32})
        >>> print(readable(opt_out_rate(people, by="tags")))
        tag   contacts  unknown  opt_outs   rate   low to high
        ────  ────────  ───────  ────────  ─────  ────────────
        VIP         30        0         3  10.0%  3.5 to 25.6%
        Lead         5        0         0   0.0%  0.0 to 43.4%
        An opt-out rate is opted out / known, as of the pull: a prevalence, not a rate
        ...
    """
    if not isinstance(frame, pl.DataFrame):
        raise FrameError(
            f"readable takes a Polars frame, not {type(frame).__name__}: .collect() a lazy frame first."
        )
    return ReadableTable(frame)


def _side(column: Column) -> str:
    return "right" if column.kind in ("rate", "number") else "left"


def _html_cell(column: Column, row: int) -> str:
    cell: Any = column.cells[row]
    if column.kind == "chips":
        chips = "".join(
            f"<span style='{_CHIP}' title='{escape(one, quote=True)}'>{escape(shorten(one, 28))}</span>"
            for one in cell[:_CHIPS_SHOWN]
        )
        rest = cell[_CHIPS_SHOWN:]
        more = f"<span title='{escape(', '.join(rest), quote=True)}'>+{len(rest)}</span>" if rest else ""
        return f"<td style='{_CELL};text-align:left;white-space:nowrap'>{chips}{more}</td>"
    if column.kind == "words":
        return f"<td style='{_CELL};text-align:left;{_CUT}' title='{escape(cell, quote=True)}'>{escape(cell)}</td>"
    return f"<td style='{_CELL};text-align:right;white-space:nowrap'>{escape(cell)}</td>"


def _text_cells(column: Column) -> list[str]:
    cells = (", ".join(cell) if column.kind == "chips" else cell for cell in column.cells)
    return [clean(cell or MISSING, _NAME, draw=str) for cell in cells]


def _fitting(columns: Sequence[Column]) -> tuple[list[Column], list[str]]:
    """Return the columns that fit a terminal, in their order, and the names of those that don't.

    What names the row comes first, then rates with their intervals, then counts: no rate is cut off for a count.
    """
    by_rank = sorted(range(len(columns)), key=lambda place: (_rank(columns, place), place))
    taken: set[int] = set()
    used = 0
    for place in by_rank:
        width = max(map(width_of, (columns[place].heading, *_text_cells(columns[place])))) + 2
        if used + width <= _WIDTH + 2:
            taken.add(place)
            used += width
    left = [name for place, one in enumerate(columns) if place not in taken for name in one.sources]
    return [one for place, one in enumerate(columns) if place in taken], left


def _rank(columns: Sequence[Column], place: int) -> int:
    """What names a row, how many, what share: then the other rates, the other counts, the rest."""
    one = columns[place]
    if is_contacts([name for column in columns for name in column.sources]):
        return (*_CONTACT, one.heading).index(one.heading)
    if all(column.kind in ("words", "chips") for column in columns[: place + 1]) or one.heading == "contacts":
        return 0
    if one.kind != "rate":
        return 3 if one.kind == "number" else 4
    stem = one.sources[0].removesuffix("low").removesuffix("_")
    return 1 if stem in _MAIN or (one.sources[0] == "low") else 2


_CONTACT = ("phone", "name", "opt_out", "tags", "created_at")
_MAIN = ("rate", "opt_out_rate", "relative_risk", "difference", "survival")


def _laid(columns: Sequence[Column]) -> list[str]:
    padded = []
    for one in columns:
        lines = [one.heading, *_text_cells(one)]
        width = max(map(width_of, lines))
        lines.insert(1, "─" * width)
        at_left = _side(one) == "left"
        gaps = [" " * (width - width_of(line)) for line in lines]
        padded.append([line + gap if at_left else gap + line for line, gap in zip(lines, gaps, strict=True)])
    return ["  ".join(cells).rstrip() for cells in zip(*padded, strict=True)]
