"""Mixed pulls and writes against a faulty sandbox, for minutes: what grows?

`python -m hardening.soak 60` runs for an hour and prints, at the start, each minute and at the end: memory,
threads, sockets and open files of the process that works. It fails when one of them grew, or a contact was lost.
"""

import argparse
import os
import random
import sys
import tempfile
import time
from datetime import timedelta
from functools import partial
from pathlib import Path

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


def one_round(client, sandbox, folder, chance):
    """Pull, export, create, update, opt out, delete and undo; the account ends as it began."""
    before = state(sandbox.rows())
    number = chance.randrange(3_000, 6_000)
    mine = contacts_frame(
        [{"phone": phone(n), "opt_out": n % 3 == 0, "tags": ["Soak"]} for n in range(number, number + 40)]
    )
    draw_again = partial(draw_faults, sandbox, chance)
    draw_again()
    contacts = tried(draw_again, lambda: pull_contacts(client, progress=False))
    assert set(contacts["phone"]) == set(before)
    tried(
        draw_again, lambda: write_contacts(iter_contacts(client, progress=False), folder / "contacts.parquet")
    )
    made = finished(client, draw_again, lambda: bulk_create(client, mine, chunk_size=10, progress=False))
    there = state(sandbox.rows())
    assert len(there) == len(before) + 40
    assert all(there[phone(n)]["opt_out"] is (n % 3 == 0) for n in range(number, number + 40))
    finished(client, draw_again, lambda: bulk_update(client, mine.head(9), ["tags"], progress=False))
    finished(
        client, draw_again, lambda: bulk_opt_out(client, contacts.sample(5, seed=number), progress=False)
    )
    gone = contacts.sample(30, seed=number)
    deleted = finished(client, draw_again, lambda: bulk_delete(client, gone, progress=False))
    for run in (deleted, made):
        tried(draw_again, lambda run=run: undo_run(client, run.run_id, progress=False))
    after = state(sandbox.rows())
    assert set(after) == set(before)
    assert all(after[number]["opt_out"] for number, row in before.items() if row["opt_out"])
    sandbox.set(**{f"every_{kind}": 0 for kind in FAULTS})


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("minutes", type=float)
    minutes = parser.parse_args().minutes
    retries.FIRST_WAIT = rate_limit.FIRST_PROBE = 0.002
    begun = time.monotonic()
    ends = begun + 60 * minutes
    warm = begun + min(WARM_UP, 20 * minutes)
    chance = random.Random(8)
    first = None
    rounds = 0
    said = 0.0
    with (
        tempfile.TemporaryDirectory() as folder,
        Sandbox(people(2_500)) as sandbox,
        SendblueClient(sandbox.api_key, sandbox.api_secret, sandbox.url, timeout=2) as client,
    ):
        os.environ["SENDBLUE_DATA_JOURNAL"] = f"{folder}/runs"
        print("start", measure(), flush=True)
        while time.monotonic() < ends:
            one_round(client, sandbox, Path(folder), chance)
            rounds += 1
            sandbox.reset_log()
            prune_runs(older_than=timedelta(0))  # a folder that grows is growth of another kind
            if first is None and time.monotonic() > warm:
                first = measure()
                print(f"warm, after {rounds} rounds", first, flush=True)
            if time.monotonic() > said + 60:
                said = time.monotonic()
                print(f"{(said - begun) / 60:.0f} min, {rounds} rounds", measure(), flush=True)
        last = measure()
    print(f"end, after {rounds} rounds and {client.requests:,} requests", last, flush=True)
    assert first is not None
    grown = [name for name in ("threads", "sockets", "files") if last[name] > first[name] + MOST_OPEN]
    if last["memory, MB"] > first["memory, MB"] * MOST_GROWTH:
        grown.append("memory")
    print("grew: " + (", ".join(grown) or "nothing"))
    return bool(grown)


if __name__ == "__main__":
    sys.exit(main())
