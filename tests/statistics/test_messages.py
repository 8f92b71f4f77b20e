"""Coverage of the intervals of messages' rates, by simulation: people of one kind, and people who differ."""

from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from sendblue_data import MESSAGE_SCHEMA, delivery, opt_out_hazard, opt_outs_per_message, replies

pytestmark = pytest.mark.slow

START = datetime(2026, 1, 5, tzinfo=UTC)
HOUR = 3_600_000_000
TRIALS = 80
LEAST = 0.89
"""Of 80 intervals of 95%, fewer than this share hold the truth in one of a hundred such tests."""


def messages(person, hours, outbound, status="DELIVERED", keyword=None):
    """A messages frame of arrays."""
    number = len(person)
    frame = pl.DataFrame(
        {
            "message_handle": np.arange(number),
            "phone": person,
            "hours": hours,
            "is_outbound": outbound,
            "status": status,
            "keyword": keyword,
        },
        schema_overrides={"keyword": pl.String},
    ).with_columns(
        pl.col("message_handle", "phone").cast(pl.String),
        date_sent=pl.lit(START, pl.Datetime("us", "UTC"))
        + (pl.col("hours") * HOUR).cast(pl.Int64).cast(pl.Duration("us")),
    )
    missing = [
        pl.lit(None, kind).alias(name) for name, kind in MESSAGE_SCHEMA.items() if name not in frame.columns
    ]
    return frame.with_columns(missing).select(list(MESSAGE_SCHEMA))


def campaign(rng, chance, people=400, texts=12):
    """Texts two days apart until one brings a stop, with each person's own chance; and the chance of a text sent."""
    stops = rng.random((people, texts)) < chance[:, None]
    last = np.where(stops.any(axis=1), stops.argmax(axis=1), texts - 1)
    sent = np.arange(texts)[None, :] <= last[:, None]
    person, nth = np.nonzero(sent)
    left = np.flatnonzero(stops.any(axis=1))
    frame = messages(
        np.concatenate([person, left]),
        np.concatenate([nth * 48.0, last[left] * 48.0 + 1]),
        np.concatenate([np.ones(len(person), bool), np.zeros(len(left), bool)]),
        keyword=[None] * len(person) + ["stop"] * len(left),
    )
    return frame, chance[person], nth


@pytest.mark.parametrize("differ", [False, True])
def test_opt_outs_per_message_and_hazard_hold_the_chance_of_a_text(differ):
    """With people who differ, the truth is the mean chance of the texts that were sent: those who leave get fewer."""
    rng = np.random.default_rng(11)
    held = by_frequency = bands = 0
    for _ in range(TRIALS):
        chance = rng.beta(0.6, 29.4, 400) if differ else np.full(400, 0.02)
        frame, chances, nth = campaign(rng, chance)
        row = opt_outs_per_message(frame).row(0, named=True)
        held += row["low"] <= chances.mean() <= row["high"]
        for band in opt_out_hazard(frame).filter(days=7).iter_rows(named=True):
            # Two days apart: the first text, the second, ... and from the fourth on four in 7 days.
            number = np.minimum(nth + 1, 4)
            part = chances[(number >= band["from_texts"]) & (number <= (band["to_texts"] or 9))]
            by_frequency += band["low"] <= part.mean() <= band["high"]
            bands += 1
    assert held / TRIALS >= LEAST
    assert by_frequency / bands >= LEAST + 0.02
    assert held < TRIALS or by_frequency < bands  # intervals that always hold would be too wide


def test_people_who_differ_are_in_the_intervals_of_delivery_and_replies():
    """Sixty people of ten texts: of some nearly all arrive, of some hardly any."""
    rng = np.random.default_rng(12)
    delivered = replied = naive = 0
    for _ in range(TRIALS):
        own = np.repeat(rng.beta(0.7, 0.3, 60), 10)
        arrives = rng.random(600) < own
        person, hours = np.repeat(np.arange(60), 10), np.tile(np.arange(10) * 24.0, 60)
        frame = messages(person, hours, np.ones(600, bool), np.where(arrives, "DELIVERED", "ERROR"))
        row = delivery(frame).row(0, named=True)
        delivered += row["delivery_rate_low"] <= 0.7 <= row["delivery_rate_high"]
        share, reach = arrives.mean(), 1.96 * np.sqrt(0.7 * 0.3 / 600)
        naive += abs(share - 0.7) <= reach
        answers = np.flatnonzero(arrives)
        both = messages(
            np.concatenate([person, person[answers]]),
            np.concatenate([hours, hours[answers] + 1]),
            np.concatenate([np.ones(600, bool), np.zeros(len(answers), bool)]),
        )
        row = replies(both).row(0, named=True)
        replied += row["low"] <= 0.7 <= row["high"]
    assert delivered / TRIALS >= LEAST
    assert replied / TRIALS >= LEAST
    assert naive / TRIALS < 0.8  # as if texts were independent
