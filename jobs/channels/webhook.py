"""Webhooks: a signed POST over https, to a public address that is resolved once and then kept; no redirects.

An address that somebody enters here makes this server connect, so it must lead neither to this machine nor
into the network around it.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import socket
import ssl
import time
from collections.abc import Sequence
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address
from threading import Event, Timer
from typing import Final
from urllib.parse import SplitResult

from insitu.errors import CorrectInput
from insitu.settings import Network
from jobs.channels.channel import Letter, NotDelivered, Outlets
from trials.alerting.addresses import parse_webhook, secret_text

WITHIN_S: Final = 10.0
"""For a whole delivery: a receiver that sends a byte now and then holds no thread for longer."""
MOST_ANSWER: Final = 4096
Address = IPv4Address | IPv6Address


def resolve(host: str, port: int, networks: Sequence[Network]) -> Address:
    """The one address that the connection will use. Every address of the name must be allowed: a name that
    leads to two places is refused, whichever of them comes first.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise NotDelivered(f"There is no address for {host}.") from error
    addresses = [ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
    if not addresses:
        raise NotDelivered(f"There is no address for {host}.")
    for address in addresses:
        if not is_allowed(address, networks):
            raise NotDelivered(f"{host} is not a public address (INSITU_WEBHOOK_NETWORKS allows others).")
    return addresses[0]


def is_allowed(address: Address, networks: Sequence[Network]) -> bool:
    """True for a public address, and for one in `networks`. An IPv6 address that stands for an IPv4 address
    is judged as that one.
    """
    inner = _inner(address)
    if any(
        one.version == network.version and one in network for one in (address, inner) for network in networks
    ):
        return True
    return inner.is_global and not inner.is_multicast and not inner.is_reserved


def _inner(address: Address) -> Address:
    """The IPv4 address inside a mapped, translated (64:ff9b::/96) or tunnelled IPv6 address; else itself."""
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    if address.packed[:12] in (bytes.fromhex("0064ff9b") + bytes(8), bytes(12)):
        return IPv4Address(address.packed[12:])
    return address


def sign(secret: bytes, body: bytes, at: int) -> str:
    """`t=SECONDS,v1=HEX`: HMAC-SHA256 over `SECONDS.body`."""
    digest = hmac.new(secret, f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


def send(letter: Letter, outlets: Outlets) -> str:
    """Deliver; returns the answer's first line. Raises NotDelivered."""
    try:
        parts = parse_webhook(letter.address)
    except CorrectInput as error:
        raise NotDelivered(str(error)) from error
    body = json.dumps(letter.document(outlets.pages), ensure_ascii=False, sort_keys=True).encode()
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "insitu",
        "Idempotency-Key": str(letter.key),
        "Insitu-Event": letter.event,
        "Insitu-Signature": sign(secret_text(letter.secret).encode(), body, int(time.time())),
    }
    try:
        status, reason = _post(parts, body, headers, outlets)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise NotDelivered(f"No answer: {error or type(error).__name__}.") from error
    if not 200 <= status < 300:
        raise NotDelivered(f"It answers {status} {reason}.")
    return f"{status} {reason}"


def _post(parts: SplitResult, body: bytes, headers: dict[str, str], outlets: Outlets) -> tuple[int, str]:
    host, port = parts.hostname or "", parts.port or 443
    pinned = resolve(host, port, outlets.networks)
    context = ssl.create_default_context()
    if outlets.ca is not None:
        context.load_verify_locations(str(outlets.ca))
    link = _Pinned(host, port, pinned, context)
    is_over = Event()
    timer = Timer(WITHIN_S, _cut, [link, is_over])
    timer.daemon = True
    timer.start()
    try:
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        link.request("POST", path, body=body, headers=headers)
        answer = link.getresponse()
        answer.read(MOST_ANSWER)
        if is_over.is_set():
            raise TimeoutError(f"more than {WITHIN_S:g} s")
        return answer.status, answer.reason[:80]
    finally:
        timer.cancel()
        link.close()


class _Pinned(http.client.HTTPSConnection):
    """Connects to the given address; the certificate must be that of the name."""

    def __init__(self, host: str, port: int, pinned: Address, context: ssl.SSLContext) -> None:
        super().__init__(host, port, timeout=WITHIN_S / 2, context=context)
        self._pinned, self._tls = pinned, context
        self.raw: socket.socket | None = None

    def connect(self) -> None:
        self.raw = socket.create_connection((str(self._pinned), self.port), self.timeout)
        self.sock = self._tls.wrap_socket(self.raw, server_hostname=self.host)


def _cut(link: _Pinned, is_over: Event) -> None:
    is_over.set()
    for wire in (link.sock, link.raw):
        if wire is not None:
            with suppress(OSError):  # it is closed already
                wire.shutdown(socket.SHUT_RDWR)
