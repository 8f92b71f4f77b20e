"""`overview`: one card of everything worth knowing about an account before the first question is asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from html import escape
from typing import Any

import narwhals as nw
import polars as pl

from sendblue_data._frames.conversion import converted_once
from sendblue_data._frames.engines import collect
from sendblue_data._shared.masking import mask_text
from sendblue_data._shared.text import plural, without_controls
from sendblue_data.analytics.opt_outs import opt_out_rate
from sendblue_data.analytics.tag_spelling import similar_tags
from sendblue_data.analytics.tags import tag_combinations, tag_summary
from sendblue_data.analytics.unfilled import unfilled_in_words
from sendblue_data.analytics.verification import UNUSED, verification_funnel, verification_rate
from sendblue_data.errors import FrameError, MissingExtraError
from sendblue_data.plots.labels import clean, interval, listed, moment_text, number, percent
from sendblue_data.schema import CONTACT_SCHEMA

_LARGEST = 3
"""Tags that are named."""
_LONGEST_TAG = 30
"""Columns of text that a tag may take."""
_MANY = 0.2
"""From this share of contacts without a tag on, they are worth a look."""
_CELL = "text-align:left; vertical-align:top; padding:2px 12px 2px 0"
_PEOPLE = ("first_name", "last_name", "company_name", "assigned_to_email", "custom_variables")
"""Columns that many accounts leave empty, which is no fault."""


@dataclass(frozen=True, kw_only=True, repr=False)
class Overview:
    """What `overview` found. It shows itself as text, and as a table in a notebook; it holds no person's data.

    Attributes:
        contacts: how many there are.
        columns: `column`, `filled` (contacts of whom it is not null; with at least one tag), `share` of all.
        first_created: the earliest `created_at`, in UTC; None where nobody has one.
        last_created: the latest.
        tags: the three largest, from `tag_summary`.
        different_tags: how many tags there are.
        untagged: contacts without one.
        spellings: how many tags are likely another's spelling; None without the extra `similar`.
        opt_outs: the row of `opt_out_rate`, by column.
        verification: the row of `verification_rate`, by column.
        reachable: contacts who may be texted; None where nobody's opt-out state is known, as where there is nobody.
        look_at: what to look at next, in sentences.

    Example:
        >>> from sendblue_data import contacts_frame
        >>> found = overview(contacts_frame([{"phone": "+12125550100", "opt_out": False}]))
        >>> found.contacts, found.reachable, found.untagged
        (1, 1, 1)
    """

    contacts: int
    columns: pl.DataFrame
    first_created: datetime | None
    last_created: datetime | None
    tags: pl.DataFrame
    different_tags: int
    untagged: int
    spellings: int | None
    opt_outs: dict[str, Any]
    verification: dict[str, Any]
    reachable: int | None
    look_at: tuple[str, ...]

    def __str__(self) -> str:
        lines = [(name, text) for name, text in self._lines() if text]
        width = max(len(name) for name, _ in lines)
        shown = [f"{name:<{width}}  {text}" for name, text in lines]
        return "\n".join([*shown, "Look at next:", *(f"- {sentence}" for sentence in self.look_at)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        rows = "".join(
            f'<tr><th style="{_CELL}">{escape(name)}</th><td style="{_CELL}">{escape(text)}</td></tr>'
            for name, text in self._lines()
            if text
        )
        steps = "".join(f"<li>{escape(sentence)}</li>" for sentence in self.look_at)
        return f"<table><tbody>{rows}</tbody></table><p><b>Look at next</b></p><ul>{steps}</ul>"

    def _lines(self) -> Iterator[tuple[str, str]]:
        yield "contacts", number(self.contacts)
        if self.first_created and self.last_created:
            yield "created", f"{moment_text(self.first_created)} to {moment_text(self.last_created)}"
        yield "filled", self._filled()
        yield "opt-outs", self._opt_outs()
        if self.reachable is not None:
            yield "reachable", f"{number(self.reachable)} ({percent(self.reachable / self.contacts)} of all)"
        yield "verified", self._verified()
        yield "tags", self._tags()
        if self.spellings is not None and self.different_tags:
            yield "spellings", f"{number(self.spellings)} likely another tag's"

    def _filled(self) -> str:
        shares = self.columns.select("column", "share").rows()
        whole = [name for name, share in shares if share == 1]
        parts = [f"{name} {percent(share)}" for name, share in shares if share is not None and share < 1]
        return "; ".join(filter(None, [f"all of {listed(whole)}" if whole else "", ", ".join(parts)]))

    def _opt_outs(self) -> str:
        row = self.opt_outs
        if row["rate"] is None:
            return "nothing is known: the API said it of nobody" if row["contacts"] else ""
        known = row["contacts"] - row["unknown"]
        bounds = interval((row["low"], row["high"]))
        return (
            f"{number(row['opt_outs'])} of {number(known)} known: {percent(row['rate'])} "
            f"(95% interval {bounds}); {number(row['unknown'])} not known"
        )

    def _verified(self) -> str:
        row = self.verification
        if row["rate"] is None:
            return "nothing is known: the API said it of nobody" if row["contacts"] else ""
        known = row["contacts"] - row["unknown"]
        told = f"{number(row['verified'])} of {number(known)} known: {percent(row['rate'])}"
        return f"{told}; {number(row['unknown'])} not known"

    def _tags(self) -> str:
        if not self.different_tags:
            return "none"
        named = ", ".join(
            f"{clean(mask_text(tag), _LONGEST_TAG, without_controls)} {number(size)}"
            for tag, size in self.tags.select("tag", "contacts").rows()
        )
        more = ", ..." if self.different_tags > self.tags.height else ""
        return f"{plural(self.different_tags, 'tag')} ({named}{more}); {plural(self.untagged, 'contact')} without one"


def overview(contacts: Any) -> Overview:
    """Return one card of what is worth knowing about an account: what is filled, when, tags, opt-outs, verification.

    Args:
        contacts: a contacts frame of any engine that Narwhals knows; it counts where the data lives.

    Returns:
        An `Overview`, which shows itself as text or as a table, and holds each figure as an attribute. Intervals are
        Wilson's, of 95%.

    Raises:
        FrameError: a column of `CONTACT_SCHEMA` is missing, or of another type.

    Example:
        >>> from sendblue_data import Sandbox, pull_contacts
        >>> with Sandbox(contacts=2_000) as sandbox, sandbox.client() as client:
        ...     card = overview(pull_contacts(client, progress=False))
        >>> print(card)
        contacts   2,000
        created    1 October 2024, 08:40 UTC to 30 September 2026, 17:31 UTC
        filled     all of contact_id, phone and created_at; first_name 95.3%, ...
        opt-outs   153 of 1,967 known: 7.8% (95% interval 6.7 to 9.0%); 33 not known
        reachable  1,814 (90.7% of all)
        verified   1,076 of 1,920 known: 56.0%; 80 not known
        tags       47 tags (Newsletter 704, Lead 681, Customer 660, ...); 237 contacts without one
        spellings  6 likely another tag's
        Look at next:
        - What goes with opting out: opt_out_drivers(contacts, adjust=("age", "line", "tags")).
        ...
    """
    contacts = converted_once(contacts)
    counts = _counts(contacts)
    summary = tag_summary(contacts)
    alone = tag_combinations(contacts).filter(pl.col("tags").list.len() == 0)
    untagged = int(alone["contacts"].sum())
    size = counts.pop("contacts")
    first, last = counts.pop("first"), counts.pop("last")
    filled = {**counts, "tags": size - untagged}
    columns = pl.DataFrame(
        [(name, filled[name], filled[name] / size if size else None) for name in CONTACT_SCHEMA],
        schema={"column": pl.String, "filled": pl.Int64, "share": pl.Float64},
        orient="row",
    )
    opt_outs = opt_out_rate(contacts).row(0, named=True)
    verification = verification_rate(contacts).row(0, named=True)
    reachable = verification_funnel(contacts).row(-1, named=True)
    found = Overview(
        contacts=size,
        columns=columns,
        first_created=first,
        last_created=last,
        tags=summary.head(_LARGEST),
        different_tags=summary.height,
        untagged=untagged,
        spellings=_spellings(contacts),
        opt_outs=opt_outs,
        verification=verification,
        reachable=None if reachable["share"] is None else reachable["contacts"],
        look_at=(),
    )
    object.__setattr__(found, "look_at", tuple(_look_at(found)))
    return found


def _counts(contacts: Any) -> dict[str, Any]:
    frame = nw.from_native(contacts).lazy()
    known = frame.collect_schema().names()
    if missing := [name for name in CONTACT_SCHEMA if name not in known]:
        raise FrameError(
            f"overview needs the columns of CONTACT_SCHEMA, and {', '.join(missing)} missing. "
            "Pass the frame that pull_contacts gives, whole."
        )
    filled = [nw.col(name).count().alias(name) for name in CONTACT_SCHEMA]
    dates = [nw.col("created_at").min().alias("first"), nw.col("created_at").max().alias("last")]
    row = collect(frame.select(nw.len().alias("contacts"), *filled, *dates)).row(0, named=True)
    return {
        name: value if value is not None or name in {"first", "last"} else 0 for name, value in row.items()
    }


def _spellings(contacts: Any) -> int | None:
    try:
        return similar_tags(contacts, progress=False).height
    except MissingExtraError:
        return None


def _look_at(found: Overview) -> Iterator[str]:
    """Say what to look at next, the gravest first."""
    if not found.contacts:
        yield "This account has no contacts."
        return
    empty = [name for name, filled in found.columns.select("column", "filled").rows() if not filled]
    yield from unfilled_in_words([name for name in empty if name not in _PEOPLE], found.contacts)
    opt_outs, verification = found.opt_outs, found.verification
    if opt_outs["opt_outs"] and found.different_tags > 1:
        yield 'What goes with opting out: opt_out_drivers(contacts, adjust=("age", "line", "tags")).'
    if opt_outs["rate"] is not None and opt_outs["unknown"]:
        yield (
            f"Of {plural(opt_outs['unknown'], 'contact')} the API did not say whether opted out: "
            "in no rate, and never to be texted."
        )
    if found.spellings:
        yield f"{plural(found.spellings, 'tag')} likely misspelled: similar_tags(contacts)."
    if found.untagged > _MANY * found.contacts:
        yield f"{plural(found.untagged, 'contact')} without a tag: contacts.filter(untagged())."
    if verification["rate"] == 0:
        yield UNUSED
    elif verification["rate"] is not None and verification["rate"] < 1:
        yield "Who waits to be verified, and how long: verification_backlog(contacts)."
    yield "One pull gives a rate and no trend: keep each pull in a ContactHistory."
