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
_AT_ONCE = 100_000
"""Cells that are split together: what is worked out of them takes memory."""
_UNSEEN = "[\u200b-\u200f\u202a-\u202e\u2060\ufeff\x00-\x08]"


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
    # One by one only what a split can't tell: JSON, and tags in quotes.
    is_plain = ~(text.str.contains('"', literal=True) | text.str.starts_with("["))
    odd = text.filter(~is_plain).drop_nulls().unique().to_list()
    lists = {cell: _json_list(cell, exact=exact) for cell in odd if cell.startswith("[")}
    in_json = [cell for cell in odd if lists.get(cell) is not None]
    rest = [cell for cell in odd if lists.get(cell) is None]
    plain = text.filter(is_plain).drop_nulls()
    chosen = _found(plain, rest) if separator is None else separator
    split = text.set(~is_plain, None)
    parts = [split.slice(start, _AT_ONCE) for start in range(0, max(split.len(), 1), _AT_ONCE)]
    values = pl.concat([_split_all(part, chosen) for part in parts])
    if odd:
        told = [lists[cell] if cell in in_json else _split(cell, chosen) for cell in odd]
        keys = pl.DataFrame({"cell": odd, "tags": pl.Series(told, dtype=pl.List(pl.String))})
        read = text.to_frame("cell").join(keys, on="cell", how="left", maintain_order="left")["tags"]
        values = read.zip_with(~is_plain.fill_null(value=True), values)
    how = [f"separated by {_NAMES.get(chosen, repr(chosen))}"] if chosen else ["one a cell"]
    if not plain.len() and not rest:
        how = []
    return Tags(values.alias(text.name), ", ".join([*how, *(["JSON"] if in_json else [])]) or "none")


def _json_list(cell: str, *, exact: bool) -> list[Any] | None:
    try:
        found = json.loads(cell)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, list) or not all(item is None or isinstance(item, (str, int)) for item in found):
        return None
    texts = [item if item is None else str(item) for item in found]
    return texts if exact else [*_cleaned([item or "" for item in texts])]


def _found(plain: pl.Series, rest: list[str]) -> str:
    counts = {
        separator: int(plain.str.contains(separator, literal=True).sum())
        + sum(separator in cell for cell in rest)
        for separator in _SEPARATORS
    }
    best = max(_SEPARATORS, key=lambda separator: counts[separator])
    return best if counts[best] else ""


def _split_all(text: pl.Series, separator: str) -> pl.Series:
    lists = text.str.split(separator) if separator else text.reshape((-1, 1)).arr.to_list()
    seen = pl.element().str.replace_all(_UNSEEN, "").str.replace_all("\u00a0", " ").str.strip_chars()
    tags = lists.list.eval(seen.filter(seen != "").unique(maintain_order=True))
    return tags.set(tags.list.len() == 0, None).set(text.is_null(), None)


def _split(cell: str, separator: str) -> list[str] | None:
    if not separator:
        parts = [cell]
    elif '"' in cell and len(separator) == 1:
        parts = _unquoted(cell, separator)
    else:
        parts = cell.split(separator)
    return _cleaned(parts) or None


def _unquoted(cell: str, separator: str) -> list[str]:
    line = re.sub(r"[\r\n]", " ", cell)
    try:
        return next(csv.reader([line], delimiter=separator, skipinitialspace=True), [])
    except csv.Error:  # longer than the module takes
        return line.split(separator)


def _cleaned(parts: list[str]) -> list[str]:
    tags = [re.sub(_UNSEEN, "", part).replace("\xa0", " ").strip() for part in parts]
    return [tag for tag in dict.fromkeys(tags) if tag]
