"""One ingestor: a fair share of the shards by lease, a worker for each. Several of them, on any machines, share the work."""

from __future__ import annotations

import gc
import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable
from typing import Final

from ingest.mqtt import BrokerAddress
from ingest.worker import LeaseLost, Worker
from insitu.clock import Clock
from insitu.errors import FreeSpace, RetryLater
from insitu.settings import Settings
from store import shards
from store.database import Connection, connect, require_current

_log = logging.getLogger("insitu.ingest")
RENEW_S: Final = 1.0
STOP_TIMEOUT_S: Final = 30.0


def run_ingestor(settings: Settings, *, database_url: str, broker: BrokerAddress, clock: Clock, stop: threading.Event) -> None:
    """Ingest until `stop`. Another ingestor on the same installation is a partner, or waits where it has no shard to hold."""
    logging.basicConfig(level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s %(message)s")
    # A batch makes tens of thousands of short-lived tuples and no cycles: scanning them costs a fifth of the decoding.
    gc.freeze()
    gc.set_threshold(200_000, 20, 100)
    with connect(database_url, application="insitu ingest") as conn:
        require_current(conn)
        shards.ensure_shards(conn)

    def employ(conn: Connection, shard_id: int, holder: str) -> Worker:
        layout = shards.layout(conn)
        shard = next(shard for shard in layout.shards if shard.shard_id == shard_id)
        return Worker(
            settings,
            database_url=database_url,
            broker=broker,
            clock=clock,
            shard=shard,
            wanted=layout.wanted(shard_id),
            holder=holder,
        )

    Ingestor(database_url, employ).run(stop)


class Post:
    """A worker in its thread."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._stop = threading.Event()
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._worker.run(self._stop)
        except BaseException as error:  # noqa: BLE001 - handed to the thread that looks after the leases
            self.error = error

    @property
    def is_over(self) -> bool:
        return not self._thread.is_alive()

    def ask_to_stop(self) -> None:
        self._stop.set()

    def wait(self) -> None:
        self._thread.join(STOP_TIMEOUT_S)


class Ingestor:
    """Renews its leases each second; `employ` makes the worker for a shard that it holds."""

    def __init__(self, database_url: str, employ: Callable[[Connection, int, str], Worker]) -> None:
        self._database_url = database_url
        self._employ = employ
        self._holder = secrets.token_hex(8)
        self._name = f"{socket.gethostname()} {os.getpid()}"
        self._posts: dict[int, Post] = {}
        self._conn: Connection | None = None
        self._idle = False

    def run(self, stop: threading.Event) -> None:
        """Until `stop`, or until something is wrong that a person must mend."""
        try:
            while not stop.is_set():
                try:
                    self._step()
                except (RetryLater, FreeSpace) as error:
                    _log.warning("the leases wait: %s", error)
                    self._drop_connection()
                stop.wait(RENEW_S)
        finally:
            self._end()

    def _step(self) -> None:
        self._dismiss()
        conn = self._connection()
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
        """Workers whose lease another took; RetryLater and worse of the others is ours to raise."""
        for shard_id, post in list(self._posts.items()):
            if not post.is_over:
                continue
            del self._posts[shard_id]
            if isinstance(post.error, LeaseLost):
                _log.info("shard %s: %s", shard_id, post.error)
            elif isinstance(post.error, RetryLater | FreeSpace):
                _log.warning("shard %s begins again: %s", shard_id, post.error)
            elif post.error is not None:
                raise post.error

    def _give_up(self, shard_id: int) -> None:
        post = self._posts.pop(shard_id, None)
        if post is not None:
            post.ask_to_stop()
            post.wait()
        conn = self._connection()
        shards.release(conn, self._holder, shard_id)
        conn.commit()
        _log.info("gave up shard %s", shard_id)

    def _end(self) -> None:
        limit = time.monotonic() + STOP_TIMEOUT_S
        for post in self._posts.values():
            post.ask_to_stop()
        for post in self._posts.values():
            post.wait()
        try:
            if time.monotonic() < limit:
                conn = self._connection()
                shards.leave(conn, self._holder, self._posts)
                conn.commit()
        except (RetryLater, FreeSpace) as error:
            _log.warning("the leases end by themselves in %s s: %s", shards.LEASE.total_seconds(), error)
        self._drop_connection()

    def _connection(self) -> Connection:
        if self._conn is None or self._conn.closed:
            self._conn = connect(self._database_url, application="insitu ingest leases", longest_pause_s=shards.LONGEST_PAUSE_S)
        return self._conn

    def _drop_connection(self) -> None:
        if self._conn is not None:
            self._conn.close()
            self._conn = None
