"""The requests of a run, each written down before it leaves: what all have in common, and calls for one contact."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from functools import partial
from typing import Any, Self

from sendblue_data._api.client import SendblueClient
from sendblue_data.errors import ApiError, AuthenticationError
from sendblue_data.writeback import lookout
from sendblue_data.writeback.agreeing import open_fields
from sendblue_data.writeback.attempts import (
    KEPT_BACK,
    MOST_TURNS,
    NOT_SENT,
    TURNED_AWAY,
    Attempt,
    StillFailingError,
    ended,
    not_sent,
)
from sendblue_data.writeback.chunks import Chunks
from sendblue_data.writeback.fields import LATER_FIELDS, WRITABLE, Contact
from sendblue_data.writeback.journal import Journal
from sendblue_data.writeback.ledger import Ledger
from sendblue_data.writeback.lookout import Lookout, StaleError
from sendblue_data.writeback.reconcile import NO_EFFECT
from sendblue_data.writeback.rows import Kind, Row, pieces_of, without
from sendblue_data.writeback.sending import Outcome, Sender, Stopped

GROUP = 64
"""Contacts whose single calls are written down together before they are sent."""
_FORBIDDEN = 403
_SAYS_OUT = re.compile(r"\bOPTED[_ ]OUT\b|\bopted out\b")


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
        self._pool = ThreadPoolExecutor(client.max_connections, thread_name_prefix="sendblue-single")
        self._cancel = cancel
        self._only_opt_outs = only_opt_outs
        self._sender = Sender(client)
        self._chunks = Chunks(self, client, journal, chunk_size, seen=seen, wrote=wrote)
        self._group = GROUP
        self._got_through = self._failed = False
        self.last_error = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """What is on its way is waited for and written down; nothing more is sent."""
        self.stop()
        self._chunks.shut_down()
        self._pool.shutdown(cancel_futures=True)

    def stop(self) -> None:
        """Send nothing more, but for what protects people who were just created."""
        self._sender.stopped.set()

    def send(self, rows: list[Row]) -> bool:
        """Send what is open of each row, opt-outs first and messages last; True when every request failed."""
        self._got_through = self._failed = False
        calls = [row for row in rows if _stage(row) == "update"]
        opt_outs = [row for row in calls if self.open(row)[:1] == ["opt_out"]]
        self._update(opt_outs)
        self._chunks.create([row for row in rows if _stage(row) == "create"])
        self._chunks.delete([row for row in rows if _stage(row) == "delete"])
        self._update(without(calls, opt_outs))
        self._verify([row for row in rows if _stage(row) == "verify"])
        return self._failed and not self._got_through

    def fresh(self, rows: list[Row], *, age: float | None = None) -> list[Row]:
        """Return those that are still to be sent, looked at again where the last look is old.

        An opt-out needs no look: it can only protect.
        """
        if self._cancel.is_set():
            self.stop()
            raise StillFailingError("it was stopped, as asked.")
        stages = {row.pos: _stage(row) for row in rows}
        if old := [row.phone for row in rows if row.phone and not self._only_protects(row)]:
            rest = self._rest() if age != 0.0 else ()
            self._lookout.look(old, rest, age=lookout.AGAIN if age is None else age)
        return [row for row in self._judge(rows) if _stage(row) == stages[row.pos]]

    def _only_protects(self, row: Row) -> bool:
        return _stage(row) == "update" and row.wanted.get("opt_out") is True and self.open(row) == ["opt_out"]

    def outcome(self, write: Callable[[], Any], *, protects: bool = False) -> Outcome:
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

    def count(self, outcome: Outcome) -> None:
        """Note whether anything gets through."""
        if outcome.end in ("lost", "failed"):
            self._failed, self.last_error = True, outcome.note
        else:
            self._got_through = True

    # Calls for one contact each

    def protect(self, rows: list[Row]) -> None:
        """Write opt-outs right after the chunk that created them, those too that came meanwhile."""
        held = self._lookout.held(row.phone for row in rows if row.phone)
        for row in rows:
            if row.phone in held and row.wanted.get("opt_out") is None:
                row.wanted = {**row.wanted, "opt_out": True}
                row.opted_out = True
        for group in pieces_of([row for row in rows if row.wanted.get("opt_out") is True], GROUP):
            request_id = self._journal.sending("opt_out", group, is_main=False)
            calls = [partial(self._client.update_contact, row.number, opt_out=True) for row in group]
            futures = [self._pool.submit(self.outcome, call, protects=True) for call in calls]
            outcomes = self.wait_for(futures)
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
            seen = self.fresh(group, age=age)
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
                    self.heed(row, outcome)
                    _refuse_fields(row, list(row.asked), outcome)
                elif outcome.end != "answered":
                    row.tries += 1
            self._wrote(sum(row.answered and not row.made for row in group))
            turns = turns + 1 if kept and len(kept) == len(group) else 0
            if turns >= MOST_TURNS:
                raise StillFailingError(TURNED_AWAY)
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
        for group in pieces_of(rows, self._client.max_connections):
            left = group
            for _ in range(MOST_TURNS):
                left = self.fresh(left, age=0.0)
                if not left:
                    break
                calls = [
                    self._lookout.guarded([row.phone or ""], partial(self._client.verify_contact, row.number))
                    for row in left
                ]
                outcomes = self._each("verify", left, calls, after=_note_message)
                for row, outcome in zip(left, outcomes, strict=True):
                    self.heed(row, outcome)
                left = [row for row, outcome in zip(left, outcomes, strict=True) if outcome is KEPT_BACK]
            else:
                raise StillFailingError(TURNED_AWAY)
            self._wrote(sum(row.done and row.sent for row in group))

    def heed(self, row: Row, outcome: Outcome) -> None:
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
        futures = [self._pool.submit(self._kept_or_sent, call) for call in calls]
        try:
            outcomes = self.wait_for(futures)
        finally:
            wait(futures)  # also for whoever ends the run: they are on their way
            outcomes = [_outcome_of(future) for future in futures]
            attempt.ended(outcomes, after)
        for outcome in outcomes:
            if outcome is not KEPT_BACK:
                self.count(outcome)
        return outcomes

    def _kept_or_sent(self, call: Callable[[], Any]) -> Outcome:
        try:
            return self.outcome(call)
        except StaleError:
            return KEPT_BACK

    def wait_for(self, futures: Iterable[Future[Any]]) -> list[Any]:
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


def _outcome_of(future: Future[Outcome]) -> Outcome:
    error = None if future.cancelled() else future.exception()
    if future.cancelled() or isinstance(error, NOT_SENT):
        return not_sent(error)
    return future.result() if error is None else Outcome("lost", f"cut off: {type(error).__name__}")


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
