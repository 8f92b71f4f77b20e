"""Recording a pull that does not fit in memory: compared with the snapshot before, a part at a time.

What `record` does with whole frames, in the same words, in bounded memory:

1. Who is who. The phones and ids of the pull and of the history are sorted into files by their hash; each pair of files
   is compared by itself, and gives the number that a contact has already.
2. The rows of the pull are sorted into files by that number, as the history's own are.
3. Range by range of numbers, before and after are compared; what differs waits in files.
4. All that is to be recorded becomes files of the table, and then one commit.

Four bytes a contact are in memory for its number, and one more where contacts share a phone.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from sendblue_data.history.buckets import Buckets
from sendblue_data.history.difference import change_rows, difference
from sendblue_data.history.layout import (
    COPIED,
    IDENTITY,
    NUMBER,
    ROW_COLUMNS,
    STATE,
    STATE_FIELDS,
    rows,
)
from sendblue_data.history.past import Past
from sendblue_data.history.record import (
    Snapshot,
    concluded,
    epoch_ends,
    first_rows,
    first_snapshot,
    is_recorded,
    look_row,
)
from sendblue_data.history.refusals import (
    Evidence,
    Limits,
    check_columns,
    check_label,
    check_shared,
    check_size,
    shared,
)
from sendblue_data.history.row_order import RowOrder
from sendblue_data.history.spilled import CHUNK_ROWS, SpilledPull
from sendblue_data.history.state import ORDERS, latest_identities, looks
from sendblue_data.history.table import HistoryTable
from sendblue_data.history.who import recognised, share_a_name
from sendblue_data.schema import CONTACT_SCHEMA

_UNKNOWN = -1
_Numbers = npt.NDArray[np.int32]


def record_in_parts(
    table: HistoryTable, pull: SpilledPull, taken_at: datetime, evidence: Evidence | None, limits: Limits
) -> Snapshot:
    """Compare with the snapshot before and commit the difference, all of it or nothing; see `record`."""
    with tempfile.TemporaryDirectory(dir=pull.folder) as folder:
        extra = [name for name in pull.schema if name not in CONTACT_SCHEMA]
        if not table.refresh():
            return _first(table, pull, taken_at, evidence, extra)
        return _next(table, pull, taken_at, evidence, limits, extra, Path(folder))


def _first(
    table: HistoryTable,
    pull: SpilledPull,
    taken_at: datetime,
    evidence: Evidence | None,
    extra: Sequence[str],
) -> Snapshot:
    snapshot = first_snapshot(taken_at, pull.rows)

    def pieces() -> Iterator[pl.DataFrame]:
        yield look_row(snapshot, evidence, None, ORDERS[0], extra)
        seen = 0
        for chunk in pull.chunks():
            numbered = chunk.with_row_index("h_contact", seen).with_columns(pl.col("h_contact").cast(NUMBER))
            seen += chunk.height
            yield from first_rows(numbered, extra)

    table.append_pieces(pieces(), _kinds(pull, extra))
    return snapshot


def _next(
    table: HistoryTable,
    pull: SpilledPull,
    taken_at: datetime,
    evidence: Evidence | None,
    limits: Limits,
    extra: Sequence[str],
    folder: Path,
) -> Snapshot:
    seen = looks(table)
    latest = seen.row(-1, named=True)
    is_this_account = check_label(seen, evidence, limits)
    check_columns(pull.schema, table.schema)
    past = Past(table, latest["h_snapshot"], folder)
    order, after = _by_number(pull, _numbers(pull, past), folder)
    comparison = _Comparison(table, past, pull, after, extra, folder)
    comparison.run(latest["h_snapshot"] + 1)
    if not is_this_account:
        check_shared(comparison.shared, min(comparison.before, pull.rows))
    snapshot = concluded(latest, taken_at, pull.rows, comparison.counts, order, extra)
    if is_recorded(snapshot, latest):
        return snapshot
    check_size(comparison.before, pull.rows, limits)

    def pieces() -> Iterator[pl.DataFrame]:
        yield look_row(snapshot, evidence, latest["h_account"], order, extra)
        if snapshot.new:
            yield from comparison.changed_rows()
            if epoch_ends(table, past.epoch, sum(comparison.counts), pull.rows):
                yield from comparison.copied_rows(snapshot.number)

    table.append_pieces(pieces(), _kinds(pull, extra))
    return snapshot


def _kinds(pull: SpilledPull, extra: Sequence[str]) -> pl.Schema:
    return pl.Schema({name: pull.schema[name] for name in extra})


def _numbers(pull: SpilledPull, past: Past) -> _Numbers:
    """Return each row's contact number, by the order of the pull; those who are new come after all others."""
    numbers = np.full(pull.rows, _UNKNOWN, dtype=np.int32)
    names = past.by_name()
    present: npt.NDArray[np.bool_] | None = None
    for bucket in pull.who.numbers:
        now, then = pull.who.read(bucket), latest_identities(names.read(bucket))
        if then.is_empty():
            continue
        there = then["h_contact"]
        if share_a_name(now) or share_a_name(then):  # who is there comes first
            present = past.present() if present is None else present
            there = there.filter(pl.Series(present[there.to_numpy()]))
        found = recognised(now, then, there)
        numbers[now["h_row"].to_numpy()] = found.fill_null(_UNKNOWN).to_numpy()
    new = numbers == _UNKNOWN
    numbers[new] = np.arange(past.size, past.size + int(new.sum()), dtype=np.int32)
    return numbers


def _by_number(pull: SpilledPull, numbers: _Numbers, folder: Path) -> tuple[str, Buckets]:
    """Return the row order of a pull, and its rows in files by ranges of `CHUNK_ROWS` contact numbers."""
    order = RowOrder()
    schema = pl.Schema({"h_contact": NUMBER(), **pull.schema})
    after = Buckets(folder / "after", schema, at_once=CHUNK_ROWS)
    seen = 0
    for chunk in pull.chunks():
        numbered = chunk.with_columns(h_contact=pl.Series(numbers[seen : seen + chunk.height]))
        seen += chunk.height
        order.add(numbered["created_at"], numbered["h_contact"])
        after.add(numbered, pl.col("h_contact") // CHUNK_ROWS)
    return order.name, after


class _Comparison:
    """What differs between the last snapshot and a pull.

    Attributes:
        before: contacts at the last snapshot.
        shared: contacts whose id and phone both have.
        counts: contacts that were added, removed and changed.
    """

    def __init__(
        self,
        table: HistoryTable,
        past: Past,
        pull: SpilledPull,
        after: Buckets,
        extra: Sequence[str],
        folder: Path,
    ) -> None:
        self._past = past
        self._after = after
        self._fields = [*STATE_FIELDS, *dict.fromkeys([*table.extra_columns, *extra])]
        kinds = {**pull.schema, **table.schema}
        self._kinds = {name: kinds[name] for name in self._fields}
        rows_of = {**ROW_COLUMNS, **CONTACT_SCHEMA, **self._kinds}
        self._changes = Buckets(folder / "changes", pl.Schema(rows_of), at_once=CHUNK_ROWS)
        self._parts: list[tuple[str, int]] = []
        self.before = self.shared = 0
        self.counts = (0, 0, 0)

    def run(self, snapshot: int) -> None:
        """Compare range by range; the rows that tell of what differs are `snapshot`'s."""
        last = max([self._past.ranges - 1, *self._after.numbers])
        for number in range(last + 1):
            before, after = self._completed(self._past.contacts(number)), self._contacts(number)
            found = difference(before, after, self._fields)
            self.before += before.height
            self.shared += shared(before, after)
            added, removed, changed = found.counts
            self.counts = (self.counts[0] + added, self.counts[1] + removed, self.counts[2] + changed)
            if any(found.counts):
                known = self._past.known(number)
                for part in change_rows(
                    found, before, after, known, self._fields, epoch=self._past.epoch, snapshot=snapshot
                ):
                    self._keep(part)

    def _keep(self, part: pl.DataFrame) -> None:
        if part.is_empty():
            return
        name, epoch = part.select("h_part", "h_epoch").row(0)
        if (name, epoch) not in self._parts:
            self._parts.append((name, epoch))
        whole = pl.concat([self._changes.empty, part], how="diagonal_relaxed")
        self._changes.add(whole, pl.lit(self._parts.index((name, epoch))))

    def _contacts(self, number: int) -> pl.DataFrame:
        after = self._completed(self._after.read(number))
        return after.select("h_contact", *IDENTITY, *self._fields).sort("h_contact")

    def _completed(self, contacts: pl.DataFrame) -> pl.DataFrame:
        lacking = [name for name in self._fields if name not in contacts.columns]
        return contacts.with_columns(pl.lit(None, self._kinds[name]).alias(name) for name in lacking)

    def changed_rows(self) -> Iterator[pl.DataFrame]:
        """Yield the rows that tell of what differs, each frame of one part of the table."""
        for place in self._changes.numbers:
            yield from self._changes.frames(place)

    def copied_rows(self, snapshot: int) -> Iterator[pl.DataFrame]:
        """Yield the contacts as the pull has them, which open an epoch."""
        for number in self._after.numbers:
            yield rows(
                self._contacts(number),
                self._fields,
                part=STATE,
                epoch=self._past.epoch + 1,
                kind=COPIED,
                snapshot=snapshot,
            )
