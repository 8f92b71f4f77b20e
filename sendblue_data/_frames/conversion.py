"""Any frame to Polars, the columns that are needed and no others.

Polars converts what has types: Arrow, DuckDB, Spark, pandas columns of numbers, dates and Arrow. A pandas column of
Python objects has none: it is read here value by value, as the contact's field of its name, and what does not fit is
named by column and row. That needs no PyArrow, unless the column is Arrow's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from typing import Any, cast

import narwhals as nw
import polars as pl
from narwhals import dependencies

from sendblue_data._frames.bounds import check_bound
from sendblue_data._frames.parquet_files import opened
from sendblue_data._frames.warehouses import fetched, is_ibis, with_lists
from sendblue_data._shared.time import in_utc
from sendblue_data._shared.validation import shown
from sendblue_data.errors import FrameError, MissingExtraError
from sendblue_data.schema import CONTACT_SCHEMA

_TAGS = CONTACT_SCHEMA["tags"]
_MAP = CONTACT_SCHEMA["custom_variables"]
_MOMENT = CONTACT_SCHEMA["created_at"]


def is_frame(given: Any) -> bool:
    """Tell whether this is a frame of an engine that we know.

    Example:
        >>> is_frame(pl.DataFrame()), is_frame({"phone": []}), is_frame(pl.Series())
        (True, False, False)
    """
    if isinstance(given, pl.DataFrame | pl.LazyFrame):
        return True
    try:
        nw.from_native(given)
    except TypeError:
        return False
    except nw.exceptions.NarwhalsError:  # a pandas frame with a name twice: `column_names` says so
        return True
    return True


def no_frame(contacts: Any) -> FrameError:
    """Return the error for what is no frame.

    Example:
        >>> print(no_frame(None))
        a NoneType is not a frame: bring Polars, pandas, Arrow, DuckDB, PySpark or another that Narwhals knows.
    """
    return FrameError(
        f"a {type(contacts).__name__} is not a frame: bring Polars, pandas, Arrow, DuckDB, PySpark or another that "
        "Narwhals knows."
    )


def column_names(contacts: Any) -> list[str]:
    """Return the names of the columns of any frame, without looking at a value.

    Raises:
        FrameError: it is no frame, or a column's name is no text or stands twice.

    Example:
        >>> column_names({"phone": []})
        Traceback (most recent call last):
            ...
        sendblue_data.errors.FrameError: a dict is not a frame: bring Polars, pandas, Arrow, DuckDB, PySpark or ...
    """
    contacts = opened(contacts)
    if isinstance(contacts, pl.DataFrame | pl.LazyFrame):
        return contacts.collect_schema().names()
    if not is_frame(contacts):
        raise no_frame(contacts)
    names: list[str]
    if dependencies.is_pandas_dataframe(contacts):
        names = contacts.columns.tolist()
    elif dependencies.is_pyarrow_table(contacts):
        names = contacts.column_names
    elif dependencies.is_duckdb_relation(contacts):
        # Their types too would be a query more, which asks for the time zone of the session.
        names = list(dict.fromkeys(contacts.columns))
    else:
        names = nw.from_native(contacts).collect_schema().names()
    for place, name in enumerate(names):
        if not isinstance(name, str):
            raise FrameError(
                f"Column {place} has the name {shown(name)}, which is no text: rename it, or leave the column out."
            )
        if name in names[:place]:
            raise FrameError(
                f"Two columns have the name {name!r}: columns {names.index(name)} and {place}. Rename or drop one."
            )
    return names


def to_polars(contacts: Any, columns: Sequence[str] | None = None, *, objects: bool = False) -> pl.DataFrame:
    """Return a frame of any engine as Polars', contact fields in the types of `CONTACT_SCHEMA` where they mean them.

    Args:
        contacts: the frame.
        columns: those that are needed; all of them by default.
        objects: where a pandas column holds what its field can't, keep it as Python objects instead of refusing it,
            for a caller who has an outcome for each row.

    Raises:
        FrameError: it is no frame, or a column holds values of several types: the message names column and row.
        MissingExtraError: PyArrow is needed, and is not installed.

    Example:
        >>> to_polars(pl.DataFrame({"phone": ["+12125550100"], "age": [7]}), ["phone"]).to_dict(as_series=False)
        {'phone': ['+12125550100']}
    """
    contacts = opened(contacts)
    if isinstance(contacts, pl.DataFrame | pl.LazyFrame):
        frame = contacts if columns is None else contacts.select(columns)
        return frame.lazy().collect()
    names = column_names(contacts)
    names = names if columns is None else list(columns)
    with pyarrow_needed(contacts):
        if dependencies.is_pandas_dataframe(contacts):
            frame = pl.DataFrame([_from_pandas(name, contacts[name], objects=objects) for name in names])
        elif dependencies.is_pyarrow_table(contacts):
            frame = cast("pl.DataFrame", pl.from_arrow(contacts.select(names)))
        else:
            check_bound(contacts)
            if is_ibis(contacts):
                frame = fetched(with_lists(contacts).select(*names))
            else:
                frame = nw.from_native(contacts).lazy().select(names).collect("polars").to_native()
    return as_contacts(frame.lazy()).collect()


def in_polars(frame: Any, function: str, maker: str) -> Any:
    """Return a Polars frame as it is, eager or lazy, and any other frame as an eager one.

    Args:
        frame: what `function` was given.
        function: named in the error.
        maker: what makes a frame, for the error.

    Raises:
        FrameError: it is no frame, or as in `to_polars`.
    """
    frame = opened(frame)
    if not is_frame(frame):
        raise FrameError(
            f"{function} takes a Polars frame, not {type(frame).__name__}, or one of an engine that Narwhals knows: "
            f"make one of it first, such as by {maker}."
        )
    return frame if isinstance(frame, pl.DataFrame | pl.LazyFrame) else to_polars(frame)


def converted_once(contacts: Any) -> Any:
    """Return a frame that will be asked again and again: one of an engine that counts by itself as it is, else Polars'.

    Raises:
        FrameError: as in `to_polars`.
    """
    contacts = opened(contacts)
    if dependencies.is_pandas_dataframe(contacts) or dependencies.is_pyarrow_table(contacts):
        return to_polars(contacts, [name for name in column_names(contacts) if name in CONTACT_SCHEMA])
    return contacts


@contextmanager
def pyarrow_needed(contacts: Any) -> Iterator[None]:
    """Say how to install PyArrow where an engine hands its rows over by it, and it is missing.

    Raises:
        MissingExtraError: so it is.
    """
    try:
        yield
    except Exception as error:
        # DuckDB 1.5.0 tells what its import raised in an error of its own.
        if isinstance(error, ImportError) or str(error).startswith("ModuleNotFoundError"):
            raise MissingExtraError(
                f"Reading this {type(contacts).__name__} needs PyArrow: pip install pyarrow."
            ) from error
        raise


def as_contacts(frame: pl.LazyFrame) -> pl.LazyFrame:
    """Give the contact fields of another engine's frame their types, where theirs mean the same.

    Engines have zones and precisions, dictionaries and pairs of their own. What means something else (a number for
    `opt_out`) stays, to be refused by name.
    """
    made = [
        _as_field(pl.col(name), kind, CONTACT_SCHEMA[name])
        for name, kind in frame.collect_schema().items()
        if name in CONTACT_SCHEMA and kind != CONTACT_SCHEMA[name]
    ]
    return frame.with_columns(expr for expr in made if expr is not None)


def _as_field(column: pl.Expr, found: pl.DataType, field: pl.DataType) -> pl.Expr | None:
    if found == pl.Null:
        return column.cast(field)
    if field == pl.String and isinstance(found, pl.Categorical | pl.Enum):
        return column.cast(field)
    if field == _MOMENT and isinstance(found, pl.Datetime):
        zoned = column.dt.convert_time_zone("UTC") if found.time_zone else column.dt.replace_time_zone("UTC")
        return zoned.cast(field)
    if (field == _TAGS and _are_texts(found)) or (field == _MAP and _are_pairs(found)):
        return column.cast(field)
    return None


def _are_texts(found: pl.DataType) -> bool:
    return isinstance(found, pl.List | pl.Array) and (
        found.inner in (pl.String, pl.Null) or isinstance(found.inner, pl.Categorical | pl.Enum)
    )


def _are_pairs(found: pl.DataType) -> bool:
    if isinstance(found, pl.Map):
        return True
    inner = found.inner if isinstance(found, pl.List) else None
    return isinstance(inner, pl.Struct) and [field.name for field in inner.fields] == ["key", "value"]


# Columns of pandas


def _from_pandas(name: str, column: Any, *, objects: bool) -> pl.Series:
    kind = column.dtype
    if hasattr(kind, "pyarrow_dtype") or getattr(kind, "storage", "") == "pyarrow":
        return cast("pl.Series", pl.from_pandas(column)).alias(name)
    if getattr(kind, "tz", None) is not None:
        naive = column.dt.tz_convert("UTC").dt.tz_localize(None)
        return pl.Series(name, naive.to_numpy()).dt.replace_time_zone("UTC")
    if getattr(kind, "kind", "O") in "biufM" and not hasattr(kind, "na_value"):
        return _without_nan(pl.Series(name, column.to_numpy(), nan_to_null=True))
    is_null = column.isna().tolist()
    values = [
        None if lacks else value for value, lacks in zip(column.astype(object).tolist(), is_null, strict=True)
    ]
    return _from_objects(name, values, objects=objects)


def _without_nan(column: pl.Series) -> pl.Series:
    """Take a contact's field that is NaN for everybody for what it is in pandas: one without values."""
    is_empty = column.dtype.is_float() and column.null_count() == column.len()
    return column.cast(pl.Null) if is_empty and column.name in CONTACT_SCHEMA else column


def _from_objects(name: str, values: list[Any], *, objects: bool) -> pl.Series:
    kind = CONTACT_SCHEMA.get(name)
    read = _reader(kind)
    try:
        return pl.Series(
            name, [value if value is None else read(value) for value in values], dtype=kind, strict=True
        )
    except (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError) as misfit:
        if objects:
            return pl.Series(name, values, dtype=pl.Object)
        raise _misfit(name, kind, values) from misfit


def _misfit(name: str, kind: pl.DataType | None, values: Iterable[Any]) -> FrameError:
    """Return the error that names the first value that is not of its column's kind."""
    read = _reader(kind)
    first: type | None = None
    for row, value in enumerate(values):
        if value is None:
            continue
        first = first or type(value)
        try:
            pl.Series([read(value)], dtype=kind, strict=True)
            fits = kind is not None or type(value) is first
        except (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError):
            fits = False
        if not fits:
            expected = (
                _EXPECTED[str(kind.base_type())] if kind else f"{first.__name__}, as in the rows before"
            )
            return FrameError(
                f"Column {name!r}, row {row}: found {shown(value)} ({type(value).__name__}), expected {expected}. "
                "Mend the row, or give the column one type."
            )
    return FrameError(
        f"Column {name!r} holds values that no one type of column holds: give it one type, or drop it."
    )


def _reader(kind: pl.DataType | None) -> Callable[[Any], Any]:
    return _READERS.get(str(kind.base_type()) if kind else "", _as_it_is)


def _as_it_is(value: Any) -> Any:
    return value


def _flag(value: Any) -> bool:
    if isinstance(value, bool) or getattr(getattr(value, "dtype", None), "kind", "") == "b":
        return bool(value)
    raise TypeError


def _moment(value: Any) -> datetime:
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)  # noqa: DTZ001 -- the next lines know the zone
    if not isinstance(value, datetime):
        raise TypeError
    if hasattr(value, "to_pydatetime"):
        value = value.to_pydatetime(warn=False)
    return in_utc(cast("datetime", value))


def _tags(value: Any) -> list[str | None]:
    if isinstance(value, set | frozenset):
        value = sorted(value)
    return [_text_or_none(tag) for tag in _listed(value)]


def _variables(value: Any) -> dict[str, str | None]:
    """Read names with texts from a mapping, or from pairs as Arrow gives them."""
    pairs = value.items() if isinstance(value, Mapping) else map(_pair, _listed(value))
    read = {}
    for key, text in pairs:
        if not isinstance(key, str):
            raise TypeError
        read[key] = _text_or_none(text)
    return read


def _pair(value: Any) -> tuple[Any, Any]:
    if isinstance(value, Mapping):
        return value["key"], value["value"]
    key, text = _listed(value)
    return key, text


def _listed(value: Any) -> list[Any]:
    if isinstance(value, list | tuple):
        return list(value)
    if isinstance(value, str | bytes | Mapping) or not hasattr(value, "tolist"):
        raise TypeError
    return list(value)  # an array or a series


def _text_or_none(value: Any) -> str | None:
    if value is None or value != value:  # noqa: PLR0124 -- NaN
        return None
    if not isinstance(value, str):
        raise TypeError
    return value


_READERS: dict[str, Callable[[Any], Any]] = {
    "Boolean": _flag,
    "Datetime": _moment,
    "List": _tags,
    "Map": _variables,
}
_EXPECTED = {
    "String": "text",
    "Boolean": "true or false",
    "Datetime": "a moment",
    "List": "a list of texts",
    "Map": "names with texts",
}
