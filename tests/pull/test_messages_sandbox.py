"""The pull of messages over HTTP, from an account with the traits and faults of the sandbox, and its planted truth."""

import polars as pl
import pytest

from sendblue_data import Sandbox, pull_messages
from sendblue_data.errors import RepairedFieldWarning

TRAITS = [
    {"message_spelling": "camel", "message_nulls": "left_out", "timestamps": "ms"},
    {"message_spelling": "both", "message_page": 250, "message_page_past_cap": "refuse"},
    {"message_totals": "missing", "message_page": 400},
    {"message_totals": "capped", "message_reach": 1_000, "offset_past_cap": "refuse"},
    {"message_totals": "page", "message_reach": 1_000},
    {"ties": "shuffled", "message_bounds": "exclusive", "message_clock": "s"},
    {"honour_order": False, "every_500": 4, "every_cut": 5},
    {"every_429": 7, "every_reset": 6, "cdn_headers": True},
]


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(150, messages=1_500, seed=3) as sandbox:
        yield sandbox


@pytest.mark.parametrize("traits", TRAITS, ids="-".join)
def test_every_message_arrives_whatever_the_traits(sandbox, traits):
    usual = {name: getattr(sandbox.switches, name, getattr(sandbox.faults, name, None)) for name in traits}
    sandbox.set(**traits)
    try:
        with sandbox.client() as client:
            frame, evidence = pull_messages(client, progress=False, with_evidence=True)
    finally:
        sandbox.set(**usual)
    truth = sandbox.messages()
    assert frame.height == truth.height == 1_500
    assert set(frame["message_handle"]) == set(truth["message_handle"])
    assert evidence.complete
    assert frame["content"].null_count() == frame.height
    both = frame.join(truth, on="message_handle", suffix="_true")
    assert both["status"].to_list() == both["status_true"].to_list()
    assert both["opted_out"].to_list() == both["opted_out_true"].to_list()


def test_odd_values_are_told_and_counted(sandbox):
    sandbox.set(odd_messages=0.1)
    try:
        unreadable = [
            (handle, field) for handle, field, _, can_be_read in sandbox.message_oddities() if not can_be_read
        ]
        with sandbox.client() as client, pytest.warns(RepairedFieldWarning, match="Fields of some messages"):
            frame, evidence = pull_messages(client, progress=False, with_evidence=True)
    finally:
        sandbox.set(odd_messages=0.0)
    assert frame.height == 1_500
    assert len(unreadable) > 10
    assert sum(repair.count for repair in evidence.repaired) == len(unreadable)


def test_messages_that_arrive_meanwhile_do_no_harm():
    with Sandbox(50, messages=1_500, seed=4, message_churn=5) as sandbox, sandbox.client() as client:
        there = set(sandbox.messages()["message_handle"])
        frame, evidence = pull_messages(client, progress=False, with_evidence=True)
    assert evidence.complete
    assert there <= set(frame["message_handle"])
    assert frame["message_handle"].n_unique() == frame.height


def test_keywords_of_the_frame_are_the_planted_stops(sandbox):
    with sandbox.client() as client:
        frame = pull_messages(client, progress=False)
    truth = sandbox.message_truth.stops.filter(pl.col("source") == "keyword")
    assert truth.height > 5
    said = frame.filter(keyword="stop").select(phone="phone", stopped_at="date_sent")
    assert (
        said.sort("phone", "stopped_at").rows()
        == truth.select("phone", "stopped_at").sort("phone", "stopped_at").rows()
    )
    starts = truth.filter(pl.col("started_at").is_not_null())
    assert frame.filter(keyword="start").height == starts.height


def test_texts_after_a_stop_are_those_that_the_frame_shows(sandbox):
    """Between a stop and a start, by the frame's own moments."""
    stops, planted = sandbox.message_truth.stops, sandbox.message_truth.texts_after_stop
    log = sandbox.messages().filter(pl.col("is_outbound") & pl.col("number").is_not_null())
    sent = log.with_columns(at=pl.coalesce("date_sent", pl.col("date_updated") - pl.duration(seconds=3)))
    pairs = sent.join(stops, left_on="number", right_on="phone")
    is_between = (pl.col("at") > pl.col("stopped_at")) & (
        pl.col("started_at").is_null() | (pl.col("at") < pl.col("started_at"))
    )
    assert planted.height > 5
    assert set(pairs.filter(is_between)["message_handle"]) == set(planted["message_handle"])


def test_who_stopped_is_opted_out_in_the_account(sandbox):
    flags = {row["phone"]: row["opt_out"] for row in sandbox.rows()}
    out = sandbox.message_truth.stops.filter(pl.col("started_at").is_null())["phone"]
    assert len(out) > 5
    assert {flags[phone] for phone in out} <= {True, None}


@pytest.mark.slow
def test_hazards_are_as_planted():
    with Sandbox(3_000, messages=120_000, seed=5) as sandbox:
        exposures = sandbox.message_truth.exposures
    for by in ("service", "is_first", pl.col("frequency").clip(1, 4).alias("frequency")):
        for row in (
            exposures.group_by(by).agg(pl.len(), pl.col("stopped").sum(), pl.col("hazard").sum()).to_dicts()
        ):
            assert abs(row["stopped"] - row["hazard"]) < 4 * row["hazard"] ** 0.5 + 1, row


def test_the_same_seed_gives_the_same_messages():
    made = []
    for seed in (6, 6, 7):
        with Sandbox(20, messages=300, seed=seed) as sandbox:
            made.append(sandbox.messages())
    assert made[0].equals(made[1])
    assert not made[0].equals(made[2])
