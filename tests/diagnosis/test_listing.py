"""What the doctor finds of the list: order, cursor, pages, offsets, count."""

import itertools

import pytest

from sendblue_data import Sandbox, doctor
from tests.diagnosis.conftest import named
from tests.diagnosis.model import error, ok, people


@pytest.mark.slow
@pytest.mark.parametrize("contacts", [0, 1, 2, 1_000, 2_500, 11_500])
def test_a_sandbox_of_any_size_is_ready_in_twenty_requests(contacts):
    with Sandbox(contacts, seed=5) as sandbox, sandbox.client() as client:
        found = doctor(client)
    assert (found.outcome, found.ready, found.verdict) == ("ready", True, "Ready to pull.")
    assert found.requests == len(sandbox.request_log) <= 20
    assert {(line.method, line.status) for line in sandbox.request_log} == {("GET", 200)}
    assert {one.verdict for one in found.findings} <= {"ok", "note", "unseen"}
    assert named(found, "count").facts["counted"] == contacts


def test_an_account_as_documented_is_ok_in_all_but_the_other_host(examine):
    found = examine(people(1_200, first_name="A", last_name="B", company_name="C", custom_variables={"a": "b"},
                           sendblue_number="+12125550199", assigned_to_email="d"))  # fmt: skip
    assert len(found.findings) == 20
    assert [one.name for one in found.findings if one.verdict != "ok"] == ["other_host"]


@pytest.mark.parametrize(
    ("traits", "told", "verdict"),
    [
        ({}, "honoured", "ok"),
        ({"order": False}, "ignored", "problem"),
    ],
)
def test_an_order_that_is_ignored_is_told(examine, traits, told, verdict):
    finding = named(examine(people(150), **traits), "order")
    assert finding.found.startswith(told)
    assert finding.verdict == verdict


def test_an_order_of_other_direction_is_ignored_not_half_honoured(examine):
    found = examine(people(30)[::-1], order=False)
    assert named(found, "order").found.startswith("ignored")
    assert found.outcome == "care"
    assert found.verdict.startswith("Pull with care: Order by created_at")


@pytest.mark.parametrize(
    ("cursor", "told", "verdict"),
    [
        ("gte", "that moment itself is in it", "ok"),
        ("gt", "that moment itself is left out", "problem"),
        ("ignored", "ignored", "problem"),
    ],
)
@pytest.mark.parametrize("contacts", [1, 2, 90])
def test_a_cursor_is_inclusive_exclusive_or_ignored(examine, cursor, told, verdict, contacts):
    finding = named(examine(people(contacts), cursor=cursor), "cursor")
    assert told in finding.found
    assert finding.verdict == verdict


def test_a_cursor_that_is_refused_is_a_problem(examine):
    found = examine(
        people(9),
        answer=lambda _path, query: error(400, "no such filter") if "created_at_gte" in query else None,
    )
    assert named(found, "cursor").found == "refused: status 400 with an object"
    assert named(found, "cursor").verdict == "problem"


@pytest.mark.parametrize(
    ("traits", "contacts", "told", "verdict"),
    [
        ({}, 1_500, "so it is capped", "ok"),
        ({"most": 5_000}, 1_500, "1,000 is no cap", "ok"),
        ({"most": 250}, 1_500, "250 of 1,000 asked for", "problem"),
        ({"most": 250}, 300, "250 of 1,000 asked for", "problem"),
        ({}, 40, "too few contacts to see a cap", "ok"),
    ],
)
def test_the_page_size_is_seen(examine, traits, contacts, told, verdict):
    finding = named(examine(people(contacts), **traits), "page_size")
    assert told in finding.found
    assert finding.verdict == verdict


def test_a_limit_past_the_cap_may_be_refused(examine):
    found = examine(
        people(9), answer=lambda _path, query: error(400, "limit") if query.get("limit") == "1001" else None
    )
    assert "1,001 refused" in named(found, "page_size").found
    assert found.ready


@pytest.mark.parametrize(
    ("past", "contacts", "does", "verdict"),
    [
        ("clamp", 10_003, "clamped", "ok"),
        ("refuse", 10_003, "refused", "ok"),
        ("further", 10_003, "goes further", "ok"),
        ("clamp", 40, "empty", "ok"),
        ("refuse", 40, "refused", "ok"),
        ("ignored", 40, "ignored", "problem"),
    ],
)
def test_an_offset_past_the_cap_is_seen(examine, past, contacts, does, verdict):
    finding = named(examine(people(contacts), past=past), "offset_cap")
    assert finding.facts["does"] == does
    assert finding.verdict == verdict


def test_an_offset_that_is_ignored_is_a_problem(examine):
    assert named(examine(people(40), past="ignored"), "offset").verdict == "problem"
    assert named(examine(people(40)), "offset").verdict == "ok"
    assert named(examine(people(2)), "offset").verdict == "unseen"


@pytest.mark.slow
@pytest.mark.parametrize("contacts", [0, 3, 1_000, 1_001, 10_020])
@pytest.mark.parametrize("off", [0, 2, -2])
def test_a_count_is_held_against_the_list_exactly(examine, contacts, off):
    counted = max(0, contacts + off)
    finding = named(examine(people(contacts), count=counted), "count")
    assert finding.facts["counted"] == counted
    assert (finding.facts["listed"], finding.facts["exact"]) == (contacts, True)
    assert finding.verdict == ("ok" if counted == contacts else "problem")


def test_of_a_large_account_the_far_end_is_looked_at(examine):
    finding = named(examine(people(11_500)), "count")
    assert finding.found == "counts 11,500, lists at least 10,001"
    assert finding.verdict == "ok"


def test_a_count_that_moves_is_no_fault(examine):
    numbers = itertools.count(20)
    found = examine(
        people(20),
        answer=lambda path, _query: ok({"count": next(numbers)}) if path.endswith("count") else None,
    )
    assert "moved meanwhile" in named(found, "count").found
    assert found.ready


def test_pages_that_leave_a_contact_out_once_come_from_servers_that_differ(examine):
    rows = people(30)
    lists = itertools.count()

    def answer(_path, query):
        if query.get("limit") == "100" and query["order_by"] == "created_at" and next(lists) == 0:
            return ok(rows[-2::-1])
        return None

    finding = named(examine(rows, answer=answer), "lag")
    assert (finding.verdict, finding.facts["back"]) == ("note", 1)
    assert "servers that differ" in finding.found


def test_contacts_of_one_moment_in_another_order_each_time_are_no_lag():
    row = {"created_at": "2026-03-01T00:00:00Z", "opt_out": False}
    crowd = [row | {"phone": f"+1212555{number:04}"} for number in range(300)]
    with Sandbox(crowd, ties="shuffled") as sandbox, sandbox.client() as client:
        found = doctor(client)
    assert named(found, "lag").verdict == "unseen"
    assert named(found, "moments").facts["most_ties"] == 300
    assert found.ready


@pytest.mark.parametrize("body", [{"contacts": []}, {"data": [{"phone": "+12125550100"}]}, ["text"], [[]]])
def test_a_list_of_another_shape_is_a_problem(examine, body):
    found = examine(answer=lambda path, _query: None if path.endswith("count") else ok(body))
    assert named(found, "list").verdict == "problem"
    assert found.outcome == "care"
