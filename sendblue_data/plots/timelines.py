"""Rates along time, with intervals and the number of contacts behind each point."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from functools import lru_cache
from itertools import pairwise
from math import inf
from typing import TYPE_CHECKING, Any

import polars as pl

from sendblue_data.plots.canvas import Canvas
from sendblue_data.plots.labels import number
from sendblue_data.plots.measure import fitting, text_width, widest
from sendblue_data.plots.panels import MOST_TOGETHER, behind, places
from sendblue_data.plots.rates import rate_limit

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_LINES = 6
"""Lines that can be told apart in one plot; the rest is counted in a note."""
LABELS_APART = 7
"""Points that labels are below the horizontal axis, away from the lowest label of the vertical one."""
LINES_APART = 3.5
"""Points between the marks that lines have at one date."""
AT_RISK = 24.0
"""Points from the horizontal axis down to the numbers at risk, under the labels of its ticks."""
_UNNAMED = re.compile(r"_child[0-9]+")
"""What matplotlib calls a line that was given no name."""


def time_axis(ax: Axes, *, few: bool = False) -> None:
    """Write dates short, with the year below the first and below each January; in UTC, whatever matplotlib is set to.

    Where months or longer stand between the ticks, each is `Oct` over `2024`, or `Oct 2024` where there are few.
    """
    from matplotlib import dates  # noqa: PLC0415 -- late, like pyplot
    from matplotlib.ticker import FuncFormatter  # noqa: PLC0415 -- as above

    first, last = ax.dataLim.intervalx
    if first == last:
        # Matplotlib would show four years around a single day.
        ax.set_xlim(first - 20, last + 20)
    locator = dates.AutoDateLocator(tz=UTC, minticks=2 if few else 3, maxticks=4 if few else 9)  # type: ignore[no-untyped-call]

    @lru_cache(maxsize=1)
    def drawn(left: float, right: float) -> list[tuple[float, datetime]]:
        # Ticks outside of the axes are asked for too, and not drawn. Each label looks at all: they are found once.
        return [
            (tick, dates.num2date(tick, tz=UTC))  # type: ignore[no-untyped-call]
            for tick in locator()
            if left <= tick <= right
        ]

    def write(value: float, _: int | None = None) -> str:
        left, right = sorted(ax.get_xlim())
        inside = drawn(left, right)
        when: datetime = dates.num2date(value, tz=UTC)  # type: ignore[no-untyped-call]
        by_day = any(moment.day != 1 for _, moment in inside)
        before = [moment for tick, moment in inside if tick < value - 1e-6]
        is_new = not before or before[-1].year != when.year
        name = f"{when.day} {when:%b}" if by_day else f"{when:%b}"
        if few and not by_day:
            return f"{when:%b %Y}"
        return f"{name}\n{when:%Y}" if is_new else name

    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(FuncFormatter(write))
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
) -> tuple[list[bool], list[Canvas]]:
    """Draw a line of rates for each group, and set up both axes: percentages from 0, dates.

    A line's rows have `rate, low, high`, `unequal_exposure` where some are rings, `missed_periods` where the line is
    broken before some, the column `at` of dates, and the column `size` of contacts behind each rate, which `total`
    writes in the legend. More than four lines are small multiples. Returns which points are greyed, and where each line
    is.
    """
    tails = [f" ({total(part[size].to_list())})" for _, part in lines]
    spots = places(drawing, [name for name, _ in lines], tails, dates=True)
    alone = len(lines) == 1 or len(spots) > MOST_TOGETHER
    colours = drawing.cycle(len(lines))
    if alone and not drawing.lit:
        colours = [drawing.colours.accent] * len(lines)
    small = [[0 < one < grey_below for one in part[size]] for _, part in lines]
    faint = [one for line in small for one in line]
    rates, highs = ([rate for _, part in lines for rate in part[name]] for name in ("rate", "high"))
    end = rate_limit(rates, highs, faint)
    behind(spots, [(days(part[at].to_list()), part["rate"].to_list()) for _, part in lines])
    cut = False
    for place, (spot, colour, (name, part)) in enumerate(zip(spots, colours, lines, strict=True)):
        shift = 0.0 if alone else LINES_APART * (place - (len(lines) - 1) / 2)
        label = f"{name} ({total(part[size].to_list())})"
        style: dict[str, Any] = {
            "colour": colour,
            "faint": small[place],
            "label": label,
            "shift": shift,
            "end": end,
        }
        cut |= _draw_line(spot, part, at, **style)
    first = spots[0]
    first.ax.set_ylim(0, end)
    first.percent_axis("y")
    time_axis(first.ax, few=len(spots) > MOST_TOGETHER)
    for spot in spots:
        spot.horizontal_grid()
    if cut:
        drawing.notes.append("An interval that ends in an arrow goes on past the edge.")
    if len(lines) == 1:
        part = lines[0][1]
        write_sizes(drawing, part[at].to_list(), part[size].to_list())
        drawing.notes.append(f"Along the top: {meaning}.")
    elif not alone:
        label_lines(drawing)
    if len(lines) > 1:
        drawing.notes.append(f"In brackets: {meaning}.")
    return faint, spots


def _draw_line(
    drawing: Canvas,
    part: pl.DataFrame,
    at: str,
    *,
    colour: str,
    faint: Sequence[bool],
    label: str,
    shift: float,
    end: float,
) -> bool:
    """Draw points with interval bars, joined by a line that breaks where a rate is unknown or of too few.

    They are drawn `shift` points to the right, so that lines with the same dates don't cover each other's intervals.
    Returns whether an interval is cut off where the axes ends.
    """
    from matplotlib.transforms import ScaledTranslation  # noqa: PLC0415 -- late, like pyplot

    ax, places_ = drawing.ax, days(part[at].to_list())
    gap = float("nan")
    known = [gap if rate is None else rate for rate in part["rate"]]
    strong = [gap if small else rate for rate, small in zip(known, faint, strict=True)]
    drawn = ax.plot(*broken(places_, strong, part), color=colour, linewidth=1.4, label=label)
    if any(faint):
        thin: dict[str, Any] = {"color": drawing.colours.muted, "linewidth": 0.8, "linestyle": (0, (2, 2))}
        drawn += ax.plot(*broken(places_, known, part), zorder=1.5, **thin)
    has_rings = "unequal_exposure" in part.columns
    rings = part["unequal_exposure"].to_list() if has_rings else [False] * len(places_)
    rates = part.select("rate", "low", "high").rows()
    shades = [drawing.colours.muted if small else colour for small in faint]
    cut = False
    for when, (rate, low, high), shade, is_ring in zip(places_, rates, shades, rings, strict=True):
        if rate is None or low is None or high is None:
            continue
        face = drawing.colours.background if is_ring else shade
        drawn += ax.plot([when, when], [low, high], color=shade, linewidth=2, zorder=3)
        # A dot at 0% is drawn whole, over the edge.
        drawn += ax.plot(
            [when], [rate], "o", color=shade, markerfacecolor=face, markersize=5, zorder=4, clip_on=rate > 0
        )
        if high > end:
            cut = True
            drawn += ax.plot([when], [end], "^", color=shade, markersize=5, zorder=4, clip_on=False)
    # A line of which nothing is known has its place on the axis, too.
    ax.dataLim.update_from_data_x(places_, ignore=False)
    # Only now: the axis takes its limits from where the data are.
    move = ScaledTranslation(shift * drawing.scale / 72, 0, drawing.figure.dpi_scale_trans)
    for line in drawn:
        line.set_transform(ax.transData + move)
    return cut


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
    """Write the number of contacts behind each point along the top edge: as many as don't touch each other."""
    width = drawing.room()[0] * 0.91  # the rest is the margin that an axes has around its data
    start, end = drawing.ax.dataLim.intervalx
    across = [(when - start) / ((end - start) or 1) * width for when in days(moments)]
    texts = [number(size) for size in sizes]
    longest = widest(texts, 7.5)
    closest = min((b - a for a, b in pairwise(sorted(across))), default=width)
    upright = closest < longest + 5
    style = {"ha": "center", "va": "bottom", "rotation": 90 if upright else 0, "size": 7.5}
    edge, last, apart = drawing.ax.get_xaxis_transform(), -inf, 9.0 if upright else longest + 5
    for when, place, text in zip(days(moments), across, texts, strict=True):
        if place - last >= apart:
            last = place
            drawing.write(text, (when, 1), (0, 4), xycoords=edge, **style)
    drawing.lift = 4.0 + (longest if upright else 9) + 3


def finish_ages(drawing: Canvas, spots: Sequence[Canvas]) -> None:
    """Finish a plot of shares by days of age, with a name at each line where there are several groups."""
    first, ends = spots[0], [float(spot.ax.dataLim.x1) for spot in spots]
    first.ax.set_xlim(0, max(*ends, 1.0))
    first.percent_axis("y")
    first.count_axis("x")
    for spot in spots:
        spot.horizontal_grid()
        spot.ax.tick_params(axis="x", pad=LABELS_APART)
    if first is not drawing:
        few: Any = first.ax.xaxis.get_major_locator()
        few.set_params(nbins=3)
    elif len(spots) > 1:
        label_lines(drawing)


def write_at_risk(
    drawing: Canvas, spots: Sequence[Canvas], lines: Sequence[tuple[str, pl.DataFrame]]
) -> None:
    """Write under the ticks how many are at risk at each: a row a line, or one under each small axes."""
    if spots[0] is not drawing:
        for spot, (_, part) in zip(spots, lines, strict=True):
            _row_at_risk(spot, part, AT_RISK - 2, drawing.room()[0] / 3.4)
        return
    drawing.thin_ticks()
    style = {"xycoords": "axes fraction", "ha": "right", "va": "top", "size": 8}
    several = len(lines) > 1
    # The first number is centred under the axes' edge: names end before it.
    beside = widest((number(max(part["at_risk"])) for _, part in lines), 8) / 2 + 8
    names = [fitting(name, 110, 8) for name, _ in lines] if several else ["at risk"]
    if several:
        drawing.write("At risk", (0, 0), (-beside, -AT_RISK), **style)
    for row, (name, (_, part)) in enumerate(zip(names, lines, strict=True)):
        below = AT_RISK + 12 * (row + several)
        drawing.write(name, (0, 0), (-beside, -below), **style)
        _row_at_risk(drawing, part, below, drawing.room()[0])
    drawing.left = max(drawing.left, widest(names, 8) + beside + 4)
    drawing.under += 12 * (len(lines) + several) + 4


def _row_at_risk(drawing: Canvas, part: pl.DataFrame, below: float, width: float) -> None:
    """Write a row of numbers under the ticks of an axes so many points wide, but for those that would touch another."""
    ax = drawing.ax
    free = -inf
    start, end = ax.get_xlim()
    known = part.drop_nulls("day").sort("day")
    style = {"xycoords": ax.get_xaxis_transform(), "ha": "center", "va": "top", "size": 8}
    for tick in ax.xaxis.get_major_locator().tick_values(start, end):
        # Those who were watched just before the next age that the table has.
        later = known.filter(pl.col("day") >= tick)
        if not (start <= tick <= end and later.height):
            continue
        text = number(later["at_risk"][0])
        place, half = (tick - start) / (end - start) * width, text_width(text, 8) / 2
        if place - half > free:
            free = place + half + 5
            drawing.write(text, (tick, 0), (0, -below), **style)


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
    place = drawing.ax.transAxes + ScaledTranslation(
        16 * drawing.scale / 72, 0, drawing.figure.dpi_scale_trans
    )
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
