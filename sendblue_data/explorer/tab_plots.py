"""Tables drawn: the package's plots of a selection, as images with words for those who can't see them."""

from __future__ import annotations

import base64
import io
from html import escape
from typing import TYPE_CHECKING

import polars as pl

from sendblue_data import plots
from sendblue_data.analytics.opt_outs import opt_out_rate
from sendblue_data.analytics.tags import tag_summary
from sendblue_data.analytics.verification import verification_funnel, verification_rate
from sendblue_data.messages.after_opt_out import texts_after_opt_out
from sendblue_data.messages.hazard import opt_out_hazard
from sendblue_data.messages.per_message import opt_outs_per_message
from sendblue_data.messages.replies import replies
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


def tags_html(contacts: pl.DataFrame, theme: Theme = "light", *, colours: int | None = None) -> str:
    """Draw the tags of a selection, in so few colours if it is to be small."""
    table = tag_summary(contacts)
    return _image(
        plots.tag_summary(table, top=_DRAWN, theme=theme),
        in_words("Contacts by tag", table, "tag", "contacts", number),
        colours,
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


def messages_html(contacts: pl.DataFrame, messages: pl.DataFrame, theme: Theme = "light") -> str:
    """Draw what the messages with a selection tell: texts after opt-outs first, opt-outs per text, replies."""
    known = contacts.select("phone").drop_nulls().unique()
    mine = messages.join(known, on="phone", how="semi")
    late = texts_after_opt_out(mine).row(0, named=True)
    per_text, answered = opt_outs_per_message(mine, by="service"), replies(mine, by="service")
    hazard = opt_out_hazard(mine)
    words = (
        f"{number(mine.height)} messages with the selection, those to groups left out. Texts after a stop keyword: "
        f"{number(late['texts'])}, to {number(late['people'])} people; {number(late['delivered'])} were delivered."
    )
    return (
        _said(words)
        + _image(
            plots.opt_outs_per_message(per_text, top=_DRAWN, theme=theme),
            in_words("Opt-outs per text by service", per_text, "service", "rate", percent),
        )
        + _image(
            plots.opt_out_hazard(hazard, theme=theme),
            in_words("Hazard of opting out by texts", hazard, ("days", "from_texts"), "rate", percent),
        )
        + _image(
            plots.replies(answered, top=_DRAWN, theme=theme),
            in_words("Texts replied to by service", answered, "service", "rate", percent),
        )
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


def _image(axes: Axes, words: str, colours: int | None = None) -> str:
    file, *_ = save_png(axes, _DOTS)
    if colours is not None:
        file = _reduced(file, colours)
    data = base64.b64encode(file.getvalue()).decode()
    return f'<img class="sb-plot" src="data:image/png;base64,{data}" alt="{escape(words, quote=True)}">'


def _reduced(png: io.BytesIO, colours: int) -> io.BytesIO:
    """Keep some colours, which takes a quarter of the place."""
    from PIL import Image  # noqa: PLC0415 -- comes with matplotlib, and is as slow to import

    file = io.BytesIO()
    with Image.open(png) as image:
        image.convert("RGB").quantize(colours).save(file, "PNG", optimize=True)
    return file


def _said(words: str) -> str:
    return f'<div class="sb-words"><p>{escape(words)}</p></div>'
