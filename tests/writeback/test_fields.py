"""When two values are the same, what a server may make of one, and when two rows are one contact."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from sendblue_data.writeback.fields import (
    creation_moment,
    differing,
    holds,
    plain,
    retagged,
    same,
    same_contact,
    shows,
    written,
)


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("tags", ["B", None, "A", "B"], {"A", "B"}),
        ("tags", None, set()),
        ("custom_variables", {"Plan": "Pro", "City": None}, {"Plan": "Pro"}),
        ("custom_variables", None, {}),
        ("first_name", "", None),
        ("first_name", None, None),
        ("first_name", "Ann", "Ann"),
        ("opt_out", False, False),
        ("opt_out", None, None),
        ("opt_out", True, True),
    ],
)
def test_nothing_and_empty_are_the_same_but_no_is_an_answer(field, value, expected):
    assert plain(field, value) == expected
    assert same(field, value, expected)


def test_an_unknown_opt_out_is_not_no():
    assert not same("opt_out", None, False)
    assert not same("opt_out", True, False)


@pytest.mark.parametrize(
    ("field", "wanted", "actual", "expected"),
    [
        ("first_name", None, "Ann", True),
        ("first_name", "", "Ann", False),
        ("first_name", "", None, True),
        ("opt_out", False, None, False),
        ("tags", ["A"], ["A", "B"], False),
        ("custom_variables", {"Plan": "Pro"}, {"Plan": "Pro", "City": "Rome"}, True),
        ("custom_variables", {"Plan": "Pro", "City": "Rome"}, {"Plan": "Pro"}, False),
        ("custom_variables", {"Plan": "Pro"}, {"Plan": "Free"}, False),
        ("custom_variables", {"Plan": None}, None, True),
    ],
)
def test_a_contact_holds_what_a_write_would_not_change(field, wanted, actual, expected):
    assert holds(field, wanted, actual) is expected


def test_the_fields_that_differ_are_named():
    one, other = {"first_name": "Ann", "tags": ["A"], "verified": True}, {"first_name": "Bob", "tags": ["A"]}
    assert differing(one, other) == ["first_name"]
    assert differing(one, other, ("tags", "verified")) == ["verified"]


@pytest.mark.parametrize(
    ("contact", "expected"),
    [
        ({"phone": "x", "verified": True, "first_name": "Ann", "last_name": None}, {"first_name": "Ann"}),
        ({"first_name": " \t", "company_name": ""}, {}),
        ({"tags": ["A", " ", None, ""]}, {"tags": ["A"]}),
        ({"tags": [" ", None]}, {}),
        ({"tags": []}, {"tags": []}),
        ({"custom_variables": {"Plan": "Pro", "City": " "}}, {"custom_variables": {"Plan": "Pro"}}),
        ({"custom_variables": {"City": None}}, {}),
        ({"custom_variables": {}}, {}),
        ({"opt_out": False}, {"opt_out": False}),
    ],
)
def test_what_is_written_says_something(contact, expected):
    assert written(contact) == expected


@pytest.mark.parametrize(
    ("held", "add", "remove", "expected"),
    [
        (["A", None, "B"], ["C", "A"], [], ["A", "B", "C"]),
        (["A", "B"], [], ["B", "X"], ["A"]),
        (["A"], ["B"], ["B"], ["A"]),
        (None, ["B"], [], ["B"]),
    ],
)
def test_tags_are_added_and_taken_away_and_all_others_stay(held, add, remove, expected):
    assert retagged(held, add, remove) == expected


NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-01-01T12:00:00Z", NOON),
        ("2026-01-01T14:00:00+02:00", NOON),
        ("2026-01-01T12:00:00", NOON),
        ("2026-01-01", datetime(2026, 1, 1, tzinfo=UTC)),
        ("soon", None),
        ("", None),
        (None, None),
        (5, None),
        (date(2026, 1, 1), None),
        (NOON, NOON),
        (NOON.replace(tzinfo=None), NOON),
        (NOON.astimezone(timezone(timedelta(hours=3))), NOON),
    ],
)
def test_a_moment_is_read_as_a_frame_or_a_journal_holds_it(value, expected):
    assert creation_moment(value) == expected
    assert expected is None or creation_moment(value).utcoffset() == timedelta(0)


def at(text):
    return {"created_at": f"2026-01-01T12:00:{text}Z"}


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ({"contact_id": "a", **at("00")}, {"contact_id": "a", **at("30")}, True),
        ({"contact_id": "a", **at("00")}, {"contact_id": "b", **at("00")}, False),
        ({"contact_id": "a", **at("00")}, {"contact_id": "", **at("00")}, True),
        ({"contact_id": "", **at("00")}, {"contact_id": "b", **at("30")}, False),
        ({"contact_id": "a"}, at("00"), None),
        (at("00"), {"created_at": None}, None),
        (at("00"), at("00.999999"), True),
        (at("00.999"), at("00"), True),
        (at("00"), at("01"), False),
        (at("01.000"), at("00.000001"), True),
        (at("00.123456"), at("00.123457"), False),
        (at("00.123456"), at("00.123456"), True),
        (at("00.123456"), at("00.123"), True),
        (at("00.123"), at("00.9"), True),
        (at("00.123"), at("01.123456"), False),
    ],
)
def test_one_contact_is_told_by_its_id_else_by_its_moment(one, other, expected):
    assert same_contact(one, other) is expected
    assert same_contact(other, one) is expected


@pytest.mark.parametrize(
    ("field", "sent", "shown", "expected"),
    [
        ("first_name", " Ann  Lee", "ann lee", True),
        ("first_name", "Ann", "Anna", False),
        ("first_name", "\uff21\uff4e\uff4e", "Ann", True),
        ("first_name", "Ann", None, False),
        ("first_name", "", "Ann", False),
        ("tags", ["VIP ", "vip", " "], ["Vip"], True),
        ("tags", ["VIP"], ["VIP", "Lead"], False),
        ("tags", ["VIP"], None, False),
        ("tags", [" "], [], True),
        ("custom_variables", {"plan ": "PRO"}, {"Plan": "Pro", "City": "Rome"}, True),
        ("custom_variables", {"plan ": "PRO"}, {"Plan": "Pro"}, True),
        ("custom_variables", {"Plan": "Pro", "City": "Rome"}, {"plan": "pro"}, False),
        ("custom_variables", {"Plan": "Pro"}, {"Plan": "Free"}, False),
        ("opt_out", True, None, False),
        ("opt_out", True, False, False),
        ("opt_out", True, True, True),
        ("sendblue_number", "+12125550123", "(212) 555-0123", True),
        ("sendblue_number", "+12125550123", "+12125550124", False),
        ("sendblue_number", "+12125550123", None, False),
        ("assigned_to_email", "Ana@Example.com", "ana@example.com", True),
    ],
)
def test_what_a_server_may_make_of_a_value_is_that_value_and_nothing_else_is(field, sent, shown, expected):
    assert shows(field, sent, shown) is expected
