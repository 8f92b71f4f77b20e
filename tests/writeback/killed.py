"""Processes that write, and are killed (SIGKILL) at a journal step: the tests start this one, which forks them.

Each line of its input is a JSON object: where the sandbox is, what to do, and at which step to die. It answers with two
lines: the process id of the child that does it, and how that child ended. Forked, a child need not import anything.
"""

import json
import os
import signal
import sys

import polars as pl

from sendblue_data import bulk_create, bulk_delete, resume_run, undo_run
from sendblue_data._api.client import SendblueClient
from sendblue_data.contacts import contacts_frame
from sendblue_data.writeback.journal import Journal


def die_at(step, *, is_after):
    left = [step]

    def wrapped(real):
        def method(*args, **options):
            left[0] -= 1
            if left[0] < 0 and not is_after:
                os.kill(os.getpid(), signal.SIGKILL)
            answer = real(*args, **options)
            if left[0] < 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return answer

        return method

    for name in ("sending", "answered", "save"):
        setattr(Journal, name, wrapped(getattr(Journal, name)))


def main():
    for line in sys.stdin:
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.dup2(writer, 1)
            os.close(reader)
            carry_out(json.loads(line))
            sys.stdout.flush()
            os._exit(0)
        os.close(writer)
        answer(child)
        with os.fdopen(reader) as told:
            out = told.read()
        _, status = os.waitpid(child, 0)
        answer(json.dumps({"exit": os.waitstatus_to_exitcode(status), "out": out}))


def answer(line):
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def carry_out(task):
    if task["step"] is not None:
        die_at(task["step"], is_after=task["is_after"])
    quiet = {"progress": False, "journal_dir": task["journals"]}
    with SendblueClient(task["key"], task["secret"], task["url"], timeout=task["timeout"]) as client:
        if task["what"] == "create":
            frame = contacts_frame(json.loads(row) for row in pl.read_parquet(task["frame"])["row"])
            result = bulk_create(client, frame, chunk_size=task["chunk_size"], **quiet)
        elif task["what"] == "delete":
            frame = pl.read_parquet(task["frame"]).select("phone")
            result = bulk_delete(
                client, frame, chunk_size=task["chunk_size"], confirm=True, allow_most=True, **quiet
            )
        else:
            result = (resume_run if task["what"] == "resume" else undo_run)(client, task["run_id"], **quiet)
    sys.stdout.write(json.dumps(result.counts))


if __name__ == "__main__":
    main()
