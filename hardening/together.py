"""Processes that write in one account at once, killed, frozen, with wrong clocks and full disks: what is told wrong?

`python -m hardening.together 10` does it ten times, half a minute each, with other traits and faults of the account.
Three processes share a folder of journals; whoever was killed is followed by another that takes its runs up, or undoes
them. Whatever a process was told of its own contacts is compared with the account; and in the end nobody may be in of
whom it was said, or shown by the account, that they are out, and nobody may have been texted 4 seconds after that.
"""

import argparse
import json
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack, suppress
from multiprocessing.connection import wait
from pathlib import Path

from hardening.together_worker import SHARED, Task, own, work
from sendblue_data.sandbox import Sandbox
from tests.writeback.people import person, phone

PROCESSES = 3
LATE = 0.8
SEEN = 4.0
"""Seconds after an opt-out from which a text was decided on a stale look: a look may be 3 seconds old, and be slow."""
HANGS = 300.0
TRAITS = {
    "remember_opt_outs": (True, False),
    "on_duplicate": ("skip", "update", "reject", "partial"),
    "bulk_answer": ("all", "new"),
    "list_contact_id": (True, False),
    "read_lag": (0, 0.1, 0.3),
    "lag_of": ("all", "lists"),
    "create_answer": ("whole", "partial"),
    "tidy_tags": ("as_sent", "all"),
    "every_late": (0, 5, 9),
    "every_reset_after": (0, 7),
    "every_500": (0, 11),
    "every_429": (0, 6),
    "every_reset": (0, 13),
}


class Chaos:
    """Starts processes over one account, does them harm, and keeps what was wrong."""

    def __init__(self, seed, seconds, sandbox, folder):
        self.chance, self.sandbox, self.folder = random.Random(seed), sandbox, folder
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload(["hardening.together_worker"])
        self.ends = time.monotonic() + seconds
        self.processes, self.wakes, self.wrong, self.counts = {}, {}, [], Counter()
        self.out_since = {row["phone"]: 0.0 for row in sandbox.rows() if row["opt_out"]}
        self.texted = []
        sandbox.set(meddle=self.note_text)

    def note_text(self, _sandbox, request):
        if request.path.endswith("/verify"):
            self.texted.append((time.monotonic(), json.loads(request.body)["number"]))

    def run(self):
        for place in range(PROCESSES):
            self.start(place, follows=False)
        while self.processes:
            if time.monotonic() > self.ends + HANGS:
                self.wrong.append(("never ends", sorted(self.processes)))
                break
            self.harm()
            pipes = {pipe: place for place, (_, pipe, _) in self.processes.items()}
            for pipe in wait(list(pipes), timeout=0.05):
                self.hear(pipes[pipe], pipe)
        for process, *_ in self.processes.values():
            process.kill()
        self.sandbox.settle()
        self.check_opt_outs()

    def start(self, place, *, follows):
        ours, theirs = self.context.Pipe()
        task = Task(
            place,
            self.sandbox.url,
            self.sandbox.api_key,
            self.sandbox.api_secret,
            self.folder,
            self.chance.randrange(1 << 30),
            self.chance.choice([0, 0, 0, 1, -1]),
            follows,
        )
        process = self.context.Process(target=work, args=(task, theirs))
        process.start()
        theirs.close()
        self.processes[place] = process, ours, time.monotonic()

    def harm(self):
        """Now and then kill or freeze a process, fill its disk, or opt somebody out behind its back."""
        now = time.monotonic()
        for place in [place for place, at in self.wakes.items() if now > at]:
            del self.wakes[place]
            self.send(place, signal.SIGCONT)
        if now > self.ends:
            return
        place, what = self.chance.choice(list(self.processes)), self.chance.random()
        if what < 0.01:
            self.send(place, signal.SIGKILL)
        elif what < 0.03 and place not in self.wakes:
            self.wakes[place] = now + self.chance.choice([0.3, 1, 4])
            self.send(place, signal.SIGSTOP)
        elif what < 0.05 and place not in self.wakes:
            self.send(place, signal.SIGUSR1)
        elif what < 0.08:
            number = self.chance.choice([row["phone"] for row in self.sandbox.rows()])
            self.sandbox.edit(number, opt_out=True)
            self.out_since.setdefault(number, now)

    def send(self, place, number):
        if place in self.processes:
            self.counts[signal.Signals(number).name] += 1
            with suppress(ProcessLookupError):
                os.kill(self.processes[place][0].pid, number)

    def hear(self, place, pipe):
        try:
            what, *told = pipe.recv()
        except (EOFError, ConnectionResetError):
            self.follow(place)
            return
        if what == "failed":
            self.wrong.append((what, *told))
            return
        kind, text, rows, out = told
        self.counts[kind] += 1
        for number in out:
            self.out_since.setdefault(number, time.monotonic())
        self.sandbox.settle()
        there = {row["phone"]: row for row in self.sandbox.rows()}
        mine = {phone(n) for n in own(place)}
        for number, status, detail in rows:
            if number in mine and not is_so(kind, text, status, detail, there.get(number)):
                self.wrong.append((kind, text, number, status, detail, there.get(number)))
        with suppress(BrokenPipeError):
            pipe.send("go on")

    def follow(self, place):
        process, pipe, _ = self.processes.pop(place)
        pipe.close()
        process.join()
        if process.exitcode not in (0, -signal.SIGKILL):
            self.wrong.append(("ended", process.exitcode))
        elif process.exitcode or time.monotonic() < self.ends:
            self.start(place, follows=True)

    def check_opt_outs(self):
        for row in self.sandbox.rows():
            if row["phone"] in self.out_since and not row["opt_out"]:
                self.wrong.append(("in, and was said to be out", row))
        for at, number in self.texted:
            if at > self.out_since.get(number, at) + SEEN:
                self.wrong.append(("texted", number, at - self.out_since[number]))


def is_so(kind, text, status, detail, row):
    """Tell whether the account shows what was said of a contact."""
    kind = kind.removeprefix("resume ")
    if kind == "delete":
        return status not in ("deleted", "absent") or row is None
    if status not in ("created", "updated"):
        return True
    if kind in ("create", "update", "tags", "opt_out") and row is None:
        return False
    if not text or "held" in detail or "only its opt-out" in detail:
        return True
    if kind in ("create", "update"):
        return row["first_name"] == text
    if kind == "tags":
        return text in row["tags"]
    return kind != "opt_out" or row["opt_out"]


def once(seed, seconds):
    """Do it once, and return what was wrong."""
    chance = random.Random(seed)
    traits = {name: chance.choice(values) for name, values in TRAITS.items()}
    people = [person(n, opt_out=n % 5 == 3) for n in SHARED]
    people += [person(n, opt_out=n % 5 == 0) for place in range(PROCESSES) for n in own(place)]
    people += [person(n) for n in range(300, 330)]
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        sandbox = stack.enter_context(Sandbox(people, only="writes", late_by=LATE, **traits))
        chaos = Chaos(seed, seconds, sandbox, str(Path(folder) / "runs"))
        chaos.run()
    print(f"seed {seed}: {len(chaos.wrong)} wrong;", dict(sorted(chaos.counts.items())), flush=True)
    for one in chaos.wrong:
        print("  ", *one, flush=True)
    if chaos.wrong:
        print("  ", traits, flush=True)
    return len(chaos.wrong)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("times", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=30.0)
    arguments = parser.parse_args()
    seeds = range(arguments.seed, arguments.seed + arguments.times)
    return sum(once(seed, arguments.seconds) for seed in seeds) > 0


if __name__ == "__main__":
    sys.exit(main())
