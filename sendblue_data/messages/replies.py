"""Who writes back: the share of texts that were replied to, and how soon."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import narwhals as nw
import polars as pl

from sendblue_data._frames.grouping import By, Key, Measure, grouped, in_order, keys_of
from sendblue_data._shared.time import span_us
from sendblue_data.analytics.rates import normal_quantile
from sendblue_data.messages.clusters import (
    PERSON,
    Share,
    counted_by_person,
    person,
    weighted_median,
    with_clustered_rate,
)
from sendblue_data.messages.events import AT, dated, delivered_text, newest, reply, unknown_text
from sendblue_data.messages.joined import Recipients, side_by_side

_MINUTE, _HOUR_MINUTES = 60_000_000, 60
_COLUMNS = ["delivered", "unknown", "open", "replied", "rate", "low", "high", "median_hours"]


def replies(
    messages: Any,
    by: By | Sequence[By] | None = None,
    within: str | timedelta = "7d",
    *,
    contacts: Any | None = None,
    confidence: float = 0.95,
) -> pl.DataFrame:
    """Return the share of delivered texts that were replied to, and the time that it took.

    A text is replied to where the next thing between the account and its recipient is a message from them, at most
    `within` later: several texts before one reply have one reply, that of the last. Stops and starts are no replies.

    Args:
        messages: a messages frame of any engine that Narwhals knows; it counts where the data lives.
        by: groups of texts, as for `opt_outs_per_message`.
        within: how long after a text a message is a reply to it: `"7d"`, `"12h"`, or a timedelta.
        contacts: the contacts frame, of the same engine, where `by` asks for a column of it.
        confidence: of the intervals.

    Returns:
        A row a group, or one row, the most texts first: the group's columns; `delivered` texts to one person (as in
        `opt_outs_per_message`); `unknown`, texts whose status the API did not say, in no rate; `open`, those of
        `delivered` to which a reply may still come; `replied`; `rate` = replied / delivered with `low` and `high`,
        which know that messages to one person are alike; `median_hours` from text to reply, in whole minutes, null
        where there is none.

    Raises:
        FrameError: a column is missing, of another type, or can't be grouped by; a phone stands twice in `contacts`.
        ConfigurationError: the confidence isn't between 0 and 1, or `within` is no length of time.

    Example:
        >>> from datetime import datetime, timedelta, UTC
        >>> from sendblue_data import MESSAGE_SCHEMA
        >>> noon = datetime(2026, 3, 2, 12, tzinfo=UTC)
        >>> rows = [{"phone": "+13055550101", "date_sent": noon + timedelta(hours=hour), "is_outbound": hour < 2,
        ...          "status": "DELIVERED" if hour < 2 else "RECEIVED"} for hour in (0, 1, 4)]
        >>> table = replies(pl.DataFrame(rows, schema=MESSAGE_SCHEMA))
        >>> table.select("delivered", "replied", "rate", "median_hours").row(0)
        (2, 1, 0.5, 3.0)
    """
    normal_quantile(confidence)  # refuses what is no share
    window = span_us("within", within)
    frame, recipients = dated(messages), Recipients(messages, contacts)
    closed = (newest(frame) or 0) - window
    native = recipients.beside(_followed(frame, window))
    keys = keys_of(native, by, taken=_COLUMNS)
    names = [key.name for key in keys]
    share = Share("replied", "delivered")
    flags = {
        "delivered": delivered_text(),
        "unknown": unknown_text(),
        "open": delivered_text() & (nw.col(AT) > closed),
        "replied": nw.col("m_replied"),
    }
    read = ["phone", "is_outbound", "message_type", "status", AT, "m_replied", PERSON]
    table = counted_by_person(native, keys, read, flags, [share])
    table = with_clustered_rate(table, share, "rate", confidence)
    table = table.filter(pl.sum_horizontal("delivered", "unknown") > 0) if keys else table
    waits = _waits(native, keys)
    median = weighted_median(waits, names, "m_minutes", "replied").with_columns(
        median_hours=pl.col("median") / _HOUR_MINUTES
    )
    table = side_by_side(table, median, names, how="left")
    return in_order(table, keys, size="delivered").select(*names, *_COLUMNS)


def _followed(frame: nw.LazyFrame[Any], within: int) -> nw.LazyFrame[Any]:
    """Return the texts, delivered or of unknown status, with whether a reply followed, and after how many minutes."""
    said = frame.filter(delivered_text() | reply())
    order: dict[str, Any] = {"order_by": [AT, "m_reply"]}
    said = said.with_columns(reply().cast(nw.Int64).alias("m_reply"))
    said = said.with_columns(
        nw.col("m_reply").shift(-1).over("phone", **order).alias("m_next"),
        nw.col(AT).shift(-1).over("phone", **order).alias("m_next_at"),
    )
    texts = said.filter(nw.col("m_reply") == 0)
    wait = nw.col("m_next_at") - nw.col(AT)
    replied = ((nw.col("m_next") == 1) & (wait <= within)).fill_null(value=False)
    texts = texts.with_columns(replied.alias("m_replied"), (wait // _MINUTE).alias("m_minutes"))
    texts = texts.drop("m_reply", "m_next", "m_next_at")
    others = frame.filter(unknown_text()).with_columns(
        nw.lit(value=False).alias("m_replied"), nw.lit(0).cast(nw.Int64).alias("m_minutes")
    )
    return nw.concat([texts, others.select(*texts.collect_schema().names())], how="vertical").with_columns(
        person()
    )


def _waits(native: Any, keys: Sequence[Key]) -> pl.DataFrame:
    """Count replies by group and whole minutes after the text."""
    minutes = Key("m_minutes", "m_minutes")
    replied = nw.from_native(native).lazy().filter(nw.col("m_replied")).to_native()
    table = grouped(replied, [*keys, minutes], {"phone": "phone"}, {"replied": Measure(nw.len())})
    return table.with_columns(pl.col("m_minutes").cast(pl.Int64))
