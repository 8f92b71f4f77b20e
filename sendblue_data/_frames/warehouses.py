"""Ibis tables: a query in the words of the warehouse that they lie in (Snowflake, BigQuery, Postgres, DuckDB, ...).

Narwhals says most of it. What it lacks is said here by Ibis, which writes each warehouse's own SQL. Nothing is computed
but what `collect` asks for, and that is a small table.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import polars as pl
from narwhals import dependencies

from sendblue_data._frames.contact_text import contacts_from_text
from sendblue_data.errors import FrameError

_DAY = 86_400
_ERA_DAYS = 1_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SEPARATOR = "\x1e\x1f"
"""Between the tags of a list that is told as one text."""


def is_ibis(contacts: Any) -> bool:
    """Tell whether this is an Ibis table."""
    return dependencies.is_ibis_table(contacts)


def with_lists(table: Any) -> Any:
    """Return the table with tags as arrays of texts, where its warehouse keeps them as JSON."""
    if "tags" not in table.columns:
        return table
    import ibis  # noqa: PLC0415 -- whoever brings a table of it has it

    kind = table.tags.type()
    if kind.is_json():
        texts = table.tags.array.map(lambda tag: tag.str)
        return table.mutate(tags=table.tags.isnull().ifelse(ibis.null(texts.type()), texts))
    if kind.is_array() and kind.value_type.is_json():
        return table.mutate(tags=table.tags.map(lambda tag: tag.str))
    return table


def fetched(table: Any) -> pl.DataFrame:
    """Return a table's rows; what is JSON in it comes as text, and custom variables are read out of it."""
    in_json = [name for name, kind in table.schema().items() if kind.is_json()]
    if in_json:
        table = table.mutate(**{name: table[name].cast("string") for name in in_json})
    frame = cast("pl.DataFrame", pl.from_arrow(table.to_pyarrow()))
    if "custom_variables" in in_json:
        read = contacts_from_text(frame.select("custom_variables"), "exact csv")
        frame = frame.with_columns(read.to_series())
    return frame


def days_since(table: Any, since: datetime) -> Any:
    """Return whole days from a moment to `created_at`, rounded down, in UTC.

    In seconds since 1970, so that no zone of a session matters, and above zero, since databases round negative
    quotients in different ways; a part of a second is compared, and not subtracted, since not all can tell it.
    """
    import ibis  # noqa: PLC0415 -- as above

    gap = since - _EPOCH
    second = table.created_at.truncate("s")
    if table.created_at.type().timezone and _is_duckdb(
        table
    ):  # where Ibis's own would count in the session's zone
        seconds = second.delta(ibis.literal(_EPOCH), unit="second")
    else:
        seconds = second.epoch_seconds().cast("int64")
    if part := gap % timedelta(seconds=1):
        before = table.created_at < second + ibis.interval(microseconds=part.microseconds)
        seconds -= before.ifelse(ibis.literal(1, "int64"), ibis.literal(0, "int64"))
    shifted = seconds + (_ERA_DAYS * _DAY - gap // timedelta(seconds=1))
    return ((shifted - shifted % _DAY) / _DAY).round().cast("int64") - _ERA_DAYS


def _is_duckdb(table: Any) -> bool:
    from ibis.common.exceptions import IbisError  # noqa: PLC0415 -- as above

    try:
        return bool(table.get_backend().name == "duckdb")
    except IbisError:  # a table that lies nowhere, whose query is only written
        return False


def variable(table: Any, name: str) -> Any:
    """Return the value of one custom variable as text, of a map or of JSON.

    Raises:
        FrameError: `custom_variables` is neither.
    """
    column = table.custom_variables
    kind = column.type()
    if not (kind.is_json() or kind.is_map()):
        raise FrameError(f"the column 'custom_variables' is {kind}, expected JSON or a map: cast it first.")
    value = column[name] if kind.is_json() else column.get(name)
    return value.str if value.type().is_json() else value


def each_tag(table: Any, column: str) -> Any:
    """Return a row for each different tag in a column of arrays, in place of the array."""
    others = [name for name in table.columns if name != column]
    tags = table.select(*others, table[column].unique().unnest().name(column))
    return tags.filter(tags[column].notnull())


def expanded(table: Any, column: str, count: int) -> Any:
    """Return each row so many times, with a column that numbers them from 0."""
    import ibis  # noqa: PLC0415 -- as above

    return table.mutate(**{column: ibis.array(list(range(count))).unnest()})


def each_text(table: Any, column: str, which: str, tagged: Sequence[int]) -> Any:
    """Take a column of arrays apart in the rows whose `which` is one of these; in the rest it is an empty text."""
    import ibis  # noqa: PLC0415 -- as above

    texts = table[which].isin(tagged).ifelse(table[column].unique(), ibis.array([""]))
    return table.select(*(name for name in table.columns if name != column), texts.unnest().name(column))


def as_texts(table: Any) -> Any:
    """Replace tags by one text a contact, the same for the same tags, and whether an empty one is among them.

    BigQuery groups by no array. Columns: `tags`, and `has_empty`, which tells `[""]` from `[]`.
    """
    joined = table.tags.unique().sort().join(SEPARATOR).fill_null("")
    return table.mutate(tags=joined, has_empty=table.tags.contains("").fill_null(False))
