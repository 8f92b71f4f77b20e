"""Which column is which field of a contact: by `mapping=`, by the product's own layout, or by the header's words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Literal, TypeAlias

from sendblue_data._shared.opt_out_names import speaks_of_opting_out
from sendblue_data._shared.validation import shown
from sendblue_data.errors import ConfigurationError, FrameError
from sendblue_data.imports.knowledge import Channel, Headers, Layout, Says, headers, squeezed
from sendblue_data.schema import CONTACT_SCHEMA

Sure: TypeAlias = Literal["given", "certain", "likely"]
_OURS_ALONE = ("contact_id", "created_at", "verified")
"""What only a file of ours says: another product's ids and dates mean nothing here."""
TARGETS = (*(name for name in CONTACT_SCHEMA if name not in _OURS_ALONE), "full_name", "consent")
"""What `mapping=` may name: a field, `full_name` (split into two), or `consent` (the contrary of `opt_out`)."""
_VARIABLE = "custom_variables."
_MANY = ("opt_out", "custom_variables")
"""Fields that several columns may fill."""
_SHOWN = 40
_NUMBERED = re.compile(r"phone\d+value")


@dataclass(frozen=True)
class Claim:
    """A column's claim to a field.

    Attributes:
        column: its position.
        header: its header.
        field: the field; `full_name` besides.
        sure: who says so: the caller (`given`), a product's layout or our own name (`certain`), the words (`likely`).
        why: in words, for the card.
        says: of a column that says who opted out, how.
        variable: of a custom variable, its name.
        rank: of several numbers, the best first.
    """

    column: int
    header: str
    field: str
    sure: Sure
    why: str
    says: Says | None = None
    variable: str | None = None
    rank: int = 0


@dataclass
class Claims:
    """All claims, the columns that claim nothing, and what is to be told of either.

    Attributes:
        claims: in the order of the columns.
        unmapped: positions of columns that claim nothing.
        told: position of a column to what is to be told of it.
        dismissed: positions of columns that `mapping=` leaves out.
        is_ours: whether each header is a contact's field to the letter, as in a file that `write_contacts` made.
    """

    claims: list[Claim]
    unmapped: list[int]
    told: dict[int, str] = field(default_factory=dict)
    dismissed: set[int] = field(default_factory=set)
    is_ours: bool = False

    def of(self, name: str) -> list[Claim]:
        """Return the claims to a field, the best first."""
        return sorted((claim for claim in self.claims if claim.field == name), key=lambda one: one.rank)


def claim_fields(names: list[str], layout: Layout | None, mapping: Mapping[str, str | None] | None) -> Claims:
    """Find out what each column is.

    Args:
        names: the headers.
        layout: of the product whose export it is.
        mapping: header to field, or None for a column to leave out; as the caller gave it.

    Raises:
        ConfigurationError: `mapping` names a header that is not there, or a field that no contact has.
        FrameError: two columns claim one field, or one says who opted out in a way that can't be told.
    """
    given = _checked(mapping, names)
    is_ours = layout is None and all(name in CONTACT_SCHEMA for name in names)
    found = Claims([], [], is_ours=is_ours)
    for column, name in enumerate(names):
        claim = _given(column, name, given[name]) if name in given else None
        if name in given and claim is None:
            found.dismissed.add(column)
        if name not in given:
            claim = _ours(column, name) if is_ours else _known(column, name, layout, found)
        if claim is None:
            found.unmapped.append(column)
        else:
            found.claims.append(claim)
    _drop_weaker_names(found)
    _refuse_rivals(found, names)
    return found


def _checked(mapping: Mapping[str, str | None] | None, names: list[str]) -> dict[str, str | None]:
    if mapping is None:
        return {}
    if not isinstance(mapping, Mapping):
        raise ConfigurationError(
            f"mapping is {type(mapping).__name__}: expected a dict of the list's headers to fields, such as "
            '{"Handy": "phone"}.'
        )
    given: dict[str, str | None] = {}
    for header, target in mapping.items():
        meant = [name for name in names if name == header]
        meant = meant or [name for name in names if squeezed(name) == squeezed(str(header))]
        if not meant:
            close = get_close_matches(str(header), names, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise ConfigurationError(
                f"mapping names the header {shown(header)}, which the list lacks: it has "
                f"{', '.join(map(repr, names[:_SHOWN]))}.{hint}"
            )
        if target is not None and target not in TARGETS and not _is_variable(target):
            raise ConfigurationError(
                f"mapping gives {shown(header)} to {shown(target)}: expected one of {', '.join(TARGETS)}, "
                "'custom_variables.NAME', or None to leave the column out."
            )
        given[meant[0]] = target
    return given


def _is_variable(target: object) -> bool:
    return isinstance(target, str) and target.startswith(_VARIABLE) and len(target) > len(_VARIABLE)


def _given(column: int, name: str, target: str | None) -> Claim | None:
    if target is None:
        return None
    why = "as mapping= says"
    if _is_variable(target):
        return Claim(column, name, "custom_variables", "given", why, variable=target[len(_VARIABLE) :])
    if target == "custom_variables":
        is_whole = squeezed(name) in ("customvariables", "variables", "customfields")
        return Claim(column, name, target, "given", why, variable=None if is_whole else name)
    if target in ("opt_out", "consent"):
        known = _says(name, None, headers())
        channel: Channel = known.channel if known else "any"
        if target == "consent":
            return Claim(column, name, "opt_out", "given", why, Says("consent", channel))
        return Claim(column, name, "opt_out", "given", why, known or Says("opt_out", channel))
    return Claim(column, name, target, "given", why)


def _ours(column: int, name: str) -> Claim:
    says = Says("opt_out", "any") if name == "opt_out" else None
    return Claim(column, name, name, "certain", "our own name", says)


def _known(column: int, name: str, layout: Layout | None, found: Claims) -> Claim | None:
    key, known = squeezed(name), headers()
    if not key:
        return None
    if layout is not None and (claim := _of_layout(column, name, key, layout)) is not None:
        return claim
    if layout is not None and key in layout.ignored:
        found.told[column] = f"left out: in an export of {layout.title} it does not say who opted out"
        return None
    if key in known.fields:
        where = "our own name" if name in CONTACT_SCHEMA else "a usual header of it"
        sure: Sure = "certain" if name in CONTACT_SCHEMA else "likely"
        return Claim(column, name, known.fields[key], sure, where)
    if (says := _says(name, found, known, column)) is not None:
        sense = "who opted out" if says.sense == "opt_out" else "who agreed"
        return Claim(column, name, "opt_out", "likely", f"it says {sense}", says)
    return None


def _of_layout(column: int, name: str, key: str, layout: Layout) -> Claim | None:
    why = f"{layout.title}'s header"
    if key in layout.phones:
        return Claim(column, name, "phone", "certain", why, rank=layout.phones.index(key))
    if _NUMBERED.fullmatch(key) and "phone1value" in layout.phones:
        return Claim(column, name, "phone", "certain", why, rank=len(layout.phones) + column)
    if key in layout.says:
        return Claim(column, name, "opt_out", "certain", why, layout.says[key])
    if key in layout.fields:
        return Claim(column, name, layout.fields[key], "certain", why)
    return None


def _says(name: str, found: Claims | None, known: Headers, column: int = 0) -> Says | None:
    """Return what a column says of opting out, by its header; None where it says nothing of it."""
    key = squeezed(name)
    if key in known.says:
        return known.says[key]
    speaks = speaks_of_opting_out(name) or key == "optout"
    out = any(stem in key for stem in known.stems_out)
    agrees = any(stem in key for stem in known.stems_in)
    if not speaks:
        return None
    if not out and any(key.endswith(stem) for stem in known.beside):
        if found is not None:
            found.told[column] = (
                "left out: it stands beside a consent and says when, where or how, not whether"
            )
        return None
    if not (out or agrees):
        if found is None:
            return None
        raise FrameError(
            f"Column {name!r} seems to say who is not to be texted, and it can't be told whether a yes means "
            f'opted out or agreed. Write mapping={{{name!r}: "opt_out"}} or mapping={{{name!r}: "consent"}}, or '
            f"mapping={{{name!r}: None}} if it says neither."
        )
    of_email = any(stem in key for stem in known.email) and not any(stem in key for stem in known.text)
    of_text = any(stem in key for stem in known.text)
    return Says("opt_out" if out else "consent", "email" if of_email else "text" if of_text else "any")


def _drop_weaker_names(found: Claims) -> None:
    """Leave a full name out where first and last name have columns of their own."""
    if found.of("first_name") or found.of("last_name"):
        for claim in found.of("full_name"):
            if claim.sure != "given":
                found.claims.remove(claim)
                found.unmapped.append(claim.column)


def _refuse_rivals(found: Claims, names: list[str]) -> None:
    """Ask about two columns that claim one field; a layout's own order of numbers settles it among them."""
    for target in dict.fromkeys(claim.field for claim in found.claims):
        rivals = found.of(target)
        if target in _MANY:
            continue
        given = [claim for claim in rivals if claim.sure == "given"]
        certain = [claim for claim in rivals if claim.sure == "certain"]
        kept = given or certain or rivals
        if len(kept) > 1 and not (target == "phone" and not given and certain and _ranks(certain)):
            if given:
                written = ", ".join(f"{claim.header!r}" for claim in given)
                raise ConfigurationError(f"mapping gives {target} to {written}: give it to one.")
            _ask(target, kept, names)
        for claim in rivals:
            if claim not in kept:
                found.claims.remove(claim)
                found.unmapped.append(claim.column)
    found.unmapped.sort()


def _ranks(claims: list[Claim]) -> bool:
    return len({claim.rank for claim in claims}) == len(claims)


def _ask(target: str, rivals: list[Claim], names: list[str]) -> None:
    titles = [claim.header for claim in rivals]
    if len(set(titles)) < len(titles):
        raise FrameError(
            f"Two columns named {titles[0]!r} could be {target}: rename one of them in the list."
        )
    choice = ", ".join(f"{title!r}: {(target if n == 0 else None)!r}" for n, title in enumerate(titles))
    raise FrameError(
        f"{' and '.join(map(repr, titles))} could both be {target} (of {len(names)} columns). Say which it is: "
        f"mapping={{{choice}}} takes the first."
    )
