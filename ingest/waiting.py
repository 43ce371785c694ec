"""What has arrived and waits for its batch: bounded in bytes, and large messages do not keep small ones of
others waiting.

Two lanes. A large message, and whatever its sender sends after it, waits in the second, of which each batch
takes a little: a sender's own order is kept. What the service marks for itself comes after everything that
arrived before it.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Final

from ingest.budget import sender
from insitu.model import Message
from insitu.wire import is_service_topic

MOST_BYTES: Final = 64 * 2**20
"""Of payload that waits; past it nothing is read until some of it is committed."""
BATCH_BYTES: Final = 2**20
"""Of a batch: its transaction, in which the shard is held and for which others wait, stays short whatever
devices send.
"""
LARGE_BYTES: Final = 16_384
LARGE_SHARE: Final = 2**16
"""Of a batch, for the second lane: at least one message."""


class Waiting:
    """`put` is for the thread that receives, `take` for the worker's."""

    def __init__(self) -> None:
        self._quick: deque[Message] = deque()
        self._slow: deque[tuple[Message, str, int]] = deque()
        """With the sender, and how many had been put into the quick lane before: those go first, its sender's
        may be among them.
        """
        self._senders: dict[str, int] = {}
        """How many of each wait in the second lane."""
        self._lock = threading.Lock()
        """Of the second lane and its senders."""
        self._slow_turn = False
        self._came = self._went = 0
        self._bytes_in = self._bytes_out = 0

    def __len__(self) -> int:
        return len(self._quick) + len(self._slow)

    @property
    def size(self) -> int:
        """Bytes of payload."""
        return self._bytes_in - self._bytes_out

    def put(self, message: Message) -> None:
        size = len(message.payload)
        self._bytes_in += size
        if (size > LARGE_BYTES or self._slow) and self._put_slow(message, size):
            return
        self._quick.append(message)
        self._came += 1

    def _put_slow(self, message: Message, size: int) -> bool:
        """False where it may overtake what waits there."""
        who = sender(message.topic)
        with self._lock:
            waiting = self._senders.get(who, 0)
            if not (size > LARGE_BYTES or waiting or is_service_topic(message.topic)):
                return False
            self._senders[who] = waiting + 1
            self._slow.append((message, who, self._came))
            return True

    def take(self, most: int) -> list[Message]:
        """Up to `most` messages of BATCH_BYTES and one message together; those of the second lane first, in
        every other batch.

        So a small message waits for the batch under way, and not for one more large one in its own.
        """
        self._slow_turn = not self._quick or not self._slow_turn
        taken = self._take_slow(most) if self._slow_turn else []
        size = sum(len(message.payload) for message in taken)
        quick = self._quick
        while quick and len(taken) < most and size <= BATCH_BYTES:
            message = quick.popleft()
            self._went += 1
            taken.append(message)
            size += len(message.payload)
        self._bytes_out += size
        return taken

    def _take_slow(self, most: int) -> list[Message]:
        taken: list[Message] = []
        size = 0
        while self._slow and len(taken) <= most // 2 and size <= LARGE_SHARE:
            with self._lock:
                message, who, before = self._slow[0]
                if self._went < before:
                    break
                self._slow.popleft()
                self._senders[who] -= 1
                if not self._senders[who]:
                    del self._senders[who]
            taken.append(message)
            size += len(message.payload)
        return taken
