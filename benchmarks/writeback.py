"""20,000 contacts created and deleted: this package, journal on, against the vendor's SDK one at a time.

    python -m benchmarks.writeback [--contacts 20000] [--latency 0.02] [--sample 500 | --full]

The sandbox runs in a process of its own and answers each request after the latency. The SDK's calls are one
after the other and each like the last, so by default a sample of them is timed and scaled up; `--full` times
all of them. Two frames: the fields that one SDK create carries as well (the demand: 40 times fewer requests,
25 times less time), and people with opt-outs, owners and lines, where both need further calls per contact.
"""

import argparse
import json
import multiprocessing
import tempfile
import time
from multiprocessing.connection import Connection
from typing import Self

import polars as pl
from sendblue_api import SendblueAPI

from sendblue_data import bulk_create, bulk_delete, pull_contacts
from sendblue_data._api.client import SendblueClient
from sendblue_data.sandbox import Faults, Sandbox


def serve(pipe: Connection, contacts: int, latency: float) -> None:
    """Keep a sandbox until told to stop; say how many requests it had since last asked."""
    with Sandbox(contacts=contacts, faults=Faults(latency=latency)) as sandbox:
        pipe.send((sandbox.url, sandbox.api_key, sandbox.api_secret))
        while pipe.recv() == "requests":
            pipe.send(len(sandbox.request_log))
            sandbox.reset_log()


class Clock:
    """Times a block and counts its requests at the server."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    def _requests(self) -> int:
        self._pipe.send("requests")
        return self._pipe.recv()

    def __enter__(self) -> Self:
        self._requests()
        self._start = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.perf_counter() - self._start
        self.requests = self._requests()


def ours(client: SendblueClient, frame: pl.DataFrame, pipe: Connection) -> dict[str, Clock]:
    with tempfile.TemporaryDirectory() as folder:
        with Clock(pipe) as create:
            created = bulk_create(client, frame, journal_dir=folder, progress=False)
        assert created.counts == {"created": frame.height}, created
        with Clock(pipe) as delete:
            deleted = bulk_delete(
                client, frame, confirm=frame.height, allow_most=True, journal_dir=folder, progress=False
            )
        assert deleted.counts == {"deleted": frame.height}, deleted
    return {"create": create, "delete": delete}


def sdk(vendor: SendblueAPI, rows: list[dict], pipe: Connection) -> dict[str, Clock]:
    """One contact at a time, as the SDK is documented; what a create can't carry, by an update."""
    texts = ("first_name", "last_name", "assigned_to_email", "sendblue_number")
    with Clock(pipe) as create:
        for row in rows:
            # The SDK's names for the API's first_name, last_name, ...
            given = {f"body_{name}_1": row[name] for name in texts if row.get(name) is not None}
            given |= {name: row[name] for name in ("tags", "custom_variables") if row.get(name) is not None}
            vendor.contacts.create(number=row["phone"], **given)
            rest = {"company_name": row.get("company_name"), "opt_out": row.get("opt_out") or None}
            rest = {f"body_{name}_1": value for name, value in rest.items() if value is not None}
            if rest:
                vendor.contacts.update(row["phone"], **rest)
    with Clock(pipe) as delete:
        for row in rows:
            vendor.contacts.delete(row["phone"])
    return {"create": create, "delete": delete}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--contacts", type=int, default=20_000)
    parser.add_argument("--latency", type=float, default=0.02)
    parser.add_argument("--sample", type=int, default=500)
    parser.add_argument(
        "--full", action="store_true", help="time every one of the SDK's calls (about 20 minutes)"
    )
    options = parser.parse_args()
    with Sandbox(contacts=options.contacts, seed=7) as source, source.client() as client:
        people = pull_contacts(client, progress=False)
    plain = people.select("phone", "first_name", "last_name", "tags", "custom_variables")
    here, there = multiprocessing.get_context("spawn").Pipe()
    server = multiprocessing.get_context("spawn").Process(
        target=serve, args=(there, 0, options.latency), daemon=True
    )
    server.start()
    url, key, secret = here.recv()
    report = {}
    with (
        SendblueClient(key, secret, url) as client,
        SendblueAPI(api_key=key, api_secret=secret, base_url=url) as vendor,
    ):
        for name, frame in {"plain": plain, "opt-outs, owners, lines": people}.items():
            sample = frame if options.full else frame.head(options.sample)
            theirs = sdk(vendor, sample.to_dicts(), here)
            mine = ours(client, frame, here)
            scale = frame.height / sample.height
            for what in ("create", "delete"):
                their_requests = theirs[what].requests * scale
                their_seconds = theirs[what].seconds * scale
                report[f"{name}: {what}"] = {
                    "contacts": frame.height,
                    "requests": mine[what].requests,
                    "seconds": round(mine[what].seconds, 2),
                    "sdk requests": round(their_requests),
                    "sdk seconds": round(their_seconds, 1),
                    "times fewer requests": round(their_requests / mine[what].requests, 1),
                    "times less time": round(their_seconds / mine[what].seconds, 1),
                    "sdk timed": "all" if options.full else f"{sample.height} of them, scaled",
                }
    here.send("stop")
    server.join(10)
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
