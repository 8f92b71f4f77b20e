"""The contacts frame: its schema, and strict decoding of the API's JSON into it."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any

import msgspec
import polars as pl

from sendblue_data.credentials import without_credentials
from sendblue_data.errors import FrameError, UnexpectedAnswerError
from sendblue_data.server_message import error_message

_COLUMNS: dict[str, Any] = {
    "contact_id": pl.String,
    "phone": pl.String,
    "first_name": pl.String,
    "last_name": pl.String,
    "company_name": pl.String,
    "created_at": pl.Datetime("us", "UTC"),
    "custom_variables": pl.Map(pl.String, pl.String),
    "opt_out": pl.Boolean,
    "verified": pl.Boolean,
    "sendblue_number": pl.String,
    "tags": pl.List(pl.String),
    "assigned_to_email": pl.String,
}
E164 = r"\+[1-9][0-9]{6,14}"
"""A number in E.164 form, as a pattern for any engine of regular expressions."""
IS_E164 = rf"^{E164}\z"
"""A text that is one, as a pattern for frames."""
CONTACT_SCHEMA = pl.Schema(_COLUMNS)
"""Columns of every contacts frame, in this order, whatever the answer left out or added.

Null means that the API did not say. Source of the fields: the vendor's reference page and SDK 1.33.0.
"""


class NewFieldWarning(UserWarning):
    """The API sent a contact field that this version does not know; it is ignored."""


class _Contact(msgspec.Struct, gc=False):
    """One contact as the API promises it: every field optional, none of another type."""

    contact_id: str | None = None
    phone: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    company_name: str | None = None
    created_at: str | None = None
    custom_variables: dict[str, str | None] | None = None
    opt_out: bool | None = None
    verified: bool | None = None
    sendblue_number: str | None = None
    tags: list[str | None] | None = None
    assigned_to_email: str | None = None


class _Given(msgspec.Struct, gc=False):
    """Of a contact, what is compared with the frame."""

    phone: str | None
    opt_out: bool | None
    created_at: str | None


class _ExactContact(_Contact, gc=False, forbid_unknown_fields=True):
    """The same, refusing fields that are not in `CONTACT_SCHEMA`, so that they can be announced."""


_DECODE_LAX = msgspec.json.Decoder(list[_Contact])
_SPLIT = msgspec.json.Decoder(list[msgspec.Raw])
_DECODE_ONE = msgspec.json.Decoder(_ExactContact)
_NOTHING_KNOWN = _Contact()
_FIRST_MOMENT = datetime.min.replace(tzinfo=UTC)
_LAST_MOMENT = datetime.max.replace(tzinfo=UTC)

# A UTF-16 half without its other half: legal in JSON text, but no Unicode character.
_LONE_SURROGATE = re.compile(
    rb"(?<!\\)((?:\\\\)*)"  # an even number of backslashes before, so that this \u is an escape
    rb"(?:(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
)


def decode_contacts(
    body: bytes,
    *,
    method: str = "GET",
    path: str = "/api/v2/contacts",
    announced: set[str] | None = None,
    credentials: Iterable[str] = (),
) -> pl.DataFrame:
    r"""Turn the API's JSON array of contacts into a contacts frame, strictly.

    `pl.read_json` alone is fast but lax: it takes an error object for one row of nulls, a number for a
    phone, a string for a list and a bad date for null. So the shape is checked first, by msgspec, and
    only then does `read_json` build the columns.

    Args:
        body: the answer's bytes, a JSON array of contacts in UTF-8.
        method: HTTP method, for the error's text.
        path: path of the request, for the error's text.
        announced: names of new fields that a warning was given for already; grows.
        credentials: what that warning must not show, should the server say it back.

    Returns:
        One row a contact, with exactly the columns of `CONTACT_SCHEMA`. Missing fields are null; fields
        that the schema does not know are ignored, with one `NewFieldWarning`. Timestamps are UTC, in
        microseconds; one without an offset is read as UTC. Half a UTF-16 pair becomes U+FFFD.

    Raises:
        UnexpectedAnswerError: the bytes are not such an array; names the field and the row.

    Example:
        >>> page = b'[{"phone": "+12125550100", "tags": ["VIP"]}]'
        >>> decode_contacts(page).select("phone", "tags", "opt_out")
        shape: (1, 3)
        ┌──────────────┬───────────┬─────────┐
        │ phone        ┆ tags      ┆ opt_out │
        │ ---          ┆ ---       ┆ ---     │
        │ str          ┆ list[str] ┆ bool    │
        ╞══════════════╪═══════════╪═════════╡
        │ +12125550100 ┆ ["VIP"]   ┆ null    │
        └──────────────┴───────────┴─────────┘
        >>> decode_contacts(b'[{"phone": 12125550100}]')
        Traceback (most recent call last):
        ...
        sendblue_data.errors.UnexpectedAnswerError: GET /api/v2/contacts: status 200: row 0, field phone: ...
    """
    try:
        try:
            contacts = _check(body, announced, credentials)
        except msgspec.DecodeError:
            # Looked for only now, since it takes as long as all other checks after it.
            whole = with_whole_characters(body)
            if whole is body:
                raise
            body, contacts = whole, _check(whole, announced, credentials)
        frame = pl.read_json(body, schema=CONTACT_SCHEMA) if contacts else CONTACT_SCHEMA.to_frame()
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, pl.exceptions.PolarsError) as error:
        raise _unexpected(error, body, method=method, path=path) from None
    if frame.height != len(contacts):
        raise UnexpectedAnswerError(
            f"the answer holds {len(contacts)} contacts, of which {frame.height} could be read.",
            method=method,
            path=path,
            status=200,
        )
    for field in ("phone", "opt_out"):
        _refuse_two_values(frame, contacts, field, method=method, path=path)
    usual = frame["created_at"].is_between(_FIRST_MOMENT, _LAST_MOMENT)
    if usual.null_count() or not usual.all():
        frame = _with_unusual_dates(frame, contacts, method=method, path=path)
    return frame


def with_whole_characters(body: bytes) -> bytes:
    r"""Replace each half of a UTF-16 pair that JSON text may hold, and Unicode may not, by U+FFFD.

    Example:
        >>> with_whole_characters(rb'["\ud83d", "\ud83d\ude00"]')
        b'["\\ufffd", "\\ud83d\\ude00"]'
    """
    if b"\\u" in body and any(match[2] is None for match in _LONE_SURROGATE.finditer(body)):
        return _LONE_SURROGATE.sub(_replace_lone, body)
    return body


def _replace_lone(match: re.Match[bytes]) -> bytes:
    return match[0] if match[2] else match[1] + b"\\ufffd"


def _check(
    body: bytes, announced: set[str] | None, credentials: Iterable[str]
) -> Sequence[_Given | _Contact]:
    """Decode strictly, to check; announce new fields once."""
    if not announced:
        # One by one, each gone before the next: thousands of lists and dicts at once would set off the
        # garbage collector, which goes through everything that a notebook holds. What is wrong is told below,
        # with its row; what is new is announced there.
        with suppress(msgspec.DecodeError):
            return [
                _Given(contact.phone, contact.opt_out, contact.created_at)
                for contact in map(_DECODE_ONE.decode, _SPLIT.decode(body))
            ]
    contacts = _DECODE_LAX.decode(body)
    if announced and _NOTHING_KNOWN not in contacts:
        return contacts
    rows: list[dict[str, Any]] = msgspec.json.decode(body)
    known = set(CONTACT_SCHEMA)
    for number, row in enumerate(rows):
        if row and known.isdisjoint(row):
            raise msgspec.ValidationError(
                f"none of its fields is a contact's: {', '.join(sorted(row))[:100]} - at `$[{number}]`"
            )
    if announced:
        return contacts
    new = sorted({name for row in rows for name in row} - known)
    if announced is not None:
        announced.update(new)
    names = ", ".join(name if name.isprintable() else ascii(name) for name in new)
    warnings.warn(
        "The API sent contact fields that this version of sendblue_data ignores: "
        f"{without_credentials(names, credentials)}.",
        NewFieldWarning,
        stacklevel=4,
    )
    return contacts


def _refuse_two_values(
    frame: pl.DataFrame, contacts: Sequence[_Given | _Contact], field: str, *, method: str, path: str
) -> None:
    """Refuse a contact that gives a field twice: `read_json` takes the first value, most readers the last."""
    if frame[field].to_list() == list(map(attrgetter(field), contacts)):
        return
    for row, (value, contact) in enumerate(zip(frame[field], contacts, strict=True)):
        if value != getattr(contact, field):
            raise UnexpectedAnswerError(
                f"row {row}, field {field}: given twice, with different values.",
                method=method,
                path=path,
                status=200,
                field=field,
                row=row,
            )


def _with_unusual_dates(
    frame: pl.DataFrame, contacts: Sequence[_Given | _Contact], *, method: str, path: str
) -> pl.DataFrame:
    """Fill in the dates that `read_json` read as null although the answer gave one, or refuse them.

    It also reads dates beyond what a Python datetime can hold, such as `9999-12-31T23:59:59-01:00`.
    """
    usual = pl.when(pl.col("created_at").is_between(_FIRST_MOMENT, _LAST_MOMENT)).then("created_at")
    read = frame.select(usual)["created_at"].to_list()
    unusual = [
        row
        for row, (contact, value) in enumerate(zip(contacts, read, strict=True))
        if value is None and contact.created_at is not None
    ]
    if not unusual:
        return frame
    for row in unusual:
        text = contacts[row].created_at or ""
        try:
            moment = datetime.fromisoformat(text)
            read[row] = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
        except (ValueError, OverflowError):
            raise UnexpectedAnswerError(
                f"row {row}, field created_at: {_shown(text)} is not an ISO 8601 date and time "
                "of the years 1 to 9999.",
                method=method,
                path=path,
                status=200,
                field="created_at",
                row=row,
            ) from None
    return frame.with_columns(pl.Series("created_at", read, dtype=CONTACT_SCHEMA["created_at"]))


def _shown(text: str, most: int = 60) -> str:
    return repr(text if len(text) <= most else text[:most] + "…")


_WHERE = re.compile(
    r"^(?P<what>.*?)(?: - at `\$\[(?P<row>\d+|\.\.\.)\](?:\.(?P<field>\w+))?(?P<rest>[^`]*)`)?$"
)


def _unexpected(error: Exception, body: bytes, *, method: str, path: str) -> UnexpectedAnswerError:
    """Say what was found, in the analyst's words, with the field and the row where they are known."""
    start = body[:200].lstrip()
    field: str | None = None
    row: int | None = None
    if start[:1] == b"<":
        message = "the answer is a web page, not JSON."
    elif start[:1] == b"{" and isinstance(error, msgspec.ValidationError):
        said = error_message(body)
        what = repr(said) if said else _shown(body[:200].decode("utf-8", "replace"))
        message = f"the answer is one object, not a list of contacts: {what}"
    elif isinstance(error, msgspec.ValidationError) and (match := _WHERE.match(str(error))):
        field = match["field"]
        row = int(match["row"]) if (match["row"] or "").isdigit() else None
        place = f"row {row}, field {field}: " if field else f"row {row}: " if row is not None else ""
        message = f"{place}{match['what'].replace('`', '')}{match['rest'] or ''}."
    else:
        message = (
            f"the answer is not JSON ({error}); it begins with {_shown(start.decode('utf-8', 'replace'))}."
        )
    return UnexpectedAnswerError(
        message,
        method=method,
        path=path,
        status=200,
        field=field,
        row=row,
        cut_short=start[:1] == b"[" and "truncated" in str(error),
    )


def contact_from(answer: Mapping[str, Any], *, method: str, path: str) -> dict[str, Any]:
    """Check one contact of an answer and give it as a dict with every field of `CONTACT_SCHEMA`.

    Raises:
        UnexpectedAnswerError: a field is of another type than the API promises.
    """
    frame = decode_contacts(
        msgspec.json.encode([{name: answer[name] for name in CONTACT_SCHEMA if name in answer}]),
        method=method,
        path=path,
    )
    return frame.row(0, named=True)


def contacts_frame(rows: Iterable[Mapping[str, Any]]) -> pl.DataFrame:
    """Build a contacts frame from dicts with any of the API's fields.

    Args:
        rows: one mapping a contact; fields that are missing become null.

    Returns:
        One row a mapping, with exactly the columns of `CONTACT_SCHEMA`.

    Raises:
        FrameError: a field is unknown or holds a value of another type.

    Example:
        >>> contacts_frame([{"phone": "+12125550100", "opt_out": True}]).select("phone", "opt_out", "tags")
        shape: (1, 3)
        ┌──────────────┬─────────┬───────────┐
        │ phone        ┆ opt_out ┆ tags      │
        │ ---          ┆ ---     ┆ ---       │
        │ str          ┆ bool    ┆ list[str] │
        ╞══════════════╪═════════╪═══════════╡
        │ +12125550100 ┆ true    ┆ null      │
        └──────────────┴─────────┴───────────┘
    """
    listed = list(rows) if isinstance(rows, Iterable) else [rows]
    for number, row in enumerate(listed):
        if not isinstance(row, Mapping):
            raise FrameError(
                f"Row {number} is {type(row).__name__}: expected a mapping with the fields of a contact."
            )
        if unknown := sorted(set(row) - set(CONTACT_SCHEMA)):
            raise FrameError(
                f"Row {number} has the field {unknown[0]!r}, which no contact has. "
                f"Fields are: {', '.join(CONTACT_SCHEMA)}."
            )
    try:
        return decode_contacts(msgspec.json.encode([dict(row) for row in listed]))
    except UnexpectedAnswerError as error:
        raise FrameError(f"The rows are not contacts: {error.message}") from None
    except (TypeError, UnicodeEncodeError) as error:
        raise FrameError(f"The rows hold a value that no contact has: {error}.") from None
