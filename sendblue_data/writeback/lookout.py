"""What a run last saw of its contacts, and when: nothing is sent on a look that has grown old."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from sendblue_data._api.client import SendblueClient
from sendblue_data._api.send_guard import leave_only_if
from sendblue_data.writeback.fields import Contact
from sendblue_data.writeback.ledger import Ledger
from sendblue_data.writeback.lookup import fetch_current

FRESH = 3.0
"""Seconds for which a look is good enough to write on: what leaves later is kept back."""
AGAIN = 2.0
"""Seconds after which is looked again before a request is made ready, so that few have to be kept back."""

Moment = tuple[float, float]
"""A moment by the monotonic clock and by the wall's: one may stand still while the machine sleeps, the other be set."""


class StaleError(Exception):
    """The request was kept back: what it was decided on has to be looked at again."""


class Lookout:
    """Looks at the account for all threads of a run, and tells the ledger what it sees.

    Args:
        client: the account.
        ledger: of that account; None where it can't be read, and only opt-outs are written.
        by: the run, as the ledger names it.
    """

    def __init__(self, client: SendblueClient, ledger: Ledger | None, by: str) -> None:
        self._client = client
        self._ledger = ledger
        self._by = by
        self._seen: dict[str, tuple[Contact | None, Moment]] = {}
        self._lock = threading.Lock()
        self._turned_away_at = 0.0

    def note(self, phones: Iterable[str], contacts: Mapping[str, Contact], at: Moment) -> None:
        """Keep what was seen elsewhere, such as by the plan."""
        self._seen.update((phone, (contacts.get(phone), at)) for phone in phones)

    def look(self, phones: Collection[str], rest: Iterable[str] = (), *, age: float = 0.0) -> None:
        """Look at contacts again of which the last look is older than `age`.

        Args:
            phones: theirs.
            rest: others, to be seen in passing if the whole account is read.
            age: seconds.

        Raises:
            ApiError: the account could not be asked.
            LedgerError: what it showed could not be written down.
        """
        asked = time.monotonic()
        with self._lock:
            # Whoever waited for another thread's look takes that.
            since = max(asked - age, self._turned_away_at)
            old = [phone for phone in phones if phone not in self._seen or self._seen[phone][1][0] < since]
            old += [phone for phone in set(phones).difference(old) if self.age(phone) > max(age, FRESH)]
            if not old:
                return
            view = fetch_current(self._client, old, rest=rest)
            if self._ledger is not None:
                self._ledger.observe(view.all, by=self._by)
            self.note(view.asked, view.contacts, now())

    def there(self, phone: str) -> Contact | None:
        """Return the contact as it was seen last, None where there was none."""
        return self._seen[phone][0] if phone in self._seen else None

    def age(self, phone: str) -> float:
        """Return the seconds since it was seen."""
        return seconds_since(self._seen[phone][1]) if phone in self._seen else float("inf")

    def held(self, phones: Iterable[str]) -> set[str]:
        """Return those whom the ledger holds as opted out."""
        return set() if self._ledger is None else self._ledger.opted_out(phones)

    def guarded(
        self, phones: Iterable[str], write: Callable[[], Any], *, leniency: float = 1.0
    ) -> Callable[[], Any]:
        """Make of a write one that is kept back where the last look has grown old when it leaves.

        So it is after any wait for a rate limit: then the write is called, or leaves, a second time, and what others
        were about to send has waited as well.

        Args:
            phones: of the contacts that it is for.
            write: the call.
            leniency: what `FRESH` is multiplied by.

        Raises:
            StaleError: by what is returned.
        """
        seen = min((self._seen[phone][1] for phone in phones if phone in self._seen), default=(0.0, 0.0))
        calls, turns = [0], [0]

        def check(count: list[int]) -> None:
            count[0] += 1
            if count[0] > 1:
                self._turned_away_at = time.monotonic()
            if seen[0] < self._turned_away_at or seconds_since(seen) > FRESH * leniency:
                raise StaleError

        def checked() -> Any:
            check(calls)
            with leave_only_if(lambda: check(turns)):
                return write()

        return checked


def now() -> Moment:
    """Return this moment."""
    return time.monotonic(), time.time()


def seconds_since(moment: Moment) -> float:
    """Return the seconds since a moment, by the clock that says more."""
    return max(time.monotonic() - moment[0], time.time() - moment[1])
