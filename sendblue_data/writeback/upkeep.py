"""Keeping a folder of journals for years: old runs go, and a ledger that was lost is rebuilt."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from sendblue_data._shared.validation import shown
from sendblue_data.errors import ConfigurationError, JournalError
from sendblue_data.writeback.catalogue import PathLike, journal_folder, list_runs
from sendblue_data.writeback.journal import SUFFIX, Journal
from sendblue_data.writeback.ledger import begin_ledger
from sendblue_data.writeback.ledger_file import FILE, KEY_FILE, folder_lock, note_run, open_runs


def prune_runs(
    journal_dir: PathLike | None = None, *, older_than: timedelta = timedelta(days=365)
) -> pl.DataFrame:
    """Delete the journals of finished runs that are older than that; they can't be undone any more.

    What they knew of opt-outs, and which contacts they created, is in the ledger and stays. Open runs stay, those
    whose requests may still take effect, and those that can't be read; an open run whose journal is gone is given up.

    Args:
        journal_dir: the folder of journals, as in `bulk_create`.
        older_than: how long ago a run must have finished.

    Returns:
        The runs that went, as `list_runs` shows them.

    Raises:
        ConfigurationError: `older_than` is not a span of time, or negative.
        LedgerError: the ledger can't be read: nothing was deleted.

    Example:
        >>> import tempfile
        >>> from datetime import timedelta
        >>> from sendblue_data import Sandbox, bulk_create, contacts_frame, list_runs
        >>> mine = contacts_frame([{"phone": "+12125550100"}])
        >>> with tempfile.TemporaryDirectory() as folder, Sandbox([]) as sandbox, sandbox.client() as client:
        ...     _ = bulk_create(client, mine, progress=False, journal_dir=folder)
        ...     pruned = prune_runs(folder, older_than=timedelta(0))
        ...     pruned["kind"].to_list(), list_runs(folder).height
        (['create'], 0)
    """
    if not isinstance(older_than, timedelta) or older_than < timedelta(0):
        raise ConfigurationError(
            f"older_than is {shown(older_than)}: expected a timedelta, such as timedelta(days=365)."
        )
    folder = journal_folder(journal_dir)
    runs = list_runs(folder)
    if not runs.height and not (folder / FILE).exists():
        return runs
    begin_ledger(folder)
    for run_id in set(open_runs(folder)) - set(runs["run_id"]):
        note_run(folder, run_id, is_open=False)
    before = datetime.now(UTC) - older_than
    old = runs.filter(
        pl.col("state").is_in(["finished", "undone"]) & (pl.col("open") == 0),
        pl.coalesce("finished", "started") <= before,
    )
    gone = [run_id for run_id in old["run_id"] if _deleted(folder / f"{run_id}{SUFFIX}")]
    return old.filter(pl.col("run_id").is_in(gone))


def _deleted(path: Path) -> bool:
    try:
        with Journal(path) as journal:
            if journal.in_flight():
                return False
            path.unlink()
    except JournalError:
        return False  # somebody takes it up just now
    for name in (f"{path.name}-wal", f"{path.name}-shm", path.with_suffix(".lock").name):
        path.with_name(name).unlink(missing_ok=True)
    return True


def rebuild_ledger(journal_dir: PathLike | None = None) -> None:
    """Begin the record of opt-outs anew from the journals, where it was lost and no backup is left.

    What no journal knows is lost then: opt-outs that were seen by a plan or a refused write alone, or by runs that were
    pruned or erased since. What is left of the old record is set aside, under the names `*.lost`.

    Args:
        journal_dir: the folder of journals, as in `bulk_create`.

    Raises:
        LedgerError: a journal can't be read.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     rebuild_ledger(folder)
    """
    folder = journal_folder(journal_dir)
    with folder_lock(folder):
        for name in (FILE, KEY_FILE):
            if (folder / name).exists():
                (folder / name).replace(folder / f"{name}.lost")
    begin_ledger(folder, rebuild=True)
