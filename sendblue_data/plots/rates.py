"""Rates by group, as dots with their intervals: the shape that the tables of rates share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date

import polars as pl

from sendblue_data.plots.canvas import Canvas, Column, keep_top
from sendblue_data.plots.labels import (
    clean,
    isolated,
    listed,
    number,
    percent,
    period_text,
    rate_with_interval,
)
from sendblue_data.plots.points import level, stands_out

NOUNS = {
    "tag": ("tag", "tags"),
    "company_name": ("company", "companies"),
    "sendblue_number": ("line", "lines"),
    "assigned_to_email": ("owner", "owners"),
    "segment": ("segment", "segments"),
}
"""What a column's groups are called in a title, and what its rows are called in a note."""
NOTHING_KNOWN = "Nothing is known about opt-outs: the API said it of nobody here"
NOTHING_VERIFIED = "Nothing is known about verification: the API said it of nobody here"
UNUSED = "No contact here is verified: the account does not seem to use verification."


def nobody_known(table: pl.DataFrame) -> bool:
    """Tell whether a table of rates has contacts, and none whose state is known."""
    contacts, unknown = table.get_column("contacts").sum(), table.get_column("unknown").sum()
    return bool(contacts) and contacts == unknown


def group_columns(table: pl.DataFrame) -> list[str]:
    """List the columns that name the group: those before `contacts`."""
    return table.columns[: table.columns.index("contacts")]


def group_noun(by: Sequence[str]) -> str:
    """Name what the rows are: `tags`, `companies`, or `groups`."""
    return NOUNS[by[0]][1] if len(by) == 1 and by[0] in NOUNS else "groups"


def group_title(metric: str, by: Sequence[str]) -> str:
    """Name a metric by its group: `Opt-out rate by tag`."""
    plain = [NOUNS[name][0] if name in NOUNS else name.replace("_", " ") for name in by]
    return f"{metric} by {listed(plain)}" if by else metric


def group_names(drawing: Canvas, table: pl.DataFrame, by: Sequence[str]) -> list[str]:
    """Label each row by its group columns; one row without any is all contacts."""
    if not by:
        return ["All contacts"] * table.height
    rows = [
        [
            period_text(value, name) if isinstance(value, date) else value
            for name, value in zip(by, row, strict=True)
        ]
        for row in table.select(by).rows()
    ]
    if len(by) == 1:
        return drawing.names([row[0] for row in rows])
    joined = [
        " · ".join("(not set)" if value is None else isolated(str(value)) for value in row) for row in rows
    ]
    return drawing.names(joined, width=44)


def draw_rates(
    drawing: Canvas,
    table: pl.DataFrame,
    count: str,
    *,
    colour: str,
    nothing: str,
    does: str,
    top: int | None,
    grey_below: int,
    reference: float | None = None,
    reference_label: str = "",
    extra: Callable[[pl.DataFrame], Column] | None = None,
) -> None:
    """Draw a row a group: dot, interval, rate, count of known, and unknown where there is any.

    The table has the group's columns, then `contacts, unknown, <count>, rate, low, high`. `nothing` is said where
    nobody's state is known, and `does` is what those counted do, of one group; `extra` makes one more column of text
    from the rows drawn.
    """
    if not table.get_column("contacts").sum() or nobody_known(table):
        drawing.say_empty(nothing if nobody_known(table) else "No contacts")
        return
    by = group_columns(table)
    kept, rest = keep_top(table, top, group_noun(by))
    known = (kept["contacts"] - kept["unknown"]).to_list()
    faint = [size < grey_below for size in known]
    drawing.rows(group_names(drawing, kept, by), faint)
    if reference is not None:
        drawing.reference_line(reference)
        drawing.notes.append(f"Dashed line: {clean(reference_label)}, {percent(reference)}.")
    draw_intervals(drawing, kept, colour, faint)
    told = [rate_with_interval(*row) for row in kept.select("rate", "low", "high").rows()]
    heading = level(kept[count].to_list(), known, kept.select("low", "high").rows())
    columns = [
        Column("rate", [rate for rate, _ in told], str),
        Column(heading, [bounds for _, bounds in told], str),
        of_known(kept[count], known),
    ]
    if "shrunken_rate" in kept.columns:
        columns.insert(2, Column("shrunken", kept["shrunken_rate"], percent))
        drawing.notes.append(
            "Shrunken: drawn towards what all groups have in common; to rank by, not to report."
        )
    drawing.point = _point(drawing, kept, count, faint, does, (reference, reference_label))
    if not all(known):
        drawing.notes.append("n/a: the API said it of nobody in that group, so nothing is known.")
    if any(kept["unknown"]):
        columns.append(Column("unknown", kept["unknown"], is_note=True))
    if extra is not None:
        columns.append(extra(kept))
    drawing.columns(*columns)
    drawing.say_grey(faint, grey_below, "known contact")
    drawing.notes += [*rest, *left_out(table, group_noun(by))]


def _point(
    drawing: Canvas,
    table: pl.DataFrame,
    count: str,
    faint: Sequence[bool],
    does: str,
    reference: tuple[float | None, str],
) -> str:
    """Say which group stands out, of those large enough to judge; of all contacts, what share it is."""
    by = group_columns(table)
    rate = table["rate"][0]
    if not by:
        share = "have opted out" if does == "opts out" else "are verified"
        return f"{percent(rate)} of contacts {share}"
    if any(table.schema[name].is_temporal() for name in by):
        return ""  # who came earlier had more time: that one period has more says nothing
    names = [label.get_text() for label in drawing.ax.get_yticklabels()]
    rows = table.select(count, pl.col("contacts") - pl.col("unknown")).rows()
    judged = [row for row, is_faint in enumerate(faint) if not is_faint]
    held = None if reference[0] is None else (reference[0], reference[1])
    return stands_out(
        [names[row] for row in judged], [rows[row] for row in judged], does, group_noun(by), held
    )


def of_known(counts: Sequence[int] | pl.Series, known: Sequence[int]) -> Column:
    """Return the column that says `9 / 110`: those counted, and those of whom it is known."""
    pairs = zip(counts, known, strict=True)
    return Column(
        "of known", [f"{number(part)} / {number(whole)}" for part, whole in pairs], str, is_note=True
    )


def rate_limit(rates: Sequence[float | None], highs: Sequence[float | None], faint: Sequence[bool]) -> float:
    """Choose where a rate axis ends: past every rate, and the interval of each group large enough to judge.

    A group of one contact has an interval of almost everything, and would squeeze all others.
    """
    judged = [high for high, is_faint in zip(highs, faint, strict=True) if not is_faint] or highs
    end = max([value for value in (*rates, *judged) if value is not None], default=0.0)
    return min((end or 0.01) * 1.06, 1.0) if end < 0.94 else 1.02  # noqa: PLR2004


def draw_intervals(drawing: Canvas, table: pl.DataFrame, colour: str, faint: Sequence[bool]) -> None:
    """Draw a dot and its interval for each row; an interval that is cut off ends in an arrow."""
    ax = drawing.ax
    end = rate_limit(table["rate"].to_list(), table["high"].to_list(), faint)
    cut = False
    for row, ((rate, low, high), shade) in enumerate(
        zip(table.select("rate", "low", "high").rows(), drawing.shades(faint, colour), strict=True)
    ):
        if rate is None or low is None or high is None:
            continue
        ax.plot([low, high], [row, row], color=shade, linewidth=2.2, solid_capstyle="butt", zorder=2)
        # A dot at 0% is drawn whole, over the edge.
        ax.plot([rate], [row], "o", color=shade, markersize=6.5, zorder=3, clip_on=rate > end)
        if high > end:
            cut = True
            drawing.arrow(row, ">", 1, shade)
    ax.set_xlim(0, end)
    drawing.percent_axis()
    if cut:
        drawing.notes.append("An interval that ends in an arrow goes on past the edge.")


def left_out(table: pl.DataFrame, noun: str) -> list[str]:
    """Count in a note what `min_contacts` kept out of a table of rates; none where nothing was."""
    count = table.get_column("left_out").max() if "left_out" in table.columns else None
    if not isinstance(count, int) or not count:
        return []
    return [f"Left out of the table, of too few contacts: {number(count)} {noun}."]


def line_groups(
    drawing: Canvas, table: pl.DataFrame, by: Sequence[str], size: str, top: int
) -> list[tuple[str, pl.DataFrame]]:
    """Split a table into a label and rows for each line, the largest first; a note counts the groups left out.

    A group is as large as the largest `size` of its rows. Without `by` there is one line.
    """
    if not by:
        return [("All contacts", table)]
    sizes = table.group_by(by, maintain_order=True).agg(pl.col(size).max())
    ranked = sizes.sort(size, descending=True, nulls_last=True, maintain_order=True).select(by)
    shown = ranked.head(max(top, 1))
    if left := ranked.height - shown.height:
        drawing.notes.append(
            f"The {shown.height} largest of {number(ranked.height)} {group_noun(by)}; {number(left)} more not drawn."
        )
    parts = [
        table.join(shown[row], on=list(by), nulls_equal=True, maintain_order="left_right")
        for row in range(shown.height)
    ]
    return list(zip(group_names(drawing, shown, by), parts, strict=True))
