"""Servers that say what they are told, byte by byte, and keep all that they were sent."""

import socket
import threading
from contextlib import suppress


def answer(body=b"", *, status="200 OK", version="1.1", headers=()):
    """Give an answer's bytes, with a body of known length."""
    lines = [f"HTTP/{version} {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


class Server:
    """Listens on loopback; each request gets the next of `answers`, and the last one again and again.

    An answer is bytes, or a function that is called with the connection.
    """

    def __init__(self, *answers, host="127.0.0.1"):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._answers = list(answers)
        self._listener = socket.socket(family)
        self._listener.bind((host, 0))
        self._listener.listen()
        self._connections = []
        self.requests = []
        self.port = self._listener.getsockname()[1]
        shown = f"[{host}]" if ":" in host else host
        self.url = f"http://{shown}:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for open_socket in (self._listener, *self._connections):
            with suppress(OSError):  # the other side was quicker
                open_socket.shutdown(socket.SHUT_RDWR)
            open_socket.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return  # closed
            self._connections.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            request = _read(connection)
            self.requests.append(request)
            due = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
            if callable(due):
                due(connection)
            else:
                connection.sendall(due)
            connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # the client left, which is what some tests are about
        finally:
            connection.close()


def _read(connection):
    received = b""
    while b"\r\n\r\n" not in received:
        received += _some(connection)
    head, _, body = received.partition(b"\r\n\r\n")
    length = next(
        (
            int(line.split(b":")[1])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length:")
        ),
        0,
    )
    while len(body) < length:
        body += _some(connection)
    return head + b"\r\n\r\n" + body


def _some(connection):
    chunk = connection.recv(65_536)
    if not chunk:
        raise ConnectionError("the client left")
    return chunk
