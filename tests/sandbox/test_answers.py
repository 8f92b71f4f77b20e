"""Answers of other shapes: without a body, of another status, a CDN's own, errors in other words."""

import json
import re

import pytest

from sendblue_data.sandbox import Sandbox

PHONE, OTHER, NEW = "+12125550100", "+12125550101", "+12125550102"
CDN_STATUSES = [403, 429, 502, *range(520, 527)]


def is_a_cdns_page(answer, status):
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["server"] == "cloudflare"
    ray = answer.headers["cf-ray"].partition("-")[0]
    assert re.fullmatch("[0-9a-f]{16}", ray)
    assert f"Ray ID: <strong>{ray}</strong>" in answer.text
    return ray


@pytest.mark.parametrize("status", CDN_STATUSES)
def test_a_cdns_page_keeps_the_request_from_the_api(open_raw, status):
    raw = open_raw([], every_cdn=1, cdn_status=status)
    rays = {is_a_cdns_page(raw("POST", json={"number": NEW}), status), is_a_cdns_page(raw("GET"), status)}
    assert len(rays) == 2
    assert raw.sandbox.count() == 0
    assert [line.fault for line in raw.sandbox.request_log] == ["cdn", "cdn"]


def test_a_cdns_headers_are_on_every_answer(open_raw):
    raw = open_raw([], cdn_headers=True, at={3: "cdn"})
    answers = [raw("GET"), raw("GET", f"/{PHONE}"), raw("GET"), raw("GET", headers={"sb-api-key-id": "no"})]
    assert [answer.status_code for answer in answers] == [200, 404, 403, 401]
    rays = [answer.headers["cf-ray"] for answer in answers]
    assert len(set(rays)) == 4
    assert [answer.headers["server"] for answer in answers] == ["cloudflare"] * 4
    raw.sandbox.set(cdn_headers=False)
    assert "cf-ray" not in raw("GET").headers


@pytest.mark.parametrize("text", ["<script", "O'Brien", "né", 'a"b'])
@pytest.mark.parametrize("escaped", [True, False])
def test_a_firewall_refuses_writes_that_hold_a_text(open_raw, text, escaped):
    raw = open_raw([{"phone": PHONE, "first_name": text}], reject_text=text)

    def bulk(*names):
        rows = [{"phone": f"+1212555010{at}", "first_name": name} for at, name in enumerate(names, 1)]
        return raw("POST", "/bulk", data=json.dumps({"contacts": rows}, ensure_ascii=escaped).encode())

    is_a_cdns_page(bulk("Ann", f"x{text}y"), 403)
    assert raw.sandbox.count() == 1
    assert bulk("Ann", "Bo").status_code == 200
    assert raw.list(phone_number=PHONE)[0]["first_name"] == text


@pytest.mark.parametrize(("retry_after", "header"), [(None, "1"), (2, "2"), (0.05, "0.05")])
def test_503_says_when_to_come_back(open_raw, retry_after, header):
    raw = open_raw([], every_503=1, retry_after=retry_after)
    answer = raw("POST", json={"number": NEW})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, header)
    assert raw.sandbox.count() == 0


def test_an_empty_200(open_raw):
    raw = open_raw([], at={1: "empty_200", 2: "empty_200"})
    for answer in (raw("GET"), raw("POST", json={"number": NEW})):
        assert (answer.status_code, answer.content) == (200, b"")
    assert raw.phones() == [NEW]


@pytest.mark.parametrize("status", [102, 103, 204, 302, 304])
def test_a_write_that_took_effect_is_answered_by_an_odd_status(open_raw, status):
    raw = open_raw([], every_odd_status=1, odd_status=status, only="writes")
    answer = raw("POST", json={"number": NEW}, allow_redirects=False)
    assert (answer.status_code, answer.content) == (status, b"")
    assert raw.phones() == [NEW]
    assert raw.sandbox.request_log[0].fault == "odd_status"


def writes(raw):
    return [
        raw("POST", json={"number": NEW}),
        raw("POST", "/bulk", json={"contacts": [{"phone": OTHER}]}),
        raw("PUT", f"/{PHONE}", json={"first_name": "Ann"}),
        raw("POST", "/opt-out", json={"number": PHONE}),
        raw("POST", "/verify", json={"number": PHONE}),
        raw("DELETE", f"/{PHONE}"),
        raw("DELETE", json={"contact_ids": [OTHER]}),
    ]


def test_every_write_may_be_answered_without_a_body(open_raw):
    raw = open_raw([{"phone": PHONE}], empty_writes=True, rewrite=lambda _method, _path, body: body.upper())
    answers = writes(raw)
    assert [(answer.status_code, answer.content) for answer in answers] == [(204, b"")] * 7
    assert not any("content-length" in answer.headers for answer in answers)
    assert [row["phone"] for row in raw.sandbox.rows()] == [NEW]
    assert raw("GET", "/count").text == '{"COUNT":1}'
    assert raw("PUT", f"/{PHONE}", json={}).status_code == 404


def test_deletes_alone_may_be_answered_without_a_body(open_raw):
    raw = open_raw([{"phone": PHONE}], delete_status=204)
    answers = writes(raw)
    assert [answer.status_code for answer in answers] == [200] * 5 + [204] * 2
    assert [row["phone"] for row in raw.sandbox.rows()] == [NEW]


@pytest.mark.parametrize(
    ("shape", "body"),
    [
        ("message", {"status": "ERROR", "message": "MESSAGE"}),
        ("error_message", {"status": "ERROR", "error_message": "MESSAGE"}),
        ("error", {"status": "ERROR", "error": "MESSAGE"}),
        ("nested", {"error": {"code": 0, "message": "MESSAGE"}}),
    ],
)
def test_error_shape(open_raw, shape, body):
    raw = open_raw([{"phone": PHONE}], error_shape=shape, at={4: "500", 5: "429"}, max_bulk=1)
    answers = [
        raw("GET", f"/{NEW}"),
        raw("POST", json={"number": PHONE}),
        raw("DELETE", json={"contact_ids": [PHONE, NEW]}),
        raw("GET"),
        raw("GET"),
        raw("GET", headers={"sb-api-key-id": "no"}),
        raw("PATCH"),
    ]
    assert [answer.status_code for answer in answers] == [404, 409, 413, 500, 429, 401, 405]
    for answer in answers:
        said = re.sub(r'("\w*message"|"error"): ?"[^"]*"', r'\1: "MESSAGE"', answer.text)
        said = re.sub(r'"code": ?\d+', '"code": 0', said)
        assert json.loads(said) == body
    if shape == "nested":
        assert answers[0].json()["error"]["code"] == 404


def test_refusals_of_keys_as_they_were_observed(open_raw):
    raw = open_raw([], errors="observed", error_shape="nested")
    wrong = raw("GET", headers={"sb-api-secret-key": "no"})
    assert (wrong.status_code, wrong.json()) == (401, {"status": "ERROR", "message": "Invalid Credentials"})
    for missing in ({"sb-api-secret-key": None}, {"sb-api-key-id": None, "sb-api-secret-key": None}):
        answer = raw("GET", headers=missing)
        assert answer.status_code == 403
        assert answer.json() == {"message": "Did not get inputs for authorization"}


def test_a_partial_bulk_create_keeps_the_rows_before_the_duplicate(open_raw):
    raw = open_raw([{"phone": PHONE, "first_name": "old"}], on_duplicate="partial")
    rows = [{"phone": OTHER}, {"phone": PHONE, "first_name": "new"}, {"phone": NEW}]
    answer = raw("POST", "/bulk", json={"contacts": rows})
    assert (answer.status_code, PHONE in answer.json()["message"]) == (409, True)
    assert [(row["phone"], row["first_name"]) for row in raw.sandbox.rows()] == [
        (PHONE, "old"),
        (OTHER, None),
    ]


def test_verify_may_find_nobody(open_raw):
    raw = open_raw([{"phone": PHONE}], verify_finds="none", verify_marks=True)
    answer = raw("POST", "/verify", json={"number": PHONE})
    assert (answer.status_code, answer.json()["message"]) == (404, "No contact found for this number")
    assert raw.sandbox.verifications == []
    assert raw("GET", f"/{PHONE}").status_code == 200


@pytest.mark.parametrize("off", [2, -1])
def test_the_count_may_be_off(open_raw, off):
    raw = open_raw(3, count_off=off)
    assert raw("GET", "/count").json() == {"count": 3 + off}
    assert (len(raw.list()), raw.sandbox.count()) == (3, 3)


@pytest.mark.parametrize(
    "wrong",
    [{"cdn_status": 500}, {"odd_status": 500}, {"odd_status": 100}, {"late_by": -1}, {"reject_text": ""}],
)
def test_a_setting_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Sandbox(0, **wrong)
