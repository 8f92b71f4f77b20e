"""The pull against an account whose truth the test holds: any size, ties, truncation, nulls and churn.

The API's caps are scaled down to pages of 10 and offsets of 100, so that small accounts need many windows.
"""

from collections import Counter
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import sendblue_data.pull as pull_module
from sendblue_data import pull_contacts
from sendblue_data.errors import IncompletePullError
from tests.pull.model_account import EPOCH, SMALL, ModelAccount, Person, numbers


@pytest.fixture(autouse=True)
def small_caps(monkeypatch):
    monkeypatch.setattr(pull_module, "API_CAPS", SMALL)


relaxed = settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@st.composite
def people(draw, most=700, biggest_tie=100):
    """Contacts in groups that share a moment, some without one."""
    groups = draw(
        st.lists(
            st.tuples(st.integers(0, 3_000_000), st.integers(1, biggest_tie)),
            max_size=draw(st.sampled_from([3, 30, 200])),
            unique_by=lambda group: group[0],  # more at one moment than listings reach is another test's
        )
    )
    undated = draw(st.sampled_from([0, 0, 1, 15]))
    return People(undated, groups, most)


class People(list):
    """Persons who print as their groups, so that a failing case can be read."""

    def __init__(self, undated, groups, most):
        self.says = f"People({undated}, {groups}, {most})"
        super().__init__(Person(number, None) for number in range(undated))
        for milliseconds, size in groups:
            moment = EPOCH + timedelta(milliseconds=milliseconds, microseconds=milliseconds % 7)
            self += [Person(len(self) + extra, moment) for extra in range(min(size, most - len(self)))]

    def __repr__(self):
        return self.says


churn = st.dictionaries(
    st.integers(1, 120),
    st.lists(
        st.tuples(st.sampled_from(["delete", "delete", "create", "create now"]), st.integers(0, 10_000)),
        min_size=1,
        max_size=6,
    ),
    max_size=40,
)
truncations = st.sampled_from([timedelta(microseconds=1), timedelta(milliseconds=1), timedelta(seconds=1)])


@relaxed
@given(people=people(), truncate_to=truncations, nulls_first=st.booleans())
def test_a_quiet_account_arrives_whole(people, truncate_to, nulls_first):
    account = ModelAccount(people, truncate_to=truncate_to, nulls_first=nulls_first)

    frame, evidence = pull_contacts(account, progress=False, with_evidence=True)

    assert sorted(numbers(frame)) == sorted(account.stayed)
    assert evidence.complete
    assert evidence.contacts == evidence.count_before == evidence.count_after == frame.height
    if not people or max(Counter(person.created for person in people).values()) < SMALL.page:
        assert evidence.pages <= 2 * len(people) // SMALL.step + 12


@relaxed
@given(people=people(), events=churn, truncate_to=truncations, nulls_first=st.booleans())
def test_a_contact_that_stays_is_never_missing(people, events, truncate_to, nulls_first):
    account = ModelAccount(people, events, truncate_to=truncate_to, nulls_first=nulls_first)

    frame = pull_contacts(account, progress=False)

    found = numbers(frame)
    assert len(found) == len(set(found))
    assert account.stayed <= set(found) <= account.ever


@relaxed
@given(people=people(biggest_tie=9), events=churn)
def test_equal_moments_may_come_in_any_order(people, events):
    account = ModelAccount(people, events, stable_ties=False)

    found = numbers(pull_contacts(account, progress=False))

    assert len(found) == len(set(found))
    assert account.stayed <= set(found) <= account.ever


@relaxed
@given(people=people(), hidden=st.sets(st.integers(0, 699), min_size=1, max_size=10))
def test_a_contact_that_is_counted_but_never_listed_raises(people, hidden):
    account = ModelAccount(people, hidden=frozenset(hidden))
    missing = len(hidden & account.stayed)

    if not missing:
        assert pull_contacts(account, progress=False).height == len(people)
        return
    with pytest.raises(IncompletePullError) as caught:
        pull_contacts(account, progress=False)

    assert caught.value.missing == missing
    assert caught.value.expected == len(people)
    assert sorted(numbers(caught.value.frame)) == sorted(account.stayed - hidden)


@relaxed
@given(crowd=st.integers(111, 420), before=st.integers(0, 60), after=st.integers(0, 60), truncate_to=truncations)
def test_a_crowd_at_one_moment_is_listed_or_counted(crowd, before, after, truncate_to):
    moments = [EPOCH - timedelta(minutes=number + 1) for number in range(before)]
    moments += [EPOCH] * crowd
    moments += [EPOCH + timedelta(minutes=number + 1) for number in range(after)]
    account = ModelAccount([Person(number, moment) for number, moment in enumerate(moments)], truncate_to=truncate_to)

    try:
        frame = pull_contacts(account, progress=False)
    except IncompletePullError as error:
        assert error.missing == len(moments) - error.frame.height > 0
        assert crowd + after > 2 * SMALL.reach  # from either end, another order reaches that many
        assert "share created_at 2026-01-01T00:00:00" in str(error)
        frame = error.frame
    else:
        assert frame.height == len(moments)
    assert len(set(numbers(frame))) == frame.height


@relaxed
@given(crowd=st.integers(111, 700), spread=st.integers(10, 900_000))
def test_moments_that_only_look_equal_are_told_apart(crowd, spread):
    moments = [EPOCH + timedelta(microseconds=number * spread // crowd) for number in range(crowd)]
    account = ModelAccount([Person(number, moment) for number, moment in enumerate(moments)], truncate_to=timedelta(seconds=1))
    if spread * 100 < crowd:  # more than a listing's reach in one microsecond
        return

    assert pull_contacts(account, progress=False).height == crowd


@relaxed
@given(size=st.integers(0, 400))
def test_an_order_that_is_ignored_is_found_out(size):
    account = ModelAccount(
        [Person(number, EPOCH + timedelta(minutes=number)) for number in range(size)], honours_order=False
    )

    try:
        frame, evidence = pull_contacts(account, progress=False, with_evidence=True)
    except IncompletePullError as error:
        assert size > SMALL.reach
        assert error.missing == size - error.frame.height > 0
        assert "ignores order_by" in str(error)
    else:
        assert sorted(numbers(frame)) == list(range(size))
        assert size < 3 or any("does not sort" in note for note in evidence.notes)


def test_an_account_that_never_holds_still_ends():
    busy = {request: [("create now", 0)] * 25 for request in range(1, 5_000)}
    account = ModelAccount([Person(number, EPOCH) for number in range(50)], busy)

    with pytest.raises(IncompletePullError, match="never held still") as caught:
        pull_contacts(account, progress=False)

    assert account.requests < 1_000
    assert caught.value.missing > 0
