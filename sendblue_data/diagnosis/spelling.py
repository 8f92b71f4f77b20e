"""How an account spells the fields of a contact, and which names of fields may be shown."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sendblue_data._api.repairs import SPELLINGS

_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+|[^A-Za-z0-9_]+")
_WORDS = """
account active address agent amount area assigned at avatar birthday blocked by carrier cid city code
color company contact contacts conversation count country created custom data date default deleted
description display email emails error external field fields first full group groups handle id ids image
imessage imported inbound is label labels last lead line lines list lists locale message messages middle
name notes number numbers of opt opted out outbound owner phone phones photo plan primary profile rcs
region replied seat sendblue sent service sms source state status sub subscribed tag tags team text time
timezone title type uid updated url user uuid value variable variables verification verified version
workspace zip
"""
_VOCABULARY = frozenset(_WORDS.split())
"""Words that names of an API are made of. A name with another word may be a person's, so that word is not shown."""


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(map(str.capitalize, rest))


def _style(name: str, field: str) -> str:
    """Return the style of a field's name: `same` where snake_case and camelCase agree."""
    if name == field:
        return "snake" if "_" in field else "same"
    return "camel" if name == _camel(field) else "older"


KNOWN = {name: (field, _style(name, field)) for field, names in SPELLINGS.items() for name in names}
"""The field and the style of every name that the reader may meet."""


def value(row: Mapping[str, Any], field: str) -> Any:
    """Return a contact's value of a field in whatever spelling; None where it has none.

    Example:
        >>> value({"optOut": True}, "opt_out"), value({"contact_primary_phone": "+12125550100"}, "phone")
        (True, '+12125550100')
    """
    found = (
        (KNOWN[name][1] not in {"snake", "same"}, row[name])
        for name in row
        if KNOWN.get(name, ("",))[0] == field
    )
    return next((given for _, given in sorted(found, key=lambda one: one[0]) if given is not None), None)


def shown_name(name: str) -> str:
    """Return a field's name with every word left out that no API's name is made of.

    Example:
        >>> shown_name("updatedAt"), shown_name("ann_smith_notes")
        ('updatedAt', '•_•_notes')
    """
    return _WORD.sub(lambda word: word[0] if word[0].lower() in _VOCABULARY else "•", name[:60])
