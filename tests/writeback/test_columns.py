"""A caller's columns of any type, read into one form: what says nothing is null, and what can't be sent is told."""

from datetime import UTC, date, datetime
from functools import partial

import numpy as np
import polars as pl
import pytest

from sendblue_data.writeback.columns import (
    ENTRIES,
    as_entries,
    flags,
    moments,
    nulls,
    says_yes,
    tag_lists,
    texts,
    variables,
)

NAN = float("nan")
NO_ADDRESS = "assigned_to_email is no e-mail address, such as ana@example.com"
NO_NUMBER = "sendblue_number is not in E.164 form, such as +12125550123"


def column(values, dtype=None, name="first_name"):
    """How to make a column: one that is made while tests are collected starts the threads of Polars."""
    return partial(pl.Series, name, values, dtype)


def objects(*values):
    return column(list(values), pl.Object)


def told(read):
    """The values, and the problems: none at all where every row can be sent."""
    problems = None if read.problem is None else read.problem.to_list()
    return read.values.to_list(), problems


def test_a_column_without_values_is_as_long_as_it_is_asked_for():
    found = nulls("tags", 3)
    assert (found.to_list(), found.dtype, found.name) == ([None] * 3, pl.List(pl.String), "tags")


@pytest.mark.parametrize(
    ("given", "values", "problems"),
    [
        (column(["Ann", "Bob"]), ["Ann", "Bob"], None),
        (column(["Ann", "", " \t", "\u200b", None]), ["Ann", None, None, None, None], None),
        (column(["Ann", "Bob"], pl.Categorical), ["Ann", "Bob"], None),
        (column(["Ann"], pl.Enum(["Ann"])), ["Ann"], None),
        (column([None, None]), [None, None], None),
        (column([NAN, None]), [None, None], None),
        (column([], pl.String), [], None),
        (column([1.5, NAN]), [None, None], ["first_name is float, expected text", None]),
        (column([1, None]), [None, None], ["first_name is int, expected text", None]),
        (column([[]], pl.List(pl.String)), [None], ["first_name is list, expected text"]),
        (
            objects("Ann", 5, None, NAN, " "),
            ["Ann", None, None, None, None],
            [None, "first_name is int, expected text", None, None, None],
        ),
    ],
)
def test_texts(given, values, problems):
    read = texts(given())
    assert told(read) == (values, problems)
    assert read.values.dtype == pl.String


@pytest.mark.parametrize(
    ("name", "values", "problem"),
    [
        ("assigned_to_email", ["ana@example.com", "ana@example", None, " "], NO_ADDRESS),
        ("sendblue_number", ["+12125550123", "2125550123", None, ""], NO_NUMBER),
    ],
)
def test_an_address_and_a_line_have_to_look_like_one(name, values, problem):
    for given in (column(values, name=name), column(values, pl.Object, name)):
        assert texts(given()).problem.to_list() == [None, problem, None, None]
        assert texts(given()).values.to_list() == [*values[:2], None, None]
    assert texts(column([values[0], None], name=name)()).problem is None


@pytest.mark.parametrize(
    ("given", "values", "problems"),
    [
        (column([True, False, None]), [True, False, None], None),
        (column([None, None]), [None, None], None),
        (column([NAN]), [None], None),
        (column(["yes", None]), [None, None], ["first_name is str, expected true or false", None]),
        (column([1, 0]), [None, None], ["first_name is int, expected true or false"] * 2),
        (
            objects(True, False, None, NAN, np.bool_(True), "yes", 1),
            [True, False, None, None, True, None, None],
            [
                *[None] * 5,
                "first_name is str, expected true or false",
                "first_name is int, expected true or false",
            ],
        ),
    ],
)
def test_flags(given, values, problems):
    read = flags(given())
    assert told(read) == (values, problems)
    assert read.values.dtype == pl.Boolean


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (column([True, False, None]), [True, False, False]),
        (
            column(["yes", " NO ", "", None, "False", "opted out", "n", "f", "null", "none"]),
            [True, *[False] * 4, True, *[False] * 4],
        ),
        (column([1, 0, None]), [True, False, False]),
        (column([1.0, 0.0, NAN, None]), [True, False, False, False]),
        (objects(True, False, None, "yes", 0), [True, False, False, True, False]),
        (column([["yes"], None], pl.List(pl.String)), [True, False]),
        (column([date(2026, 1, 1), None]), [True, False]),
        (column([None, None]), [False, False]),
    ],
)
def test_whatever_is_not_a_no_says_yes(given, expected):
    assert says_yes(given()).to_list() == expected


@pytest.mark.parametrize(
    ("given", "values", "problems"),
    [
        (column([["A", "B"], [], None]), [["A", "B"], [], None], None),
        (column([["A", None, " "], [None, ""], [], None]), [["A"], None, [], None], None),
        (column([["A"], [" "]]), [["A"], None], None),
        (column([["A", None]]), [["A"]], None),
        (column([["A"], None], pl.List(pl.Categorical)), [["A"], None], None),
        (column([["A"]], pl.List(pl.Enum(["A"]))), [["A"]], None),
        (column([[None], []], pl.List(pl.Null)), [None, []], None),
        (column([["A", "B"]], pl.Array(pl.String, 2)), [["A", "B"]], None),
        (column([None, None]), [None, None], None),
        (column([NAN]), [None], None),
        (column([[1], [None], [], None]), [None] * 4, ["tags holds int, expected text", None, None, None]),
        (column(["A", None]), [None, None], ["tags is str, expected a list of texts", None]),
        (
            objects(
                ["A", None, " "],
                ("B",),
                {"C"},
                pl.Series(["D"]),
                np.array(["E", "F"]),
                [],
                [" "],
                None,
                "G",
                ["H", 5],
            ),
            [["A"], ["B"], ["C"], ["D"], ["E", "F"], [], None, None, None, None],
            [*[None] * 8, "tags is str, expected a list of texts", "tags holds int, expected text"],
        ),
    ],
)
def test_lists_of_tags(given, values, problems):
    read = tag_lists(given())
    assert told(read) == (values, problems)
    assert read.values.dtype == pl.List(pl.String)


def pairs(**named):
    return [{"key": name, "value": text} for name, text in named.items()]


STRUCT = pl.Struct({"Plan": pl.String, "City": pl.String})


@pytest.mark.parametrize(
    ("given", "values", "problems"),
    [
        (column([pairs(Plan="Pro"), [], None], ENTRIES), [pairs(Plan="Pro"), None, None], None),
        (column([pairs(Plan="Pro", City=" ", Age=None)], ENTRIES), [pairs(Plan="Pro")], None),
        (column([pairs(City="")], ENTRIES), [None], None),
        (column([{"Plan": "Pro", "City": None}, None], STRUCT), [pairs(Plan="Pro"), None], None),
        (column([None]), [None], None),
        (column([NAN, None]), [None, None], None),
        (column([pairs(Plan="12345")], ENTRIES), [pairs(Plan="12345")], None),
        (
            column([pairs(Plan="123456"), pairs(City="Rome"), pairs(City=" ")], ENTRIES),
            [None, pairs(City="Rome"), None],
            ["custom_variables: 'Plan' has 6 characters, more than 5", None, None],
        ),
        (
            column(
                [[{"key": "", "value": "x"}], pairs(**{"n" * 200: "x"}), pairs(**{"n" * 201: "x"})], ENTRIES
            ),
            [None, pairs(**{"n" * 200: "x"}), None],
            [
                "custom_variables: a name is not a text of one character or more",
                None,
                "custom_variables: a name has 201 characters, more than 200",
            ],
        ),
        (
            column([{"Plan": 5}, {"Plan": None}]),
            [None, None],
            ["custom_variables: 'Plan' is int, expected text", None],
        ),
        (
            column([{"Plan": 5, "City": "Rome"}, {"Plan": None, "City": "Rome"}]),
            [None, pairs(City="Rome")],
            ["custom_variables: 'Plan' is int, expected text", None],
        ),
        (column(["Plan", None]), [None, None], ["custom_variables is str, expected names with texts", None]),
        (
            objects({"Plan": "Pro", "City": " ", "Age": None, "Size": NAN}, {5: "x"}, {}, None, NAN),
            [pairs(Plan="Pro"), None, None, None, None],
            [None, "custom_variables: a name is not a text of one character or more", None, None, None],
        ),
        (
            objects(
                pairs(Plan="Pro"),
                pl.Series(pairs(Plan="Pro")),
                [{"key": "Plan"}],
                ["Plan"],
                [pairs(A="1"), 5],
            ),
            [pairs(Plan="Pro"), pairs(Plan="Pro"), None, None, None],
            [None, None, *["custom_variables is list, expected names with texts"] * 3],
        ),
        (
            objects([*pairs(Plan="Pro"), {"key": "Plan"}]),
            [None],
            ["custom_variables is list, expected names with texts"],
        ),
        (objects([]), [None], [None]),
        (objects({"Plan": "12345", "n" * 200: "x"}), [pairs(**{"Plan": "12345", "n" * 200: "x"})], [None]),
        (objects({"Plan": 5, "City": " "}), [None], ["custom_variables: 'Plan' is int, expected text"]),
    ],
)
def test_custom_variables(given, values, problems):
    read = variables(given(), 5)
    assert told(read) == (values, problems)
    assert read.values.dtype == ENTRIES


def test_a_map_is_read_as_its_pairs():
    kind = pl.Map(pl.String, pl.String)
    assert told(variables(column([{"Plan": "Pro"}, {}, None], kind)(), 5)) == (
        [pairs(Plan="Pro"), None, None],
        None,
    )
    numbers = column([{"Plan": 5}], pl.Map(pl.String, pl.Int64))()
    assert told(variables(numbers, 5)) == ([None], ["custom_variables: 'Plan' is int, expected text"])


def test_an_accounts_variables_are_taken_however_long_they_are():
    long = "x" * 9_999
    assert as_entries(column([pairs(Plan=long)], ENTRIES)()).to_list() == [pairs(Plan=long)]
    assert as_entries(objects({"Plan": long}, {5: "x"})()).to_list() == [pairs(Plan=long), None]
    assert as_entries(column([{"Plan": long, "Age": 5}])()).to_list() == [None]
    assert as_entries(column([pairs(Plan=" "), []], ENTRIES)()).to_list() == [pairs(Plan=" "), []]


NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (column([NOON, None]), [NOON, None]),
        (column([NOON.replace(tzinfo=None)]), [NOON]),
        (column([NOON], pl.Datetime("ms", "Asia/Tokyo")), [NOON]),
        (column(["2026-01-01T12:00:00Z", "soon", None]), [NOON, None, None]),
        (column([None]), [None]),
    ],
)
def test_moments_are_in_utc(given, expected):
    found = moments(given())
    assert found.to_list() == expected
    assert found.dtype == pl.Datetime("us", "UTC")
