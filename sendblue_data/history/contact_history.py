"""ContactHistory: pulls recorded one after another, and what changed between them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

import polars as pl

from sendblue_data._frames.batches import Batches, in_batches
from sendblue_data._frames.parquet_files import parquet_files
from sendblue_data._frames.repeats import refuse_repeats
from sendblue_data._shared.text import plural
from sendblue_data._shared.time import Moment, moment
from sendblue_data._shared.validation import shown
from sendblue_data.errors import (
    ConfigurationError,
    FileNotWrittenError,
    HistoryConflictError,
    HistoryRangeError,
)
from sendblue_data.history import maintenance
from sendblue_data.history.contents import HistoryContents
from sendblue_data.history.damage import wrap_corruption_errors
from sendblue_data.history.lock import lock_path, writer_lock
from sendblue_data.history.opened import LOCK_SECONDS
from sendblue_data.history.opt_out_times import with_times
from sendblue_data.history.parts import record_in_parts
from sendblue_data.history.questions import HistoryQuestions
from sendblue_data.history.record import Snapshot, record
from sendblue_data.history.refusals import Evidence, Limits, check_evidence, check_rows, check_schema
from sendblue_data.history.spilled import SpilledPull, gathered

_ATTEMPTS = 3


class ContactHistory(HistoryContents, HistoryQuestions):
    """An account's contacts over time, in a Delta table: a pull is recorded as what changed since the last.

    The API keeps no time of opting out. What it says today, compared with what it said at the snapshot before,
    bounds when each opt-out happened: after the last look that did not show it, at or before the first that does.

    A contact is known by its phone (by its `contact_id` when it has none), since people opt out by phone and a
    contact that is deleted and created again gets another id.

    Every method raises `HistoryUnreadableError`, naming the file, where one is damaged or missing, and those that
    ask raise `HistoryRangeError` where nothing was recorded yet.

    Args:
        uri: a folder (made when missing, for its owner alone), or `s3://`, `gs://`, `abfss://`, as Delta Lake and
            Polars know them.
        storage_options: keys and regions for a bucket, passed to both.

    Example:
        The examples of the methods go on from this one.

        >>> import tempfile
        >>> from datetime import datetime, UTC
        >>> from sendblue_data import contacts_frame
        >>> folder = tempfile.TemporaryDirectory()
        >>> history = ContactHistory(folder.name)
        >>> ann, bob = {"phone": "+13055550101", "opt_out": False}, {"phone": "+13055550102", "opt_out": False}
        >>> history.snapshot(contacts_frame([ann, bob]), datetime(2026, 3, 2, tzinfo=UTC)).added
        2
        >>> history.snapshot(contacts_frame([ann, bob | {"opt_out": True}]), datetime(2026, 3, 9, tzinfo=UTC)).changed
        1
        >>> history.opt_out_events().select("phone", "event", "after_snapshot", "before_snapshot").rows()
        [('+13055550102', 'opt_out', 0, 1)]
        >>> history.opt_out_trend().select("period", "at_risk", "opt_outs", "rate").rows()[-1]
        (datetime.date(2026, 3, 9), 2, 1, 0.5)
        >>> folder.cleanup()
    """

    def _repr_html_(self) -> str:
        from sendblue_data.display.cards import card_html  # noqa: PLC0415 -- a cron job shows nothing
        from sendblue_data.plots.labels import moment_text, number  # noqa: PLC0415

        try:
            looks = self.snapshots()
        except HistoryRangeError:
            return card_html(
                "History", [("place", self.uri)], "Nothing recorded yet", "history.snapshot(contacts)"
            )
        first, last = looks.row(0, named=True), looks.row(-1, named=True)
        rows = [
            ("place", self.uri),
            ("first look", moment_text(first["taken_at"])),
            ("last look", moment_text(last["seen_until"])),
            ("contacts then", number(last["contacts"])),
        ]
        return card_html("History", rows, plural(looks.height, "snapshot"))

    def snapshot(
        self,
        contacts: Any,
        at: Moment | None = None,
        *,
        evidence: Evidence | None = None,
        allow_incomplete: bool = False,
        allow_other_account: bool = False,
        max_shrink: float = 0.2,
        times: Any | None = None,
        lock_timeout: float = LOCK_SECONDS,
    ) -> Snapshot:
        """Record a pull. All of it is recorded, in one commit, or nothing.

        A pull that shows just what the snapshot before shows makes no new snapshot: it is recorded as a later
        look at the same one, since a week in which nobody opted out is something to know. The same pull with
        the same `at` again does nothing.

        Args:
            contacts: every contact of the account, as `pull_contacts` gives it, in a frame of any engine. Or, for an
                account that does not fit in memory, what comes in parts: `iter_contacts(client)`, a lazy frame, a
                Spark frame, or Parquet (the path of a file, a folder or a pattern such as `"pull/*.parquet"`, or
                several). Above 100,000 contacts the parts wait in a temporary folder (`TMPDIR`), for their owner
                alone, and are compared one after another. Columns beyond `CONTACT_SCHEMA` are kept too; the table
                gains a column when one appears.
            at: when the pull ended; without an offset it is UTC. Default: `evidence.finished`, else now.
            evidence: what `pull_contacts(..., with_evidence=True)` gave beside the frame; kept with the snapshot.
                `iter_contacts` brings its own.
            allow_incomplete: record a pull whose evidence does not show that everything is in it.
            allow_other_account: record a pull of another account than before: another `evidence.account`, or,
                without evidence, one that shares less than a fifth of its contacts (by id and phone).
            max_shrink: refuse a pull with this share fewer contacts than the snapshot before; 1 refuses none.
            times: what `opt_out_times(messages, contacts)` gave: of each contact who is opted out, the moment is kept
                with it, in columns `opted_out_at` and `opted_out_after`, and of the messages nothing else. Give them
                each time, or contacts count as changed.
            lock_timeout: seconds to wait for another writer on this machine.

        Raises:
            SnapshotRefusedError: the pull is incomplete, too small, or older than the last.
            WrongAccountError: it is of another account.
            HistoryConflictError: another writer recorded at the same time, three times over.
            FileNotWrittenError: the disk is full (the temporary one, too), or the folder not the user's.
            HistoryUnreadableError: what was recorded before is damaged.
            IncompletePullError: from `iter_contacts`; nothing is recorded.
            FrameError: `contacts` is not a whole contacts frame, has a contact twice, or has two columns that differ
                in case alone; or `times` is no frame of `opt_out_times`.
            ConfigurationError: `max_shrink` is no share, or `at` no moment.

        Example:
            >>> pull = contacts_frame([{"phone": "+13055550101", "opt_out": False}])
            >>> done = history.snapshot(pull, datetime(2026, 3, 16, tzinfo=UTC), max_shrink=0.5)
            >>> done.number, done.removed
            (2, 1)
        """
        if not 0 <= max_shrink <= 1:
            raise ConfigurationError(f"max_shrink={shown(max_shrink)} must be a share between 0 and 1.")
        limits = Limits(
            allow_incomplete=allow_incomplete, allow_other_account=allow_other_account, max_shrink=max_shrink
        )
        with self._gathered(contacts, times) as (pull, found):
            evidence = found if evidence is None else evidence
            check_rows(pull.height if isinstance(pull, pl.DataFrame) else pull.rows, evidence)
            if isinstance(pull, pl.DataFrame):
                refuse_repeats(pull)
            else:
                pull.refuse_repeats()
            check_evidence(evidence, limits)
            if at is None:
                at = evidence.finished if evidence else datetime.now(UTC)
            taken_at = moment("at", at)
            with (
                writer_lock(lock_path(self._table.root, self.uri), timeout=lock_timeout),
                wrap_corruption_errors(self._table),
            ):
                recorded = self._record(pull, taken_at, evidence, limits)
                self._keep_small()
        return recorded

    def compact(self) -> int:
        """Merge small files. `snapshot` does so by itself now and then; files replaced by the last time go now.

        Returns:
            The number of files merged.

        Raises:
            FileNotWrittenError: the disk does not take it, or old files could not be deleted.
            HistoryConflictError: another writer recorded at the same time.

        Example:
            >>> history.compact()
            2
        """
        with self._writing():
            return maintenance.compact(self._table)

    def forget(self, phones: Sequence[str]) -> pl.DataFrame:
        """Erase the contacts with these phones from every snapshot, and delete every file that held them.

        Nothing of the history before can be restored by Delta's time travel afterwards. A contact that is still
        in the account comes back with the next snapshot: delete it there first. A phone that other contacts
        mention in a name or a custom variable is their data and stays.

        Args:
            phones: E.164 numbers, just as the account has them.

        Returns:
            `phone, contacts, rows_erased`, a row for each phone asked for; 0 where the history never saw it.

        Raises:
            FrameError: `phones` is not a list of texts.
            FileNotWrittenError: the disk does not take it, or files that held them could not be deleted: again, then.
            HistoryConflictError: another writer recorded at the same time.

        Example:
            >>> history.forget(["+13055550102"]).select("phone", "contacts").rows()
            [('+13055550102', 1)]
        """
        with self._writing():
            return maintenance.forget(self._table, phones)

    def drop_last(self) -> datetime:
        """Take the last recorded pull back: one that was wrong, or dated wrongly, so that later ones are refused.

        What it added, changed and removed is undone, in one commit; where it showed what the pull before it
        showed, that look alone goes. Its files go with a later `compact`, or with `forget` at once.

        Returns:
            When that pull was taken.

        Raises:
            HistoryRangeError: there is no other pull before it.
            FileNotWrittenError: the disk does not take it.
            HistoryConflictError: another writer recorded at the same time.

        Example:
            >>> history.drop_last().isoformat()
            '2026-03-09T00:00:00+00:00'
            >>> history.snapshots()["snapshot"].to_list()
            [0]
        """
        with self._writing():
            return maintenance.drop_last(self._table)

    @contextmanager
    def _gathered(
        self, contacts: Any, times: Any | None
    ) -> Iterator[tuple[pl.DataFrame | SpilledPull, Evidence | None]]:
        """Yield a pull, checked and with its times, and the evidence that its generator returned."""

        def prepared(frame: pl.DataFrame) -> pl.DataFrame:
            check_schema(frame.schema)
            return frame if times is None else with_times(frame, times)

        if isinstance(contacts, pl.DataFrame):
            yield prepared(contacts), None
            return
        files = parquet_files(contacts)
        batches: Batches[Any] = Batches(in_batches(contacts if files is None else files))
        with gathered(batches, prepared) as pull:
            yield pull, batches.returned

    def _record(
        self, pull: pl.DataFrame | SpilledPull, at: datetime, evidence: Evidence | None, limits: Limits
    ) -> Snapshot:
        def once() -> Snapshot:
            if isinstance(pull, pl.DataFrame):
                return record(self._table, pull, at, evidence, limits)
            return record_in_parts(self._table, pull, at, evidence, limits)

        for _ in range(_ATTEMPTS - 1):
            with suppress(HistoryConflictError):
                return once()
        return once()

    def _keep_small(self) -> None:
        if not maintenance.crowded(self._table):
            return
        try:
            maintenance.compact(self._table, at_least=maintenance.COMPACT_AT)
        except (HistoryConflictError, FileNotWrittenError):
            # The pull is recorded. Another writer came between, or the disk is full: the next snapshot tries again.
            return
