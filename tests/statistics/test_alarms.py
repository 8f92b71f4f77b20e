"""Alarms: their p against exact ones, false alarms against those promised, spikes, and the command's exit code."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from scipy.stats import betabinom, binom, norm

from sendblue_data import ContactHistory
from sendblue_data.errors import ConfigurationError
from sendblue_data.history.alarms import judge
from tests.history import worlds as w

from .simulated import START, recorded


@pytest.mark.parametrize(("before", "now"), [(3, 3), (5, 9), (12, 9), (200, 45), (0, 4)])
def test_p_is_that_of_two_poisson_rates(before, now):
    """Given their sum, the later count is binomial: exact, where the package takes cube roots (within 40% of it)."""
    periods = np.append(np.full(10, before / 10), now).astype(float)
    exposure = np.append(np.full(10, 1_000.0), 1_500.0)
    exact = binom.sf(now - 1, before + now, 1_500 / 11_500)
    ours = judge(periods, exposure, first=10).p[-1]
    assert np.log10(ours) == pytest.approx(np.log10(exact), abs=0.15)


def cube_root_p(now, exposure, seen, watched):
    """The chance that of two gamma rates, of `now` events and of `seen` and one more, the first is the lower."""
    (here, there) = ((events, events / time) for events, time in ((now, exposure), (seen + 1, watched)))
    means = [np.cbrt(rate) * (1 - 1 / (9 * events)) for events, rate in (here, there)]
    spread = np.sqrt(sum(np.cbrt(rate) ** 2 / (9 * events) for events, rate in (here, there)))
    return norm.sf((means[0] - means[1]) / spread)


def test_a_period_is_held_against_the_rate_and_the_variance_of_those_before():
    out, exposure = (
        np.array([4.0, 9, 2, 8, 3, 9, 6, 12]),
        np.array([700.0, 800, 700, 600, 700, 900, 700, 500]),
    )
    found = judge(out, exposure)
    assert np.isnan(found.expected[:6]).all()
    assert np.isnan(found.p[:6]).all()
    for place in (6, 7):
        rate = out[:place].sum() / exposure[:place].sum()
        usual = rate * exposure[:place]
        sigma = np.median(np.abs(np.diff((out[:place] - usual) / np.sqrt(usual)))) / 0.954
        assert sigma > 1
        p = cube_root_p(
            out[place] / sigma**2, exposure[place], out[:place].sum() / sigma**2, exposure[:place].sum()
        )
        assert found.expected[place] == pytest.approx(rate * exposure[place], rel=1e-12)
        assert found.p[place] == pytest.approx(p, rel=1e-9)
    assert np.isnan(judge(out, exposure, first=7).p).tolist() == [True] * 7 + [False]


def test_periods_that_vary_by_less_than_chance_or_have_no_opt_out_are_judged_by_chance():
    for usual in (5.0, 0.0):
        found = judge(np.array([*[usual] * 8, 9, 0]), np.full(10, 1_000.0), first=8)
        assert found.p[8] == pytest.approx(cube_root_p(9, 1_000, 8 * usual, 8_000), rel=1e-9)
        assert found.p[9] == 1


def test_a_period_is_held_against_the_sixty_before_it():
    found = judge(np.array([500.0, *[5.0] * 61]), np.full(62, 1_000.0))
    assert found.expected[60] == pytest.approx((500 + 59 * 5) / 60)
    assert found.expected[61] == 5


def year(rng, spread, weeks=104, size=3_000, rate=0.004):
    if not spread:
        return rng.binomial(size, rate, weeks).astype(float)
    scale = 1 / (rate * spread**2)
    return betabinom.rvs(size, scale * rate, scale * (1 - rate), size=weeks, random_state=rng).astype(float)


@pytest.mark.slow
@pytest.mark.parametrize(("spread", "most"), [(0.0, 1.3), (0.4, 2.0)])
def test_false_alarms_are_as_many_as_promised(spread, most):
    """One a year promised: no more than 1.3 a year by chance alone, 2 where weeks vary by 40% besides."""
    rng = np.random.default_rng(21)
    alarms, weeks_judged = 0, 0
    for _ in range(150):
        found = judge(year(rng, spread), np.full(104, 3_000.0 * 7), first=20)
        weeks_judged += np.isfinite(found.p).sum()
        alarms += (found.p <= 1 / 52).sum()
    assert alarms / (weeks_judged / 52) <= most


@pytest.mark.slow
def test_a_week_at_four_times_the_rate_is_an_alarm():
    rng = np.random.default_rng(22)
    caught = 0
    for _ in range(100):
        weeks = year(rng, 0.0)
        weeks[60] = rng.binomial(3_000, 0.016)
        # One false alarm a year over 20 groups.
        caught += judge(weeks[:61], np.full(61, 3_000.0 * 7), first=60).p[60] <= 1 / (52 * 20)
    assert caught >= 98


@pytest.mark.slow
def test_an_alarm_says_which_tag_when_and_how_far_out(tmp_path):
    rng = np.random.default_rng(23)
    people, tags = 900, ["Sale" if n % 3 == 0 else "News" for n in range(900)]
    left = rng.exponential(400.0, people)
    left = np.where(left < 70, left, 1e6)
    spike = rng.choice(np.flatnonzero((np.arange(people) % 3 == 0) & (left > 80)), 30, replace=False)
    left[spike] = 80 + rng.uniform(0, 4, 30)
    looks = [7 * week for week in range(12) if week not in (4, 5)]
    history = recorded(tmp_path, np.full(people, -40.0), left, [*looks, 84], tags)
    alarms = history.opt_out_alarms(["tags"])
    assert alarms.filter(pl.col("factor") == "tag")["level"].to_list() == ["Sale"]
    sale = alarms.filter(pl.col("level") == "Sale").row(0, named=True)
    assert (sale["after"], sale["before"]) == (START + timedelta(days=77), START + timedelta(days=84))
    assert sale["opt_outs"] == 30
    assert sale["times"] == pytest.approx(30 / sale["expected"])
    assert sale["false_alarms_per_year"] == 1.0
    assert alarms["before"].unique().to_list() == [sale["before"]]  # none after the gap of three weeks
    assert history.opt_out_alarms(["tags"], latest=True).equals(alarms)
    assert history.opt_out_alarms(["tags"], false_alarms_per_year=1e-30).is_empty()


@pytest.mark.parametrize("gap", [7, 1 / 24], ids=["a week apart", "an hour apart"])
def test_an_alarm_is_a_p_below_the_false_alarms_that_all_tests_of_a_year_may_give(tmp_path, gap):
    """One of tag a leaves a week, and of b two in all, until 9 of b leave in the eighth week; c arrives in the fifth."""
    born, left = np.full(62, -40.0), np.full(62, 1e6)
    left[0:14:2] = np.arange(7) + 0.5
    left[[1, 3]] = (1.5, 3.5)
    born[60:] = 4.5
    # The last two looks are twice as far apart as the others.
    left[5:23:2] = 8.5
    looks = np.array([*range(8), 9]) * gap
    history = recorded(tmp_path, born * gap, left * gap, looks, ["a", "b"] * 30 + ["c"] * 2)
    out = {"all": [1, 2, 1, 2, 1, 1, 1, 9], "b": [0, 1, 0, 1, 0, 0, 0, 9]}
    at_risk = {"all": [60, 59, 57, 56, 56, 55, 54, 53], "b": [30, 30, 29, 29, 28, 28, 28, 28]}
    # Three groups are judged at last, c having too few periods; of which there are nine, the first look being one.
    tests = 3 * 9 / max(9 * gap, 1) * 365.25
    for level, factor in (("all", "all"), ("b", "tag")):
        counts, watched = np.array(out[level], float), np.array(at_risk[level], float)
        judged = judge(counts, (watched - counts / 2) * np.diff(looks))
        p, expected = judged.p[-1], judged.expected[-1]
        found = history.opt_out_alarms("tags", false_alarms_per_year=p * tests * 1.001, latest=True)
        row = found.filter(pl.col("level") == level).row(0, named=True)
        assert (row["factor"], row["at_risk"], row["opt_outs"]) == (factor, watched[-1], 9)
        assert (row["p"], row["expected"]) == (pytest.approx(p, rel=1e-5), pytest.approx(expected, rel=1e-6))
        assert row["times"] == pytest.approx(9 / expected)
        assert [row["after"], row["before"]] == [START + timedelta(days=float(look)) for look in looks[7:]]
        fewer = history.opt_out_alarms("tags", false_alarms_per_year=p * tests * 0.999)
        assert level not in fewer["level"].to_list()


def test_a_spike_after_nobody_left_is_so_many_times_nothing_and_no_alarm_of_a_later_look(tmp_path):
    left = np.where(np.arange(70) < 30, 7 * 6.5, 1e6)
    history = recorded(tmp_path, np.full(70, -40.0), left, range(0, 57, 7), ["d"] * 30 + ["e"] * 40)
    for by, levels in (("tags", ["all", "d"]), ("company_name", ["all"])):  # which nobody has
        alarms = history.opt_out_alarms(by)
        assert sorted(alarms["level"]) == levels
        assert alarms.select("before", "opt_outs", "expected", "times").unique().rows() == [
            (START + timedelta(days=49), 30, 0, None)
        ]
        assert history.opt_out_alarms(by, latest=True).is_empty()


def test_options_of_alarms_are_checked(tmp_path):
    history = ContactHistory(tmp_path)
    history.snapshot(w.frame([w.contact(0)]), START)
    with pytest.raises(ConfigurationError, match="false_alarms_per_year is 0: expected a number above 0"):
        history.opt_out_alarms(false_alarms_per_year=0)
    with pytest.raises(ConfigurationError, match="whole days or longer"):
        history.opt_out_alarms(every="1h")
    assert history.opt_out_alarms("tags", every="1w").is_empty()
