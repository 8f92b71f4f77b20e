"""How contacts are looked up: in which requests, which of two counts, and how old a look may be."""

from types import SimpleNamespace

import polars as pl
import pytest

from sendblue_data._api.retries import check_before_sending
from sendblue_data.contacts import contacts_frame
from sendblue_data.errors import InvalidRequestError, UnexpectedAnswerError
from sendblue_data.writeback import lookup as module
from sendblue_data.writeback.lookup import ContactCache, StaleError, View, fetch_account, fetch_current, now
from tests.writeback.doubles import fault
from tests.writeback.people import people, person, phone


class Account:
    """An account that notes what it is asked.

    Attributes:
        hidden: what its lists leave out, as a replica does that lags behind.
    """

    max_connections = 1  # so that it is asked in order

    def __init__(self, contacts, size=0, *, hidden=(), refuses=()):
        self.contacts = {one["phone"]: one for one in contacts}
        self.size, self.hidden, self.refuses = size, hidden, refuses
        self.lists, self.gets, self.counts = [], [], 0

    def count_contacts(self):
        self.counts += 1
        return self.size

    def list_contacts(self, *, phone):
        self.lists.append(phone)
        if phone in self.refuses:
            raise fault(400)
        return contacts_frame(
            [one for number, one in self.contacts.items() if number == phone not in self.hidden]
        )

    def get_contact(self, phone):
        self.gets.append(phone)
        if phone not in self.contacts:
            raise fault(404)
        return self.contacts[phone]


@pytest.fixture
def pulls(monkeypatch):
    """Let a pull show what `frame` and `complete` say, and note each."""
    told = SimpleNamespace(frame=contacts_frame(people(40)), complete=True, times=0)

    def pull(client, *, progress, allow_incomplete, with_evidence):
        assert (progress, allow_incomplete, with_evidence) == (False, True, True)
        told.times += 1
        return told.frame, SimpleNamespace(complete=told.complete, count_after=77)

    monkeypatch.setattr(module, "pull_contacts", pull)
    return told


def numbers(count, start=0):
    return [phone(n) for n in range(start, start + count)]


# Which requests


@pytest.mark.parametrize(
    ("size", "wanted", "rest", "is_pulled"),
    [
        (0, 8, 0, False),
        (0, 9, 0, True),
        (0, 8, 1, True),
        (10_988, 16, 0, True),  # ten pages and five more
        (10_989, 16, 0, False),
        (10_989, 17, 0, True),
        (10_989, 9, 7, False),
        (10_989, 9, 8, True),
        (11_988, 9, 20, False),
        (11_988, 17, 0, False),
        (11_988, 18, 0, True),
    ],
)
def test_the_account_is_pulled_where_that_takes_fewer_requests(pulls, size, wanted, rest, is_pulled):
    account = Account(people(40), size)
    view = fetch_current(account, numbers(wanted), rest=iter(numbers(rest, 20)))
    assert pulls.times == is_pulled
    assert account.lists == ([] if is_pulled else numbers(wanted))
    asked = numbers(wanted) + (numbers(rest, 20) if is_pulled else [])
    assert view.asked == set(asked) == view.contacts.keys()
    assert {one["phone"] for one in view.all} == set(asked)


def test_few_are_asked_for_without_a_thought_for_the_accounts_size(pulls):
    account = Account([])
    assert fetch_current(account, numbers(8)).contacts == {}
    assert account.counts == 0


@pytest.mark.parametrize(
    ("size", "wanted", "is_pulled"),
    [
        (0, 8, False),
        (0, 9, True),
        (10_989, 16, False),
        (10_989, 17, True),
        (3_995, 8, False),
        (3_996, 9, False),
    ],
)
def test_a_plan_pulls_the_account_where_that_takes_fewer_requests(pulls, size, wanted, is_pulled):
    frame, count = fetch_account(Account(people(40), size), pl.Series([*numbers(wanted), None, phone(0)]))
    assert pulls.times == is_pulled
    assert sorted(frame["phone"]) == numbers(wanted)
    assert count == (77 if is_pulled else size)


@pytest.mark.parametrize("look_up", ["run", "plan"])
def test_what_a_pull_that_is_not_whole_lacks_is_asked_for(pulls, look_up):
    pulls.frame, pulls.complete = contacts_frame(people(3)), False
    account = Account([person(9)])
    if look_up == "run":
        view = fetch_current(account, numbers(10), rest=[phone(30)])
        assert view.contacts.keys() == {phone(n) for n in (0, 1, 2, 9)}
        assert view.asked == set(numbers(10))
    else:
        frame, _ = fetch_account(account, pl.Series(numbers(10)))
        assert frame["phone"].to_list() == [phone(n) for n in (0, 1, 2, 9)]
    assert account.lists == numbers(7, 3)
    assert pulls.times == 1


def test_a_contact_under_another_spelling_is_found_in_a_pull(pulls):
    pulls.frame = contacts_frame([person(0, phone="+5215512345678"), *people(9)[1:]])
    wanted = ["+52 55 1234 5678", *numbers(8, 1)]
    view = fetch_current(Account([]), wanted)
    assert view.contacts["+52 55 1234 5678"]["phone"] == "+5215512345678"
    assert fetch_account(Account([]), pl.Series(wanted))[0]["phone"].to_list()[0] == "+5215512345678"


# One by one


def test_old_forms_of_a_number_are_asked_for_too():
    account = Account([person(0, phone="+5215512345678")])
    view = fetch_current(account, ["+52 55 1234 5678"])
    assert account.lists == ["+52 55 1234 5678", "+5215512345678", "+525512345678"]
    assert account.gets == ["+525512345678"]
    assert view.contacts["+52 55 1234 5678"]["contact_id"] == "id-0"


@pytest.mark.parametrize(("count", "places"), [(2, 2), (3, 3), (4, 3)])
def test_no_more_are_asked_for_at_once_than_the_client_has_connections(monkeypatch, count, places):
    opened, real = [], module.ThreadPoolExecutor

    def pool(size):
        opened.append(size)
        return real(size)

    monkeypatch.setattr(module, "ThreadPoolExecutor", pool)
    account = Account([])
    account.max_connections = 3
    fetch_current(account, numbers(count))
    assert opened == [places]


def test_what_is_no_number_is_asked_for_as_it_is_and_is_nobodys():
    account = Account([], refuses=["nobody ", "."])
    assert fetch_current(account, ["nobody ", ".", "12"]).contacts == {}
    assert account.lists == [".", "12", "nobody "]
    assert account.gets == []
    assert fetch_current(account, []).contacts == {}


def test_a_number_that_the_server_refuses_is_an_error():
    with pytest.raises(InvalidRequestError):
        fetch_current(Account([], refuses=[phone(0)]), [phone(0)])


def test_a_contact_that_a_list_leaves_out_is_asked_for_again():
    account = Account(people(2), hidden=[phone(0)])
    assert fetch_current(account, numbers(3)).contacts.keys() == {phone(0), phone(1)}
    assert account.gets == [phone(0), phone(2)]


def test_an_answer_about_another_contact_is_refused():
    account = Account([])
    account.list_contacts = lambda **_: contacts_frame([person(5)])
    with pytest.raises(UnexpectedAnswerError, match="another contact"):
        fetch_current(account, [phone(0)])
    account = Account([person(0)], hidden=[phone(0)])
    account.contacts[phone(0)]["phone"] = phone(5)
    with pytest.raises(UnexpectedAnswerError, match="another contact"):
        fetch_current(account, [phone(0)])


@pytest.mark.parametrize("said", [{}, {"phone": None}, {"phone": "+1 212 555 0100"}])
def test_an_answer_that_names_no_number_is_of_the_one_asked_for(said):
    account = Account([])
    account.get_contact = lambda _: {"first_name": "Ann", **said}
    (found,) = fetch_current(account, [phone(0)]).all
    assert found == {"first_name": "Ann", "phone": said.get("phone") or phone(0)}


# Which of two counts


@pytest.mark.parametrize("turned", [1, -1])
def test_of_two_contacts_of_one_person_the_one_counts_that_could_be_texted(turned):
    """Unless the other is spelled as it was asked for."""
    spelled = ["+525512345678", "+5215512345678"]
    out, free = person(0, phone=spelled[0], opt_out=True), person(1, phone=spelled[1], opt_out=False)
    view = module._view(["+52 55 1234 5678", *spelled], [out, free][::turned])
    assert view.contacts == {"+52 55 1234 5678": free, spelled[0]: out, spelled[1]: free}
    twice = [{**out, "opt_out": None}, {**out, "contact_id": "b"}][::turned]
    assert module._view(spelled[:1], twice).contacts[spelled[0]]["opt_out"] is None
    assert module._view(spelled[:1], twice).all == twice


# How old a look may be


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        wall, steady = 1_000_000.0, 100.0

        def time(self):
            return self.wall

        def monotonic(self):
            return self.steady

        def pass_by(self, seconds):
            self.wall += seconds
            self.steady += seconds

    monkeypatch.setattr(module, "time", clock := Clock())
    return clock


class Ledger:
    def __init__(self):
        self.seen, self.out = [], []

    def observe(self, contacts, *, by):
        self.seen.append((contacts, by))

    def opted_out(self, phones):
        return {one for one in phones if one == phone(1)}

    def record_out(self, phones, *, by):
        self.out.append((phones, by))


@pytest.fixture
def looks(monkeypatch):
    """The phones of each look at the account, and those to be seen in passing."""
    taken = []

    def look(_client, phones, *, rest):
        taken.append((list(phones), list(rest)))
        found = {one: person(0, phone=one) for one in phones if one != phone(9)}
        return View(found, list(found.values()), frozenset(phones))

    monkeypatch.setattr(module, "fetch_current", look)
    return taken


@pytest.fixture
def cache(clock, looks):
    return ContactCache(None, Ledger(), "run")


def test_what_is_seen_is_kept_and_told_to_the_ledger(cache, looks):
    assert cache.there(phone(0)) is cache.there(None) is None
    cache.refresh([phone(0), phone(9)], [phone(5)])
    assert cache.there(phone(0))["phone"] == phone(0)
    assert cache.there(phone(9)) is None
    assert cache._ledger.seen == [([cache.there(phone(0))], "run")]
    assert looks == [([phone(0), phone(9)], [phone(5)])]


def test_without_a_ledger_nobody_is_held_and_nothing_is_told(clock, looks):
    cache = ContactCache(None, None, "run")
    cache.refresh([phone(1)])
    cache.record_out(phone(1))
    assert cache.held([phone(1)]) == set()


def test_the_ledger_is_asked_and_told(cache):
    assert cache.held([phone(0), phone(1)]) == {phone(1)}
    cache.record_out(phone(2))
    assert cache._ledger.out == [([phone(2)], "run")]


@pytest.mark.parametrize(
    ("steady", "wall", "max_age", "is_read"),
    [
        (0.0, 0.0, 0.0, False),  # another thread has just read it
        (0.25, 0.25, 0.0, True),
        (2.0, 2.0, 2.0, False),
        (2.25, 2.25, 2.0, True),
        (0.0, 3.0, 0.0, False),  # the machine may have slept, by the wall's clock
        (0.0, 3.25, 0.0, True),
        (0.0, 4.0, 4.5, False),
        (0.0, 4.75, 4.5, True),
        (1.0, -50.0, 2.0, False),
    ],
)
def test_a_contact_is_read_again_that_was_seen_too_long_ago_by_either_clock(
    cache, clock, looks, steady, wall, max_age, is_read
):
    cache.note([phone(0)], {phone(0): person(0)}, now())
    clock.steady += steady
    clock.wall += wall
    cache.note([phone(1)], {}, now())
    cache.refresh([phone(0), phone(1)], max_age=max_age)
    assert looks == ([([phone(0)], [])] if is_read else [])


def test_who_names_no_age_wants_it_read_now(cache, clock, looks):
    cache.note([phone(0)], {}, now())
    clock.pass_by(0.25)
    cache.refresh([phone(0)])
    cache.refresh([phone(0)])
    assert looks == [([phone(0)], [])]


@pytest.mark.parametrize(
    ("age", "options", "is_kept_back"),
    [(3.0, {}, False), (3.25, {}, True), (6.0, {"leniency": 2.0}, False), (6.25, {"leniency": 2.0}, True)],
)
def test_a_write_leaves_on_a_fresh_look_alone(cache, clock, age, options, is_kept_back):
    cache.note([phone(0)], {}, now())
    clock.pass_by(age)
    cache.note([phone(1)], {}, now())

    def write():
        check_before_sending()
        return "sent"

    guarded = cache.guard([phone(1), phone(0), phone(2)], write, **options)
    if is_kept_back:
        with pytest.raises(StaleError):
            guarded()
    else:
        assert guarded() == "sent"
    assert cache.guard([phone(1)], lambda: "sent")() == "sent"


@pytest.mark.parametrize("moment", [0.0, 100.0])
def test_a_write_on_no_look_at_all_is_kept_back(cache, clock, moment):
    """On a machine that has just started, too."""
    clock.steady = clock.wall = moment
    with pytest.raises(StaleError):
        cache.guard([phone(0)], lambda: "sent")()
    cache.note([phone(0)], {}, now())
    assert cache.guard([phone(0)], lambda: "sent")() == "sent"


@pytest.mark.parametrize("again", ["call", "departure"])
def test_a_write_that_was_turned_away_is_kept_back_and_with_it_what_waited_as_well(
    cache, clock, looks, again
):
    for one in numbers(3):
        cache.note([one], {}, now())

    def write():
        check_before_sending()
        if again == "departure":
            clock.pass_by(0.5)
            check_before_sending()

    first, other = cache.guard([phone(0)], write), cache.guard([phone(1)], check_before_sending)
    if again == "call":
        first()
        clock.pass_by(0.5)
    with pytest.raises(StaleError):
        first()
    with pytest.raises(StaleError):
        other()
    cache.refresh([phone(2)], max_age=2.0)
    assert looks == [([phone(2)], [])]
    cache.guard([phone(2)], check_before_sending)()


def test_a_write_that_leaves_late_is_looked_at_as_it_leaves(cache, clock):
    cache.note([phone(0)], {}, now())

    def write():
        clock.pass_by(3.25)
        check_before_sending()

    with pytest.raises(StaleError):
        cache.guard([phone(0)], write)()
