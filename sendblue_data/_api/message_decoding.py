"""Decoding of the API's list of messages into messages frames, with no text kept that was not asked for."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import msgspec
import polars as pl
from msgspec.structs import astuple

from sendblue_data._api.call import MESSAGES, Call, error_message
from sendblue_data._api.decoding import Oddity, announce_new
from sendblue_data._api.repairs import Unreadable, loads, read_flag, repair, with_whole_characters
from sendblue_data._api.typed_messages import (
    DATES,
    EXACT_ANSWER,
    EXACT_NAMES,
    FIELDS,
    KNOWN,
    MAY_BE_TWICE,
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
_USUAL_DATE = "%Y-%m-%dT%H:%M:%S.%6fZ"
_OTHER_DATE = "%Y-%m-%dT%H:%M:%S%.fZ"
_FIRST_MOMENT, _LAST_MOMENT = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
# Not by Polars: a query starts its threads, and a process that is forked after the import would wait for them forever.
_FIRST_TICK, _LAST_TICK = (
    (at - datetime.fromtimestamp(0, UTC)) // timedelta(microseconds=1) for at in (_FIRST_MOMENT, _LAST_MOMENT)
)


class _Read(NamedTuple):
    """What was read of an answer.

    Attributes:
        columns: the values of each field, a message each; dates are texts still.
        oddities: what could not be read.
        new: the names of new fields.
        pagination: what it says of pages, as it came.
    """

    columns: dict[str, Sequence[Any]]
    oddities: list[Oddity]
    new: set[str]
    pagination: bytes


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
        read = _as_promised(body) or _otherwise(body, call)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _no_messages(error, body, call) from None
    if read.new:
        announce_new(read.new, announced, credentials, kind="message")
    columns = read.columns
    moments, undated = _moments(pl.DataFrame([pl.Series(name, columns[name], pl.String) for name in DATES]))
    columns["phone"] = _phones(columns, {one.row for one in read.oddities if one.field == "phone"})
    texts = columns["content"]
    columns["keyword"] = keywords(texts, languages)
    columns["content_length"] = [None if text is None else len(text) for text in texts]
    if not content:
        columns["content"] = [None] * len(texts)
    frame = pl.DataFrame(
        [
            moments[name] if name in DATES else pl.Series(name, columns[name], kind)
            for name, kind in MESSAGE_SCHEMA.items()
        ]
    )
    return MessagePage(frame, tuple(sorted((*read.oddities, *undated))), *_said(read.pagination))


def _as_promised(body: bytes) -> _Read | None:
    """Read an answer that is exactly as the API promises; None for any other.

    By columns from what msgspec has checked: `read_json` takes twice as long, and would have to be checked as well.
    """
    try:
        answer: Any = EXACT_ANSWER.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    if str(answer.status).upper() == "ERROR":
        return None
    rows = answer.data
    values: dict[str, Sequence[Any]] = dict.fromkeys(EXACT_NAMES, ())
    values.update(zip(EXACT_NAMES, zip(*map(astuple, rows), strict=True), strict=False))  # none, of no rows
    columns = {field: values[name] for field, name in NAMES.items()}
    given = 0
    for field in NEVER_GUESSED:
        missing = columns[field].count(msgspec.UNSET)
        given += len(rows) - missing
        if missing:
            columns[field] = [None if value is msgspec.UNSET else value for value in columns[field]]
    try:
        names = pl.Series([body]).cast(pl.String).str.count_matches(MAY_BE_TWICE).item()
    except pl.exceptions.PolarsError:  # no text, in a field of the answer that nobody reads
        return None
    # Given twice, with different values? msgspec takes the last.
    return _Read(columns, [], set(), bytes(answer.pagination)) if names == given else None


def _otherwise(body: bytes, call: Call) -> _Read:
    """Read an answer message by message."""
    try:
        data, pagination = _parts(body, call)
        return _row_by_row(data, pagination)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        whole = with_whole_characters(body)  # looked for only now, since it takes as long as all else
        if whole is body:
            raise
        return _as_promised(whole) or _otherwise(whole, call)


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


def _row_by_row(data: bytes, pagination: bytes) -> _Read:
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
    return _Read({**columns}, oddities, new, pagination)


def _phones(columns: Mapping[str, Sequence[Any]], unreadable: Collection[int]) -> Sequence[str | None]:
    """Return whose each message is, also where the answer leaves that out, but not where what it says can't be read."""
    phones = columns["phone"]
    if None not in phones:
        return phones
    filled = list(phones)
    for row in (row for row, phone in enumerate(phones) if phone is None and row not in unreadable):
        is_single = columns["group_id"][row] is None and columns["message_type"][row] != "group"
        is_outbound = columns["is_outbound"][row]
        if is_single and is_outbound is not None:
            filled[row] = columns["to_number" if is_outbound else "from_number"][row]
    return filled


def _moments(texts: pl.DataFrame) -> tuple[pl.DataFrame, list[Oddity]]:
    """Read the dates, and say where something else stands."""
    read = texts.with_columns_seq(_dates(_USUAL_DATE))
    if all(_is_read(texts[name], read[name]) for name in DATES):
        return read, []
    read = texts.with_columns_seq(_dates(_OTHER_DATE))
    odd: list[Oddity] = []
    for name in DATES:
        usual = read[name].is_between(_FIRST_MOMENT, _LAST_MOMENT).fill_null(value=False)
        rest = (texts[name].is_not_null() & ~usual).arg_true().to_list()
        if not rest:
            continue
        moments = read.select(pl.when(usual).then(name)).to_series().to_list()
        for row in rest:
            moments[row] = read_utc(texts[name][row])
        odd += [Oddity(row, name, "not a date") for row in rest if moments[row] is None]
        read = read.with_columns(pl.Series(name, moments, MESSAGE_SCHEMA[name]))
    return read, odd


def _dates(form: str) -> list[pl.Expr]:
    # Without a zone in the first step: where a text has another one, it is not of this form.
    return [
        pl.col(name)
        .str.to_datetime(form, time_unit="us", strict=False, cache=False)
        .dt.replace_time_zone("UTC")
        for name in DATES
    ]


def _is_read(texts: pl.Series, read: pl.Series) -> bool:
    """Whether every text was read, as a moment of the years 1 to 9999."""
    if read.null_count() != texts.null_count():
        return False
    ticks: Any = read.cast(pl.Int64)
    least = ticks.min()
    return least is None or (least >= _FIRST_TICK and ticks.max() <= _LAST_TICK)


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
