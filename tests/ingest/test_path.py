"""From a device's publish to a row or a refusal, through the real broker, ingestor and database."""

from __future__ import annotations

import json
import os
from datetime import timedelta
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from insitu.model import DatastreamRole
from store.catalogue.datastreams import add_datastream
from store.catalogue.devices import find_device
from store.ledger import recount
from tests.forked import run_verb
from tests.ingest.kept_bytes import is_kept
from tests.stack import NOW, Stack, stamp, wait_until

GOOD = {"time": stamp(5), "results": {"pm25": 7.5}}


def test_a_message_becomes_rows_and_the_device_hears_a_receipt(stack: Stack) -> None:
    device = stack.device("t/a")
    device.send({"boot": "x1", "seq": 1, "time": stamp(10), "results": {"pm25": 12.5, "fan": True}})
    device.send({"boot": "x1", "seq": 4, "time": stamp(9), "results": {"pm25": 12.75}})
    stack.wait_for(2)
    assert stack.rows("SELECT result FROM observation ORDER BY datastream_id, phenomenon_time") == [
        (12.5,),
        (12.75,),
        (1.0,),
    ]
    wait_until(
        lambda: ("receipt", {"boot": "x1", "seq": 1, "missing": [[2, 3]]}) in device.heard, "the receipt"
    )
    device.close()


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"\xff\x00 not json", "unparsable"),
        (b'{"results": {"pm25": "12.3"}}', "wrong_type"),
        (b'{"results": {"pm25": NaN}}', "not_finite"),
        (b'{"time": "1970-01-01T00:00:10Z", "results": {"pm25": 1}}', "clock_out_of_range"),
        (b'{"results": {"radiation": 1}}', "unknown_property"),
        (b'{"readings": 1}', "invalid_shape"),
        (b'{"results": {"pm25": ' + b"[" * 100 + b"]" * 100 + b"}}", "too_deep"),
        (json.dumps({"results": {f"p{i}": i for i in range(60_000)}}).encode(), "too_large"),
    ],
)
def test_what_cannot_be_stored_is_kept_and_explained_and_its_neighbours_are_stored(
    stack: Stack, payload: bytes, reason: str
) -> None:
    device = stack.device("t/a")
    device.send({"time": stamp(20), "results": {"pm25": 1.0}})
    device.send(payload)
    device.send({"time": stamp(19), "results": {"pm25": 2.0}})
    stack.wait_for(3)
    assert stack.reasons() == [reason]
    kept, size = stack.rows("SELECT payload, size FROM reject")[0]
    assert is_kept(bytes(kept), payload[:262_144])
    assert size == len(payload)
    assert stack.rows("SELECT count(*) FROM observation") == [(2,)]
    refusal = device.hears("rejected")
    assert refusal["reason"] == reason
    assert len(refusal["detail"]) > 15
    device.close()


def test_a_megabyte_of_json_is_refused_by_size_with_its_first_bytes(stack: Stack) -> None:
    device = stack.device("t/a")
    device.send(b'{"results": {"pm25": "' + b"x" * 1_000_000 + b'"}}')
    stack.wait_for(1)
    assert stack.rows("SELECT reason, length(payload), size > 1000000 FROM reject") == [
        ("too_large", 262_144, True)
    ]
    device.close()


def test_a_device_that_is_not_registered_is_refused_by_name(stack: Stack) -> None:
    """The device got its credential before it was removed from the catalogue: the broker lets it in, the
    ingestor explains the refusal.
    """
    device = stack.device("t/a")
    stack.conn.execute("UPDATE device SET code = 'renamed' WHERE code = 'a'")
    stack.conn.commit()
    device.send(GOOD)
    stack.wait_for(1)
    assert stack.rows("SELECT reason, trial, device FROM reject") == [("unknown_device", "t", "unknown")]
    device.close()


def test_a_wrong_password_does_not_get_in(stack: Stack) -> None:
    refused: list[str] = []
    client = mqtt.Client(CallbackAPIVersion.VERSION2, "stranger")
    client.username_pw_set("t.a", "wrong")
    client.on_connect = lambda _c, _d, _f, code, _p: refused.append(str(code)) if code.is_failure else None
    client.connect(stack.broker.host, stack.broker.port)
    client.loop_start()
    wait_until(lambda: bool(refused), "the refusal")
    client.disconnect()
    client.loop_stop()
    assert "ot authorized" in refused[0]


def test_the_other_dialects_pass_the_broker_and_become_rows(stack: Stack) -> None:
    device = stack.device("t/a")
    device.send(b'[{"bn":"urn:x:","n":"pm25","v":1}]', "senml")
    device.send(bytes.fromhex("81a20064706d32350202"), "senml")
    device.send(b"air pm25=3\nair pm25=\n", "influx")
    device.send({"pm25": 4}, "telemetry")
    stack.wait_for(4)
    assert sorted(stack.rows("SELECT result FROM observation")) == [(1.0,), (2.0,), (3.0,), (4.0,)]
    assert stack.rows("SELECT reason, results FROM reject") == [("unparsable", 1)]
    device.close()


def test_a_foreign_topic_never_reaches_the_ingestor(stack: Stack) -> None:
    device = stack.device("t/a")
    device.client.publish("insitu/v1/t/b/obs", json.dumps(GOOD), qos=1)
    other = stack.device("t/a")
    other.send(GOOD)
    stack.wait_for(1)
    assert stack.rows(
        "SELECT d.code FROM observation JOIN datastream USING (datastream_id) JOIN device d USING (device_id)"
    ) == [("a",)]
    assert stack.reasons() == []
    device.close()
    other.close()


def test_a_message_that_comes_again_is_one_row(stack: Stack) -> None:
    device = stack.device("t/a")
    for _ in range(3):
        device.send({"boot": "b", "seq": 1, **GOOD})
    stack.wait_for(3)
    assert stack.rows("SELECT count(*) FROM observation") == [(1,)]
    assert stack.rows("SELECT sum(repeated), sum(accepted) FROM ledger") == [(2, 1)]
    device.close()


def test_a_status_and_a_last_will_are_kept(stack: Stack) -> None:
    device = stack.device("t/a")
    device.send({"battery": 81, "rssi": -70, "firmware": "1.2"}, "status")
    device.send(b"offline", "status")
    stack.wait_for(2)
    assert stack.rows("SELECT state, battery, rssi, firmware FROM device_contact") == [
        ("offline", 81.0, -70.0, "1.2")
    ]
    device.close()


def test_what_was_refused_is_stored_by_a_replay_after_the_registration_exactly_once(stack: Stack) -> None:
    """This includes a message without a time: its seq was accounted for when it was refused, but the replay
    must not count as a repeat.
    """
    from ingest.replay import replay
    from insitu.clock import SYSTEM

    device = stack.device("t/a")
    device.send({"boot": "b", "seq": 1, "results": {"co2": 415.0}})
    device.send({"time": stamp(3), "results": {"co2": 416.0}})
    stack.wait_for(2)
    assert stack.reasons() == ["unknown_property", "unknown_property"]
    add_datastream(
        stack.conn,
        device_id=find_device(stack.conn, "t", "a").device_id,
        name="co2",
        property="pm25",
        unit="1",
        role=DatastreamRole.CANDIDATE,
        expected_interval=timedelta(minutes=15),
    )
    stack.conn.commit()
    done = replay(stack.conn, clock=SYSTEM)
    assert (done.tried, done.stored) == (2, 2)
    assert replay(stack.conn, clock=SYSTEM).tried == 0
    assert sorted(result for (result,) in stack.rows("SELECT result FROM observation")) == [415.0, 416.0]
    assert recount(stack.conn) == []
    device.close()


def test_a_mapping_that_was_mended_and_a_replay_store_what_was_refused_exactly_once(
    stack: Stack, tmp_path: Path
) -> None:
    """The whole way on the command line: an unknown field, in two formats and in another unit."""
    login = f"{stack.broker.service_username}:{stack.broker.service_password}"
    servers = {
        "INSITU_DATABASE_URL": stack.database_url,
        "INSITU_MQTT_URL": f"mqtt://{login}@{stack.broker.host}:{stack.broker.port}",
    }

    def insitu(*arguments: str, code: int = 0) -> str:
        done = run_verb(*arguments, env={**os.environ, **servers})
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    device = stack.device("t/a")
    device.send({"boot": "b", "seq": 1, "time": stamp(9), "results": {"pm2_5": 0.0125, "pm25": 1.0}})
    device.send({"boot": "b", "seq": 2, "results": {"pm2_5": 0.013}})
    device.send([{"n": "x/pm2_5", "u": "ug/m3", "bt": NOW.timestamp() - 300, "v": 14}], "senml")
    device.send(f"pms pm2_5=0.015 {int(NOW.timestamp()) - 240}000000000\n".encode(), "influx")
    stack.wait_for(4)
    assert stack.reasons() == ["unknown_property"] * 4
    path = tmp_path / "mapping.toml"
    path.write_text('[[mapping]]\ntrial = "t"\nfield = "pm2_5"\nproperty = "pm25"\nunit = "mg/m3"\n', "utf-8")
    assert "pm2_5: mg/m3 → pm25 in ug/m3 (2 entered)" in insitu("register", str(path))
    insitu("replay", "--trial", "t", "--reason", "unknown_property")
    insitu("replay", "--trial", "t")
    device.send({"boot": "b", "seq": 3, "time": stamp(2), "results": {"pm2_5": 0.016}})
    device.send([{"n": "x/pm2_5", "u": "ug/m3", "bt": NOW.timestamp() - 300, "v": 14}], "senml")
    stack.wait_for(6)
    found = stack.rows(
        "SELECT result FROM observation JOIN datastream USING (datastream_id) WHERE name = 'pm2_5' ORDER BY "
        "result"
    )
    assert [result for (result,) in found] == pytest.approx([12.5, 13.0, 14.0, 15.0, 16.0], rel=1e-14)
    assert recount(stack.conn) == []
    assert stack.rows("SELECT sum(refused), sum(stored), sum(duplicate) FROM ledger WHERE reject_id = 0") == [
        (4, 2, 1)
    ]
    assert stack.rows(
        "SELECT sum(contained), sum(stored), sum(duplicate) FROM ledger WHERE reject_id <> 0"
    ) == [(5, 4, 1)]
    assert "ok   ledger" in insitu("check", code=1)  # 1: `check` cannot test the rules of a foreign broker
    path.write_text('[[mapping]]\ntrial = "t"\nfield = "pm2_5"\nproperty = "pm25"\nunit = "ng/m3"\n', "utf-8")
    assert "a/pm2_5 has observations" in insitu("register", str(path), code=2)
    device.close()


def test_messages_without_a_time_that_say_the_same_are_each_stored_also_when_the_broker_counts_anew(
    stack: Stack,
) -> None:
    """A broker that restarts reuses its packet ids from the beginning; acknowledged messages cannot come
    again.
    """
    device = stack.device("t/a")
    for _ in range(5):
        device.send({"results": {"pm25": 4.0}})
    stack.wait_for(5)
    stack.broker.stop()
    stack.broker.start()
    wait_until(device.client.is_connected, "the device at the broker")
    for _ in range(5):
        device.send({"results": {"pm25": 4.0}})
    stack.wait_for(10)
    assert stack.rows("SELECT sum(stored), sum(repeated) FROM ledger") == [(10, 0)]
    device.close()
