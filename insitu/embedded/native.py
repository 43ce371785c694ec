"""The part of the NATS protocol that we need: a blocking connection to the broker's local port."""

from __future__ import annotations

import json
import secrets
import select
import socket
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from insitu.errors import RetryLater

INBOX: Final = "$INSITU"
"""First word of the subjects on which the server answers us. No subscription of an MQTT client that begins
with a wildcard hears a topic that begins with $, so the ingestor does not take an answer for a message.
"""
_SILENT: Final = "The broker does not answer on its local port."


@dataclass(frozen=True, slots=True)
class Heard:
    """A message from the server."""

    subject: str
    reply: str
    body: bytes


_PONG: Final = Heard("", "", b"")


class Link:
    """One connection. Belongs to one thread; another may `interrupt` it. Raises RetryLater at its end."""

    def __init__(self, port: int, user: str, password: str, *, timeout_s: float = 5.0) -> None:
        self._timeout_s = timeout_s
        self._text = bytearray()
        self._inbox = f"{INBOX}.{secrets.token_hex(8)}"
        login = {"user": user, "pass": password, "verbose": False, "pedantic": False, "no_responders": True}
        try:
            self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout_s)
        except OSError as error:
            raise RetryLater(_SILENT) from error
        try:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._send(f"CONNECT {json.dumps({**login, 'headers': True})}\r\n".encode())
            self.subscribe(self._inbox, 1)
            self.flush()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self.socket.close()

    def interrupt(self) -> None:
        """End it from another thread: a thread that waits for an answer gets an error."""
        with suppress(OSError):  # it has ended already
            self.socket.shutdown(socket.SHUT_RDWR)

    def subscribe(self, subject: str, number: int) -> None:
        self._send(f"SUB {subject} {number}\r\n".encode())

    def publish(self, subject: str, body: bytes, reply: str = "") -> None:
        self._send(f"PUB {subject} {reply} {len(body)}\r\n".encode() + body + b"\r\n")

    def flush(self) -> None:
        """Returns once the server has handled everything that was sent. Messages that come meanwhile are
        thrown away.
        """
        self._send(b"PING\r\n")
        limit = time.monotonic() + self._timeout_s
        while self._next(limit) != _PONG:
            pass

    def ask(self, subject: str, body: object) -> dict[str, Any]:
        """The answer to a request, as a document; empty if nobody answers it."""
        self.publish(subject, json.dumps(body).encode(), self._inbox)
        limit = time.monotonic() + self._timeout_s
        while True:
            heard = self._next(limit)
            if heard is not None and heard.subject == self._inbox:
                return dict(json.loads(heard.body)) if heard.body else {}

    def waiting(self, seconds: float, *, also: socket.socket | None = None) -> list[Heard]:
        """Messages that have come, after at most `seconds`; earlier if `also` has something to read, which is
        thrown away.
        """
        if not self._has_line():
            ready = select.select([self.socket, *([also] if also else [])], [], [], seconds)[0]
            if also in ready:
                also.recv(4096)
            if self.socket not in ready:
                return []
        found = []
        limit = time.monotonic() + self._timeout_s
        while self._has_line() or select.select([self.socket], [], [], 0)[0]:
            heard = self._next(limit)
            if heard is not None and heard != _PONG:
                found.append(heard)
        return found

    # -- lines

    def _has_line(self) -> bool:
        return b"\r\n" in self._text

    def _next(self, limit: float) -> Heard | None:
        """A message, _PONG or None, as the next line is."""
        word, *rest = self._line(limit).split(" ")
        if word in ("MSG", "HMSG"):
            return self._message(word, rest, limit)
        if word == "PONG":
            return _PONG
        if word == "PING":
            self._send(b"PONG\r\n")
        elif word == "-ERR":
            raise RetryLater(f"The broker ends its local connection: {' '.join(rest)}")
        return None

    def _message(self, word: str, rest: list[str], limit: float) -> Heard:
        sizes = 1 if word == "MSG" else 2
        body = self._bytes(int(rest[-1]) + 2, limit)[:-2]
        if sizes == 2:
            body = body[int(rest[-2]) :]
        names = rest[:-sizes]
        return Heard(names[0], names[2] if len(names) > 2 else "", body)

    def _line(self, limit: float) -> str:
        while not self._has_line():
            self._receive(limit)
        line, _, rest = bytes(self._text).partition(b"\r\n")
        self._text = bytearray(rest)
        return line.decode("utf-8", "replace")

    def _bytes(self, count: int, limit: float) -> bytes:
        while len(self._text) < count:
            self._receive(limit)
        found = bytes(self._text[:count])
        del self._text[:count]
        return found

    def _receive(self, limit: float) -> None:
        try:
            self.socket.settimeout(max(0.001, limit - time.monotonic()))
            more = self.socket.recv(262_144)
        except (OSError, ValueError) as error:
            raise RetryLater(_SILENT) from error
        if not more:
            raise RetryLater("The broker closed its local port.")
        self._text += more

    def _send(self, content: bytes) -> None:
        try:
            self.socket.settimeout(self._timeout_s)
            self.socket.sendall(content)
        except (OSError, ValueError) as error:
            raise RetryLater(_SILENT) from error
