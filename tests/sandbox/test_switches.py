"""Each thing that the API leaves unsaid, both ways."""

import dataclasses
import inspect
import json
import re
from pathlib import Path

import pytest

from sendblue_data.sandbox import Faults, Sandbox, Switches
from sendblue_data.sandbox.settings import changed

PHONE, OTHER, NEW = "+12125550100", "+12125550101", "+12125550102"


def bulk(raw, *rows):
    return raw("POST", "/bulk", json={"contacts": list(rows)})


@pytest.mark.parametrize(
    ("on_duplicate", "status", "name", "count"),
    [
        ("skip", 200, "old", 2),
        ("update", 200, "new", 2),
        ("reject", 409, "old", 1),
        ("partial", 409, "old", 2),
    ],
)
def test_on_duplicate(open_raw, on_duplicate, status, name, count):
    raw = open_raw(
        [{"phone": PHONE, "first_name": "old", "custom_variables": {"a": "1"}}], on_duplicate=on_duplicate
    )
    answer = bulk(raw, {"phone": NEW}, {"phone": PHONE, "first_name": "new", "custom_variables": {"b": "2"}})
    assert answer.status_code == status
    rows = raw.sandbox.rows()
    assert (rows[0]["first_name"], len(rows)) == (name, count)
    assert rows[0]["custom_variables"] == ({"a": "1", "b": "2"} if name == "new" else {"a": "1"})


@pytest.mark.parametrize(
    ("on_duplicate", "name"), [("skip", "1"), ("update", "2"), ("reject", None), ("partial", "1")]
)
def test_a_phone_twice_in_one_request(open_raw, on_duplicate, name):
    raw = open_raw([], on_duplicate=on_duplicate)
    bulk(raw, {"phone": NEW, "first_name": "1"}, {"phone": NEW, "first_name": "2"})
    assert [row["first_name"] for row in raw.sandbox.rows()] == ([] if name is None else [name])


@pytest.mark.parametrize("row", [{"phone": "12"}, {"first_name": "A"}, {"phone": PHONE, "tags": "x"}, 7])
def test_invalid_row(open_raw, row):
    raw = open_raw([])
    answer = bulk(raw, {"phone": NEW}, row)
    assert answer.status_code == 400
    assert "contacts[1]" in answer.json()["message"]
    assert raw.sandbox.count() == 0
    raw.sandbox.set(invalid_row="skip")
    assert [contact["phone"] for contact in bulk(raw, {"phone": NEW}, row).json()["contacts"]] == [NEW]
    assert raw.sandbox.count() == 1


@pytest.mark.parametrize("on_duplicate", ["skip", "update"])
@pytest.mark.parametrize(("bulk_answer", "phones"), [("all", [PHONE, NEW]), ("new", [NEW])])
def test_bulk_answer(open_raw, on_duplicate, bulk_answer, phones):
    raw = open_raw([{"phone": PHONE}], bulk_answer=bulk_answer, on_duplicate=on_duplicate)
    answer = bulk(raw, {"phone": PHONE}, {"phone": NEW}).json()
    assert [contact["phone"] for contact in answer["contacts"]] == phones


@pytest.mark.parametrize("status", [413, 400])
def test_max_bulk(open_raw, status):
    raw = open_raw([{"phone": PHONE}, {"phone": OTHER}], max_bulk=1, max_bulk_status=status)
    assert bulk(raw, {"phone": NEW}, {"phone": NEW}).status_code == status
    assert raw("DELETE", json={"contact_ids": [PHONE, OTHER]}).status_code == status
    assert raw.sandbox.count() == 2
    assert bulk(raw, {"phone": NEW}).status_code == 200


@pytest.mark.parametrize(("delete_amount", "amount"), [("existing", 1), ("all", 3)])
def test_delete_amount(open_raw, delete_amount, amount):
    raw = open_raw([{"phone": PHONE}], delete_amount=delete_amount)
    assert raw("DELETE", json={"contact_ids": [PHONE, PHONE, NEW]}).json()["amount"] == amount
    assert raw.sandbox.count() == 0


def test_offset_past_cap(open_raw, numbered):
    raw = open_raw([*numbered(10_000), {"phone": "+442079460001", "created_at": "2026-01-01T00:00:00Z"}])
    last = raw.phones(order_by="created_at", offset=10_000)
    assert raw.phones(order_by="created_at", offset=10_001) == last == ["+442079460001"]
    raw.sandbox.set(offset_past_cap="refuse")
    assert raw("GET", params={"offset": 10_001}).status_code == 400
    assert raw("GET", params={"offset": 10_000}).status_code == 200


@pytest.mark.parametrize(
    ("timestamps", "shown"), [("us", ".123987Z"), ("ms", ".123Z"), ("s", "Z")], ids=["us", "ms", "s"]
)
@pytest.mark.parametrize("with_id", [True, False])
def test_timestamps_are_cut_and_sorted_whole(open_raw, timestamps, shown, with_id):
    rows = [
        {"phone": PHONE, "created_at": "2025-01-01T00:00:00.123987Z", "first_name": 'é"'},
        {"phone": OTHER, "created_at": "2025-01-01T00:00:00.123986Z"},
        {"phone": NEW},
    ]
    raw = open_raw(rows, timestamps=timestamps, list_contact_id=with_id)
    listed = raw.list(order_by="created_at", order_direction="asc")
    assert [contact["phone"] for contact in listed] == [NEW, OTHER, PHONE]
    assert [contact["created_at"] for contact in listed][::2] == [None, f"2025-01-01T00:00:00{shown}"]
    assert {"contact_id" in contact for contact in listed} == {with_id}
    assert listed[2]["first_name"] == 'é"'
    assert raw("GET", f"/{PHONE}").json()["contact"]["created_at"] == f"2025-01-01T00:00:00{shown}"
    assert raw.phones(created_at_gte="2025-01-01T00:00:00.123987Z") == [PHONE]


def test_list_contact_id_may_hold_any_text(open_raw):
    raw = open_raw([{"phone": PHONE, "contact_id": 'é"\\/\n'}])
    assert raw.list()[0]["contact_id"] == 'é"\\/\n'
    raw.sandbox.set(list_contact_id=False)
    assert next(iter(raw.list()[0])) == "phone"


@pytest.mark.parametrize("remember", [True, False])
@pytest.mark.parametrize("opt_out", ["field", "endpoint", "put"])
@pytest.mark.parametrize("delete", ["one", "bulk"])
@pytest.mark.parametrize("create", ["one", "bulk"])
def test_remember_opt_outs(open_raw, remember, opt_out, delete, create):
    raw = open_raw([{"phone": PHONE, "opt_out": opt_out == "field"}], remember_opt_outs=remember)
    if opt_out == "endpoint":
        raw("POST", "/opt-out", json={"number": PHONE})
    if opt_out == "put":
        raw("PUT", f"/{PHONE}", json={"opt_out": True})
    assert raw.sandbox.rows()[0]["opt_out"] is True
    raw("DELETE", f"/{PHONE}") if delete == "one" else raw("DELETE", json={"contact_ids": [PHONE]})
    raw("POST", json={"number": PHONE}) if create == "one" else bulk(raw, {"phone": PHONE})
    assert raw.sandbox.rows()[0]["opt_out"] is remember


def test_opting_back_in_is_remembered_too(open_raw):
    raw = open_raw([{"phone": PHONE, "opt_out": True}])
    raw("POST", "/opt-out", json={"number": PHONE, "opted_out": False})
    raw("DELETE", f"/{PHONE}")
    raw("POST", json={"number": PHONE})
    assert raw.sandbox.rows()[0]["opt_out"] is False


def test_opt_out_unknown(open_raw):
    raw = open_raw([])
    assert raw("POST", "/opt-out", json={"number": PHONE}).status_code == 200
    assert raw.sandbox.opt_out_records() == {PHONE: True}
    assert raw.sandbox.count() == 0
    bulk(raw, {"phone": PHONE})
    assert raw.sandbox.rows()[0]["opt_out"] is True
    raw.sandbox.set(opt_out_unknown="refuse")
    assert raw("POST", "/opt-out", json={"number": NEW}).status_code == 404
    assert raw.sandbox.opt_out_records() == {PHONE: True}


def test_honour_order(open_raw, numbered):
    raw = open_raw(list(reversed(numbered(3))))
    inserted = [row["phone"] for row in raw.sandbox.rows()]
    assert raw.phones(order_by="created_at", order_direction="asc") == inserted[::-1]
    raw.sandbox.set(honour_order=False)
    assert raw.phones(order_by="created_at", order_direction="asc") == inserted
    assert raw.phones() == inserted
    assert raw.phones(created_at_gte="2025-01-01T00:00:01Z") == inserted[:2]


@pytest.mark.parametrize("field", ["created_at", "first_name"])
def test_sort_nulls(open_raw, field):
    raw = open_raw([{"phone": PHONE, field: "2025-01-01T00:00:00.000000Z"}, {"phone": NEW}])
    for way in ("asc", "desc"):
        raw.sandbox.set(sort_nulls="first")
        assert raw.phones(order_by=field, order_direction=way) == [NEW, PHONE]
        raw.sandbox.set(sort_nulls="last")
        assert raw.phones(order_by=field, order_direction=way) == [PHONE, NEW]


def test_ties(open_raw):
    phones = [f"+1212555{number:04}" for number in range(50)]
    raw = open_raw([{"phone": phone, "created_at": "2025-01-01T00:00:00Z"} for phone in phones])
    assert raw.phones(order_by="created_at") == phones
    raw.sandbox.set(ties="shuffled")
    first, second = raw.phones(order_by="created_at"), raw.phones(order_by="created_at")
    assert sorted(first) == sorted(second) == phones
    assert first != second


def test_default_order(open_raw, numbered):
    raw = open_raw([*numbered(3)[1:], *numbered(1)])
    assert raw.phones() == ["+12125550002", "+12125550001", "+12125550000"]
    raw.sandbox.set(default_order="inserted")
    assert raw.phones() == ["+12125550001", "+12125550002", "+12125550000"]


def test_null_created_at(open_raw):
    raw = open_raw(1_000, null_created_at=0.1)
    nulls = sum(row["created_at"] is None for row in raw.sandbox.rows())
    assert 70 < nulls < 130
    since = sum(len(raw.list(limit=1_000, created_at_gte="2000-01-01", offset=at)) for at in (0, 1_000))
    assert since == 1_000 - nulls


def test_verify(open_raw):
    raw = open_raw([{"phone": PHONE, "verified": False}])
    raw("POST", "/verify", json={"number": PHONE})
    raw("POST", "/verify", json={"number": PHONE})
    assert raw.sandbox.verifications == [PHONE, PHONE]
    assert raw.sandbox.rows()[0]["verified"] is False
    raw.sandbox.set(verify_marks=True)
    raw("POST", "/verify", json={"number": PHONE})
    assert raw.sandbox.rows()[0]["verified"] is True


def test_rewrite_sees_good_answers_only(open_raw):
    seen = []

    def rewrite(method, path, body):
        seen.append((method, path))
        return json.dumps({"count": 5_000}).encode()

    raw = open_raw([], rewrite=rewrite)
    assert raw("GET", "/count").json() == {"count": 5_000}
    assert raw("GET", f"/{PHONE}").status_code == 404
    assert seen == [("GET", "/api/v2/contacts/count")]


def test_the_account_behind_the_api(open_raw):
    raw = open_raw([{"phone": PHONE}])
    sandbox = raw.sandbox
    assert sandbox.add([{"phone": OTHER, "tags": ["x"]}, {"phone": NEW}]) == 2
    assert sandbox.edit(OTHER, first_name="A", tags=None)["tags"] is None
    assert sandbox.remove([PHONE, "+12125550199"]) == 1
    assert [(row["phone"], row["first_name"]) for row in sandbox.rows()] == [(OTHER, "A"), (NEW, None)]
    for wrong in ([{"phone": NEW}], [{"phone": "+12125550111"}, {"phone": "+12125550111"}]):
        with pytest.raises(ValueError, match="share a phone"):
            sandbox.add(wrong)
    assert sandbox.count() == 2
    with pytest.raises(ValueError, match="'frist_name'"):
        sandbox.add([{"frist_name": "A"}])
    with pytest.raises(ValueError, match="no contact"):
        sandbox.edit(PHONE, first_name="A")
    sandbox.replace([])
    assert (sandbox.count(), raw.list()) == (0, [])


@pytest.mark.parametrize(
    ("switches", "message"),
    [
        ({"on_duplicates": "skip"}, "Did you mean 'on_duplicate'"),
        ({"on_duplicate": "keep"}, "'skip', 'update', 'reject'"),
        ({"remember_opt_outs": "yes"}, "True or False"),
        ({"max_bulk": 0}, "max_bulk"),
        ({"rate_limit": 0}, "rate_limit"),
        ({"every_429": -1}, "every_429"),
        ({"latency": -1}, "latency"),
        ({"only": "gets"}, "'reads'"),
        ({"at": {1: "rest"}}, "'rest'"),
        ({"null_created_at": 2}, "null_created_at"),
    ],
)
def test_a_misspelt_setting_is_refused(switches, message):
    with pytest.raises(ValueError, match=message):
        Sandbox(0, **switches)


def test_every_setting_has_a_documented_default():
    for settings in (Switches, Faults):
        for item in dataclasses.fields(settings):
            assert f"    {item.name}: " in inspect.getdoc(settings)


def test_retry_after_is_a_switch_and_a_fault():
    switches, faults = changed(Switches(), Faults(), {"retry_after": False})
    assert (switches.retry_after, faults.retry_after) == (False, None)
    switches, faults = changed(Switches(), Faults(), {"retry_after": 2})
    assert (switches.retry_after, faults.retry_after) == (True, 2)


def test_every_setting_is_in_the_guide():
    guide = (Path(__file__).parents[2] / "docs" / "how-to" / "sandbox.md").read_text("utf-8")
    tables = "\n".join(line for line in guide.splitlines() if line.startswith("| `"))
    named = set(re.findall(r"`(\w+)`", tables))
    for settings in (Switches, Faults):
        assert {item.name for item in dataclasses.fields(settings)} <= named
