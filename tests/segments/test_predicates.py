"""The predicates against a truth in plain Python, contact by contact."""

import copy
import pickle
from datetime import date, datetime, timedelta, timezone

import duckdb
import phonenumbers
import polars as pl
import pytest
from hypothesis import given, settings, strategies as st

from sendblue_data import (
    created_between,
    describe,
    has_any_tag,
    has_tag,
    opt_out_rate,
    opted_out,
    parse_segment,
    phone_region,
    reachable,
    untagged,
    variable,
    verified,
    with_phone_region,
)
from sendblue_data.errors import ConfigurationError, FrameError, SegmentError, SendblueError
from sendblue_data.segments.regions import phone_region_code
from tests.segments.people import CONTACTS, LEAVES, SEGMENTS, contacts_of


@settings(max_examples=150, deadline=None)
@given(CONTACTS, SEGMENTS)
def test_any_segment_says_what_plain_python_says_of_each_contact(rows, pair):
    segment, truth = pair
    answer = contacts_of(rows).select(inside=segment).to_series()
    assert answer.to_list() == [truth(row) for row in rows]


@settings(max_examples=40, deadline=None)
@given(CONTACTS, st.sampled_from(LEAVES))
def test_filtering_lazily_or_streaming_gives_the_same(rows, pair):
    segment, truth = pair
    contacts = contacts_of(rows).with_row_index()
    inside = [index for index, row in enumerate(rows) if truth(row)]
    assert contacts.filter(segment)["index"].to_list() == inside
    streamed = contacts.lazy().filter(segment).select("index").collect(engine="streaming")
    assert sorted(streamed["index"].to_list()) == inside


def test_a_segment_is_an_expression_and_joins_any_other():
    contacts = contacts_of([{"tags": ["VIP"], "first_name": "Ada"}, {"tags": ["VIP"]}, {"first_name": "Ada"}])
    segment = has_tag("VIP")
    assert isinstance(segment, pl.Expr)
    ada = pl.col("first_name") == "Ada"
    assert contacts.filter(segment & ada).height == 1
    assert contacts.filter(ada & segment).height == 1
    assert contacts.filter(segment | ada).height == 3
    assert contacts.filter(segment, ada).height == 1
    assert contacts.with_columns(vip=segment)["vip"].to_list() == [True, True, False]


def test_a_variable_is_an_expression_to_group_by():
    contacts = contacts_of([{"custom_variables": {"Plan": "Gold"}}, {"custom_variables": {}}, {}])
    counts = contacts.group_by(variable("Plan")).len().sort("len")
    assert counts.rows() == [("Gold", 1), (None, 2)]


def test_pickles_and_copies_keep_the_words():
    segment = has_tag("VIP") & ~opted_out()
    for twin in (pickle.loads(pickle.dumps(segment)), copy.deepcopy(segment)):
        assert describe(twin) == describe(segment)
        assert repr(twin) == repr(segment)
    assert repr(pickle.loads(pickle.dumps(variable("Plan")))) == 'variable("Plan")'


EAST = timezone(timedelta(hours=-5))


@pytest.mark.parametrize(
    "start",
    [
        "2025-01-01",
        date(2025, 1, 1),
        datetime(2025, 1, 1),
        datetime(2024, 12, 31, 19, tzinfo=EAST),
        "2024-12-31T19:00:00-05:00",
        "2025-01-01T00:00:00Z",
    ],
)
def test_a_moment_can_be_written_in_many_ways(start):
    assert repr(created_between(start, None)) == 'created_between("2025-01-01", None)'


@pytest.mark.parametrize("start", ["0026-01-01", "0026-01-01T10:00:00Z", "9999-12-31"])
def test_any_year_is_written_as_it_is_read(start):
    """With four digits: atheris found a year that had lost its zeros."""
    assert repr(created_between(start, None)) == f'created_between("{start}", None)'
    assert repr(parse_segment(repr(created_between(None, start)))) == f'created_between(None, "{start}")'


@pytest.mark.parametrize("start", ["01/02/2025", 2025, ["+12125550123"]])
def test_what_is_no_moment_is_refused(start):
    with pytest.raises(ConfigurationError, match=r"start is (?!.*\+1212).*: expected a moment"):
        created_between(start, None)


def test_a_moment_of_a_time_zone():
    assert repr(created_between("2025-01-01", None, time_zone="America/New_York")) == (
        'created_between("2025-01-01T05:00:00Z", None)'
    )


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (has_tag, "got no tag"),
        (has_any_tag, "got no tag"),
        (lambda: has_tag("VIP", None), "is None"),
        (lambda: has_tag(["VIP"]), "of type list"),
        (lambda: has_tag(" "), "is blank.*untagged"),
        (lambda: has_tag("\ud800"), "not valid Unicode"),
        (lambda: created_between(None, None), "at least one"),
        (lambda: created_between("2025-02-01", "2025-01-01"), "not before"),
        (lambda: created_between("2025-01-01", "2025-01-01"), "not before"),
        (lambda: variable(""), "is blank"),
        (lambda: variable("Plan") == 5, "write it as text in quotes"),
        (lambda: variable("Plan").is_in([]), "empty list"),
        (lambda: variable("Plan").is_in("Web"), "list of texts"),
        (phone_region, "neither a region nor an area code"),
        (lambda: phone_region("UK"), "Did you mean 'GB'"),
        (lambda: phone_region("us"), "Did you mean 'US'"),
        (lambda: phone_region("US", "212"), "join two calls"),
        (lambda: phone_region("US", area_code="21x"), "not digits"),
    ],
)
def test_what_makes_no_segment_is_refused(make, says):
    with pytest.raises(SegmentError, match=says) as caught:
        make()
    assert isinstance(caught.value, SendblueError)


@pytest.mark.parametrize(
    ("segment", "words"),
    [
        (has_tag("VIP"), 'tagged "VIP"'),
        (~has_tag("a", "b"), 'not tagged all of "a", "b"'),
        (~has_any_tag("a", "b"), 'tagged none of "a", "b"'),
        (untagged() | opted_out(), "without a tag or opted out"),
        (
            has_tag("a") & (verified() | ~opted_out()),
            'tagged "a" and (verified or not known to have opted out)',
        ),
        (~(verified() & opted_out()), "not (verified and opted out)"),
        (variable("Plan") != "Gold", 'whose "Plan" is not "Gold"'),
        (~~(variable("Plan").is_in(["a", "b"])), 'whose "Plan" is one of "a", "b"'),
        (~variable("Plan").contains("x"), 'whose "Plan" does not contain "x"'),
        (phone_region("US", "CA"), "with a phone from one of US, CA"),
        (~phone_region("212"), "without a phone of area code +1 212"),
        (
            created_between("2025-01-01", "2025-01-01T09:30:00"),
            "created from 2025-01-01, before 2025-01-01 09:30:00 UTC",
        ),
    ],
)
def test_words(segment, words):
    assert describe(segment) == f"contacts {words}"


def test_a_plain_expression_has_no_words():
    with pytest.raises(SegmentError, match="made of predicates"):
        describe(has_tag("VIP") & (pl.col("first_name") == "Ada"))


def test_html_is_escaped_in_a_notebook():
    assert "<script>" not in has_tag("<script>")._repr_html_()


def _numbers():
    """Numbers of every region, and the same with digits changed: E.164 as phonenumbers writes it."""
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        for kind in (0, 1, 3):
            number = phonenumbers.example_number_for_type(region, kind)
            if number is None:
                continue
            for change in (0, 7, 1_234, 100_003, 5_000_000):
                twin = phonenumbers.PhoneNumber()
                twin.merge_from(number)
                twin.national_number = number.national_number + change
                text = phonenumbers.format_number(twin, phonenumbers.PhoneNumberFormat.E164)
                if phonenumbers.parse(text) == phonenumbers.parse(str(text)) and 8 <= len(text) <= 16:
                    yield text, phonenumbers.region_code_for_number(phonenumbers.parse(text))


def test_regions_are_those_of_phonenumbers():
    phones, regions = zip(*_numbers(), strict=True)
    assert len(phones) > 2_000
    assert len(set(regions)) > 240
    frame = pl.DataFrame({"phone": phones}).select("phone", phone_region_code())
    assert frame["phone_region"].to_list() == list(regions)
    for region in ("US", "CA", "PR", "GB", "JE", "VA", "KZ", "DE"):
        inside = frame.filter(phone_region(region))["phone_region"]
        assert inside.to_list() == [region] * regions.count(region)


def test_reachable_never_holds_an_unknown():
    rows = [
        {"phone": phone, "opt_out": out, "verified": known}
        for phone in ("+12125550123", "212", None)
        for out in (None, True, False)
        for known in (None, True, False)
    ]
    people = contacts_of(rows).select("phone", "opt_out", "verified")
    assert people.filter(reachable()).rows() == [
        ("+12125550123", False, known) for known in (None, True, False)
    ]
    assert people.filter(reachable(verified=True)).rows() == [("+12125550123", False, True)]


def test_whether_reachable_asks_for_verified_is_true_or_false():
    with pytest.raises(SegmentError, match="verified is 'yes': write True or False"):
        reachable(verified="yes")
    with pytest.raises(SegmentError, match="verified is None"):
        parse_segment("reachable(verified=None)")
    with pytest.raises(SegmentError, match="an option that it does not have"):
        parse_segment("verified(verified=True)")
    assert repr(parse_segment("reachable(verified=False)")) == "reachable()"


@pytest.mark.parametrize(
    "make",
    [
        lambda frame: frame,
        pl.DataFrame.lazy,
        pl.DataFrame.to_arrow,
        lambda frame: duckdb.connect().from_arrow(frame.to_arrow()),
    ],
)
def test_the_region_of_a_phone_is_a_column_on_every_engine(make):
    people = pl.DataFrame({"phone": ["+12125550123", "+14165550123", "+442079460123", "555", None]})
    found = with_phone_region(make(people.with_columns(phone_region=pl.lit("old"))))
    assert found.lazy().collect()["phone_region"].to_list() == ["US", "CA", "GB", None, None]
    assert opt_out_rate(found.with_columns(opt_out=pl.lit(value=True)), by="phone_region").height == 4
    with pytest.raises(FrameError, match="no column 'mobile'"):
        with_phone_region(make(people), column="mobile")


@pytest.mark.slow
def test_spark_gets_the_region_of_a_phone_as_a_column(in_spark):
    people = pl.DataFrame({"phone": ["+12125550123", "+442079460123", None], "opt_out": [True, False, None]})
    found = opt_out_rate(with_phone_region(in_spark(people)), by="phone_region")
    assert sorted(found.select("phone_region", "opt_outs").rows(), key=str) == [
        ("GB", 0),
        ("US", 1),
        (None, 0),
    ]
