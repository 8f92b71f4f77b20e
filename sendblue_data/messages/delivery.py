"""What became of the texts that were sent: delivered, failed, declined, on the way; by which service."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import narwhals as nw
import polars as pl

from sendblue_data._frames.engines import require_columns
from sendblue_data._frames.grouping import By, in_order, keys_of
from sendblue_data.analytics.rates import normal_quantile
from sendblue_data.messages.clusters import PERSON, Share, counted_by_person, person, with_clustered_rate
from sendblue_data.messages.events import (
    CONFIRMED,
    DECLINED,
    DELIVERED,
    FAILED,
    OPTED_OUT,
    PENDING,
    dated,
    has_status,
    outbound,
)
from sendblue_data.messages.joined import Recipients

_COUNTS = (
    "messages",
    "delivered",
    "confirmed",
    "failed",
    "declined",
    "declined_opted_out",
    "pending",
    "unknown",
)
_RATE = ("delivery_rate", "delivery_rate_low", "delivery_rate_high")
_SERVICES = {"imessage": "iMessage", "sms": "SMS", "rcs": "RCS"}
_DOWNGRADE = ("downgrade_rate", "downgrade_rate_low", "downgrade_rate_high")
_COLUMNS = [*_COUNTS, *_RATE, *_SERVICES, "service_unknown", "downgraded", "downgrade_unknown", *_DOWNGRADE]
_READ = ("status", "error_key", "service", "was_downgraded", "is_outbound")


def delivery(
    messages: Any,
    by: By | Sequence[By] | None = None,
    *,
    contacts: Any | None = None,
    confidence: float = 0.95,
) -> pl.DataFrame:
    """Count what became of the texts that went out, and by which service.

    A text is `delivered` where the service reports DELIVERED or RECEIVED (these alone are `confirmed`), and where it is
    SENT or SUCCESS with nothing reported since, as of most SMS. The delivery rate is of the texts that are settled:
    delivered, failed or declined. Texts to groups count here, each once.

    Args:
        messages: a messages frame of any engine that Narwhals knows; it counts where the data lives.
        by: groups, as for `opt_outs_per_message`; `"error_key"` gives the reasons of what failed or was declined.
        contacts: the contacts frame, of the same engine, where `by` asks for a column of it.
        confidence: of the intervals.

    Returns:
        A row a group, or one row, the most texts first: the group's columns; `messages` that went out; of these
        `delivered`, `confirmed` (of the delivered), `failed` (ERROR), `declined` by the service, `declined_opted_out`
        (of these, since the recipient had opted out), `pending` (REGISTERED, PENDING, QUEUED, ACCEPTED) and `unknown`
        (a status that the API did not say or that is new); `delivery_rate` = delivered / (delivered + failed +
        declined) with its bounds; `imessage`, `sms`, `rcs`, `service_unknown`; `downgraded`, `downgrade_unknown`, and
        `downgrade_rate` with its bounds, of those of which it is known. The intervals know that messages to one person
        are alike; rates are null where there is nothing to judge.

    Raises:
        FrameError: a column is missing, of another type, or can't be grouped by; a phone stands twice in `contacts`.
        ConfigurationError: the confidence isn't between 0 and 1.

    Example:
        >>> from sendblue_data import MESSAGE_SCHEMA
        >>> messages = pl.DataFrame([{"is_outbound": True, "phone": f"+1305555010{n}", "status": status}
        ...     for n, status in enumerate(["DELIVERED", "SENT", "ERROR", "QUEUED"])], schema=MESSAGE_SCHEMA)
        >>> delivery(messages).select("messages", "delivered", "confirmed", "failed", "pending").row(0)
        (4, 2, 1, 1, 1)
    """
    normal_quantile(confidence)  # refuses what is no share
    frame, recipients = dated(messages), Recipients(messages, contacts)
    require_columns(frame.collect_schema().names(), ("group_id", "message_handle", *_READ))
    native = recipients.beside(frame.filter(outbound()).with_columns(person()))
    keys = keys_of(native, by, taken=_COLUMNS)
    shares = [Share("delivered", "settled"), Share("downgraded", "downgrade_known")]
    table = counted_by_person(native, keys, [*_READ, PERSON], _flags(), shares)
    table = with_clustered_rate(table, shares[0], "delivery_rate", confidence)
    table = with_clustered_rate(table, shares[1], "downgrade_rate", confidence)
    table = table.with_columns(downgrade_unknown=pl.col("messages") - pl.col("downgrade_known"))
    return in_order(table, keys, size="messages").select(*(key.name for key in keys), *_COLUMNS)


def _flags() -> dict[str, nw.Expr]:
    """Tell of each text that went out what it counts as."""
    service = nw.col("service").fill_null("")
    reason = nw.col("error_key").fill_null("")
    known = (*DELIVERED, *FAILED, *DECLINED, *PENDING)
    return {
        "messages": outbound(),
        "delivered": has_status(*DELIVERED),
        "confirmed": has_status(*CONFIRMED),
        "failed": has_status(*FAILED),
        "declined": has_status(*DECLINED),
        "declined_opted_out": has_status(*DECLINED) & (reason == OPTED_OUT),
        "pending": has_status(*PENDING),
        "unknown": ~has_status(*known),
        "settled": has_status(*DELIVERED, *FAILED, *DECLINED),
        **{name: service == spelled for name, spelled in _SERVICES.items()},
        "service_unknown": ~service.is_in(tuple(_SERVICES.values())),
        "downgraded": nw.col("was_downgraded").fill_null(value=False),
        "downgrade_known": ~nw.col("was_downgraded").is_null(),
    }
