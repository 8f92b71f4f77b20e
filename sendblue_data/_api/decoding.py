"""Decoding of the API's JSON into contacts frames, and a list of what could not be read."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec
import polars as pl

from sendblue_data._api.call import LIST, Call
from sendblue_data._api.credentials import without_credentials
from sendblue_data._api.repairs import KNOWN, NEVER_GUESSED, SPELLINGS, loads, repair, with_whole_characters
from sendblue_data._api.typed_contacts import (
    EXACT_CONTACT,
    EXACT_PAGE,
    SPLIT,
    TWICE,
    in_twice,
    names_in,
    typed,
    variables,
)
from sendblue_data._shared.time import read_utc
from sendblue_data._shared.warned import warn
from sendblue_data.errors import NewFieldWarning
from sendblue_data.schema import CONTACT_SCHEMA


class Oddity(NamedTuple):
    """One contact's field that could not be read and is null in the frame.

    Attributes:
        row: position of the contact in the answer, counted from 0.
        field: its column.
        kind: `"not text"`, `"not a list"`, `"not a map"`, `"not a date"`, `"not a flag"` or `"given twice"`
            (with different values).
    """

    row: int
    field: str
    kind: str


class DecodedPage(NamedTuple):
    """A page of contacts: its frame, and what could not be read of it."""

    frame: pl.DataFrame
    oddities: tuple[Oddity, ...]


_TAGS_NULL, _VARIABLES_NULL = 1, 2
_SPELLED = pl.Schema({name: CONTACT_SCHEMA[field] for field, names in SPELLINGS.items() for name in names})
_TWICE_NAMES = [name for field in TWICE for name in SPELLINGS[field]]
_DATES = msgspec.json.Decoder(
    msgspec.defstruct("_Dates", [(name, str | None, None) for name in SPELLINGS["created_at"]], gc=False)
)
_FIRST_MOMENT = datetime.min.replace(tzinfo=UTC)
_LAST_MOMENT = datetime.max.replace(tzinfo=UTC)
KINDS = {
    "not text": "expected text, or a number or boolean that stands for it (a phone is text alone)",
    "not a list": "expected a list of texts",
    "not a map": "expected an object of texts",
    "not a date": "not an ISO 8601 date and time of the years 1 to 9999",
    "not a flag": "expected true or false",
    "not a number": "expected a whole number",
    "given twice": "given twice, with different values",
}
_ANNOUNCING = threading.Lock()


def decode_page(
    body: bytes | msgspec.Raw,
    call: Call = LIST,
    *,
    announced: set[str] | None = None,
    credentials: Iterable[str] = (),
    quiet: bool = False,
) -> DecodedPage:
    r"""Turn the API's JSON array of contacts into a contacts frame, and tell what of it can't be read.

    `pl.read_json` alone is fast but lax: it takes an error object for one row of nulls, a number for a
    phone, a string for a list and a bad date for null. So the shape is checked first, by msgspec, and
    only then does `read_json` build the columns. Contacts that are not as promised are read one by one.

    Every spelling of `SPELLINGS` fills its column. Numbers and booleans are read as text where text
    belongs, 0, 1 and the words for them as flags (but a phone is text, or unknown). A null list or map is
    an empty one; a missing one is null. What can't be read is null, and is among the oddities.

    Args:
        body: the answer's bytes, a JSON array of contacts in UTF-8.
        call: what it answers, for the error's text.
        announced: names of new fields that a warning was given for already; grows.
        credentials: what that warning must not show, should the server say it back.
        quiet: give no warning of new fields.

    Returns:
        One row a contact, with exactly the columns of `CONTACT_SCHEMA`. Missing fields are null; fields
        that the schema does not know are ignored, with one `NewFieldWarning` each. Timestamps are UTC, in
        microseconds; one without an offset is read as UTC. Half a UTF-16 pair becomes U+FFFD.

    Raises:
        UnexpectedAnswerError: the bytes are not such an array; names the row.

    Example:
        >>> page = decode_page(b'[{"phone": "+12125550100", "firstName": "Ann", "tags": "VIP"}]')
        >>> page.frame.select("phone", "first_name", "tags", "opt_out")
        shape: (1, 4)
        ┌──────────────┬────────────┬───────────┬─────────┐
        │ phone        ┆ first_name ┆ tags      ┆ opt_out │
        │ ---          ┆ ---        ┆ ---       ┆ ---     │
        │ str          ┆ str        ┆ list[str] ┆ bool    │
        ╞══════════════╪════════════╪═══════════╪═════════╡
        │ +12125550100 ┆ Ann        ┆ null      ┆ null    │
        └──────────────┴────────────┴───────────┴─────────┘
        >>> page.oddities
        (Oddity(row=0, field='tags', kind='not a list'),)
        >>> decode_page(b'{"error": "no such account"}')
        Traceback (most recent call last):
        ...
        sendblue_data.errors.UnexpectedAnswerError: GET /api/v2/contacts: status 200: the answer is one object, ...
    """
    body = bytes(body)
    new: set[str] = set()
    try:
        page = _as_promised(body) or _of_any_spelling(body, new)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, pl.exceptions.PolarsError) as error:
        raise call.no_contacts(error, body) from None
    if new and not quiet:
        announce_new(new, announced, credentials)
    return page


def decode_contact(raw: bytes, call: Call) -> tuple[dict[str, Any], tuple[Oddity, ...]]:
    """Decode one contact of an answer to a dict with every field of `CONTACT_SCHEMA`, and what could not be read of it.

    As `decode_page` reads it, but without Polars, whose threads are missing in a process that was forked.

    Raises:
        UnexpectedAnswerError: none of its fields is a contact's.
    """
    fields = loads(raw)
    names = {name for name, _ in fields}
    if names and KNOWN.isdisjoint(names):
        found = f"none of its fields is a contact's: {', '.join(sorted(names))[:100]}."
        raise call.unexpected(found, field="contact")
    repaired, unreadable = repair(fields)
    if (text := repaired.get("created_at")) is not None:
        repaired["created_at"] = read_utc(text)
        if repaired["created_at"] is None:
            unreadable["created_at"] = "not a date"
    contact = dict.fromkeys(CONTACT_SCHEMA) | repaired
    return contact, tuple(Oddity(0, field, kind) for field, kind in unreadable.items())


def _as_promised(body: bytes) -> DecodedPage | None:
    """Decode a page that is exactly as the API promises; None for any other."""
    phones: list[str | None] = []
    opt_outs: list[bool | None] = []
    nulls: list[int] = []
    try:
        # One by one, each gone before the next: thousands of lists and dicts at once would set off the
        # garbage collector, which goes through everything that a notebook holds.
        for contact in map(EXACT_CONTACT.decode, SPLIT.decode(body)):
            phones.append(contact.phone)
            opt_outs.append(contact.opt_out)
            nulls.append(
                (_TAGS_NULL if contact.tags is None else 0)
                | (_VARIABLES_NULL if contact.custom_variables is None else 0)
            )
    except msgspec.DecodeError:
        return None
    frame = _read_json(body, len(phones), CONTACT_SCHEMA)
    if frame["phone"].to_list() != phones or frame["opt_out"].to_list() != opt_outs:
        return None  # given twice, with different values: `read_json` takes the first, msgspec the last
    frame, undated = _with_dates(_with_empty(frame, nulls), body)
    return DecodedPage(frame, tuple(undated))


def _of_any_spelling(body: bytes, new: set[str]) -> DecodedPage:
    try:
        return _row_by_row(body, new)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        # Looked for only now, since it takes as long as all else.
        if (whole := with_whole_characters(body)) is body:
            raise
        return _as_promised(whole) or _row_by_row(whole, new)


def _row_by_row(body: bytes, new: set[str], doubted: frozenset[int] = frozenset()) -> DecodedPage:
    """Decode a page whose contacts have other spellings or types; note the names of its new fields.

    Args:
        body: the page.
        new: grows.
        doubted: contacts to repair although each of their values has a type that fits.
    """
    rows: list[bytes | msgspec.Raw] = [*SPLIT.decode(body)]
    twice: list[str | bool | None] = []  # flat, since a tuple a contact would be for the garbage collector
    nulls: list[int] = []
    oddities: list[Oddity] = []
    for row, raw in enumerate(rows):
        contact = None if row in doubted else typed(raw, row, new)
        if contact is None:
            new |= names_in(raw, row) - KNOWN
            repaired, unreadable = repair(loads(bytes(raw)))
            rows[row] = msgspec.json.encode(repaired)
            oddities += [Oddity(row, field, kind) for field, kind in unreadable.items()]
            twice += [repaired.get(name) for field in TWICE for name in SPELLINGS[field]]
            nulls.append(0)
            continue
        twice += in_twice(contact)
        maps = variables(contact)
        nulls.append((_TAGS_NULL if contact.tags is None else 0) | (_VARIABLES_NULL if None in maps else 0))
    mended = body if all(isinstance(raw, msgspec.Raw) for raw in rows) else b"[" + b",".join(rows) + b"]"
    frame = _read_json(mended, len(rows), _SPELLED)
    if found := _in_doubt(frame, twice):
        return _row_by_row(body, new, doubted | found)
    frame = frame.select(pl.coalesce(names) for names in SPELLINGS.values())
    frame, undated = _with_dates(_with_empty(frame, nulls), mended)
    return DecodedPage(frame, tuple(sorted((*oddities, *undated))))


def _in_doubt(frame: pl.DataFrame, twice: list[str | bool | None]) -> frozenset[int]:
    """Find the contacts that give a field twice, under one name or two, with different values."""
    doubted: set[int] = set()
    columns = iter([twice[place :: len(_TWICE_NAMES)] for place in range(len(_TWICE_NAMES))])
    for field in TWICE:
        filled = []
        for name in SPELLINGS[field]:
            last = next(columns)
            if field in NEVER_GUESSED:
                # Under one name `read_json` takes the first value, msgspec the last.
                first = frame[name].to_list()
                if first != last:
                    doubted |= {row for row, value in enumerate(last) if value != first[row]}
            if last.count(None) < len(last):
                filled.append(last)
        if len(filled) > 1:
            doubted |= {
                row for row, values in enumerate(zip(*filled, strict=True)) if len({*values} - {None}) > 1
            }
    return frozenset(doubted)


def _read_json(body: bytes, height: int, schema: Mapping[str, Any]) -> pl.DataFrame:
    frame = pl.read_json(body, schema=schema) if height else pl.DataFrame(schema=schema)
    if frame.height != height:
        raise msgspec.ValidationError(
            f"the answer holds {height} contacts, of which {frame.height} could be read"
        )
    return frame


def _with_empty(frame: pl.DataFrame, nulls: Sequence[int]) -> pl.DataFrame:
    """Make lists and maps that were sent as null empty; those that were not sent stay null."""
    if not any(nulls):
        return frame
    coded = pl.Series(nulls, dtype=pl.UInt8)
    return frame.with_columns(
        pl.when((coded & code) > 0, pl.col(name).is_null())
        .then(pl.lit(pl.Series([empty], dtype=CONTACT_SCHEMA[name])))
        .otherwise(name)
        .alias(name)
        for name, code, empty in (("tags", _TAGS_NULL, []), ("custom_variables", _VARIABLES_NULL, {}))
    )


def _with_dates(frame: pl.DataFrame, body: bytes) -> tuple[pl.DataFrame, list[Oddity]]:
    """Fill in the dates that `read_json` read as null although the answer gave one, or count them as odd.

    It also reads dates beyond what a Python datetime can hold, such as `9999-12-31T23:59:59-01:00`.
    """
    usual = frame["created_at"].is_between(_FIRST_MOMENT, _LAST_MOMENT)
    if usual.all(ignore_nulls=False):
        return frame, []
    rows = SPLIT.decode(body)
    read = frame.select(pl.when(usual).then("created_at"))["created_at"].to_list()
    odd = []
    for row in (~usual.fill_null(value=False)).arg_true():
        dates: Any = _DATES.decode(rows[row])
        given = dates.created_at if dates.created_at is not None else dates.createdAt
        if given is not None:
            read[row] = read_utc(given)
            if read[row] is None:
                odd.append(Oddity(row, "created_at", "not a date"))
    moments = pl.Series("created_at", read, dtype=CONTACT_SCHEMA["created_at"])
    return frame.with_columns(moments), odd


def decode_exact(body: bytes, height: int) -> DecodedPage:
    """Decode contacts that are as the API promises them, whose number is known.

    Raises:
        msgspec.ValidationError: they aren't.
    """
    EXACT_PAGE.decode(body)
    frame, undated = _with_dates(_read_json(body, height, CONTACT_SCHEMA), body)
    return DecodedPage(frame, tuple(undated))


def refuse_oddities(oddities: Sequence[Oddity], call: Call) -> None:
    """Raise for the first of a page's oddities.

    Raises:
        UnexpectedAnswerError: there is one; names the field and the row.
    """
    for row, field, kind in oddities:
        raise call.unexpected(f"{KINDS[kind]}.", field=field, row=row)


def announce_new(
    new: set[str], announced: set[str] | None, credentials: Iterable[str], *, kind: str = "contact"
) -> None:
    """Warn of the new fields that no warning was given for yet."""
    if announced is not None:
        with _ANNOUNCING:
            new = new - announced
            announced |= new
    if not new:
        return
    names = ", ".join(name if name.isprintable() else ascii(name) for name in sorted(new))
    warn(
        f"The API sent {kind} fields that this version of sendblue_data ignores: "
        f"{without_credentials(names, credentials)}.",
        NewFieldWarning,
    )
