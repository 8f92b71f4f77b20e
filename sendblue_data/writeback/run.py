"""Carrying out a plan, guarded and written down, and taking a run up again: `resume_run`."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sendblue_data._api.client import SendblueClient
from sendblue_data._shared.logging import log
from sendblue_data._shared.validation import check_client
from sendblue_data.errors import ApiError, JournalError, WriteIncompleteError, WriteInterruptedError
from sendblue_data.writeback.asking import open_ledger
from sendblue_data.writeback.attempts import StillFailingError
from sendblue_data.writeback.catalogue import journal_folder, new_run_id
from sendblue_data.writeback.engine import Engine
from sendblue_data.writeback.fields import Contact
from sendblue_data.writeback.identity import account_identity
from sendblue_data.writeback.journal import SUFFIX, Journal
from sendblue_data.writeback.ledger import Ledger
from sendblue_data.writeback.result import WriteResult, result_of
from sendblue_data.writeback.rows import Kind, Options, Row

if TYPE_CHECKING:
    PathLike = str | os.PathLike[str]


def resume_run(
    client: SendblueClient,
    run_id: str,
    *,
    allow_other_key: bool = False,
    raise_on_errors: bool = False,
    progress: bool = True,
    journal_dir: PathLike | None = None,
) -> WriteResult:
    """Finish a run that was cut off: ask the account what became of what was sent, and send the rest.

    A run that is finished is not run again; its result is given.

    Args:
        client: the account of the run.
        run_id: the run; see `list_runs()`.
        allow_other_key: take a client with another key of the same host, after a change of keys. It links
            the two keys: opt-outs that runs of the old one saw are kept to from then on.
        raise_on_errors: as in `bulk_create`.
        progress: show a bar.
        journal_dir: as in `bulk_create`.

    Returns:
        The outcome of every row of the run, those that were done before too.

    Raises:
        JournalError: there is no such run, its journal is damaged, in use, undone, or of another account.
        WriteInterruptedError, WriteIncompleteError: as in `bulk_create`.
        ApiError: the account could not be asked.

    Example:
        >>> import tempfile
        >>> from sendblue_data import Sandbox, bulk_create, contacts_frame
        >>> mine = contacts_frame([{"phone": "+12125550100"}])
        >>> with Sandbox([]) as sandbox, sandbox.client() as client:
        ...     with tempfile.TemporaryDirectory() as folder:
        ...         run_id = bulk_create(client, mine, progress=False, journal_dir=folder).run_id
        ...         again = resume_run(client, run_id, progress=False, journal_dir=folder)
        >>> again.counts
        {'created': 1}
    """
    with open_run(client, run_id, journal_dir, allow_other_key=allow_other_key) as journal:
        meta = journal.meta()
        if meta.get("undone_by"):
            raise JournalError(
                f"The run {run_id!r} was undone by {meta['undone_by']!r}: it can't be resumed."
            )
        return carry_out(client, journal, raise_on_errors=raise_on_errors, progress=progress)


def open_run(
    client: SendblueClient, run_id: str, journal_dir: PathLike | None, *, allow_other_key: bool
) -> Journal:
    """Open a run's journal, if it is of this account.

    Raises:
        JournalError: it is not, or can't be opened.
    """
    check_client(client)
    if not isinstance(run_id, str) or Path(run_id).name != run_id:
        own = getattr(run_id, "run_id", None)
        raise JournalError(
            f"{run_id!r} is not the name of a run: {f'pass its run_id, {own!r}' if own else 'see list_runs()'}."
        )
    journal = Journal(journal_folder(journal_dir) / f"{run_id}{SUFFIX}")
    try:
        _check_account(client, journal, allow_other_key=allow_other_key)
    except JournalError:
        journal.close()
        raise
    return journal


def _check_account(client: SendblueClient, journal: Journal, *, allow_other_key: bool) -> None:
    """Refuse another account's run; where another key is allowed, write down that it is of the same account."""
    meta = journal.meta()
    account, also = str(meta["account"]), meta.get("also")
    also = also if isinstance(also, list) else []
    if account_identity(client.account) in map(account_identity, (account, *also)):
        return
    host, theirs = (account_identity(label).rpartition("/")[0] for label in (client.account, account))
    if not (allow_other_key and theirs == host):
        raise JournalError(
            f"The run {journal.run_id!r} is of the account {account!r}, and the client of {client.account!r}. "
            "Use that account's client; if only its key was changed, pass allow_other_key=True."
        )
    Ledger.open(journal.path.parent, client.account).link(account)
    journal.save([], also=[*also, client.account])


def begin(
    client: SendblueClient,
    kind: Kind,
    rows: list[Row],
    options: Options,
    journal_dir: PathLike | None,
    **more: Any,
) -> Journal:
    """Write a run down before anything is sent; whom it is to opt out goes into the ledger first.

    Raises:
        JournalError: the journal can't be written, or the ledger not be read.
    """
    folder = journal_folder(journal_dir)
    run_id = new_run_id(kind)
    out = [row.phone for row in rows if row.phone and (row.opted_out or row.wanted.get("opt_out") is True)]
    ledger = open_ledger(kind, folder, client.account, opts_in=options.opt_back_in)
    if ledger is not None:
        ledger.record_out(out, by=run_id)
    meta = {
        "kind": kind,
        "account": client.account,
        "started": datetime.now(UTC).isoformat(),
        "timeout": client.timeout,
        "options": asdict(options),
        **more,
    }
    return Journal.create(folder, run_id, meta, rows)


def options_of(meta: Mapping[str, Any], path: Path, **changes: Any) -> Options:
    """Read a run's options from its journal.

    Raises:
        JournalError: they are damaged.
    """
    try:
        columns = tuple(meta["options"]["columns"])
        return Options(**{**meta["options"], "columns": columns, **changes})
    except (LookupError, TypeError) as error:
        raise JournalError(f"{path} is damaged ({error}); it was left as it is. Nothing was sent.") from None


def carry_out(
    client: SendblueClient,
    journal: Journal,
    rows: list[Row] | None = None,
    seen: Mapping[str, Contact] | None = None,
    *,
    seen_at: float | None = None,
    raise_on_errors: bool,
    progress: bool,
    cancel: threading.Event | None = None,
    on_progress: Callable[[int], object] | None = None,
) -> WriteResult:
    """Finish the run of a journal, and return its result.

    Args:
        client: the account.
        journal: of the run.
        rows: its rows, of one that was begun just now.
        seen: the contacts as its plan saw them.
        seen_at: when that was, in epoch seconds.
        raise_on_errors: as in `bulk_create`.
        progress: show a bar.
        cancel: set it to send nothing more; the run is interrupted then.
        on_progress: called with the number of contacts written so far.
    """
    meta = journal.meta()
    kind: Kind = meta["kind"]
    options = options_of(meta, journal.path)
    ledger = open_ledger(kind, journal.path.parent, client.account, opts_in=options.opt_back_in)
    is_resumed, rows = rows is None, journal.rows() if rows is None else rows
    engine = Engine(
        client,
        journal,
        rows,
        kind,
        options,
        ledger=ledger,
        progress=progress,
        cancel=cancel,
        on_progress=on_progress,
        resumed=is_resumed,
    )
    log.info("run %s %s, %d rows", journal.run_id, "resumed" if is_resumed else "begun", len(rows))
    interruptible(lambda: engine.run(seen, seen_at), journal, rows)
    if not meta.get("finished"):
        journal.save([], finished=datetime.now(UTC).isoformat())
    result = result_of(kind, rows, journal.run_id)
    log.info("run %s ended: %s", journal.run_id, result.counts)
    if raise_on_errors and not result.ok:
        raise WriteIncompleteError(
            f"The run {journal.run_id!r} ended with {result.problems.height:,} rows that are invalid, "
            "rejected or unknown: see .result.problems.",
            result=result,
        )
    return result


def interruptible(work: Callable[[], None], journal: Journal, rows: list[Row]) -> None:
    """Do a part of a run; say of what cuts it off how to go on.

    Raises:
        WriteInterruptedError: the server could not be reached, or refused the credentials, or the run was stopped.
    """
    try:
        work()
    except KeyboardInterrupt as error:
        error.add_note(f"What was done is kept: resume_run(client, {journal.run_id!r}) goes on.")
        raise
    except (ApiError, StillFailingError) as error:
        log.info("run %s interrupted (%s)", journal.run_id, type(error).__name__)
        raise WriteInterruptedError(
            f"The run {journal.run_id!r} could not go on: {error} What was done is kept: "
            f"resume_run(client, {journal.run_id!r}) goes on.",
            run_id=journal.run_id,
            result=result_of(journal.meta()["kind"], rows, journal.run_id),
        ) from error
