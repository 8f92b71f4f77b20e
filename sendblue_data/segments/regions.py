"""Which country a phone number is from, for whole columns.

The rules and patterns are libphonenumber's (`region_code_for_number` of the `phonenumbers` package), run by
Polars over a column: a million numbers a second or so, where a call a number takes half a minute. Most
countries have a calling code of their own. Twelve codes are shared (+1 by 25 regions); there, as in
libphonenumber, regions are tried in its order, by their leading digits if they have such, else by the
patterns of all their kinds of numbers. So a +1 number whose area code is in use nowhere is from no region.
"""

from __future__ import annotations

from functools import cache, reduce
from operator import or_
from typing import Any

import phonenumbers
import polars as pl
from narwhals import dependencies
from phonenumbers import PhoneMetadata
from phonenumbers.phonemetadata import PhoneNumberDesc

from sendblue_data._frames.conversion import as_contacts, column_names, in_polars, pyarrow_needed
from sendblue_data._frames.engines import require_columns, with_spark_column
from sendblue_data.schema import IS_E164

_NORTH_AMERICA = 1
_KINDS = (
    "premium_rate", "toll_free", "shared_cost", "voip", "personal_number", "pager", "uan", "voicemail",
    "fixed_line", "mobile",
)  # fmt: skip


def in_region(phone: pl.Expr, region: str, area_codes: tuple[str, ...] = ()) -> pl.Expr:
    """Return whether an E.164 number is from a region (and from one of the area codes, if any); null stays null."""
    code = phonenumbers.country_code_for_region(region)
    sharing = phonenumbers.region_codes_for_country_code(code)
    answer = phone.str.contains(IS_E164) & phone.str.starts_with(f"+{code}")
    if len(sharing) > 1:
        answer &= _fits(phone, code, region)
        for earlier in sharing[: sharing.index(region)]:
            answer &= ~_fits(phone, code, earlier)
    return answer & in_area(phone, area_codes, code) if area_codes else answer


def in_area(phone: pl.Expr, area_codes: tuple[str, ...], code: int = _NORTH_AMERICA) -> pl.Expr:
    """Return whether the digits after a country code begin with one of the area codes."""
    return phone.str.contains(IS_E164) & reduce(
        or_, (phone.str.starts_with(f"+{code}{area}") for area in area_codes)
    )


def phone_region_code(column: str = "phone") -> pl.Expr:
    """Return the two-letter region of each E.164 number, as in `opt_out_rate(contacts, by=phone_region_code())`.

    Args:
        column: the column that holds the numbers.

    Returns:
        An expression, String, named `phone_region`; null where the number is null, not E.164, or from no
        region. Numbers that belong to no country (+800, +883) are `"001"`, as in libphonenumber.

    Example:
        >>> import polars as pl
        >>> people = pl.DataFrame({"phone": ["+12125550123", "+14165550123", "+442079460123", None]})
        >>> people.select(phone_region_code()).to_series().to_list()
        ['US', 'CA', 'GB', None]
    """
    return (
        pl.col(column)
        .map_batches(_regions, return_dtype=pl.String, is_elementwise=True)
        .alias("phone_region")
    )


def with_phone_region(contacts: Any, *, column: str = "phone") -> Any:
    """Return a frame with a column `phone_region`, worked out once, to group or to join by as often as you like.

    Args:
        contacts: a contacts frame of any engine that Narwhals knows.
        column: the column that holds the numbers.

    Returns:
        Polars as it came, eager or lazy; Spark as Spark, where Python works it out in the executors, which need this
        package (`cache()` it if it is asked more than once); DuckDB as a lazy Polars frame; any other as an eager one,
        of no more rows than `max_rows_to_client` allows. `phone_region` is a String: see `phone_region_code`. A
        column of that name that is there already is replaced.

    Raises:
        FrameError: it is no frame, lacks the column, or has too many rows to come here.

    Example:
        >>> people = pl.DataFrame({"phone": ["+12125550123", "+442079460123", "555"]})
        >>> with_phone_region(people)["phone_region"].to_list()
        ['US', 'GB', None]
    """
    require_columns(column_names(contacts), [column])
    if dependencies.is_pyspark_dataframe(contacts) or dependencies.is_pyspark_connect_dataframe(contacts):
        return with_spark_column(contacts, "phone_region", column, _regions)
    if dependencies.is_duckdb_relation(contacts):
        with pyarrow_needed(contacts):
            contacts = as_contacts(contacts.pl(lazy=True))
    return in_polars(contacts, "with_phone_region", "pull_contacts(client)").with_columns(
        phone_region_code(column)
    )


def _regions(phones: pl.Series) -> pl.Series:
    alone, shared = _calling_codes()
    known = "|".join(map(str, [*alone, *shared]))
    frame = pl.DataFrame({"phone": phones.cast(pl.String)}).with_columns(
        code=pl.when(pl.col("phone").str.contains(IS_E164)).then(
            pl.col("phone").str.extract(rf"^\+({known})")
        )
    )
    found = [
        frame.select("phone", region=pl.col("code").replace_strict(alone, default=None)).drop_nulls().unique()
    ]
    for code, sharing in shared.items():
        rest = frame.filter(pl.col("code") == code).select("phone").unique()
        for region in sharing:
            fits = _fits(pl.col("phone"), int(code), region)
            found.append(rest.filter(fits).with_columns(region=pl.lit(region)))
            rest = rest.filter(~fits)
    return frame.join(pl.concat(found), on="phone", how="left", maintain_order="left")["region"]


@cache
def _calling_codes() -> tuple[dict[str, str], dict[str, tuple[str, ...]]]:
    """Calling codes of one region, and those that several share."""
    codes = phonenumbers.COUNTRY_CODE_TO_REGION_CODE.items()
    return (
        {str(code): regions[0] for code, regions in codes if len(regions) == 1},
        {str(code): regions for code, regions in codes if len(regions) > 1},
    )


def _fits(phone: pl.Expr, code: int, region: str) -> pl.Expr:
    """Whether a number of a shared calling code could be this region's."""
    plan = PhoneMetadata.metadata_for_region(region)
    if plan is None:
        return pl.lit(value=False)
    if plan.leading_digits is not None:
        return phone.str.contains(rf"^\+{code}(?:{plan.leading_digits})")
    kinds = [_matches(phone, code, getattr(plan, kind)) for kind in _KINDS]
    return _matches(phone, code, plan.general_desc) & reduce(or_, kinds)


def _matches(phone: pl.Expr, code: int, kind: PhoneNumberDesc | None) -> pl.Expr:
    if kind is None or not kind.national_number_pattern:
        return pl.lit(value=False)
    # Their \d is a digit of any script; in E.164 it is 0 to 9, and saying so keeps the automaton small.
    pattern = kind.national_number_pattern.replace(r"\d", "[0-9]")
    answer = phone.str.contains(rf"^\+{code}(?:{pattern})$")
    if kind.possible_length:
        whole = [length + len(f"+{code}") for length in kind.possible_length]
        answer &= phone.str.len_bytes().is_in(whole)
    return answer
