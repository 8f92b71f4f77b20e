"""One contact of an answer, typed: as promised, or the same under every known spelling."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from operator import attrgetter
from typing import Any

import msgspec

from sendblue_data.repairs import KNOWN, SPELLINGS


class Contact(msgspec.Struct, gc=False):
    """One contact as the API promises it: every field optional, none of another type.

    What is null is told apart from what is missing where the two mean different things.
    """

    contact_id: str | None = None
    phone: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    company_name: str | None = None
    created_at: str | None = None
    custom_variables: dict[str, str | None] | msgspec.UnsetType | None = msgspec.UNSET
    opt_out: bool | None = None
    verified: bool | None = None
    sendblue_number: str | None = None
    tags: list[str | None] | msgspec.UnsetType | None = msgspec.UNSET
    assigned_to_email: str | None = None


class ExactContact(Contact, gc=False, forbid_unknown_fields=True):
    """The same, refusing fields that are not in `CONTACT_SCHEMA`."""


ALIASES = {name: field for field, names in SPELLINGS.items() for name in names[1:]}
SpelledContact = msgspec.defstruct(
    "SpelledContact",
    [(alias, Contact.__annotations__[field], getattr(Contact(), field)) for alias, field in ALIASES.items()],
    bases=(Contact,),
    module=__name__,
    gc=False,
)
"""The same under every known spelling; what it does not know is ignored."""

EXACT_PAGE = msgspec.json.Decoder(list[ExactContact])
SPLIT = msgspec.json.Decoder(list[msgspec.Raw])
EXACT_CONTACT = msgspec.json.Decoder(ExactContact)
_SPELLED: msgspec.json.Decoder[Contact] = msgspec.json.Decoder(SpelledContact)
_SPELLED_ALONE: msgspec.json.Decoder[Contact] = msgspec.json.Decoder(
    msgspec.defstruct(
        "_SpelledAlone", [], bases=(SpelledContact,), module=__name__, gc=False, forbid_unknown_fields=True
    )
)
_NAMES = msgspec.json.Decoder(dict[str, msgspec.Raw])
DATES = msgspec.json.Decoder(
    msgspec.defstruct("_Dates", [(name, str | None, None) for name in SPELLINGS["created_at"]], gc=False)
)
PHONES, OPT_OUTS, MOMENTS, VARIABLES = (
    attrgetter(*SPELLINGS[field]) for field in ("phone", "opt_out", "created_at", "custom_variables")
)
ABSENT = (None, msgspec.UNSET)


def typed(raw: bytes | msgspec.Raw, row: int, new: set[str]) -> Contact | None:
    """Decode a contact each of whose values has a promised type; None for any other."""
    with suppress(msgspec.ValidationError):
        return _SPELLED_ALONE.decode(raw)
    try:
        contact = _SPELLED.decode(raw)
    except msgspec.ValidationError:
        return None
    new |= names_in(raw, row) - KNOWN
    return contact


def names_in(raw: bytes | msgspec.Raw, row: int) -> set[str]:
    """Name the fields of what must be a contact."""
    try:
        names = set(_NAMES.decode(raw))
    except msgspec.ValidationError as error:
        raise msgspec.ValidationError(f"{error} - at `$[{row}]`") from None
    if names and KNOWN.isdisjoint(names):
        raise msgspec.ValidationError(
            f"none of its fields is a contact's: {', '.join(sorted(names))[:100]} - at `$[{row}]`"
        )
    return names


def contradicts_itself(contact: Contact) -> bool:
    """Whether two spellings of phone, opt-out or moment of creation hold different values."""
    return any(len({*get(contact)} - {None}) > 1 for get in (PHONES, OPT_OUTS, MOMENTS))


def stated(values: Iterable[Any]) -> Any:
    """Return the first value that is neither null nor missing."""
    return next((value for value in values if value not in ABSENT), None)
