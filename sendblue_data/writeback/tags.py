"""Tags written one by one: `add_tags`, `remove_tags`, `rename_tags` touch nothing else of a contact."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Unpack, overload

import polars as pl

from sendblue_data._api.client import SendblueClient
from sendblue_data._shared.validation import check_client
from sendblue_data.analytics.tag_spelling import Frame, check_renaming, rename_tags as rename_in_frame
from sendblue_data.errors import ConfigurationError
from sendblue_data.writeback.catalogue import PathLike
from sendblue_data.writeback.inputs import Asked, TagChange, read_source
from sendblue_data.writeback.plan import WritePlan, make_plan, run_now
from sendblue_data.writeback.result import WriteResult
from sendblue_data.writeback.rows import Options
from sendblue_data.writeback.run import RunOptions, with_run_options


def plan_add_tags(
    contacts_or_client: pl.DataFrame | SendblueClient,
    contacts: Any,
    *tags: str,
    journal_dir: PathLike | None = None,
) -> WritePlan:
    """Plan to add tags to contacts, whatever tags they have. Touches no contact.

    Args:
        contacts_or_client: the account: a whole pull of it, or a client, which is asked.
        contacts: a frame with `phone`.
        tags: what to add.
        journal_dir: as in `plan_create`.

    Returns:
        The plan.

    Raises:
        ConfigurationError: a tag is blank or no text, or `contacts_or_client` is neither.
        FrameError, JournalError, ApiError: as in `plan_create`.

    Example:
        >>> from sendblue_data import contacts_frame
        >>> account = contacts_frame([{"phone": "+12125550100", "tags": ["VIP"]}])
        >>> plan_add_tags(account, account, "VIP", "Spring").changes.select("after", "change").rows()
        [('VIP, Spring', '+ Spring')]
    """
    return _plan_change(contacts_or_client, contacts, TagChange(add=_checked("add_tags", tags)), journal_dir)


def plan_remove_tags(
    contacts_or_client: pl.DataFrame | SendblueClient,
    contacts: Any,
    *tags: str,
    journal_dir: PathLike | None = None,
) -> WritePlan:
    """Plan to take tags from contacts, whatever other tags they have. Touches no contact.

    Args:
        contacts_or_client: the account: a whole pull of it, or a client, which is asked.
        contacts: a frame with `phone`.
        tags: what to take away.
        journal_dir: as in `plan_create`.

    Returns:
        The plan.

    Raises:
        ConfigurationError: a tag is blank or no text, or `contacts_or_client` is neither.
        FrameError, JournalError, ApiError: as in `plan_create`.

    Example:
        >>> from sendblue_data import contacts_frame
        >>> account = contacts_frame([{"phone": "+12125550100", "tags": ["VIP"]}])
        >>> plan_remove_tags(account, account, "VIP")
        WritePlan(update: 1 is there: 1 loses a tag; account of 1)
    """
    return _plan_change(
        contacts_or_client, contacts, TagChange(remove=_checked("remove_tags", tags)), journal_dir
    )


@with_run_options
def add_tags(
    client: SendblueClient,
    contacts: Any,
    *tags: str,
    dry_run: bool = False,
    **options: Unpack[RunOptions],
) -> WriteResult:
    """Add tags to contacts: each is read again before it is written, and nothing else of it is touched.

    Args:
        client: the account.
        contacts: a frame with `phone`.
        tags: what to add.
        dry_run: as in `bulk_create`.
        **options: as in `RunOptions`.

    Returns:
        The outcome of every row.

    Raises:
        FrameError, WriteInterruptedError, WriteIncompleteError, JournalError, ApiError: as in `bulk_update`.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from sendblue_data import Sandbox, contacts_frame
        >>> people = [{"phone": "+12125550100", "tags": ["VIP"]}]
        >>> with Sandbox(people) as sandbox, sandbox.client() as client, TemporaryDirectory() as folder:
        ...     result = add_tags(client, contacts_frame(people), "Spring", progress=False, journal_dir=folder)
        ...     tags = [row["tags"] for row in sandbox.rows()]
        >>> result.counts, tags
        ({'updated': 1}, [['VIP', 'Spring']])
    """
    check_client(client)
    plan = plan_add_tags(client, contacts, *tags, journal_dir=options.get("journal_dir"))
    return run_now(plan, client, dry_run=dry_run, **options)


@with_run_options
def remove_tags(
    client: SendblueClient,
    contacts: Any,
    *tags: str,
    dry_run: bool = False,
    **options: Unpack[RunOptions],
) -> WriteResult:
    """Take tags from contacts: each is read again before it is written, and nothing else of it is touched.

    Args:
        client: the account.
        contacts: a frame with `phone`.
        tags: what to take away.
        dry_run: as in `bulk_create`.
        **options: as in `RunOptions`.

    Returns:
        The outcome of every row.

    Raises:
        FrameError, WriteInterruptedError, WriteIncompleteError, JournalError, ApiError: as in `bulk_update`.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from sendblue_data import Sandbox, contacts_frame
        >>> people = [{"phone": "+12125550100", "tags": ["VIP", "Lead"]}]
        >>> with Sandbox(people) as sandbox, sandbox.client() as client, TemporaryDirectory() as folder:
        ...     result = remove_tags(client, contacts_frame(people), "Lead", progress=False, journal_dir=folder)
        ...     tags = [row["tags"] for row in sandbox.rows()]
        >>> result.counts, tags
        ({'updated': 1}, [['VIP']])
    """
    check_client(client)
    plan = plan_remove_tags(client, contacts, *tags, journal_dir=options.get("journal_dir"))
    return run_now(plan, client, dry_run=dry_run, **options)


@overload
def rename_tags(
    client: Frame, contacts: Mapping[str, str | None], /, *, changed_only: bool = ...
) -> Frame: ...
@overload
def rename_tags(
    client: SendblueClient,
    contacts: Any,
    mapping: Mapping[str, str | None],
    /,
    *,
    dry_run: bool = ...,
    **options: Unpack[RunOptions],
) -> WriteResult: ...
@with_run_options
def rename_tags(
    client: Any,
    contacts: Any,
    mapping: Mapping[str, str | None] | None = None,
    /,
    *,
    changed_only: bool = False,
    dry_run: bool = False,
    **options: Unpack[RunOptions],
) -> Any:
    """Rename tags in an account, or in a frame alone: `rename_tags(contacts, mapping)`.

    As a write, each contact is read again before it is written, and nothing else of it is touched. All names
    change at once, so that `{"a": "b", "b": "a"}` swaps two tags; a contact that would end up with one tag twice
    has it once.

    Args:
        client: the account; left out, the frame is returned with its tags renamed: see
            `sendblue_data.analytics.tag_spelling.rename_tags`.
        contacts: a frame with `phone`.
        mapping: old tag to new; None takes the tag away.
        changed_only: of a frame, only the contacts that change.
        dry_run: as in `bulk_create`.
        **options: as in `RunOptions`.

    Returns:
        The outcome of every row; of a frame, the frame.

    Raises:
        ConfigurationError: a new name is blank or no text.
        FrameError, WriteInterruptedError, WriteIncompleteError, JournalError, ApiError: as in `bulk_update`.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from sendblue_data import Sandbox, contacts_frame
        >>> people = [{"phone": "+12125550100", "tags": ["vip ", "Lead"]}]
        >>> contacts = contacts_frame(people)
        >>> rename_tags(contacts, {"vip ": "VIP"})["tags"].to_list()
        [['VIP', 'Lead']]
        >>> with Sandbox(people) as sandbox, sandbox.client() as client, TemporaryDirectory() as folder:
        ...     result = rename_tags(client, contacts, {"vip ": "VIP"}, progress=False, journal_dir=folder)
        >>> result.counts
        {'updated': 1}
    """
    if mapping is None:
        return rename_in_frame(client, contacts, changed_only=changed_only)
    check_client(client)
    check_renaming(mapping)
    plan = _plan_change(client, contacts, TagChange(rename=dict(mapping)), options.get("journal_dir"))
    return run_now(plan, client, dry_run=dry_run, **options)


def _plan_change(
    contacts_or_client: pl.DataFrame | SendblueClient,
    contacts: Any,
    change: TagChange,
    journal_dir: PathLike | None,
) -> WritePlan:
    asked = Asked("update", read_source(contacts), Options(columns=("tags",)), change=change)
    return make_plan(asked, contacts_or_client, journal_dir)


def _checked(verb: str, tags: tuple[Any, ...]) -> tuple[str, ...]:
    if not tags:
        raise ConfigurationError(
            f"{verb} was given no tag: name one or more, such as {verb}(client, contacts, 'VIP')."
        )
    for tag in tags:
        if not isinstance(tag, str) or not tag.strip():
            given = repr(tag) if isinstance(tag, str) else type(tag).__name__
            raise ConfigurationError(
                f"{verb} was given {given} for a tag: expected texts that are not blank."
            )
    return tags
