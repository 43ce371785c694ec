"""A trial whose devices are mapped field by field, and the path that a message takes."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from ingest.booking import book
from ingest.mapping_entry import MappingEntry
from ingest.outcome import Booked
from ingest.reading import prepare
from insitu.model import Message
from store.catalogue.properties import add_property
from store.catalogue.snapshot import load_snapshot
from store.database import Connection
from store.ledger import recount
from store.mappings import replace_mappings

NOW = datetime.now(UTC)
NOW_US = int(NOW.timestamp() * 1e6)
UNITS = {
    "temperature": "Cel",
    "humidity": "%",
    "pm10": "ug/m3",
    "pm1": "ug/m3",
    "co2": "[ppm]",
    "pressure": "hPa",
    "power": "W",
    "energy": "kW.h",
    "voltage": "V",
    "current": "A",
    "radon": "Bq/m3",
}


def add_properties(conn: Connection) -> None:
    for code, unit in UNITS.items():
        add_property(conn, code=code, name={"en": code, "fr": code}, unit=unit)


def give_mappings(conn: Connection, *mappings: dict[str, Any]) -> None:
    """Replaces the mappings of trial `t`; each for device `a`, unless it says which."""
    entries = [MappingEntry.model_validate({"trial": "t", "devices": "a", **one}) for one in mappings]
    replace_mappings(conn, "t", [entry.mapping(conn) for entry in entries])
    conn.commit()


def send(
    conn: Connection,
    payload: Any,
    suffix: str = "telemetry",
    *,
    topic: str = "",
    later_us: int = 0,
    **more: Any,
) -> Booked:
    """One message of device `a`, through the path into the database; the ledger must add up."""
    content = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    message = Message(
        topic or f"insitu/v1/t/a/{suffix}",
        content,
        NOW_US + later_us,
        **{"mid": 1 + later_us, "size": len(content), **more},
    )
    outcome = book(conn, prepare([message], load_snapshot(conn)), client_id="s", now_us=NOW_US)
    conn.commit()
    assert recount(conn) == []
    (booked,) = outcome.messages
    return booked


def stored(conn: Connection) -> dict[str, list[float]]:
    """Name of each datastream of device `a` → its results, by time."""
    found: dict[str, list[float]] = {}
    for name, result in conn.execute(
        "SELECT s.name, o.result FROM observation o JOIN datastream s USING (datastream_id) "
        "JOIN device d USING (device_id) WHERE d.code = 'a' ORDER BY s.name, o.phenomenon_time"
    ):
        found.setdefault(name, []).append(result)
    return found


def refused(booked: Booked) -> dict[str, int]:
    return {str(reason): count for reason, (count, _) in booked.refused.items()}


def left_out(booked: Booked) -> dict[str, int]:
    return {str(reason): count for reason, count in booked.message.left_out.items()}
