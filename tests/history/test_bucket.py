"""A history in a bucket, against moto's server of the protocol of S3."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
import requests
from polars.testing import assert_frame_equal

from sendblue_data import ContactHistory

from . import worlds as w
from .test_parts import pulled, small_parts
from .test_snapshot import people

pytestmark = pytest.mark.slow
DAY = timedelta(days=1)
ROOT = Path(__file__).parents[2]
TIMES = 4


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of moto's server, which has a virtual environment of its own: it wants an older dateutil."""
    command = shutil.which("moto_server")
    if command is None:
        pytest.skip("moto_server is not there: `make buckets` has it")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(
        [command, "-H", "127.0.0.1", "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        for _ in range(600):
            with suppress(requests.ConnectionError):
                requests.get(f"{address}/moto-api/", timeout=30)
                break
            time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        process.wait()


@pytest.fixture
def bucket(server: str) -> dict[str, str]:
    """The options of a bucket that is there and empty."""
    requests.post(f"{server}/moto-api/reset", timeout=30).raise_for_status()
    requests.put(f"{server}/bucket", timeout=30).raise_for_status()
    return {
        "AWS_ENDPOINT_URL": server,
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "made-up",
        "AWS_SECRET_ACCESS_KEY": "made-up",
        "AWS_REGION": "us-east-1",
    }


def test_whole_frames_and_streams_come_back_and_are_forgotten(bucket: dict[str, str]) -> None:
    history = ContactHistory("s3://bucket/history", storage_options=bucket)
    frames = [people(*range(6)), people(*range(1, 8), first_name="B")]
    with small_parts():
        for day, frame in enumerate(frames):
            history.snapshot(pulled(frame), w.FIRST + day * DAY)
    history.snapshot(frames[0], w.FIRST + 2 * DAY)
    for day, frame in enumerate([*frames, frames[0]]):
        assert_frame_equal(history.at(w.FIRST + day * DAY), frame)
    assert history.forget([w.phone(3)])["contacts"].to_list() == [1]
    assert w.phone(3) not in history.at(w.FIRST)["phone"]


def test_what_two_writers_were_told_is_what_is_there(bucket: dict[str, str], tmp_path: Path) -> None:
    """Nothing is shared but the bucket: each has a folder of its own for its locks."""
    uri = "s3://bucket/history"
    ContactHistory(uri, storage_options=bucket).snapshot(people(*range(5)), w.FIRST)
    words = [sys.executable, "-m", "tests.history.two_writers", uri]
    writers = [
        subprocess.Popen(
            [*words, name, str(TIMES), json.dumps(bucket)],
            cwd=ROOT, stdout=subprocess.PIPE, text=True, env=os.environ | {"XDG_STATE_HOME": str(tmp_path / name)},
        )
        for name in ("A", "B")
    ]  # fmt: skip
    told = [json.loads(line) for writer in writers for line in writer.communicate()[0].splitlines()]
    assert [writer.returncode for writer in writers] == [0, 0]
    assert len(told) == 2 * TIMES

    accepted = sorted((line for line in told if "number" in line), key=lambda line: line["number"])
    assert len({line["name"][0] for line in accepted}) == 2
    history = ContactHistory(uri, storage_options=bucket)
    assert [line["number"] for line in accepted] == list(range(1, len(accepted) + 1))
    assert history.snapshots()["snapshot"].to_list() == [0, *(line["number"] for line in accepted)]
    for line in accepted:
        assert history.at(line["at"])["first_name"].to_list() == [line["name"]] * 5
