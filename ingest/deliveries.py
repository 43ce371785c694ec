"""Which deliveries may be repeats of earlier ones: what an MQTT packet id is worth.

A packet id names a message only between its delivery and our acknowledgement. It begins again with each process of the broker, and
comes round after 65,535 messages. So a message without time and `seq` counts as a repeat only where the broker marks it as one
(DUP: never set on a first delivery that reached us, but also set on a first one that did not), in the same life of the broker, by
the same packet id and bytes, and before the session has committed REPEATABLE more messages. In doubt it is a message of its own.

NATS server 2.15 (server/mqtt.go): ids are counted upwards per session and process; a repeat has the id of its first delivery, over
reconnections too, while the process lives; after a restart messages come again under new ids.
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Final

REPEATABLE: Final = 32_768
"""Half of the packet ids. An id is free for another message only after nearly all of them were used once more, and the broker has
no more than a window of them in flight, at most 20,000."""


class BrokerLife:
    """Names the broker's life that a connection belongs to: by the file its owner writes before each start, else by chance.

    `before` is called before the connection is made and `named` once it stands. A file that is missing, or that has changed in
    between, proves nothing: then nothing but this connection itself bounds what its packet ids mean.
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
