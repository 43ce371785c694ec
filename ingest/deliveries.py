"""Decides which deliveries may be repeats of earlier ones, by their MQTT packet ids. Reads only the broker's
life file.

A packet id identifies a message only between its delivery and our acknowledgement. Ids restart with each
process of the broker, and repeat after 65,535 messages. So a message without time and `seq` counts as a
repeat only if the broker marks it as one (DUP), in the same life of the broker, with the same packet id and
bytes, and before the id can be reused. In doubt it counts as a new message. The mark alone proves nothing: it
is also set if an earlier delivery never reached us.

NATS server 2.15 (server/mqtt.go): ids count upwards for each session and process, and skip those in use.
While the process lives, a repeat keeps the id of its first delivery, even after a reconnection, unless it
crosses our acknowledgement. After a restart messages come again with new ids.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from insitu.model import Message
from store.deliveries import Delivery

IDS: Final = 65_535


def repeatable(window: int, ids: int = IDS) -> int:
    """Number of messages that a session may still commit before the id of a committed message can be reused.

    An id is reused after at least `ids - window` others were assigned. Up to `window` of those were assigned
    before the message was committed, and up to `window` are not committed yet. The result is half of the
    remainder; the other half is for ids that were assigned earlier (PacketIds).
    """
    return max(0, (ids - 3 * window) // 2)


@dataclass(frozen=True, slots=True)
class Turn:
    """Progress of a session: it has committed `number` messages, and remembers a delivery for the next
    `repeatable` ones.
    """

    number: int = 0
    repeatable: int = 1

    @property
    def above(self) -> int:
        return self.number - self.repeatable


FIRST_TURN: Final = Turn()


class PacketIds:
    """Tells whether the id of an arriving message is far from reuse, from the ids of first deliveries in the
    same life.

    A message that the broker could not deliver for a long time keeps its id while other ids advance. Once it
    is acknowledged, its id may be reused at once. So only the distance from the newest id counts.
    """

    def __init__(self, window: int, ids: int = IDS) -> None:
        self._ids = ids
        self._far = repeatable(window, ids) + 4 * window  # assigned but not arrived, not committed, skipped
        self._life = ""
        self._newest = self._since = 0

    def begin(self, life: str) -> None:
        """Begin a connection to that life of the broker."""
        if life != self._life:
            self._life, self._newest, self._since = life, 0, 0

    def is_far(self, mid: int, *, repeat: bool) -> bool:
        if not repeat:
            self._newest, self._since = mid, 0
            return True
        self._since += 1
        return self._newest > 0 and (mid - self._newest) % self._ids - self._since >= self._far


def keys_of(message: Message, sha256: bytes) -> list[Delivery]:
    """Keys under which to look up a delivery; it is stored under the last one. A key without a life never
    matches a marked repeat.
    """
    key = Delivery(message.life, message.mid, sha256)
    return [key] if message.is_far else [key, key._replace(life="")]


def recognise(
    messages: Sequence[tuple[Message, bytes]], known: Mapping[Delivery, int]
) -> tuple[list[bool], dict[Delivery, int]]:
    """(True for each repeat, what to store of the others) for messages with their SHA-256; `known`: delivery
    → received (µs).
    """
    repeats = []
    fresh: dict[Delivery, int] = {}
    for message, sha256 in messages:
        keys = keys_of(message, sha256)
        marked = message.repeat and (keys[0] in known or keys[0] in fresh)
        # If a commit got no answer, we try the same message again. It has no mark, but the time of receipt of
        # the first try.
        is_repeat = marked or known.get(keys[-1]) == message.received_us
        repeats.append(is_repeat)
        if not is_repeat:
            fresh[keys[-1]] = message.received_us
    return repeats, fresh


class BrokerLife:
    """Names the life of the broker for a connection: from the file that the broker's owner writes before each
    start, otherwise a random name.

    Call `before` before connecting and `named` once connected. A missing file, or one that changed in
    between, proves nothing; packet ids are then valid for this connection only.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._before = ""

    def before(self) -> None:
        self._before = self._read()

    def named(self) -> str:
        """The life's name: equal for connections to one process of the broker, never equal for two
        processes.
        """
        now = self._read()
        return now if now and now == self._before else f"connection {secrets.token_hex(8)}"

    def _read(self) -> str:
        try:
            return self._path.read_text(encoding="ascii") if self._path is not None else ""
        except (OSError, UnicodeDecodeError):
            return ""
