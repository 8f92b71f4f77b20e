"""Drivers of opting out among contacts who are alike: of one age, on one line, with the same other tags."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from sendblue_data._frames.grouping import Key
from sendblue_data._shared.validation import shown
from sendblue_data.analytics.cells import held_beside
from sendblue_data.analytics.rates import normal_quantile
from sendblue_data.analytics.stratified import (
    Cells,
    Ratio,
    Strata,
    log_ratios,
    mantel_haenszel,
    modified_poisson,
)
from sendblue_data.errors import ConfigurationError

ADJUSTABLE = ("age", "line", "tags")
_PARTS = (28, 91, 182, 365)
"""Ages in days at which a ratio may change; the test asks whether it does."""
RISKS = {
    "adjusted_relative_risk": pl.Float64,
    "adjusted_relative_risk_low": pl.Float64,
    "adjusted_relative_risk_high": pl.Float64,
    "adjusted_contacts": pl.Int64,
    "homogeneity_p": pl.Float64,
}
_RATIOS = pl.Schema({"level": pl.String, **RISKS})


def check_adjust(adjust: Sequence[str] | str | None) -> tuple[str, ...]:
    """Return what is to be held, each once.

    Raises:
        ConfigurationError: it is none of `ADJUSTABLE`.
    """
    names = (adjust,) if isinstance(adjust, str) else tuple(adjust or ())
    if unknown := [name for name in names if name not in ADJUSTABLE]:
        raise ConfigurationError(
            f"adjust names {shown(unknown[0])}: give some of {', '.join(ADJUSTABLE)}, as in adjust=('age', 'tags')."
        )
    return tuple(name for name in ADJUSTABLE if name in names)


def adjusted_risks(
    cells: pl.DataFrame,
    key: Key,
    adjust: Sequence[str],
    *,
    confidence: float,
    min_contacts: int,
) -> pl.DataFrame:
    """Return the relative risk of each set of one factor against the rest, while other things are held.

    Args:
        cells: of this factor, as `count_cells` has them in `alike`.
        key: what makes the factor's sets.
        adjust: some of `ADJUSTABLE`.
        confidence: of the intervals.
        min_contacts: tags with fewer contacts whose state is known are in no model.

    Returns:
        A row a set: `level`, and the columns of `RISKS`.
    """
    held = held_beside(key, adjust)
    z = normal_quantile(confidence)
    if "tags" not in adjust:
        rows = _one_by_one(
            cells.with_columns(expected=pl.col("known").cast(pl.Float64)), key, held, z, counts=True
        )
    elif key.is_tags:
        found = _tagged(cells, held, min_contacts)
        rows = dict(zip(found.tags, modified_poisson(found.made, z), strict=True))
    else:
        rows = _one_by_one(_expected(cells, held, min_contacts), key, held, z, counts=False)
    return pl.DataFrame(
        [(level, one.ratio, one.low, one.high, one.contacts, one.varies_p) for level, one in rows.items()],
        schema=_RATIOS,
        orient="row",
    )


def _numbered(cells: pl.DataFrame, strata: Sequence[str]) -> pl.DataFrame:
    """Number the strata and the parts of cells, and put the strata in order."""
    if not strata:
        return cells.with_columns(stratum=pl.lit(0, pl.Int64), part=pl.lit(0, pl.Int64))
    numbers = cells.select(strata).unique().sort(strata).with_row_index("stratum").cast({"stratum": pl.Int64})
    if "age" in strata:
        older = [(pl.col("age") >= edge).cast(pl.Int64) for edge in _PARTS]
        part = pl.sum_horizontal(older, ignore_nulls=False).fill_null(len(_PARTS) + 1)
    elif "line" in strata:
        part = pl.col("line").rank("dense").fill_null(0).cast(pl.Int64)
    else:
        part = pl.lit(0, pl.Int64)
    return (
        cells.join(numbers, on=list(strata), how="left", nulls_equal=True)
        .with_columns(part=part)
        .sort("stratum")
    )


@dataclass(frozen=True)
class _Tagged:
    """Tags that enough contacts have, and the cells in order, as a frame and with these tags as marks."""

    tags: list[str]
    cells: pl.DataFrame
    made: Cells


def _tagged(cells: pl.DataFrame, strata: Sequence[str], min_contacts: int) -> _Tagged:
    """Mark cells by each tag that enough contacts have, for a model of all tags at once."""
    sizes = (
        cells.explode("tags", empty_as_null=True)
        .drop_nulls("tags")
        .group_by("tags")
        .agg(pl.col("known").sum())
    )
    names = sorted(sizes.filter(pl.col("known") >= min_contacts)["tags"].to_list())
    ordered = _numbered(cells, strata).with_row_index("row")
    place = pl.DataFrame({"tags": names}, schema={"tags": pl.String}).with_row_index("mark")
    found = ordered.select("row", pl.col("tags").list.unique()).explode("tags", empty_as_null=True)
    found = found.join(place, on="tags").sort("row", "mark").cast({"row": pl.Int64, "mark": pl.Int64})
    made = Cells(
        ordered["stratum"].to_numpy(),
        ordered["part"].to_numpy(),
        ordered["known"].cast(pl.Float64).to_numpy(),
        ordered["opt_outs"].cast(pl.Float64).to_numpy(),
        found["row"].to_numpy(),
        found["mark"].to_numpy(),
        len(names),
    )
    return _Tagged(names, ordered, made)


def _expected(cells: pl.DataFrame, held: Sequence[str], min_contacts: int) -> pl.DataFrame:
    """Weigh cells by what their tags multiply opt-outs by, as found among contacts of the same level."""
    import numpy as np  # noqa: PLC0415 -- importing the package must not load it

    found = _tagged(cells, [*held, "level"], min_contacts)
    made, logs = found.made, np.zeros(found.cells.height)
    np.add.at(logs, made.rows, log_ratios(made)[made.marks])
    # Any common factor will do: none but that no weight is too large for a float.
    largest = logs.max(initial=0.0)
    return found.cells.with_columns(expected=pl.col("known") * pl.Series(np.exp(logs - largest)))


def _one_by_one(
    cells: pl.DataFrame, key: Key, held: Sequence[str], z: float, *, counts: bool
) -> dict[str, Ratio]:
    """Return Mantel and Haenszel's ratio of each level against all others in its strata."""
    sums = [pl.col("opt_outs", "expected", "known").sum()]
    ordered = _numbered(cells.drop("stratum", "part", strict=False), held)
    whole = ordered.group_by("stratum").agg(sums)
    if key.is_tags:
        tags = pl.col("tags").list.unique()
        each = ordered.with_columns(level=tags).explode("level", empty_as_null=True)
    else:
        each = ordered
    table = (
        each.drop_nulls("level")
        .group_by("level", "stratum", "part")
        .agg(sums)
        .join(whole, on="stratum", suffix="_of_all")
        .sort("level", "stratum")
    )
    rows = {}
    for (level,), part in table.group_by("level"):
        a, e1, n1, both, whole_expected = (
            part[name].cast(pl.Float64).to_numpy()
            for name in ("opt_outs", "expected", "known", "opt_outs_of_all", "expected_of_all")
        )
        alone = (part["known"] == part["known_of_all"]).to_numpy()
        rest = whole_expected - e1
        rest[alone] = 0.0
        strata = Strata(a, e1, both - a, rest, n1, part["part"].to_numpy())
        rows[str(level)] = mantel_haenszel(strata, z, counts=counts)
    return rows
