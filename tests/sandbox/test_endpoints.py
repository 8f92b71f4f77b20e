"""The ten endpoints over plain HTTP: caps, orders, filters, spellings, refusals."""

from itertools import chain

import pytest
import requests

ROOT = "/api/v2/contacts"
PHONE = "+12125550100"
OTHER = "+12125550101"
CALLS = [
    ("GET", ""),
    ("POST", ""),
    ("DELETE", ""),
    ("GET", "/count"),
    ("POST", "/verify"),
    ("POST", "/opt-out"),
    ("POST", "/bulk"),
    ("GET", f"/{PHONE}"),
    ("PUT", f"/{PHONE}"),
    ("DELETE", f"/{PHONE}"),
]


def refused(answer, status, *words):
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert body["status"] == "ERROR"
    for word in words:
        assert word in body["message"]


@pytest.mark.parametrize(("method", "path"), CALLS)
@pytest.mark.parametrize(
    "wrong", [{"sb-api-key-id": "no"}, {"sb-api-secret-key": "no"}, {"sb-api-secret-key": None}]
)
def test_credentials_are_checked_first(open_raw, method, path, wrong):
    raw = open_raw([{"phone": PHONE}])
    refused(raw(method, path, headers=wrong, data="not JSON"), 401, "credentials")
    assert raw.sandbox.count() == 1


def test_unknown_paths_and_methods_are_json_errors(open_raw):
    raw = open_raw([])
    refused(raw("GET", "/a/b"), 404)
    refused(raw("PATCH"), 405)
    assert raw("PATCH").headers["allow"] == "DELETE, GET, HEAD, POST"
    assert raw("POST", f"/{PHONE}").headers["allow"] == "DELETE, GET, HEAD, PUT"
    for path, allowed in (("count", "GET, HEAD"), ("bulk", "POST"), ("verify", "POST"), ("opt-out", "POST")):
        refused(raw("PUT", f"/{path}"), 405)
        assert raw("DELETE", f"/{path}").headers["allow"] == allowed


def test_limit_defaults_to_100_and_is_capped_at_1000(open_raw, numbered):
    raw = open_raw(numbered(1_200))
    assert [len(raw.list(**query)) for query in ({}, {"limit": 7}, {"limit": 5_000})] == [100, 7, 1_000]


@pytest.mark.parametrize(
    "query", [{"limit": 0}, {"limit": -1}, {"limit": "x"}, {"offset": -1}, {"offset": "1.5"}]
)
def test_limit_and_offset_are_whole_numbers(open_raw, query):
    refused(open_raw([])("GET", params=query), 400, *query)


def test_orders(open_raw):
    raw = open_raw(
        [
            {"phone": "+12125550103", "first_name": "b", "created_at": "2025-01-02T00:00:00Z"},
            {
                "phone": "+12125550102",
                "first_name": "a",
                "created_at": "2025-01-02T00:00:00Z",
                "opt_out": True,
            },
            {
                "phone": "+12125550101",
                "first_name": "B",
                "created_at": "2025-01-01T00:00:00Z",
                "opt_out": False,
            },
        ]
    )

    def last_digits(**query):
        return "".join(phone[-1] for phone in raw.phones(**query))

    assert last_digits(order_by="created_at", order_direction="asc") == "132"
    assert last_digits(order_by="created_at", order_direction="desc") == "231"
    assert last_digits(order_by="created_at") == "132"
    assert last_digits() == "231"
    assert last_digits(order_direction="asc") == "132"
    assert last_digits(order_by="phone", order_direction="desc") == "321"
    assert last_digits(order_by="first_name") == "123"
    assert last_digits(order_by="opt_out", order_direction="asc") == "312"
    refused(raw("GET", params={"order_by": "id; DROP TABLE contacts"}), 400, "order_by")
    refused(raw("GET", params={"order_by": "phone", "order_direction": "up"}), 400, "order_direction")


@pytest.mark.parametrize(
    "field",
    [
        "contact_id",
        "phone",
        "first_name",
        "last_name",
        "company_name",
        "custom_variables",
        "opt_out",
        "verified",
        "sendblue_number",
        "tags",
        "assigned_to_email",
        "created_at",
    ],
)
def test_every_field_orders_the_whole_account_once(open_raw, field):
    raw = open_raw(300)
    for way in ("asc", "desc"):
        pages = [
            raw.phones(order_by=field, order_direction=way, limit=100, offset=at) for at in (0, 100, 200)
        ]
        assert sorted(chain(*pages)) == sorted(row["phone"] for row in raw.sandbox.rows())


@pytest.mark.parametrize(
    ("since", "expected"),
    [
        ("2025-01-01T10:00:00.123456Z", 2),
        ("2025-01-01T10:00:00.123457Z", 1),
        ("2025-01-01T10:00:00.1234567Z", 2),
        ("2025-01-01T10:00:00.123456", 2),
        ("2025-01-01T11:00:00.123457+01:00", 1),
        ("2025-01-01T10:00:00", 2),
        ("2025-01-01", 2),
        ("20250101T100001Z", 1),
        ("2025-01-01T10:00:01Z", 1),
        ("2025-01-01T10:00:02Z", 0),
    ],
)
def test_created_at_gte_takes_any_iso_8601(open_raw, since, expected):
    raw = open_raw(
        [
            {"phone": "+12125550101", "created_at": "2025-01-01T10:00:00.123456Z"},
            {"phone": "+12125550102", "created_at": "2025-01-01T10:00:01Z"},
            {"phone": "+12125550103", "created_at": None},
        ]
    )
    assert len(raw.list(created_at_gte=since)) == expected


@pytest.mark.parametrize("since", ["yesterday", "", "0001-01-01T00:00:00+05:00", "2025-01-01T10:00:00 01:00"])
def test_created_at_gte_refuses_what_is_no_moment(open_raw, since):
    refused(open_raw([])("GET", params={"created_at_gte": since}), 400, "created_at_gte")


def test_filters(open_raw):
    raw = open_raw([{"phone": PHONE, "contact_id": "c-1"}, {"phone": OTHER, "contact_id": "c-2"}])
    assert raw.phones(phone_number=PHONE) == [PHONE]
    assert raw.phones(cid="c-2") == [OTHER]
    assert raw.phones(cid="c-2", phone_number=PHONE) == []
    # A plus sign that was not encoded is a space.
    plain = f"{raw.sandbox.url}{ROOT}?phone_number={PHONE}"
    assert raw.session.get(plain, timeout=10).json() == []


@pytest.mark.parametrize("path", [f"/{PHONE}", f"/%2B{PHONE[1:]}"])
def test_a_phone_in_the_path_may_be_encoded(open_raw, path):
    raw = open_raw([{"phone": PHONE}])
    assert raw("GET", path).json()["contact"]["phone"] == PHONE


@pytest.mark.parametrize(
    "phone", ["2125550100", "+02125550100", "+1212555", "+1212555010x", "+1234567890123456", "+1212555010٣"]
)
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_a_phone_in_the_path_is_e164(open_raw, method, phone):
    valid = phone == "+1212555"  # seven digits: the shortest that E.164 allows here
    refused(open_raw([])(method, f"/{phone}", json={}), 404 if valid else 400)


@pytest.mark.parametrize(
    "body", [{}, {"number": None}, {"number": "2125550100"}, {"number": 12125550100}, [], "x"]
)
@pytest.mark.parametrize("path", ["", "/verify", "/opt-out"])
def test_a_number_is_required_and_e164(open_raw, path, body):
    refused(open_raw([])("POST", path, json=body), 400)


@pytest.mark.parametrize(
    "data", [b"", b"{", b'{"number": "\xff"}', b'{"number":"+12125550100","first_name":"\\ud800"}']
)
def test_a_body_is_json(open_raw, data):
    raw = open_raw([])
    refused(raw("POST", "", data=data), 400)
    assert raw.sandbox.count() == 0


@pytest.mark.parametrize("number", ["number", "phone_number", "phoneNumber"])
def test_create_takes_the_older_spellings(open_raw, number):
    raw = open_raw([])
    sent = {number: PHONE, "firstName": "A", "lastName": "B", "assignedToEmail": "a@example.com"}
    contact = raw("POST", json={**sent, "sendblueNumber": OTHER}).json()["contact"]
    assert [contact[name] for name in ("phone", "first_name", "last_name")] == [PHONE, "A", "B"]
    assert [contact[name] for name in ("assigned_to_email", "sendblue_number")] == ["a@example.com", OTHER]


def test_update_takes_the_older_spellings_and_prefers_the_newer(open_raw):
    raw = open_raw([{"phone": PHONE}])
    sent = {
        "firstName": "A",
        "lastName": "B",
        "companyName": "C",
        "assignedToEmail": "a@example.com",
        "optOut": True,
    }
    contact = raw("PUT", f"/{PHONE}", json={**sent, "sendblueNumber": OTHER, "first_name": "new"}).json()[
        "contact"
    ]
    assert [contact[name] for name in ("first_name", "last_name", "company_name")] == ["new", "B", "C"]
    assert (contact["assigned_to_email"], contact["opt_out"]) == ("a@example.com", True)
    assert contact["sendblue_number"] == OTHER
    assert raw.sandbox.opt_out_records() == {PHONE: True}


def test_create_of_a_known_phone(open_raw):
    raw = open_raw(
        [{"phone": PHONE, "first_name": "A", "custom_variables": {"a": "1", "b": "2"}, "tags": ["x"]}]
    )
    refused(raw("POST", json={"number": PHONE, "first_name": "B"}), 409, PHONE)
    assert raw.sandbox.rows()[0]["first_name"] == "A"
    sent = {"number": PHONE, "custom_variables": {"b": "3"}, "tags": ["y"], "update_if_exists": True}
    assert raw("POST", json=sent).status_code == 200
    (row,) = raw.sandbox.rows()
    assert (row["first_name"], row["custom_variables"], row["tags"]) == ("A", {"a": "1", "b": "3"}, ["y"])


def test_update_merges_variables_replaces_tags_and_leaves_the_rest(open_raw):
    before = {
        "phone": PHONE,
        "first_name": "A",
        "custom_variables": {"a": "1"},
        "tags": ["x"],
        "opt_out": True,
    }
    raw = open_raw([before])
    raw("PUT", f"/{PHONE}", json={"custom_variables": {"b": "2"}, "tags": [], "last_name": None})
    (row,) = raw.sandbox.rows()
    assert {name: row[name] for name in before} == {
        **before,
        "custom_variables": {"a": "1", "b": "2"},
        "tags": [],
    }


@pytest.mark.parametrize(
    "fields",
    [
        {"first_name": 1},
        {"tags": "x"},
        {"tags": [1]},
        {"custom_variables": {"a": 1}},
        {"custom_variables": []},
        {"opt_out": "no"},
    ],
)
def test_update_refuses_other_types(open_raw, fields):
    raw = open_raw([{"phone": PHONE}])
    refused(raw("PUT", f"/{PHONE}", json=fields), 400, *fields)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", f"/{OTHER}", None),
        ("PUT", f"/{OTHER}", {"first_name": "A"}),
        ("DELETE", f"/{OTHER}", None),
        ("POST", "/verify", {"number": OTHER}),
    ],
)
def test_an_unknown_contact_is_404(open_raw, method, path, body):
    raw = open_raw([{"phone": PHONE}])
    refused(raw(method, path, json=body), 404, OTHER)
    assert raw.sandbox.verifications == []


def test_bulk_create_and_delete(open_raw):
    raw = open_raw([{"phone": PHONE}])
    rows = [{"phone": f"+1212555{number:04}", "first_name": str(number)} for number in range(101, 201)]
    answer = raw("POST", "/bulk", json={"contacts": rows}).json()
    assert [contact["first_name"] for contact in answer["contacts"]] == [row["first_name"] for row in rows]
    created = raw.sandbox.rows()[1:]
    assert len({row["created_at"] for row in created}) == 1
    assert len({row["contact_id"] for row in created}) == 100
    phones = [row["phone"] for row in rows]
    assert raw("DELETE", json={"contact_ids": phones}).json() == {"amount": 100, "status": "OK"}
    assert [row["phone"] for row in raw.sandbox.rows()] == [PHONE]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/bulk", {}),
        ("POST", "/bulk", {"contacts": {"phone": PHONE}}),
        ("DELETE", "", {}),
        ("DELETE", "", {"contact_ids": PHONE}),
        ("DELETE", "", {"contact_ids": [PHONE, 7]}),
        ("POST", "/opt-out", {"number": PHONE, "opted_out": "yes"}),
        ("POST", "", {"number": OTHER, "update_if_exists": 1}),
    ],
)
def test_malformed_writes_change_nothing(open_raw, method, path, body):
    raw = open_raw([{"phone": PHONE}])
    before = raw.sandbox.rows()
    refused(raw(method, path, json=body), 400)
    assert raw.sandbox.rows() == before


def test_names_of_any_script_survive(open_raw):
    names = ["Ελένη", "王", "😀", "\u202eabc", "a\nb", '"', "\\", "\x00", "\x7f", "'; DROP TABLE contacts;--"]
    raw = open_raw([])
    for number, name in enumerate(names):
        raw("POST", json={"number": f"+1212555{number:04}", "first_name": name})
    assert [contact["first_name"] for contact in raw.list(order_by="phone")] == names
    assert [row["first_name"] for row in raw.sandbox.rows()] == names


def test_a_port_that_is_taken_is_named(open_raw):
    raw = open_raw([])
    port = int(raw.sandbox.url.rsplit(":", 1)[1])
    with pytest.raises(ValueError, match=f"Port {port} "):
        open_raw([], port=port)


def test_it_stops_and_lets_the_port_go(open_raw):
    raw = open_raw([])
    raw.list()
    raw.sandbox.close()
    raw.sandbox.close()
    with pytest.raises(requests.ConnectionError):
        raw("GET")


def test_the_secret_is_in_no_repr(open_raw):
    raw = open_raw([])
    assert raw.sandbox.api_secret not in repr(raw.sandbox)
    assert len(raw.sandbox.api_secret) >= 32
