"""What differs between two snapshots, field by field."""

from __future__ import annotations

import json
from datetime import datetime

import polars as pl

from sendblue_data.errors import ConfigurationError
from sendblue_data.history.layout import ADDED, CHANGE, CHANGED, IDENTITY, REMOVED, STATE_FIELDS
from sendblue_data.history.state import looks, snapshot_at, state_at
from sendblue_data.history.table import HistoryTable

_COLUMNS = ("phone", "contact_id", "change", "field", "before", "after")


def changes(table: HistoryTable, since: datetime, until: datetime | None) -> pl.DataFrame:
    """Compare two snapshots; see `ContactHistory.changes`."""
    if until is not None and since > until:
        raise ConfigurationError(f"since={since} lies after until={until}. Swap them.")
    seen = looks(table)
    earlier = seen.filter(pl.col("h_taken_at") < since)["h_snapshot"]
    # Before the first snapshot there is nothing to compare with: it changed nothing.
    first = int(earlier[-1]) if len(earlier) else snapshot_at(table, since)
    within = seen if until is None else seen.filter(pl.col("h_taken_at") < until)
    last = max(first, int(within["h_snapshot"].max() or 0))  # type: ignore[arg-type]
    touched = (
        table.scan(CHANGE, ["h_contact"], after=first, through=last).collect()["h_contact"].unique().implode()
    )
    old, new = (
        state_at(table, number).filter(pl.col("h_contact").is_in(touched)) for number in (first, last)
    )
    parts = [
        _rows(new.join(old, on="h_contact", how="anti"), ADDED),
        _rows(old.join(new, on="h_contact", how="anti"), REMOVED),
    ]
    left = old.join(new, on="h_contact", how="semi").sort("h_contact")
    right = new.join(old, on="h_contact", how="semi").sort("h_contact")
    for field in (*IDENTITY, *STATE_FIELDS, *table.extra_columns):
        before, after = _text(left[field]), _text(right[field])
        parts.append(_rows(right, CHANGED, field, before, after).filter(before.ne_missing(after)))
    return pl.concat(parts).sort("h_contact", maintain_order=True).select(_COLUMNS)


def _rows(
    frame: pl.DataFrame,
    change: str,
    field: str | None = None,
    before: pl.Series | None = None,
    after: pl.Series | None = None,
) -> pl.DataFrame:
    return frame.select(
        "h_contact",
        "phone",
        "contact_id",
        change=pl.lit(change),
        field=pl.lit(field, pl.String),
        before=pl.lit(None, pl.String) if before is None else before,
        after=pl.lit(None, pl.String) if after is None else after,
    )


def _text(values: pl.Series) -> pl.Series:
    """Return values of any type as text: JSON for lists and maps, ISO 8601 for moments, else as they print."""
    kind = values.dtype
    if kind == pl.String:
        return values
    if kind == pl.Boolean:
        return values.cast(pl.String)
    if isinstance(kind, pl.Datetime):
        return values.dt.to_string("iso:strict")
    if isinstance(kind, pl.List | pl.Map | pl.Struct | pl.Array):
        texts = [
            None if value is None else json.dumps(value, ensure_ascii=False, default=str)
            for value in values.to_list()
        ]
        return pl.Series(values.name, texts, dtype=pl.String)
    return values.cast(pl.String)
