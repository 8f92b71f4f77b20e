"""The messages of a sandbox, and the truth that is planted in them: who stopped, after which text, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from sendblue_data.errors import ConfigurationError
from sendblue_data.sandbox import numbers, texts
from sendblue_data.sandbox.campaigns import (
    ARRIVES,
    DAY,
    DAYS,
    MINUTE,
    SERVICES,
    START,
    People,
    Texting,
    hazard,
)
from sendblue_data.sandbox.message_log import LOG_SCHEMA

_EACH_PERSON = 8.0  # texts, at least, of those who are texted at all
_DECLINED, _SENT_AFTER, _REPLIES = 0.005, 0.25, 0.06
_UNDER_WAY = 12
_RARE = 0.003


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
        made = _Log(Texting(people, each, random), random).cut(count)
        each *= 1.4
    return made


def _people(contacts: Sequence[Mapping[str, Any]]) -> People:
    joined = [_milliseconds(contact.get("created_at")) for contact in contacts]
    return People(
        [contact["phone"] for contact in contacts],
        np.array(joined, np.int64),
        [contact.get("sendblue_number") or texts.LINES[0] for contact in contacts],
        np.array([bool(contact.get("opt_out")) for contact in contacts], bool),
    )


def _milliseconds(created: Any) -> int:
    if created is None:
        return 0
    at = datetime.fromisoformat(created) if isinstance(created, str) else created
    since = at.replace(tzinfo=None) - START.replace(tzinfo=None)
    return min(max(since // timedelta(milliseconds=1), 0), (DAYS - 1) * DAY)


class _Log:
    """The messages of everybody who was texted, and the truth about them."""

    def __init__(self, texting: Texting, random: np.random.RandomState) -> None:
        self.texting, self.random = texting, random

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
        kept = self.texting.tried | self.texting.after
        total = int(kept.sum())
        person, campaign = self.texting.person[kept], self.texting.campaign[kept]
        after, arrives = self.texting.after[kept], self.texting.arrives[kept]
        goes_out = random.random_sample(total) < _SENT_AFTER
        receipt = random.random_sample(total) < 0.5  # noqa: PLR2004 -- half of the carriers report
        service = self.texting.service[kept]
        is_declined = (after & ~goes_out) | (
            ~after & ~arrives & (random.random_sample(total) < _DECLINED / (1 - ARRIVES))
        )
        status = np.where(
            is_declined, "DECLINED",
            np.where(~arrives & ~after, "ERROR", np.where((service == 0) | receipt, "DELIVERED", "SENT")),
        )  # fmt: skip
        sent = self.texting.sent[kept]
        phones, lines = (
            pl.Series(self.texting.people.phones, dtype=pl.String),
            pl.Series(self.texting.people.lines, dtype=pl.String),
        )
        words = pl.Series(texts.CAMPAIGNS)
        seat = pl.Series(texts.SEATS, dtype=pl.String).gather(campaign % len(texts.SEATS))
        frame = pl.DataFrame(
            {
                "event": kept.nonzero()[0],
                "person": person,
                "at": sent,
                "created_at": self.texting.created[kept],
                "number": phones.gather(person),
                "sendblue_number": lines.gather(person),
                "service": pl.Series(SERVICES).gather(service),
                "was_downgraded": self.texting.downgraded[kept],
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
        keywords = [event for event, *_ in self.texting.stops]
        may = outbound.filter(
            pl.col("status").is_in(["DELIVERED", "SENT"])
            & ~pl.col("after")
            & ~pl.col("event").is_in(keywords)
        )["event"].to_numpy()
        answered = may[random.random_sample(len(may)) < _REPLIES]
        later = np.maximum(random.exponential(60 * MINUTE, len(answered)), 15_000)
        replied = self.texting.sent[answered] + np.minimum(later, 0.9 * self.texting.gap[answered]).astype(
            np.int64
        )
        ends = DAYS * DAY
        stops = np.array(
            [(self.texting.person[event], at) for event, at, _, _ in self.texting.stops], np.int64
        ).reshape(-1, 2)
        starts = np.array(
            [(self.texting.person[event], at) for event, _, _, at in self.texting.stops if at < ends],
            np.int64,
        ).reshape(-1, 2)
        parts = [
            (self.texting.person[answered], replied, texts.REPLIES),
            (stops[:, 0], stops[:, 1], texts.STOPS),
            (starts[:, 0], starts[:, 1], texts.STARTS),
        ]
        phones, lines = (
            pl.Series(self.texting.people.phones, dtype=pl.String),
            pl.Series(self.texting.people.lines, dtype=pl.String),
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
        at = random.randint(0, DAYS * DAY, 2 * few)
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
        members = random.randint(0, max(len(self.texting.people.phones), 1), (few, 3)).tolist()
        groups = pl.DataFrame(
            {
                "at": at[few:],
                "group_id": [f"group-{nth % 40}" for nth in range(few)],
                "participants": [[self.texting.people.phones[one] for one in three] for three in members],
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
        phones = self.texting.people.phones
        last = DAYS * DAY
        rows = [
            (phones[self.texting.person[event]], stopped, source, started if started < last else None)
            for event, stopped, source, started in self.texting.stops
        ]
        rows += [(phones[who], at, "elsewhere", None) for who, at in self.texting.elsewhere]
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
        frequency, age = self.texting.frequency()[event], self.texting.age()[event]
        hit = np.zeros(len(self.texting.person), bool)
        hit[[one for one, *_ in self.texting.stops]] = True
        exposures = ours.select(
            "message_handle", pl.col("number").alias("phone"), "date_sent", "service", "after"
        ).with_columns(
            frequency=pl.Series(frequency),
            is_first=pl.Series(age == 0),
            hazard=pl.Series(hazard(frequency, age, self.texting.service[event])),
            stopped=pl.Series(hit[event]),
            arrived=pl.Series(self.texting.arrives[event]),
        )
        exposures = exposures.filter(~pl.col("after") & pl.col("arrived")).drop("after", "arrived")
        out = stops.filter(pl.col("started_at").is_null())["phone"].to_list()
        return MessageTruth(stops, exposures, after), set(out)


def _moment(name: str) -> pl.Expr:
    """Return a column of milliseconds since the start as moments."""
    return (pl.lit(START) + pl.duration(milliseconds=pl.col(name))).cast(LOG_SCHEMA["created_at"]).alias(name)


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
