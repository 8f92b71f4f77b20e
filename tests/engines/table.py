"""The table of docs/scale.md: what crosses from each engine for each question, how often it reads, and how long it takes.

    python -m tests.engines.table [--check]

Measures the engines that this environment has and keeps the other columns: `make engines` goes through the
environments. With `--check` nothing is written, and it exits with 1 where rows or reads are others than on the page;
seconds are the machine's, and differ each time. `test_what_crosses` and `test_scans` hold the page to what they count.
"""

import argparse
import os
import re
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
from narwhals import dependencies

from sendblue_data._frames import warehouses
from tests.engines.counting import Counted, counted, telling
from tests.engines.questions import ASKED, in_duckdb, people
from tests.warehouses import FRAMES, POSTGRES

PAGE = Path(__file__).parents[2] / "docs" / "scale.md"
PLACE = re.compile(r"(?<=<!-- engines -->\n).*?(?=<!-- /engines -->)", re.DOTALL)
COLUMNS = (
    "Polars, lazy",
    "DuckDB",
    "Spark 3.5",
    "Spark 4",
    "Spark 4, Connect",
    "Ibis, DuckDB",
    "Ibis, PostgreSQL",
    "Dask",
)
CELL = re.compile(r"(\d+|-) · (\d+|-) · ([\d.]+) s")


@dataclass(frozen=True)
class Cell:
    """What one question cost on one engine; None where it can't be counted.

    Attributes:
        rows: that came to this process.
        reads: of the contacts.
        seconds: the second time.
    """

    rows: int | None
    reads: int | None
    seconds: float

    def __str__(self) -> str:
        rows, reads = ("-" if count is None else count for count in (self.rows, self.reads))
        return f"{rows} · {reads} · {self.seconds:.2f} s"

    @classmethod
    def of(cls, text: str) -> "Cell | None":
        """Read it again; None of a cell that was not measured."""
        found = CELL.fullmatch(text.strip())
        if found is None:
            return None
        rows, reads = (None if count == "-" else int(count) for count in found.groups()[:2])
        return cls(rows, reads, float(found[3]))


Table = dict[str, dict[str, Cell | None]]


@cache
def on_the_page() -> Table:
    """The table as the page has it: a question's cells by the name of the engine."""
    found = PLACE.search(PAGE.read_text(encoding="utf-8"))
    lines = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in found[0].split("\n") if "|" in line
    ]
    heads, _, *rows = lines
    return {row[0]: dict(zip(heads[1:], map(Cell.of, row[1:]), strict=True)) for row in rows}


def kept(frame: Any, question: str) -> Cell:
    """What the page has of a question, on the engine of this frame."""
    cell = on_the_page()[question][engine_of(frame)]
    assert cell is not None
    return cell


def engine_of(frame: Any) -> str:
    """The column of the page that a frame belongs to."""
    if warehouses.is_ibis(frame):
        return "Ibis, DuckDB" if frame.get_backend().name == "duckdb" else "Ibis, PostgreSQL"
    if dependencies.is_pyspark_connect_dataframe(frame):
        return "Spark 4, Connect"
    if dependencies.is_pyspark_dataframe(frame):
        return "Spark 3.5" if frame.sparkSession.version.startswith("3.5") else "Spark 4"
    return "Polars, lazy" if isinstance(frame, pl.LazyFrame) else "DuckDB"


def engines(scratch: Path) -> Iterator[tuple[str, Callable[[Counted], Any]]]:
    """The engines that this environment has, and what makes a frame of each."""
    few = people()
    yield "Polars, lazy", partial(telling, few)
    made = {"DuckDB": in_duckdb(few)}
    if find_spec("ibis"):
        made["Ibis, DuckDB"] = FRAMES["ibis_duckdb"](few)
        if os.environ.get(POSTGRES):
            made["Ibis, PostgreSQL"] = FRAMES["postgres"](few)
    if find_spec("dask"):
        made["Dask"] = FRAMES["dask"](few)
    if find_spec("pyspark"):
        from tests.spark_frames import local_spark, spark_frame

        frame = spark_frame(local_spark(), few, scratch / "people.parquet")
        made[engine_of(frame)] = frame
    for name, frame in made.items():
        yield name, lambda _, frame=frame: frame


def measured() -> Table:
    """Ask everything of every engine, twice."""
    table: Table = {question: {} for question in ASKED}
    with TemporaryDirectory() as scratch:
        for name, make in engines(Path(scratch)):
            for question, ask in ASKED.items():
                for _ in range(2):
                    with counted() as seen:
                        frame = make(seen)
                        began = time.perf_counter()
                        ask(frame)
                        took = time.perf_counter() - began
                # Polars computes in this process; Dask's plan names no source.
                rows = None if name == "Polars, lazy" else seen.rows
                table[question][name] = Cell(rows, None if name == "Dask" else seen.reads, took)
    return table


def written(table: Table, before: Table) -> str:
    """The table in Markdown, with the columns of before where an engine was not measured."""
    lines = [f"| question | {' | '.join(COLUMNS)} |", f"| --- |{' --: |' * len(COLUMNS)}"]
    for question, cells in table.items():
        row = [str(cells.get(name) or before.get(question, {}).get(name) or "") for name in COLUMNS]
        lines.append(f"| {question} | {' | '.join(row)} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Measure, and write or compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="write nothing, and say what differs")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    table, before = measured(), on_the_page()
    if not options.check:
        page = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(PLACE.sub(lambda _: written(table, before), page), encoding="utf-8")
        return 0
    wrong = [
        f"{question} on {name}: {cell}, and the page has {there or 'nothing'}"
        for question, cells in table.items()
        for name, cell in cells.items()
        if (there := before.get(question, {}).get(name)) is None
        or (cell.rows, cell.reads) != (there.rows, there.reads)
    ]
    sys.stdout.write("\n".join(wrong or ["the page has what was counted"]) + "\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
