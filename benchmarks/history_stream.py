"""Snapshots of an account that does not fit in memory: what each takes, and that it comes back.

    python -m benchmarks.history_stream [--contacts 1000000] [--days 3] [--change 0.005] [--allowed 512]

Each snapshot is recorded by a process of its own, from frames that are made as they are asked for. Its peak of memory
is the whole process's, libraries that are mapped from files included; beside it stands what a process takes that
recorded a hundred contacts. Afterwards each day is read back lazily, and compared with what was recorded by the sum
of all rows' hashes. Exits with 1 when a peak is above `--allowed` MiB or a day comes back as something else. People
are made up, each from its number alone.

Mapped files the kernel takes back when memory is short, so that the strict proof is a limit. With `--cgroup` each
process that records joins a memory cgroup, and is killed when it needs more than that allows:

    mkdir /sys/fs/cgroup/memory/half && echo 512M >/sys/fs/cgroup/memory/half/memory.limit_in_bytes
    python -m benchmarks.history_stream --contacts 10000000 --cgroup /sys/fs/cgroup/memory/half --allowed 1024
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from sendblue_data import ContactHistory
from sendblue_data.schema import CONTACT_SCHEMA

START = datetime(2026, 1, 1, 3, tzinfo=UTC)
CHUNK = 50_000
CITIES, PLANS, TAGS = 300, 3, 40
# Looked up, since a list or a map that is made anew for each contact takes longer than the history does.
VARIABLES = pl.Series(
    [{"city": f"City {city}", "plan": f"plan {plan}"} for city in range(CITIES) for plan in range(PLANS)],
    dtype=CONTACT_SCHEMA["custom_variables"],
)
PAIRS_OF_TAGS = pl.Series([[f"tag-{one}", f"tag-{other}"] for one in range(TAGS) for other in range(TAGS)])


def people(first: int, last: int, day: int, change: float) -> pl.DataFrame:
    """The contacts numbered from `first` to before `last`, as they are on a day."""
    n = pl.col("n")

    def chance(seed: int) -> pl.Expr:
        return (n.hash(seed) % 1_000_000) / 1_000_000

    def one_of(words: str, count: int, seed: int) -> pl.Expr:
        return pl.format(words, n.hash(seed) % count)

    touched = pl.max_horizontal(
        pl.lit(0), *(pl.when(chance(100 + k) < change).then(k).otherwise(0) for k in range(1, day + 1))
    )
    left = pl.any_horizontal(pl.lit(value=False), *(chance(500 + k) < change / 10 for k in range(1, day + 1)))
    frame = (
        pl.DataFrame({"n": pl.int_range(first, last, eager=True)}).filter(~left).with_columns(touched=touched)
    )
    opts_out = (pl.col("touched") > 0) & (n.hash(11) % 2 == 1)
    marries = (pl.col("touched") > 0) & (n.hash(11) % 2 == 0)
    return frame.select(
        contact_id=pl.format("{}-{}", n.hash(1), n.hash(2)),
        # Made up, and nobody's: the country code 999 is not assigned.
        phone=pl.format("+999{}", (n * 7_368_787 % 10**10).cast(pl.String).str.zfill(10)),
        first_name=one_of("First{}", 500, 3),
        last_name=pl.when(marries).then(pl.format("Married{}", "touched")).otherwise(one_of("Last{}", 2000, 4)),
        company_name=pl.when(chance(5) < 0.75).then(one_of("Company {}", 3000, 5)),
        created_at=pl.lit(START - timedelta(days=1000)) + pl.duration(microseconds=n * 1_000_000 + n.hash(12) % 10**6),
        custom_variables=pl.lit(VARIABLES).gather(n.hash(6) % CITIES * PLANS + n.hash(7) % PLANS),
        opt_out=(chance(8) < 0.04) ^ opts_out,
        verified=chance(9) < 0.6,
        sendblue_number=one_of("+1305555010{}", 3, 10),
        tags=pl.lit(PAIRS_OF_TAGS).gather(n.hash(13) % TAGS * TAGS + n.hash(14) % TAGS),
        assigned_to_email=pl.when(chance(15) < 0.7).then(one_of("agent{}@example.com", 7, 15)),
    )  # fmt: skip


def pull(contacts: int, day: int, change: float) -> Iterator[pl.DataFrame]:
    """The account on a day, frame by frame: a tenth of the changes are people who left, and as many came."""
    count = contacts + int(day * contacts * change / 10)
    for first in range(0, count, CHUNK):
        yield people(first, min(count, first + CHUNK), day, change)


def record(options: argparse.Namespace, folder: Path) -> None:
    """Record one day in this process, and print what it took."""
    if options.cgroup:
        (options.cgroup / "cgroup.procs").write_text(str(os.getpid()))
    history = ContactHistory(folder)
    began, used = time.perf_counter(), time.process_time()
    if options.day < 0:
        history.snapshot(people(0, 100, 0, 0), START)
    else:
        history.snapshot(
            pull(options.contacts, options.day, options.change), START + timedelta(days=options.day)
        )
    took, used = time.perf_counter() - began, time.process_time() - used
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": took, "cpu": used, "mib": peak}))


def in_a_process(options: argparse.Namespace, folder: Path, day: int) -> dict[str, float]:
    """Record one day in a process of its own."""
    words = [sys.executable, "-m", "benchmarks.history_stream", "--day", str(day), "--folder", str(folder)]
    words += ["--contacts", str(options.contacts), "--change", str(options.change)]
    if options.cgroup:
        words += ["--cgroup", str(options.cgroup)]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


def summed(frame: pl.LazyFrame | pl.DataFrame) -> tuple[int, int]:
    """Count rows, and add up their hashes."""
    plain = frame.lazy().with_columns(pl.col("custom_variables").map.entries())
    hashed = plain.select(rows=pl.len(), total=pl.struct(pl.all()).hash(0).sum())
    rows, total = hashed.collect(engine="streaming").row(0)
    return rows, total


def measure(options: argparse.Namespace, scratch: Path) -> int:
    """Record the days one after another, and read each back."""
    base = in_a_process(options, scratch / "baseline", -1)["mib"]
    folder = options.folder or scratch / "history"
    failed = []
    for day in range(options.days):
        done = in_a_process(options, folder, day)
        peak = done["mib"]
        pace = f"{done['seconds']:.1f} s, {done['cpu']:.1f} s of CPU"
        print(f"day {day}: {pace}, peak {peak:.0f} MiB, {peak - base:.0f} over {base:.0f}", flush=True)
        if peak > options.allowed:
            failed.append(f"day {day} took {peak:.0f} MiB")
    disk = sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file())
    contacts = ContactHistory(folder).snapshots()["contacts"][-1]
    print(f"{contacts:,} contacts; disk: {disk:,} bytes", flush=True)
    for day in range(options.days):
        expected = (0, 0)
        for frame in pull(options.contacts, day, options.change):
            rows, total = summed(frame)
            expected = expected[0] + rows, (expected[1] + total) % 2**64
        found = summed(ContactHistory(folder).scan(at=START + timedelta(days=day)))
        if found != expected:
            failed.append(f"day {day} came back as {found}, not {expected}")
    print("each day came back equal to the input, within the limit" if not failed else "; ".join(failed))
    return 1 if failed else 0


def main() -> int:
    """Measure, or record one day for the process that measures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--contacts", type=int, default=1_000_000)
    parser.add_argument("--days", type=int, default=3)
    parser.add_argument("--change", type=float, default=0.005)
    parser.add_argument(
        "--allowed", type=int, default=512, help="MiB of the whole process (default: %(default)s)"
    )
    parser.add_argument("--cgroup", type=Path, help="a memory cgroup that each process which records joins")
    parser.add_argument("--folder", type=Path, help="keep the history here")
    parser.add_argument("--day", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.day is not None:
        record(options, options.folder)
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        return measure(options, Path(scratch))


if __name__ == "__main__":
    sys.exit(main())
