"""Contacts without a moment that a server lists behind all others, upwards and downwards, in accounts that move.

No window reaches them. The API's caps are scaled down as in `test_pull_properties`.
"""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import example, given, settings, strategies as st

from sendblue_data import Sandbox, pull_contacts
from sendblue_data.errors import IncompletePullError, UnprovenPullWarning
from sendblue_data.pull import sweeps
from sendblue_data.pull.spans import Span, leave_no_gap, phone_spans
from tests.pull.model_account import EPOCH, SMALL, ModelAccount, Person, numbers


@pytest.fixture
def small_caps(monkeypatch):
    monkeypatch.setattr(sweeps, "API_CAPS", SMALL)
    monkeypatch.setattr(sweeps, "LAG_PAUSES", (0.0, 0.0))


def account_of(size, events=None, *, undated=(), until=None, step=timedelta(minutes=1), **options):
    """Make an account of so many, a minute after one another, the last of them at `until`."""
    first = EPOCH if until is None else until - step * (size - 1)
    people = [Person(nth, None if nth in undated else first + step * nth) for nth in range(size)]
    return ModelAccount(people, events or {}, nulls_first=False, nulls_stay=True, **options)


COMES_AND_GOES = {request: [("delete", 29 * request), ("create now", 0)] for request in range(1, 400)}


@pytest.mark.parametrize("age", [timedelta(days=300), timedelta(hours=1), timedelta(0)], ids=str)
@pytest.mark.parametrize("size", [109, 150, 259])
def test_a_still_account_larger_than_a_window_is_read_once(size, age, small_caps):
    account = account_of(size, until=datetime.now(UTC) - age)

    frame, evidence = pull_contacts(account, progress=False, with_evidence=True)

    is_young = age < timedelta(days=2)
    assert frame.height == size
    assert evidence.complete
    assert account.counts == 2 + is_young
    assert account.lists <= 1 + size // SMALL.step + size // SMALL.reach + 1 + is_young


@pytest.mark.parametrize("age", [timedelta(days=300), timedelta(0)], ids=str)
@pytest.mark.parametrize(
    "events",
    [
        {2: [("delete", 1), ("create now", 0)]},
        {2: [("create now", 0)], 20: [("delete", 3)]},
        {19: [("delete", 3), ("create now", 0)]},
    ],
    ids=str,
)
@pytest.mark.parametrize("size", [109, 150, 259])
def test_equal_counts_hide_nobody(size, events, age, small_caps):
    """One came, one went, and one that is in the middle of every order hides."""
    account = account_of(size, events, undated=[size // 2], until=datetime.now(UTC) - age)

    try:
        frame, evidence = pull_contacts(account, progress=False, with_evidence=True)
    except IncompletePullError as error:
        assert size > 2 * SMALL.reach
        assert error.missing or "never held still" in str(error)
        return
    assert evidence.complete
    assert account.stayed <= set(numbers(frame)) <= account.ever


def test_who_comes_and_goes_all_the_while_leaves_no_doubt_in_what_two_ends_reach(small_caps):
    account = account_of(150, COMES_AND_GOES, undated=[75])

    frame, evidence = pull_contacts(account, progress=False, with_evidence=True)

    assert evidence.complete
    assert account.stayed <= set(numbers(frame)) <= account.ever


def test_a_short_first_page_shows_everybody_without_another_order(small_caps):
    """Hypothesis found it: the pages did not join, since some went, and the phones that tell were not shown."""
    account = account_of(12, {1: [("delete", 0)] * 4}, shows=("contact_id",))

    frame, evidence = pull_contacts(account, progress=False, with_evidence=True)

    assert evidence.complete
    assert frame.height == 8


def test_who_only_comes_leaves_no_doubt_in_a_larger_account(small_caps):
    comers = {request: [("create now", 0)] for request in range(5, 60, 10)}
    account = account_of(259, comers)

    frame, evidence = pull_contacts(account, progress=False, with_evidence=True)

    assert evidence.complete
    assert account.lists < 45  # without a look in another order
    assert account.stayed <= set(numbers(frame))


def test_where_nothing_can_rule_out_that_one_hides_the_pull_says_so(small_caps):
    with pytest.warns(UnprovenPullWarning, match="none is known to be missing"):
        frame, evidence = pull_contacts(account_of(259, COMES_AND_GOES), progress=False, with_evidence=True)
    assert frame.height >= 200
    assert not evidence.complete
    assert "without created_at" in evidence.doubt
    assert evidence.as_dict()["doubt"] == evidence.doubt

    account = account_of(259, COMES_AND_GOES)
    _, trusted = pull_contacts(account, trust="seams", progress=False, with_evidence=True)
    assert (trusted.complete, trusted.doubt) == (True, None)

    account = account_of(259, COMES_AND_GOES)
    _, read = pull_contacts(account, allow_incomplete=True, progress=False, with_evidence=True)
    assert (read.complete, read.doubt is None) == (False, False)


def test_a_count_that_is_too_low_rules_nothing_out(small_caps):
    account = account_of(259, count_off=lambda _: -1)

    with pytest.warns(UnprovenPullWarning, match="counts others than it lists"):
        frame, evidence = pull_contacts(account, progress=False, with_evidence=True)

    assert sorted(numbers(frame)) == sorted(account.stayed)
    assert account.lists < 90  # another sweep would show no more
    assert not evidence.complete


def test_where_one_was_seen_to_hide_a_doubt_is_no_longer_enough(small_caps):
    account = account_of(259, COMES_AND_GOES, undated=[3, 130])

    with pytest.raises(IncompletePullError, match="never held still"):
        pull_contacts(account, progress=False)


@pytest.mark.slow
def test_a_large_account_that_never_rests_is_read_with_a_doubt():
    with Sandbox(25_000, churn=1) as sandbox, sandbox.client() as client:
        before = {row["phone"] for row in sandbox.rows()}
        with pytest.warns(UnprovenPullWarning):
            frame, evidence = pull_contacts(client, progress=False, with_evidence=True)

    assert before - set(sandbox.churned_out) <= set(frame["phone"])
    assert not evidence.complete
    assert evidence.requests < 100


def pages_of(phones, offsets, *, descending=False, full=10):
    listed = sorted(phones, reverse=descending)
    return [
        pl.DataFrame({"phone": listed[offset : offset + full]}, schema={"phone": pl.String})
        for offset in offsets
    ]


@settings(max_examples=100)
@example(size=40, low=[0, 7, 14], high=[0, 7, 14], ties=1)
@given(
    size=st.integers(0, 60),
    low=st.lists(st.integers(0, 30)).map(lambda more: sorted({0, *more})),
    high=st.lists(st.integers(0, 30)).map(lambda more: sorted({0, *more})),
    ties=st.integers(1, 12),
)
def test_pages_without_a_gap_show_everybody(size, low, high, ties):
    """By a truth that knows who is on the pages; contacts that share a phone may lie across the end of one."""
    people = [(f"+1212555{number // ties:04d}", number) for number in range(size)]
    shown, spans = set(), []
    for offsets, descending in ((low, False), (high, True)):
        listed = sorted(people, key=lambda one: one[0], reverse=descending)
        pages = pages_of([phone for phone, _ in people], offsets, descending=descending)
        shown |= {one for offset in offsets for one in listed[offset : offset + 10]}
        spans += phone_spans(pages, descending=descending, full=10)

    if leave_no_gap(spans):
        assert shown == set(people)


@pytest.mark.parametrize("size", [11, 21, 32, 33, 34, 35])
def test_pages_that_overlap_meet_where_they_reach(size):
    phones = [f"+1212555{number:04d}" for number in range(size)]
    up, down = (
        phone_spans(pages_of(phones, [0, 7], descending=descending), descending=descending, full=10)
        for descending in (False, True)
    )

    assert leave_no_gap([*up, *down]) is (size <= 32)  # 17 from either end, and two on both


def test_what_is_not_in_the_order_of_phones_spans_nothing():
    assert phone_spans(pages_of(["+1", "+2"], [0]), descending=True, full=10) is None
    assert phone_spans([pl.DataFrame({"phone": ["+1", None]})], descending=False, full=10) is None
    assert phone_spans(pages_of(["+1", "+2"], [0], full=2), descending=False, full=2) == [Span(None, "+2")]
    assert not leave_no_gap([])
