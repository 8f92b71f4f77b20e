"""A year of daily snapshots: bytes on disk, `.at` of any day, and what is read from the year over time.

    python -m benchmarks.history [--contacts 200000] [--days 365] [--change 0.005] [--folder DIR]

Each is a ratio to a thing measured in the same run: one Parquet of the whole account (`write_parquet` and
`read_parquet`, Polars' defaults), and one scan of the history's own table (`pl.scan_delta(uri).collect()`).
What is estimated over the year has a limit in seconds: Turnbull's curve, alarms, the list's flow. Exits with 1 when
one is above its limit. People are made up (seeded).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from sendblue_data import ContactHistory
from sendblue_data.schema import CONTACT_SCHEMA

START = datetime(2026, 1, 1, 3, tzinfo=UTC)
ALLOWED = {"disk": 4.0, "at": 3.0, "trend": 2.0}
SECONDS = {
    "survival (Turnbull)": 10.0,
    "survival (Turnbull) by line": 20.0,
    "alarms": 10.0,
    "list_flow": 5.0,
    "list_flow by tags": 10.0,
}
"""Limits of what is estimated from 365 snapshots of 200,000 contacts, on two cores."""
PLANS = ["free", "pro", "team"]


def people(count: int, rng: np.random.Generator, first: int) -> pl.DataFrame:
    """New contacts with ids of their own; `first` keeps their phones apart from those made before."""
    ids = [str(uuid.UUID(bytes=rng.bytes(16), version=4)) for _ in range(count)]
    # Made up, and nobody's: the country code 999 is not assigned. Scattered, since real phones don't count up.
    phones = [f"+999{n * 7_368_787 % 10**9:09d}" for n in range(first, first + count)]
    created = np.sort(rng.integers(0, 3 * 365 * 86_400 * 10**6, count))
    return pl.DataFrame(
        {
            "contact_id": ids,
            "phone": phones,
            "first_name": [f"First{n}" for n in rng.integers(0, 500, count)],
            "last_name": [f"Last{n}" for n in rng.integers(0, 2000, count)],
            "company_name": [f"Company {n}" if n < 3000 else None for n in rng.integers(0, 4000, count)],
            "created_at": [
                START - timedelta(days=3 * 365) + timedelta(microseconds=int(us)) for us in created
            ],
            "custom_variables": [
                {"city": f"City {a}", "plan": PLANS[b]} if b < 2 else {}
                for a, b in zip(rng.integers(0, 300, count), rng.integers(0, 3, count), strict=True)
            ],
            "opt_out": (rng.random(count) < 0.04).tolist(),
            "verified": (rng.random(count) < 0.6).tolist(),
            "sendblue_number": [f"+1305555010{n}" for n in rng.integers(0, 3, count)],
            "tags": [[f"tag-{n}" for n in rng.integers(0, 40, k)] for k in rng.integers(0, 4, count)],
            "assigned_to_email": [
                f"agent{n}@example.com" if n < 7 else None for n in rng.integers(0, 10, count)
            ],
        },
        schema=CONTACT_SCHEMA,
    )


def next_day(
    frame: pl.DataFrame, day: int, change: float, rng: np.random.Generator, made: int
) -> tuple[pl.DataFrame, int]:
    """Of the day's changes 40 % are opt-outs and opt-ins, 40 % edits, 10 % come and 10 % go."""
    count = int(frame.height * change)
    picked = rng.choice(frame.height, count, replace=False)
    fate = np.zeros(frame.height, dtype=np.int8)
    fate[picked] = rng.choice(np.array([1, 2, 3, 4], dtype=np.int8), count, p=[0.4, 0.4, 0.1, 0.1])
    is_new = fate == 3
    marks = pl.Series("fate", np.where(is_new, 0, fate))
    moved = frame.with_columns(
        marks,
        opt_out=pl.when(marks == 1).then(~pl.col("opt_out")).otherwise("opt_out"),
        last_name=pl.when(marks == 2).then(pl.lit(f"Married{day}")).otherwise("last_name"),
    )
    kept = moved.filter(pl.col("fate") != 4).drop("fate")
    new = people(int(is_new.sum()), rng, made).with_columns(
        created_at=pl.lit(START + timedelta(days=day))
        - pl.duration(microseconds=pl.int_range(pl.len(), 0, -1))
    )
    return pl.concat([kept, new]), made + new.height


def seconds(work: Callable[[], object], times: int = 7) -> float:
    """Median of some runs, after one that warms up."""
    work()
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return float(np.median(taken))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--contacts", type=int, default=200_000)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--change", type=float, default=0.005)
    parser.add_argument("--folder", type=Path, help="keep the history here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        return measure(options, Path(scratch))


def measure(options: argparse.Namespace, scratch: Path) -> int:
    rng = np.random.default_rng(6)
    uri = options.folder or scratch / "history"
    history = ContactHistory(uri)
    frame, made = people(options.contacts, rng, 0), options.contacts
    kept: dict[int, pl.DataFrame] = {}
    days = sorted({int(share * (options.days - 1)) for share in (0, 0.1, 0.21, 0.43, 0.54, 0.65, 0.87, 1)})
    spent = []
    for day in range(options.days):
        if day:
            frame, made = next_day(frame, day, options.change, rng, made)
        if day in days:
            kept[day] = frame
        start = time.perf_counter()
        history.snapshot(frame, START + timedelta(days=day))
        spent.append(time.perf_counter() - start)
    print(
        f"{options.days} snapshots of {frame.height:,} contacts; each took {np.median(spent):.2f} s (median), "
        f"{max(spent):.2f} s (longest)"
    )

    one = scratch / "one.parquet"
    frame.write_parquet(one)
    parquet = one.stat().st_size
    disk = sum(file.stat().st_size for file in Path(uri).rglob("*") if file.is_file())
    ratios = {"disk": disk / parquet}
    print(f"disk: {disk:,} bytes, one Parquet {parquet:,}: {ratios['disk']:.2f} times")

    worst = 0.0
    for day, expected in kept.items():
        when = START + timedelta(days=day)
        if not history.at(when).equals(expected):
            print(f"day {day} does not come back as it was")
            return 1
        expected.write_parquet(one)
        of_day, of_parquet = seconds(lambda at=when: history.at(at)), seconds(lambda: pl.read_parquet(one))
        worst = max(worst, of_day / of_parquet)
        print(
            f"at day {day}: {of_day * 1e3:.0f} ms, one Parquet {of_parquet * 1e3:.0f} ms: "
            f"{of_day / of_parquet:.2f} times"
        )
    ratios["at"] = worst

    scan = seconds(lambda: pl.scan_delta(str(uri)).collect())
    for by in (None, "verified", "tags"):
        trend = seconds(lambda by=by: history.opt_out_trend(by=by))
        print(
            f"trend by {by}: {trend * 1e3:.0f} ms, one scan of the table {scan * 1e3:.0f} ms: {trend / scan:.2f} times"
        )
        if by is None:
            ratios["trend"] = trend / scan
    failed = [
        f"{name} {ratio:.2f} > {ALLOWED[name]:g}" for name, ratio in ratios.items() if ratio > ALLOWED[name]
    ]
    estimates: dict[str, Callable[[], pl.DataFrame]] = {
        "survival (Turnbull)": history.survival,
        "survival (Turnbull) by line": lambda: history.survival(by="sendblue_number"),
        "alarms": history.opt_out_alarms,
        "list_flow": history.list_flow,
        "list_flow by tags": lambda: history.list_flow(by="tags"),
    }
    for name, estimate in estimates.items():
        taken = seconds(estimate, times=1)
        print(f"{name}: {taken:.2f} s of {SECONDS[name]:g}: {taken / scan:.2f} times a scan")
        if taken > SECONDS[name]:
            failed.append(f"{name} {taken:.2f} s > {SECONDS[name]:g} s")
    print("within the limits" if not failed else "above the limit: " + ", ".join(failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
