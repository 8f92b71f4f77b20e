"""The account behind a sandbox: its contacts, and the ways to change it behind the API's back."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterable, Mapping
from typing import Any

import polars as pl

from sendblue_data.errors import ConfigurationError
from sendblue_data.sandbox import message_history, people
from sendblue_data.sandbox.faults import Faults, LoggedRequest
from sendblue_data.sandbox.fields import Contact
from sendblue_data.sandbox.message_list import odd_message
from sendblue_data.sandbox.message_log import LOG_SCHEMA, MessageLog, Rows
from sendblue_data.sandbox.oddities import OddField, odd_fields
from sendblue_data.sandbox.replica import Replica
from sendblue_data.sandbox.settings import PERSONAS, Persona, changed
from sendblue_data.sandbox.shown import hidden_fields, with_int_ids
from sendblue_data.sandbox.store import Store
from sendblue_data.sandbox.switches import Switches


class Account:
    """The state that a sandbox serves; `Sandbox`, the class to use, describes its arguments and attributes."""

    def __init__(
        self,
        contacts: int | Iterable[Mapping[str, Any]],
        seed: int,
        null_created_at: float,
        api_key: str | None,
        api_secret: str | None,
        persona: Persona | None,
        faults: Faults | None,
        switches: Mapping[str, Any],
        messages: Rows = (),
    ) -> None:
        if persona is not None and persona not in PERSONAS:
            raise ConfigurationError(f"persona is {persona!r}; expected {', '.join(map(repr, PERSONAS))}.")
        if isinstance(contacts, str):
            raise ConfigurationError(f"contacts is the text {contacts!r}; expected a number, or rows.")
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
        if isinstance(contacts, int):
            contacts = people.contacts(contacts, seed=seed, null_created_at=null_created_at)
        self.message_truth: message_history.MessageTruth | None = None
        self._messages_due = 0.0
        if isinstance(messages, int):
            contacts = self._text(messages, list(contacts))
        else:
            self.message_log = MessageLog(LOG_SCHEMA.to_frame, seed=seed)
            self.message_log.add(messages)
        self.store = Store(contacts, seed=seed)
        self._replica: Replica | None = None
        self.reset_log()
        self._follow()

    def _text(self, messages: int, contacts: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """Let so many messages have been, and return the contacts as they are after them."""
        made = message_history.history(messages, contacts, seed=self.seed)
        self.message_truth = made.truth
        self.message_log = MessageLog(lambda: made.messages, seed=self.seed)
        return [
            {**contact, "opt_out": True}
            if contact.get("opt_out") is False and contact.get("phone") in made.opted_out
            else contact
            for contact in contacts
        ]

    def close(self) -> None:
        """Forget the account, late writes too."""
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
            >>> from sendblue_data import Sandbox
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

    def set(self, **changes: Any) -> None:
        """Change switches and faults while it runs, by name.

        Faults by number (`every_...`, `at`) go on counting.

        Raises:
            ConfigurationError: a name or value that the sandbox does not know.

        Example:
            >>> from sendblue_data import Sandbox
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
            >>> from sendblue_data import Sandbox
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
        """Return every contact as it is now, in order of insertion: dicts with all fields of the API.

        `created_at` is ISO 8601 in microseconds, whatever `timestamps` says. Where ids are numbers
        (`contact_ids`), `contact_id` has their digits.

        Example:
            >>> from sendblue_data import Sandbox
            >>> with Sandbox([{"phone": "+12125550100"}]) as sandbox:
            ...     [row["phone"] for row in sandbox.rows()]
            ['+12125550100']
        """
        rows = self.store.rows()
        return rows if self.switches.contact_ids == "text" else with_int_ids(rows)

    def oddities(self) -> list[OddField]:
        """Say what is odd in answers about the contacts as they are now, by `odd_values`: `phone, field, kind`.

        Kinds are `"scalar"`, `"empty"` and `"unreadable"`; `.shown` is the value in answers.

        Example:
            >>> from sendblue_data import Sandbox
            >>> with Sandbox([{"phone": "+12125550100"}], odd_values=1.0, seed=1) as sandbox:
            ...     [(*oddity, oddity.shown) for oddity in sandbox.oddities()]
            [('+12125550100', 'first_name', 'scalar', 2.5)]
        """
        hidden = hidden_fields(self.switches)
        found = odd_fields(self.store.rows(), share=self.switches.odd_values, seed=self.seed)
        return [oddity for oddity in found if oddity.field not in hidden]

    def opt_out(self, phone: str, *, opted_out: bool = True) -> None:
        """Let the person with this number opt out (or back in), as by a text: for contacts now and to come.

        Example:
            >>> from sendblue_data import Sandbox
            >>> with Sandbox([{"phone": "+12125550100"}]) as sandbox:
            ...     sandbox.opt_out("+12125550100")
            ...     sandbox.rows()[0]["opt_out"]
            True
        """
        with self.store.transaction():
            self.store.record_opt_out(phone, opted_out=opted_out)
            if self.store.get(phone) is not None:
                self.store.change(phone, {"opt_out": opted_out})
        self.message_log.mark(phone, opted_out=opted_out)

    def count(self) -> int:
        """Count the contacts.

        Example:
            >>> from sendblue_data import Sandbox
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
            >>> from sendblue_data import Sandbox
            >>> with Sandbox(3) as sandbox:
            ...     sandbox.add([{"phone": "+12125550100"}]), sandbox.count()
            (1, 4)
        """
        return self.store.add(rows)

    def remove(self, phones: Iterable[str]) -> int:
        """Delete contacts by phone, and count those that were there.

        Example:
            >>> from sendblue_data import Sandbox
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
            >>> from sendblue_data import Sandbox
            >>> with Sandbox([{"phone": "+12125550100"}]) as sandbox:
            ...     sandbox.edit("+12125550100", verified=True)["verified"]
            True
        """
        return self.store.change(phone, fields)

    def replace(self, rows: Iterable[Mapping[str, Any]], messages: Iterable[Mapping[str, Any]] = ()) -> None:
        """Start again with these contacts and messages and no opt-out records, on the same port.

        Example:
            >>> from sendblue_data import Sandbox
            >>> with Sandbox(3) as sandbox:
            ...     sandbox.replace([{"phone": "+12125550100"}])
            ...     sandbox.count()
            1
        """
        self.store.replace(rows)
        self.message_log = MessageLog(LOG_SCHEMA.to_frame, seed=self.seed)
        self.message_log.add(messages)
        self.message_truth = None
        if self._replica is not None:
            self._replica.copy()
        self.reset_log()
        self.verifications.clear()
        self.churned_in.clear()
        self.churned_out.clear()

    def opt_out_records(self) -> dict[str, bool]:
        """Return the opt-outs that are kept by number, of numbers without a contact too.

        Example:
            >>> from sendblue_data import Sandbox
            >>> with Sandbox([]) as sandbox, sandbox.client() as client:
            ...     _ = client.opt_out_contact("+12125550100")
            ...     sandbox.opt_out_records()
            {'+12125550100': True}
        """
        return self.store.opt_out_records()

    def churn(self) -> None:
        """Let contacts come and go, as `faults.churn` says; called at each list request.

        Example:
            >>> from sendblue_data import Sandbox
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

    # Messages, behind the API's back

    def messages(self) -> pl.DataFrame:
        """Return every message as it is now, in order of creation: the API's fields and `created_at`.

        Example:
            >>> from sendblue_data import Sandbox
            >>> with Sandbox(20, messages=100) as sandbox:
            ...     sandbox.messages().select("is_outbound", "created_at").shape
            (100, 2)
        """
        return self.message_log.frame()

    def add_messages(self, rows: Iterable[Mapping[str, Any]]) -> int:
        """Put messages in, and count them; a missing `created_at` is `date_sent`, or the present.

        Lists show them after `read_lag`.

        Raises:
            ConfigurationError: a field is unknown, or not of its type.

        Example:
            >>> from sendblue_data import Sandbox
            >>> with Sandbox([]) as sandbox:
            ...     sandbox.add_messages([{"number": "+12125550100", "is_outbound": False, "content": "Stop"}])
            1
        """
        return self.message_log.add(rows, lagging=self.switches.read_lag > 0)

    def change_messages(self, handles: Iterable[str], **fields: Any) -> None:
        """Set any fields of messages.

        Raises:
            ConfigurationError: a field is unknown, or not of its type.

        Example:
            >>> from sendblue_data import Sandbox
            >>> with Sandbox([], messages=[{"message_handle": "m1", "status": "SENT"}]) as sandbox:
            ...     sandbox.change_messages(["m1"], status="DELIVERED")
            ...     sandbox.messages()["status"].to_list()
            ['DELIVERED']
        """
        self.message_log.change(list(handles), fields)

    def remove_messages(self, handles: Iterable[str]) -> int:
        """Take messages away, and count those that were there.

        Example:
            >>> from sendblue_data import Sandbox
            >>> with Sandbox([], messages=[{"message_handle": "m1"}]) as sandbox:
            ...     sandbox.remove_messages(["m1", "m2"])
            1
        """
        return self.message_log.remove(handles)

    def message_oddities(self) -> list[tuple[str, str, Any, bool]]:
        """Say what is odd in answers, by `odd_messages`: handle, field, what is shown, and whether it can be read.

        Example:
            >>> from sendblue_data import Sandbox
            >>> with Sandbox([], messages=[{"message_handle": "m1"}], odd_messages=1.0) as sandbox:
            ...     [oddity[:2] for oddity in sandbox.message_oddities()]
            [('m1', 'content')]
        """
        share = self.switches.odd_messages
        return [
            (row["message_handle"], *oddity)
            for row in self.messages().iter_rows(named=True)
            if (oddity := odd_message(row, share=share, seed=self.seed)) is not None
        ]

    def churn_messages(self) -> None:
        """Let messages arrive and others change, as `faults.message_churn` says; called at each list of messages.

        Example:
            >>> from sendblue_data import Sandbox
            >>> with Sandbox([], message_churn=2) as sandbox:
            ...     sandbox.churn_messages()
            ...     sandbox.messages().height
            2
        """
        self._messages_due += self.faults.message_churn
        number = int(self._messages_due)
        if number == 0:
            return
        self._messages_due -= number
        log = self.message_log
        log.change(log.some(number), {"status": "DELIVERED", "date_updated": log.now()})
        self.add_messages(
            {
                "number": people.newcomer(nth)["phone"],
                "is_outbound": False,
                "status": "RECEIVED",
                "date_sent": log.now(),
            }
            for nth in range(number)
        )
