"""How many rows may come from another engine to this machine where that engine can't count by itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import narwhals as nw
from narwhals import dependencies

from sendblue_data._shared.validation import check_number
from sendblue_data.errors import FrameError

MOST = 1_000_000
_most: ContextVar[int] = ContextVar("max_rows_to_client", default=MOST)


@contextmanager
def max_rows_to_client(rows: int) -> Iterator[None]:
    """Allow more rows, or fewer, to come from another engine where it can't count by itself; 1,000,000 without.

    Spark, Ibis and Dask frames may hold more than this machine. Most functions count where they are; some questions
    (a Polars expression on Ibis, any on Dask) and all writes need the rows here. They ask how many there are first,
    and refuse more than this.

    Args:
        rows: the most, within the block.

    Raises:
        ConfigurationError: it is no number from 0.

    Example:
        >>> with max_rows_to_client(5_000_000):
        ...     pass  # opt_out_rate(dask_frame)
    """
    check_number("max_rows_to_client", rows, lambda number: number >= 0, "a number of rows, 0 or more")
    token = _most.set(rows)
    try:
        yield
    finally:
        _most.reset(token)


def check_bound(contacts: Any) -> None:
    """Refuse a frame that lies elsewhere and has more rows than may come here.

    Raises:
        FrameError: so it is; it says how to allow it.
    """
    frame = nw.from_native(contacts)
    if not isinstance(frame, nw.LazyFrame) or dependencies.is_duckdb_relation(contacts):
        return
    rows = int(frame.select(nw.len().alias("rows")).collect("polars").to_native().item())
    if rows > _most.get():
        raise FrameError(
            f"this {type(contacts).__module__.partition('.')[0]} frame has {rows:,} rows, and what is asked of it "
            f"can't be counted where it is: all would come to this machine, and {_most.get():,} may. Filter it first, "
            f"ask in columns that are in it, or allow it: with sendblue_data.max_rows_to_client({rows}): ..."
        )
