"""Counts of the facets, beside plain Python's."""

from collections import Counter
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings, strategies as st

from sendblue_data import ContactExplorer, field_is, has_tag
from sendblue_data.explorer.facets import Index, months
from sendblue_data.explorer.filters import Filters
from sendblue_data.explorer.selection import Account
from tests.explorer.people import frame, mixed, person

TAGS = st.none() | st.lists(st.sampled_from(["VIP", "Lead", "vip ", ""]), max_size=4)  # one may stand twice
COMPANIES = st.sampled_from([None, "Acme", "Summit"])


@settings(max_examples=40)
@given(st.lists(st.tuples(TAGS, COMPANIES), max_size=12))
def test_counts_are_plain_pythons_however_many_are_chosen(drawn):
    rows = [person(n, tags=tags, company_name=company) for n, (tags, company) in enumerate(drawn)]
    index = Index(Account(frame(rows)))
    segments = (
        (None, lambda _: True),
        (has_tag("VIP"), lambda row: "VIP" in (row["tags"] or ())),
        (~has_tag("VIP"), lambda row: "VIP" not in (row["tags"] or ())),
        (field_is("company_name", "Acme"), lambda row: row["company_name"] == "Acme"),
    )
    for segment, holds in segments:
        chosen = [row for row in rows if holds(row)]
        tags = Counter(tag for row in chosen for tag in set(row["tags"] or ()))
        for _ in range(2):  # counted, then remembered
            assert {tag: count for tag, count in index.counts("tags", segment) if count} == tags
            companies = {value: count for value, count in index.counts("companies", segment) if count}
            assert companies == Counter(row["company_name"] for row in chosen)


@pytest.mark.parametrize(
    ("first", "last", "bars"),
    [("2026-01-31", "2026-03-01", 3), ("2020-02-01", "2025-12-31", 24), ("1970-01-01", "2026-01-01", 57)],
)
def test_the_histogram_has_a_bar_for_each_month_quarter_or_year_without_gaps(first, last, bars):
    rows = [person(0, created_at=first), person(1, created_at=last), person(2, created_at=None)]
    shown = months(Index(Account(frame(rows))), Filters())
    assert len(shown) == bars
    assert [one["next"] for one in shown[:-1]] == [one["day"] for one in shown[1:]]
    assert shown[-1]["next"] is None
    assert (shown[0]["count"], shown[-1]["count"], sum(one["count"] for one in shown)) == (1, 1, 2)
    assert shown[0]["label"] == datetime.fromisoformat(shown[0]["day"]).replace(tzinfo=UTC).strftime("%b %Y")


@pytest.mark.parametrize("created", [[], [None]])
def test_an_account_without_a_date_has_no_bars(created):
    assert months(Index(Account(frame([person(0, created_at=at) for at in created]))), Filters()) == []


@pytest.fixture(scope="module")
def explorer():
    return ContactExplorer(frame(mixed()))


def values_of(explorer, name):
    facets = explorer.controls.widget.shown["facets"]
    return next(one["values"] for one in facets if one["field"] == name)


def test_a_facet_is_counted_while_it_is_open(explorer, monkeypatch):
    hear = explorer.controls.hear
    assert values_of(explorer, "companies") == []
    hear({"type": "open", "field": "companies"})
    assert len(values_of(explorer, "companies")) > 1
    hear({"type": "open", "field": "companies", "open": False})
    assert values_of(explorer, "companies") == []
    told = []
    monkeypatch.setattr(explorer.controls, "tell", lambda: told.append("told"))
    hear({"type": "open", "field": "companies", "open": False})
    assert told == []  # a view that hears of it says so again


def test_what_is_chosen_keeps_its_place_so_that_a_second_click_excludes_it(explorer):
    before = [one["key"] for one in values_of(explorer, "tags")]
    assert before.index("VIP") > 0
    for state in ("all", "out", ""):
        explorer.controls.hear({"type": "choose", "field": "tags", "key": "VIP", "state": state})
        assert [one["key"] for one in values_of(explorer, "tags")] == before
