"""The parts of a report: which tables are made of the contacts, how they are drawn, what is said of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from math import inf
from typing import TYPE_CHECKING, Any

import polars as pl

from sendblue_data import plots
from sendblue_data._shared.masking import mask_name, mask_table
from sendblue_data._shared.text import plural
from sendblue_data.analytics.adjustment import ADJUSTABLE
from sendblue_data.analytics.by_age import opt_out_by_age
from sendblue_data.analytics.drivers import opt_out_drivers
from sendblue_data.analytics.opt_outs import opt_out_rate
from sendblue_data.analytics.tags import tag_combinations, tag_growth, tag_summary
from sendblue_data.analytics.verification import (
    UNUSED,
    nobody_verified,
    verification_backlog,
    verification_funnel,
    verification_rate,
    verification_worklist,
)
from sendblue_data.errors import HistoryRangeError, MissingExtraError
from sendblue_data.plots.labels import decimal, interval, number, percent, probability
from sendblue_data.plots.rates import NOTHING_KNOWN
from sendblue_data.report.images import picture
from sendblue_data.report.parts import Picture, Section, Table
from sendblue_data.report.words import in_words, readable

if TYPE_CHECKING:
    from sendblue_data.history.contact_history import ContactHistory

MOST_TAGS = 100
"""Tags that the table lists; a report with more would be an export."""
MOST_DRIVERS = 15
TO_VERIFY = 10
LAST_SNAPSHOTS = 12
_SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Maker:
    """Makes a report's parts, all with the same choices.

    Attributes:
        contacts: a contacts frame of any engine that Narwhals knows.
        as_of: moment of the pull; None where it isn't known.
        mask: whether phones, names and e-mail addresses are masked.
        min_contacts: groups with fewer contacts are left out, and counted.
        png: whether pictures are kept as PNG too.
    """

    contacts: Any
    as_of: datetime | None
    mask: bool
    min_contacts: int = 0
    png: bool = False

    @cached_property
    def total(self) -> dict[str, Any]:
        """The opt-out rate of all contacts."""
        return opt_out_rate(self.contacts).row(0, named=True)

    @cached_property
    def ages(self) -> pl.DataFrame:
        """Opt-outs by days since creation."""
        return opt_out_by_age(self.contacts, as_of=self.as_of)

    @cached_property
    def drivers(self) -> pl.DataFrame:
        """What goes with opting out, masked."""
        least = self.min_contacts
        return self.hidden(
            opt_out_drivers(self.contacts, adjust=ADJUSTABLE, as_of=self.as_of, min_contacts=least)
        )

    @cached_property
    def summary(self) -> pl.DataFrame:
        """The tags, masked."""
        return self.hidden(tag_summary(self.contacts))

    @cached_property
    def funnel(self) -> pl.DataFrame:
        """From all contacts to those who may be texted."""
        return verification_funnel(self.contacts)

    def hidden(self, table: pl.DataFrame) -> pl.DataFrame:
        """Mask the phones and e-mail addresses in a small table, unless told not to."""
        return mask_table(table) if self.mask else table

    def large(self, table: pl.DataFrame) -> tuple[pl.DataFrame, str]:
        """Leave out the rows of too few contacts; return the others, and a sentence that counts those left out."""
        kept = table.filter(pl.col("contacts") >= self.min_contacts)
        left = table.height - kept.height
        fewer = plural(self.min_contacts, "contact")
        return kept, f"Left out, of fewer than {fewer}: {number(left)}." if left else ""

    def drawn(self, name: str, table: pl.DataFrame, alt: str, **options: Any) -> Picture:
        """Draw a table by the plot of this name."""
        plot, chosen = getattr(plots, name), {"as_of": self.as_of, **options}
        return picture(name, lambda: plot(table, theme="light", **chosen), alt, png=self.png)

    def opt_outs(self) -> Section:
        """Return the part on who has opted out."""
        total = self.total["rate"]
        if total is None:
            return Section("opt-outs", "Opt-outs", [f"{NOTHING_KNOWN}."])
        least = self.min_contacts
        by_tag = self.hidden(opt_out_rate(self.contacts, by="tags", min_contacts=least))
        ages, drivers = self.ages, self.drivers
        parts = self._rates_by_tag("opt_out_rate", "Opt-out rate by tag", by_tag, total)
        words = in_words("Opted out by days since creation", ages, "from_day", "rate", percent)
        parts.append(self.drawn("opt_out_by_age", ages, words))
        if drivers.height:
            title = "Relative risk of having opted out, against all other contacts"
            words = in_words(title, drivers, ("factor", "level"), "relative_risk", decimal)
            parts += [self.drawn("opt_out_drivers", drivers, words, top=MOST_DRIVERS), _drivers(drivers)]
        return Section(
            "opt-outs",
            "Opt-outs",
            [
                "The rate is a prevalence: the share of contacts that have opted out, each counted once.",
                "It is no rate of unsubscribes per message, and not to be compared with one.",
                "Younger contacts had less time to opt out; by age, that is taken into account.",
            ],
            parts,
        )

    def _rates_by_tag(
        self, name: str, title: str, table: pl.DataFrame, total: float | None
    ) -> list[Picture | Table]:
        if not table.height:
            return []
        words = in_words(title, table, table.columns[0], "rate", percent)
        return [self.drawn(name, table, words, reference=total, reference_label="all contacts")]

    def tags(self) -> Section:
        """Return the part on tags: sizes, growth, combinations, spellings."""
        found = self.summary
        if not found.height:
            return Section("tags", "Tags", ["No contact has a tag."])
        summary, too_small = self.large(found)
        if not summary.height:
            return Section("tags", "Tags", [f"{plural(found.height, 'tag')} in use. {too_small}"])
        growth = self.hidden(tag_growth(self.contacts)).filter(pl.col("tag").is_in(summary["tag"].implode()))
        sets, rare = self.large(tag_combinations(self.contacts))
        sets = self.hidden(sets)
        words = in_words("Contacts by tag", summary, "tag", "contacts", number)
        parts: list[Picture | Table] = [self.drawn("tag_summary", summary, words), _tags(summary, too_small)]
        last = growth.group_by("tag", maintain_order=True).agg(pl.col("cumulative").last())
        words = in_words(
            "Contacts with each tag by month of creation, up to", last, "tag", "cumulative", number
        )
        parts.append(self.drawn("tag_growth", growth, words))
        if sets.height:
            words = in_words("Contacts by exact combination of tags", sets, "tags", "contacts", number)
            parts.append(self.drawn("tag_combinations", sets, words))
        parts += self._spellings()
        return Section(
            "tags",
            "Tags",
            [
                f"{plural(found.height, 'tag')} in use. A contact with several tags counts in each of them.",
                *[f"Tags: {too_small}"] * bool(too_small),
                *[f"Combinations of tags: {rare}"] * bool(rare),
            ],
            parts,
        )

    def _spellings(self) -> list[Table]:
        from sendblue_data.analytics.tag_spelling import similar_tags  # noqa: PLC0415 -- its check needs an extra

        try:
            found = self.hidden(similar_tags(self.contacts, progress=False))
        except MissingExtraError:
            return []
        if not found.height:
            return []
        rows = texts(
            found.head(MOST_DRIVERS),
            {
                "Spelling": ("tag", readable),
                "contacts": ("contacts", number),
                "likely the same as": ("suggestion", readable),
                "with contacts": ("suggestion_contacts", number),
                "differs in": ("reason", str),
            },
        )
        left = ("likely the same as", "differs in")
        return [Table("spellings", "Spellings that are likely one tag", rows, left, _more(found, rows))]

    def verification(self) -> Section:
        """Return the part on who may be texted, and who is verified."""
        funnel = self.funnel
        words = in_words("From all contacts to reachable ones", funnel, "step", "contacts", number)
        parts: list[Picture | Table] = [self.drawn("verification_funnel", funnel, words)]
        said = [f"Reachable: {funnel['definition'][-1]}."]
        if nobody_verified(self.contacts):
            said.append(f"{UNUSED} Paid plans need none.")
        else:
            sure = verification_funnel(self.contacts, verified=True)["contacts"][-1]
            said.append(
                f"{number(sure)} of them are verified, too: only these does Sendblue's free plan text."
            )
            parts += self._verified()
        return Section("verification", "Verification", said, parts)

    def _verified(self) -> list[Picture | Table]:
        by_tag = self.hidden(verification_rate(self.contacts, by="tags", min_contacts=self.min_contacts))
        backlog = verification_backlog(self.contacts, as_of=self.as_of)
        total = verification_rate(self.contacts)["rate"].item()
        words = in_words("Unverified contacts by age", backlog, "age", "contacts", number)
        parts: list[Picture | Table] = [self.drawn("verification_backlog", backlog, words)]
        parts += self._rates_by_tag("verification_rate", "Verified share by tag", by_tag, total)
        worklist = verification_worklist(self.contacts)
        if worklist.height:
            parts.append(self._to_verify(worklist))
        return parts

    def _to_verify(self, worklist: pl.DataFrame) -> Table:
        first = worklist.head(TO_VERIFY)
        if self.mask:  # a tag of a few may name them
            large = self.large(self.summary)[0]["tag"].to_list()
            first = first.with_columns(pl.col("tags").list.set_intersection(large))
        tags = pl.when(pl.col("tags").list.len() > 0).then(pl.col("tags").list.join(", "))
        first = self.hidden(first.with_columns(tags=tags))
        names = [name for name in ("first_name", "last_name") if name in first.columns]
        first = first.with_columns(
            name=pl.concat_str(names, separator=" ", ignore_nulls=True).replace("", None)
            if names
            else pl.lit(None, pl.String)
        )
        if self.mask:
            first = first.with_columns(pl.col("name").map_elements(mask_name, return_dtype=pl.String))
        rows = texts(
            first,
            {
                "Name": ("name", readable),
                "phone": ("phone", readable),
                "company": ("company_name", readable),
                "tags": ("tags", readable),
                "created": ("created_at", _day),
            },
        )
        note = (
            f"The first {rows.height} of {number(worklist.height)} that may be sent a verification message."
        )
        left = ("phone", "company", "tags")
        return Table("to-verify", "Waiting longest for verification", rows, left, note)

    def over_time(self, history: ContactHistory | None) -> Section:
        """Return the part on what the snapshots of a history show, or why there is no trend."""
        if history is None:
            return _over_time(
                "The API keeps no time of opting out, so one pull shows no trend.",
                "Record pulls with “sendblue-data snapshot FOLDER”, by cron, and give that folder to the report.",
            )
        try:
            snapshots = history.snapshots()
        except HistoryRangeError:
            return _over_time("The history holds no snapshot yet.")
        looks, table = plural(snapshots.height, "snapshot"), _snapshots(snapshots)
        words = f"From {looks}. Each opt-out is known to lie between two of them."
        if snapshots.height < 2:  # noqa: PLR2004 -- a change takes two
            return _over_time(words, "A trend needs two or more.", parts=[table])
        trend, survival = history.opt_out_trend(), history.survival()
        until = snapshots["seen_until"].max()
        weekly = in_words("Contacts opting out per 30 days, by week", trend, "period", "per_30_days", percent)
        kept = survival["survival"].to_list()[-1] if survival.height else None
        days = survival["day"].to_list()[-1] if survival.height else 0
        lasting = f"Share of contacts still subscribed by age: {percent(kept)} at {days:,.0f} days."
        pictures = [
            self.drawn("opt_out_trend", trend, weekly, as_of=until),
            self.drawn("survival", survival, lasting, as_of=until),
        ]
        return _over_time(words, parts=[*pictures, table])


def _over_time(*words: str, parts: Sequence[Picture | Table] = ()) -> Section:
    return Section("over-time", "Over time", words, parts)


Texts = Mapping[str, tuple[str | tuple[str, ...], Callable[[Any], str]]]
"""Heading to the column that is written, or the columns that are written together, and how."""


def texts(table: pl.DataFrame, columns: Texts, missing: str = "n/a") -> pl.DataFrame:
    """Write out columns as text under new names."""
    made = {}
    for heading, (name, write) in columns.items():
        if isinstance(name, tuple):
            values: Iterable[Any] = table.select(name).rows()
        else:
            values = table[name] if name in table.columns else [None] * table.height
        made[heading] = [
            write(value) if value is not None or write is readable else missing for value in values
        ]
    return pl.DataFrame(made, schema=dict.fromkeys(made, pl.String))


def _tags(summary: pl.DataFrame, too_small: str) -> Table:
    rows = texts(
        summary.head(MOST_TAGS),
        {
            "Tag": ("tag", readable),
            "contacts": ("contacts", number),
            "of all": ("share", percent),
            "opted out": ("opt_outs", number),
            "not known": ("unknown", number),
            "opt-out rate": ("opt_out_rate", percent),
            "95% interval": (("opt_out_rate_low", "opt_out_rate_high"), interval),
            "verified": ("verification_rate", percent),
            "first created": ("first_created", _day),
        },
    )
    return Table("tag-summary", "All tags", rows, note=f"{_more(summary, rows)} {too_small}".strip())


def _drivers(drivers: pl.DataFrame) -> Table:
    rows = texts(
        drivers.head(MOST_DRIVERS),
        {
            "Contacts with this": ("level", readable),
            "kind": ("factor", str),
            "contacts": ("contacts", number),
            "opt-out rate": ("opt_out_rate", percent),
            "rate of the rest": ("rest_opt_out_rate", percent),
            "relative risk (95% interval)": (
                ("relative_risk", "relative_risk_low", "relative_risk_high"),
                _ratio,
            ),
            "q": ("q", probability),
            "adjusted risk (95% interval)": (
                (
                    "adjusted_relative_risk",
                    "adjusted_relative_risk_low",
                    "adjusted_relative_risk_high",
                ),
                _ratio,
            ),
            "once adjusted": ("after_adjusting", str),
        },
    )
    found = drivers.filter(pl.col("q") < _SIGNIFICANT).height
    tested = plural(drivers.height, "set")
    note = (
        f"{found:,} of {tested} tested differ from the rest with q below {_SIGNIFICANT}. The adjusted risk is among "
        f"contacts of one age, on one line, with other tags held. {_more(drivers, rows)}"
    )
    return Table("drivers", "What goes with opting out", rows, ("kind", "once adjusted"), note.strip())


def _snapshots(snapshots: pl.DataFrame) -> Table:
    last = snapshots.tail(LAST_SNAPSHOTS).reverse()
    rows = texts(
        last,
        {
            "Taken": ("taken_at", "{:%Y-%m-%d %H:%M} UTC".format),
            "contacts": ("contacts", number),
            "added": ("added", number),
            "removed": ("removed", number),
            "changed": ("changed", number),
            "shown complete": ("complete", lambda value: "yes" if value else "no"),
        },
        missing="not known",
    )
    return Table("snapshots", "Snapshots, latest first", rows, note=_more(snapshots, rows))


def _more(table: pl.DataFrame, rows: pl.DataFrame) -> str:
    left = table.height - rows.height
    return (
        f"The first {number(rows.height)} of {number(table.height)}; {number(left)} more not listed."
        if left
        else ""
    )


def _day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d}"


def _ratio(risk: Sequence[float | None]) -> str:
    value, low, high = risk
    if low is None or high is None:
        return decimal(value)
    bounds = f"{low:.2f} or more" if high == inf else f"{low:.2f} to {high:.2f}"
    return f"{decimal(value)} ({bounds})"
