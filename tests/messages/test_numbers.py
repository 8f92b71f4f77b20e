"""Polars joins by the number that a phone is: it must be one phone's alone, and other phones must count as well."""

import re

import narwhals as nw
import polars as pl
import pytest
from hypothesis import example, given, settings, strategies as st

from sendblue_data import contacts_frame, engagement, opt_outs_per_message
from sendblue_data.errors import FrameError
from sendblue_data.messages.numbers import are_numbers, with_numbers
from tests.messages.people import PHONES, ROWS, at, frame, text, wrote

ALMOST = st.text("+-019 e._٣", max_size=22) | st.from_regex(r"\+{0,2}0{0,3}[0-9]{0,20}", fullmatch=True)
SAME_NUMBER = ["13055550100", "+013055550100", "++13055550100", "+13055550100"]
"""What is read as one number, and is four phones."""


@settings(max_examples=100)
@given(st.lists(ALMOST | st.none(), max_size=20))
@example(SAME_NUMBER)
@example(["", "+", "+0", "+9" + 17 * "0", "+1" + 18 * "0", "+9223372036854775807", "+" + 8 * "0" + 19 * "9"])
def test_a_number_is_a_plus_and_digits_as_they_were_written(phones):
    told = with_numbers(nw.from_native(pl.LazyFrame({"phone": phones}, {"phone": pl.String}))).collect()
    for phone, number in told.select("phone", "m_number").iter_rows():
        is_number = phone is not None and re.fullmatch(r"\+[1-9][0-9]{0,17}", phone)
        assert number == (int(phone[1:]) if is_number else None)


def test_only_contacts_whose_every_phone_is_a_number_are_joined_by_it():
    people = pl.LazyFrame({"phone": ["+13055550100", None]})
    assert are_numbers(nw.from_native(people))
    assert not are_numbers(nw.from_native(pl.concat([people, pl.LazyFrame({"phone": ["305"]})])))


@pytest.mark.parametrize("known", [PHONES, SAME_NUMBER])
@settings(max_examples=10)
@given(rows=ROWS)
def test_however_phones_are_written_the_counts_are_the_same(known, rows):
    """The messages of four people, whose phones are four numbers, or four ways to write one."""
    written = dict(zip(PHONES, known, strict=True))
    messages = frame(rows).with_columns(pl.col("phone", "from_number", "to_number").replace(written))
    people = contacts_frame(
        [{"phone": phone, "company_name": name} for phone, name in zip(known, "aabb", strict=True)]
    )
    plain = contacts_frame(
        [{"phone": phone, "company_name": name} for phone, name in zip(PHONES, "aabb", strict=True)]
    )
    now = at(24 * 30)
    assert (
        engagement(people, messages, as_of=now)
        .drop("phone")
        .equals(engagement(plain, frame(rows), as_of=now).drop("phone"))
    )
    by = {"by": "company_name"}
    table = opt_outs_per_message(messages, contacts=people, **by)
    assert table.equals(opt_outs_per_message(frame(rows), contacts=plain, **by))


def test_a_phone_that_is_no_number_is_nobodys_among_numbers():
    people = contacts_frame([{"phone": "+13055550100"}])
    rows = [text(phone, hours) for hours, phone in enumerate(SAME_NUMBER)]
    assert engagement(people, frame(rows), as_of=at(99))["texts"].to_list() == [1]


@settings(max_examples=10)
@given(ROWS)
def test_opt_outs_are_laid_to_the_same_texts_with_and_without_their_rows(rows):
    people = contacts_frame(
        [{"phone": phone, "company_name": name} for phone, name in zip(PHONES, "aabb", strict=True)]
    )
    messages = frame(rows)
    # An expression may read anything, so that each text's row is found for it.
    tables = [
        opt_outs_per_message(messages, by=by, contacts=people)
        for by in ("company_name", pl.col("company_name"))
    ]
    assert tables[0].equals(tables[1])


def test_two_texts_of_one_moment_have_one_opt_out():
    messages = frame([text(PHONES[0], 0), text(PHONES[0], 0), wrote(PHONES[0], 1, "stop")])
    assert opt_outs_per_message(messages)["opt_outs"].item() == 1


def test_a_number_that_stands_twice_is_refused():
    people = contacts_frame([{"phone": "+13055550100"}, {"phone": "+13055550100"}])
    with pytest.raises(FrameError, match="1 phones stand in several rows"):
        engagement(people, frame([]))
