"""Texts that were sent, or tried, to people who had written STOP."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import narwhals as nw
import polars as pl

from sendblue_data._frames.engines import each_tag, require_columns
from sendblue_data._frames.grouping import By, Key, Measure, grouped, in_order, keys_of
from sendblue_data.messages.clusters import weighted_median
from sendblue_data.messages.events import (
    AT,
    DECLINED,
    DELIVERED,
    OPTED_OUT,
    dated,
    has_status,
    opt_outs,
    outbound,
    personal,
    to_a_group,
)
from sendblue_data.messages.joined import Recipients, side_by_side

_MINUTE, _DAY_MINUTES = 60_000_000, 1_440
_CONFIRMATION = 5 * _MINUTE
_COLUMNS = [
    "texts", "people", "delivered", "declined", "other", "within_5_minutes", "median_days", "max_days",
    "declined_without_stop",
]  # fmt: skip


def texts_after_opt_out(
    messages: Any,
    by: By | Sequence[By] | None = None,
    *,
    contacts: Any | None = None,
) -> pl.DataFrame:
    """Count the texts that were sent or tried to people after they wrote a stop keyword, until they wrote start.

    Every text that went out later than the stop counts, whatever became of it: what the service let through is
    `delivered`, what it held back `declined`. A text to a group counts once for each member who had stopped. It needs
    the stop to be among the messages: read them from early enough. Whether a text was lawful is for counsel to say: in
    the United States one text that confirms the opt-out may follow, and is taken for that within five minutes (47 CFR
    64.1200(a)(12), 89 FR 15756 of 5 March 2024, read 27 November 2026).

    Args:
        messages: a messages frame of any engine that Narwhals knows; it counts where the data lives.
        by: groups of texts: `["sendblue_number", "seat_id"]` says from which line, and by whom; as for
            `opt_outs_per_message`.
        contacts: the contacts frame, of the same engine, where `by` asks for a column of it.

    Returns:
        A row a group, or one row, the most texts first: the group's columns; `texts` after a stop, `people` who got
        them; of the texts `delivered`, `declined` by the service, and `other` (failed, on the way, unknown);
        `within_5_minutes` of the stop, of all of these; `median_days` and `max_days` from stop to text, in whole
        minutes, null where there is none; `declined_without_stop`, texts that the service declined since their
        recipient had opted out, of whom no stop is among the messages: not in `texts`. These are counts of all that
        happened, and have no intervals.

    Raises:
        FrameError: a column is missing, of another type, or can't be grouped by; a phone stands twice in `contacts`.

    Example:
        >>> from datetime import datetime, timedelta, UTC
        >>> from sendblue_data import MESSAGE_SCHEMA
        >>> noon = datetime(2026, 3, 2, 12, tzinfo=UTC)
        >>> rows = [(0, None, "DELIVERED"), (1, "stop", "RECEIVED"), (3, None, "DELIVERED"), (4, None, "DECLINED")]
        >>> messages = pl.DataFrame(
        ...     [{"phone": "+13055550101", "date_sent": noon + timedelta(days=day), "keyword": keyword,
        ...       "status": status, "is_outbound": keyword is None} for day, keyword, status in rows],
        ...     schema=MESSAGE_SCHEMA)
        >>> table = texts_after_opt_out(messages)
        >>> table.select("texts", "people", "delivered", "declined", "median_days", "max_days").row(0)
        (2, 1, 1, 1, 2.5, 3.0)
    """
    frame, recipients = dated(messages), Recipients(messages, contacts)
    require_columns(frame.collect_schema().names(), ("participants", "error_key"))
    native = recipients.beside(late_texts(frame))
    keys = keys_of(native, by, taken=_COLUMNS)
    names = [key.name for key in keys]
    table = grouped(native, keys, {name: name for name in _READ}, _measures())
    held_back = frame.filter(outbound(), personal(), _opted_out())
    declined = grouped(
        recipients.beside(held_back), keys, {"phone": "phone"}, {"m_declined": Measure(nw.len())}
    )
    table = side_by_side(table, declined, names).with_columns(pl.col(_COUNTS).fill_null(0))
    late = _how_late(native, keys, names)
    table = side_by_side(table, late, names, how="left")
    table = table.with_columns(
        median_days=pl.col("median") / _DAY_MINUTES,
        max_days=pl.col("largest") / _DAY_MINUTES,
        declined_without_stop=pl.col("m_declined") - pl.col("m_explained"),
        other=pl.col("texts") - pl.col("delivered") - pl.col("declined"),
    )
    if keys:
        table = table.filter((pl.col("texts") > 0) | (pl.col("declined_without_stop") > 0))
    return in_order(table, keys, size="texts").select(*names, *_COLUMNS)


_READ = ("phone", "status", "error_key", "message_type", AT, "stop_at")
_COUNTS = ["texts", "people", "delivered", "declined", "within_5_minutes", "m_explained", "m_declined"]


def late_texts(frame: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    """Return each text to a person who had stopped, with `stop_at`; `phone` is the person's, also of a group."""
    names = [name for name in frame.collect_schema().names() if name not in ("phone", "participants")]
    texts = frame.filter(outbound(), ~nw.col(AT).is_null())
    several = to_a_group() & ~nw.col("participants").is_null()
    ones = texts.filter(~several).select(*names, "phone")
    members = each_tag(texts.filter(several).select(*names, "participants"), "participants")
    members = members.select(*names, nw.col("participants").alias("phone"))
    late = nw.concat([ones, members], how="vertical").join(opt_outs(frame), on="phone", how="inner")
    return late.filter(
        nw.col(AT) > nw.col("stop_at"), nw.col("until").is_null() | (nw.col(AT) <= nw.col("until"))
    )


def _opted_out() -> nw.Expr:
    return has_status(*DECLINED) & (nw.col("error_key").fill_null("") == OPTED_OUT)


def _measures() -> dict[str, Measure]:
    soon = nw.col(AT) - nw.col("stop_at") <= _CONFIRMATION
    flags = {
        "delivered": has_status(*DELIVERED),
        "declined": has_status(*DECLINED),
        "within_5_minutes": soon,
        "m_explained": _opted_out() & ~to_a_group(),
    }
    # A person has one list of tags and one date of creation: people of several of these are different ones.
    return {
        "texts": Measure(nw.len()),
        "people": Measure(nw.col("phone").n_unique()),
        **{name: Measure(flag.cast(nw.Int64).sum()) for name, flag in flags.items()},
    }


def _how_late(native: Any, keys: Sequence[Key], names: Sequence[str]) -> pl.DataFrame:
    """Return the median and the largest number of minutes from stop to text."""
    minutes = ((nw.col(AT) - nw.col("stop_at")) // _MINUTE).alias("m_minutes")
    late = nw.from_native(native).lazy().with_columns(minutes).to_native()
    counts = grouped(
        late, [*keys, Key("m_minutes", "m_minutes")], {"phone": "phone"}, {"texts": Measure(nw.len())}
    )
    return weighted_median(
        counts.with_columns(pl.col("m_minutes").cast(pl.Int64)), names, "m_minutes", "texts"
    )
