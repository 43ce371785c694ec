"""A swap keeps the series: the new device gets the old one's datastreams and mappings, or it stops."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from insitu.errors import CorrectInput
from insitu.model import DatastreamRole, Observation, Stamp
from insitu.spacing import Spacing
from insitu.times import to_us
from store.access import add_credential, audit, credentials_of_device
from store.catalogue.datastreams import add_datastream, list_datastreams
from store.catalogue.deployments import list_deployments
from store.catalogue.devices import add_device
from store.database import Connection
from store.mapping import new_mapping
from store.mappings import declare_interval, mappings_of_trial, replace_mappings
from store.observations import merge
from tests.cli.calling import Told
from tests.fix_catalogue import START, SmallTrial

ANY = re.compile(r"[\s\S]*")


@pytest.fixture
def spare(conn: Connection, catalogue: SmallTrial) -> int:
    """A new device; the old one, `a`, has a credential, and stamps at the end."""
    declare_interval(conn, catalogue.datastreams["a", "pm25"], Spacing(timedelta(minutes=10)), Stamp.END)
    add_credential(
        conn,
        device_id=catalogue.devices["a"],
        username="t.a",
        token_sha256=b"x" * 32,
        nats_hash="",
        mosquitto_hash="",
        now=START,
    )
    number = add_device(conn, trial="t", code="new", now=START)
    conn.commit()
    return number


def test_the_new_device_has_the_old_ones_datastreams_and_mappings(
    conn: Connection, catalogue: SmallTrial, spare: int, told_here: Told
) -> None:
    mapping = new_mapping(conn, field="temp", property="pm25", devices=["a"], unit="mg/m3")
    replace_mappings(conn, "t", [mapping])
    conn.commit()
    said = told_here("swap", "t", "a", "new", "--at", "2026-03-05T12:00", "--reason", "dead", err=ANY)
    assert "new has taken the place of a since 2026-03-05 12:00 UTC." in said
    assert "1 credential of t/a ended." in said
    facts: dict[str, list[object]] = {"a": [], "new": []}
    for one in list_datastreams(conn, "t"):
        if one.device in facts:
            facts[one.device].append(
                (one.name, one.property, one.sent_unit, one.role, one.scale, one.every(), one.stamp)
            )
    assert facts["new"] == facts["a"]
    assert len(facts["a"]) == 3
    stays = [(one.device, one.position, one.end is None) for one in list_deployments(conn, "t")]
    assert stays == [("a", "a", False), ("b", "b", True), ("new", "a", True)]
    assert [list(one.devices) for one in mappings_of_trial(conn, "t")] == [["a", "new"]]
    assert credentials_of_device(conn, catalogue.devices["a"])[0].revoked_at is not None
    line = audit(conn)[-1]
    assert (line.action, line.subject, line.detail["reason"]) == ("swap", "t/a", "dead")


def test_a_device_with_other_results_stops_the_swap_with_what_differs(
    conn: Connection, catalogue: SmallTrial, spare: int, told_here: Told
) -> None:
    stream = add_datastream(
        conn,
        device_id=spare,
        name="pm25",
        property="pm25",
        unit="mg/m3",
        role=DatastreamRole.REFERENCE,
        scale=1000,
    )
    conn.commit()
    told_here("swap", "t", "b", "new", err=ANY)  # no results yet: it becomes like b
    merge(conn, [Observation(stream, to_us(START), 1.0, to_us(START), 0)])
    conn.execute("UPDATE datastream SET unit = 'mg/m3', scale = 1000 WHERE datastream_id = %s", (stream,))
    conn.commit()
    with pytest.raises(
        CorrectInput, match=r"unit of pm25 was ug/m3, is mg/m3; scale of pm25 was 1.0, is 1000"
    ):
        told_here("swap", "t", "a", "new")
    assert credentials_of_device(conn, catalogue.devices["a"])[0].revoked_at is None


def test_a_place_that_the_new_device_got_later_gives_way(
    conn: Connection, catalogue: SmallTrial, spare: int, told_here: Told
) -> None:
    conn.execute(
        "INSERT INTO deployment (device_id, site_id, position, period) SELECT %s, site_id, 'shelf', "
        "tstzrange('2026-03-06', NULL) FROM site",
        (spare,),
    )
    conn.commit()
    told_here("swap", "t", "a", "new", "--at", "2026-03-05T12:00", err=ANY)
    assert [one.position for one in list_deployments(conn, "t") if one.device == "new"] == ["a"]
    conn.rollback()
    with pytest.raises(CorrectInput, match="in the future"):
        told_here("swap", "t", "b", "new", "--at", "2199-03-05T12:00")
