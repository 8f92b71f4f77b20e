"""The files of a pull by month: when each is written, what an earlier pull left of them, and when they are whole."""

import json
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from sendblue_data.contacts import contacts_frame
from sendblue_data.errors import ConfigurationError, FileNotWrittenError, IncompletePullError
from sendblue_data.pull import partitions
from sendblue_data.pull.evidence import PullEvidence
from sendblue_data.pull.partitions import PulledFolder, check_new_folder, pull_partitions
from sendblue_data.schema import CONTACT_SCHEMA

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
NONE = "created_month=__HIVE_DEFAULT_PARTITION__"


def file(month, number=0):
    return f"created_month=2026-{month:02}/part-{number:05}.parquet"


def people(*months):
    """Contacts, each of a month of 2026; 0 for one without a moment."""
    return contacts_frame(
        {"created_at": f"2026-{month:02}-05T00:00:00Z" if month else None} for month in months
    )


class Clock(datetime):
    @classmethod
    def now(cls, _zone):
        return NOW


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    monkeypatch.setattr(partitions, "datetime", Clock)


def evidence_of(contacts, **state):
    state = {"complete": True, "since": None, "count_after": contacts, **state}
    return PullEvidence(
        account="a", requests=1, pages=1, windows=1, retaken=0, repeats_dropped=0, count_before=contacts,
        contacts=contacts, started=NOW, finished=NOW, **state,
    )  # fmt: skip


# Month after month ------------------------------------------------------------------------------------------


@pytest.fixture
def parts(tmp_path):
    return partitions._Parts(tmp_path / "work", None, "a")


def told(folder):
    return json.loads((folder / "manifest.json").read_text())


def test_a_month_is_written_when_the_next_one_begins(parts, tmp_path):
    work = tmp_path / "work"
    began = {"account": "a", "started": NOW.isoformat(), "through": None, "files": {}}
    assert told(work) == began
    parts.add(people(1, 1, 0))
    undated = {f"{NONE}/part-00000.parquet": 1}
    assert told(work) == {**began, "through": "2026-01-01T00:00:00+00:00", "files": undated}
    parts.add(people(1, 2, 2))
    assert parts.manifest.files == {**undated, file(1): 3}
    parts.add(people(1))  # one that came late
    parts.add(people(2, 0))
    assert len(parts.manifest.files) == 2
    parts.add(people(3))
    assert told(work) == {
        **began,
        "through": "2026-03-01T00:00:00+00:00",
        "files": {**undated, file(1): 3, file(2): 3, file(1, 1): 1, f"{NONE}/part-00001.parquet": 1},
    }
    parts.finish()
    assert parts.manifest.files[file(3)] == 1
    for name, rows in parts.manifest.files.items():
        written = pl.read_parquet(work / name, hive_partitioning=False)
        assert (written.height, written.schema) == (rows, CONTACT_SCHEMA)


def test_who_has_no_moment_makes_no_month_begin(parts):
    parts.add(people(1))
    parts.add(people(0, 0))
    assert (parts.manifest.files, parts.manifest.through) == ({}, datetime(2026, 1, 1, tzinfo=UTC))


def test_months_of_one_frame_are_told_apart(parts):
    parts.add(people(3, 1, 2, 3))
    assert parts.manifest.files == {file(1): 1, file(2): 1}
    assert parts.manifest.through == datetime(2026, 3, 1, tzinfo=UTC)


def test_a_month_of_many_is_written_in_files_of_some_size(parts, monkeypatch):
    assert partitions._FILE_ROWS == 250_000
    monkeypatch.setattr(partitions, "_FILE_ROWS", 3)
    parts.add(people(1, 1))
    assert parts.manifest.files == {}
    parts.add(people(1))
    parts.add(people(1, 1, 1, 1))
    assert parts.manifest.files == {file(1): 3, file(1, 1): 4}


def test_an_account_of_nobody_is_a_file_without_a_row(parts, tmp_path):
    parts.finish()
    assert parts.manifest.files == {f"{NONE}/part-00000.parquet": 0}
    assert pl.read_parquet(tmp_path / "work" / NONE / "part-00000.parquet").schema == CONTACT_SCHEMA


def test_a_folder_is_given_its_name_when_it_is_on_the_disk(parts, tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(
        partitions, "sync_folder", lambda folder: synced.append((folder.name, (tmp_path / "out").exists()))
    )
    parts.add(people(1, 2))
    parts.finish()
    size = parts.publish(tmp_path / "out")
    found = [one for one in (tmp_path / "out").rglob("*") if one.is_file()]
    assert sorted(one.relative_to(tmp_path / "out").as_posix() for one in found) == [file(1), file(2)]
    assert size == sum(one.stat().st_size for one in found)
    assert synced == [("work", False), (tmp_path.name, True)]
    assert not (tmp_path / "work").exists()


# What an earlier pull left ----------------------------------------------------------------------------------

LEFT = {f"{NONE}/part-00000.parquet": 1, file(1): 2, file(2): 3, file(2, 1): 1}


@pytest.fixture
def left(tmp_path):
    """Make what an earlier pull left: of January and February, who are whole, and of March."""

    def leave(**otherwise):
        work = tmp_path / ".out.unfinished"
        files = {**LEFT, file(3): 4}
        state = {
            "account": "a",
            "started": NOW.isoformat(),
            "through": "2026-03-01T00:00:00+00:00",
            "files": files,
        }
        for name, rows in files.items():
            (work / name).parent.mkdir(parents=True, exist_ok=True)
            month = 0 if name.startswith(NONE) else int(name[19:21])
            people(*[month] * rows).write_parquet(work / name)
        (work / "manifest.json").write_text(json.dumps({**state, **otherwise}))
        return work

    return leave


def test_what_is_before_the_month_that_was_under_way_is_kept(left):
    kept = partitions._kept(left(), "a")
    assert kept.files == LEFT
    assert (kept.account, kept.started, kept.through) == ("a", NOW, datetime(2026, 3, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("age", "is_kept"),
    [(timedelta(0), True), (timedelta(hours=1), True), (timedelta(hours=1, microseconds=1), False)],
)
def test_what_is_older_than_an_hour_is_read_again(left, age, is_kept):
    assert (partitions._kept(left(started=(NOW - age).isoformat()), "a") is not None) is is_kept


@pytest.mark.parametrize("otherwise", [{"account": "b"}, {"through": None}, {"files": []}, {"started": 5}])
def test_what_can_not_be_gone_on_from_is_read_again(left, otherwise):
    assert partitions._kept(left(**otherwise), "a") is None


def test_where_nothing_was_left_or_a_file_has_gone_all_is_read_again(left, tmp_path):
    assert partitions._kept(tmp_path / "nothing", "a") is None
    work = left()
    (work / file(1)).unlink()
    assert partitions._kept(work, "a") is None


def test_files_that_are_not_kept_are_removed(left):
    work = left()
    (work / "created_month=2026-04").mkdir()
    (work / "created_month=2026-04" / "part").write_text("half")
    parts = partitions._Parts(work, partitions._kept(work, "a"), "a")
    found = {one.relative_to(work).as_posix() for one in work.rglob("*") if one.is_file()}
    assert found == {*LEFT, "manifest.json"}
    assert told(work)["files"] == LEFT
    parts.add(people(3))
    assert parts.manifest.files == LEFT  # the month went on where it was
    parts.add(people(4))
    assert parts.manifest.files == {**LEFT, file(3): 1}


# Both together ----------------------------------------------------------------------------------------------


def test_the_evidence_of_a_pull_that_did_not_go_on_is_its_own():
    found = evidence_of(5, count_after=7)
    manifest = partitions._Manifest(account="a", started=NOW, files={file(1): 5})
    assert partitions._evidence(found, manifest, 0) is found


def test_both_parts_of_a_pull_are_all_where_the_count_says_so():
    began = NOW - timedelta(minutes=9)
    found = evidence_of(3, count_after=1_005, since=datetime(2026, 3, 1, tzinfo=UTC), notes=("Noted.",))
    manifest = partitions._Manifest(account="a", started=began, files={file(1): 1_002, file(3): 3})
    both = partitions._evidence(found, manifest, 1_002)
    assert (both.contacts, both.since, both.started, both.complete) == (1_005, None, began, True)
    note = "1,002 contacts created before 2026-03-01 were read by a pull that was cut off, begun at 11:51:00 UTC: "
    assert both.notes == ("Noted.", f"{note}what changed of them since is not seen.")


@pytest.mark.parametrize(("counted", "complete", "missing"), [(7, True, 2), (4, True, 0), (5, False, 0)])
def test_both_parts_of_a_pull_are_refused_where_they_are_not_all(counted, complete, missing):
    found = evidence_of(3, count_after=counted, complete=complete, since=datetime(2026, 3, 1, tzinfo=UTC))
    manifest = partitions._Manifest(account="a", started=NOW, files={file(1): 2, file(3): 3})
    with pytest.raises(
        IncompletePullError, match=f"both have 5 contacts, but the account counts {counted}"
    ) as caught:
        partitions._evidence(found, manifest, 2)
    assert (caught.value.expected, caught.value.missing) == (counted, missing)


# A pull of them ---------------------------------------------------------------------------------------------


class Client:
    account = "a"


@pytest.fixture
def pulls(monkeypatch):
    """Say what `iter_contacts` gives; return what it was asked."""

    def say(*frames, error=None, **evidence):
        asked = []

        def scripted(_, **how):
            asked.append(how)
            yield from frames
            if error:
                raise error
            return evidence_of(sum(rows.height for rows in frames), **evidence)

        monkeypatch.setattr(partitions, "iter_contacts", scripted)
        return asked

    return say


def test_a_pull_asks_for_everything_unless_told_otherwise(pulls, tmp_path):
    asked = pulls(people(1, 2))
    done = pull_partitions(Client(), tmp_path / "out")
    usual = {"since": None, "progress": True, "allow_incomplete": False, "trust": "count", "strict": False}
    assert asked == [usual]
    assert (done.path, done.contacts, done.files, done.resumed) == (tmp_path / "out", 2, 2, 0)
    assert done.evidence == evidence_of(2)
    others = {"progress": False, "allow_incomplete": True, "trust": "seams", "strict": True}
    pull_partitions(Client(), tmp_path / "other", **others)
    assert asked[1] == {**usual, **others}
    assert PulledFolder(path=done.path, contacts=0, files=0, size=0, evidence=done.evidence).resumed == 0


def test_a_pull_goes_on_from_what_was_left(left, pulls, tmp_path):
    left()
    asked = pulls(people(3, 3), since=datetime(2026, 3, 1, tzinfo=UTC), count_after=9)
    done = pull_partitions(Client(), tmp_path / "out")
    assert asked[0]["since"] == datetime(2026, 3, 1, tzinfo=UTC)
    assert (done.contacts, done.resumed, done.files) == (9, 7, 5)
    assert pl.scan_parquet(done.path).select(pl.len()).collect().item() == 9
    assert [one.name for one in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("how", [{"trust": "seams"}, {"allow_incomplete": True}])
def test_a_pull_whose_count_says_nothing_begins_anew(left, pulls, tmp_path, how):
    left()
    asked = pulls(people(3, 3))
    done = pull_partitions(Client(), tmp_path / "out", **how)
    assert (asked[0]["since"], done.contacts, done.resumed) == (None, 2, 0)


def test_a_pull_that_lacks_contacts_leaves_nothing_and_any_other_what_is_whole(pulls, tmp_path):
    pulls(people(1, 2), error=IncompletePullError("one is missing", frame=people(), expected=3, missing=1))
    with pytest.raises(IncompletePullError):
        pull_partitions(Client(), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
    pulls(people(1, 2), error=ConnectionError())
    with pytest.raises(ConnectionError):
        pull_partitions(Client(), tmp_path / "out")
    assert [one.name for one in tmp_path.iterdir()] == [".out.unfinished"]
    assert told(tmp_path / ".out.unfinished")["files"] == {file(1): 1}


def test_two_pulls_do_not_write_one_folder(pulls, tmp_path):
    pulls(people(1))
    with partitions._one_at_a_time(tmp_path / ".out.unfinished"):
        with pytest.raises(FileNotWrittenError, match="Another pull is writing to .*out.unfinished"):
            pull_partitions(Client(), tmp_path / "out")
        pull_partitions(Client(), tmp_path / "other")
    pull_partitions(Client(), tmp_path / "out")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["other", "out"]


def test_a_lock_that_somebody_removed_is_no_error(tmp_path):
    with partitions._one_at_a_time(tmp_path / "work"):
        (tmp_path / "work.lock").unlink()


def test_a_folder_is_new_in_one_that_is_there(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    for folder, words in [
        (tmp_path / "there", "there exists"),
        (tmp_path / "file", "file exists"),
        (tmp_path / "dangling", "dangling exists"),
        (tmp_path / "no" / "where", "no does not exist"),
        (tmp_path / "file" / "in", "file does not exist"),
        ("s3://bucket/contacts", "bucket/contacts is a URL"),
        ("", "has no name of its own"),
    ]:
        with pytest.raises(ConfigurationError, match=words):
            check_new_folder(folder)
    assert check_new_folder(str(tmp_path / "new")) == tmp_path / "new"
