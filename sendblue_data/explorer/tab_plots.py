"""Tables drawn: the package's plots of a selection, as images with words for those who can't see them."""

from __future__ import annotations

import base64
from html import escape
from typing import TYPE_CHECKING

import polars as pl

from sendblue_data import plots
from sendblue_data.analytics.opt_outs import opt_out_rate
from sendblue_data.analytics.tags import tag_summary
from sendblue_data.analytics.verification import verification_funnel, verification_rate
from sendblue_data.plots.labels import number, percent
from sendblue_data.report.images import save_png
from sendblue_data.report.words import in_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from sendblue_data.history.contact_history import ContactHistory
    from sendblue_data.plots.style import Theme

_DOTS = 90
_DRAWN = 12
"""Groups in a plot, the largest; it says how many it leaves out. More of them take longer to draw."""
COLUMNS = ("phone", "tags", "opt_out", "verified", "created_at")
"""Columns that the pictures of a selection look at: only these are filtered for them."""


def tags_html(contacts: pl.DataFrame, theme: Theme = "light") -> str:
    """Draw the tags of a selection."""
    table = tag_summary(contacts)
    return _image(
        plots.tag_summary(table, top=_DRAWN, theme=theme),
        in_words("Contacts by tag", table, "tag", "contacts", number),
    )


def opt_outs_html(contacts: pl.DataFrame, theme: Theme = "light") -> str:
    """Draw the opt-out rate of a selection by tag, beside its own."""
    table = opt_out_rate(contacts, by="tags")
    overall = opt_out_rate(contacts).item(0, "rate")
    return _image(
        plots.opt_out_rate(
            table, top=_DRAWN, reference=overall, reference_label="the selection", theme=theme
        ),
        in_words("Opt-out rate by tag", table, "tag", "rate", percent),
    )


def verification_html(contacts: pl.DataFrame, theme: Theme = "light") -> str:
    """Draw how many of a selection remain at each step to reachable, and the verified rate by tag."""
    steps = verification_funnel(contacts)
    table = verification_rate(contacts, by="tags")
    return _image(
        plots.verification_funnel(steps, theme=theme),
        in_words("Verification", steps, "step", "contacts", number),
    ) + _image(
        plots.verification_rate(table, top=_DRAWN, theme=theme),
        in_words("Verified rate by tag", table, "tag", "rate", percent),
    )


def history_html(history: ContactHistory, theme: Theme = "light") -> str:
    """Draw opt-outs over time and survival, of all contacts: a history knows no selection."""
    snapshots = history.snapshots()
    words = f"All contacts, whatever is selected: {snapshots.height:,} snapshots in {history.uri}."
    if snapshots.height < 2:  # noqa: PLR2004 -- a change takes two
        return _said(f"{words} A trend needs two or more.")
    trend, survived = history.opt_out_trend(), history.survival()
    return (
        _said(words)
        + _image(
            plots.opt_out_trend(trend, theme=theme),
            in_words("Opt-outs per 30 days, by week", trend, "period", "per_30_days", percent),
        )
        + _image(plots.survival(survived, theme=theme), "Share of contacts still subscribed by age in days.")
    )


def _image(axes: Axes, words: str) -> str:
    file, *_ = save_png(axes, _DOTS)
    data = base64.b64encode(file.getvalue()).decode()
    return f'<img class="sb-plot" src="data:image/png;base64,{data}" alt="{escape(words, quote=True)}">'


def _said(words: str) -> str:
    return f'<div class="sb-words"><p>{escape(words)}</p></div>'
