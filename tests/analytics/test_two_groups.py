"""Relative risks and their tests against scipy, statsmodels and Koopman's own examples."""

import math

import numpy as np
import pytest
from hypothesis import example, given, settings, strategies as st
from scipy import optimize, stats

from sendblue_data.analytics.rates import normal_quantile
from sendblue_data.analytics.two_groups import EXACT_BELOW, difference_p, overlap_p, relative_risk

SMALL = st.integers(1, 60).flatmap(
    lambda n: st.tuples(st.integers(0, n) | st.sampled_from([0, n]), st.just(n))
)
LARGE = st.integers(1, 10**7).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
CONFIDENCES = st.sampled_from([0.5, 0.8, 0.95, 0.9999])


def score(ratio, one, other):
    """The score statistic of a ratio, its nuisance rate found by maximising the likelihood numerically."""
    (a, n), (c, m) = one, other

    def unlikely(rate):
        own = ratio * rate
        return -(stats.binom.logpmf(a, n, min(own, 1)) + stats.binom.logpmf(c, m, rate))

    found = optimize.minimize_scalar(
        unlikely, bounds=(0, min(1, 1 / ratio)), method="bounded", options={"xatol": 1e-13}
    )
    rate = found.x
    own = ratio * rate
    spread = own * (1 - own) / n + ratio**2 * rate * (1 - rate) / m
    return (a / n - ratio * c / m) ** 2 / spread


def test_the_interval_is_that_of_koopmans_paper():
    risk, low, high, _ = relative_risk([36], [40], [16], [80]).row(0)
    assert (risk, round(low, 2), round(high, 2)) == (4.5, 2.94, 7.15)


def test_none_of_thirty_against_sixty_of_a_thousand_has_an_end():
    risk, low, high, p = relative_risk([0], [30], [60], [1000]).row(0)
    assert (risk, low) == (0, 0)
    assert high == pytest.approx(1.904, abs=0.001)
    assert p == pytest.approx(stats.fisher_exact([[0, 30], [60, 940]]).pvalue)


@settings(max_examples=25, deadline=None)
@given(SMALL, SMALL, CONFIDENCES)
@example((0, 30), (60, 1000), 0.95)
@example((5, 5), (5, 5), 0.95)
@example((3, 9), (0, 40), 0.95)
@example((7, 7), (0, 9), 0.95)
@example((0, 4), (0, 9), 0.95)
def test_a_bound_is_where_the_score_is_the_quantile(one, other, confidence):
    risk, low, high, _ = relative_risk(*([value] for value in (*one, *other)), confidence).row(0)
    if one[0] == other[0] == 0:
        assert (risk, low, high) == (None, None, None)
        return
    assert low <= risk <= high
    z2 = normal_quantile(confidence) ** 2
    for bound, is_end in ((low, one[0] == 0), (high, other[0] == 0)):
        if is_end:
            assert bound in (0, math.inf)
        else:
            assert score(bound, one, other) == pytest.approx(z2, rel=1e-3)


@pytest.mark.parametrize(("n", "m"), [(5, 5), (20, 300), (2_000_000, 90), (3, 300_000)])
@pytest.mark.parametrize("confidence", [0.5, 0.95])
def test_where_everybody_opted_out_the_bounds_are_a_fraction(n, m, confidence):
    """The score of a ratio r below 1 is n (1 - r) / r then, and that of one above 1 is m (r - 1)."""
    _, low, high, p = relative_risk([n], [n], [m], [m], confidence).row(0)
    z2 = stats.norm.isf((1 - confidence) / 2) ** 2
    assert 1 - low == pytest.approx(z2 / (n + z2), rel=1e-3)
    assert high - 1 == pytest.approx(z2 / m, rel=1e-3)
    assert p is None


@settings(max_examples=30)
@given(LARGE, LARGE, CONFIDENCES)
def test_turned_round_the_bounds_are_one_over_each_other(one, other, confidence):
    risk, low, high, p = relative_risk(*([value] for value in (*one, *other)), confidence).row(0)
    back = relative_risk(*([value] for value in (*other, *one)), confidence).row(0)
    if risk is None:
        assert back[:3] == (None,) * 3
        return
    for ours, theirs in ((risk, back[0]), (low, back[2]), (high, back[1])):
        assert ours == pytest.approx(1 / theirs if theirs else math.inf, rel=1e-6)
    assert p == (None if back[3] is None else pytest.approx(back[3], rel=1e-6, abs=1e-300))


@given(SMALL, SMALL)
@example((1, 2), (1, 2))
@example((3, 20), (9, 400))
@example((0, 5), (0, 9))
@example((5, 5), (9, 9))
@example((0, 0), (3, 9))
@example((1, 1), (0, 1))
def test_where_counts_are_small_p_is_fishers(one, other):
    p = difference_p(*one, *other)
    table = [[one[0], one[1] - one[0]], [other[0], other[1] - other[0]]]
    if one[1] and other[1] and 0 < one[0] + other[0] < one[1] + other[1]:
        assert p == pytest.approx(stats.fisher_exact(table).pvalue, rel=1e-6)
    else:
        assert p is None


@settings(max_examples=25, deadline=None)
@given(st.integers(100, 30_000), st.integers(40_000, 200_000), st.floats(0.01, 0.6), st.floats(-4, 4))
def test_p_of_large_counts_is_fishers_and_then_chi_squared(small, large, rate, far):
    a = round(small * rate + far * math.sqrt(small * rate * (1 - rate)))
    a, c = min(max(a, 0), small), round(large * rate)
    table = [[a, small - a], [c, large - c]]
    is_exact = stats.contingency.expected_freq(table).min() < EXACT_BELOW
    theirs = stats.fisher_exact(table) if is_exact else stats.chi2_contingency(table, correction=False)
    assert difference_p(a, small, c, large) == pytest.approx(theirs.pvalue, rel=1e-6)


@pytest.mark.parametrize("most", [20_000, 19_999], ids=["10,000 expected", "one less"])
def test_from_ten_thousand_expected_on_p_is_chi_squared(most):
    table = [[10_100, 9_900], [most - 10_100, 40_000 - 9_900 - most]]
    exact, chi2 = stats.fisher_exact(table).pvalue, stats.chi2_contingency(table, correction=False).pvalue
    p = difference_p(10_100, 20_000, most - 10_100, 20_000)
    assert p == pytest.approx(chi2 if most == 20_000 else exact, rel=1e-6)
    assert exact != pytest.approx(chi2, rel=1e-3)


@pytest.mark.parametrize(
    ("only_one", "only_other", "both"),
    [((18, 240), (36, 240), (12, 160)), ((1, 3), (30, 800), (2, 40)), ((9, 60), (2, 100), (0, 20))],
)
def test_p_of_groups_that_overlap_weighs_each_contact(only_one, only_other, both):
    """The difference of the rates is a sum over contacts, each independent, and all of one rate if nothing differs."""
    kinds = (only_one, only_other, both)
    n, m = only_one[1] + both[1], only_other[1] + both[1]
    outs = np.concatenate([np.arange(size) < hits for hits, size in kinds])
    weights = np.repeat([1 / n, -1 / m, 1 / n - 1 / m], [size for _, size in kinds])
    z = (weights @ outs) / np.sqrt(outs.mean() * (1 - outs.mean()) * (weights**2).sum())
    p = overlap_p(only_one[0] + both[0], n, only_other[0] + both[0], m, *both)
    assert p == pytest.approx(2 * stats.norm.sf(abs(z)), rel=1e-9)


def test_p_of_groups_that_overlap_is_pearsons_where_nobody_is_in_both_and_none_where_all_are():
    theirs = stats.chi2_contingency([[30, 370], [48, 252]], correction=False).pvalue
    assert overlap_p(30, 400, 48, 300, 0, 0) == pytest.approx(theirs, rel=1e-9)
    assert overlap_p(3, 20, 3, 20, 3, 20) is None
    assert overlap_p(0, 20, 0, 30, 0, 5) is None
    assert overlap_p(20, 20, 30, 30, 5, 5) is None
    assert overlap_p(0, 0, 3, 30, 0, 0) is None
    assert overlap_p(3, 30, 0, 0, 0, 0) is None
    assert overlap_p(1, 1, 0, 1, 0, 0) == pytest.approx(2 * stats.norm.sf(math.sqrt(2)))


def test_where_the_one_test_ends_the_other_says_the_same():
    for far in (-4, -2, 0, 1, 3, 4):
        a = round(EXACT_BELOW + far * math.sqrt(EXACT_BELOW))
        table = [[a, 200_000 - a], [200_000, 3_800_000]]
        exact, chi2 = stats.fisher_exact(table).pvalue, stats.chi2_contingency(table, correction=False).pvalue
        assert exact == pytest.approx(chi2, rel=0.1)


@settings(max_examples=30)
@given(st.floats(-5, 5), CONFIDENCES)
def test_a_large_interval_leaves_1_out_just_where_p_is_small(far, confidence):
    one, other = (round(20_000 + far * 140), 400_000), (200_000, 4_000_000)
    _, low, high, p = relative_risk(*([value] for value in (*one, *other)), confidence).row(0)
    if abs(p - 1 + confidence) > 1e-9:
        assert (p > 1 - confidence) == (low <= 1 <= high)


def test_nobody_to_judge_is_null():
    assert relative_risk([0, 1], [0, 3], [1, 0], [2, 0]).rows() == [(None,) * 4] * 2


def test_one_comparison_group_serves_all():
    assert relative_risk([1, 2], [4, 4], 1, 8).rows() == relative_risk([1, 2], [4, 4], [1, 1], [8, 8]).rows()
