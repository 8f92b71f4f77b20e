"""The history's table as other engines read it."""

from __future__ import annotations

from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

import duckdb
import narwhals as nw
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from sendblue_data import ContactHistory, opt_out_rate

from . import worlds as w
from .test_parts import small_parts

DAY = timedelta(days=1)


@pytest.fixture
def history(tmp_path: Path) -> ContactHistory:
    """Three snapshots in which contacts come, go and change, with a field that appears on the way."""
    history = ContactHistory(tmp_path / "a folder, é")
    first = [w.contact(n, custom_variables={"k": f"v{n}"}) for n in range(30)]
    history.snapshot(w.frame(first), w.FIRST)
    history.snapshot(
        w.frame([*first[1:20], *(c | {"opt_out": True, "tags": ["a", "é"]} for c in first[20:])]),
        w.FIRST + DAY,
    )
    more = w.frame([*first[1:], *(w.contact(n) for n in range(40, 45))])
    history.snapshot(more.with_columns(language=pl.lit("fr")), w.FIRST + 2 * DAY)
    return history


def plain(row: dict[str, Any]) -> dict[str, Any]:
    """A row whose map is a dict, however the engine gave it, and whose time is in UTC, with no zone's name."""
    pairs, at = row["custom_variables"], row["created_at"].astimezone(UTC)
    return row | {"custom_variables": None if pairs is None else dict(map_items(pairs)), "created_at": at}


def map_items(pairs: Any) -> list[tuple[str, str]]:
    return list(pairs.items()) if isinstance(pairs, dict) else [tuple(pair.values()) for pair in pairs]


@pytest.mark.slow
def test_spark_reads_every_snapshot_from_the_list_of_files(history: ContactHistory, spark: Any) -> None:
    """This session has no Delta connector, so the files that the table names are read."""
    for day, size in enumerate((30, 29, 34)):
        when = w.FIRST + day * DAY
        frame = history.scan(spark, at=when)
        assert frame.count() == size
        expected = history.at(when)
        assert frame.columns == expected.columns
        got = nw.from_native(frame).collect("polars").to_native()
        assert sorted(map(plain, got.to_dicts()), key=str) == sorted(map(plain, expected.to_dicts()), key=str)
        assert_frame_equal(opt_out_rate(frame), opt_out_rate(expected))


@pytest.mark.slow
def test_spark_sees_no_contact_that_was_forgotten(history: ContactHistory, spark: object) -> None:
    history.compact()
    history.forget([w.phone(3), w.phone(25)])
    for day in range(3):
        phones = {row.phone for row in history.scan(spark, at=w.FIRST + day * DAY).collect()}
        assert phones == set(history.at(w.FIRST + day * DAY)["phone"])
        assert not phones & {w.phone(3), w.phone(25)}


def test_duckdb_takes_the_scan(history: ContactHistory) -> None:
    contacts = history.scan().collect()
    relation = duckdb.connect().from_arrow(contacts.to_arrow())
    assert_frame_equal(
        opt_out_rate(relation, by="tags"), opt_out_rate(history.at(w.FIRST + 2 * DAY), by="tags")
    )


@pytest.mark.slow
def test_a_spark_frame_is_recorded_part_by_part(tmp_path: Path, spark: Any) -> None:
    frame = w.frame([w.contact(n, custom_variables={"k": f"v{n}"}, tags=["a", None]) for n in range(50)])
    frame.write_parquet(tmp_path / "contacts.parquet")
    history = ContactHistory(tmp_path / "h")
    with small_parts(7):
        history.snapshot(spark.read.parquet(str(tmp_path / "contacts.parquet")), w.FIRST)
    assert_frame_equal(history.at(w.FIRST), frame)
