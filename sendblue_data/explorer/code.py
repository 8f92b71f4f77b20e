"""Code to paste, and code read back without running it."""

from __future__ import annotations

import ast
import re

from sendblue_data.errors import SegmentError
from sendblue_data.explorer import conditions
from sendblue_data.explorer.conditions import Value
from sendblue_data.segments import parse_segment
from sendblue_data.segments.parsing import LONGEST
from sendblue_data.segments.predicates import Segment
from sendblue_data.segments.rules import join

EVERYONE = "pl.lit(True)"
"""The code of no filter at all."""

_OWN = ("field_is", "mentions")
_CALLED = re.compile(r"\b([a-z_]+)\(")
_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"')


def parse_code(code: str) -> Segment | None:
    """A predicate from code such as `.code` gives; None for no filter at all.

    It is read, never run: the predicates of `sendblue_data.segments`, `field_is` and `mentions`, joined with
    `&`, `|` and `~`.

    Raises:
        SegmentError: the text is not such code, with what was found in it.

    Examples:
        >>> parse_code('has_tag("VIP") & ~field_is("company_name", None)')
        has_tag("VIP") & ~field_is("company_name", None)
        >>> parse_code("pl.lit(True)") is None
        True
    """
    text = code.strip()
    if text in ("", EVERYONE):
        return None
    if len(text) > LONGEST:
        raise SegmentError(f"{len(text)} characters are too long for a predicate: at most {LONGEST}.")
    try:
        return _read(ast.parse(text, mode="eval").body)
    except SegmentError:
        raise
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return parse_segment(text)  # which says what is wrong with it


def snippet(code: str, frame: str = "contacts") -> str:
    """What to paste into a cell: the imports that the code needs, and the filter.

    Examples:
        >>> print(snippet('has_tag("VIP") & mentions("ada")'))
        from sendblue_data.explorer import mentions
        from sendblue_data.segments import has_tag
        <BLANKLINE>
        selection = contacts.filter(has_tag("VIP") & mentions("ada"))
    """
    called = sorted(
        set(_CALLED.findall(_TEXT.sub('""', code))) - {"lit", "is_in", "contains", "is_null", "is_not_null"}
    )
    ours = [name for name in called if name in _OWN]
    theirs = [name for name in called if name not in _OWN]
    lines = [f"from sendblue_data.explorer import {', '.join(ours)}"] * bool(ours)
    lines += [f"from sendblue_data.segments import {', '.join(theirs)}"] * bool(theirs)
    if code == EVERYONE:
        lines = ["import polars as pl"]
    return "\n".join([*lines, "", f"selection = {frame}.filter({code})"])


def _read(node: ast.expr) -> Segment:
    match node:
        case ast.BinOp(left=left, op=ast.BitAnd(), right=right):
            return Segment(join(_read(left).rule, _read(right).rule, every=True))
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return Segment(join(_read(left).rule, _read(right).rule, every=False))
        case ast.UnaryOp(op=ast.Invert(), operand=operand):
            return ~_read(operand)
        case ast.Call(func=ast.Name(id="mentions"), args=[ast.Constant(value=str(text))], keywords=[]):
            return conditions.mentions(text)
        case ast.Call(
            func=ast.Name(id="field_is"), args=[ast.Constant(value=str(name)), *values], keywords=[]
        ):
            return conditions.field_is(name, *map(_value, values))
        case ast.Name(id="expression"):
            raise SegmentError(
                "`expression` stands for a Polars expression that was set as .predicate: it has no code, so "
                "set it there again."
            )
    return parse_segment(ast.unparse(node))


def _value(node: ast.expr) -> Value:
    match node:
        case ast.Constant(value=str() | bool() | None as value):
            return value
    raise SegmentError(f"`{ast.unparse(node)[:80]}` is not a text in quotes, True, False or None.")
