"""The run: look at the account, send what is open, look again, until every row has an outcome."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from functools import partial
from itertools import groupby
from typing import Any

from tqdm.auto import tqdm

from sendblue_data.client import SendblueClient
from sendblue_data.errors import AuthenticationError, RateLimitedError
from sendblue_data.writeback.account import look
from sendblue_data.writeback.fields import BULK_FIELDS, LATER_FIELDS, Contact, lacking
from sendblue_data.writeback.journal import Journal
from sendblue_data.writeback.rows import WRITES, Kind, Options, Row
from sendblue_data.writeback.sending import Outcome, Sender, Stopped
from sendblue_data.writeback.settling import NO_EFFECT, give_up, settle

CHUNKS_AT_ONCE = 4
"""Bulk requests under way at one time: their phones are distinct, so their order does not matter."""
GROUP = 64
"""Contacts whose single calls are written down together before they are sent."""
FAILED_ROUNDS = 6
"""Rounds in which every request failed, after which the run is interrupted; it can be resumed."""
REFUSED_ALONE = 20
"""Rows refused one by one with none taken, after which a chunk that is refused is only sampled."""
SAMPLE = 3
"""Rows of such a chunk that are sent alone: it is halved only if the server takes one of them."""
TRIED_ALONE = 12
"""Tries after which a row has been sent alone: if it still fails then, it is the row and not the server."""
MOST_CONFLICTS = 8
"""409s, the last of them for the row alone, of a row that the account does not show."""
_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 5.0


class StillFailingError(Exception):
    """Nothing gets through; says what came last."""


class Engine:
    """Carries out the open rows of one run over a client, its journal in hand."""

    def __init__(
        self,
        client: SendblueClient,
        journal: Journal,
        rows: list[Row],
        kind: Kind,
        options: Options,
        *,
        progress: bool,
    ) -> None:
        self._client = client
        self._journal = journal
        self._rows = rows
        self._kind = kind
        self._sender = Sender(client)
        self._size = options.chunk_size
        self._size_lock = threading.Lock()
        self._seen: Mapping[str, Contact] = {}
        self._got_through = self._failed = self._any_taken = False
        self._refused_alone = 0
        self._last_error = ""
        to_write = sum(row.action in WRITES and not row.done for row in rows)
        self._bar: tqdm[Any] = tqdm(
            total=to_write, desc=_TITLES[kind], unit=" contacts", disable=not progress
        )

    def run(self, seen: Mapping[str, Contact] | None = None) -> None:
        """Go on until every row has an outcome.

        Args:
            seen: the contacts of the open rows, if they were looked up just now.

        Raises:
            StillFailingError: the server can't be reached, or fails each request.
            ApiError: a read failed for good, or the credentials were refused.
            JournalError: the journal can't be written.
        """
        workers = max(1, min(CHUNKS_AT_ONCE, self._client.max_connections))
        bulk = ThreadPoolExecutor(workers, thread_name_prefix="sendblue-bulk")
        single = ThreadPoolExecutor(self._client.max_connections, thread_name_prefix="sendblue-single")
        self._bulk_pool, self._single_pool = bulk, single
        try:
            self._rounds(seen)
        finally:
            # What is on its way is waited for and written down; nothing more is sent.
            self._sender.stopped.set()
            bulk.shutdown(cancel_futures=True)
            single.shutdown(cancel_futures=True)
            self._bar.n = min(
                sum(row.done and row.action in WRITES for row in self._rows), self._bar.total or 0
            )
            self._bar.close()

    def settle(self, seen: Mapping[str, Contact]) -> list[Row]:
        """Finish the rows whose outcome the account shows, write it down, and give the rest."""
        self._seen = seen
        rows = [row for row in self._rows if not row.done]
        for row in rows:
            settle(row, seen.get(row.phone or ""))
        self._journal.save(rows)
        return [row for row in rows if not row.done]

    def _rounds(self, seen: Mapping[str, Contact] | None) -> None:
        failed_rounds = 0
        while True:
            if seen is None:
                seen = look(self._client, [row.number for row in self._rows if not row.done]).contacts
            todo = self.settle(seen)
            seen = None
            if not todo:
                return
            self._got_through = self._failed = False
            self._send_round(todo)
            failed_rounds = failed_rounds + 1 if self._failed and not self._got_through else 0
            if failed_rounds >= FAILED_ROUNDS:
                seen = look(self._client, [row.number for row in self._rows if not row.done]).contacts
                self._give_up(self.settle(seen))
            if failed_rounds:
                self._sender.stopped.wait(min(_FIRST_PAUSE * 2**failed_rounds, _LONGEST_PAUSE))

    def _give_up(self, rows: list[Row]) -> None:
        if any(row.tries < TRIED_ALONE for row in rows):
            raise StillFailingError(self._last_error)
        for row in rows:
            give_up(row, self._seen.get(row.number))
        self._journal.save(rows)

    def _send_round(self, todo: list[Row]) -> None:
        calls = [row for row in todo if row.action == "update" or row.made]
        opt_outs = [row for row in calls if "opt_out" in self._open_fields(row)]
        creates = [row for row in todo if row.action == "create" and not row.made]
        deletes = [row for row in todo if row.action == "delete"]
        verifies = [row for row in todo if row.action == "verify"]
        self._update(opt_outs)
        self._in_chunks("create", creates, self._create)
        self._in_chunks("delete", deletes, self._delete)
        self._update(_without(calls, opt_outs))
        self._verify(verifies)

    # Bulk requests

    def _create(self, rows: list[Row]) -> object:
        fields = [
            {
                "phone": row.phone,
                **{name: row.wanted[name] for name in BULK_FIELDS if row.wanted.get(name) is not None},
            }
            for row in rows
        ]
        return self._client.bulk_create_contacts(fields)

    def _delete(self, rows: list[Row]) -> object:
        return self._client.bulk_delete_contacts([row.number for row in rows])

    def _in_chunks(self, kind: str, rows: list[Row], write: Callable[[list[Row]], object]) -> None:
        """Send rows in chunks, those that failed before in smaller ones, a few chunks at once."""
        ordered = sorted(rows, key=self._size_for, reverse=True)
        chunks = [
            chunk
            for size, group in groupby(ordered, key=self._size_for)
            for chunk in _pieces(list(group), size)
        ]
        self._all(self._bulk_pool.submit(self._chunk, kind, chunk, write) for chunk in chunks)

    def _size_for(self, row: Row) -> int:
        """Rows that go on failing are sent with fewer and fewer others, so that one does not hold up many."""
        if row.alone:
            return 1
        return max(1, self._size >> max(0, row.tries - 2, row.conflicts - 1))

    def _chunk(self, kind: str, rows: list[Row], write: Callable[[list[Row]], object]) -> bool:
        """Send a chunk; halve it where it is refused. True when it was taken whole."""
        if len(rows) > self._size:
            pieces = _pieces(rows, self._size)
            taken = [self._chunk(kind, piece, write) for piece in pieces]  # every one, taken or not
            return all(taken)
        outcome = self._request(kind, rows, lambda: write(rows))
        if kind == "create" and outcome.may_have_applied:
            # At once, and whatever the answer was: until then these people could be texted.
            self._opt_out_now([row for row in rows if row.wanted.get("opt_out") is True])
        if outcome.end == "answered":
            self._any_taken = True
            self._bar.update(len(rows))
            return True
        if outcome.end not in ("refused", "too large", "gone"):
            return False
        if len(rows) == 1:
            self._refuse_one(rows[0], outcome)
            return False
        if outcome.end == "refused" and not self._any_taken and self._refused_alone >= REFUSED_ALONE:
            rows = self._sampled(kind, rows, write, outcome)
            if len(rows) < 2:  # noqa: PLR2004 -- there is nothing to halve
                for row in rows:
                    self._chunk(kind, [row], write)
                return False
        half = (len(rows) + 1) // 2
        if outcome.end == "too large":
            self._shrink(half)
        taken = [self._chunk(kind, part, write) for part in (rows[:half], rows[half:])]
        if outcome.end == "refused" and all(taken):
            self._shrink(half)  # it was not a row of it that was refused, but its size
        return False

    def _sampled(
        self, kind: str, rows: list[Row], write: Callable[[list[Row]], object], outcome: Outcome
    ) -> list[Row]:
        """Send a few rows of a refused chunk alone; reject the others if none is taken, else give them back."""
        sample = [rows[0], rows[len(rows) // 2], rows[-1]] if len(rows) > SAMPLE else rows
        others = _without(rows, sample)
        for row in sample:
            self._chunk(kind, [row], write)
        if self._any_taken:
            return others
        for row in others:
            row.finish(
                "rejected",
                f"the server refused every row that was sent alone so far, and this one with others: {outcome.note}",
            )
        self._journal.save(others)
        return []

    def _refuse_one(self, row: Row, outcome: Outcome) -> None:
        if outcome.end == "gone":
            row.tries += 1  # the account is asked next, and decides
            return
        self._refused_alone += 1
        row.finish("rejected", f"the server refused it: {outcome.note}")
        self._journal.save([row])

    def _shrink(self, size: int) -> None:
        with self._size_lock:
            self._size = min(self._size, size)

    def _request(self, kind: str, rows: list[Row], write: Callable[[], object]) -> Outcome:
        """Send one request for rows, written down before and after."""
        before = [row.sent for row in rows]
        for row in rows:
            row.sent, row.answered = True, False
        request_id = self._journal.sending(kind, rows)
        try:
            outcome = self._sender.send(write)
        except (Stopped, AuthenticationError, RateLimitedError) as error:
            outcome = Outcome("failed", str(error) or "not sent: the run was stopped")
            self._note_end(rows, before, outcome)
            self._journal.answered(request_id, "refused", outcome.note, rows)
            raise
        self._note_end(rows, before, outcome)
        state = outcome.end if outcome.end in ("answered", "lost") else "refused"
        self._journal.answered(request_id, state, outcome.note, rows)
        return outcome

    def _note_end(self, rows: list[Row], was_sent: list[bool], outcome: Outcome) -> None:
        for row, was in zip(rows, was_sent, strict=True):
            row.sent = was or outcome.may_have_applied
            row.answered = outcome.end == "answered"
            row.tries += outcome.end in ("lost", "failed")
            row.conflicts += outcome.end == "conflict"
            if outcome.note:
                row.last_error = outcome.note
            if outcome.end == "conflict" and row.conflicts >= MOST_CONFLICTS and len(rows) == 1:
                row.finish(
                    "rejected", f"the server says it exists, the account does not show it: {outcome.note}"
                )
        self._count(outcome)

    def _count(self, outcome: Outcome) -> None:
        if outcome.end in ("lost", "failed"):
            self._failed, self._last_error = True, outcome.note
        else:
            self._got_through = True

    # Calls for one contact each

    def _opt_out_now(self, rows: list[Row]) -> None:
        """Write opt-outs right after the chunk that created them; the next look sees what failed."""
        for group in _pieces(rows, GROUP):
            request_id = self._journal.sending("opt_out", group, is_main=False)
            outcomes = self._all(
                self._single_pool.submit(
                    self._sender.send,
                    partial(self._client.update_contact, row.number, opt_out=True),
                    protects=True,
                )
                for row in group
            )
            for row, outcome in zip(group, outcomes, strict=True):
                if outcome.end not in ("answered", "gone"):
                    row.last_error = outcome.note
            self._journal.answered(request_id, *_ended(outcomes), group)

    def _open_fields(self, row: Row) -> list[str]:
        fields = LATER_FIELDS if row.made else tuple(row.wanted)
        return lacking(row.wanted, self._seen.get(row.number, {}), fields)

    def _update(self, rows: list[Row]) -> None:
        """Write the open fields of contacts, a call each."""
        for group in _pieces(rows, GROUP):
            asked = [self._fields_now(row) for row in group]
            before = [row.sent for row in group]
            for row in group:
                row.sent, row.answered = True, False
            request_id = self._journal.sending("update", group, is_main=self._kind != "create")
            outcomes = self._all(
                self._single_pool.submit(self._sender.send, partial(self._call, row, fields))
                for row, fields in zip(group, asked, strict=True)
            )
            for row, fields, was, outcome in zip(group, asked, before, outcomes, strict=True):
                row.sent = was or outcome.may_have_applied
                row.answered = outcome.end == "answered"
                if outcome.note:
                    row.last_error = outcome.note
                if outcome.end in ("refused", "conflict", "too large"):
                    _refuse_fields(row, list(fields), outcome)
                elif outcome.end != "answered":
                    row.tries += 1
                self._count(outcome)
            self._journal.answered(request_id, *_ended(outcomes), group)
            self._bar.update(
                sum(
                    not row.made and outcome.end == "answered"
                    for row, outcome in zip(group, outcomes, strict=True)
                )
            )

    def _fields_now(self, row: Row) -> dict[str, Any]:
        fields = sorted(self._open_fields(row), key=lambda name: name != "opt_out")
        return {name: row.wanted[name] for name in (fields[:1] if row.alone else fields)}

    def _call(self, row: Row, fields: dict[str, Any]) -> object:
        # The API has two ways to set an opt-out; where one had no effect, the other is taken.
        by_own_call = (self._kind == "opt_out") != bool(row.tries // NO_EFFECT % 2)
        if "opt_out" in fields and by_own_call and (len(fields) == 1 or row.tries >= NO_EFFECT):
            return self._client.opt_out_contact(row.number, opted_out=fields["opt_out"])
        return self._client.update_contact(row.number, **fields)

    def _verify(self, rows: list[Row]) -> None:
        """Send verification messages: few at a time, since one whose answer is lost is never sent again."""
        for group in _pieces(rows, self._client.max_connections):
            for row in group:
                row.sent = True
            request_id = self._journal.sending("verify", group)
            futures = [
                self._single_pool.submit(self._sender.send, partial(self._client.verify_contact, row.number))
                for row in group
            ]
            wait(futures)
            for row, future in zip(group, futures, strict=True):
                _note_message(row, future)
            ended = [future.result() for future in futures if future.exception() is None]
            self._journal.answered(request_id, *_ended(ended), group)
            outcomes = self._all(futures)
            for outcome in outcomes:
                self._count(outcome)
            self._bar.update(len(group))

    def _all(self, futures: Iterable[Future[Any]]) -> list[Any]:
        """Wait for all; the first that raises stops the rest."""
        listed = list(futures)
        done, _ = wait(listed, return_when=FIRST_EXCEPTION)
        if any(future.exception() is not None for future in done):
            self._sender.stopped.set()
            wait(listed)
            errors = [error for future in listed if (error := future.exception()) is not None]
            raise next((error for error in errors if not isinstance(error, Stopped)), errors[0])
        return [future.result() for future in listed]


_TITLES: dict[Kind, str] = {
    "create": "Creating contacts",
    "delete": "Deleting contacts",
    "update": "Updating contacts",
    "opt_out": "Writing opt-outs",
    "verify": "Sending verifications",
    "undo": "Undoing",
}


def _pieces(rows: list[Row], size: int) -> list[list[Row]]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def _without(rows: list[Row], others: list[Row]) -> list[Row]:
    positions = {row.pos for row in others}
    return [row for row in rows if row.pos not in positions]


def _ended(outcomes: list[Outcome]) -> tuple[str, str]:
    """Give one state, and one note, of calls that were written down together: the worst, for whoever reads it."""
    for state in ("lost", "answered"):
        for outcome in outcomes:
            if outcome.end == state:
                return state, outcome.note
    return "refused", outcomes[0].note if outcomes else "not sent"


def _refuse_fields(row: Row, fields: list[str], outcome: Outcome) -> None:
    """Several fields refused together are tried one by one; one refused is given up, an opt-out last."""
    if len(fields) > 1:
        row.alone = True
    elif fields == ["opt_out"]:
        row.tries += NO_EFFECT
    else:
        row.wanted = {name: value for name, value in row.wanted.items() if name not in fields}
        row.note(f"the server refused {fields[0]}: {outcome.note}")


def _note_message(row: Row, future: Future[Outcome]) -> None:
    if future.exception() is not None:
        row.sent = False  # it never left
        return
    outcome = future.result()
    row.sent = outcome.may_have_applied
    row.last_error = outcome.note
    if outcome.end == "answered":
        row.finish("updated", "verification message sent")
    elif outcome.end == "lost":
        row.finish(
            "unknown", f"a verification message may have gone out; it is not sent twice ({outcome.note})"
        )
    elif outcome.end == "failed":
        row.tries += 1
    else:
        row.finish("rejected", f"no message was sent: {outcome.note}")
