"""Writes are judged by evidence, not by haste: reads lag, servers tidy, and 409 may hide a part that was done."""

import pytest

from sendblue_data import bulk_create, bulk_delete, bulk_opt_out, bulk_update
from sendblue_data.contacts import contacts_frame
from sendblue_data.errors import AuthenticationError, WriteInterruptedError
from sendblue_data.writeback import engine
from tests.writeback.people import people, person, phone, state, statuses


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    monkeypatch.setattr(engine, "PATIENCE", 3.0)


def sent(sandbox):
    return [line.path for line in sandbox.request_log if line.method != "GET"]


def test_reads_that_lag_are_waited_for_and_nothing_is_sent_twice(open_account):
    sandbox, client = open_account(people(20), read_lag=0.4)
    assert bulk_opt_out(client, contacts_frame(people(20)), progress=False).counts == {"updated": 20}
    assert len(sent(sandbox)) == 20


def test_a_create_is_waited_for_where_reads_lag(open_account):
    sandbox, client = open_account(people(2), read_lag=0.4)
    mine = contacts_frame([person(n, contact_id=None, opt_out=n == 10) for n in range(10, 20)])
    assert bulk_create(client, mine, progress=False).counts == {"created": 10}
    assert sent(sandbox)[0] == "/api/v2/contacts/bulk"
    assert len(sent(sandbox)) == 2
    sandbox.settle()
    assert bulk_delete(client, mine, allow_most=True, progress=False).counts == {"deleted": 10}
    assert len(sent(sandbox)) == 3


def test_what_the_server_fills_in_and_tidies_is_a_note(open_account):
    _, client = open_account([], default_company="ana@example.com", tidy_tags="all", tidy_text=True)
    mine = contacts_frame(
        [{"phone": phone(0), "first_name": " Ann  Lee ", "tags": ["Zed ", "VIP", "vip"]}, {"phone": phone(1)}]
    )
    result = bulk_create(client, mine, progress=False)
    assert statuses(result) == ["created", "created"]
    assert "tags" in result.frame["detail"][0]
    assert "company_name" in result.frame["detail"][1]
    changed = contacts_frame([{"phone": phone(0), "tags": ["New ", "new"]}])
    assert statuses(bulk_update(client, changed, ["tags"], replace=True, progress=False)) == ["updated"]


def test_a_409_that_was_done_in_part_is_told_right(open_account):
    sandbox, client = open_account(
        [person(14, first_name="Theirs")], on_duplicate="partial", remember_opt_outs=False
    )
    sandbox.remove([phone(14)])
    real = client.bulk_create_contacts

    def late(rows):
        if phone(14) not in state(sandbox.rows()):
            sandbox.add([person(14, first_name="Theirs")])
        return real(rows)

    client.bulk_create_contacts = late
    mine = contacts_frame(
        [{"phone": phone(n), "first_name": "Ours", "opt_out": n % 2 == 0} for n in range(10, 20)]
    )
    result = bulk_create(client, mine, progress=False)
    assert result.frame["status"].to_list() == ["created"] * 4 + ["updated"] + ["created"] * 5
    there = state(sandbox.rows())
    assert [there[phone(n)]["opt_out"] for n in range(10, 20)] == [True, False] * 5
    assert there[phone(14)]["first_name"] == "Theirs"


def test_a_status_that_is_no_answer_may_have_applied(open_account):
    sandbox, client = open_account(
        people(2), on_duplicate="reject", odd_status=302, at={1: "odd_status"}, only="writes"
    )
    mine = contacts_frame([{"phone": phone(n), "opt_out": True} for n in range(10, 14)])
    assert bulk_create(client, mine, progress=False).counts == {"created": 4}
    assert sent(sandbox).count("/api/v2/contacts/bulk") == 1
    assert [row["opt_out"] for row in sandbox.rows()][2:] == [True] * 4


def test_a_firewall_that_blocks_one_row_rejects_that_row(open_account):
    sandbox, client = open_account(people(2), reject_text="<script>")
    mine = contacts_frame(
        [{"phone": phone(n), "first_name": "<script>" if n == 13 else "Ann"} for n in range(10, 18)]
    )
    result = bulk_create(client, mine, progress=False)
    assert statuses(result) == ["created"] * 3 + ["rejected"] + ["created"] * 4
    assert sandbox.count() == 9


def test_bad_keys_still_end_the_run(open_account, monkeypatch):
    _, client = open_account(people(2))

    def refused(*_args, **_options):
        raise AuthenticationError("Invalid Credentials", method="POST", path="/", status=401)

    monkeypatch.setattr(client, "bulk_create_contacts", refused)
    with pytest.raises(WriteInterruptedError, match="Invalid Credentials"):
        bulk_create(client, contacts_frame([{"phone": phone(9)}]), progress=False)


def test_what_never_shows_is_unknown_and_not_rejected(open_account, monkeypatch):
    monkeypatch.setattr(engine, "PATIENCE", 0.3)
    sandbox, client = open_account(people(6))
    monkeypatch.setattr(client, "bulk_delete_contacts", lambda _: 3)
    result = bulk_delete(client, contacts_frame(people(2)), progress=False)
    assert statuses(result) == ["unknown"] * 2
    assert sandbox.count() == 6
