"""Whatever happens to `insitu up`, a device that connects afterwards is let in, and its message becomes a
row. The device is the judge.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from insitu.embedded.broker import free_port
from tests.end_to_end.running import INSITU, Up
from tests.examples import some_of
from tests.fix_charts import lay_charts
from tests.stack import wait_until
from tests.test_cli import documented_registration

pytestmark = [pytest.mark.timeout(300), pytest.mark.long]
BACK_S = 30.0
"""Bound for a test that runs beside others; `make soak` measures the real time."""
TERM_S = 45.0
"""docs/operations.md: a stop takes at most 45 s."""
CONSOLE = Path(INSITU[0]).parent / "insitu"
FOREIGN = ("insitu", "random.py")
"""In the folder in which it is started: the name of a clone, and a module that would be imported."""


class Site:
    """An installation with one device that has its credential and nothing else of Insitu."""

    def __init__(self, folder: Path) -> None:
        self.http, self.mqtt = free_port("127.0.0.1"), free_port("127.0.0.1")
        self.data = folder / "data"
        environment = {
            "INSITU_DATA_DIR": str(folder / "data"),
            "INSITU_HTTP_LISTEN": f"127.0.0.1:{self.http}",
            "INSITU_MQTT_LISTEN": f"127.0.0.1:{self.mqtt}",
        }
        (folder / FOREIGN[0] / "insitu").mkdir(parents=True)
        (folder / FOREIGN[1]).write_text("open('executed', 'w')\nraise SystemExit('executed')\n", "utf-8")
        self.up = Up(folder, environment, [str(CONSOLE)])

    def prepare(self) -> None:
        self.up.start()
        path = self.up.folder / "programme.toml"
        path.write_text(documented_registration(), "utf-8")
        self.up.cli("register", str(path))
        for state in ("shortlisted", "agreement", "deployment", "running"):
            self.up.cli("move", "station-air", state)
        self.token = self.enrol("d1")

    def enrol(self, device: str) -> str:
        printed = self.up.cli(
            "enrol", "station-air", device, "--measure", "pm25", "--every", "60", "--site", "station-a"
        )
        found = re.search(r"^    (\S{40,})$", printed, re.MULTILINE)
        assert found, printed
        return found[1]

    def connect(self, patience_s: float = 3.0) -> tuple[mqtt.Client | None, str]:
        """(a signed-in client, its answer); None if the port is closed or the broker refuses."""
        client = mqtt.Client(CallbackAPIVersion.VERSION2, f"d1-{secrets.token_hex(4)}")
        client.username_pw_set("station-air.d1", self.token)
        answers: list[str] = []
        client.on_connect = lambda _c, _d, _f, code, _p: answers.append(str(code))
        client.connect_timeout = patience_s
        try:
            client.connect("127.0.0.1", self.mqtt)
        except OSError as error:
            return None, f"closed: {error}"
        limit = time.monotonic() + patience_s
        while not answers and time.monotonic() < limit:
            if client.loop(0.05) != mqtt.MQTT_ERR_SUCCESS:
                break
        if answers == ["Success"]:
            return client, "Success"
        client.disconnect()
        return None, answers[0] if answers else "no answer"

    def publish(self, payload: bytes) -> bool:
        """Publishes over a connection of its own; whether it was acknowledged."""
        client, _ = self.connect()
        if client is None:
            return False
        sent = client.publish("insitu/v1/station-air/d1/obs", payload, qos=1)
        limit = time.monotonic() + 5
        while not sent.is_published() and time.monotonic() < limit:
            if client.loop(0.05) != mqtt.MQTT_ERR_SUCCESS:
                break
        acknowledged = sent.is_published()
        client.disconnect()
        client.loop_misc()
        return acknowledged

    def database_url(self) -> str:
        running = json.loads((self.data / "running.json").read_text("utf-8"))
        return str(running["database_url"])

    def results(self, condition: str = "true") -> int:
        import psycopg

        with psycopg.connect(self.database_url()) as conn:
            found = conn.execute(f"SELECT count(*) FROM observation WHERE {condition}".encode()).fetchone()
        assert found is not None
        return int(found[0])

    def delivers(self, patience_s: float = BACK_S) -> float:
        """Seconds until a message that is sent after now is a row."""
        import psycopg

        began, number = time.monotonic(), secrets.randbelow(10**9)
        payload = json.dumps(
            {"time": datetime.now(UTC).isoformat(), "results": {"pm25": number / 1e6}}
        ).encode()

        def there() -> bool:
            if not sent:
                sent.extend([1] if self.publish(payload) else [])
            try:
                return bool(sent) and self.results(f"result = {number / 1e6}") == 1
            except (psycopg.OperationalError, FileNotFoundError):
                return False

        sent: list[int] = []
        wait_until(
            there,
            f"a row of a new message; the log says:\n{self.up.log.read_text('utf-8')[-1500:]}",
            patience_s,
        )
        return time.monotonic() - began

    def readyz(self) -> int:
        """HTTP status; 0 if nothing answers within a second."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.http}/readyz", timeout=1) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0


@pytest.fixture(scope="module")
def site(charts: Path) -> Iterator[Site]:
    folder = Path(tempfile.mkdtemp(prefix="insitu-back-"))
    folder.chmod(0o711)
    lay_charts(charts, folder / "data")
    site = Site(folder)
    try:
        site.prepare()
        yield site
        assert site.up.stop() == 0
    finally:
        site.up.end()
        shutil.rmtree(folder)


@contextmanager
def stopped(pids: list[int]) -> Iterator[None]:
    """Halts a process by SIGSTOP for as long as the block runs."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with_suppressed_kill(pid)


def with_suppressed_kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGCONT)
    except ProcessLookupError:
        return


def with_backends(postmaster: int) -> list[int]:
    return [postmaster, *map(int, Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split())]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["TERM", "KILL"])
def test_after_a_restart_the_device_is_let_in_and_never_told_that_it_is_not_authorised(
    site: Site, number: signal.Signals
) -> None:
    site.delivers()
    answers: list[str] = []
    over = threading.Event()

    def knock() -> None:
        while not over.wait(0.05):
            client, answer = site.connect(1.0)
            answers.append(answer)
            if client is not None:
                client.disconnect()
                client.loop_misc()

    thread = threading.Thread(target=knock)
    thread.start()
    try:
        wait_until(lambda: len(answers) > 3, "a device that knocks")
        site.up.stop(number)
        site.up.start()
        site.delivers()
    finally:
        over.set()
        thread.join()
    kinds = [kind for kind, _ in groupby(answer.partition(":")[0] for answer in answers)]
    assert kinds[0] == kinds[-1] == "Success", kinds
    assert any(answer.startswith("closed") for answer in answers)
    assert not [
        answer for answer in answers if "uthor" in answer or "redential" in answer or "password" in answer
    ]


def test_constant_values_without_time_and_seq_survive_the_death_of_the_broker(site: Site) -> None:
    before, acknowledged = site.results("result = 21.5"), 0
    for _ in range(3):
        os.kill(site.up.child("nats-server"), signal.SIGKILL)
        limit = time.monotonic() + BACK_S
        sent = 0
        while sent < 40:
            assert time.monotonic() < limit
            if site.publish(b'{"results": {"pm25": 21.5}}'):
                sent, acknowledged = sent + 1, acknowledged + 1
    site.delivers()
    assert site.results("result = 21.5") - before >= acknowledged


@pytest.mark.nightly  # `make faults` kills each part too
@pytest.mark.parametrize("name", ["postgres", "nats-server", "cli ingest", "cli serve", "cli work"])
def test_a_child_that_is_killed_is_there_again(site: Site, name: str) -> None:
    old = site.up.child(name)
    os.kill(old, signal.SIGKILL)
    site.delivers()

    def again() -> bool:
        try:
            return site.up.child(name) != old
        except AssertionError:
            return False

    wait_until(again, f"another {name}", BACK_S)


@pytest.mark.parametrize("name", some_of(["nats-server", "cli ingest", "cli serve"], every=2))
def test_a_child_that_hangs_is_noticed_within_seconds_and_replaced(site: Site, name: str) -> None:
    wait_until(lambda: site.readyz() == 200, "readiness", BACK_S)
    old = site.up.child(name)
    with stopped([old]):
        wait_until(lambda: site.readyz() != 200, "an answer that is not 'ready'", 8)
        site.delivers(60)
        wait_until(lambda: site.readyz() == 200, "readiness", BACK_S)
        assert site.up.child(name) != old


def test_while_the_database_hangs_the_rest_is_looked_after_and_the_truth_is_told(site: Site) -> None:
    wait_until(lambda: site.readyz() == 200, "readiness", BACK_S)
    broker = site.up.child("nats-server")
    with stopped(with_backends(site.up.child("postgres"))):
        wait_until(lambda: site.readyz() == 503, "503", 8)
        os.kill(broker, signal.SIGKILL)
        wait_until(lambda: site.connect()[0] is not None, "a broker that lets the device in", 15)
        assert site.readyz() == 503
    site.delivers()
    wait_until(lambda: site.readyz() == 200, "readiness", BACK_S)


def test_a_device_can_be_enrolled_right_after_the_broker_has_died(site: Site) -> None:
    os.kill(site.up.child("nats-server"), signal.SIGKILL)
    assert site.enrol(f"n{secrets.token_hex(3)}")


def test_a_newcomers_folder_is_not_imported_from(site: Site) -> None:
    """Its folder is like one above a clone: it holds a folder `insitu` and a random.py."""
    site.delivers()
    assert all((site.up.folder / name).exists() for name in FOREIGN)
    assert not (site.up.folder / "executed").exists()


def test_a_restore_into_it_is_survived(site: Site) -> None:
    """Restores yesterday's dump while everything runs, as people do."""
    programs = next((site.up.folder / "data").glob("pg-bin-*/*/pginstall18/bin"), None)
    if programs is None:
        from insitu.embedded.postgres import wheel_binaries

        programs = wheel_binaries()
    dump = site.up.folder / "yesterday.dump"
    url = site.database_url()
    subprocess.run([str(programs / "pg_dump"), "-Fc", "-f", str(dump), url], check=True, capture_output=True)
    rows = site.results()
    site.delivers()
    restored = subprocess.run(
        [str(programs / "pg_restore"), "--clean", "--if-exists", "-d", url, str(dump)],
        capture_output=True,
        text=True,
    )
    site.delivers(60)
    assert site.results() >= rows, restored.stderr


@pytest.mark.parametrize(
    "name",
    [
        "nats-server",
        *(
            pytest.param(name, marks=pytest.mark.nightly)
            for name in ("postgres", "cli ingest", "cli serve", "cli work")
        ),
    ],
)
def test_term_ends_it_within_its_time_whoever_hangs(site: Site, name: str) -> None:
    """The first of these starts is also the one after a restore."""
    pid = site.up.child(name)
    with stopped(with_backends(pid) if name == "postgres" else [pid]):
        began = time.monotonic()
        assert site.up.stop() == 0
        assert time.monotonic() - began < TERM_S
    site.up.start()
    site.delivers()


@pytest.mark.nightly  # `make faults` kills first starts at each new file
def test_an_interrupted_first_start_begins_anew_by_itself() -> None:
    """Kills it at some moments of the first second; `make faults` kills at every new file."""
    for moment in (0.7, 1.4, 2.5):
        folder = Path(tempfile.mkdtemp(prefix="insitu-first-"))
        folder.chmod(0o711)
        site = Site(folder)
        try:
            site.up.launch()
            time.sleep(moment)
            assert site.up.process is not None
            site.up.process.kill()
            site.up.process.wait()
            site.up.start()
            assert "Sign in as 'lab' with the password" in site.up.said
            assert site.up.stop() == 0
        finally:
            site.up.end()
            shutil.rmtree(folder)
