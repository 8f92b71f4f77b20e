"""Ratios of rates among contacts who are alike, by themselves: against statsmodels, SciPy and sums in plain Python."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, strategies as st
from scipy import stats
from statsmodels.genmod import families
from statsmodels.genmod.generalized_linear_model import GLM
from statsmodels.stats.contingency_tables import StratifiedTable

from sendblue_data.analytics import stratified
from sendblue_data.analytics.stratified import (
    NOTHING,
    Cells,
    Strata,
    chi_squared_p,
    log_ratios,
    mantel_haenszel,
    modified_poisson,
)

Z = stats.norm.isf(0.025)


def strata(*rows):
    """Of each stratum: events and contacts (or what is expected) of the set, the same of the rest, and its part."""
    a, e1, b, e0, part = zip(*rows, strict=True)
    a, e1, b, e0 = (np.array(column, float) for column in (a, e1, b, e0))
    return Strata(a, e1, b, e0, 10 * e1, np.array(part))


def cells(*rows, kinds):
    """Of each cell: its stratum and part, contacts and events, and its marks; in the order of the strata."""
    stratum, part, contacts, events, marks = zip(*rows, strict=True)
    pairs = [(row, mark) for row, some in enumerate(marks) for mark in some]
    at, which = np.array(pairs, int).reshape(-1, 2).T
    numbers = (np.array(contacts, float), np.array(events, float))
    return Cells(np.array(stratum), np.array(part), *numbers, at, which, kinds)


MANY = [
    (4, 20, 9, 60, 0),
    (7, 30, 5, 40, 1),
    (2, 15, 6, 90, 1),
    (3, 25, 2, 30, 2),
    (1, 8, 0, 0, 2),
    (0, 0, 3, 9, 2),
]


def test_the_ratio_of_strata_is_statsmodels():
    tables = [np.array([[a, n - a], [b, m - b]]) for a, n, b, m, _ in MANY[:4]]
    ours = mantel_haenszel(strata(*MANY), Z, counts=True)
    assert ours.ratio == pytest.approx(StratifiedTable(tables).riskratio_pooled, rel=1e-12)
    assert ours.contacts == 10 * (20 + 30 + 15 + 25)


@pytest.mark.parametrize("counts", [True, False])
def test_interval_and_homogeneity_are_greenlands_robins_and_breslows(counts):
    """By their sums; strata of the set alone, or of the rest alone, are in none."""
    above = sum(a * m / (n + m) for a, n, b, m, _ in MANY)
    below = sum(b * n / (n + m) for a, n, b, m, _ in MANY)
    spread = sum((a + b) * n * m / (n + m) ** 2 - counts * a * b / (n + m) for a, n, b, m, _ in MANY)
    ratio, reach = above / below, math.exp(Z * math.sqrt(spread / above / below))
    missed, variance = [0.0] * 3, [0.0] * 3
    for a, n, b, m, part in MANY:
        if n and m:
            share = ratio * n / (ratio * n + m)
            missed[part] += a - (a + b) * share
            variance[part] += (a + b) * share * (1 - share)
    chi2 = sum(gap**2 / size for gap, size in zip(missed, variance, strict=True))
    ours = mantel_haenszel(strata(*MANY), Z, counts=counts)
    expected = (ratio, ratio / reach, ratio * reach, stats.chi2.sf(chi2, 2))
    assert (ours.ratio, ours.low, ours.high, ours.varies_p) == pytest.approx(expected, rel=1e-9)
    one_part = mantel_haenszel(strata(*((*row[:4], 1) for row in MANY)), Z, counts=counts)
    assert one_part.varies_p is None
    untold = mantel_haenszel(strata(*MANY[:4], (0, 9, 0, 9, 3)), Z, counts=counts)
    assert untold.varies_p == pytest.approx(ours.varies_p, rel=1e-9)


def test_without_an_opt_out_on_one_side_the_other_bound_is_exact():
    """Each of the 5 and 2 opt-outs is the set's with a chance of r n / (r n + m)."""
    none = mantel_haenszel(strata((0, 20, 5, 60, 0), (0, 30, 2, 40, 1)), Z, counts=True)
    assert (none.ratio, none.low, none.contacts, none.varies_p) == (0, 0, 500, None)
    all_the_rest = (60 / (60 + 20 * none.high)) ** 5 * (40 / (40 + 30 * none.high)) ** 2
    assert all_the_rest == pytest.approx(0.025, rel=1e-9)
    alone = mantel_haenszel(strata((5, 20, 0, 60, 0), (2, 30, 0, 40, 1)), Z, counts=True)
    assert (alone.ratio, alone.high, alone.contacts, alone.varies_p) == (math.inf, math.inf, 500, None)
    all_its_own = (20 * alone.low / (60 + 20 * alone.low)) ** 5 * (
        30 * alone.low / (40 + 30 * alone.low)
    ) ** 2
    assert all_its_own == pytest.approx(0.025, rel=1e-9)


def test_without_any_opt_out_or_with_too_wide_an_error_there_is_no_ratio():
    found = mantel_haenszel(strata((0, 20, 0, 60, 0)), Z, counts=True)
    assert (found.ratio, found.low, found.high, found.contacts, found.varies_p) == (
        None,
        None,
        None,
        200,
        None,
    )
    # With one opt-out on each side of shares e, the error is the square root of 2 / e, less 2: 14.1, and 15.7.
    for share, is_known in ((0.01, True), (0.008, False)):
        thin = strata((1, 1 - share, 0, share, 0), (0, share, 1, 1 - share, 0))
        found = mantel_haenszel(thin, Z, counts=False)
        assert (found.ratio is not None) == is_known
        assert found.contacts == 10
        if is_known:
            assert math.log(found.high / found.ratio) == pytest.approx(Z * math.sqrt(2 / share - 2))


@given(st.floats(0, 200), st.integers(1, 40))
@example(0.0, 1)
@example(0.0, 4)
def test_the_tail_is_scipys(value, freedom):
    assert chi_squared_p(value, freedom) == pytest.approx(stats.chi2.sf(value, freedom), rel=1e-9, abs=1e-300)


def test_the_tail_is_at_most_one():
    assert chi_squared_p(1.7467431119074567e-05, 8) <= 1


def test_in_a_large_stratum_robust_errors_are_statsmodels_hc0():
    """With strata so large that the correction is nothing, the errors are those of `cov_type="HC0"`."""
    random = np.random.default_rng(2)
    marks = random.random((40_000, 2)) < 0.3
    events = random.random(40_000) < 0.05 * np.where(marks[:, 0], 2.0, 1) * np.where(marks[:, 1], 0.7, 1)
    ones, none = np.ones(40_000), np.zeros(40_000, int)
    one_each = Cells(none, none, ones, events.astype(float), *marks.nonzero(), 2)
    fit = GLM(events.astype(float), np.column_stack([marks.astype(float), ones]), family=families.Poisson())
    theirs = fit.fit(cov_type="HC0", tol=1e-14, maxiter=200)
    assert log_ratios(one_each) == pytest.approx(theirs.params[:2], abs=1e-8)
    low = [math.log(one.low) for one in modified_poisson(one_each, Z)]
    assert low == pytest.approx(theirs.conf_int()[:2, 0], abs=1e-5)


TOLD = [
    (0, 0, 30, 4, ()), (0, 0, 20, 6, (0,)), (0, 0, 15, 2, (1, 2)), (0, 0, 10, 5, (0, 2)),
    (1, 0, 12, 3, (0, 1)), (1, 0, 25, 2, ()), (1, 0, 9, 3, (2,)),
    (2, 1, 40, 9, (1,)), (2, 1, 22, 8, (0, 1, 2)), (2, 1, 18, 1, ()),
    (3, 2, 14, 3, (0,)), (3, 2, 35, 6, (1,)), (3, 2, 16, 4, (2,)),
    (4, 2, 1, 1, (0,)), (4, 2, 1, 0, ()), (5, 0, 1, 1, (2,)), (5, 0, 1, 0, (1,)),
]  # fmt: skip
UNTOLD = [
    (6, 2, 50, 0, (0,)), (6, 2, 60, 0, ()),  # nobody opted out
    (7, 2, 70, 20, (1,)),  # nobody to compare with
]  # fmt: skip


def regression(rows, kinds):
    """Coefficients, Zou's errors and homogeneity p of statsmodels' fit, a stratum's size over one less than it."""
    which = np.repeat([row[0] for row in rows], [row[2] for row in rows])
    part = np.repeat([row[1] for row in rows], [row[2] for row in rows])
    x = np.repeat(
        [[float(mark in row[4]) for mark in range(kinds)] for row in rows], [row[2] for row in rows], axis=0
    )
    y = np.concatenate([np.arange(row[2]) < row[3] for row in rows]).astype(float)
    levels = (which[:, None] == np.unique(which)).astype(float)
    design = np.hstack([x, levels])
    fit = GLM(y, design, family=families.Poisson()).fit(tol=1e-14, maxiter=200)
    sizes = levels @ levels.sum(axis=0)
    bread = np.linalg.inv(design.T @ (fit.mu[:, None] * design))
    meat = design.T @ (((y - fit.mu) ** 2 * sizes / (sizes - 1))[:, None] * design)
    errors = np.sqrt(np.diag(bread @ meat @ bread))[:kinds]
    p = []
    for mark in range(kinds):
        chi2, parts = 0.0, np.unique(part[x[:, mark] > 0])
        for number in parts:
            has = (part == number) & (x[:, mark] > 0)
            own = levels.T @ (fit.mu * has)
            variance = (fit.mu * has).sum() - (own**2 / (levels.T @ y)).sum()
            chi2 += ((y - fit.mu) * has).sum() ** 2 / variance
        p.append(stats.chi2.sf(chi2, len(parts) - 1))
    return fit.params[:kinds], errors, p


def test_many_ratios_are_a_poisson_regressions_with_strata_in_its_design():
    made = cells(*TOLD, *UNTOLD, kinds=3)
    logs, errors, p = regression(TOLD, 3)
    assert log_ratios(made) == pytest.approx(logs, abs=1e-9)
    found = modified_poisson(made, Z)
    assert [one.ratio for one in found] == pytest.approx(np.exp(logs), rel=1e-9)
    assert [one.low for one in found] == pytest.approx(np.exp(logs - Z * errors), rel=1e-9)
    assert [one.high for one in found] == pytest.approx(np.exp(logs + Z * errors), rel=1e-9)
    assert [one.varies_p for one in found] == pytest.approx(p, rel=1e-6)
    # With the mark, in a stratum that has some without it.
    assert [one.contacts for one in found] == [
        20 + 10 + 12 + 22 + 14 + 1 + 50,
        15 + 12 + 62 + 35 + 1,
        15 + 10 + 9 + 22 + 16 + 1,
    ]


def test_sums_are_the_same_taken_in_small_blocks(monkeypatch):
    made = cells(*TOLD, *UNTOLD, kinds=3)
    whole = modified_poisson(made, Z)
    for at_once, alone, fewest in ((7, 9, 1), (3, 2**18, 128), (10**6, 18, 1), (1, 1, 1)):
        monkeypatch.setattr(stratified, "_AT_ONCE", at_once)
        monkeypatch.setattr(stratified, "_ALONE", alone)
        monkeypatch.setattr(stratified, "_FEWEST", fewest)
        for one, other in zip(modified_poisson(made, Z), whole, strict=True):
            assert one.ratio == pytest.approx(other.ratio, rel=1e-9)
            assert (one.low, one.high) == pytest.approx((other.low, other.high), rel=1e-9)


def test_of_a_mark_of_whom_nobody_opted_out_the_end_is_exact_and_its_contacts_are_in_no_other_ratio():
    rows = [row for row in TOLD if row[0] < 4 and 2 not in row[4]]
    silent = [(3, 2, 40, 0, (2,)), (3, 2, 20, 0, (0, 2)), (3, 2, 11, 0, (2, 3)), (3, 2, 13, 0, (3,))]
    made = cells(*rows, *silent, kinds=4)
    logs, errors, _ = regression(rows, 2)
    assert log_ratios(made) == pytest.approx([*logs, -math.inf, -math.inf], abs=1e-9)
    found = modified_poisson(made, Z)
    assert [one.low for one in found[:2]] == pytest.approx(np.exp(logs - Z * errors), rel=1e-9)
    # In the last stratum 9 of those who have neither mark opted out. Of those who have one of the two, it is rare that
    # none did; who has the other as well tells nothing.
    rest = 14 * math.exp(logs[0]) + 35 * math.exp(logs[1])
    for one, own, contacts in ((found[2], 40 + 20 * math.exp(logs[0]), 71), (found[3], 13, 24)):
        assert (one.ratio, one.low, one.contacts, one.varies_p) == (0, 0, contacts, None)
        assert (rest / (rest + own * one.high)) ** 9 == pytest.approx(0.025, rel=1e-9)


def test_marks_that_always_go_together_and_one_that_nobody_is_without_have_no_ratio():
    rows = [(s, p, n, y, (*marks, *([3] if 0 in marks else []))) for s, p, n, y, marks in TOLD]
    together = modified_poisson(cells(*rows, kinds=4), Z)
    alone = modified_poisson(cells(*TOLD, kinds=3), Z)
    assert [together[mark] for mark in (0, 3)] == [NOTHING] * 2
    for mark in (1, 2):
        assert together[mark].low == pytest.approx(alone[mark].low, rel=1e-6)
    every = modified_poisson(cells(*((s, p, n, y, (*marks, 3)) for s, p, n, y, marks in TOLD), kinds=4), Z)
    assert every[3] == NOTHING
    assert every[0].high == pytest.approx(alone[0].high, rel=1e-6)


def test_a_ratio_that_runs_away_is_none():
    """Everybody who opted out has the mark: the likelihood rises forever."""
    rows = [
        (0, 0, 30, 5, (0,)),
        (0, 0, 40, 0, ()),
        (0, 0, 20, 4, (0, 1)),
        (1, 0, 20, 4, (1,)),
        (1, 0, 30, 2, ()),
    ]
    endless, known = modified_poisson(cells(*rows[:3], kinds=2), Z)
    assert endless == NOTHING
    both = modified_poisson(cells(*rows, kinds=2), Z)
    assert both[0] == NOTHING
    assert both[1].ratio is not None
    assert known.ratio is not None


def test_of_no_contacts_there_is_no_ratio():
    assert modified_poisson(cells(*UNTOLD, kinds=2), Z) == [replace(NOTHING, contacts=50), NOTHING]
    empty = np.zeros(0, int)
    assert modified_poisson(Cells(empty, empty, empty * 1.0, empty * 1.0, empty, empty, 0), Z) == []
