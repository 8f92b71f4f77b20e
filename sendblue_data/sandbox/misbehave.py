"""Middleware before the API: credentials, rate limit, latency, faults, and the log of requests."""

from __future__ import annotations

import asyncio
import math
import socket
import struct
import time
from collections.abc import Mapping
from secrets import compare_digest
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sendblue_data.sandbox import cdn
from sendblue_data.sandbox.account import Account
from sendblue_data.sandbox.api import error_answer, json_answer
from sendblue_data.sandbox.faults import FaultName, LoggedRequest
from sendblue_data.sandbox.rate import RequestQuota

_KEY_HEADERS = (b"sb-api-key-id", b"sb-api-secret-key")
_SUCCESS = range(200, 300)
_AFTER = ("late", "reset_after", "500_after", "odd_status", "empty_200", "cut")
_UNANSWERED = ("reset", "late", "reset_after")
_BODILESS = {*range(100, 200), 204, 304}


class Misbehaving:
    """ASGI middleware around the API that applies the switches and faults of an account."""

    def __init__(self, account: Account, api: ASGIApp) -> None:
        self._account = account
        self._api = api
        self._in_flight = 0
        self._counted = 0
        self._quota = RequestQuota()
        self._late: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        account = self._account
        arrived = time.monotonic()
        self._in_flight += 1
        account.max_in_flight = max(account.max_in_flight, self._in_flight)
        try:
            # Read whole before anything else: a client that is answered while it sends fails at random places.
            body = await _body(receive)
            if body is None:
                return
            if account.faults.meddle is not None:
                request = _logged(scope, 0)
                request.body = body
                account.faults.meddle(account, request)
            fault, answer = await self._answer(scope, body)
            # The work is done by now: it hides in the latency, so that N requests wait side by side.
            await asyncio.sleep(arrived + account.faults.latency - time.monotonic())
            status = 0 if fault in _UNANSWERED else answer.status
            line = _logged(scope, status)
            line.fault = fault
            account.request_log.append(line)
            if status == 0:
                await _reset(scope, receive)
            elif fault == "cut":
                await answer.send_half(scope, receive, send)
            else:
                await answer.send(send)
        finally:
            self._in_flight -= 1

    async def _answer(self, scope: Scope, body: bytes) -> tuple[FaultName | None, _Answer]:
        fault, answer = await self._judged(scope, body)
        if self._account.switches.cdn_headers and not any(name == b"cf-ray" for name, _ in answer.headers):
            answer.headers += [(name.encode(), value.encode()) for name, value in cdn.headers().items()]
        return fault, answer

    async def _judged(self, scope: Scope, body: bytes) -> tuple[FaultName | None, _Answer]:
        account, switches, receive = self._account, self._account.switches, _again(body)
        refusal = self._refusal(scope, body)
        if refusal is not None:
            return None, await _captured(refusal, scope, receive)
        fault = self._fault(scope["method"])
        planned = self._planned(fault)
        if planned is not None:
            return fault, await _captured(planned, scope, receive)
        if fault == "late":
            self._land_later(scope, body)
            return fault, _Answer()
        answer = await _captured(self._api, scope, receive)
        if fault == "500_after":
            return fault, await _captured(self._error(500, "Internal server error"), scope, receive)
        if fault in ("odd_status", "empty_200"):
            status = account.faults.odd_status if fault == "odd_status" else 200
            return fault, await _captured(Response(status_code=status), scope, receive)
        if switches.rewrite is not None and answer.status in _SUCCESS and answer.status not in _BODILESS:
            answer.body = switches.rewrite(scope["method"], scope["path"], answer.body)
        return fault, answer

    def _refusal(self, scope: Scope, body: bytes) -> ASGIApp | None:
        """Return what keeps a request from being counted: keys, the rate limit, a firewall; None to let it in."""
        switches = self._account.switches
        headers = dict(scope["headers"])
        if not _is_authorised(self._account, headers):
            return _unauthorised(self._account, headers)
        wait = self._quota.wait(switches)
        if wait is not None:
            retry_after = {"retry-after": str(math.ceil(wait))} if switches.retry_after else {}
            return self._error(429, "Too many requests", retry_after)
        if (
            switches.reject_text is not None
            and scope["method"] != "GET"
            and _holds(body, switches.reject_text)
        ):
            return cdn.page(403)
        return None

    def _error(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> ASGIApp:
        return error_answer(status, message, headers, shape=self._account.switches.error_shape)

    def _land_later(self, scope: Scope, body: bytes) -> None:
        """Let a request take effect after a while, whoever is there no more to hear of it."""

        async def land() -> None:
            try:
                await asyncio.sleep(self._account.faults.late_by)
                await _captured(self._api, dict(scope), _again(body))
            finally:
                self._account.late_ended()

        self._account.late_began()
        task = asyncio.get_running_loop().create_task(land())
        self._late.add(task)  # the loop alone would let go of it
        task.add_done_callback(self._late.discard)

    def _fault(self, method: str) -> FaultName | None:
        faults = self._account.faults
        if faults.only != "all" and (faults.only == "reads") != (method == "GET"):
            return None
        self._counted += 1
        return faults.hit(self._counted)

    def _planned(self, fault: FaultName | None) -> ASGIApp | None:
        """Return the answer of a fault that keeps the request from the API; None to let it through."""
        if fault is None or fault in _AFTER:
            return None
        faults = self._account.faults
        if fault == "cdn":
            return cdn.page(faults.cdn_status)
        wait = faults.retry_after
        if fault == "503":
            return self._error(
                503, "Service unavailable", {"retry-after": f"{1 if wait is None else wait:g}"}
            )
        if fault == "429":
            return self._error(429, "Too many requests", {} if wait is None else {"retry-after": f"{wait:g}"})
        if fault == "error_200":
            return self._error(200, "Something went wrong")
        return self._error(500, "Internal server error")


def _is_authorised(account: Account, headers: Mapping[bytes, bytes]) -> bool:
    """Whether a request carries the account's key and secret."""
    key, secret = (headers.get(name, b"") for name in _KEY_HEADERS)
    return compare_digest(key, account.api_key.encode()) and compare_digest(
        secret, account.api_secret.encode()
    )


def _unauthorised(account: Account, headers: Mapping[bytes, bytes]) -> Response:
    """Refuse a request whose keys are wrong, or that has none."""
    if account.switches.errors == "plain":
        return error_answer(401, "Invalid API credentials", shape=account.switches.error_shape)
    if all(name in headers for name in _KEY_HEADERS):
        return error_answer(401, "Invalid Credentials")
    return json_answer({"message": "Did not get inputs for authorization"}, 403)


def _logged(scope: Scope, status: int) -> LoggedRequest:
    line = LoggedRequest(scope["method"], scope["path"], status)
    line.query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
    return line


def _holds(body: bytes, text: str) -> bool:
    """Whether JSON holds this text, however it was escaped."""
    try:
        body = msgspec.json.encode(msgspec.json.decode(body))
    except msgspec.DecodeError:
        return text.encode() in body
    return msgspec.json.encode(text)[1:-1] in body


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
        headers = list(self.headers)
        if self.status not in _BODILESS:  # the standard forbids a length there
            headers.append((b"content-length", str(len(self.body)).encode()))
        return {"type": "http.response.start", "status": self.status, "headers": headers}

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
