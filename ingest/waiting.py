"""Messages that wait for their batch: bounded in bytes, and large messages do not delay small ones of other
senders.

There are two lanes. A large message, and everything its sender sends after it, waits in the second lane, so a
sender's own order is kept; each batch takes a little of that lane. The service's own marks come after
everything that arrived before them.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Final

from ingest.budget import sender
from insitu.model import Message
from insitu.wire import is_service_topic

MOST_BYTES: Final = 64 * 2**20
"""Bytes of waiting payload; beyond this, nothing is read until some of it is committed."""
BATCH_BYTES: Final = 2**20
"""Bytes in a batch: keeps its transaction short, because it holds the shard and others wait for it."""
LARGE_BYTES: Final = 16_384
LARGE_SHARE: Final = 2**16
"""Bytes taken from the second lane for each batch, but at least one message."""


class Waiting:
    """The receiving thread calls `put`, the worker's thread `take`."""

    def __init__(self) -> None:
        self._quick: deque[Message] = deque()
        self._slow: deque[tuple[Message, str, int]] = deque()
        """(message, sender, number of messages put into the quick lane before it). Those go first: they may
        be from the same sender.
        """
        self._senders: dict[str, int] = {}
        """Sender → number of its messages in the second lane."""
        self._lock = threading.Lock()
        """Protects the second lane and its senders."""
        self._slow_turn = False
        self._came = self._went = 0
        self._bytes_in = self._bytes_out = 0
        self.next: list[Message] = []
        """Chosen already: `take` returns these next."""

    def __len__(self) -> int:
        return len(self.next) + len(self._quick) + len(self._slow)

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
        """False if the message may overtake those in the second lane."""
        who = sender(message.topic)
        with self._lock:
            waiting = self._senders.get(who, 0)
            if not (size > LARGE_BYTES or waiting or is_service_topic(message.topic)):
                return False
            self._senders[who] = waiting + 1
            self._slow.append((message, who, self._came))
            return True

    def ahead(self, most: int, *, least: int) -> list[Message]:
        """Choose what `take` returns next, if at least `least` messages wait."""
        if not self.next and len(self) >= least:
            self.next = self._choose(most)
        return self.next

    def take(self, most: int) -> list[Message]:
        """Up to `most` messages, with at most BATCH_BYTES plus one message. Every other batch begins with the
        second lane.

        So a small message waits for the present batch, but not for another large message in its own.
        """
        taken, self.next = self.next or self._choose(most), []
        self._bytes_out += sum(len(message.payload) for message in taken)
        return taken

    def _choose(self, most: int) -> list[Message]:
        self._slow_turn = not self._quick or not self._slow_turn
        taken = self._take_slow(most) if self._slow_turn else []
        size = sum(len(message.payload) for message in taken)
        quick = self._quick
        while quick and len(taken) < most and size <= BATCH_BYTES:
            message = quick.popleft()
            self._went += 1
            taken.append(message)
            size += len(message.payload)
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
