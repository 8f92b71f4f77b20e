"""msgspec types of one message: as promised, or under any known spelling; and how what is neither is read."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Any

import msgspec

from sendblue_data._api.repairs import (
    Fields,
    FieldTable,
    Number,
    Unreadable,
    agreed,
    first_moment,
    read_flag,
    read_moment,
    read_phone,
    read_text,
)
from sendblue_data.schema import MESSAGE_SCHEMA

_DERIVED = ("keyword", "content_length")
DATES = ("date_sent", "date_updated")
_FLAGS = ("is_outbound", "was_downgraded", "opted_out")
_PHONES = ("phone", "sendblue_number", "from_number", "to_number")
NEVER_GUESSED = ("phone", "is_outbound", "opted_out")
"""Whose it is, whither it went and whether they may be texted: where two values differ, neither is taken."""
_IGNORED = (
    "accountEmail", "media_url", "group_display_name", "location", "plan", "reply_to", "send_style",
    "thread_originator",
)  # fmt: skip
"""Fields of SDK 1.33.0 that no column holds."""
FIELDS = tuple(name for name in MESSAGE_SCHEMA if name not in _DERIVED)
_INT64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


def _camel_case(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)


NAMES = {name: "number" if name == "phone" else name for name in FIELDS}
"""What the API calls each column."""
_SPELLINGS = {
    name: tuple(dict.fromkeys((exact, _camel_case(exact), *(("phone",) if name == "phone" else ()))))
    for name, exact in NAMES.items()
}
KNOWN = {
    *_IGNORED,
    "account_email",
    *map(_camel_case, _IGNORED),
    *(name for names in _SPELLINGS.values() for name in names),
}


def whole_number(value: Any) -> int | None:
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


TABLE = FieldTable(
    _SPELLINGS,
    {
        **dict.fromkeys(FIELDS, read_text),
        **dict.fromkeys(_PHONES, read_phone),
        **dict.fromkeys(_FLAGS, read_flag),
        **dict.fromkeys(DATES, read_moment),
        "error_code": whole_number,
        "participants": _list_of_texts,
        "content": _content,
    },
    {**dict.fromkeys(NEVER_GUESSED, agreed), **dict.fromkeys(DATES, first_moment)},
)
_TYPES: dict[str, Any] = {
    **dict.fromkeys(FIELDS, str | None),
    **dict.fromkeys(_FLAGS, bool | None),
    "error_code": _INT64 | None,
    "participants": list[str | None] | None,
}


_IGNORED_FIELDS = [(name, Any, None) for name in _IGNORED]


def _with_default(name: str, field: str) -> tuple[str, Any, Any]:
    """Of those never guessed what is missing is told from what is null."""
    if field not in NEVER_GUESSED:
        return name, _TYPES[field], None
    return name, _TYPES[field] | msgspec.UnsetType, msgspec.UNSET


# Sorted, as the vendor's SDK and pages list them: a field that comes where it is expected is found at once.
_EXACT_FIELDS = sorted([*(_with_default(NAMES[field], field) for field in FIELDS), *_IGNORED_FIELDS])
_EXACT = msgspec.defstruct("_ExactMessage", _EXACT_FIELDS, gc=False, forbid_unknown_fields=True)
EXACT_ANSWER = msgspec.json.Decoder(
    msgspec.defstruct(
        "_ExactAnswer",
        [("data", list[_EXACT]), ("status", Any, None), ("pagination", msgspec.Raw, msgspec.Raw(b"null"))],  # type: ignore[valid-type]
    )
)
"""An answer whose messages are exactly as the API promises them."""
EXACT_NAMES: tuple[str, ...] = _EXACT.__struct_fields__
"""What such a message's values stand for, in their order."""


def _mention(fields: Iterable[tuple[str, ...]]) -> str:
    """Return a pattern of the names of fields, and of letters that are written as escapes: a name may be."""
    return rf'"(?:{"|".join(name for names in fields for name in names)})"|\\u00(?:5[fF]|[67])'


MAY_BE_TWICE = _mention((NAMES[field],) for field in NEVER_GUESSED)
"""What stands as often as a field of those never guessed is given, where none is given twice."""
_MAY_BE_TWICE = re.compile(_mention(_SPELLINGS[field] for field in NEVER_GUESSED).encode())


_SPELLED_FIELDS = [_with_default(name, field) for field, names in _SPELLINGS.items() for name in names]
_SPELLED = msgspec.json.Decoder(
    msgspec.defstruct("_SpelledMessage", [*_SPELLED_FIELDS, *_IGNORED_FIELDS], gc=False)
)


def typed(raw: msgspec.Raw) -> dict[str, Any] | None:
    """Decode a message whose values all have types that fit, and agree; None for any other."""
    try:
        message = _SPELLED.decode(raw)
    except msgspec.ValidationError:
        return None
    values: dict[str, Any] = {}
    said = 0
    for field, names in _SPELLINGS.items():
        given = [value for name in names if (value := getattr(message, name)) is not msgspec.UNSET]
        if field in NEVER_GUESSED:
            if len(given) > 1:
                return None
            said += len(given)
        values[field] = next((value for value in given if value is not None), None)
    if len(_MAY_BE_TWICE.findall(raw)) > said:
        return None  # under one name, of which msgspec takes the last
    return values
