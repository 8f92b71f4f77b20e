"""Within which limits the periods of a trend lie if nothing changed, all of them judged together.

Laney's p' limits: D. B. Laney (2002), "Improved control charts for attributes", Quality Engineering 14:531. What
periods vary by beyond chance is estimated from how much neighbours differ, and widens every limit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sendblue_data.analytics.rates import normal_quantile

Numbers = npt.NDArray[np.float64]

LEAST_PERIODS = 6
"""Periods that a group must have to be judged: of fewer, nobody can tell what is usual."""
_RANGE_TO_SIGMA = 1.128
"""Mean absolute difference of two normal values, in standard deviations (d2 of Shewhart's charts)."""


@dataclass(frozen=True)
class Process:
    """What a group's periods have in common.

    Attributes:
        hazard: opt-outs per contact and day.
        usual: the rate that each period has at that hazard.
        spread: standard deviation of the periods beyond that of chance, 1 where there is no more than chance.
    """

    hazard: float
    usual: Numbers
    spread: float


def process(opt_outs: Numbers, at_risk: Numbers, days: Numbers) -> Process:
    """Estimate what periods have in common, from their counts in the order of time.

    Example:
        >>> found = process(np.array([2.0, 4.0]), np.array([100.0, 100.0]), np.array([7.0, 7.0]))
        >>> found.usual.round(6).tolist(), round(found.spread, 3)
        ([0.03, 0.03], 1.039)
    """
    hazard = _hazard(opt_outs, at_risk, days)
    usual = -np.expm1(-hazard * days)
    error = np.sqrt(usual * (1 - usual) / at_risk)
    if not np.all(error > 0):
        return Process(hazard, usual, 1.0)
    z = (opt_outs / at_risk - usual) / error
    ranges = np.abs(np.diff(z))
    # Less than chance is chance, too: limits are not made narrower by it.
    spread = max(1.0, float(ranges.mean()) / _RANGE_TO_SIGMA) if len(ranges) else 1.0
    return Process(hazard, usual, spread)


def _hazard(opt_outs: Numbers, at_risk: Numbers, days: Numbers) -> float:
    """Find the constant hazard at which as many opt-outs are expected as there were."""
    seen = float(opt_outs.sum())
    if not seen:
        return 0.0
    if seen >= at_risk.sum():
        return np.inf
    low, high = 0.0, 1.0
    while float((at_risk * -np.expm1(-high * days)).sum()) < seen:
        high *= 2
    for _ in range(200):
        middle = (low + high) / 2
        too_few = float((at_risk * -np.expm1(-middle * days)).sum()) < seen
        low, high = (middle, high) if too_few else (low, middle)
    return (low + high) / 2


def limits(found: Process, at_risk: Numbers, z: float) -> tuple[Numbers, Numbers]:
    """Return the lowest and highest rate that each period may have.

    Laney's limits are `usual -/+ z * spread * sqrt(usual (1 - usual) / at_risk)`. Where few opt-outs are expected,
    counts are skewed and go beyond them by chance: there the limits are those of a Poisson count (by Wilson and
    Hilferty's cube root), where they are wider.

    Example:
        >>> at_risk = np.array([1000.0, 1000.0])
        >>> low, high = limits(process(np.array([48.0, 52.0]), at_risk, np.array([7.0, 7.0])), at_risk, 3)
        >>> low.round(3).tolist(), high.round(3).tolist()
        ([0.029, 0.029], [0.073, 0.073])
    """
    reach = z * found.spread * np.sqrt(found.usual * (1 - found.usual) / at_risk)
    variance = found.spread**2
    expected = at_risk * found.usual / variance
    most = _cube_root_count(expected, z) * variance / at_risk
    least = (_cube_root_count(expected, -z) * variance - 1) / at_risk
    return (
        np.maximum(np.minimum(found.usual - reach, least), 0),
        np.minimum(np.maximum(found.usual + reach, most), 1),
    )


def _cube_root_count(expected: Numbers, z: float) -> Numbers:
    """Return the shape of the gamma distribution that lies below `expected` with the normal probability beyond z.

    A Poisson count reaches k with the probability that a gamma value of shape k lies below its mean; and a gamma
    value's cube root is nearly normal (Wilson and Hilferty 1931, PNAS 17:684).
    """
    low, high = np.full_like(expected, 1e-9), 2 * expected + 10 * (z**2 + 1)
    for _ in range(80):
        shape = (low + high) / 2
        root = np.sqrt(shape)
        below = 3 * root - 1 / (3 * root) - 3 * np.cbrt(expected) * shape ** (1 / 6) < z
        low, high = np.where(below, shape, low), np.where(below, high, shape)
    return (low + high) / 2


def joint_quantile(confidence: float, periods: int) -> float:
    """Return the z within which all of so many periods lie, with this confidence (Šidák 1967, JASA 62:626).

    Example:
        >>> round(joint_quantile(0.95, 1), 2), round(joint_quantile(0.95, 52), 2)
        (1.96, 3.29)
    """
    normal_quantile(confidence)  # refuses what is no share
    return normal_quantile(confidence ** (1 / max(periods, 1)))
