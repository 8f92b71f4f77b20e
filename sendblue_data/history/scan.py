"""The contacts of one snapshot as a lazy frame of Polars, or as a Spark frame: one query for both."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import narwhals as nw
import polars as pl

from sendblue_data._frames.engines import spark_table
from sendblue_data.history.layout import CHANGE, CONTACT, IDENTITY, REMOVED, STATE, STATE_FIELDS
from sendblue_data.history.state import epoch_of, looks
from sendblue_data.history.table import HistoryTable
from sendblue_data.schema import CONTACT_SCHEMA

_LIMITS: dict[str, Callable[[int], nw.Expr]] = {
    "epoch": lambda epoch: nw.col("h_epoch") == epoch,
    "after": lambda snapshot: nw.col("h_snapshot") > snapshot,
    "through": lambda snapshot: nw.col("h_snapshot") <= snapshot,
}
"""What `HistoryTable.scan` takes, for Spark."""


def scan(table: HistoryTable, snapshot: int, spark: Any = None) -> Any:
    """Return the contacts of a snapshot, lazily; the rows are in no particular order."""
    extra = looks(table).filter(pl.col("h_snapshot") == snapshot).row(-1, named=True)["h_extra"] or []
    fields = [*STATE_FIELDS, *extra]
    epoch, first = epoch_of(table, snapshot)
    read = _polars_reader(table) if spark is None else _spark_reader(table, spark)
    who = _latest(read(CONTACT, ["h_contact", "h_snapshot", *IDENTITY], through=snapshot))
    copied = read(STATE, ["h_contact", *fields], epoch=epoch)
    changed = read(
        CHANGE, ["h_contact", "h_snapshot", "h_kind", *fields], epoch=epoch, after=first, through=snapshot
    )
    last = _latest(changed)
    state = nw.concat(
        [
            copied.join(last.select("h_contact"), on="h_contact", how="anti"),
            last.filter(nw.col("h_kind") != REMOVED).select("h_contact", *fields),
        ]
    )
    contacts = state.join(who.drop("h_snapshot"), on="h_contact", how="inner")
    return contacts.select(*CONTACT_SCHEMA, *extra).to_native()


def _latest(rows: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    # Lists, since of a text Narwhals takes each letter for a column on Spark.
    return rows.unique(["h_contact"], keep="last", order_by=["h_snapshot"])


def _polars_reader(table: HistoryTable) -> Callable[..., nw.LazyFrame[Any]]:
    return lambda part, columns, **limits: nw.from_native(table.scan(part, columns, **limits))


def _spark_reader(table: HistoryTable, spark: Any) -> Callable[..., nw.LazyFrame[Any]]:
    # Spark reads a bucket of S3 by s3a:// everywhere, by s3:// only where its vendor says so.
    remote = table.uri.replace("s3://", "s3a://", 1)
    root = remote if table.root is None else f"file://{table.root.as_posix()}"
    schema = json.loads(table.delta.schema().to_json())
    native = spark_table(spark, remote, table.version, root, table.files["path"].to_list(), schema)
    rows: nw.LazyFrame[Any] = nw.from_native(native)

    def read(part: str, columns: list[str], **limits: int) -> nw.LazyFrame[Any]:
        wanted = [nw.col("h_part") == part, *(_LIMITS[name](value) for name, value in limits.items())]
        return rows.filter(*wanted).select(columns)

    return read
