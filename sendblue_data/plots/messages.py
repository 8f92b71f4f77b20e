"""Plots of what messages tell: rates of texts, texts after a stop, opt-outs by time, how often people are texted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Unpack

import polars as pl

from sendblue_data.plots.canvas import (
    BAR,
    SMALL_GROUP,
    TOP,
    Canvas,
    Column,
    canvas,
    require,
)
from sendblue_data.plots.labels import decimal, interval, number, percent
from sendblue_data.plots.options import PlotOptions, with_options
from sendblue_data.plots.rates import draw_intervals, group_names, group_noun, group_title
from sendblue_data.plots.timelines import days, time_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PER_MESSAGE = "Share of delivered texts; not a share of contacts."
_RATE = ("rate", "low", "high")
_EMPTY = "No texts"
_SOURCES = {
    "keyword": "stop keyword",
    "declined": "text declined",
    "snapshots": "between two snapshots",
}
_BANDS = (
    ("none", 0, 0),
    ("1", 1, 1),
    ("2", 2, 2),
    ("3 to 4", 3, 4),
    ("5 to 8", 5, 8),
    ("9 or more", 9, None),
)
_MONTH_BAR = 25
"""Days that a month's bar is wide."""


@with_options
def opt_outs_per_message(
    table: pl.DataFrame,
    *,
    top: int | None = TOP,
    grey_below: int = SMALL_GROUP,
    **options: Unpack[PlotOptions],
) -> Axes:
    """Draw the opt-outs per delivered text of each group with their interval.

    Args:
        table: what `opt_outs_per_message(messages, by)` gives. Rows keep their order.
        top: most groups drawn, the largest; the rest is counted in a note. None draws all.
        grey_below: groups with fewer delivered texts are greyed.
        **options: `ax`, `title`, `as_of`, `theme`, as of every plot: see `PlotOptions`.

    Example:
        >>> from matplotlib.figure import Figure
        >>> table = pl.DataFrame({"service": ["SMS"], "delivered": [400], "opt_outs": [6], "rate": [0.015],
        ...                       "low": [0.0069], "high": [0.0323]})
        >>> opt_outs_per_message(table, ax=Figure().subplots()).get_title()
        'Opt-outs per text by service'
    """
    table = require(table, ["delivered", "opt_outs", *_RATE], "opt_outs_per_message")
    return _rates(table, "Opt-outs per text", "opt_outs", PER_MESSAGE, top, grey_below, options)


@with_options
def opt_out_hazard(
    table: pl.DataFrame,
    *,
    top: int | None = TOP,
    grey_below: int = SMALL_GROUP,
    **options: Unpack[PlotOptions],
) -> Axes:
    """Draw how likely a text is to be the last before an opt-out, by frequency, age or group.

    Args:
        table: what `opt_out_hazard(messages, by)` gives. Rows keep their order.
        top: most rows drawn, the largest; the rest is counted in a note. None draws all.
        grey_below: rows with fewer texts at risk are greyed.
        **options: `ax`, `title`, `as_of`, `theme`, as of every plot: see `PlotOptions`.

    Example:
        >>> from matplotlib.figure import Figure
        >>> table = pl.DataFrame({"days": [7, 7], "from_texts": [1, 2], "to_texts": [1, None], "delivered": [400, 90],
        ...     "opt_outs": [6, 4], "rate": [0.015, 0.044], "low": [0.0069, 0.017], "high": [0.0323, 0.11]})
        >>> ax = opt_out_hazard(table, ax=Figure().subplots())
        >>> [label.get_text() for label in ax.get_yticklabels()]
        ['1 in 7 days', '2 or more in 7 days']
    """
    table = require(table, ["delivered", "opt_outs", *_RATE], "opt_out_hazard")
    table = _banded(table)
    label = "Share of texts to people still subscribed that were the last before an opt-out."
    return _rates(table, "Hazard of opting out", "opt_outs", label, top, grey_below, options)


@with_options
def delivery(
    table: pl.DataFrame,
    *,
    top: int | None = TOP,
    grey_below: int = SMALL_GROUP,
    **options: Unpack[PlotOptions],
) -> Axes:
    """Draw the share of settled texts that were delivered, with its interval.

    Args:
        table: what `delivery(messages, by)` gives. Rows keep their order.
        top: most groups drawn, the largest; the rest is counted in a note. None draws all.
        grey_below: groups with fewer settled texts are greyed.
        **options: `ax`, `title`, `as_of`, `theme`, as of every plot: see `PlotOptions`.

    Example:
        >>> from matplotlib.figure import Figure
        >>> table = pl.DataFrame({"service": ["SMS"], "delivered": [380], "failed": [20], "declined": [0],
        ...     "delivery_rate": [0.95], "delivery_rate_low": [0.92], "delivery_rate_high": [0.97]})
        >>> delivery(table, ax=Figure().subplots()).get_title()
        'Delivered texts by service'
    """
    bounds = [f"delivery_{name}" for name in ("rate", "rate_low", "rate_high")]
    table = require(table, ["delivered", "failed", "declined", *bounds], "delivery")
    names = [name for name in table.columns[: table.columns.index("delivered")] if name != "messages"]
    settled = table.select(
        *names,
        hits=pl.col("delivered"),
        delivered=pl.col("delivered") + pl.col("failed") + pl.col("declined"),
        **dict(zip(_RATE, bounds, strict=True)),
    ).select(*names, "delivered", "hits", *_RATE)
    label = "Share of settled texts: delivered, failed or declined."
    return _rates(settled, "Delivered texts", "hits", label, top, grey_below, options, alarming=False)


@with_options
def replies(
    table: pl.DataFrame,
    *,
    top: int | None = TOP,
    grey_below: int = SMALL_GROUP,
    **options: Unpack[PlotOptions],
) -> Axes:
    """Draw the share of texts that were replied to, with its interval.

    Args:
        table: what `replies(messages, by)` gives. Rows keep their order.
        top: most groups drawn, the largest; the rest is counted in a note. None draws all.
        grey_below: groups with fewer delivered texts are greyed.
        **options: `ax`, `title`, `as_of`, `theme`, as of every plot: see `PlotOptions`.

    Example:
        >>> from matplotlib.figure import Figure
        >>> table = pl.DataFrame({"delivered": [400], "replied": [60], "rate": [0.15], "low": [0.12], "high": [0.19],
        ...                       "median_hours": [1.5]})
        >>> replies(table, ax=Figure().subplots()).get_title()
        'Texts replied to'
    """
    table = require(table, ["delivered", "replied", *_RATE, "median_hours"], "replies")
    hours = Column("hours", table["median_hours"], decimal, is_note=True)
    return _rates(
        table, "Texts replied to", "replied", PER_MESSAGE, top, grey_below, options, hours, alarming=False
    )


@with_options
def texts_after_opt_out(
    table: pl.DataFrame, *, top: int | None = TOP, **options: Unpack[PlotOptions]
) -> Axes:
    """Draw how many texts went to people after they wrote a stop keyword: delivered, and held back.

    Args:
        table: what `texts_after_opt_out(messages, by)` gives. Rows keep their order.
        top: most groups drawn, the largest; the rest is counted in a note. None draws all.
        **options: `ax`, `title`, `as_of`, `theme`, as of every plot: see `PlotOptions`.

    Example:
        >>> from matplotlib.figure import Figure
        >>> table = pl.DataFrame({"sendblue_number": ["+13055550190"], "texts": [7], "people": [3], "delivered": [2],
        ...                       "max_days": [12.5]})
        >>> ax = texts_after_opt_out(table, ax=Figure().subplots())
        >>> [int(bar.get_width()) for bar in ax.patches]
        [2, 5]
    """
    table = require(table, ["texts", "people", "delivered", "max_days"], "texts_after_opt_out")
    by = table.columns[: table.columns.index("texts")]
    with canvas(
        group_title("Texts after an opt-out", by), rows=min(table.height, top or table.height), **options
    ) as drawing:
        if not table.height or not table["texts"].sum():
            return drawing.say_empty("No texts after an opt-out" if table.height else _EMPTY)
        drawing.label = "Texts sent or tried after the person wrote a stop keyword, until a start."
        drawing.subtitle = "Coloured: delivered; grey: declined by the service, failed, or on the way"
        kept = _top(drawing, table, by, "texts", top)
        sent, rest = kept["delivered"], kept["texts"] - kept["delivered"]
        drawing.rows(_names(drawing, kept, by))
        places = range(kept.height)
        drawing.ax.barh(places, sent.to_list(), height=BAR, color=drawing.colours.accent, label="delivered")
        drawing.ax.barh(
            places, rest.to_list(), left=sent.to_list(), height=BAR, color=drawing.colours.muted, label="not"
        )
        drawing.ax.set_xlim(0, max(*kept["texts"], 1) * 1.02)
        drawing.count_axis()
        drawing.columns(
            Column("texts", kept["texts"]),
            Column("delivered", sent),
            Column("people", kept["people"], is_note=True),
            Column("latest, days", kept["max_days"], decimal, is_note=True),
        )
    return drawing.ax


@with_options
def opt_out_times(table: pl.DataFrame, **options: Unpack[PlotOptions]) -> Axes:
    """Draw how many people opted out in each month, by what shows it.

    Args:
        table: what `opt_out_times(messages)` gives.
        **options: `ax`, `title`, `as_of`, `theme`, as of every plot: see `PlotOptions`.

    Example:
        >>> from datetime import datetime, UTC
        >>> from matplotlib.figure import Figure
        >>> table = pl.DataFrame({"opted_out_at": [datetime(2026, 3, 2, tzinfo=UTC)] * 3, "source": ["keyword"] * 3})
        >>> [int(bar.get_height()) for bar in opt_out_times(table, ax=Figure().subplots()).patches]
        [3]
    """
    table = require(table, ["opted_out_at", "source"], "opt_out_times")
    with canvas("Opt-outs by month", height=2.7, **options) as drawing:
        dated = table.drop_nulls("opted_out_at")
        if not dated.height:
            return drawing.say_empty("No opt-out whose time is known" if table.height else "No opt-outs")
        drawing.label = "Opt-outs, each at the first moment that shows it, in UTC."
        months = dated.with_columns(month=pl.col("opted_out_at").dt.truncate("1mo").dt.date())
        counts = months.group_by("month", "source").agg(number=pl.len()).sort("month")
        below: dict[float, int] = {}
        for (source, words), colour in zip(_SOURCES.items(), drawing.colours.cycle, strict=False):
            part = counts.filter(source=source)
            if not part.height:
                continue
            places, sizes = days(part["month"].to_list()), part["number"].to_list()
            bottom = [below.get(place, 0) for place in places]
            drawing.ax.bar(places, sizes, _MONTH_BAR, bottom, align="edge", color=colour, label=words)
            below |= {place: low + size for place, low, size in zip(places, bottom, sizes, strict=True)}
        drawing.ax.legend(loc="upper left")
        drawing.ax.set_ylim(0, 1.25 * max(below.values()))  # room for the legend
        drawing.count_axis("y")
        drawing.horizontal_grid()
        time_axis(drawing.ax)
        if undated := table.height - dated.height:
            drawing.notes.append(f"At a time that nothing shows, and not drawn: {number(undated)}.")
    return drawing.ax


@with_options
def engagement(table: pl.DataFrame, **options: Unpack[PlotOptions]) -> Axes:
    """Draw how many contacts were texted how often in 30 days.

    Args:
        table: what `engagement(contacts, messages)` gives.
        **options: `ax`, `title`, `as_of`, `theme`, as of every plot: see `PlotOptions`.

    Example:
        >>> from matplotlib.figure import Figure
        >>> table = pl.DataFrame({"texts_30d": [0, 0, 3, None], "replies": [0, 1, 1, None]})
        >>> [int(bar.get_width()) for bar in engagement(table, ax=Figure().subplots()).patches]
        [2, 0, 0, 1, 0, 0]
    """
    table = require(table, ["replies", "texts_30d"], "engagement")
    with canvas("Texts to each contact in 30 days", rows=len(_BANDS), **options) as drawing:
        known = table.drop_nulls("texts_30d")
        if not known.height:
            return drawing.say_empty("No contacts with a phone" if table.height else "No contacts")
        drawing.label = "Contacts with a phone."
        in_band = [
            known.filter(
                pl.col("texts_30d").is_between(start, known["texts_30d"].max() if end is None else end)
            )
            for _, start, end in _BANDS
        ]
        sizes = [part.height for part in in_band]
        drawing.bars([name for name, *_ in _BANDS], sizes, drawing.colours.main)
        wrote = [int((part["replies"] > 0).sum()) for part in in_band]
        drawing.columns(Column("contacts", sizes), Column("ever replied", wrote, is_note=True))
        if unknown := table.height - known.height:
            drawing.notes.append(f"Without a phone, and not drawn: {number(unknown)}.")
    return drawing.ax


def _rates(
    table: pl.DataFrame,
    metric: str,
    hits: str,
    label: str,
    top: int | None,
    grey_below: int,
    options: PlotOptions,
    extra: Column | None = None,
    *,
    alarming: bool = True,
) -> Axes:
    """Draw a row a group: dot, interval, rate, and the texts that it is of."""
    by = table.columns[: table.columns.index("delivered")]
    with canvas(group_title(metric, by), rows=min(table.height, top or table.height), **options) as drawing:
        if not table.height or not table["delivered"].sum():
            return drawing.say_empty(_EMPTY)
        drawing.label = label
        if extra is not None:
            table = table.with_columns(pl.Series("__extra", extra.values))
        kept = _top(drawing, table, by, "delivered", top)
        faint = [size < grey_below for size in kept["delivered"]]
        drawing.rows(_names(drawing, kept, by), faint)
        colours = drawing.colours
        draw_intervals(drawing, kept, colours.accent if alarming else colours.main, faint)
        pairs = kept.select(hits, "delivered").rows()
        of = [f"{number(part)} / {number(whole)}" for part, whole in pairs]
        columns = [
            Column("rate", kept["rate"], percent),
            Column("interval", kept.select("low", "high").rows(), interval),
            Column("of texts", of, str, is_note=True),
        ]
        if extra is not None:
            columns.append(Column(extra.heading, kept["__extra"], extra.write, is_note=True))
        drawing.columns(*columns)
        drawing.say_grey(faint, grey_below, "text")
    return drawing.ax


def _top(drawing: Canvas, table: pl.DataFrame, by: Sequence[str], size: str, top: int | None) -> pl.DataFrame:
    """Keep the largest groups, in the table's order; count the rest in a note."""
    if top is None or table.height <= max(top, 1):
        return table
    ranked = table.with_row_index("__row").sort(size, descending=True, maintain_order=True)
    rest = ranked.slice(max(top, 1))
    drawing.notes.append(
        f"The {number(max(top, 1))} largest of {number(table.height)} {group_noun(by)}; {number(rest.height)} more, of "
        f"at most {number(rest[size][0])} texts each, not drawn."
    )
    return ranked.head(max(top, 1)).sort("__row").drop("__row")


def _names(drawing: Canvas, table: pl.DataFrame, by: Sequence[str]) -> list[str]:
    return group_names(drawing, table, by) if by else ["All texts"] * table.height


def _banded(table: pl.DataFrame) -> pl.DataFrame:
    """Put the bands of frequency or age into one column of words."""
    if table.columns[:3] == ["days", "from_texts", "to_texts"]:
        rows = table.select("from_texts", "to_texts", "days").rows()
        words = [f"{_span(low, high)} in {days} days" for low, high, days in rows]
        return table.select(
            pl.Series("texts", words, pl.String), pl.exclude("days", "from_texts", "to_texts")
        )
    if table.columns[:2] == ["from_day", "to_day"]:
        ages = [
            None if low is None else f"{_span(low, high)} days"
            for low, high in table.select("from_day", "to_day").rows()
        ]
        return table.select(pl.Series("age", ages, pl.String), pl.exclude("from_day", "to_day"))
    return table


def _span(low: int, high: int | None) -> str:
    if high is None:
        return f"{low} or more"
    return str(low) if low == high else f"{low} to {high}"
