"""The requests of a run, each written down before it leaves: what all have in common, and calls for one contact."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from functools import partial
from typing import Any

from sendblue_data._api.client import SendblueClient
from sendblue_data.errors import ApiError, AuthenticationError
from sendblue_data.writeback import lookup
from sendblue_data.writeback.fields import LATER_FIELDS, WRITABLE, Contact
from sendblue_data.writeback.journal import Journal
from sendblue_data.writeback.lookup import ContactCache, StaleError
from sendblue_data.writeback.reconcile import NO_EFFECT, open_fields
from sendblue_data.writeback.rows import Kind, Row, pieces_of
from sendblue_data.writeback.sending import (
    KEPT_BACK,
    MAX_KEPT_BACK,
    NOT_SENT,
    TURNED_AWAY,
    Attempt,
    Outcome,
    StillFailingError,
    StoppedError,
    not_sent,
    send,
    worst_of,
)

GROUP = 64
"""Contacts whose single calls are written down together before they are sent."""
_FORBIDDEN = 403
_SAYS_OUT = re.compile(r"\bOPTED[_ ]OUT\b|\bopted out\b")
"""`OPTED_OUT` is the service's own error key (the SDK's `error_key`); the words are how an error message may put it."""
_NO_KEYS_SENT = "did not get inputs"
"""The service's 403 for a request without keys (seen): it speaks of the connection, and not of the write."""


class Requests:
    """Sends calls for one contact each, and holds what these have in common with bulk requests.

    Args:
        client: the account.
        journal: of the run.
        kind: what the run is for.
        cache: what was last seen of the contacts.
        reconcile: settles rows by that, and returns those that are still open.
        rest: gives the phones of all open rows, to be seen in passing.
        wrote: told how many more contacts were written.
        cancel: set from outside to send nothing more.
        only_opt_outs: send nothing else.
    """

    def __init__(
        self,
        client: SendblueClient,
        journal: Journal,
        kind: Kind,
        *,
        cache: ContactCache,
        reconcile: Callable[[list[Row]], list[Row]],
        rest: Callable[[], Iterable[str]],
        wrote: Callable[[int], None],
        cancel: threading.Event,
        only_opt_outs: bool = False,
    ) -> None:
        self.client = client
        self.journal = journal
        self.cache = cache
        self._kind = kind
        self._reconcile = reconcile
        self._rest = rest
        self._wrote = wrote
        self._pool = ThreadPoolExecutor(client.max_connections, thread_name_prefix="sendblue-single")
        self._cancel = cancel
        self._stopped = threading.Event()
        self._only_opt_outs = only_opt_outs
        self._group = GROUP
        self.any_through = self.any_failed = False
        self.last_error = ""

    def shut_down(self) -> None:
        """Wait for what is on its way; what has not left yet won't, once the run is stopped."""
        self._pool.shutdown()

    def stop(self) -> None:
        """Send nothing more, but for what protects people who were just created."""
        self._stopped.set()

    def still_open(self, rows: list[Row], *, max_age: float | None = None) -> list[Row]:
        """Return those that are still to be sent, read again where they were last seen too long ago.

        An opt-out needs no such read: it can only protect.
        """
        if self._cancel.is_set():
            raise StoppedError
        stages = {row.pos: stage(row) for row in rows}
        if old := [row.phone for row in rows if row.phone and not self._only_protects(row)]:
            rest = self._rest() if max_age != 0.0 else ()
            self.cache.refresh(old, rest, max_age=lookup.REFRESH_AFTER if max_age is None else max_age)
        return [row for row in self._reconcile(rows) if stage(row) == stages[row.pos]]

    def _only_protects(self, row: Row) -> bool:
        return (
            stage(row) == "update" and row.wanted.get("opt_out") is True and self.missing(row) == ["opt_out"]
        )

    def outcome(self, write: Callable[[], Any], *, contacts: int = 0, protects: bool = False) -> Outcome:
        """Send a write; where it alone is forbidden and reads are not, it is refused as a bad row is.

        How the service forbids one call, as plans limit some, is said nowhere; 403 is its answer to missing keys.

        Args:
            write: the call.
            contacts: how many are written by it.
            protects: it opts out someone whom this run has just created: it is sent although the run ends.
        """
        stop = () if protects else (self._stopped, self._cancel)
        try:
            outcome = send(write, self.client._pace, *stop)  # noqa: SLF001 -- one pace for all that a client sends
        except AuthenticationError as error:
            if error.status != _FORBIDDEN or _NO_KEYS_SENT in error.message.lower() or not self._can_read():
                raise
            return Outcome("refused", f"{error.status}: {error.message}", error.status)
        if outcome.status == _FORBIDDEN and self._can_read():
            return Outcome("refused", outcome.note, outcome.status)
        if outcome.end == "answered":
            self._wrote(contacts)
        return outcome

    def _can_read(self) -> bool:
        with suppress(ApiError):
            self.client.count_contacts()
            return True
        return False

    def count(self, outcome: Outcome) -> None:
        """Note whether anything gets through."""
        if outcome.end in ("lost", "failed"):
            self.any_failed, self.last_error = True, outcome.note
        else:
            self.any_through = True

    def note_opt_out(self, row: Row, outcome: Outcome) -> None:
        """Remember somebody of whom the server says that they opted out."""
        if row.phone and outcome.end != "answered" and _SAYS_OUT.search(outcome.note):
            row.opted_out = True
            self.cache.record_out(row.phone)

    # Calls for one contact each

    def protect(self, rows: list[Row]) -> None:
        """Write opt-outs right after the chunk that created them, those too that came meanwhile."""
        held = self.cache.held(row.phone for row in rows if row.phone)
        for row in rows:
            if row.phone in held and row.wanted.get("opt_out") is None:
                row.wanted = {**row.wanted, "opt_out": True}
                row.opted_out = True
        for group in pieces_of([row for row in rows if row.wanted.get("opt_out") is True], GROUP):
            request_id = self.journal.sending("opt_out", group, is_main=False)
            calls = [partial(self.client.update_contact, row.number, opt_out=True) for row in group]
            futures = [self._pool.submit(self.outcome, call, protects=True) for call in calls]
            outcomes = self.wait_for(futures)
            for row, outcome in zip(group, outcomes, strict=True):
                if outcome.end == "answered":
                    row.asked = ("opt_out",)
                elif outcome.end != "gone":
                    row.last_error = outcome.note
            self.journal.answered(request_id, *worst_of(outcomes), group)

    def missing(self, row: Row) -> list[str]:
        """Name the fields of a contact in the account that are open and not under way, the opt-out first."""
        under_way = row.asked if row.answered else ()
        fields = LATER_FIELDS if row.created_by_run else WRITABLE
        found = open_fields(row, self.cache.there(row.phone) or {}, fields)
        return [name for name in found if name not in under_way]

    def _fields_now(self, row: Row) -> Contact:
        fields = self.missing(row)
        return {
            name: row.wanted[name] for name in (fields[:1] if row.alone or self._only_opt_outs else fields)
        }

    def update(self, rows: list[Row]) -> None:
        """Write the open fields of contacts, a call each."""
        left, kept_back, max_age = list(rows), 0, None
        while left:
            size = GROUP if self._only_protects(left[0]) else self._group
            group, left = left[:size], left[size:]
            seen = self.still_open(group, max_age=max_age)
            asked = {row.pos: fields for row in seen if (fields := self._fields_now(row))}
            group = [row for row in group if row.pos in asked]
            calls = [self._call(row, asked[row.pos]) for row in group]
            outcomes = self._each("update", group, calls, is_main=self._kind != "create")
            kept = []
            for row, outcome in zip(group, outcomes, strict=True):
                row.asked = tuple(asked[row.pos])
                if outcome is KEPT_BACK:
                    kept.append(row)
                elif outcome.end in ("refused", "conflict", "too large"):
                    self.note_opt_out(row, outcome)
                    _refuse_fields(row, list(row.asked), outcome)
                elif outcome.end != "answered":
                    row.tries += 1
            kept_back = kept_back + 1 if kept and len(kept) == len(group) else 0
            if kept_back >= MAX_KEPT_BACK:
                raise StillFailingError(TURNED_AWAY)
            max_age = 0.0 if kept else None
            if kept:
                self._group = min(
                    self._group, self.client.max_connections
                )  # so that what was seen stays fresh
                left = kept + left

    def _call(self, row: Row, fields: Contact) -> Callable[[], Any]:
        """Make the call that writes these fields, kept back when what was seen grows old, unless it protects."""

        def write() -> None:
            row.echo = self._write_fields(row, fields)

        is_protecting = list(fields) == ["opt_out"] and fields["opt_out"] is True
        return write if is_protecting else self.cache.guard([row.phone or ""], write)

    def _write_fields(self, row: Row, fields: Contact) -> Contact:
        # The API has two ways to set an opt-out; where one had no effect, the other is taken.
        by_own_call = (self._kind == "opt_out") != (row.tries >= NO_EFFECT)
        if list(fields) == ["opt_out"] and by_own_call:
            return self.client.opt_out_contact(row.number, opted_out=fields["opt_out"])
        return self.client.update_contact(row.number, **fields)

    def verify(self, rows: list[Row]) -> None:
        """Send verification messages to whom was seen just now: few at a time, since none is ever sent twice."""
        for group in pieces_of(rows, self.client.max_connections):
            left = group
            for _ in range(MAX_KEPT_BACK):
                left = self.still_open(left, max_age=0.0)
                if not left:
                    break
                calls = [
                    self.cache.guard([row.phone or ""], partial(self.client.verify_contact, row.number))
                    for row in left
                ]
                outcomes = self._each("verify", left, calls, after=_note_message)
                for row, outcome in zip(left, outcomes, strict=True):
                    self.note_opt_out(row, outcome)
                left = [row for row, outcome in zip(left, outcomes, strict=True) if outcome is KEPT_BACK]
            if left:
                raise StillFailingError(TURNED_AWAY)

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
        attempt = Attempt(self.journal, kind, rows, is_main=is_main)
        futures = [
            self._pool.submit(self._sent_or_kept, call, int(not row.created_by_run))
            for row, call in zip(rows, calls, strict=True)
        ]
        try:
            outcomes = self.wait_for(futures)
        finally:
            outcomes = [_outcome_of(future) for future in futures]  # also for whoever ends the run
            attempt.end(outcomes, after)
        for outcome in outcomes:
            if outcome is not KEPT_BACK:
                self.count(outcome)
        return outcomes

    def _sent_or_kept(self, call: Callable[[], Any], contacts: int) -> Outcome:
        try:
            return self.outcome(call, contacts=contacts)
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
            errors = [error for future in listed if (error := future.exception()) is not None]
            raise next((error for error in errors if not isinstance(error, StoppedError)), errors[0])
        return [future.result() for future in listed]


def stage(row: Row) -> str:
    """Return what is to happen to a row now: what was created is updated next."""
    return "update" if row.created_by_run else row.action


def _outcome_of(future: Future[Outcome]) -> Outcome:
    """Wait for a call, and return how it ended."""
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
