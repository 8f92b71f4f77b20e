"""Windows of contacts, page by page: where one ends, when its pages hold, and how a crowd at one moment is read."""

from datetime import UTC, datetime, timedelta

import pytest

from sendblue_data.pull import windows
from sendblue_data.pull.pages import API_CAPS, Caps
from sendblue_data.pull.windows import EARLIEST, NEWEST, TIE_TRIES, WINDOWS_AHEAD, Window
from tests.pull.scripted_contacts import TINY, Scripted, at, done, ids, listing, page, people

TICK = timedelta(microseconds=1)
FULL = page("a1", "a2", "a3", "a4")
SIX = Caps(page=4, last_offset=10, overlap=2)
"""Six pages a window, so that there is one between a guess and all of them."""


# The pages of a window --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expected", "offsets"),
    [(None, [0]), (0, [0]), (3, [0]), (4, [2, 0]), (7, [4, 0, 2]), (90, [6, 0, 2, 4])],
)
def test_the_last_page_of_a_window_is_asked_for_first(expected, offsets):
    reader = Scripted(*[None] * 9)
    window = Window(reader, at(5), expected)
    assert reader.places() == [(5, offset) for offset in offsets]
    assert window.early == 0
    after_a_first = Scripted(*[None] * 9)
    first = done(page())
    window = Window(after_a_first, at(5), expected, first)
    assert after_a_first.offsets() == [offset for offset in offsets if offset]
    assert window.early == 1
    assert window.futures()[0] is first
    assert len(window.futures()) == len(offsets)


def test_a_window_is_read_when_its_end_is_known_and_every_page_is_here():
    reader = Scripted(None, None)
    window = Window(reader, None, 4)
    end, first = reader.awaited
    assert window.pending() == {end, first}
    assert window.pending_end() == {end}
    assert window.futures() == [first, end]
    assert not window.reach_end()
    reader.bring(0, page("a3"))
    assert window.pending() == {first}
    assert window.pending_end() == set()
    assert not window.is_read()
    assert window.reach_end()
    assert not window.is_read()
    reader.bring(1, page("a1", "a2", "a3"))
    assert window.is_read()


def test_pages_that_are_here_are_no_window_before_its_end_is_known():
    window = Window(Scripted(FULL), None, None)
    assert window.pending() == set()
    assert not window.is_read()


@pytest.mark.parametrize(
    ("expected", "asked"),
    [
        (None, [[0], [10, 2, 4, 6, 8]]),
        (4, [[2, 0], [4], [10, 6, 8]]),  # a guess may be a page short, but not two
        (90, [[10, 0, 2, 4, 6, 8]]),
    ],
)
def test_a_window_whose_last_page_is_full_goes_on_up_to_the_last_offset(expected, asked):
    reader = Scripted(*[None] * 9, caps=SIX)
    window = Window(reader, None, expected)
    for offsets in asked:
        assert not window.reach_end()
        assert reader.offsets()[-len(offsets) :] == offsets
        reader.bring(len(reader.asked) - len(offsets), FULL)
    assert window.reach_end()
    assert len(reader.asked) == 6
    assert (window.next_start, window.is_crowded) == (at(4), False)


@pytest.mark.parametrize(
    ("start", "last", "next_start", "is_crowded"),
    [
        (None, ["a1", "a2", "a3", "a4"], at(4), False),
        (None, ["a1", "a2", "a3"], None, False),
        (None, [], None, False),
        (at(3), ["a3", "b3", "c3", "d4"], at(4), False),
        (at(3), ["a3", "b3", "c3", "d3"], None, True),
        (at(3) + TICK, ["a3", "b3", "c3", "d3"], None, True),  # shown truncated
        (at(3), ["a3", "b3", "c3"], None, False),
        (None, ["a3", "b3", "c-", "d-"], None, True),  # the server has others without a moment behind these
    ],
)
def test_a_window_ends_at_the_moment_that_its_last_page_ends_with(start, last, next_start, is_crowded):
    window = Window(Scripted(*[page(*last)] * 4), start, 90)
    assert window.reach_end()
    assert (window.next_start, window.is_crowded) == (next_start, is_crowded)


def test_the_last_page_is_asked_for_again_after_the_count_and_tells_which_may_be_older():
    reader = Scripted(*[None] * 6)
    window = Window(reader, at(5), 7, done(FULL))
    window.renew_end()
    assert reader.offsets() == [4, 2, 4]
    assert window.early == 2
    assert window.futures()[-1] is reader.awaited[-1]
    assert window.ask_early_again() == reader.awaited[-2:]
    assert reader.places()[-2:] == [(5, 0), (5, 2)]


# Window after window ----------------------------------------------------------------------------------------


def walked(reader, start=None, expected=None):
    return [ids(rows) for rows in reader.walk(reader.open_window(start, expected), expected)]


def test_windows_follow_one_another_and_as_many_pages_are_asked_for_as_are_expected():
    reader = Scripted(answering=listing(*people(*range(20))))
    assert walked(reader, None, 20) == [people(*range(9)), people(*range(9, 18)), people(18, 19)]
    first = [(cursor, offset) for cursor in (None, 9) for offset in (6, 0, 2, 4)]
    assert reader.places() == [*first, (18, 0)]
    assert (reader.windows, reader.retaken, reader.repeats) == (3, 0, 2 * 7)
    assert reader.is_proven
    assert not reader.undated_shown


def test_where_nothing_is_known_of_its_size_a_window_begins_with_a_page():
    reader = Scripted(answering=listing(*people(*range(12))))
    assert walked(reader, at(2)) == [people(*range(2, 11)), people(11)]
    assert reader.places() == [(2, 0), (2, 6), (2, 2), (2, 4), (11, 0)]


def test_no_more_windows_are_under_way_than_memory_is_meant_for():
    reader = Scripted(answering=listing(*people(*range(60))))
    walk = reader.walk(reader.open_window(None, 60), 60)
    next(walk)
    assert [cursor for cursor, offset in reader.places() if not offset] == [None, 9, 18]
    assert WINDOWS_AHEAD == 3
    next(walk)
    assert [cursor for cursor, offset in reader.places() if not offset] == [None, 9, 18, 27]


def test_what_is_waited_for_is_the_oldest_window_and_the_newest_ones_end(monkeypatch):
    """A next window begins as soon as it is known where, and the oldest is given as soon as it is here."""
    reader = Scripted(*[None] * 20)
    to_come = [(0, FULL), (1, FULL), (4, page("a4")), (2, FULL), (3, FULL)]
    waited = []

    def wait(awaited, **_):
        waited.append({reader.places()[reader.awaited.index(one)] for one in awaited})
        reader.bring(*to_come.pop(0))

    monkeypatch.setattr(windows, "wait", wait)
    assert [ids(rows) for rows in reader.walk(reader.open_window(None, 9), 9)] == [["a1", "a2", "a3"], ["a4"]]
    rest = {(None, 2), (None, 4)}
    assert waited == [
        {(None, 0), (None, 6), *rest},
        {(None, 0), *rest, (4, 0)},
        {*rest, (4, 0)},
        rest,
        {(None, 4)},
    ]


def test_a_wait_goes_on_for_windows_behind_a_full_row_of_them(monkeypatch):
    """With three under way the newest's end opens no other: only the oldest's pages are waited for."""
    reader = Scripted(answering=lambda asked: FULL if asked.offset == 6 else None)
    starts = iter([at(4), at(5)])
    waited = []

    def wait(awaited, **_):
        waited.append(len(awaited))
        raise InterruptedError

    def reach_end(window):
        window._ended, window.next_start = True, next(starts, at(6))
        return True

    monkeypatch.setattr(windows, "wait", wait)
    monkeypatch.setattr(Window, "reach_end", reach_end)
    with pytest.raises(InterruptedError):
        next(reader.walk(reader.open_window(None, 9), 9))
    assert waited == [3]


def test_after_a_crowd_that_offsets_do_not_reach_the_next_window_begins_right_behind_it():
    crowd = [f"{letter}3" for letter in "abcdefghijklm"]
    reader = Scripted(answering=listing(*people(1, 2), *crowd, "z4"))
    found = [who for frame in walked(reader) for who in frame]
    assert sorted(found) == sorted([*people(1, 2), *crowd[:10], "z4"])
    assert reader.crowded == [at(3)]
    assert not reader.is_proven
    assert reader.asked[-1].cursor == at(3) + TICK


# What a window's pages show ---------------------------------------------------------------------------------


def finished(pages, *, start=None, next_start=None, then=(), **state):
    """Finish a window whose pages came so; `then` is what comes of more requests."""
    reader = Scripted(*pages, *then)
    window = Window(reader, start, None)
    window._by_offset = {offset: done(one) for offset, one in zip(range(0, 8, 2), pages, strict=False)}
    reader.asked.clear()
    reader.answers = list(then)
    window.next_start = next_start
    for name, value in state.items():
        setattr(window, name, value)
    rows, resume_at = reader._finish(window)
    return reader, rows, resume_at


def test_pages_that_fit_are_a_window_up_to_where_the_next_one_begins():
    pages = [page("a1", "a2", "a3", "a4"), page("a3", "a4", "a5", "b5")]
    reader, rows, resume_at = finished(pages, next_start=at(5))
    assert (ids(rows), resume_at, rows.n_chunks()) == (people(1, 2, 3, 4), None, 1)
    assert (reader.windows, reader.retaken, reader.repeats, reader.asked) == (1, 0, 4, [])
    reader, rows, _ = finished(pages)
    assert (ids(rows), reader.repeats) == ([*people(1, 2, 3, 4, 5), "b5"], 2)


@pytest.mark.parametrize(
    ("first", "start", "next_start", "shown"),
    [
        (["a1"], None, None, True),  # the whole list
        (["a1", "a2", "a3", "a4"], None, at(4), False),
        (["a1"], at(0), None, False),
        ([], None, None, True),
        (["a-", "a1", "a2", "a3"], None, at(3), True),
        (["a-", "a1", "a2", "a3"], at(0), at(3), False),
        (["a1", "a-"], None, at(3), False),
    ],
)
def test_a_walk_reaches_those_without_a_moment_where_it_begins_with_one_or_ends(
    first, start, next_start, shown
):
    reader, *_ = finished([page(*first)], start=start, next_start=next_start)
    assert reader.undated_shown is shown


def test_pages_that_may_be_older_than_the_count_are_read_again_where_they_have_moved():
    """One went between the two answers: a row is shared, which is enough to join them."""
    pages = [page("a1", "a2", "a3", "a4"), page("a4", "a5", "a6", "a7")]
    again = page("a2", "a3", "a4", "a5")
    reader, rows, _ = finished(pages, next_start=at(7), then=[again], early=1)
    assert ids(rows) == people(2, 3, 4, 5, 6)
    assert reader.places() == [(None, 0)]
    assert reader.repeats == 4 + 3
    reader, rows, _ = finished(pages, next_start=at(7), early=0)
    assert (ids(rows), reader.asked) == (people(1, 2, 3, 4, 5, 6), [])


@pytest.mark.parametrize(
    ("pages", "early", "asked"),
    [
        ([people(1, 2, 3, 4), people(3, 4, 5, 6)], 1, 0),
        ([people(1, 2, 3, 4), people(3, 4, 5, 6), people(5, 6, 7, 8)], 2, 0),
        ([people(1, 2, 3, 4), people(3, 4, 5, 6), people(6, 7, 8, 9)], 2, 2),
        (
            [people(1, 2, 3, 4), people(3, 4, 5, 6), people(6, 7, 8, 9)],
            1,
            0,
        ),  # the second is none of the older
    ],
)
def test_only_pages_up_to_the_first_that_is_younger_tell_whether_the_older_have_moved(pages, early, asked):
    then = [page(*people(1, 2, 3, 4)), page(*people(3, 4, 5, 6))][:asked]
    reader, *_ = finished([page(*one) for one in pages], next_start=at(7), then=then, early=early)
    assert len(reader.asked) == asked


def test_pages_of_a_list_that_ends_are_not_read_again_for_their_age():
    reader, rows, _ = finished([page("a1", "a2", "a3", "a4"), page("a4", "b4")], early=1)
    assert (ids(rows), reader.asked) == ([*people(1, 2, 3, 4), "b4"], [])


def test_from_where_pages_do_not_fit_a_window_is_read_page_after_page():
    pages = [page("a1", "a2", "a3", "a4"), page("a5", "a6", "a7", "a8")]
    then = [page("a4", "a5", "a6", "a7"), page("a7", "a8", "a9")]
    reader, rows, resume_at = finished(pages, next_start=at(8), then=then)
    assert (ids(rows), resume_at, rows.n_chunks()) == (people(1, 2, 3, 4, 5, 6, 7), None, 1)
    assert reader.places() == [(4, 0), (7, 0)]
    assert (reader.retaken, reader.is_proven) == (1, True)


@pytest.mark.parametrize("start", [at(4), at(4) + TICK])
def test_pages_that_do_not_fit_from_their_first_moment_on_are_read_from_the_cursor(start):
    pages = [page("a4", "b4", "c4", "d4"), page("e5", "f5")]
    reader, rows, _ = finished(pages, start=start, then=[page("a4", "b4", "c4")])
    assert ids(rows) == ["a4", "b4", "c4"]
    assert reader.asked[0].cursor == start


def test_what_is_shown_before_a_cursor_comes_once():
    """The filter sees moments whole, and the answer shows them cut off."""
    pages = [page("a3", "b4", "c4", "d4"), page("e5", "f5")]
    reader, rows, _ = finished(pages, start=at(4), then=[page("a3", "b4", "c4")])
    assert ids(rows) == ["a3", "b4", "c4"]
    assert reader.asked[0].cursor == at(4)


def test_where_contacts_without_a_moment_do_not_fit_the_window_is_read_from_its_beginning():
    pages = [page("a1", "a2", "a-", "b-"), page("c-", "d-")]
    reader, rows, _ = finished(pages, then=[page("a1", "a2", "a-")])
    assert ids(rows) == ["a1", "a2", "a-"]
    assert reader.places() == [(None, 0)]


def test_a_contact_that_comes_twice_within_a_moment_makes_the_window_doubtful():
    """Equal moments came in another order: a repeat stands for one that was on neither page."""
    pages = [page("a1", "b2", "c2", "d2"), page("c2", "d2", "b2", "e2")]
    reader, rows, resume_at = finished(pages, next_start=at(9), then=[page("a1", "b2", "c2")])
    assert (ids(rows), resume_at) == (["a1", "b2", "c2"], None)
    assert reader.places() == [(None, 0)]
    assert reader.retaken == 1


def test_a_window_full_of_one_moment_is_read_by_offset():
    crowd = page("a3", "b3", "c3", "d3")
    then = [page("a3", "b3", "c3", "d3"), page("c3", "d3", "e4")]
    reader, rows, resume_at = finished([crowd, crowd], start=at(3), then=then, is_crowded=True)
    assert (ids(rows), resume_at) == (["a3", "b3", "c3", "d3"], at(4))
    assert reader.places() == [(3, 0), (3, 2)]
    assert reader.repeats == 8
    assert reader.retaken == 0


# Page after page --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "end", "found", "cursors"),
    [
        (None, None, range(1, 9), [None, 4, 7]),
        (at(3), None, range(3, 9), [3, 6]),
        (None, at(4), range(1, 4), [None]),
        (None, at(5), range(1, 5), [None, 4]),
        (None, at(99), range(1, 9), [None, 4, 7]),
    ],
)
def test_each_page_goes_on_from_the_moment_that_the_last_ended_with(start, end, found, cursors):
    reader = Scripted(answering=listing(*people(*range(1, 9))))
    assert ids(reader.one_by_one(start, end)) == people(*found)
    assert reader.places() == [(cursor, 0) for cursor in cursors]
    assert not reader.undated_shown


def test_a_list_of_one_page_shows_those_without_a_moment():
    reader = Scripted(page("a1", "a-"))
    assert ids(reader.one_by_one(None)) == ["a1", "a-"]
    assert reader.undated_shown
    reader = Scripted(page("a1"))
    reader.one_by_one(at(1))
    assert not reader.undated_shown


def test_a_page_of_one_moment_is_read_by_offset_and_then_on():
    crowd = ["a3", "b3", "c3", "d3", "e3"]
    reader = Scripted(answering=listing("a1", *crowd, "a4", "a5"))
    assert ids(reader.one_by_one(at(1))) == ["a1", *crowd, "a4", "a5"]
    by_offset = [(3, 0), (3, 0), (3, 2)]
    assert reader.places() == [(1, 0), *by_offset, (4, 0)]
    reader = Scripted(answering=listing("a1", *crowd, "a4", "a5"))
    assert ids(reader.one_by_one(at(1), at(4))) == ["a1", *crowd]
    assert reader.places() == [(1, 0), *by_offset]


def test_a_page_of_nobody_with_a_moment_is_read_by_offset():
    undated = ["a-", "b-", "c-", "d-", "e-"]
    reader = Scripted(answering=listing(*undated))
    assert ids(reader.one_by_one(None)) == undated
    assert reader.places() == [(None, 0), (None, 0), (None, 2)]


# A crowd at one moment --------------------------------------------------------------------------------------


CROWD = ["a1", "b1", "c1", "d1", "e1", "f1"]


@pytest.mark.parametrize(
    ("pages", "following"),
    [
        ([["a1", "b1", "c1", "d1"], ["c1", "d1", "e1", "f1"], ["e1", "f1"]], None),
        ([["a1", "b1", "c1", "d1"], ["c1", "d1", "e1", "f1"], ["e1", "f1", "a2", "b3"]], at(2)),
        ([["a1", "b1", "c1", "d1"], ["c1", "d1", "e1", "f1"], ["e1", "f1", "a2"]], at(2)),
        ([["a1", "b1", "c1", "d1"], ["c1", "d1", "e1", "f1"], ["d1", "e1", "f1", "a2"]], at(2)),
        ([["a1", "b1", "c1", "d1"], ["c1", "d1", "e1", "f1"], ["e1", "f1", "a-", "b-"]], None),
    ],
)
def test_a_moment_is_read_by_offset_up_to_the_one_that_follows(pages, following):
    reader = Scripted(*[page(*one) for one in pages])
    rows, later, is_whole = reader._by_offset(at(1))
    assert (sorted(ids(rows)), later, is_whole) == (CROWD, following, True)
    assert reader.places() == [(1, 0), (1, 2), (1, 4)]
    assert (reader.unproven, reader.repeats) == (0, 0)


@pytest.mark.parametrize("direction", ["asc", "desc"])
def test_a_moment_that_offsets_do_not_reach_the_end_of_is_not_whole(direction):
    crowd = [f"{letter}1" for letter in "abcdefghijk"]
    reader = Scripted(answering=lambda asked: page(*crowd[asked.offset : asked.offset + 4]))
    rows, later, is_whole = reader._by_offset(at(1), direction=direction)
    assert (ids(rows), later, is_whole) == (crowd[:10], None, False)
    assert reader.offsets() == [0, 2, 4, 6]
    assert {asked.direction for asked in reader.asked} == {direction}


def test_nobody_at_a_cursor_is_a_whole():
    rows, later, is_whole = Scripted(page())._by_offset(at(1))
    assert (rows.height, later, is_whole) == (0, None, True)


def test_one_alone_is_a_moment():
    rows, later, is_whole = Scripted(page("a1", "a2", "a3"))._by_offset(at(1))
    assert (ids(rows), later, is_whole) == (["a1"], at(2), True)


def test_contacts_without_a_moment_are_one_moment():
    reader = Scripted(page("a-", "b-", "c-", "d-"), page("c-", "d-", "a1", "a2"))
    rows, later, is_whole = reader._by_offset(None)
    assert (ids(rows), later, is_whole) == (["a-", "b-", "c-", "d-"], at(1), True)


def test_a_moment_whose_pages_do_not_fit_is_read_again():
    moved = [page("a1", "b1", "c1", "d1"), page("e1", "f1", "a2")]
    still = [page("a1", "c1", "d1", "e1"), page("d1", "e1", "f1", "a2")]
    reader = Scripted(*moved, *still)
    rows, later, is_whole = reader._by_offset(at(1))
    assert (sorted(ids(rows)), later, is_whole) == (CROWD, at(2), True)
    assert (reader.unproven, len(reader.asked)) == (0, 4)
    assert reader.repeats == 4 + 2 + 5 - 6
    assert reader.is_proven


def test_a_moment_whose_pages_never_fit_is_unproven():
    moved = [page("a1", "b1", "c1", "d1"), page("e1", "f1", "a2")]
    reader = Scripted(*moved * 9)
    rows, later, is_whole = reader._by_offset(at(1))
    assert (sorted(ids(rows)), later, is_whole) == (CROWD, at(2), True)
    assert len(reader.asked) == 2 * TIE_TRIES == 10
    assert reader.unproven == 1
    assert not reader.is_proven
    reader.begin_sweep()
    assert reader.is_proven


@pytest.mark.parametrize(
    ("cursor", "shown", "later"),
    [
        (at(1), "1", at(1) + TICK),
        (None, "1", at(1) + TICK),
        (at(1) + 5 * TICK, "1", at(1) + 6 * TICK),  # shown truncated
        (at(0), "1", at(1) + TICK),
        (None, "-", EARLIEST),
    ],
)
def test_behind_a_crowd_that_offsets_do_not_reach_is_the_next_moment(cursor, shown, later):
    crowd = [f"{letter}{shown}" for letter in "abcdefghijk"]
    reader = Scripted(
        answering=lambda asked: page(*([] if asked.limit else crowd[asked.offset : asked.offset + 4]))
    )
    rows, following = reader._one_moment(cursor)
    assert (ids(rows), following) == (crowd[:10], later)
    assert reader.crowded == [None if shown == "-" else at(1)]
    assert not reader.is_proven
    assert datetime(1, 1, 1, tzinfo=UTC) == EARLIEST
    reader.give_up_order()
    assert reader.is_proven


def test_a_crowd_within_reach_is_no_crowd():
    rows, following = (reader := Scripted(page("a1", "b1", "a2")))._one_moment(at(1))
    assert (ids(rows), following, reader.crowded) == (["a1", "b1"], at(2), [])


@pytest.mark.parametrize("cursor", [at(1), None])
def test_a_crowd_that_only_looks_so_is_read_from_finer_cursors(cursor):
    crowd = [f"{letter}1" for letter in "abcdefghijklmno"]
    reader = Scripted(answering=listing(*crowd, "a2", ticks=[nth // 2 * 10 for nth in range(15)]))
    rows, following = reader._one_moment(cursor)
    assert (ids(rows), following) == (crowd, at(2))
    assert reader.crowded == []
    # The first ten are read up to 40 microseconds; the two of that tick come again.
    assert [asked.cursor for asked in reader.asked if not asked.limit and asked.cursor != cursor] == [
        at(1) + 40 * TICK
    ] * 3
    assert reader.repeats == 2


@pytest.mark.parametrize("known", [*range(1, 6), 499_999, 500_000, 999_998])
@pytest.mark.parametrize("cursor", [0, 1, 3])
def test_the_finest_cursor_leaves_no_gap(known, cursor):
    """The first behind it is the last that is known."""
    everybody = {"a1": known, "b1": known + 1}
    reader = Scripted(answering=listing(*everybody, "c2", ticks=everybody.values()))
    found = reader._finer_cursor(at(1) + cursor * TICK, page("a1"))
    assert found == (at(1) + known * TICK if known > cursor else None)
    assert len(reader.asked) <= 22
    assert {asked.limit for asked in reader.asked} == {1}


def test_a_finer_cursor_stays_within_what_a_moment_may_stand_for():
    """A second, or a day where all that is shown are midnights; behind it others of the page could lie."""
    for who, cursor, grain in [
        ("a1", at(1), timedelta(seconds=1)),
        ("a1", at(1) + 9 * TICK, timedelta(seconds=1)),
        ("a0", at(0), timedelta(days=1)),
    ]:
        reader = Scripted(answering=lambda _, who=who: page(who))
        assert reader._finer_cursor(cursor, page(who)) == at(int(who[1:])) + grain - TICK
    nobody = Scripted(answering=lambda _: page())
    assert nobody._finer_cursor(at(1), page("a1")) is None


# The newest end, and other orders ---------------------------------------------------------------------------


def test_a_look_at_the_newest_is_short_for_the_whole_account_alone():
    for caps, few in ((TINY, 4), (API_CAPS, 100)):
        reader = Scripted(page(), page(), caps=caps)
        reader.newest(None)
        reader.newest(at(3))
        assert [(asked.limit, asked.direction) for asked in reader.asked] == [(few, "desc"), (None, "desc")]
        assert reader.places() == [(None, 0), (3, 0)]
    assert NEWEST == 100


def test_those_without_a_moment_are_read_where_they_come_before_the_newest():
    reader = Scripted(page("a-", "b-", "c-", "d-"), page("c-", "d-", "e-", "a9"))
    assert ids(reader.undated(page("a-", "a9"))) == ["a-", "b-", "c-", "d-", "e-"]
    assert {asked.direction for asked in reader.asked} == {"desc"}
    assert reader.places() == [(None, 0), (None, 2)]
    assert reader.is_proven
    for newest in (page("a9", "a-"), page("a9", "a8"), page()):
        assert reader.undated(newest).height == 0
    assert len(reader.asked) == 2


def test_more_without_a_moment_than_offsets_reach_are_a_crowd():
    undated = [f"{letter}-" for letter in "abcdefghijk"]
    reader = Scripted(answering=listing(*undated))
    assert ids(reader.undated(page(*undated[:4]))) == undated[:10]
    assert reader.crowded == [None]


@pytest.mark.parametrize(
    ("pages", "is_end", "unproven"),
    [
        ([["c1", "a1", "d1"]], True, 0),
        ([[]], True, 0),
        ([["c1", "a1", "d1", "b1"], ["d1", "b1"]], True, 0),
        ([["c1", "a1", "d1", "b1"], ["e1", "f1"]], True, 1),
        ([["c1", "a1", "d1", "b1"], ["d1", "b1", "e1", "f1"], ["e1", "f1", "g1", "h1"], ["g1", "h1", "i1", "j1"]], False, 1),
    ],
)  # fmt: skip
def test_without_an_order_pages_that_fit_up_to_the_end_of_the_list_show_all(pages, is_end, unproven):
    reader = Scripted(*[page(*one) for one in pages])
    found, is_at_end = reader.all_unordered(at(1))
    assert ([ids(one) for one in found], is_at_end, reader.unproven) == (pages, is_end, unproven)
    assert reader.places() == [(1, nth * 2) for nth in range(len(pages))]
    assert {asked.order_by for asked in reader.asked} == {"phone"}
