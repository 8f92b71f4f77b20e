"""What there is to choose from, with live counts: how many contacts each value would leave, the other filters held."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from sendblue_data.explorer.filters import Filters, predicate_of
from sendblue_data.explorer.selection import Account
from sendblue_data.report.words import readable
from sendblue_data.segments.predicates import Segment
from sendblue_data.segments.rules import Rule

_Ints = np.ndarray[Any, np.dtype[Any]]

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
_WIDTHS = (1, 3, 12)
"""Months of a bar."""
_KEPT = 256
"""Counts that are kept, the last used: going back to a filter counts nothing anew."""


class Index:
    """The values of an account's fields as small numbers, made once, so that counting is adding up.

    Args:
        account: whose contacts these are.
    """

    def __init__(self, account: Account) -> None:
        self.account = account
        self._made: dict[str, _Coded] = {}
        self._kept: OrderedDict[tuple[str, Rule | None], _Ints] = OrderedDict()

    def counts(self, field: str, among: Segment | None) -> list[tuple[Any, int]]:
        """Return every value of a field with its contacts in a segment, the most of all contacts first."""
        coded, counted = self._coded(field), self._counted(field, among)
        return [(coded.values[place], int(counted[place])) for place in coded.order]

    def months(self, among: Segment | None) -> list[tuple[date, int]]:
        """Return the first day of each bar of the histogram, with the contacts of a segment, from first to last."""
        coded = self._coded("months")
        return list(zip(coded.values[:-1], map(int, self._counted("months", among)), strict=False))

    def _counted(self, field: str, among: Segment | None) -> _Ints:
        rule = None if among is None else among.rule
        if (field, rule) in self._kept:
            self._kept.move_to_end((field, rule))
            return self._kept[field, rule]
        coded, members = self._coded(field), self.account.members(among)
        # Whichever is less work: adding up those who are in, or taking away those who are not.
        rest = 2 * int(members.sum() or 0) > members.len()
        counted = coded.count((~members if rest else members).arg_true().to_numpy())
        if rest:
            counted = coded.sizes - counted
        if rule is None or not rule.moves:
            self._kept[field, rule] = counted
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return counted

    def _coded(self, field: str) -> _Coded:
        if field not in self._made:
            make = {"tags": self._tags, "months": self._months}.get(field)
            self._made[field] = make() if make else _coded(self._values(field))
        return self._made[field]

    def _values(self, field: str) -> pl.Series:
        frame = self.account.frame
        if field == "regions":
            return self.account.regions_of_all
        if field == "area_codes":
            return frame.select(pl.col("phone").str.extract(_AREA)).to_series()
        return frame[COLUMNS[field]]

    def _tags(self) -> _Coded:
        """A code for each tag of each contact; one that stands twice with a contact counts once."""
        each = self.account.frame["tags"].to_frame("tag").with_row_index("row")
        each = each.explode("tag", empty_as_null=False, keep_nulls=False)
        rows, tags = each["row"], each["tag"]
        coded = _coded(tags)
        keys = rows.cast(pl.UInt64) * len(coded.values) + pl.Series(coded.codes).cast(pl.UInt64)
        if keys.n_unique() < keys.len():
            first = keys.is_first_distinct()
            rows, coded = rows.filter(first), _coded(tags.filter(first))
        ends = np.cumsum(np.bincount(rows.to_numpy(), minlength=self.account.height))
        return replace(coded, starts=np.concatenate(([0], ends)))

    def _months(self) -> _Coded:
        """A code for each month, quarter or year, those without a contact among them; the last is of no date."""
        created = self.account.frame["created_at"]
        month = created.dt.year() * 12 + created.dt.month() - 1
        first, last = month.min(), month.max()
        if not isinstance(first, int) or not isinstance(last, int):
            return _Coded([None], np.zeros(created.len(), np.uint8), [])
        width = next(
            width for width in _WIDTHS if last // width - first // width < _MONTHS or width == _WIDTHS[-1]
        )
        bars = range(first // width, last // width + 1)
        days: list[Any] = [date(bar * width // 12, bar * width % 12 + 1, 1) for bar in bars]
        codes = (month // width - bars[0]).fill_null(len(days)).cast(pl.UInt16).to_numpy()
        return _Coded([*days, None], codes, list(range(len(days))))


@dataclass(frozen=True)
class _Coded:
    """A field's values as numbers.

    Attributes:
        values: every value; a code is a place in it.
        codes: of each contact, or of each of its tags.
        order: codes in the order in which they are shown.
        starts: of tags, where each contact's begin, and the end; None where a contact has one value.
    """

    values: list[Any]
    codes: _Ints
    order: list[int]
    starts: _Ints | None = None

    @cached_property
    def sizes(self) -> _Ints:
        """How many contacts have each value."""
        return np.bincount(self.codes, minlength=len(self.values))

    def count(self, rows: _Ints) -> _Ints:
        """Return how many of some contacts have each value."""
        if self.starts is not None:
            begin = self.starts[rows]
            each = self.starts[rows + 1] - begin
            before = np.cumsum(each) - each
            rows = np.repeat(begin - before, each) + np.arange(each.sum())
        return np.bincount(self.codes[rows], minlength=len(self.values))


def _coded(values: pl.Series) -> _Coded:
    """Code texts; null is a value, too, the last."""
    names = values.drop_nulls().unique(maintain_order=True)
    codes = values.cast(pl.Enum(names)).to_physical().cast(pl.UInt32).fill_null(names.len()).to_numpy()
    known: list[Any] = [*names.to_list(), None]
    sizes = np.bincount(codes, minlength=len(known))
    some = (place for place in range(len(known)) if sizes[place])
    return _Coded(known, codes, sorted(some, key=lambda place: (-int(sizes[place]), str(known[place]))))


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
    counted = index.counts(field, predicate_of(free))
    state = {value: _STATES.get(name, "in") for name in names for value in getattr(filters, name)}
    text = search.strip().casefold()
    found = [
        (value, count)
        for value, count in counted
        if value in state or (_is_offered(field, value) and text in str(value or "").casefold())
    ]
    # What is chosen keeps its place, as it is clicked again to be excluded; out of sight, it comes to the top.
    listed = [(value, count) for value, count in found if text in str(value or "").casefold()][:OFFERED]
    seen, known = {value for value, _ in listed}, dict(counted)
    above = [(value, known.get(value, 0)) for value in state if value not in seen]
    return {
        "field": field,
        "label": label,
        "values": [
            {"key": value, "label": readable(value, 44), "count": count, "state": state.get(value, "")}
            for value, count in [*above, *listed]
        ],
        "more": max(0, len(found) - len(above) - OFFERED),
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
    counted = index.months(predicate_of(free))
    days = [day for day, _ in counted]
    return [
        {
            "day": day.isoformat(),
            "label": f"{day:%b %Y}",
            "next": after.isoformat() if after else None,
            "count": count,
        }
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
