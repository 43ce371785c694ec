"""Mappings: what a trial's devices send, entered once for present and future devices."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from insitu.errors import CorrectInput
from insitu.model import DatastreamRole, Observation, Stamp
from insitu.spacing import Spacing
from insitu.times import to_us
from store.catalogue.datastreams import list_datastreams
from store.catalogue.devices import add_device
from store.catalogue.properties import add_property
from store.catalogue.snapshot import load_snapshot
from store.database import Connection
from store.mapping import Mapping, new_mapping
from store.mappings import Change, apply_mappings, mappings_of_trial, replace_mappings
from store.observations import merge
from tests.fix_catalogue import START, SmallTrial


def mapping(conn: Connection, field: str = "t", property: str = "temp", **more: Any) -> Mapping:
    return new_mapping(conn, field=field, property=property, **more)


@pytest.fixture
def trial(conn: Connection, catalogue: SmallTrial) -> Connection:
    add_property(conn, code="temp", name={"en": "Temperature"}, unit="Cel")
    add_property(conn, code="pressure", name={"en": "Pressure"}, unit="hPa")
    conn.commit()
    return conn


def known(conn: Connection, device: str) -> dict[str, tuple[str, float, float]]:
    """Field → (unit, scale, shift), as ingest reads it."""
    streams = load_snapshot(conn).devices["t", device].datastreams
    return {
        name: (one.unit, one.scale, one.shift) for name, one in streams.items() if name not in ("pm25", "fan")
    }


def store_one(conn: Connection, device: str, field: str) -> None:
    number = load_snapshot(conn).devices["t", device].datastreams[field].datastream_id
    merge(conn, [Observation(number, to_us(START), 1.0, to_us(START), 0)])


def test_every_device_gets_what_the_mapping_says_with_its_factors(trial: Connection) -> None:
    changes = replace_mappings(
        trial, "t", [mapping(trial, unit="K"), mapping(trial, "p", "pressure", unit="Pa", devices="b")]
    )
    assert changes == [Change("entered", "a", "t"), Change("entered", "b", "p"), Change("entered", "b", "t")]
    assert known(trial, "a") == {"t": ("K", 1.0, -273.15)}
    assert known(trial, "b") == {"t": ("K", 1.0, -273.15), "p": ("Pa", 0.01, 0.0)}


def test_entering_it_again_changes_nothing_and_an_edit_changes_what_nothing_is_stored_of(
    trial: Connection,
) -> None:
    replace_mappings(trial, "t", [mapping(trial, unit="K")])
    assert {c.what for c in replace_mappings(trial, "t", [mapping(trial, unit="K")])} == {"there"}
    before = load_snapshot(trial).devices["t", "a"].datastreams["t"].datastream_id
    assert {
        c.what
        for c in replace_mappings(
            trial, "t", [mapping(trial, unit="[degF]", every=Spacing(timedelta(seconds=60)))]
        )
    } == {"changed"}
    stream = load_snapshot(trial).devices["t", "a"].datastreams["t"]
    assert (stream.datastream_id, stream.unit, stream.scale, stream.interval_us) == (
        before,
        "[degF]",
        5 / 9,
        60_000_000,
    )


def test_a_corrected_field_name_renames_the_unused_datastream(trial: Connection) -> None:
    replace_mappings(trial, "t", [mapping(trial, "temprature")])
    before = load_snapshot(trial).devices["t", "a"].datastreams["temprature"].datastream_id
    replace_mappings(trial, "t", [mapping(trial, "temperature")])
    assert known(trial, "a") == {"temperature": ("Cel", 1.0, 0.0)}
    assert load_snapshot(trial).devices["t", "a"].datastreams["temperature"].datastream_id == before


def test_a_datastream_with_observations_keeps_its_name_and_another_is_made(trial: Connection) -> None:
    replace_mappings(trial, "t", [mapping(trial, "old")])
    store_one(trial, "a", "old")
    replace_mappings(trial, "t", [mapping(trial, "new")])
    assert set(known(trial, "a")) == {"old", "new"}
    assert set(known(trial, "b")) == {"new"}


@pytest.mark.parametrize(
    "edit",
    [{"unit": "K"}, {"role": DatastreamRole.REFERENCE}, {"result_type": "boolean"}, {"property": "pressure"}],
)
def test_results_never_change_by_a_mapping(trial: Connection, edit: dict[str, Any]) -> None:
    replace_mappings(trial, "t", [mapping(trial)])
    store_one(trial, "b", "t")
    trial.commit()
    with pytest.raises(CorrectInput, match="another name"), trial.transaction():
        replace_mappings(trial, "t", [mapping(trial, **edit)])
    assert known(trial, "b") == {"t": ("Cel", 1.0, 0.0)}
    assert [m.unit for m in mappings_of_trial(trial, "t")] == ["Cel"]


def test_the_interval_may_be_declared_also_where_observations_are(trial: Connection) -> None:
    replace_mappings(trial, "t", [mapping(trial)])
    store_one(trial, "a", "t")
    replace_mappings(trial, "t", [mapping(trial, every=Spacing(timedelta(seconds=300)))])
    stream = load_snapshot(trial).devices["t", "a"].datastreams["t"]
    assert (stream.interval_us, stream.interval_declared) == (300_000_000, True)
    replace_mappings(trial, "t", [mapping(trial)])
    assert load_snapshot(trial).devices["t", "a"].datastreams["t"].interval_us is None


def test_a_device_that_comes_later_gets_its_share(trial: Connection) -> None:
    replace_mappings(
        trial, "t", [mapping(trial, devices=["c?", "a"]), mapping(trial, "p", "pressure", devices="x*")]
    )
    add_device(trial, trial="t", code="c1", now=START + timedelta(days=1))
    assert apply_mappings(trial, "t", device="c1") == [Change("entered", "c1", "t")]
    assert known(trial, "b") == {}


def test_one_field_may_have_different_roles_in_different_devices_but_not_two_in_one(
    trial: Connection,
) -> None:
    reference = mapping(trial, devices="b", role=DatastreamRole.REFERENCE)
    replace_mappings(trial, "t", [mapping(trial, devices="a"), reference])
    with pytest.raises(CorrectInput, match="'b' has two mappings of 't'"):
        replace_mappings(trial, "t", [mapping(trial), reference])
    with pytest.raises(CorrectInput, match="mapped twice"):
        replace_mappings(trial, "t", [reference, reference])


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"unit": "%"}, "'%' cannot become 'Cel'"),
        ({"unit": "°C"}, "write 'Cel'"),
        ({"property": "nox"}, "known are fan, pm25, pressure, temp"),
    ],
)
def test_what_cannot_be_mapped_is_refused_with_the_field(
    trial: Connection, wrong: dict[str, Any], says: str
) -> None:
    with pytest.raises(CorrectInput, match=says) as refused:
        mapping(trial, **wrong)
    assert str(refused.value).startswith("'t'")


@pytest.mark.parametrize("text", ["PT15M", "P1D", "P1W", "P1M", "P3M", "P1Y"])
def test_an_interval_keeps_its_calendar_unit(trial: Connection, text: str) -> None:
    every = Spacing.parse(text)
    replace_mappings(trial, "t", [mapping(trial, every=every)])
    assert [m.every() for m in mappings_of_trial(trial, "t")] == [every]
    assert {s.every() for s in list_datastreams(trial, "t") if s.name == "t"} == {every}
    assert {c.what for c in replace_mappings(trial, "t", [mapping(trial, every=every)])} == {"there"}


def test_a_month_and_thirty_days_are_different_intervals(trial: Connection) -> None:
    replace_mappings(trial, "t", [mapping(trial, every=Spacing.parse("P30D"))])
    changes = replace_mappings(trial, "t", [mapping(trial, every=Spacing.parse("P1M"))])
    assert {c.what for c in changes} == {"changed"}


def test_a_stamp_may_be_declared_also_where_observations_are(trial: Connection) -> None:
    """It changes no stored result, only where it belongs."""
    replace_mappings(trial, "t", [mapping(trial)])
    store_one(trial, "a", "t")
    assert {s.stamp for s in list_datastreams(trial, "t")} == {Stamp.INSTANT}
    every = Spacing(timedelta(days=1))
    changes = replace_mappings(trial, "t", [mapping(trial, every=every, stamp=Stamp.END)])
    assert {c.what for c in changes} == {"changed"}
    assert {(s.stamp, s.every()) for s in list_datastreams(trial, "t") if s.name == "t"} == {
        (Stamp.END, every)
    }
    replace_mappings(trial, "t", [mapping(trial)])
    assert {s.stamp for s in list_datastreams(trial, "t")} == {Stamp.INSTANT}


@pytest.mark.parametrize("stamp", [Stamp.BEGIN, Stamp.END])
def test_a_stamp_at_an_edge_needs_the_length_of_the_interval(trial: Connection, stamp: Stamp) -> None:
    with pytest.raises(
        CorrectInput, match=f"the {stamp} of an interval needs the length of the interval: add `every`"
    ):
        mapping(trial, stamp=stamp)
