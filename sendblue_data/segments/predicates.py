"""The predicates: Polars expressions that know what they mean."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable
from typing import Any

import phonenumbers
import polars as pl

from sendblue_data._frames.engines import Condition, PortableExpr
from sendblue_data._shared.time import Moment, moment
from sendblue_data._shared.validation import shown
from sendblue_data.display.cards import card_html
from sendblue_data.errors import SegmentError
from sendblue_data.segments import rules
from sendblue_data.segments.checks import check_against, frame_that_asks
from sendblue_data.segments.rules import Rule, join, negate


class Segment(PortableExpr):
    """A Boolean Polars expression over a contacts frame that can say what it is.

    Made by the predicates (`has_tag`, `reachable`, ...) and by joining them with `&`, `|` and `~`. It goes
    wherever an expression goes: `frame.filter(segment)`, `frame.with_columns(vip=segment)`. Joined with any
    other expression it still works, and becomes a plain expression, without words.

    Attributes:
        rule: the rules as a tree of plain data. Segments of equal rules are the same segment.
    """

    rule: Rule

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self._fixed = None if rule.moves else rule.expr()._pyexpr  # noqa: SLF001 -- how Polars wraps an expression

    @property
    def _pyexpr(self) -> Any:  # type: ignore[override]
        """What Polars asks for when it runs the expression, or makes another of it."""
        frame = frame_that_asks()
        if frame is not None:
            check_against(self.rule, frame)
        return self._fixed or self.rule.expr()._pyexpr  # noqa: SLF001

    @property
    def condition(self) -> Condition | None:
        """The segment for an engine that is no Polars; None where only Polars can say it."""
        return self.rule.condition()

    def __and__(self, other: Any) -> pl.Expr:
        if isinstance(other, Segment):
            return Segment(join(self.rule, other.rule, every=True))
        return super().__and__(other)

    def __or__(self, other: Any) -> pl.Expr:
        if isinstance(other, Segment):
            return Segment(join(self.rule, other.rule, every=False))
        return super().__or__(other)

    def __invert__(self) -> Segment:
        return Segment(negate(self.rule))

    def __repr__(self) -> str:
        return self.rule.code()

    def _repr_html_(self) -> str:
        return card_html(
            "Segment", [("code", repr(self))], describe(self), "contacts.filter(segment) gives them."
        )

    def __reduce__(self) -> tuple[type[Segment], tuple[Rule]]:
        return (Segment, (self.rule,))


class Variable(PortableExpr):
    """The values of one custom variable: compare it to get a segment, or group by it.

    `==`, `!=`, `is_in`, `contains`, `is_null` and `is_not_null` give segments. As an expression it is the
    value as a String, null where the contact has none, named after the variable.
    """

    def __init__(self, name: str) -> None:
        self.variable: str = name
        self._pyexpr = pl.col("custom_variables").map.get(name).alias(name)._pyexpr  # noqa: SLF001

    def _asks(self, test: str, *values: object) -> Segment:
        for value in values:
            _require_text(value, f"a value of variable({self.variable!r})", blank_allowed=True)
        return Segment(rules.Variable(self.variable, test, tuple(map(str, values))))

    def __eq__(self, other: object) -> Segment:  # type: ignore[override]
        return self._asks("equals", other)

    def __ne__(self, other: object) -> Segment:  # type: ignore[override]
        """Every other contact, those without the variable among them."""
        return ~self._asks("equals", other)

    __hash__ = None  # type: ignore[assignment]

    def is_in(self, other: pl.Expr | Collection[Any] | pl.Series, *, nulls_equal: bool = False) -> Segment:
        """Contacts whose value is one of these texts."""
        if nulls_equal or isinstance(other, (str, pl.Expr)):
            raise SegmentError(
                "is_in takes a list of texts; add `| variable(...).is_null()` for contacts without."
            )
        values = list(other)
        if not values:
            raise SegmentError("is_in got an empty list, which no contact matches: name at least one value.")
        return self._asks("is_in", *values)

    def contains(self, text: str) -> Segment:
        """Contacts whose value has this text in it (case matters; not a pattern)."""
        return self._asks("contains", text)

    def is_null(self) -> Segment:
        """Contacts that don't have the variable, or have it with no value."""
        return self._asks("is_null")

    def is_not_null(self) -> Segment:
        """Contacts that have the variable with a value, an empty text included."""
        return ~self.is_null()

    def __repr__(self) -> str:
        return f"variable({rules.quoted(self.variable)})"

    def __reduce__(self) -> tuple[type[Variable], tuple[str]]:
        return (Variable, (self.variable,))


def has_tag(*tags: str) -> Segment:
    """Contacts with every one of these tags, spelled exactly so (`similar_tags` finds other spellings).

    Raises:
        SegmentError: no tag is given, or one is not a text.

    Example:
        >>> import polars as pl
        >>> people = pl.DataFrame({"tags": [["VIP", "Lead"], ["Lead"], [], None]})
        >>> people.filter(has_tag("VIP") | ~has_tag("Lead")).height
        3
    """
    return Segment(rules.Tagged(_texts(tags, "has_tag", "tag"), every=True))


def has_any_tag(*tags: str) -> Segment:
    """Contacts with at least one of these tags, spelled exactly so.

    Raises:
        SegmentError: no tag is given, or one is not a text.

    Example:
        >>> import polars as pl
        >>> people = pl.DataFrame({"tags": [["VIP", "Lead"], ["Customer"], [], None]})
        >>> people.select(has_any_tag("VIP", "Customer").alias("any")).to_series().to_list()
        [True, True, False, False]
    """
    return Segment(rules.Tagged(_texts(tags, "has_any_tag", "tag"), every=False))


def untagged() -> Segment:
    """Contacts without a tag: the list is null or empty, or holds nothing but nulls and blanks.

    Example:
        >>> import polars as pl
        >>> people = pl.DataFrame({"tags": [["VIP"], [], [" "], None]})
        >>> people.select(untagged().alias("untagged")).to_series().to_list()
        [False, True, True, True]
    """
    return Segment(rules.Flag("untagged"))


def opted_out() -> Segment:
    """Contacts known to have opted out.

    The complement, `~opted_out()`, keeps those of whom the API did not say. To pick whom to text, use
    `reachable()`, which leaves them out.

    Example:
        >>> import polars as pl
        >>> people = pl.DataFrame({"opt_out": [True, False, None]})
        >>> people.select(opted_out().alias("out"), (~opted_out()).alias("others")).rows()
        [(True, False), (False, True), (False, True)]
    """
    return Segment(rules.Flag("opted_out"))


def verified() -> Segment:
    """Contacts known to be verified.

    Example:
        >>> import polars as pl
        >>> people = pl.DataFrame({"verified": [True, False, None]})
        >>> people.select(verified().alias("verified")).to_series().to_list()
        [True, False, False]
    """
    return Segment(rules.Flag("verified"))


def reachable(*, verified: bool = False) -> Segment:
    """Contacts that may be texted: *known* not to have opted out, and with an E.164 phone.

    A contact whose `opt_out` is null is not reachable: where the API tells it of nobody, nobody is. The last
    step of `verification_funnel`.

    Args:
        verified: keep only those known to be verified, too. Sendblue's free plan texts nobody else; paid
            plans need no verification.

    Raises:
        SegmentError: `verified` is not True or False.

    Example:
        >>> import polars as pl
        >>> people = pl.DataFrame({
        ...     "phone": ["+12125550123"] * 4,
        ...     "verified": [True, False, True, True],
        ...     "opt_out": [False, False, True, None],
        ... })
        >>> people.select(may=reachable(), free_plan=reachable(verified=True)).rows()
        [(True, True), (True, False), (False, False), (False, False)]
        >>> ~reachable(verified=True)
        ~reachable(verified=True)
    """
    if not isinstance(verified, bool):
        raise SegmentError(f"reachable: verified is {verified!r}: write True or False.")
    return Segment(rules.Reachable(verified))


def created_between(start: Moment | None, end: Moment | None, *, time_zone: str = "UTC") -> Segment:
    """Contacts created at or after `start` and before `end`.

    Args:
        start: a date (its first moment), a datetime, or either as ISO 8601. None: from the beginning.
        end: the same; None: until now and after.
        time_zone: of dates, and of times without an offset; a name such as `"America/New_York"`.

    Raises:
        SegmentError: neither side is given, or `start` is not before `end`.
        ConfigurationError: one is no moment, or there is no such time zone.

    Example:
        >>> describe(created_between("2025-01-01", "2026-01-01"))
        'contacts created from 2025-01-01, before 2026-01-01'
    """
    since, until = (
        None if given is None else moment(f"created_between: {side}", given, time_zone=time_zone)
        for side, given in (("start", start), ("end", end))
    )
    if since is None and until is None:
        raise SegmentError("created_between got neither a start nor an end: give at least one.")
    if since is not None and until is not None and since >= until:
        raise SegmentError(f"created_between: start {start} is not before end {end}: no contact could match.")
    return Segment(rules.Created(since, until))


def created_within(span: str, *, as_of: Moment | None = None, time_zone: str = "UTC") -> Segment:
    """Contacts created in the last days, weeks, months or years: a segment that moves with the calendar.

    A saved one counts from when it is used, not from when it was saved.

    Args:
        span: `"30d"`, `"2w"`, `"6mo"`, `"1q"` or `"1y"`; months and years are the calendar's.
        as_of: count back from here, and leave out who was created then or later: the moment of a pull. None: from
            the moment at which the segment is asked.
        time_zone: of a date, or of a time without an offset, in `as_of`.

    Raises:
        SegmentError: the span is none.
        ConfigurationError: `as_of` is no moment, or there is no such time zone.

    Example:
        >>> describe(created_within("6mo"))
        'contacts created within the last 6 months'
        >>> import polars as pl
        >>> days = pl.Series(["2026-01-31", "2026-02-01", "2026-03-01"]).str.to_datetime("%F", time_zone="UTC")
        >>> people = pl.DataFrame({"created_at": days})
        >>> people.filter(created_within("1mo", as_of="2026-03-01")).height
        1
    """
    return _within(rules.CreatedWithin, span, as_of, time_zone)


def texted_within(span: str, *, as_of: Moment | None = None, time_zone: str = "UTC") -> Segment:
    """Contacts to whom a text was last delivered in the last days, weeks, months or years.

    It filters what `engagement(contacts, messages)` gives, by its `last_text_at`.

    Args:
        span: as in `created_within`.
        as_of: as in `created_within`.
        time_zone: as in `created_within`.

    Raises:
        SegmentError: the span is none.
        ConfigurationError: `as_of` is no moment, or there is no such time zone.

    Example:
        >>> describe(texted_within("7d") & ~opted_out())
        'contacts texted within the last 7 days and not known to have opted out'
    """
    return _within(rules.TextedWithin, span, as_of, time_zone)


def replied_within(span: str, *, as_of: Moment | None = None, time_zone: str = "UTC") -> Segment:
    """Contacts that last wrote, anything but a stop or start keyword, in the last days, weeks, months or years.

    It filters what `engagement(contacts, messages)` gives, by its `last_reply_at`.

    Args:
        span: as in `created_within`.
        as_of: as in `created_within`.
        time_zone: as in `created_within`.

    Raises:
        SegmentError: the span is none.
        ConfigurationError: `as_of` is no moment, or there is no such time zone.

    Example:
        >>> describe(~replied_within("3mo"))
        'contacts not known to have replied within the last 3 months'
    """
    return _within(rules.RepliedWithin, span, as_of, time_zone)


def never_replied() -> Segment:
    """Contacts that were texted and never wrote anything but a stop or start keyword.

    It filters what `engagement(contacts, messages)` gives: as far back as the messages reach.

    Example:
        >>> import polars as pl
        >>> people = pl.DataFrame({"texts": [3, 3, 0, None], "replies": [0, 1, 0, None]})
        >>> people.select(never_replied().alias("silent")).to_series().to_list()
        [True, False, False, False]
    """
    return Segment(rules.Flag("never_replied"))


def area_code(*codes: str | int) -> Segment:
    """Contacts with a North American phone of one of these area codes.

    Raises:
        SegmentError: no code is given, or one is not three digits from 200 to 999.

    Example:
        >>> describe(area_code(212, 415))
        'contacts with a phone of one of area codes +1 212, +1 415'
    """
    for code in codes:
        if isinstance(code, bool) or not re.fullmatch("[2-9][0-9]{2}", str(code)):
            raise SegmentError(f"area_code: {shown(code)} is no area code: write three digits, such as 212.")
    if not codes:
        raise SegmentError("area_code() got no area code: write area_code(212).")
    return phone_region(area_code=[str(code) for code in codes])


def variable(name: str) -> Variable:
    """One custom variable, to compare or to group by.

    A contact without the variable is in `variable(name) != "Web"` and not in `variable(name) == "Web"`.

    Raises:
        SegmentError: the name is blank or not a text; later, a value that is not a text.

    Example:
        >>> describe((variable("Lead Source") == "Web") & variable("Plan").is_null())
        'contacts whose "Lead Source" is "Web" and whose "Plan" is not set'
    """
    _require_text(name, "the name of a variable")
    return Variable(name)


def phone_region(*regions: str, area_code: str | int | Iterable[str | int] | None = None) -> Segment:
    """Contacts with a phone from one of these countries, or of these area codes.

    Args:
        *regions: two-letter country codes (`"US"`, `"GB"`), told apart as libphonenumber does, so that +1
            416 is `"CA"`. Three digits are taken for a North American area code.
        area_code: one or several: the digits that follow the country code. With no region, North American.

    Raises:
        SegmentError: nothing is given, or a region or an area code does not exist as such.

    Example:
        >>> describe(phone_region("US", area_code=["212", "646"]))
        'contacts with a phone from US of one of area codes 212, 646'
        >>> phone_region("212")
        phone_region(area_code="212")
    """
    named = tuple(region for region in regions if not _is_area(region))
    for region in named:
        if region not in phonenumbers.SUPPORTED_REGIONS:
            raise SegmentError(
                f"phone_region: {shown(region)} is not a two-letter country code.{_region_hint(region)}"
            )
    given = (area_code,) if isinstance(area_code, str | int) else tuple(area_code or ())
    texts = tuple(str(code) if type(code) is int else code for code in given)
    for code in texts:
        if not (isinstance(code, str) and re.fullmatch("[0-9]+", code)):
            raise SegmentError(
                f"phone_region: area code {shown(code)} is not digits in a text, such as '212'."
            )
    if named and len(named) < len(regions):
        raise SegmentError(
            "phone_region takes regions or area codes; join two calls with `|`, or use area_code=."
        )
    codes = tuple(map(str, texts)) + tuple(region for region in regions if _is_area(region))
    if not (named or codes):
        raise SegmentError("phone_region got neither a region nor an area code: write phone_region('US').")
    return Segment(rules.PhoneFrom(named, codes))


def describe(segment: pl.Expr) -> str:
    """Return a segment in words.

    Raises:
        SegmentError: it is a plain expression, which has none.

    Example:
        >>> describe(has_tag("VIP") & ~opted_out())
        'contacts tagged "VIP" and not known to have opted out'
    """
    return f"contacts {require_segment(segment, 'describe').rule.words()}"


def _within(rule: type[rules.CreatedWithin], span: str, as_of: Moment | None, time_zone: str) -> Segment:
    name = f"{rule.verb}_within"
    if not (isinstance(span, str) and re.fullmatch("[1-9][0-9]{0,4}(d|w|mo|q|y)", span)):
        raise SegmentError(
            f"{name}: {shown(span)} is no span of time: write '30d', '2w', '6mo', '1q' or '1y'."
        )
    at = None if as_of is None else moment(f"{name}: as_of", as_of, time_zone=time_zone)
    return Segment(rule(span, at))


def require_segment(given: object, wanted_by: str) -> Segment:
    """Return the segment itself, or an error that says how to get one."""
    if isinstance(given, Segment):
        return given
    raise SegmentError(
        f"{wanted_by} needs a segment made of predicates (has_tag, reachable, variable, ...) joined with &, "
        f"| and ~, not {'a plain expression' if isinstance(given, pl.Expr) else type(given).__name__}."
    )


def _is_area(region: object) -> bool:
    return isinstance(region, str) and re.fullmatch("[0-9]{3}", region) is not None


def _region_hint(region: object) -> str:
    known = sorted(phonenumbers.SUPPORTED_REGIONS)
    close = difflib.get_close_matches(str(region).upper(), [*known, "UK"], n=1)
    return f" Did you mean {('GB' if close == ['UK'] else close[0])!r}?" if close else " Write 'US' or 'GB'."


def _texts(given: tuple[str, ...], predicate: str, what: str) -> tuple[str, ...]:
    if not given:
        raise SegmentError(f"{predicate}() got no {what}: name at least one.")
    for text in given:
        _require_text(text, f"a {what} of {predicate}")
    return given


def _require_text(value: object, what: str, *, blank_allowed: bool = False) -> None:
    if not isinstance(value, str):
        raise SegmentError(
            f"{what} is {shown(value)}, of type {type(value).__name__}: write it as text in quotes."
        )
    if not (value.strip() or blank_allowed):
        raise SegmentError(f"{what} is blank: name it, or use untagged() or is_null().")
    try:
        value.encode()
    except UnicodeEncodeError as broken:
        raise SegmentError(f"{what} is {shown(value)}, which is not valid Unicode text.") from broken
