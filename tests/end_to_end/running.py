"""A demo in a process of its own, its output, and ways to hurt it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import simulators
from insitu.embedded.process import Process, children_of, is_running, kill_tree
from tests.forked import run_verb
from tests.stack import wait_until

INSITU = [sys.executable, "-m", "cli"]
SCENARIOS = Path(simulators.__file__).parent / "scenarios"


def hourly(folder: Path, *names: str) -> list[str]:
    """Options for scenarios with their devices, days and faults, but a message an hour instead of four."""
    options = []
    for name in names:
        text = (SCENARIOS / f"{name}.toml").read_text("utf-8")
        thinned = re.sub(r"^  \{ arm(?!.*interval_s)", "  { interval_s = 3600, arm", text, flags=re.MULTILINE)
        assert thinned != text
        (folder / f"{name}.toml").write_text(thinned, "utf-8")
        options += ["--scenario", str(folder / f"{name}.toml")]
    return options


@dataclass
class Killed:
    """The part that was killed, and how far the history was (s since its first message)."""

    times: list[tuple[str, float]] = field(default_factory=list)


class Up:
    """`insitu up` with a folder and addresses of its own; `program` is the command line."""

    def __init__(self, folder: Path, environment: dict[str, str], program: list[str] = INSITU) -> None:
        self.folder, self.program = folder, program
        self.environment = {
            name: text for name, text in os.environ.items() if not name.startswith("INSITU_")
        } | environment
        self.log = folder / "up.log"
        self.process: subprocess.Popen[bytes] | None = None

    def launch(self) -> None:
        """Starts it without waiting."""
        with self.log.open("wb") as file:
            self.process = subprocess.Popen(
                [*self.program, "up"],
                stdout=file,
                stderr=subprocess.STDOUT,
                env=self.environment,
                cwd=self.folder,
            )

    def start(self) -> None:
        self.launch()
        wait_until(lambda: "Stop with Ctrl-C" in self.said, "the start", 150)

    @property
    def said(self) -> str:
        text = self.log.read_text("utf-8", "replace")
        assert self.process is not None
        assert self.process.poll() is None, text
        return text

    def cli(self, *arguments: str) -> str:
        done = run_verb(*arguments, env=self.environment, cwd=self.folder, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def child(self, name: str) -> int:
        """The process id of a part whose command line holds `name`."""
        assert self.process is not None
        return child_of(self.process.pid, name)

    def stop(self, number: int = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        try:
            return self.process.wait(70)
        finally:
            self.process.kill()

    def end(self) -> None:
        """Ends it in any state, and returns when no process of it, even a halted one, can write."""
        if self.process is None or self.process.poll() is not None:
            return
        family = family_of(self.process.pid)
        self.process.send_signal(signal.SIGTERM)
        self.process.send_signal(signal.SIGTERM)  # the second signal ends it at once
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.strike()
        wait_until(lambda: not any(map(is_running, family)), "the end of its processes")

    def strike(self) -> None:
        """Kills all its processes at once, as a power cut does, and returns when none is left to write."""
        assert self.process is not None
        family = kill_tree(Process.of(self.process.pid))
        self.process.wait(30)
        wait_until(lambda: not any(map(is_running, family)), "the end of its processes")


class RunningDemo:
    """`insitu demo` with a data directory of its own; stop it with `stop`."""

    def __init__(
        self, folder: Path, *, environment: dict[str, str], arguments: list[str], least_messages: int
    ) -> None:
        """Its history has at least `least_messages`."""
        self.folder = folder
        self.least_messages = least_messages
        self.out = folder / "out"
        self.acknowledged = folder / "acknowledged.log"
        self.environment = {**os.environ, "INSITU_DATA_DIR": str(folder / "data"), **environment}
        self.log = folder / "demo.log"
        self.killed = Killed()
        with self.log.open("wb") as file:
            self.process = subprocess.Popen(
                [
                    *INSITU,
                    "demo",
                    "--out",
                    str(self.out),
                    "--acknowledged-log",
                    str(self.acknowledged),
                    *arguments,
                ],
                stdout=file,
                stderr=subprocess.STDOUT,
                env=self.environment,
                cwd=folder,
            )

    @property
    def said(self) -> str:
        return self.log.read_text("utf-8", "replace")

    def wait_for(self, words: str, patience_s: float) -> None:
        limit = time.monotonic() + patience_s
        while words not in self.said:
            assert self.process.poll() is None, f"the demo ended:\n{self.said[-3000:]}"
            assert time.monotonic() < limit, (
                f"{words!r} was not said within {patience_s} s:\n{self.said[-3000:]}"
            )
            time.sleep(0.1)

    @property
    def address(self) -> str:
        found = re.search(r"Insitu demo: (http://\S+)", self.said)
        assert found, self.said
        return found[1]

    @property
    def passwords(self) -> dict[str, str]:
        return dict(re.findall(r"sign in as ([\w-]+)\s+password (\S+)", self.said))

    def cli(self, *arguments: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Calls a verb in a second terminal."""
        return run_verb(*arguments, env=self.environment, cwd=self.folder, timeout=timeout)

    def database_url(self) -> str:
        from insitu.embedded.directory import read_running

        running = read_running(self.folder / "data" / "demo")
        assert running is not None
        return running.database_url

    def child(self, name: str) -> int:
        """The process id of a part whose command line holds `name`."""
        return child_of(self.process.pid, name)

    def kill_during_history(self, plan: list[tuple[float, str]]) -> threading.Thread:
        """SIGKILL each named child, in a thread; one that is not there yet, as soon as it runs."""

        def run() -> None:
            self.wait_for("days of history", 300)
            begin = time.monotonic()
            for after, name in plan:
                time.sleep(max(0.0, begin + after - time.monotonic()))
                os.kill(self._await_child(name), signal.SIGKILL)
                self.killed.times.append((name, time.monotonic() - begin))

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        return thread

    def _await_child(self, name: str, patience_s: float = 20) -> int:
        """Waits for a child that may just be starting again; AssertionError if the demo has ended or starts
        none.
        """
        limit = time.monotonic() + patience_s
        while True:
            try:
                return self.child(name)
            except AssertionError:
                if self.process.poll() is not None or time.monotonic() > limit:
                    raise
                time.sleep(0.1)

    def stop(self) -> int:
        """Stops it like Ctrl-C does; returns its exit code."""
        self.process.send_signal(signal.SIGINT)
        try:
            return self.process.wait(40)
        finally:
            if self.process.poll() is None:
                self.process.kill()


def family_of(pid: int) -> list[Process]:
    """A process and all its descendants."""
    found = [Process.of(pid)]
    for process in found:  # the list grows during the loop
        found += children_of(process.pid)
    return found


def child_of(parent: int, name: str) -> int:
    """The process id of a child of `parent`, or of such a child, whose command line holds `name`."""
    children = children_of(parent)
    for pid in [
        one.pid for one in (*children, *(fork for child in children for fork in children_of(child.pid)))
    ]:
        with suppress(FileNotFoundError, ProcessLookupError):  # it ended between the two looks
            words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
            if name in words:
                return pid
    raise AssertionError(f"no child runs {name}")
