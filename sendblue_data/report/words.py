"""Text that came from contacts, made fit for a page: one line, short, nothing hidden in it."""

from __future__ import annotations

import unicodedata

from sendblue_data.plots.labels import shorten

LONGEST = 60
"""Columns of text that a cell may take."""
NOT_SET = "(not set)"


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
