"""Plots of tags two by two: which go together, and which are likely one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from sendblue_data.plots.canvas import SMALL_GROUP, TOP, AsOf, Column, canvas, keep_top, require
from sendblue_data.plots.labels import number, plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from sendblue_data.plots.style import Theme


def tag_pairs(
    table: pl.DataFrame,
    *,
    ax: Axes | None = None,
    top: int | None = TOP,
    min_contacts: int = SMALL_GROUP,
    title: str | None = None,
    as_of: AsOf = None,
    theme: Theme | None = None,
) -> Axes:
    """Draw a bar for each pair of tags: its contacts, with Jaccard index and lift beside it.

    Args:
        table: what `tag_pairs(contacts)` gives: `tag_a, tag_b, contacts, jaccard, lift`.
        ax: axes to draw on; a new figure, as high as the pairs need, when None.
        top: most pairs drawn, the largest; the rest is counted in a note. None draws all.
        min_contacts: pairs of fewer contacts are greyed.
        title: instead of `Contacts with both tags`.
        as_of: moment of the pull, said below the title.
        theme: `"light"` or `"dark"`; that of `ax`, or the one chosen by `use_style`, when None.

    Returns:
        The axes; nothing is shown.

    Raises:
        FrameError: the table lacks a column.

    Example:
        >>> from matplotlib.figure import Figure
        >>> table = pl.DataFrame({"tag_a": ["VIP"], "tag_b": ["lead"], "contacts": [4],
        ...                       "jaccard": [0.2], "lift": [1.5]})
        >>> ax = tag_pairs(table, ax=Figure().subplots())
        >>> [label.get_text() for label in ax.get_yticklabels()]
        ['VIP + lead']
    """
    require(table, ["tag_a", "tag_b", "contacts", "jaccard", "lift"], "tag_pairs")
    shown = min(table.height, top or table.height)
    with canvas(
        ax, title=title or "Contacts with both tags", as_of=as_of, theme=theme, rows=shown
    ) as drawing:
        if not table.height:
            drawing.say_empty("No contacts have two tags")
            return drawing.ax
        kept, rest = keep_top(table, top, "contacts", "pairs")
        sizes = kept.get_column("contacts").to_list()
        faint = [size < min_contacts for size in sizes]
        names = drawing.paired_names(kept["tag_a"].to_list(), kept["tag_b"].to_list(), " + ")
        drawing.rows(names, faint)
        shades = [drawing.colours.muted if small else drawing.colours.main for small in faint]
        drawing.ax.barh(range(kept.height), sizes, height=0.66, color=shades)
        drawing.ax.set_xlim(0, max(sizes) * 1.02)
        drawing.count_axis()
        drawing.columns(
            Column("contacts", [number(size) for size in sizes]),
            Column("Jaccard", [_decimal(value, 2) for value in kept.get_column("jaccard").to_list()]),
            Column("lift", [_decimal(value, 2) for value in kept.get_column("lift").to_list()]),
        )
        drawing.label = (
            "Jaccard: with both / with either. Lift: how many times more often together than by chance."
        )
        drawing.say_grey(faint, plural(min_contacts, "contact"), "judge a lift")
        drawing.notes.extend(rest)
    return drawing.ax


def _decimal(value: float | None, digits: int) -> str:
    return "n/a" if value is None else f"{value:.{digits}f}"


def similar_tags(
    table: pl.DataFrame,
    *,
    ax: Axes | None = None,
    top: int | None = TOP,
    title: str | None = None,
    as_of: AsOf = None,
    theme: Theme | None = None,
) -> Axes:
    """Draw each spelling that is likely another tag's: the contacts that renaming it would touch.

    Args:
        table: what `similar_tags(contacts)` gives: `tag, contacts, suggestion, suggestion_contacts,
            reason, score`.
        ax: axes to draw on; a new figure, as high as the spellings need, when None.
        top: most spellings drawn, the largest; the rest is counted in a note. None draws all.
        title: instead of `Tags that are likely another's spelling`.
        as_of: moment of the pull, said below the title.
        theme: `"light"` or `"dark"`; that of `ax`, or the one chosen by `use_style`, when None.

    Returns:
        The axes; nothing is shown.

    Raises:
        FrameError: the table lacks a column.

    Example:
        >>> from matplotlib.figure import Figure
        >>> table = pl.DataFrame({"tag": ["vip "], "contacts": [4], "suggestion": ["VIP"],
        ...                       "suggestion_contacts": [90], "reason": ["case"], "score": [1.0]})
        >>> ax = similar_tags(table, ax=Figure().subplots())
        >>> [label.get_text() for label in ax.get_yticklabels()]
        ['vip␣ → VIP']
    """
    columns = ["tag", "contacts", "suggestion", "suggestion_contacts", "reason", "score"]
    require(table, columns, "similar_tags")
    shown = min(table.height, top or table.height)
    with canvas(
        ax, title=title or "Tags that are likely another's spelling", as_of=as_of, theme=theme, rows=shown
    ) as drawing:
        if not table.height:
            drawing.say_empty("No tags look alike")
            return drawing.ax
        kept, rest = keep_top(table, top, "contacts", "spellings")
        drawing.rows(drawing.paired_names(kept["tag"].to_list(), kept["suggestion"].to_list(), " → "))
        sizes = kept.get_column("contacts").to_list()
        drawing.ax.barh(range(kept.height), sizes, height=0.66, color=drawing.colours.main)
        drawing.ax.set_xlim(0, max(*sizes, 1) * 1.02)
        drawing.count_axis()
        drawing.columns(
            Column("contacts", [number(size) for size in sizes]),
            Column(
                "of the tag kept", [number(size) for size in kept.get_column("suggestion_contacts").to_list()]
            ),
            Column(
                "differs in",
                [str(reason) for reason in kept.get_column("reason").to_list()],
                drawing.colours.note,
            ),
            Column(
                "score",
                [_decimal(value, 2) for value in kept.get_column("score").to_list()],
                drawing.colours.note,
            ),
        )
        drawing.label = "Contacts with the spelling on the left. A suggestion: read it before renaming."
        drawing.notes.extend(rest)
    return drawing.ax
