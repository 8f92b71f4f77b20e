"""Opt-out by age from one pull: against SciPy's isotonic regression, and against shares that are known."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings, strategies as st
from scipy.optimize import brentq, isotonic_regression
from scipy.stats import binom, chi2

from sendblue_data import opt_out_by_age, opt_out_cohorts
from sendblue_data.analytics.by_age import isotonic, likelihood_interval

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def people(ages, out):
    frame = pl.DataFrame({"created_at": [NOW - timedelta(days=float(age)) for age in ages], "opt_out": out})
    return frame.with_columns(pl.col("created_at").cast(pl.Datetime("us", "UTC")))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 9)), min_size=1, max_size=30))
def test_the_curve_is_the_isotonic_regression_of_scipy(made):
    hits, trials = np.array([(min(a, b), b) for a, b in made], dtype=float).T
    theirs = isotonic_regression(hits / trials, weights=trials).x
    assert isotonic(hits, trials) == pytest.approx(theirs, abs=1e-12)


def test_at_one_age_the_interval_is_that_of_the_binomial_likelihood():
    hits, trials = 7, 60

    def ratio(share):
        return 2 * (binom.logpmf(hits, trials, hits / trials) - binom.logpmf(hits, trials, share)) - chi2.ppf(
            0.9, 1
        )

    expected = brentq(ratio, 1e-6, hits / trials), brentq(ratio, hits / trials, 1 - 1e-6)
    ours = likelihood_interval(np.array([7.0]), np.array([60.0]), 0, float(np.sqrt(chi2.ppf(0.9, 1))))
    assert ours == pytest.approx(expected, rel=1e-6)


KNOWN = {2: (0, 4), 7: (3, 5), 9: (2, 9), 20: (1, 2), 31: (4, 4)}
"""By age: how many opted out, of how many."""


def bounds_by_search(place, confidence, steps=2_000):
    """The shares at one age with which some rising curve is likely enough, of all curves in so many steps."""
    shares = np.linspace(0, 1, steps + 1)
    likely = [binom.logpmf(out, known, shares) for out, known in KNOWN.values()]
    before = after = np.zeros(steps + 1)
    for one in likely[:place]:
        before = np.maximum.accumulate(before + one)
    for one in likely[:place:-1]:
        after = np.maximum.accumulate((after + one)[::-1])[::-1]
    best = before + likely[place] + after
    fits = np.flatnonzero(2 * (best.max() - best) <= chi2.ppf(confidence, 1))
    return shares[fits[0]], shares[fits[-1]]


@pytest.mark.parametrize("place", range(len(KNOWN)))
def test_between_other_ages_the_interval_is_what_a_search_of_rising_curves_finds(place):
    hits, trials = np.array(list(KNOWN.values()), float).T
    ours = likelihood_interval(hits, trials, place, float(np.sqrt(chi2.ppf(0.9, 1))))
    assert ours == pytest.approx(bounds_by_search(place, 0.9), abs=1e-3)


def test_a_row_is_a_share_with_its_ages_its_contacts_and_the_interval_at_its_middle():
    ages = [(age, n < out) for age, (out, known) in KNOWN.items() for n in range(known)]
    ages += [(age, None) for age in (2, 5, 12)]
    frame = people([age for age, _ in ages], [out for _, out in ages])
    undated = frame.head(2).with_columns(created_at=pl.lit(None, frame.schema["created_at"]))
    table = opt_out_by_age(pl.concat([frame, undated]), as_of=NOW, confidence=0.9)
    # Of 5 and 9 contacts the share falls from 3 in 5 to 2 in 9, so they are one row, whose middle is in the second.
    assert table.select("day", "from_day", "to_day", "contacts", "unknown", "opt_outs", "rate").rows() == [
        (2, 2, 5, 6, 2, 0, 0.0), (9, 7, 12, 15, 1, 5, 5 / 14), (20, 20, 20, 2, 0, 1, 0.5), (31, 31, 31, 4, 0, 4, 1.0),
    ]  # fmt: skip
    for row, place in zip(table.select("low", "high").rows(), (0, 2, 3, 4), strict=True):
        assert row == pytest.approx(bounds_by_search(place, 0.9), abs=1e-3)
    assert table.select("undated", "confidence").unique().rows() == [(2, 0.9)]


def test_contacts_created_after_the_pull_are_of_the_first_day():
    table = opt_out_by_age(people([-2, 0, 0.5, 1], [True, False, True, True]), as_of=NOW)
    assert table.select("from_day", "to_day", "contacts", "opt_outs").rows() == [(0, 0, 2, 1), (1, 1, 2, 2)]


def test_where_nothing_is_known_there_is_no_row():
    table = opt_out_by_age(people([3, 4], pl.Series([None, None], dtype=pl.Boolean)), as_of=NOW)
    assert table.height == 0
    assert table.columns[:3] == ["day", "from_day", "to_day"]


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 12), st.sampled_from([None, True, False])), min_size=0, max_size=60),
    st.integers(0, 3),
)
def test_rows_are_all_contacts_once_and_rise(made, undated):
    frame = people([age for age, _ in made], pl.Series([out for _, out in made], dtype=pl.Boolean))
    unborn = (
        frame.clear()
        .with_columns()
        .vstack(people([0] * undated, pl.Series([True] * undated, dtype=pl.Boolean)))
    )
    unborn = unborn.with_columns(created_at=pl.lit(None, frame.schema["created_at"]))
    table = opt_out_by_age(pl.concat([frame, unborn]), as_of=NOW)
    known = [out for _, out in made if out is not None]
    assert table["opt_outs"].sum() == sum(known)
    assert table["rate"].is_sorted()
    assert (table["low"] <= table["rate"]).all()
    assert (table["rate"] <= table["high"]).all()
    assert (table["contacts"] - table["unknown"]).sum() == len(known)
    assert (table["undated"] == undated).all()
    assert (
        table.select(pl.col("from_day") <= pl.col("day"), pl.col("day") <= pl.col("to_day")).to_numpy().all()
    )


def test_groups_have_curves_of_their_own_on_any_frame():
    frame = people([1, 2, 3, 4] * 10, [False, False, True, True] * 10).with_columns(
        tags=pl.Series([["a"], ["b"], ["a", "b"], None] * 10)
    )
    table = opt_out_by_age(frame.lazy(), by="tags", as_of=NOW)
    assert table.select("tag", "from_day", "contacts", "rate").rows() == [
        ("a", 1, 10, 0.0), ("a", 3, 10, 1.0), ("b", 2, 10, 0.0), ("b", 3, 10, 1.0),
    ]  # fmt: skip
    assert opt_out_by_age(frame.clear(), by="tags", as_of=NOW).columns[0] == "tag"


def test_groups_come_in_order_those_without_a_value_last():
    names = [None, *(f"company {n:02}" for n in range(20, 0, -1))]
    frame = people([9] * 21, [True] * 21).with_columns(company_name=pl.Series(names))
    assert opt_out_by_age(frame, by="company_name", as_of=NOW)["company_name"].to_list() == names[::-1]


@pytest.mark.slow
def test_one_pull_shows_the_share_by_age_where_cohorts_show_a_fall():
    """A hazard of 0.004 a day: 95% intervals hold the share by age in 93% of cases at least."""
    rng = np.random.default_rng(31)
    held = rows = 0
    for _ in range(60):
        ages = rng.uniform(0, 360, 1_500)
        out = rng.random(1_500) < 1 - np.exp(-0.004 * ages)
        table = opt_out_by_age(people(ages, out.tolist()), as_of=NOW)
        true = 1 - np.exp(-0.004 * (table["day"].to_numpy() - 0.5))
        held += int(((table["low"].to_numpy() <= true) & (true <= table["high"].to_numpy())).sum())
        rows += table.height
    assert held / rows >= 0.93
    cohorts = opt_out_cohorts(people(ages, out.tolist()), every="1q", as_of=NOW)
    assert cohorts["rate"][0] > 2 * cohorts["rate"][-1]  # the old chart: it seems to fall towards the present
