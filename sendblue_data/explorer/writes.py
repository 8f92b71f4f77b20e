"""A staged write: selection to plan, plan to run, run to outcome, and back by undo. No widgets here."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import polars as pl

from sendblue_data._api.client import SendblueClient
from sendblue_data.errors import ApiError, SegmentError, WriteInterruptedError
from sendblue_data.imports.imported import ImportedContacts
from sendblue_data.writeback.calls import plan_create, plan_delete, plan_opt_out, plan_verify
from sendblue_data.writeback.catalogue import PathLike
from sendblue_data.writeback.fields import Contact
from sendblue_data.writeback.lookup import fetch_current
from sendblue_data.writeback.plan import WritePlan
from sendblue_data.writeback.result import WriteResult
from sendblue_data.writeback.rows import WRITES, Kind
from sendblue_data.writeback.run import RunOptions, resume_run
from sendblue_data.writeback.tags import plan_add_tags, plan_remove_tags
from sendblue_data.writeback.undo import undo_run

ACTIONS: dict[str, Kind] = {
    "Add a tag": "update",
    "Remove a tag": "update",
    "Opt out": "opt_out",
    "Send verification": "verify",
    "Delete contacts": "delete",
}
"""What can be staged, and what kind of run that is; what takes most back last."""
LIST_ACTIONS: dict[str, Kind] = {
    "Create those who are new": "create",
    "Opt out those who say so": "opt_out",
}
"""What can be staged of a list from a file."""
ADD, REMOVE = "Add a tag", "Remove a tag"
_SENT = ("phone", "contact_id", "created_at")
_DIGITS = re.compile(r"[0-9]{1,3}(,[0-9]{3})+|[0-9]+")


@dataclass(frozen=True)
class Outcome:
    """What a run did, and what the account says now.

    Attributes:
        result: a row a contact.
        run_id: for `resume_run` and `undo_run`.
        stopped: it was cut off, by a person or by the server, and can be resumed.
        words: how it ended.
        now: the run's contacts as the account has them now, by phone; None where it could not be asked.
    """

    result: WriteResult
    run_id: str
    stopped: bool
    words: str
    now: Mapping[str, Contact] | None


class Writer:
    """Plans and runs over one account's client.

    Args:
        client: the account.
        journal_dir: folder of the journals, as in `bulk_create`.
        progress: called with the number of contacts written so far.
    """

    def __init__(
        self,
        client: SendblueClient,
        journal_dir: PathLike | None,
        progress: Callable[[int], object],
    ) -> None:
        self._client = client
        self._stop = threading.Event()
        self._options = RunOptions(
            progress=False, journal_dir=journal_dir, cancel=self._stop, on_progress=progress
        )

    def stop(self) -> None:
        """Send nothing more; the run under way ends and can be resumed."""
        self._stop.set()

    def plan(self, contacts: pl.DataFrame | ImportedContacts, action: str, tag: str = "") -> WritePlan:
        """Plan a write on the account as it is now, whatever the frame said of it. Touches nothing.

        Args:
            contacts: the selected contacts, or a list from a file.
            action: one of ACTIONS; of a list, one of LIST_ACTIONS.
            tag: to add or remove.

        Raises:
            SegmentError: a tag is needed and blank.
            FrameError, ApiError: as in `plan_delete`.
        """
        folder = self._options["journal_dir"]
        if isinstance(contacts, ImportedContacts):
            if LIST_ACTIONS[action] == "create":
                return plan_create(self._client, contacts, journal_dir=folder)
            return plan_opt_out(self._client, contacts.opt_outs, journal_dir=folder)
        kind, some = ACTIONS[action], contacts.select(_SENT)
        if kind == "update":
            if not tag.strip():
                raise SegmentError(f"{action}: which? Write its name.")
            plan_tags = plan_add_tags if action == ADD else plan_remove_tags
            return plan_tags(self._client, some, tag, journal_dir=folder)
        if kind == "delete":
            return plan_delete(self._client, some, journal_dir=folder)
        plan = plan_opt_out if kind == "opt_out" else plan_verify
        return plan(self._client, some, journal_dir=folder)

    def run(self, plan: WritePlan, *, allow_most: bool = False) -> Outcome:
        """Carry a confirmed plan out.

        Raises:
            WriteRefusedError: it takes more than half of the account.
            AccountMovedError: the account is not as it was when the plan was made.
            ApiError, JournalError: it could not begin; nothing was sent.
        """
        confirm = writes(plan) if plan.kind == "delete" else None
        return self._carry_out(
            lambda: plan.run(self._client, confirm=confirm, allow_most=allow_most, **self._options)
        )

    def resume(self, run_id: str) -> Outcome:
        """Take a stopped run up again.

        Raises:
            JournalError, ApiError: as in `resume_run`.
        """
        return self._carry_out(lambda: resume_run(self._client, run_id, **self._options))

    def undo(self, run_id: str) -> Outcome:
        """Take a run back; that is a run of its own.

        Raises:
            JournalError, ApiError: as in `undo_run`.
        """
        return self._carry_out(lambda: undo_run(self._client, run_id, **self._options), undoes=run_id)

    def _carry_out(self, run: Callable[[], WriteResult], *, undoes: str = "") -> Outcome:
        self._stop.clear()
        stopped, words = False, "Done."
        try:
            result = run()
        except WriteInterruptedError as cut:
            result, stopped = cut.result, cut.run_id != undoes
            words = "Stopped, as you asked." if self._stop.is_set() else str(cut)
            words += (
                " What was done is kept; resume goes on from there."
                if stopped
                else " Nothing was taken back yet; undo goes on with it."
            )
        phones, current = set(result.frame["phone"].drop_nulls()), None
        try:
            current = fetch_current(self._client, phones).contacts
        except ApiError as refusal:
            words += f" The account can't be seen now: {refusal}"
        return Outcome(result, str(result.run_id), stopped, words, current)


def writes(plan: WritePlan) -> int:
    """Return how many contacts a plan would write to: the number to be typed."""
    return sum(number for action, number in plan.counts.items() if action in WRITES)


def is_confirmed(plan: WritePlan, typed: str) -> bool:
    """Tell whether what was typed is the number of contacts that would be written to, and that is not none.

    Example:
        >>> from sendblue_data import contacts_frame
        >>> from sendblue_data import plan_delete
        >>> account = contacts_frame([{"phone": f"+1212555010{n}"} for n in range(4)])
        >>> plan = plan_delete(account, account.head(2))
        >>> is_confirmed(plan, " 2 "), is_confirmed(plan, "yes"), is_confirmed(plan, "20")
        (True, False, False)
    """
    text = typed.strip()
    number = writes(plan)
    return number > 0 and _DIGITS.fullmatch(text) is not None and int(text.replace(",", "")) == number


def takes_most(plan: WritePlan) -> bool:
    """Tell whether it deletes more than half of the account, which has to be allowed on its own."""
    return plan.kind == "delete" and writes(plan) * 2 > plan.size
