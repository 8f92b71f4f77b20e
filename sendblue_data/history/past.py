"""What a history holds of the contacts, read a part at a time: those whose numbers lie in a range."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from sendblue_data._frames.batches import BATCH_ROWS
from sendblue_data.history.buckets import Buckets
from sendblue_data.history.layout import CHANGE, CONTACT, IDENTITY, STATE, STATE_FIELDS
from sendblue_data.history.spilled import CHUNK_ROWS, NARROW_ROWS, who_bucket
from sendblue_data.history.state import epoch_of, latest_identities, state_of
from sendblue_data.history.table import HistoryTable

_SCATTERED = 16
"""A file whose rows are one in so many of the numbers that it spans, or fewer, is sorted out before."""
_NUMBER = pl.col("h_contact")


class Past:
    """The contacts as the last snapshot has them.

    Attributes:
        size: numbers that were given to contacts so far.
        ranges: how many ranges of `CHUNK_ROWS` numbers these fill.
    """

    def __init__(self, table: HistoryTable, snapshot: int, folder: Path) -> None:
        self._table = table
        self._snapshot = snapshot
        self._folder = folder
        self._fields = [*STATE_FIELDS, *table.extra_columns]
        self.epoch, first = epoch_of(table, snapshot)
        limits = {"epoch": self.epoch, "after": first, "through": snapshot}
        self._who = _Part(
            table, folder / "known", CONTACT, ["h_contact", "h_snapshot", *IDENTITY], through=snapshot
        )
        self._copied = _Part(table, folder / "copied", STATE, ["h_contact", *self._fields], epoch=self.epoch)
        self._changed = _Part(
            table, folder / "changed", CHANGE, ["h_contact", "h_snapshot", "h_kind", *self._fields], **limits
        )
        self.size = self._who.end
        self.ranges = -(-self.size // CHUNK_ROWS)

    def known(self, number: int) -> pl.DataFrame:
        """Return who each contact of a range ever was, as `identities` does."""
        return latest_identities(self._who.read(number))

    def contacts(self, number: int) -> pl.DataFrame:
        """Return the contacts of a range, as `state_at` does.

        Raises:
            HistoryUnreadableError: the history has contacts whom it does not know.
        """
        # Counted from the range's first, since they are looked up in arrays as long as the highest number.
        start = number * CHUNK_ROWS
        who, copied, changed = (
            part.read(number).with_columns(_NUMBER - start)
            for part in (self._who, self._copied, self._changed)
        )
        return state_of(self._table, self._snapshot, who, copied, changed, self._fields).with_columns(
            _NUMBER + start
        )

    def by_name(self) -> Buckets:
        """Return who all contacts ever were in `WHO_BUCKETS` parts, as a pull's contacts are looked up in them."""
        columns = ["h_contact", "h_snapshot", "phone", "contact_id"]
        schema = pl.Schema({name: self._table.schema[name] for name in columns})
        found = Buckets(self._folder / "names", schema, at_once=NARROW_ROWS)
        for batch in self._who.batches(columns):
            found.add(batch, who_bucket())
        return found

    def present(self) -> npt.NDArray[np.bool_]:
        """Tell of each number whether its contact is there: a byte a contact."""
        there = np.zeros(self.size, dtype=np.bool_)
        for number in range(self.ranges):
            there[self.contacts(number)["h_contact"].to_numpy()] = True
        return there


class _File(NamedTuple):
    frame: pl.DataFrame
    first: int
    last: int


class _Part:
    """The rows of one part of the table, by ranges of contact numbers.

    A copy of the state, and the contacts of the first snapshot, lie in files by ascending number: a range is read from
    those that reach into it. The changes of a day are scattered over all numbers: they are sorted out into files of a
    folder once. That a file is in order makes it fast, and nothing depends on it.
    """

    def __init__(
        self,
        table: HistoryTable,
        folder: Path,
        part: str,
        columns: Sequence[str],
        *,
        epoch: int | None = None,
        **limits: int,
    ) -> None:
        self._table = table
        self._columns = list(columns)
        self._limits = limits
        self._empty = pl.Schema({name: table.schema[name] for name in columns}).to_frame()
        self._near: list[_File] = []
        self._far: list[_File] = []
        self._sorted = Buckets(folder, self._empty.schema, at_once=CHUNK_ROWS)
        self.end = 0
        files = table.files_of(part, epoch=epoch, **limits)
        for place in range(files.height):
            self._sort_in(files[place])

    def _sort_in(self, frame: pl.DataFrame) -> None:
        numbers = self._table.scan_files(frame).select(low=_NUMBER.min(), high=_NUMBER.max()).collect()
        low, high = numbers.row(0)
        if low is None:
            return
        file = _File(frame, low, high)
        self.end = max(self.end, high + 1)
        if high - low < max(_SCATTERED * frame["rows"][0], CHUNK_ROWS):
            self._near.append(file)
            return
        self._far.append(file)
        for batch in self._batches(file, self._columns):
            self._sorted.add(batch, _NUMBER // CHUNK_ROWS)

    def _batches(self, file: _File, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
        yield from (
            self._table.scan_files(file.frame, **self._limits)
            .select(columns)
            .collect_batches(chunk_size=BATCH_ROWS)
        )

    def batches(self, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
        """Yield some columns of all rows, in no particular order."""
        for file in (*self._near, *self._far):
            yield from self._batches(file, columns)

    def read(self, number: int) -> pl.DataFrame:
        """Return the rows of a range of contact numbers."""
        start, end = number * CHUNK_ROWS, (number + 1) * CHUNK_ROWS
        near = [file.frame for file in self._near if file.first < end and file.last >= start]
        rows = self._sorted.read(number)
        if not near:
            return rows
        found = self._table.scan_files(pl.concat(near), **self._limits)
        return pl.concat(
            [found.filter(start <= _NUMBER, end > _NUMBER).select(self._columns).collect(), rows]
        )
