"""What a write would do, row by row: pure, from the caller's rows and the account's contacts, a column at a time."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import get_args

import polars as pl

from sendblue_data.schema import IS_E164
from sendblue_data.writeback import merging
from sendblue_data.writeback.fields import MARKS, WRITABLE, Contact, same_contact
from sendblue_data.writeback.identity import identities
from sendblue_data.writeback.inputs import AT_ONCE, Asked
from sendblue_data.writeback.rows import Action, Options

ACTIONS: tuple[Action, ...] = get_args(Action)
STAYS_OUT = "stays opted out: clearing an opt-out takes opt_back_in=True"
KEPT_OUT = "is known to be opted out, and will stay so"
HELD_OUT = "held as opted out by the ledger, and not shown so by the account: its opt-out is written"
NOTES = {
    "kept_out": KEPT_OUT,
    "stays_out": STAYS_OUT,
    "held_out": HELD_OUT,
    "under_other_key": "was opted out in a run of another key of this host",
    "not_there": "not in the account",
    "promised": "if it is created from here, it will be opted out",
    "another": "deleted since the frame was pulled; another contact has the number now, and is left alone",
    "verified_already": "verified already: no message is sent",
    "texted_never": "opted out: no message is sent",
    "held_silent": "held as opted out by the ledger: no message is sent",
    "out_in_frame": "opted out in your frame: no message is sent",
    "not_known": "not known whether opted out: no message is sent without allow_unknown=True",
}
"""What a flag of the table says of its row."""
_SECOND = 1_000_000


@dataclass(frozen=True)
class Known:
    """What is known besides the account.

    Attributes:
        out: numbers that the ledger holds as opted out.
        created_by_runs: by number, `contact_id` and `created_at` of the contact that the last run created under it.
        other_key: by number that is out under another key of the service, that account's label.
    """

    out: Collection[str] = ()
    created_by_runs: Mapping[str, Contact] = field(default_factory=dict)
    other_key: Mapping[str, str] = field(default_factory=dict)


def plan_table(asked: Asked, account: pl.DataFrame, known: Known) -> pl.DataFrame:
    """Decide for each of the caller's rows what is to happen.

    Args:
        asked: what the caller asks for.
        account: the account's contacts, those with these numbers at least.
        known: what is known besides.

    Returns:
        A row a row, in order: `at`, the position of its contact in `account`; `action`; `first`, the row that has
        its phone already; `problem`, why it can't be sent; `out`, whether its contact is known to be opted out; a
        flag for each of NOTES; `set_FIELD` and `other_FIELD`, what is written and what is left as somebody else
        has it.
    """
    source, options = asked.source, asked.options
    numbers = source.identities()
    at = match(source.frame["phone"], numbers, account)
    there = at.is_not_null()
    is_writing = asked.kind in ("create", "update") and asked.change is None
    if is_writing:
        fields = WRITABLE if asked.kind == "create" else options.columns
        problem = source.problem(fields)
    else:
        # A contact that is there can be deleted or opted out, whatever its number looks like.
        problem = source.problem(()).set(there, None)
    table = pl.DataFrame({"at": at, "problem": problem})
    table = _with_repeats(table, numbers)
    is_ok = (table["problem"].is_null() & table["first"].is_null()).alias("is_ok")
    frame_out = numbers.filter(source.says_out) if _reads_opt_outs(asked) else numbers.clear()
    is_out = _is_among(numbers, frame_out)
    is_held = _is_among(numbers, identities(pl.Series(list(known.out), dtype=pl.String)))
    if "opt_out" in account.columns:
        is_held |= _is_among(numbers, identities(account.filter(pl.col("opt_out"))["phone"]))
    facts = pl.DataFrame([is_ok, there.alias("there"), is_out.alias("is_out"), is_held.alias("is_held")])
    shown = merging.gathered(account, "opt_out", at)
    if asked.kind in ("create", "update"):
        decided = _plan_writes(asked, account, at, facts, shown, known)
    elif asked.kind == "delete":
        decided = _plan_delete(asked, account, at, facts, shown, known)
    elif asked.kind == "opt_out":
        decided = _plan_opt_out(options, facts, shown)
    else:
        decided = _plan_verify(options, facts, shown, merging.gathered(account, "verified", at))
    return table.hstack(decided).with_columns(
        pl.when(is_ok).then("action").otherwise(_lit("invalid")).alias("action")
    )


def _lit(action: Action) -> pl.Expr:
    return pl.lit(action, dtype=pl.Enum(ACTIONS))


def match(phones: pl.Series, numbers: pl.Series, account: pl.DataFrame) -> pl.Series:
    """Find each phone's contact, by its spelling or else by the number that it means.

    Of two contacts with one phone the one counts that is not opted out: it is what could be texted.

    Returns:
        The contact's position in `account`; null where there is none.
    """
    theirs = account["phone"].cast(pl.String)
    out = account["opt_out"] if "opt_out" in account.columns else theirs.is_null()
    found = _positions(phones, theirs, out)
    if not found.has_nulls():
        return found
    meant = identities(theirs)
    if numbers.equals(phones) and meant.equals(theirs):
        return found
    return found.zip_with(found.is_not_null(), _positions(numbers, meant, out))


def _positions(wanted: pl.Series, phones: pl.Series, out: pl.Series) -> pl.Series:
    """Find each text among phones. Those in E.164 form are compared as whole numbers: that takes little memory."""
    keys = _as_integer(phones)
    held = pl.DataFrame({"key": keys, "out": out.fill_null(value=False)}).with_row_index("at")
    held = held.filter(keys.is_not_null()).sort("key")
    if (held["key"].diff() == 0).any():
        held = held.sort("key", "out")
    asked = _as_integer(wanted)
    if held.is_empty():
        found = pl.Series("at", [None], dtype=pl.UInt32).new_from_index(0, wanted.len())
    else:
        place = held["key"].search_sorted(asked.fill_null(0), side="left").clip(upper_bound=held.height - 1)
        is_hit = (held["key"].gather(place) == asked).fill_null(value=False)
        found = held["at"].gather(place).set(~is_hit, None)
    odd = (asked.is_null() & wanted.is_not_null()).arg_true()
    if odd.is_empty():
        return found
    others = pl.DataFrame({"phone": phones, "out": out.fill_null(value=False)}).with_row_index("at")
    others = others.filter(keys.is_null()).sort("out").unique("phone", keep="first")
    rows = pl.DataFrame({"phone": wanted.gather(odd)})
    return found.scatter(odd, rows.join(others, on="phone", how="left", maintain_order="left")["at"])


def _as_integer(phones: pl.Series) -> pl.Series:
    """Return phones in E.164 form as whole numbers; null for others."""
    read = [pl.Series([], dtype=pl.Int64)]
    for start in range(0, phones.len(), AT_ONCE):
        some = phones.slice(start, AT_ONCE)
        read.append(some.set(~some.str.contains(IS_E164), None).str.strip_prefix("+").cast(pl.Int64))
    return pl.concat(read)


def _reads_opt_outs(asked: Asked) -> bool:
    """Tell whether the frame's opt-outs count: not of a frame whose opt-outs were pulled and are not written."""
    return asked.kind in ("create", "verify") or "opt_out" in asked.options.columns


def _is_among(numbers: pl.Series, some: pl.Series) -> pl.Series:
    if some.is_empty():
        return pl.Series([False]).new_from_index(0, numbers.len())
    return numbers.is_in(some.implode()).fill_null(value=False)


def _with_repeats(table: pl.DataFrame, numbers: pl.Series) -> pl.DataFrame:
    """Say of a row whose contact an earlier row has already which one that is."""
    rows = pl.DataFrame({"at": table["at"], "number": numbers, "bad": table["problem"].is_not_null()})
    ok = rows.with_row_index("row").filter(~pl.col("bad"))
    parts = [
        (ok.filter(pl.col("at").is_not_null()).select("row", key="at")),
        (ok.filter(pl.col("at").is_null()).select("row", key="number")),
    ]
    repeats = []
    for part in parts:
        again = part.filter(~part["key"].is_first_distinct())
        if again.height:
            firsts = part.unique("key", keep="first").rename({"row": "first"})
            repeats.append(again.join(firsts, on="key").select("row", "first"))
    first = pl.Series("first", [None], dtype=pl.UInt32).new_from_index(0, table.height)
    for found in repeats:
        first = first.scatter(found["row"], found["first"])
    return table.with_columns(first)


def _plan_writes(
    asked: Asked, account: pl.DataFrame, at: pl.Series, facts: pl.DataFrame, shown: pl.Series, known: Known
) -> pl.DataFrame:
    """Plan to create and update."""
    options, source = asked.options, asked.source
    is_create = asked.kind == "create"
    table = merging.changes_of(asked, account, at)
    says = source.given("opt_out") if is_create or "opt_out" in options.columns else None
    table = table.with_columns(facts).with_columns(
        shown.alias("shown"), pl.lit(None, pl.Boolean).alias("says") if says is None else says.alias("says")
    )
    says_in = ~pl.col("says").fill_null(value=True)
    back_in = says_in & ~pl.col("is_out") if options.opt_back_in else pl.lit(value=False)
    is_other_key = pl.lit(value=False)
    if known.other_key:
        strangers = identities(pl.Series(list(known.other_key), dtype=pl.String))
        is_other_key = pl.lit(_is_among(source.identities(), strangers))
    out = pl.col("is_out") | (pl.col("is_held") & ~back_in)
    there, shown_out = pl.col("there"), pl.col("shown").fill_null(value=False)
    new = ~there if is_create else pl.lit(value=False)
    set_out = there & ((out & ~shown_out) | (back_in & pl.col("shown").ne_missing(pl.lit(value=False))))
    table = table.with_columns(
        out=out,
        opts_in=back_in,
        set_opt_out=set_out | (new & (out | back_in)),
        kept_out=new & out & ~pl.col("says").fill_null(value=False),
        stays_out=there & shown_out & says_in & ~back_in & ~pl.col("is_out"),
        held_out=there & out & ~pl.col("is_out") & ~shown_out,
        not_there=~there & (not is_create),
        under_other_key=new & ~out & ~back_in & is_other_key,
    )
    others = [name for name in WRITABLE if name != "opt_out"]
    if options.on_conflict == "skip":
        table = table.with_columns((pl.col(f"set_{name}") & there).alias(f"other_{name}") for name in others)
    if options.on_conflict in ("skip", "refuse"):
        # The whole row is left alone, but for an opt-out.
        stays = ~pl.any_horizontal(f"other_{name}" for name in others)
        flags = [*(f"set_{name}" for name in others), "gains_tag", "loses_tag"]
        table = table.with_columns(
            *((pl.col(flag) & stays).alias(flag) for flag in flags),
            set_opt_out=pl.col("set_opt_out") & (stays | pl.col("out")),
        )
    changes = pl.any_horizontal(f"set_{name}" for name in WRITABLE)
    action = (
        pl.when(new)
        .then(_lit("create"))
        .when(~there)
        .then(_lit("absent"))
        .when(changes)
        .then(_lit("update"))
        .otherwise(_lit("unchanged"))
    )
    return table.with_columns(action=action).drop("is_ok", "there", "is_out", "is_held", "shown", "says")


def _plan_delete(
    asked: Asked, account: pl.DataFrame, at: pl.Series, facts: pl.DataFrame, shown: pl.Series, known: Known
) -> pl.DataFrame:
    """A contact made anew by an earlier run (an undo, a create) is the frame's; by anyone else, another."""
    source = asked.source
    pulled = pl.DataFrame([source.given(name) for name in MARKS])
    current = marks_of(account, at)
    other = is_other(pulled, current)
    rows = current.with_columns(phone=source.frame["phone"]).filter(other).iter_rows(named=True)
    theirs = [same_contact(known.created_by_runs.get(row["phone"], {}), row) is not True for row in rows]
    other = other.scatter(other.arg_true(), pl.Series(theirs, dtype=pl.Boolean))
    return facts.select(
        out=(pl.lit(shown).fill_null(value=False) | pl.col("is_held")) & pl.col("there"),
        not_there=~pl.col("there"),
        another=pl.lit(other),
        action=pl.when(pl.col("there") & ~pl.lit(other)).then(_lit("delete")).otherwise(_lit("absent")),
    )


def marks_of(account: pl.DataFrame, at: pl.Series) -> pl.DataFrame:
    """Return what tells one contact from another, of those at these positions."""
    return pl.DataFrame([merging.gathered(account, name, at) for name in MARKS])


def is_other(marks: pl.DataFrame, current: pl.DataFrame) -> pl.Series:
    """Tell where two contacts with one phone can't be one: see `same_contact`."""
    ids, moments = (pl.col(name) for name in MARKS)
    there_ids, there_moments = (pl.col(f"there_{name}") for name in MARKS)
    rows = marks.hstack(current.rename(lambda name: f"there_{name}"))
    exact = (moments.dt.microsecond() % 1000 > 0) & (there_moments.dt.microsecond() % 1000 > 0)
    apart = (moments - there_moments).dt.total_microseconds().abs()
    return rows.select(
        pl.when(ids.is_not_null() & there_ids.is_not_null())
        .then(ids != there_ids)
        .when(exact)
        .then(apart > 0)
        .otherwise(apart >= _SECOND)
        .fill_null(value=False)
    ).to_series()


def _plan_opt_out(options: Options, facts: pl.DataFrame, shown: pl.Series) -> pl.DataFrame:
    differs = pl.lit(shown).ne_missing(pl.lit(options.opted_out))
    return facts.select(
        out=pl.lit(options.opted_out),
        opts_in=pl.lit(not options.opted_out),
        set_opt_out=pl.col("there") & differs,
        not_there=~pl.col("there"),
        promised=~pl.col("there") & options.opted_out,
        action=pl.when(~pl.col("there"))
        .then(_lit("absent"))
        .when(differs)
        .then(_lit("update"))
        .otherwise(_lit("unchanged")),
    )


def _plan_verify(
    options: Options, facts: pl.DataFrame, shown: pl.Series, verified: pl.Series
) -> pl.DataFrame:
    there = pl.col("there")
    reasons = {
        "not_there": ~there,
        "verified_already": there & pl.lit(verified).fill_null(value=False),
        "texted_never": pl.lit(shown).fill_null(value=False),
        "held_silent": there & pl.col("is_held"),
        "out_in_frame": there & pl.col("is_out"),
        "not_known": there & pl.lit(shown).is_null() & (not options.allow_unknown),
    }
    table = facts.with_columns(**reasons)
    # One reason is enough: the first.
    names = list(reasons)
    for number, name in enumerate(names[1:], 1):
        before = pl.any_horizontal(names[:number])
        table = table.with_columns((pl.col(name) & ~before).alias(name))
    return table.select(
        *names,
        out=pl.lit(value=False),
        action=pl.when("not_there")
        .then(_lit("absent"))
        .when(pl.any_horizontal(names))
        .then(_lit("unchanged"))
        .otherwise(_lit("verify")),
    )
