"""The files that `insitu broker-config mosquitto` writes, in a real Mosquitto: tests that it keeps devices
apart.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from cli.brokers import PROFILES
from ingest.mqtt import BrokerAddress
from ingest.policy import Probe, prove
from insitu.embedded.child import Child
from insitu.embedded.users import hash_token, mosquitto_hash
from insitu.errors import InsituError
from insitu.whole import write_whole
from proving.throughput.servers import KINDS, started
from store.access import Credential
from tests.stack import wait_until

SERVICE = "service-password"
TOKENS = {"a": "token-of-a", "b": "token-of-b"}


@pytest.fixture
def mosquitto() -> Iterator[BrokerAddress]:
    binary = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    if binary is None:
        assert not os.environ.get("CI"), "CI installs mosquitto"
        pytest.skip("mosquitto is not installed (Debian: apt install mosquitto)")
    from insitu.embedded.broker import free_port

    with TemporaryDirectory(prefix="insitu-mosquitto-") as name:
        folder, port = Path(name), free_port("127.0.0.1")
        address = BrokerAddress("127.0.0.1", port, "insitu-service", SERVICE)
        credentials = [
            Credential(f"check.{d}", hash_token(t), mosquitto_hash(t), "check", d) for d, t in TOKENS.items()
        ]
        for file, content in PROFILES["mosquitto"].write(credentials, address).items():
            write_whole(folder / file, content)
        (folder / "mosquitto.conf").write_text(
            f"user root\nlistener {port} 127.0.0.1\nallow_anonymous false\n"
            f"password_file {folder / 'passwords'}\nacl_file {folder / 'acl'}\n"
        )
        server = Child([binary, "-c", str(folder / "mosquitto.conf")], log=folder / "log")
        server.start()
        wait_until(lambda: "running" in (server.last_words(50) or ""), "mosquitto's start", 10)
        yield address
        server.stop()


def test_mosquitto_with_our_files_keeps_devices_apart(mosquitto: BrokerAddress) -> None:
    probes = [Probe(d, f"check.{d}", t) for d, t in TOKENS.items()]
    assert "may not publish" in prove(mosquitto, *probes)


def test_a_broker_without_access_rules_is_found_out() -> None:
    """The benchmark's user may publish for every device; used as a device it would be a hole."""
    from proving.throughput.servers import PASSWORD

    with TemporaryDirectory(prefix="insitu-open-") as name:
        Path(name).chmod(0o711)
        with started(KINDS[0], Path(name)) as address:
            probe = Probe("d", "fleet", PASSWORD)
            with pytest.raises(InsituError):
                prove(address, probe, Probe("e", "fleet", PASSWORD))
