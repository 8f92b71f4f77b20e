"""The doctor's requests: reads only, few, within a minute. Failures are kept, not raised."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

from sendblue_data._api.call import CONTACTS, Call
from sendblue_data._api.client import SendblueClient
from sendblue_data._api.retries import Cancelled, retry_after_seconds
from sendblue_data._api.transport import Transport
from sendblue_data.errors import ApiError

MOST_REQUESTS = 20
LONGEST = 45.0
"""Seconds for all of it."""
LONGEST_ANSWER = 10.0
"""Seconds for one answer."""
UNTOLD_WAIT = 10.5
"""Seconds to wait after a 429 that names no time: the documented window, and a little."""
SLOWEST_GAP = 2.0
"""Seconds between two requests, at most, once the service has refused one; twice that after a second, and so on."""
TRIES = 3
"""How often a request that is turned away for a while is sent, at most; one that fails is sent twice."""
REASKED = 4
"""Requests that are sent again after a failure, at most."""

NO_ANSWER = "no answer in time"
UNASKED = "not asked, since the minute or the requests were used up"
NO_HOST = "not asked, since no host took the keys"
_TROUBLES = ("no connection within", NO_ANSWER, "the answer was cut short", "the secure connection failed")
_ERROR_KIND = re.compile(r"the connection failed \(([A-Z][A-Za-z]{2,40}):")
_PAGE = re.compile(rb"\s*<", re.ASCII)
_MESSAGES = (
    "Did not get inputs for authorization",
    "Invalid Credentials",
    "Invalid API credentials",
    "Unauthorized",
    "Forbidden",
    "Too many requests",
    "Not Found",
    "Internal server error",
)
"""What a service is known to say; the doctor repeats no other text of a server."""


@dataclass(frozen=True, kw_only=True, repr=False)
class Seen:
    """What came of one request.

    Attributes:
        status: HTTP status; None where no answer came.
        headers: by their names in lower case.
        body: the bytes of the answer.
        trouble: what happened instead of an answer, in our own words.
        sent: when it was sent, in seconds since 1970.
        took: seconds until the answer was whole.
    """

    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    trouble: str = ""
    sent: float = 0.0
    took: float = 0.0

    @cached_property
    def json(self) -> Any:
        """The body, decoded; None where it is no JSON."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None

    @property
    def asked(self) -> bool:
        """Whether it was sent at all."""
        return self.trouble not in {UNASKED, NO_HOST}

    @property
    def good(self) -> bool:
        """Whether it is an answer in JSON that reports no error."""
        if self.status is None or self.status // 100 != 2 or self.json is None:  # noqa: PLR2004
            return False
        return not isinstance(self.json, dict) or str(self.json.get("status", "")).upper() != "ERROR"

    @property
    def page(self) -> bool:
        """Whether it is a web page."""
        return (
            _PAGE.match(self.body) is not None or "text/html" in self.headers.get("content-type", "").lower()
        )

    @property
    def refused_keys(self) -> bool:
        """Whether the service, not something in front of it, turned the keys away."""
        return self.status in {401, 403} and not self.page

    @property
    def busy(self) -> bool:
        """Whether the service asks to come back later."""
        return self.status == 429 or (self.status == 503 and "retry-after" in self.headers)  # noqa: PLR2004

    @property
    def transient(self) -> bool:
        """Whether asking again may help."""
        if self.status is None:
            return self.asked
        return self.busy or self.status >= 500 or (self.status == 200 and not self.good and not self.page)  # noqa: PLR2004

    @property
    def rows(self) -> list[dict[str, Any]] | None:
        """The contacts of a list; None where the answer is no list of objects."""
        if not self.good or not isinstance(self.json, list):
            return None
        return [row for row in self.json if isinstance(row, dict)]

    @property
    def count(self) -> int | None:
        """The number of a count; None where the answer has none."""
        value = self.json.get("count") if self.good and isinstance(self.json, dict) else None
        return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None

    def __str__(self) -> str:
        """In our own words, since a server's may hold a person or a key."""
        if self.status is None:
            return self.trouble
        if self.page:
            whose = " of Cloudflare" if "cf-ray" in self.headers or b"cloudflare" in self.body.lower() else ""
            return f"status {self.status} with a web page{whose}"
        body = self.body[:4096].decode("utf-8", "replace").lower() if not self.good else ""
        said = next((text for text in _MESSAGES if text.lower() in body), "")
        shape = {dict: "an object", list: "a list", type(None): "no JSON"}.get(
            type(self.json), "JSON of another kind"
        )
        return f"status {self.status} with {repr(said) if said else shape if self.body else 'an empty body'}"


class Probe:
    """Sends reads to one host, none while the budget is used up; what was seen is kept in `seen`."""

    def __init__(self, client: SendblueClient, *, after: Probe | None = None) -> None:
        self._client = client
        self._transport: Transport = client._transport.sibling()  # noqa: SLF001 -- raw bodies and headers
        self._pace = client._pace  # noqa: SLF001 -- the only waiter
        self.began: float = after.began if after else time.monotonic()
        self._gap = 0.0
        self._refusals = 0
        self._accepted = 0
        self.seen: list[Seen] = after.seen if after else []
        self.asked_again: list[Seen] = after.asked_again if after else []

    @property
    def requests(self) -> int:
        """Requests sent so far."""
        return len(self.seen)

    @property
    def seconds(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self.began

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_ended: object) -> None:
        self._transport.close()

    def count(self) -> Seen:
        """Ask for the number of contacts."""
        return self._get(f"{CONTACTS}/count", {})

    def contacts(self, **params: object) -> Seen:
        """Ask for a page of contacts."""
        return self._get(CONTACTS, {name: str(value) for name, value in params.items()})

    def _get(self, path: str, params: Mapping[str, str]) -> Seen:
        seen = Seen(trouble=UNASKED)
        for attempt in range(TRIES):
            if not self._may_ask():
                break
            if attempt:
                self.asked_again.append(seen)
            seen = self._once(path, params)
            self.seen.append(seen)
            if not seen.transient:
                break
            if attempt + 1 == TRIES or (not seen.busy and (attempt or len(self.asked_again) >= REASKED)):
                break
            if seen.busy and not self._slow_down(seen):
                break
        return seen

    def _may_ask(self) -> bool:
        """Wait until the next request may start; False where none is left."""
        return self.requests < MOST_REQUESTS and self._pace.free_within(LONGEST - self.seconds)

    def _slow_down(self, seen: Seen) -> bool:
        """Let no request start before the service allows it, and none as fast again; False where that is too late."""
        told = retry_after_seconds(seen.headers.get("retry-after"))
        wait = UNTOLD_WAIT if told is None else told
        self._refusals += 1
        self._gap = max(self._gap, min(wait / max(1, self._accepted), SLOWEST_GAP * self._refusals))
        self._accepted = 0
        if self.seconds + wait >= LONGEST:
            return False
        self._pace.hold(wait)
        return True

    def _once(self, path: str, params: Mapping[str, str]) -> Seen:
        sent, start = time.time(), time.monotonic()
        found = self._exchange(path, params, min(LONGEST_ANSWER, LONGEST - self.seconds))
        seen = Seen(**found, sent=sent, took=time.monotonic() - start)
        self._accepted += not seen.busy
        self._pace.hold(self._gap)
        return seen

    def _exchange(self, path: str, params: Mapping[str, str], seconds: float) -> dict[str, Any]:
        # In a thread of its own, since neither a name that is slow to resolve nor an answer that comes byte by byte
        # may hold up the rest; what is left of it is broken off.
        answers: list[dict[str, Any]] = []
        transport = self._transport

        def ask() -> None:
            try:
                reply = transport.exchange(Call("GET", path), params=params)
                answers.append({"status": reply.status, "headers": reply.headers, "body": reply.body})
            except ApiError as error:
                answers.append({"trouble": _trouble(error)})
            except Cancelled:
                pass
            except Exception as error:  # noqa: BLE001 -- whatever the account does is a finding
                answers.append({"trouble": f"the request failed ({type(error).__name__})"})

        thread = threading.Thread(target=ask, name="doctor", daemon=True)
        thread.start()
        try:
            thread.join(seconds)
        finally:
            if thread.is_alive():
                transport.abort()
                self._transport = self._client._transport.sibling()  # noqa: SLF001 -- as above
        return answers[0] if answers else {"trouble": NO_ANSWER}


def _trouble(error: ApiError) -> str:
    """Say what happened in our own words: the message may quote a proxy or a certificate."""
    kind = _ERROR_KIND.match(error.message)
    if kind:
        return f"the connection failed ({kind[1]})"
    return next((words for words in _TROUBLES if error.message.startswith(words)), "no whole answer").replace(
        "no connection within", "no connection in time"
    )
