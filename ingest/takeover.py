"""Proves that the broker keeps client ids apart: tries to end another's connection and to destroy what waits
for another's session, as throw-away devices. Both must fail.

MQTT knows a session by its client id alone, so a broker that does not ask whose an id is lets every device do
this. Looks at the victim afterwards, not at the answer that the attacker gets.
"""

from __future__ import annotations

import secrets
import threading
import time
from dataclasses import dataclass, replace
from typing import Any, Final

import paho.mqtt.client as paho

from ingest.mqtt import BrokerAddress, new_client
from ingest.policy import PATIENCE_S, Probe, open_client
from insitu.errors import InsituError, RetryLater
from insitu.wire import CHECK, PREFIX, RECEIPT

QUIET_S: Final = 0.5
"""A connection that still stands this long after an attack counts as kept."""


@dataclass(frozen=True, slots=True)
class Login:
    """Somebody who signs in with a client id."""

    address: BrokerAddress
    client_id: str


class Visit:
    """A connection; the broker may refuse it."""

    def __init__(self, login: Login, *, clean: bool) -> None:
        self.heard: list[bytes] = []
        self.session_present = False
        self.is_in = False
        self.is_over = threading.Event()
        self._answered, self._subscribed = threading.Event(), threading.Event()
        self.client = new_client(login.address, login.client_id, clean=clean)
        self.client.reconnect_delay_set(60, 60)
        self.client.on_connect = self._on_connect
        self.client.on_disconnect = self._on_disconnect
        self.client.on_subscribe = lambda *_: self._subscribed.set()
        self.client.on_message = self._on_message
        open_client(self.client, login.address)
        self._answered.wait(PATIENCE_S)

    def _on_connect(self, _client: Any, _data: Any, flags: Any, code: Any, _more: Any) -> None:
        self.is_in, self.session_present = not code.is_failure, flags.session_present
        self._answered.set()

    def _on_disconnect(self, *_: Any) -> None:
        self.is_over.set()
        self._answered.set()

    def _on_message(self, client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        self.heard.append(bytes(message.payload))
        client.ack(message.mid, message.qos)

    def subscribe(self, topic: str) -> None:
        self.client.subscribe(topic, 1)
        self._subscribed.wait(PATIENCE_S)

    def say(self, topic: str, word: bytes) -> None:
        self.client.publish(topic, word, qos=1).wait_for_publish(PATIENCE_S)

    def hears(self, word: bytes) -> bool:
        limit = time.monotonic() + PATIENCE_S
        while word not in self.heard and time.monotonic() < limit:
            time.sleep(0.01)
        return word in self.heard

    def end(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


def prove_ids(service: BrokerAddress, devices: BrokerAddress, first: Probe, second: Probe) -> str:
    """Try as `first` to take what is `second`'s and what is an ingestor's; `devices`: where devices connect.
    Raises an InsituError that names each hole.
    """
    name = f"check-{secrets.token_hex(8)}"
    victim = Login(_of(devices, second), name)
    ingestor = Login(service, f"insitu-{secrets.token_hex(16)}")
    speaker = Login(service, f"insitu-check-{secrets.token_hex(8)}")
    holes = []
    if _ends(victim, Login(_of(devices, first), name)):
        holes.append("end the connection of another device")
    if _destroys(victim, Login(_of(devices, first), name), second.topic(RECEIPT), speaker):
        holes.append("destroy the messages that wait for another device")
    if _destroys(
        ingestor,
        Login(_of(devices, first), ingestor.client_id),
        f"{PREFIX}/+/+/{CHECK}",
        Login(_of(devices, second), f"check-{second.device}"),
        second.topic(),
    ):
        holes.append("destroy acknowledged messages that wait for the ingestor")
    if holes:
        raise InsituError(
            f"at {devices.host}:{devices.port} the broker lets a device "
            + ", and ".join(holes)
            + ", with the "
            "other's client id. Bind each client id to its user (docs/operations.md, Client ids). If devices "
            "use another listener, set INSITU_MQTT_DEVICES to it."
        )
    return (
        "a device can neither end another's connection nor destroy messages that wait for another or for the "
        "ingestor"
    )


def _of(devices: BrokerAddress, probe: Probe) -> BrokerAddress:
    return replace(devices, username=probe.username, password=probe.token)


def _enter(login: Login, *, clean: bool) -> Visit:
    visit = Visit(login, clean=clean)
    if not visit.is_in:
        visit.end()
        raise RetryLater("The broker did not let in a client that it knows: look at its log, then ask again.")
    return visit


def _attack(thief: Login, *, clean: bool) -> None:
    Visit(thief, clean=clean).end()


def _ends(victim: Login, thief: Login) -> bool:
    visit = _enter(victim, clean=True)
    try:
        _attack(thief, clean=True)
        return visit.is_over.wait(QUIET_S)
    finally:
        visit.end()


def _destroys(victim: Login, thief: Login, topic: str, speaker: Login, said_on: str = "") -> bool:
    """True if a message that waits for the victim is gone after an attack. Leaves no session behind."""
    word = secrets.token_bytes(16)
    away = _enter(victim, clean=False)
    away.subscribe(topic)
    away.end()
    try:
        voice = _enter(speaker, clean=True)
        voice.say(said_on or topic, word)
        voice.end()
        for clean in (False, True):
            _attack(thief, clean=clean)
        back = _enter(victim, clean=False)
        kept = back.hears(word)
        back.end()
        return not kept
    finally:
        _enter(victim, clean=True).end()
