"""Decoding of the API's list of messages into messages frames, with no text kept that was not asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Annotated, Any, NamedTuple

import msgspec
import polars as pl

from sendblue_data._api.call import MESSAGES, Call, error_message
from sendblue_data._api.decoding import Oddity, announce_new
from sendblue_data._api.repairs import (
    Fields,
    FieldTable,
    Number,
    Unreadable,
    agreed,
    first_moment,
    loads,
    read_flag,
    read_moment,
    read_phone,
    read_text,
    repair,
    with_whole_characters,
)
from sendblue_data._shared.keywords import Language, keywords
from sendblue_data._shared.time import read_utc
from sendblue_data.errors import UnexpectedAnswerError
from sendblue_data.schema import MESSAGE_SCHEMA

LIST_MESSAGES = Call("GET", MESSAGES)
"""The call that lists messages."""

_DERIVED = ("keyword", "content_length")
_DATES = ("date_sent", "date_updated")
_FLAGS = ("is_outbound", "was_downgraded", "opted_out")
_PHONES = ("phone", "sendblue_number", "from_number", "to_number")
_NEVER_GUESSED = ("phone", "is_outbound", "opted_out")
"""Whose it is, whither it went and whether they may be texted: where two values differ, neither is taken."""
_IGNORED = (
    "accountEmail", "media_url", "group_display_name", "location", "plan", "reply_to", "send_style",
    "thread_originator",
)  # fmt: skip
"""Fields of SDK 1.33.0 that no column holds."""
_FIELDS = tuple(name for name in MESSAGE_SCHEMA if name not in _DERIVED)
_INT64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


def _camel_case(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)


_EXACT_NAMES = {name: ("number" if name == "phone" else name,) for name in _FIELDS}
_SPELLINGS = {
    name: tuple(dict.fromkeys((*exact, _camel_case(exact[0]), *(("phone",) if name == "phone" else ()))))
    for name, exact in _EXACT_NAMES.items()
}
_KNOWN = {
    *_IGNORED,
    "account_email",
    *map(_camel_case, _IGNORED),
    *(name for names in _SPELLINGS.values() for name in names),
}


def _whole_number(value: Any) -> int | None:
    if value is None:
        return None
    if isinstance(value, str) and value.removeprefix("-").isdecimal() and -(2**63) <= int(value) < 2**63:
        return int(value)
    raise Unreadable("not a number")


def _list_of_texts(value: Any) -> list[str | None] | None:
    if value is None:
        return None
    if isinstance(value, list) and not isinstance(value, Fields):
        return [read_text(each) for each in value]
    raise Unreadable("not a list")


def _content(value: Any) -> str | None:
    if value is None or (isinstance(value, str) and not isinstance(value, Number)):
        return value
    raise Unreadable("not text")


_TABLE = FieldTable(
    _SPELLINGS,
    {
        **dict.fromkeys(_FIELDS, read_text),
        **dict.fromkeys(_PHONES, read_phone),
        **dict.fromkeys(_FLAGS, read_flag),
        **dict.fromkeys(_DATES, read_moment),
        "error_code": _whole_number,
        "participants": _list_of_texts,
        "content": _content,
    },
    {**dict.fromkeys(_NEVER_GUESSED, agreed), **dict.fromkeys(_DATES, first_moment)},
)
_TYPES: dict[str, Any] = {
    **dict.fromkeys(_FIELDS, str | None),
    **dict.fromkeys(_FLAGS, bool | None),
    "error_code": _INT64 | None,
    "participants": list[str | None] | None,
}


def _struct(name: str, names: Mapping[str, tuple[str, ...]], *, strict: bool) -> type[msgspec.Struct]:
    """Make a type of one message; those never guessed that are missing are told from those that are null."""
    fields: list[tuple[str, Any, Any]] = []
    for field, spelled in names.items():
        missing = (msgspec.UnsetType, msgspec.UNSET) if field in _NEVER_GUESSED else (None, None)
        fields += [(one, _TYPES[field] | missing[0], missing[1]) for one in spelled]
    fields += [(one, Any, None) for one in _IGNORED]
    return msgspec.defstruct(name, fields, gc=False, forbid_unknown_fields=strict)


_ExactMessage = _struct("_ExactMessage", _EXACT_NAMES, strict=True)
_SpelledMessage = _struct("_SpelledMessage", _SPELLINGS, strict=False)
_EXACT_LIST = msgspec.json.Decoder(list[_ExactMessage])  # type: ignore[valid-type]
_SPELLED = msgspec.json.Decoder(_SpelledMessage)
_ROWS = msgspec.json.Decoder(list[msgspec.Raw])
_NAMES = msgspec.json.Decoder(dict[str, msgspec.Raw])
_USUAL_DATES = ("%Y-%m-%dT%H:%M:%S.%6fZ", "%Y-%m-%dT%H:%M:%S%.fZ")
_FIRST_MOMENT, _LAST_MOMENT = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)

_FIRST_MICROSECOND, _LAST_MICROSECOND = (
    (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    for at in (_FIRST_MOMENT, _LAST_MOMENT)
)


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
        data, pagination = _parts(body, call)
        columns, odd, new = _columns(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _no_messages(error, body, call) from None
    if new:
        announce_new(new, announced, credentials, kind="message")
    frame, undated = _frame(columns, {(one.row, one.field) for one in odd})
    total, has_more = _said(pagination)
    texts = pl.col("content")
    frame = frame.with_columns(
        keywords(frame["content"], languages).alias("keyword"),
        texts.str.len_chars().cast(pl.Int64).alias("content_length"),
        *([] if content else [pl.lit(None, pl.String).alias("content")]),
    )
    return MessagePage(frame.select(list(MESSAGE_SCHEMA)), tuple(sorted((*odd, *undated))), total, has_more)


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


def _columns(data: bytes) -> tuple[dict[str, list[Any]], list[Oddity], set[str]]:
    """Return the values of each field, what could not be read, and the names of new fields."""
    try:
        rows = _EXACT_LIST.decode(data)
    except msgspec.ValidationError:
        return _row_by_row(data)
    except msgspec.DecodeError:
        whole = with_whole_characters(data)  # looked for only now, since it takes as long as all else
        if whole is data:
            raise
        return _columns(whole)
    columns = {field: list(map(attrgetter(name), rows)) for field, (name,) in _EXACT_NAMES.items()}
    if _given_twice(data, columns):
        return _row_by_row(data)
    return columns | {field: _set(columns[field]) for field in _NEVER_GUESSED}, [], set()


def _set(values: list[Any]) -> list[Any]:
    return (
        [None if value is msgspec.UNSET else value for value in values] if msgspec.UNSET in values else values
    )


def _given_twice(data: bytes, columns: dict[str, list[Any]]) -> bool:
    """Whether some message may give one of these twice under one name, of which the last would be taken."""
    return any(
        data.count(f'"{_EXACT_NAMES[field][0]}"'.encode()) > len(values) - values.count(msgspec.UNSET)
        for field in _NEVER_GUESSED
        if (values := columns[field])
    )


def _row_by_row(data: bytes) -> tuple[dict[str, list[Any]], list[Oddity], set[str]]:
    columns: dict[str, list[Any]] = {field: [] for field in _FIELDS}
    oddities: list[Oddity] = []
    new: set[str] = set()
    for row, raw in enumerate(_ROWS.decode(data)):
        names = set(_NAMES.decode(raw))
        if names and _KNOWN.isdisjoint(names):
            raise msgspec.ValidationError(f"none of its fields is a message's - at `$[{row}]`")
        new |= names - _KNOWN
        values = _typed(raw)
        if values is None:
            values, unreadable = repair(loads(bytes(raw)), _TABLE)
            oddities += [Oddity(row, field, kind) for field, kind in unreadable.items()]
        for field, column in columns.items():
            column.append(values.get(field))
    return columns, oddities, new


def _typed(raw: msgspec.Raw) -> dict[str, Any] | None:
    """Decode a message whose values all have types that fit, and agree; None for any other."""
    try:
        message = _SPELLED.decode(raw)
    except msgspec.ValidationError:
        return None
    body = bytes(raw)
    values: dict[str, Any] = {}
    for field, names in _SPELLINGS.items():
        given = [value for name in names if (value := getattr(message, name)) is not msgspec.UNSET]
        if field in _NEVER_GUESSED and (
            len(given) > 1 or sum(body.count(f'"{name}"'.encode()) for name in names) > len(given)
        ):
            return None
        values[field] = next((value for value in given if value is not None), None)
    return values


def _frame(
    columns: dict[str, list[Any]], unreadable: set[tuple[int, str]]
) -> tuple[pl.DataFrame, list[Oddity]]:
    undated: list[Oddity] = []
    series = []
    for field, values in columns.items():
        if field in _DATES:
            moments, rows = _moments(values)
            undated += [Oddity(row, field, "not a date") for row in rows]
            series.append(moments.alias(field))
        else:
            series.append(pl.Series(field, values, dtype=MESSAGE_SCHEMA[field]))
    frame = pl.DataFrame(series)
    if frame["phone"].null_count():
        known = pl.Series([(row, "phone") not in unreadable for row in range(frame.height)], dtype=pl.Boolean)
        other = pl.when("is_outbound").then("to_number").when(~pl.col("is_outbound")).then("from_number")
        is_single = pl.col("group_id").is_null() & pl.col("message_type").ne_missing("group")
        frame = frame.with_columns(
            pl.when(pl.col("phone").is_null() & is_single & known)
            .then(other)
            .otherwise("phone")
            .alias("phone")
        )
    return frame, undated


def _moments(texts: list[str | None]) -> tuple[pl.Series, list[int]]:
    """Read dates, most of them at once, and say in which rows something else stands."""
    given = pl.Series(texts, dtype=pl.String)
    usual_form = given.str.to_datetime(_USUAL_DATES[0], time_unit="us", time_zone="UTC", strict=False)
    first, last = usual_form.to_physical().min(), usual_form.to_physical().max()
    if usual_form.null_count() == given.null_count() and _within(first, last):
        return usual_form, []  # most pages: what follows takes several times as long
    for form in _USUAL_DATES:
        read = given.str.to_datetime(form, time_unit="us", strict=False).dt.replace_time_zone("UTC")
        if read.null_count() == given.null_count():
            break
    usual = read.is_between(_FIRST_MOMENT, _LAST_MOMENT).fill_null(value=False)
    rest = (given.is_not_null() & ~usual).arg_true().to_list()
    if not rest:
        return read, []
    moments = pl.select(pl.when(usual).then(read)).to_series().to_list()
    for row in rest:
        moments[row] = read_utc(texts[row] or "")
    return pl.Series(moments, dtype=MESSAGE_SCHEMA["date_sent"]), [
        row for row in rest if moments[row] is None
    ]


def _within(first: Any, last: Any) -> bool:
    """Whether microseconds since 1970 are within the years 1 to 9999, or there are none."""
    return first is None or (first >= _FIRST_MICROSECOND and last <= _LAST_MICROSECOND)


def _said(pagination: bytes) -> tuple[int | None, bool | None]:
    """Read how many messages match, and whether others follow, as far as the answer says it."""
    try:
        fields = _NAMES.decode(pagination)
    except (msgspec.DecodeError, UnicodeDecodeError):  # the latter for names alone
        return None, None
    total = _readable(_whole_number, fields.get("total"))
    more = [_readable(read_flag, fields.get(name)) for name in ("hasMore", "has_more")]
    return None if total is None or total < 0 else total, next((one for one in more if one is not None), None)


def _readable(read: Any, value: msgspec.Raw | None) -> Any:
    try:
        return None if value is None else read(loads(bytes(value)))
    except (Unreadable, ValueError, RecursionError):
        return None
