"""`bulk_create`, `bulk_delete`, `bulk_update`, `bulk_opt_out`, `bulk_verify`: plan and run at once."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from sendblue_data._api.client import SendblueClient
from sendblue_data._shared.validation import check_client
from sendblue_data.writeback.inputs import LONGEST_VARIABLE
from sendblue_data.writeback.plans import plan_delete, plan_opt_out, plan_update, plan_verify, planned_create
from sendblue_data.writeback.result import WriteResult
from sendblue_data.writeback.rows import Options
from sendblue_data.writeback.running import check_delete, run_fresh

if TYPE_CHECKING:
    PathLike = str | os.PathLike[str]


def bulk_create(
    client: SendblueClient,
    contacts: Any,
    *,
    chunk_size: int = 500,
    dry_run: bool = False,
    opt_back_in: bool = False,
    on_conflict: Literal["update", "skip"] = "update",
    tags: Literal["add", "replace", "keep"] = "add",
    longest_variable: int = LONGEST_VARIABLE,
    raise_on_errors: bool = False,
    progress: bool = True,
    journal_dir: PathLike | None = None,
) -> WriteResult:
    """Bring a frame's contacts into the account: create those that are not there, update those that differ.

    What a bulk create can't carry (opt-out, owner, line) is written right afterwards, opt-outs first; a row
    counts as `created` only when the account shows all of it. Every request is written down in a journal
    before it is sent, so that a run that is cut off can be resumed and one that was wrong undone.

    Args:
        client: the account.
        contacts: as in `plan_create`.
        chunk_size: contacts in one request, at most; halved when the server refuses the size.
        dry_run: send nothing, write no journal; give what a run would do.
        opt_back_in: let `opt_out` false in the frame clear an opt-out.
        on_conflict: `"update"` or `"skip"` a contact that is there with other values.
        tags: `"add"` the frame's to those that a contact has, let them `"replace"` those, or `"keep"` those.
        longest_variable: characters of a custom variable's value, above which a row is invalid.
        raise_on_errors: raise `WriteIncompleteError` at the end if a row is invalid, rejected or unknown.
        progress: show a bar.
        journal_dir: folder of the journal; `SENDBLUE_DATA_JOURNAL`, else the user's data folder, when not
            given. Journals hold contacts, so they are readable for their owner alone; they hold no keys.

    Returns:
        The outcome of every row.

    Raises:
        FrameError: as in `plan_create`; nothing was sent.
        WriteRefusedError: runs of another key of this host saw people of the frame opted out; nothing was sent.
        WriteInterruptedError: it could not go on; `resume_run` it.
        WriteIncompleteError: see `raise_on_errors`.
        JournalError: the journal can't be written.
        ApiError: the account could not be asked; nothing was sent.

    Example:
        >>> import tempfile
        >>> from sendblue_data.contacts import contacts_frame
        >>> from sendblue_data.sandbox import Sandbox
        >>> mine = contacts_frame([{"phone": "+12125550100", "opt_out": True}, {"phone": "555-0101"}])
        >>> with Sandbox(contacts=5) as sandbox, sandbox.client() as client:
        ...     with tempfile.TemporaryDirectory() as folder:
        ...         result = bulk_create(client, mine, progress=False, journal_dir=folder)
        >>> result.counts
        {'created': 1, 'invalid': 1}
    """
    check_client(client)
    options = Options(
        chunk_size=chunk_size,
        on_conflict=on_conflict,
        tags=tags,
        opt_back_in=opt_back_in,
        longest_variable=longest_variable,
    )
    plan = planned_create(client, contacts, options, journal_dir)
    return run_fresh(
        plan,
        client,
        dry_run=dry_run,
        raise_on_errors=raise_on_errors,
        progress=progress,
        journal_dir=journal_dir,
    )


def bulk_delete(
    client: SendblueClient,
    contacts: Any,
    *,
    confirm: bool | int | None = None,
    allow_most: bool = False,
    chunk_size: int = 500,
    dry_run: bool = False,
    raise_on_errors: bool = False,
    progress: bool = True,
    journal_dir: PathLike | None = None,
) -> WriteResult:
    """Delete a frame's contacts from the account. The journal keeps them whole, for `undo_run`.

    Args:
        client: the account.
        contacts: as in `plan_delete`.
        confirm: for more than 100 contacts: how many would be deleted (or the frame's height), or True.
        allow_most: let it take more than half of the account.
        chunk_size: contacts in one request, at most; halved when the server refuses the size.
        dry_run: send nothing, write no journal; give what a run would do.
        raise_on_errors: as in `bulk_create`.
        progress: show a bar.
        journal_dir: as in `bulk_create`.

    Returns:
        The outcome of every row.

    Raises:
        WriteRefusedError: it is not confirmed, or takes most of the account; nothing was sent.
        FrameError, WriteInterruptedError, WriteIncompleteError, JournalError, ApiError: as in `bulk_create`.

    Example:
        >>> import tempfile
        >>> from sendblue_data.contacts import contacts_frame
        >>> from sendblue_data.sandbox import Sandbox
        >>> account = contacts_frame([{"phone": f"+1212555010{n}"} for n in range(4)])
        >>> with Sandbox(account.to_dicts()) as sandbox, sandbox.client() as client:
        ...     with tempfile.TemporaryDirectory() as folder:
        ...         result = bulk_delete(client, account.head(1), progress=False, journal_dir=folder)
        >>> result.counts
        {'deleted': 1}
    """
    check_client(client)  # a frame could be planned with, and its guards would speak of the wrong thing
    plan = plan_delete(client, contacts, chunk_size=chunk_size, journal_dir=journal_dir)
    if not dry_run:
        check_delete(plan, confirm=confirm, allow_most=allow_most)
    return run_fresh(
        plan,
        client,
        dry_run=dry_run,
        raise_on_errors=raise_on_errors,
        progress=progress,
        journal_dir=journal_dir,
    )


def bulk_update(
    client: SendblueClient,
    contacts: Any,
    columns: Sequence[str] | None = None,
    *,
    base: Any = None,
    on_conflict: Literal["refuse", "ours", "theirs"] = "refuse",
    replace: bool = False,
    clear: Sequence[str] = (),
    opt_back_in: bool = False,
    dry_run: bool = False,
    longest_variable: int = LONGEST_VARIABLE,
    raise_on_errors: bool = False,
    progress: bool = True,
    journal_dir: PathLike | None = None,
) -> WriteResult:
    """Write columns of a frame to contacts that are in the account, a call for each that differs.

    Only what is named by `columns`, or was changed since `base`, is written: what others did meanwhile stays. A
    write that would take tags from somebody is refused unless it is asked for. Nulls and blanks change nothing.

    Args:
        client: the account.
        contacts: with `phone` and the columns.
        columns: which to write.
        base: the frame as it was pulled: each field is merged with what somebody else changed since.
        on_conflict: where both changed one field: `"refuse"` leaves the row alone and says so, `"ours"` writes
            yours, `"theirs"` keeps theirs.
        replace: without `base`, let the frame's tags take the place of the account's.
        clear: fields to erase: where the frame has no value for them, and wherever they are not written.
        opt_back_in: let `opt_out` false clear an opt-out.
        dry_run: send nothing; give what a run would do.
        longest_variable: as in `bulk_create`.
        raise_on_errors: as in `bulk_create`.
        progress: show a bar.
        journal_dir: as in `bulk_create`.

    Returns:
        The outcome of every row: `updated`, `unchanged`, `absent`, `invalid`, `rejected` or `unknown`.

    Raises:
        WriteRefusedError: contacts would lose tags, or nothing says what was changed; nothing was sent.
        FrameError: a column is not in the frame, seems misnamed, or no call of the API writes it.
        WriteInterruptedError, WriteIncompleteError, JournalError, ApiError: as in `bulk_create`.

    Example:
        >>> import tempfile
        >>> from sendblue_data.contacts import contacts_frame
        >>> from sendblue_data.sandbox import Sandbox
        >>> mine = contacts_frame([{"phone": "+12125550100", "tags": ["VIP"]}, {"phone": "+12125550101"}])
        >>> with Sandbox([{"phone": "+12125550100"}]) as sandbox, sandbox.client() as client:
        ...     with tempfile.TemporaryDirectory() as folder:
        ...         result = bulk_update(client, mine, ["tags"], progress=False, journal_dir=folder)
        >>> result.counts
        {'updated': 1, 'absent': 1}
    """
    check_client(client)
    plan = plan_update(
        client,
        contacts,
        columns,
        base=base,
        on_conflict=on_conflict,
        replace=replace,
        clear=clear,
        opt_back_in=opt_back_in,
        longest_variable=longest_variable,
        journal_dir=journal_dir,
    )
    return run_fresh(
        plan,
        client,
        dry_run=dry_run,
        raise_on_errors=raise_on_errors,
        progress=progress,
        journal_dir=journal_dir,
    )


def bulk_opt_out(
    client: SendblueClient,
    contacts: Any,
    opted_out: bool = True,
    *,
    opt_back_in: bool = False,
    dry_run: bool = False,
    raise_on_errors: bool = False,
    progress: bool = True,
    journal_dir: PathLike | None = None,
) -> WriteResult:
    """Opt a frame's contacts out; with `opted_out=False, opt_back_in=True`, back in.

    A number that is not in the account is `absent`; the ledger remembers it, so that a later `bulk_create`
    from this machine creates it opted out.

    Args:
        client: the account.
        contacts: with `phone`.
        opted_out: False opts back in.
        opt_back_in: has to be True for that.
        dry_run: send nothing; give what a run would do.
        raise_on_errors: as in `bulk_create`.
        progress: show a bar.
        journal_dir: as in `bulk_create`.

    Returns:
        The outcome of every row: `updated`, `unchanged`, `absent`, `invalid`, `rejected` or `unknown`.

    Raises:
        WriteRefusedError: an opt-out would be cleared without `opt_back_in=True`.
        FrameError, WriteInterruptedError, WriteIncompleteError, JournalError, ApiError: as in `bulk_create`.

    Example:
        >>> import tempfile
        >>> from sendblue_data.contacts import contacts_frame
        >>> from sendblue_data.sandbox import Sandbox
        >>> mine = contacts_frame([{"phone": "+12125550100"}, {"phone": "+12125550101"}])
        >>> with Sandbox([{"phone": "+12125550100"}]) as sandbox, sandbox.client() as client:
        ...     with tempfile.TemporaryDirectory() as folder:
        ...         result = bulk_opt_out(client, mine, progress=False, journal_dir=folder)
        >>> result.counts
        {'updated': 1, 'absent': 1}
    """
    check_client(client)
    plan = plan_opt_out(client, contacts, opted_out, opt_back_in=opt_back_in, journal_dir=journal_dir)
    return run_fresh(
        plan,
        client,
        dry_run=dry_run,
        raise_on_errors=raise_on_errors,
        progress=progress,
        journal_dir=journal_dir,
    )


def bulk_verify(
    client: SendblueClient,
    contacts: Any,
    *,
    allow_unknown: bool = False,
    dry_run: bool = False,
    raise_on_errors: bool = False,
    progress: bool = True,
    journal_dir: PathLike | None = None,
) -> WriteResult:
    """Send each of a frame's contacts a verification message, once.

    Who is verified already or opted out, by the account, the frame or the ledger, gets none (`unchanged`), nor
    who may have opted out: a message can't be taken back. `verification_worklist` gives those who are to get one.
    A message whose answer was lost is never sent again: its row is `unknown`.

    Args:
        client: the account.
        contacts: with `phone`.
        allow_unknown: send one to contacts too of whom the API does not say whether they opted out.
        dry_run: send nothing; give what a run would do.
        raise_on_errors: as in `bulk_create`.
        progress: show a bar.
        journal_dir: as in `bulk_create`.

    Returns:
        The outcome of every row: `updated` (a message went out), `unchanged`, `absent`, `invalid`, `rejected`
        or `unknown`.

    Raises:
        FrameError, WriteInterruptedError, WriteIncompleteError, JournalError, ApiError: as in `bulk_create`.

    Example:
        >>> import tempfile
        >>> from sendblue_data.contacts import contacts_frame
        >>> from sendblue_data.sandbox import Sandbox
        >>> account = contacts_frame(
        ...     [{"phone": f"+1212555010{n}", "opt_out": out} for n, out in enumerate([False, True, None])]
        ... )
        >>> with Sandbox(account.to_dicts()) as sandbox, sandbox.client() as client:
        ...     with tempfile.TemporaryDirectory() as folder:
        ...         result = bulk_verify(client, account, progress=False, journal_dir=folder)
        >>> result.counts
        {'updated': 1, 'unchanged': 2}
    """
    check_client(client)
    plan = plan_verify(client, contacts, allow_unknown=allow_unknown, journal_dir=journal_dir)
    return run_fresh(
        plan,
        client,
        dry_run=dry_run,
        raise_on_errors=raise_on_errors,
        progress=progress,
        journal_dir=journal_dir,
    )
