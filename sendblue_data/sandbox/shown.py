"""A contact as answers show it, by the switches: its fields, their spelling and their precision."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from functools import cache
from typing import Any, Literal

from sendblue_data.sandbox.fields import FIELDS, Contact
from sendblue_data.sandbox.oddities import odd
from sendblue_data.sandbox.switches import Spelling, Switches

Answer = Literal["list", "get", "create", "write"]

_KEPT = {"us": 26, "ms": 23, "s": 19}
_UNKNOWN_LEFT_OUT = ("custom_variables", "tags")
_NOT_IN_PARTIAL = ("contact_id", "opt_out", "verified", "assigned_to_email")
_DIGITS = re.compile("[1-9][0-9]{0,14}")
_BITS_OF_AN_ID = 52  # what every JSON reader keeps whole


def camel_case(name: str) -> str:
    """Return a name in camelCase.

    Example:
        >>> camel_case("assigned_to_email")
        'assignedToEmail'
    """
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)


_CAMEL = {name: name if name == "created_at" else camel_case(name) for name in FIELDS}
"""As the vendor's guide shows them."""
_OLDER = {
    "contact_id": "id",
    "phone": "contact_primary_phone",
    "first_name": "contact_first_name",
    "last_name": "contact_last_name",
}
SORTABLE = {spelling: name for name in FIELDS for spelling in (name, camel_case(name))}
"""Every name that `order_by` understands, with the field that it means."""
DOCUMENTED_ORDERS = ("created_at", "firstName", "lastName", "phone")


def lists_are_plain(switches: Switches) -> bool:
    """Whether lists answer with contacts as they are stored, but for digits and ids, which SQL can cut."""
    return (
        switches.list_spelling == "snake"
        and switches.id_spelling == "contact_id"
        and switches.contact_ids == "text"
        and switches.nulls == "left_out"
        and switches.plan == "free"
        and not (switches.odd_values or switches.null_fields or switches.missing_fields)
    )


def shown(contact: Contact, switches: Switches, answer: Answer, *, seed: int) -> Contact:
    """Return a contact as this kind of answer shows it; only lists have its id."""
    fields = dict(contact)
    fields["created_at"] = cut(contact["created_at"], _precision(switches, answer))
    if switches.contact_ids == "number":
        fields["contact_id"] = int_id(contact["contact_id"])
    if switches.nulls == "left_out":
        for name in _UNKNOWN_LEFT_OUT:
            if contact[name] is None:
                del fields[name]
    oddity = odd(contact, share=switches.odd_values, seed=seed) if switches.odd_values else None
    if oddity is not None:
        fields[oddity.field] = oddity.shown
    if switches.plan == "paid":
        fields["verified"] = False if switches.paid_verified == "false" else None
    fields.update(dict.fromkeys(switches.null_fields))
    for name in _left_out(switches, answer):
        fields.pop(name, None)
    spelling = switches.list_spelling if answer in ("list", "get") else switches.write_spelling
    return spelled(fields, spelling, switches.id_spelling)


def hidden_fields(switches: Switches) -> set[str]:
    """Name the fields of which answers show the same for everybody, or nothing."""
    paid = {"verified"} if switches.plan == "paid" else set()
    return {*switches.null_fields, *switches.missing_fields, *paid}


def _precision(switches: Switches, answer: Answer) -> str:
    is_write = answer not in ("list", "get")
    return "day" if is_write and switches.write_created_at == "day" else switches.timestamps


def _left_out(switches: Switches, answer: Answer) -> tuple[str, ...]:
    left_out = switches.missing_fields
    if answer != "list" or not switches.list_contact_id:
        left_out += ("contact_id",)
    if answer == "create" and switches.create_answer == "partial":
        left_out += _NOT_IN_PARTIAL
    return left_out


def cut(stamp: str | None, precision: str) -> str | None:
    """Return a stored moment to this precision.

    Example:
        >>> cut("2026-05-09T08:30:00.123456Z", "ms"), cut("2026-05-09T08:30:00.123456Z", "day")
        ('2026-05-09T08:30:00.123Z', '2026-05-09T00:00:00.000Z')
    """
    if stamp is None:
        return None
    return f"{stamp[:10]}T00:00:00.000Z" if precision == "day" else f"{stamp[: _KEPT[precision]]}Z"


def int_id(contact_id: str) -> int:
    """Return the number that stands for an id: its own digits, or one made of the text.

    Example:
        >>> int_id("120045")
        120045
    """
    if _DIGITS.fullmatch(contact_id):
        return int(contact_id)
    digest = hashlib.blake2b(contact_id.encode(), digest_size=8).digest()
    return int.from_bytes(digest) >> (64 - _BITS_OF_AN_ID)


def with_int_ids(contacts: list[Contact]) -> list[Contact]:
    """Return contacts with the digits of their numbers as ids."""
    return [{**contact, "contact_id": str(int_id(contact["contact_id"]))} for contact in contacts]


def spelled(contact: Mapping[str, Any], spelling: Spelling, id_spelling: str) -> dict[str, Any]:
    """Return a contact with the names of its fields spelled so.

    Example:
        >>> spelled({"contact_id": "c1", "first_name": "Ada"}, "both", "contact_id")
        {'contact_id': 'c1', 'contactId': 'c1', 'first_name': 'Ada', 'firstName': 'Ada'}
        >>> spelled({"contact_id": "c1", "first_name": "Ada"}, "camel", "cid")
        {'cid': 'c1', 'firstName': 'Ada'}
    """
    if spelling == "snake" and id_spelling == "contact_id":
        return dict(contact)
    names = _names(spelling, id_spelling)
    return {shown: value for name, value in contact.items() for shown in names[name]}


@cache
def _names(spelling: Spelling, id_spelling: str) -> dict[str, tuple[str, ...]]:
    tables: dict[Spelling, dict[str, tuple[str, ...]]] = {
        "snake": {name: (name,) for name in FIELDS},
        "camel": {name: (shown,) for name, shown in _CAMEL.items()},
        "both": {name: tuple(dict.fromkeys((name, camel_case(name)))) for name in FIELDS},
        "older": {name: (_OLDER.get(name, name),) for name in FIELDS},
    }
    names = tables[spelling]
    return names if id_spelling == "contact_id" else {**names, "contact_id": (id_spelling,)}
