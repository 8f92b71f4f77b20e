"""Opt-out by age from one pull: what share has opted out by so many days after being created."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from sendblue_data._frames.engines import Days
from sendblue_data._frames.grouping import By, Key, grouped, keys_of
from sendblue_data._shared.time import Moment, as_of as moment_of
from sendblue_data.analytics.opt_outs import COUNTS
from sendblue_data.analytics.rates import normal_quantile

Numbers = npt.NDArray[np.float64]

_COLUMNS = (
    "day",
    "from_day",
    "to_day",
    "contacts",
    "unknown",
    "opt_outs",
    "rate",
    "low",
    "high",
    "undated",
    "confidence",
)
_HALVINGS = 40


def opt_out_by_age(
    contacts: Any,
    by: By | Sequence[By] | None = None,
    *,
    as_of: Moment | None = None,
    confidence: float = 0.95,
) -> pl.DataFrame:
    """Return the share of contacts that have opted out by each age, which can only rise with age.

    One pull shows of each contact its age and whether it has opted out by then (its current status), and when, of
    none. If people opt out alike whenever they were created, the likeliest share by age is the isotonic regression of
    these (the current-status maximum likelihood; Groeneboom and Wellner 1992). Ages at which nothing tells the shares
    apart form one row. Unlike a chart of cohorts it takes into account how long each contact had.

    It can't tell a change over time from one with age: if people who were created lately are of another kind, or were
    deleted when they opted out, the curve is wrong. `ContactHistory.survival` needs no such assumption.

    Args:
        contacts: a contacts frame of any engine that Narwhals knows; it counts where the data lives.
        by: groups, as for `opt_out_rate`.
        as_of: the moment of the pull, to which ages are counted: a datetime, a date (its first moment) or either as
            ISO 8601; without a zone it is UTC. None: the present.
        confidence: of the intervals: those of the likelihood ratio (Banerjee and Wellner 2001), with the quantile of
            chi-squared, which is at least as wide as theirs.

    Returns:
        By group, then by age: the columns of `by`; `day`, the middle age of the row's contacts, in days begun since
        creation, that the interval is for; `from_day`, `to_day`, its first and last age; `contacts`; `unknown`, those
        whose `opt_out` the API did not say; `opt_outs`; `rate` = opt_outs / (contacts - unknown) with `low` and
        `high`; `undated`, the group's contacts without `created_at`, who have no age: the same in each of its rows.
        Groups of whom nothing is known have no row.

    Raises:
        FrameError: a column is missing or of another type.
        ConfigurationError: the confidence isn't between 0 and 1, or `as_of` is no moment.

    Example:
        >>> from datetime import datetime, timedelta, UTC
        >>> now = datetime(2026, 3, 1, tzinfo=UTC)
        >>> people = pl.DataFrame({
        ...     "created_at": [now - timedelta(days=day) for day in (10, 20, 30, 40)],
        ...     "opt_out": [False, True, False, True],
        ... })
        >>> opt_out_by_age(people, as_of=now).select("from_day", "to_day", "contacts", "opt_outs", "rate").rows()
        [(10, 10, 1, 0, 0.0), (20, 30, 2, 1, 0.5), (40, 40, 1, 1, 1.0)]
    """
    z = normal_quantile(confidence)
    keys = keys_of(contacts, by, taken=_COLUMNS)
    names = [key.name for key in keys]
    counts = count_by_day(contacts, keys, as_of)
    parts = counts.partition_by(names, maintain_order=True) if names else [counts]
    tables = [part.select(names).head(1).join(_curve(part, z), how="cross") for part in parts if names]
    if not names:
        table = _curve(counts, z)
    else:
        table = pl.concat(tables) if tables else counts.select(names).join(_curve(counts, z), how="cross")
    return table.with_columns(confidence=pl.lit(confidence))


def count_by_day(contacts: Any, keys: Sequence[Key], as_of: Moment | None) -> pl.DataFrame:
    """Count contacts by group and `day` of age, as `contacts`, `known` and `opt_outs`; null: undated."""
    names = [key.name for key in keys]
    # Days to `created_at`, rounded down: those begun since then, negative.
    age = Key("day", Days(moment_of(as_of)))
    counts = grouped(contacts, [*keys, age], {"opt_out": "opt_out"}, COUNTS)
    counts = counts.with_columns(day=(-pl.col("day")).clip(lower_bound=0).cast(pl.Int64))
    return counts.group_by(*names, "day").agg(pl.col(COUNTS).sum()).sort(*names, "day", nulls_last=True)


def _curve(counts: pl.DataFrame, z: float) -> pl.DataFrame:
    """Estimate one group's curve from counts by `day` (null: undated)."""
    undated = int(counts.filter(pl.col("day").is_null())["contacts"].sum())
    dated = counts.drop_nulls("day").sort("day")
    known = dated.filter(pl.col("known") > 0)
    x, n = (known[name].cast(pl.Float64).to_numpy() for name in ("opt_outs", "known"))
    shares = isotonic(x, n)
    first: list[int] = np.flatnonzero(np.diff(shares, prepend=-1.0) > 0).tolist()
    starts = known["day"].gather(first).to_list()
    ends = [*(start - 1 for start in starts[1:]), None][: len(starts)]
    rows = []
    for begin, stop, start, end in zip(first, [*first[1:], len(x)][: len(first)], starts, ends, strict=True):
        # An age of which nothing is known lies with those before it.
        inside = dated.filter(
            pl.col("day") >= start, pl.lit(value=True) if end is None else pl.col("day") <= end
        )
        middle = begin + int(np.searchsorted(np.cumsum(n[begin:stop]), n[begin:stop].sum() / 2))
        low, high = likelihood_interval(x, n, middle, z)
        total, told, out = inside.select(pl.col("contacts", "known", "opt_outs").sum()).row(0)
        last = int(inside["day"].max())  # type: ignore[arg-type]
        rows.append(
            (known["day"][middle], start, last, total, total - told, out, out / told, low, high, undated)
        )
    whole = dict.fromkeys(("day", "from_day", "to_day", "contacts", "unknown", "opt_outs"), pl.Int64)
    shares_of = dict.fromkeys(("rate", "low", "high"), pl.Float64)
    return pl.DataFrame(rows, schema={**whole, **shares_of, "undated": pl.Int64}, orient="row")


def isotonic(hits: Numbers, trials: Numbers) -> Numbers:
    """Return the rising shares at which the hits are likeliest: neighbours that would fall are put together.

    Pool adjacent violators; M. Ayer, H. D. Brunk, G. M. Ewing, W. T. Reid and E. Silverman (1955), Ann. Math. Statist.
    26:641.

    Example:
        >>> isotonic(np.array([1.0, 0.0, 3.0]), np.array([2.0, 2.0, 4.0])).tolist()
        [0.25, 0.25, 0.75]
    """
    blocks: list[tuple[float, float, int]] = []
    for hit, trial in zip(hits.tolist(), trials.tolist(), strict=True):
        block = (hit, trial, 1)
        while blocks and blocks[-1][0] * block[1] >= block[0] * blocks[-1][1]:
            before = blocks.pop()
            block = (before[0] + block[0], before[1] + block[1], before[2] + block[2])
        blocks.append(block)
    if not blocks:
        return np.zeros(0)
    return np.repeat([hit / trial for hit, trial, _ in blocks], [size for *_, size in blocks])


def likelihood_interval(hits: Numbers, trials: Numbers, place: int, z: float) -> tuple[float, float]:
    """Return the shares that the one at `place` may have, with a likelihood ratio below that of z squared.

    Example:
        >>> low, high = likelihood_interval(np.array([3.0]), np.array([40.0]), 0, 1.96)
        >>> round(low, 4), round(high, 4)
        (0.0192, 0.1831)
    """
    best = isotonic(hits, trials)
    most = _log_likelihood(hits, trials, best)
    left, right = isotonic(hits[:place], trials[:place]), isotonic(hits[place + 1 :], trials[place + 1 :])

    def too_unlikely(share: float) -> bool:
        bounded = np.concatenate([np.minimum(left, share), [share], np.maximum(right, share)])
        return 2 * (most - _log_likelihood(hits, trials, bounded)) > z**2

    bounds = []
    for edge in (0.0, 1.0):
        inside, outside = float(best[place]), edge
        if not too_unlikely(edge):
            inside = edge
        for _ in range(_HALVINGS):
            middle = (inside + outside) / 2
            inside, outside = (inside, middle) if too_unlikely(middle) else (middle, outside)
        bounds.append(inside)
    return bounds[0], bounds[1]


def _log_likelihood(hits: Numbers, trials: Numbers, shares: Numbers) -> float:
    misses = trials - hits
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = np.where(hits > 0, hits * np.log(shares), 0.0) + np.where(
            misses > 0, misses * np.log1p(-shares), 0.0
        )
    return float(parts.sum())
