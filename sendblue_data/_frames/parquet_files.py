"""Contacts in Parquet files: what a path stands for wherever a frame is taken."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from sendblue_data._shared.text import one_line
from sendblue_data.errors import FrameError

PathLike = str | os.PathLike[str]


def opened(contacts: Any) -> Any:
    """Return a frame as it is, and the rows of Parquet files, lazily, where a path is given instead of one.

    Raises:
        FrameError: no such file is there, or it can't be read. A text that is no path is not repeated: it may be a key.

    Example:
        >>> opened(pl.DataFrame()).shape
        (0, 0)
    """
    if not isinstance(contacts, str | os.PathLike):
        return contacts
    files = _files_of(os.fspath(contacts))
    if isinstance(contacts, str) and not files:
        raise FrameError(
            "a str is not a frame, and no Parquet file is at a path that reads so: bring a frame of Polars, pandas, "
            "Arrow, DuckDB, PySpark or another that Narwhals knows, or the path of Parquet files."
        )
    return _scanned(files, [os.fspath(contacts)])


def parquet_files(contacts: Any) -> pl.LazyFrame | None:
    """Return the rows of Parquet files, lazily, as `scan_files` does; None for what is neither a path nor several."""
    if isinstance(contacts, str | os.PathLike):
        return scan_files([contacts])
    if isinstance(contacts, list | tuple) and contacts and _are_paths(contacts):
        return scan_files(contacts)
    return None


def scan_files(paths: Sequence[PathLike]) -> pl.LazyFrame:
    """Return the rows of Parquet files, lazily.

    Args:
        paths: files, folders with such files at any depth, patterns such as `"parts/*.parquet"`, or URLs of any of
            these. What the names of folders say (`created_month=2026-03`) is no column.

    Raises:
        FrameError: there is none, or the first can't be read.

    Example:
        >>> scan_files(["no-such-folder/*.parquet"])
        Traceback (most recent call last):
            ...
        sendblue_data.errors.FrameError: no Parquet file is at no-such-folder/*.parquet. Check the path.
    """
    named = [os.fspath(path) for path in paths]
    return _scanned([file for name in named for file in _files_of(name)], named)


def _scanned(files: list[str], named: Sequence[str]) -> pl.LazyFrame:
    """Scan the files that were found under these names."""
    if not files:
        raise FrameError(f"no Parquet file is at {', '.join(named)}. Check the path.")
    try:
        frame = pl.scan_parquet(files, hive_partitioning=False, glob=any("://" in file for file in files))
        frame.collect_schema()
    except (OSError, pl.exceptions.PolarsError) as error:
        raise FrameError(f"{', '.join(named)} can't be read as Parquet ({one_line(str(error))}).") from error
    return frame


def _are_paths(contacts: Sequence[Any]) -> bool:
    return all(isinstance(path, str | os.PathLike) for path in contacts)


def _files_of(name: str) -> list[str]:
    if "://" in name:
        return [name]
    if not name.strip():
        return []
    try:
        path = Path(name).expanduser()
        if path.is_dir():
            found = path.rglob("*.parquet")
            return sorted(str(file) for file in found if not file.name.startswith((".", "_")))
        if path.exists():
            return [str(path)]
        return sorted(glob.glob(str(path), recursive=True))  # noqa: PTH207 -- a Path takes no absolute pattern
    except (OSError, ValueError, RuntimeError):  # too long, with a NUL, or in the home of nobody
        return []
