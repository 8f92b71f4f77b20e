"""Relative risks and their tests against scipy, statsmodels and Koopman's own examples."""

import math

import pytest
from hypothesis import example, given, settings, strategies as st
from scipy import optimize, stats

from sendblue_data.analytics.rates import normal_quantile
from sendblue_data.analytics.two_groups import EXACT_BELOW, difference_p, relative_risk

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
def test_where_counts_are_small_p_is_fishers(one, other):
    p = difference_p(*one, *other)
    table = [[one[0], one[1] - one[0]], [other[0], other[1] - other[0]]]
    if 0 < one[0] + other[0] < one[1] + other[1]:
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
