"""msgspec types of one contact: as promised, or under any known spelling and with scalars for text."""

from __future__ import annotations

from operator import attrgetter
from typing import Annotated, Any

import msgspec

from sendblue_data._api.repairs import KNOWN, SPELLINGS


class ExactContact(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """One contact as the API promises it: every field optional, none of another type or name.

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


_Whole = Annotated[int, msgspec.Meta(ge=-(2**53), le=2**53)]
_Text = str | _Whole | bool | None
"""What `read_json` writes into a text column digit by digit; of other numbers it may change the digits."""
_TYPES: dict[str, tuple[Any, Any]] = {
    **dict.fromkeys(SPELLINGS, (_Text, None)),
    **dict.fromkeys(("phone", "created_at"), (str | None, None)),
    **dict.fromkeys(("opt_out", "verified"), (bool | None, None)),
    "custom_variables": (dict[str, _Text] | msgspec.UnsetType | None, msgspec.UNSET),
    "tags": (list[_Text] | msgspec.UnsetType | None, msgspec.UNSET),
}
_SPELLED_FIELDS = [(name, *_TYPES[field]) for field, names in SPELLINGS.items() for name in names]

EXACT_PAGE = msgspec.json.Decoder(list[ExactContact])
EXACT_CONTACT = msgspec.json.Decoder(ExactContact)
SPLIT = msgspec.json.Decoder(list[msgspec.Raw])
_KNOWN_ALONE = msgspec.json.Decoder(
    msgspec.defstruct("_KnownAlone", _SPELLED_FIELDS, gc=False, forbid_unknown_fields=True)
)
_AMONG_OTHERS = msgspec.json.Decoder(msgspec.defstruct("_AmongOthers", _SPELLED_FIELDS, gc=False))
_NAMES = msgspec.json.Decoder(dict[str, msgspec.Raw])

TWICE = ("phone", "opt_out", "created_at")
"""Fields in which two values of a contact are looked for: who it is, may it be texted, where is it listed."""
in_twice = attrgetter(*(name for field in TWICE for name in SPELLINGS[field]))
variables = attrgetter(*SPELLINGS["custom_variables"])


def typed(raw: bytes | msgspec.Raw, row: int, new: set[str]) -> Any:
    """Decode a contact whose values all have types that fit; None for any other.

    Names of fields that no version knew are added to `new`.
    """
    try:
        return _KNOWN_ALONE.decode(raw)
    except msgspec.ValidationError:
        pass
    try:
        contact = _AMONG_OTHERS.decode(raw)
    except msgspec.ValidationError:
        return None
    new |= names_in(raw, row) - KNOWN
    return contact


def names_in(raw: bytes | msgspec.Raw, row: int) -> set[str]:
    """Return the names of the fields of what must be a contact.

    Raises:
        msgspec.ValidationError: it is no object, or none of its fields is a contact's.
    """
    try:
        names = set(_NAMES.decode(raw))
    except msgspec.ValidationError as error:
        raise msgspec.ValidationError(f"{error} - at `$[{row}]`") from None
    if names and KNOWN.isdisjoint(names):
        raise msgspec.ValidationError(
            f"none of its fields is a contact's: {', '.join(sorted(names))[:100]} - at `$[{row}]`"
        )
    return names
