"""The pull against the vendor's SDK and against `requests`: CPU, waiting, memory and growth.

    python -m benchmarks.pull [--quick]

All in one run, against one sandbox in a process of its own, so that its CPU is not ours. The SDK and `requests`
page by `created_at`, as they must beyond 11,000 contacts, one page after the other, and put what came into a
Polars frame. CPU is that of this process with all its threads. Exits with 1 when a ratio misses its target.
"""

import argparse
import math
import multiprocessing
import re
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import polars as pl
import requests
from sendblue_api import SendblueAPI

from sendblue_data import SendblueClient, pull_contacts
from sendblue_data.sandbox import Faults, Sandbox

PAGE = 1_000
CONNECTIONS = 8
LATENCY = 0.05
SPAWN = multiprocessing.get_context("spawn")


@dataclass(frozen=True)
class Account:
    url: str
    key: str
    secret: str

    def client(self) -> SendblueClient:
        return SendblueClient(self.key, self.secret, self.url, max_connections=CONNECTIONS)


def serve(pipe: Connection, contacts: int, latency: float) -> None:
    with Sandbox(contacts=contacts, faults=Faults(latency=latency)) as sandbox:
        pipe.send(Account(sandbox.url, sandbox.api_key, sandbox.api_secret))
        pipe.recv()


@contextmanager
def account(contacts: int, latency: float = 0.0) -> Iterator[Account]:
    here, there = SPAWN.Pipe()
    server = SPAWN.Process(target=serve, args=(there, contacts, latency), daemon=True)
    server.start()
    try:
        yield here.recv()
    finally:
        here.send("stop")
        server.join(30)


def ours(where: Account) -> pl.DataFrame:
    with where.client() as client:
        return pull_contacts(client, progress=False)


def paged(ask: Callable[[dict[str, Any]], list[dict[str, Any]]]) -> pl.DataFrame:
    """Page by offset up to the cap, then go on from the last `created_at`: what a careful user writes.

    Going on after each page would be simpler, and never end where a page shares one moment.
    """
    found: dict[str, dict[str, Any]] = {}
    asked: dict[str, Any] = {"limit": PAGE, "offset": 0, "order_by": "created_at", "order_direction": "asc"}
    while True:
        page = ask(asked)
        found.update((contact["contact_id"], contact) for contact in page)
        if len(page) < PAGE:
            return pl.from_dicts(list(found.values()), infer_schema_length=None)
        asked["offset"] += PAGE
        if asked["offset"] > 10_000:
            asked |= {"offset": 0, "created_at_gte": page[-1]["created_at"]}


def by_sdk(where: Account) -> pl.DataFrame:
    with SendblueAPI(api_key=where.key, api_secret=where.secret, base_url=where.url) as vendor:
        return paged(lambda asked: [contact.model_dump() for contact in vendor.contacts.list(**asked)])


def by_requests(where: Account) -> pl.DataFrame:
    with requests.Session() as session:
        session.headers.update({"sb-api-key-id": where.key, "sb-api-secret-key": where.secret})
        url = f"{where.url}/api/v2/contacts"
        return paged(lambda asked: session.get(url, params=asked, timeout=60).json())


@dataclass
class Spent:
    frame: pl.DataFrame
    seconds: float
    cpu: float


def timed(pull: Callable[[Account], pl.DataFrame], where: Account, contacts: int) -> Spent:
    wall, cpu = time.perf_counter(), time.process_time()
    frame = pull(where)
    spent = Spent(frame, time.perf_counter() - wall, time.process_time() - cpu)
    if frame["contact_id"].n_unique() != contacts or frame.height != contacts:
        sys.exit(f"{pull.__name__} gave {frame.height:,} rows of {contacts:,} contacts")
    return spent


def memory(field: str) -> int:
    [kib] = re.findall(rf"{field}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(kib) * 1024


def in_memory(frame: pl.DataFrame) -> int:
    """Bytes that a frame takes. `estimated_size` counts a string's text and not the 16 bytes of its view."""
    whole = frame.rechunk().to_arrow(compat_level=pl.CompatLevel.newest())
    return int(whole.nbytes)


def pull_large(pipe: Connection, where: Account, contacts: int) -> None:
    """Pull in a process that has done nothing else; say what it took."""
    ours_once = SendblueClient(where.key, where.secret, where.url)
    ours_once.list_contacts(limit=PAGE)  # what is loaded once is not the pull's
    start = memory("VmRSS")
    spent = timed(ours, where, contacts)
    peak = memory("VmHWM") - start
    pipe.send((peak, in_memory(spent.frame), spent.seconds, spent.cpu))


def in_fresh_process(work: Callable[..., None], *args: object) -> Any:
    """Give what `work` sends into the pipe that is its first argument."""
    here, there = SPAWN.Pipe()
    child = SPAWN.Process(target=work, args=(there, *args))
    child.start()
    try:
        return here.recv()
    finally:
        child.join()


class Table:
    """Rows of a measure, its target, and whether it was met."""

    def __init__(self) -> None:
        self.missed = 0
        print("| measure | ours | other | ratio | target |\n| --- | --: | --: | --: | --: |")

    def row(self, what: str, mine: str, other: str, ratio: float, target: str, *, met: bool) -> None:
        self.missed += not met
        print(
            f"| {what} | {mine} | {other} | {ratio:.2f} | {target}{'' if met else ' (missed)'} |", flush=True
        )


WAYS: dict[str, Callable[[Account], pl.DataFrame]] = {"ours": ours, "SDK": by_sdk, "requests": by_requests}


def pull_again(pipe: Connection, where: Account, way: str, contacts: int, repeat: int) -> None:
    """Pull by one way in a process that does nothing else; say the CPU of each pull but the first."""
    cpu = [timed(WAYS[way], where, contacts).cpu for _ in range(repeat + 1)]
    pipe.send(cpu[1:])


def compare_cpu(table: Table, contacts: int, repeat: int) -> None:
    """Compare in processes of their own, since what one way leaves behind slows another's allocations; by turns."""
    cpu: dict[str, list[float]] = {way: [] for way in WAYS}
    with account(contacts) as where:
        for _ in range(repeat):
            for way in WAYS:
                cpu[way] += in_fresh_process(pull_again, where, way, contacts, repeat)
    each = {way: statistics.median(taken) * 1e6 / contacts for way, taken in cpu.items()}
    for name, most in (("SDK", 12), ("requests", 3)):
        ratio = each[name] / each["ours"]
        cells = f"{each['ours']:.1f} ms", f"{each[name]:.1f} ms"
        table.row(f"CPU a 1,000 contacts, {name} / ours", *cells, ratio, f"≥ {most}", met=ratio >= most)


def compare_waiting(table: Table, contacts: int) -> None:
    bound = math.ceil(contacts / PAGE / CONNECTIONS) * LATENCY
    with account(contacts, LATENCY) as where:
        mine = min(timed(ours, where, contacts).seconds for _ in range(3))
        theirs = timed(by_sdk, where, contacts).seconds
    what = f"{contacts:,} contacts at {LATENCY * 1e3:.0f} ms, {CONNECTIONS} connections"
    table.row(
        f"{what}, ours / bound",
        f"{mine:.2f} s",
        f"{bound:.2f} s",
        mine / bound,
        "≤ 1.3",
        met=mine <= 1.3 * bound,
    )
    table.row(
        f"{what}, SDK in sequence / ours",
        f"{mine:.2f} s",
        f"{theirs:.2f} s",
        theirs / mine,
        "≥ 6",
        met=theirs >= 6 * mine,
    )


def compare_growth(table: Table, small: int, large: int) -> None:
    with account(small) as where:
        seconds = statistics.median(in_fresh_process(pull_large, where, small)[2] for _ in range(3))
    with account(large) as where:
        runs = [in_fresh_process(pull_large, where, large) for _ in range(3)]
    peak, size = runs[0][:2]
    taken = statistics.median(run[2] for run in runs)
    each, base = taken * 1e6 / large, seconds * 1e6 / small
    what = f"{large:,} contacts, peak memory above the start / the frame's size"
    cells = f"{peak / 2**20:.0f} MiB", f"{size / 2**20:.0f} MiB"
    table.row(what, *cells, peak / size, "≤ 2.5", met=peak <= 2.5 * size)
    what = f"time a contact, {large:,} / {small:,}"
    table.row(what, f"{each:.1f} µs", f"{base:.1f} µs", each / base, "≤ 1.2", met=each <= 1.2 * base)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--quick", action="store_true", help="a tenth of the contacts: for a look, not for record"
    )
    parts = ("cpu", "waiting", "growth")
    parser.add_argument("--only", choices=parts, nargs="+", default=parts)
    options = parser.parse_args()
    share = 10 if options.quick else 1
    table = Table()
    if "cpu" in options.only:
        compare_cpu(table, 20_000 // share, 3)
    if "waiting" in options.only:
        compare_waiting(table, 100_000 // share)
    if "growth" in options.only:
        compare_growth(table, 100_000 // share, 1_000_000 // share)
    return 1 if table.missed else 0


if __name__ == "__main__":
    sys.exit(main())
