"""Contacts to a file: CSV, Excel, Parquet or NDJSON, frame by frame, and never half of it under the final name."""

from __future__ import annotations

import codecs
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from sendblue_data._frames.batches import Batches, in_batches
from sendblue_data._frames.contact_text import Form, check_separator, contacts_to_text
from sendblue_data._frames.engines import require_columns
from sendblue_data._frames.workbook import check_excel, workbook
from sendblue_data._shared.files import check_folder, is_url, replacing
from sendblue_data._shared.validation import shown
from sendblue_data.errors import ConfigurationError, FileNotWrittenError, SendblueError
from sendblue_data.pull.evidence import PullEvidence
from sendblue_data.schema import CONTACT_SCHEMA

_ROW_GROUP = 65_536
"""Rows of a Parquet row group: a reader that wants a part of a large account skips the rest."""

_Write = Callable[[pl.DataFrame], None]


@dataclass(frozen=True, kw_only=True)
class Written:
    """What `write_contacts` wrote. It stands for its path wherever a path is taken.

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

    def __fspath__(self) -> str:
        """Return the path, so that `read_contacts(write_contacts(...))` reads what was written."""
        return os.fspath(self.path)


def write_contacts(
    contacts: Any,
    path: str | os.PathLike[str],
    *,
    columns: Sequence[str] | None = None,
    tags_separator: str | None = "; ",
    bom: bool | None = None,
    safe_csv: bool = True,
) -> Written:
    """Write contacts to a CSV, Excel, Parquet or NDJSON file, by the path's suffix.

    Frames are written as they come, so that an account need not fit in memory. The file is written under
    another name in the same folder, flushed to the disk, then renamed: an error, a pull that is incomplete
    and Ctrl-C leave nothing under `path`, or the file that was there before. Only its owner may read it.

    `read_contacts` reads each of them back to the same frame.

    - `.csv`: for spreadsheets and other products. UTF-8 with a byte order mark, by which Excel knows it. Tags are
      joined by `tags_separator`; a tag that holds one is in quotes (`"Austin, TX"; VIP`), and a list that can't be
      joined (no tags, a null among them) is JSON. `created_at` is ISO 8601 in UTC, maps are JSON, null is an empty
      field and an empty text is `""`; every text is in quotes, so that Polars and DuckDB read `+12125550100` as text
      (tell pandas `dtype=str`). Excel makes a number of a phone when it opens a CSV: give it `.xlsx`.
    - `.xlsx`: for Excel. Phones are text, `created_at` is a date in UTC, and no text can run; lists and maps as in a
      CSV, and an empty text is an apostrophe. A hidden column `created_at_us` keeps what a moment has beyond the
      milliseconds. Needs the extra `excel`.
    - `.parquet`: every type is kept; `custom_variables` is a map, `tags` a list, for Polars, DuckDB, Spark
      and PyArrow alike. Compressed with zstd.
    - `.ndjson` or `.jsonl`: an object a line, with the API's own field names.
      `pl.read_ndjson(path, schema=CONTACT_SCHEMA)` gives the frame back.

    Args:
        contacts: a frame of any engine that Narwhals knows, a lazy frame, or Polars frames one after another, such
            as `iter_contacts(client)`.
        path: where to; its folder must exist.
        columns: those to write, in this order; all by default.
        tags_separator: what stands between tags in a CSV or a workbook: `;`, `,` or `|`, with blanks around it or
            not. None writes lists as JSON.
        bom: whether a CSV begins with a byte order mark; by default where `safe_csv` is true.
        safe_csv: in a CSV, put an apostrophe before each text that a spreadsheet would run as a formula: one
            that begins with a tab or a line break, or with `=`, `+`, `-`, `@` after blanks, control characters
            (NUL) or characters without width (U+FEFF, U+200B), or none. A text that has such apostrophes
            already gets one more, so that they are told apart. E.164 phones in `phone` and `sendblue_number` stay
            as they are: digits after a `+` can do no harm, and an apostrophe would make them useless as keys.
            Give False for a file that no spreadsheet will open: every text to the letter, every list as JSON.

    Returns:
        What was written, with the pull's certificate where there is one.

    Raises:
        ConfigurationError: a suffix that is none of these, no such folder, or a separator that tags can't be told
            apart by.
        FileNotWrittenError: the disk does not take it.
        FrameError: a column is missing, a frame has other columns or types than the one before it, a lazy one can't
            be computed, or the file's kind can't hold a value: the message names its column and row.
        IncompletePullError: from `iter_contacts`; nothing is written.
        MissingExtraError: an `.xlsx` without the extra `excel`.

    Example:
        >>> from sendblue_data import contacts_frame
        >>> people = contacts_frame([{"phone": "+12125550100", "first_name": "=1+1", "tags": ["VIP", "Lead"]}])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     written = write_contacts(people, f"{folder}/people.csv", columns=["phone", "first_name", "tags"])
        ...     print(written.path.read_text(encoding="utf-8-sig"))
        phone,first_name,tags
        "+12125550100","'=1+1","VIP; Lead"
        >>> written.contacts
        1
    """
    suffix = check_target(path)
    check_separator(tags_separator)
    if bom and suffix != ".csv":
        raise ConfigurationError(
            f"bom=True is for .csv, and {os.fspath(path)} ends in {suffix!r}: leave it out."
        )
    kind = _Kind(
        suffix,
        form="xlsx" if suffix == ".xlsx" else "csv" if safe_csv else "exact csv",
        separator=tags_separator,
        bom=safe_csv if bom is None else bom,
    )
    frames: Batches[Any] = Batches(in_batches(contacts))
    named = _checked_names(columns)
    with replacing(path) as part:
        with _written(path), kind.writer(part) as write:
            for frame in frames:
                write(_chosen(frame, named))
            if not frames.count:
                write(_chosen(CONTACT_SCHEMA.to_frame(), named))
        size = part.stat().st_size
    evidence = frames.returned if isinstance(frames.returned, PullEvidence) else None
    return Written(path=Path(path), contacts=frames.rows, size=size, evidence=evidence)


def _checked_names(columns: Sequence[str] | None) -> list[str] | None:
    if columns is None:
        return None
    named = list(columns) if isinstance(columns, Iterable) and not isinstance(columns, str) else []
    if not named or any(not isinstance(name, str) for name in named) or len(set(named)) < len(named):
        raise ConfigurationError(
            f"columns is {shown(columns)}: expected a list of names, each once, such as ['phone', 'tags']."
        )
    return named


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
        ConfigurationError: a suffix that is none of ours, a URL, or no such folder.
        MissingExtraError: an `.xlsx` without the extra `excel`.

    Example:
        >>> check_target("contacts.xls")
        Traceback (most recent call last):
            ...
        sendblue_data.errors.ConfigurationError: contacts.xls ends in '.xls'; use .csv, .xlsx, ...
    """
    suffix = Path(path).suffix.lower()
    if suffix not in _SUFFIXES:
        found = f"ends in {suffix!r}" if suffix else "has no suffix"
        raise ConfigurationError(f"{os.fspath(path)} {found}; use .csv, .xlsx, .parquet, .ndjson or .jsonl.")
    if is_url(path):
        raise ConfigurationError(
            f"{os.fspath(path)} is a URL: a file is written here. "
            "Copy it there afterwards, with the tool of your cloud."
        )
    check_folder(path)
    if suffix == ".xlsx":
        check_excel()
    return suffix


def _chosen(frame: pl.DataFrame, columns: Sequence[str] | None) -> pl.DataFrame:
    if columns is None:
        return frame
    require_columns(frame.columns, columns)
    return frame.select(columns)


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
def _ndjson(part: Path) -> Iterator[_Write]:
    with part.open("wb") as file:
        yield lambda frame: frame.write_ndjson(file)


_SUFFIXES = (".csv", ".xlsx", ".parquet", ".ndjson", ".jsonl")


@dataclass(frozen=True)
class _Kind:
    """How a file is written."""

    suffix: str
    form: Form
    separator: str | None
    bom: bool

    def writer(self, part: Path) -> AbstractContextManager[_Write]:
        if self.suffix == ".parquet":
            return _parquet(part)
        if self.suffix == ".xlsx":
            return self._xlsx(part)
        return self._csv(part) if self.suffix == ".csv" else _ndjson(part)

    @contextmanager
    def _csv(self, part: Path) -> Iterator[_Write]:
        with part.open("wb") as file:
            begun = False

            def write(frame: pl.DataFrame) -> None:
                nonlocal begun
                text = contacts_to_text(frame, self.form, self.separator)
                if not begun:
                    file.write(codecs.BOM_UTF8 if self.bom else b"")
                    # By the quotes around its headers a file is known as one to the letter: see `csv_form`.
                    in_quotes = self.form == "exact csv"
                    text.clear().write_csv(file, quote_style="always" if in_quotes else "necessary")
                    begun = True
                text.write_csv(file, include_header=False, quote_style="non_numeric")

            yield write

    @contextmanager
    def _xlsx(self, part: Path) -> Iterator[_Write]:
        with (
            tempfile.TemporaryDirectory(dir=part.parent, prefix=part.name) as folder,
            workbook(part, Path(folder)) as append,
        ):
            yield lambda frame: append(contacts_to_text(frame, self.form, self.separator))
