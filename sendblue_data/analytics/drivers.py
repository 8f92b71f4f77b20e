"""What goes with opting out: each tag, company, line and owner against everyone else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from sendblue_data._frames.conversion import column_names
from sendblue_data._frames.grouping import By, Key, keys_of
from sendblue_data._shared.time import Moment
from sendblue_data._shared.validation import shown
from sendblue_data.analytics.adjustment import RISKS, adjusted_risks, check_adjust
from sendblue_data.analytics.cells import count_cells
from sendblue_data.analytics.opt_outs import COUNTS, UNKNOWN, check_min_contacts
from sendblue_data.analytics.rates import benjamini_hochberg, rate_of
from sendblue_data.analytics.two_groups import relative_risk
from sendblue_data.errors import ConfigurationError, FrameError

FACTORS: Mapping[str, By] = {
    "tag": "tags",
    "company": "company_name",
    "line": "sendblue_number",
    "owner": "assigned_to_email",
}
"""What is tested unless told otherwise: name of the factor to what makes its sets."""

_COLUMNS = (
    *("factor", "level", "contacts", "unknown", "opt_outs", "opt_out_rate"),
    *("rest_contacts", "rest_unknown", "rest_opt_outs", "rest_opt_out_rate"),
    *("relative_risk", "relative_risk_low", "relative_risk_high", "p", "q"),
)
_ADJUSTED = (*RISKS, "expected_opt_out_rate", "after_adjusting")
_SETS = pl.Schema({"factor": pl.String, "level": pl.String} | dict.fromkeys([*COUNTS, "left_out"], pl.Int64))
"""What is counted of each set."""


def opt_out_drivers(
    contacts: Any,
    factors: Mapping[str, By] | Sequence[str] | None = None,
    *,
    adjust: Sequence[str] | str = (),
    as_of: Moment | None = None,
    confidence: float = 0.95,
    min_contacts: int = 20,
) -> pl.DataFrame:
    """Return how much more often, or less, contacts of each tag, company, line and owner opted out than the rest.

    Each set is held against all other contacts of the account. An association is no cause: sets overlap, and
    tags are often given because of what someone did. The rates are prevalences (see `opt_out_rate`), not
    unsubscribe rates per message.

    Old contacts had more time to opt out, so a tag that old contacts have looks worse than it is. `adjust` compares
    like with like, and gives the adjusted risk beside the crude one.

    Args:
        contacts: a contacts frame of any engine that Narwhals knows; it counts where the data lives.
        factors: which to test: some of `"tag"`, `"company"`, `"line"`, `"owner"`, or a mapping of a name of
            your own to anything that `by` of `opt_out_rate` takes, such as `{"plan": variable("Plan")}`.
            None: all four, as far as the frame has their columns.
        adjust: what is held, some of `"age"` (days since creation, in bands: of a day in the first week, of a
            week in the first eight, then of four), `"line"` and `"tags"` (every other tag that `min_contacts`
            have). Needs the columns `created_at`, `sendblue_number`, `tags`.
        as_of: the moment of the pull, to which ages are counted, as in `opt_out_cohorts`. None: the present.
        confidence: of the intervals.
        min_contacts: sets with fewer contacts are not tested: they are left out, and counted.

    Returns:
        Smallest p first (then the larger set): `factor`; `level`, the tag, company, ... as text; `contacts`,
        `unknown`, `opt_outs` and `opt_out_rate` of the set; the same of the rest as `rest_contacts`,
        `rest_unknown`, `rest_opt_outs`, `rest_opt_out_rate`; `relative_risk` = opt_out_rate /
        rest_opt_out_rate, with Koopman's score interval `relative_risk_low` to `relative_risk_high`; `p`,
        two-sided, Fisher's exact where counts are small, else Pearson's chi-squared; `q`, Benjamini and
        Hochberg's over every test in the table;
        `left_out`: how many sets of this factor were too small; `confidence`, of the intervals. Unknown
        opt-outs are in no rate. Contacts
        without a value (no company, no tag) are no set of their own, but part of every rest. For what is null
        or infinite where nobody opted out, see `relative_risk`.

        With `adjust`, before `left_out`: `adjusted_relative_risk` with `_low` and `_high`, among contacts who are
        alike: Mantel and Haenszel's with Greenland and Robins's interval, or for tags held, Zou's modified
        Poisson (see "Statistics"); `adjusted_contacts`, contacts of the set who are like some of the rest, on
        whom it rests; `homogeneity_p`: p that the adjusted risk is the same at every age (or else on every line):
        where it is small, one number does not say it; `expected_opt_out_rate`, the set's rate if it were as the
        rest is, opt_out_rate / adjusted_relative_risk; and `after_adjusting`, in a word what became of the crude
        difference: `"holds"`; `"fades"`, the adjusted interval holds 1; `"appears"`, only the adjusted interval
        leaves 1 out; `"reverses"`; `"no difference"`, neither; or `"not comparable"`, too few are alike.

    Raises:
        FrameError: a column is missing or of another type.
        ConfigurationError: a factor is not known or gives several columns, `adjust` names something else, the
            confidence isn't between 0 and 1, `min_contacts` is no number from 0, or `as_of` is no moment.

    Example:
        >>> from datetime import UTC, datetime
        >>> people = pl.DataFrame({
        ...     "tags": [["Cold"]] * 40 + [["Warm"]] * 60,
        ...     "opt_out": [True] * 10 + [False] * 30 + [True] * 3 + [False] * 57,
        ... })
        >>> table = opt_out_drivers(people, ["tag"])
        >>> table.select("level", "opt_out_rate", "relative_risk", "relative_risk_low", "relative_risk_high").rows()
        [('Warm', 0.05, 0.2, 0.0620..., 0.6287...), ('Cold', 0.25, 5.0, 1.5903..., 16.1100...)]

        Old contacts had more time; among those of one age, the list is like everyone:

        >>> people = pl.DataFrame({
        ...     "tags": [["List"]] * 40 + [[]] * 20 + [["List"]] * 20 + [[]] * 40,
        ...     "created_at": [datetime(2025, 1, 1, tzinfo=UTC)] * 60 + [datetime(2026, 2, 1, tzinfo=UTC)] * 60,
        ...     "opt_out": [n % 2 == 0 for n in range(60)] + [n % 10 == 0 for n in range(60)],
        ... })
        >>> table = opt_out_drivers(people, ["tag"], adjust="age", as_of="2026-03-01")
        >>> table.select("relative_risk", "adjusted_relative_risk", "adjusted_contacts", "after_adjusting").row(0)
        (1.571..., 1.0, 60, 'no difference')
    """
    check_min_contacts(min_contacts)
    held = check_adjust(adjust)
    keys = _keys(contacts, _chosen(contacts, factors))
    cells = count_cells(contacts, [key for _, key in keys], held, as_of=as_of)
    everyone = cells.everyone
    tested = [
        _large(name, levels, min_contacts) for (name, _), levels in zip(keys, cells.levels, strict=True)
    ]
    sets = pl.concat([*tested, _SETS.to_frame()])
    for name in COUNTS:
        sets = sets.with_columns((everyone[name].item() - pl.col(name)).alias(f"rest_{name}"))
    tests = relative_risk(
        sets["opt_outs"], sets["known"], sets["rest_opt_outs"], sets["rest_known"], confidence
    )
    table = sets.hstack(tests).with_columns(
        UNKNOWN,
        rest_unknown=pl.col("rest_contacts") - pl.col("rest_known"),
        opt_out_rate=rate_of("opt_outs", "known"),
        rest_opt_out_rate=rate_of("rest_opt_outs", "rest_known"),
        q=benjamini_hochberg(tests["p"]),
    )
    columns = list(_COLUMNS)
    if held:
        parts = [
            adjusted_risks(alike, key, held, confidence=confidence, min_contacts=min_contacts).with_columns(
                factor=pl.lit(name)
            )
            for (name, key), alike in zip(keys, cells.alike, strict=True)
        ]
        table = _with_adjusted(table, parts)
        columns += _ADJUSTED
    order = ["p", "contacts", "factor", "level"]
    descending = [False, True, False, False]
    return table.sort(order, descending=descending, nulls_last=True).select(
        *columns, "left_out", confidence=pl.lit(confidence)
    )


def _with_adjusted(table: pl.DataFrame, parts: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Add adjusted risks, and a word on what became of the crude ones."""
    table = table.join(pl.concat(parts), on=["factor", "level"], how="left", maintain_order="left")
    risk = pl.col("adjusted_relative_risk")
    crude, adjusted = (_side(f"{prefix}relative_risk") for prefix in ("", "adjusted_"))
    word = (
        pl.when(risk.is_null())
        .then(pl.lit("not comparable"))
        .when((crude == 0) & (adjusted == 0))
        .then(pl.lit("no difference"))
        .when(crude == adjusted)
        .then(pl.lit("holds"))
        .when(adjusted == 0)
        .then(pl.lit("fades"))
        .when(crude == 0)
        .then(pl.lit("appears"))
        .otherwise(pl.lit("reverses"))
    )
    return table.with_columns(
        pl.col("adjusted_contacts").fill_null(0),
        expected_opt_out_rate=pl.when(risk > 0).then(pl.col("opt_out_rate") / risk),
        after_adjusting=word,
    )


def _side(risk: str) -> pl.Expr:
    """Tell on which side of 1 the whole interval of a risk lies: 1, -1, or 0 for neither."""
    above = (pl.col(f"{risk}_low") > 1).fill_null(value=False)
    below = (pl.col(f"{risk}_high") < 1).fill_null(value=False)
    return above.cast(pl.Int8) - below.cast(pl.Int8)


def _chosen(contacts: Any, factors: Mapping[str, By] | Sequence[str] | None) -> Mapping[str, By]:
    if isinstance(factors, Mapping):
        return factors
    if factors is None:
        has = column_names(contacts)
        chosen = {name: by for name, by in FACTORS.items() if by in has}
        if not chosen:
            raise FrameError(f"the frame has none of the columns {', '.join(map(str, FACTORS.values()))}.")
        return chosen
    names = [factors] if isinstance(factors, str) else list(factors)
    if unknown := [name for name in names if name not in FACTORS]:
        raise ConfigurationError(
            f"{shown(unknown[0])} is no factor: give some of {', '.join(FACTORS)}, "
            "or a mapping of names to groups."
        )
    return {name: FACTORS[name] for name in names}


def _keys(contacts: Any, factors: Mapping[str, By]) -> list[tuple[str, Key]]:
    keys = [(name, keys_of(contacts, by)) for name, by in factors.items()]
    for name, found in keys:
        if len(found) != 1:
            raise ConfigurationError(f"the factor {name!r} gives {len(found)} columns: it needs one.")
    return [(name, found[0]) for name, found in keys]


def _large(factor: str, levels: pl.DataFrame, min_contacts: int) -> pl.DataFrame:
    """Keep one factor's sets that are large enough, and count the others."""
    table = levels.drop_nulls("level")
    large = table.filter(pl.col("contacts") >= min_contacts)
    return large.with_columns(
        pl.col("level").cast(pl.String),
        factor=pl.lit(factor),
        left_out=pl.lit(table.height - large.height, pl.Int64),
    ).select(list(_SETS))
