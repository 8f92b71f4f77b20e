from datetime import timedelta

import pytest
from hypothesis import given, settings

from sendblue_data import contacts_frame, opt_outs_per_message
from sendblue_data.errors import ConfigurationError, FrameError
from tests.messages.people import PHONES, ROWS, SETTLED, Truth, frame, text, wrote

ANN, BOB, CAT, DAN = PHONES


def test_opt_out_is_laid_to_last_text_before_it_within_the_window():
    messages = frame(
        [
            text(ANN, 0, service="SMS"),
            text(ANN, 1, service="iMessage"),
            wrote(ANN, 2, "stop"),
            wrote(ANN, 3, "stop"),  # the same opt-out
            text(BOB, 0, service="SMS"),
            wrote(BOB, 24 * 7 + 1, "stop"),  # an hour too late
            text(CAT, 0, service="SMS", status="SENT"),
            text(CAT, 1, "ERROR", service="SMS"),  # never arrived
            wrote(CAT, 2, "stop"),
        ]
    )
    table = opt_outs_per_message(messages, by="service")
    counted = table.select("service", "delivered", "opt_outs", "unattributed").rows()
    assert counted == [("SMS", 3, 1, 1), ("iMessage", 1, 1, 1)]


def test_a_text_has_at_most_one_opt_out():
    messages = frame([text(ANN, 0), wrote(ANN, 1, "stop"), wrote(ANN, 2, "start"), wrote(ANN, 3, "stop")])
    row = opt_outs_per_message(messages).row(0, named=True)
    assert (row["delivered"], row["opt_outs"], row["unattributed"]) == (1, 1, 1)


def test_what_is_unknown_or_laid_to_nobody_is_told_and_in_no_rate():
    messages = frame(
        [
            text(ANN, 0),
            text(ANN, 200, None),
            text(ANN, 200, "A_NEW_STATUS"),
            text(None, 200),
            text(ANN, 200, message_type="group"),
            text(ANN, 200, date_sent=None),
            text(ANN, 200, "QUEUED"),
            text(BOB, 300),
        ]
    )
    row = opt_outs_per_message(messages).row(0, named=True)
    assert (row["delivered"], row["unknown"], row["unplaced"], row["open"]) == (2, 2, 3, 1)
    assert row["rate"] == 0


def test_by_a_column_of_the_contacts(constructor):
    people = contacts_frame([{"phone": ANN, "tags": ["VIP", "Lead"]}, {"phone": BOB, "tags": ["Lead"]}])
    messages = frame([text(ANN, 0), wrote(ANN, 1, "stop"), text(BOB, 0), text(CAT, 0)])
    made = _together(constructor, messages, people)
    table = opt_outs_per_message(made[0], by="tags", contacts=made[1])
    assert table.select("tag", "delivered", "opt_outs").rows() == [("Lead", 2, 1), ("VIP", 1, 1)]
    assert table["unattributed"].to_list() == [0, 0]


def _together(constructor, messages, people):
    """Two frames of one engine; DuckDB's must share a connection."""
    first = constructor(messages)
    if type(first).__name__ != "DuckDBPyRelation":
        return first, constructor(people)
    import duckdb

    connection = duckdb.connect()
    return connection.from_arrow(messages.to_arrow()), connection.from_arrow(people.to_arrow())


def test_a_phone_that_stands_twice_in_the_contacts_is_refused():
    people = contacts_frame([{"phone": ANN}, {"phone": ANN}])
    with pytest.raises(FrameError, match="1 phones stand in several rows"):
        opt_outs_per_message(frame([text(ANN, 0)]), contacts=people)


def test_frames_of_two_engines_are_refused():
    people = contacts_frame([{"phone": ANN}])
    import duckdb

    with pytest.raises(FrameError, match="different engines \\(duckdb, polars\\)"):
        opt_outs_per_message(duckdb.connect().from_arrow(frame([text(ANN, 0)]).to_arrow()), contacts=people)


@pytest.mark.parametrize("within", ["a week", "0d", timedelta(0), 7, None])
def test_no_length_of_time_is_refused(within):
    with pytest.raises(ConfigurationError, match="within is"):
        opt_outs_per_message(frame([]), within=within)


def test_a_missing_column_is_named():
    with pytest.raises(FrameError, match="no column 'keyword'"):
        opt_outs_per_message(frame([]).drop("keyword"))


def test_every_engine_counts_alike(constructor):
    messages = frame(
        [
            text(ANN, 0, service="SMS"),
            text(ANN, 5, service="iMessage"),
            wrote(ANN, 6, "stop"),
            text(BOB, 3, None, service=None),
            text(None, 3, service="SMS"),
            wrote(BOB, 9, "stop"),
        ]
    )
    table = opt_outs_per_message(constructor(messages), by="service", within="1d")
    found = table.select("service", "delivered", "unknown", "unplaced", "open", "opt_outs", "unattributed")
    assert found.rows() == [
        ("SMS", 1, 0, 1, 1, 0, 1),
        ("iMessage", 1, 0, 0, 1, 1, 1),
        (None, 0, 1, 0, 0, 0, 1),
    ]


@settings(max_examples=10)
@given(ROWS)
def test_counts_are_those_of_reading_row_by_row(rows):
    messages = frame(rows)
    truth = Truth(messages)
    row = opt_outs_per_message(messages).row(0, named=True)
    unknown = [r for r in truth.rows if r["is_outbound"] and truth.personal(r) and r["status"] not in SETTLED]
    assert row["delivered"] == len(truth.delivered())
    assert row["unknown"] == len(unknown)
    assert row["opt_outs"] == len(truth.last_before())
    assert row["unattributed"] == len(truth.opt_outs()) - row["opt_outs"]
    by_line = opt_outs_per_message(messages, by="sendblue_number")
    assert by_line["opt_outs"].sum() == row["opt_outs"]
    assert by_line["delivered"].sum() == row["delivered"]
    assert (by_line["opt_outs"] <= by_line["delivered"]).all()
