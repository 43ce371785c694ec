"""Addresses and secrets of an installation, for its parts and for other commands on this machine."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from cli.addresses import pages_speak_tls, reachable_here, reachable_there, require_safe
from cli.supervision import Steps
from insitu.clock import Clock
from insitu.embedded.broker import Broker
from insitu.embedded.certificates import TLS
from insitu.embedded.directory import Running, write_running
from insitu.embedded.ports import require_free_port
from insitu.embedded.postgres import Postgres
from insitu.errors import CorrectInput
from insitu.settings import Settings, parse_listen


@dataclass(frozen=True, slots=True)
class Addresses:
    """Listening addresses of this installation."""

    mqtt: tuple[str, int]
    http: tuple[str, int]
    tls: TLS | None
    """Of the broker; devices trust its CA."""


def addresses(settings: Settings, tls: TLS | None) -> Addresses:
    """Listening addresses of the settings; raises CorrectInput if plaintext would leave this machine,
    or if both are the same."""
    mqtt, http = parse_listen(settings.mqtt_listen), parse_listen(settings.http_listen)
    for name, (host, _) in (("INSITU_MQTT_LISTEN", mqtt), ("INSITU_HTTP_LISTEN", http)):
        require_safe(name, host, settings, secure=tls is not None)
    if mqtt == http and mqtt[1]:
        raise CorrectInput(
            f"INSITU_MQTT_LISTEN and INSITU_HTTP_LISTEN are both {settings.http_listen}: give each a port."
        )
    return Addresses(mqtt, http, tls)


@dataclass(frozen=True, slots=True)
class Reach:
    """Addresses and secrets of one installation."""

    settings: Settings
    data_dir: Path
    where: Addresses
    postgres: Postgres
    broker: Broker

    @property
    def http_url(self) -> str:
        host, port = self.where.http
        secure = pages_speak_tls(self.settings)
        return (
            f"http{'s' if secure else ''}://{reachable_there(self.settings, host) if secure else host}:{port}"
        )

    def pages_port(self) -> Steps:
        """Nobody else may have it: what answered there would be taken for our pages."""
        require_free_port(*self.where.http)
        yield

    def mqtt_url(self, address: tuple[str, int]) -> str:
        """URL of the broker at `address`, with the service's credential; a private broker uses no TLS."""
        host, port = address
        scheme = "mqtts" if self.where.tls and (address == self.public or self.broker.secure) else "mqtt"
        login = f"{quote(self.broker.service_username)}:{quote(self.broker.service_password)}"
        return f"{scheme}://{login}@{reachable_here(host)}:{port}"

    @property
    def public(self) -> tuple[str, int]:
        """The broker's address for devices, once its port is open."""
        return self.broker.host, self.broker.port

    def part_environment(self, address: tuple[str, int]) -> dict[str, str]:
        """Environment of a part. Secrets are passed in a child's environment, never on its command line."""
        broker = self.broker
        given = ("DATABASE_URL", "MQTT_URL", "MQTT_CA", "DATA_DIR", "HTTP_LISTEN", "BROKER_LIFE", "MQTT_LOG")
        environment = {
            name: text
            for name, text in os.environ.items()
            if name not in {f"INSITU_{one}_FILE" for one in given}
        }
        environment |= {
            "INSITU_DATABASE_URL": self.postgres.service_url,
            "INSITU_MQTT_URL": self.mqtt_url(address),
            "INSITU_BROKER_LIFE_FILE": str(broker.life_file),
            "INSITU_MQTT_LOG": str(broker.log_file),
            "INSITU_BROKER_MONITOR_FILE": str(broker.monitor_file),
            "INSITU_DATA_DIR": str(self.data_dir),
            "INSITU_DATABASE_DISK": str(self.data_dir),
            "INSITU_HTTP_LISTEN": "{}:{}".format(*self.where.http),
        }
        if self.where.tls:
            environment["INSITU_MQTT_CA"] = str(self.where.tls.ca)
        return environment

    def tell_running(self, clock: Clock) -> None:
        """Tell other commands on this machine what is running here."""
        write_running(
            self.data_dir,
            Running(
                pid=os.getpid(),
                data_dir=str(self.data_dir),
                database_url=self.postgres.url,
                service_url=self.postgres.service_url,
                http=self.http_url,
                mqtt=f"{self.broker.host}:{self.broker.port}",
                mqtt_ca=str(self.where.tls.ca) if self.where.tls else None,
                mqtt_url=self.mqtt_url(self.public),
                clock=clock.dumps() if clock.is_simulated else None,
            ),
        )
