"""Rates by group, as dots with their intervals: the shape that four of the tables share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date

import polars as pl

from sendblue_data.plots.canvas import Canvas, Column, keep_top
from sendblue_data.plots.intervals import interval_texts, intervals, rate_texts
from sendblue_data.plots.labels import clean, listed, moment, number, percent, plural

NOUNS = {
    "tags": "tags",
    "tag": "tags",
    "company_name": "companies",
    "sendblue_number": "lines",
    "assigned_to_email": "owners",
    "segment": "segments",
}


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
    return NOUNS.get(by[0], "groups") if len(by) == 1 else "groups"


def group_title(metric: str, by: Sequence[str]) -> str:
    """Name a metric by its group: `Opt-out rate by tag`."""
    return f"{metric} by {listed([PLAIN.get(name, name.replace('_', ' ')) for name in by])}" if by else metric


PLAIN = {
    "tags": "tag",
    "company_name": "company",
    "sendblue_number": "line",
    "assigned_to_email": "owner",
}


def group_names(drawing: Canvas, table: pl.DataFrame, by: Sequence[str]) -> list[str]:
    """Label each row by its group columns; one row without any is all contacts."""
    if not by:
        return ["All contacts"] * table.height
    rows = [[_plain(value) for value in row] for row in table.select(by).rows()]
    if len(by) == 1:
        return drawing.names([row[0] for row in rows])
    joined = [" · ".join("(not set)" if value is None else str(value) for value in row) for row in rows]
    return drawing.names(joined, width=44)


def _plain(value: object) -> object:
    return moment(value) if isinstance(value, date) else value


def draw_rates(
    drawing: Canvas,
    table: pl.DataFrame,
    *,
    count: str,
    noun: str,
    colour: str,
    top: int | None,
    min_contacts: int,
    reference: float | None = None,
    reference_label: str = "",
    extra: Callable[[pl.DataFrame], Column] | None = None,
) -> None:
    """Draw a row a group: dot, interval, rate, count of known, and unknown where there is any.

    Args:
        drawing: where.
        table: columns `contacts, unknown, <count>, rate, low, high`, the group's before them.
        count: column of those counted: `opt_outs` or `verified`.
        noun: what the rows are, for the note on the rest.
        colour: of the marks.
        top: most rows drawn.
        min_contacts: fewer known contacts than this are greyed.
        reference: a rate to compare with, drawn as a line.
        reference_label: what that rate is.
        extra: makes one more column of text from the rows drawn.
    """
    kept, rest = keep_top(table, top, "contacts", noun)
    by = group_columns(table)
    known = (kept.get_column("contacts") - kept.get_column("unknown")).to_list()
    faint = [size < min_contacts for size in known]
    drawing.rows(group_names(drawing, kept, by), faint)
    if reference is not None:
        drawing.ax.axvline(
            reference, color=drawing.colours.note, linewidth=1, linestyle=(0, (4, 3)), zorder=1
        )
        drawing.notes.append(f"Dashed line: {clean(reference_label)}, {percent(reference)}.")
    intervals(drawing, kept, colour=colour, faint=faint)
    counts = kept.get_column(count).to_list()
    columns = [
        Column("rate", rate_texts(kept)),
        Column(
            "interval", interval_texts(kept.get_column("low").to_list(), kept.get_column("high").to_list())
        ),
        Column(
            "of known",
            [f"{number(part)} / {number(whole)}" for part, whole in zip(counts, known, strict=True)],
            drawing.colours.note,
        ),
    ]
    unknown = kept.get_column("unknown").to_list()
    if not all(known):
        drawing.notes.append("n/a: the API said it of nobody in that group, so nothing is known.")
    if any(unknown):
        columns.append(Column("unknown", [number(value) for value in unknown], drawing.colours.note))
    if extra is not None:
        columns.append(extra(kept))
    drawing.columns(*columns)
    drawing.say_grey(faint, plural(min_contacts, "known contact"))
    drawing.notes.extend(rest)
    drawing.notes.extend(left_out(table, noun))


def left_out(table: pl.DataFrame, noun: str) -> list[str]:
    """Count in a note what `min_contacts` kept out of a table of rates; none where nothing was."""
    count = table.get_column("left_out").max() if "left_out" in table.columns else None
    if not isinstance(count, int) or not count:
        return []
    return [f"Left out of the table, of too few contacts: {number(count)} {noun}."]


def line_groups(
    drawing: Canvas, table: pl.DataFrame, by: Sequence[str], size: str, top: int
) -> list[tuple[str, pl.DataFrame]]:
    """Split a table into a part for each line, the largest first; the groups left out are counted in a note.

    Args:
        drawing: takes the note.
        table: the group's columns, and `size`.
        by: the group's columns; none makes one line.
        size: column of contacts; a group is as large as its largest row.
        top: most lines.

    Returns:
        Each line's label and rows.
    """
    if not by:
        return [("All contacts", table)]
    groups = table.select(by).unique(maintain_order=True)
    sizes = table.group_by(by, maintain_order=True).agg(pl.col(size).max())
    ranked = sizes.sort(size, descending=True, nulls_last=True, maintain_order=True).select(by)
    shown = ranked.head(max(top, 1))
    if groups.height > shown.height:
        left = groups.height - shown.height
        drawing.notes.append(
            f"The {shown.height} largest of {number(groups.height)} {group_noun(by)}; "
            f"{number(left)} more not drawn."
        )
    parts = [
        table.join(shown[row], on=list(by), nulls_equal=True, maintain_order="left_right")
        for row in range(shown.height)
    ]
    return list(zip(group_names(drawing, shown, by), parts, strict=True))
