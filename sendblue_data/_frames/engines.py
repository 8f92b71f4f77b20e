"""All that the package knows of engines: a query over a contacts frame of Polars, DuckDB, Spark or Ibis.

They count where the data lives. Narwhals gives one query language, and the few words that it lacks (days since
a moment, a value of a map) are written here in each engine's own, Ibis's in `warehouses`. For what only Polars can
say (`sum_batches`), each engine hands over Arrow batches, and the same Polars expressions count in all of them. Of a
frame of another engine that Narwhals knows (pandas, PyArrow, Dask, ...), the columns that are needed go to Polars.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias, cast

import narwhals as nw
import polars as pl
from narwhals import dependencies

from sendblue_data._frames import warehouses
from sendblue_data._frames.conversion import as_contacts, column_names, pyarrow_needed, to_polars
from sendblue_data._frames.parquet_files import opened
from sendblue_data._frames.repeats import warn_of_repeats
from sendblue_data._shared.validation import did_you_mean
from sendblue_data.errors import FrameError
from sendblue_data.schema import E164

DAY_US = 86_400_000_000
_ERA_DAYS = 1_000_000
"""Added before a division and taken off after it: engines round negative quotients in different ways."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
BATCH_ROWS = 100_000
"""Contacts that are counted at a time, where a count can't run in the engine."""


HAS_PHONE = nw.col("phone").str.contains(f"^{E164}$") & ~nw.col("phone").str.ends_with("\n")
"""An E.164 phone, in a pattern that every engine takes: not all take `\\z`, and `$` may match before a last newline."""


class PortableExpr(pl.Expr):
    """A Polars expression that looks at one contact at a time, so that it can be asked batch by batch anywhere.

    Attributes:
        variable: the custom variable whose value it is, which each engine can look up by itself; None where it
            is more than that.
    """

    variable: str | None = None

    @classmethod
    def of_variable(cls, name: str) -> PortableExpr:
        """Return the value of a custom variable, as a text."""
        made = PortableExpr()
        made.variable = name
        made._pyexpr = pl.col("custom_variables").map.get(name).alias(name)._pyexpr  # noqa: SLF001 -- Polars' own way
        return made

    @property
    def condition(self) -> Condition | None:
        """The same, for an engine that is no Polars; None where only Polars can say it."""
        return None


@dataclass(frozen=True)
class Days:
    """Whole days from a moment to `created_at`, rounded down, in UTC; null where `created_at` is."""

    since: datetime = _EPOCH

    @property
    def micros(self) -> int:
        """The moment in microseconds since 1970."""
        gap = self.since - _EPOCH
        return (gap.days * 86_400 + gap.seconds) * 1_000_000 + gap.microseconds


@dataclass(frozen=True)
class Micros:
    """Microseconds from 1970, in UTC, to the first of these columns that is not null; null where all are."""

    columns: tuple[str, ...]


Recipe: TypeAlias = str | Days | Micros | pl.Expr | nw.Expr
"""How a column of a query is made: a column's name, days, a moment in microseconds, or an expression (a custom
variable is one)."""


@dataclass(frozen=True)
class Condition:
    """What is true or false of a contact, in words that every engine has.

    Attributes:
        expr: a Narwhals expression over the columns.
        columns: how they are made, by a name that says it, so that several conditions can share them.
    """

    expr: nw.Expr
    columns: Mapping[str, Recipe]


def roots(recipe: Recipe) -> list[str]:
    """Return the columns that a recipe reads; none of a Narwhals expression, which does not tell."""
    if isinstance(recipe, str):
        return [recipe]
    if isinstance(recipe, Days):
        return ["created_at"]
    if isinstance(recipe, Micros):
        return list(recipe.columns)
    return recipe.meta.root_names() if isinstance(recipe, pl.Expr) else []


def project(contacts: Any, wanted: Mapping[str, Recipe]) -> nw.LazyFrame[Any]:
    """Return a lazy frame with the columns that are wanted, and no others.

    Args:
        contacts: any frame that Narwhals knows.
        wanted: name of each column to recipe.

    Returns:
        The frame, on Polars, DuckDB, Spark or Ibis; nothing has been computed.

    Raises:
        FrameError: not a frame, a column is missing or of the wrong type, or an expression can't run there.
    """
    contacts = opened(contacts)
    known = column_names(contacts)
    needed = {name for recipe in wanted.values() for name in roots(recipe)}
    require_columns(known, needed)
    warn_of_repeats(contacts)
    read = [name for name in known if name in needed]
    if not _is_polars(contacts):
        contacts = _on_an_engine(contacts, wanted.values(), known, read)
    own = {
        f"__{n}": recipe
        for n, recipe in enumerate(wanted.values())
        if isinstance(recipe, (Days, Micros, pl.Expr))
    }
    frame: nw.LazyFrame[Any] = nw.from_native(_with_own_columns(contacts, own)).lazy()
    _check_types(frame.select(read))
    columns = [
        recipe if isinstance(recipe, nw.Expr) else nw.col(recipe if isinstance(recipe, str) else f"__{n}")
        for n, recipe in enumerate(wanted.values())
    ]
    return frame.select(column.alias(name) for column, name in zip(columns, wanted, strict=True))


def extended(frame: Any, own: Mapping[str, Days | Micros]) -> nw.LazyFrame[Any]:
    """Return a lazy frame of all columns, and more that are written in the engine's own words.

    Args:
        frame: any frame that Narwhals knows; one of an engine that can't count by itself becomes Polars'.
        own: name of each new column to recipe.

    Raises:
        FrameError: not a frame, or a column is missing or of the wrong type.
    """
    frame = opened(frame)
    needed = list(dict.fromkeys(name for recipe in own.values() for name in roots(recipe)))
    require_columns(column_names(frame), needed)
    if not (_is_polars(frame) or dependencies.is_duckdb_relation(frame) or _is_spark(frame)):
        frame = to_polars(frame)
    added: nw.LazyFrame[Any] = nw.from_native(_with_own_columns(frame, own)).lazy()
    _check_types(added.select(needed))
    return added


def require_columns(known: Sequence[str], needed: Iterable[str]) -> None:
    """Refuse a frame that lacks columns.

    Raises:
        FrameError: it does, with their names.
    """
    if lacking := [name for name in dict.fromkeys(needed) if name not in known]:
        raise FrameError(
            f"the frame has no column {', '.join(map(repr, lacking))}: it has {', '.join(known)}."
            f"{did_you_mean(lacking[0], known)} Pass the frame that pull_contacts gives, or one with its columns."
        )


def output_name(contacts: Any, expr: pl.Expr | nw.Expr) -> str:
    """Return the name of the column that an expression gives on this frame.

    Raises:
        FrameError: it gives several, or a column that it needs is missing.
    """
    if isinstance(expr, pl.Expr):
        names = [] if expr.meta.has_multiple_outputs() else [expr.meta.output_name()]
    else:
        try:
            names = nw.from_native(opened(contacts)).lazy().select(expr).collect_schema().names()
        except nw.exceptions.ColumnNotFoundError as missing:
            raise FrameError(f"by: {missing}") from None
    if len(names) != 1:
        raise FrameError("by: an expression gives several columns: give each of them, in a list.")
    return names[0]


def each_tag(frame: nw.LazyFrame[Any], *columns: str) -> nw.LazyFrame[Any]:
    """Return a row for each different tag in a column of lists, in place of the list; several columns one by one.

    Null tags, and contacts without a tag, give no row.
    """
    for column in columns:
        native = frame.to_native()
        if warehouses.is_ibis(native):
            frame = nw.from_native(warehouses.each_tag(native, column)).lazy()
            continue
        others = [name for name in frame.collect_schema().names() if name != column]
        if dependencies.is_duckdb_relation(native):
            # Narwhals would compute all that comes before twice, to keep the rows of empty lists.
            tags = f"unnest(list_distinct({quoted(column)})) AS {quoted(column)}"
            frame = nw.from_native(native.project(", ".join([*map(quoted, others), tags])))
        else:
            frame = frame.with_columns(nw.col(column).list.unique()).explode(column)
            frame = frame.filter(~nw.col(column).is_null())
    return frame


def sorted_tags(frame: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    """Return the frame with each list in `tags` as the same list for the same tags: each once, in order, without nulls.

    On Ibis it is one text, with `has_empty` beside it: see `warehouses.as_texts`. Polars, which sorts by no list, has
    no need of it.
    """
    native = frame.to_native()
    if warehouses.is_ibis(native):
        made = warehouses.as_texts(native)
    elif dependencies.is_duckdb_relation(native):
        others = [quoted(name) for name in frame.collect_schema().names() if name != "tags"]
        made = native.project(", ".join([*others, "coalesce(list_sort(list_distinct(tags)), []) AS tags"]))
    else:
        from pyspark.sql import functions as F  # noqa: N812, PLC0415 -- as below

        tags = F.array_sort(F.array_distinct(F.filter("tags", lambda tag: tag.isNotNull())))
        made = native.withColumn("tags", F.coalesce(tags, F.array().cast("array<string>")))
    sorted_lists: nw.LazyFrame[Any] = nw.from_native(made).lazy()
    return sorted_lists


def collect(frame: nw.LazyFrame[Any]) -> pl.DataFrame:
    """Compute a query where its data lives, and return the result with one set of types, whatever the engine.

    Times become UTC in microseconds, sums Int64, categories String.
    """
    native = frame.to_native()
    if isinstance(native, pl.LazyFrame):
        result = native.collect(engine="streaming")
    elif warehouses.is_ibis(native):
        result = warehouses.fetched(native)
    else:
        with pyarrow_needed(native), warnings.catch_warnings():
            # Spark 4 warns of pandas 3 on import, and no pandas is used here.
            warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas", FutureWarning)
            result = cast("pl.DataFrame", frame.collect("polars").to_native())
    return canonical(result)


def canonical(result: pl.DataFrame) -> pl.DataFrame:
    """Return a result with one set of types, whatever the engine: see `collect`."""
    return result.select(_canonical(name, kind) for name, kind in result.schema.items())


def sum_batches(
    contacts: Any, columns: Sequence[str], names: Sequence[str], sums: Callable[[pl.LazyFrame], pl.LazyFrame]
) -> Iterable[pl.DataFrame]:
    """Compute sums that only Polars can say, in the engine's own batches: next to nothing in memory.

    Args:
        contacts: a frame that `column_names` took.
        columns: what the sums read.
        names: columns of the result, Int64.
        sums: makes of some contacts one row of sums. Spark runs it in its executors, which need this package
            installed, as for any Python code.

    Returns:
        Rows to be added up.
    """
    if _is_polars(contacts):
        return [sums(contacts.lazy()).collect(engine="streaming")]
    if not _is_spark(contacts):
        return (sums(batch.lazy()).collect() for batch in _batches(contacts, columns))

    def on_executor(batches: Iterator[Any]) -> Iterator[Any]:
        for batch in batches:
            if batch.num_rows:
                yield from sums(_from_arrow(batch).lazy()).collect().to_arrow().to_batches()

    schema = ", ".join(f"`{name}` long" for name in names)
    rows = contacts.select(*columns).mapInArrow(on_executor, schema).groupBy().sum(*names).collect()
    return [pl.DataFrame({name: [value] for name, value in zip(names, rows[0], strict=True)})]


def with_spark_column(contacts: Any, name: str, root: str, values: Callable[[pl.Series], pl.Series]) -> Any:
    """Return a Spark frame with one more column of texts, which Python works out of another, in the executors.

    Args:
        contacts: the frame.
        name: of the new column.
        root: the column that it is made of.
        values: makes texts of a batch of its values; it is pickled to the executors, which need this package.
    """
    from pyspark.sql.types import StringType, StructField, StructType  # noqa: PLC0415 -- an extra

    def on_executor(batches: Iterator[Any]) -> Iterator[Any]:
        import pyarrow as pa  # noqa: PLC0415 -- Spark's executors have it

        for batch in batches:
            made = values(cast("pl.Series", pl.from_arrow(batch.column(root))).cast(pl.String))
            columns = [*batch.columns, made.to_arrow().cast(pa.string())]
            yield pa.RecordBatch.from_arrays(columns, names=[*batch.schema.names, name])

    fields = [field for field in contacts.schema.fields if field.name != name]
    kept = contacts.select(*(field.name for field in fields))
    return kept.mapInArrow(on_executor, StructType([*fields, StructField(name, StringType())]))


def spark_table(
    spark: Any, uri: str, version: int, root: str, paths: Sequence[str], schema: dict[str, Any]
) -> Any:
    """Return one version of a Delta table as a Spark frame, by the Delta connector if the session has it.

    Else from the live files at `paths`, below `root`, with the `schema` that Delta has in Spark's own JSON.
    """
    from pyspark.sql.types import StructType  # noqa: PLC0415 -- Spark is an extra

    try:
        table = spark.read.format("delta").option("versionAsOf", version).load(uri)
        _ = table.schema  # Spark Connect says only now whether it has the connector
    except Exception as error:  # which one depends on Spark's version
        if "delta" not in str(error).lower():
            raise
    else:
        return table
    # A file lacks the columns that appeared after it, and the partition columns lie in its path.
    # Spark takes a path as it is written, and no %20 for a blank.
    files = spark.read.schema(StructType.fromJson(schema)).option("basePath", root)
    return files.parquet(*(f"{root.rstrip('/')}/{path}" for path in paths))


def _is_polars(contacts: Any) -> bool:
    return isinstance(contacts, (pl.DataFrame, pl.LazyFrame))


def _is_spark(contacts: Any) -> bool:
    return dependencies.is_pyspark_dataframe(contacts) or dependencies.is_pyspark_connect_dataframe(contacts)


def _batches(contacts: Any, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
    if dependencies.is_duckdb_relation(contacts):
        relation = contacts.project(", ".join(map(quoted, columns)))
        with pyarrow_needed(contacts):
            yield from map(_from_arrow, relation.to_arrow_reader(BATCH_ROWS))
    else:
        yield to_polars(contacts, columns)


def _from_arrow(batch: Any) -> pl.DataFrame:
    return as_contacts(cast("pl.DataFrame", pl.from_arrow(batch)).lazy()).collect()


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


_TYPES: dict[str, tuple[type[nw.dtypes.DType], str]] = {
    "opt_out": (nw.Boolean, "Boolean"),
    "verified": (nw.Boolean, "Boolean"),
    "tags": (nw.List, "List(String)"),
    "created_at": (nw.Datetime, "Datetime"),
    "is_outbound": (nw.Boolean, "Boolean"),
    "opted_out": (nw.Boolean, "Boolean"),
    "date_sent": (nw.Datetime, "Datetime"),
    "date_updated": (nw.Datetime, "Datetime"),
}


def _check_types(frame: Any) -> None:
    for name, found in frame.collect_schema().items():
        if name in _TYPES and not isinstance(found, _TYPES[name][0]):
            raise FrameError(f"the column {name!r} is {found}, expected {_TYPES[name][1]}: cast it first.")


def _on_an_engine(contacts: Any, recipes: Iterable[Recipe], known: list[str], read: list[str]) -> Any:
    """Return the frame itself where its engine can do all that is wanted; else its columns as a Polars frame."""
    recipes = list(recipes)
    polars_only = [
        recipe
        for recipe in recipes
        if isinstance(recipe, pl.Expr) and not (isinstance(recipe, PortableExpr) and recipe.variable)
    ]
    has_narwhals = any(isinstance(recipe, nw.Expr) for recipe in recipes)
    is_duckdb = dependencies.is_duckdb_relation(contacts)
    is_ibis = warehouses.is_ibis(contacts)
    if (is_duckdb or is_ibis or _is_spark(contacts)) and not polars_only:
        return warehouses.with_lists(contacts) if is_ibis else contacts
    if is_duckdb:
        if has_narwhals:
            raise FrameError("a Polars and a Narwhals expression can't be mixed here: use one kind.")
        with pyarrow_needed(contacts):
            return as_contacts(contacts.project(", ".join(map(quoted, read))).pl(lazy=True))
    if _is_spark(contacts):
        raise FrameError(
            f"{polars_only[0]} is a Polars expression, which Spark can't run: "
            "use a Narwhals expression, variable(name), or a column made in Spark (with_phone_region makes one)."
        )
    return to_polars(contacts, known if has_narwhals else read).lazy()


def _with_own_columns(contacts: Any, own: Mapping[str, Recipe]) -> Any:
    """Add the columns that are written in the engine's own words."""
    if not own:
        return contacts
    if _is_polars(contacts):
        return contacts.lazy().with_columns(**{name: polars_expr(recipe) for name, recipe in own.items()})
    if dependencies.is_duckdb_relation(contacts):
        added = [f"{_duckdb(recipe)} AS {quoted(name)}" for name, recipe in own.items()]
        return contacts.project(", ".join(["*", *added]))
    if warehouses.is_ibis(contacts):
        return contacts.mutate(**{name: _ibis(contacts, recipe) for name, recipe in own.items()})
    return contacts.withColumns({name: _spark(contacts, recipe) for name, recipe in own.items()})


def polars_expr(recipe: Recipe) -> pl.Expr:
    """Return a recipe as a Polars expression; a Narwhals expression is none."""
    if isinstance(recipe, Days):
        return (pl.col("created_at").dt.timestamp("us") - recipe.micros) // DAY_US
    if isinstance(recipe, Micros):
        return pl.coalesce(pl.col(name).dt.timestamp("us") for name in recipe.columns)
    return pl.col(recipe) if isinstance(recipe, str) else cast("pl.Expr", recipe)


def _duckdb(recipe: Recipe) -> str:
    if isinstance(recipe, Days):
        shift = _ERA_DAYS * DAY_US - recipe.micros
        return f"CAST((epoch_us(created_at) + {shift}) // {DAY_US} - {_ERA_DAYS} AS BIGINT)"
    if isinstance(recipe, Micros):
        return f"coalesce({', '.join(f'epoch_us({quoted(name)})' for name in recipe.columns)})"
    name = cast("PortableExpr", recipe).variable
    return f"custom_variables['{str(name).replace(chr(39), chr(39) * 2)}']"


def _ibis(contacts: Any, recipe: Recipe) -> Any:
    if isinstance(recipe, Days):
        return warehouses.days_since(contacts, recipe.since)
    return warehouses.variable(contacts, str(cast("PortableExpr", recipe).variable))


def _spark(contacts: Any, recipe: Recipe) -> Any:
    from pyspark.sql import functions as F  # noqa: N812, PLC0415 -- its usual name; Spark is an extra

    kinds = dict(contacts.dtypes)

    def micros(name: str) -> Any:
        if kinds[name] == "timestamp_ntz":
            return F.expr(f"timestampdiff(MICROSECOND, TIMESTAMP_NTZ '1970-01-01 00:00:00', `{name}`)")
        return F.unix_micros(name)

    if isinstance(recipe, Micros):
        return F.coalesce(*map(micros, recipe.columns))
    if isinstance(recipe, Days):
        shifted = micros("created_at") + F.lit(_ERA_DAYS * DAY_US - recipe.micros)
        return F.floor((shifted - F.pmod(shifted, F.lit(DAY_US))) / F.lit(DAY_US)) - F.lit(_ERA_DAYS)
    return F.col("custom_variables").getItem(cast("PortableExpr", recipe).variable)


def quoted(name: str) -> str:
    """Write a name as SQL does."""
    return '"' + name.replace('"', '""') + '"'
