"""MQTT connections and stored sessions of the NATS server: looks at them and ends them."""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import ssl
import string
from dataclasses import dataclass
from typing import Any, Final

from insitu.embedded.native import Link
from insitu.embedded.users import BrokerUser, subjects
from insitu.errors import RetryLater

_LETTERS: Final = string.digits + string.ascii_uppercase + string.ascii_lowercase
_HASH_LETTERS: Final = 8
_TIMEOUT_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Client:
    """A connection of an MQTT client, which may still wait for its answer."""

    number: int
    user: str
    client_id: str


class Sessions:
    """`system`: a link in the system account; `local`: one that may read the stored sessions."""

    def __init__(self, system: Link, local: Link) -> None:
        self._system, self._local = system, local
        self._server = ""

    def connections(self, client_id: str = "") -> list[Client]:
        """Open MQTT connections; with `client_id` only those of that id."""
        query: dict[str, Any] = {"auth": True, "limit": 100_000}
        if client_id:
            query["mqtt_client"] = client_id
        answer = self._system.ask("$SYS.REQ.SERVER.PING.CONNZ", query)
        return [
            Client(int(one["cid"]), str(one.get("authorized_user", "")), str(one.get("mqtt_client", "")))
            for one in answer["data"].get("connections") or ()
            if one.get("type") == "mqtt"
        ]

    def cut(self, number: int) -> None:
        """End a connection without a word; nothing happens if it has ended."""
        if not self._server:
            self._server = self._system.ask("$SYS.REQ.SERVER.PING.IDZ", {})["id"]
        self._system.ask(f"$SYS.REQ.SERVER.{self._server}.KICK", {"cid": number})

    def may_take(self, client_id: str, user: BrokerUser) -> bool:
        """False if there is a stored session of that id that hears what `user` may not hear: it is
        another's, from a version that kept no record of ids.
        """
        answer = self._local.ask(
            "$JS.API.STREAM.MSG.GET.$MQTT_sess", {"last_by_subj": f"$MQTT.sess.{session_name(client_id)}"}
        )
        if "message" not in answer:
            return True
        session = json.loads(base64.b64decode(answer["message"].get("data", "")))
        if session.get("id") != client_id:
            return True
        allowed = set(subjects(user.subscribe))
        return all(
            heard.removesuffix(".>") in allowed or heard in allowed for heard in session.get("subs") or ()
        )


def session_name(client_id: str) -> str:
    """How the server calls the session of a client id in its store."""
    digest = hashlib.sha256(client_id.encode()).digest()
    return "".join(_LETTERS[byte % len(_LETTERS)] for byte in digest[:_HASH_LETTERS])


def discard(address: tuple[str, int], client_id: str, user: str, password: str, *, secure: bool) -> None:
    """Discard the session of a client id, as MQTT does it: by a clean connection under that id."""
    host, port = address
    here = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
    try:
        with socket.create_connection((here, port), timeout=_TIMEOUT_S) as plain:
            link = _encrypted(plain) if secure else plain
            link.sendall(_connect_packet(client_id, user, password))
            answer = link.recv(4)
            if len(answer) < 4 or answer[3] != 0:
                raise RetryLater(
                    f"The broker does not discard a session: it answers {answer.hex() or 'nothing'}."
                )
            link.sendall(b"\xe0\x00")
    except OSError as error:
        raise RetryLater(f"The broker does not discard a session: {error}.") from error


def _encrypted(link: socket.socket) -> socket.socket:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # our own child on this machine; its certificate names it otherwise
    return context.wrap_socket(link)


def _connect_packet(client_id: str, user: str, password: str) -> bytes:
    body = b"\x00\x04MQTT\x04\xc2\x00\x0a" + b"".join(map(_text, (client_id, user, password)))
    length, size = b"", len(body)
    while True:
        size, digit = size >> 7, size & 0x7F
        length += bytes([digit | (0x80 if size else 0)])
        if not size:
            return b"\x10" + length + body


def _text(text: str) -> bytes:
    content = text.encode()
    return len(content).to_bytes(2, "big") + content
