"""Messages of the probe are booked in the transaction of their batch, and leave no other trace."""

from __future__ import annotations

import json
from datetime import timedelta

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from ingest.booking import book
from ingest.prepared import Look
from ingest.probe_messages import probes_in
from ingest.reading import prepare, prepare_refused
from ingest.replay import replay
from insitu.clock import SYSTEM
from insitu.embedded.users import probe_token
from insitu.errors import CorrectInput
from insitu.model import Message, RejectReason
from insitu.wire import PROBE, probe_topic
from store import ledger
from store.catalogue.devices import add_device
from store.catalogue.snapshot import load_snapshot
from store.catalogue.trials import add_trial
from store.database import Connection
from store.probes import drop_old_probes, probe_seen, save_probes
from tests.fix_catalogue import START, SmallTrial
from tests.stack import NOW, Stack, stamp, wait_until


def probe(boot: str, seq: int, trial: str = "t") -> Message:
    payload = json.dumps({"boot": boot, "seq": seq, "time": stamp(0), "results": {"probe": 1}}).encode()
    return Message(probe_topic(trial), payload, 0, 7, 1, 1, False, len(payload))


def everything_but_probes(conn: Connection) -> dict[str, int]:
    """Number of rows in each table to which an ordinary message writes."""
    tables = (
        "observation",
        "reject",
        "ledger",
        "ledger_reason",
        "boot_sequence",
        "device_contact",
        "delivered_batch",
        "delivery",
        "device_status",
    )
    return {
        table: conn.execute(f"SELECT count(*) FROM {table}".encode()).fetchall()[0][0] for table in tables
    }


def test_the_newest_of_each_prober_is_booked_by_shard_and_never_goes_back(conn: Connection) -> None:
    save_probes(conn, 0, probes_in([probe("x", 3), probe("y", 9, trial="no-such-trial"), probe("x", 2)]))
    save_probes(conn, 1, probes_in([probe("x", 5)]))
    save_probes(conn, 0, probes_in([probe("x", 1)]))
    assert probe_seen(conn, "x") == {0: 3, 1: 5}
    assert probe_seen(conn, "y") == {0: 9}
    assert probe_seen(conn, "z") == {}


def test_a_malformed_message_of_the_probe_is_dropped_with_a_line_in_the_log(
    conn: Connection, catalogue: SmallTrial, caplog: pytest.LogCaptureFixture
) -> None:
    broken = [
        Message(probe_topic("t"), payload, 0)
        for payload in (b"\xff", b'{"results": {"probe": 1}}', b'{"boot": "x", "seq": -1}')
    ]
    assert probes_in(broken) == {}
    assert len(caplog.records) == 3
    assert prepare(broken, load_snapshot(conn)) == []


def test_it_leaves_no_other_trace_also_where_the_batch_is_refused(
    conn: Connection, catalogue: SmallTrial
) -> None:
    known = load_snapshot(conn)
    for look in Look:
        assert prepare_refused(probe("x", 1), known, RejectReason.INTERNAL_ERROR, "…", look=look) == []
    before = everything_but_probes(conn)
    outcome = book(conn, prepare([probe("x", 1)], known), client_id="session", now_us=0)
    assert everything_but_probes(conn) == before
    assert (outcome.receipts, outcome.refusals) == ({}, [])
    assert everything_but_probes(conn)["delivered_batch"] == 0


def test_a_replay_books_no_probe(conn: Connection, catalogue: SmallTrial) -> None:
    """Such a reject can only come from a version without a probe."""
    conn.execute(
        "INSERT INTO reject (reason, detail, topic, payload, size, received_at, trial, device, results, "
        "identity)"
        " VALUES ('unknown_device', '', %s, %s, %s, now(), 't', 'unknown', 0, 'x')",
        (probe_topic("t"), probe("x", 1).payload, len(probe("x", 1).payload)),
    )
    conn.commit()
    replay(conn, clock=SYSTEM)
    assert probe_seen(conn, "x") == {}


def test_probers_that_fell_silent_are_forgotten_after_an_hour(conn: Connection) -> None:
    save_probes(conn, 0, {"old": 1, "new": 1})
    conn.execute(
        "UPDATE probe SET committed_at = clock_timestamp() - interval '61 minutes' WHERE prober = 'old'"
    )
    assert drop_old_probes(conn) == 1
    assert probe_seen(conn, "old") == {}
    assert probe_seen(conn, "new") == {0: 1}
    assert drop_old_probes(conn, timedelta(0)) == 1


def test_no_device_and_no_trial_may_have_a_name_of_the_service(
    conn: Connection, catalogue: SmallTrial
) -> None:
    with pytest.raises(CorrectInput, match="cannot be called 'insitu-probe'"):
        add_device(conn, trial="t", code=PROBE, now=START)
    for code in ("check", "heartbeat"):
        with pytest.raises(CorrectInput, match=f"cannot be called '{code}'"):
            add_trial(conn, code=code, title={"en": ""}, host="host", company="company", now=START)


def test_through_broker_and_ingestor_its_row_is_there_and_nothing_else(stack: Stack) -> None:
    client = mqtt.Client(CallbackAPIVersion.VERSION2, "prober")
    client.username_pw_set(PROBE, probe_token(stack.broker.service_password))
    client.connect(stack.broker.host, stack.broker.port)
    client.loop_start()
    wait_until(client.is_connected, "the prober at the broker")
    for seq in (1, 2, 3):
        client.publish(probe_topic("t"), probe("run", seq).payload, qos=1).wait_for_publish(10)
    wait_until(
        lambda: stack.rows("SELECT shard_id, seq FROM probe WHERE prober = 'run'") == [(0, 3)],
        "the probe's row",
    )
    client.disconnect()
    client.loop_stop()
    assert set(everything_but_probes(stack.conn).values()) == {0}
    assert ledger.recount(stack.conn) == []
    assert stack.rows("SELECT committed_at > %s FROM probe", NOW) == [(True,)]
