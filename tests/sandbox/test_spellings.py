"""How answers spell fields, which of them they hold, and what the server makes of what it was sent."""

import pytest

from sendblue_data.sandbox import Sandbox

PHONE, NEW = "+12125550100", "+12125550101"
ADA = {
    "contact_id": "c-1",
    "phone": PHONE,
    "first_name": "Ada",
    "created_at": "2025-01-02T03:04:05.678901Z",
    "custom_variables": {"Lead Source": "Web"},
    "opt_out": False,
    "tags": ["VIP"],
}
CAMEL = {
    "contactId", "phone", "firstName", "lastName", "companyName", "customVariables", "optOut", "verified",
    "sendblueNumber", "tags", "assignedToEmail", "created_at",
}  # fmt: skip
SNAKE = {
    "contact_id", "phone", "first_name", "last_name", "company_name", "custom_variables", "opt_out", "verified",
    "sendblue_number", "tags", "assigned_to_email", "created_at",
}  # fmt: skip
OLDER = {"id", "contact_primary_phone", "contact_first_name", "contact_last_name"} | (
    SNAKE - {"contact_id", "phone", "first_name", "last_name"}
)
NAMES = {
    "snake": SNAKE,
    "camel": CAMEL,
    "both": SNAKE | CAMEL | {"createdAt"},
    "older": OLDER,
}
IDS = {"contact_id", "contactId", "id", "cid"}


def got(raw, phone=PHONE):
    return raw("GET", f"/{phone}").json()["contact"]


def created(raw, **fields):
    return raw("POST", json={"number": NEW, **fields}).json()["contact"]


def bulk_created(raw, **fields):
    (contact,) = raw("POST", "/bulk", json={"contacts": [{"phone": NEW, **fields}]}).json()["contacts"]
    return contact


def updated(raw, **fields):
    return raw("PUT", f"/{PHONE}", json=fields).json()["contact"]


WRITES = [created, bulk_created, updated]


@pytest.mark.parametrize("spelling", NAMES)
def test_lists_and_gets_are_spelled_so_and_writes_are_not(open_raw, spelling):
    raw = open_raw([ADA], list_spelling=spelling)
    (listed,) = raw.list()
    assert set(listed) == NAMES[spelling]
    assert set(got(raw)) == NAMES[spelling] - IDS
    assert "Ada" in listed.values()
    assert set(updated(raw)) == SNAKE - IDS


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("spelling", NAMES)
def test_answers_to_writes_are_spelled_so_and_lists_are_not(open_raw, spelling, write):
    raw = open_raw([ADA], write_spelling=spelling)
    answer = write(raw, tags=[], custom_variables={"a": "1"})
    assert set(answer) == NAMES[spelling] - IDS
    (listed,) = raw.list(phone_number=PHONE)
    assert set(listed) == SNAKE


def test_both_spellings_hold_the_same(open_raw):
    raw = open_raw([ADA], list_spelling="both")
    (contact,) = raw.list()
    assert contact["first_name"] == contact["firstName"] == "Ada"
    assert contact["custom_variables"] == contact["customVariables"] == ADA["custom_variables"]
    assert contact["created_at"] == contact["createdAt"] == ADA["created_at"]


@pytest.mark.parametrize("name", ["id", "cid"])
@pytest.mark.parametrize("spelling", NAMES)
def test_the_id_has_one_name_of_its_own(open_raw, spelling, name):
    raw = open_raw([ADA], list_spelling=spelling, id_spelling=name)
    (contact,) = raw.list()
    assert IDS.intersection(contact) == {name}
    assert contact[name] == "c-1"
    raw.sandbox.set(list_contact_id=False)
    assert not IDS.intersection(raw.list()[0])


def test_ids_are_numbers_that_find_their_contacts_and_rows_have_their_digits(open_raw):
    raw = open_raw(
        [{**ADA, "contact_id": "120045"}, {"phone": NEW, "contact_id": "c-2"}], contact_ids="number"
    )
    listed = raw.list(order_by="phone")
    assert [type(contact["contact_id"]) for contact in listed] == [int, int]
    assert listed[0]["contact_id"] == 120_045
    for contact in listed:
        assert raw.phones(cid=contact["contact_id"]) == [contact["phone"]]
    assert raw.list(cid="c-3") == []
    assert [row["contact_id"] for row in raw.sandbox.rows()] == [
        str(contact["contact_id"]) for contact in listed
    ]


def test_ids_that_are_numbers_differ(open_raw):
    raw = open_raw(3_000, contact_ids="number")
    assert len({row["contact_id"] for row in raw.sandbox.rows()}) == 3_000


@pytest.mark.parametrize("create", [created, bulk_created])
def test_partial_answers_to_creates(open_raw, create):
    raw = open_raw([ADA], create_answer="partial")
    assert set(create(raw, tags=[], custom_variables={})) == SNAKE - {
        "contact_id", "opt_out", "verified", "assigned_to_email",
    }  # fmt: skip
    assert set(updated(raw)) == SNAKE - {"contact_id"}


@pytest.mark.parametrize("write", WRITES)
def test_answers_to_writes_show_the_day(open_raw, write):
    raw = open_raw([ADA], write_created_at="day")
    answer = write(raw)
    (truth,) = [row for row in raw.sandbox.rows() if row["phone"] == answer["phone"]]
    assert answer["created_at"] == truth["created_at"][:10] + "T00:00:00.000Z"
    assert got(raw, answer["phone"])["created_at"] == truth["created_at"]


def test_an_unknown_list_or_map_is_left_out_or_null(open_raw):
    raw = open_raw([{"phone": PHONE}, {"phone": NEW, "tags": [], "custom_variables": {}}])
    unknown, empty = raw.list(order_by="phone")
    assert {"tags", "custom_variables"}.isdisjoint(unknown)
    assert {"tags", "custom_variables"}.isdisjoint(got(raw))
    assert (empty["tags"], empty["custom_variables"]) == ([], {})
    raw.sandbox.set(nulls="null")
    unknown, empty = raw.list(order_by="phone")
    assert (unknown["tags"], unknown["custom_variables"], empty["tags"]) == (None, None, [])
    assert got(raw)["tags"] is None
    assert (raw.sandbox.rows()[0]["tags"], raw.sandbox.rows()[0]["custom_variables"]) == (None, None)


@pytest.mark.parametrize("answer", [got, updated, lambda raw: raw.list()[0]], ids=["get", "put", "list"])
def test_null_and_missing_fields(open_raw, answer):
    raw = open_raw([ADA], null_fields=("opt_out", "tags"), missing_fields=("first_name", "created_at"))
    contact = answer(raw)
    assert (contact["opt_out"], contact["tags"]) == (None, None)
    assert {"first_name", "created_at"}.isdisjoint(contact)
    assert (raw.sandbox.rows()[0]["opt_out"], raw.sandbox.rows()[0]["first_name"]) == (False, "Ada")


@pytest.mark.parametrize(("paid_verified", "shown"), [("false", False), ("null", None)])
def test_on_a_paid_plan_nobody_is_shown_as_verified(open_raw, paid_verified, shown):
    raw = open_raw([{**ADA, "verified": True}], plan="paid", paid_verified=paid_verified)
    assert [raw.list()[0]["verified"], got(raw)["verified"], updated(raw)["verified"]] == [shown] * 3
    assert raw.sandbox.rows()[0]["verified"] is True


@pytest.mark.parametrize("create", [created, bulk_created])
def test_a_company_that_was_not_sent_is_filled_in(open_raw, create):
    raw = open_raw([ADA], default_company="owner@example.com")
    assert create(raw)["company_name"] == "owner@example.com"
    updated(raw, first_name="Ann")
    assert [row["company_name"] for row in raw.sandbox.rows()] == [None, "owner@example.com"]


def test_a_company_that_was_sent_is_kept(open_raw):
    raw = open_raw([ADA], default_company="owner@example.com", on_duplicate="update")
    assert bulk_created(raw, company_name="Acme")["company_name"] == "Acme"
    assert bulk_created(raw, first_name="Bo")["company_name"] == "Acme"
    assert created(raw, update_if_exists=True)["company_name"] == "Acme"


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize(
    ("way", "stored"),
    [
        ("as_sent", [" b", "B", "a", "B"]),
        ("trim", ["b", "B", "a", "B"]),
        ("lower", [" b", "b", "a", "b"]),
        ("sort", [" b", "B", "B", "a"]),
        ("dedupe", [" b", "B", "a"]),
        ("all", ["a", "b"]),
    ],
)
def test_tags_are_tidied_before_they_are_stored(open_raw, write, way, stored):
    raw = open_raw([ADA], tidy_tags=way)
    answer = write(raw, tags=[" b", "B", "a", "B"])
    assert answer["tags"] == stored
    assert raw.sandbox.rows()[-1]["tags"] == stored


@pytest.mark.parametrize("write", WRITES)
def test_names_are_tidied_before_they_are_stored(open_raw, write):
    raw = open_raw([ADA], tidy_text=True)
    assert write(raw, first_name="  Mary \t Ann ", tags=[" b "])["first_name"] == "Mary Ann"
    row = raw.sandbox.rows()[-1]
    assert (row["first_name"], row["tags"]) == ("Mary Ann", [" b "])
    raw.sandbox.set(tidy_text=False)
    assert updated(raw, first_name=" Ada")["first_name"] == " Ada"


@pytest.mark.parametrize(
    ("asked", "field"), [("createdAt", "created_at"), ("firstName", "first_name"), ("optOut", "opt_out")]
)
def test_orders_have_both_spellings(open_raw, asked, field):
    raw = open_raw(50)
    assert raw.phones(order_by=asked) == raw.phones(order_by=field) != raw.phones()


def test_orders_may_be_the_documented_ones_alone(open_raw):
    raw = open_raw(5, order_names="documented")
    for name in ("created_at", "firstName", "lastName", "phone"):
        assert len(raw.phones(order_by=name)) == 5
    for name in ("first_name", "createdAt", "contact_id", "id"):
        answer = raw("GET", params={"order_by": name})
        assert (answer.status_code, "created_at, firstName" in answer.json()["message"]) == (400, True)


@pytest.mark.parametrize(
    "changes", [{"null_fields": ("optout",)}, {"missing_fields": "tags"}, {"odd_values": 2}]
)
def test_a_field_that_no_contact_has_is_refused(changes):
    with pytest.raises(ValueError, match=next(iter(changes))):
        Sandbox(0, **changes)


@pytest.mark.parametrize("timestamps", ["us", "ms", "s", "day"])
@pytest.mark.parametrize("with_id", [True, False])
@pytest.mark.parametrize("nulls", [0.0, 0.3])
def test_a_list_that_is_made_anew_holds_what_the_stored_one_does(open_raw, timestamps, with_id, nulls):
    """Lists are served as stored where no switch asks for more: the two ways must not differ."""
    raw = open_raw(500, timestamps=timestamps, list_contact_id=with_id, null_created_at=nulls)
    stored = raw.list(limit=500, order_by="phone")
    raw.sandbox.set(list_spelling="both")
    anew = raw.list(limit=500, order_by="phone")
    assert len(stored) == len(anew) == 500
    assert [{name: contact[name] for name in contact if name in SNAKE} for contact in anew] == stored


def test_timestamps_may_be_days(open_raw):
    raw = open_raw([ADA], timestamps="day")
    assert raw.list()[0]["created_at"] == got(raw)["created_at"] == "2025-01-02T00:00:00.000Z"
    assert raw.phones(created_at_gte="2025-01-02T03:04:05.678901Z") == [PHONE]
    assert raw.phones(created_at_gte="2025-01-02T03:04:05.678902Z") == []
