"""The code of a segment back to a segment, without running it.

The text is parsed, never evaluated: a call of a predicate with texts, `&`, `|`, `~`, brackets and the
comparisons of `variable(...)` are read; anything else is refused.
"""

from __future__ import annotations

import ast
import difflib
import warnings
from collections.abc import Callable

from sendblue_data.errors import ConfigurationError, SegmentError
from sendblue_data.segments import field_rules, predicates
from sendblue_data.segments.predicates import Segment, Variable

LONGEST = 20_000
"""Characters; a rule that a person wrote is far shorter."""

_PREDICATES: dict[str, Callable[..., Segment]] = {
    predicate.__name__: predicate
    for predicate in (
        predicates.has_tag, predicates.has_any_tag, predicates.untagged, predicates.opted_out, predicates.verified,
        predicates.reachable, predicates.created_between, predicates.created_within,
        predicates.texted_within, predicates.replied_within, predicates.never_replied, predicates.area_code,
        predicates.phone_region, field_rules.field_is,
        field_rules.mentions,
    )
}  # fmt: skip
_OPTIONS = {
    "phone_region": "area_code",
    "reachable": "verified",
    "created_within": "as_of",
    "texted_within": "as_of",
    "replied_within": "as_of",
}
"""The one option that a predicate has."""
_TESTS = ("is_in", "contains", "is_null", "is_not_null")


def parse_segment(code: str) -> Segment:
    """Return a segment from the text that its `repr` shows.

    Raises:
        SegmentError: the text is not such code, with what was found in it.

    Example:
        >>> parse_segment('has_tag("VIP") & ~opted_out()')
        has_tag("VIP") & ~opted_out()
    """
    if len(code) > LONGEST:
        raise SegmentError(f"{len(code)} characters are too long for a rule: at most {LONGEST}.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # a doubtful escape in a text is an error here, not a guess
            return _segment(ast.parse(code.strip(), mode="eval").body)
    except SyntaxError as broken:
        raise SegmentError(f"not a rule: {broken.msg} in {_shown(code)}.") from broken
    except (ValueError, MemoryError, RecursionError, SyntaxWarning, DeprecationWarning) as broken:
        if isinstance(broken, SegmentError):
            raise
        raise SegmentError(
            f"not a rule: {_shown(code)} can't be parsed ({type(broken).__name__})."
        ) from broken


def _segment(node: ast.expr) -> Segment:
    answer = _value(node)
    if isinstance(answer, Segment):
        return answer
    raise SegmentError(f'{_found(node)} is not a segment: compare it, as in variable("Plan") == "Gold".')


def _value(node: ast.expr) -> Segment | Variable:
    match node:
        case ast.BinOp(left=left, op=ast.BitAnd(), right=right):
            return predicates.require_segment(_segment(left) & _segment(right), "a rule")
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return predicates.require_segment(_segment(left) | _segment(right), "a rule")
        case ast.UnaryOp(op=ast.Invert(), operand=operand):
            return ~_segment(operand)
        case ast.Compare(left=left, ops=[ast.Eq()], comparators=[right]):
            return _variable(left) == _constant(right)
        case ast.Compare(left=left, ops=[ast.NotEq()], comparators=[right]):
            return _variable(left) != _constant(right)
        case ast.Call(func=ast.Name(id="variable"), args=[name], keywords=[]):
            return predicates.variable(_text(name))
        case ast.Call(func=ast.Name(id=name), args=args, keywords=options):
            return _call(name, args, options)
        case ast.Call(func=ast.Attribute(value=of, attr=test), args=args, keywords=[]) if test in _TESTS:
            return _test(_variable(of), test, args, node)
        case ast.BoolOp() | ast.UnaryOp(op=ast.Not()):
            raise SegmentError(
                f"{_found(node)}: write & for and, | for or, ~ for not, with brackets around parts."
            )
    raise SegmentError(f"{_found(node)} is not a predicate, nor predicates joined with &, | and ~.")


def _call(name: str, args: list[ast.expr], options: list[ast.keyword]) -> Segment:
    if name not in _PREDICATES:
        close = difflib.get_close_matches(name, [*_PREDICATES, "variable"], n=1)
        hint = f"Did you mean {close[0]}?" if close else f"There are {', '.join(_PREDICATES)} and variable."
        raise SegmentError(f"there is no predicate {name!r}. {hint}")
    if any(option.arg != _OPTIONS.get(name, "") for option in options):
        raise SegmentError(f"{name} was given an option that it does not have.")
    keywords = {str(option.arg): _constant(option.value) for option in options}
    try:
        values = [_code_of_area(arg) if name == "area_code" else _constant(arg) for arg in args]
        return _PREDICATES[name](*values, **keywords)
    except TypeError as broken:
        raise SegmentError(
            f"{name} was given {len(args)} arguments, which is not how it is called."
        ) from broken
    except ConfigurationError as broken:  # a moment that is none
        raise SegmentError(str(broken)) from broken


def _test(of: Variable, test: str, args: list[ast.expr], node: ast.expr) -> Segment:
    values = list(map(_constant, args))
    match test, values:
        case "is_null", []:
            return of.is_null()
        case "is_not_null", []:
            return of.is_not_null()
        case "contains", [str(text)]:
            return of.contains(text)
        case "is_in", [list(texts)]:
            return of.is_in(texts)
    raise SegmentError(f"{_found(node)}: {test} is not called like this.")


def _variable(node: ast.expr) -> Variable:
    answer = _value(node)
    if isinstance(answer, Variable):
        return answer
    raise SegmentError(
        f"{_found(node)} can't be compared: only variable(...) can. Put brackets around comparisons."
    )


def _constant(node: ast.expr) -> str | bool | list[str] | None:
    match node:
        case ast.Constant(value=str() | bool() | None as value):
            return value
        case ast.List(elts=elements):
            return [_text(element) for element in elements]
    raise SegmentError(f"{_found(node)} is not a text in quotes, True, False or None.")


def _code_of_area(node: ast.expr) -> str | int:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, int) else _text(node)


def _text(node: ast.expr) -> str:
    answer = _constant(node)
    if isinstance(answer, str):
        return answer
    raise SegmentError(f"{_found(node)} is not a text in quotes.")


def _found(node: ast.expr) -> str:
    return _shown(ast.unparse(node))


def _shown(code: str) -> str:
    short = code if len(code) <= 80 else f"{code[:77]}..."  # noqa: PLR2004 -- a line of a terminal
    return f"`{short}`"
