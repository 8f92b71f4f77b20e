"""What a report costs: seconds and CPU of `write_report`, and the size of its page.

    python -m benchmarks.report [CONTACTS]

The contacts are made up, with the sandbox's tags (`contacts_parquet.py`), and read before the clock starts.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("MPLBACKEND", "Agg")

import polars as pl

from benchmarks.contacts_parquet import write_contacts
from sendblue_data import write_report

SECONDS = 10.0
"""The most that a report of 200,000 contacts may take."""


def main() -> int:
    """Measure one report, in a process that has drawn nothing yet; return 1 above the limit."""
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("contacts", type=int, nargs="?", default=200_000)
    count = options.parse_args().contacts
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "contacts.parquet")
        write_contacts(file, count)
        contacts = pl.read_parquet(file)
        began, worked = time.perf_counter(), time.process_time()
        page = write_report(contacts, Path(folder, "report.html"), as_of="2026-01-01")
        seconds, cpu = time.perf_counter() - began, time.process_time() - worked
        above = seconds > SECONDS
        print(
            f"{count:,} contacts: {seconds:.1f} s, {cpu:.1f} s of CPU, a page of {page.stat().st_size / 1e6:.2f} MB"
            f"{' (above the limit)' if above else ''}"
        )
    return int(above)


if __name__ == "__main__":
    sys.exit(main())
