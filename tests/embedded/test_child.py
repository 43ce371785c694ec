from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from insitu.embedded import child as module
from insitu.embedded.child import Child, finish, python_module
from insitu.embedded.directory import Lock
from insitu.embedded.process import Process, children_of, is_running
from insitu.errors import AlreadyRunning
from tests.embedded.small_disk import small_disk

TOP = Path(__file__).parents[2]


def eventually(condition: Callable[[], object], timeout_s: float = 10.0) -> bool:
    limit = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > limit:
            return False
        time.sleep(0.01)
    return True


def family(root: int) -> list[Process]:
    found = [Process.of(root)]
    for process in found:
        found += children_of(process.pid)
    return found


@pytest.fixture
def shell(tmp_path: Path) -> Child:
    """A parent that ignores SIGTERM, with a grandchild in a session of its own."""
    script = "trap '' TERM; setsid sh -c 'trap \"\" TERM; sleep 100 & sleep 100; true' & sleep 100; true"
    return Child(["/bin/sh", "-c", script], log=tmp_path / "log")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize("halted", [False, True])
def test_a_kill_ends_all_descendants_also_halted_ones_and_those_with_sessions_of_their_own(
    shell: Child, halted: bool
) -> None:
    shell.start()
    assert shell.pid is not None
    pid = shell.pid
    assert eventually(lambda: len(family(pid)) >= 5)
    processes = family(pid)
    if halted:
        for process in processes:
            subprocess.run(["kill", "-STOP", str(process.pid)], check=True)
    shell.kill()
    assert [process for process in processes if is_running(process)] == []
    assert shell.poll() == -signal.SIGKILL


def test_a_stop_takes_no_longer_than_its_patience_and_each_of_its_steps_is_short(shell: Child) -> None:
    shell.start()
    assert shell.pid is not None
    pid = shell.pid
    assert eventually(lambda: len(family(pid)) >= 5)
    begin = time.monotonic()
    longest = 0.0
    for step_s in durations(shell.stopping(0.5)):
        longest = max(longest, step_s)
        time.sleep(0.01)
    assert shell.poll() is not None
    assert 0.5 <= time.monotonic() - begin < 3
    assert longest < 0.3


def durations(steps: Iterator[None]) -> Iterator[float]:
    done = object()
    while True:
        begin = time.monotonic()
        if next(steps, done) is done:
            return
        yield time.monotonic() - begin


def test_a_log_is_bounded_while_its_child_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_LOG_BYTES", 100_000)
    child = Child(["/bin/sh", "-c", "while :; do echo 0123456789; done"], log=tmp_path / "log")
    child.start()
    try:
        for _ in range(3):
            assert eventually(lambda: (tmp_path / "log").stat().st_size > 100_000)
            child.bound_log()
        assert eventually(lambda: (tmp_path / "log").stat().st_size > 1000)
    finally:
        child.kill()
    child.bound_log()
    assert (tmp_path / "log").stat().st_size <= 100_000
    assert b"\0" not in (tmp_path / "log").read_bytes()  # the child appends: no hole where the log was cut
    assert (tmp_path / "log.1").stat().st_size > 0


def test_a_log_on_a_full_disk_is_cut_and_raises_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_LOG_BYTES", 100_000)
    with small_disk(tmp_path / "disk", megabytes=2) as disk:
        log = disk.folder / "log"
        log.write_bytes(b"x" * 900_000)
        child = Child(["/bin/true"], log=log)
        disk.fill()
        child.bound_log()
        assert log.stat().st_size == 0
        assert not log.with_name("log.1").exists()


def test_last_words_are_those_since_the_start(tmp_path: Path) -> None:
    for words in ("first", ""):
        child = Child(["/bin/sh", "-c", f"printf '{words}'"], log=tmp_path / "log")
        child.start()
        assert eventually(lambda child=child: child.poll() is not None)  # type: ignore[misc]
        assert child.last_words(5) == words


@pytest.mark.parametrize("arguments", [["cli", "--help"], ["simulators", "no-such-file.json"]])
def test_a_child_of_ours_imports_nothing_from_the_working_directory(
    tmp_path: Path, arguments: list[str]
) -> None:
    """A clone called `insitu`, and a `random.py`, are in the folder where a new user types the command."""
    evidence = tmp_path / "evidence"
    trap = f"open({str(evidence)!r}, 'a').write(__name__)\n"
    place = tmp_path / "place"
    (place / "insitu" / "insitu").mkdir(parents=True)
    for path in (
        "random.py",
        "simulators.py",
        "typing_extensions.py",
        "insitu/__init__.py",
        "insitu/insitu/__init__.py",
    ):
        (place / path).write_text(trap)
    child = Child(python_module(*arguments), log=tmp_path / "log", cwd=place)
    child.start()
    assert eventually(lambda: child.poll() is not None, 60)
    assert not evidence.exists()
    assert "No module named" not in child.last_words(20)


def test_no_room_starts_a_module_of_ours_in_any_other_way() -> None:
    bare = re.compile(r"""sys\.executable,\s*["']-[mc]["']""")
    rooms = ("insitu", "store", "ingest", "trials", "api", "simulators", "proving")
    paths = [path for room in rooms for path in (TOP / room).rglob("*.py")]
    assert [str(path) for path in paths if bare.search(path.read_text("utf-8"))] == []


def test_servers_that_outlived_their_supervisor_give_the_lock_back_even_when_halted(tmp_path: Path) -> None:
    held = Lock(tmp_path / "lock")
    orphan = subprocess.Popen(["sleep", "100"], pass_fds=[held.take()])
    try:
        held.release()  # the supervisor is gone
        orphan.send_signal(signal.SIGSTOP)
        lock = Lock(tmp_path / "lock")
        lock.take(patience_s=6)
        lock.release()
        assert orphan.wait(5) == -signal.SIGKILL
    finally:
        orphan.kill()
        orphan.wait()


def test_a_server_with_a_supervisor_is_never_touched(tmp_path: Path) -> None:
    code = (
        "import sys, time, subprocess; from pathlib import Path; from insitu.embedded.directory import Lock\n"
        "lock = Lock(Path(sys.argv[1])); server = subprocess.Popen(['sleep', '100'], "
        "pass_fds=[lock.take()])\n"
        "print(server.pid, flush=True); sys.stdin.read(); server.kill()"
    )
    supervisor = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "lock")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert supervisor.stdout is not None
    server = Process.of(int(supervisor.stdout.readline()))
    with pytest.raises(AlreadyRunning):
        Lock(tmp_path / "lock").take(patience_s=3)
    assert is_running(server)
    supervisor.communicate("")


def test_steps_that_are_closed_midway_end_what_they_started(shell: Child) -> None:
    from insitu.embedded.cluster import running

    steps = running(shell)
    next(steps)
    assert shell.pid is not None
    steps.close()
    assert shell.poll() is not None
    finish(shell.stopping(1))  # nothing left to do
