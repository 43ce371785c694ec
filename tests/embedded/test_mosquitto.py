"""The files that `insitu broker-config mosquitto` writes, in a real Mosquitto: tests that it keeps devices
apart.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from cli.brokers import PROFILES
from ingest.mqtt import BrokerAddress
from ingest.policy import Probe, prove
from ingest.takeover import prove_ids
from insitu.embedded.child import Child
from insitu.embedded.users import hash_token, mosquitto_hash
from insitu.errors import InsituError
from insitu.whole import write_whole
from proving.throughput.servers import KINDS, started
from store.access import Credential
from tests.stack import wait_until

pytestmark = pytest.mark.long

SERVICE = "service-password"
TOKENS = {"a": "token-of-a", "b": "token-of-b"}


@pytest.fixture
def mosquitto() -> Iterator[tuple[BrokerAddress, BrokerAddress]]:
    """Where the service connects, and where devices do: with deploy/mosquitto's settings for client ids."""
    binary = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    if binary is None:
        assert not os.environ.get("CI"), "CI installs mosquitto"
        pytest.skip("mosquitto is not installed (Debian: apt install mosquitto)")
    from insitu.embedded.broker import free_port

    with TemporaryDirectory(prefix="insitu-mosquitto-") as name:
        folder, port, devices = Path(name), free_port("127.0.0.1"), free_port("127.0.0.1")
        address = BrokerAddress("127.0.0.1", port, "insitu-service", SERVICE)
        credentials = [
            Credential(f"check.{d}", hash_token(t), mosquitto_hash(t), "check", d) for d, t in TOKENS.items()
        ]
        for file, content in PROFILES["mosquitto"].write(credentials, address).items():
            write_whole(folder / file, content)
        (folder / "mosquitto.conf").write_text(
            f"user root\nper_listener_settings false\nallow_anonymous false\n"
            f"password_file {folder / 'passwords'}\nacl_file {folder / 'acl'}\n"
            f"listener {devices} 127.0.0.1\nuse_username_as_clientid true\nlistener {port} 127.0.0.1\n"
        )
        server = Child([binary, "-c", str(folder / "mosquitto.conf")], log=folder / "log")
        server.start()
        wait_until(lambda: "running" in (server.last_words(50) or ""), "mosquitto's start", 10)
        yield address, replace(address, port=devices)
        server.stop()


Both = tuple[BrokerAddress, BrokerAddress]
PROBES = [Probe(d, f"check.{d}", t) for d, t in TOKENS.items()]


def test_mosquitto_with_our_files_keeps_devices_apart(mosquitto: Both) -> None:
    service, devices = mosquitto
    assert "may not publish" in prove(service, *PROBES)
    assert "may not publish" in prove(devices, *PROBES)


def test_mosquitto_keeps_client_ids_apart_where_devices_connect(mosquitto: Both) -> None:
    service, devices = mosquitto
    for _ in range(2):
        assert "can neither end" in prove_ids(service, devices, *PROBES)


def test_a_listener_of_mosquitto_that_takes_any_client_id_is_found_out(mosquitto: Both) -> None:
    service, _ = mosquitto
    with pytest.raises(InsituError) as found:
        prove_ids(service, service, *PROBES)
    for hole in ("end the connection", "wait for another device", "wait for the ingestor"):
        assert hole in str(found.value)


def test_a_plain_client_neither_ends_a_connection_nor_takes_a_session_at_mosquitto(mosquitto: Both) -> None:
    """Without our own prover."""
    _, devices = mosquitto
    heard: list[bytes] = []
    first = plain(devices, "a", "sensor")
    first.subscribe("insitu/v1/check/a/receipt", 1)
    wait_until(lambda: settled(first), "the subscription", 5)
    for clean in (True, False):
        thief = plain(devices, "b", "sensor", clean=clean)
        thief.disconnect()
        thief.loop_stop()
    assert first.is_connected()
    first.disconnect()
    first.loop_stop()
    speaker = mqtt.Client(CallbackAPIVersion.VERSION2, "speaker")
    speaker.username_pw_set("insitu-service", SERVICE)
    speaker.connect(devices.host, devices.port)
    speaker.loop_start()
    speaker.publish("insitu/v1/check/a/receipt", b"kept", qos=1).wait_for_publish(5)
    plain(devices, "b", "check.a", clean=True).disconnect()
    again = plain(devices, "a", "sensor", on_message=lambda _c, _d, m: heard.append(m.payload))
    wait_until(lambda: heard == [b"kept"], "the message that waited", 5)
    for client in (speaker, again):
        client.disconnect()
        client.loop_stop()


def plain(
    address: BrokerAddress, device: str, client_id: str, *, clean: bool = False, on_message: Any = None
) -> mqtt.Client:
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id, clean_session=clean)
    client.username_pw_set(f"check.{device}", TOKENS[device])
    client.on_message = on_message
    client.on_subscribe = lambda *_: client.user_data_set("subscribed")
    client.connect(address.host, address.port)
    client.loop_start()
    wait_until(client.is_connected, f"{device} at the broker", 5)
    return client


def settled(client: mqtt.Client) -> bool:
    return client.user_data_get() == "subscribed"


def test_a_broker_without_access_rules_is_found_out() -> None:
    """The benchmark's user may publish for every device; used as a device it would be a hole."""
    from proving.throughput.servers import PASSWORD

    with TemporaryDirectory(prefix="insitu-open-") as name:
        Path(name).chmod(0o711)
        with started(KINDS[0], Path(name)) as address:
            probe = Probe("d", "fleet", PASSWORD)
            with pytest.raises(InsituError):
                prove(address, probe, Probe("e", "fleet", PASSWORD))
