"""Who is who: the number that each contact of a pull has in the history already."""

from __future__ import annotations

import polars as pl

_NAME = pl.coalesce("phone", "contact_id").alias("who")


def share_a_name(contacts: pl.DataFrame) -> bool:
    """Tell whether two of these contacts have one phone, or both neither phone nor id."""
    named = contacts.select(_NAME).to_series()
    return named.n_unique() < named.len()


def recognised(frame: pl.DataFrame, known: pl.DataFrame, present: pl.Series) -> pl.Series:
    """Return the number that each contact has already, null for one that was never seen.

    The phone comes first since people opt out by phone, and a contact that is deleted and created again gets
    another id. Only of several contacts with one phone the id tells which is which, as far as it is still there;
    of the rest, those that the snapshot before has come first.
    """
    if not (share_a_name(frame) or share_a_name(known)):
        then = known.select(_NAME, "h_contact")
        joined = frame.select(_NAME).join(then, on="who", how="left", nulls_equal=True, maintain_order="left")
        return joined["h_contact"]
    now, then = _who(frame).with_row_index("row"), _who(known).with_columns(known["h_contact"])
    same = now.join(then, on=["who", "contact_id", "nth_of_id"], nulls_equal=True).select("row", "h_contact")
    rest = now.join(same, on="row", how="anti", maintain_order="left")
    left = then.join(same, on="h_contact", how="anti", maintain_order="left")
    left = left.sort(~pl.col("h_contact").is_in(present.implode()), maintain_order=True)
    others = _nth(rest).join(_nth(left), on=["who", "nth"], how="left", nulls_equal=True)
    return pl.concat([same, others.select("row", "h_contact")]).sort("row")["h_contact"]


def _who(frame: pl.DataFrame) -> pl.DataFrame:
    """Name each row's contact: its phone, else its id, and which of several rows with that name it is."""
    named = frame.select(_NAME, "contact_id")
    of_id = pl.int_range(pl.len(), dtype=pl.Int32).over("who", "contact_id")
    return _nth(named.with_columns(nth_of_id=of_id))


def _nth(named: pl.DataFrame) -> pl.DataFrame:
    return named.with_columns(nth=pl.int_range(pl.len(), dtype=pl.Int32).over("who"))
