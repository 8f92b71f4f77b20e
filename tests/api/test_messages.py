"""One page of messages: every filter is sent, what is odd is told, and no text is kept that was not asked for."""

import json
import logging
import traceback
from datetime import UTC, datetime, timedelta

import msgspec
import polars as pl
import pytest
from hypothesis import given, strategies as st

from sendblue_data import MESSAGE_SCHEMA
from sendblue_data._api import message_decoding
from sendblue_data._api.message_decoding import decode_messages
from sendblue_data.errors import (
    ConfigurationError,
    NewFieldWarning,
    RepairedFieldWarning,
    UnexpectedAnswerError,
)

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECRET = "the doctor said it is cancer"
MESSAGE = {
    "accountEmail": "owner@example.com",
    "content": SECRET,
    "date_sent": "2026-03-01T12:00:00.123456Z",
    "date_updated": "2026-03-01T12:00:05Z",
    "error_code": None,
    "from_number": "+12125550190",
    "is_outbound": True,
    "message_handle": "m1",
    "message_type": "message",
    "number": "+12125550100",
    "opted_out": False,
    "participants": None,
    "sendblue_number": "+12125550190",
    "service": "iMessage",
    "status": "DELIVERED",
    "to_number": "+12125550100",
    "was_downgraded": False,
}


def answer(*messages, **pagination):
    return msgspec.json.encode({"status": "OK", "data": messages, "pagination": pagination})


def row(message, **options):
    page = decode_messages(answer(message), **options)
    assert page.frame.schema == MESSAGE_SCHEMA
    assert page.frame.height == 1
    return page.frame.row(0, named=True), [(field, kind) for _, field, kind in page.oddities]


def camel(message):
    def name(text):
        first, *others = text.split("_")
        return first + "".join(map(str.capitalize, others))

    return {name(field): value for field, value in message.items()}


def test_every_field():
    found, odd = row(MESSAGE, content=True)
    assert odd == []
    assert {name: value for name, value in found.items() if value is not None} == {
        "message_handle": "m1", "phone": "+12125550100", "sendblue_number": "+12125550190",
        "from_number": "+12125550190", "to_number": "+12125550100", "is_outbound": True, "message_type": "message",
        "service": "iMessage", "was_downgraded": False, "status": "DELIVERED", "opted_out": False,
        "date_sent": AT + timedelta(microseconds=123456), "date_updated": AT + timedelta(seconds=5),
        "content_length": len(SECRET), "content": SECRET,
    }  # fmt: skip


@pytest.mark.parametrize(
    "spelling", [camel, lambda message: {**message, **camel(message)}], ids=["camel", "both"]
)
def test_spellings_are_read_alike(spelling):
    assert row(spelling(MESSAGE)) == row(MESSAGE)


@pytest.mark.parametrize(
    ("field", "shown", "column", "read"),
    [
        ("is_outbound", 1, "is_outbound", True),
        ("opted_out", "TRUE", "opted_out", True),
        ("was_downgraded", "false", "was_downgraded", False),
        ("error_code", "4001", "error_code", 4001),
        ("error_code", str(-(2**63)), "error_code", -(2**63)),
        ("status", 5, "status", "5"),
        ("participants", ["a", 5], "participants", ["a", "5"]),
        ("date_sent", "2026-03-01T13:00:00+01:00", "date_sent", AT),
        ("date_sent", "2026-03-01T12:00:00", "date_sent", AT),
        ("date_sent", "2026-03-01T12:00:00.5Z", "date_sent", AT + timedelta(milliseconds=500)),
        ("date_sent", "0001-01-01T00:00:00.000000Z", "date_sent", datetime.min.replace(tzinfo=UTC)),
        ("date_sent", "9999-12-31T23:59:59.999999Z", "date_sent", datetime.max.replace(tzinfo=UTC)),
    ],
)
def test_odd_values_that_can_be_read(field, shown, column, read):
    found, odd = row({**MESSAGE, field: shown})
    assert (found[column], odd) == (read, [])


@pytest.mark.parametrize(
    ("field", "shown", "column", "kind"),
    [
        ("is_outbound", "perhaps", "is_outbound", "not a flag"),
        ("opted_out", 2, "opted_out", "not a flag"),
        ("error_code", "many", "error_code", "not a number"),
        ("error_code", 2**63, "error_code", "not a number"),
        ("error_code", -(2**63) - 1, "error_code", "not a number"),
        ("number", 12125550100, "phone", "not text"),
        ("status", {}, "status", "not text"),
        ("date_sent", "yesterday", "date_sent", "not a date"),
        ("date_sent", "0000-01-01T00:00:00Z", "date_sent", "not a date"),
        ("date_sent", "0000-01-01T00:00:00.000000Z", "date_sent", "not a date"),
        ("date_updated", "+12026-01-01T00:00:00.000000Z", "date_updated", "not a date"),
        ("date_updated", 5, "date_updated", "not a date"),
        ("participants", "nobody", "participants", "not a list"),
        ("participants", {"a": "b"}, "participants", "not a list"),
        ("content", {"text": SECRET}, "content", "not text"),
    ],
)
def test_what_cannot_be_read_is_null_and_told(field, shown, column, kind):
    found, odd = row({**MESSAGE, field: shown}, content=True)
    assert (found[column], odd) == (None, [(column, kind)])


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("0000-12-31T23:59:59.999999Z", None),
        ("0001-01-01T00:00:00.000000Z", datetime.min.replace(tzinfo=UTC)),
        ("9999-12-31T23:59:59.999999Z", datetime.max.replace(tzinfo=UTC)),
    ],
)
def test_the_first_moment_and_the_last_are_dates_where_all_are_written_alike(text, moment):
    found, odd = row({**MESSAGE, "date_sent": text, "date_updated": "2026-03-01T12:00:05.000000Z"})
    assert (found["date_sent"], found["date_updated"]) == (moment, AT + timedelta(seconds=5))
    assert odd == ([] if moment else [("date_sent", "not a date")])


@pytest.mark.parametrize("field", ["number", "is_outbound", "opted_out"])
def test_a_field_given_twice_is_never_guessed(field):
    column = "phone" if field == "number" else field
    twice = json.dumps({**MESSAGE, "twice": 0}).replace('"twice": 0', f'"{field}": {json.dumps("+12125550101" if field == "number" else not MESSAGE[field])}')  # fmt: skip
    body = b'{"status": "OK", "data": [' + twice.encode() + b"]}"
    page = decode_messages(body)
    assert page.frame[column].to_list() == [None]
    assert [(one.field, one.kind) for one in page.oddities] == [(column, "given twice")]


@pytest.mark.parametrize(
    ("names", "values"),
    [
        (["number", "phone"], ["+12125550100", "+12125550101"]),
        (["is_outbound", "isOutbound"], [True, False]),
        (["opted_out", "optedOut"], [False, True]),
    ],
)
def test_a_field_given_under_two_names_is_never_guessed(names, values):
    column = "phone" if "number" in names else names[0]
    both = dict(zip(names, values, strict=True))
    assert row({"message_handle": "m1", **both}, content=True)[0][column] is None
    assert row({"message_handle": "m1", **both})[1] == [(column, "given twice")]
    agreed, odd = row({"message_handle": "m1", **dict.fromkeys(names, values[0])})
    assert (agreed[column], odd) == (values[0], [])


def test_a_phone_under_the_name_of_our_column_is_a_phone_and_nothing_else():
    found, odd = row({"message_handle": "m1", "phone": "+12125550100"})
    given = {name: value for name, value in found.items() if value is not None}
    assert (given, odd) == ({"message_handle": "m1", "phone": "+12125550100"}, [])


@pytest.mark.parametrize("name", ["n\\u0075mber", "\\u006eumber", "is\\u005foutbound"])
def test_a_name_written_with_escapes_is_a_second_one(name):
    """`read_json`, msgspec and a search for the name would each make something else of it."""
    other = '"+12125550101"' if "mber" in name else "false"
    column = "phone" if "mber" in name else "is_outbound"
    body = answer(MESSAGE).replace(b'"content"', f'"{name}": {other}, "content"'.encode())
    page = decode_messages(body)
    assert page.frame[column].to_list() == [None]
    assert [(one.field, one.kind) for one in page.oddities] == [(column, "given twice")]


@pytest.mark.parametrize("text", ["number", "opted_out", "\\u006eumber", "a \\\\u006e b", '"number"'])
def test_a_text_like_a_name_is_a_text(text):
    found, odd = row({**MESSAGE, "content": text}, content=True)
    assert (found["content"], found["phone"], odd) == (text, MESSAGE["number"], [])


def test_a_number_that_is_left_out_is_read_off_the_other_side():
    outbound = {name: value for name, value in MESSAGE.items() if name != "number"}
    inbound = {**outbound, "is_outbound": False, "from_number": "+12125550101", "to_number": "+12125550190"}
    assert row(outbound)[0]["phone"] == "+12125550100"
    assert row(inbound)[0]["phone"] == "+12125550101"
    assert row({**outbound, "message_type": "group"})[0]["phone"] is None
    assert row({**outbound, "is_outbound": None})[0]["phone"] is None


def test_a_number_that_is_there_is_nobody_elses():
    """It is filled in where it is left out, and nowhere else on the page."""
    odd = {**MESSAGE, "number": "+12125550105"}
    without = {name: value for name, value in MESSAGE.items() if name != "number"}
    frame = decode_messages(answer(odd, without, {**without, "group_id": "g"}, odd)).frame
    assert frame["phone"].to_list() == ["+12125550105", "+12125550100", None, "+12125550105"]


def test_texts_are_not_kept():
    found, _ = row(MESSAGE)
    assert (found["content"], found["content_length"], found["keyword"]) == (None, len(SECRET), None)
    found, _ = row({**MESSAGE, "content": "¡Alto!"}, languages=["es"])
    assert (found["content"], found["content_length"], found["keyword"]) == (None, 6, "stop")


@pytest.mark.parametrize(
    "said",
    [
        b'{"has\xaaore": true}',
        b'{"total": "\xaa"}',
        b'{"hasMore": "\xaa"}',
        b'{"total": {"a\xaa": 1}}',
        b'"\xaa"',
    ],
)
def test_pagination_that_is_no_text_says_nothing(said):
    assert decode_messages(b'{"data": [], "pagination": ' + said + b"}")[2:] == (None, None)


def test_pagination_as_far_as_it_is_said():
    assert decode_messages(answer(total=7, hasMore=True))[2:] == (7, True)
    assert decode_messages(answer(total=0, hasMore=False))[2:] == (0, False)
    assert decode_messages(answer(total="7", has_more="false"))[2:] == (7, False)
    assert decode_messages(answer(total=-1, hasMore=None))[2:] == (None, None)
    assert decode_messages(b'{"data": [], "pagination": 5}')[2:] == (None, None)
    assert decode_messages(b"[]")[2:] == (None, None)


def test_new_fields_are_told_once():
    announced = set()
    with pytest.warns(NewFieldWarning, match="message fields .* mood"):
        row({**MESSAGE, "mood": SECRET}, announced=announced)
    row({**MESSAGE, "mood": 2}, announced=announced)


BROKEN = [
    b"", b"<html>" + SECRET.encode(), answer(MESSAGE)[:-40], b'{"status": "ERROR", "message": "no such account"}',
    b'{"status": "error", "data": []}', b'{"status": "ERROR", "data": [], "mood": 1}', b'{"data": null}', b'{"data": {"content": "' + SECRET.encode() + b'"}}', b'{"data": [{"text": "' + SECRET.encode() + b'"}]}',
    b'"' + SECRET.encode() + b'"', b"\xff" + SECRET.encode(), b'{"data": [5]}',
]  # fmt: skip


@pytest.mark.parametrize("body", BROKEN)
def test_what_is_no_list_is_an_error_that_quotes_no_text(body):
    with pytest.raises(UnexpectedAnswerError) as raised:
        decode_messages(body)
    assert SECRET not in str(raised.value)
    assert raised.value.path == "/api/v2/messages"


@pytest.mark.parametrize(
    ("body", "words", "cut_short"),
    [
        (b"", "the answer is empty", True),
        (b" \r\n", "the answer is empty", True),
        (b"<html>", "a web page, not JSON", False),
        (b"\n <p>", "a web page, not JSON", False),
        (b"{", "no list of messages", True),
        (b" [", "no list of messages", True),
        (answer(MESSAGE)[:-40], "no list of messages", True),
        (b'[{"number": "+1212', "no list of messages", True),
        (b'"a text that ends', "no list of messages", False),
        (b'{"data": [5]}', "no list of messages", False),
        (b"[5]", "no list of messages", False),
        (b"5", "no list of messages", False),
    ],
)
def test_what_was_cut_short_is_told_from_what_is_no_list(body, words, cut_short):
    """It is asked for again, and the other is not."""
    with pytest.raises(UnexpectedAnswerError, match=words) as raised:
        decode_messages(body)
    assert raised.value.cut_short is cut_short


def test_what_is_as_promised_is_not_read_message_by_message(monkeypatch):
    monkeypatch.setattr(message_decoding, "_otherwise", None)
    without = {name: value for name, value in MESSAGE.items() if name not in {"number", "opted_out"}}
    halves = {**MESSAGE, "content": "\\ud83d\\ude00 \\u0026"}
    page = decode_messages(answer(MESSAGE, without, halves).replace(b"\\\\u", b"\\u"), content=True)
    assert page.frame["phone"].to_list() == ["+12125550100"] * 3
    assert page.frame["opted_out"].to_list() == [False, None, False]
    assert page.frame["content"].to_list() == [SECRET, SECRET, "😀 &"]


def test_half_a_character_beside_an_odd_value():
    body = answer({**MESSAGE, "content": "HALF", "opted_out": "perhaps"}, MESSAGE).replace(
        b"HALF", b"\\ud83d!"
    )
    page = decode_messages(body, content=True)
    assert page.frame["content"].to_list() == ["\ufffd!", SECRET]
    assert page.oddities == ((0, "opted_out", "not a flag"),)


VALUES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=4)
    | st.lists(st.text(max_size=3), max_size=2)
)


@given(st.lists(st.dictionaries(st.sampled_from([*MESSAGE, "isOutbound", "optedOut"]), VALUES), max_size=4))
def test_any_values_are_a_row_each(messages):
    page = decode_messages(answer(*messages))
    assert page.frame.schema == MESSAGE_SCHEMA
    assert page.frame.height == len(messages)
    assert page.frame["content"].null_count() == len(messages)
    assert all(page.frame[row, field] is None for row, field, _ in page.oddities)


TEXTS = st.none() | st.text(max_size=4) | st.sampled_from(['"number"', "Stop."])
PROMISED = {
    **{name: TEXTS for name, value in MESSAGE.items() if value is None or isinstance(value, str)},
    **{name: st.none() | st.booleans() for name, value in MESSAGE.items() if isinstance(value, bool)},
    "error_code": st.none() | st.integers(-(2**63), 2**63 - 1),
    "participants": st.none() | st.lists(TEXTS, max_size=2),
}


@given(st.lists(st.fixed_dictionaries({}, optional=PROMISED).filter(bool), max_size=4))
def test_a_page_says_the_same_at_once_and_message_by_message(messages):
    body = answer(*messages)
    at_once = message_decoding._as_promised(body)
    each = message_decoding._otherwise(body, message_decoding.LIST_MESSAGES)
    assert at_once is not None
    assert {field: list(values) for field, values in at_once.columns.items()} == each.columns
    assert (each.oddities, each.new) == ([], set())


@given(st.data())
def test_one_odd_message_changes_no_other(data):
    """Whichever way a page is read, at once or row by row, its plain messages come out alike."""
    plain = [{**MESSAGE, "message_handle": f"m{nth}"} for nth in range(3)]
    odd = data.draw(st.dictionaries(st.sampled_from(list(MESSAGE)), VALUES, min_size=1))
    place = data.draw(st.integers(0, 2))
    mixed = [*plain[:place], odd, *plain[place + 1 :]]
    alone, among = decode_messages(answer(*plain)).frame, decode_messages(answer(*mixed)).frame
    others = pl.int_range(pl.len()) != place
    assert among.filter(others).equals(alone.filter(others))


def test_the_client_sends_every_filter(open_account):
    sandbox, client = open_account([])
    client.list_messages(
        limit=5, offset=2, phone="+12125550100", from_number="+12125550101", to_number="+12125550102",
        sendblue_number="+12125550190", is_outbound=False, status="SENT", service="SMS", message_type="group",
        group_id="g", created_at_gte=AT, created_at_lte="2026-03-02", sent_at_gte=AT, sent_at_lte=AT,
        updated_at_gte=AT, updated_at_lte=AT, account_email="a@example.com", worker_id="w", order_by="sentAt",
        order_direction="asc",
    )  # fmt: skip
    at = "2026-03-01T12:00:00.000000Z"
    assert dict(sandbox.request_log[-1].query) == {
        "limit": "5", "offset": "2", "number": "+12125550100", "from_number": "+12125550101",
        "to_number": "+12125550102", "sendblue_number": "+12125550190", "is_outbound": "false", "status": "SENT",
        "service": "SMS", "message_type": "group", "group_id": "g", "created_at_gte": at,
        "created_at_lte": "2026-03-02T00:00:00.000000Z", "sent_at_gte": at, "sent_at_lte": at, "updated_at_gte": at,
        "updated_at_lte": at, "account_email": "a@example.com", "worker_id": "w", "order_by": "sentAt",
        "order_direction": "asc",
    }  # fmt: skip
    assert len(sandbox.request_log) == 1


def test_options_that_cannot_be_used(open_account):
    _, client = open_account([])
    with pytest.raises(ConfigurationError, match="sent_at_lte is 'soon'"):
        client.list_messages(sent_at_lte="soon")
    with pytest.raises(ConfigurationError, match="languages has 'xx'"):
        client.list_messages(languages=["xx"])


def test_odd_fields_warn_or_raise(open_account):
    _, client = open_account([], messages=[{"message_handle": "m1"}], odd_messages=1.0)
    with pytest.warns(RepairedFieldWarning, match=r"content \(not text\)"):
        client.list_messages()
    with pytest.raises(UnexpectedAnswerError, match="row 0, field content"):
        client.list_messages(strict=True)


def test_no_text_is_left_in_frames_logs_or_tracebacks(open_account, caplog):
    sandbox, client = open_account([], messages=[{"content": SECRET}])
    caplog.set_level(logging.DEBUG)
    frame = client.list_messages()

    def rewrite(method, path, body):
        return body.replace(b'"data"', b'"date"')

    sandbox.set(rewrite=rewrite)
    with pytest.raises(UnexpectedAnswerError) as raised:
        client.list_messages()
    shown = "".join(traceback.TracebackException.from_exception(raised.value, capture_locals=True).format())
    assert SECRET not in shown + caplog.text + repr(frame) + str(frame.to_dicts())
    assert SECRET.encode() not in frame.serialize()
