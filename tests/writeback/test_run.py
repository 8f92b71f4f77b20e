"""Beginning a run, taking it up and ending it: whose it is, what is written down first, how an end is told."""

import inspect
import threading

import pytest

from sendblue_data.errors import (
    ConfigurationError,
    JournalError,
    JournalWarning,
    WriteIncompleteError,
    WriteInterruptedError,
    WrongAccountError,
)
from sendblue_data.writeback import ledger_file, lookup, run as module
from sendblue_data.writeback.ledger import Ledger
from sendblue_data.writeback.result import result_of
from sendblue_data.writeback.rows import Options, Row
from sendblue_data.writeback.run import (
    begin,
    carry_out,
    engine_for,
    interruptible,
    open_run,
    options_of,
    resume_run,
    with_run_options,
)
from sendblue_data.writeback.sending import StillFailingError
from tests.writeback.doubles import Store, fault
from tests.writeback.people import phone


@pytest.fixture
def store(monkeypatch):
    store = Store()
    monkeypatch.setattr(lookup, "fetch_current", store.fetch)
    return store


def row_of(number, action="create", **fields):
    return Row(pos=number, phone=phone(number), action=action, **fields)


def begun(store, folder, rows, kind="create", options=None, **more):
    return begin(store.client, kind, rows, options or Options(), folder, **more)


def of(account):
    client = Store().client
    client.account = account
    return client


# Beginning


def test_whom_a_run_is_to_opt_out_is_in_the_ledger_before_anything_is_sent(store, tmp_path):
    rows = [
        row_of(0, opted_out=True),
        row_of(1, wanted={"opt_out": True}),
        row_of(2, wanted={"opt_out": False}),
        row_of(3, opted_out=False),
        row_of(4),
    ]
    with begun(store, tmp_path, rows) as journal:
        assert Ledger.open(tmp_path, "x/1").opted_out([row.phone for row in rows]) == {phone(0), phone(1)}
        assert journal.rows() == rows


def test_a_run_is_written_down_with_what_it_is_of(store, tmp_path):
    options = Options(chunk_size=7, columns=("tags",), clear=("last_name",))
    with begun(store, tmp_path, [], "update", options, undo_of="b") as journal:
        meta = journal.meta()
        assert (meta["kind"], meta["account"], meta["timeout"], meta["undo_of"]) == (
            "update",
            "x/1",
            30.0,
            "b",
        )
        assert options_of(journal) == options
        assert options_of(journal, columns=(), opt_back_in=True) == Options(
            chunk_size=7, clear=("last_name",), opt_back_in=True
        )
        journal.save([], options={"columns": [], "clear": [], "no_option": 1})
        with pytest.raises(JournalError, match="is damaged"):
            options_of(journal)
        journal.save([], options={})
        with pytest.raises(JournalError, match="is damaged"):
            options_of(journal)


def test_without_a_ledger_what_can_harm_nobody_is_begun(store, tmp_path):
    Ledger.open(tmp_path, "x/1")
    (tmp_path / ledger_file.FILE).write_bytes(b"")
    rows = [row_of(0, "update", wanted={"opt_out": True})]
    with pytest.warns(JournalWarning), begun(store, tmp_path, rows, "opt_out") as journal:
        assert journal.rows() == rows


# Whose it is


@pytest.mark.parametrize(
    ("account", "is_allowed", "is_taken"),
    [
        ("x/1", False, True),
        ("X:443/1", False, True),
        ("x/2", False, False),
        ("x/2", True, True),
        ("y/1", True, False),
        ("y/1", False, False),
    ],
)
def test_a_run_is_taken_up_by_its_account_alone(store, tmp_path, account, is_allowed, is_taken):
    begun(
        store,
        tmp_path,
        [],
    ).close()
    (run_id,) = (path.name.removesuffix(".sqlite3") for path in tmp_path.glob("*.sqlite3"))
    client = of(account)
    if is_taken:
        open_run(client, run_id, tmp_path, allow_other_key=is_allowed).close()
    else:
        with pytest.raises(WrongAccountError, match=r"is of the account 'x/1'") as told:
            open_run(client, run_id, tmp_path, allow_other_key=is_allowed)
        assert told.value is not None  # with it, what stood in the call; the run is free all the same
    with open_run(store.client, run_id, tmp_path, allow_other_key=False) as journal:
        assert journal.meta().get("also", []) == (["x/2"] if account == "x/2" and is_taken else [])


def test_another_key_that_was_allowed_is_known_from_then_on_with_its_opt_outs(store, tmp_path):
    with begun(store, tmp_path, [row_of(0, opted_out=True)]) as journal:
        run_id = journal.run_id
    for account in ("x/2", "x/3"):
        open_run(of(account), run_id, tmp_path, allow_other_key=True).close()
        open_run(of(account), run_id, tmp_path, allow_other_key=False).close()
        assert Ledger.open(tmp_path, account).opted_out([phone(0)]) == {phone(0)}
    with open_run(of("x/2"), run_id, tmp_path, allow_other_key=False) as journal:
        assert journal.meta()["also"] == ["x/2", "x/3"]
        journal.save([], also="damaged")
    with pytest.raises(WrongAccountError):
        open_run(of("x/2"), run_id, tmp_path, allow_other_key=False)


def test_a_run_is_named_by_its_id_or_its_result(store, tmp_path):
    with begun(store, tmp_path, []) as journal:
        run_id = journal.run_id
    open_run(store.client, result_of("create", [], run_id), tmp_path, allow_other_key=False).close()
    for name, words in (
        (result_of("create", [], None, dry_run=True), "of a dry run"),
        (None, "not the name of a run"),
        ("../a", "not the name of a run"),
        (7, "not the name of a run"),
    ):
        with pytest.raises(ConfigurationError, match=words):
            open_run(store.client, name, tmp_path, allow_other_key=False)
    with pytest.raises(ConfigurationError, match="expected a client"):
        open_run("no client", run_id, tmp_path, allow_other_key=False)


# Taking it up


@pytest.mark.parametrize(
    ("meta", "words"),
    [
        ({"undone_by": "b"}, "was undone by 'b'"),
        ({"undo_begun": True}, "An undo of the run .* was cut off"),
        ({"undo_begun": True, "finished": "2026-01-01T00:00:00+00:00"}, None),
        ({}, None),
    ],
)
def test_a_run_that_is_being_undone_is_not_resumed(store, tmp_path, meta, words):
    with begun(store, tmp_path, [row_of(0)]) as journal:
        journal.save([], **meta)
    if words is None:
        assert resume_run(store.client, journal.run_id, journal_dir=tmp_path, progress=False).ok
    else:
        with pytest.raises(JournalError, match=words):
            resume_run(store.client, journal.run_id, journal_dir=tmp_path, progress=False)
    assert len(store.client.calls) == (words is None)


def test_another_key_resumes_a_run_only_when_that_is_allowed(store, tmp_path):
    with begun(store, tmp_path, [row_of(0)]) as journal:
        run_id = journal.run_id
    store.client.account = "x/2"
    with pytest.raises(WrongAccountError):
        resume_run(store.client, run_id, journal_dir=tmp_path, progress=False)
    assert resume_run(store.client, run_id, allow_other_key=True, journal_dir=tmp_path, progress=False).ok


class Ran:
    """In place of an engine: what it was made with, and what it is to do."""

    made = None

    def __init__(self, _client, _journal, rows, kind, options, **more):
        self.rows, self.kind, self.options, self.more, self.seen = rows, kind, options, more, ()
        Ran.made = self

    def run(self, *seen):
        self.seen = seen
        self.rows[0].finish("rejected", "no")


def test_an_engine_is_made_as_the_journal_says(store, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "Engine", Ran)
    rows, cancel = [row_of(0)], threading.Event()
    with begun(store, tmp_path, rows, "update", Options(chunk_size=7, opt_back_in=True)) as journal:
        (tmp_path / ledger_file.KEY_FILE).rename(tmp_path / "kept")
        with pytest.raises(
            JournalError, match="nothing was sent"
        ):  # whom it opts back in, the ledger has to know
            engine_for(store.client, journal, rows, resumed=True)
        (tmp_path / "kept").rename(tmp_path / ledger_file.KEY_FILE)
        for options, expected in (
            ({}, {"progress": True, "cancel": None, "on_progress": None}),
            ({"progress": False, "cancel": cancel, "on_progress": print}, {}),
        ):
            engine_for(store.client, journal, rows, resumed=True, **options)
            assert (Ran.made.kind, Ran.made.options) == ("update", Options(chunk_size=7, opt_back_in=True))
            assert isinstance(Ran.made.more.pop("ledger"), Ledger)
            assert Ran.made.more == {**options, **expected, "resumed": True}


def test_a_run_that_was_begun_just_now_is_told_from_one_that_is_resumed(store, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "Engine", Ran)
    rows = [row_of(0)]
    with begun(store, tmp_path, rows) as journal:
        result = carry_out(store.client, journal, rows, {}, seen_at=5.0, progress=False)
        assert Ran.made.rows is rows
        assert (Ran.made.more["resumed"], Ran.made.seen) == (False, ({}, 5.0))
        assert (result.run_id, result.counts) == (journal.run_id, {"rejected": 1})
        finished = journal.meta()["finished"]
        with pytest.raises(WriteIncompleteError, match=r"1 row that is .* \.result\.problems") as told:
            carry_out(store.client, journal, progress=False, raise_on_errors=True)
        assert told.value.result.counts == {"rejected": 1}
        assert (Ran.made.more["resumed"], Ran.made.seen) == (True, (None, None))
        assert journal.meta()["finished"] == finished


def test_a_run_of_which_all_went_well_raises_nothing(store, tmp_path):
    with begun(store, tmp_path, [row_of(0)]) as journal:
        assert "finished" not in journal.meta()
        result = carry_out(store.client, journal, progress=False, raise_on_errors=True)
        assert result.counts == {"created": 1}
        assert store.contacts[phone(0)]["phone"] == phone(0)
        assert "finished" in journal.meta()


def test_what_cuts_a_run_off_says_how_to_go_on(store, tmp_path):
    rows = [row_of(0, done=True, status="created"), row_of(1)]
    with begun(store, tmp_path, rows) as journal:
        how = f"resume_run(client, {journal.run_id!r}) goes on"
        for error in (fault(500), StillFailingError("nothing gets through.")):
            with pytest.raises(WriteInterruptedError) as told, interruptible(journal, rows):
                raise error
            assert how in str(told.value)
            assert str(error) in str(told.value)
            assert (told.value.run_id, told.value.result.counts) == (
                journal.run_id,
                {"created": 1, "unknown": 1},
            )
        with pytest.raises(KeyboardInterrupt) as stopped, interruptible(journal, rows, by="undo_run"):
            raise KeyboardInterrupt
        (note,) = stopped.value.__notes__
        assert note.startswith(f"What was done is kept: undo_run(client, {journal.run_id!r}) goes on")


# How it is shown


@pytest.mark.parametrize(
    "text", ["Do it.\n\n    Args:\n        one: first.\n        **options: as in `RunOptions`.\n    ", None]
)
def test_options_are_spelled_out_with_their_defaults(text):
    def call(one, **options):
        """To be replaced."""

    call.__doc__ = text
    assert with_run_options(call) is call
    assert {name: one.default for name, one in inspect.signature(call).parameters.items()} == {
        "one": inspect.Parameter.empty,
        "raise_on_errors": False,
        "progress": True,
        "journal_dir": None,
        "cancel": None,
        "on_progress": None,
    }
    if text is None:
        assert call.__doc__ == ""
    else:
        assert call.__doc__.startswith(
            "Do it.\n\nArgs:\n    one: first.\n    raise_on_errors: raise `WriteIncompleteError`"
        )
        assert "    on_progress: called with" in call.__doc__


def test_another_key_is_taken_only_when_that_is_said():
    assert inspect.signature(resume_run).parameters["allow_other_key"].default is False
