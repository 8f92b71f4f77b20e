"""Nobody is texted, deleted or overwritten on a view that has grown old."""

import time

import pytest

from sendblue_data import (
    bulk_create,
    bulk_delete,
    bulk_opt_out,
    bulk_update,
    bulk_verify,
    list_runs,
    resume_run,
    undo_run,
)
from sendblue_data.contacts import contacts_frame
from sendblue_data.errors import UnexpectedAnswerError
from sendblue_data.writeback import lookup
from sendblue_data.writeback.journal import Journal
from sendblue_data.writeback.ledger import Ledger
from tests.writeback.people import people, person, phone, state, statuses


def writes(sandbox):
    return [line.path for line in sandbox.request_log if line.method != "GET"]


class Meddler:
    """Does something in the account once, before the first request that fits."""

    def __init__(self, fits, act):
        self.fits, self.act, self.done = fits, act, False

    def __call__(self, sandbox, request):
        if not self.done and self.fits(request):
            self.done = True
            self.act(sandbox)


def opts_out(numbers):
    return lambda sandbox: [sandbox.edit(phone(n), opt_out=True) for n in numbers]


def test_nobody_is_texted_who_opted_out_while_messages_went_out(open_account):
    sandbox, client = open_account(people(40))
    first = Meddler(lambda request: request.path.endswith("/verify"), opts_out(range(8, 40)))
    sandbox.set(meddle=first)
    result = bulk_verify(client, contacts_frame(people(40)), progress=False)
    assert len(sandbox.verifications) == 8
    assert set(sandbox.verifications) == {phone(n) for n in range(8)}
    assert result.counts == {"updated": 8, "unchanged": 32}


def test_nobody_is_texted_who_opted_out_while_the_server_turned_messages_away(open_account):
    sandbox, client = open_account(people(8))
    sandbox.set(
        meddle=Meddler(lambda request: request.path.endswith("/verify"), opts_out(range(8))),
        at=dict.fromkeys(range(1, 9), "429"),
        only="writes",
    )
    assert bulk_verify(client, contacts_frame(people(8)), progress=False).counts == {"unchanged": 8}
    assert sandbox.verifications == []


def test_nobody_is_texted_whom_the_ledger_holds(open_account, journals):
    sandbox, client = open_account(people(3))
    Ledger.open(journals, client.account).record_out([phone(1)], by="a colleague")
    result = bulk_verify(client, contacts_frame(people(3)), progress=False)
    assert sorted(sandbox.verifications) == [phone(0), phone(2)]
    assert statuses(result)[::2] == ["updated"] * 2


def test_an_answer_about_another_contact_is_refused(open_account):
    sandbox, client = open_account([*people(2), person(2, opt_out=True)])

    def swapped(method, path, body):
        return body.replace(phone(2).encode(), phone(0).encode()) if method == "GET" else body

    sandbox.set(rewrite=swapped)
    with pytest.raises(UnexpectedAnswerError, match="another contact"):
        bulk_verify(client, contacts_frame([{"phone": phone(2)}]), progress=False)
    assert sandbox.verifications == []


def test_an_opt_out_that_comes_before_a_delete_outlives_it(open_account, monkeypatch):
    sandbox, client = open_account(people(30), remember_opt_outs=False)
    monkeypatch.setattr(lookup, "REFRESH_AFTER", 0.0)  # any look is old
    mine = contacts_frame(people(10)).select("phone")
    seen = Meddler(
        lambda request: request.path.endswith("/count") and len(sandbox.request_log) > 1, opts_out(range(10))
    )
    sandbox.set(meddle=seen)
    run = bulk_delete(client, mine, progress=False)
    assert seen.done
    assert run.counts == {"deleted": 10}
    undo_run(client, run.run_id, progress=False)
    assert [state(sandbox.rows())[phone(n)]["opt_out"] for n in range(10)] == [True] * 10


@pytest.mark.parametrize("write", ["update", "delete"])
def test_an_edit_by_somebody_else_is_a_conflict_and_no_casualty(open_account, write):
    """The process sleeps between its look and its write; a colleague does not."""
    sandbox, client = open_account(people(12, tags=["VIP"]))
    sandbox.set(at={1: "429"}, only="writes")

    def edits(box):
        for n in range(4):
            box.edit(phone(n), tags=["Theirs"])

    sandbox.set(meddle=Meddler(lambda request: request.method in ("PUT", "DELETE"), edits))
    mine = contacts_frame([{"phone": phone(n), "tags": ["Ours"]} for n in range(4)])
    if write == "update":
        client = sandbox.client(max_connections=1)
        result = bulk_update(client, mine, ["tags"], replace=True, progress=False)
    else:
        result = bulk_delete(client, mine, progress=False)
    assert sandbox.count() == 12
    there = state(sandbox.rows())
    kept = [there[phone(n)]["tags"] for n in range(4)]
    if write == "delete":
        assert kept == [{"Theirs"}] * 4
        assert statuses(result) == ["unchanged"] * 4
    else:
        assert kept[0] == {"Theirs"}  # the only one that waited
    assert "somebody else" in result.frame["detail"][0]


def test_a_look_that_has_grown_old_is_taken_again_before_a_chunk_leaves(open_account, monkeypatch):
    sandbox, client = open_account(people(3))
    real = client.bulk_create_contacts
    slept = []

    def sleeps(rows):
        if not slept:
            slept.append(monkeypatch.setattr(time, "monotonic", lambda: real_clock() + 10))
        return real(rows)

    real_clock = time.monotonic
    monkeypatch.setattr(client, "bulk_create_contacts", sleeps)
    sandbox.reset_log()
    assert bulk_create(client, contacts_frame([{"phone": phone(9)}]), progress=False).counts == {"created": 1}
    posts = [at for at, line in enumerate(sandbox.request_log) if line.method == "POST"]
    assert len(posts) == 1
    assert {line.method for line in sandbox.request_log[posts[0] - 2 : posts[0]]} == {"GET"}
    assert sum(line.method == "GET" for line in sandbox.request_log[: posts[0]]) == 5


def test_opt_outs_are_not_kept_waiting_for_a_look(open_account, monkeypatch):
    sandbox, client = open_account(people(30))
    monkeypatch.setattr(lookup, "REFRESH_AFTER", 0.0)
    sandbox.reset_log()
    assert bulk_opt_out(client, contacts_frame(people(30)), progress=False).counts == {"updated": 30}
    assert len(writes(sandbox)) == 30
    reads = len(sandbox.request_log) - 30
    assert reads <= 10  # the plan's pull, and the last look's


@pytest.mark.parametrize("write", [bulk_verify, bulk_create])
def test_a_resumed_run_asks_the_ledger_again(open_account, journals, monkeypatch, write):
    """Another process learns of an opt-out after the plan was made; the account shows nothing of it."""
    sandbox, client = open_account(people(3), remember_opt_outs=False)
    numbers = range(3) if write is bulk_verify else range(10, 13)

    def dies(*_args, **_options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "sending", dies)
        with pytest.raises(KeyboardInterrupt):
            write(client, contacts_frame([{"phone": phone(n)} for n in numbers]), progress=False)
    Ledger.open(journals, client.account).record_out([phone(numbers[1])], by="a colleague")
    result = resume_run(client, list_runs()["run_id"][0], progress=False)
    if write is bulk_verify:
        assert sorted(sandbox.verifications) == [phone(0), phone(2)]
        assert statuses(result) == ["updated", "unchanged", "updated"]
    else:
        assert [row["opt_out"] for row in sandbox.rows()] == [False] * 4 + [True, False]
