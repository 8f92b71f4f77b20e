"""Verification tables against counts in plain Python, on every engine."""

from datetime import timedelta

import polars as pl
import pytest
from hypothesis import given, settings, strategies as st
from polars.testing import assert_frame_equal

from sendblue_data import (
    created_period,
    reachable as reachable_segment,
    verification_backlog,
    verification_funnel,
    verification_rate,
    verification_worklist,
)
from sendblue_data.analytics.rates import wilson_interval
from sendblue_data.schema import CONTACT_SCHEMA
from tests.analytics.people import (
    CONTACTS,
    NOW,
    count,
    frame_of,
    groups,
    made_up,
    month_of,
    reachable,
    tags_of,
)


def company_of(row):
    return row["company_name"]


def steps_of(rows, verified=False):
    """What the funnel must say of each step: contacts, share, step share, unknown, and the definition."""
    asked = [("verified", True)] * verified + [("opt_out", False)]
    names = ["all", *["verified"] * verified, "not opted out", "reachable"]
    left, sizes, unknown = rows, [len(rows)], [0]
    for name, value in asked:
        unknown.append(count(left, name, None))
        left = [row for row in left if row[name] is value]
        sizes.append(len(left))
    unknown.append(count(left, "phone", None))
    sizes.append(sum(map(reachable, left)))
    told = [
        not any(0 < sizes[place] == unknown[place + 1] for place in range(at)) for at in range(len(sizes))
    ]
    words = "with an E.164 phone, known not to have opted out"
    return [
        (
            step,
            sizes[at],
            sizes[at] / sizes[0] if sizes[0] and told[at] else None,
            sizes[at] / sizes[at - 1] if at and sizes[at - 1] and told[at] else None,
            unknown[at],
            f"verified, {words}" if verified else words,
        )
        for at, step in enumerate(names)
    ]


def waiting(rows):
    """Who is to be verified."""
    return [row for row in rows if row["verified"] is False and row["opt_out"] is False and reachable(row)]


@pytest.mark.parametrize(
    ("by", "name", "key"),
    [
        ("company_name", "company_name", company_of),
        ("tags", "tag", tags_of),
        (created_period(), "created_month", month_of),
    ],
    ids=["company", "tags", "month"],
)
def test_rates_and_funnels_are_the_counts_of_each_group(constructor, by, name, key):
    rows = made_up()
    made = constructor(frame_of(rows))
    parts = {value: part for (value,), part in groups(rows, key).items()}
    rates = verification_rate(made, by=by)
    assert rates.columns == [name, "contacts", "unknown", "verified", "rate", "low", "high"]
    assert rates.height == len(parts)
    for value, *row in rates.rows():
        part = parts[value]
        hits, unknown = count(part, "verified", True), count(part, "verified", None)
        known = len(part) - unknown
        assert row == [len(part), unknown, hits, hits / known, *wilson_interval(hits, known)]
    for verified, steps in ((False, 3), (True, 4)):
        funnel = verification_funnel(made, by=by, verified=verified)
        assert funnel.columns == [name, "step", "contacts", "share", "step_share", "unknown", "definition"]
        assert funnel.height == steps * len(parts)
        for value, part in parts.items():
            found = funnel.filter(pl.col(name).eq_missing(pl.lit(value)))
            assert found.drop(name).rows() == steps_of(part, verified)
        assert funnel[name].to_list() == [value for value in rates[name].to_list() for _ in range(steps)]


def test_overall_tables(constructor):
    rows = made_up()
    made = constructor(frame_of(rows))
    assert verification_funnel(made).rows() == steps_of(rows)
    assert verification_funnel(made, verified=True).rows() == steps_of(rows, verified=True)
    assert verification_rate(made).select("contacts", "verified").rows() == [
        (300, count(rows, "verified", True))
    ]
    empty = constructor(frame_of([]))
    assert verification_funnel(empty).rows() == steps_of([])
    assert verification_rate(empty).rows() == [(0, 0, 0, None, None, None)]
    assert verification_funnel(empty, by="tags").height == 0


@settings(max_examples=40, deadline=None)
@given(CONTACTS, st.booleans(), st.sets(st.sampled_from(["phone", "opt_out", "verified"])))
def test_the_last_step_is_the_reachable_segment(rows, verified, untold):
    rows = [row | dict.fromkeys(untold) for row in rows]
    frame = frame_of(rows)
    funnel = verification_funnel(frame, verified=verified)
    assert funnel.rows() == steps_of(rows, verified)
    assert funnel["contacts"][-1] == frame.filter(reachable_segment(verified=verified)).height
    by_company = verification_funnel(frame, by="company_name", verified=verified)
    sizes = by_company.group_by("step").agg(pl.col("contacts").sum())
    assert dict(sizes.rows()) == ({step: size for step, size, *_ in funnel.rows()} if rows else {})


AGES = [7, 28, 91, 182, 365]


def backlog_of(rows):
    """Contacts, unknown, opted out and to verify of each age."""
    found = [[0, 0, 0, 0] for _ in range(7)]
    for row in rows:
        place = 6
        if row["created_at"]:
            age = max(NOW - row["created_at"], timedelta(0))
            place = sum(age >= timedelta(days=days) for days in AGES)
        found[place][0] += row["verified"] is False
        found[place][1] += row["verified"] is None
        found[place][2] += row["verified"] is False and row["opt_out"] is True
        found[place][3] += len(waiting([row]))
    return [tuple(counts) for counts in found]


def test_backlog_is_the_counts_of_each_age(constructor):
    rows = made_up()
    table = verification_backlog(constructor(frame_of(rows)), as_of=NOW)
    assert table.columns == [
        "age",
        "from_days",
        "before_days",
        "contacts",
        "share",
        "unknown",
        "opt_outs",
        "to_verify",
    ]
    assert table.select("contacts", "unknown", "opt_outs", "to_verify").rows() == backlog_of(rows)
    assert table["share"].sum() == pytest.approx(1)
    assert table["contacts"].sum() == count(rows, "verified", False)
    # The same moment without a zone is read as UTC.
    assert_frame_equal(
        table, verification_backlog(frame_of(rows), as_of=NOW.replace(tzinfo=None)), check_exact=True
    )


@settings(max_examples=40, deadline=None)
@given(CONTACTS)
def test_backlog_of_any_contacts(rows):
    table = verification_backlog(frame_of(rows), as_of=NOW)
    assert table.select("contacts", "unknown", "opt_outs", "to_verify").rows() == backlog_of(rows)
    listed = verification_worklist(frame_of(rows), even_if_unused=True)
    assert table["to_verify"].sum() == listed.height


def test_an_age_begins_with_its_first_day():
    ages = [-1, 0, 6, 7, 27, 28, 90, 91, 181, 182, 364, 365, 5_000]
    rows = [{"created_at": NOW - timedelta(days=days), "verified": False} for days in ages]
    assert verification_backlog(frame_of(rows), as_of=NOW)["contacts"].to_list() == [3, 2, 2, 2, 2, 2, 0]


def test_a_backlog_without_creation_dates_says_nothing_of_ages():
    rows = [row | {"created_at": None} for row in made_up(30)]
    assert verification_backlog(frame_of(rows))["share"].to_list() == [None] * 6 + [1.0]


def test_a_worklist_of_an_account_without_verification_is_empty_and_says_so(constructor):
    rows = [row | {"verified": False} for row in made_up(30)]
    expected = len(waiting(rows))
    assert expected > 2
    with pytest.warns(
        UserWarning, match=rf"does not seem to use verification.* {expected} contacts would get"
    ):
        worklist = verification_worklist(constructor(frame_of(rows)))
    assert worklist.schema == CONTACT_SCHEMA
    assert worklist.height == 0
    assert verification_worklist(constructor(frame_of(rows)), even_if_unused=True).height == expected
    assert verification_worklist(constructor(frame_of(waiting(rows)[:2]))).height == 2
    assert (
        verification_worklist(constructor(frame_of([row | {"verified": None} for row in rows]))).height == 0
    )


def test_worklist_is_a_contacts_frame_of_those_who_wait(constructor):
    rows = made_up()
    worklist = verification_worklist(constructor(frame_of(rows)))
    assert worklist.schema == CONTACT_SCHEMA
    expected = [row["contact_id"] for row in waiting(rows)]
    assert sorted(worklist["contact_id"]) == sorted(expected)
    assert len(expected) > 10
    assert worklist["created_at"].drop_nulls().is_sorted()
    mine = frame_of(rows).filter(pl.col("contact_id").is_in(expected))
    assert_frame_equal(worklist.sort("contact_id"), mine.sort("contact_id"))
    assert_frame_equal(worklist, verification_worklist(frame_of(rows)))
