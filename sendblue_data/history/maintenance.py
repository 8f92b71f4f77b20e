"""Keeping the table small, erasing people from it, and taking the last look back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

import polars as pl

from sendblue_data.errors import FrameError, HistoryRangeError
from sendblue_data.history.layout import CHANGE, CONTACT, LOOK, STATE
from sendblue_data.history.state import looks
from sendblue_data.history.table import HistoryTable

COMPACT_AT = 32
"""Small files that one partition gathers before a snapshot merges them."""
_SMALL_BYTES = 1 << 20
"""A file below this is small. A large account's files are larger: to merge them would gain nothing."""
_HELD_ROWS = 250_000
"""A partition with more rows is merged by Delta Lake, batch after batch, in no order of ours."""


def compact(table: HistoryTable, *, at_least: int = 2) -> int:
    """Merge the files of each partition that has `at_least` of them, and delete what the last compaction replaced.

    What this compaction replaces stays until the next one, so that a reader who began before it can finish.

    Returns:
        The number of files merged.
    """
    table.adopt_configuration()
    before = table.version
    small = _small_files(table).filter(pl.col("files") >= at_least)
    merged = 0
    for part, epoch, files in small.iter_rows():
        mine = table.files_of(part, epoch=epoch)
        if mine["rows"].sum() > _HELD_ROWS:
            table.merge_small(part, epoch, below=_SMALL_BYTES)
            merged += files
        elif mine.height >= at_least:
            _rewrite(table, part, epoch)
            merged += mine.height
    table.drop_replaced(keep_version=before)
    return merged


def _rewrite(table: HistoryTable, part: str, epoch: int) -> None:
    """Put one file in the place of a partition's files, its rows in order: it is smaller so, and faster to read."""
    columns = [
        name for name, kind in table.schema.items() if name not in {"h_part", "h_epoch"} and kind != pl.Null
    ]
    merged = table.scan(part, columns, epoch=epoch).collect()
    labels = (pl.lit(part).alias("h_part"), pl.lit(epoch, pl.Int32).alias("h_epoch"))
    by = "h_taken_at" if part == LOOK else "h_contact"
    table.replace(part, epoch, merged.sort("h_snapshot", by).select(*labels, pl.all()))


def crowded(table: HistoryTable) -> bool:
    """Whether a partition has gathered so many small files that reading slows down."""
    return bool((_small_files(table)["files"] >= COMPACT_AT).any())


def _small_files(table: HistoryTable) -> pl.DataFrame:
    """Count the small files of each partition that gathers them: `part, epoch, files`."""
    return (
        table.files.filter(pl.col("part") != STATE, pl.col("bytes") < _SMALL_BYTES)
        .group_by("part", "epoch")
        .agg(pl.len().alias("files"))
        .sort("part", "epoch")
    )


def forget(table: HistoryTable, phones: Sequence[str]) -> pl.DataFrame:
    """Erase contacts; see `ContactHistory.forget`."""
    if isinstance(phones, str):
        raise FrameError("phones= must be a list of phone numbers, not one text. Write [phone].")
    listed = list(phones) if isinstance(phones, Iterable) else [phones]  # once: it may be a generator
    if not all(isinstance(phone, str) for phone in listed):
        raise FrameError("phones= must be a list of phone numbers, each a text such as '+12125550123'.")
    asked = pl.DataFrame({"phone": pl.Series(listed, dtype=pl.String)}).unique(maintain_order=True)
    seen = (
        table.scan(CONTACT, ["h_contact", "phone"])
        .filter(pl.col("phone").is_in(asked["phone"].implode()))
        .collect()
    )
    numbers = seen["h_contact"].unique().sort()
    gone = numbers.implode()
    rows = pl.concat(
        [
            table.scan(part, ["h_contact"]).filter(pl.col("h_contact").is_in(gone)).collect()
            for part in (CONTACT, STATE, CHANGE)
        ]
    )
    if len(numbers):
        table.delete_contacts(numbers.to_list())
    table.drop_everything_else()
    per_contact = rows.group_by("h_contact").agg(pl.len().alias("rows_erased"))
    erased = (
        seen.unique(["h_contact", "phone"])
        .join(per_contact, on="h_contact")
        .group_by("phone")
        .agg(pl.len().alias("contacts"), pl.col("rows_erased").sum())
    )
    return asked.join(erased, on="phone", how="left", maintain_order="left").with_columns(
        pl.col("contacts", "rows_erased").fill_null(0).cast(pl.Int64)
    )


def drop_last(table: HistoryTable) -> datetime:
    """Take the last look back; see `ContactHistory.drop_last`."""
    seen = looks(table)
    last = seen.row(-1, named=True)
    number: int = last["h_snapshot"]
    taken_at: datetime = last["h_taken_at"]
    if seen.height == 1:
        raise HistoryRangeError(
            f"The history {table.uri} holds one look alone, of {taken_at.isoformat()}: remove its folder to begin "
            "again."
        )
    if (seen["h_snapshot"] == number).sum() > 1:  # an earlier look showed the same
        table.delete_rows(f"h_part = '{LOOK}' and h_taken_at = timestamp '{taken_at.isoformat()}'")
    else:
        table.delete_rows(f"h_snapshot = {number}")
    return taken_at
