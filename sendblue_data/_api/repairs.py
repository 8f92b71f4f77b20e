"""Repairs of contacts and messages that are not as promised: other spellings, other types, broken characters."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from sendblue_data._shared.time import read_utc

SPELLINGS: dict[str, tuple[str, ...]] = {
    "contact_id": ("contact_id", "contactId", "id", "cid"),
    "phone": ("phone", "contact_primary_phone", "contactPrimaryPhone"),
    "first_name": ("first_name", "firstName", "contact_first_name", "contactFirstName"),
    "last_name": ("last_name", "lastName", "contact_last_name", "contactLastName"),
    "company_name": ("company_name", "companyName"),
    "created_at": ("created_at", "createdAt"),
    "custom_variables": ("custom_variables", "customVariables"),
    "opt_out": ("opt_out", "optOut"),
    "verified": ("verified",),
    "sendblue_number": ("sendblue_number", "sendblueNumber"),
    "tags": ("tags",),
    "assigned_to_email": ("assigned_to_email", "assignedToEmail"),
}
"""The names under which public code has met each field, the first that holds a value being taken."""
KNOWN = frozenset(name for names in SPELLINGS.values() for name in names)
NEVER_GUESSED = ("phone", "opt_out")
"""Who it is and whether they may be texted: where two values differ, neither is taken.

Such a contact has no phone, so nobody texts it, or an unknown opt-out, which is never taken for consent.
"""


# A UTF-16 half without its other half: legal in JSON text, but no Unicode character.
_LONE_SURROGATE = re.compile(
    rb"(?<!\\)((?:\\\\)*)"  # an even number of backslashes before, so that this \u is an escape
    rb"(?:(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
)


class Unreadable(Exception):  # noqa: N818 -- never leaves this package
    """A value that does not fit its field; its text is the kind of oddity."""


class Repaired(NamedTuple):
    """What could be read, under the names of our columns, and the kind of what could not, by column."""

    values: dict[str, Any]
    unreadable: dict[str, str]


Reader = Callable[[Any], Any]
Choice = Callable[[Sequence[Sequence[Any]], Reader], Any]


class FieldTable(NamedTuple):
    """How the fields of one kind of row are read.

    Attributes:
        spellings: the names of each field, the first that holds a value being taken.
        readers: what reads a value of it.
        choices: what chooses between the values of a field that is given more than once, where it is not the first.
    """

    spellings: Mapping[str, tuple[str, ...]]
    readers: Mapping[str, Reader]
    choices: Mapping[str, Choice]


class Number(str):
    """A number as JSON wrote it, so that no digit is lost."""

    __slots__ = ()


class Fields(list[tuple[str, Any]]):
    """A JSON object, with the names that it gives twice."""


def with_whole_characters(body: bytes) -> bytes:
    r"""Replace each half of a UTF-16 pair, which JSON text may hold and Unicode may not, by U+FFFD.

    Example:
        >>> with_whole_characters(rb'["\ud83d", "\ud83d\ude00"]')
        b'["\\ufffd", "\\ud83d\\ude00"]'
    """
    if b"\\u" in body and any(match[2] is None for match in _LONE_SURROGATE.finditer(body)):
        return _LONE_SURROGATE.sub(lambda match: match[0] if match[2] else match[1] + b"\\ufffd", body)
    return body


def loads(text: bytes) -> Any:
    """Decode JSON, with numbers as they were written and objects as `Fields`.

    Raises:
        ValueError: it is not JSON in UTF-8.
        RecursionError: it is nested too deeply.
    """
    return json.loads(
        text.decode(), object_pairs_hook=Fields, parse_int=Number, parse_float=Number, parse_constant=Number
    )


def repair(fields: Fields, table: FieldTable | None = None) -> Repaired:
    """Read a contact, or what the table says, whatever its spelling and types.

    Example:
        >>> repair(loads(b'{"firstName": 5, "opt_out": "TRUE", "tags": "VIP", "mood": 1}'))
        Repaired(values={'first_name': '5', 'opt_out': True}, unreadable={'tags': 'not a list'})
    """
    table = table or _CONTACT
    given: dict[str, list[Any]] = {}
    for name, value in fields:
        given.setdefault(name, []).append(value)
    values: dict[str, Any] = {}
    unreadable: dict[str, str] = {}
    for field, spellings in table.spellings.items():
        stated = [given[name] for name in spellings if name in given]
        if not stated:
            continue
        try:
            values[field] = table.choices.get(field, _first)(stated, table.readers[field])
        except Unreadable as kind:
            unreadable[field] = str(kind)
    return Repaired(values, unreadable)


def _first(stated: Sequence[Sequence[Any]], read: Reader) -> Any:
    """Read the first spelling that holds what can be read."""
    kind = ""  # the text alone: an error kept here would hold this frame, which holds it
    for value, *_ in stated:  # of a name given twice the first, as `pl.read_json` has it
        if value is None:
            continue
        try:
            return read(value)
        except Unreadable as error:
            kind = kind or str(error)
    if kind:
        raise Unreadable(kind)
    return read(None)


def agreed(stated: Sequence[Sequence[Any]], read: Reader) -> Any:
    """Read what all spellings agree on; a null, or an empty text beside another, contradicts nothing."""
    said: list[Any] = []
    for values in stated:
        each = {read(value) for value in values}
        if len(each) > 1:
            raise Unreadable("given twice")
        said += each
    different = {value for value in said if value not in {None, ""}} or {
        value for value in said if value is not None
    }
    if len(different) > 1:
        raise Unreadable("given twice")
    return different.pop() if different else None


def read_text(value: Any) -> str | None:
    """Read a text, or the text of a number or a flag.

    Example:
        >>> [read_text(value) for value in loads(b'["a", 1.50, true, null]')]
        ['a', '1.50', 'true', None]
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None or isinstance(value, str):
        return None if value is None else str(value)
    raise Unreadable("not text")


def read_phone(value: Any) -> str | None:
    """Read a number that was sent as text; a JSON number has lost its plus sign, and is never guessed."""
    if value is None or (isinstance(value, str) and not isinstance(value, Number)):
        return value
    raise Unreadable("not text")


def read_flag(value: Any) -> bool | None:
    """Read true, false, 1, 0 and the words for them.

    Example:
        >>> [read_flag(value) for value in loads(b'[1, false, "True", null]')]
        [True, False, True, None]
    """
    if value is None or isinstance(value, bool):
        return value
    words = _NUMBERS if isinstance(value, Number) else _WORDS
    if isinstance(value, str) and value.lower() in words:
        return words[value.lower()]
    raise Unreadable("not a flag")


_WORDS = {"true": True, "false": False}
_NUMBERS = {"1": True, "1.0": True, "0": False, "0.0": False}


def read_moment(value: Any) -> str | None:
    """Take a text as it is: it is read with the page's others."""
    if value is None or (isinstance(value, str) and not isinstance(value, Number)):
        return value
    raise Unreadable("not a date")


def first_moment(stated: Sequence[Sequence[Any]], read: Reader) -> Any:
    """Read the first spelling that is a moment, else the first that may be one."""
    texts = [value for value, *_ in stated if isinstance(value, str) and not isinstance(value, Number)]
    return next((text for text in texts if read_utc(text)), None) or _first(stated, read)


def _read_list(value: Any) -> list[str | None]:
    if value is None:
        return []
    if isinstance(value, list) and not isinstance(value, Fields):
        return [read_text(each) for each in value]
    raise Unreadable("not a list")


def _read_map(value: Any) -> dict[str, str | None]:
    if value is None or (value == [] and not isinstance(value, str)):  # what PHP makes of an empty map
        return {}
    if isinstance(value, Fields):
        return {name: read_text(each) for name, each in value}
    raise Unreadable("not a map")


_READERS: dict[str, Reader] = {
    **dict.fromkeys(SPELLINGS, read_text),
    "phone": read_phone,
    "created_at": read_moment,
    "custom_variables": _read_map,
    "opt_out": read_flag,
    "verified": read_flag,
    "tags": _read_list,
}
_CONTACT = FieldTable(
    SPELLINGS, _READERS, {**dict.fromkeys(NEVER_GUESSED, agreed), "created_at": first_moment}
)
