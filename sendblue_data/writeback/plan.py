"""A plan: what a write would do, row by row, before anything is sent."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from sendblue_data._api.client import SendblueClient
from sendblue_data._shared.validation import check_client
from sendblue_data.errors import FrameError
from sendblue_data.writeback import merging, telling
from sendblue_data.writeback.asking import ask, is_known_here, open_ledger
from sendblue_data.writeback.building import build_rows
from sendblue_data.writeback.catalogue import journal_folder
from sendblue_data.writeback.inputs import refuse_foreign
from sendblue_data.writeback.planning import ACTIONS, Asked, Known, plan_table
from sendblue_data.writeback.result import WriteResult
from sendblue_data.writeback.rows import Kind, Row
from sendblue_data.writeback.show import as_html, as_text, plan_headline, some_of_each
from sendblue_data.writeback.survey import survey

if TYPE_CHECKING:
    PathLike = str | os.PathLike[str]

_SHOWN_FIRST = ("update", "create", "delete", "verify", "invalid", "absent", "unchanged")
_NAMED = 3
"""Contacts that a refusal names."""


@dataclass(frozen=True, repr=False)
class WritePlan:
    """What a write would do; making one touches no contact. `run` carries it out.

    Attributes:
        kind: `"create"`, `"delete"`, `"update"`, `"opt_out"` or `"verify"`.
        account: the account's label, None when the plan was made from a frame.
        size: contacts in the account when the plan was made.
        planned_at: when that was, in UTC.
        not_written: columns of the frame with values that no call of the API takes.
        folder: the folder of journals that it was made with, and is run with.

    Example:
        >>> from sendblue_data import Sandbox, contacts_frame, plan_create
        >>> mine = contacts_frame([{"phone": "+12125550100", "tags": ["VIP"]}, {"phone": "+12125550101"}])
        >>> with Sandbox([{"phone": "+12125550100"}]) as sandbox, sandbox.client() as client:
        ...     plan = plan_create(client, mine)
        ...     result = plan.run(client, progress=False)
        >>> plan, plan.counts
        (WritePlan(create: 1 to create; 1 is there: 1 gains a tag; account of 1), {'create': 1, 'update': 1})
        >>> plan.changes.select("row", "field", "change").rows(), result.counts
        ([(0, 'tags', '+ VIP')], {'created': 1, 'updated': 1})
    """

    kind: Kind
    account: str | None
    size: int
    planned_at: datetime
    not_written: list[str]
    folder: Path
    _asked: Asked = field(repr=False)
    _seen: pl.DataFrame = field(repr=False)
    _table: pl.DataFrame = field(repr=False)
    _elsewhere: str = field(repr=False)

    @property
    def counts(self) -> dict[str, int]:
        """Rows by action, those that occur: `create`, `update`, `delete`, `verify`, `unchanged`, ..."""
        counted = dict(self._table["action"].cast(pl.String).value_counts().iter_rows())
        return {action: counted[action] for action in ACTIONS if action in counted}

    @property
    def opted_out(self) -> int:
        """Contacts to be created opted out, or to be deleted although they opted out."""
        counts = pl.col("out") & pl.col("action").is_in(["create", "delete"])
        return int(self._table.select(counts.sum()).item())

    @property
    def frame(self) -> pl.DataFrame:
        """A row for every input row: `row` (counted from 0, as Polars does), `phone`, `action`, `detail`, `change`.

        `change` says what would be written, as in `changes`.
        """
        phones = self._asked.source.frame["phone"]
        return pl.DataFrame(
            {
                "row": pl.int_range(self._table.height, dtype=pl.UInt32, eager=True),
                "phone": phones,
                "action": self._table["action"].cast(pl.String),
                "detail": telling.details(self._asked, self._table),
                "change": self._change(self._rows_that("create", "update"), self._table.height),
            }
        )

    @property
    def changes(self) -> pl.DataFrame:
        """A row for each field that would change: `row, phone, field, before, after, change`.

        A change is told as a person tells it: `+ VIP, - Lead`, `Acme → Globex`, `+ Globex` where there was nothing.
        """
        return telling.diffs(self._asked, self._seen, self._table, self._rows_that("update"))

    @property
    def headline(self) -> str:
        """What it comes to, counted by consequence."""
        return plan_headline(self._table, telling.reasons(self._table))

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
            journal_dir: folder of the journal; the plan's own when not given.

        Returns:
            The outcome of every row.

        Raises:
            AccountMovedError: contacts of the plan are not as they were; nothing was sent.
            FrameError: the plan was made for another account.
            WriteRefusedError: a guard stands before it; nothing was sent.
            WriteInterruptedError: it could not go on; it can be resumed.
            WriteIncompleteError: see `raise_on_errors`.
            JournalError: the journal can't be written, or the ledger not read.
            ApiError: the account could not be asked; nothing was sent.
            ConfigurationError: `client` is no client.
        """
        from sendblue_data.writeback.running import run_plan  # noqa: PLC0415 -- it imports this module

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
        left_out = f"; not written: {', '.join(self.not_written)}" if self.not_written else ""
        return f"WritePlan({self.kind}: {self.headline}{left_out}; account of {self.size:,})"

    def __str__(self) -> str:
        return as_text(*self._shown())

    def _repr_html_(self) -> str:
        return as_html(*self._shown())

    def _shown(self) -> tuple[str, list[str], pl.DataFrame, int]:
        chosen = some_of_each(self._table["action"], _SHOWN_FIRST)
        asked, table = self._asked.part(chosen), self._table[chosen]
        writing = table["action"].is_in(["create", "update"]).arg_true()
        positions = pl.int_range(chosen.len(), dtype=pl.UInt32, eager=True)
        change = pl.Series("change", [None], dtype=pl.String).new_from_index(0, chosen.len())
        told = _joined(telling.diffs(asked, self._seen, table, positions[writing]))
        change = change.scatter(told["row"], told["change"])
        rows = pl.DataFrame(
            {
                "row": chosen,
                "phone": asked.source.frame["phone"],
                "action": table["action"].cast(pl.String),
                "change": change,
                "detail": telling.details(asked, table, with_changes=False),
            }
        )
        title = f"Plan: {self.kind}: {self.headline}; account of {self.size:,}; nothing is sent yet"
        return title, self._notes(), rows, self._table.height - rows.height

    def _notes(self) -> list[str]:
        notes = []
        if self.opted_out and self.kind == "delete":
            notes.append(
                f"{self.opted_out:,} of them opted out; the ledger keeps that, the API may forget it."
            )
        notes += [f"Can't be run: {refusal}" for refusal in (self._elsewhere, self._removal) if refusal]
        if self.not_written:
            notes.append(f"Not written, since no call of the API takes them: {', '.join(self.not_written)}.")
        return notes

    @property
    def _rows(self) -> list[Row]:
        """The rows as the engine takes them."""
        return list(build_rows(self._asked, self._seen, self._table))

    @property
    def _removal(self) -> str:
        """What would be removed that nobody asked to remove; empty where nothing is."""
        asked = self._asked
        if (
            self.kind != "update"
            or asked.base is not None
            or asked.change is not None
            or asked.options.replace
        ):
            return ""
        if not merging.writes(asked, "tags"):
            return ""
        loses = pl.col("loses_tag") & (pl.col("action") == "update")
        if "tags" in asked.options.clear:
            loses &= pl.lit(asked.source.given("tags").is_not_null())
        rows = self._table.select(loses).to_series().arg_true()
        if rows.is_empty():
            return ""
        some = rows.head(_NAMED)
        told = telling.diffs(asked, self._seen, self._table, some).filter(field="tags")
        named = "; ".join(f"row {row}: {change}" for row, change in told.select("row", "change").iter_rows())
        return (
            f"{rows.len():,} of {self._table.height:,} contacts would lose tags that they have in the account "
            f"({named}). Pass base= with the frame as it was pulled, to send only what you changed; use add_tags "
            "or remove_tags; or pass replace=True if your tags are to take the place of theirs."
        )

    def _rows_that(self, *actions: str) -> pl.Series:
        return self._table["action"].is_in(list(actions)).arg_true()

    def _change(self, rows: pl.Series, height: int) -> pl.Series:
        told = _joined(telling.diffs(self._asked, self._seen, self._table, rows))
        nothing = pl.Series("change", [None], dtype=pl.String).new_from_index(0, height)
        return nothing.scatter(told["row"], told["change"])


def _joined(changes: pl.DataFrame) -> pl.DataFrame:
    """Join the changes of each row: `tags: + VIP; company_name: Acme → Globex`."""
    line = pl.format("{}: {}", pl.col("field"), pl.col("change"))
    return changes.group_by("row", maintain_order=True).agg(line.str.join("; ").alias("change"))


def make_plan(
    asked: Asked, contacts_or_client: pl.DataFrame | SendblueClient, journal_dir: PathLike | None
) -> WritePlan:
    """Make a plan of any kind, on an account or on a frame of one."""
    folder = journal_folder(journal_dir)
    if isinstance(contacts_or_client, pl.DataFrame):
        if "phone" not in contacts_or_client.columns:
            raise FrameError("The account's frame has no column 'phone': pass what pull_contacts gave.")
        return plan_from(asked, contacts_or_client, contacts_or_client.height, None, None, folder)
    check_client(contacts_or_client)
    return plan_on(asked, contacts_or_client, folder)


def plan_on(asked: Asked, client: SendblueClient, folder: Path) -> WritePlan:
    """Make a plan on an account as it is now."""
    opts_in = asked.options.opt_back_in
    ledger = open_ledger(asked.kind, folder, client.account, opts_in=opts_in)
    account, size = survey(client, asked.source.frame["phone"])
    seen_at = datetime.now(UTC)  # planning may take seconds, and what was seen is no younger for it
    known = ask(ledger, asked, account)
    return replace(plan_from(asked, account, size, known, client.account, folder), planned_at=seen_at)


def plan_from(
    asked: Asked, account: pl.DataFrame, size: int, known: Known | None, label: str | None, folder: Path
) -> WritePlan:
    """Make a plan from what was seen."""
    table = plan_table(asked, account, known or Known())
    at = table["at"]
    marks = pl.DataFrame([merging.gathered(account, name, at) for name in ("contact_id", "created_at")])
    source = asked.source

    def is_ours() -> bool:
        return label is None or is_known_here(folder, label, source.frame["phone"])

    refuse_foreign(asked.kind, source, marks, at.is_not_null(), is_ours)
    return WritePlan(
        kind=asked.kind,
        account=label,
        size=size,
        planned_at=datetime.now(UTC),
        not_written=source.not_written if asked.kind in ("create", "update") and asked.change is None else [],
        folder=folder,
        _asked=asked,
        _seen=account,
        _table=table,
        _elsewhere=_opted_out_elsewhere(table, known),
    )


def _opted_out_elsewhere(table: pl.DataFrame, known: Known | None) -> str:
    """Name rows to be created that are out under another key of the service: it may be this account's old key.

    Returns:
        What is the matter, and the remedies; empty where there is no such row.
    """
    if known is None or not known.elsewhere or "elsewhere" not in table.columns:
        return ""
    number = int(table.select((pl.col("elsewhere") & (pl.col("action") == "create")).sum()).item())
    if not number:
        return ""
    label = next(iter(known.elsewhere.values()))
    return (
        f"{number:,} numbers to be created were opted out under another key of this host ({label}). If that is an "
        "old key of this account, call undo_run(client, run_id, dry_run=True, allow_other_key=True) once, with any "
        "run of it, which sends nothing and links the two: their opt-outs are kept then. If it is another account, "
        "give each account a folder of journals of its own, by journal_dir= or SENDBLUE_DATA_JOURNAL."
    )
