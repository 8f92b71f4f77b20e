"""Bulk requests of a run: in chunks, halved where they are refused, so that a bad row holds up no other.

Whether one bad row fails a bulk request, and how many rows one takes, the API's reference leaves unsaid: both may be.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import groupby
from typing import Any

from sendblue_data.writeback.fields import BULK_FIELDS
from sendblue_data.writeback.lookup import StaleError
from sendblue_data.writeback.requests import Requests
from sendblue_data.writeback.rows import Row, pieces_of, without
from sendblue_data.writeback.sending import (
    MAX_KEPT_BACK,
    NOT_SENT,
    TURNED_AWAY,
    Attempt,
    Outcome,
    StillFailingError,
    not_sent,
)

CHUNKS_AT_ONCE = 4
"""Bulk requests under way at one time: their phones are distinct, so their order does not matter."""
REFUSED_ALONE = 20
"""Rows refused one by one with none taken, after which a chunk that is refused is only sampled: it is halved only if
the server takes a row of the sample."""
MOST_CONFLICTS = 8
"""409s, the last of them for the row alone, of a row that the account does not show."""


class Chunks:
    """Sends bulk requests, a few at once.

    Args:
        requests: what sends each of them, and the calls that protect people right after it.
        size: contacts in one request, at most.
    """

    def __init__(self, requests: Requests, size: int) -> None:
        self._requests = requests
        self._client = requests.client
        self._size = size
        places = min(CHUNKS_AT_ONCE, self._client.max_connections)
        self._pool = ThreadPoolExecutor(places, thread_name_prefix="sendblue-bulk")
        self._size_lock = threading.Lock()
        self._any_taken = False
        self._refused_alone = 0

    def shut_down(self) -> None:
        """Wait for what is on its way."""
        self._pool.shutdown(cancel_futures=True)

    def create(self, rows: list[Row]) -> None:
        """Create contacts."""
        self._in_chunks("create", rows)

    def delete(self, rows: list[Row]) -> None:
        """Delete contacts."""
        self._in_chunks("delete", rows)

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

    def _in_chunks(self, kind: str, rows: list[Row]) -> None:
        """Send rows in chunks, those that failed before in smaller ones, a few chunks at once."""
        ordered = sorted(rows, key=self._size_for, reverse=True)
        chunks = [
            chunk
            for size, group in groupby(ordered, key=self._size_for)
            for chunk in pieces_of(list(group), size)
        ]
        self._requests.wait_for(self._pool.submit(self._chunk, kind, chunk) for chunk in chunks)

    def _size_for(self, row: Row) -> int:
        """Rows that go on failing are sent with fewer and fewer others, so that one does not hold up many."""
        if row.alone:
            return 1
        return max(1, self._size >> max(0, row.tries - 2, row.conflicts - 1))

    def _chunk(self, kind: str, rows: list[Row]) -> bool:
        """Send a chunk; halve it where it is refused. True when it was taken whole."""
        if len(rows) > self._size:
            return self._all_taken(kind, pieces_of(rows, self._size))
        outcome, rows = self._request(kind, rows)
        if not rows or outcome.end == "answered":
            self._any_taken = self._any_taken or bool(rows)
            return True
        if outcome.end == "conflict" and len(rows) == 1 and rows[0].conflicts >= MOST_CONFLICTS:
            self._reject(rows, f"the server says it exists, the account does not show it: {outcome.note}")
        elif outcome.end in ("refused", "too large", "gone"):
            if len(rows) == 1:
                self._refuse_one(rows[0], outcome)
            else:
                self._halve(kind, rows, outcome)
        return False

    def _all_taken(self, kind: str, parts: list[list[Row]]) -> bool:
        taken = [self._chunk(kind, part) for part in parts if part]  # every one, taken or not
        return all(taken)

    def _halve(self, kind: str, rows: list[Row], outcome: Outcome) -> None:
        if outcome.end == "refused" and not self._any_taken and self._refused_alone >= REFUSED_ALONE:
            rows = self._sampled(kind, rows, outcome)
        half = (len(rows) + 1) // 2
        if outcome.end == "too large":
            self._shrink(half)
        is_taken = self._all_taken(kind, [rows[:half], rows[half:]])
        if outcome.end == "refused" and is_taken and len(rows) > 1:
            self._shrink(half)  # it was not a row of it that was refused, but its size

    def _sampled(self, kind: str, rows: list[Row], outcome: Outcome) -> list[Row]:
        """Send three rows of a refused chunk alone; reject the others if none is taken, else give them back."""
        sample = [rows[place] for place in sorted({0, len(rows) // 2, len(rows) - 1})]
        others = without(rows, sample)
        for row in sample:
            self._chunk(kind, [row])
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
        self._requests.note_opt_out(row, outcome)
        self._reject([row], f"the server refused it: {outcome.note}")

    def _reject(self, rows: list[Row], why: str) -> None:
        for row in rows:
            row.finish("rejected", why)
        self._requests.journal.save(rows)

    def _shrink(self, size: int) -> None:
        with self._size_lock:
            self._size = min(self._size, size)

    def _request(self, kind: str, rows: list[Row]) -> tuple[Outcome, list[Row]]:
        """Send one request for rows as they were seen just now, written down before and after.

        Returns:
            How it ended, and the rows that it carried: none, where what was seen settled them all.
        """
        for number in range(MAX_KEPT_BACK):
            rows = self._requests.still_open(rows, max_age=0.0 if number else None)
            if not rows:
                return Outcome("answered"), rows
            try:
                # Of a server that is slower than that, nothing fresher can be had.
                return self._sent(kind, rows, leniency=1.2**number), rows
            except StaleError:
                continue
        raise StillFailingError(TURNED_AWAY)

    def _sent(self, kind: str, rows: list[Row], *, leniency: float) -> Outcome:
        phones = (row.phone or "" for row in rows)
        write = partial(self._create if kind == "create" else self._delete, rows)
        guarded = self._requests.cache.guard(phones, write, leniency=leniency)
        attempt = Attempt(self._requests.journal, kind, rows)
        try:
            outcome = self._requests.outcome(guarded, contacts=len(rows))
        except NOT_SENT as error:
            attempt.end([not_sent(error)] * len(rows))
            raise
        try:
            if kind == "create" and (outcome.may_have_applied or outcome.end == "conflict"):
                # At once, and whatever the answer was: until then these people could be texted.
                self._requests.protect(rows)
        finally:
            attempt.end([outcome] * len(rows), _note_try)
        self._requests.count(outcome)
        return outcome


def _note_try(row: Row, outcome: Outcome) -> None:
    row.tries += outcome.end in ("lost", "failed")
    row.conflicts += outcome.end == "conflict"
