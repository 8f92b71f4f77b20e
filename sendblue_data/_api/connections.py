"""Connections that another thread can shut down, with a time limit on the whole answer."""

from __future__ import annotations

import http.client
import io
import socket
import threading
import time
import weakref
from typing import Any

import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool


class Connections:
    """The connections that were opened, so that `abort` can reach them from another thread."""

    def __init__(self, cancelled: threading.Event) -> None:
        self._cancelled = cancelled
        self._lock = threading.Lock()
        self._opened: weakref.WeakSet[HTTPConnection] = weakref.WeakSet()

    def add(self, connection: HTTPConnection) -> None:
        """Register a connection, as long as its pool keeps it; shut it down if `abort` came first."""
        with self._lock:
            self._opened.add(connection)
        if self._cancelled.is_set():  # while it was being opened
            _shut_down(connection)

    def shut_down(self) -> None:
        """Shut them all down, whatever is under way."""
        with self._lock:
            opened = list(self._opened)
        for connection in opened:
            _shut_down(connection)


class Adapter(HTTPAdapter):
    """requests' adapter, over connections that register themselves and limit the time of a whole answer."""

    def __init__(self, connections: Connections, **options: Any) -> None:
        self._connections = connections
        super().__init__(max_retries=0, **options)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the pools for direct connections."""
        super().init_poolmanager(*args, **kwargs)
        self._use_registering(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> urllib3.ProxyManager:
        """Make the pools for connections by a proxy."""
        is_known = proxy in self.proxy_manager
        manager: urllib3.ProxyManager = super().proxy_manager_for(proxy, **kwargs)
        if not is_known:
            self._use_registering(manager)
        return manager

    def _use_registering(self, manager: urllib3.PoolManager) -> None:
        manager.pool_classes_by_scheme = {
            scheme: _registering(pool, self._connections)
            for scheme, pool in manager.pool_classes_by_scheme.items()
        }


def _registering(pool: type[HTTPConnectionPool], connections: Connections) -> type[HTTPConnectionPool]:
    """Return a pool class with such connections; the given one may be a SOCKS proxy's, or a recorder's in a test."""
    base: Any = pool.ConnectionCls

    class Connection(base):  # type: ignore[misc]
        response_class = _TimedResponse

        def connect(self) -> None:
            super().connect()
            connections.add(self)

    return type(pool.__name__, (pool,), {"ConnectionCls": Connection})


class _TimedResponse(http.client.HTTPResponse):
    """An answer that has to be complete, headers and body, within the time that a socket allows for one read.

    Without it a server could send one byte a second for ever.
    """

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(_TimedReader(sock, self.fp.detach()))

    def begin(self) -> None:
        """Read the headers, and drop malformed lines: urllib3 would log them, with keys that they may repeat."""
        super().begin()
        self.msg.defects = []
        self.msg.set_payload("")
        if self.status < 200:  # noqa: PLR2004
            # The answer that was announced may still come: the next request must not take it for its own.
            self.will_close = True


class _TimedReader(io.RawIOBase):
    def __init__(self, sock: socket.socket, raw: io.RawIOBase) -> None:
        self._sock = sock
        self._raw = raw
        self._ends = time.monotonic() + (sock.gettimeout() or 0.0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._ends - time.monotonic()
        if left <= 0:
            raise TimeoutError("the answer was not complete in time")
        self._sock.settimeout(left)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


def _shut_down(connection: HTTPConnection) -> None:
    sock = connection.sock
    if sock is not None:
        try:
            sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # already closed
