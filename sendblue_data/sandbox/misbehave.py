"""Between the network and the API: credentials, rate limit, latency and faults, and a log of it all."""

from __future__ import annotations

import asyncio
import math
import socket
import struct
import time
from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sendblue_data.sandbox.api import authorised, error_answer
from sendblue_data.sandbox.settings import FaultName

if TYPE_CHECKING:
    from sendblue_data.sandbox.sandbox import Sandbox

_SUCCESS = range(200, 300)
_AFTER = ("reset_after", "500_after", "cut")


class _Line(NamedTuple):
    method: str
    path: str
    status: int


class LoggedRequest(_Line):
    """One request of `Sandbox.request_log`: `method, path, status`, where status 0 means no answer.

    Attributes:
        query: the query's parameters.
        fault: the fault that hit it, or None.
    """

    query: Mapping[str, str]
    fault: str | None


class Misbehaving:
    """An ASGI application around the API's own, which does to each request what the sandbox was told."""

    def __init__(self, sandbox: Sandbox, api: ASGIApp) -> None:
        self._sandbox = sandbox
        self._api = api
        self._in_flight = 0
        self._counted = 0
        self._recent: deque[float] = deque()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        sandbox = self._sandbox
        arrived = time.monotonic()
        self._in_flight += 1
        sandbox.max_in_flight = max(sandbox.max_in_flight, self._in_flight)
        try:
            # Read whole before anything else: a client that is answered while it sends fails at random places.
            body = await _body(receive)
            if body is None:
                return
            fault, answer = await self._answer(scope, _again(body))
            # The work is done by now: it hides in the latency, so that N requests wait side by side.
            await asyncio.sleep(arrived + sandbox.faults.latency - time.monotonic())
            status = 0 if fault in ("reset", "reset_after") else answer.status
            self._log(scope, status, fault)
            if status == 0:
                await _reset(scope, receive)
            elif fault == "cut":
                await answer.send_half(scope, receive, send)
            else:
                await answer.send(send)
        finally:
            self._in_flight -= 1

    async def _answer(self, scope: Scope, receive: Receive) -> tuple[FaultName | None, _Answer]:
        sandbox = self._sandbox
        if not authorised(sandbox, dict(scope["headers"])):
            return None, await _captured(error_answer(401, "Invalid API credentials"), scope, receive)
        wait = self._over_limit()
        if wait is not None:
            headers = {"retry-after": str(math.ceil(wait))} if sandbox.switches.retry_after else {}
            return None, await _captured(error_answer(429, "Too many requests", headers), scope, receive)
        fault = self._fault(scope["method"])
        planned = self._planned(fault)
        if planned is not None:
            return fault, await _captured(planned, scope, receive)
        answer = await _captured(self._api, scope, receive)
        if fault == "500_after":
            return fault, await _captured(error_answer(500, "Internal server error"), scope, receive)
        if sandbox.switches.rewrite is not None and answer.status in _SUCCESS:
            answer.body = sandbox.switches.rewrite(scope["method"], scope["path"], answer.body)
        return fault, answer

    def _fault(self, method: str) -> FaultName | None:
        faults = self._sandbox.faults
        if faults.only != "all" and (faults.only == "reads") != (method == "GET"):
            return None
        self._counted += 1
        return faults.hit(self._counted)

    def _planned(self, fault: FaultName | None) -> ASGIApp | None:
        """Give the answer of a fault that keeps the request from the API; None to let it through."""
        if fault is None or fault in _AFTER:
            return None
        if fault == "429":
            wait = self._sandbox.faults.retry_after
            return error_answer(
                429, "Too many requests", {} if wait is None else {"retry-after": f"{wait:g}"}
            )
        if fault == "error_200":
            return error_answer(200, "Something went wrong")
        return error_answer(500, "Internal server error")

    def _over_limit(self) -> float | None:
        """Give the seconds until the rate limit lets a request through; None when it does now."""
        limit = self._sandbox.switches.rate_limit
        if limit is None:
            return None
        now = time.monotonic()
        while self._recent and self._recent[0] <= now - max(1.0, 1 / limit):
            self._recent.popleft()
        if len(self._recent) >= max(1, math.floor(limit)):
            return self._recent[0] + max(1.0, 1 / limit) - now
        self._recent.append(now)
        return None

    def _log(self, scope: Scope, status: int, fault: FaultName | None) -> None:
        line = LoggedRequest(scope["method"], scope["path"], status)
        line.query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
        line.fault = fault
        self._sandbox.request_log.append(line)


class _Answer:
    """An answer held back until its moment comes."""

    def __init__(self) -> None:
        self.status = 500
        self.headers: list[tuple[bytes, bytes]] = []
        self.body = b""

    async def take(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = [item for item in message["headers"] if item[0] != b"content-length"]
        else:
            self.body += message.get("body", b"")

    def _start(self) -> dict[str, Any]:
        length = (b"content-length", str(len(self.body)).encode())
        return {"type": "http.response.start", "status": self.status, "headers": [*self.headers, length]}

    async def send(self, send: Send) -> None:
        await send(self._start())
        await send({"type": "http.response.body", "body": self.body})

    async def send_half(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Promise the whole body, send half of it, and close."""
        await send(self._start())
        await send(
            {"type": "http.response.body", "body": self.body[: len(self.body) // 2], "more_body": True}
        )
        scope["state"]["transport"].close()
        await _gone(receive)


async def _body(receive: Receive) -> bytes | None:
    """Read a request's body; None when the client left before its end."""
    parts: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message["body"])
        if not message["more_body"]:
            return b"".join(parts)


def _again(body: bytes) -> Receive:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


async def _captured(app: ASGIApp, scope: Scope, receive: Receive) -> _Answer:
    answer = _Answer()
    await app(scope, receive, answer.take)
    return answer


async def _reset(scope: Scope, receive: Receive) -> None:
    """Cut the connection with a TCP reset rather than a polite end."""
    transport = scope["state"]["transport"]
    connection = transport.get_extra_info("socket")
    # Lingering for no time makes the kernel send RST.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
    await _gone(receive)


async def _gone(receive: Receive) -> None:
    """Wait until the server knows that the connection is gone; it would complain of a missing answer."""
    while (await receive())["type"] != "http.disconnect":
        pass
