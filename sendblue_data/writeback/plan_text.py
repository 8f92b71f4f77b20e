"""A plan in words: what it comes to, why a row is planned so, what changes, and what has moved since."""

from __future__ import annotations

from typing import Any

import polars as pl

from sendblue_data.writeback import merging
from sendblue_data.writeback.fields import WRITABLE
from sendblue_data.writeback.identity import identities
from sendblue_data.writeback.inputs import NO_PHONE, NOT_A_PHONE, Asked
from sendblue_data.writeback.plan_table import NOTES, is_other, marks_of, match
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
_NAMES = {
    "first_name": "first name",
    "last_name": "last name",
    "company_name": "company",
    "assigned_to_email": "owner",
    "sendblue_number": "line",
    "custom_variables": "variables",
}

_SILENT = {
    "verified_already": "verified already",
    "texted_never": "opted out",
    "held_silent": "held as opted out",
    "out_in_frame": "opted out in your frame",
    "not_known": "not known whether opted out",
}
"""Why contacts get no verification message."""


def headline(table: pl.DataFrame) -> str:
    """Return what a plan's table comes to, counted by consequence."""
    actions = dict(table["action"].cast(pl.String).value_counts().iter_rows())
    parts = []
    for action, words in (("create", "to create"), ("delete", "to delete"), ("verify", "to verify")):
        if action in actions:
            out = int(table.select((pl.col("out") & (pl.col("action") == action)).sum()).item())
            also = f" ({out:,} of them opted out)" if out else ""
            parts.append(f"{actions[action]:,} {words}{also}")
    there = actions.get("update", 0) + actions.get("unchanged", 0)
    if there:
        parts.append(f"{_counted(there, 'is', 'are')} there: {', '.join(_consequences(table))}")
    if "absent" in actions:
        parts.append(_absent(table, actions["absent"]))
    if "invalid" in actions:
        why = ", ".join(f"{number:,} {word}" for word, number in _reasons(table).items())
        parts.append(f"{actions['invalid']:,} invalid: {why}")
    return "; ".join(parts) or "no rows"


def _absent(table: pl.DataFrame, number: int) -> str:
    another = _true(table, "another")
    gone = number - another
    words = [f"{gone:,} not in the account"] if gone else []
    return "; ".join([*words, *([f"{another:,} replaced by another contact since"] if another else [])])


def _consequences(table: pl.DataFrame) -> list[str]:
    updates, stays = (table.filter(pl.col("action") == action) for action in ("update", "unchanged"))
    words = {
        "gains_tag": ("gains a tag", "gain a tag"),
        "loses_tag": ("loses a tag", "lose a tag"),
        **{f"set_{name}": (f"changes {word}", f"change {word}") for name, word in _NAMES.items()},
        **{f"clears_{name}": (f"loses {word}", f"lose {word}") for name, word in _NAMES.items()},
    }
    counts = [(_true(updates, flag) - _cleared(updates, flag), *told) for flag, told in words.items()]
    if "set_opt_out" in updates.columns:
        out = int(updates.select((pl.col("set_opt_out") & pl.col("out")).sum()).item())
        counts.append((out, "opts out", "opt out"))
        counts.append((_true(updates, "set_opt_out") - out, "opts back in", "opt back in"))
    conflicts = [name for name in stays.columns if name.startswith("other_")]
    others = int(stays.select(pl.any_horizontal(conflicts)).to_series().sum()) if conflicts else 0
    left = {"left as somebody else has it": others}
    left |= {why: _true(stays, flag) for flag, why in _SILENT.items()}
    left["unchanged"] = stays.height - sum(left.values())
    return [_counted(*told) for told in counts if told[0]] + [
        f"{number:,} {why}" for why, number in left.items() if number
    ]


def _true(table: pl.DataFrame, flag: str) -> int:
    return int(table[flag].sum()) if flag in table.columns else 0


def _cleared(table: pl.DataFrame, flag: str) -> int:
    """Return how many of the contacts that change a field lose it."""
    return _true(table, flag.replace("set_", "clears_")) if flag.startswith("set_") else 0


def _counted(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"


def _reasons(table: pl.DataFrame) -> dict[str, int]:
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
        bad.select(words.alias("word"))["word"].value_counts().sort("count", "word", descending=[True, False])
    )
    return dict(counted.iter_rows())


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
            "marks_differ": is_other(marks_of(before, table["at"]), marks_of(now, at)),
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


def details(asked: Asked, table: pl.DataFrame, *, with_changes: bool = True) -> pl.Series:
    """Return of each row why it is planned so, or what the caller should know."""
    known = asked.source.row_numbers(table["first"].drop_nulls())
    first = table["first"].scatter(table["first"].is_not_null().arg_true(), known)
    parts: list[pl.Expr] = [
        pl.col("problem").cast(pl.String),
        pl.format("the phone is in the frame twice: see row {}", pl.lit(first)),
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


def changes(asked: Asked, account: pl.DataFrame, table: pl.DataFrame, rows: pl.Series) -> pl.Series:
    """Return the changes of some rows joined, as `tags: + VIP; company_name: Acme → Globex`; null for the others."""
    line = pl.format("{}: {}", pl.col("field"), pl.col("change"))
    told = diffs(asked, account, table, rows).group_by("row", maintain_order=True)
    joined = told.agg(line.str.join("; ").alias("change"))
    nothing = pl.Series("change", [None], dtype=pl.String).new_from_index(0, table.height)
    return nothing.scatter(joined["row"], joined["change"])


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
    for wanted, there in zip(merging.wanted_variables(asked, held), held.to_list(), strict=True):
        old = merging.as_dict(there)
        lines = [
            f"{name}: {old[name]} → {text}" if name in old else f"+ {name}: {text}"
            for name, text in wanted.items()
        ]
        records.append((_listed(old), _listed({**old, **wanted}), ", ".join(lines)))
    names = ["before", "after", "change"]
    return pl.DataFrame(records, schema=dict.fromkeys(names, pl.String), orient="row")


def _listed(variables: dict[str, str]) -> str:
    return ", ".join(f"{name}: {text}" for name, text in variables.items())
