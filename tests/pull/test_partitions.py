"""A pull into a folder by month: whole or not there, and going on where it was cut off."""

import json
import stat
from datetime import UTC, datetime, timedelta

import duckdb
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from sendblue_data import (
    ContactHistory,
    iter_contacts,
    opt_out_rate,
    pull_contacts,
    pull_partitions,
    read_contacts,
)
from sendblue_data.errors import ConfigurationError, FileNotWrittenError, IncompletePullError
from sendblue_data.pull import partitions


@pytest.fixture
def account(open_account):
    """A sandbox of 900 contacts over some months, a few without `created_at`, and its client."""
    return open_account(900, seed=5, null_created_at=0.01)


def cut_after(monkeypatch, frames):
    """Let pulls come in frames of 100, and break off after some; return the moments that they began from."""
    began = []

    def cut(client, *, since=None, **how):
        began.append(since)
        pull = iter_contacts(client, since=since, **how)
        count = 0
        try:
            while True:
                for part in next(pull).iter_slices(100):
                    if count == frames and len(began) == 1:
                        raise ConnectionError("the line is dead")
                    count += 1
                    yield part
        except StopIteration as end:
            return end.value

    monkeypatch.setattr(partitions, "iter_contacts", cut)
    return began


def names_in(folder):
    return [path.name for path in folder.iterdir()]


def by_id(frame):
    return frame.select(sorted(frame.columns)).sort("contact_id")


def written(folder):
    return by_id(pl.scan_parquet(folder, hive_partitioning=False).collect())


def test_a_folder_holds_every_contact_by_month(account, tmp_path, open_umask):
    _, client = account
    done = pull_partitions(client, tmp_path / "out", progress=False)
    expected, evidence = pull_contacts(client, progress=False, with_evidence=True)
    assert (done.contacts, done.resumed, done.evidence.complete) == (900, 0, True)
    assert done.evidence.count_after == evidence.count_after
    assert_frame_equal(written(done.path), by_id(expected))
    table = pl.scan_parquet(done.path, hive_partitioning=True)
    months = table.group_by(month=pl.col("created_at").dt.strftime("%Y-%m")).len().sort("month").collect()
    named = table.group_by(month="created_month").len().sort("month").collect()
    assert_frame_equal(named, months)
    assert months.height > 3
    assert opt_out_rate(table).equals(opt_out_rate(expected))
    everywhere = duckdb.sql(f"select count(*) from read_parquet('{done.path}/*/*.parquet')").fetchall()
    assert everywhere == [(900,)]
    files = list(done.path.rglob("*.parquet"))
    assert len(files) == done.files
    assert sum(file.stat().st_size for file in files) == done.size
    modes = {stat.S_IMODE(path.stat().st_mode) for path in [done.path, *done.path.rglob("*")]}
    assert modes == {0o700, 0o600}
    assert names_in(tmp_path) == ["out"]


def test_the_folder_is_read_as_a_list_and_as_a_snapshot(account, tmp_path):
    _, client = account
    done = pull_partitions(client, tmp_path / "out", progress=False)
    found = read_contacts(done, region="US")
    assert found.frame.height == 900
    assert set(found.frame.columns) >= {"phone", "opt_out", "tags"}
    history = ContactHistory(tmp_path / "history")
    history.snapshot(done, datetime(2026, 3, 1, tzinfo=UTC), evidence=done.evidence)
    assert_frame_equal(by_id(history.at("2026-03-02")), written(done.path))


def test_a_pull_that_was_cut_off_goes_on(account, tmp_path, monkeypatch):
    _, client = account
    began = cut_after(monkeypatch, 6)
    with pytest.raises(ConnectionError):
        pull_partitions(client, tmp_path / "out", progress=False)
    assert not (tmp_path / "out").exists()
    manifest = json.loads((tmp_path / ".out.unfinished" / "manifest.json").read_text())
    kept = [name for name in manifest["files"] if name < f"created_month={manifest['through'][:7]}"]
    assert len(kept) > 2

    done = pull_partitions(client, tmp_path / "out", progress=False)
    assert began == [None, datetime.fromisoformat(manifest["through"])]
    assert 0 < done.resumed < 900 == done.contacts
    assert (done.evidence.complete, done.evidence.contacts, done.evidence.since) == (True, 900, None)
    assert "by a pull that was cut off" in done.evidence.notes[-1]
    assert_frame_equal(written(done.path), by_id(pull_contacts(client, progress=False)))
    assert names_in(tmp_path) == ["out"]


@pytest.mark.parametrize(
    "why", ["an old one", "another account", "a manifest that is cut", "a file that is gone"]
)
def test_what_can_not_be_trusted_is_read_again(account, tmp_path, monkeypatch, why):
    _, client = account
    began = cut_after(monkeypatch, 6)
    with pytest.raises(ConnectionError):
        pull_partitions(client, tmp_path / "out", progress=False)
    work = tmp_path / ".out.unfinished"
    manifest = json.loads((work / "manifest.json").read_text())
    if why == "an old one":
        manifest["started"] = (datetime.now(UTC) - timedelta(hours=2)).isoformat()
    elif why == "another account":
        manifest["account"] = "api.example.com/1f0991eb"
    elif why == "a file that is gone":
        (work / min(manifest["files"])).unlink()
    text = json.dumps(manifest)
    (work / "manifest.json").write_text(text[:40] if why == "a manifest that is cut" else text)
    done = pull_partitions(client, tmp_path / "out", progress=False)
    assert (began, done.resumed, done.contacts) == ([None, None], 0, 900)
    assert_frame_equal(written(done.path), by_id(pull_contacts(client, progress=False)))


def test_a_contact_that_went_from_a_month_that_was_read_is_noticed(account, tmp_path, monkeypatch):
    sandbox, client = account
    cut_after(monkeypatch, 6)
    with pytest.raises(ConnectionError):
        pull_partitions(client, tmp_path / "out", progress=False)
    oldest = min(sandbox.rows(), key=lambda row: row["created_at"] or "9")
    client.delete_contact(oldest["phone"])
    with pytest.raises(IncompletePullError, match=r"both have 900 contacts, but the account counts 899"):
        pull_partitions(client, tmp_path / "out", progress=False)
    assert names_in(tmp_path) == []
    assert pull_partitions(client, tmp_path / "out", progress=False).contacts == 899


def test_only_a_new_folder_is_taken(account, tmp_path):
    _, client = account
    (tmp_path / "there").mkdir()
    for folder, words in [
        (tmp_path / "there", "exists"),
        (tmp_path / "no" / "where", "does not exist"),
        ("s3://bucket/contacts", "needs a disk here"),
        ("", "has no name of its own"),
    ]:
        with pytest.raises(ConfigurationError, match=words):
            pull_partitions(client, folder, progress=False)
    with (
        partitions._one_at_a_time(tmp_path / ".out.unfinished"),
        pytest.raises(FileNotWrittenError, match="Another pull"),
    ):
        pull_partitions(client, tmp_path / "out", progress=False)


def test_an_account_of_nobody(open_account, tmp_path):
    _, client = open_account(0)
    done = pull_partitions(client, tmp_path / "out", progress=False)
    assert (done.contacts, done.files) == (0, 1)
    assert pl.scan_parquet(done.path).collect().height == 0
