"""A bridge from how many were on the list to how many are: what added to it, and what took from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

import polars as pl

from sendblue_data.errors import FrameError
from sendblue_data.plots.canvas import BAR, Column, canvas, require
from sendblue_data.plots.labels import listed, number
from sendblue_data.plots.options import PlotOptions, with_options
from sendblue_data.plots.points import moved

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_STEPS = {
    "added": ("added", 1), "came_back": ("came back", 1), "resubscribed": ("resubscribed", 1),
    "lost_opt_outs": ("opt-out lost", 1), "became_known": ("became known", 1), "opted_out": ("opted out", -1),
    "joined_group": ("joined the group", 1), "left_group": ("left the group", -1), "removed": ("removed", -1),
    "became_unknown": ("became unknown", -1),
}  # fmt: skip
CROWDED = 0.6
"""Where nothing goes below this share of the highest, the scale starts above 0, and says so."""


@with_options
def list_flow(table: pl.DataFrame, **options: Unpack[PlotOptions]) -> Axes:
    """Draw how the list moved from the start of the first period to the end of the last, a bar a cause.

    Args:
        table: what `ContactHistory.list_flow()` gives; all of its periods are one bridge, so filter it for some.
            Of a table by group, one group.
        **options: `ax`, `title`, `as_of`, `theme`, `color`, `highlight`, `size`, `figsize`, as of every plot: see
            `PlotOptions`.

    Example:
        >>> from datetime import date
        >>> from matplotlib.figure import Figure
        >>> table = pl.DataFrame({"period": [date(2026, 1, 1)], "start": [100], "added": [20], "opted_out": [5],
        ...     "removed": [1], "end": [114]})
        >>> ax = list_flow(table, ax=Figure().subplots())
        >>> [label.get_text() for label in ax.get_yticklabels()]
        ['start', 'added', 'opted out', 'removed', 'end']
    """
    table = require(
        table, ["period", "start", "added", "opted_out", "removed", "end"], "ContactHistory.list_flow"
    )
    by = table.columns[: table.columns.index("period")]
    if by and table.select(by).n_unique() > 1:
        raise FrameError(
            f"found the flow of {table.select(by).n_unique()} groups ({listed(by)}), where a bridge shows one. "
            f"Filter the table, such as by table.filter(pl.col({by[0]!r}) == ...)."
        )
    sums = {name: int(table[name].sum()) for name in _STEPS if name in table.columns}
    steps = [
        (name, count) for name, count in sums.items() if count or name in {"added", "opted_out", "removed"}
    ]
    with canvas("Contacts on the list", rows=len(steps) + 2, **options) as drawing:
        if not table.height:
            return drawing.say_empty("No periods")
        drawing.label = "On the list: in the account, and known not to be opted out."
        start, end = int(table["start"][0]), int(table["end"][-1])
        drawing.point = moved(start, end)
        drawing.subtitle = f"{table['period'][0]:%-d %B %Y} and on: from {number(start)} to {number(end)}"
        bars = [("start", 0, start, drawing.colours.note, number(start))]
        level = start
        for name, count in steps:
            label, sign = _STEPS[name]
            colour = drawing.colours.cycle[0 if sign > 0 else 1]
            bars.append(
                (
                    label,
                    min(level, level + sign * count),
                    count,
                    colour,
                    f"{'+-'[sign < 0] if count else ''}{number(count)}",
                )
            )
            level += sign * count
        bars.append(("end", 0, end, drawing.colours.note, number(end)))
        drawing.rows([label for label, *_ in bars])
        lefts, widths = [left for _, left, *_ in bars], [width for _, _, width, *_ in bars]
        shades = [colour for *_, colour, _ in bars]
        drawing.ax.barh(range(len(bars)), widths, left=lefts, height=BAR, color=shades)
        lowest = min([left for left in lefts if left] + [start, end])
        highest = max(left + width for left, width in zip(lefts, widths, strict=True))
        if lowest > CROWDED * highest:
            span = highest - lowest + 1
            drawing.ax.set_xlim(lowest - 0.3 * span, highest + 0.02 * span)
            drawing.notes.append("The scale does not start at 0.")
        drawing.count_axis()
        drawing.columns(Column("contacts", [text for *_, text in bars], str))
        if sums.get("lost_opt_outs"):
            drawing.notes.append(
                "Opt-out lost: opted out before, deleted and created again; nobody asked for texts."
            )
    return drawing.ax
