"""What each message is: a text to one person, delivered or not; a reply; a stop or a start.

The words that all analytics of messages share, over a frame of any engine. A message lies at `date_sent`, where that
is missing at `date_updated`; moments are whole microseconds since 1970, which every engine orders and adds alike.
"""

from __future__ import annotations

from typing import Any

import narwhals as nw

from sendblue_data._frames.conversion import column_names
from sendblue_data._frames.engines import Micros, collect, extended, require_columns

CONFIRMED = ("DELIVERED", "RECEIVED")
"""The service says that the text arrived."""
SENT = ("SENT", "SUCCESS")
"""It left, and nothing was reported since: carriers report no delivery of many SMS."""
DELIVERED = (*CONFIRMED, *SENT)
FAILED, DECLINED = ("ERROR",), ("DECLINED",)
PENDING = ("REGISTERED", "PENDING", "QUEUED", "ACCEPTED")
OPTED_OUT = "OPTED_OUT"
"""The `error_key` of a text that the service declined because its recipient had opted out."""
STOP, START = "stop", "start"
MOMENT = Micros(("date_sent", "date_updated"))
AT = "m_at"
"""The column of a message's moment."""
COLUMNS = ("phone", "from_number", "is_outbound", "message_type", "status", "keyword", *MOMENT.columns)
"""What every analytic of messages reads."""


def has_status(*statuses: str) -> nw.Expr:
    """Tell of each message whether its status is one of these; not, where the API did not say."""
    return nw.col("status").fill_null("").is_in(statuses)


def outbound() -> nw.Expr:
    """Tell which messages are known to have gone out."""
    return nw.col("is_outbound").fill_null(value=False)


def to_a_group() -> nw.Expr:
    """Tell which messages went to several people at once."""
    return nw.col("message_type").fill_null("message") == "group"


def personal() -> nw.Expr:
    """Tell which messages are between the account and one known person, at a known time."""
    return ~nw.col("phone").is_null() & ~to_a_group() & ~nw.col(AT).is_null()


def delivered_text() -> nw.Expr:
    """Tell which messages are texts that one person was sent and got, as far as anybody reports."""
    return outbound() & personal() & has_status(*DELIVERED)


def unknown_text() -> nw.Expr:
    """Tell which texts to one person have a status that the API did not say, or that nobody knows."""
    return outbound() & personal() & ~has_status(*DELIVERED, *FAILED, *DECLINED, *PENDING)


def unplaced_text() -> nw.Expr:
    """Tell which texts may have been delivered and can be laid to no one person: to a group, no phone, no time."""
    return outbound() & ~personal() & ~has_status(*FAILED, *DECLINED, *PENDING)


def reply() -> nw.Expr:
    """Tell which messages one person wrote that are neither a stop nor a start."""
    return ~nw.col("is_outbound").fill_null(value=True) & personal() & nw.col("keyword").is_null()


def dated(messages: Any) -> nw.LazyFrame[Any]:
    """Return the messages with their moment, `m_at`.

    Raises:
        FrameError: a column that the analytics need is missing or of another type.
    """
    require_columns(column_names(messages), COLUMNS)
    return extended(messages, {AT: MOMENT})


def newest(frame: nw.LazyFrame[Any]) -> int | None:
    """Return the moment of the newest message; None where none has one."""
    found: int | None = collect(frame.select(nw.col(AT).max())).item()
    return found


def keywords(frame: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    """Return `phone`, `m_at` and `keyword` of each stop and start that a person wrote.

    One of which nobody knows who wrote it is taken for the person's: an account has no reason to write STOP, and to
    forget an opt-out is worse. In a group it is the sender's.
    """
    person = nw.coalesce("phone", "from_number")
    wrote = frame.filter(~outbound(), nw.col("keyword").is_in((STOP, START)))
    return wrote.select(person.alias("phone"), AT, "keyword").filter(~nw.col("phone").is_null())


def opt_outs(frame: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    """Return a row an opt-out by keyword: `phone`, `stop_at`, `started_at` and `until`.

    Of several stops in a row the first counts. `started_at` is the start that ended the opt-out before (null: there
    was none), `until` the one that ended this (null: it holds). Where a stop and a start share a moment, the stop is
    the later one.
    """
    order = {"order_by": [AT, "keyword"]}
    words = keywords(frame).filter(~nw.col(AT).is_null())
    before = nw.col("keyword").shift(1).over("phone", **order).fill_null(START)
    changes = words.with_columns(before.alias("m_before")).filter(nw.col("keyword") != nw.col("m_before"))
    around = changes.with_columns(
        nw.col(AT).shift(1).over("phone", **order).alias("started_at"),
        nw.col(AT).shift(-1).over("phone", **order).alias("until"),
    )
    return around.filter(nw.col("keyword") == STOP).select(
        "phone", nw.col(AT).alias("stop_at"), "started_at", "until"
    )


def last_before_opt_out(frame: nw.LazyFrame[Any], within: int) -> nw.LazyFrame[Any]:
    """Return the delivered texts that an opt-out followed: the last to that person before it, with `stop_at`.

    At most `within` microseconds before; after the start that ended an opt-out before, so that no text has two.
    """
    later = nw.col(AT).shift(-1).over("phone", "stop_at", order_by=[AT, "message_handle"])
    soon = _soon_before_opt_out(frame, within).with_columns(later.alias("m_later"))
    return soon.filter(nw.col("m_later").is_null()).drop("m_later")


def last_moment_before_opt_out(frame: nw.LazyFrame[Any], within: int) -> nw.LazyFrame[Any]:
    """Return `phone`, `stop_at` and `m_at` alone of these: no text's handle is read for it."""
    soon = _soon_before_opt_out(frame, within)
    return soon.group_by("phone", "stop_at").agg(nw.col(AT).max())


def _soon_before_opt_out(frame: nw.LazyFrame[Any], within: int) -> nw.LazyFrame[Any]:
    """Return the delivered texts that an opt-out followed soon enough, with its `stop_at`."""
    texts = frame.filter(delivered_text()).join(opt_outs(frame), on="phone", how="inner")
    return texts.filter(
        nw.col(AT) <= nw.col("stop_at"),
        nw.col(AT) >= nw.col("stop_at") - within,
        nw.col("started_at").is_null() | (nw.col(AT) > nw.col("started_at")),
    )
