"""The pull against an account whose truth the test holds: any size, ties, truncation, nulls and churn.

The API's caps are scaled down to pages of 10 and offsets of 100, so that small accounts need many windows.
Each property is tried on a few accounts in the quick tests, and on many in the slow ones (`PULL_EXAMPLES`).
"""

import os
import random
import warnings
from collections import Counter
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, example, given, settings, strategies as st

from sendblue_data import iter_contacts, pull_contacts
from sendblue_data.errors import (
    ConfigurationError,
    IncompletePullError,
    UnexpectedAnswerError,
    UnprovenPullWarning,
)
from sendblue_data.pull import sweeps
from tests.pull.model_account import EPOCH, SMALL, ModelAccount, Person, numbers


@pytest.fixture(autouse=True)
def small_caps(monkeypatch):
    monkeypatch.setattr(sweeps, "API_CAPS", SMALL)
    monkeypatch.setattr(sweeps, "LAG_PAUSES", (0.0, 0.0))


MANY = int(os.environ.get("PULL_EXAMPLES", "100"))


def holds_for(*found, **drawn):
    """Make a test of a property: of a few examples, and marked slow of many; and of those that a search found."""

    def test_of(body):
        deep = pytest.param(MANY, marks=[pytest.mark.slow, pytest.mark.timeout(2 * MANY)])

        @pytest.mark.parametrize("examples", [10, deep])
        def test(examples):
            property_test = settings(
                max_examples=examples,
                deadline=None,
                suppress_health_check=[HealthCheck.too_slow],
            )(given(**drawn)(body))
            for one in found:
                property_test = example(**one)(property_test)
            property_test()

        test.__name__, test.__doc__ = body.__name__, body.__doc__
        return test

    return test_of


class People(list):
    """Persons in groups that share a moment, some of them without one; prints as its groups.

    Those without a moment are the first by number, or so far into it that no order lists them near an end.
    """

    def __init__(self, undated, groups, most, undated_from=0.0):
        self.says = f"People({undated}, {groups}, {most}, {undated_from})"
        moments = [
            EPOCH + timedelta(milliseconds=milliseconds, microseconds=milliseconds % 7)
            for milliseconds, size in groups
            for _ in range(size)
        ][: max(most - undated, 0)]
        place = int(undated_from * len(moments))
        moments[place:place] = [None] * undated
        super().__init__(Person(number, moment) for number, moment in enumerate(moments))

    def __repr__(self):
        return self.says


@st.composite
def people(draw, most=260, biggest_tie=100, undated=(0, 0, 1, 15)):
    groups = draw(
        st.lists(
            st.tuples(st.integers(0, 3_000_000), st.integers(1, biggest_tie)),
            max_size=draw(st.sampled_from([3, 30, 200])),
            unique_by=lambda group: group[0],  # more at one moment than listings reach is another test's
        )
    )
    return People(draw(st.sampled_from(undated)), groups, most, draw(st.sampled_from([0.0, 0.5])))


def pulled(account):
    try:
        return pull_contacts(account, progress=False), None
    except IncompletePullError as error:
        return error.frame, error


def pulled_or_doubted(account):
    """Pull an account that moves: also what can't be shown to be whole."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnprovenPullWarning)
        return pull_contacts(account, progress=False, with_evidence=True)


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
fields_shown = st.sampled_from([("contact_id", "phone"), ("contact_id",), ("phone",), ()])


nulls = st.fixed_dictionaries({"nulls_first": st.booleans(), "nulls_stay": st.booleans()})


@holds_for(people=people(), truncate_to=truncations, nulls=nulls, shows=fields_shown)
def test_a_quiet_account_arrives_whole(people, truncate_to, nulls, shows):
    account = ModelAccount(people, truncate_to=truncate_to, shows=shows, **nulls)

    try:
        frame, evidence = pull_contacts(account, progress=False, with_evidence=True)
    except IncompletePullError as error:
        # Some are behind the offsets of every order, from either end; that is said.
        assert nulls == {"nulls_first": False, "nulls_stay": True}
        assert len(people) > 2 * SMALL.reach
        assert 0 < error.missing <= sum(person.created is None for person in people)
        return

    assert frame.height == len(people)
    assert sorted(numbers(frame)) == sorted(account.stayed)
    assert evidence.complete
    assert evidence.contacts == evidence.count_before == evidence.count_after == frame.height
    if nulls["nulls_stay"] and not nulls["nulls_first"]:
        return  # what hides behind all others is looked for in other orders
    if not people or max(Counter(person.created for person in people).values()) < SMALL.page:
        assert evidence.pages <= 2 * len(people) // SMALL.step + 12


@pytest.mark.parametrize("churn", [{}, {3: [("delete", 5)], 9: [("create", 40), ("create now", 0)]}])
@pytest.mark.parametrize("size", [0, 1, 90, 111, 230])
def test_days_hide_the_order_within_them_and_nobody(size, churn):
    """All of them are shown at one midnight, and more of them than offsets reach."""
    moments = [EPOCH + timedelta(seconds=37 * number) for number in range(size)]
    people = [Person(number, moment) for number, moment in enumerate(moments)]
    account = ModelAccount(people, churn, truncate_to=timedelta(days=1))

    found = numbers(pull_contacts(account, progress=False))

    assert len(found) == len(set(found))
    assert account.stayed <= set(found) <= account.ever


FOUND = {
    "people": People(1, [(0, 1), (1, 1), (7, 1), (6, 1), (8, 1), (5, 1), (4, 1), (3, 83), (2, 18)], 260),
    "events": {2: [("delete", 1), ("create", 1)]},
    "truncate_to": timedelta(microseconds=1),
    "nulls": {"nulls_first": False, "nulls_stay": True},
    "shows": ("contact_id", "phone"),
}
"""As many came as went, so that the counts agreed; and one hid, while another stood in for it."""


@holds_for(FOUND, people=people(), events=churn, truncate_to=truncations, nulls=nulls, shows=fields_shown)
def test_a_contact_that_stays_is_never_missing(people, events, truncate_to, nulls, shows):
    hides = nulls["nulls_stay"] and not nulls["nulls_first"]
    if hides:
        # There the dates tell who was there at the count: nobody is created with an earlier one (quiet-api.md).
        events = {
            nth: [("create now" if event == "create" else event, one) for event, one in happens]
            for nth, happens in events.items()
        }
    account = ModelAccount(people, events, truncate_to=truncate_to, shows=shows, **nulls)

    try:
        frame, evidence = pulled_or_doubted(account)
    except IncompletePullError as error:
        assert hides, error
        assert None in {one.created for one in people}, error
        frame, evidence = error.frame, None

    found = numbers(frame)
    assert len(found) == len(set(found))
    assert set(found) <= account.ever
    if evidence is not None:
        assert evidence.complete is (evidence.doubt is None)
        is_large = max(evidence.count_before, evidence.count_after) > SMALL.most_in_window
        assert evidence.doubt is None or is_large or "phone" not in shows
    if evidence is not None and evidence.complete:
        assert account.stayed <= set(found)


@holds_for(people=people(), events=churn, nulls_first=st.booleans())
def test_windows_of_a_moving_account_don_t_repeat_a_contact(people, events, nulls_first):
    account = ModelAccount(people, events, nulls_first=nulls_first)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnprovenPullWarning)
        found = [number for rows in iter_contacts(account, progress=False) for number in numbers(rows)]

    assert len(found) == len(set(found))
    assert account.stayed <= set(found) <= account.ever


@holds_for(people=people(biggest_tie=9, undated=(0, 1, 9)), events=churn)
def test_equal_moments_may_come_in_any_order(people, events):
    account = ModelAccount(people, events, stable_ties=False)

    found = numbers(pulled_or_doubted(account)[0])

    assert len(found) == len(set(found))
    assert account.stayed <= set(found) <= account.ever


@holds_for(people=people(undated=[0], biggest_tie=9), since=st.integers(0, 3_000_000), events=churn)
def test_a_part_of_the_account_has_all_that_was_created_since(people, since, events):
    since = EPOCH + timedelta(milliseconds=since)
    account = ModelAccount(people, events)
    earlier = {person.number for person in people if person.created < since}

    found = numbers(pull_contacts(account, since=since, progress=False))

    assert len(found) == len(set(found))
    assert account.stayed - earlier <= set(found) <= account.ever - earlier


@pytest.mark.slow
def test_equal_moments_may_come_in_any_order_in_a_part_too():
    """There is no count to betray one that hides behind another's repeat: the seams alone must.

    Such a repeat is rare, and hypothesis does not find it: shuffled ties longer than the overlap, many times. With
    an overlap of 3 two rows make a seam, which chance alone does once in some thousand accounts, at none of these
    seeds; with the API's overlap of 10 it takes five.
    """
    for seed in range(250):
        sizes = random.Random(seed)
        people = People(
            0, [(1_000 * group, sizes.randint(5, 9)) for group in range(sizes.randint(2, 20))], 260
        )
        account = ModelAccount(people, stable_ties=False, shuffle_seed=seed)

        found = numbers(pull_contacts(account, since=EPOCH, progress=False))

        assert sorted(found) == sorted(account.stayed)


@holds_for(people=people(biggest_tie=9), shows=fields_shown)
def test_contacts_that_share_a_phone_are_not_merged(people, shows):
    account = ModelAccount(people, shows=shows, persons_a_phone=3)

    found = numbers(pull_contacts(account, progress=False))

    assert sorted(found) == sorted(account.stayed)


@holds_for(people=people(biggest_tie=9), page_cap=st.integers(6, 9))
def test_a_server_may_cap_pages_lower_than_it_says(people, page_cap):
    account = ModelAccount(people, page_cap=page_cap)

    assert sorted(numbers(pull_contacts(account, progress=False))) == sorted(account.stayed)
    assert sorted(numbers(pull_contacts(account, since=EPOCH, progress=False))) == sorted(
        person.number for person in people if person.created
    )


@holds_for(people=people(most=120), hidden=st.sets(st.integers(0, 119), min_size=1, max_size=10))
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


@holds_for(
    crowd=st.integers(111, 280), before=st.integers(0, 60), after=st.integers(0, 60), truncate_to=truncations
)
def test_a_crowd_at_one_moment_is_listed_or_counted(crowd, before, after, truncate_to):
    moments = [EPOCH - timedelta(minutes=number + 1) for number in range(before)]
    moments += [EPOCH] * crowd
    moments += [EPOCH + timedelta(minutes=number + 1) for number in range(after)]
    account = ModelAccount(
        [Person(number, moment) for number, moment in enumerate(moments)], truncate_to=truncate_to
    )

    frame, error = pulled(account)

    assert len(set(numbers(frame))) == frame.height
    if error is None:
        assert frame.height == len(moments)
    else:
        assert error.missing == len(moments) - frame.height > 0
        assert crowd + after > 2 * SMALL.reach  # from either end, another order reaches that many
        assert "share created_at 2026-01-01T00:00:00" in str(error)


@holds_for(people=people(), hidden=st.integers(1, 9), sweeps_differ=st.booleans())
def test_a_count_that_is_off_by_the_same_number_is_told_and_may_be_accepted(people, hidden, sweeps_differ):
    account = ModelAccount(people, count_off=lambda asked: hidden + sweeps_differ * asked)

    frame, error = pulled(account)
    trusted, evidence = pull_contacts(
        ModelAccount(people, count_off=lambda _: hidden), trust="seams", progress=False, with_evidence=True
    )

    assert sorted(numbers(frame)) == sorted(numbers(trusted)) == sorted(account.stayed)
    assert error.missing >= hidden
    told = f"counts {len(people) + hidden:,}, lists {len(people):,}, three times over" in str(error)
    assert told is not sweeps_differ
    assert evidence.complete
    assert (evidence.count_after, evidence.contacts) == (len(people) + hidden, len(people))


def test_seams_alone_are_no_proof_where_they_do_not_hold():
    account = ModelAccount([Person(number, EPOCH) for number in range(400)])

    with pytest.raises(IncompletePullError, match="share created_at"):
        pull_contacts(account, trust="seams", progress=False)
    with pytest.raises(ConfigurationError, match="'count' or 'seams'"):
        pull_contacts(account, trust="all", progress=False)


def test_a_crowd_without_a_moment_behind_all_others_is_counted_and_said():
    dated = [Person(number, EPOCH + timedelta(minutes=number)) for number in range(150)]
    undated = [Person(number, None) for number in range(150, 400)]
    account = ModelAccount([*dated, *undated], nulls_first=False)

    frame, error = pulled(account)

    assert error is not None
    assert len(set(numbers(frame))) == frame.height >= 150 + SMALL.reach
    assert error.missing == 400 - frame.height
    assert "More than 110 contacts have no created_at" in str(error)


@pytest.mark.parametrize("undated", [1, 2, 6])
@pytest.mark.parametrize("deleted", [0, 1, 2, 6])
def test_one_that_was_listed_and_has_gone_does_not_stand_in_for_one_that_hides(undated, deleted):
    """Without a moment, behind all others in both directions: no window reaches it, and the count balances."""
    dated = [Person(number, EPOCH + timedelta(minutes=number)) for number in range(150)]
    people = [*dated, *(Person(150 + number, None) for number in range(undated))]
    account = ModelAccount(people, {18: [("delete", 3)] * deleted}, nulls_first=False, nulls_stay=True)

    frame, evidence = pull_contacts(account, progress=False, with_evidence=True)

    assert account.stayed <= set(numbers(frame)) <= account.ever
    assert evidence.complete


@pytest.mark.parametrize("honours_order", [True, False])
def test_small_pages_are_not_taken_for_the_end(honours_order):
    """With `since` no count tells that more contacts follow."""
    people = [Person(number, EPOCH + timedelta(minutes=number)) for number in range(60)]

    found = ModelAccount(people, page_cap=7, honours_order=honours_order)
    assert sorted(numbers(pull_contacts(found, since=EPOCH, progress=False))) == list(range(60))
    with pytest.raises(UnexpectedAnswerError, match="too small to be joined"):
        pull_contacts(
            ModelAccount(people, page_cap=5, honours_order=honours_order), since=EPOCH, progress=False
        )


@pytest.mark.parametrize("honours_order", [True, False])
@pytest.mark.parametrize("request_number", [1, 2, 3, 4])
def test_a_contact_that_comes_after_the_first_page_makes_it_no_small_page(request_number, honours_order):
    people = [Person(0, EPOCH)]
    account = ModelAccount(people, {request_number: [("create", 5)]}, honours_order=honours_order)

    found = numbers(pull_contacts(account, since=EPOCH, progress=False))

    assert len(found) == len(set(found))
    assert account.stayed <= set(found) <= account.ever


def test_a_moment_is_whole_where_only_contacts_without_one_follow():
    people = People(15, [(0, 96)], 260)  # one more than offsets reach, until the first has gone
    account = ModelAccount(people, {1: [("delete", 0)]}, nulls_first=False)

    frame, evidence = pull_contacts(account, progress=False, with_evidence=True)

    assert sorted(numbers(frame)) == sorted(account.stayed)
    assert evidence.complete


@pytest.mark.parametrize("request_number", range(18, 30, 2))
def test_a_crowd_that_shrinks_while_it_is_read_by_offset_is_read_again(request_number):
    shrinking = {5: [("delete", 0)] * 5, request_number: [("delete", 0)] * 5}
    account = ModelAccount([Person(number, EPOCH) for number in range(105)], shrinking)

    found = numbers(pull_contacts(account, progress=False))

    assert account.lists > request_number
    assert len(found) == len(set(found))
    assert account.stayed <= set(found) <= account.ever


@holds_for(crowd=st.integers(111, 400), spread=st.integers(10, 900_000))
def test_moments_that_only_look_equal_are_told_apart(crowd, spread):
    moments = [EPOCH + timedelta(microseconds=number * spread // crowd) for number in range(crowd)]
    people = [Person(number, moment) for number, moment in enumerate(moments)]
    account = ModelAccount(people, truncate_to=timedelta(seconds=1))
    if spread * 100 < crowd:  # more than a listing's reach in one microsecond
        return

    assert pull_contacts(account, progress=False).height == crowd


@holds_for(size=st.integers(0, 260))
def test_an_order_that_is_ignored_is_found_out(size):
    people = [Person(number, EPOCH + timedelta(minutes=number)) for number in range(size)]
    account = ModelAccount(people, honours_order=False)

    frame, error = pulled(account)

    if error is None:
        assert sorted(numbers(frame)) == list(range(size))
    else:
        assert size > SMALL.reach
        assert error.missing == size - frame.height > 0
        assert "ignores order_by" in str(error)


def test_an_order_that_is_ignored_is_noted():
    people = [Person(number, EPOCH + timedelta(minutes=number)) for number in range(80)]

    _, evidence = pull_contacts(ModelAccount(people, honours_order=False), progress=False, with_evidence=True)

    assert evidence.complete
    assert [note for note in evidence.notes if "does not sort by created_at" in note]


def test_an_account_that_never_holds_still_ends():
    busy = {request: [("create now", 0)] * 12 for request in range(1, 5_000)}
    account = ModelAccount([Person(number, EPOCH) for number in range(50)], busy)

    with pytest.raises(IncompletePullError, match="never held still") as caught:
        pull_contacts(account, progress=False)

    assert account.requests < 1_000
    assert caught.value.missing > 0
