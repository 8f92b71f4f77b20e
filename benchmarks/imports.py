"""What a list of a million rows costs: `read_contacts` beside `pl.read_csv` and a plain loop of phonenumbers.

    python benchmarks/imports.py [ROWS]

The list is a CRM's export in one file: phones as people write them, of three countries, tags, a consent. Each of the
two runs in a process of its own, which tells its seconds and its peak of memory.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import resource
import sys
import tempfile
import time
from pathlib import Path

import phonenumbers
import polars as pl

from sendblue_data import read_contacts

MEGABYTE = 1e6
_KILOBYTES = 1024 if sys.platform == "linux" else 1
SECONDS, MEMORY = 0.5, 4.0
"""The most of the plain loop's seconds, and the most of the frame's own size, that it may take."""


def write_list(path: Path, rows: int) -> None:
    """Write a list: seven of ten phones are national, one of fifty is none."""
    chance = random.Random(0)
    styles = ("(955) {}-{}", "955-{}-{}", "+1 955 {} {}", "1955{}{}")
    with path.open("w", encoding="utf-8") as file:
        file.write("First Name,Last Name,Email,Phone,Company,City,Tags,SMS Consent\n")
        for number in range(rows):
            digits = f"{2_000_000 + number:07}"
            style = chance.randrange(100)
            if style < 85:
                phone = styles[style % 4].format(digits[:3], digits[3:])
            else:
                phone = (
                    f"+44 20 7{digits[1:4]} {digits[3:]}" if style < 92 else f"+49 30 {23_000_000 + number}"
                )
            phone = "n/a" if style == 99 else phone
            consent = ("yes", "no", "")[number % 3]
            tags = f'"VIP, Wave {number % 24}"'
            address = f"p{number}@example.com"
            file.write(f"First {number},Last {number},{address},{phone},Acme,Rome,{tags},{consent}\n")


def plain(path: Path) -> int:
    """Read it as one would by hand; return the phones that were read."""
    phones = []
    for cell in pl.read_csv(path, infer_schema=False)["Phone"]:
        try:
            number = phonenumbers.parse(cell, "US")
        except phonenumbers.NumberParseException:
            phones.append(None)
            continue
        possible = phonenumbers.is_possible_number(number)
        phones.append(
            phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164) if possible else None
        )
    return len(phones) - phones.count(None)


def ours(path: Path) -> tuple[int, int]:
    """Read it; return the phones that were read, and the frame's size."""
    frame = read_contacts(path, region="US").frame
    return frame["phone"].count(), frame.estimated_size()


def measured(function, path, queue):
    """Tell a queue the seconds, the bytes at the peak beyond the start, and the result."""
    if function is ours:
        small = path.with_suffix(".small.csv")
        write_list(small, 100)
        ours(small)  # what is loaded once is not the list's
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _KILOBYTES
    started = time.perf_counter()
    found = function(path)
    took = time.perf_counter() - started
    queue.put((took, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _KILOBYTES - before, found))


def in_a_process(function, path):
    """Measure a function in a process of its own."""
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=measured, args=(function, path, queue))
    process.start()
    told = queue.get()
    process.join()
    return told


def main() -> None:
    """Measure both, and print the ratios beside what they may be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", type=int, nargs="?", default=1_000_000)
    rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "list.csv")
        write_list(path, rows)
        print(f"{rows:,} rows, {path.stat().st_size / MEGABYTE:.0f} MB")
        seconds, _, phones = in_a_process(plain, path)
        print(f"pl.read_csv and a loop of phonenumbers: {seconds:.1f} s, {phones:,} phones")
        own, peak, (found, size) = in_a_process(ours, path)
        print(f"read_contacts: {own:.1f} s, {found:,} phones, a frame of {size / MEGABYTE:.0f} MB")
        print(
            f"{own / seconds:.2f} of the seconds (at most {SECONDS}), peak {peak / size:.1f} times (at most {MEMORY})"
        )


if __name__ == "__main__":
    main()
