"""Misspelt names: what is said of a column, a tag, a variable, a segment; and dates that are no dates."""

import warnings
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, strategies as st

import sendblue_data as sb
from sendblue_data.errors import (
    ConfigurationError,
    FrameError,
    SegmentError,
    UnknownNameWarning,
    UnknownSegmentError,
)
from sendblue_data.segments import checks

PEOPLE = sb.contacts_frame(
    [
        {"phone": f"+1212555010{n}", "tags": ["VIP", "Lead"][n % 2 :], "custom_variables": {"Plan": "Gold"}}
        for n in range(4)
    ]
)


@pytest.fixture(autouse=True)
def nothing_looked_up(monkeypatch):
    monkeypatch.setattr(checks, "_looked_up", set())


@pytest.mark.parametrize(
    ("segment", "near"),
    [
        (sb.has_tag("VPI"), "tag 'VPI'. Did you mean 'VIP'"),
        (sb.reachable() | ~sb.has_any_tag("Lead", "vip"), "tag 'vip'. Did you mean 'VIP'"),
        (sb.variable("plan") == "Gold", "custom variable 'plan'. Did you mean 'Plan'"),
    ],
)
def test_a_name_that_nobody_has_warns_once_with_the_one_that_is_near(segment, near):
    with pytest.warns(UnknownNameWarning, match=f"No contact in this frame of 4 has the {near}") as told:
        PEOPLE.filter(segment)
    assert [one.filename for one in told] == [__file__]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        PEOPLE.filter(segment)


@pytest.mark.parametrize(
    "used",
    [
        lambda: PEOPLE.filter(sb.has_tag("VIP") & ~sb.has_tag("Lead")),
        lambda: PEOPLE.filter(sb.has_tag("Entirely else")),  # few contacts, and none is near
        lambda: PEOPLE.clear().filter(sb.has_tag("VPI")),
        lambda: PEOPLE.group_by("verified").agg(sb.has_tag("VPI").sum()),
    ],
)
def test_nothing_is_said_of_names_that_are_there_or_can_t_be_judged(used):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        used()


def test_columns_say_what_was_meant():
    with pytest.raises(FrameError, match=r"no column 'tgas'.*Did you mean 'tags'\?"):
        sb.opt_out_rate(PEOPLE, by="tgas")
    with pytest.raises(FrameError, match="no column 'tags'"):
        PEOPLE.drop("tags").filter(sb.has_tag("VIP"))
    with pytest.raises(SegmentError, match="Did you mean 'company_name'"):
        sb.field_is("company", "Acme")
    with pytest.raises(SegmentError, match="Did you mean 'VIPs'"):
        sb.compare_segments(PEOPLE, {"VIPs": sb.has_tag("VIP")}, baseline="vips")


def test_a_segment_that_the_file_lacks_says_what_was_meant(tmp_path):
    sb.save_segments({"VIPs": sb.has_tag("VIP")}, tmp_path / "segments.toml")
    segments = sb.load_segments(tmp_path / "segments.toml")
    with pytest.raises(UnknownSegmentError, match="Did you mean 'VIPs'") as refused:
        segments["VIP"]
    assert isinstance(refused.value, KeyError)
    assert segments.get("VIP") is None


def test_a_date_in_text_is_refused_by_name():
    with pytest.raises(FrameError, match="'created_at' is String"):
        PEOPLE.with_columns(created_at=pl.lit("2026-01-01")).filter(sb.created_between("2026-01-01", None))
    with pytest.raises(ConfigurationError, match="as_of is 'May'"):
        sb.Benchmark(0.03, "May", "ours")
    assert sb.Benchmark(0.03, "2026-01-01", "ours").as_of.year == 2026


@pytest.mark.parametrize("span", ["6 months", "6m", "0d", "-1d", 6, timedelta(days=1), "123456d"])
def test_a_span_that_is_none_is_refused(span):
    with pytest.raises(SegmentError, match="is no span of time"):
        sb.created_within(span)


def test_a_relative_span_counts_from_when_it_is_asked(monkeypatch):
    segment = sb.reachable() | sb.created_within("30d")
    now = datetime.now(UTC)
    people = PEOPLE.with_columns(created_at=pl.lit(now - timedelta(days=29)))
    assert people.filter(segment).height == 4

    class Later(datetime):
        @classmethod
        def now(cls, tz=None):
            return (now + timedelta(days=2)).astimezone(tz)

    monkeypatch.setattr("sendblue_data.segments.rules.datetime", Later)
    assert people.filter(segment).height == 0
    assert repr(sb.parse_segment(repr(segment))) == 'reachable() | created_within("30d")'


@given(days=st.integers(1, 9999), ago=st.integers(0, 20_000))
def test_a_span_holds_its_first_moment_and_not_its_end(days, ago):
    end = datetime(2026, 3, 1, tzinfo=UTC)
    people = PEOPLE.with_columns(created_at=pl.lit(end - timedelta(days=ago)))
    segment = sb.created_within(f"{days}d", as_of=end)
    assert people.filter(segment).height == (4 if 0 < ago <= days else 0)
    assert sb.parse_segment(repr(segment)).rule == segment.rule


def test_area_codes_are_numbers_or_text():
    assert repr(sb.area_code(212, "415")) == 'phone_region(area_code=["212", "415"])'
    assert repr(sb.phone_region(area_code=212)) == repr(sb.parse_segment("area_code(212)"))
    assert PEOPLE.filter(sb.area_code(212)).height == 4
    for wrong in (21, "2125", True, None, "Bronx"):
        with pytest.raises(SegmentError, match="is no area code"):
            sb.area_code(wrong)
