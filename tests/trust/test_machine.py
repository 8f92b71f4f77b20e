"""The machine itself fails: its disk is full, its folder can't be written to, its clock jumps."""

import datetime as dt
import gzip
import resource
from contextlib import contextmanager
from pathlib import Path

import pytest

from sendblue_data import (
    ContactHistory,
    SendblueClient,
    bulk_create,
    bulk_delete,
    bulk_opt_out,
    iter_contacts,
    list_runs,
    pull_contacts,
    resume_run,
)
from sendblue_data._api import transport
from sendblue_data.contacts import contacts_frame
from sendblue_data.errors import (
    ApiError,
    ConnectionFailedError,
    FileNotWrittenError,
    JournalError,
    LedgerError,
    SnapshotRefusedError,
    UnexpectedAnswerError,
)
from sendblue_data.export import write_contacts
from sendblue_data.writeback import catalogue, run
from sendblue_data.writeback.journal import Journal
from sendblue_data.writeback.ledger import Ledger
from tests.api.servers import Server, answer
from tests.writeback.people import people, phone, state, statuses

MINE = contacts_frame(
    [{"phone": phone(n), "first_name": "Ann", "opt_out": n % 2 == 0} for n in range(10, 40)]
)
FORBIDDEN = Path("/sys/kernel")
"""A folder in which nobody can make a file, not even root."""


def let_files_grow_to(most):
    """Let no file of this process grow beyond so many bytes: the system refuses the write, as a full disk does.

    Python ignores the signal that comes with it, from its start.
    """
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


@contextmanager
def full_disk(most=0):
    """Keep to `let_files_grow_to`, or what another thread makes of it, until the end of the block."""
    before, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    let_files_grow_to(most)
    try:
        yield
    finally:
        let_files_grow_to(before)


def writes(sandbox):
    return [line for line in sandbox.request_log if line.method != "GET"]


@pytest.mark.parametrize("most", [0, 4_096, 20_000])
def test_a_full_disk_before_a_run_sends_nothing(open_account, journals, most):
    sandbox, client = open_account(people(5))
    mine = contacts_frame([{"phone": phone(n), "first_name": "Ann" * 50} for n in range(10, 90)])
    with full_disk(most), pytest.raises(JournalError, match="nothing was sent"):
        bulk_create(client, mine, progress=False)
    assert writes(sandbox) == []
    assert list_runs().height == 0
    assert [path for path in journals.iterdir() if path.stat().st_size] == []
    assert bulk_create(client, mine, progress=False).counts == {"created": 80}


@pytest.mark.parametrize(
    ("method", "step"),
    [
        ("sending", 1),
        ("sending", 2),
        ("sending", 3),
        ("answered", 1),
        ("answered", 2),
        ("answered", 3),
        ("save", 1),
    ],
)
def test_a_full_disk_in_the_middle_forgets_no_opt_out(open_account, monkeypatch, method, step):
    """The real disk is full from some step on: the run says so, and once there is room `resume_run` ends it."""
    sandbox, client = open_account(people(5), remember_opt_outs=False, on_duplicate="reject")
    real, calls = getattr(Journal, method), []

    def on_a_full_disk(journal, *args, **options):
        calls.append(method)
        if len(calls) >= step:
            let_files_grow_to(0)
        return real(journal, *args, **options)

    monkeypatch.setattr(Journal, method, on_a_full_disk)
    with full_disk(1 << 30), pytest.raises(JournalError, match="free the disk"):
        bulk_create(client, MINE, chunk_size=10, progress=False)
    monkeypatch.setattr(Journal, method, real)
    assert list_runs()["state"].to_list() == ["open"]
    assert resume_run(client, list_runs()["run_id"][0], progress=False).counts == {"created": 30}
    there = state(sandbox.rows())
    assert len(there) == 35
    assert [there[number]["opt_out"] for number in MINE["phone"]] == MINE["opt_out"].to_list()


@pytest.mark.parametrize("most", [0, 4_096])
def test_on_a_full_disk_no_whole_file_is_called_damaged(open_account, journals, most):
    """Who follows that remedy moves a journal away, or begins the ledger anew: opt-outs would be lost by it."""
    _, client = open_account(people(5))
    bulk_create(client, MINE, progress=False)
    ledger = Ledger.open(journals, client.account)
    with full_disk(most), pytest.raises(LedgerError, match="(?i)free the disk") as opened:
        Ledger.open(journals, client.account)
    with full_disk(most), pytest.raises(LedgerError, match="Free the disk") as written:
        ledger.record_out([phone(n) for n in range(500)], by="a test")
    for told in (str(opened.value), str(written.value)):
        assert "damaged" not in told
        assert "rebuild_ledger" not in told
        assert "move it" not in told
    assert Ledger.open(journals, client.account).opted_out(MINE["phone"])


@pytest.mark.parametrize("suffix", ["csv", "parquet", "ndjson"])
def test_a_full_disk_leaves_no_export(open_account, tmp_path, suffix):
    _, client = open_account(500)
    path = tmp_path / f"contacts.{suffix}"
    path.write_bytes(b"what was there before")
    with full_disk(1_000), pytest.raises(FileNotWrittenError, match="Free the disk"):
        write_contacts(iter_contacts(client, progress=False), path)
    assert [one.name for one in tmp_path.iterdir()] == [path.name]
    assert path.read_bytes() == b"what was there before"


def test_a_full_disk_leaves_the_history_as_it_was(open_account, tmp_path):
    sandbox, client = open_account(people(50))
    history = ContactHistory(tmp_path / "history")
    first, evidence = pull_contacts(client, progress=False, with_evidence=True)
    with full_disk(100), pytest.raises(FileNotWrittenError, match="a full disk"):
        history.snapshot(first, evidence=evidence)
    assert not history.exists()
    history.snapshot(first, evidence=evidence)
    sandbox.add(people(60)[50:])
    second, later = pull_contacts(client, progress=False, with_evidence=True)
    with full_disk(100), pytest.raises(FileNotWrittenError, match="a full disk"):
        history.snapshot(second, evidence=later)
    again = ContactHistory(tmp_path / "history")
    assert again.at(later.finished).height == 50
    again.snapshot(second, evidence=later)
    assert again.at(later.finished).height == 60


@pytest.mark.skipif(not FORBIDDEN.is_dir(), reason="needs Linux's /sys")
@pytest.mark.filterwarnings("ignore:The run goes on without the ledger")  # opting out would
@pytest.mark.parametrize("below", ["", "runs/of/mine"])
def test_a_journal_folder_that_can_not_be_written_to_sends_nothing(open_account, below):
    sandbox, client = open_account(people(5))
    for write in (
        lambda: bulk_create(client, MINE, progress=False, journal_dir=FORBIDDEN / below),
        lambda: bulk_opt_out(
            client, contacts_frame(people(3)), progress=False, journal_dir=FORBIDDEN / below
        ),
    ):
        with pytest.raises(JournalError, match="nothing was sent"):
            write()
    assert writes(sandbox) == []


def test_a_journal_folder_that_is_a_file_sends_nothing(open_account, tmp_path):
    sandbox, client = open_account(people(5))
    (tmp_path / "file").write_text("a file")
    with pytest.raises(JournalError, match="nothing was sent"):
        bulk_create(client, MINE, progress=False, journal_dir=tmp_path / "file")
    assert writes(sandbox) == []


def set_clock(monkeypatch, moment):
    """Set the wall clock as the runs see it."""

    class Clock(dt.datetime):
        @classmethod
        def now(cls, tz=None):
            return moment.astimezone(tz)

    for module in (run, catalogue):
        monkeypatch.setattr(module, "datetime", Clock)


@pytest.mark.parametrize("jump", [0, -1, -3_600, -86_400 * 400, 86_400 * 400], ids=lambda s: f"{s} s")
def test_no_jump_of_the_clock_forgets_an_opt_out(open_account, monkeypatch, jump):
    """What the later run saw counts, also where the clock says that it came first."""
    noon = dt.datetime(2026, 6, 1, 12, tzinfo=dt.UTC)
    sandbox, client = open_account(people(6), remember_opt_outs=False)
    mine = contacts_frame([{"phone": phone(0)}])
    set_clock(monkeypatch, noon)
    bulk_delete(client, mine, progress=False)
    bulk_create(client, mine, progress=False)  # not opted out, as far as this run knows
    set_clock(monkeypatch, noon + dt.timedelta(seconds=jump))
    bulk_opt_out(client, mine, progress=False)
    bulk_delete(client, mine, progress=False)
    assert statuses(bulk_create(client, mine, progress=False)) == ["created"]
    assert state(sandbox.rows())[phone(0)]["opt_out"] is True


def test_no_jump_of_the_clock_brings_an_opt_out_back_that_was_cleared(open_account, monkeypatch):
    noon = dt.datetime(2026, 6, 1, 12, tzinfo=dt.UTC)
    sandbox, client = open_account(people(6, opt_out=True), remember_opt_outs=False)
    mine = contacts_frame([{"phone": phone(0)}])
    set_clock(monkeypatch, noon)
    bulk_delete(client, mine, progress=False)
    bulk_create(client, mine, progress=False)
    set_clock(monkeypatch, noon - dt.timedelta(hours=5))
    bulk_opt_out(client, mine, opted_out=False, opt_back_in=True, progress=False)
    bulk_delete(client, mine, progress=False)
    bulk_create(client, mine, progress=False)
    assert state(sandbox.rows())[phone(0)]["opt_out"] is False


def test_a_snapshot_from_before_the_last_is_refused(open_account, tmp_path):
    _, client = open_account(people(5))
    history = ContactHistory(tmp_path / "history")
    contacts = pull_contacts(client, progress=False)
    noon = dt.datetime(2026, 6, 1, 12, tzinfo=dt.UTC)
    history.snapshot(contacts, noon)
    with pytest.raises(SnapshotRefusedError, match="before|order") as caught:
        history.snapshot(contacts, noon - dt.timedelta(hours=1))
    assert caught.value.reason == "out of order"


HOSTILE = {
    "gzip bomb": answer(gzip.compress(b"[" + b" " * (9 << 20)), headers=["Content-Encoding: gzip"]),
    "large page": answer(b"[" + b" " * (9 << 20)),
    "endless redirect": answer(status="302 Found", headers=["Location: /api/v2/contacts"]),
    "silence": lambda connection: connection.recv(1),  # until the client leaves
    "HTTP/1.0 nonsense": answer(b"<html>", version="1.0"),
}
BEGIN = {
    "pull": lambda client: pull_contacts(client, progress=False),
    "bulk_create": lambda client: bulk_create(client, MINE, progress=False),
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("operation", BEGIN)
def test_a_hostile_server_ends_in_an_error_of_the_family(monkeypatch, name, operation):
    """The client's own tests do this call by call (tests/api/test_hostile_servers.py), with 100 MB and more."""
    monkeypatch.setattr(transport, "LARGEST_BODY", 8 << 20)
    with (
        Server(HOSTILE[name]) as server,
        SendblueClient("k", "s", server.url, timeout=0.3, retries=1) as client,
    ):
        with pytest.raises(ApiError) as caught:
            BEGIN[operation](client)
        assert isinstance(caught.value, UnexpectedAnswerError | ConnectionFailedError)
        assert 1 <= len(server.requests) <= 4  # a count and a page, each tried twice at most
        assert list_runs().height == 0
