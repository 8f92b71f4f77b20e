"""Plots of opt-outs by when contacts were created, which say how long each cohort had."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from sendblue_data.plots.canvas import SMALL_GROUP, AsOf, Canvas, canvas, require
from sendblue_data.plots.labels import number, percent, plural
from sendblue_data.plots.opt_outs import PREVALENCE
from sendblue_data.plots.rates import NOTHING_KNOWN, group_title, left_out, line_groups, nobody_known
from sendblue_data.plots.timelines import (
    MOST_LINES,
    draw_line,
    finish_rates,
    label_lines,
    line_colours,
    shifts,
    write_sizes,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from sendblue_data.plots.style import Theme


def opt_out_cohorts(
    table: pl.DataFrame,
    *,
    ax: Axes | None = None,
    top: int = MOST_LINES,
    min_contacts: int = SMALL_GROUP,
    title: str | None = None,
    as_of: AsOf = None,
    theme: Theme | None = None,
) -> Axes:
    """Draw the opt-out rate of each cohort with its interval; cohorts that had less time are rings.

    Args:
        table: what `opt_out_cohorts(contacts)` gives: the group's columns, then `cohort, contacts, unknown,
            opt_outs, rate, low, high, exposure_days, unequal_exposure`.
        ax: axes to draw on; a new figure when None.
        top: most groups drawn, those with the largest cohorts; the rest is counted in a note.
        min_contacts: cohorts with fewer known contacts are greyed.
        title: instead of `Opt-out rate by period of creation`.
        as_of: moment of the pull, said below the title.
        theme: `"light"` or `"dark"`; that of `ax`, or the one chosen by `use_style`, when None.

    Returns:
        The axes; nothing is shown.

    Raises:
        FrameError: the table lacks a column.

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
    require(table, [*columns, "exposure_days", "unequal_exposure"], "opt_out_cohorts")
    by = table.columns[: table.columns.index("cohort")]
    heading = group_title("Opt-out rate", ["period of creation", *by])
    with canvas(ax, title=title or heading, as_of=as_of, theme=theme, height=2.7) as drawing:
        dated = table.drop_nulls("cohort")
        if not dated.get_column("contacts").sum():
            drawing.say_empty("No contacts with a creation date" if table.height else "No contacts")
            return drawing.ax
        if nobody_known(dated):
            drawing.say_empty(NOTHING_KNOWN)
            return drawing.ax
        drawing.label = PREVALENCE
        _warn(drawing, dated)
        lines = line_groups(drawing, dated, by, "contacts", top)
        rates, highs, faint = [], [], []
        for colour, shift, (name, part) in zip(
            line_colours(drawing, len(lines)), shifts(len(lines)), lines, strict=False
        ):
            known = (part["contacts"] - part["unknown"]).to_list()
            small = [size < min_contacts for size in known]
            at, rate, low, high, rings = (
                part.get_column(column).to_list()
                for column in ("cohort", "rate", "low", "high", "unequal_exposure")
            )
            draw_line(
                drawing,
                at,
                rate,
                low,
                high,
                colour=colour,
                faint=small,
                label=f"{name} ({number(sum(known))})",
                hollow=rings,
                shift=shift,
            )
            rates += rate
            highs += high
            faint += small
        finish_rates(drawing, rates, highs, faint)
        if len(lines) == 1:
            part = lines[0][1]
            write_sizes(
                drawing,
                part["cohort"].to_list(),
                (part["contacts"] - part["unknown"]).to_list(),
                "Along the top: contacts whose opt-out state is known.",
            )
        else:
            label_lines(drawing)
            drawing.notes.append("In brackets: contacts whose opt-out state is known.")
        drawing.say_grey(faint, plural(min_contacts, "known contact"))
        drawing.notes.extend(left_out(table, "cohorts"))
        drawing.notes.extend(_undated(table))
    return drawing.ax


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
    contacts, unknown, out = (
        sum(unplaced.get_column(name).to_list()) for name in ("contacts", "unknown", "opt_outs")
    )
    rate = percent(out / (contacts - unknown) if contacts > unknown else None)
    return [f"Created at an unknown time, and not drawn: {number(contacts)}, of them {rate} opted out."]
