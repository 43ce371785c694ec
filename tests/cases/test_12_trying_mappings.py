"""Mappings can be tried on the refused messages: nothing is stored."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from store.database import Connection
from tests.cases.worlds import add_properties, send
from tests.cli.calling import Told, told, told_here
from tests.fix_catalogue import SmallTrial

__all__ = ["told", "told_here"]


@pytest.fixture
def refused_messages(conn: Connection, catalogue: SmallTrial) -> Connection:
    add_properties(conn)
    conn.commit()
    send(conn, {"temperature": "21.8", "battery": 83, "noise": 1})
    send(conn, {"temperature": "22.8", "battery": 82, "noise": 2}, later_us=1)
    conn.commit()
    return conn


MAPPINGS = """
[[mapping]]
trial = "t"
field = "temperature"
property = "temperature"
text = true

[[mapping]]
trial = "t"
field = "battery"
health = "battery"
"""


def counts(conn: Connection) -> tuple[Any, ...]:
    found = conn.execute(
        "SELECT (SELECT count(*) FROM observation), (SELECT count(*) FROM mapping), "
        "(SELECT count(*) FROM datastream), (SELECT count(*) FROM device_status), "
        "(SELECT count(*) FROM reject WHERE replayed_at IS NULL)"
    ).fetchone()
    conn.commit()
    assert found is not None
    return tuple(found)


def test_a_try_shows_each_field_and_stores_nothing(
    refused_messages: Connection, told_here: Told, tmp_path: Path
) -> None:
    before = counts(refused_messages)
    file = tmp_path / "map.toml"
    file.write_text(MAPPINGS, "utf-8")
    lines = told_here("map", "t", str(file), "--try").splitlines()
    assert lines[0] == "2 refused messages read again; nothing was stored."
    assert any('observation  temperature: "21.8" → temperature 21.8 Cel' in line for line in lines)
    assert any(line.startswith("  health") and "battery" in line and "(2)" in line for line in lines)
    assert any("refused" in line and "noise: unknown_property" in line for line in lines)
    assert counts(refused_messages) == before


def test_a_family_is_tried_applied_and_the_refused_messages_replayed(
    conn: Connection, catalogue: SmallTrial, told_here: Told
) -> None:
    add_properties(conn)
    conn.commit()
    send(conn, {"temperature": 30.8, "humidity": 50.5, "battery": 92})
    conn.commit()
    tried = json.loads(told_here("map", "t", "--family", "milesight-em300", "--try", "--json"))
    assert {one["field"]: one["outcome"] for one in tried["fields"]} == {
        "temperature": "stored",
        "humidity": "stored",
        "battery": "health",
    }
    assert counts(conn)[1] == 0
    assert "entered mapping t/battery: health, as battery" in told_here(
        "map", "t", "--family", "milesight-em300"
    )
    told_here("replay", "--trial", "t")
    assert counts(conn)[0] == 2
    assert counts(conn)[-1] == 0


def test_the_families_are_listed(told: Told) -> None:
    assert "sensecap-s2103" in told("mappings")
