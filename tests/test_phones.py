"""normalize_phones against phonenumbers itself, number by number."""

import re

import phonenumbers
import polars as pl
import pytest
from hypothesis import given, settings, strategies as st

from sendblue_data._shared.phone_cells import read_phone
from sendblue_data._shared.phone_patterns import quick_phones
from sendblue_data.errors import ConfigurationError, FrameError, SendblueError
from sendblue_data.phones import normalize_phones

READ = {
    "(212) 555-0123": "+12125550123",
    "1.212.555.0123": "+12125550123",
    "+44 (0)20 7946 0123": "+442079460123",
    "011 44 20 7946 0123": "+442079460123",
    "tel:+1-212-555-0123": "+12125550123",
    "\u202d+1 212 555 0123\u202c": "+12125550123",  # as copied out of a phone's address book
    "+1 (212) 555\u20110123": "+12125550123",
    "\uff0b\uff11\uff12\uff11\uff12\uff15\uff15\uff15\uff10\uff11\uff12\uff13": "+12125550123",
    "+39 02 1234567": "+39021234567",  # Italy keeps its 0
}
REFUSED = {
    None: "no number",
    "  ": "no number",
    "n/a": "not a phone number; write one with + and its country code",
    "555-0123": "too short: no area code; write the number with it",
    "12345": "too short; write the whole number with + and its country code",
    "+1 212 555 01234": "too long; check for a second number or a digit too many",
    "2125550123/2125550124": "more than one number in the cell; keep one, or pass several_phones='first_mobile'",  # two people in one cell
    "212 555 0123 or 0124": "more than one number in the cell; keep one, or pass several_phones='first_mobile'",
    "555-0123 mom": "has letters in it; write the number in digits alone",  # libphonenumber would dial 666
    "212-555-0123 x5": "has an extension, which a text can't reach; write the number without it",
    "+12125550123;ext=5": "has an extension, which a text can't reach; write the number without it",
    "212-555-0123#5": "has an extension, which a text can't reach; write the number without it",
    "0000000000": "no number of +1 begins like this; check its country code",
    "+999 12345678": "no such country code; write the number with + and its own",
}


@pytest.mark.parametrize("lazy", [False, True])
def test_each_row_is_read_or_says_why_not(lazy):
    frame = pl.DataFrame({"mobile": [*READ, *REFUSED], "n": range(len(READ) + len(REFUSED))})
    answer = normalize_phones(frame.lazy() if lazy else frame, "mobile", region="US").lazy().collect()
    assert answer.columns == ["mobile", "n", "mobile_problem"]
    assert answer["mobile"].to_list() == [*READ.values()] + [None] * len(REFUSED)
    assert answer["mobile_problem"].to_list() == [None] * len(READ) + [*REFUSED.values()]


def test_without_a_region_only_international_numbers_are_read():
    frame = pl.DataFrame({"phone": ["212-555-0123", "+1 212-555-0123", "0044 20 7946 0123"]})
    answer = normalize_phones(frame, "phone")
    assert answer["phone"].to_list() == [None, "+12125550123", None]
    assert all(
        why.startswith("no country code: write it with +") for why in answer["phone_problem"].to_list()[::2]
    )


def test_twice_is_the_same_phones():
    frame = pl.DataFrame({"phone": [*READ, *REFUSED]})
    once = normalize_phones(frame, "phone", "US")
    twice = normalize_phones(once, "phone")
    assert twice["phone"].equals(once["phone"])
    assert twice.columns == once.columns


def test_numbers_read_as_integers_and_empty_frames():
    assert normalize_phones(pl.DataFrame({"p": [2125550123]}), "p", "US")["p"].item() == "+12125550123"
    empty = normalize_phones(pl.DataFrame({"p": []}, schema={"p": pl.String}), "p", "US")
    assert empty.schema == {"p": pl.String, "p_problem": pl.String}
    assert normalize_phones(pl.DataFrame({"p": [None]}), "p")["p_problem"].to_list() == ["no number"]


@pytest.mark.parametrize(
    ("frame", "column", "region", "says"),
    [
        (pl.DataFrame({"a": ["1"]}), "phone", None, "no column 'phone': the frame has 'a'"),
        (pl.DataFrame({"phone": [2.0]}), "phone", None, "read it as pl.String"),
        (pl.DataFrame({"phone": ["1"]}), "phone", "UK", "did you mean 'GB'"),
        (pl.DataFrame({"phone": ["1"]}), "phone", "us", "did you mean 'US'"),
        (pl.DataFrame({"phone": ["1"]}), "phone", "ZZ", "two-letter"),
        ({"phone": ["1"]}, "phone", None, "takes a Polars frame, not dict"),
    ],
)
def test_what_can_not_be_used_is_refused_with_a_remedy(frame, column, region, says):
    with pytest.raises(FrameError if region is None else ConfigurationError, match=says) as caught:
        normalize_phones(frame, column, region)
    assert isinstance(caught.value, SendblueError)
    assert isinstance(caught.value, ValueError)


SPELLINGS = (
    st.builds(
        lambda region, style: phonenumbers.format_number(phonenumbers.example_number(region), style),
        st.sampled_from(["DE", "GB", "IT", "NO", "ES", "RU", "HU", "US", "MX", "AR", "AU", "BR"]),
        st.sampled_from([0, 1, 2]),
    )
    | st.text(alphabet="0123456789+ ().-", max_size=18)
    | st.from_regex(r"\A(\+?1)?[ (]{0,2}[2-9][0-9]{2}[ ).-]{0,2}[0-9]{3}[ .-]?[0-9]{4}\Z")
)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(SPELLINGS, max_size=8),
    st.sampled_from([None, "US", "CA", "JM", "GB", "DE", "IT", "NO", "ES", "RU", "HU"]),
)
def test_the_quick_path_agrees_with_phonenumbers(texts, region):
    raw = pl.Series("raw", texts, dtype=pl.String)
    for text, quick in zip(texts, quick_phones(raw, region), strict=True):
        if quick is not None:
            assert read_phone(text, region) == (quick, None, None)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(phonenumbers.SUPPORTED_REGIONS)), st.sampled_from([0, 1, 2]))
def test_a_valid_number_of_any_country_survives_in_every_format(region, style):
    number = phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
    number = number or phonenumbers.example_number(region)
    written = phonenumbers.format_number(number, style)
    answer = normalize_phones(pl.DataFrame({"phone": [written]}), "phone", region)
    assert answer.row(0) == (phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164), None)


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        ("1212555012.0", "ends in .0"),  # a digit short; with the 0 it would be somebody's number
        ("2125550123.0", "ends in .0"),
        ("+442079460123.0", "ends in .0"),
        (" 212555012.0", "ends in .0"),
        ("212555012.00 ", "ends in .0"),
        ("+1 212555012.0", "ends in .0"),
        ("1-212555012.0", "ends in .0"),
        ("+49 15112345678.0", "ends in .0"),
        ("2.12555E+09", "a power of ten"),
        ("4,47911E11", "a power of ten"),
        ("2e9", "a power of ten"),
    ],
)
@pytest.mark.parametrize("region", ["US", "GB", None])
def test_what_decimal_columns_and_spreadsheets_make_of_a_number_is_named(raw, why, region):
    phone, problem = normalize_phones(pl.DataFrame({"phone": [raw]}), "phone", region=region).row(0)
    assert phone is None
    assert problem.startswith(why)


def test_dots_between_groups_are_no_decimals():
    frame = pl.DataFrame({"phone": ["212.555.0120", "212.5550120", "1.212.555.0120", "(212) 555.0100"]})
    read = normalize_phones(frame, "phone", region="US")["phone"].to_list()
    assert read == [*["+12125550120"] * 3, "+12125550100"]


@pytest.mark.parametrize(
    ("raw", "region", "phone"),
    [
        ("p:+12125550123", None, "+12125550123"),
        ("whatsapp:+12125550123", None, "+12125550123"),
        ("sms:+1 212 555 0123", None, "+12125550123"),
        ("'+12125550123", None, "+12125550123"),
        ('="2125550123"', "US", "+12125550123"),
        ("0044 20 7946 0123", "US", "+442079460123"),
        ("0011 44 20 7946 0123", "AU", "+442079460123"),
        ("+52 1 55 1234 5678", None, "+525512345678"),
        ("044 55 1234 5678", "MX", "+525512345678"),
        ("011 15-2345-6789", "AR", "+5491123456789"),
        ("030/23125010", "DE", "+493023125010"),
        ("+49 (0)30 23125010", "DE", "+493023125010"),
        ("479 234 5678", "US", "+14792345678"),
    ],
)
def test_phones_as_lists_have_them_are_read(raw, region, phone):
    assert normalize_phones(pl.DataFrame({"p": [raw]}), "p", region).row(0) == (phone, None)


@pytest.mark.parametrize(
    ("raw", "region", "why"),
    [
        ("030 23125010 / 011", "DE", "more than one number"),
        ("01 58858 / 12", "AT", "more than one number"),
        ("02 1234567 / 89", "IT", "more than one number"),
        ("601 555 1234 / 35", "CO", "more than one number"),
        ("02 555 12 34 / 35", "BE", "more than one number"),
        ("+1 (212) 555-0123;+44 7911 123456", "US", "more than one number"),
        ("4700000000", "US", "no number of +1 is made like this"),
        ("447911123456", "US", "no number of US, but one of +44 that lost its +"),
        ("447911123456", "DE", "could be +49447… or a number of +44 that lost its +"),
        ("4592345678", "US", "no number of US, but one of +45 that lost its +"),
        (
            "12125550123",
            None,
            "no country code: write it with +, or pass region= (with one it would be of +1)",
        ),
        ("1-800-FLOWERS", "US", "has letters in it"),
        ("2.1255550123E+10", "US", "a power of ten"),
    ],
)
def test_what_would_be_somebody_elses_number_is_refused_with_a_remedy(raw, region, why):
    phone, problem = normalize_phones(pl.DataFrame({"p": [raw]}), "p", region).row(0)
    assert phone is None
    assert problem.startswith(why)
    assert re.search("write|keep|pass|read|export|check", problem)


def test_the_first_mobile_number_of_a_cell_is_taken_where_it_is_asked_for():
    frame = pl.DataFrame({"p": ["030 23125010 / 0171 2345678", "030 23125010 / 030 23125011"]})
    answer = normalize_phones(frame, "p", "DE", several_phones="first_mobile")
    assert answer["p"].to_list() == ["+491712345678", None]
    assert answer["p_problem"][1].startswith(
        "more than one number in the cell, none of them known as a mobile"
    )
    with pytest.raises(ConfigurationError, match="several_phones is 'any'"):
        normalize_phones(frame, "p", "DE", several_phones="any")


def test_others_of_a_column_that_lost_their_plus_put_a_national_number_in_doubt():
    alone = normalize_phones(pl.DataFrame({"p": [4792345678, 2125550123]}), "p", "US")
    assert alone["p"].to_list() == ["+14792345678", "+12125550123"]
    among = normalize_phones(pl.DataFrame({"p": [4792345678, 2125550123, 4791234567]}), "p", "US")
    assert among["p"].to_list() == [None, "+12125550123", None]
    assert among["p_problem"][0].startswith("could be +14792… or a number of +47")


def test_patterns_alone_read_most_numbers_of_every_country():
    codes = sorted(phonenumbers.SUPPORTED_REGIONS)
    numbers = [phonenumbers.format_number(phonenumbers.example_number(code), 0) for code in codes]
    read = quick_phones(pl.Series(numbers), None)
    assert read.drop_nulls().to_list() == [
        number for number, quick in zip(numbers, read, strict=True) if quick
    ]
    assert read.count() > 0.9 * len(numbers)
