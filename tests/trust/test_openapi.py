"""The OpenAPI description is of the sandbox: the same calls, and its answers are as it says.

Schemathesis goes further: `make contract`.
"""

import json
from pathlib import Path

import jsonschema
import pytest
import requests

from sendblue_data.sandbox.api import application
from sendblue_data.sandbox.message_log import MESSAGE_FIELDS
from sendblue_data.sandbox.store import FIELDS
from tests.writeback.people import people, phone

SPEC = json.loads((Path(__file__).parents[2] / "docs" / "openapi.json").read_text())
ROOT = "/api/v2/contacts"
MESSAGES = "/api/v2/messages"
CALLS = [
    ("get", ROOT, ROOT, {}, 200),
    ("get", ROOT, f"{ROOT}?limit=3&order_by=created_at&order_direction=desc", {}, 200),
    ("get", ROOT, f"{ROOT}?limit=0", {}, 400),
    ("get", f"{ROOT}/count", f"{ROOT}/count", {}, 200),
    ("get", f"{ROOT}/{{phone_number}}", f"{ROOT}/{phone(1)}", {}, 200),
    ("get", f"{ROOT}/{{phone_number}}", f"{ROOT}/{phone(99)}", {}, 404),
    ("post", ROOT, ROOT, {"number": phone(50), "tags": ["VIP"]}, 200),
    ("post", ROOT, ROOT, {"number": phone(1)}, 409),
    ("post", ROOT, ROOT, {}, 400),
    ("put", f"{ROOT}/{{phone_number}}", f"{ROOT}/{phone(1)}", {"opt_out": True}, 200),
    ("post", f"{ROOT}/opt-out", f"{ROOT}/opt-out", {"number": phone(1)}, 200),
    ("post", f"{ROOT}/verify", f"{ROOT}/verify", {"number": phone(1)}, 200),
    ("post", f"{ROOT}/bulk", f"{ROOT}/bulk", {"contacts": [{"phone": phone(60)}]}, 200),
    ("post", f"{ROOT}/bulk", f"{ROOT}/bulk", {"contacts": [{"phone": "1"}]}, 400),
    ("get", MESSAGES, MESSAGES, {}, 200),
    ("get", MESSAGES, f"{MESSAGES}?limit=3&order_by=sentAt&is_outbound=false&number={phone(1)}", {}, 200),
    ("get", MESSAGES, f"{MESSAGES}?status=LOST", {}, 400),
    ("delete", ROOT, ROOT, {"contact_ids": [phone(2), phone(99)]}, 200),
    ("delete", f"{ROOT}/{{phone_number}}", f"{ROOT}/{phone(3)}", {}, 200),
]


def test_it_describes_each_call_and_no_other(open_account):
    sandbox, _ = open_account(people(1))
    served = {
        (method.lower(), route.path_format)
        for route in application(sandbox).routes
        for method in route.methods - {"HEAD"}
    }
    described = {
        (method, path) for path, calls in SPEC["paths"].items() for method in calls if method != "parameters"
    }
    assert len(described) == 11
    assert described == served
    assert set(SPEC["components"]["schemas"]["Contact"]["properties"]) == set(FIELDS)
    assert set(SPEC["components"]["schemas"]["Message"]["properties"]) == set(MESSAGE_FIELDS)


@pytest.mark.parametrize(("method", "path", "address", "body", "status"), CALLS)
def test_answers_are_as_it_says(open_account, method, path, address, body, status):
    sandbox, _ = open_account(people(9), messages=90)
    keys = {"sb-api-key-id": sandbox.api_key, "sb-api-secret-key": sandbox.api_secret}
    answer = requests.request(method, sandbox.url + address, json=body or None, headers=keys, timeout=10)
    assert answer.status_code == status
    described = SPEC["paths"][path][method]["responses"][str(status)]["content"]["application/json"]["schema"]
    jsonschema.validate(answer.json(), {**described, "components": SPEC["components"]})


def test_an_answer_that_is_not_as_it_says_is_found():
    contact = {"$ref": "#/components/schemas/Contact", "components": SPEC["components"]}
    jsonschema.validate({"phone": phone(1), "tags": None}, contact)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"phone": 5}, contact)
