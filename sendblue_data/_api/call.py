"""One API call: its method and path, and the error for an answer that is not what the API promises."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import msgspec

from sendblue_data._shared.text import one_line
from sendblue_data.errors import UnexpectedAnswerError

CONTACTS = "/api/v2/contacts"
MESSAGES = "/api/v2/messages"
_FIXED = ("", "/count", "/verify", "/opt-out", "/bulk")
_LONGEST = 500
"""Characters of a server's message that an error shows."""
_MESSAGE_KEYS = ("message", "error_message", "error", "errors")
_PLACE = re.compile(r" - at `\$\[(\d+|\.\.\.)\](?:\.(\w+))?([^`]*)`$")
"""Where msgspec says that a value does not fit: the row, the field, and what lies within it."""


class Call(NamedTuple):
    """The method and path of a request, for its errors."""

    method: str = "GET"
    path: str = CONTACTS

    @property
    def is_write(self) -> bool:
        """Whether it may change the account."""
        return self.method != "GET"

    @property
    def endpoint(self) -> str:
        """The method and the path, for the log: with `{phone}` in place of a phone.

        Example:
            >>> Call("PUT", "/api/v2/contacts/%2B12125550100").endpoint, Call("POST", f"{CONTACTS}/bulk").endpoint
            ('PUT /api/v2/contacts/{phone}', 'POST /api/v2/contacts/bulk')
        """
        is_fixed = self.path == MESSAGES or self.path.removeprefix(CONTACTS) in _FIXED
        return f"{self.method} {self.path if is_fixed else CONTACTS + '/{phone}'}"

    def unexpected(
        self,
        found: str,
        *,
        field: str | None = None,
        row: int | None = None,
        status: int | None = 200,
        **details: Any,
    ) -> UnexpectedAnswerError:
        """Return the error for an answer that holds something unexpected, naming the row and the field.

        Example:
            >>> print(Call().unexpected("expected text.", field="phone", row=3).message)
            row 3, field phone: expected text.
        """
        place = [f"{name} {value}" for name, value in (("row", row), ("field", field)) if value is not None]
        return UnexpectedAnswerError(
            f"{', '.join(place)}: {found}" if place else found,
            method=self.method,
            path=self.path,
            status=status,
            may_have_applied=self.is_write,
            field=field,
            row=row,
            **details,
        )

    def no_contacts(self, error: Exception, body: bytes) -> UnexpectedAnswerError:
        """Return the error for bytes that are no list of contacts, from the error of their decoder."""
        start = body.lstrip()[:200]
        if not start:
            return self.unexpected("the answer is empty.", cut_short=True)
        if start[:1] == b"<":
            return self.unexpected("the answer is a web page, not JSON.")
        is_cut_short = start[:1] == b"[" and "truncated" in str(error)
        if not isinstance(error, msgspec.ValidationError):
            return self.unexpected(
                f"the answer is not JSON ({error}); it begins with {_shown(start)}.", cut_short=is_cut_short
            )
        if start[:1] == b"{":
            message = error_message(body)
            what = repr(message) if message else _shown(start)
            return self.unexpected(f"the answer is one object, not a list of contacts: {what}")
        said = str(error)
        place = _PLACE.search(said)
        row, field, rest = place.groups() if place else (None, None, None)
        what = said[: place.start()] if place else said
        return self.unexpected(
            f"{what.replace('`', '')}{rest or ''}.",
            field=field,
            row=int(row) if row and row.isdigit() else None,
            cut_short=is_cut_short,
        )


LIST = Call()
"""The call that lists contacts."""


def _shown(start: bytes, most: int = 60) -> str:
    text = start.decode("utf-8", "replace")
    return repr(text if len(text) <= most else text[:most] + "…")


def error_message(content: bytes) -> str | None:
    """Find the server's message in an error's body, also where `error` or `errors` hold objects with one.

    Example:
        >>> error_message(b'{"status": "ERROR", "message": "number is required"}')
        'number is required'
        >>> error_message(b'{"error": {"code": 404, "message": "no such contact"}}')
        'no such contact'
    """
    try:
        said = _first_text(msgspec.json.decode(content))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return one_line(said)[:_LONGEST] if said else None


def _first_text(answer: Any) -> str | None:
    """Find the first text under one of the keys, however deep."""
    for key in _MESSAGE_KEYS if isinstance(answer, dict) else ():
        inner = answer.get(key)
        for each in inner if isinstance(inner, list) else [inner]:
            said = each if isinstance(each, str) and each.strip() else _first_text(each)
            if said:
                return said
    return None
