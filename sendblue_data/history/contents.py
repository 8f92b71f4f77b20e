"""What a history holds: its snapshots, the contacts of each, and what changed between two."""

from __future__ import annotations

from typing import TYPE_CHECKING, overload

import polars as pl

from sendblue_data._shared.time import Moment, moment
from sendblue_data.history.changes import changes
from sendblue_data.history.opened import OpenedHistory
from sendblue_data.history.scan import scan
from sendblue_data.history.state import contacts_at, looks, snapshot_at

if TYPE_CHECKING:
    from pyspark.sql import DataFrame as SparkFrame, SparkSession


class HistoryContents(OpenedHistory):
    """The methods of a `ContactHistory` that give back what was recorded."""

    def snapshots(self) -> pl.DataFrame:
        """List the snapshots, oldest first.

        Returns:
            `snapshot` (number), `taken_at` (first look, UTC), `seen_until` (last look that showed the same),
            `looks`, `contacts`, `added`, `removed`, `changed` (contacts, against the one before, as recorded: what
            `forget` erased later is counted still), `account`, `complete` (null: no evidence was given) and
            `evidence` (JSON) of the last look.

        Example:
            >>> history.snapshots().select("snapshot", "contacts", "changed").rows()
            [(0, 2, 0), (1, 2, 1)]
        """
        return self._ask(lambda: _snapshots(looks(self._table)))

    def at(self, at: Moment, *, time_zone: str = "UTC") -> pl.DataFrame:
        """Return the contacts frame as the last snapshot at or before a moment had it.

        Args:
            at: a datetime, a date, or ISO 8601 text of either. A date is its first moment: to see the account at
                the end of a day, ask for the day after.
            time_zone: of dates, and of times without an offset; a name such as `"America/New_York"`.

        Returns:
            The columns of that pull (`CONTACT_SCHEMA`, then its extra ones), and its row order if that was by
            first sight or by `created_at`, as pulls are; else the order of first sight.

        Raises:
            HistoryRangeError: nothing was recorded that early.
            ConfigurationError: `at` is no moment.

        Example:
            >>> history.at("2026-03-08")["opt_out"].to_list()
            [False, False]
        """
        asked = moment("at", at, time_zone=time_zone)
        return self._ask(lambda: contacts_at(self._table, snapshot_at(self._table, asked)))

    @overload
    def scan(
        self, spark: None = None, *, at: Moment | None = None, time_zone: str = "UTC"
    ) -> pl.LazyFrame: ...
    @overload
    def scan(
        self, spark: SparkSession, *, at: Moment | None = None, time_zone: str = "UTC"
    ) -> SparkFrame: ...
    def scan(
        self, spark: SparkSession | None = None, *, at: Moment | None = None, time_zone: str = "UTC"
    ) -> pl.LazyFrame | SparkFrame:
        """Return the contacts at a moment (default: the last snapshot) as a lazy frame, for the analytics.

        Its files are read when it is collected: Polars' or Spark's own error tells then of one that is damaged.

        Args:
            spark: a session; the frame is then Spark's, read by the Delta connector when the session has it,
                else from the table's own list of Parquet files.
            at: as in `at`.
            time_zone: as in `at`.

        Example:
            >>> history.scan(at="2026-03-10").select(pl.col("opt_out").sum()).collect().item()
            1
        """
        asked = None if at is None else moment("at", at, time_zone=time_zone)

        def lazily() -> pl.LazyFrame | SparkFrame:
            last = int(looks(self._table)["h_snapshot"][-1])
            number = last if asked is None else snapshot_at(self._table, asked)
            frame: pl.LazyFrame | SparkFrame = scan(self._table, number, spark)
            return frame

        return self._ask(lazily)

    def changes(self, since: Moment, until: Moment | None = None, *, time_zone: str = "UTC") -> pl.DataFrame:
        """Compare the contacts before and after the snapshots taken in a span of time.

        Args:
            since: the first moment of the span; a date is its first moment.
            until: the first moment after it, so that `changes("2026-03-01", "2026-04-01")` is March. None: until now.
            time_zone: of dates, and of times without an offset; a name such as `"America/New_York"`.

        Returns:
            `phone, contact_id, change, field, before, after`: one row with `change` `"added"` or `"removed"` for a
            contact that came or went, and one with `"changed"` for each field with another value, as text (lists
            and maps as JSON). What came and went again within the span is not listed. The first snapshot changed
            nothing, since nothing is known of before.

        Raises:
            HistoryRangeError: nothing was recorded as early as `since`.
            ConfigurationError: `since` or `until` is no moment, or `since` lies after `until`.

        Example:
            >>> history.changes("2026-03-02").select("phone", "field", "before", "after").rows()
            [('+13055550102', 'opt_out', 'false', 'true')]
        """
        start = moment("since", since, time_zone=time_zone)
        end = None if until is None else moment("until", until, time_zone=time_zone)
        return self._ask(lambda: changes(self._table, start, end))


def _snapshots(seen: pl.DataFrame) -> pl.DataFrame:
    last = ("h_account", "h_complete", "h_evidence")
    first = ("h_contacts", "h_added", "h_removed", "h_changed")
    return (
        seen.sort("h_taken_at")
        .group_by(pl.col("h_snapshot").alias("snapshot"))
        .agg(
            taken_at=pl.col("h_taken_at").first(),
            seen_until=pl.col("h_taken_at").last(),
            looks=pl.len().cast(pl.Int64),
            **{name.removeprefix("h_"): pl.col(name).first() for name in first},
            **{name.removeprefix("h_"): pl.col(name).last() for name in last},
        )
        .sort("snapshot")
    )
