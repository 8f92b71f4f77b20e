"""Odd values of fields: some that a lenient reader can read, some that nobody can."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from random import Random
from typing import Any, Literal, NamedTuple
from zlib import crc32

from sendblue_data.sandbox.fields import Contact

OddKind = Literal["scalar", "empty", "unreadable"]


class _Place(NamedTuple):
    phone: str | None
    field: str
    kind: OddKind


class OddField(_Place):
    """One field that answers show in another form: `phone, field, kind`.

    The kind is `"scalar"` (a number or a flag where text belongs, or `opt_out` and `verified` as 0, 1, "true" or
    "false"), `"empty"` (`[]` for an empty map, null for an empty list) or `"unreadable"`.

    Attributes:
        shown: the value in answers. Of a scalar that stands for a name the text is not the contact's own.
    """

    shown: Any


_TEXTS = ("first_name", "last_name", "company_name", "assigned_to_email")
_SCALARS = (7, 10_000_000_000_000_001, 2.5, True)
_WORD = "perhaps"
_UNREADABLE: Mapping[str, tuple[Any, ...]] = {
    **{name: (["Ada"], {"text": "Ada"}) for name in _TEXTS},
    "created_at": ("yesterday", "2025-13-41T00:00:00Z", {}),
    "opt_out": (_WORD, 2, []),
    "verified": (_WORD, [True]),
    "custom_variables": ("none", 5, {"Plan": ["a", "b"]}),
    "tags": (3, {"0": "VIP"}, [["VIP"]]),
}


def odd(contact: Mapping[str, Any], *, share: float, seed: int) -> OddField | None:
    """Return what is odd about a contact: the same each time, and nothing for all but this share."""
    who = f"odd {seed} {contact['phone'] or contact['contact_id']}"
    # Most are not: a generator of their own for each would take most of a page's time.
    if crc32(who.encode()) >= share * 2**32:
        return None
    random = Random(who)  # noqa: S311 -- reproducible, not secret
    readable = _readable(contact, random)
    if random.random() < 2 / 3:
        field, kind, shown = random.choice(readable)
    else:
        field, kind = random.choice(list(_UNREADABLE)), "unreadable"
        shown = random.choice(_UNREADABLE[field])
    oddity = OddField(contact["phone"], field, kind)
    oddity.shown = shown
    return oddity


def _readable(contact: Mapping[str, Any], random: Random) -> list[tuple[str, OddKind, Any]]:
    found: list[tuple[str, OddKind, Any]] = [
        (name, "scalar", random.choice(_SCALARS)) for name in ("first_name", "last_name", "company_name")
    ]
    variables = contact["custom_variables"]
    if variables:
        found.append(
            ("custom_variables", "scalar", {**variables, "Visits": 12, "Member": True, "Score": 0.5})
        )
    elif variables is not None:
        found.append(("custom_variables", "empty", []))
    if contact["tags"] == []:
        found.append(("tags", "empty", None))
    flags = {name: contact[name] for name in ("opt_out", "verified") if contact[name] is not None}
    found += [(name, "scalar", random.choice((int(flag), str(flag).lower()))) for name, flag in flags.items()]
    return found


def odd_fields(contacts: Iterable[Contact], *, share: float, seed: int) -> list[OddField]:
    """Return what is odd about each of these contacts."""
    found = (odd(contact, share=share, seed=seed) for contact in contacts)
    return [oddity for oddity in found if oddity is not None]
