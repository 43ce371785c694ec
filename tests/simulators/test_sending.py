"""The fleet's connections break while the broker stays: another client takes a device's name and goes."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from insitu.clock import Clock
from insitu.embedded.broker import Broker
from insitu.embedded.certificates import TLS, issue
from insitu.embedded.users import BrokerUser, hash_token
from insitu.times import to_whole_second_us
from insitu.wire import OBS, STATUS
from simulators.devices import DAY_US, Device, World
from simulators.fleet import BrokerLogin, Fleet
from simulators.scenario import load_scenario
from tests.stack import wait_until

pytestmark = pytest.mark.long

TOKEN = "a token of the fleet"


@pytest.fixture(params=[False, True], ids=["plain", "TLS"])
def broker(request: pytest.FixtureRequest) -> Iterator[tuple[Broker, TLS | None]]:
    with TemporaryDirectory(prefix="insitu fleet ") as name:
        folder = Path(name)
        folder.chmod(0o711)
        tls = issue(folder / "tls", ["127.0.0.1"]) if request.param else None
        server = Broker(data_dir=folder / "data", tls=tls)
        server.start()
        try:
            yield server, tls
        finally:
            server.stop()


def user_of(name: str, login: BrokerLogin) -> BrokerUser:
    allowed = tuple(f"insitu/v1/{name}/{suffix}" for suffix in (OBS, STATUS))
    return BrokerUser(login.username, hash_token(TOKEN), allowed, ())


def throw_off(name: str, login: BrokerLogin) -> None:
    """Connects with the client id of a device, which ends that one's connection, and leaves at once."""
    other = paho.Client(CallbackAPIVersion.VERSION2, name.replace("/", ":"), clean_session=False)
    other.username_pw_set(login.username, login.password)
    if login.ca is not None:
        other.tls_set(ca_certs=login.ca, tls_version=ssl.PROTOCOL_TLS_CLIENT)
    other.connect(login.host, login.port)
    for _ in range(20):
        other.loop(0.01)
    other.disconnect()


class Listener:
    """Hears everything that the broker takes from the trial's devices, as a client that knows nothing of the
    fleet.
    """

    def __init__(self, server: Broker, trial: str, ca: str | None) -> None:
        self.heard: set[tuple[str, bytes]] = set()
        subscribed = threading.Event()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, "listener")
        self._client.username_pw_set(server.service_username, server.service_password)
        if ca is not None:
            self._client.tls_set(ca_certs=ca, tls_version=ssl.PROTOCOL_TLS_CLIENT)
        self._client.on_message = lambda _client, _data, m: self.heard.add((m.topic, m.payload))
        self._client.on_subscribe = lambda *_: subscribed.set()
        self._client.connect(server.host, server.port)
        self._client.loop_start()
        self._client.subscribe(f"insitu/v1/{trial}/+/{OBS}", qos=1)
        assert subscribed.wait(10)

    def knows(self, names: list[str]) -> bool:
        topics = {topic for topic, _ in list(self.heard)}
        return all(f"insitu/v1/{name}/{OBS}" in topics for name in names)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def due(world: World, codes: list[str], from_us: int, until_us: int) -> set[tuple[str, bytes]]:
    """The measurements that the devices of `world` have to send in `[from_us, until_us)`."""
    days = range(2 + (until_us - from_us) // DAY_US)
    return {
        (sent.topic, sent.payload)
        for code in codes
        for _, messages in zip(days, Device(world, code).messages(), strict=False)
        for sent in messages
        if from_us <= sent.send_us < until_us and sent.topic.endswith(f"/{OBS}")
    }


@pytest.mark.timeout(120)
def test_a_device_whose_connection_was_cut_sends_everything(broker: tuple[Broker, TLS | None]) -> None:
    server, tls = broker
    scenario = load_scenario("ward-aa")
    names = [f"{scenario.code}/{code}" for code in scenario.device_codes()]
    ca = str(tls.ca) if tls else None
    logins = {
        name: BrokerLogin(server.host, server.port, name.replace("/", "."), TOKEN, ca) for name in names
    }
    server.apply([user_of(name, login) for name, login in logins.items()])
    start = datetime(2026, 3, 20, tzinfo=ZoneInfo("Europe/Paris"))
    until = start + timedelta(days=2)
    clock = Clock.simulated(
        real_start=time.time() + 1,
        history=until - start,
        takes=timedelta(seconds=10),
        ends=until.timestamp(),
    )
    world = World.of(scenario, start=start, days=20, seed=1)
    fleet, listener = Fleet([world], logins, clock=clock), Listener(server, scenario.code, ca)
    span = {"from_us": to_whole_second_us(start), "until_us": to_whole_second_us(until)}
    stop = threading.Event()
    sending = threading.Thread(target=lambda: fleet.run(**span, stop=stop))
    sending.start()
    try:
        wait_until(lambda: listener.knows(names), "a first message of each device")
        throw_off(names[0], logins[names[0]])
        assert sending.is_alive(), "the fleet was done before a connection was cut"
        for name in names[1:]:
            throw_off(name, logins[name])
        sending.join(40)
        assert not sending.is_alive(), "the fleet still waits for a device"
        expected = due(world, list(scenario.device_codes()), **span)
        assert len(expected) > 2 * 80 * len(names)
        wait_until(lambda: expected <= listener.heard, "every measurement at the listener", 10)
    finally:
        stop.set()
        sending.join(30)
        fleet.close()
        listener.close()
