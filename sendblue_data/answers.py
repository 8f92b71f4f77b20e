"""What an endpoint answered, checked before it is trusted: an object, a count, a contact, an amount."""

from __future__ import annotations

import math
from typing import Any

import msgspec

from sendblue_data.contacts import contact_from, with_whole_characters
from sendblue_data.errors import UnexpectedAnswerError
from sendblue_data.server_message import error_message


def object_from(body: bytes, method: str, path: str) -> dict[str, Any]:
    """Decode an answer that must be an object, and not one that reports an error with a good status."""
    lost: dict[str, Any] = {
        "method": method,
        "path": path,
        "status": 200,
        "may_have_applied": method != "GET",
    }
    try:
        answer = msgspec.json.decode(with_whole_characters(body))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UnexpectedAnswerError(
            f"the answer is not JSON ({error}).",
            cut_short=body[:1] == b"{" and "truncated" in str(error),
            **lost,
        ) from None
    if not isinstance(answer, dict):
        raise UnexpectedAnswerError(f"expected a JSON object, got {type(answer).__name__}.", **lost)
    complaint = answer.get("error") or answer.get("error_message")
    if str(answer.get("status", "")).upper() == "ERROR" or isinstance(complaint, str):
        raise UnexpectedAnswerError(
            f"status 200, yet the answer says ERROR: {error_message(body) or 'no message'}.", **lost
        )
    return answer


def count_answer(body: bytes, path: str) -> int:
    """Decode the answer to a count."""
    return _whole_number("count", body, "GET", path, least=0)


def contact_answer(body: bytes, method: str, path: str) -> dict[str, Any]:
    """Decode the answer that holds one contact; a write's may leave it out."""
    contact = object_from(body, method, path).get("contact")
    if contact is None and method != "GET":
        contact = {}  # the write is done; what it left is for a read to say
    if not isinstance(contact, dict):
        raise UnexpectedAnswerError(
            f"field contact: expected an object, got {type(contact).__name__}.",
            method=method,
            path=path,
            status=200,
            may_have_applied=method != "GET",
            field="contact",
        )
    try:
        return contact_from(contact, method=method, path=path)
    except UnexpectedAnswerError as error:
        error.may_have_applied = method != "GET"
        raise


def opt_out_answer(body: bytes, method: str, path: str) -> dict[str, Any]:
    """Decode the answer to an opt-out: `number` and `opted_out`, None where it does not say."""
    answer = object_from(body, method, path)
    for field, kind in (("number", str), ("opted_out", bool)):
        if not isinstance(answer.get(field), kind | None):
            raise UnexpectedAnswerError(
                f"field {field}: expected {kind.__name__}, got {type(answer[field]).__name__}.",
                method=method,
                path=path,
                status=200,
                may_have_applied=True,
                field=field,
            )
    return {"number": answer.get("number"), "opted_out": answer.get("opted_out")}


def amount_answer(body: bytes, method: str, path: str) -> int:
    """Decode the answer to a bulk delete."""
    return _whole_number("amount", body, method, path)


def _whole_number(field: str, body: bytes, method: str, path: str, *, least: float = -math.inf) -> int:
    found = object_from(body, method, path).get(field)
    if isinstance(found, bool) or not isinstance(found, int | float) or found < least or found != int(found):
        raise UnexpectedAnswerError(
            f"field {field}: expected a whole number, got {found!r}.",
            method=method,
            path=path,
            status=200,
            may_have_applied=method != "GET",
            field=field,
        )
    return int(found)
