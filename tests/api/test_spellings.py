"""The decoder of what is not as promised: other spellings, other types, and what can't be read."""

import json
import warnings
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings, strategies as st

from sendblue_data import CONTACT_SCHEMA
from sendblue_data._api.call import LIST
from sendblue_data._api.decoding import Oddity, decode_contact, decode_page
from sendblue_data._api.repairs import with_whole_characters
from sendblue_data.errors import NewFieldWarning, UnexpectedAnswerError
from tests.test_contacts import PHONE, WHOLE

OTHER = "+12125550101"
READ = {**WHOLE, "created_at": datetime(2025, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)}
CAMEL = {
    "contact_id": "contactId",
    "first_name": "firstName",
    "last_name": "lastName",
    "company_name": "companyName",
    "created_at": "createdAt",
    "custom_variables": "customVariables",
    "opt_out": "optOut",
    "sendblue_number": "sendblueNumber",
    "assigned_to_email": "assignedToEmail",
}
OLDER = {
    "contact_id": ["id", "cid"],
    "phone": ["contact_primary_phone", "contactPrimaryPhone"],
    "first_name": ["contact_first_name", "contactFirstName"],
    "last_name": ["contact_last_name", "contactLastName"],
}
NAMES = {
    field: [field, *([CAMEL[field]] if field in CAMEL else []), *OLDER.get(field, [])] for field in WHOLE
}
"""Every name that the evidence has for a field, the first that holds a value being taken."""


def decoded(body):
    """Decode a page, and check what holds of each."""
    page = decode_page(body if isinstance(body, bytes) else json.dumps(body).encode())
    assert page.frame.schema == CONTACT_SCHEMA
    assert all(page.frame[row, field] is None for row, field, _ in page.oddities)
    return page.frame.to_dicts(), page.oddities


def value(contact, field):
    """Decode one contact that has nothing odd, among others, and give one of its fields."""
    rows, oddities = decoded([WHOLE, contact, {}])
    assert (len(rows), oddities) == (3, ())
    return rows[1][field]


def kinds(contact):
    """Decode one contact among others, and give what was odd of it."""
    rows, oddities = decoded([WHOLE, contact, WHOLE])
    assert len(rows) == 3
    assert (rows[0], rows[2]) == (READ, READ)
    assert {oddity.row for oddity in oddities} <= {1}
    return {oddity.field: oddity.kind for oddity in oddities}


# Spellings --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("field", "name"), [(field, name) for field in NAMES for name in NAMES[field]])
def test_each_spelling_fills_its_column_without_a_warning(field, name):
    contact = {NAMES[other][-1]: of for other, of in WHOLE.items() if other != field}
    rows, oddities = decoded([{name: WHOLE[field]}, {**contact, name: WHOLE[field]}])
    assert (len(rows), oddities) == (2, ())
    assert rows[0] == {**dict.fromkeys(CONTACT_SCHEMA), field: READ[field]}
    assert rows[1] == READ


def test_an_escaped_name_is_the_same_name():
    rows, _ = decoded(rb'[{"phone": "x", "first\u004eame": "Ann", "o\u0070t_out": true}]')
    assert (rows[0]["first_name"], rows[0]["opt_out"]) == ("Ann", True)


def test_the_first_spelling_that_holds_a_value_is_taken():
    assert value({"first_name": "A", "firstName": "B", "contact_first_name": "C"}, "first_name") == "A"
    assert value({"firstName": "B", "first_name": None}, "first_name") == "B"
    assert value({"first_name": "", "firstName": "B"}, "first_name") == ""
    assert value({"cid": "3", "id": "2"}, "contact_id") == "2"
    assert value({"cid": "3", "id": "2", "contact_id": "1"}, "contact_id") == "1"
    assert value({"first_name": ["A"], "firstName": "B"}, "first_name") == "B"
    assert value({"custom_variables": None, "customVariables": {"a": "b"}}, "custom_variables") == {"a": "b"}
    assert value({"custom_variables": {}, "customVariables": {"a": "b"}}, "custom_variables") == {}


@pytest.mark.parametrize(
    ("first", "second", "day"),
    [("2025-01-01", "2025-01-02", 1), ("soon", "2025-01-02", 2), ("20250101", "2025-01-02", 1)],
)
def test_of_two_moments_the_first_that_is_one_is_taken(first, second, day):
    assert value({"created_at": first, "createdAt": second}, "created_at") == datetime(
        2025, 1, day, tzinfo=UTC
    )


# Who it is, and whether they may be texted, are never guessed -----------------------------------------


@pytest.mark.parametrize(
    "row",
    [
        b'{"phone": "+12125550100", "phone": "+12125550101"}',
        b'{"phone": "+12125550100", "phone": null}',
        b'{"phone": "+12125550100", "contact_primary_phone": "+12125550101"}',
        b'{"contactPrimaryPhone": "+12125550100", "contact_primary_phone": "+12125550101"}',
    ],
)
def test_of_two_phones_none_is_taken(row):
    rows, oddities = decoded(b"[{}," + row + b',{"phone": "+12125550102"}]')
    assert [contact["phone"] for contact in rows] == [None, None, "+12125550102"]
    assert oddities == (Oddity(1, "phone", "given twice"),)


@pytest.mark.parametrize(
    "row",
    [
        b'{"opt_out": true, "phone": "x", "opt_out": false}',
        b'{"opt_out": true, "optOut": false}',
        b'{"opt_out": 0, "optOut": true}',
        b'{"optOut": false, "optOut": true}',
        b'{"opt_out": "FALSE", "opt_out": 1}',
    ],
)
def test_of_two_opt_outs_neither_is_taken(row):
    rows, oddities = decoded(b"[" + row + b',{"opt_out": true}]')
    assert [contact["opt_out"] for contact in rows] == [None, True]
    assert oddities == (Oddity(0, "opt_out", "given twice"),)


def test_two_that_agree_are_one():
    assert value({"phone": PHONE, "contact_primary_phone": PHONE}, "phone") == PHONE
    assert value({"phone": "", "contact_primary_phone": PHONE}, "phone") == PHONE
    assert value({"opt_out": 1, "optOut": "true"}, "opt_out") is True
    assert value({"opt_out": None, "optOut": True}, "opt_out") is True
    assert decoded(b'[{"phone": "x", "phone": "x"}]')[0][0]["phone"] == "x"


def test_one_that_can_not_be_read_makes_the_other_doubtful():
    assert kinds({"opt_out": "maybe", "optOut": False}) == {"opt_out": "not a flag"}
    assert kinds({"phone": 12125550100, "contact_primary_phone": PHONE}) == {"phone": "not text"}


# Types ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("beside", ["", '"opt_out": 1, '], ids=["as it is", "repaired"])
@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("7", "7"),
        ("-7", "-7"),
        ("1.50", "1.50"),
        ("1e400", "1e400"),
        ("9007199254740993", "9007199254740993"),
        ("12345678901234567890123", "12345678901234567890123"),
        ("true", "true"),
        ("false", "false"),
        ('"1"', "1"),
        ("null", None),
    ],
)
def test_a_scalar_is_its_text(written, read, beside):
    fields = ["contact_id", "first_name", "lastName", "companyName", "sendblue_number", "assignedToEmail"]
    body = ", ".join(f'"{name}": {written}' for name in fields)
    rows, oddities = decoded(
        f'[{{{beside}{body}, "tags": ["a", {written}], "customVariables": {{"n": {written}, "b": "c"}}}}, {{}}]'.encode()
    )
    assert (len(rows), oddities) == (2, ())
    texts = ["contact_id", "first_name", "last_name", "company_name", "sendblue_number", "assigned_to_email"]
    assert {rows[0][name] for name in texts} == {read}
    assert rows[0]["tags"] == ["a", read]
    assert rows[0]["custom_variables"] == {"n": read, "b": "c"}


@pytest.mark.parametrize("field", ["opt_out", "verified"])
@pytest.mark.parametrize(
    ("given", "read"),
    [(True, True), (1, True), ("true", True), ("TRUE", True), (1.0, True), (False, False), (0, False), ("False", False), (0.0, False), (None, None)],
)  # fmt: skip
def test_a_flag_may_be_a_number_or_a_word(field, given, read):
    assert value({field: given}, field) is read


def test_null_is_the_same_beside_what_has_to_be_repaired():
    """One that was sent as null, one that was not sent, and one that nobody doubts."""
    fields = [name for name in WHOLE if name != "opt_out"]
    rows, oddities = decoded([{"opt_out": 1, **dict.fromkeys(fields)}, {"opt_out": 1}, {"tags": None}, {}])
    empty = {"tags": [], "custom_variables": {}}
    assert oddities == ()
    assert rows[0] == {**dict.fromkeys(WHOLE), **empty, "opt_out": True}
    assert rows[1] == {**dict.fromkeys(WHOLE), "opt_out": True}
    assert rows[2] == {**dict.fromkeys(WHOLE), "tags": []}
    assert rows[3] == dict.fromkeys(WHOLE)


@pytest.mark.parametrize(("phones", "read"), [(["", None], ""), ([None, None], None), ([None, ""], "")])
def test_an_empty_phone_is_one_beside_none(phones, read):
    both = dict(zip(("phone", "contactPrimaryPhone"), phones, strict=True))
    for beside in ({}, {"opt_out": 1}):
        assert value({**both, **beside}, "phone") == read


def test_an_empty_map_may_be_a_list_and_either_may_be_null():
    assert value({"custom_variables": []}, "custom_variables") == {}
    assert value({"customVariables": None}, "custom_variables") == {}
    assert value({"tags": None}, "tags") == []
    assert value({}, "tags") is None


@pytest.mark.parametrize(
    ("field", "given", "kind"),
    [
        ("phone", 12125550100, "not text"),
        ("phone", 1.5, "not text"),
        ("phone", True, "not text"),
        ("phone", [PHONE], "not text"),
        ("phone", {"e164": PHONE}, "not text"),
        ("contact_id", ["c1"], "not text"),
        ("first_name", {"first": "Ann"}, "not text"),
        ("company_name", [], "not text"),
        ("tags", "VIP", "not a list"),
        ("tags", "", "not a list"),
        ("tags", {"VIP": True}, "not a list"),
        ("tags", {}, "not a list"),
        ("tags", 5, "not a list"),
        ("tags", ["VIP", ["a"]], "not text"),
        ("tags", ["VIP", {}], "not text"),
        ("custom_variables", ["a"], "not a map"),
        ("custom_variables", "city=Lyon", "not a map"),
        ("custom_variables", False, "not a map"),
        ("custom_variables", {"a": {"b": "c"}}, "not text"),
        ("custom_variables", {"a": []}, "not text"),
        ("opt_out", "yes", "not a flag"),
        ("opt_out", "1", "not a flag"),
        ("opt_out", "", "not a flag"),
        ("opt_out", 2, "not a flag"),
        ("opt_out", [], "not a flag"),
        ("verified", "verified", "not a flag"),
        ("verified", {}, "not a flag"),
        ("created_at", 1735787045, "not a date"),
        ("created_at", True, "not a date"),
        ("created_at", {}, "not a date"),
        ("created_at", "yesterday", "not a date"),
        ("created_at", "", "not a date"),
        ("created_at", "1735787045", "not a date"),
        ("created_at", "02/01/2025", "not a date"),
        ("created_at", "2025-02-30T00:00:00Z", "not a date"),
        ("created_at", "2025-01-02T25:00:00Z", "not a date"),
        ("created_at", "2025-01-02T03:04:05 UTC", "not a date"),
        ("created_at", "0001-01-01T00:00:00+01:00", "not a date"),
        ("created_at", "9999-12-31T23:59:59-01:00", "not a date"),
    ],
)
def test_what_can_not_be_read_is_null_and_counted_under_any_spelling(field, given, kind):
    for name in NAMES[field]:
        others = {other: of for other, of in WHOLE.items() if other != field}
        rows, oddities = decoded([WHOLE, {**others, name: given}, {}])
        assert len(rows) == 3
        assert rows[1] == {**READ, field: None}
        assert oddities == (Oddity(1, field, kind),)


def test_fields_that_are_new_do_not_hide_what_is_odd():
    with pytest.warns(UserWarning, match="ignores: mood"):
        assert kinds({"mood": "good", "tags": "VIP", "firstName": 5}) == {"tags": "not a list"}


# Any page ---------------------------------------------------------------------------------------------

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
SCALAR = TEXT | st.integers() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False)
NESTED = st.lists(TEXT, max_size=2) | st.dictionaries(TEXT, TEXT, max_size=2)


def text_of(scalar):
    return scalar if isinstance(scalar, str) else json.dumps(scalar)


def flags(word):
    return [word, int(word), str(word).lower(), str(word).upper()]


GOOD = {
    **dict.fromkeys(WHOLE, SCALAR.map(lambda given: (given, text_of(given)))),
    "phone": TEXT.map(lambda given: (given, given)),
    "created_at": st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)).map(
        lambda given: (given.isoformat(), given.replace(tzinfo=UTC))
    ),
    "opt_out": st.booleans().flatmap(lambda word: st.sampled_from([(as_, word) for as_ in flags(word)])),
    "verified": st.booleans().flatmap(lambda word: st.sampled_from([(as_, word) for as_ in flags(word)])),
    "tags": st.lists(SCALAR, max_size=3).map(lambda given: (given, [text_of(each) for each in given]))
    | st.just((None, [])),
    "custom_variables": st.dictionaries(TEXT, SCALAR, max_size=3).map(
        lambda given: (given, {name: text_of(each) for name, each in given.items()})
    )
    | st.sampled_from([(None, {}), ([], {})]),
}
"""Per field, what may be sent and what it must be read as."""
ODD = {
    **dict.fromkeys(WHOLE, NESTED),
    "phone": NESTED | st.integers() | st.booleans(),
    "created_at": NESTED | st.integers() | st.sampled_from(["soon", "", "2025-13-01"]),
    "opt_out": NESTED | st.sampled_from(["yes", "1", 2, 0.5, ""]),
    "verified": NESTED | st.sampled_from(["no", "0", -1, ""]),
    "tags": SCALAR | st.dictionaries(TEXT, TEXT, max_size=2) | st.lists(NESTED, min_size=1, max_size=2),
    "custom_variables": SCALAR | st.lists(TEXT, min_size=1) | st.dictionaries(TEXT, NESTED, min_size=1, max_size=2),
}  # fmt: skip


@st.composite
def contacts(draw):
    """A contact as it is sent, as it must be read, and the fields that are odd."""
    sent, read, odd = {}, dict.fromkeys(WHOLE), set()
    for field in draw(st.sets(st.sampled_from(list(WHOLE)))):
        names = draw(st.lists(st.sampled_from(NAMES[field]), min_size=1, unique=True))
        if draw(st.integers(0, 4)) == 0:
            odd.add(field)
            sent |= dict.fromkeys(names, draw(ODD[field]))
        else:
            given, read[field] = draw(GOOD[field])
            sent |= dict.fromkeys(names, given)
    return sent, read, odd


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(st.lists(contacts(), max_size=5), st.booleans())
def test_exactly_what_is_odd_is_counted_and_all_else_is_read(people, ascii_only):
    body = json.dumps([sent for sent, _, _ in people], ensure_ascii=ascii_only).encode()
    rows, oddities = decoded(body)
    assert len(rows) == len(people)
    assert rows == [read for _, read, _ in people]
    assert [(row, field) for row, field, _ in oddities] == [
        (row, field) for row, (_, _, odd) in enumerate(people) for field in sorted(odd)
    ]


@settings(max_examples=60, deadline=None)
@given(st.lists(contacts(), max_size=4))
def test_what_is_as_promised_reads_the_same_beside_what_is_not(people):
    """The fast way and the slow one agree: a last contact that is odd sends all of them the slow one."""
    body = [sent for sent, _, _ in people]
    alone, first = decoded(body)
    beside, second = decoded([*body, {"first_name": ["odd"]}])
    assert len(beside) == len(alone) + 1
    assert beside[:-1] == alone
    assert second == (*first, Oddity(len(alone), "first_name", "not text"))


@pytest.mark.parametrize("body", [rb'["a"]', rb'["\ud83d\ude00"]', rb'["\u0041"]', rb'["\\ud83d"]'])
def test_whole_characters_are_not_touched(body):
    """The very same bytes: there would be nothing to decode again."""
    assert with_whole_characters(body) is body


def test_half_a_character_in_any_spelling_is_mended():
    rows, oddities = decoded(rb'[{"firstName": "\ud83d!", "customVariables": {"\ude00": 5}}]')
    assert oddities == ()
    assert (rows[0]["first_name"], rows[0]["custom_variables"]) == ("\ufffd!", {"\ufffd": "5"})


def test_no_known_spelling_is_new():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        decoded([dict.fromkeys(name for names in NAMES.values() for name in names)])


# One contact ------------------------------------------------------------------------------------------


def test_one_contact_is_read_as_a_page_of_it_is():
    given = {"phone": PHONE, "tags": "VIP", "optOut": 1, "created_at": "yesterday"}
    contact, oddities = decode_contact(json.dumps(given).encode(), LIST)
    page = decode_page(json.dumps([given]).encode())
    assert contact == page.frame.row(0, named=True)
    assert sorted(oddities) == list(page.oddities)
    assert sorted(oddities) == [Oddity(0, "created_at", "not a date"), Oddity(0, "tags", "not a list")]
    dated, nothing = decode_contact(json.dumps(WHOLE).encode(), LIST)
    assert (dated, nothing) == (READ, ())


def test_one_contact_that_is_none_is_refused_and_an_empty_one_is_empty():
    with pytest.raises(UnexpectedAnswerError, match=r"none of its fields is a contact's: mood\."):
        decode_contact(b'{"mood": 1}', LIST)
    assert decode_contact(b"{}", LIST) == (dict.fromkeys(CONTACT_SCHEMA), ())


def test_who_asks_for_quiet_is_not_warned_of_new_fields():
    page = b'[{"phone": "+12125550100", "mood": 1}]'
    with pytest.warns(NewFieldWarning, match="mood"):
        decode_page(page)
    assert decode_page(page, quiet=True).frame.height == 1  # a warning is an error here
