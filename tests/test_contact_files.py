"""What `write_contacts` took comes back equal from every kind of file."""

import csv
import errno
import fcntl
import io
import os
import stat
import sys
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import fastexcel
import polars as pl
import psutil
import pytest
import xlsxwriter
from hypothesis import HealthCheck, given, settings, strategies as st

from sendblue_data import CONTACT_SCHEMA, contacts_frame, write_contacts
from sendblue_data._frames.contact_text import contacts_from_ndjson, contacts_from_text, csv_form
from sendblue_data._shared import files
from sendblue_data.errors import ConfigurationError, FileNotWrittenError, FrameError, MissingExtraError
from tests.test_export import people


def read_back(path):
    """As a reader of files does it: everything as text first."""
    if path.suffix == ".parquet":
        return pl.read_parquet(path)
    if path.suffix == ".ndjson":
        return contacts_from_ndjson(path.read_bytes())
    if path.suffix == ".xlsx":
        cells = pl.read_excel(path, infer_schema_length=0, drop_empty_rows=False)
        return contacts_from_text(cells, "xlsx")
    content = path.read_bytes()
    return contacts_from_text(pl.read_csv(content, infer_schema=False), csv_form(content))


SIGNS = st.sampled_from(
    ["'", "=", "+1", "-", "@", "\t", "\r", "\n", "\0", "\ufeff", "\u200b", " ", "\uff1d", '"', "_x0041_"]
)
TEXT = st.one_of(
    st.lists(st.one_of(SIGNS, st.text(max_size=3)), max_size=4).map("".join),
    st.sampled_from(["", "'", "''", "'=1", "''=1", "true", "null", "[]", '"', "NaN", "#N/A", "1E5", "007"]),
).filter(lambda text: not {"\ufffe", "\uffff"} & set(text))
TAG = st.one_of(
    TEXT, st.sampled_from(["VIP", "Austin, TX", "a; b", "a|b", '["x"]', " pad ", '"q"', "[", "a\nb"])
)
PHONE = st.one_of(st.from_regex(r"\A\+1[2-9]\d\d55501\d\d\Z"), TEXT)
FIELDS = {
    "phone": PHONE,
    "sendblue_number": PHONE,
    **dict.fromkeys(("contact_id", "first_name", "last_name", "company_name", "assigned_to_email"), TEXT),
    "created_at": st.datetimes(datetime(1901, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC)),
    "opt_out": st.booleans(),
    "verified": st.booleans(),
    "tags": st.lists(st.none() | TAG, max_size=4),
    "custom_variables": st.dictionaries(TEXT, st.none() | TEXT, max_size=3),
}


@st.composite
def contacts(draw):
    names = draw(st.lists(st.sampled_from(list(CONTACT_SCHEMA)), min_size=1, unique=True))
    rows = draw(
        st.lists(st.fixed_dictionaries({name: st.none() | FIELDS[name] for name in names}), max_size=5)
    )
    return pl.DataFrame(rows, schema={name: CONTACT_SCHEMA[name] for name in names})


OPTIONS = [
    ("out.csv", {}),
    ("out.csv", {"bom": False, "tags_separator": ","}),
    ("out.csv", {"tags_separator": None}),
    ("out.csv", {"safe_csv": False}),
    ("out.xlsx", {}),
    ("out.xlsx", {"tags_separator": " | "}),
    ("out.parquet", {}),
    ("out.ndjson", {}),
]


@pytest.mark.parametrize(("name", "options"), OPTIONS)
def test_what_was_written_comes_back_equal(tmp_path, name, options):
    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    @given(contacts())
    def property_holds(frame):
        if name == "out.xlsx":  # a row without a cell is none
            frame = frame.filter(pl.any_horizontal(pl.all().is_not_null()))
        written = write_contacts(frame, tmp_path / name, **options)
        back = read_back(written.path)
        if name == "out.ndjson" and not frame.height:
            assert back.height == 0
            return
        assert back.schema == frame.schema
        assert back.rows() == frame.rows()

    property_holds()


def test_a_workbook_opens_right(tmp_path):
    frame = contacts_frame(
        [
            {
                "phone": "+13055550100",
                "created_at": "2026-03-01T09:05:00.123456Z",
                "opt_out": True,
                "tags": ["VIP", "Austin, TX"],
            },
            {"phone": "+13055550101", "first_name": "=1+1", "last_name": "http://example.invalid"},
        ]
    )
    sheet = fastexcel.read_excel(write_contacts(frame, tmp_path / "out.xlsx").path).load_sheet("contacts")
    kinds = {column.name: column.dtype for column in sheet.available_columns()}
    rows = sheet.to_polars()
    assert rows.height == 2
    assert {kinds[name] for name in ("phone", "first_name", "last_name", "tags")} == {"string"}
    assert (kinds["created_at"], kinds["opt_out"]) == ("datetime", "boolean")
    assert rows["created_at"][0] == datetime(2026, 3, 1, 9, 5, 0, 123000)
    assert rows["tags"][0] == 'VIP; "Austin, TX"'
    assert rows["first_name"][1] == "=1+1"
    with zipfile.ZipFile(tmp_path / "out.xlsx") as book:
        sheet = book.read("xl/worksheets/sheet1.xml").decode()
    assert "<f>" not in sheet
    assert 'hidden="1"' in sheet


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("first_name", "x" * 32_768, "row 1: the value has more than the 32,767 characters"),
        ("first_name", "🙂" * 16_384, "row 1: the value has more than the 32,767 characters"),
        ("first_name", "\uffff", "row 1: the value holds U\\+FFFE or U\\+FFFF"),
        ("created_at", datetime(1850, 1, 1, tzinfo=UTC), "row 1: the value is no date that Excel knows"),
    ],
)
def test_what_a_workbook_can_not_hold_is_told_by_column_and_row(tmp_path, column, value, words):
    frame = pl.DataFrame({column: [None, value]}, schema={column: CONTACT_SCHEMA[column]})
    with pytest.raises(FrameError, match=f"Column '{column}', {words}"):
        write_contacts(frame, tmp_path / "out.xlsx")
    assert list(tmp_path.iterdir()) == []
    write_contacts(frame, tmp_path / "out.csv")
    assert read_back(tmp_path / "out.csv").equals(frame)


def test_more_rows_than_a_sheet_has_are_refused(tmp_path):
    frame = pl.DataFrame({"verified": pl.Series([None], dtype=pl.Boolean).new_from_index(0, 1_048_576)})
    with pytest.raises(FrameError, match="more than 1,048,575 contacts"):
        write_contacts(frame, tmp_path / "out.xlsx")


def test_a_list_edited_by_hand_keeps_what_was_typed(tmp_path):
    text = pl.DataFrame(
        {
            "first_name": ["'=1", "'Tis", "''=1"],
            "opt_out": ["TRUE", "no", None],
            "verified": ["TRUE", "", "false"],
            "tags": ["VIP, Lead", "a; b", None],
            "created_at": ["3/1/26", None, None],
            "custom_variables": ["Plan=Pro", None, None],
            "Notes": ["'@x", None, "plain"],
        }
    )
    back = contacts_from_text(text, "csv")
    assert back["first_name"].to_list() == ["=1", "'Tis", "'=1"]
    assert back["verified"].to_list() == [True, None, False]
    assert back["Notes"].to_list() == ["@x", None, "plain"]
    as_typed = ["opt_out", "tags", "created_at", "custom_variables"]
    assert back.select(as_typed).equals(text.select(as_typed))


def test_a_file_that_excel_saved_again_is_still_known(tmp_path):
    frame = people()
    content = write_contacts(frame, tmp_path / "out.csv").path.read_bytes().decode("utf-8-sig")
    rows = list(csv.reader(io.StringIO(content, newline="")))
    saved = io.StringIO(newline="")
    csv.writer(saved, lineterminator="\r\n").writerows(rows)
    head = saved.getvalue().encode()
    back = contacts_from_text(pl.read_csv(head, infer_schema=False), csv_form(head))
    blank_as_null = pl.col(pl.String).replace("", None)
    assert back.with_columns(blank_as_null).equals(frame.with_columns(blank_as_null))


@pytest.mark.parametrize("separator", ["and", "", " ", ";;", "\t", 1])
def test_separators_by_which_tags_can_not_be_told_apart_are_refused(tmp_path, separator):
    with pytest.raises(ConfigurationError, match="tags_separator is"):
        write_contacts(people(), tmp_path / "out.csv", tags_separator=separator)


@pytest.mark.parametrize("columns", [[], "phone", ["phone", "phone"], [1]])
def test_columns_are_a_list_of_names(tmp_path, columns):
    with pytest.raises(ConfigurationError, match="columns is"):
        write_contacts(people(), tmp_path / "out.csv", columns=columns)


def test_the_columns_that_are_asked_for_are_written_in_their_order(tmp_path):
    halves = iter([people().head(3), people().tail(4)])
    write_contacts(halves, tmp_path / "out.csv", columns=["tags", "phone"])
    back = read_back(tmp_path / "out.csv")
    assert (back.columns, back.height) == (["tags", "phone"], 7)
    with pytest.raises(FrameError, match="no column 'Tags'"):
        write_contacts(people(), tmp_path / "out.csv", columns=["Tags"])


def test_a_byte_order_mark_is_for_csv(tmp_path):
    assert write_contacts(people(), tmp_path / "a.csv").path.read_bytes()[:3] == b"\xef\xbb\xbf"
    for options in ({"bom": False}, {"safe_csv": False}):
        assert (
            write_contacts(people(), tmp_path / "a.csv", **options).path.read_bytes()[:3] != b"\xef\xbb\xbf"
        )
    with pytest.raises(ConfigurationError, match="bom=True is for .csv"):
        write_contacts(people(), tmp_path / "a.parquet", bom=True)


def test_a_workbook_says_which_extra_it_needs(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "xlsxwriter", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'sendblue-data\[excel\]'"):
        write_contacts(people(), tmp_path / "a.xlsx")


def test_a_full_disk_ends_a_workbook_by_one_error(tmp_path, monkeypatch):
    def full(*_):
        raise xlsxwriter.exceptions.FileCreateError(OSError(28, "No space left on device"))

    monkeypatch.setattr(xlsxwriter.Workbook, "_store_workbook", full)
    with pytest.raises(FileNotWrittenError, match="No space left"):
        write_contacts(people(), tmp_path / "a.xlsx")
    assert list(tmp_path.iterdir()) == []


def test_a_system_that_flushes_and_renames_no_open_file_as_windows_gets_the_file(tmp_path, monkeypatch):
    flushed, replace = [], Path.replace

    def fsync(opened):
        is_folder = stat.S_ISDIR(os.fstat(opened).st_mode)
        if is_folder or fcntl.fcntl(opened, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(errno.EBADF, "Bad file descriptor")
        flushed.append(opened)

    def rename(path, target):
        assert str(path) not in [one.path for one in psutil.Process().open_files()]
        return replace(path, target)

    monkeypatch.setattr(files, "fcntl", None)
    monkeypatch.setattr(files.os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", rename)
    written = write_contacts(contacts_frame([{"phone": "+12125550100"}]), tmp_path / "contacts.csv")
    assert written.path.read_text().count("+12125550100") == 1
    assert len(flushed) == 1
