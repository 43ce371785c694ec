"""Times and units that a message states under a name that is not read: they are refused, never ignored."""

from __future__ import annotations

from typing import Any

import pytest

from ingest.replay import replay
from insitu.clock import SYSTEM
from store.database import Connection
from tests.cases.test_11_payload_mappings import world
from tests.cases.worlds import NOW, NOW_US, give_mappings, refused, send, stored

__all__ = ["world"]

AT = NOW.replace(microsecond=0).isoformat()


@pytest.mark.parametrize(
    "stray",
    [
        {"timestamp": AT},
        {"ts": NOW_US // 1000},
        {"Time": AT},
        {"measured_at": AT},
        {"unit": "mg/m3", "time": AT},
        {"units": {"pm25": "mg/m3"}, "time": AT},
        {"pm25_unit": "mg/m3", "unit_of_measurement": "mg/m3", "time": AT},
        {"einheit": "mg/m3", "time": AT},
    ],
)
def test_a_time_or_a_unit_under_another_name_is_refused(world: Connection, stray: dict[str, Any]) -> None:
    assert refused(send(world, {**stray, "results": {"pm25": 1}}, "obs")) == {"invalid_shape": 0}
    item = {**stray, "property": "pm25", "result": 1}
    if "unit" not in stray:
        assert refused(send(world, {"observations": [item]}, "obs", later_us=1)) == {"invalid_shape": 0}
    assert stored(world) == {}


def test_one_item_of_a_list_costs_itself_only(world: Connection) -> None:
    items = [{"ts": NOW_US // 1000, "results": {"pm25": 1}}, {"time": AT, "results": {"pm25": 2}}]
    assert refused(send(world, items, "obs")) == {"invalid_shape": 1}
    assert stored(world) == {"pm25": [2]}


def test_other_keys_beside_the_results_stay_without_meaning(world: Connection) -> None:
    beside = {"uptime": 123_456_789, "rssi": -60, "date": "today", "t": 21, "time": AT}
    assert refused(send(world, {**beside, "results": {"pm25": 1}}, "obs")) == {}


def test_observations_without_a_time_have_that_of_their_message(world: Connection) -> None:
    send(world, {"time": AT, "observations": [{"property": "pm25", "result": 1}]}, "obs")
    found = world.execute("SELECT phenomenon_time = %s FROM observation", (AT,)).fetchall()
    assert found == [(True,)]


def test_a_value_of_senml_that_is_none_costs_its_record_only(world: Connection) -> None:
    pack = [{"bn": "x:", "bt": NOW_US / 1e6, "n": "pm25", "v": None}, {"n": "pm25", "t": -60, "v": 4}]
    assert refused(send(world, pack, "senml")) == {"invalid_shape": 1}
    assert stored(world) == {"pm25": [4]}


def test_a_unit_in_a_field_of_its_own_is_not_ignored(world: Connection) -> None:
    sent = {"temperature": 70.7, "pm25": 3, "TempUnit": "F"}
    give_mappings(world, {"field": "temperature", "property": "temperature"})
    assert refused(send(world, sent)) == {"unit_mismatch": 1, "unknown_property": 1}
    assert stored(world) == {"pm25": [3]}
    give_mappings(
        world,
        {"field": "temperature", "property": "temperature", "unit": "[degF]"},
        {"field": "TempUnit", "expect": ["F"]},
    )
    assert replay(world, clock=SYSTEM).stored == 1
    assert stored(world)["temperature"] == [pytest.approx(21.5)]


def test_a_unit_of_another_object_or_the_same_one_refuses_nothing(world: Connection) -> None:
    give_mappings(world, {"field": "air.t", "property": "temperature"})
    sent = {"air": {"t": 21, "unit": "C"}, "water": {"unit": "F"}, "PressureUnit": "mmHg"}
    assert refused(send(world, sent)) == {"unknown_property": 3}
    assert stored(world) == {"air.t": [21]}


def test_results_in_two_shapes_at_once_are_refused_whole(world: Connection) -> None:
    both = {"time": AT, "results": {"pm25": 1}, "observations": [{"property": "pm25", "result": 2}]}
    assert refused(send(world, both, "obs")) == {"invalid_shape": 0}
    assert stored(world) == {}


def test_a_line_or_a_record_of_another_device_is_not_stored_as_this_ones(world: Connection) -> None:
    for later, (suffix, sent) in enumerate(
        [("influx", b"air,device=b pm25=1"), ("senml", [{"bn": "urn:dev:b:", "n": "pm25", "v": 1}])]
    ):
        assert refused(send(world, sent, suffix, later_us=later)) == {"invalid_shape": 0}
    replay(world, clock=SYSTEM)
    assert stored(world) == {}
