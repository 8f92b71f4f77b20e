"""Shrunken rates: the beta-binomial's likeliest prior, by SciPy too, and what ranking by them gains."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings, strategies as st
from scipy.optimize import minimize
from scipy.special import gammaln
from scipy.stats import betabinom

from sendblue_data import opt_out_rate, tag_summary
from sendblue_data.analytics.shrinkage import _climb, _derivatives, _log_gamma, fit_prior, with_shrunken_rate
from sendblue_data.errors import ConfigurationError


def likelihood(mean, size, hits, sizes):
    return float(betabinom.logpmf(hits, sizes, mean * size, (1 - mean) * size).sum())


def drawn(groups, mean, size):
    rng = np.random.default_rng(groups)
    sizes = rng.integers(1, 2_000, groups)
    return rng.binomial(sizes, rng.beta(mean * size, (1 - mean) * size, groups)), sizes


@pytest.mark.parametrize(
    ("hits", "sizes"),
    [
        drawn(5, 0.3, 10),
        drawn(40, 0.02, 60),
        drawn(600, 0.06, 100),
        drawn(30, 0.8, 7),
        ([0, 0, 1, 0, 2, 0, 2, 2], [1, 7, 6, 3, 6, 8, 3, 7]),
    ],
    ids=["few", "rare", "many", "mostly", "small, where the likelihood is hollow on the way"],
)
def test_the_prior_is_the_likeliest_by_scipy_too(hits, sizes):
    hits, sizes = np.array(hits), np.array(sizes)
    prior = fit_prior(hits, sizes)

    def depth(at):
        return -likelihood(1 / (1 + np.exp(-at[0])), np.exp(at[1]), hits, sizes)

    found = minimize(
        depth,
        [np.log(hits.sum() / (sizes - hits).sum()), 3],
        method="Nelder-Mead",
        options={"xatol": 1e-8, "fatol": 1e-11, "maxiter": 4_000},
    )
    assert prior.mean == pytest.approx(1 / (1 + np.exp(-found.x[0])), rel=1e-4)
    assert prior.size == pytest.approx(np.exp(found.x[1]), rel=1e-4)


def test_the_logarithm_of_gamma_is_scipys():
    values = np.concatenate([np.geomspace(1e-3, 1e9, 400), [1.0, 2.0, 3.0]])
    assert _log_gamma(values) == pytest.approx(gammaln(values), rel=1e-14, abs=6e-14)


def test_slopes_and_curvature_of_a_square_are_those_by_hand():
    slope, curve = _derivatives(
        lambda at: -((at[0] - 1) ** 2) - 2 * at[1] ** 2 + at[0] * at[1], np.array([3.0, 0.5])
    )
    assert slope == pytest.approx([-2 * 2 + 0.5, -4 * 0.5 + 3], rel=1e-6)
    assert curve == pytest.approx(np.array([[-2, 1], [1, -4]]), rel=1e-5)


@pytest.mark.parametrize("start", [(0.5, 0.2), (2.0, -1.0), (-3.0, 2.0)])
def test_a_bell_is_climbed_from_its_hollow_foot_too(start):
    def bell(at):
        return float(np.exp(-((at[0] - 1) ** 2) - at[1] ** 2 / 2 - at[0] * at[1] / 4))

    # Where -2 (x - 1) - y / 4 and -y - x / 4 are 0.
    assert _climb(bell, np.array(start)) == pytest.approx([32 / 31, -8 / 31], abs=1e-5)


@pytest.mark.parametrize(
    ("hits", "sizes", "mean"),
    [
        ([5, 49, 20], [50, 500, 200], 74 / 750),
        ([0, 0, 0], [5, 9, 2], 0),
        ([5, 9, 2], [5, 9, 2], 1),
        # Of groups of one nobody can tell how their rates scatter.
        ([1, 0, 0, 1, 0], [1] * 5, 0.4),
    ],
    ids=["less than by chance", "nobody", "everybody", "of one each"],
)
def test_rates_that_do_not_scatter_are_one_and_all_is_from_all(hits, sizes, mean):
    prior = fit_prior(np.array(hits), np.array(sizes))
    assert prior == (pytest.approx(mean), np.inf)
    table = with_shrunken_rate(pl.DataFrame({"hits": hits, "n": sizes}), "hits", "n", "shrunken")
    assert table["shrunken"].to_list() == pytest.approx([mean] * len(hits))
    assert table["from_all"].to_list() == [1.0] * len(hits)


@pytest.mark.parametrize(
    ("hits", "sizes", "mean"), [([2, 0, 2], [2, 2, 2], 2 / 3), ([2, 1, 1, 1, 0], [2, 1, 1, 1, 1], 4 / 5)]
)
def test_where_each_group_is_all_or_nothing_the_prior_weighs_nothing(hits, sizes, mean):
    prior = fit_prior(np.array(hits), np.array(sizes))
    assert prior.mean == pytest.approx(mean, abs=1e-6)
    assert prior.size < 1e-6


def test_a_shrunken_rate_is_of_the_group_s_contacts_and_as_many_as_the_prior_weighs():
    hits, sizes = [1, 30, 2, 90, 0], [2, 600, 50, 900, 0]
    table = with_shrunken_rate(pl.DataFrame({"hits": hits, "n": sizes}), "hits", "n", "shrunken")
    mean, size = fit_prior(np.array(hits[:4]), np.array(sizes[:4]))
    expected = [(hit + mean * size) / (n + size) for hit, n in zip(hits[:4], sizes[:4], strict=True)]
    assert table["shrunken"].to_list() == [*(pytest.approx(rate) for rate in expected), None]
    assert table["from_all"].to_list() == [*(pytest.approx(size / (n + size)) for n in sizes[:4]), None]


def test_fewer_than_three_groups_of_which_something_is_known_are_not_shrunken():
    table = pl.DataFrame({"hits": [1, 30, 0, 0], "n": [2, 600, 0, 0]})
    shrunken = with_shrunken_rate(table, "hits", "n", "shrunken")
    assert shrunken.select("shrunken", "from_all").rows() == [(None, None)] * 4
    assert fit_prior(np.array([1, 30]), np.array([2, 600])) is None
    assert fit_prior(np.array([1, 30, 2]), np.array([2, 600, 3])) is not None


def test_rates_that_scatter_by_chance_alone_are_all_one():
    rng = np.random.default_rng(3)
    sizes = rng.integers(5, 200, 200)
    priors = [fit_prior(rng.binomial(sizes, 0.05), sizes) for _ in range(8)]
    # Half of such accounts scatter a little less than chance would, and half a little more.
    assert 1 <= sum(prior.size == np.inf for prior in priors) <= 7
    assert min(prior.size for prior in priors) > 200


counts = st.integers(0, 400).flatmap(lambda size: st.tuples(st.integers(0, size), st.just(size)))


@settings(max_examples=25)
@given(st.lists(counts, min_size=1, max_size=12))
def test_a_shrunken_rate_lies_between_the_group_s_own_and_one_middle(pairs):
    table = pl.DataFrame(pairs, schema=["hits", "n"], orient="row")
    shrunken = with_shrunken_rate(table, "hits", "n", "shrunken")
    known = [row for row in shrunken.iter_rows(named=True) if row["n"]]
    assert shrunken.filter(pl.col("n") == 0)["shrunken"].null_count() == table.height - len(known)
    if len(known) < 3:
        assert shrunken["shrunken"].null_count() == table.height
        return
    prior = fit_prior(*(np.array([row[name] for row in known]) for name in ("hits", "n")))
    for row in known:
        ends = sorted([row["hits"] / row["n"], prior.mean])
        assert ends[0] - 1e-12 <= row["shrunken"] <= ends[1] + 1e-12
        assert 0 <= row["from_all"] <= 1


def test_it_is_a_pair_of_columns_of_both_tables():
    rng = np.random.default_rng(5)
    tags = [[f"t{n % 7}"] for n in range(700)]
    people = pl.DataFrame(
        {
            "tags": tags,
            "opt_out": rng.random(700) < 0.1,
            "verified": [True] * 700,
            "created_at": [None] * 700,
        }
    ).cast({"created_at": pl.Datetime("us", "UTC")})
    rates = opt_out_rate(people, by="tags", shrink=True)
    assert rates.columns[-2:] == ["shrunken_rate", "from_all"]
    summary = tag_summary(people, shrink=True)
    assert summary["shrunken_opt_out_rate"].to_list() == rates["shrunken_rate"].to_list()
    assert opt_out_rate(people, by="tags", shrink=True, min_contacts=1_000).columns[-1] == "left_out"
    with pytest.raises(ConfigurationError, match="by="):
        opt_out_rate(people, shrink=True)


@pytest.mark.slow
def test_ranking_by_them_finds_worse_tags_and_misses_rates_by_less():
    rng = np.random.default_rng(7)
    worst: dict[str, list[float]] = {"rate": [], "shrunken": []}
    errors: dict[str, list[float]] = {"rate": [], "shrunken": []}
    for _ in range(60):
        truth = rng.beta(3, 47, 120)
        sizes = np.maximum((rng.pareto(0.8, 120) * 10).astype(int), 2)
        table = pl.DataFrame({"hits": rng.binomial(sizes, truth), "n": sizes})
        table = with_shrunken_rate(table, "hits", "n", "shrunken").with_columns(
            rate=pl.col("hits") / pl.col("n")
        )
        for name, found in worst.items():
            rates = table[name].to_numpy()
            found.append(float(truth[np.argsort(-rates, kind="stable")[:10]].mean()))
            errors[name].append(float(np.mean((rates - truth) ** 2)))
    # Of all tags, 6% opt out; of the ten that a ranking puts first:
    assert np.mean(worst["shrunken"]) > np.mean(worst["rate"]) + 0.006
    assert np.mean(errors["shrunken"]) < 0.3 * np.mean(errors["rate"])
