"""Lists that reach too far are refused before they are read: one stray cell would end the process, or fill memory."""

import io
import zipfile

import polars as pl
import pytest
from hypothesis import given, strategies as st

from sendblue_data import read_contacts
from sendblue_data.errors import FrameError
from sendblue_data.imports import extent

LIST = pl.DataFrame({"Phone": ["+12125550100", "+12125550101"], "First Name": ["Ada", "Grace"]})


def workbook(cells=b"", *, padding=0, frame=LIST):
    """An .xlsx of a list, with rows of XML put after its own, and spaces."""
    made, changed = io.BytesIO(), io.BytesIO()
    frame.write_excel(made)
    with (
        zipfile.ZipFile(made) as book,
        zipfile.ZipFile(changed, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as other,
    ):
        for part in book.infolist():
            data = book.read(part)
            if part.filename == "xl/worksheets/sheet1.xml":
                data = data.replace(b"</sheetData>", cells + b" " * padding + b"</sheetData>")
            other.writestr(part.filename, data)
    return changed.getvalue()


@pytest.mark.parametrize(
    "cells",
    [
        b'<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>',
        b'<row r="9"><c s="1" r="XFD9"><v>1</v></c></row><row r="1048576"><c r="A1048576"><v>1</v></c></row>',
        b'<row r="1000000" spans="1:2"><c r="CZ1000000" t="n"><v>1</v></c></row>',
    ],
)
def test_a_stray_cell_far_from_the_list_is_told(cells):
    """Read on, calamine asks for the whole rectangle and ends the process."""
    with pytest.raises(FrameError, match=r"reaches over 1,0\d\d,\d\d\d rows .* one stray cell does that"):
        read_contacts(workbook(cells))


def test_a_cell_below_the_list_is_a_row():
    read = read_contacts(workbook(b'<row r="90000"><c r="A90000"><v>12125550102</v></c></row>'))
    assert read.frame["row"].to_list() == [2, 3, 90_000]


def test_a_wide_list_is_read():
    wide = LIST.with_columns(pl.lit("x").alias(f"note {number}") for number in range(700))
    assert read_contacts(workbook(frame=wide)).frame.height == 2


def test_a_workbook_that_grows_out_of_proportion_is_refused():
    with pytest.raises(FrameError, match="grows to 210,.* no spreadsheet makes such a file"):
        read_contacts(workbook(padding=210_000_000))


def test_what_is_wider_than_any_spreadsheet_is_refused():
    line = ",".join(["+12125550100"] * 20_000)
    with pytest.raises(FrameError, match="has 20,000 columns"):
        read_contacts(f"{line}\n{line}\n".encode())


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_short_rows_under_a_long_header_are_refused(separator):
    header = separator.join(["Phone", *(f"c{number}" for number in range(16_000))])
    with pytest.raises(FrameError, match="reaches over 9,00. rows and 16,001 columns"):
        read_contacts((header + "\n" + "+12125550100\n" * 9_000).encode())


def test_objects_of_which_none_has_the_keys_of_another_are_refused():
    lines = ("{" + ",".join(f'"k{row * 100 + n}":1' for n in range(100)) + "}" for row in range(2_000))
    with pytest.raises(FrameError, match="has 200,000 columns"):
        read_contacts("\n".join(lines).encode())


@given(number=st.integers(1, 16_384))
def test_a_columns_letters_are_its_number(number):
    letters, rest = b"", number
    while rest:
        rest, last = divmod(rest - 1, 26)
        letters = bytes([65 + last]) + letters
    assert extent._number(letters) == number
    assert extent._reach(io.BytesIO(b'<c r="%s7"/>' % letters)) == (7, number)


@given(chunk=st.integers(70, 200), row=st.integers(1, 1_048_576))
def test_a_cell_across_two_chunks_is_seen(chunk, row):
    text = b" " * 150 + b'<row r="%d"><c r="AB%d"/>' % (row, row) + b" " * 150
    small, extent._CHUNK = extent._CHUNK, chunk
    try:
        assert extent._reach(io.BytesIO(text)) == (row, 28)
    finally:
        extent._CHUNK = small
