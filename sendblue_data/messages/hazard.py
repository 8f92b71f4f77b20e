"""How likely a text is to be the last: by how many came in the days before it, by the contact's age, by anything."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import narwhals as nw
import polars as pl

from sendblue_data._frames.engines import DAY_US, Micros, collect, extended
from sendblue_data._frames.grouping import By, Measure, grouped, in_order, keys_of
from sendblue_data._shared.time import span_us
from sendblue_data.analytics.rates import with_rate
from sendblue_data.errors import ConfigurationError
from sendblue_data.messages.events import (
    AT,
    dated,
    delivered_text,
    last_before_opt_out,
    opt_outs,
)
from sendblue_data.messages.joined import Recipients

FREQUENCY, AGE = "frequency", "age"
_WINDOWS = (7, 30)
_BANDS = {7: (1, 2, 3, 4, 6, 9), 30: (1, 2, 3, 5, 9, 17)}
"""Numbers of texts at which a band begins, by window in days."""
_AGES = (0, 7, 30, 90, 180, 365)
_COUNTS = ["delivered", "opt_outs", "rate", "low", "high"]


def opt_out_hazard(
    messages: Any,
    by: By | Sequence[By] = FREQUENCY,
    within: str | timedelta = "7d",
    *,
    contacts: Any | None = None,
    confidence: float = 0.95,
) -> pl.DataFrame:
    """Return how likely a delivered text is to be the last before an opt-out, of those still subscribed.

    A discrete-time hazard of recurrent exposure: each text that is delivered to somebody who has not opted out is one
    exposure, and ends in an opt-out, laid to it as in `opt_outs_per_message`, or does not (D. R. Cox 1972, JRSS B
    34:187, section 6; P. D. Allison 1982, Sociological Methodology 13:61). Texts after a stop are no exposure. That
    many texts go with many opt-outs does not show that they cause them: people who are texted often may be of another
    kind.

    Args:
        messages: a messages frame of any engine that Narwhals knows; it counts where the data lives. It must reach back
            30 days before the first text that is to count: of the first 30 days, earlier texts are not known.
        by: `"frequency"`: how many texts were delivered to that person in the 7 and in the 30 days up to and with this
            one. `"age"`: days since the contact was created, which needs `contacts`. Else groups as for
            `opt_outs_per_message`.
        within: how long after a text an opt-out is laid to it.
        contacts: the contacts frame, of the same engine.
        confidence: of the intervals.

    Returns:
        By `"frequency"`: `days`, 7 or 30; `from_texts` and `to_texts`, how many in that time (null: or more). By
        `"age"`: `from_day` and `to_day` (null: or later; both null: not known). Else the group's columns. Then
        `delivered`, the texts at risk; `opt_outs`; `rate` = opt_outs / delivered, the hazard of a text, with Wilson's
        interval `low` to `high`, which holds since a person at risk has at most one opt-out. Bands without a text have
        no row.

    Raises:
        FrameError: a column is missing, of another type, or can't be grouped by; a phone stands twice in `contacts`.
        ConfigurationError: the confidence isn't between 0 and 1, `within` is no length of time, or `by="age"` comes
            without contacts.

    Example:
        >>> from datetime import datetime, timedelta, UTC
        >>> from sendblue_data import MESSAGE_SCHEMA
        >>> noon = datetime(2026, 3, 2, 12, tzinfo=UTC)
        >>> rows = [(0, None), (1, None), (2, "stop")]
        >>> messages = pl.DataFrame(
        ...     [{"phone": "+13055550101", "date_sent": noon + timedelta(days=day), "keyword": keyword,
        ...       "is_outbound": keyword is None, "status": "DELIVERED"} for day, keyword in rows],
        ...     schema=MESSAGE_SCHEMA)
        >>> opt_out_hazard(messages).select("days", "from_texts", "to_texts", "delivered", "opt_outs").rows()
        [(7, 1, 1, 1, 0), (7, 2, 2, 1, 1), (30, 1, 1, 1, 0), (30, 2, 2, 1, 1)]
    """
    window = span_us("within", within)
    frame, recipients = dated(messages), Recipients(messages, contacts)
    if isinstance(by, str) and by == FREQUENCY:
        table, names = _by_frequency(frame, window), ["days", "from_texts", "to_texts"]
    elif isinstance(by, str) and by == AGE:
        if contacts is None:
            raise ConfigurationError("by='age' counts from a contact's creation: pass contacts=, too.")
        table, names = _by_age(recipients.beside(_at_risk(frame, window))), ["from_day", "to_day"]
    else:
        native = recipients.beside(_at_risk(frame, window))
        keys = keys_of(native, by, taken=_COUNTS)
        names = [key.name for key in keys]
        table = in_order(grouped(native, keys, {"m_out": "m_out"}, _MEASURES), keys, size="delivered")
    return with_rate(table, "opt_outs", "delivered", confidence=confidence).select(*names, *_COUNTS)


_MEASURES = {"delivered": Measure(nw.len()), "opt_outs": Measure(nw.col("m_out").sum())}
_TEXT = ["phone", AT, "m_handle"]
"""What tells one text from another."""


def _named(frame: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    return frame.with_columns(nw.col("message_handle").fill_null("").alias("m_handle"))


def _with_outcome(texts: nw.LazyFrame[Any], frame: nw.LazyFrame[Any], within: int) -> nw.LazyFrame[Any]:
    """Add `m_out`: 1 for a text that an opt-out is laid to, else 0."""
    last = _named(last_before_opt_out(frame, within)).select(*_TEXT, nw.lit(1).alias("m_last")).unique()
    joined = texts.join(last, on=_TEXT, how="left")
    return joined.with_columns(nw.col("m_last").fill_null(0).cast(nw.Int64).alias("m_out")).drop("m_last")


def _at_risk(frame: nw.LazyFrame[Any], within: int) -> nw.LazyFrame[Any]:
    """Return the delivered texts to people who had not opted out, all columns, with `m_out`."""
    texts = _named(frame.filter(delivered_text()))
    held = texts.select(*_TEXT).join(opt_outs(frame), on="phone", how="inner")
    after = (nw.col(AT) > nw.col("stop_at")) & (nw.col("until").is_null() | (nw.col(AT) <= nw.col("until")))
    late = held.filter(after).select(*_TEXT, nw.lit(1).alias("m_late")).unique()
    texts = texts.join(late, on=_TEXT, how="left").filter(nw.col("m_late").is_null()).drop("m_late")
    return _with_outcome(texts, frame, within)


def _by_frequency(frame: nw.LazyFrame[Any], within: int) -> pl.DataFrame:
    """Count by how many texts came in the days before.

    Each text counts from its moment until so many days later. All these moments in one order make the number at each
    text a running sum, which every engine can say; a join of each text with those before it would be far larger.
    """
    texts = _named(frame.filter(delivered_text())).select(*_TEXT)
    stops = opt_outs(frame)
    none = nw.lit("").alias("m_handle")
    parts = [_step(texts, AT, 1, **{f"m_{days}": 1 for days in _WINDOWS})]
    for days in _WINDOWS:
        ended = texts.with_columns((nw.col(AT) + days * DAY_US).alias(AT))
        parts.append(_step(ended, AT, 0, **{f"m_{days}": -1}))
    parts.append(_step(stops.with_columns(none), "stop_at", 2, m_out=1))
    resumed = stops.filter(~nw.col("until").is_null()).with_columns(none)
    parts.append(_step(resumed, "until", 2, m_out=-1))
    steps = nw.concat(parts, how="vertical")
    sums = [*(f"m_{days}" for days in _WINDOWS), "m_out"]
    order = [AT, "m_kind", "m_handle"]
    running = steps.with_columns(
        nw.col(name).cum_sum().over("phone", order_by=order).cast(nw.Int64).alias(name) for name in sums
    )
    at_risk = running.filter(nw.col("m_kind") == 1, nw.col("m_out") == 0).drop("m_out")
    counts = _with_outcome(at_risk, frame, within).group_by("m_7", "m_30")
    table = collect(counts.agg(nw.len().alias("delivered"), nw.col("m_out").sum().alias("opt_outs")))
    return pl.concat([_banded(table, f"m_{days}", days) for days in _WINDOWS])


def _step(frame: nw.LazyFrame[Any], at: str, kind: int, **steps: int) -> nw.LazyFrame[Any]:
    """Return what changes at these moments: texts that begin or cease to count, opt-outs that begin or end.

    Of one moment, what ceases comes first (`kind` 0), then texts (1), then opt-outs (2): a text at the moment of a stop
    came before it, and one at the moment of a start is not yet at risk.
    """
    names = [*(f"m_{days}" for days in _WINDOWS), "m_out"]
    return frame.select(
        "phone",
        nw.col(at).alias(AT),
        "m_handle",
        nw.lit(kind).cast(nw.Int64).alias("m_kind"),
        *(nw.lit(steps.get(name, 0)).cast(nw.Int64).alias(name) for name in names),
    )


def _banded(table: pl.DataFrame, column: str, days: int) -> pl.DataFrame:
    """Put numbers of texts together to bands."""
    banded = _in_bands(table.with_columns(pl.col(column).alias("m_number")), _BANDS[days])
    return banded.select(
        days=pl.lit(days, pl.Int64),
        from_texts="from",
        to_texts="to",
        delivered="delivered",
        opt_outs="opt_outs",
    )


def _by_age(texts: Any) -> pl.DataFrame:
    """Count by the contact's age in whole days."""
    born = extended(texts, {"m_born": Micros(("created_at",))})
    age = nw.when(nw.col(AT) >= nw.col("m_born")).then((nw.col(AT) - nw.col("m_born")) // DAY_US).otherwise(0)
    known = nw.when(~nw.col("m_born").is_null()).then(age).cast(nw.Int64).alias("m_number")
    counts = born.with_columns(known).group_by("m_number")
    table = collect(counts.agg(nw.len().alias("delivered"), nw.col("m_out").sum().alias("opt_outs")))
    return _in_bands(table, _AGES).rename({"from": "from_day", "to": "to_day"})


def _in_bands(table: pl.DataFrame, starts: Sequence[int]) -> pl.DataFrame:
    """Sum by the band that `m_number` lies in: `from` and `to`, null after the last; a null number last of all."""
    bands = pl.DataFrame(
        {"from": starts, "to": [*(start - 1 for start in starts[1:]), None]},
        schema={"from": pl.Int64, "to": pl.Int64},
    )
    rows = table.with_columns(pl.col("m_number").cast(pl.Int64)).sort("m_number", nulls_last=True)
    placed = rows.join_asof(bands, left_on="m_number", right_on="from", check_sortedness=False)
    counts = [pl.col("delivered").sum().cast(pl.Int64), pl.col("opt_outs").sum().cast(pl.Int64)]
    return placed.group_by("from", "to").agg(counts).sort("from", nulls_last=True)
