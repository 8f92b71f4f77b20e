"""Reads that lag behind the writes."""

import random

import pytest

from sendblue_data.sandbox import replica

PHONE, OTHER, NEW = "+12125550100", "+12125550101", "+12125550102"
LAG = 5.0


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test turns."""

    class Clock:
        now = 1_000.0

    monkeypatch.setattr(replica, "monotonic", lambda: Clock.now)
    return Clock


def seen(raw):
    """What each kind of read shows: the list, the count, and the contacts that a get finds."""
    listed = {contact["phone"]: contact for contact in raw.list(limit=1_000)}
    found = {phone for phone in (PHONE, OTHER, NEW) if raw("GET", f"/{phone}").status_code == 200}
    assert raw("GET", "/count").json() == {"count": len(listed)}
    assert found == set(listed)
    return listed


WRITES = {
    "create": (("POST", ""), {"number": NEW}),
    "bulk create": (("POST", "/bulk"), {"contacts": [{"phone": NEW}]}),
    "update": (("PUT", f"/{PHONE}"), {"first_name": "Ann"}),
    "opt out": (("POST", "/opt-out"), {"number": PHONE}),
    "verify": (("POST", "/verify"), {"number": PHONE}),
    "delete": (("DELETE", f"/{PHONE}"), None),
    "bulk delete": (("DELETE", ""), {"contact_ids": [PHONE, OTHER]}),
}


@pytest.mark.parametrize("write", WRITES)
def test_every_write_is_seen_after_the_lag_and_not_before(open_raw, clock, write):
    raw = open_raw([{"phone": PHONE, "opt_out": False}, {"phone": OTHER}], read_lag=LAG, verify_marks=True)
    before = seen(raw)
    request, body = WRITES[write]
    assert raw(*request, json=body).status_code == 200
    clock.now += LAG - 0.1
    assert seen(raw) == before
    clock.now += 0.2
    after = seen(raw)
    assert after != before
    assert set(after) == {row["phone"] for row in raw.sandbox.rows()}


def test_gets_may_be_fresh(open_raw, clock):
    raw = open_raw([], read_lag=LAG, lag_of="lists")
    raw("POST", json={"number": NEW})
    assert raw("GET", f"/{NEW}").status_code == 200
    assert (raw.list(), raw("GET", "/count").json()) == ([], {"count": 0})


def test_writes_know_what_reads_do_not_show_yet(open_raw, clock):
    raw = open_raw([], read_lag=LAG)
    assert [raw("POST", json={"number": NEW}).status_code for _ in range(2)] == [200, 409]
    assert raw("PUT", f"/{NEW}", json={"first_name": "Ann"}).json()["contact"]["first_name"] == "Ann"
    assert raw.list() == []


def test_what_is_changed_behind_the_api_shows_at_once(open_raw, clock):
    raw = open_raw([{"phone": PHONE}], read_lag=LAG)
    sandbox = raw.sandbox
    sandbox.edit(PHONE, first_name="Ann")
    sandbox.add([{"phone": OTHER}])
    sandbox.opt_out(OTHER)
    assert {phone: (contact["first_name"], contact["opt_out"]) for phone, contact in seen(raw).items()} == {
        PHONE: ("Ann", None),
        OTHER: (None, True),
    }
    sandbox.remove([PHONE])
    assert set(seen(raw)) == {OTHER}
    sandbox.replace([{"phone": NEW}])
    assert set(seen(raw)) == {NEW}


def test_it_overtakes_what_the_api_wrote_of_that_contact(open_raw, clock):
    """Else an old write would undo it when it comes to be seen, or bring back a contact that is gone."""
    raw = open_raw([{"phone": PHONE}], read_lag=LAG)
    raw("POST", json={"number": NEW})
    raw("PUT", f"/{PHONE}", json={"first_name": "old"})
    raw.sandbox.remove([NEW])
    raw.sandbox.edit(PHONE, first_name="new")
    for _ in range(2):
        assert {phone: contact["first_name"] for phone, contact in seen(raw).items()} == {PHONE: "new"}
        clock.now += LAG + 1


def test_the_lag_changes_while_it_runs(open_raw, clock):
    raw = open_raw([])
    raw("POST", json={"number": PHONE})
    raw.sandbox.set(read_lag=LAG)
    raw("POST", json={"number": OTHER})
    assert set(seen(raw)) == {PHONE}
    raw.sandbox.set(read_lag=0.0)
    assert set(seen(raw)) == {PHONE, OTHER}
    raw("POST", json={"number": NEW})
    raw.sandbox.set(read_lag=LAG)
    assert set(seen(raw)) == {PHONE}
    clock.now += LAG + 1
    assert set(seen(raw)) == {PHONE, OTHER, NEW}


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8))
def test_after_the_lag_reads_show_the_truth_whatever_was_done(open_raw, clock, seed):
    """In every order of writes through the API and behind it, of three contacts that come and go."""
    raw, chance = open_raw([{"phone": PHONE}], read_lag=LAG), random.Random(seed)
    sandbox = raw.sandbox

    def there(phone):
        return any(row["phone"] == phone for row in sandbox.rows())

    for number in range(60):
        phone = chance.choice((PHONE, OTHER, NEW))
        deed = chance.randrange(7)
        if deed == 0:
            raw("POST", json={"number": phone, "first_name": str(number), "update_if_exists": True})
        elif deed == 1:
            raw("POST", "/bulk", json={"contacts": [{"phone": phone, "tags": [str(number)]}]})
        elif deed == 2:
            raw("DELETE", f"/{phone}")
        elif deed == 3:
            raw("DELETE", json={"contact_ids": [PHONE, phone]})
        elif deed == 4:
            sandbox.remove([phone])
        elif deed == 5 and there(phone):
            sandbox.edit(phone, first_name=str(number))
        elif deed == 6 and not there(phone):
            sandbox.add([{"phone": phone, "last_name": str(number)}])
        clock.now += chance.choice((0.0, LAG / 3, LAG))
        seen(raw)
    clock.now += LAG + 1
    truth = {
        row["phone"]: {name: value for name, value in row.items() if value is not None}
        for row in sandbox.rows()
    }
    shown = {
        phone: {name: value for name, value in contact.items() if value is not None}
        for phone, contact in seen(raw).items()
    }
    assert shown == truth
    assert raw.phones(limit=10) == raw.phones(limit=10)


def test_what_was_rolled_back_is_never_seen(open_raw, clock):
    raw = open_raw([{"phone": PHONE}], read_lag=LAG, on_duplicate="reject")
    assert raw("POST", "/bulk", json={"contacts": [{"phone": NEW}, {"phone": PHONE}]}).status_code == 409
    raw("POST", "/bulk", json={"contacts": [{"phone": OTHER}]})
    clock.now += LAG + 1
    assert set(seen(raw)) == {PHONE, OTHER}


def test_settle_waits_until_reads_show_all(open_raw):
    raw = open_raw([], read_lag=0.3)
    raw("POST", json={"number": NEW})
    assert raw.list() == []
    raw.sandbox.settle()
    assert raw.phones() == [NEW]


@pytest.mark.slow
def test_a_lagging_account_of_20000_takes_bulk_writes(open_raw, clock):
    raw = open_raw(20_000, read_lag=LAG)
    phones = [row["phone"] for row in raw.sandbox.rows()]
    for start in range(0, 20_000, 5_000):
        raw("DELETE", json={"contact_ids": phones[start : start + 5_000]})
        rows = [{"phone": phone} for phone in phones[start : start + 2_000]]
        raw("POST", "/bulk", json={"contacts": rows})
    assert raw("GET", "/count").json() == {"count": 20_000}
    clock.now += LAG + 1
    assert raw("GET", "/count").json() == {"count": 8_000}
