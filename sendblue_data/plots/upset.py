"""An UpSet plot of exact tag combinations (Lex et al., 2014), drawn with matplotlib alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Unpack

import polars as pl

from sendblue_data._shared.text import plural
from sendblue_data.plots.canvas import Canvas, PlotOptions, canvas, keep_top, require, with_options
from sendblue_data.plots.labels import number
from sendblue_data.plots.measure import widest

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MATRIX_ROW = 0.27
"""Inches that a tag takes in the matrix below the bars."""
COLUMN = 12.0
"""Points that a combination takes at least."""
BARS = 2.3
"""Inches of the bars."""


@with_options
def tag_combinations(table: pl.DataFrame, *, top: int | None = 20, **options: Unpack[PlotOptions]) -> Axes:
    """Draw an UpSet plot: a bar for each exact combination of tags, its tags joined by dots below.

    Args:
        table: what `tag_combinations(contacts)` gives: `tags` (a list, empty for untagged
            contacts), `contacts`.
        top: most combinations drawn, the largest; the rest is counted in a note. None draws all.
        **options: `ax` (for the bars, with the matrix inside its lower part), `title`, `as_of`, `theme`, as of
            every plot: see `PlotOptions`.

    Returns:
        The axes of the bars; the matrix is its first child axes.

    Example:
        >>> from matplotlib.figure import Figure
        >>> table = pl.DataFrame({"tags": [["VIP"], ["VIP", "lead"]], "contacts": [30, 12]})
        >>> ax = tag_combinations(table, ax=Figure().subplots())
        >>> [int(bar.get_height()) for bar in ax.patches]
        [30, 12]
    """
    table = require(table, ["tags", "contacts"], "tag_combinations")
    kept, rest = keep_top(table, top, "combinations")
    tags = _tags_by_size(kept)
    height = BARS + MATRIX_ROW * max(len(tags), 2)
    with canvas("Contacts by exact combination of tags", height=height, **options) as drawing:
        if not kept.height:
            return drawing.say_empty()
        drawing.notes.extend(rest)
        drawing.subtitle = "Each contact counts once, under all its tags together"
        share = MATRIX_ROW * (len(tags) or 1) / (BARS + MATRIX_ROW * (len(tags) or 1))
        names = drawing.names(tags, 30)
        drawing.left = widest(names, 9.5)
        _bars(drawing, kept.get_column("contacts").to_list(), share)
        _matrix(drawing, kept.get_column("tags").to_list(), tags, names, share)
    return drawing.ax


def _tags_by_size(table: pl.DataFrame) -> list[str]:
    counted = (
        table.select("tags", "contacts")
        .explode("tags", empty_as_null=True)
        .drop_nulls("tags")
        .group_by("tags", maintain_order=True)
        .agg(pl.col("contacts").sum())
        .sort("contacts", descending=True, maintain_order=True)
    )
    return counted.get_column("tags").to_list()


def _bars(drawing: Canvas, sizes: list[int], share: float) -> None:
    ax = drawing.ax
    drawing.narrowest = max(drawing.narrowest, COLUMN * len(sizes))
    longest = widest(map(number, sizes), 8)
    upright = (longest + 3) * len(sizes) > drawing.room()[0]
    ax.bar(range(len(sizes)), sizes, width=0.62, color=drawing.colours.main)
    ax.set_xlim(-0.7, max(len(sizes), 8) - 0.3)
    # The lower part of the axes is the matrix's: the scale of the bars begins above it.
    top = max(sizes) * (1 + (longest + 6 if upright else 15) / (72 * BARS))
    floor = -top * share / (1 - share)
    ax.set_ylim(floor, top)
    drawing.count_axis("y")
    ax.set_yticks([tick for tick in ax.get_yticks() if 0 <= tick <= top])
    ax.set_ylim(floor, top)
    ax.set_xticks([])
    drawing.horizontal_grid()
    ax.spines["bottom"].set_visible(False)
    above: dict[str, Any] = {"ha": "center", "va": "bottom", "size": 8, "rotation": 90 if upright else 0}
    for at, size in enumerate(sizes):
        ax.text(at, size + top * 0.012, number(size), color=drawing.colours.text, parse_math=False, **above)


def _matrix(
    drawing: Canvas, combinations: list[list[str] | None], tags: list[str], names: list[str], share: float
) -> None:
    from matplotlib.transforms import blended_transform_factory  # noqa: PLC0415 -- late, like pyplot

    colours = drawing.colours
    matrix = drawing.ax.inset_axes((0.0, 0.0, 1.0, share), sharex=drawing.ax)
    place = {tag: row for row, tag in enumerate(tags)}
    matrix.set_facecolor("none")
    matrix.set_ylim(len(tags) - 0.4 if tags else 0.6, -0.75)
    matrix.grid(visible=False)
    for spine in matrix.spines.values():
        spine.set_visible(False)
    matrix.tick_params(axis="x", bottom=False, labelbottom=False)
    matrix.set_yticks(range(len(tags)), names, parse_math=False)
    across = blended_transform_factory(matrix.transAxes, matrix.transData)
    for row in range(0, len(tags), 2):
        matrix.fill_between(
            [0, 1], row - 0.5, row + 0.5, transform=across, color=colours.line, alpha=0.45, linewidth=0
        )
    columns = len(combinations)
    everywhere = [(at, row) for at in range(columns) for row in range(len(tags))]
    _dots(matrix, everywhere, s=30, color=colours.line, zorder=2, label="not in it")
    held_tags = [(at, place[tag]) for at, held in enumerate(combinations) for tag in held or []]
    _dots(matrix, held_tags, s=34, color=colours.main, zorder=4, label="in it")
    for at, held in enumerate(combinations):
        rows = [place[tag] for tag in held or []]
        if len(rows) > 1:
            matrix.plot([at, at], [min(rows), max(rows)], color=colours.main, linewidth=1.8, zorder=3)
        if not rows:
            middle = (len(tags) - 1) / 2 if tags else 0
            box = {"facecolor": colours.background, "edgecolor": "none", "pad": 1}
            upright: dict[str, Any] = {"rotation": 90, "ha": "center", "va": "center", "size": 8, "zorder": 5}
            matrix.text(at, middle, "no tags", color=colours.note, bbox=box, **upright)
    drawing.label = (
        f"Columns: combinations of {plural(len(tags), 'tag')}. "
        "A contact in a column has the dotted tags and no other."
    )


def _dots(matrix: Axes, places: Sequence[tuple[int, int]], **options: Any) -> None:
    matrix.scatter([at for at, _ in places], [row for _, row in places], **options)
