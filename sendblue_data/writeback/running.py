"""From a plan to its run: the guards that stand before it, and what is told to the ledger first."""

from __future__ import annotations

import os
import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from sendblue_data._api.client import SendblueClient
from sendblue_data._shared.masking import mask_phone
from sendblue_data._shared.validation import check_client
from sendblue_data.errors import AccountMovedError, FrameError, WriteRefusedError
from sendblue_data.writeback.asking import open_ledger, tell
from sendblue_data.writeback.catalogue import JournalWarning, journal_folder
from sendblue_data.writeback.plan import WritePlan, plan_on
from sendblue_data.writeback.result import RESULT_SCHEMA, WriteResult
from sendblue_data.writeback.rows import OUTCOME
from sendblue_data.writeback.run import begin, carry_out
from sendblue_data.writeback.telling import moved

if TYPE_CHECKING:
    PathLike = str | os.PathLike[str]

ASK_ABOVE = 100
"""Deletes of more contacts than this are to be confirmed."""
_NAMED = 3
"""Contacts that a message names."""


def check_delete(plan: WritePlan, *, confirm: bool | int | None, allow_most: bool) -> None:
    """Refuse a delete that is not confirmed, or takes most of the account.

    Raises:
        WriteRefusedError: it is.
    """
    number = plan.counts.get("delete", 0)
    is_number = confirm is not None and not isinstance(confirm, bool)
    if (is_number and confirm not in (number, plan._table.height)) or (  # noqa: SLF001 -- its other half
        number > ASK_ABOVE and not is_number and confirm is not True
    ):
        given = f"confirm is {confirm!r}" if confirm is not None else "nothing confirms that"
        raise WriteRefusedError(
            f"{number:,} contacts would be deleted, and {given}; nothing was sent. Look at the plan, then "
            f"pass confirm={number}."
        )
    if number * 2 > plan.size and not allow_most:
        raise WriteRefusedError(
            f"{number:,} of the account's {plan.size:,} contacts would be deleted, more than half; nothing "
            "was sent. Pass allow_most=True if that is meant."
        )


def run_plan(
    plan: WritePlan,
    client: SendblueClient,
    *,
    confirm: bool | int | None,
    allow_most: bool,
    allow_moved: bool,
    raise_on_errors: bool,
    progress: bool,
    journal_dir: PathLike | None,
) -> WriteResult:
    """Carry out a plan that was made earlier; see `WritePlan.run`."""
    check_client(client)
    if plan.account not in (None, client.account):
        raise FrameError(
            f"The plan was made for the account {plan.account!r}, and the client is of {client.account!r}."
        )
    folder = plan.folder if journal_dir is None else Path(journal_dir)
    # Planned anew: a plan made from a frame does not know which opt-outs earlier runs saw.
    fresh = plan_on(plan._asked, client, folder)  # noqa: SLF001 -- its other half
    if plan.account is None:
        fresh = _without_ours(plan, fresh)
    phones = plan._asked.source.frame["phone"]  # noqa: SLF001
    changed = moved(plan._table, phones, plan._seen, fresh._seen)  # noqa: SLF001
    if changed and not allow_moved:
        named = "; ".join(f"{mask_phone(phone)} {how}" for phone, how in changed[:_NAMED])
        raise AccountMovedError(
            f"{len(changed):,} of the plan's contacts are not as they were when it was made ({named}); "
            "nothing was sent. Plan again, or pass allow_moved=True to run on the account as it is now."
        )
    if plan.kind == "delete":
        check_delete(fresh, confirm=confirm, allow_most=allow_most)
    return run_fresh(fresh, client, raise_on_errors=raise_on_errors, progress=progress, journal_dir=folder)


def _without_ours(plan: WritePlan, fresh: WritePlan) -> WritePlan:
    """Leave alone what the plan showed to be another's, as it was made without knowing what earlier runs created."""
    if "another" not in plan._table.columns:  # noqa: SLF001
        return fresh
    another = plan._table["another"]  # noqa: SLF001
    table = fresh._table.with_columns(  # noqa: SLF001
        another=pl.col("another") | another,
        action=pl.when(another & (pl.col("action") == "delete"))
        .then(pl.lit("absent"))
        .otherwise("action")
        .cast(fresh._table.schema["action"]),  # noqa: SLF001
    )
    return replace(fresh, _table=table)


def run_fresh(
    plan: WritePlan,
    client: SendblueClient,
    *,
    raise_on_errors: bool,
    progress: bool,
    journal_dir: PathLike | None,
    dry_run: bool = False,
) -> WriteResult:
    """Run a plan that was made from the account as it is right now."""
    check_client(client)
    if plan._removal:  # noqa: SLF001 -- its other half
        raise WriteRefusedError(f"{plan._removal} Nothing was sent.")  # noqa: SLF001
    if dry_run:
        warn_of_elsewhere(plan)
        return _planned_result(plan)
    if plan._elsewhere:  # noqa: SLF001
        raise WriteRefusedError(f"{plan._elsewhere} Nothing was sent.")  # noqa: SLF001
    folder = journal_folder(journal_dir)
    asked, options = plan._asked, plan._asked.options  # noqa: SLF001
    ledger = open_ledger(plan.kind, folder, client.account, opts_in=options.opt_back_in)
    tell(ledger, asked, plan._table)  # noqa: SLF001
    rows = plan._rows  # noqa: SLF001
    seen = {row.phone: row.before for row in rows if row.phone and row.before is not None}
    with begin(client, plan.kind, rows, options, folder) as journal:
        result = carry_out(
            client,
            journal,
            rows,
            seen,
            seen_at=plan.planned_at.timestamp(),
            raise_on_errors=raise_on_errors,
            progress=progress,
        )
    return replace(result, not_written=plan.not_written)


def warn_of_elsewhere(plan: WritePlan) -> None:
    """Say of a plan that it can't be run as it is, since another key's runs saw its people opted out."""
    if plan._elsewhere:  # noqa: SLF001 -- its other half
        warnings.warn(f"The plan can't be run: {plan._elsewhere}", JournalWarning, stacklevel=4)  # noqa: SLF001


def _planned_result(plan: WritePlan) -> WriteResult:
    """Return what a run would end with if all went well."""
    status = pl.col("action").replace_strict(dict(OUTCOME))
    frame = plan.frame.select(
        "row", "phone", status.alias("status"), "detail", request_id=pl.lit(None, pl.String)
    )
    return WriteResult(frame.cast(RESULT_SCHEMA), plan.kind, None, dry_run=True, not_written=plan.not_written)
