"""Frames spread over files by a number, so that what belongs together is read together, a part at a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl

from sendblue_data._shared.files import OWNER_ONLY_FOLDER
from sendblue_data.errors import FileNotWrittenError

_BUCKET = "h_bucket"


class Buckets:
    """Rows by bucket, in files of a folder for its owner alone; each bucket keeps the order in which rows came.

    Args:
        folder: a new one is made there.
        schema: of the rows.
        at_once: rows that wait in memory before they are written: more of them make fewer and larger files.

    Attributes:
        empty: a frame of that schema without rows.
    """

    def __init__(self, folder: Path, schema: pl.Schema, *, at_once: int) -> None:
        folder.mkdir(mode=OWNER_ONLY_FOLDER)
        self._folder = folder
        self.empty = schema.to_frame()
        self._at_once = at_once
        self._waiting: list[pl.DataFrame] = []
        self._rows = self._files = 0
        self._of: dict[int, list[Path]] = defaultdict(list)

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
            path = self._folder / f"{self._files}.arrow"
            write_spilled(frame, path)
            self._of[number].append(path)
            self._files += 1

    @property
    def numbers(self) -> list[int]:
        """The buckets that have rows, ascending."""
        self._flush()
        return sorted(self._of)

    def read(self, bucket: int, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """Return the rows of a bucket, in the order in which they came; none of one that nothing was put into."""
        self._flush()
        empty = self.empty if columns is None else self.empty.select(columns)
        return pl.concat([empty, *self.frames(bucket, columns)])

    def frames(self, bucket: int, columns: Sequence[str] | None = None) -> Iterator[pl.DataFrame]:
        """Yield the rows of a bucket, file by file."""
        self._flush()
        for path in self._of.get(bucket, ()):
            yield pl.read_ipc(path, columns=None if columns is None else list(columns))


def write_spilled(frame: pl.DataFrame, path: Path) -> None:
    """Write a frame to a file of a temporary folder.

    Raises:
        FileNotWrittenError: the disk does not take it.
    """
    try:
        frame.write_ipc(path, compression="lz4")
    except (OSError, pl.exceptions.PolarsError) as error:
        raise FileNotWrittenError(
            f"The temporary folder {path.parent} can't be written ({error}); nothing was recorded. Free the disk, or "
            "name another in the environment variable TMPDIR."
        ) from error
