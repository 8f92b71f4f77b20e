"""Plots of the opt-out rate, overall and by group."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from sendblue_data.plots.canvas import SMALL_GROUP, TOP, AsOf, canvas, require
from sendblue_data.plots.rates import (
    NOTHING_KNOWN,
    draw_rates,
    group_columns,
    group_noun,
    group_title,
    nobody_known,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from sendblue_data.plots.style import Theme

PREVALENCE = "Share of contacts with a known opt-out state that are opted out; not a rate per message sent."


def opt_out_rate(
    table: pl.DataFrame,
    *,
    ax: Axes | None = None,
    top: int | None = TOP,
    min_contacts: int = SMALL_GROUP,
    reference: float | None = None,
    reference_label: str = "reference",
    title: str | None = None,
    as_of: AsOf = None,
    theme: Theme | None = None,
) -> Axes:
    """Draw the opt-out rate of each group with its interval.

    Args:
        table: what `opt_out_rate(contacts, by)` gives: the group's columns, then
            `contacts, unknown, opt_outs, rate, low, high`. Rows keep their order.
        ax: axes to draw on; a new figure, as high as the groups need, when None.
        top: most groups drawn, the largest; the rest is counted in a note. None draws all.
        min_contacts: groups with fewer known contacts are greyed.
        reference: a rate to compare with, such as that of all contacts, drawn as a dashed line.
        reference_label: what that rate is, said below.
        title: instead of `Opt-out rate by ...`.
        as_of: moment of the pull, said below the title.
        theme: `"light"` or `"dark"`; that of `ax`, or the one chosen by `use_style`, when None.

    Returns:
        The axes; nothing is shown.

    Raises:
        FrameError: the table lacks a column.

    Example:
        >>> from matplotlib.figure import Figure
        >>> table = pl.DataFrame({"tags": ["VIP"], "contacts": [60], "unknown": [10], "opt_outs": [5],
        ...                       "rate": [0.1], "low": [0.0435], "high": [0.2136]})
        >>> ax = opt_out_rate(table, ax=Figure().subplots(), as_of="1 March 2026")
        >>> ax.get_title(), [label.get_text() for label in ax.get_yticklabels()]
        ('Opt-out rate by tag', ['VIP'])
    """
    require(table, ["contacts", "unknown", "opt_outs", "rate", "low", "high"], "opt_out_rate")
    by = group_columns(table)
    shown = min(table.height, top or table.height)
    with canvas(
        ax, title=title or group_title("Opt-out rate", by), as_of=as_of, theme=theme, rows=shown
    ) as drawing:
        if not table.get_column("contacts").sum():
            drawing.say_empty()
            return drawing.ax
        if nobody_known(table):
            drawing.say_empty(NOTHING_KNOWN)
            return drawing.ax
        drawing.label = PREVALENCE
        draw_rates(
            drawing,
            table,
            count="opt_outs",
            noun=group_noun(by),
            colour=drawing.colours.accent,
            top=top,
            min_contacts=min_contacts,
            reference=reference,
            reference_label=reference_label,
        )
    return drawing.ax
