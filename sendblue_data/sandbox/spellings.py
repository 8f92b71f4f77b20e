"""Names of fields as answers spell them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from sendblue_data.sandbox.fields import FIELDS
from sendblue_data.sandbox.switches import Spelling


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
