"""The same tables on each engine, each in a process of its own: seconds, rows that came, and the most memory.

python -m benchmarks.engines --contacts 1000000 [--copies 5] [--engines DuckDB "Polars, lazy"]

Each table is asked twice: `first s, second s`, and of an engine that is not Polars, the rows that came of it. With
copies the same file lies in a folder several times, so that 50,000,000 rows take the disk of 10,000,000.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.contacts_parquet import write_contacts
from sendblue_data import (
    has_tag,
    opt_out_cohorts,
    opt_out_drivers,
    opt_out_rate,
    opted_out,
    segment_overlap,
    tag_pairs,
    tag_summary,
    verification_funnel,
)
from tests.engines.counting import counted

TABLES: dict[str, Callable[[Any], pl.DataFrame]] = {
    "opt_out_rate by company": lambda contacts: opt_out_rate(contacts, by="company_name"),
    "opt_out_rate by tags": lambda contacts: opt_out_rate(contacts, by="tags"),
    "tag_pairs": tag_pairs,
    "tag_summary": tag_summary,
    "opt_out_cohorts": opt_out_cohorts,
    "opt_out_drivers": opt_out_drivers,
    "verification_funnel": verification_funnel,
    "segment_overlap": lambda contacts: segment_overlap(
        contacts, {"VIP": has_tag("VIP"), "Lead": has_tag("Lead"), "out": opted_out()}
    ),
}
SHORT = ["opt_out_rate by company", "opt_out_rate by tags", "tag_pairs"]


def duckdb_relation(path: str) -> Any:
    import duckdb

    connection = duckdb.connect()
    connection.execute("SET threads = 2")
    return connection.read_parquet(path)


def spark_frame(path: str) -> Any:
    from pyspark.sql import SparkSession

    session = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    return session.read.parquet(path)


ENGINES: dict[str, Callable[[str], Any]] = {
    "Polars, eager": pl.read_parquet,
    "Polars, lazy": pl.scan_parquet,
    "DuckDB": duckdb_relation,
    "PySpark, local[2]": spark_frame,
}


def measure(engine: str, path: str, tables: list[str]) -> None:
    """Print the start, then a first and a second time for each table, then the peak in MiB."""
    began = time.perf_counter()
    contacts = ENGINES[engine](path)
    figures = [f"{time.perf_counter() - began:.2f} s"]
    for name in tables:
        times = []
        for _ in range(2):
            began = time.perf_counter()
            with counted() as seen:
                TABLES[name](contacts)
            times.append(time.perf_counter() - began)
        came = "" if engine.startswith("Polars") else f" · {seen.rows}"
        figures.append(f"{times[0]:.2f} s, {times[1]:.2f} s{came}")
    figures.append(f"{peak_mib('self')} MiB")
    if engine.startswith("PySpark"):  # its driver is a Java process, and in local mode its executor too
        java = contacts.sparkSession.sparkContext._gateway.proc.pid  # noqa: SLF001 -- nothing else tells it
        figures[-1] += f", Java {peak_mib(java)} MiB"
    print(" | ".join(figures))


def peak_mib(process: int | str) -> int:
    """The most memory that a process has had."""
    status = Path(f"/proc/{process}/status").read_text().splitlines()
    [peak] = [line.split()[1] for line in status if line.startswith("VmHWM")]
    return int(peak) // 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--contacts", type=int, default=1_000_000)
    parser.add_argument("--copies", type=int, default=1, help="of each contact")
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=list(ENGINES))
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=SHORT)
    parser.add_argument("--engine", choices=ENGINES, help=argparse.SUPPRESS)
    parser.add_argument("--parquet", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.engine:
        measure(options.engine, options.parquet, options.tables)
        return
    with tempfile.TemporaryDirectory() as folder:
        first = Path(folder) / "0.parquet"
        write_contacts(first, options.contacts)
        for number in range(1, options.copies):
            (Path(folder) / f"{number}.parquet").hardlink_to(first)
        path = f"{folder}/*.parquet"
        print(f"{options.contacts * options.copies:,} contacts; each table a first and a second time\n")
        print(
            f"| engine | open | {' | '.join(options.tables)} | peak |\n| --- |{' --: |' * (len(options.tables) + 2)}"
        )
        for engine in options.engines:
            command = [sys.executable, "-m", "benchmarks.engines", "--engine", engine, "--parquet", path]
            command += ["--tables", *options.tables]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            print(f"| {engine} | {done.stdout.strip()} |", flush=True)


if __name__ == "__main__":
    main()
