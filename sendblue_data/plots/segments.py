"""Plots of named segments: their opt-out rates side by side, and what they share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

import polars as pl

from sendblue_data.plots.canvas import (
    SMALL_GROUP,
    TOP,
    Column,
    PlotOptions,
    canvas,
    keep_top,
    require,
    with_options,
)
from sendblue_data.plots.labels import decimal, percent
from sendblue_data.plots.opt_outs import PREVALENCE
from sendblue_data.plots.rates import NOTHING_KNOWN, draw_rates

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH_WITH_DIFFERENCES = 10.0
"""Inches, so that a fifth column leaves room for the intervals."""


@with_options
def compare_segments(
    table: pl.DataFrame,
    *,
    top: int | None = TOP,
    grey_below: int = SMALL_GROUP,
    **options: Unpack[PlotOptions],
) -> Axes:
    """Draw the opt-out rate of each segment with its interval, and the difference to the baseline beside it.

    Args:
        table: what `compare_segments(contacts, segments)` gives. Rows keep their order.
        top: most segments drawn, the largest; the rest is counted in a note. None draws all.
        grey_below: segments with fewer known contacts are greyed.
        **options: `ax`, `title`, `as_of`, `theme`, as of every plot: see `PlotOptions`.

    Example:
        >>> from matplotlib.figure import Figure
        >>> table = pl.DataFrame({"segment": ["VIPs"], "contacts": [80], "unknown": [0], "opt_outs": [8],
        ...     "opt_out_rate": [0.1], "opt_out_rate_low": [0.05], "opt_out_rate_high": [0.19],
        ...     "baseline": ["the rest"], "difference": [0.02],
        ...     "difference_low": [-0.03], "difference_high": [0.1], "relation": ["apart"]})
        >>> ax = compare_segments(table, ax=Figure().subplots())
        >>> "+2.0 (-3.0 to +10.0)" in [text.get_text() for text in ax.texts]
        True
    """
    columns = ["segment", "contacts", "unknown", "opt_outs"]
    differences = ["baseline", "difference", "difference_low", "difference_high", "relation"]
    rate = ["opt_out_rate", "opt_out_rate_low", "opt_out_rate_high"]
    table = require(table, [*columns, *rate, *differences], "compare_segments")
    renamed = dict(zip(rate, ("rate", "low", "high"), strict=True))
    rates = table.select(*columns, *differences, *rate).rename(renamed)
    rows = min(table.height, top or table.height)
    with canvas("Opt-out rate by segment", rows=rows, width=WIDTH_WITH_DIFFERENCES, **options) as drawing:
        drawing.label = PREVALENCE
        baselines = table.get_column("baseline").unique().to_list()
        if len(baselines) == 1:
            drawing.subtitle = f"Difference in percentage points from {baselines[0]}"
        draw_rates(
            drawing,
            rates,
            "opt_outs",
            colour=drawing.colours.accent,
            nothing=NOTHING_KNOWN,
            top=top,
            grey_below=grey_below,
            extra=lambda kept: Column("difference (interval)", _differences(kept), str),
        )
    return drawing.ax


def _differences(table: pl.DataFrame) -> list[str]:
    own = pl.when(pl.col("relation") == "baseline").then(pl.lit("baseline")).otherwise(pl.lit("n/a"))
    rows = table.select("difference", "difference_low", "difference_high", own).rows()
    return [
        name if value is None else f"{100 * value:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"
        for value, low, high, name in rows
    ]


@with_options
def segment_overlap(table: pl.DataFrame, *, top: int | None = TOP, **options: Unpack[PlotOptions]) -> Axes:
    """Draw a bar for each pair of segments: the contacts in both, and what share of either they are.

    Args:
        table: what `segment_overlap(contacts, segments)` gives.
        top: most pairs drawn, the largest; the rest is counted in a note. None draws all.
        **options: `ax`, `title`, `as_of`, `theme`, as of every plot: see `PlotOptions`.

    Example:
        >>> from matplotlib.figure import Figure
        >>> table = pl.DataFrame({"segment_a": ["VIPs"], "segment_b": ["Leads"], "contacts": [1],
        ...     "share_of_a": [0.5], "share_of_b": [0.333], "jaccard": [0.25]})
        >>> ax = segment_overlap(table, ax=Figure().subplots())
        >>> [int(bar.get_width()) for bar in ax.patches]
        [1]
    """
    columns = ["segment_a", "segment_b", "contacts", "share_of_a", "share_of_b", "jaccard"]
    table = require(table, columns, "segment_overlap")
    kept, rest = keep_top(table, top, "pairs")
    with canvas("Contacts in both segments", rows=kept.height, **options) as drawing:
        if not kept.height:
            return drawing.say_empty("No two segments to compare")
        names = drawing.paired_names(kept["segment_a"], kept["segment_b"], " ∩ ")
        drawing.bars(names, kept["contacts"].to_list(), drawing.colours.main)
        drawing.columns(
            Column("in both", kept["contacts"]),
            Column("of the first", kept["share_of_a"], percent),
            Column("of the second", kept["share_of_b"], percent),
            Column("Jaccard", kept["jaccard"], decimal, is_note=True),
        )
        drawing.label = "Contacts in both. Jaccard: in both / in either."
        drawing.notes.extend(rest)
    return drawing.ax
