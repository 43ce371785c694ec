"""One run: servers, a catalogue, two sessions, a filled broker, and the programs that drain it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import quote

import numpy as np

from insitu.embedded.child import Child
from insitu.embedded.postgres import Postgres
from insitu.errors import InsituError
from insitu.model import DatastreamRole, OrganisationKind
from insitu.wire import PREFIX
from proving.throughput.fill import fill
from proving.throughput.receive import SESSION, make_session
from proving.throughput.servers import PASSWORD, WINDOW, Kind, started
from store import ledger, shards
from store.catalogue.datastreams import add_datastream, list_datastreams
from store.catalogue.deployments import deploy
from store.catalogue.devices import add_device
from store.catalogue.organisations import add_organisation
from store.catalogue.properties import add_property
from store.catalogue.sites import add_site
from store.catalogue.trials import add_trial
from store.database import Connection, connect, migrate
from store.observations import copy_straight, first_receipt

PATIENCE_S: Final = 300.0
CLEAN: Final = "clean"
REPEATED: Final = "repeated"
MALFORMED: Final = "malformed"
INPUTS: Final = (CLEAN, REPEATED, MALFORMED)
"""Each is a trial of its own. In the last two, one message in `ODD` repeats the one before, or is cut off in
the middle.
"""
ODD: Final = 101
"""A prime, so that every device has its share, as in the field."""


@dataclass(frozen=True, slots=True)
class Drained:
    rate: float
    """Messages a second."""
    cpu_us: float
    rss_mb: float


class Bench:
    """Servers of one run below `folder`; a context manager."""

    def __init__(
        self, folder: Path, kind: Kind, *, devices: int, messages: int, results: int, odd: int = ODD
    ) -> None:
        """`odd`: one message in this number is dirty in dirty input."""
        self.folder, self.kind, self.odd = folder, kind, odd
        self.devices, self.messages, self.results = devices, messages, results
        self.names = [f"p{number}" for number in range(results)]
        self.start = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)
        self.filled = 0
        self.sent_live = 0
        self.stack = ExitStack()

    def __enter__(self) -> Bench:
        self.postgres = Postgres(data_dir=self.folder / "postgres")
        self.postgres.start()
        self.stack.callback(self.postgres.stop)
        self.conn: Connection = connect(self.postgres.url, application="insitu bench")
        self.stack.callback(self.conn.close)
        self.address = self.stack.enter_context(started(self.kind, self.folder))
        migrate(self.conn)
        shards.ensure_shards(self.conn)
        self._register()
        self.conn.commit()
        return self

    def __exit__(self, *_: object) -> None:
        self.stack.close()

    def _register(self) -> None:
        conn, now = self.conn, self.start
        for code, kind in (("h", OrganisationKind.HOST), ("c", OrganisationKind.COMPANY)):
            add_organisation(conn, code=code, name=code, kind=kind, now=now)
        add_site(conn, code="s", host="h", name="s", kind="street")
        for name in self.names:
            add_property(conn, code=name, name={"en": name}, unit="1")
        for trial in (*INPUTS, "yardstick"):
            self._register_trial(trial)

    def _register_trial(self, trial: str) -> None:
        conn, now = self.conn, self.start
        add_trial(conn, code=trial, title={"en": trial}, host="h", company="c", time_zone="UTC", now=now)
        for number in range(self.devices):
            device_id = add_device(conn, trial=trial, code=f"d{number}", now=now)
            deploy(conn, device_id=device_id, site="s", position=f"{trial}-d{number}", start=now)
            for name in self.names:
                add_datastream(
                    conn,
                    device_id=device_id,
                    name=name,
                    property=name,
                    unit="1",
                    role=DatastreamRole.CANDIDATE,
                    expected_interval=timedelta(seconds=1),
                )

    # -- filling

    def make_sessions(self, *, yardstick: bool) -> None:
        """The ingestor's session and the yardstick's, left again: the broker keeps messages for each."""
        if yardstick:
            make_session(self.address)
        ingestor = self._ingestor()
        try:
            self._wait(lambda: shards.shards_ready(self.conn), ingestor)
        finally:
            ingestor.stop()

    def fill(self, given: str = CLEAN) -> None:
        """Every message, QoS 1, acknowledged by the broker."""
        messages = (self.message(i, given) for i in range(self.messages))
        self.filled += fill(self.address.host, self.address.port, "fleet", PASSWORD, messages)

    def message(self, number: int, given: str = CLEAN) -> tuple[str, bytes]:
        """(topic, payload) of the `number`-th message of an input."""
        odd = number % self.odd == self.odd - 1
        topic, payload = self._clean(number - 1 if odd and given == REPEATED else number, given)
        return topic, payload[: len(payload) // 2] if odd and given == MALFORMED else payload

    def _clean(self, number: int, trial: str) -> tuple[str, bytes]:
        device, seq = number % self.devices, number // self.devices
        when = (self.start + timedelta(seconds=seq)).isoformat()
        results = {
            name: round(20 + device * 0.1 + seq * 0.001 + place, 3) for place, name in enumerate(self.names)
        }
        payload = json.dumps(
            {"boot": "bench", "seq": seq + 1, "time": when, "results": results}, separators=(",", ":")
        )
        return f"{PREFIX}/{trial}/d{device}/obs", payload.encode()

    # -- draining

    def drain_with_paho(self) -> float:
        """Messages a second that paho receives and acknowledges one by one, in a process of its own."""
        job = {
            "host": self.address.host,
            "port": self.address.port,
            "username": self.address.username,
            "messages": self.messages,
        }
        done = subprocess.run(
            [sys.executable, "-P", "-m", "proving.throughput.receive", SESSION],
            input=json.dumps({**job, "password": self.address.password, "window": WINDOW}),
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_S,
        )
        if done.returncode != 0:
            raise InsituError(f"The yardstick failed: {done.stderr.strip()[-500:]}")
        return self.messages / float(done.stdout)

    def drain_with_insitu(self, given: str = CLEAN) -> Drained:
        """The real ingestor: from its first message of that input to the commit of the last."""
        ingestor = self._ingestor()
        try:
            self._wait(self._all_there, ingestor)
            committed = time.time()
            first = first_receipt(self.conn, given)
            self.conn.rollback()
            assert first is not None  # all are there
            cpu_s, rss_mb = _usage(ingestor.pid)
        finally:
            ingestor.stop()
        return Drained(self.messages / (committed - first.timestamp()), cpu_s * 1e6 / self.messages, rss_mb)

    def _all_there(self) -> bool:
        return sum(total.received for total in ledger.totals(self.conn, None)) >= self.filled

    def received(self) -> int:
        """Messages in the ledger."""
        total = sum(line.received for line in ledger.totals(self.conn, None))
        self.conn.rollback()
        return total

    def start_ingestor(self) -> Child:
        """The ingestor, ready; the caller stops it."""
        ingestor = self._ingestor()
        time.sleep(2)  # its session is known already: nothing else tells when it has connected
        return ingestor

    def _ingestor(self) -> Child:
        login = f"{quote(self.address.username)}:{quote(self.address.password)}"
        environment = {
            **os.environ,
            "INSITU_DATABASE_URL": self.postgres.service_url,
            "INSITU_MQTT_URL": f"mqtt://{login}@{self.address.host}:{self.address.port}",
            "INSITU_WINDOW": str(WINDOW),
        }
        child = Child(
            [sys.executable, "-P", "-m", "cli", "ingest"], log=self.folder / "ingest.log", env=environment
        )
        child.start()
        return child

    def _wait(self, ready: object, child: Child) -> None:
        assert callable(ready)
        limit = time.monotonic() + PATIENCE_S
        while True:
            good = ready()
            self.conn.rollback()
            if good:
                return
            if child.poll() is not None:
                raise InsituError(f"The ingestor ended: {child.last_words(3)}")
            if time.monotonic() > limit:
                raise InsituError(f"Not done after {PATIENCE_S:.0f} s.")
            time.sleep(0.02)

    # -- COPY

    def copy(self) -> float:
        """Rows a second by binary COPY into the same table, with one commit; for datastreams of their own,
        before the drain.
        """
        streams = [s.datastream_id for s in list_datastreams(self.conn, "yardstick")]
        each = self.messages * self.results // len(streams)
        start = int(self.start.timestamp()) * 1_000_000
        times = np.tile(start + np.arange(each) * 1_000_000, len(streams))
        begin = time.perf_counter()
        copy_straight(self.conn, np.repeat(streams, each), times, 20 + (times % 997) / 100, times)
        self.conn.commit()
        return len(times) / (time.perf_counter() - begin)


def _usage(pid: int | None) -> tuple[float, float]:
    """(CPU seconds, peak resident MB) of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    cpu_s = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    peak = next(
        line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM")
    )
    return cpu_s, int(peak.split()[1]) / 1024
