"""Listings of messages, answer by answer: what shows that pages fit, where a listing ends, and what totals are worth."""

from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest

from sendblue_data._api.decoding import Oddity
from sendblue_data._api.message_decoding import MessagePage
from sendblue_data.errors import InvalidRequestError
from sendblue_data.pull.message_listing import SMALLER, _shared, each_once, message_keys
from sendblue_data.pull.message_spans import Span
from sendblue_data.pull.pages import API_CAPS
from tests.pull.model_messages import EPOCH, SMALL, messages_frame, numbers, refused
from tests.pull.scripted_messages import SPAN, TOO_FAR, listing, page, rows

# One page ---------------------------------------------------------------------------------------------------


def test_a_page_is_asked_for_as_said():
    ours, client = listing(page(), page())
    ours.page(Span(EPOCH, EPOCH + timedelta(days=1), EPOCH, EPOCH), 24, limit=1, order=("sentAt", "desc"))
    ours.page(SPAN)
    first, second = client.asked
    assert first["created_at_gte"].startswith("2026-01-01T00:00")
    assert first["created_at_lte"].startswith("2026-01-02T00:00")
    assert [first[name] for name in ("limit", "offset", "order_by", "order_direction")] == [
        1,
        24,
        "sentAt",
        "desc",
    ]
    assert second["created_at_gte"] is second["created_at_lte"] is None
    assert (second["limit"], second["offset"], second["order_direction"]) == (12, 0, "asc")
    assert (first["content"], first["languages"], first["strict"]) == (False, (), False)
    assert ours.pages == 2


def test_pages_grow_smaller_until_the_server_takes_them():
    ours, client = listing(refused("limit"), refused("limit"), page([1]), page([2]))
    assert numbers(ours.first_page(SPAN).frame) == [1]
    assert client.each("limit") == [12, 6, 3, 3]  # the last asks whether that was all
    assert (ours.caps.page, ours.caps.overlap) == (1, 0)


def test_a_server_that_takes_no_page_is_an_error():
    ours, client = listing(*[refused("limit") for _ in SMALLER])
    with pytest.raises(InvalidRequestError):
        ours.first_page(SPAN)
    assert client.each("limit") == [12, 6, 3, 1, 1]
    ours, client = listing(*[refused("limit") for _ in SMALLER], caps=API_CAPS)
    with pytest.raises(InvalidRequestError):
        ours.first_page(SPAN)
    assert client.each("limit") == [1_000, 500, 250, 100, 50]


@pytest.mark.parametrize(
    ("came", "follows", "size", "overlap"),
    [(6, [7], 6, 3), (9, [7], 9, 4), (6, [], 12, 4), (1, [7], 1, 0)],
)
def test_a_page_that_is_short_and_goes_on_is_as_large_as_they_get(came, follows, size, overlap):
    ours, client = listing(page(range(came)), page(follows))
    ours.first_page(SPAN)
    assert (ours.caps.page, ours.caps.overlap) == (size, overlap)
    assert client.each("offset") == [0, came]


@pytest.mark.parametrize("came", [0, 12])
def test_a_full_page_or_none_asks_no_further(came):
    ours, client = listing(page(range(came)))
    ours.first_page(SPAN)
    assert len(client.asked) == 1
    assert ours.caps == SMALL


def test_messages_without_a_handle_are_known_by_what_lasts():
    known, unknown = rows([1, 2]), messages_frame([(EPOCH, 3), (EPOCH, 4), (EPOCH, 3)], handles=False)
    keys = message_keys(pl.concat([known, unknown])).to_list()
    assert keys[:2] == ["m000001", "m000002"]
    assert len(set(keys)) == 4
    assert "+12125550003" in keys[2] == keys[4]
    assert message_keys(known).to_list() == keys[:2]


def test_what_cannot_be_read_is_kept_by_message():
    odd = MessagePage(rows([1, 2]), (Oddity(1, "status", "not a text"),), None, None)
    ours, _ = listing(odd, page([3]))
    ours.page(SPAN)
    ours.page(SPAN)
    assert list(ours.oddities.found.values()) == [("m000002", [("status", "not a text")])]
    assert ours.oddities.keys().to_list() == message_keys(rows([2])).hash().to_list()


# Totals -----------------------------------------------------------------------------------------------------


def test_a_total_that_was_less_than_what_came_is_believed_no_more():
    ours, client = listing(page([1], total=5), page([1], total=5))
    assert ours.told(SPAN) == 5
    ours.hold_against(2, rows([1, 2]))
    ours.hold_against(None, rows([1, 2]))
    assert ours.totals_hold
    assert ours.reads_totals(0)
    assert not ours.reads_totals(None)
    ours.hold_against(1, rows([1, 2]))
    assert ours.told(SPAN) is None
    assert not ours.reads_totals(5)
    assert client.each("limit") == [1, 1]


@pytest.mark.parametrize(
    ("pages", "holds"),
    [
        # Where a page stands is its offset and what it has: a total of as many is one, of fewer is none.
        ([page(range(12), total=16), page(range(8, 16), total=16)], True),
        ([page(range(12), total=15), page(range(8, 16), total=15)], False),
        ([page(range(12), total=12), page()], True),
        ([page(range(12), total=11), page()], False),
        # From two places earlier than asked for: it stands there.
        ([page(range(12), total=14), page(range(6, 14), total=14)], True),
        ([page(range(12), total=13), page(range(6, 14), total=13)], False),
        # It fits nowhere, and so it may stand anywhere.
        ([page(range(12), total=20), page(range(30, 38), total=9)], True),
        ([page(range(12), total=20), page(range(30, 38), total=7)], False),
        # It fits the one before it, whatever came of the first.
        ([page(range(12), 20), page(range(30, 42), 30), page(range(38, 50), 28), page()], True),
        ([page(range(12), 20), page(range(30, 42), 30), page(range(38, 50), 27), page()], False),
        # An empty page says nothing.
        ([page(range(12), total=12, has_more=True), page((), total=7)], True),
    ],
)
def test_a_page_that_goes_beyond_the_total_shows_that_it_is_none(pages, holds):
    ours, client = listing(*pages)
    ours.walk(SPAN, to_reach=True)
    assert not client.answers
    assert ours.totals_hold is holds


@pytest.mark.parametrize(
    ("first", "second", "holds"),
    [
        # Two went between the answers, and so the second stands at 8 and not at 10: 20 came in all.
        (page(range(12), total=18), page(range(10, 20), total=18), False),
        (page(range(12), total=14), page(range(10, 20), total=18), False),
        (page(range(12), total=20), page(range(10, 20), total=18), True),
        # They don't fit, but the total stayed the same: 19 came.
        (page(range(12), total=18), page(range(30, 37), total=18), False),
        (page(range(12), total=19), page(range(30, 37), total=19), True),
        # They don't fit and it moved: the one may have gone before the other came.
        (page(range(12), total=17), page(range(30, 37), total=18), True),
    ],
)
def test_more_in_all_than_any_answer_told_of_shows_that_totals_are_none(first, second, holds):
    ours, _ = listing(first, second)
    ours.walk(SPAN)
    assert ours.totals_hold is holds


# Walking ----------------------------------------------------------------------------------------------------


def test_each_page_begins_with_what_the_one_before_ended_with():
    ours, client = listing(page(range(12)), page(range(8, 20)), page(range(16, 26)))
    walk = ours.walk(SPAN)
    assert client.each("offset") == [0, 8, 16]
    assert numbers(walk.rows) == list(range(26))
    assert (walk.holds, walk.ended, walk.told, walk.is_still) == (True, True, None, True)
    assert ours.repeats == 8


def test_the_first_page_is_not_asked_for_again():
    ours, client = listing(page(range(8, 20)), page(range(16, 22)))
    walk = ours.walk(SPAN, page(range(12)).said())
    assert client.each("offset") == [8, 16]
    assert walk.rows.height == 22


@pytest.mark.parametrize(
    ("second", "holds"), [(range(9, 17), True), (range(10, 18), True), (range(11, 18), False)]
)
def test_half_of_the_overlap_may_have_gone(second, holds):
    """Two of four: fewer in the same order may be chance where a server sorts equal moments anew."""
    ours, _ = listing(page(range(12)), page(second))
    walk = ours.walk(SPAN)
    assert walk.holds is holds
    assert walk.ended


def test_pages_that_once_did_not_fit_show_nothing():
    ours, _ = listing(page(range(12)), page(range(30, 42)), page(range(38, 48)))
    walk = ours.walk(SPAN)
    assert not walk.holds
    assert walk.rows.height == 12 + 18


@pytest.mark.parametrize(
    ("last", "ended"),
    [
        (page(range(8, 20), total=20, has_more=False), True),
        (page(range(8, 20), total=21, has_more=False), False),
        (page(range(8, 20), total=20, has_more=True), False),
        (page(range(8, 20), total=20), False),
        (page(range(8, 19)), True),
    ],
)
def test_a_listing_ends_where_a_page_is_short_or_the_server_says_so_twice(last, ended):
    ours, client = listing(page(range(12), total=last.total), last, caps=replace(SMALL, last_offset=8))
    walk = ours.walk(SPAN, to_reach=True)
    assert walk.ended is ended
    assert client.each("offset") == [0, 8]  # the last that an offset reaches


def test_the_last_page_is_at_the_last_offset_and_overlaps_the_more():
    ours, client = listing(
        page(range(12)), page(range(8, 20)), page(range(10, 22)), caps=replace(SMALL, last_offset=10)
    )
    walk = ours.walk(SPAN)
    assert client.each("offset") == [0, 8, 10]
    assert (walk.holds, walk.ended, walk.rows.height) == (True, False, 22)


@pytest.mark.parametrize(("more", "asked"), [(0, 2), (1, 1)])
def test_what_offsets_do_not_reach_is_not_read_on(more, asked):
    total = SMALL.most_in_window + more
    answers = page(range(12), total=total), page(range(8, 18), total=total)
    ours, client = listing(*answers)
    assert ours.walk(SPAN).ended is (asked == 2)
    assert len(client.asked) == asked
    ours, client = listing(*answers)
    assert ours.walk(SPAN, to_reach=True).ended
    ours, client = listing(*answers)
    ours.totals_hold = False
    assert ours.walk(SPAN).ended


def test_small_pages_overlap_by_half():
    ours, client = listing(page([0, 1, 2]), page([2, 3, 4]), page([4, 5]), caps=replace(SMALL, page=3))
    assert ours.walk(SPAN).holds
    assert client.each("offset") == [0, 2, 4]
    ours, client = listing(page(range(6)), page(range(3, 8)), caps=replace(SMALL, page=6))
    assert ours.walk(SPAN).holds
    assert client.each("offset") == [0, 3]


def test_an_offset_that_is_refused_is_out_of_reach_from_then_on():
    ours, client = listing(page(range(12)), page(range(8, 20)), TOO_FAR)
    walk = ours.walk(SPAN)
    assert (walk.ended, walk.rows.height) == (False, 20)
    assert ours.caps.last_offset == 16 - SMALL.step
    assert client.each("offset") == [0, 8, 16]


def test_the_reach_is_never_more_than_was_known_nor_less_than_a_window_needs():
    ours, _ = listing(page(range(12)), TOO_FAR)
    assert not ours.walk(SPAN).ended
    assert ours.caps.last_offset == 2
    ours._reach_less(30)
    assert ours.caps.last_offset == 2


def test_a_first_page_that_is_refused_is_an_error():
    ours, _ = listing(TOO_FAR)
    with pytest.raises(InvalidRequestError):
        ours.walk(SPAN)


def test_an_earlier_page_given_again_twice_is_the_end_of_the_reach():
    ours, client = listing(page(range(12)), page(range(8, 20)), page(range(8, 20)), page(range(8, 20)))
    walk = ours.walk(SPAN)
    assert client.each("offset") == [0, 8, 16, 16]
    assert (walk.ended, walk.holds, walk.rows.height) == (False, True, 20)
    assert ours.caps.last_offset == 8


def test_an_earlier_page_given_once_may_be_chance():
    """Of equal moments, sorted anew each time."""
    ours, client = listing(page(range(12)), page(range(12)), page(range(30, 42)), page(range(8, 14)))
    walk = ours.walk(SPAN)
    assert client.each("offset")[:3] == [0, 8, 8]
    assert not walk.holds
    assert ours.caps.last_offset == SMALL.last_offset


def test_a_short_page_of_what_came_is_the_end():
    """It fits, and it is not full: nothing follows, although nothing in it is new."""
    ours, client = listing(page(range(12)), page(range(8, 12)))
    walk = ours.walk(SPAN)
    assert (walk.holds, walk.ended) == (True, True)
    assert client.each("offset") == [0, 8]


def test_an_empty_page_is_the_end_and_breaks_no_seam():
    ours, _ = listing(page(range(12)), page())
    walk = ours.walk(SPAN)
    assert (walk.holds, walk.ended, walk.rows.height) == (True, True, 12)


@pytest.mark.parametrize(
    ("totals", "told", "still"), [([14, 14], 14, True), ([14, 15], 15, False), ([14, None], None, False)]
)
def test_a_walk_tells_the_last_total_and_whether_it_moved(totals, told, still):
    ours, _ = listing(page(range(12), total=totals[0]), page(range(8, 14), total=totals[1]))
    walk = ours.walk(SPAN)
    assert (walk.told, walk.is_still) == (told, still)


def test_backwards_comes_out_forwards():
    ours, client = listing(page(range(20, 8, -1)), page(range(12, 5, -1)))
    walk = ours.walk(SPAN, way="desc", order="sentAt")
    assert numbers(walk.rows) == list(range(6, 21))
    assert client.each("order_direction") == ["desc", "desc"]
    assert client.each("order_by") == ["sentAt", "sentAt"]


# Putting together -------------------------------------------------------------------------------------------


def test_what_came_again_is_dropped_and_counted():
    ours, _ = listing()
    assert numbers(ours.distinct([rows([1, 2]), rows([2, 3, 1])])) == [1, 2, 3]
    assert ours.repeats == 2
    assert numbers(ours.distinct([rows([1])])) == [1]
    assert ours.repeats == 2
    assert numbers(each_once([rows([3, 3])])) == [3]


@pytest.mark.parametrize(
    ("earlier", "later", "least", "shared"),
    [
        ("abcd", "cdef", 1, 2),
        ("abcd", "cdef", 2, 2),
        ("abcd", "cdef", 3, 0),
        ("abcd", "bcde", 2, 3),
        ("abcd", "abcd", 2, 4),
        ("abcd", "defg", 1, 1),
        ("abcd", "dcba", 1, 1),
        ("abcd", "dcba", 2, 0),
        ("cd", "abcd", 1, 0),  # longer than the page before it
        ("abad", "adad", 2, 2),
        ("abcd", "efgh", 1, 0),
    ],
)
def test_what_two_pages_share(earlier, later, least, shared):
    assert _shared(list(earlier), list(later), least) == shared
