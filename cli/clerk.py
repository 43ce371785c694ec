"""The supervisor's access to the database, in its own thread, so that a hanging database blocks nothing else.

The thread publishes its findings as `facts`, a value; requests to it are stored as wishes. Each statement has
a time limit, and another thread cuts a connection that does not answer at all.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cli.backing_up import end_archive, end_schedule
from cli.brokers import rights_of
from cli.people import add_first_person, first_sign_in
from cli.restored import tell_restored
from insitu.clock import Clock
from insitu.embedded.backups.restoring import NOTE
from insitu.embedded.trouble import explained
from insitu.embedded.users import BrokerUser
from insitu.errors import FixPermissions, InsituError, NotAcceptedHere, RunMigrate, UpgradeInsitu
from insitu.settings import Settings
from store import shards
from store.access import active_credentials, broker_applied, broker_state, fact, next_expiry, put_fact
from store.database import (
    abort,
    connect,
    has_schema,
    limit_statements,
    migrate,
    require_current,
    restore_under_way,
)
from store.shards import ensure_shards, health, layout
from trials.package.keys import signing_key

if TYPE_CHECKING:
    from store.database import Connection

_log = logging.getLogger("insitu.up")
EVERY_S: Final = 0.2
LOOK_S: Final = 1.0
HUNG_S: Final = 10.0
"""Longer than a statement may take: a call that is not back by then is waiting for a silent server."""
_STATEMENT_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Facts:
    """State of the database. The broker should use `users`, which are version `wanted`."""

    prepared: bool = False
    """The schema is current, and the shards and the first person exist."""
    wanted: int = 0
    generation: int = 0
    """Grows with each change of `users`."""
    users: tuple[BrokerUser, ...] = ()
    shards_ready: bool = False
    sessions: frozenset[str] = frozenset()
    """SHA-256 of the client ids of all shards."""
    heartbeat_age_s: float | None = None
    first_sign_in: str | None = None
    """Password of `lab`, until somebody has signed in."""
    restoring: bool = False
    """A dump is being restored: nobody else should write."""
    restores: int = 0
    """Number of restores that have ended since the start."""
    problem: str | None = None
    fatal: InsituError | None = None
    """Error that no waiting helps, such as a schema of a newer version."""
    refused_at: float = 0.0
    """When the server last refused a password of ours (time.monotonic())."""
    at: float = 0.0
    """Time of the database's last answer (time.monotonic())."""


@dataclass(frozen=True, slots=True)
class DatabaseUrls:
    """The same database by three accounts: the owner migrates, the superuser ends an archive, the service
    does everything else.
    """

    owner: str
    service: str
    admin: str


class Clerk:
    """`urls`: of the database, None while it does not run."""

    def __init__(
        self, settings: Settings, *, urls: Callable[[], DatabaseUrls | None], clock: Clock, data_dir: Path
    ) -> None:
        self._ends_archive = settings.backup_dir is None
        self._urls, self._clock, self._data_dir = urls, clock, data_dir
        self._conn: Connection | None = None
        self._migrating: Connection | None = None
        self._busy_since: float | None = None
        self._prepared_on: Connection | None = None
        self._fresh_life = True
        self._expiry: datetime | None = None
        self._looked_at = 0.0
        self._applied: tuple[int, str | None] | None = None
        self._forget = threading.Event()
        self._forgotten = threading.Event()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.facts = Facts()

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="clerk", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ask it to end and cut its connection; does not wait."""
        self._stop.set()
        self._cut()

    # -- called by the supervisor's thread

    def look_after(self, now: float) -> None:
        """Cut a connection that has not answered for too long; a migration may take its time."""
        since = self._busy_since
        if since is not None and now - since > HUNG_S and self.facts.prepared:
            self._cut()

    def silent_s(self, now: float) -> float:
        """Seconds since the database answered."""
        return now - self.facts.at

    def applied(self, version: int, problem: str | None) -> None:
        """Record, soon, that the broker uses that version of the credentials, or why not."""
        self._applied = (version, problem)

    def forget_sessions(self) -> bool:
        """Request that the sessions, which the broker has lost, are made again. True once that is
        recorded.
        """
        if self._forgotten.is_set():
            self._forgotten.clear()
            return True
        self._forget.set()
        return False

    def _cut(self) -> None:
        for conn in (self._conn, self._migrating):
            if conn is not None:
                abort(conn)
        self._busy_since = time.monotonic()

    # -- the thread

    def _run(self) -> None:
        pause = EVERY_S
        while not self._stop.wait(pause):
            urls = self._urls()
            if urls is None:
                continue
            self._busy_since = time.monotonic()
            try:
                self._work(urls)
                pause = EVERY_S
            # Whatever error the database causes, the supervisor goes on; the error is logged.
            except Exception as error:  # noqa: BLE001
                self._trouble(error)
                pause = min(2.0, pause * 2)
            finally:
                self._busy_since = None

    def _trouble(self, error: Exception) -> None:
        ends = isinstance(error, UpgradeInsitu)
        if isinstance(error, OSError) and error.filename is not None:
            ends = True  # a file, not a right that the database denies
            error = explained(error, self._data_dir)
        text = str(error) if isinstance(error, InsituError) else f"{type(error).__name__}: {error}"
        if isinstance(error, NotAcceptedHere):
            self.facts = replace(self.facts, refused_at=time.monotonic())
        if text != self.facts.problem:
            _log.warning("database: %s", text)
        if isinstance(error, RunMigrate):
            self._prepared_on = None
        self.facts = replace(
            self.facts,
            problem=text,
            fatal=error if isinstance(error, UpgradeInsitu | FixPermissions) and ends else None,
        )
        self._drop()

    def _drop(self) -> None:
        if self._conn is not None:
            self._conn.close()
            self._conn = None

    def _work(self, urls: DatabaseUrls) -> None:
        conn = self._connection(urls.service)
        if self._restoring(conn):
            return
        if self._prepared_on is not conn:
            self._migrate(urls.owner)
            self._prepare(conn)
            if self._ends_archive:
                end_schedule(conn)
                end_archive(urls.admin, self._data_dir)
            else:
                connect(urls.admin, application="insitu up").close()  # the backups need this password
            self._prepared_on = conn
        self._write(conn)
        self._read_credentials(conn)
        if time.monotonic() - self._looked_at > LOOK_S:
            self._looked_at = time.monotonic()
            self._look(conn)
        conn.rollback()
        self.facts = replace(self.facts, prepared=True, problem=None, fatal=None, at=time.monotonic())

    def _restoring(self, conn: Connection) -> bool:
        """True during a restore, while the data is incomplete; afterwards the schema is checked again."""
        restoring, before = restore_under_way(conn), self.facts.restoring
        conn.rollback()
        if restoring:
            self._prepared_on = None
            self.facts = replace(
                self.facts, restoring=True, problem="A dump is being put back.", at=time.monotonic()
            )
        elif before:
            self.facts = replace(self.facts, restoring=False, restores=self.facts.restores + 1)
        return restoring

    def _connection(self, url: str) -> Connection:
        if self._conn is None or self._conn.closed:
            self._conn = connect(url, application="insitu up")
        return self._conn

    def _migrate(self, owner_url: str) -> None:
        """Bring the schema up to date, and give the service its rights. A migration has no time limit."""
        with connect(owner_url, application="insitu up") as owner, self._cuttable(owner):
            if self.facts.prepared and not has_schema(owner):
                raise RunMigrate(
                    "The tables of Insitu are gone. Put a whole dump back with pg_restore --clean "
                    "--if-exists; it goes on by itself."
                )
            migrate(owner)

    @contextmanager
    def _cuttable(self, owner: Connection) -> Iterator[None]:
        self._migrating = owner
        try:
            yield
        finally:
            self._migrating = None

    def _prepare(self, conn: Connection) -> None:
        """Runs once for each connection, because a restore may have brought an older schema."""
        require_current(conn)
        limit_statements(conn, _STATEMENT_S)
        ensure_shards(conn)
        if self._clock.is_simulated and fact(conn, "clock") is None:
            put_fact(conn, "clock", self._clock.dumps())
        if self._fresh_life:  # only a running broker has a known state of its credentials
            broker_applied(conn, version=0, at=self._clock.now())
        tell_restored(conn, self._data_dir, self._clock.now())
        conn.commit()
        self._fresh_life = False
        (self._data_dir / NOTE).unlink(missing_ok=True)
        if not self._clock.is_simulated:
            add_first_person(conn, self._data_dir)
            signing_key(self._data_dir)  # so that the lab can tell it to others from the first day

    def _write(self, conn: Connection) -> None:

        applied = self._applied
        if applied is not None:
            broker_applied(conn, version=applied[0], problem=applied[1], at=self._clock.now())
            conn.commit()
            if self._applied is applied:
                self._applied = None
        if self._forget.is_set():
            shards.forget_sessions(conn)
            conn.commit()
            self.facts = replace(self.facts, shards_ready=False)
            self._forget.clear()
            self._forgotten.set()

    def _read_credentials(self, conn: Connection) -> None:
        """Read the credentials if they changed, or if one of them expired."""
        wanted, now = broker_state(conn).wanted, self._clock.now()
        if self.facts.wanted == wanted and (self._expiry is None or now < self._expiry):
            return
        found = active_credentials(conn, now)
        users = tuple(rights_of(c, c.nats_hash) for c in found)
        self._expiry = next_expiry(conn, now)
        self.facts = replace(self.facts, wanted=wanted, users=users, generation=self.facts.generation + 1)

    def _look(self, conn: Connection) -> None:
        found = layout(conn)
        self.facts = replace(
            self.facts,
            shards_ready=found.is_ready,
            sessions=frozenset(
                hashlib.sha256(shard.client_id.encode()).hexdigest() for shard in found.shards
            ),
            heartbeat_age_s=health(conn).heartbeat_age_s,
            first_sign_in=first_sign_in(conn, self._data_dir),
        )
