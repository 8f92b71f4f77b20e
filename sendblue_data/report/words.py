"""A report's words: names as short lines, a picture for who can't see it, a pull's certificate."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence

import polars as pl

from sendblue_data._shared.text import plural
from sendblue_data.plots.labels import NOT_SET, clean, moment_text, number
from sendblue_data.pull.evidence import PullEvidence

LONGEST = 60
"""Columns of text that a cell may take."""
_SAID = 12
"""Rows that the text for a picture lists."""
READ_WHOLE = "Yes: every page fits the next, and the account's own count agrees."
READ_BY_SEAMS = "Yes: every page fits the next. The account counts more than it lists, which was set aside."
READ_PARTLY = "No: contacts are missing, or can't be shown not to be."
READ_IN_DOUBT = "Not quite: nothing is known to be missing, but not every way to hide can be ruled out."
READ_SINCE = "Every page fits the next; the API has no count for a part of the account."


def readable(text: object, width: int = LONGEST) -> str:
    r"""Make a text one short line in which nothing is hidden. It is not escaped: the page does that.

    Controls become `·` and direction marks go, so that neither a terminal nor a reader is led astray; a space
    at an end is shown as `␣`, since `vip` and `vip ` are two tags.

    Example:
        >>> readable("vip "), readable(""), readable(None), readable("a\x1b[31m\u202eb")
        ('vip␣', '(empty)', '(not set)', 'a·[31mb')
    """
    return NOT_SET if text is None else clean(str(text), width, lambda line: "".join(map(_plain, line)))


def _plain(character: str) -> str:
    kind = unicodedata.category(character)
    if kind == "Cf":
        return character if character == "\u200d" else ""  # joins emoji
    return "·" if kind in {"Cc", "Cs", "Co", "Cn"} else character


def in_words(
    title: str, table: pl.DataFrame, name: str | Sequence[str], value: str, write: Callable[[float], str]
) -> str:
    """Say a plot's first rows in words.

    Example:
        >>> table = pl.DataFrame({"tag": ["VIP", "Lead"], "contacts": [90, None]})
        >>> in_words("Contacts by tag", table, "tag", "contacts", str)
        'Contacts by tag. VIP: 90; Lead: not known.'
    """
    names = [name] if isinstance(name, str) else list(name)
    parts = [
        f"{' '.join(_said(key) for key in keys)}: {'not known' if held is None else write(held)}"
        for *keys, held in table.head(_SAID).select(*names, value).rows()
    ]
    more = f"; and {table.height - _SAID} more" if table.height > _SAID else ""
    return f"{title}. {'; '.join(parts) or 'None'}{more}."


def _said(key: object) -> str:
    return " + ".join(map(readable, key)) or "no tag" if isinstance(key, list) else readable(key)


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
