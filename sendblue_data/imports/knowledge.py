"""What is known of headers and of products' exports: the two data files beside this module, read once."""

from __future__ import annotations

import tomllib
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any, Literal, TypeAlias

Sense: TypeAlias = Literal["opt_out", "consent", "message"]
"""What a yes means: that somebody opted out, or that they agreed; of a message, its words alone count."""
Channel: TypeAlias = Literal["text", "any", "email"]
_LETTERS = str.maketrans({"ł": "l", "ø": "o", "ß": "ss", "æ": "ae", "œ": "oe", "\u0131": "i", "đ": "d"})


@dataclass(frozen=True)
class Says:
    """A column that says who is not to be texted."""

    sense: Sense
    channel: Channel


@dataclass(frozen=True)
class Layout:
    """The export of one product.

    Attributes:
        name: as in layouts.toml.
        title: the product's name.
        signatures: sets of squeezed headers, any of which tells the layout.
        phones: squeezed headers of the number, the best first.
        fields: squeezed header to field.
        says: squeezed header to what it says of opting out.
        ignored: squeezed headers that look as if they did.
        suppress: columns of a list of suppressions that the product imports.
        is_suppressions: whether its files are lists of suppressions.
    """

    name: str
    title: str
    signatures: list[set[str]]
    phones: list[str]
    fields: dict[str, str]
    says: dict[str, Says]
    ignored: set[str]
    suppress: dict[str, str]
    is_suppressions: bool


@dataclass(frozen=True)
class Headers:
    """What headers mean in any list.

    Attributes:
        fields: squeezed header to field, `full_name` among them.
        says: squeezed header to what it says of opting out.
        spelled: the same headers with their accents, by which an encoding is told.
        stems_out, stems_in: parts of a header from which its sense is taken.
        beside: parts of a header that stands beside a consent: when, from where.
        email, text: parts of a header that tell the channel.
        sure_words: squeezed words that say that somebody opted out under any header.
        words: squeezed word of a cell to its kind (`out`, `absent`, `in`, `yes`, `no`, `blank`).
    """

    fields: dict[str, str]
    says: dict[str, Says]
    spelled: frozenset[str]
    stems_out: tuple[str, ...]
    stems_in: tuple[str, ...]
    beside: tuple[str, ...]
    email: tuple[str, ...]
    text: tuple[str, ...]
    sure_words: frozenset[str]
    words: dict[str, str]


def squeezed(text: str) -> str:
    """Return a header or a word without case, accents, blanks and punctuation.

    Example:
        >>> squeezed("First Name"), squeezed("first_name"), squeezed("Numéro de téléphone"), squeezed("電話番号")
        ('firstname', 'firstname', 'numerodetelephone', '電話番号')
    """
    apart = unicodedata.normalize("NFKD", text).casefold()
    kept = "".join(letter for letter in apart if letter.isalnum())
    return unicodedata.normalize("NFC", kept.translate(_LETTERS))


@lru_cache(maxsize=1)
def headers() -> Headers:
    """Return what headers.toml holds."""
    known = _read("headers.toml")
    senses: tuple[tuple[Sense, str], ...] = (("opt_out", "opt_outs"), ("consent", "consents"))
    says = {
        squeezed(name): Says(sense, channel)
        for sense, key in senses
        for channel, names in known[key].items()
        for name in names
    }
    stems = known["stems"]
    return Headers(
        fields={squeezed(name): field for field, names in known["fields"].items() for name in names},
        says=says,
        spelled=frozenset(
            name.casefold()
            for key in ("fields", "opt_outs", "consents")
            for names in known[key].values()
            for name in names
        ),
        stems_out=_stems(stems["out"]),
        stems_in=_stems(stems["in"]),
        beside=_stems(stems["beside"]),
        email=_stems(stems["email"]),
        text=_stems(stems["text"]),
        sure_words=frozenset(map(squeezed, known["cells"]["opted_out"])),
        words={squeezed(word): kind for kind, words in known["words"].items() for word in words},
    )


@lru_cache(maxsize=1)
def layouts() -> dict[str, Layout]:
    """Return the layouts of layouts.toml by name.

    Example:
        >>> list(layouts())[:3]
        ['hubspot', 'salesforce', 'shopify']
    """
    return {name: _layout(name, told) for name, told in _read("layouts.toml").items()}


def layout_of(found: Iterable[str]) -> Layout | None:
    """Return the product whose export has these headers; None where no signature is there.

    Where several are, the one that knows the most of them.

    Example:
        >>> layout_of(["Email", "Phone", "Accepts SMS Marketing", "Tags"]).title
        'Shopify'
    """
    there = {squeezed(header) for header in found}
    known = [one for one in layouts().values() if any(signature <= there for signature in one.signatures)]
    return max(known, key=lambda one: len(there & _all_of(one)), default=None)


def _all_of(layout: Layout) -> set[str]:
    named = set().union(*layout.signatures)
    return named | {*layout.phones, *layout.fields, *layout.says} | layout.ignored


def _layout(name: str, told: Mapping[str, Any]) -> Layout:
    senses: tuple[tuple[Sense, str], ...] = (("opt_out", "opt_outs"), ("consent", "consents"))
    says = {
        squeezed(header): Says(sense, channel)
        for sense, key in senses
        for header, channel in told.get(key, {}).items()
    }
    says |= {squeezed(header): Says("message", "text") for header in told.get("messages", ())}
    return Layout(
        name=name,
        title=told["title"],
        signatures=[{squeezed(header) for header in one} for one in told["signature"]],
        phones=[squeezed(header) for header in told["phone"]],
        fields={squeezed(header): field for header, field in told["fields"].items()},
        says=says,
        ignored={squeezed(header) for header in told["ignored"]},
        suppress=told.get("suppress", {}),
        is_suppressions=told.get("suppressions", False),
    )


def _stems(words: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(squeezed(word) for word in words.split()))


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads(files("sendblue_data.imports").joinpath(name).read_text(encoding="utf-8"))
