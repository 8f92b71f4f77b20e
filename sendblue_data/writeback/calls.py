"""`plan_create`, `plan_delete`, `plan_update`, `plan_opt_out`, `plan_verify`, and a `bulk_` twin of each.

Each `bulk_X` makes the plan of its `plan_X`, with the same arguments, and runs it at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Unpack

import polars as pl

from sendblue_data._api.client import SendblueClient
from sendblue_data._shared.validation import check_client, check_number, is_whole_from, shown
from sendblue_data.errors import ConfigurationError, WriteRefusedError
from sendblue_data.writeback.catalogue import PathLike
from sendblue_data.writeback.fields import WRITABLE
from sendblue_data.writeback.inputs import (
    LONGEST_VARIABLE,
    Asked,
    Source,
    read_source,
    refuse_misnamed,
    writable_columns,
)
from sendblue_data.writeback.merging import aligned
from sendblue_data.writeback.plan import WritePlan, check_delete, make_plan, run_now, warn_other_key_opt_outs
from sendblue_data.writeback.result import WriteResult
from sendblue_data.writeback.rows import Options
from sendblue_data.writeback.run import RunOptions, with_run_options


def plan_create(
    contacts_or_client: pl.DataFrame | SendblueClient,
    contacts: Any,
    *,
    on_conflict: Literal["update", "skip"] = "update",
    tags: Literal["add", "replace", "keep"] = "add",
    opt_back_in: bool = False,
    chunk_size: int = 500,
    longest_variable: int = LONGEST_VARIABLE,
    journal_dir: PathLike | None = None,
) -> WritePlan:
    """Plan to bring contacts into the account: those that are not there are created.

    Touches no contact. Nulls, blank texts, blanks among tags and variables without a text say nothing: they are
    not written, and erase nothing. A contact that opted out, by the frame, by the account, or by the ledger of
    what this machine saw, is written as opted out; so is every other spelling of its number.

    Args:
        contacts_or_client: the account: a whole pull of it (`pull_contacts`), or a client, which is asked.
        contacts: what `read_contacts` made of a list, a contacts frame, or your own: column `phone` in E.164
            form, and any of `first_name`, `last_name`, `company_name`, `tags`, `custom_variables`, `opt_out`,
            `assigned_to_email`, `sendblue_number`. Any engine that Narwhals knows.
        on_conflict: what to do with a contact that is there with other values: `"update"` them (custom
            variables are merged), or `"skip"` it; even then an opt-out is written.
        tags: what becomes of the tags of a contact that is there: the frame's are added to them (`"add"`),
            take their place (`"replace"`), or are left out (`"keep"`).
        opt_back_in: let `opt_out` false in the frame clear an opt-out.
        chunk_size: contacts in one request, at most.
        longest_variable: characters of a custom variable's value, above which a row is invalid.
        journal_dir: folder of the journals and the ledger, as in `bulk_create`; the plan is run with it.

    Returns:
        The plan; its `.frame` has a row for every row of `contacts`, its `.counts` the rows by action.

    Raises:
        FrameError: there is no usable `phone`, a column seems misnamed (`"tag"`, `"First Name"`) or says in
            another way who opted out (`"SMS Consent"`).
        WrongAccountError: the frame is from another account.
        JournalError: the ledger can't be read.
        ConfigurationError: `contacts_or_client` is neither, or an option is not one of those above.
        ApiError: the account could not be asked.

    Example:
        >>> from sendblue_data import contacts_frame
        >>> account = contacts_frame([{"phone": "+12125550100", "tags": ["VIP"], "company_name": "Acme"}])
        >>> mine = contacts_frame(
        ...     [
        ...         {"phone": "+12125550100", "tags": ["Lead"], "company_name": "Globex"},
        ...         {"phone": "+12125550101"},
        ...     ]
        ... )
        >>> plan = plan_create(account, mine)
        >>> plan
        WritePlan(create: 1 to create; 1 is there: 1 gains a tag, 1 changes company; account of 1)
        >>> plan.changes["change"].to_list()
        ['Acme → Globex', '+ Lead']
    """
    how = Options(
        chunk_size=chunk_size,
        on_conflict=on_conflict,
        tags=tags,
        opt_back_in=opt_back_in,
        longest_variable=longest_variable,
    )
    plan = _plan_create(contacts_or_client, contacts, how, journal_dir)
    warn_other_key_opt_outs(plan)
    return plan


def _plan_create(
    contacts_or_client: pl.DataFrame | SendblueClient,
    contacts: Any,
    how: Options,
    journal_dir: PathLike | None,
) -> WritePlan:
    """Make the plan of `plan_create`, without a word of warning: a run of it is refused with the same words."""
    _check_longest(how.longest_variable)
    _check("on_conflict", how.on_conflict, ("update", "skip"))
    _check("tags", how.tags, ("add", "replace", "keep"))
    _check_chunk_size(how.chunk_size)
    source = read_source(contacts, how.longest_variable, kind="create")
    refuse_misnamed(source)
    return make_plan(Asked("create", source, how), contacts_or_client, journal_dir)


@with_run_options
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
    **options: Unpack[RunOptions],
) -> WriteResult:
    """Bring a frame's contacts into the account: create those that are not there, update those that differ.

    What a bulk create can't carry (opt-out, owner, line) is written right afterwards, opt-outs first; a row
    counts as `created` only when the account shows all of it. Every request is written down in a journal
    before it is sent, so that a run that is cut off can be resumed and one that was wrong undone.

    Args:
        client: the account.
        contacts: as in `plan_create`.
        chunk_size: as in `plan_create`; halved when the server refuses the size.
        dry_run: send nothing, write no journal; return what a run would do.
        opt_back_in: as in `plan_create`.
        on_conflict: `"update"` or `"skip"` a contact that is there with other values.
        tags: `"add"` the frame's to those that a contact has, let them `"replace"` those, or `"keep"` those.
        longest_variable: as in `plan_create`.
        **options: as in `RunOptions`.

    Returns:
        The outcome of every row.

    Raises:
        FrameError, WrongAccountError: as in `plan_create`; nothing was sent.
        WriteRefusedError: runs of another key of this host saw people of the frame opted out; nothing was sent.
        WriteInterruptedError: it could not go on; `resume_run` it.
        WriteIncompleteError: see `raise_on_errors`.
        JournalError: the journal can't be written.
        ApiError: the account could not be asked; nothing was sent.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from sendblue_data import Sandbox, contacts_frame
        >>> mine = contacts_frame([{"phone": "+12125550100", "opt_out": True}, {"phone": "555-0101"}])
        >>> with Sandbox(contacts=5) as sandbox, sandbox.client() as client, TemporaryDirectory() as folder:
        ...     result = bulk_create(client, mine, progress=False, journal_dir=folder)
        >>> result.counts
        {'created': 1, 'invalid': 1}
    """
    check_client(client)
    how = Options(
        chunk_size=chunk_size,
        on_conflict=on_conflict,
        tags=tags,
        opt_back_in=opt_back_in,
        longest_variable=longest_variable,
    )
    plan = _plan_create(client, contacts, how, options.get("journal_dir"))
    return run_now(plan, client, dry_run=dry_run, **options)


def plan_delete(
    contacts_or_client: pl.DataFrame | SendblueClient,
    contacts: Any,
    *,
    chunk_size: int = 500,
    journal_dir: PathLike | None = None,
) -> WritePlan:
    """Plan to delete contacts from the account. Touches no contact.

    A contact that was deleted and created anew since the frame was pulled (another `contact_id`, or another
    `created_at`) is left alone.

    Args:
        contacts_or_client: the account: a whole pull of it, or a client, which is asked.
        contacts: a frame with `phone`; `contact_id` and `created_at` make sure that it is the same contact.
        chunk_size: contacts in one request, at most.
        journal_dir: as in `plan_create`.

    Returns:
        The plan.

    Raises:
        FrameError: there is no usable `phone`.
        WrongAccountError, JournalError, ConfigurationError, ApiError: as in `plan_create`.

    Example:
        >>> from sendblue_data import contacts_frame
        >>> account = contacts_frame([{"phone": "+12125550100"}, {"phone": "+12125550101"}])
        >>> plan_delete(account, account.head(1)).counts
        {'delete': 1}
    """
    _check_chunk_size(chunk_size)
    asked = Asked("delete", read_source(contacts), Options(chunk_size=chunk_size))
    return make_plan(asked, contacts_or_client, journal_dir)


@with_run_options
def bulk_delete(
    client: SendblueClient,
    contacts: Any,
    *,
    confirm: bool | int | None = None,
    allow_most: bool = False,
    chunk_size: int = 500,
    dry_run: bool = False,
    **options: Unpack[RunOptions],
) -> WriteResult:
    """Delete a frame's contacts from the account. The journal keeps them whole, for `undo_run`.

    Args:
        client: the account.
        contacts: as in `plan_delete`.
        confirm: for more than 100 contacts: how many would be deleted (or the frame's height), or True.
        allow_most: let it take more than half of the account.
        chunk_size: as in `bulk_create`.
        dry_run: as in `bulk_create`.
        **options: as in `RunOptions`.

    Returns:
        The outcome of every row.

    Raises:
        WriteRefusedError: it is not confirmed, or takes most of the account; nothing was sent.
        FrameError, WriteInterruptedError, WriteIncompleteError, JournalError, ApiError: as in `bulk_create`.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from sendblue_data import Sandbox, contacts_frame
        >>> account = contacts_frame([{"phone": f"+1212555010{n}"} for n in range(4)])
        >>> with Sandbox(account.to_dicts()) as sandbox, sandbox.client() as client, TemporaryDirectory() as folder:
        ...     result = bulk_delete(client, account.head(1), progress=False, journal_dir=folder)
        >>> result.counts
        {'deleted': 1}
    """
    check_client(client)  # a frame could be planned with, and its guards would speak of the wrong thing
    plan = plan_delete(client, contacts, chunk_size=chunk_size, journal_dir=options.get("journal_dir"))
    if not dry_run:
        check_delete(plan, confirm=confirm, allow_most=allow_most)
    return run_now(plan, client, dry_run=dry_run, **options)


def plan_update(
    contacts_or_client: pl.DataFrame | SendblueClient,
    contacts: Any,
    columns: Sequence[str] | None = None,
    *,
    base: Any = None,
    on_conflict: Literal["refuse", "ours", "theirs"] = "refuse",
    replace: bool = False,
    clear: Sequence[str] = (),
    opt_back_in: bool = False,
    longest_variable: int = LONGEST_VARIABLE,
    journal_dir: PathLike | None = None,
) -> WritePlan:
    """Plan to write columns of a frame to contacts that are in the account. Touches no contact.

    What is written has to be said: by `columns`, or by `base`, the frame as it was pulled, against which only
    what you changed is written. A frame of your own that was never pulled names its columns itself.

    With `base` each field is merged: what you changed is written, what somebody else changed meanwhile stays.
    Where both changed a field, to different values, `on_conflict` decides. Tags and variables merge one by one.

    Args:
        contacts_or_client: the account: a whole pull of it, or a client, which is asked.
        contacts: a frame with `phone` and the columns.
        columns: which to write.
        base: the frame as it was pulled.
        on_conflict: where you and somebody else changed one field since `base`: `"refuse"` leaves the whole row
            alone and says so, `"ours"` writes yours, `"theirs"` keeps theirs.
        replace: without `base`, let the frame's tags take the place of the account's; a plan that would remove
            some is refused otherwise.
        clear: fields to erase: where the frame has no value for them, and wherever they are not written.
        opt_back_in: let `opt_out` false clear an opt-out.
        longest_variable: as in `plan_create`.
        journal_dir: as in `plan_create`.

    Returns:
        The plan; one that would remove what nobody asked to remove says so, and is refused when it is run.

    Raises:
        WriteRefusedError: the frame was pulled, and nothing says what of it was changed.
        FrameError: a column is not in the frame, or seems misnamed.
        ConfigurationError: no call of the API writes a column, or as in `plan_create`.
        JournalError, ApiError: as in `plan_create`.

    Example:
        >>> from sendblue_data import contacts_frame
        >>> pulled = contacts_frame([{"phone": "+12125550100", "tags": ["VIP"], "company_name": "Acme"}])
        >>> mine = pulled.with_columns(company_name=pl.lit("Globex"))
        >>> meanwhile = pulled.with_columns(tags=pl.lit(["VIP", "Paid"]))
        >>> plan_update(meanwhile, mine, base=pulled).changes.select("field", "change").rows()
        [('company_name', 'Acme → Globex')]
    """
    _check_longest(longest_variable)
    source = read_source(contacts, longest_variable)
    pulled = None if base is None else read_source(base, longest_variable)
    chosen = writable_columns(columns, source)
    cleared = writable_columns(clear, source, "clear")
    if columns is None:
        refuse_misnamed(source)
        chosen = _changed_columns(source, pulled, cleared)
    _check("on_conflict", on_conflict, ("refuse", "ours", "theirs"))
    options = Options(
        columns=chosen,
        on_conflict=on_conflict,
        replace=replace,
        clear=cleared,
        opt_back_in=opt_back_in,
        longest_variable=longest_variable,
    )
    frame = None if pulled is None else aligned(pulled, source)
    return make_plan(Asked("update", source, options, frame), contacts_or_client, journal_dir)


@with_run_options
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
    **options: Unpack[RunOptions],
) -> WriteResult:
    """Write columns of a frame to contacts that are in the account, a call for each that differs.

    Only what is named by `columns`, or was changed since `base`, is written: what others did meanwhile stays. A
    write that would take tags from somebody is refused unless it is asked for. Nulls and blanks change nothing.

    Args:
        client: the account.
        contacts: with `phone` and the columns.
        columns: which to write.
        base: the frame as it was pulled: each field is merged with what somebody else changed since.
        on_conflict: where both changed one field: `"refuse"`, `"ours"` or `"theirs"`, as in `plan_update`.
        replace: without `base`, let the frame's tags take the place of the account's.
        clear: fields to erase, as in `plan_update`.
        opt_back_in: let `opt_out` false clear an opt-out.
        dry_run: as in `bulk_create`.
        longest_variable: as in `plan_create`.
        **options: as in `RunOptions`.

    Returns:
        The outcome of every row.

    Raises:
        WriteRefusedError: contacts would lose tags, or nothing says what was changed; nothing was sent.
        FrameError, ConfigurationError: as in `plan_update`.
        WriteInterruptedError, WriteIncompleteError, JournalError, ApiError: as in `bulk_create`.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from sendblue_data import Sandbox, contacts_frame
        >>> mine = contacts_frame([{"phone": "+12125550100", "tags": ["VIP"]}, {"phone": "+12125550101"}])
        >>> there = [{"phone": "+12125550100"}]
        >>> with Sandbox(there) as sandbox, sandbox.client() as client, TemporaryDirectory() as folder:
        ...     result = bulk_update(client, mine, ["tags"], progress=False, journal_dir=folder)
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
        journal_dir=options.get("journal_dir"),
    )
    return run_now(plan, client, dry_run=dry_run, **options)


def plan_opt_out(
    contacts_or_client: pl.DataFrame | SendblueClient,
    contacts: Any,
    opted_out: bool = True,
    *,
    opt_back_in: bool = False,
    journal_dir: PathLike | None = None,
) -> WritePlan:
    """Plan to opt contacts out; with `opted_out=False, opt_back_in=True`, back in. Touches no contact.

    Args:
        contacts_or_client: the account: a whole pull of it, or a client, which is asked.
        contacts: a frame with `phone`.
        opted_out: False opts back in.
        opt_back_in: has to be True for that.
        journal_dir: as in `plan_create`.

    Returns:
        The plan.

    Raises:
        WriteRefusedError: an opt-out would be cleared without `opt_back_in=True`.
        FrameError, JournalError, ConfigurationError, ApiError: as in `plan_create`.

    Example:
        >>> from sendblue_data import contacts_frame
        >>> account = contacts_frame([{"phone": "+12125550100", "opt_out": False}])
        >>> plan_opt_out(account, account)
        WritePlan(opt_out: 1 is there: 1 opts out; account of 1)
    """
    if not opted_out and not opt_back_in:
        raise WriteRefusedError(
            "opted_out=False clears opt-outs: texting someone who opted out is what the law fines. Pass "
            "opt_back_in=True if each of these people asked for it."
        )
    options = Options(opted_out=opted_out, opt_back_in=not opted_out)
    return make_plan(
        Asked("opt_out", read_source(contacts, kind="opt_out"), options), contacts_or_client, journal_dir
    )


@with_run_options
def bulk_opt_out(
    client: SendblueClient,
    contacts: Any,
    opted_out: bool = True,
    *,
    opt_back_in: bool = False,
    dry_run: bool = False,
    **options: Unpack[RunOptions],
) -> WriteResult:
    """Opt a frame's contacts out; with `opted_out=False, opt_back_in=True`, back in.

    A number that is not in the account is `absent`; the ledger remembers it, so that a later `bulk_create`
    from this machine creates it opted out.

    Args:
        client: the account.
        contacts: with `phone`.
        opted_out: False opts back in.
        opt_back_in: has to be True for that.
        dry_run: as in `bulk_create`.
        **options: as in `RunOptions`.

    Returns:
        The outcome of every row.

    Raises:
        WriteRefusedError: an opt-out would be cleared without `opt_back_in=True`.
        FrameError, WriteInterruptedError, WriteIncompleteError, JournalError, ApiError: as in `bulk_create`.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from sendblue_data import Sandbox, contacts_frame
        >>> people = [{"phone": "+12125550100"}, {"phone": "+12125550101"}]
        >>> mine, there = contacts_frame(people), people[:1]
        >>> with Sandbox(there) as sandbox, sandbox.client() as client, TemporaryDirectory() as folder:
        ...     result = bulk_opt_out(client, mine, progress=False, journal_dir=folder)
        >>> result.counts
        {'updated': 1, 'absent': 1}
    """
    check_client(client)
    plan = plan_opt_out(
        client, contacts, opted_out, opt_back_in=opt_back_in, journal_dir=options.get("journal_dir")
    )
    return run_now(plan, client, dry_run=dry_run, **options)


def plan_verify(
    contacts_or_client: pl.DataFrame | SendblueClient,
    contacts: Any,
    *,
    allow_unknown: bool = False,
    journal_dir: PathLike | None = None,
) -> WritePlan:
    """Plan to send contacts a verification message. Sends none.

    Who is verified already or opted out, by the account, the frame or the ledger, gets none.

    Args:
        contacts_or_client: the account: a whole pull of it, or a client, which is asked.
        contacts: a frame with `phone`.
        allow_unknown: send one to contacts too of whom the API does not say whether they opted out.
        journal_dir: as in `plan_create`.

    Returns:
        The plan.

    Raises:
        FrameError: there is no usable `phone`, or a column says in another way who opted out.
        JournalError, ConfigurationError, ApiError: as in `plan_create`.

    Example:
        >>> from sendblue_data import contacts_frame
        >>> people = [{"phone": "+12125550100", "opt_out": False}, {"phone": "+12125550101", "opt_out": True}]
        >>> account = contacts_frame(people)
        >>> plan_verify(account, account)
        WritePlan(verify: 1 to verify; 1 is there: 1 opted out; account of 2)
    """
    source = read_source(contacts)
    refuse_misnamed(source, opt_outs_alone=True)
    options = Options(allow_unknown=allow_unknown)
    return make_plan(Asked("verify", source, options), contacts_or_client, journal_dir)


@with_run_options
def bulk_verify(
    client: SendblueClient,
    contacts: Any,
    *,
    allow_unknown: bool = False,
    dry_run: bool = False,
    **options: Unpack[RunOptions],
) -> WriteResult:
    """Send each of a frame's contacts a verification message, once.

    Who is verified already or opted out, by the account, the frame or the ledger, gets none (`unchanged`), nor
    who may have opted out: a message can't be taken back. `verification_worklist` gives those who are to get one.
    A message whose answer was lost is never sent again: its row is `unknown`.

    Args:
        client: the account.
        contacts: with `phone`.
        allow_unknown: send one to contacts too of whom the API does not say whether they opted out.
        dry_run: as in `bulk_create`.
        **options: as in `RunOptions`.

    Returns:
        The outcome of every row; `updated` where a message went out.

    Raises:
        FrameError, WriteInterruptedError, WriteIncompleteError, JournalError, ApiError: as in `bulk_create`.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from sendblue_data import Sandbox, contacts_frame
        >>> account = contacts_frame(
        ...     [{"phone": f"+1212555010{n}", "opt_out": out} for n, out in enumerate([False, True, None])]
        ... )
        >>> with Sandbox(account.to_dicts()) as sandbox, sandbox.client() as client, TemporaryDirectory() as folder:
        ...     result = bulk_verify(client, account, progress=False, journal_dir=folder)
        >>> result.counts
        {'updated': 1, 'unchanged': 2}
    """
    check_client(client)
    plan = plan_verify(client, contacts, allow_unknown=allow_unknown, journal_dir=options.get("journal_dir"))
    return run_now(plan, client, dry_run=dry_run, **options)


def _changed_columns(source: Source, base: Source | None, clear: Sequence[str]) -> tuple[str, ...]:
    """Name the columns that an update without `columns` is about: never those of a pulled frame, unsaid."""
    if base is None and source.is_pulled:
        if clear:
            return ()
        raise WriteRefusedError(
            "The frame was pulled from an account, and nothing says what of it was changed since: written whole it "
            "would undo what others did meanwhile. Nothing was sent. Name the columns to write, such as "
            "columns=['company_name'], or pass base= with the frame as it was pulled."
        )
    return tuple(name for name in WRITABLE if name in source.names)


def _check(name: str, given: object, expected: tuple[str, ...]) -> None:
    if given not in expected:
        options = f"{', '.join(map(repr, expected[:-1]))} or {expected[-1]!r}"
        raise ConfigurationError(f"{name} is {shown(given)}: expected {options}.")


def _check_chunk_size(given: object) -> None:
    check_number("chunk_size", given, is_whole_from(1), "a whole number, 1 or more")


def _check_longest(given: object) -> None:
    check_number("longest_variable", given, is_whole_from(1), "a whole number, 1 or more")
