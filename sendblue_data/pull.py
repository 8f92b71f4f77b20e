"""pull_contacts: every contact of an account, each once, or a clear word on what could not be shown."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from typing import Any, Literal, overload

import polars as pl
from tqdm.auto import tqdm

from sendblue_data.client import SendblueClient
from sendblue_data.contacts import CONTACT_SCHEMA
from sendblue_data.errors import ConfigurationError, IncompletePullError
from sendblue_data.evidence import PullEvidence
from sendblue_data.windows import (
    API_CAPS,
    AccountNeverStill,
    OrderIgnored,
    Reader,
    drop_repeats,
    join_at_seams,
    keys,
)

SWEEPS = 3
"""How often an account is read, at most, until the counts agree."""
OTHER_ORDERS = tuple(
    name for name in CONTACT_SCHEMA if name not in {"created_at", "custom_variables", "tags"}
)
"""Fields to sort by where `created_at` can't reach all."""
UNORDERED = "contact_id"
"""What to ask for where `created_at` is ignored; it need not be honoured either."""
UNORDERED_CURSORS = 8


@overload
def pull_contacts(
    client: SendblueClient,
    *,
    since: datetime | date | str | None = None,
    progress: bool = True,
    allow_incomplete: bool = False,
    with_evidence: Literal[False] = False,
) -> pl.DataFrame: ...
@overload
def pull_contacts(
    client: SendblueClient,
    *,
    since: datetime | date | str | None = None,
    progress: bool = True,
    allow_incomplete: bool = False,
    with_evidence: Literal[True],
) -> tuple[pl.DataFrame, PullEvidence]: ...
def pull_contacts(
    client: SendblueClient,
    *,
    since: datetime | date | str | None = None,
    progress: bool = True,
    allow_incomplete: bool = False,
    with_evidence: bool = False,
) -> pl.DataFrame | tuple[pl.DataFrame, PullEvidence]:
    """Pull every contact of the account into one frame.

    The API lists at most 11,000 contacts by offset; this goes on from there by keyset windows on
    `created_at`, and checks that neighbouring pages fit together and that the account's own count agrees.
    A contact that was there all the while is in the frame; one created or deleted meanwhile may be or not.

    Args:
        client: the account.
        since: only contacts created at or after this moment (a moment without an offset is UTC). Merge the
            result into an earlier frame by `merge_contacts`. Such a pull can't see updates, opt-outs or
            deletions of contacts that were created before: pull everything before you report a rate. And
            the API has no count for a part of the account, so only the seams between pages are checked.
        progress: show a bar, in a notebook or a terminal.
        allow_incomplete: give what arrived instead of raising `IncompletePullError`.
        with_evidence: give `(frame, PullEvidence)`.

    Returns:
        A contacts frame (`CONTACT_SCHEMA`), a row a contact, the oldest first.

    Raises:
        IncompletePullError: contacts are missing, or can't be shown not to be. Its `.frame` has those that
            arrived, `.expected` the account's count, `.missing` how many it lacks.
        ApiError: a request failed for good.

    Example:
        >>> from sendblue_data.sandbox import Sandbox
        >>> with Sandbox(contacts=120, seed=1) as sandbox, sandbox.client() as client:
        ...     frame, evidence = pull_contacts(client, progress=False, with_evidence=True)
        >>> frame.height, evidence.complete
        (120, True)
    """
    pull = _Pull(client, _moment(since), progress=progress)
    windows = list(pull.windows())
    frame = drop_repeats(pl.concat([CONTACT_SCHEMA.to_frame(), *windows]))
    if pull.problem and not allow_incomplete:
        raise IncompletePullError(pull.problem, frame=frame, expected=pull.count_after, missing=pull.missing)
    return (frame, pull.evidence()) if with_evidence else frame


def iter_contacts(
    client: SendblueClient,
    *,
    since: datetime | date | str | None = None,
    progress: bool = True,
    allow_incomplete: bool = False,
) -> Generator[pl.DataFrame, None, PullEvidence]:
    """Pull every contact, a frame at a time, for accounts that don't fit in memory.

    Args:
        client: the account.
        since: as in `pull_contacts`.
        progress: show a bar.
        allow_incomplete: end quietly where contacts are missing.

    Yields:
        Contacts frames of up to about 11,000 rows, each contact in one of them, the oldest first (what a
        second look brings to light comes last).

    Returns:
        The `PullEvidence`, as the generator's return value.

    Raises:
        IncompletePullError: at the end, after the last frame; its `.frame` is empty.
        ApiError: a request failed for good.

    Example:
        >>> from sendblue_data.sandbox import Sandbox
        >>> with Sandbox(contacts=120, seed=1) as sandbox, sandbox.client() as client:
        ...     sum(frame.height for frame in iter_contacts(client, progress=False))
        120
    """
    pull = _Pull(client, _moment(since), progress=progress)
    yield from pull.windows()
    if pull.problem and not allow_incomplete:
        raise IncompletePullError(
            pull.problem, frame=CONTACT_SCHEMA.to_frame(), expected=pull.count_after, missing=pull.missing
        )
    return pull.evidence()


def merge_contacts(old: pl.DataFrame, new: pl.DataFrame) -> pl.DataFrame:
    """Merge an incremental pull into an earlier frame: a row of `new` replaces the same contact's in `old`.

    Contacts are the same when their `contact_id` or their `phone` is. What `new` can't know stays as it was
    in `old`: see `since` in `pull_contacts`.

    Args:
        old: the earlier contacts frame.
        new: the later one.

    Returns:
        A contacts frame: the rows of `old` that `new` doesn't replace, then those of `new`.

    Example:
        >>> from sendblue_data.contacts import contacts_frame
        >>> old = contacts_frame([{"phone": "+12125550100"}, {"phone": "+12125550101"}])
        >>> new = contacts_frame([{"phone": "+12125550101", "opt_out": True}])
        >>> merge_contacts(old, new).select("phone", "opt_out").rows()
        [('+12125550100', None), ('+12125550101', True)]
    """
    replaced = pl.any_horizontal(
        pl.col(name).is_in(new[name].drop_nulls().implode()).fill_null(value=False)
        for name in ("contact_id", "phone")
    )
    return pl.concat([old.filter(~replaced), new])


def _moment(since: datetime | date | str | None) -> datetime | None:
    if since is None:
        return None
    if isinstance(since, str):
        try:
            since = datetime.fromisoformat(since)
        except ValueError:
            raise ConfigurationError(
                f"since is {since!r}: expected a moment in ISO 8601, such as 2026-01-31T09:00:00Z."
            ) from None
    if not isinstance(since, datetime):
        since = datetime(since.year, since.month, since.day)  # noqa: DTZ001 -- made UTC below
    return since.astimezone(UTC) if since.tzinfo else since.replace(tzinfo=UTC)


class _Pull:
    """One pull: the sweeps over the account, and the reconciliation with its count."""

    def __init__(self, client: SendblueClient, since: datetime | None, *, progress: bool) -> None:
        # Connections of its own, so that Ctrl-C can break them off and leave the client usable.
        self._client = client.stoppable()
        self._since = since
        self._progress = progress
        self._seen: list[pl.Series] = []
        self._newest: datetime | None = since
        self._notes: list[str] = []
        self._started = self._finished = datetime.now(UTC)
        self.count_before = self.count_after = 0
        self.problem: str | None = None
        self.missing = 0

    def windows(self) -> Iterator[pl.DataFrame]:
        """Give frames of contacts, each contact once; then `problem` says what is missing, if anything."""
        self._started = datetime.now(UTC)
        pool = ThreadPoolExecutor(self._client.max_connections, thread_name_prefix="sendblue-pull")
        self._reader = Reader(self._client, pool, API_CAPS)
        bar: tqdm[Any] = tqdm(desc="Pulling contacts", unit=" contacts", disable=not self._progress)
        try:
            for rows in self._all(pool, bar):
                bar.update(rows.height)
                if rows.height:
                    yield rows
        except BaseException:
            self._client.abort()
            raise
        finally:
            pool.shutdown(cancel_futures=True)
            self._client.close()
            bar.close()
            self._finished = datetime.now(UTC)

    def evidence(self) -> PullEvidence:
        """Certify what was done."""
        reader = self._reader
        return PullEvidence(
            account=self._client.account,
            requests=self._client.requests,
            pages=reader.pages,
            windows=reader.windows,
            retaken=reader.retaken,
            repeats_dropped=reader.repeats,
            count_before=self.count_before,
            count_after=self.count_after,
            contacts=self._distinct(),
            complete=self.problem is None,
            started=self._started,
            finished=self._finished,
            since=self._since,
            notes=tuple(self._notes),
        )

    def _all(self, pool: ThreadPoolExecutor, bar: tqdm[Any]) -> Iterator[pl.DataFrame]:
        reader = self._reader
        counted = pool.submit(self._client.count_contacts)
        first = reader.ask(self._since, 0)
        self.count_before = counted.result()
        # Enough for every sweep and every other order; an account that needs more never holds still.
        reader.most_pages = 400 + (SWEEPS + 2) * (self.count_before // reader.caps.step + 1)
        if self._since is None:
            bar.total = self.count_before
        expected = self.count_before if self._since is None else None
        try:
            for rows in reader.walk(self._since, expected, first):
                yield self._note(rows)
            if reader.windows > 1 and self._since is None:
                yield self._fresh(self._undated())
            yield from self._reconcile()
        except OrderIgnored:
            self._notes.append("The server does not sort by created_at as asked; read by offset alone.")
            yield from self._unordered()
        except AccountNeverStill:
            self.count_after = self._client.count_contacts()
            self.missing = max(self.count_after - self._distinct(), 0)
            self.problem = (
                f"The account never held still: {reader.most_pages:,} pages were read of "
                f"{self.count_before:,} contacts (now {self.count_after:,}), and it still went on. "
                "Pull when less is written to it."
            )

    def _note(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Remember which contacts came, by a hash: eight bytes a contact."""
        self._seen.append(keys(rows).hash())
        latest = rows["created_at"].max()
        if isinstance(latest, datetime) and (self._newest is None or latest > self._newest):
            self._newest = latest
        return rows

    def _fresh(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Keep the contacts that have not come before."""
        rows = drop_repeats(rows)
        seen = pl.concat([pl.Series(dtype=pl.UInt64), *self._seen])
        fresh = rows.filter(~keys(rows).hash().is_in(seen.implode()))
        self._reader.repeats += rows.height - fresh.height
        return self._note(fresh)

    def _distinct(self) -> int:
        return pl.concat([pl.Series(dtype=pl.UInt64), *self._seen]).n_unique()

    def _reconcile(self) -> Iterator[pl.DataFrame]:
        """Compare with the account's count, and look again for what is missing."""
        reader = self._reader
        for sweep in range(1, SWEEPS + 1):
            self.count_after = self._client.count_contacts()
            if self._is_shown():
                return
            if sweep == SWEEPS:
                break
            # Created since the last window was read? Then the newest end has them.
            yield self._fresh(reader.one_by_one(self._newest))
            self.count_after = self._client.count_contacts()
            if self._is_shown():
                return
            if reader.crowded:
                yield from self._other_orders()
                self.count_after = self._client.count_contacts()
                break
            reader.unproven = 0
            yield self._fresh(self._undated())
            for rows in reader.walk(self._since, self.count_after):
                yield self._fresh(rows)
            yield from () if self._is_shown() else self._other_orders()
        if not self._is_shown():
            self.problem = self._what_is_missing()

    def _is_shown(self) -> bool:
        """Tell whether nothing can be missing: every window proven, and as many contacts as are counted."""
        if self._since is not None:
            # There is no count to compare with: the seams are the proof.
            return not self._reader.crowded and not self._reader.unproven
        distinct = self._distinct()
        self.missing = max(self.count_after - distinct, 0)
        if distinct == self.count_after:
            return True
        return not self.missing and not self._reader.unproven and not self._reader.crowded

    def _what_is_missing(self) -> str:
        distinct = self._distinct()
        if self._since is not None:
            text = f"{distinct:,} contacts were listed, but more may be there."
        else:
            text = f"The account counts {self.count_after:,} contacts and listed {distinct:,}: "
            text += f"{self.missing:,} missing." if self.missing else "it never held still while it was read."
        for moment in self._reader.crowded:
            shared = "have no created_at" if moment is None else f"share created_at {moment.isoformat()}"
            text += (
                f" More than {self._reader.caps.reach:,} contacts {shared}; the API can't list all of them."
            )
        return text + " Use .frame for what arrived, or pull again when less is written to the account."

    def _undated(self) -> pl.DataFrame:
        """Read the contacts without `created_at`, which a cursor leaves out, from either end."""
        caps = self._reader.caps
        found = [CONTACT_SCHEMA.to_frame()]
        for direction in ("asc", "desc"):
            for offset in caps.offsets(caps.step):
                page = self._reader.page(None, offset, direction=direction)
                undated = page.filter(pl.col("created_at").is_null())
                found.append(undated)
                if undated.height < caps.page:
                    break
        return pl.concat(found)

    def _other_orders(self) -> Iterator[pl.DataFrame]:
        """Read what other orderings reach, until nothing is missing."""
        caps = self._reader.caps
        crowds: list[datetime | None] = [moment for moment in self._reader.crowded if moment is not None]
        for order_by in OTHER_ORDERS:
            for direction in ("asc", "desc"):
                for cursor in crowds or [self._since]:
                    for offset in caps.offsets(caps.step):
                        page = self._reader.page(cursor, offset, order_by=order_by, direction=direction)
                        yield self._fresh(page)
                        if page.height < caps.page:
                            break
                    if self._since is None and self._distinct() >= self.count_after:
                        return

    def _unordered(self) -> Iterator[pl.DataFrame]:
        """Read what can be read where the server sorts as it likes: by offset, then from later cursors."""
        caps = self._reader.caps
        created = pl.Series("created_at", dtype=CONTACT_SCHEMA["created_at"])
        for _ in range(SWEEPS):
            pages = self._listing(self._since)
            created = pl.concat([created, *(page["created_at"] for page in pages)])
            yield from (self._fresh(page) for page in pages)
            self.count_after = self._client.count_contacts()
            is_whole = pages[-1].height < caps.page and join_at_seams(pages, caps.page) is not None
            if is_whole and self._is_shown():
                return
            if pages[-1].height == caps.page:
                break
        if self._since is None:
            # A later cursor leaves fewer contacts to list, so those at the far end come within reach.
            for share in range(1, UNORDERED_CURSORS):
                cursor = created.quantile(share / UNORDERED_CURSORS, "lower")
                if self._distinct() < self.count_after and isinstance(cursor, datetime):
                    yield from (self._fresh(page) for page in self._listing(cursor))
            self.count_after = self._client.count_contacts()
        if self._since is not None or self._distinct() != self.count_after:
            self.missing = max(self.count_after - self._distinct(), 0) if self._since is None else 0
            self.problem = f"The server ignores order_by=created_at. {self._what_is_missing()}"

    def _listing(self, cursor: datetime | None) -> list[pl.DataFrame]:
        """Read the pages that offsets reach, in the server's own order."""
        pages: list[pl.DataFrame] = []
        for offset in self._reader.caps.offsets(self._reader.caps.step):
            pages.append(self._reader.page(cursor, offset, order_by=UNORDERED))
            if pages[-1].height < self._reader.caps.page:
                break
        return pages
