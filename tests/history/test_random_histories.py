"""Random account histories: each day comes back exactly, and events, trend and survival are the truth's."""

from __future__ import annotations

import tempfile
from collections import Counter
from datetime import date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from polars.testing import assert_frame_equal

from sendblue_data import ContactHistory
from sendblue_data.errors import HistoryRangeError

from . import worlds as w


def recorded(world: w.World, folder: str, *, compact_at: int = 0) -> ContactHistory:
    history = ContactHistory(folder)
    for n, (at, contacts) in enumerate(world.taken):
        history.snapshot(w.frame(contacts), at, max_shrink=1, allow_other_account=True)
        if compact_at and n % compact_at == compact_at - 1:
            history.compact()
    return history


quick = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.slow
@quick
@given(w.worlds())
def test_each_snapshot_comes_back_exactly(world: w.World) -> None:
    with tempfile.TemporaryDirectory() as folder:
        history = recorded(world, folder, compact_at=3)
        for at, contacts in world.taken:
            expected = w.frame(contacts)
            assert_frame_equal(history.at(at), expected)
            assert_frame_equal(history.scan(at=at).collect(), expected, check_row_order=False)
        assert ContactHistory(folder).snapshots()["looks"].sum() == len(world.taken)


@pytest.mark.slow
@settings(quick, max_examples=8)  # each takes a history apart, and builds it again
@given(w.worlds(), st.integers(0, 3))
def test_a_pull_that_is_taken_back_leaves_the_history_before_it(world: w.World, compact_at: int) -> None:
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as other:
        history = recorded(world, folder, compact_at=compact_at)
        whole = history.snapshots()
        for kept in range(len(world.taken) - 1, 0, -1):
            assert history.drop_last() == world.taken[kept][0]
            if kept <= 2:  # which a history that never saw more is compared with
                fewer = recorded(w.World(world.taken[:kept]), f"{other}/{kept}")
                assert_frame_equal(history.snapshots(), fewer.snapshots())
                assert_frame_equal(history.opt_out_events(), fewer.opt_out_events())
            for at, contacts in world.taken[:kept]:
                assert_frame_equal(history.at(at), w.frame(contacts))
        with pytest.raises(HistoryRangeError, match="one look alone"):
            history.drop_last()
        for at, contacts in world.taken[1:]:
            history.snapshot(w.frame(contacts), at, max_shrink=1, allow_other_account=True)
        assert_frame_equal(history.snapshots(), whole)
        for at, contacts in world.taken:
            assert_frame_equal(history.at(at), w.frame(contacts))
            assert_frame_equal(history.scan(at=at).collect(), w.frame(contacts), check_row_order=False)


LARGE = [w.made_up(seed, people=10, snapshots=12) for seed in (1, 2)]


@pytest.mark.slow
@quick
@given(w.worlds())
def test_events_are_those_that_happened(world: w.World) -> None:
    with tempfile.TemporaryDirectory() as folder:
        check_events(world, recorded(world, folder))


@pytest.mark.slow
@quick
@given(w.worlds())
def test_trend_counts_events_over_contacts_at_risk(world: w.World) -> None:
    with tempfile.TemporaryDirectory() as folder:
        check_trend(world, recorded(world, folder, compact_at=4))


@pytest.mark.slow
@quick
@given(w.worlds())
def test_a_trend_by_group_counts_a_contact_in_each_group_once(world: w.World) -> None:
    with tempfile.TemporaryDirectory() as folder:
        check_groups(recorded(world, folder))


@pytest.mark.parametrize("world", LARGE, ids=["one", "another"])
def test_events_and_trend_of_a_large_account_are_the_truth_s(world: w.World) -> None:
    with tempfile.TemporaryDirectory() as folder:
        history = recorded(world, folder)
        check_events(world, history)
        check_trend(world, history)
        check_groups(history)


def check_events(world: w.World, history: ContactHistory) -> None:
    events = history.opt_out_events().sort("before", "phone")
    truth = world.events()
    assert events.select("phone", "event", "after", "before").rows() == truth
    ids = {(at, c["phone"]): c["contact_id"] for at, contacts in world.taken for c in contacts}
    assert events["recreated"].to_list() == [
        ids[after, who] != ids[before, who] for who, _, after, before in truth
    ]


def check_trend(world: w.World, history: ContactHistory) -> None:
    trend = history.opt_out_trend("1w")

    def week(at: datetime) -> date:
        return (at - timedelta(days=at.weekday())).date()

    risk = {period: len(phones) for period, phones in world.at_risk(week).items()}
    events = world.events()
    outs = Counter(week(before) for _, event, _, before in events if event == "opt_out")
    left = {p: len({who for who, event, _, b in events if event == "opt_out" and week(b) == p}) for p in risk}
    ids = {(at, c["phone"]): c["contact_id"] for at, contacts in world.taken for c in contacts}
    ins = [(ids[a, who] != ids[b, who], week(b)) for who, event, a, b in events if event == "opt_in"]
    back = Counter(period for lost, period in ins if not lost)
    lost = Counter(period for lost, period in ins if lost)
    came, went = Counter(), Counter()
    for (_, old), (at, new) in zip(world.taken, world.taken[1:], strict=False):
        before, after = {c["phone"] for c in old}, {c["phone"] for c in new}
        came[week(at)] += len(after - before)
        went[week(at)] += len(before - after)
    expected = [
        (p, risk[p], left[p], outs[p], back[p], lost[p], came[p], went[p], came[p] - went[p])
        for p in sorted(risk)
    ]
    columns = (
        "period",
        "at_risk",
        "opt_outs",
        "opt_out_events",
        "resubscribes",
        "lost_opt_outs",
        "added",
        "removed",
        "net_growth",
    )
    assert trend.select(columns).rows() == expected
    assert trend["looks"].to_list() == [sum(week(at) == p for at, _ in world.taken) for p in sorted(risk)]


def check_groups(history: ContactHistory) -> None:
    by_first = history.opt_out_trend("1w", by="phone")
    trend = history.opt_out_trend("1w")
    # Grouped by phone, a group is a contact: each count adds up to the whole.
    columns = ["at_risk", "opt_outs", "opt_out_events", "resubscribes", "lost_opt_outs", "added", "removed"]
    summed = trend.select("period").join(
        by_first.group_by("period").agg(pl.col(columns).sum()), on="period", how="left", maintain_order="left"
    )
    assert_frame_equal(
        summed.with_columns(pl.col(columns).fill_null(0)).select(columns), trend.select(columns)
    )
    assert by_first["at_risk"].max() in {0, 1, None}
