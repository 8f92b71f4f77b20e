"""What a run did: an outcome for every row that went in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from sendblue_data.writeback.rows import OUTCOME, STATUSES, Kind, Row
from sendblue_data.writeback.show import as_html, as_text, lost_by_undo, some_of_each

_COLUMNS: dict[str, Any] = {
    "row": pl.UInt32,
    "phone": pl.String,
    "status": pl.String,
    "detail": pl.String,
    "request_id": pl.String,
}
RESULT_SCHEMA = pl.Schema(_COLUMNS)
NOT_SENT = "not sent yet"
"""How the detail of a row begins that a run was cut off before."""
PROBLEMS = ("invalid", "rejected", "unknown")
_ORDER = (*PROBLEMS, "absent", "created", "updated", "deleted", "unchanged")


@dataclass(frozen=True, repr=False)
class WriteResult:
    """The outcome of a run, or of a dry run.

    Attributes:
        frame: a row for every input row, in the input's order: `row`, its number in the list that `read_contacts`
            read, else its position in the input, counted from 0 as Polars does; `phone` as given; `status`, one of
            `created`, `updated`, `unchanged`, `deleted`, `absent` (not in the account), `invalid` (never sent),
            `rejected` (refused, and the account shows that it did not happen), `unknown` (can't be told, or
            not wholly done: read the detail); `detail`; `request_id`, the journal's name of the request that
            carried it (null where none was sent).
        kind: what the run was for.
        run_id: the run's name, for `resume_run` and `undo_run`; None for a dry run.
        dry_run: True when nothing was sent; then `status` is what a run would end with if all went well.
        not_written: columns of the frame with values that no call of the API takes.

    Example:
        >>> from sendblue_data import Sandbox, bulk_create, contacts_frame
        >>> mine = contacts_frame([{"phone": "+12125550100"}, {"phone": "555-0101"}])
        >>> with Sandbox([]) as sandbox, sandbox.client() as client:
        ...     result = bulk_create(client, mine, dry_run=True, progress=False)
        >>> result
        WriteResult(create: 1 created, 1 invalid; dry run, nothing was sent)
        >>> result.ok, result.counts, result.problems.select("row", "phone").rows()
        (False, {'created': 1, 'invalid': 1}, [(1, '555-0101')])
    """

    frame: pl.DataFrame
    kind: Kind
    run_id: str | None
    dry_run: bool = False
    not_written: list[str] = field(default_factory=list)

    @property
    def counts(self) -> dict[str, int]:
        """Rows by status; only those that occur, in the order of the list above."""
        counted = Counter(self.frame["status"])
        return {status: counted[status] for status in STATUSES if counted[status]}

    @property
    def problems(self) -> pl.DataFrame:
        """The rows that are invalid, rejected or unknown."""
        return self.frame.filter(pl.col("status").is_in(PROBLEMS))

    @property
    def ok(self) -> bool:
        """Whether no row is invalid, rejected or unknown."""
        return self.problems.is_empty()

    @property
    def headline(self) -> str:
        """What was done, counted; of an undo, what did not come back too."""
        counts = ", ".join(f"{number:,} {status}" for status, number in self.counts.items()) or "no rows"
        lost = lost_by_undo(self.frame) if self.kind == "undo" else ""
        unsent = self.frame["detail"].str.starts_with(NOT_SENT).sum()
        if unsent:
            counts += f"; {unsent:,} of the unknown were never sent"
        return f"{self.kind}: {counts}" + (f"; {lost}" if lost else "")

    def __repr__(self) -> str:
        run = "dry run, nothing was sent" if self.dry_run else f"run_id={self.run_id!r}"
        return f"WriteResult({self.headline}; {run})"

    def __str__(self) -> str:
        return as_text(*self._shown())

    def _repr_html_(self) -> str:
        return as_html(*self._shown())

    def _shown(self) -> tuple[str, list[str], pl.DataFrame, int]:
        run = "Dry run, nothing was sent" if self.dry_run else f"Run {self.run_id}"
        notes = (
            [f"Not written, since no call takes them: {', '.join(self.not_written)}."]
            if self.not_written
            else []
        )
        rows = self.frame[some_of_each(self.frame["status"], _ORDER)].drop("request_id")
        return f"{run}: {self.headline}", notes, rows, self.frame.height - rows.height


def result_of(kind: Kind, rows: Iterable[Row], run_id: str | None, *, dry_run: bool = False) -> WriteResult:
    """Turn rows into a result; a row without an outcome yet is `unknown`."""
    records = [
        (
            row.pos,
            row.phone,
            OUTCOME[row.action] if dry_run else row.status or "unknown",
            row.detail if dry_run or row.done else _open_detail(row, run_id),
            row.request_id,
        )
        for row in rows
    ]
    return WriteResult(pl.DataFrame(records, schema=RESULT_SCHEMA, orient="row"), kind, run_id, dry_run)


def _open_detail(row: Row, run_id: str | None) -> str:
    state = "may have been sent" if row.sent else NOT_SENT
    return f"{state}: resume_run(client, {run_id!r}) finds out and goes on"
