"""A client id belongs to whom it belonged first: nobody else ends its connection or takes its messages.

The attackers are plain paho clients.
"""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from insitu.embedded import client_ids, door
from insitu.embedded.account import own_folder, prepare_data_dir, server_account
from insitu.embedded.broker import Broker
from insitu.embedded.broker_program import reachable_binary
from insitu.embedded.client_ids import MOST_BYTES, MOST_IDS, ClientIds
from insitu.embedded.ports import free_port
from insitu.embedded.users import BrokerUser, device_user, hash_token, network_user

SHARD = "insitu-0123456789abcdef0123456789abcdef"
RECEIPT = "insitu/v1/t/victim/receipt"


def users() -> list[BrokerUser]:
    return [
        device_user("t.victim", hash_token("victim"), "t", "victim"),
        device_user("t.victim.2", hash_token("victim-2"), "t", "victim"),
        device_user("t.neighbour", hash_token("neighbour"), "t", "neighbour"),
        device_user("u.stranger", hash_token("stranger"), "u", "stranger"),
        network_user("network.n", hash_token("network"), ["chirpstack/0011223344556677"]),
    ]


ATTACKERS = {"t.neighbour": "neighbour", "u.stranger": "stranger", "network.n": "network"}
"""A device of the same trial, one of another trial, a network server."""


@pytest.fixture
def folder() -> Iterator[Path]:
    with TemporaryDirectory(prefix="insitu-ids-") as name:
        yield Path(name)


@pytest.fixture
def broker(folder: Path) -> Iterator[Broker]:
    server = Broker(data_dir=folder)
    server.start()
    server.apply(users())
    yield server
    server.stop()


class Client:
    """A paho client that never tries twice."""

    def __init__(
        self, address: tuple[str, int], username: str, password: str, client_id: str, *, clean: bool = True
    ) -> None:
        self.heard: list[bytes] = []
        self.answer: int | None = None
        self.session_present = False
        self.over = threading.Event()
        self.paho = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id, clean_session=clean, reconnect_on_failure=False
        )
        self.paho.username_pw_set(username, password)
        self.paho.on_connect = self._on_connect
        self.paho.on_disconnect = lambda *_: self.over.set()
        self.paho.on_message = lambda _c, _d, message: self.heard.append(message.payload)
        self.subscribed = threading.Event()
        self.paho.on_subscribe = lambda *_: self.subscribed.set()
        self.paho.connect(*address)
        self.paho.loop_start()
        assert eventually(lambda: self.answer is not None or self.over.is_set())

    def _on_connect(self, _c: object, _d: object, flags: mqtt.ConnectFlags, code: object, _p: object) -> None:
        self.session_present = flags.session_present
        self.answer = 0 if not code.is_failure else 5  # type: ignore[attr-defined]

    @property
    def is_in(self) -> bool:
        return self.answer == 0 and not self.over.is_set()

    def subscribe(self, topic: str) -> None:
        self.paho.subscribe(topic, 1)
        assert self.subscribed.wait(5)

    def close(self) -> None:
        self.paho.disconnect()
        self.paho.loop_stop()


def eventually(condition: object, timeout_s: float = 10) -> bool:
    limit = time.monotonic() + timeout_s
    while time.monotonic() < limit:
        if condition():  # type: ignore[operator]
            return True
        time.sleep(0.02)
    return False


def victim(broker: Broker, client_id: str = "sensor", user: str = "t.victim", word: str = "victim") -> Client:
    return Client(broker.address, user, word, client_id, clean=False)


def service(broker: Broker, client_id: str = SHARD) -> Client:
    return Client(broker.address, broker.service_username, broker.service_password, client_id, clean=False)


def say(broker: Broker, topic: str, *words: bytes) -> None:
    """As the service, at QoS 1."""
    speaker = service(broker, "speaker")
    for word in words:
        speaker.paho.publish(topic, word, qos=1).wait_for_publish(5)
    speaker.close()


@pytest.mark.parametrize("clean", [True, False])
@pytest.mark.parametrize("attacker", ATTACKERS)
def test_nobody_takes_a_queued_session(broker: Broker, attacker: str, clean: bool) -> None:
    first = victim(broker)
    first.subscribe(RECEIPT)
    first.close()
    words = [str(n).encode() for n in range(20)]
    say(broker, RECEIPT, *words)
    for _ in range(3):
        thief = Client(broker.address, attacker, ATTACKERS[attacker], "sensor", clean=clean)
        assert not thief.is_in
        assert thief.heard == []
        thief.close()
    again = victim(broker)
    assert again.session_present
    assert eventually(lambda: set(again.heard) == set(words))
    again.close()


@pytest.mark.parametrize("attacker", ATTACKERS)
def test_nobody_ends_a_connection_or_publishes_on_it(broker: Broker, attacker: str) -> None:
    device = victim(broker)
    for clean in (True, False) * 5:
        thief = Client(broker.address, attacker, ATTACKERS[attacker], "sensor", clean=clean)
        assert not thief.is_in
        thief.close()
    assert device.paho.publish("insitu/v1/t/victim/obs", b"x", qos=1).wait_for_publish(5) is None
    assert device.is_in
    device.close()


@pytest.mark.parametrize("attacker", [*ATTACKERS, "t.victim"])
def test_nobody_takes_an_ingestors_session(broker: Broker, attacker: str) -> None:
    ingestor = service(broker)
    ingestor.subscribe("insitu/v1/+/+/#")
    thief = Client(broker.address, attacker, {**ATTACKERS, "t.victim": "victim"}[attacker], SHARD)
    assert not thief.is_in
    thief.close()
    assert ingestor.is_in
    ingestor.close()
    device = victim(broker)
    for number in range(20):
        device.paho.publish("insitu/v1/t/victim/obs", str(number), qos=1).wait_for_publish(5)
    device.close()
    for clean in (True, False):
        thief = Client(
            broker.address, attacker, {**ATTACKERS, "t.victim": "victim"}[attacker], SHARD, clean=clean
        )
        assert not thief.is_in
        thief.close()
    again = service(broker)
    assert eventually(lambda: set(again.heard) == {str(n).encode() for n in range(20)})
    again.close()
    assert SHARD not in (broker.life_file.parent.parent / "broker-client-ids").read_text()


def test_a_new_credential_of_the_device_goes_on_with_its_session(broker: Broker) -> None:
    first = victim(broker)
    first.subscribe(RECEIPT)
    first.close()
    say(broker, RECEIPT, b"kept")
    again = victim(broker, user="t.victim.2", word="victim-2")
    assert again.session_present
    assert eventually(lambda: again.heard == [b"kept"])
    again.close()


def test_an_id_stays_its_owners_through_a_crash_of_broker_and_supervisor(
    broker: Broker, folder: Path
) -> None:
    victim(broker).close()
    broker.kill()
    broker.stop()
    again = Broker(data_dir=folder)
    again.start()
    try:
        again.apply(users())
        thief = Client(again.address, "t.neighbour", "neighbour", "sensor")
        assert not thief.is_in
        thief.close()
        device = victim(again)
        assert device.is_in
        device.close()
    finally:
        again.stop()


def test_an_id_too_many_ends_the_connection_and_the_session_of_the_oldest(broker: Broker) -> None:
    first = victim(broker, "id0")
    first.subscribe(RECEIPT)
    others = [victim(broker, f"id{number}") for number in range(1, MOST_IDS)]
    assert first.is_in
    assert all(one.is_in for one in others)
    one_more = victim(broker, "more")
    assert one_more.is_in
    assert first.over.wait(5)
    assert all(one.is_in for one in others)
    say(broker, RECEIPT, b"for nobody")
    for one in (first, *others, one_more):
        one.close()
    assert eventually(lambda: free_again(broker, "id0"))


def free_again(broker: Broker, client_id: str) -> bool:
    stranger = Client(broker.address, "u.stranger", "stranger", client_id, clean=False)
    free = stranger.is_in
    assert not stranger.session_present
    stranger.close()
    return free


def test_clients_with_an_id_of_chance_come_in_for_ever(broker: Broker) -> None:
    """As `mosquitto_pub` without -i: each connection has another id."""
    for number in range(5 * MOST_IDS):
        client = Client(broker.address, "t.victim", "victim", f"mosq-{number}")
        assert client.is_in
        client.paho.publish("insitu/v1/t/victim/obs", b"x", qos=1).wait_for_publish(5)
        client.close()


def test_the_ids_of_a_credential_that_has_ended_are_free_later_and_without_their_messages(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = victim(broker)
    first.subscribe(RECEIPT)
    first.close()
    say(broker, RECEIPT, b"private")
    broker.apply([one for one in users() if "victim" not in one.username])
    assert not free_again(broker, "sensor")  # it may only be suspended
    monkeypatch.setattr(door, "GONE_S", 0.0)
    assert eventually(lambda: free_again(broker, "sensor"))
    neighbour = Client(broker.address, "t.neighbour", "neighbour", "sensor")
    assert not neighbour.is_in
    neighbour.close()


def test_a_longer_id_than_allowed_is_refused(broker: Broker) -> None:
    client = Client(broker.address, "t.victim", "victim", "x" * (MOST_BYTES + 1))
    assert not client.is_in
    client.close()


def test_who_has_changed_rights_is_cut_and_who_has_the_same_stays(broker: Broker) -> None:
    same, changed = victim(broker), Client(broker.address, "u.stranger", "stranger", "s")
    present = {one.username: one for one in broker._users}
    wider = device_user("u.stranger", present["u.stranger"].password_hash, "u", "stranger", topics=["tele/s"])
    broker.apply([*[one for name, one in present.items() if name != "u.stranger"], wider])
    assert changed.over.wait(5)
    assert same.is_in
    for client in (same, changed):
        client.close()


def test_strange_names_and_passwords_are_refused_and_close_no_door(broker: Broker) -> None:
    strange = ["", "%s%d%n", "\u0000", "x" * 73, "é" * 60, "\U0001f511", "eyJhbGciOiJub25lIn0.e30.", '"} {"']
    for word in strange:
        for user in ("t.victim", word):
            try:
                client = Client(broker.address, user, word, "odd")
            except ValueError:
                continue  # paho itself refuses it
            assert not client.is_in
            client.close()
    odd = Client(broker.address, "t.victim", "victim", '%s"}é\U0001f511')
    assert odd.is_in
    odd.close()
    assert broker.poll() is None


def test_a_defect_of_the_door_refuses_one_client_only(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = ClientIds.claim

    def defect(ids: ClientIds, client_id: str, *rest: Any, **named: Any) -> str | None:
        if client_id == "broken":
            raise KeyError("a defect")
        return claim(ids, client_id, *rest, **named)

    monkeypatch.setattr(ClientIds, "claim", defect)
    broken = Client(broker.address, "t.victim", "victim", "broken")
    assert not broken.is_in
    well = victim(broker)
    assert well.is_in
    for client in (broken, well):
        client.close()


def test_a_network_server_with_thousands_of_addresses_gets_in(broker: Broker) -> None:
    addresses = [f"chirpstack/{number:016x}" for number in range(10_000)]
    broker.apply([*users(), network_user("network.large", hash_token("large"), addresses)])
    client = Client(broker.address, "network.large", "large", "gateway")
    assert client.is_in
    client.paho.publish(f"application/1/device/{9_999:016x}/event/up", b"x", qos=1).wait_for_publish(5)
    assert client.is_in
    client.close()
    too_many = [f"chirpstack/{number:016x}" for number in range(30_000)]
    broker.apply([*users(), network_user("network.large", hash_token("large"), too_many)])
    refused = Client(broker.address, "network.large", "large", "gateway")
    assert not refused.is_in
    refused.close()
    device = victim(broker)
    assert device.is_in
    device.close()
    assert broker.poll() is None


def test_a_door_that_fails_ends_the_broker_and_the_next_start_lets_everybody_in(broker: Broker) -> None:
    assert broker._gate._door is not None
    broker._gate._door.error = RuntimeError("a defect")
    assert eventually(lambda: broker.poll() is not None)
    broker.start()
    device = victim(broker)
    assert device.is_in
    device.close()


# -- from a version that kept no record


def earlier_server(folder: Path, port: int) -> subprocess.Popen[bytes]:
    """The server as an earlier version ran it: every user in its file, nobody asked."""
    entries = [
        {
            "user": name,
            "password": word,
            "permissions": {"publish": ["insitu.>"], "subscribe": ["insitu.>"]},
            "allowed_connection_types": ["MQTT"],
        }
        for name, word in (("t.victim", "victim"), ("service", "s"))
    ]
    account = server_account(None)
    prepare_data_dir(folder, account)
    for name in ("broker", "broker/store", "broker/store/jetstream"):
        own_folder(folder / name, account)
    text = (
        f"server_name: insitu\nhost: 127.0.0.1\nport: {free_port('127.0.0.1')}\n"
        f"jetstream {{ store_dir: {json.dumps(str(folder / 'broker' / 'store'))} }}\n"
        f'mqtt {{ host: 127.0.0.1, port: {port}, ack_wait: "2s" }}\n'
        f"authorization {{ users = {json.dumps(entries)} }}\n"
    )
    (folder / "earlier.conf").write_text(text)
    (folder / "earlier.conf").chmod(0o644)
    server = subprocess.Popen(
        [str(reachable_binary(folder, None, account)), "-c", str(folder / "earlier.conf")],
        stderr=subprocess.DEVNULL,
        user=account.uid if account else None,
        group=account.gid if account else None,
    )
    assert eventually(lambda: answers(port))
    return server


def answers(port: int) -> bool:
    try:
        Client(("127.0.0.1", port), "service", "s", "knock").close()
    except OSError:
        return False
    return True


def test_an_upgrade_keeps_queued_messages_sessions_and_client_ids(folder: Path) -> None:
    port = free_port("127.0.0.1")
    server = earlier_server(folder, port)
    try:
        there = ("127.0.0.1", port)
        ingestor = Client(there, "service", "s", SHARD, clean=False)
        ingestor.subscribe("insitu/v1/+/+/obs")
        device = Client(there, "t.victim", "victim", "sensor", clean=False)
        device.subscribe(RECEIPT)
        device.close()
        for word in (b"1", b"2"):
            ingestor.paho.publish(RECEIPT, word, qos=1).wait_for_publish(5)
        ingestor.close()
        publisher = Client(there, "t.victim", "victim", "publisher")
        for number in range(50):
            publisher.paho.publish("insitu/v1/t/victim/obs", str(number), qos=1).wait_for_publish(5)
        publisher.close()
    finally:
        server.kill()
        server.wait()
    broker = Broker(data_dir=folder)
    broker._users = tuple(users())
    broker.start()
    try:
        thief = Client(broker.address, "t.neighbour", "neighbour", "sensor", clean=False)
        assert not thief.is_in  # the session hears what the neighbour may not hear
        thief.close()
        again = service(broker)
        assert again.session_present
        assert eventually(lambda: set(again.heard) == {str(n).encode() for n in range(50)})
        back = victim(broker)
        assert back.session_present
        assert eventually(lambda: set(back.heard) == {b"1", b"2"}), back.heard
        for client in (again, back):
            client.close()
    finally:
        broker.stop()


# -- the record


def test_the_record_survives_a_torn_last_line_and_stays_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ids"
    ids = ClientIds(path)
    assert ids.claim("a", "x", 1000.0) is None
    assert ids.claim("b", "x", 1001.0) is None
    with path.open("a") as file:
        file.write('{"id": "a", "own')
    again = ClientIds(path)
    assert again.claim("a", "y", 1002.0) is not None
    for second in range(3000):
        again.claim("a", "x", 2000.0 + 3601.0 * second)
    assert len(path.read_text().splitlines()) < 2000
    assert ClientIds(path).claim("b", "y", 1.0) is not None


def test_an_id_that_nobody_used_for_long_loses_its_owner_but_not_while_it_is_connected(
    tmp_path: Path,
) -> None:
    ids = ClientIds(tmp_path / "ids")
    assert ids.claim("gone", "x", 0.0) is None
    assert ids.claim("there", "x", 0.0) is None
    late = client_ids.KEPT_S + 1
    ids.expire(["there"], late)
    assert ids.leaving() == ["gone"]
    assert ids.claim("gone", "y", late) is not None
    ids.left("gone")
    assert ids.claim("gone", "y", late) is None
    assert ids.claim("there", "y", late) is not None


def test_a_record_that_cannot_be_written_holds_in_memory_and_is_written_later(tmp_path: Path) -> None:
    path = tmp_path / "place" / "ids"
    ids = ClientIds(path)  # its folder is not there
    assert ids.claim("a", "x", 0.0) is None
    assert ids.claim("a", "y", 0.0) is not None
    path.parent.mkdir()
    assert ids.claim("b", "x", 0.0) is None
    again = ClientIds(path)
    assert again.claim("a", "y", 0.0) is not None
    assert again.claim("b", "y", 0.0) is not None
