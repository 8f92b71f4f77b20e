"""Checking of settings: a misspelt switch would test nothing."""

from __future__ import annotations

import math
from typing import Any, Literal, get_args, get_origin, get_type_hints

from sendblue_data.errors import ConfigurationError


def check_choices(settings: object) -> None:
    """Refuse a value that is not among those its field's type names."""
    hints = get_type_hints(type(settings), localns={"Sandbox": object, "LoggedRequest": object})
    for name, hint in hints.items():
        value = getattr(settings, name)
        if get_origin(hint) is Literal and value not in get_args(hint):
            choices = ", ".join(repr(choice) for choice in get_args(hint))
            raise ConfigurationError(f"{name} is {value!r}; expected one of {choices}.")
        if hint is bool and not isinstance(value, bool):
            raise ConfigurationError(f"{name} is {value!r}; expected True or False.")


def check_seconds(settings: Any, *names: str) -> None:
    """Refuse seconds that are negative or endless."""
    for name in names:
        value = getattr(settings, name)
        if not 0 <= value < math.inf:
            raise ConfigurationError(f"{name} is {value}; expected seconds, 0 or more.")
