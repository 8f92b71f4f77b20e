"""The HTTP server: uvicorn in a thread of its own, on loopback, started and stopped without waiting."""

from __future__ import annotations

import asyncio
import importlib.util
import socket
import threading
from contextlib import suppress
from typing import Any

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.server import ServerState

from sendblue_data.errors import ConfigurationError

_HOST = "127.0.0.1"
_SECONDS_TO_STOP = 10
_TURNS_TO_CONNECT = 5
"""Turns of asyncio's loop from an accepted socket to a connection that knows its transport, with some to spare."""


class Server:
    """Serves an ASGI application until it is closed.

    The application finds its connection's transport in `scope["state"]["transport"]`, to break it.
    """

    def __init__(self, app: ASGIApp, *, port: int = 0) -> None:
        self._socket = _listen(port)
        self.port: int = self._socket.getsockname()[1]

        async def until_stopped(scope: Scope, receive: Receive, send: Send) -> None:
            with suppress(asyncio.CancelledError):  # uvicorn would print it as a failure
                await app(scope, receive, send)

        self._config = uvicorn.Config(
            until_stopped,
            http=_protocol(),
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="error",
            access_log=False,
            date_header=False,
            server_header=False,
        )
        self._config.load()
        self._state = ServerState()
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"sandbox-{self.port}", daemon=True)
        self._thread.start()
        self._ready.wait()

    def close(self) -> None:
        """Stop serving: connections are dropped, the port is free again."""
        if not self._thread.is_alive():
            return
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(_SECONDS_TO_STOP)

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._serve())
        finally:
            self._ready.set()  # whoever waits for a server that could not start must not wait for ever

    async def _serve(self) -> None:
        # uvicorn.Server polls ten times a second whether to stop and then sleeps; tests open many sandboxes.
        listener = await self._loop.create_server(self._connection, sock=self._socket)
        self._ready.set()
        await self._stop.wait()
        self._loop.remove_reader(self._socket.fileno())
        await self._turns()  # what was accepted just now becomes a connection, or nobody would close it
        listener.close()
        for connection in list(self._state.connections):
            connection.transport.abort()
        await self._turns()  # each hears that it is lost, and does not report its request as a failure
        tasks = list(self._state.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await listener.wait_closed()

    @staticmethod
    async def _turns() -> None:
        for _ in range(_TURNS_TO_CONNECT):
            await asyncio.sleep(0)

    def _connection(self) -> asyncio.Protocol:
        protocol: Any = self._config.http_protocol_class
        connection: asyncio.Protocol = protocol(
            config=self._config, server_state=self._state, app_state={}, _loop=self._loop
        )
        return connection


def _listen(port: int) -> socket.socket:
    # With the protocol named, asyncio sends small answers at once (TCP_NODELAY).
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((_HOST, port))
    except (OSError, OverflowError) as error:
        listener.close()
        raise ConfigurationError(
            f"Port {port} of {_HOST} can't be used: {error}. Take another, or 0."
        ) from None
    return listener


def _protocol() -> type[asyncio.Protocol]:
    """Return uvicorn's HTTP protocol, httptools' if it is there, with the transport laid open."""
    if importlib.util.find_spec("httptools") is not None:
        from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol as Base  # noqa: PLC0415
    else:
        from uvicorn.protocols.http.h11_impl import H11Protocol as Base  # type: ignore[assignment] # noqa: PLC0415

    class Protocol(Base):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            self.app_state = {**self.app_state, "transport": transport}
            super().connection_made(transport)

    return Protocol
