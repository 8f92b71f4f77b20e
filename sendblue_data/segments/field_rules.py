"""Predicates on plain fields: the exact values of one, a text anywhere in a contact, and any other expression."""
# ruff: noqa: D102 -- the base class documents its methods

from __future__ import annotations

from dataclasses import dataclass, field
from functools import reduce
from operator import or_

import narwhals as nw
import polars as pl

from sendblue_data._frames.engines import Condition
from sendblue_data._shared.validation import did_you_mean, shown
from sendblue_data.errors import SegmentError
from sendblue_data.segments.predicates import Segment
from sendblue_data.segments.rules import Leaf, quoted

FIELDS = ("opt_out", "verified", "assigned_to_email", "sendblue_number", "company_name")
SEARCHED = ("first_name", "last_name", "company_name", "phone", "assigned_to_email")
"""What a search for a text looks through, joined by spaces, so that a first and last name are found too."""

Value = str | bool | None


@dataclass(frozen=True)
class FieldIs(Leaf):
    """A field that holds one of these values; None stands for nothing at all."""

    name: str
    values: tuple[Value, ...]

    def expr(self) -> pl.Expr:
        kind = pl.Boolean if self.name in ("opt_out", "verified") else pl.String
        wanted = pl.Series(self.values, dtype=kind)
        return pl.col(self.name).is_in(wanted.implode(), nulls_equal=True)

    def condition(self) -> Condition:
        column = nw.col(self.name)
        asked = [
            column.is_null() if value is None else (column == value).fill_null(value=False)
            for value in self.values
        ]
        return Condition(reduce(or_, asked), {self.name: self.name})

    def call(self) -> str:
        return f"field_is({', '.join([quoted(self.name), *map(_code, self.values)])})"

    def words(self, *, negated: bool = False) -> str:
        values = ["not set" if value is None else _code(value) for value in self.values]
        return f"whose {self.name} is {'not ' if negated else ''}{' or '.join(values)}"


@dataclass(frozen=True)
class Mentions(Leaf):
    """A text, in letters of either case, in a contact's name, company, phone or owner."""

    text: str

    def expr(self) -> pl.Expr:
        return searched_text().str.contains(self.pattern)

    @property
    def pattern(self) -> str:
        """The text as a regular expression."""
        return f"(?i){pl.escape_regex(self.text)}"

    def call(self) -> str:
        return f"mentions({quoted(self.text)})"

    def words(self, *, negated: bool = False) -> str:
        return f"{'not ' if negated else ''}mentioning {quoted(self.text)}"


@dataclass(frozen=True, eq=False)
class Plain(Leaf):
    """Any other Polars expression, which the explorer was given: it filters, and has no code."""

    given: pl.Expr = field(repr=False)

    def expr(self) -> pl.Expr:
        return self.given.fill_null(value=False)

    def call(self) -> str:
        return "expression"

    def words(self, *, negated: bool = False) -> str:
        return f"{'not ' if negated else ''}matching the expression {self.given}"


def searched_text() -> pl.Expr:
    """Return all that `mentions` looks through, as one text a contact."""
    return pl.concat_str(*SEARCHED, separator=" ", ignore_nulls=True)


def field_is(name: str, *values: Value) -> Segment:
    """Contacts whose field holds one of these values exactly; None stands for nothing at all.

    Args:
        name: `opt_out`, `verified`, `assigned_to_email`, `sendblue_number` or `company_name`.
        *values: texts, for the first two True and False; and None.

    Raises:
        SegmentError: there is no such field, no value, or one of another type.

    Example:
        >>> import polars as pl
        >>> people = pl.DataFrame({"company_name": ["Acme", None, "Summit"]})
        >>> people.filter(field_is("company_name", "Acme", None)).height
        2
        >>> field_is("opt_out", False)
        field_is("opt_out", False)
    """
    if name not in FIELDS:
        raise SegmentError(
            f"field_is: there is no field {shown(name)} here: expected one of {', '.join(FIELDS)}."
            f"{did_you_mean(name, FIELDS)}"
        )
    if not values:
        raise SegmentError(f"field_is({name!r}) got no value: name at least one.")
    kind = bool if name in ("opt_out", "verified") else str
    for value in values:
        if value is not None and not isinstance(value, kind):
            raise SegmentError(f"field_is: {name} is {shown(value)}: expected {kind.__name__} or None.")
    return Segment(FieldIs(name, values))


def mentions(text: str) -> Segment:
    """Contacts with this text, in letters of either case, in their names, company, phone or owner.

    Raises:
        SegmentError: the text is blank.

    Example:
        >>> from sendblue_data import contacts_frame
        >>> people = contacts_frame([{"first_name": "Ada", "last_name": "Lovelace"}, {"first_name": "Bo"}])
        >>> people.filter(mentions("ada love"))["first_name"].to_list()
        ['Ada']
    """
    if not (isinstance(text, str) and text.strip()):
        raise SegmentError(f"mentions: {shown(text)} is not a text to look for.")
    return Segment(Mentions(text))


def _code(value: Value) -> str:
    return quoted(value) if isinstance(value, str) else repr(value)
