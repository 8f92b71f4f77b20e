"""What shows that nothing is missing of a pull of contacts: counts, seams, and who has no moment."""

from types import SimpleNamespace

import pytest

from sendblue_data.pull.joining import Listed
from sendblue_data.pull.sweeps import FEW_GONE
from tests.pull.scripted_contacts import at, ids, page
from tests.pull.scripted_pull import Counts, pull_of

HIDES = {"undated_hide": True}
NONE_HIDES = {"undated_hide": False}
UNSORTED = {"is_order_ignored": True}
OTHERS = Counts(5, old=4)
"""As many as are counted, of whom one was not there when they were."""
NO_SEAMS = {"is_proven": False}
OUT_OF_REACH = {"undated_shown": False}


@pytest.mark.parametrize(
    ("listed", "state", "reader", "is_shown"),
    [
        (Counts(5), {}, {}, True),
        (Counts(4), {}, {}, False),  # it counts one more
        (OTHERS, {}, {}, True),  # every seam holds, and no moment is out of reach
        (Counts(6, old=4), {}, {}, True),
        (OTHERS, {}, OUT_OF_REACH, False),
        (OTHERS, NONE_HIDES, OUT_OF_REACH, True),
        (OTHERS, HIDES, OUT_OF_REACH, False),
        (Counts(5), {}, OUT_OF_REACH, True),
        (Counts(5), HIDES, OUT_OF_REACH, True),
        (Counts(5), {}, NO_SEAMS, True),  # all who were counted are listed
        (OTHERS, {}, NO_SEAMS, False),
        (OTHERS, NONE_HIDES, {**NO_SEAMS, **OUT_OF_REACH}, False),
        (Counts(4, old=5), {}, NO_SEAMS, False),
        (Counts(5), {"counted": 4}, NO_SEAMS, False),
        (OTHERS, UNSORTED, OUT_OF_REACH, True),  # where the dates tell nothing, the numbers do
        (Counts(5, old=4, in_sweep=4), UNSORTED, OUT_OF_REACH, False),
        (OTHERS, {**UNSORTED, "counted": 6}, OUT_OF_REACH, False),
        (OTHERS, UNSORTED, {**OUT_OF_REACH, **NO_SEAMS}, False),
    ],
)
def test_what_shows_that_nothing_is_missing(listed, state, reader, is_shown):
    assert pull_of(listed, state=state, **reader)._is_shown() is is_shown


@pytest.mark.parametrize("is_proven", [True, False])
def test_a_part_of_the_account_is_shown_by_its_seams(is_proven):
    pull = pull_of(Counts(1, old=0), since=at(0), is_proven=is_proven, undated_shown=False)
    assert pull._is_shown() is is_proven
    assert pull._missing == 0


@pytest.mark.parametrize(("listed", "missing"), [(3, 2), (5, 0), (7, 0)])
def test_as_many_are_missing_as_are_counted_and_not_listed(listed, missing):
    pull = pull_of(Counts(listed))
    pull._is_shown()
    assert pull._missing == missing


def test_who_trusts_seams_needs_no_count_where_they_hold():
    assert pull_of(Counts(3), trust="seams")._is_shown()
    assert not pull_of(Counts(3), trust="seams", is_proven=False)._is_shown()


def test_where_all_who_were_counted_are_listed_none_hides():
    for listed, before, after in [(Counts(5), None, False), (OTHERS, None, None), (Counts(5), True, True)]:
        pull = pull_of(listed, state={"undated_hide": before}, undated_shown=False)
        pull._is_shown()
        assert pull._undated_hide is after


@pytest.mark.parametrize(
    ("since", "is_shown", "hide", "may_hide"),
    [
        (None, False, None, True),
        (at(0), False, None, False),
        (None, True, None, False),
        (None, False, False, False),
        (None, False, True, False),
    ],
)
def test_contacts_without_a_moment_may_hide_where_nothing_tells(since, is_shown, hide, may_hide):
    pull = pull_of(since=since, undated_shown=is_shown, state={"undated_hide": hide})
    assert pull._undated_may_hide() is may_hide


@pytest.mark.parametrize(
    ("in_sweep", "reader", "is_doubt"),
    [
        (5, {}, True),
        (6, {}, True),
        (4, {}, False),
        (5, {"undated_shown": True}, False),
        (5, NO_SEAMS, False),
    ],
)
def test_a_doubt_is_all_there_is_where_nobody_is_known_to_be_missing(in_sweep, reader, is_doubt):
    pull = pull_of(Counts(5, in_sweep=in_sweep), **{**OUT_OF_REACH, **reader})
    assert pull._is_only_in_doubt() is is_doubt


@pytest.mark.parametrize(
    ("sweep", "hide", "reader", "may"),
    [
        (1, None, {"windows": 2}, True),
        (1, None, {"windows": 1}, False),
        (1, None, {"windows": 1, "is_proven": False}, True),
        (2, None, {"windows": 2}, False),
        (2, True, {"windows": 2}, True),
        (2, False, {"windows": 2, "is_proven": False}, False),
        (2, None, {"windows": 1, "is_proven": False, "crowded": [at(1)]}, True),
    ],
)
def test_other_orders_may_show_more_where_windows_did_not_show_all(sweep, hide, reader, may):
    assert pull_of(state={"undated_hide": hide}, **reader)._may_other_orders_show_more(sweep) is may


@pytest.mark.parametrize(
    ("counted", "old", "perhaps_old", "is_worth_it"),
    [
        (9, 5, 5, True),  # as many as a window holds
        (10, 5, 7, False),
        (10, 5, 8, True),  # two have gone at most
        (10, 9, 12, True),
        (10, 10, 10, False),
        (9, 9, 9, False),
    ],
)
def test_another_sweep_may_end_a_doubt_where_few_have_gone(counted, old, perhaps_old, is_worth_it):
    pull = pull_of(Counts(old=old, perhaps_old=perhaps_old), state={"counted": counted})
    assert pull._is_another_sweep_worth_it(is_only_in_doubt=True) is is_worth_it
    assert FEW_GONE == 2


@pytest.mark.parametrize(
    ("crowded", "missing", "is_worth_it"),
    [([], 0, True), ([], 2, True), ([at(1)], 0, True), ([at(1)], 2, False)],
)
def test_another_sweep_shows_no_more_of_a_crowd(crowded, missing, is_worth_it):
    pull = pull_of(Counts(old=5), crowded=crowded, state={"missing": missing})
    assert pull._is_another_sweep_worth_it(is_only_in_doubt=False) is is_worth_it


@pytest.mark.parametrize(
    ("ends_meet", "undated_seen", "trust", "hide"),
    [
        (True, False, "count", False),
        (True, True, "count", False),
        (False, True, "count", True),
        (False, True, "seams", True),
        (False, False, "seams", False),
        (False, False, "count", None),
    ],
)
def test_a_look_in_the_order_of_phones_tells_whether_some_hide(ends_meet, undated_seen, trust, hide):
    counted = []

    def both_ends_by_phone(count):
        counted.append(count)
        yield page("a1")
        yield page("b2")

    pull = pull_of(Listed(None), trust=trust)
    pull._orders = SimpleNamespace(
        ends_meet=ends_meet, undated_seen=undated_seen, both_ends_by_phone=both_ends_by_phone
    )
    assert [ids(rows) for rows in pull._look_for_undated()] == [["a1"], ["b2"]]
    assert (pull._undated_hide, counted) == (hide, [5])
