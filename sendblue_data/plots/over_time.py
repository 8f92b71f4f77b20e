"""Plots of what a history of snapshots shows: opt-outs by period, and how long contacts stay subscribed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Unpack

import polars as pl

from sendblue_data._shared.text import plural
from sendblue_data.plots.canvas import SMALL_GROUP, Canvas, canvas, require
from sendblue_data.plots.labels import number
from sendblue_data.plots.options import PlotOptions, with_options
from sendblue_data.plots.panels import MOST_TOGETHER, behind, places
from sendblue_data.plots.points import still_subscribed, told_level, trend
from sendblue_data.plots.rates import group_title, line_groups
from sendblue_data.plots.timelines import (
    MOST_LINES,
    broken,
    days,
    draw_rate_lines,
    finish_ages,
    write_at_risk,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CROWDED = 0.6
"""Where no interval goes below this share still subscribed, the scale starts above 0, and says so."""


@with_options
def opt_out_trend(
    table: pl.DataFrame,
    *,
    top: int = MOST_LINES,
    grey_below: int = SMALL_GROUP,
    **options: Unpack[PlotOptions],
) -> Axes:
    """Draw how many of the contacts at risk opt out per 30 days, by period, with its interval.

    Periods of 3, 4 and 5 looks, or after a gap, were watched for unlike times: per 30 days they can be compared. The
    line breaks where periods have no look; rings were watched for another time than they have. The band is what all
    periods together stay within if nothing changed; what lies outside of it has a square around it.

    Args:
        table: what `ContactHistory.opt_out_trend()` gives: the group's columns, then `period, ..., at_risk, opt_outs,
            ..., per_30_days, per_30_days_low, per_30_days_high`; `unequal_days`, `missed_periods`, `limit_low`,
            `limit_high`, `signal` and `lost_opt_outs` are drawn or said where it has them.
        top: most groups drawn, those with most contacts at risk; the rest is counted in a note.
        grey_below: periods with fewer contacts at risk are greyed.
        **options: `ax`, `title`, `as_of`, `theme`, `color`, `highlight`, `size`, `figsize`, as of every plot: see
            `PlotOptions`.

    Example:
        >>> from datetime import date
        >>> from matplotlib.figure import Figure
        >>> table = pl.DataFrame({"period": [date(2026, 1, 5), date(2026, 1, 12)], "at_risk": [400, 390],
        ...     "opt_outs": [4, 8], "per_30_days": [0.042, 0.085], "per_30_days_low": [0.02, 0.04],
        ...     "per_30_days_high": [0.1, 0.16]})
        >>> ax = opt_out_trend(table, ax=Figure().subplots())
        >>> ax.lines[0].get_ydata().tolist()
        [0.042, 0.085]
    """
    bounds = ["per_30_days", "per_30_days_low", "per_30_days_high"]
    table = require(table, ["period", "at_risk", "opt_outs", *bounds], "ContactHistory.opt_out_trend")
    by = table.columns[: table.columns.index("period")]
    with canvas(group_title("Contacts opting out per 30 days", by), height=2.7, **options) as drawing:
        if not table.get_column("at_risk").sum():
            return drawing.say_empty("Nothing known: no contacts at risk between two snapshots")
        drawing.label = "Opted out / at risk (seen, and not opted out before), as of 30 days; by period."
        # Before a group's second look nobody was at risk.
        begun = pl.col("at_risk").cum_max() > 0
        drawn = table.filter(begun.over(by) if by else begun)
        own = {"rate", "low", "high", "unequal_exposure"}.intersection(drawn.columns)
        lines = line_groups(
            drawing,
            drawn.drop(own).rename(
                dict(
                    zip([*bounds, "unequal_days"], ["rate", "low", "high", "unequal_exposure"], strict=True)
                ),
                strict=False,
            ),
            by,
            "at_risk",
            top,
        )
        faint, spots = draw_rate_lines(
            drawing,
            lines,
            "period",
            "at_risk",
            grey_below=grey_below,
            total=_range,
            meaning="contacts at risk",
        )
        drawing.say_grey(faint, grey_below, "contact at risk", "judge")
        _say_how_watched(drawing, [part for _, part in lines])
        _draw_limits(drawing, spots, [part for _, part in lines])
        drawing.point = trend(table) if not by else ""
        _say_lost(drawing, table)
    return drawing.ax


def _say_how_watched(drawing: Canvas, parts: Sequence[pl.DataFrame]) -> None:
    shown = pl.concat(parts, how="diagonal")
    if "unequal_exposure" in shown.columns and shown["unequal_exposure"].any():
        drawing.notes.append("Rings: watched for more or fewer days than the period has.")
    if "missed_periods" in shown.columns and shown["missed_periods"].sum():
        drawing.notes.append(
            "A line breaks where nobody looked; the point after it stands for all of that time."
        )


def _draw_limits(drawing: Canvas, spots: Sequence[Canvas], parts: Sequence[pl.DataFrame]) -> None:
    """Shade the limits of a single line, and frame the points that lie outside of theirs."""
    if not all({"limit_low", "limit_high", "signal"} <= set(part.columns) for part in parts):
        return
    if len(parts) == 1 and parts[0]["limit_high"].count():
        places = days(parts[0]["period"].to_list())
        (at, low), (_, high) = (
            broken(places, parts[0][name].fill_null(float("nan")).to_list(), parts[0])
            for name in ("limit_low", "limit_high")
        )
        drawing.ax.fill_between(at, low, high, color=drawing.colours.muted, alpha=0.18, linewidth=0, zorder=0)
        drawing.notes.append("Band: all periods together lie within it if nothing changed (Laney's limits).")
    outside = [part.filter(pl.col("signal").is_not_null()) for part in parts]
    count = sum(part.height for part in outside)
    if count:
        style: dict[str, Any] = {
            "markersize": 11,
            "markerfacecolor": "none",
            "color": drawing.colours.text,
            "zorder": 5,
        }
        for spot, out in zip(spots, outside, strict=True):
            spot.ax.plot(days(out["period"].to_list()), out["rate"].to_list(), "s", label="_outside", **style)
        drawing.notes.append(f"Squares: outside these limits: {plural(count, 'period')}.")


def _say_lost(drawing: Canvas, table: pl.DataFrame) -> None:
    """Say loudly that opt-outs were lost: these people are texted again, and did not ask for it."""
    lost = int(table["lost_opt_outs"].sum()) if "lost_opt_outs" in table.columns else 0
    if lost:
        words = plural(lost, "opt-out was lost", "opt-outs were lost")
        drawing.subtitle = f"{words}: deleted and created again, and not opted out any more"


def _range(sizes: Sequence[int]) -> str:
    low, high = number(min(sizes)), number(max(sizes))
    return low if low == high else f"{low} to {high}"


@with_options
def survival(
    table: pl.DataFrame,
    *,
    top: int = MOST_LINES,
    grey_below: int = SMALL_GROUP,
    **options: Unpack[PlotOptions],
) -> Axes:
    """Draw the share of contacts still subscribed by their age, a line a group, its interval shaded.

    Args:
        table: what `ContactHistory.survival()` gives by any of its methods: the group's columns, then
            `day, at_risk, opt_outs, ..., survival, low, high`.
        top: most groups drawn, those with most contacts; the rest is counted in a note.
        grey_below: a line is greyed while fewer contacts are at risk.
        **options: `ax`, `title`, `as_of`, `theme`, `color`, `highlight`, `size`, `figsize`, as of every plot: see
            `PlotOptions`.

    Example:
        >>> from matplotlib.figure import Figure
        >>> table = pl.DataFrame({"day": [0.0, 7.0], "at_risk": [50, 50], "opt_outs": [0, 5],
        ...                       "survival": [1.0, 0.9], "low": [1.0, 0.78], "high": [1.0, 0.96]})
        >>> survival(table, ax=Figure().subplots()).lines[0].get_ydata().tolist()
        [1.0, 0.9]
    """
    table = require(
        table, ["day", "at_risk", "opt_outs", "survival", "low", "high"], "ContactHistory.survival"
    )
    by = table.columns[: table.columns.index("day")]
    with canvas(group_title("Contacts still subscribed", by), height=2.7, **options) as drawing:
        if not table.height or not table.get_column("at_risk").max():
            return drawing.say_empty("Nothing known: no contact was seen subscribed")
        drawing.label = "Days since the contact was created."
        lines = line_groups(drawing, table, by, "at_risk", top)
        told = told_level(table)
        drawing.subtitle = f"Estimated from what looks show; shaded: {told}"
        drawing.point = still_subscribed(lines)
        tails = [f" ({number(max(part['at_risk']))})" for _, part in lines]
        spots = places(drawing, [name for name, _ in lines], tails, under=12)
        behind(
            spots, [(part["day"].to_list(), part["survival"].to_list()) for _, part in lines], "steps-post"
        )
        any_faint = False
        for spot, colour, (name, part) in zip(spots, drawing.cycle(len(lines)), lines, strict=True):
            own = drawing.colours.main if len(spots) > MOST_TOGETHER and not drawing.lit else colour
            any_faint |= _draw_survival(spot, part, own, name, grey_below)
            seen, out = max(part["at_risk"]), sum(part["opt_outs"])
            if len(spots) <= MOST_TOGETHER:
                drawing.notes.append(
                    f"At most {plural(seen, 'contact')} at risk, {number(out)} opted out: {name}."
                )
        drawing.say_grey([any_faint], grey_below, "contact at risk", "judge")
        floor = min([*table.get_column("low").drop_nulls().to_list(), 1.0])
        if floor > CROWDED:
            spots[0].ax.set_ylim(floor - (1 - floor) * 0.15 - 0.002, 1 + (1 - floor) * 0.05 + 0.002)
            drawing.notes.append("The scale does not start at 0.")
        else:
            spots[0].ax.set_ylim(0, 1.02)
        finish_ages(drawing, spots)
        write_at_risk(drawing, spots, lines)
    return drawing.ax


def _draw_survival(drawing: Canvas, part: pl.DataFrame, colour: str, name: str, grey_below: int) -> bool:
    """Draw one curve with its interval, strong where enough are at risk; return whether it is not, anywhere."""
    # Bounds are null once nobody is left: the shading ends there.
    days, share, low, high = (
        part.get_column(column).cast(pl.Float64).fill_null(float("nan")).to_list()
        for column in ("day", "survival", "low", "high")
    )
    few = [size < grey_below for size in part["at_risk"]]
    kept = _steps(days, share, [not one for one in few]) if any(few) else (days, share)
    style: dict[str, Any] = {"color": colour, "label": name}
    if not any(few):
        style["drawstyle"] = "steps-post"
    drawing.ax.plot(*kept, **style)
    drawing.ax.fill_between(days, low, high, step="post", color=colour, alpha=0.2, linewidth=0)
    faint = _steps(days, share, few)
    if faint[0]:
        drawing.ax.plot(*faint, color=drawing.colours.muted, linewidth=1)
    return bool(faint[0])


def _steps(
    days: Sequence[float], heights: Sequence[float], chosen: Sequence[bool]
) -> tuple[list[float], list[float]]:
    """Return the chosen steps of a line, each with the fall that leads to it and a gap behind it."""
    gap = float("nan")
    at: list[float] = []
    height: list[float] = []
    for day, share, before, end, is_chosen in zip(
        days, heights, [*heights[:1], *heights[:-1]], [*days[1:], *days[-1:]], chosen, strict=True
    ):
        if is_chosen:
            at += [day, day, end, gap]
            height += [before, share, share, gap]
    return at, height
