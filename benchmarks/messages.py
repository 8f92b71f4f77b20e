"""The pull of messages against the vendor's SDK: CPU a 1,000 messages, and memory beside the frame.

    python -m benchmarks.messages [--quick]

Against one sandbox in a process of its own, so that its CPU is not ours. The SDK pages by offset, as far as that
reaches, one page after the other, and puts what came into a Polars frame. CPU is that of this process with all its
threads. Exits with 1 when a ratio misses its target.
"""

import argparse
import multiprocessing
import re
import sys
import time
from multiprocessing.connection import Connection
from pathlib import Path

import polars as pl
from sendblue_api import SendblueAPI

from sendblue_data import Sandbox, SendblueClient, pull_messages

SPAWN = multiprocessing.get_context("spawn")
PAGE = 1_000
CPU_TARGET, MEMORY_TARGET = 0.1, 2.5


def serve(pipe: Connection, contacts: int, messages: int) -> None:
    with Sandbox(contacts, messages=messages, seed=1) as sandbox:
        pipe.send((sandbox.api_key, sandbox.api_secret, sandbox.url))
        pipe.recv()


def by_sdk(key: str, secret: str, url: str, messages: int) -> pl.DataFrame:
    found = []
    with SendblueAPI(api_key=key, api_secret=secret, base_url=url) as api:
        for offset in range(0, min(messages, 10_000), PAGE):
            page = api.messages.list(limit=PAGE, offset=offset, order_by="createdAt", order_direction="asc")
            found += [message.model_dump() for message in page.data or []]
    return pl.from_dicts(found, infer_schema_length=None)


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
    by_sdk(*account, PAGE)  # what is loaded once
    started = time.process_time()
    listed = by_sdk(*account, messages)
    sdk = (time.process_time() - started) / listed.height
    here.send("stop")
    server.join(30)
    ratio, beside = cpu / height / sdk, peak / size
    print(
        f"{height:,} messages in {wall:.1f} s; CPU a 1,000: {cpu / height * 1e6:.2f} ms, SDK {sdk * 1e6:.2f} ms"
    )
    print(f"CPU beside the SDK's: {ratio:.3f} (at most {CPU_TARGET})")
    print(f"memory beside the frame's {size / 1e6:,.0f} MB: {beside:.2f} (at most {MEMORY_TARGET})")
    return int(ratio > CPU_TARGET or beside > MEMORY_TARGET)


if __name__ == "__main__":
    sys.exit(main())
