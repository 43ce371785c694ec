"""Everything on one machine: both servers, the ingestor, the pages, and the loop that keeps them alive.

Order of a start: lock the directory → PostgreSQL → migrate → broker with the service user only → ingestor, until every
shard's session and subscriptions exist → device users. Before that no device may publish, since a broker keeps messages
for existing sessions only.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from insitu.cli.output import warn
from insitu.cli.parts import pages_speak_tls, reachable_here, reachable_there, require_safe
from insitu.clock import Clock
from insitu.embedded.broker import Broker
from insitu.embedded.certificates import TLS
from insitu.embedded.child import Child
from insitu.embedded.directory import Running, hold, write_running
from insitu.embedded.postgres import Postgres
from insitu.embedded.users import user_of
from insitu.errors import InsituError, RetryLater
from insitu.settings import Settings, parse_listen

if TYPE_CHECKING:
    from store.database import Connection

START_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where this installation listens."""

    mqtt: tuple[str, int]
    http: tuple[str, int]
    tls: TLS | None
    """Of the broker; devices trust its CA."""


def addresses(settings: Settings, tls: TLS | None) -> Addresses:
    """Listening addresses of the settings; CorrectInput where plaintext would leave this machine."""
    mqtt, http = parse_listen(settings.mqtt_listen), parse_listen(settings.http_listen)
    for name, (host, _) in (("INSITU_MQTT_LISTEN", mqtt), ("INSITU_HTTP_LISTEN", http)):
        require_safe(name, host, settings, secure=tls is not None)
    return Addresses(mqtt, http, tls)


class Installation:
    """Servers and parts of one data directory; everything here runs in the thread that called `start`."""

    def __init__(self, settings: Settings, *, data_dir: Path, clock: Clock, where: Addresses, with_pages: bool = True):
        self.settings = settings
        self.data_dir = data_dir
        self.clock = clock
        self.where = where
        self.with_pages = with_pages
        self._stack = ExitStack()
        self._parts: dict[str, Child] = {}
        self._arguments: dict[str, list[str]] = {}
        self._restart_at: dict[str, float] = {}
        self._conn: Connection | None = None
        self._expiry: datetime | None = None
        self.restarts: dict[str, int] = {}

    # -- starting ------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start in order; leave nothing behind where a step fails."""
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def _start(self) -> None:
        self._stack.enter_context(hold(self.data_dir, run_as=self.settings.run_as))
        self._start_database()
        self.broker = Broker(
            data_dir=self.data_dir,
            listen=self.where.mqtt,
            run_as=self.settings.run_as,
            binary=self.settings.nats_server,
            tls=self.where.tls,
            window=self.settings.window,
            max_file_store=self.settings.max_file_store,
            sync_always=self.settings.sync_always,
        )
        self.broker.start()
        self._stack.callback(self.broker.stop)
        self._stack.callback(self._stop_parts)
        self._start_part("ingest", ["ingest", "--clock", self.clock.dumps()])
        self._wait_for_shards()
        self.broker.protect_store()
        self.apply_credentials()
        if self.with_pages:
            self.start_pages()
        self.say_running()

    def _start_database(self) -> None:
        from store.access import fact, put_fact
        from store.database import migrate
        from store.shards import ensure_shards

        self.postgres = Postgres(data_dir=self.data_dir, run_as=self.settings.run_as, binaries=self.settings.postgres_bin)
        self.postgres.start()
        self._stack.callback(self.postgres.stop)
        conn = self.connection()
        migrate(conn)
        ensure_shards(conn)
        if self.clock.is_simulated and fact(conn, "clock") is None:
            put_fact(conn, "clock", self.clock.dumps())
        conn.commit()

    def connection(self) -> Connection:
        """The supervisor's own connection, opened anew after the database went away."""
        from store.database import connect

        if self._conn is None or self._conn.closed:
            self._conn = connect(self.postgres.url, application="insitu up")
        return self._conn

    def _wait_for_shards(self) -> None:
        from store.shards import shards_ready

        limit = time.monotonic() + START_TIMEOUT_S
        while True:
            conn = self.connection()
            ready = shards_ready(conn)
            conn.rollback()
            if ready:
                return
            if self._parts["ingest"].poll() is not None:
                raise InsituError(f"The ingestor ended at its start. Its last words: {self._last_words('ingest')}")
            if time.monotonic() > limit:
                raise RetryLater("The ingestor did not get its subscriptions within a minute; see logs/ingest.log.")
            time.sleep(0.05)

    def start_pages(self) -> None:
        host, port = self.where.http
        arguments = ["serve", "--clock", self.clock.dumps(), "--mqtt-public", f"{self.broker.host}:{self.broker.port}"]
        if self.where.tls is not None:
            arguments += ["--mqtt-ca", str(self.where.tls.ca)]
        self._start_part("serve", arguments)
        limit = time.monotonic() + START_TIMEOUT_S
        while not _answers(reachable_here(host), port, secure=pages_speak_tls(self.settings)):
            if self._parts["serve"].poll() is not None:
                raise InsituError(f"The pages ended at their start. Their last words: {self._last_words('serve')}")
            if time.monotonic() > limit:
                raise RetryLater("The pages did not answer within a minute; see logs/serve.log.")
            time.sleep(0.1)

    def start_jobs(self) -> None:
        """The worker: quality checks over what comes in."""
        self._start_part("work", ["work", "--clock", self.clock.dumps()])

    def part_environment(self) -> dict[str, str]:
        """What a part of ours needs to know; secrets travel in the environment of a child, never on its command line."""
        broker = self.broker
        scheme = "mqtts" if self.where.tls else "mqtt"
        login = f"{quote(broker.service_username)}:{quote(broker.service_password)}"
        ours = (
            "INSITU_DATABASE_URL_FILE",
            "INSITU_MQTT_URL_FILE",
            "INSITU_MQTT_CA_FILE",
            "INSITU_DATA_DIR_FILE",
            "INSITU_HTTP_LISTEN_FILE",
        )
        environment = {name: text for name, text in os.environ.items() if name not in ours}
        environment |= {
            "INSITU_DATABASE_URL": self.postgres.url,
            "INSITU_MQTT_URL": f"{scheme}://{login}@{reachable_here(broker.host)}:{broker.port}",
            "INSITU_BROKER_LIFE_FILE": str(broker.life_file),
            "INSITU_DATA_DIR": str(self.data_dir),
            "INSITU_HTTP_LISTEN": "{}:{}".format(*self.where.http),
        }
        if self.where.tls:
            environment["INSITU_MQTT_CA"] = str(self.where.tls.ca)
        return environment

    def _start_part(self, name: str, arguments: list[str]) -> None:
        self._arguments[name] = arguments
        child = Child(
            [sys.executable, "-m", "insitu.cli", *arguments],
            log=self.data_dir / "logs" / f"{name}.log",
            env=self.part_environment(),
        )
        child.start()
        self._parts[name] = child

    def _last_words(self, name: str) -> str:
        return self._parts[name].last_words() or "none"

    # -- keeping alive -------------------------------------------------------------------------------------------

    def step(self) -> None:
        """Look after everything once: restart what died, hand changed credentials to the broker."""
        if self.postgres.poll() is not None and self._due("postgres"):
            self.postgres.start()
        if self.broker.poll() is not None and self._due("broker"):
            self.broker.start()
        for name, child in list(self._parts.items()):
            if child.poll() is not None and self._due(name):
                self._start_part(name, self._arguments[name])
        try:
            self.apply_credentials()
        except RetryLater:
            self._conn = None  # the database is away or coming back: the next step tries again

    def _due(self, name: str) -> bool:
        """True at once for the first death, then at most once a second; counts and says it."""
        if time.monotonic() < self._restart_at.get(name, 0.0):
            return False
        self._restart_at[name] = time.monotonic() + 1.0
        self.restarts[name] = self.restarts.get(name, 0) + 1
        warn(f"{name} ended unexpectedly and is started again ({self.restarts[name]}).")
        return True

    def apply_credentials(self) -> None:
        """Write the broker's users when they changed or one expired, and record which state it runs on."""
        from store.access import active_credentials, broker_applied, broker_state, next_expiry
        from store.database import translated

        conn = self.connection()
        with translated():
            state, now = broker_state(conn), self.clock.now()
            if state.wanted == state.applied and (self._expiry is None or now < self._expiry):
                conn.rollback()
                return
            users = [user_of(c.username, c.nats_hash, c.trial, c.device, c.addresses) for c in active_credentials(conn, now)]
            problem = None
            try:
                self.broker.apply(users)
            except InsituError as error:
                problem = str(error)
            broker_applied(conn, version=state.wanted, at=now, problem=problem)
            self._expiry = next_expiry(conn, now)
            conn.commit()

    def run(self, stop: threading.Event) -> None:
        """Until `stop`: a step five times a second."""
        while not stop.wait(0.2):
            self.step()

    # -- ending --------------------------------------------------------------------------------------------------

    def say_running(self) -> None:
        """Tell other verbs on this machine what runs here."""
        write_running(
            self.data_dir,
            Running(
                pid=os.getpid(),
                data_dir=str(self.data_dir),
                database_url=self.postgres.url,
                http=self.http_url,
                mqtt=f"{self.broker.host}:{self.broker.port}",
                mqtt_ca=str(self.where.tls.ca) if self.where.tls else None,
                mqtt_url=self.part_environment()["INSITU_MQTT_URL"],
                clock=self.clock.dumps() if self.clock.is_simulated else None,
            ),
        )

    @property
    def http_url(self) -> str:
        host, port = self.where.http
        secure = pages_speak_tls(self.settings)
        return f"http{'s' if secure else ''}://{reachable_there(self.settings, host) if secure else host}:{port}"

    def _stop_parts(self) -> None:
        for child in self._parts.values():
            child.terminate()
        for child in self._parts.values():
            child.stop()

    def stop(self) -> None:
        """Parts first, then the broker, then the database; then the directory is free."""
        if self._conn is not None:
            self._conn.close()
            self._conn = None
        self._stack.close()


def _answers(host: str, port: int, *, secure: bool) -> bool:
    import http.client
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # our own child on this machine, under an outer name
    link: http.client.HTTPConnection
    link = (
        http.client.HTTPSConnection(host, port, timeout=2, context=context)
        if secure
        else http.client.HTTPConnection(host, port, timeout=2)
    )
    try:
        link.request("GET", "/healthz")
        return link.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        link.close()
