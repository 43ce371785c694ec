"""Each shipped device family reads the payload that its maker documents, without a refusal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ingest.device_families import families, family
from insitu.errors import NotFound
from store.database import Connection
from store.mappings import replace_mappings
from tests.cases.worlds import add_properties, left_out, refused, send, stored
from tests.fix_catalogue import SmallTrial

PAYLOADS = json.loads((Path(__file__).parent / "testdata" / "families.json").read_text("utf-8"))
"""Family → payload, results by property, health."""


def test_every_family_has_a_payload_and_every_payload_a_family() -> None:
    assert sorted(PAYLOADS) == [one.name for one in families()]
    assert len(PAYLOADS) >= 10


def test_an_unknown_family_is_named_with_the_known_ones() -> None:
    with pytest.raises(NotFound, match="milesight-em300"):
        family("toaster")


@pytest.mark.parametrize("name", sorted(PAYLOADS))
def test_a_family_reads_its_payload(conn: Connection, catalogue: SmallTrial, name: str) -> None:
    add_properties(conn)
    entries = [
        entry
        for entry in family(name).entries("t", "a", zone="Europe/Paris")
        if entry.property is None or entry.property not in ("apparent_power",)
    ]
    replace_mappings(conn, "t", [entry.mapping(conn) for entry in entries])
    conn.commit()
    case: dict[str, Any] = PAYLOADS[name]
    booked = send(conn, case["payload"])
    missing = {"unknown_property": case["unmapped"]} if case.get("unmapped") else {}
    assert refused(booked) == missing, booked.refused
    by_property: dict[str, list[float]] = {}
    fields = {entry.field: entry.property for entry in entries}
    for field, results in stored(conn).items():
        by_property.setdefault(str(fields[field]), []).extend(results)
    assert by_property == {code: pytest.approx(results) for code, results in case["results"].items()}
    health = conn.execute("SELECT battery, rssi, firmware FROM device_contact").fetchone()
    assert dict(zip(("battery", "rssi", "firmware"), health, strict=True)) == {  # type: ignore[arg-type]
        "battery": None,
        "rssi": None,
        "firmware": None,
        **case.get("health", {}),
    }
    assert left_out(booked).get("missing", 0) == case.get("missing", 0)
