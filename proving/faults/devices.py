"""Devices that publish without a pause, all in one event loop. After a lost connection each one repeats what
was not acknowledged.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass, field

from proving.faults import mqtt, web
from proving.faults.journal import BY_HTTP, Journal, payload, suffix

TICK_S = 0.05
WINDOW = 50
"""Messages that a device sends before it waits for acknowledgements."""
SILENCE_S = 10.0
"""A device drops its connection after this long without an acknowledgement, as a keep-alive would."""
QUEUE = 4000
"""A device's own memory: with this many unacknowledged messages it makes no new ones."""


@dataclass(frozen=True)
class Address:
    """Where devices reach the installation."""

    host: str
    mqtt_port: int
    http_port: int
    trial: str


@dataclass
class Device:
    """`rate`: messages a second. `turned_away`: times at which a true credential was refused."""

    address: Address
    journal: Journal
    token: str
    rate: float
    turned_away: list[float] = field(default_factory=list)
    reconnections: int = 0
    making: bool = True

    def __post_init__(self) -> None:
        self._waiting: deque[int] = deque()
        self._flying: dict[int, int] = {}
        self._heard = time.monotonic()
        self._due = 0.0
        self._ticked = time.monotonic()

    def unacknowledged(self) -> int:
        return len(self._waiting) + len(self._flying)

    async def run(self) -> None:
        """Publishes until it is cancelled. With `making = False` it only finishes what it has."""
        await (self._post() if self.journal.kind in BY_HTTP else self._publish())

    def _make(self) -> None:
        now = time.monotonic()
        elapsed, self._ticked = now - self._ticked, now
        if not self.making or self.unacknowledged() >= QUEUE:
            return
        self._due += min(elapsed, 1.0) * self.rate
        while self._due >= 1:
            self._due -= 1
            self._waiting.append(self.journal.make(time.time()))

    async def _publish(self) -> None:
        pause = 0.1
        while True:
            try:
                session = await mqtt.connect(
                    self.address.host,
                    self.address.mqtt_port,
                    client_id=f"{self.address.trial}:{self.journal.device}",
                    user=f"{self.address.trial}.{self.journal.device}",
                    password=self.token,
                    acknowledged=self._acknowledge,
                )
            except mqtt.Refused as refusal:
                if refusal.code == mqtt.NOT_AUTHORISED:
                    self.turned_away.append(time.time())
            except mqtt.Gone:
                pass  # nobody is there yet: the back-off below is what a device does
            else:
                self.reconnections += 1
                pause = 0.1
                try:
                    await self._speak(session)
                except mqtt.Gone:
                    pass  # repeated on the next connection
                finally:
                    session.cut()
                    self._waiting.extendleft(sorted(self._flying.values(), reverse=True))
                    self._flying.clear()
            self._make()
            await asyncio.sleep(pause)
            pause = min(pause * 1.6, 1.0)

    async def _speak(self, session: mqtt.Session) -> None:
        topic = f"insitu/v1/{self.address.trial}/{self.journal.device}/{suffix(self.journal.kind)}"
        self._heard = time.monotonic()
        while not session.lost.is_set():
            self._make()
            while self._waiting and len(self._flying) < WINDOW and session.backlog() < 65536:
                n = self._waiting.popleft()
                packet_id = session.send(topic, payload(self.journal, n), again=self.journal.sent[n] > 0)
                self._flying[packet_id] = n
                self.journal.note_sent(n, time.time())
            if not self._flying:
                self._heard = time.monotonic()
            elif time.monotonic() - self._heard > SILENCE_S:
                return
            await asyncio.sleep(TICK_S)

    def _acknowledge(self, packet_id: int) -> None:
        self._heard = time.monotonic()
        if (n := self._flying.pop(packet_id, None)) is not None:
            self.journal.note_acknowledged(n, time.time())

    async def _post(self) -> None:
        path = (
            f"/api/v1/trials/{self.address.trial}/devices/{self.journal.device}/{suffix(self.journal.kind)}"
        )
        while True:
            self._make()
            if not self._waiting:
                await asyncio.sleep(TICK_S)
                continue
            n = self._waiting[0]
            self.journal.note_sent(n, time.time())
            try:
                answer = await web.ask(
                    self.address.host,
                    self.address.http_port,
                    path,
                    method="POST",
                    body=payload(self.journal, n),
                    token=self.token,
                    timeout=SILENCE_S,
                )
            except web.Gone:
                await asyncio.sleep(0.3)
                continue
            if answer.status in (200, 207, 422):  # accounted for: stored, or refused with its bytes kept
                self.journal.note_acknowledged(n, time.time())
                self._waiting.popleft()
            elif answer.status in (401, 403):
                self.turned_away.append(time.time())
                await asyncio.sleep(0.3)
            else:
                await asyncio.sleep(0.3)
