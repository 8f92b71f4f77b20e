"""Survival from looks at regular intervals: a discrete-time model with a complementary log-log link.

R. L. Prentice and L. A. Gloeckler (1978), Biometrics 34:57. A contact that was subscribed at one look has left by the
next with the probability 1 - exp(-U), where U is the hazard of its ages in between, and log U is linear: one level for
each stretch of age as long as the time between two looks. Unlike Turnbull's estimator it has few levels, and so an
interval of the usual kind.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sendblue_data.history.turnbull import Lives, Numbers

_MOST_STEPS = 5_000
_TOLERANCE = 1e-10


@dataclass(frozen=True)
class GroupedTime:
    """A hazard a day for each stretch of age, and the covariance of these."""

    width: float
    hazard: Numbers
    covariance: Numbers

    def cumulative(self, ages: Numbers) -> tuple[Numbers, Numbers]:
        """Return the cumulative hazard at these ages, and its standard error."""
        days = overlap(np.zeros_like(ages), ages, self.width, len(self.hazard))
        variance = np.einsum("ij,jk,ik->i", days, self.covariance, days)
        return days @ self.hazard, np.sqrt(np.maximum(variance, 0.0))


def overlap(start: Numbers, end: Numbers, width: float, stretches: int) -> Numbers:
    """Return how many days of each stretch of age lie in each interval: a row an interval.

    Example:
        >>> overlap(np.array([5.0]), np.array([12.0]), 7, 2).tolist()
        [[2.0, 5.0]]
    """
    begin = width * np.arange(stretches)
    low, high = np.maximum(start[:, None], begin), np.minimum(end[:, None], begin + width)
    return np.asarray(np.maximum(high - low, 0.0))


def grouped_time(lives: Lives, width: float) -> GroupedTime:
    """Estimate by maximum likelihood, of one life at least; `width` is the time between two looks, in days."""
    ended = lives.ended
    until = np.where(ended, lives.before, lives.after)
    stretches = int(np.ceil(until.max() / width))
    watched = lives.number @ overlap(lives.entry, lives.after, width, stretches)
    number = lives.number[ended]
    within = overlap(lives.after[ended], lives.before[ended], width, stretches)
    exposed = watched + number @ within
    hazard = np.full(stretches, number.sum() / exposed.sum())
    for _ in range(_MOST_STEPS):
        share = number / -np.expm1(-np.maximum(within @ hazard, 1e-300))
        step = hazard * (share @ within) / np.maximum(exposed, 1e-300)
        still = np.abs(step - hazard).max() <= _TOLERANCE * step.max()
        hazard = step
        if still:
            break
    gone = within @ hazard
    curve = number * np.exp(-gone) / np.maximum(np.expm1(-gone) ** 2, 1e-300)
    information = (within * curve[:, None]).T @ within
    some = hazard > _TOLERANCE
    covariance = np.zeros((stretches, stretches))
    covariance[np.ix_(some, some)] = np.linalg.pinv(information[np.ix_(some, some)])
    return GroupedTime(width, hazard, covariance)
