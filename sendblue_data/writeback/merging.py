"""What a caller wants of each field against what the account holds, and against the frame as it was pulled.

Tags and variables merge item by item, as sets and maps; the other fields as wholes. A value that is not given changes
nothing: to erase one is asked for by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import polars as pl

from sendblue_data.writeback import columns
from sendblue_data.writeback.inputs import SCALARS, Asked, Source

_TAGS = pl.List(pl.String)
_NO_TAGS = pl.lit([], dtype=_TAGS)
_BETWEEN = "\x1f"
"""Stands between a variable's name and its text where both are compared as one."""


class TagLists(NamedTuple):
    """Of some rows, the tags that their contacts have, and those to add and to take away."""

    held: pl.Series
    add: pl.Series
    remove: pl.Series


def gathered(account: pl.DataFrame, name: str, at: pl.Series) -> pl.Series:
    """Return a field of the account's contacts at these positions; null where there is none."""
    if name not in account.columns:
        return columns.nulls(name, at.len())
    kind = columns.type_of(name)
    found = account[name].gather(at)
    if name == "custom_variables":
        return columns.as_entries(found)
    return found if found.dtype == kind else found.cast(kind)


def differs(
    name: str, one: pl.DataFrame, at: pl.Series, other: pl.DataFrame, other_at: pl.Series
) -> pl.Series:
    """Tell where two frames' contacts differ in a field: nothing and empty are the same, tags have no order."""
    mine, theirs = gathered(one, name, at), gathered(other, name, other_at)
    if name in ("opt_out", "verified"):
        return mine.ne_missing(theirs)
    if name in SCALARS:
        return mine.fill_null("") != theirs.fill_null("")
    if name == "custom_variables":
        mine, theirs = _as_texts(mine), _as_texts(theirs)
    mine, theirs = mine.list.drop_nulls(), theirs.list.drop_nulls()
    return _has_more(mine, theirs) | _has_more(theirs, mine)


def changes_of(asked: Asked, account: pl.DataFrame, at: pl.Series) -> pl.DataFrame:
    """Decide for each field but `opt_out` where it is written, and where it is somebody else's.

    Returns:
        Flags: `set_FIELD`, `other_FIELD`; `clears_FIELD`, where it is erased; `gains_tag`, `loses_tag`; and
        `stay_variables`, where a variable was dropped that no call of the API removes.
    """
    parts = [
        _changes(part, account, at.slice(start, part.source.frame.height)) for start, part in asked.slices()
    ]
    return pl.concat(parts) if parts else _changes(asked, account, at)


def _changes(asked: Asked, account: pl.DataFrame, at: pl.Series) -> pl.DataFrame:
    found: dict[str, pl.Series] = {}
    for name in SCALARS:
        found |= _scalar(asked, account, at, name)
    return pl.DataFrame(found | _tags(asked, account, at) | _variables(asked, account, at))


def writes(asked: Asked, name: str) -> bool:
    """Tell whether the caller's values of a field are written."""
    return asked.change is None and (asked.kind == "create" or name in asked.options.columns)


def is_whole(asked: Asked) -> bool:
    """Tell whether the frame's tags take the place of the account's."""
    if asked.base is not None or asked.change is not None:
        return False
    return asked.options.tags == "replace" if asked.kind == "create" else asked.options.replace


def aligned(base: Source, source: Source) -> pl.DataFrame:
    """Return a frame as it was pulled with a row for each of the caller's rows, by phone."""
    pulled = base.frame.unique("phone", keep="first")
    return source.frame.select("phone").join(pulled, on="phone", how="left", maintain_order="left")


def base_of(asked: Asked, name: str) -> pl.Series:
    """Return a field as it was pulled, nulls where it was not."""
    if asked.base is None or name not in asked.base.columns:
        return columns.nulls(name, asked.source.frame.height)
    return asked.base[name]


def _scalar(asked: Asked, account: pl.DataFrame, at: pl.Series, name: str) -> dict[str, pl.Series]:
    held = gathered(account, name, at)
    nowhere = pl.Series([False]).new_from_index(0, at.len())
    mine, base = asked.source.given(name), base_of(asked, name)
    wanted = mine.is_not_null() & mine.ne_missing(held) if writes(asked, name) else nowhere
    other = nowhere
    if asked.base is not None and writes(asked, name):
        wanted &= mine.ne_missing(base)
        other = wanted & (held.fill_null("") != base.fill_null(""))
        if asked.options.on_conflict != "ours":
            wanted &= ~other
    clears = nowhere
    if name in asked.options.clear:
        clears = held.fill_null("") != ""
        if writes(asked, name):
            clears &= mine.is_null() | (mine.eq_missing(base) if asked.base is not None else nowhere)
    return {f"set_{name}": wanted | clears, f"other_{name}": other, f"clears_{name}": clears}


def _tags(asked: Asked, account: pl.DataFrame, at: pl.Series) -> dict[str, pl.Series]:
    nowhere = pl.Series([False]).new_from_index(0, at.len())
    flags = dict.fromkeys(("set_tags", "other_tags", "gains_tag", "loses_tag"), nowhere)
    mine, there = asked.source.given("tags"), at.is_not_null()
    if asked.change is None and "tags" not in asked.options.clear:
        if not writes(asked, "tags"):
            return flags
        rows = (
            there & mine.is_not_null() & (mine != gathered(account, "tags", at)).fill_null(value=True)
        ).arg_true()
    else:
        rows = there.arg_true()
    held, add, remove = tag_lists(asked.part(rows), account, at[rows])
    gains, loses = (
        nowhere.clone().scatter(rows, _has_more(add, held)),
        held.list.set_intersection(remove).list.len() > 0,
    )
    loses = nowhere.clone().scatter(rows, loses)
    new = ~there & mine.is_not_null() if writes(asked, "tags") else nowhere
    return {**flags, "set_tags": gains | loses | new, "gains_tag": gains, "loses_tag": loses}


def tag_lists(asked: Asked, account: pl.DataFrame, at: pl.Series) -> TagLists:
    """Return which tags each row adds and takes away."""
    options, change = asked.options, asked.change
    rows = pl.DataFrame({"held": gathered(account, "tags", at), "mine": asked.source.given("tags")})
    held = pl.col("held").fill_null(_NO_TAGS)
    if rows["held"].drop_nulls().explode(empty_as_null=False).has_nulls():
        held = held.list.drop_nulls()
    mine = pl.col("mine")
    add, remove = _NO_TAGS, _NO_TAGS
    if change is not None:
        renamed = held.list.set_intersection(pl.lit(list(change.rename), dtype=_TAGS))
        add = pl.lit(list(change.add), dtype=_TAGS)
        remove = pl.lit(list(change.remove), dtype=_TAGS)
        if change.rename:
            to = dict(change.rename)
            names = pl.element().replace_strict(list(to), list(to.values()), return_dtype=pl.String)
            add, remove = renamed.list.eval(names).list.drop_nulls(), renamed
            remove = remove.list.set_difference(add)
    elif writes(asked, "tags"):
        if asked.base is not None:
            rows = rows.with_columns(base_of(asked, "tags").alias("base"))
            base = pl.col("base").fill_null(_NO_TAGS)
            add, remove = mine.list.set_difference(base), base.list.set_difference(mine)
        elif asked.kind == "create" and options.tags == "keep":
            add = pl.when(pl.lit(at).is_null()).then(mine)
        else:
            add = mine
            if asked.kind == "update" or options.tags == "replace":
                remove = held.list.set_difference(mine)
        add, remove = add.fill_null(_NO_TAGS), remove.fill_null(_NO_TAGS)
    if "tags" in options.clear:
        erases = mine.is_null() if writes(asked, "tags") else pl.lit(value=True)
        remove = pl.when(erases).then(held).otherwise(remove)
    found = rows.select(held=held, add=add, remove=remove)
    return TagLists(found["held"], found["add"], found["remove"])


def _variables(asked: Asked, account: pl.DataFrame, at: pl.Series) -> dict[str, pl.Series]:
    nowhere = pl.Series([False]).new_from_index(0, at.len())
    mine = asked.source.given("custom_variables")
    flags = {"set_custom_variables": nowhere, "other_custom_variables": nowhere, "stay_variables": nowhere}
    if not writes(asked, "custom_variables") or mine.null_count() == mine.len():
        return flags
    held = gathered(account, "custom_variables", at)
    if asked.base is None:
        return {**flags, "set_custom_variables": _has_more(_as_texts(mine), _as_texts(held))}
    bases = base_of(asked, "custom_variables").to_list()
    merged = [
        merged_variables(as_dict(own), as_dict(base), as_dict(theirs), asked.options.on_conflict)
        for own, base, theirs in zip(mine.to_list(), bases, held.to_list(), strict=True)
    ]
    return {
        "set_custom_variables": pl.Series([bool(one.wanted) for one in merged], dtype=pl.Boolean),
        "other_custom_variables": pl.Series([bool(one.conflicts) for one in merged], dtype=pl.Boolean),
        "stay_variables": pl.Series([one.has_dropped for one in merged], dtype=pl.Boolean),
    }


class MergedVariables(NamedTuple):
    """Variables to write, names that somebody else changed too, and whether one was dropped since the pull."""

    wanted: dict[str, str]
    conflicts: list[str]
    has_dropped: bool


def merged_variables(
    mine: Mapping[str, str], base: Mapping[str, str], held: Mapping[str, str], on_conflict: str
) -> MergedVariables:
    """Merge custom variables name by name.

    Example:
        >>> merged_variables({"Plan": "Pro", "City": "Rome"}, {"Plan": "Free"}, {"City": "Rome"}, "ours")
        MergedVariables(wanted={'Plan': 'Pro'}, conflicts=['Plan'], has_dropped=False)
    """
    changed = {name: text for name, text in mine.items() if base.get(name) != text and held.get(name) != text}
    conflicts = [name for name in changed if held.get(name) != base.get(name)]
    dropped = bool(mine) and any(name not in mine for name in base)
    wanted = (
        changed
        if on_conflict == "ours"
        else {name: changed[name] for name in changed if name not in conflicts}
    )
    return MergedVariables(wanted, conflicts, dropped)


def wanted_variables(asked: Asked, held: pl.Series) -> list[dict[str, str]]:
    """Return of each row the custom variables to write, those that its contact has already left out."""
    pairs = zip(asked.source.given("custom_variables").to_list(), held.to_list(), strict=True)
    if asked.base is None:
        return [
            {name: text for name, text in as_dict(own).items() if as_dict(old).get(name) != text}
            for own, old in pairs
        ]
    bases, way = base_of(asked, "custom_variables").to_list(), asked.options.on_conflict
    return [
        merged_variables(as_dict(own), as_dict(base), as_dict(old), way).wanted
        for base, (own, old) in zip(bases, pairs, strict=True)
    ]


def as_dict(entries: Any) -> dict[str, str]:
    """Return a row's variables, as `ENTRIES` holds them, as a dict."""
    return {pair["key"]: pair["value"] for pair in entries or () if pair["value"] is not None}


def _has_more(one: pl.Series, other: pl.Series) -> pl.Series:
    """Tell where the first list holds what the second does not."""
    rows = pl.DataFrame({"one": one.rename("one"), "other": other.rename("other")})
    more = (
        pl.when(pl.col("other").is_null()).then("one").otherwise(pl.col("one").list.set_difference("other"))
    )
    return rows.select((more.list.len() > 0).fill_null(value=False)).to_series()


def _as_texts(entries: pl.Series) -> pl.Series:
    """Return each row's variables as texts of name and value, which compare fast."""
    pair = pl.concat_str(
        pl.element().struct.field("key"), pl.lit(_BETWEEN), pl.element().struct.field("value")
    )
    return entries.list.eval(pair)
