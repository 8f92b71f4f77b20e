"""Survival between looks: against independent estimators, and against hazards that are known."""

from __future__ import annotations

import warnings
from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings, strategies as st
from lifelines import KaplanMeierFitter
from scipy.optimize import minimize
from scipy.stats import binom, norm
from statsmodels.duration.survfunc import SurvfuncRight
from statsmodels.genmod import families
from statsmodels.genmod.generalized_linear_model import GLM

from sendblue_data import ContactHistory
from sendblue_data.errors import ConfigurationError
from sendblue_data.history.grouped_time import grouped_time, overlap
from sendblue_data.history.survival import cloglog_curve, in_whole_days, kaplan_meier, turnbull_curve
from sendblue_data.history.turnbull import Lives, bootstrap, cells_of, hazards, survival_at
from tests.history import worlds as w

from .simulated import START, hasty_arrivals, recorded

quick = settings(max_examples=10, deadline=None)
LIFE = st.tuples(st.integers(0, 6), st.integers(0, 7), st.none() | st.integers(1, 7))


def lives_of(made: list[tuple[int, int, int | None]]) -> Lives:
    """From a life's entry, days until it was last seen, and days until it was seen gone."""
    rows = [(v, v + a, np.inf if b is None else v + a + b) for v, a, b in made]
    entry, after, before = np.array(rows, dtype=float).T
    return Lives(entry, after, before, np.ones(len(rows)))


def likelihood(lives: Lives, survival) -> float:
    ended = lives.ended
    gone = np.where(ended, survival(lives.after) - survival(np.where(ended, lives.before, 0.0)), 1.0)
    last = np.where(ended, gone, survival(lives.after))
    return float(np.log(last).sum() - np.log(survival(lives.entry)).sum())


def best(lives: Lives) -> float:
    """The highest likelihood that any curve has: a general optimiser over a hazard for each day."""
    day = np.arange(25)
    watched = (lives.entry[:, None] <= day) & (day < lives.after[:, None])
    within = (lives.after[:, None] <= day) & (day < lives.before[:, None]) & lives.ended[:, None]
    within = within[lives.ended]

    def minus(logs):
        hazard = np.exp(logs)
        gone = within @ hazard
        value = watched.sum(0) @ hazard - np.log(-np.expm1(-gone)).sum()
        return value, hazard * (watched.sum(0) - (1 / np.expm1(gone)) @ within)

    options = {"maxiter": 20_000, "maxfun": 40_000, "ftol": 1e-15, "gtol": 1e-9}
    found = minimize(
        minus, np.full(25, -2.0), jac=True, method="L-BFGS-B", bounds=[(-40, 4)] * 25, options=options
    )
    return -float(found.fun)


def test_the_curve_may_fall_where_somebody_may_have_left_and_nothing_else_is_seen():
    """From a look at somebody who goes on to the next at which somebody is gone or enters; by hand."""
    lives = {
        (0, 0, 2): (0, 0, 1),
        (0, 2, 6): (0, 1, 3),
        (1, 5, 7): (1, 2, 4),
        (0, 4, 9): (0, 2, 5),
        (0, 6, np.inf): (0, 3, 3),
        (3, 8, np.inf): (2, 4, 4),
        (7, 12, np.inf): (4, 5, 5),
        (13, 20, np.inf): (5, 5, 5),  # nobody left between 12 and its entry at 13
    }
    entry, after, before = np.array(list(lives), float).T
    cells = cells_of(Lives(entry, after, before, np.ones(len(lives))))
    assert cells.start.tolist() == [0, 2, 5, 6, 8]
    assert cells.end.tolist() == [1, 3, 6, 7, 9]
    places = zip(cells.entry.tolist(), cells.after.tolist(), cells.before.tolist(), strict=True)
    assert list(places) == list(lives.values())


@quick
@given(st.lists(LIFE, min_size=2, max_size=40))
def test_no_curve_is_more_likely_than_turnbulls(made):
    lives = lives_of([one for one in made if one[1] or one[2]] or [(0, 1, None)])
    cells = cells_of(lives)
    hazard = hazards(lives, cells)
    ours = likelihood(lives, lambda ages: np.maximum(survival_at(cells, hazard, ages), 1e-300))
    day = np.arange(25)[:, None]
    through = ((lives.entry <= day) & (day < lives.after)).sum(1)
    around = ((lives.after <= day) & (day < lives.before) & lives.ended).sum(1)
    if np.any((through == 0) & (around > 0) & (day.ravel() < lives.after.max())):
        return  # the likeliest curve falls to 0 where few are watched, and the one here does not: next test
    assert ours >= best(lives) - 1e-4


def test_the_curve_does_not_end_while_others_are_watched():
    """One who left where nobody else was watched says little of the 50 who were seen at greater ages."""
    lives = Lives(*np.array([(1, 1, 2, 1), (5, 9, np.inf, 50)], dtype=float).T)
    cells = cells_of(lives)
    assert survival_at(cells, hazards(lives, cells), np.array([9.0])) == pytest.approx([0.5])


def test_where_the_last_left_the_curve_ends_and_who_left_around_it_says_nothing_of_others():
    """Of four who are known by the first day one is gone; a fifth left some time before the others' end."""
    lives = Lives(*np.array([(0, 0, 1, 1), (0, 9, 10, 3), (0, 0, 10, 1)], dtype=float).T)
    cells = cells_of(lives)
    assert hazards(lives, cells) == pytest.approx([-np.log(0.75), np.inf])
    assert survival_at(cells, hazards(lives, cells), np.array([0.0, 1, 9, 10])) == pytest.approx(
        [1, 0.75, 0.75, 0]
    )


def test_curves_of_draws_are_those_of_the_lives_drawn_up_to_a_small_part_of_their_error():
    rng = np.random.default_rng(9)
    after = rng.integers(0, 60, 300).astype(float)
    before = np.where(rng.random(300) < 0.6, after + rng.integers(10, 40, 300), np.inf)
    lives = Lives(np.minimum(rng.integers(0, 20, 300), after), after, before, np.full(300, 2.0))
    cells, ages = cells_of(lives), np.arange(0, 60.0, 5)
    curves = bootstrap(lives, cells, hazards(lives, cells), ages, 4)
    draws = np.random.default_rng(20_26).multinomial(600, np.full(300, 1 / 300), size=4).astype(float)
    for curve, number in zip(curves, draws, strict=True):
        exact = survival_at(cells, hazards(lives, cells, number), ages)
        # A standard error is about 0.045 here, of which 0.007 is a seventh; it adds 1% to the error of a draw.
        assert curve == pytest.approx(exact, abs=0.007)


def test_in_a_draw_the_curve_ends_with_the_last_of_those_drawn():
    lives = Lives(*np.array([(1, 1, 2, 1), (5, 9, np.inf, 50)], dtype=float).T)
    assert hazards(lives, cells_of(lives), number=np.array([1.0, 0.0])) == [np.inf]


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_without_delayed_entry_it_is_lifelines_curve(seed):
    rng = np.random.default_rng(seed)
    # Lifelines' intervals are closed at the left, too: none begins where another ends.
    after = rng.integers(0, 6, 30) + 0.5
    before = np.where(rng.random(30) < 0.6, np.floor(after) + rng.integers(1, 6, 30), np.inf)
    lives = Lives(np.zeros(30), after, before, np.ones(30))
    cells = cells_of(lives)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = KaplanMeierFitter().fit_interval_censoring(after, before, tol=1e-9)
    theirs = fitted.survival_function_["NPMLE_estimate_lower"]
    ours = survival_at(cells, hazards(lives, cells), cells.end)
    expected = [theirs[theirs.index <= age].iloc[-1] for age in cells.end]
    assert ours == pytest.approx(expected, abs=1e-3)


@quick
@given(st.lists(st.tuples(st.integers(0, 6), st.integers(1, 9), st.booleans()), min_size=1, max_size=40))
def test_where_looks_are_daily_it_is_kaplan_and_meiers(made):
    """Opt-outs within one day: nothing is left to estimate between looks, and statsmodels takes delayed entry."""
    entry, leaving, event = (np.array(column, dtype=float) for column in zip(*made, strict=True))
    leaving += entry
    rows = [(v, x - e, x if e else None, False) for v, x, e in zip(entry, leaving, event, strict=True)]
    frame = pl.DataFrame(rows, schema=["entry", "after", "before", "arrived"], orient="row")
    ours = turnbull_curve(frame.cast({"before": pl.Float64}), 0.95)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        theirs = SurvfuncRight(leaving, event, entry=entry)
    for day, share in zip(theirs.surv_times, theirs.surv_prob, strict=True):
        assert ours.filter(pl.col("day") == float(day))["survival"].item() == pytest.approx(share, abs=1e-4)
    assert ours["opt_outs"].sum() + ours["censored"].sum() == len(made)


def test_the_discrete_model_is_the_glm_of_statsmodels():
    rng = np.random.default_rng(5)
    start = rng.integers(0, 6, 900) * 7.0
    gone = rng.random(900) < 1 - np.exp(-(0.01 + 0.002 * start / 7) * 7)
    lives = Lives(start, np.where(gone, start, start + 7), np.where(gone, start + 7, np.inf), np.ones(900))
    found = grouped_time(lives, 7.0)
    stretch = (start[:, None] == 7.0 * np.arange(6)).astype(float)
    family = families.Binomial(families.links.CLogLog())
    glm = GLM(gone.astype(float), stretch, family=family).fit()
    assert found.hazard * 7 == pytest.approx(np.exp(glm.params), rel=1e-5)
    error = np.sqrt(np.diag(found.covariance)) / found.hazard
    assert error == pytest.approx(
        glm.bse, rel=0.05
    )  # of the observed information here, of the expected there


def test_where_intervals_lie_across_stretches_the_hazards_are_the_likeliest_and_their_errors_its_curvature():
    """Stretches of half a day, of which the third is that of nobody; by SciPy, and by differences of the likelihood."""
    entry = np.array([0, 0, 0, 0.1, 0.3, 0, 1.5, 1.6, 0.2])
    after = np.array([0, 0.2, 0.4, 0.4, 0.9, 0.9, 1.7, 2.0, 0.8])
    before = np.array([0.4, 0.7, 0.8, np.inf, np.inf, 1.0, 2.0, np.inf, 1.0])
    number = np.array([2.0, 3, 1, 9, 7, 2, 1, 5, 1])

    def unlikely(hazard):
        def gone(age):
            return sum(h * np.clip(age - 0.5 * n, 0, 0.5) for n, h in enumerate(hazard))

        ended = np.isfinite(before)
        log = gone(entry) - gone(after)
        log += np.log(-np.expm1(np.where(ended, gone(after) - gone(np.where(ended, before, 0)), -np.inf)))
        return -float(number @ log)

    found = grouped_time(Lives(entry, after, before, number), 0.5)
    assert len(found.hazard) == 4
    told = [0, 1, 3]

    def of_told(some):
        return unlikely([some[0], some[1], 0, some[2]])

    best = minimize(of_told, [0.5] * 3, method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-12}).x
    assert found.hazard[told] == pytest.approx(best, rel=1e-6)
    assert found.hazard[2] == 0
    step = 1e-4 * np.eye(3)
    bends = [
        [
            sum(i * j * of_told(best + i * one + j * other) for i in (-1, 1) for j in (-1, 1)) / 4e-8
            for one in step
        ]
        for other in step
    ]
    assert found.covariance[np.ix_(told, told)] == pytest.approx(np.linalg.inv(bends), rel=1e-4, abs=1e-6)
    assert not found.covariance[2].any()


def lives_frame(*rows):
    """Of lives: entry, after, before (None: not seen to leave), and how many are so; who left at once had arrived."""
    each = [
        (*(None if age is None else float(age) for age in life), life[1] == 0 and life[2] is not None)
        for *life, times in rows
        for _ in range(times)
    ]
    names = dict.fromkeys(("entry", "after", "before"), pl.Float64) | {"arrived": pl.Boolean}
    return pl.DataFrame(each, schema=names, orient="row")


def test_the_discrete_models_interval_is_that_of_a_binomial_share_on_the_log_scale():
    """Of 80 who were there at one look 20 are gone at the next: H = -log(1 - p), whose variance is p / (n (1 - p))."""
    curve = cloglog_curve(lives_frame((0, 0, 7, 20), (0, 7, None, 60)), 7, 0.9)
    gone, error, z = -np.log(0.75), np.sqrt(0.25 / (80 * 0.75)), norm.isf(0.05)
    for day in (3, 7):
        row = curve.filter(pl.col("day") == day).row(0, named=True)
        part = gone * day / 7
        expected = [np.exp(-part * np.exp(end * z * error / gone)) for end in (0, 1, -1)]
        assert [row["survival"], row["low"], row["high"]] == pytest.approx(expected, rel=1e-6)
    assert curve.select("survival", "low", "high").row(0) == (1, 1, 1)
    nobody = cloglog_curve(lives_frame(), 7, 0.9)
    assert nobody.select("survival", "low", "high").rows() == [(None, None, None)]


def test_days_of_an_interval_are_told_by_the_stretch_that_they_lie_in():
    days = overlap(np.array([1.0, 5.0, 0.0]), np.array([6.0, 12.0, 0.0]), 5, 3)
    assert days.tolist() == [[4, 1, 0], [0, 5, 2], [0, 0, 0]]


def test_ages_are_rounded_to_days_and_what_happened_within_one_keeps_it():
    made = [
        ((0.6, 3.4, 3.9), (1, 3, 4)),
        ((0.4, 2.5, 9.49), (0, 3, 9)),
        ((0.4, 3.2, 4.9), (0, 3, 5)),
        ((3.6, 3.7, 3.9), (3, 3, 4)),
        ((0.0, 4.4, None), (0, 4, None)),
        ((2.0, 2.4, None), None),
        ((2.0, 2.0, 2.5), (2, 2, 3)),
    ]
    rounded = in_whole_days(lives_frame(*((*life, 1) for life, _ in made)))
    assert rounded.select("entry", "after", "before").rows() == [row for _, row in made if row]


def test_those_at_risk_are_who_entered_before_a_day_and_had_not_gone():
    curve = turnbull_curve(lives_frame((0, 3, 4, 1), (0, 5, None, 1), (2, 4, 6, 1), (0, 0, 1, 1)), 0.95)
    assert curve.select("day", "at_risk", "opt_outs", "arrived_opted_out", "censored").rows() == [
        (0, 3, 0, 0, 0), (1, 3, 1, 1, 0), (2, 2, 0, 0, 0), (3, 3, 0, 0, 0),
        (4, 3, 1, 0, 0), (5, 2, 0, 0, 1), (6, 1, 1, 0, 0),
    ]  # fmt: skip


def test_bounds_are_those_of_lives_drawn_again():
    """A share of 40 lives is a binomial share, up to the chance of 200 draws."""
    curve = turnbull_curve(lives_frame((0, 0, 9, 12), (0, 9, None, 28)), 0.8)
    row = curve.filter(pl.col("day") == 9).row(0, named=True)
    assert row["survival"] == pytest.approx(0.7)
    assert [row["low"], row["high"]] == pytest.approx(binom.ppf([0.1, 0.9], 40, 0.7) / 40, abs=0.026)
    ended = turnbull_curve(lives_frame((0, 0, 9, 12)), 0.8).row(-1, named=True)
    assert (ended["survival"], ended["low"], ended["high"]) == (0, None, None)


def test_without_an_event_the_bound_is_that_of_the_fewest_who_were_watched_so_far():
    curve = turnbull_curve(lives_frame((0, 9, None, 50), (0, 4, None, 30), (6, 9, None, 100)), 0.9)
    fewest = [np.inf, *[80] * 4, *[50] * 5]
    assert curve["low"].to_list() == pytest.approx([0.05 ** (1 / many) for many in fewest])
    alone = turnbull_curve(lives_frame((0, 3, None, 1)), 0.9)
    assert alone["low"].to_list() == pytest.approx([1, 0.05, 0.05, 0.05])
    unwatched = turnbull_curve(lives_frame((0, 2, None, 50), (3, 5, None, 50)), 0.9)
    assert unwatched["low"].to_list() == pytest.approx([1, *[0.05 ** (1 / 50)] * 2, 0, 0, 0])
    assert unwatched["high"].to_list() == [1.0] * 6


def test_groups_have_curves_in_order_those_without_a_value_last(tmp_path):
    names = [None, *(f"company {n}" for n in range(9, 0, -1))]
    history = ContactHistory(tmp_path)
    for day in (0, 3):
        people = [w.contact(n, company_name=name, created_at=START) for n, name in enumerate(names * 2)]
        history.snapshot(w.frame(people), START + timedelta(days=day))
    curves = history.survival("company_name", confidence=0.9)
    assert curves["company_name"].to_list() == [name for name in names[::-1] for _ in range(4)]
    assert curves["day"].to_list() == [0, 1, 2, 3] * 10
    assert curves["confidence"].unique().to_list() == [0.9]
    with pytest.raises(ConfigurationError, match="confidence is 95"):
        history.survival(confidence=95)


def test_where_nobody_was_watched_the_columns_are_those_of_any_curve(tmp_path):
    history = ContactHistory(tmp_path)
    history.snapshot(w.frame([w.contact(0, opt_out=True)]), START)
    assert history.survival("company_name").columns == ["company_name", *history.survival().columns]


@pytest.mark.parametrize("late", [0, 0.1])
def test_looks_are_regular_up_to_a_quarter_of_the_gap_in_the_middle(tmp_path, late):
    history = ContactHistory(tmp_path)
    history.snapshot(w.frame([w.contact(0)]), START)
    with pytest.raises(ConfigurationError, match="needs two looks, and there is one"):
        history.survival(method="cloglog")
    for day in (8, 16, 26 + late, 32 + late):
        history.snapshot(w.frame([w.contact(0)]), START + timedelta(days=day))
    if late:
        with pytest.raises(ConfigurationError, match="6.0 to 10.1 days apart"):
            history.survival(method="cloglog")
    else:
        assert history.survival(method="cloglog")["survival"].to_list()[-1] == 1


def between_looks(rng, contacts, hazard, gap, days, arrivals=True):
    """Lives under a constant hazard, as looks every `gap` days show them: contacts keep arriving."""
    born = rng.uniform(0 if arrivals else -150, days - 1, contacts)
    left = born + rng.exponential(1 / hazard, contacts)
    looks = np.arange(0, days + 1e-9, gap)
    first = np.searchsorted(looks, born, side="right")
    born, left, first = (column[first < len(looks)] for column in (born, left, first))
    shown = np.searchsorted(looks, left)
    ended = shown < len(looks)
    last = np.where(ended, np.maximum(shown - 1, 0), len(looks) - 1)
    after = np.where(shown > first, looks[last] - born, 0.0)
    before = np.where(ended, looks[np.minimum(shown, len(looks) - 1)] - born, np.inf)
    entry = np.where(first > 0, 0.0, looks[first] - born)
    seen = (first > 0) | (shown > first)
    frame = pl.DataFrame({"entry": entry, "after": after, "before": before})
    frame = frame.filter(pl.Series(seen)).with_columns(
        before=pl.when(pl.col("before").is_finite()).then("before"), arrived=pl.col("after") == 0
    )
    return frame.filter(pl.coalesce("before", "after") > pl.col("entry"))


AGES = (15.0, 30.0, 75.0, 120.0)


@pytest.mark.slow
@pytest.mark.parametrize(("curve", "least"), [("turnbull", 0.9), ("cloglog", 0.92)])
@pytest.mark.parametrize("arrivals", [True, False])
def test_survival_between_looks_is_that_of_the_hazard(curve, least, arrivals):
    """A hazard of 0.01 a day and looks every 30 days: S(30) is 0.741, and 1.000 by the date of the look that shows it.

    Intervals of 95% hold the truth in 90% (Turnbull's, by bootstrap) and 92% (the discrete model) of cases at least.
    """
    rng = np.random.default_rng(7)
    repeats, held, sums, late = 25, 0, np.zeros(len(AGES)), 0.0
    for _ in range(repeats):
        lives = between_looks(rng, 600, 0.01, 30, 360, arrivals)
        made = turnbull_curve(lives, 0.95) if curve == "turnbull" else cloglog_curve(lives, 30, 0.95)
        rows = [made.filter(pl.col("day") == age).row(0, named=True) for age in AGES]
        truths = np.exp(-0.01 * np.array(AGES))
        held += sum(row["low"] <= true <= row["high"] for row, true in zip(rows, truths, strict=True))
        sums += [row["survival"] for row in rows]
        ends = lives.select(
            "entry", exit=pl.coalesce("before", "after"), event=pl.col("before").is_not_null()
        )
        late += kaplan_meier(ends, 0.95).filter(pl.col("day") <= 15)["survival"][-1]
    assert sums / repeats == pytest.approx(np.exp(-0.01 * np.array(AGES)), abs=0.025)
    assert held >= binom.ppf(0.01, repeats * len(AGES), least)
    if arrivals:
        assert late / repeats > np.exp(-0.15) + 0.04


@pytest.mark.slow
def test_opt_outs_within_a_day_of_arriving_are_in_the_curve(tmp_path):
    """4,000 arrivals of whom a tenth leave within a day: S(30) is 0.874, and 0.973 without those who arrive opted out."""
    born, left = hasty_arrivals(np.random.default_rng(8), before=300, hazard=0.001)
    history = recorded(tmp_path, born, left, np.arange(0, 92, 7))
    curve = history.survival()
    at_30 = curve.filter(pl.col("day") == 30).row(0, named=True)
    true = 0.9 * np.exp(-0.03)
    assert at_30["low"] <= true <= at_30["high"]
    assert at_30["survival"] == pytest.approx(true, abs=0.015)
    assert curve["arrived_opted_out"].sum() > 300
    imports = history.survival(count_arrived=False)
    assert imports.filter(pl.col("day") == 30)["survival"].item() > true + 0.03
    assert imports["arrived_opted_out"].sum() == 0


def test_an_arrival_is_watched_from_its_creation(tmp_path):
    history = ContactHistory(tmp_path)
    old = w.contact(2, created_at=START - timedelta(days=10))
    new = [w.contact(n, created_at=START + timedelta(days=3)) for n in (0, 1)]
    history.snapshot(w.frame([old]), START)
    history.snapshot(w.frame([new[0] | {"opt_out": True}, new[1], old]), START + timedelta(days=7))
    history.snapshot(w.frame([new[0] | {"opt_out": True}, new[1], old]), START + timedelta(days=14))
    curve = history.survival()
    assert curve.filter(pl.col("day") == 0.0)["at_risk"].item() == 2
    day_4 = curve.filter(pl.col("day") == 4.0).row(0, named=True)
    assert (day_4["opt_outs"], day_4["arrived_opted_out"]) == (1, 1)
    # Between its creation and the first look nothing says when: the curve is a straight line there.
    assert curve["survival"].to_list()[:5] == pytest.approx([1, 0.875, 0.75, 0.625, 0.5])
    assert history.survival(count_arrived=False)["survival"].to_list()[-1] == 1.0
    by_looks = history.survival(method="kaplan-meier").select(
        "day", "opt_outs", "arrived_opted_out", "censored"
    )
    assert by_looks.rows() == [(0, 0, 0, 0), (4, 1, 1, 0), (24, 0, 0, 2)]


def test_before_anybody_left_the_bounds_of_kaplan_and_meier_are_1():
    lives = pl.DataFrame({"entry": [0.0, 1.0], "exit": [3.0, 5.0], "event": [False, False]})
    curve = kaplan_meier(lives, 0.95)
    assert curve.rows() == [(0.0, 1, 0, 0, 1.0, 1.0, 1.0), (5.0, 1, 0, 2, 1.0, 1.0, 1.0)]


def test_before_anybody_left_the_bound_is_that_of_no_events():
    curve = turnbull_curve(lives_frame((0, 9, None, 50)), 0.95)
    assert curve["survival"].to_list() == [1.0] * 10
    assert curve["low"].to_list()[1:] == pytest.approx(
        [0.025 ** (1 / 50)] * 9
    )  # Clopper and Pearson's for 0 of 50


def test_the_discrete_model_refuses_irregular_looks_and_names_the_remedy(tmp_path):
    history = ContactHistory(tmp_path)
    for day in (0, 7, 30):
        history.snapshot(w.frame([w.contact(0), w.contact(1)]), START + timedelta(days=day))
    with pytest.raises(ConfigurationError, match="7.0 to 23.0 days apart: use method='turnbull'"):
        history.survival(method="cloglog")
    with pytest.raises(
        ConfigurationError, match="method is 'weibull': expected one of 'turnbull', 'cloglog'"
    ):
        history.survival(method="weibull")
