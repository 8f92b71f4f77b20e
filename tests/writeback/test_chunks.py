"""Bulk requests: how large they are, how they are halved, and what a refusal costs the rows beside the one refused."""

import threading

import pytest

from sendblue_data.errors import AuthenticationError
from sendblue_data.writeback.chunks import Chunks
from sendblue_data.writeback.requests import Requests
from sendblue_data.writeback.rows import Row
from sendblue_data.writeback.sending import StillFailingError
from tests.writeback.doubles import Account, Journal, View, fault
from tests.writeback.people import phone


@pytest.fixture
def make():
    made = []

    def maker(client=None, size=500, *, view=None, reconcile=list, at_once=1):
        client = client or Account()
        client.max_connections = at_once
        requests = Requests(
            client,
            Journal(),
            "create",
            cache=view or View(),
            reconcile=reconcile,
            rest=list,
            wrote=lambda _: None,
            cancel=threading.Event(),
        )
        made.append(Chunks(requests, size))
        made.append(requests)
        return made[-2]

    yield maker
    for one in made:
        one.shut_down()


def row_of(number, action="create", **fields):
    return Row(pos=number, phone=phone(number), action=action, **fields)


def rows_of(count, **fields):
    return [row_of(n, **fields) for n in range(count)]


def sizes(client):
    return [len(call[1]) for call in client.calls]


def refusing(bad, status=400):
    """Refuse what holds one of these."""
    numbers = {phone(n) for n in bad}
    return lambda _name, sent: fault(status) if numbers.intersection(sent) else None


def statuses(rows):
    return [row.status for row in rows]


# What is sent


def test_a_create_carries_what_it_can_and_nothing_that_is_not_given(make):
    chunks = make(client := Account())
    wanted = {
        "first_name": "Ann",
        "last_name": None,
        "tags": [],
        "custom_variables": {"Plan": "Pro"},
        "opt_out": False,
    }
    chunks.create([row_of(0, wanted=wanted), row_of(1)])
    assert client.calls[0][2] == [
        {"phone": phone(0), "first_name": "Ann", "tags": [], "custom_variables": {"Plan": "Pro"}},
        {"phone": phone(1)},
    ]


def test_a_delete_names_contacts_as_the_account_spells_them(make):
    chunks = make(client := Account())
    rows = [row_of(0, "delete", before={"phone": "+1 212 555 0100"}), row_of(1, "delete")]
    chunks.delete(rows)
    assert client.calls == [("delete", ["+1 212 555 0100", phone(1)])]
    assert chunks._requests.journal.entries == [("delete", [0, 1], True), ("answered", "")]
    assert [row.answered for row in rows] == [True, True]


def test_rows_go_in_chunks_those_that_failed_in_smaller_ones(make):
    chunks = make(client := Account(), 8)
    tries = [(0, 0), (1, 1), (2, 1), (3, 0), (0, 2), (4, 3), (9, 0), (0, 9)]
    rows = [row_of(n, tries=tried, conflicts=found) for n, (tried, found) in enumerate(tries)]
    assert [chunks._size_for(row) for row in rows] == [8, 8, 8, 4, 4, 2, 1, 1]
    rows.append(row_of(8, alone=True))
    assert chunks._size_for(rows[-1]) == 1
    chunks.create(rows)
    assert [call[1] for call in client.calls] == [
        [phone(n) for n in group] for group in ([0, 1, 2], [3, 4], [5], [6], [7], [8])
    ]


@pytest.mark.parametrize(("at_once", "expected"), [(1, 1), (3, 3), (9, 4)])
def test_a_few_chunks_are_under_way_at_once(make, at_once, expected):
    under_way, most, lock = [0], [0], threading.Lock()
    all_there = threading.Event()

    def act(_name, _sent):
        with lock:
            under_way[0] += 1
            most[0] = max(most[0], under_way[0])
        if most[0] >= expected:
            all_there.set()
        all_there.wait(10)
        with lock:
            under_way[0] -= 1

    chunks = make(Account(act), 1, at_once=at_once)
    chunks.create(rows_of(9))
    assert most[0] == chunks._pool._max_workers == expected


def test_a_chunk_that_was_turned_away_for_its_keys_is_written_down_as_not_sent(make):
    chunks, rows = make(Account(lambda *_: fault(401))), rows_of(3)
    with pytest.raises(AuthenticationError):
        chunks.create(rows)
    kinds = [entry[0] for entry in chunks._requests.journal.entries]
    assert kinds == ["create", "refused"]
    assert [(row.sent, row.unanswered) for row in rows] == [(False, 0)] * 3


def test_what_has_not_left_is_not_sent_once_it_is_shut_down(make):
    chunks, leave, cancelled = make(), threading.Event(), threading.Event()
    chunks._pool.submit(leave.wait, 10)
    waits = chunks._pool.submit(list)
    waits.add_done_callback(lambda _: cancelled.set())
    ending = threading.Thread(target=chunks.shut_down)
    ending.start()
    cancelled.wait(2)
    leave.set()
    ending.join()
    assert waits.cancelled()
    with pytest.raises(RuntimeError, match="after shutdown"):
        chunks.create(rows_of(1))


# What is looked at before


def test_rows_that_a_look_settles_are_not_sent(make):
    chunks = make(client := Account(), reconcile=lambda rows: [row for row in rows if row.pos])
    chunks.create(rows_of(3))
    assert client.calls[0][1] == [phone(1), phone(2)]
    assert make(client, reconcile=lambda _: [])._chunk("create", rows_of(1)) is True
    assert len(client.calls) == 1


def test_a_chunk_that_is_kept_back_is_looked_at_anew_and_more_and_more_leniently(make):
    view = View(stale={phone(0): 2})
    make(client := Account(), view=view).create(rows_of(2))
    assert sizes(client) == [2]
    assert [look[2] for look in view.looks] == [2.0, 0.0, 0.0]
    assert view.guarded == [([phone(0), phone(1)], pytest.approx(1.2**number)) for number in range(3)]


@pytest.mark.parametrize("times", [39, 40])
def test_a_chunk_is_kept_back_40_times_at_most(make, times):
    chunks, rows = make(client := Account(), view=View(stale={phone(0): times})), rows_of(1)
    if times < 40:
        chunks.create(rows)
    else:
        with pytest.raises(StillFailingError, match="turns every request away"):
            chunks.create(rows)
    assert sizes(client) == [1] * (times < 40)
    assert (rows[0].sent, rows[0].tries) == (times < 40, 0)


# What came of it


@pytest.mark.parametrize(
    ("error", "tries", "conflicts", "is_lost"),
    [
        (None, 0, 0, False),
        (fault(500), 1, 0, True),
        (fault(None), 1, 0, True),
        (fault(409), 0, 1, False),
        (fault(413), 0, 0, False),
    ],
)
def test_tries_and_conflicts_are_counted(make, error, tries, conflicts, is_lost):
    chunks, rows = make(Account(lambda *_: error)), rows_of(1)
    chunks.create(rows)
    assert (rows[0].tries, rows[0].conflicts) == (tries, conflicts)
    assert chunks._requests.any_failed == is_lost
    assert chunks._requests.any_through == (not is_lost)


@pytest.mark.parametrize(
    ("error", "action", "protects"),
    [
        (None, "create", True),
        (fault(None), "create", True),
        (fault(409), "create", True),
        (fault(500), "create", False),
        (fault(400), "create", False),
        (None, "delete", False),
        (fault(409), "delete", False),
    ],
)
def test_opt_outs_follow_a_create_that_may_have_had_an_effect_at_once(make, error, action, protects):
    client = Account(lambda name, _: error if name == action else None)
    chunks, rows = make(client), rows_of(1, action=action, wanted={"opt_out": True})
    (chunks.create if action == "create" else chunks.delete)(rows)
    assert [call[0] for call in client.calls] == [action, *["update"] * protects]
    # They are written before the answer is: whoever finds the journal cut off asks for them too.
    kinds = [entry[0] for entry in chunks._requests.journal.entries]
    assert kinds[: 2 + protects] == [action, *["opt_out"] * protects, kinds[1 + protects]]
    assert rows[0].asked == (("opt_out",) if protects else ())


@pytest.mark.parametrize("kind", ["create", "delete"])
@pytest.mark.parametrize(
    ("bad", "asked"), [(0, [7, 4, 2, 1, 1, 2, 3]), (3, [7, 4, 2, 2, 1, 1, 3]), (6, [7, 4, 3, 2, 1])]
)
def test_one_bad_row_is_rejected_alone(make, kind, bad, asked):
    client = Account(refusing([bad]))
    chunks, rows = make(client, 7), rows_of(7, action=kind)
    (chunks.create if kind == "create" else chunks.delete)(rows)
    assert statuses(rows) == ["rejected" if n == bad else None for n in range(7)]
    assert rows[bad].detail == "the server refused it: 400: no"
    assert ("saved", [bad]) in chunks._requests.journal.entries
    assert sizes(client) == asked
    assert chunks._size == 7  # it was a row that was refused, not the size


def test_halves_are_as_large_as_can_be(make):
    client = Account(lambda _name, sent: fault(413) if len(sent) > 2 else None)
    chunks = make(client, 9)
    chunks.create(rows_of(9))
    assert sizes(client) == [9, 5, 3, 2, 1, 2, 2, 2]
    assert chunks._size == 2
    chunks.create([row_of(n) for n in range(20, 25)])
    assert sizes(client)[8:] == [2, 2, 1]


def test_a_size_that_is_refused_like_a_row_is_remembered_once_both_halves_are_taken(make):
    client = Account(lambda _name, sent: fault(400) if len(sent) > 2 else None)
    chunks, rows = make(client, 4), rows_of(4)
    chunks.create(rows)
    assert sizes(client) == [4, 2, 2]
    assert (chunks._size, statuses(rows)) == (2, [None] * 4)


def test_of_two_rows_that_are_taken_one_by_one_the_size_is_one(make):
    chunks = make(client := Account(lambda _name, sent: fault(400) if len(sent) > 1 else None), 2)
    chunks.create(rows_of(2))
    assert (sizes(client), chunks._size) == ([2, 1, 1], 1)


def test_a_row_that_is_left_of_a_sample_says_nothing_of_the_size(make):
    chunks = make(client := Account(refusing([0])), 4)
    chunks._refused_alone = 20
    chunks._chunk("create", rows_of(4))
    assert (sizes(client), chunks._size) == ([4, 1, 1, 1, 1], 4)


def test_a_size_that_was_lowered_meanwhile_is_kept_to(make):
    """A chunk that was cut before another found the size out is sent in pieces, and is taken if all of them are."""
    chunks = make(client := Account(), 2)
    assert chunks._chunk("create", rows_of(5)) is True
    assert sizes(client) == [2, 2, 1]
    chunks._shrink(3)
    assert chunks._size == 2
    client._act = refusing([0])
    assert chunks._chunk("create", rows_of(5)) is False


@pytest.mark.parametrize(("status", "is_rejected"), [(404, False), (400, True), (413, True)])
def test_a_row_alone_is_rejected_unless_the_account_is_to_be_asked(make, status, is_rejected):
    chunks, rows = make(Account(lambda *_: fault(status))), rows_of(1, action="delete")
    chunks.delete(rows)
    assert statuses(rows) == ["rejected" if is_rejected else None]
    assert rows[0].tries == (0 if is_rejected else 1)


def test_a_404_for_many_is_halved_until_it_is_known_who_is_gone(make):
    chunks, rows = make(client := Account(refusing([1], 404)), 4), rows_of(4, action="delete")
    chunks.delete(rows)
    assert sizes(client) == [4, 2, 1, 1, 2]
    assert [row.tries for row in rows] == [0, 1, 0, 0]


def test_a_row_of_which_the_server_says_that_it_opted_out_is_noted(make):
    view = View()
    make(Account(lambda *_: fault(400, "OPTED_OUT")), view=view).create(rows_of(1))
    assert view.said_out == [phone(0)]


@pytest.mark.parametrize(
    ("conflicts", "count", "is_rejected"), [(6, 1, False), (7, 1, True), (7, 2, False), (8, 1, True)]
)
def test_a_row_that_exists_for_the_server_alone_is_rejected_after_eight_conflicts(
    make, conflicts, count, is_rejected
):
    chunks, rows = make(Account(lambda *_: fault(409))), rows_of(count, conflicts=conflicts)
    assert chunks._chunk("create", rows) is False
    assert statuses(rows) == ["rejected" if is_rejected else None] * count
    if is_rejected:
        assert rows[0].detail == "the server says it exists, the account does not show it: 409: no"


# Where all are refused


def test_after_twenty_rows_refused_alone_a_chunk_is_only_sampled(make):
    chunks = make(client := Account(lambda *_: fault(400)), 16)
    chunks._refused_alone = 20
    rows = rows_of(9)
    assert chunks._chunk("create", rows) is False
    assert [call[1] for call in client.calls] == [
        [row.phone for row in rows],
        [phone(0)],
        [phone(4)],
        [phone(8)],
    ]
    assert statuses(rows) == ["rejected"] * 9
    sampled = {0, 4, 8}
    for row in rows:
        assert row.detail == (
            "the server refused it: 400: no"
            if row.pos in sampled
            else "the server refused every row that was sent alone so far, and this one with others: 400: no"
        )
    assert chunks._refused_alone == 23


@pytest.mark.parametrize(("refused", "count", "expected"), [(19, 4, 7), (20, 4, 4), (20, 3, 4), (20, 2, 3)])
def test_fewer_than_twenty_prove_nothing_and_three_rows_are_no_sample(make, refused, count, expected):
    chunks = make(client := Account(lambda *_: fault(400)), 4)
    for n in range(refused):
        chunks._chunk("create", [row_of(100 + n)])
    chunks._chunk("create", rows_of(count))
    assert len(client.calls) == refused + expected


def test_a_chunk_of_which_one_is_taken_is_halved_as_any(make):
    chunks = make(client := Account(refusing([0, 1])), 8)
    chunks._refused_alone = 20
    rows = rows_of(8)
    chunks._chunk("create", rows)
    assert statuses(rows) == ["rejected", "rejected", *[None] * 6]
    sent = [[row.pos for row in rows if row.phone in call[1]] for call in client.calls]
    # The sample is not sent again.
    assert sent == [[*range(8)], [0], [4], [7], [1, 2, 3], [1, 2], [1], [2], [3], [5, 6]]


def test_a_server_that_has_taken_a_row_is_believed_to_refuse_rows_and_not_all(make):
    chunks = make(client := Account(refusing(range(1, 9))), 8)
    chunks.create([row_of(20)])
    chunks._refused_alone = 20
    chunks._chunk("create", [row_of(n) for n in range(1, 9)])
    assert len(client.calls) == 1 + 15
    assert chunks._refused_alone == 28


def test_a_chunk_that_a_look_settled_says_nothing_of_what_the_server_takes(make):
    chunks = make(
        client := Account(lambda *_: fault(400)), 4, reconcile=lambda rows: [row for row in rows if row.pos]
    )
    chunks._refused_alone = 20
    assert chunks._chunk("create", rows_of(1)) is True
    chunks._chunk("create", [row_of(n) for n in range(1, 5)])
    assert len(client.calls) == 4
