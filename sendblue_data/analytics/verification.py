"""Who is verified: the rate, the funnel down to those who may be texted, the backlog and its worklist."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import narwhals as nw
import polars as pl

from sendblue_data.analytics.engines import Days, collect, columns_of, project
from sendblue_data.analytics.grouping import By, Key, Measure, counted, grouped, in_order, keys_of
from sendblue_data.analytics.moments import as_of
from sendblue_data.analytics.opt_outs import finish_rates
from sendblue_data.analytics.rates import rate_of, with_share
from sendblue_data.contacts import CONTACT_SCHEMA, IS_E164

# `\z`, and not `$`, which in Java also matches before a line feed at the end.
_STEPS = ("all", "verified", "not opted out", "reachable")
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


def _all_of(*conditions: nw.Expr) -> nw.Expr:
    """How many contacts meet every condition for sure; a null is not sure."""
    return (
        nw.all_horizontal(*(one.fill_null(value=False) for one in conditions), ignore_nulls=False)
        .cast(nw.Int64)
        .sum()
    )


def _reachable(contacts: Any) -> nw.Expr:
    """How many contacts may be texted, of all: on Polars, only the phones that matter are looked at."""
    if not isinstance(contacts, (pl.DataFrame, pl.LazyFrame)):
        return _all_of(_VERIFIED, _IN, _E164_PHONE)
    left = _VERIFIED.fill_null(value=False) & _IN.fill_null(value=False)
    return nw.col("phone").filter(left).str.contains(IS_E164).cast(nw.Int64).sum()


_VERIFIED, _IN, _E164_PHONE = nw.col("verified"), ~nw.col("opt_out"), nw.col("phone").str.contains(IS_E164)


def verification_rate(
    contacts: Any,
    by: By | Sequence[By] | None = None,
    *,
    confidence: float = 0.95,
    min_contacts: int = 0,
) -> pl.DataFrame:
    """The share of contacts that are verified, of all contacts or of each group.

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
        ConfigurationError: the confidence isn't between 0 and 1.

    Examples:
        >>> people = pl.DataFrame({"verified": [True, True, False, None]})
        >>> verification_rate(people).select("contacts", "unknown", "verified", "rate").row(0)
        (4, 1, 2, 0.666...)
    """
    keys = keys_of(contacts, by, taken=["contacts", "unknown", "verified", "rate", "low", "high", "left_out"])
    measures = {
        "contacts": Measure(nw.len()),
        "known": Measure(nw.col("verified").count()),
        # Named apart from the column that it counts, which some engines would take first.
        "hits": Measure(counted("verified")),
    }
    table = grouped(contacts, keys, {"verified": "verified"}, measures).rename({"hits": "verified"})
    return finish_rates(table, keys, "verified", confidence=confidence, min_contacts=min_contacts)


def verification_funnel(contacts: Any, by: By | Sequence[By] | None = None) -> pl.DataFrame:
    """How many contacts remain at each step from all of them to those who may be texted.

    The steps are `all`; `verified`; `not opted out`: verified, and known not to have opted out; `reachable`:
    these with an E.164 phone, exactly the segment `reachable()`.

    Args:
        contacts: a contacts frame of any engine that Narwhals knows.
        by: as for `opt_out_rate`; each group has its own four steps.

    Returns:
        A row a group and step: the group's columns, then `step`; `contacts` that remain; `share` of all (of
        the group); `step_share` of the step before, null at `all` and where nobody was left; `unknown`:
        contacts of the step before that stop here because the API did not say. Groups are ordered as in
        `opt_out_rate`.

    Raises:
        FrameError: a column is missing, of another type, or can't be grouped by.

    Examples:
        >>> people = pl.DataFrame({
        ...     "phone": ["+12125550100", "+12125550101", "+12125550102", "555"],
        ...     "verified": [True, True, False, True],
        ...     "opt_out": [False, None, False, False],
        ... })
        >>> verification_funnel(people)
        shape: (4, 5)
        ┌───────────────┬──────────┬───────┬────────────┬─────────┐
        │ step          ┆ contacts ┆ share ┆ step_share ┆ unknown │
        │ ---           ┆ ---      ┆ ---   ┆ ---        ┆ ---     │
        │ str           ┆ i64      ┆ f64   ┆ f64        ┆ i64     │
        ╞═══════════════╪══════════╪═══════╪════════════╪═════════╡
        │ all           ┆ 4        ┆ 1.0   ┆ null       ┆ 0       │
        │ verified      ┆ 3        ┆ 0.75  ┆ 0.75       ┆ 0       │
        │ not opted out ┆ 2        ┆ 0.5   ┆ 0.666667   ┆ 1       │
        │ reachable     ┆ 1        ┆ 0.25  ┆ 0.5        ┆ 0       │
        └───────────────┴──────────┴───────┴────────────┴─────────┘
    """
    keys = keys_of(contacts, by, taken=["step", "contacts", "share", "step_share", "unknown"])
    # Phones that are missing stop at the last step like any other that is not E.164: they are not unknown.
    measures = {
        "step_0": Measure(nw.len()),
        "step_1": Measure(_all_of(_VERIFIED)),
        "step_2": Measure(_all_of(_VERIFIED, _IN)),
        "step_3": Measure(_reachable(contacts) if not keys else _all_of(_VERIFIED, _IN, _E164_PHONE)),
        "unknown_1": Measure(_all_of(_VERIFIED.is_null())),
        "unknown_2": Measure(_all_of(_VERIFIED, _IN.is_null())),
    }
    columns = {name: name for name in ("phone", "opt_out", "verified")}
    table = in_order(grouped(contacts, keys, columns, measures), keys, size="step_0").with_columns(
        unknown_0=pl.lit(0, pl.Int64), unknown_3=pl.lit(0, pl.Int64)
    )
    names = [key.name for key in keys]
    steps = [
        table.select(
            *names,
            pl.int_range(pl.len()).alias("group"),
            pl.lit(step).alias("step"),
            pl.col(f"step_{place}").alias("contacts"),
            rate_of(f"step_{place}", "step_0").alias("share"),
            (rate_of(f"step_{place}", f"step_{place - 1}") if place else pl.lit(None, pl.Float64)).alias(
                "step_share"
            ),
            pl.col(f"unknown_{place}").alias("unknown"),
        )
        for place, step in enumerate(_STEPS)
    ]
    return pl.concat(steps).sort("group", maintain_order=True).drop("group")


def verification_backlog(contacts: Any, now: datetime | None = None) -> pl.DataFrame:
    """Contacts known to be unverified, by age: the days since they were created.

    Args:
        contacts: a contacts frame of any engine that Narwhals knows.
        now: the moment that ages are counted to; without a zone it is UTC. None: the present.

    Returns:
        A row an age, youngest first, always the same seven: `age`; `from_days` and `before_days`, its bounds
        in days; `contacts`, unverified; `share` of all unverified; `unknown`, contacts of that age whose
        `verified` the API did not say, who are in no other column; `opted_out`, of the unverified;
        `to_verify`, of them in `verification_worklist`. Contacts without `created_at` are in the row
        `not known`; those created after `now`, by a clock that is ahead, in the first.

    Raises:
        FrameError: a column is missing or of another type.

    Examples:
        >>> from datetime import UTC
        >>> people = pl.DataFrame({
        ...     "phone": ["+12125550100", "+12125550101"],
        ...     "verified": [False, False],
        ...     "opt_out": [False, True],
        ...     "created_at": [datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 27, tzinfo=UTC)],
        ... })
        >>> backlog = verification_backlog(people, now=datetime(2026, 3, 1, tzinfo=UTC))
        >>> backlog.filter(pl.col("contacts") > 0).select("age", "contacts", "opted_out", "to_verify").rows()
        [('under 1 week', 1, 1, 0), ('4 weeks to 3 months', 1, 0, 1)]
    """
    unverified = ~_VERIFIED
    measures = {
        "contacts": Measure(_all_of(unverified)),
        "unknown": Measure(_all_of(_VERIFIED.is_null())),
        "opted_out": Measure(_all_of(unverified, nw.col("opt_out"))),
        "to_verify": Measure(_all_of(unverified, _IN, _E164_PHONE)),
    }
    # `Days` rounds down, and these are negative: from just after now, seven full days are -8.
    columns = {name: name for name in ("phone", "opt_out", "verified")}
    keys = [Key("age_days", Days(as_of(now) + timedelta(microseconds=1)))]
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
    return with_share(backlog, "contacts", int(backlog["contacts"].sum())).select(
        "age", "from_days", "before_days", "contacts", "share", "unknown", "opted_out", "to_verify"
    )


def verification_worklist(contacts: Any) -> pl.DataFrame:
    """The contacts to send a verification message to: what `bulk_verify(client, frame)` takes.

    They are known to be unverified and known not to have opted out, and have an E.164 phone. Contacts whose
    state the API did not say are not among them: a message to someone who opted out can't be taken back.

    Args:
        contacts: a contacts frame of any engine that Narwhals knows.

    Returns:
        Their rows, with the frame's columns; those of a contacts frame have its types. Longest waiting first,
        then by phone; contacts without `created_at` last.

    Raises:
        FrameError: a column is missing or of another type.

    Examples:
        >>> people = pl.DataFrame({
        ...     "phone": ["+12125550100", "+12125550101", "555"],
        ...     "verified": [False, False, False],
        ...     "opt_out": [False, None, False],
        ... })
        >>> verification_worklist(people)["phone"].to_list()
        ['+12125550100']
    """
    wanted = dict.fromkeys([*columns_of(contacts), "phone", "verified", "opt_out"])
    frame = project(contacts, {name: name for name in wanted})
    waiting = collect(frame.filter(~_VERIFIED, _IN, _E164_PHONE))
    waiting = waiting.cast({name: kind for name, kind in CONTACT_SCHEMA.items() if name in waiting.columns})
    order = [name for name in ("created_at", "phone", "contact_id") if name in waiting.columns]
    return waiting.sort(order, nulls_last=True, maintain_order=True)
