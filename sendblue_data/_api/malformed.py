"""Answers that are no contacts: what is mended of their bytes, and what is said of the rest."""

from __future__ import annotations

import re

import msgspec

from sendblue_data._api.server_message import error_message
from sendblue_data.errors import UnexpectedAnswerError

# A UTF-16 half without its other half: legal in JSON text, but no Unicode character.
_LONE_SURROGATE = re.compile(
    rb"(?<!\\)((?:\\\\)*)"  # an even number of backslashes before, so that this \u is an escape
    rb"(?:(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
)


def with_whole_characters(body: bytes) -> bytes:
    r"""Replace each half of a UTF-16 pair that JSON text may hold, and Unicode may not, by U+FFFD.

    Example:
        >>> with_whole_characters(rb'["\ud83d", "\ud83d\ude00"]')
        b'["\\ufffd", "\\ud83d\\ude00"]'
    """
    if b"\\u" in body and any(match[2] is None for match in _LONE_SURROGATE.finditer(body)):
        return _LONE_SURROGATE.sub(_replace_lone, body)
    return body


def _replace_lone(match: re.Match[bytes]) -> bytes:
    return match[0] if match[2] else match[1] + b"\\ufffd"


def _shown(text: str, most: int = 60) -> str:
    return repr(text if len(text) <= most else text[:most] + "…")


_WHERE = re.compile(
    r"^(?P<what>.*?)(?: - at `\$\[(?P<row>\d+|\.\.\.)\](?:\.(?P<field>\w+))?(?P<rest>[^`]*)`)?$"
)


def unexpected_answer(error: Exception, body: bytes, *, method: str, path: str) -> UnexpectedAnswerError:
    """Say what was found, in the analyst's words, with the field and the row where they are known."""
    start = body[:200].lstrip()
    field: str | None = None
    row: int | None = None
    if not body.strip():
        message = "the answer is empty."
    elif start[:1] == b"<":
        message = "the answer is a web page, not JSON."
    elif start[:1] == b"{" and isinstance(error, msgspec.ValidationError):
        said = error_message(body)
        what = repr(said) if said else _shown(body[:200].decode("utf-8", "replace"))
        message = f"the answer is one object, not a list of contacts: {what}"
    elif isinstance(error, msgspec.ValidationError) and (match := _WHERE.match(str(error))):
        field = match["field"]
        row = int(match["row"]) if (match["row"] or "").isdigit() else None
        place = f"row {row}, field {field}: " if field else f"row {row}: " if row is not None else ""
        message = f"{place}{match['what'].replace('`', '')}{match['rest'] or ''}."
    else:
        message = (
            f"the answer is not JSON ({error}); it begins with {_shown(start.decode('utf-8', 'replace'))}."
        )
    return UnexpectedAnswerError(
        message,
        method=method,
        path=path,
        status=200,
        field=field,
        row=row,
        cut_short=not body.strip() or (start[:1] == b"[" and "truncated" in str(error)),
    )
