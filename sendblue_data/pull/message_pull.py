"""One pull of messages: windows read side by side, then what was listed against what the API tells of."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import polars as pl

from sendblue_data._api.client import SendblueClient
from sendblue_data._api.message_decoding import MessagePage
from sendblue_data._shared.keywords import Language, check_languages
from sendblue_data._shared.logging import log
from sendblue_data._shared.progress import ProgressBar
from sendblue_data._shared.time import Moment, moment
from sendblue_data._shared.validation import check_client, shown
from sendblue_data._shared.warned import warn
from sendblue_data.errors import (
    ConfigurationError,
    IncompletePullError,
    UnprovenPullWarning,
)
from sendblue_data.pull.evidence import FIRST_MESSAGE, SHOWN_LATE, MessagePullEvidence, Repair
from sendblue_data.pull.message_listing import MessageListing, message_keys
from sendblue_data.pull.message_spans import SEAM, Span
from sendblue_data.pull.message_windows import MessageReader, Read
from sendblue_data.pull.pages import API_CAPS
from sendblue_data.pull.repaired import repairs_of, tell_repairs
from sendblue_data.pull.waiting import break_off, result
from sendblue_data.schema import MESSAGE_SCHEMA

SWEEPS = 3
"""How often all windows are read, at most, until as many came as the API tells of."""
PARTS = (0.5, 0.43, 0.57)
"""Where windows are halved in each sweep: elsewhere, so that what fell between two of them is within one."""
RESTS_BEFORE = 2 * SHOWN_LATE
"""So long before the pull a message was created for its window to be at rest."""
CLOCKS_DIFFER = timedelta(days=2)
_TICK = timedelta(microseconds=1)


class MessagePull:
    """One pull of messages.

    Args:
        client: the account.
        since: only messages created at or after this moment.
        until: only messages created before it.
        content: keep the texts.
        languages: whose keywords to know besides the service's.
        progress: show a bar.
        strict: refuse an answer with a field that can't be read.

    Raises:
        ConfigurationError: an option can't be used.
    """

    def __init__(
        self,
        client: SendblueClient,
        since: Moment | None,
        until: Moment | None,
        *,
        content: bool,
        languages: Sequence[Language],
        progress: bool,
        strict: bool,
    ) -> None:
        check_client(client)
        if not isinstance(content, bool):
            raise ConfigurationError(f"content is {shown(content)}: expected True or False.")
        self._since = None if since is None else moment("since", since)
        self._until = None if until is None else moment("until", until)
        if self._since is not None and self._until is not None and self._since >= self._until:
            raise ConfigurationError(
                f"since is {self._since} and until {self._until}: expected an earlier since."
            )
        # Connections of its own, so that Ctrl-C can break them off and leave the client usable.
        self._client = client.stoppable()
        self._listing = MessageListing(
            self._client, API_CAPS, content=content, languages=check_languages(languages), strict=strict
        )
        self._reader = MessageReader(self._listing)
        self._progress = progress
        self._started = self._finished = datetime.now(UTC)
        self._listed = [
            (FIRST_MESSAGE, pl.Series(dtype=pl.UInt64))
        ]  # where a window ends, and the hashes of its keys
        self._filled: set[str] = set()
        self._newest: datetime | None = None
        self._windows = self._repeats = 0
        self._told_before: int | None = None
        self._told_after: int | None = None
        self._unproven = 0
        self._missing = 0
        self._notes: list[str] = []
        self._problem: str | None = None
        self._doubt: str | None = None

    # Reading ----------------------------------------------------------------------------------------------

    def windows(self) -> Iterator[pl.DataFrame]:
        """Yield frames of messages, each message once; `check` says afterwards whether any are missing."""
        self._started = datetime.now(UTC)
        pool = ThreadPoolExecutor(self._client.max_connections, thread_name_prefix="sendblue-messages")
        self._under_way: set[Future[Read]] = set()
        self._pool = pool
        bar = ProgressBar(desc="Pulling messages", unit=" messages", disable=not self._progress)
        try:
            for rows in self._all(bar):
                bar.update(rows.height)
                if rows.height:
                    yield rows
            tell_repairs(self._repaired(), "messages", bar if self._progress else None)
        except BaseException:
            break_off(pool, self._under_way, self._client.abort)
            raise
        finally:
            pool.shutdown()
            self._client.close()
            bar.close()
            self._finished = datetime.now(UTC)

    def _all(self, bar: ProgressBar) -> Iterator[pl.DataFrame]:
        listing = self._listing
        last = None if self._until is None else self._until - _TICK
        low = self._since or FIRST_MESSAGE
        high = last or max(self._started, low) + CLOCKS_DIFFER
        first = listing.first_page(Span(self._since, last, low, high))
        self._told_before = first.total
        bar.total = first.total
        if self._since is None:
            low = min(_earliest(first) or low, high - SEAM)
        whole = Span(self._since, last, low, high, first.total)
        rests = self._started - RESTS_BEFORE
        is_small = first.total is None or first.frame.height >= first.total
        if is_small or not listing.totals_hold or (last is not None and last <= rests):
            yield from self._sweeps(whole, first, bar)
        elif low >= rests:
            yield from self._one(whole, first)
        else:
            yield from self._sweeps(Span(whole.start, rests, low, rests), None, bar)
            recent = max(rests - SEAM, low)
            yield from self._one(Span(recent, last, recent, high), None)
        self._told_after = listing.page(whole, limit=1).total
        self._judge()

    def _one(self, span: Span, first: MessagePage | None) -> Iterator[pl.DataFrame]:
        """Read one window, in which messages may still arrive."""
        read = self._reader.read(span, first)
        self._windows += 1
        self._note(read)
        yield self._new(read.rows, span)

    def _sweeps(self, span: Span, first: MessagePage | None, bar: ProgressBar) -> Iterator[pl.DataFrame]:
        """Read a span at rest, again where less came than the API tells of."""
        listing, at_first = self._listing, None
        for sweep in range(SWEEPS):
            told = first.total if first is not None else listing.told(span)
            at_first = told if sweep == 0 else at_first
            before = self._count()
            self._unproven = self._missing = 0
            for leaf, read in self._side_by_side(span, told, first, PARTS[sweep]):
                self._windows += 1
                self._note(read)
                yield self._new(read.rows, span if sweep else leaf)
            first = None
            if not listing.reads_totals(told):
                return
            now = listing.told(span)
            came = self._count()
            self._expected = min(told, now if now is not None else told)
            self._missing = max(self._expected - came, 0)
            if came == told == now == at_first:
                self._unproven = 0  # whatever became of the pages: these are all, and none has gone
            log.info("messages: sweep %d, %d told, %d listed", sweep + 1, self._expected, came)
            if not self._missing or (sweep and came == before):
                return
            bar.write(f"{self._missing:,} messages are missing: reading again.") if self._progress else None

    def _side_by_side(
        self, span: Span, told: int | None, first: MessagePage | None, part: float
    ) -> Iterator[tuple[Span, Read]]:
        """Read the windows of a span in several threads, and yield them in their order."""
        reader, pending = self._reader, deque[tuple[Span, Future[Read]]]()
        for leaf in reader.leaves(span, told if self._listing.totals_hold else None, part):
            future = self._pool.submit(
                reader.read, leaf, first if leaf.start == span.start and leaf.end == span.end else None
            )
            self._under_way.add(future)
            future.add_done_callback(self._under_way.discard)
            pending.append((leaf, future))
            while len(pending) > self._client.max_connections:
                oldest, read = pending.popleft()
                yield oldest, result(read)
        for oldest, read in pending:
            yield oldest, result(read)

    def _note(self, read: Read) -> None:
        self._unproven += not read.is_proven
        self._missing += read.missing

    def _new(self, rows: pl.DataFrame, span: Span) -> pl.DataFrame:
        """Remember messages in eight bytes each, and return those that did not come before.

        Args:
            rows: messages, each once.
            span: where they are from: only windows that end in it, by the precision of the server's filters, can have
                had some of them.
        """
        found = message_keys(rows).hash()
        earlier = [hashes for end, hashes in self._listed if end >= span.low - SEAM]
        if earlier:
            is_new = ~found.is_in(pl.concat(earlier).implode())
            self._repeats += rows.height - int(is_new.sum())
            rows, found = rows.filter(is_new), found.filter(is_new)
        self._listed.append((span.high, found))
        moments = rows.select(pl.coalesce("date_updated", "date_sent").max()).item()
        self._newest = max(filter(None, (self._newest, moments)), default=None)
        self._filled.update(name for name in rows.columns if rows[name].null_count() < rows.height)
        return rows

    def _hashes(self) -> pl.Series:
        return pl.concat([hashes for _, hashes in self._listed])

    def _count(self) -> int:
        return self._hashes().n_unique()

    # Judging ----------------------------------------------------------------------------------------------

    def _judge(self) -> None:
        """Find out whether anything is missing, or can't be shown not to be."""
        if not self._listing.totals_hold:
            self._notes.append("The API tells of fewer messages than it lists: its total was not used.")
            self._unproven += self._missing > 0
            self._missing = 0
        if self._missing:
            self._problem = (
                f"The API tells of {self._missing:,} messages that it never listed: {self._count():,} came. Pull "
                "again; if it stays so, pull shorter spans (since=, until=) and find the one that lacks them."
            )
        elif self._unproven:
            self._doubt = (
                "The pages of some messages never fitted together, and the API does not say how many messages there "
                "are: some may be missing. Pull again, or pull shorter spans (since=, until=)."
            )

    def check(self, frame: pl.DataFrame) -> None:
        """Raise where messages are missing, and warn where that can't be ruled out.

        Args:
            frame: what arrived, for the error.

        Raises:
            IncompletePullError: they are.
        """
        if self._problem is not None:
            expected = self._count() + self._missing
            raise IncompletePullError(self._problem, frame=frame, expected=expected, missing=self._missing)
        if self._doubt is not None:
            warn(self._doubt, UnprovenPullWarning)

    def evidence(self) -> MessagePullEvidence:
        """Return the certificate of what was done."""
        listing, messages = self._listing, self._count()
        trusted = listing.totals_hold
        return MessagePullEvidence(
            account=self._client.account,
            requests=self._client.requests,
            pages=listing.pages,
            windows=self._windows,
            retaken=self._reader.retaken,
            repeats_dropped=listing.repeats + self._repeats,
            total_before=self._told_before if trusted else None,
            total_after=self._told_after if trusted else None,
            messages=messages,
            complete=self._problem is None and self._doubt is None,
            started=self._started,
            finished=self._finished,
            since=self._since,
            until=self._until,
            newest=self._newest,
            doubt=self._doubt,
            notes=tuple(self._notes),
            repaired=self._repaired(),
            unfilled=tuple(name for name in MESSAGE_SCHEMA if messages and name not in self._filled),
        )

    def _repaired(self) -> tuple[Repair, ...]:
        """Count what could not be read, of the messages that are in the frame."""
        oddities = self._listing.oddities
        odd = oddities.keys()
        return repairs_of(odd.filter(odd.is_in(self._hashes().implode())), oddities.found)


def _earliest(page: MessagePage) -> datetime | None:
    """Return about the moment of the first message: where to begin to halve, and nothing else."""
    sent = page.frame["date_sent"].min()
    return sent - timedelta(days=1) if isinstance(sent, datetime) and sent.year > 1 else None
