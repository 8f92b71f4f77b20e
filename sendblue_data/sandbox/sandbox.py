"""`Sandbox`: a Sendblue account of synthetic people on this machine, served over HTTP."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from sendblue_data.sandbox.account import Account
from sendblue_data.sandbox.api import application
from sendblue_data.sandbox.faults import Faults
from sendblue_data.sandbox.message_log import Rows
from sendblue_data.sandbox.misbehave import Misbehaving
from sendblue_data.sandbox.server import Server
from sendblue_data.sandbox.settings import Persona

if TYPE_CHECKING:
    from sendblue_data._api.client import SendblueClient


class Sandbox(Account):
    """A local account that serves the ten endpoints of the Contacts API and the list of messages, with caps and errors.

    It runs in a thread of this process from the moment it is made until `close`, or the end of the `with`.

    Args:
        contacts: how many synthetic people it starts with, or the contacts themselves as mappings with any
            fields of the API (`created_at` ISO 8601, a datetime or None; missing fields are null; a missing
            `contact_id` is made up).
        messages: how many messages its people have exchanged with the account's lines, or the messages themselves as
            mappings with any fields of the API, and `created_at`. Who stopped in them is opted out.
        seed: the same seed gives the same people and messages.
        port: port on 127.0.0.1; 0 takes a free one.
        null_created_at: share of the synthetic people without a `created_at`.
        api_key: key id to expect; made up when not given.
        api_secret: secret to expect; made up when not given.
        persona: traits that were seen together, `"observed"`: those that authors of public code saw on the real
            service. Switches that are given go before it.
        faults: faults that hit requests.
        **switches: any of `Switches`, and of `Faults`, by name.

    Attributes:
        url: where it listens, for `base_url`.
        seed: the seed.
        api_key: the key id it expects.
        api_secret: the secret it expects.
        request_log: every request: `method, path, status` (0: reset), with `.query` and `.fault`.
        max_in_flight: most requests that were open at one time.
        message_truth: what is planted in synthetic messages: `.stops`, `.exposures` and `.texts_after_stop`, frames.
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
        messages: Rows = (),
        seed: int = 0,
        port: int = 0,
        null_created_at: float = 0.0,
        api_key: str | None = None,
        api_secret: str | None = None,
        persona: Persona | None = None,
        faults: Faults | None = None,
        **switches: Any,
    ) -> None:
        super().__init__(
            contacts, seed, null_created_at, api_key, api_secret, persona, faults, switches, messages
        )
        try:
            self._server = Server(Misbehaving(self, application(self)), port=port)
        except BaseException:
            super().close()
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
        super().close()

    def client(self, **options: Any) -> SendblueClient:
        """Return a client of this account; `options` go to `SendblueClient`.

        Example:
            >>> with Sandbox(3) as sandbox, sandbox.client(retries=0) as client:
            ...     client.count_contacts()
            3
        """
        from sendblue_data._api.client import SendblueClient  # noqa: PLC0415 -- the sandbox stands without the client

        return SendblueClient(self.api_key, self.api_secret, self.url, **options)
