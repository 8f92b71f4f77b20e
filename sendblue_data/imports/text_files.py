"""CSV and its kin: found out are the encoding, the separator and where the header is; every cell stays text."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter
from contextlib import suppress
from itertools import islice, pairwise

import polars as pl
from charset_normalizer import from_bytes

from sendblue_data._frames.contact_text import MICROSECONDS, Form, csv_form
from sendblue_data._shared.phone_cells import bare
from sendblue_data._shared.text import plural
from sendblue_data.errors import FrameError
from sendblue_data.imports.extent import check_extent
from sendblue_data.imports.knowledge import headers, squeezed
from sendblue_data.imports.table import Table
from sendblue_data.schema import CONTACT_SCHEMA

_SAMPLE = 65_536
"""Bytes from which encoding and separator are found out."""
_CHUNK = 1 << 20
_LONGEST_CELL = 1 << 24
_FIRST_LINES = 100
"""Lines that tell how wide a file is."""
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_FAMILY = [
    "cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "koi8_r", "shift_jis", "euc_jp", "gb18030",
    "big5", "euc_kr", "mac_roman",
]  # fmt: skip
"""Encodings that spreadsheets and old systems write. Western files are cp1252, of which Latin-1 is a part."""
_LOOKS_LIKE_PHONE = re.compile(r"[+(]*[0-9][0-9 ().\-/]{5,}[0-9]")
_TITLE_ROWS = 15
"""Rows above a header that a report may begin with: its name, its date, its filters."""
_ODD_AFTER_LETTER = re.compile(
    r"[^\W\d_][\x80-\x9f\xa1-\xb4\xb6-\xb9\xbb-\xbf\xd7\xf7\u2018\u201c\u201e\u2020-\u2022\u02c6\u2030\u2039\u02dc]"
)
"""What no Western text has after a letter: a sign that another encoding's letter stands there."""


def read_text(label: str, held: list[bytes]) -> Table:
    """Read the bytes of a CSV, TSV or semicolon file.

    Args:
        label: what it is, for errors.
        held: the bytes, in a list that is emptied, so that they take no memory beside what was read of them.

    Raises:
        FrameError: it is empty, a quote is never closed, or it is no text.
    """
    data = held.pop()
    form = csv_form(data[:_SAMPLE])
    data, notes = _as_utf8(label, data)
    if b"\n" not in data and b"\r" in data:  # old Macs' ends of lines
        data = data.replace(b"\r", b"\n")
    skipped = 0
    if hint := re.match(rb'"?sep=(.)"?\r?\n', data):  # Excel's own, which it doesn't show as a row
        separator, data, skipped = hint[1].decode(), data[hint.end() :], 1
    else:
        separator = _separator(data[:_SAMPLE].decode("utf-8", "ignore"))
    notes.append(f"cells separated by {_SEPARATORS.get(separator, repr(separator))}")
    frame, broken = _cells(label, data, separator)
    del data
    return _with_header(label, frame, broken, notes, first=1 + skipped, form=form)


def _as_utf8(label: str, data: bytes) -> tuple[bytes, list[str]]:
    """Return the text as UTF-8, and a note of what it was."""
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            told = f"{encoding.upper().removesuffix('-LE').removesuffix('-BE')} with a byte order mark"
            return _recoded(label, data[len(mark) :], encoding), [told]
    if (wide := _utf16(data[:_SAMPLE])) is not None:
        return _recoded(label, data, wide), ["UTF-16"]
    if _is_utf8(data):
        return data, ["UTF-8"]
    encoding = _guessed(data)
    note = f"{encoding}, found out: look at names with accents"
    return _recoded(label, data, encoding), [note]


def _is_utf8(data: bytes) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for start in range(0, len(data), _CHUNK):
            decoder.decode(data[start : start + _CHUNK])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _recoded(label: str, data: bytes, encoding: str) -> bytes:
    if encoding == "utf-8":
        if not _is_utf8(data):
            raise FrameError(f"{label} begins as UTF-8 and is not: save it again as CSV UTF-8.")
        return data
    try:
        return data.decode(encoding).encode("utf-8")
    except UnicodeError:
        if not encoding.startswith("utf"):  # Latin-1 has a letter for every byte
            return data.decode("latin-1").encode("utf-8")
        raise FrameError(
            f"{label} is not the {encoding} that it seems: save it again as CSV UTF-8."
        ) from None


def _utf16(sample: bytes) -> str | None:
    """Tell UTF-16 without a mark by its zeros, every other byte of Western text."""
    half = len(sample) // 2
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    if not half or max(even, odd) < half * 0.6 or min(even, odd) > half * 0.1:
        return None
    return "utf-16-le" if odd > even else "utf-16-be"


def _guessed(data: bytes) -> str:
    """Find out an old encoding from the lines that have more than ASCII in them."""
    lines = [line for line in data[: _SAMPLE * 16].splitlines() if not line.isascii()]
    sample = b"\n".join(lines)[:_SAMPLE]
    if (by_headers := _guessed_by_headers(data[:_SAMPLE])) is not None:
        return by_headers
    if not _letters_alone(sample.decode("cp1252", "replace")) and _letters_alone(sample.decode("mac_roman")):
        return "mac_roman"
    best = from_bytes(sample, cp_isolation=_FAMILY, threshold=0.3).best()
    if best is None or not best.coherence or sample.decode("cp1252", "replace") == str(best):
        return "cp1252"
    return best.encoding


def _guessed_by_headers(sample: bytes) -> str | None:
    """Return the encoding in which a header with more than ASCII in it is one that is known; None where none is.

    A short file says too little by the letters of its names, and its headers are words that we know.
    """
    best, most = None, 0
    header = next((line for line in sample.splitlines() if line.strip()), b"")
    for encoding in _FAMILY if not header.isascii() else ():
        cells = re.split(r"[,;\t|]", header.decode(encoding, "replace"))
        number = sum(
            _clean(cell).strip('"').casefold() in headers().spelled for cell in cells if not cell.isascii()
        )
        if number > most:
            best, most = encoding, number
    return best


def _letters_alone(text: str) -> bool:
    is_shouted = any(a.islower() and b.isupper() and not b.isascii() for a, b in pairwise(text))
    return not (is_shouted or "\ufffd" in text or _ODD_AFTER_LETTER.search(text))


def _separator(sample: str) -> str:
    """Return the separator that splits the first lines most evenly; a comma where none does."""
    plain = re.sub(r'"(?:[^"]|"")*"', "", sample)
    lines = [line for line in plain.splitlines() if line][:20]
    best, most = ",", 0.0
    for separator in _SEPARATORS:
        counts = Counter(line.count(separator) for line in lines)
        counts.pop(0, None)
        if counts:
            number, of_lines = counts.most_common(1)[0]
            even = of_lines * min(number, 5) + (10 if lines[0].count(separator) == number else 0)
            if even > most:
                best, most = separator, even
    return best


def _cells(label: str, data: bytes, separator: str) -> tuple[pl.DataFrame, dict[int, str]]:
    """Read all cells as text; by position, the rows that have more of them than the first."""
    first = islice(io.BytesIO(data), _FIRST_LINES)
    widest = max((line.count(separator.encode()) for line in first), default=0)
    check_extent(label, data.count(b"\n") + 1, widest + 1, len(data))
    frame = None
    with suppress(
        pl.exceptions.PolarsError
    ):  # ragged rows, a quote amid a cell: read more slowly, to name the rows
        frame = pl.read_csv(
            data,
            has_header=False,
            infer_schema=False,
            separator=separator,
            raise_if_empty=False,
        )
    if frame is not None and (b'"' not in data or frame.height == _rows_of(data, separator)):
        return frame, {}
    return _cells_one_by_one(label, data.decode("utf-8"), separator)


def _rows_of(data: bytes, separator: str) -> int:
    """Count the rows as Python's reader does: a quote amid a cell opens one for Polars, which then joins rows."""
    if data.count(b'"') % 2:
        return -1
    text = io.TextIOWrapper(io.BytesIO(data), encoding="utf-8", newline="")
    csv.field_size_limit(_LONGEST_CELL)
    try:
        return sum(1 for _ in csv.reader(text, delimiter=separator))
    except csv.Error:
        return -1


def _cells_one_by_one(label: str, text: str, separator: str) -> tuple[pl.DataFrame, dict[int, str]]:
    csv.field_size_limit(_LONGEST_CELL)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=False)
    rows: list[list[str]] = []
    opened = 0
    try:
        for row in reader:
            rows.append(row)
            if any("\n" in cell for cell in row):
                opened = len(rows)
    except csv.Error as error:
        raise FrameError(
            f"{label}, row {len(rows) + 1}: {error}. Save the file again as CSV UTF-8."
        ) from None
    if text.count('"') % 2 and opened == len(rows):
        raise FrameError(
            f"{label}, row {len(rows)}: a quote (\") is opened and never closed, so that the rows after it can't be "
            "told apart. Close it, or write it twice within the cell."
        )
    width = _width(rows)
    broken = {
        position: f"the row has {len(row)} cells and the header {width}: a separator within a cell may have moved "
        "them; put the cell in quotes"
        for position, row in enumerate(rows)
        if len(row) > width and any(cell.strip() for cell in row[width:])
    }
    columns = [
        pl.Series(
            f"column_{n}", [(row[n] or None) if n < len(row) else None for row in rows], dtype=pl.String
        )
        for n in range(width)
    ]
    return pl.DataFrame(columns), broken


def _width(rows: list[list[str]]) -> int:
    header = next((row for row in rows if any(cell.strip() for cell in row)), [])
    while header and not header[-1].strip() and len(header) > 1:
        header = header[:-1]
    return len(header)


def _with_header(
    label: str, frame: pl.DataFrame, broken: dict[int, str], notes: list[str], *, first: int, form: Form
) -> Table:
    """Take the first row that says anything for the header, unless it is a person's."""
    given = frame.select(pl.any_horizontal(pl.all().str.contains(r"\S"))).to_series() if frame.width else None
    filled = pl.Series([], dtype=pl.UInt32) if given is None else given.fill_null(value=False).arg_true()
    if filled.is_empty():
        raise FrameError(f"{label} is empty: expected a header, and a row for each contact.")
    if above := _rows_above(frame, filled):
        notes.append(f"{plural(above, 'row')} above the header left out")
        filled = filled.slice(above)
    at = int(filled[0])
    names = [_clean(cell) for cell in frame.row(at)]
    if any(_LOOKS_LIKE_PHONE.fullmatch(bare(name)) for name in names):
        names = [f"column {n}" for n in range(1, len(names) + 1)]
        notes.append("no header: the first row holds a phone")
    elif {name.removeprefix("'") for name in names} <= {*CONTACT_SCHEMA, MICROSECONDS}:
        # A file of ours: a contact of which nothing is known is a row too.
        filled = pl.int_range(at + 1, frame.height, dtype=pl.UInt32, eager=True)
    else:
        filled = filled.slice(1)
    moved = dict(zip(filled.to_list(), range(filled.len()), strict=True)) if broken else {}
    if blank := int(filled[-1]) + 1 - int(filled[0]) - filled.len() if filled.len() else 0:
        notes.append(f"{plural(blank, 'blank row')} left out")
    is_whole = filled.len() and int(filled[-1]) - int(filled[0]) + 1 == filled.len()
    body = frame.slice(int(filled[0]), filled.len()) if is_whole else frame[filled]
    del frame
    return Table(
        label,
        names,
        body.get_columns(),
        (filled + first).cast(pl.UInt32).alias("row"),
        notes,
        {moved[position]: why for position, why in broken.items() if position in moved},
        form=form,
    )


def _rows_above(frame: pl.DataFrame, filled: pl.Series) -> int:
    """Count the rows that a report puts above its header, which is the first that names a phone and more."""
    known = headers().fields
    for place, row in enumerate(filled.head(_TITLE_ROWS).to_list()):
        cells = [cell for cell in map(_clean, frame.row(row)) if cell]
        fields = [known[squeezed(cell)] for cell in cells if squeezed(cell) in known]
        if "phone" in fields and len({*fields}) > 1:
            return place
        if place == 0 and (fields or len(cells) > 2):  # noqa: PLR2004 -- a title, a title and a date
            return 0
    return 0


def _clean(cell: object) -> str:
    return " ".join(str(cell or "").replace("\ufeff", "").split())


def read_sheet(label: str, frame: pl.DataFrame, notes: list[str]) -> Table:
    """Make a table of a sheet that was read without a header, every cell text."""
    return _with_header(label, frame.cast(pl.String), {}, notes, first=1, form="xlsx")
