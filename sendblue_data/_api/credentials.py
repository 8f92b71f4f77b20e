"""The account's key and secret: reading them, and keeping them out of reprs, errors and tracebacks."""

from __future__ import annotations

import os
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator
from html import escape
from urllib.parse import quote

from sendblue_data.errors import ConfigurationError

HIDDEN = "•••"
_SHORTEST = 4
"""Characters: to hide a made-up key of fewer would blot out the words around it."""
_BEGINNING = 8
"""Characters of a credential that are hidden also where the rest was cut off: messages have a longest length."""


class _Hidden(str):
    """A credential whose repr does not show it: tracebacks may print local variables."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"'{HIDDEN}'"


def hidden(given: str | None) -> str | None:
    """Return a text with a repr that does not show it; anything else as it is."""
    return _Hidden(given) if isinstance(given, str) else given


def credential(name: str, given: str | None, variable: str) -> str:
    """Take a credential as it was given, else from the environment.

    Raises:
        ConfigurationError: it is missing, no text, or no header can carry it.
    """
    if not isinstance(given, str | None):
        raise ConfigurationError(f"{name} is {type(given).__name__}: expected text.")
    value = _Hidden((given if given is not None else os.environ.get(variable, "")).strip())
    if not value:
        raise ConfigurationError(f"No {name}: pass {name}=, or set {variable} in the environment.")
    if not value.isascii() or not value.isprintable():
        raise ConfigurationError(
            f"The {name} holds a character that no HTTP header can carry: copy it again."
        )
    return value


def without_credentials(text: str, credentials: Iterable[str]) -> str:
    """Hide credentials that a server sent back, in whatever case, and as a URL, a page or a login holds them.

    Example:
        >>> without_credentials("no account for made-up-key", ["made-up-key"])
        'no account for •••'
        >>> without_credentials("Authorization: Basic bWFkZS11cC1rZXk6c2VjcmV0", ["made-up-key", "secret"])
        'Authorization: Basic •••'
    """
    forms = [form for form in _forms(credentials) if len(form) >= _SHORTEST]
    if not forms:
        return text
    begins = re.compile("|".join({re.escape(form[:_BEGINNING]) for form in forms}), re.IGNORECASE)
    told, place = [], 0
    while found := begins.search(text, place):
        # One may be the beginning of another: as much is hidden as any of them goes on.
        end = found.start() + max(_shared(form, text[found.start() :]) for form in forms)
        told += [text[place : found.start()], HIDDEN]
        place = end
    return "".join([*told, text[place:]])


def _shared(one: str, other: str) -> int:
    """Return how many letters two texts begin with alike, in whatever case."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (a, b) in pairs if a.lower() != b.lower()), min(len(one), len(other)))


def _forms(credentials: Iterable[str]) -> Iterator[str]:
    """Return the ways in which a text may hold one of them, or both as a login."""
    values = list(credentials)
    for value in values:
        yield from (value, quote(value, safe=""), escape(value))
    for value in (*values, ":".join(values)):
        yield b64encode(value.encode()).decode().rstrip("=")
