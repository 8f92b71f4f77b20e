"""Masks for people: enough of a phone, a name or an e-mail address to recognise it, too little to use it."""

from __future__ import annotations

import re

import polars as pl

from sendblue_data.schema import E164

_HIDDEN = "•••"
_PHONE_IN_TEXT = re.compile(rf"(?<![0-9]){E164}(?![0-9])")
"""A phone wherever it stands, such as in a tag; not the tail of a longer number."""
_EMAIL_IN_TEXT = re.compile(r"[^\s@<>(),;:\"']+@[^\s@<>(),;:\"']+\.[^\s@<>(),;:\"']+")


def mask_phone(phone: object) -> str:
    """Mask a phone.

    Example:
        >>> mask_phone("+12125550123"), mask_phone("12")
        ('+1212•••0123', '••')
    """
    text = str(phone)
    return f"{text[:5]}{_HIDDEN}{text[-4:]}" if len(text) > 11 else "•" * len(text)  # noqa: PLR2004 -- hides three


def mask_name(name: object) -> str:
    """Mask a name: the first letter of each word stays.

    Example:
        >>> mask_name("Ada Lovelace"), mask_name("")
        ('A••• L•••', '')
    """
    return " ".join(f"{word[0]}{_HIDDEN}" for word in str(name).split())


def mask_email(address: object) -> str:
    """Mask an e-mail address: its first letter and its domain stay.

    Example:
        >>> mask_email("ada@example.com")
        'a•••@example.com'
    """
    local, at, domain = str(address).rpartition("@")
    return f"{local[:1]}{_HIDDEN}{at}{domain}"


def mask_text(text: str) -> str:
    """Mask each E.164 phone and each e-mail address in a text.

    Example:
        >>> mask_text("from +12125550123, for ada@example.com")
        'from +1212•••0123, for a•••@example.com'
    """
    # Most texts hold neither, and a table has thousands.
    if "+" in text:
        text = _PHONE_IN_TEXT.sub(lambda found: mask_phone(found[0]), text)
    return _EMAIL_IN_TEXT.sub(lambda found: mask_email(found[0]), text) if "@" in text else text


def mask_table(table: pl.DataFrame) -> pl.DataFrame:
    """Mask the phones and e-mail addresses in every text of a small table, lists of texts included.

    Example:
        >>> mask_table(pl.DataFrame({"tags": [["VIP", "+12125550123"]], "contacts": [1]})).row(0)
        (['VIP', '+1212•••0123'], 1)
    """
    return table.with_columns(
        pl.Series(name, [_masked(value) for value in table[name].to_list()], dtype=kind)
        for name, kind in table.schema.items()
        if kind in (pl.String, pl.List(pl.String))
    )


def _masked(value: object) -> object:
    if isinstance(value, list):
        return [_masked(one) for one in value]
    return mask_text(value) if isinstance(value, str) else value
