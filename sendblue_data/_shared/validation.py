"""Checks of arguments before anything is sent: numbers within their range, a client where one is needed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sized
from datetime import date, timedelta
from difflib import get_close_matches
from numbers import Integral, Number, Real
from typing import Any

from sendblue_data._shared.masking import mask_phone, mask_text
from sendblue_data.errors import ConfigurationError

_LONGEST = 60
_SHORTEST_PHONE = 10**9
"""A whole number from here on may be a phone that lost its plus."""
_DIALLED = re.compile(r"\+?[0-9][0-9 ().-]{5,}[0-9]{4}")
"""A phone as people write it."""


def shown(given: object) -> str:
    """Return what an error may say of a value: texts and numbers, of anything else its type and size.

    A caller may have mixed up two arguments, and no error shows a contact: phones and e-mail addresses are masked.

    Example:
        >>> shown("1w"), shown(0.5), shown(["+12125550123"]), shown("+12125550123")
        ("'1w'", '0.5', 'list of 1', "'+1212•••0123'")
    """
    if isinstance(given, str):
        text = repr(given if len(given) <= _LONGEST else given[:_LONGEST] + "…")
        return _DIALLED.sub(lambda found: mask_phone(found[0]), mask_text(text))
    if isinstance(given, Integral) and abs(int(given)) >= _SHORTEST_PHONE:
        return mask_phone(given)
    if given is None or isinstance(given, bool | Number | date | timedelta | type):
        return repr(given)
    size = f" of {len(given):,}" if isinstance(given, Sized) else ""
    return f"{type(given).__name__}{size}"


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """Return a sentence with the known name that is nearest to this one, for an error; empty where none is near.

    Example:
        >>> did_you_mean("VPI", ["Lead", "VIP", "vip "]), did_you_mean("vip", ["VIP"]), did_you_mean("Bus", ["VIP"])
        (" Did you mean 'VIP'?", " Did you mean 'VIP'?", '')
    """
    folded: dict[str, list[str]] = {}
    for one in known:
        folded.setdefault(one.casefold().strip(), []).append(one)
    near = get_close_matches(str(name).casefold().strip(), folded, n=1)
    if not near:
        return ""
    # Of spellings that differ in case and spaces alone, the one that is written most like it.
    return f" Did you mean {shown(get_close_matches(str(name), folded[near[0]], n=1, cutoff=0)[0])}?"


def check_number(name: str, given: object, holds: Callable[[Any], bool], expected: str) -> None:
    """Refuse what is no number, or not one that holds.

    Raises:
        ConfigurationError: it isn't.

    Example:
        >>> check_number("retries", -1, is_whole_from(0), "a whole number, 0 or more")
        Traceback (most recent call last):
            ...
        sendblue_data.errors.ConfigurationError: retries is -1: expected a whole number, 0 or more.
    """
    if isinstance(given, bool) or not isinstance(given, Real) or not holds(given):
        raise ConfigurationError(f"{name} is {shown(given)}: expected {expected}.")


def is_whole_from(least: int) -> Callable[[Any], bool]:
    """Return the test for a whole number of at least this."""
    return lambda given: isinstance(given, Integral) and int(given) >= least


def check_client(given: object) -> None:
    """Refuse what is no client of an account.

    Raises:
        ConfigurationError: it isn't; says how a sandbox gives one.

    Example:
        >>> check_client("api-key")
        Traceback (most recent call last):
            ...
        sendblue_data.errors.ConfigurationError: The account is str: expected a client, as SendblueClient() gives.
    """
    if isinstance(given, type) or not hasattr(given, "count_contacts"):
        has_one = callable(getattr(given, "client", None))
        kind = type(given).__name__
        raise ConfigurationError(
            f"The account is {kind}: expected a client, as "
            + (f"{kind}.client() gives." if has_one else "SendblueClient() gives.")
        )
