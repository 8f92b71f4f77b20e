"""`Sandbox`: a Sendblue account of synthetic people on this machine, served over HTTP."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from sendblue_data.errors import ConfigurationError
from sendblue_data.sandbox import people
from sendblue_data.sandbox.api import application
from sendblue_data.sandbox.faults import Faults
from sendblue_data.sandbox.fields import Contact
from sendblue_data.sandbox.misbehave import LoggedRequest, Misbehaving
from sendblue_data.sandbox.oddities import Oddity, oddities
from sendblue_data.sandbox.personas import PERSONAS, Persona
from sendblue_data.sandbox.replica import Replica
from sendblue_data.sandbox.server import Server
from sendblue_data.sandbox.settings import changed
from sendblue_data.sandbox.shown import hidden_fields, with_int_ids
from sendblue_data.sandbox.store import Store
from sendblue_data.sandbox.switches import Switches

if TYPE_CHECKING:
    from sendblue_data._api.client import SendblueClient


class Sandbox:
    """A local account that serves the ten endpoints of the Contacts API, with their caps and errors.

    It runs in a thread of this process from the moment it is made until `close`, or the end of the `with`.

    Args:
        contacts: how many synthetic people it starts with, or the contacts themselves as mappings with any
            fields of the API (`created_at` ISO 8601, a datetime or None; missing fields are null; a missing
            `contact_id` is made up).
        seed: the same seed gives the same people.
        port: port on 127.0.0.1; 0 takes a free one.
        null_created_at: share of the synthetic people without a `created_at`.
        api_key: key id to expect; made up when not given.
        api_secret: secret to expect; made up when not given.
        persona: traits that were seen together, `"observed"`: those that authors of public code saw on the real
            service. Switches that are given go before it.
        faults: faults to live through.
        **switches: any of `Switches`, and of `Faults`, by name.

    Attributes:
        url: where it listens, for `base_url`.
        seed: the seed.
        api_key: the key id it expects.
        api_secret: the secret it expects.
        request_log: every request: `method, path, status` (0: reset), with `.query` and `.fault`.
        max_in_flight: most requests that were open at one time.
        verifications: numbers that a verification message was sent to, one a message.
        churned_in: phones that `churn` created; those it deleted are in `churned_out`.

    Raises:
        ConfigurationError: an unknown switch or value, contacts that share a phone, or a port in use.

    Example:
        >>> import requests
        >>> with Sandbox([{"phone": "+12125550100", "tags": ["VIP"]}]) as sandbox:
        ...     keys = {"sb-api-key-id": sandbox.api_key, "sb-api-secret-key": sandbox.api_secret}
        ...     requests.get(f"{sandbox.url}/api/v2/contacts/count", headers=keys, timeout=5).json()
        {'count': 1}
    """

    def __init__(
        self,
        contacts: int | Iterable[Mapping[str, Any]] = 5_000,
        *,
        seed: int = 0,
        port: int = 0,
        null_created_at: float = 0.0,
        api_key: str | None = None,
        api_secret: str | None = None,
        persona: Persona | None = None,
        faults: Faults | None = None,
        **switches: Any,
    ) -> None:
        if persona is not None and persona not in PERSONAS:
            raise ConfigurationError(f"persona is {persona!r}; expected {', '.join(map(repr, PERSONAS))}.")
        traits = {} if persona is None else PERSONAS[persona]
        self.switches, self.faults = changed(Switches(), faults or Faults(), {**traits, **switches})
        self.seed = seed
        self.api_key = api_key or f"sandbox-{secrets.token_hex(8)}"
        self.api_secret = api_secret or secrets.token_hex(16)
        self.verifications: list[str] = []
        self.churned_in: list[str] = []
        self.churned_out: list[str] = []
        self._churn_due = 0.0
        self._late = 0
        self._late_changed = threading.Condition()
        if isinstance(contacts, str):
            raise ConfigurationError(f"contacts is the text {contacts!r}; expected a number, or rows.")
        if isinstance(contacts, int):
            contacts = people.contacts(contacts, seed=seed, null_created_at=null_created_at)
        self.store = Store(contacts, seed=seed)
        self._replica: Replica | None = None
        self.reset_log()
        try:
            self._follow()
            self._server = Server(Misbehaving(self, application(self)), port=port)
        except BaseException:
            self._close_stores()
            raise
        self.url = f"http://127.0.0.1:{self._server.port}"

    def __repr__(self) -> str:
        return f"<Sandbox {self.url}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop the server and forget the account, late writes too. A second call does nothing.

        Example:
            >>> sandbox = Sandbox(3)
            >>> sandbox.close()
        """
        self._server.close()
        self._close_stores()

    def _close_stores(self) -> None:
        self.store.close()
        if self._replica is not None:
            self._replica.close()

    def _follow(self) -> None:
        """Keep a replica from the moment that reads lag: it costs time, so not before."""
        if self.switches.read_lag and self._replica is None:
            self._replica = Replica(self.store, seed=self.seed)

    def reads(self, kind: str) -> Store:
        """Return the store that answers reads of this kind: `"list"`, `"count"` or `"get"`."""
        lag = self.switches.read_lag
        if self._replica is None or not lag or (kind == "get" and self.switches.lag_of == "lists"):
            return self.store
        return self._replica.caught_up(lag)

    def late_began(self) -> None:
        """Count a request that takes effect later."""
        with self._late_changed:
            self._late += 1

    def late_ended(self) -> None:
        """Count one that has taken effect, or never will."""
        with self._late_changed:
            self._late -= 1
            self._late_changed.notify_all()

    def settle(self) -> None:
        """Wait until every late write has landed, and reads show all that was written.

        Example:
            >>> with Sandbox([], late_by=0.01, at={1: "late"}) as sandbox, sandbox.client() as client:
            ...     try:
            ...         client.create_contact("+12125550100")
            ...     except ConnectionError:
            ...         sandbox.settle()
            ...     sandbox.count()
            1
        """
        with self._late_changed:
            self._late_changed.wait_for(lambda: self._late == 0)
        if self._replica is not None:
            time.sleep(max(0.0, self._replica.seconds_behind(self.switches.read_lag)))

    def client(self, **options: Any) -> SendblueClient:
        """Give a client of this account; `options` go to `SendblueClient`.

        Example:
            >>> with Sandbox(3) as sandbox, sandbox.client(retries=0) as client:
            ...     client.count_contacts()
            3
        """
        from sendblue_data._api.client import SendblueClient  # noqa: PLC0415 -- the sandbox stands without the client

        return SendblueClient(self.api_key, self.api_secret, self.url, **options)

    def set(self, **changes: Any) -> None:
        """Change switches and faults while it runs, by name.

        Faults by number (`every_...`, `at`) go on counting.

        Raises:
            ConfigurationError: a name or value that the sandbox does not know.

        Example:
            >>> with Sandbox(3) as sandbox:
            ...     sandbox.set(every_429=2, on_duplicate="reject")
            ...     sandbox.switches.on_duplicate
            'reject'
        """
        self.switches, self.faults = changed(self.switches, self.faults, changes)
        self._follow()

    def reset_log(self) -> None:
        """Forget the requests seen so far, and `max_in_flight`.

        Example:
            >>> with Sandbox(3) as sandbox, sandbox.client() as client:
            ...     _ = client.count_contacts()
            ...     sandbox.reset_log()
            ...     sandbox.request_log
            []
        """
        self.request_log: list[LoggedRequest] = []
        self.max_in_flight = 0

    # The account, behind the API's back

    def rows(self) -> list[Contact]:
        """Give every contact as it is now, in order of insertion: dicts with all fields of the API.

        `created_at` is ISO 8601 in microseconds, whatever `timestamps` says. Where ids are numbers
        (`contact_ids`), `contact_id` has their digits.

        Example:
            >>> with Sandbox([{"phone": "+12125550100"}]) as sandbox:
            ...     [row["phone"] for row in sandbox.rows()]
            ['+12125550100']
        """
        rows = self.store.rows()
        return rows if self.switches.contact_ids == "text" else with_int_ids(rows)

    def oddities(self) -> list[Oddity]:
        """Say what is odd in answers about the contacts as they are now, by `odd_values`: `phone, field, kind`.

        Kinds are `"scalar"`, `"empty"` and `"unreadable"`; `.shown` is the value in answers.

        Example:
            >>> with Sandbox([{"phone": "+12125550100"}], odd_values=1.0, seed=1) as sandbox:
            ...     [(*oddity, oddity.shown) for oddity in sandbox.oddities()]
            [('+12125550100', 'first_name', 'scalar', 2.5)]
        """
        hidden = hidden_fields(self.switches)
        found = oddities(self.store.rows(), share=self.switches.odd_values, seed=self.seed)
        return [oddity for oddity in found if oddity.field not in hidden]

    def opt_out(self, phone: str, *, opted_out: bool = True) -> None:
        """Let the person with this number opt out (or back in), as by a text: for contacts now and to come.

        Example:
            >>> with Sandbox([{"phone": "+12125550100"}]) as sandbox:
            ...     sandbox.opt_out("+12125550100")
            ...     sandbox.rows()[0]["opt_out"]
            True
        """
        with self.store.transaction():
            self.store.record_opt_out(phone, opted_out=opted_out)
            if self.store.get(phone) is not None:
                self.store.change(phone, {"opt_out": opted_out})

    def count(self) -> int:
        """Count the contacts.

        Example:
            >>> with Sandbox(3) as sandbox:
            ...     sandbox.count()
            3
        """
        return self.store.count()

    def add(self, rows: Iterable[Mapping[str, Any]]) -> int:
        """Insert contacts and count them; a missing `created_at` is null.

        Raises:
            ConfigurationError: a field is unknown, or a phone or contact_id is there already.

        Example:
            >>> with Sandbox(3) as sandbox:
            ...     sandbox.add([{"phone": "+12125550100"}]), sandbox.count()
            (1, 4)
        """
        return self.store.add(rows)

    def remove(self, phones: Iterable[str]) -> int:
        """Delete contacts by phone, and count those that were there.

        Example:
            >>> with Sandbox([{"phone": "+12125550100"}]) as sandbox:
            ...     sandbox.remove(["+12125550100", "+12125550101"])
            1
        """
        return self.store.remove(phones, remember_opt_outs=self.switches.remember_opt_outs)

    def edit(self, phone: str, **fields: Any) -> Contact:
        """Set any fields of a contact and give it whole.

        Raises:
            ConfigurationError: no contact has this phone, or a field is unknown.

        Example:
            >>> with Sandbox([{"phone": "+12125550100"}]) as sandbox:
            ...     sandbox.edit("+12125550100", verified=True)["verified"]
            True
        """
        return self.store.change(phone, fields)

    def replace(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Start again with these contacts and no opt-out records, on the same port.

        Example:
            >>> with Sandbox(3) as sandbox:
            ...     sandbox.replace([{"phone": "+12125550100"}])
            ...     sandbox.count()
            1
        """
        self.store.replace(rows)
        if self._replica is not None:
            self._replica.copy()
        self.reset_log()
        self.verifications.clear()
        self.churned_in.clear()
        self.churned_out.clear()

    def opt_out_records(self) -> dict[str, bool]:
        """Give the opt-outs that are kept by number, of numbers without a contact too.

        Example:
            >>> with Sandbox([]) as sandbox, sandbox.client() as client:
            ...     _ = client.opt_out_contact("+12125550100")
            ...     sandbox.opt_out_records()
            {'+12125550100': True}
        """
        return self.store.opt_out_records()

    def churn(self) -> None:
        """Let contacts come and go, as `faults.churn` says; called at each list request.

        Example:
            >>> with Sandbox(3, churn=1) as sandbox:
            ...     sandbox.churn()
            ...     sandbox.count(), len(sandbox.churned_in), len(sandbox.churned_out)
            (3, 1, 1)
        """
        churn = self.faults.churn
        if callable(churn):
            churn(self)
            return
        self._churn_due += churn
        number = int(self._churn_due)
        if number == 0:
            return
        self._churn_due -= number
        with self.store.transaction():
            leaving = self.store.some_phones(number)
            self.remove(leaving)
            coming = [people.newcomer(len(self.churned_in) + place) for place in range(number)]
            self.add({**row, "created_at": self.store.now()} for row in coming)
        self.churned_out += leaving
        self.churned_in += [row["phone"] for row in coming]
