"""`undo_run`: bring back what a run deleted, remove what it created, put back what it updated."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Unpack

from sendblue_data._api.client import SendblueClient
from sendblue_data.writeback.catalogue import journal_folder
from sendblue_data.writeback.fields import Contact, holds, plain, same, written
from sendblue_data.writeback.journal import SUFFIX, reading
from sendblue_data.writeback.ledger import open_ledger
from sendblue_data.writeback.lookup import fetch_current
from sendblue_data.writeback.plan_table import KEPT_OUT, STAYS_OUT
from sendblue_data.writeback.reconcile import close_undone, is_untouched, lost_for_good, reconcile, reopen
from sendblue_data.writeback.result import WriteResult, result_of
from sendblue_data.writeback.rows import Row
from sendblue_data.writeback.run import (
    RunOptions,
    begin,
    carry_out,
    engine_for,
    interruptible,
    open_run,
    options_of,
    resume_run,
    with_run_options,
)

_CHANGED = "changed since the run: left alone"


@with_run_options
def undo_run(
    client: SendblueClient,
    run_id: str | WriteResult,
    *,
    opt_back_in: bool = False,
    dry_run: bool = False,
    allow_other_key: bool = False,
    **options: Unpack[RunOptions],
) -> WriteResult:
    """Take a run back, as far as the API lets one.

    Contacts that it deleted are created again with tags, variables, opt-out, owner and line; those that it
    created are deleted; fields that it changed get their old values. A contact that was changed since is left
    alone. What can't come back is said in the row's detail: `verified`, `created_at` and `contact_id` of a
    deleted contact, a field that was empty, a custom variable that was added, a message that was sent. An
    opt-out that the run wrote stays, unless `opt_back_in=True`.

    A run that was cut off may be undone as it is; it can't be resumed then. What was sent and not answered may
    still take effect: it is waited for, as long as the client's timeout, and undone as well; where more comes to light
    later, a second undo takes it back. The undo is a run of its own: it is journaled, can be resumed (by its own
    run_id), and undone.

    Args:
        client: the account of the run.
        run_id: the run, see `list_runs()`, or its result.
        opt_back_in: clear the opt-outs that the run wrote.
        dry_run: as in `bulk_create`.
        allow_other_key: as in `resume_run`.
        **options: as in `RunOptions`.

    Returns:
        The outcome of every row of the run: `created` (restored), `deleted` (removed), `updated` (put back),
        `unchanged` (nothing to undo, or left alone), and so on.

    Raises:
        WrongAccountError, JournalError: as in `resume_run`.
        WriteInterruptedError, WriteIncompleteError, ApiError: as in `bulk_create`.

    Example:
        >>> import tempfile
        >>> from sendblue_data import Sandbox, bulk_delete, contacts_frame
        >>> account = contacts_frame([{"phone": f"+1212555010{n}", "opt_out": True} for n in range(4)])
        >>> with Sandbox(account.to_dicts()) as sandbox, sandbox.client() as client:
        ...     with tempfile.TemporaryDirectory() as folder:
        ...         deleted = bulk_delete(client, account.head(1), progress=False, journal_dir=folder)
        ...         result = undo_run(client, deleted, progress=False, journal_dir=folder)
        ...     opted_out = [contact["opt_out"] for contact in sandbox.rows()]
        >>> result.counts, opted_out
        ({'created': 1}, [True, True, True, True])
    """
    journal_dir = options.get("journal_dir")
    folder = journal_folder(journal_dir)
    with open_run(client, run_id, journal_dir, allow_other_key=allow_other_key) as journal:
        undoing = journal.meta().get("undone_by")
        if undoing and not dry_run and _is_open(folder, undoing):
            # Begun before and cut off: its contacts may lack their opt-outs still.
            return resume_run(client, undoing, allow_other_key=allow_other_key, **options)
        done = journal.rows()
        ledger = open_ledger("undo", folder, client.account)
        if not dry_run:
            # What may still take effect is waited for: what comes of it is undone too.
            journal.save([], undo_begun=True)
            with interruptible(journal, done, by="undo_run"):
                engine_for(client, journal, done, resumed=True, **options).drain()
        asked = {row.phone for row in done if row.phone and row.action not in ("invalid", "absent")}
        seen_at = time.time()
        view = fetch_current(client, asked)
        if ledger is not None:
            ledger.observe(view.all, by=journal.run_id)
        _close_open_rows(done, view.contacts, journal.timeout())
        out = set() if ledger is None else ledger.opted_out(asked)
        rows = [
            _reverse(row, view.contacts.get(row.phone or ""), out, opt_back_in=opt_back_in) for row in done
        ]
        if dry_run:
            return result_of("undo", rows, None, dry_run=True)
        how = options_of(journal, columns=(), opt_back_in=opt_back_in)
        with begin(client, "undo", rows, how, journal_dir, undo_of=journal.run_id) as new:
            journal.save(done, undone_by=new.run_id)
            return carry_out(client, new, rows, view.contacts, seen_at=seen_at, **options)


def _is_open(folder: Path, run_id: str) -> bool:
    path = folder / f"{run_id}{SUFFIX}"
    if not path.is_file():
        return False
    with reading(path) as base:
        return bool(base.execute("SELECT count(*) FROM rows WHERE done = 0").fetchone()[0])


def _close_open_rows(rows: list[Row], seen: Mapping[str, Contact], timeout: float) -> None:
    """Find out what became of the rows of a run that is undone, those too that an earlier undo closed."""
    for row in rows:
        if not reopen(row):
            continue
        there = seen.get(row.phone or "")
        reconcile(row, there)
        if row.done:
            continue
        if row.in_flight_for(timeout) > 0:
            row.note("a request for it may be under way still: an undo waits for it")
        close_undone(row, there)


def _reverse(done: Row, there: Contact | None, out: set[str], *, opt_back_in: bool) -> Row:
    """Decide what takes one row of a run back."""
    row = Row(pos=done.pos, phone=done.phone, action="unchanged", before=there)
    if there is not None:
        row.opted_out = there.get("opt_out")
    if done.status == "deleted" and done.before is not None:
        _restore(row, done.before, there, out)
    elif done.status == "created" and done.left is not None:
        _remove(row, done.left, there)
    elif done.action == "update" and done.sent and done.left is not None:
        _put_back(row, done, there, opt_back_in=opt_back_in)
    elif done.action == "verify" and done.sent:
        row.note("a verification message can't be unsent")
    elif done.status == "unknown":
        row.note(f"left alone, since its outcome is not known: {done.detail}")
    else:
        row.note("nothing to undo")
    return row


def _restore(row: Row, before: Contact, there: Contact | None, out: set[str]) -> None:
    if there is not None:
        row.note("a contact with this number is there again: left alone")
        return
    row.action = "create"
    row.wanted = written(before)
    if row.wanted.get("opt_out") is not True:
        row.wanted.pop("opt_out", None)
        if row.phone in out:
            row.note(KEPT_OUT)
            row.wanted["opt_out"] = True
        elif before.get("opt_out") is None:
            row.note("opt_out was not known before: where the account says false now, nobody agreed to that")
    row.opted_out = row.wanted.get("opt_out")
    row.note(lost_for_good(before))


def _remove(row: Row, left: Contact, there: Contact | None) -> None:
    if there is None:
        row.action = "absent"
        row.note("gone already")
    elif not is_untouched(left, there):
        row.note(_CHANGED)
    else:
        row.action = "delete"


def _put_back(row: Row, done: Row, there: Contact | None, *, opt_back_in: bool) -> None:
    before, left = done.before or {}, done.left or {}
    if there is None:
        row.action = "absent"
        row.note("gone since the run")
        return
    if not is_untouched(left, there):
        row.note(_CHANGED)
        return
    for field, value in done.wanted.items():
        old = before.get(field)
        if same(field, old, there.get(field)) or not holds(field, value, left.get(field)):
            continue  # as it was, or not what the run wrote
        if field == "opt_out":
            _put_back_opt_out(row, old, opt_back_in=opt_back_in)
        elif field == "custom_variables":
            _put_back_variables(row, old or {}, value)
        elif field == "tags":
            row.wanted[field] = written({field: old}).get(field, [])
        elif restored := written({field: old}):
            row.wanted |= restored
        else:
            row.note(f"{field} was empty before, which can't be written: it stays")
    if row.wanted:
        row.action = "update"


def _put_back_opt_out(row: Row, old: bool | None, *, opt_back_in: bool) -> None:
    if old is True or (old is False and opt_back_in):
        row.wanted["opt_out"] = old
    else:
        row.note(STAYS_OUT if old is False else "opt_out was not known before, and can't be again")


def _put_back_variables(row: Row, old: dict[str, str], written_then: dict[str, str]) -> None:
    values = {name: old[name] for name in written_then if name in plain("custom_variables", old)}
    if values:
        row.wanted["custom_variables"] = values
    added = sorted(set(written_then) - set(values))
    if added:
        row.note(f"custom variables can't be removed: {', '.join(added)}")
