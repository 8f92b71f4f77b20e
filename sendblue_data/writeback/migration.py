"""What the ledger takes from journals: all that they knew before it stood beside them, and that they can be read."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from sendblue_data.errors import JournalError, LedgerError
from sendblue_data.writeback.fields import Contact
from sendblue_data.writeback.identity import account_identity, identity
from sendblue_data.writeback.journal import HAS_LEDGER, SUFFIX, reading
from sendblue_data.writeback.ledger_file import FILE, KEY_FILE, open_runs

if TYPE_CHECKING:
    from sendblue_data.writeback.ledger import Ledger

_BY = "journals of before the ledger"


@dataclass
class _Run:
    """What one journal tells: `turn` is from before its run looked at the account, `ended` from its end."""

    run_id: str
    accounts: set[str]
    turn: int
    ended: float
    rows: list[tuple[str, int | None, str | None, str | None]]


@dataclass
class _Account:
    """What the runs of one account know, under all of its keys."""

    labels: set[str]
    out: dict[str, str] = field(default_factory=dict)
    seen_out: dict[str, Contact] = field(default_factory=dict)
    made: dict[str, Contact] = field(default_factory=dict)


def take_over(folder: Path, ledger_of: Callable[[str], Ledger], *, rebuilt: bool = False) -> None:
    """Write what the journals of a folder know into its new ledger.

    Args:
        folder: the folder of journals.
        ledger_of: opens the ledger of an account, by its label.
        rebuilt: take journals too that were written beside a ledger.

    Raises:
        LedgerError: one of them can't be read, so that what it knows would be lost.
    """
    for account in _accounts(list(_runs(folder, rebuilt=rebuilt))):
        first, *others = sorted(account.labels)
        ledger = ledger_of(first)
        for other in others:
            ledger.link(other)
        ledger.record_out(account.out.values(), by=_BY)
        ledger.observe(account.seen_out.values(), by=_BY)
        ledger.record_made(account.made.values())


def check_journals(folder: Path) -> None:
    """Refuse a folder in which a journal can't be read, or that of an open run is gone: it may know what nobody does.

    Raises:
        LedgerError: it is so.
    """
    paths = sorted(folder.glob(f"*{SUFFIX}"))
    for path in paths:
        try:
            with reading(path) as base:
                base.execute("SELECT count(*) FROM meta").fetchone()
        except JournalError as error:
            raise LedgerError(
                f"{error} Whom its run was about to opt out is not known, so that nobody is created or texted: "
                "restore it from a backup, or move it out of the folder if there is none."
            ) from None
    gone = sorted(set(open_runs(folder)) - {path.name.removesuffix(SUFFIX) for path in paths})
    if gone:
        raise LedgerError(
            f"The journal of the open run {gone[0]!r} is gone from {folder}. What it sent may still take effect, so "
            "that nobody is created or texted: restore it from a backup, or give the run up by prune_runs(journal_dir)."
        )


def _runs(folder: Path, *, rebuilt: bool) -> Iterator[_Run]:
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        try:
            with reading(path) as base:
                stored = base.execute("SELECT name, value FROM meta").fetchall()
                meta: dict[str, Any] = {name: msgspec.json.decode(value) for name, value in stored}
                if not rebuilt:
                    _check_before_ledger(meta, path)
                rows = base.execute(
                    "SELECT phone, opted_out, status, left FROM rows WHERE phone IS NOT NULL AND "
                    "(opted_out IS NOT NULL OR status = 'created')"
                ).fetchall()
                accounts = {account_identity(label) for label in (meta["account"], *meta.get("also", []))}
                turn, ended = int(meta.get("turn", 0)), float(meta.get("ended", math.inf))
                yield _Run(path.name.removesuffix(SUFFIX), accounts, turn, ended, rows)
        except LedgerError:
            raise
        except JournalError as error:
            raise LedgerError(
                f"{error} What it knows of opt-outs would be lost, so that nobody is created or texted: restore it "
                "from a backup. If it knew of nobody, move it out of the folder."
            ) from None


def _check_before_ledger(meta: dict[str, Any], path: Path) -> None:
    if meta.get(HAS_LEDGER):
        raise LedgerError(
            f"The record of opt-outs in {path.parent} is gone: {path.name} was written beside it. Nobody is created or "
            f"texted without it: restore {FILE} and {KEY_FILE} from a backup, or take what the journals know for all "
            "that there is, by rebuild_ledger(journal_dir)."
        )


def _accounts(runs: list[_Run]) -> list[_Account]:
    """Sort the runs by account, and read each account's in order.

    Runs may overlap, and nothing tells then which of them saw somebody last: an opt-out stands unless a run that
    began after all that saw it had ended saw it cleared.
    """
    accounts: list[_Account] = []
    until: dict[tuple[int, str], float] = {}
    for run in runs:
        same = [account for account in accounts if not account.labels.isdisjoint(run.accounts)]
        accounts = [account for account in accounts if account not in same]
        accounts.append(_Account(run.accounts.union(*(account.labels for account in same))))
    for run in sorted(runs, key=lambda run: (run.turn, run.run_id)):
        account = next(account for account in accounts if not account.labels.isdisjoint(run.accounts))
        for phone, opted_out, status, left in run.rows:
            number = identity(phone)
            contact: Contact = msgspec.json.decode(left) if left else {}
            if opted_out:
                until[id(account), number] = max(run.ended, until.get((id(account), number), 0.0))
                account.out[number] = phone
                if contact.get("opt_out"):
                    account.seen_out[number] = {**contact, "phone": phone}
            elif opted_out is not None and run.turn > until.get((id(account), number), 0.0):
                account.out.pop(number, None)
                account.seen_out.pop(number, None)
            if status == "created":
                account.made[number] = {**contact, "phone": phone}
    return accounts
