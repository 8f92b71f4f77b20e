"""Mixed pulls and writes against a faulty sandbox, for minutes: what grows?

`python -m hardening.soak 60` runs for an hour and prints, at the start, each minute and at the end: memory,
threads, sockets and open files of the process that works. It fails when one of them grew, or a contact was lost.
With `--processes 2`, two work in one account with one folder of journals, each on contacts of its own, and both are
measured; with `--observed` the account has the traits that were seen, and takes 100 requests in 10 seconds.
"""

import argparse
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from datetime import timedelta
from functools import partial
from multiprocessing.managers import BaseManager
from pathlib import Path
from typing import NamedTuple

import psutil

from sendblue_data import (
    SendblueClient,
    bulk_create,
    bulk_delete,
    bulk_opt_out,
    bulk_update,
    iter_contacts,
    prune_runs,
    pull_contacts,
    resume_run,
    undo_run,
)
from sendblue_data._api import rate_limit, retries
from sendblue_data.contacts import contacts_frame
from sendblue_data.errors import SendblueError, WriteInterruptedError
from sendblue_data.export import write_contacts
from sendblue_data.sandbox import Sandbox
from tests.writeback.people import people, phone, state

FAULTS = ("429", "500", "500_after", "reset", "reset_after", "cut", "error_200")
WARM_UP = 60
"""Seconds, or a third of the time if that is less, until the first measure: caches and pools fill first."""
WARM_ROUNDS = 5
"""Rounds until then, of which an account that is limited allows two a minute."""
MOST_GROWTH = 1.15
"""Memory at the end against that after the warm-up: in an hour it swung between 159 and 174 MB, and did not grow."""
MOST_OPEN = 8
"""Threads, sockets and files more than after the warm-up: connections that happen to be open just then."""


def measure():
    process = psutil.Process()
    with process.oneshot():
        return {
            "memory, MB": round(process.memory_info().rss / 1e6, 1),
            "threads": process.num_threads(),
            "sockets": len(process.net_connections()),
            "files": process.num_fds(),
        }


class Share(NamedTuple):
    """The contacts that one of several processes works on, by their numbers."""

    place: int
    processes: int

    def holds(self, number):
        return int(number[-4:]) % self.processes == self.place

    def of(self, rows):
        return {number: row for number, row in state(rows).items() if self.holds(number)}


class Account(BaseManager):
    """The sandbox as another process reaches it, beside the API: its truth and its faults."""


class Shown:
    """What another process may ask of the sandbox."""

    def __init__(self, sandbox):
        self._sandbox = sandbox

    def rows(self):
        return list(self._sandbox.rows())

    def set(self, **changes):
        self._sandbox.set(**changes)

    def reset_log(self):
        self._sandbox.reset_log()


def draw_faults(sandbox, chance):
    """Let each kind of fault befall every so many requests, or none."""
    sandbox.set(**{f"every_{kind}": chance.choice([0, 7, 11, 13]) for kind in FAULTS})


def tried(draw_again, call):
    """Do what may be done again, where the server answered with an error; any other error ends the soak.

    Other faults are drawn between two tries: those that come every so often would meet the same request again.
    """
    said = []
    while len(said) < 50:
        try:
            return call()
        except SendblueError as error:
            said.append(f"{type(error).__name__}: {error}")
            draw_again()
    raise AssertionError("it never ends:\n" + "\n".join(said[:3] + said[-3:]))


def finished(client, draw_again, call):
    """Do a write to its end: again where it was not begun, taken up where it was interrupted."""

    def begun():
        try:
            return call()
        except WriteInterruptedError as error:
            return tried(draw_again, partial(resume_run, client, error.run_id, progress=False))

    return tried(draw_again, begun)


def one_round(client, sandbox, folder, chance, share):
    """Pull, export, create, update, opt out, delete and undo; the share of the account ends as it began."""
    before = share.of(sandbox.rows())
    number = chance.randrange(3_000, 6_000)
    new = [n for n in range(number, number + 40 * share.processes) if share.holds(phone(n))]
    mine = contacts_frame([{"phone": phone(n), "opt_out": n % 3 == 0, "tags": ["Soak"]} for n in new])
    draw_again = partial(draw_faults, sandbox, chance)
    draw_again()
    pulled = tried(draw_again, lambda: pull_contacts(client, progress=False))
    contacts = pulled.filter([share.holds(number) for number in pulled["phone"]])
    assert set(contacts["phone"]) == set(before)
    tried(
        draw_again,
        lambda: write_contacts(
            iter_contacts(client, progress=False), folder / f"contacts-{share.place}.parquet"
        ),
    )
    made = finished(client, draw_again, lambda: bulk_create(client, mine, chunk_size=10, progress=False))
    there = share.of(sandbox.rows())
    assert len(there) == len(before) + 40
    assert all(there[phone(n)]["opt_out"] is (n % 3 == 0) for n in new)
    finished(client, draw_again, lambda: bulk_update(client, mine.head(9), ["tags"], progress=False))
    finished(
        client, draw_again, lambda: bulk_opt_out(client, contacts.sample(5, seed=number), progress=False)
    )
    gone = contacts.sample(30, seed=number)
    deleted = finished(client, draw_again, lambda: bulk_delete(client, gone, progress=False))
    for run in (deleted, made):
        tried(draw_again, lambda run=run: undo_run(client, run.run_id, progress=False))
    after = share.of(sandbox.rows())
    assert set(after) == set(before)
    assert all(after[number]["opt_out"] for number, row in before.items() if row["opt_out"])
    sandbox.set(**{f"every_{kind}": 0 for kind in FAULTS})


def work(client, sandbox, folder, share, minutes):
    """Do rounds until the time is over, and return whether anything grew."""
    name = f"process {share.place}: " if share.processes > 1 else ""
    begun = time.monotonic()
    ends = begun + 60 * minutes
    warm = begun + min(WARM_UP, 20 * minutes)
    chance = random.Random(8 + share.place)
    first = None
    rounds = 0
    said = 0.0
    print(f"{name}start", measure(), flush=True)
    while time.monotonic() < ends:
        one_round(client, sandbox, folder, chance, share)
        rounds += 1
        sandbox.reset_log()
        # A folder that grows is growth of another kind; what another process is about to undo stays.
        prune_runs(older_than=timedelta(minutes=5 * (share.processes > 1)))
        if first is None and time.monotonic() > warm and rounds >= WARM_ROUNDS:
            first = measure()
            print(f"{name}warm, after {rounds} rounds", first, flush=True)
        if time.monotonic() > said + 60:
            said = time.monotonic()
            print(f"{name}{(said - begun) / 60:.0f} min, {rounds} rounds", measure(), flush=True)
    last = measure()
    print(f"{name}end, after {rounds} rounds and {client.requests:,} requests", last, flush=True)
    assert first is not None, "too few rounds to tell: give it more minutes"
    grown = [name for name in ("threads", "sockets", "files") if last[name] > first[name] + MOST_OPEN]
    if last["memory, MB"] > first["memory, MB"] * MOST_GROWTH:
        grown.append("memory")
    print(f"{name}grew: " + (", ".join(grown) or "nothing"), flush=True)
    return bool(grown)


def join(place, processes, minutes, key):
    """Be another process: find the sandbox as the first one says in the environment, and work."""
    Account.register("account")
    beside = Account(("127.0.0.1", int(os.environ["SOAK_PORT"])), key.encode())
    beside.connect()
    with SendblueClient(timeout=2) as client:
        folder = Path(os.environ["SENDBLUE_DATA_JOURNAL"]).parent
        return work(client, beside.account(), folder, Share(place, processes), minutes)


def begin_others(sandbox, arguments, folder):
    """Start the other processes, and give them the sandbox beside the API."""
    shown = Shown(sandbox)
    Account.register("account", callable=lambda: shown)
    server = Account(("127.0.0.1", 0), sandbox.api_secret.encode()).get_server()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    told = {
        "SENDBLUE_API_API_KEY": sandbox.api_key,
        "SENDBLUE_API_API_SECRET": sandbox.api_secret,
        "SENDBLUE_API_BASE_URL": sandbox.url,
        "SENDBLUE_DATA_JOURNAL": f"{folder}/runs",
        "SOAK_PORT": str(server.address[1]),
    }
    how = [str(arguments.minutes), "--processes", str(arguments.processes)]
    return [
        subprocess.Popen(
            [sys.executable, "-m", "hardening.soak", *how, "--place", str(place)], env=os.environ | told
        )
        for place in range(1, arguments.processes)
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("minutes", type=float)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--observed", action="store_true")
    parser.add_argument("--place", type=int, default=0, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    retries.FIRST_WAIT = rate_limit.FIRST_PROBE = 0.002
    if arguments.place:
        secret = os.environ["SENDBLUE_API_API_SECRET"]
        return join(arguments.place, arguments.processes, arguments.minutes, secret)
    traits = {"persona": "observed", "rate_limit": 100, "rate_window": 10} if arguments.observed else {}
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        sandbox = stack.enter_context(Sandbox(people(2_500), **traits))
        client = stack.enter_context(
            SendblueClient(sandbox.api_key, sandbox.api_secret, sandbox.url, timeout=2)
        )
        os.environ["SENDBLUE_DATA_JOURNAL"] = f"{folder}/runs"
        others = begin_others(sandbox, arguments, folder)
        share = Share(0, arguments.processes)
        grew = work(client, sandbox, Path(folder), share, arguments.minutes)
        return any([grew, *(other.wait() for other in others)])


if __name__ == "__main__":
    sys.exit(main())
