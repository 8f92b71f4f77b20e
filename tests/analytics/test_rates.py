"""The statistics against scipy and statsmodels, over made-up counts with every edge."""

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given, strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from sendblue_data.analytics.rates import (
    benjamini_hochberg,
    newcombe_difference,
    normal_quantile,
    wilson_bounds,
    wilson_interval,
    with_rate,
    with_share,
)
from sendblue_data.analytics.two_groups import relative_risk
from sendblue_data.errors import ConfigurationError, FrameError

SIZES = st.one_of(st.integers(1, 30), st.integers(1, 10_000_000))
PARTS = SIZES.flatmap(lambda n: st.tuples(st.one_of(st.integers(0, n), st.sampled_from([0, n])), st.just(n)))
CONFIDENCES = st.sampled_from([0.5, 0.8, 0.9, 0.95, 0.99, 0.9999])


def close(ours, theirs):
    return ours == pytest.approx(theirs, rel=1e-9, abs=1e-9)


@given(PARTS, CONFIDENCES)
@example((0, 7), 0.95)
@example((7, 7), 0.95)
def test_wilson_is_statsmodels(part, confidence):
    low, high = wilson_interval(*part, confidence)
    assert close([low, high], list(proportion_confint(*part, alpha=1 - confidence, method="wilson")))
    assert 0 <= low <= part[0] / part[1] <= high <= 1


@given(st.integers(0, 10**7), CONFIDENCES)
def test_wilson_touches_the_ends_exactly(n, confidence):
    if n:
        assert wilson_interval(0, n, confidence).low == 0
        assert wilson_interval(n, n, confidence).high == 1
    else:
        assert wilson_interval(0, 0) == (None, None)


@given(st.lists(PARTS | st.just((0, 0)), min_size=1, max_size=20))
def test_columns_give_what_numbers_give(parts):
    hits, sizes = zip(*parts, strict=True)
    one_by_one = [wilson_interval(*part) for part in parts]
    for column in (list(hits), np.array(hits), pl.Series(hits)):
        bounds = wilson_interval(column, list(sizes))
        assert list(zip(bounds.low, bounds.high, strict=True)) == one_by_one
    table = with_rate(pl.DataFrame({"hits": hits, "n": sizes}), "hits", "n")
    assert table.columns == ["hits", "n", "rate", "low", "high"]
    assert table.select("low", "high").rows() == one_by_one
    low, high = wilson_bounds(pl.col("hits"), pl.col("n"))
    assert table.select(low.alias("low"), high.alias("high")).rows() == one_by_one


def test_one_number_serves_a_column():
    one_by_one = [wilson_interval(3, n) for n in (4, 8)]
    assert list(zip(*wilson_interval(3, [4, 8]), strict=True)) == one_by_one


@given(PARTS, PARTS, CONFIDENCES)
@example((0, 5), (5, 5), 0.95)
@example((5, 5), (0, 9), 0.95)
def test_newcombe_is_statsmodels(one, other, confidence):
    difference, low, high = newcombe_difference(
        *([value] for value in one), *([value] for value in other), confidence
    ).row(0)
    theirs = confint_proportions_2indep(*one, *other, method="newcomb", compare="diff", alpha=1 - confidence)
    assert close(difference, one[0] / one[1] - other[0] / other[1])
    assert close([low, high], list(theirs))


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        ((60, 400), (48, 900), (12, 160)),
        ((48, 900), (60, 400), (12, 160)),
        ((48, 800), (80, 1000), (48, 800)),
        ((80, 1000), (48, 800), (48, 800)),
        ((5, 40), (5, 40), (5, 40)),
    ],
    ids=["smaller", "larger", "inside", "around", "the same"],
)
def test_of_groups_that_share_contacts_three_wilson_intervals_are_put_together(one, other, both):
    """Zou, Huang and Zhang's square roots, of those in the one alone, in the other alone, and in both."""
    (a, n), (c, m), (shared, common) = one, other, both
    parts = [
        (a - shared, n - common, (n - common) / n),
        (c - shared, m - common, -(m - common) / m),
        (shared, common, common / n - common / m),
    ]
    below = above = 0.0
    for hits, size, weight in parts:
        if size:
            ends = [weight * end for end in proportion_confint(hits, size, method="wilson")]
            below += (weight * hits / size - min(ends)) ** 2
            above += (max(ends) - weight * hits / size) ** 2
    gap = a / n - c / m
    expected = [gap, gap - math.sqrt(below), gap + math.sqrt(above)]
    found = newcombe_difference([a], [n], [c], [m], shared_successes=shared, shared_trials=common)
    assert list(found.row(0)) == pytest.approx(expected, rel=1e-9, abs=1e-12)
    twice = newcombe_difference([a] * 2, [n] * 2, [c], [m], shared_successes=shared, shared_trials=common)
    assert twice.rows() == found.rows() * 2


def test_nobody_to_judge_is_null():
    assert newcombe_difference([0, 1], [0, 3], [1, 0], [2, 0]).rows() == [(None,) * 3] * 2


def test_one_comparison_group_serves_all():
    assert newcombe_difference([1, 2], [4, 4], [1], [8]).height == 2


P = st.floats(0, 1) | st.sampled_from([0.0, 1.0, 0.05, 1e-300])


@given(st.lists(P, min_size=1, max_size=40), st.integers(0, 3))
def test_benjamini_hochberg_is_scipys_and_statsmodels(p, nulls):
    q = benjamini_hochberg(p + [None] * nulls)
    assert q.null_count() == nulls
    assert q.dtype == pl.Float64
    ours = q[: len(p)].to_list()
    assert ours == pytest.approx(stats.false_discovery_control(p), rel=1e-9)
    assert ours == pytest.approx(multipletests(p, method="fdr_bh")[1], rel=1e-9)


@given(st.permutations([0.01, 0.01, 0.2, 0.03, None, 1.0]))
def test_q_does_not_depend_on_order(p):
    expected = dict(zip([0.01, 0.03, 0.2, 1.0, None], [0.025, 0.05, 0.25, 1.0, None], strict=True))
    assert benjamini_hochberg(p).to_list() == pytest.approx([expected[value] for value in p])


def test_no_test_gives_no_q():
    assert benjamini_hochberg([]).to_list() == []
    assert benjamini_hochberg([None, None]).to_list() == [None, None]


@pytest.mark.parametrize("confidence", [0, 1, -0.1, 95])
def test_confidence_is_a_share(confidence):
    with pytest.raises(ConfigurationError, match="between 0 and 1"):
        normal_quantile(confidence)


@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.9999])
def test_the_quantile_is_scipys(confidence):
    assert normal_quantile(confidence) == pytest.approx(stats.norm.isf((1 - confidence) / 2), rel=1e-12)


def test_a_share_is_the_nearest_float_and_null_of_nothing():
    table = pl.DataFrame({"contacts": [3, 2]})
    assert with_share(table, "contacts", 5)["share"].to_list() == [0.6, 0.4]
    assert with_share(table, "contacts", 0)["share"].to_list() == [None, None]


def test_impossible_counts_are_refused():
    with pytest.raises(FrameError, match="successes is 5 of 4 trials"):
        wilson_interval(5, 4)
    with pytest.raises(FrameError, match="between 0"):
        wilson_interval([-1], [4])
    with pytest.raises(FrameError, match="unequal length: successes 2; expected 3"):
        wilson_interval([1, 2], [3, 4, 5])
    with pytest.raises(FrameError, match="hits is 5 of 4 n"):
        with_rate(pl.DataFrame({"hits": [5], "n": [4]}), "hits", "n")
    for counts, says in [(([5], [4], [1], [4]), "a is 5 of 4 n"), (([1], [4], [5], [4]), "c is 5 of 4 m")]:
        for compared in (relative_risk, newcombe_difference):
            with pytest.raises(FrameError, match=f"^{says}"):
                compared(*counts)
    for both, says in [((3, 4), "own_a is -1"), ((1, 9), "own_a is 1 of -1"), ((2, 1), "shared_a is 2 of 1")]:
        with pytest.raises(FrameError, match=f"^{says}"):
            newcombe_difference([2], [8], [2], [9], shared_successes=both[0], shared_trials=both[1])
    with pytest.raises(FrameError, match="no column 'hits'"):
        with_rate(pl.DataFrame({"n": [1]}), "hits", "n")
    with pytest.raises(FrameError, match="outside 0 to 1"):
        benjamini_hochberg([0.5, 1.5])
    with pytest.raises(FrameError, match="outside 0 to 1"):
        benjamini_hochberg([0.5, math.nan])
