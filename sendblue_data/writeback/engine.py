"""The run: read the account, send what is open, read again, until every row has an outcome."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping

from sendblue_data._api.client import SendblueClient
from sendblue_data._shared.progress import ProgressBar
from sendblue_data.writeback.chunks import Chunks
from sendblue_data.writeback.fields import WRITABLE, Contact
from sendblue_data.writeback.journal import Journal
from sendblue_data.writeback.ledger import Ledger
from sendblue_data.writeback.lookup import ContactCache, Instant, now
from sendblue_data.writeback.reconcile import confirm, give_up, give_up_waiting, open_fields, reconcile
from sendblue_data.writeback.requests import Requests, stage
from sendblue_data.writeback.rows import WRITES, Kind, Options, Row, without
from sendblue_data.writeback.sending import StillFailingError, StoppedError

PATIENCE = 60.0
"""Seconds for which an account is asked, in all, for what it took and does not show yet: the vendor's own client goes
back 60 s for replicas that lag."""
FAILED_ROUNDS = 6
"""Rounds in which every request failed, after which the run is interrupted; it can be resumed."""
TRIED_ALONE = 12
"""Tries after which a row has been sent alone: if it still fails then, it is the row and not the server."""
_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 5.0
_FIRST_POLL = 0.2
_LONGEST_POLL = 10.0
_TITLES: dict[Kind, str] = {
    "create": "Creating contacts",
    "delete": "Deleting contacts",
    "update": "Updating contacts",
    "opt_out": "Writing opt-outs",
    "verify": "Sending verifications",
    "undo": "Undoing",
}


class Engine:
    """Carries out the open rows of one run over a client, its journal in hand.

    Args:
        client: the account.
        journal: of the run.
        rows: all of its rows.
        kind: what the run is for.
        options: how.
        ledger: the account's; None where it can't be read, and the run does nothing but opt people out.
        progress: show a bar.
        cancel: set it to send nothing more; the run is interrupted, and can be resumed.
        on_progress: called with the number of contacts written so far.
        resumed: the rows are from the journal, and requests of another process may be under way for them.
    """

    def __init__(
        self,
        client: SendblueClient,
        journal: Journal,
        rows: list[Row],
        kind: Kind,
        options: Options,
        *,
        ledger: Ledger | None,
        progress: bool = False,
        cancel: threading.Event | None = None,
        on_progress: Callable[[int], object] | None = None,
        resumed: bool = False,
    ) -> None:
        self._client = client
        self._journal = journal
        self._rows = rows
        self._kind = kind
        self._options = options
        self._ledger = ledger
        self._timeout = journal.timeout()
        self._cache = ContactCache(client, ledger, journal.run_id)
        self._cancel = cancel or threading.Event()
        self._on_progress = on_progress
        self._counting, self._written = threading.Lock(), 0
        self._is_draining = False
        self._inherited = {row.pos for row in rows if resumed and row.unanswered}
        for row in rows:
            if row.unanswered:
                row.take_over()
            if resumed and row.answered and stage(row) == "update":
                row.asked = tuple(name for name in WRITABLE if name != "opt_out")
        self._waited, self._poll, self._patience = 0.0, _FIRST_POLL, PATIENCE
        self._to_write = sum(row.action in WRITES and not row.done for row in rows)
        self._bar = ProgressBar(
            total=self._to_write, desc=_TITLES[kind], unit=" contacts", disable=not progress
        )

    def run(self, seen: Mapping[str, Contact] | None = None, seen_at: float | None = None) -> None:
        """Go on until every row has an outcome.

        Args:
            seen: the contacts of the open rows, if they were looked up before.
            seen_at: when that was, in epoch seconds.

        Raises:
            StillFailingError: the server can't be reached, or fails each request, or the run was cancelled.
            ApiError: a read failed for good, or the credentials were refused.
            JournalError: the journal or the ledger can't be written.
        """
        if seen is not None:
            at = now() if seen_at is None else _instant(seen_at)
            self._cache.note((row.phone for row in self._rows if row.phone), seen, at)
        self._carry_out(is_seen=seen is not None)

    def drain(self) -> None:
        """Wait until nothing that was sent can take effect any more, and send nothing but what protects meanwhile.

        Rows whose outcome the account shows are finished; the others stay open.
        """
        self._is_draining = True
        self._carry_out()

    def _carry_out(self, *, is_seen: bool = False) -> None:
        self._requests = Requests(
            self._client,
            self._journal,
            self._kind,
            cache=self._cache,
            reconcile=self._reconcile,
            rest=self._open_phones,
            wrote=self._wrote,
            cancel=self._cancel,
            only_opt_outs=self._is_draining,
        )
        self._chunks = Chunks(self._requests, self._options.chunk_size)
        try:
            self._rounds(is_seen=is_seen)
        finally:
            # What is on its way is waited for and written down.
            self._requests.stop()
            self._chunks.shut_down()
            self._requests.shut_down()
            done = sum(row.done and row.action in WRITES for row in self._rows)
            self._bar.n = min(done, self._to_write)
            self._bar.close()

    # Rounds

    def _rounds(self, *, is_seen: bool) -> None:
        failed_rounds = 0
        todo = [row for row in self._rows if not row.done]
        while todo or self._is_draining:
            if not is_seen:
                self._cache.refresh([row.phone for row in todo if row.phone])
            is_seen, before = False, len(todo)
            todo = self._reconcile(todo)
            if self._is_draining and not self._any_in_flight():
                return
            if len(todo) < before:
                self._waited = 0.0
            ready = [row for row in todo if self._is_ready(row)]
            if not ready:
                if todo or self._is_draining:
                    self._wait(todo)
                continue
            self._waited, self._poll = 0.0, _FIRST_POLL
            failed_rounds = failed_rounds + 1 if self._send(ready) else 0
            todo = [row for row in todo if not row.done]
            if failed_rounds >= FAILED_ROUNDS:
                self._cache.refresh([row.phone for row in todo if row.phone])
                todo = self._reconcile(todo)
                self._give_up([row for row in todo if self._is_ready(row)])
            if failed_rounds:
                self._pause(min(_FIRST_PAUSE * 2**failed_rounds, _LONGEST_PAUSE))

    def _send(self, rows: list[Row]) -> bool:
        """Send what is open of each row, opt-outs first and messages last; True when every request failed."""
        requests = self._requests
        requests.any_through = requests.any_failed = False
        updates = [row for row in rows if stage(row) == "update"]
        opt_outs = [row for row in updates if requests.missing(row)[:1] == ["opt_out"]]
        requests.update(opt_outs)
        self._chunks.create([row for row in rows if stage(row) == "create"])
        self._chunks.delete([row for row in rows if stage(row) == "delete"])
        requests.update(without(updates, opt_outs))
        requests.verify([row for row in rows if stage(row) == "verify"])
        return requests.any_failed and not requests.any_through

    def _give_up(self, rows: list[Row]) -> None:
        if any(row.tries < TRIED_ALONE for row in rows):
            raise StillFailingError(self._requests.last_error)
        for row in rows:
            give_up(row, self._cache.there(row.phone))
        self._journal.save(rows)

    def _reconcile(self, rows: list[Row]) -> list[Row]:
        """Finish the rows whose outcome is seen, write it down, and return those that are open."""
        rows = [row for row in rows if not row.done]
        before = [_state(row) for row in rows]
        held = self._cache.held(row.phone for row in rows if row.phone and not _clears(row))
        for row in rows:
            there = self._cache.there(row.phone)
            reconcile(row, there, held=row.phone in held, allow_unknown=self._options.allow_unknown)
            if row.done and row.status in ("created", "updated", "deleted"):
                confirm(row)
            elif there is not None and row.answered and not row.done and self._is_shown(row, there):
                row.answered, row.asked = False, ()  # and what else is open can be sent
        if self._ledger is not None:
            self._record_in_ledger([row for row in rows if row.done], self._ledger)
        if changed := [row for row, was in zip(rows, before, strict=True) if row.done or _state(row) != was]:
            self._journal.save(changed)
        return [row for row in rows if not row.done]

    def _record_in_ledger(self, done: list[Row], ledger: Ledger) -> None:
        """Keep in the ledger whom the run created, and whom it was told to opt back in."""
        ledger.record_created(row.left for row in done if row.status == "created" and row.left is not None)
        back_in = (row for row in done if _clears(row) and row.status in ("created", "updated", "unchanged"))
        ledger.record_in([row.phone for row in back_in], by=self._journal.run_id)

    def _is_shown(self, row: Row, there: Contact) -> bool:
        """Tell whether all that the last request carried is shown."""
        return bool(row.asked) and not set(row.asked).intersection(open_fields(row, there))

    def _is_ready(self, row: Row) -> bool:
        """Tell whether something is to be sent for a row now: not while it is under way, unless it protects."""
        is_there = stage(row) == "update"
        missing = self._requests.missing(row) if is_there else []
        if self._is_draining or (row.pos in self._inherited and self._is_in_flight(row)):
            return missing[:1] == ["opt_out"] and row.wanted["opt_out"] is True
        return bool(missing) if is_there else not row.answered

    def _is_in_flight(self, row: Row) -> bool:
        return row.in_flight_for(self._timeout) > 0

    def _any_in_flight(self) -> bool:
        return any(map(self._is_in_flight, self._rows))

    # Waiting

    def _wait(self, rows: list[Row]) -> None:
        """Pause until the account may show more, or what is under way for rows of a resumed run is over."""
        waiting = [row for row in rows if row.answered and not self._is_draining]
        if waiting and self._waited >= self._patience:
            for row in waiting:
                give_up_waiting(row, self._cache.there(row.phone))
            self._journal.save(waiting)
            self._patience = PATIENCE / 6  # for the other call that opts out
            return
        in_flight = filter(self._is_in_flight, self._rows if self._is_draining else rows)
        left = [row.in_flight_for(self._timeout) for row in in_flight]
        pause = self._poll
        if waiting:
            pause = min(pause, self._patience - self._waited)
            self._waited += pause
        elif left:
            pause = min(pause, max(left))
        self._poll = min(2 * self._poll, _LONGEST_POLL)
        self._bar.set_postfix_str("waiting for the account" if waiting else "waiting for requests under way")
        self._pause(pause)
        self._bar.set_postfix_str("")

    def _pause(self, seconds: float) -> None:
        if self._cancel.wait(seconds):
            raise StoppedError

    # What is told

    def _open_phones(self) -> Iterator[str]:
        return (row.phone for row in self._rows if row.phone and not row.done)

    def _wrote(self, contacts: int) -> None:
        if not contacts:
            return
        with self._counting:
            self._bar.update(contacts)
            self._written += contacts
            if self._on_progress is not None:
                self._on_progress(self._written)


def _clears(row: Row) -> bool:
    """Tell whether somebody said of this person that they are back in: `opt_back_in=True`."""
    return row.wanted.get("opt_out") is False


def _state(row: Row) -> tuple[object, ...]:
    return row.action, row.created_by_run, row.answered, row.wanted, row.before


def _instant(epoch: float) -> Instant:
    """Return when an earlier read was, told by the wall's clock."""
    return time.monotonic() - max(time.time() - epoch, 0.0), epoch
