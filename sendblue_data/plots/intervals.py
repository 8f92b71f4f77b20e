"""Rates as dots on rows, each with its interval, and both as text."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from sendblue_data.plots.canvas import Canvas
from sendblue_data.plots.labels import percent


def rate_limit(rates: Sequence[float | None], highs: Sequence[float | None]) -> float:
    """Choose where a rate axis ends: past every rate and every interval that is to be seen whole."""
    ends = [value for value in (*rates, *highs) if value is not None]
    return min(max([*ends, 0.01]) * 1.06, 1.0) if max([*ends, 0.0]) < 0.94 else 1.02  # noqa: PLR2004


def intervals(
    drawing: Canvas,
    table: pl.DataFrame,
    *,
    colour: str,
    faint: Sequence[bool],
    judged_only: bool = True,
) -> None:
    """Draw a dot and its interval for each row: columns `rate, low, high`.

    The axis ends after the widest interval of a group large enough to judge: a group of one contact has an
    interval of almost everything, and would squeeze all others. An interval cut off there ends in an arrow.
    """
    rates, lows, highs = (table.get_column(name).to_list() for name in ("rate", "low", "high"))
    judged = [
        high for high, is_faint in zip(highs, faint, strict=True) if not (is_faint and judged_only)
    ] or highs
    end = rate_limit(rates, judged)
    cut = False
    for row, (rate, low, high, is_faint) in enumerate(zip(rates, lows, highs, faint, strict=True)):
        if rate is None or low is None or high is None:
            continue
        shade = drawing.colours.muted if is_faint else colour
        drawing.ax.plot([low, high], [row, row], color=shade, linewidth=2.2, solid_capstyle="butt", zorder=2)
        # A dot at 0% is drawn whole, over the edge.
        drawing.ax.plot([rate], [row], "o", color=shade, markersize=6.5, zorder=3, clip_on=rate > end)
        if high > end:
            cut = True
            drawing.ax.plot(
                [1],
                [row],
                ">",
                color=shade,
                markersize=5,
                transform=drawing.ax.get_yaxis_transform(),
                clip_on=False,
                zorder=3,
            )
    drawing.ax.set_xlim(0, end)
    drawing.percent_axis()
    if cut:
        drawing.notes.append("An interval that ends in an arrow goes on past the edge.")


def rate_texts(table: pl.DataFrame) -> list[str]:
    """Write each row's rate."""
    return [percent(rate) for rate in table.get_column("rate").to_list()]


def interval_texts(lows: Sequence[float | None], highs: Sequence[float | None]) -> list[str]:
    """Write each interval as `4.1 to 6.0%`; `n/a` where there is none."""
    return [
        "n/a" if low is None or high is None else f"{100 * low:.1f} to {100 * high:.1f}%"
        for low, high in zip(lows, highs, strict=True)
    ]
