"""One pull: sweeps over the account until what was listed agrees with what the account counts."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Literal, get_args

import polars as pl
from tqdm.auto import tqdm

from sendblue_data._api.client import CONTACTS, SendblueClient
from sendblue_data._shared.validation import check_client
from sendblue_data.errors import (
    ConfigurationError,
    InvalidRequestError,
    RepairedFieldWarning,
    UnexpectedAnswerError,
)
from sendblue_data.pull.evidence import PullEvidence, Repair
from sendblue_data.pull.joining import PLACED, fit_together, keys
from sendblue_data.pull.pages import API_CAPS, AccountNeverStill, OrderIgnored
from sendblue_data.pull.windows import Reader
from sendblue_data.schema import CONTACT_SCHEMA

Trust = Literal["count", "seams"]

NAMED = 5
"""Contacts that a repair names, at most."""
SWEEPS = 3
"""How often an account is read, at most, until the counts agree."""
LOOKS = 3
"""How often it is counted after a sweep, at most, with a look at the newest contacts in between."""
LAG_PAUSES = (0.5, 2.0)
"""Seconds before the second sweep and the third: a replica that lists may lag behind the one that counts."""
OTHER_ORDERS = [(name, way) for name in ("phone", "firstName", "lastName") for way in ("asc", "desc")]
"""What to sort by where `created_at` can't reach all. Source: the vendor's API guide, which names no others."""
UNORDERED = "phone"
"""What to ask for where `created_at` is ignored; it need not be honoured either."""
UNORDERED_CURSORS = 8


class Pull:
    """One pull: the sweeps over the account, and the reconciliation with its count.

    Args:
        client: the account.
        since: only contacts created at or after this moment.
        progress: show a bar.
        strict: refuse an answer with a field that can't be read.
        trust: `"count"`, or `"seams"` to take what was listed for all where every seam is proven.

    Attributes:
        count_before: contacts that the account counted before the first page.
        count_after: contacts that it counted last.
        missing: how many of those never came, at least.
        problem: what is missing, in words; None where nothing can be.
        came_late: contacts came after a sweep, so that what came is not in order.
    """

    def __init__(
        self,
        client: SendblueClient,
        since: datetime | None,
        *,
        progress: bool,
        strict: bool = False,
        trust: Trust = "count",
    ) -> None:
        check_client(client)
        if trust not in get_args(Trust):
            raise ConfigurationError(f"trust is {trust!r}: expected 'count' or 'seams'.")
        self._strict = strict
        self._trusts_seams = trust == "seams"
        self._filled: set[str] = set()
        self._excess: list[int] = []  # contacts counted and not listed, a sweep; of whole and proven ones
        # Connections of its own, so that Ctrl-C can break them off and leave the client usable.
        self._client = client.stoppable()
        self._since = since
        self._progress = progress
        self._seen = [pl.Series(dtype=pl.UInt64)]
        self._seen_in_sweep = [pl.Series(dtype=pl.UInt64)]
        self._newest = since
        self._notes: list[str] = []
        self._started = self._finished = datetime.now(UTC)
        self.count_before = self.count_after = 0
        self.missing = 0
        self.problem: str | None = None
        self.came_late = False
        self._undated_hide: bool | None = None  # out of the windows' reach; None: nobody has looked

    def windows(self) -> Iterator[pl.DataFrame]:
        """Give frames of contacts, each contact once; then `problem` says what is missing, if anything."""
        self._started = datetime.now(UTC)
        pool = ThreadPoolExecutor(self._client.max_connections, thread_name_prefix="sendblue-pull")
        self._reader = Reader(self._client, pool, API_CAPS, strict=self._strict)
        bar: tqdm[Any] = tqdm(desc="Pulling contacts", unit=" contacts", disable=not self._progress)
        try:
            for rows in self._all(bar):
                bar.update(rows.height)
                self._filled.update(name for name in rows.columns if rows[name].null_count() < rows.height)
                if rows.height:
                    yield rows
            self._say_repairs(bar)
        except BaseException:
            self._reader.stop()
            raise
        finally:
            pool.shutdown(cancel_futures=True)
            self._client.close()
            bar.close()
            self._finished = datetime.now(UTC)

    def evidence(self) -> PullEvidence:
        """Certify what was done."""
        reader, contacts = self._reader, self._distinct()
        return PullEvidence(
            account=self._client.account,
            requests=self._client.requests,
            pages=reader.pages,
            windows=reader.windows,
            retaken=reader.retaken,
            repeats_dropped=reader.repeats,
            count_before=self.count_before,
            count_after=self.count_after,
            contacts=contacts,
            complete=self.problem is None,
            started=self._started,
            finished=self._finished,
            since=self._since,
            notes=tuple(self._notes),
            repaired=self._repaired(),
            unfilled=tuple(name for name in CONTACT_SCHEMA if contacts and name not in self._filled),
        )

    def _repaired(self) -> tuple[Repair, ...]:
        """Count what could not be read, of the contacts that are in the frame."""
        found: dict[tuple[str, str], list[str | None]] = {}
        oddities = self._reader.oddities
        odd = pl.Series(list(oddities), dtype=pl.UInt64)
        for key in odd.filter(odd.is_in(pl.concat(self._seen).implode())):
            contact_id, faults = oddities[key]
            for fault in faults:
                found.setdefault(fault, []).append(contact_id)
        return tuple(
            Repair(*fault, len(ids), tuple(one for one in ids if one is not None)[:NAMED])
            for fault, ids in sorted(found.items())
        )

    def _say_repairs(self, bar: tqdm[Any]) -> None:
        """Say once what could not be read: under the bar, or as a warning where there is none."""
        repaired = self._repaired()
        if not repaired:
            return
        words = f"could not be read, and are null: {', '.join(map(str, repaired))}"
        if self._progress:
            bar.write(f"Fields of some contacts {words}.")
        else:
            warnings.warn(
                f"Fields of some contacts {words}. The pull's evidence has them, as .repaired; strict=True "
                "raises instead.",
                RepairedFieldWarning,
                stacklevel=4,
            )

    def _all(self, bar: tqdm[Any]) -> Iterator[pl.DataFrame]:
        reader = self._reader
        counted = reader.count()
        first = reader.ask(self._since)
        self.count_before = reader.result(counted)
        bar.total = expected = self.count_before if self._since is None else None
        try:
            is_smaller = self._is_page_smaller(reader.result(first))
            # Enough for every sweep; an account that needs more never holds still.
            reader.most_pages = 400 + (SWEEPS + 2) * (self.count_before // reader.caps.step + 1)
            yield from self._sweep(expected, None if is_smaller else first)
            yield from self._reconcile()
        except OrderIgnored:
            self._notes.append("The server does not sort by created_at as asked; read by offset alone.")
            reader.crowded.clear()
            reader.unproven = 0
            yield from self._unordered()
        except AccountNeverStill:
            self.count_after = reader.result(reader.count())
            self.missing = max(self.count_after - self._distinct(), 0)
            self.problem = (
                f"The account never held still: {reader.most_pages:,} pages were read of "
                f"{self.count_before:,} contacts (now {self.count_after:,}), and it still went on. "
                "Pull when less is written to it."
            )
        listed = self._distinct()
        if self._since is None and self.count_before == self.count_after < listed:
            self._notes.append(f"The account counts {self.count_after:,} contacts and listed {listed:,}.")

    def _is_page_smaller(self, first: pl.DataFrame, order_by: str = "created_at") -> bool:
        """Find out whether the server's pages are smaller than the API says, and ask for such pages then."""
        caps, size = self._reader.caps, first.height
        is_end = self._since is None and size >= self.count_before
        can_be_joined = size >= 2 * caps.overlap
        # Of the whole account the count tells; of a part nothing does, so one more page is asked for.
        if is_end or not 0 < size < caps.page or not (can_be_joined or self._since):
            return False
        if not self._reader.page(self._since, size, order_by=order_by).height:
            return False
        if not can_be_joined:
            # A page that is cut off stays as long; one that was followed by a new contact holds it by now.
            if any(self._reader.page(self._since, order_by=order_by).height != size for _ in range(LOOKS)):
                return False
            raise UnexpectedAnswerError(
                f"a page holds {size} of the {caps.page:,} contacts asked for, and more follow: such pages are too "
                "small to be joined.",
                method="GET",
                path=CONTACTS,
                status=200,
            )
        self._reader.caps = replace(caps, page=size)
        return True

    def _sweep(
        self, expected: int | None, first: Future[pl.DataFrame] | None = None, *, is_late: bool = False
    ) -> Iterator[pl.DataFrame]:
        """Read the whole account by `created_at`, and what hides from that at its other end."""
        reader = self._reader
        newest: Future[pl.DataFrame] | None = None
        if expected is None or expected > reader.caps.most_in_window:
            newest = reader.newest(self._since)
        for rows in reader.walk(self._since, expected, first):
            yield self._keep_new(rows, is_late=is_late)
        if self._since is None and reader.undated_shown:
            return
        page = reader.result(newest or reader.newest(self._since))
        found = page if self._since else reader.undated(page)
        if self._since is None and found.height:
            self._undated_hide = False
        yield self._keep_new(found)

    def _keep_new(self, rows: pl.DataFrame, *, is_late: bool = True) -> pl.DataFrame:
        """Keep the contacts that have not come before, and remember them: eight bytes a contact.

        Args:
            rows: contacts, each once.
            is_late: they may be any; otherwise they come from the next window, and only contacts without a
                moment, or with one that the server's filter blurs, can have come before.
        """
        rows = rows.drop(PLACED)
        found = keys(rows).hash()
        self._seen_in_sweep.append(found)
        seen = self._seen if is_late or rows["created_at"].null_count() else self._seen[-1:]
        is_new = ~found.is_in(pl.concat(seen).implode()) & found.is_first_distinct()
        if not is_new.all():
            self._reader.repeats += rows.height - int(is_new.sum())
            rows, found = rows.filter(is_new), found.filter(is_new)
        self._seen.append(found)
        self.came_late |= is_late and rows.height > 0
        latest = rows["created_at"].max()
        if isinstance(latest, datetime) and (self._newest is None or latest > self._newest):
            self._newest = latest
        return rows

    def _distinct(self) -> int:
        return pl.concat(self._seen).n_unique()

    def _distinct_in_sweep(self) -> int:
        return pl.concat(self._seen_in_sweep).n_unique()

    def _reconcile(self) -> Iterator[pl.DataFrame]:
        """Compare with the account's count, and look again for what is missing."""
        reader = self._reader
        count_before = self.count_before
        for sweep in range(1, SWEEPS + 1):
            for look in range(LOOKS):
                if look:
                    # Created since the last window was read? Then the newest end has them.
                    yield self._keep_new(reader.one_by_one(self._newest))
                self.count_after = reader.result(reader.count())
                if self._is_shown(count_before):
                    return
                if self._undated_may_hide():
                    yield from self._look_for_undated()
            if (sweep == 1 or self._undated_hide) and (
                reader.windows > 1 or reader.crowded or reader.unproven
            ):
                yield from self._other_orders()
                self.count_after = reader.result(reader.count())
                if self._is_shown(count_before):
                    return
            if not (reader.crowded or reader.unproven):
                self._excess.append(self.count_after - self._distinct_in_sweep())
            if sweep == SWEEPS or reader.crowded:
                break
            time.sleep(LAG_PAUSES[sweep - 1])
            count_before, reader.unproven = self.count_after, 0
            self._seen_in_sweep = self._seen_in_sweep[:1]
            yield from self._sweep(self.count_after if self._since is None else None, is_late=True)
        self.problem = self._what_is_missing()

    def _is_shown(self, count_before: int) -> bool:
        """Tell whether nothing can be missing."""
        reader, listed = self._reader, self._distinct()
        is_proven = not reader.crowded and not reader.unproven
        if self._since is not None:
            # There is no count to compare with: the seams are the proof.
            return is_proven
        self.missing = max(self.count_after - listed, 0)
        if is_proven and (reader.undated_shown or self._undated_hide is False):
            # More than are counted have gone since they were listed.
            return self._trusts_seams or not self.missing
        # One that was listed and has gone would stand in for one that was not listed.
        return self._distinct_in_sweep() == self.count_after == count_before

    def _undated_may_hide(self) -> bool:
        """Tell whether it is still to be found out if there are contacts without a moment, out of reach."""
        return self._since is None and not self._reader.undated_shown and self._undated_hide is None

    def _look_for_undated(self) -> Iterator[pl.DataFrame]:
        """Look in another order for contacts without a moment.

        A server that sorts them behind all others, upwards and downwards, shows none of them in windows, and
        the count does not tell: one that was listed and has gone stands in for one of them. What both ends of
        another order show is all of 22,000 contacts, and of a larger account a sample.
        """
        self._undated_hide = False
        for order_by, direction in OTHER_ORDERS[:2]:
            for answer in self._in_order(None, order_by, direction):
                self._undated_hide |= answer[PLACED].null_count() > 0
                yield self._keep_new(answer)

    def _what_is_missing(self) -> str:
        listed = self._distinct()
        if self._since is not None:
            text = f"{listed:,} contacts were listed, but more may be there."
        else:
            text = f"The account counts {self.count_after:,} contacts and listed {listed:,}: "
            text += f"{self.missing:,} missing." if self.missing else "it never held still while it was read."
        if len(self._excess) == SWEEPS and len(set(self._excess)) == 1 and self.missing:
            return (
                f"{text} It counts {self.count_after:,}, lists {listed:,}, three times over, with no gap between the "
                "pages: the count seems to include contacts that no list gives, or the lists lag behind it. Pull again "
                'in a minute; if it stays so, pass trust="seams" to take what is listed for all. '
                "What arrived is in .frame."
            )
        if self._reader.unproven:
            text += " Contacts that share a created_at came in another order each time."
        for moment in dict.fromkeys(self._reader.crowded):
            shared = "have no created_at" if moment is None else f"share created_at {moment.isoformat()}"
            text += (
                f" More than {self._reader.caps.reach:,} contacts {shared}; the API can't list all of them."
            )
        return text + " Use .frame for what arrived, or pull again when less is written to the account."

    def _other_orders(self) -> Iterator[pl.DataFrame]:
        """Read what other orderings reach, until nothing is missing."""
        reader = self._reader
        cursors = dict.fromkeys(moment or self._since for moment in reader.crowded) or [self._since]
        for order_by, direction in OTHER_ORDERS:
            for cursor in cursors:
                for answer in self._in_order(cursor, order_by, direction):
                    yield self._keep_new(answer)
                if self._since is None and self._distinct_in_sweep() >= self.count_after:
                    return

    def _in_order(self, cursor: datetime | None, order_by: str, direction: str) -> list[pl.DataFrame]:
        """Read what offsets reach in another order; nothing where the server refuses it."""
        reader = self._reader
        pages = [
            reader.ask(cursor, offset, order_by=order_by, direction=direction)
            for offset in reader.caps.offsets(reader.caps.overlap)
        ]
        try:
            return [reader.result(page) for page in pages]
        except InvalidRequestError:
            refused = f"The server refuses to sort by {order_by}."
            if refused not in self._notes:
                self._notes.append(refused)
            return []

    def _unordered(self) -> Iterator[pl.DataFrame]:
        """Read what can be read where the server sorts as it likes: by offset, then from later cursors."""
        reader = self._reader
        self._is_page_smaller(reader.page(self._since, order_by=UNORDERED), UNORDERED)
        caps = reader.caps
        created = pl.Series("created_at", dtype=CONTACT_SCHEMA["created_at"])
        count_before = self.count_before
        for _ in range(SWEEPS):
            pages = self._listing(self._since)
            created = pl.concat([created, *(page["created_at"] for page in pages)])
            yield from (self._keep_new(page) for page in pages)
            self.count_after = reader.result(reader.count())
            is_end = pages[-1].height < caps.page
            is_proven = is_end and fit_together(pages, full=caps.page, overlap=caps.overlap) is not None
            reader.unproven = int(not is_proven)
            if self._is_shown(count_before):
                return
            if not is_end:
                break
            count_before = self.count_after
        if self._since is None:
            # A later cursor leaves fewer contacts to list, so those at the far end come within reach.
            for share in range(1, UNORDERED_CURSORS):
                cursor = created.quantile(share / UNORDERED_CURSORS, "lower")
                if self._distinct() < self.count_after and isinstance(cursor, datetime):
                    yield from (self._keep_new(page) for page in self._listing(cursor))
            self.count_after = reader.result(reader.count())
        if not self._is_shown(count_before):
            self.problem = f"The server ignores order_by=created_at. {self._what_is_missing()}"

    def _listing(self, cursor: datetime | None) -> list[pl.DataFrame]:
        """Read the pages that offsets reach, in the server's own order."""
        caps = self._reader.caps
        pages: list[pl.DataFrame] = []
        for offset in caps.offsets(caps.overlap):
            pages.append(self._reader.page(cursor, offset, order_by=UNORDERED))
            if pages[-1].height < caps.page:
                break
        return pages
