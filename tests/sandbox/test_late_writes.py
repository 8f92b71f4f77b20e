"""Writes that take effect when nobody waits for them any more, and others who work in the account meanwhile."""

import threading
import time

import pytest
import requests

PHONE, OTHER, NEW = "+12125550100", "+12125550101", "+12125550102"
ROOT = "/api/v2/contacts"


def lost(raw, method, path="", **options):
    with pytest.raises(requests.ConnectionError, match="reset"):
        raw(method, path, **options)


WRITES = {
    "create": (("POST", ""), {"number": NEW}),
    "bulk create": (("POST", "/bulk"), {"contacts": [{"phone": NEW}]}),
    "update": (("PUT", f"/{PHONE}"), {"first_name": "Ann"}),
    "opt out": (("POST", "/opt-out"), {"number": PHONE}),
    "delete": (("DELETE", f"/{PHONE}"), None),
    "bulk delete": (("DELETE", ""), {"contact_ids": [PHONE]}),
}


@pytest.mark.parametrize("write", WRITES)
def test_a_late_write_is_lost_at_once_and_lands_later(open_raw, write):
    raw = open_raw([{"phone": PHONE}], every_late=1, only="writes", late_by=0.2)
    before = raw.sandbox.rows()
    request, body = WRITES[write]
    start = time.monotonic()
    lost(raw, *request, json=body)
    assert time.monotonic() - start < 0.2
    assert raw.sandbox.rows() == before
    raw.sandbox.settle()
    assert raw.sandbox.rows() != before
    (line,) = raw.sandbox.request_log
    assert (line.status, line.fault) == (0, "late")


def test_late_writes_land_after_what_was_done_meanwhile(open_raw):
    raw = open_raw([{"phone": PHONE}], at={1: "late"}, late_by=0.2)
    lost(raw, "PUT", f"/{PHONE}", json={"first_name": "late"})
    raw("PUT", f"/{PHONE}", json={"first_name": "meanwhile"})
    raw.sandbox.settle()
    assert raw.sandbox.rows()[0]["first_name"] == "late"


def test_a_late_write_may_be_refused_when_it_lands(open_raw):
    raw = open_raw([], at={1: "late"}, late_by=0.1)
    lost(raw, "POST", json={"number": NEW, "first_name": "late"})
    raw("POST", json={"number": NEW, "first_name": "first"})
    raw.sandbox.settle()
    assert [row["first_name"] for row in raw.sandbox.rows()] == ["first"]


def test_reads_show_a_late_write_after_its_landing_and_the_lag(open_raw):
    raw = open_raw([], at={1: "late"}, late_by=0.1, read_lag=0.2)
    lost(raw, "POST", json={"number": NEW})
    raw.sandbox.settle()
    assert raw.phones() == [NEW]


def test_settle_waits_for_nothing_where_nothing_is_late(open_raw):
    raw = open_raw([])
    raw.sandbox.settle()
    assert raw.sandbox.request_log == []


def test_closing_forgets_late_writes_and_wakes_who_waits(open_raw):
    raw = open_raw([], at={1: "late"}, late_by=60.0)
    lost(raw, "POST", json={"number": NEW})
    waiting = threading.Thread(target=raw.sandbox.settle)
    waiting.start()
    raw.sandbox.close()
    waiting.join(5)
    assert not waiting.is_alive()


def test_others_meddle_before_each_request(open_raw):
    seen = []

    def meddle(sandbox, request):
        seen.append((request.method, request.path, request.status, dict(request.query), request.body))
        if request.method == "PUT":
            sandbox.edit(PHONE, last_name="theirs")
            sandbox.opt_out(PHONE)
            sandbox.remove([OTHER])
            sandbox.add([{"phone": NEW}])

    raw = open_raw([{"phone": PHONE}, {"phone": OTHER}], meddle=meddle)
    raw("GET", params={"limit": 5})
    answer = raw("PUT", f"/{PHONE}", data=b'{"first_name": "ours"}')
    assert seen == [
        ("GET", ROOT, 0, {"limit": "5"}, b""),
        ("PUT", f"{ROOT}/{PHONE}", 0, {}, b'{"first_name": "ours"}'),
    ]
    contact = answer.json()["contact"]
    assert (contact["first_name"], contact["last_name"], contact["opt_out"]) == ("ours", "theirs", True)
    assert sorted(raw.phones()) == [PHONE, NEW]
    assert raw.sandbox.opt_out_records() == {PHONE: True}


def test_others_meddle_while_the_test_works_behind_the_api(open_raw):
    """Both threads want the store: neither waits for ever."""
    raw = open_raw(
        [{"phone": PHONE}], read_lag=0.01, meddle=lambda sandbox, _: sandbox.edit(PHONE, last_name="x")
    )
    stop = threading.Event()

    def work():
        while not stop.is_set():
            raw.sandbox.edit(PHONE, first_name="y")
            raw.sandbox.rows()

    worker = threading.Thread(target=work)
    worker.start()
    try:
        assert [raw("PUT", f"/{PHONE}", json={"tags": []}).status_code for _ in range(50)] == [200] * 50
    finally:
        stop.set()
        worker.join(10)
    assert not worker.is_alive()


@pytest.mark.parametrize("opted_out", [True, False])
def test_a_persons_own_opt_out_holds_for_contacts_to_come(open_raw, opted_out):
    raw = open_raw([{"phone": PHONE, "opt_out": not opted_out}])
    for phone in (PHONE, NEW):
        raw.sandbox.opt_out(phone, opted_out=opted_out)
    raw("POST", json={"number": NEW})
    assert [row["opt_out"] for row in raw.sandbox.rows()] == [opted_out] * 2
