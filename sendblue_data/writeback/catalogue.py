"""The runs on this machine: where their journals lie, what each did, and how a folder of them is kept for years."""

from __future__ import annotations

import os
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import platformdirs
import polars as pl

from sendblue_data._shared.validation import shown
from sendblue_data.errors import ConfigurationError, JournalError
from sendblue_data.writeback.identity import account_identity
from sendblue_data.writeback.journal import SUFFIX, Journal, read_meta, reading
from sendblue_data.writeback.ledger import begin_ledger
from sendblue_data.writeback.ledger_file import FILE, KEY_FILE, folder_lock, note_run, open_runs

PathLike = str | os.PathLike[str]
VARIABLE = "SENDBLUE_DATA_JOURNAL"
_COLUMNS: dict[str, Any] = {
    "run_id": pl.String,
    "kind": pl.String,
    "account": pl.String,
    "started": pl.Datetime("us", "UTC"),
    "finished": pl.Datetime("us", "UTC"),
    "rows": pl.Int64,
    "open": pl.Int64,
    "state": pl.String,
    "undo_of": pl.String,
}
_RUNS = pl.Schema(_COLUMNS)
_ASKED_OF_JOURNALS = 50
"""Numbers of a frame that are looked for in the journals: any of them tells that it is of this account."""


def journal_folder(journal_dir: PathLike | None = None) -> Path:
    """Return the folder of journals: as told, by `SENDBLUE_DATA_JOURNAL`, or in the user's data folder."""
    chosen = journal_dir or os.environ.get(VARIABLE)
    return Path(chosen) if chosen else Path(platformdirs.user_data_path("sendblue-data")) / "runs"


def new_run_id(kind: str) -> str:
    """Make up the name of a run, of at most 30 characters: when, what, and three random bytes."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{kind:.7}-{secrets.token_hex(3)}"


def list_runs(journal_dir: PathLike | None = None) -> pl.DataFrame:
    """List the runs whose journals are on this machine, the newest first.

    Args:
        journal_dir: their folder, as in `bulk_create`.

    Returns:
        A row a run: `run_id, kind, account, started, finished` (UTC; null while it is not finished), `rows`,
        `open` (rows without an outcome yet), `state`: `"finished"`, `"open"` (being run, or to be
        resumed), `"undone"`, `"unreadable"` (damaged, or no journal), and `undo_of`.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     list_runs(folder).columns
        ['run_id', 'kind', 'account', 'started', 'finished', 'rows', 'open', 'state', 'undo_of']
    """
    listed = [_summary(path) for path in _journals(journal_folder(journal_dir))]
    return pl.DataFrame(listed, schema=_RUNS, orient="row").sort(
        "started", "run_id", descending=True, nulls_last=True
    )


def _journals(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"*{SUFFIX}")) if folder.is_dir() else []


def _summary(path: Path) -> dict[str, Any]:
    run_id = path.name.removesuffix(SUFFIX)
    try:
        with reading(path) as base:
            meta = read_meta(base)
            state = "undone" if meta.get("undone_by") else "finished" if meta.get("finished") else "open"
            total, remaining = base.execute(
                "SELECT count(*), coalesce(sum(done = 0), 0) FROM rows"
            ).fetchone()
            return {
                "run_id": run_id,
                "kind": meta["kind"],
                "account": meta["account"],
                "started": datetime.fromisoformat(meta["started"]),
                "finished": datetime.fromisoformat(meta["finished"]) if meta.get("finished") else None,
                "rows": total,
                "open": remaining,
                "state": state,
                "undo_of": meta.get("undo_of"),
            }
    except JournalError:
        return {**dict.fromkeys(_RUNS), "run_id": run_id, "state": "unreadable"}


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
        >>> from sendblue_data import Sandbox, bulk_create, contacts_frame
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
    for run_id in open_runs(folder):
        if not (folder / f"{run_id}{SUFFIX}").exists():
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


def is_known_here(folder: Path, account: str, phones: pl.Series) -> bool:
    """Tell whether an earlier run in this account wrote to one of these numbers."""
    some = phones.drop_nulls().head(_ASKED_OF_JOURNALS).to_list()
    marks = ", ".join("?" * len(some))
    for path in _journals(folder):
        try:
            with reading(path) as base:
                is_ours = account_identity(read_meta(base)["account"]) == account_identity(account)
                statement = f"SELECT 1 FROM rows WHERE phone IN ({marks}) LIMIT 1"  # noqa: S608 -- marks only
                if is_ours and base.execute(statement, some).fetchone():
                    return True
        except JournalError:
            continue  # damaged, or no journal: it tells nothing
    return False
