"""A contacts frame of any engine as one kind of lazy query, and its small result as a Polars frame.

Polars, DuckDB and Spark count where the data lives: Narwhals gives one query language, and the few words
that it lacks (days since a moment, a value of a map) are said here in each engine's own. Of a frame of
another engine that Narwhals knows (pandas, PyArrow, ...), the columns that are needed go to Polars.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias, cast

import narwhals as nw
import polars as pl
from narwhals import dependencies

from sendblue_data.errors import FrameError
from sendblue_data.schema import CONTACT_SCHEMA
from sendblue_data.segments.predicates import Variable

DAY_US = 86_400_000_000
_ERA_DAYS = 1_000_000
"""Added before a division and taken off after it: engines round negative quotients in different ways."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Days:
    """Whole days from a moment to `created_at`, rounded down, in UTC; null where `created_at` is."""

    since: datetime = _EPOCH

    @property
    def micros(self) -> int:
        """The moment in microseconds since 1970."""
        gap = self.since - _EPOCH
        return (gap.days * 86_400 + gap.seconds) * 1_000_000 + gap.microseconds


Recipe: TypeAlias = str | Days | pl.Expr | nw.Expr
"""How a column of a query is made: a column's name, days, or an expression (a custom variable is one)."""


def project(contacts: Any, wanted: Mapping[str, Recipe]) -> nw.LazyFrame[Any]:
    """A lazy frame with the columns that are wanted, and no others.

    Args:
        contacts: any frame that Narwhals knows.
        wanted: name of each column to recipe.

    Returns:
        The frame, on Polars, DuckDB or Spark; nothing has been computed.

    Raises:
        FrameError: not a frame, a column is missing or of the wrong type, or an expression can't run there.
    """
    known = columns_of(contacts)
    if not isinstance(contacts, (pl.DataFrame, pl.LazyFrame)):
        contacts = _reachable_by(contacts, wanted)
    own = {f"__{place}": recipe for place, recipe in enumerate(wanted.values()) if _is_own(recipe)}
    names = {id(recipe): name for name, recipe in own.items()}
    _require(known, wanted.values())
    frame = nw.from_native(_with_own_columns(contacts, own)).lazy()
    _check_types(frame.select(_named(known, wanted.values())))
    selected = frame.select(
        *(
            (
                recipe if isinstance(recipe, nw.Expr) else nw.col(names.get(id(recipe), cast("str", recipe)))
            ).alias(name)
            for name, recipe in wanted.items()
        )
    )
    return cast("nw.LazyFrame[Any]", selected)


def columns_of(contacts: Any) -> list[str]:
    """Names of the columns of any frame.

    Raises:
        FrameError: Narwhals does not know it.
    """
    if isinstance(contacts, (pl.DataFrame, pl.LazyFrame)):
        return contacts.collect_schema().names()
    try:
        return list(nw.from_native(contacts).collect_schema().names())
    except TypeError:
        raise FrameError(
            f"a {type(contacts).__name__} is not a frame: bring Polars, DuckDB, PySpark "
            "or another that Narwhals knows."
        ) from None


def output_name(contacts: Any, expr: pl.Expr | nw.Expr) -> str:
    """Name of the column that an expression gives on this frame.

    Raises:
        FrameError: it gives several, or a column that it needs is missing.
    """
    if isinstance(expr, pl.Expr):
        names = [] if expr.meta.has_multiple_outputs() else [expr.meta.output_name()]
    else:
        try:
            names = nw.from_native(contacts).lazy().select(expr).collect_schema().names()
        except nw.exceptions.ColumnNotFoundError as missing:
            raise FrameError(f"by: {missing}") from None
    if len(names) != 1:
        raise FrameError("by: an expression gives several columns: give each of them, in a list.")
    return names[0]


def each_tag(frame: nw.LazyFrame[Any], *columns: str) -> nw.LazyFrame[Any]:
    """A row for each different tag in a column of lists, in place of the list; several columns one by one.

    Null tags, and contacts without a tag, give no row.
    """
    for column in columns:
        native = frame.to_native()
        others = [name for name in frame.collect_schema().names() if name != column]
        if dependencies.is_duckdb_relation(native):
            # Narwhals would compute all that comes before twice, to keep the rows of empty lists.
            tags = f"unnest(list_distinct({_quoted(column)})) AS {_quoted(column)}"
            frame = nw.from_native(native.project(", ".join([*map(_quoted, others), tags])))
        else:
            frame = frame.with_columns(nw.col(column).list.unique()).explode(column)
            frame = frame.filter(~nw.col(column).is_null())
    return frame


def collect(frame: nw.LazyFrame[Any]) -> pl.DataFrame:
    """Compute a query where its data lives, and give the result with one set of types, whatever the engine.

    Times become UTC in microseconds, sums Int64, categories String.
    """
    native = frame.to_native()
    if isinstance(native, pl.LazyFrame):
        result = native.collect(engine="streaming")
    else:
        with warnings.catch_warnings():
            # Spark 4 warns of pandas 3 on import, and no pandas is used here.
            warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas", FutureWarning)
            result = cast("pl.DataFrame", frame.collect("polars").to_native())
    return result.select(_canonical(name, kind) for name, kind in result.schema.items())


def _canonical(name: str, kind: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if isinstance(kind, pl.Datetime):
        aware = column.dt.convert_time_zone("UTC") if kind.time_zone else column.dt.replace_time_zone("UTC")
        return aware.cast(pl.Datetime("us", "UTC"))
    if kind.is_integer() or isinstance(kind, pl.Decimal):
        return column.cast(pl.Int64)
    if isinstance(kind, (pl.Categorical, pl.Enum)):
        return column.cast(pl.String)
    return column


def _is_own(recipe: Recipe) -> bool:
    return isinstance(recipe, (Days, pl.Expr))


def _roots(recipe: Recipe) -> list[str]:
    if isinstance(recipe, str):
        return [recipe]
    if isinstance(recipe, Days):
        return ["created_at"]
    return recipe.meta.root_names() if isinstance(recipe, pl.Expr) else []


def _named(known: Iterable[str], recipes: Iterable[Recipe]) -> list[str]:
    needed = {name for recipe in recipes for name in _roots(recipe)}
    return [name for name in known if name in needed]


def _require(known: list[str], recipes: Iterable[Recipe]) -> None:
    needed = dict.fromkeys(name for recipe in recipes for name in _roots(recipe))
    if lacking := [name for name in needed if name not in known]:
        raise FrameError(
            f"the frame has no column {', '.join(map(repr, lacking))}: it has {', '.join(known)}. "
            "Pass the frame that pull_contacts gives, or one with its columns."
        )


_TYPES: dict[str, tuple[type[nw.dtypes.DType], str]] = {
    "opt_out": (nw.Boolean, "Boolean"),
    "verified": (nw.Boolean, "Boolean"),
    "tags": (nw.List, "List(String)"),
    "created_at": (nw.Datetime, "Datetime"),
}


def _check_types(frame: Any) -> None:
    for name, found in frame.collect_schema().items():
        if name in _TYPES and not isinstance(found, _TYPES[name][0]):
            raise FrameError(f"the column {name!r} is {found}, expected {_TYPES[name][1]}: cast it first.")


def _reachable_by(contacts: Any, wanted: Mapping[str, Recipe]) -> Any:
    """The frame itself where its engine can do all that is wanted; else its columns as a Polars frame."""
    polars_only = [r for r in wanted.values() if isinstance(r, pl.Expr) and not isinstance(r, Variable)]
    if dependencies.is_duckdb_relation(contacts):
        if not polars_only:
            return contacts
        if any(isinstance(recipe, nw.Expr) for recipe in wanted.values()):
            raise FrameError("a Polars and a Narwhals expression can't be mixed here: use one kind.")
        _require(columns_of(contacts), wanted.values())
        names = _named(columns_of(contacts), wanted.values())
        return _as_contacts(contacts.project(", ".join(map(_quoted, names))).pl(lazy=True))
    if _is_spark(contacts):
        if polars_only:
            raise FrameError(
                f"{polars_only[0]} is a Polars expression, which Spark can't run: "
                "use a Narwhals expression, variable(name), or a column made in Spark."
            )
        return contacts
    names = columns_of(contacts)
    if not any(isinstance(recipe, nw.Expr) for recipe in wanted.values()):
        _require(names, wanted.values())
        names = _named(names, wanted.values())
    return _as_contacts(
        cast(
            "pl.DataFrame", nw.from_native(contacts).lazy().select(names).collect("polars").to_native()
        ).lazy()
    )


def _is_spark(contacts: Any) -> bool:
    return dependencies.is_pyspark_dataframe(contacts) or dependencies.is_pyspark_connect_dataframe(contacts)


def _as_contacts(frame: pl.LazyFrame) -> pl.LazyFrame:
    """Columns with the types that a contacts frame has: engines have zones and precisions of their own."""
    known = {name: CONTACT_SCHEMA[name] for name in frame.collect_schema().names() if name in CONTACT_SCHEMA}
    return frame.with_columns(pl.col(name).cast(kind) for name, kind in known.items())


def _with_own_columns(contacts: Any, own: Mapping[str, Recipe]) -> Any:
    """Add the columns that are said in the engine's own words."""
    if not own:
        return contacts
    if isinstance(contacts, (pl.DataFrame, pl.LazyFrame)):
        return contacts.lazy().with_columns(**{name: _polars(recipe) for name, recipe in own.items()})
    if dependencies.is_duckdb_relation(contacts):
        added = [f"{_duckdb(recipe)} AS {_quoted(name)}" for name, recipe in own.items()]
        return contacts.project(", ".join(["*", *added]))
    return contacts.withColumns({name: _spark(contacts, recipe) for name, recipe in own.items()})


def _polars(recipe: Recipe) -> pl.Expr:
    if isinstance(recipe, Days):
        return (pl.col("created_at").dt.timestamp("us") - recipe.micros) // DAY_US
    return cast("pl.Expr", recipe)


def _duckdb(recipe: Recipe) -> str:
    if isinstance(recipe, Days):
        shift = _ERA_DAYS * DAY_US - recipe.micros
        return f"CAST((epoch_us(created_at) + {shift}) // {DAY_US} - {_ERA_DAYS} AS BIGINT)"
    name = cast("pl.Expr", recipe).meta.output_name().replace("'", "''")
    return f"custom_variables['{name}']"


def _spark(contacts: Any, recipe: Recipe) -> Any:
    from pyspark.sql import functions as F  # noqa: N812, PLC0415 -- its usual name; Spark is an extra

    if isinstance(recipe, Days):
        if dict(contacts.dtypes)["created_at"] == "timestamp_ntz":
            micros = F.expr("timestampdiff(MICROSECOND, TIMESTAMP_NTZ '1970-01-01 00:00:00', created_at)")
        else:
            micros = F.unix_micros("created_at")
        shifted = micros + F.lit(_ERA_DAYS * DAY_US - recipe.micros)
        return F.floor((shifted - F.pmod(shifted, F.lit(DAY_US))) / F.lit(DAY_US)) - F.lit(_ERA_DAYS)
    return F.col("custom_variables").getItem(cast("pl.Expr", recipe).meta.output_name())


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
