"""Mistakes that a user makes: each ends in an error of the family that names what was given, and the remedy."""

import pickle
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from sendblue_data import (
    ContactHistory,
    Sandbox,
    SendblueClient,
    bulk_create,
    bulk_delete,
    contacts_frame,
    errors,
    merge_contacts,
    plan_delete,
    pull_contacts,
    resume_run,
    save_segments,
    undo_run,
    write_contacts,
)
from sendblue_data._shared import files
from sendblue_data.errors import (
    ConfigurationError,
    FileNotWrittenError,
    FrameError,
    SegmentError,
    SendblueError,
)
from sendblue_data.history import maintenance
from sendblue_data.writeback import journal

PEOPLE = contacts_frame(
    {"phone": f"+1212555010{n}", "contact_id": f"c{n}", "opt_out": False} for n in range(5)
)
LATE = datetime.fromisoformat("9999-12-31T23:59:59-05:00")


@pytest.fixture(scope="module")
def account(tmp_path_factory):
    history = ContactHistory(tmp_path_factory.mktemp("history"))
    history.snapshot(PEOPLE, datetime(2026, 3, 1, tzinfo=UTC))
    with Sandbox(PEOPLE.to_dicts()) as sandbox, sandbox.client() as client:
        yield sandbox, client, history


MISTAKES = [
    (
        FrameError,
        "'x' is not there in the earlier",
        lambda *_: merge_contacts(PEOPLE, PEOPLE.with_columns(x=1)),
    ),
    (FrameError, "'tags' is List", lambda *_: merge_contacts(PEOPLE, PEOPLE.drop("tags"))),
    (ConfigurationError, "confidence is 1.5", lambda *all_: all_[2].survival(confidence=1.5)),
    (ConfigurationError, "by is 3", lambda *all_: all_[2].survival(by=3)),
    (ConfigurationError, "by is 3", lambda *all_: all_[2].opt_out_trend(by=["tags", 3])),
    (ConfigurationError, "at is None", lambda *all_: all_[2].at(None)),
    (ConfigurationError, "at is 5", lambda *all_: all_[2].scan(at=5)),
    (FrameError, "list of phone numbers", lambda *all_: all_[2].forget([5])),
    (FrameError, "list of phone numbers", lambda *all_: all_[2].forget(None)),
    (FrameError, "'phone' and 'Phone'", lambda *all_: all_[2].snapshot(PEOPLE.with_columns(Phone=1))),
    (ConfigurationError, "place is 5", lambda *_: ContactHistory(5)),
    (SegmentError, "segments is 'segments.toml'", lambda *_: save_segments("segments.toml", {})),
    (ConfigurationError, "folder no-such does not exist", lambda *_: save_segments({}, "no-such/a.toml")),
    (ConfigurationError, r"Sandbox.client\(\) gives", lambda *all_: pull_contacts(all_[0])),
    (ConfigurationError, r"SendblueClient\(\) gives", lambda *_: pull_contacts(None)),
    (ConfigurationError, "account is type", lambda *_: pull_contacts(SendblueClient)),
    (ConfigurationError, "account is DataFrame", lambda *_: bulk_delete(PEOPLE, PEOPLE)),
    (ConfigurationError, "account is Sandbox", lambda *all_: bulk_create(all_[0], PEOPLE)),
    (ConfigurationError, "account is Sandbox", lambda *all_: plan_delete(PEOPLE, PEOPLE).run(all_[0])),
    (ConfigurationError, "account is LazyFrame", lambda *_: plan_delete(PEOPLE.lazy(), PEOPLE)),
    (ConfigurationError, "account is Sandbox", lambda *all_: resume_run(all_[0], "a-run")),
    (ConfigurationError, "since is 9999", lambda *all_: pull_contacts(all_[1], since=LATE)),
    (ConfigurationError, "since is 5", lambda *all_: pull_contacts(all_[1], since=5)),
    (ConfigurationError, "text '10'", lambda *_: Sandbox("10")),
    (ConfigurationError, "seed is -1", lambda *_: Sandbox(1, seed=-1)),
    (ConfigurationError, "latency is nan", lambda *_: Sandbox(1, latency=float("nan"))),
    (FrameError, "Row 0 is str", lambda *_: contacts_frame("+12125550100")),
    (FrameError, "Row 0 is int", lambda *_: contacts_frame(5)),
]


@pytest.mark.parametrize(("kind", "words", "mistake"), MISTAKES, ids=[words for _, words, _ in MISTAKES])
def test_a_mistake_is_named(account, kind, words, mistake):
    with pytest.raises(kind, match=words):
        mistake(*account)
    assert account[0].count() == 5


def test_a_result_may_stand_for_its_run_id(account, tmp_path):
    _, client, _ = account
    result = bulk_create(client, PEOPLE, progress=False, journal_dir=tmp_path)
    assert undo_run(client, result, progress=False, journal_dir=tmp_path).ok
    dry = bulk_create(client, PEOPLE, dry_run=True, progress=False, journal_dir=tmp_path)
    for odd, words in ((dry, "of a dry run"), (5, "5 is not the name of a run")):
        with pytest.raises(ConfigurationError, match=words):
            undo_run(client, odd, journal_dir=tmp_path)


def test_what_is_no_number_at_all_is_invalid_and_ends_no_run(account, tmp_path):
    _, client, _ = account
    odd = pl.DataFrame({"phone": [".", "..", "", "/", "%2e"]})
    assert bulk_delete(client, odd, progress=False, journal_dir=tmp_path).counts == {"invalid": 5}


def test_a_lazy_frame_that_cant_be_read_is_not_called_a_full_disk(tmp_path):
    with pytest.raises(FrameError, match=r"the lazy frame can't be computed .*nope.parquet"):
        write_contacts(pl.scan_parquet(tmp_path / "nope.parquet"), tmp_path / "out.parquet")
    assert list(tmp_path.iterdir()) == []


def test_what_a_generator_of_the_users_own_raises_is_not_called_a_fault_of_its_frames(tmp_path):
    def pages():
        yield PEOPLE
        raise ConnectionResetError("the other end went")

    with pytest.raises(FileNotWrittenError, match="the other end went"):
        write_contacts(pages(), tmp_path / "out.ndjson")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("step", ["_to_disk", "replace"])
def test_a_disk_that_fails_at_the_last_step_is_told_and_leaves_the_old_file(tmp_path, monkeypatch, step):
    def fails(*_):
        raise OSError(5, "Input/output error")

    path = tmp_path / "out.csv"
    path.write_text("old")
    monkeypatch.setattr(*((files, step) if step == "_to_disk" else (Path, step)), fails)
    with pytest.raises(FileNotWrittenError, match="Input/output error; what was there before is still there"):
        write_contacts(PEOPLE, path)
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("out.csv", "old")]


def test_a_draft_that_another_run_takes_away_meanwhile_is_no_trouble(tmp_path, monkeypatch):
    gone = tmp_path / "a.partial"
    monkeypatch.setattr(Path, "glob", lambda *_: iter([gone]))
    journal.remove_leftovers(tmp_path)


def test_copies_of_the_state_alone_are_no_crowd(account, monkeypatch):
    """They are never merged, so a snapshot would try in vain each time."""
    table = account[2]._table
    table.refresh()
    monkeypatch.setattr(maintenance, "COMPACT_AT", 1)
    only_states = table.files.filter(pl.col("part") == "state")
    assert only_states.height
    monkeypatch.setattr(type(table), "files", property(lambda _: only_states))
    assert not maintenance.crowded(table)


MADE = {
    errors.IncompletePullError: {"frame": PEOPLE, "expected": 7, "missing": 2},
    errors.WriteInterruptedError: {"run_id": "r", "result": None},
    errors.WriteIncompleteError: {"result": None},
    errors.SnapshotRefusedError: {"reason": "shrunk"},
    errors.RateLimitedError: {"method": "GET", "path": "/x", "retry_after": 2.5},
    errors.UnexpectedAnswerError: {"method": "GET", "path": "/x", "field": "count", "row": 3},
    errors.FileNotWrittenError: {},
    errors.MissingExtraError: {},
}


@pytest.mark.parametrize("kind", MADE, ids=lambda kind: kind.__name__)
def test_an_error_crosses_process_borders_whole(kind):
    """As from a pool's worker: most leaves take keyword arguments, and several subclass OSError or ImportError."""
    error = kind("what happened", **MADE[kind])
    twin = pickle.loads(pickle.dumps(error))
    assert (type(twin), str(twin), twin.args) == (type(error), str(error), error.args)
    assert vars(twin).keys() == vars(error).keys()
    for name, value in vars(error).items():
        if isinstance(value, pl.DataFrame):
            assert_frame_equal(vars(twin)[name], value)
        else:
            assert vars(twin)[name] == value


def test_a_result_crosses_process_borders_within_its_error(account, tmp_path):
    _, client, _ = account
    mine = pl.DataFrame({"phone": ["no number"]})
    with pytest.raises(errors.WriteIncompleteError) as caught:
        bulk_create(client, mine, raise_on_errors=True, progress=False, journal_dir=tmp_path)
    twin = pickle.loads(pickle.dumps(caught.value))
    assert_frame_equal(twin.result.frame, caught.value.result.frame)


def test_every_leaf_is_of_the_family():
    leaves = [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, Exception) and not issubclass(kind, Warning)
    ]
    assert len(leaves) > 15
    assert all(issubclass(kind, SendblueError) for kind in leaves)
