"""Everything on one machine: both servers, the ingestor, the pages, the jobs, and the loop that keeps them
alive.

    postgres ─▶ schema ─▶ broker ─▶ ingest
                   ├────▶ serve
                   └────▶ work

One thread looks after everything in short steps, from the first start to the last stop (`supervision`).
Everything that may hang has its own thread, which publishes a value: the database (`clerk`), the path of a
device's message (`ingest.probe`), the pages (`watch`).

The broker's port opens for devices only when their credentials are active and every shard's session exists,
because a broker keeps messages only for existing sessions. If the broker's store has no sessions (at the
first start, or after the store was lost), the broker runs on a private port until the ingestor has created
them.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cli.addresses import pages_speak_tls, parse_broker_url, reachable_here
from cli.clerk import Clerk, DatabaseUrls
from cli.handover import Handover
from cli.healing import Healing, Paced, Signs
from cli.loading_parts import Loader
from cli.mending import Mending
from cli.output import warn
from cli.program import Program, no_steps
from cli.reach import Addresses, Reach
from cli.supervision import FINAL, Part, Phase, Steps, stop_together
from cli.systemd import Watchdog
from cli.watch import PagesWatch
from ingest.probe import Prober
from insitu.clock import Clock
from insitu.embedded.broker import Broker
from insitu.embedded.directory import hold
from insitu.embedded.postgres import Postgres
from insitu.errors import FreePort, InsituError, RetryLater
from insitu.readiness import Readiness, Stage
from insitu.room import BACK, Room, least_free
from insitu.settings import Settings
from store.database import connect

if TYPE_CHECKING:
    from store.database import Connection

PORT_PATIENCE_S: Final = 15.0
"""By then everything that an earlier installation here held is free."""
START_LIMIT_S: Final = 180.0
OTHERS_FIRST_S: Final = 5.0
BROKER_PATIENCE_S: Final = 6.0
POSTGRES_PATIENCE_S: Final = 25.0
"""Together a stop takes at most 45 s."""


class Installation:
    """Servers and parts of one data directory. One thread calls `begin`, `step` and `stop`, and starts every
    child.
    """

    def __init__(
        self, settings: Settings, *, data_dir: Path, clock: Clock, where: Addresses, with_jobs: bool = True
    ):
        self.settings, self.data_dir, self.clock, self.where = settings, data_dir, clock, where
        self._with_jobs = with_jobs
        self._stack = ExitStack()
        self._programs: list[Program] = []
        self._private = False
        self._sessions_of: frozenset[str] = frozenset()
        self._restores = 0
        self._prober: Prober | None = None
        self._healing = Healing()
        self._logs_bounded_at = 0.0
        self._watchdog = Watchdog()
        self._running_told = False
        self._began = 0.0

    # -- beginning

    def begin(self) -> None:
        """Hold the data directory and create the parts; the first `step` starts them. May raise
        AlreadyRunning.
        """
        self._stack.enter_context(hold(self.data_dir, run_as=self.settings.run_as))
        settings = self.settings
        self.postgres = Postgres(
            data_dir=self.data_dir, run_as=settings.run_as, binaries=settings.postgres_bin
        )
        self.broker = Broker(
            data_dir=self.data_dir,
            listen=self.where.mqtt,
            run_as=settings.run_as,
            binary=settings.nats_server,
            tls=self.where.tls,
            window=settings.window,
            max_file_store=settings.max_file_store,
            sync_always=settings.sync_always,
        )
        self.reach = Reach(settings, self.data_dir, self.where, self.postgres, self.broker)
        self.clerk = Clerk(settings, urls=self._database_urls, clock=self.clock, data_dir=self.data_dir)
        self.pages = PagesWatch(*self._pages_address())
        self._handover = Handover(self.broker, self.clerk)
        self._write_error = Paced(self.broker.write_error, 2.0)
        self._mending = Mending(self.postgres, self.data_dir)
        self._loader = Loader(self.data_dir)
        self._make_parts()
        self._began = time.monotonic()
        self._loader.start([program.command for program in self._programs])
        self.clerk.start()
        self.pages.start()

    def _make_parts(self) -> None:
        postgres, broker = self.postgres, self.broker
        self._database = Part(
            "postgres",
            start=postgres.starting,
            poll=postgres.poll,
            stop=lambda: postgres.stopping(POSTGRES_PATIENCE_S),
            kill=postgres.kill,
        )
        self._schema = Part(
            "schema",
            start=self._await_schema,
            poll=lambda: None,
            stop=no_steps,
            kill=lambda: None,
            needs=(self._database,),
        )
        self._broker = Part(
            "broker",
            start=self._start_broker,
            poll=broker.poll,
            stop=self._stop_broker,
            kill=broker.kill,
            needs=(self._schema,),
        )
        public = ["--mqtt-public", f"{self.broker.host}:{self.broker.port}"]
        if self.where.tls is not None:
            public += ["--mqtt-ca", str(self.where.tls.ca)]
        self._ingest = self._program("ingest", needs=(self._broker,))
        self._serve = self._program("serve", *public, needs=(self._schema,), first=self.reach.pages_port)
        self._parts = [self._database, self._schema, self._broker, self._ingest, self._serve]
        if self.settings.backup_dir is not None and not self.clock.is_simulated:
            self._parts.append(self._program("backup", "--scheduled", needs=(self._schema,)))
        if self._with_jobs:
            self.start_jobs()

    def start_jobs(self) -> None:
        """Add the worker: quality checks of new observations, and nightly evaluations."""
        self._parts.append(self._program("work", needs=(self._schema,), first=self._others_first))

    def _others_first(self) -> Steps:
        """The first look of the jobs at new observations takes CPU time; ingestor and pages come before."""
        limit = time.monotonic() + OTHERS_FIRST_S
        while not self.is_up and time.monotonic() < limit:
            yield

    def _program(
        self, name: str, *arguments: str, needs: tuple[Part, ...], first: Callable[[], Steps] = no_steps
    ) -> Part:
        """One of our programs, with the broker's present address."""
        program = Program(
            name,
            [name, "--clock", self.clock.dumps(), *arguments],
            loader=self._loader,
            data_dir=self.data_dir,
            environment=lambda: self.reach.part_environment(
                self.broker.address if name == "ingest" else self.reach.public
            ),
        )
        self._programs.append(program)
        return program.part(needs=needs, first=first)

    def _await_schema(self) -> Steps:
        while not self.clerk.facts.prepared:
            self._mending.look(self.clerk.facts, self._database)
            yield

    def _start_broker(self) -> Steps:
        while not self.clerk.facts.sessions:
            yield  # not looked up yet
        self._private = not self.clerk.facts.sessions <= self.broker.sessions()
        if self._private:
            while not self.clerk.forget_sessions():
                yield
            yield from self.broker.starting((), private=True)
            return
        facts = self.clerk.facts
        yield from self.broker.starting(facts.users)
        self._handover.started_with(facts)
        yield from self._protect_store()

    def _stop_broker(self) -> Steps:
        if self._private and self._sessions_of:
            yield from self._protect_store()  # while nobody publishes
        yield from self.broker.stopping(BROKER_PATIENCE_S)

    def _protect_store(self) -> Steps:
        try:
            yield from self.broker.protecting_store()
        except InsituError as error:  # it works without; the next start tries again
            warn(f"broker: {error}")

    def _database_urls(self) -> DatabaseUrls | None:
        if not self._database.runs:
            return None
        return DatabaseUrls(self.postgres.url, self.postgres.service_url, self.postgres.admin_url)

    def _pages_address(self) -> tuple[str, int, bool]:
        host, port = self.where.http
        return reachable_here(host), port, pages_speak_tls(self.settings)

    # -- looking after it

    def step(self) -> None:
        """Look after everything once, without waiting. Raises only errors that a person must fix before
        anything can run.
        """
        now = time.monotonic()
        self._make_room_for_a_restore()
        for part in self._parts:
            part.step(now)
        self._refuse_to_start(now)
        self.clerk.look_after(now)
        if self._broker.runs:
            self._settle_sessions()
            if not self._private:
                self._handover.step(now)
            self._start_prober()
        if self._schema.runs and not self._running_told:
            self._running_told = True
            self.reach.tell_running(self.clock)
        self._heal(now)
        self._bound_logs(now)

    @property
    def is_busy(self) -> bool:
        """True while something starts or stops."""
        return any(part.phase is not Phase.RUNNING for part in self._parts)

    def run(self, stop: threading.Event) -> None:
        """Run steps until `stop`."""
        while not stop.wait(0.02 if self.is_busy else 0.2):
            self.step()

    def start(self) -> None:
        """Run steps until a device can deliver and the pages answer; if that fails, leave nothing behind."""
        self.begin()
        limit = time.monotonic() + START_LIMIT_S
        try:
            while not self.is_up:
                self.step()
                if time.monotonic() > limit:
                    raise RetryLater(f"It did not start within {START_LIMIT_S:.0f} s. {self.status()}")
                time.sleep(0.02)
        except BaseException:
            self.stop()
            raise

    @property
    def is_up(self) -> bool:
        """True if a device can deliver and the pages answer."""
        return self.readiness().ready and self._serve.runs and self.pages.answers

    def readiness(self) -> Readiness:
        if self._prober is None or self._private or not self._broker.runs:
            return Readiness(Stage.CONNECT, self.status(), time.monotonic())
        return self._prober.latest()

    def status(self) -> str:
        """A sentence about what it is waiting for; "" if a device can deliver."""
        for part in self._parts:
            if not part.runs:
                problem = (
                    str(part.error)
                    if part.error
                    else self.clerk.facts.problem
                    if part is self._schema
                    else None
                )
                return f"{part.name}: {problem or part.phase.value}"
        if self._private:
            return "broker: its sessions are being made"
        return "" if self._prober is None else self._prober.latest().detail

    def _refuse_to_start(self, now: float) -> None:
        for part in self._parts:
            if part.error is None or part.running_since or not isinstance(part.error, (*FINAL, FreePort)):
                continue
            if isinstance(part.error, FreePort) and now - self._began < PORT_PATIENCE_S:
                continue
            raise part.error

    def _make_room_for_a_restore(self) -> None:
        """Let nobody write during a restore. Afterwards restart the broker, which may not have the sessions
        that are now in the database.
        """
        facts = self.clerk.facts
        for part in self._parts:
            if part not in (self._database, self._schema, self._broker):
                part.held = facts.restoring
        if facts.restores != self._restores:
            self._restores = facts.restores
            self._broker.replace("The database was restored.")

    def _settle_sessions(self) -> None:
        """Once every shard hears its trials: record that, and open the port if it was private."""
        facts = self.clerk.facts
        if not facts.shards_ready or facts.sessions == self._sessions_of:
            return
        self.broker.mark_sessions(facts.sessions)
        self._sessions_of = facts.sessions
        if self._private:
            self._ingest.replace()
            self._broker.replace()

    def _start_prober(self) -> None:
        if self._prober is None and not self._private:
            ca = self.where.tls.ca if self.where.tls else None
            self._prober = Prober(
                parse_broker_url(self.reach.mqtt_url(self.reach.public), ca),
                self.postgres.service_url,
                room=Room(self.data_dir, self.settings.least_free_bytes),
            )
            self._prober.start()

    # -- parts that run but do not do their work

    def _heal(self, now: float) -> None:
        """Replace parts that run but do not do their work."""
        signs = self._signs(now)
        for ill in self._healing.diagnose(signs, now):
            next(part for part in self._parts if part.name == ill.part).replace(ill.why)
        self._watchdog.tell(
            now,
            status=self.status(),
            ready=signs.readiness.ready,
            hopeless=self._healing.is_hopeless(signs, now),
        )

    def _signs(self, now: float) -> Signs:
        usage = shutil.disk_usage(self.data_dir)
        return Signs(
            readiness=self.readiness(),
            broker_runs_s=self._broker.runs_for(now),
            broker_is_private=self._private,
            write_error=self._write_error.answer(now) if self._broker.runs else None,
            ingest_runs_s=self._ingest.runs_for(now),
            heartbeat_age_s=self.clerk.facts.heartbeat_age_s,
            pages_run_s=self._serve.runs_for(now),
            pages_silent_s=self.pages.silent_s(now),
            pages_answered=self.pages.answered_at > self._serve.running_since,
            database_runs_s=self._database.runs_for(now),
            database_silent_s=self.clerk.silent_s(now) if self.clerk.facts.prepared else 0.0,
            free_bytes=usage.free,
            least_free_bytes=int(least_free(self.settings.least_free_bytes, usage.total) * BACK),
        )

    def _bound_logs(self, now: float) -> None:
        if now - self._logs_bounded_at > 20.0:
            self._logs_bounded_at = now
            self.postgres.bound_log()
            self.broker.bound_log()
            self._loader.bound_log()
            for program in self._programs:
                program.bound_log()

    def connection(self) -> Connection:
        """A new connection, which the caller closes."""
        return connect(self.postgres.service_url, application="insitu demo")

    # -- ending

    def stop(self, urgent: threading.Event | None = None) -> None:
        """Stop the parts, then the broker, then the database; within 45 s, at once if `urgent` is set. Then
        the directory is free.
        """
        if not self._began:
            return
        self._began = 0.0
        try:
            if self._prober is not None:
                self._prober.stop()
            self.clerk.stop()
            self.pages.stop()
            ours = [part for part in self._parts if part not in (self._database, self._schema, self._broker)]
            stop_together(ours, urgent)
            self._loader.kill()
            for server in (self._broker, self._database):
                stop_together([server], urgent)
        finally:
            self._stack.close()
