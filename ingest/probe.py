"""Tests readiness: a device that connects now gets its message into the database. A probe tries this again
and again.

Each time it opens a new connection with a device's rights, publishes at QoS 1 to every shard, and waits until
it can read the rows. The answer can be read at any time without waiting, even if the probe itself hangs.
"""

from __future__ import annotations

import json
import logging
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

import paho.mqtt.client as paho
from paho.mqtt.reasoncodes import ReasonCode

from ingest.mqtt import BrokerAddress, new_client
from insitu.embedded.users import probe_token
from insitu.errors import InsituError
from insitu.readiness import FRESH_S, Readiness, Stage
from insitu.room import Room
from insitu.wire import PROBE, probe_topic
from store.database import Connection, abort, connect
from store.probes import probe_seen
from store.shards import health, layout, probe_trials

_log = logging.getLogger("insitu.probe")
EVERY_S: Final = 1.0
PATIENCE_S: Final = 3.0
"""Limit for one probe, from the connection to the row."""
HUNG_S: Final = 10.0
_ADVICE: Final = {
    Stage.CONNECT: "No device can connect: the broker does not answer at {where}. Is it running?",
    Stage.SIGN_IN: "The broker lets no device in: {said}. Restart Insitu; a broker of your own needs the "
    "files of `insitu broker-config`.",
    Stage.PUBLISH: "The broker acknowledges nothing: is its disk or its store full? See its log.",
    Stage.ROW: "Messages are acknowledged but do not reach the database in time: the ingestor has stopped "
    "or is behind.",
    Stage.DATABASE: "The database does not answer: {said}",
}


class Failed(Exception):
    """The probe failed at `stage`."""

    def __init__(self, stage: Stage, **facts: str) -> None:
        super().__init__(_ADVICE[stage].format(**facts))
        self.stage = stage


class Prober:
    """Probes once a second in its own thread. `service`: the service's address; the probe itself has only a
    device's rights.
    """

    def __init__(
        self,
        service: BrokerAddress,
        database_url: str,
        *,
        every_s: float = EVERY_S,
        room: Room | None = None,
    ) -> None:
        """`room`: on the disk of the database; without enough of it the ingestor takes nothing."""
        self._address = probe_address(service)
        self._database_url = database_url
        self._every_s = every_s
        self._room = room
        self._name = f"probe-{secrets.token_hex(8)}"
        self._number = 0
        self._trials: dict[int, str] | None = None
        """Shard → a trial that it hears, as of the last probe."""
        self._conn: Connection | None = None
        self._stage = Stage.CONNECT
        self._began: float | None = None
        self._stop = threading.Event()
        self._tried = threading.Event()
        self._thread: threading.Thread | None = None
        self._latest = Readiness(
            Stage.CONNECT, "Nothing was tried yet: ask again in a moment.", time.monotonic()
        )

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="prober", daemon=True)
        self._thread.start()

    def wait_tried(self, seconds: float) -> None:
        """Returns once the first probe has ended, or after `seconds`."""
        self._tried.wait(seconds)

    def stop(self) -> None:
        """Ask it to end, and interrupt it if it waits for the database."""
        self._stop.set()
        self._free()

    def latest(self) -> Readiness:
        """Result of the last probe; if the probe hangs, the stage at which it hangs. Never waits."""
        now, began = time.monotonic(), self._began
        if now - self._latest.at <= FRESH_S:
            return self._latest
        if began is not None and now - began > HUNG_S:
            self._free()
        said = f"no answer for {now - self._latest.at:.0f} s."
        return Readiness(self._stage, _ADVICE[self._stage].format(where=self._where, said=said), now)

    @property
    def _where(self) -> str:
        return f"{self._address.host}:{self._address.port}"

    def _free(self) -> None:
        if (conn := self._conn) is not None:
            abort(conn)

    def _run(self) -> None:
        pause = 0.0
        while not self._stop.wait(pause):
            self._began = time.monotonic()
            found = self.probe()
            if found.stage is not self._latest.stage:
                _log.info("%s", "a device can deliver" if found.ready else found.detail)
            self._latest = found
            self._tried.set()
            pause = max(0.1, self._every_s - (time.monotonic() - self._began))
            self._began = None

    def probe(self) -> Readiness:
        """Probe once, for at most PATIENCE_S, or longer if a server hangs."""
        try:
            self._try(time.monotonic() + PATIENCE_S)
        except Failed as failure:
            problem = self._room.problem() if self._room is not None else None
            if problem is not None and failure.stage in (Stage.PUBLISH, Stage.ROW):
                return Readiness(Stage.DISK, problem, time.monotonic())
            return Readiness(failure.stage, str(failure), time.monotonic())
        return Readiness(None, "", time.monotonic())

    def _try(self, limit: float) -> None:
        """Probe the broker first, like a device; if the database hangs, use the trials of the last probe."""
        self._number += 1
        if self._trials is None:
            self._look_up_trials()
        trials = self._trials or {}
        self._deliver(list(trials.values()), limit)
        self._await_rows(set(trials), limit)
        self._look_up_trials()

    def _look_up_trials(self) -> None:
        self._stage = Stage.DATABASE
        try:
            self._trials = probe_trials(layout(self._connection()))
        except InsituError as error:
            self._drop()
            raise Failed(Stage.DATABASE, said=str(error)) from error

    def _deliver(self, trials: list[str], limit: float) -> None:
        self._stage = Stage.CONNECT
        client = new_client(self._address, self._name, clean=True)
        client.connect_timeout = PATIENCE_S
        answers: list[ReasonCode] = []
        client.on_connect = lambda _c, _d, _f, code, _p: answers.append(code)
        try:
            client.connect(self._address.host, self._address.port, keepalive=10)
        except (OSError, ValueError) as error:
            raise Failed(Stage.CONNECT, where=self._where) from error
        try:
            self._stage = Stage.SIGN_IN
            _pump(client, lambda: bool(answers), limit)
            if not answers or answers[0].is_failure:
                raise Failed(Stage.SIGN_IN, said=str(answers[0]) if answers else "it does not answer")
            self._stage = Stage.PUBLISH
            sent = [client.publish(probe_topic(trial), self._message(), qos=1) for trial in trials]
            _pump(client, lambda: all(one.is_published() for one in sent), limit)
            if not all(one.is_published() for one in sent):
                raise Failed(Stage.PUBLISH)
        finally:
            client.disconnect()
            client.loop_misc()

    def _message(self) -> bytes:
        now = datetime.now(UTC).isoformat()
        return json.dumps(
            {"boot": self._name, "seq": self._number, "time": now, "results": {"probe": 1}}
        ).encode()

    def _await_rows(self, shard_ids: set[int], limit: float) -> None:
        self._stage = Stage.ROW
        while True:
            try:
                seen = probe_seen(self._connection(), self._name)
            except InsituError as error:
                self._drop()
                raise Failed(Stage.DATABASE, said=str(error)) from error
            if all(seen.get(shard_id, 0) >= self._number for shard_id in shard_ids):
                return
            if time.monotonic() > limit or self._stop.is_set():
                raise Failed(Stage.ROW)
            time.sleep(0.02)

    def _connection(self) -> Connection:
        if self._conn is None or self._conn.closed:
            self._conn = connect(self._database_url, application="insitu probe", autocommit=True)
        return self._conn

    def _drop(self) -> None:
        if self._conn is not None:
            self._conn.close()
            self._conn = None


class Heartbeats:
    """For pages without a broker: reads the ingestor's own report from the database once a second, in its own
    thread.
    """

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url
        self._latest = Readiness(Stage.ROW, "Nothing was heard yet: ask again in a moment.", time.monotonic())
        self._tried = threading.Event()

    def wait_tried(self, seconds: float) -> None:
        """Returns once the first answer, or its absence, is known, or after `seconds`."""
        self._tried.wait(seconds)

    def start(self) -> None:
        threading.Thread(target=self._run, name="heartbeats", daemon=True).start()

    def latest(self) -> Readiness:
        """The last answer; not ready if the database has not answered for FRESH_S. Never waits."""
        now = time.monotonic()
        if now - self._latest.at <= FRESH_S:
            return self._latest
        said = f"no answer for {now - self._latest.at:.0f} s."
        return Readiness(Stage.DATABASE, _ADVICE[Stage.DATABASE].format(said=said), now)

    def _run(self) -> None:
        while True:
            try:
                with connect(self._database_url, application="insitu probe", autocommit=True) as conn:
                    while True:
                        trouble = health(conn).trouble
                        self._latest = Readiness(
                            Stage.ROW if trouble else None, trouble or "", time.monotonic()
                        )
                        self._tried.set()
                        time.sleep(EVERY_S)
            except InsituError as error:
                detail = _ADVICE[Stage.DATABASE].format(said=str(error))
                self._latest = Readiness(Stage.DATABASE, detail, time.monotonic())
                self._tried.set()
                time.sleep(EVERY_S)


def probe_address(service: BrokerAddress) -> BrokerAddress:
    """The same broker, with the probe's account."""
    return replace(service, username=PROBE, password=probe_token(service.password))


def probe_once(service: BrokerAddress, database_url: str) -> Readiness:
    """One probe, now; for `insitu check`."""
    return Prober(service, database_url).probe()


def _pump(client: paho.Client, done: Callable[[], bool], limit: float) -> None:
    """Let paho work until `done()`, the end of the connection, or the limit."""
    while not done() and time.monotonic() < limit:
        if client.loop(0.05) != paho.MQTT_ERR_SUCCESS:
            return
