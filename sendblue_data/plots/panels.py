"""Small multiples: where more lines than can be told apart would share one axes, each gets one of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import ceil

from sendblue_data.plots.canvas import Canvas
from sendblue_data.plots.measure import fitting, text_width

MOST_TOGETHER = 4
"""Lines that one axes holds; more are small multiples."""
TALL = 1.0
"""Inches of each small axes."""
ACROSS, ABOVE = 34.0, 20.0
"""Points between small axes beside each other, for half a date at either side, and above each, for its name."""
LEFT_BY_WORDS = 0.6
"""Of the height of axes that the caller brings, what title and notes leave: about as much is known beforehand."""
TICKS = 17.0
"""Points below a small axes that has labels at its ticks."""


def places(
    drawing: Canvas,
    names: Sequence[str],
    tails: Sequence[str] = (),
    *,
    under: float = 0.0,
    dates: bool = False,
) -> list[Canvas]:
    """Return the canvas that each line is drawn on: one for all up to four, else one each, that share both scales.

    Args:
        drawing: the plot's own canvas.
        names: of the lines; each stands above its own axes, cut to fit.
        tails: what stands behind each name, uncut.
        under: points of text below the ticks of each small axes, all of which have labels then.
        dates: whether labels below the ticks take two lines.
    """
    if len(names) <= MOST_TOGETHER:
        return [drawing] * len(names)
    columns = 3 if len(names) <= 9 else 4 if len(names) <= 16 else 5  # noqa: PLR2004 -- about as many rows
    rows = ceil(len(names) / columns)
    gap = ABOVE + (TICKS + under if under else 5.0)
    if drawing.owned and not drawing.fixed:
        drawing.inches = (rows * (72 * TALL + gap) - gap) / 72
    width, height = drawing.room()
    if not drawing.owned:
        height *= LEFT_BY_WORDS
    # The names of the first row stand above the plot's own axes.
    drawing.lift = ABOVE - 2
    drawing.under += TICKS + under + (12.0 if dates else 0.0)
    _blank(drawing)
    wide = (width - (columns - 1) * ACROSS) / columns / width
    tall = max((height - (rows - 1) * gap) / rows, 12.0) / height
    spots: list[Canvas] = []
    for place, (name, tail) in enumerate(zip(names, tails or [""] * len(names), strict=True)):
        row, column = divmod(place, columns)
        corner = (column * (wide + ACROSS / width), 1 - tall - row * (tall + gap / height))
        first = spots[0].ax if spots else None
        ax = drawing.ax.inset_axes((*corner, wide, tall), sharex=first, sharey=first)
        words = fitting(name, wide * width - text_width(tail, 9), 9) + tail
        ax.set_title(words, loc="left", size=9, weight="normal", pad=4, parse_math=False)
        is_last = place + columns >= len(names)
        ax.tick_params(axis="x", labelbottom=is_last or bool(under), labelsize=8, pad=7)
        ax.tick_params(axis="y", labelleft=not column, labelsize=8)
        spots.append(replace(drawing, ax=ax, left=0.0, right=0.0))
    return spots


def _blank(drawing: Canvas) -> None:
    ax = drawing.ax
    ax.set_xticks([])
    ax.set_yticks([])
    ax.grid(visible=False)
    for spine in ax.spines.values():
        spine.set_visible(False)


def behind(
    spots: Sequence[Canvas],
    lines: Sequence[tuple[Sequence[float], Sequence[float | None]]],
    step: str = "default",
) -> None:
    """Draw all lines thin and grey behind each small axes' own, to compare it with."""
    if len(spots) <= MOST_TOGETHER:
        return
    gap = float("nan")
    at = [one for xs, _ in lines for one in (*xs, gap)]
    heights = [gap if one is None else one for _, ys in lines for one in (*ys, gap)]
    for spot in spots:
        line, *_ = spot.ax.plot(
            at, heights, color=spot.colours.line, linewidth=0.9, zorder=1, label="_behind"
        )
        line.set_drawstyle(step)  # type: ignore[arg-type]
