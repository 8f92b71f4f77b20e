"""Who is texted when in a sandbox, and who stops after which text.

People get a sequence when they join, campaigns about once a week, and now and then five texts in five days. Each
text that arrives may make its person stop, with a chance that hangs on how many arrived in seven days, how long
they have been texted, and by which service: `hazard`. Some who stopped are texted all the same; some start again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import numpy.typing as npt

from sendblue_data.sandbox.people import UNTIL

BASE = 0.004
"""Chance to stop after one text: the only one in seven days, by iMessage, in a person's first thirty days."""
BY_FREQUENCY: Mapping[int, float] = {1: 1.0, 2: 1.2, 3: 1.6, 4: 4.0}
"""What multiplies it where so many arrived in seven days, this one with them; 4 is four or more."""
BY_AGE: Mapping[str, float] = {"first": 2.5, "month": 1.0, "later": 0.7}
"""The same for a person's first text, for those within thirty days of it, and for later ones."""
BY_SERVICE: Mapping[str, float] = {"iMessage": 1.0, "SMS": 1.6, "RCS": 1.2}

DAYS = 730
DAY, MINUTE = 86_400_000, 60_000  # milliseconds
_WEEK, _MONTH = 7 * DAY, 30 * DAY
START = UNTIL - timedelta(days=DAYS)
_SPAN = 1 << 36  # milliseconds of a person's own: two years, and room
_SEQUENCE = (0, 1, 3, 7)
_BATCH, _BETWEEN = 1_000, 100  # a campaign's texts are created so many at once, and sent so far apart
_CLOSEST = 10 * MINUTE
SERVICES = ("iMessage", "SMS", "RCS")
_SERVICE_SHARES = (0.62, 0.94)
_DOWNGRADED = 0.03
ARRIVES = 0.955
"""The share of texts that arrive."""
_TEXTED_AFTER, _STARTS_AGAIN = 0.08, 0.15
_ROUNDS = 3

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Chances = npt.NDArray[np.float64]


def hazard(frequency: Ints, age: Ints, service: Ints) -> Chances:
    """Return the chance to stop after each text.

    Args:
        frequency: texts that arrived in the seven days up to it, itself with them.
        age: milliseconds since the person's first text that arrived.
        service: its place in iMessage, SMS, RCS.
    """
    by_frequency = np.array([1.0, *BY_FREQUENCY.values()])[np.minimum(frequency, max(BY_FREQUENCY))]
    by_age = np.where(age == 0, BY_AGE["first"], np.where(age <= _MONTH, BY_AGE["month"], BY_AGE["later"]))
    by_service = np.array([BY_SERVICE[name] for name in SERVICES])[service]
    chances: Chances = BASE * by_frequency * by_age * by_service
    return chances


@dataclass
class People:
    """Those who are texted: arrays with an item a person."""

    phones: list[str]
    joined: Ints
    lines: list[str]
    is_out: Flags


class Texting:
    """When everybody is texted, and then who stops: arrays with an item a text, by person and moment."""

    def __init__(self, people: People, each: float, random: np.random.RandomState) -> None:
        self.people, self.random = people, random
        self.person, self.sent, self.created, self.campaign = self._schedule(each)
        total = len(self.person)
        self.key = self.person * _SPAN + self.sent
        self.first_of = np.searchsorted(self.key, self.person * _SPAN)
        is_last = np.append(self.person[1:] != self.person[:-1], True) if total else np.zeros(0, bool)
        after = np.append(self.sent[1:], 0) if total else self.sent
        self.gap = np.where(is_last, DAYS * DAY - self.sent, after - self.sent)
        kind = np.searchsorted(_SERVICE_SHARES, random.random_sample(len(people.phones)))[self.person]
        self.downgraded = (kind == 0) & (random.random_sample(total) < _DOWNGRADED)
        self.service = np.where(self.downgraded, 1, kind)
        self.arrives = random.random_sample(total) < ARRIVES
        self.tried = np.ones(total, bool)  # while its person had not stopped
        self.after = np.zeros(total, bool)  # while they had
        self.stops: list[tuple[int, int, str, int]] = []
        self._stop()

    # When everybody is texted

    def _schedule(self, each: float) -> tuple[Ints, Ints, Ints, Ints]:
        random, joined = self.random, self.people.joined
        people = len(joined)
        rest = max(each - len(_SEQUENCE), 0.5)
        parts = [self._sequences(), self._bursts(random.poisson(0.3 * rest / 5, people))]
        share = 0.7 * rest
        campaigns = max(int(DAYS / 7), int(share / 0.25))
        days = np.sort(random.choice(DAYS, campaigns, replace=campaigns > DAYS))
        for number, day in enumerate(days):
            at = int(day) * DAY + random.randint(10 * 60, 17 * 60) * MINUTE
            is_there = joined < at
            mean_there = max(float(is_there.mean()), 0.02) if people else 1.0
            goes = (is_there & (random.random_sample(people) < share / campaigns / mean_there)).nonzero()[0]
            nth = np.arange(len(goes))
            created = at + nth // _BATCH * 5 * MINUTE
            sent = created + 2_000 + nth % _BATCH * _BETWEEN
            parts.append((goes, sent, created, np.full(len(goes), number)))
        person, sent, created, campaign = (
            np.concatenate(each_of).astype(np.int64) for each_of in zip(*parts, strict=True)
        )
        order = np.lexsort((sent, person))
        person, sent, created, campaign = (array[order] for array in (person, sent, created, campaign))
        is_close = np.zeros(len(person), bool)
        is_close[1:] = (person[1:] == person[:-1]) & (sent[1:] - sent[:-1] < _CLOSEST)
        kept = ~is_close & (sent < DAYS * DAY)
        return person[kept], sent[kept], created[kept], campaign[kept]

    def _sequences(self) -> tuple[Ints, Ints, Ints, Ints]:
        joined = self.people.joined
        person = np.repeat(np.arange(len(joined)), len(_SEQUENCE))
        days = np.tile(_SEQUENCE, len(joined))
        later = self.random.randint(MINUTE, 8 * 60 * MINUTE, len(person))
        created = joined[person] + days * DAY + later
        return person, created + 1_500, created, np.full(len(person), -1)

    def _bursts(self, bursts: Ints) -> tuple[Ints, Ints, Ints, Ints]:
        person = np.repeat(np.arange(len(bursts)), bursts)
        begins = self.people.joined[person] + (
            self.random.random_sample(len(person)) * (DAYS * DAY - self.people.joined[person])
        ).astype(np.int64)
        person, begins = np.repeat(person, 5), np.repeat(begins, 5)
        created = begins + np.tile(np.arange(5), len(person) // 5) * DAY
        created = created + self.random.randint(0, 6 * 60 * MINUTE, len(person))
        return person, created + 1_500, created, np.full(len(person), -2)

    # Who stops

    def frequency(self) -> Ints:
        """Count the texts that arrived in seven days, for each."""
        arrived = self.arrives & self.tried
        so_far = np.concatenate([[0], np.cumsum(arrived)])
        since = np.maximum(np.searchsorted(self.key, self.key - _WEEK, "right"), self.first_of)
        counted: Ints = (so_far[1:] - so_far[since]).astype(np.int64)
        return counted

    def age(self) -> Ints:
        """Return the milliseconds since each person's first text that arrived."""
        arrived = (self.arrives & self.tried).nonzero()[0]
        first = np.full(len(self.people.phones), np.iinfo(np.int64).max)
        first[self.person[arrived][::-1]] = self.sent[arrived][::-1]
        since: Ints = np.maximum(self.sent - first[self.person], 0)
        return since

    def _stop(self) -> None:
        random, people = self.random, len(self.people.phones)
        ends = DAYS * DAY
        elsewhere = np.where(
            self.people.is_out,
            self.people.joined
            + (random.random_sample(people) * (ends - self.people.joined)).astype(np.int64),
            ends + 1,
        )
        drawn = random.random_sample(len(self.person))
        open_from = np.zeros(people, np.int64)
        for _ in range(_ROUNDS):
            chances = hazard(self.frequency(), self.age(), self.service)
            hit = (drawn < chances) & self.arrives & self.tried
            hit &= (self.sent >= open_from[self.person]) & (self.sent < elsewhere[self.person])
            hits = hit.nonzero()[0]
            if not len(hits):
                break
            _, firsts = np.unique(self.person[hits], return_index=True)
            events = hits[firsts]
            who = self.person[events]
            later = np.maximum(random.exponential(2 * 60 * MINUTE, len(events)), 20_000)
            stopped = self.sent[events] + np.minimum(later, 0.9 * self.gap[events]).astype(np.int64)
            again = (random.random_sample(len(events)) < _STARTS_AGAIN) & ~self.people.is_out[who]
            started = np.where(again, stopped + random.randint(DAY, 20 * DAY, len(events)), ends + 1)
            started = np.where(started < ends, started, ends + 1)
            self._silence(who, stopped, started)
            self.stops += zip(
                events.tolist(), stopped.tolist(), ["keyword"] * len(events), started.tolist(), strict=True
            )
            open_from = np.full(people, ends + 1)
            open_from[who] = started
        last_stop = np.full(people, ends + 1)
        for event, stopped_at, _, started_at in self.stops:
            last_stop[self.person[event]] = stopped_at if started_at > ends else ends + 1
        out = (elsewhere <= ends) & (elsewhere < last_stop)
        self._silence(out.nonzero()[0], elsewhere[out], np.full(int(out.sum()), ends + 1))
        self.elsewhere = [(int(who), int(elsewhere[who])) for who in out.nonzero()[0]]

    def _silence(self, who: Ints, stopped: Ints, started: Ints) -> None:
        """Take out what would have been sent between a stop and a start; a few go out all the same."""
        people = len(self.people.phones)
        since, until = np.full(people, np.iinfo(np.int64).max), np.zeros(people, np.int64)
        since[who], until[who] = stopped, started
        silent = (self.sent > since[self.person]) & (self.sent < until[self.person])
        all_the_same = silent & (self.random.random_sample(len(silent)) < _TEXTED_AFTER)
        self.tried &= ~silent
        self.after = (self.after & ~silent) | all_the_same
