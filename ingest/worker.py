"""drain → decode → place → one transaction → acknowledge → tell the devices."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from ingest.batch import DEFECTS, FRAMES, Item, Outcome, keep, prepare, prepare_refused
from ingest.booking import probes_in
from ingest.budget import Budget
from ingest.deliveries import Deliveries
from ingest.edge_nodes import EdgeNodes
from ingest.failpoints import reach
from ingest.moves import Moves
from ingest.mqtt import BrokerAddress, Receiver
from ingest.outbound import Outbound
from insitu.clock import Clock
from insitu.errors import FreeSpace, InsituError, RetryLater, RowRefused
from insitu.model import Message, RejectReason
from insitu.settings import Settings
from store import access, ledger, probes, shards
from store.catalogue import CatalogueSnapshot, catalogue_version, snapshot
from store.database import Connection, connect
from store.rejects import OVERFLOW, Quota
from store.shards import Shard

_log = logging.getLogger("insitu.ingest")
HOUSEKEEPING_S = 1.0
SUSPEND_EVERY_S = 5.0
"""A device that is cut off is looked at again after that: what it sent before comes still."""
DELIVERY_AGE = timedelta(minutes=5)
"""The broker repeats what is not acknowledged within seconds of a connection: after minutes of one it cannot any more.

For what was acknowledged on a connection before; `ingest.deliveries` knows better of the present one."""


class LeaseLost(RetryLater):
    """Another ingestor has taken this shard: what is not committed here comes again there."""


class Worker:
    """The only writer of its shard's messages, as long as `holder` has the lease; everything here runs in one thread."""

    def __init__(
        self,
        settings: Settings,
        *,
        database_url: str,
        broker: BrokerAddress,
        clock: Clock,
        shard: Shard,
        wanted: Sequence[str],
        holder: str,
    ) -> None:
        self._settings = settings
        self._database_url = database_url
        self._clock = clock
        self._holder = holder
        self._shard_id, self._client_id = shard.shard_id, shard.client_id
        self._conn: Connection | None = None
        self._snapshot: CatalogueSnapshot | None = None
        self._quota = Quota(settings.reject_bytes_per_hour, settings.reject_bytes)
        self._budget = Budget(settings.device_bytes_per_s, settings.device_burst_bytes)
        if shard.heartbeat_at is not None:
            self._budget.was_away((datetime.now(UTC) - shard.heartbeat_at).total_seconds())
        self._receiver = Receiver(
            broker,
            client_id=shard.client_id,
            filters=wanted,
            window=settings.window,
            clock=clock,
            granted=shard.filters if shard.subscribed_at is not None else (),
            budget=self._budget,
        )
        self._moves = Moves(shard.shard_id, self._receiver)
        self._deliveries = Deliveries(shard.client_id, self._receiver)
        self._outbound = Outbound(self._receiver.publish)
        self._committed = False
        self._housekept_at = 0.0
        self._purged_at = 0.0
        self._suspended_at: dict[str, float] = {}
        self._heard_before: float | None = None

    def _connection(self) -> Connection:
        """The open connection, or a new one; RetryLater while the database is away."""
        if self._conn is None or self._conn.closed:
            self._conn = connect(self._database_url, application="insitu ingest", longest_pause_s=shards.LONGEST_PAUSE_S)
            self._snapshot = None
        return self._conn

    def _held_connection(self) -> Connection:
        """The same, in a transaction that ends before another ingestor can take the shard; LeaseLost where one has."""
        conn = self._connection()
        if not shards.holds(conn, self._holder, self._shard_id):
            conn.rollback()
            raise LeaseLost()
        return conn

    def run(self, stop: threading.Event) -> None:
        """Until `stop`; what is fatal is raised, what is of the moment is waited for."""
        self._receiver.start()
        try:
            self._wait_for_subscriptions(stop)
            while not stop.is_set():
                self._step()
        finally:
            self._receiver.stop()
            if self._conn is not None:
                self._conn.close()

    def _wait_for_subscriptions(self, stop: threading.Event) -> None:
        while not self._receiver.granted.wait(0.02):
            if self._receiver.fatal is not None:
                raise self._receiver.fatal
            if stop.is_set():
                return
        self._housekeep()

    def _step(self) -> None:
        if self._receiver.fatal is not None:
            raise self._receiver.fatal
        messages = self._receiver.take(
            self._settings.batch_messages, gather_s=self._settings.batch_ms / 1000, wait_s=HOUSEKEEPING_S / 2
        )
        if messages:
            self._keep(messages)
            self._moves.committed(messages)
            self._deliveries.acknowledged(self._receiver.ack(messages))
            self._suspend_floods()
        self._outbound.send()
        if time.monotonic() - self._housekept_at >= HOUSEKEEPING_S:
            self._housekept_at = time.monotonic()
            self._housekeep()

    def _suspend_floods(self) -> None:
        """Cut off, at the broker, devices that do not stop; what they have sent so far is refused."""
        now = time.monotonic()
        for flood in self._budget.floods():
            trial, _, device = flood.who.partition("/")
            if "/" in device or now - self._suspended_at.get(flood.who, -SUSPEND_EVERY_S) < SUSPEND_EVERY_S:
                continue  # a network server speaks for others too: its floods are refused only
            try:
                conn = self._held_connection()
                until = access.suspend(conn, trial=trial, device=device, sent=flood.sent, seconds=flood.seconds)
                self._commit_now(conn)
            except (RetryLater, FreeSpace) as error:
                if isinstance(error, LeaseLost):
                    raise
                _log.warning("%s floods and is not cut off yet: %s", flood.who, error)
                self._drop_connection()
                return
            self._suspended_at = {who: at for who, at in self._suspended_at.items() if now - at < SUSPEND_EVERY_S} | {
                flood.who: now
            }
            if until is not None:
                _log.warning(
                    "%s sent %.1f MB in %.1f s: its credential is suspended until %s",
                    flood.who, flood.sent / 1e6, flood.seconds, until.isoformat(timespec="seconds"),
                )  # fmt: skip

    # -- one batch -----------------------------------------------------------------------------------------------

    def _keep(self, messages: Sequence[Message]) -> None:
        """Commit the batch, however long the database is away; halves where a row is refused or we fail on a message."""
        delay = 0.05
        while True:
            try:
                self._commit(messages)
                return
            except (RowRefused, *DEFECTS) as error:
                self._bisect(messages, error)
                return
            except LeaseLost:
                raise
            except (RetryLater, FreeSpace) as error:
                _log.warning("the batch waits: %s", error)
                self._drop_connection()
                time.sleep(delay)
                delay = min(2.0, delay * 2)

    def _bisect(self, messages: Sequence[Message], error: Exception) -> None:
        if len(messages) > 1:
            middle = len(messages) // 2
            self._keep(messages[:middle])
            self._keep(messages[middle:])
            return
        if isinstance(error, RowRefused):
            _log.warning("the database refuses a message on %s: %s", messages[0].topic, error)
            refusal = (RejectReason.DATABASE_REFUSED, str(error))
        else:
            _log.error("Insitu fails on a message on %s: a defect, please report it", messages[0].topic, exc_info=error)
            refusal = (RejectReason.INTERNAL_ERROR, f"Insitu failed on this message: {error!r:.300}")
        bare = False
        while True:
            try:
                self._commit(messages, refusal, bare=bare)
                return
            except LeaseLost:
                raise
            except (RowRefused, *DEFECTS):
                if bare:
                    raise
                bare = True
            except (RetryLater, FreeSpace):
                self._drop_connection()
                time.sleep(0.5)

    def _commit(
        self, messages: Sequence[Message], refusal: tuple[RejectReason, str] | None = None, *, bare: bool = False
    ) -> None:
        """One transaction; with a `refusal`, the messages become nothing but that."""
        conn = self._held_connection()
        try:
            known = self._current_snapshot(conn)
            nodes = EdgeNodes.of(conn, messages) if refusal is None else None
            items = prepare(messages, known, nodes) if refusal is None else _refused(messages, known, *refusal, bare=bare)
            outcome: Outcome = keep(conn, items, client_id=self._client_id, now_us=self._clock.now_us(), quota=self._quota)
            probes.save_probes(conn, self._shard_id, probes_in(messages))
            if nodes is not None:
                nodes.save(conn)
                outcome.rebirths = nodes.rebirths
            reach("before_commit")
            self._commit_now(conn)
            reach("after_commit")
        except BaseException:
            if not conn.closed:
                self._roll_back(conn)
            raise
        self._committed = True
        self._budget.back("commit")
        self._deliveries.committed(outcome.deliveries)
        self._outbound.note(outcome)

    def _commit_now(self, conn: Connection) -> None:
        from store.database import translated

        with translated():
            conn.commit()

    def _roll_back(self, conn: Connection) -> None:
        from store.database import translated

        try:
            with translated():
                conn.rollback()
        except InsituError:
            self._drop_connection()

    def _drop_connection(self) -> None:
        self._budget.away("commit")
        if self._conn is not None:
            self._conn.close()
            self._conn = None

    def _current_snapshot(self, conn: Connection) -> CatalogueSnapshot:
        """Looked at in every batch, so that what was enrolled a moment ago is not refused."""
        if self._snapshot is None or self._snapshot.version != catalogue_version(conn):
            self._snapshot = snapshot(conn)
        return self._snapshot

    # -- between batches -----------------------------------------------------------------------------------------

    def _housekeep(self) -> None:
        receiver = self._receiver
        heard = receiver.heard_at is not None and receiver.heard_at != self._heard_before
        self._heard_before = receiver.heard_at
        beat = receiver.beat()
        try:
            conn = self._held_connection()
            shards.alive(
                conn, self._shard_id, heard=heard, committed=self._committed, pending=receiver.pending,
                dropped=receiver.take_dropped(), disconnects=receiver.take_disconnects(), window=self._settings.window,
                problem=receiver.problem,
            )  # fmt: skip
            age = time.monotonic() - (receiver.connected_since or time.monotonic())
            if age > DELIVERY_AGE.total_seconds() and time.monotonic() - self._purged_at > 60:
                self._purged_at = time.monotonic()
                ledger.drop_deliveries(conn, self._client_id, DELIVERY_AGE)
                ledger.drop_deliveries(conn, FRAMES, DELIVERY_AGE)
                ledger.drop_deliveries(conn, OVERFLOW, DELIVERY_AGE)
                probes.drop_old_probes(conn)
            self._deliveries.beat(conn, beat)
            self._moves.advance(conn)
            self._commit_now(conn)
            self._moves.let_go()
            self._committed = False
            self._budget.back("commit")
        except LeaseLost:
            raise
        except (RetryLater, FreeSpace) as error:
            _log.warning("%s", error)
            self._drop_connection()


def _refused(
    messages: Sequence[Message], known: CatalogueSnapshot, reason: RejectReason, detail: str, *, bare: bool
) -> list[Item]:
    return [item for message in messages for item in prepare_refused(message, known, reason, detail, bare=bare)]
