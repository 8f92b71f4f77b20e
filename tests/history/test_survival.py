"""Survival and the trend's intervals, against statsmodels and lifelines."""

from __future__ import annotations

import tempfile
import warnings
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given, strategies as st
from lifelines import KaplanMeierFitter
from scipy.stats import norm
from statsmodels.duration.survfunc import SurvfuncRight
from statsmodels.stats.proportion import proportion_confint

from sendblue_data import ContactHistory
from sendblue_data.history.survival import kaplan_meier

from . import worlds as w
from .test_random_histories import quick, recorded

DAY = 86_400.0
Life = tuple[float, float, bool]


def assert_same_curve(ours: pl.DataFrame, lives: list[Life], confidence: float) -> None:
    """Compare with statsmodels, which takes a delayed entry; the log-log interval is made of its standard error."""
    entry, leaving, event = (np.array(column, dtype=float) for column in zip(*lives, strict=True))
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # divisions by 0 where nobody is left
        theirs = SurvfuncRight(leaving, event, entry=entry)
    steps = ours.filter(pl.col("opt_outs") > 0)
    has_event = theirs.n_events > 0
    assert steps.height == has_event.sum()
    assert steps["opt_outs"].to_list() == theirs.n_events[has_event].tolist()
    assert steps["at_risk"].to_list() == theirs.n_risk[has_event].tolist()
    assert steps["day"].to_list() == pytest.approx(theirs.surv_times[has_event].tolist(), rel=1e-12)
    share, error = theirs.surv_prob[has_event], theirs.surv_prob_se[has_event]
    assert steps["survival"].to_list() == pytest.approx(share.tolist(), rel=1e-9, abs=1e-12)
    z = norm.ppf((1 + confidence) / 2)
    for mine, low, high, s, se in zip(
        steps["survival"], steps["low"], steps["high"], share, error, strict=True
    ):
        if not mine:
            assert (low, high) == (None, None)
            continue
        # Of log(-log S), by the delta method, and back.
        middle, half = np.log(-np.log(s)), z * se / (s * abs(np.log(s)))
        bounds = [np.exp(-np.exp(middle + half)), np.exp(-np.exp(middle - half))]
        assert [low, high] == pytest.approx(bounds, rel=1e-9, abs=1e-12)


def lives_from(least: int, most: int) -> st.SearchStrategy[list[Life]]:
    life = st.tuples(st.integers(least, most), st.integers(1, 20), st.booleans())
    return st.lists(
        life.map(lambda made: (float(made[0]), float(made[0] + made[1]), made[2])), min_size=1, max_size=60
    )


confidences = st.sampled_from([0.8, 0.95, 0.99])


@quick
@given(lives_from(0, 0), confidences)
def test_without_delayed_entry_it_is_lifelines_too(lives: list[Life], confidence: float) -> None:
    ours = kaplan_meier(pl.DataFrame(lives, schema=["entry", "exit", "event"], orient="row"), confidence)
    fitted = KaplanMeierFitter(alpha=1 - confidence).fit(*([life[n] for life in lives] for n in (1, 2)))
    theirs = fitted.survival_function_.join(fitted.confidence_interval_survival_function_)
    steps = ours.filter(pl.col("opt_outs") > 0, pl.col("survival") > 0)
    expected = theirs.loc[steps["day"].to_list()].to_numpy()
    assert steps.select("survival", "low", "high").to_numpy() == pytest.approx(expected, rel=1e-9, abs=1e-12)


@quick
@given(lives_from(0, 20), confidences)
def test_the_estimate_is_kaplan_and_meiers(lives: list[Life], confidence: float) -> None:
    frame = pl.DataFrame(lives, schema=["entry", "exit", "event"], orient="row")
    ours = kaplan_meier(frame, confidence)
    assert_same_curve(ours, lives, confidence)
    assert ours["opt_outs"].sum() == sum(event for *_, event in lives)
    assert ours["opt_outs"].sum() + ours["censored"].sum() == len(lives)


def lives_of(world: w.World) -> list[Life]:
    """Entry, exit and event of every contact that was watched while it was subscribed, in days since creation."""
    found = []
    for who in world.phones:
        seen = [(at, c) for at, contacts in world.taken for c in contacts if c["phone"] == who]
        known = [(at, c["opt_out"]) for at, c in seen if c["opt_out"] is not None]
        if not known or known[0][1]:
            continue
        born = seen[0][1]["created_at"]
        out = next((at for at, opted_out in known if opted_out), None)
        entry, leaving = (
            max(0.0, (moment - born).total_seconds() / DAY) for moment in (known[0][0], out or known[-1][0])
        )
        if leaving > entry:
            found.append((entry, leaving, out is not None))
    return found


@pytest.mark.slow
@quick
@given(w.worlds(people=8, snapshots=10))
def test_a_historys_survival_is_that_of_the_contacts_watched(world: w.World) -> None:
    lives = lives_of(world)
    assume(lives)
    with tempfile.TemporaryDirectory() as folder:
        history = recorded(world, folder)
        curve = history.survival(method="kaplan-meier")
        assert_same_curve(curve, lives, 0.95)
        assert curve["opt_outs"].sum() + curve["censored"].sum() == len(lives)
        # Grouped by phone, each group is one contact, and together they are all.
        alone = history.survival(by="phone", method="kaplan-meier")
        assert alone["opt_outs"].sum() == curve["opt_outs"].sum()


@pytest.mark.slow
@quick
@given(w.worlds())
def test_the_trends_intervals_are_wilsons(world: w.World) -> None:
    with tempfile.TemporaryDirectory() as folder:
        trend = recorded(world, folder).opt_out_trend("1w", confidence=0.9)
    for out, risk, rate, low, high in trend.select("opt_outs", "at_risk", "rate", "low", "high").rows():
        if not risk:
            assert (rate, low, high) == (None, None, None)
            continue
        assert rate == out / risk
        assert (low, high) == pytest.approx(
            proportion_confint(out, risk, alpha=0.1, method="wilson"), rel=1e-9, abs=1e-12
        )


def test_a_contact_opted_out_at_first_sight_is_not_watched(tmp_path: object) -> None:
    history = ContactHistory(str(tmp_path))
    out = w.frame([w.contact(0, opt_out=True), w.contact(1, created_at=None)])
    history.snapshot(out, datetime(2026, 1, 5, tzinfo=UTC))
    history.snapshot(out.with_columns(first_name=pl.lit("N")), datetime(2026, 1, 9, tzinfo=UTC))
    curve = history.survival()
    assert (curve.height, curve["at_risk"].to_list()) == (1, [0])
