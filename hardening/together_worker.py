"""A process of `hardening.together`: it writes what chance tells it to, and tells its parent what it was told."""

import datetime as dt
import os
import random
import resource
import signal
import threading
import time
import traceback
import warnings
from functools import partial
from typing import NamedTuple

import polars as pl

from sendblue_data import (
    SendblueClient,
    add_tags,
    bulk_create,
    bulk_delete,
    bulk_opt_out,
    bulk_update,
    bulk_verify,
    list_runs,
    resume_run,
    undo_run,
)
from sendblue_data._api import rate_limit, retries
from sendblue_data.contacts import contacts_frame
from sendblue_data.errors import ApiError, JournalError, WriteInterruptedError
from sendblue_data.writeback import catalogue, engine, run
from tests.writeback.people import phone

SHARED = range(8)
"""Numbers that all processes write to."""
WRITES = 12
"""What a process does before it ends and another takes its place."""
TIMEOUT = 2.0

# A signal that comes before its process is ready for it is one that came not.
signal.signal(signal.SIGUSR1, signal.SIG_IGN)


class Task(NamedTuple):
    """What a process is to do."""

    place: int
    url: str
    key: str
    secret: str
    folder: str
    seed: int
    hours: int
    """By which its clock is wrong."""
    follows: bool
    """Whether it follows one that ended early, and takes up its runs."""


def own(place):
    """Return the numbers that one process alone writes to."""
    return range(100 + 20 * place, 112 + 20 * place)


def work(task, parent):
    """Write until that is enough, and tell the parent of each."""
    warnings.simplefilter("ignore")
    engine.PATIENCE, rate_limit.FIRST_PROBE, retries.FIRST_WAIT = 3.0, 0.005, 0.01
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    signal.signal(signal.SIGUSR1, fill_disk)
    set_clock(task.hours)
    try:
        with SendblueClient(task.key, task.secret, task.url, timeout=TIMEOUT) as client:
            Worker(task, parent, client).work()
    except BaseException:
        parent.send(("failed", traceback.format_exc()))
        raise


def fill_disk(*_signal):
    """Let no file grow, for a moment."""
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, most))
    after = random.choice([0.05, 0.3, 1.0])
    threading.Timer(after, resource.setrlimit, (resource.RLIMIT_FSIZE, (most, most))).start()


def set_clock(hours):
    """Let this process's clock be wrong."""
    real = time.time

    class Clock(dt.datetime):
        @classmethod
        def now(cls, tz=None):
            return dt.datetime.fromtimestamp(real() + 3_600 * hours, tz)

    time.time = lambda: real() + 3_600 * hours
    for module in (run, catalogue):
        module.datetime = Clock


class Worker:
    """Writes what chance tells it to."""

    def __init__(self, task, parent, client):
        self.task, self.parent, self.client = task, parent, client
        self.chance = random.Random(task.seed)
        self.quiet = {"progress": False, "journal_dir": task.folder}
        self.done = []

    def work(self):
        if self.task.follows:
            self.take_up()
        for number in range(WRITES):
            self.write(number)

    def take_up(self):
        for run_id, kind in list_runs(self.task.folder).filter(state="open").select("run_id", "kind").rows():
            may_undo = kind not in ("verify", "undo") and self.chance.random() < 0.5
            call = undo_run if may_undo else resume_run
            self.finish("undo" if may_undo else f"resume {kind}", partial(call, self.client, run_id))

    def write(self, number):
        pool = own(self.task.place) if self.chance.random() < 0.6 else SHARED
        phones = [phone(n) for n in self.chance.sample(pool, self.chance.randrange(1, len(pool)))]
        kind = self.chance.choice(
            ["create", "create", "delete", "update", "tags", "opt_out", "verify", "undo"]
        )
        text, frame = f"{kind} {number}", pl.DataFrame({"phone": phones})
        named = contacts_frame([{"phone": one, "first_name": text} for one in phones])
        some = contacts_frame(
            [
                {"phone": one, "first_name": text, "opt_out": self.chance.random() < 0.2 or None}
                for one in phones
            ]
        )
        calls = {
            "create": partial(bulk_create, self.client, some, chunk_size=3),
            "delete": partial(bulk_delete, self.client, frame, confirm=True, allow_most=True, chunk_size=3),
            "update": partial(bulk_update, self.client, named, ["first_name"]),
            "tags": partial(add_tags, self.client, frame, text),
            "opt_out": partial(bulk_opt_out, self.client, frame),
            "verify": partial(bulk_verify, self.client, frame),
        }
        if kind == "undo" and self.done:
            run_id = self.done.pop(self.chance.randrange(len(self.done)))
            self.finish(kind, partial(undo_run, self.client, run_id))
        elif kind != "undo":
            out = phones if kind == "opt_out" else some.filter("opt_out")["phone"].to_list()
            run_id = self.finish(kind, calls[kind], text, out if kind in ("create", "opt_out") else [])
            self.done += [run_id] if kind in ("create", "delete", "update", "tags") else []

    def finish(self, kind, call, text="", out=()):
        """Do it, taking it up where it is cut off, and tell the parent, which looks at the account."""
        said = ""
        for _ in range(60):
            try:
                result = call(**self.quiet)
            except WriteInterruptedError as error:
                said = str(error)
                if kind != "undo" or "undo_run" not in said:
                    call = partial(resume_run, self.client, error.run_id)
            except (ApiError, JournalError) as error:
                said = str(error)
                if isinstance(error, JournalError) and "free the disk" in said:
                    time.sleep(1)
                    os.kill(os.getpid(), signal.SIGKILL)  # its run is taken up by the next one
                time.sleep(0.3)
            else:
                rows = result.frame.select("phone", "status", "detail").rows()
                self.parent.send(("done", kind, text, rows, list(out)))
                self.parent.recv()
                return result.run_id
        self.parent.send(("failed", f"{kind} never ends: {said}"))
        return None
