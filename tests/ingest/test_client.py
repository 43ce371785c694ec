"""BlockClient and paho's own reader hand over the same messages when they get the same bytes over a real
socket.
"""

from __future__ import annotations

import socket

import paho.mqtt.client as paho
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paho.mqtt.enums import CallbackAPIVersion

from ingest.client import BlockClient
from proving.throughput.fill import _packet, _publish, _text

Heard = tuple[str, bytes, int, int, bool, bool]

topics = st.text(st.characters(codec="utf-8", exclude_characters="\x00+#"), min_size=1, max_size=40)
messages = st.tuples(
    topics, st.binary(max_size=400), st.integers(0, 1), st.integers(1, 65_535), st.booleans(), st.booleans()
)


def packet(topic: str, payload: bytes, qos: int, mid: int, retained: bool, repeat: bool = False) -> bytes:
    if qos:
        made = bytearray(_publish(topic, payload, mid))
        made[0] |= retained | repeat << 3
        return bytes(made)
    return _packet(0x30 | retained, _text(topic) + payload)


def read_by_block(content: bytes, cuts: list[int]) -> list[Heard]:
    heard: list[Heard] = []
    client = BlockClient(
        "t", clean=True, on_publish=lambda *message: heard.append(message), full=lambda: False
    )
    feed(client, content, cuts)
    return heard


def read_by_paho(content: bytes, cuts: list[int]) -> list[Heard]:
    heard: list[Heard] = []
    client = paho.Client(CallbackAPIVersion.VERSION2, "t", manual_ack=True)
    client.on_message = lambda _c, _d, m: heard.append(
        (m.topic, bytes(m.payload), m.mid, m.qos, m.retain, m.dup)
    )
    feed(client, content, cuts)
    return heard


def feed(client: paho.Client, content: bytes, cuts: list[int]) -> None:
    """Sends the bytes in pieces; each is read completely before the next."""
    theirs, ours = socket.socketpair()
    ours.setblocking(False)
    client._sock = ours
    with theirs:
        for start, end in zip([0, *cuts], [*cuts, len(content)], strict=True):
            theirs.sendall(content[start:end])
            for _ in range(200):  # paho reads one packet per call
                client.loop_read()
        client._sock = None
        ours.close()


@settings(max_examples=40, deadline=None)
@given(st.lists(messages, max_size=12), st.data())
def test_both_readers_hear_the_same_however_the_bytes_are_cut(
    sent: list[tuple[str, bytes, int, int, bool, bool]], data: st.DataObject
) -> None:
    content = b"".join(packet(*one) for one in sent)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(content)), max_size=4)))
    heard = read_by_block(content, cuts)
    assert heard == [
        (topic, payload, mid if qos else 0, qos, retained, repeat and qos == 1)
        for topic, payload, qos, mid, retained, repeat in sent
    ]
    assert heard == read_by_paho(content, cuts)


@pytest.fixture
def lost() -> list[str]:
    return []


@pytest.mark.parametrize(
    "content",
    [
        b"\x30\xff\xff\xff\xff\x01",  # a length that MQTT does not allow
        b"\x34\x05\x00\x01t\x00\x01",  # QoS 2, which nobody subscribed to
        b"\x32\x03\x00\x09t",  # a topic longer than its packet
    ],
)
def test_bytes_that_are_no_mqtt_end_the_connection_instead_of_the_thread(
    content: bytes, lost: list[str]
) -> None:
    client = BlockClient("t", clean=True, on_publish=lambda *_: lost.append("heard"), full=lambda: False)
    client.on_disconnect = lambda *_: lost.append("disconnected")
    theirs, ours = socket.socketpair()
    ours.setblocking(False)
    client._sock = ours
    with theirs:
        theirs.sendall(content)
        client.loop_read()
    assert lost == ["disconnected"]


def test_nothing_is_read_while_the_queue_is_full() -> None:
    heard: list[Heard] = []
    full = True
    client = BlockClient(
        "t", clean=True, on_publish=lambda *message: heard.append(message), full=lambda: full
    )
    theirs, ours = socket.socketpair()
    ours.setblocking(False)
    client._sock = ours
    with theirs, ours:
        theirs.sendall(packet("a", b"1", 1, 7, False))
        client.loop_read()
        assert heard == []
        full = False
        client.loop_read()
        assert heard == [("a", b"1", 7, 1, False, False)]
        client._sock = None


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(topics, st.binary(max_size=300)), min_size=1, max_size=6))
def test_several_messages_leave_in_one_write_and_are_heard_as_they_are(sent: list[tuple[str, bytes]]) -> None:
    client = BlockClient("t", clean=True, on_publish=lambda *_: None, full=lambda: False)
    theirs, ours = socket.socketpair()
    client._sock = ours
    with theirs, ours:
        client.say(sent)
        written = theirs.recv(100_000)
        client._sock = None
    assert read_by_paho(written, []) == [(topic, payload, 0, 0, False, False) for topic, payload in sent]
