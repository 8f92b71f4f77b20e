"""Opt-out times that messages tell, beside what the snapshots show: kept with them, and used by survival."""

from __future__ import annotations

from typing import Any

import polars as pl

from sendblue_data._frames.conversion import to_polars
from sendblue_data.errors import FrameError
from sendblue_data.schema import CONTACT_SCHEMA

KEPT = ("opted_out_at", "opted_out_after")
"""Columns of a snapshot that was given times: of each contact's opt-out that holds."""
TIMES = ("phone", "opted_out_at", "opted_out_after", "opted_out_before")
_MOMENT = CONTACT_SCHEMA["created_at"]
_DAY = 86_400e6


def checked_times(times: Any) -> pl.DataFrame:
    """Return the opt-outs whose time is known, of a frame that `opt_out_times` gives.

    Raises:
        FrameError: it is no such frame.
    """
    found = to_polars(times)
    for name in TIMES:
        kind = CONTACT_SCHEMA.get(name, _MOMENT)
        if found.schema.get(name) != kind:
            raise FrameError(
                f"times: the column {name!r} is {found.schema.get(name) or 'missing'}, expected {kind}: pass what "
                "opt_out_times(messages) gives."
            )
    return found.drop_nulls(["phone", "opted_out_at"])


def with_times(contacts: pl.DataFrame, times: Any) -> pl.DataFrame:
    """Add to the contacts when those who are opted out left, as far as that is known.

    Raises:
        FrameError: `times` is no such frame.
    """
    known = checked_times(times)
    if "opted_out" in known.columns:
        known = known.filter("opted_out")
    last = known.sort("opted_out_at").unique("phone", keep="last").select("phone", *KEPT)
    named = contacts.drop([name for name in KEPT if name in contacts.columns])
    return named.join(last, on="phone", how="left", maintain_order="left")


def closer(lives: pl.DataFrame, times: pl.DataFrame) -> pl.DataFrame:
    """Bring the bounds of each opt-out closer together, where the time of one lies between them.

    Args:
        lives: `phone`, `born`, and `after` and `before` in days since then.
        times: as `checked_times` gives them.
    """
    rows = lives.with_row_index("row")
    days = {
        name: (pl.col(f"opted_out_{name}") - pl.col("born")).dt.total_microseconds() / _DAY
        for name in ("after", "before")
    }
    told = rows.drop_nulls("before").join(times.select(TIMES), on="phone")
    told = told.with_columns(
        late=pl.max_horizontal("after", days["after"]), early=pl.min_horizontal("before", days["before"])
    )
    # It lies after the last look that did not show it, and its bounds leave room for it.
    told = told.filter(days["before"] > pl.col("after"), pl.col("late") <= pl.col("early"))
    first = told.sort("early").unique("row", keep="first").select("row", "late", "early")
    joined = rows.join(first, on="row", how="left", maintain_order="left")
    return joined.with_columns(
        after=pl.coalesce("late", "after"), before=pl.coalesce("early", "before")
    ).drop("row", "late", "early")
