"""`pull_contacts`, `iter_contacts`, `merge_contacts`: every contact of an account, each once."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Literal, overload

import polars as pl

from sendblue_data._api.client import SendblueClient
from sendblue_data._shared.time import Moment
from sendblue_data.pull.evidence import PullEvidence
from sendblue_data.pull.joining import keys
from sendblue_data.pull.merging import alike
from sendblue_data.pull.sweeps import Pull, Trust
from sendblue_data.schema import CONTACT_SCHEMA


@overload
def pull_contacts(
    client: SendblueClient,
    *,
    since: Moment | None = None,
    progress: bool = True,
    allow_incomplete: bool = False,
    trust: Trust = "count",
    strict: bool = False,
    with_evidence: Literal[False] = False,
) -> pl.DataFrame: ...
@overload
def pull_contacts(
    client: SendblueClient,
    *,
    since: Moment | None = None,
    progress: bool = True,
    allow_incomplete: bool = False,
    trust: Trust = "count",
    strict: bool = False,
    with_evidence: Literal[True],
) -> tuple[pl.DataFrame, PullEvidence]: ...
def pull_contacts(
    client: SendblueClient,
    *,
    since: Moment | None = None,
    progress: bool = True,
    allow_incomplete: bool = False,
    trust: Trust = "count",
    strict: bool = False,
    with_evidence: bool = False,
) -> pl.DataFrame | tuple[pl.DataFrame, PullEvidence]:
    """Pull every contact of the account into one frame.

    The API lists at most 11,000 contacts by offset; this goes on from there by keyset windows on
    `created_at`, and checks that neighbouring pages fit together and that the account's own count agrees.
    A contact that was there all the while is in the frame; one created or deleted meanwhile may be or not.

    Args:
        client: the account.
        since: only contacts created at or after this moment (in UTC; a date is its first moment). Merge
            the result into an earlier frame by `merge_contacts`. Such a pull can't see updates, opt-outs or
            deletions of contacts that were created before: pull everything before you report a rate. And
            the API has no count for a part of the account, so only the seams between pages are checked.
        progress: show a bar, in a notebook or a terminal.
        allow_incomplete: return what arrived instead of raising `IncompletePullError`, or warning.
        trust: `"count"` raises where the account counts more contacts than it lists. `"seams"` takes what it lists
            for all of them, where nothing can be missing between the pages: for an account whose count includes
            contacts that no list gives, and for a large one that is never at rest.
        strict: raise `UnexpectedAnswerError` where a contact's field can't be read. Otherwise that value is null,
            and told: below the bar, or as a `RepairedFieldWarning`, and in the evidence's `repaired`.
        with_evidence: return `(frame, PullEvidence)`.

    Returns:
        A contacts frame (`CONTACT_SCHEMA`), a row a contact, the oldest first.

    Raises:
        IncompletePullError: contacts are missing, or can't be shown not to be. Its `.frame` has those that
            arrived, `.expected` the account's count, `.missing` how many it lacks.
        ApiError: a request failed for good.
        ConfigurationError: `client` is no client, `since` no moment, or `trust` neither of the two.

    Warns:
        UnprovenPullWarning: nothing is known to be missing, but in an account of over 22,000 contacts, some of which
            were deleted meanwhile, one without `created_at` could hide (see `PullEvidence.doubt`).

    Example:
        >>> from sendblue_data import Sandbox
        >>> with Sandbox(contacts=120, seed=1) as sandbox, sandbox.client() as client:
        ...     frame, evidence = pull_contacts(client, progress=False, with_evidence=True)
        >>> frame.height, evidence.complete
        (120, True)
    """
    pull = Pull(client, since, progress=progress, strict=strict, trust=trust)
    frame = pull.in_order(pl.concat([CONTACT_SCHEMA.to_frame(), *pull.windows()]))
    if not allow_incomplete:
        pull.check(frame)
    return (frame, pull.evidence()) if with_evidence else frame


def iter_contacts(
    client: SendblueClient,
    *,
    since: Moment | None = None,
    progress: bool = True,
    allow_incomplete: bool = False,
    trust: Trust = "count",
    strict: bool = False,
) -> Generator[pl.DataFrame, None, PullEvidence]:
    """Pull every contact, a frame at a time, for accounts that don't fit in memory.

    Args:
        client: the account.
        since: as in `pull_contacts`.
        progress: show a bar.
        allow_incomplete: end quietly where contacts are missing.
        trust: as in `pull_contacts`.
        strict: as in `pull_contacts`.

    Yields:
        Contacts frames of up to about 11,000 rows, each contact in one of them, the oldest first (what a
        second look brings to light comes last).

    Returns:
        The `PullEvidence`, as the generator's return value.

    Raises:
        IncompletePullError: at the end, after the last frame; its `.frame` is empty.
        ApiError: a request failed for good.
        ConfigurationError: as in `pull_contacts`.

    Warns:
        UnprovenPullWarning: as in `pull_contacts`, at the end.

    Example:
        >>> from sendblue_data import Sandbox
        >>> with Sandbox(contacts=120, seed=1) as sandbox, sandbox.client() as client:
        ...     sum(frame.height for frame in iter_contacts(client, progress=False))
        120
    """
    pull = Pull(client, since, progress=progress, strict=strict, trust=trust)
    yield from pull.windows()
    if not allow_incomplete:
        pull.check(CONTACT_SCHEMA.to_frame())
    return pull.evidence()


def merge_contacts(old: Any, new: Any) -> pl.DataFrame:
    """Merge an incremental pull into an earlier frame: a row of `new` replaces the same contact's in `old`.

    Contacts are the same when their `contact_id` is. Where an id is missing or new to `old`, those with the
    same `phone` are the same: that contact was deleted and created again. What `new` can't know stays as it
    was in `old`: see `since` in `pull_contacts`.

    Args:
        old: the earlier contacts frame, of any engine that Narwhals knows.
        new: the later one.

    Returns:
        A contacts frame: the rows of `old` that `new` doesn't replace, then those of `new`.

    Raises:
        FrameError: a column is in one of them alone, or of two types.

    Example:
        >>> from sendblue_data import contacts_frame
        >>> old = contacts_frame([{"phone": "+12125550100"}, {"phone": "+12125550101"}])
        >>> new = contacts_frame([{"phone": "+12125550101", "opt_out": True}])
        >>> merge_contacts(old, new).select("phone", "opt_out").rows()
        [('+12125550100', None), ('+12125550101', True)]
    """
    earlier, later = alike(old, new)
    same = pl.coalesce("contact_id", "phone")
    fresh = later.filter(same.is_null() | same.is_last_distinct())
    is_known = fresh["contact_id"].is_in(earlier["contact_id"].drop_nulls().implode()).fill_null(value=False)
    replacing = fresh["phone"].filter(~is_known).drop_nulls()
    replaced = keys(earlier).is_in(keys(fresh).implode())
    replaced |= earlier["phone"].is_in(replacing.implode()).fill_null(value=False)
    return pl.concat([earlier.filter(~replaced), fresh])
