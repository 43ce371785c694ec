"""Writes a shard's messages to PostgreSQL: decode → place → one transaction for each batch, and housekeeping
in between.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final

from ingest.at_once import AtOnce
from ingest.booking import FRAMES, book
from ingest.budget import Budget
from ingest.columns.plain import NO_PLAIN
from ingest.columns.reading import PlainReader
from ingest.deliveries import Turn, repeatable
from ingest.denials import denied_refusals
from ingest.edge_nodes import EdgeNodes
from ingest.failpoints import reach
from ingest.moves import Moves
from ingest.mqtt import Receiver
from ingest.outcome import Outcome
from ingest.ports import Ahead, LeaseLost, Refusal, nothing_ahead
from ingest.prepared import Look, Prepared
from ingest.probe_messages import probes_in
from ingest.reading import prepare_at, prepare_refused
from insitu.clock import Clock
from insitu.errors import FreeSpace
from insitu.model import Message
from insitu.room import Room
from store import access, probes, shards
from store.catalogue.snapshot import CatalogueSnapshot, get_catalogue_version, load_snapshot
from store.database import Connection, connect
from store.deliveries import drop_deliveries, drop_old_claims, drop_old_deliveries
from store.digests import drop_old_digests
from store.rejects import OVERFLOW, Quota
from store.sequences import KnownRanges
from store.shards import Shard

_log = logging.getLogger("insitu.ingest")
DELIVERY_AGE: Final = timedelta(minutes=5)
"""The broker repeats an unacknowledged message within seconds of a connection, so after minutes of one it
repeats no more.
"""
DIGEST_AGE: Final = timedelta(days=30)
"""A device repeats a message within minutes of a restart of its own, and seldom after days without power.
Later, the same number with any content is a conflict.
"""
DROP_EVERY_S: Final = 60.0
FORGET_EVERY_S: Final = 3600.0
"""The ranges of seq are read again after this time."""
READ_AHEAD: Final = 1000
"""Messages of the next batch that are read while the server works on one part of the present one: they take
about as long.
"""
SUSPEND_EVERY_S: Final = 5.0
"""A suspended device is checked again only after this time, because its earlier messages still arrive."""
CONNECT_TIMEOUT_S: Final = 5


class DatabaseBooks:
    """The books of one shard, valid while `holder` has the lease. All calls come from the worker's thread."""

    def __init__(
        self,
        database_url: str,
        *,
        clock: Clock,
        shard: Shard,
        holder: str,
        receiver: Receiver,
        window: int,
        budget: Budget,
        quota: Quota,
        new_reader: Callable[[CatalogueSnapshot], PlainReader] = PlainReader,
        room: Room | None = None,
    ) -> None:
        """`room`: on the disk of the database. `budget`: limits of each device. `quota`: bytes of refused
        messages to keep. `new_reader`: makes of a snapshot of the catalogue what finds the plain messages.
        """
        self._database_url = database_url
        self._clock = clock
        self._holder = holder
        self._shard_id, self._client_id = shard.shard_id, shard.client_id
        self._receiver = receiver
        self._window = window
        self._budget, self._quota, self.at_once = budget, quota, AtOnce(quota)
        self._room = room
        self._suspended_at: dict[str, float] = {}
        self._moves = Moves(shard.shard_id, receiver)
        self._known = KnownRanges()
        self._conn: Connection | None = None
        self._snapshot: CatalogueSnapshot | None = None
        self._new_reader = new_reader
        self._reader: PlainReader | None = None
        self._turn = Turn(0, repeatable(window))
        self._committed = False
        self._dropped_at = 0.0
        self._forgot_at = time.monotonic()
        self._heard_before: float | None = None
        self._denied: list[tuple[str, bytes]] = []

    def commit(
        self,
        messages: Sequence[Message],
        refusal: Refusal | None = None,
        *,
        look: Look = Look.INSIDE,
        ahead: Ahead = nothing_ahead,
    ) -> Outcome:
        """Write the messages in one transaction, during which nobody can take the shard. FreeSpace if the
        disk has too little room: then nobody is asked to write.
        """
        if self._room is not None and (problem := self._room.problem()) is not None:
            raise FreeSpace(problem)
        outcome = self._in_transaction(
            lambda conn: self._write(conn, messages, refusal, look=look, ahead=ahead)
        )
        self._committed = True
        self._budget.back("commit")
        self._moves.committed(messages)
        return outcome

    def _write(
        self,
        conn: Connection,
        messages: Sequence[Message],
        refusal: Refusal | None,
        *,
        look: Look,
        ahead: Ahead,
    ) -> Outcome:
        at_qos_1 = sum(1 for message in messages if message.qos)
        number = shards.hold_for_batch(conn, self._holder, self._shard_id, messages=at_qos_1)
        if number is None:
            raise LeaseLost()
        self._turn = replace(self._turn, number=number)
        known = self._current_snapshot(conn)
        plain, places = NO_PLAIN, list(range(len(messages)))
        if refusal is None:
            plain, places = self._reader_of(known).read(messages)
        others = [messages[place] for place in places]
        nodes = EdgeNodes.of(conn, others) if refusal is None else None
        kept, items = (
            prepare_at(places, messages, known, nodes)
            if refusal is None
            else (None, _refused(messages, known, refusal, look=look))
        )
        outcome = book(
            conn,
            items,
            client_id=self._client_id,
            now_us=self._clock.now_us(),
            turn=self._turn,
            quota=self._quota,
            places=kept,
            plain=plain,
            meanwhile=lambda: self._reader_of(known).read_ahead(ahead(), READ_AHEAD),
            at_once=self.at_once,
            known=self._known,
        )
        probes.save_probes(conn, self._shard_id, probes_in(others))
        if nodes is not None:
            nodes.save(conn)
            outcome.rebirths = nodes.rebirths
        reach("before_commit")
        conn.commit()
        reach("after_commit")
        return outcome

    def _reader_of(self, known: CatalogueSnapshot) -> PlainReader:
        if self._reader is None or self._reader.snapshot is not known:
            self._reader = self._new_reader(known)
        return self._reader

    def keep_house(self, problem: str | None = None) -> None:
        receiver = self._receiver
        heard = receiver.heard_at is not None and receiver.heard_at != self._heard_before
        self._heard_before = receiver.heard_at
        receiver.beat()
        self._in_transaction(lambda conn: self._housekeep(conn, heard=heard, problem=problem))
        self._budget.back("commit")
        if self._denied:
            receiver.publish(self._denied)
        self._denied = []
        self._moves.let_go()
        self._committed = False

    def _housekeep(self, conn: Connection, *, heard: bool, problem: str | None) -> Outcome:
        receiver = self._receiver
        if not shards.holds(conn, self._holder, self._shard_id):
            raise LeaseLost()
        shards.alive(
            conn,
            self._shard_id,
            heard=heard,
            committed=self._committed,
            pending=receiver.pending,
            dropped=receiver.take_dropped(),
            disconnects=receiver.take_disconnects(),
            window=self._window,
            problem=receiver.problem or problem,
        )
        self._drop_deliveries(conn)
        if time.monotonic() - self._forgot_at > FORGET_EVERY_S:
            self._forgot_at, self._known = time.monotonic(), KnownRanges()
        self._moves.advance(conn)
        suspended = self._suspend_floods(conn)
        self._denied = denied_refusals(conn) if self._shard_id == 0 else []
        conn.commit()
        for text in suspended:
            _log.warning("%s", text)
        return Outcome()

    def _suspend_floods(self, conn: Connection) -> list[str]:
        """Suspend devices that keep flooding; the broker then disconnects them. Their earlier messages were
        refused. Returns lines for the log.
        """
        now, told = time.monotonic(), []
        self._suspended_at = {who: at for who, at in self._suspended_at.items() if now - at < SUSPEND_EVERY_S}
        for flood in self._budget.floods():
            trial, _, device = flood.who.partition("/")
            if "/" in device or flood.who in self._suspended_at:
                continue  # a network server also publishes for other devices, so its floods are only refused
            self._suspended_at[flood.who] = now
            until = access.suspend(conn, trial=trial, device=device, sent=flood.sent, seconds=flood.seconds)
            if until is not None:
                told.append(
                    f"{flood.who} sent {flood.sent / 1e6:.1f} MB in {flood.seconds:.1f} s: its credential "
                    "is suspended until "
                    f"{until.isoformat(timespec='seconds')}"
                )
        return told

    def _drop_deliveries(self, conn: Connection) -> None:
        """Drop the deliveries that the broker can no longer repeat."""
        drop_deliveries(conn, self._client_id, upto=self._turn.above)
        age = time.monotonic() - (self._receiver.connected_since or time.monotonic())
        if age > DELIVERY_AGE.total_seconds() and time.monotonic() - self._dropped_at > DROP_EVERY_S:
            self._dropped_at = time.monotonic()
            drop_old_deliveries(conn, self._client_id, DELIVERY_AGE)
            drop_old_claims(conn, FRAMES, DELIVERY_AGE)
            drop_old_claims(conn, OVERFLOW, DELIVERY_AGE)
            drop_old_digests(conn, self._clock.now() - DIGEST_AGE)
            probes.drop_old_probes(conn)

    def _in_transaction(self, write: Callable[[Connection], Outcome]) -> Outcome:
        """Run `write`, which commits. Rolls back after any error."""
        conn = self._connection()
        try:
            return write(conn)
        except BaseException:
            self._roll_back(conn)
            raise

    def _roll_back(self, conn: Connection) -> None:
        """Roll back, or use a new connection if that fails: the original error matters more."""
        try:
            if not conn.closed:
                conn.rollback()
        except Exception:  # noqa: BLE001 - the transaction ends with its connection
            self.start_over()

    def _connection(self) -> Connection:
        """The open connection, or a new one; raises RetryLater while the database is away."""
        if self._conn is None or self._conn.closed:
            self._snapshot, self._known = None, KnownRanges()
            self._conn = connect(
                self._database_url,
                application="insitu ingest",
                longest_pause_s=shards.LONGEST_PAUSE_S,
                timeout_s=CONNECT_TIMEOUT_S,
            )
        return self._conn

    def _current_snapshot(self, conn: Connection) -> CatalogueSnapshot:
        """The catalogue, checked for changes in every batch, so that a device enrolled a moment ago is not
        refused.
        """
        if self._snapshot is None or self._snapshot.version != get_catalogue_version(conn):
            self._snapshot = load_snapshot(conn)
        return self._snapshot

    def start_over(self) -> None:
        self._budget.away("commit")
        conn, self._conn, self._snapshot = self._conn, None, None
        if conn is not None:
            conn.close()

    def close(self) -> None:
        self.start_over()


def _refused(
    messages: Sequence[Message], known: CatalogueSnapshot, refusal: Refusal, *, look: Look
) -> list[Prepared]:
    return [item for message in messages for item in prepare_refused(message, known, *refusal, look=look)]
