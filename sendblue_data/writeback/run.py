"""Carrying out a run, written down before anything is sent, and taking one up again: `resume_run`."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypedDict, TypeVar, Unpack

from sendblue_data._api.client import SendblueClient
from sendblue_data._shared.logging import log
from sendblue_data._shared.signatures import spell_out_options
from sendblue_data._shared.text import plural
from sendblue_data._shared.validation import check_client, shown
from sendblue_data.errors import (
    ApiError,
    ConfigurationError,
    JournalError,
    WriteIncompleteError,
    WriteInterruptedError,
    WrongAccountError,
)
from sendblue_data.writeback.catalogue import PathLike, journal_folder, new_run_id
from sendblue_data.writeback.engine import Engine
from sendblue_data.writeback.fields import Contact
from sendblue_data.writeback.identity import account_identity
from sendblue_data.writeback.journal import SUFFIX, Journal
from sendblue_data.writeback.ledger import Ledger, open_ledger
from sendblue_data.writeback.result import WriteResult, result_of
from sendblue_data.writeback.rows import Kind, Options, Row
from sendblue_data.writeback.sending import StillFailingError

Function = TypeVar("Function", bound=Callable[..., Any])


class RunOptions(TypedDict, total=False):
    """How any write is run: the options that all calls take that write.

    Attributes:
        raise_on_errors: raise `WriteIncompleteError` at the end if a row is invalid, rejected or unknown.
        progress: show a bar.
        journal_dir: folder of the journals and the ledger; `SENDBLUE_DATA_JOURNAL`, else the user's data folder,
            when not given. Journals hold contacts, so they are readable for their owner alone; they hold no keys.
        cancel: a `threading.Event`; set it from another thread to send nothing more: the run is interrupted.
        on_progress: called with the number of contacts written so far, from the run's threads.
    """

    raise_on_errors: bool
    progress: bool
    journal_dir: PathLike | None
    cancel: threading.Event | None
    on_progress: Callable[[int], object] | None


_DEFAULTS = RunOptions(raise_on_errors=False, progress=True, journal_dir=None, cancel=None, on_progress=None)
_OPTIONS_LINE = "    **options: as in `RunOptions`."


def with_run_options(function: Function) -> Function:
    """Spell `**options: Unpack[RunOptions]` out in a function's signature and docstring."""
    spell_out_options(function, RunOptions, _DEFAULTS)
    described = inspect.cleandoc(RunOptions.__doc__ or "").partition("Attributes:\n")[2]
    function.__doc__ = inspect.cleandoc(function.__doc__ or "").replace(_OPTIONS_LINE, described)
    return function


@with_run_options
def resume_run(
    client: SendblueClient,
    run_id: str | WriteResult,
    *,
    allow_other_key: bool = False,
    **options: Unpack[RunOptions],
) -> WriteResult:
    """Finish a run that was cut off: ask the account what became of what was sent, and send the rest.

    A run that is finished is not run again; its result is given.

    Args:
        client: the account of the run.
        run_id: the run, see `list_runs()`, or its result.
        allow_other_key: take a client with another key of the same host, after a change of keys. It links
            the two keys: opt-outs that runs of the old one saw are kept to from then on.
        **options: as in `RunOptions`.

    Returns:
        The outcome of every row of the run, those that were done before too.

    Raises:
        WrongAccountError: it is a run of another account.
        JournalError: there is no such run, its journal is damaged or in use, or it is undone or being undone.
        WriteInterruptedError, WriteIncompleteError: as in `bulk_create`.
        ApiError: the account could not be asked.

    Example:
        >>> import tempfile
        >>> from sendblue_data import Sandbox, bulk_create, contacts_frame
        >>> mine = contacts_frame([{"phone": "+12125550100"}])
        >>> with Sandbox([]) as sandbox, sandbox.client() as client:
        ...     with tempfile.TemporaryDirectory() as folder:
        ...         result = bulk_create(client, mine, progress=False, journal_dir=folder)
        ...         again = resume_run(client, result, progress=False, journal_dir=folder)
        >>> again.counts
        {'created': 1}
    """
    with open_run(client, run_id, options.get("journal_dir"), allow_other_key=allow_other_key) as journal:
        meta = journal.meta()
        if undone_by := meta.get("undone_by"):
            raise JournalError(
                f"The run {journal.run_id!r} was undone by {undone_by!r}: it can't be resumed."
            )
        if meta.get("undo_begun") and not meta.get("finished"):
            raise JournalError(
                f"An undo of the run {journal.run_id!r} was cut off, so that it can't be resumed: "
                f"undo_run(client, {journal.run_id!r}) goes on with that."
            )
        return carry_out(client, journal, **options)


def open_run(
    client: SendblueClient, run: str | WriteResult, journal_dir: PathLike | None, *, allow_other_key: bool
) -> Journal:
    """Open a run's journal, if it is of this account.

    Raises:
        ConfigurationError: `run` is neither the name of a run nor its result.
        WrongAccountError: it is of another account.
        JournalError: it can't be opened.
    """
    check_client(client)
    run_id = run.run_id if isinstance(run, WriteResult) else run
    if not isinstance(run_id, str) or Path(run_id).name != run_id:
        raise ConfigurationError(
            "The result is of a dry run, of which nothing is kept."
            if isinstance(run, WriteResult)
            else f"{shown(run_id)} is not the name of a run: pass its run_id, see list_runs(), or its result."
        )
    journal = Journal(journal_folder(journal_dir) / f"{run_id}{SUFFIX}")
    try:
        _check_account(client, journal, allow_other_key=allow_other_key)
    except BaseException:
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
        raise WrongAccountError(
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
    """Write a run down before anything is sent; whom it is to opt out goes into the ledger first."""
    folder = journal_folder(journal_dir)
    run_id = new_run_id(kind)
    ledger = open_ledger(kind, folder, client.account, opts_in=options.opt_back_in)
    if ledger is not None:
        out = (row.phone for row in rows if row.opted_out or row.wanted.get("opt_out") is True)
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


def options_of(journal: Journal, **changes: Any) -> Options:
    """Read a run's options from its journal."""
    meta = journal.meta()
    try:
        lists = {name: tuple(meta["options"][name]) for name in ("columns", "clear")}
        return Options(**{**meta["options"], **lists, **changes})
    except (LookupError, TypeError) as error:
        raise JournalError(
            f"{journal.path} is damaged ({error}); it was left as it is. Nothing was sent."
        ) from None


def carry_out(
    client: SendblueClient,
    journal: Journal,
    rows: list[Row] | None = None,
    seen: Mapping[str, Contact] | None = None,
    *,
    seen_at: float | None = None,
    **options: Unpack[RunOptions],
) -> WriteResult:
    """Finish the run of a journal, and return its result.

    Args:
        client: the account.
        journal: of the run.
        rows: its rows, of one that was begun just now.
        seen: the contacts as its plan saw them.
        seen_at: when that was, in epoch seconds.
        **options: as in `RunOptions`.
    """
    meta = journal.meta()
    is_resumed, rows = rows is None, journal.rows() if rows is None else rows
    log.info("run %s %s, %d rows", journal.run_id, "resumed" if is_resumed else "begun", len(rows))
    with interruptible(journal, rows):
        engine_for(client, journal, rows, resumed=is_resumed, **options).run(seen, seen_at)
    if not meta.get("finished"):
        journal.save([], finished=datetime.now(UTC).isoformat())
    result = result_of(meta["kind"], rows, journal.run_id)
    log.info("run %s ended: %s", journal.run_id, result.counts)
    if options.get("raise_on_errors") and not result.ok:
        raise WriteIncompleteError(
            f"The run {journal.run_id!r} ended with {plural(result.problems.height, 'row that is', 'rows that are')} "
            "invalid, rejected or unknown: see .result.problems.",
            result=result,
        )
    return result


def engine_for(
    client: SendblueClient,
    journal: Journal,
    rows: list[Row],
    *,
    resumed: bool,
    **options: Unpack[RunOptions],
) -> Engine:
    """Return the engine of a run, as its journal says."""
    kind: Kind = journal.meta()["kind"]
    how = options_of(journal)
    return Engine(
        client,
        journal,
        rows,
        kind,
        how,
        ledger=open_ledger(kind, journal.path.parent, client.account, opts_in=how.opt_back_in),
        progress=options.get("progress", True),
        cancel=options.get("cancel"),
        on_progress=options.get("on_progress"),
        resumed=resumed,
    )


@contextmanager
def interruptible(journal: Journal, rows: list[Row], *, by: str = "resume_run") -> Iterator[None]:
    """Say of what cuts a run off how to go on: by which function."""
    how = f"{by}(client, {journal.run_id!r}) goes on, and list_runs() shows all that are open."
    try:
        yield
    except KeyboardInterrupt as error:
        error.add_note(f"What was done is kept: {how}")
        raise
    except (ApiError, StillFailingError) as error:
        log.info("run %s interrupted (%s)", journal.run_id, type(error).__name__)
        raise WriteInterruptedError(
            f"The run {journal.run_id!r} could not go on: {error} What was done is kept: {how}",
            run_id=journal.run_id,
            result=result_of(journal.meta()["kind"], rows, journal.run_id),
        ) from error
