"""Rates along time, with intervals and the number of contacts behind each point."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import polars as pl

from sendblue_data.plots.canvas import Canvas
from sendblue_data.plots.labels import number
from sendblue_data.plots.measure import widest
from sendblue_data.plots.rates import rate_limit

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_LINES = 6
"""Lines that can be told apart in one plot; the rest is counted in a note."""
LABELS_APART = 7
"""Points that labels are below the horizontal axis, away from the lowest label of the vertical one."""
LINES_APART = 3.5
"""Points between the marks that lines have at one date."""
MOST_NUMBERS = 40
"""Points that still leave room for a number above each; beyond, every second, third, ... is written."""
_UNNAMED = re.compile(r"_child[0-9]+")
"""What matplotlib calls a line that was given no name."""


def time_axis(ax: Axes) -> None:
    """Write dates short, the year once below the first; in UTC, whatever matplotlib is set to."""
    from matplotlib import dates  # noqa: PLC0415 -- late, like pyplot

    class Short(dates.ConciseDateFormatter):
        def format_ticks(self, values: Sequence[float]) -> list[str]:
            labels: list[str] = super().format_ticks(values)  # type: ignore[no-untyped-call]
            # Ticks outside of the axes are asked for too, and not drawn.
            left, right = sorted(ax.get_xlim())
            inside = [tick for tick, value in enumerate(values) if left <= value <= right]
            if inside:
                start: datetime = dates.num2date(values[inside[0]], tz=UTC)  # type: ignore[no-untyped-call]
                name = labels[inside[0]]
                if name != str(start.year):
                    labels[inside[0]] = (
                        f"{name} {start:%b}\n{start:%Y}" if name.isdigit() else f"{name}\n{start:%Y}"
                    )
            return labels

    first, last = ax.dataLim.intervalx
    if first == last:
        # Matplotlib would show four years around a single day.
        ax.set_xlim(first - 20, last + 20)
    locator = dates.AutoDateLocator(tz=UTC, minticks=3, maxticks=9)  # type: ignore[no-untyped-call]
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(Short(locator, tz=UTC, show_offset=False))  # type: ignore[no-untyped-call]
    ax.tick_params(axis="x", pad=LABELS_APART)


def days(moments: Sequence[date | datetime]) -> list[float]:
    """Place moments on a time axis: days since matplotlib's epoch, as its `date2num` gives them."""
    from matplotlib.dates import date2num  # noqa: PLC0415 -- late, like pyplot

    return [float(date2num(when)) for when in moments]  # type: ignore[no-untyped-call]


def draw_rate_lines(
    drawing: Canvas,
    lines: Sequence[tuple[str, pl.DataFrame]],
    at: str,
    size: str,
    *,
    grey_below: int,
    total: Callable[[list[int]], str],
    meaning: str,
) -> list[bool]:
    """Draw a line of rates for each group, and set up both axes: percentages from 0, dates.

    A line's rows have `rate, low, high`, `unequal_exposure` where some are rings, `missed_periods` where the line is
    broken before some, the column `at` of dates, and the column `size` of contacts behind each rate, which `total`
    writes in the legend. Returns which are greyed.
    """
    colours = (drawing.colours.accent,) if len(lines) == 1 else drawing.colours.cycle
    rates: list[float | None] = []
    highs: list[float | None] = []
    faint: list[bool] = []
    for place, (colour, (name, part)) in enumerate(zip(colours, lines, strict=False)):
        sizes = part[size].to_list()
        small = [0 < one < grey_below for one in sizes]
        shift = LINES_APART * (place - (len(lines) - 1) / 2)
        label = f"{name} ({total(sizes)})"
        _draw_line(drawing, part, at, colour=colour, faint=small, label=label, shift=shift)
        rates += part["rate"].to_list()
        highs += part["high"].to_list()
        faint += small
    drawing.ax.set_ylim(0, rate_limit(rates, highs, faint))
    drawing.percent_axis("y")
    drawing.horizontal_grid()
    time_axis(drawing.ax)
    if len(lines) == 1:
        part = lines[0][1]
        write_sizes(drawing, part[at].to_list(), part[size].to_list())
        drawing.notes.append(f"Along the top: {meaning}.")
    else:
        label_lines(drawing)
        drawing.notes.append(f"In brackets: {meaning}.")
    return faint


def _draw_line(
    drawing: Canvas,
    part: pl.DataFrame,
    at: str,
    *,
    colour: str,
    faint: Sequence[bool],
    label: str,
    shift: float,
) -> None:
    """Draw points with interval bars, joined by a line that breaks where a rate is unknown.

    They are drawn `shift` points to the right, so that lines with the same dates don't cover each other's intervals.
    """
    from matplotlib.transforms import ScaledTranslation  # noqa: PLC0415 -- late, like pyplot

    ax, places = drawing.ax, days(part[at].to_list())
    known = [float("nan") if rate is None else rate for rate in part["rate"]]
    drawn = ax.plot(*broken(places, known, part), color=colour, linewidth=1.4, label=label)
    has_rings = "unequal_exposure" in part.columns
    rings = part["unequal_exposure"].to_list() if has_rings else [False] * len(places)
    rates, shades = part.select("rate", "low", "high").rows(), drawing.shades(faint, colour)
    points = zip(places, rates, shades, rings, strict=True)
    for when, (rate, low, high), shade, is_ring in points:
        if rate is None or low is None or high is None:
            continue
        face = drawing.colours.background if is_ring else shade
        drawn += ax.plot([when, when], [low, high], color=shade, linewidth=2, zorder=3)
        # A dot at 0% is drawn whole, over the edge.
        drawn += ax.plot(
            [when], [rate], "o", color=shade, markerfacecolor=face, markersize=5, zorder=4, clip_on=rate > 0
        )
    # A line of which nothing is known has its place on the axis, too.
    ax.dataLim.update_from_data_x(places, ignore=False)
    # Only now: the axis takes its limits from where the data are.
    place = ax.transData + ScaledTranslation(shift / 72, 0, drawing.figure.dpi_scale_trans)
    for line in drawn:
        line.set_transform(place)


def broken(
    places: Sequence[float], heights: Sequence[float], part: pl.DataFrame
) -> tuple[list[float], list[float]]:
    """Put a gap into a line before each row that periods are missing before: nobody knows what was there."""
    at: list[float] = []
    height: list[float] = []
    missed = part["missed_periods"].to_list() if "missed_periods" in part.columns else [0] * part.height
    for place, one, gap in zip(places, heights, missed, strict=True):
        if gap and at:
            at.append((at[-1] + place) / 2)
            height.append(float("nan"))
        at.append(place)
        height.append(one)
    return at, height


def write_sizes(drawing: Canvas, moments: Sequence[date | datetime], sizes: Sequence[int]) -> None:
    """Write the number of contacts behind each point along the top edge."""
    every = -(-len(sizes) // MOST_NUMBERS)
    upright = len(sizes) > 10  # noqa: PLR2004 -- side by side they would touch
    longest = max((len(number(size)) for size in sizes), default=1)
    style = {"ha": "center", "va": "bottom", "rotation": 90 if upright else 0, "size": 7.5}
    edge = drawing.ax.get_xaxis_transform()
    for when, size in list(zip(days(moments), sizes, strict=True))[::every]:
        drawing.write(number(size), (when, 1), (0, 4), xycoords=edge, **style)
    drawing.lift = 4.0 + (longest * 4.8 if upright else 9) + 3


def finish_ages(drawing: Canvas, groups: int) -> None:
    """Finish a plot of shares by days of age, with a name at each line where there are several groups."""
    drawing.ax.set_xlim(left=0)
    drawing.percent_axis("y")
    drawing.count_axis("x")
    drawing.ax.tick_params(axis="x", pad=LABELS_APART)
    drawing.horizontal_grid()
    if groups > 1:
        label_lines(drawing)


def label_lines(drawing: Canvas) -> None:
    """Name the lines above the axes, as many beside each other as there is room for."""
    ax = drawing.ax
    lines = [line for line in ax.lines if not _UNNAMED.fullmatch(str(line.get_label()))]
    names = [str(line.get_label()) for line in lines]
    most = max(1, min(len(names), int(drawing.room()[0] / (36 + widest(names, 9)))))
    rows = -(-len(names) // most)
    columns = -(-len(names) // rows)
    # Matplotlib leaves a name out that begins with "_", so each is written only when its place is there.
    legend = ax.legend(
        lines, ["name"] * len(lines),
        loc="lower left", bbox_to_anchor=(0, 1), ncols=columns, borderaxespad=0.2, handlelength=1.4,
    )  # fmt: skip
    for text, name in zip(legend.get_texts(), names, strict=True):
        text.set_parse_math(False)
        text.set_text(name)
    drawing.lift = 8 + 15.5 * rows


def label_ends(drawing: Canvas, ends: Sequence[tuple[float, float, str, str]], high: float) -> None:
    """Name lines at the right of the axes, each beside its end, and none on another.

    `ends` holds of each line its last point, its name and its colour; the vertical axis goes from 0 to `high`.
    """
    from matplotlib.transforms import ScaledTranslation  # noqa: PLC0415 -- late, like pyplot

    gap = 14.5 / drawing.room()[1]
    order = sorted(range(len(ends)), key=lambda line: (ends[line][1], -line))
    heights = spread([ends[line][1] / high for line in order], gap)
    place = drawing.ax.transAxes + ScaledTranslation(16 / 72, 0, drawing.figure.dpi_scale_trans)
    drawing.right = 16 + widest((name for _, _, name, _ in ends), 9)
    for line, height in zip(order, heights, strict=True):
        at, end, name, colour = ends[line]
        leader = {"arrowstyle": "-", "color": colour, "linewidth": 0.9, "shrinkA": 1, "shrinkB": 3}
        style = {"va": "center", "size": 9, "color": drawing.colours.text}
        arrow = leader | {"relpos": (0, 0.5)}
        drawing.write(name, (at, end), (1, height), textcoords=place, arrowprops=arrow, **style)


def spread(heights: Sequence[float], gap: float) -> list[float]:
    """Move heights, given from low to high, as little as keeps each a gap above the one before.

    Example:
        >>> spread([0.0, 0.0, 0.5], 0.25)
        [0.0, 0.25, 0.5]
        >>> spread([0.9, 1.0], 0.25)
        [0.75, 1.0]
    """
    placed: list[float] = []
    for height in heights:
        placed.append(max(height, placed[-1] + gap) if placed else height)
    ceiling = max(1.0, gap * (len(placed) - 1))
    for row in reversed(range(len(placed))):
        placed[row] = min(placed[row], ceiling)
        ceiling = placed[row] - gap
    return placed
