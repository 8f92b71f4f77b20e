"""What `by=` asks for: columns, expressions over contact fields, or tags (a contact counts in each of its tags)."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from sendblue_data._shared.validation import shown
from sendblue_data.errors import FrameError
from sendblue_data.schema import CONTACT_SCHEMA

By = str | pl.Expr | Sequence[str | pl.Expr] | None


class Grouping:
    """The columns that `by` needs, and the group columns that it makes of them."""

    def __init__(self, by: By) -> None:
        asked = [] if by is None else [by] if isinstance(by, str | pl.Expr) else by
        if not isinstance(asked, Sequence) or not all(isinstance(item, str | pl.Expr) for item in asked):
            raise FrameError(
                f"by= is {shown(by)}: give a column's name, 'tags', an expression, or a list of these."
            )
        self._expressions = [pl.col(item) if isinstance(item, str) else item for item in asked]
        self.names = [item.meta.output_name() for item in self._expressions]
        self.reads = list(
            dict.fromkeys(name for item in self._expressions for name in item.meta.root_names())
        )
        unknown = [name for name in self.reads if name not in CONTACT_SCHEMA]
        if unknown:
            raise FrameError(
                f"by= names {shown(unknown[0])}, which is no contact field. Choose from: {', '.join(CONTACT_SCHEMA)}."
            )

    @property
    def keys(self) -> list[str]:
        """Names of the group columns while counting; they can't clash with a count's name."""
        return [f"by_{n}" for n in range(len(self.names))]

    def apply(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Add the group columns; a contact with several tags gets a row for each, one without any gets none."""
        grouped = frame.with_columns(
            item.alias(key) for item, key in zip(self._expressions, self.keys, strict=True)
        )
        for key in self.keys:
            if isinstance(grouped.schema[key], pl.List):
                grouped = grouped.with_columns(pl.col(key).list.unique()).explode(key).drop_nulls(key)
        return grouped.drop(name for name in self.reads if name != "opt_out")

    def named(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Give the group columns the names that the caller knows."""
        return frame.rename(dict(zip(self.keys, self.names, strict=True)))
