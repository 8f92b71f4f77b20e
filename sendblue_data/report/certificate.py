"""The certificate of a pull, in words."""

from __future__ import annotations

from sendblue_data.plots.labels import moment_text, number, plural
from sendblue_data.pull.evidence import PullEvidence

READ_WHOLE = "Yes: every page fits the next, and the account's own count agrees."
READ_BY_SEAMS = "Yes: every page fits the next. The account counts more than it lists, which was set aside."
READ_PARTLY = "No: contacts are missing, or can't be shown not to be."
READ_SINCE = "Every page fits the next; the API has no count for a part of the account."


def certificate(evidence: PullEvidence) -> list[tuple[str, str]]:
    """Give what a pull can show of itself, as name and value.

    Example:
        >>> from datetime import UTC, datetime
        >>> began = datetime(2026, 3, 1, 9, 5, tzinfo=UTC)
        >>> shown = PullEvidence(account="api.example.com/1f0991eb", requests=3, pages=1, windows=1,
        ...     retaken=0, repeats_dropped=0, count_before=40, count_after=40, contacts=40, complete=True,
        ...     started=began, finished=began)
        >>> dict(certificate(shown))["Contacts"]
        '40; the account counted 40 before and 40 after'
    """
    seconds = (evidence.finished - evidence.started).total_seconds()
    is_short = evidence.count_after > evidence.contacts
    complete = READ_SINCE if evidence.since else READ_BY_SEAMS if is_short else READ_WHOLE
    before, after = number(evidence.count_before), number(evidence.count_after)
    pages, windows = plural(evidence.pages, "page"), plural(evidence.windows, "window")
    rows = [
        ("Account", evidence.account),
        ("Shown complete", complete if evidence.complete else READ_PARTLY),
        ("Contacts", f"{number(evidence.contacts)}; the account counted {before} before and {after} after"),
        ("Read", f"{moment_text(evidence.started)}, in {seconds:,.1f} s"),
        ("Requests", f"{number(evidence.requests)}, for {pages} in {windows}"),
        ("Windows read again", number(evidence.retaken)),
        ("Repeats dropped", number(evidence.repeats_dropped)),
    ]
    if evidence.since:
        rows.append(("Only since", moment_text(evidence.since)))
    if evidence.repaired:
        rows.append(("Could not be read", "; ".join(map(str, evidence.repaired))))
    if evidence.unfilled:
        rows.append(("Never given", ", ".join(evidence.unfilled)))
    return [*rows, *(("Note", note) for note in evidence.notes)]
