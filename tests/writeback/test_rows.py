"""One row of a run: its clock, its outcome, its tags, and its way through the journal."""

import dataclasses

import pytest

from sendblue_data.writeback import rows as module
from sendblue_data.writeback.rows import Options, Row, pieces_of, record, row_of, without
from tests.writeback.people import phone

DAY = 86_400.0


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        wall, steady = 1_000_000.0, 500.0

        def time(self):
            return self.wall

        def monotonic(self):
            return self.steady

    monkeypatch.setattr(module, "time", clock := Clock())
    return clock


def row(**fields):
    return Row(**{"pos": 0, "phone": phone(0), "action": "update", **fields})


def test_a_plan_is_made_with_these_options_unless_others_are_asked_for():
    assert dataclasses.asdict(Options()) == {
        "chunk_size": 500,
        "on_conflict": "update",
        "opt_back_in": False,
        "opted_out": True,
        "columns": (),
        "longest_variable": 1_000,
        "allow_unknown": False,
        "tags": "add",
        "replace": False,
        "clear": (),
    }


def test_a_new_row_has_done_nothing():
    new = dataclasses.asdict(row())
    assert {name for name, value in new.items() if value not in (None, "", (), {}, False, 0)} == {
        "phone",
        "action",
    }


def test_a_row_is_sent_under_the_spelling_of_the_account():
    assert row().number == row(before={"first_name": "Ann"}).number == phone(0)
    assert row(before={"phone": "+1 212 555 0100"}).number == "+1 212 555 0100"
    with pytest.raises(ValueError, match="without a phone"):
        _ = row(phone=None).number


# How long a request may still take effect


@pytest.mark.parametrize(
    ("steady", "left"), [(0.0, 30.0), (10.0, 20.0), (30.0, 0.0), (31.0, 0.0), (-5.0, 30.0)]
)
def test_a_request_of_this_process_is_timed_by_the_clock_that_nobody_sets(clock, steady, left):
    one = row(unanswered=1)
    one.note_sent()
    assert (one.sent_at, one.left_at) == (1_000_000.0, 500.0)
    clock.wall, clock.steady = 0.0, clock.steady + steady
    assert one.in_flight_for(30.0) == left


@pytest.mark.parametrize(("later", "left"), [(10.0, 20.0), (40.0, 0.0), (-999.0, 30.0)])
def test_a_request_of_another_process_is_timed_by_the_wall_clock_at_first(clock, later, left):
    one = row(unanswered=1, sent_at=1_000_000.0)
    clock.wall += later
    assert one.in_flight_for(30.0) == left


def test_of_a_request_at_an_unknown_time_all_is_over_and_of_none_too(clock):
    clock.wall = 30.0
    assert row(unanswered=1).in_flight_for(30.5) == 0.5
    assert row(sent_at=30.0).in_flight_for(30.0) == 0.0


@pytest.mark.parametrize(
    ("age", "steady"), [(10.0, 500.0), (DAY, 500.0), (DAY + 0.5, 500.0 - DAY - 0.5), (-10.0, 500.0)]
)
def test_a_clock_may_be_wrong_by_a_day(clock, age, steady):
    one = row(unanswered=1, sent_at=1_000_000.0 - age)
    one.take_over()
    assert one.left_at == steady


def test_a_request_of_which_no_time_is_known_is_an_old_one(clock):
    one = row(unanswered=1)
    one.take_over()
    assert one.left_at == 500.0 - 1_000_000.0


# Its outcome


@pytest.mark.parametrize(
    ("known", "wanted", "left", "expected"),
    [
        (None, None, None, None),
        (None, True, None, True),
        (None, True, False, True),
        (False, None, True, True),
        (None, None, False, False),
        (True, None, False, True),
        (True, False, False, False),
        (True, False, None, True),
        (True, None, None, True),
        (False, False, True, True),
    ],
)
def test_an_opt_out_that_was_asked_for_or_known_is_kept_unless_the_person_is_opted_back_in(
    known, wanted, left, expected
):
    one = row(opted_out=known, wanted={} if wanted is None else {"opt_out": wanted})
    one.finish("updated", "a word", {"opt_out": left})
    assert (one.done, one.status, one.detail, one.left) == (True, "updated", "a word", {"opt_out": left})
    assert one.opted_out is expected
    gone = row(opted_out=known)
    gone.finish("deleted")
    assert (gone.opted_out, gone.detail) == (known, "")


def test_a_word_is_said_once():
    one = row()
    for word in ("", "one", "two", "one", ""):
        one.note(word)
    assert one.detail == "one; two"


@pytest.mark.parametrize(
    ("fields", "wanted", "before"),
    [
        ({"add_tags": ("B",)}, {"tags": ["A", "B"]}, {"tags": ["A"]}),
        ({"remove_tags": ("A",)}, {"tags": []}, {"tags": ["A"]}),
        ({"add_tags": ("A",)}, {"tags": ["A"]}, {"tags": ["Old"]}),
        ({}, {}, {"tags": ["Old"]}),
        ({"add_tags": ("B",), "before": None}, {}, None),
    ],
)
def test_tags_are_worked_out_from_those_that_the_contact_has(fields, wanted, before):
    one = row(**{"before": {"tags": ["Old"]}, **fields})
    one.retag({"tags": ["A"]})
    assert (one.wanted, one.before) == (wanted, before)


# Many rows


def test_pieces_are_of_one_size_but_the_last():
    assert pieces_of(list("abcde"), 2) == [["a", "b"], ["c", "d"], ["e"]]
    assert pieces_of([], 2) == []


def test_rows_without_others_are_told_by_their_position():
    one, two = row(pos=1), row(pos=2)
    assert without([one, two], [row(pos=2, action="create")]) == [one]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"before": {"tags": ["A"]}, "left": {"opt_out": True}, "wanted": {"opt_out": True}},
        {
            "opted_out": False,
            "done": True,
            "sent": True,
            "answered": True,
            "alone": True,
            "created_by_run": True,
        },
        {"add_tags": ("A",), "remove_tags": ("B", "C"), "tries": 2, "unanswered": 1, "sent_at": 1.5},
    ],
)
def test_a_row_comes_back_from_the_journal_as_it_was(fields):
    kept = tuple(
        value if value is None or isinstance(value, str) else float(value) for value in record(row(**fields))
    )
    assert row_of(kept) == row(**fields)
    assert repr(row_of(tuple(record(row(**fields))))) == repr(row(**fields))
