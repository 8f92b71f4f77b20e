"""An account that answers as a test tells it, header by header, and keeps what it was asked."""

import json
import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

FIRST = datetime(2026, 3, 1, 9, 30, 15, 123_456, tzinfo=UTC)


def people(number, *, step=timedelta(minutes=7, microseconds=1_003), **fields):
    """Contacts whose moments differ, the oldest first."""
    return [
        {
            "contact_id": f"id-{place}",
            "phone": f"+1212555{100 + place:04}",
            "created_at": f"{FIRST + place * step:%Y-%m-%dT%H:%M:%S.%f}Z",
            "opt_out": place % 5 == 0,
            "verified": place % 2 == 0,
            "tags": ["VIP"],
            **fields,
        }
        for place in range(number)
    ]


class Account:
    """A model of the two reads that the doctor sends, on loopback; each trait is an argument.

    `answer(path, query)` may return `(status, headers, body)` in the place of the model's own answer, or None.
    """

    def __init__(
        self,
        contacts=(),
        *,
        order=True,
        cursor="gte",
        most=1_000,
        most_offset=10_000,
        past="clamp",
        count=None,
        shown=lambda row: row,
        headers=lambda: {"Date": formatdate(usegmt=True)},
        answer=lambda _path, _query: None,
    ):
        self.contacts, self.order, self.cursor, self.most = list(contacts), order, cursor, most
        self.most_offset, self.past, self.counted = most_offset, past, count
        self.shown, self.headers, self.answer = shown, headers, answer
        self.asked = []
        account = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                account.serve(self)

            def log_message(self, *_):
                pass

            def version_string(self):
                return "model"

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()

    def serve(self, handler):
        parts = urlsplit(handler.path)
        query = dict(parse_qsl(parts.query))
        self.asked.append((handler.command, parts.path, query, dict(handler.headers), time.monotonic()))
        status, headers, body = self.answer(parts.path, query) or self._own(parts.path, query)
        handler.send_response_only(status)
        for name, value in {**self.headers(), **headers}.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def _own(self, path, query):
        if path == "/api/v2/contacts/count":
            return ok({"count": len(self.contacts) if self.counted is None else self.counted})
        rows = self.contacts
        if "created_at_gte" in query and self.cursor != "ignored":
            since = query["created_at_gte"]
            rows = [
                r
                for r in rows
                if r["created_at"] > since or (self.cursor == "gte" and r["created_at"] == since)
            ]
        offset = int(query.get("offset", 0))
        if offset > self.most_offset and self.past == "refuse":
            return error(400, "offset is too large")
        if self.past == "clamp":
            offset = min(offset, self.most_offset)
        if self.past == "ignored":
            offset = 0
        if self.order:
            by, way = query.get("order_by", "created_at"), query.get("order_direction", "desc")
            rows = sorted(rows, key=lambda row: row[by], reverse=way == "desc")
        limit = min(int(query.get("limit", 100)), self.most)
        return ok([self.shown(row) for row in rows[offset : offset + limit]])


def ok(content):
    return 200, {"Content-Type": "application/json"}, json.dumps(content).encode()


def error(status, message, **headers):
    return status, headers, json.dumps({"status": "ERROR", "message": message}).encode()
