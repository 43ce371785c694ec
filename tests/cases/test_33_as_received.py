"""A replay reads a message as its device sent it: no other device's, and nothing that is stored already."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.replay import replay
from insitu.clock import SYSTEM
from insitu.errors import CorrectInput
from store.catalogue.topics import add_topic, withdraw_topic
from store.database import Connection
from store.ledger import recount
from tests.cases.worlds import NOW, UNITS, add_properties, give_mappings, refused, send, stored
from tests.cli.calling import Told, told, told_here
from tests.examples import examples
from tests.fix_catalogue import START, SmallTrial

__all__ = ["told", "told_here"]
ANY = re.compile(r"[\s\S]*")
TOPIC = "tele/plug/SENSOR"
EARLIER = (NOW - timedelta(minutes=30)).replace(microsecond=0).isoformat()


@pytest.fixture
def world(conn: Connection, catalogue: SmallTrial) -> Connection:
    add_properties(conn)
    conn.commit()
    return conn


def give_topic(conn: Connection, device_id: int) -> None:
    withdraw_topic(conn, TOPIC)
    add_topic(conn, topic=TOPIC, device_id=device_id, suffix="telemetry", field=None, now=START)
    conn.commit()


def results(conn: Connection) -> list[tuple[str, str, float]]:
    found = conn.execute(
        "SELECT d.code, s.name, o.result FROM observation o JOIN datastream s USING (datastream_id) "
        "JOIN device d USING (device_id) ORDER BY 1, 2, o.phenomenon_time"
    ).fetchall()
    conn.rollback()
    return [tuple(one) for one in found]


def test_a_message_stays_that_of_the_device_whose_topic_it_was(
    world: Connection, catalogue: SmallTrial, told_here: Told
) -> None:
    give_mappings(world, {"field": "T", "property": "temperature", "devices": "b"})
    give_topic(world, catalogue.devices["a"])
    assert refused(send(world, {"T": 20}, topic=TOPIC)) == {"unknown_property": 1}
    give_topic(world, catalogue.devices["b"])
    tried = json.loads(told_here("map", "t", "--try", "--json"))
    assert [one["outcome"] for one in tried["fields"]] == ["refused"]
    said = told_here("replay")
    assert "1 rejects tried again: 0 observations stored, 1 still refused." in said
    assert "  1 unknown_property: The device has no datastream 'T'" in said
    assert results(world) == []
    give_mappings(world, {"field": "T", "property": "temperature", "devices": ["a", "b"]})
    assert "1 observations stored, 0 still refused" in told_here("replay")
    assert results(world) == [("a", "T", 20.0)]
    assert recount(world) == []


def test_after_a_swap_the_topic_stores_for_the_new_device_and_a_replay_for_the_old_one(
    world: Connection, catalogue: SmallTrial, told_here: Told
) -> None:
    give_mappings(world, {"field": "T", "property": "temperature"})
    give_topic(world, catalogue.devices["a"])
    send(world, {"T": 1, "H": 2}, topic=TOPIC)
    told_here("swap", "t", "a", "b", err=ANY)
    send(world, {"T": 3}, topic=TOPIC, later_us=1)
    give_mappings(
        world,
        {"field": "T", "property": "temperature", "devices": "*"},
        {"field": "H", "property": "humidity", "devices": "*"},
    )
    told_here("replay")
    assert results(world) == [("a", "H", 2.0), ("a", "T", 1.0), ("b", "T", 3.0)]


def test_a_time_that_is_mapped_later_does_not_store_the_stored_results_again(
    world: Connection, told_here: Told
) -> None:
    give_mappings(world, {"field": "T", "property": "temperature"}, {"field": "Time", "ignore": True})
    assert refused(send(world, {"Time": EARLIER, "T": 21.5, "H": 45})) == {"unknown_property": 1}
    give_mappings(
        world,
        {"field": "T", "property": "temperature"},
        {"field": "H", "property": "humidity"},
        {"field": "Time", "time": "iso"},
    )
    said = told_here("replay")
    assert "1 rejects tried again: 1 observations stored, 0 still refused." in said
    assert "1 results of these messages were stored when they came; they stay" in said
    assert stored(world) == {"T": [21.5], "H": [45]}
    assert recount(world) == []


NAMES = sorted(set(UNITS) - {"energy"})
VALUES = st.dictionaries(st.sampled_from(NAMES), st.integers(1, 3), min_size=1, max_size=6)
STEPS = st.lists(
    st.tuples(st.sets(st.sampled_from(NAMES)), st.sampled_from(["", "Europe/Paris", "UTC", "Asia/Tokyo"])),
    min_size=1,
    max_size=4,
)


@settings(
    max_examples=examples(quick=15, nightly=40),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(values=VALUES, steps=STEPS)
def test_however_mappings_and_times_change_each_result_is_stored_once(
    world: Connection, values: dict[str, int], steps: list[tuple[set[str], str]]
) -> None:
    for table in ("observation", "datastream_latest", "ledger_reason", "ledger", "reject", "delivered_batch"):
        world.execute(f"DELETE FROM {table}".encode())
    world.execute("DELETE FROM datastream WHERE name = ANY(%s)", (NAMES,))
    mapped: set[str] = set()
    when = (NOW - timedelta(days=2)).replace(microsecond=0, tzinfo=None).isoformat()
    for at, (names, zone) in enumerate(steps):
        mapped |= names
        time: dict[str, Any] = {"time": "iso", "zone": zone} if zone else {"ignore": True}
        give_mappings(
            world,
            {"field": "Time", **time},
            *({"field": one, "property": one} for one in sorted(mapped)),
        )
        if at == 0:
            send(world, {"Time": when, "unmapped": 1, **values})
        else:
            replay(world, clock=SYSTEM)
        assert recount(world) == []
        expected = {name: [float(value)] for name, value in values.items() if name in mapped}
        assert stored(world) == expected


def test_each_object_of_a_list_that_was_refused_is_stored_beside_the_others(world: Connection) -> None:
    give_mappings(
        world,
        {"field": "h[].T", "property": "temperature"},
        {"field": "h[].at", "time": "s"},
    )
    seconds = int(NOW.timestamp())
    items = [{"at": seconds - 60 * n, "T": 20} for n in (3, 2, 1)]
    send(world, {"h": [*items, {"at": seconds - 30, "T": "20"}]})
    give_mappings(
        world,
        {"field": "h[].T", "property": "temperature", "text": True},
        {"field": "h[].at", "time": "s"},
    )
    assert replay(world, clock=SYSTEM).stored == 1
    assert stored(world) == {"h[].T": [20, 20, 20, 20]}


def test_a_family_with_local_time_asks_for_the_zone_and_reads_its_time(
    world: Connection, told_here: Told
) -> None:
    with pytest.raises(CorrectInput, match="--zone Europe/Paris"):
        told_here("map", "t", "--family", "tasmota-am2301", "--devices", "a")
    command = ("map", "t", "--family", "tasmota-am2301", "--devices", "a")
    told_here(*command, "--zone", "Europe/Paris")
    send(world, {"Time": "2026-03-13T12:00:00", "AM2301": {"Temperature": 20}, "TempUnit": "C"})
    found = world.execute("SELECT phenomenon_time AT TIME ZONE 'UTC' FROM observation").fetchall()
    assert [f"{one:%d %H:%M}" for (one,) in found] == ["13 11:00"]


def test_rejects_of_a_withdrawn_import_are_not_tried_and_not_counted(
    world: Connection, told_here: Told, tmp_path: Path
) -> None:
    path = tmp_path / "in.csv"
    path.write_text("time,pm25\n2026-03-02 12:00,1\n2026-03-02 13:00,high\n", "utf-8")
    with pytest.raises(Exception, match="not everything"):
        told_here("import", str(path), "--trial", "t", "--device", "a", "--zone", "UTC", err=ANY)
    assert "1 rejects tried again" in told_here("replay")
    told_here("withdraw", "1", "--reason", "wrong file")
    assert told_here("replay") == "0 rejects tried again: 0 observations stored, 0 still refused.\n"
