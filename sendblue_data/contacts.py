"""`contacts_frame`: a contacts frame from dicts with the API's fields."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import polars as pl

from sendblue_data._api.call import LIST
from sendblue_data._api.decoding import KINDS, decode_exact
from sendblue_data.errors import FrameError
from sendblue_data.schema import CONTACT_SCHEMA


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
        body = msgspec.json.encode([dict(row) for row in listed])
        frame, oddities = decode_exact(body, len(listed))
    except msgspec.ValidationError as error:
        message = LIST.no_contacts(error, body).message
        raise FrameError(f"The rows are not contacts: {message}") from None
    except (TypeError, UnicodeEncodeError) as error:
        raise FrameError(f"The rows hold a value that no contact has: {error}.") from None
    if oddities:
        told = f"row {oddities[0].row}, field created_at: {KINDS['not a date']}"
        raise FrameError(f"The rows are not contacts: {told}.")
    return frame
