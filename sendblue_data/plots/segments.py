"""Plots of named segments: their opt-out rates side by side, and what they share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Unpack

import polars as pl

from sendblue_data._shared.text import plural
from sendblue_data.plots.canvas import SMALL_GROUP, TOP, Canvas, Column, canvas, keep_top, require
from sendblue_data.plots.labels import clean, decimal, percent, probability
from sendblue_data.plots.opt_outs import PREVALENCE
from sendblue_data.plots.options import PlotOptions, rows_that_fit, with_options
from sendblue_data.plots.rates import NOTHING_KNOWN, draw_rates

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FINE = 0.005
"""Width of an interval of shares below which it is written in hundredths of a percentage point."""
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
        **options: `ax`, `title`, `as_of`, `theme`, `color`, `highlight`, `size`, `figsize`, as of every plot: see
            `PlotOptions`.

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
    top = rows_that_fit(top, options)
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
            does="opts out",
            top=top,
            grey_below=grey_below,
            extra=lambda kept: Column("difference (interval)", _differences(kept), str),
        )
    return drawing.ax


def _differences(table: pl.DataFrame) -> list[str]:
    own = pl.when(pl.col("relation") == "baseline").then(pl.lit("baseline")).otherwise(pl.lit("n/a"))
    rows = table.select("difference", "difference_low", "difference_high", own).rows()
    return [name if value is None else points_text(value, low, high) for value, low, high, name in rows]


@with_options
def segment_differences(
    table: pl.DataFrame,
    *,
    top: int | None = TOP,
    grey_below: int = SMALL_GROUP,
    max_q: float = 0.05,
    **options: Unpack[PlotOptions],
) -> Axes:
    """Draw how far each segment's opt-out rate is from its baseline's, with its interval, around a line at none.

    Args:
        table: what `compare_segments(contacts, segments)` gives. Rows keep their order; a baseline has none.
        top: most segments drawn, the largest; the rest is counted in a note. None draws all.
        grey_below: segments with fewer known contacts are greyed.
        max_q: differences with a larger q, which may well be chance, are drawn as rings.
        **options: `ax`, `title`, `as_of`, `theme`, `color`, `highlight`, `size`, `figsize`, as of every plot: see
            `PlotOptions`.

    Example:
        >>> from matplotlib.figure import Figure
        >>> table = pl.DataFrame({"segment": ["VIPs"], "contacts": [80], "unknown": [0], "baseline": ["the rest"],
        ...     "difference": [0.02], "difference_low": [-0.03], "difference_high": [0.1], "q": [0.4],
        ...     "finding": ["VIPs opt out ..."]})
        >>> ax = segment_differences(table, ax=Figure().subplots())
        >>> ax.get_title(), "+2.0 (-3.0 to +10.0)" in [text.get_text() for text in ax.texts]
        ('Difference in opt-out rate from the rest', True)
    """
    bounds = ["difference", "difference_low", "difference_high"]
    columns = ["segment", "contacts", "unknown", "baseline", *bounds, "q", "finding"]
    table = require(table, columns, "compare_segments")
    top = rows_that_fit(top, options)
    held = table.drop_nulls(bounds)
    kept, rest = keep_top(held, top, "segments")
    whom = held["baseline"].unique().to_list()
    heading = f"Difference in opt-out rate from {clean(whom[0]) if len(whom) == 1 else 'its baseline'}"
    with canvas(heading, rows=kept.height, **options) as drawing:
        if not kept.height:
            return drawing.say_empty("No difference is known")
        known = (kept["contacts"] - kept["unknown"]).to_list()
        faint = [size < grey_below for size in known]
        drawing.rows(drawing.names(kept["segment"].to_list()), faint)
        _draw_differences(drawing, kept.select(*bounds, "q").rows(), faint, max_q)
        drawing.columns(
            Column("difference (interval)", kept.select(bounds).rows(), lambda row: points_text(*row)),
            Column("q", kept["q"], probability),
            Column("known", known, is_note=True),
        )
        drawing.subtitle = "In percentage points; to the right of the line, more opt out"
        drawing.label = "Segments may share contacts; the interval takes that into account."
        drawing.notes.append(f"Rings: q over {max_q:g}; may well differ by chance.")
        drawing.say_grey(faint, grey_below, "known contact")
        drawing.notes.extend(rest)
        sure = kept.filter(pl.col("q") <= max_q).sort("q", maintain_order=True)
        drawing.point = (
            sure["finding"][0] if sure.height else "No segment differs by more than chance explains"
        )
    return drawing.ax


def points_text(difference: float | None, low: float | None, high: float | None) -> str:
    """Write a difference of rates in percentage points, with its interval, to as many decimals as it needs.

    Example:
        >>> points_text(0.021, -0.03, 0.1), points_text(0.0004, 0.0001, 0.0007), points_text(None, None, None)
        ('+2.1 (-3.0 to +10.0)', '+0.04 (+0.01 to +0.07)', 'n/a')
    """
    if difference is None or low is None or high is None:
        return "n/a"
    digits = 1 if high - low >= FINE else 2
    value, start, end = (f"{100 * share:+.{digits}f}" for share in (difference, low, high))
    return f"{value} ({start} to {end})"


def _draw_differences(
    drawing: Canvas,
    rows: Sequence[tuple[float, float, float, float | None]],
    faint: Sequence[bool],
    max_q: float,
) -> None:
    ax, colours = drawing.ax, drawing.colours
    judged = [row for row, small in zip(rows, faint, strict=True) if not small] or list(rows)
    ends = [end for row in judged for end in row[:3]] + [0.0]
    span = (max(ends) - min(ends)) or 0.01
    left, right = min(ends) - 0.06 * span, max(ends) + 0.06 * span
    ax.set_xlim(left, right)
    drawing.reference_line(0)
    cut = False
    for row, ((value, low, high, q), small) in enumerate(zip(rows, faint, strict=True)):
        own = colours.accent if value > 0 else colours.main
        shade = colours.muted if small or (drawing.lit and not drawing.lit[row]) else own
        face = colours.background if q is None or q > max_q else shade
        ax.plot([max(low, left), min(high, right)], [row, row], color=shade, linewidth=2.2, zorder=2)
        ax.plot([value], [row], "o", color=shade, markerfacecolor=face, markersize=6.5, zorder=3)
        for is_past, marker, across in ((low < left, "<", 0.0), (high > right, ">", 1.0)):
            if is_past:
                cut = True
                drawing.arrow(row, marker, across, shade)
    drawing.points_axis()
    if cut:
        drawing.notes.append("An interval that ends in an arrow goes on past the edge.")


@with_options
def segment_overlap(table: pl.DataFrame, *, top: int | None = TOP, **options: Unpack[PlotOptions]) -> Axes:
    """Draw a bar for each pair of segments: the contacts in both, and what share of either they are.

    Args:
        table: what `segment_overlap(contacts, segments)` gives.
        top: most pairs drawn, the largest; the rest is counted in a note. None draws all.
        **options: `ax`, `title`, `as_of`, `theme`, `color`, `highlight`, `size`, `figsize`, as of every plot: see
            `PlotOptions`.

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
    top = rows_that_fit(top, options)
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
        a, b, size = kept["segment_a", "segment_b", "contacts"].row(kept["contacts"].arg_max() or 0)
        drawing.point = f"{clean(a, 24)} and {clean(b, 24)} share most: {plural(size, 'contact')}"
        drawing.label = "Contacts in both. Jaccard: in both / in either."
        drawing.notes.extend(rest)
    return drawing.ax
