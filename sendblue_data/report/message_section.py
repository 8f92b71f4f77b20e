"""The part of a report on what the account's messages tell, and the line that must be read first."""

from __future__ import annotations

from typing import Any

import polars as pl

from sendblue_data._shared.text import plural
from sendblue_data.messages.after_opt_out import texts_after_opt_out
from sendblue_data.messages.delivery import delivery
from sendblue_data.messages.hazard import opt_out_hazard
from sendblue_data.messages.opt_out_times import opt_out_times
from sendblue_data.messages.per_message import opt_outs_per_message
from sendblue_data.messages.replies import replies
from sendblue_data.plots.labels import decimal, interval, number, percent
from sendblue_data.report.parts import Picture, Section, Table
from sendblue_data.report.sections import Maker, texts
from sendblue_data.report.words import in_words, readable

_LINES = ["sendblue_number", "seat_id"]
MOST_LINES = 25
"""Lines and seats that the table lists."""


def warning(messages: Any) -> list[str]:
    """Say how many texts went to people who had written STOP; nothing where none did."""
    late = texts_after_opt_out(messages).row(0, named=True)
    if not late["texts"]:
        return []
    people = "1 person who" if late["people"] == 1 else f"{number(late['people'])} people who"
    were = "was" if late["texts"] == 1 else "were"
    words = (
        f"{plural(late['texts'], 'text')} went, or {were} tried, to {people} had written a stop keyword: "
        f"{number(late['delivered'])} delivered, {number(late['declined'])} declined by the service; "
        f"{number(late['within_5_minutes'])} within five minutes of the stop, as a confirmation of it would be."
    )
    return [words]


def message_section(make: Maker, messages: Any) -> Section:
    """Return the part on messages."""
    whole = opt_outs_per_message(messages).row(0, named=True)
    if not whole["delivered"]:
        return Section("messages", "Messages", ["No text to one person is known to have been delivered."])
    rate = (
        f"Opt-outs per delivered text: {percent(whole['rate'])} ({number(whole['opt_outs'])} of "
        f"{number(whole['delivered'])}; 95% interval {percent(whole['low'])} to {percent(whole['high'])})."
    )
    apart = (
        f"Not in it: {number(whole['unknown'])} texts whose status the API did not say, "
        f"{number(whole['unplaced'])} that can be laid to no one person, and {number(whole['unattributed'])} opt-outs "
        "that no text came before in seven days."
    )
    meaning = "This is the figure that vendors of messaging publish, and no share of contacts."
    parts = [*_after_opt_out(make, messages), *_rates(make, messages), *_when(make, messages)]
    return Section("messages", "Messages", [rate, meaning, apart], parts)


def _after_opt_out(make: Maker, messages: Any) -> list[Picture | Table]:
    table = make.hidden(texts_after_opt_out(messages, by=_LINES)).filter(pl.col("texts") > 0)
    if not table.height:
        return []
    rows = texts(
        table.head(MOST_LINES),
        {
            "Line": ("sendblue_number", readable),
            "seat": ("seat_id", readable),
            "texts": ("texts", number),
            "people": ("people", number),
            "delivered": ("delivered", number),
            "declined": ("declined", number),
            "days after the stop, median": ("median_days", decimal),
            "latest": ("max_days", decimal),
        },
    )
    left = table.height - rows.height
    note = f"The first {number(rows.height)} of {number(table.height)}." if left else ""
    return [Table("after-opt-out", "Texts after a stop keyword, by line and seat", rows, ("seat",), note)]


def _rates(make: Maker, messages: Any) -> list[Picture | Table]:
    hazard = opt_out_hazard(messages)
    words = in_words("Hazard of opting out by texts", hazard, ("days", "from_texts"), "rate", percent)
    parts: list[Picture | Table] = [make.drawn("opt_out_hazard", hazard, words)]
    by_service = opt_outs_per_message(messages, by="service")
    sent, answered = delivery(messages, by="service"), replies(messages, by="service")
    kept = by_service.join(sent, on="service", how="left", nulls_equal=True, suffix="_sent").join(
        answered, on="service", how="left", nulls_equal=True, suffix="_replies"
    )
    rows = texts(
        make.hidden(kept),
        {
            "Service": ("service", readable),
            "texts": ("messages", number),
            "delivered of settled": ("delivery_rate", percent),
            "opt-outs per text": ("rate", percent),
            "95% interval": (("low", "high"), interval),
            "replied to": ("rate_replies", percent),
            "hours to reply": ("median_hours", decimal),
        },
    )
    return [*parts, Table("by-service", "Texts by service", rows)]


def _when(make: Maker, messages: Any) -> list[Picture | Table]:
    times = opt_out_times(messages, make.contacts)
    parts: list[Picture | Table] = []
    if times["opted_out_at"].count():
        months = times.drop_nulls("opted_out_at").group_by(
            pl.col("opted_out_at").dt.strftime("%Y-%m").alias("month")
        )
        words = in_words(
            "Opt-outs by month", months.agg(pl.len().alias("number")).sort("month"), "month", "number", number
        )
        parts.append(make.drawn("opt_out_times", times, words))
    apart = times.filter(~pl.col("agrees"))
    lost = apart.filter("opted_out").height
    rows = pl.DataFrame(
        {
            "What messages and contacts say": [
                "opted out, by messages and contact alike",
                "opted out by messages, and the contact's flag says not",
                "started again by messages, and the contact's flag says opted out",
                "opted out by the contact's flag alone, since when nothing shows",
            ],
            "people": [
                number(times.filter("opted_out", "agrees", pl.col("source") != "flag").height),
                number(lost),
                number(apart.height - lost),
                number(times.filter(pl.col("source") == "flag").height),
            ],
        }
    )
    return [*parts, Table("agreement", "Opt-outs in messages and contacts", rows)]
