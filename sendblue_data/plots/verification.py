"""Plots of verification: the funnel, the rate by group, and what waits by age."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Unpack

import polars as pl

from sendblue_data._shared.text import plural
from sendblue_data.plots.canvas import BAR, SMALL_GROUP, TOP, Canvas, Column, canvas, require
from sendblue_data.plots.labels import clean, number, percent
from sendblue_data.plots.measure import widest
from sendblue_data.plots.options import PlotOptions, rows_that_fit, with_options
from sendblue_data.plots.rates import (
    NOTHING_VERIFIED,
    UNUSED,
    draw_rates,
    group_columns,
    group_title,
    line_groups,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LAST_STEP = "reachable"
"""The step that the funnel leads to."""


@with_options
def verification_funnel(table: pl.DataFrame, *, top: int = 8, **options: Unpack[PlotOptions]) -> Axes:
    """Draw the contacts that remain at each step, with the share of all and of the step before.

    Args:
        table: what `verification_funnel(contacts, by)` gives: the group's columns, then
            `step, contacts, ...`.
        top: most groups drawn, the largest; the rest is counted in a note.
        **options: `ax`, `title`, `as_of`, `theme`, `color`, `highlight`, `size`, `figsize`, as of every plot: see
            `PlotOptions`.

    Example:
        >>> from matplotlib.figure import Figure
        >>> table = pl.DataFrame({"step": ["all", "verified"], "contacts": [50, 30]})
        >>> ax = verification_funnel(table, ax=Figure().subplots())
        >>> [int(bar.get_width()) for bar in ax.patches]
        [50, 30]
    """
    table = require(table, ["step", "contacts"], "verification_funnel")
    by = table.columns[: table.columns.index("step")]
    groups = table.select(by).unique().head(max(top, 1)) if by else table.head(1)
    rows = groups.height * table.get_column("step").n_unique()
    with canvas(group_title("From all contacts to reachable ones", by), rows=rows, **options) as drawing:
        if not table.get_column("contacts").sum():
            return drawing.say_empty()
        drawing.label = "Contacts that remain at each step."
        if "definition" in table.columns:
            drawing.notes.append(f"Reachable: {table['definition'][0]}.")
        sure = table.filter(pl.col("step") == "verified")
        if sure.height and not sure.get_column("contacts").sum():
            drawing.notes.append(UNUSED)
        if not by and "share" in table.columns and table["share"][-1] is not None:
            drawing.point = f"{percent(table['share'][-1])} of contacts are {table['step'][-1]}"
        _draw_funnels(drawing, line_groups(drawing, table, by, "contacts", top), grouped=bool(by))
    return drawing.ax


def _draw_funnels(drawing: Canvas, groups: Sequence[tuple[str, pl.DataFrame]], *, grouped: bool) -> None:
    """Draw a bar a step, group below group; a group's first step carries its name."""
    colours = drawing.colours
    parts = [part for _, part in groups]
    steps = [step for part in parts for step in part["step"]]
    sizes = [size for part in parts for size in part["contacts"]]
    firsts = [part["contacts"][0] for part in parts for _ in range(part.height)]
    starts = list(accumulate((part.height for part in parts), initial=0))
    faint = [first < SMALL_GROUP for first in firsts]
    labels = [clean(str(step)) for step in steps]
    if grouped:
        for row, (name, _) in zip(starts, groups, strict=False):
            labels[row] = name
    shades = drawing.shades(faint, colours.main)
    shades = [
        colours.good if step == LAST_STEP and not small else shade
        for step, small, shade in zip(steps, faint, shades, strict=True)
    ]
    drawing.bars(labels, sizes, shades, faint)
    if grouped:
        ticks = drawing.ax.get_yticklabels()
        drawing.left = widest((tick.get_text() for tick in ticks), 9.5, bold=True)
        for row in starts[:-1]:
            ticks[row].set_fontweight("bold")
        for row in starts[1:-1]:
            drawing.ax.axhline(row - 0.5, color=colours.line, linewidth=0.8, zorder=0)
    before = [None if row in starts else sizes[row - 1] for row in range(len(sizes))]
    told = _told(parts)
    drawing.columns(
        Column("contacts", sizes),
        Column("of all", zip(sizes, firsts, told, strict=True), _share),
        Column("of the step before", zip(sizes, before, told, strict=True), _share),
        *_stopped_unknown(drawing, parts),
    )
    if not all(told):
        drawing.notes.append("n/a: nothing is known, the API said it of nobody.")
    drawing.say_grey(faint, SMALL_GROUP, "contact", "compare shares")


def _share(step: tuple[int, int | None, bool]) -> str:
    """Write a share; nothing where there is no step before, `n/a` where nobody was left in it, or known."""
    part, whole, is_told = step
    return "" if whole is None else percent(part / whole if whole and is_told else None)


def _told(parts: Sequence[pl.DataFrame]) -> list[bool]:
    """Tell of each step whether anything is known about it: a table with shares has none where nothing is."""
    shares = [part["share"] if "share" in part.columns else part["contacts"] for part in parts]
    return [share is not None for column in shares for share in column]


def _stopped_unknown(drawing: Canvas, parts: Sequence[pl.DataFrame]) -> list[Column]:
    counts = [count for part in parts if "unknown" in part.columns for count in part["unknown"]]
    if not any(counts):
        return []
    drawing.notes.append("Unknown: of the step before, stopped here because the API did not say.")
    return [Column("unknown", counts, lambda count: number(count) if count else "", is_note=True)]


@with_options
def verification_rate(
    table: pl.DataFrame,
    *,
    top: int | None = TOP,
    grey_below: int = SMALL_GROUP,
    reference: float | None = None,
    reference_label: str = "reference",
    **options: Unpack[PlotOptions],
) -> Axes:
    """Draw the share of verified contacts of each group with its interval.

    Args:
        table: what `verification_rate(contacts, by)` gives: the group's columns, then
            `contacts, unknown, verified, rate, low, high`. Rows keep their order.
        top: most groups drawn, the largest; the rest is counted in a note. None draws all.
        grey_below: groups with fewer contacts whose state is known are greyed.
        reference: a rate to compare with, such as that of all contacts, drawn as a dashed line.
        reference_label: what that rate is, said below.
        **options: `ax`, `title`, `as_of`, `theme`, `color`, `highlight`, `size`, `figsize`, as of every plot: see
            `PlotOptions`.

    Example:
        >>> from matplotlib.figure import Figure
        >>> table = pl.DataFrame({"contacts": [60], "unknown": [10], "verified": [40],
        ...                       "rate": [0.8], "low": [0.67], "high": [0.89]})
        >>> ax = verification_rate(table, ax=Figure().subplots())
        >>> ax.get_title(), [label.get_text() for label in ax.get_yticklabels()]
        ('Verified share', ['All contacts'])
    """
    table = require(table, ["contacts", "unknown", "verified", "rate", "low", "high"], "verification_rate")
    top = rows_that_fit(top, options)
    heading = group_title("Verified share", group_columns(table))
    with canvas(heading, rows=min(table.height, top or table.height), **options) as drawing:
        drawing.label = "Share of contacts with a known verification state that are verified."
        if not table.get_column("verified").sum():
            drawing.notes.append(UNUSED)
        draw_rates(
            drawing,
            table,
            "verified",
            colour=drawing.colours.good,
            nothing=NOTHING_VERIFIED,
            does="is verified",
            top=top,
            grey_below=grey_below,
            reference=reference,
            reference_label=reference_label,
        )
    return drawing.ax


@with_options
def verification_backlog(table: pl.DataFrame, **options: Unpack[PlotOptions]) -> Axes:
    """Draw a bar an age: the unverified contacts, with those who may be sent a verification message.

    Args:
        table: what `verification_backlog(contacts)` gives. Rows keep their order.
        **options: `ax`, `title`, `as_of`, `theme`, `color`, `highlight`, `size`, `figsize`, as of every plot: see
            `PlotOptions`.

    Example:
        >>> from matplotlib.figure import Figure
        >>> table = pl.DataFrame({"age": ["under 1 week", "over 1 year"], "contacts": [5, 40],
        ...     "share": [0.111, 0.889], "unknown": [0, 2], "opt_outs": [0, 10], "to_verify": [5, 28]})
        >>> ax = verification_backlog(table, ax=Figure().subplots())
        >>> [[int(bar.get_width()) for bar in bars] for bars in ax.containers]
        [[5, 40], [5, 28], [0, 10]]
    """
    columns = ["age", "contacts", "share", "unknown", "opt_outs", "to_verify"]
    table = require(table, columns, "verification_backlog")
    with canvas("Unverified contacts by age", rows=table.height, **options) as drawing:
        ages, sizes, shares, unknown, opt_outs, to_verify = (table[name].to_list() for name in columns)
        if not any(sizes):
            untold = (
                f"Nothing known: of {plural(sum(unknown), 'contact')} the API did not say whether verified"
            )
            return drawing.say_empty(untold if any(unknown) else "No contacts wait to be verified")
        ax, at, colours = drawing.ax, range(table.height), drawing.colours
        drawing.bars(drawing.names(ages), sizes, colours.muted)
        ax.barh(at, to_verify, height=BAR, color=colours.main, label="to verify")
        ax.barh(at, opt_outs, left=to_verify, height=BAR, color=drawing.opted_out, label="opted out")
        drawing.columns(
            Column("unverified", sizes),
            Column("share", shares, percent, is_note=True),
            Column("to verify", to_verify),
            Column("opted out", opt_outs, is_note=True),
            *([Column("unknown", unknown, is_note=True)] if any(unknown) else []),
        )
        colour = "Colour" if options.get("color") else "Blue"
        drawing.subtitle = f"{colour}: may be sent a verification message; orange: opted out; grey: neither"
        drawing.point = (
            f"{plural(sum(sizes), 'contact')} not verified, {number(sum(to_verify))} of them to be asked"
        )
        drawing.label = (
            "Contacts known to be unverified, by time since they were created. "
            "Grey: opt-out unknown, or no E.164 phone."
        )
        if any(unknown):
            drawing.notes.append("Unknown: of that age, but the API did not say whether verified; in no bar.")
    return drawing.ax
