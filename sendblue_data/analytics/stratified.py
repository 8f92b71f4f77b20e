"""Ratios of rates among contacts who are alike: Mantel and Haenszel's, and modified Poisson within strata.

Both take cells, counts of contacts of one stratum (the same age and line) and one make-up. NumPy does the sums; it
comes with Matplotlib and loads when first used. Sources:

- One ratio over many strata: S. Greenland and J. M. Robins (1985), Biometrics 41:55, their variances for risks, and
  for events per expected event.
- Many ratios at once: G. Zou (2004), Am. J. Epidemiol. 159:702, Poisson regression with a robust variance. Each
  stratum has its own level, which is profiled out, so that any number of them may be.
- Whether a ratio is the same everywhere: the conditional binomial's chi-squared, as in N. E. Breslow and N. E. Day
  (1987), Statistical Methods in Cancer Research II, section 3.6.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]
    Wholes = npt.NDArray[np.int64]
    Flags = npt.NDArray[np.bool_]

_ROWS = 50_000
"""Cells that are looked at together: a model of 100 tags then takes 40 MB, whatever the account's size."""
_STEPS, _CLOSE = 60, 1e-10
_SAME = 1e-8
"""Share of a tag's own information below which it can't be told from other tags."""
_ENDLESS = 15.0
"""A coefficient beyond this has run away: the data hold no ratio."""


@dataclass(frozen=True)
class Ratio:
    """A ratio of rates with its interval, what it rests on, and the p that it is the same in every part.

    Attributes:
        ratio: None where no contact of the set is like one of the rest.
        low: lower end of the interval.
        high: upper end; infinite where nobody of the rest opted out.
        contacts: of the set, those who are like some of the rest.
        varies_p: p that one ratio holds in all parts; None where there is one part.
    """

    ratio: float | None
    low: float | None
    high: float | None
    contacts: int
    varies_p: float | None


NOTHING = Ratio(None, None, None, 0, None)


@dataclass(frozen=True)
class Strata:
    """A set beside the rest, stratum by stratum; arrays of one length.

    Attributes:
        events: opt-outs of the set.
        expected: contacts of the set, or the opt-outs that are expected of them but for a factor.
        rest_events: opt-outs of the rest.
        rest_expected: the same of the rest as `expected`.
        contacts: of the set, whose state is known.
        part: number of the part in which the ratio might be another.
    """

    events: Floats
    expected: Floats
    rest_events: Floats
    rest_expected: Floats
    contacts: Floats
    part: Wholes


def mantel_haenszel(strata: Strata, z: float, *, counts: bool) -> Ratio:
    """Return Mantel and Haenszel's ratio of a set's rate to the rest's.

    Args:
        strata: the counts.
        z: normal quantile of the interval.
        counts: whether `expected` are contacts, so that no more than all can opt out.
    """
    import numpy as np  # noqa: PLC0415 -- importing the package must not load it

    alike = (strata.expected > 0) & (strata.rest_expected > 0)
    a, e1, b, e0 = (
        part[alike] for part in (strata.events, strata.expected, strata.rest_events, strata.rest_expected)
    )
    contacts, whole, both = int(strata.contacts[alike].sum()), e1 + e0, a + b
    above, below = float((a * e0 / whole).sum()), float((b * e1 / whole).sum())
    if above == 0 and below == 0:
        return Ratio(None, None, None, contacts, None)
    # Of a stratum's opt-outs each is the set's with a chance that the ratio gives: the end is where the chance that
    # all are on one side falls to half of what the interval leaves out.
    rare = -math.log(math.erfc(z / math.sqrt(2)) / 2)
    if above == 0:
        high = _root(lambda ratio: float((both * np.log1p(ratio * e1 / e0)).sum()) - rare)
        return Ratio(0.0, 0.0, high, contacts, None)
    if below == 0:
        low = _root(lambda ratio: rare - float((both * np.log1p(e0 / (ratio * e1))).sum()))
        return Ratio(math.inf, low, math.inf, contacts, None)
    ratio = above / below
    spread = both * e1 * e0 / whole**2 - (a * b / whole if counts else 0)
    reach = math.exp(z * math.sqrt(max(float(spread.sum()), 0.0) / (above * below)))
    share = ratio * e1 / (ratio * e1 + e0)
    varies = _varies_p(strata.part[alike], a - both * share, both * share * (1 - share))
    return Ratio(ratio, ratio / reach, ratio * reach, contacts, varies)


def _root(excess: Callable[[float], float]) -> float:
    """Return where a rising function of a ratio is 0, halving on the log scale."""
    low, high = -60.0, 60.0
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (low, middle) if excess(math.exp(middle)) > 0 else (middle, high)
    return math.exp(low)


def _varies_p(part: Wholes, missed: Floats, spread: Floats) -> float | None:
    """Return the p that what each part misses is chance."""
    import numpy as np  # noqa: PLC0415 -- as above

    total, variance = np.bincount(part, missed), np.bincount(part, spread)
    judged = variance > 0
    freedom = int(judged.sum()) - 1
    return (
        chi_squared_p(float((total[judged] ** 2 / variance[judged]).sum()), freedom) if freedom > 0 else None
    )


def chi_squared_p(value: float, freedom: int) -> float:
    """Return the chance that a chi-squared of so many degrees of freedom is larger.

    Example:
        >>> round(chi_squared_p(3.841459, 1), 6), round(chi_squared_p(9.487729, 4), 6)
        (0.05, 0.05)
    """
    half, odd = value / 2, freedom % 2
    if half <= 0:
        return 1.0
    # Every second degree adds half ** k / gamma(k + 1) * exp(-half).
    powers = [degree + odd / 2 for degree in range(freedom // 2)]
    more = sum(math.exp(k * math.log(half) - half - math.lgamma(k + 1)) for k in powers)
    return min((math.erfc(math.sqrt(half)) if odd else 0.0) + more, 1.0)


@dataclass(frozen=True)
class Model:
    """The rate of each cell as its stratum's level times a ratio for each of its marks.

    Attributes:
        ratios: one a mark, with its interval.
        logs: the logarithm of each ratio, minus infinity where nobody with the mark opted out.
    """

    ratios: list[Ratio]
    logs: Floats


@dataclass(frozen=True)
class Cells:
    """Cells in the order of their strata.

    Attributes:
        stratum: its number, rising from 0 without a gap.
        part: as in `Strata`.
        marks: a row a cell, a column a mark: who has it.
        contacts: whose state is known.
        events: opt-outs.
    """

    stratum: Wholes
    part: Wholes
    marks: Flags
    contacts: Floats
    events: Floats

    def only(self, keep: Flags) -> Cells:
        """Return some cells, and of these the strata that tell something: two cells or more, and an event."""
        import numpy as np  # noqa: PLC0415 -- as above

        strata = int(self.stratum[-1]) + 1 if len(self.stratum) else 0
        rows = np.bincount(self.stratum[keep], minlength=strata)
        events = np.bincount(self.stratum[keep], self.events[keep], minlength=strata)
        keep = keep & ((rows > 1) & (events > 0))[self.stratum]
        _, numbers = np.unique(self.stratum[keep], return_inverse=True)
        return Cells(
            numbers.astype(np.int64),
            self.part[keep],
            self.marks[keep],
            self.contacts[keep],
            self.events[keep],
        )

    def blocks(self) -> Iterator[slice]:
        """Yield whole strata, some thousand cells at a time."""
        import numpy as np  # noqa: PLC0415 -- as above

        ends = np.append(np.flatnonzero(np.diff(self.stratum)) + 1, len(self.stratum))
        start = 0
        while start < len(self.stratum):
            reach = ends[np.searchsorted(ends, start + _ROWS, side="right") - 1]
            stop = int(reach if reach > start else ends[np.searchsorted(ends, start, side="right")])
            yield slice(start, stop)
            start = stop


def modified_poisson(cells: Cells, z: float) -> Model:
    """Return the ratio of each mark while the others are held, within strata.

    Args:
        cells: in the order of their strata.
        z: normal quantile of the intervals.
    """
    import numpy as np  # noqa: PLC0415 -- as above

    marks = cells.marks.shape[1]
    silent = np.zeros(marks, np.bool_)
    told = cells.only(np.ones(len(cells.stratum), np.bool_))
    while True:
        # Nobody with such a mark opted out: its ratio is 0, and its contacts say nothing of the other marks.
        found: Flags = np.logical_and(told.events @ told.marks == 0, ~silent)
        if not found.any():
            break
        silent |= found
        told = told.only(np.logical_not(told.marks[:, silent].any(axis=1)))
    logs = _fit(told, ~silent)
    errors, is_sure = _errors(told, logs, ~silent)
    varies, contacts = _parts(told, logs), _alike(cells)
    ratios = []
    for mark in range(marks):
        if silent[mark]:
            ratios.append(_silent(cells, logs, silent, mark, z))
        elif not is_sure[mark]:
            ratios.append(NOTHING)
        else:
            reach = z * errors[mark]
            low, ratio, high = (math.exp(logs[mark] + by) for by in (-reach, 0.0, reach))
            ratios.append(Ratio(ratio, low, high, contacts[mark], varies[mark]))
    return Model(ratios, np.where(silent, -np.inf, logs))


@dataclass(frozen=True)
class _Block:
    """Some strata under given coefficients."""

    x: Floats
    mean: Floats
    """Of the marks in each cell's stratum, weighed by expected events."""
    expected: Floats
    likelihood: float


def _block(cells: Cells, some: slice, logs: Floats) -> _Block:
    import numpy as np  # noqa: PLC0415 -- as above

    x = cells.marks[some].astype(np.float64)
    stratum = cells.stratum[some]
    starts = np.flatnonzero(np.diff(stratum, prepend=stratum[0] - 1))
    place = np.cumsum(np.diff(stratum, prepend=stratum[0]) > 0)
    linear = x @ logs
    weight = cells.contacts[some] * np.exp(linear)
    total, events = np.add.reduceat(weight, starts), np.add.reduceat(cells.events[some], starts)
    mean = np.add.reduceat(x * weight[:, None], starts) / total[:, None]
    likelihood = float(cells.events[some] @ linear - events @ np.log(total))
    return _Block(x, mean[place], weight * (events / total)[place], likelihood)


def _fit(cells: Cells, used: Flags) -> Floats:
    """Return the coefficients of the largest likelihood, by Newton's method with halved steps."""
    import numpy as np  # noqa: PLC0415 -- as above

    logs = np.zeros(len(used))
    blocks = list(cells.blocks())

    def likelihood(at: Floats) -> float:
        return sum(_block(cells, some, at).likelihood for some in blocks)

    best = likelihood(logs)
    for _ in range(_STEPS):
        slope, bend = np.zeros(len(used)), np.zeros((len(used), len(used)))
        for some in blocks:
            block = _block(cells, some, logs)
            slope += block.x.T @ (cells.events[some] - block.expected)
            apart = block.x - block.mean
            bend += apart.T @ (block.expected[:, None] * apart)
        step = np.zeros(len(used))
        step[used] = np.linalg.pinv(bend[np.ix_(used, used)], rcond=_SAME, hermitian=True) @ slope[used]
        if slope @ step < _CLOSE:
            return logs + step
        size = 1.0
        while size > _SAME and (found := likelihood(logs + size * step)) < best:
            size /= 2
        if size <= _SAME:
            break
        logs, best = logs + size * step, found
    return logs


def _errors(cells: Cells, logs: Floats, used: Flags) -> tuple[Floats, Flags]:
    """Return Zou's robust standard errors, and which marks the data can tell apart at all."""
    import numpy as np  # noqa: PLC0415 -- as above

    bend, meat = np.zeros((2, len(used), len(used)))
    sizes = np.bincount(cells.stratum, cells.contacts)
    for some in cells.blocks():
        block, n, y = _block(cells, some, logs), cells.contacts[some], cells.events[some]
        apart, chance = block.x - block.mean, block.expected / n
        bend += apart.T @ (block.expected[:, None] * apart)
        # A stratum's level is made of its own contacts, so what they miss it by is a little too small.
        size = sizes[cells.stratum[some]]
        missed = (y * (1 - 2 * chance) + n * chance**2) * size / np.maximum(size - 1, 1)
        meat += apart.T @ (missed[:, None] * apart)
    own = np.sqrt(np.diag(bend))
    used = used & (own > 0) & (np.abs(logs) < _ENDLESS)
    errors = np.full(len(used), np.nan)
    if used.any():
        scaled = bend[np.ix_(used, used)] / np.outer(own[used], own[used])
        values, vectors = np.linalg.eigh(scaled)
        mixed = (np.abs(vectors[:, values < _SAME]) > _SAME**0.5).any(axis=1)
        inverse = np.linalg.pinv(bend[np.ix_(used, used)], rcond=_SAME, hermitian=True)
        errors[used] = np.sqrt(np.diag(inverse @ meat[np.ix_(used, used)] @ inverse))
        used[np.flatnonzero(used)[mixed]] = False
    return errors, used


def _parts(cells: Cells, logs: Floats) -> list[float | None]:
    """Return for each mark the p that its ratio is one in all parts."""
    import numpy as np  # noqa: PLC0415 -- as above

    marks, parts = cells.marks.shape[1], int(cells.part.max(initial=0)) + 1
    missed, spread = np.zeros((2, parts, marks))
    for some in cells.blocks():
        block, part = _block(cells, some, logs), cells.part[some]
        apart = block.x - block.mean
        np.add.at(missed, part, (cells.events[some] - block.expected)[:, None] * apart)
        np.add.at(spread, part, block.expected[:, None] * apart**2)
    every = np.arange(parts)
    return [_varies_p(every, missed[:, mark], spread[:, mark]) for mark in range(marks)]


def _alike(cells: Cells) -> list[int]:
    """Count for each mark the contacts with it that have some without it in their stratum."""
    import numpy as np  # noqa: PLC0415 -- as above

    whole = np.bincount(cells.stratum, cells.contacts)
    found = []
    for mark in range(cells.marks.shape[1]):
        size = np.bincount(cells.stratum, cells.contacts * cells.marks[:, mark])
        found.append(int(size[size < whole].sum()))
    return found


def _silent(cells: Cells, logs: Floats, silent: Flags, mark: int, z: float) -> Ratio:
    """Return the ratio of a mark with which nobody opted out: 0, and up to where none would be rare."""
    import numpy as np  # noqa: PLC0415 -- as above

    others = cells.marks[:, silent].sum(axis=1) - cells.marks[:, mark]
    weight = np.where(others == 0, cells.contacts * np.exp(cells.marks @ np.where(silent, 0.0, logs)), 0.0)
    has, strata = cells.marks[:, mark], int(cells.stratum.max(initial=0)) + 1

    def summed(values: Floats) -> Floats:
        return np.bincount(cells.stratum, values, strata).astype(np.float64)

    silence, part = np.zeros(strata), np.zeros(strata, np.int64)
    expected, rest, size = summed(weight * has), summed(weight * ~has), summed(cells.contacts * has)
    return mantel_haenszel(Strata(silence, expected, summed(cells.events), rest, size, part), z, counts=False)
