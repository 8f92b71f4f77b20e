"""The pull of messages against a log whose truth the test holds: any size, ties, precision, caps and churn.

Its parts are tried one by one in `test_message_listing.py`, `test_message_windows.py` and `test_message_pull.py`.
The caps are scaled down to pages of 12 and offsets of 36, so that small logs need many windows. Each property is tried
on a few logs in the quick tests, and on many in the slow ones (`MESSAGE_EXAMPLES`).
"""

import os
import warnings
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, given, settings, strategies as st

from sendblue_data import MESSAGE_SCHEMA, iter_messages, merge_messages, pull_messages
from sendblue_data.errors import (
    ConfigurationError,
    FrameError,
    IncompletePullError,
    InvalidRequestError,
    UnprovenPullWarning,
)
from sendblue_data.pull import message_pull, message_windows
from sendblue_data.pull.message_listing import MessageListing
from sendblue_data.pull.message_spans import Span
from tests.pull.model_messages import EPOCH, SMALL, TICK, ModelMessages, numbers

PHASES = (Phase.explicit, Phase.reuse, Phase.generate, Phase.target)
MANY = int(os.environ.get("MESSAGE_EXAMPLES", "8"))


@pytest.fixture(autouse=True)
def small_caps(monkeypatch):
    monkeypatch.setattr(message_pull, "API_CAPS", SMALL)
    monkeypatch.setattr(message_windows, "API_CAPS", SMALL)


def holds_for(**drawn):
    """Make a test of a property: of a few examples, and marked slow of many."""

    def test_of(body):
        deep = pytest.param(MANY, marks=[pytest.mark.slow, pytest.mark.timeout(600)])

        @pytest.mark.parametrize("examples", [3, deep])
        def test(examples):
            settings(
                max_examples=examples,
                deadline=None,
                suppress_health_check=[HealthCheck.too_slow],
                phases=PHASES,
            )(given(**drawn)(body))()

        test.__name__, test.__doc__ = body.__name__, body.__doc__
        return test

    return test_of


class Moments(list):
    """Moments in groups that are equal; prints as its groups."""

    def __init__(self, groups, most):
        self.says = f"Moments({groups}, {most})"
        super().__init__(
            [
                EPOCH + timedelta(milliseconds=at, microseconds=at % 997)
                for at, size in groups
                for _ in range(size)
            ][:most]
        )

    def __repr__(self):
        return self.says


@st.composite
def moments(draw, most=150, biggest_tie=40):
    span = draw(st.sampled_from([300, 60_000, 3_000_000_000]))
    groups = draw(
        st.lists(
            st.tuples(st.integers(0, span), st.integers(1, biggest_tie)),
            max_size=draw(st.sampled_from([3, 30, 100])),
            unique_by=lambda group: group[0],
        )
    )
    return Moments(groups, most)


caps = st.sampled_from(
    [
        {},
        {"page_cap": 6},
        {"page_cap": 6, "refuses_page": True},
        {"reach": 20},
        {"reach": 20, "refuses_reach": True},
        {"refuses_reach": True},
    ]
)
MISLEADING = ({"reach": 20}, {"page_cap": 6}, {"page_cap": 6, "refuses_page": True})
"""Caps of which a server that sorts equal moments anew may look, by chance, as if it gave a page again."""
filters = st.fixed_dictionaries(
    {
        "exclusive": st.booleans(),
        "clock": st.sampled_from([TICK, timedelta(milliseconds=1), timedelta(seconds=1)]),
    }
)
totals = st.sampled_from(["exact", "exact", "capped", "far", "page", "missing"])
churn = st.dictionaries(
    st.integers(1, 60),
    st.lists(
        st.tuples(st.sampled_from(["delete", "arrive", "arrive", "late"]), st.integers(0, 3_000_000)),
        min_size=1,
        max_size=4,
    ),
    max_size=20,
)


def pulled(account, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnprovenPullWarning)
        return pull_messages(account, progress=False, with_evidence=True, **options)


@holds_for(created=moments(), caps=caps, stable=st.booleans(), handles=st.booleans())
def test_a_quiet_log_arrives_whole(created, caps, stable, handles):
    account = ModelMessages(created, stable_ties=stable, handles=handles, **caps)
    frame, evidence = pulled(account)
    assert frame.schema == MESSAGE_SCHEMA
    assert frame.height == evidence.messages
    assert len(set(numbers(frame))) == frame.height
    if not (stable or evidence.complete) and caps in MISLEADING:
        return  # said
    assert sorted(numbers(frame)) == sorted(account.stayed)
    if stable:
        assert numbers(frame) == sorted(account.stayed)
    assert evidence.complete
    assert evidence.total_before == evidence.total_after == len(created)


@holds_for(
    created=moments(), caps=caps, filters=filters, totals=totals, stable=st.booleans(), honours=st.booleans()
)
def test_what_calls_itself_complete_is(created, caps, filters, totals, stable, honours):
    """Whatever the server does with bounds, totals, ties and orders."""
    account = ModelMessages(
        created, totals=totals, stable_ties=stable, honours_order=honours, **caps, **filters
    )
    try:
        frame, evidence = pulled(account)
    except IncompletePullError as error:
        came = numbers(error.frame)
        lacks = len(created) - len(came)
        assert error.missing == lacks > 0 if totals == "exact" else 0 < error.missing <= lacks
        assert len(set(came)) == len(came)
        return
    assert len(set(numbers(frame))) == frame.height
    if evidence.complete:
        assert sorted(numbers(frame)) == sorted(account.stayed)


@holds_for(created=moments(), filters=filters)
def test_bounds_lose_nothing_whatever_their_precision(created, filters):
    """Where totals tell, and no second holds more than offsets reach."""
    spread = [at + timedelta(seconds=nth // 20) for nth, at in enumerate(sorted(created))]
    account = ModelMessages(spread, **filters)
    frame, evidence = pull_messages(account, progress=False, with_evidence=True)
    assert numbers(frame) == sorted(account.stayed)
    assert evidence.complete


@holds_for(created=moments(), events=churn, totals=totals, stable=st.booleans())
def test_messages_that_stay_arrive_while_others_come_and_go(created, events, totals, stable):
    account = ModelMessages(created, events=events, totals=totals, stable_ties=stable)
    try:
        frame, evidence = pulled(account)
    except IncompletePullError:
        return  # said
    came = numbers(frame)
    assert len(set(came)) == len(came)
    assert set(came) <= account.ever
    if evidence.complete:
        assert account.stayed <= set(came)


@holds_for(
    created=moments(), events=st.dictionaries(st.integers(1, 60), st.just([("arrive", 0)]), max_size=30)
)
def test_arrivals_alone_never_make_a_pull_doubt(created, events):
    account = ModelMessages(created, events=events)
    frame, evidence = pull_messages(account, progress=False, with_evidence=True)
    assert evidence.complete
    assert account.stayed <= set(numbers(frame))


@holds_for(created=moments(), hidden=st.sets(st.integers(0, 100), min_size=1, max_size=5), caps=caps)
def test_messages_that_are_told_of_and_never_listed_are_missed(created, hidden, caps):
    account = ModelMessages(created, hidden=frozenset(hidden), **caps)
    lost = hidden & account.stayed
    if not lost:
        return
    with pytest.raises(IncompletePullError) as raised:
        pull_messages(account, progress=False)
    assert raised.value.missing == len(lost)
    assert raised.value.expected == len(created)
    assert sorted(numbers(raised.value.frame)) == sorted(account.stayed - lost)


@pytest.mark.parametrize(
    "beyond", [pytest.param(-1, marks=pytest.mark.slow), 0, pytest.param(1, marks=pytest.mark.slow), 20]
)
@pytest.mark.parametrize("stable", [True, False])
def test_more_at_one_moment_than_offsets_reach(beyond, stable):
    """Both ends of each order show twice as many."""
    account = ModelMessages(
        [EPOCH] * (SMALL.reach + beyond) + [EPOCH + timedelta(days=3)], stable_ties=stable
    )
    frame, evidence = pull_messages(account, progress=False, with_evidence=True)
    assert sorted(numbers(frame)) == sorted(account.stayed)
    assert evidence.complete


def test_more_than_both_ends_reach_are_missing_and_counted():
    account = ModelMessages([EPOCH] * (2 * SMALL.reach + 7))
    with pytest.raises(IncompletePullError, match="tells of 7 messages that it never listed") as raised:
        pull_messages(account, progress=False)
    assert raised.value.missing == 7
    frame = pull_messages(account, progress=False, allow_incomplete=True)
    assert frame.height == 2 * SMALL.reach


@pytest.mark.slow
@pytest.mark.parametrize(("sizes", "totals"), [((7,), "page"), ((31, 1), "capped")])
@pytest.mark.parametrize("refuses_page", [True, False])
def test_no_number_proves_anything_where_it_is_not_that_of_all(sizes, totals, refuses_page):
    """Small pages whose equal moments come in another order each time, so that as many as are told of come twice."""
    for seed in range(2):
        account = ModelMessages(
            [EPOCH + timedelta(seconds=nth) for nth, size in enumerate(sizes) for _ in range(size)],
            totals=totals, stable_ties=False, page_cap=6, refuses_page=refuses_page, seed=seed,
        )  # fmt: skip
        frame, evidence = pulled(account)
        assert not evidence.complete or set(numbers(frame)) == account.stayed, seed


@pytest.mark.parametrize(
    "step", [pytest.param(timedelta(milliseconds=1), marks=pytest.mark.slow), timedelta(hours=5)]
)
@pytest.mark.parametrize("totals", ["capped", "far"])
def test_a_total_that_ends_somewhere_is_found_out(step, totals):
    """Such as at 10,000: what is told of either half of a window is what was told of it all."""
    account = ModelMessages([EPOCH + nth * step for nth in range(150)], totals=totals)
    frame, evidence = pulled(account)
    if step > timedelta(seconds=1):  # within one second only totals tell windows apart
        assert evidence.complete
        assert numbers(frame) == sorted(account.stayed)
    assert not evidence.complete or frame.height == 150


def test_what_was_read_backwards_goes_before_anything():
    """Polars' `reverse` makes of a column of no lists one that fits no other."""
    listing = MessageListing(ModelMessages([EPOCH] * 3), SMALL)
    walk = listing.walk(Span(None, None, EPOCH, EPOCH + timedelta(days=1)), way="desc")
    assert numbers(pl.concat([walk.rows, MESSAGE_SCHEMA.to_frame()])) == [0, 1, 2]


def test_ties_that_never_hold_still_are_doubted_where_no_total_tells():
    account = ModelMessages([EPOCH] * 40, totals="missing", stable_ties=False)
    with pytest.warns(UnprovenPullWarning, match="never fitted together"):
        _, evidence = pull_messages(account, progress=False, with_evidence=True)
    assert not evidence.complete
    assert "never fitted" in evidence.doubt


@holds_for(created=moments(), since=st.integers(0, 3_000_000), length=st.integers(1, 3_000_000))
def test_since_and_until(created, since, length):
    start = EPOCH + timedelta(milliseconds=since)
    end = start + timedelta(milliseconds=length)
    account = ModelMessages(created)
    frame, evidence = pull_messages(account, since=start, until=end, progress=False, with_evidence=True)
    assert numbers(frame) == [number for at, number in account.log if start <= at < end]
    assert (evidence.since, evidence.until, evidence.complete) == (start, end, True)


@pytest.mark.parametrize("length", [timedelta(milliseconds=81), timedelta(seconds=1)])
def test_nothing_from_before_since(length):
    """Not in a span shorter than the seams, and not where messages may still arrive."""
    begin = datetime.now(UTC) - message_pull.RESTS_BEFORE - length / 2
    created = [begin + (nth - 60) * length / 120 for nth in range(150)]
    for until in (begin + length, None):
        account = ModelMessages(created)
        frame, _ = pull_messages(account, since=begin, until=until, progress=False, with_evidence=True)
        assert numbers(frame) == [
            number for at, number in account.log if begin <= at < (until or at + message_pull.SEAM)
        ]


def test_each_message_once_where_bounds_are_whole_seconds():
    account = ModelMessages(
        [EPOCH + timedelta(milliseconds=nth // 3) for nth in range(150)], clock=timedelta(seconds=1)
    )
    frame = pull_messages(account, progress=False, allow_incomplete=True)
    assert len(set(numbers(frame))) == frame.height == 2 * SMALL.reach


@pytest.mark.parametrize(
    ("size", "request_number", "seed"), [(30, 10, 0), (30, 5, 9), (40, 6, 11), (40, 8, 4)]
)
def test_one_that_went_does_not_stand_for_one_that_never_came(size, request_number, seed):
    """Where equal moments come in another order each time, and one of them is deleted while they are read."""
    account = ModelMessages(
        [EPOCH] * size, events={request_number: [("delete", 17)]}, stable_ties=False, seed=seed
    )
    frame, evidence = pulled(account)
    assert evidence.complete
    assert account.stayed <= set(numbers(frame))


@holds_for(created=moments(), part=st.floats(0, 1), late=st.lists(st.integers(1, 59), max_size=5))
def test_pulls_one_after_the_other_are_one(created, part, late):
    """A message may show up to a minute late: the next pull begins so much before the newest of this one."""
    account = ModelMessages(created)
    frame, evidence = pull_messages(account, progress=False, with_evidence=True)
    newest = evidence.newest or EPOCH
    for seconds in late:
        account.log.append((newest - timedelta(seconds=seconds), account.next_number))
        account.next_number += 1
    account.log.sort()
    newer = pull_messages(account, since=evidence.next_since, progress=False)
    assert len(late) <= newer.height <= len(late) + len(created)
    both = merge_messages(frame, newer)
    assert sorted(numbers(both)) == list(range(account.next_number))
    assert merge_messages(both, newer).height == both.height


@pytest.mark.parametrize(
    "wrong", [timedelta(hours=-1), timedelta(0), timedelta(hours=1), timedelta(days=400)]
)
@pytest.mark.parametrize("before", [0, 1, 60])
def test_a_clock_that_is_wrong_loses_no_message(monkeypatch, wrong, before):
    """Of an account that is texted every few seconds, pulled twice by a machine whose clock is wrong."""

    class WrongClock(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) + wrong

    monkeypatch.setattr(message_pull, "datetime", WrongClock)
    now = datetime.now(UTC)
    account = ModelMessages([now - timedelta(seconds=7 * nth) for nth in range(before)])
    frame, evidence = pull_messages(account, progress=False, with_evidence=True)
    for seconds in range(0, 3_000, 100):
        account.log.append((now + timedelta(seconds=seconds), account.next_number))
        account.next_number += 1
    both = merge_messages(frame, pull_messages(account, since=evidence.next_since, progress=False))
    assert sorted(numbers(both)) == list(range(account.next_number))


def test_after_a_part_the_next_pull_begins_where_it_ended():
    account = ModelMessages([EPOCH + timedelta(hours=nth) for nth in range(20)])
    until = EPOCH + timedelta(hours=10)
    _, evidence = pull_messages(account, until=until, progress=False, with_evidence=True)
    assert until - timedelta(hours=2) < evidence.next_since < until
    _, nothing = pull_messages(account, since=EPOCH + timedelta(days=9), progress=False, with_evidence=True)
    assert nothing.next_since == EPOCH + timedelta(days=9)


@holds_for(created=moments(), caps=caps)
def test_frame_by_frame_each_message_is_in_one(created, caps):
    account = ModelMessages(created, **caps)
    frames = list(iter_messages(account, progress=False))
    whole = pl.concat([MESSAGE_SCHEMA.to_frame(), *frames])
    assert numbers(whole) == sorted(account.stayed)
    assert all(
        0 < frame.height <= 2 * SMALL.reach for frame in frames
    )  # one window, in halves if it is too full


def test_few_requests():
    """As few as windows allow: each page overlaps by 4, and each halving asks once."""
    account = ModelMessages([EPOCH + timedelta(hours=nth) for nth in range(500)])
    pull_messages(account, progress=False)
    assert account.requests < 150


def test_a_server_that_takes_no_limit_is_an_error():
    account = ModelMessages([EPOCH], page_cap=0, refuses_page=True)
    with pytest.raises(InvalidRequestError):
        pull_messages(account, progress=False)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"since": "soon"}, "since is 'soon'"),
        ({"since": "2026-03-02", "until": datetime(2026, 3, 2, tzinfo=UTC)}, "expected an earlier since"),
        ({"content": "yes"}, "content is 'yes'"),
        ({"languages": "fr"}, "languages is 'fr'"),
        ({"languages": ["xx"]}, "languages has 'xx'"),
    ],
)
def test_options_that_cannot_be_used(options, said):
    with pytest.raises(ConfigurationError, match=said):
        pull_messages(ModelMessages([]), progress=False, **options)
    with pytest.raises(ConfigurationError, match="expected a client"):
        pull_messages("key")


def test_merging_asks_for_the_same_columns():
    with pytest.raises(FrameError, match="'mood'"):
        merge_messages(MESSAGE_SCHEMA.to_frame(), MESSAGE_SCHEMA.to_frame().with_columns(mood=1))
