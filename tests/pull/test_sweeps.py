"""Sweeps over an account, step by step: what one reads, and how often until the counts agree."""

from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace

import pytest

from sendblue_data.errors import ConfigurationError
from sendblue_data.pull import sweeps
from sendblue_data.pull.joining import Listed
from sendblue_data.pull.sweeps import COUNTS, LAG_PAUSES, SWEEPS, Pull
from tests.pull.model_account import ModelAccount
from tests.pull.scripted_contacts import TINY, at, done, ids, page
from tests.pull.scripted_pull import Counts, pull_of

# Options ---------------------------------------------------------------------------------------------------


def test_options_are_checked_before_anything_is_asked():
    for client, since, trust, words in [
        ("no client", None, "count", "client"),
        (ModelAccount([]), "soon", "count", "since is 'soon'"),
        (ModelAccount([]), None, "all", "trust is 'all': expected 'count' or 'seams'"),
    ]:
        with pytest.raises(ConfigurationError, match=words):
            Pull(client, since, progress=False, strict=False, trust=trust)
    assert pull_of(since=date(2026, 1, 2))._since == datetime(2026, 1, 2, tzinfo=UTC)
    assert pull_of()._since is None
    assert [pull_of(trust=trust)._trusts_seams for trust in ("count", "seams")] == [False, True]


# A sweep ---------------------------------------------------------------------------------------------------


def swept(expected=5, *, first=None, is_late=False, since=None, **reader):
    pull = pull_of(Listed(None), since=since, **reader)
    pull._started = at(0)
    found = [ids(rows) for rows in pull._sweep(expected, first, is_late=is_late)]
    return pull, found, pull._reader.log


def test_an_account_of_one_window_is_walked_and_no_more():
    pull, found, log = swept(5, first="the first page")
    assert found == [["a1"], ["b2"]]
    assert log == [("window", None, 5, "the first page"), ("walk", 5)]
    assert not pull._listed.came_late
    assert pull._undated_hide is None


@pytest.mark.parametrize(("newest", "hide"), [(page("z9"), None), (page("n-", "z9"), False)])
def test_where_a_walk_did_not_reach_those_without_a_moment_the_newest_end_is_looked_at(newest, hide):
    pull, found, log = swept(9, undated_shown=False, newest_page=newest)
    assert log == [("window", None, 9, None), ("walk", 9), ("newest", None), ("undated", ids(newest))]
    assert found == [["a1"], ["b2"], [] if hide is None else ["n-"]]
    assert pull._undated_hide is hide
    assert pull._listed.came_late is (hide is not None)


def test_of_an_account_larger_than_a_window_the_newest_are_asked_for_first():
    _, _, log = swept(10, undated_shown=False, counts=[10])
    assert log[:4] == [("newest", None), ("window", None, 10, None), "count", "renew"]
    assert log[4:] == [("walk", 10), ("undated", ["z9"])]
    _, _, log = swept(10, is_late=True)
    assert log == [("newest", None), ("window", None, 10, None), ("walk", 10)]


def test_a_late_sweep_gives_what_is_new():
    pull, found, _ = swept(5, is_late=True)
    assert (found, pull._listed.came_late) == ([["a1"], ["b2"]], True)


def test_a_part_of_the_account_ends_with_the_newest():
    pull, found, log = swept(None, since=at(0))
    assert found == [["a1"], ["b2"], ["z9"]]
    assert log == [("newest", at(0)), ("window", at(0), None, None), ("walk", None)]
    assert pull._undated_hide is None


@pytest.mark.parametrize(
    ("newest", "is_counted"),
    [
        (["z2"], True),
        (["z2", "n-"], True),
        (["n-", "z2"], False),
        (["n-"], False),
        ([], False),
    ],
)
def test_the_account_is_counted_once_more_after_the_newest_that_are_dated(newest, is_counted):
    pull = pull_of(Listed(None), counts=[6])
    pull._started = at(2) + timedelta(days=2)
    renewed = []
    pull._count_after_the_newest(done(page(*newest)), SimpleNamespace(renew_end=lambda: renewed.append(1)))
    assert (pull._counted, renewed) == ((6, [1]) if is_counted else (5, []))
    if is_counted:
        assert pull._listed.new_from == at(2)
        assert pull._listed.old_until == at(2) - timedelta(seconds=61)
        pull._listed.add(page("z2"))
        assert pull._listed.count_old() == 1  # it was there


@pytest.mark.parametrize(("later", "is_counted"), [(0, True), (1, False)])
def test_newest_from_before_any_clock_s_doubt_need_no_second_count(later, is_counted):
    pull = pull_of(Listed(None), counts=[6])
    pull._started = at(2) + timedelta(days=2, microseconds=later)
    pull._count_after_the_newest(done(page("z2")), SimpleNamespace(renew_end=lambda: None))
    assert pull._counted == (6 if is_counted else 5)


# Until the counts agree ------------------------------------------------------------------------------------


class Steps(Pull):
    """A pull whose findings are said beforehand: it only tells what it does."""

    shown = may_hide = doubt = orders_help = worth = ()

    def _said(self, name, *what):
        self._reader.log.append((name, *what) if what else name)
        yield from ()

    def _recount(self):
        self._reader.log.append("count")

    def _is_shown(self):
        return len([one for one in self._reader.log if one == "count"]) == self.shown

    def _undated_may_hide(self):
        return bool(self.may_hide)

    def _is_only_in_doubt(self):
        return bool(self.doubt)

    def _may_other_orders_show_more(self, sweep):
        return sweep == self.orders_help

    def _is_another_sweep_worth_it(self, *, is_only_in_doubt):
        assert is_only_in_doubt is bool(self.doubt)
        return bool(self.worth)

    def _look_for_undated(self):
        return self._said("look")

    def _other_orders(self):
        return self._said("orders")

    def _begin_sweep(self):
        self._reader.log.append("begin")

    def _sweep(self, expected, *, is_late):
        return self._said("sweep", expected, is_late)

    def _what_may_hide(self):
        return "one may hide"

    def _what_is_missing(self):
        return "some are missing"


LOOK_AGAIN = ["count", ("one by one", at(3)), "count", ("one by one", at(3)), "count"]


def reconciled(monkeypatch, *, since=None, count_after=5, is_proven=True, **findings):
    pull = pull_of(Counts(2), kind=Steps, since=since, is_proven=is_proven)
    pull._listed.newest = at(3)
    pull._count_after = count_after
    for name, value in findings.items():
        setattr(pull, name, value)
    monkeypatch.setattr(sweeps.time, "sleep", lambda seconds: pull._reader.log.append(("pause", seconds)))
    list(pull._reconcile())
    return pull, pull._reader.log


@pytest.mark.parametrize("counts", range(1, COUNTS + 1))
def test_an_account_is_counted_until_it_agrees_with_the_newest_in_between(monkeypatch, counts):
    pull, log = reconciled(monkeypatch, shown=counts)
    assert log == LOOK_AGAIN[: 2 * counts - 1]
    assert pull._listed.came_late is (counts > 1)
    assert (pull._problem, pull._doubt, pull._excess) == (None, None, [])


def test_the_look_in_the_order_of_phones_comes_once_a_sweep(monkeypatch):
    _, log = reconciled(monkeypatch, shown=2, may_hide=True)
    assert log == ["count", "look", *LOOK_AGAIN[1:3]]
    _, log = reconciled(monkeypatch, shown=5, may_hide=True, worth=True, count_after=20)
    assert [one for one in log if one in {"look", "begin"}] == ["look", "begin", "look"]
    _, log = reconciled(monkeypatch, shown=5, may_hide=True, worth=True, count_after=21)
    assert [one for one in log if one in {"look", "begin"}] == ["look", "begin"]  # more than both ends reach


def test_other_orders_are_read_where_they_may_show_more(monkeypatch):
    pull, log = reconciled(monkeypatch, shown=4, orders_help=1)
    assert log == [*LOOK_AGAIN, "orders", "count"]
    assert (pull._problem, pull._excess) == (None, [])
    _, log = reconciled(monkeypatch, orders_help=1)
    assert log == [*LOOK_AGAIN, "orders", "count"]
    _, log = reconciled(monkeypatch, orders_help=1, doubt=True)
    assert "orders" not in log
    _, log = reconciled(monkeypatch)
    assert "orders" not in log


def test_a_sweep_that_may_help_follows_after_a_pause(monkeypatch):
    pull, log = reconciled(monkeypatch, worth=True)
    again = [("pause", 0.5), "begin", ("sweep", 5, True)]
    last = [("pause", 2.0), "begin", ("sweep", 5, True)]
    assert log == [*LOOK_AGAIN, *again, *LOOK_AGAIN, *last, *LOOK_AGAIN]
    assert (SWEEPS, LAG_PAUSES) == (3, (0.5, 2.0))
    assert pull._excess == [3, 3, 3]
    assert (pull._problem, pull._doubt) == ("some are missing", None)
    _, log = reconciled(monkeypatch, worth=True, since=at(0))
    assert [one for one in log if one[0] == "sweep"] == [("sweep", None, True)] * 2


def test_without_seams_what_is_counted_beyond_the_listed_tells_nothing(monkeypatch):
    pull, _ = reconciled(monkeypatch, worth=True, is_proven=False)
    assert pull._excess == []


def test_where_no_sweep_would_help_there_is_none(monkeypatch):
    pull, log = reconciled(monkeypatch)
    assert log == LOOK_AGAIN
    assert (pull._problem, pull._doubt) == ("some are missing", None)
    pull, log = reconciled(monkeypatch, doubt=True)
    assert log == LOOK_AGAIN
    assert (pull._problem, pull._doubt) == (None, "one may hide")


def test_another_sweep_begins_to_compare_anew():
    pull = pull_of(Listed(None), counts=[7])
    pull._listed.add(page("a1"))
    pull._begin_sweep()
    assert (pull._count_after, pull._counted) == (7, 7)
    assert pull._reader.log == ["count", "begin"]
    assert pull._listed.count_in_sweep() == 0


@pytest.mark.parametrize(
    ("since", "crowded", "enough", "asked"),
    [
        (None, [], 99, [(None, *order) for order in sweeps.OTHER_ORDERS]),
        (at(0), [], 1, [(at(0), *order) for order in sweeps.OTHER_ORDERS]),  # no count tells
        (None, [at(3), at(3), at(4)], 99, [(cursor, *order) for order in sweeps.OTHER_ORDERS for cursor in (at(3), at(4))]),
        (None, [None], 99, [(None, *order) for order in sweeps.OTHER_ORDERS]),
        (None, [], 3, [(None, *order) for order in sweeps.OTHER_ORDERS[:2]]),
        (None, [at(3), at(4)], 3, [(at(3), "phone", "asc"), (at(4), "phone", "asc")]),
    ],
)  # fmt: skip
def test_other_orders_are_read_from_every_crowd_until_enough_are_listed(since, crowded, enough, asked):
    pull, found = pull_of(Listed(None), since=since, crowded=crowded, state={"count_after": enough}), []

    def pages(cursor, order_by, direction, overlap):
        assert overlap == TINY.overlap
        found.append((cursor, order_by, direction))
        return [page("a1", f"b{len(found)}")]

    pull._orders = SimpleNamespace(pages=pages)
    assert len(list(pull._other_orders())) == len(asked)
    assert found == asked
