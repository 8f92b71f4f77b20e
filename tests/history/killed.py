"""A process that records snapshots of a file, one a line that it is sent, and is killed: the tests start it."""

from __future__ import annotations

import json
import sys
from datetime import datetime

import polars as pl

from sendblue_data import ContactHistory

if __name__ == "__main__":
    folder, file = sys.argv[1:]
    history = ContactHistory(folder)
    frame = pl.read_parquet(file)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin:
        task = json.loads(line)
        history.snapshot(
            frame.with_columns(first_name=pl.lit(task["name"])), datetime.fromisoformat(task["taken_at"])
        )
        sys.stdout.write("done\n")
        sys.stdout.flush()
