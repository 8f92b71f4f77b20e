"""A history that is damaged, misspelt or not one: one error of the family that names the file, and no wrong answer."""

import random
import shutil
import stat
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from sendblue_data import ContactHistory
from sendblue_data.errors import (
    ConfigurationError,
    FileNotWrittenError,
    FrameError,
    HistoryUnreadableError,
    SendblueError,
)
from tests.history.worlds import FIRST, contact, frame

LATER = FIRST + timedelta(days=90)
WEEKS = 4
LAST_COMMIT = f"_delta_log/{WEEKS - 1:020}.json"

READS = {
    "snapshots": lambda history: history.snapshots(),
    "events": lambda history: history.opt_out_events(),
    "trend": lambda history: history.opt_out_trend(),
    "survival": lambda history: history.survival(),
    "at": lambda history: history.at(LATER),
    "changes": lambda history: history.changes(FIRST),
}
WRITES = {
    "compact": lambda history: history.compact(),
    "forget": lambda history: history.forget([people(0)[1]["phone"]]),
    "drop_last": lambda history: history.drop_last(),
    "snapshot": lambda history: history.snapshot(frame(people(WEEKS)), LATER),
}
DAMAGE = {
    "gone": None,
    "empty": lambda _: b"",
    "half": lambda data: data[: len(data) // 2],
    "zeros": lambda data: bytes(len(data)),
    "other": lambda _: b"a file of somebody else",
}


def people(week):
    return [contact(n, opt_out=n < week * 3) for n in range(20)]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made") / "history"
    history = ContactHistory(folder)
    for week in range(WEEKS):
        history.snapshot(frame(people(week)), FIRST + timedelta(weeks=week))
    return folder


@pytest.fixture
def copied(made, tmp_path):
    """Give a function that makes a copy in which one file is not as it was."""

    def copy(name, change):
        folder = tmp_path / "history"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(made, folder)
        file = folder / name
        if change is None:
            file.unlink()
        else:
            file.write_bytes(change(file.read_bytes()))
        return ContactHistory(folder)

    return copy


@pytest.fixture(scope="module")
def whole(made, tmp_path_factory):
    """What each operation gives where no file is damaged."""
    found = {}
    for operation, call in (READS | WRITES).items():
        folder = tmp_path_factory.mktemp("whole") / "history"
        shutil.copytree(made, folder)
        found[operation] = call(ContactHistory(folder))
    return found


def files_of(folder, pattern):
    found = sorted(str(path.relative_to(folder)) for path in folder.glob(pattern))
    assert found
    return found


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_of_rows_is_named(made, copied, whole, damage):
    told = 0
    for name in files_of(made, "h_part=*/**/*.parquet"):
        for operation, call in (READS | WRITES).items():
            try:
                answer = call(copied(name, DAMAGE[damage]))
            except HistoryUnreadableError as error:
                assert name in str(error)
                assert len(str(error).splitlines()) == 1
                told += 1
            else:  # this one did not need the file
                if isinstance(answer, pl.DataFrame):
                    assert_frame_equal(answer, whole[operation])
                else:
                    assert answer == whole[operation], operation
    assert told > 60


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_log_is_told(made, copied, damage):
    for name in files_of(made, "_delta_log/*"):
        if name == LAST_COMMIT and damage in {"gone", "empty"}:
            continue  # as if the last snapshot had never been recorded: nothing in the history knows better
        for operation, call in (READS | WRITES).items():
            history = copied(name, DAMAGE[damage])
            try:
                call(history)
            except HistoryUnreadableError as error:
                assert len(str(error).splitlines()) == 1
            else:
                pytest.fail(f"{operation} with {name} {damage}")


def is_refused(call, history):
    try:
        call(history)
    except HistoryUnreadableError as error:
        assert "is not the file that was written" in str(error)
        return True
    return False


@pytest.mark.parametrize("part", ["change", "state", "contact", "look"])
def test_a_file_in_the_place_of_another_is_told(made, copied, part):
    """Each can be read by itself; an empty folder even reads as no rows."""
    names = files_of(made, f"h_part={part}/**/*.parquet")
    others = [name for name in files_of(made, "h_part=*/**/*.parquet") if name not in names]
    for name in names:
        for history in (copied(name, lambda _: (made / others[0]).read_bytes()), copied(name, None)):
            place = Path(history.uri, name)
            if not place.exists():
                place.mkdir()
            assert any(is_refused(call, history) for call in READS.values())


@pytest.mark.parametrize("uri", ["", "  ", "file:///tmp/history"])
def test_a_place_that_is_none_is_refused(uri):
    with pytest.raises(
        ConfigurationError, match="history's (folder is an empty text|place begins with file)"
    ):
        ContactHistory(uri)


@pytest.mark.slow
def test_bytes_that_changed_raise_nothing_but_the_family(made, copied):
    chance = random.Random(7)
    told = 0

    def flip(data):
        changed = bytearray(data)
        for _ in range(chance.choice([1, 4])):
            changed[chance.randrange(len(data))] = chance.randrange(256)
        return bytes(changed)

    for name in [*files_of(made, "_delta_log/*"), *files_of(made, "h_part=*/**/*.parquet")]:
        for _ in range(12):
            history = copied(name, flip)
            for call in (*READS.values(), WRITES["snapshot"]):
                try:
                    call(history)
                except SendblueError:
                    told += 1
    assert told > 300


def test_contacts_that_no_file_knows_are_told(made, copied):
    """A row group that names another contact, in a file that is otherwise in order."""

    def renumbered(name):
        history = copied(name, bytes)
        path = f"{history.uri}/{name}"
        pl.read_parquet(path).with_columns(pl.col("h_contact") + 1_000).write_parquet(path)
        for log in Path(history.uri).glob("_delta_log/*.json"):  # which says of its size what is true
            text = log.read_text()
            if Path(name).name in text:
                was, size = Path(made, name).stat().st_size, Path(path).stat().st_size
                log.write_text(text.replace(f'"size":{was}', f'"size":{size}'))
        return history

    told = 0
    for name in files_of(made, "h_part=change/**/*.parquet"):
        history = renumbered(name)
        for week in range(WEEKS):
            day = FIRST + timedelta(weeks=week)
            try:
                found = history.at(day)
            except HistoryUnreadableError as error:
                assert "without a phone" in str(error)
                told += 1
            else:  # this day does not need the file
                assert_frame_equal(found, ContactHistory(made).at(day))
    assert told


@pytest.mark.parametrize("tidied", [False, True], ids=["as it was", "compacted, and somebody forgotten"])
def test_a_mistake_of_the_caller_is_not_called_damage(copied, tidied):
    history = copied("_history.lock", bytes)
    if tidied:
        history.compact()
        history.forget([people(0)[n]["phone"] for n in (1, 19)])
        history.snapshot(frame(people(WEEKS)[2:]), LATER)
    for every in ("often", "0d", "", 7, None):
        with pytest.raises(ConfigurationError, match=f"every is {every!r}: give whole days"):
            history.opt_out_trend(every=every)
    for no_frame, told in (
        ([{"phone": "+12125550100"}], "found a dict where a Polars frame was expected"),
        ("contacts.csv", "no Parquet file is at contacts.csv"),
        ({"phone": ["+12125550100"]}, "a dict is not a frame: bring Polars"),
        (None, "a NoneType is not a frame"),
        (7, "a int is not a frame"),
    ):
        with pytest.raises(FrameError, match=told):
            history.snapshot(no_frame)
    with pytest.raises(pl.exceptions.PolarsError):
        history.opt_out_trend(by=pl.col("tags").cast(pl.Date))
    with pytest.raises(ConfigurationError, match="at is 'soon': expected a moment in ISO 8601"):
        history.at("soon")


def test_a_file_is_no_history(tmp_path):
    (tmp_path / "contacts.csv").write_text("phone\n")
    with pytest.raises(ConfigurationError, match="is a file, and a history lies in a folder"):
        ContactHistory(tmp_path / "contacts.csv")
    with pytest.raises(FileNotWrittenError, match="can't be opened"):
        ContactHistory(tmp_path / "contacts.csv" / "history").snapshot(frame(people(0)))


@pytest.mark.parametrize("uri", ["ftp://example.com/x", "s4://bucket/x"])
def test_a_place_that_nothing_can_read_is_refused_before_a_pull(uri):
    with pytest.raises(ConfigurationError, match=r"begins with .*://, which can't be read"):
        ContactHistory(uri)


def test_a_bucket_out_of_reach_is_told_in_one_plain_line():
    options = {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "made-up",
        "AWS_SECRET_ACCESS_KEY": "made-up-secret",
        "max_retries": "0",
    }
    history = ContactHistory("s3://bucket/history", storage_options=options)
    for call in (history.exists, *(lambda call=call: call(history) for call in (READS | WRITES).values())):
        with pytest.raises(HistoryUnreadableError, match="Check that its place can be reached") as caught:
            call()
        assert str(caught.value).isprintable()
        assert "made-up-secret" not in str(caught.value)


def test_whether_it_exists(made, tmp_path, copied):
    assert ContactHistory(made).exists()
    assert not ContactHistory(tmp_path / "nothing").exists()
    assert not (tmp_path / "nothing").exists()
    with pytest.raises(HistoryUnreadableError):
        copied(LAST_COMMIT, DAMAGE["half"]).exists()


@pytest.mark.parametrize("there", [False, True], ids=["made by us", "there before"])
def test_only_the_owner_may_read_it(tmp_path, open_umask, there):
    folder = tmp_path / "history"
    if there:
        folder.mkdir()
        folder.chmod(0o755)
    history = ContactHistory(folder)
    for week in range(2):
        history.snapshot(frame(people(week)), FIRST + timedelta(weeks=week))
    history.compact()
    inside = [path for path in folder.iterdir() if path.is_dir()]
    assert len(inside) >= 4
    assert {stat.S_IMODE(path.stat().st_mode) for path in inside} == {0o700}
    assert stat.S_IMODE(folder.stat().st_mode) == (0o755 if there else 0o700)
    assert stat.S_IMODE((folder / "_history.lock").stat().st_mode) == 0o600


def test_whoever_shares_a_history_on_purpose_goes_on_sharing_it(tmp_path, open_umask):
    folder = tmp_path / "history"
    ContactHistory(folder).snapshot(frame(people(0)), FIRST)
    shared = [folder, *(path for path in folder.rglob("*") if path.is_dir())]
    for path in shared:
        path.chmod(0o750)
    ContactHistory(folder).snapshot(frame(people(1)), FIRST + timedelta(weeks=1))
    assert {stat.S_IMODE(path.stat().st_mode) for path in shared} == {0o750}
