"""Opt-out tables against counts in plain Python, on every engine."""

from datetime import date, datetime, timedelta

import narwhals as nw
import polars as pl
import pytest
from hypothesis import given, settings, strategies as st
from polars.testing import assert_frame_equal

from sendblue_data import (
    created_period,
    has_tag,
    opt_out_cohorts,
    opt_out_drivers,
    opt_out_rate,
    variable,
    verification_rate,
)
from sendblue_data.analytics.rates import benjamini_hochberg, wilson_interval
from sendblue_data.analytics.two_groups import relative_risk
from sendblue_data.errors import ConfigurationError, FrameError
from sendblue_data.segments.regions import phone_region_code
from tests.analytics.people import (
    CONTACTS,
    NOW,
    count,
    frame_of,
    groups,
    made_up,
    month_of,
    plan_of,
    tags_of,
)

RATES = ["contacts", "unknown", "opt_outs", "rate", "low", "high"]
RISK = ["relative_risk", "relative_risk_low", "relative_risk_high", "p"]


def company_of(row):
    return row["company_name"]


BYS = [
    ("company_name", ["company_name"], [company_of]),
    ("tags", ["tag"], [tags_of]),
    (["tags", "company_name"], ["tag", "company_name"], [tags_of, company_of]),
    (created_period(), ["created_month"], [month_of]),
    (["company_name", created_period()], ["company_name", "created_month"], [company_of, month_of]),
    (variable("Plan"), ["Plan"], [plan_of]),
    ("opt_out", ["opt_out"], [lambda row: row["opt_out"]]),
    (
        nw.col("company_name").str.to_uppercase().alias("who"),
        ["who"],
        [lambda row: company_of(row) and company_of(row).upper()],
    ),
]


def rates(rows):
    hits, known = count(rows, "opt_out", True), len(rows) - count(rows, "opt_out", None)
    low, high = wilson_interval(hits, known)
    return [len(rows), len(rows) - known, hits, hits / known if known else None, low, high]


def by_key(table, width):
    """Rows by the group's values; a group twice is a fault."""
    found = {row[:width]: list(row[width:]) for row in table.rows()}
    assert len(found) == table.height
    return found


@pytest.mark.parametrize(("by", "names", "keys"), BYS, ids=["+".join(names) for _, names, _ in BYS])
def test_rates_are_the_counts_of_each_group(constructor, by, names, keys):
    rows = made_up()
    table = opt_out_rate(constructor(frame_of(rows)), by=by)
    assert table.columns == [*names, *RATES]
    truth = {key: rates(part) for key, part in groups(rows, *keys).items()}
    assert len(truth) >= 3
    assert by_key(table, len(names)) == truth


def test_the_overall_rate_is_one_row(constructor):
    rows = made_up()
    table = opt_out_rate(constructor(frame_of(rows)))
    assert table.columns == RATES
    assert table.rows() == [tuple(rates(rows))]


def test_no_contacts_have_no_rate(constructor):
    empty = constructor(frame_of([]))
    assert opt_out_rate(empty).rows() == [(0, 0, 0, None, None, None)]
    for by in ("tags", "company_name", created_period()):
        table = opt_out_rate(empty, by=by)
        assert table.height == 0
        assert table.schema == opt_out_rate(frame_of(made_up(9)), by=by).schema


def test_every_engine_gives_the_very_same_tables(constructor):
    frame = frame_of(made_up(seed=1))
    made = constructor(frame)
    for table in (
        lambda contacts: opt_out_rate(contacts, by=["tags", "company_name"]),
        lambda contacts: opt_out_cohorts(contacts, by="company_name", as_of=NOW),
        lambda contacts: opt_out_drivers(contacts, min_contacts=5),
    ):
        assert_frame_equal(table(made), table(frame), check_exact=True)


@pytest.mark.parametrize(
    "by",
    [phone_region_code(), has_tag("VIP"), pl.col("phone").str.slice(0, 3)],
    ids=["region", "segment", "expression"],
)
def test_polars_expressions_group_wherever_they_can_run(constructor, by):
    frame = frame_of(made_up())
    made = constructor(frame)
    if "pyspark" in type(made).__module__:
        with pytest.raises(FrameError, match="Spark can't run"):
            opt_out_rate(made, by=by)
    else:
        assert_frame_equal(opt_out_rate(made, by=by), opt_out_rate(frame, by=by), check_exact=True)


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(CONTACTS, st.randoms(use_true_random=False))
def test_groups_add_up_and_row_order_does_not_matter(rows, random):
    frame = frame_of(rows)
    shuffled = frame_of(random.sample(rows, len(rows)))
    whole = opt_out_rate(frame)
    for by in ("company_name", created_period(), variable("Plan"), ["company_name", "verified"]):
        table = opt_out_rate(frame, by=by)
        assert (
            table.select(pl.col("contacts", "unknown", "opt_outs").sum()).rows()
            == whole.select("contacts", "unknown", "opt_outs").rows()
        )
        assert_frame_equal(table, opt_out_rate(shuffled, by=by), check_exact=True)
    assert_frame_equal(opt_out_rate(frame, by="tags"), opt_out_rate(shuffled, by="tags"), check_exact=True)
    truth = {key: rates(part) for key, part in groups(rows, tags_of).items()}
    assert by_key(opt_out_rate(frame, by="tags"), 1) == truth


def test_small_groups_are_left_out_and_counted():
    frame = pl.DataFrame({"company_name": ["a"] * 5 + ["b"] * 4 + ["c"], "opt_out": [True] * 10})
    table = opt_out_rate(frame, by="company_name", min_contacts=4)
    assert table.columns == ["company_name", *RATES, "left_out"]
    assert table.select("company_name", "contacts", "left_out").rows() == [("a", 5, 1), ("b", 4, 1)]


def test_rows_come_largest_first_and_periods_by_time():
    frame = frame_of(made_up())
    sizes = opt_out_rate(frame, by="company_name")
    assert sizes["contacts"].is_sorted(descending=True)
    months = opt_out_rate(frame, by=created_period())["created_month"]
    assert months.null_count() == 1
    assert months[-1] is None
    assert months.drop_nulls().is_sorted()


@pytest.mark.parametrize(
    ("by", "message"),
    [
        ("nope", "no column 'nope'.*it has.*opt_out"),
        (pl.col("phone", "tags"), "several columns"),
        (nw.col("phone", "tags"), "several columns"),
        (pl.col("nope"), "no column 'nope'"),
        (nw.col("nope"), "nope"),
    ],
)
def test_what_cannot_be_grouped_by_is_refused(by, message):
    with pytest.raises(FrameError, match=message):
        opt_out_rate(frame_of(made_up(3)), by=by)


@pytest.mark.parametrize(
    ("by", "message"),
    [
        ("custom_variables", "by=variable"),
        (["tags", "tag"], "two columns 'tag'"),
        (pl.col("phone").alias("contacts"), "two columns 'contacts'"),
        (7, "by is 7"),
    ],
)
def test_what_is_nothing_to_group_by_is_refused(by, message):
    with pytest.raises(ConfigurationError, match=message):
        opt_out_rate(frame_of(made_up(3)), by=by)


def test_by_tag_is_by_tags_unless_the_frame_has_such_a_column():
    frame = frame_of(made_up())
    assert_frame_equal(opt_out_rate(frame, by="tag"), opt_out_rate(frame, by="tags"))
    assert opt_out_rate(frame.with_columns(tag=pl.lit("own")), by="tag")["tag"].to_list() == ["own"]


def test_frames_that_are_no_contacts_are_refused():
    with pytest.raises(FrameError, match="no column 'opt_out'"):
        opt_out_rate(pl.DataFrame({"tags": [["a"]]}))
    with pytest.raises(FrameError, match="'opt_out' is String, expected Boolean"):
        opt_out_rate(pl.DataFrame({"opt_out": ["yes"]}))
    with pytest.raises(FrameError, match="a dict is not a frame"):
        opt_out_rate({"opt_out": [True]})
    with pytest.raises(ConfigurationError, match="whole days or longer"):
        opt_out_cohorts(frame_of([]), every="1h")


def test_cohorts_are_months_of_creation_with_their_exposure(constructor):
    rows = made_up()
    table = opt_out_cohorts(constructor(frame_of(rows)), as_of=NOW)
    assert table.columns == ["cohort", *RATES, "exposure_days", "unequal_exposure"]
    truth = {key: rates(part) for key, part in groups(rows, month_of).items()}
    assert by_key(table.select("cohort", *RATES), 1) == truth
    assert table["cohort"].drop_nulls().is_sorted()
    for (month,), part in groups(rows, month_of).items():
        row = table.filter(pl.col("cohort").eq_missing(pl.lit(month))).row(0, named=True)
        if month is None:
            assert (row["exposure_days"], row["unequal_exposure"]) == (None, True)
            continue
        exposure = sum(max((NOW - one["created_at"]).total_seconds(), 0) for one in part) / 86_400 / len(part)
        assert row["exposure_days"] == pytest.approx(exposure, abs=0.51)
    longest = table["exposure_days"].max()
    assert table["unequal_exposure"].to_list() == [
        days is None or days < 0.9 * longest for days in table["exposure_days"].to_list()
    ]


def test_cohorts_with_less_than_nine_tenths_of_the_longest_exposure_are_flagged():
    days = [201, 181, 180, 10, 0, -3]
    created = [NOW.replace(hour=12) - timedelta(days=day) for day in days]
    frame = frame_of([{"created_at": at, "opt_out": False} for at in created])
    table = opt_out_cohorts(frame, every="1d", as_of=NOW)
    assert table["exposure_days"].to_list() == [201, 181, 180, 10, 0, 0]
    assert table["unequal_exposure"].to_list() == [False, False, True, True, True, True]
    just = opt_out_cohorts(
        frame_of([{"created_at": NOW - timedelta(days=day)} for day in (100, 90, 89)]),
        every="1d",
        as_of=NOW.replace(hour=12),
    )
    assert just.select("exposure_days", "unequal_exposure").rows() == [(100, False), (90, False), (89, True)]
    small = opt_out_cohorts(frame.head(5), every="1y", as_of=NOW, min_contacts=3)
    assert small.select("contacts", "left_out").rows() == [(3, 1)]
    unknown = opt_out_cohorts(frame_of([{"opt_out": False}, {"created_at": created[0]}]), as_of=NOW)
    assert unknown["cohort"].is_null().to_list() == [False, True]


def test_drivers_hold_each_set_against_everyone_else(constructor):
    rows = made_up(seed=2)
    table = opt_out_drivers(constructor(frame_of(rows)), min_contacts=30)
    sets = {
        "tag": groups(rows, tags_of),
        "company": groups(rows, company_of),
        "line": groups(rows, lambda row: row["sendblue_number"]),
        "owner": groups(rows, lambda row: row["assigned_to_email"]),
    }
    truth = {
        (factor, key[0]): part
        for factor, parts in sets.items()
        for key, part in parts.items()
        if key[0] is not None and len(part) >= 30
    }
    assert {row[:2] for row in table.rows()} == set(truth)
    for row in table.iter_rows(named=True):
        part = truth[row["factor"], row["level"]]
        rest = [one for one in rows if not any(one is member for member in part)]
        inside, outside = rates(part), rates(rest)
        names = [*RATES[:3], "opt_out_rate"]
        assert [row[name] for name in names] == inside[:4]
        assert [row[f"rest_{name}"] for name in names] == outside[:4]
        risk = relative_risk(
            [inside[2]], [inside[0] - inside[1]], [outside[2]], [outside[0] - outside[1]]
        ).row(0)
        assert tuple(row[name] for name in RISK) == risk
        sizes = [len(found) for key, found in sets[row["factor"]].items() if key[0] is not None]
        assert row["left_out"] == sum(size < 30 for size in sizes)
    assert any(table["left_out"] > 0)
    assert table["p"].is_sorted()
    assert table["q"].to_list() == benjamini_hochberg(table["p"]).to_list()


def test_drivers_come_by_p_then_the_largest_then_by_name():
    """Of six, two of whom have the same p (1) as each other: nobody of them opted out, and one of the rest."""
    people = [
        (["a", "all"], None, True),
        (["a", "all"], None, False),
        (["b", "all"], "Z", False),
        (["b", "all"], "Z", False),
        (["c", "d", "all"], None, False),
        (["d", "all"], None, False),
    ]
    rows = [{"tags": tags, "company_name": company, "opt_out": out} for tags, company, out in people]
    table = opt_out_drivers(frame_of(rows), ["tag", "company"], min_contacts=1)
    assert table["level"].to_list() == ["a", "Z", "b", "d", "c", "all"]
    assert table["p"].to_list() == pytest.approx([1 / 3, 1, 1, 1, 1, None])


def test_a_set_of_twenty_is_not_too_small():
    rows = [{"tags": ["just" if n < 20 else "few"], "opt_out": n == 0} for n in range(39)]
    assert opt_out_drivers(frame_of(rows), ["tag"])["level"].to_list() == ["just"]


def test_drivers_take_factors_of_ones_own():
    frame = frame_of(made_up())
    table = opt_out_drivers(frame, {"plan": variable("Plan"), "month": created_period()}, min_contacts=0)
    assert set(table["factor"]) == {"plan", "month"}
    assert "2025-01-01" in table["level"].to_list()
    assert opt_out_drivers(frame.select("tags", "opt_out")).get_column("factor").unique().to_list() == ["tag"]
    assert opt_out_drivers(frame, ["tag", "line"], min_contacts=10**6).height == 0
    with pytest.raises(ConfigurationError, match="'colour' is no factor"):
        opt_out_drivers(frame, ["colour"])
    with pytest.raises(ConfigurationError, match="gives 2 columns"):
        opt_out_drivers(frame, {"both": ["tags", "company_name"]})
    with pytest.raises(FrameError, match="none of the columns"):
        opt_out_drivers(frame.select("opt_out"))


def test_a_min_contacts_or_confidence_that_is_none_is_refused_without_showing_it():
    people = frame_of(made_up(9))
    for table in (opt_out_rate, opt_out_cohorts, opt_out_drivers, verification_rate):
        for option in ("min_contacts", "confidence"):
            with pytest.raises(ConfigurationError, match=rf"^{option} is DataFrame of 9: expected"):
                table(people, **{option: people})
        with pytest.raises(ConfigurationError, match=r"^min_contacts is -1: expected"):
            table(people, min_contacts=-1)


def test_as_of_may_be_a_date_or_iso_8601():
    people = frame_of(made_up(40))
    tables = [
        opt_out_cohorts(people, as_of=at) for at in ("2026-03-01", date(2026, 3, 1), datetime(2026, 3, 1))
    ]
    assert_frame_equal(tables[0], tables[1])
    assert_frame_equal(tables[0], tables[2])
    with pytest.raises(ConfigurationError, match="as_of is 'soon'"):
        opt_out_cohorts(people, as_of="soon")
