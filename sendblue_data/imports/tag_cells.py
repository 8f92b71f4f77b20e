"""Tags as lists write them in one cell: `a; b`, `a, b`, `"VIP","Lead"`, JSON, Google's `a ::: b`."""

from __future__ import annotations

import csv
import json
import re
from typing import Any, NamedTuple

import polars as pl

_SEPARATORS = (":::", ";", "|", "\n", "\t", ",")
"""Those that are looked for, the rarest within a tag first: where several stand in as many cells, the first is it."""
_NAMES = {",": "comma", ";": "semicolon", "|": "bar", "\n": "line break", "\t": "tab"}
_UNSEEN = re.compile(r"[\u200b-\u200f\u202a-\u202e\u2060\ufeff\x00-\x08]")


class Tags(NamedTuple):
    """The tags of each row, and how they were told apart."""

    values: pl.Series
    how: str


def read_tags(column: pl.Series, separator: str | None, *, exact: bool = False) -> Tags:
    """Read a column of tags.

    Args:
        column: text, or lists of texts, which are taken as they are.
        separator: what stands between two tags of a cell; None finds it out; `""` takes a cell for one tag.
        exact: keep blanks and nulls of a JSON list, as in a file of ours.

    Example:
        >>> read_tags(pl.Series(["VIP; Lead;", '["a, b"]', " ", None]), None)
        Tags(values=shape: (4,)
        Series: '' [list[str]]
        [
            ["VIP", "Lead"]
            ["a, b"]
            null
            null
        ], how='separated by semicolon, JSON')
    """
    if column.dtype == pl.List(pl.String):
        return Tags(column, "lists")
    text = column.cast(pl.String)
    cells = text.unique().drop_nulls().to_list()
    lists: dict[str, list[Any] | None] = {
        cell: _json_list(cell, exact=exact) for cell in cells if cell.lstrip().startswith("[")
    }
    plain = [cell for cell in cells if lists.get(cell) is None]
    chosen = _found(plain) if separator is None else separator
    for cell in plain:
        lists[cell] = _split(cell, chosen)
    values = pl.Series(
        text.name, [None if cell is None else lists[cell] for cell in text], dtype=pl.List(pl.String)
    )
    how = [f"separated by {_NAMES.get(chosen, repr(chosen))}"] if chosen else ["one a cell"] if plain else []
    if len(plain) < len(cells):
        how.append("JSON")
    return Tags(values, ", ".join(how) or "none")


def _json_list(cell: str, *, exact: bool) -> list[Any] | None:
    try:
        found = json.loads(cell)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, list) or not all(item is None or isinstance(item, (str, int)) for item in found):
        return None
    texts = [item if item is None else str(item) for item in found]
    return texts if exact else [*_cleaned([item or "" for item in texts])]


def _found(cells: list[str]) -> str:
    counts = {separator: sum(separator in cell for cell in cells) for separator in _SEPARATORS}
    best = max(_SEPARATORS, key=lambda separator: counts[separator])
    return best if counts[best] else ""


def _split(cell: str, separator: str) -> list[str] | None:
    if not separator:
        parts = [cell]
    elif '"' in cell and len(separator) == 1:
        parts = next(csv.reader([cell.replace("\n", " ")], delimiter=separator, skipinitialspace=True), [])
    else:
        parts = cell.split(separator)
    return _cleaned(parts) or None


def _cleaned(parts: list[str]) -> list[str]:
    tags = [_UNSEEN.sub("", part).replace("\xa0", " ").strip() for part in parts]
    return [tag for tag in dict.fromkeys(tags) if tag]
