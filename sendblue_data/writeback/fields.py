"""What of a contact can be written, when two values are the same, and when two rows are one contact."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from datetime import datetime, time, timedelta
from typing import Any

from sendblue_data._shared.time import in_utc, parse_iso
from sendblue_data.writeback.identity import identity

Contact = dict[str, Any]
"""One contact: fields of `CONTACT_SCHEMA`, any of them missing or None."""

BULK_FIELDS = ("first_name", "last_name", "company_name", "tags", "custom_variables")
"""What a bulk create carries beside the phone."""
LATER_FIELDS = ("opt_out", "assigned_to_email", "sendblue_number")
"""What takes a call of its own for each contact, the opt-out first."""
WRITABLE = (*BULK_FIELDS, *LATER_FIELDS)
UNWRITABLE = ("verified", "created_at", "contact_id")
"""What no call of the API can set."""
MARKS = ("contact_id", "created_at")
"""What tells one contact from another."""

_SECOND = timedelta(seconds=1)


def plain(field: str, value: Any) -> Any:
    """Return a value in the form it is compared in: nothing and empty are the same, tags have no order.

    Example:
        >>> plain("tags", None) == plain("tags", []), plain("first_name", "") == plain("first_name", None)
        (True, True)
    """
    if field == "tags":
        return frozenset(tag for tag in value or () if tag is not None)
    if field == "custom_variables":
        return {name: text for name, text in (value or {}).items() if text is not None}
    return value or None if field != "opt_out" else value


def same(field: str, one: Any, other: Any) -> bool:
    """Tell whether two values of a field mean the same."""
    return bool(plain(field, one) == plain(field, other))


def holds(field: str, wanted: Any, actual: Any) -> bool:
    """Tell whether writing `wanted` would change nothing: custom variables are merged, the rest is replaced.

    Example:
        >>> holds("custom_variables", {"Plan": "Pro"}, {"Plan": "Pro", "City": "Rome"})
        True
    """
    if wanted is None:
        return True
    if field == "custom_variables":
        there = plain(field, actual)
        return all(there.get(name) == text for name, text in plain(field, wanted).items())
    return same(field, wanted, actual)


def differing(
    one: Mapping[str, Any], other: Mapping[str, Any], fields: Iterable[str] = WRITABLE
) -> list[str]:
    """Name the fields in which two contacts differ."""
    return [field for field in fields if not same(field, one.get(field), other.get(field))]


def written(contact: Mapping[str, Any]) -> Contact:
    """Keep of a contact what can be written and says something: blanks, and blanks among tags and variables, do not.

    Tags that are blanks alone, as a left join makes them, say nothing; an empty list says that there are none.

    Example:
        >>> written({"tags": [None, "VIP"], "first_name": " "}), written({"tags": [""]}), written({"tags": []})
        ({'tags': ['VIP']}, {}, {'tags': []})
    """
    kept = {field: contact[field] for field in WRITABLE if contact.get(field) is not None}
    if kept.get("tags"):
        kept["tags"] = [tag for tag in kept["tags"] if not _is_blank(tag)]
        if not kept["tags"]:
            del kept["tags"]
    if "custom_variables" in kept:
        kept["custom_variables"] = {
            name: text for name, text in kept["custom_variables"].items() if not _is_blank(text)
        }
    return {name: value for name, value in kept.items() if not _is_blank(value) and value != {}}


def _is_blank(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def retagged(held: Iterable[str | None] | None, add: Iterable[str], remove: Iterable[str]) -> list[str]:
    """Return a contact's tags with some added and some removed, all others as they were.

    Example:
        >>> retagged(["VIP", None, "Lead"], ["Lead", "New"], ["VIP"])
        ['Lead', 'New']
    """
    gone = set(remove)
    return list(dict.fromkeys(tag for tag in (*(held or ()), *add) if tag is not None and tag not in gone))


def creation_moment(value: Any) -> datetime | None:
    """Read `created_at` as a frame or a journal holds it; None where it is no moment."""
    read = parse_iso(value) if isinstance(value, str) else value
    if isinstance(value, str) and read is not None and not isinstance(read, datetime):
        read = datetime.combine(read, time())
    return in_utc(read) if isinstance(read, datetime) else None


def same_contact(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool | None:
    """Tell whether two rows with one phone are one contact, and not one that was deleted and made anew.

    The id decides where both have it, else the moment of creation. Answers may cut a moment to milliseconds
    or seconds, so a cut one matches any within its second.

    Returns:
        None where neither can be compared.

    Example:
        >>> same_contact({"contact_id": "a"}, {"contact_id": "b"})
        False
        >>> same_contact({"created_at": "2026-01-01T00:00:00Z"}, {"created_at": "2026-01-01T00:00:00.25Z"})
        True
        >>> same_contact({"contact_id": "a"}, {}) is None
        True
    """
    if one.get("contact_id") and other.get("contact_id"):
        return bool(one["contact_id"] == other["contact_id"])
    first, second = creation_moment(one.get("created_at")), creation_moment(other.get("created_at"))
    if first is None or second is None:
        return None
    if first.microsecond % 1000 and second.microsecond % 1000:
        return first == second
    return abs(first - second) < _SECOND


def shows(field: str, sent: Any, shown: Any) -> bool:
    """Tell whether a value that is shown can be what a server made of the one that was sent.

    Example:
        >>> shows("tags", ["VIP ", "Lead", "vip"], ["lead", "vip"]), shows("first_name", "Ann  Lee", "Ann Lee")
        (True, True)
        >>> shows("opt_out", True, None), shows("first_name", "Ann", "Anna")
        (False, False)
    """
    if holds(field, sent, shown):
        return True
    if field == "opt_out":
        return False
    wanted, there = _tidied(field, sent), _tidied(field, shown)
    return bool(wanted.items() <= there.items() if field == "custom_variables" else wanted == there)


def _tidied(field: str, value: Any) -> Any:
    value = plain(field, value)
    if field == "tags":
        return {_text(tag) for tag in value} - {""}
    if field == "custom_variables":
        return {_text(name): _text(text) for name, text in value.items()}
    return identity(value or "") if field == "sendblue_number" else _text(value or "")


def _text(text: object) -> str:
    return " ".join(unicodedata.normalize("NFKC", str(text)).casefold().split())
