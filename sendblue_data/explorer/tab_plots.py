"""Tables drawn: the package's plots of a selection, as images with words for those who can't see them."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Sequence
from html import escape
from typing import TYPE_CHECKING

import polars as pl

from sendblue_data import plots
from sendblue_data.analytics.opt_outs import opt_out_rate
from sendblue_data.analytics.tags import tag_summary
from sendblue_data.analytics.verification import verification_funnel, verification_rate
from sendblue_data.plots.labels import number, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from sendblue_data.history.contact_history import ContactHistory

_DOTS = 90
_DRAWN = 12
"""Groups in a plot, the largest; it says how many it leaves out. More of them take longer to draw."""
_SAID = 10
"""Groups that are named in the words that stand for a plot."""
_NEEDED = ("phone", "tags", "opt_out", "verified", "created_at")
"""Columns that the pictures of a selection look at: only these are filtered for them."""


def tags_html(contacts: pl.DataFrame) -> str:
    """The tags of a selection."""
    table = tag_summary(contacts)
    return _image(
        lambda: plots.tag_summary(table, top=_DRAWN),
        _list(table, "tag", "contacts", number, "Contacts by tag"),
    )


def opt_outs_html(contacts: pl.DataFrame) -> str:
    """The opt-out rate of a selection by tag, beside its own."""
    table = opt_out_rate(contacts, by="tags")
    overall = opt_out_rate(contacts).item(0, "rate")
    return _image(
        lambda: plots.opt_out_rate(table, top=_DRAWN, reference=overall, reference_label="the selection"),
        _list(table, "tag", "rate", percent, "Opt-out rate by tag"),
    )


def verification_html(contacts: pl.DataFrame) -> str:
    """How many of a selection remain at each step to reachable, and the verified rate by tag."""
    steps = verification_funnel(contacts)
    table = verification_rate(contacts, by="tags")
    return _image(
        lambda: plots.verification_funnel(steps), _list(steps, "step", "contacts", number, "Verification")
    ) + _image(
        lambda: plots.verification_rate(table, top=_DRAWN),
        _list(table, "tag", "rate", percent, "Verified rate by tag"),
    )


def history_html(history: ContactHistory) -> str:
    """Opt-outs over time and survival, of all contacts: a history knows no selection."""
    snapshots = history.snapshots()
    words = f"All contacts, whatever is selected: {snapshots.height:,} snapshots in {history.uri}."
    if snapshots.height < 2:  # noqa: PLR2004 -- a change takes two
        return _said(f"{words} A trend needs two or more.")
    trend, survived = history.opt_out_trend(), history.survival()
    return (
        _said(words)
        + _image(
            lambda: plots.opt_out_trend(trend), _list(trend, "period", "rate", percent, "Opt-outs by week")
        )
        + _image(lambda: plots.survival(survived), "Share of contacts still subscribed by age in days.")
    )


def selected(frame: pl.DataFrame, mask: pl.Series) -> pl.DataFrame:
    """Of a selection, the columns that the pictures need."""
    return frame.select(_NEEDED).filter(mask)


def _image(draw: Callable[[], Axes], words: str) -> str:
    from matplotlib import pyplot as plt  # noqa: PLC0415 -- importing the explorer must not load pyplot

    figure = draw().get_figure(root=True)
    try:
        file = io.BytesIO()
        figure.savefig(file, format="png", dpi=_DOTS)  # type: ignore[union-attr]
    finally:
        plt.close(figure)  # a notebook would show it a second time
    data = base64.b64encode(file.getvalue()).decode()
    return f'<img class="sb-plot" src="data:image/png;base64,{data}" alt="{escape(words, quote=True)}">'


def _list(table: pl.DataFrame, name: str, value: str, write: Callable[[float], str], title: str) -> str:
    rows: Sequence[tuple[object, float | None]] = table.head(_SAID).select(name, value).rows()
    parts = [f"{key}: {'not known' if held is None else write(held)}" for key, held in rows]
    more = f"; and {table.height - _SAID} more" if table.height > _SAID else ""
    return f"{title}. {'; '.join(parts) or 'None'}{more}."


def _said(words: str) -> str:
    return f'<div class="sb-words"><p>{escape(words)}</p></div>'
