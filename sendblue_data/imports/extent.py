"""How far a list reaches, told before it is read.

One stray cell at the end of a sheet is a rectangle that no memory holds, and the reader of Excel files ends the whole
process where it asks for that.
"""

from __future__ import annotations

import io
import re
import zipfile
from typing import IO

from sendblue_data.errors import FrameError

_SMALL = 50_000_000
"""Cells that any machine holds, empty ones included."""
_CELLS_A_BYTE = 4
_MOST_COLUMNS = 16_384
"""Columns of a sheet of Excel."""
_EXPANDED, _TIMES = 200_000_000, 100
"""A workbook may grow to so many bytes, or to so many times its size: what people make grows five to twenty times."""
_CHUNK, _OVERLAP = 1 << 22, 64
_COLUMN = re.compile(rb'\br="([A-Z]{1,3})[0-9]')
_ROW = re.compile(rb'\br="[A-Z]{0,3}([0-9]{1,7})"')
_LETTERS = 26


def check_extent(label: str, rows: int, columns: int, size: int) -> None:
    """Refuse a list that is a large rectangle with next to nothing in it.

    Args:
        label: what is read.
        rows: rows that it reaches over.
        columns: columns that it reaches over.
        size: bytes that it is made of.

    Raises:
        FrameError: it is wider than any spreadsheet, or most of its cells must be empty, and there are more of them
            than memory is asked for.
    """
    if columns > _MOST_COLUMNS:
        raise FrameError(
            f"{label} has {columns:,} columns: expected a row for each contact and at most {_MOST_COLUMNS:,} columns, "
            "what a spreadsheet holds. Is it turned on its side, or is the separator another?"
        )
    if rows * columns > _SMALL + _CELLS_A_BYTE * size:
        raise FrameError(
            f"{label} reaches over {rows:,} rows and {columns:,} columns, nearly all of them empty: one stray cell "
            "does that. Delete what stands below and right of the list, or copy the list to a file of its own."
        )


def check_workbook(label: str, data: bytes) -> None:
    """Refuse a workbook that grows out of proportion when it is unpacked, or whose sheets reach too far.

    Args:
        label: what is read.
        data: the bytes of an .xlsx file; of any other kind nothing is checked.

    Raises:
        FrameError: it does, or it can't be unpacked.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as book:
            grown = sum(part.file_size for part in book.infolist())
            if grown > max(_EXPANDED, _TIMES * len(data)):
                raise FrameError(
                    f"{label} has {len(data):,} bytes and grows to {grown:,} when it is unpacked: no spreadsheet makes "
                    "such a file. Ask whoever sent it for CSV UTF-8."
                )
            for part in book.infolist():
                if part.filename.startswith("xl/worksheets/") and part.filename.endswith(".xml"):
                    with book.open(part) as sheet:
                        check_extent(label, *_reach(sheet), part.file_size)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, RuntimeError, EOFError, OSError):
        return  # the reader says what is wrong with it


def _reach(sheet: IO[bytes]) -> tuple[int, int]:
    """Return the last row and the last column of the cells of a sheet."""
    rows = columns = 0
    rest = b""
    while chunk := sheet.read(_CHUNK):
        text = rest + chunk
        columns = max(columns, *map(_number, {*_COLUMN.findall(text)}), 0)
        rows = max(rows, *map(int, {*_ROW.findall(text)}), 0)
        rest = text[-_OVERLAP:]
    return rows, columns


def _number(letters: bytes) -> int:
    """Return a column's number from 1: A is 1, AA is 27."""
    number = 0
    for letter in letters:
        number = number * _LETTERS + letter - 64
    return number
