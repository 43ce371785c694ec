"""A swap keeps the series: the new device gets the old one's datastreams and mappings, or it stops."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest

from insitu.errors import CorrectInput
from insitu.model import DatastreamRole, Observation, Stamp
from insitu.spacing import Spacing
from insitu.times import to_us
from store.access import add_credential, credentials_of_device
from store.audit import audit
from store.catalogue.datastreams import add_datastream, list_datastreams
from store.catalogue.deployments import list_deployments
from store.catalogue.devices import add_device
from store.catalogue.topics import add_topic, list_topics
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


def test_the_fixed_topics_of_the_old_device_are_those_of_the_new_one(
    conn: Connection, catalogue: SmallTrial, spare: int, told_here: Told
) -> None:
    for topic in ("tele/p/SENSOR", "tele/p/STATE"):
        add_topic(
            conn, topic=topic, device_id=catalogue.devices["a"], suffix="telemetry", field=None, now=START
        )
    add_topic(conn, topic="own", device_id=spare, suffix="telemetry", field=None, now=START)
    conn.commit()
    said = told_here("swap", "t", "a", "new", "--at", "2026-03-05T12:00", err=ANY)
    assert "Its messages on tele/p/SENSOR are those of new now." in said
    assert "new has no credential that works: insitu enrol t new" in said
    assert {one.topic: one.device for one in list_topics(conn)} == {
        "tele/p/SENSOR": "new",
        "tele/p/STATE": "new",
        "own": "new",
    }
    assert audit(conn)[-1].detail["topics"] == ["tele/p/SENSOR", "tele/p/STATE"]


def test_a_device_that_is_not_there_yet_is_refused_with_commands_that_work(
    conn: Connection, catalogue: SmallTrial, told_here: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INSITU_MQTT_URL", "mqtt://a:b@127.0.0.1:1")
    with pytest.raises(CorrectInput) as refused:
        told_here("swap", "t", "a", "later")
    enrol, again = re.findall(r"`insitu ([^`]*)`", str(refused.value))
    told_here(*enrol.split(), err=ANY)
    told_here(*again.split(), err=ANY)
    assert [one.device for one in list_deployments(conn, "t") if one.end is None] == ["b", "later"]
    conn.rollback()


def test_a_retired_device_gets_no_topic(
    conn: Connection, catalogue: SmallTrial, told_here: Told, tmp_path: Path
) -> None:
    conn.execute("UPDATE device SET retired_at = now() WHERE code = 'a'")
    conn.commit()
    path = tmp_path / "1.toml"
    path.write_text('[[topic]]\ntrial = "t"\ndevice = "a"\ntopic = "x/y"\nas = "obs"\n', "utf-8")
    with pytest.raises(CorrectInput, match="is retired"):
        told_here("register", str(path))
