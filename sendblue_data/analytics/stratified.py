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
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]
    Wholes = npt.NDArray[np.int64]
    Flags = npt.NDArray[np.bool_]

_AT_ONCE = 2_000_000
"""Sums, of a stratum and a mark, that are held together: 16 MB, whatever the account's size."""
_ALONE, _FEWEST = 2**18, 128
"""Multiplications that a BLAS does on one core, and strata that are worth a call. A product of many strata and few
marks is slower on several cores: they wait for each other."""
_STEPS, _CLOSE = 60, 1e-10
_SAME = 1e-8
"""Share of a tag's own information below which it can't be told from other tags."""
_ENDLESS = 15.0
"""A coefficient, or an error of one, beyond this has run away: the data hold no ratio."""


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
    error = math.sqrt(max(float(spread.sum()), 0.0) / (above * below))
    if error >= _ENDLESS:
        return Ratio(None, None, None, contacts, None)
    reach = math.exp(z * error)
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
class Cells:
    """Cells in the order of their strata.

    Attributes:
        stratum: its number, rising from 0 without a gap.
        part: as in `Strata`; cells of one stratum are of one part.
        contacts: whose state is known.
        events: opt-outs.
        rows: number of a cell, rising, for each mark that a cell has.
        marks: the mark's number, of the same length.
        kinds: how many marks there are.
    """

    stratum: Wholes
    part: Wholes
    contacts: Floats
    events: Floats
    rows: Wholes
    marks: Wholes
    kinds: int

    @cached_property
    def strata(self) -> int:
        """How many there are."""
        return int(self.stratum[-1]) + 1 if len(self.stratum) else 0

    @cached_property
    def marked_stratum(self) -> Wholes:
        """The stratum of each mark."""
        return self.stratum[self.rows]

    @cached_property
    def pairs(self) -> tuple[Wholes, Wholes]:
        """Every two marks of one cell, each with itself too: the cell's number, and the pair's."""
        import numpy as np  # noqa: PLC0415 -- as above

        sizes = np.bincount(self.rows, minlength=len(self.stratum))
        many = sizes[self.rows]
        first = np.repeat(np.arange(len(self.rows)), many)
        starts = (np.cumsum(sizes) - sizes)[self.rows]
        nth = np.arange(len(first)) - np.repeat(np.cumsum(many) - many, many)
        second = starts[first] + nth
        return self.rows[first], self.marks[first] * self.kinds + self.marks[second]

    def by_stratum(self, values: Floats) -> Floats:
        """Sum values of cells over each stratum."""
        import numpy as np  # noqa: PLC0415 -- as above

        return np.bincount(self.stratum, values, self.strata).astype(np.float64)

    def by_mark(self, values: Floats) -> Floats:
        """Sum values of cells over those that have each mark."""
        import numpy as np  # noqa: PLC0415 -- as above

        return np.bincount(self.marks, values[self.rows], self.kinds).astype(np.float64)

    def by_pair(self, values: Floats) -> Floats:
        """Sum values of cells over those that have each two marks."""
        import numpy as np  # noqa: PLC0415 -- as above

        rows, pairs = self.pairs
        sums = np.bincount(pairs, values[rows], self.kinds**2).astype(np.float64)
        return sums.reshape(self.kinds, self.kinds)

    def only(self, keep: Flags) -> Cells:
        """Return some cells, and of these the strata that tell something: two cells or more, and an event."""
        import numpy as np  # noqa: PLC0415 -- as above

        cells = np.bincount(self.stratum[keep], minlength=self.strata)
        events = np.bincount(self.stratum[keep], self.events[keep], minlength=self.strata)
        keep = keep & ((cells > 1) & (events > 0))[self.stratum]
        _, numbers = np.unique(self.stratum[keep], return_inverse=True)
        kept = keep[self.rows]
        rows = (np.cumsum(keep) - 1)[self.rows[kept]]
        return Cells(
            numbers.astype(np.int64), self.part[keep], self.contacts[keep], self.events[keep],
            rows, self.marks[kept], self.kinds,
        )  # fmt: skip

    def products(self, one: Floats, other: Floats, scale: Floats) -> Floats:
        """Sum over strata, times its scale, the sums by mark of one and of the other, each by each."""
        import numpy as np  # noqa: PLC0415 -- as above

        total = np.zeros((self.kinds, self.kinds))
        width = max(_AT_ONCE // max(self.kinds, 1), 1)
        block = max(_ALONE // max(self.kinds, 1) ** 2, _FEWEST)
        for start in range(0, self.strata, width):
            stop = min(start + width, self.strata)
            some = slice(*np.searchsorted(self.marked_stratum, [start, stop]))
            place = (self.marked_stratum[some] - start) * self.kinds + self.marks[some]
            shape = (stop - start, self.kinds)
            left = np.bincount(place, one[self.rows[some]], math.prod(shape)).reshape(shape)
            right = left
            if other is not one:
                right = np.bincount(place, other[self.rows[some]], math.prod(shape)).reshape(shape)
            scaled = scale[start:stop, None] * right
            for at in range(0, stop - start, block):
                total += left[at : at + block].T @ scaled[at : at + block]
        return total


def modified_poisson(cells: Cells, z: float) -> list[Ratio]:
    """Return the ratio of each mark while the others are held, within strata.

    The rate of a cell is its stratum's level times a ratio for each of its marks.

    Args:
        cells: in the order of their strata.
        z: normal quantile of the intervals.
    """
    told, logs, silent = _fitted(cells)
    errors, is_sure = _errors(told, logs, ~silent)
    varies, contacts = _parts(told, logs), _alike(cells)
    ratios = []
    for mark in range(cells.kinds):
        if silent[mark]:
            ratios.append(_silent(cells, logs, silent, mark, z))
        elif not is_sure[mark]:
            ratios.append(NOTHING)
        else:
            reach = z * errors[mark]
            low, ratio, high = (math.exp(logs[mark] + by) for by in (-reach, 0.0, reach))
            ratios.append(Ratio(ratio, low, high, contacts[mark], varies[mark]))
    return ratios


def log_ratios(cells: Cells) -> Floats:
    """Return the logarithm of each ratio of `modified_poisson`, minus infinity where nobody with the mark opted out."""
    import numpy as np  # noqa: PLC0415 -- as above

    _, logs, silent = _fitted(cells)
    return np.where(silent, -np.inf, logs)


def _fitted(cells: Cells) -> tuple[Cells, Floats, Flags]:
    """Fit the coefficients: return the cells that tell something, the coefficients, and the marks without an event."""
    import numpy as np  # noqa: PLC0415 -- as above

    silent = np.zeros(cells.kinds, np.bool_)
    told = cells.only(np.ones(len(cells.stratum), np.bool_))
    while True:
        # Nobody with such a mark opted out: its ratio is 0, and its contacts say nothing of the other marks.
        found: Flags = np.logical_and(told.by_mark(told.events) == 0, ~silent)
        if not found.any():
            break
        silent |= found
        hushed = np.bincount(told.rows, silent[told.marks], len(told.stratum)) > 0
        told = told.only(np.logical_not(hushed))
    return told, _fit(told, ~silent), silent


def _linear(cells: Cells, logs: Floats) -> Floats:
    """Return the sum of the coefficients of each cell's marks."""
    import numpy as np  # noqa: PLC0415 -- as above

    return np.bincount(cells.rows, logs[cells.marks], len(cells.stratum)).astype(np.float64)


def _likelihood(cells: Cells, logs: Floats) -> float:
    import numpy as np  # noqa: PLC0415 -- as above

    linear = _linear(cells, logs)
    total = cells.by_stratum(cells.contacts * np.exp(linear))
    return float((cells.events * linear).sum() - (cells.by_stratum(cells.events) * np.log(total)).sum())


def _expected(cells: Cells, logs: Floats) -> tuple[Floats, Floats, Floats]:
    """Return the expected events of each cell, those of each stratum, and the coefficients' information."""
    import numpy as np  # noqa: PLC0415 -- as above

    weight, events = cells.contacts * np.exp(_linear(cells, logs)), cells.by_stratum(cells.events)
    expected = weight * (events / cells.by_stratum(weight))[cells.stratum]
    return expected, events, cells.by_pair(expected) - cells.products(expected, expected, 1 / events)


def _fit(cells: Cells, used: Flags) -> Floats:
    """Return the coefficients of the largest likelihood, by Newton's method with halved steps."""
    import numpy as np  # noqa: PLC0415 -- as above

    logs = np.zeros(len(used))
    best = _likelihood(cells, logs)
    for _ in range(_STEPS):
        expected, _, bend = _expected(cells, logs)
        slope = cells.by_mark(cells.events - expected)
        step = np.zeros(len(used))
        step[used] = np.linalg.pinv(bend[np.ix_(used, used)], rcond=_SAME, hermitian=True) @ slope[used]
        if slope @ step < _CLOSE:
            return logs + step
        size = 1.0
        while size > _SAME and (found := _likelihood(cells, logs + size * step)) < best:
            size /= 2
        if size <= _SAME:
            break
        logs, best = logs + size * step, found
    return logs


def _errors(cells: Cells, logs: Floats, used: Flags) -> tuple[Floats, Flags]:
    """Return Zou's robust standard errors, and which marks the data can tell apart at all."""
    import numpy as np  # noqa: PLC0415 -- as above

    expected, events, bend = _expected(cells, logs)
    n, y, chance = cells.contacts, cells.events, expected / cells.contacts
    # A stratum's level is made of its own contacts, two or more, so what they miss it by is a little too small.
    size = cells.by_stratum(n)[cells.stratum]
    missed = (y * (1 - 2 * chance) + n * chance**2) * size / (size - 1)
    across = cells.products(missed, expected, 1 / events)
    around = cells.products(expected, expected, cells.by_stratum(missed) / events**2)
    meat = cells.by_pair(missed) - across - across.T + around
    own = np.sqrt(np.maximum(np.diag(bend), 0))
    used = used & (own > _SAME) & (np.abs(logs) < _ENDLESS)
    errors = np.full(len(used), np.nan)
    if used.any():
        scaled = bend[np.ix_(used, used)] / np.outer(own[used], own[used])
        values, vectors = np.linalg.eigh(scaled)
        mixed = (np.abs(vectors[:, values < _SAME]) > _SAME**0.5).any(axis=1)
        inverse = np.linalg.pinv(bend[np.ix_(used, used)], rcond=_SAME, hermitian=True)
        errors[used] = np.sqrt(np.maximum(np.diag(inverse @ meat[np.ix_(used, used)] @ inverse), 0))
        used[np.flatnonzero(used)[mixed]] = False
    return errors, used & (np.nan_to_num(errors, nan=np.inf) < _ENDLESS)


def _parts(cells: Cells, logs: Floats) -> list[float | None]:
    """Return for each mark the p that its ratio is one in all parts."""
    import numpy as np  # noqa: PLC0415 -- as above

    if not cells.strata:
        return [None] * cells.kinds
    parts = int(cells.part.max()) + 1
    expected, events, _ = _expected(cells, logs)
    place = cells.part[cells.rows] * cells.kinds + cells.marks
    missed, spread = (
        np.bincount(place, values[cells.rows], parts * cells.kinds)
        .astype(np.float64)
        .reshape(parts, cells.kinds)
        for values in (cells.events - expected, expected)
    )
    first = np.flatnonzero(np.diff(cells.stratum, prepend=-1))
    for part in range(parts):
        inside = np.where(cells.part[first] == part, 1 / events, 0.0)
        spread[part] -= np.diag(cells.products(expected, expected, inside))
    every = np.arange(parts)
    return [_varies_p(every, missed[:, mark], np.maximum(spread[:, mark], 0)) for mark in range(cells.kinds)]


def _alike(cells: Cells) -> list[int]:
    """Count for each mark the contacts with it that have some without it in their stratum."""
    import numpy as np  # noqa: PLC0415 -- as above

    pairs = cells.marked_stratum * cells.kinds + cells.marks
    places, which = np.unique(pairs, return_inverse=True)
    size = np.bincount(which, cells.contacts[cells.rows])
    some = size < cells.by_stratum(cells.contacts)[places // cells.kinds]
    counts = np.bincount(places[some] % cells.kinds, size[some], cells.kinds)
    return [int(count) for count in counts]


def _silent(cells: Cells, logs: Floats, silent: Flags, mark: int, z: float) -> Ratio:
    """Return the ratio of a mark with which nobody opted out: 0, and up to where none would be rare."""
    import numpy as np  # noqa: PLC0415 -- as above

    has = np.bincount(cells.rows, cells.marks == mark, len(cells.stratum)) > 0
    others = np.bincount(cells.rows, silent[cells.marks], len(cells.stratum)) > has
    weight = np.where(others, 0.0, cells.contacts * np.exp(_linear(cells, np.where(silent, 0.0, logs))))
    silence, part = np.zeros(cells.strata), np.zeros(cells.strata, np.int64)
    expected, rest = cells.by_stratum(weight * has), cells.by_stratum(weight * ~has)
    sets = Strata(
        silence, expected, cells.by_stratum(cells.events), rest, cells.by_stratum(cells.contacts * has), part
    )
    return mantel_haenszel(sets, z, counts=False)
