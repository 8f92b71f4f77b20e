"""What stands around a request in its tests: an account that answers as told, a journal and a view that keep lists."""

from sendblue_data._api.retries import Pace
from sendblue_data.errors import (
    AuthenticationError,
    BlockedError,
    ConflictError,
    ConnectionFailedError,
    InvalidRequestError,
    NotFoundError,
    RateLimitedError,
    ServerFaultError,
)
from sendblue_data.writeback import lookup
from sendblue_data.writeback.lookup import StaleError

ERRORS = {
    401: AuthenticationError,
    403: AuthenticationError,
    404: NotFoundError,
    409: ConflictError,
    413: InvalidRequestError,
    429: RateLimitedError,
    500: ServerFaultError,
}


def fault(status, message="no", **details):
    """Return the error that a client raises for a status; None is an answer that was lost, "blocked" a firewall's."""
    details = {"method": "PUT", "path": "/x", **details}
    if status is None:
        return ConnectionFailedError(message, **{"may_have_applied": True, **details})
    if status == "blocked":
        return BlockedError(message, status=403, **details)
    return ERRORS.get(status, InvalidRequestError)(message, status=status, **details)


class Account:
    """A client of which each call is noted, and answered by `act`: it gets the call's name and argument.

    Attributes:
        calls: name and arguments of each write, in order.
    """

    account, timeout, max_connections = "x/1", 30.0, 2

    def __init__(self, act=lambda _name, _what: None, *, can_read=True):
        self._act = act
        self._pace = Pace(is_local=True)
        self.can_read = can_read
        self.calls = []

    def _write(self, name, what, *more):
        self.calls.append((name, what, *more))
        if (error := self._act(name, what)) is not None:
            raise error
        return {"phone": what, "echo": True}

    def update_contact(self, number, **fields):
        return self._write("update", number, fields)

    def opt_out_contact(self, number, *, opted_out):
        return self._write("opt out", number, opted_out)

    def verify_contact(self, number):
        return self._write("verify", number)

    def bulk_create_contacts(self, rows):
        return self._write("create", [row["phone"] for row in rows], rows)

    def bulk_delete_contacts(self, numbers):
        return self._write("delete", numbers)

    def count_contacts(self):
        if not self.can_read:
            raise fault(500)
        return 0


class Journal:
    """A journal that lists what it is told: what is sent, how it ended, which rows are saved."""

    run_id = "run"

    def __init__(self):
        self.entries = []

    def timeout(self):
        return 30.0

    def sending(self, kind, rows, *, is_main=True):
        self.entries.append((kind, [row.pos for row in rows], is_main))
        return f"{len(self.entries)}"

    def answered(self, _request_id, state, note, _rows):
        self.entries.append((state, note))

    def save(self, rows, **_meta):
        self.entries.append(("saved", [row.pos for row in rows]))


class View:
    """What was seen of the contacts; each write for one of `stale` is kept back as often as it says.

    Attributes:
        looks: the phones that were read again, the others seen in passing, and the age that was allowed.
        guarded: the phones whose writes were guarded, with the leniency.
    """

    def __init__(self, contacts=None, *, held=(), stale=None):
        self.contacts = contacts or {}
        self.out = set(held)
        self.stale = stale or {}
        self.looks, self.guarded, self.said_out = [], [], []

    def refresh(self, phones, rest=(), *, max_age=0.0):
        self.looks.append((list(phones), list(rest), max_age))

    def there(self, phone):
        return self.contacts.get(phone)

    def held(self, phones):
        return self.out.intersection(phones)

    def record_out(self, phone):
        self.said_out.append(phone)

    def guard(self, phones, write, *, leniency=1.0):
        numbers = list(phones)
        self.guarded.append((numbers, leniency))

        def guarded():
            for number in numbers:
                if self.stale.get(number, 0) > 0:
                    self.stale[number] -= 1
                    raise StaleError
            return write()

        return guarded


class Clock:
    """Both clocks, and the event by which a run waits. A wait takes no time and is noted, a write takes a millisecond."""

    def __init__(self):
        self.now, self.pauses, self.is_stopped, self.then = 10_000.0, [], False, {}

    def time(self):
        return self.now

    monotonic = time

    def is_set(self):
        return self.is_stopped

    def wait(self, seconds):
        self.now += seconds
        self.pauses.append(round(seconds, 1))
        self.then.pop(len(self.pauses), lambda: None)()
        return self.is_stopped


class Store:
    """An account that holds contacts, and shows what is not hidden."""

    def __init__(self, *contacts):
        self.contacts = {one["phone"]: one for one in contacts}
        self.hidden, self.looks, self.faults = set(), [], {}
        self.client = Account(self.act)

    def act(self, name, what):
        if (error := self.faults.get(name)) is not None:
            return error
        numbers = what if isinstance(what, list) else [what]
        sent = self.client.calls[-1]
        for number in numbers:
            if name == "create":
                fields = next(one for one in sent[2] if one["phone"] == number)
                self.contacts.setdefault(number, {"opt_out": False, **fields})
            elif name == "delete":
                self.contacts.pop(number, None)
            elif name == "update":
                self.contacts[number] = {**self.contacts[number], **sent[2]}
            elif name == "opt out":
                self.contacts[number] = {**self.contacts[number], "opt_out": sent[2]}
        return None

    def fetch(self, _client, phones, **_rest):
        self.looks.append(list(phones))
        shown = {one: self.contacts[one] for one in phones if one in self.contacts and one not in self.hidden}
        return lookup.View(shown, list(shown.values()), frozenset(phones))
