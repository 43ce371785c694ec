"""Payloads as devices really send them, with the mappings that they need; and that strictness stays."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ingest.decode import DECODERS, Decoded
from ingest.mapping_entry import MappingEntry
from ingest.replay import replay
from ingest.text_numbers import plain_number
from insitu.clock import SYSTEM
from insitu.errors import CorrectInput
from store.database import Connection
from tests.cases.worlds import NOW, NOW_US, add_properties, give_mappings, left_out, refused, send, stored
from tests.fix_catalogue import SmallTrial
from tests.ingest.test_networks import UP_TOPIC, chirpstack, register_networks

SECONDS = int(NOW.timestamp()) - 1000
AIR = {"type": "Air Temperature", "measurementId": 4097, "measurementValue": 21.5}
HUMIDITY = {"type": "Air Humidity", "measurementId": 4098, "measurementValue": 45}
BY_KEY = {"field": "messages[measurementId=4097].measurementValue", "property": "temperature"}


@pytest.fixture
def world(conn: Connection, catalogue: SmallTrial) -> Connection:
    add_properties(conn)
    register_networks(conn, catalogue)
    conn.commit()
    return conn


@pytest.mark.parametrize("order", [(AIR, HUMIDITY), (HUMIDITY, AIR)])
@pytest.mark.parametrize("wrap", ["telemetry", "results", "object", "nested list"])
def test_a_list_is_read_by_a_key_in_any_order(world: Connection, order: tuple[Any, ...], wrap: str) -> None:
    give_mappings(world, BY_KEY)
    content = {"messages": [list(order)] if wrap == "nested list" else list(order)}
    if wrap == "object":
        booked = send(world, json.loads(chirpstack(object=content)), topic=UP_TOPIC)
    elif wrap == "results":
        booked = send(world, {"results": content}, "obs")
    else:
        booked = send(world, content)
    assert stored(world) == {BY_KEY["field"]: [21.5]}
    assert refused(booked) == {"unknown_property": 2}  # humidity and its type, which no mapping names


def test_a_position_in_a_list_of_objects_is_no_name_and_the_refusal_says_the_key(world: Connection) -> None:
    give_mappings(world, {"field": "messages.0.measurementValue", "property": "temperature"})
    send(world, {"messages": [AIR]})
    assert stored(world) == {}
    ((detail,),) = world.execute("SELECT detail FROM reject").fetchall()
    assert "order means nothing" in detail
    give_mappings(
        world,
        BY_KEY,
        {"field": "messages[measurementId=4098].measurementValue", "property": "humidity"},
    )
    assert replay(world, clock=SYSTEM).stored == 1


@pytest.mark.parametrize("found", [AIR, {"measurementValue": 21.5, "measurementId": 4097}])
def test_the_advice_of_a_refusal_is_a_mapping_that_works(world: Connection, found: dict[str, Any]) -> None:
    send(world, {"messages": [found]})
    ((detail,),) = world.execute("SELECT detail FROM reject").fetchall()
    advised = detail.split("field = '")[1].split("'")[0]
    give_mappings(world, {"field": advised, "property": "temperature"})
    assert replay(world, clock=SYSTEM).stored == 1
    assert stored(world) == {advised: [21.5]}


@pytest.mark.parametrize("suffix", ["telemetry", "obs"])
def test_nested_objects_are_flattened_with_dots(world: Connection, suffix: str) -> None:
    give_mappings(
        world,
        {"field": "SDS0X1.PM2.5", "property": "pm25"},
        {"field": "BME280.Temperature", "property": "temperature"},
        {"field": "Luft µg/m3 (a)", "property": "pm10"},
        {"field": "Time", "ignore": True},
    )
    payload = {
        "Time": "2026-03-13T12:00:00",
        "SDS0X1": {"PM2.5": 3.4},
        "BME280": {"Temperature": 21.3},
        "Luft µg/m3 (a)": 7,
    }
    booked = send(world, payload if suffix == "telemetry" else {"results": payload}, suffix)
    assert refused(booked) == {}
    assert stored(world) == {"SDS0X1.PM2.5": [3.4], "BME280.Temperature": [21.3], "Luft µg/m3 (a)": [7]}


def test_records_of_a_name_and_a_value_become_names(world: Connection) -> None:
    give_mappings(
        world,
        {"field": "temp", "property": "temperature"},
        {"field": "values.SDS_P2", "property": "pm25", "text": True},
        {"field": "values[value_type=SDS_P1].value", "property": "pm10", "text": True},
    )
    send(world, [{"n": "temp", "v": 21}])
    values = [{"value_type": "SDS_P1", "value": "79.53"}, {"value_type": "SDS_P2", "value": "26.42"}]
    send(world, {"values": values}, later_us=1)
    assert stored(world) == {
        "temp": [21],
        "values.SDS_P2": [26.42],
        "values[value_type=SDS_P1].value": [79.53],
    }


def test_the_unit_that_a_record_states_is_used_or_refused(world: Connection) -> None:
    give_mappings(world, {"field": "temp", "property": "temperature"})
    send(world, [{"n": "temp", "v": 70.0, "u": "[degF]"}])
    assert stored(world)["temp"] == [pytest.approx(21.11, abs=0.01)]
    assert refused(send(world, [{"n": "temp", "v": 70, "u": "bananas"}], later_us=1)) == {"unit_mismatch": 1}


def test_each_object_of_a_list_has_its_own_time(world: Connection) -> None:
    give_mappings(
        world,
        {"field": "history[].temperature", "property": "temperature"},
        {"field": "history[].timestamp", "time": "s"},
        {"field": "temperature", "property": "temperature"},
    )
    history = [{"timestamp": SECONDS + 60 * n, "temperature": 20 + n} for n in (2, 0, 1)]
    booked = send(world, {"temperature": 25, "history": history})
    assert refused(booked) == {}
    assert stored(world) == {"history[].temperature": [20, 21, 22], "temperature": [25]}
    assert left_out(booked) == {"no_result": 3}
    times = world.execute(
        "SELECT min(extract(epoch FROM phenomenon_time))::int8, min(clock_quality) FROM observation"
    ).fetchone()
    assert times == (SECONDS, 0)


def test_every_object_needs_a_time_or_a_key(world: Connection) -> None:
    give_mappings(world, {"field": "history[].temperature", "property": "temperature"})
    booked = send(world, {"history": [{"temperature": 1}, {"temperature": 2}]})
    assert refused(booked) == {"unknown_property": 2}
    assert stored(world) == {}


def test_fields_of_one_frame_have_times_of_their_own(world: Connection) -> None:
    give_mappings(
        world,
        {"field": "t", "property": "temperature", "time_field": "t_at"},
        {"field": "h", "property": "humidity", "time_field": "h_at"},
        {"field": "h_at", "time": "ms"},
    )
    booked = send(world, {"t": 1, "t_at": SECONDS, "h": 2, "h_at": (SECONDS + 60) * 1000})
    assert refused(booked) == {}
    rows = world.execute(
        "SELECT result, extract(epoch FROM phenomenon_time)::int8 FROM observation"
    ).fetchall()
    assert sorted(rows) == [(1.0, SECONDS), (2.0, SECONDS + 60)]


@pytest.mark.parametrize(
    ("form", "zone", "given", "problem"),
    [
        ("iso", "Europe/Paris", "2026-03-13T12:00:00", ""),
        ("auto", "Europe/Paris", "2026-03-13T12:00:00", ""),
        ("iso", "", "2026-03-13T12:00:00+01:00", ""),
        ("ms", "", 1773399600000, ""),
        ("s", "", "1773399600", ""),
        ("iso", "", "2026-03-13T12:00:00", "no offset"),
        ("iso", "Europe/Paris", "2026-03-29T02:30:00", "does not exist"),
        ("iso", "", "13/03/2026", "not an ISO"),
        ("s", "", None, "not a Unix time"),
    ],
)
def test_a_mapped_time_is_read_or_refuses_what_depends_on_it(
    world: Connection, form: str, zone: str, given: Any, problem: str
) -> None:
    give_mappings(
        world, {"field": "Time", "time": form, "zone": zone}, {"field": "t", "property": "temperature"}
    )
    booked = send(world, {"Time": given, "t": 1})
    if not problem:
        times = world.execute("SELECT extract(epoch FROM phenomenon_time)::int8 FROM observation").fetchall()
        assert times == [(1773399600,)]
        return
    assert refused(booked) == {"invalid_shape": 1}
    assert problem in booked.refused["invalid_shape"][1]  # type: ignore[index]


def test_numbers_as_text_are_refused_until_a_mapping_says_so_and_then_replayed(world: Connection) -> None:
    fields = {"energy": "027416815", "power": "01305", "temperature": "21.8"}
    mappings = [
        {"field": "energy", "property": "energy", "unit": "W.h"},
        {"field": "power", "property": "power"},
        {"field": "temperature", "property": "temperature"},
    ]
    give_mappings(world, *mappings)
    assert refused(send(world, fields)) == {"wrong_type": 3}
    give_mappings(world, *({**one, "text": True} for one in mappings))
    assert replay(world, clock=SYSTEM).stored == 3
    assert stored(world) == {"energy": [pytest.approx(27416.815)], "power": [1305], "temperature": [21.8]}


@pytest.mark.parametrize(
    "text", ["", " ", "1e3", "0x10", "1_000", "1,5", "1 000", "12 °C", "nan", "inf", "--1", "١"]
)
def test_a_text_that_is_no_plain_decimal_number_stays_refused(world: Connection, text: str) -> None:
    give_mappings(world, {"field": "t", "property": "temperature", "text": True})
    assert refused(send(world, {"t": text})) == {"wrong_type": 1}


def test_a_decimal_comma_only_where_the_mapping_says_so(world: Connection) -> None:
    give_mappings(world, {"field": "t", "property": "temperature", "text": True, "decimal": ","})
    assert refused(send(world, {"t": "21.8"})) == {"wrong_type": 1}
    assert refused(send(world, {"t": "1.021,8"}, later_us=1)) == {"wrong_type": 1}
    send(world, {"t": "21,8"}, later_us=2)
    assert stored(world) == {"t": [21.8]}


def test_marks_between_thousands_and_units_behind_are_read_where_the_mapping_says_so(
    world: Connection,
) -> None:
    give_mappings(
        world,
        {"field": "t", "property": "temperature", "with_unit": True, "decimal": ","},
        {"field": "p", "property": "pressure", "text": True, "decimal": ",", "thousands": "."},
        {"field": "w", "property": "power", "text": True, "thousands": " "},
    )
    texts = [("21,5 °C", "1.013,25", "1 234.5"), ("70,7°F", "1.013", "1\u202f234"), ("5", "998,5", "7")]
    for at, (t, p, w) in enumerate(texts):
        assert refused(send(world, {"t": t, "p": p, "w": w}, later_us=at)) == {}
    assert stored(world) == {
        "t": [21.5, pytest.approx(21.5), 5],
        "p": [1013.25, 1013, 998.5],
        "w": [1234.5, 1234, 7],
    }
    assert refused(send(world, {"t": "21,5 %"}, later_us=8)) == {"unit_mismatch": 1}
    for at, odd in enumerate(["21,5 apples", "1.01,25", "10.13"], 9):
        assert refused(send(world, {"p": odd}, later_us=at)) == {"wrong_type": 1}


@given(
    st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-(10**9), max_value=10**9),
    st.integers(0, 5),
)
def test_any_plain_decimal_is_its_number(number: Any, zeros: int) -> None:
    sign, digits = ("-", f"{-number}") if number < 0 else ("", f"{number}")
    text = f"{sign}{'0' * zeros}{digits}"
    assert plain_number(text, ".") == float(number)
    assert plain_number(text.replace(".", ","), ",") == float(number)


def test_words_and_numbers_mean_true_and_false(world: Connection) -> None:
    give_mappings(
        world,
        {"field": "door", "property": "fan", "true": ["open", 1], "false": ["closed", 0]},
    )
    for at, word in enumerate(["open", "CLOSED", 1, 0, True, False]):
        assert refused(send(world, {"door": word}, later_us=at)) == {}
    assert refused(send(world, {"door": "ajar"}, later_us=9)) == {"wrong_type": 1}
    assert refused(send(world, {"door": 2}, later_us=10)) == {"wrong_type": 1}
    assert stored(world) == {"door": [1, 0, 1, 0, 1, 0]}


def test_words_and_numbers_that_mean_none_are_no_results(world: Connection) -> None:
    give_mappings(
        world,
        {"field": "pm25", "property": "pm25", "missing": [-1]},
        {"field": "t", "property": "temperature", "missing": [-1000.99, "null", "unavailable"]},
    )
    booked = send(world, {"pm25": -1, "t": -1000.99})
    assert (refused(booked), left_out(booked)) == ({}, {"missing": 2})
    for at, word in enumerate([None, "null", "Unavailable", -1000.99], 1):
        assert refused(send(world, {"t": word}, later_us=at)) == {}
    send(world, {"pm25": 0, "t": -1000}, later_us=9)
    assert stored(world) == {"pm25": [0], "t": [-1000]}


def test_battery_goes_to_health_and_other_fields_are_left_out(world: Connection) -> None:
    give_mappings(
        world,
        {"field": "temperature", "property": "temperature"},
        {"field": "battery", "health": "battery"},
        {"field": "fw", "health": "firmware"},
        {"field": "debug.*", "ignore": True},
        {"field": "unwanted", "property": ""},
    )
    payload = {
        "temperature": 24.1,
        "battery": 83,
        "fw": "1.2",
        "debug": {"a": "x", "b": [1, {"c": 2}]},
        "unwanted": 0,
    }
    booked = send(world, json.loads(chirpstack(object=payload)), topic=UP_TOPIC)
    assert refused(booked) == {}
    assert left_out(booked) == {"status": 2, "no_result": 4}
    assert world.execute("SELECT battery, firmware, rssi FROM device_contact").fetchall() == [
        (83.0, "1.2", -36.0)
    ]
    assert world.execute("SELECT count(*) FROM reject").fetchone() == (0,)
    assert world.execute(
        "SELECT accepted::int, partly::int, contained::int, stored::int, ignored::int FROM ledger"
    ).fetchall() == [(1, 0, 7, 1, 6)]


def test_a_battery_that_is_no_per_cent_is_refused(world: Connection) -> None:
    give_mappings(world, {"field": "battery", "health": "battery"})
    assert refused(send(world, {"battery": 3671})) == {"wrong_type": 1}


def test_tenths_are_scaled_and_the_unit_converted(world: Connection) -> None:
    give_mappings(
        world,
        {"field": "t", "property": "temperature", "scale": 0.1, "offset": -40},
        {"field": "f", "property": "temperature", "unit": "[degF]", "scale": 0.1},
    )
    send(world, {"t": 615, "f": 700})
    assert stored(world) == {"t": [pytest.approx(21.5)], "f": [pytest.approx(21.111, abs=0.001)]}


def test_a_scale_cannot_change_under_stored_results_and_reading_may(world: Connection) -> None:
    give_mappings(world, {"field": "t", "property": "temperature"})
    send(world, {"t": 1})
    give_mappings(world, {"field": "t", "property": "temperature", "text": True, "missing": [-1]})
    with pytest.raises(CorrectInput, match="results never change"):
        give_mappings(world, {"field": "t", "property": "temperature", "scale": 0.1})


def test_a_unit_that_the_payload_states_otherwise_refuses_the_results(world: Connection) -> None:
    give_mappings(world, {"field": "T", "property": "temperature"}, {"field": "TempUnit", "expect": ["C"]})
    assert refused(send(world, {"T": 20, "TempUnit": "C"})) == {}
    assert refused(send(world, {"T": 68, "TempUnit": "F"}, later_us=1)) == {"unit_mismatch": 1}
    assert stored(world) == {"T": [20]}


@pytest.mark.parametrize(
    ("mapping", "words"),
    [
        ({"field": "a"}, "say which `property`"),
        ({"field": "a", "property": "pm25", "ignore": True}, "leave one of them out"),
        ({"field": "a", "ignore": True, "health": "battery"}, "both"),
        ({"field": "a", "health": "mood"}, "one of battery"),
        ({"field": "a", "time": "fortnight"}, "one of auto"),
        ({"field": "a", "time": "iso", "zone": "Europe/Pariss"}, "no time zone"),
        ({"field": "a", "property": "pm25", "result_type": "number", "true": ["on"]}, "boolean"),
        ({"field": "a", "property": "fan", "true": ["on"], "false": ["ON"]}, "both"),
        ({"field": "a.*", "property": "pm25"}, "ignore = true"),
        ({"field": "a", "property": "pm25", "decimal": ";"}, "comma"),
    ],
)
def test_a_mapping_that_contradicts_itself_is_refused(
    world: Connection, mapping: dict[str, Any], words: str
) -> None:
    with pytest.raises(CorrectInput, match=words):
        give_mappings(world, mapping)
    with pytest.raises(ValidationError):
        MappingEntry.model_validate({"trial": "t", "field": "a", "propertyy": "x"})


SCALARS = st.none() | st.booleans() | st.integers(-(10**6), 10**6) | st.text(max_size=5)
NAMES = st.text("abcn. v[]=µ", min_size=1, max_size=4)
TREES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=12,
)


def count(found: Any) -> int:
    if isinstance(found, dict):
        return sum(map(count, found.values()))
    return sum(map(count, found)) if isinstance(found, list) else 1


@given(st.dictionaries(NAMES, TREES, min_size=1, max_size=4))
def test_flattening_keeps_each_result_once_unless_it_is_a_name(tree: dict[str, Any]) -> None:
    decoded = DECODERS["telemetry"](json.dumps(tree).encode(), NOW_US)
    if not isinstance(decoded, Decoded):  # too deep
        return
    named = sum(len(record.steps[-1].keys) - 1 for record in decoded.records.values() if record.is_named)
    assert len(decoded.readings) + named == count(tree)
