"""What this machine knows besides the account: asked of the ledger, and told to it, before a plan is made or run."""

from __future__ import annotations

import warnings
from pathlib import Path

import msgspec
import polars as pl

from sendblue_data.errors import JournalError, LedgerError
from sendblue_data.writeback.catalogue import JournalWarning
from sendblue_data.writeback.identity import account_identity
from sendblue_data.writeback.journal import SUFFIX, reading
from sendblue_data.writeback.ledger import Ledger
from sendblue_data.writeback.planning import Asked, Known
from sendblue_data.writeback.rows import Kind

_ASKED_OF_JOURNALS = 50
"""Numbers of a frame that are looked for in the journals: any of them tells that it is of this account."""


def open_ledger(kind: Kind, folder: Path, account: str, *, opts_in: bool = False) -> Ledger | None:
    """Open the account's ledger; where it can't be read, only what can't harm anybody goes on without it.

    Raises:
        LedgerError: it can't be read, and a run of this kind could create or text somebody who opted out, or learn
            of somebody and forget it.
    """
    try:
        return Ledger.open(folder, account)
    except LedgerError as error:
        if opts_in or kind not in ("opt_out", "update"):
            raise LedgerError(f"{str(error).rstrip('.')}; nothing was sent.") from None
        warnings.warn(f"The run goes on without the ledger: {error}", JournalWarning, stacklevel=4)
        return None


def ask(ledger: Ledger | None, asked: Asked, account: pl.DataFrame) -> Known:
    """Tell the ledger what the account and the caller's frame show, and ask it about the frame's numbers."""
    if ledger is None:
        return Known()
    phones = asked.source.frame["phone"].drop_nulls().unique()
    ledger.observe(account, by=f"plan {asked.kind}")
    if asked.kind == "create" or "opt_out" in asked.options.columns:
        ledger.record_out(asked.source.frame["phone"].filter(asked.source.says_out), by="the caller's frame")
    return Known(
        out=ledger.opted_out(phones),
        made=ledger.made(phones) if asked.kind == "delete" else {},
        elsewhere=ledger.elsewhere(phones) if asked.kind == "create" else {},
    )


def tell(ledger: Ledger | None, asked: Asked, table: pl.DataFrame) -> None:
    """Tell the ledger what a run is about to write of opt-outs: who is to be out, there or not, and who is back in."""
    if ledger is None:
        return
    phones = asked.source.frame["phone"]
    if asked.kind == "opt_out" and asked.options.opted_out:
        ledger.record_out(phones, by="opt_out")
    elif "opts_in" in table.columns:
        back = table.select(pl.col("opts_in") & (pl.col("action") != "invalid")).to_series()
        ledger.record_in(phones.filter(back), by="opt_back_in=True")


def is_known_here(folder: Path, account: str, phones: pl.Series) -> bool:
    """Tell whether an earlier run in this account wrote to one of these numbers."""
    some = phones.drop_nulls().head(_ASKED_OF_JOURNALS).to_list()
    marks = ", ".join("?" * len(some))
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        try:
            with reading(path) as base:
                label = base.execute("SELECT value FROM meta WHERE name = 'account'").fetchone()
                if label is None or account_identity(msgspec.json.decode(label[0])) != account_identity(
                    account
                ):
                    continue
                statement = f"SELECT 1 FROM rows WHERE phone IN ({marks}) LIMIT 1"  # noqa: S608 -- marks only
                if base.execute(statement, some).fetchone():
                    return True
        except JournalError:
            continue  # damaged, or no journal: it tells nothing
    return False
