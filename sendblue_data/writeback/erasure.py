"""`forget`: erase people from what is kept of runs, and keep that they opted out."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from sendblue_data._api.client import SendblueClient
from sendblue_data._shared.masking import mask_phone
from sendblue_data.errors import FrameError, JournalError
from sendblue_data.writeback.catalogue import PathLike, journal_folder
from sendblue_data.writeback.identity import identity, spellings
from sendblue_data.writeback.journal import SAID, SUFFIX, Journal, reading, remove_leftovers
from sendblue_data.writeback.ledger import Ledger, begin_ledger
from sendblue_data.writeback.message_files import messages_file, rewrite, without_people

if TYPE_CHECKING:
    from sendblue_data.history.contact_history import ContactHistory

_KEPT = 8
"""Digits at the end of a number by which it is found in what a server said."""
_NAMES = ("first_name", "last_name", "assigned_to_email")
_SHORTEST = 3
"""Characters of a name that is looked for: in a text, a shorter one is most often something else."""


def forget(
    client_or_folder: SendblueClient | PathLike,
    phones: Iterable[str],
    *,
    history: ContactHistory | None = None,
    messages: PathLike | Iterable[PathLike] = (),
) -> pl.DataFrame:
    """Erase people from the journals of runs and the ledger of opt-outs; that they opted out is kept, as a hash.

    No file of the folder holds their phones, names or e-mail addresses afterwards; their rows in the runs' results
    are empty, and can't be undone. In the account they stay: delete them there, first.

    Args:
        client_or_folder: the folder of journals, or a client, for the folder that its runs are written to by default.
        phones: in any spelling; all spellings and old forms of a number go.
        history: erase them from this history too, by its own `forget`.
        messages: Parquet files of messages, such as `sendblue-data messages` writes: messages from or to them are
            taken out, and they from the members of groups. What others wrote of them stays.

    Returns:
        A row a phone: `phone`, as given, and `rows_erased`, in all journals.

    Raises:
        FrameError: `phones` is not a list of texts, or one of `messages` is no file of messages. Nothing was erased.
        JournalError: a run that holds one of them is open, in use, or may still take effect, or a journal can't be
            read. Nothing was erased.

    Example:
        >>> import tempfile
        >>> from sendblue_data import Sandbox, bulk_create, contacts_frame
        >>> mine = contacts_frame([{"phone": "+12125550100"}, {"phone": "+12125550101"}])
        >>> with tempfile.TemporaryDirectory() as folder, Sandbox([]) as sandbox, sandbox.client() as client:
        ...     _ = bulk_create(client, mine, progress=False, journal_dir=folder)
        ...     forget(folder, ["+1 (212) 555-0100"]).rows()
        [('+1 (212) 555-0100', 1)]
    """
    asked = _listed(phones)
    folder = journal_folder(None if isinstance(client_or_folder, SendblueClient) else client_or_folder)
    people = {identity(phone) for phone in asked}
    paths = [messages] if isinstance(messages, str | os.PathLike) else messages
    files = [messages_file(path) for path in paths]  # before anything is erased
    erased: Counter[str] = Counter()
    if folder.is_dir() and people:
        begin_ledger(folder)  # with what journals of before it know
        with ExitStack() as opened:
            touched = [path for path in sorted(folder.glob(f"*{SUFFIX}")) if _mentions_any(path, people)]
            journals = [opened.enter_context(Journal(path)) for path in touched]
            theirs = [_rows_of(journal, people) for journal in journals]
            for journal, rows in zip(journals, theirs, strict=True):
                _check_closed(journal, rows)
            Ledger(folder, "").forget(asked)
            for journal, rows in zip(journals, theirs, strict=True):
                journal.erase(rows, partial(_mentions, _last_digits(people) | _names(journal, rows)))
                erased.update(rows.values())
        remove_leftovers(folder)
    for path, frame in files:
        rewrite(path, without_people(frame, people))
    if history is not None:
        history.forget(sorted({spelling for phone in asked for spelling in spellings(phone)}))
    return pl.DataFrame(
        {"phone": asked, "rows_erased": [erased[identity(phone)] for phone in asked]},
        schema={"phone": pl.String, "rows_erased": pl.Int64},
    )


def _listed(phones: Iterable[str]) -> list[str]:
    if isinstance(phones, str) or not isinstance(phones, Iterable):
        raise FrameError("phones must be a list of phone numbers, not one. Write [phone].")
    listed = list(phones)
    if not all(isinstance(phone, str) for phone in listed):
        raise FrameError("phones must be a list of phone numbers, each a text such as '+12125550123'.")
    return listed


def _mentions_any(path: Path, people: set[str]) -> bool:
    """Tell whether a journal holds anybody, in whatever column: most hold none, and need not be opened."""
    ends = _last_digits(people)
    with reading(path) as base:
        phones = (phone for (phone,) in base.execute("SELECT phone FROM rows WHERE phone IS NOT NULL"))
        return any(identity(phone) in people for phone in phones) or any(
            _mentions(ends, text) for (text,) in base.execute(SAID)
        )


def _rows_of(journal: Journal, people: set[str]) -> dict[int, str]:
    """Return the rows of people, by position, with whose they are."""
    found = ((pos, identity(phone)) for pos, phone in journal.phones())
    return {pos: number for pos, number in found if number in people}


def _last_digits(people: set[str]) -> set[str]:
    """What of a number stays the same in every way to write it."""
    return {digits[-_KEPT:] for number in people if len(digits := re.sub(r"[^0-9]", "", number)) >= _KEPT}


def _names(journal: Journal, rows: Mapping[int, str]) -> set[str]:
    """Return the names and addresses by which a server may have spoken of people."""
    return {
        text
        for row in (journal.rows() if rows else ())
        if row.pos in rows
        for contact in (row.wanted, row.before or {}, row.left or {})
        for name in _NAMES
        if len(text := contact.get(name) or "") >= _SHORTEST
    }


def _mentions(marks: set[str], text: str) -> bool:
    digits = re.sub(r"[^0-9]", "", text)
    return any(mark in digits or mark in text for mark in marks)


def _check_closed(journal: Journal, rows: dict[int, str]) -> None:
    for row in journal.rows() if rows else ():
        if row.pos in rows and not row.done:
            raise JournalError(
                f"The run {journal.run_id!r} is open and holds {mask_phone(row.phone)}: end it by resume_run or "
                "undo_run, then forget again. Nothing was erased."
            )
    late = max((seconds for row, seconds in journal.in_flight() if row.pos in rows), default=0.0)
    if late:
        raise JournalError(
            f"A request of the run {journal.run_id!r} may still take effect: forget again in {late:.0f} seconds. "
            "Nothing was erased."
        )
