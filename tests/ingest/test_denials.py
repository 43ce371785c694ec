"""Nothing that a broker acknowledged vanishes: it is a row, a reject, or a denial that the device's company
sees.
"""

from __future__ import annotations

import json
import random
import string
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from ingest.broker_log import Names, Reader
from insitu.embedded.broker import Broker
from insitu.wire import inbound_filters, named_filters, network_filters
from store import access, shards
from store.access import credentials_of_device
from store.broker_events import list_device_events, list_events
from store.catalogue.devices import find_device
from store.database import Connection
from store.ledger import recount
from tests.fix_catalogue import SmallTrial
from tests.fix_mosquitto import Mosquitto
from tests.stack import NOW, Stack, stamp, wait_until

OWN: Final = "insitu/v1/t/a"
CASES: Final = (
    f"{OWN}/obs/",
    f"{OWN}/Obs",
    OWN,
    f"{OWN}/data",
    f"/{OWN}/obs",
    "insitu/v1/T/a/obs",
    "tele/a/SENSOR",
)
"""Topics of real devices: a slash too many, a capital letter, another firmware's own."""


def mutated(number: int, seed: int = 7) -> list[str]:
    """Topics that a device with a typing error, another firmware or a bad mood would use."""
    chance = random.Random(seed)
    letters = string.ascii_letters + "éß~.,;:!? *>$&%-_\u00a0\u200b\u4e2d"

    def insert(text: str) -> str:
        at = chance.randrange(len(text) + 1)
        return text[:at] + chance.choice(letters) + text[at:]

    def remove(text: str) -> str:
        at = chance.randrange(len(text))
        return text[:at] + text[at + 1 :]

    def level(text: str) -> str:
        levels = text.split("/")
        levels[chance.randrange(len(levels))] = chance.choice(
            ["", ".", "..", "a.b", "*", ">", "$SYS", "obs", "b", "check", "heartbeat", "receipt", "x" * 500]
        )
        return "/".join(levels)

    changes: list[Callable[[str], str]] = [
        insert,
        remove,
        level,
        str.upper,
        lambda text: f"{text}/",
        lambda text: f"/{text}",
        lambda text: f"{text}/{chance.choice(['a', 'a/b', 'a/b/c', '', '/'])}",
        lambda text: text.replace("/", "//", 1),
        lambda text: chance.choice(["tele/", "stat/", "$SYS/", "$share/g/", "zigbee2mqtt/"]) + text,
    ]
    topics = [*CASES, "$SYS/broker/x", "$JS/API", f"{OWN}/receipt", f"{OWN}/rejected", f"{OWN}/check"]
    while len(topics) < number:
        topic = chance.choice([f"{OWN}/obs", f"{OWN}/telemetry", "insitu/v1/t/b/obs"])
        for _ in range(chance.randint(1, 3)):
            topic = chance.choice(changes)(topic) or "x"
        if topic not in topics and not set("+#\0") & set(topic):
            topics.append(topic)
    return topics


class Sender:
    """Publishes one message at QoS 1 at a time; a client that is cut off begins again."""

    def __init__(self, host: str, port: int, username: str, token: str, client_id: str) -> None:
        self._address, self._login, self._client_id = (host, port), (username, token), client_id
        self._client = self._connect()

    def _connect(self) -> mqtt.Client:
        client = mqtt.Client(CallbackAPIVersion.VERSION2, self._client_id, reconnect_on_failure=False)
        client.username_pw_set(*self._login)
        self.over, self.acknowledged = threading.Event(), False
        client.on_publish = lambda *_: self._end(acknowledged=True)
        client.on_disconnect = lambda *_: self._end(acknowledged=False)
        client.connect(*self._address)
        client.loop_start()
        wait_until(client.is_connected, "a device at the broker")
        return client

    def _end(self, *, acknowledged: bool) -> None:
        if not self.over.is_set():
            self.acknowledged = acknowledged
            self.over.set()

    def send(self, topic: str, payload: bytes) -> bool:
        """True if the broker acknowledged it."""
        self.over.clear()
        self._client.publish(topic, payload, qos=1)
        assert self.over.wait(10), topic
        acknowledged = self.acknowledged
        if not acknowledged:
            self.close()
            self._client = self._connect()
        return acknowledged

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def denials(stack: Stack) -> int:
    found = sum(one.events for one in list_events(stack.conn) if one.is_denial)
    stack.conn.rollback()
    return found


def test_whatever_topic_a_device_uses_what_the_broker_acknowledges_is_seen(stack: Stack) -> None:
    username, token = stack.tokens["t/a"]
    sender = Sender(stack.broker.host, stack.broker.port, username, token, "any")
    topics = mutated(200)
    acknowledged = 0
    for number, topic in enumerate(topics):
        payload = json.dumps({"time": stamp(number + 1), "results": {"pm25": number}}).encode()
        acknowledged += sender.send(topic, payload)
    sender.close()
    assert acknowledged > 100
    wait_until(
        lambda: stack.received() + denials(stack) >= acknowledged,
        f"{acknowledged} messages seen ({stack.received()} in the ledger, {denials(stack)} denied)",
    )
    assert stack.received() + denials(stack) == acknowledged
    assert recount(stack.conn) == []
    by_nobody = [one for one in list_events(stack.conn) if one.username != username]
    stack.conn.rollback()
    assert by_nobody == []


def test_a_wrong_suffix_is_a_reject_of_the_device_with_advice(stack: Stack) -> None:
    device = stack.device("t/a")
    device.send({"time": stamp(1), "results": {"pm25": 1}}, suffix="Obs")
    assert device.hears("rejected")["reason"] == "unknown_topic"
    device.send({"time": stamp(1), "results": {"pm25": 1}}, suffix="a/b/c")
    heard = device.hears("rejected")
    assert heard["reason"] == "unknown_topic"
    assert f"{OWN}/obs" in heard["detail"]
    device.close()
    found = stack.rows("SELECT trial, device, detail FROM reject ORDER BY reject_id")
    assert [(trial, name) for trial, name, _ in found] == [("t", "a")] * 2
    assert "written like this" in found[0][2]


def test_a_denied_message_is_counted_and_told_to_the_device(stack: Stack) -> None:
    device = stack.device("t/a")
    for _ in range(3):
        device.client.publish("tele/a/SENSOR", b"{}", qos=1).wait_for_publish(10)
    heard = device.hears("rejected", 20)
    assert (heard["reason"], "tele/a/SENSOR" in heard["detail"]) == ("unknown_topic", True)
    number = find_device(stack.conn, "t", "a").device_id
    wait_until(lambda: denials(stack) == 3, "three denials")
    (found,) = list_device_events(
        stack.conn, [one.username for one in credentials_of_device(stack.conn, number)]
    )
    assert (found.kind, found.events, found.last_topic) == ("publish_denied", 3, "tele/a/SENSOR")
    device.close()


def test_denials_wait_in_the_log_while_the_ingestor_and_then_the_broker_are_away(stack: Stack) -> None:
    device = stack.device("t/a")
    stack.stop()
    device.client.publish("tele/a/one", b"1", qos=1).wait_for_publish(10)
    device.close()
    stack.start()
    wait_until(lambda: denials(stack) == 1, "the denial of the time away")
    stack.stop()
    device = stack.device("t/a")
    device.client.publish("tele/a/two", b"2", qos=1).wait_for_publish(10)
    device.close()
    stack.broker.stop()
    stack.broker.start()
    stack.start()
    wait_until(lambda: denials(stack) == 2, "the denial before the broker's end")
    (unnamed,) = [one for one in list_events(stack.conn) if not one.username]
    assert unnamed.last_topic == "tele/a/two"  # a server that has ended names nobody


def test_a_client_with_the_id_of_another_device_stays_outside_and_is_named_on_its_page(stack: Stack) -> None:
    clients = []
    for name in ("t/a", "t/b"):
        username, token = stack.tokens[name]
        client = mqtt.Client(CallbackAPIVersion.VERSION2, 'esp"8266"%d-é')
        client.username_pw_set(username, token)
        client.reconnect_delay_set(60, 60)
        client.connect(stack.broker.host, stack.broker.port)
        client.loop_start()
        clients.append(client)
        if name == "t/a":
            wait_until(client.is_connected, name)

    def counted() -> list[tuple[str | None, int, bool, str]]:
        found = list_events(stack.conn)
        stack.conn.rollback()
        return sorted((one.device, one.events, one.is_refused_id, one.last_topic) for one in found)

    wait_until(lambda: counted() == [("b", 1, True, 'esp"8266"%d-é')], "the client that stays outside")
    assert clients[0].is_connected()
    assert not clients[1].is_connected()
    for client in clients:
        client.disconnect()
        client.loop_stop()


def test_whatever_topic_a_device_uses_behind_mosquitto_what_is_acknowledged_is_seen(
    mosquitto: Mosquitto,
) -> None:
    username, token = mosquitto.tokens["t/a"]
    sender = Sender("127.0.0.1", mosquitto.devices_port, username, token, "any")
    acknowledged = 0
    for number, topic in enumerate(mutated(200)):
        payload = json.dumps({"time": stamp(number + 1), "results": {"pm25": number}}).encode()
        acknowledged += sender.send(topic, payload)
    sender.close()
    assert acknowledged > 100

    def seen() -> int:
        return mosquitto.received() + sum(one.events for one in list_events(mosquitto.conn) if one.is_denial)

    wait_until(lambda: seen() >= acknowledged, f"{acknowledged} messages seen")
    assert seen() == acknowledged
    assert recount(mosquitto.conn) == []
    assert {one.username for one in list_events(mosquitto.conn)} == {username}


def test_mosquitto_keeps_a_client_of_another_credential_off_a_devices_id(mosquitto: Mosquitto) -> None:
    first = Sender("127.0.0.1", mosquitto.devices_port, *mosquitto.tokens["t/a"], client_id="esp8266")
    second = Sender("127.0.0.1", mosquitto.devices_port, *mosquitto.tokens["t/b"], client_id="esp8266")
    assert first.send(f"{OWN}/obs", b'{"results": {"pm25": 1}}')
    assert second.send("insitu/v1/t/b/obs", b'{"results": {"pm25": 1}}')
    third = Sender("127.0.0.1", mosquitto.devices_port, *mosquitto.tokens["t/a"], client_id="other")
    wait_until(
        lambda: [(one.username, one.by_other) for one in list_events(mosquitto.conn)] == [("t.a", False)],
        "the connection that the same credential ended",
    )
    for sender in (first, second, third):
        sender.close()


@pytest.mark.long
def test_an_installation_of_an_earlier_version_hears_everything_and_loses_nothing(
    tmp_path: Path, conn: Connection, database_url: str, broker: Broker, catalogue: SmallTrial
) -> None:
    stack = Stack(tmp_path, conn, database_url, broker)
    (shard,) = shards.layout(conn).shards
    conn.commit()
    earlier = mqtt.Client(CallbackAPIVersion.VERSION2, shard.client_id, clean_session=False)
    earlier.username_pw_set(broker.service_username, broker.service_password)
    granted = threading.Event()
    earlier.on_subscribe = lambda *_: granted.set()
    earlier.connect(broker.host, broker.port)
    earlier.loop_start()
    filters = [*named_filters(), *network_filters()]
    earlier.subscribe([(one, 1) for one in filters])
    assert granted.wait(10)
    earlier.disconnect()
    earlier.loop_stop()
    shards.subscribed(conn, shard.shard_id, filters)
    conn.commit()

    stack.enrol("t", "a")
    (credential,) = access.active_credentials(conn, NOW)
    assert not credential.heard_below  # the broker would acknowledge and lose other suffixes
    sender = Sender(broker.host, broker.port, *stack.tokens["t/a"], client_id="a")
    sent = 0

    def send(count: int) -> None:
        nonlocal sent
        for _ in range(count):
            sent += 1
            message = {"boot": "b", "seq": sent, "time": stamp(sent), "results": {"pm25": sent}}
            assert sender.send(f"{OWN}/obs", json.dumps(message).encode())

    try:
        send(50)
        stack.start()

        def settled() -> bool:
            send(5)
            (names,) = stack.rows("SELECT filters FROM shard")[0]
            return set(names) == set(inbound_filters())

        wait_until(settled, "the new subscriptions alone", 60)
        send(20)
        (credential,) = access.active_credentials(conn, NOW)
        assert credential.heard_below
        wait_until(lambda: stack.rows("SELECT count(*) FROM observation") == [(sent,)], f"{sent} rows")
        assert stack.reasons() == []
    finally:
        sender.close()
        stack.stop()


def test_what_check_itself_tries_is_no_event_although_nobody_knows_its_device_any_more(
    tmp_path: Path,
) -> None:
    """Its devices are gone before the server is asked whose connection it was."""
    reader = Reader(Names(tmp_path / "no monitor"))
    line = (
        '[7] 2026/11/29 15:00:00.000000 [ERR] 127.0.0.1:1 - mid:{} - "x" - Publish Violation - Subject "{}"'
    )
    lines = [line.format(1, "insitu.v1.check.probe-1.check"), line.format(2, "insitu.v1.t.other.obs")]
    (found,) = reader.read(lines, datetime.now(UTC))
    assert (found.username, found.last, found.events) == ("", "insitu/v1/t/other/obs", 1)
