"""How fast the pages are, for a signed-in person over HTTP: with a warm cache, and after a restart of the
server and of PostgreSQL with nothing of its files in memory; how many bytes a first visit loads; what 200
live screens cost.
"""

from __future__ import annotations

import http.client
import os
import re
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urljoin, urlsplit

import numpy as np

from insitu.embedded.postgres import Postgres
from insitu.errors import Disagrees, InsituError
from proving.machine import machine, say
from proving.speed.cold import cool
from proving.speed.evaluations import usage_of
from proving.speed.fill import Size
from proving.speed.page_world import (
    LABS,
    REPORTED,
    Installation,
    Pages,
    fill_installation,
    message,
    send,
    serving,
)
from proving.speed.reads import TRIAL
from proving.throughput.measuring import bench_folder
from store.database import Connection, connect

FLEET: Final = "fleet"
REPORT: Final = "report, PDF, when it is made"
GOAL_MS: Final = {FLEET: 300.0, REPORT: 2000.0}
OTHER_GOAL_MS: Final = 150.0
FIRST_LOAD_KB: Final = 350.0
SCREENS: Final = 200
LIVE_S: Final = 20
A_SECOND: Final = 20
"""Devices that send a result each second while the screens are open."""
_ASSET: Final = re.compile(
    r"""(?:href|src|data-charts)="(/(?:static|charts)/[^"]+)"|import\(["']([^"']+)["']\)"""
)
_PATIENCE_S: Final = 120.0


class Answer(NamedTuple):
    seconds: float
    body: bytes
    """As it came over the wire."""
    coding: str


@dataclass(frozen=True, slots=True)
class Measured:
    """Seconds of each run with a warm cache, and of the server's processors in each on average; seconds of
    the one with a cold cache; bytes of a first visit.
    """

    name: str
    warm: list[float]
    cpu: float
    cold: float
    first_load: int

    @property
    def goal_ms(self) -> float:
        return GOAL_MS.get(self.name, OTHER_GOAL_MS)

    def p95_ms(self) -> float:
        return float(np.percentile(self.warm, 95)) * 1000


@dataclass(frozen=True, slots=True)
class Screens:
    heard_s: float
    """Until each had news."""
    cores: float
    mb: float
    more_mb: float
    """Beyond what the server had before they were opened."""
    events: int


def measure(size: Size, *, runs: int) -> None:
    """Fills, measures, prints the table. Raises Disagrees if a goal is missed."""
    say(machine())
    say(f"Load average when it began: {os.getloadavg()[0]:.1f}\n")
    with bench_folder() as folder, Postgres(data_dir=folder / "postgres") as postgres:
        begin = time.perf_counter()
        made = fill_installation(folder, postgres, size)
        say(
            f"{size.observations:,} results: {size.devices} devices, {size.days} days; filled in "
            f"{time.perf_counter() - begin:.0f} s\n"
        )
        say("| page | warm, median (ms) | p95 | of | processor (ms) | cold (ms) | first load (kB) | of |")
        say("|---|---|---|---|---|---|---|---|")
        found = []
        for name, path in _pages(made).items():
            found.append(_measure(made, name, path, runs))
            say(_row(found[-1]))
        with serving(made) as pages:
            screens = _watch(made, pages)
    say(
        f"\n{SCREENS} live screens of the fleet, opened at once, {A_SECOND} devices with news a second: each "
        f"has heard some after {screens.heard_s:.0f} s; from then on, for {LIVE_S} s, "
        f"{screens.cores:.2f} cores, {screens.mb:.0f} MB ({screens.more_mb:+.0f}), {screens.events:,} events."
    )
    missed = list(_missed(found))
    if missed:
        raise Disagrees("Goals that are missed: " + "; ".join(missed) + ".")


def _pages(made: Installation) -> Mapping[str, Callable[[int], str]]:
    """Name → address of the run of this number."""
    count = made.world.size.devices
    report = f"/trials/{REPORTED}/evaluations/{made.evaluation}"

    def device(run: int, step: int = 0) -> str:
        return f"d{(run * 7919 + step) % count:05}"

    return {
        "start": lambda run: "/",
        FLEET: lambda run: "/fleet",
        "trials": lambda run: "/trials",
        "trial": lambda run: f"/trials/{TRIAL}",
        "evaluated trial": lambda run: f"/trials/{REPORTED}",
        "device": lambda run: f"/trials/{TRIAL}/devices/{device(run)}",
        "chart of four devices": lambda run: (
            f"/trials/{TRIAL}/charts?property=no2&span=7d"
            + "".join(f"&device={device(run, step)}" for step in range(4))
        ),
        "sites": lambda run: "/sites",
        "site": lambda run: "/sites/candidate",
        "rejects, with the ledger": lambda run: "/rejects",
        "ledger by device (API)": lambda run: f"/api/v1/trials/{TRIAL}/ledger",
        "report, HTML": lambda run: f"{report}/report.html",
        "report, PDF": lambda run: f"{report}/report.en.pdf",
        REPORT: lambda run: f"{report}/report.pdf",
    }


def _measure(made: Installation, name: str, path: Callable[[int], str], runs: int) -> Measured:
    reports = made.folder / "data" / "cache" / "reports"
    anew = name == REPORT
    cool(made.postgres, made.folder / "postgres")
    with serving(made) as pages:
        client = _Client(pages.port, made.tokens[0])
        cold = client.get(path(0)).seconds
        warm, before = [], _cpu_s(pages)
        for run in range(1, (min(runs, 5) if anew else runs) + 1):
            if anew:
                shutil.rmtree(reports)
            warm.append(client.get(path(run)).seconds)
        cpu = (_cpu_s(pages) - before) / len(warm)
        first_load = client.first_load(path(0))
    return Measured(name, warm, cpu, cold, first_load)


class _Client:
    """A browser with a session, on one connection."""

    def __init__(self, port: int, token: str) -> None:
        self._address = f"http://127.0.0.1:{port}"
        self._link = http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE_S)
        self._headers = {"Cookie": f"insitu={token}", "Accept-Encoding": "gzip, br, zstd", "Accept": "*/*"}

    def get(self, path: str) -> Answer:
        """Raises InsituError for anything but 200."""
        begin = time.perf_counter()
        self._link.request("GET", path, headers=self._headers)
        answer = self._link.getresponse()
        body = answer.read()
        took = time.perf_counter() - begin
        if answer.status != 200:
            raise InsituError(f"{path} answers {answer.status}: {body[:200]!r}")
        return Answer(took, body, answer.headers.get("Content-Encoding", ""))

    def first_load(self, path: str) -> int:
        """Bytes over the wire of the page and of everything that it loads, each once."""
        page = self.get(path)
        total, seen = len(page.body), {path}
        waiting = list(self._assets(path, self.text(path)))
        while waiting:
            asset = waiting.pop()
            if asset in seen:
                continue
            seen.add(asset)
            total += len(self.get(asset).body)
            if asset.split("?")[0].endswith(".js") and "/static/" in asset:
                waiting += self._assets(asset, self.text(asset))
        return total

    def text(self, path: str) -> str:
        """The same, not compressed."""
        self._link.request("GET", path, headers=self._headers | {"Accept-Encoding": "identity"})
        return self._link.getresponse().read().decode(errors="replace")

    def _assets(self, path: str, text: str) -> Iterator[str]:
        for own, imported in _ASSET.findall(text):
            found = urlsplit(urljoin(self._address + path, (own or imported).replace("&amp;", "&")))
            if found.netloc == urlsplit(self._address).netloc:
                yield found.path + (f"?{found.query}" if found.query else "")


# -- live screens


def _watch(made: Installation, pages: Pages) -> Screens:
    client = _Client(pages.port, made.tokens[0])
    (since,) = re.findall(r"since=([0-9.]+)", client.text("/fleet"))[:1]
    before = _resident_mb(pages.pid)
    counted = [0] * SCREENS
    links = [_open_stream(pages.port, made.tokens[number % LABS], since) for number in range(SCREENS)]
    sockets = [link.sock for link in links]  # a link gives its socket to its answer
    threads = [
        threading.Thread(target=_count_events, args=(link, counted, number), daemon=True)
        for number, link in enumerate(links)
    ]
    for thread in threads:
        thread.start()
    begin = time.perf_counter()
    with connect(made.postgres.url, application="insitu bench") as conn:
        while not all(counted) and time.perf_counter() - begin < _PATIENCE_S:
            _make_news(conn, made, pages, round(time.perf_counter() - begin))
        heard_s = time.perf_counter() - begin
        before_s, begin = _cpu_s(pages), time.perf_counter()
        for second in range(LIVE_S):
            _make_news(conn, made, pages, second)
    took, last_s = time.perf_counter() - begin, _cpu_s(pages)
    after = _resident_mb(pages.pid)
    silent = sum(not number for number in counted)
    for one in sockets:
        one.shutdown(socket.SHUT_RDWR)  # to close one waits for the thread that reads it
    if silent:
        raise InsituError(f"{silent} of {SCREENS} live screens heard nothing.")
    return Screens(heard_s, (last_s - before_s) / took, after, after - before, sum(counted))


def _open_stream(port: int, token: str, since: str) -> http.client.HTTPConnection:
    """`since`: the time of the page, which the stream goes on from."""
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE_S)
    link.request("GET", f"/live/fleet?trial={TRIAL}&since={since}", headers={"Cookie": f"insitu={token}"})
    return link


def _count_events(link: http.client.HTTPConnection, counted: list[int], number: int) -> None:
    try:
        answer = link.getresponse()
        while line := answer.readline():
            counted[number] += line.startswith(b"event:")
    except (OSError, AttributeError, ValueError, http.client.HTTPException):
        return  # closed at the end


def _make_news(conn: Connection, made: Installation, pages: Pages, second: int) -> None:
    """A second in which some devices send a result."""
    devices, at = made.world.size.devices, made.now + timedelta(seconds=time.time() - pages.began)
    numbers = [(second * A_SECOND + number) % devices for number in range(A_SECOND)]
    send(conn, (message(number, b'{"results":{"no2":22.5}}', at) for number in numbers))
    time.sleep(1)


def _cpu_s(pages: Pages) -> float:
    found = usage_of(pages.pid)
    if found is None:
        raise InsituError("The server of the pages has ended, or this system does not say what it uses.")
    return found.cpu_s


def _resident_mb(pid: int) -> float:
    (line,) = (one for one in Path(f"/proc/{pid}/status").read_text().splitlines() if one.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


# -- the table


def _row(one: Measured) -> str:
    cells = [
        one.name,
        f"{np.median(one.warm) * 1000:.0f}",
        f"{one.p95_ms():.0f}",
        f"{one.goal_ms:.0f}",
        f"{one.cpu * 1000:.0f}",
        f"{one.cold * 1000:.0f}",
        f"{one.first_load / 1000:.0f}",
        f"{FIRST_LOAD_KB:.0f}",
    ]
    return f"| {' | '.join(cells)} |"


def _missed(found: Sequence[Measured]) -> Iterator[str]:
    for one in found:
        if one.p95_ms() >= one.goal_ms:
            yield f"{one.name} takes {one.p95_ms():.0f} ms (p95), of {one.goal_ms:.0f}"
        if one.first_load >= FIRST_LOAD_KB * 1000 and not one.name.startswith("report"):
            yield f"{one.name} loads {one.first_load / 1000:.0f} kB at first, of {FIRST_LOAD_KB:.0f}"
