"""Text that came from contacts, made fit for a page: one line, short, nothing hidden in it, phones masked."""

from __future__ import annotations

import re
import unicodedata

import polars as pl

from sendblue_data.plots.labels import shorten
from sendblue_data.schema import E164
from sendblue_data.writeback.fields import masked

LONGEST = 60
"""Columns of text that a cell may take."""
NOT_SET = "(not set)"
# Wherever it stands: a tag or a company may hold a phone as well. Not the tail of a longer number.
_PHONE = re.compile(rf"(?<![0-9]){E164}(?![0-9])")


def shown(text: object, width: int = LONGEST) -> str:
    r"""Make a text one short line in which nothing is hidden. It is not escaped: the page does that.

    Controls become `·` and direction marks go, so that neither a terminal nor a reader is led astray; a space
    at an end is shown as `␣`, since `vip` and `vip ` are two tags.

    Example:
        >>> shown("vip "), shown(""), shown(None), shown("a\x1b[31m\u202eb")
        ('vip␣', '(empty)', '(not set)', 'a·[31mb')
    """
    if text is None:
        return NOT_SET
    body = str(text)
    if not body:
        return "(empty)"
    flat = "".join(_plain(character) for character in body)
    core = " ".join(flat.split())
    lead, tail = "␣" * (body[0].isspace()), "␣" * (body[-1].isspace() and bool(core))
    return shorten(f"{lead}{core}{tail}", width)


def _plain(character: str) -> str:
    if character.isspace():
        return " "
    kind = unicodedata.category(character)
    if kind == "Cf":
        return character if character == "\u200d" else ""  # joins emoji
    return "·" if kind in {"Cc", "Cs", "Co", "Cn"} else character


def hide_phones(text: str) -> str:
    """Mask each E.164 phone in a text.

    Example:
        >>> hide_phones("from +12125550123, twice")
        'from +1212•••0123, twice'
    """
    return _PHONE.sub(lambda found: masked(found[0]), text)


def without_phones(table: pl.DataFrame) -> pl.DataFrame:
    """Mask the phones in every text of a small table, lists of texts included."""
    return table.with_columns(
        pl.Series(name, [_hidden(value) for value in table[name].to_list()], dtype=kind)
        for name, kind in table.schema.items()
        if kind in (pl.String, pl.List(pl.String))
    )


def _hidden(value: object) -> object:
    if isinstance(value, list):
        return [_hidden(one) for one in value]
    return hide_phones(value) if isinstance(value, str) else value
