"""A plain Polars expression as a condition among segments."""

from __future__ import annotations

from dataclasses import dataclass, field

import polars as pl

from sendblue_data.segments.rules import Leaf


@dataclass(frozen=True, eq=False)
class Plain(Leaf):
    """A plain Polars expression that someone set: it filters, and has no code."""

    given: pl.Expr = field(repr=False)

    def expr(self) -> pl.Expr:
        """A Boolean expression over a contacts frame, without nulls."""
        return self.given.fill_null(value=False)

    def call(self) -> str:
        """A name that stands for the expression."""
        return "expression"

    def words(self, *, negated: bool = False) -> str:
        """What follows "contacts"."""
        return f"{'not ' if negated else ''}matching the expression {self.given}"
