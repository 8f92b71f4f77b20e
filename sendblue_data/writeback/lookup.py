"""How contacts are in the account now, asked in as few requests as will do; and what a run last saw of its contacts."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from sendblue_data._api.call import CONTACTS, Call
from sendblue_data._api.client import SendblueClient
from sendblue_data._api.retries import before_sending
from sendblue_data._shared.masking import mask_phone
from sendblue_data.errors import InvalidRequestError, NotFoundError, UnexpectedAnswerError
from sendblue_data.pull.pull import pull_contacts
from sendblue_data.schema import CONTACT_SCHEMA
from sendblue_data.writeback.fields import Contact
from sendblue_data.writeback.identity import identities, identity, spellings
from sendblue_data.writeback.inputs import is_e164
from sendblue_data.writeback.ledger import Ledger

FEW = 8
"""Contacts that are asked for one by one without a thought for the account's size."""
CHEAP = 16
"""Requests of a pull that is taken for few contacts too, where many others are to be seen in passing."""
PAGE = 999
"""Contacts that a page of a pull adds, as far as is known before it: pages overlap by one contact or more."""
EXTRA = 5
"""Requests of a pull beside its pages: the counts, and the far end."""
FRESH = 3.0
"""Seconds for which what was seen is good enough to write on: what leaves later is kept back."""
REFRESH_AFTER = 2.0
"""Seconds after which contacts are read again before a request is made ready, so that few have to be kept back."""

Instant = tuple[float, float]
"""A moment by the monotonic clock and by the wall's: one may stand still while the machine sleeps, the other be set."""
_NEVER: Instant = (float("-inf"), float("-inf"))


@dataclass(frozen=True)
class View:
    """What was seen of the account.

    Attributes:
        contacts: the contacts asked for, by phone as it was asked for; a phone that is not in it, in no
            spelling, is not in the account.
        all: every contact seen under one of the phones; two of them may be of one person.
        asked: the phones that were looked for.
    """

    contacts: dict[str, Contact]
    all: list[Contact] = field(default_factory=list)
    asked: frozenset[str] = frozenset()


def fetch_current(client: SendblueClient, phones: Collection[str], *, rest: Iterable[str] = ()) -> View:
    """Look up how these contacts are in the account now.

    Few are asked for one by one; for many the whole account is pulled, where that takes fewer requests. A
    pull that can't show to be whole is made up for: contacts that are not in it are asked for one by one.

    Args:
        client: the account.
        phones: the numbers to look for, in any spelling.
        rest: numbers to look for besides, if the whole account is pulled; so it is where that takes few requests.

    Raises:
        ApiError: a request failed for good, or was answered with another contact.
    """
    wanted = set(phones)
    more = wanted.union(rest)
    if len(more) <= FEW:
        return _view(wanted, _one_by_one(client, wanted))
    pull = client.count_contacts() // PAGE + EXTRA
    is_worth_it = pull <= CHEAP and len(more) > pull  # the others would be asked for soon, one after another
    if len(wanted) <= pull and not is_worth_it:
        return _view(wanted, _one_by_one(client, wanted))
    frame, evidence = pull_contacts(client, progress=False, allow_incomplete=True, with_evidence=True)
    if evidence.complete:
        return _view(more, _contacts_with(frame, _series(more)).to_dicts())
    seen = _contacts_with(frame, _series(wanted)).to_dicts()
    missing = wanted - _view(wanted, seen).contacts.keys()
    return _view(wanted, [*seen, *_one_by_one(client, missing)])


def fetch_account(client: SendblueClient, phones: pl.Series) -> tuple[pl.DataFrame, int]:
    """Look up the account as planning needs it: many contacts are found in a pull of the whole.

    Returns:
        Every contact with one of the numbers, in any spelling, as a contacts frame, and the account's size.
    """
    wanted = phones.drop_nulls().unique()
    counted = client.count_contacts()
    if wanted.len() <= max(FEW, counted // PAGE + EXTRA):
        return as_frame(fetch_current(client, set(wanted)).all), counted
    frame, evidence = pull_contacts(client, progress=False, allow_incomplete=True, with_evidence=True)
    found = _contacts_with(frame, wanted)
    if not evidence.complete:
        missing = wanted.filter(~identities(wanted).is_in(identities(frame["phone"]).implode()))
        found = pl.concat([found, as_frame(fetch_current(client, set(missing)).all)])
    return found, evidence.count_after


def as_frame(contacts: Iterable[Contact]) -> pl.DataFrame:
    """Return contacts as a contacts frame."""
    rows = list(contacts)
    return pl.DataFrame(
        {name: [row.get(name) for row in rows] for name in CONTACT_SCHEMA}, schema=CONTACT_SCHEMA
    )


class StaleError(Exception):
    """The request was kept back: what it was decided on has to be read again."""


class ContactCache:
    """Reads the account for all threads of a run, and tells the ledger what it sees.

    Args:
        client: the account.
        ledger: of that account; None where it can't be read, and only opt-outs are written.
        by: the run, as the ledger names it.
    """

    def __init__(self, client: SendblueClient, ledger: Ledger | None, by: str) -> None:
        self._client = client
        self._ledger = ledger
        self._by = by
        self._seen: dict[str, tuple[Contact | None, Instant]] = {}
        self._lock = threading.Lock()
        self._kept_back_at = _NEVER[0]

    def note(self, phones: Iterable[str], contacts: Mapping[str, Contact], at: Instant) -> None:
        """Keep what was seen elsewhere, such as by the plan."""
        self._seen.update((phone, (contacts.get(phone), at)) for phone in phones)

    def refresh(self, phones: Collection[str], rest: Iterable[str] = (), *, max_age: float = 0.0) -> None:
        """Read contacts again that were last seen more than `max_age` seconds ago.

        Args:
            phones: theirs.
            rest: others, to be seen in passing if the whole account is read.
            max_age: seconds.

        Raises:
            ApiError: the account could not be asked.
            LedgerError: what it showed could not be written down.
        """
        asked = time.monotonic()
        with self._lock:
            # Whoever waited for another thread's read takes that.
            since = max(asked - max_age, self._kept_back_at)
            old = [phone for phone in phones if phone not in self._seen or self._seen[phone][1][0] < since]
            old += [phone for phone in set(phones).difference(old) if self._age(phone) > max(max_age, FRESH)]
            if not old:
                return
            view = fetch_current(self._client, old, rest=rest)
            if self._ledger is not None:
                self._ledger.observe(view.all, by=self._by)
            self.note(view.asked, view.contacts, now())

    def there(self, phone: str | None) -> Contact | None:
        """Return the contact as it was seen last, None where there was none."""
        return self._seen[phone][0] if phone is not None and phone in self._seen else None

    def held(self, phones: Iterable[str]) -> set[str]:
        """Return those whom the ledger holds as opted out."""
        return set() if self._ledger is None else self._ledger.opted_out(phones)

    def record_out(self, phone: str) -> None:
        """Tell the ledger of somebody of whom the server says that they opted out."""
        if self._ledger is not None:
            self._ledger.record_out([phone], by=self._by)

    def guard(
        self, phones: Iterable[str], write: Callable[[], Any], *, leniency: float = 1.0
    ) -> Callable[[], Any]:
        """Return the write as one that is kept back if what was last seen has grown old when it leaves.

        So it is after any wait for a rate limit: then the write is called, or leaves, a second time, and what others
        were about to send has waited as well.

        Args:
            phones: of the contacts that it is for.
            write: the call.
            leniency: what `FRESH` is multiplied by.

        Raises:
            StaleError: by what is returned.
        """
        seen = min((self._seen[phone][1] for phone in phones if phone in self._seen), default=_NEVER)
        calls, departures = [0], [0]

        def check(count: list[int]) -> None:
            count[0] += 1
            if count[0] > 1:
                self._kept_back_at = time.monotonic()
            if seen[0] < self._kept_back_at or _seconds_since(seen) > FRESH * leniency:
                raise StaleError

        def guarded() -> Any:
            check(calls)
            with before_sending(lambda: check(departures)):
                return write()

        return guarded

    def _age(self, phone: str) -> float:
        return _seconds_since(self._seen[phone][1] if phone in self._seen else _NEVER)


def now() -> Instant:
    """Return this moment."""
    return time.monotonic(), time.time()


def _seconds_since(at: Instant) -> float:
    """Return the seconds since a moment, by the clock that says more."""
    return max(time.monotonic() - at[0], time.time() - at[1])


def _contacts_with(frame: pl.DataFrame, phones: pl.Series) -> pl.DataFrame:
    """Return the contacts of a frame that have one of these numbers, in any spelling."""
    wanted = identities(phones).unique()
    return frame.filter(identities(frame["phone"]).is_in(wanted.implode()))


def _series(phones: Collection[str]) -> pl.Series:
    return pl.Series(list(phones), dtype=pl.String)


def _view(phones: Iterable[str], contacts: Iterable[Contact]) -> View:
    """Match contacts to the phones that were asked for: by spelling, else by the number that it means.

    Of two with one phone the one counts that is not opted out: it is what could be texted.
    """
    seen = list(contacts)
    by_spelling: dict[str, Contact] = {}
    by_number: dict[str, Contact] = {}
    for one in sorted(seen, key=lambda contact: contact.get("opt_out") is not True):
        by_spelling[one["phone"]] = by_number[identity(one["phone"])] = one
    found: dict[str, Contact | None] = {
        phone: by_spelling.get(phone) or by_number.get(identity(phone)) for phone in phones
    }
    matched = {phone: contact for phone, contact in found.items() if contact is not None}
    return View(matched, seen, frozenset(found))


def _one_by_one(client: SendblueClient, phones: Collection[str]) -> list[Contact]:
    # An account may hold a number under another spelling, or an old form of it.
    asked = sorted(
        {other for phone in phones for other in spellings(phone) if other == phone or is_e164(other)}
    )
    if not asked:
        return []
    with ThreadPoolExecutor(min(client.max_connections, len(asked))) as pool:
        return [contact for found in pool.map(lambda phone: _one(client, phone), asked) for contact in found]


def _one(client: SendblueClient, phone: str) -> list[Contact]:
    try:
        listed = client.list_contacts(phone=phone)
        found = listed.filter(identities(listed["phone"]) == identity(phone)).to_dicts()
        if found:
            return found  # with their contact_id, which only lists give
        if not is_e164(phone):
            return []  # a row of it is never sent; and "." in a path asks for something else
        if listed.height:
            raise _another(phone, CONTACTS)
        # Reads may come from a replica that lags behind (the vendor's own client allows for that). A list that leaves
        # a contact out would make us create it twice, or call it deleted: ask again.
        contact = client.get_contact(phone)
    except NotFoundError:
        return []
    except InvalidRequestError:
        if is_e164(phone):
            raise
        return []  # no contact has what is no number
    if contact.get("phone") and identity(contact["phone"]) != identity(phone):
        raise _another(phone, f"{CONTACTS}/{mask_phone(phone)}")
    return [{**contact, "phone": contact.get("phone") or phone}]


def _another(phone: str, path: str) -> UnexpectedAnswerError:
    found = f"asked for {mask_phone(phone)}, the answer is about another contact."
    return Call("GET", path).unexpected(found)
