"""The contacts of one snapshot as a lazy frame of Polars, or as a Spark frame."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import polars as pl

from sendblue_data.history.layout import CHANGE, CONTACT, IDENTITY, REMOVED, STATE, STATE_FIELDS
from sendblue_data.history.state import epoch_of, looks
from sendblue_data.history.table import HistoryTable
from sendblue_data.schema import CONTACT_SCHEMA

if TYPE_CHECKING:
    from pyspark.sql import DataFrame as SparkFrame, SparkSession


def scan(table: HistoryTable, snapshot: int) -> pl.LazyFrame:
    """Give the contacts of a snapshot, lazily; the rows are in no particular order."""
    extra = _extra(table, snapshot)
    fields = [*STATE_FIELDS, *extra]
    epoch, first = epoch_of(table, snapshot)
    who = table.scan(CONTACT, ["h_contact", "h_snapshot", *IDENTITY], through=snapshot)
    who = who.sort("h_snapshot").unique("h_contact", keep="last", maintain_order=True).drop("h_snapshot")
    copied = table.scan(STATE, ["h_contact", *fields], epoch=epoch)
    changed = table.scan(
        CHANGE, ["h_contact", "h_snapshot", "h_kind", *fields], epoch=epoch, after=first, through=snapshot
    )
    last = changed.sort("h_snapshot").unique("h_contact", keep="last", maintain_order=True)
    state = pl.concat(
        [
            copied.join(last, on="h_contact", how="anti"),
            last.filter(pl.col("h_kind") != REMOVED).select("h_contact", *fields),
        ]
    )
    return state.join(who, on="h_contact", how="inner").select(*CONTACT_SCHEMA, *extra)


def scan_spark(table: HistoryTable, snapshot: int, spark: SparkSession) -> SparkFrame:
    """Give the contacts of a snapshot as a Spark frame."""
    from pyspark.sql import Window, functions as f  # noqa: PLC0415 -- Spark is an extra

    extra = _extra(table, snapshot)
    fields = [*STATE_FIELDS, *extra]
    epoch, first = epoch_of(table, snapshot)
    rows = _spark_table(table, spark).where(f.col("h_snapshot") <= snapshot)
    newest = Window.partitionBy("h_contact").orderBy(f.col("h_snapshot").desc())

    def last_of(frame: SparkFrame) -> SparkFrame:
        return frame.withColumn("h_rank", f.row_number().over(newest)).where("h_rank = 1")

    who = last_of(rows.where(f.col("h_part") == CONTACT)).select("h_contact", *IDENTITY)
    in_epoch = f.col("h_epoch") == epoch
    copied = (f.col("h_part") == STATE) & in_epoch
    changed = (f.col("h_part") == CHANGE) & in_epoch & (f.col("h_snapshot") > first)
    state = (
        last_of(rows.where(copied | changed)).where(f.col("h_kind") != REMOVED).select("h_contact", *fields)
    )
    return state.join(who, "h_contact").select(*CONTACT_SCHEMA, *extra)


def _extra(table: HistoryTable, snapshot: int) -> list[str]:
    return looks(table).filter(pl.col("h_snapshot") == snapshot).row(-1, named=True)["h_extra"] or []


def _spark_table(table: HistoryTable, spark: SparkSession) -> SparkFrame:
    """Read by the Delta connector if the session has it, else from the table's list of files."""
    from py4j.protocol import Py4JError  # noqa: PLC0415
    from pyspark.errors import PySparkException  # noqa: PLC0415

    try:
        return spark.read.format("delta").option("versionAsOf", table.version).load(table.uri)
    except (PySparkException, Py4JError) as error:  # which of them depends on Spark's version
        if "delta" not in str(error).lower():
            raise
    schema = _spark_schema(table)
    # A file lacks the columns that appeared after it, and the partition columns lie in its path.
    # Spark takes a path as it is written, and no %20 for a blank.
    root = table.uri if table.root is None else f"file://{table.root.as_posix()}"
    return spark.read.schema(schema).option("basePath", root).parquet(
        *(f"{root.rstrip('/')}/{path}" for path in table.files["path"])
    )  # fmt: skip


def _spark_schema(table: HistoryTable) -> Any:
    """The table's schema; Delta writes it in Spark's own JSON."""
    from pyspark.sql.types import StructType  # noqa: PLC0415

    return StructType.fromJson(json.loads(table.delta.schema().to_json()))
