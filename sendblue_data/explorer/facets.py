"""What there is to choose from, with live counts: how many contacts each value would leave, the other filters held."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from sendblue_data.explorer.filters import Filters, predicate_of
from sendblue_data.explorer.selection import Account
from sendblue_data.report.words import readable

FIELDS: dict[str, tuple[str, tuple[str, ...]]] = {
    "tags": ("Tag", ("all_tags", "any_tags", "no_tags")),
    "owners": ("Owner", ("owners", "not_owners")),
    "lines": ("Line", ("lines", "not_lines")),
    "companies": ("Company", ("companies", "not_companies")),
    "regions": ("Country of the phone", ("regions", "not_regions")),
    "area_codes": ("Area code (+1)", ("area_codes",)),
}
"""Each facet: its label, and the filters that it sets."""
COLUMNS = {"owners": "assigned_to_email", "lines": "sendblue_number", "companies": "company_name"}
OFFERED = 60
"""Values that a facet lists at once; searching finds the others."""
_AREA = r"^\+1([2-9][0-9]{2})[0-9]{7}$"
_MONTHS = 36
"""Bars of the histogram at most; of an older account they are of more than a month."""


class Index:
    """The values of an account's fields as small numbers, made once, so that counting is adding up.

    Args:
        account: whose contacts these are.
    """

    def __init__(self, account: Account) -> None:
        self.account = account
        self._made: dict[str, tuple[list[Any], np.ndarray[Any, Any], np.ndarray[Any, Any] | None]] = {}
        self._orders: dict[str, list[int]] = {}

    def _codes(self, field: str) -> tuple[list[Any], np.ndarray[Any, Any], np.ndarray[Any, Any] | None]:
        """Return a field's values, a value's place for each row, and of tags the contact's place besides."""
        if field not in self._made:
            rows = None
            values = self._values(field)
            if field == "tags":
                each = (
                    values.to_frame("value")
                    .with_row_index("row")
                    .explode("value", empty_as_null=False, keep_nulls=False)
                    .unique()
                )
                values, rows = each["value"], each["row"].to_numpy()
            names = values.unique(maintain_order=True)
            places = pl.DataFrame({"value": names, "place": pl.int_range(names.len(), eager=True)})
            codes = values.to_frame("value").join(
                places, on="value", how="left", nulls_equal=True, maintain_order="left"
            )
            self._made[field] = (names.to_list(), codes["place"].to_numpy(), rows)
        return self._made[field]

    def _values(self, field: str) -> pl.Series:
        frame = self.account.frame
        if field == "tags":
            return frame["tags"]
        if field == "regions":
            return self.account.regions_of_all
        if field == "area_codes":
            return frame.select(pl.col("phone").str.extract(_AREA)).to_series()
        if field == "months":
            return frame.select(pl.col("created_at").dt.truncate(self._width).dt.date()).to_series()
        return frame[COLUMNS[field]]

    def counts(self, field: str, members: pl.Series) -> list[tuple[Any, int]]:
        """Return every value of a field with its contacts among some, the most of all contacts first."""
        names, codes, rows = self._codes(field)
        mask = members.to_numpy()
        counted = np.bincount(codes[mask if rows is None else mask[rows]], minlength=len(names))
        return [(names[place], int(counted[place])) for place in self._order(field)]

    def _order(self, field: str) -> list[int]:
        if field not in self._orders:
            self._orders[field] = self._sorted(field)
        return self._orders[field]

    def _sorted(self, field: str) -> list[int]:
        names, codes, _ = self._codes(field)
        sizes = np.bincount(codes, minlength=len(names))
        if field == "months":
            return sorted((place for place, name in enumerate(names) if name), key=lambda place: names[place])
        return sorted(range(len(names)), key=lambda place: (-int(sizes[place]), str(names[place])))

    @cached_property
    def _width(self) -> str:
        first, last = self.account.frame.select(
            pl.col("created_at").min(), pl.col("created_at").max().alias("last")
        ).row(0)
        months = 0 if first is None else (last.year - first.year) * 12 + last.month - first.month + 1
        return "1mo" if months <= _MONTHS else "1q" if months <= 3 * _MONTHS else "1y"


def facet(
    index: Index, filters: Filters, field: str, search: str = "", *, is_open: bool = True
) -> dict[str, Any]:
    """Return a facet as it is shown: its values with counts, and which of them are chosen, and how.

    One that is folded, and of which nothing is chosen, is not counted: that is most of the work of a change.
    """
    label, names = FIELDS[field]
    if not is_open and not any(getattr(filters, name) for name in names):
        return {
            "field": field,
            "label": label,
            "values": [],
            "more": 0,
            "all": field == "tags",
            "open": False,
        }
    # Of the group that is being chosen: what was put aside by "or" would blur its counts.
    free = filters.but(alternatives=(), **dict.fromkeys(names, ()))
    counted = index.counts(field, index.account.members(predicate_of(free)))
    state = {value: _STATES.get(name, "in") for name in names for value in getattr(filters, name)}
    known = dict(counted)
    chosen = [(value, known.get(value, 0)) for value in state]
    text = search.strip().casefold()
    others = [
        (value, count)
        for value, count in counted
        if value not in state and _is_offered(field, value) and text in str(value or "").casefold()
    ]
    return {
        "field": field,
        "label": label,
        "values": [
            {"key": value, "label": readable(value, 44), "count": count, "state": state.get(value, "")}
            for value, count in [*chosen, *others[:OFFERED]]
        ],
        "more": max(0, len(others) - OFFERED),
        "all": field == "tags",
        "open": True,
    }


_STATES = {
    "no_tags": "out",
    "not_owners": "out",
    "not_lines": "out",
    "not_companies": "out",
    "not_regions": "out",
    "all_tags": "all",
}


def _is_offered(field: str, value: object) -> bool:
    if field in ("tags", "regions", "area_codes"):
        return value is not None and str(value).strip() != "" and value != "001"
    return True


def months(index: Index, filters: Filters) -> list[dict[str, Any]]:
    """Return the histogram of creation dates, the filter on them left out."""
    free = filters.but(created_from=None, created_before=None, created_within="", alternatives=())
    counted = index.counts("months", index.account.members(predicate_of(free)))
    days = [day for day, _ in counted]
    return [
        {"day": day.isoformat(), "next": after.isoformat() if after else None, "count": count}
        for (day, count), after in zip(counted, [*days[1:], *[None] * bool(days)], strict=True)
    ]


def changed(filters: Filters, field: str, key: Any, state: str) -> Filters:
    """Return filters in which a value of a facet is in another state: `"in"`, `"all"`, `"out"`, or `""` for none.

    Example:
        >>> changed(Filters(no_tags=("VIP",)), "tags", "VIP", "in").any_tags
        ('VIP',)
    """
    _, names = FIELDS[field]
    kept = {name: tuple(one for one in getattr(filters, name) if one != key) for name in names}
    if state:
        name = _slot(field, state)
        kept[name] = (*kept[name], key)
    return filters.but(**kept)


def _slot(field: str, state: str) -> str:
    if field == "tags":
        return {"in": "any_tags", "all": "all_tags", "out": "no_tags"}[state]
    return f"not_{field}" if state == "out" and f"not_{field}" in FIELDS[field][1] else field
