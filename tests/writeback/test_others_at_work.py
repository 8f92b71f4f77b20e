"""Others work in the account while runs are under way, on two machines, through crashes, lost and late requests.

A plain model keeps who is known to be out, and by which machine; after each step, all at rest, nobody of them may be
in, nobody may have been texted, nobody's edit may be lost, and each row's status has to be true.
"""

import os
import shutil
import tempfile
from collections import Counter
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

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
from sendblue_data._api import rate_limit
from sendblue_data.contacts import contacts_frame
from sendblue_data.errors import WriteInterruptedError
from sendblue_data.sandbox import Sandbox
from sendblue_data.writeback import engine, lookup
from sendblue_data.writeback.ledger import Ledger
from tests.writeback.people import person, phone
from tests.writeback.test_state_machine import Crash, CrashingJournal

PEOPLE = 8
QUIET = 0.5
NUMBERS = st.lists(st.sampled_from(range(PEOPLE)), min_size=1, max_size=6, unique=True)
MACHINES = st.sampled_from(["a", "b"])
SWITCHES = st.fixed_dictionaries(
    {
        "on_duplicate": st.sampled_from(["skip", "update", "reject", "partial"]),
        "bulk_answer": st.sampled_from(["all", "new"]),
        "remember_opt_outs": st.booleans(),
        "list_contact_id": st.booleans(),
        "read_lag": st.sampled_from([0.0, 0.0, 0.05]),
        "default_company": st.sampled_from([None, "ana@example.com"]),
        "tidy_tags": st.sampled_from(["as_sent", "all"]),
        "create_answer": st.sampled_from(["whole", "partial"]),
    }
)
FAULTS = st.dictionaries(
    st.integers(1, 6),
    st.sampled_from(["429", "500", "reset", "late", "reset_after", "odd_status"]),
    max_size=2,
)
ACTS = st.sampled_from(["out", "process", "edit", "remove", "anew"])
"""`process`: another process with the same folder opts that number out, whether or not a contact has it."""
MEDDLING = st.lists(
    st.tuples(st.sampled_from(range(PEOPLE)), st.integers(1, 4), ACTS),
    max_size=3,
    unique_by=lambda one: one[0],
)
"""Who, before which of our reads of them, and what: an act between a read and the write after it can't be seen."""
CRASHES = st.lists(st.tuples(st.integers(0, 8), st.booleans()), max_size=2)
EXAMPLES = int(os.environ.get("WRITEBACK_EXAMPLES", "25"))


class Meddling:
    """What others do, each before a certain read of that contact."""

    def __init__(self, acts, folder, account):
        self.folder, self.account = folder, account
        self.acts = {phone(n): (turn, act) for n, turn, act in acts}
        self.reads = Counter()
        self.done = {}

    def __call__(self, sandbox, request):
        asked = request.query.get("phone_number")
        if request.method != "GET" or asked not in self.acts:
            return
        self.reads[asked] += 1
        turn, act = self.acts[asked]
        there = {row["phone"]: row for row in sandbox.rows()}
        if self.reads[asked] != turn or (asked not in there and act not in ("anew", "process")):
            return
        self.done[asked] = act
        if act == "process":
            Ledger.open(self.folder, self.account).record_out([asked], by="another process")
        if act in ("out", "process"):
            if asked in there:
                sandbox.edit(asked, opt_out=True)
        elif act == "edit":
            sandbox.edit(asked, first_name="Theirs")
        else:
            sandbox.remove([asked])
            if act == "anew":
                sandbox.add([{"phone": asked, "contact_id": "anew", "first_name": "Anew", "opt_out": False}])


class Others(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.patch = pytest.MonkeyPatch()
        for module, name, value in (
            (rate_limit, "FIRST_PROBE", 0.001),
            (engine, "_FIRST_PAUSE", 0.001),
            (engine, "_FIRST_POLL", 0.02),
            (engine, "PATIENCE", 1.5),
            (lookup, "REFRESH_AFTER", 0.0),
        ):
            self.patch.setattr(module, name, value)
        self.crashing = CrashingJournal()
        self.crashing.install()
        self.sandbox = self.client = None
        self.last = {}

    @initialize(switches=SWITCHES, out=st.sets(st.sampled_from(range(PEOPLE))), there=NUMBERS)
    def open_account(self, switches, out, there):
        start = [person(n, opt_out=n in out, tags=["VIP"]) for n in there]
        start += [person(n) for n in range(50, 60)]  # whom nobody touches
        self.sandbox = Sandbox(start, only="writes", late_by=0.15, **switches)
        self.client = self.sandbox.client(max_connections=1, timeout=QUIET)
        self.known = {"a": set(), "b": set()}

    def teardown(self):
        self.crashing.remove()
        self.patch.undo()
        if self.sandbox is not None:
            self.client.close()
            self.sandbox.close()
        shutil.rmtree(self.folder)

    # What is written, and what has to hold

    def rows(self):
        return {row["phone"]: row for row in self.sandbox.rows()}

    def carry_out(self, machine, write, numbers, meddling, faults, crashes=()):
        """Write through crashes and interruptions, others at work meanwhile, and check what has to hold after it."""
        before = self.rows()
        folder = self.folder / machine
        asked = {phone(n) for n in numbers}
        known = self.known[machine] | {p for p in asked if p in before and before[p]["opt_out"]}
        texted = len(self.sandbox.verifications)
        others = Meddling(meddling, folder, self.client.account)
        self.sandbox.set(at=faults, meddle=others)
        begun = set(list_runs(folder)["run_id"])
        crashes, run_id, result = iter(crashes), None, None
        for _ in range(12):
            self.crashing.steps, self.crashing.is_after = next(crashes, (None, False))
            try:
                quiet = {"progress": False, "journal_dir": folder}
                result = resume_run(self.client, run_id, **quiet) if run_id else write(quiet)
                break
            except (Crash, WriteInterruptedError):
                self.crashing.steps = None
                new = set(list_runs(folder)["run_id"]) - begun
                assert len(new) <= 1
                run_id = new.pop() if new else None
        assert result is not None, "it never ends"
        self.crashing.steps = None
        self.sandbox.set(at={}, meddle=None)
        self.sandbox.settle()
        after = self.rows()
        known |= {p for p, act in others.done.items() if act == "process"}
        known -= {p for p, act in others.done.items() if act == "anew"} - self.known[machine]
        self.check_nobody_is_in(before, after, known, others, result)
        for number in self.sandbox.verifications[texted:]:
            assert number not in known, "texted"
            if others.done.get(number) in ("out", "process"):
                assert others.acts[number][0] > 2, "texted although the last look showed it"
        assert len(set(self.sandbox.verifications[texted:])) == len(self.sandbox.verifications[texted:])
        for number, row in before.items():
            if number not in asked:
                assert after.get(number) == row or number in others.done, "somebody who was not asked for"
        self.check_edits(after, others, result)
        self.known[machine] = known
        return result, before, after, others

    def check_nobody_is_in(self, before, after, known, others, result):
        status = dict(zip(result.frame["phone"], result.frame["status"], strict=True))
        for number, row in after.items():
            was_out = (
                number in before
                and before[number]["opt_out"]
                and before[number]["contact_id"] == row["contact_id"]
            )
            if others.done.get(number) in ("remove", "anew"):
                continue
            if was_out or others.done.get(number) in ("out", "process"):
                assert row["opt_out"] is True, "opted back in"
            if number in known and status.get(number) in ("created", "updated", "unchanged"):
                assert row["opt_out"] is True or result.kind in ("verify", "delete"), (
                    "known to be out, and in",
                    result.frame.rows(),
                )

    def check_edits(self, after, others, result):
        status = dict(zip(result.frame["phone"], result.frame["status"], strict=True))
        for number, act in others.done.items():
            if act == "edit" and status.get(number) != "deleted":
                assert after[number]["first_name"] == "Theirs", (others.acts[number], result.frame.rows())

    @rule(machine=MACHINES, numbers=NUMBERS, meddling=MEDDLING, faults=FAULTS, crashes=CRASHES)
    def create(self, machine, numbers, meddling, faults, crashes):
        mine = contacts_frame([{"phone": phone(n), "first_name": "Ours", "tags": ["New"]} for n in numbers])
        result, before, after, others = self.carry_out(
            machine,
            lambda quiet: bulk_create(self.client, mine, on_conflict="skip", **quiet),
            numbers,
            meddling,
            faults,
            crashes,
        )
        for number, status in zip(result.frame["phone"], result.frame["status"], strict=True):
            if number not in others.done:
                assert number in after
                assert (status == "created") == (number not in before) or status == "unknown", (
                    result.frame.rows()
                )
        self.last[machine] = result.run_id

    @rule(machine=MACHINES, numbers=NUMBERS, meddling=MEDDLING, faults=FAULTS, crashes=CRASHES)
    def delete(self, machine, numbers, meddling, faults, crashes):
        mine = pl.DataFrame({"phone": [phone(n) for n in numbers]})
        result, before, after, others = self.carry_out(
            machine,
            lambda quiet: bulk_delete(self.client, mine, confirm=True, allow_most=True, **quiet),
            numbers,
            meddling,
            faults,
            crashes,
        )
        for number, status in zip(result.frame["phone"], result.frame["status"], strict=True):
            if others.done.get(number) in ("out", "process") and status == "deleted":
                self.known[machine].add(number)  # seen by the last look before it
            if number not in others.done:
                assert number not in after
                assert status == ("deleted" if number in before else "absent"), result.frame.rows()
            elif others.done[number] == "edit" and status == "unchanged":
                assert number in after
        self.last[machine] = result.run_id

    @rule(machine=MACHINES, numbers=NUMBERS, meddling=MEDDLING, faults=FAULTS, crashes=CRASHES)
    def rename(self, machine, numbers, meddling, faults, crashes):
        mine = contacts_frame([{"phone": phone(n), "first_name": "Renamed"} for n in numbers])
        result, before, after, others = self.carry_out(
            machine,
            lambda quiet: bulk_update(self.client, mine, ["first_name"], replace=True, **quiet),
            numbers,
            meddling,
            faults,
            crashes,
        )
        for number, status in zip(result.frame["phone"], result.frame["status"], strict=True):
            if number not in others.done:
                assert (status == "absent") == (number not in before), result.frame.rows()
                assert number not in after or after[number]["first_name"] == "Renamed", result.frame.rows()
        self.last[machine] = result.run_id

    @rule(machine=MACHINES, numbers=NUMBERS, faults=FAULTS, crashes=CRASHES)
    def opt_out(self, machine, numbers, faults, crashes):
        mine = pl.DataFrame({"phone": [phone(n) for n in numbers]})
        self.known[machine] |= {phone(n) for n in numbers}
        result, _, after, _ = self.carry_out(
            machine, lambda quiet: bulk_opt_out(self.client, mine, **quiet), numbers, [], faults, crashes
        )
        assert all(after[number]["opt_out"] for number in mine["phone"] if number in after), (
            result.frame.rows()
        )
        self.last[machine] = result.run_id

    @rule(machine=MACHINES, numbers=NUMBERS, meddling=MEDDLING, faults=FAULTS)
    def verify(self, machine, numbers, meddling, faults):
        mine = pl.DataFrame({"phone": [phone(n) for n in numbers]})
        self.carry_out(
            machine, lambda quiet: bulk_verify(self.client, mine, **quiet), numbers, meddling, faults
        )

    @precondition(lambda self: self.last)
    @rule(data=st.data(), meddling=MEDDLING, faults=FAULTS, crashes=CRASHES)
    def undo(self, data, meddling, faults, crashes):
        machine = data.draw(st.sampled_from(sorted(self.last)))
        run_id = self.last.pop(machine)
        self.carry_out(
            machine,
            lambda quiet: undo_run(self.client, run_id, **quiet),
            range(PEOPLE),
            meddling,
            faults,
            crashes,
        )

    @rule(number=st.sampled_from(range(PEOPLE)), act=ACTS)
    def someone_else_is_at_work(self, number, act):
        asked = phone(number)
        if asked in self.rows():
            if act in ("out", "process"):
                self.sandbox.edit(asked, opt_out=True)
            elif act == "edit":
                self.sandbox.edit(asked, first_name="Theirs")
            else:
                self.sandbox.remove([asked])


Others.TestCase.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=6,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
TestOthersAtWork = pytest.mark.slow(pytest.mark.timeout(900)(Others.TestCase))
