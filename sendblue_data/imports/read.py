"""`read_contacts`: a list that somebody sent to contacts, with every row accounted for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from sendblue_data._frames.contact_text import MICROSECONDS, contacts_from_text
from sendblue_data._shared.phone_cells import SeveralPhones
from sendblue_data._shared.validation import shown
from sendblue_data.errors import ConfigurationError, FrameError
from sendblue_data.imports.claims import claim_fields
from sendblue_data.imports.fields import Reading, as_text
from sendblue_data.imports.imported import ImportedContacts
from sendblue_data.imports.knowledge import layout_of
from sendblue_data.imports.sources import read_source
from sendblue_data.imports.table import Table
from sendblue_data.phones import check_region, check_several, read_phones
from sendblue_data.schema import CONTACT_SCHEMA


def read_contacts(
    source: Any,
    *,
    mapping: Mapping[str, str | None] | None = None,
    region: str | None = None,
    tags_separator: str | None = None,
    sheet: str | int | None = None,
    several_phones: SeveralPhones = "refuse",
) -> ImportedContacts:
    """Read a list that somebody sent: which column is which, phones in E.164, tags, who opted out.

    Everything is read as text first, so that no phone becomes a number and no ZIP loses a zero. The exports of
    HubSpot, Salesforce, Shopify, Klaviyo, Mailchimp, GoHighLevel, Brevo, Google Contacts, Facebook leads and Twilio
    are known by their headers; any other list by the words in its headers, in seventeen languages. Print what it
    returns before you write it.

    Columns that say who opted out, or who agreed to be texted, become `opt_out`, the careful way: who opted out in
    any of them is out, and so is who did not agree, or is not known to have agreed, where a column asks.

    Args:
        source: a path, or the bytes, of a CSV (comma, semicolon, tab or bar; UTF-8, UTF-16 or an older encoding),
            Excel (extra `excel`), Parquet or NDJSON file, told by its content; of a folder of Parquet files; what
            `write_contacts` or `pull_partitions` returned; or a frame: Polars, pandas, DuckDB, Arrow.
        mapping: header to field, for what is not understood or understood wrongly: a field of a contact, `"full_name"`
            (split at its first blank), `"consent"` (yes means agreed; `"opt_out"`: yes means opted out),
            `"custom_variables"` (kept under its header), `"custom_variables.NAME"`, or None to leave a column out.
        region: the country of numbers without a `+`, as two letters, such as `"US"`; None refuses them.
        tags_separator: what stands between two tags of a cell; found out where it is None; `""` for one tag a cell.
        sheet: of an Excel file, the name of the sheet or its number from 1; the first where it is None.
        several_phones: what becomes of a cell with more than one number: `"refuse"` it, or take the
            `"first_mobile"` one.

    Returns:
        The list as contacts; a row for each of its rows, those with a refused phone too.

    Raises:
        ConfigurationError: there is no such file, sheet, region or header, or an option is of another kind.
        FrameError: it can't be read, holds no phones, two columns claim one field, or it can't be told what a
            column says of opting out; the message shows the `mapping=` to write.
        MissingExtraError: it is an Excel file, and the extra is not installed.

    Example:
        >>> listed = '''Customer ID,First Name,Phone,Accepts SMS Marketing,Tags
        ... 1,Ana,(212) 555-0123,yes,"VIP, Lead"
        ... 2,Bo,212-555-0145,no,
        ... '''
        >>> found = read_contacts(listed.encode(), region="US")
        >>> found.frame.select("row", "phone", "first_name", "opt_out", "tags").rows()
        [(2, '+12125550123', 'Ana', False, ['VIP', 'Lead']), (3, '+12125550145', 'Bo', True, None)]
        >>> found.mapping.select("header", "field", "sure").rows()[-1]
        ('Tags', 'tags', 'certain')
    """
    check_region(region)
    check_several(several_phones)
    if tags_separator is not None and not isinstance(tags_separator, str):
        raise ConfigurationError(f"tags_separator is {shown(tags_separator)}: expected a text, such as ';'.")
    if sheet is not None and (isinstance(sheet, bool) or not isinstance(sheet, (str, int))):
        raise ConfigurationError(f"sheet is {shown(sheet)}: expected a sheet's name, or its number from 1.")
    table = read_source(source, sheet)
    table = _without_our_own_marks(table)
    layout = None if {*table.headers} <= {*CONTACT_SCHEMA} else layout_of(table.headers)
    names = _named_phones(table)
    claims = claim_fields(names, layout, mapping)
    if not claims.of("phone"):
        raise FrameError(_no_phone(table, names))
    return Reading(table, claims, layout, region, tags_separator, several_phones).imported()


def _without_our_own_marks(table: Table) -> Table:
    """Drop the columns that an earlier import added, where all others are ours."""
    kept = [n for n, name in enumerate(table.headers) if name or table.columns[n].is_not_null().any()]
    if {"row", "phone_problem"} & set(table.headers) and set(table.headers) <= {
        *CONTACT_SCHEMA,
        "row",
        "phone_problem",
    }:
        kept = [n for n in kept if table.headers[n] not in ("row", "phone_problem")]
    headers = [table.headers[n] for n in kept]
    columns = [table.columns[n] for n in kept]
    ours = {*CONTACT_SCHEMA, MICROSECONDS}
    if table.form is not None and len({*headers}) == len(headers) and {*headers} <= ours:
        text = pl.DataFrame([column.alias(header) for column, header in zip(columns, headers, strict=True)])
        typed = contacts_from_text(text, table.form)
        headers, columns = typed.columns, typed.get_columns()
    return Table(table.label, headers, columns, table.rows, table.notes, table.broken, table.form)


def _named_phones(table: Table) -> list[str]:
    """Return the headers; of a list without any, the one column of phones under that name."""
    names = list(table.headers)
    if not any(note.startswith("no header") for note in table.notes):
        return names
    counts = [read_phones(as_text(column).head(50), "US")["phone"].count() for column in table.columns]
    names[counts.index(max(counts))] = "phone"
    table.headers[:] = names
    return names


def _no_phone(table: Table, names: list[str]) -> str:
    found = ", ".join(map(repr, names[:40])) or "none"
    return (
        f"{table.label} has no column that is known to hold phones: it has {found}. Say which one does, such as "
        f'mapping={{{(names or ["Handy"])[0]!r}: "phone"}}.'
    )
