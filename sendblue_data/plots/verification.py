"""Plots of verification: the funnel, the rate by group, and what waits by age."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

import polars as pl

from sendblue_data.plots.canvas import SMALL_GROUP, TOP, AsOf, Canvas, Column, canvas, require
from sendblue_data.plots.labels import clean, number, percent, plural
from sendblue_data.plots.measure import widest
from sendblue_data.plots.rates import (
    NOTHING_VERIFIED,
    UNUSED,
    draw_rates,
    group_columns,
    group_noun,
    group_title,
    line_groups,
    nobody_known,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from sendblue_data.plots.style import Theme

LAST_STEP = "reachable"
"""The step that the funnel leads to."""


def verification_funnel(
    table: pl.DataFrame,
    *,
    ax: Axes | None = None,
    top: int = 8,
    title: str | None = None,
    as_of: AsOf = None,
    theme: Theme | None = None,
) -> Axes:
    """Draw the contacts that remain at each step, with the share of all and of the step before.

    Args:
        table: what `verification_funnel(contacts, by)` gives: the group's columns, then
            `step, contacts, ...`.
        ax: axes to draw on; a new figure, as high as the steps need, when None.
        top: most groups drawn, the largest; the rest is counted in a note.
        title: instead of `From all contacts to reachable ones`.
        as_of: moment of the pull, said below the title.
        theme: `"light"` or `"dark"`; that of `ax`, or the one chosen by `use_style`, when None.

    Returns:
        The axes; nothing is shown.

    Raises:
        FrameError: the table lacks a column.

    Example:
        >>> from matplotlib.figure import Figure
        >>> table = pl.DataFrame({"step": ["all", "verified"], "contacts": [50, 30]})
        >>> ax = verification_funnel(table, ax=Figure().subplots())
        >>> [int(bar.get_width()) for bar in ax.patches]
        [50, 30]
    """
    require(table, ["step", "contacts"], "verification_funnel")
    by = table.columns[: table.columns.index("step")]
    shown = table.select(by).unique().head(max(top, 1)) if by else table.head(1)
    steps = table.get_column("step").n_unique()
    heading = group_title("From all contacts to reachable ones", by)
    with canvas(ax, title=title or heading, as_of=as_of, theme=theme, rows=shown.height * steps) as drawing:
        if not table.get_column("contacts").sum():
            drawing.say_empty()
            return drawing.ax
        drawing.label = "Contacts that remain at each step."
        if "definition" in table.columns:
            drawing.notes.append(f"Reachable: {table['definition'][0]}.")
        sure = table.filter(pl.col("step") == "verified")
        if sure.height and not sure.get_column("contacts").sum():
            drawing.notes.append(UNUSED)
        _draw_funnels(drawing, line_groups(drawing, table, by, "contacts", top), grouped=bool(by))
    return drawing.ax


def _draw_funnels(drawing: Canvas, groups: Sequence[tuple[str, pl.DataFrame]], *, grouped: bool) -> None:
    """Draw a bar a step, group below group; a group's first step carries its name."""
    colours = drawing.colours
    steps = [step for _, part in groups for step in part.get_column("step").to_list()]
    sizes = [size for _, part in groups for size in part.get_column("contacts").to_list()]
    firsts = [part.get_column("contacts")[0] for _, part in groups for _ in range(part.height)]
    starts = list(accumulate((part.height for _, part in groups), initial=0))
    faint = [first < SMALL_GROUP for first in firsts]
    labels = [clean(str(step)) for step in steps]
    if grouped:
        for row, (name, _) in zip(starts, groups, strict=False):
            labels[row] = name
    drawing.rows(labels, faint)
    drawing.ax.barh(
        range(len(sizes)),
        sizes,
        height=0.66,
        color=[
            colours.muted if small else colours.good if step == LAST_STEP else colours.main
            for step, small in zip(steps, faint, strict=True)
        ],
    )
    if grouped:
        ticks = drawing.ax.get_yticklabels()
        drawing.left = widest((tick.get_text() for tick in ticks), 9.5, bold=True)
        for row in starts[:-1]:
            ticks[row].set_fontweight("bold")
        for row in starts[1:-1]:
            drawing.ax.axhline(row - 0.5, color=colours.line, linewidth=0.8, zorder=0)
    drawing.ax.set_xlim(0, max(sizes) * 1.02)
    drawing.count_axis()
    before = [None if row in starts else sizes[row - 1] for row in range(len(sizes))]
    told = _told([part for _, part in groups])
    drawing.columns(
        Column("contacts", [number(size) for size in sizes]),
        Column("of all", [_share(*row) for row in zip(sizes, firsts, told, strict=True)]),
        Column("of the step before", [_share(*row) for row in zip(sizes, before, told, strict=True)]),
        *_stopped_unknown(drawing, [part for _, part in groups]),
    )
    if not all(told):
        drawing.notes.append("n/a: nothing is known, the API said it of nobody.")
    drawing.say_grey(faint, plural(SMALL_GROUP, "contact"), "compare shares")


def _share(part: int, whole: int | None, told: bool) -> str:
    """Write a share; nothing where there is no step before, `n/a` where nobody was left in it, or known."""
    return "" if whole is None else percent(part / whole if whole and told else None)


def _told(parts: Sequence[pl.DataFrame]) -> list[bool]:
    """Tell of each step whether anything is known about it: a table with shares has none where nothing is."""
    shares = [part["share"] if "share" in part.columns else part["contacts"] for part in parts]
    return [share is not None for column in shares for share in column.to_list()]


def _stopped_unknown(drawing: Canvas, parts: Sequence[pl.DataFrame]) -> list[Column]:
    counts = [count for part in parts if "unknown" in part.columns for count in part["unknown"].to_list()]
    if not any(counts):
        return []
    drawing.notes.append("Unknown: of the step before, stopped here because the API did not say.")
    return [Column("unknown", [number(count) if count else "" for count in counts], drawing.colours.note)]


def verification_rate(
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
    """Draw the share of verified contacts of each group with its interval.

    Args:
        table: what `verification_rate(contacts, by)` gives: the group's columns, then
            `contacts, unknown, verified, rate, low, high`. Rows keep their order.
        ax: axes to draw on; a new figure, as high as the groups need, when None.
        top: most groups drawn, the largest; the rest is counted in a note. None draws all.
        min_contacts: groups with fewer contacts whose state is known are greyed.
        reference: a rate to compare with, such as that of all contacts, drawn as a dashed line.
        reference_label: what that rate is, said below.
        title: instead of `Verified share by ...`.
        as_of: moment of the pull, said below the title.
        theme: `"light"` or `"dark"`; that of `ax`, or the one chosen by `use_style`, when None.

    Returns:
        The axes; nothing is shown.

    Raises:
        FrameError: the table lacks a column.

    Example:
        >>> from matplotlib.figure import Figure
        >>> table = pl.DataFrame({"contacts": [60], "unknown": [10], "verified": [40],
        ...                       "rate": [0.8], "low": [0.67], "high": [0.89]})
        >>> ax = verification_rate(table, ax=Figure().subplots())
        >>> ax.get_title(), [label.get_text() for label in ax.get_yticklabels()]
        ('Verified share', ['All contacts'])
    """
    require(table, ["contacts", "unknown", "verified", "rate", "low", "high"], "verification_rate")
    by = group_columns(table)
    shown = min(table.height, top or table.height)
    with canvas(
        ax, title=title or group_title("Verified share", by), as_of=as_of, theme=theme, rows=shown
    ) as drawing:
        if not table.get_column("contacts").sum():
            drawing.say_empty()
            return drawing.ax
        if nobody_known(table):
            drawing.say_empty(NOTHING_VERIFIED)
            return drawing.ax
        if not table.get_column("verified").sum():
            drawing.notes.append(UNUSED)
        drawing.label = "Share of contacts with a known verification state that are verified."
        draw_rates(
            drawing,
            table,
            count="verified",
            noun=group_noun(by),
            colour=drawing.colours.good,
            top=top,
            min_contacts=min_contacts,
            reference=reference,
            reference_label=reference_label,
        )
    return drawing.ax


def verification_backlog(
    table: pl.DataFrame,
    *,
    ax: Axes | None = None,
    title: str | None = None,
    as_of: AsOf = None,
    theme: Theme | None = None,
) -> Axes:
    """Draw a bar an age: the unverified contacts, with those who may be sent a verification message.

    Args:
        table: what `verification_backlog(contacts)` gives. Rows keep their order.
        ax: axes to draw on; a new figure, as high as the ages need, when None.
        title: instead of `Unverified contacts by age`.
        as_of: moment that ages are counted to, said below the title.
        theme: `"light"` or `"dark"`; that of `ax`, or the one chosen by `use_style`, when None.

    Returns:
        The axes; nothing is shown.

    Raises:
        FrameError: the table lacks a column.

    Example:
        >>> from matplotlib.figure import Figure
        >>> table = pl.DataFrame({"age": ["under 1 week", "over 1 year"], "contacts": [5, 40],
        ...     "share": [0.111, 0.889], "unknown": [0, 2], "opt_outs": [0, 10], "to_verify": [5, 28]})
        >>> ax = verification_backlog(table, ax=Figure().subplots())
        >>> [[int(bar.get_width()) for bar in bars] for bars in ax.containers]
        [[5, 40], [5, 28], [0, 10]]
    """
    columns = ["age", "contacts", "share", "unknown", "opt_outs", "to_verify"]
    require(table, columns, "verification_backlog")
    heading = title or "Unverified contacts by age"
    with canvas(ax, title=heading, as_of=as_of, theme=theme, rows=table.height) as drawing:
        if not table.get_column("contacts").sum():
            unsaid = sum(table.get_column("unknown").to_list())
            drawing.say_empty(
                f"Nothing known: of {plural(unsaid, 'contact')} the API did not say whether verified"
                if unsaid
                else "No contacts wait to be verified"
            )
            return drawing.ax
        ages, sizes, shares, unknown, opted_out, to_verify = (
            table.get_column(name).to_list() for name in columns
        )
        at, colours = range(table.height), drawing.colours
        drawing.rows(drawing.names(ages))
        drawing.ax.barh(at, sizes, height=0.66, color=colours.muted, label="unverified")
        drawing.ax.barh(at, to_verify, height=0.66, color=colours.main, label="of them to verify")
        drawing.ax.barh(
            at, opted_out, left=to_verify, height=0.66, color=colours.accent, label="of them opted out"
        )
        drawing.ax.set_xlim(0, max(sizes) * 1.02)
        drawing.count_axis()
        drawing.columns(
            Column("unverified", [number(size) for size in sizes]),
            Column("share", [percent(share) for share in shares], colours.note),
            Column("to verify", [number(size) for size in to_verify]),
            Column("opted out", [number(size) for size in opted_out], colours.note),
            *_unknown_if_any(drawing, unknown),
        )
        drawing.subtitle = "Blue: may be sent a verification message; orange: opted out; grey: neither"
        drawing.label = (
            "Contacts known to be unverified, by time since they were created. "
            "Grey: opt-out unknown, or no E.164 phone."
        )
    return drawing.ax


def _unknown_if_any(drawing: Canvas, counts: Sequence[int]) -> list[Column]:
    if not any(counts):
        return []
    drawing.notes.append("Unknown: of that age, but the API did not say whether verified; in no bar.")
    return [Column("unknown", [number(count) for count in counts], drawing.colours.note)]
