"""Adjusted drivers against statsmodels, plain Python, and what one knows of the contacts made up."""

import math
from collections import defaultdict
from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings, strategies as st
from polars.testing import assert_frame_equal
from scipy import stats
from statsmodels.genmod import families
from statsmodels.genmod.generalized_linear_model import GLM

from sendblue_data import created_period, opt_out_drivers, variable
from sendblue_data.analytics.drivers import _with_adjusted
from sendblue_data.analytics.stratified import Strata, mantel_haenszel
from sendblue_data.errors import ConfigurationError, FrameError
from tests.analytics.people import NOW, frame_of, made_up

Z = stats.norm.isf(0.025)
ADJUSTED = ["adjusted_relative_risk", "adjusted_relative_risk_low", "adjusted_relative_risk_high"]


def band(days):
    """The first day of an age's band, in words of its own."""
    if days is None or days < 7:
        return days if days is None else max(days, 0)
    return days // 7 * 7 if days < 56 else days // 28 * 28


def people(count=1_500, seed=5):
    """Contacts of three lines and four tags, whose chance to opt out depends on age, line and tags."""
    random = np.random.default_rng(seed)
    rows = []
    for _ in range(count):
        days = int(random.integers(0, 200))
        line = int(random.integers(0, 3))
        tags = [
            tag for tag, share in (("A", 0.5), ("B", 0.2 + days / 400), ("C", 0.3)) if random.random() < share
        ]
        chance = (
            0.03 * (1 + days / 100) * (1 + line) * (2.0 if "A" in tags else 1) * (0.5 if "C" in tags else 1)
        )
        rows.append(
            {
                "tags": tags,
                "sendblue_number": f"+1305555010{line}",
                "created_at": NOW - timedelta(days=days, hours=3),
                "opt_out": None if random.random() < 0.03 else bool(random.random() < chance),
            }
        )
    return rows


def strata_of(rows, *keys):
    found = defaultdict(list)
    for row in rows:
        if row["opt_out"] is not None:
            days = None if row["created_at"] is None else max((NOW - row["created_at"]).days, 0)
            found[tuple({"age": band(days), "line": row["sendblue_number"]}[key] for key in keys)].append(row)
    return list(found.values())


@pytest.mark.parametrize("keys", [("age",), ("line",), ("age", "line")])
def test_with_strata_alone_the_risk_is_mantel_and_haenszels(keys):
    rows = people()
    table = opt_out_drivers(frame_of(rows), ["tag"], adjust=keys, as_of=NOW)
    assert table["level"].sort().to_list() == ["A", "B", "C"]
    for row in table.iter_rows(named=True):
        above = below = spread = contacts = 0
        for stratum in strata_of(rows, *keys):
            own = [one["opt_out"] for one in stratum if row["level"] in one["tags"]]
            rest = [one["opt_out"] for one in stratum if row["level"] not in one["tags"]]
            if own and rest:
                size = len(stratum)
                above += sum(own) * len(rest) / size
                below += sum(rest) * len(own) / size
                spread += (
                    len(own) * len(rest) * (sum(own) + sum(rest)) - sum(own) * sum(rest) * size
                ) / size**2
                contacts += len(own)
        reach = math.exp(Z * math.sqrt(spread / above / below))
        ratio = above / below
        assert [row[name] for name in ADJUSTED] == pytest.approx(
            [ratio, ratio / reach, ratio * reach], rel=1e-9
        )
        assert row["adjusted_contacts"] == contacts
        assert row["expected_opt_out_rate"] == pytest.approx(row["opt_out_rate"] / ratio)


def test_with_tags_held_the_risks_are_a_poisson_regressions():
    rows = people()
    table = opt_out_drivers(frame_of(rows), ["tag"], adjust=("age", "line", "tags"), as_of=NOW).sort("level")
    strata = strata_of(rows, "age", "line")
    told = [stratum for stratum in strata if any(row["opt_out"] for row in stratum)]
    x = np.array([[float(tag in row["tags"]) for tag in "ABC"] for stratum in told for row in stratum])
    y = np.array([float(row["opt_out"]) for stratum in told for row in stratum])
    which = np.repeat(np.arange(len(told)), [len(stratum) for stratum in told])
    design = np.hstack([x, np.eye(len(told))[which]])
    fit = GLM(y, design, family=families.Poisson()).fit(tol=1e-12, maxiter=200)
    # Zou's sandwich, in statsmodels' own residuals, and a stratum's size over one less than it.
    sizes = np.bincount(which)[which]
    weight = (y - fit.mu) ** 2 * sizes / np.maximum(sizes - 1, 1)
    bread = np.linalg.inv(design.T @ (fit.mu[:, None] * design))
    errors = np.sqrt(np.diag(bread @ (design.T @ (weight[:, None] * design)) @ bread))[:3]
    theirs = np.exp(
        np.column_stack([fit.params[:3], fit.params[:3] - Z * errors, fit.params[:3] + Z * errors])
    )
    assert np.array(table.select(ADJUSTED).rows()) == pytest.approx(theirs, rel=1e-6)


def test_a_set_of_whom_nobody_opted_out_has_an_end_that_is_exact():
    rows = [{"tags": ["none"] if n < 40 else [], "opt_out": n >= 40 and n % 5 == 0} for n in range(140)]
    frame = frame_of([{**row, "created_at": NOW, "sendblue_number": "+13055550101"} for row in rows])
    for held in (("age",), ("age", "tags")):
        row = opt_out_drivers(frame, ["tag"], adjust=held, as_of=NOW).row(0, named=True)
        # Each of the 20 that opted out is the tag's with a chance of 40 r / (40 r + 100).
        ratio = row["adjusted_relative_risk_high"]
        assert (100 / (40 * ratio + 100)) ** 20 == pytest.approx(0.025)
        assert (row["adjusted_relative_risk"], row["after_adjusting"]) == (0, "holds")
        assert row["expected_opt_out_rate"] is None


def test_tags_that_always_go_together_cannot_be_told_apart():
    rows = people(600)
    for row in rows:
        row["tags"] = [*row["tags"], *(["A too"] if "A" in row["tags"] else [])]
    table = opt_out_drivers(frame_of(rows), ["tag"], adjust=("tags",), as_of=NOW).sort("level")
    assert table["adjusted_relative_risk"].is_null().to_list() == [True, True, False, False]
    assert table["after_adjusting"].to_list()[:2] == ["not comparable"] * 2
    alone = opt_out_drivers(frame_of(people(600)), ["tag"], adjust=("tags",), as_of=NOW).sort("level")
    assert table[2:].select(ADJUSTED).rows() == [
        pytest.approx(row, rel=1e-6) for row in alone[1:].select(ADJUSTED).rows()
    ]


def test_a_set_that_is_like_nobody_of_the_rest_is_not_comparable():
    rows = [
        {
            "tags": ["old"] if n % 2 else [],
            "created_at": NOW - timedelta(days=300 * (n % 2)),
            "opt_out": n % 7 == 0,
        }
        for n in range(80)
    ]
    for held in (("age",), ("age", "tags")):
        row = opt_out_drivers(frame_of(rows), ["tag"], adjust=held, as_of=NOW).row(0, named=True)
        assert (row["adjusted_relative_risk"], row["adjusted_contacts"]) == (None, 0)
        assert row["after_adjusting"] == "not comparable"


def test_what_became_of_a_difference_is_said_in_a_word():
    """An old list opts out as everyone does: its crude risk is its age. A new one hides its own behind its youth."""
    random = np.random.default_rng(0)
    rows = []
    for n in range(6_000):
        is_old = n % 2 == 0
        days = int(random.integers(300, 330)) if is_old else int(random.integers(0, 30))
        tags = [
            tag
            for tag, chance in (("list", 0.8 if is_old else 0.1), ("bad", 0.02 if is_old else 0.3))
            if random.random() < chance
        ]
        chance = (0.3 if is_old else 0.05) * (2.2 if "bad" in tags else 1)
        rows.append(
            {
                "tags": tags,
                "created_at": NOW - timedelta(days=days),
                "opt_out": bool(random.random() < chance),
            }
        )
    table = opt_out_drivers(frame_of(rows), ["tag"], adjust=("age",), as_of=NOW)
    found = {row["level"]: row for row in table.iter_rows(named=True)}
    assert found["list"]["relative_risk"] > 2
    assert found["list"]["after_adjusting"] == "fades"
    assert found["bad"]["relative_risk"] < 1
    assert found["bad"]["after_adjusting"] == "reverses"
    assert found["bad"]["adjusted_relative_risk_low"] < 2.2 < found["bad"]["adjusted_relative_risk_high"]


WORDS = [
    # The crude interval, the adjusted risk with its interval, and what became of the difference.
    ((1.2, 2.0), (1.5, 1.1, 2.0), "holds"),
    ((0.5, 0.9), (0.7, 0.6, 0.9), "holds"),
    ((1.2, 2.0), (1.1, 0.9, 1.3), "fades"),
    ((0.5, 0.9), (1.1, 0.9, 1.3), "fades"),
    ((0.8, 1.2), (1.5, 1.1, 2.0), "appears"),
    ((None, None), (0.7, 0.6, 0.9), "appears"),
    ((1.2, 2.0), (0.7, 0.6, 0.9), "reverses"),
    ((0.8, 1.2), (1.1, 0.9, 1.3), "no difference"),
    ((1.0, 2.0), (1.2, 1.0, 1.5), "no difference"),
    ((0.5, 1.0), (0.8, 0.6, 1.0), "no difference"),
    ((1.2, 2.0), (None, None, None), "not comparable"),
]


def test_each_pair_of_intervals_has_its_word():
    crude = pl.DataFrame(
        [low_high for low_high, *_ in WORDS], orient="row", schema=["relative_risk_low", "relative_risk_high"]
    )
    named = pl.DataFrame({"factor": "tag", "level": [str(n) for n in range(len(WORDS))]})
    adjusted = pl.DataFrame([risk for _, risk, _ in WORDS], orient="row", schema=ADJUSTED)
    table = _with_adjusted(
        named.hstack(crude).with_columns(opt_out_rate=pl.lit(0.3)),
        [named.hstack(adjusted).with_columns(adjusted_contacts=9)[:-1]],
    )
    assert table["after_adjusting"].to_list() == [word for *_, word in WORDS]
    assert table["adjusted_contacts"].to_list() == [9] * (len(WORDS) - 1) + [0]
    expected = [None if risk is None else pytest.approx(0.3 / risk) for _, (risk, *_), _ in WORDS]
    assert table["expected_opt_out_rate"].to_list() == expected


def test_a_risk_that_differs_by_age_has_a_small_homogeneity_p():
    random = np.random.default_rng(0)
    rows = []
    for n in range(4_000):
        days, tagged = (400, 10)[n % 2], bool(random.random() < 0.5)
        chance = 0.1 * ((3 if days > 100 else 0.4) if tagged else 1)
        rows.append(
            {
                "tags": ["T"] * tagged,
                "created_at": NOW - timedelta(days=days),
                "opt_out": bool(random.random() < chance),
            }
        )
    for held in (("age",), ("age", "tags")):
        assert opt_out_drivers(frame_of(rows), ["tag"], adjust=held, as_of=NOW)["homogeneity_p"].item() < 1e-6
        alike = opt_out_drivers(frame_of(people()), ["tag"], adjust=held, as_of=NOW)["homogeneity_p"]
        assert (alike > 0.001).all()


def counted(*groups):
    """A frame of so many contacts with the same fields, of whom so many opted out."""
    return frame_of([{**fields, "opt_out": n < out} for fields, size, out in groups for n in range(size)])


def of_ages(*days):
    return [{"created_at": None if day is None else NOW - timedelta(days=day, hours=1)} for day in days]


PARTS = {
    # In these ages a ratio might be another: under 4 weeks, 13, 26, 52 weeks, more, and where nobody knows it.
    "age": (of_ages(21, 28, 84, 112, 168, 196, 364, 392, None), [0, 1, 1, 2, 2, 3, 3, 4, 5]),
    "line": ([{"sendblue_number": line} for line in (None, "+13055550101", "+13055550102")], [0, 1, 2]),
}


@pytest.mark.parametrize("held", PARTS)
def test_a_risk_is_asked_whether_it_is_the_same_in_every_part(held):
    kinds, parts = PARTS[held]
    own = [(10 + 3 * n, 2 + n % 3) for n in range(len(kinds))]
    rest = [(40 - n, 3 + 2 * n % 5) for n in range(len(kinds))]
    frame = counted(
        *((kind | {"tags": ["T", "T"]}, *counts) for kind, counts in zip(kinds, own, strict=True)),
        *((kind | {"tags": [None]}, *counts) for kind, counts in zip(kinds, rest, strict=True)),
    )
    row = opt_out_drivers(frame, ["tag"], adjust=held, as_of=NOW, confidence=0.9).row(0, named=True)
    (n1, a), (n0, b) = (np.array(counts, float).T for counts in (own, rest))
    expected = mantel_haenszel(Strata(a, n1, b, n0, n1, np.array(parts)), stats.norm.isf(0.05), counts=True)
    assert row["homogeneity_p"] == pytest.approx(expected.varies_p, rel=1e-9)
    assert [row[name] for name in ADJUSTED] == pytest.approx([expected.ratio, expected.low, expected.high])
    assert row["adjusted_contacts"] == n1.sum()


def test_a_line_is_not_held_against_itself():
    lines = [{"sendblue_number": f"+1305555010{n}", "tags": []} for n in (1, 2)]
    frame = counted((lines[0], 40, 8), (lines[1], 60, 6))
    for held in ("line", ("line", "tags")):
        table = opt_out_drivers(frame, ["line"], adjust=held, as_of=NOW)
        assert table["adjusted_relative_risk"].to_list() == pytest.approx(table["relative_risk"].to_list())
        assert table["homogeneity_p"].to_list() == [None, None]


COMPANIES = (
    ({"company_name": "X", "tags": ["A"]}, 40, 10), ({"company_name": "X", "tags": []}, 60, 6),
    ({"company_name": "Y", "tags": ["A"]}, 20, 8), ({"company_name": "Y", "tags": None}, 100, 9),
    ({"tags": ["A"]}, 30, 5), ({"tags": []}, 50, 2),
)  # fmt: skip


def test_with_tags_held_a_company_is_held_against_what_its_tags_let_expect():
    """What a tag multiplies opt-outs by is found among contacts of one company; each contact weighs by it."""
    x = np.repeat(
        [[n % 2 == 0, *(np.arange(3) == n // 2)] for n in range(6)],
        [size for _, size, _ in COMPANIES],
        axis=0,
    )
    y = np.concatenate([np.arange(size) < out for _, size, out in COMPANIES]).astype(float)
    ratio = np.exp(GLM(y, x.astype(float), family=families.Poisson()).fit(tol=1e-13).params[0])
    table = opt_out_drivers(counted(*COMPANIES), ["company"], adjust="tags", as_of=NOW)
    outs, weights = np.array([16, 17, 7]), np.array([40, 20, 30]) * ratio + np.array([60, 100, 50])
    for name, place in (("X", 0), ("Y", 1)):
        row = table.filter(pl.col("level") == name).row(0, named=True)
        own = outs[place] / weights[place]
        rest = (outs.sum() - outs[place]) / (weights.sum() - weights[place])
        # Of 40 opt-outs each is this company's with a chance that the ratio gives.
        share = weights[place] / weights.sum()
        error = math.sqrt(40 * share * (1 - share) / (outs[place] * (40 - outs[place]) * share * (1 - share)))
        expected = [own / rest * math.exp(end * Z * error) for end in (0, -1, 1)]
        assert [row[name] for name in ADJUSTED] == pytest.approx(expected, rel=1e-6)


def test_tags_of_fewer_contacts_than_asked_for_are_held_in_no_model():
    """Tag B has 20 contacts whose state is known, all at a company; it is held from 20 on, and not from 21."""
    rare = (({"company_name": "X", "tags": ["B"]}, 20, 9), *COMPANIES)
    as_if_none = (({"company_name": "X", "tags": []}, 20, 9), *COMPANIES)
    risks = [
        opt_out_drivers(counted(*made), ["company"], adjust="tags", as_of=NOW, min_contacts=least)
        .filter(pl.col("level") == "X")["adjusted_relative_risk"]
        .item()
        for made, least in ((rare, 20), (rare, 21), (as_if_none, 20))
    ]
    assert risks[1] == pytest.approx(risks[2], rel=1e-9)
    assert abs(risks[0] / risks[2] - 1) > 0.05
    tags = opt_out_drivers(counted(*rare), ["tag"], adjust="tags", as_of=NOW, min_contacts=20)
    assert dict(tags.select("level", "adjusted_contacts").rows()) == {"A": 90, "B": 20}


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 1_000), st.sampled_from([("age",), ("line", "tags"), ("age", "line", "tags")]))
def test_odd_contacts_give_bounds_in_order_and_the_crude_columns_untouched(seed, held):
    frame = frame_of(made_up(seed=seed))
    table = opt_out_drivers(frame, adjust=held, as_of=NOW, min_contacts=5)
    crude = opt_out_drivers(frame, min_contacts=5)
    assert_frame_equal(table.select(crude.columns), crude)
    low, risk, high = (table[f"adjusted_relative_risk{end}"] for end in ("_low", "", "_high"))
    assert ((low <= risk) & (risk <= high)).fill_null(value=True).all()
    assert low.is_null().to_list() == risk.is_null().to_list() == high.is_null().to_list()
    assert not table.select(pl.col("after_adjusting").is_null().any()).item()
    assert table["homogeneity_p"].drop_nulls().is_between(0, 1).all()


def test_every_engine_counts_the_same_cells(constructor):
    frame = frame_of(made_up(seed=1))
    held = {"adjust": ("age", "line", "tags"), "as_of": NOW, "min_contacts": 5}
    for factors in (None, {"plan": variable("Plan"), "month": created_period()}):
        ours = opt_out_drivers(frame, factors, **held)
        assert_frame_equal(opt_out_drivers(constructor(frame), factors, **held), ours, rel_tol=1e-9)
    assert ours["adjusted_relative_risk"].drop_nulls().len() > 3


def test_what_can_not_be_held_is_refused():
    frame = frame_of(made_up(40))
    with pytest.raises(ConfigurationError, match="adjust names 'colour': give some of age, line, tags"):
        opt_out_drivers(frame, adjust=("age", "colour"))
    with pytest.raises(FrameError, match="no column 'created_at'"):
        opt_out_drivers(frame.drop("created_at"), ["tag"], adjust="age")
    assert opt_out_drivers(frame.clear(), adjust=("age", "tags")).height == 0
    assert "adjusted_relative_risk" not in opt_out_drivers(frame).columns
