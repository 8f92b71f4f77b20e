"""kill -9 in the middle, in a process of its own; then resume, and undo."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

import polars as pl
import pytest

from sendblue_data import list_runs, undo_run
from tests.writeback.people import people, person, state

SCRIPT = Path(__file__).with_name("killed.py")


@pytest.fixture(scope="module")
def processes():
    """What starts the processes; each test's victims are its children."""
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, str(SCRIPT)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=root,
        env={"PYTHONPATH": str(root), "PATH": ""},
        text=True,
    ) as process:
        yield process


class Victim:
    """Starts processes that write to a sandbox and are killed; each goes on with the run of the one before."""

    def __init__(self, processes, sandbox, folder, *, chunk_size):
        self.processes = processes
        self.sandbox = sandbox
        self.folder = folder
        self.chunk_size = chunk_size
        self.frame = folder / "frame.parquet"
        self.kills = 0
        self.timeout = 1.5  # for so long after a death its requests may still land, so the next one waits

    def choose(self, rows):
        self.folder.mkdir(parents=True, exist_ok=True)
        texts = [json.dumps(row) for row in rows]
        pl.DataFrame({"phone": [row["phone"] for row in rows], "row": texts}).write_parquet(self.frame)

    def start(self, what, run_id=None, *, step=None, is_after=False, seconds=None):
        """Give the counts of a process that lived to its end, None for one that was killed."""
        task = {
            "url": self.sandbox.url,
            "key": self.sandbox.api_key,
            "secret": self.sandbox.api_secret,
            "journals": str(self.folder),
            "frame": str(self.frame),
            "chunk_size": self.chunk_size,
            "what": what,
            "run_id": run_id,
            "step": step,
            "is_after": is_after,
            "timeout": self.timeout,
        }
        self.processes.stdin.write(json.dumps(task) + "\n")
        self.processes.stdin.flush()
        child = int(self.processes.stdout.readline())
        clock = threading.Timer(seconds, os.kill, (child, signal.SIGKILL)) if seconds is not None else None
        if clock is not None:
            clock.start()
        ended = json.loads(self.processes.stdout.readline())
        if clock is not None:
            clock.cancel()
        if ended["exit"] == -signal.SIGKILL:
            self.kills += 1
            return None
        assert ended["exit"] == 0
        return json.loads(ended["out"])

    def open_run(self, before):
        begun = set(list_runs(self.folder)["run_id"]) - before
        assert len(begun) <= 1
        return begun.pop() if begun else None

    def carry_out(self, what, deaths, undo_of=None):
        """Write through a number of deaths, then to the end; give the counts and the run."""
        before = set(list_runs(self.folder)["run_id"])
        for death in [*deaths, {}]:
            run_id = self.open_run(before)
            counts = self.start("resume" if run_id else what, run_id or undo_of, **death)
            if counts is not None:
                return counts, self.open_run(before)
        raise AssertionError("the last one is not killed")


def no_harm(sandbox, rows, ran):
    """No contact lost, none twice, none opted back in."""
    there = state(sandbox.rows())
    for row in rows:
        if ran == "create":
            assert there[row["phone"]] == state([row])[row["phone"]]
        else:
            assert row["phone"] not in there


def account(count):
    return [
        person(
            n,
            opt_out=n % 13 == 0,
            tags=["VIP"] if n % 3 else [],
            custom_variables={"Plan": "Pro"} if n % 2 else {},
        )
        for n in range(count)
    ]


@pytest.mark.parametrize("what", ["delete", "create"])
def test_killed_three_times_and_resumed(processes, open_account, journals, what):
    rows = account(60)
    sandbox, client = open_account(rows, on_duplicate="reject", remember_opt_outs=False)
    start = state(sandbox.rows())
    victim = Victim(processes, sandbox, journals, chunk_size=9)
    chosen = rows[10:50]
    victim.choose(chosen)
    if what == "create":
        sandbox.remove([row["phone"] for row in chosen])
    deaths = [{"step": 3, "is_after": False}, {"step": 2, "is_after": True}, {"step": 4, "is_after": False}]
    counts, run_id = victim.carry_out(what, deaths)
    assert victim.kills == 3
    assert counts == {f"{what}d": 40}
    no_harm(sandbox, chosen, what)
    undo_run(client, run_id, progress=False)
    if what == "delete":
        assert state(sandbox.rows()) == start
    else:
        assert sandbox.count() == 20


@pytest.mark.slow
@pytest.mark.parametrize("what", ["delete", "create"])
def test_killed_at_each_journal_step(processes, open_account, journals, what):
    """One death at each step, before and after it is written down, until a run lives to its end."""
    rows = account(40)
    sandbox, _ = open_account(rows, on_duplicate="reject", remember_opt_outs=False)
    victim = Victim(processes, sandbox, journals, chunk_size=9)
    chosen = rows[5:35]
    victim.choose(chosen)
    for step in range(100):
        deaths = 0
        for is_after in (False, True):
            sandbox.replace(rows if what == "delete" else [row for row in rows if row not in chosen])
            for path in journals.glob("*.sqlite3*"):
                path.unlink()
            victim.kills = 0
            counts, _ = victim.carry_out(what, [{"step": step, "is_after": is_after}])
            assert counts == {f"{what}d": 30}
            no_harm(sandbox, chosen, what)
            deaths += victim.kills
        if deaths == 0:
            break
    assert step > 8
    assert deaths == 0


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_killed_fifty_times_over_twenty_thousand(processes, open_account, journals):
    """Half of them at random journal steps and half at random moments, over deletes, creates and undos.

    A process that lives writes down some 90 steps; one that dies within the first of those that it takes leaves more
    to kill the next one in, so that a run is killed all along its way.
    """
    seeded = random.Random(4)
    rows = people(25_000)
    for n, row in enumerate(rows):
        row |= {
            "phone": f"+1{2_125_550_000 + n * 7}",
            "opt_out": n % 40 == 0,
            "tags": ["VIP"] if n % 3 else ["Lead"],
        }
    sandbox, _ = open_account(rows, remember_opt_outs=False)
    start = state(sandbox.rows())
    victim = Victim(processes, sandbox, journals, chunk_size=500)
    victim.timeout = 5.0
    chosen = rows[3_000:23_000]
    victim.choose(chosen)

    def deaths(number):
        found = []
        for turn in range(number):
            by_step = {"step": seeded.randrange(0, 30), "is_after": seeded.random() < 0.5}
            found.append(by_step if turn % 2 else {"seconds": seeded.uniform(0.8, 6.0)})
        return found

    while victim.kills < 50:
        counts, run_id = victim.carry_out("delete", deaths(10))
        assert counts == {"deleted": 20_000}
        no_harm(sandbox, chosen, "delete")
        if victim.kills % 2:
            victim.carry_out("undo", deaths(6), undo_of=run_id)
        else:
            counts, _ = victim.carry_out("create", deaths(10))
            assert counts == {"created": 20_000}
            no_harm(sandbox, chosen, "create")
        assert state(sandbox.rows()) == start
    assert victim.kills >= 50


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_killed_at_fifty_points_and_taken_up_at_once_where_writes_land_late(
    processes, open_account, journals
):
    """Every third write is cut off and lands later: after a kill, and while the run is resumed or undone."""
    seeded = random.Random(7)
    rows = account(40)
    sandbox, _ = open_account(rows, remember_opt_outs=False, only="writes", late_by=0.4)
    start = state(sandbox.rows())
    victim = Victim(processes, sandbox, journals, chunk_size=6)
    chosen = rows[5:35]
    victim.choose(chosen)
    while victim.kills < 50:
        what, then = seeded.choice(["create", "delete"]), seeded.choice(["resume", "undo"])
        sandbox.set(every_late=0)
        sandbox.replace(rows if what == "delete" else [row for row in rows if row not in chosen])
        for path in journals.glob("*-*"):
            path.unlink()
        sandbox.set(every_late=seeded.choice([2, 3, 5]))
        death = {"step": seeded.randrange(12), "is_after": seeded.random() < 0.5}
        if victim.start(what, **death) is not None or not (run_id := victim.open_run(set())):
            continue
        victim.start(then, run_id)
        sandbox.settle()
        there = state(sandbox.rows())
        is_there = (what == "create") == (then == "resume")
        expected = (
            start
            if is_there
            else {n: row for n, row in start.items() if n not in {r["phone"] for r in chosen}}
        )
        assert there == expected, (what, then, death)
