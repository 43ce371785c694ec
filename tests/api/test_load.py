"""A crowd does not stop other clients: 500 simultaneous requests of each kind, 1,000 slow bodies, 1,000
devices at the full minute.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import secrets
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from insitu.model import DatastreamRole
from store import access
from store.catalogue.datastreams import add_datastream
from store.catalogue.deployments import deploy
from store.catalogue.devices import add_device
from store.catalogue.trials import add_trial
from store.database import Connection, connect
from tests.api.conftest import clone, form_token
from tests.api.load import (
    PATIENCE_S,
    Ask,
    Beside,
    Salvo,
    allow_many_sockets,
    asked,
    beside,
    crowd,
    crowd_beside,
)
from tests.api.world import PASSWORD, World

pytestmark = pytest.mark.alone
MANY = 500
DEVICES = 1000
START = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)


@dataclass(frozen=True)
class Site:
    """A server in a process of its own, with the sessions and tokens of its clients."""

    pid: int
    port: int
    database_url: str
    tokens: list[str]
    """Tokens of the devices c0, c1, … of the trial `crowd`."""
    sessions: dict[str, str]
    sign_in: dict[str, str]
    """Cookie and form token of a browser that has not signed in."""

    def page(self, login: str, path: str = "/fleet") -> Ask:
        return Ask("GET", path, {"Cookie": f"insitu={self.sessions[login]}"})

    def post(self, number: int, minute: int, token: str | None = None) -> Ask:
        """One result of a device; its number encodes the device and the minute."""
        at = (START + timedelta(minutes=minute)).isoformat()
        body = json.dumps(
            {"boot": "b", "seq": minute, "time": at, "results": {"pm25": number + minute / 1000}}
        ).encode()
        return Ask(
            "POST",
            f"/api/v1/trials/crowd/devices/c{number}/observations",
            {"Authorization": f"Bearer {token or self.tokens[number]}", "Content-Type": "application/json"},
            body,
        )

    def signing_in(self, login: str, password: str) -> Ask:
        body = str(
            httpx.QueryParams(
                {"form": self.sign_in["form"], "login": login, "password": password, "next": "/"}
            )
        ).encode()
        headers = {
            "Cookie": f"insitu-visit={self.sign_in['visit']}",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        return Ask("POST", "/sign-in", headers, body)

    def others(self) -> list[tuple[Ask, list[int]]]:
        """Requests of somebody else meanwhile: pages, posts and readiness."""
        return [
            (self.page("metro"), [200]),
            (Ask("GET", "/readyz"), [200, 503]),
            (self.page("metro", "/trials"), [200]),
            (self.post(DEVICES, 1), [200]),
            (Ask("GET", "/sign-in"), [200]),
        ]


def _enrol_crowd(conn: Connection, now: datetime) -> list[str]:
    add_trial(
        conn,
        code="crowd",
        title={"en": "Crowd", "fr": "Foule"},
        host="hospital-demo",
        company="boreal-demo",
        evaluator="evaluation-demo",
        now=now - timedelta(days=30),
    )
    tokens = [secrets.token_urlsafe(32) for _ in range(DEVICES + 1)]
    for number, token in enumerate(tokens):
        device = add_device(conn, trial="crowd", code=f"c{number}", now=now - timedelta(days=2))
        deploy(
            conn,
            device_id=device,
            site="hospital-south",
            position=f"c{number}",
            start=now - timedelta(days=2),
        )
        add_datastream(
            conn,
            device_id=device,
            name="pm25",
            property="pm25",
            unit="ug/m3",
            role=DatastreamRole.CANDIDATE,
            expected_interval=timedelta(minutes=1),
        )
        access.add_credential(
            conn,
            device_id=device,
            username=f"crowd.c{number}",
            token_sha256=hashlib.sha256(token.encode()).digest(),
            nats_hash="-",
            mosquitto_hash="-",
            now=now - timedelta(days=2),
        )
    return tokens


def _sessions(conn: Connection) -> dict[str, str]:
    sessions = {}
    for login in ("aurore", "metro", "lab"):
        known = access.password_of(conn, login)
        assert known is not None
        sessions[login] = secrets.token_urlsafe(32)
        digest = hashlib.sha256(sessions[login].encode()).digest()
        access.sign_in(conn, person_id=known.person_id, token_sha256=digest, lifetime=timedelta(hours=1))
    return sessions


@pytest.fixture(scope="module")
def shoot() -> Iterator[Salvo]:
    with crowd() as run:
        yield run


@pytest.fixture(scope="module")
def site(
    database_server: str, filled: tuple[str, World], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    allow_many_sockets()
    folder = tmp_path_factory.mktemp("load")
    with clone(database_server, filled[0]) as url:
        with connect(url, application="tests") as conn:
            tokens, sessions = _enrol_crowd(conn, datetime.now(UTC)), _sessions(conn)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        environment = {
            **os.environ,
            "INSITU_DATABASE_URL": url,
            "INSITU_HTTP_LISTEN": f"127.0.0.1:{port}",
            "INSITU_DATA_DIR": str(folder),
        }
        with (folder / "serve.log").open("wb") as log:
            server = subprocess.Popen(
                [sys.executable, "-m", "cli", "serve"], env=environment, stdout=log, stderr=log
            )
        try:
            found = Site(server.pid, port, url, tokens, sessions, _wait(server, port, folder / "serve.log"))
            for ask, _ in [
                *found.others(),
                (found.page("aurore"), []),
            ]:  # templates are compiled at their first use
                asked(port, ask)
            yield found
        finally:
            server.terminate()
            assert server.wait(20) is not None
        words = (folder / "serve.log").read_text("utf-8")
        assert "unexpected error" not in words, words[-3000:]


def _wait(server: subprocess.Popen[bytes], port: int, log: Path) -> dict[str, str]:
    limit = time.monotonic() + 180  # a busy machine needs long to import everything
    while time.monotonic() < limit:
        assert server.poll() is None, log.read_text("utf-8")
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=5) as browser:
                form = form_token(browser)
                return {"form": form, "visit": browser.cookies["insitu-visit"]}
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError(log.read_text("utf-8"))


P99_S = float(os.environ.get("INSITU_LOAD_P99_S", "3"))
"""The goal is 1 s on an otherwise idle machine: set `INSITU_LOAD_P99_S=1` to require that. Before, these
requests waited for 15 s and more.
"""
TRIES = 3
"""A machine that also does something else may be slow once; a request that waits for a connection is slow
each time.
"""


def _slowdown() -> float:
    """How many times longer a computation takes than its processor time, because of other programs."""
    began, busy = time.perf_counter(), time.thread_time()
    while time.thread_time() - busy < 0.2:
        sum(range(1000))
    return max(1.0, (time.perf_counter() - began) / (time.thread_time() - busy))


def _served(found: Beside, slowdown: float) -> bool:
    print(
        f"beside it: {len(found.seconds)} requests, p99 {found.p99:.2f} s, slowest {found.slowest}; "
        f"other programs: {slowdown:.1f} times slower"
    )
    assert not found.problems, found.problems[:5]
    assert len(found.seconds) >= 20 / slowdown
    return found.p99 < P99_S * slowdown


KINDS = {
    "readyz": [200, 503],
    "page": [200, 503],
    "wrong_sign_in": [403, 429, 503],
    "wrong_token": [401, 503],
    "post": [200],
}


@pytest.mark.parametrize("kind", KINDS)
def test_500_simultaneous_requests_stop_nobody_else(site: Site, shoot: Salvo, kind: str) -> None:
    minutes = iter(range(100, 200))

    def asks(number: int) -> list[Ask]:
        minute = next(minutes)
        return {
            "readyz": lambda: [Ask("GET", "/readyz")] * MANY,
            "page": lambda: [site.page("aurore")] * MANY,
            "wrong_sign_in": lambda: [site.signing_in(f"nobody{n}", "wrong") for n in range(MANY)],
            "wrong_token": lambda: [site.post(n, 2, token=secrets.token_urlsafe(32)) for n in range(MANY)],
            "post": lambda: [site.post(n, minute) for n in range(MANY)],
        }[kind]()

    others = site.others()
    if kind == "wrong_sign_in":
        others.append((site.signing_in("lab", PASSWORD), [303]))
    for _ in range(TRIES):
        slowdown = _slowdown()
        answers, found = crowd_beside(shoot, site.port, asks, others, samples=40, most_salvos=12)
        print(f"\n{kind}: {dict(answers)}")
        assert not [status for status in answers if status not in KINDS[kind]], answers
        if _served(found, slowdown):
            return
    raise AssertionError(f"p99 is {found.p99:.1f} s")


def test_1000_bodies_that_come_byte_by_byte_stop_nobody_else(site: Site, shoot: Salvo) -> None:
    asks = [
        *[site.signing_in("nobody", "x" * 300) for _ in range(400)],
        *[site.post(number, 3) for number in range(300)],
        *[site.post(number, 3, token=f"wrong{number}") for number in range(300)],
    ]
    for _ in range(TRIES):
        slowdown = _slowdown()
        with beside(site.port, site.others()) as found:
            answers = shoot(site.port, asks, byte_every_s=0.7)
        print(f"\nslow bodies: {dict(answers)}")
        assert set(answers) <= {401, 408, 503}, "each is answered, in the time that a body may take"
        assert answers[408] >= 300
        if _served(found, slowdown):
            return
    raise AssertionError(f"p99 is {found.p99:.1f} s")


def test_a_head_that_never_ends_is_not_waited_for(site: Site) -> None:
    with (
        socket.create_connection(("127.0.0.1", site.port)) as line,
        socket.create_connection(("127.0.0.1", site.port)) as silent,
    ):
        line.settimeout(0.5)
        silent.settimeout(30)
        line.sendall(b"GET / HTTP/1.1\r\nX: ")
        limit = time.monotonic() + 30
        ended = False
        while not ended and time.monotonic() < limit:
            try:
                line.sendall(b"x")
                ended = line.recv(1000) == b""
            except TimeoutError:
                continue
            except OSError:
                ended = True
        assert ended
        assert silent.recv(1000) == b""


def test_1000_devices_that_post_at_the_same_moment_are_all_stored(site: Site, shoot: Salvo) -> None:
    for minute in (10, 11, 12):
        started = time.monotonic()
        answers = shoot(site.port, [site.post(number, minute) for number in range(DEVICES)])
        print(f"\n1,000 posts: {dict(answers)} in {time.monotonic() - started:.2f} s")
        assert answers == {200: DEVICES}
    with connect(site.database_url, application="tests") as conn:
        stored = conn.execute(
            "SELECT d.code, o.phenomenon_time, o.result FROM observation o JOIN datastream USING "
            "(datastream_id)"
            " JOIN device d USING (device_id) JOIN trial t USING (trial_id) WHERE t.code = 'crowd' AND "
            "o.phenomenon_time = ANY(%s)",
            ([START + timedelta(minutes=minute) for minute in (10, 11, 12)],),
        ).fetchall()
    assert sorted(stored) == sorted(
        (f"c{number}", START + timedelta(minutes=minute), number + minute / 1000)
        for number in range(DEVICES)
        for minute in (10, 11, 12)
    )


STREAMS = 200
WATCHED_S = 10.0


ROUND_S = 1.0
"""Twenty devices post in each: as many as a lab's thousand with a minute's interval."""


def test_200_people_who_watch_live_cost_less_than_100_mb_and_a_core(site: Site) -> None:
    paths = ["/live/fleet", *(f"/live/trials/crowd/devices/c{number}" for number in range(9))]
    with connect(site.database_url, application="tests") as conn:
        cookies = [_watcher(conn, number) for number in range(STREAMS // len(paths))]
    before = _use(site.pid)
    with ExitStack() as stack:
        lines = [
            stack.enter_context(_listening(site.port, cookie, path)) for cookie in cookies for path in paths
        ]
        heard = [b""] * STREAMS
        started, began = time.monotonic(), _use(site.pid)
        minute = 1000
        while not all(b"data:" in text for text in heard) or time.monotonic() - started < WATCHED_S:
            assert time.monotonic() - started < 120, "each hears of a change"
            minute += 1
            round_began = time.monotonic()
            for number in range(20):
                assert asked(site.port, site.post(number, minute)) == 200
            time.sleep(max(0.0, round_began + ROUND_S - time.monotonic()))
            for index, line in enumerate(lines):
                if select.select([line], [], [], 0)[0]:
                    heard[index] += line.recv(1 << 20)
        seconds, after = time.monotonic() - started, _use(site.pid)
    print(
        f"\n200 streams: {(after[0] - before[0]) / 2**20:.0f} MB, {(after[1] - began[1]) / seconds:.2f} cores"
    )
    assert after[0] - before[0] < 100 * 2**20
    assert after[1] - began[1] < seconds


def _listening(port: int, cookie: str, path: str) -> socket.socket:
    """A live stream that has begun. If the server has no room, asks again, as the pages do."""
    for _ in range(30):
        line = socket.create_connection(("127.0.0.1", port))
        line.settimeout(PATIENCE_S)
        line.sendall(Ask("GET", path, {"Cookie": f"insitu={cookie}"}).head())
        if line.recv(1 << 16).startswith(b"HTTP/1.1 200"):
            return line
        line.close()
        time.sleep(0.5)
    raise AssertionError(f"no stream of {path}")


def _watcher(conn: Connection, number: int) -> str:
    person = access.add_person(
        conn,
        login=f"watcher{number}",
        name=f"Watcher {number}",
        organisation="boreal-demo",
        password_hash="-",
        now=datetime.now(UTC),
    )
    cookie = secrets.token_urlsafe(32)
    access.sign_in(
        conn,
        person_id=person,
        token_sha256=hashlib.sha256(cookie.encode()).digest(),
        lifetime=timedelta(hours=1),
    )
    return cookie


def _use(pid: int) -> tuple[int, float]:
    """(bytes of memory, seconds of CPU) of a process."""
    memory = int(Path(f"/proc/{pid}/statm").read_text("utf-8").split()[1]) * resource.getpagesize()
    times = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return memory, (int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK")
