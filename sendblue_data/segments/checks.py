"""What a frame says of a segment before Polars runs it: no such column, text where a moment is needed, no such tag.

`contacts.filter(has_tag("VPI"))` is Polars' own call, which would answer with nobody, or with an error that knows no
remedy. A segment hands over its expression when Polars asks for it, and looks then at the eager frame that asks. A
tag or a variable is looked up once in a process, so that filters cost what they did; lazy frames and other engines
are left alone.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import polars as pl

from sendblue_data._frames.engines import require_columns
from sendblue_data._shared.validation import did_you_mean, shown
from sendblue_data._shared.warned import warn
from sendblue_data.errors import FrameError, UnknownNameWarning
from sendblue_data.segments.rules import Joined, Leaf, Negated, Rule, Tagged, Variable

_CALLERS = 12
"""Frames of Polars' own between a method of a frame and the expressions that it is given."""
_FEW = 20
"""Contacts below which a tag that nobody has says nothing, unless one is spelled nearly so."""
_looked_up: set[tuple[str, str]] = set()


def frame_that_asks() -> pl.DataFrame | None:
    """Return the eager frame whose method is asking a segment for its expression; None where no such frame is."""
    caller = sys._getframe(2)  # noqa: SLF001 -- Polars hands an expression no frame
    for _ in range(_CALLERS):
        if caller is None or not str(caller.f_globals.get("__name__", "")).startswith("polars."):
            return None
        asks = caller.f_locals.get("self")
        if isinstance(asks, pl.DataFrame):
            return asks
        caller = caller.f_back  # type: ignore[assignment]
    return None


def check_against(rule: Rule, frame: pl.DataFrame) -> None:
    """Refuse a frame that a rule can't be asked of, and warn of a tag or a variable that nobody in it has.

    Raises:
        FrameError: a column is missing, or `created_at` is text.
    """
    asked = rule.expr().meta.root_names()
    require_columns(frame.columns, asked)
    if "created_at" in asked and frame.schema["created_at"] == pl.String:
        raise FrameError(
            "the column 'created_at' is String, expected Datetime: read it first, such as "
            "contacts.with_columns(pl.col('created_at').str.to_datetime(time_zone='UTC'))."
        )
    for leaf in leaves(rule):
        if isinstance(leaf, Tagged) and frame.schema["tags"] == pl.List(pl.String):
            for tag in leaf.tags:
                _look_up("tag", tag, frame)
        elif isinstance(leaf, Variable) and isinstance(frame.schema["custom_variables"], pl.Map):
            _look_up("custom variable", leaf.name, frame)


def leaves(rule: Rule) -> Iterator[Leaf]:
    """Give the rules that a rule is joined of."""
    if isinstance(rule, Joined):
        for part in rule.parts:
            yield from leaves(part)
    elif isinstance(rule, Negated):
        yield from leaves(rule.part)
    elif isinstance(rule, Leaf):
        yield rule


def _look_up(what: str, name: str, frame: pl.DataFrame) -> None:
    if (what, name) in _looked_up or frame.is_empty():
        return
    _looked_up.add((what, name))
    is_tag = what == "tag"
    column = pl.col("tags") if is_tag else pl.col("custom_variables").map.keys()
    if frame.select(column.list.contains(name).any()).item():
        return
    known = frame.select(column.list.explode(keep_nulls=False, empty_as_null=False).unique().sort())
    hint = did_you_mean(name, known.to_series())
    if hint or frame.height >= _FEW:
        warn(
            f"No contact in this frame of {frame.height:,} has the {what} {shown(name)}.{hint}",
            UnknownNameWarning,
        )
