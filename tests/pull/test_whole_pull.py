"""A pull of contacts from its begin to its end, and one where the server sorts as it likes."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from sendblue_data.pull import sweeps
from sendblue_data.pull.pages import AccountNeverStill, OrderIgnored
from sendblue_data.pull.sweeps import UNORDERED_CURSORS, Pull
from tests.pull.model_account import EPOCH, SMALL, ModelAccount, Person, numbers
from tests.pull.scripted_contacts import at, ids, page

# A whole pull ----------------------------------------------------------------------------------------------


@pytest.fixture
def small_caps(monkeypatch):
    monkeypatch.setattr(sweeps, "API_CAPS", SMALL)
    monkeypatch.setattr(sweeps, "LAG_PAUSES", (0.0, 0.0))


class Bar:
    def __init__(self, **how):
        self.how, self.total, self.updates, self.closed = how, None, [], 0

    def update(self, count):
        self.updates.append(count)

    def close(self):
        self.closed += 1


class Pool(ThreadPoolExecutor):
    def shutdown(self, wait=True, *, cancel_futures=False):
        self.ended = [*getattr(self, "ended", []), (wait, cancel_futures)]
        super().shutdown(wait, cancel_futures=cancel_futures)


@pytest.fixture
def watched(small_caps, monkeypatch):
    """Keep the bar, the pool and what is told of repairs."""
    kept = SimpleNamespace(bars=[], pools=[], told=[])

    def keep(made, kind):
        def make(*args, **how):
            made.append(kind(*args, **how))
            return made[-1]

        return make

    monkeypatch.setattr(sweeps, "ProgressBar", keep(kept.bars, Bar))
    monkeypatch.setattr(sweeps, "ThreadPoolExecutor", keep(kept.pools, Pool))
    monkeypatch.setattr(sweeps, "tell_repairs", lambda *what: kept.told.append(what))
    return kept


class Account(ModelAccount):
    """Tells what is done to it."""

    def stoppable(self):
        self.done, self.places = [], []
        return self

    def abort(self):
        self.done.append("abort")

    def close(self):
        self.done.append("close")

    def _list_page(self, **asked):
        self.places.append((asked["created_at_gte"], asked["offset"], asked["order_by"]))
        return super()._list_page(**asked)


def account_of(size, first=EPOCH, **options):
    return Account([Person(nth, first + nth * timedelta(minutes=1)) for nth in range(size)], **options)


def pulled(account, since=None, *, progress=False):
    return Pull(account, since, progress=progress, strict=False, trust="count")


@pytest.mark.parametrize("progress", [True, False])
@pytest.mark.parametrize("since", [None, EPOCH])
def test_a_pull_shows_its_progress_and_tidies_up(watched, progress, since):
    account = account_of(20)
    pull = pulled(account, since, progress=progress)
    frames = list(pull.windows())
    (bar,), (pool,) = watched.bars, watched.pools
    assert [rows.height for rows in frames] == [20]
    assert (bar.how["disable"], bar.total, sum(bar.updates), bar.closed) == (
        not progress,
        None if since else 20,
        20,
        1,
    )
    assert watched.told == [((), "contacts", bar if progress else None)]
    assert (pool.ended, account.done) == ([(True, True)], ["close"])
    assert pull._listed.old_until == pull._listed.new_from == pull._started - timedelta(days=2)
    assert not pull._listed.came_late
    assert pull.evidence().complete


def test_a_pull_that_is_given_up_breaks_off_what_is_under_way(watched):
    account = account_of(250)
    windows = pulled(account).windows()
    next(windows)
    windows.close()
    assert account.done[0] == "abort"
    assert account.done[-1] == "close"
    assert (False, True) in watched.pools[0].ended
    assert watched.told == []
    assert watched.bars[0].closed == 1


def test_no_frame_is_without_a_contact(small_caps):
    assert list(pulled(account_of(0)).windows()) == []


def test_the_first_page_is_asked_for_beside_the_count_and_once(small_caps):
    account = account_of(9)
    list(pulled(account).windows())
    assert account.places == [(None, 0, "created_at")]
    small = account_of(30, page_cap=7)
    pull = pulled(small)
    assert sorted(number for rows in pull.windows() for number in numbers(rows)) == list(range(30))
    assert small.places.count((None, 0, "created_at")) == 2  # again, as a page of seven
    assert pull._reader.caps.page == 7


def test_pages_are_limited_to_what_five_sweeps_need(small_caps):
    pull = pulled(account_of(20))
    list(pull.windows())
    assert pull._reader._most_walked == 400 + 5 * (20 // 7 + 1)


@pytest.mark.parametrize(
    ("counted", "since", "noted"), [(-1, None, True), (0, None, False), (-1, EPOCH, False)]
)
def test_an_account_that_lists_more_than_it_counts_is_noted(small_caps, counted, since, noted):
    pull = pulled(account_of(20, count_off=lambda _: counted), since)
    list(pull.windows())
    assert pull._notes == (["The account counts 19 contacts and listed 20."] if noted else [])


@pytest.mark.parametrize("first_off", [0, -2])
def test_what_a_count_that_moves_leaves_out_is_no_note(small_caps, first_off):
    """One came after the first count, or between the two: both have to say less than is listed."""
    pull = pulled(account_of(20, count_off=lambda asked: first_off if not asked else first_off + 1))
    list(pull.windows())
    assert pull._notes == []


def test_an_account_that_never_holds_still_is_said_to(small_caps):
    busy = {request: [("create now", 0)] * 12 for request in range(1, 5_000)}
    pull = pulled(ModelAccount([Person(number, EPOCH) for number in range(50)], busy))
    frames = list(pull.windows())
    listed = sum(rows.height for rows in frames)
    assert pull._count_after > pull._count_before == 50
    assert pull._missing == pull._count_after - listed > 0
    assert pull._problem.startswith("The account never held still: ")
    assert "pages were read of 50 contacts" in pull._problem


@pytest.mark.parametrize(("counted", "missing"), [(5, 2), (3, 0), (2, 0)])
def test_of_an_account_that_never_holds_still_as_many_are_missing_as_it_counts_at_last(
    small_caps, counted, missing
):
    class Moving(Pull):
        def _sweep(self, *_, **__):
            yield self._listed.add(page("a1", "b2", "c3"))
            raise AccountNeverStill("9 pages were read")

    pull = Moving(account_of(counted), None, progress=False, strict=False, trust="count")
    assert [ids(rows) for rows in pull.windows()] == [["a1", "b2", "c3"]]
    assert (pull._missing, pull._count_after) == (missing, counted)
    assert pull._problem == (
        f"The account never held still: 9 pages were read of {counted} contacts (now {counted}), and it still went on. "
        "Pull when less is written to it."
    )


# Where the server sorts as it likes ------------------------------------------------------------------------


def unsorted(size, since=None, *, first=EPOCH, **options):
    account = account_of(size, first, honours_order=False, **options)
    pull = pulled(account, since)
    found = [number for rows in pull.windows() for number in numbers(rows)]
    assert len(found) == len(set(found))
    asked = [(cursor, offset) for cursor, offset, order_by in account.places if order_by == "phone"]
    return pull, sorted(found), asked


class FoundOut(Pull):
    """A pull that finds a crowd, and then that the server does not sort."""

    def _sweep(self, *_, **__):
        self._reader.crowded.append(at(1))
        raise OrderIgnored


def test_an_account_in_any_order_is_read_by_offset(small_caps):
    pull, found, asked = unsorted(20)
    assert found == list(range(20))
    assert asked == [(None, 0), (None, 0), (None, 7), (None, 14)]
    assert (pull._problem, pull._reader.is_proven) == (None, True)
    assert pull._notes == ["The server does not sort by created_at as asked; read by offset alone."]


def test_where_the_server_sorts_as_it_likes_dates_tell_nothing_and_seams_and_numbers_do(small_caps):
    pull, found, _ = unsorted(20, first=datetime.now(UTC))
    assert (found, pull._problem) == (list(range(20)), None)
    assert pull._listed.count_old() == 0


def test_what_was_found_in_an_order_that_is_ignored_is_forgotten(small_caps):
    pull = FoundOut(account_of(20), None, progress=False, strict=False, trust="count")
    assert sum(rows.height for rows in pull.windows()) == 20
    assert (pull._reader.crowded, pull._problem) == ([], None)


def test_more_than_offsets_reach_are_read_from_later_cursors(small_caps):
    """From where an eighth of those that offsets reach were created, two eighths, and so on."""
    pull, found, asked = unsorted(180)
    cursors = list(dict.fromkeys(cursor for cursor, _ in asked))
    listing = account_of(180, honours_order=False)
    listing.stoppable()
    reached = sorted(
        number
        for offset in SMALL.offsets(SMALL.overlap)
        for number in numbers(
            listing._list_page(limit=10, offset=offset, created_at_gte=None, order_by="phone").frame
        )
    )
    eighths = [(len(reached) - 1) * share // 8 for share in range(1, UNORDERED_CURSORS)]
    assert cursors == [None, *(EPOCH + timedelta(minutes=reached[place]) for place in eighths)]
    assert UNORDERED_CURSORS == 8
    assert pull._problem.startswith(
        "The server ignores order_by=created_at. The account counts 180 contacts and listed"
    )
    assert len(found) > 110


def test_later_cursors_are_tried_until_enough_are_listed(small_caps):
    pull, found, asked = unsorted(115)
    assert (found, pull._problem) == (list(range(115)), None)
    assert len({cursor for cursor, _ in asked}) == 2


def test_without_dates_there_is_no_later_cursor(small_caps):
    account = Account([Person(nth, None) for nth in range(130)], honours_order=False)
    pull = FoundOut(account, None, progress=False, strict=False, trust="count")
    assert sum(rows.height for rows in pull.windows()) == 110
    assert {cursor for cursor, *_ in account.places} == {None}
    assert account.places.count((None, 100, "phone")) == 1


def test_who_comes_while_later_cursors_are_tried_is_counted(small_caps):
    pull, found, _ = unsorted(180, events={60: [("create now", 0)]})
    assert pull._count_after == 181
    assert pull._missing == 181 - len(found) > 0


def test_a_part_in_any_order_has_no_later_cursors(small_caps):
    pull, found, asked = unsorted(180, EPOCH)
    assert {cursor for cursor, _ in asked} == {EPOCH}
    assert pull._problem.startswith("The server ignores order_by=created_at. ")
    pull, found, asked = unsorted(20, EPOCH)
    assert (found, pull._problem) == (list(range(20)), None)


def test_an_account_in_any_order_that_moved_is_read_again(small_caps):
    """One went, from before what was read: the pages don't fit, and the second reading shows all."""
    pull, found, asked = unsorted(40, events={4: [("delete", 0)]})
    assert asked.count((None, 0)) == 3
    assert pull._problem is None
    assert len(found) in {39, 40}


def test_small_pages_in_any_order_are_known_for_what_they_are(small_caps):
    pull, found, _ = unsorted(40, page_cap=7)
    assert (found, pull._reader.caps.page) == (list(range(40)), 7)
