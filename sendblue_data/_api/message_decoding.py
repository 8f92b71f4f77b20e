"""Decoding of the API's list of messages into messages frames, with no text kept that was not asked for."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec
import polars as pl

from sendblue_data._api.call import MESSAGES, Call, error_message
from sendblue_data._api.decoding import Oddity, announce_new
from sendblue_data._api.repairs import Unreadable, loads, read_flag, repair, with_whole_characters
from sendblue_data._api.typed_messages import (
    DATES,
    EXACT_LIST,
    FIELDS,
    KNOWN,
    NAMES,
    NEVER_GUESSED,
    TABLE,
    typed,
    whole_number,
)
from sendblue_data._shared.keywords import Language, keywords
from sendblue_data._shared.time import read_utc
from sendblue_data.errors import UnexpectedAnswerError
from sendblue_data.schema import MESSAGE_SCHEMA

LIST_MESSAGES = Call("GET", MESSAGES)
"""The call that lists messages."""

_ROWS = msgspec.json.Decoder(list[msgspec.Raw])
_NAMES = msgspec.json.Decoder(dict[str, msgspec.Raw])
_READ = pl.Schema({name: pl.String() if name in DATES else MESSAGE_SCHEMA[name] for name in FIELDS})
"""A message as it is read: its dates are texts still."""
_JSON = pl.Schema({NAMES[name]: kind for name, kind in _READ.items()})
_USUAL_DATE = "%Y-%m-%dT%H:%M:%S.%6fZ"
_OTHER_DATE = "%Y-%m-%dT%H:%M:%S%.fZ"
_FIRST_MOMENT, _LAST_MOMENT = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


class MessagePage(NamedTuple):
    """A page of messages, what could not be read of it, and what the answer says of the whole list.

    Attributes:
        frame: a messages frame.
        oddities: what could not be read, and is null.
        total: messages that match the filters; None where the answer does not say.
        has_more: whether others follow; None where it does not say.
    """

    frame: pl.DataFrame
    oddities: tuple[Oddity, ...]
    total: int | None
    has_more: bool | None


def decode_messages(
    body: bytes,
    call: Call = LIST_MESSAGES,
    *,
    content: bool = False,
    languages: Iterable[Language] = (),
    announced: set[str] | None = None,
    credentials: Iterable[str] = (),
) -> MessagePage:
    """Turn the answer of the message list into a messages frame.

    Names may be in snake_case or camelCase; 0, 1 and the words for them are read as flags, digits as an error code.
    What can't be read is null, and is among the oddities. Where the answer leaves `number` out, it is read off
    `to_number` (outbound) or `from_number` (inbound), as the vendor defines it, but not for a group.

    Args:
        body: the answer's bytes: `{"data": [...], "pagination": {...}}`.
        call: what it answers, for the error's text.
        content: keep the texts. Otherwise only `keyword` and `content_length` tell of them.
        languages: whose keywords to know besides the service's.
        announced: names of new fields that a warning was given for already; grows.
        credentials: what that warning must not show.

    Raises:
        UnexpectedAnswerError: it is no such answer; the message quotes nothing of it.

    Example:
        >>> body = b'{"data": [{"number": "+12125550100", "isOutbound": false, "content": "Stop."}]}'
        >>> page = decode_messages(body)
        >>> page.frame.select("phone", "is_outbound", "keyword", "content_length", "content").rows()
        [('+12125550100', False, 'stop', 5, None)]
        >>> page.total, page.has_more
        (None, None)
    """
    try:
        frame, odd, new, pagination = _read(body, call)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _no_messages(error, body, call) from None
    if new:
        announce_new(new, announced, credentials, kind="message")
    frame, undated = _with_dates(frame)
    frame = _with_phones(frame, [one.row for one in odd if one.field == "phone"])
    total, has_more = _said(pagination)
    texts = pl.col("content")
    frame = frame.with_columns(
        keywords(frame["content"], languages).alias("keyword"),
        texts.str.len_chars().cast(pl.Int64).alias("content_length"),
        *([] if content else [pl.lit(None, pl.String).alias("content")]),
    )
    return MessagePage(frame.select(list(MESSAGE_SCHEMA)), tuple(sorted((*odd, *undated))), total, has_more)


def _read(body: bytes, call: Call) -> tuple[pl.DataFrame, list[Oddity], set[str], bytes]:
    """Return what `_rows` does of an answer's list, and what the answer says of pages, as it came."""
    try:
        data, pagination = _parts(body, call)
        return *_rows(data), pagination
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        whole = with_whole_characters(body)  # looked for only now, since it takes as long as all else
        if whole is body:
            raise
        return _read(whole, call)


def _parts(body: bytes, call: Call) -> tuple[bytes, bytes]:
    """Return the list of an answer and what it says of pages, as they came."""
    if not body.strip():
        raise call.unexpected("the answer is empty.", cut_short=True)
    if body.lstrip()[:1] == b"[":
        return body, b"null"
    fields = _NAMES.decode(body)
    data = bytes(fields.get("data", b"null"))
    said = {name: bytes(value).strip(b'"').upper() for name, value in fields.items() if name == "status"}
    if said.get("status") == b"ERROR" or data[:1] != b"[":
        raise call.unexpected(
            f"the answer holds no list of messages: {error_message(body) or 'no message'}.", field="data"
        )
    return data, bytes(fields.get("pagination", b"null"))


def _no_messages(error: Exception, body: bytes, call: Call) -> UnexpectedAnswerError:
    """Return the error for bytes that are no list of messages. It quotes none of them: they may be texts."""
    if body.lstrip()[:1] == b"<":
        return call.unexpected("the answer is a web page, not JSON.")
    is_cut_short = body.lstrip()[:1] in (b"{", b"[") and "truncated" in str(error)
    return call.unexpected(f"the answer is no list of messages ({error}).", cut_short=is_cut_short)


def _rows(data: bytes) -> tuple[pl.DataFrame, list[Oddity], set[str]]:
    """Return the messages with their dates as texts, what could not be read, and the names of new fields."""
    try:
        frame = _as_promised(data)
    except msgspec.ValidationError:
        return _row_by_row(data)
    return _row_by_row(data) if frame is None else (frame, [], set())


def _as_promised(data: bytes) -> pl.DataFrame | None:
    """Read messages that are exactly as the API promises; None where `read_json` reads them otherwise.

    `read_json` is fast and lax, so msgspec checks the shape first, as of contacts.

    Raises:
        msgspec.ValidationError: they are otherwise.
        msgspec.DecodeError: it is no JSON.
    """
    messages = EXACT_LIST.decode(data)
    if not messages:
        return _READ.to_frame()
    try:
        frame = pl.read_json(data, schema=_JSON)
    except pl.exceptions.PolarsError:  # such as a number beyond all bounds in a field that no column holds
        return None
    if frame.height != len(messages):
        return None
    for field in NEVER_GUESSED:
        name = NAMES[field]
        if frame[name].to_list() != list(map(attrgetter(name), messages)):
            return None  # given twice, with different values: `read_json` takes the first, msgspec the last
    return frame.rename({"number": "phone"})


def _row_by_row(data: bytes) -> tuple[pl.DataFrame, list[Oddity], set[str]]:
    columns: dict[str, list[Any]] = {field: [] for field in FIELDS}
    oddities: list[Oddity] = []
    new: set[str] = set()
    for row, raw in enumerate(_ROWS.decode(data)):
        names = set(_NAMES.decode(raw))
        if names and KNOWN.isdisjoint(names):
            raise msgspec.ValidationError(f"none of its fields is a message's - at `$[{row}]`")
        new |= names - KNOWN
        values = typed(raw)
        if values is None:
            values, unreadable = repair(loads(bytes(raw)), TABLE)
            oddities += [Oddity(row, field, kind) for field, kind in unreadable.items()]
        for field, column in columns.items():
            column.append(values.get(field))
    return pl.DataFrame(columns, _READ), oddities, new


def _with_phones(frame: pl.DataFrame, unreadable: list[int]) -> pl.DataFrame:
    """Fill in whose message it is, where the answer leaves that out, but not where what it says can't be read."""
    if not frame["phone"].null_count():
        return frame
    other = pl.when("is_outbound").then("to_number").when(~pl.col("is_outbound")).then("from_number")
    is_single = pl.col("group_id").is_null() & pl.col("message_type").ne_missing("group")
    is_left_out = pl.col("phone").is_null() & ~pl.int_range(pl.len()).is_in(unreadable)
    return frame.with_columns(pl.when(is_left_out & is_single).then(other).otherwise("phone").alias("phone"))


def _with_dates(frame: pl.DataFrame) -> tuple[pl.DataFrame, list[Oddity]]:
    """Read the dates, and say where something else stands."""
    read = frame.with_columns(_dates(_USUAL_DATE))
    if _are_read(frame, read):
        return read, []
    read = frame.with_columns(_dates(_OTHER_DATE))
    odd: list[Oddity] = []
    for name in DATES:
        usual = read[name].is_between(_FIRST_MOMENT, _LAST_MOMENT).fill_null(value=False)
        rest = (frame[name].is_not_null() & ~usual).arg_true().to_list()
        if not rest:
            continue
        moments = read.select(pl.when(usual).then(name)).to_series().to_list()
        for row in rest:
            moments[row] = read_utc(frame[name][row])
        odd += [Oddity(row, name, "not a date") for row in rest if moments[row] is None]
        read = read.with_columns(pl.Series(name, moments, MESSAGE_SCHEMA[name]))
    return read, odd


def _dates(form: str) -> list[pl.Expr]:
    # Without a zone in the first step: where a text has another one, it is not of this form.
    return [
        pl.col(name).str.to_datetime(form, time_unit="us", strict=False).dt.replace_time_zone("UTC")
        for name in DATES
    ]


def _are_read(texts: pl.DataFrame, read: pl.DataFrame) -> bool:
    """Whether every text was read, as a moment of the years 1 to 9999."""
    return all(
        read[name].null_count() == texts[name].null_count()
        and read[name].is_between(_FIRST_MOMENT, _LAST_MOMENT).all()
        for name in DATES
    )


def _said(pagination: bytes) -> tuple[int | None, bool | None]:
    """Read how many messages match, and whether others follow, as far as the answer says it."""
    try:
        fields = _NAMES.decode(pagination)
    except (msgspec.DecodeError, UnicodeDecodeError):  # the latter for names alone
        return None, None
    total = _readable(whole_number, fields.get("total"))
    more = [_readable(read_flag, fields.get(name)) for name in ("hasMore", "has_more")]
    return None if total is None or total < 0 else total, next((one for one in more if one is not None), None)


def _readable(read: Any, value: msgspec.Raw | None) -> Any:
    try:
        return None if value is None else read(loads(bytes(value)))
    except (Unreadable, ValueError, RecursionError):
        return None
