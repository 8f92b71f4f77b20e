"""Plots of opt-outs: the rate by group, and by when contacts were created with how long each cohort had."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Unpack

import polars as pl

from sendblue_data._shared.text import plural
from sendblue_data.plots.canvas import SMALL_GROUP, TOP, Canvas, canvas, require
from sendblue_data.plots.labels import number, percent
from sendblue_data.plots.options import PlotOptions, rows_that_fit, with_options
from sendblue_data.plots.panels import MOST_TOGETHER, behind, places
from sendblue_data.plots.points import told_level
from sendblue_data.plots.rates import (
    NOTHING_KNOWN,
    draw_rates,
    group_columns,
    group_title,
    left_out,
    line_groups,
    nobody_known,
    rate_limit,
)
from sendblue_data.plots.timelines import MOST_LINES, draw_rate_lines, finish_ages

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PREVALENCE = "Share of contacts with a known opt-out state that are opted out; not a rate per message sent."


@with_options
def opt_out_rate(
    table: pl.DataFrame,
    *,
    top: int | None = TOP,
    grey_below: int = SMALL_GROUP,
    reference: float | None = None,
    reference_label: str = "reference",
    **options: Unpack[PlotOptions],
) -> Axes:
    """Draw the opt-out rate of each group with its interval.

    Args:
        table: what `opt_out_rate(contacts, by)` gives: the group's columns, then
            `contacts, unknown, opt_outs, rate, low, high`. Rows keep their order.
        top: most groups drawn, the largest; the rest is counted in a note. None draws all.
        grey_below: groups with fewer known contacts are greyed.
        reference: a rate to compare with, such as that of all contacts, drawn as a dashed line.
        reference_label: what that rate is, said below.
        **options: `ax`, `title`, `as_of`, `theme`, `color`, `highlight`, `size`, `figsize`, as of every plot: see
            `PlotOptions`.

    Example:
        >>> from matplotlib.figure import Figure
        >>> table = pl.DataFrame({"tag": ["VIP"], "contacts": [60], "unknown": [10], "opt_outs": [5],
        ...                       "rate": [0.1], "low": [0.0435], "high": [0.2136]})
        >>> ax = opt_out_rate(table, ax=Figure().subplots(), as_of="1 March 2026")
        >>> ax.get_title(), [label.get_text() for label in ax.get_yticklabels()]
        ('Opt-out rate by tag', ['VIP'])
    """
    table = require(table, ["contacts", "unknown", "opt_outs", "rate", "low", "high"], "opt_out_rate")
    top = rows_that_fit(top, options)
    heading = group_title("Opt-out rate", group_columns(table))
    with canvas(heading, rows=min(table.height, top or table.height), **options) as drawing:
        drawing.label = PREVALENCE
        draw_rates(
            drawing,
            table,
            "opt_outs",
            colour=drawing.colours.accent,
            nothing=NOTHING_KNOWN,
            does="opts out",
            top=top,
            grey_below=grey_below,
            reference=reference,
            reference_label=reference_label,
        )
    return drawing.ax


@with_options
def opt_out_cohorts(
    table: pl.DataFrame,
    *,
    top: int = MOST_LINES,
    grey_below: int = SMALL_GROUP,
    **options: Unpack[PlotOptions],
) -> Axes:
    """Draw the opt-out rate of each cohort with its interval; cohorts that had less time are rings.

    Args:
        table: what `opt_out_cohorts(contacts)` gives: the group's columns, then `cohort, contacts, unknown,
            opt_outs, rate, low, high, exposure_days, unequal_exposure`.
        top: most groups drawn, those with the largest cohorts; the rest is counted in a note.
        grey_below: cohorts with fewer known contacts are greyed.
        **options: `ax`, `title`, `as_of`, `theme`, `color`, `highlight`, `size`, `figsize`, as of every plot: see
            `PlotOptions`.

    Example:
        >>> from datetime import date
        >>> from matplotlib.figure import Figure
        >>> table = pl.DataFrame({"cohort": [date(2026, 1, 1), date(2026, 2, 1)], "contacts": [90, 80],
        ...     "unknown": [0, 0], "opt_outs": [9, 4], "rate": [0.1, 0.05], "low": [0.05, 0.02],
        ...     "high": [0.18, 0.12], "exposure_days": [45.0, 14.0], "unequal_exposure": [False, True]})
        >>> ax = opt_out_cohorts(table, ax=Figure().subplots())
        >>> ax.lines[0].get_ydata().tolist()
        [0.1, 0.05]
    """
    columns = ["cohort", "contacts", "unknown", "opt_outs", "rate", "low", "high"]
    table = require(table, [*columns, "exposure_days", "unequal_exposure"], "opt_out_cohorts")
    by = table.columns[: table.columns.index("cohort")]
    with canvas(group_title("Opt-out rate", ["period of creation", *by]), height=2.7, **options) as drawing:
        dated = table.drop_nulls("cohort").with_columns(known=pl.col("contacts") - pl.col("unknown"))
        if not dated.get_column("contacts").sum():
            return drawing.say_empty("No contacts with a creation date" if table.height else "No contacts")
        if nobody_known(dated):
            return drawing.say_empty(NOTHING_KNOWN)
        drawing.label = PREVALENCE
        _warn(drawing, dated)
        faint, _ = draw_rate_lines(
            drawing,
            line_groups(drawing, dated, by, "contacts", top),
            "cohort",
            "known",
            grey_below=grey_below,
            total=lambda sizes: number(sum(sizes)),
            meaning="contacts whose opt-out state is known",
        )
        drawing.say_grey(faint, grey_below, "known contact")
        drawing.notes += [*left_out(table, "cohorts"), *_undated(table)]
    return drawing.ax


@with_options
def opt_out_by_age(
    table: pl.DataFrame,
    *,
    top: int = MOST_LINES,
    grey_below: int = SMALL_GROUP,
    **options: Unpack[PlotOptions],
) -> Axes:
    """Draw the share of contacts that has opted out by each age, a line a group, its interval shaded.

    Args:
        table: what `opt_out_by_age(contacts)` gives: the group's columns, then `day, from_day, to_day, contacts,
            unknown, opt_outs, rate, low, high`.
        top: most groups drawn, those with the most contacts in a row; the rest is counted in a note.
        grey_below: ages at which fewer contacts are known are greyed.
        **options: `ax`, `title`, `as_of`, `theme`, `color`, `highlight`, `size`, `figsize`, as of every plot: see
            `PlotOptions`.

    Example:
        >>> from matplotlib.figure import Figure
        >>> table = pl.DataFrame({"day": [5, 40], "from_day": [1, 20], "to_day": [19, 60], "contacts": [90, 80],
        ...     "unknown": [0, 0], "opt_outs": [3, 8], "rate": [0.033, 0.1], "low": [0.01, 0.06],
        ...     "high": [0.08, 0.17]})
        >>> ax = opt_out_by_age(table, ax=Figure().subplots())
        >>> ax.lines[0].get_xdata().tolist(), ax.lines[0].get_ydata().tolist()
        ([1.0, 19.0, 20.0, 60.0], [0.033, 0.033, 0.1, 0.1])
    """
    columns = ["day", "from_day", "to_day", "contacts", "unknown", "opt_outs", "rate", "low", "high"]
    table = require(table, columns, "opt_out_by_age")
    by = table.columns[: table.columns.index("day")]
    with canvas(group_title("Opted out by age", by), height=2.7, **options) as drawing:
        if not table.height or not table.get_column("contacts").sum():
            return drawing.say_empty(NOTHING_KNOWN)
        drawing.label = "Days since the contact was created."
        drawing.subtitle = (
            f"From one pull, if contacts of every age opt out alike; shaded: {told_level(table)}"
        )
        lines = line_groups(drawing, table, by, "contacts", top)
        tails = [
            f" ({number(int(part['opt_outs'].sum()))} / {number(int(part['contacts'].sum()))})"
            for _, part in lines
        ]
        spots = places(drawing, [name for name, _ in lines], tails)
        if len(lines) > MOST_TOGETHER:
            drawing.notes.append("In brackets: opted out, of all contacts.")
        behind(spots, [_ages(part)[:2] for _, part in lines])
        faint: list[bool] = []
        for spot, colour, (name, part) in zip(spots, drawing.cycle(len(lines)), lines, strict=True):
            own = drawing.colours.main if len(spots) > MOST_TOGETHER and not drawing.lit else colour
            faint += _draw_ages(spot, part, own, name, grey_below)
            if len(lines) <= MOST_TOGETHER:
                out = number(int(part["opt_outs"].sum()))
                drawing.notes.append(
                    f"{plural(int(part['contacts'].sum()), 'contact')}, {out} opted out: {name}."
                )
        drawing.say_grey(faint, grey_below, "known contact")
        limit = rate_limit(table["rate"].to_list(), table["high"].to_list(), _few(table, grey_below))
        spots[0].ax.set_ylim(0, limit)
        if any(high is not None and high > limit for high in table["high"]):
            drawing.notes.append("Shading goes on past the edge where few are known.")
        finish_ages(drawing, spots)
    return drawing.ax


def _few(table: pl.DataFrame, grey_below: int) -> list[bool]:
    """Tell of which rows too little is known."""
    return [known < grey_below for known in table["contacts"] - table["unknown"]]


def _draw_ages(drawing: Canvas, part: pl.DataFrame, colour: str, name: str, grey_below: int) -> list[bool]:
    """Draw one group's shares, each from its first age to its last; return which are too few to judge."""
    ages, share, low, high = _ages(part)
    faint = _few(part, grey_below)
    doubled = [one for one in faint for _ in range(2)]
    strong = [float("nan") if few else one for few, one in zip(doubled, share, strict=True)]
    drawing.ax.plot(ages, strong, color=colour, label=name, zorder=2)
    drawing.ax.fill_between(ages, low, high, color=colour, alpha=0.2, linewidth=0)
    if any(faint):
        thin: dict[str, Any] = {"color": drawing.colours.muted, "linewidth": 1.0, "zorder": 1.5}
        drawing.ax.plot(ages, share, label="_few", **thin)
    return faint


def _ages(part: pl.DataFrame) -> tuple[list[float], list[float], list[float], list[float]]:
    """Return the ends of each stretch of ages, and at them share, low and high."""
    rows = part.select("from_day", "to_day", "rate", "low", "high").rows()
    share, low, high = ([row[place] for row in rows for _ in range(2)] for place in (2, 3, 4))
    return [float(age) for start, end, *_ in rows for age in (start, end)], share, low, high


def _warn(drawing: Canvas, table: pl.DataFrame) -> None:
    """Say how unequal the cohorts' exposure is: the plot's first message, not its last."""
    exposures: list[float] = table.get_column("exposure_days").drop_nulls().to_list()
    if not exposures or not table.get_column("unequal_exposure").any():
        return
    drawing.subtitle = (
        f"Younger cohorts had less time to opt out: on average {number(max(exposures))} days in the oldest, "
        f"{number(min(exposures))} in the youngest"
    )
    drawing.notes.append(
        "Rings: had less than 90% of the longest time to opt out. "
        "That these are lower does not show that fewer people opt out."
    )


def _undated(table: pl.DataFrame) -> list[str]:
    """Count the contacts without a date of creation, who have no place on the axis."""
    unplaced = table.filter(pl.col("cohort").is_null())
    if not unplaced.height:
        return []
    contacts, unknown, out = unplaced.select(pl.col("contacts", "unknown", "opt_outs").sum()).row(0)
    rate = percent(out / (contacts - unknown) if contacts > unknown else None)
    return [f"Created at an unknown time, and not drawn: {number(contacts)}, of them {rate} opted out."]
