"""Moves filters between sessions without losing a message: hear it in the new shard, drain it in the old one,
then let it go.

A shard lets go of a filter when every shard hears its trials, and when a message of our own, published on
that filter afterwards, has come back and is committed together with all earlier messages. A session whose new
filter includes an old one hears the mark once for each of them (NATS, EMQX) or once in all (Mosquitto, where
one queue keeps the order); the last copy, or LAST_COPY_S after the first, ends the wait. Messages published
meanwhile arrive in both sessions, and their keys absorb the copies. Only a message without time and `seq`,
which its delivery alone identifies, may become two rows. It never becomes three, because `store.shards`
allows no move before the last one has ended.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections import Counter
from collections.abc import Sequence
from typing import Final, NamedTuple

from ingest.failpoints import reach
from ingest.mqtt import Receiver
from insitu.model import Message
from insitu.wire import (
    CHECK,
    HEARTBEAT,
    MARK,
    PREFIX,
    fixed_filters,
    inbound_filters,
    matches,
    named_filters,
    named_trial_filter,
    trial_filter,
)
from store import shards
from store.database import Connection
from store.shards import Layout, Shard

_log = logging.getLogger("insitu.ingest")
SETTLED_S: Final = 6.0
"""By then everything that an earlier connection left unacknowledged has come again (three times the broker's
`ack_wait`).
"""


LAST_COPY_S: Final = 30.0
"""By then every copy of a mark has come: far longer than the broker's `ack_wait`, and messages were committed
meanwhile.
"""


class Mark(NamedTuple):
    """A message of our own on a filter that is to go."""

    topic: str
    connection: int
    copies: int = 1
    """How many of the session's filters match it."""
    seen: int = 0
    seen_at: float = 0.0

    def is_back(self, now: float) -> bool:
        return self.seen >= self.copies or (self.seen > 0 and now - self.seen_at > LAST_COPY_S)


class Moves:
    """Filter changes of one session; all calls come from the worker."""

    def __init__(self, shard_id: int, receiver: Receiver) -> None:
        self._shard_id = shard_id
        self._receiver = receiver
        self._marks: dict[str, Mark] = {}
        self._tidied = 0
        self._going: list[str] = []
        self._strays: list[str] = []

    def committed(self, messages: Sequence[Message]) -> None:
        """These messages, and all earlier ones, are in the database."""
        if not self._marks:
            return
        seen = Counter(message.topic for message in messages if not message.repeat)
        for topic, mark in self._marks.items():
            if seen[mark.topic]:
                first = mark.seen_at or time.monotonic()
                self._marks[topic] = mark._replace(seen=mark.seen + seen[mark.topic], seen_at=first)

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
        now = time.monotonic()
        self._going = sorted(topic for topic, mark in self._marks.items() if mark.is_back(now))
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
        self._going, self._strays = [], []

    def _forget_unless(self, spare: Sequence[str]) -> None:
        """Forget marks of earlier connections: messages left unacknowledged there come again after the
        mark.
        """
        connection = self._receiver.connection
        for topic, mark in list(self._marks.items()):
            if topic not in spare or mark.connection != connection:
                del self._marks[topic]

    def _send_marks(self, spare: Sequence[str]) -> None:
        since = self._receiver.connected_since
        if since is None or time.monotonic() - since < SETTLED_S:
            return
        for topic in spare:
            if topic not in self._marks:
                name = mark_topic(topic)
                copies = sum(matches(other, name) for other in self._receiver.filters)
                self._marks[topic] = Mark(name, self._receiver.connection, max(1, copies))
                self._receiver.mark(name)
                _log.info("shard %s drains %s", self._shard_id, topic)
                reach("marked")

    def _find_strays(self, layout: Layout, mine: Shard, wanted: Sequence[str]) -> list[str]:
        """Once for each connection: filters that the session may still have from an ingestor that died
        between the commit and the broker's answer.
        """
        if self._tidied == self._receiver.connection:
            return []
        self._tidied = self._receiver.connection
        trials = [home.trial for home in layout.homes]
        known = {*inbound_filters(), *named_filters(), *fixed_filters(layout.topics)}
        known |= {name(trial) for trial in trials for name in (trial_filter, named_trial_filter)}
        return sorted(known - set(wanted) - set(mine.filters) - self._receiver.filters)


def mark_topic(topic_filter: str) -> str:
    """A topic of ours that matches the filter and on which no device may publish."""
    token = secrets.token_hex(8)
    if not topic_filter.startswith(f"{PREFIX}/"):
        return _fixed_mark(topic_filter, token)
    trial, _, suffix = topic_filter.removeprefix(f"{PREFIX}/").partition("/+/")
    if suffix == "#" and trial == "+":
        return f"{PREFIX}/{HEARTBEAT}/{token}/{CHECK}"
    if suffix in ("+", "#"):
        return f"{PREFIX}/{trial}/{HEARTBEAT}-{token}/{CHECK}"
    return f"{PREFIX}/{HEARTBEAT}/{token}/{suffix}"


def _fixed_mark(topic_filter: str, token: str) -> str:
    """For the filter of fixed topics: its own first level, if it names one, then ours."""
    first, *rest = topic_filter.split("/")
    ours = [MARK, token, *"x" * len(rest)]
    if first == "+":
        return "/".join(ours[: len(rest) + 1])
    return "/".join([first, *ours[: len(rest)]])
