"""Simulates NATS server 2.15 towards one persistent session, with faults by seed; and the session as the
ingestor sees it.

Packet ids count upwards and skip those in use. A repeat keeps the id of its first delivery while the broker
lives; after a restart the ids begin again. A message is copied once for each filter that matches. A copy that
could not be delivered is tried again, and marked as a repeat although nobody has seen it. Acknowledgements
take a moment, and are lost with their connection.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

from ingest.deliveries import PacketIds
from ingest.ports import Spoken
from insitu.errors import InsituError
from insitu.model import Message

ACK_WAIT_S = 2.0


@dataclass(frozen=True, slots=True)
class World:
    """Sizes that a seed chooses: so small that packet ids come round several times."""

    ids: int = 96
    window: int = 8
    batch: int = 10


@dataclass(slots=True)
class Published:
    """One copy of a message for the session, as the broker keeps it until it is acknowledged."""

    name: int
    """Identifies the message to the judge; the worker never sees it."""
    topic: str
    payload: bytes
    tries: int = 0
    tried_at: float = -1e9
    mid: int = 0
    waits_for_room: bool = True
    """If False, it is tried even without room, in vain: several filters share the room of a session."""


@dataclass(slots=True)
class Link:
    """One connection. `arriving`: sent by the broker, not yet read; `acks`: sent by the ingestor, not yet
    read.
    """

    number: int
    session: SimulatedSession
    arriving: deque[tuple[Published, bool]] = field(default_factory=deque)
    acks: deque[tuple[float, int]] = field(default_factory=deque)


class SimulatedBroker:
    """Calls `judge` with each copy that is acknowledged."""

    def __init__(self, random: Random, world: World, judge: Callable[[Published], None]) -> None:
        self._random, self._world, self._judge = random, world, judge
        self.life = 1
        self._links = 0
        self.link: Link | None = None
        self.kept: dict[int, Published] = {}
        """By number of the copy, in the order of publishing."""
        self._copies = 0
        self._last_mid = 0
        self._in_use: dict[int, int] = {}
        """Packet id → copy."""
        self._acknowledged: list[tuple[float, int, Published]] = []
        """Recent ones: a kill forgets those that were not written down."""

    def publish(self, name: int, topic: str, payload: bytes, copies: int, now: float) -> None:
        for _ in range(copies):
            self._copies += 1
            self.kept[self._copies] = Published(
                name, topic, payload, waits_for_room=self._random.random() < 0.9
            )
        self.serve(now)

    def connect(self, session: SimulatedSession, now: float) -> Link:
        """Connects a session, and cuts off the one before."""
        self.cut(now)
        self._links += 1
        self.link = Link(self._links, session)
        return self.link

    def cut(self, now: float) -> None:
        """Cuts the connection. Loses what was on its way, sometimes even acknowledgements."""
        link, self.link = self.link, None
        if link is not None:
            if self._random.random() < 0.5:
                self._read_acks(link, now + 1)
            link.session.disconnected()

    def restart(self, now: float, *, kill: bool) -> None:
        self.cut(now)
        if kill:
            for at, number, copy in self._acknowledged:
                if now - at < 0.3 and self._random.random() < 0.7:
                    self.kept[number] = copy
        self.kept = dict(sorted(self.kept.items()))
        self.life += 1
        self._last_mid, self._in_use, self._acknowledged = 0, {}, []
        for copy in self.kept.values():
            copy.mid = 0
            if kill and self._random.random() < 0.3:
                copy.tries = 0

    def serve(self, now: float) -> None:
        """Reads acknowledgements; sends new copies, and again those that have waited too long."""
        link = self.link
        if link is not None:
            self._read_acks(link, now)
        for number, copy in self.kept.items():
            if now - copy.tried_at < ACK_WAIT_S:
                continue
            if link is None and copy.tries:
                continue  # without a consumer it is tried once, and fails
            if not copy.mid and copy.waits_for_room and len(self._in_use) >= self._world.window:
                continue
            copy.tries, copy.tried_at = copy.tries + 1, now
            if link is None or (not copy.mid and not self._give_id(number, copy)):
                continue
            link.arriving.append((copy, copy.tries > 1))

    def _give_id(self, number: int, copy: Published) -> bool:
        if len(self._in_use) >= self._world.window:
            return False
        while True:
            self._last_mid = self._last_mid % self._world.ids + 1
            if self._last_mid not in self._in_use:
                break
        copy.mid = self._last_mid
        self._in_use[copy.mid] = number
        return True

    def _read_acks(self, link: Link, now: float) -> None:
        while link.acks and link.acks[0][0] <= now:
            _, mid = link.acks.popleft()
            number = self._in_use.pop(mid, None)
            if number is not None:
                copy = self.kept.pop(number)
                self._acknowledged.append((now, number, copy))
                self._judge(copy)


class SimulatedSession:
    """The session of one ingestor, with the tables of `ingest.mqtt.Receiver`; `wait` lets time pass."""

    fatal: InsituError | None = None

    def __init__(
        self,
        broker: SimulatedBroker,
        world: World,
        *,
        knows_life: bool,
        now: Callable[[], float],
        wait: Callable[[float], None],
        received: Callable[[Message, Published], None],
    ) -> None:
        self._broker, self._now, self._wait, self._received = broker, now, wait, received
        self._knows_life = knows_life
        self._queue: deque[Message] = deque()
        self._next: list[Message] = []
        self._waiting: dict[int, Message] = {}
        self._ids = PacketIds(world.window, world.ids)
        self._life = ""
        self._link: Link | None = None
        self._stamp = 0
        self.is_over = False

    def start(self) -> None:
        self.connect()

    def stop(self) -> None:
        """Ends the connection; a crash does so too."""
        self.is_over = True
        if self._link is not None:
            self._broker.cut(self._now())

    def connect(self) -> None:
        """Connects, and connects again after a cut."""
        self._link = self._broker.connect(self, self._now())
        self._life = f"life {self._broker.life}" if self._knows_life else f"connection {self._link.number}"
        self._ids.begin(self._life)
        self._waiting.clear()

    @property
    def is_connected(self) -> bool:
        return self._link is not None

    def disconnected(self) -> None:
        self._link = None
        self._waiting.clear()

    def wait_granted(self, seconds: float) -> bool:
        return True

    def receive(self) -> None:
        """Moves what has arrived into the tables."""
        link = self._link
        while link is not None and link.arriving:
            copy, repeat = link.arriving.popleft()
            is_far = self._ids.is_far(copy.mid, repeat=repeat)
            self._stamp += 1
            at_us = int(self._now() * 1e6) + self._stamp
            message = Message(
                copy.topic,
                copy.payload,
                at_us,
                copy.mid,
                link.number,
                1,
                repeat=repeat,
                life=self._life,
                is_far=is_far,
            )
            before = self._waiting.get(copy.mid)
            if repeat and before is not None and (before.topic, before.payload) == (copy.topic, copy.payload):
                continue
            self._waiting[copy.mid] = message
            self._received(message, copy)
            self._queue.append(message)

    def take(self, most: int, *, gather_s: float, wait_s: float) -> list[Message]:
        if self._next:
            taken, self._next = self._next, []
            return taken
        self.receive()
        self._wait(gather_s if self._queue else wait_s)
        self.receive()
        return [self._queue.popleft() for _ in range(min(most, len(self._queue)))]

    def ahead(self, most: int) -> Sequence[Message]:
        if not self._next:
            self.receive()
            self._next = [self._queue.popleft() for _ in range(min(most, len(self._queue)))]
        return self._next

    def ack(self, messages: Sequence[Message]) -> None:
        self._wait(0.0)
        link = self._link
        if link is None:
            return
        for message in messages:
            if message.epoch == link.number:
                self._waiting.pop(message.mid, None)
                link.acks.append((self._now() + 0.01, message.mid))

    def publish(self, messages: Sequence[Spoken]) -> None:
        raise AssertionError("nothing is to be said in these worlds")
