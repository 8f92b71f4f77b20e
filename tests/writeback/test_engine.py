"""The rounds of a run, by a clock that its pauses alone move: what is sent when, how long it waits, when it gives up."""

import pytest

from sendblue_data.errors import ApiError
from sendblue_data.writeback import engine as module, lookup, rows as rows_module
from sendblue_data.writeback.engine import Engine
from sendblue_data.writeback.rows import Options, Row
from sendblue_data.writeback.sending import StillFailingError, StoppedError
from tests.writeback.doubles import Account, Clock, Journal, Store, fault
from tests.writeback.people import person, phone

# The package's own waits, which other tests of this folder shorten.
WAITS = {
    name: getattr(module, name)
    for name in ("PATIENCE", "_FIRST_PAUSE", "_LONGEST_PAUSE", "_FIRST_POLL", "_LONGEST_POLL")
}
MAIL = {"assigned_to_email": "ana@example.com"}
OK = "the server answered OK, and the account does not show it"


class Ledger:
    def __init__(self, *out):
        self.out, self.created, self.back_in = set(out), [], []

    def observe(self, contacts, *, by):
        pass

    def opted_out(self, phones):
        return self.out.intersection(phones)

    def record_created(self, contacts):
        self.created += [one["phone"] for one in contacts]

    def record_in(self, phones, *, by):
        self.back_in += [(one, by) for one in phones]


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    for one in (module, lookup, rows_module):
        monkeypatch.setattr(one, "time", clock)
    for name, seconds in WAITS.items():
        monkeypatch.setattr(module, name, seconds)
    return clock


@pytest.fixture
def engine_of(monkeypatch, clock):
    def maker(store, rows, kind="create", *, ledger=None, options=None, **more):
        monkeypatch.setattr(lookup, "fetch_current", store.fetch)
        act = store.client._act

        def takes_time(name, what):
            clock.now += 0.001
            return act(name, what)

        store.client._act = takes_time
        store.client.max_connections = 1
        return Engine(
            store.client, Journal(), rows, kind, options or Options(), ledger=ledger, cancel=clock, **more
        )

    return maker


def row_of(number, action="create", **fields):
    return Row(pos=number, phone=phone(number), action=action, **fields)


def names(store):
    return [call[0] for call in store.client.calls]


def saved(engine):
    return [entry[1] for entry in engine._journal.entries if entry[0] == "saved"]


# What is sent


def test_opt_outs_are_written_first_and_messages_last(engine_of):
    store = Store(*(person(n) for n in (1, 2, 3, 4)))
    rows = [
        row_of(4, "verify"),
        row_of(3, "update", wanted={"first_name": "Ann"}, before=person(3)),
        row_of(2, "delete", before=person(2)),
        row_of(0),
        row_of(1, "update", wanted={"opt_out": True, "first_name": "Ann"}, before=person(1)),
    ]
    engine_of(store, rows, "update").run()
    assert [(call[0], call[1]) for call in store.client.calls] == [
        ("update", phone(1)),
        ("create", [phone(0)]),
        ("delete", [phone(2)]),
        ("update", phone(3)),
        ("verify", phone(4)),
    ]
    assert [row.status for row in rows] == ["updated", "updated", "deleted", "created", "updated"]


def test_what_a_create_can_not_carry_follows_once_it_is_seen(engine_of, clock):
    """A row that is done sends nothing more; one that the account shows waits for nothing."""
    store = Store()
    row = row_of(0, wanted={"first_name": "Ann", "opt_out": True, **MAIL})
    engine = engine_of(store, [row])
    engine.run()
    assert [call[2] for call in store.client.calls[1:]] == [{"opt_out": True}, MAIL]
    assert names(store) == ["create", "update", "update"]
    assert (row.status, clock.pauses) == ("created", [])
    assert saved(engine) == [[0], [0]]


def test_a_run_is_of_open_rows_alone(engine_of):
    store, done = Store(), row_of(0, done=True, status="unchanged")
    engine_of(store, [done]).run()
    assert (store.looks, store.client.calls) == ([], [])
    engine_of(store, [done, row_of(1)]).run()
    assert store.looks[0] == [phone(1)]
    assert store.client.calls[0][1] == [phone(1)]


def test_what_a_plan_saw_is_not_read_again_while_it_is_fresh(engine_of, clock):
    for age, looks in ((0.0, 1), (2.0, 1), (2.5, 2)):
        store = Store(person(0))
        engine_of(store, [row_of(0, "delete", before=person(0))], "delete").run(
            {phone(0): person(0)}, clock.now - age
        )
        assert (len(store.looks), names(store)) == (looks, ["delete"])
    for seen_at in (None, clock.now + 99):  # just now; by a clock that was set back since
        store = Store(person(0))
        engine_of(store, [row_of(0, "delete", before=person(0))], "delete").run(
            {phone(0): person(0)}, seen_at
        )
        assert len(store.looks) == 1
    store = Store(person(0))
    engine_of(store, [row_of(0, "delete", before=person(0))], "delete").run()
    assert store.looks == [[phone(0)]] * 2


@pytest.mark.parametrize(("later", "age"), [(0.0, 0.0), (-5.0, 5.0), (5.0, 0.0)])
def test_a_look_by_the_walls_clock_is_no_younger_than_now(clock, later, age):
    clock.now = 10_000.0
    assert module._instant(clock.now + later) == (clock.now - age, clock.now + later)


def test_a_row_without_a_phone_is_asked_for_by_nobody(engine_of):
    store = Store()
    rows = [Row(pos=0, phone=None, action="invalid"), row_of(1)]
    engine_of(store, rows).run({}, None)
    assert [row.status for row in rows] == ["invalid", "created"]
    assert store.looks == [[phone(1)]]


def test_rows_that_are_seen_in_passing_are_those_still_open(engine_of):
    engine = engine_of(Store(), [row_of(0, done=True), row_of(1), Row(pos=2, phone=None, action="invalid")])
    assert list(engine._open_phones()) == [phone(1)]


# Whom the ledger holds, and what it is told


def test_whom_the_ledger_holds_is_created_opted_out_unless_somebody_opts_them_back_in(engine_of):
    store, ledger = Store(), Ledger(phone(0), phone(1))
    rows = [row_of(0), row_of(1, wanted={"opt_out": False}), row_of(2)]
    engine_of(store, rows, ledger=ledger).run()
    assert [store.contacts[phone(n)]["opt_out"] for n in range(3)] == [True, False, False]
    assert ledger.created == [phone(n) for n in range(3)]
    assert ledger.back_in == [(phone(1), "run")]


def test_nobody_is_texted_whom_the_ledger_holds_nor_of_whom_nothing_is_known_unless_that_is_allowed(
    engine_of,
):
    for allowed, texted in ((False, [phone(2)]), (True, [phone(1), phone(2)])):
        store = Store(person(0), person(1, opt_out=None), person(2))
        rows, options = [row_of(n, "verify") for n in range(3)], Options(allow_unknown=allowed)
        engine_of(store, rows, "verify", ledger=Ledger(phone(0)), options=options).run()
        assert [call[1] for call in store.client.calls] == texted


@pytest.mark.parametrize(
    ("status", "is_back_in"),
    [("created", True), ("updated", True), ("unchanged", True), ("unknown", False), ("rejected", False)],
)
def test_somebody_is_back_in_once_that_is_shown(engine_of, status, is_back_in):
    engine, ledger = engine_of(Store(), []), Ledger()
    rows = [
        row_of(0, status=status, wanted={"opt_out": False}, left=person(0)),
        row_of(1, status=status, wanted={"opt_out": True}),
        row_of(2, status=status),
    ]
    engine._record_in_ledger(rows, ledger)
    assert ledger.back_in == ([(phone(0), "run")] if is_back_in else [])
    assert ledger.created == ([phone(0)] if status == "created" else [])


# How long it waits


def test_what_was_answered_and_is_not_shown_is_waited_for_a_minute(engine_of, clock):
    store = Store()
    store.hidden.add(phone(0))
    engine = engine_of(store, [row := row_of(0)])
    engine.run()
    assert clock.pauses == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0, 10.0, 10.0, 7.4]
    assert sum(clock.pauses) == pytest.approx(60.0)
    assert (row.status, row.detail, names(store)) == ("unknown", OK, ["create"])
    assert saved(engine)[-1] == [0]


def test_what_another_process_was_answered_for_is_waited_for_as_long(engine_of, clock):
    engine_of(Store(), [row := row_of(0, sent=True, answered=True)], resumed=True).run()
    assert sum(clock.pauses) == pytest.approx(60.0)
    assert row.detail == OK


def test_the_minute_begins_anew_when_something_is_shown(engine_of, clock):
    store = Store()
    store.hidden.update([phone(0), phone(1)])
    clock.then[6] = lambda: store.hidden.discard(phone(1))
    rows = [row_of(0), row_of(1)]
    engine_of(store, rows).run()
    assert clock.pauses[:6] == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4]
    assert sum(clock.pauses[6:]) == pytest.approx(60.0)
    assert [row.status for row in rows] == ["unknown", "created"]


def test_and_when_something_is_sent(engine_of, clock):
    """An owner is written once the contact is seen, 12.6 seconds after it was created; the owner is never shown."""
    store = Store()
    store.hidden.add(phone(0))
    clock.then[6] = lambda: store.hidden.discard(phone(0))
    store.faults["update"] = None
    act = store.act
    store.client._act = lambda name, what: None if name == "update" else act(name, what)
    engine_of(store, [row := row_of(0, wanted=dict(MAIL))]).run()
    assert clock.pauses == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, *[0.2, 0.4, 0.8, 1.6, 3.2, 6.4, *[10.0] * 4, 7.4]]
    assert (row.status, row.detail) == ("unknown", f"without assigned_to_email: {OK}")


def test_an_opt_out_that_is_never_shown_is_written_by_the_other_call_and_waited_for_ten_seconds_more(
    engine_of, clock
):
    store = Store(person(0))
    store.client._act = lambda _name, _what: None
    engine_of(store, [row := row_of(0, "update", wanted={"opt_out": True})], "opt_out").run()
    assert names(store) == ["opt out", "update"]
    assert sum(clock.pauses) == pytest.approx(70.0)
    assert clock.pauses[-6:] == [0.2, 0.4, 0.8, 1.6, 3.2, 3.8]
    assert row.status == "unknown"


def test_what_is_shown_in_part_is_no_longer_under_way(engine_of):
    """An opt-out is shown, an owner that went with it is not yet: neither is sent again meanwhile."""
    engine = engine_of(Store(), [])
    there = {"opt_out": True}
    wanted = {"opt_out": True, **MAIL}
    shown = row_of(0, "update", wanted=wanted, sent=True, answered=True, asked=("opt_out",))
    assert engine._is_shown(shown, there)
    part = row_of(
        0, "update", wanted=wanted, sent=True, answered=True, asked=("opt_out", "assigned_to_email")
    )
    assert not engine._is_shown(part, there)
    assert not engine._is_shown(row_of(0, "update", wanted=wanted, sent=True, answered=True), there)


def test_a_field_that_somebody_else_changed_while_another_was_written_is_left_alone(engine_of):
    store = Store(person(0, last_name="Old"))

    def act(name, what):
        store.contacts[phone(0)] = {**store.contacts[phone(0)], "last_name": "Theirs"}
        return store.act(name, what)

    store.client._act = act
    wanted = {"opt_out": True, "last_name": "Mine"}
    row = row_of(0, "update", wanted=wanted, before=person(0, last_name="Old"), alone=True)
    engine_of(store, [row], "update").run()
    assert [call[2] for call in store.client.calls] == [{"opt_out": True}]
    assert store.contacts[phone(0)]["last_name"] == "Theirs"
    assert row.detail == "changed by somebody else since the plan: last_name: left as it is"


# When requests fail


def test_a_server_that_fails_six_rounds_long_interrupts_the_run(engine_of, clock):
    store = Store()
    store.faults["create"] = fault(500)
    rows = [row_of(0), row_of(1, tries=6)]
    with pytest.raises(StillFailingError, match="500: no"):
        engine_of(store, rows).run()
    assert clock.pauses == [0.2, 0.4, 0.8, 1.6, 3.2]
    assert [row.tries for row in rows] == [6, 12]
    assert [row.done for row in rows] == [False, False]


def test_rows_that_went_alone_are_given_up_then(engine_of, clock):
    """It is the row and not the server, after twelve tries; whatever the account shows by then is believed."""
    store, rows = Store(), [row_of(n, tries=6) for n in range(2)]

    def act(*_):
        if len(store.client.calls) == 12:  # the last of all
            store.contacts[phone(1)] = {"phone": phone(1)}
            return fault(None)
        return fault(500)

    store.client._act = act
    engine = engine_of(store, rows, options=Options(chunk_size=1))
    engine.run()
    assert [(row.status, row.detail) for row in rows] == [
        ("rejected", "not created: 500: no"),
        ("created", ""),
    ]
    assert clock.pauses == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0]
    assert saved(engine)[-1] == [0]


def test_a_round_in_which_anything_gets_through_is_no_failed_one(engine_of, clock):
    """One row fails nine times; in the fifth round another is deleted."""
    store, rounds = Store(person(1)), []

    def act(name, what):
        if name == "delete":
            return store.act(name, what) if len(rounds) == 5 else fault(500)
        rounds.append(name)
        return fault(500) if len(rounds) < 10 else store.act(name, what)

    store.client._act = act
    rows = [row_of(0), row_of(1, "delete", before=person(1))]
    engine_of(store, rows).run()
    assert [row.status for row in rows] == ["created", "deleted"]
    assert clock.pauses == [0.2, 0.4, 0.8, 1.6, 0.2, 0.4, 0.8, 1.6]


# Requests of another process


def test_a_resumed_run_waits_for_what_may_be_under_way_and_writes_opt_outs_meanwhile(engine_of, clock):
    store = Store(person(1, opt_out=False), person(2), person(3, opt_out=True))
    rows = [
        row_of(0, sent=True, unanswered=1),
        row_of(1, "update", wanted={"opt_out": True}, before=person(1), sent=True, unanswered=1),
        row_of(2, "update", wanted={"last_name": "Lee"}, before=person(2), sent=True, unanswered=1),
        row_of(
            3, "update", wanted={"opt_out": False}, before=person(3, opt_out=True), sent=True, unanswered=1
        ),
        row_of(4, unanswered=0),
    ]
    sent = {}
    act = store.act

    def noted(name, what):
        for number in what if isinstance(what, list) else [what]:
            sent[number] = clock.now - 10_000.0
        return act(name, what)

    store.client._act = noted
    engine_of(store, rows, "create", resumed=True).run()
    assert {number: at < 1.0 for number, at in sent.items()} == {
        phone(1): True,
        phone(4): True,
        **{phone(n): False for n in (0, 2, 3)},
    }
    assert min(sent[phone(n)] for n in (0, 2, 3)) == pytest.approx(30.0, abs=0.01)
    assert clock.pauses == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 7.4]
    assert [row.status for row in rows] == ["created", "updated", "updated", "updated", "created"]


def test_what_an_update_of_another_process_asked_for_is_not_known_but_for_the_opt_out(engine_of):
    fields = {"wanted": {"last_name": "Lee"}, "answered": True, "sent": True}
    for action, made, resumed, expected in (
        ("update", False, True, True),
        ("create", True, True, True),
        ("update", False, False, False),
        ("create", False, True, False),
    ):
        row = row_of(0, action, created_by_run=made, **fields)
        engine_of(Store(), [row], resumed=resumed)
        assert row.asked == (
            (
                "first_name",
                "last_name",
                "company_name",
                "tags",
                "custom_variables",
                "assigned_to_email",
                "sendblue_number",
            )
            if expected
            else ()
        )
    unanswered = row_of(0, "update", wanted={"last_name": "Lee"})
    engine_of(Store(), [unanswered], resumed=True)
    assert unanswered.asked == ()


def test_a_request_that_this_run_lost_is_sent_again_at_once(engine_of, clock):
    store, row = Store(), row_of(0, unanswered=1, sent_at=1.0)
    engine_of(store, [row]).run()
    assert row.status == "created"
    assert clock.pauses == []


def test_an_effect_that_is_shown_is_waited_for_no_more(engine_of):
    store = Store(person(0))
    rows = [
        row_of(0, "update", wanted={"first_name": "Name 0"}, sent=True, unanswered=1),
        row_of(1, "delete", sent=True, unanswered=1),
        row_of(2, "update", wanted={"first_name": "x"}, sent=True, unanswered=1),
    ]
    engine_of(store, rows, resumed=True).run()
    assert [row.status for row in rows] == ["updated", "deleted", "unknown"]
    assert [row.unanswered for row in rows] == [0, 0, 1]


# Draining


def test_a_drain_waits_until_nothing_is_under_way_and_sends_nothing_but_opt_outs(engine_of, clock):
    store = Store(person(1), person(2))
    rows = [
        row_of(0, sent=True, unanswered=1),
        row_of(1, "update", wanted={"opt_out": True, "last_name": "Lee"}, before=person(1)),
        row_of(2, "update", wanted={"last_name": "Lee"}, before=person(2)),
        row_of(3, done=True, status="unknown", unanswered=1, sent=True),
        row_of(4, answered=True, sent=True),
    ]
    engine = engine_of(store, rows, resumed=True)
    clock.now += 1.0
    engine.drain()
    assert store.client.calls == [("update", phone(1), {"opt_out": True})]
    assert clock.pauses == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 6.4]
    assert [row.done for row in rows] == [False, False, False, True, False]


def test_a_drain_of_what_is_over_looks_once(engine_of, clock):
    store = Store(person(0))
    rows = [row_of(0, sent=True), row_of(1)]
    engine_of(store, rows, resumed=True).drain()
    assert (store.looks, store.client.calls, clock.pauses) == ([[phone(0), phone(1)]], [], [])


def test_a_drain_waits_to_the_end_of_the_last(engine_of, clock):
    rows = [row_of(n, sent=True, unanswered=1) for n in range(2)]
    engine = engine_of(Store(), rows, resumed=True)
    rows[0].left_at, rows[1].left_at = clock.now - 29.5, clock.now - 29.9
    engine.drain()
    assert clock.pauses == [0.2, 0.3]


def test_a_drain_waits_for_rows_that_are_done_too(engine_of, clock):
    rows = [row_of(0, done=True, status="unknown", unanswered=1, sent=True)]
    engine_of(Store(), rows, resumed=True).drain()
    assert sum(clock.pauses) == pytest.approx(30.0)


# Ends


def test_a_run_that_is_stopped_while_it_waits_sends_nothing_more(engine_of, clock):
    store = Store()
    store.hidden.add(phone(0))

    def stop():
        clock.is_stopped = True

    clock.then[2] = stop
    engine = engine_of(store, [row := row_of(0)])
    with pytest.raises(StoppedError):
        engine.run()
    assert (clock.pauses, row.done) == ([0.2, 0.4], False)
    with pytest.raises(RuntimeError, match="after shutdown"):
        engine._chunks._pool.submit(list)
    with pytest.raises(RuntimeError, match="after shutdown"):
        engine._requests._pool.submit(list)
    assert engine._requests._stopped.is_set()


def test_a_read_that_fails_for_good_ends_the_run(engine_of):
    store = Store()

    def fetch(*_args, **_options):
        raise fault(500)

    store.fetch = fetch
    with pytest.raises(ApiError):
        engine_of(store, [row_of(0)]).run()


class Bar:
    def __init__(self, **options):
        self.options, self.total, self.n, self.steps, self.said, self.is_closed = (
            options,
            options["total"],
            0,
            [],
            [],
            0,
        )
        bars.append(self)

    def update(self, count):
        self.steps.append(count)

    def set_postfix_str(self, text):
        self.said.append(text)

    def close(self):
        self.is_closed += 1


bars = []


@pytest.mark.parametrize("progress", [True, False])
def test_what_is_written_is_told_as_it_is(engine_of, clock, monkeypatch, progress):
    monkeypatch.setattr(module, "ProgressBar", Bar)
    bars.clear()
    told, store = [], Store(person(1))
    store.hidden.add(phone(0))
    clock.then[1] = lambda: store.hidden.discard(phone(0))
    rows = [
        row_of(0, wanted={"opt_out": True}),
        row_of(1, "update", wanted={"last_name": "Lee"}, before=person(1)),
        row_of(2, done=True, status="created"),
        row_of(3, "unchanged"),
        row_of(4, sent=True, unanswered=1),
    ]
    engine_of(store, rows, progress=progress, on_progress=told.append, resumed=True).run()
    (bar,) = bars
    assert bar.options == {
        "total": 3,
        "desc": "Creating contacts",
        "unit": " contacts",
        "disable": not progress,
    }
    assert told == [1, 2, 3]
    assert bar.steps == [1, 1, 1]
    assert (bar.n, bar.is_closed) == (3, 1)
    assert bar.said[:3] == ["waiting for the account", "", "waiting for requests under way"]
    assert bar.said[-1] == ""


def test_a_bar_is_hidden_where_nobody_asks_for_one(engine_of, monkeypatch):
    monkeypatch.setattr(module, "ProgressBar", Bar)
    bars.clear()
    store = Store()
    store.faults["create"] = fault(400)
    rows = [row_of(0), row_of(1, done=True, status="created"), row_of(2, done=True, status="created")]
    engine_of(store, rows).run()
    assert bars[0].options["disable"] is True
    assert (bars[0].total, bars[0].n, bars[0].steps) == (1, 1, [])
    engine_of(store, rows).run()
    assert (bars[1].total, bars[1].n) == (0, 0)


def test_a_bar_of_a_run_that_is_cut_off_counts_what_is_done(engine_of, monkeypatch):
    monkeypatch.setattr(module, "ProgressBar", Bar)
    bars.clear()
    store = Store(person(0))
    store.faults["create"] = fault(401)
    rows = [
        row_of(0, "update", wanted={"first_name": "Name 0"}, before=person(0)),
        *(row_of(n) for n in (1, 2)),
        row_of(3, "unchanged", done=True, status="unchanged"),
        row_of(4, "absent", done=True, status="absent"),
    ]
    with pytest.raises(ApiError):
        engine_of(store, rows).run()
    assert (bars[0].total, bars[0].n) == (3, 1)


def test_a_run_of_nobody_cancels_has_an_event_of_its_own(monkeypatch):
    engine = Engine(Account(), Journal(), [], "create", Options(), ledger=None)
    engine.run()
    assert not engine._cancel.is_set()
