"""Contacts that stand in a frame more than once: every number made of it would count them so."""

from __future__ import annotations

import weakref
from typing import Any

import polars as pl
from narwhals import dependencies

from sendblue_data._frames.conversion import column_names, to_polars
from sendblue_data._shared.masking import mask_phone
from sendblue_data._shared.warned import warn
from sendblue_data.errors import FrameError, RepeatedContactWarning

_looked_at: dict[int, tuple[weakref.ref[Any], int, str | None]] = {}
"""By a frame's identity: the frame, the rows that it had, and what there was to say. To look takes longer than to count
an opt-out rate, so that it is done once a frame."""


def repeats_in_words(frame: pl.DataFrame) -> str | None:
    """Say which contact stands in a frame twice, and how many rows are too many; None where each has one row.

    A contact is known by its `contact_id`, by its `phone` where it has none.

    Example:
        >>> repeats_in_words(pl.DataFrame({"contact_id": ["c1", "c2", "c1"]}))
        "Rows 0 and 2 are one contact (contact_id 'c1'), and it counts twice. Keep one row of each contact, such as by
        contacts.unique('contact_id', keep='last')."
    """
    names = [name for name in ("contact_id", "phone") if frame.schema.get(name) == pl.String]
    if not names:
        return None
    key = frame.select(pl.coalesce(names)).to_series()
    hashed = key.drop_nulls().hash().sort()
    if not (hashed[1:] == hashed[:-1]).any():
        return None
    again = key.is_not_null() & ~key.is_first_distinct()
    rows = int(again.sum())
    if not rows:
        return None
    second = int(again.arg_true()[0])
    first = int((key == key[second]).arg_true()[0])
    ids, phones = (
        frame[name] if name in names else [None] * frame.height for name in ("contact_id", "phone")
    )
    return repeats_words(first, second, ids[second], phones[second], rows)


def repeats_words(first: int, second: int, contact_id: str | None, phone: str | None, rows: int) -> str:
    """Say that a contact stands in two rows, the first such pair, and that `rows` are too many in all.

    Example:
        >>> repeats_words(0, 2, None, "+12125550100", 2)
        "Rows 0 and 2 are one contact (phone +1212•••0100), and it counts twice; so does 1 more row. Keep one ..."
    """
    shown = f"phone {mask_phone(phone or '')}" if contact_id is None else f"contact_id {contact_id!r}"
    more = {1: "", 2: "; so does 1 more row"}.get(rows, f"; so do {rows - 1:,} more rows")
    return (
        f"Rows {first} and {second} are one contact ({shown}), and it counts twice{more}. Keep one row of each "
        f"contact, such as by contacts.unique({'phone' if contact_id is None else 'contact_id'!r}, keep='last')."
    )


def refuse_repeats(frame: pl.DataFrame) -> None:
    """Refuse a frame in which a contact stands twice.

    Raises:
        FrameError: there is one.

    Example:
        >>> refuse_repeats(pl.DataFrame({"phone": ["+12125550100"] * 2}))
        Traceback (most recent call last):
            ...
        sendblue_data.errors.FrameError: Rows 0 and 1 are one contact (phone +1212•••0100), and it counts twice. ...
    """
    if words := repeats_in_words(frame):
        raise FrameError(words)


def warn_of_repeats(contacts: Any) -> None:
    """Warn of a `contact_id` that stands twice in a frame that is in memory, whatever is counted of it.

    A lazy frame, DuckDB and Spark would have to be asked a second time: they are not. Nor is a frame without ids,
    whose rows with one phone may be several people's.
    """
    if not (
        isinstance(contacts, pl.DataFrame)
        or dependencies.is_pandas_dataframe(contacts)
        or dependencies.is_pyarrow_table(contacts)
    ):
        return
    key, rows = id(contacts), len(contacts)
    known = _looked_at.get(key)
    if known and known[0]() is contacts and known[1] == rows:
        words = known[2]
    else:
        has_ids = "contact_id" in column_names(contacts)
        words = repeats_in_words(to_polars(contacts, ["contact_id"])) if has_ids else None
        _looked_at[key] = (weakref.ref(contacts, lambda _: _looked_at.pop(key, None)), rows, words)
    if words:
        warn(words, RepeatedContactWarning)
