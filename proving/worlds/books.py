"""The database's side of a world: the judge's own count of what became of each message, and the outcomes that
a seed inflicts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

from ingest.deliveries import recognise, repeatable
from ingest.outcome import Outcome
from ingest.ports import Ahead, LeaseLost, Refusal, nothing_ahead
from ingest.prepared import Look
from insitu.errors import FreeSpace, RetryLater, RowRefused
from insitu.model import Message
from proving.worlds.broker import Published, World
from store.deliveries import Delivery


class Violation(BaseException):
    """The worker broke a promise. Not an Exception, so that the worker does not survive it."""


class Crash(BaseException):
    """The ingestor's process ends here."""


@dataclass(slots=True)
class Row:
    """Where a row of a bare message came from; decides whether one more row is allowed."""

    life: str
    number: int
    is_far: bool


@dataclass(slots=True)
class Ledger:
    """The committed state. Outlives every worker."""

    keys: set[bytes] = field(default_factory=set)
    deliveries: dict[Delivery, tuple[int, int]] = field(default_factory=dict)
    """Delivery → (received, number of the session's commits)."""
    rows: Counter[int] = field(default_factory=Counter)
    """Message → rows or refusals."""
    last: dict[int, Row] = field(default_factory=dict)
    """Copy (by identity) → its row."""
    number: int = 0
    holder: str = ""
    in_hand: str = ""
    """The worker whose transaction holds the shard; nobody else takes it meanwhile."""
    origin: dict[tuple[int, int], Published] = field(default_factory=dict)
    """(connection, receipt) → the copy that the broker sent. Only the judge looks at it."""


class SimulatedBooks:
    """The books of one worker. Keys as PostgreSQL keeps them; `fault` draws what goes wrong."""

    def __init__(
        self,
        ledger: Ledger,
        world: World,
        random: Random,
        *,
        holder: str,
        wait: Callable[[float], None],
        fault: Callable[[], str],
    ) -> None:
        self._ledger, self._world, self._random = ledger, world, random
        self._holder, self._wait, self._fault = holder, wait, fault
        self._repeatable = repeatable(world.window, world.ids)

    def commit(
        self,
        messages: Sequence[Message],
        refusal: Refusal | None = None,
        *,
        look: Look = Look.INSIDE,
        ahead: Ahead = nothing_ahead,
    ) -> Outcome:
        self._wait(0.001)
        if self._random.random() < 0.5:
            ahead()
        fault = self._fault()
        if fault == "away":
            raise RetryLater()
        if fault == "full":
            raise FreeSpace()
        if fault == "strange":
            raise OSError("nobody foresaw this")
        self._hold(fault)
        try:
            if fault == "crash before":
                raise Crash()
            self._require_good(messages, refusal)
            self._write(messages)
        finally:
            self._ledger.in_hand = ""
        if fault == "crash after":
            raise Crash()
        if fault == "unanswered":
            raise RetryLater()
        return Outcome()

    def _hold(self, fault: str) -> None:
        if self._ledger.holder != self._holder:
            raise LeaseLost()
        self._ledger.in_hand = self._holder
        if fault == "hang":
            self._wait(self._random.uniform(1, 20))

    def _require_good(self, messages: Sequence[Message], refusal: Refusal | None) -> None:
        for message in messages:
            if message.payload.startswith(b"cursed"):
                raise ValueError("a defect")
            poisonous = message.payload.startswith(b"poison")
            if refusal is None and poisonous:
                raise RowRefused()
            if refusal is not None and not poisonous:
                raise Violation(f"message {self._origin(message).name} was refused for its neighbours")

    def _write(self, messages: Sequence[Message]) -> None:
        ledger = self._ledger
        ledger.number += len(messages)
        above = ledger.number - self._repeatable
        known = {key: received for key, (received, number) in ledger.deliveries.items() if number > above}
        unkeyed = [
            (message, message.payload) for message in messages if not message.payload.startswith(b"keyed")
        ]
        repeats, fresh = recognise(unkeyed, known)
        ledger.deliveries |= {key: (received, ledger.number) for key, received in fresh.items()}
        for (message, _), is_repeat in zip(unkeyed, repeats, strict=True):
            if not is_repeat:
                self._count(message)
        for message in messages:
            if message.payload.startswith(b"keyed") and message.payload not in ledger.keys:
                ledger.keys.add(message.payload)
                ledger.rows[self._origin(message).name] += 1

    def _count(self, message: Message) -> None:
        """Counts a row, or a refusal, of a message that only its delivery identifies. A second one for the
        same copy needs an excuse.
        """
        ledger, copy = self._ledger, self._origin(message)
        before = ledger.last.get(id(copy))
        if before is not None:
            excused = (
                before.life != message.life  # the packet ids are another life's
                or not before.is_far  # its id could have come round
                or ledger.number - before.number >= self._repeatable - self._world.batch
            )
            if not excused:
                raise Violation(f"message {copy.name} became a second row without need")
        ledger.last[id(copy)] = Row(message.life, ledger.number, message.is_far)
        ledger.rows[copy.name] += 1

    def _origin(self, message: Message) -> Published:
        return self._ledger.origin[message.epoch, message.received_us]

    def keep_house(self, problem: str | None = None) -> None:
        self._wait(0.001)
        fault = self._fault()
        if fault in ("away", "unanswered"):
            raise RetryLater()
        if fault == "strange":
            raise OSError("nobody foresaw this")
        if fault.startswith("crash"):
            raise Crash()
        if self._ledger.holder != self._holder:
            raise LeaseLost()
        above = self._ledger.number - self._repeatable
        self._ledger.deliveries = {
            key: kept for key, kept in self._ledger.deliveries.items() if kept[1] > above
        }

    def start_over(self) -> None:
        pass

    def close(self) -> None:
        pass
