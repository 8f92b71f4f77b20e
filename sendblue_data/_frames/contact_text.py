r"""Contacts as text and back: what `write_contacts` puts into a cell, and how a reader gets the same contact out of it.

Both directions stand here, so that they can't drift apart. A text cell has two layers:

1. *The value.* Moments are ISO 8601 in UTC, custom variables a JSON object, lists JSON or tags joined by a separator.
   A joined tag that holds a separator, a quote, or a blank at an end is in double quotes, as in `"Austin, TX"; VIP`;
   a list that no joining can hold (none at all, a null in it) is JSON. Null is an empty cell.
2. *The guard.* In a CSV for spreadsheets, an apostrophe stands before what they would run as a formula. A text that has
   such apostrophes already gets one more, so that taking one off undoes it exactly. A workbook needs no guard, since
   its cells say that they are text; there the apostrophe stands for the empty text, which is otherwise no cell at all.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, Literal, TypeAlias

import msgspec
import polars as pl

from sendblue_data.errors import ConfigurationError, FrameError
from sendblue_data.schema import CONTACT_SCHEMA, IS_E164

Form: TypeAlias = Literal["csv", "exact csv", "xlsx"]
"""A file's kind: a CSV with the guard, one with every text to the letter, a workbook."""

PHONE_COLUMNS = ("phone", "sendblue_number")
"""Columns in which `+` and digits are a phone, and stay as they are in a guarded CSV."""
SEPARATORS = ";,|"
"""Characters that may stand between tags."""
MICROSECONDS = "created_at_us"
"""A workbook's hidden column: what a moment has beyond the milliseconds that a spreadsheet's reader tells."""

# What spreadsheets take for the start of a formula, the full-width forms that they fold into it included, and what
# some of them cut off before it: blanks, control characters (NUL), and characters without width (U+FEFF, U+200B).
_FORMULA = r"(?:[\t\r\n]|[\s\p{C}\p{Default_Ignorable_Code_Point}]*[=+\-@\uff1d\uff0b\uff0d\uff20])"
_RUNS = rf"^'*{_FORMULA}"
_GUARDED = rf"^'+{_FORMULA}"
_ISO = "%Y-%m-%dT%H:%M:%S%.6f"
_BARE_TAG = rf'^[^" {SEPARATORS}\[](?:[^"{SEPARATORS}]*[^" {SEPARATORS}])?\z'
"""A tag that needs no quotes: without a quote or a separator, no blank at an end, and no bracket first."""
_TAG = re.compile(rf'(?: *"((?:[^"]|"")*)" *|([^"{SEPARATORS}]*))(?:([{SEPARATORS}])|\Z)')
_TAGS = pl.List(pl.String)
_MAP = CONTACT_SCHEMA["custom_variables"]


def check_separator(separator: str | None) -> None:
    """Refuse what can't stand between tags so that they can be told apart again.

    Raises:
        ConfigurationError: it is none of `;`, `,` and `|`, with blanks or not, and not None.

    Example:
        >>> check_separator("and")
        Traceback (most recent call last):
            ...
        sendblue_data.errors.ConfigurationError: tags_separator is 'and': expected ';', ',' or '|', with blanks ...
    """
    if separator is None:
        return
    if not isinstance(separator, str) or separator.strip(" ") not in tuple(SEPARATORS):
        raise ConfigurationError(
            f"tags_separator is {separator!r}: expected {', '.join(map(repr, SEPARATORS[:-1]))} or "
            f"{SEPARATORS[-1]!r}, with blanks around it or not, or None for lists as JSON."
        )


def contacts_to_text(frame: pl.DataFrame, form: Form, separator: str | None = "; ") -> pl.DataFrame:
    """Make each column one that the file's cells can hold; numbers, flags, and a workbook's dates stay.

    Args:
        frame: contacts, with further columns or not.
        form: the file's kind.
        separator: between tags; None writes lists as JSON.

    Returns:
        As many rows and columns; their names are guarded as their texts are.

    Raises:
        FrameError: a column holds what no text stands for.

    Example:
        >>> people = pl.DataFrame({"first_name": ["=1+1"], "tags": [["VIP", "Austin, TX"]]})
        >>> contacts_to_text(people, "csv").row(0)
        ("'=1+1", 'VIP; "Austin, TX"')
    """
    text = frame.select(
        value for name, kind in frame.schema.items() for value in _values(name, kind, form, separator)
    )
    if form == "exact csv":
        return text
    guarded = text.with_columns(_guard(name, form) for name, kind in text.schema.items() if kind == pl.String)
    return _guarded_names(guarded) if form == "csv" else guarded


def contacts_from_text(text: pl.DataFrame, form: Form) -> pl.DataFrame:
    """Read back what `contacts_to_text` made, from a file's cells read as text.

    A column of a contact's name gets the type of that field where every cell of it is written as we write it. A
    column in which somebody wrote otherwise ("yes", "3/1/26") stays text, with the guard undone: no cell is guessed
    at, and none is lost.

    Args:
        text: a file's cells, all String, with its headers as names; an empty cell is null, and a quoted empty one
            is `""`, as `pl.read_csv(file, infer_schema=False)` tells them apart.
        form: the file's kind: "xlsx" for a workbook, else what `csv_form` says.

    Returns:
        As many rows, in the same order; the hidden column of a workbook is gone.

    Example:
        >>> cells = {"first_name": ["'=1+1"], "tags": ['VIP; "Austin, TX"'], "opt_out": ["no"]}
        >>> contacts_from_text(pl.DataFrame(cells), "csv").to_dict(as_series=False)
        {'first_name': ['=1+1'], 'tags': [['VIP', 'Austin, TX']], 'opt_out': ['no']}
    """
    if form != "exact csv":
        text = text.with_columns(
            _unguard(name, form) for name, kind in text.schema.items() if kind == pl.String
        )
    if form == "csv":
        text = _unguarded_names(text)
    frame = pl.DataFrame([_typed(column, form) for column in text.iter_columns()])
    return _with_microseconds(frame) if form == "xlsx" and MICROSECONDS in frame.columns else frame


def csv_form(head: bytes) -> Form:
    r"""Tell from the beginning of a CSV whether its texts are guarded.

    Files that are to the letter have every header in quotes, and no byte order mark: no spreadsheet writes a header so,
    and a guarded file that one saved again is still known as guarded.

    Args:
        head: the first line at least.

    Example:
        >>> csv_form(b'"phone","tags"\n'), csv_form(b"phone,tags\n")
        ('exact csv', 'csv')
    """
    return "exact csv" if re.match(rb'"(?:[^"]|"")*"(?:,"(?:[^"]|"")*")*\r?(?:\n|\Z)', head) else "csv"


def contacts_from_ndjson(source: str | Path | bytes | BinaryIO) -> pl.DataFrame:
    r"""Read NDJSON with the types that a contact's fields have; other fields as Polars infers them.

    Raises:
        polars.exceptions.PolarsError: it is no NDJSON, or a contact's field holds what its type can't.

    Example:
        >>> contacts_from_ndjson(b'{"phone": "+12125550100", "custom_variables": {"Plan": null}}\n').dtypes
        [String, Map(String, String)]
    """
    if isinstance(source, bytes) and not source.strip():
        return CONTACT_SCHEMA.to_frame()
    found = pl.scan_ndjson(source, infer_schema_length=None).collect_schema()
    known = {name: CONTACT_SCHEMA[name] for name in found if name in CONTACT_SCHEMA}
    return pl.read_ndjson(source, schema_overrides=known, infer_schema_length=None)


# The value


def _values(name: str, kind: pl.DataType, form: Form, separator: str | None) -> list[pl.Expr]:
    """Return what stands for a column: itself, or a text; a workbook's moments take two columns."""
    column = pl.col(name)
    if kind in (pl.Object, pl.Binary):
        raise FrameError(
            f"Column {name!r} is {kind}, which no text stands for: cast it, or leave it out by columns=."
        )
    if kind == _TAGS and separator is not None and form != "exact csv":
        return [_joined(column, separator).alias(name)]
    if kind.is_nested():
        return [_json(column).alias(name)]
    if isinstance(kind, pl.Categorical | pl.Enum):
        return [column.cast(pl.String)]
    if not isinstance(kind, pl.Datetime):
        return [column]
    if form == "xlsx":
        return _milliseconds(name, kind)
    if kind.time_zone:
        column = column.dt.convert_time_zone("UTC")
    return [column.dt.strftime(f"{_ISO}{'Z' if kind.time_zone else ''}").alias(name)]


def _json(column: pl.Expr) -> pl.Expr:
    # The encoder takes structs alone: make one of a field, and take the field's JSON out of it.
    json = pl.struct(v=column).struct.json_encode().str.strip_prefix('{"v":').str.strip_suffix("}")
    return pl.when(column.is_not_null()).then(json)


def _joined(column: pl.Expr, separator: str) -> pl.Expr:
    tag = pl.element()
    quoted = pl.concat_str(pl.lit('"'), tag.str.replace_all('"', '""', literal=True), pl.lit('"'))
    plain = tag.str.contains(_BARE_TAG)
    texts = column.list.eval(pl.when(plain).then(tag).otherwise(quoted))
    fits = (column.list.len() > 0) & (column.list.drop_nulls().list.len() == column.list.len())
    return (
        pl.when(column.is_null())
        .then(None)
        .when(fits)
        .then(texts.list.join(separator))
        .otherwise(_json(column))
    )


def _typed(column: pl.Series, form: Form) -> pl.Series:
    """Return the column with its field's type; as it is, where a cell is not as we write it."""
    kind = CONTACT_SCHEMA.get(column.name)
    if kind is None or kind == pl.String or column.dtype not in (pl.String, pl.Null):
        return column
    cells = column.cast(pl.String).set(column == "", None)
    readers: dict[Any, Callable[[pl.Series], pl.Series | None]] = {
        pl.Boolean: _flags,
        pl.List: _tag_lists,
        pl.Map: _variables,
        pl.Datetime: lambda cells: _moments(cells, form),
    }
    read = readers[kind.base_type()](cells)
    return column if read is None or read.null_count() != cells.null_count() else read.alias(column.name)


def _flags(cells: pl.Series) -> pl.Series:
    return cells.str.to_lowercase().replace_strict(
        {"true": True, "false": False}, default=None, return_dtype=pl.Boolean
    )


def _moments(cells: pl.Series, form: Form) -> pl.Series:
    read = cells.str.to_datetime(f"{_ISO}Z", strict=False, time_unit="us", time_zone="UTC")
    if form != "xlsx":
        return read
    shown = cells.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", strict=False, time_unit="us")
    return read.fill_null(shown.dt.replace_time_zone("UTC"))


def _variables(cells: pl.Series) -> pl.Series | None:
    decoder = msgspec.json.Decoder(dict[str, str | None])
    try:
        for cell in cells.drop_nulls().unique():
            decoder.decode(cell)
    except msgspec.MsgspecError:
        return None
    wrapped = cells.to_frame("v").select('{"v":' + pl.col("v") + "}").to_series()
    return wrapped.str.json_decode(pl.Struct({"v": _MAP})).struct.field("v")


def _tag_lists(cells: pl.Series) -> pl.Series | None:
    """Read lists of tags; None where a cell is no list of ours, or the cells' separators differ."""
    cell = cells.drop_nulls().unique()
    is_plain = ~(cell.str.starts_with("[") | cell.str.contains('"', literal=True))
    plain, other = cell.filter(is_plain), cell.filter(~is_plain)
    separators = {mark for mark in SEPARATORS if plain.str.contains(mark, literal=True).any()}
    lists = []
    for text in other:
        tags = _json_tags(text) if text.startswith("[") else _quoted_tags(text, separators)
        if tags is None:
            return None
        lists.append(tags)
    if len(separators) > 1:
        return None
    split = plain.str.split(next(iter(separators), ";")).list.eval(pl.element().str.strip_chars(" "))
    if (split.explode(empty_as_null=False) == "").any():
        return None
    read = pl.DataFrame(
        {"cell": pl.concat([plain, other]), "tags": pl.concat([split, pl.Series(lists, dtype=_TAGS)])}
    )
    return cells.to_frame("cell").join(read, on="cell", how="left", maintain_order="left")["tags"]


def _json_tags(text: str) -> list[str | None] | None:
    try:
        return msgspec.json.decode(text, type=list[str | None])
    except msgspec.MsgspecError:
        return None


def _quoted_tags(text: str, separators: set[str]) -> list[str | None] | None:
    """Read tags of which some are in quotes, and add what stands between them to `separators`."""
    tags: list[str | None] = []
    at = 0
    while found := _TAG.match(text, at):
        quoted, bare, separator = found.groups()
        tag = bare.strip(" ") if quoted is None else quoted.replace('""', '"')
        if quoted is None and not tag:
            return None
        tags.append(tag)
        if not separator:
            return tags
        separators.add(separator)
        at = found.end()
    return None


# A workbook's moments


def _milliseconds(name: str, kind: pl.Datetime) -> list[pl.Expr]:
    """Return a moment as a workbook holds it, UTC to the millisecond, and for ours what is beyond that."""
    column = pl.col(name)
    if kind.time_zone:
        column = column.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    column = column.dt.cast_time_unit("us")
    shown = column.dt.truncate("1ms").alias(name)
    if name != "created_at":
        return [shown]
    beyond = (column.dt.timestamp("us") % 1_000).fill_null(0)  # for all, so that a row of nulls is a row
    return [shown, beyond.cast(pl.Int64).alias(MICROSECONDS)]


def _with_microseconds(frame: pl.DataFrame) -> pl.DataFrame:
    beyond = pl.col(MICROSECONDS).cast(pl.Int64, strict=False).fill_null(0)
    if isinstance(frame.schema.get("created_at"), pl.Datetime):
        frame = frame.with_columns(pl.col("created_at") + pl.duration(microseconds=beyond, time_unit="us"))
    return frame.drop(MICROSECONDS)


# The guard


def _guard(name: str, form: Form) -> pl.Expr:
    column = pl.col(name)
    if form == "xlsx":
        marked = column.str.contains(r"^'*\z")
    else:
        marked = column.str.contains(_RUNS)
        if name in PHONE_COLUMNS:
            marked &= ~column.str.contains(IS_E164)
    return pl.when(marked).then("'" + column).otherwise(column).alias(name)


def _unguard(name: str, form: Form) -> pl.Expr:
    column = pl.col(name)
    marked = column.str.contains(r"^'+\z" if form == "xlsx" else _GUARDED)
    return pl.when(marked).then(column.str.slice(1)).otherwise(column).alias(name)


def _guarded_names(frame: pl.DataFrame) -> pl.DataFrame:
    names = pl.Series(frame.columns, dtype=pl.String)
    runs = names.str.contains(_RUNS)
    return frame.rename({name: f"'{name}" for name in names.filter(runs)})


def _unguarded_names(frame: pl.DataFrame) -> pl.DataFrame:
    names = pl.Series(frame.columns, dtype=pl.String)
    guarded = names.str.contains(_GUARDED)
    return frame.rename({name: name[1:] for name in names.filter(guarded)}, strict=False)
