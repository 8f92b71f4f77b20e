"""A caller's columns as planning compares them: blanks are nothing, and what can't be sent is told.

Polars reads a quoted blank as `""`, pandas a missing number as NaN, a left join gives lists of nulls: none of these
is a value that anybody gave.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import polars as pl

from sendblue_data.schema import IS_E164
from sendblue_data.writeback.fields import creation_moment

LONGEST_NAME = 200
"""Characters of a custom variable's name, which the API calls a human-readable label."""
ENTRIES = pl.List(pl.Struct({"key": pl.String, "value": pl.String}))
"""Custom variables as planning holds them."""
MOMENT = pl.Datetime("us", "UTC")
_TYPES: dict[str, Any] = {
    "tags": pl.List(pl.String),
    "custom_variables": ENTRIES,
    **dict.fromkeys(("opt_out", "verified"), pl.Boolean),
    "created_at": MOMENT,
}

_VISIBLE = r"[^\s\p{Cf}\p{Cc}]"
_ADDRESS = r"^[^@\s]+@[^@\s]+\.[^@\s]+$"
_NOT_OUT = ("", "false", "f", "no", "n", "0", "0.0", "nan", "none", "null")


class Column(NamedTuple):
    """A column's values, null where nothing was given, and why a row's can't be sent (null where it can).

    There is no problem column where every row's can be sent: a million nulls take memory too.
    """

    values: pl.Series
    problem: pl.Series | None


def type_of(field: str) -> Any:
    """Return the type that planning holds a contact's field in."""
    return _TYPES.get(field, pl.String)


def nulls(field: str, height: int) -> pl.Series:
    """Return a field's column without a value."""
    return pl.Series(field, [None], dtype=type_of(field)).new_from_index(0, height)


def is_given(text: pl.Expr) -> pl.Expr:
    """Return whether a text says anything: blanks and null do not."""
    return text.str.contains(_VISIBLE)


def texts(column: pl.Series) -> Column:
    """Read a column of texts."""
    name = column.name
    column = _without_nan(column)
    if column.dtype == pl.Object:
        return _one_by_one(column, pl.String, lambda value: _plain_text(name, value))
    if isinstance(column.dtype, pl.Categorical | pl.Enum) or column.dtype == pl.Null:
        column = column.cast(pl.String)
    if column.dtype != pl.String:
        return _wrong(column, pl.String, f"{name} is {_kind(column.dtype)}, expected text")
    given = column.str.contains(_VISIBLE)
    if not given.all():
        column = column.set(~given, None)
    return Column(column, _told(column, *_EXPECTED[name]) if name in _EXPECTED else None)


_EXPECTED = {
    "assigned_to_email": (_ADDRESS, "assigned_to_email is no e-mail address, such as ana@example.com"),
    "sendblue_number": (IS_E164, "sendblue_number is not in E.164 form, such as +12125550123"),
}


def flags(column: pl.Series) -> Column:
    """Read a column that says yes or no."""
    column = _without_nan(column)
    if column.dtype == pl.Object:
        return _one_by_one(column, pl.Boolean, lambda value: _plain_flag(column.name, value))
    if column.dtype == pl.Null:
        column = column.cast(pl.Boolean)
    if column.dtype != pl.Boolean:
        return _wrong(column, pl.Boolean, f"{column.name} is {_kind(column.dtype)}, expected true or false")
    return Column(column, None)


def says_yes(column: pl.Series) -> pl.Series:
    """Return where a column says yes, in any form: a row that can't be sent may still say that somebody opted out."""
    if column.dtype == pl.Boolean:
        return column.fill_null(value=False)
    if column.dtype == pl.Object or column.dtype.is_nested():
        spelt = pl.Series([None if value is None else str(value) for value in column], dtype=pl.String)
    else:
        spelt = column.cast(pl.String)
    return ~spelt.fill_null("").str.strip_chars().str.to_lowercase().is_in(_NOT_OUT)


def tag_lists(column: pl.Series) -> Column:
    """Read a column of lists of tags; a list of blanks alone says nothing, an empty one that there are none."""
    if isinstance(column.dtype, pl.Array):
        column = column.arr.to_list()
    column = _without_nan(column)
    kind = column.dtype
    if kind == pl.Object:
        return _one_by_one(column, pl.List(pl.String), _plain_tags)
    if kind == pl.Null:
        return Column(column.cast(pl.List(pl.String)), None)
    if not isinstance(kind, pl.List):
        return _wrong(column, pl.List(pl.String), f"tags is {_kind(kind)}, expected a list of texts")
    if kind.inner in (pl.Null, pl.Categorical, pl.Enum):
        column = column.cast(pl.List(pl.String))
    elif kind.inner != pl.String:
        held = column.list.drop_nulls().list.len() > 0
        return _wrong(
            column.set(~held, None), pl.List(pl.String), f"tags holds {_kind(kind.inner)}, expected text"
        )
    if (
        not column.drop_nulls()
        .explode(empty_as_null=False)
        .str.contains(_VISIBLE)
        .fill_null(value=False)
        .all()
    ):
        kept = column.list.eval(pl.element().filter(pl.element().str.contains(_VISIBLE)))
        column = kept.set((kept.list.len() == 0) & (column.list.len() > 0), None)
    return Column(column, None)


def variables(column: pl.Series, longest: int) -> Column:
    """Read a column of custom variables from a Map, a Struct or key/value pairs; those without a value are left out."""
    column = _without_nan(column)
    entries = _entries(column)
    if entries is None:
        return _one_by_one(column, ENTRIES, lambda value: _plain_variables(value, longest))
    flat = entries.drop_nulls().explode(empty_as_null=False).struct.unnest()
    is_usual = pl.col("key").str.len_chars().is_between(1, LONGEST_NAME) & (
        pl.col("value").str.len_chars().fill_null(0) <= longest
    )
    if not flat.select(is_usual.all()).item():
        return _one_by_one(entries, ENTRIES, lambda value: _plain_variables(value, longest))
    if not flat.select(is_given(pl.col("value")).fill_null(value=False).all()).item():
        value = pl.element().struct.field("value")
        entries = entries.list.eval(pl.element().filter(is_given(value)))
    return Column(entries.set(entries.list.len() == 0, None), None)


def moments(column: pl.Series) -> pl.Series:
    """Read a column of moments as UTC; null where there is none."""
    if isinstance(column.dtype, pl.Datetime):
        if column.dtype.time_zone is None:
            return column.dt.replace_time_zone("UTC").cast(MOMENT)
        return column.dt.convert_time_zone("UTC").cast(MOMENT)
    return pl.Series(column.name, [creation_moment(value) for value in column], dtype=MOMENT)


def as_entries(column: pl.Series) -> pl.Series:
    """Return a contacts frame's custom variables as planning holds them."""
    found = _entries(column)
    return variables(column, sys.maxsize).values if found is None else found


def _entries(column: pl.Series) -> pl.Series | None:
    """Return name and text of each variable, where the column's type holds texts alone."""
    kind = column.dtype
    if kind == pl.Null:
        return column.cast(ENTRIES)
    if isinstance(kind, pl.Map):
        pairs = column.map.entries()
        return pairs.cast(ENTRIES) if pairs.dtype == ENTRIES else None
    if kind == ENTRIES:
        return column
    if isinstance(kind, pl.Struct) and kind.fields and all(field.dtype == pl.String for field in kind.fields):
        structs = [
            pl.struct(pl.lit(field.name).alias("key"), pl.col(field.name).alias("value"))
            for field in kind.fields
        ]
        return column.struct.unnest().select(pl.concat_list(structs).alias(column.name)).to_series()
    return None


def _one_by_one(column: pl.Series, kind: Any, read: Callable[[Any], tuple[Any, str | None]]) -> Column:
    """Read values that no one type of column holds."""
    plain = map(_plain_value, column.to_list())
    found = [(None, None) if value is None or value != value else read(value) for value in plain]  # noqa: PLR0124 -- NaN
    values = pl.Series(column.name, [value for value, _ in found], dtype=kind)
    return Column(values, pl.Series([problem for _, problem in found], dtype=pl.String))


def _plain_value(value: Any) -> Any:
    """Return a series as a list, and what NumPy holds as Python does: neither says whether it is itself."""
    if isinstance(value, pl.Series):
        return value.to_list()
    return value.tolist() if hasattr(value, "tolist") else value


def _plain_text(name: str, value: Any) -> tuple[Any, str | None]:
    if not isinstance(value, str):
        return None, f"{name} is {type(value).__name__}, expected text"
    column = texts(pl.Series(name, [value]))
    return column.values[0], None if column.problem is None else column.problem[0]


def _plain_flag(name: str, value: Any) -> tuple[Any, str | None]:
    is_flag = isinstance(value, bool)
    return (value, None) if is_flag else (None, f"{name} is {type(value).__name__}, expected true or false")


def _plain_tags(tags: Any) -> tuple[Any, str | None]:
    if not isinstance(tags, list | tuple | set):
        return None, f"tags is {type(tags).__name__}, expected a list of texts"
    listed = list(tags)
    if wrong := [tag for tag in listed if not isinstance(tag, str | None)]:
        return None, f"tags holds {type(wrong[0]).__name__}, expected text"
    return tag_lists(pl.Series("tags", [listed], dtype=pl.List(pl.String))).values.to_list()[0], None


def _plain_variables(value: Any, longest: int) -> tuple[Any, str | None]:
    if isinstance(value, list) and all(
        isinstance(pair, Mapping) and {*pair} == {"key", "value"} for pair in value
    ):
        value = {pair["key"]: pair["value"] for pair in value}
    if not isinstance(value, Mapping):
        return None, f"custom_variables is {type(value).__name__}, expected names with texts"
    kept = {
        name: text
        for name, text in value.items()
        if text is not None and text == text and not (isinstance(text, str) and not text.strip())  # noqa: PLR0124 -- NaN
    }
    for name, text in kept.items():
        if not isinstance(name, str) or not name:
            return None, "custom_variables: a name is not a text of one character or more"
        if len(name) > LONGEST_NAME:
            return None, f"custom_variables: a name has {len(name):,} characters, more than {LONGEST_NAME:,}"
        if not isinstance(text, str):
            return None, f"custom_variables: {name!r} is {type(text).__name__}, expected text"
        if len(text) > longest:
            return None, f"custom_variables: {name!r} has {len(text):,} characters, more than {longest:,}"
    return [{"key": name, "value": text} for name, text in kept.items()] or None, None


def _without_nan(column: pl.Series) -> pl.Series:
    """Take a column of numbers that are all NaN for what it is: one without values."""
    if column.dtype.is_float():
        column = column.fill_nan(None)
    return (
        column.cast(pl.Null)
        if column.null_count() == column.len() and not column.dtype.is_nested()
        else column
    )


def _wrong(column: pl.Series, kind: Any, why: str) -> Column:
    return Column(
        pl.Series(column.name, [None], dtype=kind).new_from_index(0, column.len()),
        _where(column.is_not_null(), why),
    )


def _told(column: pl.Series, pattern: str, why: str) -> pl.Series | None:
    fits = column.str.contains(pattern)
    return None if fits.all() else _where(~fits.fill_null(value=True), why)


def _where(wrong: pl.Series, why: str) -> pl.Series:
    return pl.select(pl.when(wrong).then(pl.lit(why))).to_series()


def _kind(kind: Any) -> str:
    return str(kind.to_python().__name__)
