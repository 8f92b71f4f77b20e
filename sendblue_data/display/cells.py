"""How a value is written for a person: by the name of its column, since a rate and a ratio are both Float64."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any, Literal

import polars as pl

from sendblue_data._shared.text import without_controls
from sendblue_data.plots.labels import clean, decimal, interval, number, percent, probability
from sendblue_data.schema import CONTACT_SCHEMA

MISSING = "\u2013"
SMALL = 20
"""Contacts below which a group is greyed: its rate says little."""
_CONTACT_ORDER = (
    "phone", "first_name", "last_name", "company_name", "created_at", "opt_out", "verified", "tags", "custom_variables",
    "assigned_to_email", "sendblue_number", "contact_id",
)  # fmt: skip
"""What a person looks for first in a contact."""
_SHARES = re.compile(
    r"(.*_)?(rate|share|jaccard|survival|per_30_days|low|high|limit_low|limit_high)(_low|_high)?|share_of_[ab]"
)
_RATIOS = re.compile(r"(adjusted_)?relative_risk(_low|_high)?|lift|score|times|index|expected")
_POINTS = re.compile(r"difference(_low|_high)?")
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d)[:.\d]*(?:\+00:00|Z| UTC)?")

Kind = Literal["name", "rate", "number", "words", "chips"]
"""What a column is: names the row; a rate or its interval; another number; words; several short texts."""


@dataclass(frozen=True)
class Column:
    """A column as it is read.

    Attributes:
        heading: what stands above it: the frame's own name, so that it can be asked for, without controls.
        kind: how it is set.
        cells: a text a row; of chips, a list of texts.
        sources: the frame's columns that it shows.
    """

    heading: str
    kind: Kind
    cells: list[Any]
    sources: tuple[str, ...]


def columns_of(table: pl.DataFrame) -> list[Column]:
    """Return a table's columns as they are read: a rate's bounds become one interval, a name is one column.

    Example:
        >>> table = pl.DataFrame({"tag": ["VIP"], "contacts": [1810], "rate": [0.083], "low": [0.071], "high": [0.097]})
        >>> [(column.heading, column.cells) for column in columns_of(table)]
        [('tag', ['VIP']), ('contacts', ['1,810']), ('rate', ['8.3%']), ('low to high', ['7.1 to 9.7%'])]
    """
    made: list[Column] = []
    done: set[str] = set()
    contacts = is_contacts(table.columns) and table.columns[0] != "statistic"
    first = [name for name in _CONTACT_ORDER if name in table.columns] if contacts else []
    for name in dict.fromkeys([*first, *table.columns]):
        if name in done:
            continue
        bounds = _bounds(name, table.columns)
        if bounds:
            done.update(bounds)
            write = _interval_of(bounds[0])
            cells = [write(pair) for pair in table.select(bounds).rows()]
            made.append(Column("low to high", "rate", cells, bounds))
        elif contacts and name == "first_name" and "last_name" in table.columns:
            done.update(("first_name", "last_name"))
            pairs = table.select("first_name", "last_name").rows()
            both = [" ".join(filter(None, pair)) for pair in pairs]
            cells = [_words(one) if one else MISSING for one in both]
            made.append(Column("name", "words", cells, ("first_name", "last_name")))
        else:
            made.append(_column(name, table[name]))
    return made


def _bounds(name: str, names: Sequence[str]) -> tuple[str, str] | None:
    stem, found, low = name.rpartition("low")
    if low or not found or (stem and not stem.endswith("_")):
        return None
    return (name, f"{stem}high") if f"{stem}high" in names else None


def _column(name: str, values: pl.Series) -> Column:
    kind, heading = values.dtype, without_controls(name)
    write = _writer(name, kind)
    if isinstance(kind, pl.List | pl.Array | pl.Map):
        return Column(heading, "chips", [_chips(value) for value in values.to_list()], (name,))
    cells = [MISSING if value is None else write(value) for value in values.to_list()]
    setting: Kind = (
        "rate"
        if kind.is_float() and any(one.fullmatch(name) for one in (_SHARES, _RATIOS, _POINTS))
        else "number"
        if kind.is_numeric()
        else "words"
    )
    return Column(heading, setting, cells, (name,))


def _writer(name: str, kind: pl.DataType) -> Callable[[Any], str]:
    if kind.is_float():
        if name in ("p", "q"):
            return probability
        if _POINTS.fullmatch(name):
            return _points
        if _RATIOS.fullmatch(name):
            return decimal
        return percent if _SHARES.fullmatch(name) else _plain_float
    if kind.is_integer():
        return number
    if kind == pl.Boolean:
        return lambda value: "yes" if value else "no"
    return short_moment if kind.is_temporal() else _words


def short_moment(value: Any) -> str:
    """Write a moment to the minute, and a midnight as its day.

    Example:
        >>> short_moment(datetime(2026, 3, 1, 9, 5, 7, 123)), short_moment(date(2026, 3, 1))
        ('2026-03-01 09:05', '2026-03-01')
    """
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d}" if value.time() == time() else f"{value:%Y-%m-%d %H:%M}"
    return f"{value:%Y-%m-%d}" if isinstance(value, date) else str(value)


def _words(value: object) -> str:
    # A description of a contacts frame holds its moments as text.
    return clean(_MOMENT.sub(r"\1 \2", str(value)), 400, draw=without_controls)


def _plain_float(value: float) -> str:
    return f"{value:,.0f}" if value == round(value) or abs(value) >= 1000 else f"{value:,.3g}"  # noqa: PLR2004


def _points(value: float) -> str:
    return f"{100 * value:+.1f} points"


def _interval_of(low: str) -> Callable[[Sequence[float | None]], str]:
    if _POINTS.fullmatch(low):
        return lambda pair: MISSING if None in pair else f"{100 * pair[0]:+.1f} to {100 * pair[1]:+.1f}"  # type: ignore[operator]
    if _RATIOS.fullmatch(low):
        return lambda pair: MISSING if None in pair else f"{decimal(pair[0])} to {decimal(pair[1])}"
    return lambda pair: MISSING if None in pair else interval(pair)


def _chips(value: Any) -> list[str]:
    if value is None:
        return []
    pairs = value.items() if isinstance(value, Mapping) else [_pair(one) for one in value]
    return [
        clean(
            str(key) if held is _ALONE else f"{key}: {MISSING if held is None else held}",
            60,
            draw=without_controls,
        )
        for key, held in pairs
        if key is not None
    ]


_ALONE = object()


def _pair(one: Any) -> tuple[Any, Any]:
    if isinstance(one, Mapping) and set(one) == {"key", "value"}:
        return one["key"], one["value"]
    return one, _ALONE


def is_contacts(names: Sequence[str]) -> bool:
    """Tell whether columns are those of contacts: a phone or an id, and most of the fields."""
    return ("phone" in names or "contact_id" in names) and sum(name in CONTACT_SCHEMA for name in names) >= 5  # noqa: PLR2004


_OURS = (
    {"contacts"} | {f"{kind}_{side}" for kind in ("opt_out_rate", "rate") for side in ("low", "high")}
    | {"opt_outs", "unknown", "jaccard", "cumulative", "step_share", "at_risk", "left", "suggestion", "delivered"}
)  # fmt: skip
_RUNS = {"run_id", "kind", "account", "state"}
_SNAPSHOTS = {"taken_at", "contacts", "added", "removed"}


def is_ours(table: pl.DataFrame) -> bool:
    """Tell whether a frame is one that this package gives: contacts, a table of counts and rates, a list of runs.

    Example:
        >>> is_ours(pl.DataFrame({"tag": ["VIP"], "contacts": [3], "opt_outs": [1]})), is_ours(pl.DataFrame({"x": [1]}))
        (True, False)
    """
    names = set(table.columns)
    described = table.columns[:1] == ["statistic"] and bool(names & set(CONTACT_SCHEMA))
    return (
        len(names & _OURS) > 1
        or names >= _RUNS
        or names >= _SNAPSHOTS
        or described
        or is_contacts(table.columns)
    )
