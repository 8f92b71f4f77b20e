"""The trend's periods judged together: Laney's steps, a Poisson's tails, and how often a calm year is called."""

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import beta, binom, norm, poisson

from sendblue_data.analytics.rates import normal_quantile
from sendblue_data.errors import ConfigurationError
from sendblue_data.history.process_limits import Process, joint_quantile, limits, process


def test_the_spread_and_limits_are_laneys_step_by_step():
    """Written out as in his paper: z of each share, the mean of their moving ranges over 1.128, limits of 3."""
    out, risk = np.array([30.0, 60.0, 28.0, 75.0, 41.0]), np.array([2000.0, 2500.0, 1900.0, 2600.0, 2100.0])
    p, usual = out / risk, out.sum() / risk.sum()
    z = (p - usual) / np.sqrt(usual * (1 - usual) / risk)
    sigma = np.abs(np.diff(z)).mean() / 1.128
    found = process(out, risk, np.full(5, 7.0))
    assert found.usual == pytest.approx(np.full(5, usual), rel=1e-9)
    assert found.spread == pytest.approx(sigma, rel=1e-9)
    low, high = limits(found, risk, 3)
    reach = 3 * sigma * np.sqrt(usual * (1 - usual) / risk)
    assert np.all(high >= usual + reach - 1e-12)
    assert np.all(low <= np.maximum(usual - reach, 0) + 1e-12)


def test_the_hazard_is_that_at_which_as_many_are_expected():
    """In periods of unlike lengths the usual rates differ, and the hazard is one; a day may leave few."""
    out, risk, days = np.array([3.0, 9.0, 4.0]), np.array([100.0, 120.0, 90.0]), np.array([7.0, 14.0, 3.0])
    hazard = brentq(lambda hazard: (risk * -np.expm1(-hazard * days)).sum() - 16, 0, 1, xtol=1e-15)
    found = process(out, risk, days)
    assert found.hazard == pytest.approx(hazard, rel=1e-9)
    assert found.usual == pytest.approx(1 - np.exp(-hazard * days), rel=1e-9)
    alone = process(np.array([99.0]), np.array([100.0]), np.array([0.5]))
    assert (alone.hazard, alone.spread) == (pytest.approx(2 * np.log(100), rel=1e-9), 1.0)


@pytest.mark.parametrize(("out", "hazard", "usual"), [(0.0, 0.0, 0.0), (50.0, np.inf, 1.0)])
def test_of_nobody_or_everybody_nothing_varies(out, hazard, usual):
    found = process(np.full(3, out), np.full(3, 50.0), np.array([7.0, 7.0, 9.0]))
    assert (found.hazard, found.usual.tolist(), found.spread) == (hazard, [usual] * 3, 1.0)


def test_periods_that_vary_less_than_by_chance_have_the_limits_of_chance():
    assert process(np.full(5, 40.0), np.full(5, 2_000.0), np.full(5, 7.0)).spread == 1.0


def cube_root_count(expected, z):
    """Wilson and Hilferty: the cube root of a gamma value over its shape k is normal about 1 - 1 / 9k, of 1 / 9k."""

    def beyond(shape):
        return (np.cbrt(expected / shape) - 1 + 1 / (9 * shape)) * np.sqrt(9 * shape) + z

    return brentq(beyond, 1e-6, 1e7, xtol=1e-12)


@pytest.mark.parametrize("z", [0.5, 1.5, 3.0])
@pytest.mark.parametrize(
    ("usual", "risk"), [(2e-5, 10_000.0), (0.002, 1_000.0), (0.05, 20_000.0), (0.2, 6.0)]
)
def test_limits_are_the_wider_of_laneys_and_of_a_skewed_count(usual, risk, z):
    found = Process(0.0, np.array([usual]), spread=1.3)
    low, high = limits(found, np.array([risk]), z)
    reach, expected = z * 1.3 * np.sqrt(usual * (1 - usual) / risk), usual * risk / 1.69
    most, least = (cube_root_count(expected, end) * 1.69 for end in (z, -z))
    assert high == pytest.approx([min(max(usual + reach, most / risk), 1)], rel=1e-6)
    assert low == pytest.approx([max(min(usual - reach, (least - 1) / risk), 0)], rel=1e-6, abs=1e-12)


def test_all_periods_lie_within_as_often_as_one_does_alone():
    assert joint_quantile(0.95, 1) == joint_quantile(0.95, 0) == pytest.approx(norm.isf(0.025))
    assert (1 - 2 * norm.sf(joint_quantile(0.9, 52))) ** 52 == pytest.approx(0.9, rel=1e-9)
    with pytest.raises(ConfigurationError, match="confidence is 1.5"):
        joint_quantile(1.5, 52)


@pytest.mark.parametrize("expected", [0.2, 1.0, 4.0, 30.0])
def test_limits_of_few_opt_outs_are_those_of_a_poisson_count(expected):
    risk = np.full(400, 10_000.0)
    found = process(np.full(400, expected), risk, np.full(400, 7.0))
    for confidence in (0.95, 0.998):
        low, high = limits(found, risk, normal_quantile(confidence))
        most = int(np.floor(high[0] * risk[0] + 1e-9))  # the largest count that is not called
        assert poisson.sf(most, expected) <= (1 - confidence) / 2 * 1.1
        assert poisson.cdf(low[0] * risk[0] - 1e-9, expected) <= (1 - confidence) / 2 * 1.1


@pytest.mark.slow
@pytest.mark.parametrize("spread", [0.0, 0.4])
def test_a_year_in_which_nothing_changes_is_seldom_called(spread):
    """5% of tables may have a period outside; an interval of its own for each would call nearly every year."""
    rng = np.random.default_rng(11)
    years, weeks, rate = 400, 52, 0.004
    z, called, alone = joint_quantile(0.95, weeks), 0, 0
    for _ in range(years):
        risk = rng.integers(2_000, 6_000, weeks).astype(float)
        size = 1 / (rate * spread**2) if spread else 0
        chance = beta.rvs(size * rate, size * (1 - rate), size=weeks, random_state=rng) if spread else rate
        out = binom.rvs(risk.astype(int), chance, random_state=rng).astype(float)
        low, high = limits(process(out, risk, np.full(weeks, 7.0)), risk, z)
        rates = out / risk
        called += bool(np.any((rates > high) | (rates < low)))
        each = 1.96 * np.sqrt(rate * (1 - rate) / risk)
        alone += bool(np.any(np.abs(rates - rate) > each))
    assert called / years <= (0.08 if spread else 0.065)
    assert alone / years > 0.8


@pytest.mark.slow
def test_a_week_at_four_times_the_rate_is_called():
    rng = np.random.default_rng(12)
    z, caught = joint_quantile(0.95, 52), 0
    for _ in range(200):
        rate = np.full(52, 0.004)
        rate[30] *= 4
        out = rng.binomial(4_000, rate).astype(float)
        risk = np.full(52, 4_000.0)
        _, high = limits(process(out, risk, np.full(52, 7.0)), risk, z)
        caught += out[30] / 4_000 > high[30]
    assert caught / 200 >= 0.95
