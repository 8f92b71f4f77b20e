"""A plan: what a write would do, row by row, before anything is sent; and the guards that stand before its run."""

# ruff: noqa: SLF001 -- the functions below the class are its other half

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Unpack

import polars as pl

from sendblue_data._api.client import SendblueClient
from sendblue_data._frames.conversion import is_frame, to_polars
from sendblue_data._shared.masking import mask_phone
from sendblue_data._shared.text import plural
from sendblue_data._shared.validation import check_client
from sendblue_data._shared.warned import warn
from sendblue_data.errors import (
    AccountMovedError,
    FrameError,
    JournalWarning,
    WriteRefusedError,
    WrongAccountError,
)
from sendblue_data.writeback import merging, plan_text
from sendblue_data.writeback.catalogue import PathLike, is_known_here, journal_folder, list_runs
from sendblue_data.writeback.fields import WRITABLE, Contact, retagged
from sendblue_data.writeback.inputs import Asked, refuse_foreign
from sendblue_data.writeback.ledger import Ledger, open_ledger
from sendblue_data.writeback.lookup import fetch_account
from sendblue_data.writeback.plan_table import ACTIONS, Known, marks_of, plan_table
from sendblue_data.writeback.result import RESULT_SCHEMA, WriteResult
from sendblue_data.writeback.rows import OUTCOME, Kind, Row
from sendblue_data.writeback.run import RunOptions, begin, carry_out, with_run_options
from sendblue_data.writeback.show import as_html, as_text, some_of_each

_SHOWN_FIRST = ("update", "create", "delete", "verify", "invalid", "absent", "unchanged")
CONFIRM_ABOVE = 100
"""Deletes of more contacts than this are to be confirmed."""
_NAMED = 3
"""Contacts that a refusal names."""
_BUILT_AT_ONCE = 50_000
"""Rows whose columns are turned into Python objects together."""


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
    _other_key: str = field(repr=False)

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
        """A row for every input row: `row, phone, action, detail, change`.

        `row` is counted as an imported list counts it, else from 0, as Polars does.

        `change` says what would be written, as in `changes`.
        """
        phones = self._asked.source.frame["phone"]
        return pl.DataFrame(
            {
                "row": self._asked.source.row_numbers(
                    pl.int_range(self._table.height, dtype=pl.UInt32, eager=True)
                ),
                "phone": phones,
                "action": self._table["action"].cast(pl.String),
                "detail": plan_text.details(self._asked, self._table),
                "change": plan_text.changes(
                    self._asked, self._seen, self._table, self._rows_that("create", "update")
                ),
            }
        )

    @property
    def changes(self) -> pl.DataFrame:
        """A row for each field that would change: `row, phone, field, before, after, change`.

        A change is told as a person tells it: `+ VIP, - Lead`, `Acme → Globex`, `+ Globex` where there was nothing.
        """
        told = plan_text.diffs(self._asked, self._seen, self._table, self._rows_that("update"))
        return told.with_columns(self._asked.source.row_numbers(told["row"]).alias("row"))

    @property
    def headline(self) -> str:
        """What it comes to, counted by consequence."""
        return plan_text.headline(self._table)

    @with_run_options
    def run(
        self,
        client: SendblueClient,
        *,
        confirm: bool | int | None = None,
        allow_most: bool = False,
        allow_moved: bool = False,
        **options: Unpack[RunOptions],
    ) -> WriteResult:
        """Carry the plan out, if the account is still as it was, with its own `journal_dir` where none is given.

        Args:
            client: the account that the plan was made for.
            confirm: for a delete of more than 100: the number of contacts, or True.
            allow_most: let a delete take more than half of the account.
            allow_moved: plan again on the account as it is now, and run that, where it has moved.
            **options: as in `RunOptions`.

        Returns:
            The outcome of every row.

        Raises:
            AccountMovedError: contacts of the plan are not as they were; nothing was sent.
            WrongAccountError: the plan was made for another account.
            WriteRefusedError: a guard stands before it; nothing was sent.
            WriteInterruptedError: it could not go on; it can be resumed.
            WriteIncompleteError: see `raise_on_errors`.
            JournalError: the journal can't be written, or the ledger not read.
            ApiError: the account could not be asked; nothing was sent.
            ConfigurationError: `client` is no client.
        """
        check_client(client)
        if self.account not in (None, client.account):
            raise WrongAccountError(
                f"The plan was made for the account {self.account!r}, and the client is of {client.account!r}."
            )
        folder = self.folder if options.get("journal_dir") is None else journal_folder(options["journal_dir"])
        options["journal_dir"] = folder
        # Planned anew: a plan made from a frame does not know which opt-outs earlier runs saw.
        fresh = _plan_on(self._asked, client, folder)
        if self.account is None:
            fresh = _without_others(self, fresh)
        changed = plan_text.moved(self._table, self._asked.source.frame["phone"], self._seen, fresh._seen)
        if changed and not allow_moved:
            named = "; ".join(f"{mask_phone(phone)} {how}" for phone, how in changed[:_NAMED])
            raise AccountMovedError(
                f"{len(changed):,} of the plan's contacts are not as they were when it was made ({named}); "
                "nothing was sent. Plan again, or pass allow_moved=True to run on the account as it is now."
            )
        if self.kind == "delete":
            check_delete(fresh, confirm=confirm, allow_most=allow_most)
        return run_now(fresh, client, **options)

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
        rows = pl.DataFrame(
            {
                "row": self._asked.source.row_numbers(chosen),
                "phone": asked.source.frame["phone"],
                "action": table["action"].cast(pl.String),
                "change": plan_text.changes(asked, self._seen, table, positions[writing]),
                "detail": plan_text.details(asked, table, with_changes=False),
            }
        )
        title = f"Plan: {self.kind}: {self.headline}; account of {self.size:,}; nothing is sent yet"
        return title, self._notes(), rows, self._table.height - rows.height

    def _notes(self) -> list[str]:
        notes = self._open_runs()
        if self.opted_out and self.kind == "delete":
            notes.append(
                f"{self.opted_out:,} of them opted out; the ledger keeps that, the API may forget it."
            )
        notes += [f"Can't be run: {refusal}" for refusal in (self._other_key, self._removal) if refusal]
        if self.not_written:
            notes.append(f"Not written, since no call of the API takes them: {', '.join(self.not_written)}.")
        return notes

    def _open_runs(self) -> list[str]:
        """Say which runs of this account were cut off: what they began may be what is planned here."""
        if self.account is None:
            return []
        runs = list_runs(self.folder)
        ids = runs.filter((pl.col("state") == "open") & (pl.col("account") == self.account))[
            "run_id"
        ].to_list()
        if not ids:
            return []
        what = "1 run of this account is" if len(ids) == 1 else f"{len(ids):,} runs of this account are"
        return [f"{what} open: resume_run(client, {ids[0]!r}) goes on, and list_runs() shows all."]

    @property
    def _rows(self) -> list[Row]:
        """The rows as the engine takes them."""
        return list(_build_rows(self._asked, self._seen, self._table))

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
        told = plan_text.diffs(asked, self._seen, self._table, some).filter(field="tags")
        told = told.with_columns(asked.source.row_numbers(told["row"]).alias("row"))
        named = "; ".join(f"row {row}: {change}" for row, change in told.select("row", "change").iter_rows())
        return (
            f"{rows.len():,} of {plural(self._table.height, 'contact')} would lose tags that they have in the account "
            f"({named}). Pass base= with the frame as it was pulled, to send only what you changed; use add_tags "
            "or remove_tags; or pass replace=True if your tags are to take the place of theirs."
        )

    def _rows_that(self, *actions: str) -> pl.Series:
        return self._table["action"].is_in(list(actions)).arg_true()


def make_plan(asked: Asked, contacts_or_client: Any, journal_dir: PathLike | None) -> WritePlan:
    """Make a plan of any kind, on an account or on a frame of one."""
    folder = journal_folder(journal_dir)
    if is_frame(contacts_or_client) and not isinstance(contacts_or_client, pl.LazyFrame):
        contacts_or_client = to_polars(contacts_or_client)
        if "phone" not in contacts_or_client.columns:
            raise FrameError("The account's frame has no column 'phone': pass what pull_contacts gave.")
        return _plan_from(asked, contacts_or_client, contacts_or_client.height, Known(), None, folder)
    check_client(contacts_or_client)
    return _plan_on(asked, contacts_or_client, folder)


def _plan_on(asked: Asked, client: SendblueClient, folder: Path) -> WritePlan:
    """Make a plan on an account as it is now."""
    ledger = open_ledger(asked.kind, folder, client.account, opts_in=asked.options.opt_back_in)
    account, size = fetch_account(client, asked.source.frame["phone"])
    seen_at = datetime.now(UTC)  # planning may take seconds, and what was seen is no younger for it
    known = Known() if ledger is None else _ask(ledger, asked, account)
    return replace(_plan_from(asked, account, size, known, client.account, folder), planned_at=seen_at)


def _ask(ledger: Ledger, asked: Asked, account: pl.DataFrame) -> Known:
    """Tell the ledger what the account and the caller's frame show, and ask it about the frame's numbers."""
    phones = asked.source.frame["phone"].drop_nulls().unique()
    ledger.observe(account, by=f"plan {asked.kind}")
    if asked.kind == "create" or "opt_out" in asked.options.columns:
        ledger.record_out(asked.source.frame["phone"].filter(asked.source.says_out), by="the caller's frame")
    return Known(
        out=ledger.opted_out(phones),
        created_by_runs=ledger.created_by_runs(phones) if asked.kind == "delete" else {},
        other_key=ledger.opted_out_under_other_key(phones) if asked.kind == "create" else {},
    )


def _plan_from(
    asked: Asked, account: pl.DataFrame, size: int, known: Known, label: str | None, folder: Path
) -> WritePlan:
    """Make a plan from what was seen."""
    table = plan_table(asked, account, known)
    at, source = table["at"], asked.source

    def is_ours() -> bool:
        return label is None or is_known_here(folder, label, source.frame["phone"])

    refuse_foreign(asked.kind, source, marks_of(account, at), at.is_not_null(), is_ours)
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
        _other_key=_opted_out_under_other_key(table, known),
    )


def _opted_out_under_other_key(table: pl.DataFrame, known: Known) -> str:
    """Name rows to be created that are out under another key of the service: it may be this account's old key.

    Returns:
        What is the matter, and the remedies; empty where there is no such row.
    """
    if not known.other_key:
        return ""
    number = int(table.select((pl.col("under_other_key") & (pl.col("action") == "create")).sum()).item())
    if not number:
        return ""
    label = next(iter(known.other_key.values()))
    return (
        f"{number:,} numbers to be created were opted out under another key of this host ({label}). If that is an "
        "old key of this account, call undo_run(client, run_id, dry_run=True, allow_other_key=True) once, with any "
        "run of it, which sends nothing and links the two: their opt-outs are kept then. If it is another account, "
        "give each account a folder of journals of its own, by journal_dir= or SENDBLUE_DATA_JOURNAL."
    )


def warn_other_key_opt_outs(plan: WritePlan) -> None:
    """Warn of a plan that can't be run as it is, since another key's runs saw its people opted out."""
    if plan._other_key:
        warn(f"The plan can't be run: {plan._other_key}", JournalWarning)


def check_delete(plan: WritePlan, *, confirm: bool | int | None, allow_most: bool) -> None:
    """Refuse a delete that is not confirmed, or takes most of the account."""
    number = plan.counts.get("delete", 0)
    is_number = confirm is not None and not isinstance(confirm, bool)
    if (is_number and confirm not in (number, plan._table.height)) or (
        number > CONFIRM_ABOVE and not is_number and confirm is not True
    ):
        given = f"confirm is {confirm!r}" if confirm is not None else "nothing confirms that"
        raise WriteRefusedError(
            f"{plural(number, 'contact')} would be deleted, and {given}; nothing was sent. Look at the plan, then "
            f"pass confirm={number}."
        )
    if number * 2 > plan.size and not allow_most:
        raise WriteRefusedError(
            f"{number:,} of the account's {plural(plan.size, 'contact')} would be deleted, more than half; nothing "
            "was sent. Pass allow_most=True if that is meant."
        )


def _without_others(plan: WritePlan, fresh: WritePlan) -> WritePlan:
    """Leave alone what the plan showed to be another's, as it was made without knowing what earlier runs created."""
    if "another" not in plan._table.columns:
        return fresh
    another = plan._table["another"]
    absent = pl.lit("absent", dtype=fresh._table.schema["action"])
    table = fresh._table.with_columns(
        another=pl.col("another") | another,
        action=pl.when(another & (pl.col("action") == "delete")).then(absent).otherwise("action"),
    )
    return replace(fresh, _table=table)


def run_now(
    plan: WritePlan, client: SendblueClient, *, dry_run: bool = False, **options: Unpack[RunOptions]
) -> WriteResult:
    """Run a plan that was made from the account as it is right now."""
    if plan._removal:
        raise WriteRefusedError(f"{plan._removal} Nothing was sent.")
    if dry_run:
        warn_other_key_opt_outs(plan)
        status = pl.col("action").replace_strict(dict(OUTCOME)).alias("status")
        frame = plan.frame.select("row", "phone", status, "detail", request_id=pl.lit(None))
        frame = frame.cast(RESULT_SCHEMA)
        return WriteResult(frame, plan.kind, None, dry_run=True, not_written=plan.not_written)
    if plan._other_key:
        raise WriteRefusedError(f"{plan._other_key} Nothing was sent.")
    folder = journal_folder(options.get("journal_dir"))
    how = plan._asked.options
    ledger = open_ledger(plan.kind, folder, client.account, opts_in=how.opt_back_in)
    if ledger is not None:
        _tell(ledger, plan._asked, plan._table)
    rows = plan._rows
    seen = {row.phone: row.before for row in rows if row.phone and row.before is not None}
    with begin(client, plan.kind, rows, how, folder) as journal:
        seen_at = plan.planned_at.timestamp()
        result = carry_out(client, journal, rows, seen, seen_at=seen_at, **options)
    return replace(result, not_written=plan.not_written)


def _tell(ledger: Ledger, asked: Asked, table: pl.DataFrame) -> None:
    """Tell the ledger what a run is about to write of opt-outs: who is to be out, there or not, and who is back in."""
    phones = asked.source.frame["phone"]
    if asked.kind == "opt_out" and asked.options.opted_out:
        ledger.record_out(phones, by="opt_out")
    elif "opts_in" in table.columns:
        back = table.select(pl.col("opts_in") & (pl.col("action") != "invalid")).to_series()
        ledger.record_in(phones.filter(back), by="opt_back_in=True")


def _build_rows(asked: Asked, account: pl.DataFrame, table: pl.DataFrame) -> Iterator[Row]:
    """Make the rows of a plan as the engine takes them, in order."""
    for start, part in asked.slices(_BUILT_AT_ONCE):
        yield from _rows_of(part, account, table.slice(start, _BUILT_AT_ONCE), start)


def _rows_of(asked: Asked, account: pl.DataFrame, table: pl.DataFrame, start: int) -> Iterator[Row]:
    at = table["at"]
    found = iter(account[at.drop_nulls()].to_dicts())
    before = [next(found) if there else None for there in at.is_not_null()]
    tags = zip(*(column.to_list() for column in merging.tag_lists(asked, account, at)), strict=True)
    variables = merging.wanted_variables(asked, merging.gathered(account, "custom_variables", at))
    numbers = asked.source.row_numbers(pl.int_range(start, start + table.height, dtype=pl.UInt32, eager=True))
    is_whole = merging.is_whole(asked)
    for number, flags, mine, there, detail, (held, add, remove), own in zip(
        numbers,
        table.iter_rows(named=True),
        asked.source.frame.iter_rows(named=True),
        before,
        plan_text.details(asked, table),
        tags,
        variables,
        strict=True,
    ):
        row = Row(pos=number, phone=mine["phone"], action=flags["action"], detail=detail)
        if row.action == "invalid":
            yield row
            continue
        row.before = there
        row.opted_out = there.get("opt_out") if there is not None else None
        if (row.action == "create" and flags["out"]) or flags.get("promised"):
            row.opted_out = True
        if row.action in ("create", "update"):
            row.wanted = {name: _wanted(name, flags, mine) for name in WRITABLE if flags.get(f"set_{name}")}
            if "custom_variables" in row.wanted:
                row.wanted["custom_variables"] = own
            if "tags" in row.wanted and row.action == "update" and not is_whole:
                row.add_tags, row.remove_tags = tuple(add), tuple(remove)
                row.wanted["tags"] = retagged(held, add, remove)
        yield row


def _wanted(name: str, flags: dict[str, Any], mine: Contact) -> Any:
    if name == "opt_out":
        return flags["out"]
    if name == "tags":
        return mine.get(name) or []
    return "" if flags.get(f"clears_{name}") else mine.get(name)
