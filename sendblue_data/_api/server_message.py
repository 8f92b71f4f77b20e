"""What a server says went wrong: in `message`, `error_message`, `error` or `errors` of an object."""

from __future__ import annotations

from typing import Any

import msgspec

from sendblue_data._shared.text import one_line

_LONGEST = 500
"""Characters of it that an error shows."""
_KEYS = ("message", "error_message", "error", "errors")


def error_message(content: bytes) -> str | None:
    """Find the server's message in an error's body, also where `error` or `errors` hold objects with one.

    Example:
        >>> error_message(b'{"status": "ERROR", "message": "number is required"}')
        'number is required'
        >>> error_message(b'{"error": {"code": 404, "message": "no such contact"}}')
        'no such contact'
    """
    try:
        said = _said(msgspec.json.decode(content))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return one_line(said)[:_LONGEST] if said else None


def _said(answer: Any) -> str | None:
    """Find the first text under one of the keys, however deep."""
    for key in _KEYS if isinstance(answer, dict) else ():
        inner = answer.get(key)
        for each in inner if isinstance(inner, list) else [inner]:
            said = each if isinstance(each, str) and each.strip() else _said(each)
            if said:
                return said
    return None
