"""The requests of a run: bulk ones in chunks, others a call a contact; each written down before it leaves."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from functools import partial
from itertools import groupby
from typing import Any, Self

from sendblue_data.client import SendblueClient
from sendblue_data.errors import ApiError, AuthenticationError
from sendblue_data.writeback import lookout
from sendblue_data.writeback.agreeing import open_fields
from sendblue_data.writeback.attempts import KEPT_BACK, NOT_SENT, Attempt, ended, not_sent
from sendblue_data.writeback.fields import BULK_FIELDS, LATER_FIELDS, WRITABLE, Contact
from sendblue_data.writeback.journal import Journal
from sendblue_data.writeback.ledger import Ledger
from sendblue_data.writeback.lookout import Lookout, StaleError
from sendblue_data.writeback.reconcile import NO_EFFECT
from sendblue_data.writeback.rows import Kind, Row
from sendblue_data.writeback.sending import Outcome, Sender, Stopped

CHUNKS_AT_ONCE = 4
"""Bulk requests under way at one time: their phones are distinct, so their order does not matter."""
GROUP = 64
"""Contacts whose single calls are written down together before they are sent."""
REFUSED_ALONE = 20
"""Rows refused one by one with none taken, after which a chunk that is refused is only sampled."""
SAMPLE = 3
"""Rows of such a chunk that are sent alone: it is halved only if the server takes one of them."""
MOST_CONFLICTS = 8
"""409s, the last of them for the row alone, of a row that the account does not show."""
MOST_TURNS = 40
"""Times in a row that a request is turned away, or waits until its look is old, before the run is interrupted."""
_TURNED_AWAY = "the server turns every request away."
_FORBIDDEN = 403
_SAYS_OUT = re.compile(r"\bOPTED[_ ]OUT\b|\bopted out\b")

Write = Callable[[list[Row]], Any]


class StillFailingError(Exception):
    """Nothing gets through, or nothing more is to be sent; says what came last."""


class Requests:
    """Sends what is open of a run's rows.

    Args:
        client: the account.
        journal: of the run.
        kind: what the run is for.
        chunk_size: contacts in one request, at most.
        seen: what was last seen of the contacts.
        ledger: the account's, None where it can't be read.
        judge: settles rows by the last look, and returns those that are still open.
        rest: gives the phones of all open rows, to be looked at in passing.
        wrote: told how many more contacts were written.
        cancel: set from outside to send nothing more.
        only_opt_outs: send nothing else.
    """

    def __init__(
        self,
        client: SendblueClient,
        journal: Journal,
        kind: Kind,
        chunk_size: int,
        *,
        seen: Lookout,
        ledger: Ledger | None,
        judge: Callable[[list[Row]], list[Row]],
        rest: Callable[[], Iterable[str]],
        wrote: Callable[[int], None],
        cancel: threading.Event,
        only_opt_outs: bool = False,
    ) -> None:
        self._client = client
        self._journal = journal
        self._kind = kind
        self._lookout = seen
        self._ledger = ledger
        self._judge = judge
        self._rest = rest
        self._wrote = wrote
        places = client.max_connections
        self._bulk_pool = ThreadPoolExecutor(min(CHUNKS_AT_ONCE, places), thread_name_prefix="sendblue-bulk")
        self._single_pool = ThreadPoolExecutor(places, thread_name_prefix="sendblue-single")
        self._cancel = cancel
        self._only_opt_outs = only_opt_outs
        self._sender = Sender(client)
        self._size = chunk_size
        self._size_lock = threading.Lock()
        self._group = GROUP
        self._got_through = self._failed = self._any_taken = False
        self._refused_alone = 0
        self.last_error = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """What is on its way is waited for and written down; nothing more is sent."""
        self.stop()
        self._bulk_pool.shutdown(cancel_futures=True)
        self._single_pool.shutdown(cancel_futures=True)

    def stop(self) -> None:
        """Send nothing more, but for what protects people who were just created."""
        self._sender.stopped.set()

    def send(self, rows: list[Row]) -> bool:
        """Send what is open of each row, opt-outs first and messages last; True when every request failed."""
        self._got_through = self._failed = False
        calls = [row for row in rows if _stage(row) == "update"]
        opt_outs = [row for row in calls if self.open(row)[:1] == ["opt_out"]]
        self._update(opt_outs)
        self._in_chunks("create", [row for row in rows if _stage(row) == "create"], self._create)
        self._in_chunks("delete", [row for row in rows if _stage(row) == "delete"], self._delete)
        self._update(_without(calls, opt_outs))
        self._verify([row for row in rows if _stage(row) == "verify"])
        return self._failed and not self._got_through

    def _fresh(self, rows: list[Row], *, age: float | None = None) -> list[Row]:
        """Return those that are still to be sent, looked at again where the last look is old.

        An opt-out needs no look: it can only protect.
        """
        if self._cancel.is_set():
            self.stop()
            raise StillFailingError("it was stopped, as asked.")
        stages = {row.pos: _stage(row) for row in rows}
        if old := [row.phone for row in rows if row.phone and not self._only_protects(row)]:
            self._lookout.look(old, self._rest(), age=lookout.AGAIN if age is None else age)
        return [row for row in self._judge(rows) if _stage(row) == stages[row.pos]]

    def _only_protects(self, row: Row) -> bool:
        return _stage(row) == "update" and row.wanted.get("opt_out") is True and self.open(row) == ["opt_out"]

    # Bulk requests

    def _create(self, rows: list[Row]) -> Any:
        return self._client.bulk_create_contacts(
            [
                {
                    "phone": row.phone,
                    **{name: row.wanted[name] for name in BULK_FIELDS if row.wanted.get(name) is not None},
                }
                for row in rows
            ]
        )

    def _delete(self, rows: list[Row]) -> object:
        return self._client.bulk_delete_contacts([row.number for row in rows])

    def _in_chunks(self, kind: str, rows: list[Row], write: Write) -> None:
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

    def _chunk(self, kind: str, rows: list[Row], write: Write) -> bool:
        """Send a chunk; halve it where it is refused. True when it was taken whole."""
        if len(rows) > self._size:
            pieces = _pieces(rows, self._size)
            taken = [self._chunk(kind, piece, write) for piece in pieces]  # every one, taken or not
            return all(taken)
        outcome, rows = self._request(kind, rows, write)
        if not rows or outcome.end == "answered":
            self._any_taken = self._any_taken or bool(rows)
            self._wrote(len(rows))
            return True
        if outcome.end == "conflict" and len(rows) == 1 and rows[0].conflicts >= MOST_CONFLICTS:
            self._reject(rows, f"the server says it exists, the account does not show it: {outcome.note}")
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

    def _sampled(self, kind: str, rows: list[Row], write: Write, outcome: Outcome) -> list[Row]:
        """Send a few rows of a refused chunk alone; reject the others if none is taken, else give them back."""
        sample = [rows[0], rows[len(rows) // 2], rows[-1]] if len(rows) > SAMPLE else rows
        others = _without(rows, sample)
        for row in sample:
            self._chunk(kind, [row], write)
        if self._any_taken:
            return others
        self._reject(
            others,
            f"the server refused every row that was sent alone so far, and this one with others: {outcome.note}",
        )
        return []

    def _refuse_one(self, row: Row, outcome: Outcome) -> None:
        if outcome.end == "gone":
            row.tries += 1  # the account is asked next, and decides
            return
        self._refused_alone += 1
        self._heed(row, outcome)
        self._reject([row], f"the server refused it: {outcome.note}")

    def _reject(self, rows: list[Row], why: str) -> None:
        for row in rows:
            row.finish("rejected", why)
        self._journal.save(rows)

    def _shrink(self, size: int) -> None:
        with self._size_lock:
            self._size = min(self._size, size)

    def _request(self, kind: str, rows: list[Row], write: Write) -> tuple[Outcome, list[Row]]:
        """Send one request for rows as they were seen just now, written down before and after.

        Returns:
            How it ended, and the rows that it carried: none, where the look settled them all.
        """
        for turn in range(MOST_TURNS):
            rows = self._fresh(rows, age=0.0 if turn else None)
            if not rows:
                return Outcome("answered"), rows
            try:
                # Of a server that is slower than that, nothing fresher can be had.
                return self._sent(kind, rows, write, leniency=1.2**turn), rows
            except StaleError:
                continue
        raise StillFailingError(_TURNED_AWAY)

    def _sent(self, kind: str, rows: list[Row], write: Write, *, leniency: float) -> Outcome:
        guarded = self._lookout.guarded(
            (row.phone or "" for row in rows), lambda: write(rows), leniency=leniency
        )
        answers: list[Any] = []
        attempt = Attempt(self._journal, kind, rows)
        try:
            outcome = self._outcome(lambda: answers.append(guarded()))
        except NOT_SENT as error:
            attempt.ended([not_sent(error)] * len(rows))
            raise
        try:
            if kind == "create" and (outcome.may_have_applied or outcome.end == "conflict"):
                # At once, and whatever the answer was: until then these people could be texted.
                self._protect(rows)
        finally:
            attempt.ended([outcome] * len(rows), _note_try)
        self._count(outcome)
        return outcome

    def _outcome(self, write: Callable[[], Any], *, protects: bool = False) -> Outcome:
        """Send a write; where it alone is forbidden and reads are not, it is refused as a bad row is."""
        try:
            outcome = self._sender.send(write, protects=protects)
        except AuthenticationError as error:
            if (
                error.status != _FORBIDDEN
                or "did not get inputs" in error.message.lower()
                or not self._can_read()
            ):
                raise
            return Outcome("refused", f"{error.status}: {error.message}", error.status)
        if outcome.status == _FORBIDDEN and self._can_read():
            return Outcome("refused", outcome.note, outcome.status)
        return outcome

    def _can_read(self) -> bool:
        with suppress(ApiError):
            self._client.count_contacts()
            return True
        return False

    def _count(self, outcome: Outcome) -> None:
        if outcome.end in ("lost", "failed"):
            self._failed, self.last_error = True, outcome.note
        else:
            self._got_through = True

    # Calls for one contact each

    def _protect(self, rows: list[Row]) -> None:
        """Write opt-outs right after the chunk that created them, those too that came meanwhile."""
        held = self._lookout.held(row.phone for row in rows if row.phone)
        for row in rows:
            if row.phone in held and row.wanted.get("opt_out") is None:
                row.wanted = {**row.wanted, "opt_out": True}
                row.opted_out = True
        for group in _pieces([row for row in rows if row.wanted.get("opt_out") is True], GROUP):
            request_id = self._journal.sending("opt_out", group, is_main=False)
            calls = [partial(self._client.update_contact, row.number, opt_out=True) for row in group]
            futures = [self._single_pool.submit(self._outcome, call, protects=True) for call in calls]
            outcomes = self._all(futures)
            for row, outcome in zip(group, outcomes, strict=True):
                if outcome.end == "answered":
                    row.asked = ("opt_out",)
                elif outcome.end != "gone":
                    row.last_error = outcome.note
            self._journal.answered(request_id, *ended(outcomes), group)

    def open(self, row: Row) -> list[str]:
        """Name the fields of a contact in the account that are open and not under way, the opt-out first."""
        there = self._lookout.there(row.phone or "") or {}
        under_way = row.asked if row.answered else ()
        fields = open_fields(row, there, LATER_FIELDS if row.made else WRITABLE)
        return [name for name in fields if name not in under_way]

    def _fields_now(self, row: Row) -> Contact:
        fields = self.open(row)
        return {
            name: row.wanted[name] for name in (fields[:1] if row.alone or self._only_opt_outs else fields)
        }

    def _update(self, rows: list[Row]) -> None:
        """Write the open fields of contacts, a call each."""
        left, turns, age = list(rows), 0, None
        while left:
            size = GROUP if self._only_protects(left[0]) else self._group
            group, left = left[:size], left[size:]
            seen = self._fresh(group, age=age)
            asked = {row.pos: fields for row in seen if (fields := self._fields_now(row))}
            group = [row for row in group if row.pos in asked]
            outcomes = self._each(
                "update",
                group,
                [self._call(row, asked[row.pos]) for row in group],
                is_main=self._kind != "create",
            )
            kept = []
            for row, outcome in zip(group, outcomes, strict=True):
                row.asked = tuple(asked[row.pos])
                if outcome is KEPT_BACK:
                    kept.append(row)
                elif outcome.end in ("refused", "conflict", "too large"):
                    self._heed(row, outcome)
                    _refuse_fields(row, list(row.asked), outcome)
                elif outcome.end != "answered":
                    row.tries += 1
            self._wrote(sum(row.answered and not row.made for row in group))
            turns = turns + 1 if kept and len(kept) == len(group) else 0
            if turns >= MOST_TURNS:
                raise StillFailingError(_TURNED_AWAY)
            age = 0.0 if kept else None
            if kept:
                self._group = min(self._group, self._client.max_connections)  # so that looks stay fresh
                left = kept + left

    def _call(self, row: Row, fields: Contact) -> Callable[[], Any]:
        """Make the call that writes these fields, kept back when the look at them grows old, unless it protects."""

        def write() -> None:
            row.echo = self._write_fields(row, fields)

        is_protecting = list(fields) == ["opt_out"] and fields["opt_out"] is True
        return write if is_protecting else self._lookout.guarded([row.phone or ""], write)

    def _write_fields(self, row: Row, fields: Contact) -> Contact:
        # The API has two ways to set an opt-out; where one had no effect, the other is taken.
        by_own_call = (self._kind == "opt_out") != (row.tries >= NO_EFFECT)
        if list(fields) == ["opt_out"] and by_own_call:
            return self._client.opt_out_contact(row.number, opted_out=fields["opt_out"])
        return self._client.update_contact(row.number, **fields)

    def _verify(self, rows: list[Row]) -> None:
        """Send verification messages to whom was seen just now: few at a time, since none is ever sent twice."""
        for group in _pieces(rows, self._client.max_connections):
            left = group
            for _ in range(MOST_TURNS):
                left = self._fresh(left, age=0.0)
                if not left:
                    break
                calls = [
                    self._lookout.guarded([row.phone or ""], partial(self._client.verify_contact, row.number))
                    for row in left
                ]
                outcomes = self._each("verify", left, calls, after=_note_message)
                for row, outcome in zip(left, outcomes, strict=True):
                    self._heed(row, outcome)
                left = [row for row, outcome in zip(left, outcomes, strict=True) if outcome is KEPT_BACK]
            else:
                raise StillFailingError(_TURNED_AWAY)
            self._wrote(sum(row.done and row.sent for row in group))

    def _heed(self, row: Row, outcome: Outcome) -> None:
        """Remember somebody of whom the server says that they opted out."""
        if (
            self._ledger is not None
            and row.phone
            and outcome.end != "answered"
            and _SAYS_OUT.search(outcome.note)
        ):
            row.opted_out = True
            self._ledger.record_out([row.phone], by=self._journal.run_id)

    def _each(
        self,
        kind: str,
        rows: list[Row],
        calls: list[Callable[[], Any]],
        *,
        is_main: bool = True,
        after: Callable[[Row, Outcome], None] = lambda _row, _outcome: None,
    ) -> list[Outcome]:
        """Send a call for each row, written down together before and after; what ends the run is raised last."""
        if not rows:
            return []
        attempt = Attempt(self._journal, kind, rows, is_main=is_main)
        futures = [self._single_pool.submit(self._kept_or_sent, call) for call in calls]
        try:
            outcomes = self._all(futures)
        finally:
            wait(futures)  # also for whoever ends the run: they are on their way
            outcomes = [_outcome_of(future) for future in futures]
            attempt.ended(outcomes, after)
        for outcome in outcomes:
            if outcome is not KEPT_BACK:
                self._count(outcome)
        return outcomes

    def _kept_or_sent(self, call: Callable[[], Any]) -> Outcome:
        try:
            return self._outcome(call)
        except StaleError:
            return KEPT_BACK

    def _all(self, futures: Iterable[Future[Any]]) -> list[Any]:
        """Wait for all; the first that raises stops the rest."""
        listed = list(futures)
        try:
            done, _ = wait(listed, return_when=FIRST_EXCEPTION)
        except BaseException:
            self.stop()
            raise
        if any(future.exception() is not None for future in done):
            self.stop()
            wait(listed)
            errors = [error for future in listed if (error := future.exception()) is not None]
            raise next((error for error in errors if not isinstance(error, Stopped)), errors[0])
        return [future.result() for future in listed]


def _stage(row: Row) -> str:
    return "update" if row.made else row.action


def _pieces(rows: list[Row], size: int) -> list[list[Row]]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def _without(rows: list[Row], others: list[Row]) -> list[Row]:
    positions = {row.pos for row in others}
    return [row for row in rows if row.pos not in positions]


def _outcome_of(future: Future[Outcome]) -> Outcome:
    error = None if future.cancelled() else future.exception()
    if future.cancelled() or isinstance(error, NOT_SENT):
        return not_sent(error)
    return future.result() if error is None else Outcome("lost", f"cut off: {type(error).__name__}")


def _note_try(row: Row, outcome: Outcome) -> None:
    row.tries += outcome.end in ("lost", "failed")
    row.conflicts += outcome.end == "conflict"


def _refuse_fields(row: Row, fields: list[str], outcome: Outcome) -> None:
    """Several fields refused together are tried one by one; one refused is given up, an opt-out last."""
    if len(fields) > 1:
        row.alone = True
    elif fields == ["opt_out"]:
        row.tries += NO_EFFECT
    else:
        row.wanted = {name: value for name, value in row.wanted.items() if name not in fields}
        if fields == ["tags"]:
            row.add_tags = row.remove_tags = ()
        row.note(f"the server refused {fields[0]}: {outcome.note}")


def _note_message(row: Row, outcome: Outcome) -> None:
    if outcome.end == "answered":
        row.finish("updated", "verification message sent")
    elif outcome.end == "lost":
        row.finish(
            "unknown", f"a verification message may have gone out; it is not sent twice ({outcome.note})"
        )
    elif outcome.end == "failed":
        row.tries += outcome.note != ""
    else:
        row.finish("rejected", f"no message was sent: {outcome.note}")
