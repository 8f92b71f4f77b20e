"""Opt-out times from messages, beside what the snapshots show."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from sendblue_data import ContactHistory, contacts_frame, opt_out_times
from sendblue_data.errors import ConfigurationError, FrameError
from tests.messages.people import frame as messages_frame

START = datetime(2026, 3, 2, tzinfo=UTC)
PHONES = [f"+130555501{n:02}" for n in range(40)]
LEFT = 3.25
"""Days after which the first half of them wrote STOP; looks are a week apart."""


def _stop(phone):
    at = START + timedelta(days=LEFT)
    return {"phone": phone, "from_number": phone, "date_sent": at, "is_outbound": False, "keyword": "stop"}


TIMES = opt_out_times(messages_frame([_stop(phone) for phone in PHONES[:20]]))


def _recorded(folder, times=None):
    history = ContactHistory(folder)
    for week in range(3):
        people = contacts_frame(
            [
                {"phone": phone, "created_at": START.isoformat(), "opt_out": week > 0 and n < 20}
                for n, phone in enumerate(PHONES)
            ]
        )
        known = None if times is None else times.clear() if week == 0 else times
        history.snapshot(people, START + timedelta(weeks=week), times=known)
    return history


@pytest.mark.parametrize("method", ["turnbull", "kaplan-meier"])
def test_survival_falls_when_they_left_and_not_by_the_look_that_shows_it(tmp_path, method):
    history = _recorded(tmp_path)
    late = history.survival(method=method)
    exact = history.survival(method=method, times=TIMES)
    assert late.filter(pl.col("day") >= 7)["survival"][0] == pytest.approx(0.5, abs=1e-6)
    fallen = exact.filter(pl.col("survival") < 0.51)["day"][0]
    assert LEFT - 1 <= fallen <= LEFT + 1
    assert late.filter(pl.col("survival") < 0.51)["day"][0] > 6


def test_times_of_others_or_of_another_time_change_nothing(tmp_path):
    history = _recorded(tmp_path)
    moved = TIMES.with_columns(
        pl.col("opted_out_at", "opted_out_after", "opted_out_before") + timedelta(days=30)
    )
    assert history.survival(times=moved).equals(history.survival())
    assert history.survival(times=TIMES.clear()).equals(history.survival())


def test_a_snapshot_keeps_when_they_left_and_no_text(tmp_path):
    history = _recorded(tmp_path, TIMES)
    now = history.at(START + timedelta(weeks=2))
    assert now.columns[-2:] == ["opted_out_at", "opted_out_after"]
    assert now.filter("opt_out")["opted_out_at"].unique().to_list() == [START + timedelta(days=LEFT)]
    assert now.filter(~pl.col("opt_out"))["opted_out_at"].null_count() == 20
    assert history.snapshots().height == 2  # the third look shows what the second did


def test_what_is_no_frame_of_times_is_refused(tmp_path):
    history = _recorded(tmp_path)
    with pytest.raises(FrameError, match="times: the column 'opted_out_after' is missing"):
        history.survival(times=TIMES.drop("opted_out_after"))
    with pytest.raises(ConfigurationError, match="knows opt-outs by looks alone"):
        history.survival(times=TIMES, method="cloglog")


def test_an_opt_out_counts_in_its_own_month_and_not_in_that_of_the_look_that_shows_it(tmp_path):
    history = ContactHistory(tmp_path)
    made = datetime(2026, 1, 5, tzinfo=UTC).isoformat()
    for day, out in ((datetime(2026, 1, 10, tzinfo=UTC), 0), (START, 0), (START + timedelta(days=40), 20)):
        people = [{"phone": phone, "created_at": made, "opt_out": n < out} for n, phone in enumerate(PHONES)]
        history.snapshot(contacts_frame(people), day)
    late = history.opt_out_trend("1mo")
    exact = history.opt_out_trend("1mo", times=TIMES)
    counted = ["period", "at_risk", "opt_outs"]
    months = [datetime(2026, month, 1, tzinfo=UTC).date() for month in (1, 3, 4)]
    assert late.select(counted).rows() == list(zip(months, [0, 40, 40], [0, 0, 20], strict=True))
    # Those who left in March were at risk in March, and no more in April.
    assert exact.select(counted).rows() == list(zip(months, [0, 40, 20], [0, 20, 0], strict=True))


def test_a_time_of_somebody_who_stayed_moves_nobody(tmp_path):
    """The account shows them as subscribed, with another tag: whatever they wrote, they left no group for that."""
    history = ContactHistory(tmp_path)
    made = datetime(2026, 1, 5, tzinfo=UTC).isoformat()
    for day, tag in (
        (datetime(2026, 1, 10, tzinfo=UTC), "a"),
        (START, "a"),
        (START + timedelta(days=40), "b"),
    ):
        people = [{"phone": phone, "created_at": made, "opt_out": False, "tags": [tag]} for phone in PHONES]
        history.snapshot(contacts_frame(people), day)
    assert history.opt_out_trend("1mo", "tags", times=TIMES).equals(history.opt_out_trend("1mo", "tags"))


def test_without_a_look_in_its_month_an_opt_out_stays_with_the_look_that_shows_it(tmp_path):
    history = ContactHistory(tmp_path)
    made = datetime(2026, 1, 5, tzinfo=UTC).isoformat()
    for day, out in ((datetime(2026, 1, 10, tzinfo=UTC), 0), (START + timedelta(days=40), 20)):
        people = [{"phone": phone, "created_at": made, "opt_out": n < out} for n, phone in enumerate(PHONES)]
        history.snapshot(contacts_frame(people), day)
    assert history.opt_out_trend("1mo", times=TIMES).equals(history.opt_out_trend("1mo"))


def test_an_alarm_is_of_the_week_in_which_they_left(tmp_path):
    history = ContactHistory(tmp_path)
    made = (START - timedelta(weeks=20)).isoformat()
    for week in range(-8, 2):  # on Mondays, so that each shows who left the week before
        people = [
            {"phone": phone, "created_at": made, "opt_out": week == 1 and n < 20}
            for n, phone in enumerate(PHONES)
        ]
        history.snapshot(contacts_frame(people), START + timedelta(weeks=week))
    late, exact = (history.opt_out_alarms((), every="1w", times=times) for times in (None, TIMES))
    assert late.select("period", "opt_outs").rows() == [((START + timedelta(weeks=1)).date(), 20)]
    assert exact.select("period", "opt_outs").rows() == [(START.date(), 20)]
    with pytest.raises(FrameError, match="times: the column 'phone' is missing"):
        history.opt_out_alarms(times=pl.DataFrame({"a": [1]}))
