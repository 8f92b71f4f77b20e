"""What a history refuses, and what it just still takes: each refusal at its limit."""

from datetime import UTC, datetime
from types import SimpleNamespace

import polars as pl
import pytest

from sendblue_data.errors import FrameError, SnapshotRefusedError, WrongAccountError
from sendblue_data.history.refusals import (
    Limits,
    check_columns,
    check_evidence,
    check_label,
    check_rows,
    check_schema,
    check_shared,
    check_size,
    shared,
)
from sendblue_data.schema import CONTACT_SCHEMA

STRICT = Limits(allow_incomplete=False, allow_other_account=False, max_shrink=0.5)
LENIENT = Limits(allow_incomplete=True, allow_other_account=True, max_shrink=0.5)


def evidence(**fields):
    whole = {"account": "a1", "contacts": 3, "complete": True, "since": None, "doubt": None}
    return SimpleNamespace(**whole | fields)


def labels(*given):
    return pl.DataFrame({"h_account": given}, schema={"h_account": pl.String})


def test_a_frame_has_the_contact_columns_and_none_of_the_history_s_own():
    check_schema(CONTACT_SCHEMA)
    check_schema(pl.Schema({**CONTACT_SCHEMA, "score": pl.Int64}))
    without = pl.Schema({name: kind for name, kind in CONTACT_SCHEMA.items() if name != "tags"})
    for schema, says in [
        (without, "Column 'tags' of a snapshot must be List.*but it is missing"),
        ({**CONTACT_SCHEMA, "tags": pl.String}, "but it is String"),
        ({**CONTACT_SCHEMA, "h_mine": pl.Int64}, "Column 'h_mine': names that begin with 'h_'"),
        ({**CONTACT_SCHEMA, "Phone": pl.String}, "Columns 'phone' and 'Phone' differ in nothing but case"),
    ]:
        with pytest.raises(FrameError, match=says):
            check_schema(pl.Schema(schema))


def test_a_frame_has_as_many_rows_as_its_evidence_speaks_of():
    check_rows(3, evidence())
    check_rows(4, None)
    for rows in (2, 4):
        with pytest.raises(FrameError, match=f"{rows} rows, but its evidence speaks of 3 contacts"):
            check_rows(rows, evidence())


def test_a_pull_that_may_lack_contacts_is_refused_and_a_doubt_alone_is_not():
    part = evidence(since=datetime(2026, 1, 1, tzinfo=UTC))
    unsure = evidence(complete=False)
    for told in (None, evidence(), evidence(complete=False, doubt="a number"), evidence(doubt="a number")):
        check_evidence(told, STRICT)
    for told, says in ((part, "only contacts created since 2026-01-01"), (unsure, "can't show that every")):
        with pytest.raises(SnapshotRefusedError, match=says) as refused:
            check_evidence(told, STRICT)
        assert refused.value.reason == "incomplete"
        check_evidence(told, LENIENT)


def test_a_label_is_held_against_the_last_one_known():
    assert check_label(labels("a0", "a1", None), evidence(), STRICT) is True
    assert check_label(labels("a0"), evidence(), LENIENT) is True
    assert check_label(labels("a1"), None, STRICT) is False
    assert check_label(labels(None), evidence(), STRICT) is False
    with pytest.raises(WrongAccountError, match="account a1, but the history is of a0"):
        check_label(labels("a1", "a0"), evidence(), STRICT)


def test_contacts_are_shared_whose_id_and_phone_are_both_known():
    before = pl.DataFrame({"contact_id": ["1", "2", None], "phone": ["a", "b", "c"]})
    now = pl.DataFrame({"contact_id": ["1", "2", None, "4"], "phone": ["a", "x", "c", "d"]})
    assert shared(before, now) == 2


def test_a_fifth_in_common_is_one_account_and_less_is_another():
    check_shared(20, 100)
    check_shared(0, 0)
    with pytest.raises(WrongAccountError, match="Only 19 of 100 contacts"):
        check_shared(19, 100)


def test_a_fall_by_as_much_as_is_allowed_is_taken_and_by_more_refused():
    check_size(100, 50, STRICT)
    check_size(0, 0, STRICT)
    with pytest.raises(SnapshotRefusedError, match="from 100 contacts to 49, by more than 50%") as refused:
        check_size(100, 49, STRICT)
    assert refused.value.reason == "shrunk"


def test_a_column_keeps_its_letters_and_stays_a_number_or_none():
    recorded = pl.Schema({"score": pl.Int64, "note": pl.String, "later": pl.Null})
    check_columns(pl.Schema({"score": pl.Float64, "note": pl.String, "new": pl.Int8}), recorded)
    check_columns(pl.Schema({"score": pl.Null, "later": pl.Int64}), recorded)
    for schema, says in [
        ({"Score": pl.Int64}, "'Score' differs in nothing but case from 'score'"),
        ({"score": pl.String}, "'score' is String, and the history has it as Int64"),
        ({"note": pl.Int64}, "'note' is Int64, and the history has it as String"),
    ]:
        with pytest.raises(FrameError, match=says):
            check_columns(pl.Schema(schema), recorded)
