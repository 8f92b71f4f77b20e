"""Accounts of which the truth is known: who came when and left when, and what looks at them show."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from sendblue_data import ContactHistory
from sendblue_data.schema import CONTACT_SCHEMA

START = datetime(2026, 1, 5, tzinfo=UTC)


def account(
    born: np.ndarray, left: np.ndarray, day: float, tags: Sequence[str] | None = None
) -> pl.DataFrame:
    """The contacts at a day: `born` and `left` (opted out) are days since `START`."""
    there = np.flatnonzero(born <= day)
    made = [START + timedelta(days=float(born[n])) for n in there]
    rows = {
        "contact_id": [f"id-{n}" for n in there],
        "created_at": made,
        "opt_out": (left[there] <= day).tolist(),
        "tags": [None if tags is None else [tags[n]] for n in there],
    }
    frame = pl.DataFrame(rows, schema_overrides={"tags": pl.List(pl.String)})
    missing = [pl.lit(None, kind).alias(name) for name, kind in CONTACT_SCHEMA.items() if name not in rows]
    return frame.with_columns(missing).select(
        *(pl.col(name).cast(kind) for name, kind in CONTACT_SCHEMA.items())
    )


def hasty_arrivals(rng: np.random.Generator, *, before: int, hazard: float) -> tuple[np.ndarray, np.ndarray]:
    """`born` and `left` of people who were there before, and of 4,000 who arrive within 90 days.

    A tenth leave within a day of being created, which weekly looks miss half of; the others under a constant hazard.
    """
    born = np.concatenate([np.full(before, -100.0), rng.uniform(0.1, 90, 4_000)])
    hasty = rng.random(len(born)) < 0.1
    return born, born + np.where(hasty, rng.uniform(0, 1, len(born)), rng.exponential(1 / hazard, len(born)))


def recorded(
    folder: Path,
    born: np.ndarray,
    left: np.ndarray,
    days: Sequence[float],
    tags: Sequence[str] | None = None,
) -> ContactHistory:
    history = ContactHistory(folder)
    for day in days:
        frame = account(born, left, day, tags)
        history.snapshot(frame, START + timedelta(days=float(day)), max_shrink=1, allow_other_account=True)
    return history
