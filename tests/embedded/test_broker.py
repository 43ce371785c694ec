from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from insitu.embedded.broker import Broker
from insitu.embedded.users import BrokerUser, hash_token, subject
from insitu.errors import FreePort


@pytest.fixture
def folder() -> Iterator[Path]:
    with TemporaryDirectory(prefix="insitu broker ") as name:
        yield Path(name)


@pytest.fixture
def broker(folder: Path) -> Iterator[Broker]:
    server = Broker(data_dir=folder)
    server.start()
    yield server
    server.stop()


def device(name: str, token: str) -> BrokerUser:
    below = f"insitu/v1/t/{name}"
    return BrokerUser(f"t.{name}", hash_token(token), (f"{below}/obs", f"{below}/status"), (f"{below}/receipt",))


class Client:
    """A paho client that records what it hears."""

    def __init__(self, broker: Broker, username: str, password: str, client_id: str, clean: bool = True) -> None:
        self.heard: list[tuple[str, bytes]] = []
        self.connected = threading.Event()
        self.refused = threading.Event()
        self.cut = threading.Event()
        self.paho = mqtt.Client(CallbackAPIVersion.VERSION2, client_id, clean_session=clean)
        self.paho.username_pw_set(username, password)
        self.paho.on_connect = lambda *a: (self.refused if a[3].is_failure else self.connected).set()
        self.paho.on_disconnect = lambda *_: self.cut.set()
        self.paho.on_message = lambda _c, _u, m: self.heard.append((m.topic, m.payload))
        self.paho.connect(broker.host, broker.port)
        self.paho.loop_start()

    def publish(self, topic: str, payload: bytes = b"x") -> mqtt.MQTTMessageInfo:
        return self.paho.publish(topic, payload, qos=1)

    def close(self) -> None:
        self.paho.disconnect()
        self.paho.loop_stop()


def service(broker: Broker, client_id: str = "shard", clean: bool = False) -> Client:
    return Client(broker, broker.service_username, broker.service_password, client_id, clean)


def eventually(condition: object, timeout_s: float = 10) -> bool:
    limit = time.monotonic() + timeout_s
    while time.monotonic() < limit:
        if condition():  # type: ignore[operator]
            return True
        time.sleep(0.02)
    return False


def test_a_filter_becomes_a_subject() -> None:
    assert subject("insitu/v1/+/a.b/#") == "insitu.v1.*.a//b.>"


def test_a_device_publishes_below_its_own_name_only(broker: Broker) -> None:
    broker.apply([device("a", "secret-a"), device("b", "secret-b")])
    ingestor = service(broker)
    assert ingestor.connected.wait(5)
    ingestor.paho.subscribe("insitu/v1/+/+/obs", 1)
    time.sleep(0.3)
    a = Client(broker, "t.a", "secret-a", "a")
    assert a.connected.wait(5)
    a.publish("insitu/v1/t/b/obs", b"forged")
    time.sleep(0.3)
    b = Client(broker, "t.b", "secret-b", "b")
    assert b.connected.wait(5)
    b.publish("insitu/v1/t/b/obs", b"own")
    assert eventually(lambda: ingestor.heard)
    time.sleep(0.3)
    assert ingestor.heard == [("insitu/v1/t/b/obs", b"own")]
    for client in (a, b, ingestor):
        client.close()


def test_a_wrong_password_is_refused(broker: Broker) -> None:
    broker.apply([device("a", "secret-a")])
    client = Client(broker, "t.a", "wrong", "a")
    assert client.refused.wait(5)
    client.close()


def test_a_removed_device_is_cut_off(broker: Broker) -> None:
    broker.apply([device("a", "secret-a")])
    client = Client(broker, "t.a", "secret-a", "a")
    assert client.connected.wait(5)
    broker.apply([])
    assert client.cut.wait(5)
    client.close()


def test_nothing_acknowledged_is_lost_when_the_broker_is_killed_while_the_ingestor_is_away(broker: Broker) -> None:
    broker.apply([device("a", "secret-a")])
    first = service(broker)
    assert first.connected.wait(5)
    first.paho.subscribe("insitu/v1/+/+/obs", 1)
    time.sleep(0.3)
    first.close()
    a = Client(broker, "t.a", "secret-a", "a")
    assert a.connected.wait(5)
    sent = [a.publish("insitu/v1/t/a/obs", str(n).encode()) for n in range(500)]
    for info in sent:
        info.wait_for_publish(10)
    a.close()
    broker.kill()
    broker.start()
    again = service(broker)
    assert eventually(lambda: len(again.heard) >= 500)
    assert [payload for _, payload in again.heard] == [str(n).encode() for n in range(500)]
    again.close()


def test_a_full_store_takes_no_more_but_drains(folder: Path) -> None:
    server = Broker(data_dir=folder, max_file_store=20_000_000)
    server.start()
    try:
        server.apply([device("a", "secret-a")])
        first = service(server)
        assert first.connected.wait(5)
        first.paho.subscribe("insitu/v1/+/+/obs", 1)
        time.sleep(0.3)
        assert server.protect_store()
        first.close()
        a = Client(server, "t.a", "secret-a", "a")
        assert a.connected.wait(5)
        acknowledged = 0
        for _ in range(400):
            info = a.publish("insitu/v1/t/a/obs", bytes(100_000))
            try:
                info.wait_for_publish(1.5)
            except RuntimeError:
                break
            if not info.is_published():
                break
            acknowledged += 1
        assert 100 < acknowledged < 400
        a.close()
        again = service(server)
        assert eventually(lambda: len(again.heard) >= acknowledged, 30)
        again.close()
    finally:
        server.stop()


def test_a_taken_port_is_named(broker: Broker, folder: Path) -> None:
    with TemporaryDirectory() as other:
        second = Broker(data_dir=Path(other), listen=("127.0.0.1", broker.port))
        with pytest.raises(FreePort, match=str(broker.port)):
            second.start()
