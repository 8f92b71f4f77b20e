"""Where a list comes from: a path, the bytes of a file, or a frame of any engine; told by content, not by suffix."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from sendblue_data._frames.conversion import is_frame, to_polars
from sendblue_data._frames.parquet_files import scan_files
from sendblue_data._optional import install_command
from sendblue_data.errors import ConfigurationError, FrameError, MissingExtraError
from sendblue_data.imports.extent import check_extent, check_workbook
from sendblue_data.imports.table import Table, one_error, table_of
from sendblue_data.imports.text_files import read_sheet, read_text

_PARQUET, _ZIP, _OLD_EXCEL = b"PAR1", b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_SPREADSHEET = "Open it in the spreadsheet and save it as CSV UTF-8."
_EXACT_INTEGERS = 2.0**53
"""Below it every whole number that is a Float64 stands for itself."""


def read_source(source: Any, sheet: str | int | None) -> Table:
    """Read a list from wherever it is.

    Args:
        source: a path, bytes, what `write_contacts` returned, or a frame.
        sheet: of an Excel file, the sheet's name or number from 1; None for the first.

    Raises:
        ConfigurationError: there is no such file, or no such sheet.
        FrameError: it can't be read.
        MissingExtraError: it is Excel, and the extra is not installed.
    """
    path = getattr(source, "path", None)
    if isinstance(path, Path):  # of what write_contacts returned
        source = path
    if isinstance(source, (str, os.PathLike)):
        file = Path(source)
        if file.is_dir() and any(file.rglob("*.parquet")):
            with one_error(file.name, "Parquet", "Write it again."):
                frame = scan_files([file]).collect()
            return table_of(file.name, _as_text(frame), 0, ["a folder of Parquet files"])
        return _read_bytes(file.name, [_bytes_of(file)], sheet)
    if isinstance(source, (bytes, bytearray, memoryview)):
        return _read_bytes("the file", [bytes(source)], sheet)
    return table_of("the frame", *_frame_of(source))


def _bytes_of(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except (OSError, ValueError) as error:
        told = "is a folder" if file.is_dir() else getattr(error, "strerror", None) or "is no path"
        raise ConfigurationError(
            f"{file} can't be read: {told}. Give the path of a list, or a frame."
        ) from None


def _read_bytes(label: str, held: list[bytes], sheet: str | int | None) -> Table:
    data = held[0]
    if data.startswith((_ZIP, _OLD_EXCEL)):
        return _read_excel(label, data, sheet)
    if sheet is not None:
        raise ConfigurationError(f"{label} is no Excel file, and sheet= is of those alone: leave it out.")
    if data.startswith(_PARQUET):
        with one_error(label, "Parquet", "Write it again."):
            frame = pl.read_parquet(data, glob=False)
            return table_of(label, _as_text(frame), 0, ["Parquet"])
    if data[:64].lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        return _read_ndjson(label, data)
    del data
    return read_text(label, held)


def _read_excel(label: str, data: bytes, sheet: str | int | None) -> Table:
    try:
        import fastexcel  # noqa: PLC0415 -- an extra
    except ImportError:
        raise MissingExtraError(
            f"{label} is Excel, which needs fastexcel: {install_command('excel')}. Or save it as CSV UTF-8."
        ) from None
    check_workbook(label, data)
    with one_error(label, "Excel", _SPREADSHEET):
        book = fastexcel.read_excel(data)
        names = book.sheet_names
    if not names:
        raise FrameError(f"{label} holds no sheet. {_SPREADSHEET}")
    number = _sheet_number(names, sheet)
    if not 0 <= number < len(names):
        raise ConfigurationError(
            f"{label} has no sheet {sheet!r}: it has {', '.join(map(repr, names))}, counted from 1."
        )
    with one_error(label, "Excel", _SPREADSHEET):
        cells = book.load_sheet(number, header_row=None, skip_rows=0, dtypes="string")
        frame: pl.DataFrame = cells.to_polars()
    others = f", one of {len(names)}: sheet= reads another" if len(names) > 1 and sheet is None else ""
    return read_sheet(label, frame, [f"Excel, sheet {names[number]!r}{others}"])


def _sheet_number(names: list[str], sheet: str | int | None) -> int:
    """Return a sheet's place from 0; -1 where there is none of that name."""
    if isinstance(sheet, str):
        return names.index(sheet) if sheet in names else -1
    return 0 if sheet is None else sheet - 1


def _read_ndjson(label: str, data: bytes) -> Table:
    records: list[dict[str, Any]] = []
    rows: list[int] = []
    decoder = msgspec.json.Decoder(dict[str, Any])
    lines = data.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            records.append(decoder.decode(line))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise FrameError(f"{label}, line {number}: expected one JSON object ({error}).") from None
        rows.append(number)
    names = list(dict.fromkeys(name for record in records for name in record))
    check_extent(label, len(records), len(names), len(data))
    columns = [
        pl.Series(name, [_told(record.get(name)) for record in records], dtype=pl.String) for name in names
    ]
    return Table(label, names, columns, pl.Series("row", rows, dtype=pl.UInt32), ["NDJSON, a row a line"])


def _told(value: Any) -> str | None:
    """Return a value as text: what JSON holds in it where it is a list or an object."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        if value != value:  # noqa: PLR0124 -- NaN
            return None
        return str(int(value)) if value.is_integer() and abs(value) < _EXACT_INTEGERS else str(value)
    if isinstance(value, (list, tuple, dict, set)):
        try:
            return msgspec.json.encode(value).decode()
        except (TypeError, ValueError, UnicodeError, RecursionError):
            return str(value)
    return str(value)


def _frame_of(source: Any) -> tuple[pl.DataFrame, int, list[str]]:
    if not is_frame(source):
        raise FrameError(
            f"read_contacts takes a path, bytes or a frame, not {type(source).__name__}: "
            "give the path of a CSV, Excel, Parquet or NDJSON file."
        )
    return (
        _as_text(to_polars(source, objects=True)),
        0,
        [f"a frame ({type(source).__module__.partition('.')[0]})"],
    )


def _is_missing(value: Any) -> bool:
    return (
        value is None
        or type(value).__name__ in ("NAType", "NaTType")
        or (
            isinstance(value, float) and value != value  # noqa: PLR0124 -- NaN
        )
    )


def _as_text(frame: pl.DataFrame) -> pl.DataFrame:
    """Turn numbers and categories to text; keep what a contacts frame has a type of its own for."""
    return frame.select(_text_of(column) for column in frame.get_columns())


def _text_of(column: pl.Series) -> pl.Series:
    kind = column.dtype
    if kind in (pl.String, pl.Boolean) or isinstance(kind, (pl.Datetime, pl.Map)):
        return column
    if isinstance(kind, pl.List) and kind.inner == pl.String:
        return column
    if kind.is_float():
        exact = column.is_finite() & (column == column.round(0)) & (column.abs() < _EXACT_INTEGERS)
        whole = column.set(~exact.fill_null(value=False), None).cast(pl.Int64).cast(pl.String)
        return whole.zip_with(exact.fill_null(value=False), column.fill_nan(None).cast(pl.String))
    if kind == pl.Object or kind.is_nested() or kind == pl.Binary:
        values = [None if _is_missing(value) else _told(_plain(value)) for value in column.to_list()]
        return pl.Series(column.name, values, dtype=pl.String)
    return column.cast(pl.String)


def _plain(value: Any) -> Any:
    if isinstance(value, pl.Series):
        return value.to_list()
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
