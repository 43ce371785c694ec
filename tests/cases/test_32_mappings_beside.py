"""A registration with some mappings leaves the others as they are; only `remove = true` takes one away."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.mapping_edits import edit_mappings
from ingest.mapping_entry import MappingEntry
from insitu.errors import CorrectInput
from store.audit import audit
from store.catalogue.devices import add_device
from store.database import Connection
from store.mapping import Mapping
from store.mappings import mappings_of_trial, replace_mappings
from tests.cases.worlds import add_properties, give_mappings, refused, send, stored
from tests.cli.calling import Told, told, told_here
from tests.examples import examples
from tests.fix_catalogue import START, SmallTrial

__all__ = ["told", "told_here"]
ANY = re.compile(r"[\s\S]*")


@pytest.fixture
def world(conn: Connection, catalogue: SmallTrial) -> Connection:
    add_properties(conn)
    give_mappings(
        conn,
        {"field": "T", "property": "temperature", "missing": [-1]},
        {"field": "TempUnit", "expect": ["C"]},
        {"field": "Time", "time": "iso", "zone": "Europe/Paris"},
    )
    return conn


def write(path: Path, *mappings: dict[str, Any]) -> str:
    lines = []
    for one in mappings:
        lines.append("[[mapping]]")
        lines += [f"{key} = {json.dumps(value)}" for key, value in {"trial": "t", **one}.items()]
    path.write_text("\n".join(lines), "utf-8")
    return str(path)


def rules(conn: Connection) -> dict[str, dict[str, Any]]:
    found = {one.field: dict(one.rule_document) for one in mappings_of_trial(conn, "t")}
    conn.rollback()
    return found


@pytest.mark.parametrize("verb", [("register",), ("map", "t")])
def test_what_a_file_does_not_name_stays(
    world: Connection, told_here: Told, tmp_path: Path, verb: tuple[str, ...]
) -> None:
    before = rules(world)
    file = write(tmp_path / "1.toml", {"devices": "a", "field": "H", "property": "humidity"})
    assert "entered mapping t/H: % → humidity in % (1 entered)" in told_here(*verb, file)
    assert {**before, "H": {}} == rules(world)
    assert refused(send(world, {"T": 66.2, "TempUnit": "F"})) == {"unit_mismatch": 1}
    assert stored(world) == {}


def test_each_line_says_what_was_and_what_is(world: Connection, told_here: Told, tmp_path: Path) -> None:
    edited = write(
        tmp_path / "1.toml",
        {"devices": "a", "field": "TempUnit", "expect": ["C", "°C"]},
        {"devices": "a", "field": "Time", "time": "iso"},
        {"devices": "a", "field": "T", "property": "temperature", "text": True},
    )
    said = told_here("register", edited)
    assert "changed mapping t/TempUnit: must say C or °C; expect was ['C'], is ['C', '°C']" in said
    assert "there   mapping t/Time: the time\n" in said
    assert "changed mapping t/T: Cel → temperature in Cel (1 there); text was False, is True" in said
    assert rules(world)["T"] == {"missing": [-1], "text": True}
    assert len(audit(world)) == 1
    world.rollback()
    again = told_here("register", edited)
    assert [line.split()[0] for line in again.splitlines()] == ["there"] * 3
    assert len(audit(world)) == 1


def test_a_removal_is_stated_printed_and_audited(world: Connection, told_here: Told, tmp_path: Path) -> None:
    file = write(tmp_path / "1.toml", {"field": "TempUnit", "remove": True})
    said = told_here("register", file)
    assert said.startswith("removed mapping t/TempUnit for a: must say C;")
    assert set(rules(world)) == {"T", "Time"}
    assert any("removed mapping t/TempUnit" in one for one in audit(world)[-1].detail["mappings"])
    world.rollback()
    assert told_here("register", file) == "gone    mapping t/TempUnit\n"


def test_a_device_that_took_a_place_keeps_its_rules_when_the_file_comes_again(
    world: Connection, told_here: Told, tmp_path: Path
) -> None:
    add_device(world, trial="t", code="new", now=START)
    world.commit()
    told_here("swap", "t", "a", "new", "--at", "2026-03-05T12:00", err=ANY)
    same = {"devices": "a", "field": "TempUnit", "expect": ["C"]}
    said = told_here("register", write(tmp_path / "1.toml", same))
    assert said.startswith("there   mapping t/TempUnit")
    assert all(one.holds("new") for one in mappings_of_trial(world, "t"))
    world.rollback()
    said = told_here("register", write(tmp_path / "2.toml", {**same, "expect": ["F"]}))
    assert "expect was ['C'], is ['F']; new keeps it as it was" in said
    found = {
        tuple(one.devices): one.rule().expect for one in mappings_of_trial(world, "t") if one.rule().expect
    }
    assert found == {("a",): ("F",), ("new",): ("C",)}


def test_a_mapping_of_all_devices_is_narrowed_by_a_removal_only(
    world: Connection, told_here: Told, tmp_path: Path
) -> None:
    told_here("register", write(tmp_path / "0.toml", {"field": "door", "expect": ["x"]}))
    narrow = {"devices": "a", "field": "door", "expect": ["y"]}
    with pytest.raises(CorrectInput, match="remove = true"):
        told_here("register", write(tmp_path / "1.toml", narrow))
    with pytest.raises(CorrectInput, match=r"is mapped for \*, not for a alone"):
        told_here("register", write(tmp_path / "2.toml", {"devices": "a", "field": "door", "remove": True}))
    said = told_here("register", write(tmp_path / "3.toml", {"field": "door", "remove": True}, narrow))
    assert "removed mapping t/door: must say x" in said
    assert rules(world)["door"] == {"expect": ["y"]}


FIELDS = st.sampled_from(["x", "y", "z"])
ENTRIES = st.fixed_dictionaries(
    {"field": FIELDS, "devices": st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=2)},
    optional={"missing": st.just([1]), "text": st.booleans()},
)


def by_device(mappings: list[Mapping]) -> dict[tuple[str, str], dict[str, Any]]:
    return {(one.field, device): dict(one.rule_document) for one in mappings for device in one.devices}


@settings(
    max_examples=examples(quick=20, nightly=60),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(ENTRIES, max_size=4), st.lists(ENTRIES, max_size=3))
def test_for_each_device_and_field_only_what_is_stated_changes(
    world: Connection, first: list[dict[str, Any]], second: list[dict[str, Any]]
) -> None:
    def entries(given: list[dict[str, Any]]) -> list[MappingEntry]:
        seen: set[tuple[str, str]] = set()
        kept = []
        for one in given:
            names = {(one["field"], device) for device in one["devices"]}
            if not names & seen:
                seen |= names
                kept.append(MappingEntry.model_validate({"trial": "t", "property": "pm25", **one}))
        return kept

    with world.transaction(force_rollback=True):
        replace_mappings(world, "t", [])
        replace_mappings(world, "t", edit_mappings(world, "t", entries(first)).mappings)
        before = by_device(mappings_of_trial(world, "t"))
        stated = entries(second)
        replace_mappings(world, "t", edit_mappings(world, "t", stated).mappings)
        after = by_device(mappings_of_trial(world, "t"))
    named = {(one.field, device): one for one in stated for device in one.patterns()}
    assert set(after) == set(before) | set(named)
    for key in set(before) - set(named):
        assert after[key] == before[key]
    for key, entry in named.items():
        if "text" in entry.model_fields_set:
            assert after[key].get("text", False) == entry.text
        if "missing" in entry.model_fields_set:
            assert after[key]["missing"] == [1]
