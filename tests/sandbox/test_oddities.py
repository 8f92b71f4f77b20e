"""Odd values: what answers show is what `oddities` says, and nothing else is odd."""

import json
from collections import Counter

import pytest

from sendblue_data.sandbox import Sandbox


def exact(contact):
    return {name: json.dumps(value) for name, value in contact.items()}


def whole(row):
    """A row as answers show it: without the lists and maps that are unknown."""
    return {
        name: value
        for name, value in row.items()
        if value is not None or name not in ("tags", "custom_variables")
    }


def test_answers_are_odd_where_it_says_and_nowhere_else(open_raw):
    raw = open_raw(1_000, odd_values=0.3, seed=5)
    oddities = raw.sandbox.oddities()
    assert 230 < len(oddities) < 370
    assert {kind for _, _, kind in oddities} == {"scalar", "empty", "unreadable"}
    truth = {row["phone"]: whole(row) for row in raw.sandbox.rows()}
    for oddity in oddities:
        truth[oddity.phone][oddity.field] = oddity.shown
    listed = raw.list(limit=1_000)
    assert len(listed) == 1_000
    for contact in listed:
        assert exact(contact) == exact(truth[contact["phone"]])
    for oddity in oddities[:20]:
        assert exact(raw("GET", f"/{oddity.phone}").json()["contact"])[oddity.field] == json.dumps(
            oddity.shown
        )


def test_every_field_but_phone_and_id_is_odd_for_some():
    with Sandbox(3_000, odd_values=1.0) as sandbox:
        oddities = sandbox.oddities()
    assert len(oddities) == 3_000
    fields = Counter(field for _, field, kind in oddities if kind == "unreadable")
    assert set(fields) == {
        "first_name", "last_name", "company_name", "assigned_to_email", "created_at", "opt_out", "verified",
        "custom_variables", "tags",
    }  # fmt: skip


def test_an_empty_stands_for_an_empty_only():
    with Sandbox(3_000, odd_values=1.0) as sandbox:
        rows = {row["phone"]: row for row in sandbox.rows()}
        empties = [oddity for oddity in sandbox.oddities() if oddity.kind == "empty"]
    assert len(empties) > 50
    assert {
        (oddity.field, json.dumps(oddity.shown), len(rows[oddity.phone][oddity.field])) for oddity in empties
    } == {
        ("custom_variables", "[]", 0),
        ("tags", "null", 0),
    }


def test_a_flag_that_can_be_read_means_the_contacts_own():
    readings = {0: False, 1: True, "false": False, "true": True}
    with Sandbox(3_000, odd_values=1.0) as sandbox:
        rows = {row["phone"]: row for row in sandbox.rows()}
        flags = [
            oddity for oddity in sandbox.oddities() if oddity.kind == "scalar" and oddity.field == "opt_out"
        ]
    assert {json.dumps(oddity.shown) for oddity in flags} == {"0", "1", '"false"', '"true"'}
    assert all(readings[oddity.shown] is rows[oddity.phone]["opt_out"] for oddity in flags)


def test_the_seed_and_the_contact_decide():
    with Sandbox(500, odd_values=0.2, seed=3) as sandbox:
        first = sandbox.oddities()
        gone = first[0].phone
        (row,) = [row for row in sandbox.rows() if row["phone"] == gone]
        sandbox.remove([gone])
        assert sandbox.oddities() == first[1:]
        sandbox.add([row])
        assert sorted(sandbox.oddities()) == sorted(first)
    with Sandbox(500, odd_values=0.2, seed=3) as sandbox:
        assert sandbox.oddities() == first


@pytest.mark.parametrize(
    ("hiding", "hidden"),
    [
        ({"null_fields": ("tags",)}, "tags"),
        ({"missing_fields": ("first_name",)}, "first_name"),
        ({"plan": "paid"}, "verified"),
    ],
)
def test_what_answers_hide_is_not_odd(hiding, hidden):
    with Sandbox(1_000, odd_values=1.0) as sandbox:
        assert any(oddity.field == hidden for oddity in sandbox.oddities())
        sandbox.set(**hiding)
        fields = {oddity.field for oddity in sandbox.oddities()}
        assert fields
        assert hidden not in fields
