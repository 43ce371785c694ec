"""One world from its seed: publish, break everything, let it calm down, judge. `python -m proving.worlds.run
--seed 7` repeats one.
"""

from __future__ import annotations

import argparse
import heapq
import logging
import sys
import time as wall
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Final

from ingest.ports import LeaseLost
from ingest.worker import Pace, Worker
from insitu.model import Message
from proving.worlds.books import Crash, Ledger, SimulatedBooks, Violation
from proving.worlds.broker import Published, SimulatedBroker, SimulatedSession, World

CALM_S: Final = 30.0
"""Things break until then."""
PATIENCE_S: Final = 120.0
"""Every message must be acknowledged within this time after that."""
LONGEST_STEP: Final = 5_000
"""Most calls that one step may make to the world."""
KINDS: Final = (("bare", 12), ("keyed", 5), ("poison", 1), ("cursed", 0.1))
FAULTS: Final = (
    ("away", 4),
    ("full", 1),
    ("strange", 1),
    ("unanswered", 4),
    ("hang", 1),
    ("crash before", 1),
    ("crash after", 2),
)


@dataclass(slots=True)
class Actor:
    """An ingestor's worker, as long as its process lives."""

    worker: Worker
    session: SimulatedSession


class SimulatedTime:
    def __init__(self, run: Run) -> None:
        self._run = run

    def monotonic(self) -> float:
        return self._run.now

    def sleep(self, seconds: float) -> None:
        self._run.wait(seconds)


class Run:
    """`worker_class` and `books_class`: a test passes a broken one and sees that the run finds it out."""

    def __init__(
        self,
        seed: int,
        *,
        worker_class: type[Worker] = Worker,
        books_class: type[SimulatedBooks] = SimulatedBooks,
    ) -> None:
        self.now = 1000.0
        self._random = Random(seed)  # noqa: S311 - a world is to be repeated, not kept secret
        self._world = World()
        self._worker_class, self._books_class = worker_class, books_class
        self._ledger = Ledger()
        self._broker = SimulatedBroker(self._random, self._world, self._judge)
        self._actors: list[Actor] = []
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._holders = 0
        self._calls = 0
        self._depth = 0
        self._calm = self.now + CALM_S
        self._fault_share = self._random.choice((0.0, 0.02, 0.1, 0.3))
        self._knows_life = self._random.random() < 0.7
        self._kinds: dict[int, str] = {}
        self._plan()

    # -- what happens

    def _restart(self, kill: bool) -> None:
        self._broker.restart(self.now, kill=kill)

    def _plan(self) -> None:
        random, start = self._random, self.now
        span = random.choice((1.0, 5.0, CALM_S))
        for name in range(random.choice((20, 40, 80, 160))):
            kind = random.choices([kind for kind, _ in KINDS], [weight for _, weight in KINDS])[0]
            self._kinds[name] = kind
            copies = 2 if random.random() < 0.1 else 1
            self._at(start + random.uniform(0, span), partial(self._publish, name, copies))
        for _ in range(random.randrange(8)):
            self._at(start + random.uniform(0, span + 3), lambda: self._broker.cut(self.now))
        for _ in range(random.choice((0, 0, 1, 3))):
            kill = random.random() < 0.5
            self._at(start + random.uniform(0, CALM_S), partial(self._restart, kill))
        for _ in range(random.choice((0, 0, 1, 2))):
            self._at(start + random.uniform(0, CALM_S), self._move_lease)

    def _at(self, moment: float, event: Callable[[], None]) -> None:
        heapq.heappush(self._events, (moment, len(self._events) + int(moment * 1e6), event))

    def _publish(self, name: int, copies: int) -> None:
        kind = self._kinds[name]
        payload = b"bare" if kind == "bare" else f"{kind} {name}".encode()
        self._broker.publish(name, "t", payload, copies, self.now)

    def _move_lease(self) -> None:
        """Gives the lease to a new ingestor; tries again later while a transaction holds the shard."""
        if self._ledger.in_hand:
            self._at(self.now + 0.5, self._move_lease)
        else:
            holder = self._take_lease()
            self._at(self.now + self._random.uniform(0, 3), lambda: self._begin(holder))

    def _take_lease(self) -> str:
        self._holders += 1
        self._ledger.holder = f"holder {self._holders}"
        return self._ledger.holder

    def _begin(self, holder: str) -> None:
        session = SimulatedSession(
            self._broker,
            self._world,
            knows_life=self._knows_life,
            now=lambda: self.now,
            wait=self.wait,
            received=self._note,
        )
        books = self._books_class(
            self._ledger, self._world, self._random, holder=holder, wait=self.wait, fault=self._fault
        )
        worker = self._worker_class(
            session, books, pace=Pace(self._world.batch, 0.02), time=SimulatedTime(self)
        )
        session.start()
        self._actors.append(Actor(worker, session))

    def _fault(self) -> str:
        if self.now >= self._calm or self._random.random() >= self._fault_share:
            return ""
        return self._random.choices([name for name, _ in FAULTS], [weight for _, weight in FAULTS])[0]

    # -- time

    def wait(self, seconds: float) -> None:
        """Lets time pass, and runs what is due, even another ingestor's step in the middle of this one's."""
        self._calls += 1
        if self._calls > LONGEST_STEP:
            raise Violation("a step does not end")
        end = self.now + seconds
        while self._events and self._events[0][0] <= end:
            self.now, _, event = heapq.heappop(self._events)
            event()
        self.now = max(self.now, end)
        for actor in self._actors:
            if not actor.session.is_connected and not actor.session.is_over and self._random.random() < 0.3:
                actor.session.connect()
        self._broker.serve(self.now)
        if len(self._actors) > 1 and self._depth == 1 and self._random.random() < 0.2:
            self._step(self._actors[0])

    def _step(self, actor: Actor) -> None:
        if self._depth == 0:
            self._calls = 0
        self._depth += 1
        try:
            actor.worker.step()
        except (LeaseLost, Crash):
            actor.session.stop()
            if actor in self._actors:
                self._actors.remove(actor)
        finally:
            self._depth -= 1

    def play(self) -> None:
        """Plays the world to its end. Raises Violation."""
        while self.now < self._calm or self._events or self._left():
            if self.now > self._calm + PATIENCE_S:
                raise Violation(f"messages {self._left()} were never acknowledged")
            if not self._actors:
                self._calls = 0
                self.wait(self._random.uniform(0.1, 3))
                self._begin(self._take_lease())
            self._step(self._random.choice(self._actors))
        self._judge_all()

    # -- judging

    def _left(self) -> list[int]:
        return [copy.name for copy in self._broker.kept.values() if self._kinds[copy.name] != "cursed"]

    def _note(self, message: Message, copy: Published) -> None:
        self._ledger.origin[message.epoch, message.received_us] = copy

    def _judge(self, copy: Published) -> None:
        """The broker forgets the copy now, so it must be in the books."""
        kept = (
            self._ledger.rows[copy.name]
            if self._kinds[copy.name] == "keyed"
            else id(copy) in self._ledger.last
        )
        if not kept:
            raise Violation(f"message {copy.name} ({self._kinds[copy.name]}) was acknowledged and is nowhere")

    def _judge_all(self) -> None:
        for name, kind in self._kinds.items():
            rows = self._ledger.rows[name]
            if kind == "cursed" and rows:
                raise Violation(f"message {name} cannot have been committed")
            if kind == "keyed" and rows != 1:
                raise Violation(f"message {name} has {rows} rows")
            if kind in ("bare", "poison") and not rows:
                raise Violation(f"message {name} has no row")


def failing_seeds(seeds: Sequence[int] | range) -> list[tuple[int, str]]:
    """(seed, what was violated)."""
    logging.disable(logging.CRITICAL)
    failures = []
    try:
        for seed in seeds:
            try:
                Run(seed).play()
            except Violation as violation:
                failures.append((seed, str(violation)))
    finally:
        logging.disable(logging.NOTSET)
    return failures


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, help="play this one, with its log")
    parser.add_argument("--seeds", type=int, default=2000, help="how many to play, from --first on")
    parser.add_argument("--first", type=int, default=0)
    given = parser.parse_args()
    if given.seed is not None:
        logging.basicConfig(level="INFO")
        Run(given.seed).play()
        return 0
    began = wall.monotonic()
    failures = failing_seeds(range(given.first, given.first + given.seeds))
    for seed, what in failures:
        sys.stdout.write(f"--seed {seed}: {what}\n")
    sys.stdout.write(f"{given.seeds} worlds, {len(failures)} failures, {wall.monotonic() - began:.1f} s\n")
    return bool(failures)


if __name__ == "__main__":
    raise SystemExit(main())
