"""Plots of tags one by one: how large each is, and how it grew."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from sendblue_data.plots.canvas import (
    SMALL_GROUP,
    TOP,
    AsOf,
    Column,
    canvas,
    keep_top,
    require,
)
from sendblue_data.plots.intervals import interval_texts
from sendblue_data.plots.labels import clean, number, percent, plural
from sendblue_data.plots.rates import NOTHING_KNOWN, line_groups
from sendblue_data.plots.timelines import MOST_LINES, days, label_ends, time_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from sendblue_data.plots.style import Theme

NO_TAGS = "No contacts have tags"


def tag_summary(
    table: pl.DataFrame,
    *,
    ax: Axes | None = None,
    top: int | None = TOP,
    min_contacts: int = SMALL_GROUP,
    title: str | None = None,
    as_of: AsOf = None,
    theme: Theme | None = None,
) -> Axes:
    """Draw a bar a tag: its contacts, with the part that opted out, and the opt-out rate beside it.

    Args:
        table: what `tag_summary(contacts)` gives. Rows keep their order.
        ax: axes to draw on; a new figure, as high as the tags need, when None.
        top: most tags drawn, the largest; the rest is counted in a note. None draws all.
        min_contacts: tags with fewer contacts are greyed.
        title: instead of `Contacts by tag`.
        as_of: moment of the pull, said below the title.
        theme: `"light"` or `"dark"`; that of `ax`, or the one chosen by `use_style`, when None.

    Returns:
        The axes; nothing is shown.

    Raises:
        FrameError: the table lacks a column.

    Example:
        >>> from matplotlib.figure import Figure
        >>> table = pl.DataFrame({"tag": ["VIP", "lead"], "contacts": [90, 40], "share": [0.9, 0.4],
        ...     "opt_outs": [9, 1], "opt_out_rate": [0.1, 0.025], "opt_out_rate_low": [0.05, 0.004],
        ...     "opt_out_rate_high": [0.18, 0.13], "verified": [60, 20], "verification_rate": [0.67, 0.5]})
        >>> ax = tag_summary(table, ax=Figure().subplots())
        >>> [int(bar.get_width()) for bar in ax.containers[0]]
        [90, 40]
    """
    columns = [
        "tag",
        "contacts",
        "share",
        "opt_outs",
        "opt_out_rate",
        "opt_out_rate_low",
        "opt_out_rate_high",
    ]
    require(table, columns, "tag_summary")
    shown = min(table.height, top or table.height)
    with canvas(ax, title=title or "Contacts by tag", as_of=as_of, theme=theme, rows=shown) as drawing:
        if not table.height:
            drawing.say_empty(NO_TAGS)
            return drawing.ax
        kept, rest = keep_top(table, top, "contacts", "tags")
        sizes = kept.get_column("contacts").to_list()
        faint = [size < min_contacts for size in sizes]
        colours = drawing.colours
        drawing.rows(drawing.names(kept.get_column("tag").to_list()), faint)
        at = range(kept.height)
        bars = drawing.ax.barh(
            at,
            sizes,
            height=0.66,
            color=[colours.muted if small else colours.main for small in faint],
            label="contacts",
        )
        outs = kept.get_column("opt_outs").to_list()
        drawing.ax.barh(at, outs, height=0.66, color=colours.accent, label="of them opted out")
        bars.set_label("contacts")
        drawing.ax.set_xlim(0, max(sizes) * 1.02)
        drawing.count_axis()
        lows, highs = (
            kept.get_column("opt_out_rate_low").to_list(),
            kept.get_column("opt_out_rate_high").to_list(),
        )
        drawing.columns(
            Column("contacts", [number(size) for size in sizes]),
            Column("of all", [percent(share) for share in kept.get_column("share").to_list()], colours.note),
            Column("opt-out rate", [percent(rate) for rate in kept.get_column("opt_out_rate").to_list()]),
            Column("interval", interval_texts(lows, highs), colours.note),
        )
        drawing.subtitle = "Bar: contacts with the tag; orange: of them opted out"
        drawing.label = "Contacts with the tag; one with several tags counts in each."
        if not any(rate is not None for rate in kept.get_column("opt_out_rate").to_list()):
            drawing.notes.append(f"{NOTHING_KNOWN}.")
        drawing.say_grey(faint, plural(min_contacts, "contact"), "compare rates")
        drawing.notes.extend(rest)
    return drawing.ax


def tag_growth(
    table: pl.DataFrame,
    *,
    ax: Axes | None = None,
    top: int = MOST_LINES,
    title: str | None = None,
    as_of: AsOf = None,
    theme: Theme | None = None,
) -> Axes:
    """Draw a line a tag: its contacts by when they were created, with their number at its end.

    Args:
        table: what `tag_growth(contacts)` gives: `tag, period, contacts, cumulative`.
        ax: axes to draw on; a new figure when None.
        top: most tags drawn, the largest; the rest is counted in a note.
        title: instead of `Contacts by tag and time of creation`.
        as_of: moment of the pull, said below the title.
        theme: `"light"` or `"dark"`; that of `ax`, or the one chosen by `use_style`, when None.

    Returns:
        The axes; nothing is shown.

    Raises:
        FrameError: the table lacks a column.

    Example:
        >>> from datetime import date
        >>> from matplotlib.figure import Figure
        >>> table = pl.DataFrame({"tag": ["VIP", "VIP"], "period": [date(2026, 1, 1), date(2026, 2, 1)],
        ...                       "contacts": [4, 3], "cumulative": [4, 7]})
        >>> ax = tag_growth(table, ax=Figure().subplots())
        >>> ax.lines[0].get_ydata().tolist(), [text.get_text() for text in ax.texts][:1]
        ([4, 7], ['VIP  7'])
    """
    require(table, ["tag", "period", "contacts", "cumulative"], "tag_growth")
    heading = title or "Contacts by tag and time of creation"
    with canvas(ax, title=heading, as_of=as_of, theme=theme, height=2.9) as drawing:
        dated = table.drop_nulls("period")
        if not dated.height:
            drawing.say_empty("No tagged contacts with a creation date" if table.height else NO_TAGS)
            return drawing.ax
        lines = line_groups(drawing, dated, ["tag"], "cumulative", top)
        high = max(size for _, part in lines for size in part["cumulative"].to_list()) * 1.04
        ends = []
        for colour, (name, part) in zip(drawing.colours.cycle, lines, strict=False):
            at, sizes = days(part["period"].to_list()), part["cumulative"].to_list()
            drawing.ax.plot(at, sizes, color=colour, label=name)
            drawing.ax.plot(at[-1:], sizes[-1:], "o", color=colour, markersize=5)
            ends.append((at[-1], sizes[-1], f"{clean(name, 26)}  {number(sizes[-1])}", colour))
        drawing.ax.set_ylim(0, high)
        drawing.count_axis("y")
        drawing.ax.grid(visible=False, axis="x")
        drawing.ax.grid(visible=True, axis="y")
        time_axis(drawing.ax)
        label_ends(drawing, ends, high)
        drawing.label = (
            "Contacts that have the tag today, created up to the end of each period; "
            "the API keeps no time of tagging."
        )
        drawing.notes.extend(_undated(table, [part["tag"][0] for _, part in lines]))
    return drawing.ax


def _undated(table: pl.DataFrame, tags: list[str]) -> list[str]:
    """Count the contacts of these tags that no line can show: those without a date of creation."""
    undated = table.filter(pl.col("period").is_null(), pl.col("tag").is_in(tags), pl.col("contacts") > 0)
    if not undated.height:
        return []
    counts = ", ".join(f"{clean(tag, 26)} {number(size)}" for tag, size in undated["tag", "contacts"].rows())
    return [f"Created at an unknown time, and in no line: {counts}."]
