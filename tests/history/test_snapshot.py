"""What a snapshot records, what it refuses, and what happens when two record at once."""

from __future__ import annotations

import stat
import tempfile
import threading
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable
from polars.testing import assert_frame_equal

from sendblue_data import ContactHistory
from sendblue_data.errors import (
    ConfigurationError,
    FileNotWrittenError,
    FrameError,
    HistoryConflictError,
    HistoryRangeError,
    SnapshotRefusedError,
    WrongAccountError,
)
from sendblue_data.history import maintenance
from sendblue_data.history.layout import CONFIGURATION
from sendblue_data.history.lock import lock_path, writer_lock
from sendblue_data.history.table import HistoryTable
from sendblue_data.pull.evidence import PullEvidence

from . import worlds as w

DAY = timedelta(days=1)


def evidence(
    contacts: int, *, account: str = "sandbox ab12", complete: bool = True, since: datetime | None = None
) -> PullEvidence:
    return PullEvidence(
        account=account, requests=3, pages=2, windows=1, retaken=0, repeats_dropped=0, count_before=contacts,
        count_after=contacts, contacts=contacts, complete=complete, started=w.FIRST - timedelta(minutes=1),
        finished=w.FIRST, since=since,
    )  # fmt: skip


def people(*numbers: int, **fields: object) -> pl.DataFrame:
    return w.frame([w.contact(n, **fields) for n in numbers])


def test_the_same_pull_twice_is_one(tmp_path: Path) -> None:
    history = ContactHistory(tmp_path / "h")
    frame = people(0, 1, 2)
    assert history.snapshot(frame, w.FIRST).new
    version = DeltaTable(tmp_path / "h").version()
    again = history.snapshot(frame, w.FIRST)
    assert (again.new, again.number) == (False, 0)
    assert DeltaTable(tmp_path / "h").version() == version

    later = history.snapshot(frame, w.FIRST + DAY)
    assert (later.new, later.number, later.added) == (False, 0, 0)
    seen = history.snapshots()
    assert seen.height == 1
    assert seen.select("taken_at", "seen_until", "looks").row(0) == (w.FIRST, w.FIRST + DAY, 2)


def test_an_unchanged_look_puts_contacts_at_risk_and_narrows_the_event(tmp_path: Path) -> None:
    history = ContactHistory(tmp_path)
    for days, opted_out in ((0, False), (8, False), (15, True)):
        history.snapshot(people(0, 1, opt_out=opted_out), w.FIRST + days * DAY)
    events = history.opt_out_events()
    assert events.select("after", "before").rows() == [(w.FIRST + 8 * DAY, w.FIRST + 15 * DAY)] * 2
    trend = history.opt_out_trend("1w")
    assert trend.select("at_risk", "opt_outs", "days").rows() == [(0, 0, 0.0), (2, 0, 8.0), (2, 2, 7.0)]


def test_evidence_is_kept(tmp_path: Path) -> None:
    history = ContactHistory(tmp_path)
    done = history.snapshot(people(0, 1), evidence=evidence(2))
    assert done.taken_at == w.FIRST
    row = history.snapshots().row(0, named=True)
    assert (row["account"], row["complete"], row["contacts"]) == ("sandbox ab12", True, 2)
    assert '"requests": 3' in row["evidence"]


def test_a_pull_that_is_only_in_doubt_is_recorded_as_such(tmp_path: Path) -> None:
    history = ContactHistory(tmp_path)
    history.snapshot(people(0, 1), evidence=replace(evidence(2, complete=False), doubt="One could hide."))
    row = history.snapshots().row(0, named=True)
    assert row["complete"] is False
    assert '"doubt": "One could hide."' in row["evidence"]


@pytest.mark.parametrize(
    ("reason", "numbers", "options", "allow"),
    [
        ("incomplete", range(10), {"evidence": evidence(10, complete=False)}, {"allow_incomplete": True}),
        ("incomplete", range(10), {"evidence": evidence(10, since=w.FIRST)}, {"allow_incomplete": True}),
        (
            "other account",
            range(10),
            {"evidence": evidence(10, account="other")},
            {"allow_other_account": True},
        ),
        ("shrunk", range(7), {"evidence": evidence(7)}, {"max_shrink": 0.5}),
    ],
)
def test_refusals(tmp_path: Path, reason: str, numbers: range, options: dict, allow: dict) -> None:
    history = ContactHistory(tmp_path)
    history.snapshot(people(*range(10)), evidence=evidence(10))
    version = DeltaTable(tmp_path).version()
    with pytest.raises((SnapshotRefusedError, WrongAccountError)) as refused:
        history.snapshot(people(*numbers, first_name="later"), w.FIRST + DAY, **options)
    assert getattr(refused.value, "reason", "other account") == reason
    assert DeltaTable(tmp_path).version() == version
    history.snapshot(people(*numbers, first_name="later"), w.FIRST + DAY, **options, **allow)
    assert history.at(w.FIRST + DAY).height == len(numbers)


def test_other_contacts_are_another_account(tmp_path: Path) -> None:
    history = ContactHistory(tmp_path)
    history.snapshot(people(*range(10)), w.FIRST)
    with pytest.raises(WrongAccountError, match=r"Only 1 of 10 contacts .* another account"):
        history.snapshot(people(*range(9, 20)), w.FIRST + DAY)
    # An import that makes the account ten times as large is the same account.
    history.snapshot(people(*range(99)), w.FIRST + DAY)


def test_an_older_pull_is_refused(tmp_path: Path) -> None:
    history = ContactHistory(tmp_path)
    history.snapshot(people(0), w.FIRST + DAY)
    for at in (w.FIRST, w.FIRST + DAY):
        with pytest.raises(SnapshotRefusedError, match="already reaches to"):
            history.snapshot(people(0, first_name="x"), at)


def test_a_pull_dated_wrongly_can_be_taken_back(tmp_path: Path) -> None:
    history = ContactHistory(tmp_path)
    history.snapshot(people(0, 1), w.FIRST)
    wrong = w.FIRST.replace(year=2062)
    history.snapshot(people(0, 1, 2), wrong)
    with pytest.raises(SnapshotRefusedError, match=r"2062.*history.drop_last\(\)"):
        history.snapshot(people(0, 1, 2), w.FIRST + DAY)
    assert history.drop_last() == wrong
    assert history.snapshot(people(0, 1, 2), w.FIRST + DAY).added == 1
    history.snapshot(people(0, 1, 2), wrong)  # nothing had changed: a later look at the same
    assert history.drop_last() == wrong
    assert history.snapshots().select("snapshot", "looks").rows() == [(0, 1), (1, 1)]


def test_files_of_a_pull_that_was_taken_back_go_with_the_next_compaction(tmp_path: Path) -> None:
    history = ContactHistory(tmp_path)
    history.snapshot(people(0, 1), w.FIRST)
    history.snapshot(people(0, 1, 2), w.FIRST + DAY)
    history.drop_last()
    assert history.compact() == 0
    files = {str(path) for path in tmp_path.glob("h_part=*/*/*.parquet")}
    assert files == {path.removeprefix("file://") for path in DeltaTable(tmp_path).file_uris()}


def test_a_frame_that_is_no_whole_contacts_frame_is_refused(tmp_path: Path) -> None:
    history = ContactHistory(tmp_path)
    with pytest.raises(FrameError, match="'opt_out' .* missing"):
        history.snapshot(people(0).drop("opt_out"))
    with pytest.raises(FrameError, match="'opt_out' .* Int64"):
        history.snapshot(people(0).with_columns(opt_out=pl.lit(1, pl.Int64)))
    with pytest.raises(FrameError, match="1 row, but its evidence speaks of 2"):
        history.snapshot(people(0), evidence=evidence(2))
    with pytest.raises(FrameError, match="'h_kind'"):
        history.snapshot(people(0).with_columns(h_kind=pl.lit("x")))
    with pytest.raises(ConfigurationError, match="max_shrink"):
        history.snapshot(people(0), max_shrink=20)


def test_questions_before_the_first_snapshot(tmp_path: Path) -> None:
    history = ContactHistory(tmp_path)
    with pytest.raises(HistoryRangeError, match="no history yet"):
        history.opt_out_events()
    history.snapshot(people(0), w.FIRST)
    with pytest.raises(HistoryRangeError, match="first snapshot of .* 2026-01-05T06:00"):
        history.at("2026-01-04")


def test_a_date_means_its_first_moment(tmp_path: Path) -> None:
    history = ContactHistory(tmp_path)
    history.snapshot(people(0), at=datetime(2026, 1, 5, 6))
    history.snapshot(people(0, 1), at="2026-01-06T06:00")
    with pytest.raises(HistoryRangeError, match="at or before 2026-01-05T00:00:00"):
        history.at(date(2026, 1, 5))
    assert history.at("2026-01-06").height == 1
    assert history.at(date(2026, 1, 7)).height == 2
    assert history.at("2026-01-06T07:00:00+02:00").height == 1
    assert history.at("2026-01-06T07:00:00").height == 2
    assert history.at("2026-01-06T07:00:00", time_zone="Europe/Athens").height == 1
    assert history.scan(at="2026-01-06", time_zone="Pacific/Honolulu").collect().height == 2


def test_changes_from_since_and_before_until(tmp_path: Path) -> None:
    history = ContactHistory(tmp_path)
    for day in range(4):
        history.snapshot(people(*range(day + 1)), w.FIRST + day * DAY)
    first, second, third = (w.FIRST + day * DAY for day in (1, 2, 3))

    def added(since: object, until: object = None, **options: str) -> list[str]:
        return history.changes(since, until, **options)["phone"].to_list()

    assert added(first, second) == [w.phone(1)]  # the snapshot at `since` counts, the one at `until` does not
    assert added(second, third) == [w.phone(2)]
    assert added(first, third) == [w.phone(1), w.phone(2)]
    assert added(w.FIRST) == [w.phone(1), w.phone(2), w.phone(3)]
    assert added("2026-01-06", "2026-01-07") == [w.phone(1)]
    assert added("2026-01-06", "2026-01-07", time_zone="Pacific/Honolulu") == [w.phone(2)]
    with pytest.raises(HistoryRangeError, match="2026-01-04"):
        added("2026-01-04")


def test_a_new_field_is_kept_from_the_day_it_appears(tmp_path: Path) -> None:
    history = ContactHistory(tmp_path)
    plain = people(0, 1, 2)
    extended = plain.with_columns(language=pl.Series(["en", None, "fr"]))
    history.snapshot(plain, w.FIRST)
    history.snapshot(extended, w.FIRST + DAY)
    history.snapshot(plain, w.FIRST + 2 * DAY)
    assert_frame_equal(history.at(w.FIRST), plain)
    assert_frame_equal(history.at(w.FIRST + DAY), extended)
    assert_frame_equal(history.at(w.FIRST + 2 * DAY), plain)
    assert_frame_equal(history.scan(at=w.FIRST + DAY).collect(), extended, check_row_order=False)
    changed = history.changes(w.FIRST, w.FIRST + 2 * DAY)
    assert changed.select("phone", "field", "before", "after").rows() == [
        (w.phone(0), "language", None, "en"),
        (w.phone(2), "language", None, "fr"),
    ]


def test_a_quiet_day_of_a_history_with_a_column_of_its_own(tmp_path: Path) -> None:
    history = ContactHistory(tmp_path)
    scored = people(0, 1).with_columns(score=pl.Series([1, 2]))
    history.snapshot(scored, w.FIRST)
    assert not history.snapshot(scored, w.FIRST + DAY).new
    assert history.snapshot(scored.with_columns(pl.col("score") + 1), w.FIRST + 2 * DAY).changed == 2
    history.drop_last()
    assert history.snapshot(people(0, 1), w.FIRST + 3 * DAY).new  # without the column
    assert not history.snapshot(people(0, 1), w.FIRST + 4 * DAY).new
    assert_frame_equal(history.at(w.FIRST + DAY), scored)
    assert_frame_equal(history.at(w.FIRST + 4 * DAY), people(0, 1))


def test_a_column_in_other_letters_or_of_another_kind_is_refused(tmp_path: Path) -> None:
    history = ContactHistory(tmp_path)
    history.snapshot(people(0, 1).with_columns(score=pl.Series([1, 2])), w.FIRST)
    with pytest.raises(FrameError, match="'Score' differs in nothing but case from 'score'"):
        history.snapshot(people(0, 1).with_columns(Score=pl.Series([1, 2])), w.FIRST + DAY)
    with pytest.raises(FrameError, match="'score' is String, and the history has it as Int64"):
        history.snapshot(people(0, 1).with_columns(score=pl.Series(["a", "b"])), w.FIRST + DAY)
    assert history.snapshots().height == 1


def test_changes_field_by_field(tmp_path: Path) -> None:
    history = ContactHistory(tmp_path)
    history.snapshot(people(0, 1, 2, 3, 4, 5), w.FIRST)
    after = w.frame(
        [
            w.contact(0),
            w.contact(1, opt_out=True, tags=["a", "ü"]),
            w.contact(2, life=1),
            w.contact(3, custom_variables={"k": "v"}),
            w.contact(4),
            w.contact(6),
        ]
    )
    history.snapshot(after, w.FIRST + DAY)
    created = [
        (w.contact(2, life=life)["created_at"]).strftime("%Y-%m-%dT%H:%M:%S.%f+00:00") for life in (0, 1)
    ]
    assert history.changes(w.FIRST).rows() == [
        (w.phone(1), "id-1-0", "changed", "opt_out", "false", "true"),
        (w.phone(1), "id-1-0", "changed", "tags", '["a"]', '["a", "ü"]'),
        (w.phone(2), "id-2-1", "changed", "contact_id", "id-2-0", "id-2-1"),
        (w.phone(2), "id-2-1", "changed", "created_at", *created),
        (w.phone(3), "id-3-0", "changed", "custom_variables", None, '{"k": "v"}'),
        (w.phone(5), "id-5-0", "removed", None, None, None),
        (w.phone(6), "id-6-0", "added", None, None, None),
    ]
    assert history.changes(w.FIRST, w.FIRST).is_empty()
    with pytest.raises(ConfigurationError, match="Swap"):
        history.changes(w.FIRST + DAY, w.FIRST)


def test_repeated_and_missing_phones_come_back(tmp_path: Path) -> None:
    history = ContactHistory(tmp_path)
    odd = [
        w.contact(0),
        w.contact(0, life=1),
        w.contact(1, phone=None),
        w.contact(2, phone=None, contact_id=None),
    ]
    odd.sort(key=lambda c: c["created_at"])
    history.snapshot(w.frame(odd), w.FIRST)
    history.snapshot(w.frame(odd[1:]), w.FIRST + DAY, max_shrink=1)
    history.snapshot(w.frame(odd), w.FIRST + 2 * DAY)
    for days, expected in ((0, odd), (1, odd[1:]), (2, odd)):
        assert_frame_equal(history.at(w.FIRST + days * DAY), w.frame(expected), check_row_order=False)


def test_of_two_contacts_with_one_phone_the_one_that_stays_does_not_become_the_other(tmp_path: Path) -> None:
    history = ContactHistory(tmp_path)
    gone, stays = w.contact(0, opt_out=False), w.contact(0, life=1, opt_out=True)
    others = [w.contact(n) for n in range(1, 9)]
    history.snapshot(w.frame([gone, stays, *others]), w.FIRST)
    recorded = history.snapshot(w.frame([stays, *others]), w.FIRST + DAY)
    assert (recorded.added, recorded.removed, recorded.changed) == (0, 1, 0)
    assert history.opt_out_events().is_empty()
    # Deleted and made anew it is the same person still, not the one that went before.
    anew = w.contact(0, life=2, opt_out=False)
    history.snapshot(w.frame([anew, *others]), w.FIRST + 2 * DAY)
    assert history.opt_out_events().select("event", "recreated").rows() == [("opt_in", True)]


def test_a_pull_that_is_recorded_is_no_failure_though_merging_files_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = ContactHistory(tmp_path)
    history.snapshot(people(0, 1, 2), w.FIRST)

    def full(*_args: object, **_options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(maintenance, "COMPACT_AT", 1)
    monkeypatch.setattr(HistoryTable, "replace", lambda self, *_rest: self._commit(full))
    assert history.snapshot(people(0, 1, 2, 3), w.FIRST + DAY).added == 1
    assert history.at(w.FIRST + DAY).height == 4
    with pytest.raises(FileNotWrittenError, match="No space left"):
        history.compact()


def test_two_writers_on_two_machines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the lock, Delta's commits decide: the one that comes second compares with the first and goes on."""
    import sendblue_data.history.record as module

    first, second = ContactHistory(tmp_path), ContactHistory(tmp_path)
    first.snapshot(people(0, 1, 2), w.FIRST)
    real, between = module.state_at, [people(0, 1, 2, 3)]

    def slow(table: object, number: int) -> pl.DataFrame:
        found = real(table, number)
        if between:  # the other machine commits while this one compares
            frame = between.pop()
            monkeypatch.setattr("sendblue_data.history.contact_history.writer_lock", _no_lock)
            second.snapshot(frame, w.FIRST + DAY)
        return found

    monkeypatch.setattr(module, "state_at", slow)
    done = first.snapshot(people(0, 1, 2, 3, 4), w.FIRST + 2 * DAY)
    assert (done.number, done.added) == (2, 1)
    assert [
        history_day.height
        for history_day in (first.at(w.FIRST), first.at(w.FIRST + DAY), first.at(w.FIRST + 2 * DAY))
    ] == [3, 4, 5]

    between.append(people(0, 1, 2, 3, 4, 5))
    monkeypatch.setattr("sendblue_data.history.contact_history._ATTEMPTS", 1)
    with pytest.raises(SnapshotRefusedError):  # the winner's look is later than the loser's
        second.snapshot(people(0), w.FIRST + DAY)
    monkeypatch.setattr(module, "state_at", real)


class _no_lock:
    def __init__(self, *_: object, **__: object) -> None: ...
    def __enter__(self) -> None: ...
    def __exit__(self, *_: object) -> None: ...


def test_threads_record_one_after_another(tmp_path: Path) -> None:
    said: list[object] = []

    def work(n: int) -> None:
        try:
            said.append(ContactHistory(tmp_path).snapshot(people(*range(10 + n)), w.FIRST + n * DAY))
        except SnapshotRefusedError as error:
            said.append(error.reason)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(said) == 6
    assert {what for what in said if isinstance(what, str)} <= {"out of order"}
    history = ContactHistory(tmp_path)
    seen = history.snapshots()
    assert seen.height == sum(not isinstance(what, str) for what in said)
    for at, contacts in seen.select("taken_at", "contacts").rows():
        assert_frame_equal(history.at(at), people(*range(contacts)))


def test_a_held_lock_says_so(tmp_path: Path) -> None:
    history = ContactHistory(tmp_path)
    with (
        writer_lock(lock_path(tmp_path, history.uri), timeout=0),
        pytest.raises(HistoryConflictError, match="Another writer holds"),
    ):
        history.snapshot(people(0), lock_timeout=0.1)
    assert history.snapshot(people(0)).number == 0


def renamed(n: int) -> pl.Expr:
    return (
        pl.when(pl.int_range(pl.len()) == n)
        .then(pl.lit(f"day {n}"))
        .otherwise("first_name")
        .alias("first_name")
    )


@pytest.mark.slow
def test_small_files_are_merged_as_they_gather(tmp_path: Path) -> None:
    history = ContactHistory(tmp_path)
    for n in range(70):
        history.snapshot(people(*range(200)).with_columns(renamed(n)), w.FIRST + n * DAY)
    files = list(tmp_path.glob("h_part=*/*/*.parquet"))
    # Live ones, and what the last merge replaced.
    assert len(DeltaTable(tmp_path).file_uris()) < 70
    assert len(files) < 2 * 32 * 4
    for n in (0, 1, 31, 32, 33, 63, 64, 69):
        names = history.at(w.FIRST + n * DAY)["first_name"].to_list()
        assert [place for place, name in enumerate(names) if name == f"day {n}"] == [n]


@pytest.mark.slow
def test_the_log_does_not_grow_with_the_history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Days are seconds here; a history whose first version knew no such setting gets it with its first compaction."""
    monkeypatch.delitem(CONFIGURATION, "delta.logRetentionDuration")
    history = ContactHistory(tmp_path)
    for hour in range(130):
        history.snapshot(people(*range(3), first_name=f"hour {hour}"), w.FIRST + hour * timedelta(hours=1))
        if hour == 1:
            monkeypatch.setitem(CONFIGURATION, "delta.logRetentionDuration", "interval 1 seconds")
            reader = ContactHistory(tmp_path)
            assert reader.snapshots().height == 2
    assert len(list((tmp_path / "_delta_log").iterdir())) < 90
    for asked in (reader, ContactHistory(tmp_path)):
        assert asked.snapshots().height == 130
        assert asked.at(w.FIRST)["first_name"].to_list() == ["hour 0"] * 3


def test_a_partition_of_many_rows_is_merged_by_delta(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maintenance, "_HELD_ROWS", 0)
    history = ContactHistory(tmp_path)
    frames = [people(*range(5 + day), first_name=f"day {day}") for day in range(4)]
    for day, frame in enumerate(frames):
        history.snapshot(frame, w.FIRST + day * DAY)
    before = history.opt_out_events(), history.snapshots()
    assert history.compact() > 0
    assert HistoryTable(tmp_path).refresh()
    for day, frame in enumerate(frames):
        assert_frame_equal(history.at(w.FIRST + day * DAY), frame)
    assert_frame_equal(history.opt_out_events(), before[0])
    assert_frame_equal(history.snapshots(), before[1])
    assert history.compact() == 0
    assert len(list(tmp_path.glob("h_part=look/*/*.parquet"))) == 1


def test_a_table_of_something_else_is_refused(tmp_path: Path) -> None:
    pl.DataFrame({"a": [1]}).write_delta(tmp_path)
    with pytest.raises(ConfigurationError, match="not a contact history"):
        ContactHistory(tmp_path).snapshots()
    with pytest.raises(ConfigurationError, match="can't take in a path"):
        ContactHistory(tmp_path / "a[b]")
    with pytest.raises(ConfigurationError, match="can't take in a path"):
        ContactHistory(tmp_path / "a%20b")


@pytest.mark.parametrize("name", ["with space", "é #?'x", "~tilde"])
def test_folders_with_odd_names(tmp_path: Path, name: str) -> None:
    history = ContactHistory(tmp_path / name)
    history.snapshot(people(0, 1), w.FIRST)
    history.snapshot(people(0, 1, 2), w.FIRST + DAY)
    assert history.at(w.FIRST + DAY).height == 3
    assert (tmp_path / name / "_delta_log").is_dir()
    history.forget([w.phone(1)])
    assert history.at(w.FIRST).height == 1


def test_a_home_that_is_read_only_has_its_locks_elsewhere(tmp_path, monkeypatch):
    """As in a container: a history in a bucket, and the command's own lock, still keep a second writer off."""
    monkeypatch.setenv("XDG_STATE_HOME", "/proc/nowhere")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    path = lock_path(None, "s3://bucket/history")
    assert path.parent.parent == tmp_path
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    with writer_lock(path, timeout=0), pytest.raises(HistoryConflictError), writer_lock(path, timeout=0):
        pass
    path.unlink()
    path.parent.rmdir()
    path.parent.symlink_to(tmp_path)  # somebody else's trap
    with pytest.raises(FileNotWrittenError, match="Set XDG_STATE_HOME"):
        lock_path(None, "s3://bucket/history")
