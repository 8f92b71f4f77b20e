"""What a segment says, as data: a small tree of rules that gives an expression, code and words.

Every rule is true or false for every contact, never null, so that `~` is the true complement. What the API
did not say counts as "no": an unknown `opt_out` is not opted out, and not reachable either.
"""
# ruff: noqa: D102 -- the base class documents its methods

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import UTC, datetime, time
from functools import reduce
from operator import and_, or_
from typing import ClassVar

import narwhals as nw
import polars as pl

from sendblue_data._frames.engines import HAS_PHONE, Condition, Days, PortableExpr, Recipe
from sendblue_data.schema import IS_E164
from sendblue_data.segments.regions import in_area, in_region


def quoted(text: str) -> str:
    """Return text as a literal that Python and TOML both read back, on one line, with nothing hidden in it."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode().replace("\\x", "\\u00")
        for letter in json.dumps(text, ensure_ascii=False)
    )


def listed(texts: tuple[str, ...]) -> str:
    """Return texts as quoted literals, with commas."""
    return ", ".join(map(quoted, texts))


class Rule(ABC):
    """One node of the tree."""

    @abstractmethod
    def expr(self) -> pl.Expr:
        """A Boolean expression over a contacts frame, without nulls."""

    def condition(self) -> Condition | None:
        """The same in words that every engine has; None where there are none."""
        return None

    @abstractmethod
    def code(self, *, negated: bool = False) -> str:
        """Python that builds the rule again."""

    @property
    def moves(self) -> bool:
        """Whether the expression depends on when it is asked for."""
        return False

    @abstractmethod
    def words(self, *, negated: bool = False) -> str:
        """What follows "contacts"."""


class Leaf(Rule):
    """A rule that asks one thing. Its code is a call, unless it says otherwise."""

    @abstractmethod
    def call(self) -> str:
        """Python of the rule itself."""

    def code(self, *, negated: bool = False) -> str:
        return f"~{self.call()}" if negated else self.call()


@dataclass(frozen=True)
class Tagged(Leaf):
    """Tags, spelled exactly so: all of them, or any."""

    tags: tuple[str, ...]
    every: bool

    def expr(self) -> pl.Expr:
        each = [pl.col("tags").list.contains(tag).fill_null(value=False) for tag in self.tags]
        return reduce(and_ if self.every else or_, each)

    def condition(self) -> Condition:
        each = [nw.col("tags").list.contains(tag).fill_null(value=False) for tag in self.tags]
        return Condition(reduce(and_ if self.every else or_, each), {"tags": "tags"})

    def call(self) -> str:
        return f"{'has_tag' if self.every else 'has_any_tag'}({listed(self.tags)})"

    def words(self, *, negated: bool = False) -> str:
        if len(self.tags) == 1:
            return f"{'not ' if negated else ''}tagged {listed(self.tags)}"
        if self.every:
            return f"{'not ' if negated else ''}tagged all of {listed(self.tags)}"
        return f"tagged {'none' if negated else 'any'} of {listed(self.tags)}"


_VERIFIED = pl.col("verified").fill_null(value=False)
_NAMED = pl.element().str.strip_chars().str.len_bytes() > 0

FLAGS: dict[str, tuple[pl.Expr, str, str]] = {
    "untagged": (
        ~pl.col("tags").list.eval(_NAMED).list.any().fill_null(value=False),
        "without a tag",
        "with a tag",
    ),
    "opted_out": (
        pl.col("opt_out").fill_null(value=False),
        "opted out",
        "not known to have opted out",
    ),
    "verified": (_VERIFIED, "verified", "not known to be verified"),
    "never_replied": (
        ((pl.col("texts") > 0) & (pl.col("replies") == 0)).fill_null(value=False),
        "texted and never heard of",
        "heard of or never texted",
    ),
}
"""Rules without arguments: the expression, the words, and the words of the complement."""


@dataclass(frozen=True)
class Flag(Leaf):
    """One of FLAGS."""

    name: str

    def expr(self) -> pl.Expr:
        return FLAGS[self.name][0]

    def condition(self) -> Condition | None:
        column = {"opted_out": "opt_out", "verified": "verified"}.get(self.name)
        return Condition(nw.col(column).fill_null(value=False), {column: column}) if column else None

    def call(self) -> str:
        return f"{self.name}()"

    def words(self, *, negated: bool = False) -> str:
        _, words, complement = FLAGS[self.name]
        return complement if negated else words


@dataclass(frozen=True)
class Reachable(Leaf):
    """May be texted; `verified`: and known to be verified, which a free plan asks for."""

    verified: bool = False

    def expr(self) -> pl.Expr:
        known_in = ~pl.col("opt_out").fill_null(value=True)
        may = pl.col("phone").str.contains(IS_E164).fill_null(value=False) & known_in
        return may & _VERIFIED if self.verified else may

    def condition(self) -> Condition:
        may = HAS_PHONE.fill_null(value=False) & ~nw.col("opt_out").fill_null(value=True)
        columns: dict[str, Recipe] = {"phone": "phone", "opt_out": "opt_out"}
        if self.verified:
            may &= nw.col("verified").fill_null(value=False)
            columns["verified"] = "verified"
        return Condition(may, columns)

    def call(self) -> str:
        return f"reachable({'verified=True' if self.verified else ''})"

    def words(self, *, negated: bool = False) -> str:
        if negated:
            unsure = "not verified, " if self.verified else ""
            return f"not reachable ({unsure}opted out, unknown whether opted out, or without an E.164 phone)"
        sure = "verified, " if self.verified else ""
        return f"reachable ({sure}known not to have opted out, with an E.164 phone)"


@dataclass(frozen=True)
class Created(Leaf):
    """Created at or after `start` and before `end`, both in UTC; None leaves that side open."""

    start: datetime | None
    end: datetime | None

    def expr(self) -> pl.Expr:
        at = pl.col("created_at")
        kind = pl.Datetime("us", "UTC")
        sides = [] if self.start is None else [at >= pl.lit(self.start, kind)]
        sides += [] if self.end is None else [at < pl.lit(self.end, kind)]
        return reduce(and_, sides).fill_null(value=False)

    def condition(self) -> Condition:
        # In whole days from the moment itself: no engine's zone, and no comparing of moments, comes into it.
        columns: dict[str, Recipe] = {
            _days_column(at): Days(at) for at in (self.start, self.end) if at is not None
        }
        sides = [] if self.start is None else [nw.col(_days_column(self.start)) >= 0]
        sides += [] if self.end is None else [nw.col(_days_column(self.end)) < 0]
        return Condition(reduce(and_, sides).fill_null(value=False), columns)

    def call(self) -> str:
        return f"created_between({_moment_code(self.start)}, {_moment_code(self.end)})"

    def words(self, *, negated: bool = False) -> str:
        sides = [f"{side} {_moment(at)}" for side, at in (("from", self.start), ("before", self.end)) if at]
        return f"{'not known to be ' if negated else ''}created {', '.join(sides)}"


@dataclass(frozen=True)
class CreatedWithin(Leaf):
    """Created in a span of time before a moment; None stands for the moment at which it is asked."""

    span: str
    as_of: datetime | None = None
    column: ClassVar[str] = "created_at"
    verb: ClassVar[str] = "created"
    unknown: ClassVar[str] = "not known to be "

    @property
    def moves(self) -> bool:
        return self.as_of is None

    def expr(self) -> pl.Expr:
        kind = pl.Datetime("us", "UTC")
        until = pl.lit(self.as_of or datetime.now(UTC), kind)
        since = pl.col(self.column) >= until.dt.offset_by(f"-{self.span}")
        return (since if self.moves else since & (pl.col(self.column) < until)).fill_null(value=False)

    def call(self) -> str:
        end = "" if self.as_of is None else f", as_of={_moment_code(self.as_of)}"
        return f"{self.verb}_within({quoted(self.span)}{end})"

    def words(self, *, negated: bool = False) -> str:
        number, unit = re.fullmatch("([0-9]+)([a-z]+)", self.span).groups()  # type: ignore[union-attr]
        span = f"{number} {SPANS[unit]}{'' if number == '1' else 's'}"
        before = "the last " if self.as_of is None else ""
        end = "" if self.as_of is None else f" before {_moment(self.as_of)}"
        return f"{self.unknown if negated else ''}{self.verb} within {before}{span}{end}"


@dataclass(frozen=True)
class TextedWithin(CreatedWithin):
    """Last sent a text in a span of time, as `engagement` has it."""

    column: ClassVar[str] = "last_text_at"
    verb: ClassVar[str] = "texted"


@dataclass(frozen=True)
class RepliedWithin(CreatedWithin):
    """Last wrote in a span of time, as `engagement` has it."""

    column: ClassVar[str] = "last_reply_at"
    verb: ClassVar[str] = "replied"
    unknown: ClassVar[str] = "not known to have "


SPANS = {"d": "day", "w": "week", "mo": "month", "q": "quarter", "y": "year"}
"""Units of a span of time."""


def _days_column(since: datetime) -> str:
    return f"days_since_{Days(since).micros}"


def _moment_code(at: datetime | None) -> str:
    return "None" if at is None else quoted(_moment(at).replace(" UTC", "Z").replace(" ", "T"))


def _moment(at: datetime) -> str:
    whole_day = at.time() == time()
    return at.date().isoformat() if whole_day else f"{at.replace(tzinfo=None)} UTC"


@dataclass(frozen=True)
class Variable(Leaf):
    """A custom variable that `equals`, `is_in` or `contains` a text, or `is_null`: not there, or null."""

    name: str
    test: str
    values: tuple[str, ...] = ()

    def expr(self) -> pl.Expr:
        value = pl.col("custom_variables").map.get(self.name)
        if self.test == "is_null":
            return value.is_null()
        if self.test == "contains":
            return value.str.contains(self.values[0], literal=True).fill_null(value=False)
        return value.is_in(list(self.values)).fill_null(value=False)

    def condition(self) -> Condition:
        column = f"variable_{self.name.encode().hex()}"  # Spark takes a dot for a field of a field
        recipe = PortableExpr.of_variable(self.name)
        value = nw.col(column)
        if self.test == "is_null":
            return Condition(value.is_null(), {column: recipe})
        if self.test == "contains":
            found = value.str.contains(self.values[0], literal=True)
        else:
            found = value.is_in(list(self.values))
        return Condition(found.fill_null(value=False), {column: recipe})

    def call(self) -> str:
        return self.code()

    def code(self, *, negated: bool = False) -> str:
        of = f"variable({quoted(self.name)})"
        if self.test == "equals":
            return f"({of} {'!=' if negated else '=='} {quoted(self.values[0])})"
        if self.test == "is_null":
            return f"{of}.{'is_not_null' if negated else 'is_null'}()"
        values = f"[{listed(self.values)}]" if self.test == "is_in" else quoted(self.values[0])
        return f"{'~' if negated else ''}{of}.{self.test}({values})"

    def words(self, *, negated: bool = False) -> str:
        of = f"whose {quoted(self.name)}"
        if self.test == "equals":
            return f"{of} is {'not ' if negated else ''}{quoted(self.values[0])}"
        if self.test == "is_null":
            return f"{of} is {'' if negated else 'not '}set"
        if self.test == "is_in":
            return f"{of} is {'none' if negated else 'one'} of {listed(self.values)}"
        return f"{of} {'does not contain' if negated else 'contains'} {quoted(self.values[0])}"


@dataclass(frozen=True)
class PhoneFrom(Leaf):
    """A phone of any of these regions and, where area codes are given, of any of these area codes."""

    regions: tuple[str, ...]
    area_codes: tuple[str, ...] = ()

    def expr(self) -> pl.Expr:
        phone = pl.col("phone")
        places = [in_region(phone, region, self.area_codes) for region in self.regions] or [
            in_area(phone, self.area_codes)
        ]
        return reduce(or_, places).fill_null(value=False)

    def call(self) -> str:
        codes = f"[{listed(self.area_codes)}]" if len(self.area_codes) > 1 else listed(self.area_codes)
        parts = [listed(self.regions)] * bool(self.regions) + [f"area_code={codes}"] * bool(codes)
        return f"phone_region({', '.join(parts)})"

    def words(self, *, negated: bool = False) -> str:
        places = ", ".join(self.regions)
        place = f" from {'one of ' if len(self.regions) > 1 else ''}{places}" if places else ""
        codes = ", ".join(self.area_codes if places else (f"+1 {code}" for code in self.area_codes))
        area = f" of area code {codes}" if len(self.area_codes) == 1 else f" of one of area codes {codes}"
        return f"with{'out' if negated else ''} a phone{place}{area if codes else ''}"


@dataclass(frozen=True)
class Joined(Rule):
    """Rules joined by and, or by or: two or more, none of them joined in the same way."""

    parts: tuple[Rule, ...]
    every: bool

    def expr(self) -> pl.Expr:
        return reduce(and_ if self.every else or_, (part.expr() for part in self.parts))

    @property
    def moves(self) -> bool:
        return any(part.moves for part in self.parts)

    def condition(self) -> Condition | None:
        found = [part.condition() for part in self.parts]
        known = [one for one in found if one is not None]
        if len(known) < len(found):
            return None
        columns = {name: recipe for one in known for name, recipe in one.columns.items()}
        return Condition(reduce(and_ if self.every else or_, (one.expr for one in known)), columns)

    def code(self, *, negated: bool = False) -> str:
        # `&` binds tighter than `|`, so only an `or` inside an `and` needs its brackets.
        parts = (f"({p.code()})" if self.every and isinstance(p, Joined) else p.code() for p in self.parts)
        text = f" {'&' if self.every else '|'} ".join(parts)
        return f"~({text})" if negated else text

    def words(self, *, negated: bool = False) -> str:
        parts = (f"({p.words()})" if isinstance(p, Joined) else p.words() for p in self.parts)
        text = f" {'and' if self.every else 'or'} ".join(parts)
        return f"not ({text})" if negated else text


@dataclass(frozen=True)
class Negated(Rule):
    """The complement of a rule that is not itself a complement."""

    part: Rule

    @property
    def moves(self) -> bool:
        return self.part.moves

    def expr(self) -> pl.Expr:
        return ~self.part.expr()

    def condition(self) -> Condition | None:
        found = self.part.condition()
        return found and Condition(~found.expr, found.columns)

    def code(self, *, negated: bool = False) -> str:
        return self.part.code(negated=not negated)

    def words(self, *, negated: bool = False) -> str:
        return self.part.words(negated=not negated)


def join(left: Rule, right: Rule, *, every: bool) -> Rule:
    """Join both rules, or either of them, flat: `a & (b & c)` is one list of three."""
    parts: list[Rule] = []
    for side in (left, right):
        flat = isinstance(side, Joined) and side.every == every
        parts.extend(side.parts if isinstance(side, Joined) and flat else (side,))
    return Joined(tuple(parts), every)


def negate(rule: Rule) -> Rule:
    """Return the complement; twice is the rule itself."""
    return rule.part if isinstance(rule, Negated) else Negated(rule)
