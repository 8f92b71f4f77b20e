"""Plots of named segments: their opt-out rates side by side, and what they share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from sendblue_data.plots.canvas import SMALL_GROUP, TOP, AsOf, Column, canvas, keep_top, require
from sendblue_data.plots.labels import number, percent
from sendblue_data.plots.opt_outs import PREVALENCE
from sendblue_data.plots.rates import NOTHING_KNOWN, draw_rates, nobody_known

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from sendblue_data.plots.style import Theme

WIDTH_WITH_DIFFERENCES = 10.0
"""Inches, so that a fifth column leaves room for the intervals."""


def compare_segments(
    table: pl.DataFrame,
    *,
    ax: Axes | None = None,
    top: int | None = TOP,
    min_contacts: int = SMALL_GROUP,
    title: str | None = None,
    as_of: AsOf = None,
    theme: Theme | None = None,
) -> Axes:
    """Draw the opt-out rate of each segment with its interval, and the difference to the baseline beside it.

    Args:
        table: what `compare_segments(contacts, segments)` gives. Rows keep their order.
        ax: axes to draw on; a new figure, as high as the segments need, when None.
        top: most segments drawn, the largest; the rest is counted in a note. None draws all.
        min_contacts: segments with fewer known contacts are greyed.
        title: instead of `Opt-out rate by segment`.
        as_of: moment of the pull, said below the title.
        theme: `"light"` or `"dark"`; that of `ax`, or the one chosen by `use_style`, when None.

    Returns:
        The axes; nothing is shown.

    Raises:
        FrameError: the table lacks a column.

    Example:
        >>> from matplotlib.figure import Figure
        >>> table = pl.DataFrame({"segment": ["VIPs"], "contacts": [80], "unknown": [0], "opt_outs": [8],
        ...     "opt_out_rate": [0.1], "opt_out_rate_low": [0.05], "opt_out_rate_high": [0.19],
        ...     "baseline": ["the rest"], "difference": [0.02],
        ...     "difference_low": [-0.03], "difference_high": [0.1]})
        >>> ax = compare_segments(table, ax=Figure().subplots())
        >>> "+2.0 (-3.0 to +10.0)" in [text.get_text() for text in ax.texts]
        True
    """
    columns = [
        "segment",
        "contacts",
        "unknown",
        "opt_outs",
        "opt_out_rate",
        "opt_out_rate_low",
        "opt_out_rate_high",
    ]
    differences = ["baseline", "difference", "difference_low", "difference_high"]
    require(table, [*columns, *differences], "compare_segments")
    shown = min(table.height, top or table.height)
    with canvas(
        ax,
        title=title or "Opt-out rate by segment",
        as_of=as_of,
        theme=theme,
        rows=shown,
        width=WIDTH_WITH_DIFFERENCES,
    ) as drawing:
        if not table.get_column("contacts").sum():
            drawing.say_empty()
            return drawing.ax
        if nobody_known(table):
            drawing.say_empty(NOTHING_KNOWN)
            return drawing.ax
        drawing.label = PREVALENCE
        rates = table.select(
            *columns[:4], *differences, rate="opt_out_rate", low="opt_out_rate_low", high="opt_out_rate_high"
        )
        baselines = table.get_column("baseline").unique().to_list()
        if len(baselines) == 1:
            drawing.subtitle = f"Difference in percentage points from {baselines[0]}"
        draw_rates(
            drawing,
            rates,
            count="opt_outs",
            noun="segments",
            colour=drawing.colours.accent,
            top=top,
            min_contacts=min_contacts,
            extra=lambda kept: Column("difference (interval)", _differences(kept)),
        )
    return drawing.ax


def _differences(table: pl.DataFrame) -> list[str]:
    own = pl.when(pl.col("segment") == pl.col("baseline")).then(pl.lit("baseline")).otherwise(pl.lit("n/a"))
    rows = table.select("difference", "difference_low", "difference_high", own).rows()
    return [
        name if value is None else f"{100 * value:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"
        for value, low, high, name in rows
    ]


def segment_overlap(
    table: pl.DataFrame,
    *,
    ax: Axes | None = None,
    top: int | None = TOP,
    title: str | None = None,
    as_of: AsOf = None,
    theme: Theme | None = None,
) -> Axes:
    """Draw a bar for each pair of segments: the contacts in both, and what share of either they are.

    Args:
        table: what `segment_overlap(contacts, segments)` gives.
        ax: axes to draw on; a new figure, as high as the pairs need, when None.
        top: most pairs drawn, the largest; the rest is counted in a note. None draws all.
        title: instead of `Contacts in both segments`.
        as_of: moment of the pull, said below the title.
        theme: `"light"` or `"dark"`; that of `ax`, or the one chosen by `use_style`, when None.

    Returns:
        The axes; nothing is shown.

    Raises:
        FrameError: the table lacks a column.

    Example:
        >>> from matplotlib.figure import Figure
        >>> table = pl.DataFrame({"segment_a": ["VIPs"], "segment_b": ["Leads"], "contacts": [1],
        ...     "share_of_a": [0.5], "share_of_b": [0.333], "jaccard": [0.25]})
        >>> ax = segment_overlap(table, ax=Figure().subplots())
        >>> [int(bar.get_width()) for bar in ax.patches]
        [1]
    """
    require(
        table,
        ["segment_a", "segment_b", "contacts", "share_of_a", "share_of_b", "jaccard"],
        "segment_overlap",
    )
    shown = min(table.height, top or table.height)
    with canvas(
        ax, title=title or "Contacts in both segments", as_of=as_of, theme=theme, rows=shown
    ) as drawing:
        if not table.height:
            drawing.say_empty("No two segments to compare")
            return drawing.ax
        kept, rest = keep_top(table, top, "contacts", "pairs")
        drawing.rows(drawing.paired_names(kept["segment_a"].to_list(), kept["segment_b"].to_list(), " ∩ "))
        sizes = kept.get_column("contacts").to_list()
        drawing.ax.barh(range(kept.height), sizes, height=0.66, color=drawing.colours.main)
        drawing.ax.set_xlim(0, max(*sizes, 1) * 1.02)
        drawing.count_axis()
        jaccard = kept.get_column("jaccard").to_list()
        drawing.columns(
            Column("in both", [number(size) for size in sizes]),
            Column("of the first", [percent(share) for share in kept.get_column("share_of_a").to_list()]),
            Column("of the second", [percent(share) for share in kept.get_column("share_of_b").to_list()]),
            Column(
                "Jaccard",
                ["n/a" if value is None else f"{value:.2f}" for value in jaccard],
                drawing.colours.note,
            ),
        )
        drawing.label = "Contacts in both. Jaccard: in both / in either."
        drawing.notes.extend(rest)
    return drawing.ax
