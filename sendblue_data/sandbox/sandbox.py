"""`Sandbox`: a Sendblue account of synthetic people on this machine, served over HTTP."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from sendblue_data.errors import ConfigurationError
from sendblue_data.sandbox import people
from sendblue_data.sandbox.api import application
from sendblue_data.sandbox.misbehave import LoggedRequest, Misbehaving
from sendblue_data.sandbox.server import Server
from sendblue_data.sandbox.settings import Faults, Switches, changed
from sendblue_data.sandbox.store import Contact, Store

if TYPE_CHECKING:
    from sendblue_data.client import SendblueClient


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
        faults: faults to live through.
        **switches: any of `Switches`, and of `Faults`, by name.

    Attributes:
        url: where it listens, for `base_url`.
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
        faults: Faults | None = None,
        **switches: Any,
    ) -> None:
        self.switches, self.faults = changed(Switches(), faults or Faults(), switches)
        self.api_key = api_key or f"sandbox-{secrets.token_hex(8)}"
        self.api_secret = api_secret or secrets.token_hex(16)
        self.verifications: list[str] = []
        self.churned_in: list[str] = []
        self.churned_out: list[str] = []
        self._churn_due = 0.0
        if isinstance(contacts, str):
            raise ConfigurationError(f"contacts is the text {contacts!r}; expected a number, or rows.")
        if isinstance(contacts, int):
            contacts = people.contacts(contacts, seed=seed, null_created_at=null_created_at)
        self.store = Store(contacts, seed=seed)
        self.reset_log()
        try:
            self._server = Server(Misbehaving(self, application(self)), port=port)
        except BaseException:
            self.store.close()
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
        """Stop the server and forget the account. A second call does nothing.

        Example:
            >>> sandbox = Sandbox(3)
            >>> sandbox.close()
        """
        self._server.close()
        self.store.close()

    def client(self, **options: Any) -> SendblueClient:
        """Give a client of this account; `options` go to `SendblueClient`.

        Example:
            >>> with Sandbox(3) as sandbox, sandbox.client(retries=0) as client:
            ...     client.count_contacts()
            3
        """
        from sendblue_data.client import SendblueClient  # noqa: PLC0415 -- the sandbox stands without the client

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

        `created_at` is ISO 8601 in microseconds, whatever `timestamps` says.

        Example:
            >>> with Sandbox([{"phone": "+12125550100"}]) as sandbox:
            ...     [row["phone"] for row in sandbox.rows()]
            ['+12125550100']
        """
        return self.store.rows()

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
