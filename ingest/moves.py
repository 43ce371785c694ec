"""Moves filters between sessions without losing a message: hear it in the new shard, drain it in the old one,
then let it go.

A shard lets go of a filter when every shard hears its trials, and when a message of our own, published on
that filter afterwards, has come back and is committed together with all earlier messages. Messages published
meanwhile arrive in both sessions, and their keys absorb the copies. Only a message without time and `seq`,
which its delivery alone identifies, may become two rows. It never becomes three, because `store.shards`
allows no move before the last one has ended.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Sequence
from typing import Final, NamedTuple

from ingest.failpoints import reach
from ingest.mqtt import Receiver
from insitu.model import Message
from insitu.wire import CHECK, HEARTBEAT, PREFIX, inbound_filters, trial_filter
from store import shards
from store.database import Connection
from store.shards import Layout, Shard

_log = logging.getLogger("insitu.ingest")
SETTLED_S: Final = 6.0
"""By then everything that an earlier connection left unacknowledged has come again (three times the broker's
`ack_wait`).
"""


class Mark(NamedTuple):
    topic: str
    connection: int


class Moves:
    """Filter changes of one session; all calls come from the worker."""

    def __init__(self, shard_id: int, receiver: Receiver) -> None:
        self._shard_id = shard_id
        self._receiver = receiver
        self._marks: dict[str, Mark] = {}
        self._drained: set[str] = set()
        self._tidied = 0
        self._going: list[str] = []
        self._strays: list[str] = []

    def committed(self, messages: Sequence[Message]) -> None:
        """These messages, and all earlier ones, are in the database."""
        if not self._marks:
            return
        seen = {message.topic for message in messages}
        self._drained.update(topic for topic, mark in self._marks.items() if mark.topic in seen)

    def advance(self, conn: Connection) -> None:
        """Advance every pending change by one step; the caller commits, then calls `let_go`."""
        layout = shards.layout(conn, hold=True)
        mine = next((shard for shard in layout.shards if shard.shard_id == self._shard_id), None)
        if mine is None or not self._receiver.connection:
            return
        wanted = layout.wanted(self._shard_id)
        self._receiver.subscribe([topic for topic in wanted if topic not in self._receiver.filters])
        spare = layout.spare(mine)
        self._forget_unless(spare)
        self._send_marks(spare)
        self._going = sorted(self._drained & set(spare))
        have = sorted(self._receiver.filters - set(self._going))
        if set(have) != set(mine.filters) or mine.subscribed_at is None:
            reach("granted" if set(have) - set(mine.filters) else "drained")
            # The database gets a removal before the broker does, and an addition after the broker has granted
            # it. So every stored filter is always heard.
            shards.subscribed(conn, self._shard_id, have)
            _log.info("shard %s hears %s filters", self._shard_id, len(have))
            shards.drop_spare_shards(conn)
        self._strays = self._find_strays(layout, mine, wanted)

    def let_go(self) -> None:
        """Call after the commit: unsubscribe drained filters, and those that an earlier ingestor left
        behind.
        """
        going = [*self._going, *self._strays]
        if going:
            reach("let_go")
            _log.info("shard %s lets go of %s", self._shard_id, ", ".join(going))
            self._receiver.unsubscribe(going)
        for topic in self._going:
            self._marks.pop(topic, None)
            self._drained.discard(topic)
        self._going, self._strays = [], []

    def _forget_unless(self, spare: Sequence[str]) -> None:
        """Forget marks of earlier connections: messages left unacknowledged there come again after the
        mark.
        """
        connection = self._receiver.connection
        for topic, mark in list(self._marks.items()):
            if topic not in spare or mark.connection != connection:
                del self._marks[topic]
                self._drained.discard(topic)

    def _send_marks(self, spare: Sequence[str]) -> None:
        since = self._receiver.connected_since
        if since is None or time.monotonic() - since < SETTLED_S:
            return
        for topic in spare:
            if topic not in self._marks:
                mark = self._marks[topic] = Mark(mark_topic(topic), self._receiver.connection)
                self._receiver.mark(mark.topic)
                _log.info("shard %s drains %s", self._shard_id, topic)
                reach("marked")

    def _find_strays(self, layout: Layout, mine: Shard, wanted: Sequence[str]) -> list[str]:
        """Once for each connection: filters that the session may still have from an ingestor that died
        between the commit and the broker's answer.
        """
        if self._tidied == self._receiver.connection:
            return []
        self._tidied = self._receiver.connection
        known = {*inbound_filters(), *(trial_filter(home.trial) for home in layout.homes)}
        return sorted(known - set(wanted) - set(mine.filters) - self._receiver.filters)


def mark_topic(topic_filter: str) -> str:
    """A topic of ours that matches the filter and on which no device may publish."""
    token = secrets.token_hex(8)
    trial, _, suffix = topic_filter.removeprefix(f"{PREFIX}/").partition("/+/")
    if suffix == "+":
        return f"{PREFIX}/{trial}/{HEARTBEAT}-{token}/{CHECK}"
    return f"{PREFIX}/{HEARTBEAT}/{token}/{suffix}"
