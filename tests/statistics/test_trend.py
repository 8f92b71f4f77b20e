"""The trend's figures against truths that are known: early opt-outs, missed looks, lost opt-outs, time zones."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from scipy.stats import binom

from sendblue_data import ContactHistory
from sendblue_data.errors import ConfigurationError
from sendblue_data.history.process_limits import joint_quantile, limits, process
from sendblue_data.history.trend import _how_watched
from tests.history import worlds as w

from .simulated import START, hasty_arrivals, recorded

FOREVER = 1e6


@pytest.mark.slow
def test_opt_outs_within_a_day_of_arriving_are_all_there(tmp_path):
    """Of 4,000 arrivals a tenth leave within a day; weekly looks showed half of all opt-outs."""
    born, left = hasty_arrivals(np.random.default_rng(1), before=500, hazard=0.002)
    looks = np.arange(0, 92, 7)
    # Looks before the first are no part of it: those who had left by then are not seen to leave.
    true = int(((left > 0) & (left <= looks[-1]) & (born <= looks[-1])).sum())
    history = recorded(tmp_path, born, left, looks)
    trend = history.opt_out_trend()
    assert trend["opt_outs"].sum() == true
    assert trend["arrived_opted_out"].sum() > true / 3
    assert history.opt_out_events().height == true
    as_imports = history.opt_out_trend(count_arrived=False)
    assert as_imports["opt_outs"].sum() == true - trend["arrived_opted_out"].sum()
    assert history.opt_out_events(count_arrived=False).height == as_imports["opt_outs"].sum()
    by_tag = history.opt_out_trend(by="company_name")
    assert by_tag["opt_outs"].sum() == true


@pytest.mark.slow
def test_a_constant_hazard_looks_constant_per_30_days_whatever_the_looks(tmp_path):
    """1.4% a week, a gap of 8 weeks, months of 3, 4 and 5 looks: the rate peaks at 10%, per 30 days nothing does."""
    rng, hazard = np.random.default_rng(2), -np.log(1 - 0.014) / 7
    true = float(1 - np.exp(-30 * hazard))
    held, covered, peaks = 0, 0, 0
    for trial in range(5):
        left = rng.exponential(1 / hazard, 1_500)
        looks = [7 * week for week in range(30) if not 10 < week < 18 and rng.random() > 0.1]
        history = recorded(tmp_path / str(trial), np.full(1_500, -50.0), left, [0, *looks[1:]])
        for every in ("1w", "1mo"):
            trend = history.opt_out_trend(every).filter(pl.col("at_risk") > 0)
            held += trend.height
            covered += trend.filter(
                pl.col("per_30_days_low") <= true, true <= pl.col("per_30_days_high")
            ).height
            peaks += trend["signal"].count()
            gap = trend.filter(pl.col("missed_periods") >= 1)
            assert gap.height
            assert trend.filter(pl.col("days") > 50)["rate"].max() > 0.07
            assert gap["unequal_days"].any()
    low, high = binom.interval(0.999, held, 0.95)
    assert low <= covered <= high
    assert peaks <= 2  # 10 tables, in each of which one may be called with 5%


def test_periods_are_judged_together_and_told_per_30_days(tmp_path):
    """Eight looks, a week apart but for one that is late and one missed; a few of 600 leave, and then sixty in one week."""
    looks, out = [0, 7, 14.5, 28, 35, 42, 49, 56], [6, 9, 7, 12, 9, 6, 60]
    left = np.full(600, FOREVER)
    left[:109] = np.repeat(looks[1:], out) - 0.5
    trend = recorded(tmp_path, np.full(600, -50.0), left, looks).opt_out_trend("1w", confidence=0.9)
    assert trend["opt_outs"].to_list() == [0, *out]
    assert trend["at_risk"].to_list() == [0, 600, 594, 585, 578, 566, 557, 551]
    assert trend["days"].to_list() == [0, 7, 7.5, 13.5, 7, 7, 7, 7]
    assert trend["unequal_days"].to_list() == [True, False, False, True, False, False, False, False]
    assert trend["missed_periods"].to_list() == [0, 0, 0, 1, 0, 0, 0, 0]
    assert trend["arrived_opted_out"].to_list() == [0] * 8
    first, judged = trend.row(0, named=True), trend[1:]
    assert {first[name] for name in ("rate", "per_30_days", "limit_low", "limit_high", "signal")} == {None}
    counts, risk, days = (judged[name].to_numpy().astype(float) for name in ("opt_outs", "at_risk", "days"))
    low, high = limits(process(counts, risk, days), risk, joint_quantile(0.9, 7))
    for name, rates in (("per_30_days", counts / risk), ("limit_low", low), ("limit_high", high)):
        assert judged[name].to_list() == pytest.approx((1 - (1 - rates) ** (30 / days)).tolist(), rel=1e-9)
    assert judged["signal"].to_list() == [None] * 6 + ["above"]


def test_a_period_is_unequal_that_was_watched_for_over_a_tenth_more_or_fewer_days():
    periods = pl.DataFrame(
        {
            "n": [0, 1, 2, 3],
            "period": [date(2026, 1, day) for day in (1, 11, 21, 31)],
            "days": [9.0, 11.0, 11.1, 8.9],
        }
    )
    found = _how_watched(periods.select("n"), periods, "10d")
    assert found["unequal_days"].to_list() == [False, False, True, True]


def test_a_calm_period_is_below_and_fewer_than_six_are_not_judged(tmp_path):
    left = np.full(4_000, FOREVER)
    left[:2_000] = np.repeat([7 * week - 0.5 for week in range(1, 9) if week != 4], 2_000 // 7 + 1)[:2_000]
    history = recorded(tmp_path, np.full(4_000, -50.0), left, range(0, 57, 7))
    assert history.opt_out_trend("1w")["signal"].to_list()[4] == "below"
    assert history.opt_out_trend("2w")["limit_high"].null_count() == 5


def test_a_deleted_and_created_opt_out_is_lost_and_no_resubscription(tmp_path):
    history = ContactHistory(tmp_path)
    out = [w.contact(0, opt_out=True), w.contact(1, opt_out=True), w.contact(2)]
    history.snapshot(w.frame(out), START)
    back = [w.contact(0, life=1), w.contact(1), w.contact(2)]
    history.snapshot(w.frame(back), START + timedelta(days=7))
    trend = history.opt_out_trend(by="phone")
    assert trend.group_by("phone").agg(pl.col("resubscribes", "lost_opt_outs").sum()).sort(
        "phone"
    ).rows() == [
        (w.phone(0), 0, 1),
        (w.phone(1), 1, 0),
        (w.phone(2), 0, 0),
    ]


def test_periods_are_those_of_the_time_zone(tmp_path):
    history = ContactHistory(tmp_path)
    for at, out in ((datetime(2026, 1, 30, tzinfo=UTC), False), (datetime(2026, 2, 1, 3, tzinfo=UTC), True)):
        history.snapshot(w.frame([w.contact(0, opt_out=out)]), at)
    in_utc = history.opt_out_trend("1mo")
    assert in_utc.select("period", "opt_outs").rows() == [(date(2026, 1, 1), 0), (date(2026, 2, 1), 1)]
    with pytest.raises(ConfigurationError, match="time_zone is 'Mars'"):
        history.opt_out_trend("1mo", time_zone="Mars")
    in_new_york = history.opt_out_trend("1mo", time_zone="America/New_York")
    assert in_new_york.select("period", "opt_outs").rows() == [(date(2026, 1, 1), 1)]


def test_an_arrival_of_unknown_opt_out_is_watched_from_its_creation(tmp_path):
    history = ContactHistory(tmp_path)
    born = START + timedelta(days=3)
    history.snapshot(w.frame([w.contact(1)]), START)
    for day, out in ((7, None), (14, True)):
        people = [w.contact(0, opt_out=out, created_at=born), w.contact(1)]
        history.snapshot(w.frame(people), START + timedelta(days=day))
    assert history.opt_out_trend().select("at_risk", "opt_outs", "arrived_opted_out").rows() == [
        (0, 0, 0),
        (1, 0, 0),
        (2, 1, 1),
    ]
    event = history.opt_out_events().row(0, named=True)
    assert (event["after"], event["before"], event["arrived"]) == (born, START + timedelta(days=14), True)
    assert (event["after_snapshot"], event["before_snapshot"]) == (None, 2)
