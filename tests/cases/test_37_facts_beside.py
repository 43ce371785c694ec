"""A time beside the results, their unit, or the device's own word that they are bad: used, or the results are
refused; also when the refused message is replayed from the bytes that were kept.

The oracle knows what each payload says, and no word of the code: a result may be stored only if it is good,
in its unit, at its time.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from typing import Any

import pytest

from ingest.masks.payload import keep_payload
from ingest.masks.wanted import wanted_of
from ingest.reading import prepare
from ingest.replay import replay
from insitu.clock import SYSTEM
from insitu.model import Message
from store.catalogue.snapshot import CatalogueSnapshot, load_snapshot
from store.database import Connection
from tests.cases.worlds import NOW, NOW_US, add_properties, give_mappings, left_out, refused, send, stored
from tests.fix_catalogue import SmallTrial
from tests.ingest import test_sparkplug as edge_node
from tests.ingest.test_networks import TTS_TOPIC, UP_TOPIC, chirpstack, register_networks, things_stack
from tests.ingest.test_networks import ingest as ingest_networks
from tests.ingest.test_sparkplug import part, varint

SECONDS = int(NOW.timestamp()) - 7200
TIMES: list[tuple[str, Any]] = [
    ("Time", "2026-11-29T21:57:24"),
    ("time", "2026-11-29T21:57:24Z"),
    ("timestamp", "2026-11-29T21:57:24+01:00"),
    ("timestamp", SECONDS),
    ("ts", SECONDS * 1000),
    ("datetime", "2026-11-29 21:57:24"),
    ("measured_at", "2026-11-29T21:57:24Z"),
    ("unixtime", SECONDS),
]
BAD: list[tuple[str, Any]] = [
    ("quality", "bad"),
    ("quality", "BAD"),
    ("status", "error"),
    ("status", "Fault"),
    ("state", "out_of_range"),
    ("valid", False),
    ("isValid", False),
    ("error", True),
    ("error", "E17"),
    ("error_code", 17),
    ("sensor_status", "failed"),
    ("validity", "invalide"),
    ("data_quality", "uncertain"),
]
GOOD: list[tuple[str, Any]] = [
    ("quality", "good"),
    ("status", "ok"),
    ("valid", True),
    ("error", False),
    ("error", "none"),
    ("error_code", 0),
    ("state", "ON"),
    ("air_quality", "bad"),
    ("wifi_status", "error"),
    ("last_seen", "2026-11-29T21:57:24Z"),
    ("uptime", 979),
    ("TotalStartTime", "2022-11-03T10:21:00"),
]
FURTHER: list[tuple[str, Any]] = [
    *(("valid", said) for said in (0, "no", "false", "0")),
    *((key, True) for key in ("has_error", "simulated", "test", "calibrating", "stale", "out_of_range")),
    *((key, False) for key in ("is_valid", "is_ok", "sensor_ok", "valide", "gueltig")),
    *(("mode", said) for said in ("calibration", "zero", "maintenance")),
    *(("fault", said) for said in (1, 4)),
    *(("état", "panne"), ("qualité", "mauvaise"), ("status", "simulated"), ("is_test", 1)),
    *((key, "2026-11-29T21:57:24") for key in ("horodatage", "Zeitstempel", "fecha", "measuredOn")),
    *(("scale", 0.1), ("exponent", -1), ("multiplier", 10), ("divisor", 1000), ("factor", 10)),
    *((key, "b") for key in ("device", "deviceId", "dev_id", "host")),
]
"""The same in other words, each in every format."""
NOTHING_MEANT: list[tuple[str, Any]] = [
    *(("errors", 5), ("timeout", 30), ("test", False), ("calibration", "2026-01-01"), ("error", 0.05)),
    *(
        ("scale", 1),
        ("exponent", 0),
        ("Factor", 0.98),
        ("mode", "auto"),
        ("self_test", True),
        ("valid", 1),
        ("fault", 0),
    ),
    *((key, "2026-11-29T21:57:24Z") for key in ("boot_time", "installed_at")),
    *(("device", "a"), ("device", "esp32-c3"), ("host", "gateway"), ("ok", 200)),
]
OTHER_UNITS = ["F", "°F", "fahrenheit", "degF", "K", "Kelvin"]


@pytest.fixture
def world(conn: Connection, catalogue: SmallTrial) -> Connection:
    """Device `a` measures a temperature, flat and nested."""
    add_properties(conn)
    register_networks(conn, catalogue)
    fields = ("temperature", "in.temperature")
    give_mappings(conn, *({"field": field, "property": "temperature"} for field in fields))
    conn.commit()
    return conn


def shapes(key: str, said: Any) -> Iterator[tuple[str, bytes]]:
    """(topic, payload) of each format in which a fact can be beside a temperature."""
    flat = {"temperature": 21.5, key: said}
    nested = {"in": flat}
    above = {"in": {"temperature": 21.5}, key: said}
    for content in (flat, nested, above, [flat]):
        yield "insitu/v1/t/a/telemetry", json.dumps(content).encode()
    yield "insitu/v1/t/a/obs", json.dumps({"results": flat}).encode()
    yield "insitu/v1/t/a/obs", json.dumps({"results": {"temperature": 21.5}, key: said}).encode()
    for content in (flat, nested):
        yield UP_TOPIC, chirpstack(object=content, time=NOW.isoformat(), rxInfo=[])


def readable(content: tuple[str, bytes], snapshot: CatalogueSnapshot) -> list[float]:
    topic, payload = content
    return [
        observation.result
        for item in prepare([Message(topic, payload, NOW_US)], snapshot)
        for observation in item.observations
    ]


def kept(content: tuple[str, bytes], snapshot: CatalogueSnapshot) -> tuple[str, bytes]:
    topic, payload = content
    known = snapshot.devices[("t", "a")]
    return topic, keep_payload(topic, payload, "", wanted_of(known)).payload


@pytest.mark.parametrize(
    ("key", "said"),
    [pytest.param(*one, id=f"{one[0]}, number {number}") for number, one in enumerate([*TIMES, *BAD])],
)
def test_a_result_beside_such_a_fact_is_not_stored_as_if_it_said_nothing(
    world: Connection, key: str, said: Any
) -> None:
    snapshot = load_snapshot(world)
    for content in shapes(key, said):
        if (
            key == "time"
            and content[0].endswith("/obs")
            and b'"results": {"temperature": 21.5}' in content[1]
        ):
            continue  # the message's own time, which is read
        assert readable(content, snapshot) == [], content
        assert readable(kept(content, snapshot), snapshot) == [], ("as kept", content)


@pytest.mark.parametrize(("key", "said"), GOOD)
def test_other_fields_beside_it_cost_nothing(world: Connection, key: str, said: Any) -> None:
    snapshot = load_snapshot(world)
    for content in shapes(key, said):
        assert readable(content, snapshot) == [21.5], content


def test_so_it_is_in_other_words_and_as_kept(world: Connection) -> None:
    snapshot = load_snapshot(world)
    read = [
        (key, said, content)
        for key, said in FURTHER
        for content in shapes(key, said)
        if readable(content, snapshot) or readable(kept(content, snapshot), snapshot)
    ]
    assert read == []


def test_what_only_looks_like_a_fact_costs_nothing(world: Connection) -> None:
    snapshot = load_snapshot(world)
    lost = [
        (key, said, content)
        for key, said in NOTHING_MEANT
        for content in shapes(key, said)
        if readable(content, snapshot) != [21.5]
    ]
    assert lost == []


@pytest.mark.parametrize("unit", OTHER_UNITS)
@pytest.mark.parametrize("key", ["temperature_unit", "TempUnit", "unit", "uom"])
def test_a_unit_is_still_seen_when_the_refused_message_is_replayed(
    world: Connection, key: str, unit: str
) -> None:
    send(world, {"temperature": 21.5, key: unit})
    replay(world, clock=SYSTEM)
    assert stored(world) == {}


def test_a_backlog_goes_to_its_times_once_they_are_mapped(world: Connection) -> None:
    for number in range(3):
        booked = send(world, {"Time": SECONDS + 60 * number, "temperature": 20 + number}, later_us=number)
        assert refused(booked) == {"invalid_shape": 2}
    give_mappings(world, {"field": "temperature", "property": "temperature"}, {"field": "Time", "time": True})
    replay(world, clock=SYSTEM)
    found = world.execute(
        "SELECT extract(epoch FROM phenomenon_time)::bigint, result FROM observation ORDER BY 1"
    ).fetchall()
    assert found == [(SECONDS + 60 * number, 20 + number) for number in range(3)]


def test_a_judgement_of_one_result_costs_that_one_only(world: Connection) -> None:
    give_mappings(world, *({"field": f, "property": f} for f in ("temperature", "humidity")))
    send(world, {"temperature": 21.5, "temperature_status": "error", "humidity": 40})
    send(world, {"temperature": {"quality": "bad"}, "humidity": 41}, later_us=1)
    send(world, [{"temperature": 22, "quality": "bad"}, {"humidity": 42}], later_us=2)
    assert stored(world) == {"humidity": [40, 41, 42]}


@pytest.mark.parametrize(
    ("mapping", "expected"),
    [({"ignore": True}, [21.5, 22.5, 23.5]), ({"expect": ["good", "ok"]}, [22.5])],
)
def test_a_mapping_says_which_of_them_count(
    world: Connection, mapping: dict[str, Any], expected: list[float]
) -> None:
    give_mappings(world, {"field": "temperature", "property": "temperature"}, {"field": "q", **mapping})
    for number, word in enumerate(["bad", "good", "so-so"]):
        booked = send(world, {"temperature": 21.5 + number, "q": word}, later_us=number)
    assert stored(world)["temperature"] == expected
    assert left_out(booked) == {"no_result": 1}


# -- line protocol and Sparkplug


@pytest.mark.parametrize(
    ("line", "result"),
    [
        ("air,quality=bad temperature=21.5", None),
        ('air temperature=21.5,status="error"', None),
        ("air temperature=21.5,valid=false", None),
        ("air,unit=°F temperature=68", 20.0),
        ("air,unit=ppm temperature=68", None),
        ("air,quality=good,unit=Cel temperature=21.5", 21.5),
    ],
)
def test_a_line_says_so_too(world: Connection, line: str, result: float | None) -> None:
    send(world, line.encode(), "influx")
    replay(world, clock=SYSTEM)
    assert stored(world) == ({} if result is None else {"temperature": [pytest.approx(result)]})


def a_property(key: str, said: str | int) -> bytes:
    """A set of properties with one entry, as the specification numbers its fields."""
    text = isinstance(said, str)
    entry = part(1, 12 if text else 3) + (part(8, said.encode()) if isinstance(said, str) else part(3, said))
    return part(9, part(1, key.encode()) + part(2, entry))


def sparkplug(seq: int, *metrics: bytes) -> bytes:
    ms = int(edge_node.T0.timestamp() * 1000) + 1000 * seq
    return part(1, ms) + b"".join(part(2, one) for one in metrics) + part(3, seq)


def double(number: float) -> bytes:
    return part(4, 10) + varint(13 << 3 | 1) + struct.pack("<d", number)


@pytest.mark.parametrize(
    ("born", "sent", "expected"),
    [
        (b"", a_property("Quality", 192), [21.5]),
        (b"", a_property("Quality", 216), [21.5]),
        (b"", a_property("Quality", 0), []),
        (b"", a_property("Quality", 500), []),
        (b"", a_property("Quality", 64), []),
        (b"", a_property("Quality", "bad"), []),
        (a_property("engUnit", "degF"), b"", [pytest.approx(-5.8333333)]),
        (a_property("engUnit", "°C"), b"", [21.5]),
        (b"", a_property("engUnit", "°F"), [pytest.approx(-5.8333333)]),
        (a_property("engUnit", "furlongs"), b"", []),
        (a_property("Units", "ppm"), b"", []),
        (a_property("documentation", "in the hall"), a_property("tooltip", "hall"), [21.5]),
    ],
)
@pytest.mark.parametrize("by_alias", [True, False])
def test_the_properties_of_a_metric_count(
    conn: Connection, catalogue: SmallTrial, born: bytes, sent: bytes, expected: list[float], by_alias: bool
) -> None:
    add_properties(conn)
    edge_node.register(conn, catalogue)
    give_mappings(conn, {"field": "temperature", "property": "temperature", "devices": "b"})
    name = part(1, b"temperature")
    alias = part(2, 7) if by_alias else b""
    birth = edge_node.topic("DBIRTH", "d"), sparkplug(1, name + alias + part(4, 10) + born + part(7, 1))
    data = edge_node.topic("DDATA", "d"), sparkplug(2, (alias or name) + double(21.5) + sent)
    edge_node.ingest(conn, edge_node.nbirth(), birth)
    edge_node.ingest(conn, data)
    assert edge_node.results(conn) == expected
    replay(conn, clock=SYSTEM)
    assert edge_node.results(conn) == expected


# -- families, and topics that a firmware has fixed


def test_a_pattern_leaves_out_no_part_of_a_mapped_field(world: Connection) -> None:
    give_mappings(
        world, {"field": "ENERGY.Power", "property": "power"}, {"field": "ENERGY.*", "ignore": True}
    )
    booked = send(world, {"ENERGY": {"Power": [37, 38, 39], "Factor": [1, 1, 1]}})
    assert refused(booked) == {"unknown_property": 3}
    assert "map each, as field = 'ENERGY.Power.0'" in booked.refused[next(iter(booked.refused))][1]
    give_mappings(
        world,
        *({"field": f"ENERGY.Power.{n}", "property": "power"} for n in range(3)),
        {"field": "ENERGY.*", "ignore": True},
    )
    replay(world, clock=SYSTEM)
    assert stored(world) == {f"ENERGY.Power.{n}": [37 + n] for n in range(3)}


def test_a_pattern_does_not_overrule_that_a_result_is_bad(world: Connection) -> None:
    give_mappings(world, {"field": "p.t.tC", "property": "temperature"}, {"field": "p.*", "ignore": True})
    assert refused(send(world, {"p": {"ts": SECONDS, "t": {"tC": 85, "errors": ["out_of_range"]}}}))
    send(world, {"p": {"ts": SECONDS, "t": {"tC": 20.5, "id": 0}}}, later_us=1)
    assert stored(world) == {"p.t.tC": [20.5]}


@pytest.mark.parametrize(
    ("said", "state"),
    [
        (b"Online", "online"),
        (b"true", "online"),
        (b"Connected", "online"),
        (b'{"state": true}', "online"),
        (b"Offline", "offline"),
        (b"false", "offline"),
        (b"Connection Lost", "offline"),
    ],
)
def test_firmwares_say_their_state_in_words_of_their_own(world: Connection, said: bytes, state: str) -> None:
    send(world, said, "status")
    assert world.execute("SELECT state FROM device_status").fetchall() == [(state,)]


def test_a_status_without_any_known_key_is_not_taken_for_one(world: Connection) -> None:
    booked = send(world, {"Uptime": "0T00:16:19", "Wifi": {"RSSI": 78}}, "status")
    assert set(refused(booked)) == {"invalid_shape"}


def test_a_refusal_names_all_unknown_fields_and_the_datastream_that_was_meant(world: Connection) -> None:
    give_mappings(world, *({"field": f, "property": f} for f in ("temperature", "humidity", "co2")))
    _, (_, detail) = next(iter(send(world, {"temprature": 1, "hum": 2, "x": 3}).refused.items()))
    assert detail.startswith("The device has no datastream 'temprature'; it has temperature, ")
    assert "Nor has it 'hum', 'x'." in detail


def test_warnings_of_a_payload_formatter_are_in_the_status_log(
    conn: Connection, catalogue: SmallTrial
) -> None:
    add_properties(conn)
    register_networks(conn, catalogue)
    give_mappings(conn, {"field": "temperature", "property": "temperature", "devices": "b"})
    uplink = things_stack()
    uplink["uplink_message"] |= {
        "decoded_payload": {"temperature": 21.5},
        "decoded_payload_warnings": ["battery low", "sensor warming up"],
        "received_at": NOW.isoformat(),
    }
    ingest_networks(conn, (TTS_TOPIC, json.dumps(uplink).encode()))
    notes = conn.execute("SELECT note FROM device_status").fetchall()
    assert ("its payload formatter warns: battery low; sensor warming up",) in notes
