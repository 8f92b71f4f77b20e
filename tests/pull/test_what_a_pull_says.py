"""What a pull of contacts says afterwards: its error, its doubt, its evidence, its order."""

from types import SimpleNamespace

import polars as pl
import pytest

from sendblue_data.errors import IncompletePullError, UnprovenPullWarning
from sendblue_data.pull.evidence import Repair
from sendblue_data.pull.joining import Listed, keys
from sendblue_data.schema import CONTACT_SCHEMA
from tests.pull.scripted_contacts import at, page
from tests.pull.scripted_pull import Counts, pull_of

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
