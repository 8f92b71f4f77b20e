"""What a plan costs: seconds, and the peak of memory over the frame's own size.

    python benchmarks/plans.py [ROWS]

Half of the frame's contacts are in the account, of these half with other values.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time

import polars as pl

from sendblue_data import plan_create
from sendblue_data.schema import CONTACT_SCHEMA

MEGABYTE = 1e6
_KILOBYTES = 1024 if sys.platform == "linux" else 1


def people(rows: int, start: int, company: str) -> pl.DataFrame:
    """Make a contacts frame of numbers that belong to nobody: an area code not in use."""
    number = pl.int_range(start, start + rows, dtype=pl.Int64)
    return pl.select(
        contact_id=pl.format("id-{}", number),
        phone=pl.format("+1955{}", number.cast(pl.String).str.zfill(7)),
        first_name=pl.format("First {}", number),
        last_name=pl.format("Last {}", number),
        company_name=pl.lit(company),
        created_at=pl.lit(None, CONTACT_SCHEMA["created_at"]),
        custom_variables=pl.lit(None, CONTACT_SCHEMA["custom_variables"]),
        opt_out=number % 20 == 0,
        verified=number % 3 == 0,
        sendblue_number=pl.lit("+12125550100"),
        tags=pl.concat_list(pl.lit("VIP"), pl.format("Campaign {}", number % 24)),
        assigned_to_email=pl.lit("ana@example.com"),
    ).select(list(CONTACT_SCHEMA))


def peak() -> float:
    """Return the process's peak of memory so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * float(_KILOBYTES)


def main() -> None:
    """Plan, and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", type=int, nargs="?", default=1_000_000)
    rows = parser.parse_args().rows
    mine = people(rows, 0, "Acme").drop("contact_id", "created_at", "verified")
    same, other = people(rows // 4, rows // 2, "Acme"), people(rows // 2, 3 * rows // 4, "Globex")
    account = pl.concat([same, other])
    del same, other
    plan_create(account.head(10), mine.head(10))  # what is loaded once is not the plan's
    before, size = peak(), mine.estimated_size()
    started = time.perf_counter()
    plan = plan_create(account, mine)
    counts = plan.counts
    took = time.perf_counter() - started
    print(
        f"{rows:,} rows of {size / MEGABYTE:.0f} MB: {took:.1f} s, {(peak() - before) / size:.1f} times that size"
    )
    print(f"{counts}; {plan.headline}")


if __name__ == "__main__":
    main()
