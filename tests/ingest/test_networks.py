"""Network servers: messages for their devices, the limits of their rights, and results from their storage."""

from __future__ import annotations

import copy
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from ingest.booking import book
from ingest.reading import prepare
from ingest.storage import pull
from insitu.clock import SYSTEM
from insitu.embedded.users import hash_token, mosquitto_hash, nats_users, network_user
from insitu.errors import CorrectInput, NotAcceptedHere, RetryLater
from insitu.model import Message
from store import access
from store.catalogue.networks import add_address, add_network_server
from store.catalogue.snapshot import load_snapshot
from store.database import Connection
from store.ledger import recount
from tests.fix_catalogue import SmallTrial
from tests.ingest.kept_bytes import is_kept
from tests.stack import NOW, Stack, wait_until

TESTDATA = Path(__file__).parent / "testdata"
EUI = "0101010101010101"
UP_TOPIC = f"application/ca739e26/device/{EUI}/event/up"
TTS_TOPIC = "v3/platform-air@lab/devices/p1-north/up"
TOKEN = "a-network-token"


def chirpstack(name: str = "up.json", **changes: Any) -> bytes:
    return json.dumps({**json.loads((TESTDATA / "chirpstack" / name).read_text("utf-8")), **changes}).encode()


def things_stack(name: str = "up.json") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((TESTDATA / "things_stack" / name).read_text("utf-8"))
    return found


@pytest.fixture
def networks(conn: Connection, catalogue: SmallTrial) -> SmallTrial:
    """Device `a` is a ChirpStack device, `b` one of The Things Stack."""
    register_networks(conn, catalogue)
    return catalogue


def register_networks(conn: Connection, small: SmallTrial) -> None:
    for code, kind, address, device in (
        ("lora", "chirpstack", f"chirpstack/{EUI}", "a"),
        ("ttn", "things_stack", "things_stack/platform-air@lab/p1-north", "b"),
    ):
        add_network_server(conn, code=code, kind=kind, now=NOW)
        add_address(conn, network_server=code, address=address, device_id=small.devices[device])
    conn.commit()


def ingest(conn: Connection, *messages: tuple[str, bytes], at: datetime = NOW) -> list[Any]:
    received_us = int(at.timestamp() * 1e6)
    batch = [
        Message(topic, payload, received_us + n, mid=n + 1, size=len(payload))
        for n, (topic, payload) in enumerate(messages)
    ]
    items = prepare(batch, load_snapshot(conn))
    book(conn, items, client_id="s", now_us=received_us)
    conn.commit()
    assert recount(conn) == []
    return items


def sums(conn: Connection) -> tuple[int, ...]:
    (row,) = conn.execute(
        "SELECT sum(received)::int, sum(accepted)::int, sum(partly)::int, sum(rejected)::int, "
        "sum(repeated)::int, sum(stored)::int,"
        " sum(duplicate)::int, sum(refused)::int, sum(ignored)::int FROM ledger"
    ).fetchall()
    return tuple(row)


def test_an_uplink_becomes_rows_at_the_networks_time_and_says_how_it_was_heard(
    conn: Connection, networks: SmallTrial
) -> None:
    ingest(conn, (UP_TOPIC, chirpstack(object={"pm25": 12.5, "fan": True})))
    assert conn.execute(
        "SELECT result, clock_quality, phenomenon_time FROM observation ORDER BY datastream_id"
    ).fetchall() == [
        (12.5, 3, datetime(2026, 3, 1, 11, 59, 58, 870214, UTC)),
        (1.0, 3, datetime(2026, 3, 1, 11, 59, 58, 870214, UTC)),
    ]
    assert conn.execute("SELECT rssi, snr, clock_offset FROM device_contact").fetchall() == [
        (-36, 10.5, None)
    ]
    assert conn.execute("SELECT boot, seen::text FROM boot_sequence").fetchall() == [("00189440", "{[4,5)}")]


def test_the_same_frame_by_another_gateway_is_a_repeat_though_its_time_differs(
    conn: Connection, networks: SmallTrial
) -> None:
    first = chirpstack(object={"pm25": 12.5})
    second = chirpstack(object={"pm25": 12.5}, deduplicationId="other", time="2026-03-01T11:59:59.100+00:00")
    stamp = "2026-03-01T12:00:59+00:00"
    later = chirpstack(object={"pm25": 13}, fCnt=5, time=stamp, rxInfo=[{"gatewayId": "g", "nsTime": stamp}])
    ingest(conn, (UP_TOPIC, first))
    ingest(
        conn,
        (UP_TOPIC, second),
        (UP_TOPIC, later),
    )
    assert conn.execute("SELECT result FROM observation ORDER BY phenomenon_time").fetchall() == [
        (12.5,),
        (13.0,),
    ]
    assert sums(conn) == (3, 2, 0, 0, 1, 2, 1, 0, 0)


def test_lost_frames_show_in_the_networks_own_count(conn: Connection, networks: SmallTrial) -> None:
    for count in (4, 5, 9):
        ingest(
            conn,
            (UP_TOPIC, chirpstack(object={"pm25": 1}, fCnt=count, time=f"2026-03-01T12:0{count}:00+00:00")),
        )
    assert conn.execute("SELECT seen::text FROM boot_sequence").fetchall() == [("{[4,6),[9,10)}",)]


def test_events_that_measure_nothing_are_signs_of_life_and_counted_as_such(
    conn: Connection, networks: SmallTrial
) -> None:
    events = ("status", "join", "log", "ack", "txack", "location", "integration")
    ingest(
        conn,
        *((f"application/x/device/{EUI}/event/{event}", chirpstack(f"{event}.json")) for event in events),
    )
    ingest(conn, (UP_TOPIC, chirpstack("up-mac-only.json")))
    assert sums(conn) == (8, 8, 0, 0, 0, 0, 0, 0, 8)
    assert conn.execute("SELECT battery::numeric(4, 2)::text, margin FROM device_contact").fetchall() == [
        ("92.52", 11.0)
    ]
    notes = {note for (note,) in conn.execute("SELECT note FROM device_status WHERE note IS NOT NULL")}
    assert "joined the network as 00189440" in notes
    assert "ERROR UPLINK_CODEC Exception generated by quickjs" in notes


@pytest.mark.parametrize(
    ("topic", "payload", "reason"),
    [
        (UP_TOPIC, chirpstack(object=None), "invalid_shape"),
        (UP_TOPIC, chirpstack(time="yesterday"), "invalid_shape"),
        (UP_TOPIC, chirpstack(fCnt=-1), "invalid_shape"),
        (UP_TOPIC, chirpstack(deviceInfo={"devEui": "0202020202020202"}), "invalid_shape"),
        (UP_TOPIC, b"{}", "invalid_shape"),
        (UP_TOPIC, b"\xff", "unparsable"),
        (UP_TOPIC, chirpstack(object={"pm25": "12"}), "wrong_type"),
        (f"application/x/device/{EUI}/event/unheard-of", chirpstack(), "unknown_topic"),
        ("application/x/device/0909090909090909/event/up", chirpstack(), "unknown_device"),
        (TTS_TOPIC, json.dumps({**things_stack(), "uplink_message": 1}).encode(), "invalid_shape"),
        ("v3/platform-air@lab/devices/nobody/up", json.dumps(things_stack()).encode(), "unknown_device"),
    ],
)
def test_what_is_wrong_is_refused_with_its_reason(
    conn: Connection, networks: SmallTrial, topic: str, payload: bytes, reason: str
) -> None:
    ingest(conn, (topic, payload))
    ((found, kept),) = conn.execute("SELECT reason, payload FROM reject").fetchall()
    assert found == reason
    assert is_kept(kept, payload)


def test_an_uplink_that_the_console_simulated_is_never_trial_data(
    conn: Connection, networks: SmallTrial
) -> None:
    ingest(conn, (TTS_TOPIC, json.dumps(things_stack("up-simulated.json")).encode()))
    assert conn.execute("SELECT count(*) FROM observation").fetchall() == [(0,)]
    assert conn.execute("SELECT reason, results FROM ledger_reason").fetchall() == [("simulated", 3)]
    assert conn.execute("SELECT count(*) FROM boot_sequence").fetchall() == [(0,)]


def test_a_server_without_addresses_may_say_nothing() -> None:
    assert '"publish": {"deny": [">"]}, "subscribe": {"deny": [">"]}' in nats_users(
        [network_user("n", "x", [])]
    )


# -- through the broker


def test_a_network_server_speaks_for_its_devices_and_for_nobody_else(
    stack: Stack, catalogue: SmallTrial
) -> None:
    """One credential, which can only publish on the topics of its own devices."""
    register_networks(stack.conn, catalogue)
    numbers = dict(stack.rows("SELECT code, network_server_id FROM network_server"))
    access.add_credential(
        stack.conn,
        device_id=None,
        network_server_id=numbers["lora"],
        username="network.lora",
        now=NOW,
        token_sha256=hashlib.sha256(TOKEN.encode()).digest(),
        nats_hash=hash_token(TOKEN),
        mosquitto_hash=mosquitto_hash(TOKEN),
    )
    stack.conn.commit()
    stack.enrol("t", "a")  # applies all of them
    client = mqtt.Client(CallbackAPIVersion.VERSION2, "chirpstack")
    client.username_pw_set("network.lora", TOKEN)
    client.connect(stack.broker.host, stack.broker.port)
    client.loop_start()
    wait_until(client.is_connected, "the network server at the broker")
    payload = chirpstack(object={"pm25": 12.5})
    for foreign in (
        TTS_TOPIC,
        "insitu/v1/t/a/obs",
        "application/x/device/0202020202020202/event/up",
        "spBv1.0/g/NBIRTH/e",
    ):
        client.publish(foreign, payload, qos=1)
    client.publish(UP_TOPIC, payload, qos=1)
    stack.wait_for(1)
    device = stack.device("t/b")
    device.send({"results": {"pm25": 1}})
    stack.wait_for(2)
    assert stack.rows("SELECT result FROM observation ORDER BY result") == [(1.0,), (12.5,)]
    assert stack.reasons() == []
    client.disconnect()
    client.loop_stop()
    device.close()


# -- storage


@contextmanager
def storage(
    uplinks: list[dict[str, Any]], key: str = "NNSXS.KEY", broken: bool = False
) -> Iterator[tuple[str, list[str]]]:
    """A server that answers like the storage integration's manual says, and the paths that were requested."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            if self.headers["Authorization"] != f"Bearer {key}":
                self.send_error(403)
                return
            after = datetime.fromisoformat(parse_qs(urlsplit(self.path).query)["after"][0])
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            for uplink in uplinks:
                if datetime.fromisoformat(uplink["received_at"]) >= after:
                    self.wfile.write(json.dumps({"result": uplink}).encode() + b"\n\n")
            if broken:
                self.wfile.write(b'{"error": {"message": "gone"}}\n')

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def uplinks(count: int) -> list[dict[str, Any]]:
    """Uplinks, one a minute from 1 March 2026, 10:00 UTC on."""
    found = []
    for number in range(count):
        one = copy.deepcopy(things_stack())
        when = datetime(2026, 3, 1, 10, tzinfo=UTC) + timedelta(minutes=number)
        one["received_at"] = one["uplink_message"]["received_at"] = when.isoformat()
        one["uplink_message"].update(f_cnt=number, decoded_payload={"pm25": number})
        found.append(one)
    return found


def pulled(conn: Connection, base: str, key: str = "NNSXS.KEY") -> Any:
    start = datetime(2026, 3, 1, tzinfo=UTC)
    return pull(
        conn,
        base=base,
        application="platform-air",
        tenant="lab",
        key=key,
        after=start,
        before=NOW,
        clock=SYSTEM,
    )


def test_the_storage_repairs_what_mqtt_missed_and_only_that(conn: Connection, networks: SmallTrial) -> None:
    found = uplinks(5)
    for number in (0, 1, 4):
        ingest(conn, (TTS_TOPIC, json.dumps(found[number]).encode()))
    with storage(found) as (base, asked):
        done = pulled(conn, base)
        again = pulled(conn, base)
    assert (done.uplinks, done.stored, done.duplicate, done.refused) == (5, 2, 3, 0)
    assert (again.uplinks, again.stored, again.duplicate, again.refused) == (5, 0, 5, 0)
    assert conn.execute("SELECT result FROM observation ORDER BY phenomenon_time").fetchall() == [
        (float(n),) for n in range(5)
    ]
    assert conn.execute("SELECT seen::text FROM boot_sequence").fetchall() == [("{[0,5)}",)]
    assert recount(conn) == []
    assert asked[0].startswith(
        "/api/v3/as/applications/platform-air/packages/storage/uplink_message?after=2026-03-01T00%3A00%3A00Z&"
    )


def test_a_long_storage_is_read_page_by_page(
    conn: Connection, networks: SmallTrial, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.storage._PAGE", 4)
    with storage(uplinks(4)) as (base, asked):
        assert pulled(conn, base).stored == 4
    assert len(asked) == 2


def test_a_storage_that_refuses_or_breaks_is_named_and_what_came_stays(
    conn: Connection, networks: SmallTrial
) -> None:
    with (
        storage(uplinks(2)) as (base, _),
        pytest.raises(NotAcceptedHere, match="RIGHT_APPLICATION_TRAFFIC_READ"),
    ):
        pulled(conn, base, key="wrong")
    with storage(uplinks(600), broken=True) as (base, _), pytest.raises(RetryLater, match="no uplink"):
        pulled(conn, base)
    assert conn.execute("SELECT count(*) FROM observation").fetchall() == [(500,)]
    with pytest.raises(RetryLater, match="does not answer"):
        pulled(conn, "http://127.0.0.1:9")
    with pytest.raises(CorrectInput, match="eu1"):
        pulled(conn, "ftp://x")
