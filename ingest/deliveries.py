"""Which deliveries may be repeats of earlier ones: what an MQTT packet id is worth. No input or output but
the broker's life.

A packet id names a message only between its delivery and our acknowledgement. It begins again with each
process of the broker, and comes round after 65,535 messages. So a message without time and `seq` counts as a
repeat only where the broker marks it as one (DUP), in the same life of the broker, by the same packet id and
bytes, and before the id can have come round. In doubt it is a message of its own. The mark alone proves
nothing: it is also set where an earlier try never reached us.

NATS server 2.15 (server/mqtt.go): ids are counted upwards per session and process, those in use are skipped;
a repeat has the id of its first delivery, over reconnections too, while the process lives, unless our
acknowledgement crosses it; after a restart
messages come again under new ids.
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
    """How many more messages a session may commit before the id of a committed one can belong to another.

    An id comes round after at least `ids - window` others were given, up to `window` of those before it was
    committed, and up to `window` of them are not committed yet. Half of what is left: the other half is for
    ids that were given earlier (PacketIds).
    """
    return max(0, (ids - 3 * window) // 2)


@dataclass(frozen=True, slots=True)
class Turn:
    """How far a session is: it has committed `number` messages; a delivery is known for `repeatable` of
    them.
    """

    number: int = 0
    repeatable: int = 1

    @property
    def above(self) -> int:
        return self.number - self.repeatable


FIRST_TURN: Final = Turn()


class PacketIds:
    """Whether the id of a message that arrives is far from coming round, by the ids of first deliveries of
    the same life.

    A message that the broker could not deliver for long keeps its id while others go by: once it is
    acknowledged, its id may be given at once. Only the distance from the newest id tells.
    """

    def __init__(self, window: int, ids: int = IDS) -> None:
        self._ids = ids
        self._far = repeatable(window, ids) + 4 * window  # given but not arrived, not committed, skipped
        self._life = ""
        self._newest = self._since = 0

    def begin(self, life: str) -> None:
        """A connection to that life of the broker."""
        if life != self._life:
            self._life, self._newest, self._since = life, 0, 0

    def is_far(self, mid: int, *, repeat: bool) -> bool:
        if not repeat:
            self._newest, self._since = mid, 0
            return True
        self._since += 1
        return self._newest > 0 and (mid - self._newest) % self._ids - self._since >= self._far


def keys_of(message: Message, sha256: bytes) -> list[Delivery]:
    """Under which keys a delivery is looked for; it is kept under the last. Without a life the mark of a
    repeat finds nothing.
    """
    key = Delivery(message.life, message.mid, sha256)
    return [key] if message.is_far else [key, key._replace(life="")]


def recognise(
    messages: Sequence[tuple[Message, bytes]], known: Mapping[Delivery, int]
) -> tuple[list[bool], dict[Delivery, int]]:
    """(which are repeats, what to keep of the others) of messages with their SHA-256; `known`: delivery →
    received (µs).
    """
    repeats = []
    fresh: dict[Delivery, int] = {}
    for message, sha256 in messages:
        keys = keys_of(message, sha256)
        marked = message.repeat and (keys[0] in known or keys[0] in fresh)
        # Our own repeat, where a commit was not answered, is marked by nobody: it has the receipt of the
        # first try.
        is_repeat = marked or known.get(keys[-1]) == message.received_us
        repeats.append(is_repeat)
        if not is_repeat:
            fresh[keys[-1]] = message.received_us
    return repeats, fresh


class BrokerLife:
    """Names the broker's life that a connection belongs to: by the file its owner writes before each start,
    else by chance.

    `before` is called before the connection is made and `named` once it stands. A file that is missing, or
    that has changed in between, proves nothing: then nothing but this connection itself bounds what its
    packet ids mean.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._before = ""

    def before(self) -> None:
        self._before = self._read()

    def named(self) -> str:
        """The life, the same for connections to one process of the broker; never that of another process."""
        now = self._read()
        return now if now and now == self._before else f"connection {secrets.token_hex(8)}"

    def _read(self) -> str:
        try:
            return self._path.read_text(encoding="ascii") if self._path is not None else ""
        except (OSError, UnicodeDecodeError):
            return ""
