"""A report's words: names as short lines, a picture for who can't see it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import polars as pl

from sendblue_data._shared.text import without_controls
from sendblue_data.plots.labels import NOT_SET, clean

LONGEST = 60
"""Columns of text that a cell may take."""
_SAID = 12
"""Rows that the text for a picture lists."""


def readable(text: object, width: int = LONGEST) -> str:
    r"""Make a text one short line in which nothing is hidden. It is not escaped: the page does that.

    Controls become `·` and direction marks go, so that neither a terminal nor a reader is led astray; a space
    at an end is shown as `␣`, since `vip` and `vip ` are two tags.

    Example:
        >>> readable("vip "), readable(""), readable(None), readable("a\x1b[31m\u202eb")
        ('vip␣', '(empty)', '(not set)', 'a·[31mb')
    """
    return NOT_SET if text is None else clean(str(text), width, without_controls)


def in_words(
    title: str, table: pl.DataFrame, name: str | Sequence[str], value: str, write: Callable[[float], str]
) -> str:
    """Say a plot's first rows in words.

    Example:
        >>> table = pl.DataFrame({"tag": ["VIP", "Lead"], "contacts": [90, None]})
        >>> in_words("Contacts by tag", table, "tag", "contacts", str)
        'Contacts by tag. VIP: 90; Lead: not known.'
    """
    names = [name] if isinstance(name, str) else list(name)
    parts = [
        f"{' '.join(_said(key) for key in keys)}: {'not known' if held is None else write(held)}"
        for *keys, held in table.head(_SAID).select(*names, value).rows()
    ]
    more = f"; and {table.height - _SAID} more" if table.height > _SAID else ""
    return f"{title}. {'; '.join(parts) or 'None'}{more}."


def _said(key: object) -> str:
    return " + ".join(map(readable, key)) or "no tag" if isinstance(key, list) else readable(key)
