"""Decoders of the endpoints' answers, which check before they trust: an object, a count, a contact, an amount.

A read must be what the API promises. A write that was answered well is done, whatever its answer lacks: what it
left is for a read to say, so nothing here makes an error, or a warning, of such an answer's details.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
import polars as pl

from sendblue_data._api.call import Call, error_message
from sendblue_data._api.decoding import Oddity, decode_contact, decode_page
from sendblue_data._api.repairs import Unreadable, loads, read_flag, read_phone, with_whole_characters
from sendblue_data.errors import UnexpectedAnswerError
from sendblue_data.schema import CONTACT_SCHEMA

_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_NOTHING = {b"", b"null"}
Value = TypeVar("Value")


def object_from(body: bytes, call: Call) -> dict[str, Any]:
    """Decode an answer that must be an object, and not one that reports an error with a good status.

    A write may be answered by nothing at all.
    """
    if body.strip() in _NOTHING and call.is_write:
        return {}
    if not body.strip():
        raise call.unexpected("the answer is empty.", cut_short=True)
    try:
        answer = msgspec.json.decode(with_whole_characters(body))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        is_cut_short = body[:1] == b"{" and "truncated" in str(error)
        raise call.unexpected(f"the answer is not JSON ({error}).", cut_short=is_cut_short) from None
    if not isinstance(answer, dict):
        raise call.unexpected(f"expected a JSON object, got {type(answer).__name__}.")
    if str(answer.get("status", "")).upper() == "ERROR" or any(
        answer.get(key) and isinstance(answer[key], str | dict | list)
        for key in ("error", "error_message", "errors")
    ):
        raise call.unexpected(
            f"status 200, yet the answer says ERROR: {error_message(body) or 'no message'}."
        )
    return answer


def count_answer(body: bytes, call: Call) -> int:
    """Decode the answer to a count."""
    found = object_from(body, call).get("count")
    count = _whole_number(found)
    if count is None or count < 0:
        raise call.unexpected(f"expected a whole number, got {found!r}.", field="count")
    return count


def contact_answer(body: bytes, call: Call) -> tuple[dict[str, Any], tuple[Oddity, ...]]:
    """Decode the answer that holds one contact, and tell what of it can't be read; a write's may leave it out."""
    found = object_from(body, call).get("contact")
    try:
        if not isinstance(found, dict):
            raise call.unexpected(f"expected an object, got {type(found).__name__}.", field="contact")
        return decode_contact(_raw(body, "contact"), call)
    except UnexpectedAnswerError:
        if call.is_write:
            return dict.fromkeys(CONTACT_SCHEMA), ()
        raise


def contacts_answer(body: bytes, call: Call) -> pl.DataFrame:
    """Decode the contacts that the answer to a bulk create lists."""
    object_from(body, call)
    try:
        return decode_page(_raw(body, "contacts"), call, quiet=True).frame
    except UnexpectedAnswerError:
        return CONTACT_SCHEMA.to_frame()


def opt_out_answer(body: bytes, call: Call) -> dict[str, Any]:
    """Decode the answer to an opt-out: `phone` and `opted_out`, None where it does not say."""
    object_from(body, call)
    opted_out = [_readable(read_flag, _raw(body, field)) for field in ("opted_out", "optedOut")]
    return {
        "phone": _readable(read_phone, _raw(body, "number")),
        "opted_out": next((said for said in opted_out if said is not None), None),
    }


def amount_answer(body: bytes, call: Call) -> int | None:
    """Decode the answer to a bulk delete: None where it does not say how many."""
    return _whole_number(object_from(body, call).get("amount"))


def _raw(body: bytes, field: str) -> bytes:
    """Return a field of an answer that is an object, or of none, as it came."""
    fields = {} if body.strip() in _NOTHING else _FIELDS.decode(with_whole_characters(body))
    return bytes(fields.get(field, b"null"))


def _readable(read: Callable[[Any], Value], value: bytes) -> Value | None:
    try:
        return read(loads(value))
    except (Unreadable, RecursionError):
        return None


def _whole_number(found: object) -> int | None:
    if isinstance(found, bool) or not isinstance(found, int | float) or found != found // 1:
        return None
    return int(found)
