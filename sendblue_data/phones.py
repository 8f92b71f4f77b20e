"""`normalize_phones`: phone numbers in any form to E.164 (`+12125550123`)."""

from __future__ import annotations

import re
from typing import TypeVar

import phonenumbers
import polars as pl

from sendblue_data._frames.conversion import in_polars
from sendblue_data._shared.phone_cells import SeveralPhones, could_be, lost_plus, read_phone
from sendblue_data._shared.phone_patterns import quick_phones
from sendblue_data._shared.validation import shown
from sendblue_data.errors import ConfigurationError, FrameError

Frame = TypeVar("Frame", pl.DataFrame, pl.LazyFrame)

_AT_ONCE = 100_000
"""Cells that are read together: what is worked out of them takes memory."""
_BARE = re.compile(r"[1-9][0-9]+")


def normalize_phones(
    frame: Frame, column: str, region: str | None = None, *, several_phones: SeveralPhones = "refuse"
) -> Frame:
    """Phone numbers of a user's own frame to E.164, with a column that says why a row was refused.

    A number is accepted when its country code exists and its length and first digits fit that country's
    numbering plan. Of a number written with its code, it is not asked whether its area is in use: operators open
    new ones faster than any list follows. One without is refused that is none of the region's in use, but with a
    `+` before it another country's: it lost its `+`. Two rows may end in the same number; the write plan reports
    that.

    Labels before a number (`p:`, `tel:`, `whatsapp:`, `sms:`), marks of direction and full-width digits are read
    over; letters, extensions, powers of ten and several numbers in one cell are refused.

    Args:
        frame: a frame of any engine that Narwhals knows; the answer is Polars', lazy where this is.
        column: the column that holds the numbers, String or an integer type.
        region: the country that a number without a `+` is from, as two letters (`"US"`). None refuses
            such numbers.
        several_phones: what becomes of a cell with more than one number: `"refuse"` it, or take the
            `"first_mobile"` one.

    Returns:
        The frame with `column` (String) in E.164, null where refused, and `{column}_problem` (String) with
        the reason, null where accepted. It is the last column; an earlier one of that name goes.

    Raises:
        FrameError: there is no such column, or it is neither text nor integer.
        ConfigurationError: the region is not known, or `several_phones` is neither of those.

    Example:
        >>> import polars as pl
        >>> from sendblue_data import normalize_phones
        >>> people = pl.DataFrame({"phone": ["(212) 555-0123", "555-0123", None]})
        >>> normalize_phones(people, "phone", region="US")
        shape: (3, 2)
        ┌──────────────┬─────────────────────────────────┐
        │ phone        ┆ phone_problem                   │
        │ ---          ┆ ---                             │
        │ str          ┆ str                             │
        ╞══════════════╪═════════════════════════════════╡
        │ +12125550123 ┆ null                            │
        │ null         ┆ too short: no area code; write… │
        │ null         ┆ no number                       │
        └──────────────┴─────────────────────────────────┘
    """
    frame = in_polars(frame, "normalize_phones", "pl.DataFrame(...)")
    schema = frame.collect_schema()
    if column not in schema:
        raise FrameError(f"no column {column!r}: the frame has {', '.join(map(repr, schema)) or 'none'}.")
    if not (schema[column] in (pl.String, pl.Null) or schema[column].is_integer()):
        raise FrameError(
            f"column {column!r} is {schema[column]}, and phone numbers are text: read it as pl.String "
            "(a decimal type adds '.0' and may lose digits)."
        )
    check_region(region)
    check_several(several_phones)
    read = pl.Struct({"phone": pl.String, "problem": pl.String})
    outcome = (
        pl.col(column)
        .cast(pl.String)
        .map_batches(lambda raw: _as_structs(raw, region, several_phones), return_dtype=read)
    )
    answer = frame.with_columns(outcome.alias(column)).with_columns(
        pl.col(column).struct.field("phone").alias(column),
        pl.col(column).struct.field("problem").alias(f"{column}_problem"),
    )
    return answer.select(*(name for name in schema if name != f"{column}_problem"), f"{column}_problem")


def check_several(several_phones: object) -> None:
    """Refuse what `several_phones` does not know.

    Raises:
        ConfigurationError: it isn't one of its values.
    """
    if several_phones not in ("refuse", "first_mobile"):
        raise ConfigurationError(
            f"several_phones is {shown(several_phones)}: expected 'refuse' or 'first_mobile'."
        )


def check_region(region: str | None) -> None:
    """Refuse what is no country of ISO 3166.

    Raises:
        ConfigurationError: it isn't.

    Example:
        >>> check_region("UK")
        Traceback (most recent call last):
            ...
        sendblue_data.errors.ConfigurationError: region 'UK' is not a two-letter country code of ISO 3166: did ...
    """
    if region is None or (isinstance(region, str) and region in phonenumbers.SUPPORTED_REGIONS):
        return
    hint = "GB" if region == "UK" else region.upper() if isinstance(region, str) else ""
    remedy = f"did you mean {hint!r}?" if hint in phonenumbers.SUPPORTED_REGIONS else "write 'US' or 'GB'."
    raise ConfigurationError(f"region {shown(region)} is not a two-letter country code of ISO 3166: {remedy}")


def read_phones(raw: pl.Series, region: str | None, several: SeveralPhones = "refuse") -> pl.DataFrame:
    """Read a column of cells: columns `phone` and `problem`, both String, one of them null in each row.

    Most are read by patterns; of the rest each distinct one once.
    """
    phone = pl.concat(
        [quick_phones(raw.slice(start, _AT_ONCE), region) for start in range(0, max(raw.len(), 1), _AT_ONCE)]
    ).rename("phone")
    rows = phone.is_null().arg_true()
    cells = raw.gather(rows).rename("raw")
    readings = {text: read_phone(text, region, several) for text in cells.unique()}
    lost = {code for _, _, code in readings.values() if code is not None}
    keys = pl.DataFrame(
        {
            "raw": list(readings),
            "phone": [reading.phone for reading in readings.values()],
            "problem": [reading.problem for reading in readings.values()],
        },
        schema=dict.fromkeys(("raw", "phone", "problem"), pl.String),
    )
    found = cells.to_frame().join(keys, on="raw", how="left", nulls_equal=True, maintain_order="left")
    problem = pl.Series("problem", [None], dtype=pl.String).new_from_index(0, raw.len())
    phone, problem = phone.scatter(rows, found["phone"]), problem.scatter(rows, found["problem"])
    return _with_doubts(pl.DataFrame([phone, problem]), raw, lost)


def _with_doubts(read: pl.DataFrame, raw: pl.Series, lost: set[int]) -> pl.DataFrame:
    """Refuse a number of the region that may be of a country code of which others in the column lost their `+`."""
    if not lost:
        return read
    digits = raw.str.replace_all(r"\s", "")
    code = digits.str.extract(rf"^({'|'.join(map(str, sorted(lost)))})[0-9]+$")
    doubtful = (read["phone"].is_not_null() & code.is_not_null()).arg_true()
    if doubtful.is_empty():
        return read
    reasons: list[str | None] = []
    for text, phone in zip(digits.gather(doubtful), read["phone"].gather(doubtful), strict=True):
        abroad = lost_plus(text) if _BARE.fullmatch(text) else None
        other = abroad is not None and abroad.country_code in lost and f"+{text}" != phone
        reasons.append(could_be(phone, abroad.country_code or 0) if abroad and other else None)
    why = pl.Series(reasons, dtype=pl.String)
    rows = doubtful.filter(why.is_not_null())
    return pl.DataFrame(
        [
            read["phone"].scatter(rows, pl.Series([None], dtype=pl.String).new_from_index(0, rows.len())),
            read["problem"].scatter(rows, why.drop_nulls()),
        ]
    )


def _as_structs(raw: pl.Series, region: str | None, several: SeveralPhones) -> pl.Series:
    return read_phones(raw, region, several).to_struct(raw.name)
