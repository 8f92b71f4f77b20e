"""The account's key and secret: reading them, and keeping them out of reprs, errors and tracebacks."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

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
    """Hide credentials that a server sent back, in whatever case.

    Example:
        >>> without_credentials("no account for made-up-key", ["made-up-key"])
        'no account for •••'
    """
    for value in sorted(credentials, key=len, reverse=True):  # one may be the beginning of the other
        for length in range(len(value), min(_BEGINNING, len(value)) - 1, -1):
            if length >= _SHORTEST:
                text = re.sub(re.escape(value[:length]), HIDDEN, text, flags=re.IGNORECASE)
    return text
