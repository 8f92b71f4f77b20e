"""The three headline tables as text, cut to fit a terminal."""

from __future__ import annotations

import textwrap
import unicodedata
from typing import Any

import polars as pl

from sendblue_data._shared.masking import mask_table
from sendblue_data.analytics.opt_outs import opt_out_rate
from sendblue_data.analytics.tags import tag_summary
from sendblue_data.analytics.unfilled import unfilled_columns, unfilled_in_words
from sendblue_data.analytics.verification import UNUSED, nobody_verified, verification_funnel
from sendblue_data.plots.labels import number, percent
from sendblue_data.report.sections import interval_text, texts
from sendblue_data.report.words import shown

MOST_ROWS = 12
_WIDTH = 79
_LONGEST_TAG = 24
"""Columns of a tag: the table with its six columns then fits a terminal of 80."""


def headline_tables(contacts: Any, *, mask: bool = True) -> str:
    """Give `tag_summary`, `opt_out_rate` and `verification_funnel` as text."""
    summary = tag_summary(contacts)
    rate = opt_out_rate(contacts)
    funnel = verification_funnel(contacts)
    top = summary.head(MOST_ROWS).with_columns(interval=pl.struct("opt_out_rate_low", "opt_out_rate_high"))
    tags = texts(
        mask_table(top) if mask else top,
        {
            "tag": ("tag", lambda tag: shown(tag, _LONGEST_TAG)),
            "contacts": ("contacts", number),
            "of all": ("share", percent),
            "opt-out rate": ("opt_out_rate", percent),
            "95% interval": ("interval", interval_text),
            "verified": ("verification_rate", percent),
        },
    )
    rates = texts(
        rate.with_columns(interval=pl.struct("low", "high")),
        {
            "contacts": ("contacts", number),
            "unknown": ("unknown", number),
            "opted out": ("opt_outs", number),
            "opt-out rate": ("rate", percent),
            "95% interval": ("interval", interval_text),
        },
    )
    steps = texts(
        funnel,
        {
            "step": ("step", str),
            "contacts": ("contacts", number),
            "of all": ("share", percent),
            "of the step before": ("step_share", percent),
            "unknown": ("unknown", number),
        },
        missing="",
    )
    told = unfilled_in_words(unfilled_columns(contacts), rate["contacts"].item())
    told += [UNUSED] if nobody_verified(contacts) else []
    told = [line for words in told for line in textwrap.wrap(words, _WIDTH)]
    meaning = funnel["definition"][-1]
    left = summary.height - tags.height
    more = f", the {tags.height} largest of {number(summary.height)}" if left else ""
    return "\n\n".join(
        [
            f"Tags{more} (tag_summary)\n{_table(tags, left=('tag',))}",
            f"Opt-out rate: a prevalence, not per message (opt_out_rate)\n{_table(rates)}",
            "Who may be texted (verification_funnel)\n"
            + _table(steps, left=("step",))
            + f"\n  reachable: {meaning}",
            *["\n".join(told)] * bool(told),
        ]
    )


def _table(rows: pl.DataFrame, left: tuple[str, ...] = ()) -> str:
    """Lay texts out in columns: words at the left, numbers at the right."""
    if not rows.height:
        return "  (none)"
    lines = [list(rows.columns), *(list(row) for row in rows.rows())]
    widths = [max(_columns(line[place]) for line in lines) for place in range(rows.width)]
    lines.insert(1, ["\u2500" * width for width in widths])
    return "\n".join(
        "  ".join(
            [
                "",
                *(
                    _padded(text, width, at_left=name in left)
                    for name, text, width in zip(rows.columns, line, widths, strict=True)
                ),
            ]
        ).rstrip()
        for line in lines
    )


def _padded(text: str, width: int, *, at_left: bool) -> str:
    spaces = " " * (width - _columns(text))
    return text + spaces if at_left else spaces + text


def _columns(text: str) -> int:
    """Count the columns of a terminal that a text takes: two for a wide (CJK) character, none for a mark."""
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )
