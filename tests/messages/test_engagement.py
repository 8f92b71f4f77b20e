from datetime import timedelta

import duckdb
import polars as pl
import pytest
from hypothesis import given, settings

from sendblue_data import CONTACT_SCHEMA, contacts_frame, engagement
from sendblue_data.errors import FrameError
from tests.messages.people import PHONES, ROWS, START, Truth, at, frame, text, wrote

ANN, BOB, CAT, DAN = PHONES
PEOPLE = contacts_frame(
    [{"phone": ANN, "contact_id": "a"}, {"phone": BOB, "contact_id": "b"}, {"contact_id": "c"}]
)
MESSAGES = frame(
    [text(ANN, 0), text(ANN, 24 * 20), wrote(ANN, 24 * 21), wrote(ANN, 24 * 22, "stop"), text(CAT, 1)]
)
NOW = at(24 * 25)
COLUMNS = ("contact_id", "texts", "replies", "texts_7d", "texts_30d")
COUNTS = [("a", 2, 1, 1, 2), ("b", 0, 0, 0, 0), ("c", None, None, None, None)]


def test_a_row_a_contact_and_a_frame_of_what_came_in():
    table = engagement(PEOPLE, MESSAGES, as_of=NOW)
    assert isinstance(table, pl.DataFrame)
    assert table.columns[: len(CONTACT_SCHEMA)] == list(CONTACT_SCHEMA)
    assert table.select(COLUMNS).rows() == COUNTS
    assert engagement(PEOPLE[[2, 1, 0]], MESSAGES, as_of=NOW).select(COLUMNS).rows() == COUNTS[::-1]
    times = table.sort("contact_id").select("last_text_at", "last_reply_at").row(0)
    assert times == (at(24 * 20), at(24 * 21))
    lazy = engagement(PEOPLE.lazy(), MESSAGES.lazy(), as_of=NOW)
    assert isinstance(lazy, pl.LazyFrame)
    assert lazy.collect().sort("contact_id").equals(table.sort("contact_id"))


def test_duckdb_stays_in_duckdb():
    connection = duckdb.connect()
    people, messages = (connection.from_arrow(one.to_arrow()) for one in (PEOPLE, MESSAGES))
    table = engagement(people, messages, as_of=NOW)
    assert isinstance(table, duckdb.DuckDBPyRelation)
    assert table.select(*COLUMNS).order("contact_id").fetchall() == COUNTS


@pytest.mark.slow
def test_spark_stays_in_spark(in_spark):
    people, messages = map(in_spark, (PEOPLE, MESSAGES))
    table = engagement(people, messages, as_of=NOW)
    assert [tuple(row) for row in table.select(*COLUMNS).orderBy("contact_id").collect()] == COUNTS


def test_arrow_becomes_polars():
    table = engagement(PEOPLE.to_arrow(), MESSAGES.to_arrow(), as_of=NOW)
    assert isinstance(table, pl.DataFrame)
    assert table.sort("contact_id").select(COLUMNS).rows() == COUNTS


def test_contacts_that_were_counted_before_are_refused():
    with pytest.raises(FrameError, match="have a column 'last_text_at' already"):
        engagement(engagement(PEOPLE, MESSAGES), MESSAGES)


@settings(max_examples=10)
@given(ROWS)
def test_counts_are_those_of_reading_row_by_row(rows):
    messages = frame(rows)
    truth = Truth(messages)
    people = contacts_frame([{"phone": phone} for phone in PHONES])
    now = START + timedelta(days=30)
    table = engagement(people, messages, as_of=now)
    assert table.height == len(PHONES)
    sent = [row for row in truth.delivered() if row["at"] <= now]
    assert table["texts"].sum() == len(sent)
    assert table["texts_7d"].sum() == sum(row["at"] > now - timedelta(days=7) for row in sent)
    for person in table.iter_rows(named=True):
        times = [row["at"] for row in sent if row["phone"] == person["phone"]]
        assert person["last_text_at"] == max(times, default=None)
