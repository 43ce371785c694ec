"""Addresses of servers from the settings, and which of them others may reach."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from api.snippets import PublicAddress
from cli.output import warn
from cli.target import find_target
from ingest.mqtt import LOOPBACK, BrokerAddress
from insitu.errors import CorrectInput
from insitu.settings import Settings, load, misspelt, parse_listen
from insitu.urls import parse_mqtt

if TYPE_CHECKING:
    from api.snippets import PublicAddress
    from ingest.mqtt import BrokerAddress
    from insitu.embedded.directory import Running


def service_settings() -> Settings:
    """Settings of a program that goes on running. Says on stderr which variable looks like a setting and is
    none.
    """
    for sentence in misspelt(os.environ):
        warn(sentence)
    return load()


def database_url_of(settings: Settings) -> str:
    return (
        settings.database_url.get_secret_value()
        if settings.database_url
        else find_target(settings).database_url
    )


def broker_address(settings: Settings) -> BrokerAddress:
    """The broker of INSITU_MQTT_URL, in the form that `ingest` needs."""
    if settings.mqtt_url is None:
        raise CorrectInput("Set INSITU_MQTT_URL, for example mqtt://ingest:password@127.0.0.1:1883.")
    return parse_broker_url(settings.mqtt_url.get_secret_value(), settings.mqtt_ca)


def devices_address(settings: Settings, service: BrokerAddress) -> BrokerAddress:
    """Where devices reach the broker: INSITU_MQTT_DEVICES, else as the service does. Without an account."""
    if settings.mqtt_devices is None:
        return service
    return parse_broker_url(settings.mqtt_devices, settings.mqtt_ca)


def parse_broker_url(text: str, ca: Path | None) -> BrokerAddress:
    """`mqtt[s]://user:password@host[:port]`; `ca` is the authority that signed the broker's certificate."""
    try:
        url = parse_mqtt(text)
    except ValueError as error:
        raise CorrectInput(f"INSITU_MQTT_URL, INSITU_MQTT_DEVICES: {error}.") from error
    secure = url.scheme == "mqtts"
    return BrokerAddress(
        host=url.hostname or "",
        port=url.port or (8883 if secure else 1883),
        username=unquote(url.username or ""),
        password=unquote(url.password or ""),
        tls=secure,
        tls_ca=ca if secure else None,
    )


def require_safe(name: str, host: str, settings: Settings, *, secure: bool) -> None:
    """Raises CorrectInput if plaintext would leave this machine."""
    if host not in LOOPBACK and not host.startswith("127.") and not secure and not settings.allow_plaintext:
        raise CorrectInput(
            f"{name}={host} is not this machine's loopback: passwords would travel in the clear. Run "
            f"`insitu cert {host}` "
            "and set INSITU_TLS_CERT and INSITU_TLS_KEY, or set INSITU_ALLOW_PLAINTEXT=yes."
        )


def pages_speak_tls(settings: Settings) -> bool:
    """True with a certificate on an address that others reach; a browser on this machine needs none."""
    host, _ = parse_listen(settings.http_listen)
    return settings.tls_cert is not None and settings.tls_key is not None and host not in LOOPBACK


def reachable_here(host: str) -> str:
    """The address for reaching, from this machine, a server that listens on `host`."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - what was asked for


def reachable_there(settings: Settings, host: str) -> str:
    """The address to publish: INSITU_PUBLIC_HOST, else the listening address, else this machine's name."""
    if settings.public_host:
        return settings.public_host
    return socket.getfqdn() if reachable_here(host) != host else host


def public_address(settings: Settings, text: str, ca: Path | None) -> PublicAddress:
    """The broker's actual address for devices of this installation."""
    if text:
        host, port = parse_listen(text)
        return PublicAddress(
            reachable_there(settings, host),
            port,
            tls=ca is not None,
            ca_pem=ca.read_text("utf-8") if ca else None,
        )
    if settings.mqtt_url is None:
        host, port = parse_listen(settings.mqtt_listen)
        return PublicAddress(reachable_there(settings, host), port, tls=False, ca_pem=None)
    broker = broker_address(settings)
    ca_pem = broker.tls_ca.read_text("utf-8") if broker.tls_ca else None
    return PublicAddress(settings.public_host or broker.host, broker.port, tls=broker.tls, ca_pem=ca_pem)


def pages_url(running: Running | None) -> str:
    """The address of the pages for people elsewhere: of what runs here, or of a reverse proxy before it; else
    as the settings say.
    """
    settings = load()
    host, port = parse_listen(settings.http_listen)
    if running is not None and (settings.public_host is None or running.http.startswith("https:")):
        return running.http
    if settings.tls_cert is not None:
        return f"https://{settings.public_host or host}:{port}"
    return f"https://{settings.public_host}" if settings.public_host else f"http://{host}:{port}"
