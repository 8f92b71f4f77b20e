"""`plan_create` and `plan_delete`: what a write would do, row by row, before anything is sent."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import polars as pl

from sendblue_data.client import SendblueClient
from sendblue_data.errors import FrameError
from sendblue_data.options import check_client
from sendblue_data.writeback.catalogue import JournalWarning, Known, journal_folder, known_from
from sendblue_data.writeback.fields import Contact
from sendblue_data.writeback.inputs import LONGEST_VARIABLE, read_rows, refuse_foreign, refuse_misnamed
from sendblue_data.writeback.lookup import View, fetch_current, view_of
from sendblue_data.writeback.planning import plan_rows, unwritable_columns
from sendblue_data.writeback.result import WriteResult
from sendblue_data.writeback.rows import Action, Kind, Options, Row
from sendblue_data.writeback.show import counts_table

if TYPE_CHECKING:
    PathLike = str | os.PathLike[str]

_ORDER: tuple[Action, ...] = ("create", "update", "delete", "verify", "unchanged", "absent", "invalid")
_WORDS: dict[Action, str] = {
    "create": "to create",
    "update": "to update",
    "delete": "to delete",
    "verify": "to verify",
    "unchanged": "unchanged",
    "absent": "not in the account",
    "invalid": "invalid",
}
_COLUMNS: dict[str, Any] = {
    "row": pl.Int64,
    "phone": pl.String,
    "action": pl.String,
    "detail": pl.String,
    "before": pl.String,
    "after": pl.String,
}
PLAN_SCHEMA = pl.Schema(_COLUMNS)


@dataclass(frozen=True, repr=False)
class WritePlan:
    """What a write would do; making one touches nothing. `run` carries it out.

    Attributes:
        kind: `"create"`, `"delete"`, `"update"`, `"opt_out"` or `"verify"`.
        account: the account's label, None when the plan was made from a frame.
        size: contacts in the account when the plan was made.
        made: when that was, in UTC.
        not_writable: columns of the frame with values that no call of the API writes.

    Example:
        >>> from sendblue_data import Sandbox, contacts_frame
        >>> mine = contacts_frame([{"phone": "+12125550100", "tags": ["VIP"]}, {"phone": "+12125550101"}])
        >>> with Sandbox([{"phone": "+12125550100"}]) as sandbox, sandbox.client() as client:
        ...     plan = plan_create(client, mine)
        ...     result = plan.run(client, progress=False)
        >>> plan, plan.counts
        (WritePlan(create: 1 to create, 1 to update; account of 1), {'create': 1, 'update': 1})
        >>> plan.changes.rows(), result.counts
        ([(0, '+12125550100', 'tags', None, '["VIP"]')], {'created': 1, 'updated': 1})
    """

    kind: Kind
    account: str | None
    size: int
    made: datetime
    not_writable: list[str]
    _rows: list[Row] = field(repr=False)
    _source: list[Contact] = field(repr=False)
    _options: Options = field(repr=False)
    _turn: int = field(repr=False)
    _elsewhere: str = field(repr=False)

    @property
    def counts(self) -> dict[str, int]:
        """Rows by action, those that occur: `create`, `update`, `delete`, `verify`, `unchanged`, ..."""
        counted = Counter(row.action for row in self._rows)
        return {action: counted[action] for action in _ORDER if counted[action]}

    @property
    def opted_out(self) -> int:
        """Contacts to be created opted out, or to be deleted although they opted out."""
        return sum(row.opted_out is True and row.action in ("create", "delete") for row in self._rows)

    @property
    def frame(self) -> pl.DataFrame:
        """A row for every input row: `row, phone, action, detail`, and as JSON `before, after`."""
        records = []
        for row in self._rows:
            changes = row.changes() if row.action in ("create", "update") else {}
            before = (
                {name: old for name, (old, _) in changes.items()} if row.action == "update" else row.before
            )
            records.append(
                {
                    "row": row.pos,
                    "phone": row.phone,
                    "action": row.action,
                    "detail": row.detail,
                    "before": _text(before) if row.action in ("update", "delete") else None,
                    "after": _text({name: new for name, (_, new) in changes.items()}) if changes else None,
                }
            )
        return pl.DataFrame(records, schema=PLAN_SCHEMA)

    @property
    def changes(self) -> pl.DataFrame:
        """A row for each field that would change: `row, phone, field`, and as JSON `before, after`."""
        records = [
            {"row": row.pos, "phone": row.phone, "field": name, "before": _text(old), "after": _text(new)}
            for row in self._rows
            if row.action == "update"
            for name, (old, new) in row.changes().items()
        ]
        schema = {
            "row": pl.Int64,
            "phone": pl.String,
            "field": pl.String,
            "before": pl.String,
            "after": pl.String,
        }
        return pl.DataFrame(records, schema=schema)

    def run(
        self,
        client: SendblueClient,
        *,
        confirm: bool | int | None = None,
        allow_most: bool = False,
        allow_moved: bool = False,
        raise_on_errors: bool = False,
        progress: bool = True,
        journal_dir: PathLike | None = None,
    ) -> WriteResult:
        """Carry the plan out, if the account is still as it was.

        Args:
            client: the account that the plan was made for.
            confirm: for a delete of more than 100: the number of contacts, or True.
            allow_most: let a delete take more than half of the account.
            allow_moved: plan again on the account as it is now, and run that, where it has moved.
            raise_on_errors: raise `WriteIncompleteError` at the end if a row is invalid, rejected or unknown.
            progress: show a bar.
            journal_dir: folder of the journal, as in `bulk_create`.

        Returns:
            The outcome of every row.

        Raises:
            AccountMovedError: contacts of the plan are not as they were; nothing was sent.
            FrameError: the plan was made for another account.
            WriteRefusedError: a guard stands before it; nothing was sent.
            WriteInterruptedError: it could not go on; it can be resumed.
            WriteIncompleteError: see `raise_on_errors`.
            JournalError: the journal can't be written.
            ApiError: the account could not be asked; nothing was sent.
            ConfigurationError: `client` is no client.
        """
        from sendblue_data.writeback.run import run_plan  # noqa: PLC0415 -- run imports this module

        return run_plan(
            self,
            client,
            confirm=confirm,
            allow_most=allow_most,
            allow_moved=allow_moved,
            raise_on_errors=raise_on_errors,
            progress=progress,
            journal_dir=journal_dir,
        )

    def __repr__(self) -> str:
        counts = (
            ", ".join(f"{number:,} {_WORDS[action]}" for action, number in self._by_action()) or "no rows"
        )
        left_out = f"; not written: {', '.join(self.not_writable)}" if self.not_writable else ""
        return f"WritePlan({self.kind}: {counts}{left_out}; account of {self.size:,})"

    def _by_action(self) -> list[tuple[Action, int]]:
        return [(action, self.counts[action]) for action in _ORDER if action in self.counts]

    def _notes(self) -> tuple[str, ...]:
        notes = []
        if self.opted_out and self.kind == "create":
            notes.append(f"{self.opted_out:,} of them opted out, and will be written as opted out.")
        elif self.opted_out and self.kind == "delete":
            notes.append(
                f"{self.opted_out:,} of them opted out; the journal keeps that, the API may forget it."
            )
        if self._elsewhere:
            notes.append(f"Can't be run: {self._elsewhere}")
        if self.not_writable:
            notes.append(f"Not written, since no call of the API takes them: {', '.join(self.not_writable)}.")
        return tuple(notes)

    def _repr_html_(self) -> str:
        counts = {_WORDS[action]: number for action, number in self._by_action()}
        title = f"Plan: {self.kind}, {len(self._rows):,} rows, account of {self.size:,}; nothing is sent yet"
        order = (
            pl.col("action")
            .cast(pl.String)
            .replace_strict({"invalid": 0, "absent": 1, "update": 2}, default=3)
        )
        return counts_table(
            title, counts, self.frame.sort(order, maintain_order=True), "action", self._notes()
        )


def _text(value: object) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()


def plan_create(
    contacts_or_client: pl.DataFrame | SendblueClient,
    frame: Any,
    *,
    on_conflict: Literal["update", "skip"] = "update",
    opt_back_in: bool = False,
    chunk_size: int = 500,
    longest_variable: int = LONGEST_VARIABLE,
    journal_dir: PathLike | None = None,
) -> WritePlan:
    """Plan to bring contacts into the account: those that are not there are created.

    Touches nothing. Nulls in the frame say nothing: a field that is null is not written. A contact that opted
    out, by the frame, by the account, or by what earlier runs on this machine saw, is written as opted out.

    Args:
        contacts_or_client: the account: a whole pull of it (`pull_contacts`), or a client, which is asked.
        frame: a contacts frame or your own: column `phone` in E.164 form, and any of `first_name`,
            `last_name`, `company_name`, `tags`, `custom_variables`, `opt_out`, `assigned_to_email`,
            `sendblue_number`. Any engine that Narwhals knows.
        on_conflict: what to do with a contact that is there with other values: `"update"` them (tags are
            replaced, custom variables merged), or `"skip"` it; even then an opt-out is written.
        opt_back_in: let `opt_out` false in the frame clear an opt-out.
        chunk_size: contacts in one request, at most.
        longest_variable: characters of a custom variable's value, above which a row is invalid.
        journal_dir: folder of the journals to ask for opt-outs, as in `bulk_create`.

    Returns:
        The plan; its `.frame` has a row for every row of `frame`, its `.counts` the rows by action.

    Raises:
        FrameError: there is no usable `phone`, a column seems misnamed (`"tag"`, `"First Name"`), or the frame is
            from another account; or an option is not one of those above.
        ConfigurationError: `contacts_or_client` is neither.
        ApiError: the account could not be asked.

    Example:
        >>> from sendblue_data.contacts import contacts_frame
        >>> account = contacts_frame([{"phone": "+12125550100", "tags": ["VIP"]}])
        >>> mine = contacts_frame([{"phone": "+12125550100", "tags": ["Lead"]}, {"phone": "+12125550101"}])
        >>> plan = plan_create(account, mine)
        >>> plan
        WritePlan(create: 1 to create, 1 to update; account of 1)
        >>> plan.changes.row(0)
        (0, '+12125550100', 'tags', '["VIP"]', '["Lead"]')
    """
    options = Options(
        chunk_size=chunk_size,
        on_conflict=on_conflict,
        opt_back_in=opt_back_in,
        longest_variable=longest_variable,
    )
    plan = make_plan("create", contacts_or_client, frame, options, journal_dir)
    warn_of_elsewhere(plan)
    return plan


def plan_delete(
    contacts_or_client: pl.DataFrame | SendblueClient,
    frame: Any,
    *,
    chunk_size: int = 500,
    journal_dir: PathLike | None = None,
) -> WritePlan:
    """Plan to delete the frame's contacts from the account. Touches nothing.

    A contact that was deleted and created anew since the frame was pulled (another `contact_id`, or another
    `created_at`) is left alone.

    Args:
        contacts_or_client: the account: a whole pull of it, or a client, which is asked.
        frame: a frame with `phone`; `contact_id` and `created_at` make sure that it is the same contact.
        chunk_size: contacts in one request, at most.
        journal_dir: folder of the journals, as in `bulk_create`.

    Returns:
        The plan.

    Raises:
        FrameError: there is no usable `phone`, or the frame is from another account.
        ApiError: the account could not be asked.

    Example:
        >>> from sendblue_data.contacts import contacts_frame
        >>> account = contacts_frame([{"phone": "+12125550100"}, {"phone": "+12125550101"}])
        >>> plan_delete(account, account.head(1)).counts
        {'delete': 1}
    """
    return make_plan("delete", contacts_or_client, frame, Options(chunk_size=chunk_size), journal_dir)


def make_plan(
    kind: Kind,
    contacts_or_client: pl.DataFrame | SendblueClient,
    frame: Any,
    options: Options,
    journal_dir: PathLike | None,
) -> WritePlan:
    """Make a plan of any kind."""
    if options.on_conflict not in ("update", "skip"):
        raise FrameError(f"on_conflict is {options.on_conflict!r}: expected 'update' or 'skip'.")
    if options.chunk_size < 1:
        raise FrameError(f"chunk_size is {options.chunk_size!r}: expected 1 or more.")
    rows, columns = read_rows(frame)
    if kind == "create":
        refuse_misnamed(columns)
    phones = {row["phone"] for row in rows if row.get("phone")}
    known: Known | None = None
    label: str | None = None
    if isinstance(contacts_or_client, pl.DataFrame):
        if "phone" not in contacts_or_client.columns:
            raise FrameError("The account's frame has no column 'phone': pass what pull_contacts gave.")
        view = view_of(contacts_or_client, phones, contacts_or_client.height)
    else:
        check_client(contacts_or_client)
        label = contacts_or_client.account
        known = known_from(journal_folder(journal_dir), label)
        view = fetch_current(contacts_or_client, phones, size=True)
    not_writable = unwritable_columns(rows, columns) if kind in ("create", "update") else []
    return plan_from(kind, rows, view, options, known=known, label=label, not_writable=not_writable)


def plan_from(
    kind: Kind,
    source: list[Contact],
    view: View,
    options: Options,
    *,
    known: Known | None,
    label: str | None,
    not_writable: list[str],
) -> WritePlan:
    """Make a plan from what was seen."""
    refuse_foreign(kind, source, view.contacts, None if known is None else known.opted_out)
    known = known or Known()
    rows = plan_rows(kind, source, view.contacts, options, known)
    return WritePlan(
        kind=kind,
        account=label,
        size=view.size or 0,
        made=datetime.now(UTC),
        not_writable=not_writable,
        _rows=rows,
        _source=source,
        _options=options,
        _turn=known.turn,
        _elsewhere=_opted_out_elsewhere(rows, known.elsewhere),
    )


def warn_of_elsewhere(plan: WritePlan) -> None:
    """Say of a plan that it can't be run as it is, since another key's runs saw its people opted out."""
    if plan._elsewhere:  # noqa: SLF001 -- its own module
        warnings.warn(f"The plan can't be run: {plan._elsewhere}", JournalWarning, stacklevel=3)  # noqa: SLF001


def _opted_out_elsewhere(rows: list[Row], elsewhere: dict[str, str]) -> str:
    """Name rows to be created that runs of another key saw opted out: it may be this account's old key.

    Returns:
        What is the matter, and the remedies; empty where there is no such row.
    """
    found = [
        row
        for row in rows
        if row.action == "create" and row.phone in elsewhere and row.wanted.get("opt_out") is None
    ]
    for row in found:
        row.note("was opted out in a run of another key of this host")
    if not found:
        return ""
    return (
        f"{len(found):,} numbers to be created were opted out in runs of another key of this host. If that is an old "
        f"key of this account, call undo_run(client, {elsewhere[found[0].number]!r}, dry_run=True, "
        "allow_other_key=True) once, which sends nothing and links the two: their opt-outs are kept then. If it is "
        "another account, give "
        "each account a folder of journals of its own, by journal_dir= or SENDBLUE_DATA_JOURNAL."
    )
