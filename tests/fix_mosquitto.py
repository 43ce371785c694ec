"""An installation behind Mosquitto with the files of `insitu broker-config mosquitto`: database, broker and
ingestor are real processes.
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from cli.brokers import PROFILES
from ingest.acts.enrolling import give_credential
from ingest.mqtt import BrokerAddress
from insitu.embedded.child import Child
from insitu.embedded.ports import free_port
from insitu.whole import write_whole
from store import access, shards
from store.catalogue.devices import find_device
from store.database import Connection
from tests.fix_catalogue import SmallTrial
from tests.forked import ForkedChild
from tests.stack import NOW, wait_until


class Mosquitto:
    """`conn` is the test's own connection."""

    def __init__(self, binary: str, folder: Path, conn: Connection, database_url: str) -> None:
        self.conn, self.folder = conn, folder
        self.address = BrokerAddress("127.0.0.1", free_port("127.0.0.1"), "insitu-service", "service-word")
        self.devices_port = free_port("127.0.0.1")
        self.tokens: dict[str, tuple[str, str]] = {}
        self.log = folder / "mosquitto.log"
        self._database_url = database_url
        self._write_files()
        (folder / "mosquitto.conf").write_text(self._configuration(), "utf-8")
        self.server = Child([binary, "-c", str(folder / "mosquitto.conf")], log=folder / "stderr")
        self.ingestor = self._make_ingestor()

    def _configuration(self) -> str:
        return (
            f"user root\nper_listener_settings false\nallow_anonymous false\n"
            f"password_file {self.folder / 'passwords'}\nacl_file {self.folder / 'acl'}\n"
            f"max_queued_messages 1000000000\nmax_inflight_messages 4000\n"
            f"log_dest file {self.log}\nlog_type all\n"
            f"listener {self.devices_port} 127.0.0.1\nuse_username_as_clientid true\n"
            f"listener {self.address.port} 127.0.0.1\n"
        )

    def _make_ingestor(self) -> Child:
        login = f"{quote(self.address.username)}:{quote(self.address.password)}"
        return ForkedChild(
            ["ingest"],
            log=self.folder / "ingest.log",
            env={
                **os.environ,
                "INSITU_DATABASE_URL": self._database_url,
                "INSITU_MQTT_URL": f"mqtt://{login}@{self.address.host}:{self.address.port}",
                "INSITU_MQTT_LOG": str(self.log),
            },
        )

    def start(self) -> None:
        self.server.start()
        wait_until(lambda: self.log.exists() and "running" in self.log.read_text("utf-8"), "mosquitto", 10)
        shards.ensure_shards(self.conn)
        self.conn.commit()
        self.ingestor.start()
        wait_until(self._ready, "the ingestor's subscription")

    def _ready(self) -> bool:
        ready = shards.shards_ready(self.conn)
        self.conn.rollback()
        return ready

    def stop(self) -> None:
        self.ingestor.stop()
        self.server.stop()

    def enrol(self, trial: str, device: str) -> None:
        number = find_device(self.conn, trial, device).device_id
        login = give_credential(self.conn, device_id=number, trial=trial, device=device, now=NOW)
        self.conn.commit()
        self.tokens[f"{trial}/{device}"] = (login.username, login.token)
        self.reload()

    def reload(self) -> None:
        """As an operator does after `insitu broker-config`."""
        self._write_files()
        before = self.log.read_text("utf-8").count("Reloading config")
        self.server.signal(signal.SIGHUP)
        wait_until(lambda: self.log.read_text("utf-8").count("Reloading config") > before, "the reload", 10)

    def _write_files(self) -> None:
        credentials = access.active_credentials(self.conn, NOW, suspended=True)
        self.conn.rollback()
        for name, content in PROFILES["mosquitto"].write(credentials, self.address).items():
            write_whole(self.folder / name, content)

    def received(self) -> int:
        (found,) = self.conn.execute("SELECT coalesce(sum(received), 0)::int FROM ledger").fetchone() or (0,)
        self.conn.rollback()
        return int(found)


@pytest.fixture
def mosquitto(
    tmp_path: Path, conn: Connection, database_url: str, catalogue: SmallTrial
) -> Iterator[Mosquitto]:
    """Devices `t/a` and `t/b` are enrolled."""
    binary = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    if binary is None:
        assert not os.environ.get("CI"), "CI installs mosquitto"
        pytest.skip("mosquitto is not installed (Debian: apt install mosquitto)")
    running = Mosquitto(binary, tmp_path, conn, database_url)
    try:
        running.start()
        running.enrol("t", "a")
        running.enrol("t", "b")
        yield running
    finally:
        running.stop()
