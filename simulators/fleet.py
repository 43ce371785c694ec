"""A fleet over real MQTT: one connection, user and session a device, all served by one thread.

A device keeps what was not acknowledged and sends it again after a reconnect, so a broker that dies loses
nothing of it.
"""

from __future__ import annotations

import heapq
import selectors
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

from insitu.clock import Clock
from insitu.wire import STATUS, Topic
from simulators.devices import DAY_US, Device, Sent, World
from simulators.signals import STEP_US

IN_FLIGHT = 60
RETRY_S = 0.3


@dataclass(frozen=True, slots=True)
class BrokerLogin:
    """How a device reaches the broker; `ca` None: no TLS."""

    host: str
    port: int
    username: str
    password: str
    ca: str | None = None


@dataclass(slots=True)
class FleetResult:
    published: int = 0
    acknowledged: int = 0
    expected: int = 0
    faults: dict[str, int] = field(default_factory=dict)


class Station:
    """The radio of one device: a paho client without a thread, a queue of due messages, and those that wait
    for a PUBACK.
    """

    def __init__(
        self,
        trial: str,
        device: str,
        login: BrokerLogin,
        on_acknowledged: Callable[[Sent], None],
        birth: Callable[[], Sent | None],
        selector: selectors.BaseSelector,
    ) -> None:
        self._login = login
        self._on_acknowledged = on_acknowledged
        self._birth = birth
        self.due: deque[Sent] = deque()
        self.waiting: dict[int, Sent] = {}
        self._retry_at = 0.0
        self.client = paho.Client(CallbackAPIVersion.VERSION2, f"{trial}:{device}", clean_session=False)
        self.client.username_pw_set(login.username, login.password)
        if login.ca is not None:
            self.client.tls_set(ca_certs=login.ca, tls_version=ssl.PROTOCOL_TLS_CLIENT)
        self.client.will_set(str(Topic(trial, device, STATUS)), b"offline", qos=1)
        self.client.max_inflight_messages_set(IN_FLIGHT + 1)
        self.client.on_publish = self._acknowledged
        self.client.on_connect = self._connected
        self._connecting = False
        self._watch(selector)

    def _watch(self, selector: selectors.BaseSelector) -> None:
        """Keeps the client's present socket in `selector`, as paho opens and closes it: by its number alone,
        the next socket, which often gets the same one, would pass for it.
        """
        read, write = selectors.EVENT_READ, selectors.EVENT_WRITE
        client = self.client

        def register(_client: paho.Client, _data: Any, sock: Any) -> None:
            selector.register(sock, read, self)

        def unregister(_client: paho.Client, _data: Any, sock: Any) -> None:
            selector.unregister(sock)

        def want_write(_client: paho.Client, _data: Any, sock: Any) -> None:
            selector.modify(sock, read | write, self)

        def want_no_write(_client: paho.Client, _data: Any, sock: Any) -> None:
            selector.modify(sock, read, self)

        client.on_socket_open = register
        client.on_socket_close = unregister
        client.on_socket_register_write = want_write
        client.on_socket_unregister_write = want_no_write

    def _connected(self, _client: Any, _data: Any, _flags: Any, code: ReasonCode, _more: Any) -> None:
        """Puts its birth before everything else in the queue: the broker has published its last will, and it
        must say that it is back.
        """
        said = None if code.is_failure else self._birth()
        if said is not None:
            self.due.appendleft(said)

    def _acknowledged(self, _client: Any, _data: Any, mid: int, _code: Any, _more: Any) -> None:
        sent = self.waiting.pop(mid, None)
        if sent is not None:
            self._on_acknowledged(sent)

    def connect(self) -> None:
        """Connects if there is no connection, at most a few times a second."""
        if self.client.socket() is not None or time.monotonic() < self._retry_at:
            return
        self._retry_at = time.monotonic() + RETRY_S
        try:
            if self._connecting:
                self.client.reconnect()
            else:
                self.client.connect(self._login.host, self._login.port, keepalive=60)
                self._connecting = True
        except OSError:
            return  # the broker is away: the next round tries again

    def work(self) -> int:
        """Hands due messages to paho, as far as its window allows; returns how many."""
        count = 0
        while self.due and len(self.waiting) < IN_FLIGHT and self.client.is_connected():
            sent = self.due.popleft()
            info = self.client.publish(sent.topic, sent.payload, qos=1)
            self.waiting[info.mid] = sent
            count += 1
        return count

    def read(self) -> None:
        """Reads what has arrived, also what TLS has already taken from the socket and no selector sees."""
        self.client.loop_read()
        while isinstance(sock := self.client.socket(), ssl.SSLSocket) and sock.pending():
            self.client.loop_read()

    def close(self) -> None:
        if self.client.socket() is not None:
            self.client.disconnect()


class Fleet:
    """All devices of some worlds."""

    def __init__(
        self,
        worlds: Sequence[World],
        logins: Mapping[str, BrokerLogin],
        *,
        clock: Clock,
        acknowledged_log: Path | None = None,
    ) -> None:
        self.result = FleetResult()
        self._clock = clock
        self._log: BinaryIO | None = acknowledged_log.open("ab") if acknowledged_log else None
        self._devices = {
            f"{w.scenario.code}/{code}": Device(w, code) for w in worlds for code in w.scenario.device_codes()
        }
        self._selector = selectors.DefaultSelector()
        self._stations = {
            name: self._station(name, device, logins[name]) for name, device in self._devices.items()
        }

    def _station(self, name: str, device: Device, login: BrokerLogin) -> Station:
        trial, _, code = name.partition("/")
        return Station(
            trial, code, login, self._note, lambda: device.birth(self._clock.now_us()), self._selector
        )

    def _note(self, sent: Sent) -> None:
        self.result.acknowledged += 1
        if self._log is not None:
            self._log.write(sent.topic.encode() + b"\t" + sent.payload + b"\n")

    def _schedule(self, from_us: int, until_us: int) -> Iterator[tuple[str, Sent]]:
        """Every message of `[from_us, until_us)` in order of sending; makes one day at a time."""
        heap: list[tuple[int, int, str, Sent]] = []
        count = 0
        days = {
            name: device.messages(self._first_step(device, from_us)) for name, device in self._devices.items()
        }
        grid = next(iter(self._devices.values())).world.grid.time_us
        for day_start in range(int(grid[0]), until_us, DAY_US):
            for name, messages in days.items():
                for sent in next(messages, []):
                    if from_us <= sent.send_us < until_us:
                        heapq.heappush(heap, (sent.send_us, count, name, sent))
                        count += 1
            while heap and heap[0][0] < day_start + DAY_US:
                _, _, name, sent = heapq.heappop(heap)
                yield name, sent
        while heap:
            _, _, name, sent = heapq.heappop(heap)
            yield name, sent

    @staticmethod
    def _first_step(device: Device, from_us: int) -> int:
        return max(0, (from_us - int(device.world.grid.time_us[0])) // STEP_US - 1)

    def run(
        self,
        *,
        from_us: int,
        until_us: int,
        stop: threading.Event,
        progress: Callable[[FleetResult, int], None] = lambda _result, _now: None,
    ) -> FleetResult:
        """Sends the messages of `[from_us, until_us)` when the clock reaches them; returns when all are
        acknowledged.
        """
        schedule = self._schedule(from_us, until_us)
        upcoming = next(schedule, None)
        told = 0.0
        while not stop.is_set():
            now_us = self._clock.now_us()
            for _ in range(2000):
                if upcoming is None or upcoming[1].send_us > now_us:
                    break
                self._stations[upcoming[0]].due.append(upcoming[1])
                upcoming = next(schedule, None)
            self._serve(0.02)
            if time.monotonic() - told > 0.25:
                told = time.monotonic()
                progress(self.result, now_us)
                self._misc()
            if upcoming is None and not any(s.due or s.waiting for s in self._stations.values()):
                break
        if self._log is not None:
            self._log.flush()
        for device in self._devices.values():
            for kind, count in device.counts.items():
                self.result.faults[kind] = self.result.faults.get(kind, 0) + count
            device.counts.clear()
        progress(self.result, self._clock.now_us())
        return self.result

    def close(self) -> None:
        for station in self._stations.values():
            station.close()
        self._serve(0.1)
        if self._log is not None:
            self._log.close()

    # -- sockets

    def _serve(self, wait_s: float) -> None:
        busy = False
        for station in self._stations.values():
            station.connect()
            sent = station.work()
            self.result.published += sent
            busy = busy or sent > 0
        for key, events in self._selector.select(0 if busy else wait_s):
            ready: Station = key.data
            if events & selectors.EVENT_READ:
                ready.read()
            if events & selectors.EVENT_WRITE:
                ready.client.loop_write()

    def _misc(self) -> None:
        for station in self._stations.values():
            station.client.loop_misc()
        if self._log is not None:
            self._log.flush()
