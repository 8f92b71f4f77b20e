"""A pull that does not fit in memory is recorded as one that does."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import polars as pl
import pytest
from deltalake import DeltaTable
from hypothesis import HealthCheck, given, settings, strategies as st
from polars.testing import assert_frame_equal

from sendblue_data import ContactHistory
from sendblue_data.errors import FileNotWrittenError, FrameError, SnapshotRefusedError, WrongAccountError
from sendblue_data.history import parts, past, spilled

from . import worlds as w
from .test_snapshot import evidence, people

DAY = timedelta(days=1)


@contextmanager
def small_parts(rows: int = 3) -> Iterator[None]:
    """Let a handful of contacts be too many for memory, and few enough fit into a part that there are several."""
    with (
        patch.object(spilled, "HELD_ROWS", 0),
        patch.object(spilled, "CHUNK_ROWS", rows),
        patch.object(past, "CHUNK_ROWS", rows),
        patch.object(parts, "CHUNK_ROWS", rows),
        patch.object(past, "_SCATTERED", 1),
    ):
        yield


def pulled(frame: pl.DataFrame, rows: int = 2) -> Iterator[pl.DataFrame]:
    """The frame as a pull yields it; an empty one as one empty frame."""
    yield from frame.iter_slices(rows) if frame.height else [frame]


def told(history: ContactHistory) -> dict[str, pl.DataFrame]:
    return {
        "snapshots": history.snapshots(),
        "events": history.opt_out_events(),
        "trend": history.opt_out_trend("1w"),
        "flow": history.list_flow("1w"),
    }


@st.composite
def shuffled_worlds(draw: st.DrawFn) -> w.World:
    """Worlds whose pulls come in any order, with contacts who share a phone, or have none."""
    world = draw(w.worlds(people=7, snapshots=5))
    for n, (at, contacts) in enumerate(world.taken):
        order = draw(st.sampled_from(["as it is", "backwards", "any"]))
        people = draw(st.permutations(contacts)) if order == "any" else contacts
        odd = draw(st.sampled_from([{}, {"phone": w.phone(0)}, {"phone": None}]))
        changed = [c | (odd if k % 3 == 1 else {}) for k, c in enumerate(people)]
        world.taken[n] = (at, changed[::-1] if order == "backwards" else changed)
    return world


@pytest.mark.slow
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(shuffled_worlds(), st.integers(1, 4), st.integers(1, 5))
def test_a_stream_is_recorded_as_a_frame_is(world: w.World, chunk: int, batch: int) -> None:
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        whole, streamed = ContactHistory(one), ContactHistory(other)
        options: dict[str, Any] = {"max_shrink": 1, "allow_other_account": True}
        for n, (at, contacts) in enumerate(world.taken):
            frame = w.frame(contacts)
            if n == 2:
                frame = frame.with_columns(language=pl.lit("fr"))
            expected = whole.snapshot(frame, at, **options)
            with small_parts(chunk):
                assert streamed.snapshot(pulled(frame, batch), at, **options) == expected
            assert_frame_equal(streamed.at(at), whole.at(at))
        found = told(streamed)
        for name, table in told(whole).items():
            assert_frame_equal(found[name], table)
        streamed.compact()
        for at, _ in world.taken:
            assert_frame_equal(streamed.at(at), whole.at(at))


def test_both_ways_of_recording_go_on_from_one_another(tmp_path: Path) -> None:
    history = ContactHistory(tmp_path)
    frames = [people(*range(9)), people(*range(1, 12), first_name="B"), people(*range(2, 12), opt_out=True)]
    for day, frame in enumerate(frames):
        with small_parts():
            given_ = pulled(frame) if day % 2 else frame
            assert history.snapshot(given_, w.FIRST + day * DAY).number == day
        assert_frame_equal(history.at(w.FIRST + day * DAY), frame)
    assert history.opt_out_events().height == 10


def test_a_lazy_frame_and_parquet_files_are_recorded(tmp_path: Path) -> None:
    frame = people(*range(8), tags=["é", None], custom_variables={"y": "1", "x": None})
    folder = tmp_path / "pull" / "created_month=2026-01"
    folder.mkdir(parents=True)
    frame[:4].write_parquet(folder / "a.parquet")
    frame[4:].write_parquet(folder / "b.parquet")
    ways = [
        frame.lazy(),
        tmp_path / "pull",
        str(tmp_path / "pull" / "*" / "*.parquet"),
        [folder / "a.parquet", folder / "b.parquet"],
        frame.to_arrow(),
    ]
    for number, way in enumerate(ways):
        history = ContactHistory(tmp_path / str(number))
        with small_parts():
            history.snapshot(way, w.FIRST)
        assert_frame_equal(history.at(w.FIRST), frame)
    with pytest.raises(FrameError, match="no Parquet file is at"):
        history.snapshot(tmp_path / "nothing" / "*.parquet")


def test_a_stream_that_ends_in_an_error_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut() -> Iterator[pl.DataFrame]:
        yield from pulled(people(*range(8), first_name="B"))
        raise ConnectionError("the line is dead")

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    history = ContactHistory(tmp_path / "h")
    with small_parts(), pytest.raises(ConnectionError):
        history.snapshot(cut())
    assert not (tmp_path / "h").exists()
    history.snapshot(people(*range(8)), w.FIRST)
    before = sorted((tmp_path / "h").rglob("*"))
    with small_parts(), pytest.raises(ConnectionError):
        history.snapshot(cut(), w.FIRST + DAY)
    assert sorted((tmp_path / "h").rglob("*")) == before
    assert list((tmp_path / "temporary").iterdir()) == []


def test_a_temporary_disk_that_is_full_is_told_as_such(tmp_path: Path) -> None:
    history = ContactHistory(tmp_path)
    history.snapshot(people(*range(8)), w.FIRST)
    before = sorted(tmp_path.rglob("*"))
    write = pl.DataFrame.write_ipc_stream
    for failing in (1, 3, 8):  # while the pull is read, and while it is compared
        written: list[pl.DataFrame] = []

        def write_ipc_stream(
            frame: pl.DataFrame,
            file: Any,
            *,
            done: list[pl.DataFrame] = written,
            last: int = failing,
            **how: Any,
        ) -> None:
            done.append(frame)
            if len(done) >= last:
                raise OSError(28, "No space left on device")
            write(frame, file, **how)

        with (
            small_parts(),
            patch.object(pl.DataFrame, "write_ipc_stream", write_ipc_stream),
            pytest.raises(FileNotWrittenError, match="temporary folder .* TMPDIR"),
        ):
            history.snapshot(pulled(people(*range(8), first_name="B")), w.FIRST + DAY)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_stream_is_refused_as_a_frame_is_and_leaves_no_file(tmp_path: Path) -> None:
    history = ContactHistory(tmp_path)
    with small_parts():
        history.snapshot(pulled(people(*range(10))), w.FIRST)
        before = sorted(tmp_path.rglob("*"))
        at = w.FIRST + DAY
        with pytest.raises(SnapshotRefusedError, match="fell from 10 contacts to 7"):
            history.snapshot(pulled(people(*range(7))), at)
        with pytest.raises(WrongAccountError, match="Only 1 of 10 contacts"):
            history.snapshot(pulled(people(*range(9, 20))), at)
        with pytest.raises(SnapshotRefusedError, match="already reaches to"):
            history.snapshot(pulled(people(*range(11))), w.FIRST)
        with pytest.raises(FrameError, match=r"Rows 1 and 8 are one contact .*'id-1-0'.* so does 1 more row"):
            history.snapshot(pulled(pl.concat([people(*range(8)), people(1, 2)])), at)
        with pytest.raises(FrameError, match="10 rows, but its evidence speaks of 12"):
            history.snapshot(pulled(people(*range(10))), at, evidence=evidence(12))
        with pytest.raises(FrameError, match="'h_kind'"):
            history.snapshot(pulled(people(0).with_columns(h_kind=pl.lit("x"))), at)
        with pytest.raises(FrameError, match="no frame came"):
            history.snapshot(iter(()), at)
    assert sorted(tmp_path.rglob("*")) == before


def test_the_evidence_that_a_pull_returns_is_kept(tmp_path: Path) -> None:
    def pull(complete: bool) -> Generator[pl.DataFrame, None, object]:
        yield from pulled(people(*range(5)))
        return evidence(5, complete=complete)

    history = ContactHistory(tmp_path)
    with small_parts():
        with pytest.raises(SnapshotRefusedError, match="can't show that every contact"):
            history.snapshot(pull(complete=False))
        assert not history.exists()
        assert history.snapshot(pull(complete=True)).taken_at == w.FIRST
    assert history.snapshots().select("account", "complete").row(0) == ("sandbox ab12", True)


def test_what_a_stream_wrote_can_be_forgotten(tmp_path: Path) -> None:
    history = ContactHistory(tmp_path)
    with small_parts():
        history.snapshot(pulled(people(*range(8))), w.FIRST)
        history.snapshot(pulled(people(*range(8), first_name="B")), w.FIRST + DAY)
    assert history.forget([w.phone(3)])["contacts"].to_list() == [1]
    assert history.at(w.FIRST + DAY)["phone"].to_list() == [w.phone(n) for n in range(8) if n != 3]
    assert DeltaTable(tmp_path).schema().fields[-1].name == "assigned_to_email"


@pytest.mark.slow
def test_memory_stays_small() -> None:
    """362 MiB were seen, 164 of them what is imported; eighty times as many contacts take hardly more."""
    words = [sys.executable, "-m", "benchmarks.history_stream", "--contacts", "120000", "--days", "2"]
    done = subprocess.run([*words, "--allowed", "440"], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "each day came back equal to the input, within the limit" in done.stdout
