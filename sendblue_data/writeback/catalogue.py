"""The runs on this machine: where their journals lie, what each did, and what they know of opt-outs."""

from __future__ import annotations

import os
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import platformdirs
import polars as pl

from sendblue_data.errors import JournalError
from sendblue_data.writeback.identity import account_identity
from sendblue_data.writeback.journal import SUFFIX, read_meta, reading

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
