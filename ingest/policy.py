"""Proves that the broker keeps devices apart: tries each forbidden action, which must fail.

MQTT does not tell a subscriber who published a message, so the origin of every observation depends on these
rules.
"""

from __future__ import annotations

import secrets
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

import paho.mqtt.client as paho

from ingest.mqtt import BrokerAddress, new_client
from insitu.errors import CorrectInput, InsituError, NotAcceptedHere, RetryLater
from insitu.wire import CHECK, PREFIX, RECEIPT

PATIENCE_S: Final = 5.0
SILENCE_S: Final = 0.5
"""A forbidden message counts as absent once an allowed one, sent after it, has arrived and this much time has
passed.
"""


JUST_ENROLLED: Final = (
    "the broker refuses a device that was just enrolled: look at its log and at its list of users."
)


@dataclass(frozen=True, slots=True)
class Probe:
    """A throw-away device of the trial `check`."""

    device: str
    username: str
    token: str

    def topic(self, suffix: str = CHECK) -> str:
        return f"{PREFIX}/check/{self.device}/{suffix}"


def prove(address: BrokerAddress, first: Probe, second: Probe, *, if_refused: str = JUST_ENROLLED) -> str:
    """Try the forbidden actions as `first` against `second`; `address` is the service's. Raises an
    InsituError that names each hole.

    `if_refused`: text of the error if the broker does not accept `first` at all.
    """
    holes = []
    with _Ear(address) as ear:
        for probe in (first, second):
            with _signed_in(address, probe) as client:
                if client is None:
                    raise InsituError(if_refused)
        _expect_own(address, ear, first)
        for title, attempt in _attempts(address, ear, first, second):
            if attempt():
                holes.append(title)
    if holes:
        raise InsituError(
            "the broker lets a device "
            + ", and ".join(holes)
            + ". Its access rules are not those of `insitu broker-config`: "
            "observations could come from another device than they say."
        )
    return (
        "a device may not publish, subscribe or leave a will in another's name, nor enter with a wrong "
        "password"
    )


def _attempts(
    address: BrokerAddress, ear: _Ear, first: Probe, second: Probe
) -> Iterator[tuple[str, Callable[[], bool]]]:
    yield "publish in another's name", lambda: _published(address, ear, first, second)
    yield "leave a will in another's name", lambda: _will_heard(address, ear, first, second)
    yield (
        "hear another's receipts",
        lambda: _hears_another(address, ear, first, second, second.topic(RECEIPT)),
    )
    yield "hear everything", lambda: _hears_another(address, ear, first, second, f"{PREFIX}/#")
    yield (
        "enter with a wrong password",
        lambda: _entered(address, replace(first, token=secrets.token_urlsafe(32))),
    )


class _Ear:
    """The service's subscription to everything that probes publish."""

    def __init__(self, address: BrokerAddress) -> None:
        self.heard: set[bytes] = set()
        self._ready = threading.Event()
        self._client = new_client(address, f"insitu-check-{secrets.token_hex(8)}", clean=True)
        self._refused = ""
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = lambda *_: self._ready.set()
        self._client.on_message = self._on_message
        self._address = address

    def _on_connect(self, client: paho.Client, _data: Any, _flags: Any, code: Any, _more: Any) -> None:
        if code.is_failure:
            self._refused = str(code)
            self._ready.set()
        else:
            client.subscribe(f"{PREFIX}/+/+/{CHECK}", 0)

    def _on_message(self, _client: Any, _data: Any, message: paho.MQTTMessage) -> None:
        self.heard.add(bytes(message.payload))

    def __enter__(self) -> _Ear:
        open_client(self._client, self._address)
        if self._ready.wait(PATIENCE_S) and not self._refused:
            return self
        self.__exit__()
        if self._refused:
            raise NotAcceptedHere(
                f"The broker refuses the service's user {self._address.username!r} ({self._refused}): its "
                "files were written for another "
                "INSITU_MQTT_URL, or it has not taken them over."
            )
        raise RetryLater("The broker did not let the service listen within 5 s: look at its log.")

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def say(self, topic: str, word: bytes) -> None:
        """Publish as the service, which may publish to every device."""
        self._client.publish(topic, word, qos=1).wait_for_publish(PATIENCE_S)

    def hears(self, word: bytes, patience_s: float) -> bool:
        limit = time.monotonic() + patience_s
        while time.monotonic() < limit:
            if word in self.heard:
                return True
            time.sleep(0.01)
        return word in self.heard


def open_client(client: paho.Client, address: BrokerAddress) -> None:
    """Connect, and let paho work in its own thread."""
    try:
        client.connect(address.host, address.port, keepalive=20)
    except ssl.SSLError as error:
        raise CorrectInput(
            f"The broker at {address.host}:{address.port} has a certificate that is not trusted here "
            f"({error.reason or error}): "
            "set INSITU_MQTT_CA to the authority that signed it."
        ) from error
    except OSError as error:
        raise RetryLater(f"The broker at {address.host}:{address.port} does not answer ({error}).") from error
    client.loop_start()


@contextmanager
def _signed_in(
    address: BrokerAddress,
    probe: Probe,
    *,
    will: tuple[str, bytes] | None = None,
) -> Iterator[paho.Client | None]:
    """A client of the probe, or None if the broker refuses it."""
    own = replace(address, username=probe.username, password=probe.token)
    # Always the same id, because the broker bounds how many a device has.
    client = new_client(own, f"check-{probe.device}", clean=True)
    answered, refused = threading.Event(), threading.Event()

    def on_connect(_client: Any, _data: Any, _flags: Any, code: Any, _more: Any) -> None:
        if code.is_failure:
            refused.set()
        answered.set()

    client.on_connect = on_connect
    client.on_disconnect = lambda *_: answered.set()
    if will is not None:
        client.will_set(will[0], will[1], qos=0)
    open_client(client, address)
    try:
        answered.wait(PATIENCE_S)
        yield None if refused.is_set() or not client.is_connected() else client
    finally:
        client.disconnect()
        client.loop_stop()


def _expect_own(address: BrokerAddress, ear: _Ear, probe: Probe) -> None:
    """Check that allowed messages arrive; otherwise a missing forbidden message would prove nothing."""
    word = secrets.token_bytes(16)
    with _signed_in(address, probe) as client:
        if client is None:
            raise RetryLater(
                "The broker let a device in and then refused it: look at its log, then ask again."
            )
        client.publish(probe.topic(), word, qos=1)
        if not ear.hears(word, PATIENCE_S):
            raise InsituError(
                "the broker does not deliver what a device publishes under its own name: look at its access "
                "rules."
            )


def _published(address: BrokerAddress, ear: _Ear, first: Probe, second: Probe) -> bool:
    forbidden = secrets.token_bytes(16)
    with _signed_in(address, first) as client:
        if client is not None:
            client.publish(second.topic(), forbidden, qos=1)
            time.sleep(0.05)
    _expect_own(address, ear, first)
    return ear.hears(forbidden, SILENCE_S)


def _will_heard(address: BrokerAddress, ear: _Ear, first: Probe, second: Probe) -> bool:
    forbidden = secrets.token_bytes(16)
    with _signed_in(address, first, will=(second.topic(), forbidden)) as client:
        if client is not None:
            client.loop_stop()
            sock = client.socket()
            if sock is not None:
                sock.close()  # without DISCONNECT: the broker must publish the will if it accepted it
    _expect_own(address, ear, first)
    return ear.hears(forbidden, SILENCE_S)


def _hears_another(address: BrokerAddress, ear: _Ear, first: Probe, second: Probe, topic: str) -> bool:
    """True if a foreign message arrives. A granted subscription alone is no hole: some brokers grant it and
    then deliver nothing.
    """
    heard: set[bytes] = set()
    forbidden, allowed = secrets.token_bytes(16), secrets.token_bytes(16)
    subscribed = threading.Event()
    with _signed_in(address, first) as client:
        if client is None:
            return False
        client.on_message = lambda _c, _d, message: heard.add(bytes(message.payload))
        client.on_disconnect = lambda *_: subscribed.set()
        client.subscribe(topic, 0)
        client.on_subscribe = lambda *_: subscribed.set()
        client.subscribe(first.topic(RECEIPT), 0)
        subscribed.wait(PATIENCE_S)
        ear.say(second.topic(RECEIPT), forbidden)
        ear.say(first.topic(RECEIPT), allowed)
        limit = time.monotonic() + SILENCE_S
        while time.monotonic() < limit and allowed not in heard:
            time.sleep(0.01)
        time.sleep(0.05)
    return forbidden in heard


def _entered(address: BrokerAddress, probe: Probe) -> bool:
    with _signed_in(address, probe) as client:
        return client is not None
