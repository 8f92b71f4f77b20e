"""`sendblue-data messages`: a file of all messages, its owner's alone, without texts unless they are asked for."""

import stat

import polars as pl
import pytest

from sendblue_data import MESSAGE_SCHEMA, Sandbox
from sendblue_data.cli.main import main

SECRET = "the doctor said it is cancer"
MESSAGES = [
    {"number": "+12125550100", "is_outbound": False, "content": SECRET, "date_sent": "2026-03-01T12:00:00Z"},
    {"number": "+12125550101", "is_outbound": False, "content": "Arrêt", "date_sent": "2026-03-02T12:00:00Z"},
]


@pytest.fixture
def out(tmp_path, monkeypatch):
    with Sandbox([], messages=MESSAGES) as sandbox:
        for name, value in (
            ("API_KEY", sandbox.api_key),
            ("API_SECRET", sandbox.api_secret),
            ("BASE_URL", sandbox.url),
        ):
            monkeypatch.setenv(f"SENDBLUE_API_{name}", value)
        yield tmp_path / "messages.parquet"


def test_no_text_is_written_or_shown(out, capsys):
    assert main(["messages", str(out)]) == 0
    said = capsys.readouterr()
    assert "2 messages, without texts" in said.out
    assert "complete:           yes" in said.out
    frame = pl.read_parquet(out)
    assert frame.schema == MESSAGE_SCHEMA
    assert frame["content_length"].to_list() == [len(SECRET), 5]
    assert SECRET.encode() not in out.read_bytes()
    assert SECRET not in said.out + said.err
    assert stat.S_IMODE(out.stat().st_mode) == 0o600


def test_texts_are_kept_where_they_are_asked_for_and_never_shown(out, capsys):
    words = ["messages", str(out), "--content", "--languages", "fr", "--since", "2026-03-01", "--quiet"]
    assert main(words) == 0
    said = capsys.readouterr()
    frame = pl.read_parquet(out)
    assert frame["content"].to_list() == [SECRET, "Arrêt"]
    assert frame["keyword"].to_list() == [None, "stop"]
    assert SECRET not in said.out + said.err
    assert stat.S_IMODE(out.stat().st_mode) == 0o600


def test_until(out):
    assert main(["messages", str(out), "--until", "2026-03-02"]) == 0
    assert pl.read_parquet(out).height == 1


@pytest.mark.parametrize(
    "words", [["out.csv"], ["m.parquet", "--since", "soon"], ["m.parquet", "--languages", "xx"]]
)
def test_wrong_usage(words, capsys):
    assert main(["messages", *words]) == 2
    assert "error:" in capsys.readouterr().err
