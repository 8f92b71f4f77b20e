"""Erasure: no byte of a forgotten contact in any file, and everything else just as it was."""

from __future__ import annotations

import gzip
import re
from datetime import timedelta
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from polars.testing import assert_frame_equal

from sendblue_data import ContactHistory
from sendblue_data.errors import FileNotWrittenError, FrameError

from . import worlds as w

SECRET = w.phone(3)
WORDS = [SECRET, "id-3-0", "Zaphod-Three", "three@corp"]


def everything_in(folder: Path) -> bytes:
    """All bytes of a table's files: raw, names, values after decompression, and footers with their statistics."""
    found = []
    for file in sorted(p for p in folder.rglob("*") if p.is_file()):
        raw = file.read_bytes()
        found += [str(file).encode(), raw]
        if raw[:4] == b"PAR1":
            metadata = pq.read_metadata(file)
            columns = [
                metadata.row_group(g).column(c)
                for g in range(metadata.num_row_groups)
                for c in range(metadata.num_columns)
            ]
            found += [repr([c.statistics.to_dict() if c.statistics else None for c in columns]).encode()]
            found += [repr(pq.ParquetFile(file).read().to_pylist()).encode()]
        if raw[:2] == b"\x1f\x8b":
            found.append(gzip.decompress(raw))
    return b"\n".join(found)


def a_history(folder: Path) -> tuple[ContactHistory, list[tuple[object, list[w.Contact]]]]:
    history = ContactHistory(folder)
    taken = []
    for day in range(6):
        contacts = [
            w.contact(n, first_name="Zaphod-Three" if n == 3 else f"N{day}", assigned_to_email="three@corp" if n == 3 else None,
                      opt_out=day > n)
            for n in range(8)
            if (n, day) not in {(5, 3), (3, 4)}
        ]  # fmt: skip
        at = w.FIRST + timedelta(days=day)
        history.snapshot(w.frame(contacts), at)
        taken.append((at, contacts))
    return history, taken


def test_no_byte_is_left(tmp_path: Path) -> None:
    history, taken = a_history(tmp_path)
    history.compact()  # replaced files are still there for readers
    before = everything_in(tmp_path)
    assert all(word.encode() in before for word in WORDS)

    # What a killed writer leaves: a data file that no commit names, and one that was still being written.
    live = next(tmp_path.glob("h_part=contact/*/*.parquet"))
    (live.parent / "part-00000-orphan.parquet").write_bytes(live.read_bytes())
    (live.parent / "part-00001-half.parquet#1").write_bytes(live.read_bytes()[:900])

    erased = history.forget([SECRET, "+13055550199"])
    assert erased["phone"].to_list() == [SECRET, "+13055550199"]
    assert erased["contacts"].to_list() == [1, 0]
    after = everything_in(tmp_path)
    for word in WORDS:
        assert word.encode() not in after
        assert not re.search(re.escape(word[:9]).encode() + b"[^1]", after) or word == SECRET
    assert w.phone(4).encode() in after

    for reader in (history, ContactHistory(tmp_path)):
        for at, contacts in taken:
            expected = w.frame([c for c in contacts if c["phone"] != SECRET])
            assert_frame_equal(reader.at(at), expected)
        assert SECRET not in reader.opt_out_events()["phone"]
    assert pl.scan_delta(str(tmp_path)).filter(pl.col("phone") == SECRET).collect().is_empty()


def test_the_history_goes_on_after_an_erasure(tmp_path: Path) -> None:
    history, taken = a_history(tmp_path)
    history.forget([w.phone(7)])
    at, contacts = taken[-1]
    later = at + timedelta(days=1)
    done = history.snapshot(w.frame(contacts), later)
    assert (done.added, done.removed, done.changed) == (1, 0, 0)  # it was not deleted from the account
    assert_frame_equal(history.at(later).sort("phone"), w.frame(contacts).sort("phone"))


def test_everybody_can_be_forgotten(tmp_path: Path) -> None:
    history, taken = a_history(tmp_path)
    erased = history.forget([w.phone(n) for n in range(8)])
    assert erased["contacts"].sum() == 8
    for at, _ in taken:
        assert history.at(at).is_empty()
    assert history.opt_out_events().is_empty()
    later = taken[-1][0] + timedelta(days=1)
    history.snapshot(w.frame(taken[0][1]), later)
    assert history.at(later).height == 8
    assert history.at(taken[0][0]).is_empty()


def test_phones_may_come_one_after_another(tmp_path: Path) -> None:
    history, _ = a_history(tmp_path)
    assert history.forget(phone for phone in [SECRET])["contacts"].to_list() == [1]
    assert SECRET.encode() not in everything_in(tmp_path)


def test_one_text_is_no_list_of_phones(tmp_path: Path) -> None:
    history, _ = a_history(tmp_path)
    with pytest.raises(FrameError, match="list of phone numbers"):
        history.forget(SECRET)


def test_files_that_could_not_be_deleted_are_told_and_go_with_the_next_try(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    history, _ = a_history(tmp_path)

    def denied(*_args: object, **_options: object) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(DeltaTable, "vacuum", denied)
        with pytest.raises(FileNotWrittenError, match="may still be in them.*do the same again"):
            history.forget([SECRET])
    assert SECRET.encode() in everything_in(tmp_path)
    history.forget([SECRET])
    assert SECRET.encode() not in everything_in(tmp_path)
