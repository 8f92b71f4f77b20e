"""The pace under the limit that the vendor documents: 100 requests in 10 seconds, sliding and in fixed windows.

    python -m benchmarks.pace [--quick]

A server in a process of its own gives pages of contacts and takes opt-outs; beyond the limit it answers 429, without
`Retry-After`. What the limit allows is the time of the requests that were taken: 100 at once, and every 10 seconds 100
more. Exits with 1 when a ratio misses its target.
"""

import argparse
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from starlette.types import Receive, Scope, Send

from benchmarks.pull import Table
from sendblue_data import SendblueClient, bulk_opt_out, pull_contacts
from sendblue_data.sandbox import Sandbox, api, misbehave

REQUESTS, SECONDS = 100, 10.0
SPAWN = multiprocessing.get_context("spawn")


class Limited:
    """The sandbox's application, behind the limit."""

    def __init__(self, app: Any, *, slides: bool) -> None:
        self._app, self._slides = app, slides
        self._taken: list[float] = []
        self.refused = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        now = time.monotonic()
        if self._slides:
            self._taken = [moment for moment in self._taken if moment > now - SECONDS]
        elif self._taken and self._taken[0] <= now - SECONDS:
            self._taken = []
        if len(self._taken) < REQUESTS:
            self._taken.append(now)
            await self._app(scope, receive, send)
        else:
            self.refused += 1
            await api.error_answer(429, "Too many requests")(scope, receive, send)


def serve(pipe: Connection, contacts: int, slides: bool) -> None:
    original = misbehave.Misbehaving.__call__
    limited: list[Limited] = []

    async def behind_the_limit(self: Any, scope: Scope, receive: Receive, send: Send) -> None:
        if not limited:
            limited.append(Limited(lambda *given: original(self, *given), slides=slides))
        await limited[0](scope, receive, send)

    misbehave.Misbehaving.__call__ = behind_the_limit  # type: ignore[method-assign]
    with Sandbox(contacts=contacts) as sandbox:
        pipe.send((sandbox.api_key, sandbox.api_secret, sandbox.url))
        pipe.recv()
        pipe.send((len(sandbox.request_log), limited[0].refused))
        pipe.recv()


def measure(
    table: Table, what: str, contacts: int, work: Callable[[SendblueClient], object], *, slides: bool
) -> None:
    here, there = SPAWN.Pipe()
    server = SPAWN.Process(target=serve, args=(there, contacts, slides), daemon=True)
    server.start()
    with SendblueClient(*here.recv()) as client:
        started = time.perf_counter()
        work(client)
        seconds = time.perf_counter() - started
    here.send("figures")
    taken, refused = here.recv()
    here.send("stop")
    server.join(30)
    allowed = (taken - 1) // REQUESTS * SECONDS
    name = f"{what}, {'sliding' if slides else 'fixed'}"
    ratio, share = seconds / allowed, refused / (taken + refused)
    table.row(
        f"{name}: time / allowed", f"{seconds:.1f} s", f"{allowed:.1f} s", ratio, "≤ 1.1", met=ratio <= 1.1
    )
    table.row(f"{name}: refusals / requests", str(refused), str(taken), share, "≤ 0.02", met=share <= 0.02)


def opt_out(people: int) -> Callable[[SendblueClient], object]:
    def work(client: SendblueClient) -> object:
        first = client.list_contacts(limit=1_000).filter(opt_out=False).head(people)
        with tempfile.TemporaryDirectory() as folder:
            return bulk_opt_out(client, first, journal_dir=folder, progress=False)

    return work


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="the pull alone: for a look, not for record")
    options = parser.parse_args()
    table = Table()
    for slides in (True, False):
        measure(
            table,
            "pull of 150,000",
            150_000,
            lambda client: pull_contacts(client, progress=False),
            slides=slides,
        )
        if not options.quick:
            measure(table, "opt-out of 500", 700, opt_out(500), slides=slides)
    return 1 if table.missed else 0


if __name__ == "__main__":
    sys.exit(main())
