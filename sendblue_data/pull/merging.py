"""Frames of two pulls, made ready to be merged."""

from __future__ import annotations

from typing import Any

import polars as pl

from sendblue_data._frames.conversion import to_polars
from sendblue_data.errors import FrameError


def alike(old: Any, new: Any) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return both frames in Polars, the later with its columns in the order of the earlier.

    Raises:
        FrameError: a column is in one of them alone, or of two types.
    """
    earlier, later = to_polars(old), to_polars(new)
    for name in dict.fromkeys([*earlier.columns, *later.columns]):
        if earlier.schema.get(name) != later.schema.get(name):
            raise FrameError(
                f"Column {name!r} is {earlier.schema.get(name) or 'not there'} in the earlier frame and "
                f"{later.schema.get(name) or 'not there'} in the later one: merge frames with the same columns, and "
                "add others afterwards."
            )
    return earlier, later.select(earlier.columns)
