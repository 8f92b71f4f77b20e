"""compare_segments and segment_overlap against plain Python, statsmodels and each other's engines."""

import duckdb
import polars as pl
import pytest
from hypothesis import given, settings, strategies as st
from polars.testing import assert_frame_equal
from scipy import stats
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from sendblue_data import (
    compare_segments,
    created_between,
    has_tag,
    opted_out,
    phone_region,
    reachable,
    segment_overlap,
    untagged,
    variable,
    verified,
)
from sendblue_data.analytics.rates import benjamini_hochberg
from sendblue_data.errors import FrameError, SegmentError
from tests.segments.people import CONTACTS, SEGMENTS, contacts_of

NAMED = st.lists(SEGMENTS, min_size=1, max_size=4)


def _untold(rows, segment):
    """Whether a segment asks about a field that no contact has."""
    return any(all(row.get(name) is None for row in rows) for name in segment.meta.root_names())


def _rate(rows, field):
    known = [row for row in rows if row[field] is not None]
    return (sum(row[field] for row in known) / len(known)) if known else None


def interval_of_parts(own, other, shared, confidence):
    """The interval of a difference, from Wilson's of those in one alone, in the other alone and in both."""
    if not shared:
        counts = (sum(own), len(own), sum(other), len(other))
        return confint_proportions_2indep(*counts, method="newcomb", compare="diff", alpha=1 - confidence)
    n, m, common = len(own), len(other), len(shared)
    both = sum(shared)
    parts = [
        (sum(own) - both, n - common, (n - common) / n),
        (sum(other) - both, m - common, -(m - common) / m),
        (both, common, common / n - common / m),
    ]
    below = above = 0.0
    for hits, size, weight in parts:
        if size:
            ends = [
                weight * end for end in proportion_confint(hits, size, alpha=1 - confidence, method="wilson")
            ]
            below += (weight * hits / size - min(ends)) ** 2
            above += (max(ends) - weight * hits / size) ** 2
    gap = sum(own) / n - sum(other) / m
    return gap - below**0.5, gap + above**0.5


@pytest.mark.slow
@settings(max_examples=80, deadline=None)
@given(CONTACTS, NAMED, st.booleans(), st.sampled_from([0.9, 0.95]))
def test_a_comparison_is_what_plain_python_and_statsmodels_say(rows, pairs, against_first, confidence):
    named = {f"s{i}": segment for i, (segment, _) in enumerate(pairs)}
    baseline = "s0" if against_first else None
    table = compare_segments(contacts_of(rows), named, baseline=baseline, confidence=confidence)
    assert table["segment"].to_list() == list(named)
    first = [row for row in rows if pairs[0][1](row)]
    for (name, got), (_, truth) in zip(
        ((row["segment"], row) for row in table.iter_rows(named=True)), pairs, strict=True
    ):
        own = [row for row in rows if truth(row)]
        other = first if against_first else [row for row in rows if not truth(row)]
        known = [row["opt_out"] for row in own if row["opt_out"] is not None]
        assert got["contacts"] == len(own)
        told = own or not _untold(rows, named[name])
        assert got["share"] == (pytest.approx(len(own) / len(rows)) if rows and told else None)
        assert got["unknown"] == len(own) - len(known)
        assert got["opt_outs"] == sum(known)
        assert got["opt_out_rate"] == pytest.approx(_rate(own, "opt_out"))
        assert got["verified"] == sum(row["verified"] is True for row in own)
        assert got["verification_rate"] == pytest.approx(_rate(own, "verified"))
        assert got["baseline"] == ("s0" if against_first else "the rest")
        assert got["shared"] == (
            len([row for row in own if row in first and pairs[0][1](row)]) if against_first else 0
        )
        if known:
            wilson = proportion_confint(sum(known), len(known), alpha=1 - confidence, method="wilson")
            assert (got["opt_out_rate_low"], got["opt_out_rate_high"]) == pytest.approx(wilson, abs=1e-9)
        else:
            assert (got["opt_out_rate_low"], got["opt_out_rate_high"]) == (None, None)
        known_other = [row["opt_out"] for row in other if row["opt_out"] is not None]
        differences = (got["difference"], got["difference_low"], got["difference_high"])
        if name == baseline or not known or not known_other:
            assert differences == (None, None, None)
        else:
            shared = [
                row["opt_out"]
                for row in own
                if row in other and truth(row) and against_first and row["opt_out"] is not None
            ]
            bounds = interval_of_parts(known, known_other, shared, confidence)
            assert got["baseline_rate"] == pytest.approx(_rate(other, "opt_out"))
            assert differences[0] == pytest.approx(_rate(own, "opt_out") - _rate(other, "opt_out"))
            assert differences[1:] == pytest.approx(bounds, abs=1e-9)


def _tagged(*groups):
    """Contacts of so many with each set of tags, of whom so many opted out."""
    return contacts_of(
        [{"tags": list(tags), "opt_out": n < out} for tags, size, out in groups for n in range(size)]
    )


def test_a_segment_inside_its_baseline_is_held_against_the_rest_of_it():
    people = _tagged((("in", "all"), 800, 48), (("all",), 200, 32), ((), 500, 5))
    table = compare_segments(people, {"in": has_tag("in"), "all": has_tag("all")}, baseline="all")
    row = table.row(0, named=True)
    apart = confint_proportions_2indep(48, 800, 32, 200, method="newcomb", compare="diff")
    # The rate of the baseline is four fifths the segment's and one fifth the others'.
    assert row["difference"] == pytest.approx(-0.02)
    assert [row["difference_low"], row["difference_high"]] == pytest.approx([end / 5 for end in apart])
    assert (row["relation"], row["shared"]) == ("inside", 800)
    assert row["p"] == pytest.approx(stats.fisher_exact([[48, 752], [32, 168]]).pvalue)
    assert row["finding"].startswith(
        "6.0% of in opted out, 2.0 points less than all (-3.2 to -1.0): distinguishable"
    )
    assert table.row(1, named=True)["finding"] == "The baseline."
    turned = compare_segments(people, {"in": has_tag("in"), "all": has_tag("all")}, baseline="in").row(
        1, named=True
    )
    assert (turned["relation"], turned["difference"]) == ("contains", pytest.approx(0.02))
    assert turned["difference_low"] == pytest.approx(-row["difference_high"])
    assert turned["p"] == pytest.approx(row["p"])


def test_every_relation_has_its_name_and_its_sentence():
    people = _tagged(
        (("a", "b"), 40, 4), (("a",), 40, 2), (("b",), 40, 8), (("c",), 40, 4), (("a", "b", "d"), 40, 4)
    )
    named = {name: has_tag(name) for name in "abcd"} | {"again": has_tag("a"), "nobody": has_tag("x")}
    table = compare_segments(people, named, baseline="a")
    found = dict(table.select("segment", "relation").rows())
    assert found == {
        "a": "baseline",
        "b": "overlaps",
        "c": "apart",
        "d": "inside",
        "again": "same",
        "nobody": "apart",
    }
    said = dict(table.select("segment", "finding").rows())
    assert said["b"].startswith("13.3% of b opted out, 5.0 points more than a (")
    assert said["b"].endswith("not distinguishable from chance, among 3 comparisons.")
    assert said["again"] == "again and a are the same contacts."
    assert said["nobody"] == "Nothing is known about opt-outs of nobody: no comparison."
    assert table["q"].to_list() == pytest.approx(benjamini_hochberg(table["p"]).to_list(), nan_ok=True)
    assert table.filter(pl.col("p").is_null())["segment"].to_list() == ["a", "again", "nobody"]


def test_the_p_of_an_overlap_is_that_of_its_parts():
    """A-only, B-only and both are independent: the variance of the difference, at one rate for all, is a sum over them."""
    people = _tagged((("a", "b"), 160, 12), (("a",), 240, 18), (("b",), 240, 36))
    row = compare_segments(people, {"a": has_tag("a"), "b": has_tag("b")}, baseline="b").row(0, named=True)
    rate = 66 / 640
    variance = rate * (1 - rate) * (240 / 400**2 + 240 / 400**2)
    assert row["p"] == pytest.approx(2 * stats.norm.sf(0.045 / variance**0.5))


@settings(max_examples=60, deadline=None)
@given(CONTACTS, NAMED)
def test_an_overlap_is_what_plain_python_says(rows, pairs):
    named = {f"s{i}": segment for i, (segment, _) in enumerate(pairs)}
    table = segment_overlap(contacts_of(rows), named)
    members = [{i for i, row in enumerate(rows) if truth(row)} for _, truth in pairs]
    assert table.height == len(pairs) * (len(pairs) - 1) // 2
    for got in table.iter_rows(named=True):
        a, b = (members[int(got[side][1:])] for side in ("segment_a", "segment_b"))
        assert (got["contacts_a"], got["contacts_b"], got["contacts"]) == (len(a), len(b), len(a & b))
        told = all(
            who or not _untold(rows, named[got[side]]) for who, side in ((a, "segment_a"), (b, "segment_b"))
        )
        assert got["share_of_a"] == (pytest.approx(len(a & b) / len(a)) if a and told else None)
        assert got["share_of_b"] == (pytest.approx(len(a & b) / len(b)) if b and told else None)
        assert got["jaccard"] == (pytest.approx(len(a & b) / len(a | b)) if a | b and told else None)


def test_of_a_segment_whose_column_is_null_throughout_nothing_is_known():
    people = contacts_of([{"phone": "+12125550123", "verified": True} for _ in range(3)])
    named = {"may": reachable(), "sure": verified(), "not out": ~opted_out()}
    assert compare_segments(people, named)["contacts", "share"].rows() == [(0, None), (3, 1.0), (3, 1.0)]
    first, *_ = segment_overlap(people, named).rows()
    assert first == ("may", "sure", 0, 3, 0, None, None, None)


MANY = {
    "VIPs": has_tag("VIP"),
    "none": untagged(),
    "new": created_between("2025-01-01", "2025-01-02"),
    "web": variable("Lead Source") == "Web",
    "not web": variable("Lead Source") != "Web",
    "US": phone_region("US"),
    "quiet": ~opted_out() & ~verified(),
}


def _engines(contacts):
    relation = duckdb.connect().from_arrow(contacts.to_arrow())
    return {
        "lazy": contacts.lazy(),
        "shuffled": contacts.sample(fraction=1, shuffle=True, seed=3),
        "duckdb": relation,
        "duckdb, a session elsewhere": _elsewhere(contacts),
        "pyarrow": contacts.to_arrow(),
    }


def _elsewhere(contacts):
    connection = duckdb.connect()
    connection.sql("set timezone = 'America/New_York'")
    return connection.from_arrow(contacts.to_arrow())


@settings(max_examples=15, deadline=None)
@given(CONTACTS)
def test_every_engine_gives_the_same_tables(rows):
    contacts = contacts_of(rows)
    compared, overlap = compare_segments(contacts, MANY, baseline="US"), segment_overlap(contacts, MANY)
    for name, frame in _engines(contacts).items():
        assert_frame_equal(compare_segments(frame, MANY, baseline="US"), compared), name
        assert_frame_equal(segment_overlap(frame, MANY), overlap), name


def test_batches_add_up(monkeypatch):
    monkeypatch.setattr("sendblue_data._frames.engines.BATCH_ROWS", 2_048)
    contacts = contacts_of(
        [
            {"tags": ["VIP"] if i % 3 else None, "opt_out": [None, True, False][i % 5 % 3]}
            for i in range(9_000)
        ]
    )
    relation = duckdb.connect().from_arrow(contacts.to_arrow())
    assert relation.to_arrow_reader(2_048).read_next_batch().num_rows < contacts.height
    assert_frame_equal(compare_segments(relation, MANY), compare_segments(contacts, MANY))


def test_plain_expressions_are_segments_on_polars():
    contacts = contacts_of(
        [{"first_name": "Ada", "opt_out": True}, {"first_name": None}, {"first_name": "Bo"}]
    )
    table = compare_segments(contacts, {"Ada": pl.col("first_name") == "Ada", "all": pl.lit(value=True)})
    assert table["contacts"].to_list() == [1, 3]
    assert (
        segment_overlap(contacts, {"all": pl.lit(value=True), "too": pl.lit(value=True)})["contacts"].item()
        == 3
    )


def test_groups_that_partition_an_account_sum_to_it():
    contacts = contacts_of(
        [{"tags": [["VIP"], [], None][i % 3], "opt_out": [None, True][i % 2]} for i in range(30)]
    )
    table = compare_segments(contacts, {"in": has_tag("VIP"), "out": ~has_tag("VIP")})
    assert table["contacts"].sum() == 30
    assert table["share"].sum() == pytest.approx(1)
    assert table["opt_outs"].sum() == contacts["opt_out"].sum()
    assert table["difference"].sum() == pytest.approx(0)


@pytest.mark.parametrize("function", [compare_segments, segment_overlap])
def test_what_can_not_be_compared_is_refused(function):
    contacts = contacts_of([{"tags": ["VIP"]}])
    relation = duckdb.connect().from_arrow(contacts.to_arrow())
    for frame, named, error, says in [
        (contacts, {}, SegmentError, "no segments"),
        (contacts, {"VIPs": "VIP"}, SegmentError, "expected a name and a predicate"),
        (contacts, {"n": pl.col("first_name")}, SegmentError, "gives String, where true or false"),
        (contacts, {"n": pl.col("age") > 3}, FrameError, "no column 'age'"),
        (contacts.drop("tags"), {"VIPs": has_tag("VIP")}, FrameError, "no column 'tags'"),
        (relation, {"n": pl.col("verified")}, SegmentError, "bring a Polars frame"),
        ([1], {"VIPs": has_tag("VIP")}, FrameError, "a list is not a frame"),
    ]:
        with pytest.raises(error, match=says):
            function(frame, named)


def test_an_unknown_baseline_is_refused():
    with pytest.raises(SegmentError, match="'VIP' is not among the segments: 'VIPs'"):
        compare_segments(contacts_of([]), {"VIPs": has_tag("VIP")}, baseline="VIP")
