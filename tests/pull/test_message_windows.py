"""Windows of messages, reading by reading: when a window is shown to be whole, what is missing, where it is halved."""

from collections import Counter
from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from sendblue_data.pull import message_windows
from sendblue_data.pull.message_listing import MessageListing, Walk
from sendblue_data.pull.message_spans import SEAM, Span
from sendblue_data.pull.message_windows import (
    IDLE_WALKS,
    NARROWEST,
    NARROWEST_UNTOLD,
    WALKS,
    MessageReader,
    Read,
)
from tests.pull.model_messages import EPOCH, SMALL, ModelMessages, numbers
from tests.pull.scripted_messages import SPAN, TOO_FAR, Scripted, page, rows

TICK = timedelta(microseconds=1)


@pytest.fixture(autouse=True)
def small_caps(monkeypatch):
    monkeypatch.setattr(message_windows, "API_CAPS", SMALL)


class Walked(MessageListing):
    """A listing whose walks and totals are said beforehand, and whose pages are a script's."""

    def __init__(self, *walks, told=None, pages=()):
        super().__init__(Scripted(*pages), SMALL)
        self.walks, self.totals, self.walked = list(walks), told or {}, []

    def walk(self, span, first=None, *, way="asc", order="createdAt", to_reach=False):
        self.walked.append((span, first, way, order, to_reach))
        return self.walks.pop(0)

    def told(self, span):
        return self.totals.get((span.start, span.end)) if self.totals_hold else None


def walk(came, told=None, *, holds=True, ended=True, is_still=True):
    return Walk(rows(came), holds, ended, told, is_still)


def read(listing, span=SPAN, first=None):
    reader = MessageReader(listing)
    return reader.read(span, first), reader


# A window ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("told", [3, 2, None])
def test_pages_that_fit_and_as_many_as_are_told_of_are_all(told):
    listing = Walked(walk([1, 2, 3], told))
    found, reader = read(listing, first="the first page")
    assert (numbers(found.rows), found.is_proven, found.missing, found.told) == ([1, 2, 3], True, 0, told)
    assert listing.walked == [(SPAN, "the first page", "asc", "createdAt", False)]
    assert reader.retaken == 0


@pytest.mark.parametrize("holds", [True, False])
def test_nothing_is_all_where_nothing_is_told_of(holds):
    found, _ = read(Walked(walk([], 0, holds=holds), pages=[page((), 0)]))
    assert (found.rows.height, found.is_proven) == (0, True)


def test_pages_that_fit_and_fewer_than_are_told_of_are_read_again():
    """Forwards and backwards, until six readings in turn brought nothing new."""
    listing = Walked(*[walk([1, 2], 3) for _ in range(20)])
    found, reader = read(listing, first="the first page")
    assert (numbers(found.rows), found.is_proven, found.missing, found.told) == ([1, 2], False, 1, 3)
    assert [way for _, _, way, _, _ in listing.walked] == ["asc", "desc"] * 3 + ["asc"]
    assert [first for _, first, *_ in listing.walked] == ["the first page"] + [None] * IDLE_WALKS
    assert reader.retaken == 1 + IDLE_WALKS


def test_where_no_total_tells_one_reading_without_news_is_the_end():
    listing = Walked(*[walk([1, 2], holds=False) for _ in range(20)])
    found, reader = read(listing)
    assert (numbers(found.rows), found.is_proven, found.missing) == ([1, 2], False, 0)
    assert reader.retaken == len(listing.walked) == 2


def test_a_reading_with_news_is_followed_by_another():
    came = [[1], [2], [2], [3], [1], [1]]
    listing = Walked(*[walk(one, holds=False) for one in came])
    found, _ = read(listing)
    assert (numbers(found.rows), len(listing.walked)) == ([1, 2], 3)
    listing = Walked(*[walk(one, 9) for one in [[1], [1], [1], [2], *[[1]] * 9]])
    found, _ = read(listing)
    assert (numbers(found.rows), found.missing, len(listing.walked)) == ([1, 2], 7, 4 + IDLE_WALKS)


def test_readings_end_although_each_has_news():
    listing = Walked(*[walk([nth], 1_000) for nth in range(50)])
    found, reader = read(listing)
    assert found.rows.height == len(listing.walked) == reader.retaken == WALKS
    assert (found.is_proven, found.missing) == (False, 1_000 - WALKS)


def test_readings_together_are_all_where_nothing_more_stands_behind_them():
    listing = Walked(walk([1, 2], 4, holds=False), walk([3, 4, 1], 4, holds=False), pages=[page((), 4)])
    found, reader = read(listing)
    assert (numbers(found.rows), found.is_proven, found.missing) == ([1, 2, 3, 4], True, 0)
    assert reader.retaken == 1
    assert listing._client.each("offset") == [4]
    assert listing._client.each("limit") == [1]


def test_what_came_before_the_total_changed_is_kept_and_not_counted():
    """Two that went and two that never came would make as many as are told of."""
    first = walk([1, 2], 4, holds=False)
    changed = [walk([3, 4], 5, holds=False), walk([5], 5, holds=False, is_still=False)]
    after = [walk([3], 5, holds=False)] * 7
    listing = Walked(first, *changed, *after)
    found, _ = read(listing)
    assert (numbers(found.rows), found.is_proven, found.missing, found.told) == ([1, 2, 3, 4, 5], False, 0, 5)
    assert listing.totals_hold
    assert len(listing.walked) == 4 + IDLE_WALKS


def test_what_came_before_the_total_changed_makes_up_no_number():
    """Not even one of it: with the four that came since it would make as many as are told of."""
    before = [walk([1, 2], 4, holds=False), walk([3], 5, holds=False)]
    since = [walk([3, 4, 5, 6], 5, holds=False)] * 9
    found, reader = read(Walked(*before, *since, pages=[page((), 5)]))
    assert (found.is_proven, found.rows.height) == (False, 6)
    assert reader.retaken == 3 + IDLE_WALKS


def test_nothing_six_times_in_turn_is_the_end():
    listing = Walked(*[walk([], 3)] * 9)
    found, _ = read(listing)
    assert (found.missing, len(listing.walked)) == (3, IDLE_WALKS)


def test_a_total_that_moved_within_a_reading_is_held_against_nothing():
    listing = Walked(*[walk([1, 2], 1, holds=False, is_still=False)] * 9)
    found, _ = read(listing)
    assert listing.totals_hold
    assert not found.is_proven
    listing = Walked(*[walk([1, 2], 1, holds=False)] * 9)
    found, _ = read(listing)
    assert not listing.totals_hold
    assert (found.missing, len(listing.walked)) == (0, 2)  # as where none is told


def test_pages_that_fit_are_all_whatever_moved():
    found, _ = read(Walked(walk([1, 2], 2, is_still=False)))
    assert found.is_proven
    listing = Walked(*[walk([1, 2], 2, holds=False, is_still=False)] * 9)
    assert not read(listing)[0].is_proven


# Behind the last --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "shows_all", "holds"),
    [
        (page(), True, True),
        (TOO_FAR, True, True),
        (page([9], 2), False, False),  # another than all these
        (page([9]), False, False),
        (page([1], 2), False, True),  # one of these: from elsewhere, which tells nothing
        (page([9], 3), True, True),  # one arrived
        (page([], 1), False, True),  # one went, maybe of these
    ],
)
def test_another_message_behind_as_many_as_are_told_of_shows_that_they_are_not_all(answer, shows_all, holds):
    reader = MessageReader(Walked(pages=[answer]))
    assert reader._ends_with(SPAN, rows([1, 2])) is shows_all
    assert reader.listing.totals_hold is holds
    assert reader.listing._client.each("offset") == [2]
    assert reader.listing._client.each("limit") == [1]


@pytest.mark.parametrize(("more", "asked"), [(0, 1), (1, 0)])
def test_nobody_asks_behind_the_last_offset(more, asked):
    count = SMALL.last_offset + more
    reader = MessageReader(Walked(pages=[page()]))
    assert reader._ends_with(SPAN, rows(range(count)))
    assert len(reader.listing._client.asked) == asked


@pytest.mark.parametrize(("reach", "shows_all"), [(1, True), (2, False)])
def test_beyond_what_the_server_reaches_an_earlier_page_is_expected(reach, shows_all):
    listing = Walked(pages=[page([1], 2)])
    listing.caps = SMALL.__class__(12, reach, 4)
    assert MessageReader(listing)._ends_with(SPAN, rows([1, 2])) is shows_all


# Halves -----------------------------------------------------------------------------------------------------

LEFT, RIGHT = SPAN.halves()
LOW, HIGH = (LEFT.start, LEFT.end), (RIGHT.start, RIGHT.end)


def full():
    return walk([1], 90, ended=False)


def test_halves_overlap_and_are_the_whole():
    assert (LEFT.start, LEFT.end, LEFT.low, LEFT.high) == (None, EPOCH + timedelta(hours=12), EPOCH, LEFT.end)
    assert (RIGHT.start, RIGHT.end, RIGHT.low, RIGHT.high) == (
        LEFT.end - SEAM,
        None,
        LEFT.end - SEAM,
        SPAN.high,
    )
    early, late = SPAN.halves(0.25)
    assert (early.end, late.start) == (EPOCH + timedelta(hours=6), EPOCH + timedelta(hours=6) - SEAM)
    assert early.expected is late.expected is None


@pytest.mark.parametrize(
    ("width", "overlap"), [(4 * SEAM, SEAM), (4 * SEAM - TICK, 2 * TICK), (2 * TICK, TICK)]
)
def test_narrow_halves_overlap_by_little(width, overlap):
    early, late = Span(EPOCH, EPOCH + width, EPOCH, EPOCH + width).halves()
    assert early.end - late.start == overlap
    assert late.low == late.start >= EPOCH


def test_a_span_is_narrow_below_what_is_least():
    span = Span(None, None, EPOCH, EPOCH + SEAM)
    assert span.narrower_than(SEAM + TICK)
    assert not span.narrower_than(SEAM)


def test_a_window_that_is_too_full_is_read_in_halves():
    listing = Walked(full(), walk([1, 2], 2), walk([2, 3], 2), told={LOW: 2, HIGH: 2})
    found, _ = read(listing)
    assert (numbers(found.rows), found.is_proven, found.missing) == ([1, 2, 3], True, 0)
    assert [span for span, *_ in listing.walked] == [SPAN, LEFT, RIGHT]
    assert listing.repeats == 1


@pytest.mark.parametrize("is_bridged", [True, False])
def test_where_no_total_tells_halves_are_all_if_nothing_lies_between(is_bridged):
    listing = Walked(walk([1], ended=False), walk([1, 2]), walk([2, 3]))
    reader, asked = MessageReader(listing), []

    def bridged(halves, earlier, later):
        asked.append((halves, numbers(earlier), numbers(later)))
        return is_bridged

    reader._is_bridged = bridged
    found = reader.read(SPAN)
    assert (numbers(found.rows), found.is_proven, found.missing) == ([1, 2, 3], is_bridged, 0)
    assert asked == [((LEFT, RIGHT), [1, 2], [2, 3])]


@pytest.mark.parametrize("lacking", [0, 1])
def test_what_a_half_lacks_the_whole_lacks(lacking):
    """Where one half is proven and the other is not."""
    lacks, whole = [walk([1], 3)] * 7, [walk([2], 1)]
    listing = Walked(full(), *(lacks + whole if lacking == 0 else whole + lacks), told={LOW: 45, HIGH: 46})
    found, _ = read(listing)
    assert (found.is_proven, found.missing) == (False, 2)


def test_a_total_that_both_halves_have_of_other_messages_is_none():
    """Such as at 10,000: what either half begins with is not in the other."""
    apart = [page([1, 2]), page([8, 9])]
    listing = Walked(
        full(), walk([5], 90), walk([1, 2], holds=True), walk([8, 9]), told={LOW: 90, HIGH: 90}, pages=apart
    )
    reader = MessageReader(listing)
    reader._is_bridged = lambda *_: True
    found = reader.read(SPAN)
    assert not listing.totals_hold
    assert (numbers(found.rows), found.is_proven) == ([1, 2, 8, 9], True)


def test_all_that_lies_where_the_halves_overlap_is_read_there():
    crowd = [page([1, 2]), page([2, 1])]
    inner = (RIGHT.start, LEFT.end)
    there = [walk([1, 2], 90, ended=False)] * 2
    told = {LOW: 90, HIGH: 90, inner: 90}
    listing = Walked(full(), *there, walk(range(90), 90), told=told, pages=crowd)
    found, _ = read(listing)
    assert (found.rows.height, found.is_proven) == (90, True)
    span = listing.walked[-1][0]
    assert (span.start, span.end, span.low, span.high) == (*inner, *inner)
    # Each half's beginning was looked for in the other, from that one's beginning.
    assert [(span, way, to_reach) for span, _, way, _, to_reach in listing.walked[1:3]] == [
        (RIGHT, "asc", True),
        (LEFT, "desc", True),
    ]
    assert listing._client.each("order_direction") == ["asc", "desc"]


def test_an_overlap_that_tells_of_fewer_is_no_place_to_read_on():
    crowd = [page([1, 2]), page([2, 1])]
    there = [walk([1, 2], 90, ended=False)] * 2
    in_orders = [walk([nth], 90) for nth in range(6)]
    listing = Walked(
        full(), *there, *in_orders, told={LOW: 90, HIGH: 90, (RIGHT.start, LEFT.end): 80}, pages=crowd
    )
    found, _ = read(listing)
    assert (found.rows.height, found.is_proven, found.missing) == (6, False, 84)


def test_halves_of_other_totals_are_no_crowd():
    for told in ({LOW: 90, HIGH: 89}, {LOW: 89, HIGH: 90}):
        listing = Walked(full(), walk([1], 1), walk([2], 1), told=told)
        found, _ = read(listing)
        assert (found.rows.height, found.is_proven) == (2, True)
        assert listing.totals_hold
        assert len(listing.walked) == 3


# A window that can't be halved ------------------------------------------------------------------------------

CROWD = Span(EPOCH, EPOCH + NARROWEST - TICK, EPOCH, EPOCH + NARROWEST - TICK)


def test_a_crowd_is_read_in_every_order():
    listing = Walked(walk([0], 9, ended=False), *[walk([nth], 9) for nth in range(6)])
    found, _ = read(listing, CROWD)
    assert (numbers(found.rows), found.is_proven, found.missing, found.told) == (
        [0, 1, 2, 3, 4, 5],
        False,
        3,
        9,
    )
    in_orders = [(order, way) for _, _, way, order, _ in listing.walked[1:]]
    assert in_orders == [
        ("createdAt", "asc"), ("createdAt", "desc"), ("sentAt", "asc"),
        ("sentAt", "desc"), ("updatedAt", "asc"), ("updatedAt", "desc"),
    ]  # fmt: skip
    assert all(to_reach for *_, to_reach in listing.walked[1:])


def test_a_crowd_is_whole_with_as_many_as_are_told_of_and_none_behind():
    told = walk([0], 2, ended=False)
    listing = Walked(told, walk([1], 2), walk([2], 2), walk([3], 2), pages=[page((), 2)])
    found, _ = read(listing, CROWD)
    assert (numbers(found.rows), found.is_proven, found.told, len(listing.walked)) == ([1, 2], True, 2, 3)
    listing = Walked(told, walk([1], 2), walk([2], 2), *[walk([3])] * 4, pages=[page([3], 2)])
    found, _ = read(listing, CROWD)
    assert (numbers(found.rows), found.is_proven, found.missing) == ([1, 2, 3], False, 0)
    assert not listing.totals_hold


def test_a_crowd_of_more_than_are_told_of_has_no_total():
    listing = Walked(walk([0], 1, ended=False), *[walk([nth]) for nth in range(6)], pages=[page((), 1)] * 9)
    found, _ = read(listing, CROWD)
    assert found.is_proven  # the first order alone brought one, as many as are told of
    listing = Walked(walk([0], 1, ended=False), walk([1, 2]), *[walk([nth]) for nth in range(5)])
    found, _ = read(listing, CROWD)
    assert (found.is_proven, found.missing, listing.totals_hold) == (False, 0, False)


def test_of_a_crowd_of_which_one_may_have_gone_none_is_known_to_be_missing():
    listing = Walked(walk([0], 2, ended=False), *[walk([1, 2])] * 6, pages=[page([], 1)] * 6)
    found, _ = read(listing, CROWD)
    assert (found.rows.height, found.is_proven, found.missing, listing.totals_hold) == (2, False, 0, True)


def test_a_crowd_without_a_total_is_never_proven():
    second = Span(EPOCH, EPOCH + NARROWEST_UNTOLD - TICK, EPOCH, EPOCH + NARROWEST_UNTOLD - TICK)
    listing = Walked(walk([0], ended=False), *[walk([1])] * 6)
    found, _ = read(listing, second)
    assert (found.rows.height, found.is_proven, found.missing, found.told) == (1, False, 0, None)


@pytest.mark.parametrize(("told", "narrowest"), [(90, NARROWEST), (None, NARROWEST_UNTOLD)])
def test_the_narrowest_that_is_halved(told, narrowest):
    reader = MessageReader(Walked())
    assert reader._narrowest(told) == narrowest
    span = Span(EPOCH, EPOCH + narrowest, EPOCH, EPOCH + narrowest)
    reader.listing.walks = [walk([0], told, ended=False), walk([1], 1), walk([1], 1)]
    reader.listing.totals = {(span.start, span.end): told}
    reader._is_bridged = lambda *_: True
    assert reader.read(span).is_proven
    assert len(reader.listing.walked) == 3


def test_how_narrow_and_how_often():
    """Without a total, halves overlap by a whole second, and so none is narrower than four."""
    assert (NARROWEST, NARROWEST_UNTOLD) == (8 * TICK, 4 * SEAM)
    assert (WALKS, IDLE_WALKS) == (25, 6)


# Leaves -----------------------------------------------------------------------------------------------------


def leaves(account, told, span, part=0.5):
    listing = MessageListing(account, SMALL)
    return list(MessageReader(listing).leaves(span, told, part)), listing


def test_a_span_is_divided_until_offsets_reach():
    account = ModelMessages([EPOCH + timedelta(minutes=nth) for nth in range(200)])
    span = Span(None, None, EPOCH, EPOCH + timedelta(days=1))
    found, _ = leaves(account, 200, span)
    assert len(found) > 200 // SMALL.most_in_window
    assert all(leaf.expected <= SMALL.most_in_window for leaf in found)
    assert found[0].start is found[-1].end is None
    overlaps = Counter(earlier.end - later.start for earlier, later in pairwise(found))
    assert overlaps == {SEAM: len(found) - 1}
    assert 200 <= sum(leaf.expected for leaf in found) <= 200 + len(found)


@pytest.mark.parametrize("told", [None, 0, SMALL.most_in_window])
def test_what_offsets_reach_is_not_divided(told):
    found, listing = leaves(Scripted(), told, SPAN)
    assert [leaf.expected for leaf in found] == [told]
    assert (found[0].low, found[0].high, listing.pages) == (SPAN.low, SPAN.high, 0)


def test_a_half_of_which_nothing_is_told_is_read_to_see():
    found, _ = leaves(Scripted(page([1])), SMALL.most_in_window + 1, SPAN)
    assert [(leaf.start, leaf.end, leaf.expected) for leaf in found] == [
        (None, None, SMALL.most_in_window + 1)
    ]


def test_a_half_that_tells_of_more_than_the_whole_leaves_nothing_for_the_other():
    found, _ = leaves(Scripted(page([1], 60), page([1], 30)), 50, SPAN)
    assert [leaf.expected for leaf in found] == [30, 30, 0]


def test_a_span_may_be_divided_elsewhere():
    found, _ = leaves(Scripted(page([1], 20)), 50, SPAN, 0.25)
    assert [(leaf.expected, leaf.high - leaf.low) for leaf in found] == [
        (20, timedelta(hours=6)),
        (30, timedelta(hours=18) + SEAM),
    ]


def test_what_is_too_narrow_is_not_divided():
    found, listing = leaves(Scripted(), 1_000, CROWD)
    assert (len(found), found[0].expected, listing.pages) == (1, 1_000, 0)


# Bridges ----------------------------------------------------------------------------------------------------


def bridged(account, first, second):
    listing = MessageListing(account, SMALL)
    parts = [rows([number for at, number in account.log if _within(at, half)]) for half in (first, second)]
    return MessageReader(listing)._is_bridged((first, second), *parts)


def _within(at, span):
    return (span.start is None or at >= span.start) and (span.end is None or at <= span.end)


@pytest.mark.parametrize("sizes", [(5, 5), (0, 5), (5, 0), (0, 0), (30, 3), (1, 40), (40, 40)])
def test_two_windows_with_nothing_between_are_bridged(sizes):
    before, after = sizes
    account = ModelMessages(
        [EPOCH + timedelta(minutes=nth) for nth in range(before)]
        + [EPOCH + timedelta(hours=13, minutes=nth) for nth in range(after)],
        totals="missing",
    )
    assert bridged(account, LEFT, RIGHT)


@pytest.mark.parametrize("sizes", [(5, 5), (0, 5), (5, 0), (30, 3), (1, 40)])
def test_one_that_neither_window_has_is_noticed(sizes):
    before, after = sizes
    gap = LEFT.end - SEAM / 2
    account = ModelMessages(
        [EPOCH + timedelta(minutes=nth) for nth in range(before)]
        + [gap]
        + [EPOCH + timedelta(hours=13, minutes=nth) for nth in range(after)],
        totals="missing",
    )
    listing = MessageListing(account, SMALL)
    halves = (
        [number for at, number in account.log if at < gap],
        [number for at, number in account.log if at > gap],
    )
    assert not MessageReader(listing)._is_bridged((LEFT, RIGHT), *map(rows, halves))


@pytest.mark.parametrize(
    ("pages", "goes_on"),
    [
        ([page([*range(9, 12), 20])], True),  # short: it ends
        ([page(range(6, 12))], True),  # it ends within the first
        ([page(range(12)), page([8, 9, 10, 11, *range(20, 28)]), page(range(24, 30))], True),
        ([page(range(12)), page([8, 9, 10, 11, 15])], False),  # one that neither has
        ([page(range(12)), page(range(20, 26))], False),  # pages that don't fit
    ],
)
def test_a_listing_that_goes_on_from_one_window_to_the_next(pages, goes_on):
    reader = MessageReader(MessageListing(Scripted(*pages), SMALL))
    keys = [
        message.to_series()
        for message in (
            rows(range(12)).select("message_handle"),
            rows(range(20, 40)).select("message_handle"),
        )
    ]
    assert reader._goes_on(SPAN, keys) is goes_on


def test_a_listing_that_reaches_no_further_than_the_first_window_shows_nothing():
    reader = MessageReader(MessageListing(Scripted(page(range(12)), TOO_FAR), SMALL))
    keys = [rows(range(40))["message_handle"], rows([50])["message_handle"]]
    assert not reader._goes_on(SPAN, keys)


def test_what_was_read_is_not_full_unless_said():
    assert Read(rows([1]), is_proven=True)[2:] == (0, False, None)


def seconds_before(reader):
    """Return how long before the second window each listing began that was asked for; None where it had no bound."""
    starts = [
        start and datetime.fromisoformat(start) for start in reader.listing._client.each("created_at_gte")
    ]
    return [start and (RIGHT.low - start) / timedelta(seconds=1) for start in starts]


FIRST = [page(range(12))]
"""A full page of the first window alone: it begins too early to show anything."""
SECOND = [page([20])]
"""A page of the second alone: it begins too late."""
BOTH = [page([11, 20])]


@pytest.mark.parametrize(
    ("pages", "began", "is_bridged"),
    [
        (BOTH, [1], True),
        (SECOND * 2 + BOTH, [1, 4, 16], True),
        ([page(), *BOTH], [1, 4], True),
        ([page([5])], [1], True),  # the listing ends within the first
        (SECOND * 8 + BOTH, [4**n for n in range(8)] + [None], True),
        (SECOND * 9, [4**n for n in range(8)] + [None], True),  # as if the first had none
        (SECOND * 8 + [page(range(20, 32))], [4**n for n in range(8)] + [None], True),
        (SECOND + FIRST * 2 + BOTH, [1, 4, 2.5, 1.75], True),
        (SECOND + FIRST + SECOND + BOTH, [1, 4, 2.5, 3.25], True),
        # Within a second nothing is tried between: it is read on from there, page after page.
        (FIRST + FIRST + [page([8, 9, 10, 11, 20])], [1, 1, 1], True),
        (FIRST + FIRST + [page([8, 9, 10, 11, 15])], [1, 1, 1], False),
        (SECOND + FIRST * 4 + [page([8, 9, 10, 11, 20])], [1, 4, 2.5, 1.75, 1.75, 1.75], True),
        ([page([11, 15])], [1], False),  # one that neither has
        ([*SECOND, page([11, 15, 20])], [1, 4], False),
    ],
)
def test_where_two_windows_meet_is_looked_for(pages, began, is_bridged):
    """From a second before the second on, four times as long each time, then between what was too early and too late."""
    reader = MessageReader(MessageListing(Scripted(*pages), SMALL))
    assert reader._is_bridged((LEFT, RIGHT), rows(range(12)), rows(range(20, 40))) is is_bridged
    assert seconds_before(reader) == began
