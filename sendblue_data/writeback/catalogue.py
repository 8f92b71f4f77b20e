"""The runs on this machine: where their journals lie, what each did, and what they know of opt-outs."""

from __future__ import annotations

import math
import os
import secrets
import warnings
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import platformdirs
import polars as pl

from sendblue_data.errors import JournalError
from sendblue_data.writeback.fields import Contact
from sendblue_data.writeback.journal import SUFFIX, reading

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


class JournalWarning(UserWarning):
    """Opt-outs are not known here: a journal could not be read, or may be of this account under another key."""


def journal_folder(journal_dir: str | os.PathLike[str] | None = None) -> Path:
    """Give the folder of journals: as told, by `SENDBLUE_DATA_JOURNAL`, or in the user's data folder."""
    chosen = journal_dir or os.environ.get(VARIABLE)
    return Path(chosen) if chosen else Path(platformdirs.user_data_path("sendblue-data")) / "runs"


def new_run_id(kind: str) -> str:
    """Make up the name of a run, of at most 30 characters: when, what, and three random bytes."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{kind:.7}-{secrets.token_hex(3)}"


def list_runs(journal_dir: str | os.PathLike[str] | None = None) -> pl.DataFrame:
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
    empty = dict.fromkeys(_RUNS)
    try:
        with reading(path) as base:
            meta = {
                name: msgspec.json.decode(value)
                for name, value in base.execute("SELECT name, value FROM meta")
            }
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
                "state": "undone"
                if meta.get("undone_by")
                else "finished"
                if meta.get("finished")
                else "open",
                "undo_of": meta.get("undo_of"),
            }
    except JournalError:
        return {**empty, "run_id": run_id, "state": "unreadable"}


@dataclass(frozen=True)
class Known:
    """What earlier runs in an account know.

    Attributes:
        opted_out: by number that they wrote to, whether it was opted out when last seen; None: not seen.
        made: by number, `contact_id` and `created_at` of the contact that the last of them created.
        elsewhere: by number opted out under another key of the same host, one run that knows it.
        turn: that of a run which begins with this knowledge, above those of all that began or ended before.
    """

    opted_out: dict[str, bool | None] = field(default_factory=dict)
    made: dict[str, Contact] = field(default_factory=dict)
    elsewhere: dict[str, str] = field(default_factory=dict)
    turn: int = 1


@dataclass(frozen=True)
class _Past:
    """A run as its journal tells of it: `turn` is from before it looked at the account, `ended` from its end."""

    run_id: str
    accounts: set[str]
    turn: int
    ended: float
    rows: list[tuple[str, int | None, str | None, str | None, str | None]]

    @property
    def latest(self) -> int:
        """The highest number that it took; one that is open has not taken its last yet."""
        return self.turn if math.isinf(self.ended) else max(self.turn, int(self.ended))


def known_from(folder: Path, account: str) -> Known:
    """Read what earlier runs in an account know, the later ones last, by their turn: a clock may jump back.

    To be asked before the account is looked at: a run of this knowledge takes its `turn`. Runs may overlap, where
    one was cut off and resumed after another, or two ran at once, and nothing tells then which of them saw a row
    last: an opt-out stands unless a run that looked after all that saw it had ended saw it cleared. Runs of an
    old key of the account count once `allow_other_key` has linked it with this one.
    """
    past = sorted(_past(folder, account.rpartition("/")[0]), key=lambda run: (run.turn, run.run_id))
    accounts = _linked(account, past)
    known = Known(turn=1 + max((run.latest for run in past), default=0))
    until: dict[str, float] = {}
    cleared: dict[str, int] = {}
    strangers: dict[str, _Past] = {}
    for run in past:
        ours = not accounts.isdisjoint(run.accounts)
        for phone, opted_out, status, contact_id, created_at in run.rows:
            if not ours:
                if opted_out:
                    strangers[phone] = max(strangers.get(phone, run), run, key=lambda one: one.ended)
                continue
            known.opted_out.setdefault(phone, None)
            if opted_out:
                until[phone] = max(run.ended, until.get(phone, 0.0))
                known.opted_out[phone] = True
            elif opted_out is not None:
                cleared[phone] = run.turn
                if run.turn > until.get(phone, 0.0):
                    known.opted_out[phone] = False
            if status == "created":
                known.made[phone] = {"contact_id": contact_id, "created_at": created_at}
    for phone, run in strangers.items():
        # Of a number that this account knows better there is nothing to ask.
        if known.opted_out.get(phone) is not True and cleared.get(phone, 0) <= run.ended:
            known.elsewhere[phone] = run.run_id
    return known


def _linked(account: str, past: list[_Past]) -> set[str]:
    """Find the labels that are known to be of one account: whoever changes a key twice links them in turn."""
    linked = {account}
    groups = [run.accounts for run in past if len(run.accounts) > 1]
    while more := [group for group in groups if not linked.isdisjoint(group) and not group <= linked]:
        linked = linked.union(*more)
    return linked


def next_turn(folder: Path) -> int:
    """Give a number above those of all runs that began or ended before."""
    last = 0
    for path in _journals(folder):
        with suppress(JournalError), reading(path) as base:
            found = base.execute("SELECT value FROM meta WHERE name IN ('turn', 'ended')").fetchall()
            last = max([last, *(int(msgspec.json.decode(value)) for (value,) in found)])
    return last + 1


def _past(folder: Path, host: str) -> Iterator[_Past]:
    for path in _journals(folder):
        try:
            with reading(path) as base:
                stored = base.execute("SELECT name, value FROM meta").fetchall()
                meta = {name: msgspec.json.decode(value) for name, value in stored}
                if meta["account"].rpartition("/")[0] != host:
                    continue
                rows = base.execute(
                    "SELECT phone, opted_out, status, json_extract(left, '$.contact_id'), "
                    "json_extract(left, '$.created_at') FROM rows WHERE phone IS NOT NULL AND "
                    "(opted_out IS NOT NULL OR action IN ('create', 'update', 'delete'))"
                ).fetchall()
                accounts = {meta["account"], *meta.get("also", [])}
                turn, ended = int(meta.get("turn", 0)), float(meta.get("ended", math.inf))
                yield _Past(path.name.removesuffix(SUFFIX), accounts, turn, ended, rows)
        except JournalError as error:
            warnings.warn(f"Opt-outs in one journal are not known: {error}", JournalWarning, stacklevel=2)
