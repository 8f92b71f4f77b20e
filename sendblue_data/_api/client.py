"""SendblueClient: one method for each endpoint of the Contacts API, and for the list of messages.

Longer than other modules, by the docstrings of eleven endpoints that are best read side by side.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from random import Random
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote

import polars as pl

from sendblue_data._api.call import CONTACTS, LIST, MESSAGES, Call
from sendblue_data._api.credentials import credential, hidden, without_credentials
from sendblue_data._api.decoding import DecodedPage, Oddity, decode_page, refuse_oddities
from sendblue_data._api.environment import NAMES, read_env_file
from sendblue_data._api.message_decoding import LIST_MESSAGES, MessagePage, decode_messages
from sendblue_data._api.responses import (
    amount_answer,
    contact_answer,
    contacts_answer,
    count_answer,
    object_from,
    opt_out_answer,
)
from sendblue_data._api.retries import Pace, read_with_retries
from sendblue_data._api.transport import Transport, account_label, check_base_url, is_local
from sendblue_data._shared.keywords import Language, check_languages
from sendblue_data._shared.time import Moment, moment, to_iso
from sendblue_data._shared.validation import check_number, is_whole_from
from sendblue_data._shared.warned import warn
from sendblue_data.display.cards import card_html
from sendblue_data.errors import ApiError, ConfigurationError, RepairedFieldWarning

DEFAULT_BASE_URL = "https://api.sendblue.co"
Parsed = TypeVar("Parsed")


class SendblueClient:
    """A connection to one Sendblue account.

    Each method sends one request (and, for reads only, its retries), and raises the leaf of `ApiError` that fits
    where that fails. Safe to share between threads. Use it as a context manager, or call `close`.

    Args:
        api_key: the key's id; from `SENDBLUE_API_API_KEY` when not given.
        api_secret: the key's secret; from `SENDBLUE_API_API_SECRET` when not given.
        base_url: from `SENDBLUE_API_BASE_URL` when not given, else `https://api.sendblue.co`. Must be https,
            except on this machine.
        timeout: seconds to wait for an answer (5 to connect).
        max_connections: requests under way at once, over all threads.
        requests_per_second: a limit to keep, over all threads; None for the documented 100 requests in 10
            seconds, and on this machine for none. After a 429 the client learns the limit that there is.
        retries: how often a read is tried again after 5xx, a reset or a body cut short. After 429, and 503 with
            `Retry-After`, it is whenever the limit lets it. Writes are sent once: an error whose
            `may_have_applied` is True says that the account must be asked.

    Raises:
        ConfigurationError: a credential is missing, or an option can't be used.

    Example:
        >>> SendblueClient("made-up-key", "made-up-secret", "https://api.example.com")
        SendblueClient(account='api.example.com/1f0991eb')

        What the examples of the methods go on from:

        >>> from sendblue_data import Sandbox
        >>> sandbox = Sandbox([{"phone": "+12125550100", "first_name": "Ann"}, {"phone": "+12125550101"}])
        >>> client = sandbox.client()
        >>> client.close()
        >>> sandbox.close()
    """

    account = "not set up"  # until it is: a traceback may print a client whose options were refused

    def __init__(
        self,
        api_key: str | None = None,
        api_secret: str | None = None,
        base_url: str | None = None,
        *,
        timeout: float = 60,
        max_connections: int = 8,
        requests_per_second: float | None = None,
        retries: int = 5,
    ) -> None:
        api_key, api_secret = hidden(api_key), hidden(api_secret)  # tracebacks may print local variables
        key = credential("api_key", api_key, "SENDBLUE_API_API_KEY")
        secret = credential("api_secret", api_secret, "SENDBLUE_API_API_SECRET")
        check_number("timeout", timeout, lambda given: 0 < given < math.inf, "a number of seconds above 0")
        check_number("max_connections", max_connections, is_whole_from(1), "a whole number, 1 or more")
        if requests_per_second is not None:
            check_number(
                "requests_per_second",
                requests_per_second,
                lambda given: given > 0,
                "a number above 0, or None",
            )
        check_number("retries", retries, is_whole_from(0), "a whole number, 0 or more")
        self.base_url = check_base_url(
            base_url or os.environ.get("SENDBLUE_API_BASE_URL") or DEFAULT_BASE_URL
        )
        self.account = account_label(self.base_url, key)
        self.max_connections = max_connections
        self.timeout = timeout
        self._retries = retries
        self._pace = Pace(requests_per_second, is_local=is_local(self.base_url))
        self._jitter = Random()  # noqa: S311 -- spreads retries, keeps no secret
        self._announced: set[str] = set()
        self._repaired: set[tuple[str, str]] = set()
        self._credentials = (key, secret)
        self._transport = Transport(
            self.base_url,
            {
                "sb-api-key-id": key,
                "sb-api-secret-key": secret,
                "Accept": "application/json",
                "User-Agent": "sendblue-data",
            },
            timeout=timeout,
            max_connections=max_connections,
            pace=self._pace,
        )

    @classmethod
    def from_env(cls, path: str | os.PathLike[str] | None = None, **options: Any) -> Self:
        r"""Return a client of the account that an env file names.

        Nobody loads a `.env` by itself, and no environment variable is set here: the file's values go to this client
        alone. A name that the file lacks is taken from the environment.

        Args:
            path: the file, of `NAME=value` lines; None for the environment alone.
            **options: as of `SendblueClient`.

        Raises:
            ConfigurationError: the file can't be read, or a credential is missing.

        Example:
            >>> import os, tempfile
            >>> with tempfile.NamedTemporaryFile("w", suffix=".env") as file:
            ...     _ = file.write("SENDBLUE_API_API_KEY=a-made-up-key\nSENDBLUE_API_API_SECRET=made-up\n")
            ...     file.flush()
            ...     SendblueClient.from_env(file.name)
            SendblueClient(account='api.sendblue.co/cf4b3a21')
        """
        found = {} if path is None else read_env_file(path)
        names = dict(zip(("api_key", "api_secret", "base_url"), NAMES, strict=True))
        return cls(
            **{name: found[variable] for name, variable in names.items() if variable in found} | options
        )

    def __repr__(self) -> str:
        return f"SendblueClient(account={self.account!r})"

    def _repr_html_(self) -> str:
        rows = [
            ("connections", f"{self.max_connections} at most"),
            ("timeout", f"{self.timeout} s"),
            ("keys", "held, and shown nowhere"),
        ]
        return card_html("Sendblue account", rows, self.account, "doctor(client) says what holds of it.")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __reduce__(self) -> tuple[object, ...]:
        """Refuse to be pickled: a pickle would hold the secret in plain text."""
        raise TypeError(
            "A SendblueClient can't be pickled: it holds the account's secret. Make one where it is used."
        )

    def close(self) -> None:
        """Close the connections that are open. The client can be used again; it opens new ones.

        Example:
            >>> client.close()
            >>> client.count_contacts()
            2
        """
        self._transport.close()

    @property
    def requests(self) -> int:
        """Number of requests sent so far, retries included.

        Example:
            >>> _ = client.count_contacts(), client.list_contacts()
            >>> client.requests
            2
        """
        return self._transport.requests

    def stoppable(self) -> SendblueClient:
        """Return a client of the same account whose requests `abort` can break off without harm to this one.

        Example:
            >>> twin = client.stoppable()
            >>> twin.account == client.account
            True
        """
        twin = object.__new__(type(self))
        twin.__dict__.update(self.__dict__)
        twin._transport = self._transport.sibling()
        return twin

    def abort(self) -> None:
        """Break off all requests under way, in every thread; for a client made by `stoppable`.

        Example:
            >>> twin = client.stoppable()
            >>> twin.abort()
            >>> client.count_contacts()
            2
        """
        self._transport.abort()

    # Reads ------------------------------------------------------------------------------------------------

    def list_contacts(
        self,
        *,
        limit: int | None = None,
        offset: int | None = None,
        created_at_gte: Moment | None = None,
        order_by: str | None = None,
        order_direction: str | None = None,
        phone: str | None = None,
        contact_id: str | None = None,
        strict: bool = False,
    ) -> pl.DataFrame:
        """List one page of contacts: `GET /api/v2/contacts`.

        Args:
            limit: contacts in the page; the API's default is 100 and its cap 1,000.
            offset: contacts to skip; capped at 10,000, so use `pull_contacts` for all of them.
            created_at_gte: only contacts created at or after this moment; without an offset it is UTC, and a date
                is its first moment.
            order_by: a field's name.
            order_direction: `"asc"` or `"desc"`.
            phone: only the contact with this number, in E.164 form.
            contact_id: only the contact with this id.
            strict: raise for a field that can't be read. Otherwise it is null, and a `RepairedFieldWarning`
                tells of each kind once.

        Returns:
            A contacts frame (`CONTACT_SCHEMA`), a row a contact.

        Raises:
            ConfigurationError: `created_at_gte` is no moment.
            UnexpectedAnswerError: the answer is no list of contacts, or `strict` and a field can't be read.

        Example:
            >>> client.list_contacts(phone="+12125550100").select("phone", "first_name").rows()
            [('+12125550100', 'Ann')]
            >>> client.list_contacts(limit=1).shape
            (1, 12)
        """
        page = self._list_page(
            limit=limit,
            offset=offset,
            created_at_gte=None if created_at_gte is None else moment("created_at_gte", created_at_gte),
            order_by=order_by,
            order_direction=order_direction,
            phone_number=phone,
            cid=contact_id,
            strict=strict,
        )
        self._warn_of(page.oddities)
        return page.frame

    def _list_page(
        self, *, created_at_gte: datetime | None = None, strict: bool = False, **asked: object
    ) -> DecodedPage:
        """List one page of contacts, with what could not be read of it."""
        asked["created_at_gte"] = None if created_at_gte is None else to_iso(created_at_gte)

        def parse(body: bytes, call: Call) -> DecodedPage:
            return decode_page(body, call, announced=self._announced, credentials=self._credentials)

        params = {name: str(value) for name, value in asked.items() if value is not None}
        page = self._read(CONTACTS, parse, params)
        if strict:
            refuse_oddities(page.oddities, LIST)
        return page

    def _warn_of(self, oddities: Sequence[Oddity]) -> None:
        """Warn once of each kind of field that could not be read."""
        kinds = {(field, kind) for _, field, kind in oddities} - self._repaired
        self._repaired |= kinds
        if kinds:
            told = ", ".join(f"{field} ({kind})" for field, kind in sorted(kinds))
            warn(
                f"The API sent fields that can't be read, and are null in the frame: {told}.",
                RepairedFieldWarning,
            )

    def count_contacts(self) -> int:
        """Count the account's contacts: `GET /api/v2/contacts/count`.

        Example:
            >>> client.count_contacts()
            2
        """
        return self._read(f"{CONTACTS}/count", count_answer)

    def get_contact(self, phone: str) -> dict[str, Any]:
        """Get one contact: `GET /api/v2/contacts/{phone_number}`.

        Returns:
            A dict with every field of `CONTACT_SCHEMA`, None where the API did not say; `contact_id` is
            given in lists only.

        Raises:
            NotFoundError: no such contact.

        Example:
            >>> client.get_contact("+12125550100")["first_name"]
            'Ann'
        """
        contact, oddities = self._read(_contact_path(phone), contact_answer)
        self._warn_of(oddities)
        return contact

    def list_messages(
        self,
        *,
        limit: int | None = None,
        offset: int | None = None,
        phone: str | None = None,
        from_number: str | None = None,
        to_number: str | None = None,
        sendblue_number: str | None = None,
        is_outbound: bool | None = None,
        status: str | None = None,
        service: str | None = None,
        message_type: str | None = None,
        group_id: str | None = None,
        created_at_gte: Moment | None = None,
        created_at_lte: Moment | None = None,
        sent_at_gte: Moment | None = None,
        sent_at_lte: Moment | None = None,
        updated_at_gte: Moment | None = None,
        updated_at_lte: Moment | None = None,
        account_email: str | None = None,
        worker_id: str | None = None,
        order_by: str | None = None,
        order_direction: str | None = None,
        content: bool = False,
        languages: Sequence[Language] = (),
        strict: bool = False,
    ) -> pl.DataFrame:
        """List one page of messages: `GET /api/v2/messages`.

        Args:
            limit: messages in the page.
            offset: messages to skip. How far it reaches is not documented: use `pull_messages` for all of them.
            phone: only messages from or to this number, in E.164 form (the API's `number`).
            from_number: only messages from this number.
            to_number: only messages to this number.
            sendblue_number: only messages of this line of the account.
            is_outbound: only what the account sent (True), or what it got (False).
            status: `"DELIVERED"`, `"DECLINED"`, ...
            service: `"iMessage"`, `"SMS"` or `"RCS"`.
            message_type: `"message"` or `"group"`.
            group_id: only messages of this group.
            created_at_gte: only messages created at or after this moment; without an offset it is UTC, and a date is
                its first moment. No answer shows when a message was created.
            created_at_lte: at or before this moment.
            sent_at_gte: only messages sent (`date_sent`) at or after this moment.
            sent_at_lte: at or before this moment.
            updated_at_gte: only messages updated (`date_updated`) at or after this moment.
            updated_at_lte: at or before this moment.
            account_email: only messages of this account.
            worker_id: for administrators, says the vendor.
            order_by: `"createdAt"`, `"updatedAt"` or `"sentAt"`.
            order_direction: `"asc"` or `"desc"`.
            content: keep the texts. Otherwise `content` is null, and `keyword` and `content_length` are all that
                is left of them.
            languages: whose words for stop and start to know besides the service's, such as `["fr", "es"]`.
            strict: raise for a field that can't be read. Otherwise it is null, and a `RepairedFieldWarning` tells of
                each kind once.

        Returns:
            A messages frame (`MESSAGE_SCHEMA`), a row a message.

        Raises:
            ConfigurationError: a moment is none, or a language is not known.
            UnexpectedAnswerError: the answer is no list of messages, or `strict` and a field can't be read.

        Example:
            >>> client.list_messages(phone="+12125550100", is_outbound=False).shape
            (0, 25)
        """
        asked = {
            "created_at_gte": created_at_gte,
            "created_at_lte": created_at_lte,
            "sent_at_gte": sent_at_gte,
            "sent_at_lte": sent_at_lte,
            "updated_at_gte": updated_at_gte,
            "updated_at_lte": updated_at_lte,
        }
        page = self._messages_page(
            content=content,
            languages=check_languages(languages),
            strict=strict,
            limit=limit,
            offset=offset,
            number=phone,
            from_number=from_number,
            to_number=to_number,
            sendblue_number=sendblue_number,
            is_outbound=None if is_outbound is None else str(bool(is_outbound)).lower(),
            status=status,
            service=service,
            message_type=message_type,
            group_id=group_id,
            account_email=account_email,
            worker_id=worker_id,
            order_by=order_by,
            order_direction=order_direction,
            **{name: None if at is None else to_iso(moment(name, at)) for name, at in asked.items()},
        )
        self._warn_of(page.oddities)
        return page.frame

    def _messages_page(
        self, *, content: bool, languages: Sequence[Language] = (), strict: bool = False, **asked: object
    ) -> MessagePage:
        """List one page of messages, with what could not be read of it and what it says of the whole list."""

        def parse(body: bytes, call: Call) -> MessagePage:
            return decode_messages(
                body,
                call,
                content=content,
                languages=languages,
                announced=self._announced,
                credentials=self._credentials,
            )

        params = {name: str(value) for name, value in asked.items() if value is not None}
        page = self._read(MESSAGES, parse, params)
        if strict:
            refuse_oddities(page.oddities, LIST_MESSAGES)
        return page

    # Writes -----------------------------------------------------------------------------------------------

    def create_contact(
        self,
        phone: str,
        *,
        first_name: str | None = None,
        last_name: str | None = None,
        assigned_to_email: str | None = None,
        sendblue_number: str | None = None,
        tags: Sequence[str] | None = None,
        custom_variables: Mapping[str, str] | None = None,
        update_if_exists: bool | None = None,
    ) -> dict[str, Any]:
        """Create one contact: `POST /api/v2/contacts`. Fields that are None are not sent.

        Returns:
            The contact, as in `get_contact`.

        Raises:
            ConflictError: it exists, and `update_if_exists` is not True.
            InvalidRequestError: a field is missing or not accepted.

        Example:
            >>> client.create_contact("+12125550102", tags=["VIP"])["tags"]
            ['VIP']
        """
        body = _given(
            number=phone,
            first_name=first_name,
            last_name=last_name,
            assigned_to_email=assigned_to_email,
            sendblue_number=sendblue_number,
            tags=tags,
            custom_variables=custom_variables,
            update_if_exists=update_if_exists,
        )
        return self._write("POST", CONTACTS, body, contact_answer)[0]

    def update_contact(
        self,
        phone: str,
        *,
        first_name: str | None = None,
        last_name: str | None = None,
        company_name: str | None = None,
        assigned_to_email: str | None = None,
        sendblue_number: str | None = None,
        tags: Sequence[str] | None = None,
        custom_variables: Mapping[str, str] | None = None,
        opt_out: bool | None = None,
    ) -> dict[str, Any]:
        """Update one contact: `PUT /api/v2/contacts/{phone_number}`. Fields that are None are not sent.

        Tags are replaced by those given; custom variables are merged into those that are there.

        Returns:
            The contact, as in `get_contact`.

        Raises:
            NotFoundError: no such contact.
            InvalidRequestError: a field is not accepted.

        Example:
            >>> client.update_contact("+12125550100", company_name="Acme")["company_name"]
            'Acme'
        """
        body = _given(
            first_name=first_name,
            last_name=last_name,
            company_name=company_name,
            assigned_to_email=assigned_to_email,
            sendblue_number=sendblue_number,
            tags=tags,
            custom_variables=custom_variables,
            opt_out=opt_out,
        )
        return self._write("PUT", _contact_path(phone), body, contact_answer)[0]

    def delete_contact(self, phone: str) -> None:
        """Delete one contact: `DELETE /api/v2/contacts/{phone_number}`.

        Raises:
            NotFoundError: no such contact.

        Example:
            >>> client.delete_contact("+12125550101")
            >>> client.count_contacts()
            1
        """
        self._write("DELETE", _contact_path(phone), None, object_from)

    def opt_out_contact(self, phone: str, *, opted_out: bool = True) -> dict[str, Any]:
        """Opt one contact out, or back in: `POST /api/v2/contacts/opt-out`.

        Returns:
            `{"phone": str | None, "opted_out": bool | None}`, as the API answered.

        Example:
            >>> client.opt_out_contact("+12125550100")
            {'phone': '+12125550100', 'opted_out': True}
        """
        body = {"number": phone, "opted_out": opted_out}
        return self._write("POST", f"{CONTACTS}/opt-out", body, opt_out_answer)

    def verify_contact(self, phone: str) -> None:
        """Send one contact a verification message: `POST /api/v2/contacts/verify`.

        Example:
            >>> client.verify_contact("+12125550100")
            >>> sandbox.verifications
            ['+12125550100']
        """
        self._write("POST", f"{CONTACTS}/verify", {"number": phone}, object_from)

    def bulk_create_contacts(self, contacts: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
        """Create several contacts: `POST /api/v2/contacts/bulk`.

        Args:
            contacts: mappings with `phone` (required), `first_name`, `last_name`, `company_name`, `tags`,
                `custom_variables`. The API takes no other field here: `bulk_create` writes the rest too.

        Returns:
            The contacts of the answer, as a contacts frame; without rows where it lists none. The API does
            not say whether it lists all or only those that are new.

        Raises:
            ConflictError, InvalidRequestError: the request was refused.

        Example:
            >>> client.bulk_create_contacts([{"phone": "+12125550102"}])["phone"].to_list()
            ['+12125550102']
        """
        body = {"contacts": [dict(row) for row in contacts]}
        return self._write("POST", f"{CONTACTS}/bulk", body, contacts_answer)

    def bulk_delete_contacts(self, phones: Sequence[str]) -> int | None:
        """Delete several contacts: `DELETE /api/v2/contacts` with the numbers in the body.

        Args:
            phones: numbers in E.164 form. The API's field is called `contact_ids`, and takes numbers.

        Returns:
            The answer's `amount`, or None where it gives none. The API does not say whether it counts only
            those that existed.

        Example:
            >>> client.bulk_delete_contacts(["+12125550101"])
            1
        """
        return self._write("DELETE", CONTACTS, {"contact_ids": list(phones)}, amount_answer)

    # ------------------------------------------------------------------------------------------------------

    def _read(
        self, path: str, parse: Callable[[bytes, Call], Parsed], params: Mapping[str, str] | None = None
    ) -> Parsed:
        """Send a read, and again where that may help; parsed within, since a body cut short is a try lost."""
        call = Call("GET", path)
        return self._hiding_credentials(
            lambda: read_with_retries(
                lambda: parse(self._transport.send(call, params=params), call),
                retries=self._retries,
                pace=self._pace,
                cancelled=self._transport.cancelled,
                jitter=self._jitter,
            )
        )

    def _write(
        self, method: str, path: str, body: object | None, parse: Callable[[bytes, Call], Parsed]
    ) -> Parsed:
        """Send a write, once."""
        call = Call(method, path)
        return self._hiding_credentials(lambda: parse(self._transport.send(call, body=body), call))

    def _hiding_credentials(self, call: Callable[[], Parsed]) -> Parsed:
        """Make a call whose error shows neither key nor secret: a server, or a proxy, may repeat them."""
        try:
            return call()
        except ApiError as error:
            error.message = without_credentials(error.message, self._credentials)
            error.args = (error.message,)
            error.__context__ = None  # what it was made of says the same, and some loggers print it all
            # The frames below hold the answer, and tracebacks may print local variables.
            raise error.with_traceback(None) from None


def _contact_path(phone: str) -> str:
    # Of a path, an empty part and dots are dropped: such a request would go to all contacts, not to one.
    if phone in {"", ".", ".."}:
        raise ConfigurationError(
            f"phone is {phone!r}: expected a number in E.164 form, such as +15551234567."
        )
    return f"{CONTACTS}/{quote(phone, safe='')}"


def _given(**fields: object) -> dict[str, object]:
    return {name: value for name, value in fields.items() if value is not None}
