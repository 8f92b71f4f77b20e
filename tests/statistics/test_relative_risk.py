"""Relative risks and false findings where counts are small, against the methods that they replaced."""

import math

import numpy as np
import polars as pl
import pytest
from scipy import stats

from sendblue_data.analytics.rates import benjamini_hochberg
from sendblue_data.analytics.two_groups import difference_p, relative_risk

pytestmark = pytest.mark.slow
ACCOUNTS, TAGS, CONTACTS = 250, 100, 4_000


def chi_squared(a, n, c, m):
    """The test before: Pearson's, whatever the counts."""
    with np.errstate(all="ignore"):
        chi2 = (a * (m - c) - c * (n - a)) ** 2 * (n + m) / (n * m * (a + c) * (n + m - a - c))
    return stats.chi2.sf(np.nan_to_num(chi2), 1)


@pytest.mark.parametrize("rate", [0.06, 0.03, 0.01])
def test_accounts_without_a_difference_seldom_have_a_finding(rate):
    """A false finding in 5% of accounts at most; it is in about 3%, and 250 accounts show that to within 2 points."""
    random = np.random.default_rng(3)
    found, before = 0, 0
    for _ in range(ACCOUNTS):
        out = int(random.binomial(CONTACTS, rate))
        n = random.integers(20, 61, TAGS)
        a = random.hypergeometric(out, CONTACTS - out, n)
        p = [difference_p(x, k, out - x, CONTACTS - k) for x, k in zip(a.tolist(), n.tolist(), strict=True)]
        found += bool((benjamini_hochberg(p) <= 0.05).any())
        before += bool((benjamini_hochberg(chi_squared(a, n, out - a, CONTACTS - n)) <= 0.05).any())
    assert found / ACCOUNTS <= 0.05
    assert before / ACCOUNTS > 0.1


@pytest.mark.parametrize(
    ("size", "rest", "rate", "ratio"), [(30, 1000, 0.06, 1.0), (60, 4000, 0.02, 1.5), (40, 40, 0.1, 2.0)]
)
def test_a_ratio_lies_in_its_interval_as_often_as_it_should(size, rest, rate, ratio):
    """Every outcome, weighed by its chance: the interval holds the truth in 93.5% to 98% of accounts."""
    a, c = np.meshgrid(np.arange(size + 1), np.arange(rest + 1), indexing="ij")
    chance = (stats.binom.pmf(a, size, rate * ratio) * stats.binom.pmf(c, rest, rate)).ravel()
    likely = chance > 1e-9
    a, c, chance = a.ravel()[likely], c.ravel()[likely], chance[likely]
    table = relative_risk(a, np.full_like(a, size), c, np.full_like(c, rest))
    held = table.select(
        pl.col("relative_risk_low").fill_null(0) <= ratio,
        pl.col("relative_risk_high").fill_null(math.inf) >= ratio,
    )
    covered = chance[held.select(pl.all_horizontal(pl.all())).to_series().to_numpy()].sum()
    assert 0.935 <= covered <= 0.98
