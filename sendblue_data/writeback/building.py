"""A plan's rows as the engine takes them, made when the plan is run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import polars as pl

from sendblue_data.writeback import merging, telling
from sendblue_data.writeback.fields import WRITABLE, Contact, retagged
from sendblue_data.writeback.planning import Asked
from sendblue_data.writeback.rows import Row

_AT_ONCE = 50_000
"""Rows whose columns are turned into Python objects together."""


def build_rows(asked: Asked, account: pl.DataFrame, table: pl.DataFrame) -> Iterator[Row]:
    """Make the rows of a plan, in order."""
    for start in range(0, table.height, _AT_ONCE):
        rows = pl.int_range(start, min(start + _AT_ONCE, table.height), eager=True)
        yield from _rows(asked.part(rows), account, table[rows], start)


def _rows(asked: Asked, account: pl.DataFrame, table: pl.DataFrame, start: int) -> Iterator[Row]:
    at = table["at"]
    given = asked.source.frame.to_dicts()
    before = _contacts(account, at)
    details = telling.details(asked, table).to_list()
    lists = merging.tag_lists(asked, account, at)
    tags = zip(*(column.to_list() for column in lists), strict=True)
    held = merging.gathered(account, "custom_variables", at)
    variables = telling.wanted_variables(asked, held)
    is_whole = merging.is_whole(asked)
    for number, (flags, mine, there, detail, changed, own) in enumerate(
        zip(table.iter_rows(named=True), given, before, details, tags, variables, strict=True), start
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
                _, add, remove = changed
                row.add_tags, row.remove_tags = tuple(add), tuple(remove)
                row.wanted["tags"] = retagged(changed[0], add, remove)
        yield row


def _wanted(name: str, flags: dict[str, Any], mine: Contact) -> Any:
    if name == "opt_out":
        return flags["out"]
    if name == "tags":
        return mine.get(name) or []
    return "" if flags.get(f"clears_{name}") else mine.get(name)


def _contacts(account: pl.DataFrame, at: pl.Series) -> list[Contact | None]:
    """Return the account's contacts at these positions; None where there is none."""
    found = iter(account[at.drop_nulls()].to_dicts())
    return [next(found) if there else None for there in at.is_not_null()]
