"""`pull_messages`, `iter_messages`, `merge_messages`: every message of an account, each once."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any, Literal, overload

import polars as pl

from sendblue_data._api.client import SendblueClient
from sendblue_data._shared.keywords import Language
from sendblue_data._shared.time import Moment
from sendblue_data.pull.evidence import MessagePullEvidence
from sendblue_data.pull.merging import alike
from sendblue_data.pull.message_listing import message_keys
from sendblue_data.pull.message_pull import MessagePull
from sendblue_data.schema import MESSAGE_SCHEMA


@overload
def pull_messages(
    client: SendblueClient,
    *,
    since: Moment | None = None,
    until: Moment | None = None,
    content: bool = False,
    languages: Sequence[Language] = (),
    progress: bool = True,
    allow_incomplete: bool = False,
    strict: bool = False,
    with_evidence: Literal[False] = False,
) -> pl.DataFrame: ...
@overload
def pull_messages(
    client: SendblueClient,
    *,
    since: Moment | None = None,
    until: Moment | None = None,
    content: bool = False,
    languages: Sequence[Language] = (),
    progress: bool = True,
    allow_incomplete: bool = False,
    strict: bool = False,
    with_evidence: Literal[True],
) -> tuple[pl.DataFrame, MessagePullEvidence]: ...
def pull_messages(
    client: SendblueClient,
    *,
    since: Moment | None = None,
    until: Moment | None = None,
    content: bool = False,
    languages: Sequence[Language] = (),
    progress: bool = True,
    allow_incomplete: bool = False,
    strict: bool = False,
    with_evidence: bool = False,
) -> pl.DataFrame | tuple[pl.DataFrame, MessagePullEvidence]:
    """Pull every message of the account into one frame.

    The API filters by the moment of creation and shows it in no answer. This reads windows of it, each of which an
    offset reaches the end of, and checks that as many messages came as the API tells of, or, where it tells of none,
    that the pages fit together. A message that was there all the while is in the frame; one that arrived meanwhile may
    be or not.

    Args:
        client: the account.
        since: only messages created at or after this moment (in UTC; a date is its first moment). Merge the result into
            an earlier frame by `merge_messages`; take `MessagePullEvidence.next_since` of the earlier pull, which goes
            60 seconds back. Such a pull can't see what became of messages that were created before.
        until: only messages created before this moment.
        content: keep the texts, the most personal thing in an account. Otherwise `content` is null, and no text is
            kept: `keyword` says whether it was a word that stops texts or starts them again, `content_length` how many
            characters it had.
        languages: whose such words to know besides those that the service acts on, such as `["fr", "es"]`.
        progress: show a bar, in a notebook or a terminal.
        allow_incomplete: return what arrived instead of raising `IncompletePullError`, or warning.
        strict: raise `UnexpectedAnswerError` where a field can't be read. Otherwise that value is null, and told: below
            the bar, or as a `RepairedFieldWarning`, and in the evidence's `repaired`.
        with_evidence: return `(frame, MessagePullEvidence)`.

    Returns:
        A messages frame (`MESSAGE_SCHEMA`), a row a message, in order of creation (what a second look brings to light
        comes last).

    Raises:
        IncompletePullError: the API tells of messages that it never listed. Its `.frame` has those that arrived,
            `.expected` how many there should be, `.missing` how many it lacks.
        ApiError: a request failed for good.
        ConfigurationError: an option can't be used.

    Warns:
        UnprovenPullWarning: nothing is known to be missing, but the API does not say how many messages there are, and
            its pages never fitted together.

    Example:
        >>> from sendblue_data import Sandbox
        >>> with Sandbox(100, messages=1_500, seed=1) as sandbox, sandbox.client() as client:
        ...     messages, evidence = pull_messages(client, progress=False, with_evidence=True)
        >>> messages.height, evidence.complete, messages["content"].null_count()
        (1500, True, 1500)
    """
    pull = MessagePull(
        client, since, until, content=content, languages=languages, progress=progress, strict=strict
    )
    frame = pl.concat([MESSAGE_SCHEMA.to_frame(), *pull.windows()])
    if not allow_incomplete:
        pull.check(frame)
    return (frame, pull.evidence()) if with_evidence else frame


def iter_messages(
    client: SendblueClient,
    *,
    since: Moment | None = None,
    until: Moment | None = None,
    content: bool = False,
    languages: Sequence[Language] = (),
    progress: bool = True,
    allow_incomplete: bool = False,
    strict: bool = False,
) -> Generator[pl.DataFrame, None, MessagePullEvidence]:
    """Pull every message, a frame at a time, for accounts that don't fit in memory.

    Args:
        client: the account.
        since: as in `pull_messages`.
        until: as in `pull_messages`.
        content: as in `pull_messages`.
        languages: as in `pull_messages`.
        progress: show a bar.
        allow_incomplete: end quietly where messages are missing.
        strict: as in `pull_messages`.

    Yields:
        Messages frames of up to about 11,000 rows, each message in one of them, in order of creation.

    Returns:
        The `MessagePullEvidence`, as the generator's return value.

    Raises:
        IncompletePullError: at the end, after the last frame; its `.frame` is empty.
        ApiError: a request failed for good.
        ConfigurationError: an option can't be used.

    Warns:
        UnprovenPullWarning: as in `pull_messages`, at the end.

    Example:
        >>> from sendblue_data import Sandbox
        >>> with Sandbox(100, messages=1_500, seed=1) as sandbox, sandbox.client() as client:
        ...     sum(frame.height for frame in iter_messages(client, progress=False))
        1500
    """
    pull = MessagePull(
        client, since, until, content=content, languages=languages, progress=progress, strict=strict
    )
    yield from pull.windows()
    if not allow_incomplete:
        pull.check(MESSAGE_SCHEMA.to_frame())
    return pull.evidence()


def merge_messages(old: Any, new: Any) -> pl.DataFrame:
    """Merge a later pull of messages into an earlier frame: a row of `new` replaces the same message's in `old`.

    Messages are the same when their `message_handle` is.

    Args:
        old: the earlier messages frame, of any engine that Narwhals knows.
        new: the later one.

    Returns:
        A messages frame: the rows of `old` that `new` doesn't replace, then those of `new`.

    Raises:
        FrameError: a column is in one of them alone, or of two types.

    Example:
        >>> old = pl.DataFrame([{"message_handle": "m1", "status": "SENT"}], MESSAGE_SCHEMA)
        >>> new = pl.DataFrame([{"message_handle": "m1", "status": "DELIVERED"}], MESSAGE_SCHEMA)
        >>> merge_messages(old, new).select("message_handle", "status").rows()
        [('m1', 'DELIVERED')]
    """
    earlier, later = alike(old, new)
    is_replaced = message_keys(earlier).is_in(message_keys(later).implode())
    return pl.concat([earlier.filter(~is_replaced), later])
