"""The filters that were chosen, and what the browser shows of them: facets with counts, chips, a sentence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

from sendblue_data.errors import SegmentError
from sendblue_data.explorer.facets import FIELDS, Index, changed, facet, months
from sendblue_data.explorer.filters import (
    ANY,
    OPT_OUTS,
    REACHES,
    TAGGED,
    TESTS,
    TEXTED,
    VERIFIED,
    Filters,
    predicate_of,
)
from sendblue_data.explorer.part import ChipsPart, FacetsPart, Message
from sendblue_data.explorer.selection import Account
from sendblue_data.report.words import readable

SPANS = ("", "7d", "30d", "90d", "6mo", "1y")
"""Relative dates that are offered; the empty one is none."""
_CHOICES: dict[str, tuple[str, Sequence[str]]] = {
    "reach": ("Reachable", REACHES),
    "opt_out": ("Opted out", OPT_OUTS),
    "verified": ("Verified", VERIFIED),
    "tagged": ("Tagged", TAGGED),
    "texted": ("Texts", tuple(TEXTED)),
}
_TEXTS = ("text", "value", "variable")
_DAYS = ("created_from", "created_before")
_WORDS = {
    "all_tags": "tagged all of",
    "any_tags": "tagged any of",
    "no_tags": "tagged none of",
    "owners": "owned by",
    "not_owners": "not owned by",
    "lines": "on the line",
    "not_lines": "not on the line",
    "companies": "of the company",
    "not_companies": "not of the company",
    "regions": "with a phone from",
    "not_regions": "with no phone from",
    "area_codes": "of area code",
}
_ALONE = {"all_tags": "tagged", "any_tags": "tagged", "no_tags": "not tagged"}
"""The same where one value is chosen."""
_OWNERS = {name: field for field, (_, names) in FIELDS.items() for name in names}
_LONGEST = 44


class Controls:
    """The filters, and the two parts that show and change them.

    Args:
        account: what there is to choose from.
        changed: called when the filters have changed.

    Attributes:
        changed: what is called.
        filters: what is chosen.
        widget: the facets.
        chips: what is chosen, as a sentence whose words can be taken out.
    """

    def __init__(self, account: Account, changed: Callable[[], object]) -> None:
        self.changed = changed
        self._open = {"tags"}
        self._searches: dict[str, str] = {}
        self.filters = Filters()
        self.dark = False
        self.themed: Callable[[], object] = lambda: None
        self.widget = FacetsPart(self.hear)
        self.chips = ChipsPart(self.hear)
        self.offer(account)

    def offer(self, account: Account) -> None:
        """Show what an account has to choose from."""
        self._index = Index(account)
        self._names = account.variables
        self.tell()

    def show(self, filters: Filters) -> None:
        """Show these filters as chosen; nobody is told."""
        self.filters = filters
        self._searches.clear()
        self.tell()

    def hear(self, message: Message) -> None:
        """Do what was clicked or typed in the browser; what is none of its words is left alone."""
        kind = message.get("type")
        if kind == "ready":
            self.dark = bool(message.get("dark"))
            self.themed()
            return
        if kind == "open":
            self._unfold(str(message.get("field")), is_open=bool(message.get("open", True)))
            return
        if kind == "search":
            self._searches[str(message.get("field"))] = str(message.get("text", ""))
            self.tell()
            return
        wanted = self._after(kind, message)
        if wanted is not None and wanted != self.filters:
            self.filters = wanted
            self.changed()
        self.tell()

    def _unfold(self, field: str, *, is_open: bool) -> None:
        """Count a facet from now on, or no longer; what is so already is told to nobody, lest views answer for ever."""
        if is_open != (field in self._open):
            self._open ^= {field}
            self.tell()

    def _after(self, kind: object, message: Message) -> Filters | None:
        if kind == "choose" and message.get("field") in FIELDS:
            state = str(message.get("state", ""))
            return changed(self.filters, message["field"], message.get("key"), state)
        if kind == "set":
            return self._set(str(message.get("name")), message.get("value"))
        if kind == "days":
            days = {name: _day(message.get(name)) for name in _DAYS}
            return self.filters.but(created_within="", **days)
        if kind == "clear":
            return Filters()
        if kind == "or":
            return self._put_aside()
        if kind == "drop":
            return self._dropped(str(message.get("name")), message.get("place"))
        return None

    def _set(self, name: str, value: object) -> Filters | None:
        text = "" if value is None else str(value)
        if name in _TEXTS:
            return self.filters.but(**{name: text})
        if name in _DAYS:
            return self.filters.but(created_within="", **{name: _day(value)})
        if name == "created_within" and text in SPANS:
            return self.filters.but(created_within=text, created_from=None, created_before=None)
        choices = TESTS if name == "test" else _CHOICES[name][1] if name in _CHOICES else ()
        return self.filters.but(**{name: text}) if text in choices else None

    def _put_aside(self) -> Filters | None:
        """Begin another group: contacts are in one of those before, or in what is chosen from now on."""
        said = predicate_of(self.filters.but(alternatives=()))
        return None if said is None else Filters(alternatives=(*self.filters.alternatives, said.rule))

    def _dropped(self, name: str, place: object) -> Filters | None:
        if name in ("extra", "alternatives") and isinstance(place, int):
            kept = [rule for at, rule in enumerate(getattr(self.filters, name)) if at != place]
            return self.filters.but(**{name: tuple(kept)})
        if name in Filters.__dataclass_fields__:
            return self.filters.but(**{name: getattr(Filters(), name)})
        return None

    # What is shown

    def tell(self) -> None:
        """Show the facets and the chips as they are now."""
        held = self.filters
        counted = _without_contradiction(held)
        self.widget.tell(
            facets=[
                facet(self._index, counted, name, self._searches.get(name, ""), is_open=name in self._open)
                for name in FIELDS
            ],
            searches=dict(self._searches),
            months=months(self._index, counted),
            choices=[
                {"name": name, "label": label, "options": list(options), "value": getattr(held, name)}
                for name, (label, options) in _CHOICES.items()
                if name != "texted" or self._index.account.has_engagement
            ],
            spans=[{"value": span, "label": _span(span)} for span in SPANS],
            within=held.created_within,
            days={name: _iso(getattr(held, name)) for name in _DAYS},
            variables=[
                {"value": name, "label": f"{readable(name, _LONGEST)} ({n:,})"} for name, n in self._names
            ],
            variable=held.variable,
            tests=list(TESTS),
            test=held.test,
            value=held.value,
            text=held.text,
        )
        self.chips.tell(groups=self._groups(), any=held != Filters())

    def _groups(self) -> list[dict[str, Any]]:
        """The chosen filters as a sentence in pieces: words, and what can be taken out."""
        held = self.filters
        made: list[dict[str, Any]] = [
            _group("either", [_chip(rule.words(), "drop", name="alternatives", place=place)])
            if not place
            else _group("or", [_chip(rule.words(), "drop", name="alternatives", place=place)])
            for place, rule in enumerate(held.alternatives)
        ]
        first = len(made)
        for name, words in _WORDS.items():
            values = getattr(held, name)
            if values:
                chips = [
                    _chip(readable(value, _LONGEST), "choose", field=_OWNERS[name], key=value, state="")
                    for value in values
                ]
                made.append(_group(_ALONE.get(name, words) if len(chips) == 1 else words, chips))
        made += [
            _group("", [_chip(_said(name, getattr(held, name)), "drop", name=name)])
            for name in _CHOICES
            if getattr(held, name) != ANY
        ]
        if held.created_within:
            made.append(
                _group("created in", [_chip(_span(held.created_within), "drop", name="created_within")])
            )
        for name, words in zip(_DAYS, ("created from", "created before"), strict=True):
            if getattr(held, name):
                made.append(_group(words, [_chip(_iso(getattr(held, name)), "drop", name=name)]))
        if held.variable:
            tested = f"{readable(held.variable, _LONGEST)} {held.test}"
            tested += f" {readable(held.value, _LONGEST)}" if "set" not in held.test else ""
            made.append(_group("whose", [_chip(tested, "drop", name="variable")]))
        if held.text.strip():
            made.append(_group("mentioning", [_chip(readable(held.text, _LONGEST), "drop", name="text")]))
        made += [
            _group(
                "further condition, kept until cleared:",
                [_chip(rule.words(), "drop", name="extra", place=place)],
            )
            for place, rule in enumerate(held.extra)
        ]
        for place, group in enumerate(made):
            group["joined"] = "" if not place or place < first else "or" if place == first else "and"
        return made


def _without_contradiction(filters: Filters) -> Filters:
    """Return what can be counted: dates that contradict each other, which the explorer says, are left out."""
    try:
        predicate_of(filters)
    except SegmentError:
        return filters.but(created_from=None, created_before=None)
    return filters


def _group(words: str, chips: list[dict[str, Any]]) -> dict[str, Any]:
    return {"words": words, "chips": chips}


def _chip(label: str, kind: str, **message: Any) -> dict[str, Any]:
    return {"label": label, "remove": {"type": kind, **message}}


def _said(name: str, choice: str) -> str:
    if name in ("reach", "tagged", "texted"):
        return choice
    return f"{name.replace('_', '-')}: {choice}" if choice == "unknown" else choice


def _span(span: str) -> str:
    units = {"d": "days", "mo": "months", "y": "year"}
    number, unit = span.rstrip("dmoy"), span.lstrip("0123456789")
    return (
        f"the last {number} {units[unit]}"
        if span and number != "1"
        else "the last year"
        if span
        else "any time"
    )


def _day(value: object) -> date | None:
    try:
        return date.fromisoformat(str(value)) if value else None
    except ValueError:
        return None


def _iso(day: date | None) -> str:
    return "" if day is None else day.isoformat()
