"""Pages of contacts: how far a listing reaches, what is asked for and held against it, and how it is broken off."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from sendblue_data._api.decoding import DecodedPage, Oddity
from sendblue_data.errors import UnexpectedAnswerError
from sendblue_data.pull import waiting
from sendblue_data.pull.joining import PLACED
from sendblue_data.pull.pages import API_CAPS, AccountNeverStill, Caps, OrderIgnored, Pages
from sendblue_data.pull.waiting import AWAKE_EVERY, result
from tests.pull.model_account import SMALL
from tests.pull.scripted_contacts import TINY, Pending, Scripted, at, ids, page, people

# How far a listing reaches ----------------------------------------------------------------------------------


def test_the_api_s_own_caps():
    assert Caps(1_000, 10_000, 10) == API_CAPS
    assert (API_CAPS.step, API_CAPS.pages_a_window, API_CAPS.tie_overlap) == (990, 11, 100)
    assert (API_CAPS.reach, API_CAPS.most_in_window) == (11_000, 10_899)
    assert API_CAPS.offsets(10) == [0, 990, 1980, 2970, 3960, 4950, 5940, 6930, 7920, 8910, 9900, 10_000]
    assert API_CAPS.offsets(100) == [
        0,
        900,
        1800,
        2700,
        3600,
        4500,
        5400,
        6300,
        7200,
        8100,
        9000,
        9900,
        10_000,
    ]
    assert (SMALL.tie_overlap, TINY.offsets(2)) == (3, [0, 2, 4, 6])


@pytest.mark.parametrize(
    ("contacts", "pages"), [(0, 1), (999, 1), (1_000, 2), (1_989, 2), (1_990, 3), (10_899, 11), (99_999, 11)]
)
def test_a_window_has_as_many_pages_as_its_last_one_is_not_full(contacts, pages):
    assert API_CAPS.pages_for(contacts) == pages
    assert (pages - 1) * 990 + 1_000 > contacts or pages == 11


# Pages that are smaller than the API says -------------------------------------------------------------------

NINE = Caps(page=9, last_offset=20, overlap=2)


def adopted(size, start, counted, *answers):
    """Return whether pages of so many were taken for the server's largest, and the reader that asked."""
    reader = Scripted(*[page(*people(*range(one))) for one in answers], caps=NINE)
    first = page(*people(*range(size)))
    return reader.adopt_page_size(first, start, counted, "phone"), reader


@pytest.mark.parametrize("start", [None, at(1)])
@pytest.mark.parametrize("size", [0, 9])
def test_a_full_page_and_none_ask_for_no_other(start, size):
    is_smaller, reader = adopted(size, start, 50)
    assert (is_smaller, reader.asked, reader.caps) == (False, [], NINE)


@pytest.mark.parametrize("counted", [5, 6])
def test_a_page_with_as_many_as_are_counted_is_the_end(counted):
    is_smaller, reader = adopted(6, None, counted)
    assert (is_smaller, reader.asked, reader.caps) == (False, [], NINE)


@pytest.mark.parametrize(("start", "counted"), [(None, 7), (at(1), 6)])
@pytest.mark.parametrize("size", [4, 6, 8])
@pytest.mark.parametrize("follow", [0, 1])
def test_a_page_behind_which_others_follow_is_as_large_as_they_get(start, counted, size, follow):
    is_smaller, reader = adopted(size, start, max(counted, size + 1), follow)
    assert is_smaller is bool(follow)
    assert reader.caps.page == (size if follow else 9)
    assert (reader.caps.last_offset, reader.caps.overlap) == (20, 2)
    assert [(asked.cursor, asked.offset, asked.order_by) for asked in reader.asked] == [
        (start, size, "phone")
    ]


def test_pages_too_small_to_be_joined_are_left_to_the_count_where_there_is_one():
    is_smaller, reader = adopted(3, None, 9)
    assert (is_smaller, reader.asked) == (False, [])


@pytest.mark.parametrize("size", [1, 3])
def test_a_part_in_pages_too_small_to_be_joined_is_refused(size):
    reader = Scripted(*[page(*people(*range(one))) for one in (2, size, size, size)], caps=NINE)
    with pytest.raises(UnexpectedAnswerError, match=f"a page holds {size} of the 9 contacts asked for"):
        reader.adopt_page_size(page(*people(*range(size))), at(1), 0)
    assert reader.places() == [(1, size), *[(1, 0)] * 3]
    assert {asked.order_by for asked in reader.asked} == {"created_at"}


@pytest.mark.parametrize("answers", [[0], [1, 4], [1, 3, 2], [1, 3, 3, 4]])
def test_a_short_page_that_does_not_stay_as_long_was_the_end(answers):
    is_smaller, reader = adopted(3, at(1), 0, *answers)
    assert (is_smaller, len(reader.asked), reader.caps) == (False, len(answers), NINE)


# One page ---------------------------------------------------------------------------------------------------


class Client:
    """Says what is written for it."""

    def __init__(self, *answers):
        self.answers, self.asked = list(answers), []

    def _list_page(self, **asked):
        self.asked.append(asked)
        answer = self.answers.pop(0) if self.answers else page()
        return answer if isinstance(answer, DecodedPage) else DecodedPage(answer.drop(PLACED), ())

    def count_contacts(self):
        return 7


@pytest.fixture
def reading():
    """Make pages of a client, over one thread."""
    with ThreadPoolExecutor(1) as pool:
        yield lambda *answers, strict=False: Pages(Client(*answers), pool, TINY, strict=strict)


@pytest.mark.parametrize("strict", [True, False])
def test_a_page_is_asked_for_as_said(reading, strict):
    pages = reading(strict=strict)
    pages.page(at(1), 2, limit=3, order_by="phone", direction="desc")
    pages.page(None)
    result(pages.ask(None, order_by=None))
    names = ("limit", "offset", "created_at_gte", "order_by", "order_direction", "strict")
    assert [tuple(asked[name] for name in names) for asked in pages._client.asked] == [
        (3, 2, at(1), "phone", "desc", strict),
        (4, 0, None, "created_at", "asc", strict),
        (4, 0, None, None, None, strict),
    ]
    assert pages.pages == 3
    assert result(pages.count()) == 7


@pytest.mark.parametrize(
    ("who", "how", "is_ignored"),
    [
        (["a2", "a1"], {}, True),
        (["a2", "a1"], {"direction": "desc"}, False),
        (["a1", "a2"], {"direction": "desc"}, True),
        (["a2", "a1"], {"order_by": "phone"}, False),
        (["a1", "a2"], {}, False),
    ],
)
def test_a_page_in_another_order_than_that_of_creation_is_no_answer(reading, who, how, is_ignored):
    pages = reading(page(*who))
    if is_ignored:
        with pytest.raises(OrderIgnored):
            pages.page(None, **how)
    else:
        assert ids(pages.page(None, **how)) == who


def test_a_page_that_begins_before_its_cursor_is_no_answer(reading):
    with pytest.raises(OrderIgnored):
        reading(page("a1")).page(at(3))


def test_what_can_not_be_read_is_kept_for_the_evidence(reading):
    oddities = (Oddity(0, "tags", "not a list"), Oddity(1, "created_at", "not a date"))
    frame = page("a1", "b-", "c-").drop(PLACED)
    pages = reading(DecodedPage(frame, oddities), page("a1"))
    rows = pages.page(None, order_by="phone")
    assert rows[PLACED].to_list() == [
        at(1),
        at(1),
        None,
    ]  # where a moment can't be read, beside the one before
    pages.page(None)
    faults = [("a1", [("tags", "not a list")]), ("b-", [("created_at", "not a date")])]
    assert list(pages.oddities.found.values()) == faults


def test_an_account_that_needs_far_more_pages_than_it_has_contacts_never_holds_still(reading):
    pages = reading()
    pages.limit_walks(5, 3)
    for _ in range(409):  # 400 and three times 3
        pages.page(None)
    pages.page(None, order_by="phone")
    with pytest.raises(AccountNeverStill, match="409 pages were read"):
        pages.page(None)


def test_before_an_account_is_counted_its_pages_are_not_limited(reading):
    pages = reading()
    pages._walked = 1_000_000
    assert pages.page(None).height == 0


def test_pages_that_came_are_not_held_on_to():
    with ThreadPoolExecutor(1) as pool:
        pages = Pages(Client(page("a1")), pool, TINY, strict=False)
        future = pages.ask(None)
    assert future.done()
    assert not pages._under_way


# Breaking off -----------------------------------------------------------------------------------------------


class Stuck(Client):
    """Answers nothing until it was aborted twice: the first finds a connection that was only being opened."""

    def __init__(self):
        super().__init__()
        self.aborted, self.broken, self.begun = 0, threading.Event(), threading.Event()

    def _list_page(self, **asked):
        super()._list_page(**asked)
        self.begun.set()
        if self.broken.wait(5):
            raise ConnectionAbortedError
        raise TimeoutError

    def abort(self):
        self.aborted += 1
        if self.aborted == 2:
            self.broken.set()


def test_to_stop_is_to_break_off_what_is_under_way_and_to_begin_nothing_more():
    client = Stuck()
    pages = Pages(client, ThreadPoolExecutor(1), TINY, strict=False)
    first, second = pages.ask(None), pages.ask(None)
    client.begun.wait(5)
    pages.stop()
    assert first.done()
    assert isinstance(first.exception(), ConnectionAbortedError)
    assert second.cancelled()
    assert (client.aborted, len(client.asked)) == (2, 1)


def test_to_stop_with_nothing_under_way_breaks_off_connections_once():
    client = Stuck()
    Pages(client, ThreadPoolExecutor(1), TINY, strict=False).stop()
    assert client.aborted == 1


def test_who_waits_for_a_page_looks_up_in_between(monkeypatch):
    """Where the system would not wake a waiting thread, Ctrl-C is noticed then: within a second."""

    waited = []

    def wait(futures, timeout):
        waited.append(timeout)
        if len(waited) == 2:
            futures[0].set_result("here")

    monkeypatch.setattr(waiting, "wait", wait)
    assert result(Pending()) == "here"
    assert waited == [AWAKE_EVERY] * 2
    assert AWAKE_EVERY < 1
