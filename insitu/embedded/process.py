"""Processes as the kernel shows them: descendants, and who holds a file open."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Process:
    """A pid with its start time, because pids are reused."""

    pid: int
    started: str

    @classmethod
    def of(cls, pid: int) -> Process:
        return cls(pid, _facts(pid)[2])


def is_running(process: Process) -> bool:
    """False once it has ended, even if nobody has collected its exit code yet."""
    state, _, started = _facts(process.pid)
    return state not in ("", "Z", "X") and started == process.started


def kill_tree(root: Process) -> list[Process]:
    """SIGKILL a process and all its descendants, including those with sessions of their own; returns them.

    Each is stopped before its children are listed. A stopped parent creates and reaps no children, so no pid
    in the list can belong to a stranger.
    """
    found = [root]
    for process in found:  # the list grows during the loop
        send(process, signal.SIGSTOP)
        found += children_of(process.pid)
    for process in reversed(found):
        send(process, signal.SIGKILL)
    return found


def send(process: Process, number: signal.Signals) -> None:
    """Signal this process, never a later one with the same pid. Does nothing if it has ended or is not
    ours.
    """
    if Process.of(process.pid) == process:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(process.pid, number)


def children_of(pid: int) -> list[Process]:
    """The children of all its threads."""
    try:
        tasks = list((_PROC / str(pid) / "task").iterdir())
        pids = [int(text) for task in tasks for text in (task / "children").read_text().split()]
    except OSError:
        pids = [child for child, parent in _parents().items() if parent == pid]
    return [Process.of(child) for child in pids]


def holders(path: Path) -> list[Process]:
    """The other processes that have this file open; empty if the system does not say."""
    try:
        wanted = path.stat()
        pids = [
            int(entry.name)
            for entry in _PROC.iterdir()
            if entry.name.isdecimal() and int(entry.name) != os.getpid()
        ]
    except OSError:
        return []
    return [Process.of(pid) for pid in pids if _has_open(pid, wanted)]


def program_of(process: Process) -> str:
    """File name of its executable; empty if the system does not say."""
    try:
        return Path((_PROC / str(process.pid) / "exe").readlink()).name.removesuffix(" (deleted)")
    except OSError:
        return ""


def _has_open(pid: int, wanted: os.stat_result) -> bool:
    try:
        for descriptor in (_PROC / str(pid) / "fd").iterdir():
            with suppress(OSError):
                facts = descriptor.stat()
                if (facts.st_dev, facts.st_ino) == (wanted.st_dev, wanted.st_ino):
                    return True
    except OSError:
        return False  # it ended meanwhile, or belongs to another account
    return False


def _facts(pid: int) -> tuple[str, int, str]:
    """(state, parent, start); empty if there is no such process."""
    if not sys.platform.startswith("linux"):
        return _facts_by_ps(pid)
    try:
        text = (_PROC / str(pid) / "stat").read_text("utf-8", "replace")
    except OSError:
        return "", 0, ""
    fields = text[text.rindex(")") + 2 :].split()
    return fields[0], int(fields[1]), fields[19]


def _facts_by_ps(pid: int) -> tuple[str, int, str]:
    done = subprocess.run(
        ["ps", "-o", "state=,ppid=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    fields = done.stdout.split(maxsplit=2)
    return (fields[0][:1], int(fields[1]), fields[2].strip()) if len(fields) == 3 else ("", 0, "")


def _parents() -> dict[int, int]:
    if sys.platform.startswith("linux"):
        return {
            int(entry.name): _facts(int(entry.name))[1] for entry in _PROC.iterdir() if entry.name.isdecimal()
        }
    done = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=False)
    pairs = [line.split() for line in done.stdout.splitlines()]
    return {int(pid): int(parent) for pid, parent in pairs}
