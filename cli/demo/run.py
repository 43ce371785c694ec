"""The steps of the demo, in order."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from cli.addresses import service_settings
from cli.demo.committing import committed, never
from cli.demo.protocols import protocol_of
from cli.demo.register import SignIn, add_people, give_credentials, register
from cli.evaluation import write_package
from cli.installation import Installation
from cli.output import progress, say
from cli.reach import addresses
from cli.stopping import until_signal
from cli.target import demo_dir
from cli.up import given_tls
from insitu.clock import Clock
from insitu.embedded.broker import free_port, require_free_port
from insitu.embedded.child import Child, python_module
from insitu.embedded.directory import hold
from insitu.errors import InsituError, RetryLater
from insitu.settings import Settings, parse_listen
from insitu.times import to_whole_second_us
from insitu.whole import write_whole
from simulators.scenario import Scenario, load_scenario
from simulators.truth import truth
from store.access import broker_state
from store.catalogue.trials import list_trials
from store.database import Connection
from store.ledger import totals
from store.trials import latest_evaluation
from trials.evaluation import Evaluation, document_of
from trials.package.keys import published
from trials.package.strict import written
from trials.report.render import Charts, write_reports
from trials.report.texts import summary
from trials.workflow.checking import check_quality
from trials.workflow.evaluating import evaluate_trial
from trials.workflow.locking import lock_protocol

Kind = TypeVar("Kind")

HISTORY_S = 70.0
QUIET_S = 5.0
"""A broker sends an unacknowledged message again after 2 s."""
DAY_US = 86_400_000_000


class Demo:
    """One run. `once` uses a temporary data directory; otherwise `<data dir>/demo`, which continues if its
    history is complete.
    """

    def __init__(
        self,
        *,
        once: bool,
        days: int,
        out: Path | None,
        port: int | None,
        seed: int,
        scenarios: Sequence[str],
        acknowledged_log: Path | None,
        ends: datetime | None = None,
    ) -> None:
        self.once, self.days, self.port, self.seed = once, days, port, seed
        self.settings: Settings = service_settings()
        self.scenarios: list[Scenario] = [load_scenario(name) for name in scenarios]
        self.names = list(scenarios)
        self.acknowledged_log = acknowledged_log
        self.ends = ends
        self.stack = ExitStack()
        self.stop = until_signal()
        if once:
            temporary = Path(tempfile.mkdtemp(prefix="insitu-demo-"))
            self.stack.callback(shutil.rmtree, temporary, ignore_errors=True)
            self.data_dir = temporary / "data"
            temporary.chmod(0o711)  # the servers' account must pass through it
        else:
            self.data_dir = demo_dir(self.settings)
        self.out = out or (Path.cwd() / "out" if once else self.data_dir / "reports")
        self.state = self.data_dir / "demo.json"

    def run(self) -> None:
        with self.stack:
            kept = self._kept()
            self._set_clock(kept)
            http_port = self._http_port()
            settings = self.settings.model_copy(update={"http_listen": f"{self._http_host()}:{http_port}"})
            tls = given_tls(settings)
            if not os.environ.get("INSITU_MQTT_LISTEN"):
                settings = settings.model_copy(
                    update={"mqtt_listen": f"127.0.0.1:{_free_or(1883, self.once)}"}
                )
            where = addresses(settings, tls)
            require_free_port(*where.http)
            self.installation = Installation(
                settings, data_dir=self.data_dir, clock=self.clock, where=where, with_jobs=False
            )
            self.installation.start()
            self.stack.callback(self.installation.stop)
            if kept is None:
                self._first_time()
            else:
                self._continue(kept)
            if not self.once and not self.stop.is_set():
                self.installation.start_jobs()  # until now, the demo itself ran the checks
                say("\nThe fleet is live. Stop with Ctrl-C.")
                while not self.stop.wait(0.2):
                    self._look_after()

    # -- beginnings

    def _kept(self) -> dict[str, Any] | None:
        """State of a complete earlier run; an incomplete one is removed."""
        if self.once or not self.data_dir.exists():
            return None
        if self.state.exists():
            kept: dict[str, Any] = json.loads(self.state.read_text("utf-8"))
            if kept["days"] == self.days and kept["scenarios"] == self.names:
                return kept

        with hold(self.data_dir, run_as=self.settings.run_as):
            say("The demo found the remains of another run and starts afresh.")
        shutil.rmtree(self.data_dir)
        return None

    def _set_clock(self, kept: dict[str, Any] | None) -> None:
        """History begins at a local midnight `days` ago and ends now."""
        if kept is not None:
            self.clock, self.start = Clock.loads(kept["clock"]), datetime.fromisoformat(kept["start"])
            return
        zone = ZoneInfo(self.scenarios[0].time_zone)
        takes = timedelta(seconds=max(8.0, HISTORY_S * self.days / 60))
        begin = time.time() + 12  # time for servers, catalogue and credentials to start
        end = datetime.fromtimestamp(begin + takes.total_seconds(), zone)
        if self.ends is not None:
            end = self.ends.replace(tzinfo=zone) + timedelta(hours=end.hour, minutes=end.minute)
        midnight = end.replace(hour=0, minute=0, second=0, microsecond=0)
        self.start = (midnight - timedelta(days=self.days)).replace(tzinfo=zone)
        self.clock = Clock.simulated(
            real_start=begin, history=end - self.start, takes=takes, ends=end.timestamp()
        )

    def _local_midnight(self, day: int) -> datetime:
        return self.start + timedelta(days=day)  # wall-clock arithmetic within the zone

    def _http_host(self) -> str:
        return parse_listen(self.settings.http_listen)[0]

    def _http_port(self) -> int:
        if self.port is not None:
            return self.port
        host, port = parse_listen(self.settings.http_listen)
        return port if os.environ.get("INSITU_HTTP_LISTEN") else _free_or(port, self.once, host)

    # -- the first time

    def _first_time(self) -> None:
        people, logins = self._committed(self._register, is_done=lambda conn: bool(list_trials(conn)))
        self._committed(lambda _: _settle_credentials(self.installation))
        self._introduce(people)
        fleet = self._start_fleet(
            logins, from_us=to_whole_second_us(self.start), until_us=int(self.clock.fast_until * 1e6)
        )
        self._history(fleet)
        if self.stop.is_set():
            return
        self._drain()
        self._conclude()
        if not self.once:
            self._keep(people, logins)

    def _register(self, conn: Connection) -> tuple[list[SignIn], dict[str, tuple[str, str]]]:
        """The people, and the credential (username, token) of each device. The protocols are locked before
        the first result: later it would depend on the pace of the machine whether reporting has begun.
        """
        logins: dict[str, tuple[str, str]] = {}
        middle, end = self._local_midnight(self.days // 2), self._local_midnight(self.days)
        for scenario in self.scenarios:
            register(conn, scenario, start=self.start)
            logins |= give_credentials(conn, scenario, now=self.start)
        people = add_people(conn, self.scenarios, now=self.start)
        for scenario in self.scenarios:
            protocol = protocol_of(scenario, start=self.start, middle=middle, end=end)
            lock_protocol(conn, protocol, now=self.start, login="evaluator")
        return people, logins

    def _introduce(self, people: Sequence[SignIn]) -> None:
        say(
            f"Insitu demo: {self.installation.reach.http_url}   (simulated time; MQTT at "
            f"{self.installation.broker.host}:{self.installation.broker.port})"
        )
        for person in people:
            say(f"  sign in as {person.login:<14} password {person.password}")
        say(f"  reports and packages: {self.out}\n")

    def _start_fleet(self, logins: dict[str, tuple[str, str]], *, from_us: int, until_us: int) -> Child:
        """Start the devices in their own process."""
        broker, tls = self.installation.broker, self.installation.where.tls
        job = {
            "scenarios": [str(Path(n).resolve()) if Path(n).is_file() else n for n in self.names],
            "start": self.start.isoformat(),
            "days": self.days,
            "seed": self.seed,
            "clock": self.clock.dumps(),
            "from_us": from_us,
            "until_us": until_us,
            "live": not self.once,
            "time_zone": self.scenarios[0].time_zone,
            "acknowledged_log": str(self.acknowledged_log.resolve()) if self.acknowledged_log else None,
            "logins": {
                name: {
                    "host": broker.host,
                    "port": broker.port,
                    "username": username,
                    "password": token,
                    "ca": str(tls.ca) if tls else None,
                }
                for name, (username, token) in logins.items()
            },
        }
        path = self.data_dir.absolute() / "fleet.json"
        write_whole(path, json.dumps(job))
        self.fleet_log = self.data_dir / "logs" / "fleet.log"
        self.fleet_log.unlink(missing_ok=True)
        self.fleet = Child(
            python_module("simulators", str(path)),
            log=self.fleet_log,
            env=dict(os.environ),
            cwd=self.data_dir,
        )
        self.fleet.start()
        self.stack.callback(self.fleet.stop)
        return self.fleet

    def _fleet_says(self) -> dict[str, Any]:
        """The fleet's last line of output."""
        try:
            lines = self.fleet_log.read_text("utf-8", "replace").strip().splitlines()
            return dict(json.loads(lines[-1])) if lines else {}
        except (OSError, ValueError):
            return {}

    def _history(self, fleet: Child) -> None:
        """Run through the history, until the fleet is done or somebody stops the demo."""
        first, last = to_whole_second_us(self.start) / 1e6, self.clock.fast_until
        with progress(f"{self.days} days of history") as show:
            while not self.stop.is_set():
                self._look_after()
                has_ended = fleet.poll() is not None  # asked before its words are read: they may be its last
                said = self._fleet_says()
                now = min(self.clock.at(time.time()), last)
                show(now - first, last - first, f"{said.get('acknowledged', 0):,} messages")
                if said.get("kind") == "done":
                    self.acknowledged = int(said["acknowledged"])
                    break
                if has_ended:
                    raise InsituError(f"The simulated fleet ended: {fleet.last_words(3)}")
                self.stop.wait(0.2)

    def _look_after(self) -> None:
        self.installation.step()

    def _committed(
        self, work: Callable[[Connection], Kind], *, is_done: Callable[[Connection], bool] = never
    ) -> Kind:
        def look_after() -> None:
            self._look_after()
            time.sleep(0.1)

        return committed(work, connect=self.installation.connection, look_after=look_after, is_done=is_done)

    # -- the end

    def _drain(self) -> None:
        """Wait until every acknowledged message is in the ledger and nothing comes any more. After a kill
        some come twice, so a sum alone does not tell that all are there.
        """
        with progress("Ingesting the rest") as show:
            limit, before, since = time.monotonic() + 120, -1, 0.0
            while not self.stop.is_set():
                self._look_after()
                received = self._committed(lambda conn: sum(line.received for line in totals(conn, None)))
                show(min(received, self.acknowledged), self.acknowledged)
                if received != before:
                    before, since = received, time.monotonic()
                elif received >= self.acknowledged and time.monotonic() - since > QUIET_S:
                    return
                if time.monotonic() > limit:
                    raise InsituError(
                        f"Only {received} of {self.acknowledged} acknowledged messages were ingested within "
                        "two minutes."
                    )
                self.stop.wait(0.2)

    def _conclude(self) -> None:
        """Checks, evaluations, reports, packages, and the truth next to them."""
        self.out.mkdir(parents=True, exist_ok=True)
        with Charts() as charts, progress("Checks, evaluations, reports") as show:
            for number, scenario in enumerate(self.scenarios):
                folder = self.out / scenario.code
                if folder.exists():
                    shutil.rmtree(folder)
                show(number + 0.3, len(self.scenarios), scenario.code)
                evaluation = self._evaluate(scenario.code, folder, charts)
                manifest = truth(scenario, start=self.start, days=self.days, seed=self.seed)
                (folder / "truth.json").write_text(json.dumps(manifest, indent=1), encoding="utf-8")
                show(number + 1, len(self.scenarios), scenario.code)
                say(summary(evaluation).splitlines()[0] + f"   → {folder / 'report.html'}")

    def _evaluate(self, trial: str, folder: Path, charts: Charts) -> Evaluation:
        """Evaluate the trial; writes its reports and its package to `folder`."""

        def evaluate(conn: Connection) -> Evaluation:
            return evaluate_trial(conn, trial, now=self.clock.now(), login="evaluator", simulated=True)[1]

        def package(conn: Connection) -> None:
            to = folder / "package"
            shutil.rmtree(to, ignore_errors=True)  # left by a failed attempt
            write_package(conn, trial, to, data_dir=self.data_dir, reports=folder)

        self._committed(lambda conn: check_quality(conn, trial, now=self.clock.now()))
        self._look_after()
        evaluation = self._committed(
            evaluate, is_done=lambda conn: latest_evaluation(conn, trial) is not None
        )
        write_reports(document_of(evaluation), folder=folder, language=self.settings.language, charts=charts)
        self._look_after()
        self._committed(package)
        write_whole(self.out / "insitu-keys.json", written(published(self.data_dir)), mode=0o644)
        return evaluation

    def _keep(self, people: Sequence[SignIn], logins: dict[str, tuple[str, str]]) -> None:
        kept = {
            "days": self.days,
            "scenarios": self.names,
            "clock": self.clock.dumps(),
            "start": self.start.isoformat(),
            "logins": logins,
            "people": [[p.role, p.login, p.password] for p in people],
        }
        write_whole(self.state, json.dumps(kept))

    def _continue(self, kept: dict[str, Any]) -> None:
        """The history exists: start only the live fleet."""
        zone = ZoneInfo(self.scenarios[0].time_zone)
        self.start = self.start.astimezone(zone)
        self._introduce([SignIn(*person) for person in kept["people"]])
        logins = {name: (login[0], login[1]) for name, login in kept["logins"].items()}
        now_us = self.clock.now_us()
        self._start_fleet(logins, from_us=now_us, until_us=now_us)


def _settle_credentials(installation: Installation, limit_s: float = 30.0) -> None:
    """Run steps until the broker uses the credentials that are committed now; raises RetryLater."""
    limit = time.monotonic() + limit_s
    with installation.connection() as conn:
        wanted = broker_state(conn).wanted
        while broker_state(conn).applied < wanted:
            conn.rollback()
            installation.step()
            if time.monotonic() > limit:
                raise RetryLater(f"The broker did not take over the credentials. {installation.status()}")
            time.sleep(0.02)


def _free_or(wanted: int, once: bool, host: str = "127.0.0.1") -> int:
    """The usual port, or a free one if it is taken (and for runs that end by themselves)."""
    if once:
        return free_port(host)
    try:
        require_free_port(host, wanted)
    except InsituError:
        return free_port(host)
    return wanted
