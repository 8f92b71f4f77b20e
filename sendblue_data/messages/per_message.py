"""Opt-outs per delivered message: the figure that messaging vendors publish."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import narwhals as nw
import polars as pl

from sendblue_data._frames.engines import collect
from sendblue_data._frames.grouping import By, Key, Measure, counted, grouped, in_order, keys_of
from sendblue_data._shared.time import span_us
from sendblue_data.analytics.rates import with_rate
from sendblue_data.messages.events import (
    AT,
    dated,
    delivered_text,
    last_before_opt_out,
    last_moment_before_opt_out,
    newest,
    opt_outs,
    unknown_text,
    unplaced_text,
)
from sendblue_data.messages.joined import Recipients, side_by_side

COLUMNS = ["delivered", "unknown", "unplaced", "open", "opt_outs", "rate", "low", "high", "unattributed"]
COUNTED = ("delivered", "unknown", "unplaced", "open")
KINDS = {"delivered": delivered_text(), "unknown": unknown_text(), "unplaced": unplaced_text()}
"""What each text counts as; those of the delivered that are young are open besides."""


def opt_outs_per_message(
    messages: Any,
    by: By | Sequence[By] | None = None,
    within: str | timedelta = "7d",
    *,
    contacts: Any | None = None,
    confidence: float = 0.95,
) -> pl.DataFrame:
    """Return the share of delivered texts that were the last before an opt-out.

    This is the figure that messaging vendors publish: Klaviyo divides the people who unsubscribe after receiving a text
    by the texts received (help.klaviyo.com, "How to decrease SMS unsubscribe rates", read 27 November 2026). It is no
    share of people: `opt_out_rate` gives the prevalence, and the two are never to be compared.

    An opt-out is a person's stop keyword (see `MESSAGE_SCHEMA`), the first of several in a row; one after a start is
    another. It is laid to the last text that was delivered to that person before it, if that was at most `within`
    before. Delivered is what the service reports as DELIVERED or RECEIVED, and what is SENT or SUCCESS with nothing
    reported since; `delivery` counts the two apart.

    Args:
        messages: a messages frame of any engine that Narwhals knows; it counts where the data lives.
        by: groups of messages, as for `opt_out_rate`: `"service"`, `"sendblue_number"`, `"seat_id"`, an expression;
            with `contacts`, also their columns (`"tags"`, `"company_name"`, `created_period("1mo")`).
        within: how long after a text an opt-out is laid to it: `"7d"`, `"12h"`, or a timedelta. Iterable takes three
            hours (support.iterable.com, "SMS Unsubscribes", read 27 November 2026).
        contacts: the contacts frame, of the same engine, where `by` asks for a column of it.
        confidence: of the intervals.

    Returns:
        A row a group, or one row, the most texts first: the group's columns, then `delivered` texts to one person;
        `unknown`, texts whose status the API did not say, in no rate; `unplaced`, texts that may have been delivered
        and can be laid to nobody: to a group, without phone or time; `open`, those of `delivered` that are younger
        than `within` at the newest message, to which an opt-out may still come; `opt_outs`; `rate` = opt_outs /
        delivered with Wilson's interval `low` to `high`, null where nothing was delivered; and `unattributed`, the
        opt-outs of all groups together that no text came before in time: the same in each row.

    Raises:
        FrameError: a column is missing, of another type, or can't be grouped by; a phone stands twice in `contacts`.
        ConfigurationError: the confidence isn't between 0 and 1, or `within` is no length of time.

    Example:
        >>> from datetime import datetime, timedelta, UTC
        >>> from sendblue_data import MESSAGE_SCHEMA
        >>> noon = datetime(2026, 3, 2, 12, tzinfo=UTC)
        >>> rows = [(noon, "SMS", None), (noon + timedelta(days=1), "iMessage", None),
        ...         (noon + timedelta(days=2), None, "stop")]
        >>> messages = pl.DataFrame(
        ...     [{"phone": "+13055550101", "date_sent": at, "service": service, "keyword": keyword,
        ...       "is_outbound": keyword is None, "status": "RECEIVED" if keyword else "DELIVERED"}
        ...      for at, service, keyword in rows], schema=MESSAGE_SCHEMA)
        >>> opt_outs_per_message(messages, by="service").select("service", "delivered", "opt_outs", "rate").rows()
        [('SMS', 1, 0, 0.0), ('iMessage', 1, 1, 1.0)]
    """
    window = span_us("within", within)
    frame, recipients = dated(messages), Recipients(messages, contacts)
    # What each text counts as is told before the contacts come beside: its words need not come along.
    closed = (newest(frame) or 0) - window
    told = frame.with_columns(kind.alias(f"m_{name}") for name, kind in KINDS.items())
    flagged = told.with_columns((nw.col("m_delivered") & (nw.col(AT) > closed)).alias("m_open"))
    texts = flagged.filter(nw.col("m_delivered") | nw.col("m_unknown") | nw.col("m_unplaced"))
    native = recipients.beside(texts)
    keys = keys_of(native, by, taken=COLUMNS)
    names = [key.name for key in keys]
    measures = {name: Measure(counted(f"m_{name}")) for name in COUNTED}
    counts = grouped(native, keys, {f"m_{name}": f"m_{name}" for name in COUNTED}, measures)
    left, unattributed = _opt_outs(frame, recipients, keys, window)
    table = side_by_side(counts, left, names, how="left")
    table = table.with_columns(pl.col("opt_outs", *COUNTED).fill_null(0))
    table = with_rate(table, "opt_outs", "delivered", confidence=confidence)
    table = table.with_columns(unattributed=pl.lit(unattributed, pl.Int64))
    return in_order(table, keys, size="delivered").select(*names, *COLUMNS)


def _opt_outs(
    frame: nw.LazyFrame[Any], recipients: Recipients, keys: Sequence[Key], window: int
) -> tuple[pl.DataFrame, int]:
    """Count opt-outs by the group of the text that they are laid to; and those that no text came before in time."""
    last = last_before_opt_out(frame, window)
    if any(key.is_tags for key in keys):
        # A text counts in each tag of its recipient, and in none without tags: the groups' sum is no count of opt-outs.
        total, laid = (collect(rows.select(nw.len())).item() for rows in (opt_outs(frame), last))
        return grouped(
            recipients.beside(last), keys, {"phone": "phone"}, {"opt_outs": Measure(nw.len())}
        ), total - laid
    if recipients.tell_all(keys):
        last = last_moment_before_opt_out(frame, window)
    every = opt_outs(frame).select("phone", "stop_at").join(last, on=["phone", "stop_at"], how="left")
    laid_to = ~nw.col(AT).is_null()
    measures = {
        "opt_outs": Measure(laid_to.cast(nw.Int64).sum()),
        "m_none": Measure((~laid_to).cast(nw.Int64).sum()),
    }
    table = grouped(recipients.beside(every), keys, {AT: AT}, measures)
    return table.drop("m_none"), int(table["m_none"].sum())
