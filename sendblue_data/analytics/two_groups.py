"""Whether two groups' rates differ, and how many times one is the other: score intervals and exact tests.

NumPy solves for the bounds of many comparisons at once; it comes with Matplotlib and loads when first used. Sources:

- Interval of a relative risk: P. A. R. Koopman (1984), Biometrics 40:513, the score interval.
- p where counts are large: Pearson's chi-squared of the 2 by 2 table, one degree of freedom, no continuity
  correction, which is the squared pooled z-test and the score test that Koopman's interval inverts at 1.
- p where an expected count is small: R. A. Fisher (1935), JRSS 98:39, two-sided by the probability of a table.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import polars as pl

from sendblue_data.analytics.rates import Counts, normal_quantile, two_groups

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

EXACT_BELOW = 10_000.0
"""Tables whose smallest expected count is below this get Fisher's exact p. Among many tests only a far tail counts,
where chi-squared is wrong long after the textbook's 5 expected; from here on the two agree to a tenth at p = 0.0001."""
_HALVINGS = 80
_FARTHEST = 60.0
"""Of a bound, on the log scale: no counts that fit into memory reach it."""


def relative_risk(
    successes: Counts,
    trials: Counts,
    other_successes: Counts,
    other_trials: Counts,
    confidence: float = 0.95,
) -> pl.DataFrame:
    """Return how many times higher a rate is than another, with Koopman's score interval and a p of no difference.

    The p is Fisher's exact one where an expected count is below 10,000, which never calls too many differences;
    elsewhere Pearson's chi-squared, which agrees with the interval: it is below 1 - confidence where 1 lies outside.
    The exact p is a little larger, so at the edge it may see no difference where the interval leaves 1 out.

    Args:
        successes: how many were counted in each group, of `trials`.
        trials: size of each group.
        other_successes: the same for the rest that it is compared with; one value serves all.
        other_trials: its size.
        confidence: share of such intervals that hold the true ratio.

    Returns:
        A row a comparison: `relative_risk, relative_risk_low, relative_risk_high, p`, Float64. All null where
        either size is 0. Without a success in the group, the risk and its lower bound are 0; without one in the
        rest, the risk and its upper bound are infinite; the other bound is a number either way. Without one in
        both, the first three are null. p is null where nobody, or everybody, in both is a success.

    Raises:
        ConfigurationError: the confidence isn't between 0 and 1.
        FrameError: more successes than trials.

    Example:
        >>> relative_risk([27], [122], [44], [487]).row(0)
        (2.4495..., 1.5775..., 3.7499..., 0.000204...)
        >>> relative_risk([0], [30], [60], [1000]).row(0)[:3]
        (0.0, 0.0, 1.904...)
    """
    frame = two_groups(successes, trials, other_successes, other_trials)
    z2 = normal_quantile(confidence) ** 2
    a, n, c, m = (pl.col(name).cast(pl.Float64) for name in ("a", "n", "c", "m"))
    risk = pl.when((n > 0) & (m > 0) & ((a > 0) | (c > 0))).then(a * m / (c * n))
    table = frame.with_columns(relative_risk=risk, p=pl.Series(_differs(frame), dtype=pl.Float64))
    judged = table.with_row_index("row").filter(pl.col("relative_risk").is_not_null())
    low, high = _score_bounds(judged, z2)
    bounds = judged.select("row", relative_risk_low=pl.Series(low), relative_risk_high=pl.Series(high))
    return (
        table.with_row_index("row")
        .join(bounds, on="row", how="left", maintain_order="left")
        .select("relative_risk", "relative_risk_low", "relative_risk_high", "p")
    )


def _score_bounds(frame: pl.DataFrame, z2: float) -> tuple[Floats, Floats]:
    """Return Koopman's bounds of `a` of `n` over `c` of `m`, row by row."""
    import numpy as np  # noqa: PLC0415 -- importing the package must not load it

    a, n, c, m = (frame[name].cast(pl.Float64).to_numpy() for name in ("a", "n", "c", "m"))
    with np.errstate(all="ignore"):
        centre = np.log(a / n) - np.log(c / m)
        start = np.clip(centre, -_FARTHEST, _FARTHEST)
        low = _crossing(start, np.full_like(start, -_FARTHEST), z2, (a, n, c, m))
        high = _crossing(start, np.full_like(start, _FARTHEST), z2, (a, n, c, m))
    return np.where(a > 0, low, 0.0), np.where(c > 0, high, np.inf)


def _crossing(inside: Floats, outside: Floats, z2: float, counts: tuple[Floats, ...]) -> Floats:
    """Halve the way between ratios that fit the counts and ones that don't, on the log scale, to where they stop."""
    import numpy as np  # noqa: PLC0415 -- as above

    for _ in range(_HALVINGS):
        middle = (inside + outside) / 2
        fits = _score(np.exp(middle), *counts) <= z2
        inside, outside = np.where(fits, middle, inside), np.where(fits, outside, middle)
    bounds: Floats = np.exp(inside)
    return bounds


def _score(ratio: Floats, a: Floats, n: Floats, c: Floats, m: Floats) -> Floats:
    """Return the squared score statistic of a ratio: how ill it fits `a` of `n` and `c` of `m`."""
    import numpy as np  # noqa: PLC0415 -- as above

    # The most likely rate of the other group where the ratio holds: the smaller root of a square, without cancellation.
    ours, theirs = ratio * (n + c), a + m
    root = np.sqrt((ours - theirs) ** 2 + 4 * ratio * (n - a) * (m - c))
    other = 2 * (a + c) / (ours + theirs + root)
    own = ratio * other
    spread = own * (1 - own) / n + ratio**2 * other * (1 - other) / m
    scores: Floats = (a / n - ratio * c / m) ** 2 / spread
    return scores


def _differs(frame: pl.DataFrame) -> list[float | None]:
    """Return a two-sided p of one rate in both groups for each row; null where there is nothing to judge."""
    return [difference_p(*row) for row in frame.select("a", "n", "c", "m").iter_rows()]


def difference_p(a: int, n: int, c: int, m: int) -> float | None:
    """Return the two-sided p that `a` of `n` and `c` of `m` share one rate: exact where a count is small.

    Example:
        >>> difference_p(3, 20, 9, 400), difference_p(0, 5, 0, 9)
        (0.0154..., None)
    """
    both, size = a + c, n + m
    if not (n and m and 0 < both < size):
        return None
    # The smallest cell that is expected is where the fewer of successes and failures meet the smaller group.
    smallest = min(both, size - both) * min(n, m) / size
    if smallest < EXACT_BELOW:
        return _exact(a, n, both, size, smallest)
    chi2 = (a * (m - c) - c * (n - a)) ** 2 * size / (n * m * both * (size - both))
    return math.erfc(math.sqrt(chi2 / 2))


def overlap_p(a: int, n: int, c: int, m: int, both: int, common: int) -> float | None:
    """Return the two-sided p that `a` of `n` and `c` of `m` share one rate, `both` of `common` being in either.

    Chi-squared: the difference squared over its variance if all had the rate of all of them together; without anyone in
    common it is Pearson's.

    Example:
        >>> round(overlap_p(30, 400, 48, 400, 12, 160), 4), round(overlap_p(3, 20, 9, 400, 0, 0), 4)
        (0.0069, 0.0008)
    """
    size, hits = n + m - common, a + c - both
    if not (n and m and 0 < hits < size):
        return None
    # How much one contact of each kind weighs in the difference, squared, times how many there are.
    weights = (n - common) / n**2 + (m - common) / m**2 + common * (1 / n - 1 / m) ** 2
    if weights <= 0:
        return None
    rate = hits / size
    return math.erfc(abs(a / n - c / m) / math.sqrt(2 * rate * (1 - rate) * weights))


def _exact(found: int, drawn: int, both: int, size: int, smallest: float) -> float:
    """Return Fisher's p: the tables with these margins that are no more likely than the one found.

    The variance of a cell is at most the smallest count that is expected (and a share of `1 / size` of it).
    """
    import numpy as np  # noqa: PLC0415 -- as above

    first, last = max(0, drawn + both - size), min(drawn, both)
    middle = drawn * both / size
    # Beyond 40 standard deviations and as many counts nothing is left that a float could tell from 0.
    reach = 40 * math.sqrt(smallest) + 60
    first = min(max(first, int(middle - reach)), found)
    last = max(min(last, int(middle + reach)), found)
    counts: Any = np.arange(first, last, dtype=np.float64)
    steps = np.log((drawn - counts) * (both - counts)) - np.log(
        (counts + 1) * (size - drawn - both + counts + 1)
    )
    logs = np.concatenate([[0.0], np.cumsum(steps)])
    chances = np.exp(logs - logs.max())
    tail = chances[logs <= logs[found - first] + 1e-7].sum()
    return float(tail / chances.sum())
