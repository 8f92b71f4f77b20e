"""Figures of messages over two Parquet files: ours (on Polars and on DuckDB) beside DuckDB's SQL for the same.

    python -m benchmarks.messages_analytics --messages 5000000 --contacts 500000

All start from the files, with two threads each. The same counts must come out of each, or the run stops. Times are the
best of `--repeat`, taken in turn.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

CORES = 2
os.environ.setdefault("POLARS_MAX_THREADS", str(CORES))
sys.path.insert(0, str(Path(__file__).parent.parent))

import duckdb  # noqa: E402
import numpy as np  # noqa: E402
import polars as pl  # noqa: E402

import sendblue_data as ours  # noqa: E402
from benchmarks.keep import missed  # noqa: E402

NOW = datetime(2026, 3, 1, tzinfo=UTC)
DAYS = 90
TARGET = 1.0
TOLD = ["delivered", "unknown", "unplaced", "open", "opt_outs", "unattributed"]
COUNTS = ["texts", "replies", "texts_7d", "texts_30d"]
DELIVERED = "is_outbound AND status IN ('DELIVERED', 'RECEIVED', 'SENT', 'SUCCESS')"
PERSONAL = "phone IS NOT NULL AND coalesce(message_type, 'message') <> 'group' AND moment IS NOT NULL"
DATED = "SELECT *, coalesce(date_sent, date_updated) AS moment FROM read_parquet('{messages}')"
ENGAGEMENT = f"""
WITH m AS ({DATED}),
     sent AS (SELECT *, {DELIVERED} AS sent FROM m
              WHERE {PERSONAL} AND moment <= TIMESTAMPTZ '2026-03-01 00:00:00+00'
                AND (({DELIVERED}) OR (NOT is_outbound AND keyword IS NULL))),
     people AS (SELECT phone, max(moment) FILTER (sent) AS last_text_at, max(moment) FILTER (NOT sent) AS last_reply_at,
                       count(*) FILTER (sent) AS texts, count(*) FILTER (NOT sent) AS replies,
                       count(*) FILTER (sent AND moment > TIMESTAMPTZ '2026-02-22 00:00:00+00') AS texts_7d,
                       count(*) FILTER (sent AND moment > TIMESTAMPTZ '2026-01-30 00:00:00+00') AS texts_30d
                FROM sent GROUP BY phone)
SELECT c.*, last_text_at, last_reply_at, coalesce(texts, 0) AS texts, coalesce(replies, 0) AS replies,
       coalesce(texts_7d, 0) AS texts_7d, coalesce(texts_30d, 0) AS texts_30d
FROM read_parquet('{{contacts}}') c LEFT JOIN people USING (phone)
"""
HELD = "'ERROR', 'DECLINED', 'REGISTERED', 'PENDING', 'QUEUED', 'ACCEPTED'"
SETTLED = f"'DELIVERED', 'RECEIVED', 'SENT', 'SUCCESS', {HELD}"
PER_MESSAGE = f"""
WITH m AS ({DATED}),
     people AS (SELECT phone, company_name FROM read_parquet('{{contacts}}')),
     newest AS (SELECT max(moment) AS newest FROM m),
     texts AS (SELECT phone, moment, message_handle FROM m WHERE {DELIVERED} AND {PERSONAL}),
     words AS (SELECT coalesce(phone, from_number) AS phone, moment, keyword,
                      coalesce(lag(keyword) OVER w, 'start') AS previous FROM m
               WHERE NOT coalesce(is_outbound, false) AND keyword IN ('stop', 'start') AND moment IS NOT NULL
               WINDOW w AS (PARTITION BY coalesce(phone, from_number) ORDER BY moment, keyword)),
     changes AS (SELECT phone, moment, keyword,
                        lag(moment) OVER (PARTITION BY phone ORDER BY moment, keyword) AS started
                 FROM words WHERE keyword <> previous),
     laid AS (SELECT c.phone, c.moment, max(t.moment) AS at
              FROM changes c JOIN texts t ON t.phone = c.phone AND t.moment <= c.moment
               AND t.moment >= c.moment - INTERVAL 7 DAY AND (started IS NULL OR t.moment > started)
              WHERE keyword = 'stop' GROUP BY ALL),
     counts AS (SELECT company_name, count(*) FILTER ({DELIVERED} AND {PERSONAL}) AS delivered,
                       count(*) FILTER ({PERSONAL} AND coalesce(status NOT IN ({SETTLED}), true)) AS unknown,
                       count(*) FILTER (NOT ({PERSONAL}) AND coalesce(status NOT IN ({HELD}), true)) AS unplaced,
                       count(*) FILTER ({DELIVERED} AND {PERSONAL} AND moment > newest - INTERVAL 7 DAY) AS open
                FROM m LEFT JOIN people USING (phone), newest WHERE is_outbound GROUP BY ALL),
     outs AS (SELECT company_name, count(*) AS opt_outs FROM laid LEFT JOIN people USING (phone) GROUP BY ALL)
SELECT counts.*, coalesce(opt_outs, 0) AS opt_outs,
       (SELECT count(*) FROM changes WHERE keyword = 'stop') - (SELECT count(*) FROM laid) AS unattributed
FROM counts LEFT JOIN outs ON counts.company_name IS NOT DISTINCT FROM outs.company_name ORDER BY delivered DESC, 1
"""


def write_files(folder: Path, messages: int, contacts: int) -> tuple[str, str]:
    """Messages of campaigns: three in four go out, some are answered, one in two hundred answers is a stop."""
    rng = np.random.default_rng(7)
    phones = pl.Series([f"+1555{n:07}" for n in range(contacts)])
    people = pl.DataFrame(
        {
            "contact_id": pl.Series([f"c{n}" for n in range(contacts)]),
            "phone": phones,
            "company_name": pl.Series([f"company {n}" for n in rng.integers(0, 40, contacts)]),
        }
    )
    outbound = rng.random(messages) < 0.75
    who = pl.Series(rng.integers(0, contacts, messages))
    status = np.where(
        outbound,
        rng.choice(["DELIVERED", "SENT", "ERROR", "QUEUED"], messages, p=[0.8, 0.1, 0.07, 0.03]),
        "RECEIVED",
    )
    word = np.where(rng.random(messages) < 0.02, "stop", np.where(rng.random(messages) < 0.002, "start", ""))
    at = pl.Series(rng.integers(0, DAYS * 86_400_000_000, messages)).cast(pl.Duration("us"))
    start = datetime(2025, 12, 1, tzinfo=UTC)
    frame = pl.DataFrame(
        {
            "message_handle": pl.Series(np.arange(messages)).cast(pl.String),
            "phone": phones.gather(who),
            "is_outbound": outbound,
            "status": status,
            "keyword": pl.Series(np.where(outbound, "", word)).replace("", None),
            "service": rng.choice(["iMessage", "SMS"], messages, p=[0.7, 0.3]),
            "date_sent": pl.select(pl.lit(start, pl.Datetime("us", "UTC")) + at).to_series(),
            "message_type": pl.repeat("message", messages, eager=True),
        }
    ).sort("date_sent")
    whole = pl.concat([ours.MESSAGE_SCHEMA.to_frame(), frame], how="diagonal")
    everybody = pl.concat([ours.CONTACT_SCHEMA.to_frame(), people], how="diagonal")
    paths = str(folder / "messages.parquet"), str(folder / "contacts.parquet")
    whole.write_parquet(paths[0])
    everybody.drop("custom_variables").write_parquet(paths[1])
    return paths


def best(works: list[Callable[[], Any]], repeat: int) -> tuple[list[float], list[float], list[Any]]:
    """The least seconds and CPU seconds of each, and its answer; in turn, so that a busy machine hits all alike."""
    seconds, cpu = [float("inf")] * len(works), [float("inf")] * len(works)
    answers: list[Any] = [None] * len(works)
    for _ in range(repeat):
        for place, work in enumerate(works):
            began, burnt = time.perf_counter(), time.process_time()
            answers[place] = work()
            seconds[place] = min(seconds[place], time.perf_counter() - began)
            cpu[place] = min(cpu[place], time.process_time() - burnt)
    return seconds, cpu, answers


def fresh() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute(f"SET threads = {CORES}")
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def engagement_polars(messages: str, contacts: str) -> pl.DataFrame:
    table = ours.engagement(pl.scan_parquet(contacts), pl.scan_parquet(messages), as_of=NOW)
    return table.collect(engine="streaming")


def engagement_duckdb(messages: str, contacts: str) -> pl.DataFrame:
    connection = fresh()
    people, sent = connection.read_parquet(contacts), connection.read_parquet(messages)
    return ours.engagement(people, sent, as_of=NOW).pl()


def engagement_sql(messages: str, contacts: str) -> pl.DataFrame:
    return fresh().sql(ENGAGEMENT.format(messages=messages, contacts=contacts)).pl()


def per_message_polars(messages: str, contacts: str) -> pl.DataFrame:
    sent, people = pl.scan_parquet(messages), pl.scan_parquet(contacts)
    return ours.opt_outs_per_message(sent, by="company_name", contacts=people)


def per_message_duckdb(messages: str, contacts: str) -> pl.DataFrame:
    connection = fresh()
    people, sent = connection.read_parquet(contacts), connection.read_parquet(messages)
    return ours.opt_outs_per_message(sent, by="company_name", contacts=people)


def per_message_sql(messages: str, contacts: str) -> pl.DataFrame:
    return fresh().sql(PER_MESSAGE.format(messages=messages, contacts=contacts)).pl()


FIGURES: dict[str, tuple[Callable[[str, str], pl.DataFrame], ...]] = {
    "engagement": (engagement_polars, engagement_duckdb, engagement_sql),
    "opt_outs_per_message": (per_message_polars, per_message_duckdb, per_message_sql),
}


def told(name: str, table: pl.DataFrame) -> Any:
    """What must be the same of each."""
    if name == "engagement":
        return table.select(pl.len(), *(pl.col(column).sum().cast(pl.Int64) for column in COUNTS)).row(0)
    return table.select("company_name", *TOLD).sort("company_name").rows()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=5_000_000)
    parser.add_argument("--contacts", type=int, default=500_000)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        paths = write_files(Path(folder), options.messages, options.contacts)
        print(f"{options.messages:,} messages, {options.contacts:,} contacts, {CORES} threads\n")
        print("| figure | ours, Polars | ours, DuckDB | DuckDB SQL | ours / SQL | CPU, ours / SQL | target |")
        print("| --- | --: | --: | --: | --: | --: | --: |")
        for name, works in FIGURES.items():
            asked = [lambda work=work: work(*paths) for work in works]
            seconds, cpu, tables = best(asked, options.repeat)
            answers = [told(name, table) for table in tables]
            if answers[1:] != answers[:-1]:
                raise SystemExit(f"{name}: the counts differ: {answers}")
            cells = " | ".join(f"{one:.2f} s" for one in seconds)
            ratio, burnt = min(seconds[:2]) / seconds[2], min(cpu[:2]) / cpu[2]
            print(f"| {name} | {cells} | {ratio:.2f} | {burnt:.2f} | ≤ {TARGET}{missed(ratio, TARGET)} |")


if __name__ == "__main__":
    main()
