"""`GET /api/v2/messages`: its filters and orders, and what its answer shows, by the switches."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from zlib import crc32

import polars as pl

from sendblue_data.sandbox.bodies import RefusedError
from sendblue_data.sandbox.message_log import MESSAGE_FIELDS, MOMENTS, Listing, MessageLog
from sendblue_data.sandbox.shown import camel_case, cut
from sendblue_data.sandbox.store import moment
from sendblue_data.sandbox.switches import Switches

DEFAULT_LIMIT = 100
_SAME_TEXT = {
    "from_number": "from_number",
    "to_number": "to_number",
    "sendblue_number": "sendblue_number",
    "group_id": "group_id",
    "account_email": "accountEmail",
}
_ONE_OF = {
    "service": ("iMessage", "SMS", "RCS"),
    "message_type": ("message", "group"),
    "status": (
        "REGISTERED", "PENDING", "SENT", "DELIVERED", "RECEIVED", "QUEUED", "ERROR", "DECLINED", "ACCEPTED", "SUCCESS",
    ),
    "is_outbound": ("true", "false"),
    "order_by": ("createdAt", "updatedAt", "sentAt"),
    "order_direction": ("asc", "desc"),
}  # fmt: skip
_ORDERS = {"createdAt": "created_at", "updatedAt": "date_updated", "sentAt": "date_sent"}
_RANGES = {"sent_at": "date_sent", "updated_at": "date_updated"}
_DIGITS = {"us": timedelta(microseconds=1), "ms": timedelta(milliseconds=1), "s": timedelta(seconds=1)}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CAPPED_TOTAL = 10_000


def list_messages(
    log: MessageLog, query: Mapping[str, str], switches: Switches, *, seed: int
) -> dict[str, Any]:
    """Return what a list of messages answers.

    Raises:
        RefusedError: a parameter is none, or not one of its values.
    """
    for name, takes in _ONE_OF.items():
        if query.get(name, takes[0]) not in takes:
            raise RefusedError(400, f"{name} is {query[name]!r}; expected one of {', '.join(takes)}")
    limit = _whole_number(query.get("limit"), "limit", DEFAULT_LIMIT, least=1)
    offset = _whole_number(query.get("offset"), "offset", 0, least=0)
    if limit > switches.message_page and switches.message_page_past_cap == "refuse":
        raise RefusedError(400, f"limit is {limit}; at most {switches.message_page}")
    if offset > switches.message_reach and switches.offset_past_cap == "refuse":
        raise RefusedError(400, f"offset is {offset}; at most {switches.message_reach}")
    limit, offset = min(limit, switches.message_page), min(offset, switches.message_reach)
    order_by, descending = _order(query, switches)
    found = log.page(
        _filters(query, switches),
        created_from=_bound(query, "created_at_gte", switches),
        created_until=_bound(query, "created_at_lte", switches),
        exclusive=switches.message_bounds == "exclusive",
        limit=limit,
        offset=offset,
        order_by=order_by,
        descending=descending,
        nulls_last=switches.sort_nulls == "last",
        shuffled=switches.ties == "shuffled",
        lag=switches.read_lag,
    )
    answer: dict[str, Any] = {"status": "OK", "data": _shown(found, switches, seed)}
    if switches.message_totals != "missing":
        total = {"page": found.rows.height, "capped": min(found.total, _CAPPED_TOTAL)}
        answer["pagination"] = {
            "total": total.get(switches.message_totals, found.total),
            "limit": found.rows.height,
            "offset": offset,
            "hasMore": offset + found.rows.height < found.total,
        }
    return answer


def _order(query: Mapping[str, str], switches: Switches) -> tuple[str | None, bool]:
    if not switches.honour_order:
        return None, False
    way = query.get("order_direction")
    if "order_by" not in query:
        newest = switches.default_order == "newest"
        return "created_at", (newest if way is None else way == "desc")
    return _ORDERS[query["order_by"]], way == "desc"


def _filters(query: Mapping[str, str], switches: Switches) -> list[pl.Expr]:
    found = [pl.col(column) == query[name] for name, column in _SAME_TEXT.items() if name in query]
    found += [pl.col(name) == query[name] for name in ("service", "message_type", "status") if name in query]
    if "number" in query:
        found.append(pl.any_horizontal(pl.col("from_number", "to_number", "number") == query["number"]))
    if "is_outbound" in query:
        found.append(pl.col("is_outbound") == (query["is_outbound"] == "true"))
    for name, column in _RANGES.items():
        exclusive = switches.message_bounds == "exclusive"
        least, most = (_bound(query, f"{name}_{end}", switches) for end in ("gte", "lte"))
        if least is not None:
            found.append(pl.col(column) > least if exclusive else pl.col(column) >= least)
        if most is not None:
            found.append(pl.col(column) < most if exclusive else pl.col(column) <= most)
    return found


def _bound(query: Mapping[str, str], name: str, switches: Switches) -> datetime | None:
    """Read a bound, to the precision that the server keeps of it."""
    try:
        stamp = moment(query.get(name))
    except ValueError as error:
        raise RefusedError(400, f"{name}: {error}") from None
    if stamp is None:
        return None
    at = datetime.fromisoformat(stamp).replace(tzinfo=UTC)
    return at - (at - _EPOCH) % _DIGITS[switches.message_clock]


def _whole_number(text: str | None, name: str, default: int, *, least: int) -> int:
    if text is None:
        return default
    if not (text.isascii() and text.isdigit()) or int(text) < least:
        raise RefusedError(400, f"{name} is {text!r}; expected a whole number, {least} or more")
    return int(text)


def _shown(found: Listing, switches: Switches, seed: int) -> list[dict[str, Any]]:
    """Return the messages of a page as answers show them."""
    stamps = [pl.col(name).dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").alias(name) for name in MOMENTS]
    rows = found.rows.select(MESSAGE_FIELDS).with_columns(stamps).to_dicts()
    for row in rows:
        if switches.timestamps != "us":
            row.update({name: cut(row[name], switches.timestamps) for name in MOMENTS})
        oddity = odd_message(row, share=switches.odd_messages, seed=seed)
        if oddity is not None:
            row[oddity[0]] = oddity[1]
    if switches.message_nulls == "left_out":
        rows = [{name: value for name, value in row.items() if value is not None} for row in rows]
    if switches.message_spelling == "snake":
        return rows
    both = switches.message_spelling == "both"
    return [
        {
            shown: value
            for name, value in row.items()
            for shown in ((name, camel_case(name)) if both else (camel_case(name),))
        }
        for row in rows
    ]


_ODD: Mapping[str, tuple[Any, ...]] = {
    "is_outbound": ("perhaps", 2, []),
    "opted_out": ("perhaps", {}),
    "number": (12125550100, ["+12125550100"]),
    "date_sent": ("yesterday", {}, "2025-13-41T00:00:00Z"),
    "error_code": ("many", 1.5),
    "status": ({"is": "SENT"},),
    "content": ({"text": "Hi"}, ["Hi"], 5),
    "participants": ("nobody", 3),
}
"""Values that nobody can read."""


def odd_message(message: Mapping[str, Any], *, share: float, seed: int) -> tuple[str, Any, bool] | None:
    """Return what is odd about a message: the field, what is shown, and whether it can be read; None for most."""
    if not share:
        return None
    which = f"odd {seed} {message['message_handle']}"
    if crc32(which.encode()) >= share * 2**32:
        return None
    random = Random(which)  # noqa: S311 -- reproducible, not secret
    flags = [name for name in ("is_outbound", "opted_out", "was_downgraded") if message[name] is not None]
    if flags and random.random() < 2 / 3:
        flag = random.choice(flags)
        return flag, random.choice((int(message[flag]), str(message[flag]).lower())), True
    field = random.choice(list(_ODD))
    return field, random.choice(_ODD[field]), False
