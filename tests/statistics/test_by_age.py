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
