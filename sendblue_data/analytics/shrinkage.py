"""Rates shrunk towards what all groups have in common: empirical Bayes, for ranking groups of unlike size.

The rates of groups are taken as drawn from one beta distribution, whose mean and spread are fitted to the counts by
maximum likelihood of the beta-binomial. Source: J. G. Skellam (1948), JRSS B 10:257; R. E. Tarone (1979), Biometrika
66:585, for the test of whether rates differ at all; C. N. Morris (1983), JASA 78:47.
"""

from __future__ import annotations

from collections.abc import Callable
from math import exp, log
from typing import NamedTuple

import numpy as np
import polars as pl

from sendblue_data.analytics.rates import rate_of

FROM_ALL = "from_all"
FEWEST = 3
"""Groups of which something is known, below which nobody can tell how rates are spread."""
_STARTS = (0.3, 3.0, 30.0, 300.0, 3e3, 3e4, 3e5)
"""Sizes of the prior, in contacts: from the likeliest of these the search sets out."""
_FARTHEST = log(1e9)
"""Logarithms of size and of the mean's odds are looked for up to here."""
_NEAR, _CLOSE, _TURNS = 1e-3, 1e-7, 60
"""Distance of the points that slopes are taken from, the step that is small enough to end with, and most steps."""
_SHIFT = 20
"""Stirling's series is exact to the last digit from here on; smaller arguments are moved up to it."""


class Prior(NamedTuple):
    """The beta distribution of rates: its mean, and how many contacts it weighs (infinite: all rates are one)."""

    mean: float
    size: float


def with_shrunken_rate(table: pl.DataFrame, successes: str, trials: str, name: str) -> pl.DataFrame:
    """Add a shrunken rate, and what share of it comes from all groups together, to a table of counts.

    Args:
        table: a row a group, with the two count columns.
        successes: column of those counted.
        trials: column of how many there were.
        name: of the shrunken rate's column.

    Returns:
        The table with two more Float64 columns: `(successes + mean * size) / (trials + size)` under that name, and
        `from_all`, the share of it that is not the group's own, `size / (trials + size)`; both null where `trials`
        is 0, or where fewer than 3 groups have any.

    Example:
        >>> table = pl.DataFrame({"opt_outs": [1, 30, 2, 90], "known": [2, 600, 50, 900]})
        >>> with_shrunken_rate(table, "opt_outs", "known", "shrunken")["shrunken"].round(3).to_list()
        [0.08, 0.054, 0.065, 0.097]
    """
    known = table.filter(pl.col(trials) > 0)
    prior = fit_prior(known[successes].to_numpy(), known[trials].to_numpy())
    if prior is None:
        return table.with_columns(pl.lit(None, pl.Float64).alias(column) for column in (name, FROM_ALL))
    weight = pl.lit(1.0) if prior.size == np.inf else prior.size / (pl.col(trials) + prior.size)
    weight = pl.when(pl.col(trials) > 0).then(weight)
    shrunken = weight * prior.mean + (1 - weight) * rate_of(successes, trials)
    return table.with_columns(shrunken.alias(name), weight.alias(FROM_ALL))


def fit_prior(hits: np.ndarray, sizes: np.ndarray) -> Prior | None:
    """Fit the beta distribution that rates of groups are likeliest drawn from; None for fewer than 3 groups.

    Example:
        >>> prior = fit_prior(np.array([1, 30, 2, 90]), np.array([2, 600, 50, 900]))
        >>> prior is not None and (round(prior.mean, 3), round(prior.size))
        (0.074, 129)
        >>> fit_prior(np.array([5, 50, 20]), np.array([50, 500, 200])).size
        inf
    """
    if hits.size < FEWEST:
        return None
    pooled = float(hits.sum() / sizes.sum())
    # Where counts scatter no more than chance, or all is one, there is nothing to tell groups by.
    if pooled in {0.0, 1.0} or _overdispersion(hits, sizes, pooled) <= 0:
        return Prior(pooled, np.inf)
    # Groups of equal counts are looked at once: accounts have hundreds of tags of two or three contacts.
    pairs, times = np.unique(np.stack([hits, sizes]).astype(float), axis=1, return_counts=True)

    def height(place: np.ndarray) -> float:
        return _likelihood(_share(place[0]), float(np.exp(place[1])), pairs, times)

    middles = [log(mean / (1 - mean)) for mean in (pooled, float((hits / sizes).mean()))]
    starts = [np.array([middle, log(size)]) for middle in middles for size in _STARTS]
    top = _climb(height, max(starts, key=height))
    return Prior(_share(top[0]), float(np.exp(top[1])))


def _share(log_odds: float) -> float:
    return 1 / (1 + exp(-log_odds))


def _overdispersion(hits: np.ndarray, sizes: np.ndarray, mean: float) -> float:
    """Return the slope of the likelihood where all rates are one: above 0, they scatter by more than chance."""
    out, stay, all_ = (counts.astype(float) for counts in (hits, sizes - hits, sizes))
    terms = out * (out - 1) / mean + stay * (stay - 1) / (1 - mean) - all_ * (all_ - 1)
    return float(terms.sum())


def _likelihood(mean: float, size: float, pairs: np.ndarray, times: np.ndarray) -> float:
    (hits, trials), a, b = pairs, mean * size, (1 - mean) * size
    terms = _rise(a, hits) + _rise(b, trials - hits) - _rise(size, trials)
    return float(terms @ times)


def _rise(start: float, steps: np.ndarray) -> np.ndarray:
    """Return the logarithm of `start (start + 1) ... (start + steps - 1)`."""
    return np.asarray(_log_gamma(start + steps) - _log_gamma(np.asarray([start])))


def _log_gamma(values: np.ndarray) -> np.ndarray:
    """Return the logarithm of the gamma function by Stirling's series: NumPy has none, and SciPy is not needed."""
    low = np.ones_like(values)
    for step in range(_SHIFT):
        low *= values + step
    at = values + _SHIFT
    series = 1 / (12 * at) - 1 / (360 * at**3) + 1 / (1260 * at**5) - 1 / (1680 * at**7)
    return np.asarray((at - 0.5) * np.log(at) - at + 0.5 * log(2 * np.pi) + series - np.log(low))


def _climb(height: Callable[[np.ndarray], float], place: np.ndarray) -> np.ndarray:
    """Go up by Newton's steps of finite differences, or by the slope where the hill is hollow, to the top."""
    for _ in range(_TURNS):
        slope, curve = _derivatives(height, place)
        is_hill = curve[0, 0] < 0 < np.linalg.det(curve)
        step = np.linalg.solve(curve, -slope) if is_hill else slope / np.abs(slope).max()
        step = step / max(1.0, float(np.abs(step).max()) / 2)
        here = height(place)
        while height(place + step) < here and np.abs(step).max() > _CLOSE:
            step = step / 2
        if np.abs(step).max() <= _CLOSE:
            break
        place = np.clip(place + step, -_FARTHEST, _FARTHEST)
    return place


def _derivatives(height: Callable[[np.ndarray], float], place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return slope and curvature by central differences."""
    at = {(x, y): height(place + _NEAR * np.array([x, y])) for x in (-1, 0, 1) for y in (-1, 0, 1)}
    slope = np.array([at[1, 0] - at[-1, 0], at[0, 1] - at[0, -1]]) / (2 * _NEAR)
    across = (at[1, 1] - at[1, -1] - at[-1, 1] + at[-1, -1]) / 4
    bends = [at[1, 0] + at[-1, 0] - 2 * at[0, 0], at[0, 1] + at[0, -1] - 2 * at[0, 0]]
    return slope, np.array([[bends[0], across], [across, bends[1]]]) / _NEAR**2
