"""Placeholder for names whose optional dependency is missing."""

from __future__ import annotations

from typing import NoReturn

from sendblue_data.errors import MissingExtraError


def placeholder(name: str, error: MissingExtraError) -> type:
    """Return a class that raises `error` when it is called, so that `import *`, `hasattr` and `help` need no extra.

    Example:
        >>> thing = placeholder("Thing", MissingExtraError("A thing needs its extra."))
        >>> thing.__name__, thing.__doc__
        ('Thing', 'A thing needs its extra.')
        >>> thing(1)
        Traceback (most recent call last):
        ...
        sendblue_data.errors.MissingExtraError: A thing needs its extra.
    """
    words = str(error)

    def refuse(*_args: object, **_options: object) -> NoReturn:
        raise MissingExtraError(words)

    return type(name, (), {"__new__": refuse, "__doc__": words, "__module__": "sendblue_data"})
