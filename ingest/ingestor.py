"""One ingestor: leases a fair share of the shards and runs a worker for each. Several ingestors, on any
machines, share the work.
"""

from __future__ import annotations

import gc
import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from ingest.books import CONNECT_TIMEOUT_S, DatabaseBooks
from ingest.budget import Budget
from ingest.mqtt import BrokerAddress, Receiver
from ingest.ports import LeaseLost
from ingest.worker import Pace, Worker
from insitu.clock import Clock
from insitu.errors import FreeSpace, InsituError, NotAcceptedHere, RetryLater, RunMigrate, UpgradeInsitu
from insitu.room import Room
from insitu.settings import Settings
from store import shards
from store.database import Connection, connect, require_current
from store.rejects import Quota

_log = logging.getLogger("insitu.ingest")
RENEW_S: Final = 1.0
STOP_TIMEOUT_S: Final = 8.0
"""Threads that do not end within this time after a signal are left behind; the broker keeps unacknowledged
messages.
"""
FOR_A_PERSON: Final = (NotAcceptedHere, RunMigrate, UpgradeInsitu)
"""Errors that retrying does not fix."""

Employ = Callable[[Connection, int, str], Worker]
"""(connection, shard, holder) → the worker for a shard that `holder` has leased."""


def run_ingestor(
    settings: Settings, *, database_url: str, broker: BrokerAddress, clock: Clock, stop: threading.Event
) -> None:
    """Ingest until `stop`. Other ingestors of the installation share the shards; one without a shard
    waits.
    """
    logging.basicConfig(
        level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )
    # A batch creates tens of thousands of short-lived tuples and no cycles; scanning them would take a fifth
    # of the decoding time.
    gc.freeze()
    gc.set_threshold(200_000, 20, 100)

    def employ(conn: Connection, shard_id: int, holder: str) -> Worker:
        layout = shards.layout(conn)
        shard = next(shard for shard in layout.shards if shard.shard_id == shard_id)
        budget = Budget(settings.device_bytes_per_s, settings.device_burst_bytes)
        if shard.heartbeat_at is not None:
            budget.was_away((datetime.now(UTC) - shard.heartbeat_at).total_seconds())
        receiver = Receiver(
            broker,
            client_id=shard.client_id,
            filters=layout.wanted(shard_id),
            window=settings.window,
            clock=clock,
            granted=shard.filters if shard.subscribed_at is not None else (),
            life_file=settings.broker_life_file,
            budget=budget,
        )
        books = DatabaseBooks(
            database_url,
            clock=clock,
            shard=shard,
            holder=holder,
            receiver=receiver,
            window=settings.window,
            budget=budget,
            quota=Quota(settings.reject_bytes_per_hour, settings.reject_bytes),
            room=Room(settings.database_disk, settings.least_free_bytes),
        )
        return Worker(receiver, books, pace=Pace(settings.batch_messages, settings.batch_ms / 1000))

    Ingestor(database_url, employ).run(stop)


class Post:
    """A worker and its thread."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._stop = threading.Event()
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._worker.run(self._stop)
        except BaseException as error:  # noqa: BLE001 - passed to the thread that renews the leases
            self.error = error

    @property
    def is_over(self) -> bool:
        return not self._thread.is_alive()

    def ask_to_stop(self) -> None:
        self._stop.set()

    def wait(self, seconds: float) -> None:
        self._thread.join(seconds)


class Ingestor:
    """Runs the workers of this ingestor's shards and renews its leases each second."""

    def __init__(self, database_url: str, employ: Employ) -> None:
        self._database_url = database_url
        self._employ = employ
        self._holder = secrets.token_hex(8)
        self._name = f"{socket.gethostname()} {os.getpid()}"
        self._posts: dict[int, Post] = {}
        self._conn: Connection | None = None
        self._idle = False
        self._is_current = False
        self._stop = threading.Event()
        self._error: BaseException | None = None

    def run(self, stop: threading.Event) -> None:
        """Runs until `stop`, and ends within STOP_TIMEOUT_S of it even if something hangs. Raises errors that
        a person must fix.
        """
        # A call to a hanging database never returns, so the thread that waits for the signal makes no such
        # calls.
        keeper = threading.Thread(target=self._run_keeper, daemon=True)
        keeper.start()
        while keeper.is_alive() and not stop.wait(0.1):
            pass
        self._stop.set()
        keeper.join(STOP_TIMEOUT_S)
        if keeper.is_alive():
            _log.warning(
                "the database hangs: the leases end by themselves in %s s", shards.LEASE.total_seconds()
            )
        elif self._error is not None:
            raise self._error

    def _run_keeper(self) -> None:
        try:
            self._look_after()
        except BaseException as error:  # noqa: BLE001 - raised again by the thread that waits for the signal
            self._error = error

    def _look_after(self) -> None:
        try:
            while not self._stop.is_set():
                self._dismiss()
                try:
                    self._renew()
                except FOR_A_PERSON:
                    raise
                except (RetryLater, FreeSpace) as error:
                    _log.warning("the leases wait: %s", error)
                    self._drop_connection()
                # An unexpected error: the workers continue, and this is tried again.
                except Exception as error:  # noqa: BLE001
                    _log.error("the leases wait: %r", error, exc_info=error)
                    self._drop_connection()
                self._stop.wait(RENEW_S)
        finally:
            self._end()

    def _renew(self) -> None:
        conn = self._connection()
        if not self._is_current:
            require_current(conn)
            shards.ensure_shards(conn)
            self._is_current = True
        leases = shards.keep_leases(conn, self._holder, self._name)
        conn.commit()
        if not leases.held and not self._idle:
            _log.info("every shard is held by another ingestor; this one waits")
        self._idle = not leases.held
        for shard_id in leases.held - set(self._posts):
            self._posts[shard_id] = Post(self._employ(conn, shard_id, self._holder))
            conn.rollback()
            _log.info("holds shard %s", shard_id)
        for shard_id in [*set(self._posts) - leases.held, *sorted(leases.held)[: leases.too_many]]:
            self._give_up(shard_id)

    def _dismiss(self) -> None:
        """Remove workers that have ended; the next renewal of the leases starts new ones.

        Raises a worker's error if a person must fix it and no other worker is left.
        """
        for shard_id, post in list(self._posts.items()):
            if not post.is_over:
                continue
            del self._posts[shard_id]
            if isinstance(post.error, LeaseLost):
                _log.info("shard %s: %s", shard_id, post.error)
            elif isinstance(post.error, RetryLater | FreeSpace):
                _log.warning("shard %s begins again: %s", shard_id, post.error)
            elif isinstance(post.error, InsituError) and not self._posts:
                raise post.error
            elif post.error is not None:
                _log.error("shard %s begins again: %r", shard_id, post.error, exc_info=post.error)

    def _give_up(self, shard_id: int) -> None:
        """Give the shard to another ingestor. A hanging worker cannot commit without the lease."""
        post = self._posts.pop(shard_id, None)
        if post is not None:
            post.ask_to_stop()
            post.wait(STOP_TIMEOUT_S)
        conn = self._connection()
        shards.release(conn, self._holder, shard_id)
        conn.commit()
        _log.info("gave up shard %s", shard_id)

    def _end(self) -> None:
        limit = time.monotonic() + STOP_TIMEOUT_S / 2
        for post in self._posts.values():
            post.ask_to_stop()
        for post in self._posts.values():
            post.wait(max(0.0, limit - time.monotonic()))
        try:
            conn = self._connection()
            shards.leave(conn, self._holder, self._posts)
            conn.commit()
        except (RetryLater, FreeSpace) as error:
            _log.warning("the leases end by themselves in %s s: %s", shards.LEASE.total_seconds(), error)
        self._drop_connection()

    def _connection(self) -> Connection:
        if self._conn is None or self._conn.closed:
            self._conn = connect(
                self._database_url,
                application="insitu ingest leases",
                longest_pause_s=shards.LONGEST_PAUSE_S,
                timeout_s=CONNECT_TIMEOUT_S,
            )
        return self._conn

    def _drop_connection(self) -> None:
        if self._conn is not None:
            self._conn.close()
            self._conn = None
