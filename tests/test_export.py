"""Contacts to files: what readers get back, and that no half file ever carries the final name."""

import csv
import json
import os
import stat
import subprocess
import sys
import warnings
from pathlib import Path

import duckdb
import polars as pl
import pyarrow.parquet as pq
import pytest

from sendblue_data import (
    CONTACT_SCHEMA,
    IncompletePullError,
    Sandbox,
    contacts_frame,
    iter_contacts,
    write_contacts,
)
from sendblue_data._shared.files import replacing
from sendblue_data.errors import ConfigurationError, FrameError, SendblueError

HOSTILE = ["=1+1", "+1+1", "-2", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\uff1d1", " =1", "\xa0 +1", "'=1"]
UNSEEN = ["\0=1", "\ufeff=1", "\u200b@SUM(A1)", "\u2060\x01 -2"]
PLAIN = ["Ann", "", 'O\'Neil, "Al"', "line\nbreak", "\u202eevil", "🙂", "<b>", "2-1", None]


def people():
    """Every oddity: each name is of a contact of its own."""
    return contacts_frame(
        {
            "phone": f"+130555501{number:02d}",
            "first_name": name,
            "created_at": "2026-03-01T09:05:00.000007Z" if number else None,
            "custom_variables": {"Plan": name, "é": None} if number % 2 else None,
            "tags": [None, name] if number % 3 else [],
            "sendblue_number": "+13055550199",
            "opt_out": number % 2 == 0,
        }
        for number, name in enumerate([*HOSTILE, *PLAIN])
    )


def halves(frame):
    return iter([frame.head(7), frame.slice(7, 0), frame.slice(7)])


def rows_of(path):
    with path.open(newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


def test_parquet_keeps_every_type_for_every_reader(tmp_path):
    frame, path = people(), tmp_path / "out.parquet"
    assert write_contacts(halves(frame), path).contacts == frame.height == 20
    back = pl.read_parquet(path)
    assert back.schema == CONTACT_SCHEMA
    assert back.equals(frame)
    arrow = pq.read_table(path)
    assert arrow["custom_variables"].to_pylist()[1] == [("Plan", "+1+1"), ("é", None)]
    asked = "select count(*), count(custom_variables), max(len(tags)), max(created_at) from read_parquet(?)"
    with duckdb.connect() as connection:
        found = connection.execute(asked, [str(path)]).fetchone()
    assert found[:3] == (20, 10, 2)
    assert found[3].timestamp() == frame["created_at"].max().timestamp()


def test_parquet_has_row_groups(tmp_path):
    frame = pl.DataFrame({"phone": ["+13055550100"]}).select(pl.all().repeat_by(30_000).explode())
    written = write_contacts(iter([frame] * 5), tmp_path / "out.parquet")
    file = pq.ParquetFile(written.path)
    assert (written.contacts, file.metadata.num_rows) == (150_000, 150_000)
    assert file.metadata.num_row_groups > 1


def test_ndjson_gives_the_frame_back(tmp_path):
    frame, path = people(), tmp_path / "out.ndjson"
    write_contacts(halves(frame), path)
    assert pl.read_ndjson(path, schema=CONTACT_SCHEMA).equals(frame)
    lines = path.read_text().splitlines()
    assert len(lines) == frame.height
    assert json.loads(lines[1])["custom_variables"] == {"Plan": "+1+1", "é": None}


def test_a_safe_csv_has_no_cell_that_runs(tmp_path):
    frame, path = people(), tmp_path / "out.csv"
    write_contacts(halves(frame), path)
    rows = rows_of(path)
    assert len(rows) == frame.height
    assert list(rows[0]) == list(CONTACT_SCHEMA)
    phones = {"phone", "sendblue_number"}
    assert {row["phone"] for row in rows} == set(frame["phone"])
    cells = [text for row in rows for name, text in row.items() if name not in phones]
    assert len(cells) == 20 * 10
    assert [text for text in cells if text.lstrip()[:1] in set("=+-@\uff1d")] == []
    assert [text for text in cells if text[:1] in set("\t\r\n")] == []
    assert [row["first_name"] for row in rows] == [
        *("'" + name for name in HOSTILE),
        *("" if name is None else name for name in PLAIN),
    ]


def test_no_cell_runs_that_begins_with_what_is_not_seen(tmp_path):
    frame = pl.DataFrame({"first_name": UNSEEN, "company_name": pl.Series(UNSEEN, dtype=pl.Categorical)})
    write_contacts(frame.rename({"company_name": "\u200b=x"}), tmp_path / "out.csv")
    rows = rows_of(tmp_path / "out.csv")
    assert len(rows) == 4
    assert [[*row.values()] for row in rows] == [["'" + text] * 2 for text in UNSEEN]
    assert "'\u200b=x" in rows[0]


def test_an_exact_csv_keeps_every_text(tmp_path):
    frame, path = people(), tmp_path / "out.CSV"
    write_contacts(frame, path, safe_csv=False)
    rows = rows_of(path)
    assert [row["first_name"] or None for row in rows] == [name or None for name in frame["first_name"]]
    assert [json.loads(row["tags"]) for row in rows] == frame["tags"].to_list()
    variables = [json.loads(row["custom_variables"]) if row["custom_variables"] else None for row in rows]
    assert [made and dict(made) for made in variables] == [
        made and dict(made) for made in frame["custom_variables"].to_list()
    ]


@pytest.mark.parametrize("read", [pl.read_csv, lambda path: duckdb.connect().read_csv(str(path)).pl()])
def test_csv_phones_are_text_to_readers(tmp_path, read):
    write_contacts(people(), tmp_path / "out.csv")
    assert read(tmp_path / "out.csv")["phone"].to_list() == people()["phone"].to_list()


def test_what_is_no_phone_is_not_spared_in_a_phone_column(tmp_path):
    frame = pl.DataFrame({"phone": ["+13055550100\n", "+1305-555", "=1", "+13055550100"], "=x": [1, 2, 3, 4]})
    write_contacts(frame, tmp_path / "out.csv")
    rows = rows_of(tmp_path / "out.csv")
    assert [row["phone"] for row in rows] == ["'+13055550100\n", "'+1305-555", "'=1", "+13055550100"]
    assert "'=x" in rows[0]


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".xlsx", ".ndjson", ".jsonl"])
@pytest.mark.parametrize(
    "none", [lambda: iter([]), CONTACT_SCHEMA.to_frame, lambda: CONTACT_SCHEMA.to_frame().lazy()]
)
def test_nobody_is_a_file_too(tmp_path, suffix, none):
    written = write_contacts(none(), tmp_path / f"none{suffix}")
    assert written.contacts == 0
    if suffix == ".parquet":
        assert pl.read_parquet(written.path).schema == CONTACT_SCHEMA
    if suffix == ".csv":
        assert written.path.read_text().count("\n") == 1


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".xlsx", ".ndjson"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
@pytest.mark.parametrize("before", [None, b"yesterday's"])
def test_what_is_cut_off_leaves_nothing(tmp_path, suffix, error, before):
    path = tmp_path / f"out{suffix}"
    if before:
        path.write_bytes(before)
    closed = []

    def frames():
        try:
            yield people()
            raise error
        finally:
            closed.append(True)

    with pytest.raises(error):
        write_contacts(frames(), path)
    assert closed == [True]
    assert [entry.name for entry in tmp_path.iterdir()] == ([path.name] if before else [])
    assert not before or path.read_bytes() == before


def test_an_incomplete_pull_leaves_nothing_unless_allowed(tmp_path, monkeypatch):
    path = tmp_path / "out.parquet"
    with Sandbox(40) as sandbox, sandbox.client() as client:
        monkeypatch.setattr(type(client), "count_contacts", lambda _: 45)
        with pytest.raises(IncompletePullError):
            write_contacts(iter_contacts(client, progress=False), path)
        assert list(tmp_path.iterdir()) == []
        written = write_contacts(iter_contacts(client, progress=False, allow_incomplete=True), path)
    assert (written.contacts, written.evidence.complete) == (40, False)
    assert pl.read_parquet(path).height == 40


def test_the_certificate_comes_with_a_pull(tmp_path):
    with Sandbox(60) as sandbox, sandbox.client() as client:
        written = write_contacts(iter_contacts(client, progress=False), tmp_path / "out.csv")
        assert written.evidence.complete
        assert written.evidence.account == client.account
    assert written.contacts == written.evidence.contacts == 60
    assert written.size == written.path.stat().st_size > 0


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".xlsx", ".ndjson"])
def test_only_the_owner_may_read_it(tmp_path, suffix):
    path = tmp_path / f"out{suffix}"
    path.touch(0o644)
    before = os.umask(0)
    try:
        write_contacts(people(), path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("out.xls", r"'\.xls'; use \.csv, \.xlsx, \.parquet, \.ndjson or \.jsonl"),
        ("out", "no suffix"),
        ("nowhere/out.csv", "nowhere does not exist. Make it first"),
        ("folder.csv", "is a folder"),
    ],
)
def test_where_it_cannot_be_written_is_said_before_anything_is_pulled(tmp_path, name, words):
    (tmp_path / "folder.csv").mkdir()
    asked = []
    with pytest.raises(ConfigurationError, match=words):
        write_contacts((asked.append(1) for _ in range(1)), tmp_path / name)
    assert asked == []


@pytest.mark.parametrize("name", ["s3://bucket/out.parquet", Path("s3://bucket/out.parquet")])
def test_a_bucket_is_refused_by_its_name(name):
    with pytest.raises(ConfigurationError, match="is a URL: a file is written here. Copy it there"):
        write_contacts(people(), name)


def test_frames_of_another_kind_are_refused(tmp_path):
    path = tmp_path / "out.parquet"
    with pytest.raises(FrameError, match="frame 1 differs from the frames before it in opt_out"):
        write_contacts([people(), people().with_columns(opt_out=pl.lit("no"))], path)
    with pytest.raises(FrameError, match="found a dict where a Polars frame"):
        write_contacts([{"phone": "+13055550100"}], path)
    assert list(tmp_path.iterdir()) == []
    assert issubclass(FrameError, SendblueError)


def test_a_process_that_is_killed_leaves_no_half_file(tmp_path):
    code = (
        "import os, signal, sys\n"
        "from sendblue_data import contacts_frame, write_contacts\n"
        "def frames():\n"
        "    yield contacts_frame([{'phone': '+13055550100'}])\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "write_contacts(frames(), sys.argv[1])\n"
    )
    path = tmp_path / "out.csv"
    done = subprocess.run([sys.executable, "-c", code, str(path)], check=False, timeout=60)
    assert done.returncode == -9
    left = list(tmp_path.iterdir())
    assert len(left) == 1
    assert left[0].name.startswith(".out.csv.")
    assert stat.S_IMODE(left[0].stat().st_mode) == 0o600


def test_polars_warns_of_nothing(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert write_contacts(people().lazy(), tmp_path / "out.parquet").contacts == 20


def test_what_a_killed_export_left_is_removed_by_the_next_one_and_what_is_being_written_stays(tmp_path):
    left = tmp_path / ".people.csv.0123abcd.part"
    others = {".mine.part", "people.csv.0123abcd.part"}
    for name in (left.name, *others):
        (tmp_path / name).write_text("+12125550101")
    with replacing(tmp_path / "slow.csv") as part:
        assert not left.exists()
        write_contacts(contacts_frame([{"phone": "+12125550102"}]), tmp_path / "other.csv")
        assert {path.name for path in tmp_path.iterdir()} == {*others, part.name, "other.csv"}
    assert {path.name for path in tmp_path.iterdir()} == {*others, "slow.csv", "other.csv"}
