"""What a report is made of, before it is a page: numbers, pictures, tables, and the words around them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True)
class Card:
    """A headline number, what it counts, and what to know about it."""

    name: str
    value: str
    note: str


@dataclass(frozen=True)
class Picture:
    """A plot.

    Attributes:
        name: of the file that it can be written to, without suffix.
        alt: the same in words, for who can't see it.
        svg: the drawing, in the light theme's colours.
        png: the same in dots, for a mail or a slide; None where nobody asked for it.
    """

    name: str
    alt: str
    svg: str
    png: bytes | None = None


@dataclass(frozen=True)
class Table:
    """A small table of texts; the first column names the row.

    Attributes:
        name: an id that no other table on the page has.
        title: what it lists.
        rows: all columns text, named as a reader shall see them.
        left: columns that are words; the others are numbers, which stand at the right.
        note: what to know about it.
    """

    name: str
    title: str
    rows: pl.DataFrame
    left: Sequence[str] = ()
    note: str = ""


@dataclass(frozen=True)
class Section:
    """A part of the page under one heading.

    Attributes:
        name: its address on the page.
        title: its heading.
        words: what stands below it.
        parts: its pictures and tables.
        sentences: a list that is read one by one.
    """

    name: str
    title: str
    words: Sequence[str] = ()
    parts: Sequence[Picture | Table] = ()
    sentences: Sequence[str] = ()

    @property
    def is_short(self) -> bool:
        """Whether it holds no picture, and takes no page of its own where it is printed."""
        return not any(isinstance(part, Picture) for part in self.parts)


@dataclass(frozen=True, kw_only=True)
class Report:
    """A whole report.

    Attributes:
        title: its heading.
        facts: what was read, from where and when, as name and value.
        warnings: what a reader must know first.
        cards: the headline.
        sections: the parts.
        over_time: whether a history was given, whose metrics are then defined as well.
        theme: `"auto"`, `"light"` or `"dark"`.
        logo: a data URI of the picture at the top; empty for none.
    """

    title: str
    facts: Sequence[tuple[str, str]]
    warnings: Sequence[str]
    cards: Sequence[Card]
    sections: Sequence[Section]
    over_time: bool
    with_messages: bool = False
    theme: str = "auto"
    logo: str = ""

    @property
    def pictures(self) -> list[Picture]:
        """The pictures of all sections."""
        return [part for section in self.sections for part in section.parts if isinstance(part, Picture)]
