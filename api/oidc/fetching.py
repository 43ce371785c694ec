"""One request to the provider: bounded in time and size, without redirects, over https or on loopback."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Event, Timer
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit
from urllib.request import getproxies, proxy_bypass

from insitu.errors import RetryLater
from insitu.settings import is_safe_address

WITHIN_S: Final = 8.0
"""For a whole request: a provider that sends a byte now and then holds no thread for longer."""
MOST_BYTES: Final = 256 * 1024


class ProviderAway(RetryLater):
    """The provider of the other sign-in does not answer as it should: use a password, or try later."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    kind: str
    """Media type, in lower case, without parameters."""
    content: bytes

    def document(self, address: str) -> dict[str, Any]:
        """The content as a JSON object; raises ProviderAway for anything else."""
        try:
            found = json.loads(self.content)
        except ValueError as error:
            raise ProviderAway(f"{address} answers with something that is not JSON.") from error
        if not isinstance(found, dict):
            raise ProviderAway(f"{address} answers with JSON that is no object.")
        return found


def fetch(
    address: str,
    *,
    headers: Mapping[str, str] | None = None,
    form: str | None = None,
    within_s: float = WITHIN_S,
) -> Answer:
    """GET, or POST of a form. Raises ProviderAway for anything but an answer of 200 to 499 that is no
    redirect and has at most `MOST_BYTES`.
    """
    if not is_safe_address(address):
        raise ProviderAway(f"{address!r} is not an https address: nothing is sent to it.")
    parts = urlsplit(address)
    sent = {"Accept": "application/json, application/jwt", "User-Agent": "insitu", **(headers or {})}
    if form is not None:
        sent["Content-Type"] = "application/x-www-form-urlencoded"
    try:
        with _connected(parts, within_s) as (link, is_over):
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            link.request("GET" if form is None else "POST", path, body=form, headers=sent)
            response = link.getresponse()
            content = response.read(MOST_BYTES + 1)
            if is_over.is_set():  # the cut looks like the end of an answer without a length
                raise TimeoutError(f"more than {within_s:g} s")
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise ProviderAway(f"{address} does not answer ({error or type(error).__name__}).") from error
    if len(content) > MOST_BYTES:
        raise ProviderAway(f"{address} answers with more than {MOST_BYTES} bytes.")
    if not (200 <= response.status < 300 or 400 <= response.status < 500):
        raise ProviderAway(f"{address} answers {response.status} {response.reason}.")
    if response.length:
        raise ProviderAway(f"{address} ended its answer too early.")
    kind = (response.getheader("Content-Type") or "").partition(";")[0].strip().lower()
    return Answer(response.status, kind, content)


@contextmanager
def _connected(parts: SplitResult, within_s: float) -> Iterator[tuple[http.client.HTTPConnection, Event]]:
    """A connection that is cut when its time is over, also in the middle of an answer; and whether it was."""
    link, is_over = _link(parts, within_s), Event()
    link.connect()
    timer = Timer(within_s, _cut, [link.sock, is_over])
    timer.daemon = True
    timer.start()
    try:
        yield link, is_over
    finally:
        timer.cancel()
        link.close()


def _cut(wire: socket.socket, is_over: Event) -> None:
    is_over.set()
    with suppress(OSError):  # it is closed already
        wire.shutdown(socket.SHUT_RDWR)


def _link(parts: SplitResult, within_s: float) -> http.client.HTTPConnection:
    """Straight to the host, or through the proxy that the environment names."""
    host, port = parts.hostname or "", parts.port
    proxy = urlsplit(getproxies().get(parts.scheme, ""))
    if not proxy.hostname or proxy_bypass(host) or parts.scheme == "http":  # plain http is on this machine
        if parts.scheme == "http":
            return http.client.HTTPConnection(host, port, timeout=within_s)
        return http.client.HTTPSConnection(host, port, timeout=within_s, context=ssl.create_default_context())
    tunnel = http.client.HTTPSConnection(
        proxy.hostname, proxy.port, timeout=within_s, context=ssl.create_default_context()
    )
    tunnel.set_tunnel(host, port or 443)
    return tunnel
