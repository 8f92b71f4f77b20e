from statistics import median

from hypothesis import given, settings

from sendblue_data import texts_after_opt_out
from tests.messages.people import DELIVERED, LINES, PHONES, ROWS, Truth, frame, text, wrote

ANN, BOB, CAT, DAN = PHONES
HERE, THERE = LINES

MESSAGES = frame(
    [
        text(ANN, 0, sendblue_number=HERE, seat_id="s1"),
        wrote(ANN, 1, "stop"),
        text(ANN, 1, sendblue_number=HERE),  # at that moment: not after it
        text(ANN, 1.05, sendblue_number=HERE, seat_id="s1"),  # a confirmation
        text(ANN, 25, "DECLINED", error_key="OPTED_OUT", sendblue_number=THERE, seat_id="s2"),
        text(ANN, 49, "ERROR", sendblue_number=HERE, seat_id="s1"),
        wrote(ANN, 50, "start"),
        text(ANN, 51, sendblue_number=HERE, seat_id="s1"),
        wrote(None, 2, "stop", message_type="group", from_number=BOB),
        text(None, 50, message_type="group", participants=[BOB, ANN, CAT], sendblue_number=HERE),
        text(DAN, 9, "DECLINED", error_key="OPTED_OUT", sendblue_number=THERE, seat_id="s2"),
        text(DAN, 9, "DECLINED", error_key="PRE_REPLY_LIMIT_REACHED", sendblue_number=THERE, seat_id="s2"),
    ]
)


def test_each_text_after_a_stop_until_a_start(constructor):
    row = texts_after_opt_out(constructor(MESSAGES)).row(0, named=True)
    assert row == {
        "texts": 5,
        "people": 2,
        "delivered": 3,
        "declined": 1,
        "other": 1,
        "within_5_minutes": 1,
        "median_days": 2.0,
        "max_days": 49 / 24,
        "declined_without_stop": 1,
    }


def test_by_line_and_seat():
    table = texts_after_opt_out(MESSAGES, by=["sendblue_number", "seat_id"])
    counts = table.select("sendblue_number", "seat_id", "texts", "people", "declined_without_stop").rows()
    assert counts == [(HERE, "s1", 2, 1, 0), (HERE, None, 2, 2, 0), (THERE, "s2", 1, 1, 1)]


def test_nothing_after_a_stop_is_a_row_of_noughts():
    row = texts_after_opt_out(frame([text(ANN, 0), wrote(ANN, 1, "stop")])).row(0, named=True)
    assert (row["texts"], row["people"], row["median_days"], row["max_days"]) == (0, 0, None, None)
    assert texts_after_opt_out(frame([]), by="sendblue_number").height == 0


@settings(max_examples=10)
@given(ROWS)
def test_counts_are_those_of_reading_row_by_row(rows):
    messages = frame(rows)
    late = Truth(messages).late()
    row = texts_after_opt_out(messages).row(0, named=True)
    assert row["texts"] == len(late)
    assert row["people"] == len({person for _, person, _ in late})
    assert row["delivered"] == sum(text["status"] in DELIVERED for text, _, _ in late)
    days = [(text["at"] - stop).total_seconds() / 86_400 for text, _, stop in late]
    assert (row["median_days"], row["max_days"]) == ((median(days), max(days)) if days else (None, None))
    by_line = texts_after_opt_out(messages, by="sendblue_number")
    assert by_line["texts"].sum() == row["texts"]
    assert by_line["declined_without_stop"].sum() == row["declined_without_stop"]
