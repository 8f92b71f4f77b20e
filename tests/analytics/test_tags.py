"""Tag tables against counts in plain Python, on every engine."""

from collections import Counter, defaultdict
from datetime import date
from itertools import combinations

import polars as pl
import pytest
from hypothesis import given, settings, strategies as st
from polars.testing import assert_frame_equal

from sendblue_data import tag_combinations, tag_growth, tag_pairs, tag_summary
from sendblue_data.analytics.rates import wilson_interval
from sendblue_data.errors import ConfigurationError, FrameError
from tests.analytics.people import CONTACTS, count, frame_of, groups, made_up, month_of, tags_of

SUMMARY = [
    "tag",
    "contacts",
    "share",
    "opt_outs",
    "opt_out_rate",
    "opt_out_rate_low",
    "opt_out_rate_high",
    "verified",
    "verification_rate",
    "first_created",
    "last_created",
]


def rate(hits, known):
    return hits / known if known else None


def summary_of(rows):
    """What `tag_summary` must say, tag by tag."""
    found = {}
    for (tag,), part in groups(rows, tags_of).items():
        outs, unknown = count(part, "opt_out", True), count(part, "opt_out", None)
        verified, unsaid = count(part, "verified", True), count(part, "verified", None)
        moments = [row["created_at"] for row in part if row["created_at"]]
        found[tag] = (
            tag,
            len(part),
            len(part) / len(rows),
            outs,
            rate(outs, len(part) - unknown),
            *wilson_interval(outs, len(part) - unknown),
            verified,
            rate(verified, len(part) - unsaid),
            min(moments, default=None),
            max(moments, default=None),
            unknown,
            unsaid,
        )
    return found


def pairs_of(rows):
    """What `tag_pairs` must say, pair by pair."""
    one = Counter(tag for row in rows for tag in tags_of(row))
    two = Counter(pair for row in rows for pair in combinations(sorted(tags_of(row)), 2))
    return {
        (a, b): (n, n / (one[a] + one[b] - n), n * len(rows) / (one[a] * one[b])) for (a, b), n in two.items()
    }


def test_summary_is_the_counts_of_each_tag(constructor):
    rows = made_up()
    table = tag_summary(constructor(frame_of(rows)))
    assert table.columns == [*SUMMARY, "unknown", "verified_unknown"]
    assert table.schema["first_created"] == pl.Datetime("us", "UTC")
    truth = summary_of(rows)
    assert len(truth) == 6
    assert table.rows() == sorted(truth.values(), key=lambda row: (-row[1], row[0]))


def test_pairs_are_the_counts_of_each_two_tags(constructor):
    rows = made_up()
    table = tag_pairs(constructor(frame_of(rows)))
    assert table.columns == ["tag_a", "tag_b", "contacts", "jaccard", "lift"]
    truth = pairs_of(rows)
    assert len(truth) == 15
    assert {row[:2]: row[2:] for row in table.rows()} == {
        pair: pytest.approx(row) for pair, row in truth.items()
    }
    order = [(-row[2], row[0], row[1]) for row in table.rows()]
    assert order == sorted(order)


def test_combinations_hold_each_contact_once(constructor):
    rows = made_up()
    table = tag_combinations(constructor(frame_of(rows)))
    truth = defaultdict(list)
    for row in rows:
        truth[tuple(sorted(tags_of(row)))].append(row)
    assert table.columns == [
        "tags",
        "contacts",
        "share",
        "unknown",
        "opt_outs",
        "opt_out_rate",
        "opt_out_rate_low",
        "opt_out_rate_high",
    ]
    assert {tuple(row[0]): row[1:] for row in table.rows()} == {
        tags: (
            len(part),
            len(part) / len(rows),
            count(part, "opt_out", None),
            count(part, "opt_out", True),
            rate(count(part, "opt_out", True), len(part) - count(part, "opt_out", None)),
            *wilson_interval(count(part, "opt_out", True), len(part) - count(part, "opt_out", None)),
        )
        for tags, part in truth.items()
    }
    assert table.height == len(truth) > 20
    assert table["contacts"].sum() == len(rows)
    assert table["contacts"].is_sorted(descending=True)


@pytest.mark.parametrize("top", [None, 3])
def test_sparse_growth_is_the_growth_of_periods_with_contacts(top):
    frame = frame_of(made_up())
    whole = tag_growth(frame, "1d", top=top)
    found = tag_growth(frame, "1d", top=top, sparse=True)
    assert 0 < found.height < whole.height
    assert_frame_equal(found, whole.filter(pl.col("contacts") > 0))


def test_growth_of_many_tags_by_day_is_refused_unless_sparse(monkeypatch):
    monkeypatch.setattr("sendblue_data.analytics.tags._MOST_ROWS", 1_000)
    frame = frame_of(made_up())
    with pytest.raises(
        ConfigurationError, match=r"^\d+ tags in \d+ periods of every='1d' are .*sparse=True.*top=50"
    ):
        tag_growth(frame, "1d")
    assert tag_growth(frame, "1d", sparse=True)["contacts"].sum() == tag_growth(frame, "1y")["contacts"].sum()


def test_growth_has_every_tag_in_every_month(constructor):
    rows = made_up()
    table = tag_growth(constructor(frame_of(rows)))
    assert table.columns == ["tag", "period", "contacts", "cumulative"]
    months = [date(2024 + at // 12, at % 12 + 1, 1) for at in range(11, 27)]
    truth = {key: len(part) for key, part in groups(rows, tags_of, month_of).items()}
    by_tag = groups(rows, tags_of)
    assert table.select("tag").unique(maintain_order=True)["tag"].to_list() == [
        tag for (tag,), _ in sorted(by_tag.items(), key=lambda item: (-len(item[1]), item[0]))
    ]
    for (tag,), part in by_tag.items():
        found = table.filter(pl.col("tag") == tag)
        assert found["period"].to_list() == [*months, None]
        assert found["contacts"].to_list() == [truth.get((tag, month), 0) for month in [*months, None]]
        assert found["cumulative"].to_list() == found["contacts"].cum_sum().to_list()
        assert found["cumulative"][-1] == len(part)


def test_no_tags_give_empty_tables_of_the_same_types(constructor):
    full = frame_of(made_up(50))
    for empty in (frame_of([]), full.filter(pl.col("tags").is_null())):
        made = constructor(empty)
        for table in (tag_summary, tag_pairs, tag_growth):
            assert table(made).height == 0
            assert table(made).schema == table(full).schema
        assert tag_combinations(made).schema == tag_combinations(full).schema
        assert tag_combinations(made)["contacts"].sum() == empty.height


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(CONTACTS, st.randoms(use_true_random=False))
def test_tables_agree_with_python_in_any_row_order(rows, random):
    frame = frame_of(rows)
    shuffled = frame_of(random.sample(rows, len(rows)))
    assert {row[0]: row for row in tag_summary(frame).rows()} == summary_of(rows)
    assert {row[:2]: row[2:] for row in tag_pairs(frame).rows()} == {
        pair: pytest.approx(row) for pair, row in pairs_of(rows).items()
    }
    for table in (tag_summary, tag_pairs, tag_combinations, tag_growth):
        assert_frame_equal(table(frame), table(shuffled), check_exact=True)
    growth = tag_growth(frame, every="1w").group_by("tag").agg(pl.col("contacts").sum())
    assert dict(growth.rows()) == {tag: row[1] for tag, row in summary_of(rows).items()}


def test_lift_of_a_large_account_does_not_overflow():
    lists = pl.LazyFrame({"tags": [["a", "b"], ["a"], []]})
    millions = pl.concat([lists] * 3).select(pl.col("tags").repeat_by(700_000).explode(empty_as_null=True))
    assert tag_pairs(millions)["lift"].to_list() == pytest.approx([1.5])


def test_tags_that_are_no_lists_are_refused():
    with pytest.raises(FrameError, match=r"'tags' is String, expected List\(String\)"):
        tag_pairs(pl.DataFrame({"tags": ["VIP, Lead"]}))
    with pytest.raises(FrameError, match="no column 'created_at'"):
        tag_summary(pl.DataFrame({"tags": [["VIP"]], "opt_out": [True], "verified": [True]}))


def test_top_is_the_head_of_the_whole(constructor):
    people = frame_of(made_up(200))
    contacts = constructor(people)
    for top in (1, 3, 50):
        assert tag_pairs(contacts, top=top).equals(tag_pairs(people).head(top))
        assert tag_combinations(contacts, top=top).equals(tag_combinations(people).head(top))
        tags = tag_summary(people)["tag"].head(top)
        growth = tag_growth(people).filter(pl.col("tag").is_in(tags.implode()))
        assert set(tag_growth(contacts, top=top)["tag"]) == set(tags)
        assert tag_growth(contacts, top=top)["contacts"].sum() == growth["contacts"].sum()
