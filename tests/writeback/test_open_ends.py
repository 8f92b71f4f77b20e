"""What was sent and not answered may land later: resume and undo wait for it, and look again."""

import threading
import time

import pytest

from sendblue_data import bulk_create, bulk_delete, bulk_update, list_runs, plan_create, resume_run, undo_run
from sendblue_data.contacts import contacts_frame
from sendblue_data.errors import JournalError, WriteInterruptedError
from sendblue_data.writeback import chunks, engine
from sendblue_data.writeback.journal import Journal
from sendblue_data.writeback.rows import Options
from sendblue_data.writeback.run import begin, carry_out
from tests.writeback.people import people, person, phone, state

LATE = 0.6
QUIET = 1.5


@pytest.fixture
def late_account(open_account):
    """An account that takes the n-th write late, and a client that gives up early."""

    def opener(rows, **options):
        sandbox, _ = open_account(rows, remember_opt_outs=False, late_by=LATE, only="writes", **options)
        return sandbox, sandbox.client(timeout=QUIET)

    return opener


def cut(monkeypatch, write):
    """The process dies when the first request is lost: the journal says that it was sent, and no more."""

    def dies(*_args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "answered", dies)
        with pytest.raises(KeyboardInterrupt):
            write()
    return list_runs()["run_id"][0]


def set_clock(monkeypatch, hours):
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 3_600 * hours)


def mine(count=6):
    return contacts_frame([person(n, contact_id=None, opt_out=n % 2 == 0) for n in range(10, 10 + count)])


@pytest.mark.parametrize("hours", [0, 1, -1])
def test_an_undo_waits_for_what_a_create_may_still_do(late_account, monkeypatch, hours):
    """Also where the clock is set between the death of a process and the undo by another."""
    sandbox, client = late_account(people(2), at={1: "late"})
    run_id = cut(monkeypatch, lambda: bulk_create(client, mine(), progress=False))
    assert sandbox.count() == 2
    set_clock(monkeypatch, hours)
    assert undo_run(client, run_id, progress=False).counts == {"deleted": 6}
    sandbox.settle()
    assert sandbox.count() == 2


@pytest.mark.parametrize("hours", [1, -1])
def test_a_clock_that_is_set_meanwhile_shortens_no_wait_and_lengthens_none(late_account, monkeypatch, hours):
    sandbox, client = late_account(people(2), at={1: "late"})
    run_id = cut(monkeypatch, lambda: bulk_create(client, mine(), progress=False))
    drain, real, waited = engine.Engine.drain, engine.Engine._pause, []

    def begin(self):
        set_clock(monkeypatch, hours)  # after it has taken the rows over
        drain(self)

    def pause(self, seconds):
        waited.append(seconds)
        assert sum(waited) < 10 * QUIET, "it waits for the clock"
        real(self, seconds)

    monkeypatch.setattr(engine.Engine, "drain", begin)
    monkeypatch.setattr(engine.Engine, "_pause", pause)
    assert undo_run(client, run_id, progress=False).counts == {"deleted": 6}
    sandbox.settle()
    assert sandbox.count() == 2


def test_an_undo_waits_for_what_a_delete_may_still_do(late_account, monkeypatch):
    sandbox, client = late_account(people(9, opt_out=True), at={1: "late"})
    start = state(sandbox.rows())
    run_id = cut(
        monkeypatch,
        lambda: bulk_delete(client, contacts_frame(people(4)).select("phone"), progress=False),
    )
    assert undo_run(client, run_id, progress=False).counts == {"created": 4}
    sandbox.settle()
    assert state(sandbox.rows()) == start


def test_an_undo_waits_for_what_an_update_may_still_do(late_account, monkeypatch):
    sandbox, client = late_account(people(1, company_name="Old"), at={1: "late"})
    start = state(sandbox.rows())
    run_id = cut(
        monkeypatch,
        lambda: bulk_update(
            client,
            contacts_frame([{"phone": phone(0), "company_name": "New"}]),
            ["company_name"],
            progress=False,
        ),
    )
    assert undo_run(client, run_id, progress=False).counts == {"updated": 1}
    sandbox.settle()
    assert state(sandbox.rows()) == start


def test_a_request_that_was_sent_again_is_waited_for_all_the_same(late_account):
    """Lost, sent again, done: the first may land after an undo has brought the contacts back."""
    sandbox, client = late_account(people(9), at={1: "late"})
    start = state(sandbox.rows())
    run = bulk_delete(client, contacts_frame(people(4)).select("phone"), progress=False)
    assert run.counts == {"deleted": 4}
    assert undo_run(client, run.run_id, progress=False).counts == {"created": 4}
    sandbox.settle()
    assert state(sandbox.rows()) == start


def test_a_resume_keeps_the_opt_outs_of_people_who_come_late(late_account, monkeypatch):
    sandbox, client = late_account(people(2), at={1: "late"})
    run_id = cut(monkeypatch, lambda: bulk_create(client, mine(), progress=False))
    assert resume_run(client, run_id, progress=False).counts == {"created": 6}
    sandbox.settle()
    assert [row["opt_out"] for row in sandbox.rows()][2:] == [True, False] * 3


def test_a_second_undo_takes_back_what_landed_after_the_first(late_account, monkeypatch):
    """Later than anybody waits: the first says that nothing was there, the second finds it."""
    sandbox, client = late_account(people(2), at={1: "late"})
    sandbox.set(late_by=4.0)
    run_id = cut(monkeypatch, lambda: bulk_create(client, mine(), progress=False))
    with monkeypatch.context() as patch:
        patch.setattr(engine.Engine, "_any_in_flight", lambda _: False)
        assert undo_run(client, run_id, progress=False).counts == {"unchanged": 6}
    sandbox.settle()
    assert sandbox.count() == 8
    assert undo_run(client, run_id, progress=False).counts == {"deleted": 6}
    assert sandbox.count() == 2


def test_a_run_whose_undo_was_cut_off_is_not_resumed(late_account, monkeypatch):
    """The error named resume_run: whoever followed it wrote what they had meant to take back."""
    sandbox, client = late_account(people(2), at={1: "late"})
    sandbox.set(late_by=60.0)
    run_id = cut(monkeypatch, lambda: bulk_create(client, mine(), progress=False))
    stop = threading.Event()
    stop.set()
    with pytest.raises(WriteInterruptedError, match=rf"undo_run\(client, '{run_id}'\) goes on") as cut_off:
        undo_run(client, run_id, cancel=stop, progress=False)
    assert cut_off.value.run_id == run_id
    with pytest.raises(JournalError, match="undo_run"):
        resume_run(client, run_id, progress=False)
    assert undo_run(client, run_id, progress=False).counts == {"unchanged": 6}
    assert sandbox.count() == 2


def test_a_dry_undo_says_what_is_under_way_and_waits_for_nothing(late_account, monkeypatch):
    sandbox, client = late_account(people(2), at={1: "late"})
    sandbox.set(late_by=60.0)
    run_id = cut(monkeypatch, lambda: bulk_create(client, mine(1), progress=False))
    told = undo_run(client, run_id, dry_run=True, progress=False)
    assert told.frame["status"].to_list() == ["unchanged"]
    assert sandbox.count() == 2


def test_what_a_read_confirms_is_not_waited_for(open_account, monkeypatch):
    """It took effect and the answer was lost: nothing more can come of it."""
    sandbox, client = open_account(people(2), at={1: "reset_after"}, only="writes")
    run = bulk_create(client, mine(), progress=False)
    monkeypatch.setattr(engine.Engine, "_wait", None)  # it would fail
    assert undo_run(client, run.run_id, progress=False).counts == {"deleted": 6}
    assert sandbox.count() == 2


def stoppable(client, stop, told):
    """Create as the explorer does: it may be stopped, and says how far it is."""
    plan = plan_create(client, mine())
    with begin(client, "create", plan._rows, Options(chunk_size=3), None) as journal:
        carry_out(
            client, journal, plan._rows, raise_on_errors=False, progress=False, cancel=stop, on_progress=told
        )


def test_a_run_that_is_stopped_can_be_resumed(open_account, monkeypatch):
    monkeypatch.setattr(chunks, "CHUNKS_AT_ONCE", 1)
    sandbox, client = open_account(people(2))
    stop, real = threading.Event(), client.bulk_create_contacts

    def stops(rows):
        stop.set()
        return real(rows)

    client.bulk_create_contacts = stops
    told = []
    with pytest.raises(WriteInterruptedError, match="stopped, as asked"):
        stoppable(client, stop, told.append)
    assert told == [3]
    assert sandbox.count() == 5
    del client.bulk_create_contacts
    assert resume_run(client, list_runs()["run_id"][0], progress=False).ok
    assert sandbox.count() == 8
