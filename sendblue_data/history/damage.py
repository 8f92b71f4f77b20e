"""A history that can't be read: told from a mistake of the caller's, and named by its file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import polars as pl

from sendblue_data.errors import FileNotWrittenError, HistoryUnreadableError, SendblueError
from sendblue_data.history.table import HistoryTable, said


@contextmanager
def telling_damage(table: HistoryTable) -> Iterator[None]:
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
    try:
        table.refresh()
        return table.broken_file()
    except (Exception, pl.exceptions.PanicException) as error:  # noqa: BLE001 -- a damaged log raises all sorts
        return said(error)


def _unreadable(table: HistoryTable, why: str) -> HistoryUnreadableError:
    return HistoryUnreadableError(
        f"The history {table.uri} can't be read: {why}. Check that its place can be reached; if so, put that file "
        "back from a backup, or begin a new history in another folder."
    )
