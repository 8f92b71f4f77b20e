"""Who is verified: the rate, the funnel down to those who may be texted, the backlog and its worklist."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import narwhals as nw
import polars as pl

from sendblue_data._frames.conversion import column_names
from sendblue_data._frames.engines import HAS_PHONE, Days, collect, project
from sendblue_data._frames.grouping import By, Key, Measure, grouped, how_many, in_order, keys_of
from sendblue_data._shared.time import Moment, as_of as moment_of
from sendblue_data._shared.warned import warn
from sendblue_data.analytics.opt_outs import rate_by_group
from sendblue_data.analytics.rates import rate_of, with_share
from sendblue_data.schema import CONTACT_SCHEMA, IS_E164

REACHABLE = "with an E.164 phone, known not to have opted out"
"""What `reachable` means, in words."""
REACHABLE_VERIFIED = f"verified, {REACHABLE}"
UNUSED = "No contact is verified: the account does not seem to use verification."
"""What to say where the API calls nobody verified: paid plans need no verification."""
_SHOWING = 3
"""Contacts of known state from which on none verified says something of the account."""
_AGES = (
    ("under 1 week", 0, 7),
    ("1 to 4 weeks", 7, 28),
    ("4 weeks to 3 months", 28, 91),
    ("3 to 6 months", 91, 182),
    ("6 to 12 months", 182, 365),
    ("over 1 year", 365, None),
    ("not known", None, None),
)
"""Ages in whole days, from and before; the last is for contacts without `created_at`."""


_VERIFIED, _SUBSCRIBED = nw.col("verified"), ~nw.col("opt_out")


def _sure(*conditions: nw.Expr) -> nw.Expr:
    """Tell whether a contact meets every condition; a null is not sure."""
    return nw.all_horizontal(*(one.fill_null(value=False) for one in conditions), ignore_nulls=False)


def _all_of(*conditions: nw.Expr) -> nw.Expr:
    """Count the contacts that meet every condition for sure."""
    return how_many(_sure(*conditions))


def _with_phone(contacts: Any, *left: nw.Expr) -> nw.Expr:
    """Count those left that have an E.164 phone: on Polars, only the phones that matter are looked at."""
    if not isinstance(contacts, (pl.DataFrame, pl.LazyFrame)):
        return _all_of(*left, HAS_PHONE)
    return nw.col("phone").filter(_sure(*left)).str.contains(IS_E164).cast(nw.Int64).sum()


def verification_rate(
    contacts: Any,
    by: By | Sequence[By] | None = None,
    *,
    confidence: float = 0.95,
    min_contacts: int = 0,
) -> pl.DataFrame:
    """Return the share of contacts that are verified, of all contacts or of each group.

    Args:
        contacts: a contacts frame of any engine that Narwhals knows.
        by: as for `opt_out_rate`.
        confidence: of the intervals.
        min_contacts: groups with fewer contacts are left out, and counted.

    Returns:
        A row a group, or one row: the group's columns, then `contacts`; `unknown`, those whose `verified` the
        API did not say, who count in no rate; `verified`; `rate` = verified / (contacts - unknown), with
        Wilson's interval `low` to `high`, null when nobody is known; and `left_out` as in `opt_out_rate`.
        Order of rows and groups as there.

    Raises:
        FrameError: a column is missing, of another type, or can't be grouped by.
        ConfigurationError: the confidence isn't between 0 and 1, or `min_contacts` is no number from 0.

    Example:
        >>> people = pl.DataFrame({"verified": [True, True, False, None]})
        >>> verification_rate(people).select("contacts", "unknown", "verified", "rate").row(0)
        (4, 1, 2, 0.666...)
    """
    return rate_by_group(
        contacts, by, "verified", "verified", confidence=confidence, min_contacts=min_contacts
    )


def verification_funnel(
    contacts: Any, by: By | Sequence[By] | None = None, *, verified: bool = False
) -> pl.DataFrame:
    """Count the contacts that remain at each step from all of them to those who may be texted.

    The steps are `all`; `not opted out`: known not to have opted out; `reachable`: these with an E.164 phone,
    exactly the segment `reachable()`. With `verified=True` there is a step `verified` after `all`, and the
    last step is exactly `reachable(verified=True)`: whom Sendblue's free plan texts.

    Args:
        contacts: a contacts frame of any engine that Narwhals knows.
        by: as for `opt_out_rate`; each group has its own steps.
        verified: whether reachable means verified, too. Paid plans need no verification: there, nobody may
            be verified.

    Returns:
        A row a group and step: the group's columns, then `step`; `contacts` that remain; `share` of all (of
        the group); `step_share` of the step before, null at `all` and where nobody was left; `unknown`:
        contacts of the step before that stop here because the API did not say; `definition`: what `reachable`
        means in this table, in words, the same in each row. Where a step stops everybody because the API said
        it of nobody, the shares from there on are null: nothing is known. Groups are ordered as in
        `opt_out_rate`.

    Raises:
        FrameError: a column is missing, of another type, or can't be grouped by.

    Example:
        >>> people = pl.DataFrame({
        ...     "phone": ["+12125550100", "+12125550101", "+12125550102", "555"],
        ...     "verified": [True, True, False, True],
        ...     "opt_out": [False, None, False, False],
        ... })
        >>> funnel = verification_funnel(people)
        >>> funnel.drop("definition")
        shape: (3, 5)
        ┌───────────────┬──────────┬───────┬────────────┬─────────┐
        │ step          ┆ contacts ┆ share ┆ step_share ┆ unknown │
        │ ---           ┆ ---      ┆ ---   ┆ ---        ┆ ---     │
        │ str           ┆ i64      ┆ f64   ┆ f64        ┆ i64     │
        ╞═══════════════╪══════════╪═══════╪════════════╪═════════╡
        │ all           ┆ 4        ┆ 1.0   ┆ null       ┆ 0       │
        │ not opted out ┆ 3        ┆ 0.75  ┆ 0.75       ┆ 1       │
        │ reachable     ┆ 2        ┆ 0.5   ┆ 0.666667   ┆ 0       │
        └───────────────┴──────────┴───────┴────────────┴─────────┘
        >>> funnel["definition"][0]
        'with an E.164 phone, known not to have opted out'
        >>> verification_funnel(people, verified=True).select("step", "contacts").rows()
        [('all', 4), ('verified', 3), ('not opted out', 2), ('reachable', 1)]
    """
    taken = ["step", "contacts", "share", "step_share", "unknown", "definition"]
    keys = keys_of(contacts, by, taken=taken)
    asked, left, steps = ["opt_out"], [_SUBSCRIBED], ["all", "not opted out", "reachable"]
    if verified:
        asked, left = ["verified", "opt_out"], [_VERIFIED, _SUBSCRIBED]
        steps = ["all", "verified", "not opted out", "reachable"]
    last, kept = len(left) + 1, nw.col("phone")
    measures = {"step_0": Measure(nw.len())}
    for place, name in enumerate(asked, 1):
        measures[f"step_{place}"] = Measure(_all_of(*left[:place]))
        measures[f"unknown_{place}"] = Measure(_all_of(*left[: place - 1], nw.col(name).is_null()))
    measures[f"step_{last}"] = Measure(_all_of(*left, HAS_PHONE) if keys else _with_phone(contacts, *left))
    measures[f"unknown_{last}"] = Measure(_all_of(*left, kept.is_null()))
    columns = {name: name for name in ("phone", "opt_out", *["verified"] * verified)}
    table = in_order(grouped(contacts, keys, columns, measures), keys, size="step_0").with_columns(
        unknown_0=pl.lit(0, pl.Int64), told_0=pl.lit(value=True)
    )
    for place in range(1, last + 1):
        before, unknown = pl.col(f"step_{place - 1}"), pl.col(f"unknown_{place}")
        told = pl.col(f"told_{place - 1}") & ((unknown < before) | (before == 0))
        table = table.with_columns(told.alias(f"told_{place}"))
    names = [key.name for key in keys]
    rows = [
        table.select(
            *names,
            pl.int_range(pl.len()).alias("group"),
            pl.lit(step).alias("step"),
            pl.col(f"step_{place}").alias("contacts"),
            pl.when(f"told_{place}").then(rate_of(f"step_{place}", "step_0")).alias("share"),
            pl.when(pl.lit(place > 0), f"told_{place}")
            .then(rate_of(f"step_{place}", f"step_{max(place - 1, 0)}"))
            .alias("step_share"),
            pl.col(f"unknown_{place}").alias("unknown"),
            pl.lit(REACHABLE_VERIFIED if verified else REACHABLE).alias("definition"),
        )
        for place, step in enumerate(steps)
    ]
    return pl.concat(rows).sort("group", maintain_order=True).drop("group")


def verification_backlog(contacts: Any, as_of: Moment | None = None) -> pl.DataFrame:
    """Count the contacts known to be unverified, by age: the days since they were created.

    Args:
        contacts: a contacts frame of any engine that Narwhals knows.
        as_of: the moment that ages are counted to: a datetime, a date (its first moment) or either as ISO
            8601; without a zone it is UTC. None: the present.

    Returns:
        A row an age, youngest first, always the same seven: `age`; `from_days` and `before_days`, its bounds
        in days; `contacts`, unverified; `share` of all unverified; `unknown`, contacts of that age whose
        `verified` the API did not say, who are in no other column; `opt_outs`, of the unverified;
        `to_verify`, of them known not to have opted out, with an E.164 phone: whom `verification_worklist`
        lists, where the account uses verification. Contacts without `created_at` are in the row `not known`,
        and where all are, the other shares are null; those created after `as_of`, by a clock that is ahead, are
        in the first.

    Raises:
        FrameError: a column is missing or of another type.
        ConfigurationError: `as_of` is no moment.

    Example:
        >>> from datetime import UTC, datetime
        >>> people = pl.DataFrame({
        ...     "phone": ["+12125550100", "+12125550101"],
        ...     "verified": [False, False],
        ...     "opt_out": [False, True],
        ...     "created_at": [datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 27, tzinfo=UTC)],
        ... })
        >>> backlog = verification_backlog(people, as_of="2026-03-01")
        >>> backlog.filter(pl.col("contacts") > 0).select("age", "contacts", "opt_outs", "to_verify").rows()
        [('under 1 week', 1, 1, 0), ('4 weeks to 3 months', 1, 0, 1)]
    """
    unverified = ~_VERIFIED
    measures = {
        "contacts": Measure(_all_of(unverified)),
        "unknown": Measure(_all_of(_VERIFIED.is_null())),
        "opt_outs": Measure(_all_of(unverified, nw.col("opt_out"))),
        "to_verify": Measure(_all_of(unverified, _SUBSCRIBED, HAS_PHONE)),
    }
    # `Days` rounds down, and these are negative: from just after `as_of`, seven full days are -8.
    columns = {name: name for name in ("phone", "opt_out", "verified")}
    keys = [Key("age_days", Days(moment_of(as_of) + timedelta(microseconds=1)))]
    days = grouped(contacts, keys, columns, measures, only=~_VERIFIED.fill_null(value=False)).with_columns(
        age_days=(-pl.col("age_days") - 1).clip(lower_bound=0)
    )
    ages = pl.DataFrame(
        _AGES, schema={"age": pl.String, "from_days": pl.Int64, "before_days": pl.Int64}, orient="row"
    ).with_row_index("row")
    last, edges = len(_AGES) - 1, [before for _, _, before in _AGES if before]
    older_than = [(pl.col("age_days") >= edge).cast(pl.UInt32) for edge in edges]
    placed = days.with_columns(row=pl.sum_horizontal(older_than, ignore_nulls=False).fill_null(last))
    counts = placed.group_by("row").agg(pl.col(list(measures)).sum())
    backlog = ages.join(counts, on="row", how="left", maintain_order="left").with_columns(
        pl.col(list(measures)).fill_null(0)
    )
    total = int(backlog["contacts"].sum())
    dated = (pl.col("contacts").sum() > pl.col("contacts").last()) | (pl.col("age") == "not known")
    return (
        with_share(backlog, "contacts", total)
        .with_columns(share=pl.when(dated).then("share"))
        .select("age", "from_days", "before_days", "contacts", "share", "unknown", "opt_outs", "to_verify")
    )


def verification_worklist(contacts: Any, *, even_if_unused: bool = False) -> pl.DataFrame:
    """Return the contacts to send a verification message to: what `bulk_verify(client, frame)` takes.

    They are known to be unverified and known not to have opted out, and have an E.164 phone. Contacts whose
    state the API did not say are not among them: a message to someone who opted out can't be taken back.

    Where not one contact is verified, the account does not seem to use verification: paid plans need none,
    and the list would be everybody. Then the list is empty, with a warning that says so.

    Args:
        contacts: a contacts frame of any engine that Narwhals knows: of the whole account, since the verified
            ones show that verification is used.
        even_if_unused: list them although no contact is verified, as on a free plan's first day. Frames of
            one or two contacts, which show nothing of an account, are listed anyway.

    Returns:
        Their rows, with the frame's columns; those of a contacts frame have its types. Longest waiting first,
        then by phone; contacts without `created_at` last.

    Raises:
        FrameError: a column is missing or of another type.

    Warns:
        UserWarning: contacts wait, and none of three or more is verified.

    Example:
        >>> people = pl.DataFrame({
        ...     "phone": ["+12125550100", "+12125550101", "+12125550102"],
        ...     "verified": [False, False, True],
        ...     "opt_out": [False, None, False],
        ... })
        >>> verification_worklist(people)["phone"].to_list()
        ['+12125550100']
    """
    wanted = dict.fromkeys([*column_names(contacts), "phone", "verified", "opt_out"])
    frame = project(contacts, {name: name for name in wanted})
    waiting = collect(frame.filter(~_VERIFIED, _SUBSCRIBED, HAS_PHONE))
    if waiting.height and not even_if_unused and nobody_verified(contacts, of_known=_SHOWING):
        warn(
            f"{UNUSED} Paid plans need none, and {waiting.height:,} contacts would get a message, so the list "
            "is empty. If they are to get one, or the frame is only a part of the account: "
            "verification_worklist(contacts, even_if_unused=True).",
            UserWarning,
        )
        waiting = waiting.clear()
    waiting = waiting.cast({name: kind for name, kind in CONTACT_SCHEMA.items() if name in waiting.columns})
    order = [name for name in ("created_at", "phone", "contact_id") if name in waiting.columns]
    return waiting.sort(order, nulls_last=True, maintain_order=True)


def nobody_verified(contacts: Any, *, of_known: int = 0) -> bool:
    """Return whether there are contacts, so many of known state, and none of them is verified."""
    rates = verification_rate(contacts).row(0, named=True)
    known = rates["contacts"] - rates["unknown"]
    return bool(rates["contacts"]) and bool(known >= of_known) and not rates["verified"]
