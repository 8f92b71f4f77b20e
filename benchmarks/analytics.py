"""Each aggregate over one Parquet file: ours (on Polars and on DuckDB), DuckDB SQL, and pandas, in one run.

    python -m benchmarks.analytics --contacts 5000000
    python -m benchmarks.analytics --growth 100000 1000000 10000000

All start from the file. The same counts must come out of each, or the run stops. Times are medians of `--repeat`
rounds, taken in turn; pandas runs once. On a machine that is busy with other work, read the ratios of CPU. Peak memory
is that of a process of its own.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

CORES = 2
os.environ.setdefault("POLARS_MAX_THREADS", str(CORES))
sys.path.insert(0, str(Path(__file__).parent.parent))

import duckdb  # noqa: E402
import polars as pl  # noqa: E402

import sendblue_data as ours  # noqa: E402
from benchmarks.contacts_parquet import write_contacts  # noqa: E402
from sendblue_data._frames.grouping import Key  # noqa: E402
from sendblue_data.analytics.by_age import count_by_day  # noqa: E402
from sendblue_data.analytics.cells import count_cells  # noqa: E402

NOW = datetime(2026, 3, 1, tzinfo=UTC)
MACROS = """
CREATE MACRO low(h, n) AS CASE WHEN n > 0 THEN
  (h + 1.9207294103 - 1.9599639845 * sqrt(h * (n - h) / n::DOUBLE + 0.9603647051)) / (n + 3.8414588207) END;
CREATE MACRO high(h, n) AS CASE WHEN n > 0 THEN
  (h + 1.9207294103 + 1.9599639845 * sqrt(h * (n - h) / n::DOUBLE + 0.9603647051)) / (n + 3.8414588207) END;
"""
COUNTS = "count(*) AS contacts, count(opt_out) AS known, count(*) FILTER (opt_out) AS opt_outs"
RATE = (
    "contacts, contacts - known AS unknown, opt_outs, opt_outs / known AS rate, "
    "low(opt_outs, known) AS low, high(opt_outs, known) AS high"
)
UNNESTED = "(SELECT unnest(list_distinct(tags)) AS tag, * EXCLUDE (tags) FROM contacts)"


def rate_sql(key: str, source: str = "contacts") -> str:
    counts = f"SELECT {key}, {COUNTS} FROM {source} GROUP BY ALL"
    return f"SELECT {key}, {RATE} FROM ({counts}) ORDER BY contacts DESC, 1"


def drivers_sql() -> str:
    sets = " UNION ALL ".join(
        f"SELECT '{name}' AS factor, {key} AS level, {COUNTS} FROM {source} "
        f"WHERE {key} IS NOT NULL GROUP BY {key}"
        for name, key, source in (
            ("tag", "tag", UNNESTED),
            ("company", "company_name", "contacts"),
            ("line", "sendblue_number", "contacts"),
            ("owner", "assigned_to_email", "contacts"),
        )
    )
    return (
        "SELECT factor, level, s.contacts, "
        "(s.opt_outs / s.known) / ((t.opt_outs - s.opt_outs) / (t.known - s.known)) AS risk "
        f"FROM ({sets}) s, (SELECT {COUNTS} FROM contacts) t WHERE s.contacts >= 20"
    )


DAYS = "date_diff('microsecond', created_at, TIMESTAMPTZ '2026-03-01 00:00:00+00') // 86400000000"
BAND = "CASE WHEN days < 7 THEN days WHEN days < 56 THEN days - days % 7 ELSE days - days % 28 END"


def adjusted_sql(keys: str) -> str:
    source = f"(SELECT *, {DAYS} AS days FROM contacts WHERE opt_out IS NOT NULL)"
    counts = "count(*) AS contacts, count(*) FILTER (opt_out) AS opt_outs"
    return f"SELECT {BAND} AS age, sendblue_number, {keys}, {counts} FROM {source} GROUP BY ALL"


def adjusted_cells(contacts: Any, key: Key) -> pl.DataFrame:
    cells = count_cells(contacts, [key], ["age", "line", "tags"], as_of=NOW)
    return cells.alike[0].rename({"known": "contacts"})


def pandas_cells(path: str, *keys: str) -> Any:
    import pandas as pd

    frame = read(path, "tags", "company_name", "sendblue_number", "created_at", "opt_out")
    frame = frame[frame["opt_out"].notna()]
    days = (pd.Timestamp(NOW) - frame["created_at"]).dt.days
    frame["age"] = days.where(days < 7, (days // 7 * 7).where(days < 56, days // 28 * 28))
    frame["tags"] = frame["tags"].map(lambda tags: tuple(tags) if tags is not None else ())
    return group(frame, ["age", "sendblue_number", *keys])


def group(frame: Any, keys: list[str]) -> Any:
    """Counts by group in pandas."""
    frame["hit"] = frame["opt_out"] == True  # noqa: E712 -- a column of True, False and None
    return frame.groupby(keys, dropna=False).agg(
        contacts=("hit", "size"), known=("opt_out", "count"), opt_outs=("hit", "sum")
    )


def read(path: str, *columns: str) -> Any:
    import pandas as pd

    return pd.read_parquet(path, columns=list(columns))


def exploded(path: str, *columns: str) -> Any:
    """One row a contact and tag; these contacts have no tag twice, so pandas is spared the check."""
    return read(path, "tags", *columns).explode("tags").dropna(subset="tags")


def pandas_summary(path: str) -> Any:
    frame = exploded(path, "opt_out", "verified", "created_at")
    frame["verified"] = frame["verified"] == True  # noqa: E712
    frame["hit"] = frame["opt_out"] == True  # noqa: E712
    return frame.groupby("tags").agg(
        contacts=("hit", "size"),
        known=("opt_out", "count"),
        opt_outs=("hit", "sum"),
        verified=("verified", "sum"),
        first=("created_at", "min"),
        last=("created_at", "max"),
    )


def pandas_pairs(path: str) -> Any:
    frame = exploded(path).reset_index()
    both = frame.merge(frame, on="index", suffixes=("_a", "_b"))
    return both[both["tags_a"] < both["tags_b"]].groupby(["tags_a", "tags_b"]).agg(contacts=("index", "size"))


def pandas_combinations(path: str) -> Any:
    frame = read(path, "tags", "opt_out")
    frame["tags"] = frame["tags"].map(lambda tags: tuple(sorted(tags)) if tags is not None else ())
    return group(frame, ["tags"])


def pandas_monthly(path: str, *keys: str) -> Any:
    frame = exploded(path, "opt_out", "created_at") if keys else read(path, "opt_out", "created_at")
    frame["month"] = frame["created_at"].dt.tz_localize(None).dt.to_period("M")
    return group(frame, [*keys, "month"])


def pandas_days(path: str, *keys: str) -> Any:
    import pandas as pd

    frame = read(path, "opt_out", "created_at", *keys)
    frame["day"] = (pd.Timestamp(NOW) - frame["created_at"]).dt.days.clip(lower=0)
    return group(frame, [*keys, "day"])


def pandas_funnel(path: str) -> Any:
    import pandas as pd

    frame = read(path, "phone", "opt_out")
    staying = frame["opt_out"] == False  # noqa: E712
    phone = frame["phone"].str.fullmatch(r"\+[1-9][0-9]{6,14}")
    return pd.DataFrame({"contacts": [len(frame), staying.sum(), (staying & phone).sum()]})


def pandas_backlog(path: str) -> Any:
    import pandas as pd

    frame = read(path, "phone", "verified", "opt_out", "created_at")
    frame = frame[frame["verified"] == False]  # noqa: E712
    days = (pd.Timestamp(NOW) - frame["created_at"]).dt.days
    frame["age"] = pd.cut(days, [0, 7, 28, 91, 182, 365, 10**6], right=False)
    frame["to_verify"] = (frame["opt_out"] == False) & frame["phone"].str.fullmatch(r"\+[1-9][0-9]{6,14}")  # noqa: E712
    return frame.groupby("age", observed=False).agg(
        contacts=("phone", "size"), to_verify=("to_verify", "sum")
    )


def pandas_drivers(path: str) -> Any:
    import pandas as pd

    frame = read(path, "company_name", "sendblue_number", "assigned_to_email", "opt_out")
    parts = [group(frame, [key]).dropna() for key in ("company_name", "sendblue_number", "assigned_to_email")]
    parts.append(group(exploded(path, "opt_out"), ["tags"]))
    sets = pd.concat([part[part.index.notna()] for part in parts])
    return sets[sets["contacts"] >= 20]


@dataclass(frozen=True)
class Aggregate:
    """The same table four ways."""

    ours: Callable[[Any], pl.DataFrame]
    sql: str
    pandas: Callable[[str], Any]


REACHABLE = r"NOT opt_out AND regexp_full_match(phone, '\+[1-9][0-9]{6,14}')"
TO_VERIFY = f"NOT verified AND {REACHABLE}"
MONTH = "date_trunc('month', created_at AT TIME ZONE 'UTC')"
AGE = "date_diff('microsecond', created_at, TIMESTAMPTZ '2026-03-01 00:00:00+00') // 86400000000"
AGGREGATES = {
    "opt_out_rate": Aggregate(
        ours.opt_out_rate,
        f"SELECT {RATE} FROM (SELECT {COUNTS} FROM contacts)",
        lambda path: group(read(path, "opt_out").assign(all=1), ["all"]),
    ),
    "opt_out_rate by company": Aggregate(
        lambda contacts: ours.opt_out_rate(contacts, by="company_name"),
        rate_sql("company_name"),
        lambda path: group(read(path, "company_name", "opt_out"), ["company_name"]),
    ),
    "opt_out_rate by tags": Aggregate(
        lambda contacts: ours.opt_out_rate(contacts, by="tags"),
        rate_sql("tag", UNNESTED),
        lambda path: group(exploded(path, "opt_out"), ["tags"]),
    ),
    "opt_out_cohorts": Aggregate(
        lambda contacts: ours.opt_out_cohorts(contacts, as_of=NOW),
        rate_sql("cohort", f"(SELECT {MONTH} AS cohort, opt_out FROM contacts)"),
        pandas_monthly,
    ),
    "opt_out_rate by tags, shrunken": Aggregate(
        lambda contacts: ours.opt_out_rate(contacts, by="tags", shrink=True),
        rate_sql("tag", UNNESTED),
        lambda path: group(exploded(path, "opt_out"), ["tags"]),
    ),
    "opt_out_by_age: its cells": Aggregate(
        lambda contacts: count_by_day(contacts, [], NOW),
        f"SELECT greatest({DAYS}, 0) AS day, {COUNTS} FROM contacts GROUP BY ALL ORDER BY day",
        pandas_days,
    ),
    "opt_out_by_age by line: its cells": Aggregate(
        lambda contacts: count_by_day(contacts, [Key("sendblue_number", "sendblue_number")], NOW),
        f"SELECT sendblue_number, greatest({DAYS}, 0) AS day, {COUNTS} FROM contacts GROUP BY ALL ORDER BY ALL",
        lambda path: pandas_days(path, "sendblue_number"),
    ),
    "opt_out_drivers": Aggregate(ours.opt_out_drivers, drivers_sql(), pandas_drivers),
    "opt_out_drivers, adjusted: its cells": Aggregate(
        lambda contacts: adjusted_cells(contacts, Key("tag", "tags")),
        adjusted_sql("tags"),
        lambda path: pandas_cells(path, "tags"),
    ),
    "opt_out_drivers, adjusted: cells of companies": Aggregate(
        lambda contacts: adjusted_cells(contacts, Key("company_name", "company_name")),
        adjusted_sql("company_name, tags"),
        lambda path: pandas_cells(path, "company_name", "tags"),
    ),
    "tag_summary": Aggregate(
        ours.tag_summary,
        f"SELECT tag, {RATE}, contacts / (SELECT count(*) FROM contacts) AS share, verified, first, last "
        f"FROM (SELECT tag, {COUNTS}, "
        "count(*) FILTER (verified) AS verified, min(created_at) AS first, max(created_at) AS last "
        f"FROM {UNNESTED} GROUP BY tag) ORDER BY contacts DESC, tag",
        pandas_summary,
    ),
    "tag_pairs": Aggregate(
        ours.tag_pairs,
        "WITH lists AS (SELECT list_distinct(tags) AS tags FROM contacts), "
        "one AS (SELECT tag, count(*) AS n FROM (SELECT unnest(tags) AS tag FROM lists) GROUP BY tag), "
        "two AS (SELECT a, b, count(*) AS contacts FROM (SELECT a, unnest(tags) AS b FROM "
        "(SELECT tags, unnest(tags) AS a FROM lists)) WHERE a < b GROUP BY a, b) "
        "SELECT a, b, contacts, contacts / (x.n + y.n - contacts) AS jaccard, "
        "contacts / x.n / y.n * (SELECT count(*) FROM contacts) AS lift "
        "FROM two JOIN one x ON x.tag = a JOIN one y ON y.tag = b ORDER BY contacts DESC, a, b",
        pandas_pairs,
    ),
    "tag_combinations": Aggregate(
        ours.tag_combinations,
        rate_sql(
            "tags", "(SELECT coalesce(list_sort(list_distinct(tags)), []) AS tags, opt_out FROM contacts)"
        ),
        pandas_combinations,
    ),
    "tag_growth": Aggregate(
        ours.tag_growth,
        "SELECT tag, month, contacts, sum(contacts) OVER (PARTITION BY tag ORDER BY month) FROM "
        f"(SELECT tag, {MONTH} AS month, count(*) AS contacts FROM {UNNESTED} GROUP BY ALL) "
        "ORDER BY tag, month",
        lambda path: pandas_monthly(path, "tags"),
    ),
    "verification_rate by line": Aggregate(
        lambda contacts: ours.verification_rate(contacts, by="sendblue_number"),
        rate_sql("sendblue_number").replace("opt_out)", "verified)"),
        lambda path: group(
            read(path, "sendblue_number", "verified").rename(columns={"verified": "opt_out"}),
            ["sendblue_number"],
        ),
    ),
    "verification_funnel": Aggregate(
        ours.verification_funnel,
        "SELECT unnest([count(*), count(*) FILTER (NOT opt_out), "
        f"count(*) FILTER ({REACHABLE})]) AS contacts FROM contacts",
        pandas_funnel,
    ),
    "verification_backlog": Aggregate(
        lambda contacts: ours.verification_backlog(contacts, as_of=NOW),
        "SELECT CASE WHEN age < 7 THEN 0 WHEN age < 28 THEN 1 WHEN age < 91 THEN 2 WHEN age < 182 THEN 3 "
        "WHEN age < 365 THEN 4 ELSE 5 END AS row, count(*) AS contacts, "
        "count(*) FILTER (ready) AS to_verify FROM "
        f"(SELECT {AGE} AS age, {TO_VERIFY} AS ready "
        "FROM contacts WHERE NOT verified) GROUP BY row",
        pandas_backlog,
    ),
}


def connect(path: str) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute(f"SET threads = {CORES}")
    connection.execute(MACROS)
    connection.execute(f"CREATE VIEW contacts AS FROM '{path}'")
    return connection


def timed(run: Callable[[], Any]) -> tuple["Taken", Any]:
    clock, cpu = time.perf_counter(), time.process_time()
    result = run()
    return Taken(time.perf_counter() - clock, time.process_time() - cpu), result


def checksum(table: Any) -> list[int]:
    """The counts of a table, in no order: what must be the same from each engine."""
    counts = table["contacts"].to_list() if isinstance(table, pl.DataFrame) else table["contacts"].tolist()
    return sorted(int(count) for count in counts if count)


class Taken(NamedTuple):
    """Seconds by the clock and of CPU."""

    clock: float
    cpu: float

    def beside(self, other: "Taken") -> list[str]:
        """The clock's seconds, and how many times the other's they are, by the clock and by CPU."""
        ratios = (mine / theirs for mine, theirs in zip(self, other, strict=True))
        return [f"{self.clock:.3f} s", *(f"{ratio:.2f}" for ratio in ratios)]


def measure(name: str, path: str, repeat: int, *, with_pandas: bool) -> dict[str, Taken]:
    aggregate = AGGREGATES[name]
    connection = connect(path)
    ways = {
        "polars": lambda: aggregate.ours(pl.scan_parquet(path)),
        "duckdb": lambda: aggregate.ours(connection.table("contacts")),
        "sql": lambda: connection.sql(aggregate.sql).pl(),
    }
    rounds: dict[str, list[Taken]] = {way: [] for way in ways}
    seen: list[int] | None = None
    for _ in range(repeat):
        for way, run in ways.items():
            taken, table = timed(run)
            rounds[way].append(taken)
            seen = agreed(name, way, seen, table)
    found = {way: Taken(*map(median, zip(*taken, strict=True))) for way, taken in rounds.items()}
    if with_pandas:
        found["pandas"], table = timed(lambda: aggregate.pandas(path))
        agreed(name, "pandas", seen, table)
    return found


def agreed(name: str, way: str, seen: list[int] | None, table: Any) -> list[int]:
    found = checksum(table)
    if seen is not None and found != seen:
        sys.exit(f"{name}: {way} counts {found[-5:]} ({len(found)}), not {seen[-5:]} ({len(seen)})")
    return found


def peak_mib(name: str, path: str) -> int:
    """The most memory that a process takes which does this and nothing else."""
    command = [sys.executable, __file__, "--parquet", path, "--peak-of", name]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def show(path: str, repeat: int, *, with_pandas: bool) -> None:
    heads = [
        "aggregate",
        "ours, Polars",
        "/ SQL",
        "CPU / SQL",
        "ours, DuckDB",
        "/ SQL",
        "CPU / SQL",
        "DuckDB SQL",
        "pandas",
        "/ ours",
        "peak",
    ]
    print(f"| {' | '.join(heads)} |\n| --- |{' --: |' * (len(heads) - 1)}")
    for name in AGGREGATES:
        found = measure(name, path, repeat, with_pandas=with_pandas)
        mine, sql = found["polars"], found["sql"]
        cells = [name, *mine.beside(sql), *found["duckdb"].beside(sql), f"{sql.clock:.3f} s"]
        if with_pandas:
            cells += [f"{found['pandas'].clock:.2f} s", f"{found['pandas'].clock / mine.clock:.0f}"]
        else:
            cells += ["-", "-"]
        print(f"| {' | '.join([*cells, f'{peak_mib(name, path)} MiB'])} |", flush=True)


def show_growth(sizes: list[int], folder: Path, repeat: int) -> None:
    print("| aggregate | " + " | ".join(f"{size:,}" for size in sizes) + " |")
    print("| --- |" + " --: |" * len(sizes))
    paths = {size: str(folder / f"{size}.parquet") for size in sizes}
    for size, path in paths.items():
        write_contacts(Path(path), size)
    for name, aggregate in AGGREGATES.items():
        cells = []
        for size, path in paths.items():
            runs = [timed(partial(aggregate.ours, pl.scan_parquet(path)))[0].clock for _ in range(repeat)]
            cells.append(f"{min(runs):.3f} s ({min(runs) / size * 1e9:.0f} ns each)")
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--contacts", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--no-pandas", action="store_true")
    parser.add_argument(
        "--growth", type=int, nargs="+", metavar="CONTACTS", help="time ours at these sizes instead"
    )
    parser.add_argument("--parquet", help="a file to use instead of made-up contacts")
    parser.add_argument("--peak-of", choices=AGGREGATES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peak_of:
        AGGREGATES[options.peak_of].ours(pl.scan_parquet(options.parquet))
        # Not ru_maxrss: a process begins with what the one that started it had.
        [high_water] = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
        print(int(high_water) // 1024)
        return
    with tempfile.TemporaryDirectory() as folder:
        if options.growth:
            show_growth(options.growth, Path(folder), options.repeat)
            return
        path = options.parquet or str(Path(folder) / "contacts.parquet")
        if not options.parquet:
            write_contacts(Path(path), options.contacts)
        rows = pl.scan_parquet(path).select(pl.len()).collect().item()
        print(f"{rows:,} contacts, {Path(path).stat().st_size / 2**20:.0f} MiB of Parquet, {CORES} cores\n")
        show(path, options.repeat, with_pandas=not options.no_pandas)


if __name__ == "__main__":
    main()
