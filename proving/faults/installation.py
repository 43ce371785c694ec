"""`insitu up` as a user runs it, in a data directory of its own, restarted as systemd would, and the verbs
beside it.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from proving.faults import processes, web
from proving.faults.processes import Process

RESTART_S = 2.0
"""The `RestartSec` of deploy/systemd."""
STOP_S = 45.0
"""`up` must have ended this long after SIGTERM, whatever its parts do; deploy/systemd waits longer."""
START_S = 150.0
"""For a start, even the first one, on a machine that is busy with other things."""
TRIAL = "fault-trial"

PROGRAMME = """
[[organisation]]
code = "metro"
name = "Metro operator"
kind = "host"

[[organisation]]
code = "air-company"
name = "Air company"
kind = "company"

[[site]]
code = "station-a"
host = "metro"
name = "Station A"
latitude = 48.86
longitude = 2.35

[[property]]
code = "pm25"
name = { en = "PM2.5", fr = "PM2,5" }
unit = "ug/m3"

[[need]]
code = "clean-air"
host = "metro"
title = { en = "Cleaner platforms", fr = "Des quais plus propres" }

[[trial]]
code = "fault-trial"
title = { en = "Station air", fr = "Air de la station" }
host = "metro"
company = "air-company"
need = "clean-air"
time_zone = "Europe/Paris"

[[mapping]]
trial = "fault-trial"
field = "pm25"
property = "pm25"
"""


class Failed(Exception):
    """Something did not happen within its stated time, or a verb ended with an error."""


class Skipped(Exception):
    """This machine cannot do it; the reason says why."""


@dataclass(frozen=True)
class Ending:
    """`up` ended. `asked`: this harness had sent it a signal that ends it."""

    at: float
    code: int
    asked: bool


@dataclass(frozen=True)
class Output:
    code: int
    text: str


def free_port() -> int:
    """A port that is free now, below those that the kernel gives to outgoing connections."""
    start = 20000 + (os.getpid() * 37 + time.monotonic_ns() // 1000) % 9000
    for port in range(start, 32000):
        with socket.socket() as listener:
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise Failed("no free port between 20000 and 32000")


@dataclass
class Installation:
    """`top` holds the data directory, the log of `up` and files for verbs. `limits`: a prefix of the command,
    such as prlimit.
    """

    top: Path
    settings: dict[str, str] = field(default_factory=dict)
    limits: tuple[str, ...] = ()
    endings: list[Ending] = field(default_factory=list)
    starts: list[float] = field(default_factory=list)

    attached: list[Callable[[], Awaitable[None]]] = field(default_factory=list)
    """Called by `remove` before it removes the installation: they end devices, probes and psql."""

    def __post_init__(self) -> None:
        self.top.mkdir(parents=True, exist_ok=True)
        self.top.chmod(0o711)
        self.data_dir = self.top / "data"
        self.mqtt_port, self.http_port = free_port(), 0
        while self.http_port in (0, self.mqtt_port):
            self.http_port = free_port()
        self._up: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._asked = False
        self._wanted = False

    def environment(self) -> dict[str, str]:
        kept = {name: text for name, text in os.environ.items() if not name.startswith("INSITU_")}
        return {
            **kept,
            "INSITU_DATA_DIR": str(self.data_dir),
            "INSITU_MQTT_LISTEN": f"127.0.0.1:{self.mqtt_port}",
            "INSITU_HTTP_LISTEN": f"127.0.0.1:{self.http_port}",
            "INSITU_LANGUAGE": "en",
            **self.settings,
        }

    @property
    def log(self) -> Path:
        return self.top / "up.log"

    @property
    def pid(self) -> int | None:
        """The supervisor's; None while there is none."""
        return self._up.pid if self._up is not None and self._up.returncode is None else None

    async def start(self) -> None:
        """Starts `up` once. Restarts are up to the caller, or `keep`."""
        self._asked = False
        self.starts.append(time.time())
        with self.log.open("ab") as log:
            self._up = await asyncio.create_subprocess_exec(
                *self.limits,
                sys.executable,
                "-P",
                "-m",
                "cli",
                "up",
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.environment(),
                cwd=self.top,
                start_new_session=True,
            )

    async def ended(self, within: float) -> Ending:
        """Waits for the end of `up`. Raises `Failed` if it does not end in time."""
        assert self._up is not None
        try:
            code = await asyncio.wait_for(self._up.wait(), within)
        except TimeoutError:
            raise Failed(f"`insitu up` has not ended within {within:g} s") from None
        ending = Ending(time.time(), code, self._asked)
        self.endings.append(ending)
        return ending

    def keep(self) -> None:
        """From now on `up` is started again two seconds after it ends, as `Restart=always` does."""
        self._wanted = True
        self._keeper = asyncio.create_task(self._keep())

    async def _keep(self) -> None:
        while self._wanted:
            if self.pid is None:
                await self.start()
            await self.ended(within=float("inf"))
            if self._wanted:
                await asyncio.sleep(RESTART_S)

    def strike(self, which: signal.Signals) -> bool:
        """Sends a signal to the supervisor. False where there is none."""
        pid = self.pid
        if pid is None:
            return False
        self._asked = self._asked or which in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
        return processes.send(pid, which)

    def parts(self) -> dict[str, Process]:
        return processes.parts_of(self.pid) if self.pid is not None else {}

    def whole(self) -> bool:
        """Are all five parts there, and none stopped?"""
        parts = self.parts()
        return all(name in parts and parts[name].state not in "Tt" for name in processes.PARTS)

    async def stop(self) -> None:
        """Ends everything: `up` by SIGTERM, then what still belongs to the data directory by SIGKILL. Copies
        the logs to `top/logs`.
        """
        self._wanted = False
        for process in processes.belonging(self.data_dir):
            processes.send(process.pid, signal.SIGCONT)
        if self.strike(signal.SIGTERM):
            assert self._up is not None
            try:
                await asyncio.wait_for(self._up.wait(), STOP_S)
            except TimeoutError:
                self.strike(signal.SIGKILL)
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        for _ in range(3):
            for process in processes.belonging(self.data_dir):
                processes.send(process.pid, signal.SIGKILL)
            await asyncio.sleep(0.1)
        self._save_logs()

    async def remove(self) -> None:
        """Ends everything, `attached` first, and removes the data directory. Its logs stay, in `top/logs`."""
        while self.attached:
            await self.attached.pop()()
        await self.stop()
        shutil.rmtree(self.data_dir, ignore_errors=True)

    def _save_logs(self) -> None:
        logs = self.top / "logs"
        logs.mkdir(exist_ok=True)
        for log in (*self.data_dir.glob("logs/*"), *self.data_dir.glob("broker/*.log")):
            if log.is_file():
                shutil.copy(log, logs / log.name)

    async def ready(self) -> bool | None:
        """Whether `/readyz` says ready; None if it does not answer within two seconds."""
        try:
            return (await web.ask("127.0.0.1", self.http_port, "/readyz", timeout=2.0)).status == 200
        except web.Gone:
            return None

    async def until_ready(self, within: float = START_S) -> float:
        """Seconds until `/readyz` says 200. Raises `Failed` with the last words of `up`."""
        began = time.monotonic()
        while time.monotonic() - began < within:
            if await self.ready():
                return time.monotonic() - began
            if self._up is not None and self._up.returncode is not None and not self._wanted:
                break
            await asyncio.sleep(0.1)
        raise Failed(f"not ready within {within:g} s; `up` says: {self.last_words()}")

    def last_words(self, lines: int = 4) -> str:
        text = self.log.read_text("utf-8", "replace") if self.log.exists() else ""
        return " / ".join(text.strip().splitlines()[-lines:])

    async def begin(self, *verb: str) -> asyncio.subprocess.Process:
        """A verb as a process of its own, to be killed or awaited."""
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            "-m",
            "cli",
            *verb,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=self.environment(),
            cwd=self.top,
            start_new_session=True,
        )

    async def verb(self, *verb: str, within: float = 60.0) -> Output:
        """Runs a verb to its end. Raises `Failed` if it does not end in time."""
        process = await self.begin(*verb)
        try:
            text, _ = await asyncio.wait_for(process.communicate(), within)
        except TimeoutError:
            await processes.end(process)
            raise Failed(f"`insitu {' '.join(verb)}` has not ended within {within:g} s") from None
        return Output(process.returncode or 0, text.decode("utf-8", "replace"))

    async def must(self, *verb: str, within: float = 60.0) -> str:
        """The output of a verb that must succeed."""
        output = await self.verb(*verb, within=within)
        if output.code:
            raise Failed(f"`insitu {' '.join(verb)}` ended with {output.code}: {output.text.strip()[-500:]}")
        return output.text

    async def enrol(self, device: str) -> str:
        """The token of a device, new or not."""
        text = await self.must("enrol", TRIAL, device, "--site", "station-a")
        token = re.search(r"^ *([A-Za-z0-9_-]{40,})$", text, re.MULTILINE)
        if token is None:
            raise Failed(f"`insitu enrol` printed no token: {text[:300]}")
        return token[1]

    async def enrol_all(self, devices: Sequence[str]) -> list[str]:
        """The tokens of devices, three enrolments at a time: each is a program of its own that takes seconds
        to start.
        """
        places = asyncio.Semaphore(3)

        async def enrol(device: str) -> str:
            async with places:
                return await self.enrol(device)

        return list(await asyncio.gather(*(enrol(device) for device in devices)))

    async def set_up(self) -> None:
        """Registers the programme and moves its trial to running."""
        programme = self.top / "programme.toml"
        programme.write_text(PROGRAMME, "utf-8")
        await self.must("register", str(programme))
        for step in ("shortlisted", "agreement", "deployment", "running"):
            await self.must("move", TRIAL, step)
