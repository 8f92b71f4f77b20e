"""A list as it was read, before anybody knows what its columns mean."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import polars as pl

from sendblue_data._frames.contact_text import Form
from sendblue_data._shared.text import one_line
from sendblue_data.errors import FrameError, SendblueError

_LONGEST = 200
"""Characters of a library's own words that an error repeats."""


@dataclass(frozen=True)
class Table:
    """A list as it was read.

    Attributes:
        label: what it was read from, for errors and the card.
        headers: as they stand above the columns, several of one name perhaps.
        columns: the columns, text wherever the source was a text; a frame's lists, maps and flags keep their type.
        rows: the number of each row, as whoever made the list counts.
        notes: how it was read.
        broken: by position, why the cells of a row can't be told apart.
        form: of a file of texts, how one of ours would be written.
    """

    label: str
    headers: list[str]
    columns: list[pl.Series]
    rows: pl.Series
    notes: list[str] = field(default_factory=list)
    broken: dict[int, str] = field(default_factory=dict)
    form: Form | None = None

    @property
    def height(self) -> int:
        """Rows."""
        return self.rows.len()


def table_of(label: str, frame: pl.DataFrame, first_row: int, notes: list[str]) -> Table:
    """Make a table of a frame whose names are the headers."""
    rows = pl.int_range(first_row, first_row + frame.height, dtype=pl.UInt32, eager=True).alias("row")
    return Table(label, frame.columns, frame.get_columns(), rows, notes)


@contextmanager
def one_error(label: str, what: str, remedy: str) -> Iterator[None]:
    """Turn what a reader of files raises for bytes that are not what they seem into one error of the family.

    Raises:
        FrameError: the reader raised anything, a panic of its Rust code included.
    """
    try:
        yield
    except (SendblueError, KeyboardInterrupt, SystemExit, GeneratorExit, MemoryError):
        raise
    except BaseException as error:
        if not isinstance(error, Exception) and "Panic" not in type(error).__name__:
            raise
        told = one_line(str(error).partition("\n")[0])[:_LONGEST]
        raise FrameError(f"{label} can't be read as {what} ({told}). {remedy}") from None
    finally:
        sys.stderr.flush()
