"""An account in memory that lists as the API does, and changes while it is listed: the truth that tests hold."""

import random
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import polars as pl

from sendblue_data._api.decoding import DecodedPage
from sendblue_data.pull.pages import Caps
from sendblue_data.schema import CONTACT_SCHEMA

SMALL = Caps(page=10, last_offset=100, overlap=3)
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Person:
    number: int
    created: datetime | None


NOBODY = pl.DataFrame({name: [None] * SMALL.page for name in CONTACT_SCHEMA}, schema=CONTACT_SCHEMA)


@dataclass
class ModelAccount:
    """Stands in for a client. `events` maps a list request's number to what happens just before it."""

    people: list[Person]
    events: dict[int, list[tuple[str, int]]] = field(default_factory=dict)
    truncate_to: timedelta = timedelta(microseconds=1)
    nulls_first: bool = True
    nulls_stay: bool = False  # at the same end upwards and downwards
    stable_ties: bool = True
    honours_order: bool = True
    hidden: frozenset[int] = frozenset()
    shows: tuple[str, ...] = ("contact_id", "phone")
    persons_a_phone: int = 1
    page_cap: int = SMALL.page
    count_off: Callable[[int], int] = lambda _: 0  # by the number of counts before
    caps: Caps = SMALL
    max_connections: int = 2
    account: str = "model"
    shuffle_seed: int = 7

    def __post_init__(self) -> None:
        self.lock = threading.Lock()
        self.requests = 0
        self.lists = self.counts = 0
        self.asked: Counter[str] = Counter()
        self.next_number = len(self.people)
        self.stayed = {person.number for person in self.people}
        self.ever = set(self.stayed)

    def stoppable(self) -> "ModelAccount":
        return self

    def abort(self) -> None:
        pass

    def close(self) -> None:
        pass

    def count_contacts(self) -> int:
        with self.lock:
            self.requests += 1
            self.counts += 1
            return len(self.people) + self.count_off(self.counts - 1)

    def _list_page(
        self, *, limit, offset, created_at_gte=None, order_by=None, order_direction="asc", **_strict
    ) -> DecodedPage:
        assert offset <= self.caps.last_offset, f"offset {offset} is past the cap"
        assert limit <= self.caps.page
        with self.lock:
            self.requests += 1
            self.lists += 1
            for event, argument in self.events.get(self.lists, []):
                self._happen(event, argument)
            listed = [
                person
                for person in self.people
                if person.number not in self.hidden
                and (
                    created_at_gte is None
                    or (person.created is not None and person.created >= created_at_gte)
                )
            ]
            self._sort(listed, order_by, order_direction, f"{created_at_gte} {offset}")
            page = listed[offset : offset + min(limit, self.page_cap)]
        return DecodedPage(self._answer(page), ())

    def _answer(self, page: list[Person]) -> pl.DataFrame:
        epoch = datetime.min.replace(tzinfo=UTC)
        fields = {
            "contact_id": [f"c{person.number:06d}" for person in page],
            "phone": [f"+1212555{person.number // self.persons_a_phone:04d}" for person in page],
            "created_at": [
                person.created and person.created - (person.created - epoch) % self.truncate_to
                for person in page
            ],
            "assigned_to_email": [f"{person.number}@example.com" for person in page],
        }
        frame = NOBODY.head(len(page)).clone()
        for name in (*self.shows, "created_at", "assigned_to_email"):
            values = pl.Series(name, fields[name], dtype=CONTACT_SCHEMA[name])
            frame.replace_column(frame.get_column_index(name), values)
        return frame

    def _sort(self, listed: list[Person], order_by, order_direction, page: str) -> None:
        listed.sort(key=lambda person: person.number)
        if not self.honours_order:
            random.Random(3).shuffle(listed)
            return
        if not self.stable_ties:
            # Another order for each answer, which does not hang on what the other thread asked meanwhile.
            asked = f"{page} {order_by} {order_direction}"
            self.asked[asked] += 1
            random.Random(f"{self.shuffle_seed} {asked} {self.asked[asked]}").shuffle(listed)
        descending = order_direction == "desc"
        if order_by == "created_at":
            dated = [person for person in listed if person.created]
            undated = [person for person in listed if not person.created]
            dated.sort(key=lambda person: person.created, reverse=descending)
            is_first = self.nulls_first != (descending and not self.nulls_stay)
            listed[:] = undated + dated if is_first else dated + undated
        elif order_by == "phone" and descending:
            listed.reverse()

    def _happen(self, event: str, argument: int) -> None:
        if event == "delete" and self.people:
            gone = self.people.pop(argument % len(self.people))
            self.stayed.discard(gone.number)
        elif event == "create":
            self._add(EPOCH + timedelta(seconds=argument % 3_000))
        elif event == "create now":
            self._add(datetime.now(UTC) + timedelta(seconds=self.lists))

    def _add(self, created: datetime) -> None:
        self.people.append(Person(self.next_number, created))
        self.ever.add(self.next_number)
        self.next_number += 1


def numbers(frame: pl.DataFrame) -> list[int]:
    return [int(email.removesuffix("@example.com")) for email in frame["assigned_to_email"]]
