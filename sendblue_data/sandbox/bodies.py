"""Request bodies: which fields each call takes, under which spellings, what is refused, and how they are stored."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from sendblue_data.sandbox.switches import Switches

E164 = re.compile(r"\+[1-9][0-9]{6,14}")

_CREATE = {
    "first_name": ("first_name", "firstName"),
    "last_name": ("last_name", "lastName"),
    "assigned_to_email": ("assigned_to_email", "assignedToEmail"),
    "sendblue_number": ("sendblue_number", "sendblueNumber"),
    "tags": ("tags",),
    "custom_variables": ("custom_variables",),
}
_UPDATE = {**_CREATE, "company_name": ("company_name", "companyName"), "opt_out": ("opt_out", "optOut")}
_BULK = {name: (name,) for name in ("first_name", "last_name", "company_name", "tags", "custom_variables")}
_TIDIED_TEXTS = ("first_name", "last_name", "company_name")
_NUMBER = ("number", "phone_number", "phoneNumber")


class RefusedError(Exception):
    """An answer other than 2xx, with its status and message."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers or {}


def json_object(body: bytes) -> dict[str, Any]:
    """Decode a body that has to be a JSON object."""
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise RefusedError(400, f"The body is not a JSON object: {error}") from None


def phone(value: object, name: str = "number") -> str:
    """Check a phone number in E.164."""
    if value is None or value == "":
        raise RefusedError(400, f"Missing required field: {name}")
    if not isinstance(value, str) or not E164.fullmatch(value):
        raise RefusedError(400, f"Invalid phone number: {value!r} is not in E.164 format (field {name})")
    return value


def number_of(body: Mapping[str, Any]) -> str:
    """Find the contact's number under any of its spellings, the preferred one first."""
    return phone(next((body[name] for name in _NUMBER if body.get(name) is not None), None))


def created(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of `POST /contacts` that were sent, under their own names."""
    return _sent(body, _CREATE)


def updated(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of `PUT /contacts/{phone_number}` that were sent, under their own names."""
    return _sent(body, _UPDATE)


def bulk_row(row: object, number: int) -> dict[str, Any]:
    """Check one row of a bulk create; `phone` and the other five fields that it may have."""
    if not isinstance(row, dict):
        raise RefusedError(400, f"contacts[{number}] is not an object")
    try:
        return {"phone": phone(row.get("phone"), "phone"), **_sent(row, _BULK)}
    except RefusedError as error:
        raise RefusedError(400, f"contacts[{number}]: {error.message}") from None


def listed(body: Mapping[str, Any], name: str) -> list[Any]:
    """Check a field that has to be a list."""
    value = body.get(name)
    if value is None:
        raise RefusedError(400, f"Missing required field: {name}")
    if not isinstance(value, list):
        raise RefusedError(400, f"{name} must be an array")
    return value


def flag(body: Mapping[str, Any], name: str, *, default: bool) -> bool:
    """Check a field that has to be true or false when it is there."""
    value = body.get(name, default)
    if not isinstance(value, bool):
        raise RefusedError(400, f"{name} must be true or false")
    return value


def merged(contact: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of an update with its custom variables merged into the contact's own."""
    if fields.get("custom_variables") is None:
        return dict(fields)
    return {
        **fields,
        "custom_variables": {**(contact["custom_variables"] or {}), **fields["custom_variables"]},
    }


def _sent(body: Mapping[str, Any], spellings: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
    sent: dict[str, Any] = {}
    for name, accepted in spellings.items():
        for spelling in accepted:
            if spelling in body:
                sent[name] = _checked(name, body[spelling])
                break
    return sent


def _checked(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name == "tags":
        if not isinstance(value, list) or not all(isinstance(tag, str) for tag in value):
            raise RefusedError(400, "tags must be an array of strings")
    elif name == "custom_variables":
        if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
            raise RefusedError(400, "custom_variables must map strings to strings")
    elif name == "opt_out":
        if not isinstance(value, bool):
            raise RefusedError(400, "opt_out must be true or false")
    elif not isinstance(value, str):
        raise RefusedError(400, f"{name} must be a string")
    return value


def tidied(fields: Mapping[str, Any], switches: Switches) -> dict[str, Any]:
    """Return fields as the server stores them."""
    stored = dict(fields)
    if stored.get("tags") is not None:
        stored["tags"] = _tidy_tags(stored["tags"], switches.tidy_tags)
    if switches.tidy_text:
        for name in _TIDIED_TEXTS:
            if stored.get(name) is not None:
                stored[name] = " ".join(stored[name].split())
    return stored


def _tidy_tags(tags: list[str], way: str) -> list[str]:
    """Do one thing to tags, or all, in an order in which each sees what the others left.

    Example:
        >>> _tidy_tags(["VIP", " vip", "a"], "all")
        ['a', 'vip']
    """
    if way in ("trim", "all"):
        tags = [tag.strip() for tag in tags]
    if way in ("lower", "all"):
        tags = [tag.lower() for tag in tags]
    if way in ("dedupe", "all"):
        tags = list(dict.fromkeys(tags))
    return sorted(tags) if way in ("sort", "all") else tags
