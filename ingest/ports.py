"""Interfaces that the worker needs: a session of the broker, the books of its shard, and time.

`ingest.mqtt` and `ingest.books` implement them; `proving.worlds` simulates thousands of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Protocol

from ingest.outcome import Outcome
from ingest.prepared import Look
from insitu.errors import InsituError, RetryLater
from insitu.model import Message, RejectReason

Refusal = tuple[RejectReason, str]
"""(reason, text): a refusal to store in place of messages that cannot be stored."""
Spoken = tuple[str, bytes]
"""(topic, payload) of a message to a device."""

Ahead = Callable[[], Sequence[Message]]


def nothing_ahead() -> Sequence[Message]:
    return ()


class LeaseLost(RetryLater):
    """Another ingestor has taken this shard and receives the messages that were not committed here."""


class Session(Protocol):
    """A persistent session of the broker, across connections."""

    @property
    def fatal(self) -> InsituError | None:
        """Reason why this session cannot hear anything until a person fixes it."""

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def wait_granted(self, seconds: float) -> bool:
        """True once every subscription is granted; waits up to `seconds` for that."""

    def take(self, most: int, *, gather_s: float, wait_s: float) -> list[Message]:
        """Up to `most` messages in the order of receipt; waits up to `wait_s` for the first, then up to
        `gather_s` for more.
        """

    def ahead(self, most: int) -> Sequence[Message]:
        """The messages that the next `take` returns, if a full batch waits already; else none. Never
        waits.
        """

    def ack(self, messages: Sequence[Message]) -> None:
        """Acknowledge messages of the present connection; the others come again."""

    def publish(self, messages: Sequence[Spoken]) -> None: ...


class Books(Protocol):
    """Stores a shard's messages. Each call is a transaction. After an exception it is rolled back, or
    committed if only the answer was lost.
    """

    def commit(
        self,
        messages: Sequence[Message],
        refusal: Refusal | None = None,
        *,
        look: Look = Look.INSIDE,
        ahead: Ahead = nothing_ahead,
    ) -> Outcome:
        """Store the messages. With a `refusal` store only that, after as close a `look` at them. `ahead`: the
        messages that come next, which may be read while the database works.

        Raises LeaseLost, RetryLater and FreeSpace if the messages are not the cause; another InsituError or
        one of DEFECTS if one of them may be; any other exception is unexpected and treated as transient.
        """

    def keep_house(self, problem: str | None = None) -> None:
        """Record signs of life and do other work between batches; `problem`: why messages wait, for the
        page of health. Raises the same errors as `commit`.
        """

    def start_over(self) -> None:
        """Drop the connection and everything read through it; the next call opens a new one."""

    def close(self) -> None: ...


class Time(Protocol):
    def monotonic(self) -> float: ...

    def sleep(self, seconds: float) -> None: ...


class WallTime:
    """The real time."""

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)
