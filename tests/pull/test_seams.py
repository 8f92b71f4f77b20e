"""Telling contacts apart, joining pages, and merging an incremental pull."""

from datetime import timedelta

import polars as pl
import pytest

from sendblue_data import merge_contacts
from sendblue_data.contacts import contacts_frame
from sendblue_data.pull.joining import (
    PLACED,
    before,
    fit_together,
    grain,
    is_ordered,
    join_by_moment,
    key_at,
    keys,
    merge_answers,
    placed,
)
from tests.pull.scripted_contacts import MINUTE, at, ids, page


def test_contacts_without_a_name_tag_stay_apart():
    rows = [
        {"first_name": "Ann"},
        {"first_name": "Ann"},
        {},
        {},
        {"phone": "+12125550100"},
        {"phone": "+12125550100"},
    ]

    assert keys(contacts_frame(rows)).n_unique() == 6


def test_a_number_and_a_moment_tell_contacts_apart_where_no_id_is_given():
    rows = [{"phone": "+12125550100", "created_at": f"2026-01-0{day}T00:00:00Z"} for day in (1, 2)]

    assert keys(contacts_frame(rows)).n_unique() == 2
    assert keys(contacts_frame(rows[:1])).item() in keys(contacts_frame(rows)).to_list()


def test_contacts_without_an_id_that_look_the_same_are_numbered():
    unnamed = [{"phone": "+12125550100"}] * 3
    rows = [*unnamed[:2], {"contact_id": "c1"}, {"contact_id": "c1"}, *unnamed[:1]]
    bare = "+12125550100 created -"

    assert keys(contacts_frame(rows)).to_list() == [bare, f"{bare} #1", "c1", "c1", f"{bare} #2"]
    assert [key_at(contacts_frame(rows), row) for row in (0, 3)] == [bare, "c1"]


def test_a_contact_without_a_readable_moment_is_placed_beside_the_one_before_it():
    rows = page("a1", "b-", "c-", "d4", "e-")

    assert minutes(rows) == [1, None, None, 4, None]
    assert minutes(placed(rows.drop(PLACED), [1, 4])) == [1, 1, None, 4, 4]
    assert minutes(placed(page("a-", "b2").drop(PLACED), [0])) == [2, 2]
    assert placed(rows.drop(PLACED), [1]).drop(PLACED).equals(rows.drop(PLACED))


def minutes(rows):
    return [created and (created - at(0)) // MINUTE for created in rows[PLACED]]


def test_answers_are_put_together_with_each_contact_as_it_came_last():
    answers = [page("a1", "b2"), page("b2", "c3").with_columns(first_name=pl.lit("Ann"))]
    rows = merge_answers([answers[0], answers[1]])

    assert ids(rows) == ["a1", "b2", "c3"]
    assert rows["first_name"].to_list() == [None, "Ann", "Ann"]
    assert ids(merge_answers([page("a1"), page("b2")])) == ["a1", "b2"]


@pytest.mark.parametrize(
    ("end", "kept"), [(None, ["a1", "b2", "c-"]), (2, ["a1", "c-"]), (1, ["c-"]), (3, ["a1", "b2", "c-"])]
)
def test_what_was_created_before_a_moment_is_kept_and_who_has_none(end, kept):
    assert ids(before(page("a1", "b2", "c-"), None if end is None else at(end))) == kept


def test_moments_may_stand_for_what_came_within_the_second_or_the_day_where_all_are_midnights():
    day = 24 * 60

    assert grain(page("a0", f"b{day}")[PLACED]) == timedelta(days=1)
    assert grain(page("a0", "b1")[PLACED]) == timedelta(seconds=1)


@pytest.mark.parametrize(
    ("who", "upwards", "downwards"),
    [
        ([], True, True),
        (["a1"], True, True),
        (["a1", "b1"], True, True),
        (["a1", "b2", "c3"], True, False),
        (["a3", "b2", "c1"], False, True),
        (["a1", "b3", "c2"], False, False),
        (["a-", "b-"], True, True),
        (["a-", "b-", "c1", "d2"], True, False),
        (["a1", "b2", "c-", "d-"], True, False),
        (["a-", "b2", "c1"], False, True),
        (["a1", "b-", "c2"], False, False),
        (["a-", "b1", "c-"], False, False),
    ],
)
def test_a_page_is_in_order_with_those_without_a_moment_at_one_end(who, upwards, downwards):
    assert is_ordered(page(*who), None, descending=False) is upwards
    assert is_ordered(page(*who), None, descending=True) is downwards


@pytest.mark.parametrize(
    ("who", "cursor", "begins"),
    [
        (["a1", "b2"], at(1), True),
        (["a1", "b2"], at(0), True),
        (["a1", "b2"], at(1) + timedelta(milliseconds=999), True),  # the moment may be shown truncated
        (["a1", "b2"], at(1) + timedelta(seconds=1), False),
        (["a1", "b2"], at(2), False),
        (["a0"], at(24 * 60 - 1), True),  # to a day
        (["a0"], at(24 * 60), False),
        (["a1", "b-"], at(2), False),
        (["a-"], at(2), True),
    ],
)
def test_a_page_begins_at_its_cursor(who, cursor, begins):
    assert is_ordered(page(*who), cursor, descending=False) is begins
    assert is_ordered(page(*who[::-1]), cursor, descending=True) is begins


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (["a1", "b2", "c3"], ["b2", "c3", "d4"], ["a1", "b2", "c3", "d4"]),
        (["a1", "b2", "c3"], ["c3", "d4"], None),  # one has gone; c3 might not be alone
        (["a1", "b2", "c2"], ["d2", "c2", "e4"], None),  # equal moments, sorted anew
        (["a1", "b2", "c2"], ["b2", "c2", "d2"], ["a1", "b2", "c2", "d2"]),
        (["a1", "b2", "c3"], ["d4", "e5"], None),
        (["a1", "b2", "c3"], [], None),
        (["a-", "b-", "c1"], ["b-", "c1", "d2"], ["a-", "b-", "c1", "d2"]),
        (["a1", "b2", "c-"], ["b2", "c-", "d-"], ["a1", "b2", "c-", "d-"]),
        (["a1", "b2", "c3"], ["b2", "c3", "d-"], ["a1", "b2", "c3", "d-"]),
        (["a-", "b-", "c-"], ["b-", "c-", "d1"], ["a-", "b-", "c-", "d1"]),
        (
            ["a1", "b2", "c3"],
            ["b2", "d4"],
            ["a1", "b2", "d4"],
        ),  # the moment that the first ended with is the second's
        (["a1", "b2", "c2"], ["d2", "e2", "f4"], None),
        (["a1", "b2"], [], ["a1", "b2"]),
        ([], ["a1"], ["a1"]),
        ([], [], []),
    ],
)
def test_pages_are_joined_at_a_moment_or_not_at_all(first, second, expected):
    joined = join_by_moment([page(*first), page(*second)], full=3, overlap=3)

    assert joined.is_whole is (expected is not None)
    if expected is not None:
        assert ids(joined.rows) == expected
    else:
        assert ids(joined.rows) == [who for who in first if who[1:] < first[-1][1:]]
        assert joined.broke_at == at(int(first[-1][1:]))


def test_one_page_is_whole():
    for who in ([], ["a1"], ["a1", "b2", "c2"]):
        joined = join_by_moment([page(*who)], full=3, overlap=3)
        assert (ids(joined.rows), joined.is_whole, joined.broke_at) == (who, True, None)


def test_a_page_that_ends_before_the_one_before_it_shows_nothing_new():
    pages = [page("a1", "b2", "c3"), page("a1", "b2"), page("b2", "c3", "d4")]

    assert ids(join_by_moment(pages, full=3, overlap=3).rows) == ["a1", "b2", "c3", "d4"]


def test_what_came_before_pages_that_do_not_fit_is_kept():
    pages = [page("a1", "b2", "c3"), page("b2", "c3", "d4"), page("e5", "f6", "g7")]
    joined = join_by_moment(pages, full=3, overlap=3)

    assert (ids(joined.rows), joined.is_whole, joined.broke_at) == (["a1", "b2", "c3"], False, at(4))
    undated = join_by_moment([page("a1", "b2", "c-"), page("d-")], full=3, overlap=3)
    assert (ids(undated.rows), undated.is_whole, undated.broke_at) == (["a1", "b2"], False, None)


@pytest.mark.parametrize(
    ("shared", "overlap", "fit"),
    [(0, 1, False), (1, 1, True), (1, 2, True), (1, 3, False), (2, 3, True), (2, 4, True), (2, 5, False)],
)
def test_half_of_the_overlap_has_to_be_shared(shared, overlap, fit):
    first = ["a1", "b1", "c1"]
    second = [*first[3 - shared :], "d1"]

    assert join_by_moment([page(*first), page(*second)], full=3, overlap=overlap).is_whole is fit
    assert (fit_together([page(*first), page(*second)], full=3, overlap=overlap) is not None) is fit


@pytest.mark.parametrize("overlap", [1, 2, 3])
def test_of_those_that_look_the_same_as_many_are_shared_as_pages_overlap(overlap):
    same, others = [{"phone": "+12125550100"}] * 3, [{"phone": f"+1212555011{nth}"} for nth in range(2)]
    pages = [contacts_frame([others[0], *same]), contacts_frame([*same, others[1]])]

    assert fit_together(pages, full=4, overlap=overlap).height == 8 - overlap


def test_more_than_the_page_before_holds_is_not_shared():
    same = [{"phone": "+12125550100"}] * 3
    pages = [contacts_frame(same[:1]), contacts_frame(same)]

    assert fit_together(pages, full=1, overlap=3) is None
    assert fit_together(pages, full=1, overlap=1).height == 3


@pytest.mark.parametrize(
    ("first", "second", "found"),
    [
        (["a1", "b1"], [], ["a1", "b1"]),
        (["a1", "b1", "c1"], [], None),
        ([], [], []),
        ([], ["a1"], None),
    ],
)
def test_after_a_page_that_is_not_full_nothing_may_come(first, second, found):
    rows = fit_together([page(*first), page(*second)], full=3, overlap=2)

    assert (None if rows is None else ids(rows)) == found


def test_pages_fit_by_their_contacts_where_no_order_is_known():
    first, second = page("c3", "a1", "d4"), page("a1", "d4", "b2")

    assert ids(fit_together([first, second], full=3, overlap=2)) == ["c3", "a1", "d4", "b2"]
    assert fit_together([first, page("b2", "a1")], full=3, overlap=2) is None
    assert fit_together([first, page("a1", "d4", "c3")], full=3, overlap=2) is None


def test_a_later_row_replaces_the_same_contact():
    old = contacts_frame(
        [
            {"contact_id": "a", "phone": "+12125550100"},
            {"contact_id": "twin", "phone": "+12125550100"},
            {"contact_id": "b", "phone": "+12125550101"},
            {"phone": "+12125550102"},
            {"contact_id": "d", "phone": "+12125550103"},
            {"contact_id": "e", "phone": "+12125550104"},
            {"contact_id": "f"},
        ]
    )
    new = contacts_frame(
        [
            {"contact_id": "twin", "phone": "+12125550100", "first_name": "Twin"},
            {"contact_id": "b again", "phone": "+12125550101"},
            {"contact_id": "c", "phone": "+12125550102"},
            {"contact_id": "c", "phone": "+12125550102", "first_name": "Later"},
            {"contact_id": None, "phone": None, "first_name": "Nobody"},
            {"phone": "+12125550104", "first_name": "Known by a phone"},
        ]
    )

    merged = merge_contacts(old, new)

    assert merged.height == 8
    assert ids(merged) == ["a", "d", "f", "twin", "b again", "c", None, None]
    names = [None, None, None, "Twin", None, "Later", "Nobody", "Known by a phone"]
    assert merged["first_name"].to_list() == names
    assert merge_contacts(merged, new).equals(merged)
