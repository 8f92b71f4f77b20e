"""The pull of messages against the vendor's SDK: CPU a 1,000 messages, and memory beside the frame.

    python -m benchmarks.messages [--quick]

Against one sandbox in a process of its own, so that its CPU is not ours. The SDK pages by offset, as far as that
reaches, one page after the other, and puts what came into a Polars frame; `requests` reads the same pages and makes
nothing of them; `decode_messages` makes a frame of one, without HTTP. CPU is that of the process with all its threads;
of what is done page by page it is the median, since a machine is seldom quiet. Exits with 1 when a ratio misses its
target.
"""

import argparse
import multiprocessing
import re
import statistics
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import polars as pl
import requests
from sendblue_api import SendblueAPI

from benchmarks.keep import missed
from sendblue_data import Sandbox, SendblueClient, pull_messages
from sendblue_data._api.message_decoding import decode_messages

SPAWN = multiprocessing.get_context("spawn")
PAGE = 1_000
CPU_TARGET, MEMORY_TARGET = 0.1, 2.5


def serve(pipe: Connection, contacts: int, messages: int) -> None:
    with Sandbox(contacts, messages=messages, seed=1) as sandbox:
        pipe.send((sandbox.api_key, sandbox.api_secret, sandbox.url))
        pipe.recv()


def pages(messages: int) -> list[dict[str, Any]]:
    """Return what is asked for each page that an offset reaches."""
    asked = {"limit": PAGE, "order_by": "createdAt", "order_direction": "asc"}
    return [{**asked, "offset": offset} for offset in range(0, min(messages, 10_000), PAGE)]


def timed(work: Callable[[dict[str, Any]], object], messages: int) -> float:
    """Return the median CPU of a page, after one that loads what is loaded once."""
    asked = pages(messages)
    work(asked[0])
    spent = []
    for page in asked * 2:
        started = time.process_time()
        work(page)
        spent.append(time.process_time() - started)
    return statistics.median(spent)


def by_sdk(key: str, secret: str, url: str, messages: int) -> float:
    with SendblueAPI(api_key=key, api_secret=secret, base_url=url) as api:

        def read(asked: dict[str, Any]) -> pl.DataFrame:
            rows = [message.model_dump() for message in api.messages.list(**asked).data or []]
            return pl.from_dicts(rows, infer_schema_length=None)

        return timed(read, messages)


def by_requests(key: str, secret: str, url: str, messages: int) -> tuple[float, float]:
    """Return the CPU of HTTP alone, and of our decoding alone."""
    with requests.Session() as session:
        session.headers.update({"sb-api-key-id": key, "sb-api-secret-key": secret})
        where = f"{url}/api/v2/messages"

        def read(asked: dict[str, Any]) -> bytes:
            return session.get(where, params=asked, timeout=60).content

        bodies = {asked["offset"]: read(asked) for asked in pages(messages)}
        return timed(read, messages), timed(lambda asked: decode_messages(bodies[asked["offset"]]), messages)


def memory(field: str) -> int:
    [kib] = re.findall(rf"{field}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(kib) * 1024


def in_memory(frame: pl.DataFrame) -> int:
    whole = frame.rechunk().to_arrow(compat_level=pl.CompatLevel.newest())
    return int(whole.nbytes)


def pull_large(pipe: Connection, account: tuple[str, str, str]) -> None:
    """Pull in a process that has done nothing else; say what it took."""
    with SendblueClient(*account) as client:
        client.list_messages(limit=PAGE)  # what is loaded once is not the pull's
        start, cpu, wall = memory("VmRSS"), time.process_time(), time.perf_counter()
        frame = pull_messages(client, progress=False)
        spent = time.process_time() - cpu, time.perf_counter() - wall
        pipe.send((memory("VmHWM") - start, in_memory(frame), frame.height, *spent))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="50,000 messages instead of 1,000,000")
    messages = 50_000 if parser.parse_args().quick else 1_000_000
    here, there = SPAWN.Pipe()
    server = SPAWN.Process(target=serve, args=(there, messages // 50, messages), daemon=True)
    server.start()
    account = here.recv()
    mine, theirs = SPAWN.Pipe()
    child = SPAWN.Process(target=pull_large, args=(theirs, account))
    child.start()
    peak, size, height, cpu, wall = mine.recv()
    child.join()
    sdk = by_sdk(*account, messages) / PAGE
    http, decoding = by_requests(*account, messages)
    here.send("stop")
    server.join(30)
    ratio, beside = cpu / height / sdk, peak / size
    print(
        f"{height:,} messages in {wall:.1f} s; CPU a 1,000: {cpu / height * 1e6:.2f} ms, SDK {sdk * 1e6:.2f} ms"
    )
    print(f"CPU beside the SDK's: {ratio:.3f} (at most {CPU_TARGET}){missed(ratio, CPU_TARGET)}")
    print(
        f"of which a page's bytes alone, by requests: {http * 1e3:.2f} ms, {http / sdk / PAGE:.3f} of the SDK's; "
        f"its decoding alone: {decoding * 1e3:.2f} ms, {decoding / sdk / PAGE:.3f}"
    )
    print(
        f"memory beside the frame's {size / 1e6:,.0f} MB: {beside:.2f} (at most {MEMORY_TARGET})"
        f"{missed(beside, MEMORY_TARGET)}"
    )
    return int(ratio > CPU_TARGET or beside > MEMORY_TARGET)


if __name__ == "__main__":
    sys.exit(main())
