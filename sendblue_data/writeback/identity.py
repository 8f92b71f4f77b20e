"""Which spellings are one phone, and which labels are one account.

An opt-out is of a person, and a person's number is written in many ways; what is kept of one spelling holds for all.
Where in doubt two spellings are one: that costs a text that is not sent, the other way sends one that must not be.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from functools import lru_cache

import phonenumbers
import polars as pl
from phonenumbers import NumberParseException, PhoneNumberFormat, ValidationResult

from sendblue_data.schema import E164

_NORTH_AMERICA = "US"
"""Where a number without a country code is from, as for the service."""
_CODES = r"[17]|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]|[0-9]{3}"
_WHOLE = re.compile(E164)
_MAY_BE_OLD = rf"^\+(?:5[245]|1[01]|[17][0-9]{{0,9}}$|[17][0-9]{{11}}|(?:{_CODES})0)"
"""E.164 in form, and perhaps not in its shortest: of a country with old forms, or with a trunk prefix in it."""
_OLD = re.compile(_MAY_BE_OLD)
_FOLDED = (
    # Mexico, until 2019: a 1 before mobiles dialled from abroad; 01, 044 and 045 at home.
    (re.compile(r"\+52(?:1|01|044|045)([0-9]{10})"), r"+52\1"),
    # Argentina: mobiles are dialled with a 9 from abroad, and without it in texts.
    (re.compile(r"\+549([0-9]{10})"), r"+54\1"),
    # Brazil, until 2016: mobiles of eight digits; landlines begin with 2 to 5.
    (re.compile(r"\+55([1-9][0-9])([6-9][0-9]{7})"), r"+55\g<1>9\2"),
)
_EXTENSION = re.compile(r"(?:;?ext(?:ension|n)?|x)[.:=\s]*[0-9]+\s*$", re.IGNORECASE)
_ABROAD = re.compile(r"^(?:tel:)?\s*00", re.IGNORECASE)
_DECIMAL = re.compile(r"^([^.]*[0-9])\.0{1,2}$")
"""What a column of decimal numbers makes of a phone."""
_SERVICE = frozenset({"api.sendblue.co", "api.sendblue.com"})
_USUAL_PORTS = ("", "443", "80")


def identity(phone: str) -> str:
    """Return the one E.164 number that every spelling of a phone means.

    Old forms of a number are folded into its present one. What can't be read as a phone is its own identity.

    Example:
        >>> identity("+1 (212) 555-0123"), identity("+52 1 55 1234 5678"), identity("unknown ")
        ('+12125550123', '+525512345678', 'unknown')
    """
    if _WHOLE.fullmatch(phone) and not _OLD.match(phone):
        return phone
    return _read(phone)


def identities(phones: pl.Series) -> pl.Series:
    """Return the identity of each phone of a column; null stays null.

    Example:
        >>> identities(pl.Series(["+12125550123", "+1 212 555 0123", None])).to_list()
        ['+12125550123', '+12125550123', None]
    """
    other = phones.filter(~phones.str.contains(rf"^{E164}\z") | phones.str.contains(_MAY_BE_OLD)).unique()
    return phones.replace(other, pl.Series([_read(phone) for phone in other], dtype=pl.String))


def spellings(phone: str) -> set[str]:
    """Return a phone as given, its identity, and the old forms of that in E.164.

    Example:
        >>> sorted(spellings("+52 55 1234 5678"))
        ['+52 55 1234 5678', '+5215512345678', '+525512345678']
    """
    number = identity(phone)
    old = (
        re.sub(r"^\+52([0-9]{10})$", r"+521\1", number),
        re.sub(r"^\+54([0-9]{10})$", r"+549\1", number),
        re.sub(r"^\+55([1-9][0-9])9([6-9][0-9]{7})$", r"+55\1\2", number),
    )
    return {phone, number, *old}


def account_identity(label: str) -> str:
    """Return the one label of an account, however the host of its service was written.

    Example:
        >>> account_identity("API.Sendblue.com:443/1f0991eb"), account_identity("localhost:8000/1f0991eb")
        ('api.sendblue.co/1f0991eb', '127.0.0.1:8000/1f0991eb')
    """
    place, _, key = label.rpartition("/")
    found = re.fullmatch(r"(\[[^\]]*\]|[^:]*)(?::([0-9]*))?", place)
    if found is None:
        return label
    host, port = found[1].strip("[]").lower().rstrip("."), found[2] or ""
    if host in _SERVICE:
        host = min(_SERVICE)
    elif host == "localhost" or _is_loopback(host):
        host = "127.0.0.1"
    return f"{host}{'' if port in _USUAL_PORTS else f':{port}'}/{key}"


@lru_cache(maxsize=65_536)
def _read(phone: str) -> str:
    text = "".join(_plain(character) for character in phone).strip()
    text = _ABROAD.sub("+", _DECIMAL.sub(r"\1", text))
    digits = _EXTENSION.sub("", text.removeprefix("tel:"))  # a text reaches the line, not who is behind it
    try:
        number = phonenumbers.parse(digits, _NORTH_AMERICA)
    except NumberParseException:
        return text
    has_code = digits.lstrip(" (").startswith("+")
    is_possible = phonenumbers.is_possible_number_with_reason(number) == ValidationResult.IS_POSSIBLE
    if any(character.isalpha() for character in digits) or not (has_code or is_possible):
        return text
    return _folded(phonenumbers.format_number(number, PhoneNumberFormat.E164))


def _folded(number: str) -> str:
    for old, present in _FOLDED:
        if old.fullmatch(number):
            return old.sub(present, number)
    return number


def _plain(character: str) -> str:
    """Return a digit of any script as one of ours, and nothing for what is not seen."""
    if character.isdecimal():
        return str(unicodedata.decimal(character))
    if unicodedata.category(character) in {"Cf", "Cc"}:
        return " " if character.isspace() else ""
    return unicodedata.normalize("NFKC", character)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
