"""The three headline tables as text, cut to fit a terminal."""

from __future__ import annotations

import textwrap
from typing import Any

import polars as pl

from sendblue_data._shared.masking import mask_table
from sendblue_data.analytics.opt_outs import opt_out_rate
from sendblue_data.analytics.tags import tag_summary
from sendblue_data.analytics.unfilled import unfilled_columns, unfilled_in_words
from sendblue_data.analytics.verification import UNUSED, nobody_verified, verification_funnel
from sendblue_data.plots.labels import interval, number, percent, width_of
from sendblue_data.report.sections import texts
from sendblue_data.report.words import readable

MOST_ROWS = 12
_WIDTH = 79
_LONGEST_TAG = 24
"""Columns of a tag: the table with its six columns then fits a terminal of 80."""


def headline_tables(contacts: Any, *, mask: bool = True) -> str:
    """Return `tag_summary`, `opt_out_rate` and `verification_funnel` as text."""
    summary = tag_summary(contacts)
    rate = opt_out_rate(contacts)
    funnel = verification_funnel(contacts)
    top = summary.head(MOST_ROWS)
    tags = texts(
        mask_table(top) if mask else top,
        {
            "tag": ("tag", lambda tag: readable(tag, _LONGEST_TAG)),
            "contacts": ("contacts", number),
            "of all": ("share", percent),
            "opt-out rate": ("opt_out_rate", percent),
            "95% interval": (("opt_out_rate_low", "opt_out_rate_high"), interval),
            "verified": ("verification_rate", percent),
        },
    )
    rates = texts(
        rate,
        {
            "contacts": ("contacts", number),
            "unknown": ("unknown", number),
            "opted out": ("opt_outs", number),
            "opt-out rate": ("rate", percent),
            "95% interval": (("low", "high"), interval),
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
    columns = [_column(column.name, column.to_list(), at_left=column.name in left) for column in rows]
    return "\n".join("  ".join(["", *cells]).rstrip() for cells in zip(*columns, strict=True))


def _column(heading: str, cells: list[str], *, at_left: bool) -> list[str]:
    """Pad a column's texts, its heading and the line below it to one width."""
    width = max(width_of(cell) for cell in (heading, *cells))
    lines = [heading, "\u2500" * width, *cells]
    padding = [" " * (width - width_of(line)) for line in lines]
    return [line + gap if at_left else gap + line for line, gap in zip(lines, padding, strict=True)]
