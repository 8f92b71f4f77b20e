"""Telling contacts apart, joining pages, and merging an incremental pull."""

from datetime import UTC, datetime, timedelta

import pytest

from sendblue_data import merge_contacts
from sendblue_data.contacts import contacts_frame
from sendblue_data.pull.joining import fit_together, join_by_moment, keys, placed

START = datetime(2026, 1, 1, tzinfo=UTC)


def page(*people):
    """Contacts by id and minute, such as `"a1"`: the contact a1 of minute 1; `"a-"` has no moment."""
    return placed(
        contacts_frame(
            {
                "contact_id": who,
                "created_at": None
                if who[1] == "-"
                else (START + timedelta(minutes=int(who[1:]))).isoformat(),
            }
            for who in people
        )
    )


def ids(frame):
    return frame["contact_id"].to_list()


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
    ],
)
def test_pages_are_joined_at_a_moment_or_not_at_all(first, second, expected):
    joined = join_by_moment([page(*first), page(*second)], full=3, overlap=3)

    assert joined.is_whole is (expected is not None)
    if expected:
        assert ids(joined.rows) == expected
    else:
        assert ids(joined.rows) == [who for who in first if who[1:] < first[-1][1:]]
        assert joined.broke_at == START + timedelta(minutes=int(first[-1][1:]))


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
        ]
    )
    new = contacts_frame(
        [
            {"contact_id": "twin", "phone": "+12125550100", "first_name": "Twin"},
            {"contact_id": "b again", "phone": "+12125550101"},
            {"contact_id": "c", "phone": "+12125550102"},
            {"contact_id": "c", "phone": "+12125550102", "first_name": "Later"},
            {"contact_id": None, "phone": None, "first_name": "Nobody"},
        ]
    )

    merged = merge_contacts(old, new)

    assert merged.height == 6
    assert ids(merged) == ["a", "d", "twin", "b again", "c", None]
    assert merged["first_name"].to_list() == [None, None, "Twin", None, "Later", "Nobody"]
    assert merge_contacts(merged, new).equals(merged)
