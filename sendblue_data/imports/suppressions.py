"""`suppression_list`: who opted out, as the list that another product imports, so that it stays in step."""

from __future__ import annotations

import os
from typing import Any

import polars as pl

from sendblue_data._frames.conversion import column_names, to_polars
from sendblue_data._frames.engines import require_columns
from sendblue_data._shared.files import replacing
from sendblue_data._shared.validation import shown
from sendblue_data.errors import ConfigurationError, FrameError
from sendblue_data.imports.imported import ImportedContacts
from sendblue_data.imports.knowledge import layouts
from sendblue_data.schema import IS_E164

_PHONE = "{phone}"
_OURS = {"phone": _PHONE, "opt_out": "true"}


def suppression_list(
    contacts: Any, path: str | os.PathLike[str] | None = None, *, product: str | None = None
) -> pl.DataFrame:
    """Return who opted out, as a list that another product imports; write it as CSV where a path is given.

    Only who is known to be opted out is in it: a null `opt_out` is not. Each number stands once, as E.164, and
    nothing else of the person does. `read_contacts` knows the list again, as one of suppressions.

    Args:
        contacts: a contacts frame of any engine, such as a pull, or what `read_contacts` returned.
        path: a file to write, CSV in UTF-8 with a byte order mark, so that spreadsheets open it right; only its owner
            can read it.
        product: whose columns it has: `"brevo"`, `"gohighlevel"`, `"hubspot"`, `"klaviyo"`, `"mailchimp"`,
            `"salesforce"`, `"shopify"` or `"twilio"`; ours (`phone`, `opt_out`) where it is None.

    Returns:
        A row for each number, sorted; all columns String.

    Raises:
        ConfigurationError: no such product, or no such folder.
        FrameError: there is no `phone` or no `opt_out`, or of another type.
        FileNotWrittenError: the disk does not take it.

    Example:
        >>> from sendblue_data import contacts_frame
        >>> people = [{"phone": "+12125550100", "opt_out": True}, {"phone": "+12125550101", "opt_out": False}]
        >>> suppression_list(contacts_frame(people), product="shopify").to_dicts()
        [{'Phone': '+12125550100', 'Accepts SMS Marketing': 'no'}]
    """
    columns = _columns(product)
    if isinstance(contacts, ImportedContacts):
        frame = contacts.frame
    else:
        require_columns(column_names(contacts), ["phone", "opt_out"])
        frame = to_polars(contacts, ["phone", "opt_out"])
    for name, kind in (("phone", pl.String), ("opt_out", pl.Boolean)):
        if frame.schema[name] not in (kind, pl.Null):
            raise FrameError(
                f"Column {name!r} is {frame.schema[name]}, expected {kind}: pass a contacts frame."
            )
    out = frame.filter(pl.col("opt_out").cast(pl.Boolean).fill_null(value=False))["phone"].cast(pl.String)
    phones = out.filter(out.str.contains(IS_E164).fill_null(value=False)).unique().sort()
    listed = pl.DataFrame(
        [
            (
                phones
                if value == _PHONE
                else pl.Series([value], dtype=pl.String).new_from_index(0, phones.len())
            ).alias(name)
            for name, value in columns.items()
        ]
    )
    if path is not None:
        with replacing(path) as part:
            listed.write_csv(part, include_bom=True)
    return listed


def _columns(product: str | None) -> dict[str, str]:
    if product is None:
        return _OURS
    known = {name: layout.suppress for name, layout in layouts().items() if layout.suppress}
    if product not in known:
        raise ConfigurationError(
            f"product is {shown(product)}: expected one of {', '.join(map(repr, sorted(known)))}, or None for our own "
            "columns."
        )
    return known[product]
