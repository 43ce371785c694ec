"""Messages that were set aside: the database fails on each of them alone, with an error that no content
explains. Either the database fails on every message, and waiting mends that, or the message is to blame.

Others tell which: a message that fails although another was stored after it is refused, with its bytes.
Where nothing at all can be stored, a few are refused now and then, so that no message stops its shard for
ever, and a broken database does not turn a day's messages into refusals.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from insitu.errors import RetryLater
from insitu.model import Message

EVERY_S: Final = 1.0
"""Messages set aside are tried this often."""
PATIENCE_S: Final = 5.0
"""A message fails this long, while nothing else is stored, before it is refused."""
LONG_PATIENCE_S: Final = 60.0
"""The same where the error is one that passes: conflicts, locks, memory, a statement that takes too long."""
AT_ONCE: Final = 10
"""At most this many are tried, and refused, at a time while nothing is stored."""


@dataclass(eq=False, slots=True)
class OneAside:
    """`since`: when it failed first, monotonic s."""

    message: Message
    error: Exception
    since: float


class Aside:
    """One worker's. Times are monotonic s."""

    def __init__(self) -> None:
        self._all: list[OneAside] = []
        self._passed_at = float("-inf")
        self._tried_at = float("-inf")
        self._refilled_at = float("-inf")
        self._refused = 0

    def add(self, messages: Sequence[Message], error: Exception, now: float) -> None:
        self._all += [OneAside(message, error, now) for message in messages]

    def passed(self, now: float) -> None:
        """A message was stored."""
        self._passed_at = now

    def due(self, now: float) -> list[OneAside]:
        """Those to try now; each has its turn."""
        if not self._all or now - self._tried_at < EVERY_S:
            return []
        self._tried_at = now
        first = {id(one) for one in self._all[:AT_ONCE]}
        due = [one for one in self._all if id(one) in first or one.since <= self._passed_at]
        self._all = [one for one in self._all if one not in due] + due
        return due

    def is_guilty(self, one: OneAside, now: float) -> bool:
        """True if the message, which has just failed again, is to be refused."""
        waited = now - one.since
        if isinstance(one.error, RetryLater):
            return waited >= LONG_PATIENCE_S and (self._passed_at >= one.since or self._may_refuse(now))
        if self._passed_at >= one.since:
            return True
        return waited >= PATIENCE_S and self._may_refuse(now)

    def _may_refuse(self, now: float) -> bool:
        """True for the first few within PATIENCE_S."""
        if now - self._refilled_at >= PATIENCE_S:
            self._refilled_at, self._refused = now, 0
        self._refused += 1
        return self._refused <= AT_ONCE

    def remove(self, those: Sequence[OneAside]) -> None:
        self._all = [one for one in self._all if one not in those]

    def clear(self) -> list[Message]:
        """All of them; none is aside any more."""
        messages = [one.message for one in self._all]
        self._all = []
        return messages

    def problem(self, now: float) -> str | None:
        """Why messages wait, in words; None while others are stored, or none waits longer than a moment."""
        waiting = [
            one for one in self._all if one.since > self._passed_at and now - one.since >= PATIENCE_S / 2
        ]
        if not waiting:
            return None
        return f"{len(waiting)} messages wait, since the database fails on them: {waiting[0].error}"[:500]


def explain_failure(error: Exception) -> str:
    """The detail of a refusal as `internal_error`."""
    return f"Insitu failed on this message: {error!r:.300}"
