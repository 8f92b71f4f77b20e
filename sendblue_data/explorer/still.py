"""What a saved notebook shows of an explorer: the figures, a picture and a table of tags, and no contact."""

from __future__ import annotations

from html import escape

import polars as pl

from sendblue_data._shared.masking import mask_table
from sendblue_data.analytics.tags import tag_summary
from sendblue_data.display.tables import ReadableTable
from sendblue_data.explorer.headline import Headline, headline_html
from sendblue_data.explorer.selection import Account
from sendblue_data.explorer.tab_plots import COLUMNS, tags_html

_LISTED = 8
FEW = 20
"""Contacts below which a tag is left out: a name that one contact bears may be that contact's."""
_COLOURS = 64
_STYLE = (
    ".sb-still .sb-cards{display:flex;flex-wrap:wrap;gap:8px}"
    ".sb-still .sb-card{flex:1 1 150px;padding:8px 12px;border:1px solid #8886;border-radius:6px}"
    ".sb-still .sb-number{font-size:22px;font-weight:600}.sb-still img{max-width:100%}"
)


def still_html(account: Account, members: pl.Series, part: Headline, whole: Headline, code: str) -> str:
    """Return an explorer as it is now; phones and addresses in tags are masked, and rare tags left out."""
    contacts = account.frame.select(COLUMNS).filter(members)
    common = mask_table(tag_summary(contacts).filter(pl.col("contacts") >= FEW).head(_LISTED))
    kept = contacts.with_columns(pl.col("tags").list.set_intersection(common["tag"].to_list()))
    figures = f"{headline_html(part, whole)}<p><code>{escape(code)}</code></p>"
    told = (
        ""
        if common.is_empty()
        else f"{tags_html(kept, colours=_COLOURS)}{ReadableTable(common)._repr_html_()}"
    )
    return (
        f"<div class='sb-still'><style>{_STYLE}</style>{figures}{told}"
        "<p>Run the cell to choose and to write.</p></div>"
    )
