"""One pull: sweeps over the account until what was listed agrees with what the account counts."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Literal, get_args

import polars as pl

from sendblue_data._api.client import SendblueClient
from sendblue_data._shared.logging import log
from sendblue_data._shared.progress import ProgressBar
from sendblue_data._shared.time import Moment, moment
from sendblue_data._shared.validation import check_client
from sendblue_data._shared.warned import warn
from sendblue_data.errors import (
    ConfigurationError,
    IncompletePullError,
    UnprovenPullWarning,
)
from sendblue_data.pull.evidence import SHOWN_LATE, PullEvidence, Repair
from sendblue_data.pull.joining import PLACED, Listed, grain
from sendblue_data.pull.orders import OTHER_ORDERS, OtherOrders
from sendblue_data.pull.pages import API_CAPS, AccountNeverStill, OrderIgnored
from sendblue_data.pull.repaired import repairs_of, tell_repairs
from sendblue_data.pull.waiting import result
from sendblue_data.pull.windows import UNORDERED, Reader, Window
from sendblue_data.schema import CONTACT_SCHEMA

Trust = Literal["count", "seams"]

SWEEPS = 3
"""How often an account is read, at most, until the counts agree."""
COUNTS = 3
"""How often it is counted after a sweep, at most, with a look at the newest contacts in between."""
LAG_PAUSES = (0.5, 2.0)
"""Seconds before the second sweep and the third: a replica that lists may lag behind the one that counts."""
UNORDERED_CURSORS = 8
CLOCKS_DIFFER = timedelta(days=2)
"""So far the server's clock may be behind ours, time zones and timestamps cut to days included."""
FEW_GONE = 2
"""Contacts that went while an account was read, at most, for another sweep to be likely to lose none."""


class Pull:
    """One pull: the sweeps over the account, and the reconciliation with its count.

    Args:
        client: the account.
        since: only contacts created at or after this moment.
        progress: show a bar.
        strict: refuse an answer with a field that can't be read.
        trust: `"count"`, or `"seams"` to take what was listed for all where every seam is proven.

    Raises:
        ConfigurationError: `client` is no client, `since` no moment, or `trust` neither of the two.
    """

    def __init__(
        self,
        client: SendblueClient,
        since: Moment | None,
        *,
        progress: bool,
        strict: bool,
        trust: Trust,
    ) -> None:
        check_client(client)
        if trust not in get_args(Trust):
            raise ConfigurationError(f"trust is {trust!r}: expected 'count' or 'seams'.")
        self._since = None if since is None else moment("since", since)
        self._strict = strict
        self._trusts_seams = trust == "seams"
        # Connections of its own, so that Ctrl-C can break them off and leave the client usable.
        self._client = client.stoppable()
        self._progress = progress
        self._listed = Listed(self._since)
        self._notes: list[str] = []
        self._started = self._finished = datetime.now(UTC)
        # Before and after the pull; and what this sweep is compared with.
        self._count_before = self._count_after = self._counted = 0
        self._missing = 0  # contacts that were counted and never came, at least
        self._excess: list[int] = []  # contacts counted and not listed, a sweep; of whole and proven ones
        self._problem: str | None = None  # what is missing, in words
        self._undated_hide: bool | None = None  # out of the windows' reach; None: it is not known
        self._is_order_ignored = False
        self._doubt: str | None = None  # what can't be ruled out, in words

    def windows(self) -> Iterator[pl.DataFrame]:
        """Yield frames of contacts, each contact once; `check` says afterwards whether any are missing."""
        self._started = datetime.now(UTC)
        self._listed.old_until = self._listed.new_from = self._started - CLOCKS_DIFFER
        pool = ThreadPoolExecutor(self._client.max_connections, thread_name_prefix="sendblue-pull")
        self._reader = Reader(self._client, pool, API_CAPS, strict=self._strict)
        self._orders = OtherOrders(self._reader)
        bar = ProgressBar(desc="Pulling contacts", unit=" contacts", disable=not self._progress)
        try:
            for rows in self._all(bar):
                bar.update(rows.height)
                if rows.height:
                    yield rows
            tell_repairs(self._repaired(), "contacts", bar if self._progress else None)
        except BaseException:
            self._reader.stop()
            raise
        finally:
            pool.shutdown(cancel_futures=True)
            self._client.close()
            bar.close()
            self._finished = datetime.now(UTC)

    def in_order(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return all that came, the oldest first."""
        return frame.sort("created_at", maintain_order=True) if self._listed.came_late else frame

    def check(self, frame: pl.DataFrame) -> None:
        """Raise where contacts are missing, or can't be shown not to be, and warn where that is a doubt alone.

        Args:
            frame: what arrived, for the error.

        Raises:
            IncompletePullError: they are.
        """
        if self._problem is not None:
            raise IncompletePullError(
                self._problem, frame=frame, expected=self._count_after, missing=self._missing
            )
        if self._doubt is not None:
            warn(self._doubt, UnprovenPullWarning)

    def evidence(self) -> PullEvidence:
        """Return the certificate of what was done."""
        reader, listed = self._reader, self._listed
        contacts = listed.count()
        return PullEvidence(
            account=self._client.account,
            requests=self._client.requests,
            pages=reader.pages,
            windows=reader.windows,
            retaken=reader.retaken,
            repeats_dropped=reader.repeats + listed.repeats,
            count_before=self._count_before,
            count_after=self._count_after,
            contacts=contacts,
            complete=self._problem is None and self._doubt is None,
            started=self._started,
            finished=self._finished,
            since=self._since,
            doubt=self._doubt,
            notes=(*self._notes, *self._orders.refused),
            repaired=self._repaired(),
            unfilled=tuple(name for name in CONTACT_SCHEMA if contacts and name not in listed.filled),
        )

    def _repaired(self) -> tuple[Repair, ...]:
        """Count what could not be read, of the contacts that are in the frame."""
        oddities = self._reader.oddities
        return repairs_of(self._listed.among(oddities.keys()), oddities.found)

    def _all(self, bar: ProgressBar) -> Iterator[pl.DataFrame]:
        reader = self._reader
        counted = reader.count()
        first = reader.ask(self._since)
        self._count_before = result(counted)
        self._counted = self._count_before
        bar.total = expected = self._count_before if self._since is None else None
        try:
            is_smaller = reader.adopt_page_size(result(first), self._since, self._count_before)
            # Enough for every sweep; an account that needs more never holds still.
            reader.limit_walks(self._count_before, SWEEPS + 2)
            yield from self._sweep(expected, None if is_smaller else first)
            yield from self._reconcile()
        except OrderIgnored:
            self._notes.append("The server does not sort by created_at as asked; read by offset alone.")
            self._is_order_ignored = True
            reader.give_up_order()
            yield from self._unordered()
        except AccountNeverStill as error:
            self._recount()
            self._missing = max(self._count_after - self._listed.count(), 0)
            self._problem = (
                f"The account never held still: {error} of {self._count_before:,} contacts "
                f"(now {self._count_after:,}), and it still went on. Pull when less is written to it."
            )
        listed = self._listed.count()
        log.info("pull: %d contacts listed, %d counted", listed, self._count_after)
        if self._since is None and self._count_before == self._count_after < listed:
            self._notes.append(f"The account counts {self._count_after:,} contacts and listed {listed:,}.")

    def _recount(self) -> None:
        self._count_after = result(self._reader.count())

    def _count_after_the_newest(self, newest: Future[pl.DataFrame], window: Window) -> None:
        """Count once more where the newest contacts may be newer than the count.

        Whoever comes after a count is dated, and not before those that were there, as far as clocks and replicas
        agree. So dates tell who was there.

        Args:
            newest: a look at the newest contacts.
            window: the first, whose pages are under way.
        """
        page = result(newest)
        latest = page[PLACED].max()
        if page[PLACED][:1].null_count() or not isinstance(latest, datetime):
            return
        if latest >= self._started - CLOCKS_DIFFER:
            self._listed.know(page, latest - SHOWN_LATE - grain(page[PLACED]), latest)
            self._counted = result(self._reader.count())
            window.renew_end()

    def _sweep(
        self, expected: int | None, first: Future[pl.DataFrame] | None = None, *, is_late: bool = False
    ) -> Iterator[pl.DataFrame]:
        """Read the whole account by `created_at`, then what only the other end of that order shows."""
        reader = self._reader
        newest: Future[pl.DataFrame] | None = None
        if expected is None or expected > reader.caps.most_in_window:
            newest = reader.newest(self._since)
        window = reader.open_window(self._since, expected, first)
        if newest is not None and self._since is None and not is_late:
            self._count_after_the_newest(newest, window)
        for rows in reader.walk(window, expected):
            yield self._listed.add(rows, is_late=is_late)
        if self._since is None and reader.undated_shown:
            return
        page = result(newest or reader.newest(self._since))
        found = page if self._since else reader.undated(page)
        if self._since is None and found.height:
            self._undated_hide = False
        yield self._listed.add(found)

    def _reconcile(self) -> Iterator[pl.DataFrame]:
        """Compare with the account's count, and look again for what is missing."""
        reader, listed = self._reader, self._listed
        for sweep in count(1):
            # A second sample of an account that both ends don't reach shows no more than the first.
            has_looked = sweep > 1 and self._count_after > 2 * reader.caps.reach
            for nth in range(COUNTS):
                if nth:
                    # Created since the last window was read? Then the newest end has them.
                    yield listed.add(reader.one_by_one(listed.newest))
                self._recount()
                if self._is_shown():
                    return
                if self._undated_may_hide() and not has_looked:
                    has_looked = True
                    yield from self._look_for_undated()
            is_only_in_doubt = self._is_only_in_doubt()
            if not is_only_in_doubt and self._may_other_orders_show_more(sweep):
                yield from self._other_orders()
                self._recount()
                if self._is_shown():
                    return
            if reader.is_proven:
                self._excess.append(self._count_after - listed.count_in_sweep())
            if sweep == SWEEPS or not self._is_another_sweep_worth_it(is_only_in_doubt=is_only_in_doubt):
                break
            log.info("pull: waits %g s before another sweep", LAG_PAUSES[sweep - 1])
            time.sleep(LAG_PAUSES[sweep - 1])
            self._begin_sweep()
            yield from self._sweep(self._count_after if self._since is None else None, is_late=True)
        if is_only_in_doubt:
            self._doubt = self._what_may_hide()
        else:
            self._problem = self._what_is_missing()

    def _begin_sweep(self) -> None:
        """Begin to compare anew what is listed with what is counted."""
        self._recount()
        self._counted = self._count_after
        self._reader.begin_sweep()
        self._listed.begin_sweep()

    def _is_shown(self) -> bool:
        """Whether nothing can be missing."""
        reader, listed = self._reader, self._listed
        if self._since is not None:
            # There is no count to compare with: the seams are the proof.
            return reader.is_proven
        self._missing = max(self._count_after - listed.count(), 0)
        # As many as were counted are listed, and were there when they were counted: those are all. That counts
        # agree is not enough: one that was listed and has gone stands in for one that was not listed.
        are_all_listed = listed.count_old() == self._counted
        if are_all_listed and self._undated_hide is None:
            self._undated_hide = False
        if reader.is_proven and (reader.undated_shown or self._undated_hide is False):
            # More than are counted have gone since they were listed.
            return self._trusts_seams or not self._missing
        if self._is_order_ignored and reader.is_proven:
            return listed.count_in_sweep() == self._count_after == self._counted
        return are_all_listed and not self._missing

    def _undated_may_hide(self) -> bool:
        """Whether contacts without a moment may be there, out of the windows' reach, as far as is known."""
        return self._since is None and not self._reader.undated_shown and self._undated_hide is None

    def _is_only_in_doubt(self) -> bool:
        """Whether nothing speaks for a contact that is missing, and nothing rules one without a moment out."""
        is_short = self._count_after > self._listed.count_in_sweep()
        return self._undated_may_hide() and self._reader.is_proven and not is_short

    def _may_other_orders_show_more(self, sweep: int) -> bool:
        reader = self._reader
        is_first_try = sweep == 1 or bool(self._undated_hide) or bool(reader.crowded)
        return is_first_try and (reader.windows > 1 or not reader.is_proven)

    def _is_another_sweep_worth_it(self, *, is_only_in_doubt: bool) -> bool:
        """Whether reading the account again may show more."""
        if is_only_in_doubt:
            # It shows that none hides if none goes between the count and the page that it is on.
            listed, is_small = self._listed, self._counted <= self._reader.caps.most_in_window
            may_help = is_small or self._counted <= listed.count_perhaps_old() + FEW_GONE
            return may_help and listed.count_old() < self._counted
        return not (self._reader.crowded and self._missing)

    def _look_for_undated(self) -> Iterator[pl.DataFrame]:
        """Look in the order of phones for contacts without a moment.

        A server that sorts them behind all others, upwards and downwards, shows none of them in windows, and
        the count does not tell: one that was listed and has gone stands in for one of them.
        """
        yield from map(self._listed.add, self._orders.both_ends_by_phone(self._count_after))
        if self._orders.ends_meet:
            self._undated_hide = False
        elif self._orders.undated_seen:
            self._undated_hide = True
        elif self._trusts_seams:
            self._undated_hide = False

    def _what_may_hide(self) -> str:
        return (
            f"{self._listed.count():,} contacts were listed and none is known to be missing, but the account's count "
            f"({self._count_after:,}) does not show that: contacts were deleted while they were read, or it counts "
            "others than it lists. If the server sorts contacts without created_at behind all others, both ways, one "
            "of them could hide in the middle of every order; none was seen. Pull again when less is deleted, or "
            'pass trust="seams" to take what is listed for all.'
        )

    def _what_is_missing(self) -> str:
        listed, counted = self._listed.count(), self._count_after
        if self._since is not None:
            text = f"{listed:,} contacts were listed, but more may be there."
        else:
            text = f"The account counts {counted:,} contacts and listed {listed:,}: "
            text += (
                f"{self._missing:,} missing." if self._missing else "it never held still while it was read."
            )
        if len(self._excess) == SWEEPS and len(set(self._excess)) == 1 and self._missing:
            return (
                f"{text} It counts {counted:,}, lists {listed:,}, three times over, with no gap between the "
                "pages: the count seems to include contacts that no list gives, or the lists lag behind it. Pull again "
                'in a minute; if it stays so, pass trust="seams" to take what is listed for all. '
                "What arrived is in .frame."
            )
        if self._reader.unproven:
            text += " Contacts that share a created_at came in another order each time."
        for shared in dict.fromkeys(self._reader.crowded):
            what = "have no created_at" if shared is None else f"share created_at {shared.isoformat()}"
            text += f" More than {self._reader.caps.reach:,} contacts {what}; the API can't list all of them."
        return text + " Use .frame for what arrived, or pull again when less is written to the account."

    def _other_orders(self) -> Iterator[pl.DataFrame]:
        """Read what other orderings reach, until nothing is missing."""
        cursors = dict.fromkeys(at or self._since for at in self._reader.crowded) or [self._since]
        for order_by, direction in OTHER_ORDERS:
            for cursor in cursors:
                pages = self._orders.pages(cursor, order_by, direction, self._reader.caps.overlap)
                yield from map(self._listed.add, pages)
                if self._since is None and self._listed.count_in_sweep() >= self._count_after:
                    return

    def _unordered(self) -> Iterator[pl.DataFrame]:
        """Read what can be read where the server sorts as it likes: by offset, then from later cursors."""
        reader, listed = self._reader, self._listed
        first = reader.page(self._since, order_by=UNORDERED)
        reader.adopt_page_size(first, self._since, self._counted, UNORDERED)
        created = pl.Series("created_at", dtype=CONTACT_SCHEMA["created_at"])
        for _ in range(SWEEPS):
            pages, is_end = reader.all_unordered(self._since)
            created = pl.concat([created, *(page["created_at"] for page in pages)])
            yield from map(listed.add, pages)
            self._recount()
            if self._is_shown():
                return
            if not is_end:
                break
            self._begin_sweep()
        if self._since is None:
            # A later cursor leaves fewer contacts to list, so those at the far end come within reach.
            for share in range(1, UNORDERED_CURSORS):
                cursor = created.quantile(share / UNORDERED_CURSORS, "lower")
                if listed.count() < self._count_after and isinstance(cursor, datetime):
                    yield from map(listed.add, reader.unordered(cursor))
            self._recount()
        if not self._is_shown():
            self._problem = f"The server ignores order_by=created_at. {self._what_is_missing()}"
