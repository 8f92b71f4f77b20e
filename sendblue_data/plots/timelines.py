"""Rates along time, with intervals and the number of contacts behind each point."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from sendblue_data.plots.canvas import Canvas
from sendblue_data.plots.intervals import rate_limit
from sendblue_data.plots.labels import number
from sendblue_data.plots.measure import widest

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_LINES = 6
"""Lines that can be told apart in one plot; the rest is counted in a note."""
LABELS_APART = 7
"""Points that labels are below the horizontal axis, away from the lowest label of the vertical one."""
MOST_NUMBERS = 40
"""Points that still leave room for a number above each; beyond, every second, third, ... is written."""


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


def draw_line(
    drawing: Canvas,
    moments: Sequence[date | datetime],
    rates: Sequence[float | None],
    lows: Sequence[float | None],
    highs: Sequence[float | None],
    *,
    colour: str,
    faint: Sequence[bool],
    label: str,
    hollow: Sequence[bool] | None = None,
    shift: float = 0.0,
) -> None:
    """Draw points with interval bars, joined by a line that breaks where a rate is unknown.

    Args:
        drawing: where.
        moments: place of each point.
        rates: height of each point; None draws none.
        lows: lower end of each interval.
        highs: its upper end.
        colour: of the line.
        faint: points that are greyed.
        label: the line's name.
        hollow: points drawn as rings.
        shift: points to the right, so that lines with the same moments don't cover each other's intervals.
    """
    from matplotlib.transforms import ScaledTranslation  # noqa: PLC0415 -- late, like pyplot

    ax, colours = drawing.ax, drawing.colours
    at = days(moments)
    known = [float("nan") if rate is None else rate for rate in rates]
    drawn = ax.plot(at, known, color=colour, linewidth=1.4, label=label)
    rings = hollow or [False] * len(at)
    for when, rate, low, high, is_faint, is_ring in zip(at, rates, lows, highs, faint, rings, strict=True):
        if rate is None or low is None or high is None:
            continue
        shade = colours.muted if is_faint else colour
        face = colours.background if is_ring else shade
        drawn += ax.plot([when, when], [low, high], color=shade, linewidth=2, zorder=3)
        # A dot at 0% is drawn whole, over the edge.
        drawn += ax.plot(
            [when], [rate], "o", color=shade, markerfacecolor=face, markersize=5, zorder=4, clip_on=rate > 0
        )
    # A line of which nothing is known has its place on the axis, too.
    ax.dataLim.update_from_data_x(at, ignore=False)
    # Only now: the axis takes its limits from where the data are.
    place = ax.transData + ScaledTranslation(shift / 72, 0, drawing.figure.dpi_scale_trans)
    for line in drawn:
        line.set_transform(place)


def line_colours(drawing: Canvas, lines: int) -> tuple[str, ...]:
    """Give a colour for each line of opt-outs: that of opt-outs for one, else any that differ."""
    return (drawing.colours.accent,) if lines == 1 else drawing.colours.cycle


def shifts(lines: int) -> list[float]:
    """Give each line of a plot its `shift`, around none.

    Example:
        >>> shifts(1), shifts(3)
        ([0.0], [-3.5, 0.0, 3.5])
    """
    return [3.5 * (line - (lines - 1) / 2) for line in range(lines)]


def finish_rates(
    drawing: Canvas, rates: Sequence[float | None], highs: Sequence[float | None], faint: Sequence[bool]
) -> None:
    """Set up both axes: percentages from 0, dates, horizontal grid."""
    judged = [high for high, small in zip(highs, faint, strict=True) if not small] or highs
    drawing.ax.set_ylim(0, rate_limit(rates, judged))
    drawing.percent_axis("y")
    drawing.ax.grid(visible=False, axis="x")
    drawing.ax.grid(visible=True, axis="y")
    time_axis(drawing.ax)


def write_sizes(
    drawing: Canvas, moments: Sequence[date | datetime], sizes: Sequence[int], heading: str
) -> None:
    """Write the number of contacts behind each point along the top edge."""
    ax = drawing.ax
    every = -(-len(sizes) // MOST_NUMBERS)
    upright = len(sizes) > 10  # noqa: PLR2004 -- side by side they would touch
    longest = max((len(number(size)) for size in sizes), default=1)
    for when, size in list(zip(days(moments), sizes, strict=True))[::every]:
        ax.annotate(
            number(size),
            (when, 1),
            (0, 4),
            xycoords=ax.get_xaxis_transform(),
            textcoords="offset points",
            ha="center",
            va="bottom",
            rotation=90 if upright else 0,
            size=7.5,
            color=drawing.colours.note,
            annotation_clip=False,
            parse_math=False,
        )
    drawing.lift = 4.0 + (longest * 4.8 if upright else 9) + 3
    drawing.notes.append(heading)


def label_lines(drawing: Canvas) -> None:
    """Name the lines above the axes, as many beside each other as there is room for."""
    ax = drawing.ax
    names = [str(line.get_label()) for line in ax.lines if not str(line.get_label()).startswith("_")]
    most = max(1, min(len(names), int(drawing.room()[0] / (36 + widest(names, 9)))))
    rows = -(-len(names) // most)
    columns = -(-len(names) // rows)
    legend = ax.legend(
        loc="lower left", bbox_to_anchor=(0, 1), ncols=columns, borderaxespad=0.2, handlelength=1.4
    )
    for text in legend.get_texts():
        text.set_parse_math(False)
    drawing.lift = 8 + 15.5 * rows


def label_ends(drawing: Canvas, ends: Sequence[tuple[float, float, str, str]], high: float) -> None:
    """Name lines at the right of the axes, each beside its end, and none on another.

    Args:
        drawing: where; its vertical axis goes from 0 to `high`.
        ends: of each line its last point, its name and its colour.
        high: end of the vertical axis.
    """
    from matplotlib.transforms import ScaledTranslation  # noqa: PLC0415 -- late, like pyplot

    ax = drawing.ax
    gap = 14.5 / drawing.room()[1]
    order = sorted(range(len(ends)), key=lambda line: (ends[line][1], -line))
    heights = spread([ends[line][1] / high for line in order], gap)
    place = ax.transAxes + ScaledTranslation(16 / 72, 0, drawing.figure.dpi_scale_trans)
    drawing.right = 16 + widest((name for _, _, name, _ in ends), 9)
    for line, height in zip(order, heights, strict=True):
        at, end, name, colour = ends[line]
        ax.annotate(
            name,
            (at, end),
            (1, height),
            textcoords=place,
            va="center",
            size=9,
            color=drawing.colours.text,
            arrowprops={
                "arrowstyle": "-",
                "color": colour,
                "linewidth": 0.9,
                "shrinkA": 1,
                "shrinkB": 3,
                "relpos": (0, 0.5),
            },
            annotation_clip=False,
            parse_math=False,
        )


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
