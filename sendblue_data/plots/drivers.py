"""Plot of what goes with opting out: relative risks on a log axis."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import TYPE_CHECKING, Unpack

import polars as pl

from sendblue_data._shared.text import plural
from sendblue_data.plots.canvas import SMALL_GROUP, TOP, Canvas, Column, canvas, require
from sendblue_data.plots.labels import NOT_SET, digits_of, number, percent, probability
from sendblue_data.plots.options import PlotOptions, rows_that_fit, with_options
from sendblue_data.plots.points import driver, told_level
from sendblue_data.plots.rates import NOTHING_KNOWN, of_known

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDEST = 50.0
"""Risks, and ends of intervals, beyond this many times (or one over it) are drawn as arrows at the edge."""
NARROWEST = 2.0
"""The axis goes at least from one over this to this, so that 1 is never at an edge."""
TICKS = (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50)
FEW_TICKS = (0.1, 1, 10)
CROWDED = 60
"""Where the axis's end is more than this many times its start, only the few ticks have room."""
NONE_TESTED = "No set has enough contacts to be compared with the rest"

Risk = tuple[float | None, float | None, float | None]
"""A relative risk, and the ends of its interval."""


@with_options
def opt_out_drivers(
    table: pl.DataFrame,
    *,
    top: int | None = TOP,
    grey_below: int = SMALL_GROUP,
    max_q: float = 0.05,
    **options: Unpack[PlotOptions],
) -> Axes:
    """Draw the relative risk of each set against the rest with its interval, on a log axis.

    Args:
        table: what `opt_out_drivers(contacts)` gives. Rows keep their order, the smallest p first. Adjusted
            risks, where it has them, are written beside the crude ones that are drawn.
        top: most sets drawn, the first; the rest is counted in a note. None draws all.
        grey_below: sets with fewer known contacts are greyed.
        max_q: sets with a larger q, which may well differ by chance, are drawn as rings.
        **options: `ax`, `title`, `as_of`, `theme`, `color`, `highlight`, `size`, `figsize`, as of every plot: see
            `PlotOptions`.

    Example:
        >>> from matplotlib.figure import Figure
        >>> table = pl.DataFrame({"factor": ["tag"], "level": ["Cold"], "contacts": [40], "unknown": [0],
        ...     "opt_outs": [10], "relative_risk": [5.0], "relative_risk_low": [1.47],
        ...     "relative_risk_high": [17.05], "q": [0.0036], "left_out": [2]})
        >>> ax = opt_out_drivers(table, ax=Figure().subplots())
        >>> "5.00 (1.47 to 17.1)" in [text.get_text() for text in ax.texts]
        True
    """
    risk = ("relative_risk", "relative_risk_low", "relative_risk_high")
    columns = ["factor", "level", "contacts", "unknown", "opt_outs", *risk, "q", "left_out"]
    table = require(table, columns, "opt_out_drivers")
    top = rows_that_fit(top, options)
    kept = table.head(table.height if top is None else max(top, 1))
    with canvas("Relative risk of having opted out", rows=kept.height, **options) as drawing:
        known = (kept["contacts"] - kept["unknown"]).to_list()
        if not any(known):
            return drawing.say_empty(NOTHING_KNOWN if kept.height else NONE_TESTED)
        faint = [size < grey_below for size in known]
        levels = kept["level"].fill_null(NOT_SET)
        drawing.rows(drawing.paired_names(kept["factor"], levels, ": ", width=30), faint)
        risks: list[Risk] = kept.select(risk).rows()
        _draw_risks(drawing, risks, faint, [q is None or q > max_q for q in kept["q"]])
        drawing.columns(
            *_rates(kept),
            Column(f"risk ({told_level(kept)})", risks, lambda risk: risk_text(*risk)),
            *_adjusted(drawing, kept),
            Column("q", kept["q"], probability),
            of_known(kept["opt_outs"], known),
        )
        drawing.subtitle = (
            "Opt-out rate of each set as a multiple of the rate of all other contacts, log scale"
        )
        drawing.point = driver(table, max_q)
        drawing.label = (
            "An association, not a cause: sets overlap, and tags are often given because of what someone did."
        )
        drawing.notes.append(
            f"Rings: q (p adjusted for the number of tests) over {max_q:g}; may well differ by chance."
        )
        drawing.say_grey(faint, grey_below, "known contact")
        if kept.height < table.height:
            drawing.notes.append(
                f"The {plural(kept.height, 'set')} with the smallest p of {number(table.height)}; "
                f"{number(table.height - kept.height)} more not drawn."
            )
        drawing.notes.extend(_left_out(table))
    return drawing.ax


def risk_text(risk: float | None, low: float | None, high: float | None) -> str:
    """Write a relative risk with its interval.

    Example:
        >>> risk_text(2.978, 2.41, 3.68), risk_text(0.0, 0.0, 1.904), risk_text(inf, 2.88, inf)
        ('2.98 (2.41 to 3.68)', '0 (0 to 1.90)', '∞ (2.88 or more)')
        >>> risk_text(None, None, None)
        'n/a'
    """
    if risk is None or low is None or high is None:
        return "n/a"
    if risk == inf:
        return f"∞ ({_times(low)} or more)"
    return f"{_times(risk)} ({_times(low)} to {_times(high)})"


def _times(value: float) -> str:
    if value == 0:
        return "0"
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else number(value)  # noqa: PLR2004


def _draw_risks(drawing: Canvas, risks: Sequence[Risk], faint: Sequence[bool], rings: Sequence[bool]) -> None:
    ax, colours = drawing.ax, drawing.colours
    left, right = _limits([risk for risk, small in zip(risks, faint, strict=True) if not small] or risks)
    ax.set_xscale("log")
    ax.set_xlim(left, right)
    _risk_ticks(drawing, left, right)
    drawing.reference_line(1)
    cut = False
    for row, ((risk, low, high), small, ring) in enumerate(zip(risks, faint, rings, strict=True)):
        if risk is None:
            continue
        shade = colours.muted if small else colours.accent if risk > 1 else colours.main
        if low is not None and high is not None and low < right and high > left:
            ends = [max(low, left), min(high, right)]
            ax.plot(ends, [row, row], color=shade, linewidth=2.2, solid_capstyle="butt", zorder=2)
        if left <= risk <= right:
            face = colours.background if ring else shade
            ax.plot([risk], [row], "o", color=shade, markerfacecolor=face, markersize=6.5, zorder=3)
        if min(risk, risk if low is None else low) < left:
            cut = True
            drawing.arrow(row, "<", 0.015, shade)
        if max(risk, risk if high is None else high) > right:
            cut = True
            drawing.arrow(row, ">", 0.985, shade)
    if cut:
        drawing.notes.append("An arrow at the edge: the risk or its interval goes on past it.")


def _limits(risks: Sequence[Risk]) -> tuple[float, float]:
    ends = [end for risk in risks for end in risk if end is not None and 0 < end < inf]
    left = max(min([*ends, 1 / NARROWEST]) / 1.1, 1 / WIDEST)
    right = min(max([*ends, NARROWEST]) * 1.1, WIDEST)
    return left, right


def _risk_ticks(drawing: Canvas, left: float, right: float) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator  # noqa: PLC0415 -- late, like pyplot

    axis = drawing.ax.xaxis
    ticks = FEW_TICKS if right / left > CROWDED else TICKS
    axis.set_major_locator(FixedLocator([tick for tick in ticks if left <= tick <= right]))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda times, _: f"{times:g}"))


def _rates(table: pl.DataFrame) -> list[Column]:
    """Return the columns of the rates that a risk is the ratio of, where the table has them."""
    if not {"opt_out_rate", "rest_opt_out_rate"} <= set(table.columns):
        return []
    return [
        Column("rate", table["opt_out_rate"], lambda rate: percent(rate, digits_of(rate))),
        Column(
            "of the rest",
            table["rest_opt_out_rate"],
            lambda rate: percent(rate, digits_of(rate)),
            is_note=True,
        ),
    ]


def _adjusted(drawing: Canvas, table: pl.DataFrame) -> list[Column]:
    """Return the column of adjusted risks, where the table has them."""
    columns = [f"adjusted_relative_risk{end}" for end in ("", "_low", "_high")]
    if not set(columns) <= set(table.columns):
        return []
    drawing.notes.append("Adjusted: among contacts who are alike in what opt_out_drivers(adjust=...) held.")
    return [Column("adjusted (interval)", table.select(columns).rows(), lambda risk: risk_text(*risk))]


def _left_out(table: pl.DataFrame) -> list[str]:
    """Count the sets that were too small to be tested, by factor; each row of a factor has its number."""
    counts = table.group_by("factor", maintain_order=True).agg(pl.col("left_out").max())
    said = [f"{factor} {number(count)}" for factor, count in counts.rows() if count]
    return [f"Of too few contacts to be tested: {', '.join(said)}."] if said else []
