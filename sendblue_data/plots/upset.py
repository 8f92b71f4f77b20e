"""An UpSet plot of exact tag combinations (Lex et al., 2014), drawn with matplotlib alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Unpack

import polars as pl

from sendblue_data._shared.text import plural
from sendblue_data.plots.canvas import SMALL_GROUP, Canvas, canvas, keep_top, require
from sendblue_data.plots.labels import clean, number, percent
from sendblue_data.plots.measure import widest
from sendblue_data.plots.options import PlotOptions, rows_that_fit, with_options
from sendblue_data.plots.points import level
from sendblue_data.plots.rates import rate_limit

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MATRIX_ROW = 0.27
"""Inches that a tag takes in the matrix below the bars."""
COLUMN = 12.0
"""Points that a combination takes at least."""
BARS, STRIP = 2.1, 0.95
"""Inches of the bars, and of the strip of opt-out rates below them."""
SET_SIZES, LONGEST_BAR = 112.0, 46.0
"""Points at the right of the matrix for each tag's own contacts, and of the longest bar there."""
NO_TAGS = "(no tags)"


@with_options
def tag_combinations(table: pl.DataFrame, *, top: int | None = 20, **options: Unpack[PlotOptions]) -> Axes:
    """Draw an UpSet plot: a bar for each exact combination of tags, its tags joined by dots below.

    Args:
        table: what `tag_combinations(contacts)` gives: `tags` (a list, empty for untagged
            contacts), `contacts`; where it has `opt_out_rate` with `_low` and `_high`, a strip of dots shows it.
        top: most combinations drawn, the largest; the rest is counted in a note. None draws all.
        **options: `ax` (for the bars, with the matrix inside its lower part), `title`, `as_of`, `theme`, as of
            every plot: see `PlotOptions`.

    Returns:
        The axes of the bars; the strip of opt-out rates, the matrix and the tags' own sizes are its child axes.

    Example:
        >>> from matplotlib.figure import Figure
        >>> table = pl.DataFrame({"tags": [["VIP"], ["VIP", "lead"]], "contacts": [30, 12]})
        >>> ax = tag_combinations(table, ax=Figure().subplots())
        >>> [int(bar.get_height()) for bar in ax.patches]
        [30, 12]
    """
    table = require(table, ["tags", "contacts"], "tag_combinations")
    top = rows_that_fit(top, options)
    kept, rest = keep_top(table, top, "combinations")
    sets = _set_sizes(table)
    tags = [tag for tag in sets if any(tag in held for held in kept["tags"].drop_nulls().to_list())]
    rows = len(tags) + int(any(not held for held in kept["tags"].to_list()))
    has_rates = {"opt_out_rate", "opt_out_rate_low", "opt_out_rate_high"} <= set(kept.columns)
    parts = [BARS, STRIP if has_rates else 0.0, MATRIX_ROW * max(rows, 1)]
    with canvas("Contacts by exact combination of tags", height=sum(parts), **options) as drawing:
        if not kept.height:
            return drawing.say_empty()
        drawing.notes.extend(rest)
        drawing.subtitle = "Each contact counts once, under all its tags together"
        strip, share = (part / sum(parts) for part in parts[1:])
        names = drawing.names(tags, 30) + [NO_TAGS] * (rows - len(tags))
        drawing.left = widest(names, 9.5)
        _bars(drawing, kept.get_column("contacts").to_list(), strip + share)
        if has_rates:
            _rates(drawing, kept, (share, strip))
        matrix = _matrix(drawing, kept.get_column("tags").to_list(), tags, names, share)
        _sizes(drawing, matrix, [sets[tag] for tag in tags])
        most = kept.row(0, named=True)
        combined = " + ".join(clean(tag, 20) for tag in most["tags"] or []) or "No tag at all"
        drawing.point = f"{combined} is the most common combination: {plural(most['contacts'], 'contact')}"
    return drawing.ax


def _set_sizes(table: pl.DataFrame) -> dict[str, int]:
    """Return each tag's contacts over all combinations, drawn or not, the largest first."""
    counted = (
        table.select("tags", "contacts")
        .explode("tags", empty_as_null=True)
        .drop_nulls("tags")
        .group_by("tags", maintain_order=True)
        .agg(pl.col("contacts").sum())
        .sort("contacts", descending=True, maintain_order=True)
    )
    return dict(counted.rows())


def _bars(drawing: Canvas, sizes: list[int], share: float) -> None:
    ax = drawing.ax
    drawing.narrowest = max(drawing.narrowest, COLUMN * len(sizes))
    longest = widest(map(number, sizes), 8)
    upright = (longest + 3) * max(len(sizes), 8) > drawing.room()[0] - SET_SIZES
    ax.bar(range(len(sizes)), sizes, width=0.62, color=drawing.colours.main)
    ax.set_xlim(-0.7, max(len(sizes), 8) - 0.3)
    # The lower part of the axes is the matrix's: the scale of the bars begins above it.
    room = drawing.room()[1] * (1 - share) * 0.9
    top = max(*sizes, 1) / (1 - min((longest + 8 if upright else 15) / room, 0.5))
    floor = -top * share / (1 - share)
    ax.set_ylim(floor, top)
    drawing.count_axis("y")
    ax.set_yticks([tick for tick in ax.get_yticks() if 0 <= tick <= top])
    ax.set_ylim(floor, top)
    # Beside the first row below, whose name would touch it.
    ax.get_yticklabels()[0].set_verticalalignment("bottom")
    ax.set_xticks([])
    drawing.horizontal_grid()
    ax.spines["bottom"].set_visible(False)
    above: dict[str, Any] = {"ha": "center", "va": "bottom", "size": 8, "rotation": 90 if upright else 0}
    for at, size in enumerate(sizes):
        ax.text(at, size + top * 0.012, number(size), color=drawing.colours.text, parse_math=False, **above)


def _inset(drawing: Canvas, corner: tuple[float, float, float, float]) -> Axes:
    """Return an axes within the plot's own, on the same columns, without anything around it."""
    inset = drawing.ax.inset_axes(corner, sharex=drawing.ax)
    inset.set_facecolor("none")
    inset.grid(visible=False)
    for spine in inset.spines.values():
        spine.set_visible(False)
    inset.tick_params(axis="x", bottom=False, labelbottom=False)
    return inset


def _rates(drawing: Canvas, table: pl.DataFrame, place: tuple[float, float]) -> None:
    """Draw a strip of opt-out rates with their intervals between the bars and the matrix."""
    floor, tall = place
    strip = _inset(drawing, (0.0, floor + 0.12 * tall, 1.0, 0.7 * tall))
    rows = table.select("opt_out_rate", "opt_out_rate_low", "opt_out_rate_high").rows()
    faint = [size < SMALL_GROUP for size in table["contacts"]]
    end = rate_limit([row[0] for row in rows], [row[2] for row in rows], faint)
    for at, ((rate, low, high), small) in enumerate(zip(rows, faint, strict=True)):
        if rate is None or low is None or high is None:
            continue
        shade = drawing.colours.muted if small else drawing.opted_out
        strip.plot([at, at], [low, min(high, end)], color=shade, linewidth=1.6, zorder=2)
        strip.plot([at], [rate], "o", color=shade, markersize=4, zorder=3, clip_on=False)
        if high > end:
            strip.plot([at], [end], "^", color=shade, markersize=3.5, zorder=3, clip_on=False)
    strip.set_ylim(0, end)
    strip.set_yticks([0, end], ["0%", percent(end)], size=8)
    strip.grid(visible=True, axis="y")
    style: dict[str, Any] = {"xycoords": strip.transAxes, "ha": "left", "va": "bottom", "size": 8}
    drawing.write("opt-out rate", (0, 1), (2, 1), **style)
    known = (table["contacts"] - table["unknown"]).to_list() if "unknown" in table.columns else []
    told = level(table["opt_outs"].to_list(), known, [row[1:] for row in rows]) if known else "interval"
    drawing.notes.append(
        f"Opt-out rate: of those known, with its {told}; grey: fewer than {SMALL_GROUP} contacts."
    )


def _matrix(
    drawing: Canvas, combinations: list[list[str] | None], tags: list[str], names: list[str], share: float
) -> Axes:
    from matplotlib.transforms import blended_transform_factory  # noqa: PLC0415 -- late, like pyplot

    colours = drawing.colours
    matrix = _inset(drawing, (0.0, 0.0, 1.0, share))
    place = {tag: row for row, tag in enumerate(tags)}
    matrix.set_ylim(max(len(names), 1) - 0.4, -0.6)
    # In a figure of a given size the rows share what there is.
    size = min(9.5, 0.8 * drawing.room()[1] * share / max(len(names), 1))
    matrix.set_yticks(range(len(names)), names, parse_math=False, size=size)
    across = blended_transform_factory(matrix.transAxes, matrix.transData)
    for row in range(0, len(names), 2):
        matrix.fill_between(
            [0, 1], row - 0.5, row + 0.5, transform=across, color=colours.line, alpha=0.45, linewidth=0
        )
    columns = len(combinations)
    everywhere = [(at, row) for at in range(columns) for row in range(len(tags))]
    _dots(matrix, everywhere, s=30, color=colours.line, zorder=2, label="not in it")
    held_tags = [(at, place[tag]) for at, held in enumerate(combinations) for tag in held or []]
    _dots(matrix, held_tags, s=34, color=colours.main, zorder=4, label="in it")
    untagged = [(at, len(tags)) for at, held in enumerate(combinations) if not held]
    _dots(matrix, untagged, s=34, color=colours.note, zorder=4, label=NO_TAGS)
    for at, held in enumerate(combinations):
        rows = [place[tag] for tag in held or []]
        if len(rows) > 1:
            matrix.plot([at, at], [min(rows), max(rows)], color=colours.main, linewidth=1.8, zorder=3)
    drawing.label = (
        f"Columns: combinations of {plural(len(tags), 'tag')}. "
        "A contact in a column has the dotted tags and no other."
    )
    return matrix


def _sizes(drawing: Canvas, matrix: Axes, sizes: list[int]) -> None:
    """Draw at the right of the matrix how many contacts each tag has in all, as a bar and a number."""
    from matplotlib.patches import Rectangle  # noqa: PLC0415 -- late, like pyplot
    from matplotlib.transforms import (  # noqa: PLC0415 -- as above
        Affine2D,
        ScaledTranslation,
        blended_transform_factory,
    )

    if not sizes:
        return
    drawing.right = SET_SIZES
    # In points from the right edge: a part of the axes' width would grow and shrink with it.
    points = Affine2D().scale(drawing.scale / 72) + drawing.figure.dpi_scale_trans
    beside = points + ScaledTranslation(1, 0, matrix.transAxes)  # type: ignore[arg-type]
    place = blended_transform_factory(beside, matrix.transData)
    for row, size in enumerate(sizes):
        long = LONGEST_BAR * size / max(*sizes, 1)
        colour = drawing.colours.muted
        matrix.add_patch(
            Rectangle((8, row - 0.3), long, 0.6, transform=place, clip_on=False, color=colour, linewidth=0)
        )
        style: dict[str, Any] = {
            "xycoords": matrix.get_yaxis_transform(),
            "ha": "left",
            "va": "center",
            "size": 8,
        }
        drawing.write(number(size), (1, row), (12 + long, 0), **style)
    drawing.notes.append("At the right: contacts with the tag, whatever others they have, drawn or not.")


def _dots(matrix: Axes, places: Sequence[tuple[int, int]], **options: Any) -> None:
    matrix.scatter([at for at, _ in places], [row for _, row in places], **options)
