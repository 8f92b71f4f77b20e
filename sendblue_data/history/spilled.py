"""A pull that is too large to hold: its rows wait in files of a temporary folder, to be compared a part at a time."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl

from sendblue_data._frames.batches import Batches
from sendblue_data._frames.repeats import repeats_words
from sendblue_data.errors import FrameError
from sendblue_data.history.buckets import Buckets, Piece, SpillFile

HELD_ROWS = 100_000
"""Up to so many are held in memory and compared at once, which is faster."""
CHUNK_ROWS = 65_536
"""Rows of a piece of the pull, and of a part that is compared at a time: some 20 MiB, and four times that at work."""
NARROW_ROWS = 200_000
"""Rows of two or three columns that wait in memory to be written together."""
WHO_BUCKETS = 128
"""Parts in which the contacts of fifty millions are looked up by phone or id, 400,000 at a time."""

WHO = pl.coalesce("phone", "contact_id")
KEY = pl.coalesce("contact_id", "phone")
_ROW = "h_row"
_TEXT = pl.String()


class SpilledPull:
    """The rows of a pull in a file, in the order of the pull, and who they are by the hash of their phone or id.

    Attributes:
        rows: how many there are.
        schema: of the rows.
        folder: where they lie, and where more may be put; it goes with the pull.
        who: `h_row` (the place in the pull), `phone` and `contact_id`, in `WHO_BUCKETS` buckets of `who_bucket()`.
    """

    def __init__(self, folder: Path, schema: pl.Schema) -> None:
        self.folder = folder
        self.schema = schema
        self.rows = 0
        self._file = SpillFile(folder / "rows")
        self._chunks: list[Piece] = []
        self._waiting: list[pl.DataFrame] = []
        narrow = pl.Schema({_ROW: pl.UInt32(), "phone": _TEXT, "contact_id": _TEXT})
        self.who = Buckets(folder / "who", narrow, at_once=NARROW_ROWS)
        keys = pl.Schema({_ROW: pl.UInt32(), "contact_id": _TEXT, "phone": _TEXT})
        self._keys = Buckets(folder / "keys", keys, at_once=NARROW_ROWS)

    def add(self, frame: pl.DataFrame) -> None:
        """Put the next rows of the pull after those that came."""
        for part in frame.iter_slices(CHUNK_ROWS):
            self._add(part)

    def _add(self, frame: pl.DataFrame) -> None:
        named = frame.select("phone", "contact_id").with_row_index(_ROW, self.rows)
        self.who.add(named, who_bucket())
        self._keys.add(named, _hashed(KEY))
        self.rows += frame.height
        self._waiting.append(frame)
        if sum(part.height for part in self._waiting) >= CHUNK_ROWS:
            self._write()

    def _write(self) -> None:
        if self._waiting:
            self._chunks.append(self._file.add(pl.concat(self._waiting)))
            self._waiting = []

    def chunks(self) -> Iterator[pl.DataFrame]:
        """Yield the rows in the order of the pull."""
        self._write()
        for piece in self._chunks:
            yield self._file.read(piece)

    def refuse_repeats(self) -> None:
        """Refuse a pull in which a contact stands twice.

        Raises:
            FrameError: there is one.
        """
        rows = 0
        found: pl.DataFrame | None = None
        for bucket in self._keys.numbers:
            key = pl.col("key")
            again = (
                self._keys.read(bucket)
                .with_columns(key=KEY)
                .filter(key.is_not_null(), ~key.is_unique())
                .with_columns(nth=pl.int_range(pl.len()).over("key"))
            )
            rows += int((again["nth"] > 0).sum())
            second = again.filter(pl.col("nth") > 0).sort(_ROW).head(1)
            if found is None or (second.height and second[_ROW][0] < found[_ROW][-1]):
                pair = again.join(second.select("key"), on="key").sort(_ROW).head(2)
                found = pair if second.height else found
        if found is not None:
            first, last = found[_ROW]
            raise FrameError(repeats_words(first, last, found["contact_id"][0], found["phone"][0], rows))


def who_bucket() -> pl.Expr:
    """Return in which of `WHO_BUCKETS` parts a contact is looked up: by its phone, by its id where it has none."""
    return _hashed(WHO)


def _hashed(who: pl.Expr) -> pl.Expr:
    return who.hash(0) % WHO_BUCKETS


@contextmanager
def gathered(
    batches: Batches[Any], prepared: Callable[[pl.DataFrame], pl.DataFrame]
) -> Iterator[pl.DataFrame | SpilledPull]:
    """Read a pull to its end: yield one frame of it where it is small, else its rows in files, which go at the end.

    Args:
        batches: the pull.
        prepared: what each frame is to be before it is recorded.

    Raises:
        FrameError: nothing came, or a frame is not like the others.
        FileNotWrittenError: the temporary folder (`TMPDIR`) does not take it.
    """
    held: list[pl.DataFrame] = []
    spilled: SpilledPull | None = None
    with tempfile.TemporaryDirectory(prefix="sendblue-data-") as folder:
        for batch in batches:
            frame = prepared(batch)
            if spilled is None and batches.rows > HELD_ROWS:
                spilled = SpilledPull(Path(folder), frame.schema)
                for earlier in held:
                    spilled.add(earlier)
                held = []
            if spilled is None:
                held.append(frame)
            else:
                spilled.add(frame)
        if spilled is not None:
            yield spilled
        elif held:
            yield pl.concat(held)
        else:
            raise FrameError(
                "no frame came, not even an empty one. Pass the frames of a pull, such as iter_contacts."
            )
