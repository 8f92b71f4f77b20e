"""The difference of segments that share contacts, beside Newcombe's interval for groups that don't."""

import numpy as np
import polars as pl
import pytest

from sendblue_data.analytics.rates import newcombe_difference
from sendblue_data.analytics.two_groups import difference_p, overlap_p

pytestmark = pytest.mark.slow
TIMES = 4_000
CASES = {
    # Contacts in the segment alone, in the baseline alone and in both, and the rate of each.
    "800 of a baseline's 1,000": ((0, 200, 800), (0, 0.10, 0.05)),
    "60 of 400": ((0, 340, 60), (0, 0.06, 0.10)),
    "half of each": ((400, 400, 400), (0.08, 0.04, 0.06)),
    "a small one, partly outside": ((30, 500, 40), (0.10, 0.05, 0.08)),
    "it contains the baseline": ((300, 0, 200), (0.03, 0, 0.08)),
    "apart": ((150, 300, 0), (0.04, 0.06, 0)),
}


def drawn(name):
    sizes, rates = (np.array(each) for each in CASES[name])
    hits = np.random.default_rng(4).binomial(sizes, rates, (TIMES, 3))
    n, m = sizes[0] + sizes[2], sizes[1] + sizes[2]
    truth = (sizes[0] * rates[0] + sizes[2] * rates[2]) / n - (sizes[1] * rates[1] + sizes[2] * rates[2]) / m
    groups = (hits[:, 0] + hits[:, 2], np.full(TIMES, n), hits[:, 1] + hits[:, 2], np.full(TIMES, m))
    return groups, {"shared_successes": hits[:, 2], "shared_trials": np.full(TIMES, sizes[2])}, truth


def held(bounds, truth):
    return (
        bounds.select((pl.col("difference_low") <= truth) & (pl.col("difference_high") >= truth))
        .to_series()
        .mean()
    )


@pytest.mark.parametrize("name", CASES)
def test_the_interval_holds_the_truth_as_often_as_it_says(name):
    """95% intervals: 93.5% to 97% of 4,000 accounts, whose standard error is a third of a point."""
    groups, shared, truth = drawn(name)
    assert 0.935 <= held(newcombe_difference(*groups, **shared), truth) <= 0.97


def test_a_segment_that_is_most_of_its_baseline_is_told_from_it():
    """The old interval, for groups apart, held the truth always, and saw the difference in 3% of accounts."""
    groups, shared, truth = drawn("800 of a baseline's 1,000")
    old, new = newcombe_difference(*groups), newcombe_difference(*groups, **shared)
    assert held(old, truth) > 0.999
    seen = [bounds.select(pl.col("difference_high") < 0).to_series().mean() for bounds in (old, new)]
    assert seen[0] < 0.05
    assert seen[1] > 0.6


def test_without_a_difference_few_are_called():
    """At most 5% of tests with the same rate for all, and 1 point for 4,000 draws; half of them are in both."""
    random, sizes = np.random.default_rng(6), (60, 60, 60)
    hits = random.binomial(sizes, 0.05, (TIMES, 3)).tolist()
    overlap = [overlap_p(a + b, 120, c + b, 120, b, 60) for a, c, b in hits]
    inside = [difference_p(b, 60, c, 60) for _, c, b in hits]
    assert np.mean([p is not None and p <= 0.05 for p in overlap]) <= 0.06
    assert np.mean([p is not None and p <= 0.05 for p in inside]) <= 0.05
