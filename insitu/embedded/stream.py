"""Bounds the broker's stream of device messages, over the broker's local port."""

from __future__ import annotations

import json
import select
import socket
import time
from collections.abc import Generator

from insitu.embedded.native import INBOX
from insitu.errors import InsituError, RetryLater

_TIMEOUT_S = 5.0
_INBOX = f"{INBOX}.insitu"
_INFO, _UPDATE = "$JS.API.STREAM.INFO.$MQTT_msgs", "$JS.API.STREAM.UPDATE.$MQTT_msgs"


def capping(port: int, password: str, max_bytes: int) -> Generator[None, None, bool]:
    """Refuse device messages beyond `max_bytes`, in short steps, so that a stopped broker blocks nobody.
    False while there is no stream yet.
    """
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=_TIMEOUT_S) as link:
            link.setblocking(False)
            talk = _Talk(link)
            login = {"user": "insitu-local", "pass": password, "verbose": False, "pedantic": False}
            yield from talk.sending(f"CONNECT {json.dumps(login)}\r\nSUB {_INBOX} 1\r\n".encode())
            stream = yield from talk.asking(_INFO, b"")
            if "config" not in stream:
                return False
            config: dict[str, object] = stream["config"]  # type: ignore[assignment]
            if config.get("discard") == "new" and _is_about(config.get("max_bytes"), max_bytes):
                # a publish during a change of the stream may get no answer, so change only if needed
                return True
            wanted = {**config, "max_bytes": max_bytes, "discard": "new"}
            refusal = (yield from talk.asking(_UPDATE, json.dumps(wanted).encode())).get("error")
    except OSError as error:
        raise RetryLater("The broker does not answer on its local port.") from error
    if refusal:
        raise InsituError(f"The broker's store could not be capped: {refusal}")
    return True


def _is_about(present: object, wanted: int) -> bool:
    """True within a quarter of `wanted`; the server's -1 means no bound."""
    return isinstance(present, int) and present > 0 and abs(present - wanted) <= wanted // 4


class _Talk:
    """The part of the NATS protocol that one request needs."""

    def __init__(self, link: socket.socket) -> None:
        self._link = link
        self._text = b""
        self._limit = time.monotonic() + 2 * _TIMEOUT_S

    def sending(self, text: bytes) -> Generator[None, None, None]:
        while text:
            yield from self._waiting(for_writing=True)
            text = text[self._link.send(text) :]

    def asking(self, subject: str, body: bytes) -> Generator[None, None, dict[str, object]]:
        """The answer to a request."""
        yield from self.sending(f"PUB {subject} {_INBOX} {len(body)}\r\n".encode() + body + b"\r\n")
        while True:
            line = yield from self._line()
            word, *rest = line.split()
            if word == "MSG":
                return dict(json.loads((yield from self._bytes(int(rest[-1]) + 2))))
            if word == "PING":
                yield from self.sending(b"PONG\r\n")
            elif word == "HMSG":  # "no responders": JetStream is not there yet
                raise RetryLater("The broker does not answer on its local port.")
            elif word == "-ERR":
                raise InsituError(f"The broker's store could not be capped: {line}")

    def _line(self) -> Generator[None, None, str]:
        while b"\r\n" not in self._text:
            yield from self._reading()
        line, _, self._text = self._text.partition(b"\r\n")
        return line.decode("utf-8", "replace")

    def _bytes(self, count: int) -> Generator[None, None, bytes]:
        while len(self._text) < count:
            yield from self._reading()
        found, self._text = self._text[:count], self._text[count:]
        return found

    def _reading(self) -> Generator[None, None, None]:
        yield from self._waiting(for_writing=False)
        more = self._link.recv(65_536)
        if not more:
            raise ConnectionResetError("the broker closed its local port")
        self._text += more

    def _waiting(self, *, for_writing: bool) -> Generator[None, None, None]:
        while True:
            readable, writable, _ = select.select(
                [] if for_writing else [self._link], [self._link] if for_writing else [], [], 0.01
            )
            if readable or writable:
                return
            if time.monotonic() > self._limit:
                raise TimeoutError("the broker is silent")
            yield
