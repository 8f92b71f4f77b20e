"""The contacts as they were at one snapshot: a copy of the state, patched by the changes after it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import numpy.typing as npt
import polars as pl

from sendblue_data.errors import HistoryRangeError
from sendblue_data.history.layout import (
    CHANGE,
    CONTACT,
    IDENTITY,
    LOOK,
    LOOK_COLUMNS,
    REMOVED,
    STATE,
    STATE_FIELDS,
)
from sendblue_data.history.table import HistoryTable
from sendblue_data.schema import CONTACT_SCHEMA

ORDERS = (
    "contact",
    "oldest first",
    "oldest first, unknown last",
    "newest first",
    "newest first, unknown last",
)
"""Row orders that a pull may have had; `.at` gives the one that was recorded."""


def looks(table: HistoryTable) -> pl.DataFrame:
    """Return every look at the account, oldest first, in the columns `LOOK_COLUMNS`."""
    return table.cached("looks", lambda: _looks(table))


def _looks(table: HistoryTable) -> pl.DataFrame:
    frame = table.scan(LOOK, LOOK_COLUMNS).collect()
    missing = set(range(int(frame["h_snapshot"].max() or 0) + 1)) - set(frame["h_snapshot"])  # type: ignore[arg-type]
    if missing:  # a commit of the log that is empty says that nothing was written
        raise table.unreadable(
            f"has lost its snapshot {min(missing)}: a file of _delta_log is empty",
            "Put _delta_log back from a backup",
        )
    return frame.sort("h_taken_at", "h_snapshot")


def snapshot_at(table: HistoryTable, at: datetime) -> int:
    """Return the number of the last snapshot taken at or before a moment.

    Raises:
        HistoryRangeError: there is none.
    """
    seen = looks(table)
    earlier = seen.filter(pl.col("h_taken_at") <= at)
    if earlier.is_empty():
        raise HistoryRangeError(
            f"Nothing was recorded at or before {at.isoformat()}; the first snapshot of {table.uri} is of "
            f"{seen['h_taken_at'][0].isoformat()}. Ask for a later moment."
        )
    return int(earlier["h_snapshot"][-1])


def epoch_of(table: HistoryTable, snapshot: int) -> tuple[int, int]:
    """The epoch that a snapshot lies in, and the snapshot that it opens with."""
    starts = (
        table.files.filter(pl.col("part").is_in([STATE, CHANGE]))
        # An epoch whose every copied contact was forgotten has changes only; they begin one snapshot later.
        .with_columns(opens=pl.col("first") - (pl.col("part") == CHANGE).cast(pl.Int32))
        .group_by("epoch")
        .agg(pl.col("opens").filter(pl.col("part") == STATE).min().fill_null(pl.col("opens").min()))
    )
    # An account that was empty at first has no copy at all, and no contact before its first change.
    return max(((epoch, first) for epoch, first in starts.iter_rows() if first <= snapshot), default=(0, 0))


def identities(table: HistoryTable, through: int) -> pl.DataFrame:
    """Return who each contact ever seen was at snapshot `through`: `h_contact` (ascending) and `IDENTITY`."""
    return latest_identities(
        table.scan(CONTACT, ["h_contact", "h_snapshot", *IDENTITY], through=through).collect()
    )


def latest_identities(who: pl.DataFrame) -> pl.DataFrame:
    """Keep of each contact the last row of the part `contact`, by ascending `h_contact`."""
    numbers = who["h_contact"].to_numpy()
    if not bool(np.all(numbers[1:] > numbers[:-1])):
        who = who.sort("h_contact", "h_snapshot").unique("h_contact", keep="last", maintain_order=True)
    return who.drop("h_snapshot")


def state_at(table: HistoryTable, snapshot: int) -> pl.DataFrame:
    """Return the contacts at one snapshot: `h_contact` (ascending), then every contact field and extra one."""
    fields = [*STATE_FIELDS, *table.extra_columns]
    epoch, first = epoch_of(table, snapshot)
    who, copied, changed = pl.collect_all(
        [
            table.scan(CONTACT, ["h_contact", "h_snapshot", *IDENTITY], through=snapshot),
            table.scan(STATE, ["h_contact", *fields], epoch=epoch),
            table.scan(
                CHANGE,
                ["h_contact", "h_snapshot", "h_kind", *fields],
                epoch=epoch,
                after=first,
                through=snapshot,
            ),
        ]
    )
    return state_of(table, snapshot, who, copied, changed, fields)


def state_of(
    table: HistoryTable,
    snapshot: int,
    who: pl.DataFrame,
    copied: pl.DataFrame,
    changed: pl.DataFrame,
    fields: Sequence[str],
) -> pl.DataFrame:
    """Return the contacts that rows of the three parts tell of, as `state_at` does."""
    state = _patched(copied, changed, fields)
    if not state["h_contact"].is_in(who["h_contact"].unique().implode()).all():
        raise table.unreadable(
            f"has contacts without a phone or an id at snapshot {snapshot}: a file of it was changed",
            "Put it back from a backup",
        )
    return pl.concat(
        [state.select("h_contact"), _identities_of(who, state), state.select(fields)], how="horizontal"
    )


def _patched(copied: pl.DataFrame, changed: pl.DataFrame, fields: Sequence[str]) -> pl.DataFrame:
    """Put each contact's last change in the place of its copy: one gather, in the order of `h_contact`."""
    if changed.is_empty():
        return copied.sort("h_contact")
    last = _last_change(changed)
    kept = changed["h_kind"].to_numpy() != REMOVED
    both = pl.concat([copied, changed.select("h_contact", *fields)], rechunk=True)
    size = max(len(last), _size(copied["h_contact"]))
    row = np.full(size, -1, dtype=np.int64)
    row[copied["h_contact"].to_numpy()] = np.arange(copied.height)
    touched = np.flatnonzero(last >= 0)
    position = last[touched]
    row[touched] = np.where(kept[position], position + copied.height, -1)
    return both.select(pl.all().gather(pl.Series(row[row >= 0])))


def _last_change(changed: pl.DataFrame) -> npt.NDArray[np.int64]:
    """Row of each contact's last change, by contact number; -1 for contacts that did not change."""
    numbers = changed["h_contact"].to_numpy()
    order = np.argsort(changed["h_snapshot"].to_numpy(), kind="stable")
    last = np.full(_size(changed["h_contact"]), -1, dtype=np.int64)
    last[numbers[order]] = order  # NumPy keeps the last of repeated assignments
    return last


def _size(numbers: pl.Series) -> int:
    highest = numbers.max()
    return 0 if highest is None else int(highest) + 1  # type: ignore[arg-type]


def _identities_of(who: pl.DataFrame, state: pl.DataFrame) -> pl.DataFrame:
    who = latest_identities(who)
    if who.height == state.height:  # everybody who was ever seen is still there
        return who.select(IDENTITY)
    there = np.zeros(_size(who["h_contact"]), dtype=np.bool_)
    there[state["h_contact"].to_numpy()] = True
    return who.filter(pl.Series(there[who["h_contact"].to_numpy()])).select(IDENTITY)


def in_order(frame: pl.DataFrame, order: str | None) -> pl.DataFrame:
    """Sort a frame of `state_at` as the pull had it; `order` is one of `ORDERS`."""
    if order is None or order == "contact":
        return frame
    return frame.sort(
        "created_at",
        descending=order.startswith("newest"),
        nulls_last=order.endswith("last"),
        maintain_order=True,
    )


def contacts_at(table: HistoryTable, snapshot: int) -> pl.DataFrame:
    """Return the contacts frame of a snapshot: its columns, rows and row order."""
    look = looks(table).filter(pl.col("h_snapshot") == snapshot).row(0, named=True)
    extra: list[str] = look["h_extra"] or []
    return in_order(state_at(table, snapshot), look["h_order"]).select(*CONTACT_SCHEMA, *extra)
