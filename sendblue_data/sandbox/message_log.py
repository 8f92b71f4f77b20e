"""The account's messages, in a frame sorted by creation: filters, orders and pages of it, and ways to change it."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from random import Random
from typing import Any, NamedTuple
from uuid import UUID

import polars as pl

from sendblue_data.errors import ConfigurationError
from sendblue_data.sandbox.store import moment

_MOMENT = pl.Datetime("us", "UTC")
_COLUMNS: dict[str, Any] = {
    "accountEmail": pl.String,
    "content": pl.String,
    "date_sent": _MOMENT,
    "date_updated": _MOMENT,
    "error_code": pl.Int64,
    "error_detail": pl.String,
    "error_key": pl.String,
    "error_message": pl.String,
    "error_reason": pl.String,
    "from_number": pl.String,
    "group_display_name": pl.String,
    "group_id": pl.String,
    "is_outbound": pl.Boolean,
    "media_url": pl.String,
    "message_handle": pl.String,
    "message_type": pl.String,
    "number": pl.String,
    "opted_out": pl.Boolean,
    "participants": pl.List(pl.String),
    "plan": pl.String,
    "seat_id": pl.String,
    "send_style": pl.String,
    "sendblue_number": pl.String,
    "sender_email": pl.String,
    "service": pl.String,
    "status": pl.String,
    "to_number": pl.String,
    "was_downgraded": pl.Boolean,
}
MESSAGE_FIELDS = tuple(_COLUMNS)
"""Fields of a message in answers, but for the rare ones (a location, a reply's parent) that no message here has."""
LOG_SCHEMA = pl.Schema({**_COLUMNS, "created_at": _MOMENT})
"""Columns of the log: a message's fields, and the moment of its creation, by which it is filtered and never shown."""
MOMENTS = ("date_sent", "date_updated")

Rows = int | Iterable[Mapping[str, Any]]


class Listing(NamedTuple):
    """A page of messages, and how many match."""

    rows: pl.DataFrame
    total: int


class MessageLog:
    """Messages, shared by the server's thread and the test's.

    Args:
        make: makes the messages it begins with, when they are first needed.
        seed: for handles and for orders that change from answer to answer.
    """

    def __init__(self, make: Callable[[], pl.DataFrame], *, seed: int) -> None:
        self.lock = threading.RLock()
        self._make = make
        self._random = Random(f"messages {seed}")  # noqa: S311 -- reproducible, not secret
        self._made: pl.DataFrame | None = None
        self._arrived: deque[tuple[float, str]] = deque()
        self._last_moment = 0

    @property
    def _frame(self) -> pl.DataFrame:
        if self._made is None:
            self._made = self._make().sort("created_at", maintain_order=True)
        return self._made

    def frame(self) -> pl.DataFrame:
        """Return every message as it is now, by creation."""
        with self.lock:
            return self._frame

    def now(self) -> datetime:
        """Return the moment, later than every one given before."""
        with self.lock:
            self._last_moment = max(time.time_ns() // 1000, self._last_moment + 1)
            return datetime.fromtimestamp(self._last_moment / 1e6, UTC)

    def add(self, rows: Iterable[Mapping[str, Any]], *, lagging: bool = False) -> int:
        """Put messages in, and count them.

        Args:
            rows: any fields of the API, and `created_at`; without it, `date_sent` or the present.
            lagging: lists show them only after `read_lag`.

        Raises:
            ConfigurationError: a field is unknown, or not of its type.
        """
        with self.lock:
            new = self.read(rows)
            joined = pl.concat([self._frame, new])
            last = self._frame["created_at"].last()
            is_sorted = last is None or (new["created_at"].is_sorted() and (new["created_at"] >= last).all())
            self._made = joined if is_sorted else joined.sort("created_at", maintain_order=True)
            if lagging:
                self._arrived += [(time.monotonic(), handle) for handle in new["message_handle"]]
            return new.height

    def read(self, rows: Iterable[Mapping[str, Any]]) -> pl.DataFrame:
        """Return rows of a caller as a part of the log."""
        listed = [self._whole(row, number) for number, row in enumerate(rows)]
        try:
            return pl.DataFrame(listed, LOG_SCHEMA, orient="row")
        except (TypeError, pl.exceptions.PolarsError) as error:
            raise ConfigurationError(f"The rows are no messages: {error}.") from None

    def _whole(self, row: Mapping[str, Any], number: int) -> dict[str, Any]:
        if unknown := sorted(set(row).difference(LOG_SCHEMA)):
            raise ConfigurationError(
                f"Row {number} has the field {unknown[0]!r}, which no message has. "
                f"Fields are: {', '.join(LOG_SCHEMA)}."
            )
        message = {name: row.get(name) for name in LOG_SCHEMA}
        for name in (*MOMENTS, "created_at"):
            try:
                stamp = moment(message[name])
            except ValueError as error:
                raise ConfigurationError(f"Row {number}, field {name}: {error}") from None
            message[name] = None if stamp is None else datetime.fromisoformat(stamp).replace(tzinfo=UTC)
        message["created_at"] = message["created_at"] or message["date_sent"] or self.now()
        if message["message_handle"] is None:
            message["message_handle"] = str(UUID(int=self._random.getrandbits(128), version=4))
        return message

    def change(self, handles: Sequence[str], fields: Mapping[str, Any]) -> None:
        """Set fields of messages that exist."""
        with self.lock:
            given = self.read([{"message_handle": "-", "created_at": self.now(), **fields}])
            is_one = pl.col("message_handle").is_in(list(handles))
            self._made = self._frame.with_columns(
                pl.when(is_one).then(pl.lit(given[name])).otherwise(name).alias(name) for name in fields
            )

    def remove(self, handles: Iterable[str]) -> int:
        """Take messages away, and count those that were there."""
        with self.lock:
            before = self._frame.height
            self._made = self._frame.filter(~pl.col("message_handle").is_in(list(handles)))
            return before - self._made.height

    def mark(self, phone: str, *, opted_out: bool) -> None:
        """Let every message with this person show that they opted out, or are back in."""
        with self.lock:
            if self._made is not None:
                is_theirs = pl.col("number") == phone
                self._made = self._frame.with_columns(
                    pl.when(is_theirs).then(opted_out).otherwise("opted_out").alias("opted_out")
                )

    def some(self, number: int) -> list[str]:
        """Pick handles of that many messages, seeded, among the newest."""
        with self.lock:
            newest = self._frame["message_handle"].tail(200).to_list()
            return self._random.sample(newest, min(number, len(newest)))

    def page(
        self,
        filters: Sequence[pl.Expr],
        *,
        created_from: datetime | None,
        created_until: datetime | None,
        exclusive: bool,
        limit: int,
        offset: int,
        order_by: str | None,
        descending: bool,
        nulls_last: bool,
        shuffled: bool,
        lag: float,
    ) -> Listing:
        """Return one page of the messages that match.

        Args:
            filters: conditions, but for those on `created_at`, which are looked up.
            created_from: created at or after this moment.
            created_until: at or before it.
            exclusive: after and before, instead.
            limit: messages.
            offset: those to skip.
            order_by: a column; None for the order of the log.
            descending: from the last one down.
            nulls_last: where messages without a value in it are.
            shuffled: messages that are equal in it come in another order each time.
            lag: seconds for which messages that arrived are not shown.
        """
        with self.lock:
            found = self._between(created_from, created_until, exclusive=exclusive)
            if lag:
                found = found.filter(~pl.col("message_handle").is_in(self._unseen(lag)))
            if filters:
                found = found.filter(*filters)
            if shuffled and order_by is not None:
                found = found.sample(fraction=1.0, shuffle=True, seed=self._random.getrandbits(32))
            if order_by is not None and (shuffled or order_by != "created_at"):
                found = found.sort(
                    order_by, descending=descending, nulls_last=nulls_last, maintain_order=True
                )
            elif descending:
                return Listing(
                    found[max(found.height - offset - limit, 0) : max(found.height - offset, 0)].reverse(),
                    found.height,
                )
            return Listing(found[offset : offset + limit], found.height)

    def _between(self, start: datetime | None, end: datetime | None, *, exclusive: bool) -> pl.DataFrame:
        created = self._frame["created_at"]
        first = 0 if start is None else created.search_sorted(start, "right" if exclusive else "left")
        last = (
            self._frame.height
            if end is None
            else created.search_sorted(end, "left" if exclusive else "right")
        )
        return self._frame[first : max(first, last)]

    def _unseen(self, lag: float) -> list[str]:
        while self._arrived and self._arrived[0][0] <= time.monotonic() - lag:
            self._arrived.popleft()
        return [handle for _, handle in self._arrived]
