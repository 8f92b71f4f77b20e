"""What a history is asked: who opted out and when, how the list grew and shrank, who entered a segment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

from sendblue_data._frames.grouping import By
from sendblue_data._shared.time import Moment, moment
from sendblue_data.history.alarms import opt_out_alarms
from sendblue_data.history.events import opt_out_events
from sendblue_data.history.flow import list_flow
from sendblue_data.history.membership import segment_flow, segment_moves
from sendblue_data.history.opened import OpenedHistory
from sendblue_data.history.survival import SurvivalMethod, survival
from sendblue_data.history.trend import opt_out_trend


class HistoryQuestions(OpenedHistory):
    """The methods of a `ContactHistory` that count over its snapshots."""

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
