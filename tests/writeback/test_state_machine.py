"""Creates, deletes, updates, opt-outs, crashes, faults and third parties, against a plain model."""

import itertools
import os
import shutil
import tempfile

import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from sendblue_data import bulk_create, bulk_delete, bulk_opt_out, bulk_update, list_runs, resume_run, undo_run
from sendblue_data._api import rate_limit
from sendblue_data.contacts import contacts_frame
from sendblue_data.errors import WriteInterruptedError
from sendblue_data.sandbox import Sandbox
from sendblue_data.writeback import engine
from sendblue_data.writeback.fields import BULK_FIELDS, WRITABLE, plain
from sendblue_data.writeback.journal import Journal
from tests.writeback.people import person, phone, state

PHONES = st.sampled_from([phone(number) for number in range(14)])
NAMES = st.sampled_from([None, "Ann", "Bob"])
FIELDS = st.fixed_dictionaries(
    {
        "first_name": NAMES,
        "company_name": NAMES,
        "tags": st.sampled_from([None, [], ["VIP"], ["Lead", "VIP"]]),
        "custom_variables": st.sampled_from([None, {}, {"Plan": "Pro"}, {"Plan": "Free", "City": "Rome"}]),
        "opt_out": st.sampled_from([None, False, True]),
        "assigned_to_email": st.sampled_from([None, "ana@example.com"]),
        "sendblue_number": st.sampled_from([None, "+13105550191"]),
    }
)
ROWS = st.lists(st.tuples(PHONES, FIELDS), min_size=1, max_size=9, unique_by=lambda pair: pair[0]).map(
    lambda pairs: [{"phone": number, **fields} for number, fields in pairs]
)
SWITCHES = st.fixed_dictionaries(
    {
        "on_duplicate": st.sampled_from(["skip", "update", "reject"]),
        "invalid_row": st.sampled_from(["reject", "skip"]),
        "bulk_answer": st.sampled_from(["all", "new"]),
        "delete_amount": st.sampled_from(["existing", "all"]),
        "remember_opt_outs": st.booleans(),
        "max_bulk": st.sampled_from([None, 2, 3]),
        "max_bulk_status": st.sampled_from([413, 400]),
        "list_contact_id": st.booleans(),
        "timestamps": st.sampled_from(["us", "ms", "s"]),
        "opt_out_unknown": st.sampled_from(["accept", "refuse"]),
    }
)
EVERY = st.sampled_from([0, 0, 3, 5, 7])  # with 2, a fault can fall on each try of one chunk for ever
FAULTS = st.fixed_dictionaries(
    {
        f"every_{kind}": EVERY
        for kind in ("429", "500", "reset", "reset_after", "500_after", "cut", "error_200")
    }
)
EXAMPLES = int(os.environ.get("WRITEBACK_EXAMPLES", "25"))
CRASHES = st.lists(st.tuples(st.integers(0, 12), st.booleans()), max_size=3)
"""Journal steps until each crash, and whether the crash comes after the step was written down."""


class Crash(BaseException):
    """The process dies here."""


class CrashingJournal:
    """Makes the journal's n-th step from now raise, before or after it is written down."""

    def __init__(self):
        self.steps = None
        self.is_after = False
        self._real = {name: getattr(Journal, name) for name in ("sending", "answered", "save")}

    def install(self):
        for name in self._real:
            setattr(Journal, name, self._wrapped(name))

    def remove(self):
        for name, method in self._real.items():
            setattr(Journal, name, method)

    def _wrapped(self, name):
        real = self._real[name]

        def step(journal, *args, **options):
            if self.steps is None:
                return real(journal, *args, **options)
            self.steps -= 1
            if self.steps < 0 and not self.is_after:
                raise Crash
            answer = real(journal, *args, **options)
            if self.steps < 0:
                raise Crash
            return answer

        return step


class Account(RuleBasedStateMachine):
    """The account, and a dict of what it should hold."""

    def __init__(self):
        super().__init__()
        self.folder = tempfile.mkdtemp()
        self.crashing = CrashingJournal()
        self.crashing.install()
        self.waits = rate_limit.FIRST_PROBE, engine._FIRST_PAUSE
        rate_limit.FIRST_PROBE, engine._FIRST_PAUSE = 0.001, 0.001
        self.sandbox = self.client = None
        self.last = None

    @initialize(switches=SWITCHES, rows=ROWS)
    def open_account(self, switches, rows):
        start = [{**person(number), **row} for number, row in enumerate(rows)]
        self.sandbox = Sandbox(start, only="writes", **switches)
        self.client = self.sandbox.client(
            max_connections=1, timeout=5
        )  # one at a time, so that a failure can be replayed
        self.client.timeout = 0.2  # for which an undo waits, where an answer was lost
        self.remembers = switches["remember_opt_outs"]
        self.model = state(start)
        self.api_memory = {}  # opt-outs that outlive their contact, where the API remembers
        self.seen_out = {}  # opt-outs as our runs last saw them

    def teardown(self):
        self.crashing.remove()
        rate_limit.FIRST_PROBE, engine._FIRST_PAUSE = self.waits
        if self.sandbox is not None:
            self.client.close()
            self.sandbox.close()
        shutil.rmtree(self.folder)

    def carry_out(self, write, crashes, faults):
        """Run a write through crashes and interruptions, resuming until it ends."""
        self.sandbox.set(**faults)
        crashes = iter(crashes)
        known = set(list_runs(self.folder)["run_id"])
        run_id = None
        for turn in itertools.count():
            assert turn < 25, "it never ends"
            self.crashing.steps, self.crashing.is_after = next(crashes, (None, False))
            try:
                result = resume_run(self.client, run_id, **self.quiet) if run_id else write()
            except (Crash, WriteInterruptedError):
                self.crashing.steps = None
                begun = set(list_runs(self.folder)["run_id"]) - known
                assert len(begun) <= 1
                run_id = begun.pop() if begun else None
            else:
                break
        self.crashing.steps = None
        self.sandbox.set(**dict.fromkeys(faults, 0))
        return result

    @property
    def quiet(self):
        return {"progress": False, "journal_dir": self.folder}

    @rule(rows=ROWS, crashes=CRASHES, faults=FAULTS, chunk_size=st.sampled_from([1, 2, 4, 500]))
    def create(self, rows, crashes, faults, chunk_size):
        before = dict(self.model)
        expected = []
        for row in rows:
            number = row["phone"]
            fields = {name: plain(name, row[name]) for name in WRITABLE if row.get(name) is not None}
            if number not in self.model:
                expected.append("created")
                is_out = (
                    row["opt_out"] is True
                    or self.seen_out.get(number) is True
                    or (self.remembers and self.api_memory.get(number) is True)
                )
                self.model[number] = {
                    **{name: plain(name, None) for name in WRITABLE},
                    **fields,
                    "opt_out": is_out,
                }
            else:
                there = self.model[number]
                new = {**there, **fields}
                if row.get("custom_variables"):
                    new["custom_variables"] = {**there["custom_variables"], **row["custom_variables"]}
                elif "custom_variables" in fields:
                    new["custom_variables"] = there["custom_variables"]
                new["opt_out"] = True if row["opt_out"] is True else there["opt_out"]
                expected.append("unchanged" if new == there else "updated")
                self.model[number] = new
            self.remember(number)
        result = self.carry_out(
            lambda: bulk_create(
                self.client, contacts_frame(rows), chunk_size=chunk_size, tags="replace", **self.quiet
            ),
            crashes,
            faults,
        )
        self.check(result, rows, expected)
        self.last = (result.run_id, before)

    @rule(numbers=st.lists(PHONES, min_size=1, max_size=9, unique=True), crashes=CRASHES, faults=FAULTS)
    def delete(self, numbers, crashes, faults):
        before = dict(self.model)
        expected = ["deleted" if number in self.model else "absent" for number in numbers]
        for number in numbers:
            gone = self.model.pop(number, None)
            if gone is not None and gone["opt_out"] is not None:
                self.api_memory[number] = self.seen_out[number] = gone["opt_out"]
        result = self.carry_out(
            lambda: bulk_delete(
                self.client, pl.DataFrame({"phone": numbers}), confirm=True, allow_most=True, **self.quiet
            ),
            crashes,
            faults,
        )
        self.check(result, [{"phone": number} for number in numbers], expected)
        self.last = (result.run_id, before)

    @rule(rows=ROWS, crashes=CRASHES, faults=FAULTS)
    def update(self, rows, crashes, faults):
        columns = ["tags", "first_name"]
        before = dict(self.model)
        expected = []
        for row in rows:
            there = self.model.get(row["phone"])
            if there is None:
                expected.append("absent")
                continue
            new = {**there, **{name: plain(name, row[name]) for name in columns if row[name] is not None}}
            expected.append("unchanged" if new == there else "updated")
            self.model[row["phone"]] = new
            self.remember(row["phone"])
        result = self.carry_out(
            lambda: bulk_update(self.client, contacts_frame(rows), columns, replace=True, **self.quiet),
            crashes,
            faults,
        )
        self.check(result, rows, expected)
        self.last = (result.run_id, before)

    @rule(numbers=st.lists(PHONES, min_size=1, max_size=9, unique=True), crashes=CRASHES, faults=FAULTS)
    def opt_out(self, numbers, crashes, faults):
        before = dict(self.model)
        expected = []
        for number in numbers:
            there = self.model.get(number)
            if there is None:
                expected.append("absent")
                self.seen_out[number] = True
                continue
            expected.append("unchanged" if there["opt_out"] is True else "updated")
            self.model[number] = {**there, "opt_out": True}
            self.remember(number)
        result = self.carry_out(
            lambda: bulk_opt_out(self.client, pl.DataFrame({"phone": numbers}), **self.quiet), crashes, faults
        )
        self.check(result, [{"phone": number} for number in numbers], expected)
        self.last = (result.run_id, before)

    @precondition(lambda self: self.last is not None)
    @rule(crashes=CRASHES, faults=FAULTS)
    def undo(self, crashes, faults):
        run_id, before = self.last
        after = self.model
        for number in set(before) | set(after):
            was, now = before.get(number), after.get(number)
            if was is None:
                self.model = {key: value for key, value in self.model.items() if key != number}
                if now["opt_out"] is not None:
                    self.api_memory[number] = self.seen_out[number] = now["opt_out"]
            elif now is None:
                is_out = was["opt_out"] is True or self.seen_out.get(number) is True
                self.model[number] = {**was, "opt_out": is_out}
                self.remember(number)
            elif was != now:
                back = {**was, "opt_out": now["opt_out"]}  # an opt-out stays
                back["custom_variables"] = {**now["custom_variables"], **was["custom_variables"]}
                self.model[number] = back
                self.remember(number)
        result = self.carry_out(lambda: undo_run(self.client, run_id, **self.quiet), crashes, faults)
        assert set(result.frame["status"]) <= {
            "created",
            "deleted",
            "updated",
            "unchanged",
            "invalid",
            "absent",
        }
        self.last = None

    @rule(number=PHONES, name=NAMES, is_out=st.booleans())
    def someone_else_edits(self, number, name, is_out):
        if number in self.model:
            # Nobody is opted back in here: what the ledger makes of that has tests of its own.
            is_out = is_out or self.model[number]["opt_out"]
            self.sandbox.edit(number, first_name=name, opt_out=is_out)
            self.model[number] = {
                **self.model[number],
                "first_name": plain("first_name", name),
                "opt_out": is_out,
            }
            self.last = None

    def remember(self, number):
        self.seen_out[number] = self.model[number]["opt_out"]

    def check(self, result, rows, expected):
        assert result.frame["phone"].to_list() == [row["phone"] for row in rows]
        assert result.frame["status"].to_list() == expected, result.frame["detail"].to_list()

    @invariant()
    def the_account_is_as_modelled(self):
        if self.sandbox is not None:
            assert state(self.sandbox.rows()) == self.model


Account.TestCase.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=8,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
TestAccount = pytest.mark.slow(pytest.mark.timeout(900)(Account.TestCase))
assert set(BULK_FIELDS) < set(WRITABLE)
