"""Two devices for `insitu check`: throw-away ones at the embedded broker, removed afterwards, or those of
`broker-config`.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cli.addresses import broker_address, parse_broker_url
from cli.devices import wait_until_applied
from cli.target import Target
from ingest.policy import Probe
from insitu.embedded.users import CHECK_DEVICES, check_token, hash_token, mosquitto_hash
from insitu.errors import InsituError
from insitu.settings import Settings
from insitu.wire import CHECK
from store.access import add_credential, drop_probes
from store.seals import note_act

if TYPE_CHECKING:
    from pathlib import Path

    from ingest.mqtt import BrokerAddress
    from ingest.policy import Probe
    from store.database import Connection


WRITE_FILES_ANEW: Final = (
    "the broker does not let in the devices of `insitu check`: write its files again with `insitu "
    "broker-config` "
    "and the same INSITU_MQTT_URL as here, and reload the broker."
)


class CannotAsk(InsituError):
    """This question could not be asked here."""


class LookAt(InsituError):
    """Insitu is in order, and somebody has to look at a device."""


def devices_of_broker_config(settings: Settings) -> tuple[BrokerAddress, Probe, Probe]:
    """(the service's address, one device, another) for a broker with the files of `broker-config`. Raises
    CannotAsk without its address.
    """
    if settings.mqtt_url is None:
        raise CannotAsk(
            "set INSITU_MQTT_URL, and INSITU_MQTT_CA where its certificate needs it, to what `insitu "
            "ingest` has; "
            "then this is tried at that broker."
        )
    address = broker_address(settings)
    first, second = (Probe(d, f"{CHECK}.{d}", check_token(address.password, d)) for d in CHECK_DEVICES)
    return address, first, second


@contextmanager
def throw_away_devices(conn: Connection, target: Target) -> Iterator[tuple[BrokerAddress, Probe, Probe]]:
    """(the service's address, one device, another), active at the embedded broker of `target`."""
    assert target.running is not None
    ca: Path | None = Path(target.running.mqtt_ca) if target.running.mqtt_ca else None
    probes = [_add_probe(conn, target) for _ in range(2)]
    note_act(conn, "credential")
    conn.commit()
    try:
        wait_until_applied(conn)
        yield parse_broker_url(target.running.mqtt_url, ca), probes[0], probes[1]
    finally:
        conn.rollback()
        drop_probes(conn, [probe.username for probe in probes])
        note_act(conn, "credential")
        conn.commit()


def _add_probe(conn: Connection, target: Target) -> Probe:
    device, token = f"probe-{secrets.token_hex(4)}", secrets.token_urlsafe(32)
    now = target.clock.now()
    add_credential(
        conn,
        device_id=None,
        username=f"check.{device}",
        token_sha256=hashlib.sha256(token.encode()).digest(),
        nats_hash=hash_token(token),
        mosquitto_hash=mosquitto_hash(token),
        now=now,
        expires_at=now + timedelta(minutes=5),
    )
    return Probe(device, f"check.{device}", token)
