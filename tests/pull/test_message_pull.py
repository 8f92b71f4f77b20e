"""One pull of messages, step by step: which spans it reads, what it makes of counts, and what it says afterwards."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from sendblue_data.errors import (
    ConfigurationError,
    IncompletePullError,
    RepairedFieldWarning,
    UnprovenPullWarning,
)
from sendblue_data.pull import message_pull
from sendblue_data.pull.evidence import FIRST_MESSAGE, Repair
from sendblue_data.pull.message_pull import CLOCKS_DIFFER, PARTS, RESTS_BEFORE, SWEEPS, MessagePull, _earliest
from sendblue_data.pull.message_spans import SEAM, Span
from sendblue_data.pull.message_windows import Read
from tests.pull.model_messages import EPOCH, SMALL, ModelMessages, messages_frame, numbers
from tests.pull.scripted_messages import SPAN, Scripted, page, rows

NOW = datetime(2026, 6, 1, tzinfo=UTC)
REST = NOW - timedelta(minutes=2)
TICK = timedelta(microseconds=1)


class Account(Scripted):
    """A client that says what is written for it."""

    max_connections, account, requests = 2, "scripted", 0

    def stoppable(self):
        return self

    def count_contacts(self):
        raise AssertionError("a pull of messages counts no contacts")


class Bar:
    total = None

    def __init__(self):
        self.said = []

    def write(self, text):
        self.said.append(text)


@pytest.fixture(autouse=True)
def small_caps(monkeypatch):
    monkeypatch.setattr(message_pull, "API_CAPS", SMALL)


def pull_of(*answers, since=None, until=None, progress=False):
    pull = MessagePull(
        Account(*answers), since, until, content=False, languages=(), progress=progress, strict=False
    )
    pull._started = NOW
    return pull


def test_what_is_no_pull_is_refused_before_it_asks():
    for bad, said in (
        ({"since": EPOCH, "until": EPOCH}, "expected an earlier since"),
        ({"since": EPOCH + TICK, "until": EPOCH}, "expected an earlier since"),
    ):
        with pytest.raises(ConfigurationError, match=said):
            pull_of(**bad)
    assert pull_of(since=EPOCH, until=EPOCH + TICK)._until == EPOCH + TICK
    with pytest.raises(ConfigurationError, match="SendblueClient"):
        MessagePull("a client", None, None, content=False, languages=(), progress=False, strict=False)


# Which spans ------------------------------------------------------------------------------------------------


def spans_of(pull):
    """Return the spans that a pull reads at rest, and those in which messages may arrive."""
    at_rest, moving = [], []

    def sweeps(span, first, bar):
        at_rest.append((span, first))
        return iter(())

    def one(span, first):
        moving.append((span, first))
        return iter(())

    pull._sweeps, pull._one = sweeps, one
    bar = Bar()
    assert list(pull._all(bar)) == []
    assert bar.total == pull._told_before
    return at_rest, moving


LAST = page([], 40)
DAY = timedelta(days=1)


def test_what_one_page_holds_is_read_as_one():
    for total in (5, 4, None):
        ((span, first),), moving = spans_of(pull_of(page(range(5), total), page(), LAST))
        assert moving == []
        assert (span.start, span.end, span.high, span.expected) == (None, None, NOW + CLOCKS_DIFFER, total)
        assert span.low == EPOCH - DAY  # a day before the first of the page was sent
        assert first.frame.height == 5


def test_a_total_that_does_not_hold_divides_nothing():
    pull = pull_of(page(range(12), 40), LAST)
    pull._listing.totals_hold = False
    at_rest, moving = spans_of(pull)
    assert (len(at_rest), len(moving)) == (1, 0)
    assert pull._notes == ["The API tells of fewer messages than it lists: its total was not used."]


def test_what_may_still_change_is_read_apart():
    """Two minutes before the pull, and a second more on either side of the seam."""
    pull = pull_of(page(range(12), 40), page([], 41))
    ((rest, nothing),), ((recent, none),) = spans_of(pull)
    assert nothing is none is None
    assert timedelta(minutes=2) == RESTS_BEFORE
    assert rest == Span(None, REST, EPOCH - DAY, REST)
    assert recent == Span(REST - SEAM, None, REST - SEAM, NOW + CLOCKS_DIFFER)
    assert (pull._told_before, pull._told_after) == (40, 41)
    assert pull._client.each("limit") == [12, 1]


@pytest.mark.parametrize(("after", "at_rest"), [(timedelta(0), True), (TICK, True), (2 * TICK, False)])
def test_a_span_that_ended_before_is_at_rest(after, at_rest):
    """`until` is exclusive: the last moment is a microsecond before it."""
    pull = pull_of(page(range(12), 40), LAST, until=REST + after)
    rest, moving = spans_of(pull)
    assert len(moving) == (0 if at_rest else 1)
    assert rest[0][0].end == (REST + after - TICK if at_rest else REST)
    assert (rest[0][1] is not None) is at_rest


@pytest.mark.parametrize(("later", "apart"), [(timedelta(0), True), (-TICK, False)])
def test_a_span_that_began_just_now_is_read_in_one(later, apart):
    since = REST + later
    rest, ((moving, first),) = spans_of(pull_of(page(range(12), 40), LAST, since=since))
    assert (rest == []) is apart
    assert (first is not None) is apart
    assert moving.start == moving.low == since  # never before it, although seams overlap
    assert moving.high == NOW + CLOCKS_DIFFER


def test_bounds_are_those_asked_for():
    since, until = EPOCH + DAY, EPOCH + 2 * DAY
    ((span, _),), _ = spans_of(pull_of(page(range(12), 40), LAST, since=since, until=until))
    assert span == Span(since, until - TICK, since, until - TICK, 40)
    ((span, _),), _ = spans_of(pull_of(page([], 0), LAST, since=NOW + 9 * DAY))
    assert span.high == NOW + 9 * DAY + CLOCKS_DIFFER


def test_nothing_that_was_sent_tells_where_to_begin():
    ((span, _),), _ = spans_of(pull_of(page([], 0), LAST))
    assert span.low == FIRST_MESSAGE
    assert _earliest(page([7]).said()) == EPOCH + timedelta(seconds=7) - DAY
    nobody = page([7]).said()
    first = datetime(1, 1, 1, tzinfo=UTC)
    assert _earliest(nobody._replace(frame=nobody.frame.with_columns(date_sent=first))) is None
    assert (
        _earliest(nobody._replace(frame=nobody.frame.with_columns(date_sent=first.replace(year=2))))
        is not None
    )
    ((span, _),), _ = spans_of(pull_of(page([1], 1), page(), LAST, until=EPOCH - 3 * DAY))
    assert span.high - span.low == SEAM


def test_how_often_all_is_read_and_how_wrong_a_clock_may_be():
    assert (SWEEPS, PARTS) == (3, (0.5, 0.43, 0.57))
    assert CLOCKS_DIFFER == 2 * DAY


# Sweeps -----------------------------------------------------------------------------------------------------


def swept(pull, told, *sweeps, span=SPAN, first=None):
    """Let each sweep bring these readings, and the API tell of so many: before the first, and after each."""
    totals, brought, seen = list(told), list(sweeps), []

    def side_by_side(span, told, first, part):
        seen.append((told, first, part))
        yield from ((span, read) for read in brought.pop(0))

    pull._side_by_side = side_by_side
    pull._listing.told = lambda *_: totals.pop(0)
    bar = Bar()
    frames = list(pull._sweeps(span, first, bar))
    assert brought == totals == []
    return [numbers(frame) for frame in frames], seen, bar.said


def came(*numbers_of, is_proven=True, missing=0):
    return Read(rows(numbers_of), is_proven, missing)


def test_as_many_as_are_told_of_end_it():
    pull = pull_of()
    frames, seen, said = swept(pull, [3, 3], [came(1, 2), came(3, is_proven=False, missing=1)])
    assert frames == [[1, 2], [3]]
    assert seen == [(3, None, PARTS[0])]
    assert (pull._missing, pull._unproven, pull._expected, pull._windows, said) == (0, 0, 3, 2, [])


def test_the_first_page_tells_how_many_and_is_used_once():
    first = page([1], 3).said()
    pull = pull_of()
    _, seen, _ = swept(pull, [3, 3, 3], [came(1, 2)], [came(3)], first=first)
    assert seen == [(3, first, PARTS[0]), (3, None, PARTS[1])]


def test_fewer_than_are_told_of_are_read_again_elsewhere():
    pull = pull_of(progress=True)
    told = [4, 4, 4, 4, 4, 4]
    frames, seen, said = swept(pull, told, [came(1)], [came(1, 2)], [came(1, 3, is_proven=False)])
    assert frames == [[1], [2], [3]]
    assert [part for _, _, part in seen] == list(PARTS)
    assert len(set(PARTS)) == SWEEPS
    assert (pull._missing, pull._unproven, pull._expected) == (1, 1, 4)
    assert said == [f"{n} messages are missing: reading again." for n in (3, 2, 1)]


def test_a_sweep_without_news_is_the_last():
    pull = pull_of()
    frames, seen, said = swept(pull, [4, 4, 4, 4], [came(1)], [came(1)])
    assert (frames, len(seen), pull._missing, said) == ([[1], []], 2, 3, [])
    pull = pull_of()
    assert len(swept(pull, [4, 4, 4, 4], [came()], [came()])[1]) == 2


@pytest.mark.parametrize(
    ("before", "after", "expected", "unproven"), [(3, 4, 3, 1), (4, 3, 3, 1), (3, None, 3, 1), (3, 3, 3, 0)]
)
def test_a_count_that_moved_proves_nothing_and_the_lesser_is_expected(before, after, expected, unproven):
    """One that went and one that came make the same number."""
    pull = pull_of()
    swept(pull, [before, after], [came(1, 2, 3, is_proven=False)])
    assert (pull._expected, pull._missing, pull._unproven) == (expected, 0, unproven)


def test_the_count_of_the_first_sweep_is_that_which_must_stay():
    """Of a message that went between the sweeps nobody knows whether it had come."""
    pull = pull_of()
    swept(pull, [4, 4, 3, 3], [came(1, 2)], [came(3, is_proven=False)])
    assert (pull._missing, pull._unproven) == (0, 1)


def test_without_a_total_one_sweep_is_all():
    pull = pull_of()
    _, seen, _ = swept(pull, [None], [came(1, is_proven=False)])
    assert (len(seen), pull._unproven) == (1, 1)
    pull = pull_of()
    pull._listing.totals_hold = False
    assert len(swept(pull, [5], [came(1)])[1]) == 1


def test_windows_come_in_their_order_and_the_whole_one_has_its_first_page():
    created = [EPOCH + timedelta(minutes=nth) for nth in range(90)]
    pull = MessagePull(
        ModelMessages(created), None, None, content=False, languages=(), progress=False, strict=False
    )
    given = []
    whole = Span(None, None, EPOCH, EPOCH + timedelta(hours=2))
    for span, told in ((whole, 90), (whole, 20), (whole, None)):
        pull._reader.read = lambda leaf, first: given.append((leaf, first)) or Read(rows([1]), is_proven=True)
        given.clear()
        leaves = [leaf for leaf, _ in _with_pool(pull, span, told)]
        assert leaves == sorted(leaves, key=lambda leaf: leaf.low)
        assert (len(leaves) > 1) is (told == 90)
        assert {leaf.low for leaf, _ in given} == {leaf.low for leaf in leaves}
        assert [first for _, first in given] == (["first"] if len(leaves) == 1 else [None] * len(leaves))
    pull._listing.totals_hold = False
    assert len(_with_pool(pull, whole, 90)) == 1


def _with_pool(pull, span, told):
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(2) as pull._pool:
        pull._under_way = set()
        found = list(pull._side_by_side(span, told, "first", 0.5))
    assert pull._under_way == set()
    return found


# Each once --------------------------------------------------------------------------------------------------


def at(low, high):
    return Span(None, None, EPOCH + low, EPOCH + high)


def test_a_message_of_two_windows_is_in_one_frame():
    pull = pull_of()
    assert numbers(pull._new(rows([1, 2]), at(0 * SEAM, 5 * SEAM))) == [1, 2]
    assert numbers(pull._new(rows([2, 3]), at(6 * SEAM, 9 * SEAM))) == [3]  # as far as a seam is wide
    assert numbers(pull._new(rows([3, 4]), at(4 * SEAM, 5 * SEAM))) == [4]
    assert (pull._repeats, pull._count()) == (2, 4)
    assert numbers(pull._new(rows([5]), at(500 * SEAM, 600 * SEAM))) == [5]
    assert pull._repeats == 2


def test_one_window_counts_its_messages_and_what_is_wrong_with_it():
    pull = pull_of()
    pull._reader.read = lambda *_: Read(rows([1, 2]), is_proven=False, missing=3)
    (frame,) = pull._one(SPAN, None)
    assert numbers(frame) == [1, 2]
    assert (pull._windows, pull._unproven, pull._missing) == (1, 1, 3)
    pull._reader.read = lambda *_: Read(rows([3]), is_proven=True)
    list(pull._one(SPAN, None))
    assert (pull._windows, pull._unproven, pull._missing) == (2, 1, 3)


def test_the_newest_is_the_last_that_changed():
    pull = pull_of()
    late, later = EPOCH + DAY, EPOCH + 2 * DAY
    changed = messages_frame([(late, 60)]).with_columns(date_updated=later.replace(tzinfo=UTC))
    pull._new(changed, SPAN)
    assert pull._newest == later
    pull._new(messages_frame([(late, 0)]), SPAN)
    assert pull._newest == later
    pull._new(rows([]), SPAN)
    assert pull._newest == later
    assert pull.evidence().newest == later


# What it says -----------------------------------------------------------------------------------------------


def test_messages_that_are_missing_are_an_error_that_counts_them():
    pull = pull_of()
    pull._new(rows([1, 2, 3]), SPAN)
    pull._missing, pull._unproven = 2, 1
    pull._judge()
    with pytest.raises(
        IncompletePullError, match="tells of 2 messages that it never listed: 3 came"
    ) as raised:
        pull.check(rows([1]))
    assert (raised.value.missing, raised.value.expected, raised.value.frame.height) == (2, 5, 1)
    assert not pull.evidence().complete
    assert pull.evidence().doubt is None


def test_pages_that_never_fitted_are_a_warning():
    pull = pull_of()
    pull._unproven = 1
    pull._judge()
    with pytest.warns(UnprovenPullWarning, match="never fitted together"):
        pull.check(rows([]))
    assert not pull.evidence().complete
    assert "never fitted" in pull.evidence().doubt


@pytest.mark.parametrize("missing", [0, 1])
def test_where_totals_do_not_hold_nothing_is_missing_by_them_and_in_doubt_instead(missing):
    pull = pull_of()
    pull._told_before = pull._told_after = 3
    pull._missing = missing
    pull._listing.totals_hold = False
    pull._judge()
    evidence = pull.evidence()
    assert evidence.notes == ("The API tells of fewer messages than it lists: its total was not used.",)
    assert (evidence.complete, evidence.doubt is None) == (missing == 0, missing == 0)
    assert evidence.total_before is evidence.total_after is None


def test_what_was_done_stands_in_the_evidence():
    pull = pull_of(since=EPOCH, until=EPOCH + DAY)
    pull._new(rows([1, 2]), SPAN)
    pull._told_before, pull._told_after = 2, 3
    pull._listing.repeats, pull._repeats, pull._reader.retaken, pull._listing.pages = 3, 4, 5, 6
    pull._windows = 7
    pull._judge()
    pull.check(rows([]))
    evidence = pull.evidence()
    assert evidence.complete
    assert (evidence.since, evidence.until, evidence.messages) == (EPOCH, EPOCH + DAY, 2)
    assert (evidence.total_before, evidence.total_after, evidence.repeats_dropped) == (2, 3, 7)
    assert (evidence.retaken, evidence.pages, evidence.windows, evidence.notes) == (5, 6, 7, ())
    assert not {"message_handle", "phone", "date_sent", "error_code"} & set(evidence.unfilled)
    assert {"content", "status"} <= set(evidence.unfilled)
    assert pull_of().evidence().unfilled == ()


def test_what_cannot_be_read_counts_where_the_message_is_in_the_frame():
    pull = pull_of()
    odd = rows([1, 2])["message_handle"]
    pull._listing.oddities.found = {
        key: (handle, [("status", "not text")]) for key, handle in zip(odd.hash(), odd, strict=True)
    }
    pull._new(rows([1]), SPAN)
    (repair,) = pull.evidence().repaired
    assert (repair.field, repair.count, repair.contact_ids) == ("status", 1, ("m000001",))


@pytest.mark.parametrize("progress", [True, False])
def test_what_cannot_be_read_is_told_under_the_bar_or_as_a_warning(capsys, recwarn, progress):
    account = ModelMessages([EPOCH])
    pull = MessagePull(account, None, None, content=False, languages=(), progress=progress, strict=False)
    pull._repaired = lambda: (Repair("status", "not text", 1, ("m000001",)),)
    list(pull.windows())
    shown = capsys.readouterr()
    assert ("Pulling messages" in shown.err) is progress
    assert ("Fields of some messages could not be read" in shown.out) is progress
    assert [warned.category for warned in recwarn] == [RepairedFieldWarning] * (not progress)


def test_the_clock_is_read_at_both_ends_and_nothing_stays_open():
    account = ModelMessages([EPOCH + timedelta(minutes=nth) for nth in range(30)])
    closed = []
    account.close = lambda: closed.append(1)
    pull = MessagePull(account, None, None, content=False, languages=(), progress=False, strict=False)
    before = datetime.now(UTC)
    frames = list(pull.windows())
    assert pl.concat(frames).height == 30
    assert all(frame.height for frame in frames)
    assert before <= pull._started <= pull._finished <= datetime.now(UTC)
    assert closed == [1]
    assert pull._pool._shutdown


def test_who_stops_a_pull_aborts_what_is_under_way():
    account = ModelMessages([EPOCH + timedelta(hours=nth) for nth in range(300)])
    aborted = []
    account.abort = lambda: aborted.append(1)
    pull = MessagePull(account, None, None, content=False, languages=(), progress=False, strict=False)
    frames = pull.windows()
    next(frames)
    frames.close()
    assert aborted
    assert pull._pool._shutdown
