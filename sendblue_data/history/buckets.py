"""Frames that wait in a file: one after another, or by a number, so that what belongs together is read together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import polars as pl

from sendblue_data._shared.files import OWNER_ONLY
from sendblue_data.errors import FileNotWrittenError

_BUCKET = "h_bucket"


class Piece(NamedTuple):
    """Where a frame lies in its file, in bytes."""

    start: int
    size: int


class SpillFile:
    """Frames one after another in one file, for its owner alone: thousands of small files cost more than they hold.

    Args:
        path: a new file is made there.
    """

    def __init__(self, path: Path) -> None:
        path.touch(mode=OWNER_ONLY, exist_ok=False)
        self._path = path
        self._end = 0

    def add(self, frame: pl.DataFrame) -> Piece:
        """Write a frame after the others.

        Raises:
            FileNotWrittenError: the disk does not take it.
        """
        packed = BytesIO()
        try:
            frame.write_ipc_stream(packed, compression="lz4")
            with self._path.open("ab") as file:
                file.write(packed.getbuffer())
        except (OSError, pl.exceptions.PolarsError) as error:
            raise FileNotWrittenError(
                f"The temporary folder {self._path.parent} can't be written ({error}); nothing was recorded. Free the "
                "disk, or name another in the environment variable TMPDIR."
            ) from error
        piece = Piece(self._end, packed.tell())
        self._end += piece.size
        return piece

    def read(self, piece: Piece, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """Return a frame, or some of its columns."""
        with self._path.open("rb") as file:
            file.seek(piece.start)
            packed = file.read(piece.size)
        return pl.read_ipc_stream(packed, columns=None if columns is None else list(columns))


class Buckets:
    """Rows by bucket, in a file; each bucket keeps the order in which rows came.

    Args:
        path: a new file is made there.
        schema: of the rows.
        at_once: rows that wait in memory before they are written: more of them make fewer and larger pieces.

    Attributes:
        empty: a frame of that schema without rows.
    """

    def __init__(self, path: Path, schema: pl.Schema, *, at_once: int) -> None:
        self.empty = schema.to_frame()
        self._file = SpillFile(path)
        self._at_once = at_once
        self._waiting: list[pl.DataFrame] = []
        self._rows = 0
        self._of: dict[int, list[Piece]] = defaultdict(list)

    def add(self, frame: pl.DataFrame, bucket: pl.Expr) -> None:
        """Put each row into the bucket that `bucket`, a whole number, says."""
        self._waiting.append(frame.select(*self.empty.columns, bucket.cast(pl.Int64).alias(_BUCKET)))
        self._rows += frame.height
        if self._rows >= self._at_once:
            self._flush()

    def _flush(self) -> None:
        if not self._rows:
            return
        waiting = pl.concat(self._waiting)
        self._waiting, self._rows = [], 0
        for (number,), frame in waiting.partition_by(
            _BUCKET, as_dict=True, include_key=False, maintain_order=True
        ).items():
            self._of[number].append(self._file.add(frame))

    @property
    def numbers(self) -> list[int]:
        """The buckets that have rows, ascending."""
        self._flush()
        return sorted(self._of)

    def read(self, bucket: int, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """Return the rows of a bucket, in the order in which they came; none of one that nothing was put into."""
        empty = self.empty if columns is None else self.empty.select(columns)
        return pl.concat([empty, *self.frames(bucket, columns)])

    def frames(self, bucket: int, columns: Sequence[str] | None = None) -> Iterator[pl.DataFrame]:
        """Yield the rows of a bucket, as they were written."""
        self._flush()
        for piece in self._of.get(bucket, ()):
            yield self._file.read(piece, columns)
