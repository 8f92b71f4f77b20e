"""ContactHistory: pulls recorded one after another, and what changed between them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar, overload

import polars as pl

from sendblue_data._frames.batches import Batches, in_batches, parquet_files
from sendblue_data._frames.grouping import By
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
from sendblue_data.history.alarms import opt_out_alarms
from sendblue_data.history.changes import changes
from sendblue_data.history.damage import wrap_corruption_errors
from sendblue_data.history.events import opt_out_events
from sendblue_data.history.flow import list_flow
from sendblue_data.history.lock import lock_path, writer_lock
from sendblue_data.history.membership import segment_flow, segment_moves
from sendblue_data.history.opt_out_times import with_times
from sendblue_data.history.parts import record_in_parts
from sendblue_data.history.record import Snapshot, record
from sendblue_data.history.refusals import Evidence, Limits, check_evidence, check_rows, check_schema
from sendblue_data.history.scan import scan
from sendblue_data.history.spilled import SpilledPull, gathered
from sendblue_data.history.state import contacts_at, looks, snapshot_at
from sendblue_data.history.survival import SurvivalMethod, survival
from sendblue_data.history.table import HistoryTable
from sendblue_data.history.trend import opt_out_trend

if TYPE_CHECKING:
    from pyspark.sql import DataFrame as SparkFrame, SparkSession

Answer = TypeVar("Answer")
_ATTEMPTS = 3
_LOCK_SECONDS = 60.0


class ContactHistory:
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

    def __init__(
        self, uri: str | os.PathLike[str], *, storage_options: Mapping[str, str] | None = None
    ) -> None:
        self._table = HistoryTable(uri, storage_options)
        self.uri = self._table.uri

    def __repr__(self) -> str:
        return f"ContactHistory({self.uri!r})"

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

    def exists(self) -> bool:
        """Whether a pull was recorded here; False for a folder that is empty or not there.

        Raises:
            HistoryUnreadableError: something is there, and its log can't be read.

        Example:
            >>> history.exists()
            True
        """
        with wrap_corruption_errors(self._table):
            return self._table.refresh()

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
        lock_timeout: float = _LOCK_SECONDS,
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

    def opt_out_events(
        self,
        *,
        since: Moment | None = None,
        until: Moment | None = None,
        time_zone: str = "UTC",
        with_contacts: bool = False,
        count_arrived: bool = True,
    ) -> pl.DataFrame:
        """Return every opt-out and opt-in that the snapshots show, oldest first.

        The event lies in (`after`, `before`]. A contact that is opted out when it is first seen has one only if it
        was created since the look before: else nobody knows when it left. An `opt_out` that is null for a time, or a
        contact that is gone for a time, ends nothing: if it comes back with another value, the event lies between
        the last and the next known value.

        Args:
            since: keep the events that a look at or after this moment shows first: a datetime, a date, or either as
                ISO 8601.
            until: and before this one.
            time_zone: of dates, and of times without an offset.
            with_contacts: add who they are: `first_name`, `last_name`, `company_name` and `tags`, as the look at
                `before` has them.
            count_arrived: whether a contact that arrives opted out has left since its creation. It may be an
                import, of somebody who had opted out before; False takes all of these for imports.

        Returns:
            `phone`, `contact_id` (at `before`), `event` (`"opt_out"` or `"opt_in"`), `after` (UTC, the last look
            that shows the old value, or the creation of one that `arrived`), `before` (the first look that shows the
            new one), `after_snapshot` (null for one that arrived), `before_snapshot` (their numbers), `recreated`
            (whether the contact's id or `created_at` changed in between) and `arrived` (whether it was opted out
            when it was first seen). An opt-in with `recreated` is likely no opt-in: the contact was deleted and
            created again, and its opt-out was lost.

        Raises:
            ConfigurationError: `since` or `until` is no moment, or there is no such time zone.

        Example:
            >>> history.opt_out_events().select("phone", "event", "recreated", "arrived").rows()
            [('+13055550102', 'opt_out', False, False)]
        """
        sides = [
            None if given is None else moment(name, given, time_zone=time_zone)
            for name, given in (("since", since), ("until", until))
        ]
        return self._ask(
            lambda: opt_out_events(
                self._table, *sides, with_contacts=with_contacts, count_arrived=count_arrived
            )
        )

    def opt_out_trend(
        self,
        every: str = "1w",
        by: By | Sequence[By] | None = None,
        *,
        confidence: float = 0.95,
        time_zone: str = "UTC",
        count_arrived: bool = True,
        times: Any | None = None,
    ) -> pl.DataFrame:
        """Count opt-outs per contact at risk, by period.

        A contact is at risk in a period when a look in that period shows its opt-out as known, and the last known
        value before that look was "not opted out". Events count in the period of the first look that shows them.
        A contact that was created since the look before it was first seen is at risk from its creation on; if it
        is opted out by then, that is an opt-out, counted in `arrived_opted_out` too: it may be an import, of
        somebody who had opted out before. `count_arrived=False` takes all of these for imports.

        Args:
            every: `"1d"`, `"1w"` (from Monday), `"1mo"`, `"1q"`, `"1y"`, or a multiple such as `"2w"`.
            by: a column, several, a Polars expression over contact fields, or `"tags"` (a contact counts in each).
                A contact counts in the group it had before the event; moving to another group is no growth.
            confidence: level of the intervals, and that with which all periods lie within their limits together.
            time_zone: of the periods; a name such as `"America/New_York"`.
            count_arrived: whether those who were opted out when they arrived count as opt-outs.
            times: what `opt_out_times(messages)` gave: an opt-out whose time lies between two looks counts in its own
                period, if there is a look in that, and not in the period of the look that shows it.

        Returns:
            A row for each group and each period with a look in it: the group columns, `period` (a Date, its first
            day), `days` (from the last look before it to its last look), `unequal_days` (whether these are 10%
            more or fewer than the period has), `missed_periods` (periods without a look just before it), `looks`,
            `at_risk`, `opt_outs` (contacts that left), `rate` (`opt_outs` / `at_risk`, over `days`), `low`, `high`
            (Wilson; null without anybody at risk), `per_30_days` with `per_30_days_low` and `per_30_days_high`
            (what these are over 30 days, which can be compared: 1 - (1 - rate)^(30 / days)), `limit_low`,
            `limit_high` (Laney's p' limits, per 30 days: with `confidence`, every period of the table lies within
            its own if nothing changed; null in a group of fewer than 6 periods), `signal` (`"above"`, `"below"`,
            else null), `arrived_opted_out` (of the `opt_outs`), `opt_out_events` (more than `opt_outs` only when
            somebody left twice), `resubscribes`, `lost_opt_outs` (opted out before, deleted, created again, and
            not opted out now: nobody asked for that), `added`, `removed` (contacts that came and went after the
            first snapshot) and `net_growth` (`added` - `removed`).

        Raises:
            FrameError: `by` names no contact field, or `times` is no frame of `opt_out_times`.
            ConfigurationError: `confidence` isn't between 0 and 1, `by` is nothing to group by, `every` no period, or
                `time_zone` no zone.

        Example:
            >>> history.opt_out_trend("1mo").select("days", "at_risk", "opt_outs", "rate").rows()
            [(7.0, 2, 1, 0.5)]
            >>> history.opt_out_trend("1mo").select("unequal_days", "per_30_days").rows()
            [(True, 0.948...)]
        """
        return self._ask(
            lambda: opt_out_trend(
                self._table,
                every,
                by,
                confidence,
                time_zone=time_zone,
                count_arrived=count_arrived,
                times=times,
            )
        )

    def survival(
        self,
        by: By | Sequence[By] | None = None,
        *,
        method: SurvivalMethod = "turnbull",
        confidence: float = 0.95,
        count_arrived: bool = True,
        times: Any | None = None,
    ) -> pl.DataFrame:
        """Estimate the share of contacts still subscribed, by days since creation.

        Looks show only between which ages a contact left. A contact is watched from the age at which it was first
        seen not opted out, since one that left before would not have been seen (left truncation); one that was
        created since the look before (an arrival) is watched from age 0, in whatever state it is first seen. It is
        censored at the last look that shows its state. Contacts opted out at first sight that did not arrive, and
        contacts without `created_at`, can't be placed and are left out. At ages at which few contacts were watched
        the curve is rough: look at `at_risk`.

        Args:
            by: as in `opt_out_trend`, by the value that the contact had when it was first known.
            method: `"turnbull"`: Turnbull's estimator with left truncation, for any looks; percentile bootstrap
                interval. `"cloglog"`: the discrete-time model with a level for each stretch of age as long as the
                time between looks, which must be regular; interval of the log of the cumulative hazard.
                `"kaplan-meier"`: each opt-out dated to the look that shows it, so the curve is late by up to the
                time between looks; Greenwood's interval on the log-log scale.
            confidence: level of the interval.
            count_arrived: whether those who were opted out when they arrived left since their creation (see
                `opt_out_trend`); False watches every contact from first sight on.
            times: what `opt_out_times(messages)` gave: an opt-out that lies between two looks is then known by its
                own bounds, most often by the minute. Not with `"cloglog"`.

        Returns:
            The group columns, then `day` (age: each whole day from 0 to the last; of `"kaplan-meier"` 0, each age
            with an opt-out, and the last), `at_risk` (watched just before, and not known to have left), `opt_outs`
            (known to have left by that age, since the row before), `arrived_opted_out` (of these, those who were
            opted out when they arrived), `censored` (since the row before), `survival`, `low`, `high` (null where
            `survival` is 0), `confidence` (of the interval). The three are null where no contact could be placed.

        Raises:
            FrameError: `by` names no contact field, or `times` is no frame of `opt_out_times`.
            ConfigurationError: `confidence` isn't between 0 and 1, `by` is nothing to group by, `method` is none of
                these, or it is `"cloglog"` and the looks are not regular or times were given.

        Example:
            >>> history.survival(by="company_name").columns[:5]
            ['company_name', 'day', 'at_risk', 'opt_outs', 'arrived_opted_out']
            >>> history.survival(by="company_name").columns[5:]
            ['censored', 'survival', 'low', 'high', 'confidence']
        """
        return self._ask(
            lambda: survival(
                self._table, by, confidence, method=method, count_arrived=count_arrived, times=times
            )
        )

    def opt_out_alarms(
        self,
        by: Sequence[By] = ("tags", "sendblue_number"),
        *,
        every: str | None = None,
        false_alarms_per_year: float = 1.0,
        latest: bool = False,
        time_zone: str = "UTC",
        count_arrived: bool = True,
        times: Any | None = None,
    ) -> pl.DataFrame:
        """Find where more opted out than before leads one to expect: in all contacts, in a tag, on a line.

        Each period is held against up to 60 before it, by contacts at risk and days, so that a gap between looks is
        no spike. What periods vary by beyond chance counts as usual. A period is judged only after 6 others, and a
        rate that rises slowly becomes usual: for that, look at the trend.

        Args:
            by: what to look into besides all contacts, each by itself; as in `opt_out_trend`.
            every: judge periods as in `opt_out_trend`; None: the time between two looks, so that each look is
                judged once, when it is new.
            false_alarms_per_year: how many alarms a year to expect where nothing happens, over all groups together:
                fewer of them need larger spikes.
            latest: judge the last period only, as `sendblue-data snapshot --alarm` does.
            time_zone: of the periods.
            count_arrived: whether those who were opted out when they arrived count (see `opt_out_trend`). A large
                import of people who had opted out before is an alarm then; `arrived_opted_out` tells it apart.
            times: what `opt_out_times(messages)` gave: with `every`, an opt-out counts in its own period, as in
                `opt_out_trend`. Without it each look is a period, and is judged by what it was the first to show.

        Returns:
            A row for each alarm, by time, the surest first: `period` (a Date), `after`, `before` (UTC; the opt-outs
            lie between these looks), `factor` (`"all"`, `"tag"`, `"line"`, or the column), `level` (which one, as
            text), `at_risk`, `opt_outs`, `arrived_opted_out` (of these), `expected` (opt-outs, from the periods
            before), `times` (`opt_outs` / `expected`; null where none were expected), `p` (the chance of as many
            or more, had nothing changed) and `false_alarms_per_year`, as asked for.

        Raises:
            FrameError: `by` names no contact field, or `times` is no such frame.
            ConfigurationError: an option is not as above.

        Example:
            >>> history.opt_out_alarms().height
            0
            >>> history.opt_out_alarms().columns[3:9]
            ['factor', 'level', 'at_risk', 'opt_outs', 'arrived_opted_out', 'expected']
        """
        return self._ask(
            lambda: opt_out_alarms(
                self._table,
                by,
                every,
                false_alarms_per_year=false_alarms_per_year,
                time_zone=time_zone,
                count_arrived=count_arrived,
                latest=latest,
                times=times,
            )
        )

    def list_flow(
        self, every: str = "1mo", by: By | Sequence[By] | None = None, *, time_zone: str = "UTC"
    ) -> pl.DataFrame:
        """Count who came onto the list of subscribed contacts, and who went from it, by period and group.

        On the list is a contact that is in the account and known not to be opted out. Each look is compared with the
        one before: who came and went between two looks is in no column.

        Args:
            every: as in `opt_out_trend`.
            by: groups, as in `opt_out_trend`; a contact is in those of each look. With `"tags"` it is on the list of
                each of its tags, so that the groups don't add up to all contacts.
            time_zone: of the periods; a name such as `"America/New_York"`.

        Returns:
            A row for each period with a look in it, and group: the group columns; `period` (a Date, its first day),
            `days` (from the last look before it to its last), `start` and `end` (contacts on the list; of the first
            period `start` is the first look's), and what lies between: `end` = `start` + `added` (never seen before)
            + `came_back` (removed before) + `resubscribed` + `lost_opt_outs` (opted out before, deleted and created
            again) + `became_known` - `opted_out` - `removed` (from the account) - `became_unknown`. Beside them
            `opted_out_high`: as many at most opted out of those on the list, if all who were removed or became
            unknown did; `unknown`: contacts at the end of whom the API did not say it, so that the list has `end` to
            `end` + `unknown`; and `arrived_opted_out`: created since the look before, and opted out when first seen,
            so never on the list.
            By group there are also `joined_group` and `left_group`, which count in `end`: contacts who stayed on the
            list, and whose group changed (a tag was given, or taken).

        Raises:
            FrameError: `by` names no contact field.
            ConfigurationError: `every` is no period, `by` is nothing to group by, or `time_zone` is no zone.

        Example:
            >>> history.list_flow("1w").select("period", "start", "added", "opted_out", "removed", "end").rows()[-1]
            (datetime.date(2026, 3, 9), 2, 0, 1, 0, 1)
        """
        return self._ask(lambda: list_flow(self._table, every, by, time_zone))

    def segment_flow(self, segment: pl.Expr, every: str = "1mo", *, time_zone: str = "UTC") -> pl.DataFrame:
        """Count who entered a segment and who left it, by period.

        Args:
            segment: predicates such as `has_tag("VIP") & reachable()`, or a Boolean Polars expression over contact
                fields; where it is null, a contact is not in it.
            every: as in `opt_out_trend`.
            time_zone: of the periods; a name such as `"America/New_York"`.

        Returns:
            A row for each period with a look in it: `period` (a Date, its first day), `days` (from the last look
            before it to its last), `start`, `entered`, `left` and `end` (contacts; `end` = `start` + `entered` -
            `left`). Who entered and left between two looks is in no column.

        Raises:
            FrameError: `segment` names no contact field.
            SegmentError: `segment` is not Boolean.
            ConfigurationError: `every` is no period, or `time_zone` no zone.

        Example:
            >>> from sendblue_data import opted_out
            >>> history.segment_flow(opted_out()).select("start", "entered", "left", "end").rows()
            [(0, 1, 0, 1)]
        """
        return self._ask(lambda: segment_flow(self._table, segment, every, time_zone))

    def segment_moves(self, segment: pl.Expr) -> pl.DataFrame:
        """List who entered a segment and who left it, oldest first.

        Args:
            segment: as in `segment_flow`.

        Returns:
            A row a move after the first snapshot: `phone`, `contact_id`, `move` (`"entered"` or `"left"`), `why`
            (`"added"`, `"came_back"` or `"removed"`: to the account or from it; else `"changed"`), `after` and
            `before` (UTC, the looks between which it happened).

        Raises:
            FrameError: `segment` names no contact field.
            SegmentError: `segment` is not Boolean.

        Example:
            >>> from sendblue_data import opted_out
            >>> history.segment_moves(opted_out()).select("phone", "move", "why").rows()
            [('+13055550102', 'entered', 'changed')]
        """
        return self._ask(lambda: segment_moves(self._table, segment))

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

    def _open(self) -> None:
        if not self._table.refresh():
            raise HistoryRangeError(
                f"{self.uri} holds no history yet. Record a pull first: history.snapshot(pull_contacts(client)), or "
                "`sendblue-data snapshot`."
            )

    def _ask(self, question: Callable[[], Answer]) -> Answer:
        with wrap_corruption_errors(self._table):
            self._open()
            return self._table.read(question)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with wrap_corruption_errors(self._table):
            self._open()
            with writer_lock(lock_path(self._table.root, self.uri), timeout=_LOCK_SECONDS):
                self._open()  # what another writer did while this one waited
                looks(self._table)  # a history that lost a snapshot is told, not rewritten
                yield

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
