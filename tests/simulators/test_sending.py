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
from simulators.devices import World
from simulators.fleet import BrokerLogin, Fleet
from simulators.scenario import load_scenario

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


@pytest.mark.timeout(120)
def test_a_device_whose_connection_was_cut_sends_everything(broker: tuple[Broker, TLS | None]) -> None:
    server, tls = broker
    scenario = load_scenario("ward-aa")
    names = [f"{scenario.code}/{code}" for code in scenario.device_codes()]
    ca = str(tls.ca) if tls else None
    logins = {
        name: BrokerLogin(server.host, server.port, name.replace("/", "."), TOKEN, ca) for name in names
    }
    server.apply(
        [
            BrokerUser(
                login.username, hash_token(TOKEN), tuple(f"insitu/v1/{name}/{s}" for s in (OBS, STATUS)), ()
            )
            for name, login in logins.items()
        ]
    )
    start = datetime(2026, 3, 20, tzinfo=ZoneInfo("Europe/Paris"))
    until = start + timedelta(days=2)
    clock = Clock.simulated(
        real_start=time.time() + 1,
        history=until - start,
        takes=timedelta(seconds=6),
        ends=until.timestamp(),
    )
    fleet = Fleet([World.of(scenario, start=start, days=20, seed=1)], logins, clock=clock)
    span = {"from_us": to_whole_second_us(start), "until_us": to_whole_second_us(until)}
    stop, ended = threading.Event(), []
    sending = threading.Thread(target=lambda: ended.append(fleet.run(**span, stop=stop)))
    sending.start()
    try:
        time.sleep(2)
        for name in names:
            throw_off(name, logins[name])
        sending.join(30)
        assert ended, "the fleet still waits for a device"
    finally:
        stop.set()
        sending.join(30)
        fleet.close()
    assert ended[0].acknowledged == ended[0].published > 2 * 80 * len(names)
