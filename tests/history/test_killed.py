"""kill -9 while a snapshot is written: the last good one is whole, and the next succeeds."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from sendblue_data import ContactHistory

from . import worlds as w

ROOT = Path(__file__).parents[2]
PEOPLE = 20_000
DAY = timedelta(days=1)


class Writer:
    """Another process with the history open."""

    def __init__(self, folder: Path, file: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.history.killed", str(folder), str(file)],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self.heard() == "ready"

    def heard(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def begin(self, name: str, day: int) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"name": name, "taken_at": str(w.FIRST + day * DAY)}) + "\n")
        self.process.stdin.flush()

    def kill(self) -> str:
        self.process.kill()
        rest, _ = self.process.communicate()
        return rest.strip()


@pytest.mark.slow
def test_the_last_good_snapshot_is_whole_and_the_next_succeeds(tmp_path: Path) -> None:
    folder, file = tmp_path / "history", tmp_path / "account.parquet"
    everyone = w.frame([w.contact(0)]).join(
        pl.DataFrame({"n": range(PEOPLE)}), how="cross"
    ).with_columns(
        contact_id=pl.format("id-{}", "n"),
        phone=pl.format("+999{}", pl.col("n") + 10**8),  # made up: no country has 999
        created_at=pl.lit(w.FIRST) - pl.duration(minutes=pl.col("n")),
    ).sort("created_at").drop("n")  # fmt: skip
    everyone.write_parquet(file)

    writer = Writer(folder, file)
    started = time.monotonic()
    writer.begin("day 0", 0)
    assert writer.heard() == "done"
    whole = time.monotonic() - started
    writer.kill()

    recorded = {0: "day 0"}  # day and first name of every snapshot that must be there
    cut_short = 0
    for day in range(1, 13):
        writer = Writer(folder, file)
        writer.begin(f"day {day}", day)
        time.sleep(whole * day / 12)
        said = writer.kill()
        history = ContactHistory(folder)
        there = set(history.snapshots()["taken_at"]) - {w.FIRST + old * DAY for old in recorded}
        if said == "done":
            assert there == {w.FIRST + day * DAY}
        if there:  # all of it was committed, whether or not the process could still say so
            recorded[day] = f"day {day}"
        cut_short += said != "done"
        if day % 3 == 0:
            # The next one succeeds at once: nothing is locked, and what the killed one left is in no one's way.
            history.snapshot(
                everyone.with_columns(first_name=pl.lit(f"after {day}")), w.FIRST + day * DAY + DAY / 2
            )
            recorded[day + 0.5] = f"after {day}"
        for when, name in recorded.items():
            assert_frame_equal(
                history.at(w.FIRST + when * DAY), everyone.with_columns(first_name=pl.lit(name))
            )
    assert cut_short >= 3
    assert ContactHistory(folder).snapshots().height == len(recorded)
