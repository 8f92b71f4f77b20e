"""Sends one request: URL, headers, time limits, connections, and the error where no answer came."""

from __future__ import annotations

import hashlib
import http.client
import ipaddress
import os
import re
import threading
import time
import weakref
from collections.abc import Mapping
from contextlib import closing
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

import msgspec
import requests
from requests.structures import CaseInsensitiveDict
from urllib3 import BaseHTTPResponse, Timeout
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError as Urllib3Error,
    NewConnectionError,
    ProxyError,
    ReadTimeoutError,
    SSLError,
)

from sendblue_data._api.call import Call
from sendblue_data._api.connections import Adapter, Connections
from sendblue_data._api.error_responses import TOO_MANY, UNAVAILABLE, refusal_from, waits_for
from sendblue_data._api.rate_limit import Turn
from sendblue_data._api.retries import Cancelled, Pace, check_before_sending
from sendblue_data._shared.logging import log
from sendblue_data.errors import ApiError, ConfigurationError, ConnectionFailedError

CONNECT_TIMEOUT = 5.0
"""Seconds to open a connection, as in the vendor's SDK."""
LARGEST_BODY = 64 * 1024 * 1024
"""Bytes of an answer, unpacked. A page of 1,000 contacts has about 350,000."""
_SAME_SERVICE = {"api.sendblue.com": "api.sendblue.co", "localhost": "127.0.0.1", "::1": "127.0.0.1"}
_PORTS = {"http": 80, "https": 443}
_PIECE, _PACKED_PIECE = 1 << 20, 1 << 18


class Reply(NamedTuple):
    """An answer as it came, whatever its status: headers by their names in lower case, found in any."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    reason: str


class Transport:
    """Sends requests to one account over pooled connections. Safe to share between threads.

    `sibling()` returns a second one for the same account with connections of its own: a pull uses it, so
    that it can be stopped in the middle without harm to the client.
    """

    def __init__(
        self,
        base_url: str,
        headers: Mapping[str, str],
        *,
        timeout: float,
        max_connections: int,
        pace: Pace,
        slots: threading.BoundedSemaphore | None = None,
    ) -> None:
        self._base_url = base_url
        self._own_headers = headers
        self._timeout = timeout
        self.max_connections = max_connections
        self._pace = pace
        self.slots = slots or threading.BoundedSemaphore(max_connections)
        self.requests = 0
        # The environment (proxies, CA bundle) is read once: requests would read it for every call, which
        # costs more than the rest of the call, and it might add a .netrc login to ours.
        with requests.Session() as session:
            self._settings = session.merge_environment_settings(
                base_url, {}, stream=True, verify=None, cert=None
            )
            self._headers = {**session.headers, **headers}
        if is_local(base_url):
            # Keys go to this machine in plain text, and through no proxy on the way.
            self._settings["proxies"] = {}
        self._connect()
        _OPEN.add(self)

    def _connect(self) -> None:
        """Begin without a connection, and with locks that nobody holds."""
        self.cancelled = threading.Event()
        self._counting = threading.Lock()
        self._connections = Connections(self.cancelled)
        self._adapter = Adapter(
            self._connections, pool_connections=1, pool_maxsize=self.max_connections, pool_block=True
        )
        # requests finds the pool, by way of proxies, once; to go through it each time costs more than the call.
        base = requests.Request("GET", self._base_url).prepare()
        self._root = base.path_url.rstrip("/")
        try:
            self._pool: Any = self._adapter.get_connection_with_tls_context(
                base,
                verify=self._settings["verify"],
                proxies=self._settings["proxies"],
                cert=self._settings["cert"],
            )
        except (requests.RequestException, Urllib3Error, ValueError, TypeError) as error:
            # Whichever of them a proxy's address that can't be read ends in; it may hold a login.
            raise ConfigurationError(
                f"The proxy of the environment (HTTPS_PROXY, ALL_PROXY) can't be used ({type(error).__name__}): "
                "expected http://HOST:PORT, or unset it."
            ) from None

    def reset_after_fork(self, slots: threading.BoundedSemaphore) -> None:
        """Leave the connections to the process that this one was forked from: answers would go to either."""
        was_cancelled = self.cancelled.is_set()
        self._connect()
        self.slots = slots
        self._pace.reset_after_fork()
        if was_cancelled:
            self.cancelled.set()

    def __repr__(self) -> str:
        return f"Transport({self._base_url!r})"

    def sibling(self) -> Transport:
        """Return a transport with connections of its own, sharing the pace and the number of slots."""
        return Transport(
            self._base_url,
            self._own_headers,
            timeout=self._timeout,
            max_connections=self.max_connections,
            pace=self._pace,
            slots=self.slots,
        )

    def abort(self) -> None:
        """Break off every request under way, in whatever thread, and let no other one start."""
        self.cancelled.set()
        self._connections.shut_down()

    def close(self) -> None:
        """Close the idle connections."""
        self._adapter.close()

    def send(
        self, call: Call, *, params: Mapping[str, str] | None = None, body: object | None = None
    ) -> bytes:
        """Send one request, once, and return the body of a good answer.

        Raises:
            ApiError: the leaf that fits; for a write whose answer was lost, `may_have_applied` is True.
            Cancelled: `abort` was called.
        """
        status, headers, content, reason = self.exchange(call, params=params, body=body)
        if status // 100 != 2:  # noqa: PLR2004 -- the class of good answers
            raise refusal_from(status, reason, headers, content, base_url=self._base_url, call=call)
        return content

    def exchange(
        self, call: Call, *, params: Mapping[str, str] | None = None, body: object | None = None
    ) -> Reply:
        """Send one request, once, and return the answer whatever its status.

        Raises:
            ApiError: no whole answer came.
            Cancelled: `abort` was called.
        """
        sent = {} if body is None else {"body": msgspec.json.encode(body)}
        content_type = {} if body is None else {"Content-Type": "application/json"}
        with self.slots:
            turn = self._pace.wait(self.cancelled)
            try:
                if call.is_write:
                    check_before_sending()
                with self._counting:
                    self.requests += 1
                started = time.monotonic()
                response = self._pool.urlopen(
                    call.method,
                    f"{self._root}{call.path}?{urlencode(params)}" if params else self._root + call.path,
                    **sent,
                    headers={**self._headers, **content_type},
                    retries=False,
                    redirect=False,
                    assert_same_host=False,
                    timeout=Timeout(connect=CONNECT_TIMEOUT, read=self._timeout),
                    preload_content=False,
                    decode_content=False,
                )
                with closing(response):  # which gives back one that was read to its end
                    content = self._read_body(response)
                self._note_answer(turn, response)
            except (Urllib3Error, OSError, _TooLargeError) as error:
                if self.cancelled.is_set():
                    raise Cancelled from None
                raise _connection_error(error, call) from None
            except BaseException as error:  # noqa: BLE001 -- it goes on, without what it passed on its way
                # The frames below hold the headers, and tracebacks may print local variables.
                raise error.with_traceback(None) from None
            finally:
                self._pace.ended(turn)
        log.debug("%s: %s in %.3f s", call.endpoint, response.status, time.monotonic() - started)
        headers = CaseInsensitiveDict({name.lower(): value for name, value in response.headers.items()})
        return Reply(response.status, headers, content, response.reason or "")

    def _note_answer(self, turn: Turn, response: BaseHTTPResponse) -> None:
        """Tell the pace whether the server took the request."""
        status, wait = response.status, waits_for(response.status, response.headers)
        if status == TOO_MANY or (status == UNAVAILABLE and wait is not None):
            self._pace.refused(turn, wait, teaches=status == TOO_MANY)
        else:
            self._pace.accepted(turn)

    def _read_body(self, response: BaseHTTPResponse) -> bytes:
        """Read an answer, as far as that is not too large; one that is not packed without going through buffers."""
        is_packed = "content-encoding" in response.headers
        pieces: list[bytes] = []
        size = 0
        while piece := response.read(_PACKED_PIECE if is_packed else _PIECE, decode_content=is_packed):
            pieces.append(piece)
            size += len(piece)
            if size > LARGEST_BODY:
                raise _TooLargeError(f"the answer is larger than {LARGEST_BODY:,} bytes")
        return b"".join(pieces)


class _TooLargeError(Exception):
    pass


def check_base_url(url: str) -> str:
    """Return the URL without a slash or the API's own path at its end, if keys may be sent there.

    Raises:
        ConfigurationError: it is not https and not on this machine, or it holds a login or a query.

    Example:
        >>> check_base_url("http://127.0.0.1:8000/")
        'http://127.0.0.1:8000'
        >>> check_base_url("https://api.sendblue.co/api/v2/")
        'https://api.sendblue.co'
        >>> check_base_url("http://api.example.com")
        Traceback (most recent call last):
        ...
        sendblue_data.errors.ConfigurationError: base_url is http://api.example.com: keys go over https ...
    """
    if not isinstance(url, str):
        raise ConfigurationError(f"base_url is {type(url).__name__}: expected text, https://HOST.")
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError:
        host = ""
    if not host or parts.scheme not in {"http", "https"}:
        # Not repeated: it may be a key in the wrong place, or hold a login.
        raise ConfigurationError(
            "base_url can't be read as a URL: expected https://HOST, such as https://api.sendblue.co."
        ) from None
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ConfigurationError("base_url must have no login, query or fragment: keys go in headers only.")
    if parts.scheme == "http" and not _is_loopback(host):
        raise ConfigurationError(
            f"base_url is http://{host}: keys go over https only, except to this machine (127.0.0.1, localhost, ::1)."
        )
    return re.sub(r"(/+api/v2(/+contacts)?)?/*$", "", url)


_OPEN: weakref.WeakSet[Transport] = weakref.WeakSet()


def _reset_after_fork() -> None:
    slots: dict[threading.BoundedSemaphore, threading.BoundedSemaphore] = {}
    for transport in list(_OPEN):
        anew = threading.BoundedSemaphore(transport.max_connections)
        shared = slots.setdefault(transport.slots, anew)
        transport.reset_after_fork(shared)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_after_fork)


def is_local(base_url: str) -> bool:
    """Whether an address is on this machine."""
    return _is_loopback(urlsplit(base_url).hostname or "")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def account_label(base_url: str, api_key: str) -> str:
    """Return a name for the account that does not show its key: the service and eight hex digits of the key's SHA-256.

    One service has one name, however its address is written.

    Example:
        >>> account_label("https://api.sendblue.co", "made-up-key")
        'api.sendblue.co/1f0991eb'
        >>> account_label("https://API.sendblue.com.:443/", "made-up-key")
        'api.sendblue.co/1f0991eb'
    """
    parts = urlsplit(base_url)
    host = (parts.hostname or "").rstrip(".")
    host = _SAME_SERVICE.get(host, f"[{host}]" if ":" in host else host)
    port = "" if parts.port in (None, _PORTS.get(parts.scheme)) else f":{parts.port}"
    return f"{host}{port}/{hashlib.sha256(api_key.encode()).hexdigest()[:8]}"


def _connection_error(error: Exception, call: Call) -> ApiError:
    log.debug("%s: no whole answer (%s)", call.endpoint, type(error).__name__)
    if isinstance(error, _TooLargeError):
        return call.unexpected(f"{error}.", status=None)
    causes = list(_causes(error))
    never_sent = any(isinstance(cause, ConnectTimeoutError | ProxyError) for cause in causes)
    if isinstance(error, ConnectTimeoutError) and not isinstance(error, NewConnectionError):
        message = f"no connection within {CONNECT_TIMEOUT:g} seconds"
    elif any(isinstance(cause, TimeoutError | ReadTimeoutError) for cause in causes):
        message = "no answer in time"
    elif any(isinstance(cause, http.client.IncompleteRead) for cause in causes):
        message = "the answer was cut short"
    elif isinstance(error, SSLError):
        message = f"the secure connection failed ({causes[-1]})"
    else:
        message = f"the connection failed ({type(causes[-1]).__name__}: {causes[-1]})"
    may_have_applied = call.is_write and not never_sent
    return ConnectionFailedError(f"{message}.", may_have_applied=may_have_applied, **call._asdict())


def _causes(error: BaseException) -> list[BaseException]:
    """Return an error and its causes: requests and urllib3 nest them several levels deep.

    Not `__context__`: that may be an earlier request's error, whose handler sent this one.
    """
    found: list[BaseException] = []
    queue: list[object] = [error]
    while queue:
        item = queue.pop(0)
        if isinstance(item, BaseException) and item not in found:
            found.append(item)
            queue += [item.__cause__, getattr(item, "reason", None), *item.args]
    return found
