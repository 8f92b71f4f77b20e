"""A history that can't be read: told from a mistake of the caller's, and named by its file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import polars as pl

from sendblue_data.errors import FileNotWrittenError, HistoryUnreadableError, SendblueError
from sendblue_data.history.layout import CONTACT, LOOK, PARTS
from sendblue_data.history.table import HistoryTable, said


@contextmanager
def wrap_corruption_errors(table: HistoryTable) -> Iterator[None]:
    """Turn what a damaged history makes Delta Lake and Polars raise into one error that names the file.

    Raises:
        HistoryUnreadableError: a file is damaged or missing, or the history's place is out of reach.
    """
    try:
        yield
    except FileNotWrittenError as error:
        if broken := _broken(table):
            raise _unreadable(table, broken) from error
        raise
    except SendblueError:
        raise
    except (Exception, pl.exceptions.PanicException) as error:
        # A grouping or a pull that makes no sense raises too, of the same kinds: only the files can tell.
        broken = _broken(table)
        if broken is None and not isinstance(error, OSError):
            raise
        raise _unreadable(table, broken or said(error)) from error


def _broken(table: HistoryTable) -> str | None:
    """Read all that is there, and say which file is the first that can't be, and why; None when all can."""
    try:
        if not table.refresh():
            return None
        files = table.files
        if strange := set(files["part"]).difference(PARTS):
            return f"its log has a part {min(strange)!r}, which is none of a history's"
        known = _Known()
        for part in PARTS:
            some = files.filter(pl.col("part") == part)
            for number in range(some.height):
                if fault := _fault(table, some[number], known):
                    return f"{some['path'][number]} ({fault})"
    except HistoryUnreadableError:
        raise  # it names the file
    except (Exception, pl.exceptions.PanicException) as error:  # noqa: BLE001 -- a damaged log raises all sorts
        return said(error)
    return None


@dataclass
class _Known:
    """The highest numbers that looks and contacts have; other rows can't be of higher ones."""

    snapshot: int = -1
    contact: int = -1


def _fault(table: HistoryTable, file: pl.DataFrame, known: _Known) -> str | None:
    part, rows, first, last = file.select("part", "rows", "first", "last").row(0)
    try:
        found = table.scan_files(file).collect()
    except HistoryUnreadableError:
        raise  # it names the file
    except (Exception, pl.exceptions.PanicException) as error:  # noqa: BLE001 -- a damaged file raises all sorts
        return said(error)
    lowest, highest = (int(edge or 0) for edge in (found["h_contact"].min(), found["h_contact"].max()))  # type: ignore[arg-type]
    if part == LOOK:
        known.snapshot = max(known.snapshot, last)
    elif part == CONTACT:
        known.contact = max(known.contact, highest)
    if found.height != rows:
        return f"it has {found.height:,} rows where {rows:,} were written"
    if not found["h_snapshot"].is_between(first, min(last, known.snapshot)).fill_null(value=False).all():
        return "it has rows of snapshots that the log does not know"
    if part != LOOK and found["h_contact"].null_count():
        return "it has rows of no contact"
    if part != LOOK and not 0 <= lowest <= highest <= known.contact:
        return "it has rows of contacts that the history does not know"
    return None


def _unreadable(table: HistoryTable, why: str) -> HistoryUnreadableError:
    return table.unreadable(
        f"can't be read: {why}",
        "Check that its place can be reached; if so, put that file back from a backup",
    )
