"""Sparkplug B edge nodes: births, aliases, deaths, lost messages and repeats."""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from ingest.booking import book
from ingest.decode import Unreadable
from ingest.decode.sparkplug import parse
from ingest.edge_nodes import EdgeNodes
from ingest.outcome import Outcome
from ingest.reading import prepare
from ingest.replay import replay
from insitu.clock import SYSTEM
from insitu.embedded.users import BrokerUser, device_user, hash_token
from insitu.model import Message
from store import access
from store.catalogue.networks import add_address, add_network_server
from store.catalogue.snapshot import load_snapshot
from store.database import Connection
from store.ledger import recount
from store.read.refused import list_rejects
from tests.fix_catalogue import SmallTrial
from tests.stack import NOW, Stack, wait_until

T0 = NOW - timedelta(hours=1)
TESTDATA = Path(__file__).parent / "testdata" / "sparkplug"
DOUBLE, INT16, BOOLEAN, INT64 = 10, 2, 11, 4
_RECEIVED = [int(NOW.timestamp() * 1e6)]


# -- an encoder of our own, so that the reader does not test itself


def varint(number: int) -> bytes:
    out = bytearray()
    while True:
        number, low = number >> 7, number & 0x7F
        out.append(low | (0x80 if number else 0))
        if not number:
            return bytes(out)


def part(number: int, content: int | bytes) -> bytes:
    if isinstance(content, int):
        return varint(number << 3) + varint(content)
    return varint(number << 3 | 2) + varint(len(content)) + content


def metric(
    name: str | None,
    value: float | bool | None = None,
    *,
    alias: int | None = None,
    kind: int = DOUBLE,
    ms: int | None = None,
    historical: bool = False,
    typed: bool = True,
) -> bytes:
    out = b"" if name is None else part(1, name.encode())
    out += b"" if alias is None else part(2, alias)
    out += b"" if ms is None else part(3, ms)
    out += part(4, kind) if typed else b""
    out += part(5, 1) if historical else b""
    if value is None:
        return out + part(7, 1)
    if kind == DOUBLE:
        return out + varint(13 << 3 | 1) + struct.pack("<d", value)
    if kind == BOOLEAN:
        return out + part(14, int(value))
    return out + (part(11, int(value)) if kind == INT64 else part(10, int(value) & 0xFFFF))


def payload(seconds: float, seq: int | None, *metrics: bytes) -> bytes:
    ms = int((T0.timestamp() + seconds) * 1000)
    return part(1, ms) + b"".join(part(2, m) for m in metrics) + (b"" if seq is None else part(3, seq))


def topic(kind: str, device: str = "") -> str:
    return f"spBv1.0/g/{kind}/e" + (f"/{device}" if device else "")


def nbirth(seconds: float = 0, bd: int = 1) -> tuple[str, bytes]:
    return topic("NBIRTH"), payload(
        seconds, 0, metric("bdSeq", bd, kind=INT64), metric("Node Control/Rebirth", False, kind=BOOLEAN)
    )


def dbirth(seconds: float = 1, seq: int = 1, alias: int = 10, name: str = "pm25") -> tuple[str, bytes]:
    return topic("DBIRTH", "d"), payload(
        seconds, seq, metric(name, 1.0, alias=alias), metric("other", None, alias=alias + 1)
    )


def ddata(seconds: float, seq: int, value: float, alias: int = 10) -> tuple[str, bytes]:
    return topic("DDATA", "d"), payload(seconds, seq, metric(None, value, alias=alias, typed=False))


def ndeath(bd: int = 1) -> tuple[str, bytes]:
    return topic("NDEATH"), payload(0, None, metric("bdSeq", bd, kind=INT64))


# -- the state, in the database


@pytest.fixture
def edge(conn: Connection, catalogue: SmallTrial) -> Connection:
    """Device `a` is the edge node, `b` a device of it."""
    return register(conn, catalogue)


def register(conn: Connection, small: SmallTrial) -> Connection:
    add_network_server(conn, code="plant", kind="sparkplug", now=NOW)
    add_address(conn, network_server="plant", address="sparkplug/g/e", device_id=small.devices["a"])
    add_address(conn, network_server="plant", address="sparkplug/g/e/d", device_id=small.devices["b"])
    conn.commit()
    return conn


def ingest(conn: Connection, *messages: tuple[str, bytes]) -> Outcome:
    """Ingests one batch, committed as the worker does it."""
    batch = []
    for mid, (where, content) in enumerate(messages):
        _RECEIVED[0] += 1000
        batch.append(Message(where, content, _RECEIVED[0], mid=mid + 1, size=len(content)))
    nodes = EdgeNodes.of(conn, batch)
    assert nodes is not None
    outcome = book(conn, prepare(batch, load_snapshot(conn), nodes), client_id="s", now_us=_RECEIVED[0])
    nodes.save(conn)
    outcome.rebirths = nodes.rebirths
    conn.commit()
    assert recount(conn) == []
    return outcome


def results(conn: Connection) -> list[float]:
    return [r for (r,) in conn.execute("SELECT result FROM observation ORDER BY phenomenon_time")]


def reasons(conn: Connection) -> list[str]:
    return [reject.reason for reject in list_rejects(conn, None)]


def states(conn: Connection) -> dict[str, str]:
    return dict(
        conn.execute(
            "SELECT d.code, c.state FROM device_contact c JOIN device d USING (device_id)"
        ).fetchall()
    )


def test_data_are_read_with_the_names_of_their_birth_in_one_batch_and_in_the_next(edge: Connection) -> None:
    outcome = ingest(edge, nbirth(), dbirth(), ddata(2, 2, 2.0))
    assert outcome.rebirths == set()
    ingest(edge, ddata(3, 3, 3.0))
    assert results(edge) == [1.0, 2.0, 3.0]
    assert reasons(edge) == []
    assert states(edge) == {"a": "online", "b": "online"}


def test_signed_numbers_have_the_type_of_their_birth(edge: Connection) -> None:
    ingest(edge, nbirth(), (topic("DBIRTH", "d"), payload(1, 1, metric("pm25", 0, alias=1, kind=INT16))))
    ingest(edge, (topic("DDATA", "d"), payload(2, 2, metric(None, -40, alias=1, kind=INT16, typed=False))))
    assert results(edge) == [0.0, -40.0]


def test_an_alias_without_a_birth_is_kept_asked_for_and_replayed_once(edge: Connection) -> None:
    ingest(edge, nbirth())
    outcome = ingest(edge, ddata(2, 1, 2.0))
    assert outcome.rebirths == {("g", "e")}
    assert reasons(edge) == ["unknown_alias"]
    assert replay(edge, clock=SYSTEM).stored == 0
    ingest(edge, nbirth(3), dbirth(4))
    assert replay(edge, clock=SYSTEM).stored == 1
    assert replay(edge, clock=SYSTEM).tried == 0
    assert sorted(results(edge)) == [1.0, 2.0]
    assert recount(edge) == []


def test_what_came_before_a_new_birth_is_read_by_the_birth_before_it(edge: Connection) -> None:
    """A redelivery after a crash, with an edge node that assigns new aliases at each birth."""
    ingest(edge, nbirth(), dbirth(), ddata(2, 2, 2.0), nbirth(3, bd=2), dbirth(4, alias=20))
    outcome = ingest(edge, ddata(2, 2, 2.0), ddata(5, 2, 5.0, alias=20))
    assert results(edge) == [1.0, 2.0, 1.0, 5.0]
    assert reasons(edge) == []
    assert outcome.rebirths == set()


def test_the_same_messages_again_change_nothing(edge: Connection) -> None:
    """The same happens after a crash between commit and acknowledgement."""
    wrapped = [nbirth(), dbirth(), *(ddata(2 + n, (2 + n) % 256, float(n)) for n in range(300))]
    ingest(edge, *wrapped)
    before = results(edge)
    outcome = ingest(edge, *wrapped[100:])
    again = ingest(edge, *wrapped)
    assert len(before) == 301
    assert results(edge) == before
    assert outcome.rebirths == again.rebirths == set()
    assert reasons(edge) == []
    assert ingest(edge, ddata(400, (2 + 300) % 256, 7.0)).rebirths == set()


def test_a_lost_message_is_seen_named_and_asked_for(edge: Connection) -> None:
    ingest(edge, nbirth(), dbirth())
    outcome = ingest(edge, ddata(9, 5, 2.0))
    assert outcome.rebirths == {("g", "e")}
    assert results(edge) == [1.0, 2.0]
    notes = [note for (note,) in edge.execute("SELECT note FROM device_status WHERE note LIKE '%%lost%%'")]
    assert notes == ["3 messages lost before seq 5: asked for a birth"]


def test_a_death_takes_the_devices_along_and_an_old_one_takes_nobody(edge: Connection) -> None:
    ingest(edge, nbirth(bd=1), dbirth())
    ingest(edge, nbirth(2, bd=2), dbirth(3), ndeath(bd=1))
    assert states(edge) == {"a": "online", "b": "online"}
    ingest(edge, ndeath(bd=2))
    assert states(edge) == {"a": "offline", "b": "offline"}
    assert ingest(edge, ddata(9, 2, 2.0)).rebirths == {("g", "e")}


def test_a_device_may_die_alone(edge: Connection) -> None:
    ingest(edge, nbirth(), dbirth(), (topic("DDEATH", "d"), payload(2, 2)))
    assert states(edge) == {"a": "online", "b": "offline"}


def test_what_was_kept_and_sent_later_is_stored_and_is_no_sign_of_life(edge: Connection) -> None:
    ingest(edge, nbirth(), dbirth())
    seen = edge.execute("SELECT device_id, last_seen_at FROM device_contact ORDER BY 1").fetchall()
    old = metric("pm25", 0.5, ms=int((T0 - timedelta(minutes=30)).timestamp() * 1000), historical=True)
    ingest(edge, (topic("DDATA", "d"), payload(5, 2, old)))
    assert results(edge) == [0.5, 1.0]
    assert edge.execute("SELECT device_id, last_seen_at FROM device_contact ORDER BY 1").fetchall() == seen
    assert edge.execute("SELECT result FROM datastream_latest").fetchall() == [(1.0,)]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\xff\xff\xff", "unparsable"),
        (payload(1, 300), "invalid_shape"),
        (payload(1, 2, part(1, b"\xff") + part(4, 10)), "unparsable"),
        (payload(1, 2, part(1, b"pm\x0025") + part(4, 10)), "unparsable"),
        (payload(1, 2, metric("pm25", 1.0) + part(17, b"x")), None),
        (payload(1, 2, part(1, b"pm25") + part(4, 16) + part(17, b"rows")), "wrong_type"),
        (payload(1, 2, part(1, b"pm25") + part(4, 13) + part(11, 5)), "wrong_type"),
        (payload(1, 2, *[metric("pm25", 1.0)] * 10_001), "too_large"),
    ],
    ids=lambda value: value if isinstance(value, str) else "bytes",
)
def test_bytes_that_are_no_message_are_refused(edge: Connection, content: bytes, reason: str | None) -> None:
    ingest(edge, nbirth(), dbirth())
    ingest(edge, (topic("DDATA", "d"), content))
    assert reasons(edge) == ([] if reason is None else [reason])


def test_our_encoder_agrees_with_recorded_bytes() -> None:
    """The recorded payloads come from another implementation."""
    recorded = parse("DDATA", (TESTDATA / "DDATA-historical.pb").read_bytes())
    assert not isinstance(recorded, Unreadable)
    when = recorded.metrics[0].time_us
    assert when is not None
    ours = parse(
        "DDATA",
        part(1, 1772366399000)
        + part(2, metric("pm25", 9.5, ms=when // 1000, historical=True, typed=False))
        + part(3, 4),
    )
    assert ours == recorded


# -- through the broker


class EdgeNode:
    """A publisher with the rights of the edge node, which hears its commands."""

    def __init__(self, stack: Stack, token: str) -> None:
        self.commands: list[bytes] = []
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, "edge")
        self.client.username_pw_set("edge", token)
        self.client.on_message = lambda _c, _d, message: self.commands.append(message.payload)
        self.client.connect(stack.broker.host, stack.broker.port)
        self.client.loop_start()
        wait_until(self.client.is_connected, "the edge node at the broker")
        self.client.subscribe("spBv1.0/g/NCMD/e", 0)

    def say(self, *messages: tuple[str, bytes]) -> None:
        for where, content in messages:
            self.client.publish(where, content, qos=1).wait_for_publish(10)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


def test_an_edge_node_goes_on_after_the_ingestor_was_killed_and_is_asked_when_something_is_lost(
    stack: Stack, catalogue: SmallTrial
) -> None:
    register(stack.conn, catalogue)
    users = [
        device_user(c.username, c.nats_hash, c.trial, c.device)
        for c in access.active_credentials(stack.conn, NOW)
    ]
    stack.conn.rollback()
    stack.broker.apply(
        [
            *users,
            BrokerUser("edge", hash_token("t"), ("spBv1.0/g/+/e", "spBv1.0/g/+/e/d"), ("spBv1.0/g/NCMD/e",)),
        ]
    )
    node = EdgeNode(stack, "t")
    node.say(nbirth(), dbirth(), ddata(2, 2, 2.0))
    stack.wait_for(3)
    assert stack.ingestor is not None
    stack.ingestor.kill()
    stack.start()
    node.say(ddata(3, 3, 3.0), ddata(4, 4, 4.0))
    stack.wait_for(5)
    assert stack.rows("SELECT result FROM observation ORDER BY phenomenon_time") == [
        (1.0,),
        (2.0,),
        (3.0,),
        (4.0,),
    ]
    assert node.commands == []
    node.say(ddata(9, 9, 9.0))
    wait_until(lambda: bool(node.commands), "the command")
    asked: Any = parse("NDEATH", node.commands[0])
    assert [(m.name, m.value) for m in asked.metrics] == [("Node Control/Rebirth", True)]
    assert datetime.fromtimestamp(asked.time_us / 1e6, UTC) > NOW
    assert stack.reasons() == []
    node.close()
