"""Columns that the API never filled, and what is therefore not known.

The sentences are made by `plots.labels`, like those of the report: one way to write a count and a list.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import narwhals as nw

from sendblue_data._frames.engines import collect
from sendblue_data._shared.text import plural
from sendblue_data.plots.labels import listed
from sendblue_data.schema import CONTACT_SCHEMA

MATTERS = {
    "opt_out": "opt-outs",
    "verified": "verification",
    "created_at": "when contacts were created",
    "phone": "phones",
    "tags": "tags",
}
"""Columns that numbers rest on, and what they tell."""


def unfilled_columns(contacts: Any) -> tuple[str, ...]:
    """Return the columns of a contacts frame that are null for every contact; none where there is no contact.

    Args:
        contacts: a contacts frame of any engine that Narwhals knows.

    Example:
        >>> import polars as pl
        >>> unfilled_columns(pl.DataFrame({"phone": ["+12125550100"], "opt_out": [None]}))
        ('opt_out',)
    """
    frame = nw.from_native(contacts).lazy()
    names = [name for name in CONTACT_SCHEMA if name in frame.collect_schema().names()]
    if not names:
        return ()
    filled = collect(frame.select(nw.len().alias("rows"), *(nw.col(name).count() for name in names)))
    counts = filled.row(0, named=True)
    return tuple(name for name in names if counts["rows"] and not counts[name])


def unfilled_in_words(names: Sequence[str], contacts: int) -> list[str]:
    """Say of unfilled columns what is not known: a sentence for each that numbers rest on, one for the rest.

    Example:
        >>> unfilled_in_words(["opt_out", "last_name", "company_name"], 12_000)
        ['opt_out is null for all 12,000 contacts: nothing is known about opt-outs.',
         'last_name and company_name are null for all 12,000 contacts, too.']
    """
    everyone = "the one contact" if contacts == 1 else f"all {plural(contacts, 'contact')}"
    said = [
        f"{name} is null for {everyone}: nothing is known about {MATTERS[name]}."
        for name in names
        if name in MATTERS
    ]
    rest = [name for name in names if name not in MATTERS]
    if rest:
        said.append(
            f"{listed(rest)} {'is' if len(rest) == 1 else 'are'} null for {everyone}{', too' if said else ''}."
        )
    return said
