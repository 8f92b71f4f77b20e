import polars as pl
import pytest
from hypothesis import given, settings

from sendblue_data import contacts_frame, opt_out_times
from sendblue_data.errors import ConfigurationError
from tests.messages.people import PHONES, ROWS, Truth, at, frame, text, wrote

ANN, BOB, CAT, DAN = PHONES


class Snapshots:
    """A history that says what it was told to."""

    def __init__(self, *events):
        self.events = events

    def opt_out_events(self):
        names = ["phone", "event", "after", "before", "recreated"]
        moment = pl.Datetime("us", "UTC")
        kinds = dict(zip(names, [pl.String, pl.String, moment, moment, pl.Boolean], strict=True))
        return pl.DataFrame(list(self.events), schema=kinds, orient="row")


def test_the_earliest_of_keyword_and_decline_with_its_bounds(constructor):
    messages = frame(
        [
            wrote(ANN, 5, "stop"),
            text(ANN, 6, "DECLINED", error_key="OPTED_OUT"),
            text(BOB, 1),
            text(BOB, 4, "DECLINED", error_key="OPTED_OUT"),
            wrote(BOB, 6, "stop"),
            text(CAT, 9, "DECLINED", error_key="OPTED_OUT"),
            text(DAN, 9, "DECLINED", error_key="PRE_REPLY_LIMIT_REACHED"),
        ]
    )
    times = opt_out_times(constructor(messages))
    found = times.select("phone", "source", "opted_out_after", "opted_out_before", "delivered_at").rows()
    assert found == [
        (BOB, "declined", None, at(4), at(1)),
        (ANN, "keyword", at(5), at(5), None),
        (CAT, "declined", None, at(9), None),
    ]
    assert times["opted_out_at"].to_list() == [at(4), at(5), at(9)]


def test_start_ends_an_opt_out_and_a_later_stop_is_another():
    messages = frame(
        [wrote(ANN, 1, "stop"), wrote(ANN, 3, "start"), wrote(ANN, 7, "stop"), wrote(BOB, 2, "start")]
    )
    times = opt_out_times(messages)
    assert times.select("opted_out_at", "resumed_at", "opted_out").rows() == [
        (at(1), at(3), False),
        (at(7), None, True),
    ]


def test_what_the_contacts_say_is_held_against_it():
    messages = frame(
        [wrote(ANN, 1, "stop"), wrote(BOB, 1, "stop"), wrote(BOB, 2, "start"), wrote(CAT, 1, "stop")]
    )
    people = contacts_frame(
        [
            {"phone": ANN, "opt_out": False},  # the account lost it
            {"phone": BOB, "opt_out": False},
            {"phone": CAT},
            {"phone": DAN, "opt_out": True},  # nobody knows since when
        ]
    )
    times = opt_out_times(messages, people)
    assert times.select("phone", "source", "opted_out", "flagged", "agrees").rows() == [
        (ANN, "keyword", True, False, False),
        (BOB, "keyword", False, False, True),
        (CAT, "keyword", True, None, None),
        (DAN, "flag", True, True, True),
    ]
    assert times["opted_out_at"].to_list() == [at(1)] * 3 + [None]


def test_without_contacts_the_newest_message_says_the_state(constructor):
    messages = frame(
        [
            text(ANN, 1, opted_out=True),
            text(ANN, 2, opted_out=False),
            text(BOB, 1, opted_out=True),
            wrote(CAT, 1, "stop"),
            wrote(CAT, 2, opted_out=False),
        ]
    )
    times = opt_out_times(constructor(messages))
    assert times.select("phone", "source", "flagged", "agrees").rows() == [
        (CAT, "keyword", False, False),
        (BOB, "flag", True, True),
    ]


def test_a_stop_without_a_time_is_not_forgotten():
    times = opt_out_times(frame([wrote(ANN, 0, "stop", date_sent=None)]))
    assert times.select("phone", "source", "opted_out_at", "opted_out").rows() == [
        (ANN, "keyword", None, True)
    ]


def test_snapshots_show_what_no_message_does():
    history = Snapshots(
        (ANN, "opt_out", at(0), at(10), False),  # the keyword is within: it says when
        (BOB, "opt_out", at(0), at(10), False),
        (BOB, "opt_in", at(10), at(20), True),  # deleted and created again: no wish of anybody
        (CAT, "opt_out", at(0), at(10), False),
        (CAT, "opt_in", at(10), at(20), False),
    )
    times = opt_out_times(frame([wrote(ANN, 4, "stop"), wrote(CAT, 30, "stop")]), history=history)
    assert times.select("phone", "source", "opted_out_after", "opted_out_before", "resumed_at").rows() == [
        (ANN, "keyword", at(4), at(4), None),
        (BOB, "snapshots", at(0), at(10), None),
        (CAT, "snapshots", at(0), at(10), at(20)),
        (CAT, "keyword", at(30), at(30), None),
    ]


def test_what_is_no_history_is_refused():
    with pytest.raises(ConfigurationError, match="history is 'history': expected a ContactHistory"):
        opt_out_times(frame([]), history="history")


@settings(max_examples=10)
@given(ROWS)
def test_keywords_alone_give_the_opt_outs_of_reading_row_by_row(rows):
    messages = frame(rows).filter(pl.col("error_key").is_null())
    truth = Truth(messages)
    times = opt_out_times(messages).drop_nulls("opted_out_at")
    found = times.select("phone", "opted_out_at", "resumed_at").rows()
    assert sorted(found, key=str) == sorted(
        ((person, stop, until) for person, stop, _, until in truth.opt_outs()), key=str
    )
    known = {row["phone"] or row["from_number"] for row in truth.rows if row["keyword"] == "stop"}
    assert set(times["phone"]) <= known


@settings(max_examples=8)
@given(ROWS)
def test_bounds_hold_each_other_and_no_opt_out_begins_before_the_last_ended(rows):
    times = opt_out_times(frame(rows)).drop_nulls("opted_out_at")
    assert (times["opted_out_after"] <= times["opted_out_before"]).drop_nulls().all()
    ended = times.sort("phone", "opted_out_at").with_columns(
        pl.col("resumed_at").shift(1).over("phone").alias("before")
    )
    assert (ended["before"] <= ended["opted_out_after"]).drop_nulls().all()
    assert times.filter("opted_out")["phone"].is_unique().all()
