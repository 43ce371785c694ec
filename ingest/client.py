"""paho's client, but reading whole blocks.

For each message paho makes three system calls and a `select`, creates an object, formats a log line and looks
up callbacks: 26 to 32 µs, during which the decoding of the previous batch waits. Here PUBLISH packets are cut
out of blocks of up to 256 KiB and passed on as they are. All other packets, the connection, keep-alive, TLS
and reconnecting are paho's own. `tests/ingest/test_client.py` compares the two.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.exception import MalformedPacket

_BLOCK: Final = 262_144
_PUBLISH: Final = 0x30
_PUBACK: Final = 0x40
_MOST_TOPICS: Final = 10_000
_PAUSE_S: Final = 0.005

OnPublish = Callable[[str, bytes, int, int, bool, bool], None]
"""(topic, payload, mid, qos, retained, repeat); mid is 0 at QoS 0."""


class BlockClient(paho.Client):
    """MQTT 3.1.1 only; acknowledges nothing by itself.

    Reads nothing while `full` returns True. Normally the broker's limit of messages in flight bounds memory;
    `full` is for brokers that ignore the limit (Mosquitto 2.0.11 sends more than `max_inflight_messages`
    after the first acknowledgement).
    """

    def __init__(
        self, client_id: str, *, clean: bool, on_publish: OnPublish, full: Callable[[], bool]
    ) -> None:
        super().__init__(CallbackAPIVersion.VERSION2, client_id, clean_session=clean, manual_ack=True)
        self._hand_over = on_publish
        self._full = full
        self._block = bytearray()
        self._topics: dict[bytes, str] = {}

    def _create_socket(self) -> Any:
        self._block = bytearray()  # a half-read packet of the previous connection is worthless
        return super()._create_socket()

    def loop_read(self, max_packets: int = 1) -> MQTTErrorCode:
        """Read one block from the socket and handle every complete packet in it."""
        sock = self._sock
        if sock is None:
            return MQTTErrorCode.MQTT_ERR_NO_CONN
        if self._full():
            time.sleep(_PAUSE_S)
            self._ping_t = 0.0  # the answer to the ping may be unread behind other data
            return MQTTErrorCode.MQTT_ERR_SUCCESS
        try:
            data = sock.recv(_BLOCK)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return MQTTErrorCode.MQTT_ERR_SUCCESS
        except OSError:
            data = b""
        if not data:
            return self._loop_rc_handle(MQTTErrorCode.MQTT_ERR_CONN_LOST)
        with self._msgtime_mutex:
            self._last_bytes_received = time.monotonic()
        self._block += data
        rc = self._take_packets()
        return self._loop_rc_handle(rc) if rc > 0 else MQTTErrorCode.MQTT_ERR_SUCCESS

    def _take_packets(self) -> MQTTErrorCode:
        block = self._block
        at, size = 0, len(block)
        try:
            while size - at >= 2:
                head, length, body = block[at], block[at + 1], at + 2
                if length & 0x80:
                    length, body = _length(block, at + 1, size)
                    if length < 0:
                        return MQTTErrorCode.MQTT_ERR_PROTOCOL
                    if not body:
                        break
                if size - body < length:
                    break
                at = body + length
                if head & 0xF0 == _PUBLISH:
                    rc = self._take_publish(head, block, body, at)
                else:
                    rc = self._take_other(head, block[body:at])
                if rc > 0 or self._block is not block:
                    return rc
        finally:
            del block[:at]
        return MQTTErrorCode.MQTT_ERR_SUCCESS

    def _take_publish(self, head: int, block: bytearray, body: int, end: int) -> MQTTErrorCode:
        start = body + 2
        after = start + (block[body] << 8 | block[body + 1]) if end - body >= 2 else end + 1
        qos = head >> 1 & 3
        payload = after + 2 if qos else after
        if payload > end or qos > 1:  # nothing is subscribed at QoS 2
            return MQTTErrorCode.MQTT_ERR_PROTOCOL
        raw = bytes(block[start:after])
        topic = self._topics.get(raw)
        if topic is None:
            topic = raw.decode("utf-8", "backslashreplace")
            if len(self._topics) >= _MOST_TOPICS:
                self._topics.clear()
            self._topics[raw] = topic
        mid = block[after] << 8 | block[after + 1] if qos else 0
        self._hand_over(topic, bytes(block[payload:end]), mid, qos, bool(head & 1), bool(head & 8))
        return MQTTErrorCode.MQTT_ERR_SUCCESS

    def _take_other(self, head: int, content: bytearray) -> MQTTErrorCode:
        packet = self._in_packet
        packet["command"], packet["packet"], packet["remaining_length"], packet["pos"] = (
            head,
            content,
            len(content),
            0,
        )
        try:
            rc: MQTTErrorCode = self._packet_handle()
        except MalformedPacket:
            rc = MQTTErrorCode.MQTT_ERR_PROTOCOL
        packet["command"], packet["packet"], packet["remaining_length"] = 0, bytearray(b""), 0
        return rc

    def say(self, messages: Sequence[tuple[str, bytes]]) -> None:
        """Publish at QoS 0, (topic, payload) of each, in one write. The caller makes sure that there is a
        connection.
        """
        packets = b"".join(_publish(topic.encode(), payload) for topic, payload in messages)
        self._packet_queue(_PUBACK, packets, 0, 0)  # as acknowledgements: nobody waits for an answer

    def acknowledge(self, mids: list[int]) -> None:
        """Send the PUBACKs of a batch in one write. The caller makes sure that they belong to this
        connection.
        """
        packets = b"".join(b"\x40\x02" + mid.to_bytes(2, "big") for mid in mids)
        self._packet_queue(_PUBACK, packets, 0, 0)


def _publish(topic: bytes, payload: bytes) -> bytes:
    """A packet at QoS 0."""
    left, digits = 2 + len(topic) + len(payload), bytearray()
    while left > 0x7F:
        digits.append(left & 0x7F | 0x80)
        left >>= 7
    digits.append(left)
    return b"".join((bytes((_PUBLISH,)), digits, len(topic).to_bytes(2, "big"), topic, payload))


def _length(block: bytearray, at: int, size: int) -> tuple[int, int]:
    """(remaining length, start of the body) of the field at `at`; (0, 0) while it is incomplete, (-1, 0) if
    it is invalid.
    """
    length = 0
    for place in range(4):
        if at + place >= size:
            return 0, 0
        digit = block[at + place]
        length |= (digit & 0x7F) << 7 * place
        if not digit & 0x80:
            return length, at + place + 1
    return -1, 0
