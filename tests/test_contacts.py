"""The decoder of what is as promised: strict about shapes, faithful to every character, exact in its schema."""

import json
import warnings
from datetime import UTC, datetime, timedelta

import msgspec
import polars as pl
import pytest
from hypothesis import given, settings, strategies as st

from sendblue_data import CONTACT_SCHEMA, contacts_frame
from sendblue_data._api.call import Call
from sendblue_data._api.decoding import decode_page
from sendblue_data.errors import ApiError, FrameError, NewFieldWarning, UnexpectedAnswerError

PHONE = "+12125550100"
FIELDS = [
    "contact_id",
    "phone",
    "first_name",
    "last_name",
    "company_name",
    "created_at",
    "custom_variables",
    "opt_out",
    "verified",
    "sendblue_number",
    "tags",
    "assigned_to_email",
]
WHOLE = {
    "contact_id": "c1",
    "phone": PHONE,
    "first_name": "Ann",
    "last_name": "Ohm",
    "company_name": "Acme",
    "created_at": "2025-01-02T03:04:05.678901Z",
    "custom_variables": {"city": "Lyon"},
    "opt_out": False,
    "verified": True,
    "sendblue_number": "+12125550190",
    "tags": ["VIP"],
    "assigned_to_email": "owner@example.com",
}


def page(*rows):
    return json.dumps(rows).encode()


def only(body, **options):
    """Decode a page of one contact and give that contact."""
    frame = decode_page(body, **options).frame
    assert frame.schema == CONTACT_SCHEMA
    assert frame.height == 1
    return frame.row(0, named=True)


def refused(body, *, field=None, row=None, match=None):
    with pytest.raises(UnexpectedAnswerError, match=match) as caught:
        decode_page(body)
    assert (caught.value.field, caught.value.row) == (field, row)
    assert isinstance(caught.value, ApiError)
    return caught.value


# Schema -----------------------------------------------------------------------------------------------


def test_the_schema_is_the_one_that_was_promised():
    assert list(CONTACT_SCHEMA) == FIELDS
    text = dict.fromkeys(FIELDS, pl.String)
    assert dict(CONTACT_SCHEMA) == {
        **text,
        "created_at": pl.Datetime("us", "UTC"),
        "custom_variables": pl.Map(pl.String, pl.String),
        "opt_out": pl.Boolean,
        "verified": pl.Boolean,
        "tags": pl.List(pl.String),
    }


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b" [ ] \n",
        b"[{}]",
        page(WHOLE),
        page({"verified": None}),
        page({"tags": []}, {"custom_variables": {}}),
    ],
)
def test_every_frame_has_exactly_the_schema(body):
    frame = decode_page(body).frame
    assert frame.schema == CONTACT_SCHEMA
    assert frame.columns == FIELDS
    assert frame.height == len(json.loads(body))


def test_a_whole_contact():
    assert only(page(WHOLE)) == {**WHOLE, "created_at": datetime(2025, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)}


EMPTY = {"tags": [], "custom_variables": {}}


@pytest.mark.parametrize("missing", FIELDS)
def test_a_missing_field_is_null_and_so_is_a_null_but_of_a_list_or_a_map(missing):
    absent = {name: value for name, value in WHOLE.items() if name != missing}
    frame = decode_page(page(absent, {**WHOLE, missing: None})).frame
    assert frame.height == 2
    assert frame[missing].to_list() == [None, EMPTY.get(missing)]
    assert sum(frame.null_count().row(0)) == (1 if missing in EMPTY else 2)


def test_empty_is_not_null():
    contact = only(page({"first_name": "", "tags": [], "custom_variables": {}, "opt_out": False}))
    assert (contact["first_name"], contact["tags"], contact["opt_out"]) == ("", [], False)
    assert contact["custom_variables"] == {}


# What is refused --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("row", "told"), [(None, "null"), (1, "int"), ("x", "str"), ([], "array")])
def test_a_row_that_is_no_contact(row, told):
    refused(page({}, row), row=1, match=f"row 1: Expected object, got {told}")


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (
            b'{"status": "ERROR", "message": "Too many requests"}',
            "one object, not a list of contacts: 'Too many",
        ),
        (b'{"error": "no"}', "'no'"),
        (b'{"error_message": "no"}', "'no'"),
        (b"{}", "one object"),
        (b'{"contacts": []}', "one object"),
        (b"<!DOCTYPE html><html>Sign in</html>", "a web page, not JSON"),
        (b"\n <html>", "a web page, not JSON"),
        (b"null", "Expected array, got null"),
        (b"5", "Expected array, got int"),
        (b'"[]"', "Expected array, got str"),
        (b"OK", "not JSON .* begins with 'OK'"),
        (b"[] []", "not JSON"),
        (b"[{},]", "not JSON"),
        (b"[{'phone': 'x'}]", "not JSON"),
        (b'[{"opt_out": NaN}]', "not JSON"),
        (b'\xef\xbb\xbf[{"phone": "x"}]', "not JSON"),
        (page({"first_name": "Zoë"}).decode().encode("utf-16"), "not JSON"),
        (b'[{"first_name": "Zo\xeb"}]', "not JSON"),
        (b'[{"first_name": "\xed\xa0\xbd"}]', "not JSON"),
        (b'[{"first_name": "\x00"}]', "not JSON"),
    ],
)
def test_an_answer_that_is_no_list_of_contacts(body, told):
    assert refused(body, match=told).cut_short is False


@pytest.mark.parametrize("body", [b"", b" \r\n "])
def test_an_empty_answer_was_cut_short(body):
    assert refused(body, match="the answer is empty").cut_short


def test_deep_nesting_is_refused_rather_than_run_into():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NewFieldWarning)
        refused(b'[{"phone": "x", "new": ' + b"[" * 100_000 + b"]" * 100_000 + b"}]", match="not JSON")


def test_a_page_cut_short_says_so():
    whole = page(WHOLE, {"first_name": "Zoë 😀", "verified": False})
    assert [end for end in range(1, len(whole)) if not refused(whole[:end]).cut_short] == []


def test_the_error_carries_the_call_it_belongs_to():
    with pytest.raises(UnexpectedAnswerError) as caught:
        decode_page(b"<html>", Call("POST", "/api/v2/contacts/bulk"))
    assert (caught.value.method, caught.value.path) == ("POST", "/api/v2/contacts/bulk")
    assert "base_url" in caught.value.remedy


def test_a_huge_answer_is_not_repeated_in_the_message():
    assert len(str(refused(page({"x" * 10_000: 1}), row=0))) < 500
    assert len(str(refused(b"x" * 10_000))) < 500


# New fields -------------------------------------------------------------------------------------------


def test_new_fields_are_ignored_with_one_warning():
    rows = [{**WHOLE, "mood": "good", "score": [1, {"a": None}]}, {"phone": "x", "area": 5}]
    with pytest.warns(NewFieldWarning, match="ignores: area, mood, score") as caught:
        frame = decode_page(page(*rows)).frame
    assert len(caught) == 1
    assert frame.schema == CONTACT_SCHEMA
    assert frame["phone"].to_list() == [PHONE, "x"]


def test_they_are_announced_once_a_client():
    announced = set()
    with pytest.warns(NewFieldWarning) as caught:
        assert only(page({**WHOLE, "mood": "good"}), announced=announced)["phone"] == PHONE
    assert len(caught) == 1
    assert announced == {"mood"}
    # Warnings are errors in these tests: a second one would fail here.
    assert only(page({**WHOLE, "mood": "good"}), announced=announced)["phone"] == PHONE
    assert only(page(WHOLE), announced=announced)["phone"] == PHONE


@pytest.mark.parametrize("announced", [None, set(), {"mood"}])
def test_rows_of_other_things_are_not_contacts(announced):
    with pytest.raises(
        UnexpectedAnswerError, match="row 1: none of its fields is a contact's: error, status"
    ) as caught:
        decode_page(page({"phone": "x"}, {"status": "ERROR", "error": "no"}), announced=announced)
    assert caught.value.row == 1


def test_a_spelling_that_nobody_met_is_a_new_field():
    with pytest.warns(NewFieldWarning, match="OptOut, Phone"):
        assert only(page({"phone": "x", "Phone": "y", "OptOut": True}))["opt_out"] is None


def test_a_field_that_is_new_later_is_announced_too():
    announced = {"mood"}
    with pytest.warns(NewFieldWarning, match="ignores: area"):
        decode_page(page({"mood": 1, "area": 2, "phone": PHONE}), announced=announced)
    assert announced == {"mood", "area"}


# Moments ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2025-01-02T03:04:05Z", datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2025-01-02T03:04:05.678Z", datetime(2025, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)),
        ("2025-01-02T03:04:05.678901Z", datetime(2025, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)),
        ("2025-01-02T03:04:05.678901999Z", datetime(2025, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)),
        ("2025-01-02T03:04:05.5", datetime(2025, 1, 2, 3, 4, 5, 500000, tzinfo=UTC)),
        ("2025-01-02T03:04:05", datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2025-01-02 03:04:05+00:00", datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2025-01-02T03:04:05+02:00", datetime(2025, 1, 2, 1, 4, 5, tzinfo=UTC)),
        ("2025-01-02T03:04:05-0530", datetime(2025, 1, 2, 8, 34, 5, tzinfo=UTC)),
        ("2025-01-01T00:30:00.25+14:00", datetime(2024, 12, 31, 10, 30, 0, 250000, tzinfo=UTC)),
        ("2025-01-02T03:04Z", datetime(2025, 1, 2, 3, 4, tzinfo=UTC)),
        ("2025-01-02", datetime(2025, 1, 2, tzinfo=UTC)),
        ("20250102T030405Z", datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2024-02-29T23:59:59.999999Z", datetime(2024, 2, 29, 23, 59, 59, 999999, tzinfo=UTC)),
        ("1969-12-31T23:59:59.999999Z", datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
        ("0999-06-01T12:00:00+01:00", datetime(999, 6, 1, 11, tzinfo=UTC)),
        ("9999-12-31T23:59:59.999999Z", datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)),
    ],
)
def test_moments(text, moment):
    assert only(page({"created_at": text}))["created_at"] == moment
    # Beside a common one and a null, as they come.
    frame = decode_page(page({"created_at": "2025-06-01T00:00:00Z"}, {"created_at": text}, {})).frame
    assert frame["created_at"].to_list() == [datetime(2025, 6, 1, tzinfo=UTC), moment, None]


# Any Unicode ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "read"),
    [
        (r"\ud83d", "\ufffd"),
        (r"\ude00", "\ufffd"),
        (r"a\uD83Db", "a\ufffdb"),
        (r"\ud83d\ude00", "😀"),
        (r"\ud83d\ud83d\ude00", "\ufffd😀"),
        (r"\ude00\ud83d", "\ufffd\ufffd"),
        (r"\\ud83d", r"\ud83d"),
        (r"\\\ud83d", "\\\ufffd"),
        (r"\\\\ud83d", r"\\ud83d"),
        (r"\n\ud83d\n", "\n\ufffd\n"),
        (r"\u0000", "\0"),
        (r"\ufeff", "\ufeff"),
        (r"\u2028\uffff", "\u2028\uffff"),
    ],
)
def test_escapes_and_half_characters(text, read):
    body = f'[{{"first_name": "{text}", "tags": ["{text}"], "custom_variables": {{"{text}": "{text}"}}}}]'
    contact = only(body.encode())
    assert (contact["first_name"], contact["tags"]) == (read, [read])
    assert contact["custom_variables"] == {read: read}


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
moments = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))


def maybe(strategy):
    return st.none() | strategy


contacts = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(
            [
                "contact_id",
                "phone",
                "first_name",
                "last_name",
                "company_name",
                "sendblue_number",
                "assigned_to_email",
            ],
            maybe(texts),
        ),
        "created_at": maybe(moments),
        "custom_variables": maybe(st.dictionaries(texts, maybe(texts), max_size=3)),
        "opt_out": maybe(st.booleans()),
        "verified": maybe(st.booleans()),
        "tags": maybe(st.lists(maybe(texts), max_size=3)),
    },
)


def written(contact, hours):
    """Give a contact as an API might write it, its moment in another zone."""
    if contact.get("created_at") is None:
        return contact
    text = (contact["created_at"] + timedelta(hours=hours)).replace(tzinfo=None).isoformat()
    return {**contact, "created_at": f"{text}{'+' if hours >= 0 else '-'}{abs(hours):02}:00"}


@settings(max_examples=60, deadline=None)
@given(st.lists(contacts, max_size=5), st.integers(-12, 12), st.booleans())
def test_what_json_writes_is_what_the_frame_holds(people, hours, ascii_only):
    body = json.dumps([written(person, hours) for person in people], ensure_ascii=ascii_only).encode()
    frame = decode_page(body).frame
    assert frame.schema == CONTACT_SCHEMA
    assert frame.height == len(people)
    stated = [
        {name: EMPTY.get(name) if value is None else value for name, value in person.items()}
        for person in people
    ]
    assert frame.rows(named=True) == [{name: person.get(name) for name in FIELDS} for person in stated]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.text(st.characters() | st.sampled_from('\\\ud83d\ude00"u'), max_size=8), min_size=1, max_size=4
    )
)
def test_half_characters_anywhere_become_one_replacement_each(names):
    """Python's own reader keeps the halves: it is the truth, with each of them replaced."""
    body = json.dumps([{"first_name": name} for name in names]).encode()
    expected = [
        "".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in row["first_name"])
        for row in json.loads(body)
    ]
    frame = decode_page(body).frame
    assert frame["first_name"].to_list() == expected


@settings(max_examples=60, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | texts,
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(texts | st.sampled_from(FIELDS), inner, max_size=3)
        ),
        max_leaves=8,
    )
)
def test_any_json_is_a_frame_or_our_error(value):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NewFieldWarning)
        try:
            frame = decode_page(msgspec.json.encode(value)).frame
        except UnexpectedAnswerError:
            return
    assert frame.schema == CONTACT_SCHEMA
    assert frame.height == len(value)


@settings(max_examples=60, deadline=None)
@given(
    st.binary(max_size=40) | st.binary(max_size=20).map(lambda inner: b'[{"first_name": "' + inner + b'"}]')
)
def test_any_bytes_are_a_frame_or_our_error(body):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NewFieldWarning)
        try:
            frame = decode_page(body).frame
        except UnexpectedAnswerError:
            return
    assert frame.schema == CONTACT_SCHEMA


# Frames of one's own ----------------------------------------------------------------------------------


def test_contacts_frame_takes_what_python_holds():
    moment = datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC)
    frame = contacts_frame([{"phone": PHONE, "created_at": moment, "tags": ("a", "b")}, {}])
    assert frame.schema == CONTACT_SCHEMA
    assert frame["phone"].to_list() == [PHONE, None]
    assert frame["created_at"].to_list() == [moment, None]
    assert frame["tags"].to_list() == [["a", "b"], None]
    assert contacts_frame([]).schema == CONTACT_SCHEMA


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (
            {"Phone": PHONE},
            "Row 1 has the field 'Phone', which no contact has. Fields are: contact_id, phone",
        ),
        ({"phone": 12125550100}, "row 1, field phone: Expected str"),
        ({"tags": "VIP"}, "row 1, field tags"),
        ({"created_at": "soon"}, "row 1, field created_at"),
        ({"first_name": object()}, "a value that no contact has"),
        ({"first_name": "\ud83d"}, "a value that no contact has"),
    ],
)
def test_contacts_frame_refuses_by_row_and_field(row, told):
    with pytest.raises(FrameError, match=told):
        contacts_frame([{}, row])
