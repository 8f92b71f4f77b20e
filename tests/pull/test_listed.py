"""What a pull has listed: each contact given once, and how many of them were there when the account was counted."""

import pytest

from sendblue_data.pull.joining import PLACED, Listed, keys
from tests.pull.scripted_contacts import at, ids, page


def added(listed, *who, **how):
    return ids(listed.add(page(*who), **how))


def test_each_contact_is_given_once():
    listed = Listed(None)
    assert added(listed, "a1", "b2", "a1") == ["a1", "b2"]
    assert added(listed, "c3", "b2", "a1") == ["c3"]
    assert added(listed, "c3") == []
    assert added(listed) == []
    assert (listed.count(), listed.count_in_sweep(), listed.repeats) == (3, 3, 4)


def test_frames_are_given_without_where_their_contacts_were_placed():
    rows = page("a1")
    assert PLACED not in Listed(None).add(rows).columns
    assert PLACED in rows.columns


def test_the_next_window_is_held_against_the_one_before_it_or_against_all_where_a_moment_is_missing():
    listed = Listed(None)
    assert added(listed, "a-", "b1", is_late=False) == ["a-", "b1"]
    assert added(listed, "c2", is_late=False) == ["c2"]
    assert added(listed, "c2", "d3", is_late=False) == ["d3"]
    assert added(listed, "a-", "e4", is_late=False) == ["e4"]
    assert added(listed, "b1", "f5") == ["f5"]
    assert listed.count() == 6


def test_what_comes_after_a_sweep_is_late_where_it_is_new():
    listed = Listed(None)
    listed.add(page("a1"), is_late=False)
    assert not listed.came_late
    listed.add(page("a1"))
    assert not listed.came_late
    listed.add(page("b1"))
    assert listed.came_late
    listed.add(page("c1"), is_late=False)
    assert listed.came_late


def test_the_newest_is_the_latest_moment_of_all_that_came():
    listed = Listed(None)
    listed.add(page("a-"))
    assert listed.newest is None
    listed.add(page("a3", "b2"))
    assert listed.newest == at(3)
    listed.add(page("c1", "d-"))
    assert listed.newest == at(3)
    listed = Listed(at(2))
    listed.add(page("a1"))
    assert listed.newest == at(2)
    listed.add(page("b4"))
    assert listed.newest == at(4)


def test_a_column_is_filled_where_some_contact_has_a_value():
    listed = Listed(None)
    listed.add(page("a-", "b-"))
    assert listed.filled == {"contact_id"}
    listed.add(page("c1", "d-"))
    assert listed.filled == {"contact_id", "created_at"}


def test_another_sweep_counts_anew_and_gives_nothing_again():
    listed = Listed(None)
    listed.add(page("a1", "b2"))
    listed.begin_sweep()
    assert (listed.count_in_sweep(), listed.count_old(), listed.count_perhaps_old(), listed.count()) == (
        0,
        0,
        0,
        2,
    )
    assert added(listed, "b2", "c3") == ["c3"]
    assert added(listed, "d4") == ["d4"]
    assert (listed.count_in_sweep(), listed.count()) == (3, 4)
    listed.begin_sweep()
    assert listed.count_in_sweep() == 0


@pytest.mark.parametrize(
    ("who", "old", "perhaps_old"),
    [
        (["a1"], 1, 1),
        (["a4"], 1, 1),
        (["a5"], 0, 1),  # from this moment on it may have been created after the count
        (["a6"], 0, 1),
        (["a7"], 0, 0),  # and later than this it was created after the newest that were seen before
        (["a-"], 1, 1),
        (["n7"], 1, 1),  # seen before the count
        (["a1", "n5", "a5", "b6", "c7", "d8", "a-"], 3, 5),
    ],
)
def test_dates_tell_who_was_there_when_the_account_was_counted(who, old, perhaps_old):
    listed = Listed(None)
    listed.know(page("n5", "n7"), at(5), at(6))
    listed.add(page(*who))
    listed.add(page(*who))
    assert (listed.count_old(), listed.count_perhaps_old()) == (old, perhaps_old)
    assert listed.count_in_sweep() == len(who)


def test_who_was_listed_before_was_there_when_the_account_was_counted_again():
    listed = Listed(None)
    listed.know(page(), at(5), at(5))
    listed.add(page("a7"))
    assert listed.count_old() == 0
    listed.begin_sweep()
    listed.add(page("a7", "b7"))
    assert (listed.count_old(), listed.count_perhaps_old()) == (1, 1)
    listed.begin_sweep()
    listed.add(page("b7", "c8"))
    assert (listed.count_old(), listed.count_perhaps_old()) == (1, 1)


def test_keys_are_told_of_whose_contacts_are_listed():
    listed = Listed(None)
    listed.add(page("a1", "b2"))
    assert listed.among(keys(page("b2", "c3")).hash()).to_list() == keys(page("b2")).hash().to_list()


def test_of_dates_alone_nobody_is_new_before_a_count_is_known():
    listed = Listed(None)
    listed.old_until = listed.new_from = at(5)
    listed.add(page("a4", "b5", "c6"))
    assert (listed.count_old(), listed.count_perhaps_old()) == (1, 2)
