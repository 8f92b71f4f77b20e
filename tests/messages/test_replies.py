from statistics import median

import pytest
from hypothesis import given, settings

from sendblue_data import contacts_frame, replies
from tests.messages.people import PHONES, ROWS, Truth, frame, text, wrote

ANN, BOB, CAT, DAN = PHONES


def test_a_reply_is_to_the_last_text_before_it(constructor):
    messages = frame(
        [
            text(ANN, 0, service="SMS"),
            text(ANN, 1, service="SMS"),
            wrote(ANN, 3),
            wrote(ANN, 4),
            text(BOB, 0, service="SMS"),
            wrote(BOB, 1, "stop"),
            text(CAT, 0, None, service="SMS"),
            text(DAN, 0, service="iMessage"),
            wrote(DAN, 24 * 7 + 1),
        ]
    )
    table = replies(constructor(messages), by="service")
    counts = table.select("service", "delivered", "unknown", "open", "replied", "median_hours").rows()
    assert counts == [("SMS", 3, 1, 0, 1, 2.0), ("iMessage", 1, 0, 0, 0, None)]


def test_by_tags_of_the_contacts():
    people = contacts_frame([{"phone": ANN, "tags": ["A", "B"]}, {"phone": BOB, "tags": ["B"]}])
    messages = frame([text(ANN, 0), wrote(ANN, 2), text(BOB, 0), wrote(BOB, 4)])
    table = replies(messages, by="tags", contacts=people)
    assert table.select("tag", "replied", "median_hours").rows() == [("B", 2, 3.0), ("A", 1, 2.0)]


@settings(max_examples=10)
@given(ROWS)
def test_counts_are_those_of_reading_row_by_row(rows):
    messages = frame(rows)
    truth = Truth(messages)
    found = truth.replied()
    row = replies(messages).row(0, named=True)
    assert row["delivered"] == len(truth.delivered())
    assert row["replied"] == len(found)
    hours = [(back["at"] - text["at"]).total_seconds() / 3600 for text, back in found]
    assert row["median_hours"] == (pytest.approx(median(hours)) if hours else None)
    assert replies(messages, by="sendblue_number")["replied"].sum() == row["replied"]
