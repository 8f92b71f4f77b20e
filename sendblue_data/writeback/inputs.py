"""The caller's frame: read into rows, and each row checked before anything is sent."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import narwhals as nw
import polars as pl

from sendblue_data.contacts import E164
from sendblue_data.errors import FrameError
from sendblue_data.writeback.fields import UNWRITABLE, WRITABLE, Contact, masked, moment

LONGEST_VARIABLE = 1_000
"""Characters of a custom variable's value. The API names no limit; a longer one is more likely a slip of the
frame (a whole document, a joined column) than a value to text with. `longest_variable=` changes it."""
LONGEST_NAME = 200
"""Characters of a custom variable's name, which the API calls a human-readable label."""

_CLOSE = 0.85
"""Likeness from which a name counts as another one misspelt, as difflib measures it."""
_ALIASES = {
    **dict.fromkeys(("tag", "taglist", "tagslist"), "tags"),
    **dict.fromkeys(("variables", "customvars", "customfields"), "custom_variables"),
    **dict.fromkeys(("company", "companyname"), "company_name"),
    **dict.fromkeys(("surname", "familyname"), "last_name"),
    "givenname": "first_name",
    "assignedto": "assigned_to_email",
    "dnc": "opt_out",
}
_OPT_OUT_WORDS = ("optout", "optedout", "unsub", "donotcontact", "donottext")

_E164 = re.compile(E164)
_TEXTS = ("first_name", "last_name", "company_name", "sendblue_number", "assigned_to_email")


def read_rows(frame: Any) -> tuple[list[Contact], list[str]]:
    """Turn a frame of any engine into one dict a row, with the fields that writing needs.

    Returns:
        The rows, and the names of the frame's columns.

    Raises:
        FrameError: it is no frame, has no `phone`, or `phone` is not text.
    """
    table = _polars(frame)
    if "phone" not in table.columns:
        raise FrameError(
            f"The frame has no column 'phone': it has {', '.join(map(repr, table.columns)) or 'none'}. "
            "Rename the column with the numbers, and see normalize_phones for other forms than E.164."
        )
    if table.schema["phone"] not in (pl.String, pl.Null):
        raise FrameError(
            f"Column 'phone' is {table.schema['phone']}; expected text in E.164 form (+12125550123): "
            "see normalize_phones."
        )
    known = ("phone", *WRITABLE, *UNWRITABLE)
    rows = table.select(name for name in known if name in table.columns).to_dicts()
    for row in rows:
        if "custom_variables" in row:
            row["custom_variables"] = _variables(row["custom_variables"])
    return rows, table.columns


def refuse_misnamed(columns: Sequence[str]) -> None:
    """Refuse a column that is likely one of the API's under another name, since it would be left out.

    Raises:
        FrameError: there is one.

    Example:
        >>> refuse_misnamed(["phone", "First Name"])
        Traceback (most recent call last):
            ...
        sendblue_data.errors.FrameError: Column 'First Name' would not be written. If it is 'first_name', ...
    """
    for name in columns:
        if name in ("phone", *WRITABLE, *UNWRITABLE):
            continue
        field = _meant(_squeezed(name))
        if field is not None and field not in columns:
            raise FrameError(
                f"Column {name!r} would not be written. If it is {field!r}, rename it to that; if not, drop it or "
                "give it another name."
            )


def _meant(squeezed: str) -> str | None:
    """Give the field that a name likely stands for. Of opt-outs any mention counts: none may be left out unsaid."""
    if any(word in squeezed for word in _OPT_OUT_WORDS):
        return "opt_out"
    fields = {_squeezed(field): field for field in WRITABLE}
    if squeezed in _ALIASES or squeezed in fields:
        return _ALIASES.get(squeezed) or fields[squeezed]
    close = [] if squeezed[-1:].isdigit() else get_close_matches(squeezed, fields, n=1, cutoff=_CLOSE)
    return fields[close[0]] if close else None


def _squeezed(name: str) -> str:
    return "".join(filter(str.isalnum, name.casefold()))


def _polars(frame: Any) -> pl.DataFrame:
    if isinstance(frame, pl.DataFrame):
        return frame
    if isinstance(frame, pl.LazyFrame):
        return frame.collect()
    try:
        table: pl.DataFrame = nw.from_native(frame).lazy().collect("polars").to_native()
    except (TypeError, AttributeError):
        raise FrameError(
            f"Expected a frame (Polars, or one that Narwhals knows), got {type(frame).__name__}."
        ) from None
    return table


def _variables(value: Any) -> Any:
    """Give custom variables as a dict, from a Map, a Struct (null: not there) or key/value pairs."""
    if isinstance(value, Mapping):
        return {name: text for name, text in value.items() if text is not None}
    if isinstance(value, list) and all(
        isinstance(pair, Mapping) and {*pair} == {"key", "value"} for pair in value
    ):
        return {pair["key"]: pair["value"] for pair in value if pair["value"] is not None}
    return value


def is_e164(phone: object) -> bool:
    """Tell whether this is a number as the API takes it.

    Example:
        >>> is_e164("+12125550123"), is_e164("(212) 555-0123"), is_e164("+0123456789")
        (True, False, False)
    """
    return isinstance(phone, str) and _E164.fullmatch(phone) is not None


def problem(row: Mapping[str, Any], longest_variable: int) -> str | None:
    """Say why a row can't be sent; None where it can.

    Example:
        >>> problem({"phone": "+12125550123", "custom_variables": {"Visits": 3}}, 1_000)
        "custom_variables: 'Visits' is int, expected text"
    """
    phone = row.get("phone")
    if phone is None:
        return "no phone"
    if not is_e164(phone):
        return "phone is not in E.164 form, such as +12125550123: see normalize_phones"
    for field in _TEXTS:
        value = row.get(field)
        if value is not None and not isinstance(value, str):
            return f"{field} is {type(value).__name__}, expected text"
    opt_out = row.get("opt_out")
    if opt_out is not None and not isinstance(opt_out, bool):
        return f"opt_out is {type(opt_out).__name__}, expected true or false"
    return _tags_problem(row.get("tags")) or _variables_problem(row.get("custom_variables"), longest_variable)


def _tags_problem(tags: Any) -> str | None:
    if tags is None:
        return None
    if not isinstance(tags, list):
        return f"tags is {type(tags).__name__}, expected a list of texts"
    # A null says nothing, and is not written.
    wrong = [tag for tag in tags if not isinstance(tag, str | None)]
    return f"tags holds {type(wrong[0]).__name__}, expected text" if wrong else None


def _variables_problem(variables: Any, longest: int) -> str | None:
    if variables is None:
        return None
    if not isinstance(variables, dict):
        return f"custom_variables is {type(variables).__name__}, expected names with texts"
    for name, text in variables.items():
        if not isinstance(name, str) or not name:
            return f"custom_variables: the name {name!r} is not a text of one character or more"
        if len(name) > LONGEST_NAME:
            return f"custom_variables: a name has {len(name):,} characters, more than {LONGEST_NAME:,}"
        if not isinstance(text, str):
            return f"custom_variables: {name!r} is {type(text).__name__}, expected text"
        if len(text) > longest:
            return f"custom_variables: {name!r} has {len(text):,} characters, more than {longest:,}"
    return None


def refuse_foreign(
    kind: str, rows: list[Contact], account: Mapping[str, Contact], known: Mapping[str, bool | None] | None
) -> None:
    """Refuse a frame that was pulled from another account.

    A contact that was deleted and made anew since the pull has another id, and is younger than the frame's
    youngest row. One with another id that is older can't have come that way. For a delete, ids of which none
    is in the account are refused too, unless an earlier run in this account knows the numbers.

    Args:
        kind: `"delete"`, or another kind of run.
        rows: the caller's rows.
        account: the account's contacts with these numbers, by phone.
        known: numbers that earlier runs in this account wrote to; None where that can't be asked.

    Raises:
        FrameError: it was.
    """
    marked = [row for row in rows if row.get("contact_id")]
    pairs = [(row, account[row["phone"]]) for row in marked if row.get("phone") in account]
    other = [(row, there) for row, there in pairs if there.get("contact_id") not in (None, row["contact_id"])]
    moments = [when for row in marked if (when := moment(row.get("created_at"))) is not None]
    youngest = max(moments, default=None)
    older = [
        row
        for row, there in other
        if youngest is not None and (when := moment(there.get("created_at"))) is not None and when < youngest
    ]
    if older:
        raise FrameError(
            f"The frame is from another account: {masked(older[0]['phone'])} has another contact_id "
            f"there, older than the frame ({len(older):,} such rows). Pull this account, or "
            "drop the column contact_id if the numbers alone are meant."
        )
    is_ours = known is None or len(other) < len(pairs) or any(row.get("phone") in known for row in marked)
    if kind == "delete" and marked and not is_ours:
        raise FrameError(
            f"The frame is from another account: none of its {len(marked):,} contact_id is in this one. Pull "
            "this account, or drop the column contact_id if the numbers alone are meant."
        )
