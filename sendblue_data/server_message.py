"""What a server says went wrong: in `message`, `error_message` or `error` of an object."""

from __future__ import annotations

import msgspec

from sendblue_data.plain_text import one_line

_LONGEST = 500
"""Characters of it that an error shows."""


def error_message(content: bytes) -> str | None:
    """Find the server's message in an error's body: `message`, `error_message` or `error`.

    Example:
        >>> error_message(b'{"status": "ERROR", "message": "number is required"}')
        'number is required'
    """
    try:
        answer = msgspec.json.decode(content)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    if isinstance(answer, dict):
        for key in ("message", "error_message", "error"):
            if isinstance(answer.get(key), str) and answer[key].strip():
                return one_line(answer[key])[:_LONGEST]
    return None
