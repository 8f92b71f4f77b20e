"""One pull of contacts, step by step: what it reads, what shows that nothing is missing, and what it says afterwards."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace

import polars as pl
import pytest

from sendblue_data.errors import ConfigurationError, IncompletePullError, UnprovenPullWarning
from sendblue_data.pull import sweeps
from sendblue_data.pull.evidence import Repair
from sendblue_data.pull.joining import PLACED, Listed, keys
from sendblue_data.pull.pages import AccountNeverStill, OrderIgnored
from sendblue_data.pull.sweeps import COUNTS, FEW_GONE, LAG_PAUSES, SWEEPS, UNORDERED_CURSORS, Pull
from sendblue_data.schema import CONTACT_SCHEMA
from tests.pull.model_account import EPOCH, SMALL, ModelAccount, Person, numbers
from tests.pull.scripted_contacts import TINY, at, done, ids, page


class Reader(SimpleNamespace):
    """What a reader knows, and what it was asked for."""

    def __init__(self, **state):
        known = {
            "caps": TINY, "is_proven": True, "undated_shown": True, "windows": 1, "crowded": [], "unproven": 0,
            "pages": 0, "retaken": 0, "repeats": 0, "counts": [], "log": [], "newest_page": page("z9"),
        }  # fmt: skip
        super().__init__(**{**known, **state})

    def count(self):
        self.log.append("count")
        return done(self.counts.pop(0))

    def newest(self, start):
        self.log.append(("newest", start))
        return done(self.newest_page)

    def open_window(self, start, expected, first):
        self.log.append(("window", start, expected, first))
        return SimpleNamespace(renew_end=lambda: self.log.append("renew"))

    def walk(self, _window, expected):
        self.log.append(("walk", expected))
        yield page("a1")
        yield page("b2")

    def undated(self, newest):
        self.log.append(("undated", ids(newest)))
        return page("n-") if newest[PLACED][:1].null_count() else newest[:0]

    def one_by_one(self, start):
        self.log.append(("one by one", start))
        return page("z3")

    def begin_sweep(self):
        self.log.append("begin")


class Counts(Listed):
    """What was listed, by numbers alone."""

    def __init__(self, listed=5, *, old=None, perhaps_old=None, in_sweep=None):
        super().__init__(None)
        self.listed = listed
        self.old, self.perhaps_old, self.in_sweep = (
            listed if one is None else one for one in (old, perhaps_old, in_sweep)
        )

    def count(self):
        return self.listed

    def count_old(self):
        return self.old

    def count_perhaps_old(self):
        return self.perhaps_old

    def count_in_sweep(self):
        return self.in_sweep


def pull_of(listed=None, *, since=None, trust="count", kind=Pull, state=(), **reader):
    """Make a pull whose reader and counts are said; `state` is what else it knows."""
    pull = kind(ModelAccount([]), since, progress=False, strict=False, trust=trust)
    pull._reader = Reader(**reader)
    pull._listed = listed or Counts()
    pull._counted = pull._count_after = 5
    for name, value in dict(state).items():
        setattr(pull, f"_{name}", value)
    return pull


# Options ----------------------------------------------------------------------------------------------------


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


# What shows that nothing is missing -------------------------------------------------------------------------

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


# A sweep ----------------------------------------------------------------------------------------------------


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


# Until the counts agree -------------------------------------------------------------------------------------


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


# What is said -----------------------------------------------------------------------------------------------

LAST = " Use .frame for what arrived, or pull again when less is written to the account."


@pytest.mark.parametrize(
    ("state", "reader", "words"),
    [
        ({"missing": 2}, {}, "The account counts 5 contacts and listed 3: 2 missing." + LAST),
        ({}, {}, "The account counts 5 contacts and listed 3: it never held still while it was read." + LAST),
        ({"since": at(0)}, {}, "3 contacts were listed, but more may be there." + LAST),
        (
            {"missing": 2},
            {"unproven": 1},
            "The account counts 5 contacts and listed 3: 2 missing. "
            "Contacts that share a created_at came in another order each time." + LAST,
        ),
        (
            {"missing": 2},
            {"crowded": [at(1), None, at(1)]},
            "The account counts 5 contacts and listed 3: 2 missing. More than 10 contacts share created_at "
            "2026-01-01T00:01:00+00:00; the API can't list all of them. More than 10 contacts have no created_at; the "
            "API can't list all of them." + LAST,
        ),
    ],
)
def test_what_is_missing_is_said(state, reader, words):
    assert pull_of(Counts(3), state=state, **reader)._what_is_missing() == words


@pytest.mark.parametrize(
    ("excess", "missing", "is_steady"),
    [([2, 2, 2], 2, True), ([2, 2], 2, False), ([2, 2, 1], 2, False), ([0, 0, 0], 0, False)],
)
def test_a_count_that_stays_off_by_as_many_is_said_to_be(excess, missing, is_steady):
    said = pull_of(Counts(3), state={"excess": excess, "missing": missing})._what_is_missing()
    assert said.startswith("The account counts 5 contacts and listed 3: ")
    assert ("It counts 5, lists 3, three times over, with no gap" in said) is is_steady
    assert said.endswith(" What arrived is in .frame." if is_steady else LAST)


def test_what_may_hide_is_said():
    said = pull_of(Counts(3))._what_may_hide()
    assert said.startswith(
        "3 contacts were listed and none is known to be missing, but the account's count (5) does not"
    )


def test_a_problem_is_raised_and_a_doubt_is_warned_of():
    frame = page("a1")
    pull_of().check(frame)  # warnings are errors in these tests
    with pytest.raises(IncompletePullError, match="some are missing") as caught:
        pull_of(state={"problem": "some are missing", "doubt": "one may hide", "missing": 2}).check(frame)
    assert (caught.value.frame, caught.value.expected, caught.value.missing) == (frame, 5, 2)
    with pytest.warns(UnprovenPullWarning, match="one may hide"):
        pull_of(state={"doubt": "one may hide"}).check(frame)


@pytest.mark.parametrize(
    ("state", "complete"),
    [
        ({}, True),
        ({"problem": "some are missing"}, False),
        ({"doubt": "one may hide"}, False),
    ],
)
def test_evidence_is_what_was_done(state, complete):
    pull = pull_of(Listed(at(0)), since=at(0), state=state, pages=7, windows=2, retaken=1, repeats=10)
    pull._orders = SimpleNamespace(refused=["Refused."])
    pull._notes = ["Noted."]
    rows = page("a1", "b2", "a1")
    pull._listed.add(rows)
    fault = ("tags", "not a list")
    pull._reader.oddities = SimpleNamespace(
        keys=lambda: keys(page("a1", "c3")).hash(), found={one: ("a1", [fault]) for one in keys(rows).hash()}
    )
    told = pull.evidence()
    assert (told.complete, told.doubt) == (complete, state.get("doubt"))
    assert (told.pages, told.windows, told.retaken, told.repeats_dropped, told.contacts) == (7, 2, 1, 11, 2)
    assert (told.account, told.requests, told.since, told.count_after) == ("model", 0, at(0), 5)
    assert told.notes == ("Noted.", "Refused.")
    assert told.repaired == (Repair(*fault, 1, ("a1",)),)
    assert told.unfilled == tuple(name for name in CONTACT_SCHEMA if name not in {"contact_id", "created_at"})


def test_of_no_contact_no_column_is_said_to_be_unfilled():
    pull = pull_of(Listed(None))
    pull._orders = SimpleNamespace(refused=[])
    pull._reader.oddities = SimpleNamespace(keys=lambda: pl.Series(dtype=pl.UInt64), found={})
    told = pull.evidence()
    assert (told.unfilled, told.contacts, told.count_before, told.repeats_dropped) == ((), 0, 0, 0)


def test_what_came_late_is_put_in_its_place():
    """Those of one moment stay as they came."""
    pull = pull_of(Listed(None))
    minutes = [minute % 7 for minute in range(2_000)]
    frame = page(*[f"{chr(97 + nth % 26)}{minute}" for nth, minute in enumerate(minutes)])
    assert pull.in_order(frame) is frame
    pull._listed.came_late = True
    sorted_by_hand = sorted(range(2_000), key=minutes.__getitem__)
    assert pull.in_order(frame).equals(frame[sorted_by_hand])


# A whole pull -----------------------------------------------------------------------------------------------


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


# Where the server sorts as it likes -------------------------------------------------------------------------


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
