"""Contacts to a file: Parquet, CSV or NDJSON, frame by frame, and never half of it under the final name."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

import polars as pl

from sendblue_data._shared.files import check_folder, replacing
from sendblue_data.errors import ConfigurationError, FileNotWrittenError, FrameError, SendblueError
from sendblue_data.pull.evidence import PullEvidence
from sendblue_data.schema import CONTACT_SCHEMA, IS_E164

PHONE_COLUMNS = ("phone", "sendblue_number")
"""Columns in which `+` and digits are a phone, and stay as they are in a safe CSV."""

# What spreadsheets take for the start of a formula, the full-width forms that they fold into it included, and
# blanks before it, which some of them cut off.
_FORMULA = r"^(?:[\t\r\n]|\s*[=+\-@\uff1d\uff0b\uff0d\uff20])"
_ROW_GROUP = 65_536
"""Rows of a Parquet row group: a reader that wants a part of a large account skips the rest."""

_Write = Callable[[pl.DataFrame], None]


@dataclass(frozen=True, kw_only=True)
class Written:
    """What `write_contacts` wrote.

    Attributes:
        path: the file.
        contacts: rows in it.
        size: bytes of it.
        evidence: the certificate of the pull, where the frames came from `iter_contacts`.
    """

    path: Path
    contacts: int
    size: int
    evidence: PullEvidence | None = None


def write_contacts(
    contacts: pl.DataFrame | pl.LazyFrame | Iterable[pl.DataFrame],
    path: str | os.PathLike[str],
    *,
    safe_csv: bool = True,
) -> Written:
    """Write contacts to a Parquet, CSV or NDJSON file, by the path's suffix.

    Frames are written as they come, so that an account need not fit in memory. The file is written under
    another name in the same folder, flushed to the disk, then renamed: an error, a pull that is incomplete
    and Ctrl-C leave nothing under `path`, or the file that was there before. Only its owner may read it.

    - `.parquet`: every type is kept; `custom_variables` is a map, `tags` a list, for Polars, DuckDB, Spark
      and PyArrow alike. Compressed with zstd.
    - `.csv`: every text is in quotes, so that Polars and DuckDB read `+12125550100` as the text it is; tell
      pandas `dtype=str`, and a spreadsheet's import dialog that the column is text. `created_at` is ISO 8601
      in UTC, lists and maps are JSON, null is an empty field and an empty text is `""`.
    - `.ndjson` or `.jsonl`: an object a line, with the API's own field names.
      `pl.read_ndjson(path, schema=CONTACT_SCHEMA)` gives the frame back.

    Args:
        contacts: a frame, a lazy frame, or frames one after another, such as `iter_contacts(client)`.
        path: where to; its folder must exist.
        safe_csv: in a CSV, put an apostrophe before each text that a spreadsheet would run as a formula: one
            that begins with `=`, `+`, `-`, `@` (or blanks and one of them), a tab or a line break. E.164
            phones in `phone` and `sendblue_number` stay as they are: digits after a `+` can do no harm, and
            an apostrophe would make them useless as keys. Give False for a file that no spreadsheet will
            open, to keep every text to the letter.

    Returns:
        What was written, with the pull's certificate where there is one.

    Raises:
        ConfigurationError: a suffix that is none of these, or no such folder.
        FileNotWrittenError: the disk does not take it.
        FrameError: a frame has other columns or types than the one before it, or a lazy one can't be computed.
        IncompletePullError: from `iter_contacts`; nothing is written.

    Example:
        >>> from sendblue_data import contacts_frame
        >>> people = contacts_frame([{"phone": "+12125550100", "first_name": "=1+1", "tags": ["VIP"]}])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     written = write_contacts(people.select("phone", "first_name", "tags"), f"{folder}/people.csv")
        ...     print(written.path.read_text())
        "phone","first_name","tags"
        "+12125550100","'=1+1","[""VIP""]"
        >>> written.contacts
        1
    """
    suffix = check_target(path)
    if isinstance(contacts, pl.DataFrame):
        contacts = [contacts]
    elif isinstance(contacts, pl.LazyFrame):
        contacts = _computed(contacts)
    frames = _Frames(contacts)
    with replacing(path) as part:
        with _written(path), _writer(part, suffix, safe_csv=safe_csv) as write:
            for frame in frames:
                write(frame)
            if not frames.count:
                write(CONTACT_SCHEMA.to_frame())
        size = part.stat().st_size
    return Written(path=Path(path), contacts=frames.rows, size=size, evidence=frames.evidence)


@contextmanager
def _written(path: str | os.PathLike[str]) -> Iterator[None]:
    """Raise one error for what Polars and the system raise several for: a disk that takes no more."""
    try:
        yield
    except SendblueError:
        raise
    except (OSError, pl.exceptions.PolarsError) as error:
        raise FileNotWrittenError(
            f"{path} can't be written ({error}); nothing was left there. Free the disk, or give another path."
        ) from error


def check_target(path: str | os.PathLike[str]) -> str:
    """Check that contacts can be written at `path`, and return its suffix in lower case.

    Raises:
        ConfigurationError: a suffix that is none of ours, or no such folder.

    Example:
        >>> check_target("contacts.xlsx")
        Traceback (most recent call last):
            ...
        sendblue_data.errors.ConfigurationError: contacts.xlsx ends in '.xlsx'; use .parquet, ...
    """
    suffix = Path(path).suffix.lower()
    if suffix not in _SUFFIXES:
        found = f"ends in {suffix!r}" if suffix else "has no suffix"
        raise ConfigurationError(f"{os.fspath(path)} {found}; use .parquet, .csv, .ndjson or .jsonl.")
    check_folder(path)
    return suffix


class _Frames:
    """The frames to write: all of one schema. Counts rows, and keeps what the generator returns."""

    def __init__(self, frames: Iterable[pl.DataFrame]) -> None:
        self._frames = frames
        self._schema: pl.Schema | None = None
        self.count = self.rows = 0
        self.evidence: PullEvidence | None = None

    def __iter__(self) -> Iterator[pl.DataFrame]:
        frames = iter(self._frames)
        try:
            while True:
                yield self._check(next(frames))
        except StopIteration as end:
            self.evidence = end.value if isinstance(end.value, PullEvidence) else None
        finally:
            # A disk that is full must end the pull as well.
            if isinstance(self._frames, Generator):
                self._frames.close()

    def _check(self, frame: pl.DataFrame) -> pl.DataFrame:
        if not isinstance(frame, pl.DataFrame):
            raise FrameError(
                f"found a {type(frame).__name__} where a Polars frame was expected. "
                "Pass a frame, or an iterable of frames such as iter_contacts(client)."
            )
        schema = self._schema = self._schema or frame.schema
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


def _computed(contacts: pl.LazyFrame) -> Iterator[pl.DataFrame]:
    try:
        yield from contacts.collect_batches()
    except (OSError, pl.exceptions.PolarsError) as error:
        raise FrameError(
            f"the lazy frame can't be computed ({error}). Check what it is read from."
        ) from error


@contextmanager
def _parquet(part: Path) -> Iterator[_Write]:
    # Polars appends no row group to an open file, so the frames wait in files of their own to be merged as a
    # stream. PyArrow could append, but is 40 MB more to install.
    with tempfile.TemporaryDirectory(dir=part.parent, prefix=part.name) as folder:
        pieces: list[Path] = []

        def write(frame: pl.DataFrame) -> None:
            pieces.append(Path(folder, f"{len(pieces):06d}.parquet"))
            frame.write_parquet(pieces[-1], compression="lz4")

        yield write
        pl.scan_parquet(pieces, glob=False).sink_parquet(part, row_group_size=_ROW_GROUP)


@contextmanager
def _appended(part: Path, append: Callable[[pl.DataFrame, BinaryIO], None]) -> Iterator[_Write]:
    with part.open("wb") as file:
        yield lambda frame: append(frame, file)


def _append_csv(frame: pl.DataFrame, file: BinaryIO, *, safe: bool) -> None:
    _flat(frame, safe=safe).write_csv(file, include_header=not file.tell(), quote_style="non_numeric")


def _flat(frame: pl.DataFrame, *, safe: bool) -> pl.DataFrame:
    """Make each column one that CSV can hold: lists and maps as JSON, moments as ISO 8601 text."""
    columns = []
    for name, kind in frame.schema.items():
        column = pl.col(name)
        if kind.is_nested():
            # The encoder takes structs alone: make one of a field, and take the field's JSON out of it.
            json = pl.struct(v=column).struct.json_encode().str.strip_prefix('{"v":').str.strip_suffix("}")
            column = pl.when(column.is_not_null()).then(json)
        elif isinstance(kind, pl.Datetime):
            if kind.time_zone:
                column = column.dt.convert_time_zone("UTC")
            column = column.dt.strftime(f"%Y-%m-%dT%H:%M:%S%.6f{'Z' if kind.time_zone else ''}")
        elif kind == pl.String and safe:
            runs = column.str.contains(_FORMULA)
            if name in PHONE_COLUMNS:
                runs &= ~column.str.contains(IS_E164)
            column = pl.when(runs).then("'" + column).otherwise(column)
        columns.append(column.alias(_headed(name) if safe else name))
    return frame.select(columns)


def _headed(name: str) -> str:
    return f"'{name}" if re.match(_FORMULA, name) else name


_SUFFIXES = (".parquet", ".csv", ".ndjson", ".jsonl")


def _writer(part: Path, suffix: str, *, safe_csv: bool) -> AbstractContextManager[_Write]:
    if suffix == ".parquet":
        return _parquet(part)
    return _appended(
        part, partial(_append_csv, safe=safe_csv) if suffix == ".csv" else pl.DataFrame.write_ndjson
    )
