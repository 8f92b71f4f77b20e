from datetime import timedelta

import pytest
from hypothesis import given, settings

from sendblue_data import contacts_frame, opt_out_hazard
from sendblue_data.errors import ConfigurationError
from tests.messages.people import PHONES, ROWS, Truth, frame, text, wrote

ANN, BOB, CAT, DAN = PHONES
DAY = 24


def test_by_frequency_counts_the_texts_of_the_days_before(constructor):
    messages = frame(
        [
            text(ANN, 0),
            text(ANN, 7 * DAY),  # the first is 7 days old, and counts no more in them
            text(ANN, 8 * DAY),
            wrote(ANN, 8 * DAY + 1, "stop"),
            text(ANN, 9 * DAY),  # not at risk
            text(BOB, 0),
        ]
    )
    table = opt_out_hazard(constructor(messages))
    assert table.select("days", "from_texts", "to_texts", "delivered", "opt_outs").rows() == [
        (7, 1, 1, 3, 0),
        (7, 2, 2, 1, 1),
        (30, 1, 1, 2, 0),
        (30, 2, 2, 1, 0),
        (30, 3, 4, 1, 1),
    ]


def test_by_age_of_the_contact():
    people = contacts_frame([{"phone": ANN, "created_at": "2026-03-01T00:00:00Z"}, {"phone": BOB}])
    messages = frame([text(ANN, 0), text(ANN, 10 * DAY), wrote(ANN, 10 * DAY, "stop"), text(BOB, 0)])
    table = opt_out_hazard(messages, by="age", contacts=people)
    assert table.select("from_day", "to_day", "delivered", "opt_outs").rows() == [
        (0, 6, 1, 0),
        (7, 29, 1, 1),
        (None, None, 1, 0),
    ]
    with pytest.raises(ConfigurationError, match="pass contacts="):
        opt_out_hazard(messages, by="age")


def test_by_a_column_leaves_out_texts_after_a_stop():
    messages = frame(
        [
            text(ANN, 0, service="SMS"),
            wrote(ANN, 1, "stop"),
            text(ANN, 2, service="SMS"),
            wrote(ANN, 3, "start"),
            text(ANN, 4, service="iMessage"),
        ]
    )
    table = opt_out_hazard(messages, by="service")
    assert table.select("service", "delivered", "opt_outs").rows() == [("SMS", 1, 1), ("iMessage", 1, 0)]


@settings(max_examples=8)
@given(ROWS)
def test_counts_are_those_of_reading_row_by_row(rows):
    messages = frame(rows)
    truth = Truth(messages)
    sent = truth.delivered()
    late = {id(row) for row, _, _ in truth.late()}
    laid = {id(row) for row, _ in truth.last_before()}
    at_risk = [row for row in sent if id(row) not in late]
    table = opt_out_hazard(messages)
    for days in (7, 30):
        part = table.filter(days=days)
        assert part["delivered"].sum() == len(at_risk)
        assert part["opt_outs"].sum() == len(laid)
        known = [(row["at"], row["message_handle"], row) for row in sent]
        numbers = [
            sum(
                other["phone"] == row["phone"]
                and row["at"] - timedelta(days=days) < other["at"]
                and (other["at"], other["message_handle"]) <= (row["at"], row["message_handle"])
                for *_, other in known
            )
            for row in at_risk
        ]
        ones = part.filter(from_texts=1)
        assert ones["delivered"].sum() == sum(number == 1 for number in numbers)
