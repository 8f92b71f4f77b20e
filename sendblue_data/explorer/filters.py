"""What the controls say, as data: from it a predicate, and back from a predicate."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from functools import reduce
from typing import Any

import polars as pl

from sendblue_data._shared.validation import shown
from sendblue_data.errors import SegmentError
from sendblue_data.segments import predicates, rules
from sendblue_data.segments.field_rules import FieldIs, Mentions, Plain, Value, field_is, mentions
from sendblue_data.segments.predicates import Segment
from sendblue_data.segments.rules import Rule

ANY = "any"
OPT_OUTS = (ANY, "opted out", "not opted out", "unknown", "not opted out, or unknown")
VERIFIED = (ANY, "verified", "not verified", "unknown", "not verified, or unknown")
REACHES = (ANY, "reachable", "not reachable", "reachable and verified")
TAGGED = (ANY, "without a tag", "with a tag")
TEXTED: dict[str, Segment | None] = {
    ANY: None,
    "texted in 7 days": predicates.texted_within("7d"),
    "texted in 30 days": predicates.texted_within("30d"),
    "not texted in 30 days": ~predicates.texted_within("30d"),
    "replied in 30 days": predicates.replied_within("30d"),
    "never replied": predicates.never_replied(),
}
"""What may be asked of contacts whose messages are known, with the segment of each."""
_TESTED = {
    "is": ("equals", False),
    "is not": ("equals", True),
    "contains": ("contains", False),
    "is set": ("is_null", True),
    "is not set": ("is_null", False),
}
"""Each test of a custom variable: that of `rules.Variable`, and whether it is the complement."""
TESTS = tuple(_TESTED)
_SLOTS = {"assigned_to_email": "owners", "sendblue_number": "lines", "company_name": "companies"}
"""Fields that have a list of values, and the filter of each."""


@dataclass(frozen=True, kw_only=True)
class Filters:
    """The state of every control; conditions join by "and".

    Attributes:
        all_tags: contacts have every one of these.
        any_tags: contacts have at least one of these.
        no_tags: contacts have none of these.
        tagged: one of TAGGED.
        opt_out: one of OPT_OUTS.
        verified: one of VERIFIED.
        reach: one of REACHES.
        texted: one of TEXTED.
        owners: `assigned_to_email`, any of these; None stands for nothing.
        lines: `sendblue_number`, any of these.
        companies: `company_name`, any of these.
        regions: two-letter countries of the phone, any of these.
        area_codes: North American area codes of the phone, any of these.
        not_owners, not_lines, not_companies, not_regions: none of these.
        created_from: the first day, in UTC.
        created_before: the day after the last one, in UTC.
        created_within: a span of time until now, such as `"6mo"`; empty for none.
        variable: a custom variable's name; empty for none.
        test: one of TESTS.
        value: what to compare the variable with.
        text: a text in names, company, phone or owner.
        extra: what no control can express.
        alternatives: groups of filters that were put aside by "or": contacts are in one of these, or in what all the
            fields above say.
    """

    all_tags: tuple[str, ...] = ()
    any_tags: tuple[str, ...] = ()
    no_tags: tuple[str, ...] = ()
    tagged: str = ANY
    opt_out: str = ANY
    verified: str = ANY
    reach: str = ANY
    texted: str = ANY
    owners: tuple[Value, ...] = ()
    lines: tuple[Value, ...] = ()
    companies: tuple[Value, ...] = ()
    regions: tuple[str, ...] = ()
    area_codes: tuple[str, ...] = ()
    not_owners: tuple[Value, ...] = ()
    not_lines: tuple[Value, ...] = ()
    not_companies: tuple[Value, ...] = ()
    not_regions: tuple[str, ...] = ()
    created_from: date | None = None
    created_before: date | None = None
    created_within: str = ""
    variable: str = ""
    test: str = "is set"
    value: str = ""
    text: str = ""
    extra: tuple[Rule, ...] = ()
    alternatives: tuple[Rule, ...] = ()

    def but(self, **changes: Any) -> Filters:
        """Return the same with other values of some.

        Example:
            >>> Filters(text="ada").but(text="").text
            ''
        """
        return replace(self, **changes)


def predicate_of(filters: Filters) -> Segment | None:
    """Return the segment that the filters say; None when they say nothing.

    Raises:
        SegmentError: they contradict each other, such as a range that ends before it begins.

    Example:
        >>> predicate_of(Filters(all_tags=("VIP",), no_tags=("Churned",), reach="reachable"))
        has_tag("VIP") & ~has_any_tag("Churned") & reachable()
        >>> predicate_of(Filters()) is None
        True
    """
    said = [segment.rule for segment in _segments(filters)] + list(filters.extra)
    current = [reduce(lambda left, right: rules.join(left, right, every=True), said)] if said else []
    groups = [*filters.alternatives, *current]
    return (
        Segment(reduce(lambda left, right: rules.join(left, right, every=False), groups)) if groups else None
    )


def _segments(f: Filters) -> Iterable[Segment]:
    yield from _of_tags(f)
    yield from _of_state(f)
    yield from _of_fields(f)
    yield from _of_phones(f)
    if f.created_within:
        yield predicates.created_within(f.created_within)
    if f.created_from or f.created_before:
        yield predicates.created_between(f.created_from, f.created_before)
    if f.variable:
        yield _variable(f)
    if f.text.strip():
        yield mentions(f.text)


def _of_tags(f: Filters) -> Iterable[Segment]:
    if f.all_tags:
        yield predicates.has_tag(*f.all_tags)
    if f.any_tags:
        yield predicates.has_any_tag(*f.any_tags)
    if f.no_tags:
        yield ~predicates.has_any_tag(*f.no_tags)
    if f.tagged != ANY:
        yield predicates.untagged() if f.tagged == TAGGED[1] else ~predicates.untagged()


def _of_state(f: Filters) -> Iterable[Segment]:
    if f.opt_out != ANY:
        yield _flag(f.opt_out, OPT_OUTS, predicates.opted_out(), "opt_out")
    if f.verified != ANY:
        yield _flag(f.verified, VERIFIED, predicates.verified(), "verified")
    if f.reach != ANY:
        reach = predicates.reachable(verified=f.reach == REACHES[3])
        yield ~reach if f.reach == REACHES[2] else reach
    if (texted := TEXTED[f.texted]) is not None:
        yield texted


def _of_fields(f: Filters) -> Iterable[Segment]:
    for name, slot in _SLOTS.items():
        if getattr(f, slot):
            yield field_is(name, *getattr(f, slot))
    for name, slot in _SLOTS.items():
        if getattr(f, f"not_{slot}"):
            yield ~field_is(name, *getattr(f, f"not_{slot}"))


def _of_phones(f: Filters) -> Iterable[Segment]:
    if f.regions:
        yield predicates.phone_region(*f.regions)
    if f.not_regions:
        yield ~predicates.phone_region(*f.not_regions)
    if f.area_codes:
        yield predicates.phone_region(area_code=f.area_codes)


def _flag(choice: str, choices: tuple[str, ...], known: Segment, name: str) -> Segment:
    _, yes, no, unknown, _ = choices
    if choice == yes:
        return known
    if choice == no:
        return field_is(name, False)
    return field_is(name, None) if choice == unknown else ~known


def _variable(f: Filters) -> Segment:
    test, negated = _TESTED[f.test]
    segment = Segment(rules.Variable(f.variable, test, () if test == "is_null" else (f.value,)))
    return ~segment if negated else segment


def filters_of(predicate: pl.Expr | None) -> Filters:
    """Return the filters that say what a predicate says.

    What no control can express (an "or" across fields, a second condition on the same field, a moment within
    a day, a plain Polars expression) is kept whole, as `extra`.

    Raises:
        SegmentError: it is no predicate at all.

    Example:
        >>> from sendblue_data import has_tag, opted_out, verified
        >>> filters = filters_of(has_tag("VIP") & opted_out() & (has_tag("Lead") | verified()))
        >>> filters.all_tags, filters.opt_out, [rule.code() for rule in filters.extra]
        (('VIP',), 'opted out', ['has_tag("Lead") | verified()'])
    """
    if predicate is None:
        return Filters()
    if not isinstance(predicate, pl.Expr):
        raise SegmentError(
            f"a predicate is has_tag(...), reachable() and so on, or a Polars expression, not {shown(predicate)}; "
            "text goes to .code."
        )
    rule = predicate.rule if isinstance(predicate, Segment) else Plain(predicate)
    if isinstance(rule, rules.Joined) and not rule.every:
        *others, rule = rule.parts
        return replace(filters_of(Segment(rule)), alternatives=tuple(others))
    filters = Filters()
    for part in rule.parts if isinstance(rule, rules.Joined) and rule.every else (rule,):
        said = _texted_said(part) or _said(part)
        free = all(getattr(filters, name) == getattr(Filters(), name) for name in said)
        filters = replace(filters, **(said if said and free else {"extra": (*filters.extra, part)}))
    return filters


def _texted_said(rule: Rule) -> dict[str, Any]:
    for words, segment in TEXTED.items():
        if segment is not None and segment.rule == rule:
            return {"texted": words}
    return {}


def _said(rule: Rule) -> dict[str, Any]:
    """What one condition sets; nothing where no control can."""
    negated = isinstance(rule, rules.Negated)
    match rule.part if isinstance(rule, rules.Negated) else rule:
        case rules.Tagged(tags, every):
            # All of one tag and any of one tag are the same; not all of several are no control's.
            if not negated:
                return {"all_tags" if every else "any_tags": tags}
            return {"no_tags": tags} if not every or len(tags) == 1 else {}
        case rules.Flag("untagged"):
            return {"tagged": TAGGED[2 if negated else 1]}
        case rules.Flag("opted_out" | "verified" as name):
            slot, choices = ("opt_out", OPT_OUTS) if name == "opted_out" else ("verified", VERIFIED)
            return {slot: choices[4 if negated else 1]}
        case rules.Reachable(sure) if not (sure and negated):
            return {"reach": REACHES[3 if sure else 2 if negated else 1]}
        case FieldIs(name, values):
            return _field_said(name, values, negated=negated)
        case rules.PhoneFrom(regions, codes):
            return _place_said(regions, codes, negated=negated)
        case rules.Created() | rules.CreatedWithin() as created if not negated:
            return _created_said(created)
        case rules.Variable(name, test, values):
            return _variable_said(name, test, values, negated=negated)
        case Mentions(text) if not negated:
            return {"text": text}
    return {}


def _created_said(rule: rules.Created | rules.CreatedWithin) -> dict[str, Any]:
    match rule:
        case rules.CreatedWithin(span, None) if (
            type(rule) is rules.CreatedWithin
        ):  # not its kinds of messages
            return {"created_within": span}
        case rules.Created(start, end) if _is_day(start) and _is_day(end):
            return {name: at.date() for name, at in (("created_from", start), ("created_before", end)) if at}
    return {}


def _place_said(regions: tuple[str, ...], codes: tuple[str, ...], *, negated: bool) -> dict[str, Any]:
    if not codes:
        return {"not_regions" if negated else "regions": regions}
    return {} if regions or negated else {"area_codes": codes}


def _field_said(name: str, values: tuple[Value, ...], *, negated: bool) -> dict[str, Any]:
    if name in _SLOTS:
        return {f"not_{_SLOTS[name]}" if negated else _SLOTS[name]: values}
    if negated:
        return {}
    choices = OPT_OUTS if name == "opt_out" else VERIFIED
    said = {True: choices[1], False: choices[2], None: choices[3]}
    return {name: said[bool(values[0]) if values[0] is not None else None]} if len(values) == 1 else {}


def _variable_said(name: str, test: str, values: tuple[str, ...], *, negated: bool) -> dict[str, Any]:
    words = next((words for words, tested in _TESTED.items() if tested == (test, negated)), None)
    return {"variable": name, "test": words, **({"value": values[0]} if values else {})} if words else {}


def _is_day(at: datetime | None) -> bool:
    return at is None or at.astimezone(UTC).time() == time()
