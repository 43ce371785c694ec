"""Two throw-away devices for `insitu check`, gone when it ends."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from insitu.cli.devices import wait_until_applied
from insitu.cli.parts import parse_broker_url
from insitu.cli.target import Target
from insitu.errors import InsituError

if TYPE_CHECKING:
    from pathlib import Path

    from ingest.mqtt import BrokerAddress
    from ingest.policy import Probe
    from store.database import Connection


@contextmanager
def throw_away_devices(conn: Connection, target: Target) -> Iterator[tuple[BrokerAddress, Probe, Probe]]:
    """(the service's address, one device, another), active at the broker; InsituError where the broker is not ours to tell."""
    from pathlib import Path

    from store.access import drop_probes

    if target.running is None:
        raise InsituError(
            "the broker belongs to somebody else and takes no throw-away users from here. Give it the files of "
            "`insitu broker-config`, and run `insitu check` where `insitu up` runs to see what they allow."
        )
    ca: Path | None = Path(target.running.mqtt_ca) if target.running.mqtt_ca else None
    probes = [_add_probe(conn, target) for _ in range(2)]
    conn.commit()
    try:
        wait_until_applied(conn)
        yield parse_broker_url(target.running.mqtt_url, ca), probes[0], probes[1]
    finally:
        conn.rollback()
        drop_probes(conn, [probe.username for probe in probes])
        conn.commit()


def _add_probe(conn: Connection, target: Target) -> Probe:
    from ingest.policy import Probe
    from insitu.embedded.users import hash_token, mosquitto_hash
    from store.access import add_credential

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
