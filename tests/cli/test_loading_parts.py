"""Parts are forks of one loader: each as a program of its own would be, and started all the same when the
loader hangs, dies or cannot fork.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cli import loading_parts as module
from cli.loader import show_arguments
from cli.loading_parts import Loader, PartProcess, part_command
from insitu.embedded.child import finish
from insitu.embedded.process import Process, children_of, is_running
from tests.stack import wait_until

TOP = Path(__file__).parents[2]
NOWHERE = {
    "INSITU_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
    "INSITU_MQTT_URL": "mqtt://nobody:none@127.0.0.1:1",
}
"""Servers that are not there: a part waits for them."""
WAITS = ["ingest"]

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere parts are no forks")


class Parts:
    """A loader, and parts that it started."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.loader, self.children = folder, Loader(folder), list[PartProcess]()
        self.loader.start([part_command([*WAITS, "--clock", "x" * 200])])

    def make(self, *arguments: str, **environment: str) -> PartProcess:
        log = self.folder / f"part-{len(self.children)}.log"
        env = os.environ | NOWHERE | {"INSITU_DATA_DIR": str(self.folder)} | environment
        part = PartProcess(arguments, loader=self.loader, log=log, env=env, cwd=self.folder)
        self.children.append(part)
        return part

    def start(self, *arguments: str, **environment: str) -> PartProcess:
        part = self.make(*arguments, **environment)
        finish(part.starting())
        return part

    def said(self, part: PartProcess) -> str:
        wait_until(lambda: part.poll() is not None, "its end")
        return log_of(self, part).read_text("utf-8")

    @property
    def program(self) -> int:
        """The process id of the loader."""
        pid = self.loader._programs[-1].child.pid
        assert pid is not None
        return pid

    def end(self) -> None:
        for part in self.children:
            part.kill()
        self.loader.kill()


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parts]:
    made = Parts(tmp_path_factory.mktemp("parts"))
    yield made
    made.end()


def log_of(parts: Parts, part: PartProcess) -> Path:
    return parts.folder / f"part-{parts.children.index(part)}.log"


def pid_of(part: PartProcess) -> int:
    assert part.pid is not None
    return part.pid


def fields(pid: int) -> list[str]:
    """Fields of /proc/PID/stat after the name: state, parent, group, session, …"""
    return Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()


def shown(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/cmdline").read_bytes().decode().rstrip("\0").split("\0")


def is_fork(parts: Parts, part: PartProcess) -> bool:
    return pid_of(part) in [process.pid for process in children_of(parts.program)]


def soon(condition: Callable[[], bool], what: str) -> None:
    wait_until(condition, what, 20)


def test_a_part_has_its_own_arguments_session_log_and_signals(parts: Parts) -> None:
    part = parts.start(*WAITS)
    pid = pid_of(part)
    assert is_fork(parts, part)
    assert shown(pid) == part_command(WAITS)
    assert fields(pid)[2:4] == [str(pid), str(pid)]
    files = {n: Path(f"/proc/{pid}/fd/{n}").readlink() for n in (0, 1, 2)}
    log = log_of(parts, part)
    assert files == {0: Path(os.devnull), 1: log, 2: log}
    assert Path(f"/proc/{pid}/cwd").readlink() == parts.folder
    assert "Umask:\t0077" in Path(f"/proc/{pid}/status").read_text()
    part.stop(20)
    assert not Path(f"/proc/{pid}").exists()
    assert "Traceback" not in parts.said(part)


def test_a_part_has_nothing_open_that_belongs_to_others(parts: Parts) -> None:
    first, second = parts.start(*WAITS), parts.start(*WAITS)
    soon(lambda: "waits" in log_of(parts, second).read_text(), "its first attempt")
    for part in (first, second):
        entries = Path(f"/proc/{pid_of(part)}/fd").iterdir()
        kinds = [str(path.readlink()) for path in entries if int(path.name) > 2]
        assert [one for one in kinds if "memfd" in one or "part-" in one or "pidfd" in one] == []


def test_a_part_has_the_environment_of_its_request_and_no_other(parts: Parts) -> None:
    """The loader was started before, in an environment of its own."""
    assert '"INSITU_NIGHTLY_HOUR": "23"' in parts.said(
        parts.start("settings", "--json", INSITU_NIGHTLY_HOUR="23")
    )
    assert '"INSITU_NIGHTLY_HOUR": "3"' in parts.said(parts.start("settings", "--json"))
    wrong = parts.start("settings", INSITU_NIGHTLY_HOUR="99")
    assert "INSITU_NIGHTLY_HOUR" in parts.said(wrong)


def test_two_parts_draw_different_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Forks that went on with the random numbers of their parent would draw the same."""
    program = (
        "import random, secrets, socket, sys, uuid; from cli import loader; random.random(); uuid.uuid4();"
        "loader.PARTS = (); loader.load_and_fork(socket.socket(fileno=int(sys.argv[1])));"
        "print(random.random(), secrets.token_hex(8), uuid.uuid4())"
    )
    monkeypatch.setattr(module, "python_module", lambda *words: [sys.executable, "-c", program, *words[1:]])
    parts = Parts(tmp_path)
    monkeypatch.undo()
    try:
        first, second = (parts.said(parts.start(*WAITS)).split() for _ in range(2))
        assert len(first) == 3
        assert not set(first) & set(second)
    finally:
        parts.end()


def test_an_end_by_any_signal_is_seen(parts: Parts) -> None:
    for number in (signal.SIGKILL, signal.SIGTERM):
        part = parts.start(*WAITS)
        assert part.poll() is None
        os.kill(pid_of(part), number)
        soon(lambda part=part: part.poll() is not None, "its end")  # type: ignore[misc]
        part.signal(signal.SIGKILL)  # to nobody


def test_parts_end_with_the_loader_and_a_new_loader_starts_them_again(parts: Parts) -> None:
    first, old = parts.start(*WAITS), parts.program
    os.kill(pid_of(first), signal.SIGSTOP)
    os.kill(old, signal.SIGKILL)
    soon(lambda: first.poll() is not None, "the end of a halted part")
    second = parts.start(*WAITS)
    assert parts.program != old
    assert is_fork(parts, second)


def test_parts_end_with_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    program = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from tests.cli.test_loading_parts import Parts, WAITS\n"
        "parts = Parts(Path(sys.argv[1]))\n"
        "print(parts.program, parts.start(*WAITS).pid, flush=True)\n"
        "sys.stdin.read()\n"
    )
    supervisor = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=TOP,
    )
    assert supervisor.stdin is not None
    assert supervisor.stdout is not None
    with supervisor.stdin, supervisor.stdout:
        processes = [Process.of(int(pid)) for pid in supervisor.stdout.readline().split()]
        assert len(processes) == 2
        assert all(map(is_running, processes))
        supervisor.kill()
        soon(lambda: not any(map(is_running, processes)), "the end of loader and part")
        supervisor.wait(10)


def test_a_loader_that_hangs_delays_a_part_but_keeps_those_that_run(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    running, hung = parts.start(*WAITS), parts.program
    monkeypatch.setattr(module, "LOADING_LIMIT_S", 0.5)
    monkeypatch.setattr(module, "ANSWER_LIMIT_S", 0.5)
    os.kill(hung, signal.SIGSTOP)
    begin = time.monotonic()
    alone = parts.start(*WAITS)
    assert time.monotonic() - begin < 5
    assert not is_fork(parts, alone)
    assert alone.poll() is None
    assert running.poll() is None
    monkeypatch.undo()
    assert is_fork(parts, parts.start(*WAITS))
    before = {process.pid for process in children_of(hung)}
    os.kill(hung, signal.SIGCONT)  # it finds the old request, which nobody waits for
    soon(lambda: fields(hung)[0] == "S", "its next wait")
    soon(lambda: {process.pid for process in children_of(hung)} <= before, "the end of the late fork")
    assert running.poll() is None


def test_a_loader_that_cannot_load_leaves_parts_to_themselves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "python_module", lambda *_: [sys.executable, "-c", "raise SystemExit(1)"])
    parts = Parts(tmp_path)
    monkeypatch.undo()
    try:
        for _ in range(2):
            part = parts.start(*WAITS)
            assert shown(pid_of(part))[1:] == part_command(WAITS)[1:] or part.poll() is None
            assert part.poll() is None
        assert len(parts.loader._programs) == 1
    finally:
        parts.end()


def test_a_start_that_is_given_up_leaves_no_process(parts: Parts) -> None:
    parts.start(*WAITS)
    steps = parts.make(*WAITS).starting()
    before = {process.pid for process in children_of(parts.program)}
    next(steps)
    steps.close()  # type: ignore[attr-defined]
    time.sleep(0.2)
    soon(lambda: {process.pid for process in children_of(parts.program)} == before, "the end of the fork")


def test_a_part_does_not_wait_for_the_imports_of_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loader of this test never has the pages, and forks into the ingestor nevertheless."""
    program = (
        "import select, socket, sys, time; from cli import loader; number = int(sys.argv[1]);"
        "loader._load = lambda part:"
        " select.select([number], [], []) if part == 'ingest' else time.sleep(1000);"
        "loader.load_and_fork(socket.socket(fileno=number)); loader.main()"
    )
    monkeypatch.setattr(module, "python_module", lambda *words: [sys.executable, "-c", program, *words[1:]])
    parts = Parts(tmp_path)
    monkeypatch.undo()
    try:
        steps = parts.make(*WAITS).starting()
        soon(lambda: next(steps, "over") == "over", "its start")
        assert is_fork(parts, parts.children[0])
    finally:
        parts.end()


def test_the_loader_has_one_thread_after_a_fork(parts: Parts) -> None:
    """A fork of a program with threads can hang."""
    parts.start(*WAITS)
    assert len(list(Path(f"/proc/{parts.program}/task").iterdir())) == 1


def test_arguments_that_do_not_fit_are_cut_and_nothing_beyond_them_is_written() -> None:
    before = Path("/proc/self/environ").read_bytes()
    saved = Path("/proc/self/cmdline").read_bytes()
    try:
        show_arguments(["x" * 100_000])
        now = Path("/proc/self/cmdline").read_bytes()
        assert len(now) == len(saved)
        assert now == b"x" * (len(saved) - 1) + b"\0"
        assert Path("/proc/self/environ").read_bytes() == before
    finally:
        show_arguments(os.fsdecode(saved).split("\0"))
