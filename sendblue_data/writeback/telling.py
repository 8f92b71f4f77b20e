"""What a plan's table says in words: why a row is planned so, what changes, what is the matter, what has moved."""

from __future__ import annotations

from typing import Any

import polars as pl

from sendblue_data.writeback import merging
from sendblue_data.writeback.fields import WRITABLE
from sendblue_data.writeback.identity import identities
from sendblue_data.writeback.inputs import NO_PHONE, NOT_A_PHONE
from sendblue_data.writeback.planning import NOTES, Asked, is_other, match
from sendblue_data.writeback.rows import Options

NONE = "(none)"
"""Stands for no value in a diff."""
_CHANGES: dict[str, Any] = {
    "row": pl.UInt32,
    "phone": pl.String,
    "field": pl.String,
    "before": pl.String,
    "after": pl.String,
    "change": pl.String,
}


def details(asked: Asked, table: pl.DataFrame, *, with_changes: bool = True) -> pl.Series:
    """Return of each row why it is planned so, or what the caller should know."""
    parts: list[pl.Expr] = [
        pl.col("problem").cast(pl.String),
        pl.format("the phone is in the frame twice: see row {}", pl.col("first")),
    ]
    ok = pl.col("action") != "invalid"
    parts += [
        pl.when(ok & pl.col(flag)).then(pl.lit(text)) for flag, text in NOTES.items() if flag in table.columns
    ]
    if any(name.startswith("other_") for name in table.columns):
        parts.append(pl.when(ok & _any("other_", table)).then(_others(asked.options, table)))
    if "stay_variables" in table.columns:
        parts.append(pl.when(ok & pl.col("stay_variables")).then(pl.lit("custom variables can't be removed")))
    if with_changes and any(name.startswith("set_") for name in table.columns):
        changes = pl.format("changes {}", _names("set_", table))
        parts.append(pl.when(pl.col("action") == "update").then(changes))
    return table.select(pl.concat_str(parts, separator="; ", ignore_nulls=True).alias("detail")).to_series()


def _others(options: Options, table: pl.DataFrame) -> pl.Expr:
    names = _names("other_", table)
    if options.on_conflict == "skip":
        return pl.format("exists with another {}: left as it is, by on_conflict='skip'", names)
    changed = pl.format("{} changed by somebody else too since base", names)
    what = {
        "refuse": "conflict: {}: row left alone, by on_conflict='refuse'",
        "ours": "{}: yours is written, by on_conflict='ours'",
    }.get(options.on_conflict, "{}: theirs is kept, by on_conflict='theirs'")
    return pl.format(what, changed)


def _names(prefix: str, table: pl.DataFrame) -> pl.Expr:
    found = [name for name in table.columns if name.startswith(prefix)]
    listed = [pl.when(pl.col(name)).then(pl.lit(name.removeprefix(prefix))) for name in found]
    return pl.concat_str(listed, separator=", ", ignore_nulls=True)


def _any(prefix: str, table: pl.DataFrame) -> pl.Expr:
    return pl.any_horizontal(name for name in table.columns if name.startswith(prefix))


def moved(
    table: pl.DataFrame, phones: pl.Series, before: pl.DataFrame, now: pl.DataFrame
) -> list[tuple[str, str]]:
    """Find the contacts that are not as they were when the plan was made.

    Args:
        table: the plan.
        phones: of its rows.
        before: the account as it was then.
        now: the account as it is.

    Returns:
        The phone of each, and how it differs.
    """
    at = match(phones, identities(phones), now)
    rows = pl.DataFrame(
        {
            "phone": phones,
            "was": table["at"].is_not_null(),
            "is": at.is_not_null(),
            "marks_differ": is_other(
                pl.DataFrame(
                    {
                        "id": merging.gathered(before, "contact_id", table["at"]),
                        "created": merging.gathered(before, "created_at", table["at"]),
                        "there_id": merging.gathered(now, "contact_id", at),
                        "there_created": merging.gathered(now, "created_at", at),
                    }
                )
            ),
            **{
                f"set_{name}": merging.differs(name, before, table["at"], now, at)
                for name in (*WRITABLE, "verified")
            },
        }
    )
    how = (
        pl.when(~pl.col("was"))
        .then(pl.when("is").then(pl.lit("is in the account now")))
        .when(~pl.col("is"))
        .then(pl.lit("is gone from the account"))
        .when("marks_differ")
        .then(pl.lit("was deleted and created again"))
        .when(_any("set_", rows))
        .then(pl.format("has another {}", _names("set_", rows)))
    )
    found = rows.filter(table["action"] != "invalid").select("phone", how.alias("how")).drop_nulls("how")
    return [(phone, told) for phone, told in found.iter_rows()]


def reasons(table: pl.DataFrame) -> dict[str, int]:
    """Count invalid rows by what is the matter with them, in a word or two."""
    bad = table.filter(pl.col("action") == "invalid")
    problem = pl.col("problem").cast(pl.String)
    words = (
        pl.when(pl.col("first").is_not_null())
        .then(pl.lit("twice"))
        .when(problem.str.starts_with(NO_PHONE))
        .then(pl.lit("without a phone"))
        .when(problem == NOT_A_PHONE)
        .then(pl.lit("not a phone"))
        .otherwise(pl.format("with a bad {}", problem.str.extract(r"^([a-z_]+)")))
    )
    counted: Any = (
        bad.select(words.alias("word"))["word"]
        .value_counts(sort=True)
        .sort("count", "word", descending=[True, False])
    )
    return dict(counted.iter_rows())


def diffs(asked: Asked, account: pl.DataFrame, table: pl.DataFrame, rows: pl.Series) -> pl.DataFrame:
    """Return what would change of some rows: a row for each field, before and after, and the difference.

    Args:
        asked: what the caller asks for.
        account: the account's contacts.
        table: the plan's table.
        rows: positions of the rows.

    Returns:
        `row, phone, field, before, after, change`; a change is `+ VIP`, `- Lead`, `Acme → Globex`.
    """
    some, part = table[rows], asked.part(rows)
    phones = part.source.frame["phone"]
    base = pl.DataFrame({"row": rows.cast(pl.UInt32), "phone": phones})
    found = [pl.DataFrame(schema=_CHANGES)]
    for name in WRITABLE:
        flag = f"set_{name}"
        if flag not in some.columns or not some[flag].any():
            continue
        chosen = some[flag].arg_true()
        told = _told(part.part(chosen), account, some[chosen], name)
        found.append(
            base[chosen].with_columns(pl.lit(name).alias("field")).hstack(told).select(list(_CHANGES))
        )
    return pl.concat(found).sort("row", maintain_order=True)


def _told(asked: Asked, account: pl.DataFrame, table: pl.DataFrame, name: str) -> pl.DataFrame:
    at = table["at"]
    if name == "tags":
        held, add, remove = merging.tag_lists(asked, account, at)
        rows = pl.DataFrame({"held": held, "add": add, "remove": remove})
        more = pl.col("add").list.set_difference("held")
        less = pl.col("held").list.set_intersection("remove")
        after = pl.col("held").list.set_difference(less).list.set_union("add")
        signs = pl.concat_list(
            more.list.eval(pl.format("+ {}", pl.element())), less.list.eval(pl.format("- {}", pl.element()))
        )
        return rows.select(
            before=pl.col("held").list.join(", "), after=after.list.join(", "), change=signs.list.join(", ")
        )
    held = merging.gathered(account, name, at)
    if name == "custom_variables":
        return _told_variables(asked, held)
    if name == "opt_out":
        words = {True: "opted out", False: "not opted out"}
        before = held.replace_strict(words, default=None, return_dtype=pl.String)
        now = table["out"].replace_strict(words, return_dtype=pl.String)
    else:
        before, now = held, asked.source.given(name).set(table[f"clears_{name}"], None)
    rows = pl.DataFrame({"before": before, "after": now})
    is_there = pl.col("before").fill_null("") != ""
    change = (
        pl.when(is_there)
        .then(pl.format("{} → {}", pl.col("before"), pl.col("after").fill_null(NONE)))
        .otherwise(pl.format("+ {}", pl.col("after")))
    )
    return rows.with_columns(change=change)


def _told_variables(asked: Asked, held: pl.Series) -> pl.DataFrame:
    records = []
    for wanted, there in zip(wanted_variables(asked, held), held.to_list(), strict=True):
        old = merging.as_dict(there)
        lines = [
            f"{name}: {old[name]} → {text}" if name in old else f"+ {name}: {text}"
            for name, text in wanted.items()
        ]
        records.append((_listed(old), _listed({**old, **wanted}), ", ".join(lines)))
    names = ["before", "after", "change"]
    return pl.DataFrame(records, schema=dict.fromkeys(names, pl.String), orient="row")


def wanted_variables(asked: Asked, held: pl.Series) -> list[dict[str, str]]:
    """Return of each row the custom variables to write, those that its contact has already left out."""
    mine = asked.source.given("custom_variables").to_list()
    if asked.base is None:
        return [
            {
                name: text
                for name, text in merging.as_dict(own).items()
                if merging.as_dict(old).get(name) != text
            }
            for own, old in zip(mine, held.to_list(), strict=True)
        ]
    bases = merging.base_of(asked, "custom_variables").to_list()
    as_dict, way = merging.as_dict, asked.options.on_conflict
    return [
        merging.merged_variables(as_dict(own), as_dict(base), as_dict(old), way).wanted
        for own, base, old in zip(mine, bases, held.to_list(), strict=True)
    ]


def _listed(variables: dict[str, str]) -> str:
    return ", ".join(f"{name}: {text}" for name, text in variables.items())
