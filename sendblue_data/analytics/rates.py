"""Statistics of rates: Wilson and Newcombe intervals, false discovery rate.

Closed formulas over Polars columns. `statistics.NormalDist` (Wichura's AS 241, about 1e-16) gives the normal
quantile, so SciPy isn't needed. Sources:

- Wilson score interval: E. B. Wilson (1927), JASA 22:209; Brown, Cai and DasGupta (2001),
  Statist. Sci. 16:101.
- Difference of two rates: R. G. Newcombe (1998), Statist. Med. 17:873, method 10; where groups share contacts,
  G. Zou, W. Huang and X. Zhang (2009), Comput. Statist. Data Anal. 53:1080.
- q: Benjamini and Hochberg (1995), JRSS B 57:289.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist
from typing import NamedTuple, TypeAlias, overload

import polars as pl

from sendblue_data._shared.validation import check_number
from sendblue_data.errors import FrameError

Counts: TypeAlias = pl.Series | Sequence[int]
"""A column of counts: a Series, a list, or a NumPy array."""


class Interval(NamedTuple):
    """Two bounds: floats (None when there is nothing to judge), or a Series each."""

    low: float | None
    high: float | None


class Intervals(NamedTuple):
    """The bounds of many rates: a Series each, null where there is nothing to judge."""

    low: pl.Series
    high: pl.Series


def normal_quantile(confidence: float) -> float:
    """Return the z of a two-sided interval: 1.96 for 0.95.

    Raises:
        ConfigurationError: the confidence isn't between 0 and 1.

    Example:
        >>> round(normal_quantile(0.95), 6)
        1.959964
    """
    check_number(
        "confidence", confidence, lambda share: 0 < share < 1, "a share between 0 and 1, such as 0.95"
    )
    return NormalDist().inv_cdf(0.5 + confidence / 2)


@overload
def wilson_interval(successes: int, trials: int, confidence: float = ...) -> Interval: ...
@overload
def wilson_interval(successes: Counts, trials: Counts, confidence: float = ...) -> Intervals: ...
def wilson_interval(
    successes: int | Counts, trials: int | Counts, confidence: float = 0.95
) -> Interval | Intervals:
    """Return Wilson's score interval of a rate: honest for small groups and for rates near 0 or 1.

    Args:
        successes: how many were counted, of `trials`; a number or a column.
        trials: how many there were; a number, or a column of the same length.
        confidence: share of such intervals that hold the true rate.

    Returns:
        `(low, high)`: floats for numbers, Series for columns; null where `trials` is 0.

    Raises:
        ConfigurationError: the confidence isn't between 0 and 1.
        FrameError: more successes than trials, or fewer than none.

    Example:
        >>> low, high = wilson_interval(1, 20)
        >>> round(low, 4), round(high, 4)
        (0.0089, 0.2361)
        >>> wilson_interval(0, 0)
        Interval(low=None, high=None)
        >>> wilson_interval([0, 5], [5, 5]).low.round(4).to_list()
        [0.0, 0.5655]
    """
    if isinstance(successes, int) and isinstance(trials, int):
        return Interval(*(column.item() for column in wilson_interval([successes], [trials], confidence)))
    frame = _columns(successes=successes, trials=trials)
    _check_counts(frame, "successes", "trials")
    low, high = wilson_bounds(pl.col("successes"), pl.col("trials"), confidence)
    bounds = frame.select(low=low, high=high)
    return Intervals(bounds["low"], bounds["high"])


def wilson_bounds(successes: pl.Expr, trials: pl.Expr, confidence: float = 0.95) -> tuple[pl.Expr, pl.Expr]:
    """Return `wilson_interval` as two Polars expressions, for use inside a query.

    Args:
        successes: integer expression.
        trials: integer expression.
        confidence: share of such intervals that hold the true rate.

    Returns:
        The expressions `(low, high)`, Float64, null where `trials` is 0 or null.

    Raises:
        ConfigurationError: the confidence isn't between 0 and 1.

    Example:
        >>> low, high = wilson_bounds(pl.col("hits"), pl.col("n"))
        >>> pl.DataFrame({"hits": [0], "n": [10]}).select(low=low.round(4), high=high.round(4)).row(0)
        (0.0, 0.2775)
    """
    z2 = normal_quantile(confidence) ** 2
    hits, n = successes.cast(pl.Float64), trials.cast(pl.Float64)
    centre = hits + z2 / 2
    reach = (z2 * (hits * (n - hits) / n + z2 / 4)).sqrt()
    low = (centre - reach) / (n + z2)
    # With nothing but successes the upper bound is 1, which rounding must not move. Without one, `low` is 0 exactly.
    high = pl.when(hits < n).then((centre + reach) / (n + z2)).otherwise(1.0)
    return pl.when(n > 0).then(low), pl.when(n > 0).then(high)


def with_rate(
    table: pl.DataFrame, successes: str, trials: str, name: str = "rate", *, confidence: float = 0.95
) -> pl.DataFrame:
    """Add a rate with Wilson's interval to a table of counts.

    Args:
        table: any frame with the two count columns.
        successes: column of those counted.
        trials: column of how many there were.
        name: of the rate's column. The bounds of `rate` are `low` and `high`; those of another are named
            after it: `opt_out_rate_low`, `opt_out_rate_high`.
        confidence: share of such intervals that hold the true rate.

    Returns:
        The table with three more Float64 columns, null where `trials` is 0.

    Raises:
        ConfigurationError: the confidence isn't between 0 and 1.
        FrameError: a column is missing, or holds more successes than trials.

    Example:
        >>> table = pl.DataFrame({"opt_outs": [3], "known": [40]})
        >>> with_rate(table, "opt_outs", "known").row(0)
        (3, 40, 0.075, 0.0258..., 0.1986...)
    """
    for column in (successes, trials):
        if column not in table.columns:
            raise FrameError(f"the table has no column {column!r}; it has {', '.join(table.columns)}.")
    _check_counts(table, successes, trials)
    low, high = wilson_bounds(pl.col(successes), pl.col(trials), confidence)
    prefix = "" if name == "rate" else f"{name}_"
    return table.with_columns(
        rate_of(successes, trials).alias(name), low.alias(f"{prefix}low"), high.alias(f"{prefix}high")
    )


def newcombe_difference(
    successes: Counts,
    trials: Counts,
    other_successes: Counts,
    other_trials: Counts,
    confidence: float = 0.95,
    *,
    shared_successes: Counts | int = 0,
    shared_trials: Counts | int = 0,
) -> pl.DataFrame:
    """Return the difference of two rates, first minus other, with Newcombe's hybrid score interval.

    Groups may share contacts, or one may lie in the other: the difference is then taken apart into those of the first
    alone, of the other alone and of both, which are independent, and their intervals are put together (Zou, Huang
    and Zhang 2009). Without shared contacts that is Newcombe's method 10.

    Args:
        successes: how many were counted in each group, of `trials`.
        trials: size of each group.
        other_successes: the same for what each is compared with; one value serves all.
        other_trials: its size.
        confidence: share of such intervals that hold the true difference.
        shared_successes: of the successes, those who are in both groups.
        shared_trials: how many are in both.

    Returns:
        A row a comparison: `difference, difference_low, difference_high`, Float64 between -1 and 1, null
        where either size is 0.

    Raises:
        ConfigurationError: the confidence isn't between 0 and 1.
        FrameError: more successes than trials, or more shared than there are.

    Example:
        >>> newcombe_difference([56], [70], [48], [80]).row(0)
        (0.20..., 0.0524..., 0.3338...)

        The first 800 of a baseline of 1,000, of whom 48 and 80 opted out:

        >>> newcombe_difference([48], [800], [80], [1000], shared_successes=[48], shared_trials=[800]).row(0)
        (-0.02..., -0.0317..., -0.0103...)
    """
    frame = two_groups(successes, trials, other_successes, other_trials)
    frame = _with_shared(frame, shared_successes, shared_trials)
    weights = {
        "own": pl.col("own_n") / pl.col("n"),
        "other": -pl.col("other_n") / pl.col("m"),
        "shared": pl.col("shared_n") / pl.col("n") - pl.col("shared_n") / pl.col("m"),
    }
    below, above = pl.lit(0.0), pl.lit(0.0)
    for name, weight in weights.items():
        low, high = wilson_bounds(pl.col(f"{name}_a"), pl.col(f"{name}_n"), confidence)
        rate = rate_of(f"{name}_a", f"{name}_n")
        down, up = (weight * (rate - low), weight * (rate - high))
        below += pl.max_horizontal(down, up).fill_null(0.0) ** 2
        above += pl.min_horizontal(down, up).fill_null(0.0) ** 2
    difference = rate_of("a", "n") - rate_of("c", "m")
    return frame.select(
        difference=difference,
        difference_low=difference - below.sqrt(),
        difference_high=difference + above.sqrt(),
    )


def _with_shared(frame: pl.DataFrame, successes: Counts | int, trials: Counts | int) -> pl.DataFrame:
    """Take two groups apart: `own_a` of `own_n`, `other_a` of `other_n`, and `shared_a` of `shared_n`."""
    shared = _columns(shared_a=successes, shared_n=trials)
    if shared.height == 1 < frame.height:
        shared = pl.concat([shared] * frame.height)
    frame = frame.hstack(shared)
    for name, hits, size in (("own", "a", "n"), ("other", "c", "m")):
        alone, of = pl.col(hits) - pl.col("shared_a"), pl.col(size) - pl.col("shared_n")
        frame = frame.with_columns(alone.alias(f"{name}_a"), of.alias(f"{name}_n"))
        _check_counts(frame, f"{name}_a", f"{name}_n")
    _check_counts(frame, "shared_a", "shared_n")
    return frame


def benjamini_hochberg(p: pl.Series | Sequence[float | None]) -> pl.Series:
    """Return the q of each p: the false discovery rate at which it would be called a discovery.

    Args:
        p: two-sided p values of all the tests that were made; a null was no test and is not counted.

    Returns:
        Float64 Series `q` in the order given, null where p is.

    Raises:
        FrameError: a p below 0, above 1, or not a number.

    Example:
        >>> benjamini_hochberg([0.01, 0.04, None, 0.03]).to_list()
        [0.03, 0.04, None, 0.04]
    """
    values = pl.Series("p", p, pl.Float64)
    if not values.is_between(0, 1).all():
        raise FrameError("a p value lies outside 0 to 1: pass the p column as the test gave it.")
    tests = values.len() - values.null_count()
    # From the largest p down: q is p * tests / rank, and never above the q of a larger p.
    ranked = (
        pl.DataFrame(values)
        .with_row_index("row")
        .sort("p", descending=True, nulls_last=True)
        .with_row_index("above")
    )
    q = (pl.col("p") * tests / (tests - pl.col("above").cast(pl.Int64))).cum_min()
    return ranked.with_columns(q=pl.when(pl.col("p").is_not_null()).then(q)).sort("row")["q"]


def rate_of(part: str, whole: str) -> pl.Expr:
    """Return one count column over another, null where the other is 0."""
    return pl.when(pl.col(whole) > 0).then(pl.col(part) / pl.col(whole))


def with_share(table: pl.DataFrame, part: str, total: int) -> pl.DataFrame:
    """Add `share`: a count column over one total, null when that is 0."""
    # Series by Series: Polars multiplies by the reciprocal of a number, and 3 / 5 is 0.6000000000000001 then.
    share = table[part] / pl.Series([total or None] * table.height, dtype=pl.Int64)
    return table.with_columns(share.alias("share"))


def two_groups(a: Counts, n: Counts, c: Counts, m: Counts) -> pl.DataFrame:
    """Lay out the counts of two groups, checked: `a` of `n`, and `c` of `m`."""
    frame = _columns(a=a, n=n, c=c, m=m)
    _check_counts(frame, "a", "n")
    _check_counts(frame, "c", "m")
    return frame


def _columns(**counts: int | Counts) -> pl.DataFrame:
    """Counts as Int64 columns of one length; a single value serves all rows."""
    series = {
        name: pl.Series(name, [value] if isinstance(value, int) else value).cast(pl.Int64)
        for name, value in counts.items()
    }
    rows = max((column.len() for column in series.values() if column.len() != 1), default=1)
    if wrong := [
        f"{name} {column.len()}" for name, column in series.items() if column.len() not in (1, rows)
    ]:
        raise FrameError(
            f"counts of unequal length: {', '.join(wrong)}; expected {rows}, or one value for all."
        )
    return pl.DataFrame(
        [column if column.len() == rows else column.new_from_index(0, rows) for column in series.values()]
    )


def _check_counts(table: pl.DataFrame, successes: str, trials: str) -> None:
    wrong = table.filter((pl.col(successes) > pl.col(trials)) | (pl.col(successes) < 0))
    if wrong.height:
        found = wrong.select(successes, trials).row(0)
        raise FrameError(
            f"{successes} is {found[0]} of {found[1]} {trials}: it must lie between 0 and {trials}."
        )
