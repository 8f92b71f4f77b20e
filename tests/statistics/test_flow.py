"""The list's flow against states counted one by one in plain Python."""

from __future__ import annotations

import tempfile
from collections import Counter
from datetime import timedelta

import polars as pl
import pytest
from hypothesis import given, settings, strategies as st

from sendblue_data import ContactHistory, has_tag, opted_out, plots
from sendblue_data.errors import ConfigurationError, FrameError, SegmentError
from tests.history import worlds as w

from .simulated import START

ON, UNKNOWN, GONE, NEW = False, None, "gone", "new"
INTO = {NEW: "added", GONE: "came_back", True: "opted in", UNKNOWN: "became_known"}
FROM = {True: "opted_out", GONE: "removed", UNKNOWN: "became_unknown"}


@settings(max_examples=12, deadline=None)
@given(w.worlds())
def test_each_move_is_in_one_column_and_the_sums_are_the_account(world):
    with tempfile.TemporaryDirectory() as folder:
        history = ContactHistory(folder)
        for at, contacts in world.taken:
            history.snapshot(w.frame(contacts), at, max_shrink=1, allow_other_account=True)
        flow = history.list_flow("1w")
    week = {at: (at - timedelta(days=at.weekday())).date() for at, _ in world.taken}
    seen: dict[str, object] = {}
    truth: dict[object, Counter] = {period: Counter() for period in week.values()}
    for n, (at, contacts) in enumerate(world.taken):
        here = {c["phone"]: c["opt_out"] for c in contacts}
        for who in {*seen, *here}:
            was, now = seen.get(who, NEW), here.get(who, GONE)
            if n and was != now and ON in (was, now):
                truth[week[at]][INTO[was] if now is ON else FROM[now]] += 1
            seen[who] = now
        truth[week[at]]["end"] = sum(state is ON for state in here.values())
        truth[week[at]]["unknown"] = sum(state is None for state in here.values())
    assert flow["period"].to_list() == sorted(truth)
    for row in flow.iter_rows(named=True):
        of = truth[row["period"]]
        for name in ("added", "came_back", "became_known", *FROM.values(), "end", "unknown"):
            assert row[name] == of[name], name
        assert row["resubscribed"] + row["lost_opt_outs"] == of["opted in"]
        into = sum(
            row[name] for name in ("added", "came_back", "resubscribed", "lost_opt_outs", "became_known")
        )
        assert row["start"] + into - row["opted_out_high"] == row["end"]
    assert flow["start"].to_list()[1:] == flow["end"].to_list()[:-1]


@settings(max_examples=10, deadline=None)
@given(w.worlds())
def test_by_tag_each_group_is_a_list_of_its_own(world):
    with tempfile.TemporaryDirectory() as folder:
        history = ContactHistory(folder)
        for at, contacts in world.taken:
            history.snapshot(w.frame(contacts), at, max_shrink=1, allow_other_account=True)
        flow = history.list_flow("1w", "tags")
        whole, one = history.list_flow("1w"), history.list_flow("1w", pl.lit("all").alias("group"))
    week = {at: (at - timedelta(days=at.weekday())).date() for at, _ in world.taken}
    ends = {}
    for at, contacts in world.taken:
        frame = w.frame(contacts).filter(~pl.col("opt_out")).select(pl.col("tags").list.unique())
        ends[week[at]] = Counter(
            tag for tags in frame["tags"].to_list() for tag in tags or [] if tag is not None
        )
    for row in flow.iter_rows(named=True):
        assert row["end"] == ends[row["period"]][row["tag"]]
        into = ("added", "came_back", "resubscribed", "lost_opt_outs", "became_known", "joined_group")
        net = sum(row[name] for name in into) - row["opted_out_high"] - row["left_group"]
        assert row["start"] + net == row["end"]
    for _, group in flow.group_by("tag", maintain_order=True):
        assert group["start"].to_list()[1:] == group["end"].to_list()[:-1]
    if one.height:
        assert one.drop("group", "joined_group", "left_group").equals(whole)
        assert one.select("joined_group", "left_group").sum().row(0) == (0, 0)


def test_a_tag_that_is_given_joins_a_group(tmp_path):
    history = ContactHistory(tmp_path)
    for day, tags in enumerate([["a"], ["b"], ["a", "b"]]):
        history.snapshot(w.frame([w.contact(0, tags=tags)]), START + timedelta(weeks=day))
    flow = history.list_flow("1w", "tags")
    moves = flow.select("tag", "start", "joined_group", "left_group", "end").rows()
    assert moves == [
        ("a", 1, 0, 0, 1), ("a", 1, 0, 1, 0), ("a", 0, 1, 0, 1),
        ("b", 0, 0, 0, 0), ("b", 0, 1, 0, 1), ("b", 1, 0, 0, 1),
    ]  # fmt: skip
    with pytest.raises(FrameError, match="flow of 2 groups"):
        plots.list_flow(flow)
    ax = plots.list_flow(flow.filter(pl.col("tag") == "a"))
    assert "joined the group" in [label.get_text() for label in ax.get_yticklabels()]


def test_lost_and_arrived_opt_outs_are_told_apart(tmp_path):
    history = ContactHistory(tmp_path)
    history.snapshot(w.frame([w.contact(0, opt_out=True), w.contact(1, opt_out=True), w.contact(3)]), START)
    arrived = w.contact(2, opt_out=True, created_at=START + timedelta(days=1))
    later = [w.contact(0, life=1), w.contact(1), arrived, w.contact(3)]
    history.snapshot(w.frame(later), START + timedelta(days=7))
    row = history.list_flow("1w").row(-1, named=True)
    assert (row["resubscribed"], row["lost_opt_outs"], row["arrived_opted_out"]) == (1, 1, 1)
    assert (row["start"], row["end"]) == (1, 3)
    with pytest.raises(ConfigurationError, match="whole days or longer"):
        history.list_flow("1h")


@settings(max_examples=8, deadline=None)
@given(w.worlds(), st.sampled_from(["tag", "out"]))
def test_a_segments_members_are_those_of_each_look(world, which):
    segment = has_tag("b") if which == "tag" else opted_out()
    with tempfile.TemporaryDirectory() as folder:
        history = ContactHistory(folder)
        for at, contacts in world.taken:
            history.snapshot(w.frame(contacts), at, max_shrink=1, allow_other_account=True)
        flow, moves = history.segment_flow(segment, "1d"), history.segment_moves(segment)
    there, truth = None, []
    for at, contacts in world.taken:
        members = set(w.frame(contacts).filter(segment)["phone"])
        if there is not None:
            truth += [(at, who, "entered") for who in members - there]
            truth += [(at, who, "left") for who in there - members]
        there = members
    assert sorted(moves.select("before", "phone", "move").rows()) == sorted(truth)
    assert flow["end"][-1] == len(there)
    assert flow["entered"].sum() + flow["left"].sum() == len(truth)
    assert flow["start"].to_list()[1:] == flow["end"].to_list()[:-1]


def test_moves_say_why(tmp_path):
    history = ContactHistory(tmp_path)
    everyone = pl.col("phone").is_not_null()
    for day, people in enumerate([[0, 1], [0, 2], [0, 1, 2]]):
        history.snapshot(w.frame([w.contact(n) for n in people]), START + timedelta(days=day), max_shrink=1)
    assert history.segment_moves(everyone).select("phone", "move", "why").rows() == [
        (w.phone(1), "left", "removed"),
        (w.phone(2), "entered", "added"),
        (w.phone(1), "entered", "came_back"),
    ]
    with pytest.raises(FrameError, match="segment names 'colour', which is no contact field"):
        history.segment_flow(pl.col("colour") == "red")
    with pytest.raises(SegmentError, match="segment is of type String"):
        history.segment_flow(pl.col("phone"))
    with pytest.raises(SegmentError, match="segment is 'VIP': expected a segment"):
        history.segment_moves("VIP")
