"""What a report found, in ten sentences with their uncertainty: what is read where nothing else is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import polars as pl

from sendblue_data._shared.text import plural
from sendblue_data.analytics.verification import nobody_verified, verification_rate
from sendblue_data.plots.labels import decimal, interval, number, percent, probability
from sendblue_data.report.words import readable

if TYPE_CHECKING:
    from sendblue_data.report.sections import Maker

MOST = 10
_SIGNIFICANT = 0.05
_LONGEST = 40
_OF_ALL = 0.01
"""Share of all contacts that an age must have to be compared."""
_EACH_WAY = 2
"""Drivers up, and down."""


def findings(make: Maker) -> list[str]:
    """Return the findings of an account, those that matter most first.

    A set of contacts is named where its q is below 0.05 and its interval keeps to one side of 1: what chance may do
    alone is no finding.
    """
    return [words for _, words in zip(range(MOST), _all(make), strict=False)]


def _all(make: Maker) -> Iterator[str]:
    total = make.total
    known = total["contacts"] - total["unknown"]
    if known:
        yield (
            f"{percent(total['rate'])} of contacts have opted out ({interval((total['low'], total['high']))}): "
            f"{number(total['opt_outs'])} of {number(known)} whose state is known."
        )
    funnel = make.funnel.row(-1, named=True)
    if funnel["share"] is not None:
        yield (
            f"{number(funnel['contacts'])} contacts may be texted: {percent(funnel['share'])} of all. "
            f"They are known not to have opted out, and have a phone."
        )
    if known:
        yield from _drivers(make.drivers)
        yield from _ages(make.ages, make.min_contacts)
    if total["unknown"]:
        yield (
            f"Of {number(total['unknown'])} contacts ({percent(total['unknown'] / total['contacts'])}) the API did not "
            "say whether they opted out: they are in no rate, and must not be texted."
        )
    yield from _tags(make.summary, make.min_contacts)
    yield from _verified(make)


def _drivers(drivers: pl.DataFrame) -> Iterator[str]:
    sure = drivers.filter(pl.col("q") < _SIGNIFICANT)
    more = sure.filter(pl.col("relative_risk_low") > 1).sort("relative_risk_low", descending=True)
    less = sure.filter(pl.col("relative_risk_high") < 1).sort("relative_risk_high")
    for row in [*more.head(_EACH_WAY).rows(named=True), *less.head(_EACH_WAY).rows(named=True)]:
        yield _driver(row)


def _driver(row: Mapping[str, Any]) -> str:
    bounds = f"{decimal(row['relative_risk_low'])} to {decimal(row['relative_risk_high'])}"
    adjusted = row.get("adjusted_relative_risk")
    held = (
        f" Among contacts of one age, on one line, with other tags held, {decimal(adjusted)} times."
        if adjusted is not None
        else ""
    )
    return (
        f"{percent(row['opt_out_rate'])} of contacts with the {row['factor']} {readable(row['level'], _LONGEST)} opted "
        f"out, {decimal(row['relative_risk'])} times the rate of all others ({bounds}; q {_q(row['q'])}).{held}"
    )


def _q(value: float) -> str:
    text = probability(value)
    return text if text.startswith("<") else f"= {text}"


def _ages(ages: pl.DataFrame, least: int) -> Iterator[str]:
    """Compare the youngest with the oldest, but for the handful at either end, whose rate is nearly chance."""
    size = pl.col("contacts")
    told = ages.filter(size >= least, size >= size.sum() * _OF_ALL).drop_nulls("rate")
    if told.height < 2:  # noqa: PLR2004 -- a comparison takes two
        return
    young, old = told.row(0, named=True), told.row(-1, named=True)
    apart = "their intervals are apart" if old["low"] > young["high"] or old["high"] < young["low"] else (
        "their intervals overlap, so chance may do that"
    )  # fmt: skip
    yield (
        f"Of contacts created {_days(young)} days before, {percent(young['rate'])} have opted out "
        f"({interval((young['low'], young['high']))}); of those created {_days(old)} days before, "
        f"{percent(old['rate'])} ({interval((old['low'], old['high']))}): {apart}."
    )


def _days(row: Mapping[str, Any]) -> str:
    first, last = row["from_day"], row["to_day"]
    return f"{first:,}" if first == last else f"{first:,} to {last:,}"


def _tags(summary: pl.DataFrame, least: int) -> Iterator[str]:
    large = summary.filter(pl.col("contacts") >= least)
    if large.height:
        top = large.row(0, named=True)
        opted_out = ""
        if top["opt_out_rate"] is not None:
            bounds = interval((top["opt_out_rate_low"], top["opt_out_rate_high"]))
            opted_out = f"; {percent(top['opt_out_rate'])} of them opted out ({bounds})"
        yield (
            f"The largest of {plural(summary.height, 'tag')} is {readable(top['tag'], _LONGEST)}, on "
            f"{plural(top['contacts'], 'contact')} ({percent(top['share'])} of all){opted_out}."
        )


def _verified(make: Maker) -> Iterator[str]:
    if nobody_verified(make.contacts):
        return
    sure = verification_rate(make.contacts).row(0, named=True)
    if sure["rate"] is not None:
        yield (
            f"{percent(sure['rate'])} of contacts are verified ({interval((sure['low'], sure['high']))}). Only a free "
            "plan needs that."
        )
