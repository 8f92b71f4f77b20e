"""Frames to an Excel workbook: a row a contact, written as it comes, every text a text and every date a date."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias, cast

import polars as pl

from sendblue_data._frames.contact_text import MICROSECONDS
from sendblue_data._optional import install_command
from sendblue_data.errors import FrameError, MissingExtraError

LONGEST_CELL = 32_767
"""UTF-16 units of a text that a cell takes. Source of these two: Microsoft, "Excel specifications and limits"."""
MOST_ROWS = 1_048_576
_LARGEST = 2**53
"""Whole numbers beyond this lose digits in a cell, which holds a decimal one of 64 bits."""
_WIDTHS = {"phone": 17, "sendblue_number": 17, "created_at": 20, "tags": 30, "custom_variables": 30}
_WIDTH = 18
_FORMATS = {pl.Datetime: "yyyy-mm-dd hh:mm:ss", pl.Date: "yyyy-mm-dd"}

_WriteCell: TypeAlias = Callable[[int, int, Any], None]


def check_excel() -> None:
    """Refuse a workbook where what writes it is not installed.

    Raises:
        MissingExtraError: so it is.
    """
    try:
        import xlsxwriter  # noqa: F401, PLC0415 -- an extra
    except ImportError as error:
        raise MissingExtraError(f"An .xlsx file needs xlsxwriter: {install_command('excel')}.") from error


@contextmanager
def workbook(path: Path, folder: Path) -> Iterator[Callable[[pl.DataFrame], None]]:
    """Yield what appends a frame, as `contacts_to_text` made it for a workbook, to the one sheet `contacts`.

    Args:
        path: the file.
        folder: where rows wait until the file is put together.

    Yields:
        The function that appends.

    Raises:
        FrameError: a frame holds what no cell does.
    """
    import xlsxwriter  # noqa: PLC0415 -- an extra

    options = {"constant_memory": True, "tmpdir": str(folder), "strings_to_urls": False}
    book = xlsxwriter.Workbook(str(path), options)
    sheet = _Sheet(book)
    try:
        yield sheet.append
        sheet.finish()
    finally:
        try:
            book.close()
        except xlsxwriter.exceptions.FileCreateError as error:
            raise OSError(str(error)) from error
        finally:
            sheet.close()


class _Sheet:
    """The one sheet: headers above, rows below them."""

    def __init__(self, book: Any) -> None:
        self._sheet = book.add_worksheet("contacts")
        self._head = book.add_format({"bold": True, "num_format": "@"})
        self._text = book.add_format({"num_format": "@"})
        self._dates = {kind: book.add_format({"num_format": shown}) for kind, shown in _FORMATS.items()}
        self._rows = self._columns = 0

    def append(self, frame: pl.DataFrame) -> None:
        if not self._rows:
            self._begin(frame)
        first = self._rows - 1
        _check(frame, first)
        writers = [self._writer(kind) for kind in frame.dtypes]
        for row in frame.iter_rows():
            for column, value in enumerate(row):
                if value is not None:
                    writers[column](self._rows, column, value)
            self._rows += 1

    def finish(self) -> None:
        if self._rows and self._columns:
            self._sheet.autofilter(0, 0, self._rows - 1, self._columns - 1)

    def close(self) -> None:
        """Close the file in which the rows wait, which a workbook that can't be put together leaves open."""
        rows = getattr(self._sheet, "row_data_fh", None)
        if rows is not None:
            rows.close()

    def _begin(self, frame: pl.DataFrame) -> None:
        for column, (name, kind) in enumerate(frame.schema.items()):
            shown = self._dates.get(kind.base_type(), self._text if kind == pl.String else None)
            hidden = {"hidden": True} if name == MICROSECONDS else {}
            self._sheet.set_column(column, column, _WIDTHS.get(name, _WIDTH), shown, hidden)
            self._sheet.write_string(0, column, name, self._head)
        self._sheet.freeze_panes(1, 0)
        self._rows, self._columns = 1, frame.width

    def _writer(self, kind: pl.DataType) -> _WriteCell:
        sheet, text = self._sheet, self._text
        if kind == pl.Boolean:
            return cast("_WriteCell", sheet.write_boolean)
        if kind.base_type() in self._dates:
            shown = self._dates[kind.base_type()]
            return lambda row, column, value: sheet.write_datetime(row, column, value, shown)
        if kind.is_integer() or kind.is_float():
            return lambda row, column, value: (
                sheet.write_number(row, column, value)
                if math.isfinite(value) and abs(value) <= _LARGEST
                else sheet.write_string(row, column, str(value), text)
            )
        return lambda row, column, value: sheet.write_string(row, column, str(value), text)


def _check(frame: pl.DataFrame, first: int) -> None:
    """Refuse what Excel would cut off, change or call a damaged file."""
    if first + frame.height > MOST_ROWS - 1:
        raise FrameError(
            f"There are more than {MOST_ROWS - 1:,} contacts, and a sheet holds no more below its headers: write a "
            ".csv or a .parquet, or fewer rows."
        )
    for name in frame.columns:
        if "\N{NULL}" in name or len(name) > LONGEST_CELL:
            raise FrameError(f"Column {name[:40]!r} has a name that no cell holds: rename it.")
    for name, kind in frame.schema.items():
        column = frame[name]
        if kind == pl.String:
            units = column.str.len_chars() + column.str.count_matches(r"[\x{10000}-\x{10FFFF}]")
            _refuse(
                units > LONGEST_CELL, name, first, f"has more than the {LONGEST_CELL:,} characters of a cell"
            )
            _refuse(
                column.str.contains(r"[\x{FFFE}\x{FFFF}]"),
                name,
                first,
                "holds U+FFFE or U+FFFF, which no workbook can",
            )
        elif kind.base_type() in _FORMATS:
            _refuse(
                ~column.dt.year().is_between(1901, 9999),
                name,
                first,
                "is no date that Excel knows (1901 to 9999)",
            )


def _refuse(wrong: pl.Series, name: str, first: int, why: str) -> None:
    if wrong.any():
        raise FrameError(
            f"Column {name!r}, row {first + int(wrong.arg_true()[0])}: the value {why}. Write a .csv or a .parquet, "
            "leave the column out by columns=, or mend the row."
        )
