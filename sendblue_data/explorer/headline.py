"""The numbers on top: what the selection is worth, against the whole account."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

import polars as pl

from sendblue_data._frames.repeats import repeats_in_words
from sendblue_data.analytics.sample_size import contacts_needed
from sendblue_data.analytics.two_groups import difference_p
from sendblue_data.analytics.unfilled import unfilled_columns, unfilled_in_words
from sendblue_data.analytics.verification import REACHABLE, UNUSED
from sendblue_data.plots.labels import percent

_SURE = 0.05
"""The p up to which a difference is said to be one."""


@dataclass(frozen=True)
class Headline:
    """A selection beside the account that it was made from.

    Attributes:
        contacts: in the selection.
        share: of all contacts; None of an empty account.
        reachable: of them, who may be texted.
        reachable_share: of the selection; None where the API said it of nobody.
        opt_outs: of them, known to have opted out.
        unknown: of them, of whom the API didn't say; in no rate.
        opt_out_rate: opt-outs / known; None where nobody is known.
        opt_out_rate_low: lower end of its 95% Wilson interval.
        opt_out_rate_high: upper end.
    """

    contacts: int
    share: float | None
    reachable: int
    reachable_share: float | None
    opt_outs: int
    unknown: int
    opt_out_rate: float | None
    opt_out_rate_low: float | None
    opt_out_rate_high: float | None


def headline_html(part: Headline, whole: Headline) -> str:
    """Return the numbers as HTML, read out by screen readers when they change."""
    interval = (
        f"{percent(part.opt_out_rate_low)} to {percent(part.opt_out_rate_high)}"
        if part.opt_out_rate_low is not None
        else "nobody known"
    )
    if part.unknown:
        interval += f"; {part.unknown:,} unknown"
    cards = (
        ("contacts", f"{part.contacts:,}", f"of {whole.contacts:,}"),
        ("share of account", percent(part.share), "of all contacts"),
        (
            "reachable",
            f"{part.reachable:,}" if part.reachable_share is not None or not part.contacts else "n/a",
            f"{percent(part.reachable_share)} of them; account {percent(whole.reachable_share)}; {REACHABLE}",
        ),
        (
            "opt-out rate",
            percent(part.opt_out_rate),
            f"{interval}; account {percent(whole.opt_out_rate)}{_against_the_rest(part, whole)}",
        ),
    )
    shown = "".join(
        f'<div class="sb-card"><div class="sb-name">{escape(name)}</div>'
        f'<div class="sb-number" data-number="{escape(name)}">{escape(number)}</div>'
        f'<div class="sb-note">{escape(note)}</div></div>'
        for name, number, note in cards
    )
    return f'<div class="sb-cards" role="status" aria-live="polite" aria-label="Selection">{shown}</div>'


def _against_the_rest(part: Headline, whole: Headline) -> str:
    """Say whether the selection's rate can be told from that of all other contacts, or how many that would take."""
    known, of_whole = part.contacts - part.unknown, whole.contacts - whole.unknown
    rest, rest_out = of_whole - known, whole.opt_outs - part.opt_outs
    p = difference_p(part.opt_outs, known, rest_out, rest)
    if p is None:
        return ""
    own, other = part.opt_outs / known, rest_out / rest
    if p <= _SURE:
        return f"; {'more' if own > other else 'less'} than the rest's {percent(other)}"
    if own == other:
        return f"; as the rest's {percent(other)}"
    needed = float(f"{contacts_needed(own, other):.2g}")
    return f"; not told from the rest's {percent(other)}: needs about {needed:,.0f} a group"


def untold_html(contacts: pl.DataFrame) -> str:
    """Say what the account lacks: columns that are null for every contact, and verified contacts."""
    words = unfilled_in_words(unfilled_columns(contacts), contacts.height)
    if contacts.height and not contacts["verified"].any():
        words.append(UNUSED)
    if twice := repeats_in_words(contacts):
        words.append(twice)
    return f'<div class="sb-words" role="note">{escape(" ".join(words))}</div>' if words else ""
