"""The evidence of a pull: how it went, and whether it shows that nothing is missing."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sendblue_data._shared.text import plural
from sendblue_data.plots.labels import moment_text, number

FIRST_MESSAGE = datetime(2015, 1, 1, tzinfo=UTC)
"""No message is older."""
SHOWN_LATE = timedelta(seconds=60)
"""So long after its creation a row may show. Source: the vendor's recovery, which goes back as far."""
READ_WHOLE = "Yes: every page fits the next, and the account's own count agrees."
READ_BY_SEAMS = "Yes: every page fits the next. The account counts more than it lists, which was set aside."
READ_PARTLY = "No: contacts are missing, or can't be shown not to be."
READ_IN_DOUBT = "Not quite: nothing is known to be missing, but not every way to hide can be ruled out."
READ_SINCE = "Every page fits the next; the API has no count for a part of the account."


@dataclass(frozen=True)
class Repair:
    """One kind of unreadable value of one field: it is null in the frame.

    Attributes:
        field: the field's name.
        kind: what was wrong with it, such as `"not a date"`.
        count: contacts (or messages) of the frame that it was wrong with.
        contact_ids: up to five of them, as far as they have an id; of messages, their handles.
    """

    field: str
    kind: str
    count: int
    contact_ids: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.field}: {self.kind} ({self.count:,})"


@dataclass(frozen=True, kw_only=True)
class _Evidence:
    """What the evidence of contacts and that of messages both do."""

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as plain values: moments as ISO 8601 text, notes as a list, repairs as dicts."""

        def plain(value: object) -> object:
            if isinstance(value, datetime):
                return value.isoformat()
            return list(value) if isinstance(value, tuple) else value

        return {name: plain(value) for name, value in asdict(self).items()}


@dataclass(frozen=True, kw_only=True)
class PullEvidence(_Evidence):
    """How a pull went, and whether it can show that every contact is in its frame.

    Attributes:
        account: the account's label (host and a hash of the key's id, never the key).
        requests: requests sent, retries included.
        pages: pages of contacts read.
        windows: keyset windows on `created_at`; 1 for an account of up to 10,899 contacts.
        retaken: windows read again, page after page, since the account changed under them.
        repeats_dropped: rows that came more than once (pages and windows overlap on purpose).
        count_before: contacts that the account counted before the first page.
        count_after: contacts that it counted after the last page.
        contacts: contacts in the frame, each once.
        complete: True when it is shown that nothing is missing: every seam held and the counts agree.
        doubt: what can't be ruled out, in words, though nothing is known to be missing: `complete` is False then,
            and the pull warns instead of raising.
        started: when the pull began, in UTC.
        finished: when it ended, in UTC.
        since: the moment that an incremental pull began at; None for a full pull.
        notes: what a reader should know, such as contacts that the API could not list.
        repaired: what could not be read, by field and kind; those values are null.
        unfilled: columns that are null for every contact: nothing is known about them.

    Example:
        >>> from sendblue_data import Sandbox, pull_contacts
        >>> with Sandbox(contacts=120) as sandbox, sandbox.client() as client:
        ...     _, evidence = pull_contacts(client, progress=False, with_evidence=True)
        >>> evidence.complete, evidence.contacts, evidence.count_before, evidence.count_after
        (True, 120, 120, 120)
        >>> list(evidence.as_dict())[:4]
        ['account', 'requests', 'pages', 'windows']
    """

    account: str
    requests: int
    pages: int
    windows: int
    retaken: int
    repeats_dropped: int
    count_before: int
    count_after: int
    contacts: int
    complete: bool
    started: datetime
    finished: datetime
    since: datetime | None = None
    doubt: str | None = None
    notes: tuple[str, ...] = ()
    repaired: tuple[Repair, ...] = ()
    unfilled: tuple[str, ...] = ()

    def _repr_html_(self) -> str:
        from sendblue_data.display.cards import card_html  # noqa: PLC0415 -- a pull in a script shows nothing

        rows = dict(certificate(self))
        verdict = rows.pop("Shown complete")
        return card_html(f"Pull of {rows.pop('Account')}", rows.items(), verdict)


@dataclass(frozen=True, kw_only=True)
class MessagePullEvidence(_Evidence):
    """How a pull of messages went, and whether it can show that every message is in its frame.

    Attributes:
        account: the account's label (host and a hash of the key's id, never the key).
        requests: requests sent, retries included.
        pages: pages of messages read.
        windows: windows on the moment of creation; 1 where all messages are within one listing's reach.
        retaken: windows read again, since their pages did not fit together or lacked messages.
        repeats_dropped: rows that came more than once (pages and windows overlap on purpose).
        total_before: messages that the API told of before the first window; None where it does not say.
        total_after: the same after the last one.
        messages: messages in the frame, each once.
        complete: True when it is shown that nothing is missing: as many came as the API tells of, or every page
            begins with what the one before it ended with.
        doubt: what can't be ruled out, in words, though nothing is known to be missing.
        started: when the pull began, in UTC.
        finished: when it ended, in UTC.
        since: the moment that the pull begins at; None for the first message.
        until: the moment that it ends before; None for the last one.
        newest: the latest moment, of sending or of a change, that a message of the frame shows; None where none shows
            one.
        notes: what a reader should know.
        repaired: what could not be read, by field and kind; those values are null.
        unfilled: columns that are null for every message.

    Example:
        >>> from sendblue_data import Sandbox, pull_messages
        >>> with Sandbox(50, messages=400) as sandbox, sandbox.client() as client:
        ...     _, evidence = pull_messages(client, progress=False, with_evidence=True)
        >>> evidence.complete, evidence.messages, evidence.total_before
        (True, 400, 400)
        >>> evidence.next_since == evidence.newest - timedelta(seconds=60)
        True
    """

    account: str
    requests: int
    pages: int
    windows: int
    retaken: int
    repeats_dropped: int
    total_before: int | None
    total_after: int | None
    messages: int
    complete: bool
    started: datetime
    finished: datetime
    since: datetime | None = None
    until: datetime | None = None
    newest: datetime | None = None
    doubt: str | None = None
    notes: tuple[str, ...] = ()
    repaired: tuple[Repair, ...] = ()
    unfilled: tuple[str, ...] = ()

    @property
    def next_since(self) -> datetime:
        """Where the next pull should begin, to miss nothing: 60 seconds before the newest message that this one saw.

        By the server's own moments, since this machine's clock may be wrong; not after this pull began or `until`.
        Where it saw no message, its own `since`.
        """
        if self.newest is None:
            return self.since or FIRST_MESSAGE
        ends = self.started if self.until is None else min(self.started, self.until)
        return max(min(self.newest, ends), FIRST_MESSAGE) - SHOWN_LATE


def certificate(evidence: PullEvidence) -> list[tuple[str, str]]:
    """Return what a pull can show of itself, as name and value.

    Example:
        >>> from datetime import UTC, datetime
        >>> began = datetime(2026, 3, 1, 9, 5, tzinfo=UTC)
        >>> evidence = PullEvidence(account="api.example.com/1f0991eb", requests=3, pages=1, windows=1,
        ...     retaken=0, repeats_dropped=0, count_before=40, count_after=40, contacts=40, complete=True,
        ...     started=began, finished=began)
        >>> dict(certificate(evidence))["Contacts"]
        '40; the account counted 40 before and 40 after'
    """
    seconds = (evidence.finished - evidence.started).total_seconds()
    is_short = evidence.count_after > evidence.contacts
    complete = READ_SINCE if evidence.since else READ_BY_SEAMS if is_short else READ_WHOLE
    before, after = number(evidence.count_before), number(evidence.count_after)
    pages, windows = plural(evidence.pages, "page"), plural(evidence.windows, "window")
    rows = [
        ("Account", evidence.account),
        (
            "Shown complete",
            complete if evidence.complete else READ_IN_DOUBT if evidence.doubt else READ_PARTLY,
        ),
        ("Contacts", f"{number(evidence.contacts)}; the account counted {before} before and {after} after"),
        ("Read", f"{moment_text(evidence.started)}, in {seconds:,.1f} s"),
        ("Requests", f"{number(evidence.requests)}, for {pages} in {windows}"),
        ("Windows read again", number(evidence.retaken)),
        ("Repeats dropped", number(evidence.repeats_dropped)),
    ]
    if evidence.since:
        rows.append(("Only since", moment_text(evidence.since)))
    if evidence.doubt:
        rows.append(("In doubt", evidence.doubt))
    if evidence.repaired:
        rows.append(("Could not be read", "; ".join(map(str, evidence.repaired))))
    if evidence.unfilled:
        rows.append(("Never given", ", ".join(evidence.unfilled)))
    return [*rows, *(("Note", note) for note in evidence.notes)]
