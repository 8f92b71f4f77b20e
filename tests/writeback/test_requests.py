"""Calls for one contact each: what is sent, what is kept back, and what an answer means for its row."""

import threading
from concurrent.futures import Future

import pytest

from sendblue_data.errors import AuthenticationError
from sendblue_data.writeback import requests as module
from sendblue_data.writeback.requests import Requests, stage
from sendblue_data.writeback.rows import Row
from sendblue_data.writeback.sending import KEPT_BACK, Outcome, StillFailingError, StoppedError
from tests.writeback.doubles import Account, Journal, View, fault
from tests.writeback.people import phone


@pytest.fixture
def make():
    made = []

    def maker(client=None, view=None, kind="update", **options):
        options = {"reconcile": list, "rest": lambda: ["rest"], "wrote": lambda _: None, **options}
        requests = Requests(
            client or Account(),
            Journal(),
            kind,
            cache=view or View(),
            cancel=options.pop("cancel", threading.Event()),
            **options,
        )
        made.append(requests)
        return requests

    yield maker
    for requests in made:
        requests.shut_down()


def row_of(number, action="update", **fields):
    return Row(pos=number, phone=phone(number), action=action, **fields)


def failing(*statuses, **details):
    """The first calls fail so; the others are answered well."""
    left = list(statuses)
    return lambda _name, _what: fault(left.pop(0), **details) if left else None


# One write


@pytest.mark.parametrize(
    ("status", "message", "can_read", "expected"),
    [
        (403, "not in your plan", True, Outcome("refused", "403: not in your plan", 403)),
        (403, "not in your plan", False, AuthenticationError),
        (403, "Did not get inputs", True, AuthenticationError),
        (401, "no", True, AuthenticationError),
        ("blocked", "a firewall", True, Outcome("refused", "403: a firewall", 403)),
        ("blocked", "a firewall", False, Outcome("failed", "403: a firewall", 403)),
        (500, "no", True, Outcome("failed", "500: no", 500)),
        (404, "no", True, Outcome("gone", "404: no", 404)),
    ],
)
def test_a_write_that_alone_is_forbidden_is_refused(make, status, message, can_read, expected):
    told = []
    requests = make(Account(can_read=can_read), wrote=told.append)

    def write():
        raise fault(status, message)

    if expected is AuthenticationError:
        with pytest.raises(AuthenticationError):
            requests.outcome(write, contacts=2)
    else:
        assert requests.outcome(write, contacts=2) == expected
    assert told == []


def test_who_was_written_is_told(make):
    told = []
    requests = make(wrote=told.append)
    assert requests.outcome(lambda: None, contacts=3) == Outcome("answered")
    assert requests.outcome(lambda: None) == Outcome("answered")
    assert told == [3, 0]


@pytest.mark.parametrize("by", ["stop", "cancel"])
def test_a_run_that_is_stopped_sends_nothing_but_what_protects(make, by):
    requests, sent = make(cancel=(cancel := threading.Event())), []
    (requests.stop if by == "stop" else cancel.set)()
    with pytest.raises(StoppedError):
        requests.outcome(lambda: sent.append("sent"))
    assert requests.outcome(lambda: sent.append("protects"), protects=True).end == "answered"
    assert sent == ["protects"]


@pytest.mark.parametrize(
    ("end", "through", "failed"),
    [
        ("answered", True, False),
        ("refused", True, False),
        ("conflict", True, False),
        ("lost", False, True),
        ("failed", False, True),
    ],
)
def test_an_answer_is_one_whatever_it_says(make, end, through, failed):
    requests = make()
    assert (requests.any_through, requests.any_failed, requests.last_error) == (False, False, "")
    requests.count(Outcome(end, "why"))
    assert (requests.any_through, requests.any_failed) == (through, failed)
    assert requests.last_error == ("why" if failed else "")


@pytest.mark.parametrize("note", ["400: error_key OPTED_OUT", "400: the number opted out", "400: OPTED OUT"])
def test_somebody_of_whom_the_server_says_so_is_out(make, note):
    view = View()
    requests, row = make(view=view), row_of(1)
    requests.note_opt_out(row, Outcome("refused", note))
    assert (row.opted_out, view.said_out) == (True, [phone(1)])


@pytest.mark.parametrize(
    ("end", "note", "number"),
    [
        ("answered", "OPTED_OUT", phone(1)),
        ("refused", "not opted outside", phone(1)),
        ("refused", "OPTED_OUT", None),
    ],
)
def test_nothing_else_says_so(make, end, note, number):
    view, row = View(), Row(pos=0, phone=number, action="update")
    make(view=view).note_opt_out(row, Outcome(end, note))
    assert (row.opted_out, view.said_out) == (None, [])


# What is read again before


def test_contacts_are_read_again_before_they_are_written_but_not_to_opt_them_out(make):
    view = View({phone(n): {"opt_out": False} for n in range(9)})
    rows = [
        row_of(0, wanted={"first_name": "Ann"}),
        row_of(1, wanted={"opt_out": True}),
        row_of(2, wanted={"opt_out": True, "first_name": "Ann"}),
        row_of(3, wanted={"opt_out": False}),
        row_of(4, "create", wanted={"opt_out": True}),
        Row(pos=5, phone=None, action="invalid"),
    ]
    requests = make(view=view)
    assert requests.still_open(rows) == rows
    assert requests.still_open(rows, max_age=1.0) == rows
    assert requests.still_open(rows, max_age=0.0) == rows
    requests.still_open(rows[1:2])
    again = [phone(n) for n in (0, 2, 3, 4)]
    assert view.looks == [(again, ["rest"], 2.0), (again, ["rest"], 1.0), (again, [], 0.0)]


def test_a_row_that_was_seen_settled_or_became_something_else_is_not_sent(make):
    def reconcile(rows):
        rows[1].created_by_run = True
        return rows[:2]

    rows = [row_of(n, "create") for n in range(3)]
    assert make(reconcile=reconcile).still_open(rows) == rows[:1]


def test_nothing_is_read_for_a_run_that_is_cancelled(make):
    view, cancel = View(), threading.Event()
    requests = make(view=view, cancel=cancel)
    cancel.set()
    with pytest.raises(StoppedError):
        requests.still_open([row_of(0)])
    assert view.looks == []


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, ["opt_out", "first_name", "assigned_to_email"]),
        ({"created_by_run": True}, ["opt_out", "assigned_to_email"]),
        ({"asked": ("opt_out",), "answered": True}, ["first_name", "assigned_to_email"]),
        ({"asked": ("opt_out",)}, ["opt_out", "first_name", "assigned_to_email"]),
    ],
)
def test_what_is_missing_is_what_is_neither_shown_nor_under_way(make, fields, expected):
    wanted = {
        "first_name": "Ann",
        "last_name": "Lee",
        "opt_out": True,
        "assigned_to_email": "ana@example.com",
    }
    requests = make(view=View({phone(0): {"last_name": "Lee"}}))
    assert requests.missing(row_of(0, wanted=wanted, **fields)) == expected


# Right after a create


def test_whom_a_chunk_created_is_opted_out_at_once(make):
    view = View(held=[phone(1), phone(2), phone(3)])
    client = Account(lambda _name, what: {phone(4): fault(404), phone(5): fault(400)}.get(what))
    rows = [
        row_of(0, "create", wanted={"first_name": "Ann"}),
        row_of(1, "create", wanted={"first_name": "Ann"}),
        row_of(2, "create", wanted={"opt_out": False}),
        *(row_of(n, "create", wanted={"opt_out": True}) for n in (3, 4, 5)),
    ]
    requests = make(client, view)
    requests.stop()  # whatever ends the run
    requests.protect(rows)
    assert sorted(client.calls) == [("update", phone(n), {"opt_out": True}) for n in (1, 3, 4, 5)]
    assert requests.journal.entries == [("opt_out", [1, 3, 4, 5], False), ("answered", "")]
    assert rows[1].wanted == {"first_name": "Ann", "opt_out": True}
    assert [row.opted_out for row in rows] == [None, True, None, None, None, None]
    assert [row.asked for row in rows] == [(), ("opt_out",), (), ("opt_out",), (), ()]
    assert [row.last_error for row in rows] == ["", "", "", "", "", "400: no"]


def test_many_opt_outs_are_written_down_64_at_a_time(make):
    requests = make()
    requests.protect([row_of(n, "create", wanted={"opt_out": True}) for n in range(65)])
    assert [len(entry[1]) for entry in requests.journal.entries[::2]] == [64, 1]


# Updates


def test_an_update_sends_what_is_missing_and_notes_what_came_of_it(make):
    client = Account(
        lambda _name, what: {
            phone(1): fault(500),
            phone(2): fault(400, "first_name is bad"),
            phone(3): fault(None),
            phone(4): fault(409, "the number opted out"),
        }.get(what)
    )
    view = View({phone(9): {"first_name": "Ann"}})
    rows = [row_of(n, wanted={"first_name": "Ann"}) for n in (0, 1, 2, 3, 4, 9)]
    requests = make(client, view)
    requests.update(rows)
    assert sorted(call[1] for call in client.calls) == [phone(n) for n in range(5)]
    assert requests.journal.entries == [("update", [0, 1, 2, 3, 4], True), ("lost", "no answer: no")]
    assert [row.tries for row in rows] == [0, 1, 0, 1, 0, 0]
    assert [row.asked for row in rows] == [("first_name",)] * 5 + [()]
    assert rows[0].echo == {"phone": phone(0), "echo": True}
    assert [row.wanted for row in rows[1:5]] == [{"first_name": "Ann"}, {}, {"first_name": "Ann"}, {}]
    assert rows[2].detail == "the server refused first_name: 400: first_name is bad"
    assert (rows[4].opted_out, view.said_out) == (True, [phone(4)])
    assert (requests.any_through, requests.any_failed) == (True, True)


def test_an_update_after_a_create_is_not_the_rows_own_request(make):
    told = []
    requests = make(kind="create", wrote=told.append)
    requests.update([row_of(0, "create", created_by_run=True, wanted={"sendblue_number": phone(99)})])
    requests.update([row_of(1, wanted={"first_name": "Ann"})])
    assert [entry[2] for entry in requests.journal.entries[::2]] == [False, False]
    assert told == [0, 1]  # who was created is counted already


@pytest.mark.parametrize(
    ("row", "options"), [({"alone": True}, {}), ({}, {"only_opt_outs": True}), ({}, {"only_opt_outs": False})]
)
def test_fields_go_one_by_one_where_they_were_refused_and_the_opt_out_alone_where_nothing_else_may(
    make, row, options
):
    client = Account()
    make(client, **options).update([row_of(0, wanted={"first_name": "Ann", "opt_out": True}, **row)])
    alone = {"opt_out": True}
    assert client.calls == [
        ("update", phone(0), alone if row or options["only_opt_outs"] else {"first_name": "Ann", **alone})
    ]


def test_several_fields_that_are_refused_are_tried_one_by_one_and_one_is_given_up(make):
    several = row_of(0, wanted={"first_name": "Ann", "tags": ["VIP"]})
    tags = row_of(1, wanted={"tags": ["VIP"]}, add_tags=("VIP",), remove_tags=("Lead",))
    email = row_of(2, wanted={"assigned_to_email": "x"}, add_tags=("VIP",))
    opt_out = row_of(3, wanted={"opt_out": True})
    for row in (several, tags, email, opt_out):
        make(Account(failing(413))).update([row])
    assert (several.alone, several.wanted) == (True, {"first_name": "Ann", "tags": ["VIP"]})
    assert (tags.alone, tags.wanted, tags.add_tags, tags.remove_tags) == (False, {}, (), ())
    assert (email.wanted, email.add_tags) == ({}, ("VIP",))
    assert (opt_out.wanted, opt_out.tries, opt_out.detail) == ({"opt_out": True}, 12, "")
    assert tags.detail == "the server refused tags: 413: no"


@pytest.mark.parametrize(
    ("kind", "tries", "wanted", "name"),
    [
        ("update", 11, {"opt_out": True}, "update"),
        ("update", 12, {"opt_out": True}, "opt out"),
        ("opt_out", 11, {"opt_out": True}, "opt out"),
        ("opt_out", 12, {"opt_out": True}, "update"),
        ("opt_out", 0, {"opt_out": False}, "opt out"),
        ("opt_out", 0, {"opt_out": True, "first_name": "Ann"}, "update"),
        ("opt_out", 0, {"first_name": "Ann"}, "update"),
    ],
)
def test_of_two_calls_for_an_opt_out_the_other_is_taken_where_one_had_no_effect(
    make, kind, tries, wanted, name
):
    client = Account()
    make(client, kind=kind).update([row_of(0, wanted=wanted, tries=tries)])
    assert client.calls == [(name, phone(0), wanted if name == "update" else wanted["opt_out"])]


@pytest.mark.parametrize(
    ("wanted", "is_guarded"),
    [
        ({"opt_out": True}, False),
        ({"opt_out": False}, True),
        ({"opt_out": True, "first_name": "Ann"}, True),
        ({"first_name": "Ann"}, True),
    ],
)
def test_only_what_protects_is_sent_on_an_old_look(make, wanted, is_guarded):
    view = View({phone(0): {"opt_out": True}} if wanted.get("opt_out") is False else {})
    make(view=view).update([row_of(0, wanted=wanted)])
    assert view.guarded == ([([phone(0)], 1.0)] if is_guarded else [])


def test_what_is_kept_back_is_read_again_and_sent_in_groups_that_stay_fresh(make):
    client, view = Account(), View(stale={phone(1): 1})
    requests = make(client, view)
    rows = [row_of(n, wanted={"first_name": "Ann"}) for n in range(69)]
    requests.update(rows)
    sizes = [len(entry[1]) for entry in requests.journal.entries[::2]]
    assert sizes == [64, 2, 2, 2]
    assert requests.journal.entries[2][1] == [1, 64]
    assert len(client.calls) == 69
    assert [look[2] for look in view.looks] == [2.0, 0.0, 2.0, 2.0]
    assert [row.tries for row in rows] == [0] * 69


def test_opt_outs_go_in_large_groups_whatever_was_kept_back(make):
    view = View({phone(n): {"opt_out": False} for n in range(1, 9)}, stale={phone(0): 1})
    requests = make(view=view)
    requests.update([row_of(0, wanted={"first_name": "Ann"})])
    requests.update([row_of(n, wanted={"opt_out": True}) for n in range(1, 9)])
    assert [len(entry[1]) for entry in requests.journal.entries[::2]] == [1, 1, 8]


@pytest.mark.parametrize("times", [39, 40])
def test_a_run_ends_whose_requests_are_kept_back_40_times_in_a_row(make, times):
    client, view = Account(), View(stale={phone(0): times, phone(1): times})
    requests, rows = make(client, view), [row_of(n, wanted={"first_name": "Ann"}) for n in range(2)]
    if times < 40:
        requests.update(rows)
        assert len(client.calls) == 2
    else:
        with pytest.raises(StillFailingError, match="turns every request away"):
            requests.update(rows)
        assert client.calls == []


def test_it_goes_on_where_some_get_through(make):
    """39 times in a row, one that leaves, and 39 times more."""
    client, view = Account(), View(stale={phone(0): 80, phone(1): 40})
    make(client, view).update([row_of(n, wanted={"first_name": "Ann"}) for n in range(3)])
    assert [call[1] for call in client.calls] == [phone(2), phone(1), phone(0)]


def test_a_group_of_which_nothing_is_missing_is_not_kept_back(make):
    client, view = Account(), View({phone(0): {"first_name": "Ann"}})
    requests = make(client, view)
    requests.update([row_of(0, wanted={"first_name": "Ann"})])
    assert (client.calls, requests.journal.entries) == ([], [])


# Messages


def test_a_message_is_sent_once_whatever_became_of_it(make):
    client = Account(
        lambda _name, what: {
            phone(1): fault(None),
            phone(2): fault(400, "the number opted out"),
            phone(3): fault(500),
            phone(4): fault(404),
        }.get(what)
    )
    view = View()
    client.max_connections = 4
    rows = [row_of(n, "verify") for n in range(5)]
    requests = make(client, view, "verify")
    requests.verify(rows)
    assert requests.journal.entries[::2] == [("verify", [0, 1, 2, 3], True), ("verify", [4], True)]
    assert [(row.status, row.detail) for row in rows] == [
        ("updated", "verification message sent"),
        (
            "unknown",
            "a verification message may have gone out; it is not sent twice (no answer: no)",
        ),
        ("rejected", "no message was sent: 400: the number opted out"),
        (None, ""),
        ("rejected", "no message was sent: 404: no"),
    ]
    assert [row.tries for row in rows] == [0, 0, 0, 1, 0]
    assert (view.said_out, rows[2].opted_out) == ([phone(2)], True)
    assert sorted(client.calls) == [("verify", phone(n)) for n in range(5)]
    assert [look[1:] for look in view.looks] == [([], 0.0)] * 2
    assert [row.request_id for row in rows] == [None] * 5  # the journal's to give


@pytest.mark.parametrize("times", [39, 40])
def test_a_message_that_is_kept_back_is_looked_at_anew_40_times_at_most(make, times):
    client, view = Account(), View(stale={phone(0): times})
    requests, rows = make(client, view, "verify"), [row_of(n, "verify") for n in range(2)]
    if times < 40:
        requests.verify(rows)
        assert [row.status for row in rows] == ["updated", "updated"]
    else:
        with pytest.raises(StillFailingError, match="turns every request away"):
            requests.verify(rows)
        assert rows[0].status is None
    assert len([look for look in view.looks if look[0] == [phone(0)]]) == 39
    assert rows[0].tries == 0
    assert requests.any_failed is False


# What ends a run


def test_what_ends_the_run_is_raised_once_all_that_left_is_written_down(make):
    """The first call finds that the keys were taken back; two others are on their way by then."""
    client = Account()
    client.max_connections = 3
    requests = make(client)
    on_their_way = threading.Barrier(3)

    def act(_name, what):
        on_their_way.wait(10)
        if what == phone(0):
            return fault(401)
        requests._stopped.wait(10)
        return fault(None) if what == phone(1) else None

    client._act = act
    rows = [row_of(n, wanted={"first_name": "Ann"}) for n in range(3)]
    with pytest.raises(AuthenticationError):
        requests.update(rows)
    assert sorted(call[1] for call in client.calls) == [phone(0), phone(1), phone(2)]
    assert requests.journal.entries[1] == ("lost", "no answer: no")
    assert [row.sent for row in rows] == [False, True, True]
    assert [row.unanswered for row in rows] == [0, 1, 0]
    with pytest.raises(StoppedError):
        requests.outcome(lambda: client.calls.append("what had not left"))
    assert len(client.calls) == 3


def ended(result=None, error=None):
    future = Future()
    future.set_exception(error) if error else future.set_result(result)
    return future


def test_of_many_errors_the_first_that_is_not_the_stop_itself_is_raised(make):
    requests = make()
    errors = [StoppedError(), ValueError("one"), ValueError("two")]
    assert requests.wait_for([ended(1), ended(2)]) == [1, 2]
    assert requests.outcome(lambda: None).end == "answered"
    with pytest.raises(ValueError, match="one"):
        requests.wait_for([ended(0), *(ended(error=error) for error in errors)])
    with pytest.raises(StoppedError):
        requests.outcome(lambda: None)
    with pytest.raises(StoppedError):
        requests.wait_for([ended(error=errors[0])])


def test_who_interrupts_the_wait_stops_the_run(make, monkeypatch):
    def interrupted(*_args, **_options):
        raise KeyboardInterrupt

    requests = make()
    monkeypatch.setattr(module, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        requests.wait_for([ended(1)])
    with pytest.raises(StoppedError):
        requests.outcome(lambda: None)


def test_of_a_call_that_broke_off_it_is_not_known_whether_it_was_sent():
    cancelled = Future()
    cancelled.cancel()
    assert module._outcome_of(cancelled) == Outcome("failed", "not sent: the run was stopped")
    assert module._outcome_of(ended(error=StoppedError())) == Outcome("failed", "it was stopped, as asked.")
    assert module._outcome_of(ended(error=ValueError("x"))) == Outcome("lost", "cut off: ValueError")
    assert module._outcome_of(ended(KEPT_BACK)) is KEPT_BACK


def test_what_was_created_is_updated_next():
    assert [stage(row_of(0, "create", created_by_run=made)) for made in (False, True)] == ["create", "update"]


def test_nothing_is_sent_once_it_is_shut_down():
    requests = Requests(
        Account(),
        Journal(),
        "update",
        cache=View(),
        reconcile=list,
        rest=list,
        wrote=print,
        cancel=threading.Event(),
    )
    requests.shut_down()
    with pytest.raises(RuntimeError, match="after shutdown"):
        requests.protect([row_of(0, "create", wanted={"opt_out": True})])
