"""Staged writes without widgets: selection, plan, run, stop, resume, undo, against a sandbox."""

from dataclasses import replace

import pytest

from sendblue_data import has_tag, list_runs, pull_contacts
from sendblue_data.errors import AccountMovedError, SegmentError, WriteRefusedError
from sendblue_data.explorer.selection import Account
from sendblue_data.explorer.writes import ACTIONS, ADD, REMOVE, Writer, is_confirmed, takes_most, writes
from sendblue_data.writeback.engine import Engine
from sendblue_data.writeback.rows import Options
from sendblue_data.writeback.sending import StoppedError
from tests.explorer.people import person, phone


def account(count=20, **fields):
    return [person(n, tags=["VIP"] if n < 8 else ["Lead"], opt_out=False, **fields) for n in range(count)]


def pulled(client):
    return pull_contacts(client, progress=False)


def tags_by_phone(sandbox):
    return {row["phone"]: row["tags"] for row in sandbox.rows()}


@pytest.fixture
def staged(open_account):
    """A sandbox, the frame of its VIPs, a writer, and the progress that it told of."""
    sandbox, client = open_account(account())
    told = []
    return sandbox, pulled(client).filter(has_tag("VIP")), Writer(client, None, told.append), told


def test_delete_and_undo(staged):
    sandbox, vips, writer, told = staged
    before = tags_by_phone(sandbox)
    plan = writer.plan(vips, "Delete contacts")
    assert (writes(plan), sandbox.count()) == (8, 20)
    outcome = writer.run(plan)
    assert outcome.result.counts == {"deleted": 8}
    assert (outcome.stopped, outcome.now, told) == (False, {}, [8])
    assert set(tags_by_phone(sandbox)) == {phone(n) for n in range(8, 20)}
    back = writer.undo(outcome.run_id)
    assert back.result.counts == {"created": 8}
    assert set(back.now) == {phone(n) for n in range(8)}
    assert tags_by_phone(sandbox) == before


@pytest.mark.parametrize(("action", "expected"), [(ADD, ["VIP", "Spring"]), (REMOVE, [])])
def test_tags_are_added_and_removed_on_the_account_as_it_is_now(staged, action, expected):
    sandbox, vips, writer, _ = staged
    sandbox.edit(phone(0), tags=["VIP", "Since the pull"])
    tag = "Spring" if action == ADD else "VIP"
    outcome = writer.run(writer.plan(vips, action, tag))
    assert outcome.result.counts == {"updated": 8}
    now = tags_by_phone(sandbox)
    assert now[phone(1)] == expected
    assert now[phone(0)] == ["VIP", "Since the pull", "Spring"] if action == ADD else ["Since the pull"]
    assert now[phone(9)] == ["Lead"]
    assert writer.undo(outcome.run_id).result.counts == {"updated": 8}
    assert tags_by_phone(sandbox)[phone(1)] == ["VIP"]


def test_opt_out_and_verify(staged):
    sandbox, vips, writer, _ = staged
    sandbox.edit(phone(0), opt_out=True)
    assert writer.run(writer.plan(vips, "Send verification")).result.counts == {"updated": 7, "unchanged": 1}
    assert sorted(sandbox.verifications) == [phone(n) for n in range(1, 8)]
    assert writer.run(writer.plan(vips, "Opt out")).result.counts == {"updated": 7, "unchanged": 1}
    assert sum(row["opt_out"] is True for row in sandbox.rows()) == 8


def test_a_tag_has_to_be_named(staged):
    _, vips, writer, _ = staged
    for action in (ADD, REMOVE):
        with pytest.raises(SegmentError, match="which"):
            writer.plan(vips, action, " ")
    assert set(ACTIONS) >= {ADD, REMOVE}


@pytest.mark.parametrize(
    ("typed", "goes"), [("8", True), (" 8 ", True), ("08", True), ("", False), ("7", False), ("8.0", False)]
)
def test_the_number_has_to_be_typed(staged, typed, goes):
    _, vips, writer, _ = staged
    assert is_confirmed(writer.plan(vips, "Delete contacts"), typed) is goes


def test_a_plan_that_does_nothing_can_not_be_confirmed(staged):
    sandbox, vips, writer, _ = staged
    plan = writer.plan(vips, ADD, "VIP")
    assert (writes(plan), is_confirmed(plan, "0")) == (0, False)
    assert sandbox.count() == 20


def test_most_of_the_account_and_a_moved_account_are_refused(staged, open_account):
    sandbox, vips, writer, _ = staged
    sandbox.remove([phone(n) for n in range(8, 16)])
    plan = writer.plan(vips, "Delete contacts")
    assert takes_most(plan)
    with pytest.raises(WriteRefusedError, match="more than half"):
        writer.run(plan)
    assert sandbox.count() == 12
    sandbox.edit(phone(2), tags=["Moved"])
    with pytest.raises(AccountMovedError, match="another tags"):
        writer.run(plan, allow_most=True)
    assert sandbox.count() == 12
    again = writer.plan(vips, "Delete contacts")
    assert writer.run(again, allow_most=True).result.counts == {"deleted": 8}


@pytest.mark.parametrize("action", ["Opt out", ADD, "Send verification"])
def test_a_stopped_run_keeps_what_was_done_and_is_resumed(open_account, action):
    sandbox, client = open_account(account(60))
    contacts = pulled(client)
    reached = []
    writer = Writer(client, None, lambda done: (reached.append(done), len(reached) == 5 and writer.stop()))
    outcome = writer.run(writer.plan(contacts, action, "Spring"))
    stopped_at = len(reached)
    assert outcome.stopped
    assert outcome.words.startswith("Stopped, as you asked.")
    assert 5 <= stopped_at < 60
    assert list_runs()["state"].to_list() == ["open"]
    assert set(outcome.now) == set(contacts["phone"])
    finished = writer.resume(outcome.run_id)
    assert (finished.stopped, finished.run_id) == (False, outcome.run_id)
    assert finished.result.counts == {"updated": 60}
    assert len(sandbox.verifications) == (60 if action == "Send verification" else 0)
    assert len(set(sandbox.verifications)) == len(sandbox.verifications)
    if action == "Opt out":
        assert all(row["opt_out"] for row in sandbox.rows())
    if action == ADD:
        assert all("Spring" in tags for tags in tags_by_phone(sandbox).values())


def test_a_stopped_delete_can_be_undone_as_it_is(open_account):
    sandbox, client = open_account(account(150))
    before = tags_by_phone(sandbox)
    # Once: the undo tells its progress too, and is not to be stopped.
    reached = []
    writer = Writer(client, None, lambda done: (reached.append(done), len(reached) == 1 and writer.stop()))
    # Chunks of a few, so that there is something left to stop: a delete sends 500 in a request.
    plan = writer.plan(pulled(client).head(70), "Delete contacts")
    plan = replace(plan, _asked=replace(plan._asked, options=Options(chunk_size=5)))
    outcome = writer.run(plan)
    assert outcome.stopped
    left = sandbox.count()
    assert 80 < left < 150
    assert outcome.result.counts == {"unknown": 70}  # until resume or undo has asked
    assert len(outcome.now) == left - 80
    assert not writer.undo(outcome.run_id).stopped
    assert tags_by_phone(sandbox) == before


def test_an_undo_that_is_cut_off_before_it_took_anything_back_is_to_be_undone_again(
    open_account, monkeypatch
):
    """Resume would have written what was to be taken back."""
    sandbox, client = open_account(account(30), only="writes")
    writer = Writer(client, None, lambda _: None)
    outcome = writer.run(writer.plan(pulled(client).head(3), "Delete contacts"))
    with monkeypatch.context() as patch:
        patch.setattr(Engine, "drain", stopped)
        cut_off = writer.undo(outcome.run_id)
    assert (cut_off.stopped, cut_off.run_id) == (False, outcome.run_id)
    assert "Nothing was taken back yet" in cut_off.words
    assert writer.undo(outcome.run_id).result.counts == {"created": 3}
    assert sandbox.count() == 30


def stopped(_engine):
    raise StoppedError


def test_a_server_that_fails_leaves_a_run_to_resume_too(open_account, monkeypatch):
    sandbox, client = open_account(account(30), only="writes")
    monkeypatch.setattr("sendblue_data.writeback.engine._FIRST_PAUSE", 0.001)
    monkeypatch.setattr("sendblue_data.writeback.engine._LONGEST_PAUSE", 0.002)
    writer = Writer(client, None, lambda _: None)
    plan = writer.plan(pulled(client).head(10), "Delete contacts")
    sandbox.set(every_500=1)
    outcome = writer.run(plan)
    assert (outcome.stopped, sandbox.count()) == (True, 30)
    assert "could not go on" in outcome.words
    sandbox.set(every_500=0)
    assert writer.resume(outcome.run_id).result.counts == {"deleted": 10}
    assert sandbox.count() == 20


def test_the_account_shown_after_a_run_is_the_account(staged):
    sandbox, vips, writer, _ = staged
    contacts = pulled(writer._client)
    outcome = writer.run(writer.plan(vips.head(3), "Opt out"))
    shown = Account(contacts).patched(outcome.result.frame["phone"], outcome.now).frame
    assert shown.sort("phone").equals(pulled(writer._client).sort("phone"))
    assert shown["opt_out"].sum() == sum(row["opt_out"] is True for row in sandbox.rows()) == 3
