"""Messages in memory, listed as the API does, and changing while they are listed: the truth that tests hold."""

import random
import threading
from bisect import bisect_left
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import polars as pl

from sendblue_data._api.message_decoding import MessagePage
from sendblue_data.errors import InvalidRequestError
from sendblue_data.pull.pages import Caps
from sendblue_data.schema import MESSAGE_SCHEMA

SMALL = Caps(page=12, last_offset=36, overlap=4)
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
TICK = timedelta(microseconds=1)


def refused(what):
    return InvalidRequestError(f"{what} is too large", method="GET", path="/api/v2/messages", status=400)


@dataclass
class ModelMessages:
    """Stands in for a client. `events` maps a request's number to what happens just before it."""

    created: list[datetime]
    events: dict[int, list[tuple[str, int]]] = field(default_factory=dict)
    totals: str = "exact"
    exclusive: bool = False
    clock: timedelta = TICK
    stable_ties: bool = True
    honours_order: bool = True
    page_cap: int = SMALL.page
    refuses_page: bool = False
    reach: int = SMALL.last_offset
    refuses_reach: bool = False
    handles: bool = True
    hidden: frozenset[int] = frozenset()
    max_connections: int = 2
    account: str = "model"
    seed: int = 5

    def __post_init__(self) -> None:
        self.lock = threading.Lock()
        self.log = [(at, number) for number, at in enumerate(sorted(self.created))]
        self.next_number = len(self.log)
        self.stayed = {number for _, number in self.log}
        self.ever = set(self.stayed)
        self.requests = 0
        self.random = random.Random(self.seed)

    def stoppable(self) -> "ModelMessages":
        return self

    def abort(self) -> None: ...

    def close(self) -> None: ...

    def count_contacts(self) -> int:
        raise AssertionError("a pull of messages counts no contacts")

    def _messages_page(
        self, *, limit, offset, created_at_gte, created_at_lte, order_direction, **_options
    ) -> MessagePage:
        with self.lock:
            self.requests += 1
            for event, argument in self.events.get(self.requests, []):
                self._happen(event, argument)
            if limit > self.page_cap and self.refuses_page:
                raise refused("limit")
            if offset > self.reach and self.refuses_reach:
                raise refused("offset")
            limit, offset = min(limit, self.page_cap), min(offset, self.reach)
            matching = self._between(*map(self._bound, (created_at_gte, created_at_lte)))
            listed = [one for one in matching if one[1] not in self.hidden]
            if self.honours_order:
                ties = [number if self.stable_ties else self.random.random() for _, number in listed]
                keyed = sorted(zip(listed, ties, strict=True), key=lambda pair: (pair[0][0], pair[1]))
                listed = [one for one, _ in keyed]
                if order_direction == "desc":
                    listed.reverse()
            else:
                random.Random(3).shuffle(listed)
            page = listed[offset : offset + limit]
        count = len(matching)
        total = {
            "exact": count,
            "capped": min(count, 30),
            "far": min(count, 60),
            "page": len(page),
            "missing": None,
        }
        has_more = None if self.totals == "missing" else offset + len(page) < len(listed)
        return MessagePage(messages_frame(page, handles=self.handles), (), total[self.totals], has_more)

    def _bound(self, text: str | None) -> datetime | None:
        at = text and datetime.fromisoformat(text)
        return at and at - (at - EPOCH) % self.clock

    def _between(self, start, end):
        if self.exclusive:
            start, end = start and start + TICK, end and end - TICK
        low = 0 if start is None else bisect_left(self.log, (start, -1))
        high = len(self.log) if end is None else bisect_left(self.log, (end + TICK, -1))
        return self.log[low : max(low, high)]

    def _happen(self, event: str, argument: int) -> None:
        if event == "delete" and self.log:
            _, number = self.log.pop(argument % len(self.log))
            self.stayed.discard(number)
            return
        at = datetime.now(UTC) if event == "arrive" else EPOCH + timedelta(seconds=argument)
        self.log.append((at, self.next_number))
        self.log.sort()
        self.ever.add(self.next_number)
        self.next_number += 1


def messages_frame(page, *, handles=True) -> pl.DataFrame:
    known = {
        "message_handle": [f"m{number:06d}" if handles else None for _, number in page],
        "error_code": [number for _, number in page],
        "phone": [f"+1212555{number:04d}" for _, number in page],
        "date_sent": [at + timedelta(seconds=number % 60) for at, number in page],
    }
    nothing = [None] * len(page)
    return pl.DataFrame({name: known.get(name, nothing) for name in MESSAGE_SCHEMA}, MESSAGE_SCHEMA)


def numbers(frame):
    return frame["error_code"].to_list()
