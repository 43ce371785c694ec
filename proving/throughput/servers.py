"""The brokers that are measured, started with the same users and the same window."""

from __future__ import annotations

import shutil
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ingest.mqtt import BrokerAddress
from insitu.embedded.broker import Broker, free_port
from insitu.embedded.broker_program import wheel_binary
from insitu.embedded.child import Child
from insitu.embedded.users import BrokerUser, hash_token, mosquitto_hash, mosquitto_users, service_user
from insitu.errors import InsituError
from insitu.wire import PREFIX

WINDOW: Final = 4000
PASSWORD: Final = "bench"  # noqa: S105 - of servers that live for a minute on the loopback
_FLEET: Final = (f"{PREFIX}/+/+/obs",)


class Kind(ABC):
    """A broker that can be started; `name` stands in the table."""

    name: str

    @abstractmethod
    def binary(self) -> Path | None:
        """The server's program; None where it is not installed."""

    @abstractmethod
    def running(self, folder: Path) -> Iterator[BrokerAddress]:
        """Start it below `folder`; the service's address. The user `fleet` may publish for every device."""


class EmbeddedNats(Kind):
    name = "embedded NATS"

    def binary(self) -> Path | None:
        return wheel_binary()

    def running(self, folder: Path) -> Iterator[BrokerAddress]:
        broker = Broker(data_dir=folder / "nats", window=WINDOW)
        broker.start()
        try:
            broker.apply([BrokerUser("fleet", hash_token(PASSWORD), _FLEET, ())])
            yield BrokerAddress(broker.host, broker.port, broker.service_username, broker.service_password)
        finally:
            broker.stop()


class Mosquitto(Kind):
    name = "mosquitto"

    def binary(self) -> Path | None:
        found = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
        return Path(found) if found else None

    def running(self, folder: Path) -> Iterator[BrokerAddress]:
        place, port = folder / "mosquitto", free_port("127.0.0.1")
        place.mkdir()
        passwords, rules = mosquitto_users(
            [
                service_user("insitu-service", mosquitto_hash(PASSWORD)),
                BrokerUser("fleet", mosquitto_hash(PASSWORD), _FLEET, ()),
            ]
        )
        for name, text in (
            ("passwords", passwords),
            ("acl", rules),
            ("mosquitto.conf", self._configuration(place, port)),
        ):
            (place / name).write_text(text, encoding="utf-8")
            (place / name).chmod(0o600)
        binary = self.binary()
        assert binary is not None
        server = Child([str(binary), "-c", str(place / "mosquitto.conf")], log=place / "server.log")
        server.start()
        try:
            limit = time.monotonic() + 10
            while "running" not in (server.last_words(50) or ""):
                if server.poll() is not None or time.monotonic() > limit:
                    raise InsituError(f"mosquitto did not start: {server.last_words(3)}")
                time.sleep(0.02)
            yield BrokerAddress("127.0.0.1", port, "insitu-service", PASSWORD)
        finally:
            server.stop()

    def _configuration(self, place: Path, port: int) -> str:
        return (
            f"user root\nlistener {port} 127.0.0.1\nallow_anonymous false\n"
            f"password_file {place / 'passwords'}\nacl_file {place / 'acl'}\n"
            f"persistence true\npersistence_location {place}/\n"
            f"max_queued_messages 0\nmax_inflight_messages {WINDOW}\nset_tcp_nodelay true\n"
        )


KINDS: Final[tuple[Kind, ...]] = (EmbeddedNats(), Mosquitto())


@contextmanager
def started(kind: Kind, folder: Path) -> Iterator[BrokerAddress]:
    yield from kind.running(folder)
