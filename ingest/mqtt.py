"""paho-mqtt: one persistent session, a bounded table of messages that wait for their commit, acknowledgements
on request.

The callbacks only put things into tables. A callback that waits stops the keep-alive, and an exception in one
would end the network thread while `is_connected()` stays true.
"""

from __future__ import annotations

import hashlib
import ssl
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

from ingest.budget import Budget
from ingest.client import BlockClient
from ingest.deliveries import BrokerLife, PacketIds
from ingest.ports import Spoken
from ingest.waiting import MOST_BYTES, Waiting
from insitu.clock import Clock
from insitu.errors import InsituError, NotAcceptedHere
from insitu.model import Message
from insitu.wire import MAX_PAYLOAD_BYTES, OUTBOUND_SUFFIXES, heartbeat_topic

KEEPALIVE_S = 20
UNREAD_BYTES = 512
"""Bytes kept of a message that exceeds its device's limit."""
CAUGHT_UP_S = 5.0
"""If nothing waits for this long, the backlog from our time away has arrived. The broker repeats an
unacknowledged message after 2 s.
"""
LOOK_S: Final = 0.001
ENOUGH: Final = 0.25
"""Share of a batch that is worth a transaction of its own."""

_OURS: Final = tuple(f"/{suffix}" for suffix in OUTBOUND_SUFFIXES)
"""At QoS 0, only we publish on such a topic, or a device whose broker cannot forbid it; it was never
acknowledged.
"""
LOOPBACK = ("localhost", "127.0.0.1", "::1")
"""Names of this machine itself: nobody can listen in between."""


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """The broker's address and our account there. With `tls` and no `tls_ca`, the system's authorities are
    trusted.
    """

    host: str
    port: int
    username: str
    password: str
    tls: bool = False
    tls_ca: Path | None = None


def new_client(address: BrokerAddress, client_id: str, *, clean: bool) -> paho.Client:
    """A client with our settings: manual acknowledgement, TCP without delay, TLS if there is an authority."""
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id, clean_session=clean, manual_ack=True)
    introduce(client, address)
    return client


def introduce(client: paho.Client, address: BrokerAddress) -> None:
    """Set user, password, and TLS if there is an authority."""
    client.username_pw_set(address.username, address.password)
    if address.tls:
        client.tls_set(
            ca_certs=str(address.tls_ca) if address.tls_ca else None, tls_version=ssl.PROTOCOL_TLS_CLIENT
        )
        if address.host in LOOPBACK:  # nobody is in between, and an external certificate need not name it
            client.tls_insecure_set(True)
    client.max_inflight_messages_set(200)


class Receiver:
    """The session of one shard. The worker's thread calls `take`, `ack` and `publish`."""

    def __init__(
        self,
        address: BrokerAddress,
        *,
        client_id: str,
        filters: Sequence[str],
        window: int,
        clock: Clock,
        granted: Sequence[str],
        life_file: Path | None = None,
        budget: Budget | None = None,
    ) -> None:
        """`budget`: limits of each device; None: no limits. `granted`: filters that the session already has;
        `filters`: those to subscribe to if it has none.
        """
        self._address = address
        self._client_id = client_id
        self._own_topic = heartbeat_topic(hashlib.sha256(client_id.encode()).hexdigest()[:16])
        self._filters = [*(granted or filters), self._own_topic]
        self._window = window
        self._now_us = clock.now_us
        self._queue = Waiting()
        self._budget = budget
        self._empty_since: float | None = None
        self._arrived = threading.Event()
        self._lock = threading.Lock()
        self._waiting: dict[int, Message] = {}  # by mid: unacknowledged messages of this connection
        self._epoch = 0
        self._connected = False
        self._known_session = bool(granted)
        self._asking = threading.RLock()
        self._asked: dict[int, list[str]] = {}
        self.filters: frozenset[str] = frozenset(granted)
        """Granted by the broker; without our own heartbeat."""
        self.granted = threading.Event()
        self.fatal: InsituError | None = None
        self.problem: str | None = None
        self.heard_at: float | None = None
        self._broker_life = BrokerLife(life_file)
        self._life = ""
        self._ids = PacketIds(window)
        self.connected_since: float | None = None
        self._dropped = 0
        self._disconnects = 0
        self._stopping = False
        # QoS 0 messages by topic: put into the queue (by paho's thread) and taken out (by the worker's)
        self._came: dict[str, int] = {}
        self._went: dict[str, int] = {}
        self._client = self._make_client()

    def _make_client(self) -> BlockClient:
        client = BlockClient(self._client_id, clean=False, on_publish=self._on_publish, full=self._is_full)
        introduce(client, self._address)
        client.reconnect_delay_set(1, 5)
        client.on_pre_connect = lambda *_: self._broker_life.before()
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        return client

    def start(self) -> None:
        self._client.connect_async(self._address.host, self._address.port, keepalive=KEEPALIVE_S)
        self._client.loop_start()

    def stop(self) -> None:
        self._stopping = True
        self._client.disconnect()
        self._client.loop_stop()

    # -- callbacks, in paho's thread

    def _on_connect(self, client: paho.Client, _data: Any, flags: Any, code: ReasonCode, _more: Any) -> None:
        if code.is_failure:
            self.problem = f"The broker refuses the ingestor: {code}."
            if "authoriz" in str(code).lower() or "password" in str(code).lower():
                self.fatal = NotAcceptedHere(
                    f"{self.problem} Correct the user and password of INSITU_MQTT_URL."
                )
            self._arrived.set()
            return
        with self._lock:
            self._epoch += 1
            self._connected = True
            self._life = self._broker_life.named()
            self._ids.begin(self._life)
            self._waiting.clear()
        self.problem = None
        self.connected_since = time.monotonic()
        if self._budget is not None:
            self._budget.back("connection")
        if flags.session_present and self._known_session:
            self.granted.set()
            return
        # Subscribing again would deliver every retained message again, so only a new session subscribes.
        self._ask(self._filters)

    def _ask(self, filters: Sequence[str]) -> None:
        with self._asking:  # the answer may arrive in the other thread before the request is recorded
            _, mid = self._client.subscribe([(topic, 1) for topic in filters])
            if mid is not None:
                self._asked[mid] = list(filters)

    def _on_subscribe(
        self, _client: paho.Client, _data: Any, mid: int, codes: list[ReasonCode], _more: Any
    ) -> None:
        with self._asking:
            filters = self._asked.pop(mid, None)
        if filters is None:
            return
        refused = [topic for topic, code in zip(filters, codes, strict=False) if code.is_failure]
        if refused or len(codes) != len(filters):
            said = f"The broker refuses the subscription to {', '.join(refused) or 'some topics'}"
            if not self.granted.is_set():
                self.fatal = InsituError(
                    f"{said}: nothing would arrive. Check the rights of the service user: for a broker of "
                    "your own, write its files again with `insitu broker-config` and reload it."
                )
            else:  # existing filters continue; credentials of trials that nobody hears are withheld
                self.problem = (
                    f"{said}: make more shards (`insitu shards --count`), or check the rights of "
                    "the service user (`insitu broker-config`)."
                )
        else:
            self.problem = None
            self._known_session = True
            with self._lock:
                self._filters = [*dict.fromkeys([*self._filters, *filters])]
                self.filters = frozenset(self._filters) - {self._own_topic}
            self.granted.set()
        self._arrived.set()

    def _on_disconnect(
        self, _client: paho.Client, _data: Any, _flags: Any, code: ReasonCode, _more: Any
    ) -> None:
        with self._lock:
            self._disconnects += self._connected and not self._stopping
            self._connected = False
            self._waiting.clear()
            self._asked.clear()
        self.connected_since = None
        if self._budget is not None:
            self._budget.away("connection")
        self.problem = f"The connection to the broker ended: {code}."

    def _on_publish(
        self, topic: str, payload: bytes, mid: int, qos: int, retained: bool, repeat: bool
    ) -> None:
        if topic == self._own_topic:
            self.heard_at = time.monotonic()
            if qos:
                self._client.acknowledge([mid])
            return
        if not qos and topic.endswith(_OURS):
            return
        size = len(payload)
        before = self._waiting.get(mid) if qos and repeat else None
        if (
            before is not None
            and before.size == size
            and before.topic == topic
            and payload.startswith(before.payload)
        ):
            # a copy of a message that still waits for its commit; a first delivery never is one, whatever its
            # mid and content
            return
        is_far = not qos or self._ids.is_far(mid, repeat=repeat)
        unread = b""
        if self._budget is not None and not self._budget.allows(topic, size):
            unread = hashlib.sha256(topic.encode("utf-8", "backslashreplace") + b"\0" + payload).digest()
            payload = payload[:UNREAD_BYTES]
        elif size > MAX_PAYLOAD_BYTES:
            payload = payload[:MAX_PAYLOAD_BYTES]
        now_us, epoch, life = self._now_us(), self._epoch, self._life
        message = Message(
            topic, payload, now_us, mid, epoch, qos, retained, size, repeat, life, is_far, unread
        )
        if qos:
            self._waiting[mid] = message
        elif not self._has_room(topic):
            self._dropped += 1  # QoS 0 has no limit of messages in flight; nothing was acknowledged
            return
        self._queue.put(message)
        if not self._arrived.is_set():
            self._arrived.set()

    def _has_room(self, topic: str) -> bool:
        """True if there is room for one more at QoS 0. Beyond half of the queue no topic may have more than a
        sixteenth, so a flooding topic loses only its own messages.
        """
        waiting = len(self._queue)
        came = self._came.get(topic, 0)
        mine = came - self._went.get(topic, 0)
        if waiting >= 4 * self._window or (waiting >= 2 * self._window and mine >= self._window // 4):
            return False
        self._came[topic] = came + 1
        return True

    def _is_full(self) -> bool:
        return len(self._queue) > 4 * self._window or self._queue.size > MOST_BYTES

    # -- for the worker

    def take(self, most: int, *, gather_s: float, wait_s: float) -> list[Message]:
        """Up to `most` messages, also bounded in bytes: waits up to `wait_s` for the first, then up to
        `gather_s` for more; less where ENOUGH wait and no more come.
        """
        queue = self._queue
        if not queue:
            self._arrived.clear()
            if not queue:
                self._arrived.wait(wait_s)
            if not queue:
                self._rest()
                return []
        self._empty_since = None
        if not queue.next:
            self._gather(most, gather_s)
        taken = queue.take(most)
        if self._came:
            for message in taken:
                if not message.qos:
                    self._went[message.topic] = self._went.get(message.topic, 0) + 1
        return taken

    def ahead(self, most: int) -> Sequence[Message]:
        """The messages that the next `take` returns, if a full batch waits already; else none."""
        return self._queue.ahead(most, least=most)

    def _gather(self, most: int, gather_s: float) -> None:
        end, waiting = time.monotonic() + gather_s, len(self._queue)
        while waiting < most and (left := end - time.monotonic()) > 0:
            time.sleep(min(LOOK_S, left))
            before, waiting = waiting, len(self._queue)
            if waiting == before and waiting >= ENOUGH * most:
                return

    def wait_granted(self, seconds: float) -> bool:
        """True once every subscription is granted; waits up to `seconds` for that."""
        return self.granted.wait(seconds)

    def _rest(self) -> None:
        """Called when nothing waits."""
        now = time.monotonic()
        if not self._connected or self._empty_since is None:
            self._empty_since = now
        elif self._budget is not None and now - self._empty_since > CAUGHT_UP_S:
            self._budget.caught_up()

    def ack(self, messages: Sequence[Message]) -> None:
        """Acknowledge, in order, messages of the present connection. Messages of earlier ones come again as
        repeats.
        """
        with self._lock:
            if not self._connected:
                return
            mids = [m.mid for m in messages if m.qos and m.epoch == self._epoch]
            for mid in mids:
                self._waiting.pop(mid, None)
            if mids:
                # The packet queue is emptied when a connection ends; the lock prevents mids from reaching the
                # next connection.
                self._client.acknowledge(mids)

    def publish(self, messages: Sequence[Spoken]) -> None:
        """QoS 0, latest wins: a lost receipt or refusal is covered by the next one."""
        with self._lock:
            if self._connected:
                self._client.say(messages)

    def subscribe(self, filters: Sequence[str]) -> None:
        """Request more filters; `filters` shows when they are granted."""
        with self._asking:
            asked = {topic for topics in self._asked.values() for topic in topics}
        fresh = [topic for topic in filters if topic not in asked]
        if fresh and self._connected:
            self._ask(fresh)

    def unsubscribe(self, filters: Sequence[str]) -> None:
        """Unsubscribe; the broker discards the messages that it still held for these filters."""
        with self._lock:
            self._filters = [topic for topic in self._filters if topic not in filters]
            self.filters -= set(filters)
        self._client.unsubscribe(list(filters))

    def mark(self, topic: str) -> None:
        """Publish our own message at QoS 1; it arrives after everything published earlier on that filter."""
        self._client.publish(topic, b"drained", qos=1)

    @property
    def connection(self) -> int:
        """Number of the present connection; 0 if there is none."""
        return self._epoch if self._connected else 0

    def beat(self) -> None:
        """Send ourselves a sign of life through the broker."""
        self._client.publish(self._own_topic, b"alive", qos=0)

    @property
    def pending(self) -> int:
        return len(self._queue)

    def take_disconnects(self) -> int:
        """Connections that broke since the last call."""
        ended, self._disconnects = self._disconnects, 0
        return ended

    def take_dropped(self) -> int:
        """QoS 0 messages dropped since the last call."""
        dropped, self._dropped = self._dropped, 0
        return dropped
