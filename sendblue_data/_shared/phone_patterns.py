"""Whole columns of phones by patterns: those whose reading needs no parser, a hundred times faster than one by one.

The patterns are libphonenumber's own. A number is read here only where libphonenumber would give the same digits
back; all others stay null, for `phone_cells` to read or to refuse.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import phonenumbers
import polars as pl
from phonenumbers import PhoneMetadata

from sendblue_data._shared.phone_cells import DECIMAL, NATIONAL_STYLE, NORTH_AMERICA, area_codes, plans

_BETWEEN = r"[ ().\-]"
_CODES = r"^\+([17]|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]|[0-9]{3})"
"""Country codes, of which none begins another (ITU-T E.164)."""
_KINDS = (
    "fixed_line", "mobile", "toll_free", "premium_rate", "shared_cost", "personal_number", "voip", "pager", "uan",
)  # fmt: skip


class _Plan(NamedTuple):
    """How national numbers look: their pattern, what no prefix begins like, and their lengths."""

    fits: str
    has_prefix: str | None
    lengths: tuple[int, ...]


def quick_phones(raw: pl.Series, region: str | None) -> pl.Series:
    """Read the phones of a column that patterns alone can read; null for all others.

    Args:
        raw: the cells, String.
        region: the country of numbers without a `+`.

    Example:
        >>> quick_phones(pl.Series(["+49 30 23125010", "(212) 555-0123", "212 555 0123 x9"]), "US").to_list()
        ['+493023125010', '+12125550123', None]
    """
    digits = raw.set(raw.str.contains(DECIMAL), None).str.replace_all(_BETWEEN, "")
    code = digits.str.extract(_CODES)
    found = pl.Series(raw.name, [None], dtype=pl.String).new_from_index(0, raw.len())
    for (value,) in code.drop_nulls().unique().to_frame().iter_rows():
        plan = _abroad(int(value))
        if plan is not None:
            rows = (code == value).arg_true()
            mine = digits.gather(rows)
            fits = _fitting(mine.str.slice(len(value) + 1), plan).fill_null(value=False)
            found = found.scatter(rows.filter(fits), mine.filter(fits))
    return found if region is None else _at_home(found, raw, digits, region)


def _fitting(national: pl.Series, plan: _Plan) -> pl.Series:
    fits = national.str.contains(plan.fits) & national.str.len_bytes().is_in(plan.lengths)
    return fits if plan.has_prefix is None else fits & ~national.str.contains(plan.has_prefix)


@lru_cache(maxsize=512)
def _abroad(code: int) -> _Plan | None:
    """Return how the numbers of a country code look that are written with it."""
    main = PhoneMetadata.metadata_for_region_or_calling_code(
        code, phonenumbers.region_code_for_country_code(code)
    )
    patterns = plans(code)
    if main is None or not patterns or not main.general_desc:
        return None
    prefix = main.national_prefix_for_parsing
    return _Plan(
        _whole("|".join(patterns)),
        None if prefix is None else f"^(?:{_ascii(prefix)})",
        tuple(main.general_desc.possible_length),
    )


def _at_home(found: pl.Series, raw: pl.Series, digits: pl.Series, region: str) -> pl.Series:
    """Read numbers without a `+` besides."""
    code = phonenumbers.country_code_for_region(region)
    if code == NORTH_AMERICA:
        ten = digits.str.extract(r"^1?([2-9][0-9]{2}[2-9][0-9]{6})$")
        known = ten.str.slice(0, 3).is_in(list(area_codes()))
        # Of an area that is not in use it may be another country's number without its +, unless it is written our way.
        known |= raw.str.contains(rf"^\s*{NATIONAL_STYLE}\s*\z") | digits.str.starts_with("1")
        return found.zip_with(found.is_not_null(), "+1" + ten.set(~known.fill_null(value=False), None))
    plan, prefix = _home_plan(region)
    if plan is None:
        return found
    rows = (
        found.is_null() & digits.str.contains(rf"^{prefix}[1-9][0-9]+$").fill_null(value=False)
    ).arg_true()
    national = digits.gather(rows).str.strip_prefix(prefix)
    fits = _fitting(national, plan)
    return found.scatter(rows.filter(fits), f"+{code}" + national.filter(fits))


@lru_cache(maxsize=512)
def _home_plan(region: str) -> tuple[_Plan | None, str]:
    """Return how a country's numbers look at home, and the prefix before them; None where a parser has to see.

    Without a prefix a number may be another country's that lost its `+`, so it must be one that is in use, and not
    begin with the country's own code.
    """
    own: Any = PhoneMetadata.metadata_for_region(region)
    prefix, code = own.national_prefix or "", phonenumbers.country_code_for_region(region)
    is_plain = (
        own.national_prefix_for_parsing or ""
    ) == prefix and own.national_prefix_transform_rule is None
    if not is_plain or (prefix and not prefix.startswith("0")):
        return None, prefix
    lengths = tuple(own.general_desc.possible_length)
    if prefix:
        return _Plan(_whole(own.general_desc.national_number_pattern), None, lengths), prefix
    kinds = [getattr(own, kind) for kind in _KINDS]
    used = [kind.national_number_pattern for kind in kinds if kind and kind.national_number_pattern]
    return _Plan(_whole("|".join(used)), f"^{code}", lengths), prefix


def _whole(pattern: str) -> str:
    return rf"^(?:{_ascii(pattern)})\z"


def _ascii(pattern: str) -> str:
    r"""Return a pattern whose `\d` means our digits alone, as in libphonenumber after it folded the others."""
    return pattern.replace("\\d", "[0-9]")
