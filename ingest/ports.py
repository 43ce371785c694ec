"""What the worker needs of the world: a session of the broker, the books of its shard, and time.

`ingest.mqtt` and `ingest.books` are the real ones; `proving.worlds` simulates them by the thousand.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Protocol

from ingest.outcome import Outcome
from insitu.errors import InsituError, RetryLater
from insitu.model import Message, RejectReason

Refusal = tuple[RejectReason, str]
"""(reason, in words): what messages become that cannot be stored."""


class LeaseLost(RetryLater):
    """Another ingestor has taken this shard: what is not committed here comes again there."""


class Session(Protocol):
    """A persistent session of the broker, over any number of connections."""

    @property
    def fatal(self) -> InsituError | None:
        """Why this session will never hear anything, until a person mends it."""

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def wait_granted(self, seconds: float) -> bool:
        """True once every subscription is granted; waits up to `seconds` for it."""

    def take(self, most: int, *, gather_s: float, wait_s: float) -> list[Message]:
        """Up to `most` messages in the order of receipt; waits up to `wait_s` for the first, then up to
        `gather_s` for more.
        """

    def ack(self, messages: Sequence[Message]) -> None:
        """Acknowledge those that came by the connection that stands; the others come again."""

    def publish(self, topic: str, payload: bytes) -> None: ...


class Books(Protocol):
    """What a shard's messages become. Each call is a transaction; every exception leaves it rolled back or,
    where the answer was lost, committed.
    """

    def commit(
        self, messages: Sequence[Message], refusal: Refusal | None = None, *, bare: bool = False
    ) -> Outcome:
        """Store the messages; with a `refusal` they become nothing but that, if `bare` without a look at what
        they hold.

        Raises LeaseLost, RetryLater and FreeSpace (nothing is wrong with the messages), another InsituError
        or a defect of ours (something may be), anything else (a moment nobody foresaw).
        """

    def keep_house(self) -> None:
        """Signs of life, and what is due between batches. Raises as `commit`."""

    def start_over(self) -> None:
        """Forget the connection and what was read by it: the next call begins with a new one."""

    def close(self) -> None: ...


class Time(Protocol):
    def monotonic(self) -> float: ...

    def sleep(self, seconds: float) -> None: ...


class WallTime:
    """The real one."""

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)
