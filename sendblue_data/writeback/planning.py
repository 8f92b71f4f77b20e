"""What a write would do, row by row: pure, from the caller's rows and the account's contacts, a column at a time."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace

import polars as pl

from sendblue_data.schema import IS_E164
from sendblue_data.writeback import merging
from sendblue_data.writeback.fields import WRITABLE, Contact, same_contact
from sendblue_data.writeback.identity import identities
from sendblue_data.writeback.inputs import Source
from sendblue_data.writeback.merging import TagChange
from sendblue_data.writeback.rows import Action, Kind, Options

ACTIONS: tuple[Action, ...] = ("create", "update", "delete", "verify", "unchanged", "absent", "invalid")
STAYS_OUT = "stays opted out: clearing an opt-out takes opt_back_in=True"
KEPT_OUT = "is known to be opted out, and will stay so"
HELD_OUT = "held as opted out by the ledger, and not shown so by the account: its opt-out is written"
NOTES = {
    "kept_out": KEPT_OUT,
    "stays_out": STAYS_OUT,
    "held_out": HELD_OUT,
    "elsewhere": "was opted out in a run of another key of this host",
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
AT_ONCE = 100_000
"""Rows whose columns are worked with together."""
_SECOND = 1_000_000


@dataclass(frozen=True)
class Known:
    """What is known besides the account.

    Attributes:
        out: numbers that the ledger holds as opted out.
        made: by number, `contact_id` and `created_at` of the contact that the last run created under it.
        elsewhere: by number that is out under another key of the service, that account's label.
    """

    out: Collection[str] = ()
    made: Mapping[str, Contact] = field(default_factory=dict)
    elsewhere: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Asked:
    """What a caller asks for.

    Attributes:
        kind: what the run is for.
        source: the caller's rows.
        options: how.
        base: the frame as it was pulled, to merge with: a row for each of the source's (see `aligned`).
        change: tags to add, remove or rename, instead of the frame's.
    """

    kind: Kind
    source: Source
    options: Options
    base: pl.DataFrame | None = None
    change: TagChange | None = None

    def part(self, rows: pl.Series) -> Asked:
        """Return the same, asked of some of the rows."""
        base = None if self.base is None else self.base[rows]
        return replace(self, source=replace(self.source, frame=self.source.frame[rows]), base=base)

    def slices(self) -> Iterator[tuple[int, Asked]]:
        """Yield the same in pieces, each with the position of its first row: what is worked out of one takes memory."""
        for start in range(0, self.source.frame.height, AT_ONCE):
            base = None if self.base is None else self.base.slice(start, AT_ONCE)
            frame = self.source.frame.slice(start, AT_ONCE)
            yield start, replace(self, source=replace(self.source, frame=frame), base=base)


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
        problem = source.problem(())
        if problem.null_count() < problem.len():
            problem = problem.set(there, None)
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
    if not found.has_nulls() or account.is_empty():
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
    if not held.is_empty() and (held["key"].diff() == 0).any():
        held = held.sort("key", "out")
    asked = _as_integer(wanted)
    if held.is_empty():
        found = pl.Series("at", [None], dtype=pl.UInt32).new_from_index(0, wanted.len())
    else:
        place = held["key"].search_sorted(asked.fill_null(0), side="left").clip(upper_bound=held.height - 1)
        is_hit = (held["key"].gather(place) == asked).fill_null(value=False)
        found = held["at"].gather(place).set(~is_hit, None)
    odd = (asked.is_null() & wanted.is_not_null()).arg_true()
    if odd.is_empty() or not keys.has_nulls():
        return found
    others = pl.DataFrame({"phone": phones}).with_row_index("at").filter(keys.is_null())
    others = others.unique("phone", keep="last", maintain_order=True)
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
    is_elsewhere = pl.lit(value=False)
    if known.elsewhere:
        strangers = identities(pl.Series(list(known.elsewhere), dtype=pl.String))
        is_elsewhere = pl.lit(_is_among(source.identities(), strangers))
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
        elsewhere=new & ~out & ~back_in & is_elsewhere,
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
    marks = pl.DataFrame(
        {
            "phone": source.frame["phone"],
            "id": source.given("contact_id"),
            "created": source.given("created_at"),
            "there_id": merging.gathered(account, "contact_id", at),
            "there_created": merging.gathered(account, "created_at", at),
        }
    )
    other = is_other(marks)
    if known.made and other.any():
        ours = _is_ours(marks.filter(other), known.made)
        other = other.scatter(other.arg_true(), ~ours)
    return facts.select(
        out=(pl.lit(shown).fill_null(value=False) | pl.col("is_held")) & pl.col("there"),
        not_there=~pl.col("there"),
        another=pl.lit(other),
        action=pl.when(pl.col("there") & ~pl.lit(other)).then(_lit("delete")).otherwise(_lit("absent")),
    )


def is_other(marks: pl.DataFrame) -> pl.Series:
    """Tell where two contacts with one phone can't be one: see `same_contact`."""
    exact = (pl.col("created").dt.microsecond() % 1000 > 0) & (
        pl.col("there_created").dt.microsecond() % 1000 > 0
    )
    apart = (pl.col("created") - pl.col("there_created")).dt.total_microseconds().abs()
    return marks.select(
        pl.when(pl.col("id").is_not_null() & pl.col("there_id").is_not_null())
        .then(pl.col("id") != pl.col("there_id"))
        .when(exact)
        .then(apart > 0)
        .otherwise(apart >= _SECOND)
        .fill_null(value=False)
    ).to_series()


def _is_ours(marks: pl.DataFrame, made: Mapping[str, Contact]) -> pl.Series:
    return pl.Series(
        [
            same_contact(
                made.get(row["phone"], {}),
                {"contact_id": row["there_id"], "created_at": row["there_created"]},
            )
            is True
            for row in marks.iter_rows(named=True)
        ],
        dtype=pl.Boolean,
    )


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
