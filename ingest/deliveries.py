"""Which deliveries can still be repeated by the broker: what is known of them is kept that long, and no longer.

A message without time and `seq` is known by its packet id and its bytes. The broker gives the id to another message as soon as it
has our acknowledgement, and a device may well say the same again: that message must not be taken for the one before.
"""

from __future__ import annotations

from collections.abc import Iterable

from ingest.mqtt import Receiver
from insitu.model import Message
from store import ledger
from store.database import Connection

Delivery = tuple[int, bytes]
"""(packet id, SHA-256 of topic and bytes)."""


class Deliveries:
    """Of one session; every call is the worker's."""

    def __init__(self, client_id: str, receiver: Receiver) -> None:
        self._client_id, self._receiver = client_id, receiver
        self._committed: list[tuple[Message, bytes]] = []
        self._acknowledged: list[Delivery] = []
        self._asked: list[Delivery] = []
        self._beat = self._connection = 0

    def committed(self, deliveries: Iterable[tuple[Message, bytes]]) -> None:
        """These are in the database, and will be acknowledged."""
        self._committed += deliveries

    def acknowledged(self, connection: int) -> None:
        """What was committed was acknowledged as far as it came by that connection; the rest comes again."""
        if connection != self._connection:
            self._connection, self._acknowledged, self._asked = connection, [], []
        self._acknowledged += [(message.mid, sha) for message, sha in self._committed if message.epoch == connection]
        self._committed = []

    def beat(self, conn: Connection, number: int) -> None:
        """Forget what the broker cannot repeat any more: a sign of life that was sent after its acknowledgement has come back.

        `number`: of the sign of life that was sent now; the caller commits.
        """
        if self._receiver.connection != self._connection:
            self._acknowledged, self._asked = [], []
            return
        if self._asked and self._receiver.heard_beat >= self._beat:
            ledger.forget_deliveries(conn, self._client_id, self._asked)
            self._asked = []
        if not self._asked:
            self._asked, self._acknowledged, self._beat = self._acknowledged, [], number
