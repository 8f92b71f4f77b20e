"""The ledger: an opt-out that anything knew of is held until it is known to be over, and nothing is guessed."""

import multiprocessing
import os
import signal
import sqlite3
import stat
import tempfile
import threading
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from sendblue_data.contacts import contacts_frame
from sendblue_data.errors import JournalWarning, LedgerError
from sendblue_data.writeback import ledger as module, ledger_file
from sendblue_data.writeback.journal import Journal
from sendblue_data.writeback.ledger import LAG, Ledger, open_ledger
from sendblue_data.writeback.rows import Row
from tests.writeback.people import people, person, phone

ACCOUNT = "api.sendblue.co/0a1b2c3d"
OLD_KEY = "api.sendblue.co/99999999"


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 1_000_000.0

        def time(self):
            return self.now

    monkeypatch.setattr(module, "time", clock := Clock())
    return clock


@pytest.fixture
def ledger(tmp_path, clock):
    return Ledger.open(tmp_path / "runs", ACCOUNT)


def held(ledger, *numbers):
    return ledger.opted_out(numbers or [phone(n) for n in range(20)])


def test_nobody_is_out_of_a_new_ledger_and_whoever_was_recorded_is(ledger, tmp_path):
    assert held(ledger) == set()
    ledger.record_out([phone(1), None], by="a promise")
    ledger.observe([person(2, opt_out=True), person(3, opt_out=False), person(4, opt_out=None)], by="a look")
    ledger.observe(contacts_frame(people(6))[5:].with_columns(opt_out=True), by="a pull")
    assert held(Ledger.open(tmp_path / "runs", ACCOUNT)) == {phone(1), phone(2), phone(5)}
    ledger.record_in([phone(1), phone(5)], by="somebody")
    assert held(ledger) == {phone(2)}


def test_one_spelling_counts_for_all(ledger):
    ledger.record_out(["+52 1 55 1234 5678"], by="a frame")
    assert held(ledger, "+525512345678", "+5215512345678", "+525512345679") == {
        "+525512345678",
        "+5215512345678",
    }


def test_many_are_told_as_few_are(ledger):
    everyone = [f"+1212555{n:04}" for n in range(3000)]
    ledger.record_out(everyone[::3], by="a frame")
    assert ledger.opted_out(pl.Series(everyone)) == set(everyone[::3])


@pytest.mark.parametrize("shown", [list, contacts_frame])
def test_the_same_contact_seen_out_and_long_after_not_out_has_resumed(ledger, clock, shown):
    ledger.observe(shown([person(1, opt_out=True), person(2)]), by="a look")
    clock.now += 119
    ledger.observe(shown([person(1, opt_out=False)]), by="a look that lags behind")
    assert held(ledger) == {phone(1)}
    clock.now += 1
    ledger.observe(shown([person(1, opt_out=False)]), by="a look")
    assert held(ledger) == set()


@pytest.mark.parametrize(
    "other",
    [
        {"contact_id": "another"},
        {"contact_id": None, "created_at": "2025-06-01T10:00:00Z"},
        {"contact_id": None, "created_at": None},
    ],
)
def test_another_contact_under_the_number_clears_nothing(ledger, clock, other):
    ledger.observe([person(1, opt_out=True)], by="a look")
    clock.now += 10 * LAG
    ledger.observe([person(1, opt_out=False, **other)], by="a look")
    assert held(ledger) == {phone(1)}


def test_a_contact_is_known_by_its_moment_where_it_has_no_id_but_not_by_its_day(ledger, clock):
    for number, moment in ((1, "2025-06-01T10:00:00.25Z"), (2, "2025-06-01T00:00:00Z")):
        ledger.observe([person(number, contact_id=None, created_at=moment, opt_out=True)], by="a look")
    clock.now += LAG
    for number, moment in ((1, datetime(2025, 6, 1, 10, tzinfo=UTC)), (2, "2025-06-01T00:00:00Z")):
        ledger.observe([person(number, created_at=moment, opt_out=False)], by="a look")
    assert held(ledger) == {phone(2)}


def test_what_was_said_later_than_it_was_seen_is_not_cleared_by_a_look(ledger, clock):
    ledger.observe([person(1, opt_out=True)], by="a look")
    clock.now += LAG
    ledger.record_out([phone(1)], by="a promise")
    ledger.observe([person(1, opt_out=False)], by="a look")
    clock.now += LAG
    ledger.observe([person(1, opt_out=False)], by="a look")
    assert held(ledger) == {phone(1)}
    ledger.observe([person(1, opt_out=True)], by="a look")
    clock.now += LAG
    ledger.observe([person(1, opt_out=False)], by="a look")
    assert held(ledger) == set()


@pytest.mark.parametrize("other", ["+52 1 55 1234 5678", "+525512345678"])
def test_of_two_contacts_of_one_person_both_must_have_resumed(ledger, clock, other):
    one, two = (person(n, phone=number) for n, number in enumerate(("+525512345678", other)))
    ledger.observe([{**one, "opt_out": True}, {**two, "opt_out": True}], by="a look")
    clock.now += LAG
    ledger.observe([{**one, "opt_out": False}, {**two, "opt_out": True}], by="a look")
    assert held(ledger, other) == {other}
    ledger.observe([{**one, "opt_out": False}, {**two, "opt_out": False}], by="a look")
    assert held(ledger, other) == set()


def test_an_opt_out_seen_just_after_somebody_opted_in_is_held_until_a_look_shows_otherwise(ledger, clock):
    ledger.record_in([phone(1)], by="somebody")
    clock.now += 1
    ledger.observe([person(1, opt_out=True)], by="a look that lags behind")
    assert held(ledger) == {phone(1)}
    ledger.observe([person(1, opt_out=False)], by="a look")
    assert held(ledger) == set()


def test_a_clock_that_was_ahead_makes_no_opt_out_doubtful(ledger, clock):
    clock.now += 1e6
    ledger.record_in([phone(1)], by="somebody")
    clock.now -= 1e6
    ledger.observe([person(1, opt_out=True)], by="a look")
    ledger.observe([person(1, opt_out=False)], by="a look that lags behind")
    assert held(ledger) == {phone(1)}


def test_accounts_are_apart_until_they_are_linked(ledger, tmp_path, clock):
    other = Ledger.open(tmp_path / "runs", OLD_KEY)
    other.record_out([phone(1), phone(2)], by="a run")
    clock.now += 1
    ledger.record_in([phone(2)], by="somebody")
    assert held(ledger) == set()
    assert ledger.opted_out_under_other_key([phone(1), phone(2), phone(3)]) == {phone(1): OLD_KEY}
    assert (
        Ledger.open(tmp_path / "runs", "other.example/99999999").opted_out_under_other_key([phone(1)]) == {}
    )
    ledger.link("API.sendblue.com:443/99999999")
    assert held(ledger) == held(other) == {phone(1)}
    assert ledger.opted_out_under_other_key([phone(1)]) == {}
    other.record_out([phone(3)], by="a run")
    assert held(ledger) == {phone(1), phone(3)}


def test_with_an_account_comes_what_was_seen_and_created_there(ledger, tmp_path, clock):
    other = Ledger.open(tmp_path / "runs", OLD_KEY)
    other.record_created([person(2)])
    other.observe([person(1, opt_out=True)], by="a look")
    ledger.link(OLD_KEY)
    # The next account has nothing of what the second one had before.
    assert held(Ledger.open(tmp_path / "runs", "api.sendblue.co/55555555")) == set()
    assert ledger.created_by_runs([phone(2)])[phone(2)]["contact_id"] == "id-2"
    clock.now += LAG
    ledger.observe([person(1, opt_out=False)], by="a look")
    assert held(ledger) == set()


def test_what_was_created_is_known_until_it_is_forgotten(ledger):
    ledger.record_created([person(1), person(2)])
    ledger.record_created([person(2, contact_id="later", created_at=datetime(2026, 1, 1, tzinfo=UTC))])
    assert ledger.created_by_runs([phone(2), phone(3)]) == {
        phone(2): {"contact_id": "later", "created_at": "2026-01-01T00:00:00+00:00"}
    }
    ledger.record_out([phone(1)], by="a run")
    ledger.forget(["+1 (212) 555-0101", phone(2)])
    assert ledger.created_by_runs([phone(1), phone(2)]) == {}
    assert held(ledger) == {phone(1)}


def test_of_who_is_forgotten_no_look_and_no_word_counts_any_more(ledger, clock):
    """Nobody is back in by what was kept of them before they were erased."""
    ledger.observe([person(1, opt_out=True)], by="a look")
    ledger.record_in([phone(2)], by="somebody")
    ledger.forget([phone(1), phone(2)])
    ledger.observe([person(2, opt_out=True)], by="a look")
    ledger.observe([person(2, opt_out=False)], by="a look that lags behind")
    clock.now += LAG
    ledger.observe([person(1, opt_out=False)], by="a look")
    assert held(ledger) == {phone(1), phone(2)}


def test_no_phone_and_no_forgotten_id_is_in_any_file_and_all_are_the_owners(ledger, tmp_path):
    ledger.record_out([phone(1)], by="a run")
    ledger.record_out([phone(2)], by="who-said-so")
    ledger.record_created([person(2, contact_id="who-was-created")])
    ledger.forget([phone(2)])
    files = [path for path in (tmp_path / "runs").rglob("*") if path.is_file()]
    assert {path.name for path in files} >= {ledger_file.FILE, ledger_file.KEY_FILE}
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    held_bytes = b"".join(path.read_bytes() for path in files)
    assert phone(1)[2:].encode() not in held_bytes
    assert b"who-was-created" not in held_bytes
    assert b"who-said-so" not in held_bytes


@pytest.mark.parametrize("name", [ledger_file.FILE, ledger_file.KEY_FILE])
@pytest.mark.parametrize("damage", ["zeroed", "empty", "gone", "text", "other"])
@pytest.mark.parametrize("is_open", [True, False])
def test_what_can_not_be_read_is_refused_with_the_remedy(ledger, tmp_path, name, damage, is_open):
    ledger.record_out([phone(1)], by="a run")
    path = tmp_path / "runs" / name
    if damage == "gone":
        path.unlink()
    elif damage == "other":
        Ledger.open(tmp_path / "other", ACCOUNT)
        path.write_bytes((tmp_path / "other" / name).read_bytes())
    else:
        path.write_bytes(
            {"zeroed": bytes(path.stat().st_size), "empty": b"", "text": b"no ledger " * 4000}[damage]
        )
    if is_open and name == ledger_file.FILE:
        for ask in (ledger.opted_out, lambda phones: ledger.record_out(phones, by="a run")):
            with pytest.raises(LedgerError, match="from a backup"):
                ask([phone(1)])
    else:
        with pytest.raises(LedgerError, match="from a backup"):
            Ledger.open(tmp_path / "runs", ACCOUNT)


def test_a_newer_one_and_one_that_is_locked_are_refused(ledger, tmp_path, monkeypatch):
    monkeypatch.setattr(ledger_file, "BUSY", 0.05)
    base = sqlite3.connect(tmp_path / "runs" / ledger_file.FILE, isolation_level=None)
    base.execute("BEGIN EXCLUSIVE")
    with pytest.raises(LedgerError, match="in use by another process"):
        held(ledger)
    base.execute("PRAGMA user_version = 99")
    base.execute("COMMIT")
    base.close()
    with pytest.raises(LedgerError, match="of version 99"):
        Ledger.open(tmp_path / "runs", ACCOUNT)


def test_a_beginning_that_was_cut_off_is_begun_again(tmp_path, monkeypatch):
    real, calls = type(tmp_path).replace, []

    def cut_off(path, target):
        calls.append(target)
        if len(calls) == step:
            raise KeyboardInterrupt
        return real(path, target)

    for step in (1, 2):
        calls.clear()
        with monkeypatch.context() as patch:
            patch.setattr(type(tmp_path), "replace", cut_off)
            with pytest.raises(KeyboardInterrupt):
                Ledger.open(tmp_path / f"runs{step}", ACCOUNT)
        Ledger.open(tmp_path / f"runs{step}", ACCOUNT).record_out([phone(1)], by="a run")


@pytest.mark.parametrize("opts_in", [False, True])
@pytest.mark.parametrize("kind", ["create", "delete", "update", "opt_out", "verify", "undo"])
def test_without_a_ledger_goes_on_only_what_can_harm_nobody(ledger, kind, opts_in):
    (ledger.folder / ledger_file.FILE).write_bytes(b"")
    if kind in ("update", "opt_out") and not opts_in:
        with pytest.warns(JournalWarning, match="goes on without the ledger"):
            assert open_ledger(kind, ledger.folder, ACCOUNT, opts_in=opts_in) is None
    else:
        with pytest.raises(LedgerError, match="; nothing was sent"):
            open_ledger(kind, ledger.folder, ACCOUNT, opts_in=opts_in)


def journal_of(folder, run_id, rows, **meta):
    """Write down a run that went on without a ledger, since none could be begun."""
    meta = {
        "kind": "create",
        "account": ACCOUNT,
        "started": "2026-01-01T00:00:00+00:00",
        "options": {},
        **meta,
    }
    Journal.create(folder, run_id, meta, rows).close()


def test_what_journals_without_a_ledger_know_is_taken_over(tmp_path, clock):
    out = {n: Row(pos=n, phone=phone(n), action="create", opted_out=True) for n in range(4)}
    out[3].left = person(3, opt_out=True)
    journal_of(tmp_path, "b", list(out.values()))
    journal_of(tmp_path, "c", [Row(pos=0, phone=phone(2), action="update", opted_out=False)])
    journal_of(
        tmp_path,
        "d",
        [Row(pos=0, phone=phone(9), action="create", opted_out=True)],
        account=OLD_KEY,
        also=[ACCOUNT],
    )
    made = Row(pos=0, phone=phone(7), action="create", status="created", left=person(7))
    journal_of(tmp_path, "e", [made], account="api.sendblue.com:443/0a1b2c3d")
    ledger = Ledger.open(tmp_path, ACCOUNT)
    assert held(ledger) == {phone(0), phone(1), phone(2), phone(3), phone(9)}
    assert ledger.created_by_runs([phone(7)])[phone(7)]["contact_id"] == "id-7"
    clock.now += LAG
    ledger.observe([person(0, opt_out=False), person(3, opt_out=False)], by="a look")
    assert held(ledger) == {phone(0), phone(1), phone(2), phone(9)}


def test_a_ledger_that_is_lost_begins_anew_only_when_that_is_said(tmp_path):
    Ledger.open(tmp_path, ACCOUNT)
    journal_of(tmp_path, "a", [Row(pos=0, phone=phone(1), action="create", opted_out=True)])
    for name in (ledger_file.FILE, ledger_file.KEY_FILE):
        (tmp_path / name).unlink()
    with pytest.raises(LedgerError, match=r"is gone: a\.sqlite3 was written beside it"):
        Ledger.open(tmp_path, ACCOUNT)
    module.begin_ledger(tmp_path, rebuild=True)
    assert held(Ledger.open(tmp_path, ACCOUNT)) == {phone(1)}


def test_a_journal_without_a_ledger_that_can_not_be_read_is_not_passed_over(tmp_path):
    journal_of(tmp_path, "b", [Row(pos=0, phone=phone(1), action="create", opted_out=True)])
    whole = (tmp_path / "b.sqlite3").read_bytes()
    (tmp_path / "b.sqlite3").write_bytes(bytes(len(whole)))
    for _ in range(2):
        with pytest.raises(LedgerError, match="restore it from a backup"):
            Ledger.open(tmp_path, ACCOUNT)
    (tmp_path / "b.sqlite3").write_bytes(whole)
    assert held(Ledger.open(tmp_path, ACCOUNT)) == {phone(1)}


@pytest.mark.parametrize("is_known_to_a_ledger", [True, False])
@pytest.mark.parametrize(
    ("fault", "remedy"),
    [
        ("out of reach", "Until then nobody is created or texted."),
        ("a table gone", "restore it from a backup"),
    ],
)
def test_only_a_journal_that_is_not_whole_is_to_be_restored(
    tmp_path, monkeypatch, is_known_to_a_ledger, fault, remedy
):
    """Whoever moved out one that this user may not read would lose opt-outs by it."""
    if is_known_to_a_ledger:
        Ledger.open(tmp_path, ACCOUNT)
    journal_of(tmp_path, "b", [])
    path, connect = tmp_path / "b.sqlite3", sqlite3.connect
    if fault == "a table gone":
        with closing(connect(path)) as base:
            base.execute("DROP TABLE meta")
    else:

        def out_of_reach(where, **options):
            if where == path:
                raise sqlite3.OperationalError("unable to open database file")
            return connect(where, **options)

        monkeypatch.setattr(sqlite3, "connect", out_of_reach)
    with pytest.raises(LedgerError) as told:
        Ledger.open(tmp_path, ACCOUNT)
    assert remedy in str(told.value)
    assert ("move it out" in str(told.value)) == (fault == "a table gone")


def hammer(folder, which, count):
    ledger = Ledger.open(folder, ACCOUNT)
    for n in range(count):
        ledger.record_out([phone(100 * which + n)], by=f"process {which}")
        assert ledger.opted_out([phone(100 * which + n)])


def test_processes_and_threads_at_once_lose_nothing(tmp_path):
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=hammer, args=(tmp_path, which, 6)) for which in (1, 2)]
    workers += [threading.Thread(target=hammer, args=(tmp_path, which, 6)) for which in (3, 4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers[:2]] == [0, 0]
    everyone = {phone(100 * which + n) for which in (1, 2, 3, 4) for n in range(6)}
    assert Ledger.open(tmp_path, ACCOUNT).opted_out(everyone) == everyone


def test_a_forked_process_takes_its_ledger_along(ledger):
    child = os.fork()
    if not child:  # pragma: no cover -- another process
        signal.alarm(20)
        with suppress(BaseException):
            ledger.record_out([phone(1)], by="the child")
            os._exit(0)
        os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    assert held(ledger) == {phone(1)}


class AgainstADict(RuleBasedStateMachine):
    """Any sequence of words and looks, beside a plain dictionary of one contact a phone."""

    numbers = st.integers(0, 2)

    @initialize()
    def begin(self):
        self.folder = tempfile.TemporaryDirectory()
        self.real, self.now = module.time, 1_000_000.0
        module.time = self
        self.ledger = Ledger.open(Path(self.folder.name), ACCOUNT)
        self.out, self.seen, self.said_in = set(), {}, {}

    def time(self):
        return self.now

    @rule(seconds=st.sampled_from([1.0, LAG / 2, LAG, 5 * LAG]))
    def wait(self, seconds):
        self.now += seconds

    @rule(n=numbers)
    def say_out(self, n):
        self.ledger.record_out([phone(n)], by="x")
        self.out.add(n)
        if n in self.seen:
            self.seen[n] = (self.seen[n][0], None)

    @rule(n=numbers)
    def say_in(self, n):
        self.ledger.record_in([phone(n)], by="x")
        self.out.discard(n)
        self.seen.pop(n, None)
        self.said_in[n] = self.now

    @rule(n=numbers, which=st.sampled_from("ab"), opt_out=st.sampled_from([True, False, None]))
    def look(self, n, which, opt_out):
        self.ledger.observe([person(n, contact_id=f"{n}{which}", created_at=None, opt_out=opt_out)], by="x")
        before, since = self.seen.get(n, (None, None))
        if opt_out:
            is_doubtful = n not in self.out and self.now - self.said_in.get(n, -1e9) < LAG
            if before != which or since is None:
                self.seen[n] = (which, 0.0 if is_doubtful else self.now)
            if n not in self.out:
                self.said_in.pop(n, None)
            self.out.add(n)
        elif (
            opt_out is False
            and n in self.out
            and before == which
            and since is not None
            and since <= self.now - LAG
        ):
            self.out.discard(n)
            del self.seen[n]
            self.said_in.pop(n, None)

    @rule(n=numbers)
    def forget(self, n):
        self.ledger.forget([phone(n)])
        self.seen.pop(n, None)
        if n not in self.out:
            self.said_in.pop(n, None)

    @invariant()
    def agrees(self):
        if hasattr(self, "ledger"):
            assert self.ledger.opted_out([phone(n) for n in range(3)]) == {phone(n) for n in self.out}

    def teardown(self):
        if hasattr(self, "ledger"):
            module.time = self.real
            self.folder.cleanup()


TestAgainstADict = AgainstADict.TestCase
TestAgainstADict.settings = settings(max_examples=15, stateful_step_count=20, deadline=None)
