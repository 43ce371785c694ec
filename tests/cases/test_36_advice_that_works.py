"""The advice of a refusal, followed to the letter, gets the results stored."""

from __future__ import annotations

import ast
import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.decode.flatten import leaves
from ingest.explain import explain
from ingest.field_times import looks_like_time
from ingest.replay import replay
from ingest.selectors import parse, suggestion
from insitu.clock import SYSTEM
from insitu.model import Message
from store.catalogue.snapshot import load_snapshot
from store.database import Connection
from tests.cases.worlds import NOW, NOW_US, add_properties, give_mappings, left_out, refused, send, stored
from tests.fix_catalogue import SmallTrial
from tests.ingest.test_networks import UP_TOPIC, chirpstack, register_networks

SECONDS = int(NOW.timestamp()) - 1000


@pytest.fixture
def world(conn: Connection, catalogue: SmallTrial) -> Connection:
    add_properties(conn)
    register_networks(conn, catalogue)
    conn.commit()
    return conn


@pytest.mark.parametrize(
    ("objects", "expected"),
    [
        ([{"id": 1, "power": 5}, {"id": 2, "power": 6}], [5, 6]),
        ([{"humid": 40, "power": 5}, {"humid": 40, "power": 6}], [5, 6]),
        ([{"power": 5, "is_valid": True}, {"power": 6, "is_valid": True}], [5, 6]),
        ([{"type": "meter", "ch": "a", "power": 5}, {"type": "meter", "ch": "b", "power": 6}], [5, 6]),
        ([{"name": 'a, "b"', "power": 5}, {"name": "c=d", "power": 6}], [5, 6]),
        ([{"timestamp": SECONDS, "power": 5}, {"timestamp": SECONDS, "power": 6}], [5, 6]),
        ([{"ts": SECONDS, "power": 5}, {"ts": SECONDS + 60, "power": 6}], [5, 6]),
        ([{"power": 5}], [5]),
    ],
)
def test_every_object_of_a_list_can_be_mapped_as_advised(
    world: Connection, objects: list[dict[str, Any]], expected: list[float]
) -> None:
    content = json.dumps({"meters": objects}).encode()
    send(world, content)
    mappings: dict[str, dict[str, Any]] = {}
    for _ in range(3):  # an advice may lead to another one
        give_mappings(world, *mappings.values())
        for fate in explain(Message("insitu/v1/t/a/telemetry", content, NOW_US), load_snapshot(world)):
            advised = re.search(r"field = (.+?)(?: with time|, then)", fate.detail)
            if fate.field.endswith(".power") and advised is not None:
                field = ast.literal_eval(advised[1])
                use = {"time": "auto"} if "its time" in fate.detail else {"property": "power"}
                mappings[field] = {"field": field, **use}
    replay(world, clock=SYSTEM)
    assert sorted(result for results in stored(world).values() for result in results) == expected, mappings


scalars = st.integers(-5, 5) | st.booleans() | st.sampled_from(["a", "b", "a b", "x=y", "c,d"]) | st.none()
objects = st.lists(
    st.dictionaries(st.sampled_from(["id", "type", "name", "v1", "v2", "humid"]), scalars, min_size=1),
    min_size=1,
    max_size=6,
)


@given(objects)
def test_an_advised_name_selects_one_result_only(found: list[dict[str, Any]]) -> None:
    records = [leaf.record for leaf in leaves({"list": found}) if leaf.record is not None]
    for record in records:
        selector = parse(suggestion(record))
        assert selector is not None
        selected = [one for one in records if selector.selects(one)]
        assert len(selected) == 1, suggestion(record)
        assert selected[0].steps == record.steps


@pytest.mark.parametrize("quote", ["'", '"', ""])
def test_a_text_is_selected_with_any_quotation_marks(world: Connection, quote: str) -> None:
    field = f"m[type={quote}Air Temperature{quote}].v"
    give_mappings(world, {"field": field, "property": "temperature"})
    send(world, {"m": [{"type": "Air Humidity", "v": 45}, {"type": "Air Temperature", "v": 21.5}]})
    assert stored(world) == {field: [21.5]}


@pytest.mark.parametrize(
    ("sent", "written"),
    [
        (4097, "4097"),
        (4097, "4097.0"),
        (4097.0, "4097"),
        (4097.0, '"4097"'),
        ("4097", "4097"),
        ("0021", "0021"),
    ],
)
def test_a_number_selects_however_it_is_written(world: Connection, sent: object, written: str) -> None:
    field = f"m[i={written}].v"
    give_mappings(world, {"field": field, "property": "temperature"})
    send(world, {"m": [{"i": 1, "v": 45}, {"i": sent, "v": 21.5}]})
    assert stored(world) == {field: [21.5]}


@pytest.mark.parametrize("word", [32767, "32767"])
@pytest.mark.parametrize("sent", [32767, "32767", 32767.0, "032767.0"])
def test_a_number_that_means_none_does_so_in_quotes_too_where_both_are_read(
    world: Connection, word: object, sent: object
) -> None:
    give_mappings(world, {"field": "t", "property": "temperature", "text": True, "missing": [word]})
    assert left_out(send(world, {"t": sent})) == {"missing": 1}
    assert stored(world) == {}


def test_a_null_is_refused_with_the_mapping_that_reads_it(world: Connection) -> None:
    mappings = [
        {"field": "t", "property": "temperature"},
        {"field": "occupied", "property": "fan", "result_type": "boolean"},
        {"field": "battery", "health": "battery"},
    ]
    give_mappings(world, *mappings)
    booked = send(world, {"t": None, "occupied": None, "battery": None})
    assert refused(booked) == {"wrong_type": 3}
    assert 'missing = ["null"]' in booked.refused["wrong_type"][1]  # type: ignore[index]
    give_mappings(world, *({**one, "missing": ["null"]} for one in mappings))
    assert left_out(send(world, {"t": None, "occupied": None, "battery": None}, later_us=1)) == {"missing": 3}


@pytest.mark.parametrize("sent", [None, {}, {"state": None}, {"state": "idle", "n": 1}])
def test_an_ignored_object_may_be_null(world: Connection, sent: object) -> None:
    give_mappings(world, {"field": "t", "property": "temperature"}, {"field": "update.*", "ignore": True})
    assert refused(send(world, {"t": 1, "update": sent})) == {}
    assert stored(world) == {"t": [1]}


@pytest.mark.parametrize("unit", ["°C", "C", "degC", "Cel", ""])
def test_a_unit_of_a_record_is_read_as_people_write_it(world: Connection, unit: str) -> None:
    give_mappings(world, {"field": "values.temp", "property": "temperature"})
    send(world, {"values": [{"name": "temp", "value": 21.5, "unit": unit}]})
    assert stored(world) == {"values.temp": [21.5]}


def test_no_refusal_names_a_type_of_the_program(world: Connection) -> None:
    give_mappings(
        world,
        {"field": "t", "property": "temperature"},
        {"field": "u", "property": "temperature", "text": True},
        {"field": "b", "property": "fan", "result_type": "boolean"},
        {"field": "h", "health": "battery"},
    )
    at = 0
    for field in "tubh":
        for sent in (None, "x", True, 2, [None], {"a": None}):
            at += 1
            for _, detail in send(world, {field: sent}, later_us=at).refused.values():
                assert not re.search(r"NoneType|\bNone\b|\bstr\b|\bint\b|\bbool\b|\bfloat\b|\bdict\b", detail)


def test_frames_that_only_their_receipt_dates_are_no_conflict(world: Connection) -> None:
    """A device with a fixed address counts from 0 again, behind a gateway whose clock is wrong."""
    wrong = datetime(1980, 1, 6, tzinfo=UTC).isoformat()
    for n, data in enumerate(("AQ==", "Ag==", "Ag==")):
        payload = chirpstack(object={"pm25": n}, data=data, time=wrong, rxInfo=[{"gatewayId": "g"}])
        booked = send(world, payload, topic=UP_TOPIC, later_us=n * 1_000_000)
        assert refused(booked) == {}
        assert booked.repeated is (n == 2)
    assert stored(world) == {"pm25": [0, 1]}


def test_an_uplink_without_a_time_of_its_own_has_the_networks(world: Connection) -> None:
    uplink = json.loads(chirpstack(object={"pm25": 3}))
    uplink["rxInfo"] = [{"gatewayId": "g", "nsTime": NOW.isoformat()}]
    for absent in ({}, {"time": None}):
        assert refused(send(world, {**_without(uplink, "time"), **absent}, topic=UP_TOPIC)) == {}
    assert stored(world) == {"pm25": [3]}


def _without(document: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: entry for key, entry in document.items() if key != name}


@pytest.mark.parametrize(
    ("name", "entry", "expected"),
    [
        pytest.param("timestamp", SECONDS, True, id="timestamp"),
        pytest.param("ts", SECONDS * 1000, True, id="ts"),
        ("measured_at", "2026-03-01T12:00:00Z", True),
        ("t", 21.5, False),
        ("uptime", 3600, False),
        ("runtime", "12 h", False),
        pytest.param("id", SECONDS, False, id="id"),
    ],
)
def test_a_time_is_recognised_by_its_name_and_size(name: str, entry: object, expected: bool) -> None:
    assert looks_like_time(name, entry) is expected
