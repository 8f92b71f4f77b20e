"""Plots of opt-outs: the rate by group, and by when contacts were created with how long each cohort had."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

import polars as pl

from sendblue_data._shared.text import plural
from sendblue_data.plots.canvas import SMALL_GROUP, TOP, Canvas, PlotOptions, canvas, require, with_options
from sendblue_data.plots.labels import number, percent
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
        **options: `ax`, `title`, `as_of`, `theme`, as of every plot: see `PlotOptions`.

    Example:
        >>> from matplotlib.figure import Figure
        >>> table = pl.DataFrame({"tag": ["VIP"], "contacts": [60], "unknown": [10], "opt_outs": [5],
        ...                       "rate": [0.1], "low": [0.0435], "high": [0.2136]})
        >>> ax = opt_out_rate(table, ax=Figure().subplots(), as_of="1 March 2026")
        >>> ax.get_title(), [label.get_text() for label in ax.get_yticklabels()]
        ('Opt-out rate by tag', ['VIP'])
    """
    table = require(table, ["contacts", "unknown", "opt_outs", "rate", "low", "high"], "opt_out_rate")
    heading = group_title("Opt-out rate", group_columns(table))
    with canvas(heading, rows=min(table.height, top or table.height), **options) as drawing:
        drawing.label = PREVALENCE
        draw_rates(
            drawing,
            table,
            "opt_outs",
            colour=drawing.colours.accent,
            nothing=NOTHING_KNOWN,
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
        **options: `ax`, `title`, `as_of`, `theme`, as of every plot: see `PlotOptions`.

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
        faint = draw_rate_lines(
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
        **options: `ax`, `title`, `as_of`, `theme`, as of every plot: see `PlotOptions`.

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
        drawing.subtitle = "From one pull, if contacts of every age opt out alike; interval shaded"
        lines = line_groups(drawing, table, by, "contacts", top)
        faint: list[bool] = []
        for colour, (name, part) in zip(drawing.colours.cycle, lines, strict=False):
            faint += _draw_ages(drawing, part, colour, name, grey_below)
        drawing.say_grey(faint, grey_below, "known contact")
        drawing.ax.set_ylim(
            0, rate_limit(table["rate"].to_list(), table["high"].to_list(), _few(table, grey_below))
        )
        finish_ages(drawing, len(lines))
    return drawing.ax


def _few(table: pl.DataFrame, grey_below: int) -> list[bool]:
    """Tell of which rows too little is known."""
    return [known < grey_below for known in table["contacts"] - table["unknown"]]


def _draw_ages(drawing: Canvas, part: pl.DataFrame, colour: str, name: str, grey_below: int) -> list[bool]:
    """Draw one group's shares, each from its first age to its last; return which are too few to judge."""
    rows = part.select("from_day", "to_day", "rate", "low", "high").rows()
    ages = [float(age) for start, end, *_ in rows for age in (start, end)]
    share, low, high = ([row[place] for row in rows for _ in range(2)] for place in (2, 3, 4))
    drawing.ax.plot(ages, share, color=colour, label=name)
    drawing.ax.fill_between(ages, low, high, color=colour, alpha=0.2, linewidth=0)
    faint = _few(part, grey_below)
    for is_faint, (start, end, rate, *_) in zip(faint, rows, strict=True):
        if is_faint:
            drawing.ax.plot([start, end], [rate, rate], color=drawing.colours.muted)
    drawing.notes.append(
        f"{plural(int(part['contacts'].sum()), 'contact')}, {number(int(part['opt_outs'].sum()))} opted out: {name}."
    )
    return faint


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
