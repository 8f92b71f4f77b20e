"""A synthetic history of messages, and the truth that is planted in it: who stops, after which text, and why.

People get a sequence when they join, campaigns about once a week, and now and then five texts in five days. Each
text that arrives may make its person stop, with a chance that hangs on how many arrived in seven days, how long
they have been texted, and by which service: `hazard`. Some who stopped are texted all the same; some start again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from sendblue_data.errors import ConfigurationError
from sendblue_data.sandbox import numbers, texts
from sendblue_data.sandbox.message_log import LOG_SCHEMA
from sendblue_data.sandbox.people import UNTIL

BASE = 0.004
"""Chance to stop after one text: the only one in seven days, by iMessage, in a person's first thirty days."""
BY_FREQUENCY: Mapping[int, float] = {1: 1.0, 2: 1.2, 3: 1.6, 4: 4.0}
"""What multiplies it where so many arrived in seven days, this one with them; 4 is four or more."""
BY_AGE: Mapping[str, float] = {"first": 2.5, "month": 1.0, "later": 0.7}
"""The same for a person's first text, for those within thirty days of it, and for later ones."""
BY_SERVICE: Mapping[str, float] = {"iMessage": 1.0, "SMS": 1.6, "RCS": 1.2}

_DAYS = 730
_DAY, _MINUTE = 86_400_000, 60_000  # milliseconds
_WEEK, _MONTH = 7 * _DAY, 30 * _DAY
_START = UNTIL - timedelta(days=_DAYS)
_SPAN = 1 << 36  # milliseconds of a person's own: two years, and room
_SEQUENCE = (0, 1, 3, 7)
_EACH_PERSON = 8.0  # texts, at least, of those who are texted at all
_BATCH, _BETWEEN = 1_000, 100  # a campaign's texts are created so many at once, and sent so far apart
_CLOSEST = 10 * _MINUTE
_SERVICES = ("iMessage", "SMS", "RCS")
_SERVICE_SHARES = (0.62, 0.94)
_DOWNGRADED, _ARRIVES, _DECLINED = 0.03, 0.955, 0.005
_REPLIES, _TEXTED_AFTER, _SENT_AFTER, _STARTS_AGAIN = 0.06, 0.08, 0.25, 0.15
_ROUNDS = 3
_UNDER_WAY = 12
_RARE = 0.003

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
    by_service = np.array([BY_SERVICE[name] for name in _SERVICES])[service]
    chances: Chances = BASE * by_frequency * by_age * by_service
    return chances


class MessageTruth(NamedTuple):
    """What is planted in a sandbox's messages.

    Attributes:
        stops: a row a stop: `phone`, `stopped_at`, `source` (`"keyword"`, or `"elsewhere"` for an opt-out that no
            message shows), `started_at` (null for those who did not start again).
        exposures: a row a text that arrived while its person had not stopped: `message_handle`, `phone`,
            `date_sent`, `service`, `frequency` (in seven days), `is_first`, `hazard`, `stopped` (after this text).
        texts_after_stop: a row a text sent or tried between a stop and a start: `message_handle`, `phone`,
            `at`, `stopped_at`, `status`.
    """

    stops: pl.DataFrame
    exposures: pl.DataFrame
    texts_after_stop: pl.DataFrame


class History(NamedTuple):
    """Messages, what is planted in them, and who is opted out at their end."""

    messages: pl.DataFrame
    truth: MessageTruth
    opted_out: set[str]


@dataclass
class _People:
    """Those who are texted: arrays with an item a person."""

    phones: list[str]
    joined: Ints
    lines: list[str]
    is_out: Flags


def history(count: int, contacts: Sequence[Mapping[str, Any]], *, seed: int = 0) -> History:
    """Make a history of that many messages with these contacts.

    Raises:
        ConfigurationError: there are none to text, or the number is negative.

    Example:
        >>> from sendblue_data.sandbox import people
        >>> made = history(400, list(people.contacts(50, seed=1)), seed=1)
        >>> made.messages.height, made.truth.stops.columns
        (400, ['phone', 'stopped_at', 'source', 'started_at'])
    """
    with_phone = [contact for contact in contacts if contact.get("phone")]
    if count < 0 or (count and not with_phone):
        raise ConfigurationError(
            f"messages is {count}; expected 0 or more, and contacts with a phone to text."
        )
    random = np.random.RandomState(seed)  # its stream is frozen, as in `people`
    chosen = (
        sorted(
            random.choice(len(with_phone), min(len(with_phone), int(count / _EACH_PERSON) + 1), replace=False)
        )
        if with_phone
        else []
    )
    people = _people([with_phone[place] for place in chosen])
    each, made = count * 1.15 / max(len(people.phones), 1), None
    while made is None:
        made = _Simulation(people, each, random).cut(count)
        each *= 1.4
    return made


def _people(contacts: Sequence[Mapping[str, Any]]) -> _People:
    joined = [_milliseconds(contact.get("created_at")) for contact in contacts]
    return _People(
        [contact["phone"] for contact in contacts],
        np.array(joined, np.int64),
        [contact.get("sendblue_number") or texts.LINES[0] for contact in contacts],
        np.array([bool(contact.get("opt_out")) for contact in contacts], bool),
    )


def _milliseconds(created: Any) -> int:
    if created is None:
        return 0
    at = datetime.fromisoformat(created) if isinstance(created, str) else created
    since = at.replace(tzinfo=None) - _START.replace(tzinfo=None)
    return min(max(since // timedelta(milliseconds=1), 0), (_DAYS - 1) * _DAY)


class _Simulation:
    """One history: when everybody is texted, then who stops, then what is left."""

    def __init__(self, people: _People, each: float, random: np.random.RandomState) -> None:
        self.people, self.random = people, random
        self.person, self.sent, self.created, self.campaign = self._schedule(each)
        total = len(self.person)
        self.key = self.person * _SPAN + self.sent
        self.first_of = np.searchsorted(self.key, self.person * _SPAN)
        is_last = np.append(self.person[1:] != self.person[:-1], True) if total else np.zeros(0, bool)
        after = np.append(self.sent[1:], 0) if total else self.sent
        self.gap = np.where(is_last, _DAYS * _DAY - self.sent, after - self.sent)
        kind = np.searchsorted(_SERVICE_SHARES, random.random_sample(len(people.phones)))[self.person]
        self.downgraded = (kind == 0) & (random.random_sample(total) < _DOWNGRADED)
        self.service = np.where(self.downgraded, 1, kind)
        self.arrives = random.random_sample(total) < _ARRIVES
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
        campaigns = max(int(_DAYS / 7), int(share / 0.25))
        days = np.sort(random.choice(_DAYS, campaigns, replace=campaigns > _DAYS))
        for number, day in enumerate(days):
            at = int(day) * _DAY + random.randint(10 * 60, 17 * 60) * _MINUTE
            is_there = joined < at
            mean_there = max(float(is_there.mean()), 0.02) if people else 1.0
            goes = (is_there & (random.random_sample(people) < share / campaigns / mean_there)).nonzero()[0]
            nth = np.arange(len(goes))
            created = at + nth // _BATCH * 5 * _MINUTE
            sent = created + 2_000 + nth % _BATCH * _BETWEEN
            parts.append((goes, sent, created, np.full(len(goes), number)))
        person, sent, created, campaign = (
            np.concatenate(each_of).astype(np.int64) for each_of in zip(*parts, strict=True)
        )
        order = np.lexsort((sent, person))
        person, sent, created, campaign = (array[order] for array in (person, sent, created, campaign))
        is_close = np.zeros(len(person), bool)
        is_close[1:] = (person[1:] == person[:-1]) & (sent[1:] - sent[:-1] < _CLOSEST)
        kept = ~is_close & (sent < _DAYS * _DAY)
        return person[kept], sent[kept], created[kept], campaign[kept]

    def _sequences(self) -> tuple[Ints, Ints, Ints, Ints]:
        joined = self.people.joined
        person = np.repeat(np.arange(len(joined)), len(_SEQUENCE))
        days = np.tile(_SEQUENCE, len(joined))
        later = self.random.randint(_MINUTE, 8 * 60 * _MINUTE, len(person))
        created = joined[person] + days * _DAY + later
        return person, created + 1_500, created, np.full(len(person), -1)

    def _bursts(self, bursts: Ints) -> tuple[Ints, Ints, Ints, Ints]:
        person = np.repeat(np.arange(len(bursts)), bursts)
        begins = self.people.joined[person] + (
            self.random.random_sample(len(person)) * (_DAYS * _DAY - self.people.joined[person])
        ).astype(np.int64)
        person, begins = np.repeat(person, 5), np.repeat(begins, 5)
        created = begins + np.tile(np.arange(5), len(person) // 5) * _DAY
        created = created + self.random.randint(0, 6 * 60 * _MINUTE, len(person))
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
        ends = _DAYS * _DAY
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
            later = np.maximum(random.exponential(2 * 60 * _MINUTE, len(events)), 20_000)
            stopped = self.sent[events] + np.minimum(later, 0.9 * self.gap[events]).astype(np.int64)
            again = (random.random_sample(len(events)) < _STARTS_AGAIN) & ~self.people.is_out[who]
            started = np.where(again, stopped + random.randint(_DAY, 20 * _DAY, len(events)), ends + 1)
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

    # What is left

    def cut(self, count: int) -> History | None:
        """Return the first so many messages; None where there are too few."""
        outbound = self._outbound()
        inbound = self._inbound(outbound)
        log = pl.concat([outbound, inbound, *self._others(count)], how="diagonal")
        if log.height < count:
            return None
        log = log.sort("created_at", "date_sent", maintain_order=True).head(count)
        hexes = self.random.bytes(16 * count).hex()
        handles = pl.Series(
            [hexes[place : place + 32] for place in range(0, 32 * count, 32)], dtype=pl.String
        )
        log = log.with_columns(handles.alias("message_handle"))
        log = _under_way(log)
        truth, opted_out = self._truth(log, log["at"].max())
        out = pl.col("number").is_in(list(opted_out))
        log = log.with_columns(pl.when(pl.col("number").is_not_null()).then(out).alias("opted_out"))
        missing = [
            pl.lit(None, kind).alias(name) for name, kind in LOG_SCHEMA.items() if name not in log.columns
        ]
        return History(log.with_columns(missing).select(list(LOG_SCHEMA)).cast(LOG_SCHEMA), truth, opted_out)

    def _outbound(self) -> pl.DataFrame:
        random = self.random
        kept = self.tried | self.after
        total = int(kept.sum())
        person, campaign = self.person[kept], self.campaign[kept]
        after, arrives = self.after[kept], self.arrives[kept]
        goes_out = random.random_sample(total) < _SENT_AFTER
        receipt = random.random_sample(total) < 0.5  # noqa: PLR2004 -- half of the carriers report
        service = self.service[kept]
        is_declined = (after & ~goes_out) | (
            ~after & ~arrives & (random.random_sample(total) < _DECLINED / (1 - _ARRIVES))
        )
        status = np.where(
            is_declined, "DECLINED",
            np.where(~arrives & ~after, "ERROR", np.where((service == 0) | receipt, "DELIVERED", "SENT")),
        )  # fmt: skip
        sent = self.sent[kept]
        phones, lines = (
            pl.Series(self.people.phones, dtype=pl.String),
            pl.Series(self.people.lines, dtype=pl.String),
        )
        words = pl.Series(texts.CAMPAIGNS)
        seat = pl.Series(texts.SEATS, dtype=pl.String).gather(campaign % len(texts.SEATS))
        frame = pl.DataFrame(
            {
                "event": kept.nonzero()[0],
                "person": person,
                "at": sent,
                "created_at": self.created[kept],
                "number": phones.gather(person),
                "sendblue_number": lines.gather(person),
                "service": pl.Series(_SERVICES).gather(service),
                "was_downgraded": self.downgraded[kept],
                "status": status,
                "content": words.gather(campaign % len(words)),
                "sender_email": seat,
                "after": after,
            }
        )
        is_out, failed = pl.col("status") == "DECLINED", pl.col("status") == "ERROR"
        return frame.with_columns(
            _moment("at"),
            _moment("created_at"),
            pl.lit(True).alias("is_outbound"),
            pl.lit("message").alias("message_type"),
            pl.col("sendblue_number").alias("from_number"),
            pl.col("number").alias("to_number"),
            pl.lit("owner@example.com").alias("accountEmail"),
            pl.lit("paid").alias("plan"),
            pl.when(pl.col("sender_email").is_not_null()).then(pl.lit(texts.SEAT_ID)).alias("seat_id"),
            pl.when(is_out & pl.col("after")).then(pl.lit("OPTED_OUT")).when(is_out)
            .then(pl.lit("PRE_REPLY_LIMIT_REACHED")).alias("error_key"),
            pl.when(failed).then(4_001).alias("error_code"),
            pl.when(failed).then(pl.lit("Carrier rejected the message")).alias("error_message"),
            pl.when(failed).then(pl.lit("carrier")).when(is_out).then(pl.lit("declined")).alias("error_reason"),
        ).with_columns(
            pl.when(~is_out).then("at").alias("date_sent"),
            (pl.col("at") + pl.duration(seconds=3)).alias("date_updated"),
        )  # fmt: skip

    def _inbound(self, outbound: pl.DataFrame) -> pl.DataFrame:
        """Return replies, stops and starts."""
        random = self.random
        keywords = [event for event, *_ in self.stops]
        may = outbound.filter(
            pl.col("status").is_in(["DELIVERED", "SENT"])
            & ~pl.col("after")
            & ~pl.col("event").is_in(keywords)
        )["event"].to_numpy()
        answered = may[random.random_sample(len(may)) < _REPLIES]
        later = np.maximum(random.exponential(60 * _MINUTE, len(answered)), 15_000)
        replied = self.sent[answered] + np.minimum(later, 0.9 * self.gap[answered]).astype(np.int64)
        ends = _DAYS * _DAY
        stops = np.array([(self.person[event], at) for event, at, _, _ in self.stops], np.int64).reshape(
            -1, 2
        )
        starts = np.array(
            [(self.person[event], at) for event, _, _, at in self.stops if at < ends], np.int64
        ).reshape(-1, 2)
        parts = [
            (self.person[answered], replied, texts.REPLIES),
            (stops[:, 0], stops[:, 1], texts.STOPS),
            (starts[:, 0], starts[:, 1], texts.STARTS),
        ]
        phones, lines = (
            pl.Series(self.people.phones, dtype=pl.String),
            pl.Series(self.people.lines, dtype=pl.String),
        )
        frames = [
            pl.DataFrame(
                {
                    "person": who,
                    "at": at,
                    "number": phones.gather(who),
                    "sendblue_number": lines.gather(who),
                    "content": pl.Series(words).gather(random.randint(0, len(words), len(who))),
                }
            )
            for who, at, words in parts
        ]
        return _received(pl.concat(frames))

    def _others(self, count: int) -> list[pl.DataFrame]:
        """Return what belongs to no contact: strangers who text, and texts to groups."""
        random = self.random
        few = int(count * _RARE)
        at = random.randint(0, _DAYS * _DAY, 2 * few)
        strangers = _received(
            pl.DataFrame(
                {
                    "at": at[:few],
                    "number": pl.Series(
                        [numbers.made_up(40_000_000 + nth) for nth in range(few)], dtype=pl.String
                    ),
                    "sendblue_number": pl.Series([texts.LINES[0]] * few, dtype=pl.String),
                    "content": pl.Series(["Who is this?"] * few, dtype=pl.String),
                }
            )
        )
        members = random.randint(0, max(len(self.people.phones), 1), (few, 3)).tolist()
        groups = pl.DataFrame(
            {
                "at": at[few:],
                "group_id": [f"group-{nth % 40}" for nth in range(few)],
                "participants": [[self.people.phones[one] for one in three] for three in members],
            },
            schema={"at": pl.Int64, "group_id": pl.String, "participants": pl.List(pl.String)},
        ).with_columns(
            _moment("at"),
            *[pl.lit(texts.LINES[0]).alias(name) for name in ("sendblue_number", "from_number")],
            pl.lit(True).alias("is_outbound"),
            pl.lit("group").alias("message_type"),
            pl.lit("iMessage").alias("service"),
            pl.lit("DELIVERED").alias("status"),
            pl.lit(texts.CAMPAIGNS[0]).alias("content"),
        )
        groups = groups.with_columns(
            pl.col("at").alias(name) for name in ("created_at", "date_sent", "date_updated")
        )
        return [strangers, groups]

    def _truth(self, log: pl.DataFrame, ends: Any) -> tuple[MessageTruth, set[str]]:
        """Return what is planted in the part of the history that was kept, up to the moment that it ends."""
        phones = self.people.phones
        last = _DAYS * _DAY
        rows = [
            (phones[self.person[event]], stopped, source, started if started < last else None)
            for event, stopped, source, started in self.stops
        ]
        rows += [(phones[who], at, "elsewhere", None) for who, at in self.elsewhere]
        stops = pl.DataFrame(
            rows,
            schema={"phone": pl.String, "stopped_at": pl.Int64, "source": pl.String, "started_at": pl.Int64},
            orient="row",
        ).with_columns(_moment("stopped_at"), _moment("started_at"))
        stops = stops.filter(pl.col("stopped_at") <= ends).with_columns(
            pl.when(pl.col("started_at") <= ends).then("started_at").alias("started_at")
        )
        stops = stops.sort("stopped_at", "phone")
        ours = log.filter(pl.col("event").is_not_null() & (pl.col("status") != "QUEUED"))
        after = (
            ours.filter("after")
            .sort("at")
            .join_asof(
                stops.sort("stopped_at"), left_on="at", right_on="stopped_at", by_left="number", by_right="phone",
                check_sortedness=False,
            )
            .select("message_handle", phone="number", at="at", stopped_at="stopped_at", status="status")
        )  # fmt: skip
        event = ours["event"].to_numpy()
        frequency, age = self.frequency()[event], self.age()[event]
        hit = np.zeros(len(self.person), bool)
        hit[[one for one, *_ in self.stops]] = True
        exposures = ours.select(
            "message_handle", pl.col("number").alias("phone"), "date_sent", "service", "after"
        ).with_columns(
            frequency=pl.Series(frequency),
            is_first=pl.Series(age == 0),
            hazard=pl.Series(hazard(frequency, age, self.service[event])),
            stopped=pl.Series(hit[event]),
            arrived=pl.Series(self.arrives[event]),
        )
        exposures = exposures.filter(~pl.col("after") & pl.col("arrived")).drop("after", "arrived")
        out = stops.filter(pl.col("started_at").is_null())["phone"].to_list()
        return MessageTruth(stops, exposures, after), set(out)


def _moment(name: str) -> pl.Expr:
    """Return a column of milliseconds since the start as moments."""
    return (
        (pl.lit(_START) + pl.duration(milliseconds=pl.col(name))).cast(LOG_SCHEMA["created_at"]).alias(name)
    )


def _received(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(
        _moment("at"),
        pl.lit(False).alias("is_outbound"),
        pl.lit("message").alias("message_type"),
        pl.lit("RECEIVED").alias("status"),
        pl.lit("iMessage").alias("service"),
        pl.lit("owner@example.com").alias("accountEmail"),
        pl.col("number").alias("from_number"),
        pl.col("sendblue_number").alias("to_number"),
    ).with_columns(pl.col("at").alias(name) for name in ("created_at", "date_sent", "date_updated"))


def _under_way(log: pl.DataFrame) -> pl.DataFrame:
    """Let the newest texts be under way still: not sent, as far as the list says."""
    nth = pl.int_range(pl.len())
    is_new = (nth >= pl.len() - _UNDER_WAY) & pl.col("status").is_in(["SENT", "DELIVERED"]) & (nth % 3 == 0)
    return log.with_columns(
        pl.when(is_new).then(pl.lit("QUEUED")).otherwise("status").alias("status"),
        pl.when(~is_new).then("date_sent").alias("date_sent"),
    )
