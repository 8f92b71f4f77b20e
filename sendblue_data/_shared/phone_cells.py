"""One cell of a list as a phone number in E.164, or what was found instead and what to do about it.

The parsing is Google's libphonenumber (the `phonenumbers` package). What stands here is what lists put around a
number, and where a wrong number is worse than a refused one: letters are refused rather than dialled (`555-0123 mom`
is not `+15550123666`), so are extensions, which a text can't reach, and two numbers in a cell, which libphonenumber
would join to one that nobody has.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Any, Literal, NamedTuple, TypeAlias

import phonenumbers
from phonenumbers import NumberParseException, PhoneMetadata, PhoneNumber, PhoneNumberType, ValidationResult

SeveralPhones: TypeAlias = Literal["refuse", "first_mobile"]
NORTH_AMERICA = 1
DECIMAL = r"^[^.]*[0-9][^.]*\.0{1,2}\s*$"
"""What a column of decimal numbers makes of a phone: the 0 would count as its last digit."""
_LABEL = re.compile(
    r"(?:p|tel|telephone|phone|mobile|cell|whatsapp|wa|sms|smsto|imessage|callto|fon|mobil)\s*:\s*(?://)?",
    re.IGNORECASE,
)
"""What stands before a number: `p:` (Facebook), `tel:`, `whatsapp:` and `sms:` (Twilio)."""
_AS_FORMULA = re.compile(r'="(.*)"')
"""How a number is written so that Excel keeps it as text."""
_EXTENSION = re.compile(r"(?:ext(?:ension|n)?|x)[.:=\s]*\d+\s*$", re.IGNORECASE)
_POWER_OF_TEN = re.compile(r"[0-9]+([.,][0-9]+)?e\+?[0-9]{1,2}", re.IGNORECASE)
_SEPARATORS = re.compile(
    r"\s*(?::::|[/;,|&\n\r]|\b(?:or|and|oder|und|ou|et|o|y|e|of|en)\b)\s*", re.IGNORECASE
)
"""What stands between two numbers of a cell, `:::` in Google's lists."""
_WHOLE_NUMBER = 9
"""Digits from which a part of a cell counts as a number where no list knows it to be in use."""
_OLD_MEXICAN = re.compile(r"\+?521([1-9][0-9]{9})")
_MEXICAN_AT_HOME = re.compile(r"(?:044|045|01)([1-9][0-9]{9})")
_MEXICO = "+52"
NATIONAL_STYLE = r"\(?[2-9][0-9]{2}\)?[ .-]?[2-9][0-9]{2}[ .-][0-9]{4}"
"""North American grouping: nobody writes a number of another country so."""
_WITHOUT_PLUS = "no country code: write it with +, or pass region="
_WRITE_IT_WHOLE = "; write the whole number with + and its country code"
_UNREADABLE = {
    NumberParseException.NOT_A_NUMBER: "not a phone number; write one with + and its country code",
    NumberParseException.TOO_SHORT_AFTER_IDD: f"too short{_WRITE_IT_WHOLE}",
    NumberParseException.TOO_SHORT_NSN: f"too short{_WRITE_IT_WHOLE}",
    NumberParseException.TOO_LONG: "too long; check for a second number or a digit too many",
}
_WRONG_LENGTH = {
    ValidationResult.TOO_SHORT: f"too short{_WRITE_IT_WHOLE}",
    ValidationResult.TOO_LONG: "too long; check for a second number or a digit too many",
    ValidationResult.IS_POSSIBLE_LOCAL_ONLY: "too short: no area code; write the number with it",
    ValidationResult.INVALID_LENGTH: f"wrong length{_WRITE_IT_WHOLE}",
}


class Reading(NamedTuple):
    """What a cell says: a phone in E.164, or the problem; and the country code of a number that lost its `+`."""

    phone: str | None
    problem: str | None
    lost_code: int | None = None


def read_phone(raw: str | None, region: str | None, several: SeveralPhones = "refuse") -> Reading:
    """Read one cell.

    Args:
        raw: the cell.
        region: the country that a number without a `+` is from, as two letters; None refuses such numbers.
        several: what becomes of a cell with more than one number: it is refused, or its first mobile one is taken.

    Returns:
        The phone, or the problem.

    Example:
        >>> read_phone("p:(212) 555-0123", "US").phone, read_phone("030 23125010 / 011", "DE").problem
        ('+12125550123', "more than one number in the cell; keep one, or pass several_phones='first_mobile'")
    """
    text = bare(raw)
    if not text:
        return Reading(None, "no number")
    if re.match(DECIMAL, text):
        return Reading(None, "ends in .0: read the column as text, not as decimal numbers")
    if _POWER_OF_TEN.fullmatch(text):
        return Reading(None, "a power of ten, whose digits a spreadsheet dropped: export the column as text")
    if _EXTENSION.search(text):
        return Reading(None, _why_letters(text))
    if len(parts := _numbers_of(text, region)) > 1:
        return _one_of(parts, region) if several == "first_mobile" else _refused_several()
    if any(c.isalpha() for c in text):
        return Reading(None, _why_letters(text))
    return _read_one(text, region)


def bare(raw: str | None) -> str:
    r"""Return a cell without what lists put around a number: labels, quotes, marks of direction, an apostrophe.

    Example:
        >>> bare("\u202dtel:+1 212 555 0123\u202c"), bare("'+12125550123"), bare('="2125550123"')
        ('+1 212 555 0123', '+12125550123', '2125550123')
    """
    text = raw or ""
    if not (text.isascii() and text.isprintable()):
        text = "".join(c for c in text if unicodedata.category(c) not in {"Cf", "Cc"} or c in "\n\r\t")
    text = text.strip()
    if formula := _AS_FORMULA.fullmatch(text):
        text = formula[1].strip()
    text = text.strip("'\"\u2018\u2019").strip()
    while label := _LABEL.match(text):
        text = text[label.end() :].strip()
    return text


def is_in_use(number: PhoneNumber) -> bool:
    """Tell whether the number is one of those that its country has given out, by libphonenumber's lists."""
    return phonenumbers.is_valid_number(number)


@lru_cache(maxsize=1)
def area_codes() -> frozenset[str]:
    """Return the area codes of the North American plan that are in use, by libphonenumber's lists.

    Example:
        >>> "212" in area_codes(), "000" in area_codes()
        (True, False)
    """
    return frozenset(
        str(area)
        for area in range(200, 1000)
        if is_in_use(PhoneNumber(country_code=NORTH_AMERICA, national_number=area * 10**7 + 2_345_678))
    )


def lost_plus(text: str) -> PhoneNumber | None:
    """Return the number that a text would be with a `+` before it, where one that is in use; else None.

    Example:
        >>> lost_plus("447911123456").country_code, lost_plus("2125550123")
        (44, None)
    """
    digits = re.sub(r"[^0-9]", "", _ascii_digits(text))
    try:
        number = phonenumbers.parse(f"+{digits}")
    except NumberParseException:
        return None
    return number if is_in_use(number) else None


def could_be(national: str, code: int) -> str:
    """Return why a number is refused that may be of the region or have lost its `+`."""
    return f"could be {national[:6]}… or a number of +{code} that lost its +; write it with +"


def _read_one(text: str, region: str | None) -> Reading:
    folded = _folded(text, region)
    has_code = folded.lstrip(" (").startswith(("+", "\N{FULLWIDTH PLUS SIGN}"))
    try:
        number = phonenumbers.parse(folded, region)
    except NumberParseException as refusal:
        return _unreadable(folded, region, refusal, has_code=has_code)
    if number.extension:
        return Reading(None, _why_letters("x1"))
    length = phonenumbers.is_possible_number_with_reason(number)
    reading = Reading(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164), None)
    if length != ValidationResult.IS_POSSIBLE:
        reading = Reading(None, _WRONG_LENGTH.get(length, "not a phone number"))
    elif not _in_plan(number):
        reading = Reading(
            None, f"no number of +{number.country_code} begins like this; check its country code"
        )
    elif not has_code and _is_outside_plan(number):
        reading = Reading(
            None, f"no number of +{NORTH_AMERICA} is made like this; write it with + if it is another's"
        )
    if has_code or region is None:
        return reading
    return _unless_lost_plus(folded, number, reading, region)


def _unless_lost_plus(text: str, number: PhoneNumber, reading: Reading, region: str) -> Reading:
    """Refuse a number without a `+` that is one of another country with it, and none of the region's in use."""
    is_used = reading.phone is not None and is_in_use(number)
    prefix = _home(region).national_prefix
    if is_used and (prefix in (None, "1") or text.startswith(prefix) or not text.isdecimal()):
        return reading
    abroad = None if text.startswith("0") else lost_plus(text)
    if abroad is None or abroad == number:
        return reading
    if is_used and reading.phone is not None:
        return Reading(None, could_be(reading.phone, abroad.country_code or 0), abroad.country_code)
    if reading.phone is not None and re.fullmatch(NATIONAL_STYLE, text):
        return reading
    found = f"no number of {region}, but one of +{abroad.country_code} that lost its +; write it with +"
    return Reading(None, found, abroad.country_code)


def _folded(text: str, region: str | None) -> str:
    """Return a number as libphonenumber takes it: `00` as `+`, old Mexican mobiles as they are now."""
    digits = re.sub(r"[ ().\-\u00a0]", "", _ascii_digits(text))
    if old := _OLD_MEXICAN.fullmatch(digits) if digits.startswith("+") or region == "MX" else None:
        return _MEXICO + old[1]
    if region == "MX" and (home := _MEXICAN_AT_HOME.fullmatch(digits)):
        return _MEXICO + home[1]
    if region is not None and re.match(r"00[1-9]", digits):
        abroad = _home(region).international_prefix or "00"
        return text if re.match(abroad, digits) else "+" + digits[2:]
    return text


def _home(region: str) -> Any:
    return PhoneMetadata.metadata_for_region(region)


def _ascii_digits(text: str) -> str:
    return "".join(str(unicodedata.decimal(c)) if c.isdecimal() else c for c in text)


def _unreadable(text: str, region: str | None, refusal: NumberParseException, *, has_code: bool) -> Reading:
    if refusal.error_type in _UNREADABLE:
        return Reading(None, _UNREADABLE[refusal.error_type])
    if region is None and not has_code:
        abroad = lost_plus(text) if not text.startswith("0") else None
        if abroad is None:
            return Reading(None, _WITHOUT_PLUS)
        return Reading(None, f"{_WITHOUT_PLUS} (with one it would be of +{abroad.country_code})")
    return Reading(None, "no such country code; write the number with + and its own")


def _numbers_of(text: str, region: str | None) -> list[str]:
    """Return the parts of a cell that are numbers of their own; the cell itself where it holds one at most.

    In German-speaking countries a slash stands after the area code: what is before it is too short for a number.
    """
    parts = [part for part in _SEPARATORS.split(text) if any(c.isdecimal() for c in part)]
    if len(parts) < 2:  # noqa: PLR2004 -- nothing was separated
        return [text]
    is_number = [_is_number(part, region) for part in parts]
    if "/" in text and not is_number[0] and sum(is_number) == 1:
        return [text]
    return parts if any(is_number) else [text]


def _is_number(part: str, region: str | None) -> bool:
    if any(c.isalpha() for c in part):
        return False
    folded = _folded(part.strip(), region)
    try:
        number = phonenumbers.parse(folded, region or "US")
    except NumberParseException:
        return False
    if is_in_use(number):
        return True
    digits = sum(c.isdecimal() for c in part)
    return digits >= _WHOLE_NUMBER and phonenumbers.is_possible_number(number) and _in_plan(number)


def _refused_several() -> Reading:
    return Reading(None, "more than one number in the cell; keep one, or pass several_phones='first_mobile'")


def _one_of(parts: list[str], region: str | None) -> Reading:
    for part in parts:
        reading = read_phone(part, region)
        if reading.phone is not None and _is_mobile(reading.phone):
            return reading
    return Reading(None, "more than one number in the cell, none of them known as a mobile one; keep one")


def _is_mobile(phone: str) -> bool:
    kind = phonenumbers.number_type(phonenumbers.parse(phone))
    return kind in {PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE}


def _why_letters(text: str) -> str:
    if _EXTENSION.search(text):
        return "has an extension, which a text can't reach; write the number without it"
    if any(c.isdecimal() for c in text):
        return "has letters in it; write the number in digits alone"
    return "not a phone number; write one with + and its country code"


def _is_outside_plan(number: PhoneNumber) -> bool:
    """Tell whether a North American number has an exchange that begins with 0 or 1, as none has."""
    if number.country_code != NORTH_AMERICA:
        return False
    return phonenumbers.national_significant_number(number)[3:4] in {"0", "1"}


def _in_plan(number: PhoneNumber) -> bool:
    """Tell whether the number fits the general pattern of a region that shares its country code."""
    national = phonenumbers.national_significant_number(number)
    return any(re.fullmatch(pattern, national) for pattern in plans(number.country_code or 0))


@lru_cache(maxsize=512)
def plans(code: int) -> tuple[str, ...]:
    """Return the general patterns of national numbers in the regions that share a country code."""
    found = []
    for region in phonenumbers.region_codes_for_country_code(code):
        plan = PhoneMetadata.metadata_for_region_or_calling_code(code, region)
        pattern = plan and plan.general_desc and plan.general_desc.national_number_pattern
        if pattern:
            found.append(pattern)
    return tuple(found)
