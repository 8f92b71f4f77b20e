"""Contacts as Polars frames one after another, of whatever holds them: what does not fit in memory passes by."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping
from typing import Any, Generic, TypeVar

import polars as pl
from narwhals import dependencies

from sendblue_data._frames.conversion import as_contacts, is_frame, no_frame, pyarrow_needed, to_polars
from sendblue_data._frames.parquet_files import opened
from sendblue_data.errors import FrameError

BATCH_ROWS = 50_000
"""Rows of a frame that is read from files: some 15 MiB of contacts."""

Returned = TypeVar("Returned")


class Batches(Generic[Returned]):
    """Frames of one schema, counted as they pass.

    Attributes:
        schema: that of the first frame; None before it came.
        count: frames that came.
        rows: rows in them.
        returned: what the generator that made them returned, such as the evidence of a pull.
    """

    def __init__(self, frames: Iterable[pl.DataFrame]) -> None:
        self._frames = frames
        self.schema: pl.Schema | None = None
        self.count = self.rows = 0
        self.returned: Returned | None = None

    def __iter__(self) -> Iterator[pl.DataFrame]:
        frames = iter(self._frames)
        try:
            while True:
                yield self._checked(next(frames))
        except StopIteration as end:
            self.returned = end.value
        finally:
            # A disk that is full must end the pull as well.
            if isinstance(self._frames, Generator):
                self._frames.close()

    def _checked(self, frame: pl.DataFrame) -> pl.DataFrame:
        if not isinstance(frame, pl.DataFrame):
            raise FrameError(
                f"found a {type(frame).__name__} where a Polars frame was expected. "
                "Pass a frame, or an iterable of frames such as iter_contacts(client)."
            )
        schema = self.schema = self.schema or frame.schema
        if frame.schema != schema:
            other = next(
                (name for name in schema if frame.schema.get(name) != schema[name]),
                next((name for name in frame.columns if name not in schema), "order of columns"),
            )
            raise FrameError(
                f"frame {self.count} differs from the frames before it in {other}. "
                "Select the same columns, with the same types, in each."
            )
        self.count += 1
        self.rows += frame.height
        return frame


def in_batches(contacts: Any) -> Iterable[pl.DataFrame]:
    """Return a frame of any engine, or frames one after another, as Polars frames one after another.

    A lazy frame, Parquet files by their path and a Spark frame come in parts, so that they need not fit in memory;
    others whole.

    Raises:
        FrameError: it is neither.

    Example:
        >>> [frame.height for frame in in_batches(pl.LazyFrame({"phone": ["+12125550100"]}))]
        [1]
    """
    contacts = opened(contacts)
    if isinstance(contacts, pl.DataFrame):
        return [contacts]
    if isinstance(contacts, pl.LazyFrame):
        return _computed(contacts)
    if dependencies.is_pyspark_dataframe(contacts) or dependencies.is_pyspark_connect_dataframe(contacts):
        return _of_spark(contacts)
    if is_frame(contacts):
        return [to_polars(contacts)]
    if isinstance(contacts, Mapping) or not isinstance(contacts, Iterable):
        raise no_frame(contacts)
    return contacts


def _computed(contacts: pl.LazyFrame) -> Iterator[pl.DataFrame]:
    try:
        yield from contacts.collect_batches(chunk_size=BATCH_ROWS)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise FrameError(
            f"the lazy frame can't be computed ({error}). Check what it is read from."
        ) from error


def _of_spark(contacts: Any) -> Iterator[pl.DataFrame]:
    """Yield a Spark frame's rows, one partition after another, as Arrow that its executors pack.

    The executors need PyArrow, which Spark's own Arrow functions need too, and nothing of this package.
    """
    with pyarrow_needed(contacts):
        import pyarrow  # noqa: F401, ICN001, PLC0415 -- told here when it is missing

    def packed(batches: Iterator[Any]) -> Iterator[Any]:
        import pyarrow as pa  # noqa: PLC0415 -- in the executor

        for batch in batches:
            stream = pa.BufferOutputStream()
            with pa.ipc.new_stream(stream, batch.schema) as writer:
                writer.write_batch(batch)
            yield pa.RecordBatch.from_pydict({"rows": [stream.getvalue().to_pybytes()]})

    for row in contacts.mapInArrow(packed, "rows binary").toLocalIterator():
        stream = bytes(row["rows"])  # a bytearray of Spark 3.5, which Polars does not read
        yield as_contacts(pl.read_ipc_stream(stream).lazy()).collect()
