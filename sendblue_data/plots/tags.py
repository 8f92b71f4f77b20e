"""Plots of tags: how large each is, how it grew, which go together, and which are likely one."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Unpack

import polars as pl

from sendblue_data._shared.text import plural
from sendblue_data.plots.canvas import BAR, SMALL_GROUP, TOP, Column, canvas, keep_top, require
from sendblue_data.plots.labels import clean, decimal, number, percent, rate_with_interval
from sendblue_data.plots.options import PlotOptions, rows_that_fit, with_options
from sendblue_data.plots.panels import MOST_TOGETHER, behind, places
from sendblue_data.plots.points import level
from sendblue_data.plots.rates import NOTHING_KNOWN, line_groups
from sendblue_data.plots.timelines import MOST_LINES, days, label_ends, time_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NO_TAGS = "No contacts have tags"


@with_options
def tag_summary(
    table: pl.DataFrame,
    *,
    top: int | None = TOP,
    grey_below: int = SMALL_GROUP,
    **options: Unpack[PlotOptions],
) -> Axes:
    """Draw a bar a tag: its contacts, with the part that opted out, and the opt-out rate beside it.

    Args:
        table: what `tag_summary(contacts)` gives. Rows keep their order.
        top: most tags drawn, the largest; the rest is counted in a note. None draws all.
        grey_below: tags with fewer contacts are greyed.
        **options: `ax`, `title`, `as_of`, `theme`, `color`, `highlight`, `size`, `figsize`, as of every plot: see
            `PlotOptions`.

    Example:
        >>> from matplotlib.figure import Figure
        >>> table = pl.DataFrame({"tag": ["VIP", "lead"], "contacts": [90, 40], "share": [0.9, 0.4],
        ...     "opt_outs": [9, 1], "opt_out_rate": [0.1, 0.025], "opt_out_rate_low": [0.05, 0.004],
        ...     "opt_out_rate_high": [0.18, 0.13]})
        >>> ax = tag_summary(table, ax=Figure().subplots())
        >>> [int(bar.get_width()) for bar in ax.containers[0]]
        [90, 40]
    """
    bounds = ("opt_out_rate_low", "opt_out_rate_high")
    table = require(table, ["tag", "contacts", "share", "opt_outs", "opt_out_rate", *bounds], "tag_summary")
    top = rows_that_fit(top, options)
    kept, rest = keep_top(table, top, "tags")
    with canvas("Contacts by tag", rows=kept.height, **options) as drawing:
        if not kept.height:
            return drawing.say_empty(NO_TAGS)
        sizes, colours = kept["contacts"].to_list(), drawing.colours
        faint = [size < grey_below for size in sizes]
        drawing.bars(drawing.names(kept["tag"].to_list()), sizes, drawing.shades(faint, colours.main), faint)
        outs = kept["opt_outs"].to_list()
        drawing.ax.barh(range(kept.height), outs, height=BAR, color=drawing.opted_out, label="opted out")
        told = [rate_with_interval(*row) for row in kept.select("opt_out_rate", *bounds).rows()]
        drawing.columns(
            Column("contacts", sizes),
            Column("of all", kept["share"], percent, is_note=True),
            Column("opt-out rate", [rate for rate, _ in told], str),
            Column(_level(kept), [bounds for _, bounds in told], str, is_note=True),
        )
        largest = kept["contacts"].arg_max() or 0
        share = percent(kept["share"][largest])
        drawing.point = f"{clean(kept['tag'][largest])} is the largest tag: {share} of contacts have it"
        drawing.subtitle = "Bar: contacts with the tag; orange: of them opted out"
        drawing.label = "Contacts with the tag; one with several tags counts in each."
        if kept["opt_out_rate"].is_null().all():
            drawing.notes.append(f"{NOTHING_KNOWN}.")
        drawing.say_grey(faint, grey_below, "contact", "compare rates")
        drawing.notes.extend(rest)
    return drawing.ax


def _level(table: pl.DataFrame) -> str:
    """Return the level of the intervals; without `unknown`, those known are not told, but by the rate."""
    known = [
        round(out / rate) if rate else 0 for out, rate in table.select("opt_outs", "opt_out_rate").rows()
    ]
    return level(
        table["opt_outs"].to_list(), known, table.select("opt_out_rate_low", "opt_out_rate_high").rows()
    )


@with_options
def tag_growth(table: pl.DataFrame, *, top: int = MOST_LINES, **options: Unpack[PlotOptions]) -> Axes:
    """Draw a line a tag: its contacts by when they were created, with their number at its end.

    Args:
        table: what `tag_growth(contacts)` gives: `tag, period, contacts, cumulative`.
        top: most tags drawn, the largest; the rest is counted in a note.
        **options: `ax`, `title`, `as_of`, `theme`, `color`, `highlight`, `size`, `figsize`, as of every plot: see
            `PlotOptions`.

    Example:
        >>> from datetime import date
        >>> from matplotlib.figure import Figure
        >>> table = pl.DataFrame({"tag": ["VIP", "VIP"], "period": [date(2026, 1, 1), date(2026, 2, 1)],
        ...                       "contacts": [4, 3], "cumulative": [4, 7]})
        >>> ax = tag_growth(table, ax=Figure().subplots())
        >>> ax.lines[0].get_ydata().tolist(), [text.get_text() for text in ax.texts][:1]
        ([4, 7], ['VIP  7'])
    """
    table = require(table, ["tag", "period", "contacts", "cumulative"], "tag_growth")
    with canvas("Contacts by tag and time of creation", height=2.9, **options) as drawing:
        dated = table.drop_nulls("period")
        if not dated.height:
            return drawing.say_empty("No tagged contacts with a creation date" if table.height else NO_TAGS)
        lines = [
            (name, _level_between(part, dated["period"]))
            for name, part in line_groups(drawing, dated, ["tag"], "cumulative", top)
        ]
        high = max(size for _, part in lines for size in part["cumulative"]) * 1.04
        tails = [f"  {number(part['cumulative'][-1])}" for _, part in lines]
        spots = places(drawing, [name for name, _ in lines], tails, dates=True)
        behind(spots, [(days(part["period"].to_list()), part["cumulative"].to_list()) for _, part in lines])
        ends = []
        for spot, colour, (name, part) in zip(spots, drawing.cycle(len(lines)), lines, strict=True):
            own = drawing.colours.main if len(spots) > MOST_TOGETHER and not drawing.lit else colour
            at, sizes = days(part["period"].to_list()), part["cumulative"].to_list()
            spot.ax.plot(at, sizes, color=own, label=name)
            spot.ax.plot(at[-1:], sizes[-1:], "o", color=own, markersize=5)
            ends.append((at[-1], sizes[-1], f"{clean(name, 26)}  {number(sizes[-1])}", own))
        first = spots[0]
        first.ax.set_ylim(0, high)
        first.count_axis("y")
        for spot in spots:
            spot.horizontal_grid()
        time_axis(first.ax, few=len(spots) > MOST_TOGETHER)
        if first is drawing:
            label_ends(drawing, ends, high)
        name, size = max(((name, part["cumulative"][-1]) for name, part in lines), key=lambda pair: pair[1])
        drawing.point = f"{name} has grown to {plural(size, 'contact')}"
        drawing.label = (
            "Contacts that have the tag today, created up to the end of each period; "
            "the API keeps no time of tagging."
        )
        drawing.notes.extend(_undated(table, [part["tag"][0] for _, part in lines]))
    return drawing.ax


def _level_between(part: pl.DataFrame, periods: pl.Series) -> pl.DataFrame:
    """Hold one tag's line level over the periods that its table leaves out, and to the ends of the axis."""
    known = periods.unique().sort()
    gap = known.diff().min()
    step = gap if isinstance(gap, timedelta) else timedelta(days=1)
    before, level = pl.col("period").shift(), pl.col("cumulative").shift(fill_value=0)
    gaps = part.filter(
        # Months and years are not all of one length.
        (pl.col("period") - before > step * 1.5) | (before.is_null() & (pl.col("period") > known[0]))
    )
    names = gaps["period"].implode()
    held = part.with_columns(cumulative=level).filter(pl.col("period").is_in(names))
    held = held.with_columns(pl.col("period") - step)
    first = part.head(1).with_columns(period=pl.lit(known[0]), cumulative=pl.lit(0, pl.Int64))
    last = part.tail(1).with_columns(period=pl.lit(known[-1]))
    ends = [first] * (part["period"][0] > known[0]) + [last] * (part["period"][-1] < known[-1])
    return pl.concat([part, held, *ends]).unique(["period", "cumulative"]).sort("period", "cumulative")


def _undated(table: pl.DataFrame, tags: list[str]) -> list[str]:
    """Count the contacts of these tags that no line can show: those without a date of creation."""
    undated = table.filter(pl.col("period").is_null(), pl.col("tag").is_in(tags), pl.col("contacts") > 0)
    if not undated.height:
        return []
    counts = ", ".join(f"{clean(tag, 26)} {number(size)}" for tag, size in undated["tag", "contacts"].rows())
    return [f"Created at an unknown time, and in no line: {counts}."]


@with_options
def tag_pairs(
    table: pl.DataFrame,
    *,
    top: int | None = TOP,
    grey_below: int = SMALL_GROUP,
    **options: Unpack[PlotOptions],
) -> Axes:
    """Draw a bar for each pair of tags: its contacts, with Jaccard index and lift beside it.

    Args:
        table: what `tag_pairs(contacts)` gives: `tag_a, tag_b, contacts, jaccard, lift`.
        top: most pairs drawn, the largest; the rest is counted in a note. None draws all.
        grey_below: pairs of fewer contacts are greyed.
        **options: `ax`, `title`, `as_of`, `theme`, `color`, `highlight`, `size`, `figsize`, as of every plot: see
            `PlotOptions`.

    Example:
        >>> from matplotlib.figure import Figure
        >>> table = pl.DataFrame({"tag_a": ["VIP"], "tag_b": ["lead"], "contacts": [4],
        ...                       "jaccard": [0.2], "lift": [1.5]})
        >>> ax = tag_pairs(table, ax=Figure().subplots())
        >>> [label.get_text() for label in ax.get_yticklabels()]
        ['VIP + lead']
    """
    table = require(table, ["tag_a", "tag_b", "contacts", "jaccard", "lift"], "tag_pairs")
    top = rows_that_fit(top, options)
    kept, rest = keep_top(table, top, "pairs")
    with canvas("Contacts with both tags", rows=kept.height, **options) as drawing:
        if not kept.height:
            return drawing.say_empty("No contacts have two tags")
        sizes = kept["contacts"].to_list()
        faint = [size < grey_below for size in sizes]
        names = drawing.paired_names(kept["tag_a"], kept["tag_b"], " + ")
        drawing.bars(names, sizes, drawing.shades(faint, drawing.colours.main), faint)
        drawing.columns(
            Column("contacts", sizes),
            Column("Jaccard", kept["jaccard"], decimal),
            Column("lift", kept["lift"], decimal),
        )
        a, b, size = kept["tag_a", "tag_b", "contacts"].row(kept["contacts"].arg_max() or 0)
        drawing.point = (
            f"{clean(a, 20)} and {clean(b, 20)} go together most: {plural(size, 'contact')} with both"
        )
        drawing.label = (
            "Jaccard: with both / with either. Lift: how many times more often together than by chance."
        )
        drawing.say_grey(faint, grey_below, "contact", "judge a lift")
        drawing.notes.extend(rest)
    return drawing.ax


@with_options
def similar_tags(table: pl.DataFrame, *, top: int | None = TOP, **options: Unpack[PlotOptions]) -> Axes:
    """Draw each spelling that is likely another tag's: the contacts that renaming it would touch.

    Args:
        table: what `similar_tags(contacts)` gives: `tag, contacts, suggestion, suggestion_contacts,
            reason, score`.
        top: most spellings drawn, the largest; the rest is counted in a note. None draws all.
        **options: `ax`, `title`, `as_of`, `theme`, `color`, `highlight`, `size`, `figsize`, as of every plot: see
            `PlotOptions`.

    Example:
        >>> from matplotlib.figure import Figure
        >>> table = pl.DataFrame({"tag": ["vip "], "contacts": [4], "suggestion": ["VIP"],
        ...                       "suggestion_contacts": [90], "reason": ["case"], "score": [1.0]})
        >>> ax = similar_tags(table, ax=Figure().subplots())
        >>> [label.get_text() for label in ax.get_yticklabels()]
        ['vip␣ → VIP']
    """
    columns = ["tag", "contacts", "suggestion", "suggestion_contacts", "reason", "score"]
    table = require(table, columns, "similar_tags")
    top = rows_that_fit(top, options)
    kept, rest = keep_top(table, top, "spellings")
    with canvas("Tags that are likely another's spelling", rows=kept.height, **options) as drawing:
        if not kept.height:
            return drawing.say_empty("No tags look alike")
        names = drawing.paired_names(kept["tag"], kept["suggestion"], " → ")
        drawing.bars(names, kept["contacts"].to_list(), drawing.colours.main)
        drawing.columns(
            Column("contacts", kept["contacts"]),
            Column("of the tag kept", kept["suggestion_contacts"]),
            Column("differs in", kept["reason"], str, is_note=True),
            Column("score", kept["score"], decimal, is_note=True),
        )
        touched = plural(int(table["contacts"].sum()), "contact")
        drawing.point = f"{plural(table.height, 'tag')} likely another's spelling, of {touched}"
        drawing.label = "Contacts with the spelling on the left. A suggestion: read it before renaming."
        drawing.notes.extend(rest)
    return drawing.ax
