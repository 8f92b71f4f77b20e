"""Each figure against what is planted in the sandbox's messages."""

from functools import lru_cache

import polars as pl

from sendblue_data import (
    MESSAGE_SCHEMA,
    opt_out_hazard,
    opt_out_times,
    opt_outs_per_message,
    texts_after_opt_out,
)
from sendblue_data._shared.keywords import keywords
from sendblue_data.sandbox import message_history, people

MESSAGES = 8_000


@lru_cache
def planted():
    """The messages frame, and the truth."""
    made = message_history.history(MESSAGES, list(people.contacts(700, seed=3)), seed=3)
    log = made.messages.rename({"number": "phone"})
    log = log.with_columns(
        keyword=pl.Series(keywords(log["content"].to_list()), dtype=pl.String),
        content=pl.lit(None, pl.String),
    )
    missing = [
        pl.lit(None, kind).alias(name) for name, kind in MESSAGE_SCHEMA.items() if name not in log.columns
    ]
    return log.with_columns(missing).select(list(MESSAGE_SCHEMA)), made.truth


def test_each_stop_by_keyword_is_known_by_the_moment_and_others_lie_within_their_bounds():
    messages, truth = planted()
    times = opt_out_times(messages)
    stops = truth.stops.filter(source="keyword")
    found = times.filter(source="keyword")
    assert found.height > 30
    exact = stops.join(found, left_on=["phone", "stopped_at"], right_on=["phone", "opted_out_at"])
    assert exact.height == stops.height
    assert (exact["started_at"].eq_missing(exact["resumed_at"])).all()
    elsewhere = truth.stops.filter(source="elsewhere")
    bounded = times.filter(source="declined").join(elsewhere, on="phone")
    assert bounded.height > 0
    assert (bounded["stopped_at"] <= bounded["opted_out_before"]).all()
    assert (bounded["stopped_at"] >= bounded["opted_out_after"]).drop_nulls().all()


def test_texts_after_a_stop_are_just_those_planted():
    messages, truth = planted()
    by_keyword = truth.stops.filter(source="keyword")
    after = truth.texts_after_stop.join(by_keyword, on=["phone", "stopped_at"], how="semi")
    # What went to groups is no part of what is planted; it counts for each member who had stopped.
    to_people = messages.filter(pl.col("message_type") != "group")
    assert texts_after_opt_out(messages)["texts"].item() > after.height
    row = texts_after_opt_out(to_people).row(0, named=True)
    assert row["texts"] == after.height > 20
    assert row["people"] == after["phone"].n_unique()
    assert row["declined"] == after.filter(status="DECLINED").height
    assert row["max_days"] * 1440 == (after["at"] - after["stopped_at"]).dt.total_minutes().max()


def test_the_hazard_by_frequency_is_that_of_the_texts_planted():
    messages, truth = planted()
    exposures = truth.exposures
    # Of those who opted out elsewhere no message says when: texts that came through are at risk to us.
    elsewhere = truth.stops.filter(source="elsewhere")["phone"].implode()
    messages = messages.filter(~pl.col("phone").is_in(elsewhere).fill_null(value=False))
    exposures = exposures.filter(~pl.col("phone").is_in(elsewhere))
    table = opt_out_hazard(messages).filter(days=7)
    assert table["delivered"].sum() == exposures.height
    assert table["opt_outs"].sum() == exposures.filter("stopped").height
    for band in table.iter_rows(named=True):
        until = band["to_texts"] or exposures["frequency"].max()
        part = exposures.filter(pl.col("frequency").is_between(band["from_texts"], until))
        assert (band["delivered"], band["opt_outs"]) == (part.height, part["stopped"].sum())
        # Of a handful of bands each holds the chance that was planted, but for one in a thousand.
        low, high = (
            opt_out_hazard(messages, confidence=0.999)
            .filter(days=7, from_texts=band["from_texts"])
            .select("low", "high")
            .row(0)
        )
        assert low <= part["hazard"].mean() <= high


def test_opt_outs_per_message_are_those_that_a_text_brought():
    messages, truth = planted()
    row = opt_outs_per_message(messages).row(0, named=True)
    assert row["opt_outs"] + row["unattributed"] == truth.stops.filter(source="keyword").height
    assert row["opt_outs"] >= truth.exposures.filter("stopped").height
