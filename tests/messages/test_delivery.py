import pytest
from hypothesis import given, settings

from sendblue_data import delivery
from sendblue_data.analytics.rates import wilson_interval
from tests.messages.people import DELIVERED, PHONES, ROWS, SETTLED, Truth, frame, text, wrote

ANN, BOB, *_ = PHONES


def test_what_became_of_each(constructor):
    messages = frame(
        [
            text(ANN, 0, service="iMessage", was_downgraded=False),
            text(ANN, 1, "SENT", service="SMS", was_downgraded=True),
            text(BOB, 2, "ERROR", error_key="SOMETHING"),
            text(BOB, 3, "DECLINED", error_key="OPTED_OUT"),
            text(BOB, 4, "DECLINED", error_key="PRE_REPLY_LIMIT_REACHED"),
            text(BOB, 5, "QUEUED", service="RCS"),
            text(BOB, 6, None),
            text(None, 7, message_type="group"),
            wrote(ANN, 8),
        ]
    )
    row = delivery(constructor(messages)).row(0, named=True)
    counts = {name: value for name, value in row.items() if isinstance(value, int)}
    assert counts == {
        "messages": 8,
        "delivered": 3,
        "confirmed": 2,
        "failed": 1,
        "declined": 2,
        "declined_opted_out": 1,
        "pending": 1,
        "unknown": 1,
        "imessage": 1,
        "sms": 1,
        "rcs": 1,
        "service_unknown": 5,
        "downgraded": 1,
        "downgrade_unknown": 6,
    }
    assert (row["delivery_rate"], row["downgrade_rate"]) == (0.5, 0.5)


def test_reasons_are_the_groups_of_error_key():
    messages = frame([text(ANN, 0), text(ANN, 1, "DECLINED", error_key="OPTED_OUT")])
    table = delivery(messages, by="error_key")
    assert table.select("error_key", "declined").rows() == [("OPTED_OUT", 1), (None, 0)]


def test_one_message_a_person_gives_wilsons_interval():
    messages = frame([text(f"+1305555{n:04}", n, "DELIVERED" if n % 4 else "ERROR") for n in range(40)])
    row = delivery(messages).row(0, named=True)
    low, high = wilson_interval(30, 40)
    # People of one message each differ by chance alone; the estimate of their spread is a fortieth wider.
    assert row["delivery_rate_low"] == pytest.approx(low, abs=0.01)
    assert row["delivery_rate_high"] == pytest.approx(high, abs=0.01)


def test_a_hundred_messages_to_four_people_are_not_a_hundred_people():
    messages = frame([text(PHONES[n % 4], n, "ERROR" if n % 4 == 0 else "DELIVERED") for n in range(100)])
    row = delivery(messages).row(0, named=True)
    low, high = wilson_interval(75, 100)
    assert row["delivery_rate"] == 0.75
    assert row["delivery_rate_high"] - row["delivery_rate_low"] > 3 * (high - low)


def test_all_delivered_to_one_person_says_little_of_others():
    row = delivery(frame([text(ANN, n) for n in range(100)])).row(0, named=True)
    assert row["delivery_rate_low"] == pytest.approx(wilson_interval(1, 1).low)


@settings(max_examples=10)
@given(ROWS)
def test_counts_are_those_of_reading_row_by_row(rows):
    messages = frame(rows)
    sent = [row for row in Truth(messages).rows if row["is_outbound"]]
    row = delivery(messages).row(0, named=True)
    assert row["messages"] == len(sent)
    assert row["delivered"] == sum(text["status"] in DELIVERED for text in sent)
    assert row["unknown"] == sum(text["status"] not in SETTLED for text in sent)
    parts = ("delivered", "failed", "declined", "pending", "unknown")
    assert sum(row[name] for name in parts) == row["messages"]
    assert row["imessage"] + row["sms"] + row["rcs"] + row["service_unknown"] == row["messages"]
    assert delivery(messages, by="service")["messages"].sum() == row["messages"]
    if row["delivery_rate"] is not None:
        assert 0 <= row["delivery_rate_low"] <= row["delivery_rate"] <= row["delivery_rate_high"] <= 1
