"""The evidence of a pull: where the next one should begin, what it says of itself as plain values and in words."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from sendblue_data.pull.evidence import (
    READ_BY_SEAMS,
    READ_IN_DOUBT,
    READ_PARTLY,
    READ_SINCE,
    READ_WHOLE,
    MessagePullEvidence,
    PullEvidence,
    Repair,
    certificate,
)

BEGAN = datetime(2026, 3, 1, 9, 5, tzinfo=UTC)
PULL = PullEvidence(
    account="api.example.com/1f0991eb", requests=1_234, pages=2, windows=1, retaken=3, repeats_dropped=1_010,
    count_before=1_999, count_after=2_000, contacts=2_000, complete=True, started=BEGAN,
    finished=BEGAN + timedelta(seconds=1_234.56),
)  # fmt: skip
MESSAGES = MessagePullEvidence(
    account="api.example.com/1f0991eb", requests=1, pages=1, windows=1, retaken=0, repeats_dropped=0,
    total_before=1, total_after=1, messages=1, complete=True, started=BEGAN, finished=BEGAN,
)  # fmt: skip
REPAIRS = (Repair("tags", "not a list", 1_200, ("c1",)), Repair("phone", "not text", 1, ()))


def test_a_certificate_says_how_the_pull_went():
    assert certificate(PULL) == [
        ("Account", "api.example.com/1f0991eb"),
        ("Shown complete", READ_WHOLE),
        ("Contacts", "2,000; the account counted 1,999 before and 2,000 after"),
        ("Read", "1 March 2026, 09:05 UTC, in 1,234.6 s"),
        ("Requests", "1,234, for 2 pages in 1 window"),
        ("Windows read again", "3"),
        ("Repeats dropped", "1,010"),
    ]


def test_a_certificate_says_besides_what_there_is_to_say():
    pull = replace(
        PULL, since=BEGAN - timedelta(days=1), doubt="One may hide.", repaired=REPAIRS, unfilled=("tags", "verified"),
        notes=("First.", "Second."),
    )  # fmt: skip
    assert certificate(pull)[7:] == [
        ("Only since", "28 February 2026, 09:05 UTC"),
        ("In doubt", "One may hide."),
        ("Could not be read", "tags: not a list (1,200); phone: not text (1)"),
        ("Never given", "tags, verified"),
        ("Note", "First."),
        ("Note", "Second."),
    ]


@pytest.mark.parametrize(
    ("state", "verdict"),
    [
        ({}, READ_WHOLE),
        ({"contacts": 2_001}, READ_WHOLE),
        ({"contacts": 1_999}, READ_BY_SEAMS),
        ({"contacts": 1_999, "since": BEGAN}, READ_SINCE),
        ({"since": BEGAN}, READ_SINCE),
        ({"complete": False}, READ_PARTLY),
        ({"complete": False, "since": BEGAN}, READ_PARTLY),
        ({"complete": False, "doubt": "One may hide."}, READ_IN_DOUBT),
    ],
)
def test_what_shows_that_a_pull_is_complete_is_said(state, verdict):
    assert dict(certificate(replace(PULL, **state)))["Shown complete"] == verdict


def test_evidence_is_plain_values():
    plain = replace(PULL, repaired=REPAIRS, notes=("First.",)).as_dict()
    assert (plain["started"], plain["since"]) == ("2026-03-01T09:05:00+00:00", None)
    assert plain["notes"] == ["First."]
    assert plain["unfilled"] == []
    assert plain["repaired"][1] == {"field": "phone", "kind": "not text", "count": 1, "contact_ids": ()}
    assert (plain["requests"], plain["complete"]) == (1_234, True)
    assert list(plain) == [*PullEvidence.__dataclass_fields__]


MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("state", "next_since"),
    [
        ({"newest": BEGAN - 5 * MINUTE}, BEGAN - 6 * MINUTE),
        ({"newest": BEGAN + 5 * MINUTE}, BEGAN - MINUTE),  # a clock may be wrong
        ({"newest": BEGAN - 5 * MINUTE, "until": BEGAN - 3 * MINUTE}, BEGAN - 6 * MINUTE),
        ({"newest": BEGAN - 5 * MINUTE, "until": BEGAN - 7 * MINUTE}, BEGAN - 8 * MINUTE),
        ({"newest": BEGAN + 5 * MINUTE, "until": BEGAN + 7 * MINUTE}, BEGAN - MINUTE),
        ({"newest": datetime(1970, 1, 1, tzinfo=UTC)}, datetime(2014, 12, 31, 23, 59, tzinfo=UTC)),
        ({}, datetime(2015, 1, 1, tzinfo=UTC)),
        ({"since": BEGAN - 9 * MINUTE}, BEGAN - 9 * MINUTE),
    ],
)
def test_the_next_pull_of_messages_begins_a_minute_before_the_newest_that_came(state, next_since):
    assert replace(MESSAGES, **state).next_since == next_since
