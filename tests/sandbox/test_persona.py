"""`persona="observed"`: what was seen on the real service, all at once."""

import pytest

from sendblue_data.sandbox import Sandbox, Switches
from sendblue_data.sandbox.settings import PERSONAS

PHONE, NEW = "+12125550100", "+12125550101"


def test_a_created_contact_is_as_it_was_seen(open_raw):
    raw = open_raw([], persona="observed")
    answer = raw(
        "POST", json={"number": NEW, "first_name": "Ada", "tags": ["VIP"], "custom_variables": {"a": "1"}}
    )
    contact = answer.json()["contact"]
    (truth,) = raw.sandbox.rows()
    day = truth["created_at"][:10] + "T00:00:00.000Z"
    assert contact == {
        "phone": NEW,
        "first_name": "Ada",
        "firstName": "Ada",
        "last_name": None,
        "lastName": None,
        "company_name": "owner@example.com",
        "companyName": "owner@example.com",
        "custom_variables": {"a": "1"},
        "customVariables": {"a": "1"},
        "sendblue_number": None,
        "sendblueNumber": None,
        "tags": ["VIP"],
        "created_at": day,
        "createdAt": day,
    }
    assert "cf-ray" in answer.headers
    assert not any("ratelimit" in name.lower() for name in answer.headers)


def test_refusals_are_as_they_were_seen(open_raw):
    raw = open_raw([{"phone": PHONE}], persona="observed")
    wrong, missing = raw("GET", headers={"sb-api-key-id": "no"}), raw("GET", headers={"sb-api-key-id": None})
    assert (wrong.status_code, wrong.json()["message"]) == (401, "Invalid Credentials")
    assert (missing.status_code, missing.json()) == (403, {"message": "Did not get inputs for authorization"})
    unfound = raw("POST", "/verify", json={"number": PHONE})
    assert (unfound.status_code, unfound.json()["message"]) == (404, "No contact found for this number")
    assert raw("GET", f"/{PHONE}").status_code == 200


def test_what_nobody_saw_stays_as_it_is(open_raw):
    raw = open_raw(10, persona="observed")
    changed = set(PERSONAS["observed"])
    for name, value in vars(Switches()).items():
        assert (getattr(raw.sandbox.switches, name) != value) is (name in changed)
    assert {"contact_id", "first_name"} <= set(raw.list()[0])


def test_switches_that_are_given_go_before_it(open_raw):
    raw = open_raw([], persona="observed", default_company=None, write_spelling="snake")
    contact = raw("POST", json={"number": NEW}).json()["contact"]
    assert contact["company_name"] is None
    assert "companyName" not in contact
    assert "opt_out" not in contact
    raw.sandbox.set(create_answer="whole")
    assert raw.sandbox.switches.errors == "observed"


def test_another_persona_is_refused():
    with pytest.raises(ValueError, match="persona is 'seen'; expected 'observed'"):
        Sandbox(0, persona="seen")
