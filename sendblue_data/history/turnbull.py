"""Turnbull's estimator: the survival curve of lives of which looks show only between which ages they ended.

B. W. Turnbull (1976), JRSS B 38:290, with H. Frydman's mass points under left truncation (1994), JRSS B 56:71. In place
of masses, hazards are estimated: the likelihood is concave in them, and a life that entered late only has fewer terms.
The EM steps are those of a Poisson count that is known to be at least 1 (L. Wang, C. S. McMahan, M. G. Hudgens and
Z. P. Qureshi 2016, Biometrics 72:222), made faster by extrapolation (SQUAREM; R. Varadhan and C. Roland 2008, Scand. J.
Statist. 35:335).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]

_MOST_STEPS = 6_000
_TOLERANCE = 1e-8
"""Largest change of the curve in two steps at which it is taken for found."""
_OF_ERROR = 0.001
"""The same in a bootstrap, of the standard error of a share of one half: steps are short beside the way that is left,
and with 0.01 bounds were up to a tenth too narrow."""
_NOBODY = 1e-9


@dataclass(frozen=True)
class Lives:
    """Distinct lives: watched from `entry`, ended in (`after`, `before`] (`inf`: not yet), and how many are so."""

    entry: Numbers
    after: Numbers
    before: Numbers
    number: Numbers

    @property
    def ended(self) -> npt.NDArray[np.bool_]:
        """Which of them were seen to end."""
        return np.isfinite(self.before)


@dataclass(frozen=True)
class Cells:
    """Where the curve may fall: within (`start[k]`, `end[k]`], and over which of these each life says something."""

    start: Numbers
    end: Numbers
    entry: Places
    after: Places
    before: Places


def cells_of(lives: Lives) -> Cells:
    """Return the intervals in which the curve may fall.

    They begin where a life was last seen going on, and end where one was first seen ended, or where one entered, with
    nothing of either kind in between (Frydman), and somebody ended around them.

    Example:
        >>> two = Lives(*(np.array(column, float) for column in ([0, 0], [0, 2], [3, np.inf], [1, 1])))
        >>> cells = cells_of(two)
        >>> cells.start.tolist(), cells.end.tolist()
        ([2.0], [3.0])
    """
    ended = lives.ended
    starts = np.unique(lives.after)
    ends = np.unique(np.concatenate([lives.before[ended], lives.entry[lives.entry > 0]]))
    points = np.concatenate([ends, starts])
    is_start = np.concatenate([np.zeros(len(ends), np.bool_), np.ones(len(starts), np.bool_)])
    # Intervals are open at the left: at one age, an end comes before a start.
    order = np.lexsort((is_start, points))
    points, is_start = points[order], is_start[order]
    first = np.flatnonzero(is_start[:-1] & ~is_start[1:])
    start, end = points[first], points[first + 1]
    begun, done = np.sort(lives.after[ended]), np.sort(lives.before[ended])
    around = np.searchsorted(begun, start, side="right") - np.searchsorted(done, start, side="right")
    start, end = start[around > 0], end[around > 0]
    after = np.searchsorted(start, lives.after)
    return Cells(
        start,
        end,
        np.searchsorted(start, lives.entry),
        after,
        np.where(ended, np.searchsorted(end, lives.before, side="right"), after),
    )


def hazards(
    lives: Lives, cells: Cells, number: Numbers | None = None, near: Numbers | None = None
) -> Numbers:
    """Return the cumulative hazard that lies in each cell, at which the lives are most likely.

    It is infinite where nobody was watched through a cell, or any after it, and somebody ended around it. Where others
    are watched later, one life counts as watched through the cell: they came through, although nobody saw it.

    Args:
        lives: the lives.
        cells: as `cells_of` gives them.
        number: how many there are of each, in a bootstrap; else as in `lives`.
        near: hazards that the answer is near to.
    """
    number = lives.number if number is None else number
    size = len(cells.start)
    watched = _spread(cells.entry, cells.after, number, size)
    ended = lives.ended & (number > 0)
    first, last, weight = cells.after[ended], cells.before[ended], number[ended]
    around = _spread(first, last, weight, size)
    unwatched = (watched <= _NOBODY) & (around > _NOBODY)
    # Whoever is watched at greater ages came through, unseen: the curve does not end where only a few were watched.
    later = cells.start < np.max(lives.after[number > 0], initial=0.0)
    watched = np.where(unwatched & later, 1.0, watched)
    endless = unwatched & ~later
    if endless.any():
        # Who ended around such a cell is explained by it, and says nothing of others.
        before = np.concatenate([[0], np.cumsum(endless)])
        open_still = before[first] == before[last]
        first, last, weight = first[open_still], last[open_still], weight[open_still]
        around = _spread(first, last, weight, size)
    first, last, weight = _distinct(first, last, weight, size)
    exposed = np.where(watched + around > _NOBODY, watched + around, 1.0)

    def step(hazard: Numbers) -> Numbers:
        sums = np.concatenate([[0.0], np.cumsum(hazard)])
        share = weight / -np.expm1(-np.maximum(sums[last] - sums[first], 1e-300))
        return np.maximum(hazard * _spread(first, last, share, size), 0.0) / exposed

    begin = np.where(
        around > _NOBODY, around / exposed / max(1.0, float(np.mean(last - first)) if len(first) else 1), 0
    )
    if near is not None:
        begin = (begin + np.where(np.isfinite(near), near, begin)) / 2
    loose = _OF_ERROR / np.sqrt(max(float(number.sum()), 1.0))
    found = _fixed_point(step, begin, _TOLERANCE if near is None else loose)
    return np.where(endless, np.inf, found)


def _fixed_point(step: Callable[[Numbers], Numbers], hazard: Numbers, tolerance: float) -> Numbers:
    """Repeat a step until the curve stands still, with extrapolation in between."""
    for _ in range(_MOST_STEPS // 3):
        one = step(hazard)
        two = step(one)
        if np.max(np.abs(np.exp(-np.cumsum(two)) - np.exp(-np.cumsum(hazard))), initial=0.0) < tolerance:
            return two
        change = one - hazard
        bend = two - one - change
        square = float(bend @ bend)
        length = min(-float(np.sqrt(change @ change / square)), -1.0) if square else -1.0
        leap = hazard - 2 * length * change + length**2 * bend
        # A hazard at 0 would stay there: none leaps so far down.
        hazard = step(np.maximum(leap, two / 10))
    return hazard


def _spread(first: Places, last: Places, weight: Numbers, size: int) -> Numbers:
    """Sum weights over cells: each counts in those from `first` to before `last`."""
    gains = np.bincount(first, weight, size + 1) - np.bincount(last, weight, size + 1)
    return np.cumsum(gains)[:size]


def _distinct(first: Places, last: Places, weight: Numbers, size: int) -> tuple[Places, Places, Numbers]:
    key, place = np.unique(first * (size + 1) + last, return_inverse=True)
    sums = np.bincount(place, weight, len(key)).astype(np.float64)
    return np.asarray(key // (size + 1)), np.asarray(key % (size + 1)), sums


def survival_at(cells: Cells, hazard: Numbers, ages: Numbers) -> Numbers:
    """Return the share that survives each age.

    Within a cell the data do not say where the curve falls: it is drawn as a straight line there.
    """
    share = np.exp(-np.concatenate([[0.0], np.cumsum(hazard)]))
    at, height = [np.array([-1.0])], [np.array([1.0])]
    at.append(np.column_stack([cells.start, cells.end]).ravel())
    height.append(np.column_stack([share[:-1], share[1:]]).ravel())
    return np.asarray(np.interp(ages, np.concatenate(at), np.concatenate(height)))


def bootstrap(lives: Lives, cells: Cells, hazard: Numbers, ages: Numbers, repeats: int) -> Numbers:
    """Estimate the curve again from lives drawn with replacement: a row a repeat, a column an age.

    The same lives give the same draws.
    """
    rng = np.random.default_rng(20_26)
    total = lives.number.sum()
    drawn = rng.multinomial(int(total), lives.number / total, size=repeats).astype(np.float64)
    return np.array([survival_at(cells, hazards(lives, cells, one, hazard), ages) for one in drawn])
